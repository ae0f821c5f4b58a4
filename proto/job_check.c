#include "proto/job_check.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "shared/charset.h"
#include "shared/limits.h"

bool job_check_text(const char *text, size_t bytes_max) {
    size_t n = strlen(text);

    if (n > bytes_max || !charset_is_valid_utf8(text, n))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return false;
    return true;
}

static bool no(char why[JOB_CHECK_BYTES], const char *text) {
    snprintf(why, JOB_CHECK_BYTES, "%s", text);
    return false;
}

static bool has_function(const Trawl__JobSpec *s) {
    return s->function[0] != '\0' || (s->n_map_command == 1 && s->n_reduce_command == 1);
}

static bool check_spec(const Trawl__JobSpec *s, char why[JOB_CHECK_BYTES]) {
    if (s == NULL)
        return no(why, "a job without a description");
    if (s->name[0] == '\0' || !job_check_text(s->name, LIMIT_JOB_NAME_BYTES)) {
        snprintf(why, JOB_CHECK_BYTES, "a job's name is text of 1 to %d bytes",
                 LIMIT_JOB_NAME_BYTES);
        return false;
    }
    if (!has_function(s))
        return no(why, "a job has a function, or a command for map and one for reduce");
    if (s->reduces == 0 || s->reduces > LIMIT_JOB_REDUCES) {
        snprintf(why, JOB_CHECK_BYTES, "%u reduce tasks: accepted are 1 to %d", s->reduces,
                 LIMIT_JOB_REDUCES);
        return false;
    }
    if (s->attempts > LIMIT_JOB_ATTEMPTS) {
        snprintf(why, JOB_CHECK_BYTES, "%u attempts at a task: accepted are 1 to %d", s->attempts,
                 LIMIT_JOB_ATTEMPTS);
        return false;
    }
    if (s->output[0] != '/')
        return no(why, "a job's output is an absolute path");
    if (s->directory.len > 0 && s->directory.data[0] != '/')
        return no(why, "the directory of a job's commands is an absolute path");
    size_t bytes = protobuf_c_message_get_packed_size(&s->base);
    if (bytes > LIMIT_JOB_SPEC_BYTES) {
        snprintf(why, JOB_CHECK_BYTES,
                 "the job's description, with commands and arguments, has %zu bytes: accepted are "
                 "up to %d",
                 bytes, LIMIT_JOB_SPEC_BYTES);
        return false;
    }
    return true;
}

static bool check_split(const Trawl__Split *s, char why[JOB_CHECK_BYTES]) {
    if (s->path.len == 0 || s->path.data[0] != '/')
        return no(why, "a split's path is absolute");
    if (s->from > s->to)
        return no(why, "a split ends before it begins");
    return strlen(s->worker) <= LIMIT_WORKER_NAME_BYTES || no(why, "a worker's name is too long");
}

bool job_check(const Trawl__JobRun *run, char why[JOB_CHECK_BYTES]) {
    if (!check_spec(run->spec, why))
        return false;
    if (run->n_splits > LIMIT_JOB_SPLITS) {
        snprintf(why, JOB_CHECK_BYTES,
                 "%zu map tasks: accepted are up to %d; make them larger by --split-size",
                 run->n_splits, LIMIT_JOB_SPLITS);
        return false;
    }
    if ((uint64_t)run->n_splits * run->spec->reduces > LIMIT_JOB_PARTITIONS) {
        snprintf(why, JOB_CHECK_BYTES,
                 "%zu map tasks with %u reduce tasks: accepted are products of up to %d; make "
                 "--split-size larger or --reduces smaller",
                 run->n_splits, run->spec->reduces, LIMIT_JOB_PARTITIONS);
        return false;
    }
    for (size_t i = 0; i < run->n_splits; i++)
        if (!check_split(run->splits[i], why))
            return false;
    return true;
}
