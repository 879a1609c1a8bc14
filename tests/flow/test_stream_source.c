/* SPDX-License-Identifier: MIT */
/* Arrays, ranges, queues, streams of one's own; what holds for all; the sinks. */
#include "test_stream.h"

TASK_TEST(stream_source, array_gives_its_values_in_order)
{
	void *values[] = {aion_stream_value(3), NULL, aion_stream_value(1)};
	struct aion_stream_array array;

	aion_stream_array_init(&array, values, 3);
	assert_result(test_next(&array.stream), 103);
	assert_result(test_next(&array.stream), 100);
	assert_result(test_next(&array.stream), 101);
	assert_result(test_next(&array.stream), 0);
	assert_result(aion_stream_close(&array.stream), 0);
}

TASK_TEST(stream_source, array_s_values_that_nobody_asked_for_are_destroyed)
{
	void *values[] = {aion_stream_value(1), aion_stream_value(20), aion_stream_value(300)};
	struct aion_stream_array array;

	test_destroyed_nr = test_destroyed_sum = 0;
	aion_stream_set_destroy(aion_stream_array_init(&array, values, 3), test_destroy);
	assert_result(test_next(&array.stream), 101);
	aion_stream_close(&array.stream);
	aion_stream_close(&array.stream);
	assert_result(test_destroyed_nr, 2);
	assert_result(test_destroyed_sum, 320);
}

static void assert_range(int64_t first, int64_t end, int64_t step, size_t nr, int64_t last)
{
	struct aion_stream_range range;
	void *values[8];

	aion_stream_range_init(&range, first, end, step);
	assert_result(aion_stream_collect(&range.stream, values, 8, NULL), (int64_t)nr);
	if (nr)
		assert_result(aion_stream_number(values[0]), first);
	if (nr)
		assert_result(aion_stream_number(values[nr - 1]), last);
	aion_stream_close(&range.stream);
}

TASK_TEST(stream_source, range_stops_before_its_end_in_both_directions)
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

TASK_TEST(stream_source, range_without_a_step_is_an_error)
{
	struct aion_stream_range range;

	aion_stream_range_init(&range, 0, 5, 0);
	assert_result(test_next(&range.stream), -EINVAL);
	assert_result(test_next(&range.stream), -EINVAL);
}

static int64_t put_three(void *queue)
{
	for (int64_t i = 0; i < 3; i++)
		assert_result(aion_queue_put(queue, aion_stream_value(i)), 0);
	aion_queue_shutdown(queue);
	return 0;
}

TASK_TEST(stream_source, queue_ends_when_it_is_shut_down_and_empty)
{
	struct aion_stream_queue source;
	struct aion_queue queue;
	struct aion_group group;
	void *values[4];

	assert_result(aion_queue_init(&queue, AION_QUEUE_FIFO, 1), 0);
	aion_stream_queue_init(&source, &queue);
	aion_group_enter(&group);
	aion_spawn(&group, put_three, &queue);
	assert_result(aion_stream_collect(&source.stream, values, 4, NULL), 3);
	assert_result(aion_stream_number(values[2]), 2);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_stream_close(&source.stream);
	aion_queue_fini(&queue);
}

TASK_TEST(stream_source, closing_a_queue_s_stream_leaves_the_queue_as_it_is)
{
	struct aion_stream_queue source;
	struct aion_queue queue;
	void *item;

	assert_result(aion_queue_init(&queue, AION_QUEUE_FIFO, 4), 0);
	aion_stream_queue_init(&source, &queue);
	assert_result(test_next_cut_short(&source.stream, AION_MICROSECOND), -ECANCELED);
	assert_result(aion_queue_try_put(&queue, aion_stream_value(5)), 0);
	assert_result(aion_queue_try_put(&queue, aion_stream_value(6)), 0);
	assert_result(test_next(&source.stream), 105);
	aion_stream_close(&source.stream);
	assert_result(test_next(&source.stream), 0);
	assert_result(aion_queue_try_get(&queue, &item), 0);
	assert_result(aion_stream_number(item), 6);
	aion_queue_fini(&queue);
}

/* ---- one's own */

struct dice {
	struct aion_stream stream;
	int asked_nr, closed_nr;
	int64_t result;
	bool was_shielded;
};

static int64_t dice_next(struct aion_stream *stream, void **ret_value)
{
	struct dice *dice = (struct dice *)stream;

	dice->asked_nr++;
	if (dice->result > 0)
		*ret_value = aion_stream_value(4);
	return dice->result;
}

static void dice_close(struct aion_stream *stream)
{
	struct dice *dice = (struct dice *)stream;

	dice->closed_nr++;
	dice->was_shielded = aion_sleep(1) == 0;
}

