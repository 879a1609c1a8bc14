/* SPDX-License-Identifier: MIT */
/* A cache and its loads: one for all who wait, whoever of them leaves. */
#include "test_cache.h"

TASK_TEST(cache_load, a_value_is_loaded_once)
{
	FIXTURE(0);

	assert_result(fixture_try_get(&fixture, "a"), -EAGAIN);
	assert_result(fixture_get(&fixture, "a"), 0);
	assert_result(fixture_get(&fixture, "a"), 0);
	assert_result(fixture_try_get(&fixture, "a"), 0);
	assert_result(fixture_get(&fixture, "b"), 1);
	assert_result(fixture_get(&fixture, ""), 2);
	assert_result(fixture_get(&fixture, "a key that is longer than a few words"), 3);
	assert_result(fixture_get(&fixture, "a key that is longer than a few wordS"), 4);
	assert_result(fixture_get(&fixture, ""), 2);
	cr_assert_eq(fixture_stats(&fixture).miss_nr, 5);
	cr_assert_eq(fixture_stats(&fixture).hit_nr, 3);
	cr_assert_eq(fixture_stats(&fixture).nr, 5);
	cr_assert_eq(fixture_stats(&fixture).held_nr, 0);
}

TASK_TEST(cache_load, of_many_keys_each_is_found)
{
	FIXTURE(.capacity = 5000);
	char key[16];

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 5000; i++) {
			snprintf(key, sizeof(key), "key %d", i);
			assert_result(fixture_get(&fixture, key), i);
		}
	cr_assert_eq(fixture.source.load_nr, 5000);
}

TASK_TEST(cache_load, those_who_miss_together_share_one_load)
{
	FIXTURE(0);
	struct aion_handle handles[10];
	struct aion_group group;

	fixture.source.yield_nr = 3;
	aion_group_enter(&group);
	for (int i = 0; i < 10; i++)
		aion_spawn_into(&group, &handles[i], NULL, get_a, &fixture);
	assert_result(aion_group_leave(&group, 0), 0);
	for (int i = 0; i < 10; i++)
		assert_result(aion_await(&handles[i].future), 0);
	cr_assert_eq(fixture.source.load_nr, 1);
	cr_assert_eq(fixture_stats(&fixture).join_nr, 9);
}

TASK_TEST(cache_load, an_error_is_everybody_s_and_not_remembered)
{
	FIXTURE(0);
	struct aion_handle handles[2];
	struct aion_group group;

	fixture.source.yield_nr = 2;
	fixture.source.result = -EIO;
	aion_group_enter(&group);
	for (int i = 0; i < 2; i++)
		aion_spawn_into(&group, &handles[i], NULL, get_a, &fixture);
	assert_result(aion_group_leave(&group, 0), -EIO);
	assert_result(aion_await(&handles[1].future), -EIO);
	cr_assert_eq(fixture.source.load_nr, 1);
	cr_assert_eq(fixture_stats(&fixture).nr, 0);
	assert_result(fixture_try_get(&fixture, "a"), -EAGAIN);
	assert_result(fixture_get(&fixture, "a"), -EIO);
	cr_assert_eq(fixture.source.load_nr, 2);
	cr_assert_eq(fixture_stats(&fixture).fail_nr, 2);
}

TASK_TEST(cache_load, an_error_is_remembered_if_asked)
{
	FIXTURE(.negative_ttl_ns = 1000 * AION_SECOND);

	fixture.source.result = -ENOENT;
	assert_result(fixture_get(&fixture, "a"), -ENOENT);
	assert_result(fixture_get(&fixture, "a"), -ENOENT);
	assert_result(fixture_try_get(&fixture, "a"), -ENOENT);
	cr_assert_eq(fixture.source.load_nr, 1);
	cr_assert(aion_cache_remove(fixture.cache, "a", 1));
	assert_result(fixture_get(&fixture, "a"), -ENOENT);
	cr_assert_eq(fixture.source.load_nr, 2);
}

TASK_TEST(cache_load, a_load_that_asks_for_its_own_key_is_told)
{
	FIXTURE(0);

	fixture.source.nested = fixture.cache;
	assert_result(fixture_get(&fixture, "a"), 0);
	assert_result(fixture.source.nested_result, -EDEADLK);
}

