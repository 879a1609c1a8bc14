/* SPDX-License-Identifier: MIT */
/* What is handed to an outlet arrives in the order of the calls, whole, in few messages. */
#include "test_outlet.h"

SPARED_TEST(outlet_order, small_and_large_writes_keep_their_order)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	struct aion_group group;
	struct outlet_peer peer = {.size = SIZE_MAX};
	uint64_t off = 0;
	int fds[2];

	outlet_tcp_pair(fds);
	peer.fd = fds[1];
	aion_outlet_open(&outlet, fds[0]);
	aion_group_enter(&group);
	aion_spawn(&group, outlet_read, &peer);
	for (size_t i = 0; i < 300; i++) {
		size_t size = i % 50 == 49 ? 200000 : i * 7 % 1000;
		char *bytes = outlet_bytes(off, size);

		if (i % 3 == 0)
			assert_result(aion_outlet_send_all(&outlet, bytes, size, NULL), 0);
		else
			assert_result(aion_outlet_write(&outlet, bytes, size), 0);
		off += size;
		free(bytes);
	}
	assert_result(aion_outlet_shutdown(&outlet), 0);
	assert_result(aion_outlet_flush(&outlet), 0);
	cr_assert_eq(aion_outlet_queued(&outlet), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(peer.got, off);
}

struct part {
	struct aion_outlet *outlet;
	char *bytes;
	size_t size;
	int64_t result;
};

static int64_t send_part(void *arg)
{
	struct part *part = arg;

	part->result = aion_outlet_send_all(part->outlet, part->bytes, part->size, NULL);
	return 0;
}

static int64_t write_part(void *arg)
{
	struct part *part = arg;

	part->result = aion_outlet_write(part->outlet, part->bytes, part->size);
	return 0;
}

TASK_TEST(outlet_order, tasks_take_turns_in_the_order_of_their_calls)
{
	enum { NR = 60 };
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	struct part parts[NR];
	struct aion_group group;
	uint64_t off = 0;
	int fds[2];

	outlet_narrow_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	assert_result(aion_outlet_set_marks(&outlet, 8192, 1000), 0);
	aion_group_enter(&group);
	for (size_t i = 0; i < NR; i++) {
		size_t size = 100 + i * 997 % 5000;

		parts[i] = (struct part){&outlet, outlet_bytes(off, size), size, 1};
		off += size;
		aion_spawn_now(&group, i % 3 ? write_part : send_part, &parts[i]);
	}
	outlet_expect(fds[1], 0, off);
	assert_result(aion_group_leave(&group, 0), 0);
	for (size_t i = 0; i < NR; i++) {
		assert_result(parts[i].result, 0);
		free(parts[i].bytes);
	}
	close(fds[0]);
	close(fds[1]);
}

TASK_TEST(outlet_order, what_is_queued_within_a_turn_is_one_message)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	struct aion_loan loans[20];
	struct aion_loop_stats before;
	char *bytes = outlet_bytes(0, 40 * 100);
	uint64_t off = 0;
	int fds[2];

	test_machine_be_prompt();
	outlet_tcp_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	before = test_stats();
	for (int i = 0; i < 20; i++, off += 200) {
		assert_result(aion_outlet_try_write(&outlet, bytes + off, 100), 0);
		aion_outlet_lend(&outlet, &loans[i], bytes + off + 100, 100);
	}
	cr_assert_eq(aion_outlet_queued(&outlet), off);
	assert_result(aion_outlet_flush(&outlet), 0);
	cr_assert_eq(test_stats().submit_nr, before.submit_nr + 1);
	for (int i = 0; i < 20; i++)
		assert_result(loans[i].future.result, 0);
	outlet_expect(fds[1], 0, off);
	/* What does not get into the first message is one more, at most. */
	before = test_stats();
	assert_result(aion_outlet_try_write(&outlet, bytes, 100), 0);
	aion_yield();
	assert_result(aion_outlet_try_write(&outlet, bytes + 100, 100), 0);
	assert_result(aion_outlet_try_write(&outlet, bytes + 200, 100), 0);
	assert_result(aion_outlet_flush(&outlet), 0);
	cr_assert_leq(test_stats().submit_nr, before.submit_nr + 2);
	outlet_expect(fds[1], 0, 300);
	free(bytes);
}

