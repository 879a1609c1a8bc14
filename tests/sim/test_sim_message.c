/* SPDX-License-Identifier: MIT */
/* What sockets carry: bytes and datagrams, on the kernel and on the machine alike. */
#include "test_sim_net.h"

/* ---- streams */

static void check_stream(int domain)
{
	char buf[16];
	int fds[2];

	net_pair(domain, SOCK_STREAM, fds);
	assert_result(net_send(fds[0], "hello"), 5);
	assert_result(net_send(fds[0], "you"), 3);
	assert_result(NET_DO(io_uring_prep_recv, fds[1], buf, 3, MSG_PEEK), 3);
	assert_result(NET_DO(io_uring_prep_recv, fds[1], buf, 2, 0), 2);
	assert_result(net_recv(fds[1], "lloyou", 0), 6);
	assert_result(net_recv(fds[1], "", MSG_DONTWAIT), -EAGAIN);
	cr_assert(NET_WAITS(io_uring_prep_recv, fds[1], buf, 1, 0));
	assert_result(NET_DO(io_uring_prep_write, fds[1], "by write", 8, 0), 8);
	assert_result(NET_DO(io_uring_prep_read, fds[0], buf, 16, 0), 8);
	assert_result(NET_DO(io_uring_prep_send, fds[0], buf, 0, 0), 0);
	net_close_pair(fds);
}

NET_TEST(sim_message, streams_keep_the_order_of_bytes)
{
	check_stream(AF_INET);
	check_stream(AF_UNIX);
}

struct send_late {
	int fd;
	const char *text;
};

static int64_t send_late(void *arg)
{
	struct send_late *late = arg;

	aion_sleep(AION_MILLISECOND);
	return net_send(late->fd, late->text) == (int64_t)strlen(late->text) ? 0 : -EIO;
}

/* MSG_WAITALL; of a cancelled one the bytes that came are the result. */
NET_TEST(sim_message, all_is_waited_for_if_asked)
{
	struct aion_group group;
	struct aion_op op = {0};
	struct send_late late;
	char buf[16] = "";
	int fds[2];

	net_pair(AF_INET, SOCK_STREAM, fds);
	late = (struct send_late){fds[0], "defghij"};
	assert_result(net_send(fds[0], "abc"), 3);
	aion_group_enter(&group);
	aion_spawn(&group, send_late, &late);
	assert_result(NET_DO(io_uring_prep_recv, fds[1], buf, 10, MSG_WAITALL), 10);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_str_eq(buf, "abcdefghij");
	assert_result(net_send(fds[0], "klm"), 3);
	io_uring_prep_recv(aion_op_sqe(&op), fds[1], buf, 10, MSG_WAITALL);
	aion_sleep(2 * AION_MILLISECOND);
	aion_op_reap(&op);
	assert_result(op.future.result, 3);
	assert_result(net_send(fds[0], "nop"), 3);
	assert_result(NET_DO(io_uring_prep_recv, fds[1], buf, 10, MSG_WAITALL | MSG_DONTWAIT), 3);
	assert_result(net_send(fds[0], "qrs"), 3);
	net_close(fds[0]);
	assert_result(NET_DO(io_uring_prep_recv, fds[1], buf, 10, MSG_WAITALL), 3);
	net_close(fds[1]);
}

struct flood {
	int fd;
	size_t size;
	int64_t result;
};

static int64_t send_flood(void *arg)
{
	struct flood *flood = arg;
	char *data = malloc(flood->size);

	cr_assert(data);
	test_fill(data, flood->size, 0);
	flood->result = NET_DO(io_uring_prep_send, flood->fd, data, flood->size, MSG_WAITALL);
	free(data);
	return 0;
}

/* Far more than any queue holds. */
NET_TEST(sim_message, sender_waits_for_room)
{
	struct flood flood = {.size = 8 << 20};
	struct aion_group group;
	char buf[5000] = "";
	size_t done = 0;
	int fds[2];

	net_pair(AF_UNIX, SOCK_STREAM, fds);
	flood.fd = fds[0];
	aion_group_enter(&group);
	aion_spawn(&group, send_flood, &flood);
	while (done < flood.size) {
		int64_t result = NET_DO(io_uring_prep_recv, fds[1], buf, sizeof(buf), 0);

		cr_assert_gt(result, 0);
		cr_assert(test_is_filled(buf, (size_t)result, done), "at %zu", done);
		done += (size_t)result;
	}
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(flood.result, (int64_t)flood.size);
	net_close_pair(fds);
}

NET_TEST(sim_message, unconnected_streams_say_what_the_kernel_says)
{
	int tcp = net_socket(AF_INET, SOCK_STREAM), un = net_socket(AF_UNIX, SOCK_STREAM);
	int packet = net_socket(AF_UNIX, SOCK_SEQPACKET);
	struct net_address address = net_unix("x");

	assert_result(net_send(tcp, "x"), -EPIPE);
	assert_result(net_recv(tcp, "", 0), -ENOTCONN);
	assert_result(net_send(un, "x"), -ENOTCONN);
	assert_result(net_recv(un, "", 0), -EINVAL);
	assert_result(NET_DO(prep_send_to, un, "x", 1, &address.any, address.size), -EOPNOTSUPP);
	assert_result(net_send(packet, "x"), -ENOTCONN);
	assert_result(net_recv(packet, "", 0), -ENOTCONN);
	net_close(tcp);
	net_close(un);
	net_close(packet);
}

