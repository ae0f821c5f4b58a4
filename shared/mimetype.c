#include "shared/mimetype.h"

#include <string.h>
#include <strings.h>

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_token(const char *p, const char *end) {
    if (p == end)
        return false;
    for (; p < end; p++) {
        bool alnum =
            (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
        if (!alnum && (*p == '\0' || strchr("!#$%&'*+-.^_`|~", *p) == NULL))
            return false;
    }
    return true;
}

static bool is_quoted_string_text(const char *p, const char *end) {
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        if (c != '\t' && (c < 0x20 || c == 0x7f))
            return false;
    }
    return true;
}

static const char *skip_space(const char *p, const char *end) {
    while (p < end && is_space(*p))
        p++;
    return p;
}

static const char *trim_end(const char *p, const char *end) {
    while (end > p && is_space(end[-1]))
        end--;
    return end;
}

static const char *find_any(const char *p, const char *end, char a, char b) {
    while (p < end && *p != a && *p != b)
        p++;
    return p;
}

static void append_lower(struct buf *b, const char *p, const char *end) {
    for (; p < end; p++)
        buf_append_char(b, (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p));
}

void mimetype_init(struct mimetype *m) {
    *m = (struct mimetype){0};
    buf_init(&m->text, 2 * MIMETYPE_BYTES);
}

void mimetype_release(struct mimetype *m) {
    buf_release(&m->text);
    mimetype_init(m);
}

const char *mimetype_essence(const struct mimetype *m) {
    return m->essence_len > 0 ? m->text.data : "";
}

bool mimetype_param(const struct mimetype *m, const char *name, const char **value,
                    size_t *value_len) {
    size_t name_len = strlen(name);

    for (size_t i = 0; i < m->param_count; i++) {
        const struct mimetype_param *param = &m->params[i];
        if (param->name_len != name_len ||
            memcmp(m->text.data + param->name_at, name, name_len) != 0)
            continue;
        *value = m->text.data + param->value_at;
        *value_len = param->value_len;
        return true;
    }
    return false;
}

/* Appends a quoted string's value; `p` is behind the opening quote. Returns what follows it. */
static const char *read_quoted(struct buf *text, const char *p, const char *end) {
    while (p < end && *p != '"') {
        if (*p == '\\' && p + 1 < end)
            p++;
        buf_append_char(text, *p++);
    }
    return p < end ? p + 1 : end;
}

/* Keeps the parameter whose name and value are the last in `text` if it is valid and new; else takes
 * them out again. */
static void keep_param(struct mimetype *m, struct mimetype_param param) {
    const char *name = m->text.data + param.name_at, *value = m->text.data + param.value_at;
    bool valid = is_token(name, name + param.name_len) &&
                 is_quoted_string_text(value, value + param.value_len);

    for (size_t i = 0; valid && i < m->param_count; i++)
        valid = m->params[i].name_len != param.name_len ||
                memcmp(m->text.data + m->params[i].name_at, name, param.name_len) != 0;
    if (valid && m->param_count < MIMETYPE_PARAMS)
        m->params[m->param_count++] = param;
    else
        m->text.len = param.name_at;
}

/* One parameter at p, behind a ';'. Returns the next ';' or the end. */
static const char *read_param(struct mimetype *m, const char *p, const char *end) {
    struct mimetype_param param = {.name_at = (uint32_t)m->text.len};
    const char *name = skip_space(p, end);

    p = find_any(name, end, ';', '=');
    if (p == end || *p == ';')
        return p;
    append_lower(&m->text, name, p);
    param.name_len = (uint32_t)(m->text.len - param.name_at);
    param.value_at = (uint32_t)m->text.len;
    p++;
    bool quoted = p < end && *p == '"';
    const char *next;
    if (quoted) {
        next = find_any(read_quoted(&m->text, p + 1, end), end, ';', ';');
    } else {
        next = find_any(p, end, ';', ';');
        buf_append(&m->text, p, (size_t)(trim_end(p, next) - p));
    }
    param.value_len = (uint32_t)(m->text.len - param.value_at);
    if (m->text.failed)
        return end;
    if (quoted || param.value_len > 0)
        keep_param(m, param);
    else
        m->text.len = param.name_at;
    return next;
}

enum mimetype_result mimetype_parse(struct mimetype *m, const char *value, size_t value_len) {
    m->essence_len = m->param_count = 0;
    buf_reset(&m->text);
    if (value_len == 0 || value_len > MIMETYPE_BYTES)
        return MIMETYPE_INVALID;

