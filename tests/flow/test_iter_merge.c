/* SPDX-License-Identifier: MIT */
/* Merges: whoever is first, none lost, none left. */
#include "test_iter.h"

#define SOURCE_NR 3

struct merger {
	struct aion_queue queues[SOURCE_NR];
	struct aion_iter_queue queue_sources[SOURCE_NR];
	struct aion_iter *sources[SOURCE_NR];
	struct aion_iter_feeder feeders[SOURCE_NR];
	struct aion_iter_merge merge;
	struct aion_group group;
};

static void merger_enter(struct merger *merger)
{
	aion_group_enter(&merger->group);
	for (int i = 0; i < SOURCE_NR; i++) {
		assert_result(aion_queue_init(&merger->queues[i], AION_QUEUE_FIFO, 16), 0);
		merger->sources[i] = aion_iter_queue_init(&merger->queue_sources[i], &merger->queues[i]);
		aion_iter_set_destroy(merger->sources[i], test_destroy);
	}
	aion_iter_merge_init(&merger->merge, &merger->group, merger->feeders, merger->sources, SOURCE_NR);
}

static void merger_leave(struct merger *merger)
{
	assert_result(aion_iter_close(&merger->merge.iter), 0);
	assert_result(aion_group_leave(&merger->group, 0), 0);
	for (int i = 0; i < SOURCE_NR; i++) {
		cr_assert(merger->sources[i]->is_closed);
		aion_queue_fini(&merger->queues[i]);
	}
}

static void merger_put(struct merger *merger, int source, int64_t number)
{
	assert_result(aion_queue_try_put(&merger->queues[source], aion_iter_value(number)), 0);
}

TASK_TEST(iter_merge, values_come_in_the_order_of_their_arrival)
{
	struct merger merger;

	merger_enter(&merger);
	assert_result(test_next_cut_short(&merger.merge.iter, AION_MICROSECOND), -ECANCELED);
	merger_put(&merger, 2, 1);
	aion_yield();
	merger_put(&merger, 0, 2);
	aion_yield();
	merger_put(&merger, 1, 3);
	aion_yield();
	for (int64_t i = 1; i <= 3; i++)
		assert_result(test_next(&merger.merge.iter), 100 + i);
	merger_leave(&merger);
}

TASK_TEST(iter_merge, no_source_is_asked_for_more_than_one_value_ahead)
{
	struct merger merger;

	merger_enter(&merger);
	for (int64_t i = 0; i < 4; i++)
		merger_put(&merger, 0, i);
	merger_put(&merger, 1, 10);
	assert_result(test_next(&merger.merge.iter), 100);
	for (int i = 0; i < 5; i++)
		aion_yield();
	assert_result((int64_t)aion_queue_size(&merger.queues[0]), 3);
	assert_result((int64_t)aion_queue_size(&merger.queues[1]), 0);
	assert_result(test_next(&merger.merge.iter), 110);
	assert_result((int64_t)aion_queue_size(&merger.queues[0]), 3);
	for (int i = 0; i < 5; i++)
		aion_yield();
	assert_result((int64_t)aion_queue_size(&merger.queues[0]), 2);
	for (int64_t i = 1; i < 4; i++)
		assert_result(test_next(&merger.merge.iter), 100 + i);
	merger_leave(&merger);
}

TASK_TEST(iter_merge, busy_source_does_not_keep_the_others_out)
{
	struct merger merger;
	int64_t place = -1;

	merger_enter(&merger);
	for (int64_t i = 0; i < 10; i++)
		merger_put(&merger, 0, i);
	merger_put(&merger, 2, 50);
	for (int64_t i = 0; i < 11; i++)
		if (test_next(&merger.merge.iter) == 150)
			place = i;
	cr_assert(place >= 0 && place <= 2);
	merger_leave(&merger);
}

TASK_TEST(iter_merge, it_ends_when_all_have)
{
	struct merger merger;

	merger_enter(&merger);
	aion_queue_shutdown(&merger.queues[1]);
	merger_put(&merger, 0, 1);
	aion_queue_shutdown(&merger.queues[0]);
	assert_result(test_next(&merger.merge.iter), 101);
	assert_result(test_next_cut_short(&merger.merge.iter, AION_MICROSECOND), -ECANCELED);
	merger_put(&merger, 2, 2);
	aion_queue_shutdown(&merger.queues[2]);
	assert_result(test_next(&merger.merge.iter), 102);
	assert_result(test_next(&merger.merge.iter), 0);
	assert_result(test_next(&merger.merge.iter), 0);
	merger_leave(&merger);
}

