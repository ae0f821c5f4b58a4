/*
 * trawl_job: the interface of a MapReduce job's functions, for shared objects and for the jobs built in alike.
 * It depends on nothing of trawl but this file.
 *
 *     static void map(void *state, struct trawl_task *t, const struct trawl_record *r) {
 *         api->emit(t, word, len, "1", 1);
 *     }
 *     const struct trawl_job trawl_job = {.abi = TRAWL_JOB_ABI, .open = open_job, .map = map, .reduce = reduce};
 *
 *     cc -shared -fPIC -o count.so count.c;  trawl job run ./count.so --input DIR
 *
 * A task runs in a process and a thread of its own: open(), then map() for each record of the split, or
 * reduce() for each key of the partition, then end(), then close(). What map() emits is sorted by key, then
 * by value, both as bytes; so reduce() sees its keys in order, and the values of a key in order. A task may
 * run more than once, on several machines at the same time; only one run counts. So functions should
 * depend on their input alone.
 *
 * What is written to standard output and standard error goes to the worker's log, and the last lines into the text that says
 * why an attempt failed.
 *
 * A function that meets a record it cannot deal with returns, or calls fail(), which ends the attempt. One
 * that crashes (a signal) twice on the same record has that record skipped, counted and named. One that
 * neither returns nor emits for --task-timeout is killed, and its task goes to somebody else.
 *
 * The structs only grow at their ends, and `size` says how much of them there is.
 */
#ifndef TRAWL_JOB_H
#define TRAWL_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRAWL_JOB_ABI 1u

struct trawl_task;   /* one attempt at a map or reduce task */
struct trawl_values; /* what is left of one key's values */

/* What a job reads. */
enum trawl_input {
    TRAWL_INPUT_ANY,      /* pages of a crawl, or lines of files, as the user says */
    TRAWL_INPUT_PAGES,    /* a crawl's archived responses */
    TRAWL_INPUT_LINES,    /* of plain files */
    TRAWL_INPUT_OUTCOMES, /* a crawl's URLs, each a line (LINES) as of `trawl export --format jsonl` */
};

/* One record of the input; valid until map() returns. Strings end in NUL and are never NULL. Everything
 * from the web is bytes of a stranger. */
struct trawl_record {
    size_t size;         /* of this struct */
    enum trawl_input of; /* PAGES or LINES */
    const char *name;    /* URL of the page, or name of the file without its directories */
    uint64_t number;     /* of the page in the split, or offset of the line in the file */
    const char
        *data; /* the payload without its content coding, or the line without its end (LF, CR LF) */
    size_t len;
    /* Of pages only: */
    const char *record_type;  /* "response", "revisit" (then `data` is empty) or "resource" */
    unsigned status;          /* of HTTP; 0 if there is none */
    const char *mime;         /* of Content-Type, lower case, without parameters */
    const char *content_type; /* the whole field; several are joined with ", " */
    const char *head;         /* the HTTP header block as received, but folded lines on one */
    size_t head_len;
    int64_t fetched_at_ms; /* Unix time */
    uint64_t stored;       /* bytes of the payload as received */
    bool cut;              /* the payload is not whole: --max-body, or it could not be decoded */
    const char *refers_to; /* of a revisit: URL of the record that has the payload; "": not said */
};

/* What a function may ask of trawl. Every call is for the task it was given, in its thread. */
struct trawl_api {
    size_t size;
    /* Of map(), of combine() and of end() of a map task. Both are copied. The key may be empty; key
     * and value together are at most 16 MiB. */
    void (*emit)(struct trawl_task *, const void *key, size_t key_len, const void *value,
                 size_t value_len);
    /* The next value of the key; false: there is none. It is valid until the next call. */
    bool (*next)(struct trawl_values *, const void **value, size_t *len);
    /* Of reduce(), and of end() of a reduce task: appends to the partition's output, as it is. */
    void (*write)(struct trawl_task *, const void *bytes, size_t len);
    /* Adds to a counter of the job; of each task one run counts. */
    void (*count)(struct trawl_task *, const char *name, int64_t n);
    /* It is still at work on the same record. */
    void (*progress)(struct trawl_task *);
    /* The attempt failed; does not return. */
    void (*fail)(struct trawl_task *, const char *why);
    /* A file that becomes the partition's output, part-NNNNN, when the task is committed, in place of what
     * write() gave it. Of a reduce task. It is to be closed when end() returns: the commit comes before close(). */
    const char *(*output_path)(struct trawl_task *);
    unsigned (*partition)(
        const struct trawl_task *); /* number of the reduce task; 0 of a map task */
    unsigned (*partitions)(const struct trawl_task *); /* how many reduce tasks the job has */
    bool (*reduces)(const struct trawl_task *); /* is it a reduce task? for open() and end() */
};

struct trawl_job {
    uint32_t abi; /* TRAWL_JOB_ABI */
    enum trawl_input input;
    /* NULL is fine but for map and reduce. `argv`: what stands behind `--` on the command line, NULL at the end. False: the
     * arguments are wrong, and `error` (256 bytes) says why; unless a task was done already, the job fails at once. `trawl job
     * run` calls open() and close() once, in a process of their own, before it starts anything: with no task, nothing may be
     * emitted or written there. */
    bool (*open)(void **state, struct trawl_task *, const struct trawl_api *, int argc,
                 char *const *argv, char *error);
    void (*map)(void *state, struct trawl_task *, const struct trawl_record *);
    /* Makes fewer records of one key's values, by emit() of the same key; any number of times, or never. It may be
     * called while map() is in emit(). */
    void (*combine)(void *state, struct trawl_task *, const void *key, size_t key_len,
                    struct trawl_values *);
    void (*reduce)(void *state, struct trawl_task *, const void *key, size_t key_len,
                   struct trawl_values *);
    void (*end)(void *state, struct trawl_task *); /* of the input; not after a failure */
    void (*close)(void *state);
};

/* The symbol that a shared object must have. */
extern const struct trawl_job trawl_job;

#endif
