/* SPDX-License-Identifier: MIT */
/* Which errors a group sees, what they cancel, and what they come to. */
#include <string.h>

#include "test_task.h"

struct seen {
	int64_t result;
	enum aion_reason reason;
};

static int64_t sleep_and_tell(void *arg)
{
	struct seen *seen = arg;

	seen->result = aion_sleep_until(AION_NEVER);
	return seen->result;
}

static int64_t fail_after_1ms(void *code)
{
	aion_sleep(AION_MILLISECOND);
	return (intptr_t)code;
}

TEST_IN_TASK(group_error, a_child_s_error_cancels_siblings_and_body)
{
	struct seen sibling = {0};
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, sleep_and_tell, &sibling);
	aion_spawn(&group, fail_after_1ms, test_number(-EIO));
	cr_assert_eq(aion_sleep_until(AION_NEVER), -ECANCELED);
	cr_assert_eq(aion_scope_reason(&group.scope), AION_REASON_SIBLING);
	cr_assert_eq(aion_group_leave(&group, -ECANCELED), -EIO);
	cr_assert_eq(sibling.result, -ECANCELED);
	cr_assert_eq(aion_group_errors(&group, NULL), 1);
	return 0;
}

TEST_IN_TASK(group_error, several_errors_are_kept_and_the_first_is_returned)
{
	const struct aion_group_error *errors;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn_with(&group, &(struct aion_spawn_options){.name = "first"}, test_return, test_number(-EIO));
	aion_spawn_with(&group, &(struct aion_spawn_options){.name = "second"}, test_return, test_number(-ENOSPC));
	aion_spawn(&group, test_return, test_number(-EPIPE));
	cr_assert_eq(aion_group_leave(&group, -EDOM), -EDOM, "the body's came first: nobody has run yet");
	cr_assert_eq(aion_group_errors(&group, &errors), 4);
	cr_assert_str_eq(errors[0].name, "(body)");
	cr_assert_eq(errors[0].code, -EDOM);
	cr_assert_str_eq(errors[1].name, "first");
	cr_assert_eq(errors[1].code, -EIO);
	cr_assert_str_eq(errors[2].name, "second");
	cr_assert_eq(errors[2].code, -ENOSPC);
	cr_assert_str_eq(errors[3].name, "");
	cr_assert_eq(errors[3].code, -EPIPE);
	return 0;
}

TEST_IN_TASK(group_error, errors_beyond_the_list_are_counted)
{
	const struct aion_group_error *errors;
	struct aion_group group;

	aion_group_enter(&group);
	for (int i = 1; i <= AION_GROUP_ERROR_MAX + 5; i++)
		aion_spawn(&group, test_return, test_number(-i));
	cr_assert_eq(aion_group_leave(&group, 0), -1);
	cr_assert_eq(aion_group_errors(&group, &errors), AION_GROUP_ERROR_MAX + 5);
	for (int i = 0; i < AION_GROUP_ERROR_MAX; i++)
		cr_assert_eq(errors[i].code, -1 - i);
	return 0;
}

static int64_t cancelled_then(void *code)
{
	aion_sleep_until(AION_NEVER);
	return (intptr_t)code;
}

/* Case 7. */
TEST_IN_TASK(group_error, a_parent_cancelled_while_children_fail_reports_the_failure)
{
	struct aion_scope scope;
	struct aion_group group;

	aion_scope_enter(&scope, AION_NEVER);
	aion_group_enter(&group);
	aion_spawn(&group, cancelled_then, test_number(-EIO));
	aion_spawn(&group, test_sleep_for_ever, NULL);
	aion_yield();
	aion_scope_cancel(&scope);
	cr_assert_eq(aion_group_leave(&group, aion_checkpoint()), -EIO);
	cr_assert_eq(aion_group_errors(&group, NULL), 1, "-ECANCELED in a cancelled scope is no error");
	cr_assert_eq(aion_scope_leave(&scope), 0);
	return 0;
}

TEST_IN_TASK(group_error, an_error_in_the_body_cancels_the_children)
{
	struct seen child = {0};
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, sleep_and_tell, &child);
	aion_yield();
	cr_assert_eq(aion_group_leave(&group, -EBADMSG), -EBADMSG);
	cr_assert_eq(child.result, -ECANCELED);
	cr_assert_not(aion_cancelled());
	return 0;
}

/* Case 9: the child is cancelled from its start, and runs nevertheless. */
TEST_IN_TASK(group_error, an_error_before_a_child_started_cancels_it_at_its_start)
{
	struct seen child = {0};
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, sleep_and_tell, &child);
	cr_assert_eq(aion_group_leave(&group, -EINVAL), -EINVAL);
	cr_assert_eq(child.result, -ECANCELED);
	aion_group_enter(&group);
	cr_assert_eq(aion_group_leave(&group, -EINVAL), -EINVAL, "without any child");
	return 0;
}

