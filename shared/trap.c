#include "shared/trap.h"

#include <stdlib.h>
#include <string.h>

#include "shared/limits.h"

const char *trap_verdict_name(enum trap_verdict v) {
    switch (v) {
    case TRAP_URL_LENGTH:
        return "trap-url-length";
    case TRAP_PATH_DEPTH:
        return "trap-path-depth";
    case TRAP_REPEATS:
        return "trap-repeats";
    case TRAP_QUERY_PARAMS:
        return "trap-query-params";
    case TRAP_QUERY_ORDER:
        return "trap-query-order";
    case TRAP_TEMPLATE:
        return "trap-template";
    default:
        return NULL;
    }
}

/* ---- the path -------------------------------------------------------------------------------------- */

enum { SEGMENTS_MAX = LIMIT_URL_BYTES + 1 };

/* The segments of a path, without their '/'. */
struct segments {
    struct url_slice list[SEGMENTS_MAX];
    size_t count;
};

static void split(struct segments *s, struct url_slice path) {
    size_t begin = path.len > 0 && path.ptr[0] == '/' ? 1 : 0;

    s->count = 0;
    for (size_t i = begin; i <= path.len && s->count < SEGMENTS_MAX; i++) {
        if (i < path.len && path.ptr[i] != '/')
            continue;
        if (i == path.len && begin == i)
            break; /* nothing behind the last '/' */
        s->list[s->count++] = (struct url_slice){path.ptr + begin, i - begin};
        begin = i + 1;
    }
}

static int compare_segments(const void *a, const void *b) {
    const struct url_slice *x = a, *y = b;

    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return memcmp(x->ptr, y->ptr, x->len);
}

/* Does any segment stand more than `max` times in the path? In a group that does, each one does. Sorts them: so many
 * are made by those who mean harm that each must not be compared with each. */
static bool repeats(struct segments *s, uint32_t max) {
    if (s->count <= max)
        return false;
    qsort(s->list, s->count, sizeof s->list[0], compare_segments);
    for (size_t i = 0; i + max < s->count; i++)
        if (compare_segments(&s->list[i], &s->list[i + max]) == 0)
            return true;
    return false;
}

/* ---- the query ------------------------------------------------------------------------------------- */

static size_t count_params(struct url_slice search) {
    size_t n = 0;

    for (size_t i = 0; i < search.len; i++)
        n += search.ptr[i] != '&' && (i == 0 || search.ptr[i - 1] == '&');
    return n;
}

enum trap_verdict trap_check(const struct trap_limits *limits, const struct url *u) {
    if (limits->url_length > 0 && u->href_len > limits->url_length)
        return TRAP_URL_LENGTH;
    if (limits->path_depth > 0 || limits->repeats > 0) {
        struct segments s;
        split(&s, url_pathname(u));
        if (limits->path_depth > 0 && s.count > limits->path_depth)
            return TRAP_PATH_DEPTH;
        if (limits->repeats > 0 && repeats(&s, limits->repeats))
            return TRAP_REPEATS;
    }
    if (limits->query_params > 0 && count_params(url_search(u)) > limits->query_params)
        return TRAP_QUERY_PARAMS;
    return TRAP_NONE;
}

struct param {
    const char *text;
    size_t len, name_len;
};

static int compare_params(const void *a, const void *b) {
    const struct param *x = a, *y = b;
    size_t n = x->name_len < y->name_len ? x->name_len : y->name_len;
    int order = memcmp(x->text, y->text, n);

    if (order != 0)
        return order;
    if (x->name_len != y->name_len)
        return x->name_len < y->name_len ? -1 : 1;
    return (x->text > y->text) - (x->text < y->text);
}

static size_t split_params(const char *query, size_t len, struct param *params, size_t max) {
    size_t n = 0;

    for (size_t i = 0; i < len && n < max;) {
        const char *end = memchr(query + i, '&', len - i);
        size_t part = end == NULL ? len - i : (size_t)(end - (query + i));
        if (part > 0) {
            const char *equals = memchr(query + i, '=', part);
            params[n++] = (struct param){query + i, part,
                                         equals == NULL ? part : (size_t)(equals - (query + i))};
        }
        i += part + 1;
    }
    return n;
}

enum { PARAMS_MAX = 256 };

bool trap_query_key(const char *url, size_t len, struct buf *out) {
    const char *mark = memchr(url, '?', len);
    struct param params[PARAMS_MAX];

    if (mark == NULL)
        return false;
    size_t before = (size_t)(mark - url) + 1;
    size_t n = split_params(url + before, len - before, params, PARAMS_MAX);
    /* So many are told apart by their order, too. */
    if (n < 2 || n == PARAMS_MAX)
        return false;
    qsort(params, n, sizeof params[0], compare_params);
    buf_append_char(out, '?');
    buf_append(out, url, before);
    for (size_t i = 0; i < n; i++) {
        buf_append_char(out, '&');
        buf_append(out, params[i].text, params[i].len);
    }
    return !out->failed;
}

/* ---- templates ------------------------------------------------------------------------------------- */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t hex_run(const char *p, size_t len) {
    size_t n = 0;

    while (n < len && is_hex(p[n]))
        n++;
    return n;
}

/* RFC 9562 §4: groups of 8, 4, 4, 4 and 12 digits. 0: none here. */
static size_t uuid_at(const char *p, size_t len) {
    static const size_t groups[] = {8, 4, 4, 4, 12};
    size_t at = 0;

    for (size_t g = 0; g < 5; g++) {
        if (g > 0 && (at == len || p[at++] != '-'))
            return 0;
        if (hex_run(p + at, len - at) != groups[g])
            return 0;
        at += groups[g];
    }
    return at;
}

/* A whole word of hexadecimal digits with a decimal one among them. 0: none here. */
static size_t id_at(const char *p, size_t len) {
    size_t n = hex_run(p, len), i = 0;

    while (i < n && !is_digit(p[i]))
        i++;
    return n >= TRAP_ID_DIGITS && i < n && (n == len || !is_letter(p[n])) ? n : 0;
}

bool trap_template(const char *url, size_t len, size_t origin_len, struct buf *out) {
    size_t i = origin_len;

    buf_append(out, url, origin_len);
    while (i < len) {
        const char *p = url + i;
        size_t left = len - i, n = 0;
        /* An id begins where a word does. */
        if (i == origin_len || !(is_letter(p[-1]) || is_digit(p[-1])))
            n = uuid_at(p, left) > 0 ? uuid_at(p, left) : id_at(p, left);
        while (n == 0 && is_digit(*p)) {
            size_t digits = 1;
            while (digits < left && is_digit(p[digits]))
                digits++;
            n = digits;
        }
        buf_append_char(out, n > 0 ? '#' : *p);
        i += n > 0 ? n : 1;
    }
    return !out->failed;
}
