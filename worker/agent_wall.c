#include "worker/agent_wall.h"

#include <stdlib.h>
#include <string.h>

#include "shared/http_status.h"

static bool in_origin(const struct visit *v, const struct agent_outcome *o) {
    return o->redirect && o->redirect_to_len > v->origin_len &&
           o->redirect_to[v->origin_len] == '/' &&
           memcmp(o->redirect_to, v->origin, v->origin_len) == 0;
}

static bool leads_home(const struct visit_url *u, const struct agent_outcome *o) {
    return o->redirect_to_len == u->len && memcmp(o->redirect_to, u->text, u->len) == 0;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* The octet at *p, an escape counting as what it stands for; moves *p behind it. */
static unsigned char next_octet(const char **p, const char *end) {
    int high = -1, low = -1;

    if (**p == '%' && end - *p > 2) {
        high = hex_value((*p)[1]);
        low = hex_value((*p)[2]);
    }
    *p += high >= 0 && low >= 0 ? 3 : 1;
    return high >= 0 && low >= 0 ? (unsigned char)((unsigned)high << 4 | (unsigned)low)
                                 : (unsigned char)(*p)[-1];
}

static bool begins_with(const char *p, const char *end, const char *word, const char *word_end) {
    while (word < word_end && p < end)
        if (next_octet(&p, end) != next_octet(&word, word_end))
            return false;
    return word == word_end;
}

/* Whether the target's query has the page's path: where to go back to. */
static bool names_page(const struct visit_url *u, const struct agent_outcome *o) {
    const char *end = o->redirect_to + o->redirect_to_len;
    const char *query = memchr(o->redirect_to, '?', o->redirect_to_len);
    const char *path = u->text + u->path_at, *path_end = u->text + u->len;

    for (const char *p = query; path_end - path > 1 && p != NULL && p < end; p++)
        if (begins_with(p, end, path, path_end))
            return true;
    return false;
}

bool agent_wall_stands(const struct agent *a, const struct visit *v, const struct visit_url *u,
                       const struct agent_outcome *o) {
    if (u->robots || u->gone || u->rounds >= WALL_ROUNDS_MAX)
        return false;
    if (u->detour != NULL) /* a detour that failed is an attempt at the page */
        return o->failure == AGENT_NO_FAILURE && !http_status_is_temporary(o->status);
    if (!a->cookies || u->attempts > 0 || !in_origin(v, o))
        return false;
    return o->set_cookie || (!leads_home(u, o) && names_page(u, o));
}

static void drop_detour(struct visit_url *u) {
    free(u->detour);
    u->detour = NULL;
}

void agent_wall_give_up(struct visit_url *u) {
    drop_detour(u);
    u->rounds = WALL_ROUNDS_MAX;
}

/* False: no memory. */
static bool go_on(struct visit *v, struct visit_url *u, const struct agent_outcome *o) {
    struct visit_detour *next = malloc(sizeof *next + o->redirect_to_len + 1);

    if (next == NULL)
        return false;
    *next =
        (struct visit_detour){.len = o->redirect_to_len,
                              .path_at = v->origin_len,
                              .hops = u->detour == NULL ? 1 : u->detour->hops + 1,
                              .cookie = o->set_cookie || (u->detour != NULL && u->detour->cookie)};
    memcpy(next->text, o->redirect_to, next->len);
    next->text[next->len] = '\0';
    drop_detour(u);
    u->detour = next;
    return true;
}

void agent_wall_again(struct agent *a, struct visit *v, struct visit_url *u,
                      const struct agent_outcome *o) {
    bool cookie = o->set_cookie || (u->detour != NULL && u->detour->cookie);
    unsigned hops = u->detour == NULL ? 0 : u->detour->hops;

    if (in_origin(v, o) && leads_home(u, o) && cookie) {
        drop_detour(u);
        u->rounds++;
    } else if (!in_origin(v, o) || leads_home(u, o) || hops == WALL_HOPS_MAX) {
        agent_wall_give_up(u);
    } else if (!go_on(v, u, o)) {
        a->out_of_memory = true;
    }
    visit_list_add_first(&v->queue, u);
}
