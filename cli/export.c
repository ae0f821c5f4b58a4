#include "cli/export.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/rows.h"
#include "shared/cdxj.h"
#include "shared/io.h"
#include "shared/json_out.h"
#include "shared/limits.h"
#include "shared/utc.h"
#include "shared/warc_write.h"

enum { LINE_BYTES = 16 * LIMIT_URL_BYTES, COLUMNS = 19 /* and a NULL */ };

static const char *const columns[COLUMNS] = {
    "url",         "state",     "reason",      "status",      "depth",    "via",    "mime",
    "length",      "digest",    "fetched_at",  "duration_ms", "attempts", "worker", "ip",
    "redirect_to", "warc_file", "warc_offset", "warc_length", NULL};

/* One column's value: text or number, or neither. */
struct cell {
    const char *text;
    size_t len;
    bool is_number;
    uint64_t number;
};

struct texts {
    char digest[WARC_WRITE_DIGEST_TEXT_SIZE], when[UTC_RFC3339_SIZE], ip[INET6_ADDRSTRLEN],
        file[300];
};

static struct cell text_cell(const void *text, size_t len) {
    return (struct cell){.text = len == 0 ? NULL : text, .len = len};
}

static struct cell string_cell(const char *text) {
    return text_cell(text, text == NULL ? 0 : strlen(text));
}

static struct cell number_cell(uint64_t n) {
    return (struct cell){.is_number = true, .number = n};
}

static const char *format_time(uint64_t unix_ms, char out[UTC_RFC3339_SIZE]) {
    return unix_ms != 0 && utc_rfc3339((int64_t)unix_ms, out) ? out : NULL;
}

static const char *format_ip(ProtobufCBinaryData ip, char out[INET6_ADDRSTRLEN]) {
    if (ip.len != 4 && ip.len != 16)
        return NULL;
    return inet_ntop(ip.len == 4 ? AF_INET : AF_INET6, ip.data, out, INET6_ADDRSTRLEN);
}

static const char *format_digest(ProtobufCBinaryData digest,
                                 char out[WARC_WRITE_DIGEST_TEXT_SIZE]) {
    if (digest.len != WARC_WRITE_DIGEST_BYTES)
        return NULL;
    warc_write_digest_text(digest.data, out);
    return out;
}

static const char *format_file(const struct row *row, char out[300]) {
    if (row->segment == NULL)
        return NULL;
    snprintf(out, 300, "archive/%s.warc.gz%s", row->segment, row->sealed ? "" : ".open");
    return out;
}

static void fill_done(const struct row *row, struct cell cell[COLUMNS], struct texts *t) {
    const Trawl__DoneUrl *d = row->done;

    cell[2] = string_cell(d->reason[0] == '\0' ? NULL : d->reason);
    if (d->status != 0)
        cell[3] = number_cell(d->status);
    cell[6] = text_cell(d->mime.data, d->mime.len);
    if (d->status != 0)
        cell[7] = number_cell(d->length);
    cell[8] = string_cell(format_digest(d->digest, t->digest));
    cell[9] = string_cell(format_time(d->fetched_at_ms, t->when));
    if (d->fetched_at_ms != 0)
        cell[10] = number_cell(d->duration_ms);
    cell[12] = string_cell(row->worker);
    cell[13] = string_cell(format_ip(d->ip, t->ip));
    cell[14] = text_cell(d->redirect_to.data, d->redirect_to.len);
    cell[15] = string_cell(format_file(row, t->file));
    if (row->segment != NULL) {
        cell[16] = number_cell(row->offset);
        cell[17] = number_cell(row->length);
    }
}

static void fill(const struct row *row, struct cell cell[COLUMNS], struct texts *t) {
    memset(cell, 0, COLUMNS * sizeof *cell);
    cell[0] = text_cell(row->url, row->url_len);
    cell[1] = string_cell(rows_state_name(row->state));
    cell[4] = number_cell(row->depth);
    cell[5] = text_cell(row->via, row->via_len);
    cell[11] = number_cell(row->attempts);
    if (row->done != NULL)
        fill_done(row, cell, t);
}

