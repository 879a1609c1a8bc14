/* SPDX-License-Identifier: MIT */
/*
 * The cache: getting, loading, letting go.
 *
 * An entry is a value, a remembered error, or a load under way, for which who waits awaits the handle of its task. It
 * lives as long as it is in the table, somebody waits for it or uses it, or its task has not ended. The last of these
 * to go frees it; of the task it cannot be told, so an entry that has only its task left is an orphan, which is looked
 * at when further loads begin.
 */
#include <errno.h>
#include <string.h>

#include <aion/scope.h>
#include <aion/task.h>

#include "alloc_int.h"
#include "assert_int.h"
#include "cache_int.h"

int aion_cache_create(const struct aion_cache_options *options, struct aion_group *group, struct aion_cache **ret_cache)
{
	struct aion_cache *cache;

	if (!options->load || options->ttl_ns < 0 || options->negative_ttl_ns < 0)
		return -EINVAL;
	cache = aion__alloc_zeroed(sizeof(*cache));
	if (!cache)
		return -ENOMEM;
	cache->options = *options;
	if (!cache->options.capacity)
		cache->options.capacity = AION__CACHE_CAPACITY;
	cache->group = group;
	cache->recent.next = cache->recent.prev = &cache->recent;
	cache->orphans.next = cache->orphans.prev = &cache->orphans;
	if (aion__cache_table_init(cache) < 0) {
		aion__free(cache);
		return -ENOMEM;
	}
	*ret_cache = cache;
	return 0;
}

static struct aion__cache_entry *entry_of(struct aion__link *link)
{
	return aion__container_of(link, struct aion__cache_entry, link);
}

static void link_remove(struct aion__link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
}

/* To the end of a list. */
static void link_append(struct aion__link *list, struct aion__link *link)
{
	link->prev = list->prev;
	link->next = list;
	list->prev->next = link;
	list->prev = link;
}

static void entry_free(struct aion_cache *cache, struct aion__cache_entry *entry)
{
	AION_ASSERT(!entry->use_nr && !entry->in_table);
	if (entry->has_value && cache->options.destroy)
		cache->options.destroy(entry->item.value, cache->options.arg);
	aion__free(entry);
	cache->entry_nr--;
}

/* If nothing but its task has to do with it, or not even that. */
static void entry_drop(struct aion_cache *cache, struct aion__cache_entry *entry)
{
	if (entry->use_nr || entry->in_table)
		return;
	if (aion_future_is_done(&entry->task.future))
		entry_free(cache, entry);
	else
		link_append(&cache->orphans, &entry->link);
}

/* Each new load looks at two, so there are never many more of them than tasks that resist. */
static void orphans_look(struct aion_cache *cache)
{
	for (int i = 0; i < 2 && cache->orphans.next != &cache->orphans; i++) {
		struct aion__cache_entry *entry = entry_of(cache->orphans.next);

		link_remove(&entry->link);
		entry_drop(cache, entry);
	}
}

/* Take it out of the table: who comes later does not find it. */
static void entry_forget(struct aion_cache *cache, struct aion__cache_entry *entry)
{
	aion__cache_table_remove(cache, entry);
	entry->in_table = false;
	if (entry->is_loading)
		cache->stats.loading_nr--;
	else
		link_remove(&entry->link);
	entry_drop(cache, entry);
}

/* Those loaded are in the list of the recently used, least recently first. */
static void cache_keep(struct aion_cache *cache, struct aion__cache_entry *entry, int64_t ttl_ns)
{
	entry->expires_ns = ttl_ns ? aion_after(ttl_ns) : AION_NEVER;
	link_append(&cache->recent, &entry->link);
	while (cache->table_nr - cache->stats.loading_nr > cache->options.capacity) {
		cache->stats.evicted_nr++;
		entry_forget(cache, entry_of(cache->recent.next));
	}
}

/* The load has come to this. Frees the entry if nobody is left. */
static void entry_finish(struct aion_cache *cache, struct aion__cache_entry *entry, int64_t result, bool is_negative)
{
	AION_ASSERT(entry->is_loading);
	entry->item.result = result;
	entry->has_value = result >= 0;
	cache->stats.fail_nr += result < 0 && entry->use_nr;
	if (entry->in_table && result < 0 && !(is_negative && cache->options.negative_ttl_ns))
		entry_forget(cache, entry);
	else if (entry->in_table)
		cache->stats.loading_nr--;
	entry->is_loading = false;
	if (entry->in_table)
		cache_keep(cache, entry, result < 0 ? cache->options.negative_ttl_ns : cache->options.ttl_ns);
}

/* The task of a load. Its group has nothing to do with what the load comes to. */
static int64_t entry_load(void *arg)
{
	struct aion__cache_entry *entry = arg;
	struct aion_cache *cache = entry->cache;
	int64_t result;

	entry->loader = aion_task_current();
	result = cache->options.load(entry->item.key, entry->item.key_size, cache->options.arg, &entry->item.value);
	entry->loader = NULL;
	/* To who waits it would mean that he is cancelled. */
	if (result == -ECANCELED && aion_cancelled())
		entry_finish(cache, entry, -ESHUTDOWN, false);
	else
		entry_finish(cache, entry, result, result < 0);
	return 0;
}

static int entry_begin(struct aion_cache *cache, const void *key, size_t key_size, uint64_t hash,
		       struct aion__cache_entry **ret_entry)
{
	static const struct aion_spawn_options named = {.name = "cache load"};
	struct aion__cache_entry *entry;
	int result;

