/* SPDX-License-Identifier: MIT */
/* aion_wait() and aion_gather(). */
#include <poll.h>
#include <unistd.h>

#include <aion/poll.h>

#include "test_task.h"

#include "fault_int.h"

#define MANY 200 /* more than what finds place on the caller's stack */

struct set {
	struct aion_group group;
	struct aion_handle handles[MANY];
	struct aion_future *futures[MANY];
};

static void set_spawn(struct set *set, size_t i, aion_fn *fn, void *arg)
{
	cr_assert_eq(aion_spawn_into(&set->group, &set->handles[i], NULL, fn, arg), 0);
	set->futures[i] = &set->handles[i].future;
}

static int64_t return_after_ms(void *ms)
{
	aion_sleep((intptr_t)ms * AION_MILLISECOND);
	return (intptr_t)ms;
}

TEST_IN_TASK(wait_several, all_waits_for_the_last)
{
	struct set set;

	aion_group_enter(&set.group);
	for (int i = 0; i < 5; i++)
		set_spawn(&set, (size_t)i, return_after_ms, test_number(5 - i));
	cr_assert_eq(aion_wait(set.futures, 5, AION_WAIT_ALL), 5);
	for (int i = 0; i < 5; i++)
		cr_assert(aion_future_is_done(set.futures[i]));
	return aion_group_leave(&set.group, 0);
}

/* Case 40. */
TEST_IN_TASK(wait_several, first_completed_leaves_the_others_running)
{
	struct set set;

	aion_group_enter(&set.group);
	set_spawn(&set, 0, test_sleep_for_ever, NULL);
	set_spawn(&set, 1, return_after_ms, test_number(1));
	set_spawn(&set, 2, test_sleep_for_ever, NULL);
	cr_assert_eq(aion_wait(set.futures, 3, AION_WAIT_FIRST_COMPLETED), 1);
	cr_assert(aion_future_is_done(set.futures[1]));
	cr_assert_not(aion_future_is_done(set.futures[0]));
	cr_assert_not(aion_future_is_done(set.futures[2]));
	aion_sleep(AION_MILLISECOND);
	cr_assert_not(aion_future_is_done(set.futures[0]));
	aion_group_cancel(&set.group);
	return aion_group_leave(&set.group, 0);
}

static int64_t fail_shielded(void *code)
{
	aion_sleep(AION_MILLISECOND);
	return (intptr_t)code;
}

TEST_IN_TASK(wait_several, first_error_returns_at_the_first_negative_result)
{
	struct aion_future futures[3];
	struct aion_future *pointers[] = {&futures[0], &futures[1], &futures[2]};
	struct aion_group group;

	for (int i = 0; i < 3; i++)
		aion_future_init(&futures[i]);
	aion_future_complete(&futures[0], 1);
	aion_group_enter(&group);
	aion_future_complete(&futures[2], -EIO);
	cr_assert_eq(aion_wait(pointers, 3, AION_WAIT_FIRST_ERROR), 2);
	aion_future_complete(&futures[1], 1);
	cr_assert_eq(aion_wait(pointers, 3, AION_WAIT_FIRST_ERROR), 3);
	cr_assert_eq(aion_wait(pointers, 2, AION_WAIT_FIRST_ERROR), 2, "or all are done");
	return aion_group_leave(&group, 0);
}

static int64_t complete_three(void *arg)
{
	struct aion_future *futures = arg;

	aion_future_complete(&futures[0], 0);
	aion_sleep(AION_MILLISECOND);
	aion_future_complete(&futures[1], -EIO);
	aion_sleep(AION_MILLISECOND);
	aion_future_complete(&futures[2], 0);
	return 0;
}

TEST_IN_TASK(wait_several, first_error_sleeps_through_successes)
{
	struct aion_future futures[3];
	struct aion_future *pointers[] = {&futures[0], &futures[1], &futures[2]};
	struct aion_group group;

	for (int i = 0; i < 3; i++)
		aion_future_init(&futures[i]);
	aion_group_enter(&group);
	aion_spawn(&group, complete_three, futures);
	cr_assert_eq(aion_wait(pointers, 3, AION_WAIT_FIRST_ERROR), 2);
	cr_assert_not(aion_future_is_done(&futures[2]));
	return aion_group_leave(&group, 0);
}

TEST_IN_TASK(wait_several, one_future_may_appear_more_than_once)
{
	struct aion_future futures[2];
	struct aion_future *pointers[] = {&futures[0], &futures[1], &futures[0], &futures[0]};
	struct aion_timer timer;

	aion_future_init(&futures[0]);
	aion_future_init(&futures[1]);
	aion_timer_init(&timer);
	aion_timer_arm(&timer, aion_after(AION_MILLISECOND));
	pointers[1] = &timer.future;
	cr_assert_eq(aion_wait(pointers, 4, AION_WAIT_FIRST_COMPLETED), 1);
	aion_future_complete(&futures[0], 3);
	cr_assert_eq(aion_wait(pointers, 4, AION_WAIT_ALL), 4);
	return 0;
}

TEST_IN_TASK(wait_several, none_at_all_returns_at_once)
{
	cr_assert_eq(aion_wait(NULL, 0, AION_WAIT_ALL), 0);
	cr_assert_eq(aion_wait(NULL, 0, AION_WAIT_FIRST_COMPLETED), 0);
	cr_assert_eq(aion_gather(NULL, 0, NULL), 0);
	cr_assert_eq(aion_wait(NULL, 0, (enum aion_wait_mode)3), -EINVAL);
	return 0;
}

