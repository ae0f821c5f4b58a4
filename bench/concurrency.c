/* concurrency: fetches with nothing around them, in the three shapes that --threads and --transfers can give a worker.
 *
 *   build/bench/concurrency one|threads|cores TRANSFERS REQUESTS URLS     (URLS: a file, one a line)
 *
 *   one      one event loop: libcurl's multi interface on an epoll
 *   threads  a thread a transfer: libcurl's easy interface, blocking
 *   cores    an event loop a core, the transfers shared out
 *
 * As many REQUESTS as there are URLs: each is asked for once. More: each transfer keeps to one URL, so that its
 * connection is kept. Bodies are thrown away. Prints one line of JSON: pages a second, CPU microseconds a page of this
 * process, and its resident memory a transfer, at its peak, beyond what it had before the first; the kernel's memory
 * for sockets and threads is not in it.
 *
 * Threads: each has its own handles; they share the list of URLs, which does not change, and the number of the
 * next request. */
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, TRANSFERS_MAX = 65536, STACK_BYTES = 256 * 1024, POLL_MS = 1000 };

struct list {
    char *text; /* lines, each ended by NUL */
    char **urls;
    size_t count;
};

struct bench {
    struct list list;
    uint64_t requests;
    atomic_ullong handles, next, good, bytes;
};

struct runner {
    struct bench *bench;
    pthread_t thread;
    unsigned transfers;
    /* Of an event loop. */
    CURLM *multi;
    int epoll_fd;
    long timeout_ms;
    unsigned running;
};

static void die(const char *what) {
    fprintf(stderr, "concurrency: %s\n", what);
    exit(1);
}

static void read_list(struct list *l, const char *path) {
    FILE *f = fopen(path, "re");
    size_t size = 0, len = 0, n;

    if (f == NULL)
        die("cannot open the list of URLs");
    do {
        if (size - len < 65536 && (l->text = realloc(l->text, size += 1 << 20)) == NULL)
            die("out of memory");
        n = fread(l->text + len, 1, size - len - 1, f);
        len += n;
    } while (n > 0);
    fclose(f);
    l->text[len] = '\0';
    size_t lines = 0;
    for (size_t i = 0; i < len; i++)
        lines += l->text[i] == '\n';
    l->urls = calloc(lines + 1, sizeof *l->urls);
    if (l->urls == NULL)
        die("out of memory");
    char *rest = NULL;
    for (char *u = strtok_r(l->text, "\n", &rest); u != NULL; u = strtok_r(NULL, "\n", &rest))
        l->urls[l->count++] = u;
    if (l->count == 0)
        die("the list of URLs is empty");
}

/* ---- one transfer ---------------------------------------------------------------------------------------------- */

static size_t on_body(char *p, size_t one, size_t n, void *arg) {
    struct bench *b = arg;

    (void)p;
    (void)one;
    atomic_fetch_add_explicit(&b->bytes, n, memory_order_relaxed);
    return n;
}

static CURL *handle_new(struct bench *b) {
    const char *authorities = getenv("SSL_CERT_FILE");
    CURL *e = curl_easy_init();
    uint64_t number = atomic_fetch_add(&b->handles, 1);

    if (e == NULL)
        die("out of memory");
    curl_easy_setopt(e, CURLOPT_PRIVATE, b->list.urls[number % b->list.count]);
    if (authorities != NULL)
        curl_easy_setopt(e, CURLOPT_CAINFO, authorities);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, b);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    return e;
}

/* False: all requests have been made. */
static bool take_next(struct bench *b, CURL *e) {
    uint64_t i = atomic_fetch_add(&b->next, 1);
    const char *own = NULL;

    if (i >= b->requests)
        return false;
    curl_easy_getinfo(e, CURLINFO_PRIVATE, &own);
    curl_easy_setopt(e, CURLOPT_URL, b->requests > b->list.count ? own : b->list.urls[i]);
    return true;
}

static void note_end(struct bench *b, CURL *e, CURLcode code) {
    long status = 0;

    curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status > 0)
        atomic_fetch_add(&b->good, 1);
}

/* ---- a thread a transfer ---------------------------------------------------------------------------------------- */

static void *run_thread(void *arg) {
    struct runner *r = arg;
    CURL *e = handle_new(r->bench);

    while (take_next(r->bench, e))
        note_end(r->bench, e, curl_easy_perform(e));
    curl_easy_cleanup(e);
    return NULL;
}

/* ---- an event loop ---------------------------------------------------------------------------------------------- */

static int on_socket(CURL *e, curl_socket_t fd, int what, void *arg, void *known) {
    struct runner *r = arg;
    struct epoll_event ev = {.data.fd = fd};

    (void)e;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    ev.events = ((what & CURL_POLL_IN) ? EPOLLIN : 0u) | ((what & CURL_POLL_OUT) ? EPOLLOUT : 0u);
    if (known == NULL || epoll_ctl(r->epoll_fd, EPOLL_CTL_MOD, fd, &ev) != 0) {
        (void)epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
        curl_multi_assign(r->multi, fd, r);
    }
    return 0;
}

