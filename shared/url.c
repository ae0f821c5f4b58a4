/*
 * The state machine of §4.4, with each state a function that knows what follows it, so that the
 * machine's order is the order of calls:
 *
 *     scheme ──▶ file ──▶ file slash ──▶ file host ─┐
 *       │                                           ▼
 *       ├──▶ authority (host, port) ─────────▶ path start ──▶ path ──▶ query ──▶ fragment
 *       │        ▲                                             ▲
 *       ├──▶ relative ──▶ relative slash ──────────────────────┘
 *       └──▶ opaque path ─────────────────────────────────────────────▶ query ──▶ fragment
 *
 * The serialisation is written straight into href, front to back: before the machine starts there is
 * room for the longest that can come out, so that nothing on the way can run out of memory. Only a
 * path is ever taken back ("..").
 */
#include "shared/url.h"

#include "shared/limits.h"
#include "shared/url_host.h"
#include "shared/url_percent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum scheme {
    SCHEME_OTHER,
    SCHEME_HTTP,
    SCHEME_HTTPS,
    SCHEME_WS,
    SCHEME_WSS,
    SCHEME_FTP,
    SCHEME_FILE,
    SCHEME_COUNT
};

static const struct {
    const char *name;
    uint16_t port; /* the default one; 0: none */
} schemes[SCHEME_COUNT] = {
    [SCHEME_OTHER] = {"", 0},    [SCHEME_HTTP] = {"http", 80}, [SCHEME_HTTPS] = {"https", 443},
    [SCHEME_WS] = {"ws", 80},    [SCHEME_WSS] = {"wss", 443},  [SCHEME_FTP] = {"ftp", 21},
    [SCHEME_FILE] = {"file", 0},
};

struct parse {
    struct url *u;
    const struct url *base; /* NULL: none */
    enum scheme scheme;
    const char *p, *end; /* what is left of the input, without tabs and newlines */
    char *out;           /* where href goes on */
    size_t growth;       /* how many bytes of href a byte of input may need */
};

/* ------------------------------------------------------------------ small questions */

