/* SPDX-License-Identifier: MIT */
#ifndef AION_DATAGRAM_H
#define AION_DATAGRAM_H
/*
 * Datagrams at rate: UDP, unix(7). An intake keeps one multishot request in flight, into buffers of its own that the
 * kernel fills as datagrams come; a wake gives all that have come since, without a copy. Many are sent with one entry
 * into the kernel, too. For a datagram now and then see aion_sendto() and aion_recvfrom() in message.h.
 *
 * With segment_size the kernel cuts one large send into datagrams (UDP_SEGMENT, GSO), and where the socket's option
 * `merge` is on (socket_options.h: UDP_GRO) it joins what one sender sent in a row. Each saves most of the way through
 * the kernel. For "the common" errors see the top of file.h.
 */
#include <stdbool.h>
#include <sys/socket.h>

#include <aion/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One datagram, or several of one size (the last may be shorter) for one address or from one. */
struct aion_datagram {
	void *data;
	size_t size;                    /* bytes */
	const struct sockaddr *address; /* where it is from, or goes; NULL: it has none, or to the partner */
	socklen_t address_size;         /* bytes */
	unsigned segment_size;          /* bytes: data is so many each; 0: it is one */
	int flags;                      /* received: MSG_TRUNC (its end is cut off), MSG_CTRUNC; sent: MSG_* of send(2) */
	const void *control;            /* control data, as cmsg(3) has them; NULL: none */
	size_t control_size;            /* bytes */
	int64_t result;                 /* sent: bytes, or -errno */
	void *lent;                     /* private */
};

/* All zero = the defaults, which are given in brackets. */
struct aion_datagram_options {
	unsigned buffer_nr;   /* so many may wait to be taken or be lent, rounded up to a power of two [256]; at most 32768 */
	size_t datagram_size; /* what does not fit is cut off [2048 bytes; 65536 to receive joined ones] */
	size_t control_size;  /* room for control data [64 bytes] */
};

/* Receiving again and again. The caller's memory, from open to close; all zero = closed. The fields are private. */
struct aion_datagram_intake {
	struct aion_op op;
	struct aion_future ready; /* done: there is something to be taken */
	void *store;              /* the buffers */
	int32_t fd;
	int32_t error; /* to be said when all before it has been taken */
	bool is_open;
	bool has_ended; /* nothing more comes */
};

/**
 * aion_datagram_open - start to receive.
 * @intake: closed (all zero); an open one aborts the process. It stays in place until aion_datagram_close().
 * @fd: a bound or connected socket for datagrams. It must stay open until then; aion_close() before that ends the
 *   intake with -EBADF. O_NONBLOCK means nothing to it.
 * @options: NULL = the defaults.
 *
 * What the socket says against it is reported by the first aion_datagram_next().
 * Errors: -EINVAL (options; the kernel has no buffer rings); -ENOMEM; -EBUSY (no loop runs on this thread); -ECHILD.
 * Suspends: no. Thread: loop. Source: recvmsg(2), IORING_OP_RECVMSG with IORING_RECV_MULTISHOT, Linux 6.0.
 */
AION_API int aion_datagram_open(struct aion_datagram_intake *intake, int fd,
				const struct aion_datagram_options *options);

/**
 * aion_datagram_next - wait for the next datagrams.
 * @intake: open. One task at a time waits.
 * @ret_datagrams: those that have come, in order, max at most; lent until aion_datagram_release(), with their
 *   addresses.
 * @max: 1 or more.
 *
 * While all buffers are lent, nothing is received: datagrams wait in the socket, and those for which there is no room
 * there are lost, as with any socket.
 * Result: how many, at least 1.
 * Errors: those of recvmsg(2), after what came before them and once each: -ECONNREFUSED (nobody was there for one that
 *   was sent by this socket); -EBADF (every further call says so again), also for a closed intake and to who waits
 *   while it is closed; -EINVAL (max is 0); and the common ones. After -ECANCELED no datagram is lost.
 * Suspends: yes (try: no, and is no checkpoint; -EAGAIN means that nothing has come). Thread: loop.
 * Source: as aion_datagram_open().
 */
AION_API AION_SUSPENDS int64_t aion_datagram_next(struct aion_datagram_intake *intake,
						  struct aion_datagram *ret_datagrams, size_t max);
AION_API int64_t aion_datagram_try_next(struct aion_datagram_intake *intake, struct aion_datagram *ret_datagrams,
					size_t max);

/**
 * aion_datagram_release - give datagrams back.
 * @datagrams: nr received ones, in any order, also after the intake has been closed, but before the loop is destroyed;
 *   others (sent ones, those that were given back) are left as they are. Nothing of theirs may be touched any more.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_datagram_release(struct aion_datagram *datagrams, size_t nr);

/**
 * aion_datagram_close, aion_datagram_stop - stop receiving. Always finishes. The descriptor stays open.
 * @intake: open or closed. What has come and was not taken is dropped; what is lent stays lent. A task that waits gets
 *   -EBADF, and has left when aion_datagram_close() returns. After aion_datagram_stop(), which is the beginning of it,
 *   aion_datagram_close() is still to be called. Fit for AION_CLEANUP:
 *   AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
 *
 * Suspends: yes, but never returns early (stop: no). Thread: loop. Source: IORING_OP_ASYNC_CANCEL, Linux 5.5.
 */
AION_API AION_SUSPENDS void aion_datagram_close(struct aion_datagram_intake *intake);
AION_API void aion_datagram_stop(struct aion_datagram_intake *intake);

/**
 * aion_datagram_send - send many, and wait until the kernel has them all.
 * @fd: a socket for datagrams.
 * @datagrams: nr of them. data, address, address_size, segment_size, flags and control count; received ones may be sent
 *   as they are, as an answer to where they came from (control data of theirs should be left out).
 * @ret_done: how many were sent, set in every case; may be NULL.
 *
 * They leave in groups of up to 32, each group with one entry into the kernel. One that fails does not keep the others
 * from being sent; each one's `result` says what became of it. Their order is kept unless the socket's buffer is full.
 * Result: 0.
 * Errors: the first in the order of the array, of those of sendmsg(2), -EMSGSIZE, -ECONNREFUSED, -EINVAL (also:
 *   segment_size together with control, above 65535, or more than 64 segments) among them; and the common ones. What
 *   was not tried because of -ECANCELED has that as its result.
 * Suspends: yes. Thread: loop. Source: sendmsg(2), udp(7) UDP_SEGMENT, IORING_OP_SENDMSG, Linux 5.3.
 */
AION_API AION_SUSPENDS int64_t aion_datagram_send(int fd, struct aion_datagram *datagrams, size_t nr, size_t *ret_done);

#ifdef __cplusplus
}
#endif
#endif
