/* SPDX-License-Identifier: MIT */
/* How a cancellation reaches the children of groups, and where it stops. */
#include "test_task.h"

struct seen {
	int64_t result;
	int ran_nr;
};

static int64_t sleep_and_tell(void *arg)
{
	struct seen *seen = arg;

	seen->ran_nr++;
	seen->result = aion_sleep_until(AION_NEVER);
	return seen->result;
}

/* Case 3. */
TEST_IN_TASK(group_cancel, one_child_cancelled_on_its_own_is_no_failure)
{
	struct aion_handle alone;
	struct aion_handle other;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn_into(&group, &alone, NULL, test_sleep_for_ever, NULL);
	aion_spawn_into(&group, &other, NULL, test_sleep_1ms, NULL);
	aion_yield();
	aion_handle_cancel(&alone);
	aion_handle_cancel(&alone);
	cr_assert_eq(aion_await(&alone.future), -ECANCELED);
	cr_assert_eq(aion_await(&other.future), 0);
	cr_assert_not(aion_cancelled());
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	aion_handle_cancel(&alone);
	cr_assert_eq(aion_group_errors(&group, NULL), 0);
	return 0;
}

TEST_IN_TASK(group_cancel, a_child_cancelled_before_it_started_sees_it_at_its_first_checkpoint)
{
	struct seen seen = {0};
	struct aion_handle handle;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, sleep_and_tell, &seen);
	aion_handle_cancel(&handle);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(seen.ran_nr, 1);
	cr_assert_eq(seen.result, -ECANCELED);
	return 0;
}

static int64_t group_of_two(void *arg)
{
	struct seen *seen = arg;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, sleep_and_tell, &seen[0]);
	aion_spawn(&group, sleep_and_tell, &seen[1]);
	return aion_group_leave(&group, aion_sleep_until(AION_NEVER));
}

/* Case 6. */
TEST_IN_TASK(group_cancel, the_parent_s_cancellation_reaches_every_child)
{
	struct seen seen[4] = {{0}};
	struct aion_scope scope;
	struct aion_group group;

	aion_scope_enter(&scope, AION_NEVER);
	aion_group_enter(&group);
	aion_spawn(&group, group_of_two, &seen[0]);
	aion_spawn(&group, group_of_two, &seen[2]);
	aion_sleep(AION_MILLISECOND);
	aion_scope_cancel(&scope);
	cr_assert_eq(aion_scope_reason(&group.scope), AION_REASON_PARENT);
	cr_assert_eq(aion_group_leave(&group, 0), -ECANCELED);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(seen[i].result, -ECANCELED, "child %d", i);
	cr_assert_eq(aion_scope_leave(&scope), 0);
	return 0;
}

/* Case 11. */
static int64_t cancelled_with_slow_cleanup(void *arg)
{
	struct seen *seen = arg;
	struct aion_scope shield;

	seen->result = aion_sleep_until(AION_NEVER);
	aion_scope_enter_shield(&shield, AION_NEVER);
	for (int i = 0; i < 3; i++)
		seen->ran_nr += aion_sleep(AION_MILLISECOND) == 0;
	cr_assert_eq(aion_scope_leave(&shield), 0);
	return seen->result;
}

TEST_IN_TASK(group_cancel, slow_cleanup_in_a_cancelled_child_and_body_is_waited_for)
{
	struct seen child = {0};
	struct seen body = {0};
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, cancelled_with_slow_cleanup, &child);
	aion_yield();
	aion_group_cancel(&group);
	cr_assert_eq(aion_group_leave(&group, cancelled_with_slow_cleanup(&body)), 0);
	cr_assert_eq(child.ran_nr, 3);
	cr_assert_eq(body.ran_nr, 3);
	return 0;
}

struct breeder {
	struct aion_group *group;
	int *born_nr;
};

/* Each spawns one more as it is cancelled, until enough were born. */
static int64_t breed(void *arg)
{
	struct breeder *breeder = arg;
	int64_t result = aion_sleep_until(AION_NEVER);

	if (++*breeder->born_nr < 100)
		cr_assert_eq(aion_spawn(breeder->group, breed, breeder), 0);
	return result;
}

/* Case 15. */
TEST_IN_TASK(group_cancel, children_that_spawn_children_terminate_under_cancel)
{
	struct aion_group group;
	int born_nr = 0;
	struct breeder breeder = {&group, &born_nr};

	aion_group_enter(&group);
	aion_spawn(&group, breed, &breeder);
	aion_yield();
	aion_group_cancel(&group);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(born_nr, 100);
	return 0;
}

/* Case 17. */
TEST_IN_TASK(group_cancel, what_is_spawned_into_a_cancelled_group_is_cancelled)
{
	struct seen queued = {0};
	struct seen at_once = {0};
	struct aion_group group;

	aion_group_enter(&group);
	aion_group_cancel(&group);
	cr_assert_eq(aion_spawn(&group, sleep_and_tell, &queued), 0);
	cr_assert_eq(aion_spawn_now(&group, sleep_and_tell, &at_once), 0);
	cr_assert_eq(at_once.ran_nr, 1, "runs at once all the same");
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(queued.result, -ECANCELED);
	cr_assert_eq(at_once.result, -ECANCELED);
	return 0;
}

