/* SPDX-License-Identifier: MIT */
#ifndef AION_OFFLOAD_H
#define AION_OFFLOAD_H
/*
 * The offload: a blocking call on a bounded pool of worker threads (asyncio's run_in_executor). The threads belong to
 * the loop, start when needed and end with it.
 */
#include <aion/future.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_OFFLOAD_COPY_MAX 256 /* bytes of arguments that aion_offload_detached() copies */

enum aion_offload_kind {
	AION_OFFLOAD_FAST, /* computes, or blocks shortly */
	AION_OFFLOAD_SLOW, /* may block for long (name resolution, a stuck mount): at most half the workers hold such */
};

/**
 * aion_offload - run fn on a worker thread and wait for it.
 * @kind: see above.
 * @fn: runs on another thread: no aion call inside but those marked "Thread: any".
 * @arg: borrowed until the call returns.
 *
 * Result: fn's. A call that a worker has begun cannot be interrupted: the task waits for it, also when cancelled, and
 * gets its result. One that still queues is withdrawn.
 * Errors: those of fn, and: -ECANCELED (fn has not run); -ENOMEM; -EAGAIN (no worker thread could be started);
 *   -EINVAL (kind); -EBUSY (not inside a task); -ECHILD.
 * Suspends: yes. Thread: loop. Source: pthreads(7).
 */
AION_API AION_SUSPENDS int64_t aion_offload(enum aion_offload_kind kind, aion_fn *fn, void *arg);

/**
 * aion_offload_detached - the same, for who cannot afford to wait out a stuck call.
 * @fn: gets the address of the copied arguments.
 * @args: args_size bytes, copied.
 * @args_size: bytes, at most AION_OFFLOAD_COPY_MAX.
 * @destroy: called exactly once on the loop's thread, after fn has ended or was withdrawn (also: not begun, in a scope
 *   that was cancelled before) and, if the caller was still there, after its return was decided: (copied arguments,
 *   result, whether the caller got the result). Frees what the arguments and the result own. Must not suspend. May be
 *   NULL.
 *
 * Result: fn's, or -ECANCELED at once when a scope around the caller is cancelled; the rest is left to the loop.
 * Errors: those of fn, and: -ECANCELED; -E2BIG (args_size; destroy is not called); -ENOMEM; -EAGAIN; -EINVAL (kind);
 *   -EBUSY; -ECHILD (destroy is not called in these).
 * Suspends: yes. Thread: loop. Source: pthreads(7).
 */
AION_API AION_SUSPENDS int64_t aion_offload_detached(enum aion_offload_kind kind, aion_fn *fn, const void *args,
						     size_t args_size,
						     void (*destroy)(void *args, int64_t result, bool received));

#ifdef __cplusplus
}
#endif
#endif
