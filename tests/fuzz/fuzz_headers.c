/*
 * libFuzzer target: any bytes as a response's header block and body, up to what the loop reports of it: every value
 * lies in the block, and where it leads is a canonical http(s) URL.
 *
 * The first byte chooses the status; the header block ends with the first NUL, the rest is the body.
 */
#include "shared/limits.h"
#include "shared/robots_tag.h"
#include "worker/harvest.h"
#include "worker/headers.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char document[] = "http://h.example/d/p.html?q";

static void check(bool holds) {
    if (!holds)
        abort();
}

static void find_all(const char *head, size_t len) {
    static const char *const names[] = {"content-type", "content-encoding", "location",
                                        "x-robots-tag", "retry-after",      "link"};
    const char *value;
    size_t n;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (unsigned nth = 0; headers_find(head, len, names[i], nth, &value, &n); nth++) {
            check(value > head && value + n <= head + len && memchr(value, '\n', n) == NULL);
            check(n == 0 || (value[0] != ' ' && value[n - 1] != ' '));
            struct robots_tag t;
            robots_tag_init(&t);
            robots_tag_header(&t, value, n, "trawl");
            check(!robots_tag_excludes(&t, INT64_MIN) || t.noindex);
        }
}

static void check_target(const struct agent_outcome *o) {
    struct url u;

    if (!o->redirect)
        return;
    url_init(&u);
    check(o->redirect_to_len > 0 && o->redirect_to_len <= LIMIT_URL_BYTES);
    check(url_parse(&u, o->redirect_to, o->redirect_to_len, NULL) == URL_OK && url_is_http(&u));
    url_canonicalise(&u);
    check(u.href_len == o->redirect_to_len && memcmp(u.href, o->redirect_to, u.href_len) == 0);
    url_release(&u);
}

static void harvest(struct transfer *t) {
    static struct harvest *h;
    const struct harvest_options options = {.user_agent = "trawl/1"};
    struct agent_outcome o;
    const char *robots;
    size_t robots_len;

    if (h == NULL) {
        h = harvest_new();
        check(h != NULL && harvest_set_options(h, &options));
    }
    harvest_outcome(h, t, &o);
    check(o.mime == NULL || strchr(o.mime, '/') != NULL);
    check_target(&o);
    harvest_links(h, t, &o);
    check(o.link_count <= LIMIT_PAGE_LINKS);
    check(harvest_robots(h, t, &robots, &robots_len) != NULL || robots_len <= LIMIT_ROBOTS_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint32_t statuses[] = {200, 206, 300, 301, 302, 304, 308, 404, 503};
    struct body_pool pool = {.dir_fd = AT_FDCWD, .bytes_max = SIZE_MAX};
    struct transfer t = {.url = document, .url_len = sizeof document - 1};

    if (size < 1)
        return 0;
    t.status = statuses[data[0] % (sizeof statuses / sizeof statuses[0])];
    data++;
    size--;
    const uint8_t *nul = size == 0 ? NULL : memchr(data, 0, size);
    size_t head_len = nul == NULL ? size : (size_t)(nul - data);
    buf_init(&t.head, LIMIT_HEADER_BYTES);
    check(buf_append(&t.head, data, head_len) || head_len > LIMIT_HEADER_BYTES);
    body_init(&t.body, &pool);
    body_reset(&t.body, LIMIT_DECODED_BYTES);
    if (nul != NULL)
        check(body_append(&t.body, nul + 1, size - head_len - 1) == BODY_OK);
    if (t.head.len > 0)
        find_all(t.head.data, t.head.len);
    harvest(&t);
    body_release(&t.body);
    buf_release(&t.head);
    return 0;
}
