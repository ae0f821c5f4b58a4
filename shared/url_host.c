#include "shared/url_host.h"

#include "shared/limits.h"
#include "shared/url_idna.h"
#include "shared/url_percent.h"

#include <stdio.h>
#include <string.h>

enum { IPV6_PIECES = 8, IPV4_PARTS = 4 };

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* -1: not a hexadecimal digit. */
static int digit_value(char c) {
    if (is_digit(c))
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ------------------------------------------------------------------ IPv4 */

/* The standard's IPv4 number parser. A number over 32 bits may come out smaller, but over 32 bits. */
static bool parse_ipv4_number(const char *p, const char *end, uint64_t *number) {
    int radix = 10;

    if (p == end)
        return false;
    if (end - p >= 2 && p[0] == '0') {
        radix = (p[1] | 0x20) == 'x' ? 16 : 8;
        p += radix == 16 ? 2 : 1;
    }
    *number = 0;
    for (; p < end; p++) {
        int digit = digit_value(*p);
        if (digit < 0 || digit >= radix)
            return false;
        if (*number <= UINT32_MAX)
            *number = *number * (uint64_t)radix + (uint64_t)digit;
    }
    return true;
}

/* The standard's "ends in a number" checker, for n > 0. */
static bool ends_in_number(const char *p, size_t n) {
    const char *end = p + n, *last;
    uint64_t number;

    if (end[-1] == '.')
        end--;
    last = memrchr(p, '.', (size_t)(end - p));
    last = last == NULL ? p : last + 1;
    if (last == end || !is_digit(*last))
        return false;
    const char *at = last;
    while (at < end && is_digit(*at))
        at++;
    return at == end || parse_ipv4_number(last, end, &number);
}

static bool parse_ipv4(const char *p, size_t n, uint32_t *address) {
    const char *end = p + n;
    uint64_t numbers[IPV4_PARTS];
    size_t count = 0;

    if (end[-1] == '.')
        end--;
    for (;;) {
        const char *dot = memchr(p, '.', (size_t)(end - p));
        if (count == IPV4_PARTS ||
            !parse_ipv4_number(p, dot != NULL ? dot : end, &numbers[count++]))
            return false;
        if (dot == NULL)
            break;
        p = dot + 1;
    }
    uint64_t last = numbers[count - 1], value = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        if (numbers[i] > 255)
            return false;
        value |= numbers[i] << (8 * (IPV4_PARTS - 1 - i));
    }
    if (last >= (uint64_t)1 << (8 * (IPV4_PARTS + 1 - count)))
        return false;
    *address = (uint32_t)(value | last);
    return true;
}

static size_t write_ipv4(char *to, size_t to_size, uint32_t address) {
    return (size_t)snprintf(to, to_size, "%u.%u.%u.%u", address >> 24, address >> 16 & 255,
                            address >> 8 & 255, address & 255);
}

/* ------------------------------------------------------------------ IPv6 */

/* The dotted end of an IPv6 address: exactly four decimal numbers, in two pieces. */
static bool parse_ipv4_in_ipv6(const char *p, const char *end, uint16_t pieces[2]) {
    unsigned seen = 0;

    for (; seen < IPV4_PARTS; seen++) {
        unsigned value = 0;
        const char *start;
        if (seen > 0 && (p == end || *p++ != '.'))
            return false;
        for (start = p; p < end && is_digit(*p); p++) {
            if (p > start && value == 0)
                return false; /* a leading zero */
            value = value * 10 + (unsigned)(*p - '0');
            if (value > 255)
                return false;
        }
        if (p == start)
            return false;
        pieces[seen / 2] = (uint16_t)(pieces[seen / 2] * 256u + value);
    }
    return p == end;
}

/* Moves what stands behind the "::" to the end. */
static void expand(uint16_t pieces[IPV6_PIECES], unsigned compress, unsigned count) {
    unsigned tail = count - compress;

    memmove(pieces + IPV6_PIECES - tail, pieces + compress, tail * sizeof *pieces);
    memset(pieces + compress, 0, (IPV6_PIECES - tail - compress) * sizeof *pieces);
}

/* "::" stands for at least one piece: it is counted, and `compress` is the index behind it. */
static bool parse_ipv6(const char *p, const char *end, uint16_t pieces[IPV6_PIECES]) {
    unsigned count = 0, compress = 0;

    memset(pieces, 0, IPV6_PIECES * sizeof *pieces);
    if (p < end && *p == ':') {
        if (end - p < 2 || p[1] != ':')
            return false;
        p += 2;
        compress = ++count;
    }
    while (p < end) {
        unsigned value = 0, len = 0;
        if (count == IPV6_PIECES)
            return false;
        if (*p == ':') {
            if (compress != 0)
                return false;
            p++;
            compress = ++count;
            continue;
        }
        for (; len < 4 && p < end && digit_value(*p) >= 0; len++)
            value = value * 16 + (unsigned)digit_value(*p++);
        if (p < end && *p == '.') {
            if (len == 0 || count > IPV6_PIECES - 2 ||
                !parse_ipv4_in_ipv6(p - len, end, pieces + count))
                return false;
            count += 2;
            break;
        }
        if (p < end && (*p++ != ':' || p == end))
            return false;
        pieces[count++] = (uint16_t)value;
    }
    if (compress == 0)
        return count == IPV6_PIECES;
    expand(pieces, compress, count);
    return true;
}

/* The first of the longest runs of at least two zeros; its length is 0 if there is none. */
static unsigned longest_zeros(const uint16_t pieces[IPV6_PIECES], unsigned *len) {
    unsigned best = 0, best_len = 1;

    for (unsigned i = 0; i < IPV6_PIECES; i++) {
        unsigned n = 0;
        while (i + n < IPV6_PIECES && pieces[i + n] == 0)
            n++;
        if (n > best_len) {
            best = i;
            best_len = n;
        }
        i += n;
    }
    *len = best_len > 1 ? best_len : 0;
    return best;
}

