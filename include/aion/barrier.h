/* SPDX-License-Identifier: MIT */
#ifndef AION_BARRIER_H
#define AION_BARRIER_H
/*
 * The barrier: so many tasks wait for each other, then all go on, and it is ready for the next round at once. As in
 * asyncio, a task that is cancelled while it waits leaves, and does not break the barrier: another one may come in its
 * place. For tasks of one loop.
 */
#include <stdbool.h>

#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Private in its fields. */
struct aion_barrier {
	size_t party_nr;
	size_t waiting_nr;
	bool is_broken;
	struct aion__waits waits;
};

/**
 * aion_barrier_init - make a barrier.
 * @barrier: the caller's memory.
 * @party_nr: tasks that meet there; 1 waits for nobody.
 *
 * Errors: -EINVAL (party_nr is 0; the barrier is not initialised).
 * Suspends: no. Thread: any. Source: none.
 */
AION_API int aion_barrier_init(struct aion_barrier *barrier, size_t party_nr);

/**
 * aion_barrier_fini - assert that nobody waits there, before its memory goes.
 * @barrier: aborts the process if a task waits.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_barrier_fini(struct aion_barrier *barrier);

/**
 * aion_barrier_wait - wait until as many tasks as the barrier has parties have come.
 * @barrier: of this thread's loop.
 *
 * A task whose round was complete before its cancellation returns its place.
 * Result: the place of the caller among those who met, 0 for the first to the number of parties less 1; no two are the
 * same. The last does not suspend.
 * Errors: -ECANCELED (a scope around the caller is cancelled; it does not count any more); -EPIPE (the barrier is
 * broken, or was broken or reset while the caller waited); -EBUSY (not inside a task); -ECHILD (forked child).
 * Suspends: unless the caller is the last. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int64_t aion_barrier_wait(struct aion_barrier *barrier);

/**
 * aion_barrier_abort - break the barrier: who waits and who comes gets -EPIPE, until it is reset.
 * @barrier: of this thread's loop.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_barrier_abort(struct aion_barrier *barrier);

/**
 * aion_barrier_reset - begin anew: who waits gets -EPIPE; who comes from now on waits for the others.
 * @barrier: of this thread's loop, broken or not.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_barrier_reset(struct aion_barrier *barrier);

/** aion_barrier_waiting_nr - tasks that wait there now. Suspends: no. Thread: loop. Source: none. */
AION_API size_t aion_barrier_waiting_nr(const struct aion_barrier *barrier);

/** aion_barrier_is_broken - whether it was aborted and not reset. Suspends: no. Thread: loop. Source: none. */
AION_API bool aion_barrier_is_broken(const struct aion_barrier *barrier);

#ifdef __cplusplus
}
#endif
#endif