    const char *p = skip_space(value, value + value_len);
    const char *end = trim_end(p, value + value_len);
    const char *slash = find_any(p, end, '/', '/');
    if (slash == end || !is_token(p, slash))
        return MIMETYPE_INVALID;
    const char *next = find_any(slash + 1, end, ';', ';');
    const char *subtype_end = trim_end(slash + 1, next);
    if (!is_token(slash + 1, subtype_end))
        return MIMETYPE_INVALID;
    append_lower(&m->text, p, subtype_end);
    size_t essence_len = m->text.len;
    buf_append_char(&m->text, '\0');
    while (next < end && !m->text.failed)
        next = read_param(m, next + 1, end);
    if (m->text.failed)
        return MIMETYPE_NO_MEMORY;
    m->essence_len = essence_len;
    return MIMETYPE_OK;
}

/* ---- Content-Type: the type that counts ---------------------------------------------------------- */

struct member {
    const char *p;
    size_t len;
};

/* The next member of the list at `*p`, of which there is one more even behind its last comma (Fetch, "get, decode, and
 * split"): a comma in a quoted string separates nothing. */
static struct member next_member(const char **p, const char *end) {
    const char *start = *p, *at = start;

    while (at < end && *at != ',') {
        if (*at++ != '"')
            continue;
        while (at < end && *at != '"')
            at += *at == '\\' && end - at > 1 ? 2 : 1;
        at += at < end;
    }
    *p = at < end ? at + 1 : end;
    return (struct member){start, (size_t)(at - start)};
}

static bool is_any(const struct mimetype *m) {
    return strcmp(mimetype_essence(m), "*/*") == 0;
}

/* The essence of the last member, and the charset of the first of those in a row that have it. */
struct carried {
    struct buf essence, charset;
    bool has_charset;
};

static bool carry(struct carried *c, const struct mimetype *m) {
    const char *value, *essence = mimetype_essence(m);
    size_t len;

    if (c->essence.len > 0 && strcmp(c->essence.data, essence) == 0)
        return true;
    buf_reset(&c->essence);
    buf_append_str(&c->essence, essence);
    buf_reset(&c->charset);
    c->has_charset = mimetype_param(m, "charset", &value, &len);
    if (c->has_charset)
        buf_append(&c->charset, value, len);
    return !c->essence.failed && !c->charset.failed;
}

static enum mimetype_result with_charset(struct mimetype *m, const struct carried *c) {
    struct mimetype_param param = {.name_at = (uint32_t)m->text.len, .name_len = 7};
    const char *value;
    size_t len;

    if (!c->has_charset || mimetype_param(m, "charset", &value, &len) ||
        m->param_count == MIMETYPE_PARAMS)
        return MIMETYPE_OK;
    param.value_at = param.name_at + param.name_len;
    param.value_len = (uint32_t)c->charset.len;
    if (!buf_append_str(&m->text, "charset") ||
        !buf_append(&m->text, c->charset.data, c->charset.len)) {
        m->essence_len = m->param_count = 0;
        return MIMETYPE_NO_MEMORY;
    }
    m->params[m->param_count++] = param;
    return MIMETYPE_OK;
}

static enum mimetype_result extract_of_list(struct mimetype *m, struct carried *c, const char *p,
                                            const char *end) {
    struct member last = {NULL, 0};
    enum mimetype_result result;

    while (p < end) {
        struct member next = next_member(&p, end);
        result = mimetype_parse(m, next.p, next.len);
        if (result == MIMETYPE_NO_MEMORY)
            return result;
        if (result != MIMETYPE_OK || is_any(m))
            continue;
        if (!carry(c, m))
            return MIMETYPE_NO_MEMORY;
        last = next;
    }
    result = last.p == NULL ? mimetype_parse(m, "", 0) : mimetype_parse(m, last.p, last.len);
    return result == MIMETYPE_OK ? with_charset(m, c) : result;
}

enum mimetype_result mimetype_extract(struct mimetype *m, const char *values, size_t len) {
    enum mimetype_result result;
    struct carried c = {.has_charset = false};

    if (len == 0 || len > MIMETYPE_BYTES || memchr(values, ',', len) == NULL) {
        result = mimetype_parse(m, values, len);
        return result == MIMETYPE_OK && is_any(m) ? mimetype_parse(m, "", 0) : result;
    }
    buf_init(&c.essence, MIMETYPE_BYTES);
    buf_init(&c.charset, MIMETYPE_BYTES);
    result = extract_of_list(m, &c, values, values + len);
    buf_release(&c.essence);
    buf_release(&c.charset);
    return result;
}

bool mimetype_is_unknown(const struct mimetype *m) {
    const char *essence = mimetype_essence(m);

    return *essence == '\0' || is_any(m) || strcmp(essence, "unknown/unknown") == 0 ||
           strcmp(essence, "application/unknown") == 0;
}

