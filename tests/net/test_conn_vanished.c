/* SPDX-License-Identifier: MIT */
/* Half-open connections: the peer is gone and has said nothing. Its socket is made deaf for that. */
#include <linux/filter.h>

#include "test_inlet.h"

/* All that comes for it is dropped, and never answered. */
static void vanish(int fd)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog program = {1, &drop};

	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), 0);
}

static void conn_open(struct aion_conn *conn, struct test_pair pair, const struct aion_socket_options *options)
{
	assert_result(aion_socket_options_apply(pair.fds[0], options), 0);
	cr_assert_eq(aion_conn_open(conn, pair.fds[0]), 0);
}

/* Both who sends and who receives are told. */
TASK_TEST(conn_vanished, what_is_not_acknowledged_in_time_ends_it)
{
	const struct aion_socket_options options = {.user_timeout_ns = 300 * AION_MILLISECOND};
	AION_CLEANUP(aion_conn_close) struct aion_conn conn = {0};
	struct test_pair pair = test_pair_tcp();
	struct aion_buffer *buffer;

	TEST_NEEDS_KERNEL("its timers notice it");
	conn_open(&conn, pair, &options);
	vanish(pair.fds[1]);
	assert_result(aion_conn_send_all(&conn, "are you there?", 14, NULL), 0);
	assert_result(aion_conn_recv(&conn, &buffer), -ETIMEDOUT);
	assert_result(aion_conn_recv(&conn, &buffer), -ETIMEDOUT);
	assert_result(aion_conn_send_all(&conn, "well", 4, NULL), -EPIPE);
	close(pair.fds[1]);
}

/* A server that only listens learns of it by the kernel's own questions. */
TASK_TEST(conn_vanished, an_idle_one_is_asked_whether_it_is_there)
{
	const struct aion_socket_options options = {.keep_idle_ns = AION_SECOND,
						    .keep_interval_ns = AION_SECOND,
						    .keep_probe_nr = 1,
						    .user_timeout_ns = -1};
	AION_CLEANUP(aion_conn_close) struct aion_conn conn = {0};
	struct test_pair pair = test_pair_tcp();
	struct aion_buffer *buffer;

	TEST_NEEDS_KERNEL("its timers notice it");
	conn_open(&conn, pair, &options);
	vanish(pair.fds[1]);
	assert_result(aion_conn_recv(&conn, &buffer), -ETIMEDOUT);
	close(pair.fds[1]);
}

/* Who does not want to wait for the kernel has deadlines. */
TASK_TEST(conn_vanished, a_deadline_ends_the_wait_and_a_close_the_rest)
{
	struct aion_conn conn = {0};
	struct test_pair pair = test_pair_tcp();
	struct aion_buffer *buffer;
	struct aion_scope scope;
	static char much[1 << 20];

	TEST_NEEDS_KERNEL("a socket of the process's own is deaf");
	conn_open(&conn, pair, &(struct aion_socket_options){.send_size = 16384});
	vanish(pair.fds[1]);
	aion_scope_enter(&scope, aion_after(20 * AION_MILLISECOND));
	assert_result(aion_conn_recv(&conn, &buffer), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	aion_scope_enter(&scope, aion_after(20 * AION_MILLISECOND));
	assert_result(aion_conn_send_all(&conn, much, sizeof(much), NULL), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	assert_result(aion_conn_write(&conn, much, 1000), 0);
	aion_conn_close(&conn);
	cr_assert_eq(test_stats().in_flight_nr, 0);
	close(pair.fds[1]);
}
