/* SPDX-License-Identifier: MIT */
/* Accepting again and again: with and without a limit, stopped, closed, cancelled. */
#include <aion/liburing.h>

#include "fault_int.h"
#include "test_listener.h"
#include "test_sim.h"

static void connections_come(struct aion_address at, size_t nr)
{
	struct aion_accept accept = {0};
	int fd = listen_at(&at, 100), clients[40], servers[40];

	aion_accept_open(&accept, fd, SOCK_CLOEXEC, nr);
	for (int i = 0; i < 40; i++)
		clients[i] = client_open(&at);
	for (int i = 0; i < 40; i++) {
		servers[i] = (int)aion_accept_next(&accept);
		cr_assert_geq(servers[i], 0);
		assert_connected(clients[i], servers[i], (unsigned char)i);
	}
	assert_result(aion_accept_try_next(&accept), -EAGAIN);
	aion_accept_close(&accept);
	close_all(clients, 40);
	close_all(servers, 40);
	assert_result(aion_close(fd), 0);
}

SPARED_TEST(accept_next, connections_come_in_their_order)
{
	connections_come(listen_tcp(), AION_ACCEPT_ALL);
	connections_come(listen_unix(), AION_ACCEPT_ALL);
}

/* One after the other, for several requests may be answered in another order. */
SPARED_TEST(accept_next, counted_connections_come_in_their_order)
{
	struct aion_address at = listen_tcp();
	struct aion_accept accept = {0};
	int fd = listen_at(&at, 100);

	aion_accept_open(&accept, fd, SOCK_CLOEXEC, 40);
	for (int i = 0; i < 40; i++) {
		int client = client_open(&at), server = (int)aion_accept_next(&accept);

		cr_assert_geq(server, 0);
		assert_connected(client, server, (unsigned char)i);
		assert_result(aion_close(client), 0);
		assert_result(aion_close(server), 0);
	}
	aion_accept_close(&accept);
	assert_result(aion_close(fd), 0);
}

TASK_TEST(accept_next, what_comes_first_may_be_waited_for)
{
	struct aion_address at = listen_unix();
	struct aion_accept accept = {0};
	int fd = listen_at(&at, 100), client, server;

	aion_accept_open(&accept, fd, SOCK_CLOEXEC, AION_ACCEPT_ALL);
	assert_result(aion_accept_try_wait(&accept), -EAGAIN);
	client = client_open(&at);
	assert_result(aion_accept_wait(&accept), 0);
	assert_result(aion_accept_wait(&accept), 0);
	cr_assert_eq(aion_accept_nr(&accept), 1);
	server = (int)aion_accept_try_next(&accept);
	assert_connected(client, server, 'x');
	cr_assert_eq(aion_accept_nr(&accept), 0);
	aion_accept_close(&accept);
	aion_accept_close(&accept);
	assert_result(aion_close(client), 0);
	assert_result(aion_close(server), 0);
	assert_result(aion_close(fd), 0);
}

/* A connection that is accepted at `at`; its client. */
static int accept_one_of(struct aion_accept *accept, const struct aion_address *at, int *ret_client)
{
	int64_t fd;

	*ret_client = client_open(at);
	fd = aion_accept_next(accept);
	cr_assert_geq(fd, 0);
	return (int)fd;
}

SPARED_TEST(accept_next, an_unused_connection_is_closed_without_the_ring)
{
	struct aion_address at = listen_tcp();
	struct aion_accept accept = {0};
	int fd = listen_at(&at, 100), client, server;
	uint64_t submit_nr, inline_nr;
	char byte;

	aion_accept_open(&accept, fd, SOCK_CLOEXEC, AION_ACCEPT_ALL);
	server = accept_one_of(&accept, &at, &client);
	submit_nr = test_stats().submit_nr;
	inline_nr = test_stats().inline_nr;
	assert_result(aion_close(server), 0);
	cr_assert_eq(test_stats().submit_nr, submit_nr);
	cr_assert_eq(test_stats().inline_nr, inline_nr + 1);
	assert_result(aion_recv(client, &byte, 1, 0), 0);
	/* The number is nobody's socket any more: the kernel says so, asked by the ring. */
	assert_result(aion_close(server), -EBADF);
	cr_assert_eq(test_stats().inline_nr, inline_nr + 1);
	aion_accept_close(&accept);
	assert_result(aion_close(client), 0);
	assert_result(aion_close(fd), 0);
}

