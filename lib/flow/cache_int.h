/* SPDX-License-Identifier: MIT */
#ifndef AION_FLOW_CACHE_INT_H
#define AION_FLOW_CACHE_INT_H
/* A cache's entries and the table in which they are found. */
#include <aion/cache.h>

#define AION__CACHE_CAPACITY 1024 /* the default */

struct aion__cache_entry {
	struct aion_cache_item item;
	struct aion_handle task;  /* of the load */
	struct aion_task *loader; /* while it runs */
	struct aion_cache *cache;
	struct aion__link link;          /* among the recently used, or the orphans */
	struct aion__cache_entry *chain; /* of the same bucket */
	uint64_t hash;
	int64_t expires_ns;
	size_t use_nr; /* who waits for it, and who uses it */
	bool is_loading;
	bool has_value;
	bool in_table;
	char key[] __attribute__((aligned(16)));
};

struct aion_cache {
	struct aion_cache_options options;
	struct aion_group *group;
	struct aion__link recent;  /* loaded entries in the table, least recently used first */
	struct aion__link orphans; /* entries that have only their task left */
	struct aion__cache_entry **buckets;
	size_t bucket_nr; /* a power of two */
	size_t table_nr;  /* entries in the table */
	size_t entry_nr;  /* entries alive */
	struct aion_cache_stats stats;
};

int aion__cache_table_init(struct aion_cache *cache);
void aion__cache_table_fini(struct aion_cache *cache);
uint64_t aion__cache_hash(const struct aion_cache *cache, const void *key, size_t key_size);
struct aion__cache_entry *aion__cache_table_find(const struct aion_cache *cache, const void *key, size_t key_size,
						 uint64_t hash);
/* There is none with this key. */
void aion__cache_table_add(struct aion_cache *cache, struct aion__cache_entry *entry);
void aion__cache_table_remove(struct aion_cache *cache, struct aion__cache_entry *entry);

#endif
