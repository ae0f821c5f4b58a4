#include "master/host.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "shared/limits.h"
#include "shared/work.h"

void host_table_init(struct host_table *t, struct host_rules rules) {
    *t = (struct host_table){.rules = rules};
    map_init(&t->addresses);
    heap_init(&t->cooling);
}

static void origin_free(struct origin *o) {
    guest_release(o);
    free(o->reason);
    free(o);
}

void host_table_release(struct host_table *t) {
    size_t at = 0;

    for (size_t i = 0; i < t->count; i++)
        if (t->by_id[i] != NULL)
            origin_free(t->by_id[i]);
    free(t->by_id);
    for (void *a; (a = map_next(&t->addresses, &at)) != NULL;)
        free(a);
    free(t->by_name);
    rules_pool_release(&t->rules_pool);
    map_release(&t->addresses);
    heap_release(&t->cooling);
    id_set_release(&t->ready);
    id_set_release(&t->parked);
    host_table_init(t, t->rules);
}

/* ---- names ---------------------------------------------------------------------------------------------- */

static uint64_t name_hash(const char *name, size_t len) {
    return XXH3_64bits(name, len);
}

static bool is_named(const struct host_table *t, struct host_name n, uint64_t hash,
                     const char *name, size_t len) {
    if (n.hash != (uint32_t)hash)
        return false;
    const struct origin *o = t->by_id[n.id - 1];
    return o->name_len == len && memcmp(o->name, name, len) == 0;
}

struct origin *host_find(const struct host_table *t, const char *name, size_t len) {
    uint64_t hash = name_hash(name, len);

    if (t->by_name_size == 0)
        return NULL;
    for (size_t i = (uint32_t)hash & (t->by_name_size - 1); t->by_name[i].id != 0;
         i = (i + 1) & (t->by_name_size - 1))
        if (is_named(t, t->by_name[i], hash, name, len))
            return t->by_id[t->by_name[i].id - 1];
    return NULL;
}

static void name_put(struct host_name *slots, size_t size, struct host_name n) {
    size_t i = n.hash & (size - 1);

    while (slots[i].id != 0)
        i = (i + 1) & (size - 1);
    slots[i] = n;
}

/* Room for `count` names: at most three in four slots are taken. They move without a look at the origins, which lie all over
 * the memory: a million in about 15 ms. */
static bool name_room(struct host_table *t, size_t count) {
    size_t size = t->by_name_size == 0 ? 64 : t->by_name_size;

    while (count > size - size / 4)
        size *= 2;
    if (size == t->by_name_size)
        return true;
    struct host_name *slots = calloc(size, sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < t->by_name_size; i++)
        if (t->by_name[i].id != 0)
            name_put(slots, size, t->by_name[i]);
    free(t->by_name);
    t->by_name = slots;
    t->by_name_size = size;
    return true;
}

struct origin *host_by_id(const struct host_table *t, uint32_t id) {
    return id == 0 || id > t->count ? NULL : t->by_id[id - 1];
}

/* The address that a name like http://127.0.0.1:80 or http://[::1] spells, if it does. */
static size_t literal_address(const char *name, unsigned char out[16]) {
    const char *host = strstr(name, "://");
    char text[64];

    if (host == NULL)
        return 0;
    host += 3;
    bool v6 = *host == '[';
    host += v6;
    size_t n = strcspn(host, v6 ? "]" : ":/");
    if (n >= sizeof text)
        return 0;
    memcpy(text, host, n);
    text[n] = '\0';
    if (v6)
        return inet_pton(AF_INET6, text, out) == 1 ? 16 : 0;
    return inet_pton(AF_INET, text, out) == 1 ? 4 : 0;
}

static bool id_room(struct host_table *t, uint32_t id) {
    if (id > t->size) {
        size_t size = t->size == 0 ? 64 : t->size * 2;
        while (size < id)
            size *= 2;
        if (!id_set_reserve(&t->ready, (uint32_t)size + 1) ||
            !id_set_reserve(&t->parked, (uint32_t)size + 1))
            return false;
        struct origin **by_id = realloc(t->by_id, size * sizeof(struct origin *));
        if (by_id == NULL)
            return false;
        t->by_id = by_id;
        t->size = size;
    }
    while (t->count < id)
        t->by_id[t->count++] = NULL;
    return true;
}

struct origin *host_add(struct host_table *t, uint32_t id, const char *name, size_t len) {
    struct origin *o = calloc(1, offsetof(struct origin, name) + len + 1);

