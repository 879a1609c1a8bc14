/* SPDX-License-Identifier: MIT */
#ifndef AION_TIMER_H
#define AION_TIMER_H
/*
 * The timer: a future that the clock completes. For sleeping see aion_sleep() in task.h, for time limits scope.h.
 * Timers live in userland, in a wheel that the loop owns; arming and cancelling cost nanoseconds and no system call.
 */
#include <aion/future.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion_timer {
	struct aion_future future; /* its result is 0 when the deadline has come */
	int64_t deadline_ns;
	uintptr_t place;                     /* where the loop's timers keep it; 0 = not armed */
	void (*expire)(struct aion_timer *); /* private */
	void *owner;                         /* private */
};

/**
 * aion_timer_init - make an idle timer of this thread's loop.
 * @timer: the caller's memory; stays in place while it is armed.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_timer_init(struct aion_timer *timer);

/**
 * aion_timer_arm - complete the timer's future at a time.
 * @timer: initialised, not armed; one that has fired is made pending again.
 * @deadline_ns: absolute, monotonic; one that has passed fires when the loop next reads the clock, within 32
 *   turns; AION_NEVER never does.
 *
 * Errors: -ENOMEM (no memory for its place; the timer stays idle); -EALREADY (it is armed).
 * Suspends: no. Thread: loop. Source: none (io_uring_enter(2)'s wait timeout, Linux 5.11).
 */
AION_API int aion_timer_arm(struct aion_timer *timer, int64_t deadline_ns);

/**
 * aion_timer_cancel - disarm; its future stays as it is, pending if it has not fired.
 * @timer: armed or not.
 *
 * Result: 1 if it was armed, 0 if not (it fired already, or was never armed).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_timer_cancel(struct aion_timer *timer);

#ifdef __cplusplus
}
#endif
#endif
