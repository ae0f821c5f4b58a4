/*
 * libFuzzer target: any requests, in any order, against a real core with a store in memory; and any bytes as a reply
 * and as a record of the crawldb.
 *
 * Whatever comes, the core must not become void, its counts must add up, each reply must be one, and what the store
 * holds in the end must load again: no request may leave a crawl that cannot be resumed.
 *
 * The input is a list of steps: a byte that says what to do, and what it needs. Numbers that only an earlier reply
 * could tell (session, term, attempt, fingerprint, the number of an exchange) are filled in from such a reply unless
 * the step says not to, so that the fuzzer gets behind the first checks.
 */
#include "master/core_state.h"
#include "master/store_mem.h"
#include "proto/wire.h"
#include "shared/limits.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS_MAX = 64, KNOWN_MAX = 64, LIST_MAX = 4 };

struct input {
    const uint8_t *p, *end;
};

struct world {
    struct options options;
    struct store *store;
    struct core *core;
    struct now now;
    struct arena arena; /* of the step's messages */
    struct buf packed, reply;
    uint64_t term, session, number; /* as the last replies told */
    char crawl[17];
    uint64_t attempts[KNOWN_MAX], fps[KNOWN_MAX], seqs[KNOWN_MAX];
    size_t attempt_count, fp_count;
};

static void check(bool holds) {
    if (!holds)
        abort();
}

/* ---- bytes to values ------------------------------------------------------------------------------------- */

static uint8_t take_byte(struct input *in) {
    return in->p < in->end ? *in->p++ : 0;
}

/* Small ones mostly, and now and then any. */
static uint64_t take_number(struct input *in) {
    uint64_t n = take_byte(in);

    if (n < 0xf0)
        return n;
    for (uint64_t bytes = n - 0xf0; bytes > 0; bytes--)
        n = n << 8 | take_byte(in);
    return n;
}

static ProtobufCBinaryData take_bytes(struct world *w, struct input *in) {
    size_t n = take_byte(in), left = (size_t)(in->end - in->p);

    n = n < left ? n : left;
    ProtobufCBinaryData bytes = arena_bytes(&w->arena, in->p, n);
    in->p += n;
    return bytes;
}

static char *take_text(struct world *w, struct input *in) {
    ProtobufCBinaryData bytes = take_bytes(w, in);

    return arena_copy(&w->arena, bytes.data, bytes.len);
}

static char *take_segment(struct world *w, struct input *in) {
    return take_byte(in) % 4 == 0 ? take_text(w, in)
                                  : arena_printf(&w->arena, "w-%s-%llu-1", w->crawl,
                                                 (unsigned long long)take_number(in));
}

static uint64_t take_known(struct input *in, const uint64_t *known, size_t count) {
    uint8_t which = take_byte(in);

    return which == 0xff || count == 0 ? take_number(in) : known[which % count];
}

static void *message(struct world *w, size_t size) {
    void *m = arena_alloc(&w->arena, size);

    check(m != NULL);
    return m;
}

#define NEW(w, var, type, init)                                                                    \
    type *var = message(w, sizeof(type));                                                          \
    init(var)

/* ---- requests that are well formed ------------------------------------------------------------------------- */

static Trawl__Register *take_register(struct world *w, struct input *in) {
    static const char *const names[] = {"w", "v", "w.2", ""};
    static const uint8_t instances[2][16] = {{1}, {2}};
    NEW(w, m, Trawl__Register, trawl__register__init);
    uint8_t how = take_byte(in);

    m->worker = how % 8 == 7 ? take_text(w, in) : (char *)names[how % 4];
    m->instance = how & 8 ? take_bytes(w, in) : arena_bytes(&w->arena, instances[how >> 4 & 1], 16);
    m->loops = (uint32_t)take_number(in) + 1;
    m->loop = (uint32_t)take_number(in);
    m->incarnation = take_number(in);
    m->process = take_number(in) % 4;
    m->place = take_number(in) % 4;
    m->serial = (uint32_t)take_number(in);
    return m;
}

static Trawl__RobotsReport *take_robots(struct world *w, struct input *in) {
    NEW(w, m, Trawl__RobotsReport, trawl__robots_report__init);

    m->rules = take_bytes(w, in);
    m->crawl_delay_ms = (uint32_t)take_number(in);
    m->status = (uint32_t)take_number(in);
    m->valid_ms = (uint32_t)take_number(in);
    if (take_byte(in) & 1)
        m->redirect_to = take_bytes(w, in);
    return m;
}

