/* SPDX-License-Identifier: MIT */
/* No descriptors, no memory: the server waits and goes on. It neither spins nor dies of it. */
#include <aion/liburing.h>

#include "fault_int.h"
#include "test_listener.h"
#include "test_sim.h"

struct server {
	struct aion_listener listener;
	struct aion_address at;
	struct aion_group group;
	int64_t result;
	int served_nr;
};

static int64_t echo(int fd, void *arg)
{
	struct server *server = arg;
	char buf[64] = ""; /* valgrind does not see what the kernel writes */
	int64_t result;

	server->served_nr++;
	do {
		result = aion_recv(fd, buf, sizeof(buf), 0);
		if (result > 0)
			result = aion_send(fd, buf, (size_t)result, 0);
	} while (result > 0);
	aion_close(fd);
	return result;
}

static int64_t server_run(void *arg)
{
	struct server *server = arg;

	server->result = aion_listener_serve(&server->listener, echo, server);
	return 0;
}

static void server_open(struct server *server, const struct aion_listener_options *options)
{
	server->at = listen_tcp();
	assert_result(aion_listener_open(&server->listener, &server->at, options), 0);
	assert_result(aion_listener_address(&server->listener, &server->at), 0);
}

/* A request obeys the limit of descriptors that held when it was made: lower it before this. */
static void server_start(struct server *server)
{
	aion_group_enter(&server->group);
	aion_spawn(&server->group, server_run, server);
}

static struct aion_listener_stats server_stats(const struct server *server)
{
	struct aion_listener_stats stats;

	aion_listener_stats(&server->listener, &stats);
	return stats;
}

static void server_end(struct server *server)
{
	aion_listener_shutdown(&server->listener, AION_NEVER);
	assert_result(aion_group_leave(&server->group, 0), 0);
	assert_result(server->result, 0);
	aion_listener_close(&server->listener);
	cr_assert_eq(test_stats().in_flight_nr, 0);
}

static bool is_served(int fd)
{
	char c = 'x';

	return aion_send(fd, &c, 1, 0) == 1 && aion_recv(fd, &c, 1, 0) == 1;
}

/* Clients are there before, for they take descriptors, too. */
static void clients_prepare(int *fds, int nr)
{
	for (int i = 0; i < nr; i++)
		cr_assert_geq(fds[i] = (int)aion_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 0);
}

static void client_connect(int fd, const struct server *server)
{
	assert_result(aion_connect(fd, &server->at.any, server->at.size), 0);
}

TASK_TEST(listener_exhausted, who_finds_no_descriptor_is_served_when_one_returns)
{
	struct server server = {.served_nr = 0};
	int clients[3];

	TEST_NEEDS_KERNEL("the process's own limit");
	server_open(&server, NULL);
	clients_prepare(clients, 3);
	descriptors_limit(2);
	server_start(&server);
	for (int i = 0; i < 2; i++) {
		client_connect(clients[i], &server);
		cr_assert(is_served(clients[i]));
	}
	client_connect(clients[2], &server);
	while (!server_stats(&server).pause_nr)
		aion_yield();
	assert_result(aion_shutdown(clients[0], SHUT_WR), 0);
	cr_assert(is_served(clients[2]));
	descriptors_unlimit();
	close_all(clients, 3);
	server_end(&server);
	cr_assert_eq(server.served_nr, 3);
	cr_assert_eq(server_stats(&server).shed_nr, 0);
}

TASK_TEST(listener_exhausted, who_waits_too_long_is_sent_away)
{
	struct server server = {.served_nr = 0};
	struct aion_loop_stats before;
	int clients[30];

	TEST_NEEDS_KERNEL("the process's own limit");
	server_open(&server, NULL);
	clients_prepare(clients, 30);
	descriptors_limit(1);
	server_start(&server);
	client_connect(clients[0], &server);
	cr_assert(is_served(clients[0]));
	before = test_stats();
	for (int i = 1; i < 30; i++)
		client_connect(clients[i], &server);
	for (int i = 1; i < 30; i++)
		cr_assert(client_is_sent_away(clients[i]));
	cr_assert_eq(server.served_nr, 1);
	cr_assert_geq(server_stats(&server).shed_nr, 29);
	cr_assert(is_served(clients[0]));
	while (server.listener.reserve_fd < 0)
		aion_sleep(AION_MILLISECOND);
	/* Four tries a second: it does not spin. */
	before = test_stats();
	aion_sleep(300 * AION_MILLISECOND);
	cr_assert_lt(test_stats().enter_nr - before.enter_nr, 100);
	descriptors_unlimit();
	assert_result(aion_close(clients[29]), 0);
	clients[29] = client_open(&server.at);
	cr_assert(is_served(clients[29]));
	close_all(clients, 30);
	server_end(&server);
	cr_assert_eq(server.served_nr, 2);
}

