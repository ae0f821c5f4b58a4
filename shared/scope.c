#include "shared/scope.h"

#include "shared/charset.h"
#include "shared/domain.h"
#include "shared/limits.h"
#include "shared/url_iri.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdlib.h>
#include <string.h>

/* What one match of a URL may cost: steps of the matcher, and bytes of its stack. URLs are short;
 * patterns that need more backtrack without end. */
enum {
    MATCH_STEPS_MAX = 200000,
    MATCH_STACK_MIN_BYTES = 32 * 1024,
    MATCH_STACK_MAX_BYTES = 512 * 1024,
};

/* ------------------------------------------------------------------ sets of texts */

/* Open addressing, linear probing; nothing is ever removed. */
struct text_set {
    struct text_slot {
        uint64_t hash;
        char *text; /* NULL: free */
        size_t len;
    } * slots;
    size_t count, size; /* size: a power of two, or 0 */
    size_t len_max;     /* of the texts */
};

/* FNV-1a, which can be taken on from any prefix. Who fills the sets is who runs the crawl: nobody
 * gains by collisions. */
static const uint64_t hash_start = 0xcbf29ce484222325u;

static uint64_t hash_more(uint64_t hash, const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)p[i]) * 0x100000001b3u;
    return hash;
}

/* Where the text is, or the free slot where it would go. */
static struct text_slot *set_find(const struct text_set *set, uint64_t hash, const char *p,
                                  size_t n) {
    size_t i = (hash ^ hash >> 32) & (set->size - 1);

    for (;; i = (i + 1) & (set->size - 1)) {
        struct text_slot *slot = &set->slots[i];
        if (slot->text == NULL ||
            (slot->hash == hash && slot->len == n && memcmp(slot->text, p, n) == 0))
            return slot;
    }
}

static bool set_has(const struct text_set *set, uint64_t hash, const char *p, size_t n) {
    return set->count > 0 && set_find(set, hash, p, n)->text != NULL;
}

static bool set_has_text(const struct text_set *set, struct url_slice text) {
    return set_has(set, hash_more(hash_start, text.ptr, text.len), text.ptr, text.len);
}

