#include "worker/headers.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

static bool is_space(char c) {
    return c == ' ' || c == '\t';
}

/* The status line goes on in no other line. */
static bool is_status_line(const char *head, const char *eol) {
    return memchr(head, '\n', (size_t)(eol - head)) == NULL;
}

/* The line at `*p`, without its end; moves `*p` behind it. */
static bool next_line(const char **p, const char *end, const char **line, size_t *len) {
    if (*p == NULL || *p >= end)
        return false;
    const char *eol = memchr(*p, '\n', (size_t)(end - *p));
    *line = *p;
    *len = (size_t)((eol == NULL ? end : eol) - *p);
    *p = eol == NULL ? end : eol + 1;
    return true;
}

/* The value of the field at `line` if it has that name, with what stands around it; NULL: it has another. White space
 * before the colon is not allowed (RFC 9112 §5.1), and read over, as browsers do. */
static const char *value_of(const char *line, size_t len, const char *name, size_t name_len) {
    const char *p = line + name_len, *end = line + len;

    if (len <= name_len || strncasecmp(line, name, name_len) != 0)
        return NULL;
    while (p < end && is_space(*p))
        p++;
    return p < end && *p == ':' ? p + 1 : NULL;
}

bool headers_find(const char *head, size_t head_len, const char *name, unsigned nth,
                  const char **value, size_t *value_len) {
    const char *p = head, *end = head_len == 0 ? head : head + head_len, *line;
    size_t name_len = strlen(name), len;

    while (next_line(&p, end, &line, &len)) {
        const char *from = value_of(line, len, name, name_len), *to = line + len;
        if (from == NULL || nth-- > 0)
            continue;
        while (from < to && is_space(*from))
            from++;
        while (to > from && (is_space(to[-1]) || to[-1] == '\r'))
            to--;
        *value = from;
        *value_len = (size_t)(to - from);
        return true;
    }
    return false;
}

bool headers_unfold(char *head, size_t head_len) {
    char *end = head_len == 0 ? head : head + head_len, *eol = head;
    bool any = false;

    while (eol < end && (eol = memchr(eol, '\n', (size_t)(end - eol))) != NULL) {
        char *next = eol + 1;
        if (next < end && is_space(*next) && !is_status_line(head, eol)) {
            any = true;
            for (*eol-- = ' '; eol > head && *eol == '\r'; eol--)
                *eol = ' ';
        }
        eol = next;
    }
    return any;
}

const struct buf *headers_unfolded(struct headers_unfolded *u, const void *of,
                                   const struct buf *head) {
    if (u->of == of)
        return &u->text;
    buf_reset(&u->text);
    u->of = NULL;
    if (!buf_append(&u->text, head->data, head->len))
        return head;
    u->of = of;
    headers_unfold(u->text.data, u->text.len);
    return &u->text;
}

bool headers_combine(const char *head, size_t head_len, const char *name, struct buf *to) {
    const char *value;
    size_t len;

    for (unsigned i = 0; headers_find(head, head_len, name, i, &value, &len); i++) {
        buf_append_str(to, i == 0 ? "" : ", ");
        buf_append(to, value, len);
    }
    return !to->failed;
}

/* The status, as it stands in the first line; "": there is none. */
static const char *status_of(const char *head, size_t head_len) {
    const char *space = head_len > 0 ? memchr(head, ' ', head_len) : NULL;
    const char *end = head + head_len;

    while (space != NULL && space < end && *space == ' ')
        space++;
    return space != NULL && end - space >= 3 ? space : "";
}

bool headers_is_interim(const char *head, size_t head_len) {
    const char *status = status_of(head, head_len);

    return status[0] == '1' && memcmp(status, "101", 3) != 0;
}

