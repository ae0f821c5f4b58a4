#include "shared/charset.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <unicode/ucnv.h>
#include <unicode/ucnv_cb.h>
#include <unicode/ucnv_err.h>

/* The first two are known by their place. */
static const struct charset charsets[] = {
    {"utf-8", "UTF-8", "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8",
     true},
    {"windows-1252", "windows-1252",
     "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 "
     "iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252",
     true},
    {"ibm866", "ibm-866", "866 cp866 csibm866 ibm866", true},
    {"iso-8859-2", "ISO-8859-2",
     "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2",
     true},
    {"iso-8859-3", "ISO-8859-3",
     "csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3",
     true},
    {"iso-8859-4", "ISO-8859-4",
     "csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4",
     true},
    {"iso-8859-5", "ISO-8859-5",
     "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 "
     "iso_8859-5:1988",
     true},
    {"iso-8859-6", "ISO-8859-6",
     "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e "
     "iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987",
     true},
    {"iso-8859-7", "ISO-8859-7",
     "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 "
     "iso_8859-7 iso_8859-7:1987 sun_eu_greek",
     true},
    {"iso-8859-8", "ISO-8859-8",
     "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598 "
     "iso_8859-8 iso_8859-8:1988 visual",
     true},
    {"iso-8859-8-i", "ISO-8859-8", "csiso88598i iso-8859-8-i logical", true},
    {"iso-8859-10", "ISO-8859-10",
     "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6", true},
    {"iso-8859-13", "ISO-8859-13", "iso-8859-13 iso8859-13 iso885913", true},
    {"iso-8859-14", "ISO-8859-14", "iso-8859-14 iso8859-14 iso885914", true},
    {"iso-8859-15", "ISO-8859-15", "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9",
     true},
    {"iso-8859-16", NULL, "iso-8859-16", true},
    {"koi8-r", "KOI8-R", "cskoi8r koi koi8 koi8-r koi8_r", true},
    {"koi8-u", "KOI8-U", "koi8-ru koi8-u", true},
    {"macintosh", "macintosh", "csmacintosh mac macintosh x-mac-roman", true},
    {"windows-874", "windows-874", "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874",
     true},
    {"windows-1250", "windows-1250", "cp1250 windows-1250 x-cp1250", true},
    {"windows-1251", "windows-1251", "cp1251 windows-1251 x-cp1251", true},
    {"windows-1253", "windows-1253", "cp1253 windows-1253 x-cp1253", true},
    {"windows-1254", "windows-1254",
     "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 "
     "latin5 windows-1254 x-cp1254",
     true},
    {"windows-1255", "windows-1255", "cp1255 windows-1255 x-cp1255", true},
    {"windows-1256", "windows-1256", "cp1256 windows-1256 x-cp1256", true},
    {"windows-1257", "windows-1257", "cp1257 windows-1257 x-cp1257", true},
    {"windows-1258", "windows-1258", "cp1258 windows-1258 x-cp1258", true},
    {"x-mac-cyrillic", "x-mac-cyrillic", "x-mac-cyrillic x-mac-ukrainian", true},
    {"gbk", "gb18030",
     "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk", true},
    {"gb18030", "gb18030", "gb18030", true},
    {"big5", "Big5-HKSCS", "big5 big5-hkscs cn-big5 csbig5 x-x-big5", true},
    {"euc-jp", "EUC-JP", "cseucpkdfmtjapanese euc-jp x-euc-jp", true},
    {"iso-2022-jp", "ISO-2022-JP", "csiso2022jp iso-2022-jp", false},
    {"shift_jis", "windows-31j",
     "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis", true},
    {"euc-kr", "windows-949",
     "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 "
     "ksc_5601 windows-949",
     true},
    {"replacement", NULL,
     "csiso2022kr hz-gb-2312 iso-2022-cn iso-2022-cn-ext iso-2022-kr replacement", false},
    {"utf-16be", "UTF-16BE", "unicodefffe utf-16be", false},
    {"utf-16le", "UTF-16LE", "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le",
     false},
    {"x-user-defined", NULL, "x-user-defined", true},
};