static bool set_grow(struct text_set *set) {
    struct text_set bigger = *set;

    bigger.size = set->size == 0 ? 16 : set->size * 2;
    bigger.slots = calloc(bigger.size, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return false;
    for (size_t i = 0; i < set->size; i++) {
        const struct text_slot *s = &set->slots[i];
        if (s->text != NULL)
            *set_find(&bigger, s->hash, s->text, s->len) = *s;
    }
    free(set->slots);
    *set = bigger;
    return true;
}

static bool set_add(struct text_set *set, struct url_slice text) {
    uint64_t hash = hash_more(hash_start, text.ptr, text.len);

    if (set_has(set, hash, text.ptr, text.len))
        return true;
    if (set->count + 1 > set->size / 4 * 3 && !set_grow(set))
        return false;
    char *copy = malloc(text.len + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *set_find(set, hash, copy, text.len) = (struct text_slot){hash, copy, text.len};
    set->count++;
    set->len_max = text.len > set->len_max ? text.len : set->len_max;
    return true;
}

static void set_release(struct text_set *set) {
    for (size_t i = 0; i < set->size; i++)
        free(set->slots[i].text);
    free(set->slots);
}

/* ------------------------------------------------------------------ patterns */

struct pattern {
    pcre2_code *code;
    bool is_international; /* holds what no URL has: it is meant for IRIs */
};

struct pattern_list {
    struct pattern *items;
    size_t count;
};

/* What matching works with: changes with every match. */
struct matcher {
    pcre2_match_context *context;
    pcre2_match_data *data;
    pcre2_jit_stack *stack;
    struct buf iri; /* of the URL at hand; empty: not made yet, or the same */
    uint64_t limit_hits;
    bool no_memory;
};

struct scope {
    enum option_scope kind;
    struct text_set seeds; /* whole */
    struct text_set spans; /* what `kind` makes of them: origins, domains or prefixes */
    struct pattern_list include, exclude;
    struct matcher *matcher;
};

static void matcher_free(struct matcher *m) {
    if (m == NULL)
        return;
    pcre2_match_context_free(m->context);
    pcre2_match_data_free(m->data);
    pcre2_jit_stack_free(m->stack);
    buf_release(&m->iri);
    free(m);
}

static struct matcher *matcher_new(void) {
    struct matcher *m = calloc(1, sizeof *m);

    if (m == NULL)
        return NULL;
    buf_init(&m->iri, 2 * LIMIT_URL_BYTES);
    m->context = pcre2_match_context_create(NULL);
    m->data = pcre2_match_data_create(1, NULL);
    m->stack = pcre2_jit_stack_create(MATCH_STACK_MIN_BYTES, MATCH_STACK_MAX_BYTES, NULL);
    if (m->context == NULL || m->data == NULL || m->stack == NULL) {
        matcher_free(m);
        return NULL;
    }
    pcre2_set_match_limit(m->context, MATCH_STEPS_MAX);
    pcre2_set_heap_limit(m->context, MATCH_STACK_MAX_BYTES / 1024);
    pcre2_jit_stack_assign(m->context, NULL, m->stack);
    return m;
}

static pcre2_code *compile(const char *option, const char *pattern, struct error *err) {
    PCRE2_SIZE offset;
    int code;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_NEVER_UTF,
                                   &code, &offset, NULL);

    if (re == NULL) {
        PCRE2_UCHAR why[128];
        pcre2_get_error_message(code, why, sizeof why);
        error_set(err, 0, "%s '%s': %s, at offset %zu; a PCRE2 pattern is expected", option,
                  pattern, (const char *)why, (size_t)offset);
        return NULL;
    }
    /* Where there is no JIT, or no memory for it, the interpreter does the same more slowly. */
    (void)pcre2_jit_compile(re, PCRE2_JIT_COMPLETE);
    return re;
}

static bool compile_all(struct pattern_list *list, const char *option,
                        const struct string_list *patterns, struct error *err) {
    if (patterns->count == 0)
        return true;
    list->items = calloc(patterns->count, sizeof *list->items);
    if (list->items == NULL) {
        error_set(err, 0, "out of memory for the patterns of %s", option);
        return false;
    }
    for (; list->count < patterns->count; list->count++) {
        const char *text = patterns->items[list->count];
        pcre2_code *code = compile(option, text, err);
        if (code == NULL)
            return false;
        list->items[list->count] = (struct pattern){code, !charset_is_ascii(text, strlen(text))};
    }
    return true;
}

static void patterns_release(struct pattern_list *list) {
    for (size_t i = 0; i < list->count; i++)
        pcre2_code_free(list->items[i].code);
    free(list->items);
}

static bool matches(const struct pattern *p, struct matcher *m, const char *text, size_t len) {
    int found = pcre2_match(p->code, (PCRE2_SPTR)text, len, 0, 0, m->data, m->context);

    if (found == PCRE2_ERROR_NOMEMORY)
        m->no_memory = true;
    else if (found < 0 && found != PCRE2_ERROR_NOMATCH)
        m->limit_hits++;
    return found >= 0;
}

static bool matches_iri(const struct pattern *p, struct matcher *m, const struct url *u) {
    if (m->iri.len == 0 && (!url_iri_differs(u) || m->iri.failed))
        return false;
    if (m->iri.len == 0 && !url_iri_append(&m->iri, u)) {
        m->no_memory = true;
        return false;
    }
    return matches(p, m, m->iri.data, m->iri.len);
}

static bool matches_any(const struct pattern_list *list, struct matcher *m, const struct url *u) {
    bool found = false;

    if (list->count > 0)
        buf_reset(&m->iri);
    for (size_t i = 0; i < list->count && !found; i++) {
        const struct pattern *p = &list->items[i];
        found =
            matches(p, m, u->href, u->href_len) || (p->is_international && matches_iri(p, m, u));
    }
    return found;
}

/* ------------------------------------------------------------------ what seeds span */

/* Without the scheme where the port is the scheme's own. */
static struct url_slice origin_key(const struct url *u) {
    struct url_slice key = url_origin(u);

    if (u->port == URL_NONE) {
        key.ptr += u->scheme_end;
        key.len -= u->scheme_end;
    }
    return key;
}

static struct url_slice domain_key(const struct url *u) {
    struct url_slice key = domain_registrable(u);

    return key.len > 0 ? key : url_hostname(u);
}

static struct url_slice prefix_key(const struct url *u) {
    struct url_slice path = url_pathname(u);
    const char *slash = memrchr(path.ptr, '/', path.len);

    return (struct url_slice){u->href, (size_t)(slash + 1 - u->href)};
}

static struct url_slice span_key(enum option_scope kind, const struct url *u) {
    switch (kind) {
    case SCOPE_HOST:
        return origin_key(u);
    case SCOPE_DOMAIN:
        return domain_key(u);
    case SCOPE_PREFIX:
    case SCOPE_ANY:
        break;
    }
    return prefix_key(u);
}

/* Whether one of the URL's directories is a span. */
static bool has_prefix(const struct text_set *spans, const struct url *u) {
    struct url_slice last = prefix_key(u);
    const char *from = u->href, *at = u->href + u->path_start;
    uint64_t hash = hash_start;

    for (;;) {
        at++;
        if ((size_t)(at - u->href) > spans->len_max)
            return false;
        hash = hash_more(hash, from, (size_t)(at - from));
        if (set_has(spans, hash, u->href, (size_t)(at - u->href)))
            return true;
        if (at == u->href + last.len)
            return false;
        from = at;
        at = memchr(at, '/', (size_t)(u->href + last.len - at));
    }
}

static bool in_spans(const struct scope *s, const struct url *u) {
    if (!url_is_http(u))
        return false;
    if (s->kind == SCOPE_ANY)
        return true;
    if (s->kind == SCOPE_PREFIX)
        return has_prefix(&s->spans, u);
    return set_has_text(&s->spans, span_key(s->kind, u));
}

/* ------------------------------------------------------------------ the scope */

struct scope *scope_new(const struct options *options, struct error *err) {
    struct scope *s = calloc(1, sizeof *s);

    if (s == NULL || (s->matcher = matcher_new()) == NULL) {
        error_set(err, 0, "out of memory for the scope");
        scope_free(s);
        return NULL;
    }
    s->kind = options->scope;
    if (!compile_all(&s->include, "--include", &options->include, err) ||
        !compile_all(&s->exclude, "--exclude", &options->exclude, err)) {
        scope_free(s);
        return NULL;
    }
    return s;
}

void scope_free(struct scope *s) {
    if (s == NULL)
        return;
    patterns_release(&s->include);
    patterns_release(&s->exclude);
    matcher_free(s->matcher);
    set_release(&s->seeds);
    set_release(&s->spans);
    free(s);
}

bool scope_add_seed(struct scope *s, const struct url *seed) {
    struct url_slice whole = {seed->href, seed->href_len};

    if (!url_is_http(seed))
        return true;
    /* The span first: a seed that is there has its span too. */
    if (s->kind != SCOPE_ANY && !set_add(&s->spans, span_key(s->kind, seed)))
        return false;
    return set_add(&s->seeds, whole);
}

bool scope_has_seed(const struct scope *s, const struct url *seed) {
    return set_has_text(&s->seeds, (struct url_slice){seed->href, seed->href_len});
}

bool scope_excludes(const struct scope *s, const struct url *u) {
    return matches_any(&s->exclude, s->matcher, u);
}

enum scope_verdict scope_check(const struct scope *s, const struct url *u) {
    if (!in_spans(s, u))
        return SCOPE_OUT;
    if (scope_excludes(s, u))
        return SCOPE_EXCLUDED;
    if (s->include.count > 0 && !matches_any(&s->include, s->matcher, u))
        return SCOPE_NOT_INCLUDED;
    return SCOPE_IN;
}

bool scope_no_memory(const struct scope *s) {
    return s->matcher->no_memory;
}

const char *scope_verdict_name(enum scope_verdict v) {
    switch (v) {
    case SCOPE_IN:
        return "in";
    case SCOPE_OUT:
        return "scope";
    case SCOPE_EXCLUDED:
        return "exclude";
    case SCOPE_NOT_INCLUDED:
        return "include";
    }
    return "scope";
}

uint64_t scope_match_limit_hits(const struct scope *s) {
    return s->matcher->limit_hits;
}
