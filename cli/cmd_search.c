/* cmd_search: `trawl search`: asks the index of a crawl's pages (search.h). What comes from pages is shown as screen.h does. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/screen.h"
#include "cli/search.h"
#include "shared/json_out.h"
#include "shared/utc.h"

enum { SNIPPET_BYTES = 1000, JSON_BYTES = 64 << 20 };

struct output {
    bool bold; /* a terminal */
    struct buf json;
};

/* The snippet, at most SNIPPET_BYTES of it (a word may be a megabyte), cut between characters. */
static size_t shown(const char *snippet) {
    size_t n = strlen(snippet);

    if (n <= SNIPPET_BYTES)
        return n;
    n = SNIPPET_BYTES;
    while (n > 0 && ((unsigned char)snippet[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static void show_marked(const struct output *o, const char *p, size_t n) {
    char piece[SNIPPET_BYTES + 1];

    while (n > 0) {
        size_t len = 0;
        while (len < n && *SEARCH_MARK_BEGIN != p[len] && *SEARCH_MARK_END != p[len])
            piece[len] = p[len], len++;
        piece[len] = '\0';
        screen_text(stdout, piece);
        if (len < n && o->bold)
            fputs(p[len] == *SEARCH_MARK_BEGIN ? "\x1b[1m" : "\x1b[0m", stdout);
        else if (len < n)
            fputs(p[len] == *SEARCH_MARK_BEGIN ? "[" : "]", stdout);
        len += len < n;
        p += len;
        n -= len;
    }
    if (o->bold)
        fputs("\x1b[0m", stdout);
    putchar('\n');
}

static void show_page(void *arg, size_t rank, const struct search_page *page) {
    const struct output *o = arg;

    printf("%s%zu. ", rank > 1 ? "\n" : "", rank);
    screen_text(stdout, page->title[0] != '\0' ? page->title : "(no title)");
    fputs("\n   ", stdout);
    screen_text(stdout, page->url);
    for (size_t i = 0; i < page->copy_count; i++) {
        fputs("\n   also ", stdout);
        screen_text(stdout, page->copies[i]);
    }
    fputs("\n   ", stdout);
    show_marked(o, page->snippet, shown(page->snippet));
}

static void append_snippet(struct buf *b, const char *p, size_t n) {
    char plain[SNIPPET_BYTES];
    size_t len = 0;

    for (size_t i = 0; i < n; i++)
        if (p[i] != *SEARCH_MARK_BEGIN && p[i] != *SEARCH_MARK_END)
            plain[len++] = p[i];
    json_out_member(b, "snippet", plain, len);
}

static void append_page(void *arg, size_t rank, const struct search_page *page) {
    struct buf *b = &((struct output *)arg)->json;
    char when[UTC_RFC3339_SIZE];

    utc_rfc3339(page->fetched_at_ms, when);
    buf_printf(b, "%s{\"rank\": %zu, \"score\": %.6f, ", rank > 1 ? ", " : "", rank, page->score);
    json_out_member(b, "url", page->url, strlen(page->url));
    buf_append_str(b, ", ");
    json_out_member(b, "title", page->title, strlen(page->title));
    buf_append_str(b, ", ");
    append_snippet(b, page->snippet, shown(page->snippet));
    buf_printf(b, ", \"fetched_at\": \"%s\", \"copies\": [", when);
    for (size_t i = 0; i < page->copy_count; i++) {
        buf_append_str(b, i > 0 ? ", " : "");
        json_out_string(b, page->copies[i], strlen(page->copies[i]));
    }
    buf_append_str(b, "]}");
}

static bool answer_json(struct output *o, struct search *s, const struct args *a,
                        const struct search_totals *totals, struct error *err) {
    struct buf *b = &o->json;

    buf_printf(b, "{\"pages\": %" PRIu64 ", \"matches\": %" PRIu64 ", \"results\": [",
               totals->pages, totals->matches);
    if (!search_best(s, a->limit, append_page, o, err))
        return false;
    buf_append_str(b, "]}\n");
    if (b->failed)
        error_set(err, 0, "out of memory for so many results; a smaller --limit helps");
    else
        fwrite(b->data, 1, b->len, stdout);
    return !b->failed;
}

static bool answer(struct output *o, struct search *s, const struct args *a,
                   const struct search_totals *totals, struct error *err) {
    if (a->json)
        return answer_json(o, s, a, totals, err);
    if (!search_best(s, a->limit, show_page, o, err))
        return false;
    if (totals->matches == 0)
        fprintf(stderr, "trawl: none of %" PRIu64 " pages has all these words\n", totals->pages);
    else if (totals->matches > a->limit)
        fprintf(stderr, "trawl: the first %u of %" PRIu64 " pages; --limit N shows more\n",
                a->limit, totals->matches);
    return true;
}

int command_search(const struct args *a) {
    struct output o = {.bold = isatty(STDOUT_FILENO) == 1};
    struct search_totals totals;
    struct error err = {0};
    bool wrong = false, fine = false;

    buf_init(&o.json, JSON_BYTES);
    struct search *s = search_open(a->words.items[0], &err);
    if (s != NULL)
        fine = search_ask(s, a->words.items + 1, a->words.count - 1, &totals, &wrong, &err) &&
               answer(&o, s, a, &totals, &err);
    if (fine && fflush(stdout) != 0) {
        error_set(&err, 0, "cannot write the results");
        fine = false;
    }
    search_close(s);
    buf_release(&o.json);
    return fine ? 0 : command_fail(wrong ? 2 : 1, &err);
}
