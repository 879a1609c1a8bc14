/* SPDX-License-Identifier: MIT */
/* The birth of a child: what it is given, what it is not, and how a failure shows. */
#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "test_file.h"

#define KERNEL() TEST_NEEDS_KERNEL("children are real processes")
#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SHELL(script) ARGV("/bin/sh", "-c", script)

/* What the child prints, without the final newline; it must exit with 0. */
static void assert_prints(const char *const *argv, const struct aion_process_options *options, const char *text)
{
	AION_CLEANUP(aion_process_output_free) struct aion_process_output out = {0};

	assert_result(aion_process_run(argv, options, NULL, 0, &out, NULL), 0);
	cr_assert_not_null(out.data);
	if (out.size && out.data[out.size - 1] == '\n')
		out.data[out.size - 1] = 0;
	cr_assert_str_eq(out.data, text);
}

TASK_TEST(process_spawn, gives_the_arguments)
{
	KERNEL();
	assert_prints(ARGV("echo", "two  words", "end"), NULL, "two  words end");
}

TASK_TEST(process_spawn, gives_the_exit_status)
{
	struct aion_process process = {0};

	KERNEL();
	assert_result(aion_process_spawn(&process, SHELL("exit 7"), NULL), 0);
	assert_result(aion_process_wait(&process), 7);
	assert_result(aion_process_wait(&process), 7);
	aion_process_close(&process);
	cr_assert_not(process.is_open);
	assert_result(aion_process_wait(&process), 7);
}

TASK_TEST(process_spawn, gives_the_signal_that_killed)
{
	int64_t result;

	KERNEL();
	result = aion_process_run(SHELL("kill -USR1 $$"), NULL, NULL, 0, NULL, NULL);
	assert_result(result, AION_PROCESS_KILLED + SIGUSR1);
	cr_assert_eq(aion_process_killed_by(result), SIGUSR1);
	cr_assert_eq(aion_process_killed_by(137), 0);
}

TASK_TEST(process_spawn, sets_environment_and_directory)
{
	const struct aion_process_options options = {.env = ARGV("PATH=/bin:/usr/bin", "COLOUR=blue"), .cwd = "/usr"};

	KERNEL();
	assert_prints(SHELL("echo $COLOUR $HOME in $(pwd)"), &options, "blue in /usr");
}

/* Under valgrind a child has memory of its own before it runs its program, too, and its report does not arrive. */
#ifndef AION_VALGRIND
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

TASK_TEST(process_spawn, tells_why_there_is_no_child)
{
	const struct aion_process_options nowhere = {.cwd = "/nowhere"};
	const struct aion_process_options no_search = {.no_path_search = true};
	struct aion_process process = {0};
	unsigned before;
	TEST_DIR();

	KERNEL();
	close(test_file_make("text", 100));
	close(test_file_make("program", 100));
	cr_assert_eq(chmod("program", 0755), 0);
	before = fd_count();
	assert_result(aion_process_spawn(&process, ARGV("no-such-program-anywhere"), NULL), -ENOENT);
	assert_result(aion_process_spawn(&process, ARGV("./text"), NULL), -EACCES);
	assert_result(aion_process_spawn(&process, ARGV("./program"), NULL), -ENOEXEC);
	assert_result(aion_process_spawn(&process, ARGV("true"), &nowhere), -ENOENT);
	assert_result(aion_process_spawn(&process, ARGV("true"), &no_search), -ENOENT);
	assert_result(aion_process_spawn(&process, (const char *const[]){NULL}, NULL), -EINVAL);
	assert_result(aion_process_spawn(&process, NULL, NULL), -EINVAL);
	cr_assert_not(process.is_open);
	cr_assert_eq(fd_count(), before);
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1); /* no zombie either */
}
#endif

TASK_TEST(process_spawn, refuses_descriptors_that_are_none)
{
	const struct aion_process_options no_out = {.out = {AION_STDIO_FD, 900}};
	const struct aion_process_options no_pass = {.pass_fds = (int[]){901}, .pass_fd_nr = 1};
	const struct aion_process_options low_pass = {.pass_fds = (int[]){2}, .pass_fd_nr = 1};
	const struct aion_process_options to_itself = {.out = {AION_STDIO_STDOUT, 0}};
	const struct aion_process_options unknown = {.in = {(enum aion_stdio_kind)99, 0}};
	struct aion_process process = {0};

	KERNEL();
	assert_result(aion_process_spawn(&process, ARGV("true"), &no_out), -EBADF);
	assert_result(aion_process_spawn(&process, ARGV("true"), &no_pass), -EBADF);
	assert_result(aion_process_spawn(&process, ARGV("true"), &low_pass), -EINVAL);
	assert_result(aion_process_spawn(&process, ARGV("true"), &to_itself), -EINVAL);
	assert_result(aion_process_spawn(&process, ARGV("true"), &unknown), -EINVAL);
}

