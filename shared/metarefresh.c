#include "shared/metarefresh.h"

#include <string.h>

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static const char *skip_space(const char *p, const char *end) {
    while (p < end && is_space(*p))
        p++;
    return p;
}

/* Behind "url", in any case, and '=', spaces allowed around it; NULL if that is not there. */
static const char *skip_url_prefix(const char *p, const char *end) {
    for (const char *word = "url"; *word != '\0'; word++, p++)
        if (p == end || (*p | 0x20) != *word)
            return NULL;
    p = skip_space(p, end);
    return p < end && *p == '=' ? skip_space(p + 1, end) : NULL;
}

static void read_url(struct metarefresh *m, const char *p, const char *end) {
    const char *value = skip_url_prefix(p, end);

    /* A "u" that begins no "url=" begins the URL, quotes and all. */
    if (value == NULL && (*p == 'u' || *p == 'U')) {
        m->url = p;
        m->url_len = (size_t)(end - p);
        return;
    }
    p = value != NULL ? value : p;
    if (p < end && (*p == '"' || *p == '\'')) {
        const char *quote = memchr(p + 1, *p, (size_t)(end - p - 1));
        end = quote != NULL ? quote : end;
        p++;
    }
    m->url = p;
    m->url_len = (size_t)(end - p);
}

bool metarefresh_parse(struct metarefresh *m, const char *content, size_t content_len) {
    const char *end = content + content_len, *p = skip_space(content, end);
    uint64_t delay_s = 0;

    *m = (struct metarefresh){0};
    if (p == end || !(is_digit(*p) || *p == '.'))
        return false;
    for (; p < end && is_digit(*p); p++)
        if (delay_s < UINT32_MAX)
            delay_s = delay_s * 10 + (uint64_t)(*p - '0');
    m->delay_s = delay_s < UINT32_MAX ? (uint32_t)delay_s : UINT32_MAX;
    while (p < end && (is_digit(*p) || *p == '.'))
        p++;
    if (p == end)
        return true;
    if (!is_space(*p) && *p != ';' && *p != ',')
        return false;
    p = skip_space(p, end);
    if (p < end && (*p == ';' || *p == ','))
        p = skip_space(p + 1, end);
    if (p < end)
        read_url(m, p, end);
    return true;
}
