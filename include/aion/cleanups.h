/* SPDX-License-Identifier: MIT */
#ifndef AION_CLEANUPS_H
#define AION_CLEANUPS_H
/*
 * The exit stack (Python's AsyncExitStack): what has to be undone, noted as it is done, and run in reverse order when
 * the block is left, whatever ended it. Clean-ups run shielded: a cancellation from outside does not cut them short.
 * Some run only on success (commit), some only on failure (roll back).
 */
#include <stdbool.h>

#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_CLEANUPS_INLINE 6 /* clean-ups for which no memory is allocated */

/* Private. */
struct aion__cleanup {
	aion_fn *fn;
	void *arg;
	int when;
};

/* The caller's memory, on the stack or in a struct of its own; all zero = empty. The fields are private. */
struct aion_cleanups {
	size_t nr;
	struct aion__cleanup records[AION_CLEANUPS_INLINE];
	struct aion__cleanups_chunk *chunks; /* the later ones, latest first */
};

/**
 * aion_cleanups_init - an empty stack of clean-ups. What is all zero is one already.
 * @cleanups: the caller's memory.
 *
 * Suspends: no. Thread: any. Source: none.
 */
AION_API void aion_cleanups_init(struct aion_cleanups *cleanups);

/**
 * aion_cleanups_push - note what is to be done when the block is left, however that ends.
 * @cleanups: initialised. Also from inside a clean-up: the new one runs next.
 * @fn: a negative result is an error of aion_cleanups_leave().
 * @arg: handed to fn; lives until then.
 *
 * The first AION_CLEANUPS_INLINE cannot fail. If there is no memory for a further one, fn runs at once, shielded, so
 * that what it was to undo does not stay: leave the block then.
 * Result: 0.
 * Errors: -ENOMEM (fn has run).
 * Suspends: only if it fails and fn does; it is no checkpoint. Thread: loop. Source: none.
 */
AION_API int aion_cleanups_push(struct aion_cleanups *cleanups, aion_fn *fn, void *arg);

/**
 * aion_cleanups_push_on_error - the same, run only if the block has failed by then: roll back.
 *
 * A block has failed if the result given to aion_cleanups_leave() is negative, or that of a clean-up that ran before.
 * Errors: -ENOMEM (fn has run). Suspends: as aion_cleanups_push(). Thread: loop. Source: none.
 */
AION_API int aion_cleanups_push_on_error(struct aion_cleanups *cleanups, aion_fn *fn, void *arg);

/**
 * aion_cleanups_push_on_success - the same, run only if nothing has failed by then: commit.
 *
 * Errors: -ENOMEM (fn has not run). Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_cleanups_push_on_success(struct aion_cleanups *cleanups, aion_fn *fn, void *arg);

/**
 * aion_cleanups_leave - run the clean-ups, latest first, and forget them. Always finishes.
 * @cleanups: empty afterwards, and may be used again.
 * @body_result: what the block came to; negative: it has failed.
 *
 * Each runs, whatever the others come to, in the calling task, in one shield around all. Who must be left: stacks
 * and scopes that were opened inside the block.
 * Result: body_result; or, if that is not negative, or is the -ECANCELED of a caller who is cancelled, the first error
 * of a clean-up.
 * Errors: those of the body and of the clean-ups.
 * Suspends: as the clean-ups do; it is no checkpoint. Thread: loop, inside a task (else aborts). Source: none.
 */
AION_API AION_SUSPENDS int64_t aion_cleanups_leave(struct aion_cleanups *cleanups, int64_t body_result);

/**
 * aion_cleanups_leave_until - the same with a deadline, after which the clean-ups are cancelled; each is still called.
 * @deadline_ns: absolute, monotonic; AION_NEVER for none.
 *
 * Errors: as above, and: -ETIME (the deadline cut a clean-up short, and there is no other error).
 * Suspends: as the clean-ups do; it is no checkpoint. Thread: loop, inside a task (else aborts). Source: none.
 */
AION_API AION_SUSPENDS int64_t aion_cleanups_leave_until(struct aion_cleanups *cleanups, int64_t body_result,
							 int64_t deadline_ns);

/**
 * aion_cleanups_fini - leave as failed (-EINTR) if there are clean-ups left, for AION_CLEANUP.
 * @cleanups: left, empty or all zero: then nothing is done.
 *
 * A return that goes past aion_cleanups_leave() so rolls back. What clean-ups come to is lost.
 * Suspends: as the clean-ups do; it is no checkpoint. Thread: loop, inside a task. Source: none.
 */
AION_API AION_SUSPENDS void aion_cleanups_fini(struct aion_cleanups *cleanups);

/**
 * aion_cleanups_pop_all - hand all clean-ups over to another stack: what was made is not to be undone here.
 * @cleanups: empty afterwards.
 * @to: empty; any other aborts the process. The clean-ups keep their order and their conditions.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_cleanups_pop_all(struct aion_cleanups *cleanups, struct aion_cleanups *to);

/** aion_cleanups_nr - how many there are. Suspends: no. Thread: loop. Source: none. */
AION_API size_t aion_cleanups_nr(const struct aion_cleanups *cleanups);

#ifdef __cplusplus
}
#endif
#endif
