/* SPDX-License-Identifier: MIT */
/* What a resolver knows and what it is about to know: the table of look-ups, and how they end. */
#include <errno.h>
#include <string.h>

#include <aion/scope.h>

#include "alloc_int.h"
#include "assert_int.h"
#include "resolve_int.h"

#define CAPACITY 256
#define TTL_NS (30 * AION_SECOND)
#define NEGATIVE_TTL_NS (5 * AION_SECOND)

int aion_resolver_create(const struct aion_resolver_options *options, struct aion_resolver **ret_resolver)
{
	const struct aion_resolver_options wanted = options ? *options : (struct aion_resolver_options){0};
	size_t capacity = wanted.capacity ? wanted.capacity : CAPACITY, bucket_nr = 16;
	struct aion_resolver *resolver;

	while (bucket_nr < capacity && bucket_nr < 65536)
		bucket_nr *= 2;
	resolver = aion__alloc_zeroed(sizeof(*resolver) + bucket_nr * sizeof(struct aion__lookup *));
	if (!resolver)
		return -ENOMEM;
	resolver->options = wanted;
	resolver->options.capacity = capacity;
	if (!wanted.ttl_ns)
		resolver->options.ttl_ns = TTL_NS;
	if (!wanted.negative_ttl_ns)
		resolver->options.negative_ttl_ns = NEGATIVE_TTL_NS;
	resolver->bucket_mask = bucket_nr - 1;
	resolver->pending.next = resolver->pending.prev = &resolver->pending;
	resolver->recent.next = resolver->recent.prev = &resolver->recent;
	*ret_resolver = resolver;
	return 0;
}

static struct aion__lookup *lookup_of(struct aion__link *link)
{
	return aion__container_of(link, struct aion__lookup, link);
}

static void link_remove(struct aion__link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->next = link->prev = link;
}

/* To the end of a list. */
static void link_append(struct aion__link *list, struct aion__link *link)
{
	link->prev = list->prev;
	link->next = list;
	list->prev->next = link;
	list->prev = link;
}

/* ---- keys */

static uint32_t hash_bytes(uint32_t hash, const void *bytes, size_t size)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ byte[i]) * 16777619U;
	return hash;
}

static uint32_t hash_text(uint32_t hash, const char *text)
{
	return text ? hash_bytes(hash, text, strlen(text) + 1) : hash_bytes(hash, "\xff", 1);
}

uint32_t aion__lookup_hash(const struct aion_resolve_query *query)
{
	const int numbers[] = {query->family, query->type, query->flags};

	return hash_text(hash_text(hash_bytes(2166136261U, numbers, sizeof(numbers)), query->host), query->service);
}