bool mimetype_serialise(const struct mimetype *m, struct buf *to) {
    buf_append_str(to, mimetype_essence(m));
    for (size_t i = 0; i < m->param_count; i++) {
        const char *name = m->text.data + m->params[i].name_at;
        const char *value = m->text.data + m->params[i].value_at;
        const char *end = value + m->params[i].value_len;

        buf_append_char(to, ';');
        buf_append(to, name, m->params[i].name_len);
        buf_append_char(to, '=');
        if (is_token(value, end)) {
            buf_append(to, value, m->params[i].value_len);
            continue;
        }
        buf_append_char(to, '"');
        for (; value < end; value++) {
            if (*value == '"' || *value == '\\')
                buf_append_char(to, '\\');
            buf_append_char(to, *value);
        }
        buf_append_char(to, '"');
    }
    return !to->failed;
}

bool mimetype_is_html(const struct mimetype *m) {
    const char *essence = mimetype_essence(m);

    return strcmp(essence, "text/html") == 0 || strcmp(essence, "application/xhtml+xml") == 0;
}

bool mimetype_is_xml(const struct mimetype *m) {
    const char *essence = mimetype_essence(m);
    size_t len = strlen(essence);

    return strcmp(essence, "text/xml") == 0 || strcmp(essence, "application/xml") == 0 ||
           (len > 4 && strcmp(essence + len - 4, "+xml") == 0);
}

bool mimetype_is_css(const struct mimetype *m) {
    return strcmp(mimetype_essence(m), "text/css") == 0;
}

/* Behind `close`, which ends what stands at `p`; `end` if nothing does. */
static const char *skip_to(const char *p, const char *end, const char *close) {
    const char *found = memmem(p, (size_t)(end - p), close, strlen(close));

    return found == NULL ? end : found + strlen(close);
}

/* Of a document type declaration, with its internal subset. */
static const char *skip_doctype(const char *p, const char *end) {
    p = find_any(p, end, '>', '[');
    if (p < end && *p == '[')
        p = skip_to(p, end, "]");
    p = find_any(p, end, '>', '>');
    return p < end ? p + 1 : end;
}

static bool starts_with(const char *p, const char *end, const char *word) {
    size_t n = strlen(word);

    return (size_t)(end - p) >= n && memcmp(p, word, n) == 0;
}

bool mimetype_root_is(const char *body, size_t body_len, const char *name) {
    const char *end = body + body_len, *p = body;

    if (starts_with(p, end, "\xef\xbb\xbf"))
        p += 3;
    for (;;) {
        p = skip_space(p, end);
        if (starts_with(p, end, "<?"))
            p = skip_to(p, end, "?>");
        else if (starts_with(p, end, "<!--"))
            p = skip_to(p, end, "-->");
        else if (starts_with(p, end, "<!"))
            p = skip_doctype(p, end);
        else
            break;
    }
    if (p == end || *p != '<')
        return false;
    const char *tag = ++p;
    while (p < end && !is_space(*p) && *p != '>' && *p != '/')
        p++;
    const char *colon = find_any(tag, p, ':', ':');
    tag = colon < p ? colon + 1 : tag;
    return (size_t)(p - tag) == strlen(name) && memcmp(tag, name, (size_t)(p - tag)) == 0;
}

/* Behind a byte order mark and white space. */
static const char *skip_start(const char *body, const char *end) {
    const char *p = starts_with(body, end, "\xef\xbb\xbf") ? body + 3 : body;

    while (p < end && (is_space(*p) || *p == '\f'))
        p++;
    return p;
}

bool mimetype_sniff_xml(const char *body, size_t body_len) {
    const char *end = body + body_len;

    return starts_with(skip_start(body, end), end, "<?xml");
}

bool mimetype_sniff_html(const char *body, size_t body_len) {
    static const char *const starts[] = {
        "<!DOCTYPE HTML", "<HTML", "<HEAD",  "<SCRIPT", "<IFRAME", "<H1",   "<DIV", "<FONT",
        "<TABLE",         "<A",    "<STYLE", "<TITLE",  "<B",      "<BODY", "<BR",  "<P",
    };
    const char *end = body + body_len, *p = skip_start(body, end);

    if (end - p >= 4 && memcmp(p, "<!--", 4) == 0)
        return true;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        size_t n = strlen(starts[i]);
        if ((size_t)(end - p) > n && strncasecmp(p, starts[i], n) == 0 &&
            (is_space(p[n]) || p[n] == '\f' || p[n] == '>'))
            return true;
    }
    return false;
}
