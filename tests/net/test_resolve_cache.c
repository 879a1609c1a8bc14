/* SPDX-License-Identifier: MIT */
/* A resolver: what it remembers, whom it asks, who waits with whom. */
#include "test_resolve.h"

#define MS AION_MILLISECOND

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

static struct aion_resolver_stats stats_of(const struct aion_resolver *resolver)
{
	struct aion_resolver_stats stats;

	aion_resolver_stats(resolver, &stats);
	return stats;
}

static int64_t ask(struct aion_resolver *resolver, const char *host)
{
	struct test_question question = {.resolver = resolver, .host = host};

	test_ask(&question);
	return question.result;
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
	cr_assert_eq(stats_of(resolver).hit_nr, 2);
	cr_assert_eq(stats_of(resolver).nr, 1);
	assert_result(ask(resolver, "127.0.0.1"), 1);
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
	cr_assert_eq(stats_of(resolver).hit_nr, nr);
	aion_resolver_destroy(resolver);
}

TASK_TEST(resolve_cache, answers_grow_old)
{
	struct own own = {0};
	struct aion_resolver *resolver =
		own_make(&own, (struct aion_resolver_options){.ttl_ns = 5 * MS, .negative_ttl_ns = 1000 * AION_SECOND});

	assert_result(ask(resolver, "1"), 1);
	assert_result(ask(resolver, "-6"), -ENXIO);
	aion_sleep(6 * MS);
	assert_result(ask(resolver, "1"), 1);
	assert_result(ask(resolver, "-6"), -ENXIO);
	cr_assert_eq(own.call_nr, 3);
	cr_assert_eq(stats_of(resolver).expired_nr, 1);
	cr_assert_eq(stats_of(resolver).fail_nr, 1);
	aion_resolver_destroy(resolver);
}

TASK_TEST(resolve_cache, own_function_may_say_how_long)
{
	struct own own = {.sets_ttl = true, .ttl_ns = 0};
	struct aion_resolver *resolver = own_make(&own, (struct aion_resolver_options){0});

	assert_result(ask(resolver, "1"), 1);
	assert_result(ask(resolver, "1"), 1);
	cr_assert_eq(own.call_nr, 2);
	own.ttl_ns = AION_NEVER;
	assert_result(ask(resolver, "-11"), -EAGAIN);
	assert_result(ask(resolver, "-11"), -EAGAIN);
	cr_assert_eq(own.call_nr, 3);
	aion_resolver_destroy(resolver);
}

TASK_TEST(resolve_cache, only_missing_names_are_remembered_among_errors)
{
	struct own own = {0};
	struct aion_resolver *resolver = own_make(&own, (struct aion_resolver_options){0});

	for (int i = 0; i < 2; i++) {
		assert_result(ask(resolver, "-6"), -ENXIO);
		assert_result(ask(resolver, "0"), -ENODATA);
	}
	cr_assert_eq(own.call_nr, 2);
	for (int i = 0; i < 2; i++) {
		assert_result(ask(resolver, "-11"), -EAGAIN);
		assert_result(ask(resolver, "-12"), -ENOMEM);
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
		assert_result(ask(resolver, "-6"), -ENXIO);
		assert_result(ask(resolver, "2"), 2);
	}
	cr_assert_eq(own.call_nr, 4);
	cr_assert_eq(stats_of(resolver).nr, 0);
	aion_resolver_destroy(resolver);
}

TASK_TEST(resolve_cache, least_recently_used_goes_first)
{
	struct own own = {0};
	struct aion_resolver *resolver = own_make(&own, (struct aion_resolver_options){.capacity = 20});
	char host[16];

	for (int i = 0; i < 30; i++) {
		snprintf(host, sizeof(host), "1-%d", i);
		assert_result(ask(resolver, host), 1);
		assert_result(ask(resolver, "1-0"), 1);
		cr_assert_leq(stats_of(resolver).nr, 20);
	}
	cr_assert_eq(own.call_nr, 30);
	cr_assert_eq(stats_of(resolver).evicted_nr, 10);
	for (int i = 11; i < 30; i++) {
		snprintf(host, sizeof(host), "1-%d", i);
		assert_result(ask(resolver, host), 1);
	}
	cr_assert_eq(own.call_nr, 30);
	assert_result(ask(resolver, "1-10"), 1);
	cr_assert_eq(own.call_nr, 31);
	aion_resolver_destroy(resolver);
}

