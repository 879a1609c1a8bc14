/* SPDX-License-Identifier: MIT */
/* Forked children and signals: neither harms the loop. */
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aion/poll.h>

#include "test_task.h"

struct parent {
	struct aion_op op;
	struct aion_group group;
	struct aion_promise *promise;
	struct aion_timer timer;
	struct aion_loop *loop;
};

#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		line++;                                                                                                \
		if (!(condition))                                                                                      \
			return line;                                                                                   \
	} while (0)

static void no_post(void *unused)
{
}

/* Every call that needs the ring, in the child. Returns 0, or the number of the check that failed. */
static int calls_in_child(void *arg)
{
	struct parent *parent = arg;
	struct aion_future future = {0};
	struct aion_future *futures[] = {&future};
	struct aion_promise *promise;
	struct aion_handle handle;
	struct aion_op op = {0};
	int line = 0;

	CHECK(aion_yield() == -ECHILD);
	CHECK(aion_checkpoint() == -ECHILD);
	CHECK(aion_sleep(0) == -ECHILD);
	CHECK(aion_sleep(AION_MILLISECOND) == -ECHILD);
	CHECK(aion_sleep_until(AION_NEVER) == -ECHILD);
	CHECK(aion_nop() == -ECHILD);
	CHECK(aion_await(&future) == -ECHILD);
	CHECK(aion_await(&parent->op.future) == -ECHILD);
	CHECK(aion_op_wait(&parent->op) == -ECHILD);
	CHECK(aion_wait(futures, 1, AION_WAIT_ALL) == -ECHILD);
	CHECK(aion_gather(futures, 1, NULL) == -ECHILD);
	CHECK(aion_wait_for(&future, 0) == -ECHILD);
	CHECK(aion_offload(AION_OFFLOAD_FAST, test_return, NULL) == -ECHILD);
	CHECK(aion_offload_detached(AION_OFFLOAD_FAST, test_return, NULL, 0, NULL) == -ECHILD);
	CHECK(aion_promise_create(&promise) == -ECHILD);
	CHECK(aion_loop_post(parent->loop, no_post, NULL) == -ECHILD);
	CHECK(aion_spawn(&parent->group, test_return, NULL) == -ECHILD);
	CHECK(aion_spawn_with(&parent->group, NULL, test_return, NULL) == -ECHILD);
	CHECK(aion_spawn_now(&parent->group, test_return, NULL) == -ECHILD);
	CHECK(aion_spawn_copy(&parent->group, test_return, &line, sizeof(line)) == -ECHILD);
	CHECK(aion_spawn_into(&parent->group, &handle, NULL, test_return, NULL) == -ECHILD);
	CHECK(aion_await(&handle.future) == -ECHILD);
	CHECK(aion_group_errors(&parent->group, NULL) == 0);
	aion_op_nop(&op);
	CHECK(!aion_op_is_in_flight(&op));
	CHECK(aion_await(&op.future) == -ECHILD);
	CHECK(aion_op_wait(&op) == -ECHILD);
	aion_op_cancel(&parent->op);
	aion_op_reap(&parent->op);
	aion_promise_complete(parent->promise, 1);
	CHECK(aion_group_leave(&parent->group, 0) == -ECHILD);
	return 0;
}

/* Case 63. */
TEST_IN_TASK(loop_fork, every_call_of_a_forked_child_is_echild_and_the_parent_unharmed)
{
	struct parent parent = {.loop = aion_loop_current()};
	int pipe_fds[2];
	int ran_nr = 0;

	cr_assert_eq(pipe(pipe_fds), 0);
	aion_op_poll(&parent.op, pipe_fds[0], POLLIN);
	aion_yield();
	cr_assert_eq(aion_promise_create(&parent.promise), 0);
	aion_group_enter(&parent.group);
	aion_spawn(&parent.group, test_count, &ran_nr);
	cr_assert_eq(test_in_child(calls_in_child, &parent), 0);
	cr_assert(aion_op_is_in_flight(&parent.op));
	cr_assert_eq(aion_nop(), 0);
	cr_assert_eq(aion_group_leave(&parent.group, 0), 0);
	cr_assert_eq(ran_nr, 1);
	cr_assert_eq(write(pipe_fds[1], "x", 1), 1);
	cr_assert_eq(aion_await(&parent.op.future), POLLIN);
	aion_promise_complete(parent.promise, 6);
	cr_assert_eq(aion_await(aion_promise_future(parent.promise)), 6);
	aion_promise_release(parent.promise);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}

