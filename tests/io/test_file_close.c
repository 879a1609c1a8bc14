/* SPDX-License-Identifier: MIT */
/* Closing a descriptor that is in use. */
#include <poll.h>

#include "test_file.h"
#include "test_task.h"

struct reader {
	int fd;
	int64_t result;
	bool is_done;
	bool cancelled_after;
};

static int64_t read_once(void *arg)
{
	struct reader *reader = arg;
	char buf[10];

	reader->result = aion_read(reader->fd, buf, sizeof(buf));
	reader->is_done = true;
	reader->cancelled_after = aion_cancelled();
	return 0;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

TASK_TEST(file_close, closes_and_says_what_close_says)
{
	int fds[2];

	test_pipe(fds);
	assert_result(aion_close(fds[0]), 0);
	cr_assert_not(is_open(fds[0]));
	assert_result(aion_close(fds[0]), -EBADF);
	assert_result(aion_close(-1), -EBADF);
	assert_result(aion_close(1 << 30), -EBADF);
}

/* CASES 58 and 76: a read that waits ends with -EBADF, its task's scope is not cancelled, and the open file is gone:
 * the other end sees it. */
TASK_TEST(file_close, ends_a_read_that_waits)
{
	struct aion_group group;
	struct reader reader;
	int fds[2];

	test_pipe(fds);
	reader = (struct reader){.fd = fds[0]};
	aion_group_enter(&group);
	aion_spawn_now(&group, read_once, &reader);
	aion_sleep(2 * AION_MILLISECOND);
	cr_assert_not(reader.is_done);
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(reader.result, -EBADF);
	cr_assert_not(reader.cancelled_after);
	assert_result(aion_write(fds[1], "x", 1), -EPIPE);
}

/* The read is only queued when the close comes: nothing has been handed over yet. */
TASK_TEST(file_close, ends_a_read_of_the_same_batch)
{
	struct aion_group group;
	struct reader reader;
	int fds[2];

	test_pipe(fds);
	reader = (struct reader){.fd = fds[0]};
	aion_group_enter(&group);
	aion_spawn_now(&group, read_once, &reader);
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(reader.result, -EBADF);
	assert_result(aion_write(fds[1], "x", 1), -EPIPE);
}

TASK_TEST(file_close, ends_many_operations)
{
	enum { NR = 500 };
	struct aion_group group;
	struct reader readers[NR];
	int fds[2];

	test_pipe(fds);
	aion_group_enter(&group);
	for (int i = 0; i < NR; i++) {
		readers[i] = (struct reader){.fd = fds[0]};
		aion_spawn(&group, read_once, &readers[i]);
	}
	aion_sleep(AION_MILLISECOND);
	cr_assert_eq(test_stats().in_flight_nr, NR);
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	for (int i = 0; i < NR; i++)
		assert_result(readers[i].result, -EBADF);
	assert_result(aion_write(fds[1], "x", 1), -EPIPE);
	cr_assert_eq(test_stats().in_flight_nr, 0);
}

/* The queue is far smaller than the number of cancels. */
TASK_TEST_AS(file_close, ends_many_operations_with_a_full_queue, .entry_nr = 8)
{
	enum { NR = 300 };
	struct aion_group group;
	struct reader readers[NR];
	int fds[2];

	test_pipe(fds);
	aion_group_enter(&group);
	for (int i = 0; i < NR; i++) {
		readers[i] = (struct reader){.fd = fds[0]};
		aion_spawn(&group, read_once, &readers[i]);
	}
	aion_yield();
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	for (int i = 0; i < NR; i++)
		assert_result(readers[i].result, -EBADF);
	assert_result(aion_write(fds[1], "x", 1), -EPIPE);
}

/* Only what is in flight on the number: the same open file under another number is not touched. */
TASK_TEST(file_close, leaves_a_duplicate_alone)
{
	struct aion_group group;
	struct reader first, second;
	int fds[2];

	test_pipe(fds);
	first = (struct reader){.fd = fds[0]};
	second = (struct reader){.fd = dup(fds[0])};
	aion_group_enter(&group);
	aion_spawn(&group, read_once, &first);
	aion_spawn(&group, read_once, &second);
	aion_sleep(AION_MILLISECOND);
	assert_result(aion_close(fds[0]), 0);
	aion_sleep(AION_MILLISECOND);
	cr_assert(first.is_done);
	cr_assert_not(second.is_done);
	assert_result(aion_write(fds[1], "x", 1), 1);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(first.result, -EBADF);
	assert_result(second.result, 1);
}

/* A reader that starts a new read whenever one ends, until the number is closed under it. */
static int64_t read_stubbornly(void *arg)
{
	struct reader *reader = arg;
	char buf[10];
	int ended = 0;

	while (ended < 5) {
		reader->result = aion_read(reader->fd, buf, sizeof(buf));
		if (reader->result < 0)
			ended++;
	}
	reader->is_done = true;
	return 0;
}

TASK_TEST(file_close, ends_operations_that_start_meanwhile)
{
	struct aion_group group;
	struct reader readers[4];
	int fds[2];

	test_pipe(fds);
	aion_group_enter(&group);
	for (int i = 0; i < 4; i++) {
		readers[i] = (struct reader){.fd = fds[0]};
		aion_spawn(&group, read_stubbornly, &readers[i]);
	}
	aion_sleep(AION_MILLISECOND);
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	for (int i = 0; i < 4; i++)
		assert_result(readers[i].result, -EBADF);
	assert_result(aion_write(fds[1], "x", 1), -EPIPE);
}

static int64_t close_it(void *arg)
{
	struct reader *reader = arg;

	reader->result = aion_close(reader->fd);
	return 0;
}

TASK_TEST(file_close, second_close_of_one_number_is_refused)
{
	struct aion_group group;
	struct reader reader, first, second;
	int fds[2];

	test_pipe(fds);
	reader = first = second = (struct reader){.fd = fds[0]};
	aion_group_enter(&group);
	aion_spawn_now(&group, read_once, &reader);
	aion_sleep(AION_MILLISECOND);
	aion_spawn_now(&group, close_it, &first);
	aion_spawn_now(&group, close_it, &second);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(reader.result, -EBADF);
	assert_result(first.result, 0);
	assert_result(second.result, -EBADF);
	cr_assert_not(is_open(fds[0]));
}

TASK_TEST(file_close, closes_in_a_cancelled_scope)
{
	struct aion_group group;
	struct aion_scope scope;
	struct reader reader;
	int fds[2];

	test_pipe(fds);
	reader = (struct reader){.fd = fds[0]};
	aion_group_enter(&group);
	aion_spawn_now(&group, read_once, &reader);
	aion_sleep(AION_MILLISECOND);
	test_enter_cancelled(&scope);
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_close(fds[1]), 0);
	assert_result(aion_scope_leave(&scope), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(reader.result, -EBADF);
	cr_assert_not(is_open(fds[0]));
	cr_assert_not(is_open(fds[1]));
}

/* Cancelled while it waits for the read to end; it is no checkpoint, so the deadline is not delivered. */
TASK_TEST(file_close, is_not_cancelled_while_it_waits)
{
	struct aion_group group;
	struct reader reader, closer;
	int fds[2];

	test_pipe(fds);
	reader = closer = (struct reader){.fd = fds[0]};
	aion_group_enter(&group);
	aion_spawn_now(&group, read_once, &reader);
	aion_sleep(AION_MILLISECOND);
	aion_spawn_now(&group, close_it, &closer);
	aion_group_cancel(&group);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(closer.result, 0);
	cr_assert_not(is_open(fds[0]));
}

/* A deadline that passes before the close is not reported by it. */
TASK_TEST(file_close, is_no_checkpoint)
{
	struct aion_scope scope;
	int fds[2];

	test_pipe(fds);
	aion_scope_enter(&scope, 1);
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_scope_leave(&scope), 0);
}

