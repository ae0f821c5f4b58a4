#include "shared/id_set.h"

#include <stdlib.h>
#include <string.h>

enum { WORD_BITS = 64 };

void id_set_release(struct id_set *s) {
    for (size_t i = 0; i < ID_SET_LEVELS; i++)
        free(s->levels[i]);
    *s = (struct id_set){.count = 0};
}

bool id_set_reserve(struct id_set *s, uint32_t size) {
    size_t words = size;

    for (size_t i = 0; i < ID_SET_LEVELS; i++) {
        words = words / WORD_BITS + 1;
        if (words <= s->words[i])
            continue;
        uint64_t *level = realloc(s->levels[i], words * sizeof *level);
        if (level == NULL)
            return false;
        memset(level + s->words[i], 0, (words - s->words[i]) * sizeof *level);
        s->levels[i] = level;
        s->words[i] = words;
    }
    return true;
}

bool id_set_has(const struct id_set *s, uint32_t id) {
    size_t word = id / WORD_BITS;

    return word < s->words[0] && (s->levels[0][word] >> id % WORD_BITS & 1) != 0;
}

void id_set_add(struct id_set *s, uint32_t id) {
    size_t at = id;

    if (id_set_has(s, id))
        return;
    s->count++;
    for (size_t i = 0; i < ID_SET_LEVELS; i++, at /= WORD_BITS)
        s->levels[i][at / WORD_BITS] |= UINT64_C(1) << at % WORD_BITS;
}

void id_set_remove(struct id_set *s, uint32_t id) {
    size_t at = id;

    if (!id_set_has(s, id))
        return;
    s->count--;
    for (size_t i = 0; i < ID_SET_LEVELS; i++, at /= WORD_BITS) {
        s->levels[i][at / WORD_BITS] &= ~(UINT64_C(1) << at % WORD_BITS);
        if (s->levels[i][at / WORD_BITS] != 0)
            return;
    }
}

uint32_t id_set_next(const struct id_set *s, uint32_t from) {
    size_t at = from;

    for (size_t i = 0; i < ID_SET_LEVELS && at / WORD_BITS < s->words[i]; i++) {
        uint64_t rest = s->levels[i][at / WORD_BITS] & (~UINT64_C(0) << at % WORD_BITS);
        if (rest != 0) {
            at = at / WORD_BITS * WORD_BITS + (size_t)__builtin_ctzll(rest);
            while (i-- > 0)
                at = at * WORD_BITS + (size_t)__builtin_ctzll(s->levels[i][at]);
            return (uint32_t)at;
        }
        at = at / WORD_BITS + 1;
    }
    return ID_SET_NONE;
}
