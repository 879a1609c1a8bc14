/* SPDX-License-Identifier: MIT */
/* An intake of datagrams: what comes, in order and whole, and nothing is lost that was not lost in the socket. */
#include <sys/un.h>

#include "test_datagram.h"

#include "fault_int.h"

TASK_TEST(datagram_receive, each_comes_by_itself_with_its_sender)
{
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_address addresses[3];
	struct aion_datagram datagrams[4];
	int fds[3];

	test_machine_be_prompt();
	for (int i = 0; i < 3; i++)
		fds[i] = test_udp(&addresses[i]);
	assert_result(aion_datagram_open(&intake, fds[0], NULL), 0);
	for (int i = 1; i < 3; i++) {
		assert_result(aion_sendto(fds[i], "hello", (size_t)i, 0, &addresses[0].any, addresses[0].size), i);
		assert_result(aion_datagram_next(&intake, datagrams, 4), 1);
		cr_assert_eq(datagrams[0].size, (size_t)i);
		cr_assert_eq(memcmp(datagrams[0].data, "hello", (size_t)i), 0);
		cr_assert_eq(datagrams[0].address_size, addresses[i].size);
		cr_assert_eq(memcmp(datagrams[0].address, &addresses[i].any, addresses[i].size), 0);
		cr_assert_eq(datagrams[0].flags, 0);
		cr_assert_eq(datagrams[0].segment_size, 0);
		cr_assert_null(datagrams[0].control);
		aion_datagram_release(datagrams, 1);
	}
	aion_datagram_close(&intake);
	assert_result(aion_close(fds[2]), 0);
	test_close_both(fds);
}

TASK_TEST(datagram_receive, many_come_with_one_wake)
{
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_datagram datagrams[BATCH_NR];
	struct aion_address addresses[2];
	int fds[2];

	test_machine_be_prompt();
	test_udp_pair(fds, addresses);
	assert_result(aion_datagram_open(&intake, fds[0], NULL), 0);
	aion_sleep(MS);
	test_send_numbers(fds[1], 0, BATCH_NR, 100);
	aion_sleep(MS);
	assert_result(aion_datagram_next(&intake, datagrams, BATCH_NR / 2), BATCH_NR / 2);
	assert_result(aion_datagram_next(&intake, &datagrams[BATCH_NR / 2], BATCH_NR), BATCH_NR / 2);
	assert_result(aion_datagram_try_next(&intake, datagrams, 1), -EAGAIN);
	for (uint32_t i = 0; i < BATCH_NR; i++)
		cr_assert_eq(test_number_of(datagrams[i].data, datagrams[i].size), i);
	aion_datagram_release(datagrams, BATCH_NR);
	aion_datagram_close(&intake);
	test_close_both(fds);
}

TASK_TEST(datagram_receive, empty_ones_are_datagrams_too)
{
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_address addresses[2];
	struct aion_datagram datagram;
	int fds[2];

	test_udp_pair(fds, addresses);
	assert_result(aion_datagram_open(&intake, fds[0], NULL), 0);
	assert_result(aion_send(fds[1], "", 0, 0), 0);
	assert_result(aion_datagram_next(&intake, &datagram, 1), 1);
	cr_assert_eq(datagram.size, 0);
	cr_assert_not_null(datagram.address);
	aion_datagram_release(&datagram, 1);
	aion_datagram_close(&intake);
	test_close_both(fds);
}

