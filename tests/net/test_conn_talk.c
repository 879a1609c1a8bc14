/* SPDX-License-Identifier: MIT */
/* Connections: both directions, their ends, and what peers do to them. */
#include "test_inlet.h"
#include "test_net.h"

#define MESSAGE_SIZE 40

#define OPEN_CONN(name, pair)                                                                                          \
	AION_CLEANUP(aion_conn_close) struct aion_conn name = {0};                                                     \
	cr_assert_eq(aion_conn_open(&(name), (pair).fds[0]), 0)

/* What the other end finds. */
static void assert_heard(struct test_pair pair, const char *text)
{
	char heard[256];
	size_t done = 0;

	while (done < strlen(text)) {
		ssize_t result = recv(pair.fds[1], heard + done, strlen(text) - done, 0);

		cr_assert_gt(result, 0);
		done += (size_t)result;
	}
	cr_assert_eq(memcmp(heard, text, done), 0);
}

TASK_TEST(conn_talk, echoes)
{
	struct test_pair pair = test_pair_tcp();
	struct iovec twice = {(char[]){" twice"}, 6}, then_sent = {(char[]){", sent"}, 6};
	struct aion_buffer *buffer = NULL;

	OPEN_CONN(conn, pair);
	for (int i = 0; i < 20; i++) {
		test_say(pair, "question");
		assert_result(aion_conn_recv(&conn, &buffer), 8);
		assert_result(aion_conn_send_buffer(&conn, buffer), 0);
		assert_heard(pair, "question");
	}
	assert_result(aion_conn_try_recv(&conn, &buffer), -EAGAIN);
	assert_result(aion_conn_write(&conn, "written", 7), 0);
	assert_result(aion_conn_writev(&conn, &twice, 1), 0);
	assert_result(aion_conn_sendv_all(&conn, &then_sent, 1, NULL), 0);
	assert_result(aion_conn_flush(&conn), 0);
	assert_heard(pair, "written twice, sent");
	close(pair.fds[1]);
}

TASK_TEST(conn_talk, is_small_and_idle_without_buffers)
{
	struct test_pair pair = test_pair_tcp();

	OPEN_CONN(conn, pair);
	test_let_come();
	cr_assert_leq(sizeof(conn), 400);
	cr_assert_eq(test_group(AION__GROUP_SMALL)->taken_nr, 0);
	close(pair.fds[1]);
}

TASK_TEST(conn_talk, reads_exactly_or_says_how_much)
{
	struct test_pair pair = test_pair_unix();
	char text[16] = "";
	size_t done;

	OPEN_CONN(conn, pair);
	test_say(pair, "abc");
	test_let_come();
	test_say(pair, "defgh");
	assert_result(aion_conn_read(&conn, text, 2), 2);
	assert_result(aion_conn_read_exact(&conn, text, 4, &done), 0);
	cr_assert_eq(done, 4);
	cr_assert_arr_eq(text, "cdef", 4);
	assert_result(aion_conn_read_exact(&conn, text, 0, NULL), 0);
	close(pair.fds[1]);
	assert_result(aion_conn_read_exact(&conn, text, 4, &done), -ENODATA);
	cr_assert_eq(done, 2);
	assert_result(aion_conn_read_exact(&conn, text, 1, &done), -ENODATA);
	cr_assert_eq(done, 0);
	assert_result(aion_conn_read(&conn, text, 1), 0);
}

TASK_TEST(conn_talk, half_closed_it_still_receives)
{
	struct test_pair pair = test_pair_tcp();
	char text[8];

	OPEN_CONN(conn, pair);
	assert_result(aion_conn_send_all(&conn, "that is all", 11, NULL), 0);
	assert_result(aion_conn_shutdown(&conn), 0);
	assert_result(aion_conn_flush(&conn), 0);
	assert_heard(pair, "that is all");
	assert_result(recv(pair.fds[1], text, sizeof(text), 0), 0);
	assert_result(aion_conn_send_all(&conn, "x", 1, NULL), -EPIPE);
	test_say(pair, "answer");
	assert_result(aion_conn_read_exact(&conn, text, 6, NULL), 0);
	cr_assert_arr_eq(text, "answer", 6);
	close(pair.fds[1]);
	assert_result(aion_conn_read(&conn, text, 1), 0);
}