/* iso-8859-16 from 0xa0 on: ICU has no converter for it. Below, it is Latin-1. */
static const uint16_t iso_8859_16[96] = {
    0xa0,  0x104, 0x105, 0x141, 0x20ac, 0x201e, 0x160, 0xa7,  0x161, 0xa9,   0x218, 0xab,
    0x179, 0xad,  0x17a, 0x17b, 0xb0,   0xb1,   0x10c, 0x142, 0x17d, 0x201d, 0xb6,  0xb7,
    0x17e, 0x10d, 0x219, 0xbb,  0x152,  0x153,  0x178, 0x17c, 0xc0,  0xc1,   0xc2,  0x102,
    0xc4,  0x106, 0xc6,  0xc7,  0xc8,   0xc9,   0xca,  0xcb,  0xcc,  0xcd,   0xce,  0xcf,
    0x110, 0x143, 0xd2,  0xd3,  0xd4,   0x150,  0xd6,  0x15a, 0x170, 0xd9,   0xda,  0xdb,
    0xdc,  0x118, 0x21a, 0xdf,  0xe0,   0xe1,   0xe2,  0x103, 0xe4,  0x107,  0xe6,  0xe7,
    0xe8,  0xe9,  0xea,  0xeb,  0xec,   0xed,   0xee,  0xef,  0x111, 0x144,  0xf2,  0xf3,
    0xf4,  0x151, 0xf6,  0x15b, 0x171,  0xf9,   0xfa,  0xfb,  0xfc,  0x119,  0x21b, 0xff};

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static bool is_alpha(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ------------------------------------------------------------------ labels */

static bool has_label(const struct charset *c, const char *label, size_t label_len) {
    for (const char *p = c->labels; *p != '\0';) {
        size_t n = strcspn(p, " ");
        if (n == label_len && strncasecmp(p, label, n) == 0)
            return true;
        p += n + (p[n] == ' ');
    }
    return false;
}

const struct charset *charset_by_label(const char *label, size_t label_len) {
    while (label_len > 0 && is_space(*label)) {
        label++;
        label_len--;
    }
    while (label_len > 0 && is_space(label[label_len - 1]))
        label_len--;
    for (size_t i = 0; i < sizeof charsets / sizeof charsets[0]; i++)
        if (has_label(&charsets[i], label, label_len))
            return &charsets[i];
    return NULL;
}

const struct charset *charset_utf8(void) {
    return &charsets[0];
}

const struct charset *charset_windows_1252(void) {
    return &charsets[1];
}

static bool is_named(const struct charset *c, const char *name) {
    return strcmp(c->name, name) == 0;
}

const struct charset *charset_declared(const char *label, size_t label_len) {
    const struct charset *c = charset_by_label(label, label_len);

    if (c == NULL)
        return NULL;
    if (is_named(c, "utf-16le") || is_named(c, "utf-16be"))
        return charset_utf8();
    return is_named(c, "x-user-defined") ? charset_windows_1252() : c;
}

/* ------------------------------------------------------------------ sniffing */

static bool starts_with(const char *p, const char *end, const char *start, size_t n) {
    return (size_t)(end - p) >= n && memcmp(p, start, n) == 0;
}

static bool starts_with_any_case(const char *p, const char *end, const char *start) {
    size_t n = strlen(start);
    return (size_t)(end - p) >= n && strncasecmp(p, start, n) == 0;
}

const struct charset *charset_from_bom(const char *body, size_t body_len, size_t *bom_len) {
    const char *end = body + body_len;

    *bom_len = 3;
    if (starts_with(body, end, "\xef\xbb\xbf", 3))
        return charset_utf8();
    *bom_len = 2;
    if (starts_with(body, end, "\xfe\xff", 2))
        return charset_by_label("utf-16be", 8);
    if (starts_with(body, end, "\xff\xfe", 2))
        return charset_by_label("utf-16le", 8);
    *bom_len = 0;
    return NULL;
}

const struct charset *charset_from_meta_content(const char *content, size_t content_len) {
    const char *p = content, *end = content + content_len;

    for (;;) {
        while (p < end && !starts_with_any_case(p, end, "charset"))
            p++;
        if (p == end)
            return NULL;
        p += strlen("charset");
        while (p < end && is_space(*p))
            p++;
        if (p < end && *p == '=')
            break;
    }
    for (p++; p < end && is_space(*p); p++)
        ;
    if (p == end)
        return NULL;
    const char *q = p;
    if (*p == '"' || *p == '\'') {
        q = memchr(p + 1, *p, (size_t)(end - p - 1));
        return q == NULL ? NULL : charset_declared(p + 1, (size_t)(q - p - 1));
    }
    while (q < end && !is_space(*q) && *q != ';')
        q++;
    return charset_declared(p, (size_t)(q - p));
}

struct prescan_attr {
    const char *name, *value;
    size_t name_len, value_len;
};

/* "Get an attribute" (§13.2.3.2). Moves *at behind it. False: there is none, or the bytes ran out:
 * then *at is `end`. */
static bool prescan_attribute(const char **at, const char *end, struct prescan_attr *a) {
    const char *p = *at;

    *a = (struct prescan_attr){.name = "", .value = ""};
    while (p < end && (is_space(*p) || *p == '/'))
        p++;
    *at = p;
    if (p == end || *p == '>')
        return false;
    a->name = p;
    while (p < end && (*p != '=' || p == a->name) && !is_space(*p) && *p != '/' && *p != '>')
        p++;
    a->name_len = (size_t)(p - a->name);
    while (p < end && is_space(*p))
        p++;
    *at = p;
    if (p == end || *p != '=')
        return p < end;
    for (p++; p < end && is_space(*p); p++)
        ;
    if (p < end && (*p == '"' || *p == '\'')) {
        a->value = p + 1;
        const char *quote = memchr(p + 1, *p, (size_t)(end - p - 1));
        *at = quote == NULL ? end : quote + 1;
        a->value_len = quote == NULL ? 0 : (size_t)(quote - p - 1);
        return quote != NULL;
    }
    for (a->value = p; p < end && !is_space(*p) && *p != '>'; p++)
        ;
    a->value_len = (size_t)(p - a->value);
    *at = p;
    return p < end;
}

static bool text_is(const char *p, size_t n, const char *word) {
    return n == strlen(word) && strncasecmp(p, word, n) == 0;
}

/* The attributes of a <meta>, at *at. */
static const struct charset *prescan_meta(const char **at, const char *end) {
    const struct charset *found = NULL;
    bool got_pragma = false, need_pragma = false;
    bool seen_http_equiv = false, seen_content = false, seen_charset = false;
    struct prescan_attr a;

    while (prescan_attribute(at, end, &a)) {
        if (text_is(a.name, a.name_len, "http-equiv") && !seen_http_equiv) {
            seen_http_equiv = true;
            got_pragma = text_is(a.value, a.value_len, "content-type");
        } else if (text_is(a.name, a.name_len, "content") && !seen_content) {
            seen_content = true;
            const struct charset *c = charset_from_meta_content(a.value, a.value_len);
            if (c != NULL && !seen_charset && found == NULL) {
                found = c;
                need_pragma = true;
            }
        } else if (text_is(a.name, a.name_len, "charset") && !seen_charset) {
            seen_charset = true;
            found = charset_declared(a.value, a.value_len);
            need_pragma = false;
        }
    }
    return *at == end || (need_pragma && !got_pragma) ? NULL : found;
}

/* "Get an XML encoding" (§13.2.3.3). */
static const struct charset *xml_declared(const char *p, const char *end) {
    if (!starts_with(p, end, "<?xml", 5))
        return NULL;
    end = memchr(p, '>', (size_t)(end - p));
    const char *at = end == NULL ? NULL : memmem(p, (size_t)(end - p), "encoding", 8);
    if (at == NULL)
        return NULL;
    for (at += 8; at < end && (unsigned char)*at <= 0x20; at++)
        ;
    if (at == end || *at != '=')
        return NULL;
    for (at++; at < end && (unsigned char)*at <= 0x20; at++)
        ;
    if (at == end || (*at != '"' && *at != '\''))
        return NULL;
    const char *quote = memchr(at + 1, *at, (size_t)(end - at - 1));
    if (quote == NULL)
        return NULL;
    for (const char *q = at + 1; q < quote; q++)
        if ((unsigned char)*q <= 0x20)
            return NULL;
    return charset_declared(at + 1, (size_t)(quote - at - 1));
}

/* Behind the markup that starts at p with '<', meta aside; `end` if the bytes run out. */
static const char *prescan_skip(const char *p, const char *end) {
    struct prescan_attr a;
    const char *q = p + 1;

    if (starts_with(p, end, "<!--", 4)) {
        q = memmem(p + 2, (size_t)(end - p - 2), "-->", 3);
        return q == NULL ? end : q + 3;
    }
    if (q < end && *q == '/')
        q++;
    if (q < end && is_alpha(*q)) {
        while (q < end && !is_space(*q) && *q != '>')
            q++;
        while (prescan_attribute(&q, end, &a))
            ;
        return q;
    }
    if (p + 1 < end && (p[1] == '!' || p[1] == '/' || p[1] == '?')) {
        q = memchr(p, '>', (size_t)(end - p));
        return q == NULL ? end : q;
    }
    return p + 1;
}

const struct charset *charset_prescan(const char *body, size_t body_len) {
    const char *end = body + (body_len < CHARSET_PRESCAN_BYTES ? body_len : CHARSET_PRESCAN_BYTES);

    if (starts_with(body, end, "<\0?\0x\0", 6))
        return charset_by_label("utf-16le", 8);
    if (starts_with(body, end, "\0<\0?\0x", 6))
        return charset_by_label("utf-16be", 8);
    for (const char *p = body; p < end;) {
        p = memchr(p, '<', (size_t)(end - p));
        if (p == NULL)
            break;
        if (!starts_with_any_case(p, end, "<meta") || p + 5 == end ||
            !(is_space(p[5]) || p[5] == '/')) {
            p = prescan_skip(p, end);
            continue;
        }
        p += 5;
        const struct charset *c = prescan_meta(&p, end);
        if (c != NULL)
            return c;
    }
    return xml_declared(body, end);
}

/* ------------------------------------------------------------------ bytes */

bool charset_is_ascii(const char *p, size_t n) {
    uint64_t any = 0, word;

    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&word, p, 8);
        any |= word;
    }
    for (; n > 0; p++, n--)
        any |= (unsigned char)*p;
    return (any & 0x8080808080808080u) == 0;
}

