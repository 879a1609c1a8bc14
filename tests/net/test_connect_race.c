/* SPDX-License-Identifier: MIT */
/* Happy eyeballs: who is tried when, who wins, what is left of the others. */
#include "test_connect.h"

#include "connect_int.h"

#define HOUR (3600 * AION_SECOND)

static struct aion_connect_options options_for(struct test_host *host, struct aion_connect_report *report)
{
	return (struct aion_connect_options){.resolver = host->resolver, .report = report, .attempt_delay_ns = HOUR};
}

/* ---- the order */

static void interleave(const char *families, const char *order)
{
	struct aion_address addresses[AION_RESOLVE_MAX] = {0};
	size_t nr = strlen(families), indices[AION_CONNECT_MAX];
	char text[AION_CONNECT_MAX + 1] = {0};

	for (size_t i = 0; i < nr; i++)
		addresses[i].any.sa_family = families[i] == '6' ? AF_INET6 : AF_INET;
	nr = aion__connect_interleave(addresses, nr, indices);
	for (size_t i = 0; i < nr; i++)
		text[i] = (char)('a' + indices[i]);
	cr_assert_str_eq(text, order, "%s: %s, not %s", families, text, order);
}

Test(connect_order, families_alternate)
{
	interleave("", "");
	interleave("4", "a");
	interleave("64", "ab");
	interleave("6644", "acbd");
	interleave("4466", "acbd");
	interleave("666644", "aebfcd");
	interleave("466", "abc");
	interleave("4664", "abdc");
	interleave("4444", "abcd");
}

Test(connect_order, of_many_a_part_of_each_family_is_left)
{
	struct aion_address addresses[AION_RESOLVE_MAX] = {0};
	size_t order[AION_CONNECT_MAX];

	for (size_t i = 0; i < AION_RESOLVE_MAX; i++)
		addresses[i].any.sa_family = i < AION_RESOLVE_MAX - 2 ? AF_INET6 : AF_INET;
	cr_assert_eq(aion__connect_interleave(addresses, AION_RESOLVE_MAX, order), AION_CONNECT_MAX);
	cr_assert_eq(order[1], AION_RESOLVE_MAX - 2);
	cr_assert_eq(order[3], AION_RESOLVE_MAX - 1);
	cr_assert_eq(order[AION_CONNECT_MAX - 1], AION_CONNECT_MAX - 3);
}

/* ---- the race */

TASK_TEST(connect_race, next_address_is_tried_when_one_refuses)
{
	TEST_HOST(host);
	struct aion_connect_report report;
	struct aion_connect_options options = options_for(&host, &report);
	struct aion_address peer;
	int fds[4];

	test_machine_be_prompt();
	fds[0] = test_refuse("127.0.0.2", &host.addresses[0]);
	fds[1] = test_refuse("127.0.0.3", &host.addresses[1]);
	fds[2] = test_listen("127.0.0.4", 4, &host.addresses[2]);
	host.nr = 3;
	fds[3] = (int)aion_connect_host("three", "80", &options);
	cr_assert_geq(fds[3], 0);
	assert_result(aion_address_of_peer(fds[3], &peer), 0);
	cr_assert(aion_address_is_equal(&peer, &host.addresses[2]));
	cr_assert_eq(report.attempt_nr, 3);
	for (int i = 0; i < 3; i++) {
		cr_assert(aion_address_is_equal(&report.attempts[i].address, &host.addresses[i]));
		assert_result(report.attempts[i].result, i < 2 ? -ECONNREFUSED : 0);
	}
	test_close(fds, 4);
}

TASK_TEST(connect_race, next_address_is_tried_when_one_does_not_answer)
{
	TEST_HOST(host);
	struct aion_connect_report report;
	struct aion_connect_options options = options_for(&host, &report);
	int fds[6], lowest;

	test_machine_be_prompt();
	test_hang("127.0.0.2", &fds[0], &host.addresses[0]);
	test_hang("127.0.0.3", &fds[2], &host.addresses[1]);
	fds[4] = test_listen("127.0.0.4", 4, &host.addresses[2]);
	host.nr = 3;
	options.attempt_delay_ns = 2 * MS;
	lowest = test_lowest_fd();
	fds[5] = (int)aion_connect_host("three", "80", &options);
	cr_assert_geq(fds[5], 0);
	cr_assert_eq(report.attempt_nr, 3);
	assert_result(report.attempts[0].result, -ECANCELED);
	assert_result(report.attempts[1].result, -ECANCELED);
	assert_result(report.attempts[2].result, 0);
	cr_assert_eq(test_stats().in_flight_nr, 0);
	assert_result(aion_close(fds[5]), 0);
	cr_assert_eq(test_lowest_fd(), lowest, "the others are closed");
	test_close(fds, 5);
}