static Trawl__Outcome *take_outcome(struct world *w, struct input *in) {
    NEW(w, m, Trawl__Outcome, trawl__outcome__init);

    m->fp = take_known(in, w->fps, w->fp_count);
    m->state = (Trawl__State)(take_byte(in) % 8);
    m->reason = take_text(w, in);
    m->status = (uint32_t)take_number(in);
    m->mime = take_bytes(w, in);
    m->length = take_number(in);
    m->digest = take_byte(in) & 1 ? take_bytes(w, in) : (ProtobufCBinaryData){0};
    m->fetched_at_ms = take_number(in);
    m->ip = take_byte(in) & 1 ? take_bytes(w, in) : (ProtobufCBinaryData){0};
    m->redirect_to = take_byte(in) & 1 ? take_bytes(w, in) : (ProtobufCBinaryData){0};
    m->segment = (uint32_t)take_number(in);
    m->offset = take_number(in);
    m->record_length = take_number(in);
    m->n_links = take_byte(in) % (LIST_MAX + 1);
    m->links = message(w, LIST_MAX * sizeof *m->links);
    for (size_t i = 0; i < m->n_links; i++)
        m->links[i] = take_bytes(w, in);
    m->canonical = take_byte(in) & 1 ? take_bytes(w, in) : (ProtobufCBinaryData){0};
    if (take_byte(in) & 1)
        m->robots = take_robots(w, in);
    return m;
}

static Trawl__VisitReport *take_report(struct world *w, struct input *in) {
    NEW(w, m, Trawl__VisitReport, trawl__visit_report__init);

    m->attempt = take_known(in, w->attempts, w->attempt_count);
    m->n_outcomes = take_byte(in) % (LIST_MAX + 1);
    m->outcomes = message(w, LIST_MAX * sizeof(Trawl__Outcome *));
    for (size_t i = 0; i < m->n_outcomes; i++)
        m->outcomes[i] = take_outcome(w, in);
    uint8_t parts = take_byte(in);
    if (parts & 1)
        m->robots = take_robots(w, in);
    if (parts & 2)
        m->address = take_bytes(w, in);
    m->done = (parts & 4) != 0;
    m->want_urls = (uint32_t)take_number(in);
    m->last_request_ago_ms = (uint32_t)take_number(in);
    m->backoff_ms = (uint32_t)take_number(in);
    m->verdict = (Trawl__Verdict)(take_byte(in) % 4);
    m->reason = take_text(w, in);
    return m;
}

static Trawl__Exchange *take_exchange(struct world *w, struct input *in) {
    NEW(w, m, Trawl__Exchange, trawl__exchange__init);
    uint8_t number = take_byte(in);

    m->number = number == 0xff ? take_number(in) : w->number + 1 - number / 0xf0;
    m->want_visits = (uint32_t)take_number(in);
    m->n_segments = take_byte(in) % (LIST_MAX + 1);
    m->segments = message(w, LIST_MAX * sizeof(char *));
    for (size_t i = 0; i < m->n_segments; i++)
        m->segments[i] = take_segment(w, in);
    m->n_visits = take_byte(in) % (LIST_MAX + 1);
    m->visits = message(w, LIST_MAX * sizeof(Trawl__VisitReport *));
    for (size_t i = 0; i < m->n_visits; i++)
        m->visits[i] = take_report(w, in);
    return m;
}

static Trawl__AttachVisit *take_attach_visit(struct world *w, struct input *in) {
    NEW(w, m, Trawl__AttachVisit, trawl__attach_visit__init);
    ProtobufCBinaryData a = arena_bytes(&w->arena, "http://a.example", 16);

    m->attempt = take_known(in, w->attempts, w->attempt_count);
    m->origin = take_byte(in) & 1 ? take_bytes(w, in) : a;
    m->connections = (uint32_t)take_number(in);
    m->address = take_byte(in) & 1 ? take_bytes(w, in) : (ProtobufCBinaryData){0};
    m->n_items = take_byte(in) % (LIST_MAX + 1);
    m->items = message(w, LIST_MAX * sizeof(Trawl__AttachItem *));
    for (size_t i = 0; i < m->n_items; i++) {
        NEW(w, item, Trawl__AttachItem, trawl__attach_item__init);
        uint8_t which = take_byte(in);
        item->fp =
            which == 0xff || w->fp_count == 0 ? take_number(in) : w->fps[which % w->fp_count];
        item->seq =
            which == 0xff || w->fp_count == 0 ? take_number(in) : w->seqs[which % w->fp_count];
        item->depth = (uint32_t)take_number(in);
        item->reported = take_byte(in) & 1;
        item->segment = (uint32_t)take_number(in);
        item->offset = take_number(in);
        m->items[i] = item;
    }
    return m;
}

