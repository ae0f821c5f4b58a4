/* status: the core's figures, for people and programs. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/core_state.h"
#include "master/trial.h"
#include "shared/charset.h"
#include "shared/work.h"

/* One look at each worker. Undecided: whoever is well has died too often, and shown nothing. */
static void note_workers(const struct core *c, struct core_stats *s) {
    bool suspect = false, well = false;

    for (const struct worker *w = c->leases.workers; w != NULL; w = w->next) {
        work(WORK_STEP);
        suspect |= w->vain >= TRIAL_GUILTY;
        s->workers += w->sessions > 0;
        well |= w->sessions > 0 && w->proven && w->troubled == 0;
        if (w->sessions == 0 || w->troubled == 0)
            continue;
        s->workers_troubled++;
        snprintf(s->trouble, sizeof s->trouble, "%s: %s", w->name, w->trouble);
    }
    s->undecided = suspect && !well;
}

void core_stats(const struct core *c, struct core_stats *s) {
    size_t at = 0;
    const struct session *session;

    *s = (struct core_stats){
        .pending = c->by_state[TRAWL__STATE__PENDING],
        .fetched = c->by_state[TRAWL__STATE__FETCHED],
        .redirected = c->by_state[TRAWL__STATE__REDIRECTED],
        .excluded = c->by_state[TRAWL__STATE__EXCLUDED],
        .failed = c->by_state[TRAWL__STATE__FAILED],
        .in_flight = c->leased_pages,
        .bytes = c->bytes,
        .commits = c->commits,
        .retries = c->retries,
        .refused = c->refused,
        .origins = c->hosts.count,
        .origins_ready = c->hosts.ready.count,
        .leases = c->leases.by_attempt.count,
        .sessions = (uint32_t)c->leases.sessions.count,
        .workers_lost = c->workers_lost,
        .tasks_reassigned = c->tasks_reassigned,
        .seen_bytes = seen_memory_bytes(c->seen),
        .rules_bytes = c->hosts.rules_pool.bytes,
        .segments_unsealed = c->unsealed,
        .requeued = c->verdicts.queued,
        .excluded_now = c->verdicts.excluded,
    };
    s->known = s->pending + s->fetched + s->redirected + s->excluded + s->failed;
    note_workers(c, s);
    while ((session = map_next(&c->leases.sessions, &at)) != NULL) {
        s->transfers += session->transfers;
        s->bytes_in += session->bytes_in;
    }
}

void core_unsealed(const struct core *c,
                   void (*line)(void *arg, const char *segment, const char *worker), void *arg) {
    size_t at = 0;
    const struct segment *s;

    while ((s = map_next(&c->segments_by_id, &at)) != NULL)
        if (!s->sealed)
            line(arg, s->name, s->worker);
}

/* ---- JSON ------------------------------------------------------------------------------------------------ */