static bool is_alpha(char c) {
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static enum scheme find_scheme(const char *name, size_t len) {
    enum scheme s;

    switch (len) {
    case 2:
        s = SCHEME_WS;
        break;
    case 3:
        s = name[0] == 'w' ? SCHEME_WSS : SCHEME_FTP;
        break;
    case 4:
        s = name[0] == 'h' ? SCHEME_HTTP : SCHEME_FILE;
        break;
    case 5:
        s = SCHEME_HTTPS;
        break;
    default:
        return SCHEME_OTHER;
    }
    return memcmp(schemes[s].name, name, len) == 0 ? s : SCHEME_OTHER;
}

static enum scheme scheme_of(const struct url *u) {
    return u->href_len == 0 ? SCHEME_OTHER : find_scheme(u->href, u->scheme_end - 1);
}

/* Where the next character starts a path segment or ends the authority. */
static bool is_slash(const struct parse *s, const char *p) {
    return p < s->end && (*p == '/' || (*p == '\\' && s->scheme != SCHEME_OTHER));
}

static bool starts_with_drive(const char *p, const char *end) {
    return end - p >= 2 && is_alpha(p[0]) && (p[1] == ':' || p[1] == '|') &&
           (end - p == 2 || p[2] == '/' || p[2] == '\\' || p[2] == '?' || p[2] == '#');
}

/* "/C:", as the whole of a path or as its beginning. */
static bool is_drive(const char *path, size_t len) {
    return len == 3 && is_alpha(path[1]) && path[2] == ':';
}

static uint32_t path_end(const struct url *u) {
    if (u->search_start != URL_NONE)
        return u->search_start;
    return u->hash_start != URL_NONE ? u->hash_start : (uint32_t)u->href_len;
}

static uint32_t search_end(const struct url *u) {
    return u->hash_start != URL_NONE ? u->hash_start : (uint32_t)u->href_len;
}

static uint32_t here(const struct parse *s) {
    return (uint32_t)(s->out - s->u->href);
}

/* ------------------------------------------------------------------ storage */

void url_init(struct url *u) {
    *u = (struct url){.port = URL_NONE, .search_start = URL_NONE, .hash_start = URL_NONE};
}

void url_release(struct url *u) {
    free(u->href);
    url_init(u);
}

/* No URL; keeps the storage. */
static void forget(struct url *u) {
    char *href = u->href;
    size_t size = u->href_size;

    url_init(u);
    u->href = href;
    u->href_size = size;
    if (href != NULL)
        href[0] = '\0';
}

/* Makes room for `size` bytes; the content is lost. */
static bool reserve(struct url *u, size_t size) {
    enum { STEP = 256 };

    if (size <= u->href_size)
        return true;
    size = (size + STEP - 1) / STEP * STEP;
    char *href = malloc(size);
    if (href == NULL)
        return false;
    free(u->href);
    u->href = href;
    u->href_size = size;
    return true;
}

enum url_result url_copy(struct url *to, const struct url *from) {
    struct url copy = *from;

    if (to == from)
        return URL_OK;
    forget(to);
    if (from->href_len == 0)
        return URL_OK;
    if (!reserve(to, from->href_len + 1))
        return URL_NO_MEMORY;
    memcpy(to->href, from->href, from->href_len + 1);
    copy.href = to->href;
    copy.href_size = to->href_size;
    *to = copy;
    return URL_OK;
}

/* ------------------------------------------------------------------ the input, cleaned */

struct census {
    bool ascii, has_control;
};

static struct census take_census(const char *p, size_t n) {
    const uint64_t high = 0x8080808080808080u, spaces = 0x2020202020202020u;
    uint64_t any = 0, below = 0, word;
    size_t i = 0;

    for (; n - i >= sizeof word; i += sizeof word) {
        memcpy(&word, p + i, sizeof word);
        any |= word;
        below |= (word - spaces) & ~word; /* may also flag a byte beside a control: no harm */
    }
    for (; i < n; i++) {
        any |= (unsigned char)p[i];
        below |= (unsigned char)p[i] < 0x20 ? high : 0;
    }
    return (struct census){.ascii = (any & high) == 0, .has_control = (below & high) != 0};
}

static size_t copy_without_newlines(char *to, const char *p, size_t n) {
    size_t len = 0;

    for (size_t i = 0; i < n; i++)
        if (p[i] != '\t' && p[i] != '\n' && p[i] != '\r')
            to[len++] = p[i];
    return len;
}

/* Makes room in `u` for whatever comes out. Where tabs or newlines have to go, the input without
 * them is kept at the far end of the same storage. */
static bool prepare(struct parse *s, struct url *u, const struct url *base, const char *input,
                    size_t n) {
    enum { SLACK = 16 }; /* "//", "/", "/." and '\0' */
    struct census c = take_census(input, n);
    size_t growth = c.ascii ? URL_PERCENT_GROWTH_ASCII : URL_PERCENT_GROWTH;
    size_t size = (base != NULL ? base->href_len : 0) + n * growth + URL_HOST_SLACK + SLACK;

    if (!reserve(u, size + (c.has_control ? n : 0)))
        return false;
    if (c.has_control) {
        char *clean = u->href + size;
        n = copy_without_newlines(clean, input, n);
        input = clean;
    }
    *s = (struct parse){
        .u = u, .base = base, .p = input, .end = input + n, .out = u->href, .growth = growth};
    return true;
}

/* ------------------------------------------------------------------ writing */

static void put(struct parse *s, const char *p, size_t n) {
    memcpy(s->out, p, n);
    s->out += n;
}

static void begin_without_host(struct parse *s) {
    s->u->username_end = s->u->host_start = s->u->host_end = s->u->path_start = here(s);
}

/* "//" and the empty host. */
static void begin_empty_host(struct parse *s) {
    put(s, "//", 2);
    begin_without_host(s);
    s->u->has_host = true;
}

/* Scheme and authority of the base: the path starts behind it. */
static void copy_authority(struct parse *s) {
    const struct url *b = s->base;
    struct url *u = s->u;

    s->out = u->href;
    put(s, b->href, b->has_host ? b->path_start : b->scheme_end);
    u->scheme_end = b->scheme_end;
    u->username_end = b->username_end;
    u->host_start = b->host_start;
    u->host_end = b->host_end;
    u->port = b->port;
    u->has_host = b->has_host;
    u->path_start = here(s);
}

static void copy_path(struct parse *s) {
    put(s, s->base->href + s->base->path_start, path_end(s->base) - s->base->path_start);
}

static void copy_search(struct parse *s) {
    if (s->base->search_start == URL_NONE)
        return;
    s->u->search_start = here(s);
    put(s, s->base->href + s->base->search_start, search_end(s->base) - s->base->search_start);
}

/* The standard's "shorten": takes the last segment back. */
static void shorten(struct parse *s) {
    char *path = s->u->href + s->u->path_start;
    size_t len = (size_t)(s->out - path);

    if (len > 0 && !(s->scheme == SCHEME_FILE && is_drive(path, len)))
        s->out = memrchr(path, '/', len);
}

/* Without a host, a path that begins with "//" would read as one: "/." goes before it. */
static void guard_path(struct parse *s) {
    size_t len = here(s) - s->u->path_start;
    char *path = s->out - len;

    if (s->u->has_host || len < 2 || path[0] != '/' || path[1] != '/')
        return;
    memmove(path + 2, path, len);
    path[1] = '.';
    s->out += 2;
    s->u->path_start += 2;
}

/* ------------------------------------------------------------------ query and fragment */

/* s->p stands at '?', '#' or the end. */
static void parse_search_and_hash(struct parse *s) {
    if (s->p < s->end && *s->p == '?') {
        const char *hash = memchr(s->p, '#', (size_t)(s->end - s->p));
        const char *stop = hash != NULL ? hash : s->end;
        s->u->search_start = here(s);
        *s->out++ = '?';
        s->out =
            url_percent_encode(s->out, s->p + 1, stop,
                               s->scheme != SCHEME_OTHER ? URL_SET_SPECIAL_QUERY : URL_SET_QUERY);
        s->p = stop;
    }
    if (s->p < s->end) {
        s->u->hash_start = here(s);
        *s->out++ = '#';
        s->out = url_percent_encode(s->out, s->p + 1, s->end, URL_SET_FRAGMENT);
        s->p = s->end;
    }
}

/* ------------------------------------------------------------------ path */

/* Reads a '.' or "%2e" at *p. */
static bool read_dot(const char **p, const char *end) {
    if (*p < end && **p == '.') {
        *p += 1;
        return true;
    }
    if (end - *p >= 3 && (*p)[0] == '%' && (*p)[1] == '2' && ((*p)[2] | 0x20) == 'e') {
        *p += 3;
        return true;
    }
    return false;
}

/* 1: the segment is "."; 2: ".."; 0: another. */
static int count_dots(const char *p, const char *end) {
    if (!read_dot(&p, end))
        return 0;
    if (p == end)
        return 1;
    return read_dot(&p, end) && p == end ? 2 : 0;
}

/* Copies the input up to the end of the segment. */
static void put_segment(struct parse *s) {
    for (;;) {
        while (s->p < s->end && !url_percent_is(*s->p, URL_SEGMENT_STOP))
            *s->out++ = *s->p++;
        if (s->p == s->end || *s->p == '?' || *s->p == '#' || is_slash(s, s->p))
            return;
        if (*s->p == '/' || *s->p == '\\')
            *s->out++ = *s->p++;
        else
            s->out = url_percent_encode_char(s->out, &s->p, s->end);
    }
}

/* The path state: s->p stands behind a slash, or where one is missing; what is in href from
 * path_start on is the path so far. */
static enum url_result parse_path(struct parse *s) {
    char *path = s->u->href + s->u->path_start;

    for (;;) {
        char *segment = s->out;
        *s->out++ = '/';
        put_segment(s);
        bool more = is_slash(s, s->p);
        int dots = count_dots(segment + 1, s->out);
        if (dots > 0) {
            s->out = segment;
            if (dots == 2)
                shorten(s);
            if (!more)
                *s->out++ = '/';
        } else if (s->scheme == SCHEME_FILE && segment == path && s->out - path == 3 &&
                   is_alpha(path[1]) && path[2] == '|') {
            path[2] = ':';
        }
        if (!more)
            break;
        s->p++;
    }
    guard_path(s);
    parse_search_and_hash(s);
    return URL_OK;
}

static enum url_result parse_path_start(struct parse *s) {
    if (is_slash(s, s->p)) {
        s->p++;
        return parse_path(s);
    }
    if (s->scheme != SCHEME_OTHER || (s->p < s->end && *s->p != '?' && *s->p != '#'))
        return parse_path(s);
    parse_search_and_hash(s);
    return URL_OK;
}

static enum url_result parse_opaque_path(struct parse *s) {
    const char *stop = s->p;

    begin_without_host(s);
    s->u->opaque_path = true;
    while (stop < s->end && *stop != '?' && *stop != '#')
        stop++;
    s->out = url_percent_encode(s->out, s->p, stop, URL_SET_C0);
    if (stop > s->p && stop < s->end && stop[-1] == ' ') {
        s->out--;
        put(s, "%20", 3);
    }
    s->p = stop;
    parse_search_and_hash(s);
    return URL_OK;
}

/* ------------------------------------------------------------------ authority */

static void put_user_info(struct parse *s, const char *p, const char *end) {
    const char *colon = memchr(p, ':', (size_t)(end - p));
    const char *name_end = colon != NULL ? colon : end;

    s->out = url_percent_encode(s->out, p, name_end, URL_SET_USERINFO);
    s->u->username_end = here(s);
    if (colon != NULL && colon + 1 < end) {
        *s->out++ = ':';
        s->out = url_percent_encode(s->out, colon + 1, end, URL_SET_USERINFO);
    }
    s->u->host_start = here(s);
    if (s->out > s->u->href + s->u->scheme_end + 2)
        *s->out++ = '@';
}

static enum url_result put_host(struct parse *s, const char *p, const char *end) {
    size_t len = 0, room = (size_t)(end - p) * s->growth + URL_HOST_SLACK;
    enum url_result result = URL_OK;

    s->u->has_host = true;
    if (p < end)
        result =
            url_host_parse(p, (size_t)(end - p), s->scheme == SCHEME_OTHER, s->out, room, &len);
    s->out += len;
    s->u->host_end = here(s);
    return result;
}

static bool put_port(struct parse *s, const char *p, const char *end) {
    uint32_t port = 0;
    char text[8];

    if (p == end)
        return true;
    for (; p < end; p++) {
        if (!is_digit(*p))
            return false;
        port = port * 10 + (uint32_t)(*p - '0');
        if (port > UINT16_MAX)
            return false;
    }
    if (s->scheme != SCHEME_OTHER && port == schemes[s->scheme].port)
        return true;
    s->u->port = port;
    put(s, text, (size_t)snprintf(text, sizeof text, ":%u", port));
    return true;
}

/* The ':' before the port, outside of brackets; `end` if there is none. */
static const char *find_port(const char *p, const char *end) {
    bool in_brackets = false;

    for (; p < end; p++) {
        if (*p == '[')
            in_brackets = true;
        else if (*p == ']')
            in_brackets = false;
        else if (*p == ':' && !in_brackets)
            break;
    }
    return p;
}

/* s->p stands behind the "//". */
static enum url_result parse_authority(struct parse *s) {
    const char *p = s->p, *end = p;

    while (end < s->end && *end != '?' && *end != '#' && !is_slash(s, end))
        end++;
    s->p = end;

    put(s, "//", 2);
    s->u->username_end = s->u->host_start = here(s);
    const char *at = memrchr(p, '@', (size_t)(end - p));
    if (at != NULL) {
        put_user_info(s, p, at);
        p = at + 1;
    }
    const char *colon = find_port(p, end);
    if (p == colon && (at != NULL || colon < end || s->scheme != SCHEME_OTHER))
        return URL_INVALID;
    enum url_result result = put_host(s, p, colon);
    if (result != URL_OK)
        return result;
    if (colon < end && !put_port(s, colon + 1, end))
        return URL_INVALID;
    s->u->path_start = here(s);
    return parse_path_start(s);
}

static enum url_result parse_special_authority(struct parse *s) {
    while (is_slash(s, s->p))
        s->p++;
    return parse_authority(s);
}

/* ------------------------------------------------------------------ relative */

/* The path, the query or the fragment is the first thing that the input has of its own; s->p stands
 * there. The authority is already copied. */
static enum url_result parse_below_base(struct parse *s) {
    copy_path(s);
    if (s->p == s->end || *s->p == '#') {
        guard_path(s);
        copy_search(s);
        parse_search_and_hash(s);
        return URL_OK;
    }
    if (*s->p == '?') {
        guard_path(s);
        parse_search_and_hash(s);
        return URL_OK;
    }
    if (s->scheme == SCHEME_FILE && starts_with_drive(s->p, s->end))
        s->out = s->u->href + s->u->path_start;
    else
        shorten(s);
    return parse_path(s);
}

static enum url_result parse_relative(struct parse *s) {
    if (is_slash(s, s->p)) {
        s->p++;
        if (s->scheme != SCHEME_OTHER && is_slash(s, s->p))
            return parse_special_authority(s);
        if (is_slash(s, s->p)) {
            s->p++;
            return parse_authority(s);
        }
        copy_authority(s);
        return parse_path(s);
    }
    copy_authority(s);
    return parse_below_base(s);
}

/* ------------------------------------------------------------------ file */

static enum url_result parse_file_host(struct parse *s) {
    const char *p = s->p, *end = p;

    while (end < s->end && *end != '?' && *end != '#' && !is_slash(s, end))
        end++;
    begin_empty_host(s);
    if (end - p == 2 && is_alpha(p[0]) && (p[1] == ':' || p[1] == '|'))
        return parse_path(s);
    enum url_result result = put_host(s, p, end);
    if (result != URL_OK)
        return result;
    const char *host = s->u->href + s->u->host_start;
    if (s->out - host == 9 && memcmp(host, "localhost", 9) == 0) {
        s->out -= 9;
        s->u->host_end = here(s);
    }
    s->p = end;
    s->u->path_start = here(s);
    return parse_path_start(s);
}

/* The file and the file slash state. */
static enum url_result parse_file(struct parse *s) {
    bool from_base = s->base != NULL && scheme_of(s->base) == SCHEME_FILE;

    if (is_slash(s, s->p) && is_slash(s, s->p + 1)) {
        s->p += 2;
        return parse_file_host(s);
    }
    if (!from_base) {
        s->p += is_slash(s, s->p) ? 1 : 0;
        begin_empty_host(s);
        return parse_path(s);
    }
    copy_authority(s);
    if (!is_slash(s, s->p))
        return parse_below_base(s);

    s->p++;
    const char *base_path = s->base->href + s->base->path_start;
    size_t first_len = path_end(s->base) - s->base->path_start;
    if (first_len > 3 && base_path[3] == '/')
        first_len = 3;
    if (!starts_with_drive(s->p, s->end) && is_drive(base_path, first_len))
        put(s, base_path, 3);
    return parse_path(s);
}

/* ------------------------------------------------------------------ scheme */

/* Writes "scheme:" in lower case and returns true, or leaves all as it was. */
static bool parse_scheme(struct parse *s) {
    char *out = s->out;
    const char *p = s->p;

    if (p == s->end || !is_alpha(*p))
        return false;
    for (; p < s->end && url_percent_is(*p, URL_SCHEME_CHAR); p++)
        *out++ = (char)(*p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p);
    if (p == s->end || *p != ':')
        return false;
    s->scheme = find_scheme(s->u->href, (size_t)(out - s->u->href));
    *out++ = ':';
    s->out = out;
    s->p = p + 1;
    s->u->scheme_end = here(s);
    return true;
}

static enum url_result parse_without_scheme(struct parse *s) {
    const struct url *b = s->base;

    if (b == NULL || (b->opaque_path && (s->p == s->end || *s->p != '#')))
        return URL_INVALID;
    s->scheme = scheme_of(b);
    put(s, b->href, b->scheme_end);
    s->u->scheme_end = b->scheme_end;
    if (b->opaque_path) {
        begin_without_host(s);
        s->u->opaque_path = true;
        return parse_below_base(s);
    }
    return s->scheme == SCHEME_FILE ? parse_file(s) : parse_relative(s);
}

static enum url_result parse_any(struct parse *s) {
    if (!parse_scheme(s))
        return parse_without_scheme(s);
    if (s->scheme == SCHEME_FILE)
        return parse_file(s);
    bool two_slashes = s->end - s->p >= 2 && s->p[0] == '/' && s->p[1] == '/';
    if (s->scheme != SCHEME_OTHER) {
        if (s->base != NULL && !two_slashes && scheme_of(s->base) == s->scheme)
            return parse_relative(s);
        return parse_special_authority(s);
    }
    if (two_slashes) {
        s->p += 2;
        return parse_authority(s);
    }
    if (s->p == s->end || *s->p != '/')
        return parse_opaque_path(s);
    s->p++;
    begin_without_host(s);
    return parse_path(s);
}

enum url_result url_parse(struct url *u, const char *input, size_t input_len,
                          const struct url *base) {
    enum url_result result = URL_NO_MEMORY;
    struct parse s;

    if (input == NULL) /* empty, as messages have it */
        input = "";
    const char *end = input + input_len;
    forget(u);
    while (input < end && (unsigned char)*input <= ' ')
        input++;
    while (input < end && (unsigned char)end[-1] <= ' ')
        end--;
    if (end - input > LIMIT_URL_BYTES)
        return URL_TOO_LONG;
    if (base != NULL && base->href_len == 0)
        base = NULL;
    if (prepare(&s, u, base, input, (size_t)(end - input)))
        result = parse_any(&s);
    if (result == URL_OK && here(&s) > LIMIT_URL_BYTES)
        result = URL_TOO_LONG;
    if (result != URL_OK) {
        forget(u);
        return result;
    }
    u->href_len = here(&s);
    *s.out = '\0';
    return URL_OK;
}

enum url_result url_parse_octets(struct url *u, const char *input, size_t input_len,
                                 const struct url *base) {
    if (input_len > LIMIT_URL_BYTES || url_percent_is_utf8(input, input_len))
        return url_parse(u, input, input_len, base);
    char *escaped = malloc(3 * input_len);
    if (escaped == NULL) {
        forget(u);
        return URL_NO_MEMORY;
    }
    size_t len = (size_t)(url_percent_encode_octets(escaped, input, input + input_len) - escaped);
    enum url_result result = url_parse(u, escaped, len, base);
    free(escaped);
    return result;
}

/* ------------------------------------------------------------------ components */

static struct url_slice slice(const struct url *u, size_t from, size_t to) {
    if (u->href_len == 0)
        return (struct url_slice){"", 0};
    return (struct url_slice){u->href + from, to - from};
}

struct url_slice url_scheme(const struct url *u) {
    return slice(u, 0, u->href_len == 0 ? 0 : u->scheme_end - 1);
}

struct url_slice url_username(const struct url *u) {
    return slice(u, u->has_host ? u->scheme_end + 2 : u->username_end, u->username_end);
}

struct url_slice url_password(const struct url *u) {
    return slice(u, u->username_end + (u->host_start > u->username_end ? 1 : 0), u->host_start);
}

struct url_slice url_hostname(const struct url *u) {
    size_t from = u->host_start;

    if (from < u->host_end && u->href[from] == '@')
        from++;
    return slice(u, from, u->host_end);
}

struct url_slice url_pathname(const struct url *u) {
    return slice(u, u->path_start, path_end(u));
}

struct url_slice url_search(const struct url *u) {
    if (u->search_start == URL_NONE)
        return slice(u, 0, 0);
    return slice(u, u->search_start + 1, search_end(u));
}

struct url_slice url_hash(const struct url *u) {
    if (u->hash_start == URL_NONE)
        return slice(u, 0, 0);
    return slice(u, u->hash_start + 1, u->href_len);
}

bool url_is_http(const struct url *u) {
    enum scheme scheme = scheme_of(u);

    return scheme == SCHEME_HTTP || scheme == SCHEME_HTTPS;
}

uint16_t url_port_effective(const struct url *u) {
    return u->port != URL_NONE ? (uint16_t)u->port : schemes[scheme_of(u)].port;
}

/* ------------------------------------------------------------------ the canonical form */

static void remove_user_info(struct url *u) {
    struct url_slice host = url_hostname(u);
    uint32_t start = u->scheme_end + 2, cut;

    if (!u->has_host)
        return;
    cut = (uint32_t)(host.ptr - u->href) - start;
    memmove(u->href + start, host.ptr, u->href_len - start - cut + 1);
    u->href_len -= cut;
    u->username_end = u->host_start = start;
    u->host_end -= cut;
    u->path_start -= cut;
    u->search_start -= u->search_start != URL_NONE ? cut : 0;
}

void url_canonicalise(struct url *u) {
    if (u->href_len == 0)
        return;
    u->href_len = search_end(u);
    u->href[u->href_len] = '\0';
    u->hash_start = URL_NONE;
    remove_user_info(u);
}

struct url_slice url_origin(const struct url *u) {
    return slice(u, 0, u->path_start);
}
