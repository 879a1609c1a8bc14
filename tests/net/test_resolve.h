/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_RESOLVE_H
#define AION_TEST_RESOLVE_H
/*
 * A getaddrinfo() of the test's own stands in front of libc's (fake_getaddrinfo.c): names that end with ".test" are
 * answered as a case says, all others by libc.
 */
#include <arpa/inet.h>
#include <netdb.h>

#include "test_file.h"
#include "test_task.h"

struct fake_getaddrinfo {
	int eai;          /* the answer: an error, or 0 */
	int system_error; /* errno with it */
	int address_nr;   /* else so many addresses: 127.0.1.1, 127.0.1.2 … */
	bool holds;       /* does not answer before fake_release() */
	int call_nr;      /* how often it was asked */
	int inside_nr;    /* how many threads are in there */
};

/* Of a process, and so of a case. Under a lock; fake_look() gives a copy. */
void fake_answer(int eai, int system_error, int address_nr);
void fake_hold(void);
void fake_release(void);
struct fake_getaddrinfo fake_look(void);
/* In a task: until so many threads are in there. */
void fake_await_inside(int nr);

#define TEST_ADDRESS_MAX 80
#define MS AION_MILLISECOND

/* What a task of a test asks for. */
struct test_question {
	struct aion_resolver *resolver;
	const char *host;
	struct aion_address addresses[4];
	int64_t result;
};

static inline int64_t test_ask(void *arg)
{
	struct test_question *question = arg;
	const struct aion_resolve_query query = {.host = question->host, .service = "80"};

	question->result = aion_resolve(question->resolver, &query, question->addresses, 4);
	return 0;
}

/* ---- looks at a resolver, and several who ask it at a time */

static inline struct aion_resolver_stats test_resolver_stats(const struct aion_resolver *resolver)
{
	struct aion_resolver_stats stats;

	aion_resolver_stats(resolver, &stats);
	return stats;
}

static inline int64_t test_ask_for(struct aion_resolver *resolver, const char *host)
{
	struct test_question question = {.resolver = resolver, .host = host};

	test_ask(&question);
	return question.result;
}

#define ASKER_NR 8

struct askers {
	struct aion_group group;
	struct test_question questions[ASKER_NR];
	struct aion_handle handles[ASKER_NR];
};

static inline void askers_start(struct askers *askers, struct aion_resolver *resolver, const char *host)
{
	aion_group_enter(&askers->group);
	for (int i = 0; i < ASKER_NR; i++) {
		askers->questions[i] = (struct test_question){.resolver = resolver, .host = host};
		aion_spawn_into(&askers->group, &askers->handles[i], NULL, test_ask, &askers->questions[i]);
	}
}

static inline void askers_end(struct askers *askers, int first, int64_t result)
{
	assert_result(aion_group_leave(&askers->group, 0), 0);
	for (int i = first; i < ASKER_NR; i++)
		assert_result(askers->questions[i].result, result);
}

/* The text of an IPv4 or IPv6 address with its port. */
static inline const char *test_address_text(const struct aion_address *address)
{
	static char text[128];
	char host[INET6_ADDRSTRLEN];
	const void *number = address->any.sa_family == AF_INET ? (const void *)&address->in4.sin_addr
							       : (const void *)&address->in6.sin6_addr;

	cr_assert(inet_ntop(address->any.sa_family, number, host, sizeof(host)));
	snprintf(text, sizeof(text), "%s %d", host, ntohs(address->in4.sin_port));
	return text;
}

#endif
