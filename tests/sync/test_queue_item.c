/* SPDX-License-Identifier: MIT */
/* What goes into a queue and how it comes out. */
#include "test_file.h"
#include "test_task.h"

static void put_numbers(struct aion_queue *queue, int64_t begin, int64_t end)
{
	for (int64_t i = begin; i < end; i++)
		assert_result(aion_queue_put(queue, test_number(i)), 0);
}

static int64_t get_number(struct aion_queue *queue)
{
	void *item = NULL;

	assert_result(aion_queue_get(queue, &item), 0);
	return (intptr_t)item;
}

TASK_TEST(queue_item, fifo_gives_the_oldest_first)
{
	struct aion_queue queue;

	assert_result(aion_queue_init(&queue, AION_QUEUE_FIFO, 5), 0);
	for (int64_t round = 0; round < 4; round++) {
		put_numbers(&queue, 4 * round, 4 * round + 4);
		cr_assert_eq(aion_queue_size(&queue), 4);
		for (int64_t i = 4 * round; i < 4 * round + 4; i++)
			assert_result(get_number(&queue), i);
	}
	cr_assert_eq(aion_queue_size(&queue), 0);
	cr_assert_eq(aion_queue_capacity(&queue), 5);
	aion_queue_fini(&queue);
}

TASK_TEST(queue_item, lifo_gives_the_latest_first)
{
	struct aion_queue queue;

	assert_result(aion_queue_init(&queue, AION_QUEUE_LIFO, 4), 0);
	put_numbers(&queue, 1, 4);
	assert_result(get_number(&queue), 3);
	put_numbers(&queue, 4, 6);
	assert_result(get_number(&queue), 5);
	assert_result(get_number(&queue), 4);
	assert_result(get_number(&queue), 2);
	assert_result(get_number(&queue), 1);
	aion_queue_fini(&queue);
}

TASK_TEST(queue_item, the_least_priority_comes_first)
{
	static const int64_t priorities[] = {5, -3, INT64_MAX, 0, INT64_MIN, 7, -3};
	static const int64_t order[] = {4, 1, 6, 3, 0, 5, 2};
	struct aion_queue queue;

	assert_result(aion_queue_init(&queue, AION_QUEUE_PRIORITY, 7), 0);
	for (int64_t i = 0; i < 7; i++)
		assert_result(aion_queue_put_priority(&queue, test_number(i), priorities[i]), 0);
	for (int i = 0; i < 7; i++)
		assert_result(get_number(&queue), order[i]);
	aion_queue_fini(&queue);
}

TASK_TEST(queue_item, equal_priorities_come_out_in_the_order_of_the_puts)
{
	struct aion_queue queue;
	uint32_t seed = 1;
	int64_t last[8];

	assert_result(aion_queue_init(&queue, AION_QUEUE_PRIORITY, AION_QUEUE_UNBOUNDED), 0);
	for (int64_t i = 0; i < 8; i++)
		last[i] = -1;
	for (int64_t i = 0; i < 3000; i++) {
		seed = seed * 1664525 + 1013904223;
		assert_result(aion_queue_put_priority(&queue, test_number((i << 3) + (seed >> 29)), seed >> 29), 0);
	}
	for (int64_t i = 0, priority = 0; i < 3000; i++) {
		int64_t number = get_number(&queue);

		cr_assert_geq(number & 7, priority, "a greater priority came before a smaller one");
		priority = number & 7;
		cr_assert_gt(number, last[priority]);
		last[priority] = number;
	}
	aion_queue_fini(&queue);
}

TASK_TEST(queue_item, a_plain_put_into_a_queue_by_priority_has_priority_0)
{
	struct aion_queue queue;

	assert_result(aion_queue_init(&queue, AION_QUEUE_PRIORITY, 4), 0);
	assert_result(aion_queue_try_put_priority(&queue, test_number(1), 1), 0);
	assert_result(aion_queue_try_put(&queue, test_number(0)), 0);
	assert_result(aion_queue_put_priority(&queue, test_number(-1), -1), 0);
	assert_result(get_number(&queue), -1);
	assert_result(get_number(&queue), 0);
	assert_result(get_number(&queue), 1);
	aion_queue_fini(&queue);
}

TASK_TEST(queue_item, an_unbounded_queue_grows_and_keeps_the_order)
{
	struct aion_queue queue;
	int64_t next = 0, end = 0;

	assert_result(aion_queue_init(&queue, AION_QUEUE_FIFO, AION_QUEUE_UNBOUNDED), 0);
	/* What lies in the ring goes over its end each time that it grows. */
	while (end < 10000) {
		put_numbers(&queue, end, end + 7);
		end += 7;
		for (int i = 0; i < 3; i++)
			assert_result(get_number(&queue), next++);
	}
	while (next < end)
		assert_result(get_number(&queue), next++);
	cr_assert_eq(aion_queue_size(&queue), 0);
	aion_queue_fini(&queue);
}

