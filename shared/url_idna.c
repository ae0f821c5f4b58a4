#include "shared/url_idna.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unicode/uidna.h>
#include <unicode/utf8.h>

/* What UTS #46 maps otherwise since Unicode 15.1, 16.0 and 17.0 than in 15.0; applied before ICU, to
 * which the results are as good as mapped. `to` 0: ignored. A range maps one to one. */
struct remap {
    UChar32 first, last, to;
};

static const struct remap remaps[] = {
    {0x04c0, 0x04c0, 0x04cf},    {0x10a0, 0x10c5, 0x2d00},   {0x115f, 0x1160, 0},
    {0x17b4, 0x17b5, 0},         {0x180e, 0x180e, 0},        {0x1e9e, 0x1e9e, 0x00df},
    {0x2061, 0x2063, 0},         {0x206a, 0x206f, 0},        {0x2132, 0x2132, 0x214e},
    {0x2183, 0x2183, 0x2184},    {0x3164, 0x3164, 0},        {0xffa0, 0xffa0, 0},
    {0x1d173, 0x1d17a, 0},       {0x2f868, 0x2f868, 0x36fc}, {0x2f874, 0x2f874, 0x5f53},
    {0x2f91f, 0x2f91f, 0x243ab}, {0x2f95f, 0x2f95f, 0x7aee}, {0x2f9bf, 0x2f9bf, 0x45d7},
};

/* The errors that CheckHyphens and VerifyDnsLength would make of the result. */
enum {
    IGNORED_ERRORS = UIDNA_ERROR_EMPTY_LABEL | UIDNA_ERROR_LABEL_TOO_LONG |
                     UIDNA_ERROR_DOMAIN_NAME_TOO_LONG | UIDNA_ERROR_LEADING_HYPHEN |
                     UIDNA_ERROR_TRAILING_HYPHEN | UIDNA_ERROR_HYPHEN_3_4,
};

/* ICU's object is immutable once open; the first caller opens it, for the life of the process. */
static const UIDNA *open_uts46(void) {
    static _Atomic(UIDNA *) shared;
    UIDNA *mine = atomic_load(&shared), *other = NULL;
    UErrorCode code = U_ZERO_ERROR;

    if (mine != NULL)
        return mine;
    mine = uidna_openUTS46(UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ |
                               UIDNA_NONTRANSITIONAL_TO_ASCII | UIDNA_NONTRANSITIONAL_TO_UNICODE,
                           &code);
    if (U_FAILURE(code))
        return NULL;
    if (atomic_compare_exchange_strong(&shared, &other, mine))
        return mine;
    uidna_close(mine);
    return other;
}

/* The character in place of `c`; 0: none. */
static UChar32 remap(UChar32 c) {
    if (c < remaps[0].first)
        return c;
    for (size_t i = 0; i < sizeof remaps / sizeof *remaps; i++)
        if (c >= remaps[i].first && c <= remaps[i].last)
            return remaps[i].to == 0 ? 0 : remaps[i].to + (c - remaps[i].first);
    return c;
}

/* No character gets longer: `to` has as much room as there is in `from`. False: malformed or NUL,
 * neither of which is allowed in a domain. */
static bool remap_all(const uint8_t *from, int32_t from_len, uint8_t *to, int32_t *to_len) {
    int32_t n = 0;

    for (int32_t i = 0; i < from_len;) {
        UChar32 c;
        U8_NEXT(from, i, from_len, c);
        if (c <= 0)
            return false;
        c = remap(c);
        if (c != 0)
            U8_APPEND_UNSAFE(to, n, (uint32_t)c);
    }
    *to_len = n;
    return true;
}

enum url_result url_idna_to_ascii(const char *domain, size_t domain_len, char *to, size_t to_size,
                                  size_t *to_len) {
    const UIDNA *uts46 = open_uts46();
    uint8_t mapped[URL_IDNA_BYTES_MAX];
    UIDNAInfo info = UIDNA_INFO_INITIALIZER;
    UErrorCode code = U_ZERO_ERROR;
    int32_t mapped_len;

    if (uts46 == NULL)
        return URL_NO_MEMORY;
    if (domain_len > URL_IDNA_BYTES_MAX)
        return URL_TOO_LONG;
    if (!remap_all((const uint8_t *)domain, (int32_t)domain_len, mapped, &mapped_len))
        return URL_INVALID;
    int32_t n = uidna_nameToASCII_UTF8(uts46, (const char *)mapped, mapped_len, to,
                                       (int32_t)to_size, &info, &code);
    if (code == U_BUFFER_OVERFLOW_ERROR)
        return URL_TOO_LONG;
    if (code == U_MEMORY_ALLOCATION_ERROR)
        return URL_NO_MEMORY;
    if (U_FAILURE(code) || (info.errors & ~(uint32_t)IGNORED_ERRORS) != 0)
        return URL_INVALID;
    *to_len = (size_t)n;
    return URL_OK;
}

bool url_idna_to_unicode(const char *domain, size_t domain_len, char *to, size_t to_size,
                         size_t *to_len) {
    const UIDNA *uts46 = open_uts46();
    UIDNAInfo info = UIDNA_INFO_INITIALIZER;
    UErrorCode code = U_ZERO_ERROR;

    if (uts46 == NULL || domain_len > URL_IDNA_BYTES_MAX || to_size > INT32_MAX)
        return false;
    int32_t len = uidna_nameToUnicodeUTF8(uts46, domain, (int32_t)domain_len, to, (int32_t)to_size,
                                          &info, &code);
    if (U_FAILURE(code) || len < 0 || (info.errors & ~(uint32_t)IGNORED_ERRORS) != 0)
        return false;
    *to_len = (size_t)len;
    return true;
}
