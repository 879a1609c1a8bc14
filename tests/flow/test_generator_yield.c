/* SPDX-License-Identifier: MIT */
/* What a generator's consumer gets, in which order, and how values and their end come to him. */
#include "test_iter.h"

TASK_TEST(generator_yield, values_come_in_order_then_the_end_for_ever)
{
	struct test_producer producer = {.nr = 3};
	struct aion_generator generator;
	struct aion_group group;
	void *value;

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	for (int64_t i = 0; i < 3; i++) {
		assert_result(aion_generator_next(&generator, &value), 1);
		assert_result(aion_iter_number(value), i);
	}
	value = &group;
	assert_result(aion_generator_next(&generator, &value), 0);
	assert_result(aion_generator_next(&generator, &value), 0);
	cr_assert_eq(value, &group, "untouched at the end");
	assert_result(aion_generator_close(&generator), 0);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(generator_yield, producer_begins_with_the_first_demand_and_never_works_ahead)
{
	struct test_producer producer = {.nr = 10};
	struct aion_generator generator;
	struct aion_group group;

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	aion_yield();
	cr_assert_not(producer.has_begun);
	for (int64_t i = 0; i < 5; i++) {
		assert_result(test_next(&generator.iter), 100 + i);
		for (int k = 0; k < 3; k++)
			aion_yield();
		assert_result(producer.begun_nr, i + 1);
	}
	assert_result(aion_generator_close(&generator), 0);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(generator_yield, error_of_the_producer_comes_after_its_values_and_is_none_of_the_group)
{
	struct test_producer producer = {.nr = 2, .result = -EDOM};
	struct aion_generator generator;
	struct aion_group group;

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	assert_result(test_next(&generator.iter), 100);
	assert_result(test_next(&generator.iter), 101);
	assert_result(test_next(&generator.iter), -EDOM);
	assert_result(test_next(&generator.iter), -EDOM);
	assert_result(aion_generator_close(&generator), 0);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(generator_yield, producer_may_wait_between_its_values)
{
	struct test_producer producer = {.nr = 4, .pause_ns = AION_MICROSECOND, .result = 17};
	struct aion_generator generator;
	struct aion_group group;
	void *values[8];

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	assert_result(aion_iter_collect(&generator.iter, values, 8, NULL), 4);
	for (int64_t i = 0; i < 4; i++)
		assert_result(aion_iter_number(values[i]), i);
	aion_generator_close(&generator);
	assert_result(aion_group_leave(&group, 0), 0);
}

static int64_t yield_for_another(void *generator)
{
	return aion_yield_value(generator, NULL);
}

static int64_t lend_to_a_task(struct aion_generator *generator, void *ret_result)
{
	struct aion_handle handle;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, yield_for_another, generator);
	*(int64_t *)ret_result = aion_await(&handle.future);
	aion_group_leave(&group, 0);
	return 0;
}

TASK_TEST(generator_yield, only_the_producer_s_own_task_may_yield)
{
	struct aion_generator generator;
	struct aion_group group;
	int64_t result = 0;

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, lend_to_a_task, &result);
	assert_result(aion_yield_value(&generator, NULL), -EPERM);
	assert_result(test_next(&generator.iter), 0);
	assert_result(result, -EPERM);
	aion_generator_close(&generator);
	assert_result(aion_group_leave(&group, 0), 0);
}

static int64_t next_in_a_task(void *iter)
{
	return test_next(iter);
}

TASK_TEST(generator_yield, second_consumer_at_the_same_time_is_refused)
{
	struct test_producer producer = {.nr = 2, .pause_ns = AION_MILLISECOND};
	struct aion_handle first;
	struct aion_generator generator;
	struct aion_group group;

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	aion_spawn_into(&group, &first, NULL, next_in_a_task, &generator.iter);
	aion_yield();
	assert_result(test_next(&generator.iter), -EALREADY);
	assert_result(aion_generator_close(&generator), -EALREADY);
	assert_result(aion_await(&first.future), 100);
	assert_result(test_next(&generator.iter), 101);
	aion_generator_close(&generator);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(generator_yield, consumers_may_take_turns)
{
	struct test_producer producer = {.nr = 6};
	struct aion_generator generator;
	struct aion_handle handle;
	struct aion_group group;

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	for (int64_t i = 0; i < 6; i += 2) {
		assert_result(test_next(&generator.iter), 100 + i);
		aion_spawn_into(&group, &handle, NULL, next_in_a_task, &generator.iter);
		assert_result(aion_await(&handle.future), 101 + i);
	}
	aion_generator_close(&generator);
	assert_result(aion_group_leave(&group, 0), 0);
}

static int64_t count_down(struct aion_generator *generator, void *depth)
{
	struct aion_generator inner;
	int64_t left = aion_iter_number(depth);
	int64_t result;
	void *value;

	result = aion_yield_value(generator, depth);
	if (left == 0 || result < 0)
		return result;
	aion_generator_init(&inner, generator->group, count_down, aion_iter_value(left - 1));
	while (result >= 0 && (result = aion_generator_next(&inner, &value)) == 1)
		result = aion_yield_value(generator, value);
	aion_generator_close(&inner);
	return result;
}

TASK_TEST(generator_yield, generators_may_be_over_generators)
{
	struct aion_generator generator;
	struct aion_group group;
	void *values[9];

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, count_down, aion_iter_value(7));
	assert_result(aion_iter_collect(&generator.iter, values, 9, NULL), 8);
	for (int64_t i = 0; i < 8; i++)
		assert_result(aion_iter_number(values[i]), 7 - i);
	aion_generator_close(&generator);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(generator_yield, spawn_into_a_closed_group_is_an_error)
{
	struct test_producer producer = {.nr = 1};
	struct aion_generator generator;
	struct aion_group group;

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(test_next(&generator.iter), -ESHUTDOWN);
	assert_result(aion_generator_close(&generator), 0);
	cr_assert_not(producer.has_begun);
}
