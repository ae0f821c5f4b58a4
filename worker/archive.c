#include "worker/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/limits.h"
#include "shared/log.h"
#include "shared/warc_block.h"
#include "worker/fence.h"
#include "worker/offload.h"
#include "worker/payloads.h"

enum {
    SEAL_PAUSE_MS = 1000,
    SEAL_FAILURES_MAX =
        10, /* in a row, of a disk or file; a master that is away may be so for ever */
};

/* A segment of the loop's: written to, or closed and waiting to be sealed. */
struct held {
    struct segment *segment;
    uint64_t session;
    bool dirty; /* has records that no sync has covered */
    bool sealing;
    unsigned failures;
    int64_t again_ms; /* when a failed seal is tried again; INT64_MAX: not */
    struct held *next;
};

struct sync_job {
    struct offload_job job;
    uint64_t mark;
    int dir_fd; /* -1: no file is new */
    int error;
    size_t count;
    int fds[];
};

struct seal_job {
    struct offload_job job;
    struct archive *archive; /* its config only */
    struct held *held;
    enum seal_result result;
    struct error err;
};

struct archive {
    struct archive_config config;
    struct offload *syncer, *sealer;
    struct payloads *payloads;
    struct warc_block *block; /* of the record being written */
    struct held *held;        /* the current one first, if there is one */
    bool has_current, new_file;
    uint32_t serial;
    char *crawl, *user_agent;
    uint64_t segment_bytes;
    int level;
};

struct archive *archive_new(const struct archive_config *config, struct error *err) {
    struct archive *a = calloc(1, sizeof *a);

    if (a == NULL) {
        error_set(err, ENOMEM, "archive");
        return NULL;
    }
    a->config = *config;
    if ((a->payloads = payloads_new()) == NULL || (a->block = warc_block_new()) == NULL)
        error_set(err, ENOMEM, "archive");
    else
        a->syncer = offload_new("trawl-sync", err);
    if (a->syncer != NULL)
        a->sealer = offload_new("trawl-seal", err);
    if (a->sealer == NULL) {
        archive_free(a);
        return NULL;
    }
    return a;
}

static void held_free(struct held *h) {
    segment_free(h->segment);
    free(h);
}

static void sync_job_free(struct offload_job *job) {
    struct sync_job *s = (struct sync_job *)job;

    for (size_t i = 0; i < s->count; i++)
        close(s->fds[i]);
    free(s);
}

static void seal_job_free(struct offload_job *job) {
    free(job);
}

void archive_free(struct archive *a) {
    if (a == NULL)
        return;
    offload_free(a->syncer, sync_job_free);
    offload_free(a->sealer, seal_job_free);
    while (a->held != NULL) {
        struct held *h = a->held;
        a->held = h->next;
        held_free(h);
    }
    payloads_free(a->payloads);
    warc_block_free(a->block);
    free(a->crawl);
    free(a->user_agent);
    free(a);
}

bool archive_set_options(struct archive *a, const char *crawl, const char *user_agent,
                         uint64_t segment_bytes, int level) {
    char *new_crawl = strdup(crawl), *new_agent = strdup(user_agent);

    if (new_crawl == NULL || new_agent == NULL) {
        free(new_crawl);
        free(new_agent);
        return false;
    }
    free(a->crawl);
    free(a->user_agent);
    a->crawl = new_crawl;
    a->user_agent = new_agent;
    a->segment_bytes = segment_bytes;
    a->level = level;
    return true;
}

/* ---- writing ------------------------------------------------------------------------------------- */

void archive_rotate(struct archive *a) {
    if (!a->has_current)
        return;
    a->has_current = false;
    segment_stop(a->held->segment);
    a->config.closed(a->config.arg, segment_name(a->held->segment));
}

static enum segment_result open_next(struct archive *a, uint64_t session, struct error *err) {
    char name[LIMIT_SEGMENT_NAME_BYTES + 1];
    int n = snprintf(name, sizeof name, "%s-%s-%012llu-%05u", a->config.worker,
                     a->crawl == NULL ? "" : a->crawl, (unsigned long long)session,
                     (unsigned)a->serial);
    struct segment_config config = {
        .dir_fd = a->config.dir_fd,
        .name = name,
        .crawl = a->crawl == NULL ? "" : a->crawl,
        .worker = a->config.worker,
        .user_agent = a->user_agent == NULL ? "" : a->user_agent,
        .level = a->level,
    };

