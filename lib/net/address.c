/* SPDX-License-Identifier: MIT */
/* Addresses from text and into text. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <aion/address.h>
#include <aion/socket.h>

#define PATH_AT offsetof(struct sockaddr_un, sun_path)
#define PATH_SIZE_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#define ZONE_SIZE_MAX 32 /* bytes: an interface's name has fewer */
#define IP6_SIZE_MIN 24  /* bytes that the kernel asks for: without the zone */

/* ---- IP */

/* The interface of a link-local address, by its number or its name. 0: there is none. */
static unsigned zone_number(const char *zone)
{
	unsigned long number;
	char *end = NULL;
	int saved = errno;

	number = *zone >= '0' && *zone <= '9' ? strtoul(zone, &end, 10) : 0;
	if (!number || *end) /* names may begin with a digit, too */
		number = if_nametoindex(zone);
	if (number > UINT32_MAX)
		number = 0;
	errno = saved;
	return (unsigned)number;
}

static int ip4_set(const char *host, uint16_t port, struct aion_address *ret_address)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return -EINVAL;
	return aion_address_set((const struct sockaddr *)&in, sizeof(in), ret_address);
}

static int ip6_set(const char *host, uint16_t port, struct aion_address *ret_address)
{
	struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const char *zone = strchr(host, '%');
	size_t size = zone ? (size_t)(zone - host) : strlen(host);
	char bare[INET6_ADDRSTRLEN];

	if (size >= sizeof(bare))
		return -EINVAL;
	memcpy(bare, host, size);
	bare[size] = 0;
	if (inet_pton(AF_INET6, bare, &in.sin6_addr) != 1 || (zone && !zone[1]))
		return -EINVAL;
	if (zone) {
		in.sin6_scope_id = zone_number(zone + 1);
		if (!in.sin6_scope_id)
			return -ENODEV;
	}
	return aion_address_set((const struct sockaddr *)&in, sizeof(in), ret_address);
}

int aion_address_ip(const char *host, uint16_t port, struct aion_address *ret_address)
{
	if (!host || strcmp(host, "*") == 0)
		host = "::";
	return strchr(host, ':') ? ip6_set(host, port, ret_address) : ip4_set(host, port, ret_address);
}

/* ---- unix */

/* `name` stands at `at` of the path, which is zero elsewhere. */
static void unix_set(size_t at, const void *name, size_t size, struct aion_address *ret_address)
{
	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->un.sun_family = AF_UNIX;
	memcpy(ret_address->un.sun_path + at, name, size);
	ret_address->size = (socklen_t)(PATH_AT + at + size);
}

int aion_address_unix(const char *path, struct aion_address *ret_address)
{
	size_t size = strlen(path);

	if (!size)
		return -EINVAL;
	if (size > PATH_SIZE_MAX)
		return -ENAMETOOLONG;
	unix_set(0, path, size + 1, ret_address);
	return 0;
}

int aion_address_abstract(const void *name, size_t size, struct aion_address *ret_address)
{
	if (!size)
		return -EINVAL;
	if (size > PATH_SIZE_MAX)
		return -ENAMETOOLONG;
	unix_set(1, name, size, ret_address);
	return 0;
}

/* ---- any */

static socklen_t size_min_of(sa_family_t family)
{
	switch (family) {
	case AF_INET:
		return sizeof(struct sockaddr_in);
	case AF_INET6:
		return IP6_SIZE_MIN;
	default:
		return sizeof(sa_family_t);
	}
}

int aion_address_set(const struct sockaddr *address, socklen_t size, struct aion_address *ret_address)
{
	struct aion_address copy = {.size = size};

	if (size > sizeof(copy.storage) || size < sizeof(sa_family_t) || size < size_min_of(address->sa_family))
		return -EINVAL;
	memcpy(&copy.storage, address, size);
	*ret_address = copy;
	return 0;
}

