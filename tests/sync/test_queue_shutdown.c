/* SPDX-License-Identifier: MIT */
/* The end of a queue: drained, or dropped. */
#include "test_file.h"
#include "test_task.h"

struct call {
	struct aion_queue *queue;
	int result; /* 1 until it has one */
};

static int64_t call_get(void *arg)
{
	struct call *call = arg;
	void *item;

	call->result = aion_queue_get(call->queue, &item);
	return 0;
}

static int64_t call_put(void *arg)
{
	struct call *call = arg;

	call->result = aion_queue_put(call->queue, NULL);
	return 0;
}

static int64_t call_join(void *arg)
{
	struct call *call = arg;

	call->result = aion_queue_join(call->queue);
	return 0;
}

static void queue_fill(struct aion_queue *queue, size_t capacity, intptr_t nr)
{
	assert_result(aion_queue_init(queue, AION_QUEUE_FIFO, capacity), 0);
	for (intptr_t i = 0; i < nr; i++)
		assert_result(aion_queue_put(queue, test_number(i)), 0);
}

/* Case 55. */
TASK_TEST(queue_shutdown, what_is_in_can_be_got_and_nothing_put)
{
	struct aion_queue queue;
	void *item;

	queue_fill(&queue, 4, 2);
	cr_assert_not(aion_queue_is_shut_down(&queue));
	aion_queue_shutdown(&queue);
	aion_queue_shutdown(&queue);
	cr_assert(aion_queue_is_shut_down(&queue));
	assert_result(aion_queue_put(&queue, NULL), -ESHUTDOWN);
	assert_result(aion_queue_try_put(&queue, NULL), -ESHUTDOWN);
	assert_result(aion_queue_get(&queue, &item), 0);
	cr_assert_eq(item, test_number(0));
	assert_result(aion_queue_try_get(&queue, &item), 0);
	cr_assert_eq(item, test_number(1));
	assert_result(aion_queue_get(&queue, &item), -ESHUTDOWN);
	assert_result(aion_queue_try_get(&queue, &item), -ESHUTDOWN);
	aion_queue_fini(&queue);
}

TASK_TEST(queue_shutdown, of_a_queue_by_priority_refuses_too)
{
	struct aion_queue queue;

	assert_result(aion_queue_init(&queue, AION_QUEUE_PRIORITY, 1), 0);
	aion_queue_shutdown(&queue);
	assert_result(aion_queue_put_priority(&queue, NULL, 1), -ESHUTDOWN);
	assert_result(aion_queue_try_put_priority(&queue, NULL, 1), -ESHUTDOWN);
	aion_queue_fini(&queue);
}

TASK_TEST(queue_shutdown, wakes_all_who_wait_to_get)
{
	struct aion_queue queue;
	struct call calls[3] = {{&queue, 1}, {&queue, 1}, {&queue, 1}};
	struct aion_group group;

	queue_fill(&queue, 4, 0);
	aion_group_enter(&group);
	for (int i = 0; i < 3; i++)
		assert_result(aion_spawn(&group, call_get, &calls[i]), 0);
	aion_yield();
	assert_result(aion_queue_try_put(&queue, NULL), 0);
	aion_queue_shutdown(&queue);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(calls[0].result, 0);
	cr_assert_eq(calls[1].result, -ESHUTDOWN);
	cr_assert_eq(calls[2].result, -ESHUTDOWN);
	aion_queue_fini(&queue);
}

TASK_TEST(queue_shutdown, wakes_all_who_wait_to_put_and_takes_none_of_theirs)
{
	struct aion_queue queue;
	struct call calls[2] = {{&queue, 1}, {&queue, 1}};
	struct aion_group group;
	void *item;

	queue_fill(&queue, 1, 1);
	aion_group_enter(&group);
	for (int i = 0; i < 2; i++)
		assert_result(aion_spawn(&group, call_put, &calls[i]), 0);
	aion_yield();
	aion_queue_shutdown(&queue);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(calls[0].result, -ESHUTDOWN);
	cr_assert_eq(calls[1].result, -ESHUTDOWN);
	assert_result(aion_queue_get(&queue, &item), 0);
	assert_result(aion_queue_get(&queue, &item), -ESHUTDOWN);
	aion_queue_fini(&queue);
}

