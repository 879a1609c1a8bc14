/* SPDX-License-Identifier: MIT */
/* The queue between threads, used by the tasks of one loop: it must do what the other queue does. */
#include "test_file.h"
#include "test_task.h"

#define LOG_NR 16

static struct {
	struct aion_thread_queue *queue;
	intptr_t log[LOG_NR]; /* what was got, or how a call ended, in this order */
	int log_nr;
} shared;

static void shared_create(size_t capacity)
{
	assert_result(aion_thread_queue_create(capacity, &shared.queue), 0);
	shared.log_nr = 0;
}

static void shared_log(intptr_t entry)
{
	cr_assert_lt(shared.log_nr, LOG_NR);
	shared.log[shared.log_nr++] = entry;
}

static void assert_log(int nr, const intptr_t *entries)
{
	cr_assert_eq(shared.log_nr, nr, "%d entries, not %d", shared.log_nr, nr);
	for (int i = 0; i < nr; i++)
		cr_assert_eq(shared.log[i], entries[i], "entry %d is %ld, not %ld", i, (long)shared.log[i],
			     (long)entries[i]);
}

#define ASSERT_LOG(...)                                                                                                \
	assert_log(sizeof((intptr_t[]){__VA_ARGS__}) / sizeof(intptr_t), (const intptr_t[]){__VA_ARGS__})

static int64_t getter(void *mark)
{
	void *item;
	int result = aion_thread_queue_get(shared.queue, &item);

	shared_log(result < 0 ? result : (intptr_t)mark * 100 + (intptr_t)item);
	return result == -ESHUTDOWN ? 0 : result;
}

static int64_t putter(void *item)
{
	int result = aion_thread_queue_put(shared.queue, item);

	shared_log(result < 0 ? result : (intptr_t)item);
	return result == -ESHUTDOWN ? 0 : result;
}

static int try_put(intptr_t item)
{
	return aion_thread_queue_try_put(shared.queue, test_number(item));
}

static intptr_t try_get(void)
{
	void *item;
	int result = aion_thread_queue_try_get(shared.queue, &item);

	return result < 0 ? result : (intptr_t)item;
}

TASK_TEST(thread_queue_task, the_oldest_comes_first)
{
	intptr_t next = 0, end = 0;

	shared_create(5);
	cr_assert_eq(aion_thread_queue_capacity(shared.queue), 5);
	for (int round = 0; round < 10; round++) {
		while (end < next + 5)
			assert_result(aion_thread_queue_put(shared.queue, test_number(end++)), 0);
		cr_assert_eq(aion_thread_queue_size(shared.queue), 5);
		assert_result(try_put(99), -EAGAIN);
		for (int i = 0; i < 3; i++)
			assert_result(try_get(), next++);
	}
	while (next < end)
		assert_result(try_get(), next++);
	assert_result(try_get(), -EAGAIN);
	aion_thread_queue_destroy(shared.queue);
}

TASK_TEST(thread_queue_task, arguments_are_checked)
{
	assert_result(aion_thread_queue_create(0, &shared.queue), -EINVAL);
	assert_result(aion_thread_queue_create(SIZE_MAX - 1, &shared.queue), -ENOMEM);
	aion_thread_queue_destroy(NULL);
}

#ifdef AION_FAULTS
#include "fault_int.h"

TASK_TEST(thread_queue_task, without_memory_nothing_is_lost)
{
	for (unsigned after = 0; after < 2; after++) {
		aion__fault_arm(AION__FAULT_ALLOC, after, 1, -ENOMEM);
		assert_result(aion_thread_queue_create(1, &shared.queue), -ENOMEM);
	}
	shared_create(AION_THREAD_QUEUE_UNBOUNDED);
	for (intptr_t i = 0; i < 16; i++)
		assert_result(try_put(i), 0);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 2, -ENOMEM);
	assert_result(try_put(16), -ENOMEM);
	assert_result(aion_thread_queue_put(shared.queue, NULL), -ENOMEM);
	assert_result(try_put(16), 0);
	for (intptr_t i = 0; i < 17; i++)
		assert_result(try_get(), i);
	aion_thread_queue_destroy(shared.queue);
}
#endif

/* Case 57. */
TASK_TEST(thread_queue_task, waiters_are_served_first_in_first_out)
{
	struct aion_group group;

	shared_create(1);
	aion_group_enter(&group);
	for (int i = 1; i <= 3; i++)
		assert_result(aion_spawn(&group, getter, test_number(i)), 0);
	aion_yield();
	for (intptr_t i = 1; i <= 3; i++)
		assert_result(try_put(i), 0);
	assert_result(try_get(), -EAGAIN);
	aion_yield();
	ASSERT_LOG(101, 202, 303);
	assert_result(try_put(1), 0);
	for (int i = 2; i <= 3; i++)
		assert_result(aion_spawn(&group, putter, test_number(i)), 0);
	aion_yield();
	for (intptr_t i = 1; i <= 2; i++) {
		assert_result(try_get(), i);
		assert_result(try_put(99), -EAGAIN);
	}
	assert_result(try_get(), 3);
	assert_result(aion_group_leave(&group, 0), 0);
	ASSERT_LOG(101, 202, 303, 2, 3);
	aion_thread_queue_destroy(shared.queue);
}

/* Case 51. */
TASK_TEST(thread_queue_task, a_get_cancelled_after_the_hand_over_has_its_item)
{
	struct aion_handle handle;
	struct aion_group group;

	shared_create(1);
	aion_group_enter(&group);
	assert_result(aion_spawn_into(&group, &handle, NULL, getter, test_number(1)), 0);
	aion_yield();
	assert_result(try_put(5), 0);
	aion_handle_cancel(&handle);
	assert_result(aion_await(&handle.future), 0);
	ASSERT_LOG(105);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_thread_queue_destroy(shared.queue);
}