static Trawl__Attach *take_attach(struct world *w, struct input *in) {
    NEW(w, m, Trawl__Attach, trawl__attach__init);

    m->n_segments = take_byte(in) % (LIST_MAX + 1);
    m->segments = message(w, LIST_MAX * sizeof(char *));
    for (size_t i = 0; i < m->n_segments; i++)
        m->segments[i] = take_segment(w, in);
    m->n_visits = take_byte(in) % (LIST_MAX + 1);
    m->visits = message(w, LIST_MAX * sizeof(Trawl__AttachVisit *));
    for (size_t i = 0; i < m->n_visits; i++)
        m->visits[i] = take_attach_visit(w, in);
    return m;
}

static Trawl__Heartbeat *take_heartbeat(struct world *w, struct input *in) {
    NEW(w, m, Trawl__Heartbeat, trawl__heartbeat__init);

    m->n_attempts = take_byte(in) % (LIST_MAX + 1);
    m->attempts = message(w, LIST_MAX * sizeof *m->attempts);
    for (size_t i = 0; i < m->n_attempts; i++)
        m->attempts[i] = take_known(in, w->attempts, w->attempt_count);
    m->transfers = (uint32_t)take_number(in);
    m->bytes_in = take_number(in);
    return m;
}

static Trawl__SegmentSeal *take_seal(struct world *w, struct input *in) {
    NEW(w, m, Trawl__SegmentSeal, trawl__segment_seal__init);

    m->name = take_segment(w, in);
    m->n_hole_offsets = take_byte(in) % (LIST_MAX + 1);
    m->n_hole_lengths = m->n_hole_offsets;
    m->hole_offsets = message(w, LIST_MAX * sizeof *m->hole_offsets);
    m->hole_lengths = message(w, LIST_MAX * sizeof *m->hole_lengths);
    for (size_t i = 0; i < m->n_hole_offsets; i++) {
        m->hole_offsets[i] = take_number(in);
        m->hole_lengths[i] = take_number(in);
    }
    m->size = take_number(in);
    return m;
}

static Trawl__Control *take_control(struct world *w, struct input *in) {
    NEW(w, m, Trawl__Control, trawl__control__init);

    m->verb = (Trawl__Verb)(take_byte(in) % 8);
    m->worker = take_byte(in) & 1 ? take_text(w, in) : "w";
    m->n_urls = take_byte(in) % (LIST_MAX + 1);
    m->urls = message(w, LIST_MAX * sizeof *m->urls);
    for (size_t i = 0; i < m->n_urls; i++)
        m->urls[i] = take_bytes(w, in);
    return m;
}

static void take_body(struct world *w, struct input *in, Trawl__Request__BodyCase what,
                      Trawl__Request *r) {
    r->body_case = what;
    switch (what) {
    case TRAWL__REQUEST__BODY_REGISTER:
        r->register_ = take_register(w, in);
        break;
    case TRAWL__REQUEST__BODY_ATTACH:
        r->attach = take_attach(w, in);
        break;
    case TRAWL__REQUEST__BODY_HEARTBEAT:
        r->heartbeat = take_heartbeat(w, in);
        break;
    case TRAWL__REQUEST__BODY_EXCHANGE:
        r->exchange = take_exchange(w, in);
        break;
    case TRAWL__REQUEST__BODY_SEGMENT_QUERY:
        r->segment_query = message(w, sizeof *r->segment_query);
        trawl__segment_query__init(r->segment_query);
        r->segment_query->name = take_segment(w, in);
        r->segment_query->from_offset = take_number(in);
        break;
    case TRAWL__REQUEST__BODY_SEGMENT_SEAL:
        r->segment_seal = take_seal(w, in);
        break;
    case TRAWL__REQUEST__BODY_LEAVE:
        r->leave = message(w, sizeof *r->leave);
        trawl__leave__init(r->leave);
        break;
    case TRAWL__REQUEST__BODY_CONTROL:
        r->control = take_control(w, in);
        break;
    default:
        r->body_case = TRAWL__REQUEST__BODY_STATUS;
        r->status = message(w, sizeof *r->status);
        trawl__status__init(r->status);
        break;
    }
}

