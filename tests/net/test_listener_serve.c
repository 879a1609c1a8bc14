/* SPDX-License-Identifier: MIT */
/* A task for each connection: limits, floods, shutting down, closing. */
#include "test_listener.h"
#include "test_task.h"

struct server {
	struct aion_listener listener;
	struct aion_listener_options options;
	struct aion_address at;
	struct aion_group group;
	aion_serve_fn *fn;
	int64_t result;
	int served_nr; /* connections whose function has begun */
	int ended_nr;  /* and has ended */
	int active_max_nr;
	int cancelled_nr;
	bool has_returned;
};

static int64_t server_run(void *arg)
{
	struct server *server = arg;

	server->result = aion_listener_serve(&server->listener, server->fn, server);
	server->has_returned = true;
	return 0;
}

static void server_open(struct server *server, struct aion_address at, aion_serve_fn *fn)
{
	server->fn = fn;
	server->at = at;
	server->result = 4711;
	assert_result(aion_listener_open(&server->listener, &at, &server->options), 0);
	assert_result(aion_listener_address(&server->listener, &server->at), 0);
	aion_group_enter(&server->group);
	aion_spawn(&server->group, server_run, server);
}

static struct aion_listener_stats server_stats(const struct server *server)
{
	struct aion_listener_stats stats;

	aion_listener_stats(&server->listener, &stats);
	return stats;
}

static void server_wait(struct server *server, int64_t result)
{
	assert_result(aion_group_leave(&server->group, 0), 0);
	assert_result(server->result, result);
	cr_assert_eq(server_stats(server).active_nr, 0);
	cr_assert_eq(server->served_nr, server->ended_nr);
	aion_listener_close(&server->listener);
	cr_assert_eq(test_stats().in_flight_nr, 0);
}

static void server_begin_one(struct server *server)
{
	int active_nr = ++server->served_nr - server->ended_nr;

	if (active_nr > server->active_max_nr)
		server->active_max_nr = active_nr;
}

/* What comes goes back, until the other side has said all. */
static int64_t echo(int fd, void *arg)
{
	struct server *server = arg;
	char buf[64] = ""; /* valgrind does not see what the kernel writes */
	int64_t result;

	server_begin_one(server);
	do {
		result = test_again(aion_recv(fd, buf, sizeof(buf), 0));
		if (result > 0)
			result = test_again(aion_send(fd, buf, (size_t)result, 0));
	} while (result > 0);
	server->cancelled_nr += result == -ECANCELED;
	server->ended_nr++;
	aion_close(fd);
	return result;
}

static void client_ask(int fd, unsigned char sign)
{
	unsigned char got = 0;

	assert_result(test_again(aion_send(fd, &sign, 1, 0)), 1);
	assert_result(test_again(aion_recv(fd, &got, 1, 0)), 1);
	cr_assert_eq(got, sign);
}

SPARED_TEST(listener_serve, each_connection_has_a_task)
{
	struct aion_address at[] = {listen_tcp(), listen_unix()};

	for (int k = 0; k < 2; k++) {
		struct server server = {.fn = NULL};
		int clients[30];

		server_open(&server, at[k], echo);
		for (int i = 0; i < 30; i++)
			clients[i] = client_open(&server.at);
		for (int i = 29; i >= 0; i--)
			client_ask(clients[i], (unsigned char)i);
		cr_assert_eq(server_stats(&server).active_nr, 30);
		close_all(clients, 30);
		aion_listener_shutdown(&server.listener, AION_NEVER);
		server_wait(&server, 0);
		cr_assert_eq(server.served_nr, 30);
		cr_assert_eq(server_stats(&server).accepted_nr, 30);
		cr_assert_eq(server_stats(&server).active_max_nr, 30);
		cr_assert_eq(server_stats(&server).failed_nr, 0);
	}
}

struct crowd {
	struct server *server;
	int left_nr;
	int refused_nr;
};

static int64_t client_run(void *arg)
{
	struct crowd *crowd = arg;
	int fd = client_open(&crowd->server->at);

	client_ask(fd, 'x');
	aion_yield();
	client_ask(fd, 'y');
	crowd->left_nr--;
	return aion_close(fd);
}

static void crowd_visits(struct server *server, int nr)
{
	struct crowd crowd = {server, nr, 0};
	struct aion_group group;

	aion_group_enter(&group);
	for (int i = 0; i < nr; i++)
		aion_spawn(&group, client_run, &crowd);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(crowd.left_nr, 0);
}

