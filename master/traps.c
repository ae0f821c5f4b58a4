/* traps: which new URLs are excluded because a site could go on making them for ever (shared/trap.h), and the
 * memory that this takes: a fingerprint for each URL with several parameters, and the table of kinds. Both follow
 * from the URLs in the crawldb, and are made again from them at a start. */
#include <string.h>

#include "master/core_state.h"
#include "shared/fingerprint.h"
#include "shared/limits.h"

bool traps_init(struct core *c) {
    buf_init(&c->traps.text, LIMIT_URL_BYTES + 256);
    if (!buf_reserve(&c->traps.text, LIMIT_URL_BYTES + 256))
        return false;
    if (c->options->max_per_template == 0)
        return true;
    c->traps.templates = template_table_new();
    return c->traps.templates != NULL;
}

void traps_release(struct core *c) {
    buf_release(&c->traps.text);
    template_table_free(c->traps.templates);
}

/* Under which all orders of its parameters are known. False: there is only one. */
static bool query_key(struct core *c, const char *url, size_t len, uint64_t *key) {
    struct buf *text = &c->traps.text;

    if (c->options->query_order_keep || memchr(url, '&', len) == NULL)
        return false;
    buf_reset(text);
    if (!trap_query_key(url, len, text))
        return false;
    *key = fingerprint(c->key, text->data, text->len);
    return true;
}

static bool kind_of(struct core *c, const char *url, size_t len, size_t origin_len,
                    uint64_t *kind) {
    struct buf *text = &c->traps.text;

    if (c->traps.templates == NULL)
        return false;
    buf_reset(text);
    if (!trap_template(url, len, origin_len, text))
        return false;
    *kind = fingerprint(c->key, text->data, text->len);
    return true;
}

enum trap_verdict traps_check(struct core *c, const struct url *u, bool redirected) {
    const struct options *o = c->options;
    const struct trap_limits limits = {.url_length = o->max_url_length,
                                       .path_depth = o->max_path_depth,
                                       .repeats = o->max_repeats,
                                       .query_params = o->max_query_params};
    enum trap_verdict verdict = trap_check(&limits, u);
    uint64_t key;

    if (verdict != TRAP_NONE)
        return verdict;
    if (!redirected && query_key(c, u->href, u->href_len, &key) && seen_has(c->seen, key))
        return TRAP_QUERY_ORDER;
    if (kind_of(c, u->href, u->href_len, url_origin(u).len, &key) &&
        template_table_count(c->traps.templates, key) >= o->max_per_template)
        return TRAP_TEMPLATE;
    return TRAP_NONE;
}

void traps_note(struct core *c, const char *url, size_t len, size_t origin_len) {
    uint64_t key;

    if (query_key(c, url, len, &key) && seen_add(c->seen, key) == SEEN_NO_MEMORY)
        core_fail(c, "out of memory for the set of known URLs");
    if (kind_of(c, url, len, origin_len, &key))
        template_table_add(c->traps.templates, key);
}

void traps_note_loaded(struct core *c, const struct origin *o, ProtobufCBinaryData path) {
    bool has_params =
        !c->options->query_order_keep && path.len > 0 && memchr(path.data, '&', path.len) != NULL;

    if (!has_params && c->traps.templates == NULL)
        return;
    buf_reset(&c->value);
    if (buf_append(&c->value, o->name, o->name_len) && buf_append(&c->value, path.data, path.len))
        traps_note(c, c->value.data, c->value.len, o->name_len);
    else
        core_fail(c, "out of memory for a URL");
}

/* What is counted for the reason; NULL: it is no trap. */
static uint64_t *counted(struct core *c, const char *reason) {
    for (enum trap_verdict v = TRAP_NONE + 1; v < TRAP_VERDICTS; v++)
        if (strcmp(reason, trap_verdict_name(v)) == 0)
            return &c->traps.excluded[v];
    return NULL;
}

void traps_count(struct core *c, const char *reason) {
    uint64_t *count = counted(c, reason);

    if (count != NULL)
        ++*count;
}

void traps_uncount(struct core *c, const char *reason) {
    uint64_t *count = counted(c, reason);

    if (count != NULL && *count > 0)
        --*count;
}