TASK_TEST(datagram_receive, what_does_not_fit_is_cut_off_and_said)
{
	const struct aion_datagram_options options = {.datagram_size = 64};
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_address addresses[2];
	struct aion_datagram datagrams[2];
	int64_t nr = 0;
	int fds[2];

	test_udp_pair(fds, addresses);
	assert_result(aion_datagram_open(&intake, fds[0], &options), 0);
	test_send_numbers(fds[1], 1, 1, 1000);
	test_send_numbers(fds[1], 2, 1, 60);
	while (nr < 2)
		nr += aion_datagram_next(&intake, &datagrams[nr], 2 - (size_t)nr);
	cr_assert_eq(datagrams[0].flags, MSG_TRUNC);
	cr_assert_geq(datagrams[0].size, 64);
	cr_assert_lt(datagrams[0].size, 1000);
	cr_assert_eq(test_number_of(datagrams[0].data, datagrams[0].size), 1);
	cr_assert_eq(datagrams[1].flags, 0);
	cr_assert_eq(datagrams[1].size, 60);
	aion_datagram_release(datagrams, 2);
	aion_datagram_close(&intake);
	test_close_both(fds);
}

/* All buffers are lent, and come back one by one: nothing is lost, and the order stays. */
TASK_TEST(datagram_receive, without_buffers_it_waits_and_goes_on_in_order)
{
	const struct aion_datagram_options options = {.buffer_nr = 3};
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_datagram datagrams[4];
	struct aion_address addresses[2];
	struct aion_scope scope;
	uint32_t next = 0;
	int64_t nr = 0;
	int fds[2];

	test_udp_pair(fds, addresses);
	assert_result(aion_datagram_open(&intake, fds[0], &options), 0);
	test_send_numbers(fds[1], 0, 40, 200);
	while (nr < 4)
		nr += aion_datagram_next(&intake, &datagrams[nr], 4 - (size_t)nr);
	aion_scope_enter(&scope, aion_after(2 * MS));
	assert_result(aion_datagram_next(&intake, datagrams, 1), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	for (int i = 0; i < 4; i++) {
		cr_assert_eq(test_number_of(datagrams[i].data, datagrams[i].size), next++);
		aion_datagram_release(&datagrams[i], 1);
	}
	while (next < 40) {
		nr = aion_datagram_next(&intake, datagrams, 2);
		cr_assert_gt(nr, 0);
		for (int64_t i = 0; i < nr; i++)
			cr_assert_eq(test_number_of(datagrams[i].data, datagrams[i].size), next++);
		aion_datagram_release(datagrams, (size_t)nr);
	}
	aion_datagram_close(&intake);
	test_close_both(fds);
}

struct holder {
	struct aion_datagram datagrams[4];
	size_t nr;
};

static int64_t release_later(void *arg)
{
	struct holder *holder = arg;

	aion_sleep(2 * MS);
	aion_datagram_release(holder->datagrams, holder->nr);
	return 0;
}

TASK_TEST(datagram_receive, who_waits_for_a_buffer_is_helped_by_who_releases_one)
{
	const struct aion_datagram_options options = {.buffer_nr = 4};
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct holder holder = {.nr = 0};
	struct aion_datagram datagram;
	struct aion_address addresses[2];
	struct aion_group group;
	int fds[2];

	test_udp_pair(fds, addresses);
	assert_result(aion_datagram_open(&intake, fds[0], &options), 0);
	test_send_numbers(fds[1], 0, 5, 10);
	while (holder.nr < 4)
		holder.nr += (size_t)aion_datagram_next(&intake, &holder.datagrams[holder.nr], 4 - holder.nr);
	aion_group_enter(&group);
	aion_spawn(&group, release_later, &holder);
	assert_result(aion_datagram_next(&intake, &datagram, 1), 1);
	cr_assert_eq(test_number_of(datagram.data, datagram.size), 4);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_datagram_release(&datagram, 1);
	aion_datagram_close(&intake);
	test_close_both(fds);
}

TASK_TEST(datagram_receive, cancelled_wait_loses_none)
{
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_address addresses[2];
	struct aion_datagram datagram;
	struct aion_scope scope;
	int fds[2];

	test_udp_pair(fds, addresses);
	assert_result(aion_datagram_open(&intake, fds[0], NULL), 0);
	aion_scope_enter(&scope, aion_after(2 * MS));
	assert_result(aion_datagram_next(&intake, &datagram, 1), -ECANCELED);
	assert_result(aion_datagram_next(&intake, &datagram, 1), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	test_send_numbers(fds[1], 7, 1, 50);
	assert_result(aion_datagram_next(&intake, &datagram, 1), 1);
	cr_assert_eq(test_number_of(datagram.data, datagram.size), 7);
	aion_datagram_release(&datagram, 1);
	aion_datagram_release(&datagram, 1);
	aion_datagram_close(&intake);
	test_close_both(fds);
}

TASK_TEST(datagram_receive, non_blocking_sockets_are_waited_for)
{
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_address addresses[2];
	struct aion_datagram datagram;
	int fds[2];

	TEST_NEEDS_KERNEL("the flag is set by fcntl(2)");
	test_udp_pair(fds, addresses);
	cr_assert_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	assert_result(aion_datagram_open(&intake, fds[0], NULL), 0);
	for (uint32_t i = 0; i < 20; i++) {
		aion_sleep(MS / 10);
		test_send_numbers(fds[1], i, 1, 50);
		assert_result(aion_datagram_next(&intake, &datagram, 1), 1);
		cr_assert_eq(test_number_of(datagram.data, datagram.size), i);
		aion_datagram_release(&datagram, 1);
	}
	aion_datagram_close(&intake);
	test_close_both(fds);
}

TASK_TEST(datagram_receive, error_of_the_socket_is_said_once)
{
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_address addresses[2];
	struct aion_datagram datagram;
	int fds[2];

	test_machine_be_prompt();
	test_udp_pair(fds, addresses);
	assert_result(aion_close(fds[1]), 0);
	assert_result(aion_datagram_open(&intake, fds[0], NULL), 0);
	assert_result(aion_send(fds[0], "x", 1, 0), 1);
	assert_result(aion_datagram_next(&intake, &datagram, 1), -ECONNREFUSED);
	fds[1] = (int)aion_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_result(aion_bind(fds[1], &addresses[1].any, addresses[1].size), 0);
	assert_result(aion_sendto(fds[1], "y", 1, 0, &addresses[0].any, addresses[0].size), 1);
	assert_result(aion_datagram_next(&intake, &datagram, 1), 1);
	aion_datagram_release(&datagram, 1);
	aion_datagram_close(&intake);
	test_close_both(fds);
}

static int64_t close_later(void *fd)
{
	aion_sleep(2 * MS);
	return aion_close(*(int *)fd);
}

static int64_t stop_later(void *intake)
{
	aion_sleep(2 * MS);
	aion_datagram_stop(intake);
	return 0;
}

TASK_TEST(datagram_end, closed_descriptor_ends_it)
{
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_address addresses[2];
	struct aion_datagram datagram;
	struct aion_group group;
	int fds[2];

	test_udp_pair(fds, addresses);
	assert_result(aion_datagram_open(&intake, fds[0], NULL), 0);
	aion_group_enter(&group);
	aion_spawn(&group, close_later, &fds[0]);
	for (int i = 0; i < 3; i++)
		assert_result(aion_datagram_next(&intake, &datagram, 1), -EBADF);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_datagram_close(&intake);
	assert_result(aion_close(fds[1]), 0);
}

static int64_t next_of(void *intake)
{
	struct aion_datagram datagram;

	return aion_datagram_next(intake, &datagram, 1);
}

/* All buffers are lent, so it has no request in flight. Who waits for it has left when it is closed. */
TASK_TEST(datagram_end, closed_descriptor_ends_one_without_buffers)
{
	const struct aion_datagram_options options = {.buffer_nr = 4};
	struct aion_datagram_intake intake = {0};
	struct aion_datagram datagrams[4];
	struct aion_address addresses[2];
	struct aion_handle waiter;
	struct aion_group group;
	int64_t nr;
	int fds[2];

	for (int is_closed = 0; is_closed < 2; is_closed++) {
		test_udp_pair(fds, addresses);
		assert_result(aion_datagram_open(&intake, fds[0], &options), 0);
		test_send_numbers(fds[1], 0, 5, 10);
		for (nr = 0; nr < 4;)
			nr += aion_datagram_next(&intake, &datagrams[nr], 4 - (size_t)nr);
		aion_sleep(2 * MS);
		aion_group_enter(&group);
		aion_group_keep_going(&group);
		aion_spawn_into(&group, &waiter, NULL, next_of, &intake);
		aion_sleep(MS);
		if (is_closed) {
			assert_result(aion_close(fds[0]), 0);
			assert_result(aion_await(&waiter.future), -EBADF);
			aion_datagram_release(datagrams, 4);
			assert_result(next_of(&intake), -EBADF);
			aion_datagram_close(&intake);
		} else {
			aion_datagram_close(&intake);
			memset(&intake, 0xff, sizeof(intake));
			assert_result(aion_await(&waiter.future), -EBADF);
			aion_datagram_release(datagrams, 4);
			assert_result(aion_close(fds[0]), 0);
			memset(&intake, 0, sizeof(intake));
		}
		aion_group_leave(&group, 0);
		assert_result(aion_close(fds[1]), 0);
	}
}

TASK_TEST(datagram_end, who_waits_while_it_is_stopped_is_told)
{
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_address addresses[2];
	struct aion_datagram datagram;
	struct aion_group group;
	int fds[2];

	test_udp_pair(fds, addresses);
	assert_result(aion_datagram_open(&intake, fds[0], NULL), 0);
	aion_group_enter(&group);
	aion_spawn(&group, stop_later, &intake);
	assert_result(aion_datagram_next(&intake, &datagram, 1), -EBADF);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_datagram_close(&intake);
	assert_result(aion_datagram_next(&intake, &datagram, 1), -EBADF);
	cr_assert_eq(test_stats().in_flight_nr, 0);
	test_close_both(fds);
}

static int64_t outlive(void *unused)
{
	struct aion_datagram_intake intake = {0};
	struct aion_datagram datagrams[2];
	struct aion_address addresses[2];
	int64_t nr = 0;
	int fds[2];

	(void)unused;
	test_udp_pair(fds, addresses);
	assert_result(aion_datagram_open(&intake, fds[0], NULL), 0);
	test_send_numbers(fds[1], 0, 3, 50);
	while (nr < 2)
		nr += aion_datagram_next(&intake, &datagrams[nr], 2 - (size_t)nr);
	aion_sleep(MS);
	aion_datagram_close(&intake);
	aion_datagram_close(&intake);
	memset(&intake, 0x55, sizeof(intake));
	for (uint32_t i = 0; i < 2; i++) {
		cr_assert_eq(test_number_of(datagrams[i].data, datagrams[i].size), i);
		aion_datagram_release(&datagrams[i], 1);
	}
	test_close_both(fds);
	return 0;
}

Test(datagram_end, what_is_lent_outlives_it)
{
	test_allocator_count();
	cr_assert_eq(aion_run(outlive, NULL, NULL), 0);
	cr_assert_eq(test_allocator_in_use_nr(), 0);
}

TASK_TEST(datagram_end, opened_and_closed_again_and_again)
{
	struct aion_datagram_intake intakes[3] = {0};
	struct aion_address addresses[2];
	struct aion_datagram datagram;
	int fds[2];

	test_udp_pair(fds, addresses);
	for (int i = 0; i < 20; i++) {
		for (int k = 0; k < 3; k++)
			assert_result(aion_datagram_open(&intakes[k], fds[k % 2], NULL), 0);
		aion_datagram_close(&intakes[2]);
		test_send_numbers(fds[1], 3, 1, 50);
		assert_result(aion_datagram_next(&intakes[0], &datagram, 1), 1);
		aion_datagram_close(&intakes[1]);
		aion_datagram_release(&datagram, 1);
		aion_datagram_close(&intakes[0]);
	}
	cr_assert_eq(test_stats().in_flight_nr, 0);
	test_close_both(fds);
}

TASK_TEST(datagram_refuse, what_is_no_socket_or_no_number)
{
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_datagram datagram;
	int64_t error;
	int pipes[2];

	assert_result(aion_datagram_open(&intake, 0, &(struct aion_datagram_options){.buffer_nr = 32769}), -EINVAL);
	assert_result(aion_datagram_open(&intake, 0, &(struct aion_datagram_options){.datagram_size = 1 << 30}),
		      -EINVAL);
	assert_result(aion_datagram_open(&intake, 0, &(struct aion_datagram_options){.control_size = 1 << 20}),
		      -EINVAL);
	assert_result(aion_datagram_next(&intake, &datagram, 1), -EBADF);
	test_pipe(pipes);
	assert_result(aion_datagram_open(&intake, pipes[0], NULL), 0);
	assert_result(aion_datagram_next(&intake, &datagram, 0), -EINVAL);
	error = aion_datagram_next(&intake, &datagram, 1);
	if (!test_is_simulated()) /* which does not take such requests for the process's own descriptors */
		assert_result(error, -ENOTSOCK);
	assert_result(aion_datagram_next(&intake, &datagram, 1), error);
	aion_datagram_close(&intake);
	assert_result(aion_datagram_open(&intake, -1, NULL), 0);
	assert_result(aion_datagram_next(&intake, &datagram, 1), -EBADF);
}

TASK_TEST(datagram_refuse, cancelled_scope)
{
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_address addresses[2];
	struct aion_datagram datagram;
	struct aion_scope scope;
	int fds[2];

	test_udp_pair(fds, addresses);
	assert_result(aion_datagram_open(&intake, fds[0], NULL), 0);
	test_send_numbers(fds[1], 3, 1, 50);
	aion_sleep(MS);
	test_enter_cancelled(&scope);
	assert_result(aion_datagram_next(&intake, &datagram, 1), -ECANCELED);
	aion_scope_leave(&scope);
	assert_result(aion_datagram_next(&intake, &datagram, 1), 1);
	aion_datagram_release(&datagram, 1);
	aion_datagram_close(&intake);
	test_close_both(fds);
}

Test(datagram_refuse, outside_of_loops)
{
	struct aion_datagram_intake intake = {0};

	assert_result(aion_datagram_open(&intake, 0, NULL), -EBUSY);
}

#ifdef AION_FAULTS
TASK_TEST(datagram_refuse, no_memory_and_no_buffer_rings)
{
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};

	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	assert_result(aion_datagram_open(&intake, 0, NULL), -ENOMEM);
	aion__fault_reset();
	aion__fault_arm(AION__FAULT_RING_REGISTER, 0, 1, -EINVAL);
	assert_result(aion_datagram_open(&intake, 0, NULL), -EINVAL);
	aion__fault_reset();
}
#endif

static int64_t open_twice(void *unused)
{
	struct aion_datagram_intake intake = {0};

	(void)unused;
	aion_datagram_open(&intake, -1, NULL);
	aion_datagram_open(&intake, -1, NULL);
	return 0;
}

Test(datagram_refuse, opened_twice_it_aborts)
{
	test_task_aborts(open_twice, "intake of datagrams opened while open");
}

TASK_TEST(datagram_receive, unix_sockets)
{
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_datagram datagrams[2];
	int64_t nr = 0;
	int fds[2];

	assert_result(aion_socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_result(aion_datagram_open(&intake, fds[0], NULL), 0);
	test_send_numbers(fds[1], 0, 2, 300);
	while (nr < 2)
		nr += aion_datagram_next(&intake, &datagrams[nr], 2 - (size_t)nr);
	for (uint32_t i = 0; i < 2; i++)
		cr_assert_eq(test_number_of(datagrams[i].data, datagrams[i].size), i);
	aion_datagram_release(datagrams, 2);
	aion_datagram_close(&intake);
	test_close_both(fds);
}
