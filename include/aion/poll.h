/* SPDX-License-Identifier: MIT */
#ifndef AION_POLL_H
#define AION_POLL_H
/*
 * Waiting until a descriptor is ready: once with aion_poll(), again and again with a struct aion_poll, which keeps one
 * multishot request in flight. For "the common" errors see the top of file.h.
 */
#include <aion/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * aion_poll - wait until a descriptor is ready.
 * @fd: anything that poll(2) takes.
 * @events: POLLIN, POLLOUT …; POLLERR and POLLHUP always count.
 *
 * For a time limit use a scope.
 * Result: the events that hold, a mask of POLL*.
 * Errors: -EBADF, and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: poll(2), IORING_OP_POLL_ADD, Linux 5.1.
 */
AION_API AION_SUSPENDS int64_t aion_poll(int fd, unsigned events);
AION_API void aion_op_poll(struct aion_op *op, int fd, unsigned events);

/* A lasting poll. The caller's memory, from open to close; all zero = closed. The fields are private. */
struct aion_poll {
	struct aion_op op;
	struct aion_future ready; /* done: there are events or an error to be taken */
	int32_t fd;
	int32_t error; /* what ended it, for good */
	uint32_t events;
	uint32_t revents; /* seen and not yet taken */
	bool is_open;
};

/**
 * aion_poll_open - start to watch a descriptor.
 * @poll: closed (all zero); an open one aborts the process. It stays in place until aion_poll_close().
 * @fd, @events: as aion_poll().
 *
 * What cannot be started is reported by the first aion_poll_next().
 * Suspends: no. Thread: loop. Source: IORING_OP_POLL_ADD with IORING_POLL_ADD_MULTI, Linux 5.13.
 */
AION_API void aion_poll_open(struct aion_poll *poll, int fd, unsigned events);

/**
 * aion_poll_next - wait for the next events.
 * @poll: open. One task at a time waits.
 *
 * Edge-triggered: an event is reported when it comes (or holds at the start), not as long as it holds: read or write
 * until -EAGAIN before asking again. Events that come between two calls are collected into one result.
 * Result: the events that came, a mask of POLL*.
 * Errors: -EBADF (every further call says so again), also for a closed poll, and the common ones; after
 *   -ECANCELED the poll is still open, and no event is lost.
 * Suspends: yes (try: no, and is no checkpoint; -EAGAIN means that nothing has come). Thread: loop.
 * Source: as aion_poll_open().
 */
AION_API AION_SUSPENDS int64_t aion_poll_next(struct aion_poll *poll);
AION_API int64_t aion_poll_try_next(struct aion_poll *poll);

/**
 * aion_poll_close - stop watching. Always finishes.
 * @poll: open or closed. Fit for AION_CLEANUP: AION_CLEANUP(aion_poll_close) struct aion_poll poll = {0};
 *
 * Suspends: yes, but never returns early. Thread: loop. Source: IORING_OP_ASYNC_CANCEL, Linux 5.5.
 */
AION_API AION_SUSPENDS void aion_poll_close(struct aion_poll *poll);

#ifdef __cplusplus
}
#endif
#endif
