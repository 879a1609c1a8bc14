/* SPDX-License-Identifier: MIT */
/* The queue between threads, with threads. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "test_file.h"
#include "test_task.h"

struct side {
	struct aion_thread_queue *queue;
	pthread_t thread;
	int64_t deadline_ns;
	void *item;
	int result;
	atomic_bool has_begun;
};

static void side_start(struct side *side, void *(*fn)(void *arg))
{
	cr_assert_eq(pthread_create(&side->thread, NULL, fn, side), 0);
}

static void side_join(struct side *side)
{
	cr_assert_eq(pthread_join(side->thread, NULL), 0);
}

static void *side_get(void *arg)
{
	struct side *side = arg;

	side->has_begun = true;
	side->result = aion_thread_queue_get_blocking(side->queue, &side->item, side->deadline_ns);
	return NULL;
}

static void *side_put(void *arg)
{
	struct side *side = arg;

	side->has_begun = true;
	side->result = aion_thread_queue_put_blocking(side->queue, side->item, side->deadline_ns);
	return NULL;
}

static struct aion_thread_queue *queue_create(size_t capacity)
{
	struct aion_thread_queue *queue;

	assert_result(aion_thread_queue_create(capacity, &queue), 0);
	return queue;
}

Test(thread_queue_thread, threads_block_until_there_is_an_item_or_room)
{
	struct side side = {.queue = queue_create(1), .deadline_ns = AION_NEVER};

	for (int i = 0; i < 20; i++) {
		side.has_begun = false;
		side_start(&side, side_get);
		while (!side.has_begun)
			sched_yield();
		assert_result(aion_thread_queue_put_blocking(side.queue, test_number(i), AION_NEVER), 0);
		side_join(&side);
		assert_result(side.result, 0);
		cr_assert_eq(side.item, test_number(i));
	}
	for (int i = 0; i < 20; i++) {
		void *item;

		assert_result(aion_thread_queue_try_put(side.queue, NULL), 0);
		side.has_begun = false;
		side.item = test_number(i);
		side_start(&side, side_put);
		while (!side.has_begun)
			sched_yield();
		assert_result(aion_thread_queue_get_blocking(side.queue, &item, AION_NEVER), 0);
		cr_assert_null(item);
		assert_result(aion_thread_queue_get_blocking(side.queue, &item, AION_NEVER), 0);
		cr_assert_eq(item, test_number(i));
		side_join(&side);
		assert_result(side.result, 0);
	}
	aion_thread_queue_destroy(side.queue);
}

Test(thread_queue_thread, a_deadline_ends_the_block)
{
	struct aion_thread_queue *queue = queue_create(1);
	void *item = &queue;

	assert_result(aion_thread_queue_get_blocking(queue, &item, 0), -ETIME);
	assert_result(aion_thread_queue_get_blocking(queue, &item, -1), -ETIME);
	assert_result(aion_thread_queue_get_blocking(queue, &item, aion_after(AION_MILLISECOND)), -ETIME);
	cr_assert_eq(item, &queue, "written without success");
	/* Who has left is not served. */
	assert_result(aion_thread_queue_put_blocking(queue, test_number(1), 0), 0);
	cr_assert_eq(aion_thread_queue_size(queue), 1);
	assert_result(aion_thread_queue_put_blocking(queue, test_number(2), aion_after(AION_MILLISECOND)), -ETIME);
	assert_result(aion_thread_queue_get_blocking(queue, &item, 0), 0);
	cr_assert_eq(item, test_number(1));
	assert_result(aion_thread_queue_try_get(queue, &item), -EAGAIN);
	aion_thread_queue_destroy(queue);
}

Test(thread_queue_thread, outside_of_tasks_the_suspending_forms_are_refused)
{
	struct aion_thread_queue *queue = queue_create(1);
	void *item;

	assert_result(aion_thread_queue_put(queue, NULL), -EBUSY);
	assert_result(aion_thread_queue_get(queue, &item), -EBUSY);
	aion_thread_queue_destroy(queue);
}

Test(thread_queue_thread, close_wakes_blocked_threads)
{
	struct side sides[3];
	struct aion_thread_queue *queue = queue_create(1);

	for (int full = 0; full < 2; full++) {
		if (full)
			queue = queue_create(1);
		if (full)
			assert_result(aion_thread_queue_try_put(queue, NULL), 0);
		for (int i = 0; i < 3; i++) {
			sides[i] = (struct side){.queue = queue, .deadline_ns = AION_NEVER};
			side_start(&sides[i], full ? side_put : side_get);
		}
		for (int i = 0; i < 3; i++)
			while (!sides[i].has_begun)
				sched_yield();
		usleep(2000); /* most of them wait by now; all the same if one does not */
		aion_thread_queue_close(queue);
		for (int i = 0; i < 3; i++) {
			side_join(&sides[i]);
			assert_result(sides[i].result, -ESHUTDOWN);
		}
		cr_assert_eq(aion_thread_queue_size(queue), (size_t)full);
		aion_thread_queue_destroy(queue);
	}
}

/* ---- a task and a thread */

#define ITEM_NR 2000

static void *feed(void *arg)
{
	struct side *side = arg;

	for (intptr_t i = 0; i < ITEM_NR && side->result == 0; i++)
		side->result = aion_thread_queue_put_blocking(side->queue, test_number(i), AION_NEVER);
	return NULL;
}

