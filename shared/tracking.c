#include "shared/tracking.h"

#include <string.h>
#include <strings.h>

static const char *const names[] = {
    "gclid",       "gclsrc",     "dclid",         "gbraid",
    "wbraid",      "srsltid",    "_ga",           "_gl",
    "fbclid",      "igshid",     "igsh",          "msclkid",
    "yclid",       "ysclid",     "_openstat",     "twclid",
    "ttclid",      "li_fat_id",  "_hsenc",        "_hsmi",
    "__hssc",      "__hstc",     "__hsfp",        "hsCtaTracking",
    "mc_cid",      "mc_eid",     "mkt_tok",       "vero_id",
    "s_cid",       "vero_conv",  "ml_subscriber", "ml_subscriber_hash",
    "oly_anon_id", "oly_enc_id", "rb_clickid",    "wickedid",
};

static const char *const prefixes[] = {"utm_", "mtm_", "matomo_", "pk_", "piwik_"};

static bool is_tracking(const char *name, size_t len) {
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t n = strlen(prefixes[i]);
        if (len > n && strncasecmp(name, prefixes[i], n) == 0)
            return true;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == len && strncasecmp(name, names[i], len) == 0)
            return true;
    return false;
}

static size_t name_length(const char *param, size_t len) {
    const char *equals = memchr(param, '=', len);

    return equals == NULL ? len : (size_t)(equals - param);
}

bool tracking_strip(const char *url, size_t len, struct buf *out) {
    const char *mark = memchr(url, '?', len);
    bool stripped = false, kept = false;

    if (mark == NULL)
        return false;
    buf_reset(out);
    size_t at = (size_t)(mark - url);
    buf_append(out, url, at++);
    while (at <= len) {
        const char *end = memchr(url + at, '&', len - at);
        size_t n = end == NULL ? len - at : (size_t)(end - (url + at));
        if (is_tracking(url + at, name_length(url + at, n))) {
            stripped = true;
        } else {
            buf_append_char(out, kept ? '&' : '?');
            buf_append(out, url + at, n);
            kept = true;
        }
        at += n + 1;
    }
    return stripped && !out->failed;
}
