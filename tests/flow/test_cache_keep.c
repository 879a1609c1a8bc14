/* SPDX-License-Identifier: MIT */
/* What a cache keeps, how long, and for whom; misuse; memory that fails. */
#include "fault_int.h"
#include "test_cache.h"

TASK_TEST(cache_keep, the_least_recently_used_goes_first)
{
	FIXTURE(.capacity = 3);

	assert_result(fixture_get(&fixture, "a"), 0);
	assert_result(fixture_get(&fixture, "b"), 1);
	assert_result(fixture_get(&fixture, "c"), 2);
	assert_result(fixture_get(&fixture, "a"), 0);
	assert_result(fixture_get(&fixture, "d"), 3);
	cr_assert_eq(fixture.source.destroyed_nr, 1);
	assert_result(fixture_try_get(&fixture, "b"), -EAGAIN);
	assert_result(fixture_try_get(&fixture, "c"), 2);
	assert_result(fixture_try_get(&fixture, "a"), 0);
	assert_result(fixture_get(&fixture, "e"), 4);
	assert_result(fixture_try_get(&fixture, "d"), -EAGAIN);
	cr_assert_eq(fixture_stats(&fixture).nr, 3);
	cr_assert_eq(fixture_stats(&fixture).evicted_nr, 2);
}

TASK_TEST(cache_keep, a_value_grows_old)
{
	FIXTURE(.ttl_ns = AION_MILLISECOND);

	assert_result(fixture_get(&fixture, "a"), 0);
	aion_sleep(2 * AION_MILLISECOND);
	assert_result(fixture_try_get(&fixture, "a"), -EAGAIN);
	assert_result(fixture_get(&fixture, "a"), 1);
	cr_assert_eq(fixture_stats(&fixture).expired_nr, 1);
	cr_assert_eq(fixture.source.destroyed_nr, 1);
}

TASK_TEST(cache_keep, a_value_is_good_until_then)
{
	FIXTURE(.ttl_ns = 1000 * AION_SECOND, .negative_ttl_ns = AION_MILLISECOND);

	assert_result(fixture_get(&fixture, "a"), 0);
	aion_sleep(2 * AION_MILLISECOND);
	assert_result(fixture_get(&fixture, "a"), 0);
	fixture.source.result = -ENOENT;
	assert_result(fixture_get(&fixture, "b"), -ENOENT);
	aion_sleep(2 * AION_MILLISECOND);
	assert_result(fixture_get(&fixture, "b"), -ENOENT);
	cr_assert_eq(fixture.source.load_nr, 3, "errors grow old by a time of their own");
}

TASK_TEST(cache_keep, a_value_in_use_outlives_its_place)
{
	FIXTURE(.capacity = 1);
	const struct aion_cache_item *items[3];

	for (int i = 0; i < 2; i++)
		assert_result(aion_cache_get(fixture.cache, "a", 1, &items[i]), 0);
	cr_assert_eq(items[0], items[1]);
	assert_result(fixture_get(&fixture, "b"), 1);
	assert_result(aion_cache_get(fixture.cache, "a", 1, &items[2]), 0);
	cr_assert_eq(*(int64_t *)items[0]->value, 0);
	cr_assert_eq(*(int64_t *)items[2]->value, 2, "loaded anew");
	aion_cache_clear(fixture.cache);
	cr_assert_eq(fixture.source.destroyed_nr, 1, "b");
	cr_assert_eq(fixture_stats(&fixture).held_nr, 3);
	aion_cache_release(fixture.cache, items[0]);
	cr_assert_eq(fixture.source.destroyed_nr, 1);
	aion_cache_release(fixture.cache, items[1]);
	cr_assert_eq(fixture.source.destroyed_nr, 2);
	aion_cache_release(fixture.cache, items[2]);
	aion_cache_release(fixture.cache, NULL);
	cr_assert_eq(fixture.source.destroyed_nr, 3);
}

TASK_TEST(cache_keep, what_is_removed_while_it_loads_is_not_kept)
{
	FIXTURE(0);
	struct aion_handle handle;
	struct aion_group group;

	cr_assert_not(aion_cache_remove(fixture.cache, "a", 1));
	fixture.source.yield_nr = 4;
	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, get_a, &fixture);
	aion_yield();
	cr_assert(aion_cache_remove(fixture.cache, "a", 1));
	cr_assert_eq(fixture_stats(&fixture).loading_nr, 0);
	assert_result(fixture_get(&fixture, "a"), 1);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(aion_await(&handle.future), 0);
	assert_result(fixture_get(&fixture, "a"), 1);
	cr_assert_eq(fixture.source.load_nr, 2);
}

TASK_TEST(cache_keep, what_is_removed_while_it_loads_is_cancelled_with_its_last_waiter)
{
	FIXTURE(0);
	struct aion_handle handle;
	struct aion_group group;

	fixture.source.yield_nr = -1;
	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, get_a, &fixture);
	aion_yield();
	aion_cache_clear(fixture.cache);
	aion_handle_cancel(&handle);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_yield();
	cr_assert_eq(fixture.source.cancelled_nr, 1);
}

