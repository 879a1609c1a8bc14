/* SPDX-License-Identifier: MIT */
/* Making, running and destroying loops; several at once; what can go wrong. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <aion/file.h>
#include <aion/liburing.h>

#include "test_task.h"

#include "fault_int.h"

static int64_t check_current(void *loop)
{
	cr_assert_eq(aion_loop_current(), loop);
	cr_assert_not_null(aion_task_current());
	return 77;
}

Test(loop_run, one_loop_runs_one_task_after_another)
{
	struct aion_loop *loop;

	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	cr_assert_str_eq(aion_loop_create_error(), "");
	cr_assert_null(aion_loop_current());
	for (int i = 0; i < 3; i++)
		cr_assert_eq(aion_loop_run(loop, check_current, loop), 77);
	cr_assert_null(aion_loop_current());
	aion_loop_destroy(loop);
	aion_loop_destroy(NULL);
}

Test(loop_run, a_loop_that_never_ran_is_destroyed)
{
	struct aion_loop *loop;

	test_allocator_count();
	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	aion_loop_destroy(loop);
	cr_assert_eq(test_allocator_in_use_nr(), 0);
}

Test(loop_run, the_allocator_cannot_change_while_a_loop_exists)
{
	struct aion_loop *loop;

	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	cr_assert_eq(aion_allocator_set(NULL), -EBUSY);
	aion_loop_destroy(loop);
	cr_assert_eq(aion_allocator_set(NULL), 0);
}

Test(loop_run, errors_are_the_main_task_s)
{
	cr_assert_eq(aion_run(test_return, test_number(-EXFULL), NULL), -EXFULL);
	cr_assert_eq(aion_run(test_return, test_number(INT64_C(1) << 40), NULL), INT64_C(1) << 40);
}

struct two_loops {
	struct aion_loop *other;
	struct aion_loop *made;
};

static int64_t run_inside(void *arg)
{
	struct two_loops *loops = arg;

	cr_assert_eq(aion_run(test_return, NULL, NULL), -EBUSY);
	cr_assert_eq(aion_loop_run(aion_loop_current(), test_return, NULL), -EBUSY);
	cr_assert_eq(aion_loop_turn(aion_loop_current()), -EBUSY);
	cr_assert_eq(aion_loop_run(loops->other, test_return, NULL), -EBUSY);
	cr_assert_eq(aion_loop_turn(loops->other), -EBUSY);
	cr_assert_eq(aion_loop_create(NULL, &loops->made), 0, "but another one can be made");
	return 0;
}

Test(loop_run, inside_a_task_is_busy)
{
	struct two_loops loops;

	cr_assert_eq(aion_loop_create(NULL, &loops.other), 0);
	cr_assert_eq(aion_run(run_inside, &loops, NULL), 0);
	aion_loop_destroy(loops.other);
	aion_loop_destroy(loops.made);
}

static int64_t spawn_into_root(void *counter)
{
	aion_spawn(aion_loop_group(aion_loop_current()), test_sleep_for_ever, NULL);
	aion_spawn(aion_loop_group(aion_loop_current()), test_count, counter);
	return 0;
}

Test(loop_run, other_tasks_stay_for_the_next_run)
{
	struct aion_loop_stats stats;
	struct aion_loop *loop;
	int ran_nr = 0;

	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	cr_assert_eq(aion_loop_run(loop, spawn_into_root, &ran_nr), 0);
	aion_loop_stats(loop, &stats);
	cr_assert_eq(stats.task_nr, ran_nr ? 1 : 2);
	cr_assert_eq(aion_loop_run(loop, test_sleep_1ms, NULL), 0);
	cr_assert_eq(ran_nr, 1);
	aion_loop_destroy(loop);
}

static int64_t tell_reason(void *reason)
{
	int64_t result = aion_sleep_until(AION_NEVER);
	struct aion_scope shield;

	*(enum aion_reason *)reason = aion_scope_reason(&aion_loop_group(aion_loop_current())->scope);
	aion_scope_enter_shield(&shield, AION_NEVER);
	cr_assert_eq(aion_sleep(2 * AION_MILLISECOND), 0);
	cr_assert_eq(aion_scope_leave(&shield), 0);
	return result;
}

Test(loop_run, destroy_cancels_and_joins_what_is_left)
{
	enum aion_reason reason = AION_REASON_NONE;
	struct aion_loop *loop;

	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	cr_assert_eq(aion_spawn(aion_loop_group(loop), tell_reason, &reason), 0);
	cr_assert_eq(aion_loop_run(loop, test_sleep_1ms, NULL), 0);
	aion_loop_destroy(loop);
	cr_assert_eq(reason, AION_REASON_SHUTDOWN);
}

/* Spawned from outside before the loop has a thread: it runs, cancelled, in destroy at the latest. */
Test(loop_run, what_was_spawned_and_never_turned_runs_in_destroy)
{
	enum aion_reason reason = AION_REASON_NONE;
	struct aion_loop *loop;

	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	cr_assert_eq(aion_spawn(aion_loop_group(loop), tell_reason, &reason), 0);
	aion_loop_destroy(loop);
	cr_assert_eq(reason, AION_REASON_SHUTDOWN);
}

