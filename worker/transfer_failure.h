/*
 * transfer_failure: why a transfer failed, in the words of docs/architecture.md, "Reasons", from what curl, the system and
 * OpenSSL say of it; and whether another attempt may do better. For transfer.c.
 */
#ifndef TRAWL_WORKER_TRANSFER_FAILURE_H
#define TRAWL_WORKER_TRANSFER_FAILURE_H

#include <curl/curl.h>

#include "worker/transfer.h"

void transfer_fail(struct transfer *t, enum agent_failure failure, const char *reason);
/* Sets failure, unreached, unproven and reason of a transfer that curl has ended with `code`, or leaves them: a response that counts. The easy
 * handle and the header block must still be there. */
void transfer_judge(struct transfer *t, CURLcode code);

#endif