TASK_TEST(stream_source, after_its_end_a_stream_is_not_asked_again)
{
	struct dice dice = {.result = 1};

	aion_stream_init(&dice.stream, dice_next, dice_close);
	assert_result(test_next(&dice.stream), 104);
	dice.result = -EIO;
	assert_result(test_next(&dice.stream), -EIO);
	dice.result = 1;
	assert_result(test_next(&dice.stream), -EIO);
	assert_result(dice.asked_nr, 2);
	aion_stream_close(&dice.stream);
}

TASK_TEST(stream_source, cancellation_of_the_caller_is_no_end)
{
	struct dice dice = {.result = -ECANCELED};
	struct aion_scope scope;

	aion_stream_init(&dice.stream, dice_next, NULL);
	test_enter_cancelled(&scope);
	assert_result(test_next(&dice.stream), -ECANCELED);
	assert_result(dice.asked_nr, 0);
	aion_scope_leave(&scope);
	dice.result = 1;
	assert_result(test_next(&dice.stream), 104);
	dice.result = -ECANCELED;
	assert_result(test_next(&dice.stream), -ECANCELED);
	dice.result = 1;
	assert_result(test_next(&dice.stream), -ECANCELED);
	aion_stream_close(&dice.stream);
}

TASK_TEST(stream_source, close_runs_once_and_behind_a_shield)
{
	struct aion_scope scope;
	struct dice dice = {.result = 1};

	aion_stream_init(&dice.stream, dice_next, dice_close);
	test_enter_cancelled(&scope);
	assert_result(aion_stream_close(&dice.stream), 0);
	assert_result(aion_stream_close(&dice.stream), 0);
	aion_scope_leave(&scope);
	assert_result(dice.closed_nr, 1);
	cr_assert(dice.was_shielded);
	assert_result(test_next(&dice.stream), 0);
}

/* ---- sinks */

struct adder {
	int64_t sum;
	int64_t refused; /* the value at which it fails */
};

static int64_t add(void *value, void *arg)
{
	struct adder *adder = arg;

	if (aion_stream_number(value) == adder->refused)
		return -EDOM;
	adder->sum += aion_stream_number(value);
	return adder->sum;
}

TASK_TEST(stream_source, for_each_calls_with_each_value_until_the_end)
{
	struct adder adder = {.refused = -1};
	struct aion_stream_range range;
	size_t done;

	aion_stream_range_init(&range, 0, 10, 1);
	assert_result(aion_stream_for_each(&range.stream, add, &adder, &done), 0);
	assert_result((int64_t)done, 10);
	assert_result(adder.sum, 45);
	assert_result(aion_stream_for_each(&range.stream, add, &adder, NULL), 0);
}

TASK_TEST(stream_source, for_each_ends_with_the_first_error)
{
	struct adder adder = {.refused = 3};
	struct aion_stream_range range;
	struct aion_scope scope;
	size_t done;

	aion_stream_range_init(&range, 0, 10, 1);
	assert_result(aion_stream_for_each(&range.stream, add, &adder, &done), -EDOM);
	assert_result((int64_t)done, 4);
	assert_result(adder.sum, 3);
	test_enter_cancelled(&scope);
	assert_result(aion_stream_for_each(&range.stream, add, &adder, &done), -ECANCELED);
	assert_result((int64_t)done, 0);
	aion_scope_leave(&scope);
	assert_result(test_next(&range.stream), 104);
}

TASK_TEST(stream_source, collect_stops_where_there_is_no_room)
{
	struct aion_stream_range range;
	void *values[4];
	size_t done = 7;

	aion_stream_range_init(&range, 0, 6, 1);
	assert_result(aion_stream_collect(&range.stream, values, 0, &done), 0);
	assert_result((int64_t)done, 0);
	assert_result(aion_stream_collect(&range.stream, values, 4, &done), 4);
	assert_result((int64_t)done, 4);
	assert_result(aion_stream_collect(&range.stream, values, 4, &done), 2);
	assert_result(aion_stream_number(values[1]), 5);
}

TASK_TEST(stream_source, collect_tells_how_many_came_before_an_error)
{
	struct test_producer producer = {.nr = 2, .result = -EIO};
	struct aion_generator generator;
	struct aion_group group;
	void *values[4];
	size_t done;

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	assert_result(aion_stream_collect(&generator.stream, values, 4, &done), -EIO);
	assert_result((int64_t)done, 2);
	aion_generator_close(&generator);
	assert_result(aion_group_leave(&group, 0), 0);
}