TASK_TEST(listener_exhausted, it_recovers_though_the_reserve_was_taken)
{
	struct server server = {.served_nr = 0};
	int clients[4], taken;

	TEST_NEEDS_KERNEL("the process's own limit");
	server_open(&server, NULL);
	clients_prepare(clients, 4);
	descriptors_limit(0);
	aion_fd_closep(&server.listener.reserve_fd);
	taken = dup(0);
	cr_assert_geq(taken, 0);
	server_start(&server);
	client_connect(clients[0], &server);
	aion_sleep(20 * AION_MILLISECOND);
	cr_assert_eq(server_stats(&server).shed_nr, 0);
	cr_assert_gt(server_stats(&server).pause_nr, 1);
	close(taken);
	cr_assert(is_served(clients[0]));
	descriptors_unlimit();
	client_connect(clients[1], &server);
	cr_assert(is_served(clients[1]));
	close_all(clients, 4);
	server_end(&server);
}

struct waiter {
	struct aion_listener *listener;
	int64_t result;
};

static int64_t wait_for_one(void *arg)
{
	struct waiter *waiter = arg;

	waiter->result = aion_listener_accept(waiter->listener);
	if (waiter->result >= 0)
		aion_close((int)waiter->result);
	return 0;
}

TASK_TEST(listener_exhausted, who_accepts_by_himself_waits_likewise_and_can_be_told_to_leave)
{
	for (int how = 0; how < 3; how++) {
		struct aion_listener listener = {0};
		struct aion_address at = listen_tcp();
		struct waiter waiters[3];
		struct aion_group group;

		TEST_NEEDS_KERNEL("the process's own limit");
		assert_result(aion_listener_open(&listener, &at, NULL), 0);
		descriptors_limit(0);
		aion_group_enter(&group);
		for (int i = 0; i < 3; i++) {
			waiters[i] = (struct waiter){&listener, 0};
			aion_spawn(&group, wait_for_one, &waiters[i]);
		}
		aion_sleep(20 * AION_MILLISECOND);
		cr_assert_eq(listener.waiter_nr, 3);
		cr_assert_gt(listener.stats.pause_nr, 1);
		if (how == 0)
			aion_group_cancel(&group);
		else if (how == 1)
			aion_listener_shutdown(&listener, AION_NEVER);
		else
			aion_listener_close(&listener);
		cr_assert_eq(listener.waiter_nr, how == 2 ? 0 : 3);
		assert_result(aion_group_leave(&group, 0), 0);
		for (int i = 0; i < 3; i++)
			assert_result(waiters[i].result, how == 0 ? -ECANCELED : how == 1 ? -ESHUTDOWN : -EBADF);
		descriptors_unlimit();
		aion_listener_close(&listener);
		cr_assert_eq(test_stats().in_flight_nr, 0);
	}
}

TASK_TEST(listener_exhausted, a_shutdown_and_a_close_end_a_pause)
{
	for (int is_shutdown = 0; is_shutdown < 2; is_shutdown++) {
		struct server server = {.served_nr = 0};

		TEST_NEEDS_KERNEL("the process's own limit");
		server_open(&server, NULL);
		descriptors_limit(0);
		server_start(&server);
		aion_sleep(50 * AION_MILLISECOND);
		cr_assert_gt(server_stats(&server).pause_nr, 1);
		if (is_shutdown)
			aion_listener_shutdown(&server.listener, AION_NEVER);
		else
			aion_listener_close(&server.listener);
		assert_result(aion_group_leave(&server.group, 0), 0);
		assert_result(server.result, is_shutdown ? 0 : -EBADF);
		descriptors_unlimit();
		aion_listener_close(&server.listener);
	}
}

#ifdef AION_FAULTS
TASK_TEST(listener_exhausted, a_connection_that_finds_no_stack_is_served_later)
{
	/* A size of its own, of which no stack is at hand. */
	const struct aion_listener_options options = {.task.stack_size = 1 << 20};
	struct server server = {.served_nr = 0};
	int clients[2];

	server_open(&server, &options);
	server_start(&server);
	aion_yield();
	aion__fault_arm(AION__FAULT_STACK_MAP, 0, 3, -ENOMEM);
	for (int i = 0; i < 2; i++)
		clients[i] = client_open(&server.at);
	for (int i = 0; i < 2; i++)
		cr_assert(is_served(clients[i]));
	cr_assert_geq(aion__fault_passed(AION__FAULT_STACK_MAP), 3);
	aion__fault_reset();
	cr_assert_gt(server_stats(&server).pause_nr, 0);
	cr_assert_eq(server_stats(&server).accepted_nr, 2);
	close_all(clients, 2);
	server_end(&server);
}

