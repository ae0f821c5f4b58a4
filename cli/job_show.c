#include "cli/job_show.h"

#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/screen.h"
#include "shared/json_out.h"

enum { LIVE_EVERY_MS = 250, PLAIN_EVERY_MS = 5000, SKIPPED_SHOWN = 10, JSON_BYTES = 1 << 20 };

static const char *const states[] = {"running", "done", "failed", "cancelled"};

static int64_t clock_ms(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void job_show_init(struct job_show *s, bool quiet) {
    *s = (struct job_show){
        .quiet = quiet, .live = isatty(STDERR_FILENO) == 1, .started_ms = clock_ms()};
    s->shown_ms = s->started_ms;
}

static uint32_t all(const Trawl__TaskFigures *f) {
    return f->idle + f->running + f->done;
}

void job_show(struct job_show *s, const Trawl__JobInfo *info) {
    const Trawl__TaskFigures *m = info->maps, *r = info->reduces;
    int64_t now = clock_ms();

    if (s->quiet || m == NULL || r == NULL ||
        now - s->shown_ms < (s->live ? LIVE_EVERY_MS : PLAIN_EVERY_MS))
        return;
    s->shown_ms = now;
    fprintf(
        stderr,
        "%strawl: %u of %u maps, %u of %u reduces done, %u running, %" PRIu64 " failed, %.1f s%s",
        s->live ? "\r" : "", m->done, all(m), r->done, all(r), m->running + r->running,
        m->failures + r->failures, (double)(now - s->started_ms) / 1000, s->live ? "\x1b[K" : "\n");
    fflush(stderr);
    s->dirty = s->live;
}

void job_show_end_line(struct job_show *s) {
    if (s->dirty)
        fputs("\r\x1b[K", stderr);
    s->dirty = false;
}

static double seconds(const Trawl__JobInfo *info) {
    return info->ended_ms > info->started_ms ? (double)(info->ended_ms - info->started_ms) / 1000
                                             : 0;
}

static void figures(const char *name, const Trawl__TaskFigures *f, FILE *to) {
    if (f == NULL)
        return;
    fprintf(to,
            "  %-9s %u done, %u running, %u idle; %" PRIu64 " attempts, %" PRIu64
            " failed, %" PRIu64 " backups\n",
            name, f->done, f->running, f->idle, f->attempts, f->failures, f->backups);
    fprintf(to,
            "            %" PRIu64 " records in, %" PRIu64
            " out; %.1f MiB in, %.1f MiB out; %.2f CPU s, %" PRIu64 " spills\n",
            f->records_in, f->records_out, (double)f->bytes_in / (1 << 20),
            (double)f->bytes_out / (1 << 20), (double)f->cpu_us / 1e6, f->spills);
}

static void skipped(const Trawl__JobInfo *info, FILE *to) {
    if (info->skipped_count == 0)
        return;
    fprintf(to, "  skipped   %" PRIu64 " records that crashed the function twice\n",
            info->skipped_count);
    for (size_t i = 0; i < info->n_skipped && i < SKIPPED_SHOWN; i++) {
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)info->skipped[i]->name.len,
                 (const char *)info->skipped[i]->name.data);
        fputs("            ", to);
        screen_text(to, name);
        fputc('\n', to);
    }
}

void job_show_summary(const Trawl__JobInfo *info, FILE *to) {
    fprintf(to, "job %" PRIu64 " ", info->job);
    screen_text(to, info->name);
    fprintf(to, " %s", info->state <= TRAWL__JOB_STATE__JOB_CANCELLED ? states[info->state] : "?");
    if (info->ended_ms > 0)
        fprintf(to, " after %.1f s", seconds(info));
    if (info->why[0] != '\0') {
        fputs(": ", to);
        screen_text(to, info->why);
    }
    fputc('\n', to);
    figures("maps", info->maps, to);
    figures("reduces", info->reduces, to);
    if (info->lost_maps > 0)
        fprintf(to, "  lost      %" PRIu64 " map outputs, made again\n", info->lost_maps);
    for (size_t i = 0; i < info->n_counters; i++) {
        fputs("  counter   ", to);
        screen_text(to, info->counters[i]->name);
        fprintf(to, " %" PRId64 "\n", info->counters[i]->n);
    }
    skipped(info, to);
    if (info->last_failure[0] != '\0') {
        fputs("  failure   ", to);
        screen_text(to, info->last_failure);
        fputc('\n', to);
    }
    fputs("  output    ", to);
    screen_text(to, info->output);
    fputs("/part-*\n", to);
}

void job_show_row(const Trawl__JobInfo *info, FILE *to) {
    const Trawl__TaskFigures *m = info->maps, *r = info->reduces;

    fprintf(to, "%" PRIu64 " %-9s ", info->job,
            info->state <= TRAWL__JOB_STATE__JOB_CANCELLED ? states[info->state] : "?");
    screen_text(to, info->name);
    if (m != NULL && r != NULL)
        fprintf(to, " maps %u/%u reduces %u/%u", m->done, all(m), r->done, all(r));
    fputs(" ", to);
    screen_text(to, info->output);
    fputc('\n', to);
}

static void json_figures(struct buf *b, const char *name, const Trawl__TaskFigures *f) {
    if (f == NULL)
        return;
    buf_printf(b,
               ", \"%s\": {\"idle\": %u, \"running\": %u, \"done\": %u, \"attempts\": %" PRIu64
               ", \"backups\": %" PRIu64 ", \"failures\": %" PRIu64 ", \"records_in\": %" PRIu64
               ", \"bytes_in\": %" PRIu64 ", \"records_out\": %" PRIu64 ", \"bytes_out\": %" PRIu64
               ", \"cpu_us\": %" PRIu64 ", \"spills\": %" PRIu64 "}",
               name, f->idle, f->running, f->done, f->attempts, f->backups, f->failures,
               f->records_in, f->bytes_in, f->records_out, f->bytes_out, f->cpu_us, f->spills);
}

void job_show_json(const Trawl__JobInfo *info, FILE *to) {
    struct buf b;

    buf_init(&b, JSON_BYTES);
    buf_printf(&b, "{\"job\": %" PRIu64 ", ", info->job);
    json_out_member(&b, "name", info->name, strlen(info->name));
    buf_printf(&b, ", \"state\": \"%s\", ",
               info->state <= TRAWL__JOB_STATE__JOB_CANCELLED ? states[info->state] : "?");
    json_out_member(&b, "why", info->why, strlen(info->why));
    buf_append_str(&b, ", ");
    json_out_member(&b, "output", info->output, strlen(info->output));
    buf_printf(&b,
               ", \"started_ms\": %" PRIu64 ", \"ended_ms\": %" PRIu64 ", \"lost_maps\": %" PRIu64
               ", \"skipped\": %" PRIu64,
               info->started_ms, info->ended_ms, info->lost_maps, info->skipped_count);
    json_figures(&b, "maps", info->maps);
    json_figures(&b, "reduces", info->reduces);
    buf_append_str(&b, ", \"counters\": {");
    for (size_t i = 0; i < info->n_counters; i++) {
        buf_append_str(&b, i == 0 ? "" : ", ");
        json_out_string(&b, info->counters[i]->name, strlen(info->counters[i]->name));
        buf_printf(&b, ": %" PRId64, info->counters[i]->n);
    }
    buf_append_str(&b, "}}\n");
    if (!b.failed)
        fwrite(b.data, 1, b.len, to);
    buf_release(&b);
}