TASK_TEST(process_spawn, without_descriptors_there_is_no_child)
{
	const struct aion_process_options pipes = {.in = {AION_STDIO_PIPE, 0}, .out = {AION_STDIO_PIPE, 0}};
	struct aion_process process = {0};
	struct rlimit limit, none;
	int next, free_nr;

	KERNEL();
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	next = dup(0);
	close(next);
	for (free_nr = 0; !process.is_open; free_nr++) {
		none = (struct rlimit){(rlim_t)(next + free_nr), limit.rlim_max};
		cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
		assert_result(aion_process_spawn(&process, ARGV("true"), &pipes), process.is_open ? 0 : -EMFILE);
	}
	cr_assert_geq(free_nr, 5); /* two pipes and a pidfd */
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	aion_process_close(&process);
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
	cr_assert_eq(dup(0), next);
}

TASK_TEST(process_spawn, in_a_cancelled_scope_has_no_effect)
{
	struct aion_process process = {0};
	struct aion_scope scope;

	test_enter_cancelled(&scope);
	assert_result(aion_process_spawn(&process, ARGV("true"), NULL), -ECANCELED);
	assert_result(aion_process_run(ARGV("true"), NULL, NULL, 0, NULL, NULL), -ECANCELED);
	aion_scope_leave(&scope);
	cr_assert_not(process.is_open);
}

Test(process_spawn, outside_of_tasks_is_refused)
{
	struct aion_process process = {0};

	assert_result(aion_process_spawn(&process, ARGV("true"), NULL), -EBUSY);
	assert_result(aion_process_wait(&process), -EBUSY);
	assert_result(aion_process_communicate(&process, NULL, 0, NULL, NULL), -EBUSY);
	assert_result(aion_process_stop(&process, 0), -EBADF);
}

TASK_TEST(process_spawn, of_none_there_is_nothing_to_ask)
{
	struct aion_process process = {0};

	assert_result(aion_process_wait(&process), -EBADF);
	assert_result(aion_process_kill(&process), -EBADF);
	assert_result(aion_process_stop(&process, 0), -EBADF);
	assert_result(aion_process_communicate(&process, NULL, 0, NULL, NULL), -EBADF);
	aion_process_close(&process);
}

/* 3 is what the shell reads the directory with. */
TASK_TEST(process_spawn, passes_no_other_descriptor)
{
	const struct aion_process_options to_nothing = {.in = {AION_STDIO_NULL, 0}, .err = {AION_STDIO_NULL, 0}};
	int fds[2];

	KERNEL();
	cr_assert_eq(pipe(fds), 0); /* without O_CLOEXEC */
	assert_prints(SHELL("for fd in /proc/$$/fd/*; do echo -n ${fd##*/}' '; done"), &to_nothing, "0 1 2 3 ");
	close(fds[0]);
	close(fds[1]);
}

TASK_TEST(process_spawn, passes_what_it_is_told)
{
	struct aion_process_options options = {.pass_fd_nr = 2};
	int fds[3][2];
	char script[200];

	KERNEL();
	for (int i = 0; i < 3; i++)
		cr_assert_eq(pipe2(fds[i], i == 1 ? 0 : O_CLOEXEC), 0);
	options.pass_fds = (int[]){fds[2][0], fds[0][0]};
	cr_assert_eq(write(fds[0][1], "one\n", 4), 4);
	cr_assert_eq(write(fds[2][1], "two\n", 4), 4);
	snprintf(script, sizeof(script),
		 "cd /proc/$$/fd; head -n1 %d; head -n1 %d; ls -d %d %d %d %d 2>&1 >&- | grep -c No", fds[0][0],
		 fds[2][0], fds[0][1], fds[1][0], fds[1][1], fds[2][1]);
	assert_prints(SHELL(script), &options, "one\ntwo\n4");
	cr_assert(fcntl(fds[0][0], F_GETFD) & FD_CLOEXEC);
	for (int i = 0; i < 6; i++)
		close(fds[i / 2][i % 2]);
}

/* Each of the two is the other's place. */
TASK_TEST(process_spawn, descriptors_may_change_places)
{
	const struct aion_process_options options = {.out = {AION_STDIO_FD, 2}, .err = {AION_STDIO_FD, 1}};
	int fds[2][2], saved[2] = {dup(1), dup(2)};
	char text[8] = "";

	KERNEL();
	for (int i = 0; i < 2; i++) {
		test_pipe(fds[i]);
		cr_assert_eq(dup2(fds[i][1], i + 1), i + 1);
	}
	assert_result(aion_process_run(SHELL("echo out; echo err >&2"), &options, NULL, 0, NULL, NULL), 0);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(dup2(saved[i], i + 1), i + 1);
	cr_assert_eq(read(fds[0][0], text, sizeof(text)), 4);
	cr_assert_eq(memcmp(text, "err\n", 4), 0);
	cr_assert_eq(read(fds[1][0], text, sizeof(text)), 4);
	cr_assert_eq(memcmp(text, "out\n", 4), 0);
}

