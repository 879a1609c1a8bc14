/* SPDX-License-Identifier: MIT */
/* Promises: completed by other threads, given up by waiters. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "test_task.h"

#include "fault_int.h"

#define MS AION_MILLISECOND

static void *complete_later(void *promise)
{
	usleep(3000);
	aion_promise_complete(promise, 66);
	return NULL;
}

TEST_IN_TASK(promise_thread, another_thread_s_result_wakes_the_waiter)
{
	struct aion_promise *promise;
	pthread_t thread;

	cr_assert_eq(aion_promise_create(&promise), 0);
	cr_assert_eq(pthread_create(&thread, NULL, complete_later, promise), 0);
	cr_assert_eq(aion_await(aion_promise_future(promise)), 66);
	pthread_join(thread, NULL);
	aion_promise_release(promise);
	aion_promise_release(NULL);
	return 0;
}

struct left {
	pthread_t thread;
	struct aion_promise *promise;
	atomic_bool has_left; /* the waiter */
};

static void *complete_when_left(void *arg)
{
	struct left *left = arg;

	while (!left->has_left)
		usleep(100);
	usleep(1000);
	aion_promise_complete(left->promise, 66);
	return NULL;
}

static int64_t give_up(void *arg)
{
	struct left *left = arg;
	struct aion_promise *promise;
	struct aion_scope scope;

	cr_assert_eq(aion_promise_create(&promise), 0);
	left->promise = promise;
	cr_assert_eq(pthread_create(&left->thread, NULL, complete_when_left, left), 0);
	aion_scope_enter(&scope, aion_after(MS));
	cr_assert_eq(aion_await(aion_promise_future(promise)), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	aion_promise_release(promise);
	left->has_left = true;
	return 0;
}

/* The other thread completes it when the waiter is long gone, and perhaps the loop, too. */
Test(promise_thread, a_waiter_that_gives_up_leaves_nothing_to_write_into)
{
	struct left left = {.has_left = false};

	test_allocator_count();
	cr_assert_eq(aion_run(give_up, &left, NULL), 0);
	pthread_join(left.thread, NULL);
	cr_assert_eq(test_allocator_in_use_nr(), 0);
}

TEST_IN_TASK(promise_thread, completed_on_its_own_thread_and_before_the_wait)
{
	struct aion_promise *promises[10];

	for (int i = 0; i < 10; i++) {
		cr_assert_eq(aion_promise_create(&promises[i]), 0);
		aion_promise_complete(promises[i], i);
	}
	for (int i = 0; i < 10; i++) {
		cr_assert_eq(aion_await(aion_promise_future(promises[i])), i);
		aion_promise_release(promises[i]);
	}
	return 0;
}

static int64_t complete_and_forget(void *unused)
{
	struct aion_promise *promise;

	cr_assert_eq(aion_promise_create(&promise), 0);
	aion_promise_release(promise);
	aion_promise_complete(promise, 1);
	cr_assert_eq(aion_promise_create(&promise), 0);
	aion_promise_complete(promise, 1);
	aion_promise_release(promise);
	return 0;
}

/* The posts that carry the results are still under way when the loop ends. */
Test(promise_thread, results_that_nobody_waits_for_are_dropped_with_the_loop)
{
	test_allocator_count();
	cr_assert_eq(aion_run(complete_and_forget, NULL, NULL), 0);
	cr_assert_eq(test_allocator_in_use_nr(), 0);
}

static int64_t hand_out(void *ret_promise)
{
	int64_t result = aion_promise_create(ret_promise);

	aion_promise_release(result == 0 ? *(struct aion_promise **)ret_promise : NULL);
	return result;
}

Test(promise_thread, one_may_be_completed_when_the_loop_is_gone)
{
	struct aion_promise *promise;

	test_allocator_count();
	cr_assert_eq(aion_run(hand_out, &promise, NULL), 0);
	aion_promise_complete(promise, 5);
	cr_assert_eq(test_allocator_in_use_nr(), 0);
}

Test(promise_thread, outside_of_tasks_is_busy)
{
	struct aion_promise *promise;

	cr_assert_eq(aion_promise_create(&promise), -EBUSY);
}

#ifdef AION_FAULTS
TEST_IN_TASK(promise_thread, no_memory_is_enomem)
{
	struct aion_promise *promise = NULL;

	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	cr_assert_eq(aion_promise_create(&promise), -ENOMEM);
	aion__fault_reset();
	cr_assert_null(promise);
	return 0;
}
#endif
