/* SPDX-License-Identifier: MIT */
/* Connecting: what is asked for is what one gets, and every error. */
#include <sys/resource.h>

#include "test_connect.h"

#include "fault_int.h"

static int option_of(int fd, int level, int name)
{
	socklen_t size = sizeof(int);
	int value = -1;

	assert_result(aion_getsockopt(fd, level, name, &value, &size), 0);
	return value;
}

TASK_TEST(connect_options, numbers_need_no_resolver)
{
	struct aion_address address;
	char port[8];
	int fds[2];

	fds[0] = test_listen("127.0.0.1", 4, &address);
	snprintf(port, sizeof(port), "%u", aion_address_port(&address));
	fds[1] = (int)aion_connect_host("127.0.0.1", port, NULL);
	cr_assert_geq(fds[1], 0);
	test_close(fds, 2);
}

TASK_TEST(connect_options, socket_has_its_options_and_closes_on_exec)
{
	struct aion_socket_options socket_options = {.no_delay = AION_OFF, .receive_size = 20000};
	struct aion_connect_options options = {.socket = &socket_options};
	struct aion_address address;
	int fds[3];

	fds[0] = test_listen("127.0.0.1", 4, &address);
	fds[1] = (int)aion_connect_addresses(&address, 1, NULL);
	fds[2] = (int)aion_connect_addresses(&address, 1, &options);
	cr_assert(fds[1] >= 0 && fds[2] >= 0);
	cr_assert_neq(option_of(fds[1], IPPROTO_TCP, TCP_NODELAY), 0);
	cr_assert_eq(option_of(fds[2], IPPROTO_TCP, TCP_NODELAY), 0);
	cr_assert_eq(option_of(fds[2], SOL_SOCKET, SO_RCVBUF), 40000);
	if (!test_is_simulated())
		cr_assert_eq(fcntl(fds[1], F_GETFD), FD_CLOEXEC);
	test_close(fds, 3);
}

TASK_TEST(connect_options, option_that_is_refused_fails_the_attempt)
{
	struct aion_socket_options socket_options = {.device = "no-such-device"};
	struct aion_connect_report report;
	struct aion_connect_options options = {.socket = &socket_options, .report = &report};
	struct aion_address address;
	int fd = test_listen("127.0.0.1", 4, &address), lowest = test_lowest_fd();
	int64_t result;

	TEST_NEEDS_KERNEL("a simulated machine has no devices");
	result = aion_connect_addresses(&address, 1, &options);
	cr_assert_lt(result, 0);
	cr_assert_eq(report.attempt_nr, 1);
	assert_result(report.attempts[0].result, result);
	cr_assert_eq(test_lowest_fd(), lowest);
	test_close(&fd, 1);
}

TASK_TEST(connect_options, source_address_is_that_of_the_family)
{
	struct aion_address address, peer = AION_ADDRESS_ROOM;
	struct aion_address sources[] = {test_ip("::1", 0), test_ip("127.0.0.9", 0), test_ip("127.0.0.8", 0)};
	struct aion_connect_options options = {.sources = sources, .source_nr = 3};
	int fds[3];

	fds[0] = test_listen("127.0.0.1", 4, &address);
	fds[1] = (int)aion_connect_addresses(&address, 1, &options);
	cr_assert_geq(fds[1], 0);
	fds[2] = (int)aion_accept4(fds[0], &peer.any, &peer.size, SOCK_CLOEXEC);
	cr_assert_geq(fds[2], 0);
	cr_assert_eq(peer.in4.sin_addr.s_addr, inet_addr("127.0.0.9"));
	cr_assert_neq(peer.in4.sin_port, 0);
	if (!test_is_simulated())
		cr_assert_eq(option_of(fds[1], IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT), 1);
	test_close(fds, 3);
}

SPARED_TEST(connect_options, source_that_cannot_be)
{
	struct aion_connect_report report;
	struct aion_address address, sources[] = {test_ip("::1", 0), test_ip("203.0.113.1", 0)};
	struct aion_connect_options options = {.sources = sources, .source_nr = 1, .report = &report};
	int fd = test_listen("127.0.0.1", 4, &address), lowest = test_lowest_fd();

	assert_result(aion_connect_addresses(&address, 1, &options), -EADDRNOTAVAIL);
	assert_result(report.attempts[0].result, -EADDRNOTAVAIL);
	options.source_nr = 2;
	assert_result(aion_connect_addresses(&address, 1, &options), -EADDRNOTAVAIL);
	cr_assert_eq(test_lowest_fd(), lowest);
	sources[1] = address;
	assert_result(aion_connect_addresses(&address, 1, &options), -EADDRINUSE);
	cr_assert_eq(test_lowest_fd(), lowest);
	test_close(&fd, 1);
}

TASK_TEST(connect_options, host_is_looked_up_as_asked_for)
{
	struct aion_connect_options options = {.family = AF_INET6};

	assert_result(aion_connect_host("127.0.0.1", "1", &options), -ENODATA);
	options = (struct aion_connect_options){.type = 99};
	assert_result(aion_connect_host("localhost", "1", &options), -ESOCKTNOSUPPORT);
}

TASK_TEST(connect_options, names_that_do_not_resolve)
{
	TEST_HOST(host);
	struct aion_connect_report report = {.attempt_nr = 4711};
	struct aion_connect_options options = {.resolver = host.resolver, .report = &report};

	host.error = -ENXIO;
	assert_result(aion_connect_host("none", "80", &options), -ENXIO);
	cr_assert_eq(report.attempt_nr, 0);
	fake_answer(EAI_AGAIN, 0, 0);
	assert_result(aion_connect_host("x.test", "80", NULL), -EAGAIN);
}

