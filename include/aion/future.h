/* SPDX-License-Identifier: MIT */
#ifndef AION_FUTURE_H
#define AION_FUTURE_H
/*
 * The future: everything you can wait for. An operation, a task's handle, a timer, an offloaded call each embed one;
 * your own code may complete one too. A future belongs to the loop of the thread that made it and lives in its
 * owner's memory; waiters stand on their own stacks, so waiting allocates nothing.
 */
#include <stdbool.h>
#include <sys/types.h>

#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion_loop;

/* Private to the library in its fields; public in its size, so that it can be embedded. All zero = pending. */
struct aion_future {
	int64_t result;         /* valid once done */
	uintptr_t waiters;      /* see lib/op/future_int.h */
	struct aion_loop *loop; /* the owner; NULL until first used */
	uint8_t kind;           /* what a cancelled waiter does with it */
	uint8_t state;          /* of an operation: idle, in flight, done */
	uint16_t flags;
	int32_t fd; /* of an operation: the descriptor it works on, or -1 */
};

/**
 * aion_future_init - make a pending future of this thread's loop.
 * @future: the caller's memory; stays in place until it is done and no task waits for it.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_future_init(struct aion_future *future);

/**
 * aion_future_complete - give the future its result and make its waiters ready.
 * @future: pending; completing one twice, or from another thread than its loop's, aborts the process.
 * @result: >= 0, or -errno.
 *
 * Nothing runs before the caller suspends. From other threads use a promise.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_future_complete(struct aion_future *future, int64_t result);

/** aion_future_is_done - whether the result is there. Suspends: no. Thread: loop. Source: none. */
AION_API bool aion_future_is_done(const struct aion_future *future);

/**
 * aion_future_fini - assert that nobody waits for the future any more, before its memory goes.
 * @future: aborts the process if a task waits for it.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_future_fini(struct aion_future *future);

/**
 * aion_await - wait for one future.
 * @future: any; several tasks may wait for one. An operation that aion_op_init() made idle aborts the process; one that
 *   is all zero is awaited like any other pending future.
 *
 * Result: the future's. What is done gives its result at once, also in a cancelled scope. In a cancelled scope an
 * operation in flight is asked to end and still waited for, and its own result returned (bytes win over reasons);
 * any other pending future is left alone.
 * Errors: the future's, and: -ECANCELED (see above); -EBUSY (not inside a task); -ECHILD (forked child).
 * Suspends: yes. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int64_t aion_await(struct aion_future *future);

enum aion_wait_mode {
	AION_WAIT_ALL,             /* until every future is done */
	AION_WAIT_FIRST_COMPLETED, /* until at least one is */
	AION_WAIT_FIRST_ERROR,     /* until one is done with a negative result, or all are */
};

/**
 * aion_wait - wait for several futures; none is cancelled, whatever happens.
 * @futures: nr pointers; a future may appear more than once. Waiting for an idle operation aborts, as in aion_await().
 * @nr: 0 returns 0 at once.
 * @mode: see above.
 *
 * Result: how many of them are done now (with FIRST_COMPLETED at least 1).
 * Errors: -ECANCELED (a scope around the caller is cancelled; operations in flight among the futures are left in
 * flight); -EINVAL (mode); -ENOMEM (more than 64 futures, and no memory for their waiters); -EBUSY; -ECHILD.
 * Suspends: yes. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int64_t aion_wait(struct aion_future *const *futures, size_t nr, enum aion_wait_mode mode);

/**
 * aion_gather - wait for all futures and collect their results.
 * @futures: nr pointers.
 * @nr: 0 returns 0 at once.
 * @ret_results: nr results, errors among them; NULL if not wanted. Written only once all are done. A descriptor among
 *   them is the caller's from then on; before, and with NULL, it stays with its operation for aion_op_reap() to close.
 *
 * Result: 0 if no result is negative, else the first negative one in the order of the array.
 * Errors: that of a future, and: -ECANCELED (operations among the futures are asked to end and waited for, other
 * pending futures are left alone, results are not written); -EBUSY; -ECHILD.
 * Suspends: yes. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int64_t aion_gather(struct aion_future *const *futures, size_t nr, int64_t *ret_results);

/**
 * aion_wait_for - wait for one future until a deadline, and cancel what it stands for then.
 * @future: an operation or a task's handle is cancelled when the time is up, and waited for until it has ended; any
 *   other future is left alone.
 * @deadline_ns: absolute, monotonic; one that has passed tries once.
 *
 * Result: the future's if it is done in time, also with a deadline in the past. A result that arrives together with
 * the deadline is kept, and so is that of an operation or a task which ends, once cancelled, in anything but
 * -ECANCELED.
 * Errors: the future's, and: -ETIME (time was up); -ECANCELED (a scope around the caller is cancelled; a task that
 * resists its own cancellation is no longer waited for); -EBUSY; -ECHILD.
 * Suspends: yes. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int64_t aion_wait_for(struct aion_future *future, int64_t deadline_ns);

#ifdef __cplusplus
}
#endif
#endif
