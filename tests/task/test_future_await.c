/* SPDX-License-Identifier: MIT */
/* Waiting for one future: several waiters, cancelled ones, what is done already. */
#include <sys/resource.h>
#include <unistd.h>

#include <aion/poll.h>

#include "test_task.h"

TEST_IN_TASK(future_await, what_is_done_gives_its_result_also_when_cancelled)
{
	struct aion_future future = {0};
	struct aion_scope scope;

	aion_future_init(&future);
	cr_assert_not(aion_future_is_done(&future));
	aion_future_complete(&future, 42);
	cr_assert(aion_future_is_done(&future));
	cr_assert_eq(aion_await(&future), 42);
	aion_scope_enter(&scope, AION_NEVER);
	aion_scope_cancel(&scope);
	cr_assert_eq(aion_await(&future), 42);
	cr_assert_eq(aion_scope_leave(&scope), 0);
	aion_future_fini(&future);
	return 0;
}

TEST_IN_TASK(future_await, all_zero_is_a_pending_future)
{
	struct aion_future future = {0};

	cr_assert_not(aion_future_is_done(&future));
	aion_future_complete(&future, -EIO);
	cr_assert_eq(aion_await(&future), -EIO);
	return 0;
}

struct waiter {
	struct aion_future *future;
	int64_t result;
	int *next;
	int place;
};

static int64_t await_and_tell(void *arg)
{
	struct waiter *waiter = arg;

	waiter->result = aion_await(waiter->future);
	waiter->place = (*waiter->next)++;
	return 0;
}

#define WAITER_NR 5

static void spawn_waiters(struct aion_group *group, struct aion_handle *handles, struct waiter *waiters,
			  struct aion_future *future, int *next)
{
	for (int i = 0; i < WAITER_NR; i++) {
		waiters[i] = (struct waiter){future, 0, next, -1};
		cr_assert_eq(aion_spawn_into(group, &handles[i], NULL, await_and_tell, &waiters[i]), 0);
	}
	aion_yield();
}

TEST_IN_TASK(future_await, several_tasks_wait_for_one_and_wake_in_order)
{
	struct aion_handle handles[WAITER_NR];
	struct waiter waiters[WAITER_NR];
	struct aion_future future;
	struct aion_group group;
	int next = 0;

	aion_future_init(&future);
	aion_group_enter(&group);
	spawn_waiters(&group, handles, waiters, &future, &next);
	aion_future_complete(&future, 9);
	cr_assert_eq(next, 0, "nothing runs before the caller suspends");
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	for (int i = 0; i < WAITER_NR; i++) {
		cr_assert_eq(waiters[i].result, 9);
		cr_assert_eq(waiters[i].place, i);
	}
	return 0;
}

/* Every subset of the waiters is cancelled; the others still get the result, in order. */
TEST_IN_TASK(future_await, cancelled_waiters_leave_the_others_waiting)
{
	for (unsigned cancelled = 0; cancelled < 1U << WAITER_NR; cancelled++) {
		struct aion_handle handles[WAITER_NR];
		struct waiter waiters[WAITER_NR];
		struct aion_future future;
		struct aion_group group;
		int next = 0;
		int last = -1;

		aion_future_init(&future);
		aion_group_enter(&group);
		spawn_waiters(&group, handles, waiters, &future, &next);
		for (int i = 0; i < WAITER_NR; i++)
			if (cancelled & 1U << i)
				aion_handle_cancel(&handles[i]);
		aion_yield();
		cr_assert_eq(next, __builtin_popcount(cancelled));
		aion_future_complete(&future, 9);
		aion_future_fini(&future);
		cr_assert_eq(aion_group_leave(&group, 0), 0);
		for (int i = 0; i < WAITER_NR; i++) {
			cr_assert_eq(waiters[i].result, cancelled & 1U << i ? -ECANCELED : 9);
			if (cancelled & 1U << i)
				continue;
			cr_assert_gt(waiters[i].place, last);
			last = waiters[i].place;
		}
	}
	return 0;
}

/* The cancelled ones have not run yet when the result comes: it is there, so they get it. Case 36. */
TEST_IN_TASK(future_await, a_result_that_arrives_with_the_cancel_is_not_lost)
{
	struct aion_handle handles[WAITER_NR];
	struct waiter waiters[WAITER_NR];
	struct aion_future future;
	struct aion_group group;
	int next = 0;

	aion_future_init(&future);
	aion_group_enter(&group);
	spawn_waiters(&group, handles, waiters, &future, &next);
	aion_handle_cancel(&handles[1]);
	aion_handle_cancel(&handles[3]);
	aion_future_complete(&future, 9);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	for (int i = 0; i < WAITER_NR; i++)
		cr_assert_eq(waiters[i].result, 9);
	return 0;
}

static int64_t shielded_child(void *flag)
{
	int64_t result = aion_sleep(2 * AION_MILLISECOND);

	*(bool *)flag = result == 0;
	return 5;
}

