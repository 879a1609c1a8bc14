/* SPDX-License-Identifier: MIT */
#ifndef AION_SCOPE_H
#define AION_SCOPE_H
/*
 * The cancel scope (trio's): a stretch of a task's code that can be cancelled as a whole and may have a deadline.
 * Scopes nest on the task's stack, last in first out; misnesting aborts the process. Cancellation is a state that
 * stays: every checkpoint inside returns -ECANCELED until the scope is left. -ECANCELED means one thing: a scope
 * around the caller is cancelled, with no shield in between.
 */
#include <aion/timer.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion_task;

enum aion_reason {
	AION_REASON_NONE,     /* not cancelled */
	AION_REASON_USER,     /* aion_scope_cancel(), aion_group_cancel() */
	AION_REASON_DEADLINE, /* its own deadline passed */
	AION_REASON_SIBLING,  /* a group: a child or the body failed */
	AION_REASON_PARENT,   /* an outer scope is cancelled, or the task by aion_handle_cancel() */
	AION_REASON_SHUTDOWN, /* the loop is being destroyed */
};

struct aion_scope {
	struct aion_scope *parent; /* the next scope outwards of the same task, NULL at the task's edge */
	struct aion_scope *inner;  /* the next one inwards */
	struct aion_task *task;
	struct aion_timer timer; /* the deadline */
	uint8_t reason;          /* own cancellation, enum aion_reason */
	bool shield;
	bool effective; /* cancelled, by itself or from outside */
	bool delivered; /* a checkpoint has returned -ECANCELED on this scope's account */
	bool is_group;
};

/**
 * aion_scope_enter - open a scope inside the current one.
 * @scope: the caller's memory, until aion_scope_leave().
 * @deadline_ns: absolute, monotonic, see aion_after(); AION_NEVER for none. One that has passed is delivered at the
 *   first checkpoint, and so is one for whose timer there is no memory: nothing waits for ever.
 *
 * Suspends: no. Thread: loop, inside a task (else aborts). Source: none.
 */
AION_API void aion_scope_enter(struct aion_scope *scope, int64_t deadline_ns);

/**
 * aion_scope_enter_shield - open a scope that cancellation from outside does not enter.
 * @scope: as above.
 * @deadline_ns: its own deadline works: a clean-up that may take so long and no longer.
 *
 * Suspends: no. Thread: loop, inside a task (else aborts). Source: none.
 */
AION_API void aion_scope_enter_shield(struct aion_scope *scope, int64_t deadline_ns);

/**
 * aion_scope_leave - close the innermost scope; its deadline is disarmed.
 * @scope: the innermost of the calling task; any other aborts the process.
 *
 * Result: -ETIME if a checkpoint inside returned -ECANCELED on account of this scope's own deadline, else 0 (a deadline
 * that passed without cutting anything short: see aion_scope_reason()).
 * Errors: -ETIME.
 * Suspends: no. Thread: loop, inside a task. Source: none.
 */
AION_API int aion_scope_leave(struct aion_scope *scope);

/**
 * aion_scope_fini - aion_scope_leave() without its result, for AION_CLEANUP.
 * @scope: entered and innermost, or all zero or already left: then nothing is done.
 *
 * Suspends: no. Thread: loop, inside a task. Source: none.
 */
AION_API void aion_scope_fini(struct aion_scope *scope);

/**
 * aion_scope_cancel - cancel everything inside the scope: its task up to it, and the children of groups inside.
 * @scope: open; a second time changes nothing.
 *
 * Who waits inside is woken; who runs sees it at the next checkpoint.
 * Suspends: no. Thread: loop, any task of it. Source: none.
 */
AION_API void aion_scope_cancel(struct aion_scope *scope);

/**
 * aion_scope_set_deadline - move or remove the deadline of an open scope.
 * @scope: open.
 * @deadline_ns: absolute; AION_NEVER removes it. A cancellation that has happened stays.
 *
 * Errors: -ENOMEM (no memory for the timer; the scope has no deadline now).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_scope_set_deadline(struct aion_scope *scope, int64_t deadline_ns);

/**
 * aion_scope_reason - why the scope is cancelled, or AION_REASON_NONE. Also after it was left.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API enum aion_reason aion_scope_reason(const struct aion_scope *scope);

/**
 * aion_cancelled - whether a checkpoint would return -ECANCELED here. Is none itself.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API bool aion_cancelled(void);

/**
 * aion_checkpoint - do nothing but look: the call for a loop that computes.
 *
 * Result: 0.
 * Errors: -ECANCELED (a scope around the caller is cancelled); -EBUSY (not inside a task); -ECHILD.
 * Suspends: only when the task's budget is used up (the rest runs, then the task goes on). Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_checkpoint(void);

#ifdef __cplusplus
}
#endif
#endif
