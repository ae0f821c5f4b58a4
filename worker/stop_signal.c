#include "worker/stop_signal.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EXIT_INTERRUPTED = 130 };

/* All that the handler knows. */
static atomic_int signal_count;
static atomic_int signal_fd;

static void on_signal(int number) {
    int saved = errno;
    uint64_t one = 1;

    (void)number;
    if (atomic_fetch_add(&signal_count, 1) > 0)
        _exit(EXIT_INTERRUPTED);
    (void)!write(atomic_load(&signal_fd), &one, sizeof one);
    errno = saved;
}

/* nohup: the terminal may go, we stay. */
static bool take_hangup(const struct sigaction *take) {
    struct sigaction before;

    return sigaction(SIGHUP, NULL, &before) == 0 &&
           (before.sa_handler == SIG_IGN || sigaction(SIGHUP, take, NULL) == 0);
}

int stop_signal_take_over(struct error *err) {
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction take = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd >= 0) {
        atomic_store(&signal_fd, fd);
        if (sigaction(SIGPIPE, &ignore, NULL) == 0 && sigaction(SIGINT, &take, NULL) == 0 &&
            sigaction(SIGTERM, &take, NULL) == 0 && take_hangup(&take))
            return fd;
    }
    error_set(err, errno, "cannot take over signals");
    return -1;
}

int stop_signal_count(void) {
    return atomic_load(&signal_count);
}
