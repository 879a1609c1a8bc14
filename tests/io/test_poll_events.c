/* SPDX-License-Identifier: MIT */
/* Waiting for readiness, once and lastingly. */
#include <poll.h>
#include <sys/eventfd.h>

#include "test_file.h"

#include "fault_int.h"

TASK_TEST(poll_events, once_tells_what_holds)
{
	TEST_DIR();
	int fds[2], file = test_file_make("f", 10);

	test_pipe(fds);
	assert_result(aion_poll(fds[1], POLLOUT), POLLOUT);
	cr_assert_eq(write(fds[1], "x", 1), 1);
	assert_result(aion_poll(fds[0], POLLIN), POLLIN);
	close(fds[1]);
	assert_result(aion_poll(fds[0], POLLIN), POLLIN | POLLHUP);
	assert_result(aion_poll(fds[0], 0), POLLHUP);
	assert_result(aion_poll(file, POLLIN | POLLOUT), POLLIN | POLLOUT);
	assert_result(aion_poll(-1, POLLIN), -EBADF);
	assert_result(aion_poll(9999, POLLIN), -EBADF);
}

static int64_t write_later(void *arg)
{
	aion_sleep(2 * AION_MILLISECOND);
	return aion_write(*(int *)arg, "x", 1);
}

TASK_TEST(poll_events, once_waits)
{
	struct aion_group group;
	struct aion_scope scope;
	int fds[2];

	test_pipe(fds);
	aion_scope_enter(&scope, aion_after(2 * AION_MILLISECOND));
	assert_result(aion_poll(fds[0], POLLIN), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	aion_group_enter(&group);
	aion_spawn(&group, write_later, &fds[1]);
	assert_result(aion_poll(fds[0], POLLIN), POLLIN);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(poll_events, lasting_poll_reports_each_edge)
{
	AION_CLEANUP(aion_poll_close) struct aion_poll poll = {0};
	int fds[2];
	char c;

	test_pipe(fds);
	aion_poll_open(&poll, fds[0], POLLIN);
	for (int i = 0; i < 100; i++) {
		assert_result(aion_poll_try_next(&poll), -EAGAIN);
		cr_assert_eq(write(fds[1], "x", 1), 1);
		assert_result(aion_poll_next(&poll), POLLIN);
		cr_assert_eq(read(fds[0], &c, 1), 1);
	}
	close(fds[1]);
	cr_assert(aion_poll_next(&poll) & POLLHUP);
}

TASK_TEST(poll_events, lasting_poll_is_one_request)
{
	struct aion_poll poll = {0};
	struct aion_loop_stats before;
	int fd = eventfd(0, EFD_CLOEXEC);
	uint64_t count = 1;

	test_machine_be_prompt();
	aion_poll_open(&poll, fd, POLLIN);
	aion_yield();
	before = test_stats();
	for (int i = 0; i < 50; i++) {
		cr_assert_eq(write(fd, &count, 8), 8);
		assert_result(aion_poll_next(&poll), POLLIN);
		cr_assert_eq(read(fd, &count, 8), 8);
	}
	cr_assert_eq(test_stats().submit_nr, before.submit_nr);
	cr_assert_geq(test_stats().complete_nr, before.complete_nr + 50);
	aion_poll_close(&poll);
	cr_assert_eq(test_stats().in_flight_nr, 0);
	aion_poll_close(&poll);
}

TASK_TEST(poll_events, events_between_two_calls_are_collected)
{
	struct aion_poll poll = {0};
	int fds[2];
	char c;

	test_machine_be_prompt();
	test_pipe(fds);
	aion_poll_open(&poll, fds[0], POLLIN);
	cr_assert_eq(write(fds[1], "x", 1), 1);
	aion_sleep(AION_MILLISECOND);
	cr_assert_eq(read(fds[0], &c, 1), 1);
	close(fds[1]);
	aion_sleep(AION_MILLISECOND);
	assert_result(aion_poll_next(&poll), POLLIN | POLLHUP);
	assert_result(aion_poll_try_next(&poll), -EAGAIN);
	aion_poll_close(&poll);
}

TASK_TEST(poll_events, cancelled_wait_loses_no_event)
{
	struct aion_poll poll = {0};
	struct aion_scope scope;
	int fds[2];

	test_pipe(fds);
	aion_poll_open(&poll, fds[0], POLLIN);
	aion_scope_enter(&scope, aion_after(2 * AION_MILLISECOND));
	assert_result(aion_poll_next(&poll), -ECANCELED);
	cr_assert_eq(write(fds[1], "x", 1), 1);
	assert_result(aion_poll_next(&poll), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	assert_result(aion_poll_next(&poll), POLLIN);
	test_enter_cancelled(&scope);
	aion_poll_close(&poll);
	assert_result(aion_scope_leave(&scope), 0);
	cr_assert_eq(test_stats().in_flight_nr, 0);
}

TASK_TEST(poll_events, errors_stay)
{
	struct aion_poll poll = {0};

	aion_poll_open(&poll, 9999, POLLIN);
	assert_result(aion_poll_next(&poll), -EBADF);
	assert_result(aion_poll_next(&poll), -EBADF);
	aion_poll_close(&poll);
	assert_result(aion_poll_next(&poll), -EBADF);
	assert_result(aion_poll_try_next(&poll), -EBADF);
}

struct next {
	struct aion_poll *poll;
	int64_t result;
};

static int64_t wait_next(void *arg)
{
	struct next *next = arg;

	next->result = aion_poll_next(next->poll);
	return 0;
}

TASK_TEST(poll_events, close_of_the_descriptor_ends_it)
{
	struct aion_poll poll = {0};
	struct aion_group group;
	struct next next = {.poll = &poll};
	int fds[2];

	test_pipe(fds);
	aion_poll_open(&poll, fds[0], POLLIN);
	aion_group_enter(&group);
	aion_spawn_now(&group, wait_next, &next);
	aion_sleep(AION_MILLISECOND);
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(next.result, -EBADF);
	assert_result(aion_poll_next(&poll), -EBADF);
	assert_result(aion_write(fds[1], "x", 1), -EPIPE);
	aion_poll_close(&poll);
}

TASK_TEST(poll_events, close_of_the_poll_wakes_who_waits)
{
	struct aion_poll poll = {0};
	struct aion_group group;
	struct next next = {.poll = &poll};
	int fds[2];

	test_pipe(fds);
	aion_poll_open(&poll, fds[0], POLLIN);
	aion_group_enter(&group);
	aion_spawn_now(&group, wait_next, &next);
	aion_sleep(AION_MILLISECOND);
	aion_poll_close(&poll);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(next.result, -EBADF);
}

/* Many more events than the completion queue holds, while nobody reaps: the kernel ends the request, it is made anew,
 * and no readiness is lost. */
TASK_TEST_AS(poll_events, overflow_loses_nothing, .entry_nr = 8, .completion_nr = 16)
{
	enum { NR = 40 };
	struct aion_poll polls[NR];
	int fds[NR];
	uint64_t count = 1;

	memset(polls, 0, sizeof(polls));
	for (int i = 0; i < NR; i++) {
		fds[i] = eventfd(0, EFD_CLOEXEC);
		aion_poll_open(&polls[i], fds[i], POLLIN);
	}
	aion_yield();
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < NR; i++)
			cr_assert_eq(write(fds[i], &count, 8), 8);
		for (int i = 0; i < NR; i++) {
			cr_assert(aion_poll_next(&polls[i]) & POLLIN);
			cr_assert_eq(read(fds[i], &count, 8), 8);
			count = 1;
		}
	}
	for (int i = 0; i < NR; i++)
		aion_poll_close(&polls[i]);
	cr_assert_eq(test_stats().in_flight_nr, 0);
}

static int64_t take_next(void *poll)
{
	return aion_poll_next(poll) == POLLIN ? 0 : -EIO;
}

/* The kernel has ended the request, for want of room. Whoever asks next makes it anew, and may end before the poll. */
TASK_TEST_AS(poll_events, who_takes_events_may_end_before_the_poll, .entry_nr = 8, .completion_nr = 8)
{
	struct aion_group group;
	struct aion_poll poll = {0};
	struct aion_op nops[64];
	int fds[2];

	TEST_NEEDS_KERNEL("a simulated machine looks at real descriptors now and then, not at each write");
	test_pipe(fds);
	aion_poll_open(&poll, fds[0], POLLIN);
	aion_yield();
	for (int i = 0; i < 64; i++) {
		cr_assert_eq(write(fds[1], "x", 1), 1);
		aion_op_init(&nops[i]);
		aion_op_nop(&nops[i]);
	}
	aion_op_reap_all(nops, 64);
	cr_assert_not(aion_op_is_in_flight(&poll.op));
	aion_group_enter(&group);
	aion_spawn(&group, take_next, &poll);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert(aion_op_is_in_flight(&poll.op));
	aion_poll_close(&poll);
}

Test(poll_events, outside_of_a_task_is_refused)
{
	struct aion_poll poll = {0};

	assert_result(aion_poll(0, POLLIN), -EBUSY);
	aion_poll_open(&poll, 0, POLLIN);
	assert_result(aion_poll_next(&poll), -EBUSY);
	assert_result(aion_poll_try_next(&poll), -EBUSY);
	aion_poll_close(&poll);
}

#ifdef AION_FAULTS
TASK_TEST(poll_events, want_of_memory_is_told)
{
	int fds[2];

	test_pipe(fds);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 1, -ENOMEM);
	assert_result(aion_poll(fds[1], POLLOUT), -ENOMEM);
}
#endif
