/* SPDX-License-Identifier: MIT */
/* Spawns that memory fails: errors of the group, and of nobody else. */
#include "test_task.h"

#include "fault_int.h"

#ifdef AION_FAULTS
#define TASKS_OF_A_SLAB 40 /* more than the structs that are allocated at a time */

TEST_IN_TASK(spawn_error, no_memory_for_the_task_is_the_group_s_error)
{
	struct aion_handle handle;
	struct aion_group group;
	int ran_nr = 0;
	int result = 0;

	aion_group_enter(&group);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1000, -ENOMEM);
	for (int i = 0; i < TASKS_OF_A_SLAB && result == 0; i++)
		result = aion_spawn(&group, test_count, &ran_nr);
	cr_assert_eq(result, -ENOMEM);
	cr_assert_eq(aion_spawn_into(&group, &handle, NULL, test_count, &ran_nr), -ENOMEM);
	cr_assert_eq(aion_spawn_with(&group, NULL, test_count, &ran_nr), -ENOMEM);
	cr_assert_eq(aion_spawn_now(&group, test_count, &ran_nr), -ENOMEM);
	cr_assert_eq(aion_spawn_copy(&group, test_count, &ran_nr, 4), -ENOMEM);
	aion__fault_reset();
	cr_assert_eq(aion_await(&handle.future), -ENOMEM);
	cr_assert(aion_cancelled());
	cr_assert_eq(aion_group_leave(&group, 0), -ENOMEM);
	cr_assert_eq(aion_group_errors(&group, NULL), 5);
	return 0;
}

/* The stack is taken when the task first runs; without one the task ends where it stands. */
TEST_IN_TASK(spawn_error, no_memory_for_the_stack_is_the_task_s_result)
{
	struct aion_spawn_options options = {.stack_size = 1 << 20};
	struct aion_handle handles[3];
	struct aion_group group;
	int ran_nr = 0;

	aion_group_enter(&group);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(aion_spawn_into(&group, &handles[i], &options, test_count, &ran_nr), 0);
	aion__fault_arm(AION__FAULT_STACK_MAP, 0, 2, -ENOMEM);
	cr_assert_eq(aion_group_leave(&group, 0), -ENOMEM);
	aion__fault_reset();
	cr_assert_eq(aion_await(&handles[0].future), -ENOMEM);
	cr_assert_eq(aion_await(&handles[1].future), -ENOMEM);
	cr_assert_eq(aion_await(&handles[2].future), 0);
	cr_assert_eq(ran_nr, 1);
	return 0;
}

TEST_IN_TASK(spawn_error, no_memory_for_the_stack_of_a_spawn_now)
{
	struct aion_group group;
	int ran_nr = 0;

	aion_group_enter(&group);
	aion__fault_arm(AION__FAULT_STACK_MAP, 0, 1000, -ENOMEM);
	for (int i = 0; i < 100 && !aion_cancelled(); i++)
		cr_assert_eq(aion_spawn_now(&group, test_sleep_for_ever, NULL), 0);
	aion__fault_reset();
	cr_assert(aion_cancelled());
	cr_assert_eq(aion_spawn_now(&group, test_count, &ran_nr), 0);
	cr_assert_eq(ran_nr, 1);
	cr_assert_eq(aion_group_leave(&group, 0), -ENOMEM);
	return 0;
}

/* A task ends on the small stack, the next one needs a large one, and there is none; the one after has its own. */
TEST_IN_TASK(spawn_error, no_stack_for_the_successor_of_a_task_that_ends)
{
	struct aion_spawn_options large = {.stack_size = 4 << 20};
	struct aion_group group;
	int ran_nr = 0;

	aion_group_enter(&group);
	aion_spawn(&group, test_sleep_1ms, NULL);
	aion_yield();
	aion_spawn(&group, test_count, &ran_nr);
	aion_spawn_with(&group, &large, test_count, &ran_nr);
	aion_spawn_with(&group, &large, test_count, &ran_nr);
	aion_spawn(&group, test_count, &ran_nr);
	aion__fault_arm(AION__FAULT_STACK_MAP, 0, 2, -ENOMEM);
	cr_assert_eq(aion_group_leave(&group, 0), -ENOMEM);
	aion__fault_reset();
	cr_assert_eq(ran_nr, 2);
	cr_assert_eq(aion_group_errors(&group, NULL), 2);
	return 0;
}

Test(spawn_error, no_memory_for_the_main_task_is_run_s_result)
{
	struct aion_loop *loop;
	int ran_nr = 0;

	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	cr_assert_eq(aion_loop_run(loop, test_count, &ran_nr), -ENOMEM);
	aion__fault_arm(AION__FAULT_STACK_MAP, 0, 1, -ENOMEM);
	cr_assert_eq(aion_loop_run(loop, test_count, &ran_nr), -ENOMEM);
	aion__fault_reset();
	cr_assert_eq(ran_nr, 0);
	cr_assert_eq(aion_loop_run(loop, test_count, &ran_nr), 0);
	cr_assert_eq(ran_nr, 1);
	aion_loop_destroy(loop);
}
#else
Test(spawn_error, needs_fault_points)
{
	cr_skip_test("this build has no fault points");
}
#endif