/* The entry's descriptor is known to nobody but the application; it has not left yet. */
SPARED_TEST(accept_next, a_close_does_not_overtake_an_entry_of_the_application)
{
	struct aion_address at = listen_tcp();
	struct aion_accept accept = {0};
	int fd = listen_at(&at, 100), client, server;
	struct aion_op op = {0};
	char byte = 0;

	aion_accept_open(&accept, fd, SOCK_CLOEXEC, AION_ACCEPT_ALL);
	server = accept_one_of(&accept, &at, &client);
	io_uring_prep_send(aion_op_sqe(&op), server, "x", 1, 0);
	assert_result(aion_close(server), 0);
	assert_result(aion_await(&op.future), 1);
	assert_result(aion_recv(client, &byte, 1, 0), 1);
	cr_assert_eq(byte, 'x');
	aion_accept_close(&accept);
	assert_result(aion_close(client), 0);
	assert_result(aion_close(fd), 0);
}

TASK_TEST(accept_next, one_request_is_enough_for_all)
{
	struct aion_address at = listen_tcp();
	struct aion_accept accept = {0};
	struct aion_loop_stats before;
	int fd = listen_at(&at, 100), client, server;

	test_machine_be_prompt();
	aion_accept_open(&accept, fd, SOCK_CLOEXEC, AION_ACCEPT_ALL);
	assert_result(aion_accept_try_next(&accept), -EAGAIN);
	aion_yield();
	for (int i = 0; i < 50; i++) {
		client = client_open(&at);
		before = test_stats();
		server = (int)aion_accept_next(&accept);
		cr_assert_geq(server, 0);
		cr_assert_eq(test_stats().submit_nr, before.submit_nr);
		assert_result(aion_close(client), 0);
		assert_result(aion_close(server), 0);
	}
	aion_accept_close(&accept);
	assert_result(aion_close(fd), 0);
}

SPARED_TEST(accept_next, no_more_come_than_are_allowed)
{
	struct aion_address at = listen_unix();
	struct aion_accept accept = {0};
	int fd = listen_at(&at, 100), clients[60], servers[60], nr = 0;

	aion_accept_open(&accept, fd, SOCK_CLOEXEC, 5);
	for (int i = 0; i < 60; i++)
		clients[i] = client_open(&at);
	for (int allowed = 5; allowed <= 60; allowed += 5) {
		while (nr < allowed) {
			servers[nr] = (int)aion_accept_next(&accept);
			cr_assert_geq(servers[nr], 0);
			nr++;
		}
		assert_result(aion_accept_try_next(&accept), -EAGAIN);
		aion_sleep(AION_MILLISECOND);
		assert_result(aion_accept_try_next(&accept), -EAGAIN);
		aion_accept_allow(&accept, 5);
	}
	aion_accept_close(&accept);
	aion_accept_allow(&accept, 5);
	close_all(clients, 60);
	close_all(servers, 60);
	assert_result(aion_close(fd), 0);
}

struct taker {
	struct aion_accept *accept;
	int64_t result;
	int got_nr;
};

static int64_t take_until_the_end(void *arg)
{
	struct taker *taker = arg;

	for (;;) {
		taker->result = aion_accept_next(taker->accept);
		if (taker->result < 0)
			return 0;
		aion_close((int)taker->result);
		taker->got_nr++;
	}
}

