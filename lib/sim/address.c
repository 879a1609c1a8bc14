/* SPDX-License-Identifier: MIT */
/*
 * Names of sockets, and who has which. The machine's only network is its loopback: 127.0.0.0/8 and ::1, of which a name
 * of version 4 is kept as its image in version 6. A unix path is a name only, and gone with its socket: it makes no
 * file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sim_socket_int.h"

#define CHAIN_NR 256
#define PORT_MIN 32768 /* of those that are picked */
#define PORT_NR 28232
#define PATH_AT offsetof(struct sockaddr_un, sun_path)
#define IP6_SIZE_MIN 24 /* bytes: without the scope, as RFC 2133 had it */
#define MAPPED_SIZE 12  /* bytes before the address of version 4 */

struct aion__sim_address {
	struct aion__sim_socket *chains[CHAIN_NR]; /* of those with a name */
	struct aion__sim_socket *all;
};

static const uint8_t mapped[MAPPED_SIZE] = {[10] = 0xff, [11] = 0xff};
static const uint8_t loopback4[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
static const uint8_t loopback6[16] = {[15] = 1};
static const uint8_t any4[16] = {[10] = 0xff, [11] = 0xff};
static const uint8_t any6[16];

/* ---- addresses of the internet */

static bool ip_is_mapped(const uint8_t *ip)
{
	return memcmp(ip, mapped, MAPPED_SIZE) == 0;
}

static bool ip_is_any(const uint8_t *ip)
{
	return memcmp(ip, any4, 16) == 0 || memcmp(ip, any6, 16) == 0;
}

static bool ip_is_loopback(const uint8_t *ip)
{
	return (ip_is_mapped(ip) && ip[MAPPED_SIZE] == 127) || memcmp(ip, loopback6, 16) == 0;
}

static bool is_v6only(const struct aion__sim_socket *socket)
{
	return aion__sim_option_is_on(socket, IPPROTO_IPV6, IPV6_V6ONLY);
}

/* Whether what is sent to `to` reaches the socket that is bound to `bound`. */
static bool ip_reaches(const uint8_t *to, const uint8_t *bound, const struct aion__sim_socket *socket)
{
	if (memcmp(bound, any6, 16) == 0)
		return !ip_is_mapped(to) || !is_v6only(socket);
	return memcmp(to, bound, 16) == 0 || (memcmp(bound, any4, 16) == 0 && ip_is_mapped(to));
}

void aion__sim_name_make_concrete(struct aion__sim_name *name, const struct aion__sim_name *other)
{
	if (name->family == AF_INET && ip_is_any(name->ip))
		memcpy(name->ip, ip_is_mapped(other->ip) ? loopback4 : loopback6, 16);
}

int aion__sim_name_check_route(const struct aion__sim_name *name)
{
	return name->family != AF_INET || ip_is_any(name->ip) || ip_is_loopback(name->ip) ? 0 : -ENETUNREACH;
}

/* ---- from and to the program's memory */

static int unix_read(const struct sockaddr_un *address, size_t size, struct aion__sim_name *ret_name)
{
	if (size > sizeof(*address) || address->sun_family != AF_UNIX)
		return -EINVAL;
	ret_name->family = AF_UNIX;
	ret_name->size = (uint8_t)(size - PATH_AT);
	memcpy(ret_name->path, address->sun_path, ret_name->size);
	if (ret_name->size && ret_name->path[0])
		ret_name->size = (uint8_t)strnlen(ret_name->path, ret_name->size);
	return 0;
}

static int ip4_read(const struct sockaddr_in *address, size_t size, struct aion__sim_name *ret_name)
{
	if (size < sizeof(*address))
		return -EINVAL;
	if (address->sin_family != AF_INET)
		return -EAFNOSUPPORT;
	ret_name->family = AF_INET;
	ret_name->port = ntohs(address->sin_port);
	memcpy(ret_name->ip, mapped, MAPPED_SIZE);
	memcpy(ret_name->ip + MAPPED_SIZE, &address->sin_addr, sizeof(address->sin_addr));
	return 0;
}

static int ip6_read(const struct sockaddr_in6 *address, size_t size, struct aion__sim_name *ret_name)
{
	if (size < IP6_SIZE_MIN)
		return -EINVAL;
	if (address->sin6_family != AF_INET6)
		return -EAFNOSUPPORT;
	ret_name->family = AF_INET;
	ret_name->port = ntohs(address->sin6_port);
	memcpy(ret_name->ip, &address->sin6_addr, 16);
	return 0;
}

int aion__sim_name_read(const struct aion__sim_socket *socket, const void *address, size_t size,
			struct aion__sim_name *ret_name)
{
	union {
		struct sockaddr_storage any;
		struct sockaddr_un un;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} copy;

	if (size < sizeof(sa_family_t) || size > sizeof(copy))
		return -EINVAL;
	if (!address)
		return -EFAULT;
	memset(&copy, 0, sizeof(copy));
	memset(ret_name, 0, sizeof(*ret_name));
	aion__sim_copy_from_program(&copy, address, size);
	if (copy.any.ss_family == AF_UNSPEC)
		return 0;
	if (socket->domain == AF_UNIX)
		return unix_read(&copy.un, size, ret_name);
	if (socket->domain == AF_INET)
		return ip4_read(&copy.in, size, ret_name);
	return ip6_read(&copy.in6, size, ret_name);
}

size_t aion__sim_name_write(const struct aion__sim_socket *socket, const struct aion__sim_name *name,
			    struct sockaddr_storage *ret_address)
{
	struct sockaddr_un *un = (struct sockaddr_un *)ret_address;
	struct sockaddr_in *in = (struct sockaddr_in *)ret_address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_address;

	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->ss_family = socket->domain;
	switch (socket->domain) {
	case AF_UNIX:
		memcpy(un->sun_path, name->path, name->size);
		/* A path that is one ends with a 0, which counts. */
		return PATH_AT + name->size + (name->size && name->path[0]);
	case AF_INET:
		in->sin_port = htons(name->port);
		memcpy(&in->sin_addr, name->ip + MAPPED_SIZE, sizeof(in->sin_addr));
		return sizeof(*in);
	default:
		in6->sin6_port = htons(name->port);
		memcpy(&in6->sin6_addr, name->ip, 16);
		return sizeof(*in6);
	}
}

/* ---- the table */

static unsigned name_chain(const struct aion__sim_name *name)
{
	uint32_t hash = 2166136261;

	if (name->family != AF_UNIX)
		return name->port % CHAIN_NR;
	for (unsigned i = 0; i < name->size; i++)
		hash = (hash ^ (uint8_t)name->path[i]) * 16777619;
	return hash % CHAIN_NR;
}

static struct aion__sim_socket *chain_of(const struct aion_sim *sim, const struct aion__sim_name *name)
{
	return sim->addresses ? sim->addresses->chains[name_chain(name)] : NULL;
}

/* Of abstract names each type of socket has its own. */
static bool unix_is_same(const struct aion__sim_socket *socket, const struct aion__sim_name *name,
			 const struct aion__sim_socket *other)
{
	return name->family == AF_UNIX && other->name.family == AF_UNIX && name->size == other->name.size &&
	       memcmp(name->path, other->name.path, name->size) == 0 && (name->path[0] || socket->type == other->type);
}

static bool ip_is_same_port(const struct aion__sim_socket *a, const struct aion__sim_socket *b,
			    const struct aion__sim_name *name)
{
	return a->domain != AF_UNIX && b->domain != AF_UNIX && a->type == b->type && b->name.port == name->port;
}

static bool shares_port(const struct aion__sim_socket *socket)
{
	return aion__sim_option_is_on(socket, SOL_SOCKET, SO_REUSEPORT);
}

static bool name_is_taken(const struct aion_sim *sim, const struct aion__sim_socket *socket,
			  const struct aion__sim_name *name)
{
	for (const struct aion__sim_socket *other = chain_of(sim, name); other; other = other->bound_next)
		if (unix_is_same(socket, name, other) ||
		    (ip_is_same_port(socket, other, name) && !(shares_port(socket) && shares_port(other)) &&
		     (ip_reaches(name->ip, other->name.ip, other) || ip_reaches(other->name.ip, name->ip, socket))))
			return true;
	return false;
}

/* On one port several can stand only with addresses of their own, or by SO_REUSEPORT: then the newest is found. */
struct aion__sim_socket *aion__sim_name_find(const struct aion_sim *sim, const struct aion__sim_socket *socket,
					     const struct aion__sim_name *name)
{
	struct aion__sim_socket *other = chain_of(sim, name);

	while (other && !unix_is_same(socket, name, other) &&
	       !(ip_is_same_port(socket, other, name) && ip_reaches(name->ip, other->name.ip, other)))
		other = other->bound_next;
	return other;
}

static void name_enter(struct aion_sim *sim, struct aion__sim_socket *socket, const struct aion__sim_name *name)
{
	struct aion__sim_socket **chain;

	socket->name = *name;
	socket->is_bound = true;
	socket->bound_chain = name_chain(name);
	chain = &sim->addresses->chains[socket->bound_chain];
	socket->bound_prev = NULL;
	socket->bound_next = *chain;
	if (*chain)
		(*chain)->bound_prev = socket;
	*chain = socket;
}

void aion__sim_name_unbind(struct aion_sim *sim, struct aion__sim_socket *socket)
{
	if (!socket->is_bound)
		return;
	if (socket->bound_prev)
		socket->bound_prev->bound_next = socket->bound_next;
	else
		sim->addresses->chains[socket->bound_chain] = socket->bound_next;
	if (socket->bound_next)
		socket->bound_next->bound_prev = socket->bound_prev;
	socket->is_bound = false;
}

/* ---- all there are */

void aion__sim_sockets_add(struct aion_sim *sim, struct aion__sim_socket *socket)
{
	if (!sim->addresses)
		sim->addresses = aion__sim_alloc(sizeof(*sim->addresses));
	socket->all_next = sim->addresses->all;
	if (socket->all_next)
		socket->all_next->all_prev = socket;
	sim->addresses->all = socket;
}

void aion__sim_sockets_remove(struct aion_sim *sim, struct aion__sim_socket *socket)
{
	if (socket->all_prev)
		socket->all_prev->all_next = socket->all_next;
	else
		sim->addresses->all = socket->all_next;
	if (socket->all_next)
		socket->all_next->all_prev = socket->all_prev;
}

/* The machine ends. Sockets that are left then lie in one another's queues, as descriptors that nobody received. */
void aion__sim_addresses_free(struct aion_sim *sim)
{
	struct aion__sim_socket *socket = sim->addresses ? sim->addresses->all : NULL;
	struct aion__sim_parcel *parcels = NULL;

	for (; socket; socket = socket->all_next) {
		struct aion__sim_parcel *own = aion__sim_socket_empty_queue(socket), *last = own;

		while (last && last->next)
			last = last->next;
		if (last) {
			last->next = parcels;
			parcels = own;
		}
	}
	aion__sim_parcels_free(sim, parcels);
	AION_ASSERT(!sim->addresses || !sim->addresses->all);
	aion__sim_free(sim->addresses);
	sim->addresses = NULL;
}

/* ---- binding */

/* A drawn one, or the next that is free. */
static bool port_pick(struct aion_sim *sim, const struct aion__sim_socket *socket, struct aion__sim_name *name)
{
	unsigned first = (unsigned)aion__sim_draw_below(sim, PORT_NR);

	for (unsigned i = 0; i < PORT_NR; i++) {
		name->port = (uint16_t)(PORT_MIN + (first + i) % PORT_NR);
		if (!name_is_taken(sim, socket, name))
			return true;
	}
	return false;
}

/* An abstract name of five digits. */
static bool path_pick(struct aion_sim *sim, const struct aion__sim_socket *socket, struct aion__sim_name *name)
{
	unsigned first = (unsigned)aion__sim_draw_below(sim, 1 << 20);

	name->size = 6;
	for (unsigned i = 0; i < 1 << 20; i++) {
		char digits[8];

		snprintf(digits, sizeof(digits), "%05x", (first + i) % (1 << 20));
		memcpy(name->path + 1, digits, 5);
		if (!name_is_taken(sim, socket, name))
			return true;
	}
	return false;
}

int aion__sim_name_bind(struct aion_sim *sim, struct aion__sim_socket *socket, const struct aion__sim_name *name)
{
	struct aion__sim_name own = *name;
	bool is_free;

	if (own.family == AF_INET && !ip_is_any(own.ip) && !ip_is_loopback(own.ip))
		return -EADDRNOTAVAIL;
	if (own.family == AF_INET && !own.port)
		is_free = port_pick(sim, socket, &own);
	else if (own.family == AF_UNIX && !own.size)
		is_free = path_pick(sim, socket, &own);
	else
		is_free = !name_is_taken(sim, socket, &own);
	if (!is_free)
		return -EADDRINUSE;
	name_enter(sim, socket, &own);
	return 0;
}

int aion__sim_name_autobind(struct aion_sim *sim, struct aion__sim_socket *socket)
{
	struct aion__sim_name name = {.family = AF_INET};

	if (socket->is_bound || socket->domain == AF_UNIX)
		return 0;
	memcpy(name.ip, socket->domain == AF_INET ? any4 : any6, 16);
	return aion__sim_name_bind(sim, socket, &name) < 0 ? -EAGAIN : 0;
}
