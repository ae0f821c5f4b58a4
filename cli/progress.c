#include "cli/progress.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { LIVE_EVERY_MS = 250, PLAIN_EVERY_MS = 5000 };

static int64_t clock_ms(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void progress_init(struct progress *p, bool quiet) {
    *p = (struct progress){
        .quiet = quiet, .live = isatty(STDERR_FILENO) == 1, .started_ms = clock_ms()};
    p->shown_ms = p->started_ms;
}

static void duration(int64_t ms, char out[32]) {
    int64_t s = ms / 1000;

    if (s < 60)
        snprintf(out, 32, "%.1f s", (double)ms / 1000);
    else if (s < 3600)
        snprintf(out, 32, "%lld:%02lld min", (long long)s / 60, (long long)s % 60);
    else
        snprintf(out, 32, "%lld:%02lld:%02lld h", (long long)s / 3600, (long long)s / 60 % 60,
                 (long long)s % 60);
}

static void bytes(uint64_t n, char out[32]) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)n;
    int unit = 0;

    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    snprintf(out, 32, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

static uint64_t pages(const struct core_stats *s) {
    return s->fetched + s->redirected + s->failed;
}

/* Mostly what was, some of what is: steady and still quick. */
static double smooth(double before, uint64_t now, uint64_t last, int64_t ms) {
    double rate = now < last ? 0 : (double)(now - last) * 1000 / (double)ms;

    return before == 0 ? rate : before * 0.7 + rate * 0.3;
}

/* `trawl ctl forget` makes pages pending again: they are fewer then, and count once more when they are done. */
static void count(struct progress *p, const struct core_stats *s) {
    uint64_t now = pages(s);

    if (now > p->counted_pages)
        p->done += now - p->counted_pages;
    p->counted_pages = now;
}

void progress_start(struct progress *p, const struct core_stats *s) {
    p->counted_pages = p->last_pages = pages(s);
    p->last_bytes = s->bytes;
}

/* A longer line would wrap, and not be overwritten by the next. */
static int columns(void) {
    struct winsize size;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

void progress_show(struct progress *p, const struct core_stats *s) {
    int64_t now = clock_ms(), since = now - p->shown_ms;
    char elapsed[32], line[256];

    count(p, s);
    if (p->quiet || since < (p->live ? LIVE_EVERY_MS : PLAIN_EVERY_MS))
        return;
    p->pages_rate = smooth(p->pages_rate, pages(s), p->last_pages, since);
    p->bytes_rate = smooth(p->bytes_rate, s->bytes, p->last_bytes, since);
    p->shown_ms = now;
    p->last_pages = pages(s);
    p->last_bytes = s->bytes;
    duration(now - p->started_ms, elapsed);
    snprintf(line, sizeof line,
             "%llu fetched, %llu queued, %.0f pages/s, %.2f MB/s, %u workers, %llu errors, %s",
             (unsigned long long)s->fetched, (unsigned long long)s->pending, p->pages_rate,
             p->bytes_rate / 1e6, s->workers, (unsigned long long)s->failed, elapsed);
    if (p->live)
        p->dirty = fprintf(stderr, "\r\033[K%.*s", columns() - 1, line) > 0;
    else
        fprintf(stderr, "trawl: %s\n", line);
    fflush(stderr);
}

void progress_end(struct progress *p) {
    if (p->dirty)
        fputs("\r\033[K", stderr);
    p->dirty = false;
}

static double us_a_page(const struct core_cost *cost, enum cost_stage stage) {
    return (double)cost->sums.us[stage] / (double)cost->pages;
}

/* The dearest stages first, what is not worth a tenth of a microsecond not at all. */
static void print_cost(const struct core_cost *cost) {
    enum { A_LINE = 6 };
    enum cost_stage order[COST_STAGES];
    unsigned count = 0;

    if (cost->pages == 0)
        return;
    for (unsigned i = 0; i < COST_STAGES; i++) {
        unsigned at = count;
        if (us_a_page(cost, (enum cost_stage)i) < 0.05)
            continue;
        for (count++; at > 0 && cost->sums.us[order[at - 1]] < cost->sums.us[i]; at--)
            order[at] = order[at - 1];
        order[at] = (enum cost_stage)i;
    }
    printf("  CPU       %.1f us a page:", (double)cost_total_us(&cost->sums) / (double)cost->pages);
    for (unsigned i = 0; i < count; i++)
        printf("%s %s %.1f%s", i > 0 && i % A_LINE == 0 ? "\n           " : "",
               cost_stage_name(order[i]), us_a_page(cost, order[i]), i + 1 < count ? "," : "");
    putchar('\n');
}

void progress_summary(struct progress *p, const struct core_stats *s, const struct core_cost *cost,
                      const char *why, const char *dir, bool local) {
    int64_t ms = clock_ms() - p->started_ms;
    char elapsed[32], size[32];

    count(p, s);
    duration(ms, elapsed);
    bytes(s->bytes, size);
    printf("%s after %s\n", why == NULL ? "ended" : why, elapsed);
    printf("  URLs      %llu known: %llu fetched, %llu redirected, %llu excluded, %llu failed, "
           "%llu pending\n",
           (unsigned long long)s->known, (unsigned long long)s->fetched,
           (unsigned long long)s->redirected, (unsigned long long)s->excluded,
           (unsigned long long)s->failed, (unsigned long long)s->pending);
    printf("  rate      %.1f pages/s\n", ms > 0 ? (double)p->done * 1000 / (double)ms : 0.0);
    print_cost(cost);
    printf("  bodies    %s\n", size);
    printf("  origins   %llu\n", (unsigned long long)s->origins);
    printf("  workers   %llu lost, %llu tasks reassigned\n", (unsigned long long)s->workers_lost,
           (unsigned long long)s->tasks_reassigned);
    if (local)
        printf("  results   %s/archive/*.warc.gz, trawl export %s\n", dir, dir);
    else
        printf("  results   archive/*.warc.gz of each worker, trawl export %s\n", dir);
    fflush(stdout);
}
