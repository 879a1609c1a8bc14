/* SPDX-License-Identifier: MIT */
/* Batches: full, in time, at the end; and what they keep. */
#include "test_iter.h"

/* How many values the next batch has, which begins with `first`. */
static int64_t next_batch(struct aion_iter *iter, int64_t first)
{
	const struct aion_batch *batch;
	void *value;
	int64_t result = aion_iter_next(iter, &value);

	if (result <= 0)
		return result;
	batch = value;
	for (size_t i = 0; i < batch->nr; i++)
		assert_result(aion_iter_number(batch->values[i]), first + (int64_t)i);
	return (int64_t)batch->nr;
}

TASK_TEST(iter_batch, full_ones_come_first_and_the_rest_at_the_end)
{
	struct aion_iter_range range;
	struct aion_iter_batch batch;
	void *values[4];

	aion_iter_batch_init(&batch, aion_iter_range_init(&range, 0, 10, 1), values, 4, AION_NEVER);
	assert_result(next_batch(&batch.iter, 0), 4);
	assert_result(next_batch(&batch.iter, 4), 4);
	assert_result(next_batch(&batch.iter, 8), 2);
	assert_result(next_batch(&batch.iter, 0), 0);
	aion_iter_close(&batch.iter);
	cr_assert(range.iter.is_closed);
}