TASK_TEST(outlet_order, more_pieces_than_a_message_gathers)
{
	enum { NR = 500 };
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	static struct aion_loan loans[NR];
	char *bytes = outlet_bytes(0, NR * 10);
	int fds[2];

	outlet_unix_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	for (size_t i = 0; i < NR; i++)
		aion_outlet_lend(&outlet, &loans[i], bytes + i * 10, 10);
	for (size_t i = 0; i < NR; i++)
		assert_result(aion_await(&loans[i].future), 0);
	outlet_expect(fds[1], 0, NR * 10);
	free(bytes);
}

/* A queue of 8 entries is handed over while it is being filled. */
TASK_TEST_AS(outlet_order, entries_that_left_early_are_left_alone, .entry_nr = 8)
{
	enum { NR = 40 };
	struct aion_outlet outlets[NR];
	struct aion_op nops[NR];
	int fds[NR][2];
	char *bytes = outlet_bytes(0, 1000);

	test_machine_spare();
	memset(outlets, 0, sizeof(outlets));
	for (int i = 0; i < NR; i++) {
		outlet_unix_pair(fds[i]);
		aion_outlet_open(&outlets[i], fds[i][0]);
	}
	for (size_t round = 0; round < 10; round++)
		for (int i = 0; i < NR; i++) {
			assert_result(aion_outlet_try_write(&outlets[i], bytes + round * 100, 100), 0);
			if (round == 0) {
				aion_op_init(&nops[i]);
				aion_op_nop(&nops[i]);
			}
		}
	for (int i = 0; i < NR; i++) {
		outlet_expect(fds[i][1], 0, 1000);
		assert_result(aion_await(&nops[i].future), 0);
		aion_outlet_close(&outlets[i]);
		close(fds[i][0]);
		close(fds[i][1]);
	}
	free(bytes);
}

static int64_t write_and_end(void *arg)
{
	struct part *part = arg;

	return aion_outlet_try_write(part->outlet, part->bytes, part->size);
}

TASK_TEST(outlet_order, the_task_that_queued_may_end)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	struct aion_group group;
	struct part part = {.outlet = &outlet, .bytes = outlet_bytes(0, 200000), .size = 200000};
	int fds[2];

	outlet_narrow_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	aion_group_enter(&group);
	aion_spawn(&group, write_and_end, &part);
	assert_result(aion_group_leave(&group, 0), 0);
	free(part.bytes);
	outlet_expect(fds[1], 0, 200000);
}

SPARED_TEST(outlet_order, a_socket_that_does_not_wait_is_waited_for)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	struct aion_group group;
	struct outlet_peer peer = {.size = 500000, .delay_ns = AION_MILLISECOND / 20};
	char *bytes = outlet_bytes(0, 500000);
	int fds[2];

	outlet_narrow_pair(fds);
	cr_assert_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	peer.fd = fds[1];
	aion_outlet_open(&outlet, fds[0]);
	aion_group_enter(&group);
	aion_spawn(&group, outlet_read, &peer);
	assert_result(aion_outlet_send_all(&outlet, bytes, 100000, NULL), 0);
	assert_result(aion_outlet_write(&outlet, bytes + 100000, 400000), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	free(bytes);
}

