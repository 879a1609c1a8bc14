/* SPDX-License-Identifier: MIT */
/* The end of children, by themselves and by force; many of them. */
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

#include "test_file.h"
#include "test_task.h"

#define KERNEL() TEST_NEEDS_KERNEL("children are real processes")
#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SHELL(script) ARGV("/bin/sh", "-c", script)

static const struct aion_process_options with_output = {.out = {AION_STDIO_PIPE, 0}};

/* A child that has got as far as to print a line. */
static void spawn_begun(struct aion_process *process, const char *script, const struct aion_process_options *options)
{
	char line[6];

	assert_result(aion_process_spawn(process, SHELL(script), options), 0);
	assert_result(aion_read_exact(process->out, line, sizeof(line), NULL), 0);
	cr_assert_eq(memcmp(line, "begun\n", 6), 0);
}

static void assert_no_child(void)
{
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
	cr_assert_eq(errno, ECHILD);
}

TASK_TEST(process_stop, signals_reach_the_child)
{
	struct aion_process process = {0};

	KERNEL();
	spawn_begun(&process, "trap 'exit 9' USR1; echo begun; while :; do sleep 0.01; done", &with_output);
	assert_result(aion_process_send_signal(&process, 0), 0);
	assert_result(aion_process_send_signal(&process, 1000), -EINVAL);
	assert_result(aion_process_send_signal(&process, SIGUSR1), 0);
	assert_result(aion_process_wait(&process), 9);
	assert_result(aion_process_terminate(&process), -ESRCH);
	aion_process_close(&process);
	assert_result(aion_process_kill(&process), -EBADF);
}

TASK_TEST(process_stop, terminate_and_kill_are_what_they_say)
{
	struct aion_process process = {0};

	KERNEL();
	spawn_begun(&process, "echo begun; exec sleep 1000", &with_output);
	assert_result(aion_process_terminate(&process), 0);
	assert_result(aion_process_wait(&process), AION_PROCESS_KILLED + SIGTERM);
	aion_process_close(&process);
	spawn_begun(&process, "trap '' TERM; echo begun; exec sleep 1000", &with_output);
	assert_result(aion_process_terminate(&process), 0);
	assert_result(aion_process_kill(&process), 0);
	assert_result(aion_process_wait(&process), AION_PROCESS_KILLED + SIGKILL);
	aion_process_close(&process);
	assert_no_child();
}

TASK_TEST(process_stop, a_child_that_listens_ends_in_the_grace)
{
	struct aion_process process = {0};

	KERNEL();
	spawn_begun(&process, "trap 'exit 5' TERM; echo begun; while :; do sleep 0.01; done", &with_output);
	assert_result(aion_process_stop(&process, 100 * AION_SECOND), 5);
	assert_result(aion_process_stop(&process, 0), 5);
	aion_process_close(&process);
	assert_no_child();
}

TASK_TEST(process_stop, a_child_that_does_not_is_killed_after_it)
{
	struct aion_process process = {0};

	KERNEL();
	spawn_begun(&process, "trap '' TERM; echo begun; while :; do sleep 0.01; done", &with_output);
	assert_result(aion_process_stop(&process, 50 * AION_MILLISECOND), AION_PROCESS_KILLED + SIGKILL);
	aion_process_close(&process);
}

/* What the shell has started would go on for long. It holds the pipe: its end is the group's. */
TASK_TEST(process_stop, ends_the_whole_group)
{
	struct aion_process_options options = with_output;
	struct aion_process process = {0};
	char byte;

	KERNEL();
	options.new_group = true;
	spawn_begun(&process, "sleep 1000 & echo begun; wait", &options);
	assert_result(aion_process_stop(&process, 100 * AION_SECOND), AION_PROCESS_KILLED + SIGTERM);
	assert_result(aion_read(process.out, &byte, 1), 0);
	aion_process_close(&process);

	options = with_output;
	options.new_session = true;
	spawn_begun(&process, "trap '' TERM; sleep 1000 & trap 'exit 6' TERM; echo begun; while :; do sleep 0.01; done",
		    &options);
	assert_result(aion_process_stop(&process, 100 * AION_SECOND), 6);
	assert_result(aion_read(process.out, &byte, 1), 0);
	aion_process_close(&process);
}

/* Whether nobody has the other end of a pipe any more, or soon nobody has. */
static void assert_pipe_ends(int fd)
{
	struct aion_scope scope;
	char byte;

	aion_scope_enter(&scope, aion_after(5 * AION_SECOND));
	assert_result(aion_read(fd, &byte, 1), 0);
	assert_result(aion_scope_leave(&scope), 0);
	close(fd);
}

