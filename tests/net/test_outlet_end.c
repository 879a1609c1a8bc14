/* SPDX-License-Identifier: MIT */
/* Cancellation, half-close, close. */
#include <poll.h>

#include "fault_int.h"
#include "test_outlet.h"

/* ---- cancellation */

TASK_TEST(outlet_cancel, nothing_happens_in_a_cancelled_scope)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	struct aion_scope scope;
	struct iovec iov = {(char[]){"x"}, 1};
	size_t done = 7;
	char c;
	int fds[2];

	outlet_unix_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	test_enter_cancelled(&scope);
	assert_result(aion_outlet_send_all(&outlet, "x", 1, &done), -ECANCELED);
	cr_assert_eq(done, (size_t)0);
	assert_result(aion_outlet_sendv_all(&outlet, &iov, 1, &done), -ECANCELED);
	assert_result(aion_outlet_write(&outlet, "x", 1), -ECANCELED);
	assert_result(aion_outlet_writev(&outlet, &iov, 1), -ECANCELED);
	assert_result(aion_outlet_flush(&outlet), -ECANCELED);
	assert_result(aion_outlet_send_all(&outlet, "x", 0, &done), -ECANCELED);
	aion_scope_leave(&scope);
	cr_assert_eq(recv(fds[1], &c, 1, MSG_DONTWAIT), -1);
}

TASK_TEST(outlet_cancel, a_send_says_how_far_it_came_and_others_follow_there)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	char *bytes = outlet_bytes(0, 300000), *more;
	struct aion_scope scope;
	size_t done = 0;
	int fds[2];

	outlet_narrow_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	assert_result(aion_outlet_send_all(&outlet, bytes, 300000, &done), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert_lt(done, (size_t)300000);
	cr_assert_eq(aion_outlet_queued(&outlet), 0);
	assert_result(aion_outlet_error(&outlet), 0);
	more = outlet_bytes(done, 1000);
	assert_result(aion_outlet_write(&outlet, more, 1000), 0);
	outlet_expect(fds[1], 0, done + 1000);
	free(bytes);
	free(more);
}

TASK_TEST(outlet_cancel, a_write_that_waits_has_queued_nothing)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	char *bytes = outlet_bytes(0, 300000);
	struct aion_scope scope;
	int fds[2];

	outlet_narrow_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	assert_result(aion_outlet_write(&outlet, bytes, 200000), 0);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	assert_result(aion_outlet_write(&outlet, "not this", 8), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	assert_result(aion_outlet_flush(&outlet), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	outlet_expect(fds[1], 0, 200000);
	assert_result(aion_outlet_write(&outlet, bytes + 200000, 100000), 0);
	outlet_expect(fds[1], 200000, 100000);
	free(bytes);
}

TASK_TEST(outlet_cancel, a_loan_can_be_recalled)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	char *bytes = outlet_bytes(0, 300000), *more;
	struct aion_loan loans[3];
	int fds[2];

	outlet_narrow_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	aion_outlet_lend(&outlet, &loans[0], bytes, 300000);
	aion_yield();
	aion_outlet_lend(&outlet, &loans[1], "not this", 8);
	aion_outlet_lend(&outlet, &loans[2], bytes, 100);
	aion_loan_recall(&loans[1]);
	assert_result(aion_await(&loans[1].future), -ECANCELED);
	cr_assert_eq(loans[1].sent_size, (size_t)0);
	aion_loan_recall(&loans[0]);
	aion_loan_recall(&loans[0]);
	assert_result(aion_await(&loans[0].future), -ECANCELED);
	aion_loan_recall(&loans[0]);
	outlet_expect(fds[1], 0, loans[0].sent_size);
	outlet_expect(fds[1], 0, 100);
	assert_result(aion_await(&loans[2].future), 0);
	/* One that has not left yet: it may go, whole, or not. */
	aion_outlet_lend(&outlet, &loans[0], bytes, 50);
	aion_outlet_lend(&outlet, &loans[1], bytes + 50, 50);
	aion_loan_recall(&loans[1]);
	assert_result(aion_await(&loans[0].future), 0);
	aion_await(&loans[1].future);
	more = outlet_bytes(50 + loans[1].sent_size, 100);
	assert_result(aion_outlet_send_all(&outlet, more, 100, NULL), 0);
	outlet_expect(fds[1], 0, 150 + loans[1].sent_size);
	free(bytes);
	free(more);
}

/* ---- ends */

TASK_TEST(outlet_close, half_close_comes_behind_what_is_queued)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	char *bytes = outlet_bytes(0, 200000);
	int fds[2];
	char c;

	outlet_narrow_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	assert_result(aion_outlet_write(&outlet, bytes, 200000), 0);
	assert_result(aion_outlet_shutdown(&outlet), 0);
	assert_result(aion_outlet_shutdown(&outlet), 0);
	assert_result(aion_outlet_write(&outlet, "x", 1), -EPIPE);
	assert_result(aion_outlet_send_all(&outlet, "x", 1, NULL), -EPIPE);
	cr_assert_eq(outlet_expect(fds[1], 0, SIZE_MAX), (uint64_t)200000);
	assert_result(aion_outlet_flush(&outlet), 0);
	assert_result(aion_outlet_shutdown(&outlet), 0);
	assert_result(aion_outlet_error(&outlet), 0);
	/* The other direction is as it was. */
	cr_assert_eq(write(fds[1], "y", 1), 1);
	assert_result(aion_read(fds[0], &c, 1), 1);
	free(bytes);
}

