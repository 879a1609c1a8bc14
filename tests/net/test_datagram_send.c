/* SPDX-License-Identifier: MIT */
/* Many datagrams sent at a time; and those that the kernel cuts and joins. */
#include "test_datagram.h"

#define SEND_NR 100

static void datagrams_fill(struct aion_datagram *datagrams, char (*bufs)[64], uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		test_number_fill(bufs[i], 64, i);
		datagrams[i] = (struct aion_datagram){.data = bufs[i], .size = 64};
	}
}

TASK_TEST(datagram_send, all_arrive_in_order)
{
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_datagram datagrams[SEND_NR], got[BATCH_NR];
	struct aion_address addresses[2];
	char bufs[SEND_NR][64];
	uint32_t next = 0;
	size_t done = 4711;
	int fds[2];

	test_machine_be_prompt();
	test_udp_pair(fds, addresses);
	assert_result(aion_datagram_open(&intake, fds[0], NULL), 0);
	datagrams_fill(datagrams, bufs, SEND_NR);
	assert_result(aion_datagram_send(fds[1], datagrams, SEND_NR, &done), 0);
	cr_assert_eq(done, SEND_NR);
	for (int i = 0; i < SEND_NR; i++)
		assert_result(datagrams[i].result, 64);
	while (next < SEND_NR) {
		int64_t nr = aion_datagram_next(&intake, got, BATCH_NR);

		cr_assert_gt(nr, 0);
		for (int64_t i = 0; i < nr; i++)
			cr_assert_eq(test_number_of(got[i].data, got[i].size), next++);
		aion_datagram_release(got, (size_t)nr);
	}
	aion_datagram_close(&intake);
	test_close_both(fds);
}

TASK_TEST(datagram_send, a_batch_is_one_entry_into_the_kernel)
{
	struct aion_datagram datagrams[32];
	struct aion_address addresses[2];
	struct aion_loop_stats before;
	char bufs[32][64];
	int fds[2];

	TEST_NEEDS_KERNEL("a simulated machine may want more");
	test_udp_pair(fds, addresses);
	datagrams_fill(datagrams, bufs, 32);
	aion_yield();
	before = test_stats();
	assert_result(aion_datagram_send(fds[1], datagrams, 32, NULL), 0);
	cr_assert_eq(test_stats().submit_nr, before.submit_nr + 32);
	cr_assert_eq(test_stats().enter_nr, before.enter_nr + 1);
	test_close_both(fds);
}

TASK_TEST(datagram_send, each_has_its_own_result)
{
	static char large[70000];
	struct aion_address addresses[2];
	struct aion_datagram datagrams[4] = {
		{.data = large, .size = 10},
		{.data = large, .size = sizeof(large)},
		{.data = large, .size = 20},
		{.data = large, .size = 3000, .segment_size = 10},
	};
	size_t done;
	int fds[2];

	test_machine_be_prompt();
	test_udp_pair(fds, addresses);
	assert_result(aion_datagram_send(fds[1], datagrams, 4, &done), -EMSGSIZE);
	cr_assert_eq(done, 2);
	assert_result(datagrams[0].result, 10);
	assert_result(datagrams[1].result, -EMSGSIZE);
	assert_result(datagrams[2].result, 20);
	assert_result(datagrams[3].result, -EINVAL);
	test_close_both(fds);
}

TASK_TEST(datagram_send, received_ones_go_back_to_where_they_came_from)
{
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_address addresses[4];
	struct aion_datagram datagrams[4];
	uint32_t number;
	int64_t nr = 0;
	char buf[64];
	int fds[4];

	test_machine_be_prompt();
	for (int i = 0; i < 4; i++)
		fds[i] = test_udp(&addresses[i]);
	assert_result(aion_datagram_open(&intake, fds[0], NULL), 0);
	for (uint32_t i = 1; i < 4; i++) {
		test_number_fill(buf, 64, i);
		assert_result(aion_sendto(fds[i], buf, 64, 0, &addresses[0].any, addresses[0].size), 64);
	}
	while (nr < 3)
		nr += aion_datagram_next(&intake, &datagrams[nr], 3 - (size_t)nr);
	assert_result(aion_datagram_send(fds[0], datagrams, 3, NULL), 0);
	aion_datagram_release(datagrams, 3);
	for (uint32_t i = 1; i < 4; i++) {
		assert_result(aion_recv(fds[i], buf, sizeof(buf), 0), 64);
		number = test_number_of(buf, 64);
		cr_assert_eq(number, i);
	}
	aion_datagram_close(&intake);
	test_close_both(&fds[0]);
	test_close_both(&fds[2]);
}

TASK_TEST(datagram_send, cancelled_scope_sends_nothing)
{
	char bytes[] = "ab";
	struct aion_datagram datagrams[2] = {{.data = bytes, .size = 1}, {.data = bytes + 1, .size = 1}};
	struct aion_address addresses[2];
	struct aion_scope scope;
	size_t done = 4711;
	char buf[8];
	int fds[2];

	test_udp_pair(fds, addresses);
	test_enter_cancelled(&scope);
	assert_result(aion_datagram_send(fds[1], datagrams, 2, &done), -ECANCELED);
	aion_scope_leave(&scope);
	cr_assert_eq(done, 0);
	assert_result(datagrams[1].result, -ECANCELED);
	assert_result(aion_recv(fds[0], buf, sizeof(buf), MSG_DONTWAIT), -EAGAIN);
	assert_result(aion_datagram_send(fds[1], datagrams, 0, &done), 0);
	cr_assert_eq(done, 0);
	test_close_both(fds);
}

