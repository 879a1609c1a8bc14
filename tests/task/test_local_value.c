/* SPDX-License-Identifier: MIT */
/* Task-local values. */
#include "test_task.h"

#include "fault_int.h"

static unsigned key;
static int destroyed_nr;

static void count_destroyed(void *value)
{
	destroyed_nr += *(int *)value;
}

static int64_t own_value(void *value)
{
	cr_assert_null(aion_local_get(key), "children do not inherit, recycled tasks are clean");
	cr_assert_eq(aion_local_set(key, value), 0);
	aion_yield();
	cr_assert_eq(aion_local_get(key), value);
	return 0;
}

TEST_IN_TASK(local_value, every_task_has_its_own_and_it_is_destroyed_with_it)
{
	int values[] = {1, 10, 100};
	struct aion_group group;

	cr_assert_eq(aion_local_create(count_destroyed, &key), 0);
	cr_assert_eq(aion_local_set(key, &values[0]), 0);
	for (int round = 1; round <= 2; round++) {
		aion_group_enter(&group);
		aion_spawn(&group, own_value, &values[1]);
		aion_spawn(&group, own_value, &values[2]);
		cr_assert_eq(aion_group_leave(&group, 0), 0);
		cr_assert_eq(destroyed_nr, 110 * round);
	}
	cr_assert_eq(aion_local_get(key), &values[0]);
	cr_assert_eq(aion_local_set(key, NULL), 0, "nothing to destroy");
	return 0;
}

static void destroy_and_suspend(void *value)
{
	cr_assert_eq(aion_sleep(AION_MILLISECOND), 0);
	cr_assert_null(aion_local_get(key));
	++*(int *)value;
}

static int64_t set_key(void *value)
{
	return aion_local_set(key, value);
}

TEST_IN_TASK(local_value, a_destroyer_may_suspend_and_the_group_waits_for_it)
{
	struct aion_group group;
	int value = 0;

	cr_assert_eq(aion_local_create(destroy_and_suspend, &key), 0);
	aion_group_enter(&group);
	for (int i = 0; i < 5; i++)
		aion_spawn(&group, set_key, &value);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(value, 5);
	return 0;
}

static void destroy_and_set(void *value)
{
	if (++*(int *)value < 3)
		cr_assert_eq(aion_local_set(key, value), 0);
}

TEST_IN_TASK(local_value, a_destroyer_may_set_a_value_again)
{
	struct aion_group group;
	int value = 0;

	cr_assert_eq(aion_local_create(destroy_and_set, &key), 0);
	aion_group_enter(&group);
	aion_spawn(&group, set_key, &value);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(value, 3);
	return 0;
}

TEST_IN_TASK(local_value, there_are_64_keys)
{
	unsigned last = 0;

	for (int i = 0; i < AION_LOCAL_MAX; i++)
		cr_assert_eq(aion_local_create(NULL, &last), 0);
	cr_assert_eq(aion_local_create(NULL, &last), -EAGAIN);
	cr_assert_eq(last, AION_LOCAL_MAX - 1);
	cr_assert_eq(aion_local_set(last, &last), 0);
	cr_assert_eq(aion_local_get(last), &last);
	cr_assert_eq(aion_local_set(AION_LOCAL_MAX, &last), -EINVAL);
	cr_assert_null(aion_local_get(AION_LOCAL_MAX));
	return 0;
}

Test(local_value, wrong_keys_and_places_are_refused)
{
	unsigned first;
	int value;

	cr_assert_eq(aion_local_create(NULL, &first), 0);
	cr_assert_eq(aion_local_set(first, &value), -EBUSY);
	cr_assert_null(aion_local_get(first));
	cr_assert_eq(aion_run(set_key, &value, NULL), 0);
	key = first + 1;
	cr_assert_eq(aion_run(set_key, &value, NULL), -EINVAL);
}

#ifdef AION_FAULTS
TEST_IN_TASK(local_value, no_memory_is_enomem)
{
	cr_assert_eq(aion_local_create(NULL, &key), 0);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	cr_assert_eq(aion_local_set(key, &key), -ENOMEM);
	aion__fault_reset();
	cr_assert_null(aion_local_get(key));
	return 0;
}
#endif