SPARED_TEST(listener_serve, a_thousand_connections_are_served)
{
	struct server server = {.fn = NULL};
	int nr = test_is_small() ? 100 : test_is_simulated() ? 400 : 1000;

	server_open(&server, listen_tcp(), echo);
	crowd_visits(&server, nr);
	aion_listener_shutdown(&server.listener, AION_NEVER);
	server_wait(&server, 0);
	cr_assert_eq(server_stats(&server).accepted_nr, (uint64_t)nr);
}

SPARED_TEST(listener_serve, no_more_are_served_than_the_limit_says)
{
	static const int limits[] = {1, 7, 50};
	int nr = test_is_small() ? 50 : 200;

	for (int i = 0; i < 3; i++) {
		struct server server = {.options.connection_max = (size_t)limits[i]};

		server_open(&server, listen_tcp(), echo);
		crowd_visits(&server, nr);
		aion_listener_shutdown(&server.listener, AION_NEVER);
		server_wait(&server, 0);
		cr_assert_eq(server.served_nr, nr);
		cr_assert_leq(server.active_max_nr, limits[i]);
		cr_assert_leq(server_stats(&server).active_max_nr, (size_t)limits[i]);
	}
}

/* They hold no descriptor: the kernel has them in its queue. */
TASK_TEST(listener_serve, who_is_beyond_the_limit_waits_outside)
{
	struct server server = {.options.connection_max = 2};
	int clients[6];

	server_open(&server, listen_unix(), echo);
	for (int i = 0; i < 6; i++)
		clients[i] = client_open(&server.at);
	aion_sleep(5 * AION_MILLISECOND);
	cr_assert_eq(server.served_nr, 2);
	cr_assert_eq(aion_accept_nr(&server.listener.accept), 0);
	for (int i = 0; i < 6; i++) {
		client_ask(clients[i], (unsigned char)i);
		assert_result(aion_close(clients[i]), 0);
	}
	aion_listener_shutdown(&server.listener, AION_NEVER);
	server_wait(&server, 0);
	cr_assert_eq(server.active_max_nr, 2);
}

static int64_t fail(int fd, void *arg)
{
	struct server *server = arg;
	char c;

	server_begin_one(server);
	test_again(aion_recv(fd, &c, 1, 0));
	server->ended_nr++;
	aion_close(fd);
	return -EPROTO;
}

SPARED_TEST(listener_serve, an_error_of_one_connection_is_nothing_to_the_others)
{
	struct server server = {.fn = NULL};
	int clients[10];

	server_open(&server, listen_tcp(), fail);
	for (int i = 0; i < 10; i++) {
		clients[i] = client_open(&server.at);
		if (i % 2)
			assert_result(test_again(aion_send(clients[i], "x", 1, 0)), 1);
	}
	for (int i = 1; i < 10; i += 2)
		cr_assert(client_is_sent_away(clients[i]));
	cr_assert_eq(server.ended_nr, 5);
	close_all(clients, 10);
	aion_listener_shutdown(&server.listener, AION_NEVER);
	server_wait(&server, 0);
	cr_assert_eq(server_stats(&server).failed_nr, 10);
}

/* ---- shutting down */

TASK_TEST(listener_serve, a_shutdown_lets_the_connections_finish)
{
	struct server server = {.fn = NULL};
	int client;

	server_open(&server, listen_tcp(), echo);
	client = client_open(&server.at);
	client_ask(client, 'x');
	aion_listener_shutdown(&server.listener, aion_after(AION_SECOND * 3600));
	aion_sleep(5 * AION_MILLISECOND);
	cr_assert_not(server.has_returned);
	assert_result(client_try(&server.at), -ECONNREFUSED);
	client_ask(client, 'y');
	assert_result(aion_close(client), 0);
	server_wait(&server, 0);
	cr_assert_eq(server.cancelled_nr, 0);
}

TASK_TEST(listener_serve, a_shutdown_cancels_who_has_not_finished_at_its_deadline)
{
	struct server server = {.fn = NULL};
	int clients[3];

	server_open(&server, listen_tcp(), echo);
	for (int i = 0; i < 3; i++) {
		clients[i] = client_open(&server.at);
		client_ask(clients[i], 'x');
	}
	aion_listener_shutdown(&server.listener, aion_after(10 * AION_MILLISECOND));
	assert_result(aion_close(clients[0]), 0);
	server_wait(&server, -ETIME);
	cr_assert_eq(server.cancelled_nr, 2);
	cr_assert(client_is_sent_away(clients[1]));
	close_all(clients + 1, 2);
}