#ifdef AION_FAULTS
/* A full socket does not wait, and the loan that met this is recalled: what is next is the end of the stream. */
TASK_TEST(outlet_close, half_close_comes_when_what_is_before_it_is_recalled)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	char *bytes = outlet_bytes(0, 100000);
	size_t filled_size = 0;
	struct aion_loan loan;
	int64_t result;
	int fds[2];

	outlet_narrow_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	while ((result = aion_outlet_try_send(&outlet, bytes + filled_size, 1000)) > 0)
		filled_size += (size_t)result;
	assert_result(result, -EAGAIN);
	aion_outlet_lend(&outlet, &loan, bytes + filled_size, 1000);
	assert_result(aion_outlet_shutdown(&outlet), 0);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 1, -EAGAIN);
	aion_loan_recall(&loan);
	assert_result(aion_await(&loan.future), -ECANCELED);
	outlet_expect(fds[1], 0, filled_size);
	assert_result(aion_outlet_flush(&outlet), 0);
	assert_result(recv(fds[1], bytes, 1, MSG_DONTWAIT), 0);
	free(bytes);
	close(fds[1]);
}
#endif

TASK_TEST(outlet_close, flush_waits_for_the_half_close)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	int fds[2];
	char c;

	outlet_tcp_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	assert_result(aion_outlet_shutdown(&outlet), 0);
	assert_result(aion_outlet_flush(&outlet), 0);
	assert_result(aion_read(fds[1], &c, 1), 0);
	/* Of a socket that the peer has reset it fails, and that is told. */
	aion_outlet_close(&outlet);
	outlet_tcp_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	outlet_reset(fds[1]);
	aion_poll(fds[0], POLLHUP);
	assert_result(aion_outlet_shutdown(&outlet), 0);
	assert_result(aion_outlet_flush(&outlet), -ENOTCONN);
}

static int64_t wait_flush(void *outlet)
{
	return aion_outlet_flush(outlet) == -EBADF ? 0 : -EIO;
}

TASK_TEST(outlet_close, drops_what_is_not_sent_and_wakes_who_waits)
{
	char *bytes = outlet_bytes(0, 300000);
	struct aion_outlet outlet = {0};
	struct aion_loan loans[2];
	struct aion_scope scope;
	struct aion_group group;
	uint64_t got;
	int fds[2], released = 0;

	outlet_narrow_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	aion_outlet_lend(&outlet, &loans[0], bytes, 200000);
	aion_yield();
	aion_outlet_lend(&outlet, &loans[1], bytes + 200000, 100000);
	assert_result(aion_outlet_give(&outlet, bytes, 1, outlet_count_release, &released), 0);
	aion_group_enter(&group);
	aion_spawn_now(&group, wait_flush, &outlet);
	test_enter_cancelled(&scope);
	aion_outlet_close(&outlet);
	aion_outlet_close(&outlet);
	cr_assert_eq(test_stats().in_flight_nr, 0);
	cr_assert(aion_future_is_done(&loans[0].future) && aion_future_is_done(&loans[1].future));
	aion_scope_leave(&scope);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(loans[0].future.result, -EBADF);
	assert_result(loans[1].future.result, -EBADF);
	cr_assert_eq(released, 1);
	close(fds[0]);
	got = outlet_expect(fds[1], 0, SIZE_MAX);
	cr_assert_eq(got, loans[0].sent_size);
	/* It can be opened again. */
	outlet_unix_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	assert_result(aion_outlet_send_all(&outlet, bytes, 10, NULL), 0);
	aion_outlet_close(&outlet);
	free(bytes);
}

TASK_TEST(outlet_close, two_may_close)
{
	struct aion_outlet outlet = {0};
	char *bytes = outlet_bytes(0, 300000);
	struct aion_outlet_wait waits[2];
	int fds[2];

	outlet_narrow_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	assert_result(aion_outlet_write(&outlet, bytes, 300000), 0);
	aion_sleep(AION_MILLISECOND);
	aion_outlet_start_close(&outlet, &waits[0]);
	aion_outlet_start_close(&outlet, &waits[1]);
	cr_assert_not(aion_future_is_done(&waits[1].future));
	assert_result(aion_await(&waits[1].future), 0);
	assert_result(aion_await(&waits[0].future), 0);
	cr_assert_eq(test_stats().in_flight_nr, 0);
	free(bytes);
}

TASK_TEST(outlet_close, close_of_the_descriptor_ends_what_is_in_flight)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	char *bytes = outlet_bytes(0, 300000);
	struct aion_loan loans[2];
	int fds[2];

	outlet_narrow_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	aion_outlet_lend(&outlet, &loans[0], bytes, 200000);
	aion_outlet_lend(&outlet, &loans[1], bytes + 200000, 100000);
	aion_sleep(AION_MILLISECOND);
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_await(&loans[0].future), -EBADF);
	assert_result(aion_await(&loans[1].future), -EBADF);
	assert_result(aion_outlet_write(&outlet, "x", 1), -EBADF);
	free(bytes);
}