static void assert_pipe_open(int fd)
{
	struct aion_scope scope;
	char byte;

	aion_scope_enter(&scope, aion_after(50 * AION_MILLISECOND));
	assert_result(aion_read(fd, &byte, 1), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
}

/* A leader that leaves somebody behind in its group, who keeps a pipe of ours open. */
static int group_options(struct aion_process_options *ret_options, int *pass_fd)
{
	int fds[2];

	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	*pass_fd = fds[1];
	*ret_options = (struct aion_process_options){.pass_fds = pass_fd, .pass_fd_nr = 1, .new_group = true};
	return fds[0];
}

#define LEAVE_ONE SHELL("sleep 20 >/dev/null 2>&1 & exit 4")

TASK_TEST(process_stop, ends_the_group_of_a_leader_that_was_waited_for)
{
	struct aion_process_options options;
	struct aion_process process = {0};
	int pass_fd, fd;

	KERNEL();
	for (int is_closed = 0; is_closed < 2; is_closed++) {
		fd = group_options(&options, &pass_fd);
		assert_result(aion_process_spawn(&process, LEAVE_ONE, &options), 0);
		close(pass_fd);
		assert_result(aion_process_wait(&process), 4);
		assert_result(aion_process_send_signal(&process, 0), -ESRCH);
		if (is_closed)
			aion_process_close(&process);
		else
			assert_result(aion_process_stop(&process, 100 * AION_SECOND), 4);
		assert_pipe_ends(fd);
		assert_no_child();
		aion_process_close(&process);
		assert_result(aion_process_wait(&process), 4);
		assert_result(aion_process_stop(&process, 0), 4);
	}
}

TASK_TEST(process_stop, a_run_leaves_nothing_of_its_group)
{
	struct aion_process_output out = {0};
	struct aion_process_options options;
	int pass_fd, fd;

	KERNEL();
	fd = group_options(&options, &pass_fd);
	assert_result(aion_process_run(LEAVE_ONE, &options, NULL, 0, &out, NULL), 4);
	close(pass_fd);
	assert_pipe_ends(fd);
	assert_no_child();
	aion_process_output_free(&out);
}

static int close_in_forked_child(void *process)
{
	aion_process_close(process);
	return 0;
}

TASK_TEST(process_stop, a_forked_child_does_not_end_its_parents_group)
{
	struct aion_process_options options;
	struct aion_process process = {0};
	int pass_fd, fd;

	KERNEL();
	fd = group_options(&options, &pass_fd);
	assert_result(aion_process_spawn(&process, LEAVE_ONE, &options), 0);
	close(pass_fd);
	assert_result(aion_process_wait(&process), 4);
	cr_assert_eq(test_in_child(close_in_forked_child, &process), 0);
	assert_pipe_open(fd);
	aion_process_close(&process);
	assert_pipe_ends(fd);
}

static int64_t close_process(void *process)
{
	aion_process_close(process);
	return 0;
}

struct post_close {
	struct aion_process *process;
	int fd;
};

/* No task: the child is killed and reaped at once. The next descriptor gets the number of its pidfd. */
static void close_in_post(void *arg)
{
	struct post_close *post = arg;
	int pidfd = post->process->pidfd;

	aion_process_close(post->process);
	post->fd = fcntl(0, F_DUPFD_CLOEXEC, pidfd);
	cr_assert_eq(post->fd, pidfd);
}

TASK_TEST(process_stop, a_second_close_closes_no_other_descriptor)
{
	struct aion_process_options options = with_output;
	struct aion_process process = {0};
	struct post_close post = {&process, -1};
	struct aion_group group;

	KERNEL();
	options.grace_ns = 100 * AION_SECOND;
	spawn_begun(&process, "trap '' TERM; echo begun; exec sleep 1000", &options);
	aion_group_enter(&group);
	aion_spawn(&group, close_process, &process);
	aion_sleep(10 * AION_MILLISECOND); /* its poll has got as far as to the kernel */
	assert_result(aion_loop_post(aion_loop_current(), close_in_post, &post), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_geq(fcntl(post.fd, F_GETFD), 0);
	close(post.fd);
	cr_assert_not(process.is_open);
	assert_no_child();
}

TASK_TEST(process_stop, close_ends_what_still_runs)
{
	struct aion_process_options options = with_output;
	int next = dup(0);

	KERNEL();
	close(next);
	options.grace_ns = -1;
	options.in.kind = options.err.kind = AION_STDIO_PIPE;
	{
		AION_CLEANUP(aion_process_close) struct aion_process process = {0};

		spawn_begun(&process, "trap '' TERM; echo begun; exec cat", &options);
	}
	cr_assert_eq(dup(0), next);
	assert_no_child();
}

TASK_TEST(process_stop, a_cancelled_wait_leaves_the_child)
{
	struct aion_process process = {0};
	struct aion_scope scope;

	KERNEL();
	spawn_begun(&process, "echo begun; exec sleep 1000", &with_output);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	assert_result(aion_process_wait(&process), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	assert_result(aion_process_send_signal(&process, 0), 0);
	test_enter_cancelled(&scope);
	assert_result(aion_process_wait(&process), -ECANCELED);
	/* Ending it always finishes. */
	assert_result(aion_process_stop(&process, 100 * AION_SECOND), AION_PROCESS_KILLED + SIGTERM);
	aion_process_close(&process);
	aion_scope_leave(&scope);
	assert_no_child();
}

TASK_TEST(process_stop, a_cancelled_run_leaves_no_child)
{
	struct aion_process_options options = {.grace_ns = 50 * AION_MILLISECOND};
	struct aion_process_output out = {0};
	struct aion_scope scope;
	int next = dup(0);

	KERNEL();
	close(next);
	aion_scope_enter(&scope, aion_after(300 * AION_MILLISECOND));
	assert_result(
		aion_process_run(SHELL("trap '' TERM; echo begun; exec sleep 1000"), &options, NULL, 0, &out, NULL),
		-ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert_str_eq(out.data, "begun\n");
	aion_process_output_free(&out);
	cr_assert_eq(dup(0), next);
	assert_no_child();
}

static int64_t wait_for_child(void *process)
{
	return aion_process_wait(process);
}

TASK_TEST(process_stop, several_tasks_wait_for_one_child)
{
	struct aion_handle waiters[5];
	struct aion_process process = {0};
	struct aion_group group;

	KERNEL();
	spawn_begun(&process, "echo begun; exec sleep 1000", &with_output);
	aion_group_enter(&group);
	for (int i = 0; i < 5; i++)
		aion_spawn_into(&group, &waiters[i], NULL, wait_for_child, &process);
	aion_yield();
	aion_handle_cancel(&waiters[1]);
	assert_result(aion_await(&waiters[1].future), -ECANCELED); /* before the child ends, whose end would win */
	aion_process_stop(&process, 100 * AION_SECOND);
	assert_result(aion_group_leave(&group, 0), 0);
	for (int i = 0; i < 5; i++)
		assert_result(waiters[i].future.result, i == 1 ? -ECANCELED : AION_PROCESS_KILLED + SIGTERM);
	aion_process_close(&process);
}

TASK_TEST(process_stop, a_status_that_somebody_else_took_is_lost)
{
	struct aion_process process = {0};
	int status;

	KERNEL();
	assert_result(aion_process_spawn(&process, SHELL("exit 3"), NULL), 0);
	cr_assert_eq(waitpid(process.pid, &status, 0), process.pid);
	assert_result(aion_process_wait(&process), -ECHILD);
	aion_process_close(&process);
}

static int in_forked_child(void *arg)
{
	struct aion_process *process = arg;

	if (aion_process_wait(process) != -ECHILD || aion_process_stop(process, 0) != -ECHILD)
		return 1;
	aion_process_close(process);
	return fcntl(process->out, F_GETFD) < 0 ? 0 : 2;
}

TASK_TEST(process_stop, a_forked_child_does_not_end_its_parents_child)
{
	struct aion_process process = {0};

	KERNEL();
	spawn_begun(&process, "echo begun; exec sleep 1000", &with_output);
	cr_assert_eq(test_in_child(in_forked_child, &process), 0);
	assert_result(aion_process_send_signal(&process, 0), 0);
	assert_result(aion_process_stop(&process, 100 * AION_SECOND), AION_PROCESS_KILLED + SIGTERM);
	aion_process_close(&process);
}

static int64_t spawn_into_open(void *unused)
{
	struct aion_process process = {.is_open = true};

	return aion_process_spawn(&process, SHELL("true"), NULL);
}

Test(process_stop, spawning_into_an_open_one_aborts)
{
	test_task_aborts(spawn_into_open, "process spawned into one that is open");
}

#define CHILD_NR (test_is_small() ? 100 : 1000)

static unsigned fd_count(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned nr = 0;

	cr_assert(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static int64_t run_one(void *arg)
{
	struct aion_process_output out = {0};
	int status = (int)(intptr_t)arg % 200;
	char expected[16];

	snprintf(expected, sizeof(expected), "%d\n", status);
	assert_result(aion_process_run(SHELL("read line; echo $line; exit $line"), NULL, expected, strlen(expected),
				       &out, NULL),
		      status);
	cr_assert_str_eq(out.data, expected);
	aion_process_output_free(&out);
	return 0;
}

TASK_TEST(process_many, at_once_leave_no_zombie_and_no_descriptor)
{
	const unsigned fds_before = fd_count();
	struct aion_group group;

	KERNEL();
	aion_group_enter(&group);
	for (int i = 0; i < CHILD_NR; i++)
		aion_spawn(&group, run_one, test_number(i));
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(fd_count(), fds_before);
	assert_no_child();
}

TASK_TEST(process_many, killed_at_once_leave_no_zombie_and_no_descriptor)
{
	const struct aion_process_options options = {
		.in = {AION_STDIO_PIPE, 0}, .out = {AION_STDIO_PIPE, 0}, .grace_ns = -1};
	const unsigned fds_before = fd_count();
	struct aion_process *sleepers = calloc((size_t)CHILD_NR, sizeof(*sleepers));

	KERNEL();
	for (int i = 0; i < CHILD_NR; i++)
		assert_result(aion_process_spawn(&sleepers[i], SHELL("exec sleep 1000"), &options), 0);
	cr_assert_eq(fd_count(), fds_before + 3 * (unsigned)CHILD_NR);
	for (int i = 0; i < CHILD_NR; i++)
		aion_process_close(&sleepers[i]);
	cr_assert_eq(fd_count(), fds_before);
	assert_no_child();
	free(sleepers);
}
