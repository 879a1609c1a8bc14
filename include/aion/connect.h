/* SPDX-License-Identifier: MIT */
#ifndef AION_CONNECT_H
#define AION_CONNECT_H
/*
 * Connecting by name: the name's addresses are tried one after the other, each with a head start over the next, and the
 * first to answer is it ("happy eyeballs", RFC 8305). For one given address see aion_connect() in socket.h.
 *
 * A time limit is a scope around the call; it holds for the look-up and for all attempts together.
 */
#include <aion/resolve.h>
#include <aion/socket_options.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_CONNECT_MAX 32 /* addresses that are tried at most; further ones are left out */

/* What became of an attempt. */
struct aion_connect_attempt {
	struct aion_address address;
	int64_t result; /* 0: connected; -errno; -ECANCELED: under way when the call came to its end */
};

/* What a call has tried, in the order in which the attempts began. */
struct aion_connect_report {
	size_t attempt_nr;
	struct aion_connect_attempt attempts[AION_CONNECT_MAX];
};

/* All zero = the defaults, which are given in brackets. */
struct aion_connect_options {
	struct aion_resolver *resolver;           /* [getaddrinfo(), nothing remembered] */
	const struct aion_socket_options *socket; /* set before the attempt [aion_socket_options' defaults] */
	int family;                               /* AF_INET, AF_INET6 [both] */
	int type;                                 /* SOCK_STREAM, SOCK_DGRAM … [SOCK_STREAM] */
	int64_t attempt_delay_ns;                 /* the head start of an attempt [250 ms] */
	/* Where connections come from: each attempt is bound to the first of these that is of its family; without one
	 * it fails with -EADDRNOTAVAIL. With port 0 the kernel chooses the port late, so that ports are not used up. [The
	 * kernel chooses.] */
	const struct aion_address *sources;
	size_t source_nr;
	struct aion_connect_report
		*report; /* filled in every case in which an attempt began, else empty [not wanted] */
};

/**
 * aion_connect_host - look a name up and connect to the first of its addresses that answers.
 * @host: a name or a numeric address; see struct aion_resolve_query.
 * @service: a name or a port.
 * @options: NULL = the defaults.
 *
 * Addresses are tried in the resolver's order, but families alternate. The next attempt begins when another one has
 * failed, or attempt_delay_ns after the begin of the last. The first to connect wins; all others are ended and closed
 * before the call returns.
 * Result: a descriptor, connected, with close-on-exec.
 * Errors: those of aion_resolve(), and of aion_connect_addresses().
 * Suspends: yes. Thread: loop. Source: RFC 8305, getaddrinfo(3), connect(2), IORING_OP_CONNECT, Linux 5.5.
 */
AION_API AION_SUSPENDS int64_t aion_connect_host(const char *host, const char *service,
						 const struct aion_connect_options *options);

/**
 * aion_connect_addresses - the same for addresses that are known.
 * @addresses: nr of them, in the order of preference.
 * @options: NULL = the defaults; its resolver and family do not matter.
 *
 * Result: a descriptor, as above.
 * Errors: if no attempt succeeded, that of the first one which met more than a missing route or address (-ENETUNREACH,
 *   -EHOSTUNREACH, -EADDRNOTAVAIL, -EAFNOSUPPORT), else of the first one: those of socket(2), setsockopt(2), bind(2)
 *   and connect(2), such as -ECONNREFUSED and -ETIMEDOUT; -EADDRNOTAVAIL (also: no source of that family); and:
 *   -EINVAL (no address; attempt_delay_ns is negative); -ENOMEM; -ECANCELED (nothing is left open); -EBUSY (not inside
 *   a task); -ECHILD.
 * Suspends: yes. Thread: loop. Source: as aion_connect_host().
 */
AION_API AION_SUSPENDS int64_t aion_connect_addresses(const struct aion_address *addresses, size_t nr,
						      const struct aion_connect_options *options);

/**
 * aion_connect_unix - connect to a socket of this machine.
 * @name: a path, or an abstract name behind '@'.
 * @options: NULL = the defaults; of them type, socket, sources and report matter.
 *
 * Result: a descriptor, as above.
 * Errors: those of aion_connect_addresses(), -ENOENT and -EACCES among them; -ENAMETOOLONG (above 107 bytes); -EINVAL
 *   (empty).
 * Suspends: yes. Thread: loop. Source: unix(7), IORING_OP_CONNECT, Linux 5.5.
 */
AION_API AION_SUSPENDS int64_t aion_connect_unix(const char *name, const struct aion_connect_options *options);

#ifdef __cplusplus
}
#endif
#endif
