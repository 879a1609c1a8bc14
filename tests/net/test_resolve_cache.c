/* SPDX-License-Identifier: MIT */
/* A resolver: what it remembers, whom it asks, who waits with whom. */
#include "test_resolve.h"

/* A name service of the test's own. A name is a number: so many addresses (or -errno); with a word behind it, the
 * answer comes when the gate is opened. */
struct own {
	struct aion_event gate;
	int call_nr;
	int cancelled_nr;
	int64_t ttl_ns;
	bool sets_ttl;
};

static int64_t own_resolve(const struct aion_resolve_query *query, void *arg, struct aion_address *ret_addresses,
			   int64_t *ret_ttl_ns)
{
	struct own *own = arg;
	int nr = atoi(query->host);
	int64_t result;

	own->call_nr++;
	cr_assert_lt(*ret_ttl_ns, 0);
	if (own->sets_ttl)
		*ret_ttl_ns = own->ttl_ns;
	result = strchr(query->host, ' ') ? aion_event_wait(&own->gate) : 0;
	if (result < 0) {
		own->cancelled_nr++;
		return result;
	}
	for (int i = 0; i < nr; i++) {
		ret_addresses[i] = (struct aion_address){.size = sizeof(struct sockaddr_in)};
		ret_addresses[i].in4.sin_family = AF_INET;
		ret_addresses[i].in4.sin_port = htons((uint16_t)atoi(query->service));
		ret_addresses[i].in4.sin_addr.s_addr = htonl(0x7f000200U + (unsigned)i);
	}
	return nr;
}

static struct aion_resolver *own_make(struct own *own, struct aion_resolver_options options)
{
	struct aion_resolver *resolver;

	options.fn = own_resolve;
	options.arg = own;
	aion_event_init(&own->gate);
	cr_assert_eq(aion_resolver_create(&options, &resolver), 0);
	return resolver;
}

TASK_TEST(resolve_cache, own_function_is_asked_and_its_answer_kept)
{
	struct own own = {0};
	struct aion_resolver *resolver = own_make(&own, (struct aion_resolver_options){0});
	struct test_question question = {.resolver = resolver, .host = "3"};

	for (int i = 0; i < 3; i++) {
		test_ask(&question);
		assert_result(question.result, 3);
		cr_assert_str_eq(test_address_text(&question.addresses[2]), "127.0.2.2 80");
	}
	cr_assert_eq(own.call_nr, 1);
	cr_assert_eq(test_resolver_stats(resolver).hit_nr, 2);
	cr_assert_eq(test_resolver_stats(resolver).nr, 1);
	assert_result(test_ask_for(resolver, "127.0.0.1"), 1);
	cr_assert_eq(own.call_nr, 1, "a number needs nobody");
	aion_resolver_destroy(resolver);
	aion_resolver_destroy(NULL);
}

TASK_TEST(resolve_cache, every_part_of_a_question_tells_answers_apart)
{
	static const struct aion_resolve_query queries[] = {
		{.host = "1", .service = "80"},
		{.host = "1", .service = "81"},
		{.host = "01", .service = "80"},
		{.host = "1", .service = "80", .family = AF_INET},
		{.host = "1", .service = "80", .type = SOCK_DGRAM},
		{.host = "1", .service = "80", .flags = AI_ADDRCONFIG},
	};
	const size_t nr = sizeof(queries) / sizeof(queries[0]);
	struct own own = {0};
	struct aion_resolver *resolver = own_make(&own, (struct aion_resolver_options){0});
	struct aion_address address;

	for (size_t i = 0; i < 2 * nr; i++)
		assert_result(aion_resolve(resolver, &queries[i % nr], &address, 1), 1);
	cr_assert_eq(own.call_nr, (int)nr);
	cr_assert_eq(test_resolver_stats(resolver).hit_nr, nr);
	aion_resolver_destroy(resolver);
}

TASK_TEST(resolve_cache, answers_grow_old)
{
	struct own own = {0};
	struct aion_resolver *resolver =
		own_make(&own, (struct aion_resolver_options){.ttl_ns = 5 * MS, .negative_ttl_ns = 1000 * AION_SECOND});

	assert_result(test_ask_for(resolver, "1"), 1);
	assert_result(test_ask_for(resolver, "-6"), -ENXIO);
	aion_sleep(6 * MS);
	assert_result(test_ask_for(resolver, "1"), 1);
	assert_result(test_ask_for(resolver, "-6"), -ENXIO);
	cr_assert_eq(own.call_nr, 3);
	cr_assert_eq(test_resolver_stats(resolver).expired_nr, 1);
	cr_assert_eq(test_resolver_stats(resolver).fail_nr, 1);
	aion_resolver_destroy(resolver);
}