/* The length of the UTF-8 sequence at p[0 .. n), 0 if it is malformed (Unicode table 3-7). */
static size_t utf8_length(const unsigned char *p, size_t n) {
    unsigned char low = 0x80, high = 0xbf;
    size_t length = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4 || length > n)
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

bool charset_is_valid_utf8(const char *p, size_t n) {
    for (size_t i = 0; i < n;) {
        size_t run = n - i < 64 ? n - i : 64;
        if (charset_is_ascii(p + i, run)) {
            i += run;
            continue;
        }
        for (size_t stop = i + run; i < stop;) {
            size_t length = utf8_length((const unsigned char *)p + i, n - i);
            if (length == 0)
                return false;
            i += length;
        }
    }
    return true;
}

/* A character of the basic multilingual plane. */
static bool append_code(struct buf *to, uint32_t code) {
    if (code >= 0x800)
        buf_append_char(to, (char)(0xe0 | code >> 12));
    if (code >= 0x80) {
        buf_append_char(to, (char)(code < 0x800 ? 0xc0 | code >> 6 : 0x80 | (code >> 6 & 0x3f)));
        return buf_append_char(to, (char)(0x80 | (code & 0x3f)));
    }
    return buf_append_char(to, (char)code);
}

struct taker {
    bool (*take)(void *arg, const char *utf8, size_t n);
    void *arg;
};

