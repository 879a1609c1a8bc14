/* SPDX-License-Identifier: MIT */
/* Errors of children, signals and pools that the system gives rarely: no memory, no more processes, no right. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fault_int.h"
#include "test_file.h"
#include "test_task.h"

#define KERNEL() TEST_NEEDS_KERNEL("children are real processes")
#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NOBODY 65534

static int pipe_error; /* with which the next pipe2(2) fails, and none after it; 0: none does */

int pipe2(int fds[2], int flags)
{
	int error = pipe_error;

	pipe_error = 0;
	if (!error)
		return (int)syscall(SYS_pipe2, fds, flags);
	errno = error;
	return -1;
}

TASK_TEST(process_refused, no_pipe_for_a_watch_or_a_child)
{
	static const int errors[] = {ENFILE, ENOMEM, EMFILE};
	struct aion_process_options options = {.out = {AION_STDIO_PIPE, 0}};

	KERNEL();
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct aion_signal_watch watch = {0};
		struct aion_process process = {0};

		pipe_error = errors[i];
		assert_result(aion_signal_open(&watch, (const int[]){SIGUSR1, 0}), -errors[i]);
		cr_assert_not(watch.is_open);
		pipe_error = errors[i];
		assert_result(aion_process_spawn(&process, ARGV("/bin/true"), &options), -errors[i]);
		cr_assert_not(process.is_open);
		cr_assert_eq(pipe_error, 0);
	}
}

/* In a child of its own, which is nobody: root has as many processes as it likes, and may end all. */
static int in_task_as_nobody(void *fn)
{
	return (int)aion_run(*(aion_fn **)fn, NULL, NULL);
}

static int64_t become_nobody(void)
{
	return geteuid() != 0 || setresuid(NOBODY, NOBODY, NOBODY) == 0 ? 0 : 90;
}

static int64_t spawn_too_many(void *unused)
{
	const struct rlimit none = {0, 0};
	struct aion_process process = {0};
	int64_t result = aion_process_spawn(&process, ARGV("/bin/true"), NULL);

	(void)unused;
	if (result != 0 || aion_process_wait(&process) != 0)
		return 1;
	aion_process_close(&process);
	if (become_nobody() != 0 || setrlimit(RLIMIT_NPROC, &none) != 0)
		return 2;
	result = aion_process_spawn(&process, ARGV("/bin/true"), NULL);
	return result == -EAGAIN && !process.is_open ? 0 : 3;
}

Test(process_refused, no_more_processes)
{
	aion_fn *fn = spawn_too_many;

	KERNEL();
	cr_assert_eq(test_in_child(in_task_as_nobody, &fn), 0);
}

/* It ends when this process does. */
static int64_t signal_another_s(void *unused)
{
	const struct aion_process_options options = {.in = {AION_STDIO_PIPE, 0}};
	struct aion_process process = {0};

	(void)unused;
	if (geteuid() != 0)
		return 77;
	if (aion_process_spawn(&process, ARGV("/bin/cat"), &options) != 0 || become_nobody() != 0)
		return 1;
	if (aion_process_send_signal(&process, SIGUSR1) != -EPERM || aion_process_terminate(&process) != -EPERM ||
	    aion_process_kill(&process) != -EPERM)
		return 2;
	close(process.in);
	process.in = -1;
	return aion_process_wait(&process) == 0 ? 0 : 3;
}

Test(process_refused, no_right_to_signal_it)
{
	aion_fn *fn = signal_another_s;
	int result;

	KERNEL();
	result = test_in_child(in_task_as_nobody, &fn);
	if (result == 77)
		cr_skip_test("only root has children that it may not signal");
	cr_assert_eq(result, 0, "%d", result);
}

#ifdef AION_FAULTS
/* Whatever the ring says first, says that. */
static void arm(void)
{
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 1, -ENOMEM);
}

TASK_TEST(process_refused, no_memory_to_wait)
{
	AION_CLEANUP(aion_process_close) struct aion_process process = {0};

	KERNEL();
	assert_result(aion_process_spawn(&process, ARGV("/bin/sleep", "0.05"), NULL), 0);
	arm();
	assert_result(aion_process_wait(&process), -ENOMEM);
	aion__fault_reset();
	assert_result(aion_process_wait(&process), 0);
}

TASK_TEST(process_refused, no_memory_to_stop_it)
{
	AION_CLEANUP(aion_process_close) struct aion_process process = {0};

	KERNEL();
	assert_result(aion_process_spawn(&process, ARGV("/bin/sleep", "1000"), NULL), 0);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 2, -ENOMEM);
	assert_result(aion_process_stop(&process, AION_SECOND), -ENOMEM);
	aion__fault_reset();
	cr_assert_geq(aion_process_stop(&process, 0), AION_PROCESS_KILLED);
}

TASK_TEST(process_refused, no_memory_to_listen)
{
	const struct aion_process_options options = {.out = {AION_STDIO_PIPE, 0}};
	struct aion_process process = {0};
	struct aion_process_output out = {0};

	KERNEL();
	assert_result(aion_process_spawn(&process, ARGV("/bin/echo", "hello"), &options), 0);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1000, -ENOMEM);
	assert_result(aion_process_communicate(&process, NULL, 0, &out, NULL), -ENOMEM);
	aion__fault_reset();
	aion_process_close(&process);
	aion_process_output_free(&out);
}

TASK_TEST(process_refused, no_memory_for_a_pool_or_its_call)
{
	AION_CLEANUP(aion_process_pool_close) struct aion_process_pool pool = {0};
	const struct aion_process_pool_options options = {.worker_nr = 1};

	KERNEL();
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	assert_result(aion_process_pool_open(&pool, &options), -ENOMEM);
	aion__fault_reset();
	cr_assert_not(pool.is_open);
	assert_result(aion_process_pool_open(&pool, &options), 0);
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 1000, -ENOMEM);
	assert_result(aion_process_pool_call(&pool, "echo", NULL, 0, NULL, 0, NULL), -ENOMEM);
	aion__fault_reset();
}

static int64_t raise_later(void *unused)
{
	(void)unused;
	aion_yield();
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 1, -ENOMEM);
	return raise(SIGUSR1);
}

TASK_TEST(process_refused, no_memory_to_wait_for_a_signal)
{
	AION_CLEANUP(aion_signal_close) struct aion_signal_watch watch = {0};
	struct aion_group group;

	KERNEL();
	assert_result(aion_signal_open(&watch, (const int[]){SIGUSR1, 0}), 0);
	aion_group_enter(&group);
	aion_spawn(&group, raise_later, NULL);
	assert_result(aion_signal_next(&watch, NULL), -ENOMEM);
	aion__fault_reset();
	assert_result(aion_group_leave(&group, 0), 0);
}
#endif