TASK_TEST(resolve_cache, own_function_may_say_how_long)
{
	struct own own = {.sets_ttl = true, .ttl_ns = 0};
	struct aion_resolver *resolver = own_make(&own, (struct aion_resolver_options){0});

	assert_result(test_ask_for(resolver, "1"), 1);
	assert_result(test_ask_for(resolver, "1"), 1);
	cr_assert_eq(own.call_nr, 2);
	own.ttl_ns = AION_NEVER;
	assert_result(test_ask_for(resolver, "-11"), -EAGAIN);
	assert_result(test_ask_for(resolver, "-11"), -EAGAIN);
	cr_assert_eq(own.call_nr, 3);
	aion_resolver_destroy(resolver);
}

TASK_TEST(resolve_cache, only_missing_names_are_remembered_among_errors)
{
	struct own own = {0};
	struct aion_resolver *resolver = own_make(&own, (struct aion_resolver_options){0});

	for (int i = 0; i < 2; i++) {
		assert_result(test_ask_for(resolver, "-6"), -ENXIO);
		assert_result(test_ask_for(resolver, "0"), -ENODATA);
	}
	cr_assert_eq(own.call_nr, 2);
	for (int i = 0; i < 2; i++) {
		assert_result(test_ask_for(resolver, "-11"), -EAGAIN);
		assert_result(test_ask_for(resolver, "-12"), -ENOMEM);
	}
	cr_assert_eq(own.call_nr, 6);
	aion_resolver_destroy(resolver);
}

TASK_TEST(resolve_cache, negative_times_remember_nothing)
{
	struct own own = {0};
	struct aion_resolver *resolver =
		own_make(&own, (struct aion_resolver_options){.ttl_ns = -1, .negative_ttl_ns = -1});

	for (int i = 0; i < 2; i++) {
		assert_result(test_ask_for(resolver, "-6"), -ENXIO);
		assert_result(test_ask_for(resolver, "2"), 2);
	}
	cr_assert_eq(own.call_nr, 4);
	cr_assert_eq(test_resolver_stats(resolver).nr, 0);
	aion_resolver_destroy(resolver);
}

TASK_TEST(resolve_cache, least_recently_used_goes_first)
{
	struct own own = {0};
	struct aion_resolver *resolver = own_make(&own, (struct aion_resolver_options){.capacity = 20});
	char host[16];

	for (int i = 0; i < 30; i++) {
		snprintf(host, sizeof(host), "1-%d", i);
		assert_result(test_ask_for(resolver, host), 1);
		assert_result(test_ask_for(resolver, "1-0"), 1);
		cr_assert_leq(test_resolver_stats(resolver).nr, 20);
	}
	cr_assert_eq(own.call_nr, 30);
	cr_assert_eq(test_resolver_stats(resolver).evicted_nr, 10);
	for (int i = 11; i < 30; i++) {
		snprintf(host, sizeof(host), "1-%d", i);
		assert_result(test_ask_for(resolver, host), 1);
	}
	cr_assert_eq(own.call_nr, 30);
	assert_result(test_ask_for(resolver, "1-10"), 1);
	cr_assert_eq(own.call_nr, 31);
	aion_resolver_destroy(resolver);
}

TASK_TEST(resolve_cache, cleared_it_asks_anew)
{
	struct own own = {0};
	struct aion_resolver *resolver = own_make(&own, (struct aion_resolver_options){0});

	assert_result(test_ask_for(resolver, "1"), 1);
	assert_result(test_ask_for(resolver, "2"), 2);
	aion_resolver_clear(resolver);
	cr_assert_eq(test_resolver_stats(resolver).nr, 0);
	assert_result(test_ask_for(resolver, "1"), 1);
	cr_assert_eq(own.call_nr, 3);
	aion_resolver_destroy(resolver);
}

/* ---- several at a time */