SPARED_TEST(accept_next, who_waits_is_woken_by_what_is_allowed)
{
	struct aion_address at = listen_unix();
	struct aion_accept accept = {0};
	struct taker taker = {.accept = &accept};
	struct aion_group group;
	int fd = listen_at(&at, 100), client;

	aion_accept_open(&accept, fd, SOCK_CLOEXEC, 0);
	aion_group_enter(&group);
	aion_spawn(&group, take_until_the_end, &taker);
	client = client_open(&at);
	aion_sleep(AION_MILLISECOND);
	cr_assert_eq(taker.got_nr, 0);
	cr_assert_eq(test_stats().in_flight_nr, 0);
	aion_accept_allow(&accept, 1);
	cr_assert(client_is_sent_away(client));
	while (!taker.got_nr)
		aion_yield();
	cr_assert_eq(taker.got_nr, 1);
	aion_accept_close(&accept);
	assert_result(taker.result, -EBADF); /* he has left, though nothing was in flight */
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(taker.result, -EBADF);
	assert_result(aion_close(client), 0);
	assert_result(aion_close(fd), 0);
}

SPARED_TEST(accept_next, several_may_wait_and_have_left_when_it_is_closed)
{
	struct aion_address at = listen_tcp();
	struct aion_accept accept = {0};
	struct taker takers[4];
	struct aion_group group;
	int fd = listen_at(&at, 100), clients[40], got_nr = 0;

	aion_accept_open(&accept, fd, SOCK_CLOEXEC, AION_ACCEPT_ALL);
	aion_group_enter(&group);
	for (int i = 0; i < 4; i++) {
		takers[i] = (struct taker){.accept = &accept};
		aion_spawn(&group, take_until_the_end, &takers[i]);
	}
	for (int i = 0; i < 40; i++)
		clients[i] = client_open(&at);
	for (int i = 0; i < 40; i++)
		cr_assert(client_is_sent_away(clients[i]));
	aion_accept_close(&accept);
	for (int i = 0; i < 4; i++) {
		assert_result(takers[i].result, -EBADF);
		got_nr += takers[i].got_nr;
	}
	memset(&accept, 0xee, sizeof(accept));
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(got_nr, 40);
	close_all(clients, 40);
	assert_result(aion_close(fd), 0);
}

TASK_TEST(accept_next, what_nobody_receives_is_closed)
{
	struct aion_address at = listen_tcp();
	struct aion_accept accept = {0};
	int fd = listen_at(&at, 100), clients[50];

	test_machine_be_prompt(); /* there the request does not end by itself */
	aion_accept_open(&accept, fd, SOCK_CLOEXEC, AION_ACCEPT_ALL);
	for (int i = 0; i < 50; i++)
		clients[i] = client_open(&at);
	assert_result(aion_accept_wait(&accept), 0);
	while (aion_accept_nr(&accept) < 50)
		aion_sleep(AION_MILLISECOND);
	aion_accept_close(&accept);
	assert_result(aion_accept_next(&accept), -EBADF);
	assert_result(aion_accept_try_next(&accept), -EBADF);
	for (int i = 0; i < 50; i++)
		cr_assert(client_is_sent_away(clients[i]));
	close_all(clients, 50);
	assert_result(aion_close(fd), 0);
	cr_assert_eq(test_stats().in_flight_nr, 0);
}