/* Case 70: none lost, in their order. */
TASK_TEST(thread_queue_thread, a_task_gets_all_that_a_thread_puts_in_order)
{
	static const size_t capacities[] = {1, 16, AION_THREAD_QUEUE_UNBOUNDED};
	void *item;

	for (int c = 0; c < 3; c++) {
		struct side side = {.queue = queue_create(capacities[c])};

		side_start(&side, feed);
		for (intptr_t i = 0; i < ITEM_NR; i++) {
			assert_result(aion_thread_queue_get(side.queue, &item), 0);
			cr_assert_eq((intptr_t)item, i);
		}
		side_join(&side);
		assert_result(side.result, 0);
		aion_thread_queue_destroy(side.queue);
	}
}

static void *drain(void *arg)
{
	struct side *side = arg;
	void *item;

	for (intptr_t i = 0; side->result == 0; i++) {
		side->result = aion_thread_queue_get_blocking(side->queue, &item, AION_NEVER);
		if (side->result == 0 && (intptr_t)item != i)
			side->result = -EILSEQ;
	}
	return NULL;
}

TASK_TEST(thread_queue_thread, a_thread_gets_all_that_a_task_puts_in_order)
{
	struct side side = {.queue = queue_create(4)};

	side_start(&side, drain);
	for (intptr_t i = 0; i < ITEM_NR; i++)
		assert_result(aion_thread_queue_put(side.queue, test_number(i)), 0);
	aion_thread_queue_close(side.queue);
	side_join(&side);
	assert_result(side.result, -ESHUTDOWN);
	aion_thread_queue_destroy(side.queue);
}

/* ---- two loops */

static int64_t other_main(void *arg)
{
	struct side *side = arg;

	for (intptr_t i = 0; i < ITEM_NR; i++)
		assert_result(aion_thread_queue_put(side->queue, test_number(i)), 0);
	return 0;
}

static void *other_loop(void *arg)
{
	struct side *side = arg;

	side->result = (int)aion_run(other_main, side, NULL);
	return NULL;
}

TASK_TEST(thread_queue_thread, tasks_of_two_loops_meet)
{
	struct side side = {.queue = queue_create(2)};
	void *item;

	TEST_NEEDS_KERNEL("two loops on two threads, each with its time");
	side_start(&side, other_loop);
	for (intptr_t i = 0; i < ITEM_NR; i++) {
		assert_result(aion_thread_queue_get(side.queue, &item), 0);
		cr_assert_eq((intptr_t)item, i);
	}
	side_join(&side);
	assert_result(side.result, 0);
	aion_thread_queue_destroy(side.queue);
}

/* ---- cancelled while another thread serves */

struct race {
	struct aion_thread_queue *queue;
	intptr_t got_nr;
	intptr_t cancelled_nr;
};

static int64_t get_with_deadline(void *arg)
{
	struct race *race = arg;
	intptr_t next = 0;

	while (race->got_nr < ITEM_NR) {
		struct aion_scope scope;
		void *item;
		int result;

		aion_scope_enter(&scope, aion_after(20 * AION_MICROSECOND));
		result = aion_thread_queue_get(race->queue, &item);
		/* Told that it was cut short if it was, and only then. */
		assert_result(aion_scope_leave(&scope), result == 0 ? 0 : -ETIME);
		if (result == 0) {
			cr_assert_eq((intptr_t)item, next);
			next++;
			race->got_nr++;
		} else {
			assert_result(result, -ECANCELED);
			race->cancelled_nr++;
		}
	}
	return 0;
}

/* Case 51, with the hand-over on its way. */
TASK_TEST(thread_queue_thread, a_cancelled_get_loses_no_item_that_is_on_its_way)
{
	struct side side = {.queue = queue_create(1)};
	struct race race = {.queue = side.queue};
	void *item;

	side_start(&side, feed);
	get_with_deadline(&race);
	side_join(&side);
	assert_result(side.result, 0);
	assert_result(aion_thread_queue_try_get(side.queue, &item), -EAGAIN);
	aion_thread_queue_destroy(side.queue);
}

static int64_t wait_for_ever(void *arg)
{
	struct side *side = arg;

	side->has_begun = true;
	side->result = aion_thread_queue_get(side->queue, &side->item);
	return 0;
}

static int64_t leave_daemon(void *arg)
{
	struct side *side = arg;

	assert_result(aion_spawn(aion_loop_group(aion_loop_current()), wait_for_ever, side), 0);
	while (!side->has_begun)
		aion_yield();
	return 0;
}

Test(thread_queue_thread, a_loop_ends_while_a_task_of_it_waits)
{
	struct side side = {.queue = queue_create(1)};

	cr_assert_eq(aion_run(leave_daemon, &side, NULL), 0);
	assert_result(side.result, -ECANCELED);
	assert_result(aion_thread_queue_try_put(side.queue, NULL), 0);
	cr_assert_eq(aion_thread_queue_size(side.queue), 1);
	aion_thread_queue_destroy(side.queue);
}

/* ---- in an offloaded call */

static int64_t offloaded_get(void *arg)
{
	struct side *side = arg;

	return aion_thread_queue_get_blocking(side->queue, &side->item, side->deadline_ns);
}

TASK_TEST(thread_queue_thread, an_offloaded_call_may_block)
{
	struct side side = {.queue = queue_create(1)};

	assert_result(aion_thread_queue_put(side.queue, &side), 0);
	assert_result(aion_offload(AION_OFFLOAD_SLOW, offloaded_get, &side), 0);
	cr_assert_eq(side.item, &side);
	assert_result(aion_offload(AION_OFFLOAD_SLOW, offloaded_get, &side), -ETIME);
	aion_thread_queue_destroy(side.queue);
}
