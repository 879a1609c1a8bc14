/* SPDX-License-Identifier: MIT */
/*
 * A producer and its consumer, who take turns. At any time a value is wanted (the producer runs, or waits for something
 * of its own) or not (the producer waits for `wanted`). Whoever was waiting may have been cancelled meanwhile: so the
 * flags tell the state, and the futures only wake.
 */
#include <errno.h>

#include <aion/generator.h>
#include <aion/task.h>

static void generator_wake(struct aion_future *future)
{
	if (!aion_future_is_done(future))
		aion_future_complete(future, 0);
}

static void generator_produce(struct aion_generator *generator)
{
	int64_t result;

	generator->producer = aion_task_current();
	aion_scope_enter(&generator->scope, AION_NEVER);
	result = generator->fn(generator, generator->arg);
	aion_scope_leave(&generator->scope);
	generator->producer = NULL;
	generator->result = result < 0 ? result : 0;
	generator->has_ended = true;
	generator_wake(&generator->given); /* and from now on the generator may be gone */
}

/* The consumer is told of an error, not the group. */
static int64_t generator_task(void *arg)
{
	generator_produce(arg);
	return 0;
}

/* The producer runs up to its first wait, as a rule with its first value. */
static int generator_begin(struct aion_generator *generator)
{
	int result;

	generator->has_begun = true;
	generator->is_wanted = true;
	aion_future_init(&generator->given);
	result = aion_spawn_now(generator->group, generator_task, generator);
	/* Without memory for its stack a task ends without having run. */
	if (result == 0 && !generator->producer && !generator->has_ended)
		result = -ENOMEM;
	if (result < 0)
		generator->has_ended = true;
	return result;
}

static int64_t generator_take(struct aion_generator *generator, void **ret_value)
{
	*ret_value = generator->value;
	generator->has_value = false;
	return 1;
}

static int64_t generator_next(struct aion_iter *iter, void **ret_value)
{
	struct aion_generator *generator = (struct aion_generator *)iter;
	int64_t result = 0;

	if (!generator->has_begun) {
		result = generator_begin(generator);
	} else if (!generator->has_value && !generator->is_wanted && !generator->has_ended) {
		generator->is_wanted = true;
		generator_wake(&generator->wanted);
	}
	while (result >= 0 && !generator->has_value && !generator->has_ended) {
		aion_future_init(&generator->given);
		result = aion_await(&generator->given);
	}
	if (generator->has_value)
		return generator_take(generator, ret_value);
	return result < 0 ? result : generator->result;
}

static void generator_close(struct aion_iter *iter)
{
	struct aion_generator *generator = (struct aion_generator *)iter;
	int64_t result = 0;

	if (generator->has_begun && !generator->has_ended) {
		aion_scope_cancel(&generator->scope);
		/* A cancellation does not reach a producer that waits behind a shield. */
		if (!generator->is_wanted)
			generator_wake(&generator->wanted);
	}
	while (generator->has_begun && !generator->has_ended && result >= 0) {
		aion_future_init(&generator->given);
		result = aion_await(&generator->given);
	}
	if (generator->has_value && iter->destroy)
		iter->destroy(generator->value);
	generator->has_value = false;
}

struct aion_iter *aion_generator_init(struct aion_generator *generator, struct aion_group *group, aion_generator_fn *fn,
				      void *arg)
{
	*generator = (struct aion_generator){.group = group, .fn = fn, .arg = arg};
	aion_iter_init(&generator->iter, generator_next, generator_close);
	return &generator->iter;
}

int64_t aion_generator_next(struct aion_generator *generator, void **ret_value)
{
	return aion_iter_next(&generator->iter, ret_value);
}

int aion_generator_close(struct aion_generator *generator)
{
	return aion_iter_close(&generator->iter);
}

/* Only a producer that was cancelled while it waited comes here with no value wanted: it has a shield now. */
static int64_t generator_await_demand(struct aion_generator *generator)
{
	int64_t result = 0;

	while (result >= 0 && !generator->is_wanted && !generator->iter.is_closed)
		result = aion_await(&generator->wanted);
	if (generator->iter.is_closed)
		return -EPIPE;
	return result;
}

int aion_yield_value(struct aion_generator *generator, void *value)
{
	int64_t result = aion_checkpoint();

	if (result < 0)
		return (int)result;
	if (generator->producer != aion_task_current())
		return -EPERM;
	result = generator_await_demand(generator);
	if (result < 0)
		return (int)result;
	generator->value = value;
	generator->has_value = true;
	generator->is_wanted = false;
	aion_future_init(&generator->wanted);
	generator_wake(&generator->given);
	/* The value is the consumer's already: a cancellation is for the next checkpoint to tell, or for the end of the
	 * scope on whose account this is refused. */
	aion_await(&generator->wanted);
	return 0;
}