/* Between two turns, with a worker thread in the parent. */
static int loop_in_child(void *loop)
{
	int line = 0;

	CHECK(aion_loop_run(loop, test_return, NULL) == -ECHILD);
	CHECK(aion_loop_turn(loop) == -ECHILD);
	CHECK(aion_loop_fd(loop) == -ECHILD);
	CHECK(aion_loop_post(loop, no_post, NULL) == -ECHILD);
	aion_loop_destroy(loop);
	CHECK(aion_run(test_sleep_1ms, NULL, NULL) == 0);
	return 0;
}

static int64_t use_a_worker(void *unused)
{
	return aion_offload(AION_OFFLOAD_FAST, test_return, NULL) ?: aion_nop();
}

Test(loop_fork, a_child_can_destroy_the_loop_and_make_its_own)
{
	struct aion_loop *loop;

	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	cr_assert_eq(aion_loop_run(loop, use_a_worker, NULL), 0);
	cr_assert_geq(aion_loop_fd(loop), 0);
	cr_assert_eq(test_in_child(loop_in_child, loop), 0);
	cr_assert_eq(aion_loop_run(loop, use_a_worker, NULL), 0);
	cr_assert_eq(aion_loop_turn(loop), 0);
	aion_loop_destroy(loop);
}

static int64_t fork_and_return(void *child_result)
{
	struct aion_group group;
	pid_t child;

	aion_group_enter(&group);
	aion_spawn(&group, test_sleep_1ms, NULL);
	child = fork();
	if (child == 0)
		return aion_group_leave(&group, 0);
	waitpid(child, child_result, 0);
	return aion_group_leave(&group, 0);
}

static int fork_and_return_quietly(void *unused)
{
	int child_result = 0;

	close(STDERR_FILENO);
	if (aion_run(fork_and_return, &child_result, NULL) != 0)
		return 1;
	return WIFSIGNALED(child_result) && WTERMSIG(child_result) == SIGABRT ? 0 : 2;
}

/* What would run next on the child's stack are the parent's other tasks, over the parent's ring. */
Test(loop_fork, a_task_that_returns_in_the_child_aborts_it)
{
	cr_assert_eq(test_in_child(fork_and_return_quietly, NULL), 0);
}

static volatile sig_atomic_t signal_nr;

static void on_alarm(int unused)
{
	signal_nr++;
}

static void alarm_every_ms(bool on)
{
	struct itimerval interval = {.it_interval = {0, on ? 1000 : 0}, .it_value = {0, on ? 1000 : 0}};
	struct sigaction action = {.sa_handler = on_alarm}; /* without SA_RESTART */

	if (on)
		sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &interval, NULL);
}

/* Case 62. */
TEST_IN_TASK(loop_fork, signals_during_the_wait_are_not_seen)
{
	int64_t deadline_ns = aion_after(20 * AION_MILLISECOND);
	struct aion_op op = {0};
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	aion_op_poll(&op, pipe_fds[0], POLLIN);
	alarm_every_ms(true);
	cr_assert_eq(aion_sleep_until(deadline_ns), 0);
	cr_assert_geq(aion_now(), deadline_ns);
	while (signal_nr < 5)
		cr_assert_eq(aion_sleep(2 * AION_MILLISECOND), 0);
	cr_assert(aion_op_is_in_flight(&op));
	for (int i = 0; i < 100; i++)
		cr_assert_eq(aion_nop(), 0);
	alarm_every_ms(false);
	aion_op_reap(&op);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return 0;
}