/* Digits up to 65535, and nothing else. */
static int port_parse(const char *text, uint16_t *ret_port)
{
	unsigned long port = 0;
	const char *digit = text;

	for (; *digit >= '0' && *digit <= '9' && port <= UINT16_MAX; digit++)
		port = port * 10 + (unsigned long)(*digit - '0');
	if (digit == text || *digit || port > UINT16_MAX)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

/* "host:port" or "host", where the colons of IPv6 need brackets if there is a port. */
static int host_port_parse(const char *text, uint16_t port, struct aion_address *ret_address)
{
	const char *end = text + strlen(text), *colon = strchr(text, ':');
	char host[INET6_ADDRSTRLEN + ZONE_SIZE_MAX];

	if (*text == '[') {
		end = strchr(++text, ']');
		if (!end || (end[1] && end[1] != ':') || !memchr(text, ':', (size_t)(end - text)))
			return -EINVAL;
		colon = end[1] ? end + 1 : NULL;
	} else if (colon && strchr(colon + 1, ':')) {
		colon = NULL;
	} else if (colon) {
		end = colon;
	}
	if (end == text || (size_t)(end - text) >= sizeof(host) || (colon && port_parse(colon + 1, &port) < 0))
		return -EINVAL;
	memcpy(host, text, (size_t)(end - text));
	host[end - text] = 0;
	return aion_address_ip(host, port, ret_address);
}

int aion_address_parse(const char *text, uint16_t port, struct aion_address *ret_address)
{
	if (*text == '@')
		return aion_address_abstract(text + 1, strlen(text + 1), ret_address);
	if (strchr(text, '/'))
		return aion_address_unix(text, ret_address);
	return host_port_parse(text, port, ret_address);
}

/* ---- into text */

static int ip4_format(const struct sockaddr_in *in, char *buf, size_t size)
{
	char host[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
	return snprintf(buf, size, "%s:%u", host, ntohs(in->sin_port));
}

static int ip6_format(const struct sockaddr_in6 *in, char *buf, size_t size)
{
	char host[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof(host));
	if (in->sin6_scope_id)
		return snprintf(buf, size, "[%s%%%u]:%u", host, in->sin6_scope_id, ntohs(in->sin6_port));
	return snprintf(buf, size, "[%s]:%u", host, ntohs(in->sin6_port));
}

/* A path ends with its 0, whether that was counted or not. */
static size_t unix_name_size(const struct aion_address *address)
{
	size_t size = address->size > PATH_AT ? address->size - PATH_AT : 0;

	if (size > sizeof(address->un.sun_path))
		size = sizeof(address->un.sun_path);
	return size && address->un.sun_path[0] ? strnlen(address->un.sun_path, size) : size;
}

static int unix_format(const struct aion_address *address, char *buf, size_t size)
{
	char text[sizeof(address->un.sun_path) + 1] = "";
	size_t name_size = unix_name_size(address);

	memcpy(text, address->un.sun_path, name_size);
	if (text[0]) /* what would not be read as a path is made one */
		return snprintf(buf, size, "%s%s", text[0] == '@' || !strchr(text, '/') ? "./" : "", text);
	for (size_t i = 1; i < name_size; i++)
		if (text[i] < ' ' || text[i] > '~')
			text[i] = '?';
	return snprintf(buf, size, "@%s", text + 1);
}

int aion_address_format(const struct aion_address *address, char *buf, size_t size)
{
	int result;

	switch (address->any.sa_family) {
	case AF_INET:
		result = ip4_format(&address->in4, buf, size);
		break;
	case AF_INET6:
		result = ip6_format(&address->in6, buf, size);
		break;
	case AF_UNIX:
		result = unix_format(address, buf, size);
		break;
	default:
		return -EAFNOSUPPORT;
	}
	if ((size_t)result < size)
		return result;
	if (size)
		buf[0] = 0;
	return -ENOSPC;
}

/* ---- parts of one */

uint16_t aion_address_port(const struct aion_address *address)
{
	switch (address->any.sa_family) {
	case AF_INET:
		return ntohs(address->in4.sin_port);
	case AF_INET6:
		return ntohs(address->in6.sin6_port);
	default:
		return 0;
	}
}

int aion_address_set_port(struct aion_address *address, uint16_t port)
{
	switch (address->any.sa_family) {
	case AF_INET:
		address->in4.sin_port = htons(port);
		return 0;
	case AF_INET6:
		address->in6.sin6_port = htons(port);
		return 0;
	default:
		return -EAFNOSUPPORT;
	}
}

bool aion_address_is_equal(const struct aion_address *a, const struct aion_address *b)
{
	if (a->any.sa_family != b->any.sa_family)
		return false;
	switch (a->any.sa_family) {
	case AF_INET:
		return a->in4.sin_port == b->in4.sin_port && a->in4.sin_addr.s_addr == b->in4.sin_addr.s_addr;
	case AF_INET6:
		return a->in6.sin6_port == b->in6.sin6_port && a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
		       memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
	case AF_UNIX:
		return unix_name_size(a) == unix_name_size(b) &&
		       memcmp(a->un.sun_path, b->un.sun_path, unix_name_size(a)) == 0;
	default:
		return a->size == b->size && memcmp(&a->storage, &b->storage, a->size) == 0;
	}
}

/* ---- of a socket */

typedef int name_fn(int fd, struct sockaddr *address, socklen_t *address_size);

static int address_ask(name_fn *ask, int fd, struct aion_address *ret_address)
{
	struct aion_address address = AION_ADDRESS_ROOM;
	int result = ask(fd, &address.any, &address.size);

	if (result < 0)
		return result;
	if (address.size > sizeof(address.storage))
		address.size = sizeof(address.storage);
	*ret_address = address;
	return 0;
}

int aion_address_of(int fd, struct aion_address *ret_address)
{
	return address_ask(aion_getsockname, fd, ret_address);
}

int aion_address_of_peer(int fd, struct aion_address *ret_address)
{
	return address_ask(aion_getpeername, fd, ret_address);
}