TASK_TEST(listener_serve, a_deadline_that_has_passed_cancels_at_once)
{
	struct server server = {.fn = NULL};
	int client;

	server_open(&server, listen_tcp(), echo);
	client = client_open(&server.at);
	client_ask(client, 'x');
	aion_listener_shutdown(&server.listener, 0);
	server_wait(&server, -ETIME);
	cr_assert(client_is_sent_away(client));
	assert_result(aion_close(client), 0);
}

TASK_TEST(listener_serve, a_second_shutdown_sets_another_deadline)
{
	struct server server = {.fn = NULL};
	int client;

	server_open(&server, listen_unix(), echo);
	client = client_open(&server.at);
	client_ask(client, 'x');
	aion_listener_shutdown(&server.listener, AION_NEVER);
	aion_sleep(2 * AION_MILLISECOND);
	cr_assert_not(server.has_returned);
	aion_listener_shutdown(&server.listener, aion_after(AION_MILLISECOND));
	server_wait(&server, -ETIME);
	assert_result(aion_close(client), 0);
}

TASK_TEST(listener_serve, a_shutdown_without_connections_ends_at_once)
{
	struct server server = {.fn = NULL};

	server_open(&server, listen_tcp(), echo);
	aion_sleep(AION_MILLISECOND);
	aion_listener_shutdown(&server.listener, 0);
	server_wait(&server, 0);
	aion_listener_shutdown(&server.listener, 0);
}

static int64_t shut_down_from_inside(int fd, void *arg)
{
	struct server *server = arg;

	server_begin_one(server);
	aion_listener_shutdown(&server->listener, AION_NEVER);
	server->ended_nr++;
	return aion_close(fd);
}

TASK_TEST(listener_serve, a_connection_may_shut_its_server_down)
{
	struct server server = {.fn = NULL};
	int client;

	server_open(&server, listen_tcp(), shut_down_from_inside);
	client = client_open(&server.at);
	server_wait(&server, 0);
	cr_assert_eq(server.served_nr, 1);
	assert_result(aion_close(client), 0);
}

/* Accepted already, so nobody else can serve them. */
SPARED_TEST(listener_serve, who_was_accepted_before_a_shutdown_is_served)
{
	struct server server = {.fn = NULL};
	int clients[20];

	server_open(&server, listen_unix(), echo);
	aion_yield();
	for (int i = 0; i < 20; i++)
		clients[i] = client_open(&server.at);
	while (server.served_nr + aion_accept_nr(&server.listener.accept) < 20)
		aion_yield();
	aion_listener_shutdown(&server.listener, AION_NEVER);
	for (int i = 0; i < 20; i++)
		client_ask(clients[i], (unsigned char)i);
	close_all(clients, 20);
	server_wait(&server, 0);
}

TASK_TEST(listener_serve, what_is_shut_down_serves_no_more)
{
	struct server server = {.fn = NULL};

	server_open(&server, listen_tcp(), echo);
	aion_sleep(AION_MILLISECOND);
	aion_listener_shutdown(&server.listener, AION_NEVER);
	assert_result(aion_group_leave(&server.group, 0), 0);
	assert_result(aion_listener_serve(&server.listener, echo, NULL), -ESHUTDOWN);
	assert_result(aion_listener_accept(&server.listener), -ESHUTDOWN);
	assert_result(aion_listener_address(&server.listener, &server.at), -EBADF);
	aion_listener_close(&server.listener);
	assert_result(aion_listener_serve(&server.listener, echo, NULL), -EBADF);
	assert_result(aion_listener_accept(&server.listener), -EBADF);
}

/* ---- cancelled, closed, broken */

TASK_TEST(listener_serve, a_cancellation_ends_all_and_it_can_serve_again)
{
	struct server server = {.fn = NULL};
	int clients[3], late;

	server_open(&server, listen_tcp(), echo);
	for (int i = 0; i < 3; i++) {
		clients[i] = client_open(&server.at);
		client_ask(clients[i], 'x');
	}
	aion_group_cancel(&server.group);
	assert_result(aion_group_leave(&server.group, 0), 0);
	assert_result(server.result, -ECANCELED);
	cr_assert_eq(server.cancelled_nr, 3);
	for (int i = 0; i < 3; i++)
		cr_assert(client_is_sent_away(clients[i]));
	late = client_open(&server.at);
	aion_group_enter(&server.group);
	aion_spawn(&server.group, server_run, &server);
	client_ask(late, 'y');
	assert_result(aion_close(late), 0);
	aion_listener_shutdown(&server.listener, AION_NEVER);
	server_wait(&server, 0);
	close_all(clients, 3);
}