TASK_TEST(iter_merge, merge_of_nothing_is_empty)
{
	struct aion_iter_merge merge;

	aion_iter_merge_init(&merge, NULL, NULL, NULL, 0);
	assert_result(test_next(&merge.iter), 0);
	assert_result(aion_iter_close(&merge.iter), 0);
}

TASK_TEST(iter_merge, first_error_ends_it_after_what_arrived_before)
{
	struct test_producer producers[2] = {{.nr = 1, .result = -EIO}, {.nr = 100, .pause_ns = AION_MILLISECOND}};
	struct aion_generator generators[2];
	struct aion_iter_feeder feeders[2];
	struct aion_iter *sources[2];
	struct aion_iter_merge merge;
	struct aion_group group;

	aion_group_enter(&group);
	for (int i = 0; i < 2; i++)
		sources[i] = aion_generator_init(&generators[i], &group, test_produce, &producers[i]);
	aion_iter_merge_init(&merge, &group, feeders, sources, 2);
	assert_result(test_next(&merge.iter), 100);
	assert_result(test_next(&merge.iter), -EIO);
	assert_result(test_next(&merge.iter), -EIO);
	assert_result(aion_iter_close(&merge.iter), 0);
	cr_assert(producers[0].has_ended && producers[1].has_ended);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(iter_merge, close_joins_its_tasks_and_destroys_what_waits)
{
	struct merger merger;

	test_destroyed_nr = test_destroyed_sum = 0;
	merger_enter(&merger);
	merger_put(&merger, 0, 1);
	merger_put(&merger, 0, 2);
	merger_put(&merger, 1, 30);
	assert_result(test_next(&merger.merge.iter), 101);
	aion_yield();
	merger_leave(&merger);
	assert_result(test_destroyed_nr, 1);
	assert_result(test_destroyed_sum, 30);
}

TASK_TEST(iter_merge, close_before_the_first_demand_starts_nothing)
{
	struct merger merger;
	uint64_t spawn_nr;

	merger_enter(&merger);
	merger_put(&merger, 0, 1);
	spawn_nr = test_stats().task_nr;
	merger_leave(&merger);
	assert_result((int64_t)test_stats().task_nr, (int64_t)spawn_nr);
	cr_assert_not(merger.feeders[0].has_begun);
}

TASK_TEST(iter_merge, cancelled_group_ends_it_after_the_values_that_wait)
{
	struct aion_scope shield;
	struct merger merger;

	merger_enter(&merger);
	aion_scope_enter_shield(&shield, AION_NEVER);
	merger_put(&merger, 0, 1);
	merger_put(&merger, 1, 2);
	assert_result(test_next(&merger.merge.iter), 101);
	aion_yield();
	aion_group_cancel(&merger.group);
	aion_yield();
	aion_yield();
	assert_result(test_next(&merger.merge.iter), 102);
	assert_result(test_next(&merger.merge.iter), -ECANCELED);
	aion_scope_leave(&shield);
	merger_leave(&merger);
}

TASK_TEST(iter_merge, cancelled_group_ends_a_source_whose_value_was_given)
{
	struct test_producer producer = {.nr = 3};
	struct aion_iter_feeder feeder;
	struct aion_generator generator;
	struct aion_iter_merge merge;
	struct aion_iter *source;
	struct aion_scope shield;
	struct aion_group group;

	aion_group_enter(&group);
	aion_scope_enter_shield(&shield, AION_NEVER);
	source = aion_generator_init(&generator, &group, test_produce, &producer);
	aion_iter_merge_init(&merge, &group, &feeder, &source, 1);
	assert_result(test_next(&merge.iter), 100);
	aion_group_cancel(&group);
	aion_yield();
	aion_yield();
	cr_assert(feeder.has_ended);
	assert_result(test_next(&merge.iter), -ECANCELED);
	assert_result(aion_iter_close(&merge.iter), 0);
	aion_scope_leave(&shield);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(iter_merge, closed_group_is_an_error)
{
	struct aion_iter_range range;
	struct aion_iter_feeder feeder;
	struct aion_iter *source = aion_iter_range_init(&range, 0, 3, 1);
	struct aion_iter_merge merge;
	struct aion_group group;

	aion_group_enter(&group);
	aion_iter_merge_init(&merge, &group, &feeder, &source, 1);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(test_next(&merge.iter), -ESHUTDOWN);
	assert_result(aion_iter_close(&merge.iter), 0);
	cr_assert(range.iter.is_closed);
}

/* A line is valid until its source is asked again; merged, until the merge is. */
TASK_TEST(iter_merge, values_that_are_lent_stay_until_the_next_call)
{
	struct aion_iter_feeder feeders[2];
	struct aion_iter_lines lines[2];
	struct aion_iter *sources[2];
	struct aion_iter_merge merge;
	struct aion_group group;
	char bufs[2][16];
	int fds[2];
	void *value;
	int seen[2] = {0};

	aion_group_enter(&group);
	for (int i = 0; i < 2; i++) {
		test_pipe(fds);
		cr_assert_eq(write(fds[1], i ? "b0\nb1\nb2\n" : "a0\na1\na2\n", 9), 9);
		close(fds[1]);
		sources[i] = aion_iter_lines_init(&lines[i], fds[0], bufs[i], sizeof(bufs[i]));
	}
	aion_iter_merge_init(&merge, &group, feeders, sources, 2);
	for (int i = 0; i < 6; i++) {
		const struct aion_iter_line *line;
		int which;

		assert_result(aion_iter_next(&merge.iter, &value), 1);
		aion_sleep(AION_MICROSECOND);
		line = value;
		which = line->text[0] - 'a';
		cr_assert(which == 0 || which == 1);
		cr_assert_eq(line->text[1], '0' + seen[which]++);
	}
	assert_result(aion_iter_next(&merge.iter, &value), 0);
	assert_result(aion_iter_close(&merge.iter), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	close(lines[0].fd);
	close(lines[1].fd);
}

static int64_t slow_square(void *value, void *calls, void **ret_value)
{
	++*(int *)calls;
	*ret_value = aion_iter_value(aion_iter_number(value) * aion_iter_number(value));
	return aion_sleep(3 * AION_MILLISECOND);
}

TASK_TEST(iter_merge, of_one_it_lets_a_source_work_on_when_a_batch_s_time_is_up)
{
	struct aion_iter_feeder feeder;
	struct aion_iter_merge merge;
	struct aion_iter_batch batch;
	struct aion_iter_range range;
	struct aion_iter_map map;
	struct aion_iter *source;
	struct aion_group group;
	void *values[8];
	void *value;
	size_t seen_nr = 0;
	int calls = 0;

	aion_group_enter(&group);
	source = aion_iter_map_init(&map, aion_iter_range_init(&range, 0, 4, 1), slow_square, &calls);
	aion_iter_merge_init(&merge, &group, &feeder, &source, 1);
	aion_iter_batch_init(&batch, &merge.iter, values, 8, AION_MILLISECOND);
	while (aion_iter_next(&batch.iter, &value) == 1)
		seen_nr += ((struct aion_batch *)value)->nr;
	assert_result((int64_t)seen_nr, 4);
	assert_result(calls, 4);
	assert_result(aion_iter_close(&batch.iter), 0);
	assert_result(aion_group_leave(&group, 0), 0);
}

/* The source's task hears of it first; the consumer is cancelled by the time when its error arrives. */
static int64_t cancel_both(void *arg)
{
	struct aion_scope **scopes = arg;

	aion_scope_cancel(scopes[0]);
	aion_yield();
	aion_scope_cancel(scopes[1]);
	return 0;
}

/* The one who is told of a source's error is cancelled himself: it must be there for the next call, too. */
TASK_TEST(iter_merge, error_told_to_a_cancelled_consumer_is_told_again)
{
	struct test_producer producer = {.nr = 1, .pause_ns = 1000 * AION_SECOND};
	struct aion_iter_feeder feeder;
	struct aion_generator generator;
	struct aion_iter_merge merge;
	struct aion_iter *source;
	struct aion_scope shield;
	struct aion_scope scope;
	struct aion_group group;

	aion_group_enter(&group);
	aion_scope_enter_shield(&shield, AION_NEVER);
	source = aion_generator_init(&generator, &group, test_produce, &producer);
	aion_iter_merge_init(&merge, &group, &feeder, &source, 1);
	assert_result(test_next_cut_short(&merge.iter, AION_MICROSECOND), -ECANCELED);
	aion_scope_enter(&scope, AION_NEVER);
	aion_spawn(&group, cancel_both, &(struct aion_scope *[]){&group.scope, &scope});
	assert_result(test_next(&merge.iter), -ECANCELED);
	aion_scope_leave(&scope);
	assert_result(test_next(&merge.iter), -ECANCELED);
	assert_result(test_next(&merge.iter), -ECANCELED);
	assert_result(aion_iter_close(&merge.iter), 0);
	aion_scope_leave(&shield);
	assert_result(aion_group_leave(&group, 0), 0);
}