/* The encodings without an ICU converter: "replacement", which is one U+FFFD whatever the bytes, and
 * two of one byte a character. */
static bool decode_here(const struct charset *c, const char *p, size_t n, struct taker to) {
    const char *end = p + n;
    bool user_defined = is_named(c, "x-user-defined"), ok = true;
    struct buf piece;

    buf_init(&piece, CHARSET_PIECE_BYTES);
    if (is_named(c, "replacement")) {
        end = p;
        ok = append_code(&piece, 0xfffd) && to.take(to.arg, piece.data, piece.len);
    }
    while (ok && p < end) {
        buf_reset(&piece);
        for (; p < end && piece.len + 3 <= CHARSET_PIECE_BYTES && !piece.failed; p++) {
            unsigned char b = (unsigned char)*p;
            if (user_defined)
                append_code(&piece, b < 0x80 ? b : 0xf780u + b - 0x80);
            else
                append_code(&piece, b < 0xa0 ? b : iso_8859_16[b - 0xa0]);
        }
        ok = !piece.failed && to.take(to.arg, piece.data, piece.len);
    }
    buf_release(&piece);
    return ok;
}

/* From one ICU converter into another, through UTF-16. */
static bool convert(UConverter *target, UConverter *source, const char *p, size_t n,
                    struct taker to) {
    UChar pivot[1024], *pivot_source = pivot, *pivot_target = pivot;
    const char *end = p + n;
    UErrorCode error = U_BUFFER_OVERFLOW_ERROR;

    for (bool first = true; error == U_BUFFER_OVERFLOW_ERROR; first = false) {
        char out[CHARSET_PIECE_BYTES], *out_at = out;

        error = U_ZERO_ERROR;
        ucnv_convertEx(target, source, &out_at, out + sizeof out, &p, end, pivot, &pivot_source,
                       &pivot_target, pivot + 1024, first, true, &error);
        if (out_at > out && !to.take(to.arg, out, (size_t)(out_at - out)))
            return false;
    }
    return U_SUCCESS(error);
}