struct nested {
	int64_t inner_result;
	struct seen outer_sibling;
};

static int64_t inner_group_fails(void *arg)
{
	struct nested *nested = arg;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, fail_after_1ms, test_number(-EIO));
	nested->inner_result = aion_group_leave(&group, 0);
	cr_assert_not(aion_cancelled(), "the inner group's cancellation stops at its edge");
	return 0;
}

/* Case 10: handled inside, the error is nobody else's. */
TEST_IN_TASK(group_error, an_inner_group_s_error_stops_there_if_it_is_handled)
{
	struct nested nested = {0};
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, test_sleep_1ms, NULL);
	aion_spawn(&group, inner_group_fails, &nested);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(nested.inner_result, -EIO);
	return 0;
}

static int64_t inner_group_fails_and_says_so(void *unused)
{
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, fail_after_1ms, test_number(-EIO));
	return aion_group_leave(&group, 0);
}

TEST_IN_TASK(group_error, an_inner_group_s_error_handed_on_cancels_the_outer_siblings)
{
	struct seen sibling = {0};
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, sleep_and_tell, &sibling);
	aion_spawn(&group, inner_group_fails_and_says_so, NULL);
	cr_assert_eq(aion_group_leave(&group, 0), -EIO);
	cr_assert_eq(sibling.result, -ECANCELED);
	return 0;
}

/* Case 12. */
TEST_IN_TASK(group_error, a_real_error_during_cancellation_wins)
{
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, cancelled_then, test_number(-EIO));
	aion_yield();
	aion_group_cancel(&group);
	cr_assert_eq(aion_checkpoint(), -ECANCELED);
	cr_assert_eq(aion_group_leave(&group, -ECANCELED), -EIO);
	return 0;
}

/* Case 77: nobody's scope is cancelled, so the number means nothing special. */
TEST_IN_TASK(group_error, a_stale_ecanceled_from_a_child_is_an_error)
{
	struct seen sibling = {0};
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, sleep_and_tell, &sibling);
	aion_spawn(&group, test_yield_return, test_number(-ECANCELED));
	cr_assert_eq(aion_group_leave(&group, 0), -ECANCELED);
	cr_assert_eq(aion_group_errors(&group, NULL), 1);
	cr_assert_eq(sibling.result, -ECANCELED);
	return 0;
}

TEST_IN_TASK(group_error, a_stale_ecanceled_from_the_body_is_an_error)
{
	struct aion_group group;

	aion_group_enter(&group);
	cr_assert_eq(aion_group_leave(&group, -ECANCELED), -ECANCELED);
	cr_assert_eq(aion_group_errors(&group, NULL), 1);
	return 0;
}

/* A scope of the child's own was cancelled and left: after that its -ECANCELED is stale. */
static int64_t stale_from_own_scope(void *unused)
{
	struct aion_scope scope;
	int64_t result;

	aion_scope_enter(&scope, AION_NEVER);
	aion_scope_cancel(&scope);
	result = aion_checkpoint();
	aion_scope_leave(&scope);
	return result;
}

TEST_IN_TASK(group_error, an_ecanceled_carried_out_of_its_scope_is_stale)
{
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, stale_from_own_scope, NULL);
	cr_assert_eq(aion_group_leave(&group, 0), -ECANCELED);
	cr_assert_eq(aion_group_errors(&group, NULL), 1);
	return 0;
}

TEST_IN_TASK(group_error, names_are_cut_and_terminated)
{
	const struct aion_group_error *errors;
	struct aion_group group;
	char name[100];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	aion_group_enter(&group);
	aion_spawn_with(&group, &(struct aion_spawn_options){.name = name}, test_return, test_number(-EIO));
	cr_assert_eq(aion_group_leave(&group, 0), -EIO);
	aion_group_errors(&group, &errors);
	cr_assert_eq(strlen(errors[0].name), AION_TASK_NAME_MAX - 1);
	return 0;
}

TEST_IN_TASK(group_error, a_group_that_keeps_going_lets_the_others_finish)
{
	struct aion_group group;
	const struct aion_group_error *errors;
	int counter = 0;

	aion_group_enter(&group);
	aion_group_keep_going(&group);
	aion_spawn(&group, test_return, test_number(-EIO));
	aion_spawn(&group, test_yield_return, test_number(-ENOSPC));
	aion_spawn(&group, test_sleep_1ms, NULL);
	cr_assert_eq(aion_sleep(AION_MILLISECOND), 0);
	aion_spawn(&group, test_count, &counter);
	cr_assert_eq(aion_group_leave(&group, 0), -EIO);
	cr_assert_eq(counter, 1);
	cr_assert_eq(aion_scope_reason(&group.scope), AION_REASON_NONE);
	cr_assert_eq(aion_group_errors(&group, &errors), 2);
	cr_assert_eq(errors[1].code, -ENOSPC);
	return 0;
}