TASK_TEST(accept_next, what_came_before_a_stop_can_be_received_after_it)
{
	struct aion_address at = listen_unix();
	struct aion_accept accept = {0};
	int fd = listen_at(&at, 100), clients[2], server;

	aion_accept_open(&accept, fd, SOCK_CLOEXEC, 1);
	clients[0] = client_open(&at);
	clients[1] = client_open(&at);
	assert_result(aion_accept_wait(&accept), 0);
	aion_accept_stop(&accept);
	cr_assert_eq(test_stats().in_flight_nr, 0);
	aion_accept_allow(&accept, 1);
	server = (int)aion_accept_next(&accept);
	assert_connected(clients[0], server, 'x');
	assert_result(aion_accept_next(&accept), -EBADF);
	assert_result(aion_accept_next(&accept), -EBADF);
	aion_accept_close(&accept);
	/* The other one is still in the kernel's queue. */
	aion_accept_open(&accept, fd, SOCK_CLOEXEC, AION_ACCEPT_ALL);
	assert_result(aion_close(server), 0);
	server = (int)aion_accept_next(&accept);
	assert_connected(clients[1], server, 'y');
	assert_result(aion_close(server), 0);
	aion_accept_close(&accept);
	close_all(clients, 2);
	assert_result(aion_close(fd), 0);
}

SPARED_TEST(accept_next, a_cancelled_wait_loses_no_connection)
{
	struct aion_address at = listen_tcp();
	struct aion_accept accept = {0};
	struct aion_scope scope;
	int fd = listen_at(&at, 100), client, server;

	aion_accept_open(&accept, fd, SOCK_CLOEXEC, AION_ACCEPT_ALL);
	for (int i = 0; i < 200; i++) {
		client = client_open(&at);
		aion_scope_enter(&scope, aion_after(i * 500));
		server = (int)aion_accept_next(&accept);
		aion_scope_leave(&scope);
		if (server == -ECANCELED)
			server = (int)aion_accept_next(&accept);
		assert_connected(client, server, (unsigned char)i);
		assert_result(aion_close(client), 0);
		assert_result(aion_close(server), 0);
	}
	test_enter_cancelled(&scope);
	assert_result(aion_accept_wait(&accept), -ECANCELED);
	aion_accept_close(&accept);
	assert_result(aion_scope_leave(&scope), 0);
	cr_assert_eq(test_stats().in_flight_nr, 0);
	assert_result(aion_close(fd), 0);
}

static int64_t ask_once(void *accept)
{
	assert_result(aion_accept_try_next(accept), -EAGAIN);
	return 0;
}

TASK_TEST(accept_next, who_asks_may_end_before_the_connection_comes)
{
	struct aion_address at = listen_unix();
	struct aion_accept accept = {0};
	struct aion_group group;
	int fd = listen_at(&at, 100), client;

	aion_accept_open(&accept, fd, SOCK_CLOEXEC, AION_ACCEPT_ALL);
	aion_group_enter(&group);
	aion_spawn(&group, ask_once, &accept);
	assert_result(aion_group_leave(&group, 0), 0);
	client = client_open(&at);
	assert_result(aion_accept_wait(&accept), 0);
	aion_accept_close(&accept);
	assert_result(aion_close(client), 0);
	assert_result(aion_close(fd), 0);
}

static void error_stays(int fd, size_t nr, int64_t error)
{
	struct aion_accept accept = {0};

	aion_accept_open(&accept, fd, SOCK_CLOEXEC, nr);
	assert_result(aion_accept_next(&accept), error);
	assert_result(aion_accept_next(&accept), error);
	assert_result(aion_accept_try_next(&accept), error);
	aion_accept_close(&accept);
	cr_assert_eq(test_stats().in_flight_nr, 0);
}

TASK_TEST(accept_next, errors_of_the_socket_stay)
{
	int stream = (int)aion_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int datagram = (int)aion_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int fds[2];

	test_pipe(fds);
	for (size_t nr = 1; nr; nr = nr == 1 ? AION_ACCEPT_ALL : 0) {
		error_stays(9999, nr, -EBADF);
		error_stays(-1, nr, -EBADF);
		error_stays(stream, nr, -EINVAL);
		error_stays(datagram, nr, -EOPNOTSUPP);
		if (!test_is_simulated())
			error_stays(fds[0], nr, -ENOTSOCK);
	}
	assert_result(aion_close(stream), 0);
	assert_result(aion_close(datagram), 0);
}

