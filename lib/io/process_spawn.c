/* SPDX-License-Identifier: MIT */
/*
 * The birth of a child. posix_spawn(3), because fork(2) copies the tables of all memory, task stacks among it, and
 * because its child shares our memory until it runs its program: it can tell us what went wrong. On the loop's own
 * thread, not a worker: the thread that makes a child is its parent for PR_SET_PDEATHSIG, and workers end when idle.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aion/process.h>
#include <aion/scope.h>

#include "assert_int.h"

extern char **environ;

#define STDIO_NR 3

/* Descriptors of a spawn under way; -1 where there is none. */
struct spawn {
	int child_fds[STDIO_NR]; /* what becomes the child's 0, 1, 2; above these, and closed here in the end */
	int our_fds[STDIO_NR];   /* our ends of pipes */
	int probe_fd;            /* keeps a number for the pidfd, and shows that there can be one */
};

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Above 0, 1, 2: what becomes one of these in the child must not be overwritten by another that does. */
static int fd_raise(int *fd)
{
	int raised;

	if (*fd >= STDIO_NR)
		return 0;
	raised = fcntl(*fd, F_DUPFD_CLOEXEC, STDIO_NR);
	if (raised < 0)
		return -errno;
	close(*fd);
	*fd = raised;
	return 0;
}

/* Not to have got a large one is no error. */
static int spawn_pipe(struct spawn *spawn, int i, size_t pipe_size)
{
	int fds[2];
	int result;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	spawn->child_fds[i] = fds[i == STDIN_FILENO ? 0 : 1];
	spawn->our_fds[i] = fds[i == STDIN_FILENO ? 1 : 0];
	if (pipe_size)
		fcntl(fds[0], F_SETPIPE_SZ, (int)(pipe_size < INT32_MAX ? pipe_size : INT32_MAX));
	result = fd_raise(&spawn->child_fds[i]);
	return result < 0 ? result : fd_raise(&spawn->our_fds[i]);
}

static int spawn_stdio(struct spawn *spawn, int i, const struct aion_stdio *stdio, size_t pipe_size)
{
	switch (stdio->kind) {
	case AION_STDIO_INHERIT:
	case AION_STDIO_NULL:
		return 0;
	case AION_STDIO_PIPE:
		return spawn_pipe(spawn, i, pipe_size);
	case AION_STDIO_FD:
		spawn->child_fds[i] = fcntl(stdio->fd, F_DUPFD_CLOEXEC, STDIO_NR);
		return spawn->child_fds[i] < 0 ? -errno : 0;
	case AION_STDIO_STDOUT:
		return i == STDERR_FILENO ? 0 : -EINVAL;
	}
	return -EINVAL;
}

/* The child gets nothing but 0, 1, 2 and what is passed, whatever others of us have opened without O_CLOEXEC. */
static int actions_add_fds(posix_spawn_file_actions_t *actions, const int *pass_fds, size_t pass_fd_nr)
{
	int end = STDIO_NR;
	int error = 0;

	for (size_t i = 0; i < pass_fd_nr && !error; i++) {
		if (pass_fds[i] >= 0 && pass_fds[i] < STDIO_NR)
			return EINVAL;
		if (fcntl(pass_fds[i], F_GETFD) < 0)
			return EBADF;
		error = posix_spawn_file_actions_adddup2(actions, pass_fds[i], pass_fds[i]);
		if (pass_fds[i] >= end)
			end = pass_fds[i] + 1;
	}
	for (int fd = STDIO_NR; fd < end && !error; fd++) {
		bool is_passed = false;

		for (size_t i = 0; i < pass_fd_nr; i++)
			is_passed |= pass_fds[i] == fd;
		if (!is_passed)
			error = posix_spawn_file_actions_addclose(actions, fd);
	}
	return error ? error : posix_spawn_file_actions_addclosefrom_np(actions, end);
}

static int actions_add_stdio(posix_spawn_file_actions_t *actions, const struct spawn *spawn,
			     const struct aion_process_options *options)
{
	const struct aion_stdio *const stdio[STDIO_NR] = {&options->in, &options->out, &options->err};
	int error = 0;

	for (int i = 0; i < STDIO_NR && !error; i++) {
		if (stdio[i]->kind == AION_STDIO_NULL)
			error = posix_spawn_file_actions_addopen(actions, i, "/dev/null", O_RDWR, 0);
		else if (stdio[i]->kind == AION_STDIO_STDOUT)
			error = posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, i);
		else if (spawn->child_fds[i] >= 0)
			error = posix_spawn_file_actions_adddup2(actions, spawn->child_fds[i], i);
	}
	return error;
}

