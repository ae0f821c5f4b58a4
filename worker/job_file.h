/*
 * job_file: sorted records in a file: spills, and the output of map tasks.
 *
 *     job_writer_open(&w, dir_fd, "map.out", partitions, block_bytes, &err);
 *     job_writer_put(&w, partition, record, len)            // in order of partition, key, value
 *     job_writer_end(&w)                                     // index and trailer; w.parts says what there is
 *     job_writer_close(&w);                                  // in any case
 *
 *     job_file_part(fd, partition, &part, &err)              // where a partition lies
 *
 * The file: blocks of partition 0, of partition 1 and so on; an index with an entry for each partition; a trailer. Little endian.
 *
 *     block    partition u32, bytes stored u32, bytes unpacked u32, 0 u32, checksum u64, then the stored bytes:
 *              whole records (job_record.h), packed by LZ4 where that is smaller (stored < unpacked)
 *     entry    offset u64, bytes u64, records u64, largest unpacked block u32, 0 u32
 *     trailer  magic u64, partitions u32, 0 u32, offset of the index u64, checksum of index and trailer u64
 *
 * Checksums are XXH3, 64 bits; a block's is of its stored bytes, with the three numbers before it as seed.
 *
 * A record longer than a block has a block of its own, not packed. Memory of a writer: two blocks,
 * JOB_WRITER_OUT_BYTES, and an entry for each partition.
 *
 * A file that was written is not synced: what needs it finds out by checksums, and has it made again.
 *
 * One owner.
 */
#ifndef TRAWL_WORKER_JOB_FILE_H
#define TRAWL_WORKER_JOB_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/error.h"
#include "worker/job_record.h"

enum {
    JOB_BLOCK_BYTES_MIN = 4 * 1024,
    JOB_BLOCK_BYTES = 64 * 1024, /* when nothing speaks for less */
    JOB_BLOCK_HEAD_BYTES = 24,
    JOB_BLOCK_BYTES_MAX = JOB_RECORD_BYTES_MAX + JOB_RECORD_HEAD_MAX, /* unpacked */
    JOB_WRITER_OUT_BYTES = 256 * 1024,
    JOB_PARTITIONS_MAX = 65536
};

struct job_part {
    uint64_t offset, bytes, records;
    uint32_t block_max;
};

struct job_writer {
    int fd;
    char name[64];
    struct job_part *parts; /* one for each partition; complete behind job_writer_end() */
    uint32_t partitions;
    uint32_t partition;   /* of the block at hand */
    unsigned char *block; /* unpacked */
    size_t used, block_bytes;
    unsigned char *out;
    size_t out_used;
    uint64_t offset; /* in the file, of out[0] */
    bool failed;
    struct error *err;
};

/* Made anew; one that is there is replaced. `err` is kept for what fails later. After a failure job_writer_close() is
 * still needed, and fine. */
bool job_writer_open(struct job_writer *w, int dir_fd, const char *name, uint32_t partitions,
                     size_t block_bytes, struct error *err);
/* A whole record in one piece, with JOB_PAD_BYTES behind it. Failures stick, and are told by job_writer_end(). */
void job_writer_put_slowly(struct job_writer *w, uint32_t partition, const unsigned char *record,
                           size_t len);
bool job_writer_end(struct job_writer *w);
void job_writer_close(struct job_writer *w);

static inline void job_writer_put(struct job_writer *w, uint32_t partition,
                                  const unsigned char *record, size_t len) {
    if (partition != w->partition || len > w->block_bytes - w->used) {
        job_writer_put_slowly(w, partition, record, len);
        return;
    }
    job_copy(w->block + w->used, record, len);
    w->used += len;
    w->parts[partition].records++;
}

/* False: no such partition, or the file is damaged; `err` says what. */
bool job_file_part(int fd, uint32_t partition, struct job_part *part, struct error *err);

/* A block's header, checked for being possible. */
struct job_block {
    uint32_t partition, stored, unpacked;
    uint64_t checksum;
};
bool job_block_parse(const unsigned char head[JOB_BLOCK_HEAD_BYTES], struct job_block *b);
/* Are these the bytes that were stored? */
bool job_block_check(const struct job_block *b, const unsigned char *stored);
/* `to` has b->unpacked bytes. False: damaged. */
bool job_block_unpack(const struct job_block *b, const unsigned char *stored, unsigned char *to);

#endif