struct started {
	struct aion_op read;
	struct aion_op sqe;
	int fd;
	char byte;
};

/* In a post, where no task is there to end them. */
static void start_in_post(void *arg)
{
	struct started *started = arg;

	aion_op_read(&started->read, started->fd, &started->byte, 1);
	io_uring_prep_read(aion_op_sqe(&started->sqe), started->fd, &started->byte, 1, 0);
}

Test(loop_run, destroy_ends_operations_that_no_task_has_started)
{
	struct started started = {.byte = 0};
	struct aion_loop *loop;
	int pipe_fds[2];

	cr_assert_eq(pipe(pipe_fds), 0);
	started.fd = pipe_fds[0];
	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	cr_assert_eq(aion_loop_post(loop, start_in_post, &started), 0);
	cr_assert_eq(aion_loop_run(loop, test_sleep_1ms, NULL), 0);
	cr_assert(aion_op_is_in_flight(&started.read));
	cr_assert(aion_op_is_in_flight(&started.sqe));
	aion_loop_destroy(loop);
	cr_assert_not(aion_op_is_in_flight(&started.read));
	cr_assert_not(aion_op_is_in_flight(&started.sqe));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static int64_t fail_in_root(void *unused)
{
	struct aion_group *root = aion_loop_group(aion_loop_current());

	aion_spawn(root, test_return, test_number(-EIO));
	aion_sleep(AION_MILLISECOND);
	cr_assert_not(aion_cancelled());
	cr_assert_eq(aion_group_errors(root, NULL), 1);
	return 0;
}

Test(loop_run, a_failing_child_of_the_loop_does_not_cancel_the_rest)
{
	cr_assert_eq(aion_run(fail_in_root, NULL, NULL), 0);
}

static int64_t many_nops(void *unused)
{
	for (int i = 0; i < 1000; i++)
		if (aion_nop() < 0)
			return -EIO;
	return aion_sleep(AION_MILLISECOND);
}

static void *run_on_thread(void *options)
{
	return test_number(aion_run(many_nops, NULL, options));
}

#define THREAD_NR 4

Test(loop_run, several_threads_have_a_loop_each)
{
	struct aion_loop_options options = {.entry_nr = 16};
	pthread_t threads[THREAD_NR];
	void *result;

	for (int i = 0; i < THREAD_NR; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, run_on_thread, &options), 0);
	cr_assert_eq(aion_run(many_nops, NULL, NULL), 0);
	for (int i = 0; i < THREAD_NR; i++) {
		pthread_join(threads[i], &result);
		cr_assert_null(result);
	}
}

static void *wrong_thread(void *loop)
{
	cr_assert_eq(aion_loop_run(loop, test_return, NULL), -EXDEV);
	cr_assert_eq(aion_loop_turn(loop), -EXDEV);
	cr_assert_eq(aion_loop_fd(loop), -EXDEV);
	return NULL;
}

static void *first_thread(void *loop)
{
	return test_number(aion_loop_run(loop, many_nops, NULL) ?: (aion_loop_destroy(loop), 0));
}

