/* SPDX-License-Identifier: MIT */
/*
 * Asking for addresses. Who finds nothing in the resolver's table begins a look-up and leads it; who finds one pending
 * waits for its future. If the leader leaves before there can be an answer the look-up is abandoned, and those who
 * waited ask again: the first of them leads the next.
 */
#include <errno.h>
#include <string.h>

#include <aion/scope.h>
#include <aion/task.h>

#include "alloc_int.h"
#include "assert_int.h"
#include "resolve_int.h"

#define HOST_SIZE_MAX 253   /* bytes of a name, RFC 1035; of a number with a zone fewer */
#define SERVICE_SIZE_MAX 63 /* bytes */
#define ASK_AGAIN INT64_MAX /* no result of a look-up */

static int64_t answer_copy(const struct aion__lookup *lookup, struct aion_address *ret_addresses, size_t address_max)
{
	size_t nr = (size_t)lookup->result;

	if (lookup->result < 0)
		return lookup->result;
	if (nr > address_max)
		nr = address_max;
	if (nr)
		memcpy(ret_addresses, lookup->addresses, nr * sizeof(*ret_addresses));
	return (int64_t)nr;
}

/* The application's own function, in this task. */
static void lookup_by_own(struct aion__lookup *lookup)
{
	const struct aion_resolver_options *options = &lookup->resolver->options;
	struct aion_address *addresses = aion__alloc_zeroed(AION_RESOLVE_MAX * sizeof(*addresses));
	int64_t ttl_ns = -1, result;

	if (!addresses) {
		aion__lookup_finish(lookup, -ENOMEM, 0);
		return;
	}
	lookup->leader = aion_task_current();
	result = options->fn(&lookup->query, options->arg, addresses, &ttl_ns);
	lookup->leader = NULL;
	AION_BUG_ON(result > AION_RESOLVE_MAX, "a resolver's function gave more addresses than there was room for");
	lookup->addresses = aion__realloc(addresses, (size_t)(result > 0 ? result : 1) * sizeof(*addresses));
	if (!lookup->addresses)
		lookup->addresses = addresses;
	if (result == -ECANCELED)
		aion__lookup_abandon(lookup);
	else
		aion__lookup_finish(lookup, result ? result : -ENODATA, ttl_ns);
}

static int64_t resolver_lead(struct aion_resolver *resolver, const struct aion_resolve_query *query,
			     struct aion_address *ret_addresses, size_t address_max)
{
	struct aion__lookup *lookup = aion__lookup_begin(resolver, query);
	int64_t result = -ECANCELED;

	if (!lookup)
		return -ENOMEM;
	if (resolver && resolver->options.fn)
		lookup_by_own(lookup);
	else
		aion__lookup_by_system(lookup);
	if (lookup->is_done && !lookup->is_abandoned)
		result = answer_copy(lookup, ret_addresses, address_max);
	aion__lookup_unuse(lookup);
	return result;
}

static int64_t lookup_join(struct aion__lookup *lookup, struct aion_address *ret_addresses, size_t address_max)
{
	int64_t result;

	if (lookup->leader && lookup->leader == aion_task_current())
		return -EDEADLK;
	lookup->resolver->stats.join_nr++;
	lookup->use_nr++;
	result = aion_await(&lookup->done);
	if (result == 0)
		result = lookup->is_abandoned ? ASK_AGAIN : answer_copy(lookup, ret_addresses, address_max);
	aion__lookup_unuse(lookup);
	return result;
}

static int64_t resolver_ask(struct aion_resolver *resolver, const struct aion_resolve_query *query,
			    struct aion_address *ret_addresses, size_t address_max)
{
	struct aion__lookup *lookup = resolver ? aion__resolver_find(resolver, query) : NULL;

	if (!lookup)
		return resolver_lead(resolver, query, ret_addresses, address_max);
	if (!lookup->is_done)
		return lookup_join(lookup, ret_addresses, address_max);
	resolver->stats.hit_nr++;
	aion__lookup_touch(lookup);
	return answer_copy(lookup, ret_addresses, address_max);
}

static int query_check(const struct aion_resolve_query *query)
{
	if (!query->host && !query->service)
		return -EINVAL;
	if (query->host && strlen(query->host) > HOST_SIZE_MAX)
		return -ENAMETOOLONG;
	return query->service && strlen(query->service) > SERVICE_SIZE_MAX ? -ENAMETOOLONG : 0;
}

int64_t aion_resolve(struct aion_resolver *resolver, const struct aion_resolve_query *query,
		     struct aion_address *ret_addresses, size_t address_max)
{
	struct aion_resolve_query wanted = *query;
	struct aion_address address;
	int64_t result = aion_checkpoint();

	if (result == 0)
		result = query_check(query);
	if (result < 0)
		return result;
	if (aion__resolve_numeric(query, &address, &result)) {
		if (result > 0 && address_max)
			*ret_addresses = address;
		return result > (int64_t)address_max ? 0 : result;
	}
	if (!(resolver && resolver->options.fn) && aion__resolve_is_no_port(query->service))
		return -ENXIO;
	if (!wanted.type)
		wanted.type = SOCK_STREAM;
	do
		result = resolver_ask(resolver, &wanted, ret_addresses, address_max);
	while (result == ASK_AGAIN && (result = aion_checkpoint()) == 0);
	return result;
}