/* Cases 51 to 53: who is cancelled is off the queue at once. */
TASK_TEST(thread_queue_task, who_is_cancelled_leaves_nothing_behind)
{
	struct aion_handle handles[3];
	struct aion_group group;

	shared_create(1);
	aion_group_enter(&group);
	for (int i = 0; i < 3; i++)
		assert_result(aion_spawn_into(&group, &handles[i], NULL, getter, test_number(i + 1)), 0);
	aion_yield();
	aion_handle_cancel(&handles[0]);
	aion_handle_cancel(&handles[0]);
	assert_result(try_put(5), 0);
	aion_handle_cancel(&handles[2]);
	assert_result(try_put(6), 0);
	for (int i = 0; i < 3; i++)
		assert_result(aion_await(&handles[i].future), i == 1 ? 0 : -ECANCELED);
	for (int i = 0; i < 3; i++)
		assert_result(aion_spawn_into(&group, &handles[i], NULL, putter, test_number(i + 1)), 0);
	aion_yield();
	aion_handle_cancel(&handles[0]);
	assert_result(try_get(), 6);
	assert_result(try_get(), 2);
	aion_handle_cancel(&handles[2]);
	for (int i = 0; i < 3; i++)
		assert_result(aion_await(&handles[i].future), i == 1 ? 0 : i == 2 ? 0 : -ECANCELED);
	assert_result(try_get(), 3);
	assert_result(try_get(), -EAGAIN);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_thread_queue_destroy(shared.queue);
}

TASK_TEST(thread_queue_task, a_deadline_ends_a_wait_and_says_so)
{
	struct aion_scope scope;
	void *item;

	shared_create(1);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	assert_result(aion_thread_queue_get(shared.queue, &item), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	aion_thread_queue_destroy(shared.queue);
}

static int64_t get_in_a_scope(void *ret_scope)
{
	struct aion_scope *scope = ret_scope;

	aion_scope_enter(scope, AION_NEVER);
	getter(test_number(1));
	return aion_scope_leave(scope);
}

/* Case 74: the deadline comes after the item; nothing was cut short. */
TASK_TEST(thread_queue_task, a_deadline_after_the_hand_over_is_none)
{
	struct aion_handle handle;
	struct aion_scope scope;
	struct aion_group group;

	shared_create(1);
	aion_group_enter(&group);
	assert_result(aion_spawn_into(&group, &handle, NULL, get_in_a_scope, &scope), 0);
	aion_yield();
	assert_result(try_put(5), 0);
	assert_result(aion_scope_set_deadline(&scope, 0), 0);
	assert_result(aion_await(&handle.future), 0);
	ASSERT_LOG(105);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_thread_queue_destroy(shared.queue);
}

TASK_TEST(thread_queue_task, in_a_cancelled_scope_nothing_happens)
{
	struct aion_scope scope;
	void *item = &scope;

	shared_create(2);
	assert_result(try_put(1), 0);
	test_enter_cancelled(&scope);
	assert_result(aion_thread_queue_get(shared.queue, &item), -ECANCELED);
	assert_result(aion_thread_queue_put(shared.queue, NULL), -ECANCELED);
	assert_result(aion_scope_leave(&scope), 0);
	cr_assert_eq(item, &scope, "written without success");
	cr_assert_eq(aion_thread_queue_size(shared.queue), 1);
	aion_thread_queue_destroy(shared.queue);
}

/* Case 55. */
TASK_TEST(thread_queue_task, close_lets_what_is_in_be_got)
{
	shared_create(2);
	assert_result(try_put(1), 0);
	aion_thread_queue_close(shared.queue);
	aion_thread_queue_close(shared.queue);
	assert_result(try_put(2), -ESHUTDOWN);
	assert_result(aion_thread_queue_put(shared.queue, NULL), -ESHUTDOWN);
	assert_result(try_get(), 1);
	assert_result(try_get(), -ESHUTDOWN);
	getter(NULL);
	ASSERT_LOG(-ESHUTDOWN);
	aion_thread_queue_destroy(shared.queue);
}

TASK_TEST(thread_queue_task, close_wakes_all_who_wait)
{
	struct aion_group group;

	for (int full = 0; full < 2; full++) {
		shared_create(1);
		if (full)
			assert_result(try_put(1), 0);
		aion_group_enter(&group);
		for (int i = 0; i < 3; i++)
			assert_result(aion_spawn(&group, full ? putter : getter, test_number(i)), 0);
		aion_yield();
		aion_thread_queue_close(shared.queue);
		assert_result(aion_group_leave(&group, 0), 0);
		ASSERT_LOG(-ESHUTDOWN, -ESHUTDOWN, -ESHUTDOWN);
		aion_thread_queue_destroy(shared.queue);
	}
}

TASK_TEST(thread_queue_task, a_loop_s_thread_may_not_block)
{
	void *item;

	shared_create(1);
	assert_result(aion_thread_queue_put_blocking(shared.queue, NULL, AION_NEVER), -EDEADLK);
	assert_result(aion_thread_queue_get_blocking(shared.queue, &item, 0), -EDEADLK);
	aion_thread_queue_destroy(shared.queue);
}

static int64_t destroy_while_waiting(void *unused)
{
	struct aion_group group;

	(void)unused;
	aion_thread_queue_create(1, &shared.queue);
	aion_group_enter(&group);
	aion_spawn(&group, getter, NULL);
	aion_yield();
	aion_thread_queue_destroy(shared.queue);
	return aion_group_leave(&group, 0);
}

Test(thread_queue_task, destroy_aborts_while_a_task_waits)
{
	test_task_aborts(destroy_while_waiting, "thread queue destroyed while somebody waits in it");
}