    if (o == NULL || !id_room(t, id) || !name_room(t, t->count))
        goto fail;
    assert(t->by_id[id - 1] == NULL);
    o->id = id;
    o->depth = UINT32_MAX;
    memcpy(o->name, name, len);
    o->name_len = (uint32_t)len;
    o->address_len = (uint8_t)literal_address(o->name, o->address);
    name_put(t->by_name, t->by_name_size,
             (struct host_name){.id = id, .hash = (uint32_t)name_hash(name, len)});
    t->by_id[id - 1] = o;
    return o;

fail:
    if (o != NULL)
        origin_free(o);
    return NULL;
}

uint32_t host_delay_ms(const struct host_table *t, const struct origin *o) {
    return o->crawl_delay_ms > t->rules.delay_ms ? o->crawl_delay_ms : t->rules.delay_ms;
}

void host_set_robots(struct origin *o, uint64_t rules, uint32_t crawl_delay_ms, uint32_t status,
                     int64_t until_unix_ms) {
    o->rules = rules;
    o->crawl_delay_ms = crawl_delay_ms;
    o->robots_status = status;
    o->robots_until_unix_ms = until_unix_ms;
    o->robots_state = HOST_ROBOTS_KNOWN;
    o->robots_hops = 0;
}

int64_t host_free_at_ms(const struct host_table *t, const struct origin *o) {
    int64_t rested = o->id > t->rested_count ? 0 : t->rested_ms + host_delay_ms(t, o);

    return rested > o->free_at_ms ? rested : o->free_at_ms;
}

void host_rest_all(struct host_table *t, int64_t now_ms, bool held) {
    t->rested_ms = now_ms;
    t->rested_count = (uint32_t)t->count;
    t->held = held;
}

bool host_park(struct host_table *t, struct origin *o, Trawl__State state, const char *reason) {
    char *copy = strdup(reason);

    if (copy == NULL)
        return false;
    free(o->reason);
    o->reason = copy;
    o->parked = state;
    id_set_add(&t->parked, o->id);
    return true;
}

void host_unpark(struct host_table *t, struct origin *o) {
    id_set_remove(&t->parked, o->id);
    free(o->reason);
    o->reason = NULL;
    o->parked = TRAWL__STATE__PENDING;
    o->failures = o->culprits = 0;
    o->rest_until_ms = o->rest_until_unix_ms = 0;
    o->rest_ms = 0;
    o->exhausted = false;
}

/* ---- places ------------------------------------------------------------------------------------------ */

static void list_add(struct origin **first, struct origin **last, struct origin *o) {
    o->next = NULL;
    o->prev = *last;
    if (*last != NULL)
        (*last)->next = o;
    else
        *first = o;
    *last = o;
}

static void list_take(struct origin **first, struct origin **last, struct origin *o) {
    if (o->prev != NULL)
        o->prev->next = o->next;
    else
        *first = o->next;
    if (o->next != NULL)
        o->next->prev = o->prev;
    else
        *last = o->prev;
    o->prev = o->next = NULL;
}

static void address_drop_if_idle(struct host_table *t, struct host_address *a);

/* Takes the origin from where it is and puts it to `place`; `until_ms` for COOLING, `address` for WAITING. */
static bool host_place(struct host_table *t, struct origin *o, enum host_place place,
                       int64_t until_ms, struct host_address *address) {
    struct host_address *left = NULL;

    switch (o->place) {
    case HOST_OUT:
        break;
    case HOST_READY:
        id_set_remove(&t->ready, o->id);
        break;
    case HOST_COOLING:
        heap_remove(&t->cooling, &o->cooling);
        break;
    case HOST_WAITING:
        left = o->waits_for;
        list_take(&left->first, &left->last, o);
        t->waiting_count--;
        break;
    }
    o->place = HOST_OUT;
    switch (place) {
    case HOST_OUT:
        break;
    case HOST_READY:
        id_set_add(&t->ready, o->id);
        break;
    case HOST_COOLING:
        o->cooling.place = 0;
        if (!heap_set(&t->cooling, &o->cooling, until_ms))
            return false;
        break;
    case HOST_WAITING:
        list_add(&address->first, &address->last, o);
        o->waits_for = address;
        t->waiting_count++;
        break;
    }
    o->place = place;
    if (left != NULL && left != address)
        address_drop_if_idle(t, left);
    return true;
}

