/* SPDX-License-Identifier: MIT */
/*
 * Caches in which everything happens at times that a seed decides: tasks that get, hold and are cancelled, loads that
 * wait, fail or resist, keys removed. A value is of its key, is not destroyed while it is held, is destroyed once, and
 * is never older than the latest removal before the get that found it. Where nobody is cancelled and nothing removed,
 * a key has one load at a time.
 */
#include "test_file.h"
#include "test_task.h"

#define KEY_NR 4
#define GETTER_NR 6
#define STEP_NR 20
#define VALUE_NR (GETTER_NR * STEP_NR)

struct chance_value {
	unsigned key;
	unsigned version;
	bool is_made, is_destroyed;
	unsigned held_nr;
};

struct chance {
	uint64_t state;
	struct aion_cache *cache;
	unsigned versions[KEY_NR]; /* removals of each key */
	unsigned loading_nr[KEY_NR];
	struct chance_value values[VALUE_NR];
	unsigned value_nr;
	bool cancels, removes;
	bool resists;
	bool is_over;
};

static unsigned draw(struct chance *chance, unsigned bound)
{
	uint64_t x = chance->state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (unsigned)((x ^ x >> 31) >> 32) % bound;
}

static int64_t chance_load(const void *key, size_t key_size, void *arg, void **ret_value)
{
	struct chance *chance = arg;
	unsigned key_nr = *(const unsigned *)key, version = chance->versions[key_nr];
	struct chance_value *value;
	int64_t result = 0;

	cr_assert_eq(key_size, sizeof(unsigned));
	chance->loading_nr[key_nr]++;
	for (unsigned i = draw(chance, 6); i && result >= 0; i--)
		result = aion_yield();
	if (!chance->cancels && !chance->removes)
		cr_assert_eq(chance->loading_nr[key_nr], 1, "two load key %u", key_nr);
	chance->loading_nr[key_nr]--;
	if (result < 0 && !chance->resists)
		return result;
	if (draw(chance, 4) == 0)
		return -EIO;
	cr_assert_lt(chance->value_nr, VALUE_NR);
	value = &chance->values[chance->value_nr++];
	*value = (struct chance_value){.key = key_nr, .version = version, .is_made = true};
	*ret_value = value;
	return key_nr;
}

static void chance_destroy(void *arg, void *chance)
{
	struct chance_value *value = arg;

	(void)chance;
	cr_assert(value->is_made && !value->is_destroyed && !value->held_nr);
	value->is_destroyed = true;
}

static void hold(struct chance *chance, const struct aion_cache_item *item, unsigned key_nr, unsigned version)
{
	struct chance_value *value = item->value;

	cr_assert_eq(value->key, key_nr);
	cr_assert_eq(item->result, key_nr);
	cr_assert_geq(value->version, version, "what was removed before has been found");
	value->held_nr++;
	for (unsigned i = draw(chance, 4); i; i--)
		aion_yield();
	cr_assert_not(value->is_destroyed);
	value->held_nr--;
	aion_cache_release(chance->cache, item);
}

static void get_once(struct chance *chance)
{
	unsigned key_nr = draw(chance, KEY_NR), version = chance->versions[key_nr];
	const struct aion_cache_item *item;
	struct aion_scope scope;
	bool is_scoped = chance->cancels && draw(chance, 2);
	int64_t result;

	if (is_scoped)
		aion_scope_enter(&scope, aion_after(draw(chance, 3000)));
	if (draw(chance, 5))
		result = aion_cache_get(chance->cache, &key_nr, sizeof(key_nr), &item);
	else
		result = aion_cache_try_get(chance->cache, &key_nr, sizeof(key_nr), &item);
	if (result >= 0)
		hold(chance, item, key_nr, version);
	else if (result == -ECANCELED)
		cr_assert(chance->cancels && aion_cancelled());
	else
		cr_assert(result == -EIO || result == -EAGAIN, "%lld", (long long)result);
	if (is_scoped)
		aion_scope_leave(&scope);
}

static int64_t getter_body(void *arg)
{
	struct chance *chance = arg;

	for (unsigned i = 0; i < STEP_NR; i++) {
		if (aion_checkpoint() < 0)
			return -ECANCELED;
		get_once(chance);
		for (unsigned k = draw(chance, 3); k; k--)
			aion_yield();
	}
	return 0;
}

static int64_t remover_body(void *arg)
{
	struct chance *chance = arg;

	while (!chance->is_over) {
		unsigned key_nr = draw(chance, KEY_NR);

		for (unsigned k = draw(chance, 10); k; k--)
			aion_yield();
		aion_yield();
		if (draw(chance, 10)) {
			aion_cache_remove(chance->cache, &key_nr, sizeof(key_nr));
			chance->versions[key_nr]++;
		} else {
			aion_cache_clear(chance->cache);
			for (unsigned i = 0; i < KEY_NR; i++)
				chance->versions[i]++;
		}
	}
	return 0;
}

static void chance_check(const struct chance *chance)
{
	for (unsigned i = 0; i < chance->value_nr; i++)
		cr_assert(chance->values[i].is_destroyed && !chance->values[i].held_nr, "value %u is left", i);
}

static void chance_run(uint64_t seed)
{
	static struct chance chance;
	struct aion_cache_options options = {.load = chance_load, .destroy = chance_destroy, .arg = &chance};
	struct aion_handle handles[GETTER_NR];
	struct aion_group loads, group;
	struct aion_cache_stats stats;

	chance = (struct chance){.state = seed};
	chance.cancels = draw(&chance, 3);
	chance.resists = draw(&chance, 2);
	chance.removes = draw(&chance, 2);
	options.capacity = 1 + draw(&chance, KEY_NR);
	options.ttl_ns = draw(&chance, 2) * 2000;
	options.negative_ttl_ns = draw(&chance, 2) * 2000;
	aion_group_enter(&loads);
	assert_result(aion_cache_create(&options, &loads, &chance.cache), 0);
	aion_group_enter(&group);
	for (unsigned i = 0; i < GETTER_NR; i++)
		aion_spawn_into(&group, &handles[i], NULL, getter_body, &chance);
	if (chance.removes)
		aion_spawn(&loads, remover_body, &chance);
	for (unsigned i = draw(&chance, 30); i && chance.cancels; i--)
		aion_yield();
	if (chance.cancels)
		aion_handle_cancel(&handles[0]);
	assert_result(aion_group_leave(&group, 0), 0);
	chance.is_over = true;
	assert_result(aion_group_leave(&loads, 0), 0);
	aion_cache_stats(chance.cache, &stats);
	cr_assert_eq(stats.held_nr + stats.loading_nr, 0);
	cr_assert_leq(stats.nr, options.capacity);
	aion_cache_destroy(chance.cache);
	chance_check(&chance);
}

TASK_TEST(cache_chance, values_are_true_and_destroyed_once)
{
	uint64_t seed_nr = test_is_small() ? 200 : 2000;

	for (uint64_t seed = 1; seed <= seed_nr; seed++)
		chance_run(seed);
}
