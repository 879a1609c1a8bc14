/* SPDX-License-Identifier: MIT */
#ifndef AION_NET_RESOLVE_INT_H
#define AION_NET_RESOLVE_INT_H
/*
 * A look-up is what is asked for, and then the answer. It lives as long as a task is inside aion_resolve() with it, a
 * job runs for it, or the resolver's table holds it. While it is pending it stands in the resolver's list of these,
 * afterwards, if it is kept, in that of the recently used.
 */
#include <netdb.h>
#include <stdbool.h>

#include <aion/group.h>
#include <aion/resolve.h>

struct aion__lookup {
	struct aion__link link;
	struct aion__lookup *bucket_next;
	struct aion_resolver *resolver; /* NULL: it has none, or not any more */
	struct aion_task *leader;       /* who is in the resolver's own function for it */
	struct aion_future done;
	struct aion_address *addresses; /* result of them */
	struct addrinfo *list;          /* the job's, on its way to them */
	int64_t result;
	int64_t expires_ns;
	struct aion_resolve_query query; /* its strings stand in text */
	uint32_t hash;
	unsigned use_nr; /* tasks, and the job */
	bool is_done;
	bool is_abandoned; /* done, and there is no answer: begin anew */
	bool in_table;
	bool job_has_run;   /* written by the worker thread */
	bool job_has_ended; /* its destroyer was called */
	char text[];
};

struct aion_resolver {
	struct aion_resolver_options options;
	struct aion_resolver_stats stats;
	struct aion__link pending;
	struct aion__link recent; /* least recently used first */
	size_t bucket_mask;
	struct aion__lookup *buckets[];
};

/* resolve_table.c: what a resolver knows. */

uint32_t aion__lookup_hash(const struct aion_resolve_query *query);
/* One that is pending or fresh, or NULL. */
struct aion__lookup *aion__resolver_find(struct aion_resolver *resolver, const struct aion_resolve_query *query);
/* A new, pending one, in the table if there is a resolver; used once. NULL: no memory. */
struct aion__lookup *aion__lookup_begin(struct aion_resolver *resolver, const struct aion_resolve_query *query);
/* The answer has come: addresses are in place, or result is an error. */
void aion__lookup_finish(struct aion__lookup *lookup, int64_t result, int64_t ttl_ns);
/* Who looked it up has left without an answer. */
void aion__lookup_abandon(struct aion__lookup *lookup);
void aion__lookup_unuse(struct aion__lookup *lookup);
/* Found: it was used. */
void aion__lookup_touch(struct aion__lookup *lookup);

/* resolve_system.c: getaddrinfo(). */

/* Look up on a worker thread. Afterwards it is done, or the caller has to leave with -ECANCELED. */
AION_SUSPENDS void aion__lookup_by_system(struct aion__lookup *lookup);
/* Whether the query needs no looking up. Then *ret_result is the number of addresses in ret_address, or -errno. */
bool aion__resolve_numeric(const struct aion_resolve_query *query, struct aion_address *ret_address,
			   int64_t *ret_result);
/* Whether a service is a number, but no port: getaddrinfo(3) would take some other port for it. */
bool aion__resolve_is_no_port(const char *service);

#endif