/* ---- datagrams */

static void check_datagrams(int to, int from)
{
	char buf[16];

	assert_result(net_send(from, "hello"), 5);
	assert_result(NET_DO(io_uring_prep_send, from, buf, 0, 0), 0);
	assert_result(net_send(from, "world"), 5);
	assert_result(NET_DO(io_uring_prep_recv, to, buf, 2, MSG_PEEK), 2);
	assert_result(NET_DO(io_uring_prep_recv, to, buf, 2, MSG_PEEK | MSG_TRUNC), 5);
	assert_result(NET_DO(io_uring_prep_recv, to, buf, 2, 0), 2);
	assert_result(net_recv(to, "", 0), 0);
	assert_result(net_recv(to, "world", 0), 5);
	assert_result(net_recv(to, "", MSG_DONTWAIT), -EAGAIN);
	cr_assert(NET_WAITS(io_uring_prep_recv, to, buf, 2, 0));
}

NET_TEST(sim_message, datagrams_stay_whole)
{
	int to = net_socket(AF_INET, SOCK_DGRAM), from = net_socket(AF_INET, SOCK_DGRAM), pair[2];

	assert_result(net_bind(to, net_ip4("127.0.0.1", 0)), 0);
	assert_result(net_connect(from, net_ip4("127.0.0.1", net_port(to))), 0);
	check_datagrams(to, from);
	net_close(to);
	net_close(from);
	to = net_socket(AF_UNIX, SOCK_DGRAM);
	from = net_socket(AF_UNIX, SOCK_DGRAM);
	assert_result(net_bind(to, net_unix("to")), 0);
	assert_result(net_connect(from, net_unix("to")), 0);
	check_datagrams(to, from);
	net_close(to);
	net_close(from);
	net_pair(AF_UNIX, SOCK_SEQPACKET, pair);
	check_datagrams(pair[1], pair[0]);
	net_close_pair(pair);
}

NET_TEST(sim_message, udp_says_what_the_kernel_says)
{
	int a = net_socket(AF_INET, SOCK_DGRAM), b = net_socket(AF_INET, SOCK_DGRAM);
	struct net_address to;
	char *large = calloc(1, 65508);

	assert_result(net_send(a, "x"), -EDESTADDRREQ);
	assert_result(NET_DO(io_uring_prep_shutdown, a, SHUT_RD), -ENOTCONN);
	net_close(a);
	a = net_socket(AF_INET, SOCK_DGRAM);
	assert_result(net_bind(b, net_ip4("127.0.0.1", 0)), 0);
	to = net_ip4("127.0.0.1", net_port(b));
	assert_result(NET_DO(prep_send_to, a, "hello", 5, &to.any, to.size), 5);
	assert_result(net_recv(b, "hello", 0), 5);
	to.in.sin_port = 0;
	assert_result(NET_DO(prep_send_to, a, "hello", 5, &to.any, to.size), -EINVAL);
	assert_result(net_connect(a, net_ip4("127.0.0.1", net_port(b))), 0);
	assert_result(NET_DO(io_uring_prep_send, a, large, 65508, 0), -EMSGSIZE);
	assert_result(NET_DO(io_uring_prep_send, a, large, 65507, 0), 65507);
	free(large);
	net_close(b);
	net_close(a);
}

/* What nobody hears is lost; who is connected is told so later. */
NET_TEST(sim_message, udp_to_nobody_is_refused_afterwards)
{
	int gone = net_socket(AF_INET, SOCK_DGRAM), a = net_socket(AF_INET, SOCK_DGRAM);

	assert_result(net_bind(gone, net_ip4("127.0.0.1", 0)), 0);
	assert_result(net_connect(a, net_ip4("127.0.0.1", net_port(gone))), 0);
	net_close(gone);
	assert_result(net_send(a, "lost"), 4);
	assert_result(net_recv(a, "", 0), -ECONNREFUSED);
	assert_result(net_recv(a, "", MSG_DONTWAIT), -EAGAIN);
	net_close(a);
}

NET_TEST(sim_message, unix_datagrams_say_what_the_kernel_says)
{
	int a = net_socket(AF_UNIX, SOCK_DGRAM), b = net_socket(AF_UNIX, SOCK_DGRAM),
	    c = net_socket(AF_UNIX, SOCK_DGRAM);

	assert_result(net_send(a, "x"), -ENOTCONN);
	assert_result(net_bind(b, net_unix("b")), 0);
	assert_result(net_bind(c, net_unix("c")), 0);
	assert_result(net_connect(a, net_unix("nobody")), -ECONNREFUSED);
	assert_result(net_connect(a, net_unix("b")), 0);
	assert_result(net_connect(b, net_unix("c")), 0);
	assert_result(net_send(a, "x"), -EPERM);
	assert_result(net_connect(a, net_unix("c")), 0);
	net_close(c);
	assert_result(net_send(a, "x"), -ECONNREFUSED);
	assert_result(net_send(a, "x"), -ENOTCONN);
	net_close(a);
	net_close(b);
}

