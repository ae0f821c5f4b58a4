/*
 * func_links: who links to what, with which words: TARGET TAB SOURCE TAB ANCHOR, sorted by target, source and anchor (as
 * bytes), each line once.
 *
 * Links are those of record_links.h; anchors are as anchors.h says. A link that has an anchor nowhere on its page (an image, a
 * <link>, a redirect) has one line with an empty one. A target has as many lines as it has: reduce() streams them.
 * Of a URL that was archived more than once all versions count. Counters: pages, links (lines), targets; links-left-out
 * and anchors-left-out, what is beyond the bounds of one page; revisits-left-out, records whose payload lies at a URL that is not
 * known. Its argument, if there is one, is the file that says where they lie (record_copies.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/buf.h"
#include "worker/func.h"
#include "worker/record_copies.h"
#include "worker/record_links.h"

struct links {
    const struct trawl_api *api;
    struct record_links from;
    struct record_copies copies;
    struct buf value;       /* SOURCE TAB ANCHOR; of reduce(): the last one written */
    bool *has_anchor;       /* by link of the page */
    size_t anchors_size;    /* of it */
    struct link_list known; /* of the page: link and anchor, as bytes: navigation repeats itself */
};

static void links_close(void *state) {
    struct links *l = state;

    record_links_release(&l->from);
    record_copies_release(&l->copies);
    link_list_release(&l->known);
    buf_release(&l->value);
    free(l->has_anchor);
    free(l);
}

static bool links_open(void **state, struct trawl_task *t, const struct trawl_api *api, int argc,
                       char *const *argv, char *error) {
    struct links *l = calloc(1, sizeof *l);

    (void)t;
    if (l == NULL) {
        snprintf(error, 256, "out of memory");
        return false;
    }
    record_copies_init(&l->copies);
    if (argc > 0 && !record_copies_load(&l->copies, argv[0])) {
        snprintf(error, 256, "%.150s: %m", argv[0]);
        record_copies_release(&l->copies);
        free(l);
        return false;
    }
    l->api = api;
    record_links_init(&l->from, true);
    link_list_init(&l->known);
    buf_init(&l->value, 16 << 20);
    *state = l;
    return true;
}

static void emit(struct links *l, struct trawl_task *t, size_t link, const char *source,
                 const char *anchor, size_t len) {
    const struct link_list_item *item = &l->from.page.links.items[link];

    buf_reset(&l->value);
    buf_append_str(&l->value, source);
    buf_append_char(&l->value, '\t');
    if (!buf_append(&l->value, anchor, len))
        l->api->fail(t, "out of memory for a link");
    l->api->emit(t, page_link_url(&l->from.page, link), item->len, l->value.data, l->value.len);
}

/* If it is new on its page. */
static void emit_anchor(struct links *l, struct trawl_task *t, const struct anchor *a,
                        const char *source) {
    const char *text = l->from.page.anchors.text.data + a->at;

    l->has_anchor[a->link] = true;
    buf_reset(&l->value);
    buf_append(&l->value, &a->link, sizeof a->link);
    if (!buf_append(&l->value, text, a->len))
        l->api->fail(t, "out of memory for a link");
    switch (link_list_add(&l->known, l->value.data, l->value.len, 0, 0)) {
    case LINK_LIST_NO_MEMORY:
        l->api->fail(t, "out of memory for links");
        return;
    case LINK_LIST_KNOWN:
        return;
    case LINK_LIST_ADDED:
    case LINK_LIST_FULL: /* reduce() drops what comes twice */
        emit(l, t, a->link, source, text, a->len);
    }
}

static void forget_anchors(struct links *l, struct trawl_task *t, size_t count) {
    link_list_reset(&l->known);
    if (count > l->anchors_size) {
        bool *more = realloc(l->has_anchor, count * sizeof *more);
        if (more == NULL)
            l->api->fail(t, "out of memory for links");
        l->has_anchor = more;
        l->anchors_size = count;
    }
    if (l->has_anchor != NULL)
        memset(l->has_anchor, 0, count * sizeof *l->has_anchor);
}

static void count_left_out(const struct links *l, struct trawl_task *t) {
    const struct page *p = &l->from.page;

    if (p->links_dropped > 0)
        l->api->count(t, "links-left-out", (int64_t)p->links_dropped);
    if (p->anchors.dropped > 0)
        l->api->count(t, "anchors-left-out", (int64_t)p->anchors.dropped);
}

static void map_as(struct links *l, struct trawl_task *t, const struct trawl_record *r) {
    const struct page *p = &l->from.page;

    if (!record_links_read(&l->from, r))
        l->api->fail(t, "out of memory for links");
    forget_anchors(l, t, p->links.count);
    for (size_t i = 0; i < p->anchors.count; i++)
        emit_anchor(l, t, &p->anchors.items[i], r->name);
    for (size_t i = 0; i < p->links.count; i++)
        if (!l->has_anchor[i])
            emit(l, t, i, r->name, "", 0);
    l->api->count(t, "pages", 1);
    count_left_out(l, t);
}

static void links_map(void *state, struct trawl_task *t, const struct trawl_record *r) {
    struct links *l = state;
    struct trawl_record copy = *r;

    if (strcmp(r->record_type, "revisit") == 0) {
        if (strcmp(r->name, r->refers_to) != 0 && !record_copies_has(&l->copies, r->name))
            l->api->count(t, "revisits-left-out", 1);
        return;
    }
    map_as(l, t, r);
    for (size_t at = 0; (copy.name = record_copies_next(&l->copies, r->name, &at)) != NULL;)
        map_as(l, t, &copy);
}

/* The values come sorted: one that came before stands right before. */
static void links_reduce(void *state, struct trawl_task *t, const void *key, size_t key_len,
                         struct trawl_values *values) {
    struct links *l = state;
    const void *value;
    size_t len;

    l->api->count(t, "targets", 1);
    buf_reset(&l->value);
    while (l->api->next(values, &value, &len)) {
        if (l->value.len == len && memcmp(l->value.data, value, len) == 0)
            continue;
        buf_reset(&l->value);
        if (!buf_append(&l->value, value, len))
            l->api->fail(t, "out of memory for a link");
        l->api->write(t, key, key_len);
        l->api->write(t, "\t", 1);
        l->api->write(t, value, len);
        l->api->write(t, "\n", 1);
        l->api->count(t, "links", 1);
    }
}

const struct trawl_job func_links = {.abi = TRAWL_JOB_ABI,
                                     .input = TRAWL_INPUT_PAGES,
                                     .open = links_open,
                                     .map = links_map,
                                     .reduce = links_reduce,
                                     .close = links_close};