/* Cancelled at every time of an exchange: every connection is served to its end, or sent away. */
SPARED_TEST(listener_serve, a_cancellation_at_any_time_leaves_nothing_behind)
{
	int step_nr = test_is_small() ? 20 : 100;

	for (int i = 0; i < step_nr; i++) {
		struct server server = {.options.connection_max = i % 3 ? 0 : 2};
		int clients[4];
		char c;

		server_open(&server, listen_unix(), echo);
		aion_scope_set_deadline(&server.group.scope, AION_NEVER);
		for (int k = 0; k < 4; k++)
			clients[k] = client_open(&server.at);
		aion_scope_set_deadline(&server.group.scope, aion_after(i * AION_MICROSECOND));
		for (int k = 0; k < 4; k++) {
			aion_send(clients[k], "x", 1, 0);
			aion_recv(clients[k], &c, 1, MSG_DONTWAIT);
		}
		aion_group_leave(&server.group, 0);
		assert_result(server.result, -ECANCELED);
		cr_assert_eq(server.served_nr, server.ended_nr);
		aion_listener_close(&server.listener);
		for (int k = 0; k < 4; k++)
			while (aion_recv(clients[k], &c, 1, 0) > 0)
				;
		close_all(clients, 4);
		cr_assert_eq(test_stats().in_flight_nr, 0);
	}
}

TASK_TEST(listener_serve, a_close_ends_all_and_returns_after_it)
{
	struct server server = {.fn = NULL};
	int clients[3];

	server_open(&server, listen_tcp(), echo);
	for (int i = 0; i < 3; i++) {
		clients[i] = client_open(&server.at);
		client_ask(clients[i], 'x');
	}
	aion_listener_close(&server.listener);
	cr_assert(server.has_returned);
	assert_result(server.result, -EBADF);
	cr_assert_eq(server.cancelled_nr, 3);
	for (int i = 0; i < 3; i++)
		cr_assert(client_is_sent_away(clients[i]));
	assert_result(aion_group_leave(&server.group, 0), 0);
	assert_result(client_try(&server.at), -ECONNREFUSED);
	close_all(clients, 3);
	cr_assert_eq(test_stats().in_flight_nr, 0);
}

/* The owner is told -EBADF, and leaves by the clean-up while the other task is still closing. */
static int64_t own_listener(void *ret_listener)
{
	struct aion_listener *listener = calloc(1, sizeof(*listener));
	struct aion_address address = listen_tcp();
	int64_t result;

	assert_result(aion_listener_open(listener, &address, NULL), 0);
	*(struct aion_listener **)ret_listener = listener;
	result = aion_listener_serve(listener, echo, NULL);
	aion_listener_close(listener);
	cr_assert(!listener->is_open && listener->fd < 0);
	memset(listener, 0x5a, sizeof(*listener));
	free(listener);
	return result;
}

TASK_TEST(listener_serve, the_owner_of_what_somebody_else_closes_may_close_it_too)
{
	struct aion_listener *listener = NULL;
	struct aion_handle owner;
	struct aion_group group;

	aion_group_enter(&group);
	aion_group_keep_going(&group);
	aion_spawn_into(&group, &owner, NULL, own_listener, &listener);
	aion_sleep(AION_MILLISECOND);
	while (!listener || !listener->is_serving)
		aion_yield();
	aion_listener_close(listener);
	assert_result(aion_await(&owner.future), -EBADF);
	aion_group_leave(&group, 0);
}

TASK_TEST(listener_serve, a_close_in_a_cancelled_scope_finishes)
{
	struct server server = {.fn = NULL};
	struct aion_scope scope;
	int client;

	server_open(&server, listen_unix(), echo);
	client = client_open(&server.at);
	client_ask(client, 'x');
	test_enter_cancelled(&scope);
	aion_listener_close(&server.listener);
	assert_result(aion_scope_leave(&scope), 0);
	cr_assert(server.has_returned);
	assert_result(aion_group_leave(&server.group, 0), 0);
	assert_result(aion_close(client), 0);
	cr_assert_eq(test_stats().in_flight_nr, 0);
}

struct waiter {
	struct aion_listener *listener;
	int64_t result;
};

static int64_t wait_for_one(void *arg)
{
	struct waiter *waiter = arg;

	waiter->result = aion_listener_accept(waiter->listener);
	return 0;
}