    if (n < 0 || (size_t)n >= sizeof name) {
        error_set(err, 0, "the worker's name is too long for a segment's");
        return SEGMENT_FAILED;
    }
    struct held *h = calloc(1, sizeof *h);
    if (h == NULL) {
        error_set(err, ENOMEM, "segment");
        return SEGMENT_AGAIN;
    }
    enum segment_result result = segment_open(&h->segment, &config, err);
    if (result != SEGMENT_OK) {
        free(h);
        return result;
    }
    a->serial++;
    h->session = session;
    h->again_ms = INT64_MAX;
    h->next = a->held;
    a->held = h;
    a->has_current = a->new_file = true;
    return SEGMENT_OK;
}

/* The current segment has room, and is of the session. */
static bool ready(struct archive *a, uint64_t session) {
    if (a->has_current &&
        (a->held->session != session || segment_bytes(a->held->segment) >= a->segment_bytes))
        archive_rotate(a);
    return a->has_current;
}

enum segment_result archive_probe(struct archive *a, uint64_t session, struct error *err) {
    return ready(a, session) ? segment_probe(a->held->segment, err) : open_next(a, session, err);
}

static enum segment_result append(struct archive *a, uint64_t session,
                                  const struct segment_response *r, struct segment_place *place,
                                  const char **name, struct error *err) {
    enum segment_result result = SEGMENT_OK;
    bool is_new = !ready(a, session);

    if (is_new)
        result = open_next(a, session, err);
    if (result == SEGMENT_OK)
        result = segment_append(a->held->segment, r, place, err);
    /* Files may be so large and no larger (RLIMIT_FSIZE, a quota): the next one is empty. */
    if (result == SEGMENT_AGAIN && !is_new && err->errno_value == EFBIG) {
        archive_rotate(a);
        result = open_next(a, session, err);
        if (result == SEGMENT_OK)
            result = segment_append(a->held->segment, r, place, err);
    }
    if (result != SEGMENT_OK)
        return result;
    a->held->dirty = true;
    *name = segment_name(a->held->segment);
    return SEGMENT_OK;
}

/* Looked up before it is written, and noted afterwards: its digest is made once. */
static enum segment_result append_payload(struct archive *a, uint64_t session,
                                          struct segment_response r, struct segment_place *place,
                                          const char **name, struct error *err) {
    const struct warc_write_piece body = {r.body, r.body_len};
    const unsigned char *digest = a->block->payload_digest;
    const struct payload *known;

    payloads_session(a->payloads, session);
    if (warc_block_make(a->block, WARC_WRITE_RESPONSE, r.head, r.head_len, &body, 1) !=
        WARC_WRITE_OK)
        return append(a, session, &r, place, name, err); /* which says why not */
    r.block = a->block;
    known = payloads_find(a->payloads, digest);
    if (known != NULL) {
        r.revisit = &(struct segment_revisit){.url = known->url,
                                              .url_len = known->url_len,
                                              .at_unix_ms = known->at_unix_ms,
                                              .digest = digest,
                                              .record_id = known->record_id};
        return append(a, session, &r, place, name, err);
    }
    enum segment_result result = append(a, session, &r, place, name, err);
    if (result != SEGMENT_OK)
        return result;
    struct payload written = {.offset = place->offset,
                              .at_unix_ms = (int64_t)r.at_unix_ms,
                              .url = (char *)r.url,
                              .url_len = r.url_len};
    memcpy(written.digest, digest, sizeof written.digest);
    memcpy(written.record_id, place->record_id, sizeof written.record_id);
    payloads_note(a->payloads, *name, &written);
    return SEGMENT_OK;
}

enum segment_result archive_append(struct archive *a, uint64_t session,
                                   const struct segment_response *r, struct segment_place *place,
                                   const char **name, struct error *err) {
    if (r->revisit != NULL || r->cut || r->unproven || r->body_len < PAYLOAD_BYTES_MIN)
        return append(a, session, r, place, name, err);
    return append_payload(a, session, *r, place, name, err);
}

void archive_committed(struct archive *a, const char *name, uint64_t offset,
                       const unsigned char digest[20]) {
    payloads_committed(a->payloads, name, offset, digest);
}

/* ---- syncing ------------------------------------------------------------------------------------- */

static void sync_run(struct offload_job *job) {
    struct sync_job *s = (struct sync_job *)job;

    for (size_t i = 0; i < s->count && s->error == 0; i++)
        if (fdatasync(s->fds[i]) != 0)
            s->error = errno;
    if (s->error == 0 && s->dir_fd >= 0 && fsync(s->dir_fd) != 0)
        s->error = errno;
}

