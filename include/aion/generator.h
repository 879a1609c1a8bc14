/* SPDX-License-Identifier: MIT */
#ifndef AION_GENERATOR_H
#define AION_GENERATOR_H
/*
 * The generator: a task that yields values to its consumer, as an iterator. The producer begins when the first value is
 * asked for and runs only while one is: between two of them it stands in aion_yield_value(). Two switches a value.
 *
 *	static int64_t count(struct aion_generator *generator, void *limit)
 *	{
 *		int64_t result = 0;
 *
 *		for (int64_t i = 0; i < *(int64_t *)limit && result == 0; i++)
 *			result = aion_yield_value(generator, aion_iter_value(i));
 *		return result;
 *	}
 */
#include <aion/group.h>
#include <aion/iter.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion_generator;

/* The producer's body. 0 or more: the values have come to their end; -errno: the consumer gets it after them. */
typedef int64_t aion_generator_fn(struct aion_generator *generator, void *arg);

struct aion_generator {
	struct aion_iter iter;
	struct aion_group *group;
	aion_generator_fn *fn;
	void *arg;
	struct aion_task *producer; /* NULL until it has begun, and once it has ended */
	struct aion_scope scope;    /* around the producer: closing cancels it */
	struct aion_future wanted;  /* the producer waits for this, if no value is asked for */
	struct aion_future given;   /* the consumer waits for this */
	void *value;
	int64_t result; /* of the producer */
	bool has_begun;
	bool has_ended;
	bool is_wanted; /* a value has been asked for and has not come */
	bool has_value; /* it has come, and the consumer has not taken it */
};

/**
 * aion_generator_init - make a generator whose producer has not begun.
 * @generator: the caller's memory, until it is closed.
 * @group: to which the producer will belong. Close the generator before the group is left: leaving it waits for a
 *   producer for which nobody asks any more.
 * @fn: the producer's body.
 * @arg: handed to fn; borrowed until the producer has ended.
 *
 * Result: the generator as an iterator. Its errors are those of fn, which are no errors of the group; and -ENOMEM
 * (no memory for the task) and -ESHUTDOWN (the group is closed), both also errors of the group as with aion_spawn().
 * If the group is cancelled, so is the producer: a consumer outside of the group gets its -ECANCELED as an error.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API struct aion_iter *aion_generator_init(struct aion_generator *generator, struct aion_group *group,
					       aion_generator_fn *fn, void *arg);

/**
 * aion_generator_next - aion_iter_next() of the generator.
 *
 * A consumer that is cancelled while it waits does not disturb the producer: its value is kept for the next call.
 * Result and errors as aion_iter_next(). Suspends: yes. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int64_t aion_generator_next(struct aion_generator *generator, void **ret_value);

/**
 * aion_generator_close - aion_iter_close() of the generator, also for AION_CLEANUP: cancel the producer and join it.
 * @generator: initialised or all zero.
 *
 * Result and errors as aion_iter_close(). Suspends: yes, but never returns early. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_generator_close(struct aion_generator *generator);

/**
 * aion_yield_value - hand a value to the consumer, and wait until the next one is asked for.
 * @generator: the one whose producer the caller is.
 * @value: the consumer's once this has given 0.
 *
 * Result: 0, also for one who is cancelled after that, while he waits: his next checkpoint tells him. A deadline that
 *   passes in that wait counts as told already: aion_scope_leave() of its scope gives -ETIME, checkpoint or not.
 * Errors: in all of which the value is still the caller's: -ECANCELED (the generator is closed, or another scope around
 *   the caller is cancelled); -EPIPE (the generator is closed, and the caller stands behind a shield); -EPERM (the
 *   caller is not the generator's producer); -EBUSY (not inside a task); -ECHILD.
 * Suspends: yes. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_yield_value(struct aion_generator *generator, void *value);

#ifdef __cplusplus
}
#endif
#endif