/* The other way round: the peer's end is no reason to stop sending. */
TASK_TEST(conn_talk, after_the_peers_end_it_still_sends)
{
	struct test_pair pair = test_pair_tcp();
	struct aion_buffer *buffer = NULL;

	OPEN_CONN(conn, pair);
	test_say(pair, "request");
	cr_assert_eq(shutdown(pair.fds[1], SHUT_WR), 0);
	assert_result(aion_conn_recv(&conn, &buffer), 7);
	test_let_come();
	assert_result(aion_conn_recv(&conn, &(struct aion_buffer *){NULL}), 0);
	assert_result(aion_conn_send_buffer(&conn, buffer), 0);
	assert_heard(pair, "request");
	close(pair.fds[1]);
}

/* ---- the end */

static int64_t recv_of(void *conn)
{
	struct aion_buffer *buffer;

	return aion_conn_recv(conn, &buffer);
}

TASK_TEST(conn_talk, a_close_wakes_who_waits_and_closes_the_descriptor)
{
	struct test_pair pair = test_pair_tcp();
	struct aion_conn conn = {0};
	struct aion_handle waiter;
	struct aion_group group;

	cr_assert_eq(aion_conn_open(&conn, pair.fds[0]), 0);
	aion_group_enter(&group);
	group.keeps_going = true;
	aion_spawn_into(&group, &waiter, NULL, recv_of, &conn);
	test_let_come();
	aion_conn_close(&conn);
	assert_result(aion_await(&waiter.future), -EBADF);
	assert_result(recv_of(&conn), -EBADF);
	assert_result(aion_conn_read(&conn, &group, 1), -EBADF);
	assert_result(aion_conn_send_all(&conn, "x", 1, NULL), -EBADF);
	cr_assert_eq(fcntl(pair.fds[0], F_GETFD), -1);
	aion_conn_close(&conn);
	aion_group_leave(&group, 0);
	assert_result(recv(pair.fds[1], &group, 1, 0), 0);
	close(pair.fds[1]);
}

/* It stands on its owner's stack, and somebody else ends it: the owner leaves when nothing of it is in use any more. */
static int64_t own_connection(void *ret_conn)
{
	struct test_pair pair = test_pair_tcp();
	struct aion_conn *conn = calloc(1, sizeof(*conn));
	int64_t result;

	cr_assert_eq(aion_conn_open(conn, pair.fds[0]), 0);
	*(struct aion_conn **)ret_conn = conn;
	result = recv_of(conn);
	aion_conn_close(conn);
	cr_assert_eq(fcntl(pair.fds[0], F_GETFD), -1);
	cr_assert(!aion_op_is_in_flight(&conn->inlet.op));
	memset(conn, 0x5a, sizeof(*conn));
	free(conn);
	close(pair.fds[1]);
	return result;
}

static int64_t close_conn(void *conn)
{
	aion_conn_close(conn);
	return 0;
}

TASK_TEST(conn_talk, who_closes_a_closing_one_waits_until_it_is_closed)
{
	struct aion_conn *conn = NULL;
	struct aion_handle owner;
	struct aion_group group;

	aion_group_enter(&group);
	group.keeps_going = true;
	aion_spawn_into(&group, &owner, NULL, own_connection, &conn);
	test_let_come();
	aion_spawn(&group, close_conn, conn);
	aion_spawn(&group, close_conn, conn);
	assert_result(aion_await(&owner.future), -EBADF);
	aion_group_leave(&group, 0);
}