TASK_TEST(accept_next, a_socket_that_is_shut_down_ends_it)
{
	struct aion_address at = listen_tcp();
	struct aion_accept accept = {0};
	struct taker taker = {.accept = &accept};
	struct aion_group group;
	int fd = listen_at(&at, 10);

	aion_accept_open(&accept, fd, SOCK_CLOEXEC, AION_ACCEPT_ALL);
	aion_group_enter(&group);
	aion_spawn(&group, take_until_the_end, &taker);
	aion_sleep(AION_MILLISECOND);
	assert_result(aion_shutdown(fd, SHUT_RDWR), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(taker.result, -EINVAL);
	aion_accept_close(&accept);
	assert_result(aion_close(fd), 0);
}

TASK_TEST(accept_next, close_of_the_descriptor_ends_it)
{
	for (size_t nr = 1; nr; nr = nr == 1 ? AION_ACCEPT_ALL : 0) {
		struct aion_address at = listen_tcp();
		struct aion_accept accept = {0};
		struct taker taker = {.accept = &accept};
		struct aion_group group;
		int fd = listen_at(&at, 10);

		aion_accept_open(&accept, fd, SOCK_CLOEXEC, nr);
		aion_group_enter(&group);
		aion_spawn(&group, take_until_the_end, &taker);
		aion_sleep(AION_MILLISECOND);
		assert_result(aion_close(fd), 0);
		assert_result(aion_group_leave(&group, 0), 0);
		assert_result(taker.result, -EBADF);
		assert_result(aion_accept_next(&accept), -EBADF);
		aion_accept_close(&accept);
	}
}

TASK_TEST(accept_next, want_of_descriptors_is_told_and_passes)
{
	struct aion_address at = listen_tcp();

	TEST_NEEDS_KERNEL("the process's own limit");
	for (size_t nr = 2; nr; nr = nr == 2 ? AION_ACCEPT_ALL : 0) {
		struct aion_accept accept = {0};
		int fd, clients[2], servers[2];

		at.in4.sin_port = 0;
		fd = listen_at(&at, 10);
		clients[0] = client_open(&at);
		clients[1] = client_open(&at);
		descriptors_limit(1);
		aion_accept_open(&accept, fd, SOCK_CLOEXEC, nr);
		servers[0] = (int)aion_accept_next(&accept);
		cr_assert_geq(servers[0], 0);
		assert_result(aion_accept_next(&accept), -EMFILE);
		assert_result(aion_accept_next(&accept), -EMFILE);
		descriptors_unlimit();
		servers[1] = (int)aion_accept_next(&accept);
		assert_connected(clients[1], servers[1], 'x');
		aion_accept_close(&accept);
		close_all(clients, 2);
		close_all(servers, 2);
		assert_result(aion_close(fd), 0);
	}
}

TASK_TEST(accept_next, it_pauses_if_nobody_receives)
{
	enum { CLIENT_NR = 1500 };
	struct aion_address at = listen_unix();
	struct aion_accept accept = {0};
	int *clients = malloc(CLIENT_NR * sizeof(int));
	int fd = listen_at(&at, 4096);
	size_t waiting_nr;

	TEST_NEEDS_KERNEL("so many descriptors");
	if (test_is_small())
		cr_skip_test("too many sockets");
	descriptors_unlimit();
	aion_accept_open(&accept, fd, SOCK_CLOEXEC, AION_ACCEPT_ALL);
	assert_result(aion_accept_try_next(&accept), -EAGAIN);
	for (int i = 0; i < CLIENT_NR; i++)
		clients[i] = client_open(&at);
	aion_sleep(AION_MILLISECOND);
	waiting_nr = aion_accept_nr(&accept);
	cr_assert(waiting_nr >= 1024 && waiting_nr < 1100, "%zu wait", waiting_nr);
	for (int i = 0; i < CLIENT_NR; i++) {
		int server = (int)aion_accept_next(&accept);

		assert_connected(clients[i], server, (unsigned char)i);
		close(server);
		close(clients[i]);
	}
	aion_accept_close(&accept);
	assert_result(aion_close(fd), 0);
	free(clients);
}

Test(accept_next, outside_of_a_task_is_refused)
{
	struct aion_accept accept = {0};

	aion_accept_open(&accept, 0, 0, AION_ACCEPT_ALL);
	assert_result(aion_accept_next(&accept), -EBUSY);
	assert_result(aion_accept_wait(&accept), -EBUSY);
	assert_result(aion_accept_try_next(&accept), -EBUSY);
	aion_accept_close(&accept);
	assert_result(aion_accept_try_next(&accept), -EBADF);
}

static void open_twice(void)
{
	struct aion_accept accept = {0};

	aion_accept_open(&accept, 0, 0, AION_ACCEPT_ALL);
	aion_accept_open(&accept, 0, 0, AION_ACCEPT_ALL);
}

Test(accept_next, an_open_one_cannot_be_opened)
{
	test_aborts(open_twice, "accept opened while open");
}

/* ---- what only a simulated machine can be made to do */

SIM_TEST(accept_next, broken_connections_are_passed_over, .seed = 3)
{
	static const int errors[] = {-ECONNABORTED, -EPROTO, -ENETDOWN, -EPERM, -EINTR, -EHOSTUNREACH};
	struct aion_address at = listen_tcp();
	struct aion_accept accept = {0};
	int fd = listen_at(&at, 10), client = client_open(&at), server;

	for (unsigned i = 0; i < 6; i++)
		cr_assert_eq(aion_sim_inject(sim, IORING_OP_ACCEPT, i + 1, errors[i]), 0);
	aion_accept_open(&accept, fd, SOCK_CLOEXEC, AION_ACCEPT_ALL);
	server = (int)aion_accept_next(&accept);
	cr_assert_geq(server, 0);
	assert_result(aion_close(server), 0);
	for (unsigned i = 0; i < 17; i++)
		cr_assert_eq(aion_sim_inject(sim, IORING_OP_ACCEPT, i + 1, -ECONNABORTED), 0);
	aion_accept_close(&accept);
	aion_accept_open(&accept, fd, SOCK_CLOEXEC, AION_ACCEPT_ALL);
	assert_result(aion_accept_next(&accept), -ECONNABORTED);
	assert_result(aion_close(client), 0);
	client = client_open(&at);
	server = (int)aion_accept_next(&accept);
	cr_assert_geq(server, 0);
	assert_result(aion_close(server), 0);
	aion_accept_close(&accept);
	assert_result(aion_close(client), 0);
	assert_result(aion_close(fd), 0);
}

/* Older kernels do not wait on a descriptor with O_NONBLOCK. */
SIM_TEST(accept_next, where_the_kernel_does_not_wait_it_is_polled, .seed = 4)
{
	struct aion_address at = listen_tcp();

	for (size_t nr = 2; nr; nr = nr == 2 ? AION_ACCEPT_ALL : 0) {
		struct aion_accept accept = {0};
		int fd = listen_at(&at, 10), client, server;

		aion_accept_open(&accept, fd, SOCK_CLOEXEC, nr);
		for (unsigned i = 0; i < (nr == 2 ? 2 : 1); i++)
			cr_assert_eq(aion_sim_inject(sim, IORING_OP_ACCEPT, i + 1, -EAGAIN), 0);
		assert_result(aion_accept_try_next(&accept), -EAGAIN);
		aion_sleep(AION_MILLISECOND);
		assert_result(aion_accept_try_next(&accept), -EAGAIN);
		aion_sleep(AION_MILLISECOND);
		cr_assert_eq(test_stats().in_flight_nr, 1);
		client = client_open(&at);
		server = (int)aion_accept_next(&accept);
		assert_connected(client, server, 'x');
		aion_accept_close(&accept);
		assert_result(aion_close(client), 0);
		assert_result(aion_close(server), 0);
		assert_result(aion_close(fd), 0);
		at.in4.sin_port = 0;
	}
}

SIM_TEST(accept_next, want_of_memory_is_told_and_passes, .seed = 5)
{
	static const int errors[] = {-ENFILE, -ENOBUFS, -ENOMEM};
	struct aion_address at = listen_tcp();
	struct aion_accept accept = {0};
	int fd = listen_at(&at, 10), client = client_open(&at), server;

	aion_accept_open(&accept, fd, SOCK_CLOEXEC, AION_ACCEPT_ALL);
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(aion_sim_inject(sim, IORING_OP_ACCEPT, 1, errors[i]), 0);
		assert_result(aion_accept_next(&accept), errors[i]);
	}
	server = (int)aion_accept_next(&accept);
	assert_connected(client, server, 'x');
	aion_accept_close(&accept);
	assert_result(aion_close(client), 0);
	assert_result(aion_close(server), 0);
	assert_result(aion_close(fd), 0);
}