TASK_TEST(queue_shutdown, join_still_waits_for_what_is_in)
{
	struct aion_queue queue;
	struct call join = {&queue, 1};
	struct aion_group group;
	void *item;

	queue_fill(&queue, 2, 2);
	aion_group_enter(&group);
	assert_result(aion_spawn(&group, call_join, &join), 0);
	aion_yield();
	aion_queue_shutdown(&queue);
	for (int i = 0; i < 2; i++) {
		aion_yield();
		cr_assert_eq(join.result, 1);
		assert_result(aion_queue_get(&queue, &item), 0);
		assert_result(aion_queue_task_done(&queue), 0);
	}
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(join.result, 0);
	aion_queue_fini(&queue);
}

struct dropped {
	struct aion_queue *queue;
	intptr_t items[4];
	int nr;
};

static void drop(void *item, void *arg)
{
	struct dropped *dropped = arg;
	void *other;

	dropped->items[dropped->nr++] = (intptr_t)item;
	/* Who frees an item may look at the queue. */
	cr_assert_eq(aion_queue_try_put(dropped->queue, item), -ESHUTDOWN);
	cr_assert_eq(aion_queue_size(dropped->queue), (size_t)(3 - dropped->nr));
	if (dropped->nr == 3)
		cr_assert_eq(aion_queue_try_get(dropped->queue, &other), -ESHUTDOWN);
}

/* Case 55. */
TASK_TEST(queue_shutdown, now_drops_what_is_in)
{
	struct aion_queue queue;
	struct dropped dropped = {.queue = &queue};
	void *item;

	queue_fill(&queue, 4, 3);
	cr_assert_eq(aion_queue_shutdown_now(&queue, drop, &dropped), 3);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(dropped.items[i], i);
	assert_result(aion_queue_get(&queue, &item), -ESHUTDOWN);
	assert_result(aion_queue_put(&queue, NULL), -ESHUTDOWN);
	cr_assert_eq(aion_queue_shutdown_now(&queue, drop, &dropped), 0);
	aion_queue_fini(&queue);
}

TASK_TEST(queue_shutdown, now_counts_as_done_what_it_drops_and_no_more)
{
	struct aion_queue queue;
	struct call join = {&queue, 1};
	struct aion_group group;
	void *item;

	queue_fill(&queue, 3, 3);
	assert_result(aion_queue_get(&queue, &item), 0);
	aion_group_enter(&group);
	assert_result(aion_spawn(&group, call_join, &join), 0);
	aion_yield();
	cr_assert_eq(aion_queue_shutdown_now(&queue, NULL, NULL), 2);
	aion_yield();
	cr_assert_eq(join.result, 1, "one item was got and is not done");
	assert_result(aion_queue_task_done(&queue), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(join.result, 0);
	assert_result(aion_queue_task_done(&queue), -EINVAL);
	aion_queue_fini(&queue);
}

TASK_TEST(queue_shutdown, now_after_a_drain_drops_the_rest)
{
	struct aion_queue queue;
	struct call join = {&queue, 1};
	struct aion_group group;

	queue_fill(&queue, 3, 3);
	aion_queue_shutdown(&queue);
	aion_group_enter(&group);
	assert_result(aion_spawn(&group, call_join, &join), 0);
	aion_yield();
	cr_assert_eq(aion_queue_shutdown_now(&queue, NULL, NULL), 3);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(join.result, 0);
	aion_queue_fini(&queue);
}

/* Handed over before the end: the item is the getter's. */
TASK_TEST(queue_shutdown, now_leaves_alone_what_was_handed_over)
{
	struct aion_queue queue;
	struct call get = {&queue, 1};
	struct aion_group group;

	queue_fill(&queue, 3, 0);
	aion_group_enter(&group);
	assert_result(aion_spawn(&group, call_get, &get), 0);
	aion_yield();
	assert_result(aion_queue_try_put(&queue, NULL), 0);
	cr_assert_eq(aion_queue_shutdown_now(&queue, NULL, NULL), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(get.result, 0);
	aion_queue_fini(&queue);
}

TASK_TEST(queue_shutdown, now_survives_task_done_for_items_that_nobody_got)
{
	struct aion_queue queue;

	queue_fill(&queue, 3, 3);
	assert_result(aion_queue_task_done(&queue), 0);
	cr_assert_eq(aion_queue_shutdown_now(&queue, NULL, NULL), 3);
	assert_result(aion_queue_join(&queue), 0);
	aion_queue_fini(&queue);
}
