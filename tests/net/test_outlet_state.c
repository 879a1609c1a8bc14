/* SPDX-License-Identifier: MIT */
/* An outlet's ends: errors, cancellation, half-close, close; back-pressure; loans. */
#include <poll.h>
#include <signal.h>

#include "fault_int.h"
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

/* ---- errors */

static void reset(int fd)
{
	struct linger linger = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

static void count_release(void *arg)
{
	++*(int *)arg;
}

TASK_TEST(outlet_error, the_first_one_stays)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	char *bytes = outlet_bytes(0, 300000);
	struct iovec iov = {bytes, 1000};
	struct aion_outlet_wait waits[2];
	struct aion_loan loans[2];
	int fds[2], released = 0;
	size_t done = 7;

	signal(SIGPIPE, SIG_DFL);
	outlet_narrow_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	aion_outlet_lend(&outlet, &loans[0], bytes, 300000);
	assert_result(aion_outlet_give(&outlet, bytes, 1000, count_release, &released), 0);
	aion_outlet_start_writev(&outlet, &waits[0], &iov, 1);
	aion_outlet_start_flush(&outlet, &waits[1]);
	close(fds[1]);
	assert_result(aion_await(&loans[0].future), -EPIPE);
	assert_result(aion_await(&waits[0].future), -EPIPE);
	assert_result(aion_await(&waits[1].future), -EPIPE);
	cr_assert_eq(released, 1);
	assert_result(aion_outlet_error(&outlet), -EPIPE);
	cr_assert_eq(aion_outlet_queued(&outlet), 0);
	/* Nothing is tried any more. */
	aion_close(fds[0]);
	assert_result(aion_outlet_send_all(&outlet, bytes, 10, &done), -EPIPE);
	cr_assert_eq(done, (size_t)0);
	assert_result(aion_outlet_sendv_all(&outlet, &iov, 1, &done), -EPIPE);
	assert_result(aion_outlet_write(&outlet, bytes, 10), -EPIPE);
	assert_result(aion_outlet_try_write(&outlet, bytes, 10), -EPIPE);
	assert_result(aion_outlet_try_send(&outlet, bytes, 10), -EPIPE);
	assert_result(aion_outlet_flush(&outlet), -EPIPE);
	assert_result(aion_outlet_shutdown(&outlet), -EPIPE);
	assert_result(aion_outlet_give(&outlet, bytes, 1000, count_release, &released), -EPIPE);
	cr_assert_eq(released, 2);
	aion_outlet_lend(&outlet, &loans[1], bytes, 10);
	assert_result(aion_await(&loans[1].future), -EPIPE);
	free(bytes);
}

TASK_TEST(outlet_error, a_try_meets_it)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	int fds[2];

	test_machine_be_prompt();
	signal(SIGPIPE, SIG_DFL);
	outlet_unix_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	close(fds[1]);
	assert_result(aion_outlet_try_send(&outlet, "x", 1), -EPIPE);
	assert_result(aion_outlet_error(&outlet), -EPIPE);
	assert_result(aion_outlet_flush(&outlet), -EPIPE);
}

/* The peer resets after having read so many bytes of what comes in pieces. What is sent meanwhile has no other end than
 * an error that stays, and nothing is left over. */
TASK_TEST(outlet_error, a_peer_may_reset_at_every_byte)
{
	enum { SIZE = 200 };
	char *bytes = outlet_bytes(0, SIZE);

	for (size_t at = 0; at <= SIZE; at += test_is_small() ? 20 : 1) {
		AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
		struct aion_loan loans[SIZE];
		size_t lent_nr = 0;
		int64_t result;
		int fds[2];

		outlet_tcp_pair(fds);
		aion_outlet_open(&outlet, fds[0]);
		for (size_t i = 0; i < SIZE; i++) {
			aion_outlet_set_zero_copy(&outlet, at % 2 ? 1 : 100);
			if (i == at) {
				outlet_expect(fds[1], 0, at);
				reset(fds[1]);
			}
			if (i % 3 == 0)
				result = aion_outlet_write(&outlet, bytes + i, 1);
			else if (i % 3 == 1)
				result = aion_outlet_send_all(&outlet, bytes + i, 1, NULL);
			else
				aion_outlet_lend(&outlet, &loans[lent_nr++], bytes + i, 1);
			if (at > i)
				cr_assert_geq(result, 0);
			if (result < 0)
				break;
		}
		if (at == SIZE) {
			outlet_expect(fds[1], 0, at);
			reset(fds[1]);
		}
		do {
			result = aion_outlet_send_all(&outlet, "x", 1, NULL);
		} while (result == 0);
		cr_assert(result == -ECONNRESET || result == -EPIPE, "%d", (int)result);
		assert_result(aion_outlet_write(&outlet, "x", 1), result);
		cr_assert_eq(aion_outlet_queued(&outlet), 0);
		aion_outlet_close(&outlet);
		while (lent_nr)
			aion_await(&loans[--lent_nr].future);
		cr_assert_eq(test_stats().in_flight_nr, 0);
		close(fds[0]);
	}
	free(bytes);
}

