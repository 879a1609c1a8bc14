/* SPDX-License-Identifier: MIT */
/* The table of a cache: chains in buckets, as many as there are entries. */
#include <errno.h>
#include <string.h>

#include "alloc_int.h"
#include "assert_int.h"
#include "cache_int.h"

#define BUCKET_MIN 16

int aion__cache_table_init(struct aion_cache *cache)
{
	cache->bucket_nr = BUCKET_MIN;
	cache->buckets = aion__alloc_zeroed(BUCKET_MIN * sizeof(*cache->buckets));
	return cache->buckets ? 0 : -ENOMEM;
}

void aion__cache_table_fini(struct aion_cache *cache)
{
	AION_ASSERT(!cache->table_nr);
	aion__free(cache->buckets);
}

static uint64_t hash_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)(a ^ UINT64_C(0x9e3779b97f4a7c15)) * (b | 1);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* It differs from cache to cache, so who chooses keys cannot choose where they lie. Nothing depends on where. */
uint64_t aion__cache_hash(const struct aion_cache *cache, const void *key, size_t key_size)
{
	uint64_t hash = hash_mix((uintptr_t)cache, key_size);
	const char *bytes = key;
	uint64_t word;

	for (; key_size >= sizeof(word); key_size -= sizeof(word), bytes += sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash = hash_mix(hash ^ word, UINT64_C(0xd6e8feb86659fd93));
	}
	word = 0;
	if (key_size)
		memcpy(&word, bytes, key_size);
	return hash_mix(hash ^ word, UINT64_C(0xa0761d6478bd642f));
}

static struct aion__cache_entry **table_bucket(const struct aion_cache *cache, uint64_t hash)
{
	return &cache->buckets[hash & (cache->bucket_nr - 1)];
}

struct aion__cache_entry *aion__cache_table_find(const struct aion_cache *cache, const void *key, size_t key_size,
						 uint64_t hash)
{
	struct aion__cache_entry *entry = *table_bucket(cache, hash);

	for (; entry; entry = entry->chain)
		if (entry->hash == hash && entry->item.key_size == key_size &&
		    (!key_size || !memcmp(entry->key, key, key_size)))
			break;
	return entry;
}

/* Without memory the chains grow longer, no more. */
static void table_grow(struct aion_cache *cache)
{
	struct aion__cache_entry **old = cache->buckets, **grown;
	size_t old_nr = cache->bucket_nr;

	grown = aion__alloc_zeroed(old_nr * 2 * sizeof(*grown));
	if (!grown)
		return;
	cache->buckets = grown;
	cache->bucket_nr = old_nr * 2;
	for (size_t i = 0; i < old_nr; i++) {
		struct aion__cache_entry *entry = old[i];

		while (entry) {
			struct aion__cache_entry *chain = entry->chain, **bucket = table_bucket(cache, entry->hash);

			entry->chain = *bucket;
			*bucket = entry;
			entry = chain;
		}
	}
	aion__free(old);
}

void aion__cache_table_add(struct aion_cache *cache, struct aion__cache_entry *entry)
{
	struct aion__cache_entry **bucket;

	if (cache->table_nr >= cache->bucket_nr)
		table_grow(cache);
	bucket = table_bucket(cache, entry->hash);
	entry->chain = *bucket;
	*bucket = entry;
	cache->table_nr++;
}

void aion__cache_table_remove(struct aion_cache *cache, struct aion__cache_entry *entry)
{
	struct aion__cache_entry **place = table_bucket(cache, entry->hash);

	while (*place != entry)
		place = &(*place)->chain;
	*place = entry->chain;
	cache->table_nr--;
}