/* ---- what replies teach ------------------------------------------------------------------------------------- */

static void learn_item(struct world *w, const Trawl__Item *item) {
    size_t at = w->fp_count < KNOWN_MAX ? w->fp_count++ : item->fp % KNOWN_MAX;

    w->fps[at] = item->fp;
    w->seqs[at] = item->seq;
}

static void learn_grants(struct world *w, const Trawl__ExchangeReply *x) {
    for (size_t i = 0; i < x->n_grants; i++) {
        const Trawl__Grant *g = x->grants[i];
        size_t at = w->attempt_count < KNOWN_MAX ? w->attempt_count++ : g->attempt % KNOWN_MAX;
        w->attempts[at] = g->attempt;
        for (size_t j = 0; j < g->n_items; j++)
            learn_item(w, g->items[j]);
    }
    for (size_t i = 0; i < x->n_visits; i++)
        for (size_t j = 0; j < x->visits[i]->n_more; j++)
            learn_item(w, x->visits[i]->more[j]);
}

static void learn(struct world *w) {
    const Trawl__Reply *r = wire_reply_unpack(&w->arena, w->reply.data, w->reply.len);

    check(r != NULL && r->version == WIRE_VERSION && r->code <= TRAWL__CODE__REFUSED);
    w->term = r->term;
    if (r->code != TRAWL__CODE__OK)
        return;
    if (r->body_case == TRAWL__REPLY__BODY_REGISTER) {
        if (r->register_->session != w->session)
            w->number = 0;
        w->session = r->register_->session;
        memcpy(w->crawl, r->register_->options->crawl, sizeof w->crawl);
    } else if (r->body_case == TRAWL__REPLY__BODY_ATTACH) {
        w->number = 0;
    } else if (r->body_case == TRAWL__REPLY__BODY_EXCHANGE) {
        w->number = r->exchange->number;
        learn_grants(w, r->exchange);
    }
}

/* ---- steps ----------------------------------------------------------------------------------------------------- */

static void check_core(const struct world *w) {
    struct core_stats s;

    check(!core_failed(w->core, NULL));
    core_stats(w->core, &s);
    check(s.known == s.pending + s.fetched + s.redirected + s.excluded + s.failed);
    check(s.in_flight <= s.pending);
    for (size_t i = 0; i < w->core->hosts.count; i++) {
        const struct origin *o = w->core->hosts.by_id[i];
        check(o == NULL || o->connections <= w->options.host_connections);
    }
}

static void send(struct world *w, const Trawl__Request *r) {
    (void)core_request(w->core, w->now, r, "tcp://192.0.2.1:1", &w->reply);
    check_core(w);
    learn(w);
}

static void send_message(struct world *w, struct input *in, uint8_t op) {
    Trawl__Request r = TRAWL__REQUEST__INIT;
    uint8_t how = take_byte(in);

    r.version = WIRE_VERSION;
    r.session = how & 1 ? take_number(in) : w->session;
    r.term = how & 2 ? take_number(in) : w->term;
    take_body(w, in, (Trawl__Request__BodyCase)op, &r);
    buf_reset(&w->packed);
    check(wire_pack(&w->packed, &r.base));
    const Trawl__Request *again = wire_request_unpack(&w->arena, w->packed.data, w->packed.len);
    /* A string with a NUL in it is shorter than it was, but a message all the same. */
    check(again != NULL && again->body_case == r.body_case);
    send(w, again);
}

static void send_raw(struct world *w, struct input *in) {
    size_t n = take_byte(in) * 4u, left = (size_t)(in->end - in->p);

    n = n < left ? n : left;
    Trawl__Request *r = wire_request_unpack(&w->arena, in->p, n);
    in->p += n;
    if (r == NULL)
        return;
    r->version = WIRE_VERSION;
    r->session = r->session == 0 ? w->session : r->session;
    r->term = r->term == 0 ? w->term : r->term;
    send(w, r);
}

static void load(struct world *w) {
    static const unsigned char random16[16] = {7};

    w->core = core_new(&w->options, w->store, w->now, random16, NULL);
    check(w->core != NULL);
    check_core(w);
}

