/*
 * template_table: how many URLs of each kind (trap_template() of shared/trap.h) the crawl has taken in, in
 * TEMPLATE_TABLE_BYTES of memory however many kinds there are.
 *
 * Exact while there is room. When the few entries that a kind could have are all taken, each of them counts one
 * less for every newcomer until one is free (Misra and Gries, "Finding repeated elements", 1982): what is counted may
 * then be too little and is never too much, so that no URL is excluded before its time, and the kinds that a trap
 * makes large stay.
 *
 * The counts are not stored: they follow from the URLs in the crawldb, and are counted again at a start.
 * Part of the core: same owner.
 */
#ifndef TRAWL_MASTER_TEMPLATE_TABLE_H
#define TRAWL_MASTER_TEMPLATE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TEMPLATE_TABLE_WAYS = 8,
    TEMPLATE_TABLE_SETS = 1 << 15,
    TEMPLATE_TABLE_BYTES = TEMPLATE_TABLE_SETS * TEMPLATE_TABLE_WAYS * 16, /* 4 MiB */
};

struct template_table;

struct template_table *template_table_new(void); /* NULL: no memory */
void template_table_free(struct template_table *t);

/* Of a kind, by its keyed hash. */
uint32_t template_table_count(const struct template_table *t, uint64_t kind);
void template_table_add(struct template_table *t, uint64_t kind);

#endif
