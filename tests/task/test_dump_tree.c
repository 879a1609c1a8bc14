/* SPDX-License-Identifier: MIT */
/* The walk through a loop's tasks. */
#include <pthread.h>
#include <string.h>

#include "test_task.h"

#define SEEN_MAX 64

struct seen {
	size_t nr;
	struct aion_task_info infos[SEEN_MAX];
	int stop_at;
};

static int see(const struct aion_task_info *info, void *arg)
{
	struct seen *seen = arg;

	cr_assert_lt(seen->nr, SEEN_MAX);
	seen->infos[seen->nr++] = *info;
	return seen->stop_at && seen->nr == (size_t)seen->stop_at ? 7 : 0;
}

static const struct aion_task_info *named(const struct seen *seen, const char *name)
{
	for (size_t i = 0; i < seen->nr; i++)
		if (strcmp(seen->infos[i].name, name) == 0)
			return &seen->infos[i];
	cr_assert_fail("no task \"%s\"", name);
	return NULL;
}

static int spawn_named(struct aion_group *group, const char *name, aion_fn *fn)
{
	return aion_spawn_with(group, &(struct aion_spawn_options){.name = name}, fn, NULL);
}

/* Two groups, one inside the other, with a scope between. */
static int64_t parent_of_two_groups(void *unused)
{
	struct aion_group outer, inner;
	struct aion_scope scope;
	int64_t result;

	aion_group_enter(&outer);
	spawn_named(&outer, "outer 1", test_sleep_for_ever);
	aion_scope_enter(&scope, AION_NEVER);
	aion_group_enter(&inner);
	spawn_named(&inner, "inner 1", test_sleep_for_ever);
	spawn_named(&outer, "outer 2", test_sleep_for_ever);
	spawn_named(&inner, "inner 2", test_sleep_for_ever);
	result = aion_group_leave(&inner, 0);
	aion_scope_leave(&scope);
	return aion_group_leave(&outer, result);
}

TEST_IN_TASK(dump_tree, parents_come_first_and_siblings_in_the_order_of_their_spawns)
{
	static const char *const names[] = {"main", "first", "outer 1", "outer 2", "inner 1", "inner 2", "last"};
	static const unsigned depths[] = {0, 1, 2, 2, 2, 2, 1};
	struct seen seen = {0};
	struct aion_group group;

	aion_group_enter(&group);
	spawn_named(&group, "first", parent_of_two_groups);
	spawn_named(&group, "last", test_sleep_for_ever);
	aion_yield();
	aion_yield();
	cr_assert_eq(aion_loop_tasks(aion_loop_current(), see, &seen), 0);
	cr_assert_eq(seen.nr, 7);
	for (size_t i = 0; i < 7; i++) {
		cr_assert_str_eq(seen.infos[i].name, names[i]);
		cr_assert_eq(seen.infos[i].depth, depths[i], "%s", names[i]);
	}
	cr_assert_null(seen.infos[0].parent);
	cr_assert_eq(seen.infos[0].group, aion_loop_group(aion_loop_current()));
	cr_assert_eq(named(&seen, "first")->parent, seen.infos[0].task);
	cr_assert_eq(named(&seen, "first")->group, &group);
	cr_assert_eq(named(&seen, "inner 2")->parent, named(&seen, "first")->task);
	cr_assert_neq(named(&seen, "inner 2")->group, named(&seen, "outer 2")->group);
	aion_group_cancel(&group);
	return aion_group_leave(&group, 0);
}

TEST_IN_TASK(dump_tree, the_visitor_ends_the_walk)
{
	struct seen seen = {.stop_at = 2};
	struct aion_group group;

	aion_group_enter(&group);
	for (int i = 0; i < 5; i++)
		aion_spawn(&group, test_sleep_for_ever, NULL);
	cr_assert_eq(aion_loop_tasks(aion_loop_current(), see, &seen), 7);
	cr_assert_eq(seen.nr, 2);
	aion_group_cancel(&group);
	return aion_group_leave(&group, 0);
}