/* The thread's mask is no business of the child's, least of all the SIGPIPE that the loop blocks. */
static int attributes_set(posix_spawnattr_t *attributes, const struct aion_process_options *options)
{
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	sigset_t set;
	int error;

	if (options->new_session)
		flags |= POSIX_SPAWN_SETSID;
	else if (options->new_group)
		flags |= POSIX_SPAWN_SETPGROUP; /* of group 0: its own */
	error = posix_spawnattr_setflags(attributes, flags);
	sigemptyset(&set);
	if (!error)
		error = posix_spawnattr_setsigmask(attributes, &set);
	if (options->reset_signals)
		sigfillset(&set);
	else
		sigaddset(&set, SIGPIPE);
	return error ? error : posix_spawnattr_setsigdefault(attributes, &set);
}

static int spawn_run(const struct spawn *spawn, const char *const *argv, const struct aion_process_options *options,
		     pid_t *ret_pid)
{
	char *const *env = options->env ? (char *const *)options->env : environ;
	char *const *args = (char *const *)argv;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int error = posix_spawn_file_actions_init(&actions);

	if (error)
		return -error;
	error = posix_spawnattr_init(&attributes);
	if (error) {
		posix_spawn_file_actions_destroy(&actions);
		return -error;
	}
	error = attributes_set(&attributes, options);
	if (!error)
		error = actions_add_stdio(&actions, spawn, options);
	if (!error)
		error = actions_add_fds(&actions, options->pass_fds, options->pass_fd_nr);
	if (!error && options->cwd)
		error = posix_spawn_file_actions_addchdir_np(&actions, options->cwd);
	if (!error)
		error = (options->no_path_search ? posix_spawn : posix_spawnp)(ret_pid, argv[0], &actions, &attributes,
									       args, env);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -error;
}

/* Another thread can have taken the number that was kept. Then there is to be no child, either. */
static int spawn_watch(pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int result = pidfd < 0 ? -errno : pidfd;

	if (pidfd < 0) {
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
		}
	}
	return result;
}

static int spawn_prepare(struct spawn *spawn, const struct aion_process_options *options)
{
	const struct aion_stdio *const stdio[STDIO_NR] = {&options->in, &options->out, &options->err};
	int result = 0;

	for (int i = 0; i < STDIO_NR && result == 0; i++)
		result = spawn_stdio(spawn, i, stdio[i], options->pipe_size);
	if (result < 0)
		return result;
	spawn->probe_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	return spawn->probe_fd < 0 ? -errno : 0;
}

static int64_t process_spawn(struct aion_process *process, const char *const *argv,
			     const struct aion_process_options *options)
{
	struct spawn spawn = {{-1, -1, -1}, {-1, -1, -1}, -1};
	pid_t pid = -1;
	int result = spawn_prepare(&spawn, options);

	if (result == 0)
		result = spawn_run(&spawn, argv, options, &pid);
	for (int i = 0; i < STDIO_NR; i++)
		fd_close(&spawn.child_fds[i]);
	fd_close(&spawn.probe_fd);
	if (result == 0)
		result = spawn_watch(pid);
	if (result < 0) {
		for (int i = 0; i < STDIO_NR; i++)
			fd_close(&spawn.our_fds[i]);
		return result;
	}
	*process = (struct aion_process){
		.pid = pid,
		.pidfd = result,
		.in = spawn.our_fds[STDIN_FILENO],
		.out = spawn.our_fds[STDOUT_FILENO],
		.err = spawn.our_fds[STDERR_FILENO],
		.is_open = true,
		.has_group = options->new_group || options->new_session,
		.grace_ns = options->grace_ns ? options->grace_ns : AION_PROCESS_GRACE_NS,
	};
	return 0;
}

int64_t aion_process_spawn(struct aion_process *process, const char *const *argv,
			   const struct aion_process_options *options)
{
	static const struct aion_process_options defaults;
	int saved = errno;
	int64_t result = aion_checkpoint();

	AION_BUG_ON(process->is_open, "process spawned into one that is open");
	if (result < 0)
		return result;
	if (!argv || !argv[0])
		return -EINVAL;
	result = process_spawn(process, argv, options ? options : &defaults);
	errno = saved;
	return result;
}
