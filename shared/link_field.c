#include "shared/link_field.h"

#include <string.h>
#include <strings.h>

static bool is_space(char c) {
    return c == ' ' || c == '\t';
}

void link_field_init(struct link_field *f, const char *value, size_t len) {
    *f = (struct link_field){value, len == 0 ? value : value + len};
}

static void skip_space(struct link_field *f) {
    while (f->p < f->end && is_space(*f->p))
        f->p++;
}

static bool at(const struct link_field *f, char c) {
    return f->p < f->end && *f->p == c;
}

/* The text of a quoted string; a backslash stays, for none is in a URL or in a relation type. */
static struct url_slice quoted(struct link_field *f) {
    const char *start = ++f->p;

    while (f->p < f->end && *f->p != '"')
        f->p += *f->p == '\\' && f->end - f->p > 1 ? 2 : 1;
    struct url_slice text = {start, (size_t)(f->p - start)};
    f->p += f->p < f->end;
    return text;
}

static struct url_slice bare(struct link_field *f, const char *stops) {
    const char *start = f->p;

    while (f->p < f->end && (*f->p == '\0' || strchr(stops, *f->p) == NULL))
        f->p++;
    return (struct url_slice){start, (size_t)(f->p - start)};
}

static bool is_name(struct url_slice name, const char *word) {
    return name.len == strlen(word) && strncasecmp(name.ptr, word, name.len) == 0;
}

/* One parameter, behind its ';' (appendix B.3). */
static void take_param(struct link_field *f, struct link_field_link *link) {
    struct url_slice value = {"", 0};

    skip_space(f);
    struct url_slice name = bare(f, " \t=;,");
    skip_space(f);
    if (at(f, '=')) {
        f->p++;
        skip_space(f);
        value = at(f, '"') ? quoted(f) : bare(f, ";,");
    }
    while (value.len > 0 && is_space(value.ptr[value.len - 1]))
        value.len--;
    if (is_name(name, "rel") && link->rel.ptr == NULL) {
        link->rel = value;
    } else if (is_name(name, "anchor") && !link->has_anchor) {
        link->has_anchor = true;
        link->anchor = value;
    }
}

/* To what stands behind the next comma outside of quotes. */
static void skip_link(struct link_field *f) {
    while (f->p < f->end && *f->p != ',') {
        if (*f->p == '"')
            (void)quoted(f);
        else
            f->p++;
    }
    f->p += f->p < f->end;
}

bool link_field_next(struct link_field *f, struct link_field_link *link) {
    while (f->p < f->end) {
        const char *close;
        skip_space(f);
        if (!at(f, '<') || (close = memchr(f->p, '>', (size_t)(f->end - f->p))) == NULL) {
            skip_link(f);
            continue;
        }
        *link = (struct link_field_link){.target = {f->p + 1, (size_t)(close - f->p - 1)}};
        f->p = close + 1;
        for (skip_space(f); at(f, ';'); skip_space(f)) {
            f->p++;
            take_param(f, link);
        }
        skip_link(f);
        if (link->rel.ptr == NULL)
            link->rel = (struct url_slice){"", 0};
        return true;
    }
    return false;
}
