/* SPDX-License-Identifier: MIT */
/* Cancelling scopes: sticky, nested, shielded; what is a checkpoint and what is not. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "test_task.h"

#include "fault_int.h"

TEST_IN_TASK(scope_cancel, is_sticky_until_the_scope_is_left)
{
	struct aion_scope scope;

	aion_scope_enter(&scope, AION_NEVER);
	cr_assert_eq(aion_scope_reason(&scope), AION_REASON_NONE);
	aion_scope_cancel(&scope);
	aion_scope_cancel(&scope);
	cr_assert_eq(aion_scope_reason(&scope), AION_REASON_USER);
	for (int i = 0; i < 10; i++)
		cr_assert_eq(aion_checkpoint(), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), 0);
	cr_assert_eq(aion_checkpoint(), 0);
	return 0;
}

/* Each suspending call of the task layer, in a cancelled scope: refused before any effect. */
TEST_IN_TASK(scope_cancel, every_suspending_call_is_a_checkpoint)
{
	struct aion_future pending;
	struct aion_future *futures[] = {&pending};
	struct aion_scope scope;
	int ran_nr = 0;

	aion_future_init(&pending);
	aion_scope_enter(&scope, AION_NEVER);
	aion_scope_cancel(&scope);
	cr_assert_eq(aion_checkpoint(), -ECANCELED);
	cr_assert_eq(aion_yield(), -ECANCELED);
	cr_assert_eq(aion_sleep(0), -ECANCELED);
	cr_assert_eq(aion_sleep(-1), -ECANCELED);
	cr_assert_eq(aion_sleep(AION_SECOND), -ECANCELED);
	cr_assert_eq(aion_sleep_until(0), -ECANCELED);
	cr_assert_eq(aion_nop(), -ECANCELED);
	cr_assert_eq(aion_await(&pending), -ECANCELED);
	cr_assert_eq(aion_wait(futures, 1, AION_WAIT_ALL), -ECANCELED);
	cr_assert_eq(aion_wait(futures, 1, AION_WAIT_FIRST_COMPLETED), -ECANCELED);
	cr_assert_eq(aion_wait(futures, 1, AION_WAIT_FIRST_ERROR), -ECANCELED);
	cr_assert_eq(aion_gather(futures, 1, NULL), -ECANCELED);
	cr_assert_eq(aion_wait_for(&pending, AION_NEVER), -ECANCELED);
	cr_assert_eq(aion_wait_for(&pending, 0), -ECANCELED);
	cr_assert_eq(aion_offload(AION_OFFLOAD_FAST, test_count, &ran_nr), -ECANCELED);
	cr_assert_eq(aion_offload_detached(AION_OFFLOAD_FAST, test_count, &ran_nr, 4, NULL), -ECANCELED);
	cr_assert_eq(ran_nr, 0);
	cr_assert_eq(aion_scope_leave(&scope), 0);
	aion_future_complete(&pending, 0);
	return 0;
}

TEST_IN_TASK(scope_cancel, other_calls_are_no_checkpoints)
{
	struct aion_scope scope;
	struct aion_timer timer;
	struct aion_promise *promise;
	struct aion_group group;
	int ran_nr = 0;

	aion_scope_enter(&scope, 0);
	aion_timer_init(&timer);
	cr_assert_eq(aion_timer_arm(&timer, aion_after(AION_SECOND)), 0);
	cr_assert_eq(aion_timer_cancel(&timer), 1);
	cr_assert_eq(aion_promise_create(&promise), 0);
	aion_promise_complete(promise, 0);
	aion_promise_release(promise);
	aion_group_enter(&group);
	cr_assert_eq(aion_spawn_now(&group, test_count, &ran_nr), 0);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(ran_nr, 1);
	cr_assert_eq(aion_scope_leave(&scope), 0, "nothing has been delivered");
	return 0;
}

TEST_IN_TASK(scope_cancel, a_shield_keeps_it_out_until_it_is_left)
{
	struct aion_scope outer;
	struct aion_scope shield;

	aion_scope_enter(&outer, AION_NEVER);
	aion_scope_enter_shield(&shield, AION_NEVER);
	aion_scope_cancel(&outer);
	cr_assert_not(aion_cancelled());
	cr_assert_eq(aion_sleep(AION_MILLISECOND), 0);
	cr_assert_eq(aion_scope_reason(&shield), AION_REASON_NONE);
	cr_assert_eq(aion_scope_leave(&shield), 0);
	cr_assert(aion_cancelled());
	cr_assert_eq(aion_checkpoint(), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&outer), 0);
	return 0;
}

TEST_IN_TASK(scope_cancel, a_shield_itself_can_be_cancelled)
{
	struct aion_scope shield;

	aion_scope_enter_shield(&shield, AION_NEVER);
	aion_scope_cancel(&shield);
	cr_assert_eq(aion_checkpoint(), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&shield), 0);
	return 0;
}

static int64_t cancel_scope(void *scope)
{
	aion_scope_cancel(scope);
	return 0;
}

TEST_IN_TASK(scope_cancel, another_task_wakes_who_waits_inside)
{
	struct aion_scope scope;
	struct aion_scope inner;
	struct aion_group group;

	aion_group_enter(&group);
	aion_scope_enter(&scope, AION_NEVER);
	aion_scope_enter(&inner, AION_NEVER);
	aion_spawn(&group, cancel_scope, &scope);
	cr_assert_eq(aion_sleep_until(AION_NEVER), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&inner), 0);
	cr_assert_eq(aion_scope_leave(&scope), 0);
	cr_assert_not(aion_cancelled());
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	return 0;
}

