#include "shared/html_doctype.h"

#include <string.h>
#include <strings.h>

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\f';
}

static const char *skip_space(const char *p, const char *end) {
    while (p < end && is_space(*p))
        p++;
    return p;
}

/* A quoted identifier at p. Returns what follows it, or NULL if its quote is missing. */
static const char *read_identifier(const char *p, const char *end, const char **id,
                                   size_t *id_len) {
    const char *quote = memchr(p + 1, *p, (size_t)(end - p - 1));

    *id = p + 1;
    *id_len = (size_t)((quote != NULL ? quote : end) - p - 1);
    return quote != NULL ? quote + 1 : NULL;
}

static bool at_quote(const char *p, const char *end) {
    return p < end && (*p == '"' || *p == '\'');
}

/* What follows the name: how far the token gets. */
enum rest { REST_QUIRKS, REST_COMPLETE, REST_BOGUS };

static enum rest read_identifiers(struct html_doctype *d, const char *p, const char *end) {
    bool public = end - p >= 6 && strncasecmp(p, "PUBLIC", 6) == 0;
    bool system = end - p >= 6 && strncasecmp(p, "SYSTEM", 6) == 0;

    if (!public && !system)
        return REST_QUIRKS;
    p = skip_space(p + 6, end);
    if (public) {
        if (!at_quote(p, end))
            return REST_QUIRKS;
        p = read_identifier(p, end, &d->public_id, &d->public_id_len);
        if (p == NULL)
            return REST_QUIRKS;
        p = skip_space(p, end);
        if (p == end)
            return REST_COMPLETE;
    }
    if (!at_quote(p, end))
        return REST_QUIRKS;
    p = read_identifier(p, end, &d->system_id, &d->system_id_len);
    if (p == NULL)
        return REST_QUIRKS;
    return skip_space(p, end) == end ? REST_COMPLETE : REST_BOGUS;
}

void html_doctype_parse(struct html_doctype *d, const char *p, size_t n, bool at_eof) {
    const char *end = p + n;
    enum rest rest = REST_COMPLETE;

    *d = (struct html_doctype){.force_quirks = true};
    p = skip_space(p, end);
    if (p == end)
        return;
    d->name = p;
    while (p < end && !is_space(*p))
        p++;
    d->name_len = (size_t)(p - d->name);
    p = skip_space(p, end);
    if (p < end)
        rest = read_identifiers(d, p, end);
    /* The "bogus DOCTYPE" state alone ends without quirks at the end of the input. */
    d->force_quirks = rest == REST_QUIRKS || (rest == REST_COMPLETE && at_eof);
}
