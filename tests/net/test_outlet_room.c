/* SPDX-License-Identifier: MIT */
/* How much is queued, and whose memory it is in. */
#include "test_outlet.h"

/* ---- back-pressure */

TASK_TEST(outlet_pressure, a_write_waits_above_the_high_mark_until_the_low_one)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	char *bytes = outlet_bytes(0, 300000);
	struct aion_outlet_wait wait;
	struct iovec iov = {bytes + 200000, 1000};
	int fds[2];

	outlet_narrow_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	assert_result(aion_outlet_set_marks(&outlet, 10, 20), -EINVAL);
	assert_result(aion_outlet_set_marks(&outlet, 100000, 10000), 0);
	assert_result(aion_outlet_write(&outlet, bytes, 200000), 0);
	cr_assert_gt(aion_outlet_queued(&outlet), (size_t)100000);
	assert_result(aion_outlet_try_write(&outlet, bytes, 1), -EAGAIN);
	assert_result(aion_outlet_try_write(&outlet, bytes, 0), -EAGAIN);
	aion_outlet_start_writev(&outlet, &wait, &iov, 1);
	outlet_expect(fds[1], 0, 50000);
	cr_assert_not(aion_future_is_done(&wait.future));
	cr_assert_gt(aion_outlet_queued(&outlet), (size_t)10000);
	outlet_expect(fds[1], 50000, 150000);
	assert_result(aion_await(&wait.future), 0);
	assert_result(aion_outlet_write(&outlet, NULL, 0), 0);
	outlet_expect(fds[1], 200000, 1000);
	assert_result(aion_outlet_flush(&outlet), 0);
	/* Higher marks let waiters in at once; lower ones make a queue wait. */
	assert_result(aion_outlet_write(&outlet, bytes, 150000), 0);
	iov = (struct iovec){bytes + 150000, 1000};
	aion_outlet_start_writev(&outlet, &wait, &iov, 1);
	cr_assert_not(aion_future_is_done(&wait.future));
	assert_result(aion_outlet_set_marks(&outlet, 1000000, 1000000), 0);
	cr_assert(aion_future_is_done(&wait.future));
	assert_result(aion_outlet_set_marks(&outlet, 0, 0), 0);
	assert_result(aion_outlet_try_write(&outlet, bytes, 1), -EAGAIN);
	outlet_expect(fds[1], 0, 151000);
	assert_result(aion_outlet_flush(&outlet), 0);
	assert_result(aion_outlet_try_write(&outlet, bytes, 1), 0);
	assert_result(aion_outlet_try_write(&outlet, bytes, 1), -EAGAIN);
	free(bytes);
}

TASK_TEST(outlet_pressure, a_loan_does_not_wait_and_lets_in_who_waits_before_it)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	char *bytes = outlet_bytes(0, 300000);
	struct aion_outlet_wait wait;
	struct iovec iov = {bytes + 200000, 50000};
	struct aion_loan loan;
	int fds[2];

	outlet_narrow_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	assert_result(aion_outlet_write(&outlet, bytes, 200000), 0);
	aion_outlet_start_writev(&outlet, &wait, &iov, 1);
	cr_assert_not(aion_future_is_done(&wait.future));
	aion_outlet_lend(&outlet, &loan, bytes + 250000, 50000);
	assert_result(aion_await(&wait.future), 0);
	outlet_expect(fds[1], 0, 300000);
	assert_result(aion_await(&loan.future), 0);
	free(bytes);
}