TASK_TEST(connect_race, head_start_is_a_quarter_of_a_second)
{
	TEST_HOST(host);
	struct aion_connect_report report;
	struct aion_connect_options options = {.resolver = host.resolver, .report = &report};
	int64_t start_ns;
	int fds[4];

	test_machine_be_prompt();
	test_hang("127.0.0.2", &fds[0], &host.addresses[0]);
	fds[2] = test_listen("127.0.0.4", 4, &host.addresses[1]);
	host.nr = 2;
	start_ns = aion_now();
	fds[3] = (int)aion_connect_host("two", "80", &options);
	cr_assert_geq(fds[3], 0);
	cr_assert_geq(aion_now() - start_ns, 250 * MS);
	cr_assert_eq(report.attempt_nr, 2);
	test_close(fds, 4);
}

static int64_t accept_later(void *arg)
{
	aion_sleep(5 * MS);
	return aion_accept4(*(int *)arg, NULL, NULL, SOCK_CLOEXEC);
}

/* TCP asks again after a second. */
TASK_TEST(connect_race, one_that_began_earlier_may_still_win)
{
	TEST_HOST(host);
	struct aion_connect_report report;
	struct aion_connect_options options = options_for(&host, &report);
	struct aion_handle handle;
	struct aion_group group;
	int fds[6], lowest;

	test_machine_be_prompt();
	test_hang("127.0.0.2", &fds[0], &host.addresses[0]);
	test_hang("127.0.0.3", &fds[2], &host.addresses[1]);
	host.nr = 2;
	options.attempt_delay_ns = MS;
	lowest = test_lowest_fd();
	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, accept_later, &fds[0]);
	fds[4] = (int)aion_connect_host("two", "80", &options);
	cr_assert_geq(fds[4], 0);
	fds[5] = (int)aion_await(&handle.future);
	cr_assert_geq(fds[5], 0);
	aion_group_leave(&group, 0);
	cr_assert_eq(report.attempt_nr, 2);
	assert_result(report.attempts[0].result, 0);
	assert_result(report.attempts[1].result, -ECANCELED);
	test_close(&fds[4], 2);
	cr_assert_eq(test_lowest_fd(), lowest);
	test_close(fds, 4);
}

TASK_TEST(connect_race, all_that_could_be_said_of_a_failure)
{
	TEST_HOST(host);
	struct aion_connect_report report;
	struct aion_connect_options options = options_for(&host, &report);
	int fds[2];

	test_machine_be_prompt();
	host.addresses[0] = test_ip("255.255.255.255", 80);
	fds[0] = test_refuse("127.0.0.2", &host.addresses[1]);
	fds[1] = test_refuse("127.0.0.3", &host.addresses[2]);
	host.nr = 3;
	assert_result(aion_connect_host("three", "80", &options), -ECONNREFUSED);
	cr_assert_eq(report.attempt_nr, 3);
	assert_result(report.attempts[0].result, -ENETUNREACH);
	assert_result(report.attempts[1].result, -ECONNREFUSED);
	assert_result(report.attempts[2].result, -ECONNREFUSED);
	host.nr = 1;
	assert_result(aion_connect_host("one", "80", &options), -ENETUNREACH);
	cr_assert_eq(report.attempt_nr, 1);
	test_close(fds, 2);
}

TASK_TEST(connect_race, from_one_family_to_the_other)
{
	TEST_HOST(host);
	struct aion_connect_report report;
	struct aion_connect_options options = options_for(&host, &report);
	int fds[4];

	TEST_NEEDS_IP6();
	test_machine_be_prompt();
	fds[0] = test_refuse("::1", &host.addresses[0]);
	fds[1] = test_refuse("::1", &host.addresses[1]);
	fds[2] = test_listen("127.0.0.4", 4, &host.addresses[2]);
	host.nr = 3;
	fds[3] = (int)aion_connect_host("three", "80", &options);
	cr_assert_geq(fds[3], 0);
	cr_assert_eq(report.attempt_nr, 2, "the other family was next");
	test_close(fds, 4);
}

TASK_TEST(connect_race, host_with_ip6_only)
{
	TEST_HOST(host);
	struct aion_connect_options options = options_for(&host, NULL);
	struct aion_address peer;
	int fds[2];

	TEST_NEEDS_IP6();
	fds[0] = test_listen("::1", 4, &host.addresses[0]);
	host.nr = 1;
	fds[1] = (int)aion_connect_host("one", "80", &options);
	cr_assert_geq(fds[1], 0);
	assert_result(aion_address_of_peer(fds[1], &peer), 0);
	cr_assert(aion_address_is_equal(&peer, &host.addresses[0]));
	test_close(fds, 2);
}