static void step(struct world *w, struct input *in) {
    uint8_t op = take_byte(in);
    uint64_t synced;

    arena_reset(&w->arena);
    switch (op % 16) {
    case 0:
        send_raw(w, in);
        break;
    case 1:
        w->now.mono_ms += take_number(in) % 100000;
        w->now.unix_ms = w->now.mono_ms;
        core_tick(w->core, w->now);
        check_core(w);
        break;
    case 2:
        check(store_sync(w->store, &synced, NULL));
        core_free(w->core);
        load(w);
        break;
    default: /* 10 .. 18 of Request.body, exchanges more often */
        send_message(w, in, op % 16 < 7 ? 13 : (uint8_t)(3 + op % 16));
        break;
    }
}

static void crawl(const uint8_t *data, size_t size) {
    static const char seed[] = "http://a.example/", other[] = "http://b.example/x";
    struct input in = {data, data + size};
    struct world w = {.now = {.mono_ms = 1000000, .unix_ms = 1000000}};

    check(options_init(&w.options));
    w.options.delay_ms = size % 2 == 0 ? 0 : 1000;
    w.options.host_connections = 4;
    w.options.scope = SCOPE_ANY;
    w.store = store_mem_new();
    check(w.store != NULL);
    arena_init(&w.arena, LIMIT_ARENA_BYTES);
    buf_init(&w.packed, LIMIT_WIRE_BYTES);
    buf_init(&w.reply, LIMIT_WIRE_BYTES);
    load(&w);
    check(core_seed(w.core, w.now, seed, sizeof seed - 1, NULL));
    check(core_seed(w.core, w.now, other, sizeof other - 1, NULL));
    for (int i = 0; i < STEPS_MAX && in.p < in.end; i++)
        step(&w, &in);
    core_free(w.core);
    load(&w);
    core_free(w.core);
    store_close(w.store);
    arena_release(&w.arena);
    buf_release(&w.packed);
    buf_release(&w.reply);
    options_release(&w.options);
}

/* ---- single messages --------------------------------------------------------------------------------------------- */

static void unpack_any(uint8_t which, const uint8_t *data, size_t size) {
    static const ProtobufCMessageDescriptor *const types[] = {
        &trawl__request__descriptor,       &trawl__reply__descriptor,
        &trawl__queued_url__descriptor,    &trawl__done_url__descriptor,
        &trawl__stored_origin__descriptor, &trawl__stored_segment__descriptor,
        &trawl__stored_session__descriptor};
    struct arena a;
    struct buf one, other;

    arena_init(&a, LIMIT_ARENA_BYTES);
    buf_init(&one, LIMIT_WIRE_BYTES);
    buf_init(&other, LIMIT_WIRE_BYTES);
    const ProtobufCMessageDescriptor *type = types[which % (sizeof types / sizeof types[0])];
    const ProtobufCMessage *m = wire_unpack(&a, type, data, size);
    if (m != NULL && wire_pack(&one, m)) {
        m = wire_unpack(&a, type, one.data, one.len);
        check(m != NULL && wire_pack(&other, m));
        check(one.len == other.len && (one.len == 0 || memcmp(one.data, other.data, one.len) == 0));
    }
    check(a.bytes <= a.bytes_max);
    buf_release(&one);
    buf_release(&other);
    arena_release(&a);
}

/* A crawldb with any record in it loads, or says that it cannot. */
static void load_any(uint8_t which, const uint8_t *data, size_t size) {
    static const char groups[] = "SoqusgwM";
    static const unsigned char random16[16] = {7};
    struct options options;
    struct store *store = store_mem_new();
    struct batch batch;
    uint64_t seq;
    struct error err = {0};
    unsigned char key[32] = {(unsigned char)groups[which % 8]};
    size_t key_len = size > 0 ? data[0] % 16 : 0;

    key_len = size > 0 && key_len < size ? key_len : 0;
    batch_init(&batch);
    check(store != NULL && options_init(&options));
    if (size > 0)
        memcpy(key + 1, data + 1, key_len);
    size_t at = size > 0 ? key_len + 1 : 0;
    check(batch_put(&batch, key, key_len + 1, data + at, size - at));
    check(store_write(store, &batch, &seq, &err));
    struct core *c =
        core_new(&options, store, (struct now){.mono_ms = 1000, .unix_ms = 1000}, random16, &err);
    check(c != NULL || err.text[0] != '\0');
    core_free(c);
    batch_release(&batch);
    store_close(store);
    options_release(&options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    if (data[0] < 0xe0)
        crawl(data, size);
    else if (data[0] < 0xf0)
        unpack_any(data[1], data + 2, size - 2);
    else
        load_any(data[1], data + 2, size - 2);
    return 0;
}
