/* SPDX-License-Identifier: MIT */
/* Arrays, ranges, queues, iterators of one's own; what holds for all; the sinks. */
#include "test_iter.h"

TASK_TEST(iter_source, array_gives_its_values_in_order)
{
	void *values[] = {aion_iter_value(3), NULL, aion_iter_value(1)};
	struct aion_iter_array array;

	aion_iter_array_init(&array, values, 3);
	assert_result(test_next(&array.iter), 103);
	assert_result(test_next(&array.iter), 100);
	assert_result(test_next(&array.iter), 101);
	assert_result(test_next(&array.iter), 0);
	assert_result(aion_iter_close(&array.iter), 0);
}

TASK_TEST(iter_source, array_s_values_that_nobody_asked_for_are_destroyed)
{
	void *values[] = {aion_iter_value(1), aion_iter_value(20), aion_iter_value(300)};
	struct aion_iter_array array;

	test_destroyed_nr = test_destroyed_sum = 0;
	aion_iter_set_destroy(aion_iter_array_init(&array, values, 3), test_destroy);
	assert_result(test_next(&array.iter), 101);
	aion_iter_close(&array.iter);
	aion_iter_close(&array.iter);
	assert_result(test_destroyed_nr, 2);
	assert_result(test_destroyed_sum, 320);
}

static void assert_range(int64_t first, int64_t end, int64_t step, size_t nr, int64_t last)
{
	struct aion_iter_range range;
	void *values[8];

	aion_iter_range_init(&range, first, end, step);
	assert_result(aion_iter_collect(&range.iter, values, 8, NULL), (int64_t)nr);
	if (nr)
		assert_result(aion_iter_number(values[0]), first);
	if (nr)
		assert_result(aion_iter_number(values[nr - 1]), last);
	aion_iter_close(&range.iter);
}

TASK_TEST(iter_source, range_stops_before_its_end_in_both_directions)
{
	assert_range(0, 5, 1, 5, 4);
	assert_range(0, 5, 2, 3, 4);
	assert_range(0, 6, 2, 3, 4);
	assert_range(5, 0, -1, 5, 1);
	assert_range(5, -1, -3, 2, 2);
	assert_range(5, 5, 1, 0, 0);
	assert_range(5, 0, 1, 0, 0);
	assert_range(0, 5, -1, 0, 0);
	assert_range(INT64_MAX - 1, INT64_MAX, 7, 1, INT64_MAX - 1);
	assert_range(INT64_MIN, INT64_MAX, INT64_MAX, 3, INT64_MAX - 1);
	assert_range(INT64_MAX, INT64_MIN, INT64_MIN, 2, -1);
}

TASK_TEST(iter_source, range_without_a_step_is_an_error)
{
	struct aion_iter_range range;

	aion_iter_range_init(&range, 0, 5, 0);
	assert_result(test_next(&range.iter), -EINVAL);
	assert_result(test_next(&range.iter), -EINVAL);
}

static int64_t put_three(void *queue)
{
	for (int64_t i = 0; i < 3; i++)
		assert_result(aion_queue_put(queue, aion_iter_value(i)), 0);
	aion_queue_shutdown(queue);
	return 0;
}

TASK_TEST(iter_source, queue_ends_when_it_is_shut_down_and_empty)
{
	struct aion_iter_queue source;
	struct aion_queue queue;
	struct aion_group group;
	void *values[4];

	assert_result(aion_queue_init(&queue, AION_QUEUE_FIFO, 1), 0);
	aion_iter_queue_init(&source, &queue);
	aion_group_enter(&group);
	aion_spawn(&group, put_three, &queue);
	assert_result(aion_iter_collect(&source.iter, values, 4, NULL), 3);
	assert_result(aion_iter_number(values[2]), 2);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_iter_close(&source.iter);
	aion_queue_fini(&queue);
}

TASK_TEST(iter_source, closing_a_queue_s_iterator_leaves_the_queue_as_it_is)
{
	struct aion_iter_queue source;
	struct aion_queue queue;
	void *item;

	assert_result(aion_queue_init(&queue, AION_QUEUE_FIFO, 4), 0);
	aion_iter_queue_init(&source, &queue);
	assert_result(test_next_cut_short(&source.iter, AION_MICROSECOND), -ECANCELED);
	assert_result(aion_queue_try_put(&queue, aion_iter_value(5)), 0);
	assert_result(aion_queue_try_put(&queue, aion_iter_value(6)), 0);
	assert_result(test_next(&source.iter), 105);
	aion_iter_close(&source.iter);
	assert_result(test_next(&source.iter), 0);
	assert_result(aion_queue_try_get(&queue, &item), 0);
	assert_result(aion_iter_number(item), 6);
	aion_queue_fini(&queue);
}

/* ---- one's own */

struct dice {
	struct aion_iter iter;
	int asked_nr, closed_nr;
	int64_t result;
	bool was_shielded;
};

