/* SPDX-License-Identifier: MIT */
#ifndef AION_ADDRESS_H
#define AION_ADDRESS_H
/*
 * Addresses of sockets, from text and into text: numbers, unix paths and abstract names. Nothing here looks a name
 * up: for hosts see resolve.h.
 *
 *	127.0.0.1  127.0.0.1:80       IPv4
 *	::1  [::1]  [fe80::1%eth0]:80 IPv6; the zone is an interface's name or number
 *	*  *:80                       any address: of IPv6, and so of both where v6only is off
 *	/run/x.sock  ./x.sock         a unix path: whatever has a slash
 *	@name                         an abstract unix name
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_ADDRESS_TEXT_SIZE 128 /* bytes that any address takes as text, with the 0 at its end */

/* An address and its size: what the calls of socket.h and message.h take. All zero = none (AF_UNSPEC). Not private. */
struct aion_address {
	union {
		struct sockaddr any;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
		struct sockaddr_storage storage;
	};
	socklen_t size; /* bytes of it that count */
};

/* Room for an address that a call is to fill: pass &address.any, &address.size. */
/* clang-format off */
#define AION_ADDRESS_ROOM {.size = sizeof(struct sockaddr_storage)}
/* clang-format on */

/**
 * aion_address_parse - an address from text, in one of the forms above.
 * @text: ends with 0.
 * @port: where the text has none; unix ones have none.
 *
 * Result: 0.
 * Errors: -EINVAL (no such form, or a port that is no number up to 65535: it may be a name to be looked up),
 *   -ENODEV (no interface of that name), -ENAMETOOLONG (a unix one).
 * Suspends: no. Thread: any. Source: inet_pton(3), if_nametoindex(3), ip(7), ipv6(7), unix(7).
 */
AION_API int aion_address_parse(const char *text, uint16_t port, struct aion_address *ret_address);

/**
 * aion_address_ip - an address from the number of a host alone.
 * @host: "127.0.0.1", "::1", "fe80::1%eth0"; NULL or "*": any address, of IPv6.
 *
 * Result: 0. Errors: -EINVAL, -ENODEV.
 * Suspends: no. Thread: any. Source: inet_pton(3), if_nametoindex(3).
 */
AION_API int aion_address_ip(const char *host, uint16_t port, struct aion_address *ret_address);

/**
 * aion_address_unix, aion_address_abstract - the address of a unix socket by its path, or in the namespace that
 *   has no files.
 * @path: ends with 0, 1 to 107 bytes.
 * @name: size bytes, 1 to 107, any of them; the 0 that stands in front of it is added.
 *
 * Result: 0. Errors: -EINVAL (empty), -ENAMETOOLONG.
 * Suspends: no. Thread: any. Source: unix(7).
 */
AION_API int aion_address_unix(const char *path, struct aion_address *ret_address);
AION_API int aion_address_abstract(const void *name, size_t size, struct aion_address *ret_address);

/**
 * aion_address_set - an address from what a system call or getaddrinfo(3) gave.
 * @size: bytes, of which a struct sockaddr_storage holds all.
 *
 * Result: 0. Errors: -EINVAL (too large, or too small for its family).
 * Suspends: no. Thread: any. Source: none.
 */
AION_API int aion_address_set(const struct sockaddr *address, socklen_t size, struct aion_address *ret_address);

/**
 * aion_address_format - an address as text, which aion_address_parse() takes again.
 * @buf: size bytes; AION_ADDRESS_TEXT_SIZE are enough. Ends with 0.
 *
 * IP addresses come with their port ("[::1]:80"), an interface by its number. Of an abstract name, bytes that do
 * not print show as '?', and an unnamed unix socket is "@". A path that would be taken for something else has "./" in
 * front of it, which makes it too long to be taken again if it has 106 bytes or more.
 * Result: bytes, without the 0.
 * Errors: -ENOSPC (buf is empty then, if size is not 0), -EAFNOSUPPORT.
 * Suspends: no. Thread: any. Source: inet_ntop(3).
 */
AION_API int aion_address_format(const struct aion_address *address, char *buf, size_t size);

/**
 * aion_address_port, aion_address_set_port - the port of an IP address.
 *
 * Result: the port, 0 for other families; set: 0. Errors: set: -EAFNOSUPPORT.
 * Suspends: no. Thread: any. Source: none.
 */
AION_API uint16_t aion_address_port(const struct aion_address *address);
AION_API int aion_address_set_port(struct aion_address *address, uint16_t port);

/**
 * aion_address_is_equal - whether two addresses are the same: family, host, port, zone; or unix name.
 *
 * Suspends: no. Thread: any. Source: none.
 */
AION_API bool aion_address_is_equal(const struct aion_address *a, const struct aion_address *b);

/**
 * aion_address_of, aion_address_of_peer - the address of a socket, and of its partner, as aion_getsockname() and
 *   aion_getpeername() tell it.
 *
 * Result: 0. Errors: those of getsockname(2) and getpeername(2), -ENOTCONN and -ENOTSOCK among them.
 * Suspends: no. Thread: any. Source: getsockname(2), getpeername(2).
 */
AION_API int aion_address_of(int fd, struct aion_address *ret_address);
AION_API int aion_address_of_peer(int fd, struct aion_address *ret_address);

#ifdef __cplusplus
}
#endif
#endif
