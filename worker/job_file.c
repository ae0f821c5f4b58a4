#include "worker/job_file.h"

#include <errno.h>
#include <fcntl.h>
#include <lz4.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include "shared/io.h"

enum { ENTRY_BYTES = 32, TRAILER_BYTES = 32 };
static const uint64_t magic = UINT64_C(0x314244544d525454); /* "TTRMTDB1" */

static void put32(unsigned char *p, uint32_t n) {
    n = htole32(n);
    memcpy(p, &n, sizeof n);
}

static void put64(unsigned char *p, uint64_t n) {
    n = htole64(n);
    memcpy(p, &n, sizeof n);
}

static uint32_t get32(const unsigned char *p) {
    uint32_t n;

    memcpy(&n, p, sizeof n);
    return le32toh(n);
}

static uint64_t get64(const unsigned char *p) {
    uint64_t n;

    memcpy(&n, p, sizeof n);
    return le64toh(n);
}

/* Blocks. */

static uint64_t seed_of(uint32_t partition, uint32_t stored, uint32_t unpacked) {
    return ((uint64_t)partition << 32 | stored) ^ (uint64_t)unpacked * UINT64_C(0x9e3779b97f4a7c15);
}

static void block_head(unsigned char *p, uint32_t partition, uint32_t stored, uint32_t unpacked,
                       uint64_t checksum) {
    put32(p, partition);
    put32(p + 4, stored);
    put32(p + 8, unpacked);
    put32(p + 12, 0);
    put64(p + 16, checksum);
}

bool job_block_parse(const unsigned char head[JOB_BLOCK_HEAD_BYTES], struct job_block *b) {
    *b = (struct job_block){get32(head), get32(head + 4), get32(head + 8), get64(head + 16)};
    return b->partition < JOB_PARTITIONS_MAX && b->stored > 0 && b->stored <= b->unpacked &&
           b->unpacked <= JOB_BLOCK_BYTES_MAX && get32(head + 12) == 0;
}

bool job_block_check(const struct job_block *b, const unsigned char *stored) {
    return XXH3_64bits_withSeed(stored, b->stored, seed_of(b->partition, b->stored, b->unpacked)) ==
           b->checksum;
}

bool job_block_unpack(const struct job_block *b, const unsigned char *stored, unsigned char *to) {
    return LZ4_decompress_safe((const char *)stored, (char *)to, (int)b->stored,
                               (int)b->unpacked) == (int)b->unpacked;
}

/* The writer. */