TASK_TEST(resolve_cache, cleared_it_asks_anew)
{
	struct own own = {0};
	struct aion_resolver *resolver = own_make(&own, (struct aion_resolver_options){0});

	assert_result(ask(resolver, "1"), 1);
	assert_result(ask(resolver, "2"), 2);
	aion_resolver_clear(resolver);
	cr_assert_eq(stats_of(resolver).nr, 0);
	assert_result(ask(resolver, "1"), 1);
	cr_assert_eq(own.call_nr, 3);
	aion_resolver_destroy(resolver);
}

/* ---- several at a time */

#define ASKER_NR 8

struct askers {
	struct aion_group group;
	struct test_question questions[ASKER_NR];
	struct aion_handle handles[ASKER_NR];
};

static void askers_start(struct askers *askers, struct aion_resolver *resolver, const char *host)
{
	aion_group_enter(&askers->group);
	for (int i = 0; i < ASKER_NR; i++) {
		askers->questions[i] = (struct test_question){.resolver = resolver, .host = host};
		aion_spawn_into(&askers->group, &askers->handles[i], NULL, test_ask, &askers->questions[i]);
	}
}

static void askers_end(struct askers *askers, int first, int64_t result)
{
	assert_result(aion_group_leave(&askers->group, 0), 0);
	for (int i = first; i < ASKER_NR; i++)
		assert_result(askers->questions[i].result, result);
}

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
	cr_assert_eq(stats_of(resolver).join_nr, ASKER_NR - 1);
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
	cr_assert_eq(stats_of(resolver).nr, 1);
	cr_assert_eq(stats_of(resolver).pending_nr, 0);
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
	cr_assert_eq(stats_of(resolver).pending_nr, 0);
	cr_assert_eq(stats_of(resolver).nr, 0);
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
	cr_assert_eq(stats_of(resolver).pending_nr, 1);
	aion_event_set(&own.gate);
	assert_result(ask(resolver, "2 later"), 2);
	askers_end(&askers, 0, 2);
	cr_assert_eq(own.call_nr, 2);
	cr_assert_eq(stats_of(resolver).nr, 1);
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
	assert_result(ask(resolver, "1"), -EDEADLK);
	cr_assert_eq(stats_of(resolver).nr, 0);
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

/* ---- getaddrinfo() */

static int64_t look_up_goes_on(void *unused)
{
	struct aion_resolver *resolver;
	struct aion_resolver_stats stats;
	struct askers askers;

	(void)unused;
	fake_answer(0, 0, 2);
	fake_hold();
	cr_assert_eq(aion_resolver_create(NULL, &resolver), 0);
	askers_start(&askers, resolver, "slow.test");
	fake_await_inside(1);
	aion_handle_cancel(&askers.handles[0]);
	aion_await(&askers.handles[0].future);
	assert_result(askers.questions[0].result, -ECANCELED);
	fake_release();
	askers_end(&askers, 1, 2);
	cr_assert_eq(fake_look().call_nr, 1, "who began it left, and it went on");

	aion_resolver_clear(resolver);
	fake_hold();
	askers_start(&askers, resolver, "slow.test");
	fake_await_inside(1);
	aion_group_cancel(&askers.group);
	askers_end(&askers, 0, -ECANCELED);
	stats = stats_of(resolver);
	cr_assert_eq(stats.pending_nr, 1, "all have left, and it goes on");
	fake_release();
	assert_result(ask(resolver, "slow.test"), 2);
	cr_assert_eq(fake_look().call_nr, 2);
	aion_resolver_destroy(resolver);
	return 0;
}

Test(resolve_system_share, look_up_goes_on_when_those_who_wait_leave)
{
	TEST_NEEDS_KERNEL("a thread stays in the call until it is told to end");
	test_allocator_count();
	cr_assert_eq(aion_run(look_up_goes_on, NULL, NULL), 0);
	cr_assert_eq(test_allocator_in_use_nr(), 0);
}

