/* SPDX-License-Identifier: MIT */
/* In a forked child every pattern says so, and none has an effect. */
#include "test_task.h"

struct parent {
	struct aion_worker_pool pool;
	struct aion_cache *cache;
	int call_nr;
};

static int64_t load_nothing(const void *key, size_t key_size, void *call_nr, void **ret_value)
{
	(void)key, (void)key_size;
	*ret_value = NULL;
	return test_count(call_nr);
}

/* The number of the first check that fails, or 0. */
static int calls_in_child(void *arg)
{
	struct parent *parent = arg;
	const struct aion_cache_item *item;
	int64_t results[] = {
		aion_retry(NULL, test_count, &parent->call_nr),
		aion_map(test_count, &parent->call_nr, sizeof(int), 1, 1, AION_MAP_ALL, NULL),
		aion_cache_get(parent->cache, "a", 1, &item),
		aion_worker_pool_submit(&parent->pool, 0, test_count, &parent->call_nr, NULL),
		aion_worker_pool_join(&parent->pool),
		aion_worker_pool_leave(&parent->pool, 0),
	};
	int nr = sizeof(results) / sizeof(*results);

	for (int i = 0; i < nr; i++)
		if (results[i] != -ECHILD)
			return 1 + i;
	return parent->call_nr ? nr + 1 : 0;
}

TEST_IN_TASK(flow_fork, the_child_is_told)
{
	struct aion_cache_options options = {.load = load_nothing};
	struct parent parent = {.call_nr = 0};
	struct aion_group group;

	options.arg = &parent.call_nr;
	aion_group_enter(&group);
	cr_assert_eq(aion_cache_create(&options, &group, &parent.cache), 0);
	cr_assert_eq(aion_worker_pool_enter(&parent.pool, NULL), 0);
	aion_yield();
	cr_assert_eq(test_in_child(calls_in_child, &parent), 0);
	cr_assert_eq(aion_worker_pool_submit(&parent.pool, 0, test_count, &parent.call_nr, NULL), 0);
	cr_assert_eq(aion_worker_pool_leave(&parent.pool, 0), 0);
	cr_assert_eq(parent.call_nr, 1);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	aion_cache_destroy(parent.cache);
	return 0;
}