Test(loop_run, the_thread_that_runs_it_first_keeps_it)
{
	struct aion_loop *loop;
	pthread_t thread;
	void *result;

	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	cr_assert_eq(aion_loop_run(loop, test_return, NULL), 0);
	cr_assert_eq(pthread_create(&thread, NULL, wrong_thread, loop), 0);
	pthread_join(thread, NULL);
	aion_loop_destroy(loop);
	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	cr_assert_eq(pthread_create(&thread, NULL, first_thread, loop), 0, "made here, run there");
	pthread_join(thread, &result);
	cr_assert_null(result);
}

static int64_t two_loops_inner(void *unused)
{
	return 5;
}

/* A host with two loops on one thread. */
Test(loop_run, two_loops_take_turns_on_one_thread)
{
	struct aion_loop *a;
	struct aion_loop *b;
	int ran_a = 0;
	int ran_b = 0;

	cr_assert_eq(aion_loop_create(NULL, &a), 0);
	cr_assert_eq(aion_loop_create(NULL, &b), 0);
	cr_assert_eq(aion_loop_run(a, two_loops_inner, NULL), 5);
	cr_assert_eq(aion_loop_run(b, two_loops_inner, NULL), 5);
	cr_assert_eq(aion_spawn(aion_loop_group(a), test_count, &ran_a), 0);
	cr_assert_eq(aion_spawn(aion_loop_group(b), test_count, &ran_b), 0);
	cr_assert_geq(aion_loop_turn(a), 0);
	cr_assert_geq(aion_loop_turn(b), 0);
	cr_assert_eq(ran_a + ran_b, 2);
	aion_loop_destroy(a);
	cr_assert_eq(aion_loop_run(b, many_nops, NULL), 0);
	aion_loop_destroy(b);
}

static void turn_in_post(void *result)
{
	struct aion_loop *loop = ((void **)result)[0];

	*(int *)((void **)result)[1] = aion_loop_turn(loop);
	*(int64_t *)((void **)result)[2] = aion_loop_run(loop, test_return, NULL);
}

/* A post runs between the tasks, inside of the loop's turn: the loop cannot be turned from there. */
TEST_IN_TASK(loop_run, inside_a_post_is_busy)
{
	int turn_result = 0;
	int64_t run_result = 0;
	void *args[] = {aion_loop_current(), &turn_result, &run_result};

	cr_assert_eq(aion_loop_post(aion_loop_current(), turn_in_post, args), 0);
	cr_assert_eq(aion_sleep(AION_MILLISECOND), 0);
	cr_assert_eq(turn_result, -EBUSY);
	cr_assert_eq(run_result, -EBUSY);
	return 0;
}

Test(loop_run, options_that_cannot_be_are_refused_in_words)
{
	static const struct aion_loop_options wrong[] = {
		{.entry_nr = 1 << 20},
		{.entry_nr = 64, .completion_nr = 32},
		{.stack_size = SIZE_MAX / 2},
		{.as_linux = "2.6"},
	};
	struct aion_loop *loop = NULL;

	aion_diag_set(NULL, NULL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		cr_assert_eq(aion_loop_create(&wrong[i], &loop), -EINVAL, "options %zu", i);
		cr_assert_gt(strlen(aion_loop_create_error()), 10);
		cr_assert_null(loop);
	}
	cr_assert_eq(aion_run(test_return, NULL, &wrong[0]), -EINVAL);
	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	cr_assert_str_eq(aion_loop_create_error(), "");
	aion_loop_destroy(loop);
}

Test(loop_run, no_descriptors_left_is_emfile)
{
	struct rlimit limit;
	struct aion_loop *loop;

	TEST_NEEDS_KERNEL("a simulated ring takes no descriptor");
	aion_diag_set(NULL, NULL);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &limit);
	cr_assert_eq(aion_loop_create(NULL, &loop), -EMFILE);
	cr_assert_gt(strlen(aion_loop_create_error()), 10);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

Test(loop_run, runs_as_on_linux_6_1)
{
	struct aion_loop_options options = {.as_linux = "6.1"};

	cr_assert_eq(aion_run(many_nops, NULL, &options), 0);
}

