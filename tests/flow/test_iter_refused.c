/* SPDX-License-Identifier: MIT */
/* Where no iterator can be asked: outside of tasks, in forked children, without memory for a task. */
#include "test_iter.h"
#include "test_task.h"

#include "fault_int.h"

Test(iter_refused, outside_of_a_task)
{
	struct aion_generator generator;
	struct aion_iter_range range;
	void *value;

	aion_generator_init(&generator, NULL, test_produce, NULL);
	cr_assert_eq(aion_generator_next(&generator, &value), -EBUSY);
	cr_assert_eq(aion_yield_value(&generator, NULL), -EBUSY);
	aion_iter_range_init(&range, 0, 3, 1);
	cr_assert_eq(test_next(&range.iter), -EBUSY);
	cr_assert_eq(aion_iter_close(&range.iter), 0, "there is nothing to be waited for");
}

static int use_in_a_forked_child(void *arg)
{
	struct aion_generator *generator = arg;
	struct aion_iter_range range;

	aion_iter_range_init(&range, 0, 3, 1);
	if (test_next(&range.iter) != -ECHILD || test_next(&generator->iter) != -ECHILD)
		return 1;
	if (aion_yield_value(generator, NULL) != -ECHILD)
		return 2;
	/* It comes back, and nothing is joined. */
	if (aion_generator_close(generator) != 0 || !generator->producer)
		return 3;
	return 0;
}

TASK_TEST(iter_refused, in_a_forked_child)
{
	struct test_producer producer = {.nr = 3};
	struct aion_generator generator;
	struct aion_group group;

	TEST_NEEDS_KERNEL("a forked child");
	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	assert_result(test_next(&generator.iter), 100);
	assert_result(test_in_child(use_in_a_forked_child, &generator), 0);
	assert_result(test_next(&generator.iter), 101);
	aion_generator_close(&generator);
	assert_result(aion_group_leave(&group, 0), 0);
}

#ifdef AION_FAULTS
static int64_t wait_behind_a_shield(void *future)
{
	struct aion_scope shield;
	int64_t result;

	aion_scope_enter_shield(&shield, AION_NEVER);
	result = aion_await(future);
	aion_scope_leave(&shield);
	return result;
}

/* The stacks that are mapped already are used up by tasks that keep theirs. */
static void stacks_use_up(struct aion_group *crowd, struct aion_future *enough)
{
	aion_future_init(enough);
	aion_group_enter(crowd);
	aion__fault_arm(AION__FAULT_STACK_MAP, 0, 1000, -ENOMEM);
	while (aion_group_errors(crowd, NULL) == 0)
		aion_spawn_now(crowd, wait_behind_a_shield, enough);
}

static void stacks_give_back(struct aion_group *crowd, struct aion_future *enough)
{
	aion__fault_reset();
	aion_future_complete(enough, 0);
	assert_result(aion_group_leave(crowd, 0), -ENOMEM);
}

TASK_TEST(iter_refused, without_a_stack_for_the_producer)
{
	struct test_producer producer = {.nr = 1};
	struct aion_generator generator;
	struct aion_scope shield;
	struct aion_future enough;
	struct aion_group crowd;
	struct aion_group group;

	stacks_use_up(&crowd, &enough);
	aion_scope_enter_shield(&shield, AION_NEVER);
	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	assert_result(test_next(&generator.iter), -ENOMEM);
	cr_assert_not(producer.has_begun);
	assert_result(aion_generator_close(&generator), 0);
	assert_result(aion_group_leave(&group, 0), -ENOMEM);
	aion_scope_leave(&shield);
	stacks_give_back(&crowd, &enough);
}

TASK_TEST(iter_refused, without_a_stack_for_a_merge_s_task)
{
	struct aion_iter_feeder feeders[2];
	struct aion_iter_range ranges[2];
	struct aion_iter *sources[2];
	struct aion_iter_merge merge;
	struct aion_scope shield;
	struct aion_future enough;
	struct aion_group crowd;
	struct aion_group group;

	for (int i = 0; i < 2; i++)
		sources[i] = aion_iter_range_init(&ranges[i], 0, 3, 1);
	stacks_use_up(&crowd, &enough);
	aion_scope_enter_shield(&shield, AION_NEVER);
	aion_group_enter(&group);
	aion_iter_merge_init(&merge, &group, feeders, sources, 2);
	assert_result(test_next(&merge.iter), -ENOMEM);
	assert_result(test_next(&merge.iter), -ECANCELED);
	assert_result(aion_iter_close(&merge.iter), 0);
	cr_assert(ranges[0].iter.is_closed && ranges[1].iter.is_closed);
	assert_result(aion_group_leave(&group, 0), -ENOMEM);
	aion_scope_leave(&shield);
	stacks_give_back(&crowd, &enough);
}
#endif
