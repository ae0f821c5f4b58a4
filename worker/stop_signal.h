/*
 * stop_signal: SIGINT, SIGTERM and SIGHUP as something to wait for: an eventfd that becomes readable with the first one. A
 * second one ends the process at once (exit code 130), whatever it is waiting for. SIGPIPE is ignored, SIGHUP stays so if it
 * was (nohup).
 *
 * The eventfd stays open to the end of the process, for a late signal may still write to it; others may write to it, too.
 * For the whole process: call once, before there are other threads.
 */
#ifndef TRAWL_WORKER_STOP_SIGNAL_H
#define TRAWL_WORKER_STOP_SIGNAL_H

#include "shared/error.h"

/* The eventfd, non-blocking; -1: `err` says why. */
int stop_signal_take_over(struct error *err);
/* How many came. */
int stop_signal_count(void);

#endif
