/*
 * budget: how large a message may become, counted before anything is added to it. Sizes that a peer or the web decides
 * (robots.txt, URLs, how many of them) are never found too large afterwards: what has no room waits for the next message.
 *
 * Invariants
 *  B1  What a part is said to cost is no less than its bytes on the wire, and no less than what it takes in an arena,
 *      built or decoded: its struct, its place in the list, its bytes, and what protobuf-c notes of each field. So a
 *      message of LIMIT_MESSAGE_BYTES fits LIMIT_RPC_BYTES and LIMIT_ARENA_BYTES.
 *  B2  The first part always has room, whatever it costs: each single part is bounded by limits.h, and all of them are
 *      less than a whole budget (the assertions in budget.c). So what waits has its turn.
 *
 *     struct budget b;
 *     budget_init(&b, LIMIT_MESSAGE_BYTES);
 *     while (more && budget_take(&b, BUDGET_MESSAGE + path_len))
 *         add(...);
 *
 * One owner; part of the message being built.
 */
#ifndef TRAWL_PROTO_BUDGET_H
#define TRAWL_PROTO_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

enum {
    BUDGET_MESSAGE = 256, /* one more message in a list, but for its bytes and lists; */
    BUDGET_OUTCOME = 512, /* an Outcome, or a JobInfo, has many fields */
    BUDGET_OUTPUT = 192,  /* a MapOutput has few, and there may be 65,536 in one task */
    BUDGET_BYTES = 144,   /* one more string in a list, but for its bytes */
    BUDGET_NUMBER = 24,   /* one more number in a list */
};

struct budget {
    size_t left;
    bool begun;    /* something was taken */
    bool promised; /* what comes next belongs to it */
};

void budget_init(struct budget *b, size_t bytes);
/* False: there is no room, and nothing is taken. */
bool budget_take(struct budget *b, size_t bytes);
/* The next thing goes in with the one that was taken last, whatever it costs. */
void budget_promise(struct budget *b);
/* Nothing at all has room any more. */
bool budget_spent(const struct budget *b);

#endif
