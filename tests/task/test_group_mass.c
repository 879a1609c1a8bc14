/* SPDX-License-Identifier: MIT */
/* Very many tasks: constant memory where they end, little where they sleep, no recursion where they nest. */
#include "test_task.h"

#define SPAWN_NR 1000000
#define SPAWN_SMALL_NR 20000
#define ALIVE_MAX 64

static int task_nr(int small_nr, int nr)
{
	return test_is_small() ? small_nr : nr;
}

struct spawner {
	int nr;
	int ended_nr;
	size_t in_use_nr; /* library memory, when all kinds of it had been needed */
	size_t total_nr;
};

static int64_t spawn_very_many(void *arg)
{
	struct spawner *spawner = arg;
	struct aion_group group;

	aion_group_enter(&group);
	for (int i = 0; i < spawner->nr; i++) {
		aion_spawn(&group, test_count, &spawner->ended_nr);
		if (i % ALIVE_MAX == 0)
			aion_yield();
		if (i == 10 * ALIVE_MAX) {
			spawner->in_use_nr = test_allocator_in_use_nr();
			spawner->total_nr = test_allocator_total_nr();
		}
	}
	aion_yield();
	cr_assert_eq(test_allocator_in_use_nr(), spawner->in_use_nr);
	cr_assert_eq(test_allocator_total_nr(), spawner->total_nr, "nothing was even allocated and freed");
	return aion_group_leave(&group, 0);
}

/* Case 13. */
Test(group_mass, a_million_spawns_into_one_group_take_constant_memory)
{
	struct spawner spawner = {.nr = task_nr(SPAWN_SMALL_NR, SPAWN_NR)};

	test_allocator_count();
	cr_assert_eq(aion_run(spawn_very_many, &spawner, NULL), 0);
	cr_assert_eq(spawner.ended_nr, spawner.nr);
	cr_assert_eq(test_allocator_in_use_nr(), 0, "the loop has left nothing");
}

static int64_t spawn_now_very_many(void *arg)
{
	struct spawner *spawner = arg;
	struct aion_group group;

	aion_group_enter(&group);
	for (int i = 0; i < spawner->nr; i++) {
		aion_spawn_now(&group, test_count, &spawner->ended_nr);
		if (i == 0)
			spawner->total_nr = test_allocator_total_nr();
	}
	cr_assert_eq(test_allocator_total_nr(), spawner->total_nr);
	return aion_group_leave(&group, 0);
}

Test(group_mass, spawns_run_at_once_reuse_one_task_and_stack)
{
	struct spawner spawner = {.nr = task_nr(SPAWN_SMALL_NR, SPAWN_NR)};

	test_allocator_count();
	cr_assert_eq(aion_run(spawn_now_very_many, &spawner, NULL), 0);
	cr_assert_eq(spawner.ended_nr, spawner.nr);
}

#define SLEEPER_NR 1000000
#define SLEEPER_SMALL_NR 2000
#define SLEEPER_SIZE 8192 /* bytes resident a task: a page of stack, and less than another for all the rest */

static int64_t sleep_until_told(void *counter)
{
	++*(int *)counter;
	return aion_sleep_until(aion_now() + 1000 * AION_SECOND);
}

static int64_t many_sleepers(void *arg)
{
	struct spawner *spawner = arg;
	size_t before = test_resident_size();
	struct aion_loop_stats stats;
	struct aion_group group;

	aion_group_enter(&group);
	for (int i = 0; i < spawner->nr; i++)
		aion_spawn(&group, sleep_until_told, &spawner->ended_nr);
	aion_yield();
	cr_assert_eq(spawner->ended_nr, spawner->nr);
	aion_loop_stats(aion_loop_current(), &stats);
	cr_assert_eq(stats.task_nr, (size_t)spawner->nr + 1);
	cr_assert_eq(stats.timer_nr, (size_t)spawner->nr);
	if (!test_is_small())
		cr_assert_lt((test_resident_size() - before) / (size_t)spawner->nr, SLEEPER_SIZE);
	aion_group_cancel(&group);
	return aion_group_leave(&group, 0);
}

Test(group_mass, a_million_tasks_sleep_and_are_cancelled)
{
	struct spawner spawner = {.nr = task_nr(SLEEPER_SMALL_NR, SLEEPER_NR)};
	struct aion_loop_options options = {.stack_size = 64 << 10};

	cr_assert_eq(aion_run(many_sleepers, &spawner, &options), 0);
}

static int64_t sleepers_wake(void *arg)
{
	struct spawner *spawner = arg;
	struct aion_group group;

	aion_group_enter(&group);
	for (int i = 0; i < spawner->nr; i++)
		aion_spawn(&group, test_sleep_1ms, NULL);
	return aion_group_leave(&group, 0);
}

Test(group_mass, a_hundred_thousand_sleepers_wake)
{
	struct spawner spawner = {.nr = task_nr(1000, 100000)};
	struct aion_loop_options options = {.stack_size = 64 << 10};

	cr_assert_eq(aion_run(sleepers_wake, &spawner, &options), 0);
}

#define DEPTH 10000
#define DEPTH_SMALL 500

struct tree {
	int depth;
	int reached;
	int64_t leaf_result;
};

/* Each task owns a group with the next one in it. */
static int64_t nest(void *arg)
{
	struct tree *tree = arg;
	struct aion_group group;

	if (++tree->reached == tree->depth) {
		tree->leaf_result = aion_sleep_until(AION_NEVER);
		return tree->leaf_result;
	}
	aion_group_enter(&group);
	aion_spawn(&group, nest, tree);
	return aion_group_leave(&group, 0);
}

static int64_t cancel_tree(void *arg)
{
	struct tree *tree = arg;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, nest, tree);
	while (tree->reached < tree->depth)
		aion_yield();
	aion_yield();
	aion_group_cancel(&group);
	return aion_group_leave(&group, 0);
}

Test(group_mass, ten_thousand_nested_groups_cancel_without_recursion)
{
	struct tree tree = {.depth = task_nr(DEPTH_SMALL, DEPTH)};
	struct aion_loop_options options = {.stack_size = 64 << 10};

	cr_assert_eq(aion_run(cancel_tree, &tree, &options), 0);
	cr_assert_eq(tree.leaf_result, -ECANCELED);
}

#define SCOPE_NR 200

static int64_t nest_scopes(size_t left)
{
	struct aion_scope scope;
	int64_t result;

	if (!left)
		return aion_sleep_until(AION_NEVER);
	aion_scope_enter(&scope, AION_NEVER);
	result = nest_scopes(left - 1);
	cr_assert_eq(aion_scope_leave(&scope), 0);
	return result;
}

TEST_IN_TASK(group_mass, many_scopes_on_one_stack_cancel_from_the_outside)
{
	struct aion_scope scope;

	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	cr_assert_eq(nest_scopes(SCOPE_NR), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	return 0;
}