/* What is malformed is U+FFFD, always (Encoding standard, §4.1). ICU's own makes U+001A of one byte where the converter
 * has a second substitute, which URL parsers then take away; and it takes an ASCII byte with the lead byte before it
 * where the two are no character, which the standard leaves standing. `context`: the charset. */
static void write_replacement(const void *context, UConverterToUnicodeArgs *args, const char *units,
                              int32_t length, UConverterCallbackReason reason, UErrorCode *error) {
    const struct charset *c = context;
    UChar text[2] = {0xfffd, 0};
    bool ascii_trail = c->is_ascii_superset && length == 2 && (unsigned char)units[0] >= 0x80 &&
                       (unsigned char)units[1] < 0x80;

    if (reason > UCNV_IRREGULAR) /* a reset, a close, a copy */
        return;
    *error = U_ZERO_ERROR;
    if (length == 1 && units[0] == '\x80' && strcmp(c->icu, "gb18030") == 0)
        text[0] = 0x20ac; /* §10.2.1, which ICU leaves out */
    if (ascii_trail)
        text[1] = (UChar)units[1];
    ucnv_cbToUWriteUChars(args, text, ascii_trail ? 2 : 1, 0, error);
}

bool charset_decode_pieces(const struct charset *c, const char *p, size_t n,
                           bool (*take)(void *arg, const char *utf8, size_t n), void *arg) {
    struct taker to = {take, arg};
    UErrorCode error = U_ZERO_ERROR;

    if (n == 0) /* for which `p` may be NULL, and ICU refuses that */
        return true;
    if (c->icu == NULL)
        return decode_here(c, p, n, to);
    UConverter *source = ucnv_open(c->icu, &error);
    UConverter *utf8 = ucnv_open("UTF-8", &error);
    ucnv_setToUCallBack(source, write_replacement, c, NULL, NULL, &error);
    bool ok = U_SUCCESS(error) && convert(utf8, source, p, n, to);
    ucnv_close(source);
    ucnv_close(utf8);
    return ok;
}