TASK_TEST(iter_batch, error_of_the_source_comes_after_what_came_before)
{
	struct test_producer producer = {.nr = 3, .result = -EIO};
	struct aion_generator generator;
	struct aion_iter_batch batch;
	struct aion_group group;
	void *values[8];

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	aion_iter_batch_init(&batch, &generator.iter, values, 8, AION_NEVER);
	assert_result(next_batch(&batch.iter, 0), 3);
	assert_result(next_batch(&batch.iter, 3), -EIO);
	assert_result(next_batch(&batch.iter, 3), -EIO);
	aion_iter_close(&batch.iter);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(iter_batch, batch_of_no_values_is_refused)
{
	struct aion_iter_range range;
	struct aion_iter_batch batch;

	aion_iter_batch_init(&batch, aion_iter_range_init(&range, 0, 10, 1), NULL, 0, AION_NEVER);
	assert_result(next_batch(&batch.iter, 0), -EINVAL);
	aion_iter_close(&batch.iter);
}

struct feed {
	struct aion_queue queue;
	struct aion_iter_queue source;
	struct aion_iter_batch batch;
	void *values[3];
};

static void feed_init(struct feed *feed, int64_t wait_ns)
{
	assert_result(aion_queue_init(&feed->queue, AION_QUEUE_FIFO, 16), 0);
	aion_iter_queue_init(&feed->source, &feed->queue);
	aion_iter_batch_init(&feed->batch, &feed->source.iter, feed->values, 3, wait_ns);
}

static void feed_put(struct feed *feed, int64_t first, int64_t nr)
{
	for (int64_t i = 0; i < nr; i++)
		assert_result(aion_queue_try_put(&feed->queue, aion_iter_value(first + i)), 0);
}

TASK_TEST(iter_batch, not_full_it_comes_when_its_first_value_has_waited_long_enough)
{
	struct feed feed;
	int64_t start_ns;

	feed_init(&feed, 2 * AION_MILLISECOND);
	feed_put(&feed, 0, 5);
	start_ns = aion_now();
	assert_result(next_batch(&feed.batch.iter, 0), 3);
	assert_result(next_batch(&feed.batch.iter, 3), 2);
	cr_assert_geq(aion_now() - start_ns, 2 * AION_MILLISECOND);
	feed_put(&feed, 5, 1);
	assert_result(next_batch(&feed.batch.iter, 5), 1);
	feed_put(&feed, 6, 1);
	aion_queue_shutdown(&feed.queue);
	assert_result(next_batch(&feed.batch.iter, 6), 1);
	assert_result(next_batch(&feed.batch.iter, 6), 0);
	aion_iter_close(&feed.batch.iter);
	aion_queue_fini(&feed.queue);
}

static int64_t put_one_late(void *arg)
{
	struct feed *feed = arg;

	aion_sleep(5 * AION_MILLISECOND);
	feed_put(feed, 0, 1);
	return 0;
}

TASK_TEST(iter_batch, without_a_value_no_time_runs)
{
	struct aion_group group;
	struct feed feed;

	feed_init(&feed, AION_MICROSECOND);
	aion_group_enter(&group);
	aion_spawn(&group, put_one_late, &feed);
	assert_result(next_batch(&feed.batch.iter, 0), 1);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_iter_close(&feed.batch.iter);
	aion_queue_fini(&feed.queue);
}

TASK_TEST(iter_batch, no_time_at_all_gives_each_value_that_is_not_there_at_once)
{
	struct feed feed;

	feed_init(&feed, 0);
	feed_put(&feed, 0, 3);
	for (int64_t first = 0; first < 3;) {
		int64_t nr = next_batch(&feed.batch.iter, first);

		cr_assert(nr >= 1 && nr <= 3);
		first += nr;
	}
	aion_iter_close(&feed.batch.iter);
	aion_queue_fini(&feed.queue);
}

TASK_TEST(iter_batch, cancelled_consumer_finds_what_was_gathered_with_its_next_call)
{
	struct aion_scope scope;
	struct feed feed;
	void *value;

	feed_init(&feed, AION_NEVER);
	feed_put(&feed, 0, 2);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	assert_result(aion_iter_next(&feed.batch.iter, &value), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	assert_result((int64_t)aion_queue_size(&feed.queue), 0);
	feed_put(&feed, 2, 2);
	assert_result(next_batch(&feed.batch.iter, 0), 3);
	aion_queue_shutdown(&feed.queue);
	assert_result(next_batch(&feed.batch.iter, 3), 1);
	aion_iter_close(&feed.batch.iter);
	aion_queue_fini(&feed.queue);
}

TASK_TEST(iter_batch, time_goes_on_while_nobody_asks)
{
	struct aion_scope scope;
	struct feed feed;
	void *value;

	feed_init(&feed, 5 * AION_MILLISECOND);
	feed_put(&feed, 0, 1);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	assert_result(aion_iter_next(&feed.batch.iter, &value), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	aion_sleep(10 * AION_MILLISECOND);
	feed_put(&feed, 1, 1);
	assert_result(next_batch(&feed.batch.iter, 0), 1);
	assert_result(next_batch(&feed.batch.iter, 1), 1);
	aion_iter_close(&feed.batch.iter);
	aion_queue_fini(&feed.queue);
}

TASK_TEST(iter_batch, close_destroys_what_was_gathered_and_not_what_was_given)
{
	struct feed feed;

	test_destroyed_nr = test_destroyed_sum = 0;
	feed_init(&feed, AION_NEVER);
	aion_iter_set_destroy(&feed.source.iter, test_destroy);
	feed_put(&feed, 10, 3);
	assert_result(next_batch(&feed.batch.iter, 10), 3);
	feed_put(&feed, 20, 2);
	assert_result(test_next_cut_short(&feed.batch.iter, AION_MILLISECOND), -ECANCELED);
	aion_iter_close(&feed.batch.iter);
	assert_result(test_destroyed_nr, 2);
	assert_result(test_destroyed_sum, 41);
	aion_queue_fini(&feed.queue);
}

TASK_TEST(iter_batch, producer_does_not_notice_that_time_is_up)
{
	struct test_producer producer = {.nr = 3, .pause_ns = 3 * AION_MILLISECOND};
	struct aion_generator generator;
	struct aion_iter_batch batch;
	struct aion_group group;
	int64_t first = 0;
	void *values[8];

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	aion_iter_batch_init(&batch, &generator.iter, values, 8, AION_MILLISECOND);
	while (first < 3) {
		int64_t nr = next_batch(&batch.iter, first);

		cr_assert_gt(nr, 0);
		first += nr;
	}
	assert_result(next_batch(&batch.iter, 3), 0);
	assert_result(producer.begun_nr, 3);
	assert_result(producer.last, 0);
	aion_iter_close(&batch.iter);
	assert_result(aion_group_leave(&group, 0), 0);
}
