#include "proto/rpc_accept.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shared/limits.h"

static _Atomic int end = 0; /* descriptors from here on are not for connections; 0: all are */

unsigned rpc_accept_reserve(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return LIMIT_RPC_CONNECTIONS;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return LIMIT_RPC_CONNECTIONS;
    rlim_t all = limit.rlim_cur < LIMIT_FILES ? limit.rlim_cur : LIMIT_FILES;
    rlim_t reserve = all / 2 < LIMIT_FILES_RESERVE ? all / 2 : LIMIT_FILES_RESERVE;
    atomic_store(&end, (int)(all - reserve));
    return all - reserve < LIMIT_RPC_CONNECTIONS ? (unsigned)(all - reserve)
                                                 : LIMIT_RPC_CONNECTIONS;
}

static int taken(int fd) {
    int first = atomic_load(&end);

    if (fd < 0 || first == 0 || fd < first)
        return fd;
    close(fd);
    errno = ECONNABORTED;
    return -1;
}

int accept(int fd, struct sockaddr *address, socklen_t *len) {
    return taken((int)syscall(SYS_accept4, fd, address, len, 0));
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags) {
    return taken((int)syscall(SYS_accept4, fd, address, len, flags));
}
