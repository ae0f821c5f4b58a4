#include "master/template_table.h"

#include <stdlib.h>

struct entry {
    uint64_t kind;
    uint32_t count; /* 0: free */
};

_Static_assert(sizeof(struct entry) * TEMPLATE_TABLE_SETS * TEMPLATE_TABLE_WAYS ==
                   TEMPLATE_TABLE_BYTES,
               "what the header promises");

struct template_table {
    struct entry sets[TEMPLATE_TABLE_SETS][TEMPLATE_TABLE_WAYS];
};

struct template_table *template_table_new(void) {
    return calloc(1, sizeof(struct template_table));
}

void template_table_free(struct template_table *t) {
    free(t);
}

uint32_t template_table_count(const struct template_table *t, uint64_t kind) {
    const struct entry *set = t->sets[kind % TEMPLATE_TABLE_SETS];

    for (size_t i = 0; i < TEMPLATE_TABLE_WAYS; i++)
        if (set[i].count > 0 && set[i].kind == kind)
            return set[i].count;
    return 0;
}

void template_table_add(struct template_table *t, uint64_t kind) {
    struct entry *set = t->sets[kind % TEMPLATE_TABLE_SETS], *vacant = NULL;

    for (size_t i = 0; i < TEMPLATE_TABLE_WAYS; i++) {
        if (set[i].count == 0) {
            vacant = &set[i];
        } else if (set[i].kind == kind) {
            set[i].count += set[i].count < UINT32_MAX;
            return;
        }
    }
    if (vacant != NULL) {
        *vacant = (struct entry){.kind = kind, .count = 1};
        return;
    }
    for (size_t i = 0; i < TEMPLATE_TABLE_WAYS; i++)
        set[i].count--;
}