static bool append_piece(void *arg, const char *utf8, size_t n) {
    return buf_append(arg, utf8, n);
}

bool charset_decode(const struct charset *c, const char *p, size_t n, struct buf *to) {
    return charset_decode_pieces(c, p, n, append_piece, to);
}

/* ------------------------------------------------------------------ queries */

static void append_query_byte(struct buf *to, unsigned char b) {
    static const char hex[] = "0123456789ABCDEF";

    if (b > 0x20 && b < 0x7f && strchr("\"#<>'", b) == NULL) {
        buf_append_char(to, (char)b);
        return;
    }
    char escaped[3] = {'%', hex[b >> 4], hex[b & 15]};
    buf_append(to, escaped, sizeof escaped);
}

/* ICU calls this for characters that the encoding has not: they become "&#number;", of which '&',
 * '#' and ';' are percent-encoded later. The three cannot be told from the query's own by then, so
 * they stand as control characters meanwhile. */
enum { MARK_AMPERSAND = 1, MARK_HASH = 2, MARK_SEMICOLON = 3 };

static void write_reference(const void *context, UConverterFromUnicodeArgs *args,
                            const UChar *units, int32_t length, UChar32 code,
                            UConverterCallbackReason reason, UErrorCode *error) {
    UChar text[16];
    int32_t n = 0, first_digit = 1;

    (void)context, (void)units, (void)length;
    if (reason > UCNV_IRREGULAR)
        return;
    *error = U_ZERO_ERROR;
    text[n++] = MARK_AMPERSAND;
    text[n++] = MARK_HASH;
    while (first_digit <= code / 10)
        first_digit *= 10;
    for (; first_digit > 0; first_digit /= 10)
        text[n++] = (UChar)('0' + code / first_digit % 10);
    text[n++] = MARK_SEMICOLON;
    const UChar *source = text;
    ucnv_cbFromUWriteUChars(args, &source, text + n, 0, error);
}

static void append_query(struct buf *to, const struct buf *encoded) {
    for (size_t i = 0; i < encoded->len && !to->failed; i++) {
        unsigned char b = (unsigned char)encoded->data[i];
        if (b == MARK_AMPERSAND)
            buf_append_str(to, "%26");
        else if (b == MARK_HASH)
            buf_append_str(to, "%23");
        else if (b == MARK_SEMICOLON)
            buf_append_str(to, "%3B");
        else
            append_query_byte(to, b);
    }
}

/* Control characters are escaped beforehand, so that they are not taken for the marks. */
static void escape_controls(struct buf *to, const char *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)p[i] < 0x20)
            append_query_byte(to, (unsigned char)p[i]);
        else
            buf_append_char(to, p[i]);
    }
}

/* GBK is decoded as GB 18030, but encoded without its four-byte forms (Encoding standard, §10.1.2). */
static const char *encoder_name(const struct charset *c) {
    return is_named(c, "gbk") ? "GBK" : c->icu;
}

bool charset_encode_query(const struct charset *c, const char *p, size_t n, struct buf *to) {
    UErrorCode error = U_ZERO_ERROR;
    struct buf clean, encoded;
    bool ok = false;

    if (n == 0)
        return true;
    buf_init(&clean, to->cap_max);
    buf_init(&encoded, to->cap_max);
    escape_controls(&clean, p, n);
    /* UTF-16 and "replacement" have UTF-8 as their output encoding. */
    bool utf8_out = c->icu == NULL || strncmp(c->icu, "UTF", 3) == 0;
    UConverter *source = ucnv_open("UTF-8", &error);
    UConverter *target = ucnv_open(utf8_out ? "UTF-8" : encoder_name(c), &error);
    ucnv_setFromUCallBack(target, write_reference, NULL, NULL, NULL, &error);
    if (U_SUCCESS(error) && !clean.failed &&
        convert(target, source, clean.data, clean.len, (struct taker){append_piece, &encoded})) {
        append_query(to, &encoded);
        ok = !to->failed;
    }
    ucnv_close(source);
    ucnv_close(target);
    buf_release(&clean);
    buf_release(&encoded);
    return ok;
}