/* Case 19. */
TEST_IN_TASK(group_cancel, the_group_s_own_cancellation_stops_at_its_edge)
{
	struct aion_group outer;
	struct aion_group inner;
	struct seen outside = {0};
	struct seen inside = {0};

	aion_group_enter(&outer);
	aion_spawn(&outer, sleep_and_tell, &outside);
	aion_group_enter(&inner);
	aion_spawn(&inner, sleep_and_tell, &inside);
	aion_yield();
	aion_group_cancel(&inner);
	cr_assert_eq(aion_scope_reason(&inner.scope), AION_REASON_USER);
	cr_assert_eq(aion_group_leave(&inner, aion_checkpoint()), 0);
	cr_assert_eq(inside.result, -ECANCELED);
	cr_assert_eq(outside.result, 0, "still sleeps");
	cr_assert_eq(aion_sleep(AION_MILLISECOND), 0);
	cr_assert_eq(aion_scope_reason(&outer.scope), AION_REASON_NONE);
	aion_group_cancel(&outer);
	cr_assert_eq(aion_group_leave(&outer, 0), 0);
	cr_assert_eq(outside.result, -ECANCELED);
	return 0;
}

static int64_t say_ready_then_serve(void *arg)
{
	aion_future_complete(arg, 0);
	return aion_sleep_until(AION_NEVER);
}

/* Case 21: the one who waits for the word and the one who would give it are cancelled together. */
TEST_IN_TASK(group_cancel, a_start_handshake_in_a_cancelled_group_does_not_hang)
{
	struct aion_future ready;
	struct aion_group group;

	aion_future_init(&ready);
	aion_group_enter(&group);
	aion_spawn(&group, say_ready_then_serve, &ready);
	cr_assert_eq(aion_await(&ready), 0);
	aion_group_cancel(&group);
	cr_assert_eq(aion_group_leave(&group, 0), 0);

	aion_future_init(&ready);
	aion_group_enter(&group);
	aion_group_cancel(&group);
	aion_spawn(&group, say_ready_then_serve, &ready);
	cr_assert_eq(aion_await(&ready), -ECANCELED, "not done yet, and the wait is inside the cancelled group");
	cr_assert_eq(aion_group_leave(&group, -ECANCELED), 0);
	cr_assert_eq(aion_await(&ready), 0, "the child ran to its first checkpoint");
	return 0;
}

TEST_IN_TASK(group_cancel, a_group_s_deadline_is_etime_once_delivered)
{
	struct seen child = {0};
	struct aion_group group;

	aion_group_enter(&group);
	cr_assert_eq(aion_scope_set_deadline(&group.scope, aion_after(2 * AION_MILLISECOND)), 0);
	aion_spawn(&group, sleep_and_tell, &child);
	cr_assert_eq(aion_group_leave(&group, 0), -ETIME, "delivered to the child");
	cr_assert_eq(child.result, -ECANCELED);
	cr_assert_eq(aion_scope_reason(&group.scope), AION_REASON_DEADLINE);
	aion_group_enter(&group);
	aion_scope_set_deadline(&group.scope, aion_after(2 * AION_MILLISECOND));
	aion_spawn(&group, test_count, &child.ran_nr);
	cr_assert_eq(aion_group_leave(&group, 0), 0, "all were done before");
	return 0;
}

TEST_IN_TASK(group_cancel, a_real_error_comes_before_the_deadline)
{
	struct aion_group group;

	aion_group_enter(&group);
	aion_scope_set_deadline(&group.scope, aion_after(AION_MILLISECOND));
	cr_assert_eq(aion_sleep_until(AION_NEVER), -ECANCELED);
	cr_assert_eq(aion_group_leave(&group, -EIO), -EIO);
	return 0;
}

static int64_t shielded_group(void *arg)
{
	struct aion_scope shield;
	struct aion_group group;
	struct seen *seen = arg;

	aion_scope_enter_shield(&shield, AION_NEVER);
	aion_group_enter(&group);
	aion_spawn(&group, test_sleep_1ms, NULL);
	seen->ran_nr = aion_sleep(2 * AION_MILLISECOND) == 0;
	seen->result = aion_group_leave(&group, 0);
	cr_assert_eq(aion_scope_leave(&shield), 0);
	return aion_checkpoint();
}

TEST_IN_TASK(group_cancel, a_group_inside_a_shield_is_not_reached)
{
	struct seen seen = {.result = 1};
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, shielded_group, &seen);
	aion_yield();
	aion_group_cancel(&group);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(seen.ran_nr, 1);
	cr_assert_eq(seen.result, 0);
	return 0;
}

static int64_t cancel_the_group(void *group)
{
	aion_group_cancel(group);
	return 0;
}

TEST_IN_TASK(group_cancel, a_child_may_cancel_its_own_group)
{
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, cancel_the_group, &group);
	aion_spawn(&group, test_sleep_for_ever, NULL);
	cr_assert_eq(aion_group_leave(&group, aion_sleep_until(AION_NEVER)), 0);
	return 0;
}
