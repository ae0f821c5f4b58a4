/* task_main: `trawl task` with the functions that a job names. */
#include "worker/func.h"
#include "worker/func_stream.h"
#include "worker/task_run.h"

static const struct trawl_job *load(const Trawl__JobSpec *spec, struct error *err) {
    if (spec->function[0] == '\0')
        return func_stream(spec, err);
    return func_load(spec->function, err);
}

int task_run(int spec_fd, int progress_fd, int result_fd) {
    return task_run_with(spec_fd, progress_fd, result_fd, load);
}