static uint64_t address_hash(const void *address, size_t len) {
    return XXH3_64bits_withSeed(address, len, len);
}

/* Addresses are at most 16 bytes and XXH3 is injective enough on them for a table; equality is checked. */
static struct host_address *address_find(const struct host_table *t, const void *address,
                                         size_t len) {
    struct host_address *a = map_get(&t->addresses, address_hash(address, len));

    if (a != NULL && (a->len != len || memcmp(a->bytes, address, len) != 0))
        return NULL;
    return a;
}

static struct host_address *address_get(struct host_table *t, const void *address, size_t len) {
    struct host_address *a = address_find(t, address, len);

    if (a != NULL || len > sizeof a->bytes)
        return a;
    a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    memcpy(a->bytes, address, len);
    a->len = len;
    if (map_get(&t->addresses, address_hash(address, len)) != NULL ||
        !map_put(&t->addresses, address_hash(address, len), a)) {
        free(a);
        return NULL;
    }
    return a;
}

static void address_drop_if_idle(struct host_table *t, struct host_address *a) {
    if (a->connections > 0 || a->first != NULL)
        return;
    map_remove(&t->addresses, address_hash(a->bytes, a->len));
    free(a);
}

uint32_t host_pages_leased(const struct origin *o) {
    return o->leased - guest_leased(o);
}

uint32_t host_pages_queued(const struct origin *o) {
    return o->queued - guest_count(o);
}

static bool no_page_room(const struct host_table *t, const struct origin *o) {
    return t->rules.max_pages > 0 && o->fetched + host_pages_leased(o) >= t->rules.max_pages;
}

bool host_is_full(const struct host_table *t, const struct origin *o) {
    return host_pages_queued(o) > 0 && o->parked == TRAWL__STATE__PENDING && no_page_room(t, o);
}

static bool page_grantable(const struct host_table *t, const struct origin *o) {
    return host_pages_queued(o) > host_pages_leased(o) && !o->exhausted &&
           o->robots_state != HOST_ROBOTS_ELSEWHERE && !no_page_room(t, o);
}

/* May one more lease be granted on it, time and address aside? Guests need no rules and no room (guest.h). */
static bool grantable(const struct host_table *t, const struct origin *o) {
#ifdef MUTANT_GUESTS_WAIT
    if (o->robots_state == HOST_ROBOTS_ELSEWHERE)
        return false;
#endif
    if (o->parked != TRAWL__STATE__PENDING || (guest_first(o) == NULL && !page_grantable(t, o)))
        return false;
    if (o->leases == 0)
        return true;
    return host_delay_ms(t, o) == 0 && o->robots_state == HOST_ROBOTS_KNOWN &&
           o->connections < t->rules.host_connections;
}

bool host_update(struct host_table *t, struct origin *o, int64_t now_ms) {
    work(WORK_RECORD);
    if (!grantable(t, o))
        return o->place == HOST_OUT || host_place(t, o, HOST_OUT, 0, NULL);
    int64_t free_at_ms = host_free_at_ms(t, o);
    if (t->held || free_at_ms > now_ms)
        return host_place(t, o, HOST_COOLING, free_at_ms, NULL);

    struct host_address *a =
        o->address_len == 0 ? NULL : address_find(t, o->address, o->address_len);
    if (a != NULL && a->connections >= t->rules.ip_connections)
        return o->place == HOST_WAITING || host_place(t, o, HOST_WAITING, 0, a);
    return o->place == HOST_READY || host_place(t, o, HOST_READY, 0, NULL);
}

bool host_thaw(struct host_table *t, int64_t now_ms) {
    struct heap_item *it = heap_min(&t->cooling);

    if (t->held || it == NULL || it->key > now_ms)
        return false;
    struct origin *o = (struct origin *)((char *)it - offsetof(struct origin, cooling));
    /* Leaving the heap for a list, or moving in it, needs no memory. */
    (void)host_update(t, o, now_ms);
    return true;
}

struct origin *host_take_ready(struct host_table *t) {
    uint32_t id = id_set_next(&t->ready, t->ready_after + 1);

    if (id == ID_SET_NONE)
        id = id_set_next(&t->ready, 0);
    if (id == ID_SET_NONE)
        return NULL;
    t->ready_after = id;
    struct origin *o = host_by_id(t, id);
    (void)host_place(t, o, HOST_OUT, 0, NULL);
    return o;
}

