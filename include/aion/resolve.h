/* SPDX-License-Identifier: MIT */
#ifndef AION_RESOLVE_H
#define AION_RESOLVE_H
/*
 * From names to addresses: getaddrinfo(3) on the loop's worker threads, or a resolver of the application's own. Nobody
 * waits longer than he wants to: who is cancelled leaves at once, and the look-up ends behind him.
 *
 * A struct aion_resolver remembers answers, and of those who ask for the same thing at the same time one looks it up
 * for all. A look-up by getaddrinfo() serves those who come later even if everybody who waited for it has left, so a
 * name server that does not answer holds one worker thread a name, however often it is tried.
 */
#include <aion/address.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_RESOLVE_MAX 64 /* addresses that a look-up keeps; further ones are dropped */

/* What is asked for. Strings are the caller's; they are copied where they are kept. */
struct aion_resolve_query {
	const char *host;    /* a name, or a numeric address; NULL: this machine (with AI_PASSIVE: any address) */
	const char *service; /* a name of /etc/services, or a port; NULL: port 0 */
	int family;          /* AF_INET, AF_INET6; AF_UNSPEC is both */
	int type;            /* SOCK_STREAM, SOCK_DGRAM …; 0 is SOCK_STREAM */
	int flags;           /* of getaddrinfo(3): AI_PASSIVE, AI_ADDRCONFIG, AI_V4MAPPED … */
};

/*
 * A resolver of the application's own. Runs in the task of one who asks, and may suspend.
 *   ret_addresses: place for AION_RESOLVE_MAX, in the order in which they are to be tried.
 *   ret_ttl_ns: how long the answer is good, nanoseconds; 0 = not to be remembered. It is negative before: if it
 *     stays so, the resolver's options decide.
 * Result: how many addresses, or -errno: those of aion_resolve() where they fit. -ECANCELED means that its task was
 * cancelled; another one who waits for the same then begins anew.
 */
typedef int64_t aion_resolve_fn(const struct aion_resolve_query *query, void *arg, struct aion_address *ret_addresses,
				int64_t *ret_ttl_ns);

/* All zero = the defaults, which are given in brackets. */
struct aion_resolver_options {
	size_t capacity;         /* answers that are kept, the least recently used goes first [256] */
	int64_t ttl_ns;          /* how long addresses are good [30 s]; negative: they are not kept */
	int64_t negative_ttl_ns; /* how long -ENXIO and -ENODATA are [5 s]; negative: not kept. Other errors never are. */
	aion_resolve_fn *fn;     /* asked instead of getaddrinfo() */
	void *arg;               /* handed to fn */
};

struct aion_resolver_stats {
	uint64_t hit_nr;     /* answered from memory, errors among them */
	uint64_t join_nr;    /* found being looked up */
	uint64_t miss_nr;    /* look-ups begun */
	uint64_t fail_nr;    /* look-ups that came to an error */
	uint64_t evicted_nr; /* gone for others to fit in */
	uint64_t expired_nr; /* found too old */
	size_t nr;           /* kept now */
	size_t pending_nr;   /* being looked up now, also for nobody any more */
};

struct aion_resolver;

/**
 * aion_resolver_create - make a resolver that knows nothing yet.
 * @options: copied; NULL = the defaults.
 * @ret_resolver: for aion_resolver_destroy(). It is this loop's.
 *
 * Errors: -ENOMEM.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_resolver_create(const struct aion_resolver_options *options, struct aion_resolver **ret_resolver);

/**
 * aion_resolver_destroy - forget all answers, and the resolver.
 * @resolver: NULL does nothing. No task is inside aion_resolve() with it, else aborts. Look-ups that nobody waits for
 *   may still run; they end by themselves.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_resolver_destroy(struct aion_resolver *resolver);

/**
 * aion_resolver_clear - forget all answers; look-ups under way are for those who wait for them, and not kept.
 * @resolver: of this loop.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_resolver_clear(struct aion_resolver *resolver);

/** aion_resolver_stats - what has happened so far. Suspends: no. Thread: loop. Source: none. */
AION_API void aion_resolver_stats(const struct aion_resolver *resolver, struct aion_resolver_stats *ret_stats);

/**
 * aion_resolve - find the addresses for a name.
 * @resolver: of this loop; NULL: getaddrinfo(), nothing remembered, nothing shared.
 * @query: see above.
 * @ret_addresses: the addresses with their ports, in the order of RFC 6724: that in which they are to be tried.
 * @address_max: how many fit there; further ones are dropped.
 *
 * A numeric address with a numeric port is answered at once, whatever the resolver. A call in a scope whose deadline
 * passes leaves at once; a worker thread that is in getaddrinfo() finishes that behind its back. At most half of the
 * worker threads look up names at a time; further look-ups queue.
 * Result: how many addresses there are in ret_addresses.
 * Errors: -ENXIO (EAI_NONAME: no such name, or no such service; a number above 65535 or empty text as a service);
 *   -ENODATA (EAI_NODATA, EAI_ADDRFAMILY: the name has no address of that kind); -EAGAIN (EAI_AGAIN: no answer now,
 *   perhaps later; also: no worker thread could be started);
 *   -EREMOTEIO (EAI_FAIL: the name server refuses); -EPROTONOSUPPORT (EAI_SERVICE: the service is none for this type);
 *   -EAFNOSUPPORT (EAI_FAMILY); -ESOCKTNOSUPPORT (EAI_SOCKTYPE); -EINVAL (EAI_BADFLAGS; neither host nor service);
 *   -EILSEQ (EAI_IDN_ENCODE: no proper name); -ENAMETOOLONG (host above 253 bytes, service above 63); -ENOMEM; what
 *   EAI_SYSTEM stands for; those of the resolver's own function; -EDEADLK (called by that function for the same
 *   thing); -ECANCELED; -EBUSY (not inside a task); -ECHILD.
 * Suspends: yes. Thread: loop. Source: getaddrinfo(3), RFC 6724.
 */
AION_API AION_SUSPENDS int64_t aion_resolve(struct aion_resolver *resolver, const struct aion_resolve_query *query,
					    struct aion_address *ret_addresses, size_t address_max);

/**
 * aion_resolve_error - what a result of aion_resolve() means, for people.
 * @result: negative, or not.
 *
 * Result: a constant text, for the errors above as far as they are about names, for others that of strerror(3),
 *   untranslated.
 * Suspends: no. Thread: any. Source: gai_strerror(3).
 */
AION_API const char *aion_resolve_error(int64_t result);

#ifdef __cplusplus
}
#endif
#endif