SPARED_TEST(outlet_order, vectors)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	char *bytes = outlet_bytes(0, 100000);
	struct iovec iov[100];
	struct aion_group group;
	struct aion_loan loan;
	size_t done = 1;
	int fds[2];

	outlet_narrow_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	for (int i = 0, off = 0; i < 100; i++) {
		int size = i == 99 ? 100000 - off : i % 7 ? 900 + i : 0;

		iov[i] = (struct iovec){bytes + off, (size_t)size};
		off += size;
	}
	aion_group_enter(&group);
	for (int kind = 0; kind < 3; kind++) {
		struct outlet_peer one = {.fd = fds[1], .size = 100000};

		aion_spawn(&group, outlet_read, &one);
		if (kind == 0) {
			assert_result(aion_outlet_sendv_all(&outlet, iov, 100, &done), 0);
			cr_assert_eq(done, (size_t)100000);
		} else if (kind == 1) {
			assert_result(aion_outlet_writev(&outlet, iov, 100), 0);
			assert_result(aion_outlet_flush(&outlet), 0);
		} else {
			aion_outlet_lendv(&outlet, &loan, iov, 100);
			assert_result(aion_await(&loan.future), 0);
			cr_assert_eq(loan.sent_size, (size_t)100000);
		}
		while (one.got < 100000)
			aion_yield();
	}
	assert_result(aion_group_leave(&group, 0), 0);
	/* None, and empty ones. */
	assert_result(aion_outlet_sendv_all(&outlet, iov, 0, &done), 0);
	cr_assert_eq(done, (size_t)0);
	assert_result(aion_outlet_writev(&outlet, &iov[7], 1), 0);
	aion_outlet_lendv(&outlet, &loan, &iov[7], 1);
	assert_result(aion_await(&loan.future), 0);
	assert_result(aion_outlet_send_all(&outlet, NULL, 0, &done), 0);
	assert_result(aion_outlet_write(&outlet, NULL, 0), 0);
	free(bytes);
}

/* One call takes 1024 vectors, the outlet any number; sizes may be beyond all bounds. */
TASK_TEST(outlet_order, more_vectors_than_a_call_takes)
{
	enum { VECTOR_NR = 3000, VECTOR_SIZE = 10 };
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	char *bytes = outlet_bytes(0, (size_t)3 * VECTOR_NR * VECTOR_SIZE);
	struct iovec *iov = calloc(VECTOR_NR, sizeof(*iov));
	size_t off = 0, done;
	int64_t sent;
	int fds[2];

	outlet_unix_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < VECTOR_NR; i++, off += VECTOR_SIZE)
			iov[i] = (struct iovec){bytes + off, VECTOR_SIZE};
		if (round == 0) {
			assert_result(aion_outlet_sendv_all(&outlet, iov, VECTOR_NR, &done), 0);
			cr_assert_eq(done, (size_t)VECTOR_NR * VECTOR_SIZE);
		} else if (round == 1) {
			assert_result(aion_outlet_writev(&outlet, iov, VECTOR_NR), 0);
			assert_result(aion_outlet_flush(&outlet), 0);
		} else {
			/* As many empty ones before them. */
			for (int i = 0; i < VECTOR_NR / 2; i++)
				iov[i].iov_len = 0;
			sent = aion_outlet_try_sendv(&outlet, iov, VECTOR_NR);
			cr_assert_gt(sent, 0);
			off = (size_t)(2 * VECTOR_NR + VECTOR_NR / 2) * VECTOR_SIZE;
			outlet_expect(fds[1], off, (size_t)sent);
			break;
		}
		outlet_expect(fds[1], (uint64_t)round * VECTOR_NR * VECTOR_SIZE, (size_t)VECTOR_NR * VECTOR_SIZE);
	}
	iov[0] = iov[1] = (struct iovec){bytes, SIZE_MAX / 2 + 1};
	assert_result(aion_outlet_writev(&outlet, iov, 2), -EINVAL);
	assert_result(aion_outlet_write(&outlet, bytes, SIZE_MAX), -EINVAL);
	assert_result(aion_outlet_try_sendv(&outlet, iov, 2), -EINVAL);
	assert_result(aion_outlet_error(&outlet), 0);
	free(iov);
	free(bytes);
	close(fds[1]);
}
