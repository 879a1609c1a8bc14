/* SPDX-License-Identifier: MIT */
/* Connecting to names: of hosts, and of unix sockets. The order of the addresses. */
#include <errno.h>
#include <string.h>

#include <aion/scope.h>

#include "alloc_int.h"
#include "connect_int.h"

/* The next index from `idx` on whose family is, or is not, `family`; nr if there is none. */
static size_t find_family(const struct aion_address *addresses, size_t nr, size_t idx, int family, bool wanted)
{
	while (idx < nr && (addresses[idx].any.sa_family == family) != wanted)
		idx++;
	return idx;
}

size_t aion__connect_interleave(const struct aion_address *addresses, size_t nr, size_t *ret_order)
{
	int family = nr ? addresses[0].any.sa_family : AF_UNSPEC;
	size_t next[2], order_nr = 0;
	bool is_first = true;

	next[true] = 0;
	next[false] = find_family(addresses, nr, 0, family, false);
	while (order_nr < AION_CONNECT_MAX && (next[true] < nr || next[false] < nr)) {
		if (next[is_first] < nr) {
			ret_order[order_nr++] = next[is_first];
			next[is_first] = find_family(addresses, nr, next[is_first] + 1, family, is_first);
		}
		is_first = !is_first;
	}
	return order_nr;
}

int64_t aion_connect_host(const char *host, const char *service, const struct aion_connect_options *options)
{
	struct aion_resolve_query query = {.host = host, .service = service};
	struct aion_address *addresses;
	int64_t result;

	if (options) {
		query.family = options->family;
		query.type = options->type;
		if (options->report)
			options->report->attempt_nr = 0;
	}
	addresses = aion__alloc(AION_RESOLVE_MAX * sizeof(*addresses));
	if (!addresses)
		return -ENOMEM;
	result = aion_resolve(options ? options->resolver : NULL, &query, addresses, AION_RESOLVE_MAX);
	if (result > 0)
		result = aion_connect_addresses(addresses, (size_t)result, options);
	aion__free(addresses);
	return result;
}

int64_t aion_connect_unix(const char *name, const struct aion_connect_options *options)
{
	struct aion_address address;
	int result;

	if (options && options->report)
		options->report->attempt_nr = 0;
	result = aion_checkpoint();
	if (result == 0 && name[0] == '@')
		result = aion_address_abstract(name + 1, strlen(name + 1), &address);
	else if (result == 0)
		result = aion_address_unix(name, &address);
	return result < 0 ? result : aion_connect_addresses(&address, 1, options);
}
