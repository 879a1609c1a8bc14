/* SPDX-License-Identifier: MIT */
/* Look-ups by getaddrinfo() that those who began them have left. */
#include "test_resolve.h"

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
	stats = test_resolver_stats(resolver);
	cr_assert_eq(stats.pending_nr, 1, "all have left, and it goes on");
	fake_release();
	assert_result(test_ask_for(resolver, "slow.test"), 2);
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
	cr_assert_eq(test_resolver_stats(resolver).miss_nr, 2, "withdrawn, and begun anew");
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
	cr_assert_eq(test_resolver_stats(outlives).pending_nr, 0);
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
	assert_result(test_ask_for(resolver, "x.test"), 2);
	cr_assert_eq(fake_look().call_nr, 1);
	cr_assert_eq(test_resolver_stats(resolver).nr, 1);
	aion_resolver_destroy(resolver);
}
