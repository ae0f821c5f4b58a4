#include "shared/domain.h"

#include "shared/url_host.h"

#include <libpsl.h>
#include <string.h>

/* DNS stops at 253 bytes; of longer hosts the end is looked at. */
enum { DOMAIN_BYTES_MAX = 255 };

bool domain_init(struct error *err) {
    if (psl_builtin() != NULL)
        return true;
    error_set(err, 0, "libpsl has no built-in public suffix list");
    return false;
}

/* Room in front of the name for libpsl's probe of a wildcard. */
#define PROBE "a."
enum { PROBE_LEN = sizeof PROBE - 1 };

struct name {
    char text[PROBE_LEN + DOMAIN_BYTES_MAX + 1]; /* "a.", the name, NUL */
};

/* The end of the host, from a label's start on, as libpsl wants it: without final dot. */
static bool copy_end(struct url_slice host, struct name *name) {
    const char *from = host.ptr, *end = host.ptr + host.len;

    if (host.len > DOMAIN_BYTES_MAX) {
        from = memchr(end - DOMAIN_BYTES_MAX, '.', DOMAIN_BYTES_MAX);
        if (from++ == NULL)
            return false;
    }
    if (from < end && end[-1] == '.')
        end--;
    if (from == end || *from == '.' || end[-1] == '.')
        return false;
    memcpy(name->text, PROBE, PROBE_LEN);
    memcpy(name->text + PROBE_LEN, from, (size_t)(end - from));
    name->text[PROBE_LEN + (end - from)] = '\0';
    return true;
}

/* NULL: none. For the rule "*.x.y" alone libpsl takes x.y for a public suffix too; by the list's
 * algorithm no rule but y's matches it. */
static const char *find_registrable(const psl_ctx_t *list, const struct name *name) {
    const char *text = name->text + PROBE_LEN, *found = psl_registrable_domain(list, text);
    const char *dot = strchr(text, '.');

    if (found != NULL || dot == NULL || !psl_is_public_suffix(list, name->text))
        return found;
    found = psl_registrable_domain(list, dot + 1);
    return found != NULL ? found : text;
}

struct url_slice domain_registrable(const struct url *u) {
    const psl_ctx_t *list = psl_builtin(); /* constant data */
    struct url_slice host = url_hostname(u), none = {"", 0};
    uint8_t address[16];
    struct name name;

    if (list == NULL || url_host_kind(u, address) != URL_HOST_NAME || !copy_end(host, &name))
        return none;
    const char *found = find_registrable(list, &name);
    if (found == NULL)
        return none;
    size_t n = strlen(found) + (host.ptr[host.len - 1] == '.' ? 1 : 0);
    return (struct url_slice){host.ptr + host.len - n, n};
}
