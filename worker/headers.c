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

bool headers_find(const char *head, size_t head_len, const char *name, unsigned nth,
                  const char **value, size_t *value_len) {
    const char *p = head, *end = head_len == 0 ? head : head + head_len, *line;
    size_t name_len = strlen(name), len;

    while (next_line(&p, end, &line, &len)) {
        if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0 ||
            nth-- > 0)
            continue;
        const char *from = line + name_len + 1, *to = line + len;
        while (from < to && (*from == ' ' || *from == '\t'))
            from++;
        while (to > from && (to[-1] == ' ' || to[-1] == '\t' || to[-1] == '\r'))
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

bool headers_combine(const char *head, size_t head_len, const char *name, struct buf *to) {
    const char *value;
    size_t len;

    for (unsigned i = 0; headers_find(head, head_len, name, i, &value, &len); i++) {
        buf_append_str(to, i == 0 ? "" : ", ");
        buf_append(to, value, len);
    }
    return !to->failed;
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

static enum headers_framing length_framing(const char *head, size_t head_len) {
    int64_t first = -1, length;
    const char *value;
    size_t len;

    for (unsigned i = 0; headers_find(head, head_len, "content-length", i, &value, &len); i++) {
        const char *end = value + len;
        do {
            if (!take_length(&value, end, &length))
                return HEADERS_LENGTH_INVALID;
            if (first >= 0 && length != first)
                return HEADERS_LENGTH_CONFLICT;
            first = length;
        } while (value < end);
    }
    return HEADERS_FRAMING_FINE;
}

enum headers_framing headers_framing(const char *head, size_t head_len) {
    const char *value;
    size_t len;
    bool chunked = false;

    for (unsigned i = 0; headers_find(head, head_len, "transfer-encoding", i, &value, &len); i++) {
        if (is_word(value, len, "identity"))
            continue;
        if (!is_word(value, len, "chunked"))
            return HEADERS_CODING_UNKNOWN;
        chunked = true;
    }
    return chunked ? HEADERS_FRAMING_FINE : length_framing(head, head_len);
}
