/* SPDX-License-Identifier: MIT */
/* The first error ends an outlet, and every later call says so. */
#include <signal.h>

#include "fault_int.h"
#include "test_outlet.h"

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
	assert_result(aion_outlet_give(&outlet, bytes, 1000, outlet_count_release, &released), 0);
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
	assert_result(aion_outlet_give(&outlet, bytes, 1000, outlet_count_release, &released), -EPIPE);
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
SPARED_TEST(outlet_error, a_peer_may_reset_at_every_byte)
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
				outlet_reset(fds[1]);
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
			outlet_reset(fds[1]);
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
	assert_result(aion_outlet_give(&outlet, "x", 1, outlet_count_release, &released), -EBUSY);
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
	assert_result(aion_outlet_give(&outlet, bytes, 100, outlet_count_release, &released), -ENOMEM);
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
