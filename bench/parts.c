/* parts: what a page costs in the parts of a crawl that need no network: links found, digests, gzip, a WARC file
 * written; one thread, one page after the other, from memory.
 *
 *   build/bench/parts LIST WARC       LIST: lines "URL TAB FILE"; WARC: the file that is made
 *
 * Prints one line of JSON: microseconds a page by the stages of shared/cost.h. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/buf.h"
#include "shared/cost.h"
#include "shared/limits.h"
#include "shared/page.h"
#include "shared/warc_write.h"

enum { LEVEL = 1, FILE_BYTES_MAX = 64 << 20, LINE_BYTES = LIMIT_URL_BYTES + 4096 };

struct bench {
    struct page page;
    struct url url;
    struct warc_write *writer;
    struct buf body;
    int fd;
    uint64_t pages, bytes, links, written;
};

static void die(const char *what, const char *which) {
    fprintf(stderr, "parts: %s %s\n", what, which);
    exit(1);
}

static bool sink(void *arg, const void *bytes, size_t len) {
    struct bench *b = arg;

    b->written += len;
    return write(b->fd, bytes, len) == (ssize_t)len;
}

static void read_body(struct bench *b, const char *path) {
    FILE *f = fopen(path, "re");
    char part[65536];
    size_t n;

    if (f == NULL)
        die("cannot open", path);
    buf_reset(&b->body);
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        buf_append(&b->body, part, n);
    fclose(f);
    if (b->body.failed)
        die("too large:", path);
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static const char *type_of(const char *path) {
    return ends_with(path, ".html")  ? "text/html"
           : ends_with(path, ".css") ? "text/css"
                                     : "application/octet-stream";
}

static void take(struct bench *b, const char *url, const char *path) {
    const char *type = type_of(path);
    struct page_input in = {.document = &b->url,
                            .follow = PAGE_FOLLOW_LINKS,
                            .content_type = type,
                            .content_type_len = strlen(type)};
    struct warc_write_place place;
    char head[256];

    read_body(b, path);
    int head_len = snprintf(head, sizeof head,
                            "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                            type, b->body.len);
    struct warc_write_piece piece = {b->body.data == NULL ? "" : b->body.data, b->body.len};
    struct warc_write_record record = {.type = WARC_WRITE_RESPONSE,
                                       .uri = url,
                                       .uri_len = strlen(url),
                                       .date_ms = 1700000000000,
                                       .ip = "127.0.0.1",
                                       .head = head,
                                       .head_len = (size_t)head_len,
                                       .body = &piece,
                                       .body_count = 1};
    cost_enter(COST_OTHER);
    if (warc_write_record(b->writer, &record, &place) != WARC_WRITE_OK)
        die("cannot write the record of", url);
    cost_enter(COST_PARSE);
    in.body = piece.bytes;
    in.body_len = piece.len;
    if (url_parse(&b->url, url, strlen(url), NULL) != URL_OK ||
        page_extract(&b->page, &in) != PAGE_OK)
        die("cannot parse", url);
    cost_enter(COST_IDLE);
    b->links += b->page.links.count;
    b->bytes += b->body.len;
    b->pages += strcmp(type, "text/html") == 0;
}

int main(int argc, char **argv) {
    static char line[LINE_BYTES];
    struct bench b = {.fd = -1};
    struct cost_sums sums;

    if (argc != 3)
        die("usage: parts LIST WARC", "");
    FILE *list = fopen(argv[1], "re");
    b.fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    b.writer = warc_write_new(LEVEL, (struct warc_write_sink){sink, &b});
    if (list == NULL || b.fd < 0 || b.writer == NULL)
        die("cannot open", list == NULL ? argv[1] : argv[2]);
    page_init(&b.page);
    url_init(&b.url);
    buf_init(&b.body, FILE_BYTES_MAX);
    /* Between pages it reads files: that counts nowhere. */
    (void)cost_begin(COST_OTHER);
    cost_enter(COST_IDLE);
    while (fgets(line, sizeof line, list) != NULL) {
        char *tab = strchr(line, '\t');
        line[strcspn(line, "\n")] = '\0';
        if (tab == NULL)
            die("no TAB in", line);
        *tab = '\0';
        take(&b, line, tab + 1);
    }
    cost_settle();
    cost_read(&sums, 0);
    double pages = b.pages == 0 ? 1 : (double)b.pages;
    printf("{\"pages\": %llu, \"bytes\": %llu, \"links\": %llu, \"written\": %llu",
           (unsigned long long)b.pages, (unsigned long long)b.bytes, (unsigned long long)b.links,
           (unsigned long long)b.written);
    static const enum cost_stage shown[] = {COST_PARSE, COST_DIGEST, COST_COMPRESS, COST_WRITE};
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        printf(", \"%s_us\": %.2f", cost_stage_name(shown[i]), (double)sums.us[shown[i]] / pages);
    puts("}");
    fclose(list);
    warc_write_free(b.writer);
    page_release(&b.page);
    url_release(&b.url);
    buf_release(&b.body);
    close(b.fd);
    return 0;
}