TASK_TEST(cache_cancel, a_waiter_who_leaves_leaves_the_load_to_the_others)
{
	FIXTURE(0);
	struct aion_handle first, second;
	struct aion_group group;

	fixture.source.yield_nr = 5;
	aion_group_enter(&group);
	aion_spawn_into(&group, &first, NULL, get_a, &fixture);
	aion_spawn_into(&group, &second, NULL, get_a, &fixture);
	aion_yield();
	aion_handle_cancel(&first);
	assert_result(aion_await(&first.future), -ECANCELED);
	cr_assert_not(aion_future_is_done(&second.future));
	assert_result(aion_await(&second.future), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(fixture.source.load_nr, 1);
	cr_assert_eq(fixture.source.cancelled_nr, 0);
	assert_result(fixture_try_get(&fixture, "a"), 0);
}

TASK_TEST(cache_cancel, a_load_without_waiters_is_cancelled)
{
	FIXTURE(0);
	struct aion_handle handles[3];
	struct aion_group group;

	fixture.source.yield_nr = -1;
	aion_group_enter(&group);
	for (int i = 0; i < 3; i++)
		aion_spawn_into(&group, &handles[i], NULL, get_a, &fixture);
	aion_yield();
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(fixture_stats(&fixture).abandoned_nr, 0);
		aion_handle_cancel(&handles[i]);
		assert_result(aion_await(&handles[i].future), -ECANCELED);
	}
	assert_result(aion_group_leave(&group, 0), 0);
	aion_yield();
	cr_assert_eq(fixture.source.cancelled_nr, 1);
	cr_assert_eq(fixture_stats(&fixture).abandoned_nr, 1);
	cr_assert_eq(fixture_stats(&fixture).loading_nr, 0);
	fixture.source.yield_nr = 1;
	assert_result(fixture_get(&fixture, "a"), 1);
}

static int64_t get_a_until(struct fixture *fixture, int64_t deadline_ns)
{
	struct aion_scope scope;
	int64_t result;

	aion_scope_enter(&scope, deadline_ns);
	result = fixture_get(fixture, "a");
	return aion_scope_leave(&scope) == -ETIME ? -ETIME : result;
}

/* Its value comes for nobody, and must not stand in the way of the new load's. */
TASK_TEST(cache_cancel, a_load_that_resists_is_not_joined_by_newcomers)
{
	FIXTURE(0);

	fixture.source.yield_nr = -1;
	fixture.source.resists = true;
	assert_result(get_a_until(&fixture, aion_after(AION_MILLISECOND)), -ETIME);
	fixture.source.yield_nr = 0;
	assert_result(fixture_get(&fixture, "a"), 1);
	cr_assert_eq(fixture.source.load_nr, 2);
	assert_result(fixture_try_get(&fixture, "a"), 1);
	fixture.source.cancelled_nr = 0; /* it has made a value all the same */
}

/* Cancelled loads end by themselves, when nobody looks any more. */
static int64_t abandon_many(void *unused)
{
	FIXTURE(0);
	size_t begin_nr = test_allocator_in_use_nr();

	(void)unused;
	fixture.source.yield_nr = -1;
	for (int i = 0; i < 1000; i++) {
		struct aion_handle handle;
		struct aion_group group;

		aion_group_enter(&group);
		aion_spawn_into(&group, &handle, NULL, get_a, &fixture);
		aion_yield();
		aion_handle_cancel(&handle);
		assert_result(aion_group_leave(&group, 0), 0);
	}
	cr_assert_eq(fixture.source.load_nr, 1000);
	cr_assert_leq(test_allocator_in_use_nr(), begin_nr + 10);
	return 0;
}

Test(cache_cancel, many_abandoned_loads_leave_no_memory)
{
	test_allocator_count();
	assert_result(aion_run(abandon_many, NULL, NULL), 0);
	cr_assert_eq(test_allocator_in_use_nr(), 0);
}

TASK_TEST(cache_cancel, a_cancelled_caller_loads_nothing)
{
	FIXTURE(0);
	struct aion_scope scope;

	test_enter_cancelled(&scope);
	assert_result(fixture_get(&fixture, "a"), -ECANCELED);
	aion_scope_leave(&scope);
	cr_assert_eq(fixture_stats(&fixture).miss_nr, 0);
	cr_assert_eq(fixture.source.load_nr, 0);
}

static int64_t group_cancel_soon(void *group)
{
	aion_yield();
	aion_group_cancel(group);
	return 0;
}

/* To who asked, -ECANCELED would mean that he is cancelled. */
TASK_TEST(cache_cancel, eshutdown_if_the_group_of_the_loads_is_cancelled)
{
	FIXTURE(.negative_ttl_ns = AION_SECOND);
	struct aion_scope shield;

	fixture.source.yield_nr = -1;
	aion_spawn(&fixture.group, group_cancel_soon, &fixture.group);
	aion_scope_enter_shield(&shield, AION_NEVER);
	assert_result(fixture_get(&fixture, "a"), -ESHUTDOWN);
	assert_result(fixture_try_get(&fixture, "a"), -EAGAIN);
	aion_scope_leave(&shield);
}

TASK_TEST(cache_cancel, eshutdown_if_the_group_is_closed)
{
	struct fixture fixture;

	fixture_init(&fixture, (struct aion_cache_options){0});
	assert_result(fixture_get(&fixture, "a"), 0);
	assert_result(aion_group_leave(&fixture.group, 0), 0);
	assert_result(fixture_get(&fixture, "b"), -ESHUTDOWN);
	assert_result(fixture_get(&fixture, "a"), 0);
	aion_cache_destroy(fixture.cache);
	cr_assert_eq(fixture.source.destroyed_nr, 1);
}
