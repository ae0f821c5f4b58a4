/*
 * parse: the values that users write in options and configuration: times, sizes, counts, addresses.
 *
 * Each function takes a whole NUL-terminated string, accepts nothing before or behind the value, and
 * returns false, leaving `out` as it was, for what it does not accept and for what does not fit. The
 * caller says which option was wrong; the PARSE_..._ACCEPTED texts say what is accepted. Decimal
 * digits only; no sign, whatever the locale. No state: any thread may call.
 */
#ifndef TRAWL_SHARED_PARSE_H
#define TRAWL_SHARED_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ten years: added to any clock it stays far from the end of int64_t. */
#define PARSE_DURATION_MAX_MS (UINT64_C(3650) * 24 * 3600 * 1000)
#define PARSE_SIZE_MAX ((uint64_t)INT64_MAX)

#define PARSE_DURATION_ACCEPTED                                                                    \
    "a number with a unit: ms, s, m, h or d, such as 500ms, 1.5s or 2h; or 0"
#define PARSE_SIZE_ACCEPTED "a number of bytes, or with a unit: KiB, MiB, GiB or TiB, such as 64KiB"
#define PARSE_RPC_ADDRESS_ACCEPTED                                                                 \
    "tcp://HOST:PORT or tls+tcp://HOST:PORT, such as tcp://127.0.0.1:7700 or tls+tcp://[::1]:7700"
#define PARSE_HOST_PORT_ACCEPTED "HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"

enum { PARSE_HOST_BYTES = 254 }; /* the longest name of DNS, and a NUL */

/* "500ms", "10s", "1.5h", "0". A fraction must come to whole milliseconds. At most
 * PARSE_DURATION_MAX_MS. */
bool parse_duration_ms(const char *text, uint64_t *out);
/* "4096", "64KiB", "1.5GiB". A fraction must come to whole bytes. At most PARSE_SIZE_MAX. */
bool parse_size(const char *text, uint64_t *out);
bool parse_uint(const char *text, uint64_t min, uint64_t max, uint64_t *out);

struct parse_address {
    char host[PARSE_HOST_BYTES]; /* a name, or an address without its brackets; "*": every one */
    uint16_t port;
    bool tls;         /* tls+tcp:// */
    bool is_ipv6;     /* an IPv6 address, to be written in brackets */
    bool is_loopback; /* "localhost", 127.0.0.0/8 or ::1: reached from this machine only */
};

enum parse_address_use {
    PARSE_DIAL,   /* host and port of a peer */
    PARSE_LISTEN, /* the host may be "*", and the port 0 for any free one */
};

/* Between master and worker, as nng writes it. */
bool parse_rpc_address(const char *text, enum parse_address_use use, struct parse_address *out);
/* Without a scheme: the status page, a proxy. */
bool parse_host_port(const char *text, enum parse_address_use use, struct parse_address *out);

#endif
