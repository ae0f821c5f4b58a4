/*
 * socket_owner: whose is the other end of a tcp connection within this machine? A port on loopback is reached by every
 * local user, so that a connection says nothing of who made it. The kernel's socket table does.
 *
 * Asked while the connection stands, of the end with exactly these two addresses and ports: as long as our end exists,
 * no other pair of sockets can have them. Only a socket that is ESTABLISHED and still belongs to a file counts: of one
 * that is closed, waits (TIME_WAIT) or was not accepted yet, the kernel says that it is root's.
 *
 * The table is asked by sock_diag (NETLINK_INET_DIAG, sock_diag(7)); where the kernel has none, /proc/net/tcp and tcp6 are
 * read. An IPv4 connection is found also where one end calls its addresses IPv6 ("::ffff:127.0.0.1"). A user id is as our user
 * namespace sees it; one that it has no number for is nobody's here.
 *
 * Any thread.
 */
#ifndef TRAWL_PROTO_SOCKET_OWNER_H
#define TRAWL_PROTO_SOCKET_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct socket_end {
    unsigned char address[16];
    size_t len;    /* 4 or 16 */
    uint16_t port; /* as humans write it */
};

enum socket_owner_result {
    SOCKET_OWNER_FOUND,
    SOCKET_OWNER_NONE,   /* no such socket on this machine, in this network namespace */
    SOCKET_OWNER_UNTOLD, /* the kernel does not say */
};

enum socket_owner_result socket_owner(const struct socket_end *theirs,
                                      const struct socket_end *ours, uid_t *uid);
/* The same from /proc/net alone. */
enum socket_owner_result socket_owner_by_proc(const struct socket_end *theirs,
                                              const struct socket_end *ours, uid_t *uid);

/* Reads what it needs of /proc/self, for who may not later. Else the first question does. */
void socket_owner_prepare(void);

/* Ours or root's: whoever may act as us anyway. */
bool socket_owner_is_us(uid_t uid);

enum socket_trust {
    SOCKET_TRUSTED, /* the other end is ours or root's */
    SOCKET_STRANGE, /* it is somebody else's, or the kernel does not tell */
    SOCKET_GONE,    /* it is not on this machine, or not any more */
};
/* `whose`: unless it is trusted, "user nobody (65534)" or what else there is to say. */
enum socket_trust socket_owner_trust(const struct socket_end *theirs, const struct socket_end *ours,
                                     char *whose, size_t whose_size);

#endif