TASK_TEST(cache_error, options)
{
	struct aion_cache *cache = NULL;
	struct aion_group group;

	aion_group_enter(&group);
	assert_result(aion_cache_create(&(struct aion_cache_options){0}, &group, &cache), -EINVAL);
	assert_result(
		aion_cache_create(&(struct aion_cache_options){.load = source_load, .ttl_ns = -1}, &group, &cache),
		-EINVAL);
	assert_result(aion_cache_create(&(struct aion_cache_options){.load = source_load, .negative_ttl_ns = -1},
					&group, &cache),
		      -EINVAL);
	cr_assert_null(cache);
	aion_cache_destroy(NULL);
	aion_group_leave(&group, 0);
}

static int64_t cache_make(void *fixture)
{
	fixture_init(fixture, (struct aion_cache_options){0});
	assert_result(fixture_get(fixture, "a"), 0);
	return aion_group_leave(&((struct fixture *)fixture)->group, 0);
}

Test(cache_error, outside_of_tasks)
{
	struct aion_loop *loop;
	struct fixture fixture;

	assert_result(aion_loop_create(NULL, &loop), 0);
	assert_result(aion_loop_run(loop, cache_make, &fixture), 0);
	assert_result(fixture_get(&fixture, "a"), -EBUSY);
	assert_result(fixture_try_get(&fixture, "a"), 0);
	aion_cache_destroy(fixture.cache);
	aion_loop_destroy(loop);
}

#ifdef AION_FAULTS
TASK_TEST(cache_error, no_memory_for_the_cache)
{
	struct aion_cache_options options = {.load = source_load};
	struct aion_cache *cache = NULL;
	struct aion_group group;

	aion_group_enter(&group);
	for (unsigned after = 0; after < 2; after++) {
		aion__fault_arm(AION__FAULT_ALLOC, after, 1, -ENOMEM);
		assert_result(aion_cache_create(&options, &group, &cache), -ENOMEM);
	}
	aion__fault_reset();
	cr_assert_null(cache);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(cache_error, no_memory_for_a_key_is_no_error_of_the_group)
{
	FIXTURE(0);

	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	assert_result(fixture_get(&fixture, "a"), -ENOMEM);
	aion__fault_reset();
	assert_result(fixture_get(&fixture, "a"), 0);
}

/* The table stays as it is, and everything is found. */
TASK_TEST(cache_error, no_memory_for_a_larger_table_is_no_error_at_all)
{
	FIXTURE(0);
	char key[16];

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 200; i++) {
			snprintf(key, sizeof(key), "key %d", i);
			if (i == 16 || i == 32) /* an entry, then the table */
				aion__fault_arm(AION__FAULT_ALLOC, 1, 1, -ENOMEM);
			assert_result(fixture_get(&fixture, key), i);
			aion__fault_reset();
		}
}

static int64_t await_future(void *future)
{
	return aion_await(future);
}

/* All stacks that there are have been taken, so the load's task ends without having run. */
TASK_TEST(cache_error, no_memory_for_the_stack_of_a_load)
{
	static struct aion_handle handles[10000];
	struct aion_future release;
	struct fixture fixture;
	size_t nr = 0;

	aion_future_init(&release);
	aion__fault_arm(AION__FAULT_STACK_MAP, 0, UINT_MAX, -ENOMEM);
	do {
		aion_spawn_into(aion_loop_group(aion_loop_current()), &handles[nr], NULL, await_future, &release);
		aion_yield();
	} while (!aion_future_is_done(&handles[nr++].future));
	fixture_init(&fixture, (struct aion_cache_options){.negative_ttl_ns = AION_SECOND});
	assert_result(fixture_get(&fixture, "a"), -ENOMEM);
	aion__fault_reset();
	assert_result(fixture_try_get(&fixture, "a"), -EAGAIN);
	assert_result(aion_group_leave(&fixture.group, 0), -ENOMEM);
	cr_assert_eq(fixture.source.load_nr, 0);
	aion_cache_destroy(fixture.cache);
	aion_future_complete(&release, 0);
	for (size_t i = 0; i < nr; i++)
		assert_result(aion_await(&handles[i].future), i + 1 < nr ? 0 : -ENOMEM);
}
#endif

static int64_t destroy_while_in_use(void *unused)
{
	const struct aion_cache_item *item;
	struct fixture fixture;

	(void)unused;
	fixture_init(&fixture, (struct aion_cache_options){0});
	aion_cache_get(fixture.cache, "a", 1, &item);
	aion_cache_destroy(fixture.cache);
	return 0;
}

static int64_t destroy_while_loading(void *unused)
{
	struct fixture fixture;

	(void)unused;
	fixture_init(&fixture, (struct aion_cache_options){0});
	fixture.source.yield_nr = -1;
	aion_spawn(&fixture.group, get_a, &fixture);
	aion_yield();
	aion_cache_destroy(fixture.cache);
	return 0;
}

static int64_t release_twice(void *unused)
{
	const struct aion_cache_item *item;
	struct fixture fixture;

	(void)unused;
	fixture_init(&fixture, (struct aion_cache_options){0});
	aion_cache_get(fixture.cache, "a", 1, &item);
	aion_cache_release(fixture.cache, item);
	aion_cache_release(fixture.cache, item);
	return 0;
}

Test(cache_misuse, aborts)
{
	test_task_aborts(destroy_while_in_use, "cache destroyed while 1 values are in use or being loaded");
	test_task_aborts(destroy_while_loading, "cache destroyed while 1 values are in use or being loaded");
	test_task_aborts(release_twice, "item released that is not in use");
}