static int on_timer(CURLM *m, long timeout_ms, void *arg) {
    (void)m;
    ((struct runner *)arg)->timeout_ms = timeout_ms;
    return 0;
}

static void start_next(struct runner *r, CURL *e) {
    if (take_next(r->bench, e)) {
        curl_multi_add_handle(r->multi, e);
        r->running++;
    } else {
        curl_easy_cleanup(e);
    }
}

static void collect(struct runner *r) {
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(r->multi, &left)) != NULL) {
        CURL *e = m->easy_handle;
        note_end(r->bench, e, m->data.result);
        curl_multi_remove_handle(r->multi, e);
        r->running--;
        start_next(r, e);
    }
}

static void *run_loop(void *arg) {
    struct runner *r = arg;
    struct epoll_event events[EVENTS];
    int still;

    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    r->multi = curl_multi_init();
    if (r->epoll_fd < 0 || r->multi == NULL)
        die("no event loop");
    curl_multi_setopt(r->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(r->multi, CURLMOPT_SOCKETDATA, r);
    curl_multi_setopt(r->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(r->multi, CURLMOPT_TIMERDATA, r);
    curl_multi_setopt(r->multi, CURLMOPT_MAXCONNECTS, (long)r->transfers + 64);
    for (unsigned i = 0; i < r->transfers; i++)
        start_next(r, handle_new(r->bench));
    while (r->running > 0) {
        int wait_ms = r->timeout_ms < 0 || r->timeout_ms > POLL_MS ? POLL_MS : (int)r->timeout_ms;
        int n = epoll_wait(r->epoll_fd, events, EVENTS, wait_ms);
        for (int i = 0; i < n; i++)
            curl_multi_socket_action(
                r->multi, events[i].data.fd,
                ((events[i].events & EPOLLIN) ? CURL_CSELECT_IN : 0) |
                    ((events[i].events & EPOLLOUT) ? CURL_CSELECT_OUT : 0) |
                    ((events[i].events & ~(uint32_t)(EPOLLIN | EPOLLOUT)) ? CURL_CSELECT_ERR : 0),
                &still);
        if (n <= 0 || r->timeout_ms == 0) {
            r->timeout_ms = -1;
            curl_multi_socket_action(r->multi, CURL_SOCKET_TIMEOUT, 0, &still);
        }
        collect(r);
    }
    curl_multi_cleanup(r->multi);
    close(r->epoll_fd);
    return NULL;
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static double now_s(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t peak_bytes(void) {
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)u.ru_maxrss * 1024;
}

static double cpu_s(void) {
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void run_all(struct bench *b, unsigned count, unsigned transfers, void *(*main)(void *)) {
    struct runner *runners = calloc(count, sizeof *runners);
    pthread_attr_t attr;

    if (runners == NULL)
        die("out of memory");
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    for (unsigned i = 0; i < count; i++) {
        runners[i] =
            (struct runner){.bench = b, .transfers = transfers / count + (i < transfers % count)};
        if (pthread_create(&runners[i].thread, &attr, main, &runners[i]) != 0)
            die("cannot start so many threads");
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(runners[i].thread, NULL);
    pthread_attr_destroy(&attr);
    free(runners);
}

static void raise_limits(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv) {
    struct bench b = {.requests = argc == 5 ? strtoull(argv[3], NULL, 10) : 0};
    unsigned long transfers = argc == 5 ? strtoul(argv[2], NULL, 10) : 0;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const char *shape = argc == 5 ? argv[1] : "";

    if (transfers < 1 || transfers > TRANSFERS_MAX || b.requests < 1 ||
        (strcmp(shape, "one") != 0 && strcmp(shape, "threads") != 0 && strcmp(shape, "cores") != 0))
        die("usage: concurrency one|threads|cores TRANSFERS REQUESTS URLS");
    raise_limits();
    read_list(&b.list, argv[4]);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    uint64_t before = peak_bytes();
    double begin_s = now_s(), begin_cpu_s = cpu_s();
    unsigned loops = cores < 1 ? 1 : (unsigned)cores;
    if (loops > transfers)
        loops = (unsigned)transfers;
    if (strcmp(shape, "threads") == 0)
        run_all(&b, (unsigned)transfers, (unsigned)transfers, run_thread);
    else
        run_all(&b, strcmp(shape, "one") == 0 ? 1 : loops, (unsigned)transfers, run_loop);
    double s = now_s() - begin_s, used_s = cpu_s() - begin_cpu_s;
    printf("{\"shape\": \"%s\", \"transfers\": %lu, \"pages\": %llu, \"bytes\": %llu, \"seconds\": "
           "%.3f, "
           "\"pages_per_s\": %.1f, \"cpu_us_a_page\": %.2f, \"bytes_a_transfer\": %llu}\n",
           shape, transfers, (unsigned long long)b.good, (unsigned long long)b.bytes, s,
           (double)b.good / s, used_s * 1e6 / (double)b.requests,
           (unsigned long long)((peak_bytes() - before) / transfers));
    free(b.list.urls);
    free(b.list.text);
    curl_global_cleanup();
    return b.good == b.requests ? 0 : 1;
}
