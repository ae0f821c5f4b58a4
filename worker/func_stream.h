/*
 * func_stream: map and reduce functions that are commands. A map command gets a record a line on its standard input:
 * a line of a file as it is, a page as one JSON object (url, status, mime, fetched_at in seconds, and text, or
 * body_base64 where it is no text); its output is lines KEY TAB VALUE. A reduce command gets such lines, sorted by key and
 * value as bytes; what it writes is the partition's output, as it is.
 *
 * In keys and values that come from lines there is no TAB and no LF to begin with. A line of output without a TAB is a
 * key with an empty value; one that begins with it has an empty key; an empty line is nothing. Words of a command are split at white space; with `shell` it is
 * run by sh -c. A command that ends early with code 0, or closes its output, is fine: it has seen enough. Any other code, or a
 * signal, ends the attempt; if that is the doing of a record (task_culprit.h), it is counted to the record as a crash is. A
 * command that cannot be run is refused with the job: no such program, code 126 or 127 (by which sh and env say so), or a text
 * that sh does not take. Commands run in the directory in which `trawl job run` was started, if the machine has it, else in
 * the task's scratch directory.
 *
 * One job a process; one owner, the task's thread.
 */
#ifndef TRAWL_WORKER_FUNC_STREAM_H
#define TRAWL_WORKER_FUNC_STREAM_H

#include "proto/trawl.pb-c.h"
#include "shared/error.h"
#include "worker/trawl_job.h"

/* The spec must outlive the job. NULL: `err`. */
const struct trawl_job *func_stream(const Trawl__JobSpec *spec, struct error *err);

#endif