/* ---- formats --------------------------------------------------------------------------------------------------- */

static bool jsonl_line(struct buf *line, const struct row *row) {
    struct cell cell[COLUMNS];
    struct texts t;

    fill(row, cell, &t);
    for (size_t i = 0; columns[i] != NULL; i++) {
        buf_printf(line, "%s\"%s\":", i == 0 ? "{" : ",", columns[i]);
        if (cell[i].is_number)
            buf_printf(line, "%llu", (unsigned long long)cell[i].number);
        else if (cell[i].text != NULL)
            json_out_string(line, cell[i].text, cell[i].len);
        else
            buf_append_str(line, "null");
    }
    return buf_append_str(line, "}\n") && !line->failed;
}

static bool csv_line(struct buf *line, const struct row *row) {
    struct cell cell[COLUMNS];
    struct texts t;

    fill(row, cell, &t);
    for (size_t i = 0; columns[i] != NULL; i++) {
        if (i > 0)
            buf_append_char(line, ',');
        if (cell[i].is_number)
            buf_printf(line, "%llu", (unsigned long long)cell[i].number);
        else if (cell[i].text != NULL)
            json_out_csv(line, cell[i].text, cell[i].len);
    }
    return buf_append_str(line, "\r\n") && !line->failed;
}

static bool cdxj_line(struct buf *line, const struct row *row) {
    char digest[WARC_WRITE_DIGEST_TEXT_SIZE], mime[300], file[300];
    const Trawl__DoneUrl *d = row->done;

    if (d == NULL || row->segment == NULL || !row->sealed)
        return true;
    snprintf(mime, sizeof mime, "%.*s", (int)d->mime.len, d->mime.data);
    snprintf(file, sizeof file, "%s.warc.gz", row->segment);
    const struct cdxj_record record = {.url = row->url,
                                       .url_len = row->url_len,
                                       .date_ms = (int64_t)d->fetched_at_ms,
                                       .mime = d->revisit ? "warc/revisit" : mime,
                                       .status = (int)d->status,
                                       .digest = format_digest(d->digest, digest),
                                       .length = row->length,
                                       .offset = row->offset,
                                       .filename = file};
    return cdxj_append(line, &record);
}

/* How each URL was found, and where redirects lead: "from TAB to". */
static bool links_line(struct buf *line, const struct row *row) {
    if (row->via == NULL)
        return true;
    return buf_append(line, row->via, row->via_len) && buf_append_char(line, '\t') &&
           buf_append(line, row->url, row->url_len) && buf_append_char(line, '\n');
}

static bool header(enum args_format format, FILE *to) {
    if (format != FORMAT_CSV)
        return true;
    for (size_t i = 0; columns[i] != NULL; i++)
        fprintf(to, "%s%s", i == 0 ? "" : ",", columns[i]);
    return fputs("\r\n", to) >= 0;
}

static bool format_line(enum args_format format, struct buf *line, const struct row *row) {
    switch (format) {
    case FORMAT_CSV:
        return csv_line(line, row);
    case FORMAT_CDXJ:
        return cdxj_line(line, row);
    case FORMAT_LINKS:
        return links_line(line, row);
    default:
        return jsonl_line(line, row);
    }
}

/* The index is of all that is in the archive, the other formats are of the last round. */
static bool next(struct rows *r, enum args_format format, bool *earlier, struct row *row) {
    if (rows_next(r, row))
        return true;
    if (format != FORMAT_CDXJ || *earlier)
        return false;
    *earlier = true;
    rows_earlier(r);
    return rows_next(r, row);
}

static bool write_rows(struct rows *r, enum args_format format, FILE *to, struct error *err) {
    struct buf line;
    struct row row;
    bool ok = header(format, to), earlier = false;

    buf_init(&line, LINE_BYTES);
    while (ok && next(r, format, &earlier, &row)) {
        buf_reset(&line);
        if (format != FORMAT_CDXJ)
            rows_find_via(r, &row);
        ok = format_line(format, &line, &row);
        if (!ok)
            error_set(err, 0, "a line is too long: %.200s", row.url);
        else if (line.len > 0 && fwrite(line.data, 1, line.len, to) != line.len) {
            error_set(err, errno, "cannot write");
            ok = false;
        }
    }
    buf_release(&line);
    if (ok && fflush(to) != 0) {
        error_set(err, errno, "cannot write");
        ok = false;
    }
    return ok;
}