/* A pipe then gets the numbers 0 to 2 here, and stands in its own way there. */
TASK_TEST(process_spawn, works_where_standard_descriptors_are_closed)
{
	AION_CLEANUP(aion_process_output_free) struct aion_process_output out = {0};
	AION_CLEANUP(aion_process_output_free) struct aion_process_output err = {0};
	int saved[3];

	KERNEL();
	for (int i = 0; i < 3; i++) {
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
		close(i);
	}
	assert_result(aion_process_run(SHELL("cat; echo err >&2"), NULL, "in", 2, &out, &err), 0);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(dup2(saved[i], i), i);
	cr_assert_str_eq(out.data, "in");
	cr_assert_str_eq(err.data, "err\n");
}

/* The end of the errors' pipe that is the child's would be 1, the place of its output. */
TASK_TEST(process_spawn, no_standard_descriptor_takes_another_s_place)
{
	const struct aion_process_options options = {.out = {AION_STDIO_NULL, 0}};
	AION_CLEANUP(aion_process_output_free) struct aion_process_output err = {0};
	int saved[2];

	KERNEL();
	for (int i = 0; i < 2; i++) {
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
		close(i);
	}
	assert_result(aion_process_run(SHELL("echo out; echo err >&2"), &options, NULL, 0, NULL, &err), 0);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(dup2(saved[i], i), i);
	cr_assert_str_eq(err.data, "err\n");
}

TASK_TEST(process_spawn, errors_may_go_where_the_output_goes)
{
	const struct aion_process_options options = {.err = {AION_STDIO_STDOUT, 0}};

	KERNEL();
	assert_prints(SHELL("echo one; echo two >&2; echo three"), &options, "one\ntwo\nthree");
}

TASK_TEST(process_spawn, makes_groups_and_sessions)
{
	const struct aion_process_options group = {.new_group = true}, session = {.new_session = true};
	const char *const *argv =
		SHELL("set -- $(cat /proc/$$/stat); [ $5 = $$ ] && echo -n group; [ $6 = $$ ] && echo -n "
		      "session; true");

	KERNEL();
	assert_prints(argv, NULL, "");
	assert_prints(argv, &group, "group");
	assert_prints(argv, &session, "groupsession");
}

/* The upper half of them is glibc's, which ignores two there for itself. */
#define SIGNAL_STATE SHELL("sed -nE 's/^Sig(Blk|Ign):.*(.......)$/\\2/p' /proc/$$/status | tr '\\n' ' '")

TASK_TEST(process_spawn, blocks_no_signal_and_ignores_as_told)
{
	const struct aion_process_options reset = {.reset_signals = true};
	sigset_t set;

	KERNEL();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	assert_prints(SIGNAL_STATE, NULL, "0000000 0000001 ");
	assert_prints(SIGNAL_STATE, &reset, "0000000 0000000 ");
}

TASK_TEST(process_spawn, asks_for_larger_pipes)
{
	const struct aion_process_options options = {.out = {AION_STDIO_PIPE, 0}, .pipe_size = 1 << 17};
	const struct aion_process_options far_too_large = {.out = {AION_STDIO_PIPE, 0}, .pipe_size = SIZE_MAX};
	struct aion_process process = {0};

	KERNEL();
	assert_result(aion_process_spawn(&process, ARGV("true"), &options), 0);
	cr_assert_eq(fcntl(process.out, F_GETPIPE_SZ), 1 << 17);
	aion_process_close(&process);
	assert_result(aion_process_spawn(&process, ARGV("true"), &far_too_large), 0);
	aion_process_close(&process);
}

TASK_TEST(process_spawn, leaves_errno_alone)
{
	const struct aion_process_options nowhere = {.out = {AION_STDIO_FD, 900}};
	struct aion_process process = {0};

	KERNEL();
	errno = 4711;
	assert_result(aion_process_spawn(&process, ARGV("true"), &nowhere), -EBADF);
	cr_assert_eq(errno, 4711);
	assert_result(aion_process_spawn(&process, ARGV("true"), NULL), 0);
	aion_process_wait(&process);
	assert_result(aion_process_kill(&process), -ESRCH);
	aion_process_close(&process);
	cr_assert_eq(errno, 4711);
}
