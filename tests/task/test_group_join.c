/* SPDX-License-Identifier: MIT */
/* What a group joins, and what leaving it leaves behind. */
#include "test_task.h"

TEST_IN_TASK(group_join, all_succeed_and_the_handles_keep_their_results)
{
	struct aion_handle handles[3];
	struct aion_group group;

	aion_group_enter(&group);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(aion_spawn_into(&group, &handles[i], NULL, test_yield_return, test_number(10 + i)), 0);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	for (int i = 0; i < 3; i++) {
		cr_assert(aion_future_is_done(&handles[i].future));
		cr_assert_eq(aion_await(&handles[i].future), 10 + i);
		cr_assert_null(handles[i].task);
	}
	cr_assert_eq(aion_group_errors(&group, NULL), 0);
	return 0;
}

TEST_IN_TASK(group_join, an_empty_group_is_left_at_once)
{
	struct aion_group group;

	aion_group_enter(&group);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	aion_group_enter(&group);
	cr_assert_eq(aion_group_leave(&group, 5), 0, "a positive body result is no error, and not the group's");
	return 0;
}

struct late {
	struct aion_group *group;
	int ran_nr;
};

static int64_t spawn_three_one_by_one(void *arg)
{
	struct late *late = arg;

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(aion_spawn(late->group, test_count, &late->ran_nr), 0);
		aion_sleep(AION_MILLISECOND);
	}
	return 0;
}

TEST_IN_TASK(group_join, a_child_added_while_others_run_is_joined_too)
{
	struct aion_group group;
	struct late late = {&group, 0};

	aion_group_enter(&group);
	aion_spawn(&group, spawn_three_one_by_one, &late);
	aion_yield();
	aion_spawn(&group, test_count, &late.ran_nr);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(late.ran_nr, 4);
	return 0;
}

/* The owner waits in leave already: the group is closing, and still takes children. */
TEST_IN_TASK(group_join, a_child_may_spawn_into_a_closing_group)
{
	struct aion_group group;
	struct late late = {&group, 0};

	aion_group_enter(&group);
	aion_spawn(&group, spawn_three_one_by_one, &late);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(late.ran_nr, 3);
	return 0;
}

static int64_t spawn_as_last_act(void *arg)
{
	struct late *late = arg;

	return aion_spawn(late->group, test_count, &late->ran_nr);
}

TEST_IN_TASK(group_join, the_last_child_may_spawn_as_it_ends)
{
	struct aion_group group;
	struct late late = {&group, 0};

	aion_group_enter(&group);
	aion_spawn(&group, spawn_as_last_act, &late);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(late.ran_nr, 1);
	return 0;
}

TEST_IN_TASK(group_join, spawn_after_close_is_refused)
{
	struct aion_handle handle;
	struct aion_group group;
	int ran_nr = 0;

	aion_group_enter(&group);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(aion_spawn(&group, test_count, &ran_nr), -ESHUTDOWN);
	cr_assert_eq(aion_spawn_with(&group, NULL, test_count, &ran_nr), -ESHUTDOWN);
	cr_assert_eq(aion_spawn_now(&group, test_count, &ran_nr), -ESHUTDOWN);
	cr_assert_eq(aion_spawn_copy(&group, test_count, &ran_nr, sizeof(ran_nr)), -ESHUTDOWN);
	cr_assert_eq(aion_spawn_into(&group, &handle, NULL, test_count, &ran_nr), -ESHUTDOWN);
	cr_assert_eq(aion_await(&handle.future), -ESHUTDOWN);
	cr_assert_eq(aion_group_errors(&group, NULL), 0);
	aion_yield();
	cr_assert_eq(ran_nr, 0);
	return 0;
}

/* A group around the group, uncancelled and cancelled: the inner one changes nothing of it. */
TEST_IN_TASK(group_join, after_the_group_the_scope_state_is_as_before)
{
	struct aion_scope scope;
	struct aion_group group;

	aion_scope_enter(&scope, AION_NEVER);
	aion_group_enter(&group);
	aion_spawn(&group, test_return, test_number(-EIO));
	cr_assert_eq(aion_group_leave(&group, 0), -EIO);
	cr_assert_not(aion_cancelled());
	cr_assert_eq(aion_checkpoint(), 0);
	aion_scope_cancel(&scope);
	aion_group_enter(&group);
	cr_assert(aion_cancelled());
	cr_assert_eq(aion_group_leave(&group, 0), 0, "nothing inside was ended by the cancellation");
	cr_assert(aion_cancelled());
	cr_assert_eq(aion_checkpoint(), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), 0);
	cr_assert_not(aion_cancelled());
	return 0;
}

static int64_t two_levels(void *counter)
{
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, test_count, counter);
	aion_spawn(&group, test_count, counter);
	return aion_group_leave(&group, 0);
}

TEST_IN_TASK(group_join, groups_nest_in_tasks_and_on_one_stack)
{
	struct aion_group outer;
	struct aion_group inner;
	int ran_nr = 0;

	aion_group_enter(&outer);
	aion_spawn(&outer, two_levels, &ran_nr);
	aion_group_enter(&inner);
	aion_spawn(&inner, two_levels, &ran_nr);
	cr_assert_eq(aion_group_leave(&inner, 0), 0);
	cr_assert_geq(ran_nr, 2);
	cr_assert_eq(aion_group_leave(&outer, 0), 0);
	cr_assert_eq(ran_nr, 4);
	return 0;
}

static int64_t never_joined_early(void *flag)
{
	aion_sleep(3 * AION_MILLISECOND);
	*(bool *)flag = true;
	return 0;
}

/* Case 11, for the joining: leaving waits for the children's clean-up, however the group is cancelled. */
TEST_IN_TASK(group_join, leave_waits_also_in_a_cancelled_scope)
{
	struct aion_scope scope;
	struct aion_scope shield;
	struct aion_group group;
	bool has_ended = false;

	aion_scope_enter(&scope, AION_NEVER);
	aion_scope_cancel(&scope);
	aion_scope_enter_shield(&shield, AION_NEVER);
	aion_group_enter(&group);
	aion_spawn(&group, never_joined_early, &has_ended);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert(has_ended);
	cr_assert_eq(aion_scope_leave(&shield), 0);
	cr_assert_eq(aion_scope_leave(&scope), 0);
	return 0;
}
