/* SPDX-License-Identifier: MIT */
/* aion_wait_for(): a wait with a deadline that ends what it waits for. */
#include <poll.h>
#include <unistd.h>

#include <aion/poll.h>

#include "test_task.h"

#define MS AION_MILLISECOND

/* Case 33. */
TEST_IN_TASK(wait_for, a_done_future_gives_its_result_with_any_deadline)
{
	struct aion_future future;

	aion_future_init(&future);
	aion_future_complete(&future, 8);
	cr_assert_eq(aion_wait_for(&future, 0), 8);
	cr_assert_eq(aion_wait_for(&future, INT64_MIN), 8);
	cr_assert_eq(aion_wait_for(&future, AION_NEVER), 8);
	return 0;
}

TEST_IN_TASK(wait_for, a_pending_plain_future_is_left_alone_when_time_is_up)
{
	struct aion_future future;
	int64_t deadline_ns = aion_after(MS);

	aion_future_init(&future);
	cr_assert_eq(aion_wait_for(&future, deadline_ns), -ETIME);
	cr_assert_geq(aion_now(), deadline_ns);
	cr_assert_eq(aion_wait_for(&future, 0), -ETIME, "tries once");
	cr_assert_not(aion_cancelled());
	aion_future_complete(&future, 1);
	cr_assert_eq(aion_wait_for(&future, 0), 1);
	return 0;
}

struct slow {
	bool has_cleaned_up;
	int64_t ends_with; /* 0: what the sleep gave */
};

static int64_t slow_to_cancel(void *arg)
{
	struct slow *slow = arg;
	int64_t result = aion_sleep_until(AION_NEVER);
	struct aion_scope shield;

	aion_scope_enter_shield(&shield, AION_NEVER);
	aion_sleep(2 * MS);
	slow->has_cleaned_up = true;
	aion_scope_leave(&shield);
	return slow->ends_with ? slow->ends_with : result;
}

/* Case 34. */
TEST_IN_TASK(wait_for, waits_for_the_cancelled_task_to_finish)
{
	struct slow slow = {0};
	struct aion_handle handle;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, slow_to_cancel, &slow);
	cr_assert_eq(aion_wait_for(&handle.future, aion_after(MS)), -ETIME);
	cr_assert(slow.has_cleaned_up);
	cr_assert(aion_future_is_done(&handle.future));
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	return 0;
}

/* Case 35, and a result in its place. */
TEST_IN_TASK(wait_for, what_the_task_comes_to_during_cancellation_surfaces)
{
	struct slow failing = {.ends_with = -EIO};
	struct slow succeeding = {.ends_with = 12};
	struct aion_handle handle;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, slow_to_cancel, &failing);
	cr_assert_eq(aion_wait_for(&handle.future, aion_after(MS)), -EIO);
	cr_assert_eq(aion_group_leave(&group, 0), -EIO);
	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, slow_to_cancel, &succeeding);
	cr_assert_eq(aion_wait_for(&handle.future, aion_after(MS)), 12);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	return 0;
}

struct resist {
	struct aion_scope *scope;
	struct aion_handle handle;
	struct aion_future release; /* until it is done, it resists */
	bool has_ended;
};

static int64_t resist_cancellation(void *arg)
{
	struct resist *resist = arg;
	struct aion_scope shield;

	aion_scope_enter_shield(&shield, AION_NEVER);
	aion_await(&resist->release);
	resist->has_ended = true;
	return aion_scope_leave(&shield);
}

static int64_t cancel_after_3ms(void *scope)
{
	aion_sleep(3 * MS);
	aion_scope_cancel(scope);
	return 0;
}

/* Case 37. */
TEST_IN_TASK(wait_for, the_waiting_itself_can_be_cancelled_while_the_inner_resists)
{
	struct resist resist = {0};
	struct aion_scope scope;
	struct aion_group group;

	aion_future_init(&resist.release);
	aion_group_enter(&group);
	aion_spawn_into(&group, &resist.handle, NULL, resist_cancellation, &resist);
	aion_scope_enter(&scope, AION_NEVER);
	aion_spawn(&group, cancel_after_3ms, &scope);
	cr_assert_eq(aion_wait_for(&resist.handle.future, aion_after(MS)), -ECANCELED);
	cr_assert_not(resist.has_ended);
	aion_future_complete(&resist.release, 0);
	cr_assert_eq(aion_scope_leave(&scope), 0);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert(resist.has_ended);
	return 0;
}

TEST_IN_TASK(wait_for, an_operation_is_cancelled_and_reaped_when_time_is_up)
{
	struct aion_op op = {0};
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	aion_op_poll(&op, pipe_fds[0], POLLIN);
	cr_assert_eq(aion_wait_for(&op.future, aion_after(MS)), -ETIME);
	cr_assert_not(aion_op_is_in_flight(&op));
	aion_op_poll(&op, pipe_fds[0], POLLIN);
	cr_assert_eq(aion_wait_for(&op.future, 0), -ETIME);
	cr_assert_eq(write(pipe_fds[1], "x", 1), 1);
	aion_op_poll(&op, pipe_fds[0], POLLIN);
	cr_assert_eq(aion_wait_for(&op.future, aion_after(1000 * AION_SECOND)), POLLIN);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

TEST_IN_TASK(wait_for, a_cancellation_from_outside_is_not_a_timeout)
{
	struct aion_op op = {0};
	struct aion_future plain;
	struct aion_scope scope;
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	aion_future_init(&plain);
	aion_scope_enter(&scope, aion_after(MS));
	cr_assert_eq(aion_wait_for(&plain, aion_after(1000 * AION_SECOND)), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	aion_op_poll(&op, pipe_fds[0], POLLIN);
	aion_scope_enter(&scope, aion_after(MS));
	cr_assert_eq(aion_wait_for(&op.future, aion_after(1000 * AION_SECOND)), -ECANCELED);
	cr_assert_not(aion_op_is_in_flight(&op), "an operation is ended and waited for");
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

/* The timer's own deadline and the wait's are the same: what is there is kept. Case 36. */
TEST_IN_TASK(wait_for, a_result_that_arrives_together_with_the_deadline_is_kept)
{
	int64_t deadline_ns = aion_after(2 * MS);
	struct aion_timer timer;

	aion_timer_init(&timer);
	cr_assert_eq(aion_timer_arm(&timer, deadline_ns), 0);
	cr_assert_eq(aion_wait_for(&timer.future, deadline_ns), 0);
	return 0;
}

TEST_IN_TASK(wait_for, a_task_in_time_is_not_cancelled)
{
	struct aion_handle handle;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, test_sleep_1ms, NULL);
	cr_assert_eq(aion_wait_for(&handle.future, aion_after(1000 * AION_SECOND)), 0);
	aion_spawn_into(&group, &handle, NULL, test_yield_return, test_number(-EPIPE));
	cr_assert_eq(aion_wait_for(&handle.future, aion_after(1000 * AION_SECOND)), -EPIPE);
	cr_assert_eq(aion_group_leave(&group, 0), -EPIPE);
	return 0;
}
