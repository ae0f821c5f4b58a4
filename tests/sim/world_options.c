/* world_options: the user stops the master and starts it again with other options. When the faults are over it has those
 * that it began with, so what the crawl comes to is what it would have been without. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world_state.h"

/* Of pages that are not what a crawl hangs on. */
static const char exclude_some[] = "/p[0-9]*[37]$";

/* What was granted before may still be fetched until its lease is over. */
enum { LEASES_OVER_MS = 12 * 1000 };

void world_options_init(struct world *w) {
    w->odd.wanted = !w->options->calm && rng_chance(&(struct rng){w->options->seed + 5}, 40);
    w->odd.rng.state = w->options->seed + 6;
    w->odd.max_depth = w->crawl.max_depth;
    w->odd.first = w->web.terms;
}

static void drop_exclude(struct options *o) {
    if (strcmp(o->exclude.items[o->exclude.count - 1], exclude_some) == 0)
        free(o->exclude.items[--o->exclude.count]);
}

/* How often servers are asked, and over how many connections. */
static void choose_terms(struct world *w, bool odd) {
    static const uint32_t delays[] = {0, 50, 300, 1000};
    struct web_terms t = w->odd.first;

    if (odd && rng_chance(&w->odd.rng, 60)) {
        t.delay_ms = delays[rng_below(&w->odd.rng, 4)];
        t.host_connections = 1 + rng_below(&w->odd.rng, 4);
        /* What flaps has one worker at a time, whose rests count (web.c). */
        if (t.delay_ms == 0 && (w->odd.first.delay_ms > 0 || w->odd.first.host_connections == 1))
            t.host_connections = 1;
        t.ip_connections = t.host_connections + rng_below(&w->odd.rng, 3);
    }
    if (w->crawl.delay_ms != t.delay_ms || w->crawl.host_connections != t.host_connections ||
        w->crawl.ip_connections != t.ip_connections) {
        w->result->faults[FAULT_OTHER_TERMS]++;
        world_note(w, "other terms: %u ms, %u connections to an origin, %u to an address",
                   t.delay_ms, t.host_connections, t.ip_connections);
    }
    w->crawl.delay_ms = t.delay_ms;
    w->crawl.host_connections = t.host_connections;
    w->crawl.ip_connections = t.ip_connections;
    web_terms(&w->web, w->now_ms + LEASES_OVER_MS, t.delay_ms, t.host_connections,
              t.ip_connections);
}

void world_options_choose(struct world *w) {
    bool odd = w->odd.wanted && rng_chance(&w->odd.rng, 50);

    drop_exclude(&w->crawl);
    w->crawl.max_depth = odd ? rng_below(&w->odd.rng, w->odd.max_depth + 1) : w->odd.max_depth;
    if (odd && !string_list_add(&w->crawl.exclude, exclude_some))
        abort();
    choose_terms(w, odd);
    w->crawl.heartbeat_ms = odd ? 200 + rng_below(&w->odd.rng, 400) : 500;
    w->crawl.lease_ms = odd ? 2000 + rng_below(&w->odd.rng, 6000) : 5000;
    if (odd && !w->odd.now) {
        w->odd.since_ms = w->now_ms;
        w->result->faults[FAULT_OTHER_OPTIONS]++;
        world_note(w, "other options");
    }
    w->odd.now = odd;
}

void world_options_restore(struct world *w) {
    w->odd.wanted = false;
}

bool world_options_odd(const struct world *w) {
    return w->odd.now;
}

void world_options_check_url(struct world *w, const char *url, size_t len) {
    if (!w->odd.now || w->now_ms - w->odd.since_ms < LEASES_OVER_MS || len < 2)
        return;
    const char *slash = memrchr(url, '/', len);
    char last = url[len - 1];
    if (slash != NULL && slash[1] == 'p' && (last == '3' || last == '7'))
        world_fail(w, "a page that is excluded now is fetched: %.*s", (int)len, url);
}