bool job_writer_open(struct job_writer *w, int dir_fd, const char *name, uint32_t partitions,
                     size_t block_bytes, struct error *err) {
    *w = (struct job_writer){
        .fd = -1, .partitions = partitions, .block_bytes = block_bytes, .err = err};
    snprintf(w->name, sizeof w->name, "%s", name);
    w->parts = calloc(partitions, sizeof *w->parts);
    w->block = malloc(block_bytes + JOB_PAD_BYTES);
    w->out = malloc(JOB_WRITER_OUT_BYTES + JOB_BLOCK_HEAD_BYTES +
                    (size_t)LZ4_compressBound((int)block_bytes));
    if (w->parts == NULL || w->block == NULL || w->out == NULL) {
        error_set(err, ENOMEM, "%s", name);
        w->failed = true;
        return false;
    }
    w->fd = openat(dir_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (w->fd < 0)
        error_set(err, errno, "%s", name);
    w->failed = w->fd < 0;
    return !w->failed;
}

static void write_all(struct job_writer *w, const unsigned char *p, size_t len) {
    w->offset += len;
    if (w->failed || io_write(w->fd, p, len))
        return;
    error_set(w->err, errno, "%s", w->name);
    w->failed = true;
}

static void flush_out(struct job_writer *w) {
    size_t n = w->out_used;

    w->out_used = 0;
    write_all(w, w->out, n);
}

static void count_block(struct job_writer *w, uint64_t bytes, uint32_t unpacked) {
    struct job_part *part = &w->parts[w->partition];

    part->bytes += bytes;
    if (unpacked > part->block_max)
        part->block_max = unpacked;
}

static void end_block(struct job_writer *w) {
    unsigned char *head = w->out + w->out_used, *to = head + JOB_BLOCK_HEAD_BYTES;
    uint32_t unpacked = (uint32_t)w->used;

    if (w->used == 0)
        return;
    int n = LZ4_compress_default((const char *)w->block, (char *)to, (int)w->used,
                                 LZ4_compressBound((int)w->block_bytes));
    uint32_t stored = n > 0 && (uint32_t)n < unpacked ? (uint32_t)n : unpacked;
    if (stored == unpacked)
        memcpy(to, w->block, unpacked);
    uint64_t sum = XXH3_64bits_withSeed(to, stored, seed_of(w->partition, stored, unpacked));
    block_head(head, w->partition, stored, unpacked, sum);
    count_block(w, JOB_BLOCK_HEAD_BYTES + (uint64_t)stored, unpacked);
    w->used = 0;
    w->out_used += JOB_BLOCK_HEAD_BYTES + (size_t)stored;
    if (w->out_used >= JOB_WRITER_OUT_BYTES)
        flush_out(w);
}

/* One that fits no block, without a copy of it. */
static void put_long(struct job_writer *w, const unsigned char *record, size_t len) {
    unsigned char head[JOB_BLOCK_HEAD_BYTES];
    uint32_t n = (uint32_t)len;

    flush_out(w);
    block_head(head, w->partition, n, n,
               XXH3_64bits_withSeed(record, len, seed_of(w->partition, n, n)));
    count_block(w, JOB_BLOCK_HEAD_BYTES + (uint64_t)len, n);
    write_all(w, head, sizeof head);
    write_all(w, record, len);
}

/* The partitions up to this one begin here. */
static void go_to(struct job_writer *w, uint32_t partition) {
    while (w->partition < partition) {
        w->partition++;
        if (w->partition < w->partitions)
            w->parts[w->partition].offset = w->offset + w->out_used;
    }
}

void job_writer_put_slowly(struct job_writer *w, uint32_t partition, const unsigned char *record,
                           size_t len) {
    end_block(w);
    go_to(w, partition);
    if (len > w->block_bytes) {
        put_long(w, record, len);
    } else {
        job_copy(w->block, record, len);
        w->used = len;
    }
    w->parts[partition].records++;
}

bool job_writer_end(struct job_writer *w) {
    unsigned char bytes[ENTRY_BYTES];
    XXH3_state_t *sum = XXH3_createState();

    end_block(w);
    go_to(w, w->partitions);
    flush_out(w);
    if (sum == NULL || XXH3_64bits_reset(sum) != XXH_OK) {
        error_set(w->err, ENOMEM, "%s", w->name);
        w->failed = true;
    }
    uint64_t index = w->offset;
    for (uint32_t i = 0; i < w->partitions && !w->failed; i++) {
        const struct job_part *part = &w->parts[i];
        put64(bytes, part->offset);
        put64(bytes + 8, part->bytes);
        put64(bytes + 16, part->records);
        put32(bytes + 24, part->block_max);
        put32(bytes + 28, 0);
        XXH3_64bits_update(sum, bytes, sizeof bytes);
        memcpy(w->out + w->out_used, bytes, sizeof bytes);
        w->out_used += sizeof bytes;
        if (w->out_used >= JOB_WRITER_OUT_BYTES)
            flush_out(w);
    }
    if (!w->failed) {
        put64(bytes, magic);
        put32(bytes + 8, w->partitions);
        put32(bytes + 12, 0);
        put64(bytes + 16, index);
        XXH3_64bits_update(sum, bytes, TRAILER_BYTES - 8);
        put64(bytes + 24, XXH3_64bits_digest(sum));
        flush_out(w);
        write_all(w, bytes, TRAILER_BYTES);
    }
    XXH3_freeState(sum);
    return !w->failed;
}

void job_writer_close(struct job_writer *w) {
    if (w->fd >= 0)
        close(w->fd);
    free(w->parts);
    free(w->block);
    free(w->out);
    *w = (struct job_writer){.fd = -1};
}

/* The index. */

static bool index_is_whole(int fd, uint64_t index, uint32_t partitions,
                           const unsigned char *trailer) {
    enum { PIECE_BYTES = 128 * ENTRY_BYTES };
    unsigned char piece[PIECE_BYTES];
    uint64_t left = (uint64_t)partitions * ENTRY_BYTES;
    XXH3_state_t *sum = XXH3_createState();
    bool ok = sum != NULL && XXH3_64bits_reset(sum) == XXH_OK;

    while (ok && left > 0) {
        size_t n = left < sizeof piece ? (size_t)left : sizeof piece;
        ok = io_read_at(fd, piece, n, index) && XXH3_64bits_update(sum, piece, n) == XXH_OK;
        index += n;
        left -= n;
    }
    ok = ok && XXH3_64bits_update(sum, trailer, TRAILER_BYTES - 8) == XXH_OK &&
         XXH3_64bits_digest(sum) == get64(trailer + TRAILER_BYTES - 8);
    XXH3_freeState(sum);
    return ok;
}

bool job_file_part(int fd, uint32_t partition, struct job_part *part, struct error *err) {
    unsigned char trailer[TRAILER_BYTES], entry[ENTRY_BYTES];
    off_t size = lseek(fd, 0, SEEK_END);
    uint64_t end = (uint64_t)size - TRAILER_BYTES;

    if (size < TRAILER_BYTES || !io_read_at(fd, trailer, sizeof trailer, end) ||
        get64(trailer) != magic) {
        error_set(err, 0, "not whole: no trailer");
        return false;
    }
    uint32_t partitions = get32(trailer + 8);
    uint64_t index = get64(trailer + 16);
    if (partitions > JOB_PARTITIONS_MAX || index > end ||
        end - index != (uint64_t)partitions * ENTRY_BYTES ||
        !index_is_whole(fd, index, partitions, trailer)) {
        error_set(err, 0, "its index is damaged");
        return false;
    }
    if (partition >= partitions) {
        error_set(err, 0, "it has %u partitions, and no number %u", partitions, partition);
        return false;
    }
    if (!io_read_at(fd, entry, sizeof entry, index + (uint64_t)partition * ENTRY_BYTES)) {
        error_set(err, errno, "its index cannot be read");
        return false;
    }
    *part = (struct job_part){get64(entry), get64(entry + 8), get64(entry + 16), get32(entry + 24)};
    return part->offset <= index && part->bytes <= index - part->offset;
}