#ifdef AION_FAULTS
TASK_TEST(accept_next, connections_that_find_no_memory_are_closed)
{
	struct aion_address at = listen_unix();
	struct aion_accept accept = {0};
	int fd = listen_at(&at, 100), clients[20], server;

	test_machine_be_prompt(); /* there the request does not end by itself */
	for (int i = 0; i < 20; i++)
		clients[i] = client_open(&at);
	aion_accept_open(&accept, fd, SOCK_CLOEXEC, AION_ACCEPT_ALL);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 4, -ENOMEM);
	while (aion_accept_nr(&accept) < AION_ACCEPT_KEEP) {
		assert_result(aion_accept_wait(&accept), 0);
		aion_sleep(AION_MILLISECOND);
	}
	while (accept.lost_nr < 4)
		aion_sleep(AION_MILLISECOND);
	aion__fault_reset();
	for (int i = 0; i < 16; i++) {
		server = (int)aion_accept_next(&accept);
		assert_connected(clients[i], server, (unsigned char)i);
		assert_result(aion_close(server), 0);
	}
	for (int i = 16; i < 20; i++)
		cr_assert(client_is_sent_away(clients[i]));
	aion_accept_close(&accept);
	close_all(clients, 20);
	assert_result(aion_close(fd), 0);
}
#endif

