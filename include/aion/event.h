/* SPDX-License-Identifier: MIT */
#ifndef AION_EVENT_H
#define AION_EVENT_H
/*
 * The event: a flag that tasks wait for. Who waits when it is set goes on, also if it is cleared again before he runs.
 * For tasks of one loop.
 */
#include <stdbool.h>

#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Private in its fields. All zero = initialised and not set. */
struct aion_event {
	bool is_set;
	struct aion__waits waits;
};

/** aion_event_init - make an event that is not set. Suspends: no. Thread: any. Source: none. */
AION_API void aion_event_init(struct aion_event *event);

/**
 * aion_event_fini - assert that nobody waits for it, before its memory goes.
 * @event: aborts the process if a task waits.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_event_fini(struct aion_event *event);

/**
 * aion_event_set - set it, and make all who wait ready, first in first out.
 * @event: of this thread's loop. Set already: nothing changes.
 *
 * Nobody runs before the caller suspends.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_event_set(struct aion_event *event);

/** aion_event_clear - from now on tasks wait again. Suspends: no. Thread: loop. Source: none. */
AION_API void aion_event_clear(struct aion_event *event);

/** aion_event_is_set - whether a wait would return at once. Suspends: no. Thread: loop. Source: none. */
AION_API bool aion_event_is_set(const struct aion_event *event);

/**
 * aion_event_wait - wait until it is set.
 * @event: of this thread's loop.
 *
 * Result: 0. It may have been cleared since.
 * Errors: -ECANCELED (a scope around the caller is cancelled, and the event was not set while it waited); -EBUSY (not
 * inside a task); -ECHILD (forked child).
 * Suspends: if it is not set, or the task's budget is used up. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_event_wait(struct aion_event *event);

#ifdef __cplusplus
}
#endif
#endif