TASK_TEST(file_close, an_operation_cannot_be_cancelled)
{
	struct aion_op read = {0}, end = {0};
	uint64_t submit_nr;
	char buf[10];
	int fds[2];

	test_pipe(fds);
	aion_yield();
	submit_nr = test_stats().submit_nr;
	aion_op_read(&read, fds[0], buf, sizeof(buf));
	aion_op_close(&end, fds[0]);
	aion_op_cancel(&end);
	cr_assert(aion_op_is_in_flight(&end));
	assert_result(aion_await(&end.future), 0);
	cr_assert_eq(test_stats().submit_nr, submit_nr + 3,
		     "the read, its cancel, the close; nothing that hits the close");
	assert_result(aion_await(&read.future), -EBADF);
	cr_assert_not(is_open(fds[0]));
}

/* A result that is there when the close comes is kept. */
TASK_TEST(file_close, keeps_results_that_came_first)
{
	struct aion_op read = {0};
	char buf[10];
	int fds[2];

	test_machine_be_prompt();
	test_pipe(fds);
	cr_assert_eq(write(fds[1], "abc", 3), 3);
	aion_op_read(&read, fds[0], buf, sizeof(buf));
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_await(&read.future), 3);
}

/* Whoever gets the number next is not disturbed, and reads his own. */
TASK_TEST(file_close, number_is_free_for_others)
{
	struct aion_op read = {0};
	char buf[10], other[10] = "";
	int old[2], new[2];

	test_pipe(old);
	aion_op_read(&read, old[0], buf, sizeof(buf));
	aion_yield();
	assert_result(aion_close(old[0]), 0);
	test_pipe(new);
	cr_assert_eq(new[0], old[0]);
	assert_result(aion_await(&read.future), -EBADF);
	cr_assert_eq(write(new[1], "new", 3), 3);
	assert_result(aion_read(new[0], other, sizeof(other)), 3);
	cr_assert_str_eq(other, "new");
	assert_result(aion_close(new[0]), 0);
}