/* Case 38: the inner task is in a group outside of the cancelled scope, so only the waiting ends. */
TEST_IN_TASK(future_await, the_outer_is_cancelled_and_the_inner_lives)
{
	struct aion_handle handle;
	struct aion_scope scope;
	struct aion_group group;
	bool lived = false;

	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, shielded_child, &lived);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	cr_assert_eq(aion_await(&handle.future), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	cr_assert_not(lived);
	cr_assert_eq(aion_await(&handle.future), 5);
	cr_assert(lived);
	return aion_group_leave(&group, 0);
}

/* An operation is asked to end, and waited for. */
TEST_IN_TASK(future_await, an_operation_of_a_cancelled_waiter_is_ended)
{
	struct aion_scope scope;
	struct aion_op op = {0};
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	aion_op_poll(&op, pipe_fds[0], 1);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	cr_assert_eq(aion_await(&op.future), -ECANCELED);
	cr_assert_not(aion_op_is_in_flight(&op));
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	aion_op_poll(&op, pipe_fds[0], 1);
	aion_scope_enter(&scope, 0);
	cr_assert_eq(aion_await(&op.future), -ECANCELED, "started before, in a scope that is cancelled already");
	cr_assert_not(aion_op_is_in_flight(&op));
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

TEST_IN_TASK(future_await, bytes_win_over_the_cancellation)
{
	struct aion_scope scope;
	struct aion_op op = {0};

	test_machine_be_prompt();
	aion_op_nop(&op);
	aion_scope_enter(&scope, 0);
	cr_assert_eq(aion_await(&op.future), 0);
	cr_assert_eq(aion_scope_leave(&scope), 0, "the operation had its result, nothing was cut short");
	return 0;
}

Test(future_await, outside_of_tasks_is_busy)
{
	struct aion_future future = {0};
	struct aion_future *futures[] = {&future};

	cr_assert_eq(aion_await(&future), -EBUSY);
	cr_assert_eq(aion_wait(futures, 1, AION_WAIT_ALL), -EBUSY);
	cr_assert_eq(aion_gather(futures, 1, NULL), -EBUSY);
	cr_assert_eq(aion_wait_for(&future, 0), -EBUSY);
	cr_assert_eq(aion_sleep(0), -EBUSY);
	cr_assert_eq(aion_sleep(1), -EBUSY);
	cr_assert_eq(aion_sleep_until(0), -EBUSY);
	cr_assert_eq(aion_yield(), -EBUSY);
	cr_assert_eq(aion_checkpoint(), -EBUSY);
	cr_assert_eq(aion_nop(), -EBUSY);
	cr_assert_not(aion_cancelled());
	cr_assert_null(aion_task_current());
	cr_assert_null(aion_loop_current());
	cr_assert_str_eq(aion_task_name(NULL), "");
}

static void wait_in_post(void *arg)
{
	struct aion_future future = {0};

	cr_assert_eq(aion_await(&future), -EBUSY);
	cr_assert_eq(aion_yield(), -EBUSY);
	aion_future_complete(arg, 0);
}

TEST_IN_TASK(future_await, inside_a_post_is_busy)
{
	struct aion_future future;

	aion_future_init(&future);
	cr_assert_eq(aion_loop_post(aion_loop_current(), wait_in_post, &future), 0);
	return aion_await(&future);
}

static int64_t complete_it(void *future)
{
	aion_future_complete(future, 7);
	return 0;
}

struct late {
	int checkpoint_nr;
	bool came_in_between; /* not there before the wait, there after it */
};

static int64_t await_late(void *arg)
{
	struct late *late = arg;
	struct aion_future future;
	struct aion_group group;
	bool was_done;
	int64_t result;

	aion_future_init(&future);
	aion_group_enter(&group);
	aion_spawn(&group, complete_it, &future);
	aion_group_cancel(&group);
	for (int i = 0; i < late->checkpoint_nr; i++)
		aion_checkpoint();
	was_done = aion_future_is_done(&future);
	result = aion_await(&future);
	cr_assert_eq(result, aion_future_is_done(&future) ? 7 : -ECANCELED);
	late->came_in_between = !was_done && result == 7;
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	return 0;
}

/* CASE 36: the budget of a cancelled task is used up by the very call that waits (seed 20322921 of the search). */
TEST_IN_TASK(future_await, what_becomes_done_while_others_have_their_turn_is_kept)
{
	bool came_in_between = false;

	for (int nr = 0; nr < 300; nr++) {
		struct late late = {.checkpoint_nr = nr};
		struct aion_group group;

		aion_group_enter(&group);
		aion_spawn(&group, await_late, &late);
		cr_assert_eq(aion_group_leave(&group, 0), 0);
		came_in_between |= late.came_in_between;
	}
	cr_assert(came_in_between);
	return 0;
}
