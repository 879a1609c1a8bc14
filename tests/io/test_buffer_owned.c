/* SPDX-License-Identifier: MIT */
/* Reads whose memory outlives their caller. A pipe stands for the stuck disk: it too keeps a read as long as it likes.
 */
#include "test_file.h"

#include "fault_int.h"

#define SIZE 10000

TASK_TEST(buffer_owned, gives_the_bytes_in_new_memory)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	struct aion_buffer *buffer = NULL;

	assert_result(aion_pread_owned(fd, 4000, 1000, &buffer), 4000);
	cr_assert_eq(buffer->size, 4000);
	cr_assert_eq((uintptr_t)buffer->data % 4096, 0);
	cr_assert(test_is_filled(buffer->data, 4000, 1000));
	aion_buffer_release(buffer);
	assert_result(aion_pread_owned(fd, 4000, SIZE - 10, &buffer), 10);
	cr_assert_eq(buffer->size, 10);
	cr_assert(test_is_filled(buffer->data, 10, SIZE - 10));
	aion_buffer_release(buffer);
	assert_result(aion_pread_owned(fd, 4000, SIZE, &buffer), 0);
	aion_buffer_release(buffer);
	aion_buffer_release(NULL);
}

TASK_TEST(buffer_owned, errors_leave_no_buffer)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	struct aion_buffer *buffer = NULL;
	struct aion_scope scope;

	assert_result(aion_pread_owned(-1, 10, 0, &buffer), -EBADF);
	assert_result(aion_pread_owned(fd, 10, -1, &buffer), -EINVAL);
	test_enter_cancelled(&scope);
	assert_result(aion_pread_owned(fd, 10, 0, &buffer), -ECANCELED);
	assert_result(aion_scope_leave(&scope), 0);
	cr_assert_null(buffer);
	cr_assert_eq(test_stats().in_flight_nr, 0);
}

TASK_TEST(buffer_owned, fits_direct_reads)
{
	TEST_DIR();
	int fd = test_file_make("f", 16384), direct = open("f", O_RDONLY | O_DIRECT);
	struct aion_buffer *buffer;

	cr_assert_geq(direct, 0);
	cr_assert_eq(fsync(fd), 0);
	assert_result(aion_pread_owned(direct, 8192, 4096, &buffer), 8192);
	cr_assert(test_is_filled(buffer->data, 8192, 4096));
	aion_buffer_release(buffer);
}

/* The caller is away at once; what the kernel still held is freed behind his back (the sanitizers would see a leak or a
 * write into freed memory). */
TASK_TEST(buffer_owned, cancelled_caller_returns_at_once)
{
	struct aion_buffer *buffer = NULL;
	struct aion_scope scope;
	uint64_t turn_nr;
	int fds[2];

	test_pipe(fds);
	aion_scope_enter(&scope, aion_after(2 * AION_MILLISECOND));
	assert_result(aion_pread_owned(fds[0], SIZE, 0, &buffer), -ECANCELED);
	turn_nr = test_stats().turn_nr;
	cr_assert_null(buffer);
	cr_assert_eq(test_stats().in_flight_nr, 1, "the read has not ended yet");
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert_eq(test_stats().turn_nr, turn_nr);
	while (test_stats().in_flight_nr)
		aion_yield();
}

/* The task ends first, and then the loop: it reaps what was left to it. */
TASK_TEST(buffer_owned, loop_outlives_what_was_left_to_it)
{
	struct aion_buffer *buffer = NULL;
	int fds[2];

	test_pipe(fds);
	for (int i = 0; i < 10; i++) {
		assert_result(aion_buffer_pread(fds[0], SIZE, 0, &buffer), 0);
		aion_buffer_release(buffer);
	}
	cr_assert_eq(test_stats().in_flight_nr, 10);
}

