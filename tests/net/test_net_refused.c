/* SPDX-License-Identifier: MIT */
/* What the calls of sockets and names refuse: errors that stand in their headers and belong to no other file. */
#include <sched.h>
#include <sys/resource.h>

#include <aion/connect.h>
#include <aion/datagram.h>
#include <aion/listener.h>
#include <aion/resolve.h>
#include <aion/socket_options.h>
#include <aion/stream_write.h>

#include "test_net.h"
#include "test_task.h"

TASK_TEST(net_refused, messages_of_a_socket_without_a_partner)
{
	int64_t fd = aion_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte = 'x';

	cr_assert_geq(fd, 0);
	assert_result(aion_recv((int)fd, &byte, 1, 0), -ENOTCONN);
	assert_result(aion_try_recv((int)fd, &byte, 1, 0), -ENOTCONN);
	assert_result(aion_send((int)fd, &byte, 1, 0), -EPIPE);
	assert_result(aion_close((int)fd), 0);
	fd = aion_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(fd, 0);
	assert_result(aion_send((int)fd, &byte, 1, 0), -ENOTCONN);
	assert_result(aion_close((int)fd), 0);
}

TASK_TEST(net_refused, zone_that_is_no_interface)
{
	struct aion_address address;

	assert_result(aion_address_ip("fe80::1%nosuch0", 80, &address), -ENODEV);
	assert_result(aion_address_parse("[fe80::1%nosuch0]:80", 0, &address), -ENODEV);
}

static int in_child(void *arg)
{
	const struct aion_resolve_query query = {.host = "127.0.0.1", .service = "80"};
	struct aion_address address, *own = arg;

	if (aion_resolve(NULL, &query, &address, 1) != -ECHILD)
		return 1;
	return aion_connect_addresses(own, 1, NULL) == -ECHILD ? 0 : 2;
}

TASK_TEST(net_refused, names_and_connections_in_a_forked_child)
{
	struct aion_address address;
	int listener = test_listen_at("127.0.0.1", &address);

	cr_assert_eq(test_in_child(in_child, &address), 0);
	assert_result(aion_close(listener), 0);
}

/* ---- what only root may do */

#define NOBODY 65534

/* Around what the case does as somebody who may do little: the files stay root's. */
static void become(uid_t uid)
{
	if (setresuid((uid_t)-1, uid, (uid_t)-1) < 0)
		cr_skip_test("may not become somebody else");
}

TASK_TEST(net_refused, paths_of_others)
{
	TEST_DIR();
	struct aion_listener listener = {0}, mine = {0};
	struct aion_address there, beside;
	int64_t fd;

	TEST_NEEDS_KERNEL("names of sockets are no files on a simulated machine");
	if (geteuid() != 0)
		cr_skip_test("needs root");
	cr_assert_eq(chmod(".", 0755), 0);
	assert_result(aion_address_unix("./x.sock", &there), 0);
	assert_result(aion_address_unix("./y.sock", &beside), 0);
	assert_result(aion_listener_open(&listener, &there, &(struct aion_listener_options){.path_mode = 0600}), 0);
	fd = aion_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	become(NOBODY);
	assert_result(aion_bind((int)fd, &beside.any, beside.size), -EACCES);
	assert_result(aion_listener_open(&mine, &beside, NULL), -EACCES);
	assert_result(aion_connect((int)fd, &there.any, there.size), -EACCES);
	assert_result(aion_connect_unix("./x.sock", NULL), -EACCES);
	become(0);
	assert_result(aion_connect((int)fd, &there.any, there.size), 0);
	assert_result(aion_close((int)fd), 0);
	aion_listener_close(&listener);
}

TASK_TEST(net_refused, marks)
{
	const struct aion_socket_options options = {.mark = 7};
	int64_t fd;

	TEST_NEEDS_KERNEL("on a simulated machine everybody is root");
	if (geteuid() != 0)
		cr_skip_test("needs root");
	fd = aion_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	become(NOBODY);
	assert_result(aion_socket_options_apply((int)fd, &options), -EPERM);
	become(0);
	assert_result(aion_close((int)fd), 0);
}

TASK_TEST(net_refused, more_descriptors_on_their_way_than_may_be_open)
{
	struct rlimit old, low;
	int64_t result = 0;
	int fds[2];

	TEST_NEEDS_KERNEL("on a simulated machine everybody is root");
	if (geteuid() != 0)
		cr_skip_test("needs root");
	test_unix_pair(SOCK_DGRAM, fds);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = (struct rlimit){.rlim_cur = 64, .rlim_max = old.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	become(NOBODY);
	for (int nr = 0; nr < 70 && result >= 0; nr++) {
		const int sent[] = {fds[0], fds[0], fds[0], fds[0], fds[0], fds[0], fds[0], fds[0]};

		result = aion_send_fds(fds[0], sent, 8, "x", 1);
	}
	assert_result(result, -ETOOMANYREFS);
	become(0);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	test_close_pair(fds);
}

/* In a network without any interface that is up. */
TASK_TEST(net_refused, networks_that_are_not_there)
{
	struct aion_address address;
	int64_t fd;

	TEST_NEEDS_KERNEL("there is one network on a simulated machine");
	if (unshare(CLONE_NEWNET) < 0)
		cr_skip_test("may not make a network");
	assert_result(aion_address_ip("127.0.0.1", 80, &address), 0);
	assert_result(aion_connect_addresses(&address, 1, NULL), -ENETUNREACH);
	fd = aion_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(fd, 0);
	assert_result(aion_sendto((int)fd, "x", 1, 0, &address.any, address.size), -ENETUNREACH);
	assert_result(aion_close((int)fd), 0);
}

TASK_TEST(net_refused, datagrams_to_nobody)
{
	char byte = 'x';
	struct aion_datagram datagram = {.data = &byte, .size = 1};
	struct aion_address address;
	int fds[2];
	size_t done;

	fds[0] = (int)aion_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	fds[1] = (int)aion_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_result(aion_address_ip("127.0.0.1", 0, &address), 0);
	assert_result(aion_bind(fds[1], &address.any, address.size), 0);
	cr_assert_eq(aion_address_of(fds[1], &address), 0);
	assert_result(aion_connect(fds[0], &address.any, address.size), 0);
	assert_result(aion_close(fds[1]), 0);
	assert_result(aion_datagram_send(fds[0], &datagram, 1, &done), 0);
	cr_assert_eq(done, 1);
	assert_result(aion_poll(fds[0], POLLERR), POLLERR); /* until the refusal has come back */
	assert_result(aion_datagram_send(fds[0], &datagram, 1, &done), -ECONNREFUSED);
	cr_assert_eq(done, 0);
	assert_result(aion_close(fds[0]), 0);
}