	orphans_look(cache);
	entry = aion__alloc_zeroed(sizeof(*entry) + key_size);
	if (!entry)
		return -ENOMEM;
	if (key_size)
		memcpy(entry->key, key, key_size);
	entry->cache = cache;
	entry->hash = hash;
	entry->item.key = entry->key;
	entry->item.key_size = key_size;
	entry->is_loading = true;
	result = aion_spawn_into(cache->group, &entry->task, &named, entry_load, entry);
	if (result < 0) {
		aion__free(entry);
		return result;
	}
	aion__cache_table_add(cache, entry);
	entry->in_table = true;
	cache->entry_nr++;
	cache->stats.loading_nr++;
	cache->stats.miss_nr++;
	*ret_entry = entry;
	return 0;
}

static void entry_unuse(struct aion_cache *cache, struct aion__cache_entry *entry)
{
	AION_ASSERT(entry->use_nr);
	entry->use_nr--;
	entry_drop(cache, entry);
}

/* Nobody will wait for it any more; the last who does is still counted. */
static void entry_abandon(struct aion_cache *cache, struct aion__cache_entry *entry)
{
	cache->stats.abandoned_nr++;
	aion_handle_cancel(&entry->task);
	if (entry->in_table)
		entry_forget(cache, entry);
}

/* The caller is counted as a user of the entry, and is none any more if this fails. */
static int64_t entry_await(struct aion_cache *cache, struct aion__cache_entry *entry)
{
	int64_t result = aion_await(&entry->task.future);

	if (aion_future_is_done(&entry->task.future)) {
		/* The task had no memory for its stack: it has not run. */
		if (entry->is_loading)
			entry_finish(cache, entry, result, false);
		result = entry->item.result;
	} else if (entry->use_nr == 1 && entry->is_loading) {
		entry_abandon(cache, entry);
	}
	if (result < 0)
		entry_unuse(cache, entry);
	return result;
}

/* What is in the table for a key and not too old, or NULL. */
static struct aion__cache_entry *cache_find(struct aion_cache *cache, const void *key, size_t key_size, uint64_t hash)
{
	struct aion__cache_entry *entry = aion__cache_table_find(cache, key, key_size, hash);

	if (entry && !entry->is_loading && entry->expires_ns != AION_NEVER && entry->expires_ns <= aion_now()) {
		cache->stats.expired_nr++;
		entry_forget(cache, entry);
		return NULL;
	}
	return entry;
}

/* Found, and loaded. */
static int64_t cache_hit(struct aion_cache *cache, struct aion__cache_entry *entry,
			 const struct aion_cache_item **ret_item)
{
	cache->stats.hit_nr++;
	link_remove(&entry->link);
	link_append(&cache->recent, &entry->link);
	if (entry->item.result < 0)
		return entry->item.result;
	entry->use_nr++;
	cache->stats.held_nr++;
	*ret_item = &entry->item;
	return entry->item.result;
}

int64_t aion_cache_get(struct aion_cache *cache, const void *key, size_t key_size,
		       const struct aion_cache_item **ret_item)
{
	uint64_t hash = aion__cache_hash(cache, key, key_size);
	struct aion__cache_entry *entry;
	int64_t result = aion_checkpoint();

	if (result < 0)
		return result;
	entry = cache_find(cache, key, key_size, hash);
	if (entry && !entry->is_loading)
		return cache_hit(cache, entry, ret_item);
	if (entry && entry->loader == aion_task_current())
		return -EDEADLK;
	if (entry)
		cache->stats.join_nr++;
	else if ((result = entry_begin(cache, key, key_size, hash, &entry)) < 0)
		return result;
	entry->use_nr++;
	result = entry_await(cache, entry);
	if (result < 0)
		return result;
	cache->stats.held_nr++;
	*ret_item = &entry->item;
	return result;
}

int64_t aion_cache_try_get(struct aion_cache *cache, const void *key, size_t key_size,
			   const struct aion_cache_item **ret_item)
{
	struct aion__cache_entry *entry = cache_find(cache, key, key_size, aion__cache_hash(cache, key, key_size));

	return entry && !entry->is_loading ? cache_hit(cache, entry, ret_item) : -EAGAIN;
}

void aion_cache_release(struct aion_cache *cache, const struct aion_cache_item *item)
{
	struct aion__cache_entry *entry;

	if (!item)
		return;
	entry = aion__container_of(item, struct aion__cache_entry, item);
	AION_BUG_ON(entry->cache != cache || !entry->use_nr, "item released that is not in use, or to another cache");
	cache->stats.held_nr--;
	entry_unuse(cache, entry);
}

bool aion_cache_remove(struct aion_cache *cache, const void *key, size_t key_size)
{
	struct aion__cache_entry *entry =
		aion__cache_table_find(cache, key, key_size, aion__cache_hash(cache, key, key_size));

	if (entry)
		entry_forget(cache, entry);
	return entry;
}

void aion_cache_clear(struct aion_cache *cache)
{
	for (size_t i = 0; i < cache->bucket_nr; i++)
		while (cache->buckets[i])
			entry_forget(cache, cache->buckets[i]);
}

void aion_cache_stats(const struct aion_cache *cache, struct aion_cache_stats *ret_stats)
{
	*ret_stats = cache->stats;
	ret_stats->nr = cache->table_nr - cache->stats.loading_nr;
}

void aion_cache_destroy(struct aion_cache *cache)
{
	if (!cache)
		return;
	aion_cache_clear(cache);
	for (size_t nr = cache->entry_nr; nr; nr--)
		orphans_look(cache);
	AION_BUG_ON(cache->entry_nr, "cache destroyed while %zu values are in use or being loaded", cache->entry_nr);
	aion__cache_table_fini(cache);
	aion__free(cache);
}
