/* SPDX-License-Identifier: MIT */
/* Knowing when all is done: join and task_done. */
#include "test_file.h"
#include "test_task.h"

struct joiner {
	struct aion_queue *queue;
	int result; /* 1 until it has one */
};

static int64_t joiner_run(void *arg)
{
	struct joiner *joiner = arg;

	joiner->result = aion_queue_join(joiner->queue);
	return joiner->result;
}

static void queue_fill(struct aion_queue *queue, int nr)
{
	assert_result(aion_queue_init(queue, AION_QUEUE_FIFO, (size_t)nr + 1), 0);
	while (nr--)
		assert_result(aion_queue_put(queue, NULL), 0);
}

TASK_TEST(queue_join, an_unused_queue_is_done)
{
	struct aion_queue queue;

	queue_fill(&queue, 0);
	assert_result(aion_queue_join(&queue), 0);
	aion_queue_fini(&queue);
}

/* Case 54. */
TASK_TEST(queue_join, task_done_more_often_than_items_were_put_is_refused)
{
	struct aion_queue queue;

	queue_fill(&queue, 1);
	assert_result(aion_queue_task_done(&queue), 0);
	assert_result(aion_queue_task_done(&queue), -EINVAL);
	assert_result(aion_queue_join(&queue), 0);
	aion_queue_fini(&queue);
}

TASK_TEST(queue_join, returns_when_the_last_item_is_done_and_not_before)
{
	struct aion_queue queue;
	struct joiner joiners[2] = {{&queue, 1}, {&queue, 1}};
	struct aion_group group;
	void *item;

	queue_fill(&queue, 3);
	aion_group_enter(&group);
	assert_result(aion_spawn(&group, joiner_run, &joiners[0]), 0);
	assert_result(aion_spawn(&group, joiner_run, &joiners[1]), 0);
	for (int i = 0; i < 3; i++) {
		assert_result(aion_queue_get(&queue, &item), 0);
		aion_yield();
		aion_yield();
		cr_assert_eq(joiners[0].result, 1, "all is got, but not done");
		assert_result(aion_queue_task_done(&queue), 0);
	}
	aion_yield();
	aion_yield();
	cr_assert_eq(joiners[0].result, 0);
	cr_assert_eq(joiners[1].result, 0);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_queue_fini(&queue);
}

static int64_t get_one(void *queue)
{
	void *item;

	return aion_queue_get(queue, &item);
}

TASK_TEST(queue_join, an_item_handed_to_a_waiting_task_counts)
{
	struct aion_queue queue;
	struct joiner joiner = {&queue, 1};
	struct aion_group group;

	queue_fill(&queue, 0);
	aion_group_enter(&group);
	assert_result(aion_spawn(&group, get_one, &queue), 0);
	aion_yield();
	assert_result(aion_queue_put(&queue, NULL), 0);
	assert_result(aion_spawn(&group, joiner_run, &joiner), 0);
	aion_yield();
	aion_yield();
	cr_assert_eq(joiner.result, 1);
	assert_result(aion_queue_task_done(&queue), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(joiner.result, 0);
	aion_queue_fini(&queue);
}

/* What is put after the last was done and before the joiner runs is not waited for (asyncio: an event). */
TASK_TEST(queue_join, a_later_put_does_not_hold_back_who_was_woken)
{
	struct aion_queue queue;
	struct joiner joiner = {&queue, 1};
	struct aion_group group;

	queue_fill(&queue, 1);
	aion_group_enter(&group);
	assert_result(aion_spawn(&group, joiner_run, &joiner), 0);
	aion_yield();
	assert_result(aion_queue_task_done(&queue), 0);
	assert_result(aion_queue_put(&queue, NULL), 0);
	aion_yield();
	cr_assert_eq(joiner.result, 0);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_queue_fini(&queue);
}

TASK_TEST(queue_join, a_cancelled_join_leaves)
{
	struct aion_queue queue;
	struct joiner joiners[2] = {{&queue, 1}, {&queue, 1}};
	struct aion_handle handle;
	struct aion_group group;

	queue_fill(&queue, 1);
	aion_group_enter(&group);
	assert_result(aion_spawn_into(&group, &handle, NULL, joiner_run, &joiners[0]), 0);
	assert_result(aion_spawn(&group, joiner_run, &joiners[1]), 0);
	aion_yield();
	aion_handle_cancel(&handle);
	assert_result(aion_await(&handle.future), -ECANCELED);
	cr_assert_eq(joiners[1].result, 1);
	assert_result(aion_queue_task_done(&queue), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(joiners[1].result, 0);
	aion_queue_fini(&queue);
}

/* asyncio's test_task_done: workers, one joiner, a sum. */
static int64_t sum_of_joined;

static int64_t worker(void *queue)
{
	void *item;
	int result;

	while ((result = aion_queue_get(queue, &item)) == 0) {
		sum_of_joined += (intptr_t)item;
		aion_yield();
		assert_result(aion_queue_task_done(queue), 0);
	}
	return result == -ESHUTDOWN ? 0 : result;
}

TASK_TEST(queue_join, workers_do_all_that_was_put)
{
	struct aion_queue queue;
	struct aion_group group;

	assert_result(aion_queue_init(&queue, AION_QUEUE_FIFO, 5), 0);
	sum_of_joined = 0;
	aion_group_enter(&group);
	for (int i = 0; i < 3; i++)
		assert_result(aion_spawn(&group, worker, &queue), 0);
	for (int64_t i = 0; i < 100; i++)
		assert_result(aion_queue_put(&queue, test_number(i)), 0);
	assert_result(aion_queue_join(&queue), 0);
	cr_assert_eq(sum_of_joined, 99 * 100 / 2);
	aion_queue_shutdown(&queue);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_queue_fini(&queue);
}