TASK_TEST(listener_serve, who_waits_is_told_of_a_close_and_of_a_shutdown)
{
	for (int is_shutdown = 0; is_shutdown < 2; is_shutdown++) {
		struct aion_address at = listen_tcp();
		struct aion_listener listener = {0};
		struct waiter waiters[3];
		struct aion_group group;

		assert_result(aion_listener_open(&listener, &at, NULL), 0);
		aion_group_enter(&group);
		for (int i = 0; i < 3; i++) {
			waiters[i] = (struct waiter){&listener, 0};
			aion_spawn(&group, wait_for_one, &waiters[i]);
		}
		aion_sleep(AION_MILLISECOND);
		assert_result(aion_listener_serve(&listener, echo, NULL), -EALREADY);
		if (is_shutdown)
			aion_listener_shutdown(&listener, AION_NEVER);
		else
			aion_listener_close(&listener);
		assert_result(aion_group_leave(&group, 0), 0);
		for (int i = 0; i < 3; i++)
			assert_result(waiters[i].result, is_shutdown ? -ESHUTDOWN : -EBADF);
		aion_listener_close(&listener);
		cr_assert_eq(test_stats().in_flight_nr, 0);
	}
}

TASK_TEST(listener_serve, only_one_serves)
{
	struct server server = {.fn = NULL};

	server_open(&server, listen_tcp(), echo);
	aion_yield();
	assert_result(aion_listener_serve(&server.listener, echo, NULL), -EALREADY);
	assert_result(aion_listener_accept(&server.listener), -EALREADY);
	aion_listener_shutdown(&server.listener, AION_NEVER);
	server_wait(&server, 0);
}

TASK_TEST(listener_serve, a_cancelled_scope_serves_nobody)
{
	struct aion_address at = listen_tcp();
	struct aion_listener listener = {0};
	struct aion_scope scope;

	assert_result(aion_listener_open(&listener, &at, NULL), 0);
	test_enter_cancelled(&scope);
	assert_result(aion_listener_serve(&listener, echo, NULL), -ECANCELED);
	assert_result(aion_listener_accept(&listener), -ECANCELED);
	assert_result(aion_scope_leave(&scope), 0);
	aion_listener_close(&listener);
}

TASK_TEST(listener_serve, an_error_of_the_socket_is_told_after_the_last_connection)
{
	struct server server = {.fn = NULL};
	int client;

	server_open(&server, listen_tcp(), echo);
	client = client_open(&server.at);
	client_ask(client, 'x');
	assert_result(aion_shutdown(server.listener.fd, SHUT_RDWR), 0);
	aion_sleep(5 * AION_MILLISECOND);
	cr_assert_not(server.has_returned);
	client_ask(client, 'y');
	assert_result(aion_close(client), 0);
	server_wait(&server, -EINVAL);
}

Test(listener_serve, outside_of_a_task_is_refused)
{
	struct aion_listener listener = {0};
	struct aion_address at = {.any.sa_family = AF_INET, .size = sizeof(struct sockaddr_in)};

	assert_result(aion_listener_open(&listener, &at, NULL), -EBUSY);
	assert_result(aion_listener_open_fd(&listener, 0, NULL), -EBUSY);
	assert_result(aion_listener_serve(&listener, echo, NULL), -EBUSY);
	assert_result(aion_listener_accept(&listener), -EBUSY);
	aion_listener_shutdown(&listener, 0);
	aion_listener_close(&listener);
}

/* ---- fairness */

static int64_t hang_up(int fd, void *arg)
{
	struct server *server = arg;

	server->served_nr++;
	server->ended_nr++;
	return aion_close(fd);
}

static int64_t knock(void *arg)
{
	struct server *server = arg;

	for (;;) {
		int64_t fd = client_try(&server->at);

		if (fd < 0)
			return 0;
		aion_close((int)fd);
	}
}

/* The others have their turn at least once while a batch of connections is begun. */
SPARED_TEST(listener_serve, a_flood_does_not_starve_the_others)
{
	struct server server = {.fn = NULL};
	struct aion_group group;
	int turn_nr = 0, nr = test_is_small() ? 200 : 3000;

	server_open(&server, listen_unix(), hang_up);
	aion_group_enter(&group);
	for (int i = 0; i < 50; i++)
		aion_spawn(&group, knock, &server);
	while (server.served_nr < nr) {
		assert_result(aion_yield(), 0);
		turn_nr++;
	}
	cr_assert_gt(turn_nr, nr / 200);
	aion_group_cancel(&group);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_listener_shutdown(&server.listener, AION_NEVER);
	server_wait(&server, 0);
}
