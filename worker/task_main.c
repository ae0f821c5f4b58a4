/* task_main: `trawl task` with the functions that a job names. */
#include <dlfcn.h>
#include <string.h>

#include "worker/task_run.h"

static const struct trawl_job *load(const Trawl__JobSpec *spec, struct error *err) {
    if (strchr(spec->function, '/') == NULL) {
        error_set(err, 0, "%.100s: no such job; a shared object's path has a '/'", spec->function);
        return NULL;
    }
    /* It stays loaded: the process is for it alone. */
    void *object = dlopen(spec->function, RTLD_NOW | RTLD_LOCAL);
    const struct trawl_job *job = object != NULL ? dlsym(object, "trawl_job") : NULL;
    if (job == NULL)
        error_set(err, 0, "%.400s", dlerror());
    return job;
}

int task_run(int spec_fd, int progress_fd, int result_fd) {
    return task_run_with(spec_fd, progress_fd, result_fd, load);
}
