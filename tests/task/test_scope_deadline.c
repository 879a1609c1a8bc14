/* SPDX-License-Identifier: MIT */
/* Deadlines of scopes: when they fire, who reports them. */
#include "test_task.h"

#define MS AION_MILLISECOND

/* Case 22. */
TEST_IN_TASK(scope_deadline, fires_and_says_so)
{
	struct aion_scope scope;
	int64_t deadline_ns = aion_after(2 * MS);

	aion_scope_enter(&scope, deadline_ns);
	cr_assert_eq(aion_sleep_until(AION_NEVER), -ECANCELED);
	cr_assert_geq(aion_now(), deadline_ns);
	cr_assert(aion_cancelled());
	cr_assert_eq(aion_checkpoint(), -ECANCELED, "it stays");
	cr_assert_eq(aion_scope_reason(&scope), AION_REASON_DEADLINE);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	cr_assert_eq(aion_scope_reason(&scope), AION_REASON_DEADLINE, "also after leaving");
	cr_assert_eq(aion_checkpoint(), 0);
	return 0;
}

TEST_IN_TASK(scope_deadline, a_deadline_that_was_not_reached_is_nothing)
{
	struct aion_loop_stats stats;
	struct aion_scope scope;

	aion_scope_enter(&scope, aion_after(1000 * AION_SECOND));
	cr_assert_eq(aion_sleep(MS), 0);
	aion_loop_stats(aion_loop_current(), &stats);
	cr_assert_eq(stats.timer_nr, 1);
	cr_assert_eq(aion_scope_leave(&scope), 0);
	cr_assert_eq(aion_scope_reason(&scope), AION_REASON_NONE);
	aion_loop_stats(aion_loop_current(), &stats);
	cr_assert_eq(stats.timer_nr, 0, "disarmed");
	return 0;
}

/* Case 23. */
TEST_IN_TASK(scope_deadline, of_nested_equal_deadlines_only_the_outer_reports)
{
	int64_t deadline_ns = aion_after(2 * MS);
	struct aion_scope outer;
	struct aion_scope inner;

	aion_scope_enter(&outer, deadline_ns);
	aion_scope_enter(&inner, deadline_ns);
	cr_assert_eq(aion_sleep_until(AION_NEVER), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&inner), 0);
	cr_assert_eq(aion_scope_leave(&outer), -ETIME);
	return 0;
}

/* Case 24. The outer one's time is far, for a machine that stands still for a while, and is then made near. */
TEST_IN_TASK(scope_deadline, inner_first_then_outer)
{
	struct aion_scope outer;
	struct aion_scope inner;

	aion_scope_enter(&outer, aion_after(600 * AION_SECOND));
	aion_scope_enter(&inner, aion_after(1 * MS));
	cr_assert_eq(aion_sleep_until(AION_NEVER), -ECANCELED);
	cr_assert_eq(aion_scope_reason(&outer), AION_REASON_NONE);
	cr_assert_eq(aion_scope_leave(&inner), -ETIME);
	cr_assert_not(aion_cancelled());
	cr_assert_eq(aion_scope_set_deadline(&outer, aion_after(1 * MS)), 0);
	cr_assert_eq(aion_sleep_until(AION_NEVER), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&outer), -ETIME);
	return 0;
}

