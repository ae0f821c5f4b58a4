#include "worker/headers.h"

#include <string.h>
#include <strings.h>

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