TASK_TEST(queue_item, null_is_an_item)
{
	struct aion_queue queue;
	void *item = &queue;

	assert_result(aion_queue_init(&queue, AION_QUEUE_FIFO, 1), 0);
	assert_result(aion_queue_put(&queue, NULL), 0);
	assert_result(aion_queue_get(&queue, &item), 0);
	cr_assert_null(item);
	aion_queue_fini(&queue);
}

TASK_TEST(queue_item, try_says_eagain_when_full_or_empty)
{
	struct aion_queue queue;
	void *item = &queue;

	assert_result(aion_queue_init(&queue, AION_QUEUE_FIFO, 1), 0);
	assert_result(aion_queue_try_get(&queue, &item), -EAGAIN);
	cr_assert_eq(item, &queue, "written without success");
	assert_result(aion_queue_try_put(&queue, test_number(1)), 0);
	assert_result(aion_queue_try_put(&queue, test_number(2)), -EAGAIN);
	assert_result(aion_queue_try_get(&queue, &item), 0);
	cr_assert_eq(item, test_number(1));
	aion_queue_fini(&queue);
}

static void put_from_post(void *queue)
{
	cr_assert_eq(aion_queue_try_put(queue, test_number(11)), 0);
}

TASK_TEST(queue_item, a_post_may_put)
{
	struct aion_queue queue;

	assert_result(aion_queue_init(&queue, AION_QUEUE_FIFO, 1), 0);
	assert_result(aion_loop_post(aion_loop_current(), put_from_post, &queue), 0);
	assert_result(get_number(&queue), 11);
	aion_queue_fini(&queue);
}

TASK_TEST(queue_item, arguments_are_checked)
{
	struct aion_queue queue;

	assert_result(aion_queue_init(&queue, AION_QUEUE_FIFO, 0), -EINVAL);
	assert_result(aion_queue_init(&queue, (enum aion_queue_kind)3, 1), -EINVAL);
	assert_result(aion_queue_init(&queue, AION_QUEUE_FIFO, SIZE_MAX / 4), -ENOMEM);
	assert_result(aion_queue_init(&queue, AION_QUEUE_PRIORITY, SIZE_MAX - 1), -ENOMEM);
	assert_result(aion_queue_init(&queue, AION_QUEUE_LIFO, 1), 0);
	assert_result(aion_queue_put_priority(&queue, NULL, 1), -EINVAL);
	assert_result(aion_queue_try_put_priority(&queue, NULL, 1), -EINVAL);
	cr_assert_eq(aion_queue_size(&queue), 0);
	aion_queue_fini(&queue);
}

#ifdef AION_FAULTS
#include "fault_int.h"

TASK_TEST(queue_item, without_memory_a_growing_queue_keeps_what_it_has)
{
	struct aion_queue queue;
	void *item;

	assert_result(aion_queue_init(&queue, AION_QUEUE_FIFO, AION_QUEUE_UNBOUNDED), 0);
	put_numbers(&queue, 0, 16);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 2, -ENOMEM);
	assert_result(aion_queue_put(&queue, test_number(16)), -ENOMEM);
	assert_result(aion_queue_try_put(&queue, test_number(16)), -ENOMEM);
	put_numbers(&queue, 16, 40);
	for (int64_t i = 0; i < 40; i++)
		assert_result(get_number(&queue), i);
	assert_result(aion_queue_try_get(&queue, &item), -EAGAIN);
	/* All that was put, and nothing that was refused, is counted. */
	for (int64_t i = 0; i < 40; i++)
		assert_result(aion_queue_task_done(&queue), 0);
	assert_result(aion_queue_task_done(&queue), -EINVAL);
	aion_queue_fini(&queue);
}
#endif

static int64_t put_and_get_counting(void *unused)
{
	struct aion_queue queue;
	size_t before_nr;

	(void)unused;
	assert_result(aion_queue_init(&queue, AION_QUEUE_PRIORITY, 8), 0);
	before_nr = test_allocator_total_nr();
	for (int i = 0; i < 100; i++) {
		put_numbers(&queue, 0, 8);
		for (int k = 0; k < 8; k++)
			get_number(&queue);
	}
	cr_assert_eq(test_allocator_total_nr(), before_nr);
	aion_queue_fini(&queue);
	return 0;
}

Test(queue_item, putting_and_getting_allocates_nothing)
{
	test_allocator_count();
	cr_assert_eq(aion_run(put_and_get_counting, NULL, NULL), 0);
	cr_assert_eq(test_allocator_in_use_nr(), 0);
}
