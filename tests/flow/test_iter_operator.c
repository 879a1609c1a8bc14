/* SPDX-License-Identifier: MIT */
/* map, filter, take, chain, zip: what comes out, in which order, and what is kept when the consumer is cancelled. */
#include "test_iter.h"

struct work {
	int64_t pause_ns; /* before each value is dealt with */
	int64_t refused;  /* the value for which it fails */
	int64_t begun_nr, done_nr;
};

static int64_t work_begin(struct work *work, const void *value)
{
	work->begun_nr++;
	if (work->pause_ns) {
		int64_t result = aion_sleep(work->pause_ns);

		if (result < 0)
			return result;
	}
	work->done_nr++;
	return work->refused && aion_iter_number(value) == work->refused ? -EDOM : 0;
}

static int64_t square(void *value, void *arg, void **ret_value)
{
	int64_t number = aion_iter_number(value);
	int64_t result = work_begin(arg, value);

	if (result == 0)
		*ret_value = aion_iter_value(number * number);
	return result;
}

static int64_t is_odd(void *value, void *arg)
{
	int64_t result = work_begin(arg, value);

	return result < 0 ? result : aion_iter_number(value) % 2;
}

TASK_TEST(iter_operator, map_replaces_each_value)
{
	struct aion_iter_range range;
	struct aion_iter_map map;
	struct work work = {0};
	void *values[5];

	aion_iter_map_init(&map, aion_iter_range_init(&range, 0, 4, 1), square, &work);
	assert_result(aion_iter_collect(&map.iter, values, 5, NULL), 4);
	assert_result(aion_iter_number(values[3]), 9);
	assert_result(aion_iter_close(&map.iter), 0);
	cr_assert(range.iter.is_closed);
}

TASK_TEST(iter_operator, error_of_map_s_function_ends_the_iterator)
{
	struct aion_iter_range range;
	struct aion_iter_map map;
	struct work work = {.refused = 2};

	aion_iter_map_init(&map, aion_iter_range_init(&range, 1, 9, 1), square, &work);
	assert_result(test_next(&map.iter), 101);
	assert_result(test_next(&map.iter), -EDOM);
	assert_result(test_next(&map.iter), -EDOM);
	aion_iter_close(&map.iter);
}

TASK_TEST(iter_operator, map_keeps_the_value_at_which_it_was_cancelled)
{
	struct work work = {.pause_ns = AION_MILLISECOND};
	struct aion_iter_range range;
	struct aion_iter_map map;

	aion_iter_map_init(&map, aion_iter_range_init(&range, 5, 7, 1), square, &work);
	assert_result(test_next_cut_short(&map.iter, AION_MICROSECOND), -ECANCELED);
	assert_result(test_next_cut_short(&map.iter, AION_MICROSECOND), -ECANCELED);
	assert_result(work.done_nr, 0);
	assert_result(test_next(&map.iter), 125);
	assert_result(test_next(&map.iter), 136);
	assert_result(test_next(&map.iter), 0);
	assert_result(work.begun_nr, 4);
	aion_iter_close(&map.iter);
}

TASK_TEST(iter_operator, value_that_map_keeps_is_destroyed_by_the_close)
{
	struct work work = {.pause_ns = AION_MILLISECOND};
	struct aion_iter_range range;
	struct aion_iter_map map;

	test_destroyed_nr = test_destroyed_sum = 0;
	aion_iter_set_destroy(aion_iter_range_init(&range, 5, 7, 1), test_destroy);
	aion_iter_map_init(&map, &range.iter, square, &work);
	assert_result(test_next_cut_short(&map.iter, AION_MICROSECOND), -ECANCELED);
	aion_iter_close(&map.iter);
	assert_result(test_destroyed_nr, 1);
	assert_result(test_destroyed_sum, 5);
}

TASK_TEST(iter_operator, filter_lets_pass_what_is_approved_and_destroys_the_rest)
{
	struct aion_iter_filter filter;
	struct aion_iter_range range;
	struct work work = {.refused = 8};

	test_destroyed_nr = test_destroyed_sum = 0;
	aion_iter_set_destroy(aion_iter_range_init(&range, 0, 20, 1), test_destroy);
	aion_iter_filter_init(&filter, &range.iter, is_odd, &work);
	assert_result(test_next(&filter.iter), 101);
	assert_result(test_next(&filter.iter), 103);
	assert_result(test_destroyed_sum, 0 + 2);
	assert_result(test_next(&filter.iter), 105);
	assert_result(test_next(&filter.iter), 107);
	assert_result(test_next(&filter.iter), -EDOM);
	assert_result(test_destroyed_nr, 5);
	assert_result(test_destroyed_sum, 0 + 2 + 4 + 6 + 8);
	aion_iter_close(&filter.iter);
	assert_result(test_destroyed_nr, 5);
}