TASK_TEST(file_close, ends_other_kinds_of_operations)
{
	struct aion_op poll = {0}, splice = {0};
	int fds[2], out[2];

	test_pipe(fds);
	test_pipe(out);
	aion_op_poll(&poll, fds[0], POLLIN);
	aion_op_splice(&splice, fds[0], NULL, out[1], NULL, 100, 0);
	aion_sleep(2 * AION_MILLISECOND);
	assert_result(aion_close(fds[0]), 0);
	cr_assert(aion_future_is_done(&poll.future) && aion_future_is_done(&splice.future), "closed before they ended");
	assert_result(aion_await(&poll.future), -EBADF);
	assert_result(aion_await(&splice.future), -EBADF);
	assert_result(aion_write(fds[1], "x", 1), -EPIPE);
}

TASK_TEST(file_close, cleanup_closes_what_is_open)
{
	int fds[2];

	test_pipe(fds);
	{
		AION_CLEANUP(aion_fd_closep) int fd = fds[0];
		AION_CLEANUP(aion_fd_closep) int none = -1;

		cr_assert(is_open(fd));
		cr_assert_eq(none, -1);
	}
	cr_assert_not(is_open(fds[0]));
	aion_fd_closep(&fds[1]);
	cr_assert_eq(fds[1], -1);
}

Test(file_close, outside_of_a_task_only_cleanup_closes)
{
	int fds[2], fd;

	test_pipe(fds);
	fd = fds[0];
	assert_result(aion_close(fd), -EBUSY);
	cr_assert(is_open(fd));
	aion_fd_closep(&fds[0]);
	cr_assert_eq(fds[0], -1);
	cr_assert_not(is_open(fd));
}

/* Returns 0, or the number of the check that failed. */
static int close_in_child(void *arg)
{
	int *fds = arg;
	int fd = fds[0];

	if (aion_close(fd) != -ECHILD)
		return 1;
	if (!is_open(fd))
		return 2;
	aion_fd_closep(&fds[0]);
	if (fds[0] != -1)
		return 3;
	return is_open(fd) ? 4 : 0;
}

TASK_TEST(file_close, in_a_forked_child_only_cleanup_closes)
{
	int fds[2];

	test_pipe(fds);
	cr_assert_eq(test_in_child(close_in_child, fds), 0);
	cr_assert(is_open(fds[0]));
	aion_fd_closep(&fds[0]);
	aion_fd_closep(&fds[1]);
}