bool host_take(struct host_table *t, struct origin *o) {
    return o->place == HOST_READY && host_place(t, o, HOST_OUT, 0, NULL);
}

void host_keep_turn(struct host_table *t, const struct origin *o) {
    t->ready_after = o->id - 1;
}

size_t host_active(const struct host_table *t) {
    return t->ready.count + t->waiting_count + t->cooling.count;
}

int64_t host_next_ms(const struct host_table *t) {
    const struct heap_item *it = t->held ? NULL : heap_min(&t->cooling);

    return it == NULL ? INT64_MAX : it->key;
}

/* ---- a survey ---------------------------------------------------------------------------------------- */

static void survey_one(struct host_busiest *b, const struct origin *o) {
    size_t at = b->count;

    if (o->queued == 0 || (at == HOST_BUSIEST && o->queued <= b->top[at - 1]->queued))
        return;
    if (b->count < HOST_BUSIEST)
        b->count++;
    else
        at--;
    for (; at > 0 && b->top[at - 1]->queued < o->queued; at--)
        b->top[at] = b->top[at - 1];
    b->top[at] = o;
}

bool host_survey(struct host_table *t) {
    if (t->count <= LIMIT_SURVEY_ORIGINS)
        return false;
    if (t->survey.next >= t->count) {
        t->survey.found = t->survey.building;
        t->survey.building.count = 0;
        t->survey.next = 0;
        return false;
    }
    work(WORK_STEP);
    const struct origin *o = t->by_id[t->survey.next++];
    if (o != NULL)
        survey_one(&t->survey.building, o);
    return true;
}

struct host_busiest host_busiest(const struct host_table *t) {
    struct host_busiest now = {.count = 0};

    if (t->count > LIMIT_SURVEY_ORIGINS) {
        for (size_t i = 0; i < t->survey.found.count; i++)
            survey_one(&now, t->survey.found.top[i]);
        return now;
    }
    for (size_t i = 0; i < t->count; i++)
        if (t->by_id[i] != NULL)
            survey_one(&now, t->by_id[i]);
    work(t->count * WORK_STEP);
    return now;
}

/* ---- connections ------------------------------------------------------------------------------------- */

uint32_t host_book(struct host_table *t, struct origin *o, uint32_t wanted,
                   struct host_address **address) {
    struct host_address *a = NULL;
    uint32_t n = t->rules.host_connections - o->connections;

    *address = NULL;
    if (o->connections >= t->rules.host_connections)
        return 0;
    if (n > wanted)
        n = wanted;
    if (o->address_len > 0) {
        a = address_get(t, o->address, o->address_len);
        if (a == NULL || a->connections >= t->rules.ip_connections)
            return 0;
        if (n > t->rules.ip_connections - a->connections)
            n = t->rules.ip_connections - a->connections;
        a->connections += n;
        *address = a;
    }
    o->connections += n;
    o->leases++;
    return n;
}

bool host_book_address(struct host_table *t, struct origin *o, const void *address, size_t len,
                       uint32_t connections, bool force, struct host_address **booked) {
    *booked = NULL;
    if (connections == 0)
        return true;
    struct host_address *a = address_get(t, address, len);
    if (a == NULL)
        return false;
    memcpy(o->address, address, len);
    o->address_len = (uint8_t)len;
    if (!force && a->connections + connections > t->rules.ip_connections) {
        address_drop_if_idle(t, a);
        return false;
    }
    a->connections += connections;
    *booked = a;
    return true;
}

void host_unbook(struct host_table *t, struct origin *o, struct host_address *address,
                 uint32_t connections) {
    assert(o->connections >= connections && o->leases > 0);
    o->connections -= connections;
    o->leases--;
    host_release_address(t, address, connections);
}

void host_release_address(struct host_table *t, struct host_address *address,
                          uint32_t connections) {
    if (address == NULL)
        return;
    assert(address->connections >= connections);
    address->connections -= connections;
    uint32_t spare = address->connections >= t->rules.ip_connections
                         ? 0
                         : t->rules.ip_connections - address->connections;
    address->connections++; /* keeps it from being dropped with its last waiter */
    for (; spare > 0 && address->first != NULL; spare--) {
        struct origin *waiter = address->first;
        (void)host_place(t, waiter, HOST_OUT, 0, NULL);
        (void)host_place(t, waiter, HOST_READY, 0, NULL);
    }
    address->connections--;
    address_drop_if_idle(t, address);
}
