/* SPDX-License-Identifier: MIT */
/* Where a listener listens: addresses, unix paths, sockets that were inherited. */
#include <netinet/tcp.h>
#include <sys/wait.h>

#include "test_listener.h"
#include "test_net.h"
#include "test_task.h"
#include "test_worker.h"

TASK_TEST(listener_open, any_free_port_is_told)
{
	struct aion_address at = listen_tcp(), told;
	struct aion_listener listener = {0};
	int client, server;

	assert_result(aion_listener_open(&listener, &at, NULL), 0);
	assert_result(aion_listener_address(&listener, &told), 0);
	cr_assert_neq(aion_address_port(&told), 0);
	client = client_open(&told);
	server = (int)aion_listener_accept(&listener);
	assert_connected(client, server, 'x');
	aion_listener_close(&listener);
	assert_result(aion_listener_address(&listener, &told), -EBADF);
	assert_connected(client, server, 'y');
	assert_result(aion_close(client), 0);
	assert_result(aion_close(server), 0);
	assert_result(client_try(&told), -ECONNREFUSED);
	cr_assert_eq(test_stats().in_flight_nr, 0);
	aion_listener_close(&listener);
}

TASK_TEST(listener_open, an_address_in_use_is_refused)
{
	struct aion_address at[] = {listen_tcp(), listen_unix()};

	for (int i = 0; i < 2; i++) {
		struct aion_listener first = {0}, second = {0};

		assert_result(aion_listener_open(&first, &at[i], NULL), 0);
		assert_result(aion_listener_address(&first, &at[i]), 0);
		assert_result(aion_listener_open(&second, &at[i], NULL), -EADDRINUSE);
		aion_listener_close(&second);
		aion_listener_close(&first);
		/* At once, though connections of before may linger. */
		assert_result(aion_listener_open(&second, &at[i], NULL), 0);
		aion_listener_close(&second);
	}
}

/* IPv6 alone: the other family's port stays free, and nobody comes by it. */
SPARED_TEST(listener_open, of_ip6_only_it_leaves_ip4_to_others)
{
	const struct aion_socket_options socket = {.v6only = AION_ON};
	const struct aion_listener_options options = {.socket = &socket};
	struct aion_listener listener = {0}, other = {0};
	struct aion_address at, at4;
	int64_t client;

	TEST_NEEDS_KERNEL("IPV6_V6ONLY");
	if (!test_has_ip6())
		cr_skip_test("this machine has no ::1");
	cr_assert_eq(aion_address_parse("[::]:0", 0, &at), 0);
	assert_result(aion_listener_open(&listener, &at, &options), 0);
	assert_result(aion_listener_address(&listener, &at), 0);
	cr_assert_eq(aion_address_parse("127.0.0.1", aion_address_port(&at), &at4), 0);
	assert_result(client_try(&at4), -ECONNREFUSED);
	assert_result(aion_listener_open(&other, &at4, NULL), 0);
	cr_assert_eq(aion_address_parse("::1", aion_address_port(&at), &at), 0);
	client = client_try(&at);
	cr_assert_geq(client, 0);
	client = aion_close((int)client);
	assert_result(client, 0);
	client = aion_listener_accept(&listener);
	cr_assert_geq(client, 0);
	assert_result(aion_close((int)client), 0);
	aion_listener_close(&other);
	aion_listener_close(&listener);
}

TASK_TEST(listener_open, an_address_that_is_not_here_is_refused)
{
	struct aion_listener listener = {0};
	struct aion_address at;

	assert_result(aion_address_parse("192.0.2.1:80", 0, &at), 0);
	assert_result(aion_listener_open(&listener, &at, NULL), -EADDRNOTAVAIL);
	at.any.sa_family = 250;
	assert_result(aion_listener_open(&listener, &at, NULL), -EAFNOSUPPORT);
	cr_assert_not(listener.is_open);
}

TASK_TEST(listener_open, several_share_a_port_if_they_agree)
{
	const struct aion_socket_options share = {.reuse_port = AION_ON};
	const struct aion_listener_options options = {.socket = &share};
	struct aion_listener listeners[2] = {{.fd = 0}};
	struct aion_address at = listen_tcp();

	TEST_NEEDS_KERNEL("it shares connections out");
	assert_result(aion_listener_open(&listeners[0], &at, &options), 0);
	assert_result(aion_listener_address(&listeners[0], &at), 0);
	assert_result(aion_listener_open(&listeners[1], &at, &options), 0);
	aion_listener_close(&listeners[0]);
	assert_result(aion_close(client_open(&at)), 0);
	assert_result(aion_close((int)aion_listener_accept(&listeners[1])), 0);
	aion_listener_close(&listeners[1]);
}