TASK_TEST(conn_talk, an_abort_is_a_reset)
{
	struct test_pair pair = test_pair_tcp();
	struct aion_conn conn = {0};
	char c;

	cr_assert_eq(aion_conn_open(&conn, pair.fds[0]), 0);
	assert_result(aion_conn_send_all(&conn, "x", 1, NULL), 0);
	assert_heard(pair, "x");
	aion_conn_abort(&conn);
	test_let_come();
	cr_assert_eq(recv(pair.fds[1], &c, 1, 0), -1);
	cr_assert_eq(errno, ECONNRESET);
	aion_conn_abort(&conn);
	close(pair.fds[1]);
}

/* Also where the descriptors are a simulated machine's. */
TASK_TEST(conn_talk, an_abort_is_a_reset_on_any_machine)
{
	struct aion_conn conn = {0};
	int fds[2];
	char c;

	test_machine_be_prompt();
	test_tcp_pair(fds);
	cr_assert_eq(aion_conn_open(&conn, fds[0]), 0);
	aion_conn_abort(&conn);
	assert_result(aion_recv(fds[1], &c, 1, 0), -ECONNRESET);
	assert_result(aion_close(fds[1]), 0);
}

/* In a cancelled scope, too, and with data that nobody has taken. */
TASK_TEST(conn_talk, a_close_finishes_whatever_is_cancelled)
{
	struct test_pair pair = test_pair_tcp();
	struct aion_conn conn = {0};
	struct aion_scope scope;

	cr_assert_eq(aion_conn_open(&conn, pair.fds[0]), 0);
	test_say(pair, "never taken");
	test_let_come();
	aion_scope_enter(&scope, AION_NEVER);
	aion_scope_cancel(&scope);
	assert_result(recv_of(&conn), -ECANCELED);
	aion_conn_close(&conn);
	aion_scope_leave(&scope);
	cr_assert_eq(fcntl(pair.fds[0], F_GETFD), -1);
	cr_assert_eq(test_group(AION__GROUP_SMALL)->taken_nr, 0);
	close(pair.fds[1]);
}

/* ---- peers */

/* The peer sends so many bytes of a message and breaks off, as soon as they are sent or a while after. */
static void break_off_at(size_t size, bool is_at_once)
{
	struct test_pair pair = test_pair_tcp();
	struct linger linger = {.l_onoff = 1};
	char text[MESSAGE_SIZE];
	size_t done = 0;
	int64_t result;

	OPEN_CONN(conn, pair);
	cr_assert_eq(test_pour(pair, 0, size), size);
	if (!is_at_once)
		aion_yield();
	cr_assert_eq(setsockopt(pair.fds[1], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	close(pair.fds[1]);
	result = aion_conn_read_exact(&conn, text, sizeof(text), &done);
	cr_assert_leq(done, size);
	cr_assert(test_is_filled(text, done, 0));
	assert_result(result, -ECONNRESET);
	assert_result(recv_of(&conn), -ECONNRESET);
}

SPARED_TEST(conn_talk, a_reset_at_any_byte_is_told_behind_what_came)
{
	for (size_t size = 0; size < MESSAGE_SIZE; size++) {
		break_off_at(size, true);
		break_off_at(size, false);
	}
	cr_assert_eq(test_group(AION__GROUP_SMALL)->taken_nr, 0);
}

TASK_TEST(conn_talk, an_end_at_any_byte_is_told_behind_what_came)
{
	char text[MESSAGE_SIZE];
	size_t done;

	for (size_t size = 0; size < MESSAGE_SIZE; size++) {
		struct test_pair pair = test_pair_tcp();

		OPEN_CONN(conn, pair);
		cr_assert_eq(test_pour(pair, 0, size), size);
		close(pair.fds[1]);
		assert_result(aion_conn_read_exact(&conn, text, sizeof(text), &done), -ENODATA);
		cr_assert_eq(done, size);
		cr_assert(test_is_filled(text, done, 0));
	}
}

static int64_t open_twice(void *unused)
{
	struct test_pair pair = test_pair_unix();
	struct aion_conn conn = {0};

	(void)unused;
	aion_conn_open(&conn, pair.fds[0]);
	aion_conn_open(&conn, pair.fds[0]);
	return 0;
}

Test(conn_talk, misuse_aborts)
{
	test_task_aborts(open_twice, "connection opened while open");
}
