#include "proto/budget.h"

#include "proto/trawl.pb-c.h"
#include "shared/limits.h"

/* B1: struct, place in its list, rounding, and what protobuf-c notes of a field while it decodes, at most twice over. */
enum { NOTED_BYTES = 2 * 40, ROUNDING_BYTES = 32 };

#define COVERS(cost, type)                                                                         \
    _Static_assert(sizeof(type) + sizeof(void *) + NOTED_BYTES + ROUNDING_BYTES <= (cost),         \
                   "the budget counts " #type " too low")

COVERS(BUDGET_MESSAGE, Trawl__Item);
COVERS(BUDGET_MESSAGE, Trawl__Grant);
COVERS(BUDGET_MESSAGE, Trawl__VisitReply);
COVERS(BUDGET_MESSAGE, Trawl__VisitReport);
COVERS(BUDGET_MESSAGE, Trawl__RobotsReport);
COVERS(BUDGET_MESSAGE, Trawl__AttachVisit);
COVERS(BUDGET_MESSAGE, Trawl__AttachItem);
COVERS(BUDGET_MESSAGE, Trawl__MapServer);
COVERS(BUDGET_OUTPUT, Trawl__MapOutput);
COVERS(BUDGET_MESSAGE, Trawl__TaskCounter);
COVERS(BUDGET_MESSAGE, Trawl__SkippedRecord);
COVERS(BUDGET_OUTCOME, Trawl__Outcome);
COVERS(BUDGET_OUTCOME, Trawl__JobInfo);
COVERS(BUDGET_BYTES, ProtobufCBinaryData);

/* B2. The largest parts: the robots.txt of one origin with a URL; a URL with its Capture; an outcome without links. */
_Static_assert((int)LIMIT_MESSAGE_BYTES <= (int)LIMIT_RPC_BYTES &&
                   (int)LIMIT_MESSAGE_BYTES <= (int)LIMIT_ARENA_BYTES / 2,
               "a whole budget is a message that can be sent");
_Static_assert((size_t)LIMIT_JOB_SPLITS *BUDGET_OUTPUT + LIMIT_JOB_SPEC_BYTES < LIMIT_MESSAGE_BYTES,
               "a task that reads the output of as many map tasks as there may be can be granted");
_Static_assert(LIMIT_ROBOTS_ENCODED_BYTES + 8 * LIMIT_URL_BYTES < LIMIT_MESSAGE_BYTES / 4,
               "the largest part has room beside what an answer must have");

void budget_init(struct budget *b, size_t bytes) {
    *b = (struct budget){.left = bytes};
}

bool budget_take(struct budget *b, size_t bytes) {
#ifdef MUTANT_NO_BUDGET
    return true;
#endif
    if (bytes > b->left && b->begun && !b->promised)
        return false;
    b->begun = true;
    b->promised = false;
    b->left -= bytes < b->left ? bytes : b->left;
    return true;
}

void budget_promise(struct budget *b) {
    b->promised = true;
}

bool budget_spent(const struct budget *b) {
#ifdef MUTANT_NO_BUDGET
    return false;
#endif
    return b->begun && !b->promised && b->left < BUDGET_MESSAGE;
}