TASK_TEST(connect_race, known_addresses_race_in_the_same_way)
{
	struct aion_address addresses[2];
	int fds[3];

	fds[0] = test_refuse("127.0.0.2", &addresses[0]);
	fds[1] = test_listen("127.0.0.4", 4, &addresses[1]);
	fds[2] = (int)aion_connect_addresses(addresses, 2, NULL);
	cr_assert_geq(fds[2], 0);
	assert_result(aion_connect_addresses(addresses, 1, NULL), -ECONNREFUSED);
	test_close(fds, 3);
}

/* ---- deadlines and cancellations */

TASK_TEST(connect_cancel, deadline_passes_in_the_look_up)
{
	TEST_HOST(host);
	struct aion_connect_report report;
	struct aion_connect_options options = options_for(&host, &report);
	struct aion_scope scope;
	int lowest = test_lowest_fd();

	host.wait_ns = HOUR;
	aion_scope_enter(&scope, aion_after(2 * MS));
	assert_result(aion_connect_host("slow", "80", &options), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert_eq(report.attempt_nr, 0);
	cr_assert_eq(test_lowest_fd(), lowest);
}

SPARED_TEST(connect_cancel, deadline_passes_in_the_attempts)
{
	TEST_HOST(host);
	struct aion_connect_report report;
	struct aion_connect_options options = options_for(&host, &report);
	struct aion_scope scope;
	int fds[4], lowest;

	test_hang("127.0.0.2", &fds[0], &host.addresses[0]);
	test_hang("127.0.0.3", &fds[2], &host.addresses[1]);
	host.nr = 2;
	options.attempt_delay_ns = MS;
	lowest = test_lowest_fd();
	aion_scope_enter(&scope, aion_after(100 * MS));
	assert_result(aion_connect_host("two", "80", &options), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert_eq(report.attempt_nr, 2);
	assert_result(report.attempts[0].result, -ECANCELED);
	assert_result(report.attempts[1].result, -ECANCELED);
	cr_assert_eq(test_stats().in_flight_nr, 0);
	cr_assert_eq(test_lowest_fd(), lowest);
	test_close(fds, 4);
}

TASK_TEST(connect_cancel, cancelled_scope_refuses)
{
	TEST_HOST(host);
	struct aion_connect_report report = {.attempt_nr = 4711};
	struct aion_connect_options options = options_for(&host, &report);
	struct aion_scope scope;

	host.addresses[0] = test_ip("127.0.0.2", 1);
	host.nr = 1;
	test_enter_cancelled(&scope);
	assert_result(aion_connect_host("one", "80", &options), -ECANCELED);
	cr_assert_eq(report.attempt_nr, 0);
	report.attempt_nr = 4711;
	assert_result(aion_connect_addresses(host.addresses, 1, &options), -ECANCELED);
	cr_assert_eq(report.attempt_nr, 0);
	assert_result(aion_connect_unix("@x", &options), -ECANCELED);
	aion_scope_leave(&scope);
}

static int64_t connect_to_host(void *arg)
{
	struct test_host *host = arg;
	struct aion_connect_options options = options_for(host, NULL);

	options.attempt_delay_ns = MS;
	return aion_connect_host("some", "80", &options);
}

/* The n-th turn of the loop after the beginning is when the cancellation comes. */
static int64_t cancel_after(struct test_host *host, int turn_nr)
{
	struct aion_handle handle;
	struct aion_group group;
	int64_t result;

	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, connect_to_host, host);
	for (int i = 0; i < turn_nr && !aion_future_is_done(&handle.future); i++)
		aion_nop();
	aion_handle_cancel(&handle);
	result = aion_await(&handle.future);
	aion_group_leave(&group, 0);
	return result;
}

/* Through the look-up, two refusals, one that does not answer and one that does: wherever it is cut short, it is a
 * connection or nothing. */
SPARED_TEST(connect_cancel, at_every_await_nothing_is_left)
{
	TEST_HOST(host);
	int fds[6], lowest, connected_nr = 0, cancelled_nr = 0;

	fds[0] = test_refuse("127.0.0.2", &host.addresses[0]);
	fds[1] = test_refuse("127.0.0.3", &host.addresses[1]);
	test_hang("127.0.0.4", &fds[2], &host.addresses[2]);
	fds[4] = test_listen("127.0.0.5", 128, &host.addresses[3]);
	host.nr = 4;
	host.wait_ns = 10000;
	lowest = test_lowest_fd();
	for (int turn_nr = 0; turn_nr < 4000 && connected_nr < 3; turn_nr += turn_nr < 60 ? 1 : turn_nr / 10) {
		int64_t result = cancel_after(&host, turn_nr);

		if (result >= 0) {
			connected_nr++;
			assert_result(aion_close((int)result), 0);
		} else {
			cancelled_nr++;
			assert_result(result, -ECANCELED);
		}
		cr_assert_eq(test_lowest_fd(), lowest, "after %d turns", turn_nr);
		cr_assert_eq(test_stats().in_flight_nr, 0);
	}
	cr_assert_geq(cancelled_nr, 10);
	test_close(fds, 5);
}
