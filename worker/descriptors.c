#include "worker/descriptors.h"

#include <fcntl.h>

static uint64_t reserved(uint64_t open, uint32_t loops) {
    return open + DESCRIPTORS_SPARE + (uint64_t)DESCRIPTORS_LOOP * loops;
}

struct descriptors_share descriptors_divide(uint64_t limit, uint64_t open, uint32_t loops,
                                            uint32_t transfers) {
    uint64_t taken = reserved(open, loops), share = limit > taken ? (limit - taken) / loops : 0;
    uint64_t wanted = 2 * (uint64_t)transfers + DESCRIPTORS_IDLE_MAX;
    struct descriptors_share s = {.transfers = transfers};

    if (share / DESCRIPTORS_TRANSFER < transfers)
        s.transfers = (uint32_t)(share / DESCRIPTORS_TRANSFER);
    share -= s.transfers; /* bodies */
    s.connections = (uint32_t)(share < wanted ? share : wanted);
    return s;
}

uint64_t descriptors_least(uint64_t open, uint32_t loops) {
    return reserved(open, loops) + (uint64_t)DESCRIPTORS_TRANSFER * loops;
}

uint64_t descriptors_open(uint64_t below) {
    uint64_t n = 0;

    for (uint64_t fd = 0; fd < below; fd++)
        n += fcntl((int)fd, F_GETFD) >= 0;
    return n;
}
