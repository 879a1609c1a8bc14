/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_CACHE_H
#define AION_TEST_CACHE_H
/* A cache over a source of numbers, with the group of its loads. */
#include <stdlib.h>
#include <string.h>

#include "test_file.h"
#include "test_task.h"

/* What the loader does, and what has come of it. A value is a number on the heap. */
struct source {
	int yield_nr;   /* how often the loader suspends; -1: until it is cancelled */
	int64_t result; /* negative: it fails; else: the value's number is its result + how many were loaded before */
	bool resists;   /* succeeds in spite of a cancellation */
	struct aion_cache *nested; /* the loader asks this one for the same key */
	int load_nr;
	int cancelled_nr;
	int destroyed_nr;
	int64_t nested_result;
};

static inline int64_t source_load(const void *key, size_t key_size, void *arg, void **ret_value)
{
	struct source *source = arg;
	const struct aion_cache_item *item;
	int nr = source->load_nr++;
	int64_t result = 0, *value;

	if (source->nested)
		source->nested_result = aion_cache_get(source->nested, key, key_size, &item);
	if (source->yield_nr < 0)
		result = aion_sleep_until(AION_NEVER);
	for (int i = 0; i < source->yield_nr && result >= 0; i++)
		result = aion_yield();
	source->cancelled_nr += result < 0;
	if (result < 0 && !source->resists)
		return result;
	if (source->result < 0)
		return source->result;
	value = malloc(sizeof(*value));
	cr_assert_not_null(value);
	*value = source->result + nr;
	*ret_value = value;
	return source->result;
}

static inline void source_destroy(void *value, void *arg)
{
	struct source *source = arg;

	source->destroyed_nr++;
	free(value);
}

/* A cache over a source, with the group of its loads around the case. */
struct fixture {
	struct aion_cache *cache;
	struct aion_group group;
	struct source source;
};

static inline void fixture_init(struct fixture *fixture, struct aion_cache_options options)
{
	options.load = source_load;
	options.destroy = source_destroy;
	options.arg = &fixture->source;
	memset(&fixture->source, 0, sizeof(fixture->source));
	aion_group_enter(&fixture->group);
	assert_result(aion_cache_create(&options, &fixture->group, &fixture->cache), 0);
}

/* Nothing is left, neither values nor tasks. */
static inline void fixture_fini(struct fixture *fixture)
{
	assert_result(aion_group_leave(&fixture->group, 0), 0);
	aion_cache_destroy(fixture->cache);
	cr_assert(fixture->source.result < 0 ||
			  fixture->source.destroyed_nr == fixture->source.load_nr - fixture->source.cancelled_nr,
		  "%d of %d destroyed", fixture->source.destroyed_nr, fixture->source.load_nr);
}

#define FIXTURE(...)                                                                                                   \
	__attribute__((cleanup(fixture_fini))) struct fixture fixture;                                                 \
	fixture_init(&fixture, (struct aion_cache_options){__VA_ARGS__})

/* The value's number, or the error. */
static inline int64_t fixture_get(struct fixture *fixture, const char *key)
{
	const struct aion_cache_item *item;
	int64_t result = aion_cache_get(fixture->cache, key, strlen(key), &item);

	if (result < 0)
		return result;
	cr_assert_eq(item->key_size, strlen(key));
	cr_assert_eq(memcmp(item->key, key, strlen(key)), 0);
	cr_assert_eq(item->result, result);
	result = *(int64_t *)item->value;
	aion_cache_release(fixture->cache, item);
	return result;
}

static inline int64_t fixture_try_get(struct fixture *fixture, const char *key)
{
	const struct aion_cache_item *item;
	int64_t result = aion_cache_try_get(fixture->cache, key, strlen(key), &item);

	if (result < 0)
		return result;
	result = *(int64_t *)item->value;
	aion_cache_release(fixture->cache, item);
	return result;
}

static inline struct aion_cache_stats fixture_stats(const struct fixture *fixture)
{
	struct aion_cache_stats stats;

	aion_cache_stats(fixture->cache, &stats);
	return stats;
}

static inline int64_t get_a(void *fixture)
{
	return fixture_get(fixture, "a");
}

#endif