/* One worker thread, which another name holds: the look-up queues. */
static int64_t leader_leaves_the_queue(void *unused)
{
	struct test_question other = {.host = "other.test"};
	struct aion_resolver *resolver;
	struct aion_group group;
	struct askers askers;

	(void)unused;
	fake_answer(0, 0, 2);
	fake_hold();
	cr_assert_eq(aion_resolver_create(NULL, &resolver), 0);
	aion_group_enter(&group);
	aion_spawn(&group, test_ask, &other);
	fake_await_inside(1);
	askers_start(&askers, resolver, "queued.test");
	aion_sleep(MS);
	aion_handle_cancel(&askers.handles[0]);
	aion_await(&askers.handles[0].future);
	assert_result(askers.questions[0].result, -ECANCELED);
	aion_sleep(MS);
	cr_assert_eq(stats_of(resolver).miss_nr, 2, "withdrawn, and begun anew");
	fake_release();
	askers_end(&askers, 1, 2);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(fake_look().call_nr, 2);
	aion_resolver_destroy(resolver);
	return 0;
}

Test(resolve_system_share, look_up_that_queues_is_taken_over)
{
	const struct aion_loop_options options = {.worker_max = 1};

	TEST_NEEDS_KERNEL("a thread stays in the call until it is told to end");
	test_allocator_count();
	cr_assert_eq(aion_run(leader_leaves_the_queue, NULL, &options), 0);
	cr_assert_eq(test_allocator_in_use_nr(), 0);
}

/* A thread is in the call afterwards, and nobody waits for it. */
static void ask_and_leave(struct aion_resolver *resolver)
{
	struct test_question question = {.resolver = resolver, .host = "slow.test"};
	struct aion_group group;

	fake_answer(0, 0, 2);
	fake_hold();
	aion_group_enter(&group);
	aion_spawn(&group, test_ask, &question);
	fake_await_inside(1);
	aion_group_cancel(&group);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(question.result, -ECANCELED);
}

static int64_t leave_look_up_behind(void *unused)
{
	struct aion_resolver *resolver;

	(void)unused;
	cr_assert_eq(aion_resolver_create(NULL, &resolver), 0);
	ask_and_leave(resolver);
	aion_resolver_destroy(resolver);
	fake_release();
	return 0;
}

Test(resolve_system_share, resolver_and_loop_go_before_the_look_up)
{
	TEST_NEEDS_KERNEL("a thread stays in the call until it is told to end");
	test_allocator_count();
	cr_assert_eq(aion_run(leave_look_up_behind, NULL, NULL), 0);
	cr_assert_eq(test_allocator_in_use_nr(), 0);
}

static struct aion_resolver *outlives;

static int64_t leave_resolver_behind(void *unused)
{
	(void)unused;
	cr_assert_eq(aion_resolver_create(NULL, &outlives), 0);
	ask_and_leave(outlives);
	fake_release();
	return 0;
}

Test(resolve_system_share, loop_goes_before_the_resolver)
{
	TEST_NEEDS_KERNEL("a thread stays in the call until it is told to end");
	test_allocator_count();
	cr_assert_eq(aion_run(leave_resolver_behind, NULL, NULL), 0);
	cr_assert_eq(stats_of(outlives).pending_nr, 0);
	aion_resolver_destroy(outlives);
	cr_assert_eq(test_allocator_in_use_nr(), 0);
}

TASK_TEST(resolve_system_share, answers_are_kept)
{
	struct aion_resolver *resolver;
	struct askers askers;

	fake_answer(0, 0, 2);
	cr_assert_eq(aion_resolver_create(NULL, &resolver), 0);
	askers_start(&askers, resolver, "x.test");
	askers_end(&askers, 0, 2);
	assert_result(ask(resolver, "x.test"), 2);
	cr_assert_eq(fake_look().call_nr, 1);
	cr_assert_eq(stats_of(resolver).nr, 1);
	aion_resolver_destroy(resolver);
}
