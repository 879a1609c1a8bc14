/* SPDX-License-Identifier: MIT */
#ifndef AION_CACHE_H
#define AION_CACHE_H
/*
 * A cache of loaded values: the least recently used goes first, values grow old, and of those who miss the same key at
 * the same time one load serves all. A load is a task of its own: a caller who is cancelled leaves it to the others,
 * and one for which nobody waits any more is cancelled.
 */
#include <stdbool.h>

#include <aion/group.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion_cache;

/* A value in use. It stays, whatever happens to the cache's copy, until aion_cache_release(). */
struct aion_cache_item {
	void *value;
	int64_t result; /* what the loader returned, >= 0 */
	const void *key;
	size_t key_size;
};

/* All zero = the defaults, which are given in brackets; load is needed. */
struct aion_cache_options {
	size_t capacity;         /* values that are kept [1024]; those in use may be more */
	int64_t ttl_ns;          /* how long a value is good after it was loaded [for ever] */
	int64_t negative_ttl_ns; /* how long an error is remembered in its stead [not at all] */
	/* Gets the value for a key, a copy that is aligned for any type: >= 0 with *ret_value set, or -errno. It may
	 * suspend. */
	int64_t (*load)(const void *key, size_t key_size, void *arg, void **ret_value);
	void (*destroy)(void *value, void *arg); /* the last user has gone [nothing to do]. It must not suspend. */
	void *arg;                               /* handed to both */
};

struct aion_cache_stats {
	uint64_t hit_nr;       /* found, errors among them */
	uint64_t join_nr;      /* found being loaded */
	uint64_t miss_nr;      /* loads begun */
	uint64_t fail_nr;      /* loads that failed */
	uint64_t abandoned_nr; /* loads for which nobody waited any more */
	uint64_t evicted_nr;   /* gone for others to fit in */
	uint64_t expired_nr;   /* found too old */
	size_t nr;             /* kept now, errors among them */
	size_t loading_nr;     /* being loaded now for somebody */
	size_t held_nr;        /* aion_cache_get()s not yet released */
};

/**
 * aion_cache_create - make an empty cache.
 * @options: copied.
 * @group: where loads run; open as long as aion_cache_get() is called. A load that fails is no error of the group; one
 *   that cannot be started for want of memory is, as any task.
 * @ret_cache: for aion_cache_destroy().
 *
 * Errors: -EINVAL (no load, a negative time); -ENOMEM.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_cache_create(const struct aion_cache_options *options, struct aion_group *group,
			       struct aion_cache **ret_cache);

/**
 * aion_cache_destroy - drop what is kept, and the cache.
 * @cache: NULL does nothing. Nothing is loaded (the group has been left) and nothing in use, else aborts.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_cache_destroy(struct aion_cache *cache);

/**
 * aion_cache_get - the value for a key, loaded if need be.
 * @cache: of this loop.
 * @key: key_size bytes, compared as bytes, copied.
 * @key_size: bytes.
 * @ret_item: the caller's until aion_cache_release().
 *
 * Result: the loader's, >= 0.
 * Errors: those of the loader, for all who waited for that load; and: -ECANCELED (a scope around the caller is
 *   cancelled); -ESHUTDOWN (the group is closed, or was cancelled while it loaded); -EDEADLK (called by the load of the
 *   same key); -ENOMEM; -EBUSY (not inside a task); -ECHILD.
 * Suspends: yes. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int64_t aion_cache_get(struct aion_cache *cache, const void *key, size_t key_size,
					      const struct aion_cache_item **ret_item);

/**
 * aion_cache_try_get - the value if it is there.
 *
 * Parameters and result as aion_cache_get().
 * Errors: a remembered error of the loader, and: -EAGAIN (not there, or being loaded).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int64_t aion_cache_try_get(struct aion_cache *cache, const void *key, size_t key_size,
				    const struct aion_cache_item **ret_item);

/**
 * aion_cache_release - the item is not used any more.
 * @cache: where it is from.
 * @item: NULL does nothing.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_cache_release(struct aion_cache *cache, const struct aion_cache_item *item);

/**
 * aion_cache_remove - forget a key: what is kept is wrong now.
 * @key, @key_size: as above.
 *
 * A load under way goes on for those who wait for it, but is not kept; who comes later has the key loaded anew.
 * Result: whether there was anything.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API bool aion_cache_remove(struct aion_cache *cache, const void *key, size_t key_size);

/** aion_cache_clear - aion_cache_remove() of every key. Suspends: no. Thread: loop. Source: none. */
AION_API void aion_cache_clear(struct aion_cache *cache);

/** aion_cache_stats - what has happened so far. Suspends: no. Thread: loop. Source: none. */
AION_API void aion_cache_stats(const struct aion_cache *cache, struct aion_cache_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
