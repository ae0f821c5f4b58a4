#include "shared/parse.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* ---- Numbers ----------------------------------------------------------------------------------- */

/* Takes digits off the front. False: there is none, or the number is above `max`. */
static bool take_number(const char **text, uint64_t max, uint64_t *out) {
    const char *p = *text;
    uint64_t n = 0;

    for (; is_digit(*p); p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (digit > max || n > (max - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    if (p == *text)
        return false;
    *text = p;
    *out = n;
    return true;
}

bool parse_uint(const char *text, uint64_t min, uint64_t max, uint64_t *out) {
    uint64_t n;

    if (!take_number(&text, max, &n) || *text != '\0' || n < min)
        return false;
    *out = n;
    return true;
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* "0.25" of `factor` is exact or refused. `text` is at the digits behind the point. */
static bool take_fraction(const char **text, uint64_t factor, uint64_t *out) {
    const char *p = *text;
    uint64_t sum = 0, scale = 1, digits = 0;

    for (; is_digit(*p); p++) {
        if (*p != '0' && scale > UINT64_C(100000000000000))
            return false; /* finer than any unit */
        if (scale <= UINT64_C(100000000000000)) {
            scale *= 10;
            digits = digits * 10 + (uint64_t)(*p - '0');
        }
    }
    if (p == *text)
        return false;
    /* factor * digits / scale, where factor * digits may not fit */
    uint64_t rest = 0;
    for (int bit = 63; bit >= 0; bit--) {
        sum *= 2;
        rest *= 2;
        if (factor >> bit & 1)
            rest += digits;
        sum += rest / scale;
        rest %= scale;
    }
    *text = p;
    *out = sum;
    return rest == 0;
}

static const char *skip_fraction(const char *p) {
    if (*p == '.') {
        do
            p++;
        while (is_digit(*p));
    }
    return p;
}

/* A number and the name of a unit. */
static bool read_quantity(const char *text, const struct unit *units, size_t count, uint64_t max,
                          uint64_t *out) {
    uint64_t whole, part = 0;

    if (!take_number(&text, max, &whole))
        return false;
    const char *name = skip_fraction(text);
    size_t i = 0;
    while (i < count && strcmp(name, units[i].name) != 0)
        i++;
    if (i == count || whole > max / units[i].factor)
        return false;
    if (*text == '.') {
        text++;
        if (!take_fraction(&text, units[i].factor, &part))
            return false;
    }
    whole *= units[i].factor;
    if (part > max - whole)
        return false;
    *out = whole + part;
    return true;
}

bool parse_duration_ms(const char *text, uint64_t *out) {
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000}};

    if (strcmp(text, "0") == 0) {
        *out = 0;
        return true;
    }
    return read_quantity(text, units, sizeof units / sizeof *units, PARSE_DURATION_MAX_MS, out);
}

bool parse_size(const char *text, uint64_t *out) {
    static const struct unit units[] = {{"", 1},
                                        {"KiB", UINT64_C(1) << 10},
                                        {"MiB", UINT64_C(1) << 20},
                                        {"GiB", UINT64_C(1) << 30},
                                        {"TiB", UINT64_C(1) << 40}};

    return read_quantity(text, units, sizeof units / sizeof *units, PARSE_SIZE_MAX, out);
}

/* ---- Addresses --------------------------------------------------------------------------------- */

/* Letters, digits, "-", "_" and dots between them; what ends in a number must be an IPv4 address. */
static bool is_host_name(const char *s) {
    size_t label = 0;
    bool numeric = true; /* the label so far */

    for (; *s != '\0'; s++) {
        bool alpha = (*s | 0x20) >= 'a' && (*s | 0x20) <= 'z';
        if (*s == '.') {
            if (label == 0)
                return false;
            label = 0;
            numeric = s[1] != '\0' ? true : numeric;
            continue;
        }
        if (!alpha && !is_digit(*s) && *s != '-' && *s != '_')
            return false;
        numeric = numeric && is_digit(*s);
        if (++label > 63)
            return false;
    }
    return !numeric;
}

static bool read_ipv6(struct parse_address *a) {
    struct in6_addr v6;

    if (inet_pton(AF_INET6, a->host, &v6) != 1)
        return false;
    a->is_ipv6 = true;
    a->is_loopback = IN6_IS_ADDR_LOOPBACK(&v6) ||
                     (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == IN_LOOPBACKNET);
    return true;
}

static bool read_name(struct parse_address *a, enum parse_address_use use) {
    struct in_addr v4;

    if (strcmp(a->host, "*") == 0)
        return use == PARSE_LISTEN;
    if (inet_pton(AF_INET, a->host, &v4) == 1) {
        a->is_loopback = ntohl(v4.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
        return true;
    }
    a->is_loopback = strcasecmp(a->host, "localhost") == 0;
    return is_host_name(a->host);
}

bool parse_host_port(const char *text, enum parse_address_use use, struct parse_address *out) {
    struct parse_address a = {.tls = false};
    bool brackets = text[0] == '[';
    const char *host = text + brackets;
    size_t len = strcspn(host, brackets ? "]" : ":");
    const char *colon = host + len + (brackets && host[len] == ']');
    uint64_t port;

    if (len == 0 || len >= sizeof a.host || *colon != ':' ||
        !parse_uint(colon + 1, use == PARSE_LISTEN ? 0 : 1, UINT16_MAX, &port))
        return false;
    memcpy(a.host, host, len);
    a.port = (uint16_t)port;
    if (brackets ? !read_ipv6(&a) : !read_name(&a, use))
        return false;
    *out = a;
    return true;
}

bool parse_rpc_address(const char *text, enum parse_address_use use, struct parse_address *out) {
    static const char tcp[] = "tcp://", tls[] = "tls+tcp://";
    bool is_tls = strncmp(text, tls, sizeof tls - 1) == 0;

    if (is_tls)
        text += sizeof tls - 1;
    else if (strncmp(text, tcp, sizeof tcp - 1) == 0)
        text += sizeof tcp - 1;
    else
        return false;
    if (!parse_host_port(text, use, out))
        return false;
    out->tls = is_tls;
    return true;
}