/* Descriptors are duplicated: a segment may be closed while its data is being synced. */
static bool sync_add(struct sync_job *s, const struct held *h) {
    int fd = fcntl(segment_fd(h->segment), F_DUPFD_CLOEXEC, 3);

    if (fd < 0)
        return false;
    s->fds[s->count++] = fd;
    return true;
}

void archive_sync(struct archive *a, uint64_t mark) {
    size_t count = 0;
    bool ok = true;

    for (const struct held *h = a->held; h != NULL; h = h->next)
        count += h->dirty;
    struct sync_job *s = calloc(1, sizeof *s + count * sizeof s->fds[0]);
    if (s == NULL) {
        a->config.failed(a->config.arg, "out of memory");
        return;
    }
    s->job.run = sync_run;
    s->mark = mark;
    s->dir_fd = a->new_file ? a->config.dir_fd : -1;
    for (struct held *h = a->held; ok && h != NULL; h = h->next) {
        if (!h->dirty)
            continue;
        ok = sync_add(s, h);
        h->dirty = false;
    }
    if (!ok) {
        sync_job_free(&s->job);
        a->config.failed(a->config.arg, "no descriptors left");
        return;
    }
    a->new_file = false;
    /* The agent asks for the next one when this one is done: there is room. */
    if (!offload_submit(a->syncer, &s->job)) {
        sync_job_free(&s->job);
        a->config.failed(a->config.arg, "too many syncs at once");
    }
}

/* After a failed sync the kernel may have dropped the pages: what was written cannot be promised any more. */
static void sync_done(struct archive *a, struct sync_job *s) {
    struct error err = {0};

    if (s->error != 0) {
        error_set(&err, s->error, "cannot sync the archive");
        a->config.failed(a->config.arg, err.text);
    } else {
        a->config.synced(a->config.arg, s->mark);
    }
    sync_job_free(&s->job);
}

/* ---- sealing ------------------------------------------------------------------------------------- */

static void seal_run(struct offload_job *job) {
    struct seal_job *s = (struct seal_job *)job;
    const struct archive_config *config = &s->archive->config;

    s->result = seal_segment(config->dir_fd, segment_name(s->held->segment),
                             segment_fd(s->held->segment), &config->remote, &s->err);
}

static void seal_submit(struct archive *a, struct held *h) {
    struct seal_job *s = calloc(1, sizeof *s);

    h->again_ms = INT64_MAX;
    h->sealing = true;
    if (s == NULL) {
        h->again_ms = fence_now_ms() + SEAL_PAUSE_MS;
        return;
    }
    s->job.run = seal_run;
    s->archive = a;
    s->held = h;
    if (!offload_submit(a->sealer, &s->job)) {
        free(s);
        h->again_ms = fence_now_ms() + SEAL_PAUSE_MS;
    }
}

void archive_seal(struct archive *a, const char *name) {
    struct held *h = a->held;

    while (h != NULL && strcmp(segment_name(h->segment), name) != 0)
        h = h->next;
    if (h != NULL && !h->sealing)
        seal_submit(a, h);
}

static void seal_done(struct archive *a, struct seal_job *s) {
    struct held *h = s->held, **at = &a->held;

    if (s->result == SEAL_DONE) {
        a->config.sealed(a->config.arg, segment_name(h->segment));
        while (*at != h)
            at = &(*at)->next;
        *at = h->next;
        held_free(h);
    } else if (s->result == SEAL_FAILED && ++h->failures >= SEAL_FAILURES_MAX) {
        a->config.failed(a->config.arg, s->err.text);
    } else {
        log_warn("archive", "%s; it will be tried again", s->err.text);
        h->again_ms = fence_now_ms() + SEAL_PAUSE_MS;
    }
    free(s);
}

/* ---- events -------------------------------------------------------------------------------------- */

int archive_fd(const struct archive *a, unsigned i) {
    return offload_fd(i == 0 ? a->syncer : a->sealer);
}

void archive_event(struct archive *a) {
    struct offload_job *job;

    while ((job = offload_take(a->syncer)) != NULL)
        sync_done(a, (struct sync_job *)job);
    while ((job = offload_take(a->sealer)) != NULL)
        seal_done(a, (struct seal_job *)job);
}

int64_t archive_next_ms(const struct archive *a) {
    int64_t next = INT64_MAX;

    for (const struct held *h = a->held; h != NULL; h = h->next)
        if (h->again_ms < next)
            next = h->again_ms;
    return next;
}

void archive_tick(struct archive *a, int64_t now_ms) {
    for (struct held *h = a->held; h != NULL; h = h->next)
        if (h->again_ms <= now_ms)
            seal_submit(a, h);
}