TEST_IN_TASK(scope_cancel, the_inner_one_leaves_the_outer_alone)
{
	struct aion_scope outer;
	struct aion_scope inner;

	aion_scope_enter(&outer, AION_NEVER);
	aion_scope_enter(&inner, AION_NEVER);
	aion_scope_cancel(&inner);
	cr_assert_eq(aion_checkpoint(), -ECANCELED);
	aion_scope_cancel(&outer);
	cr_assert_eq(aion_scope_leave(&inner), 0);
	cr_assert_eq(aion_checkpoint(), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&outer), 0);
	return 0;
}

static int64_t leave_early(void)
{
	AION_CLEANUP(aion_scope_fini) struct aion_scope scope = {0};
	AION_CLEANUP(aion_scope_fini) struct aion_scope never_entered = {0};

	aion_scope_enter(&scope, aion_after(1000 * AION_SECOND));
	aion_scope_cancel(&scope);
	(void)never_entered;
	return aion_checkpoint();
}

TEST_IN_TASK(scope_cancel, fini_leaves_what_is_open_and_nothing_else)
{
	struct aion_loop_stats stats;
	struct aion_scope scope;

	cr_assert_eq(leave_early(), -ECANCELED);
	cr_assert_not(aion_cancelled());
	aion_loop_stats(aion_loop_current(), &stats);
	cr_assert_eq(stats.timer_nr, 0);
	aion_scope_enter(&scope, AION_NEVER);
	cr_assert_eq(aion_scope_leave(&scope), 0);
	aion_scope_fini(&scope);
	return 0;
}

static int64_t ignore_cancellation(void *counter)
{
	int64_t result = 0;

	for (int i = 0; i < 900; i++)
		result = aion_checkpoint();
	cr_assert_gt(*(int *)counter, 0, "the siblings ran in between");
	return result;
}

static int64_t count_until_cancelled(void *counter)
{
	struct aion_scope shield;

	aion_scope_enter_shield(&shield, AION_NEVER);
	for (int i = 0; i < 3; i++) {
		++*(int *)counter;
		aion_yield();
	}
	return aion_scope_leave(&shield);
}

/* Case 75. */
TEST_IN_TASK(scope_cancel, siblings_run_while_a_task_ignores_ecanceled_in_a_loop)
{
	struct aion_group group;
	int count = 0;

	aion_group_enter(&group);
	aion_group_cancel(&group);
	aion_spawn(&group, ignore_cancellation, &count);
	aion_spawn(&group, count_until_cancelled, &count);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(count, 3);
	return 0;
}

static int64_t ignore_for_ever(void *unused)
{
	for (int i = 0; i < 1100; i++)
		aion_checkpoint();
	return 0;
}

static int64_t named_ignorer(void *unused)
{
	struct aion_spawn_options options = {.name = "deaf"};
	struct aion_group group;

	aion_group_enter(&group);
	aion_group_cancel(&group);
	aion_spawn_with(&group, &options, ignore_for_ever, NULL);
	return aion_group_leave(&group, 0);
}

static void remember_line(const char *line, void *arg)
{
	strncpy(arg, line, 199);
}

Test(scope_cancel, a_task_that_ignores_a_thousand_in_a_row_is_named)
{
#ifdef AION_DEBUG_ASSERTS
	(void)remember_line;
	test_task_aborts(named_ignorer, "task \"deaf\" ignores its cancellation");
#else
	char line[200] = "";

	aion_diag_set(remember_line, line);
	cr_assert_eq(aion_run(named_ignorer, NULL, NULL), 0);
	cr_assert_not_null(strstr(line, "task \"deaf\" ignores its cancellation"), "%s", line);
#endif
}

static int64_t many_pending(struct aion_future **futures)
{
	for (int i = 0; i < 1500; i++)
		aion_future_init(futures[i]);
	return aion_gather(futures, 1500, NULL);
}

/* One call is one refusal, however many futures it was about. */
TEST_IN_TASK(scope_cancel, a_gather_over_many_futures_is_refused_once)
{
	static struct aion_future space[1500];
	static struct aion_future *futures[1500];
	struct aion_scope scope;

	for (int i = 0; i < 1500; i++)
		futures[i] = &space[i];
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	cr_assert_eq(many_pending(futures), -ECANCELED);
	cr_assert_eq(many_pending(futures), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	return 0;
}

#ifdef AION_FAULTS
/* Armed timers fill a piece of the wheel, then the next one needs memory. */
TEST_IN_TASK(scope_cancel, no_memory_for_the_deadline)
{
	struct aion_scope scope;

	aion_scope_enter(&scope, AION_NEVER);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1000, -ENOMEM);
	cr_assert_eq(aion_scope_set_deadline(&scope, aion_after(1000 * AION_SECOND)), -ENOMEM);
	aion__fault_reset();
	cr_assert_not(aion_cancelled(), "it has no deadline now");
	cr_assert_eq(aion_scope_leave(&scope), 0);
	aion_diag_set(NULL, NULL);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1000, -ENOMEM);
	aion_scope_enter(&scope, aion_after(1000 * AION_SECOND));
	aion__fault_reset();
	cr_assert(aion_cancelled(), "on the safe side: nothing waits for ever");
	cr_assert_eq(aion_checkpoint(), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	return 0;
}
#endif