static size_t write_ipv6(char *to, size_t to_size, const uint16_t pieces[IPV6_PIECES]) {
    unsigned zeros_len, zeros = longest_zeros(pieces, &zeros_len);
    size_t n = 0;

    to[n++] = '[';
    for (unsigned i = 0; i < IPV6_PIECES; i++) {
        if (zeros_len > 0 && i == zeros) {
            to[n++] = ':';
            if (i == 0)
                to[n++] = ':';
            i += zeros_len - 1;
            continue;
        }
        n += (size_t)snprintf(to + n, to_size - n, "%x", pieces[i]);
        if (i < IPV6_PIECES - 1)
            to[n++] = ':';
    }
    to[n++] = ']';
    return n;
}

/* ------------------------------------------------------------------ hosts */

static enum url_result parse_bracketed(const char *p, size_t n, char *to, size_t to_size,
                                       size_t *to_len) {
    uint16_t pieces[IPV6_PIECES];

    if (p[n - 1] != ']' || !parse_ipv6(p + 1, p + n - 1, pieces))
        return URL_INVALID;
    *to_len = write_ipv6(to, to_size, pieces);
    return URL_OK;
}

static enum url_result parse_opaque(const char *p, size_t n, char *to, size_t *to_len) {
    for (size_t i = 0; i < n; i++)
        if (url_percent_is(p[i], URL_FORBIDDEN_HOST))
            return URL_INVALID;
    *to_len = (size_t)(url_percent_encode(to, p, p + n, URL_SET_C0) - to);
    return URL_OK;
}

/* Lower-cases up to the first byte that is not ASCII or forbidden; returns how many those are. */
static size_t lower_ascii(const char *p, size_t n, char *to) {
    size_t i = 0;

    for (; i < n && !url_percent_is(p[i], URL_DOMAIN_STOP); i++)
        to[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i]);
    return i;
}

/* A domain with percent-encoded or other than ASCII bytes: percent-decoded, then as the standard
 * says either lower-cased or converted, and nothing forbidden may come out. */
static enum url_result parse_odd_domain(const char *p, size_t n, char *to, size_t to_size,
                                        size_t *to_len) {
    char decoded[LIMIT_URL_BYTES];
    const char *end = p + n;
    size_t len = 0;
    bool ascii = true;

    if (n > sizeof decoded)
        return URL_TOO_LONG;
    for (; p < end; len++) {
        int byte = url_percent_decode_byte(p, end);
        decoded[len] = byte < 0 ? *p : (char)byte;
        ascii = ascii && (unsigned char)decoded[len] < 0x80;
        p += byte < 0 ? 1 : 3;
    }
    if (ascii) {
        *to_len = len;
        return lower_ascii(decoded, len, to) == len ? URL_OK : URL_INVALID;
    }
    enum url_result result = url_idna_to_ascii(decoded, len, to, to_size, to_len);
    if (result != URL_OK)
        return result;
    for (size_t i = 0; i < *to_len; i++)
        if (url_percent_is(to[i], URL_DOMAIN_STOP))
            return URL_INVALID;
    return *to_len > 0 ? URL_OK : URL_INVALID;
}

enum url_result url_host_parse(const char *p, size_t n, bool opaque, char *to, size_t to_size,
                               size_t *to_len) {
    enum url_result result;
    uint32_t address;

    if (n > 0 && p[0] == '[')
        return parse_bracketed(p, n, to, to_size, to_len);
    if (opaque)
        return parse_opaque(p, n, to, to_len);

    *to_len = lower_ascii(p, n, to);
    if (*to_len < n) {
        result = parse_odd_domain(p, n, to, to_size, to_len);
        if (result != URL_OK)
            return result;
    }
    if (*to_len == 0)
        return URL_INVALID;
    if (!ends_in_number(to, *to_len))
        return URL_OK;
    if (!parse_ipv4(to, *to_len, &address))
        return URL_INVALID;
    *to_len = write_ipv4(to, to_size, address);
    return URL_OK;
}

static bool is_special(const struct url *u) {
    static const char *const names[] = {"http", "https", "ws", "wss", "ftp", "file"};
    struct url_slice scheme = url_scheme(u);

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == scheme.len && memcmp(names[i], scheme.ptr, scheme.len) == 0)
            return true;
    return false;
}

enum url_host_kind url_host_kind(const struct url *u, uint8_t address[16]) {
    struct url_slice host = url_hostname(u);
    uint16_t pieces[IPV6_PIECES];
    uint32_t ipv4;

    if (host.len == 0)
        return URL_HOST_NAME;
    if (host.ptr[0] == '[' && parse_ipv6(host.ptr + 1, host.ptr + host.len - 1, pieces)) {
        for (size_t i = 0; i < IPV6_PIECES; i++) {
            address[2 * i] = (uint8_t)(pieces[i] >> 8);
            address[2 * i + 1] = (uint8_t)pieces[i];
        }
        return URL_HOST_IPV6;
    }
    if (!is_digit(host.ptr[host.len - 1]) || !is_special(u) ||
        !ends_in_number(host.ptr, host.len) || !parse_ipv4(host.ptr, host.len, &ipv4))
        return URL_HOST_NAME;
    for (size_t i = 0; i < IPV4_PARTS; i++)
        address[i] = (uint8_t)(ipv4 >> (8 * (IPV4_PARTS - 1 - i)));
    return URL_HOST_IPV4;
}