static bool is_token_char(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool headers_is_field(const char *line, size_t len) {
    size_t n = 0;

    while (n < len && is_token_char(line[n]))
        n++;
    return n > 0 && n < len && line[n] == ':';
}

/* One number of the list at `*p`, which is moved behind it. */
static bool take_length(const char **p, const char *end, int64_t *length) {
    const char *q = *p;
    bool any = false;

    *length = 0;
    while (q < end && is_space(*q))
        q++;
    for (; q < end && *q >= '0' && *q <= '9'; q++, any = true) {
        int digit = *q - '0';
        if (*length > (INT64_MAX - digit) / 10)
            return false;
        *length = *length * 10 + digit;
    }
    while (q < end && is_space(*q))
        q++;
    if (!any || (q < end && *q != ','))
        return false;
    *p = q < end ? q + 1 : q;
    return q == end || *p < end;
}

static bool is_word(const char *p, size_t len, const char *word) {
    return len == strlen(word) && strncasecmp(p, word, len) == 0;
}

/* Of a body without chunks. */
static void read_lengths(const char *head, size_t head_len, struct headers_framing *f) {
    int64_t first = -1, length;
    const char *value;
    size_t len;

    for (unsigned i = 0; headers_find(head, head_len, "content-length", i, &value, &len); i++) {
        const char *end = value + len;
        do {
            if (!take_length(&value, end, &length)) {
                f->fault = HEADERS_LENGTH_INVALID;
                return;
            }
            if (first >= 0 && length != first) {
                f->fault = HEADERS_LENGTH_CONFLICT;
                return;
            }
            first = length;
        } while (value < end);
    }
    if (first < 0)
        return;
    f->end = HEADERS_END_LENGTH;
    f->length = (uint64_t)first;
}

/* One element of the list at `*p`, without white space around it; moves `*p` behind its comma. */
static void take_word(const char **p, const char *end, const char **word, size_t *len) {
    const char *comma = memchr(*p, ',', (size_t)(end - *p)), *to = comma != NULL ? comma : end;

    while (*p < to && is_space(**p))
        ++*p;
    *word = *p;
    *p = comma != NULL ? comma + 1 : end;
    while (to > *word && is_space(to[-1]))
        to--;
    *len = (size_t)(to - *word);
}

/* The transfer codings that there are but chunked (RFC 9112 §7.2). */
static bool is_other_coding(const char *word, size_t len) {
    return is_word(word, len, "gzip") || is_word(word, len, "x-gzip") ||
           is_word(word, len, "deflate") || is_word(word, len, "compress") ||
           is_word(word, len, "x-compress");
}

/* The codings of one field. False: one was to be undone. */
static bool take_codings(const char *value, size_t len, unsigned *words, bool *chunked) {
    const char *p = value, *end = value + len, *word;
    size_t word_len;

    do {
        take_word(&p, end, &word, &word_len);
        ++*words;
        if (is_word(word, word_len, "chunked"))
            *chunked = true;
        else if (is_other_coding(word, word_len))
            return false;
    } while (p < end);
    return true;
}

static bool has_field(const char *head, size_t head_len, const char *name) {
    const char *value;
    size_t len;

    return headers_find(head, head_len, name, 0, &value, &len);
}

/* 1xx, 204 and 304 (rule 1). A 304 says the length of what it stands for, a 204 may not say any (RFC 9110 §8.6). */
static bool ends_with_head(const char *head, size_t head_len, struct headers_framing *f) {
    const char *status = status_of(head, head_len);
    bool is_304 = strncmp(status, "304", 3) == 0;

    if (status[0] != '1' && !is_304 && strncmp(status, "204", 3) != 0)
        return false;
    f->end = HEADERS_END_HEAD;
    f->odd = has_field(head, head_len, "transfer-encoding") ||
             (!is_304 && has_field(head, head_len, "content-length"));
    return true;
}

static bool is_http_1_0(const char *head, size_t head_len) {
    return head_len >= 8 && memcmp(head, "HTTP/1.0", 8) == 0;
}

struct headers_framing headers_framing(const char *head, size_t head_len) {
    struct headers_framing f = {.end = HEADERS_END_CONNECTION};
    const char *value;
    size_t len;
    unsigned words = 0;
    bool chunked = false;

    if (ends_with_head(head, head_len, &f))
        return f;
    for (unsigned i = 0; headers_find(head, head_len, "transfer-encoding", i, &value, &len); i++)
        if (!take_codings(value, len, &words, &chunked)) {
            f.fault = HEADERS_CODING_UNDONE;
            return f;
        }
    if (chunked)
        f.end = HEADERS_END_CHUNKS;
    else
        read_lengths(head, head_len, &f);
    f.odd = words > 0 && (words > 1 || !chunked || is_http_1_0(head, head_len) ||
                          has_field(head, head_len, "content-length"));
    return f;
}

bool headers_chunked_plainly(const char *head, size_t head_len) {
    static const char name[] = "transfer-encoding:";
    const char *p = head, *end = head + head_len, *line;
    size_t len;

    while (next_line(&p, end, &line, &len)) {
        unsigned words = 0;
        bool chunked = false;
        if (len < sizeof name - 1 || strncasecmp(line, name, sizeof name - 1) != 0)
            continue;
        while (len > 0 && (line[len - 1] == '\r' || is_space(line[len - 1])))
            len--;
        if (len >= sizeof name - 1 &&
            take_codings(line + sizeof name - 1, len - (sizeof name - 1), &words, &chunked) &&
            chunked)
            return true;
    }
    return false;
}
