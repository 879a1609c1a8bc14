/* SPDX-License-Identifier: MIT */
/* The life of operations: started, awaited, started again, reaped, closed under, tried again. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <aion/file.h>
#include <aion/poll.h>

#include "test_task.h"

#include "fault_int.h"

TEST_IN_TASK(op_life, an_operation_can_be_started_again_when_done)
{
	struct aion_op op = {0};

	for (int i = 0; i < 100; i++) {
		cr_assert_not(aion_op_is_in_flight(&op));
		aion_op_nop(&op);
		cr_assert(aion_op_is_in_flight(&op));
		cr_assert_eq(aion_await(&op.future), 0);
	}
	return 0;
}

TEST_IN_TASK(op_life, init_makes_an_idle_one_of_anything)
{
	struct aion_op op;

	memset(&op, 0xee, sizeof(op));
	aion_op_init(&op);
	cr_assert_not(aion_op_is_in_flight(&op));
	aion_op_cancel(&op);
	aion_op_reap(&op);
	aion_op_nop(&op);
	cr_assert_eq(aion_await(&op.future), 0);
	return 0;
}

TEST_IN_TASK(op_life, many_leave_in_one_batch)
{
	struct aion_loop_stats before;
	struct aion_loop_stats after;
	struct aion_op ops[100] = {0};
	struct aion_future *futures[100];

	test_machine_be_prompt();
	for (int i = 0; i < 100; i++) {
		aion_op_nop(&ops[i]);
		futures[i] = &ops[i].future;
	}
	aion_loop_stats(aion_loop_current(), &before);
	cr_assert_eq(before.in_flight_nr, 100);
	cr_assert_eq(aion_gather(futures, 100, NULL), 0);
	aion_loop_stats(aion_loop_current(), &after);
	cr_assert_eq(after.in_flight_nr, 0);
	cr_assert_geq(after.submit_nr - before.submit_nr, 100);
	cr_assert_leq(after.enter_nr - before.enter_nr, 4);
	return 0;
}

Test(op_life, outside_of_loops_it_is_done_with_an_error)
{
	struct aion_op op = {0};

	aion_op_nop(&op);
	cr_assert_not(aion_op_is_in_flight(&op));
	cr_assert(aion_future_is_done(&op.future));
	cr_assert_eq(aion_await(&op.future), -EBUSY);
	aion_op_reap(&op);
}

static int64_t early_return(int fd)
{
	AION_CLEANUP(aion_op_reap) struct aion_op op = {0};
	char buf[8];

	aion_op_read(&op, fd, buf, sizeof(buf));
	return -EIO;
}

TEST_IN_TASK(op_life, reap_makes_an_early_return_safe)
{
	struct aion_loop_stats stats;
	struct aion_scope scope;
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	cr_assert_eq(early_return(pipe_fds[0]), -EIO);
	aion_scope_enter(&scope, 0);
	cr_assert_eq(early_return(pipe_fds[0]), -EIO);
	cr_assert_eq(aion_scope_leave(&scope), 0, "reaping is no checkpoint");
	aion_loop_stats(aion_loop_current(), &stats);
	cr_assert_eq(stats.in_flight_nr, 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

TEST_IN_TASK(op_life, reap_all_ends_operations_in_any_state)
{
	struct aion_op ops[30] = {0};
	char buf[8];
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	for (int i = 0; i < 10; i++) {
		aion_op_nop(&ops[3 * i]);
		aion_op_poll(&ops[3 * i + 1], pipe_fds[0], POLLIN);
	}
	aion_op_read(&ops[2], pipe_fds[0], buf, sizeof(buf));
	aion_await(&ops[0].future);
	aion_op_reap_all(ops, 30);
	for (int i = 0; i < 30; i++)
		cr_assert_not(aion_op_is_in_flight(&ops[i]));
	aion_op_reap_all(ops, 30);
	aion_op_reap_all(NULL, 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

static int free_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	close(fd);
	return fd;
}

/* The descriptor of an open that nobody received is closed, one that was received is not. */
TEST_IN_TASK(op_life, reap_closes_a_descriptor_that_nobody_received)
{
	int first_free = free_fd();
	struct aion_op op = {0};
	int fd;

	aion_op_openat(&op, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
	while (aion_op_is_in_flight(&op))
		aion_yield();
	cr_assert_neq(free_fd(), first_free);
	aion_op_reap(&op);
	cr_assert_eq(free_fd(), first_free);
	aion_op_reap(&op);
	aion_op_openat(&op, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
	fd = (int)aion_await(&op.future);
	cr_assert_geq(fd, 0);
	aion_op_reap(&op);
	cr_assert_geq(fcntl(fd, F_GETFD), 0, "received");
	close(fd);
	return 0;
}

/* A gather that is broken off hands nothing over: the descriptor is still nobody's. */
TEST_IN_TASK(op_life, reap_closes_a_descriptor_that_a_cancelled_gather_saw)
{
	int first_free = free_fd();
	struct aion_future pending;
	struct aion_op op = {0};
	struct aion_future *futures[] = {&op.future, &pending};
	struct aion_scope scope;

	aion_future_init(&pending);
	aion_op_openat(&op, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
	while (aion_op_is_in_flight(&op))
		aion_yield();
	aion_scope_enter(&scope, 0);
	cr_assert_eq(aion_gather(futures, 2, NULL), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	aion_op_reap(&op);
	cr_assert_eq(free_fd(), first_free);
	return 0;
}

struct reader {
	int fd;
	int64_t result;
	bool was_cancelled;
};

static int64_t read_one(void *arg)
{
	struct reader *reader = arg;
	struct aion_op op = {0};
	char byte;

	aion_op_read(&op, reader->fd, &byte, 1);
	reader->result = aion_await(&op.future);
	reader->was_cancelled = aion_cancelled();
	return 0;
}

/* Case 76. */
TEST_IN_TASK(op_life, an_operation_ended_by_close_is_ebadf_and_its_scope_untouched)
{
	struct reader readers[3];
	struct aion_op close_op = {0};
	struct aion_group group;
	int pipe_fds[2];
	int other_fd;

	cr_assert_eq(pipe(pipe_fds), 0);
	other_fd = dup(pipe_fds[0]);
	aion_group_enter(&group);
	for (int i = 0; i < 3; i++) {
		readers[i] = (struct reader){.fd = i < 2 ? pipe_fds[0] : other_fd, .result = 1};
		aion_spawn(&group, read_one, &readers[i]);
	}
	aion_sleep(AION_MILLISECOND);
	aion_op_close(&close_op, pipe_fds[0]);
	cr_assert_eq(aion_await(&close_op.future), 0);
	cr_assert_eq(fcntl(pipe_fds[0], F_GETFD), -1);
	aion_sleep(AION_MILLISECOND);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(readers[i].result, -EBADF);
		cr_assert_not(readers[i].was_cancelled);
	}
	cr_assert_eq(readers[2].result, 1, "the duplicate's reader still waits");
	cr_assert_eq(write(pipe_fds[1], "x", 1), 1);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(readers[2].result, 1);
	close(other_fd);
	close(pipe_fds[1]);
	return 0;
}

TEST_IN_TASK(op_life, close_finishes_in_a_cancelled_scope)
{
	struct aion_op close_op = {0};
	struct aion_op read_op = {0};
	struct aion_scope scope;
	int pipe_fds[2];
	char byte;

	cr_assert_eq(pipe(pipe_fds), 0);
	aion_op_read(&read_op, pipe_fds[0], &byte, 1);
	aion_scope_enter(&scope, 0);
	aion_op_close(&close_op, pipe_fds[0]);
	cr_assert_eq(aion_await(&close_op.future), 0);
	cr_assert_eq(fcntl(pipe_fds[0], F_GETFD), -1);
	cr_assert_eq(aion_await(&read_op.future), -EBADF);
	cr_assert_eq(aion_scope_leave(&scope), 0);
	close(pipe_fds[1]);
	return 0;
}

#ifdef AION_FAULTS
TEST_IN_TASK(op_life, a_completion_s_error_is_the_result)
{
	struct aion_op op = {0};

	for (int error = 1; error < 5; error++) {
		aion_op_nop(&op);
		aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 1, -error);
		cr_assert_eq(aion_await(&op.future), -error);
		aion__fault_reset();
	}
	return 0;
}

/* A blocking descriptor never says -EAGAIN to its caller: the operation is tried again. */
TEST_IN_TASK(op_life, eagain_on_a_blocking_descriptor_is_tried_again)
{
	struct aion_op op = {0};
	char buf[16];
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	cr_assert_eq(write(pipe_fds[1], "abc", 3), 3);
	aion_op_write(&op, pipe_fds[1], "abc", 3);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 1, -EAGAIN);
	cr_assert_eq(aion_await(&op.future), 3);
	aion__fault_reset();
	aion_op_read(&op, pipe_fds[0], buf, sizeof(buf));
	cr_assert_gt(aion_await(&op.future), 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

/* Asked to end while it would have been tried again, it ends as cancelled. */
TEST_IN_TASK(op_life, eagain_of_a_cancelled_operation_is_ecanceled)
{
	struct aion_op op = {0};
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	aion_op_write(&op, pipe_fds[1], "abc", 3);
	aion_op_cancel(&op);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 1, -EAGAIN);
	cr_assert_eq(aion_await(&op.future), -ECANCELED);
	aion__fault_reset();
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

TEST_IN_TASK(op_life, no_memory_for_the_descriptor_s_list_is_enomem)
{
	struct aion_loop_stats stats;
	struct aion_op op = {0};
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	aion_op_poll(&op, pipe_fds[0], POLLIN);
	aion__fault_reset();
	cr_assert_not(aion_op_is_in_flight(&op));
	cr_assert_eq(aion_await(&op.future), -ENOMEM);
	memset(&op, 0x5a, sizeof(op)); /* the buffer that an operation had before is not touched */
	aion_op_init(&op);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	aion_op_read(&op, pipe_fds[0], &stats, sizeof(stats));
	aion__fault_reset();
	cr_assert_eq(aion_await(&op.future), -ENOMEM);
	aion_loop_stats(aion_loop_current(), &stats);
	cr_assert_eq(stats.in_flight_nr, 0);
	cr_assert_eq(aion_nop(), 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

/* The kernel is short of memory, or its queue is full: reap, and try again. */
TEST_IN_TASK(op_life, a_refused_enter_is_tried_again)
{
	static const int errors[] = {-EAGAIN, -EBUSY, -EINTR};
	struct aion_op ops[10] = {0};

	for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
		for (int i = 0; i < 10; i++)
			aion_op_nop(&ops[i]);
		aion__fault_arm(AION__FAULT_RING_ENTER, 0, 3, errors[e]);
		for (int i = 0; i < 10; i++)
			cr_assert_eq(aion_await(&ops[i].future), 0);
		aion__fault_reset();
	}
	return 0;
}

struct diag_lines {
	int nr;
	char last[512];
};

static void remember_line(const char *line, void *arg)
{
	struct diag_lines *lines = arg;

	lines->nr++;
	snprintf(lines->last, sizeof(lines->last), "%s", line);
}

/* Nothing moves for long: said once, and again only after something has moved. */
TEST_IN_TASK(op_life, an_enter_refused_for_long_is_reported_and_recovers)
{
	static const int errors[] = {-EAGAIN, -EBUSY};
	struct diag_lines lines = {0};

	test_machine_be_prompt();
	aion_diag_set(remember_line, &lines);
	aion__fault_arm(AION__FAULT_RING_ENTER, 0, 200, -EAGAIN);
	cr_assert_eq(aion_nop(), 0);
	cr_assert_eq(lines.nr, 0, "%s", lines.last);
	for (int e = 0; e < 2; e++) {
		aion__fault_arm(AION__FAULT_RING_ENTER, 0, 300, errors[e]);
		cr_assert_eq(aion_nop(), 0);
		cr_assert_eq(aion__fault_passed(AION__FAULT_RING_ENTER), 301);
		cr_assert_eq(lines.nr, e + 1, "%s", lines.last);
		cr_assert_not_null(strstr(lines.last, "io_uring_enter"), "%s", lines.last);
		cr_assert_not_null(strstr(lines.last, e ? "EBUSY" : "EAGAIN"), "%s", lines.last);
	}
	aion_diag_set(NULL, NULL);
	return 0;
}

/* The same for one who needs an entry of a full queue and cannot let others run. */
TEST_IN_TASK(op_life, a_full_queue_that_is_refused_for_long_is_reported_and_recovers)
{
	enum { NR = 1100 }; /* more than the queue has */
	struct aion_op *ops = calloc(NR, sizeof(*ops));
	struct diag_lines lines = {0};

	test_machine_be_prompt();
	cr_assert_not_null(ops);
	aion_diag_set(remember_line, &lines);
	aion__fault_arm(AION__FAULT_RING_ENTER, 0, 300, -EAGAIN);
	for (int i = 0; i < NR; i++)
		aion_op_nop(&ops[i]);
	cr_assert_geq(aion__fault_passed(AION__FAULT_RING_ENTER), 301);
	for (int i = 0; i < NR; i++)
		cr_assert_eq(aion_await(&ops[i].future), 0);
	cr_assert_eq(lines.nr, 1, "%s", lines.last);
	cr_assert_not_null(strstr(lines.last, "EAGAIN"), "%s", lines.last);
	aion_diag_set(NULL, NULL);
	free(ops);
	return 0;
}

/* Timers and tasks do not wait for the kernel's memory. */
TEST_IN_TASK(op_life, timers_fire_while_every_enter_is_refused)
{
	struct aion_op op = {0};

	TEST_NEEDS_KERNEL("time passes while every enter is refused");
	aion_diag_set(NULL, NULL);
	aion_op_nop(&op);
	aion__fault_arm(AION__FAULT_RING_ENTER, 0, UINT32_MAX, -EAGAIN);
	cr_assert_eq(aion_sleep(5 * AION_MILLISECOND), 0);
	cr_assert(aion_op_is_in_flight(&op));
	aion__fault_reset();
	cr_assert_eq(aion_await(&op.future), 0);
	return 0;
}

static int64_t read_by_ring_and_retry(void *unused)
{
	enum { NR = 2000 };
	struct aion_op *ops = calloc(NR, sizeof(*ops));
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char byte;

	aion_diag_set(NULL, NULL);
	cr_assert(ops && fd >= 0);
	for (int i = 0; i < NR; i++)
		aion_op_pread(&ops[i], fd, &byte, 1, 0);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, NR, -EAGAIN);
	aion__fault_arm(AION__FAULT_RING_ENTER, 0, 400, -EAGAIN);
	for (int i = 0; i < NR; i++)
		cr_assert_eq(aion_await(&ops[i].future), 1);
	cr_assert_gt(aion__fault_passed(AION__FAULT_RING_ENTER), 400);
	aion__fault_reset();
	close(fd);
	free(ops);
	return 0;
}

/* A thousand completions wait, each wants an entry to be tried again, the queue is full and the kernel short of memory:
 * the stack stays as deep as it is. */
Test(op_life, a_storm_of_retries_fits_on_a_small_stack)
{
	const struct aion_loop_options options = {.stack_size = 64 << 10};

	cr_assert_eq(aion_run(read_by_ring_and_retry, NULL, &options), 0);
}
#endif