TASK_TEST(listener_open, connections_have_the_socket_s_options)
{
	struct aion_address at = listen_tcp();
	struct aion_listener listener = {0};
	int client, server, on = 0, flags;
	socklen_t size = sizeof(on);

	TEST_NEEDS_KERNEL("options are inherited there");
	assert_result(aion_listener_open(&listener, &at, NULL), 0);
	assert_result(aion_listener_address(&listener, &at), 0);
	client = client_open(&at);
	server = (int)aion_listener_accept(&listener);
	assert_result(aion_getsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
	cr_assert_eq(on, 1);
	assert_result(aion_getsockopt(server, SOL_SOCKET, SO_KEEPALIVE, &on, &size), 0);
	cr_assert_eq(on, 1);
	flags = fcntl(server, F_GETFD);
	cr_assert(flags & FD_CLOEXEC);
	assert_result(aion_close(client), 0);
	assert_result(aion_close(server), 0);
	aion_listener_close(&listener);
}

TASK_TEST(listener_open, the_partner_s_address_can_be_asked_for)
{
	struct aion_address at = listen_tcp(), own, peer;
	struct aion_listener listener = {0};
	int client, server;

	assert_result(aion_listener_open(&listener, &at, NULL), 0);
	assert_result(aion_listener_address(&listener, &at), 0);
	client = client_open(&at);
	server = (int)aion_listener_accept(&listener);
	assert_result(aion_address_of(client, &own), 0);
	assert_result(aion_address_of_peer(server, &peer), 0);
	cr_assert(aion_address_is_equal(&own, &peer));
	assert_result(aion_close(client), 0);
	assert_result(aion_close(server), 0);
	aion_listener_close(&listener);
}

TASK_TEST(listener_open, a_cancelled_scope_opens_nothing)
{
	struct aion_address at = listen_tcp();
	struct aion_listener listener = {0};
	struct aion_scope scope;
	int fd = listen_at(&at, 1);

	test_enter_cancelled(&scope);
	assert_result(aion_listener_open(&listener, &at, NULL), -ECANCELED);
	assert_result(aion_listener_open_fd(&listener, fd, NULL), -ECANCELED);
	aion_listener_close(&listener);
	assert_result(aion_scope_leave(&scope), 0);
	cr_assert_eq(test_stats().in_flight_nr, 0);
	assert_result(aion_close(fd), 0);
}

/* Cancelled at every time on its way: all or nothing. */
SPARED_TEST(listener_open, a_cancelled_open_leaves_nothing_behind)
{
	struct aion_address at = listen_unix();

	for (int64_t delay_ns = 0; delay_ns < 100 * AION_MICROSECOND; delay_ns += 2 * AION_MICROSECOND) {
		struct aion_listener listener = {0};
		struct aion_scope scope;
		int64_t result;

		aion_scope_enter(&scope, aion_after(delay_ns));
		result = aion_listener_open(&listener, &at, NULL);
		cr_assert(result == 0 || result == -ECANCELED, "%lld", (long long)result);
		cr_assert_eq(result == 0, listener.is_open);
		aion_listener_close(&listener);
		aion_scope_leave(&scope);
		assert_result(client_try(&at), -ECONNREFUSED);
	}
	cr_assert_eq(test_stats().in_flight_nr, 0);
}

TASK_TEST(listener_open, only_what_listens_can_be_taken)
{
	struct aion_listener listener = {0};
	struct aion_address at = listen_tcp();
	int socket = (int)aion_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = listen_at(&at, 5), fds[2];

	test_pipe(fds);
	assert_result(aion_listener_open_fd(&listener, socket, NULL), -EINVAL);
	assert_result(aion_listener_open_fd(&listener, 9999, NULL), -EBADF);
	assert_result(aion_listener_open_fd(&listener, fds[0], NULL), -ENOTSOCK);
	assert_result(aion_close(socket), 0);
	assert_result(aion_listener_open_fd(&listener, fd, NULL), 0);
	assert_result(aion_close(client_open(&at)), 0);
	assert_result(aion_close((int)aion_listener_accept(&listener)), 0);
	aion_listener_close(&listener);
	assert_result(client_try(&at), -ECONNREFUSED);
}

static int64_t open_twice(void *unused)
{
	struct aion_address at = listen_unix();
	struct aion_listener listener = {0};

	aion_listener_open(&listener, &at, NULL);
	return aion_listener_open(&listener, &at, NULL);
}

Test(listener_open, an_open_one_cannot_be_opened)
{
	test_task_aborts(open_twice, "listener opened while open");
}

/* ---- unix paths */

static struct aion_address path_address(const char *path)
{
	struct aion_address address;

	cr_assert_eq(aion_address_unix(path, &address), 0);
	return address;
}

static bool path_is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

TASK_TEST(listener_open, a_path_goes_with_its_listener)
{
	TEST_DIR();
	struct aion_address at = path_address("./x.sock");
	struct aion_listener listener = {0};
	struct stat status;

	TEST_NEEDS_KERNEL("names of sockets are no files on a simulated machine");
	assert_result(aion_listener_open(&listener, &at, &(struct aion_listener_options){.path_mode = 0622}), 0);
	cr_assert_eq(lstat("x.sock", &status), 0);
	cr_assert_eq(status.st_mode & 07777, 0622);
	assert_result(aion_close(client_open(&at)), 0);
	assert_result(aion_close((int)aion_listener_accept(&listener)), 0);
	aion_listener_close(&listener);
	cr_assert_not(path_is_there("x.sock"));
}

TASK_TEST(listener_open, a_path_that_a_killed_server_has_left_is_taken_over)
{
	TEST_DIR();
	struct aion_address at = path_address("./x.sock");
	struct aion_listener listener = {0};

	TEST_NEEDS_KERNEL("names of sockets are no files on a simulated machine");
	assert_result(aion_close(listen_at(&at, 5)), 0);
	test_await_kernel_workers();
	cr_assert(path_is_there("x.sock"));
	assert_result(aion_listener_open(&listener, &at, NULL), 0);
	assert_result(aion_close(client_open(&at)), 0);
	aion_listener_close(&listener);
	cr_assert_not(path_is_there("x.sock"));
}

TASK_TEST(listener_open, a_path_where_somebody_listens_is_in_use)
{
	TEST_DIR();
	struct aion_address at = path_address("./x.sock");
	struct aion_listener first = {0}, second = {0};
	int clients[4], client_nr = 0;

	TEST_NEEDS_KERNEL("names of sockets are no files on a simulated machine");
	assert_result(aion_listener_open(&first, &at, &(struct aion_listener_options){.backlog = 1}), 0);
	assert_result(aion_listener_open(&second, &at, NULL), -EADDRINUSE);
	/* Also if it has no room for who asks. */
	while (client_nr < 4) {
		struct aion_scope scope;
		int64_t fd;

		aion_scope_enter(&scope, aion_after(5 * AION_MILLISECOND));
		fd = client_try(&at);
		aion_scope_leave(&scope);
		if (fd < 0)
			break;
		clients[client_nr++] = (int)fd;
	}
	cr_assert_lt(client_nr, 4);
	assert_result(aion_listener_open(&second, &at, NULL), -EADDRINUSE);
	close_all(clients, client_nr);
	cr_assert(path_is_there("x.sock"));
	aion_listener_close(&first);
}

TASK_TEST(listener_open, a_cancelled_open_leaves_no_file_behind)
{
	TEST_DIR();
	struct aion_address at = path_address("./x.sock");
	int64_t delay_ns = 0, result = -ECANCELED;

	TEST_NEEDS_KERNEL("names of sockets are no files on a simulated machine");
	for (; result < 0; delay_ns += 2 * AION_MICROSECOND + delay_ns / 16) {
		struct aion_listener listener = {0};
		struct aion_scope scope;

		aion_scope_enter(&scope, aion_after(delay_ns));
		result = aion_listener_open(&listener, &at, &(struct aion_listener_options){.path_mode = 0600});
		cr_assert(result == 0 || result == -ECANCELED, "%lld", (long long)result);
		aion_listener_close(&listener);
		aion_scope_leave(&scope);
		cr_assert_not(path_is_there("x.sock"), "cancelled after %lld ns", (long long)delay_ns);
	}
}

TASK_TEST(listener_open, what_is_no_socket_stays_where_it_is)
{
	TEST_DIR();
	struct aion_address at = path_address("./file"), nowhere = path_address("./no/where");
	struct aion_listener listener = {0};
	int fd = test_file_make("file", 10);

	TEST_NEEDS_KERNEL("names of sockets are no files on a simulated machine");
	assert_result(aion_listener_open(&listener, &at, NULL), -EADDRINUSE);
	cr_assert(path_is_there("file"));
	assert_result(aion_listener_open(&listener, &nowhere, NULL), -ENOENT);
	close(fd);
}

TASK_TEST(listener_open, a_path_that_another_socket_has_taken_stays)
{
	TEST_DIR();
	struct aion_address at = path_address("./x.sock");
	struct aion_listener first = {0}, second = {0};

	TEST_NEEDS_KERNEL("names of sockets are no files on a simulated machine");
	assert_result(aion_listener_open(&first, &at, NULL), 0);
	cr_assert_eq(unlink("x.sock"), 0);
	assert_result(aion_listener_open(&second, &at, NULL), 0);
	aion_listener_close(&first);
	cr_assert(path_is_there("x.sock"));
	assert_result(aion_close(client_open(&at)), 0);
	aion_listener_close(&second);
}

TASK_TEST(listener_open, a_failed_open_leaves_no_file)
{
	TEST_DIR();
	struct aion_address at = path_address("./x.sock");
	struct aion_listener listener = {0};

	TEST_NEEDS_KERNEL("names of sockets are no files on a simulated machine");
	for (int nr = 0; nr < 2; nr++) { /* no place for the socket, none for the reserve */
		descriptors_limit(nr);
		assert_result(aion_listener_open(&listener, &at, NULL), -EMFILE);
		descriptors_unlimit();
		cr_assert_not(path_is_there("x.sock"));
	}
}

/* ---- inherited */

static void inherit(const char *pid, const char *fds, const char *names)
{
	char own[16];

	snprintf(own, sizeof(own), "%d", (int)getpid());
	pid ? setenv("LISTEN_PID", strcmp(pid, "own") == 0 ? own : pid, 1) : unsetenv("LISTEN_PID");
	fds ? setenv("LISTEN_FDS", fds, 1) : unsetenv("LISTEN_FDS");
	names ? setenv("LISTEN_FDNAMES", names, 1) : unsetenv("LISTEN_FDNAMES");
}

Test(listener_open, passed_descriptors_are_those_of_this_process)
{
	int fds[8];

	inherit(NULL, "2", NULL);
	assert_result(aion_listen_fds(NULL, fds, 8), 0);
	inherit("own", NULL, NULL);
	assert_result(aion_listen_fds(NULL, fds, 8), 0);
	inherit("1", "2", NULL);
	assert_result(aion_listen_fds(NULL, fds, 8), 0);
	inherit("own", "0", NULL);
	assert_result(aion_listen_fds(NULL, fds, 8), 0);
	inherit("mine", "2", NULL);
	assert_result(aion_listen_fds(NULL, fds, 8), -EINVAL);
	inherit("own", "2x", NULL);
	assert_result(aion_listen_fds(NULL, fds, 8), -EINVAL);
	inherit("own", "-1", NULL);
	assert_result(aion_listen_fds(NULL, fds, 8), -EINVAL);
	inherit("own", "2147483647", NULL);
	assert_result(aion_listen_fds(NULL, fds, 8), -EINVAL);
	inherit("own", "15000", NULL);
	assert_result(aion_listen_fds(NULL, fds, 8), -EBADF);
}

/* In a child, where the numbers are free to be taken. */
static int inherited_by_name(void *unused)
{
	struct aion_address at[3];
	int fds[3], listening[3], result = 0;

	for (int i = 0; i < 3; i++) {
		struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

		listening[i] = fcntl(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), F_DUPFD, 100);
		if (bind(listening[i], (struct sockaddr *)&name, sizeof(name)) || listen(listening[i], 5) ||
		    aion_address_of(listening[i], &at[i]))
			return 1;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(listening[i], 3 + i) < 0)
			return 2;
	inherit("own", "3", "web:admin:web");
	result |= aion_listen_fds(NULL, fds, 3) != 3 || fds[0] != 3 || fds[2] != 5;
	result |= (aion_listen_fds("web", fds, 3) != 2 || fds[0] != 3 || fds[1] != 5) << 1;
	result |= (aion_listen_fds("admin", fds, 1) != 1 || fds[0] != 4) << 2;
	result |= (aion_listen_fds("we", fds, 1) != 0) << 3;
	fds[1] = -7;
	result |= (aion_listen_fds("web", fds, 1) != 2 || fds[1] != -7) << 4;
	result |= !(fcntl(5, F_GETFD) & FD_CLOEXEC) << 5;
	inherit("own", "3", "web:admin");
	result |= (aion_listen_fds("web", fds, 3) != -EINVAL) << 6;
	inherit("own", "3", NULL);
	return aion_listen_fds("unknown", fds, 3) != 3 ? 99 : result;
}

Test(listener_open, passed_descriptors_are_found_by_name)
{
	cr_assert_eq(test_in_child(inherited_by_name, NULL), 0);
}

TASK_TEST(listener_open, a_passed_socket_serves_though_it_does_not_block)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct aion_listener listener = {0};
	struct aion_address at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), client;

	TEST_NEEDS_KERNEL("the process's own socket");
	cr_assert_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	cr_assert_eq(listen(fd, 5), 0);
	assert_result(aion_listener_open_fd(&listener, fd, &(struct aion_listener_options){.connection_max = 2}), 0);
	assert_result(aion_listener_address(&listener, &at), 0);
	for (int i = 0; i < 5; i++) {
		client = client_open(&at);
		assert_result(aion_close((int)aion_listener_accept(&listener)), 0);
		assert_result(aion_close(client), 0);
	}
	aion_listener_close(&listener);
}
