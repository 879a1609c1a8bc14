/* SPDX-License-Identifier: MIT */
#ifndef AION_ACCEPT_H
#define AION_ACCEPT_H
/*
 * Accepting connections again and again: one multishot request, or, where they are counted, requests for as many as are
 * allowed. For a whole server see listener.h, for a single connection aion_accept4(). For "the common" errors see the
 * top of file.h.
 *
 *	AION_CLEANUP(aion_accept_close) struct aion_accept accept = {0};
 *
 *	aion_accept_open(&accept, fd, SOCK_CLOEXEC, AION_ACCEPT_ALL);
 *	while ((connection = aion_accept_next(&accept)) >= 0)
 *		...
 *
 * Who the other side is: aion_getpeername() of the connection, when it is asked for.
 */
#include <stdint.h>
#include <sys/socket.h>

#include <aion/op.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_ACCEPT_ALL SIZE_MAX /* as many connections as come */
#define AION_ACCEPT_BATCH 16     /* requests in flight at most, where connections are counted */
#define AION_ACCEPT_KEEP 16      /* descriptors that can wait to be received without memory being allocated */

struct aion_accept;
struct aion__closer;

/* Private: a request for a connection, or for all that come. */
struct aion__accept_request {
	struct aion_op op;
	struct aion_accept *accept;
};

/* The caller's memory, from open to close; all zero = closed. The fields are private. */
struct aion_accept {
	struct aion__accept_request requests[AION_ACCEPT_BATCH]; /* the first is the multishot one */
	struct aion_future ready;                                /* done: it is worth while to look again */
	int32_t *queue;    /* a ring of descriptors that nobody has received yet */
	size_t queue_max;  /* its size, a power of two */
	size_t queue_head; /* counts what was taken, */
	size_t queue_tail; /* and what came */
	size_t room;       /* connections allowed, for which no request is in flight */
	size_t lost_nr;    /* closed at once, for want of memory to keep them */
	size_t waiter_nr;
	unsigned flying_nr; /* requests in flight */
	unsigned odd_nr;    /* connections in a row that broke before they were accepted */
	int32_t fd;
	int32_t flags;
	int32_t error; /* to be told */
	bool is_open;
	bool is_started; /* somebody has asked for a connection */
	bool is_ended;   /* the error stays */
	bool wants_poll; /* the kernel does not wait on this descriptor by itself */
	bool is_closing;
	struct aion__closer *closers; /* who waits for another task's close */
	int32_t kept[AION_ACCEPT_KEEP];
};

/**
 * aion_accept_open - be ready to accept connections.
 * @accept: closed (all zero); an open one aborts the process. It stays in place until aion_accept_close().
 * @fd: a listening socket, which stays the caller's. With O_NONBLOCK it may be waited for all the same.
 * @flags: for the connections: SOCK_CLOEXEC, SOCK_NONBLOCK.
 * @nr: how many connections it may take from the kernel, until aion_accept_allow() says that it may take more: the rest
 *   stays in the kernel's queue. AION_ACCEPT_ALL: as many as come; above a thousand that nobody has received it pauses.
 *
 * Nothing is accepted before somebody first asks for a connection.
 * Suspends: no. Thread: loop. Source: accept4(2), IORING_OP_ACCEPT, Linux 5.5, with IORING_ACCEPT_MULTISHOT, 5.19.
 */
AION_API void aion_accept_open(struct aion_accept *accept, int fd, int flags, size_t nr);

/**
 * aion_accept_allow - let it take further connections.
 * @accept: open; a closed one is left alone.
 * @nr: how many; nothing changes where there is no limit.
 *
 * Suspends: no. Thread: loop. Source: as aion_accept_open().
 */
AION_API void aion_accept_allow(struct aion_accept *accept, size_t nr);

/**
 * aion_accept_next - wait for the next connection.
 * @accept: open. Several tasks may wait.
 *
 * Connections that broke before they were accepted (-ECONNABORTED, -EPROTO, other errors of the network, -EPERM of a
 * firewall) are passed over, unless sixteen such come in a row.
 * Result: a descriptor, which is the caller's from now on.
 * Errors: those of accept4(2), and the common ones. -EBADF, -EINVAL (not listening, or not any more), -ENOTSOCK and
 *   -EOPNOTSUPP are said again by every further call, -EBADF also when accept was closed. After any other error the
 *   next call asks the kernel anew: after -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM that is worth a pause. After -ECANCELED no
 *   connection is lost.
 * Suspends: yes (try: no, and is no checkpoint; -EAGAIN means that none has come). Thread: loop.
 * Source: as aion_accept_open().
 */
AION_API AION_SUSPENDS int64_t aion_accept_next(struct aion_accept *accept);
AION_API int64_t aion_accept_try_next(struct aion_accept *accept);

/**
 * aion_accept_wait - wait until aion_accept_try_next() has something to give: a connection, or an error.
 * @accept: as above; a closed one has -EBADF to give.
 *
 * Result: 0.
 * Errors: -ECANCELED, -EBUSY (not inside a task), -ECHILD; try: -EAGAIN (there is nothing yet).
 * Suspends: yes (try: no, and is no checkpoint). Thread: loop. Source: as aion_accept_open().
 */
AION_API AION_SUSPENDS int64_t aion_accept_wait(struct aion_accept *accept);
AION_API int64_t aion_accept_try_wait(struct aion_accept *accept);

/** aion_accept_nr - connections that have been accepted and not yet received. Suspends: no. Thread: loop. Source: none. */
AION_API size_t aion_accept_nr(const struct aion_accept *accept);

/**
 * aion_accept_stop - accept no more. Always finishes.
 * @accept: open or closed. What has been accepted before is still there for aion_accept_next(), which says -EBADF after
 *   it.
 *
 * Suspends: yes, but never returns early. Thread: loop. Source: IORING_OP_ASYNC_CANCEL, Linux 5.5.
 */
AION_API AION_SUSPENDS void aion_accept_stop(struct aion_accept *accept);

/**
 * aion_accept_discard - close what has been accepted and nobody has received.
 * @accept: open or closed.
 *
 * Suspends: no. Thread: loop. Source: close(2).
 */
AION_API void aion_accept_discard(struct aion_accept *accept);

/**
 * aion_accept_close - accept no more, and close what nobody has received. Always finishes.
 * @accept: open or closed. Who waits for a connection is told -EBADF, and has left when this returns. Several tasks may
 *   close it: each returns when it is closed. Fit for AION_CLEANUP.
 *
 * Suspends: yes, but never returns early. Thread: loop. Source: as aion_accept_stop(); close(2).
 */
AION_API AION_SUSPENDS void aion_accept_close(struct aion_accept *accept);

#ifdef __cplusplus
}
#endif
#endif