TEST_IN_TASK(wait_several, more_than_64_need_memory_and_work)
{
	struct aion_loop_stats stats;
	struct set set;

	aion_group_enter(&set.group);
	for (size_t i = 0; i < MANY; i++)
		set_spawn(&set, i, return_after_ms, test_number((int64_t)i % 7));
	cr_assert_eq(aion_wait(set.futures, MANY, AION_WAIT_ALL), MANY);
	aion_loop_stats(aion_loop_current(), &stats);
	cr_assert_eq(stats.task_nr, 1);
	return aion_group_leave(&set.group, 0);
}

/* The wait is broken off; nothing of it stays in the futures. */
TEST_IN_TASK(wait_several, a_cancelled_wait_cancels_nothing)
{
	struct aion_future futures[3];
	struct aion_future *pointers[4] = {&futures[0], &futures[1], &futures[2]};
	struct aion_scope scope;
	struct aion_op op = {0};
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	aion_op_poll(&op, pipe_fds[0], POLLIN);
	pointers[3] = &op.future;
	for (int i = 0; i < 3; i++)
		aion_future_init(&futures[i]);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	cr_assert_eq(aion_wait(pointers, 4, AION_WAIT_FIRST_COMPLETED), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	cr_assert(aion_op_is_in_flight(&op), "operations are left in flight");
	for (int i = 0; i < 3; i++)
		aion_future_fini(&futures[i]);
	cr_assert_eq(write(pipe_fds[1], "x", 1), 1);
	cr_assert_eq(aion_await(&op.future), POLLIN);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

/* Case 39. */
TEST_IN_TASK(wait_several, gather_collects_errors_on_request)
{
	struct aion_future futures[4];
	struct aion_future *pointers[] = {&futures[0], &futures[1], &futures[2], &futures[3]};
	int64_t results[4];

	for (int i = 0; i < 4; i++)
		aion_future_init(&futures[i]);
	aion_future_complete(&futures[3], 4);
	aion_future_complete(&futures[2], -ENOSPC);
	aion_future_complete(&futures[1], -EIO);
	aion_future_complete(&futures[0], 1);
	cr_assert_eq(aion_gather(pointers, 4, results), -EIO, "the first in the order of the array");
	cr_assert_eq(results[0], 1);
	cr_assert_eq(results[1], -EIO);
	cr_assert_eq(results[2], -ENOSPC);
	cr_assert_eq(results[3], 4);
	cr_assert_eq(aion_gather(pointers, 1, NULL), 0);
	return 0;
}

TEST_IN_TASK(wait_several, gather_waits_for_all_in_whatever_order_they_end)
{
	int64_t results[5];
	struct set set;

	aion_group_enter(&set.group);
	for (int i = 0; i < 5; i++)
		set_spawn(&set, (size_t)i, return_after_ms, test_number(5 - i));
	cr_assert_eq(aion_gather(set.futures, 5, results), 0);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(results[i], 5 - i);
	return aion_group_leave(&set.group, 0);
}

/* Operations are asked to end and waited for, plain futures are left alone, results are not written. */
TEST_IN_TASK(wait_several, a_cancelled_gather_ends_the_operations)
{
	struct aion_op ops[3] = {0};
	struct aion_future plain;
	struct aion_future *pointers[] = {&plain, &ops[0].future, &ops[1].future, &ops[2].future};
	int64_t results[4] = {11, 11, 11, 11};
	struct aion_scope scope;
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	aion_future_init(&plain);
	for (int i = 0; i < 3; i++)
		aion_op_poll(&ops[i], pipe_fds[0], POLLIN);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	cr_assert_eq(aion_gather(pointers, 4, results), -ECANCELED);
	for (int i = 0; i < 3; i++)
		cr_assert_not(aion_op_is_in_flight(&ops[i]));
	for (int i = 0; i < 4; i++)
		cr_assert_eq(results[i], 11);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	cr_assert_not(aion_future_is_done(&plain));
	aion_future_fini(&plain);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

TEST_IN_TASK(wait_several, gather_of_done_ones_works_in_a_cancelled_scope)
{
	struct aion_future future;
	struct aion_future *pointers[] = {&future};
	struct aion_scope scope;
	int64_t result = 0;

	aion_future_init(&future);
	aion_future_complete(&future, 3);
	aion_scope_enter(&scope, 0);
	cr_assert_eq(aion_gather(pointers, 1, &result), 0);
	cr_assert_eq(result, 3);
	cr_assert_eq(aion_wait(pointers, 1, AION_WAIT_ALL), 1);
	cr_assert_eq(aion_scope_leave(&scope), 0);
	return 0;
}

TEST_IN_TASK(wait_several, errors_of_children_come_through)
{
	struct aion_group group;
	struct aion_handle handle;
	struct aion_future *pointers[] = {&handle.future};
	struct aion_scope shield;

	aion_scope_enter_shield(&shield, AION_NEVER);
	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, fail_shielded, test_number(-ENXIO));
	cr_assert_eq(aion_wait(pointers, 1, AION_WAIT_FIRST_ERROR), 1);
	cr_assert_eq(aion_gather(pointers, 1, NULL), -ENXIO);
	cr_assert_eq(aion_group_leave(&group, 0), -ENXIO);
	return aion_scope_leave(&shield);
}

#ifdef AION_FAULTS
TEST_IN_TASK(wait_several, no_memory_for_more_than_64_waiters)
{
	static struct aion_future space[65];
	struct aion_future *pointers[65];

	for (int i = 0; i < 65; i++) {
		aion_future_init(&space[i]);
		pointers[i] = &space[i];
	}
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	cr_assert_eq(aion_wait(pointers, 65, AION_WAIT_ALL), -ENOMEM);
	aion__fault_reset();
	for (int i = 0; i < 65; i++)
		aion_future_complete(&space[i], 0);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	cr_assert_eq(aion_wait(pointers, 65, AION_WAIT_ALL), 65, "nothing to wait for");
	aion__fault_reset();
	return 0;
}
#endif