/* Nobody takes anything: a unix socket's partner waits, and a deadline ends that. */
TASK_TEST(datagram_send, deadline_ends_a_batch_that_waits)
{
	struct aion_datagram datagrams[32];
	struct aion_scope scope;
	static char buf[16384];
	size_t done, got = 0;
	int fds[2];

	test_machine_be_prompt();
	assert_result(aion_socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	for (int i = 0; i < 32; i++)
		datagrams[i] = (struct aion_datagram){.data = buf, .size = sizeof(buf)};
	aion_scope_enter(&scope, aion_after(5 * MS));
	assert_result(aion_datagram_send(fds[1], datagrams, 32, &done), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert(done > 0 && done < 32);
	for (int i = 0; i < 32; i++)
		cr_assert(datagrams[i].result == sizeof(buf) || datagrams[i].result == -ECANCELED);
	while (aion_recv(fds[0], buf, sizeof(buf), MSG_DONTWAIT) == sizeof(buf))
		got++;
	cr_assert_eq(got, done, "%zu arrived of %zu that were sent", got, done);
	test_close_both(fds);
}

/* ---- cut and joined by the kernel */

#define SEGMENT_SIZE 1000

static bool socket_joins(int fd)
{
	const struct aion_socket_options options = {.merge = AION_ON};

	return aion_socket_options_apply(fd, &options) == 0;
}

TASK_TEST(datagram_segments, one_send_leaves_as_many)
{
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_datagram datagrams[BATCH_NR], send = {.segment_size = SEGMENT_SIZE};
	struct aion_address addresses[2];
	char buf[10 * SEGMENT_SIZE - 500];
	uint32_t next = 0;
	int fds[2];

	TEST_NEEDS_KERNEL("a simulated machine does not cut");
	test_udp_pair(fds, addresses);
	for (uint32_t i = 0; i < 10; i++)
		test_number_fill(buf + (size_t)i * SEGMENT_SIZE, i < 9 ? SEGMENT_SIZE : 500, i);
	send.data = buf;
	send.size = sizeof(buf);
	assert_result(aion_datagram_open(&intake, fds[0], NULL), 0);
	assert_result(aion_datagram_send(fds[1], &send, 1, NULL), 0);
	while (next < 10) {
		int64_t nr = aion_datagram_next(&intake, datagrams, BATCH_NR);

		cr_assert_gt(nr, 0);
		for (int64_t i = 0; i < nr; i++, next++) {
			cr_assert_eq(datagrams[i].size, next < 9 ? SEGMENT_SIZE : 500);
			cr_assert_eq(test_number_of(datagrams[i].data, datagrams[i].size), next);
		}
		aion_datagram_release(datagrams, (size_t)nr);
	}
	aion_datagram_close(&intake);
	test_close_both(fds);
}

TASK_TEST(datagram_segments, and_comes_as_one_where_they_are_joined)
{
	const struct aion_datagram_options options = {.buffer_nr = 8, .datagram_size = 65536};
	AION_CLEANUP(aion_datagram_close) struct aion_datagram_intake intake = {0};
	struct aion_datagram datagram, send = {.segment_size = SEGMENT_SIZE};
	struct aion_address addresses[2];
	char buf[10 * SEGMENT_SIZE - 500];
	size_t off = 0;
	int fds[2], wake_nr = 0;

	TEST_NEEDS_KERNEL("a simulated machine does not join");
	test_udp_pair(fds, addresses);
	if (!socket_joins(fds[0]))
		cr_skip_test("this kernel does not join datagrams");
	test_fill(buf, sizeof(buf), 0);
	send.data = buf;
	send.size = sizeof(buf);
	assert_result(aion_datagram_open(&intake, fds[0], &options), 0);
	assert_result(aion_datagram_send(fds[1], &send, 1, NULL), 0);
	for (; off < sizeof(buf); wake_nr++) {
		assert_result(aion_datagram_next(&intake, &datagram, 1), 1);
		cr_assert_eq(datagram.flags, 0);
		cr_assert_eq(memcmp(datagram.data, buf + off, datagram.size), 0);
		if (datagram.size > SEGMENT_SIZE)
			cr_assert_eq(datagram.segment_size, SEGMENT_SIZE);
		off += datagram.size;
		aion_datagram_release(&datagram, 1);
	}
	cr_assert_lt(wake_nr, 10, "%d for 10", wake_nr);
	aion_datagram_close(&intake);
	test_close_both(fds);
}

TASK_TEST(datagram_segments, sizes_that_cannot_be)
{
	static char buf[65536];
	struct aion_address addresses[2];
	struct aion_datagram datagram = {.data = buf, .size = 100, .segment_size = 65536};
	int fds[2];

	test_udp_pair(fds, addresses);
	assert_result(aion_datagram_send(fds[1], &datagram, 1, NULL), -EINVAL);
	datagram = (struct aion_datagram){.data = buf, .size = 6500, .segment_size = 100};
	assert_result(aion_datagram_send(fds[1], &datagram, 1, NULL), -EINVAL);
	datagram = (struct aion_datagram){
		.data = buf, .size = 200, .segment_size = 100, .control = buf, .control_size = 16};
	assert_result(aion_datagram_send(fds[1], &datagram, 1, NULL), -EINVAL);
	test_close_both(fds);
}
