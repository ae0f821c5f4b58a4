/*
 * sockets: the open sockets of a fetch loop, by the visit that they belong to: what may be opened, until when
 * it may be used, and how it ends when the visit does.
 *
 * Every socket to a web server is made by sockets_open(), which is the last to see the address: it must be the one
 * that the visit claimed and allowed by the policy, and the lease must not be over. Each is under the fence (fence.h)
 * until sockets_close().
 *
 * curl owns the descriptors and closes them when it finds out; sockets_shut() ends the connections at once, as the
 * server sees it, idle ones in curl's pool too.
 *
 * Invariant: nothing is done to a descriptor that is not the socket any more that sockets_open() made. curl 7.88 to 8.2 close
 * one without a word when its transfer ends before it has connected (curl's pull request 11439); the number may be any other
 * file's then, of any thread. Such a socket is forgotten when curl waits for it no longer (sockets_forget_lost()), or, at the
 * latest, when its number comes back.
 *
 * One owner: the loop's thread.
 */
#ifndef TRAWL_WORKER_SOCKETS_H
#define TRAWL_WORKER_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "shared/error.h"
#include "shared/netaddr.h"
#include "worker/fence.h"

struct sockets;
struct sockets_entry;

/* Of one visit; at rest when zeroed. */
struct sockets_group {
    struct sockets_entry *first;
    int64_t deadline_ms; /* of the lease */
    uint8_t address[16]; /* claimed */
    size_t address_len;
    uint32_t cut; /* sockets of it that the fence had shut when curl closed them */
};

enum sockets_refusal {
    SOCKETS_OPENED,
    SOCKETS_FORBIDDEN, /* not the claimed address, or not an allowed one */
    SOCKETS_LEASE_OVER,
    SOCKETS_FAILED, /* errno: no descriptors */
};

/* NULL: `err`. */
struct sockets *sockets_new(size_t max, struct error *err);
/* All must have been closed. NULL is fine. */
void sockets_free(struct sockets *s);
/* Outlives `s`, or is replaced; NULL: nothing may be opened. */
void sockets_set_policy(struct sockets *s, const struct netaddr_policy *policy);

/* A stream socket for `to`, or -1. */
int sockets_open(struct sockets *s, struct sockets_group *g, const struct sockaddr *to, int type,
                 int protocol, enum sockets_refusal *refusal);
/* That are open. */
uint32_t sockets_count(const struct sockets *s);
/* Closes the descriptor. */
int sockets_close(struct sockets *s, int fd);
/* curl does not wait for this descriptor any more. True: it has closed it, and never said so. */
bool sockets_forget_lost(struct sockets *s, int fd);
struct sockets_adopted {
    int fd;            /* -1: not known */
    bool kept;         /* it was adopted before */
    uint32_t early_ms; /* then: kept_early_ms(), as of the first time */
    bool shut;         /* by a visit that is gone: nothing that is written to it arrives */
};

/* A connection to the group's address is used, or used again, maybe by another visit of the same origin than opened it:
 * from here it is this one's. Ports in host order. */
struct sockets_adopted sockets_adopt(struct sockets *s, struct sockets_group *g,
                                     uint16_t local_port, uint16_t remote_port);
/* FIN for every socket of the group, now. None of them can be used any more. */
void sockets_shut(struct sockets *s, struct sockets_group *g);
/* The lease was renewed. */
void sockets_renew(struct sockets *s, struct sockets_group *g, int64_t deadline_ms);
/* The group dies before its sockets are closed: they are shut, and forgotten by it. */
void sockets_detach(struct sockets *s, struct sockets_group *g);

#endif
