/*
 * libFuzzer target: any bytes as a WARC file; and any bytes as what a server sends, which must come back from the
 * record that is made of it, with nothing wrong in the record.
 *
 *     clang -g -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_warc.c \
 *         shared/{warc_read,warc_write,content,buf}.c -lz -ldeflate -lcrypto -lbrotlidec -lzstd
 *
 * Input that begins with 'H' is a response (head, NUL, body), all other a file.
 */
#include "shared/warc_read.h"
#include "shared/warc_write.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds)
        abort();
}

static void read_any(struct warc_read *r, const uint8_t *data, size_t size) {
    const struct warc_read_record *record;
    struct warc_read_report report;
    struct warc_read_http http;
    const unsigned char *bytes;
    uint64_t end = 0;

    warc_read_open_bytes(r, data, size);
    for (size_t i = 0; warc_read_next(r, &record) == WARC_READ_RECORD; i++) {
        check(record->offset >= end && record->offset < size);
        if (i % 2 == 0) {
            check(warc_read_check(r, &report) == WARC_READ_RECORD);
        } else {
            if (warc_read_http(r, &http) == WARC_READ_RECORD)
                check(strlen(http.head) <= http.head_len && http.head_len > 0);
            warc_read_block(r, &bytes);
            warc_read_finish(r);
        }
        check(record->length > 0 && record->offset + record->length <= size);
        end = record->offset + record->length;
    }
}

static bool sink(void *arg, const void *bytes, size_t len) {
    return buf_append(arg, bytes, len);
}

/* Head, NUL, body. */
static void write_any(struct warc_read *r, const uint8_t *data, size_t size) {
    const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
    size_t head_len = nul != NULL ? (size_t)(nul - data) : size;
    struct warc_write_piece body = {data + head_len, size - head_len};
    struct warc_write_record record = {.type = WARC_WRITE_RESPONSE,
                                       .uri = "http://a/",
                                       .uri_len = 9,
                                       .head = (const char *)data,
                                       .head_len = head_len,
                                       .body = &body,
                                       .body_count = 1};
    const struct warc_read_record *got;
    struct warc_read_report report;
    struct warc_write_place place;
    struct buf file;

    buf_init(&file, 64 << 20);
    struct warc_write *w = warc_write_new(1, (struct warc_write_sink){.write = sink, .arg = &file});
    check(w != NULL);
    enum warc_write_result why = warc_write_record(w, &record, &place);
    check(why == WARC_WRITE_OK || why == WARC_WRITE_INVALID);
    if (why == WARC_WRITE_OK) {
        warc_read_open_bytes(r, file.data, file.len);
        check(warc_read_next(r, &got) == WARC_READ_RECORD);
        check(warc_read_check(r, &report) == WARC_READ_RECORD);
        check(report.problems == 0 && report.payload_bytes == body.len);
        check(got->length == place.length && warc_read_next(r, &got) == WARC_READ_END);
    }
    warc_write_free(w);
    buf_release(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct warc_read *r = warc_read_new();

    check(r != NULL);
    if (size > 0 && data[0] == 'H')
        write_any(r, data, size);
    else
        read_any(r, data, size);
    warc_read_free(r);
    return 0;
}