static int64_t start_and_forget(void *args)
{
	struct aion_buffer **ret_buffer = args;
	int fds[2];

	test_pipe(fds);
	assert_result(aion_buffer_pread(fds[0], SIZE, 0, ret_buffer), 0);
	return 0;
}

/* A read that nobody has cancelled, of a pipe that stays empty: the loop cancels it as it ends. */
Test(buffer_owned, destroy_ends_what_nobody_released)
{
	struct aion_buffer *buffer = NULL;

	assert_result(aion_run(start_and_forget, &buffer, NULL), 0);
	cr_assert(aion_future_is_done(&buffer->future));
	aion_buffer_release(buffer);
}

TASK_TEST(buffer_owned, start_form_is_waited_for_like_anything)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	struct aion_buffer *buffers[4];
	struct aion_future *futures[4];
	int64_t results[4];

	for (int i = 0; i < 4; i++) {
		assert_result(aion_buffer_pread(fd, 1000, i * 1000, &buffers[i]), 0);
		futures[i] = &buffers[i]->future;
	}
	assert_result(aion_gather(futures, 4, results), 0);
	for (int i = 0; i < 4; i++) {
		assert_result(results[i], 1000);
		cr_assert(test_is_filled(buffers[i]->data, 1000, (size_t)i * 1000));
		aion_buffer_release(buffers[i]);
	}
}

TASK_TEST(buffer_owned, close_of_the_descriptor_ends_the_read)
{
	struct aion_buffer *buffer;
	int fds[2];

	test_pipe(fds);
	assert_result(aion_buffer_pread(fds[0], SIZE, 0, &buffer), 0);
	aion_yield();
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_await(&buffer->future), -EBADF);
	aion_buffer_release(buffer);
	assert_result(aion_write(fds[1], "x", 1), -EPIPE);
}

Test(buffer_owned, outside_of_a_task_is_refused)
{
	struct aion_buffer *buffer = NULL;

	assert_result(aion_pread_owned(0, 10, 0, &buffer), -EBUSY);
	assert_result(aion_buffer_pread(0, 10, 0, &buffer), -EBUSY);
	cr_assert_null(buffer);
}

#ifdef AION_FAULTS
TASK_TEST(buffer_owned, faults_are_told)
{
	TEST_DIR();
	int fd = test_file_make("f", SIZE);
	struct aion_buffer *buffer = NULL;

	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	assert_result(aion_pread_owned(fd, 10, 0, &buffer), -ENOMEM);
	aion__fault_reset();
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 1, -EIO);
	assert_result(aion_pread_owned(fd, 10, 0, &buffer), -EIO);
	cr_assert_null(buffer);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 2, -EAGAIN);
	assert_result(aion_pread_owned(fd, 10, 0, &buffer), 10);
	aion_buffer_release(buffer);
}

/*
 * The read has ended unseen, the queue is full and the kernel refuses to take it: to make room for the cancel request,
 * completions are reaped, that of the read among them.
 */
TASK_TEST_AS(buffer_owned, release_may_end_the_read_itself, .entry_nr = 8)
{
	struct aion_op nops[16];
	struct aion_buffer *buffer;
	int fds[2];

	TEST_NEEDS_KERNEL("a simulated machine looks at real descriptors now and then, not at each write");
	test_pipe(fds);
	assert_result(aion_buffer_pread(fds[0], SIZE, 0, &buffer), 0);
	aion_yield();
	cr_assert_eq(write(fds[1], "x", 1), 1);
	for (int i = 0; i < 16; i++) {
		aion_op_init(&nops[i]);
		aion_op_nop(&nops[i]);
	}
	aion__fault_arm(AION__FAULT_RING_ENTER, 0, 1, -EAGAIN);
	aion_buffer_release(buffer);
	cr_assert_eq(aion__fault_passed(AION__FAULT_RING_ENTER), 2);
	aion__fault_reset();
	aion_op_reap_all(nops, 16);
	cr_assert_eq(test_stats().in_flight_nr, 0);
}
#endif