TASK_TEST(listener_exhausted, connections_without_a_stack_are_closed_at_the_end)
{
	const struct aion_listener_options options = {.task.stack_size = 1 << 20};
	struct server server = {.served_nr = 0};
	int client;

	server_open(&server, &options);
	server_start(&server);
	aion_yield();
	aion__fault_arm(AION__FAULT_STACK_MAP, 0, 1000, -ENOMEM);
	client = client_open(&server.at);
	while (!server_stats(&server).pause_nr)
		aion_sleep(AION_MILLISECOND);
	server_end(&server);
	aion__fault_reset();
	cr_assert(client_is_sent_away(client));
	cr_assert_eq(server.served_nr, 0);
	assert_result(aion_close(client), 0);
}
#endif

/* ---- where time is the machine's */

/* The listener and its reserve, three clients, two connections: that is all the machine has room for. */
static int64_t resume_task(void *sim)
{
	struct server server = {.served_nr = 0};
	int clients[3];
	int64_t begin_ns;

	server_open(&server, NULL);
	clients_prepare(clients, 3);
	server_start(&server);
	for (int i = 0; i < 2; i++) {
		client_connect(clients[i], &server);
		cr_assert(is_served(clients[i]));
	}
	aion_sleep(2 * AION_SECOND); /* the pauses have become long */
	cr_assert_gt(server_stats(&server).pause_nr, 8);
	cr_assert_lt(server_stats(&server).pause_nr, 30);
	begin_ns = aion_sim_now(sim);
	assert_result(aion_shutdown(clients[0], SHUT_WR), 0);
	client_connect(clients[2], &server);
	cr_assert(is_served(clients[2]));
	cr_assert_lt(aion_sim_now(sim) - begin_ns, 20 * AION_MILLISECOND);
	close_all(clients, 3);
	server_end(&server);
	return 4711;
}

Test(listener_exhausted, a_connection_s_end_ends_a_pause)
{
	test_machine_own_profile();
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct aion_sim *sim = test_sim_make(&(struct aion_sim_options){.seed = seed, .fd_max = 7});

		cr_assert_eq(test_sim_run(sim, resume_task, sim), 4711);
		test_sim_end(sim);
	}
}

/* ---- on machines where whatever can fail fails */

/* Until it is served; sent away, refused, reset, it comes again. */
static int64_t client_insist(void *arg)
{
	struct server *server = arg;
	int64_t fd = -1;

	for (int i = 0; i < 1000; i++) {
		fd = client_try(&server->at);
		if (fd == -ECANCELED)
			return 0;
		if (fd >= 0 && is_served((int)fd))
			break;
		if (fd >= 0)
			aion_close((int)fd);
		fd = -1;
		aion_sleep(AION_MILLISECOND);
	}
	cr_assert_geq(fd, 0, "never served");
	return aion_close((int)fd);
}

static int64_t hostile_task(void *sim)
{
	struct server server = {.served_nr = 0};
	const struct aion_listener_options options = {.connection_max = 5};
	struct aion_group clients;
	uint64_t accepted_nr;

	server.at = listen_tcp();
	while (aion_listener_open(&server.listener, &server.at, aion_sim_now(sim) % 2 ? &options : NULL) < 0)
		;
	assert_result(aion_listener_address(&server.listener, &server.at), 0);
	server_start(&server);
	aion_group_enter(&clients);
	for (int i = 0; i < 20; i++)
		aion_spawn(&clients, client_insist, &server);
	assert_result(aion_group_leave(&clients, 0), 0);
	aion_sim_calm_down(sim);
	accepted_nr = server_stats(&server).accepted_nr;
	cr_assert_geq(accepted_nr, 20);
	server_end(&server);
	return 4711;
}

Test(listener_exhausted, a_hostile_machine_loses_no_connection_and_no_descriptor)
{
	for (uint64_t seed = 1; seed <= (test_is_small() ? 10 : 60); seed++) {
		struct aion_sim *sim = test_sim_make(&(struct aion_sim_options){
			.seed = seed, .profile = AION_SIM_HOSTILE, .fd_max = seed % 3 ? 1024 : 30});

		cr_assert_eq(test_sim_run(sim, hostile_task, sim), 4711, "seed %llu", (unsigned long long)seed);
		test_sim_end(sim);
	}
}