/* The owner is told -EBADF, and leaves by the clean-up while another task is still closing. */
static int64_t own_accept(void *ret_accept)
{
	struct aion_accept *accept = calloc(1, sizeof(*accept));
	struct aion_address address = listen_unix();
	int fd = listen_at(&address, 10);
	int64_t result;

	aion_accept_open(accept, fd, SOCK_CLOEXEC, 3);
	*(struct aion_accept **)ret_accept = accept;
	result = aion_accept_next(accept);
	aion_accept_close(accept);
	cr_assert(!accept->is_open && !accept->flying_nr);
	memset(accept, 0x5a, sizeof(*accept));
	free(accept);
	assert_result(aion_close(fd), 0);
	return result;
}

static int64_t close_accept(void *accept)
{
	aion_accept_close(accept);
	return 0;
}

TASK_TEST(accept_close, several_tasks_may_close_it)
{
	struct aion_accept *accept = NULL;
	struct aion_handle owner;
	struct aion_group group;

	aion_group_enter(&group);
	aion_group_keep_going(&group);
	aion_spawn_into(&group, &owner, NULL, own_accept, &accept);
	while (!accept || !accept->waiter_nr)
		aion_yield();
	aion_spawn(&group, close_accept, accept);
	aion_spawn(&group, close_accept, accept);
	assert_result(aion_await(&owner.future), -EBADF);
	aion_group_leave(&group, 0);
}
