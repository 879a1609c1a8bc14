/* SPDX-License-Identifier: MIT */
/*
 * Whoever is first. Each source has a task that asks it, the feeder, for one value ahead: it asks again with the call
 * after the one that gave its value. So a value that is valid until the source's next call is valid until the merge's.
 */
#include <errno.h>

#include <aion/iter_operator.h>
#include <aion/task.h>

static void merge_wake(struct aion_iter_merge *merge)
{
	if (!aion_future_is_done(&merge->arrived))
		aion_future_complete(&merge->arrived, 0);
}

/* What the feeder's source has said gets in line. */
static void feeder_arrive(struct aion_iter_feeder *feeder, int64_t result)
{
	struct aion_iter_merge *merge = feeder->merge;

	feeder->result = result;
	feeder->has_arrived = true;
	feeder->next = NULL;
	if (merge->last)
		merge->last->next = feeder;
	else
		merge->first = feeder;
	merge->last = feeder;
	merge_wake(merge);
}

static void feeder_feed(struct aion_iter_feeder *feeder)
{
	int64_t result;

	feeder->has_begun = true;
	aion_scope_enter(&feeder->scope, AION_NEVER);
	do {
		result = aion_iter_next(feeder->source, &feeder->value);
		aion_future_init(&feeder->wanted);
		feeder_arrive(feeder, result);
		if (result > 0)
			feeder->end = aion_await(&feeder->wanted);
	} while (result > 0 && feeder->end >= 0);
	aion_scope_leave(&feeder->scope);
	feeder->has_ended = true;
	merge_wake(feeder->merge); /* and from now on the merge may be gone */
}

static int64_t feeder_task(void *arg)
{
	feeder_feed(arg);
	return 0;
}

static void feeder_begin(struct aion_iter_feeder *feeder)
{
	int result = aion_spawn_now(feeder->merge->group, feeder_task, feeder);

	/* Without memory for its stack a task ends without having run. */
	if (result == 0 && !feeder->has_begun)
		result = -ENOMEM;
	if (result < 0) {
		feeder->has_ended = true;
		feeder_arrive(feeder, result);
	}
}

/* Let the feeder whose value was given ask its source again; it may have been cancelled meanwhile. */
static void feeder_go_on(struct aion_iter_feeder *feeder)
{
	if (feeder->has_ended)
		feeder_arrive(feeder, feeder->end);
	else
		aion_future_complete(&feeder->wanted, 0);
}

static struct aion_iter_feeder *merge_shift(struct aion_iter_merge *merge)
{
	struct aion_iter_feeder *feeder = merge->first;

	merge->first = feeder->next;
	if (!merge->first)
		merge->last = NULL;
	feeder->has_arrived = false;
	return feeder;
}

static void merge_go_on(struct aion_iter_merge *merge)
{
	struct aion_iter_feeder *given = merge->given;

	merge->given = NULL;
	if (given)
		feeder_go_on(given);
	if (merge->has_begun)
		return;
	merge->has_begun = true;
	aion_future_init(&merge->arrived);
	for (size_t i = 0; i < merge->nr; i++)
		feeder_begin(&merge->feeders[i]);
}

static int64_t merge_next(struct aion_iter *iter, void **ret_value)
{
	struct aion_iter_merge *merge = (struct aion_iter_merge *)iter;
	int64_t result = merge->error;

	merge_go_on(merge);
	while (result == 0 && merge->open_nr) {
		struct aion_iter_feeder *feeder;

		while (!merge->first && result >= 0) {
			aion_future_init(&merge->arrived);
			result = aion_await(&merge->arrived);
		}
		if (!merge->first)
			break;
		feeder = merge_shift(merge);
		result = feeder->result;
		if (result > 0) {
			merge->given = feeder;
			*ret_value = feeder->value;
		} else {
			/* Told to a consumer who is cancelled himself, it must be there for the next call, too. */
			merge->error = result;
			merge->open_nr--;
		}
	}
	return result;
}

static bool merge_has_tasks(const struct aion_iter_merge *merge)
{
	for (size_t i = 0; i < merge->nr; i++)
		if (merge->feeders[i].has_begun && !merge->feeders[i].has_ended)
			return true;
	return false;
}

static void merge_join(struct aion_iter_merge *merge)
{
	int64_t result = 0;

	for (size_t i = 0; i < merge->nr; i++)
		if (merge->feeders[i].has_begun && !merge->feeders[i].has_ended)
			aion_scope_cancel(&merge->feeders[i].scope);
	while (merge_has_tasks(merge) && result >= 0) {
		aion_future_init(&merge->arrived);
		result = aion_await(&merge->arrived);
	}
}

static void merge_close(struct aion_iter *iter)
{
	struct aion_iter_merge *merge = (struct aion_iter_merge *)iter;

	merge_join(merge);
	for (size_t i = 0; i < merge->nr; i++) {
		struct aion_iter_feeder *feeder = &merge->feeders[i];

		if (feeder->has_arrived && feeder->result > 0 && feeder->source->destroy)
			feeder->source->destroy(feeder->value);
		aion_iter_close(feeder->source);
	}
}

struct aion_iter *aion_iter_merge_init(struct aion_iter_merge *merge, struct aion_group *group,
				       struct aion_iter_feeder *feeders, struct aion_iter *const *sources, size_t nr)
{
	*merge = (struct aion_iter_merge){.group = group, .feeders = feeders, .nr = nr, .open_nr = nr};
	for (size_t i = 0; i < nr; i++)
		feeders[i] = (struct aion_iter_feeder){.source = sources[i], .merge = merge};
	aion_iter_init(&merge->iter, merge_next, merge_close);
	return aion_iter_set_destroy(&merge->iter, nr ? sources[0]->destroy : NULL);
}