static int64_t open_many(void *unused)
{
	enum { NR = 100 };
	struct aion_outlet outlets[NR];
	char *bytes = outlet_bytes(0, 20000);
	struct aion_loan loan;
	size_t in_use;
	int fds[NR][2];

	test_machine_spare();
	memset(outlets, 0, sizeof(outlets));
	for (int round = 0; round < 2; round++) {
		in_use = test_allocator_in_use_nr();
		for (int i = 0; i < NR; i++) {
			outlet_narrow_pair(fds[i]);
			aion_outlet_open(&outlets[i], fds[i][0]);
			assert_result(aion_outlet_write(&outlets[i], bytes, 10), 0);
			aion_outlet_lend(&outlets[i], &loan, bytes + 10, 19990);
			outlet_expect(fds[i][1], 0, 20000);
			assert_result(aion_await(&loan.future), 0);
			assert_result(aion_outlet_send_all(&outlets[i], bytes, 20000 - 19000, NULL), 0);
		}
		/* The first round may make the loop's tables. */
		cr_assert(round == 0 || test_allocator_in_use_nr() == in_use);
		for (int i = 0; i < NR; i++) {
			aion_outlet_close(&outlets[i]);
			close(fds[i][0]);
			close(fds[i][1]);
		}
	}
	free(bytes);
	return 0;
}

Test(outlet_pressure, an_outlet_without_anything_queued_holds_no_memory)
{
	test_allocator_count();
	cr_assert_eq(aion_run(open_many, NULL, NULL), 0);
	cr_assert_leq(sizeof(struct aion_outlet), (size_t)128);
	cr_assert_gt(test_allocator_total_nr(), (size_t)200);
}

/* ---- without copying */

SPARED_TEST(outlet_loan, large_ones_are_sent_without_copying)
{
	enum { SIZE = 1 << 20 };
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	struct outlet_peer peer = {.size = 4 * SIZE};
	char *bytes = outlet_bytes(0, 4 * SIZE);
	struct aion_group group;
	struct aion_loan loans[4];
	int fds[2];

	outlet_tcp_pair(fds);
	peer.fd = fds[1];
	aion_outlet_open(&outlet, fds[0]);
	aion_group_enter(&group);
	aion_spawn(&group, outlet_read, &peer);
	for (size_t i = 0; i < 4; i++) {
		/* The loopback copies, says so, and is believed. */
		aion_outlet_set_zero_copy(&outlet, 1000);
		aion_outlet_lend(&outlet, &loans[i], bytes + i * SIZE, SIZE - 10);
		assert_result(aion_outlet_write(&outlet, bytes + (i + 1) * SIZE - 10, 10), 0);
	}
	for (int i = 0; i < 4; i++) {
		assert_result(aion_await(&loans[i].future), 0);
		cr_assert_eq(loans[i].sent_size, (size_t)SIZE - 10);
	}
	assert_result(aion_group_leave(&group, 0), 0);
	if (!test_is_simulated())
		cr_assert_eq(outlet.zero_copy_size, SIZE_MAX);
	free(bytes);
}

TASK_TEST(outlet_loan, where_that_cannot_be_it_is_copied)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	char *bytes = outlet_bytes(0, 5000);
	struct aion_loan loan;
	int fds[2];

	outlet_unix_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	aion_outlet_set_zero_copy(&outlet, 1000);
	aion_outlet_lend(&outlet, &loan, bytes, 5000);
	assert_result(aion_await(&loan.future), 0);
	cr_assert_eq(outlet.zero_copy_size, SIZE_MAX);
	outlet_expect(fds[1], 0, 5000);
	free(bytes);
}

TASK_TEST(outlet_loan, buffers_are_given)
{
	TEST_DIR();
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	char *bytes = outlet_bytes(0, 100000);
	struct aion_buffer *buffer;
	int file = test_file_make("f", 0);
	int fds[2];

	cr_assert_eq(pwrite(file, bytes, 100000, 0), 100000);
	outlet_narrow_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	for (int i = 0; i < 2; i++) {
		assert_result(aion_pread_owned(file, 100000, 0, &buffer), 100000);
		assert_result(aion_outlet_give_buffer(&outlet, buffer, 100000), 0);
		outlet_expect(fds[1], 0, 100000);
	}
	assert_result(aion_pread_owned(file, 1000, 0, &buffer), 1000);
	assert_result(aion_outlet_give_buffer(&outlet, buffer, 1000), 0);
	assert_result(aion_outlet_flush(&outlet), 0);
	free(bytes);
}
