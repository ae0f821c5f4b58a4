#include "worker/watches.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

struct watch {
    uint32_t wanted, told;
    int next_changed;
    bool changed;
};

void watches_init(struct watches *w, int epoll_fd, uint32_t tag) {
    *w = (struct watches){.epoll_fd = epoll_fd, .tag = tag, .changed = -1};
}

void watches_release(struct watches *w) {
    free(w->items);
    watches_init(w, w->epoll_fd, w->tag);
}

static bool make_room(struct watches *w, size_t count) {
    size_t size = w->size < 64 ? 64 : w->size;

    if (count <= w->size)
        return true;
    while (size < count)
        size *= 2;
    struct watch *more = realloc(w->items, size * sizeof *more);
    if (more == NULL)
        return false;
    memset(more + w->size, 0, (size - w->size) * sizeof *more);
    w->items = more;
    w->size = size;
    return true;
}

bool watches_set(struct watches *w, int fd, uint32_t events) {
    if (fd < 0 || !make_room(w, (size_t)fd + 1))
        return false;
    struct watch *it = &w->items[fd];
    it->wanted = events;
    if (!it->changed) {
        it->changed = true;
        it->next_changed = w->changed;
        w->changed = fd;
    }
    return true;
}

void watches_forget(struct watches *w, int fd) {
    if (fd >= 0 && (size_t)fd < w->size)
        w->items[fd].wanted = w->items[fd].told = 0;
}

void watches_apply(struct watches *w) {
    for (int fd = w->changed; fd >= 0; fd = w->items[fd].next_changed) {
        struct watch *it = &w->items[fd];
        struct epoll_event ev = {.events = it->wanted,
                                 .data.u64 = (uint64_t)w->tag << 32 | (uint32_t)fd};
        it->changed = false;
        if (it->wanted == it->told)
            continue;
        int op = it->told == 0 ? EPOLL_CTL_ADD : it->wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
        it->told = epoll_ctl(w->epoll_fd, op, fd, &ev) == 0 ? it->wanted : 0;
    }
    w->changed = -1;
}