TASK_TEST(connect_options, datagrams_have_a_partner_at_once)
{
	struct aion_connect_options options = {.type = SOCK_DGRAM};
	int fd = (int)aion_connect_host("127.0.0.1", "9", &options);

	cr_assert_geq(fd, 0);
	cr_assert_eq(option_of(fd, SOL_SOCKET, SO_TYPE), SOCK_DGRAM);
	test_close(&fd, 1);
}

TASK_TEST(connect_options, questions_that_are_none_are_refused)
{
	struct aion_connect_options options = {.attempt_delay_ns = -1};
	struct aion_address address = test_ip("127.0.0.1", 1);

	assert_result(aion_connect_addresses(NULL, 0, NULL), -EINVAL);
	assert_result(aion_connect_addresses(&address, 1, &options), -EINVAL);
	assert_result(aion_connect_host(NULL, NULL, NULL), -EINVAL);
	address = (struct aion_address){0};
	cr_assert_lt(aion_connect_addresses(&address, 1, NULL), 0);
}

Test(connect_options, outside_of_tasks_refuses)
{
	struct aion_address address = test_ip("127.0.0.1", 1);

	assert_result(aion_connect_addresses(&address, 1, NULL), -EBUSY);
	assert_result(aion_connect_host("127.0.0.1", "1", NULL), -EBUSY);
	assert_result(aion_connect_unix("@x", NULL), -EBUSY);
}

TASK_TEST(connect_options, no_descriptor_left)
{
	struct aion_connect_report report;
	struct aion_connect_options options = {.report = &report};
	struct aion_address addresses[2];
	struct rlimit limit, none;
	int fds[2];

	TEST_NEEDS_KERNEL("the limit is the process's");
	fds[0] = test_listen("127.0.0.1", 4, &addresses[0]);
	fds[1] = test_listen("127.0.0.1", 4, &addresses[1]);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){0, limit.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_result(aion_connect_addresses(addresses, 2, &options), -EMFILE);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert_eq(report.attempt_nr, 2);
	test_close(fds, 2);
}

#ifdef AION_FAULTS
static int64_t without_memory(void *unused)
{
	struct aion_address addresses[2];
	unsigned after = 0;
	int fds[2], lowest;
	char port[8];
	int64_t result;

	(void)unused;
	fds[0] = test_listen("127.0.0.1", 128, &addresses[0]);
	snprintf(port, sizeof(port), "%u", aion_address_port(&addresses[0]));
	lowest = test_lowest_fd();
	do {
		aion__fault_arm(AION__FAULT_ALLOC, after, 1, -ENOMEM);
		result = aion_connect_host("127.0.0.1", port, NULL);
		aion__fault_reset();
		if (result >= 0)
			assert_result(aion_close((int)result), 0);
		else
			assert_result(result, -ENOMEM);
		cr_assert_eq(test_lowest_fd(), lowest);
	} while (result < 0 && after++ < 50);
	cr_assert_geq(after, 2, "the addresses, the attempts");
	test_close(fds, 1);
	return 0;
}

Test(connect_options, no_memory)
{
	test_allocator_count();
	cr_assert_eq(aion_run(without_memory, NULL, NULL), 0);
	cr_assert_eq(test_allocator_in_use_nr(), 0);
}
#endif

/* ---- unix names */

static int listen_unix(const struct aion_address *address, int type)
{
	int64_t fd = aion_socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	assert_result(aion_bind((int)fd, &address->any, address->size), 0);
	assert_result(aion_listen((int)fd, 4), 0);
	return (int)fd;
}

TASK_TEST(connect_unix, abstract_names)
{
	struct aion_connect_options options = {.type = SOCK_SEQPACKET};
	struct aion_address address;
	char name[64];
	int fds[4];

	snprintf(name, sizeof(name), "@aion-test-connect-%d", (int)getpid());
	assert_result(aion_connect_unix(name, NULL), -ECONNREFUSED);
	assert_result(aion_address_abstract(name + 1, strlen(name + 1), &address), 0);
	fds[0] = listen_unix(&address, SOCK_STREAM);
	fds[1] = (int)aion_connect_unix(name, NULL);
	cr_assert_geq(fds[1], 0);
	assert_result(aion_connect_unix(name, &options), -ECONNREFUSED);
	test_close(fds, 2);
	fds[2] = listen_unix(&address, SOCK_SEQPACKET);
	fds[3] = (int)aion_connect_unix(name, &options);
	cr_assert_geq(fds[3], 0);
	test_close(&fds[2], 2);
}

TASK_TEST(connect_unix, paths)
{
	struct aion_address address;
	int fds[2];

	TEST_NEEDS_KERNEL("the path is the process's");
	TEST_DIR();
	assert_result(aion_address_unix("./s", &address), 0);
	assert_result(aion_connect_unix("./s", NULL), -ENOENT);
	fds[0] = listen_unix(&address, SOCK_STREAM);
	fds[1] = (int)aion_connect_unix("./s", NULL);
	cr_assert_geq(fds[1], 0);
	test_close(fds, 2);
	assert_result(aion_connect_unix("./s", NULL), -ECONNREFUSED);
}

TASK_TEST(connect_unix, names_that_are_none)
{
	char name[120];

	assert_result(aion_connect_unix("", NULL), -EINVAL);
	assert_result(aion_connect_unix("@", NULL), -EINVAL);
	memset(name, 'x', sizeof(name));
	name[108] = 0;
	assert_result(aion_connect_unix(name, NULL), -ENAMETOOLONG);
	name[0] = '@';
	name[108] = 'x';
	name[109] = 0;
	assert_result(aion_connect_unix(name, NULL), -ENAMETOOLONG);
}