static bool write_unsorted(const char *dir, enum args_format format, FILE *to, struct error *err) {
    struct rows *r = rows_open(dir, err);

    if (r == NULL)
        return false;
    bool ok = write_rows(r, format, to, err);
    return rows_close(r, ok ? err : NULL) && ok;
}

/* ---- the index ---------------------------------------------------------------------------------------------------- */

/* sort(1) sorts what does not fit into memory, too, beside the file. It dies of the signals that we may have
 * blocked or ignored. */
static int spawn_sort(const char *dir, const char *from, const char *to, pid_t *pid) {
    char *argv[] = {"sort", "-S",       "128M", "-T",         (char *)dir,
                    "-o",   (char *)to, "--",   (char *)from, NULL};
    char *env[] = {"LC_ALL=C", "PATH=/usr/bin:/bin", NULL};
    posix_spawnattr_t attr;
    sigset_t none, pipe;
    int rc;

    sigemptyset(&none);
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    posix_spawnattr_init(&attr);
    rc = posix_spawnattr_setsigmask(&attr, &none);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(&attr, &pipe);
    if (rc == 0)
        rc = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (rc == 0)
        rc = posix_spawnp(pid, "sort", NULL, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
    return rc;
}

static bool sort_file(const char *dir, const char *from, const char *to, struct error *err) {
    pid_t pid;
    int status, rc = spawn_sort(dir, from, to, &pid);

    if (rc != 0) {
        error_set(err, rc, "cannot run sort");
        return false;
    }
    if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    error_set(err, 0, "sort failed on %s", from);
    return false;
}

bool export_index(const char *dir, struct error *err) {
    char path[4096], unsorted[4120], sorted[4120];
    bool ok = false;

    snprintf(path, sizeof path, "%s/index.cdxj", dir);
    snprintf(unsorted, sizeof unsorted, "%s.unsorted", path);
    snprintf(sorted, sizeof sorted, "%s.tmp", path);
    FILE *f = fopen(unsorted, "we");
    if (f == NULL) {
        error_set(err, errno, "cannot write %s", unsorted);
        return false;
    }
    ok = write_unsorted(dir, FORMAT_CDXJ, f, err);
    if (fclose(f) != 0 && ok) {
        error_set(err, errno, "cannot write %s", unsorted);
        ok = false;
    }
    ok = ok && sort_file(dir, unsorted, sorted, err);
    if (ok && !io_rename(sorted, path)) {
        error_set(err, errno, "cannot write %s", path);
        ok = false;
    }
    unlink(unsorted);
    if (!ok)
        unlink(sorted);
    return ok;
}

static bool copy_index(const char *dir, FILE *to, struct error *err) {
    char path[4096], block[65536];
    size_t n;
    bool ok = true;

    snprintf(path, sizeof path, "%s/index.cdxj", dir);
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        error_set(err, errno, "cannot read %s", path);
        return false;
    }
    while (ok && (n = fread(block, 1, sizeof block, f)) > 0)
        ok = fwrite(block, 1, n, to) == n;
    if (!ok || ferror(f) || fflush(to) != 0) {
        error_set(err, errno, "cannot copy %s", path);
        ok = false;
    }
    fclose(f);
    return ok;
}

bool export_write(const char *dir, enum args_format format, FILE *to, struct error *err) {
    if (format == FORMAT_CDXJ)
        return export_index(dir, err) && copy_index(dir, to, err);
    return write_unsorted(dir, format, to, err);
}

int command_export(const struct args *a) {
    struct error err = {0};

    return export_write(a->words.items[0], a->format, stdout, &err) ? 0 : command_fail(1, &err);
}