TASK_TEST(outlet_error, of_the_caller)
{
	struct aion_outlet outlet = {0};
	struct aion_loan loan;
	struct iovec iov = {(char[]){"x"}, 1};
	size_t done = 7;
	int fds[2];

	assert_result(aion_outlet_error(&outlet), -EBADF);
	assert_result(aion_outlet_send_all(&outlet, "x", 1, NULL), -EBADF);
	assert_result(aion_outlet_write(&outlet, "x", 1), -EBADF);
	assert_result(aion_outlet_flush(&outlet), -EBADF);
	assert_result(aion_outlet_shutdown(&outlet), -EBADF);
	aion_outlet_lend(&outlet, &loan, "x", 1);
	assert_result(aion_await(&loan.future), -EBADF);
	aion_outlet_close(&outlet);
	outlet_unix_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	assert_result(aion_outlet_sendv_all(&outlet, &iov, -1, &done), -EINVAL);
	cr_assert_eq(done, (size_t)0);
	assert_result(aion_outlet_writev(&outlet, &iov, -1), -EINVAL);
	aion_outlet_lendv(&outlet, &loan, &iov, -1);
	assert_result(aion_await(&loan.future), -EINVAL);
	aion_outlet_start_sendv(&outlet, &loan, &iov, 1, 2);
	assert_result(aion_await(&loan.future), -EINVAL);
	aion_outlet_start_sendv(&outlet, &loan, &iov, 1, 1);
	assert_result(aion_await(&loan.future), 0);
	assert_result(aion_outlet_error(&outlet), 0);
	aion_outlet_close(&outlet);
	/* No socket. */
	aion_outlet_open(&outlet, 9999);
	assert_result(aion_outlet_write(&outlet, "x", 1), 0);
	assert_result(aion_outlet_flush(&outlet), -EBADF);
	aion_outlet_close(&outlet);
	test_pipe(fds);
	aion_outlet_open(&outlet, fds[1]);
	assert_result(aion_outlet_send_all(&outlet, "x", 1, NULL), -ENOTSOCK);
	aion_outlet_close(&outlet);
}

Test(outlet_error, outside_of_a_task)
{
	struct aion_outlet outlet = {0};
	struct aion_loan loan;
	int released = 0;

	aion_outlet_open(&outlet, 1);
	assert_result(aion_outlet_send_all(&outlet, "x", 1, NULL), -EBUSY);
	assert_result(aion_outlet_write(&outlet, "x", 1), -EBUSY);
	assert_result(aion_outlet_try_write(&outlet, "x", 1), -EBUSY);
	assert_result(aion_outlet_flush(&outlet), -EBUSY);
	assert_result(aion_outlet_shutdown(&outlet), -EBUSY);
	assert_result(aion_outlet_give(&outlet, "x", 1, count_release, &released), -EBUSY);
	cr_assert_eq(released, 1);
	aion_outlet_lend(&outlet, &loan, "x", 1);
	cr_assert(aion_future_is_done(&loan.future));
	cr_assert_eq(loan.future.result, -EBUSY);
	aion_outlet_close(&outlet);
}

static int use_in_child(void *outlet)
{
	return aion_outlet_send_all(outlet, "x", 1, NULL) == -ECHILD &&
	       aion_outlet_try_write(outlet, "x", 1) == -ECHILD && aion_outlet_shutdown(outlet) == -ECHILD &&
	       aion_outlet_flush(outlet) == -ECHILD;
}

TASK_TEST(outlet_error, a_forked_child_is_refused)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	int fds[2];

	outlet_unix_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	cr_assert_eq(test_in_child(use_in_child, &outlet), 1);
}

static int64_t open_twice(void *unused)
{
	struct aion_outlet outlet = {0};

	aion_outlet_open(&outlet, 1);
	aion_outlet_open(&outlet, 1);
	return 0;
}

Test(outlet_error, opening_twice_aborts)
{
	test_task_aborts(open_twice, "outlet opened while open");
}

#ifdef AION_FAULTS
TASK_TEST(outlet_error, want_of_memory)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	char *bytes = outlet_bytes(0, 2000);
	struct aion_loan loans[2];
	int fds[2], released = 0;

	outlet_unix_pair(fds);
	aion_outlet_open(&outlet, fds[0]);
	assert_result(aion_outlet_send_all(&outlet, bytes, 100, NULL), 0);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	assert_result(aion_outlet_write(&outlet, bytes, 100), -ENOMEM);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	assert_result(aion_outlet_give(&outlet, bytes, 100, count_release, &released), -ENOMEM);
	cr_assert_eq(released, 1);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	assert_result(aion_outlet_shutdown(&outlet), -ENOMEM);
	assert_result(aion_outlet_error(&outlet), 0);
	/* Pieces leave one by one where there is no memory for a message of them. */
	aion_outlet_lend(&outlet, &loans[0], bytes + 100, 100);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	aion_outlet_lend(&outlet, &loans[1], bytes + 200, 100);
	assert_result(aion_await(&loans[1].future), 0);
	outlet_expect(fds[1], 0, 300);
	/* What an operation says. */
	assert_result(aion_outlet_write(&outlet, bytes, 100), 0);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 1, -ENOMEM);
	assert_result(aion_outlet_flush(&outlet), -ENOMEM);
	assert_result(aion_outlet_write(&outlet, bytes, 100), -ENOMEM);
	free(bytes);
}
#endif

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
	reset(fds[1]);
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
	assert_result(aion_outlet_give(&outlet, bytes, 1, count_release, &released), 0);
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

/* ---- without copying */

TASK_TEST(outlet_loan, large_ones_are_sent_without_copying)
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
