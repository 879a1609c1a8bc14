/* SPDX-License-Identifier: MIT */
/*
 * getaddrinfo() on a worker thread, in a call that its caller may leave behind. The job has a share in the look-up: it
 * leaves its list there, and its end, on the loop's thread, makes the answer of it and tells all who wait, whether the
 * task that began it is still there or not.
 */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include <aion/offload.h>

#include "alloc_int.h"
#include "assert_int.h"
#include "resolve_int.h"

/* What getaddrinfo() says, as a result, and for people. EAI_SYSTEM and EAI_MEMORY are in errno's own numbers. */
static const struct {
	int eai;
	int error;
	const char *text;
} errors[] = {
	{EAI_NONAME, ENXIO, "no such host or service is known"},
	{EAI_NODATA, ENODATA, "the host has no address of this kind"},
	{EAI_ADDRFAMILY, ENODATA, "the host has no address of this kind"},
	{EAI_AGAIN, EAGAIN, "no answer from the name server now, or no worker thread to ask it"},
	{EAI_FAIL, EREMOTEIO, "the name server refuses to answer"},
	{EAI_SERVICE, EPROTONOSUPPORT, "this kind of socket has no such service"},
	{EAI_FAMILY, EAFNOSUPPORT, "there are no addresses of this family"},
	{EAI_SOCKTYPE, ESOCKTNOSUPPORT, "there are no sockets of this type"},
	{EAI_BADFLAGS, EINVAL, "neither host nor service, or flags that exclude each other"},
	{EAI_IDN_ENCODE, EILSEQ, "the name cannot be encoded"},
	{EAI_OVERFLOW, ENAMETOOLONG, "the name is too long"},
	{EAI_MEMORY, ENOMEM, "no memory"},
	{EAI_INTR, EINTR, "interrupted"},
};

static int64_t result_of(int eai, int system_error)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].eai == eai)
			return -errors[i].error;
	return eai == EAI_SYSTEM && system_error > 0 ? -system_error : -EREMOTEIO;
}

const char *aion_resolve_error(int64_t result)
{
	const char *text;

	if (result >= 0)
		return "no error";
	if (result < -4095)
		return "unknown error";
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].error == -result)
			return errors[i].text;
	text = strerrordesc_np((int)-result);
	return text ? text : "unknown error";
}

/* ---- what needs no looking up */

/* A port as a number: true, and it is one. */
static bool port_parse(const char *service, uint16_t *ret_port)
{
	unsigned port = 0;

	*ret_port = 0;
	if (!service)
		return true;
	if (!*service)
		return false;
	for (; *service; service++) {
		if (*service < '0' || *service > '9')
			return false;
		port = port * 10 + (unsigned)(*service - '0');
		if (port > UINT16_MAX)
			return false;
	}
	*ret_port = (uint16_t)port;
	return true;
}

bool aion__resolve_is_no_port(const char *service)
{
	int saved = errno;
	uint16_t port;
	char *end;

	if (port_parse(service, &port))
		return false;
	strtoul(service, &end, 10);
	errno = saved;
	return !*end;
}

bool aion__resolve_numeric(const struct aion_resolve_query *query, struct aion_address *ret_address,
			   int64_t *ret_result)
{
	uint16_t port;

	if (!query->host || query->host[0] == '*' || !port_parse(query->service, &port) ||
	    aion_address_ip(query->host, port, ret_address) < 0)
		return false;
	*ret_result = 1;
	if (query->family == AF_UNSPEC || query->family == ret_address->any.sa_family)
		return true;
	if (query->flags & AI_V4MAPPED || (query->family != AF_INET && query->family != AF_INET6))
		return false;
	*ret_result = -ENODATA;
	return true;
}

/* ---- on the worker thread */

static int64_t system_ask(struct aion__lookup *lookup)
{
	const struct aion_resolve_query *query = &lookup->query;
	const struct addrinfo hints = {
		.ai_family = query->family, .ai_socktype = query->type, .ai_flags = query->flags & ~AI_CANONNAME};
	int eai = getaddrinfo(query->host, query->service, &hints, &lookup->list);

	return eai ? result_of(eai, errno) : 0;
}

static int64_t system_run(void *arg)
{
	struct aion__lookup *lookup = *(struct aion__lookup **)arg;
	int saved_errno = errno;
	int64_t result = system_ask(lookup);

	lookup->job_has_run = true;
	errno = saved_errno; /* a simulated machine has no worker threads: it is the loop's */
	return result;
}

/* ---- on the loop's thread */

static bool is_known(const struct aion_address *addresses, int64_t nr, const struct aion_address *address)
{
	for (int64_t i = 0; i < nr; i++)
		if (aion_address_is_equal(&addresses[i], address))
			return true;
	return false;
}

/* The files of hosts may name an address twice. */
static int64_t list_copy(const struct addrinfo *list, struct aion_address **ret_addresses)
{
	struct aion_address *addresses;
	const struct addrinfo *info;
	int64_t nr = 0;

	for (info = list; info && nr < AION_RESOLVE_MAX; info = info->ai_next)
		nr++;
	addresses = aion__alloc((size_t)nr * sizeof(*addresses));
	if (!addresses)
		return -ENOMEM;
	nr = 0;
	for (info = list; info && nr < AION_RESOLVE_MAX; info = info->ai_next)
		if (aion_address_set(info->ai_addr, info->ai_addrlen, &addresses[nr]) == 0 &&
		    !is_known(addresses, nr, &addresses[nr]))
			nr++;
	*ret_addresses = addresses;
	return nr ? nr : -ENODATA;
}

/* The job has run, or was withdrawn, for its caller left before a worker thread could begin. */
static void system_end(void *args, int64_t result, bool received)
{
	struct aion__lookup *lookup = *(struct aion__lookup **)args;

	(void)received;
	lookup->job_has_ended = true;
	if (lookup->list && result == 0)
		result = list_copy(lookup->list, &lookup->addresses);
	if (lookup->list)
		freeaddrinfo(lookup->list);
	lookup->list = NULL;
	if (lookup->job_has_run)
		aion__lookup_finish(lookup, result ? result : -ENODATA, -1);
	else
		aion__lookup_abandon(lookup);
	aion__lookup_unuse(lookup);
}

void aion__lookup_by_system(struct aion__lookup *lookup)
{
	int64_t result;

	lookup->use_nr++;
	result = aion_offload_detached(AION_OFFLOAD_SLOW, system_run, &lookup, sizeof(struct aion__lookup *),
				       system_end);
	if (lookup->job_has_ended || result == -ECANCELED)
		return;
	/* It could not be begun, and nobody will say so. */
	aion__lookup_finish(lookup, result, 0);
	aion__lookup_unuse(lookup);
}