TEST_IN_TASK(dump_tree, states_are_told)
{
	struct seen seen = {0};
	struct aion_group group;
	int64_t result;

	aion_group_enter(&group);
	spawn_named(&group, "waits", test_sleep_for_ever);
	spawn_named(&group, "yields", test_yield_return);
	aion_yield();
	spawn_named(&group, "new", test_sleep_for_ever);
	cr_assert_eq(aion_loop_tasks(aion_loop_current(), see, &seen), 0);
	cr_assert_eq(seen.infos[0].state, AION_TASK_RUNNING);
	cr_assert_eq(seen.infos[0].task, aion_task_current());
	cr_assert_eq(seen.infos[0].wait.kind, AION_WAITS_NOT);
	cr_assert_eq(named(&seen, "waits")->state, AION_TASK_WAITING);
	cr_assert_eq(named(&seen, "waits")->fn, test_sleep_for_ever);
	cr_assert_eq(named(&seen, "yields")->state, AION_TASK_READY);
	cr_assert(named(&seen, "yields")->has_begun);
	cr_assert_eq(named(&seen, "new")->state, AION_TASK_READY);
	cr_assert(!named(&seen, "new")->has_begun);
	cr_assert(!named(&seen, "new")->is_cancelled);
	cr_assert_eq(named(&seen, "new")->since_ns, 0, "no debug mode, no times");
	cr_assert_null(named(&seen, "new")->spawn_site);
	aion_group_cancel(&group);
	seen.nr = 0;
	aion_loop_tasks(aion_loop_current(), see, &seen);
	cr_assert(named(&seen, "new")->is_cancelled);
	cr_assert(seen.infos[0].is_cancelled, "the body of the group");
	result = aion_group_leave(&group, 0);
	seen.nr = 0;
	aion_loop_tasks(aion_loop_current(), see, &seen);
	cr_assert_eq(seen.nr, 1, "who has ended is gone");
	return result;
}

static int64_t dig(void *depth)
{
	struct aion_group group;

	if (!depth)
		return test_sleep_for_ever(NULL);
	aion_group_enter(&group);
	aion_spawn(&group, dig, test_number((intptr_t)depth - 1));
	return aion_group_leave(&group, 0);
}

static int deepest(const struct aion_task_info *info, void *arg)
{
	*(unsigned *)arg = info->depth;
	return 0;
}

TEST_IN_TASK(dump_tree, deep_trees_are_walked)
{
	struct aion_group group;
	unsigned depth = 0;

	aion_group_enter(&group);
	aion_spawn(&group, dig, test_number(300));
	for (int i = 0; i < 310; i++)
		aion_yield();
	cr_assert_eq(aion_loop_tasks(aion_loop_current(), deepest, &depth), 0);
	cr_assert_eq(depth, 301);
	aion_group_cancel(&group);
	return aion_group_leave(&group, 0);
}

static void *look_from_elsewhere(void *loop)
{
	struct seen seen = {0};

	return test_number(aion_loop_tasks(loop, see, &seen));
}

TEST_IN_TASK(dump_tree, no_other_thread_may_look)
{
	pthread_t thread;
	void *result;

	cr_assert_eq(pthread_create(&thread, NULL, look_from_elsewhere, aion_loop_current()), 0);
	pthread_join(thread, &result);
	cr_assert_eq((intptr_t)result, -EXDEV);
	return 0;
}

static int look_in_child(void *loop)
{
	struct seen seen = {0};

	return aion_loop_tasks(loop, see, &seen) == -ECHILD ? 0 : 1;
}

TEST_IN_TASK(dump_tree, a_forked_child_may_not_look)
{
	cr_assert_eq(test_in_child(look_in_child, aion_loop_current()), 0);
	return 0;
}

Test(dump_tree, the_host_may_look)
{
	struct seen seen = {0};
	struct aion_loop *loop;

	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	cr_assert_eq(aion_loop_tasks(loop, see, &seen), 0);
	cr_assert_eq(seen.nr, 0);
	cr_assert_geq(aion_loop_turn(loop), 0);
	spawn_named(aion_loop_group(loop), "sleeper", test_sleep_for_ever);
	cr_assert_eq(aion_loop_tasks(loop, see, &seen), 0);
	cr_assert_eq(seen.nr, 1);
	cr_assert_eq(seen.infos[0].state, AION_TASK_READY);
	cr_assert_geq(aion_loop_turn(loop), 0);
	seen.nr = 0;
	cr_assert_eq(aion_loop_tasks(loop, see, &seen), 0);
	cr_assert_eq(seen.infos[0].state, AION_TASK_WAITING);
	aion_loop_destroy(loop);
}
