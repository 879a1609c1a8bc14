/* SPDX-License-Identifier: MIT */
/* Cancelling operations: asked for, raced, stormed; full queues. */
#include <poll.h>
#include <unistd.h>

#include <aion/file.h>
#include <aion/poll.h>

#include "test_task.h"

#include "annotate_int.h"

TEST_IN_TASK(op_cancel, only_asks_and_the_operation_ends_by_its_own_completion)
{
	struct aion_op op = {0};
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	aion_op_poll(&op, pipe_fds[0], POLLIN);
	aion_op_cancel(&op);
	aion_op_cancel(&op);
	cr_assert(aion_op_is_in_flight(&op));
	cr_assert_eq(aion_await(&op.future), -ECANCELED);
	cr_assert_not(aion_cancelled());
	aion_op_cancel(&op);
	aion_op_nop(&op);
	cr_assert_eq(aion_await(&op.future), 0, "no old cancel hits the next one at the same place");
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

TEST_IN_TASK(op_cancel, a_read_that_has_bytes_gives_them)
{
	struct aion_op op = {0};
	char buf[8];
	int pipe_fds[2];

	test_machine_be_prompt();
	cr_assert_eq(pipe(pipe_fds), 0);
	cr_assert_eq(write(pipe_fds[1], "bytes", 5), 5);
	aion_op_read(&op, pipe_fds[0], buf, sizeof(buf));
	aion_op_cancel(&op);
	cr_assert_eq(aion_await(&op.future), 5);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

/* The same end as that of aion_await(), but the caller decides what it means. */
TEST_IN_TASK(op_cancel, waiting_for_an_operation_is_no_checkpoint)
{
	struct aion_op op = {0};
	struct aion_scope scope;
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	for (int i = 0; i < 2; i++) {
		aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
		if (i)
			cr_assert_eq(aion_sleep(AION_SECOND), -ECANCELED);
		aion_op_poll(&op, pipe_fds[0], POLLIN);
		cr_assert_eq(aion_op_wait(&op), -ECANCELED);
		cr_assert_eq(aion_op_wait(&op), -ECANCELED, "done");
		cr_assert_eq(aion_scope_reason(&scope), AION_REASON_DEADLINE);
		cr_assert_eq(aion_scope_leave(&scope), i ? -ETIME : 0);
	}
	cr_assert_eq(write(pipe_fds[1], "x", 1), 1);
	aion_op_poll(&op, pipe_fds[0], POLLIN);
	cr_assert_eq(aion_op_wait(&op), POLLIN);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

Test(op_cancel, waiting_for_an_operation_outside_of_tasks_is_busy)
{
	struct aion_op op = {0};

	cr_assert_eq(aion_op_wait(&op), -EBUSY);
	aion_op_nop(&op);
	cr_assert_eq(aion_op_wait(&op), -EBUSY, "its own result now");
}

#ifdef AION__ASAN
/* Read through a volatile pointer that the compiler does not see through. */
TEST_IN_TASK(op_cancel, buffer_stays_lent_until_final_cqe)
{
	struct aion_op op = {0};
	char buf[64];
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	aion_op_read(&op, pipe_fds[0], buf, sizeof(buf));
	aion_op_cancel(&op);
	cr_assert(__asan_address_is_poisoned(buf));
	aion_await(&op.future);
	cr_assert_not(__asan_address_is_poisoned(buf));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}
#endif

#define STORM_NR 2000

struct storm {
	int fd;
	int started_nr;
	int cancelled_nr;
	int other_nr;
};

static int64_t poll_and_tell(void *arg)
{
	struct storm *storm = arg;
	struct aion_op op = {0};
	int64_t result;

	storm->started_nr++;
	aion_op_poll(&op, storm->fd, POLLIN);
	result = aion_await(&op.future);
	storm->cancelled_nr += result == -ECANCELED;
	storm->other_nr += result != -ECANCELED;
	return result < 0 ? result : 0;
}

static int64_t cancel_storm(void *arg)
{
	struct storm *storm = arg;
	struct aion_group group;
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	storm->fd = pipe_fds[0];
	aion_group_enter(&group);
	for (int i = 0; i < STORM_NR; i++)
		aion_spawn(&group, poll_and_tell, storm);
	while (storm->started_nr < STORM_NR)
		aion_yield();
	aion_group_cancel(&group);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

/* Case 64. */
Test(op_cancel, a_storm_of_cancels_with_a_full_submission_queue_loses_none)
{
	struct aion_loop_options options = {.entry_nr = 8, .stack_size = 64 << 10};
	struct storm storm = {0};

	cr_assert_eq(aion_run(cancel_storm, &storm, &options), 0);
	cr_assert_eq(storm.cancelled_nr, STORM_NR);
}

static int64_t overflow(void *arg)
{
	struct storm *storm = arg;
	struct aion_group group;
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	storm->fd = pipe_fds[0];
	aion_group_enter(&group);
	for (int i = 0; i < STORM_NR; i++)
		aion_spawn(&group, poll_and_tell, storm);
	while (storm->started_nr < STORM_NR)
		aion_yield();
	aion_nop();
	/* All of them complete at once, into a queue of 16. */
	cr_assert_eq(write(pipe_fds[1], "x", 1), 1);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

/* Case 65. */
Test(op_cancel, an_overflowing_completion_queue_loses_nothing)
{
	struct aion_loop_options options = {.entry_nr = 8, .completion_nr = 16, .stack_size = 64 << 10};
	struct storm storm = {0};

	cr_assert_eq(aion_run(overflow, &storm, &options), 0);
	cr_assert_eq(storm.other_nr, STORM_NR);
	cr_assert_eq(storm.cancelled_nr, 0);
}

#define NOP_NR 5000

static int64_t nops(void *unused)
{
	static struct aion_op ops[NOP_NR];

	for (int i = 0; i < NOP_NR; i++)
		aion_op_nop(&ops[i]);
	for (int i = 0; i < NOP_NR; i++)
		if (aion_await(&ops[i].future) != 0)
			return -EIO;
	return 0;
}

Test(op_cancel, one_task_may_start_more_than_both_queues_hold)
{
	struct aion_loop_options options = {.entry_nr = 8, .completion_nr = 8};

	cr_assert_eq(aion_run(nops, NULL, &options), 0);
}

static void count_post(void *counter)
{
	++*(int *)counter;
}

/* The wake is read again and again while the queue is full of other entries. */
static int64_t posts_and_nops(void *unused)
{
	static struct aion_op ops[NOP_NR];
	int counter = 0;

	for (int i = 0; i < NOP_NR; i++) {
		aion_op_nop(&ops[i]);
		if (i % 10 == 0)
			cr_assert_eq(aion_loop_post(aion_loop_current(), count_post, &counter), 0);
	}
	for (int i = 0; i < NOP_NR; i++)
		if (aion_await(&ops[i].future) != 0)
			return -EIO;
	aion_sleep(AION_MILLISECOND);
	return counter == NOP_NR / 10 ? 0 : -EINVAL;
}

Test(op_cancel, wakes_go_through_full_queues)
{
	struct aion_loop_options options = {.entry_nr = 8, .completion_nr = 8};

	cr_assert_eq(aion_run(posts_and_nops, NULL, &options), 0);
}

#define RACE_NR 3000

struct race {
	struct aion_op op;
	int pipe_fds[2];
	int64_t result;
	int done_nr;
};

static int64_t read_in_race(void *arg)
{
	struct race *race = arg;
	char byte;

	aion_op_read(&race->op, race->pipe_fds[0], &byte, 1);
	race->result = aion_await(&race->op.future);
	race->done_nr++;
	return 0;
}

/*
 * Case 73: the byte and the cancel leave together, in either order. Who reports the byte has taken it from the pipe;
 * who reports the cancel has left it there.
 */
TEST_IN_TASK(op_cancel, completed_or_cancelled_never_both_and_never_neither)
{
	int completed_nr = 0;
	int race_nr = test_is_small() ? RACE_NR / 10 : RACE_NR;
	struct race race = {.done_nr = 0};
	struct aion_op write_op = {0};

	cr_assert_eq(pipe2(race.pipe_fds, 0), 0);
	for (int i = 0; i < race_nr; i++) {
		struct pollfd poll_fd = {.fd = race.pipe_fds[0], .events = POLLIN};
		struct aion_group group;
		char byte;
		bool left;

		aion_group_enter(&group);
		aion_spawn_now(&group, read_in_race, &race);
		if (i % 3 == 0)
			aion_nop();
		if (i % 2)
			aion_op_cancel(&race.op);
		aion_op_write(&write_op, race.pipe_fds[1], "x", 1);
		if (!(i % 2))
			aion_op_cancel(&race.op);
		if (aion_group_leave(&group, 0) != 0 || aion_await(&write_op.future) != 1)
			cr_assert_fail("round %d", i);
		if (race.done_nr != i + 1 || (race.result != 1 && race.result != -ECANCELED))
			cr_assert_fail("round %d: %lld", i, (long long)race.result);
		left = poll(&poll_fd, 1, 0) == 1;
		if (left != (race.result == -ECANCELED))
			cr_assert_fail("round %d: result %lld, byte left: %d", i, (long long)race.result, left);
		if (left && read(race.pipe_fds[0], &byte, 1) != 1)
			cr_assert_fail("round %d", i);
		completed_nr += race.result == 1;
	}
	cr_assert_leq(completed_nr, race_nr);
	close(race.pipe_fds[0]);
	close(race.pipe_fds[1]);
	return 0;
}