static int64_t sigpipe_is_blocked(void *unused)
{
	int pipe_fds[2];
	struct aion_op op = {0};
	sigset_t set;

	pthread_sigmask(SIG_SETMASK, NULL, &set);
	cr_assert(sigismember(&set, SIGPIPE));
	cr_assert_eq(pipe(pipe_fds), 0);
	close(pipe_fds[0]);
	aion_op_write(&op, pipe_fds[1], "x", 1);
	cr_assert_eq(aion_await(&op.future), -EPIPE);
	close(pipe_fds[1]);
	return 0;
}

Test(loop_run, a_broken_pipe_is_a_result_and_no_signal)
{
	cr_assert_eq(aion_run(sigpipe_is_blocked, NULL, NULL), 0);
	sigset_t set;

	pthread_sigmask(SIG_SETMASK, NULL, &set);
	cr_assert_not(sigismember(&set, SIGPIPE), "the thread has no loop any more");
}

static int64_t count_everything(void *unused)
{
	struct aion_loop_stats before;
	struct aion_loop_stats after;
	struct aion_group group;
	int ran_nr = 0;

	aion_loop_stats(aion_loop_current(), &before);
	cr_assert_eq(before.task_nr, 1);
	cr_assert_eq(before.in_flight_nr, 0);
	aion_group_enter(&group);
	for (int i = 0; i < 10; i++)
		aion_spawn(&group, test_count, &ran_nr);
	cr_assert_eq(aion_nop(), 0);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	aion_loop_stats(aion_loop_current(), &after);
	cr_assert_eq(after.spawn_nr - before.spawn_nr, 10);
	cr_assert_geq(after.switch_nr - before.switch_nr, 11);
	cr_assert_leq(after.switch_nr - before.switch_nr, 15);
	cr_assert_geq(after.submit_nr - before.submit_nr, 1);
	cr_assert_geq(after.complete_nr - before.complete_nr, 1);
	cr_assert_gt(after.enter_nr, before.enter_nr);
	cr_assert_gt(after.turn_nr, before.turn_nr);
	return 0;
}

Test(loop_run, stats_count_what_happens)
{
	cr_assert_eq(aion_run(count_everything, NULL, NULL), 0);
}

Test(loop_run, version_is_the_headers)
{
	char text[32];

	snprintf(text, sizeof(text), "%d.%d.%d", AION_VERSION_MAJOR, AION_VERSION_MINOR, AION_VERSION_PATCH);
	cr_assert_str_eq(aion_version(), text);
}

#ifdef AION_FAULTS
/* Every allocation on the way to a running loop fails once. */
Test(loop_run, no_memory_anywhere_is_enomem_and_leaves_nothing)
{
	int64_t result;
	unsigned after = 0;

	aion_diag_set(NULL, NULL);
	test_allocator_count();
	do {
		aion__fault_arm(AION__FAULT_ALLOC, after++, 1, -ENOMEM);
		result = aion_run(test_return, test_number(3), NULL);
		cr_assert(result == -ENOMEM || result == 3, "%lld", (long long)result);
		aion__fault_reset();
		cr_assert_eq(test_allocator_in_use_nr(), 0, "after %u", after);
	} while (result != 3);
	cr_assert_gt(after, 2);
}

Test(loop_run, a_kernel_without_io_uring_is_told_in_words)
{
	static const struct {
		int error;
		const char *word;
	} cases[] = {{-ENOSYS, "no io_uring"}, {-EPERM, "forbidden"}, {-ENOMEM, "RLIMIT_MEMLOCK"}, {-ENFILE, ""}};
	struct aion_loop *loop;

	TEST_NEEDS_KERNEL("the errors are io_uring_setup's");
	aion_diag_set(NULL, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		aion__fault_arm(AION__FAULT_RING_SETUP, 0, 100, cases[i].error);
		cr_assert_eq(aion_loop_create(NULL, &loop), cases[i].error);
		cr_assert_not_null(strstr(aion_loop_create_error(), cases[i].word), "%s", aion_loop_create_error());
		aion__fault_reset();
	}
	aion__fault_arm(AION__FAULT_EVENTFD, 0, 1, -ENFILE);
	cr_assert_eq(aion_loop_create(NULL, &loop), -ENFILE);
	aion__fault_reset();
}
#endif