static int64_t dice_next(struct aion_iter *iter, void **ret_value)
{
	struct dice *dice = (struct dice *)iter;

	dice->asked_nr++;
	if (dice->result > 0)
		*ret_value = aion_iter_value(4);
	return dice->result;
}

static void dice_close(struct aion_iter *iter)
{
	struct dice *dice = (struct dice *)iter;

	dice->closed_nr++;
	dice->was_shielded = aion_sleep(1) == 0;
}

TASK_TEST(iter_source, after_its_end_an_iterator_is_not_asked_again)
{
	struct dice dice = {.result = 1};

	aion_iter_init(&dice.iter, dice_next, dice_close);
	assert_result(test_next(&dice.iter), 104);
	dice.result = -EIO;
	assert_result(test_next(&dice.iter), -EIO);
	dice.result = 1;
	assert_result(test_next(&dice.iter), -EIO);
	assert_result(dice.asked_nr, 2);
	aion_iter_close(&dice.iter);
}

TASK_TEST(iter_source, cancellation_of_the_caller_is_no_end)
{
	struct dice dice = {.result = -ECANCELED};
	struct aion_scope scope;

	aion_iter_init(&dice.iter, dice_next, NULL);
	test_enter_cancelled(&scope);
	assert_result(test_next(&dice.iter), -ECANCELED);
	assert_result(dice.asked_nr, 0);
	aion_scope_leave(&scope);
	dice.result = 1;
	assert_result(test_next(&dice.iter), 104);
	dice.result = -ECANCELED;
	assert_result(test_next(&dice.iter), -ECANCELED);
	dice.result = 1;
	assert_result(test_next(&dice.iter), -ECANCELED);
	aion_iter_close(&dice.iter);
}

TASK_TEST(iter_source, close_runs_once_and_behind_a_shield)
{
	struct aion_scope scope;
	struct dice dice = {.result = 1};

	aion_iter_init(&dice.iter, dice_next, dice_close);
	test_enter_cancelled(&scope);
	assert_result(aion_iter_close(&dice.iter), 0);
	assert_result(aion_iter_close(&dice.iter), 0);
	aion_scope_leave(&scope);
	assert_result(dice.closed_nr, 1);
	cr_assert(dice.was_shielded);
	assert_result(test_next(&dice.iter), 0);
}

/* ---- sinks */

struct adder {
	int64_t sum;
	int64_t refused; /* the value at which it fails */
};

static int64_t add(void *value, void *arg)
{
	struct adder *adder = arg;

	if (aion_iter_number(value) == adder->refused)
		return -EDOM;
	adder->sum += aion_iter_number(value);
	return adder->sum;
}

TASK_TEST(iter_source, for_each_calls_with_each_value_until_the_end)
{
	struct adder adder = {.refused = -1};
	struct aion_iter_range range;
	size_t done;

	aion_iter_range_init(&range, 0, 10, 1);
	assert_result(aion_iter_for_each(&range.iter, add, &adder, &done), 0);
	assert_result((int64_t)done, 10);
	assert_result(adder.sum, 45);
	assert_result(aion_iter_for_each(&range.iter, add, &adder, NULL), 0);
}

TASK_TEST(iter_source, for_each_ends_with_the_first_error)
{
	struct adder adder = {.refused = 3};
	struct aion_iter_range range;
	struct aion_scope scope;
	size_t done;

	aion_iter_range_init(&range, 0, 10, 1);
	assert_result(aion_iter_for_each(&range.iter, add, &adder, &done), -EDOM);
	assert_result((int64_t)done, 4);
	assert_result(adder.sum, 3);
	test_enter_cancelled(&scope);
	assert_result(aion_iter_for_each(&range.iter, add, &adder, &done), -ECANCELED);
	assert_result((int64_t)done, 0);
	aion_scope_leave(&scope);
	assert_result(test_next(&range.iter), 104);
}

TASK_TEST(iter_source, collect_stops_where_there_is_no_room)
{
	struct aion_iter_range range;
	void *values[4];
	size_t done = 7;

	aion_iter_range_init(&range, 0, 6, 1);
	assert_result(aion_iter_collect(&range.iter, values, 0, &done), 0);
	assert_result((int64_t)done, 0);
	assert_result(aion_iter_collect(&range.iter, values, 4, &done), 4);
	assert_result((int64_t)done, 4);
	assert_result(aion_iter_collect(&range.iter, values, 4, &done), 2);
	assert_result(aion_iter_number(values[1]), 5);
}

TASK_TEST(iter_source, collect_tells_how_many_came_before_an_error)
{
	struct test_producer producer = {.nr = 2, .result = -EIO};
	struct aion_generator generator;
	struct aion_group group;
	void *values[4];
	size_t done;

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	assert_result(aion_iter_collect(&generator.iter, values, 4, &done), -EIO);
	assert_result((int64_t)done, 2);
	aion_generator_close(&generator);
	assert_result(aion_group_leave(&group, 0), 0);
}
