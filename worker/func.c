#include "worker/func.h"

#include <dlfcn.h>
#include <string.h>

#include "shared/buf.h"

const struct func_builtin func_builtins[] = {
    {"wordcount", "how often each word stands there: WORD COUNT", &func_wordcount},
    {"grep", "the lines that match the pattern behind --: NAME TAB LINE", &func_grep},
    {"indexer", "the files that each word stands in: WORD NUMBER FILE,FILE", &func_indexer},
    {"hosts", "pages, errors, bytes and times by origin: ten columns (docs/mapreduce.md)",
     &func_hosts},
    {"links", "who links to each URL of a crawl, and how: TARGET TAB SOURCE TAB ANCHOR",
     &func_links},
    {"pagerank",
     "the rank of each page by the links to it: URL TAB RANK; -- [TOLERANCE [ITERATIONS]]",
     &func_pagerank},
    {"dups", "pages that are the same, or nearly: exact|near TAB GROUP TAB URL", &func_dups},
    {"index", "a full-text index of the pages, for `trawl search`", &func_index},
    {"dups-groups", NULL, &func_dups_groups},
    {"pagerank-graph", NULL, &func_pagerank_graph},
    {"pagerank-step", NULL, &func_pagerank_step},
    {"pagerank-end", NULL, &func_pagerank_end},
};
const size_t func_builtin_count = sizeof func_builtins / sizeof func_builtins[0];

static const struct trawl_job *built_in(const char *name, struct error *err) {
    struct buf known;

    for (size_t i = 0; i < func_builtin_count; i++)
        if (strcmp(func_builtins[i].name, name) == 0)
            return func_builtins[i].job;
    buf_init(&known, 1024);
    for (size_t i = 0; i < func_builtin_count && func_builtins[i].what != NULL; i++)
        buf_printf(&known, "%s%s", i == 0 ? "" : ", ", func_builtins[i].name);
    error_set(err, 0,
              "%.100s: no such job; there are %s, or the path of a shared object (./NAME.so)", name,
              known.len > 0 ? known.data : "none");
    buf_release(&known);
    return NULL;
}

/* The object stays loaded. */
static const struct trawl_job *symbol(void *object) {
    return object != NULL ? dlsym(object, "trawl_job") : NULL;
}

const struct trawl_job *func_load(const char *name, struct error *err) {
    if (strchr(name, '/') == NULL)
        return built_in(name, err);
    const struct trawl_job *job = symbol(dlopen(name, RTLD_NOW | RTLD_LOCAL));
    if (job == NULL) {
        error_set(err, 0, "%.400s", dlerror());
        return NULL;
    }
    if (job->abi != TRAWL_JOB_ABI) {
        error_set(err, 0, "%.200s is made for another trawl_job.h: %u, not %u", name, job->abi,
                  TRAWL_JOB_ABI);
        return NULL;
    }
    if (job->map == NULL || job->reduce == NULL) {
        error_set(err, 0, "%.200s has no map() or no reduce()", name);
        return NULL;
    }
    return job;
}
