#include "bench/synth.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { URLS_PER_ORIGIN = 100, LINKS_MEAN = 40, OWN_PERCENT = 75, DIRECTORY_URLS = 16 };

struct synth {
    uint64_t state;
    uint32_t origins;
    uint32_t new_percent;
    double log_origins;
    uint32_t *known; /* URLs that links have named so far */
    uint32_t *size;  /* URLs that there are */
};

static uint64_t mix(uint64_t z) { /* splitmix64 */
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t synth_random(struct synth *s) {
    s->state += 0x9e3779b97f4a7c15u;
    return mix(s->state);
}

static uint32_t below(struct synth *s, uint32_t n) {
    return (uint32_t)((synth_random(s) >> 32) * n >> 32);
}

static double fraction(struct synth *s) {
    return (double)(synth_random(s) >> 11) / 9007199254740992.0;
}

struct synth *synth_new(uint64_t urls, uint64_t seed) {
    struct synth *s = calloc(1, sizeof *s);
    double sum = 0;

    if (s == NULL)
        return NULL;
    s->state = mix(seed);
    s->new_percent = SYNTH_NEW_PERCENT;
    s->origins = (uint32_t)(urls / URLS_PER_ORIGIN) + 1;
    s->log_origins = log((double)s->origins + 1);
    s->known = malloc(s->origins * sizeof *s->known);
    s->size = malloc(s->origins * sizeof *s->size);
    if (s->known == NULL || s->size == NULL) {
        synth_free(s);
        return NULL;
    }
    for (uint32_t i = 0; i < s->origins; i++)
        sum += 1.0 / (i + 1);
    for (uint32_t i = 0; i < s->origins; i++) {
        s->known[i] = 0;
        s->size[i] = (uint32_t)(4.0 * (double)urls / sum / (i + 1)) + 1;
    }
    return s;
}

void synth_free(struct synth *s) {
    if (s == NULL)
        return;
    free(s->known);
    free(s->size);
    free(s);
}

void synth_set_new_percent(struct synth *s, uint32_t percent) {
    s->new_percent = percent;
}

uint32_t synth_origins(const struct synth *s) {
    return s->origins;
}

/* ---- texts --------------------------------------------------------------------------------------------- */

static char *put(char *to, const char *text) {
    size_t n = strlen(text);

    memcpy(to, text, n);
    return to + n;
}

static char *put_number(char *to, uint32_t n) {
    char digits[10];
    size_t count = 0;

    do
        digits[count++] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    while (count > 0)
        *to++ = digits[--count];
    return to;
}

/* Two or three syllables. */
static char *put_word(char *to, uint64_t random) {
    static const char syllables[32][4] = {"ba",  "co", "der", "en",  "fi", "gra", "ho",  "in",
                                          "ka",  "lo", "men", "na",  "or", "pe",  "qui", "ra",
                                          "sta", "ti", "u",   "ver", "wa", "xe",  "ya",  "zo",
                                          "re",  "li", "mo",  "sen", "al", "di",  "pro", "tur"};

    for (size_t i = 2 + (random & 1); i > 0; i--) {
        random >>= 5;
        to = put(to, syllables[random & 31]);
    }
    return to;
}

/* Path and query of URL `number` of an origin. */
static char *put_path(char *to, uint32_t origin, uint32_t number) {
    static const unsigned char lengths[16] = {8,  15, 20, 25, 29, 33, 37,  41,
                                              45, 50, 55, 62, 70, 82, 105, 170};
    uint64_t random = mix((uint64_t)origin << 32 | number);
    uint64_t directory = mix((uint64_t)origin << 32 | (number / DIRECTORY_URLS) | 1u << 31);
    const char *end = to + lengths[random & 15];

    *to++ = '/';
    if (number == 0)
        return to;
    for (; to < end - 12 && (directory & 3) > 0; directory = mix(directory)) {
        to = put_word(to, directory >> 2);
        *to++ = '/';
    }
    for (uint64_t word = random; to < end - 8;) {
        word = mix(word);
        to = put_word(to, word);
        *to++ = '-';
    }
    switch (random >> 4 & 15) {
    case 0:
    case 1:
        return put_number(put(to, "?id="), number);
    case 2:
        return put_number(put(to, "?view=list&page="), number);
    case 3:
    case 4:
    case 5:
    case 6:
        return put_number(to, number);
    default:
        return put(put_number(to, number), ".html");
    }
}

size_t synth_name(uint32_t origin, char out[SYNTH_NAME_BYTES]) {
    uint64_t random = mix(origin);
    char *to = put(out, (random & 7) == 0 ? "http://" : "https://");

    if ((random & 8) == 0)
        to = put(to, "www.");
    to = put_word(to, random >> 8);
    to = put_word(to, random >> 32);
    to = put(put_number(to, origin), ".com");
    *to = '\0';
    return (size_t)(to - out);
}

uint32_t synth_number(const void *name, size_t len) {
    const char *p = name;
    uint32_t n = 0;
    size_t at = len < 4 ? 0 : len - 4;

    while (at > 0 && p[at - 1] >= '0' && p[at - 1] <= '9')
        at--;
    for (; at < len && p[at] != '.'; at++)
        n = n * 10 + (uint32_t)(p[at] - '0');
    return n;
}

/* ---- links --------------------------------------------------------------------------------------------- */

/* Log-uniform, which is Zipf's law with exponent 1. */
static uint32_t zipf(struct synth *s) {
    uint32_t n = (uint32_t)exp(fraction(s) * s->log_origins) - 1;

    return n < s->origins ? n : s->origins - 1;
}

/* A page of the origin that a link names: now and then one that was never named before. */
static uint32_t link_to(struct synth *s, uint32_t origin) {
    uint32_t known = s->known[origin];

    if (known == 0 || (known < s->size[origin] && below(s, 100) < s->new_percent))
        return s->known[origin]++;
    double x = fraction(s);
    return (uint32_t)(x * x * known);
}

static size_t link_count(struct synth *s) {
    double n = 1 - log(1 - fraction(s)) * LINKS_MEAN;

    return n < SYNTH_LINKS_MAX ? (size_t)n : SYNTH_LINKS_MAX;
}

size_t synth_links(struct synth *s, uint32_t origin, char *text,
                   ProtobufCBinaryData links[SYNTH_LINKS_MAX], size_t *count) {
    char *to = text;

    *count = link_count(s);
    for (size_t i = 0; i < *count; i++) {
        bool own = below(s, 100) < OWN_PERCENT;
        uint32_t target = own ? origin : zipf(s);
        char *begin = to;
        if (!own)
            to += synth_name(target, to);
        to = put_path(to, target, link_to(s, target));
        links[i] = (ProtobufCBinaryData){.data = (uint8_t *)begin, .len = (size_t)(to - begin)};
    }
    return (size_t)(to - text);
}