static bool text_is_equal(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool query_is_equal(const struct aion_resolve_query *a, const struct aion_resolve_query *b)
{
	return a->family == b->family && a->type == b->type && a->flags == b->flags &&
	       text_is_equal(a->host, b->host) && text_is_equal(a->service, b->service);
}

/* ---- the table */

static void lookup_drop(struct aion__lookup *lookup)
{
	if (lookup->use_nr || lookup->in_table)
		return;
	aion__free(lookup->addresses);
	aion__free(lookup);
}

static void table_remove(struct aion__lookup *lookup)
{
	struct aion_resolver *resolver = lookup->resolver;
	struct aion__lookup **place = &resolver->buckets[lookup->hash & resolver->bucket_mask];

	while (*place != lookup)
		place = &(*place)->bucket_next;
	*place = lookup->bucket_next;
	lookup->in_table = false;
}

/* An answer goes; one that is pending goes on, but nobody else will find it. */
static void lookup_forget(struct aion__lookup *lookup)
{
	table_remove(lookup);
	if (lookup->is_done) {
		link_remove(&lookup->link);
		lookup->resolver->stats.nr--;
	}
	lookup_drop(lookup);
}

struct aion__lookup *aion__resolver_find(struct aion_resolver *resolver, const struct aion_resolve_query *query)
{
	uint32_t hash = aion__lookup_hash(query);
	struct aion__lookup *lookup = resolver->buckets[hash & resolver->bucket_mask];

	while (lookup && (lookup->hash != hash || !query_is_equal(&lookup->query, query)))
		lookup = lookup->bucket_next;
	if (lookup && lookup->is_done && lookup->expires_ns <= aion_now()) {
		resolver->stats.expired_nr++;
		lookup_forget(lookup);
		return NULL;
	}
	return lookup;
}

void aion__lookup_touch(struct aion__lookup *lookup)
{
	link_remove(&lookup->link);
	link_append(&lookup->resolver->recent, &lookup->link);
}

static const char *text_copy(char **place, const char *text)
{
	char *copy = *place;
	size_t size;

	if (!text)
		return NULL;
	size = strlen(text) + 1;
	*place += size;
	return memcpy(copy, text, size);
}

struct aion__lookup *aion__lookup_begin(struct aion_resolver *resolver, const struct aion_resolve_query *query)
{
	size_t text_size =
		(query->host ? strlen(query->host) + 1 : 0) + (query->service ? strlen(query->service) + 1 : 0);
	struct aion__lookup *lookup = aion__alloc_zeroed(sizeof(*lookup) + text_size), **place;
	char *text;

	if (!lookup)
		return NULL;
	text = lookup->text;
	lookup->query = *query;
	lookup->query.host = text_copy(&text, query->host);
	lookup->query.service = text_copy(&text, query->service);
	lookup->use_nr = 1;
	lookup->link.next = lookup->link.prev = &lookup->link;
	aion_future_init(&lookup->done);
	if (!resolver)
		return lookup;
	lookup->resolver = resolver;
	lookup->hash = aion__lookup_hash(query);
	place = &resolver->buckets[lookup->hash & resolver->bucket_mask];
	lookup->bucket_next = *place;
	*place = lookup;
	lookup->in_table = true;
	link_append(&resolver->pending, &lookup->link);
	resolver->stats.pending_nr++;
	resolver->stats.miss_nr++;
	return lookup;
}

void aion__lookup_unuse(struct aion__lookup *lookup)
{
	AION_ASSERT(lookup->use_nr);
	lookup->use_nr--;
	lookup_drop(lookup);
}

/* ---- the end of a look-up */

static int64_t ttl_of(const struct aion_resolver_options *options, int64_t result)
{
	if (result >= 0)
		return options->ttl_ns;
	return result == -ENXIO || result == -ENODATA ? options->negative_ttl_ns : 0;
}

/* Into the list of the recently used; whoever has to go for it, goes. */
static void resolver_keep(struct aion_resolver *resolver, struct aion__lookup *lookup, int64_t ttl_ns)
{
	lookup->expires_ns = aion_after(ttl_ns);
	link_append(&resolver->recent, &lookup->link);
	resolver->stats.nr++;
	while (resolver->stats.nr > resolver->options.capacity) {
		resolver->stats.evicted_nr++;
		lookup_forget(lookup_of(resolver->recent.next));
	}
}

/* No more pending. The caller uses it. */
static void lookup_end(struct aion__lookup *lookup)
{
	AION_ASSERT(!lookup->is_done && lookup->use_nr);
	link_remove(&lookup->link);
	if (lookup->resolver)
		lookup->resolver->stats.pending_nr--;
	aion_future_complete(&lookup->done, 0);
}

void aion__lookup_finish(struct aion__lookup *lookup, int64_t result, int64_t ttl_ns)
{
	struct aion_resolver *resolver = lookup->resolver;

	lookup_end(lookup);
	lookup->result = result;
	if (resolver && result < 0)
		resolver->stats.fail_nr++;
	if (resolver && ttl_ns < 0)
		ttl_ns = ttl_of(&resolver->options, result);
	if (lookup->in_table && ttl_ns <= 0)
		table_remove(lookup);
	lookup->is_done = true;
	if (lookup->in_table)
		resolver_keep(resolver, lookup, ttl_ns);
}

void aion__lookup_abandon(struct aion__lookup *lookup)
{
	lookup_end(lookup);
	if (lookup->in_table)
		table_remove(lookup);
	lookup->is_abandoned = true;
	lookup->is_done = true;
}

/* ---- the resolver as its owner sees it */

void aion_resolver_clear(struct aion_resolver *resolver)
{
	struct aion__link *link;

	while (resolver->recent.next != &resolver->recent)
		lookup_forget(lookup_of(resolver->recent.next));
	for (link = resolver->pending.next; link != &resolver->pending; link = link->next)
		if (lookup_of(link)->in_table)
			lookup_forget(lookup_of(link));
}

void aion_resolver_destroy(struct aion_resolver *resolver)
{
	if (!resolver)
		return;
	aion_resolver_clear(resolver);
	while (resolver->pending.next != &resolver->pending) {
		struct aion__lookup *lookup = lookup_of(resolver->pending.next);

		AION_BUG_ON(lookup->use_nr > 1 || lookup->leader,
			    "resolver destroyed while a task waits for an address");
		lookup->resolver = NULL;
		link_remove(&lookup->link);
	}
	aion__free(resolver);
}

void aion_resolver_stats(const struct aion_resolver *resolver, struct aion_resolver_stats *ret_stats)
{
	*ret_stats = resolver->stats;
}
