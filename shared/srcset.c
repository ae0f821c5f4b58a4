#include "shared/srcset.h"

/* What the descriptors of one candidate have said so far. */
struct descriptors {
    bool width, density, height, invalid;
};

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static const char *skip_digits(const char *p, const char *end) {
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* A valid non-negative integer that is not zero. */
static bool is_positive_integer(const char *p, const char *end) {
    bool zero = true;

    if (p == end || skip_digits(p, end) != end)
        return false;
    for (; p < end; p++)
        zero = zero && *p == '0';
    return !zero;
}

/* A valid floating-point number (§2.3.4.3) that is not negative. */
static bool is_density(const char *p, const char *end) {
    bool minus = p < end && *p == '-', zero = true;

    p += minus;
    const char *q = skip_digits(p, end), *mantissa = p;
    bool digits = q > p;
    if (q < end && *q == '.') {
        p = q + 1;
        q = skip_digits(p, end);
        digits = q > p;
    }
    if (!digits)
        return false;
    for (; mantissa < q; mantissa++)
        zero = zero && (*mantissa == '0' || *mantissa == '.');
    if (q < end && (*q == 'e' || *q == 'E')) {
        q++;
        q += q < end && (*q == '+' || *q == '-');
        p = q;
        q = skip_digits(p, end);
        if (q == p)
            return false;
    }
    return q == end && (!minus || zero);
}

static void add_descriptor(struct descriptors *d, const char *p, const char *end) {
    if (p == end)
        return;
    char unit = end[-1];
    if (unit == 'w' && !d->width && !d->density && is_positive_integer(p, end - 1))
        d->width = true;
    else if (unit == 'x' && !d->width && !d->density && !d->height && is_density(p, end - 1))
        d->density = true;
    else if (unit == 'h' && !d->height && !d->density && is_positive_integer(p, end - 1))
        d->height = true;
    else
        d->invalid = true;
}

/* The descriptors behind a URL, up to and with the comma that ends the candidate. */
static bool read_descriptors(struct srcset *s) {
    struct descriptors d = {0};
    const char *p = s->at, *start = p;
    bool parens = false;

    for (; p < s->end && (parens || *p != ','); p++) {
        if (*p == '(')
            parens = true;
        else if (*p == ')')
            parens = false;
        else if (is_space(*p) && !parens) {
            add_descriptor(&d, start, p);
            start = p + 1;
        }
    }
    add_descriptor(&d, start, p);
    s->at = p < s->end ? p + 1 : p;
    return !d.invalid && (!d.height || d.width);
}

void srcset_init(struct srcset *s, const char *value, size_t value_len) {
    s->at = value;
    s->end = value + value_len;
}

bool srcset_next(struct srcset *s, const char **url, size_t *url_len) {
    for (;;) {
        while (s->at < s->end && (is_space(*s->at) || *s->at == ','))
            s->at++;
        if (s->at == s->end)
            return false;
        const char *start = s->at;
        while (s->at < s->end && !is_space(*s->at))
            s->at++;
        const char *end = s->at;
        while (end[-1] == ',')
            end--;
        if (end == s->at && !read_descriptors(s))
            continue;
        *url = start;
        *url_len = (size_t)(end - start);
        return true;
    }
}