TASK_TEST(iter_operator, filter_keeps_the_value_at_which_it_was_cancelled)
{
	struct work work = {.pause_ns = AION_MILLISECOND};
	struct aion_iter_filter filter;
	struct aion_iter_range range;

	test_destroyed_nr = test_destroyed_sum = 0;
	aion_iter_set_destroy(aion_iter_range_init(&range, 3, 10, 2), test_destroy);
	aion_iter_filter_init(&filter, &range.iter, is_odd, &work);
	assert_result(test_next_cut_short(&filter.iter, AION_MICROSECOND), -ECANCELED);
	assert_result(test_next(&filter.iter), 103);
	assert_result(test_next_cut_short(&filter.iter, AION_MICROSECOND), -ECANCELED);
	assert_result(test_destroyed_nr, 0);
	aion_iter_close(&filter.iter);
	assert_result(test_destroyed_nr, 1);
	assert_result(test_destroyed_sum, 5);
}

TASK_TEST(iter_operator, take_asks_for_no_more_than_it_gives)
{
	struct test_producer producer = {.nr = 10};
	struct aion_generator generator;
	struct aion_iter_take take;
	struct aion_group group;

	aion_group_enter(&group);
	aion_iter_take_init(&take, aion_generator_init(&generator, &group, test_produce, &producer), 2);
	assert_result(test_next(&take.iter), 100);
	assert_result(test_next(&take.iter), 101);
	assert_result(test_next(&take.iter), 0);
	assert_result(producer.begun_nr, 2);
	assert_result(aion_iter_close(&take.iter), 0);
	cr_assert(producer.has_ended);
	aion_iter_take_init(&take, aion_generator_init(&generator, &group, test_produce, &producer), 0);
	assert_result(test_next(&take.iter), 0);
	cr_assert_not(generator.has_begun);
	aion_iter_close(&take.iter);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(iter_operator, take_counts_values_and_not_tries)
{
	struct test_producer producer = {.nr = 10, .pause_ns = AION_MILLISECOND};
	struct aion_generator generator;
	struct aion_iter_take take;
	struct aion_group group;

	aion_group_enter(&group);
	aion_iter_take_init(&take, aion_generator_init(&generator, &group, test_produce, &producer), 1);
	assert_result(test_next_cut_short(&take.iter, AION_MICROSECOND), -ECANCELED);
	assert_result(test_next(&take.iter), 100);
	assert_result(test_next(&take.iter), 0);
	aion_iter_close(&take.iter);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(iter_operator, chain_gives_one_source_after_the_other)
{
	struct aion_iter_range ranges[3];
	struct aion_iter_chain chain;
	struct aion_iter *sources[] = {
		aion_iter_range_init(&ranges[0], 0, 2, 1),
		aion_iter_range_init(&ranges[1], 0, 0, 1),
		aion_iter_range_init(&ranges[2], 7, 8, 1),
	};

	aion_iter_chain_init(&chain, sources, 3);
	assert_result(test_next(&chain.iter), 100);
	assert_result(test_next(&chain.iter), 101);
	assert_result(test_next(&chain.iter), 107);
	assert_result(test_next(&chain.iter), 0);
	aion_iter_close(&chain.iter);
	for (int i = 0; i < 3; i++)
		cr_assert(ranges[i].iter.is_closed);
	aion_iter_chain_init(&chain, NULL, 0);
	assert_result(test_next(&chain.iter), 0);
	aion_iter_close(&chain.iter);
}

TASK_TEST(iter_operator, error_in_a_chain_ends_it)
{
	struct aion_iter_range ranges[2];
	struct aion_iter_chain chain;
	struct aion_iter *sources[] = {
		aion_iter_range_init(&ranges[0], 0, 2, 0),
		aion_iter_range_init(&ranges[1], 0, 1, 1),
	};

	aion_iter_chain_init(&chain, sources, 2);
	assert_result(test_next(&chain.iter), -EINVAL);
	assert_result(test_next(&chain.iter), -EINVAL);
	aion_iter_close(&chain.iter);
}

TASK_TEST(iter_operator, zip_gives_tuples_until_the_first_end)
{
	struct aion_iter_range ranges[2];
	struct aion_iter_zip zip;
	struct aion_iter *sources[] = {
		aion_iter_range_init(&ranges[0], 0, 9, 1),
		aion_iter_range_init(&ranges[1], 50, 52, 1),
	};
	void *places[2];
	void *value;

	test_destroyed_nr = test_destroyed_sum = 0;
	aion_iter_set_destroy(&ranges[0].iter, test_destroy);
	aion_iter_zip_init(&zip, sources, places, 2);
	for (int64_t i = 0; i < 2; i++) {
		assert_result(aion_iter_next(&zip.iter, &value), 1);
		assert_result(aion_iter_number(((void **)value)[0]), i);
		assert_result(aion_iter_number(((void **)value)[1]), 50 + i);
	}
	assert_result(aion_iter_next(&zip.iter, &value), 0);
	aion_iter_close(&zip.iter);
	assert_result(test_destroyed_nr, 1);
	assert_result(test_destroyed_sum, 2);
	cr_assert(ranges[0].iter.is_closed && ranges[1].iter.is_closed);
	aion_iter_zip_init(&zip, NULL, NULL, 0);
	assert_result(aion_iter_next(&zip.iter, &value), 0);
	aion_iter_close(&zip.iter);
}

TASK_TEST(iter_operator, zip_keeps_its_half_tuple_when_cancelled)
{
	struct test_producer producer = {.nr = 2, .pause_ns = AION_MILLISECOND};
	struct aion_generator generator;
	struct aion_iter_range range;
	struct aion_iter_zip zip;
	struct aion_group group;
	struct aion_iter *sources[2];
	void *places[2];
	void *value;

	aion_group_enter(&group);
	sources[0] = aion_iter_range_init(&range, 30, 40, 1);
	sources[1] = aion_generator_init(&generator, &group, test_produce, &producer);
	aion_iter_zip_init(&zip, sources, places, 2);
	for (int64_t i = 0; i < 2; i++) {
		assert_result(test_next_cut_short(&zip.iter, AION_MICROSECOND), -ECANCELED);
		assert_result(aion_iter_next(&zip.iter, &value), 1);
		assert_result(aion_iter_number(((void **)value)[0]), 30 + i);
		assert_result(aion_iter_number(((void **)value)[1]), i);
	}
	assert_result(aion_iter_close(&zip.iter), 0);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(iter_operator, one_source_under_two_operators_at_once_is_refused)
{
	struct test_producer producer = {.nr = 2, .pause_ns = AION_MILLISECOND};
	struct aion_generator generator;
	struct aion_iter_take takes[2];
	struct aion_iter_feeder feeders[2];
	struct aion_iter *sources[2];
	struct aion_iter_merge merge;
	struct aion_group group;

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	for (int i = 0; i < 2; i++)
		sources[i] = aion_iter_take_init(&takes[i], &generator.iter, 5);
	aion_iter_merge_init(&merge, &group, feeders, sources, 2);
	assert_result(test_next(&merge.iter), -EALREADY);
	assert_result(aion_iter_close(&merge.iter), 0);
	cr_assert(producer.has_ended);
	assert_result(aion_group_leave(&group, 0), 0);
}

/* A pipeline of all, over a generator that waits now and then. */
TASK_TEST(iter_operator, pipelines_nest)
{
	struct test_producer producer = {.nr = 1000, .pause_ns = 10};
	struct aion_generator generator;
	struct aion_iter_filter filter;
	struct aion_iter_map map;
	struct aion_iter_take take;
	struct aion_iter *iter;
	struct aion_group group;
	struct work work = {0};
	void *values[20];

	aion_group_enter(&group);
	iter = aion_generator_init(&generator, &group, test_produce, &producer);
	iter = aion_iter_map_init(&map, aion_iter_filter_init(&filter, iter, is_odd, &work), square, &work);
	iter = aion_iter_take_init(&take, iter, 10);
	assert_result(aion_iter_collect(iter, values, 20, NULL), 10);
	assert_result(aion_iter_number(values[9]), 19 * 19);
	assert_result(producer.begun_nr, 20);
	assert_result(aion_iter_close(iter), 0);
	cr_assert(producer.has_ended);
	assert_result(aion_group_leave(&group, 0), 0);
}