static json_t *number(uint64_t n) {
    return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

static const char *state_name(enum core_state state) {
    switch (state) {
    case CORE_RUNNING:
        return "running";
    case CORE_PAUSED:
        return "paused";
    case CORE_STOPPING:
        return "stopping";
    default:
        return "ended";
    }
}

/* Sums in microseconds, and the same a page. */
static json_t *cost_json(const struct core *c) {
    json_t *sums = json_object(), *shares = json_object();
    struct core_cost cost;
    bool ok = sums != NULL && shares != NULL;

    core_cost(c, &cost);
    for (unsigned i = 0; i < COST_STAGES && ok; i++) {
        const char *name = cost_stage_name((enum cost_stage)i);
        ok = json_object_set_new(sums, name, number(cost.sums.us[i])) == 0 &&
             (cost.pages == 0 ||
              json_object_set_new(shares, name,
                                  json_real((double)cost.sums.us[i] / (double)cost.pages)) == 0);
    }
    if (ok)
        return json_pack("{s:o s:o s:o s:o}", "pages", number(cost.pages), "cpu_us",
                         number(cost_total_us(&cost.sums)), "stages_us", sums, "stages_us_a_page",
                         shares);
    json_decref(sums);
    json_decref(shares);
    return NULL;
}

static json_t *urls_json(const struct core_stats *s) {
    return json_pack("{s:o s:o s:o s:o s:o s:o s:o}", "known", number(s->known), "pending",
                     number(s->pending), "in_flight", number(s->in_flight), "fetched",
                     number(s->fetched), "redirected", number(s->redirected), "excluded",
                     number(s->excluded), "failed", number(s->failed));
}

static json_t *traps_json(const struct core *c) {
    json_t *all = json_object();

    for (enum trap_verdict v = TRAP_NONE + 1; v < TRAP_VERDICTS && all != NULL; v++)
        if (json_object_set_new(all, trap_verdict_name(v), number(c->traps.excluded[v])) != 0) {
            json_decref(all);
            return NULL;
        }
    return all;
}

struct worker_sums {
    uint64_t leases, transfers, bytes_in;
    int64_t silent_ms;
};

static struct worker_sums sum_worker(const struct worker *w, struct now now) {
    struct worker_sums sums = {0};
    const struct session *s;

    for (s = w->first; s != NULL; s = s->sibling) {
        sums.leases += s->lease_count;
        sums.transfers += s->transfers;
        sums.bytes_in += s->bytes_in;
        if (now.mono_ms - s->renewed_ms > sums.silent_ms)
            sums.silent_ms = now.mono_ms - s->renewed_ms;
    }
    return sums;
}

static json_t *workers_json(const struct core *c, struct now now) {
    json_t *list = json_array();

    for (const struct worker *w = c->leases.workers; w != NULL && list != NULL; w = w->next) {
        if (w->sessions == 0)
            continue;
        struct worker_sums sums = sum_worker(w, now);
        json_t *one =
            json_pack("{s:s s:i s:o s:o s:o s:o s:I s:b s:s}", "name", w->name, "loops",
                      (int)w->sessions, "leases", number(sums.leases), "transfers",
                      number(sums.transfers), "fetched", number(w->fetched), "bytes_in",
                      number(sums.bytes_in), "silent_ms", (json_int_t)sums.silent_ms, "draining",
                      (int)w->draining, "trouble", w->troubled > 0 ? w->trouble : "");
        if (json_array_append_new(list, one) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *origins_json(const struct core *c, struct now now) {
    static const char *const places[] = {"idle", "ready", "cooling", "waiting for its address"};
    const struct host_busiest busiest = host_busiest(&c->hosts);
    json_t *list = json_array();

    for (size_t i = 0; i < busiest.count && list != NULL; i++) {
        const struct origin *o = busiest.top[i];
        int64_t rests = host_free_at_ms(&c->hosts, o) - now.mono_ms;
        json_t *one =
            json_pack("{s:s s:o s:o s:o s:s s:I s:i s:o}", "origin", o->name, "queued",
                      number(o->queued), "fetched", number(o->fetched), "errors", number(o->errors),
                      "place", o->leases > 0 ? "leased" : places[o->place], "rests_ms",
                      (json_int_t)(rests > 0 ? rests : 0), "connections", (int)o->connections,
                      "delay_ms", number(host_delay_ms(&c->hosts, o)));
        if (json_array_append_new(list, one) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* Origins that were given up: all of them counted, the first ones named. */
enum { PARKED_NAMED = 100 };

static json_t *parked_json(const struct core *c) {
    json_t *list = json_array();
    uint32_t id = 0;

    for (size_t n = 0; n < PARKED_NAMED && list != NULL; n++) {
        id = id_set_next(&c->hosts.parked, id + 1);
        if (id == ID_SET_NONE)
            break;
        const struct origin *o = host_by_id(&c->hosts, id);
        json_t *one =
            json_pack("{s:s s:s s:s}", "origin", o->name, "state",
                      o->parked == TRAWL__STATE__EXCLUDED ? "excluded" : "failed", "reason",
                      charset_is_valid_utf8(o->reason, strlen(o->reason)) ? o->reason : "?");
        if (json_array_append_new(list, one) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return json_pack("{s:o s:o}", "count", number(c->hosts.parked.count), "origins", list);
}

static json_t *tasks_json(const struct job *j, Trawl__TaskKind kind) {
    const Trawl__TaskFigures *over = j->info == NULL                 ? NULL
                                     : kind == TRAWL__TASK_KIND__MAP ? j->info->maps
                                                                     : j->info->reduces;

    if (j->info != NULL && over == NULL)
        return json_object();
    return json_pack("{s:o s:o s:o}", "idle",
                     number(over != NULL ? over->idle : j->idle[kind].count), "running",
                     number(over != NULL ? over->running : j->running[kind].count), "done",
                     number(over != NULL ? over->done : j->done[kind]));
}

/* Words of a task's function. */
static const char *shown(const char *text) {
    return charset_is_valid_utf8(text, strlen(text)) ? text : "?";
}

static json_t *jobs_json(const struct core *c) {
    static const char *const states[] = {"running", "done", "failed", "cancelled"};
    json_t *list = json_array();

    for (const struct job *j = c->jobs.first; j != NULL && list != NULL; j = j->next) {
        const Trawl__JobInfo *over = j->info;
        json_t *one = json_pack("{s:o s:s s:s s:s s:o s:o s:o s:o}", "job", number(j->number),
                                "name", shown(over != NULL ? over->name : j->spec->name), "state",
                                (unsigned)j->state < 4 ? states[j->state] : "?", "why",
                                shown(over != NULL ? over->why : ""), "started_ms",
                                number(j->started_unix_ms), "ended_ms",
                                number(over != NULL ? over->ended_ms : 0), "maps",
                                tasks_json(j, TRAWL__TASK_KIND__MAP), "reduces",
                                tasks_json(j, TRAWL__TASK_KIND__REDUCE));
        if (json_array_append_new(list, one) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

bool core_status_json(const struct core *c, struct now now, struct buf *out) {
    struct core_stats s;
    bool ok = false;

    core_stats(c, &s);
    json_t *root = json_pack(
        "{s:s s:s? s:I s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o}",
        "state", state_name(c->state), "why", c->why, "running_ms",
        (json_int_t)(now.mono_ms - c->started_ms), "term", number(c->term), "urls", urls_json(&s),
        "traps", traps_json(c), "bytes", number(s.bytes), "retries", number(s.retries), "refused",
        number(s.refused), "origins", number(s.origins), "origins_ready", number(s.origins_ready),
        "leases", number(s.leases), "transfers", number(s.transfers), "workers_lost",
        number(s.workers_lost), "tasks_reassigned", number(s.tasks_reassigned), "segments_unsealed",
        number(s.segments_unsealed), "workers", workers_json(c, now), "busiest",
        origins_json(c, now), "parked", parked_json(c), "jobs", jobs_json(c), "cost", cost_json(c));
    if (root == NULL)
        return false;
    char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(6));
    if (text != NULL)
        ok = buf_append_str(out, text);
    free(text);
    json_decref(root);
    return ok;
}