/* Case 25. */
TEST_IN_TASK(scope_deadline, zero_or_past_fires_at_the_first_checkpoint)
{
	static const int64_t pasts[] = {0, 1, -5, INT64_MIN};
	struct aion_scope scope;

	for (size_t i = 0; i < sizeof(pasts) / sizeof(pasts[0]); i++) {
		aion_scope_enter(&scope, pasts[i]);
		cr_assert_eq(aion_checkpoint(), -ECANCELED);
		cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	}
	aion_scope_enter(&scope, aion_after(0));
	cr_assert_eq(aion_checkpoint(), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	aion_scope_enter(&scope, 0);
	cr_assert_eq(aion_scope_leave(&scope), 0, "there was no checkpoint");
	cr_assert_eq(aion_scope_reason(&scope), AION_REASON_DEADLINE);
	return 0;
}

/* Case 26. */
static int64_t fail_inside(struct aion_scope *scope)
{
	int64_t result;

	aion_scope_enter(scope, aion_after(1000 * AION_SECOND));
	result = -EIO;
	cr_assert_eq(aion_scope_leave(scope), 0);
	return result;
}

TEST_IN_TASK(scope_deadline, an_unrelated_error_passes_through)
{
	struct aion_scope scope;

	cr_assert_eq(fail_inside(&scope), -EIO);
	return 0;
}

/* Case 27. */
TEST_IN_TASK(scope_deadline, a_foreign_cancellation_is_not_a_timeout)
{
	struct aion_scope outer;
	struct aion_scope inner;

	aion_scope_enter(&outer, AION_NEVER);
	aion_scope_enter(&inner, aion_after(1000 * AION_SECOND));
	aion_scope_cancel(&outer);
	cr_assert_eq(aion_sleep_until(AION_NEVER), -ECANCELED);
	cr_assert_eq(aion_scope_reason(&inner), AION_REASON_PARENT);
	cr_assert_eq(aion_scope_leave(&inner), 0);
	cr_assert_eq(aion_scope_leave(&outer), 0);
	return 0;
}

TEST_IN_TASK(scope_deadline, one_that_passes_after_a_cancellation_changes_nothing)
{
	struct aion_scope scope;
	int64_t deadline_ns = aion_after(MS);

	aion_scope_enter(&scope, deadline_ns);
	aion_scope_cancel(&scope);
	cr_assert_eq(aion_checkpoint(), -ECANCELED);
	while (aion_now() <= deadline_ns)
		;
	for (int i = 0; i < 100; i++)
		aion_yield();
	cr_assert_eq(aion_scope_reason(&scope), AION_REASON_USER);
	cr_assert_eq(aion_scope_leave(&scope), 0);
	return 0;
}

/* Case 28. */
TEST_IN_TASK(scope_deadline, can_be_moved_and_removed)
{
	struct aion_scope scope;
	int64_t second_ns;

	aion_scope_enter(&scope, aion_after(MS));
	cr_assert_eq(aion_scope_set_deadline(&scope, AION_NEVER), 0);
	cr_assert_eq(aion_sleep(3 * MS), 0, "removed");
	second_ns = aion_after(2 * MS);
	cr_assert_eq(aion_scope_set_deadline(&scope, aion_after(1000 * AION_SECOND)), 0);
	cr_assert_eq(aion_scope_set_deadline(&scope, second_ns), 0);
	cr_assert_eq(aion_sleep_until(AION_NEVER), -ECANCELED, "moved");
	cr_assert_geq(aion_now(), second_ns);
	cr_assert_eq(aion_scope_set_deadline(&scope, aion_after(1000 * AION_SECOND)), 0);
	cr_assert(aion_cancelled(), "a cancellation that has happened stays");
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	aion_scope_enter(&scope, AION_NEVER);
	cr_assert_eq(aion_scope_set_deadline(&scope, 0), 0);
	cr_assert_eq(aion_checkpoint(), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	return 0;
}

/* Case 29. */
TEST_IN_TASK(scope_deadline, works_inside_cleanup)
{
	struct aion_scope scope;
	struct aion_scope cleanup;

	aion_scope_enter(&scope, aion_after(MS));
	cr_assert_eq(aion_sleep_until(AION_NEVER), -ECANCELED);
	aion_scope_enter_shield(&cleanup, aion_after(2 * MS));
	cr_assert_eq(aion_checkpoint(), 0);
	cr_assert_eq(aion_sleep_until(AION_NEVER), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&cleanup), -ETIME);
	cr_assert_eq(aion_checkpoint(), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	return 0;
}

/* Case 30: nobody looked at the clock in between; the first checkpoint that looks sees both. */
TEST_IN_TASK(scope_deadline, a_busy_loop_past_both_deadlines_reports_the_outer)
{
	int64_t start_ns = aion_now();
	struct aion_scope outer;
	struct aion_scope inner;

	aion_scope_enter(&outer, start_ns + 2 * MS);
	aion_scope_enter(&inner, start_ns + 1 * MS);
	while (aion_now() < start_ns + 4 * MS)
		;
	cr_assert_eq(aion_sleep_until(AION_NEVER), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&inner), 0);
	cr_assert_eq(aion_scope_leave(&outer), -ETIME);
	return 0;
}

/* A task that reads the clock and yields must not keep the loop from looking at its timers. */
TEST_IN_TASK(scope_deadline, fires_while_a_task_yields_and_reads_the_clock)
{
	struct aion_scope scope;
	int64_t start_ns = aion_now();
	int64_t result;

	aion_scope_enter(&scope, start_ns + MS);
	do {
		result = aion_yield();
	} while (result == 0 && aion_now() < start_ns + 10 * AION_SECOND);
	cr_assert_eq(result, -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	return 0;
}

TEST_IN_TASK(scope_deadline, fires_while_a_task_only_passes_checkpoints)
{
	struct aion_scope scope;
	int64_t result = 0;

	aion_scope_enter(&scope, aion_after(MS));
	for (int64_t i = 0; result == 0 && i < INT64_C(1000000000); i++)
		result = aion_checkpoint();
	cr_assert_eq(result, -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	return 0;
}

/* Case 31. */
TEST_IN_TASK(scope_deadline, a_shielded_body_times_out_by_its_own_inner_deadline)
{
	struct aion_scope outer;
	struct aion_scope shield;
	struct aion_scope inner;

	aion_scope_enter(&outer, AION_NEVER);
	aion_scope_cancel(&outer);
	aion_scope_enter_shield(&shield, AION_NEVER);
	aion_scope_enter(&inner, aion_after(MS));
	cr_assert_eq(aion_sleep_until(AION_NEVER), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&inner), -ETIME);
	cr_assert_eq(aion_checkpoint(), 0);
	cr_assert_eq(aion_scope_leave(&shield), 0);
	cr_assert_eq(aion_scope_leave(&outer), 0);
	return 0;
}

#define EQUAL_NR 500

struct equal {
	int64_t deadline_ns;
	int timeout_nr;
};

static int64_t time_out(void *arg)
{
	struct equal *equal = arg;
	struct aion_scope scope;

	aion_scope_enter(&scope, equal->deadline_ns);
	aion_sleep_until(AION_NEVER);
	equal->timeout_nr += aion_scope_leave(&scope) == -ETIME;
	return 0;
}

/* Case 32. */
TEST_IN_TASK(scope_deadline, many_equal_deadlines_all_fire)
{
	struct equal equal = {.deadline_ns = aion_after(5 * MS)};
	struct aion_group group;

	aion_group_enter(&group);
	for (int i = 0; i < EQUAL_NR; i++)
		aion_spawn(&group, time_out, &equal);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(equal.timeout_nr, EQUAL_NR);
	return 0;
}

static int64_t complete_then_cancel(void *arg)
{
	void **both = arg;

	aion_future_complete(both[0], 7);
	aion_scope_cancel(both[1]);
	return 0;
}

static int64_t cancel_then_complete(void *arg)
{
	void **both = arg;

	aion_scope_cancel(both[1]);
	aion_future_complete(both[0], 7);
	return 0;
}

/* Cases 36 and 74: both arrive before the waiter runs, in either order; the result is kept. */
TEST_IN_TASK(scope_deadline, a_result_in_the_same_turn_as_the_cancellation_is_kept)
{
	static aion_fn *const orders[] = {complete_then_cancel, cancel_then_complete};

	for (int i = 0; i < 2; i++) {
		struct aion_future future;
		struct aion_scope scope;
		struct aion_group group;
		void *both[] = {&future, &scope};

		aion_future_init(&future);
		aion_group_enter(&group);
		aion_scope_enter(&scope, AION_NEVER);
		aion_spawn(&group, orders[i], both);
		cr_assert_eq(aion_await(&future), 7, "order %d", i);
		cr_assert(aion_cancelled());
		cr_assert_eq(aion_scope_leave(&scope), 0);
		cr_assert_eq(aion_group_leave(&group, 0), 0);
	}
	return 0;
}

/* Case 74: a timer's result and the deadline of the scope fall on the same nanosecond. */
TEST_IN_TASK(scope_deadline, a_result_and_a_deadline_of_one_turn_give_the_result_and_leave_0)
{
	int64_t deadline_ns = aion_after(2 * MS);
	struct aion_scope scope;

	aion_scope_enter(&scope, deadline_ns);
	cr_assert_eq(aion_sleep_until(deadline_ns), 0);
	cr_assert_eq(aion_scope_reason(&scope), AION_REASON_DEADLINE);
	cr_assert_eq(aion_scope_leave(&scope), 0, "nothing was cut short");
	return 0;
}