/* ---- the machine's own */

/* UDP drops what does not fit, unix datagrams and packets wait. */
SIM_TEST(sim_message, full_queue_of_datagrams, .socket_size = 1000)
{
	char data[900] = "", buf[1000];
	int to, from, pair[2];

	net_sim = sim;
	to = net_socket(AF_INET, SOCK_DGRAM);
	from = net_socket(AF_INET, SOCK_DGRAM);
	assert_result(net_bind(to, net_ip4("127.0.0.1", 0)), 0);
	assert_result(net_connect(from, net_ip4("127.0.0.1", net_port(to))), 0);
	assert_result(NET_DO(io_uring_prep_send, from, data, 900, 0), 900);
	assert_result(NET_DO(io_uring_prep_send, from, data, 800, 0), 800);
	assert_result(NET_DO(io_uring_prep_recv, to, buf, 1000, 0), 900);
	assert_result(NET_DO(io_uring_prep_recv, to, buf, 1000, MSG_DONTWAIT), -EAGAIN);
	net_close(to);
	net_close(from);
	for (int type = SOCK_DGRAM; type <= SOCK_SEQPACKET; type += SOCK_SEQPACKET - SOCK_DGRAM) {
		cr_assert_eq(aion_sim_socketpair(sim, AF_UNIX, type, pair), 0);
		assert_result(NET_DO(io_uring_prep_send, pair[0], buf, 1000, 0), 1000);
		cr_assert(NET_WAITS(io_uring_prep_send, pair[0], data, 100, 0));
		assert_result(NET_DO(io_uring_prep_recv, pair[1], buf, 1000, 0), 1000);
		assert_result(NET_DO(io_uring_prep_send, pair[0], data, 100, 0), 100);
		assert_result(NET_DO(io_uring_prep_send, pair[0], data, 1001, 0), -EMSGSIZE);
		net_close_pair(pair);
	}
}

struct traffic {
	int fd;
	size_t size;
	uint64_t draws;
};

static size_t draw_size(uint64_t *state, size_t max)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return 1 + (*state >> 33) % max;
}

static int64_t send_traffic(void *arg)
{
	struct traffic *traffic = arg;
	char data[7000];

	for (size_t done = 0; done < traffic->size;) {
		size_t size = draw_size(&traffic->draws, sizeof(data));
		int64_t result;

		size = size < traffic->size - done ? size : traffic->size - done;
		test_fill(data, size, done);
		result = NET_DO(io_uring_prep_send, traffic->fd, data, size, 0);
		cr_assert_gt(result, 0);
		done += (size_t)result;
	}
	return NET_DO(io_uring_prep_shutdown, traffic->fd, SHUT_WR);
}

static int64_t receive_traffic(void *arg)
{
	struct traffic *traffic = arg;
	char data[7000];
	size_t done = 0;

	for (;;) {
		int64_t result =
			NET_DO(io_uring_prep_recv, traffic->fd, data, draw_size(&traffic->draws, sizeof(data)), 0);

		cr_assert_geq(result, 0);
		if (!result)
			break;
		cr_assert(test_is_filled(data, (size_t)result, done), "at %zu", done);
		done += (size_t)result;
	}
	cr_assert_eq(done, traffic->size);
	return 0;
}

static int64_t traffic_both_ways(void *arg)
{
	struct traffic traffic[4];
	struct aion_group group;
	int fds[2];

	cr_assert_eq(aion_sim_socketpair(arg, AF_INET, SOCK_STREAM, fds), 0);
	aion_group_enter(&group);
	for (int i = 0; i < 4; i++) {
		traffic[i] = (struct traffic){fds[i % 2], 50000, (uint64_t)i};
		aion_spawn(&group, i == 0 || i == 1 ? send_traffic : receive_traffic, &traffic[i]);
	}
	assert_result(aion_group_leave(&group, 0), 0);
	net_close_pair(fds);
	return 0;
}

/* Whatever falls short on the way and however late: each byte comes once, in order. The same seed gives the same run.
 */
Test(sim_message, rough_streams_lose_nothing)
{
	uint64_t hash = 0;

	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct aion_sim *sim = test_sim_make(&(struct aion_sim_options){
			.seed = (seed + 1) / 2, .profile = AION_SIM_ROUGH, .socket_size = 3000});

		aion_sim_knob_set(sim, AION_SIM_SHORT_READ, 500000);
		cr_assert_eq(test_sim_run(sim, traffic_both_ways, sim), 0);
		if (seed % 2 == 0)
			cr_assert_eq(aion_sim_trace_hash(sim), hash);
		hash = aion_sim_trace_hash(sim);
		test_sim_end(sim);
	}
}