TASK_TEST(resolve_share, one_look_up_serves_all_who_ask_meanwhile)
{
	struct own own = {0};
	struct aion_resolver *resolver = own_make(&own, (struct aion_resolver_options){0});
	struct askers askers;

	askers_start(&askers, resolver, "2 later");
	aion_yield();
	aion_event_set(&own.gate);
	askers_end(&askers, 0, 2);
	for (int i = 0; i < ASKER_NR; i++)
		cr_assert_str_eq(test_address_text(&askers.questions[i].addresses[1]), "127.0.2.1 80");
	cr_assert_eq(own.call_nr, 1);
	cr_assert_eq(test_resolver_stats(resolver).join_nr, ASKER_NR - 1);
	aion_event_clear(&own.gate);
	askers_start(&askers, resolver, "-11 later");
	aion_yield();
	aion_event_set(&own.gate);
	askers_end(&askers, 0, -EAGAIN);
	cr_assert_eq(own.call_nr, 2);
	aion_resolver_destroy(resolver);
}

TASK_TEST(resolve_share, cancelled_leader_leaves_the_look_up_to_the_next)
{
	struct own own = {0};
	struct aion_resolver *resolver = own_make(&own, (struct aion_resolver_options){0});
	struct askers askers;

	askers_start(&askers, resolver, "2 later");
	aion_yield();
	aion_handle_cancel(&askers.handles[0]);
	aion_handle_cancel(&askers.handles[1]);
	while (own.call_nr < 2)
		aion_yield();
	aion_handle_cancel(&askers.handles[2]);
	while (own.call_nr < 3)
		aion_yield();
	aion_event_set(&own.gate);
	askers_end(&askers, 3, 2);
	for (int i = 0; i < 3; i++)
		assert_result(askers.questions[i].result, -ECANCELED);
	cr_assert_eq(own.call_nr, 3, "the first, the third, the fourth");
	cr_assert_eq(own.cancelled_nr, 2);
	cr_assert_eq(test_resolver_stats(resolver).nr, 1);
	cr_assert_eq(test_resolver_stats(resolver).pending_nr, 0);
	aion_resolver_destroy(resolver);
}

TASK_TEST(resolve_share, cancelled_together_they_leave_nothing)
{
	struct own own = {0};
	struct aion_resolver *resolver = own_make(&own, (struct aion_resolver_options){0});
	struct askers askers;

	askers_start(&askers, resolver, "2 never");
	aion_yield();
	aion_group_cancel(&askers.group);
	askers_end(&askers, 0, -ECANCELED);
	cr_assert_eq(test_resolver_stats(resolver).pending_nr, 0);
	cr_assert_eq(test_resolver_stats(resolver).nr, 0);
	aion_resolver_destroy(resolver);
}

TASK_TEST(resolve_share, cleared_meanwhile_it_serves_those_who_wait_and_is_not_kept)
{
	struct own own = {0};
	struct aion_resolver *resolver = own_make(&own, (struct aion_resolver_options){0});
	struct askers askers;

	askers_start(&askers, resolver, "2 later");
	aion_yield();
	aion_resolver_clear(resolver);
	cr_assert_eq(test_resolver_stats(resolver).pending_nr, 1);
	aion_event_set(&own.gate);
	assert_result(test_ask_for(resolver, "2 later"), 2);
	askers_end(&askers, 0, 2);
	cr_assert_eq(own.call_nr, 2);
	cr_assert_eq(test_resolver_stats(resolver).nr, 1);
	aion_resolver_destroy(resolver);
}

static int64_t ask_oneself(const struct aion_resolve_query *query, void *arg, struct aion_address *ret_addresses,
			   int64_t *ret_ttl_ns)
{
	(void)ret_ttl_ns;
	return aion_resolve(*(struct aion_resolver **)arg, query, ret_addresses, 1);
}

TASK_TEST(resolve_share, own_function_that_asks_for_the_same_thing)
{
	struct aion_resolver *resolver;
	const struct aion_resolver_options options = {.fn = ask_oneself, .arg = &resolver};

	cr_assert_eq(aion_resolver_create(&options, &resolver), 0);
	assert_result(test_ask_for(resolver, "1"), -EDEADLK);
	cr_assert_eq(test_resolver_stats(resolver).nr, 0);
	aion_resolver_destroy(resolver);
}

static int64_t destroy_while_asked(void *unused)
{
	struct own own = {0};
	struct aion_resolver *resolver = own_make(&own, (struct aion_resolver_options){0});
	struct askers askers;

	(void)unused;
	askers_start(&askers, resolver, "2 never");
	aion_yield();
	aion_resolver_destroy(resolver);
	return 0;
}

Test(resolve_share, destroyed_under_those_who_wait_it_aborts)
{
	test_task_aborts(destroy_while_asked, "resolver destroyed while a task waits for an address");
}
