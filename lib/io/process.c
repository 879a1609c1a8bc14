/* SPDX-License-Identifier: MIT */
/*
 * The life of a child: waiting for its end, signals, its end by force. The pidfd becomes readable when the child has
 * ended; reaping it takes no time then. Everything that could hit another process of the same number goes by the pidfd,
 * or happens while the child is not reaped, so that its number is still its own.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <aion/file.h>
#include <aion/poll.h>
#include <aion/process.h>
#include <aion/scope.h>
#include <aion/task.h>

#define RETRY_NS AION_MILLISECOND

/* Neither reaped nor somebody else's, as it is in a forked child: its number is its own, and so is its group's. */
static bool process_is_ours(const struct aion_process *process)
{
	int saved = errno;
	siginfo_t info;
	int result;

	if (!process->is_open || process->is_reaped)
		return false;
	result = waitid((idtype_t)P_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG | WNOWAIT);
	errno = saved;
	return result == 0;
}

/* A child that is not reaped still owns the number of its group. */
static void process_signal_all(struct aion_process *process, int number)
{
	int saved = errno;

	if (!process->has_group)
		aion_process_send_signal(process, number);
	else if (process_is_ours(process))
		kill(-process->pid, number);
	errno = saved;
}

/* The child has ended: end what is left of its group, and let go of its number. */
static void process_release(struct aion_process *process)
{
	int saved = errno;

	if (!process->has_ended || process->is_reaped)
		return;
	process_signal_all(process, SIGKILL);
	process->is_reaped = true;
	waitid((idtype_t)P_PIDFD, (id_t)process->pidfd, NULL, WEXITED | WNOHANG);
	errno = saved;
}

/* The child has ended, or with flags = 0 soon will: take its status. False: its tracer (a debugger) has not let go of
 * it yet. The leader of a group is reaped when it is stopped: until then the group can be found by its number. */
static bool process_reap(struct aion_process *process, int flags)
{
	int keep = process->has_group ? WNOWAIT : 0;
	int saved = errno;
	siginfo_t info = {.si_pid = 0};
	int result;

	do {
		result = waitid((idtype_t)P_PIDFD, (id_t)process->pidfd, &info, WEXITED | flags | keep);
	} while (result < 0 && errno == EINTR);
	if (result < 0)
		process->result = -errno;
	else if (info.si_code == CLD_EXITED)
		process->result = info.si_status;
	else
		process->result = AION_PROCESS_KILLED + info.si_status;
	process->has_ended = result < 0 || info.si_pid;
	process->is_reaped = process->has_ended && (result < 0 || !keep);
	errno = saved;
	return process->has_ended;
}

/* Until the child is a zombie, or gone. */
static int64_t process_await_end(struct aion_process *process)
{
	int64_t result = 0;

	while (!process->has_ended && result >= 0) {
		if (!process->is_open)
			return -EBADF;
		result = aion_poll(process->pidfd, POLLIN);
		if (result > 0)
			return 0;
	}
	return result;
}

int64_t aion_process_wait(struct aion_process *process)
{
	int64_t result = aion_checkpoint();

	while (result >= 0 && !process->has_ended) {
		result = process_await_end(process);
		if (result >= 0 && !process->has_ended && !process_reap(process, WNOHANG))
			result = aion_sleep(RETRY_NS);
	}
	return result < 0 ? result : process->result;
}

int aion_process_send_signal(struct aion_process *process, int number)
{
	int saved = errno;
	int result;

	if (!process->is_open)
		return -EBADF;
	if (process->has_ended)
		return -ESRCH; /* also where it is not reaped yet */
	result = syscall(SYS_pidfd_send_signal, process->pidfd, number, NULL, 0) < 0 ? -errno : 0;
	errno = saved;
	return result;
}

int aion_process_terminate(struct aion_process *process)
{
	return aion_process_send_signal(process, SIGTERM);
}

int aion_process_kill(struct aion_process *process)
{
	return aion_process_send_signal(process, SIGKILL);
}

static int64_t process_stop(struct aion_process *process, int64_t grace_ns)
{
	struct aion_scope grace;
	int64_t result = -ETIME;

	if (grace_ns > 0 && !process->has_ended) {
		process_signal_all(process, SIGTERM);
		aion_scope_enter(&grace, aion_after(grace_ns));
		result = process_await_end(process);
		aion_scope_leave(&grace);
	}
	if (result < 0 && !process->has_ended)
		process_signal_all(process, SIGKILL);
	result = aion_process_wait(process);
	process_release(process);
	return result;
}

int64_t aion_process_stop(struct aion_process *process, int64_t grace_ns)
{
	struct aion_scope shield;
	int64_t result;

	if (process->has_ended && (process->is_reaped || !process->is_open))
		return process->result;
	if (!process->is_open)
		return -EBADF;
	if (!aion_task_current())
		return aion_checkpoint(); /* says why there is none */
	aion_scope_enter_shield(&shield, AION_NEVER);
	result = aion_checkpoint(); /* a forked child must not end its parent's */
	if (result == 0)
		result = process_stop(process, grace_ns);
	aion_scope_leave(&shield);
	return result;
}

/* While this waits for the child, another task may close the process; and while it waits for a descriptor's close, the
 * memory may be used anew. So nothing is read before the one wait, and nothing written after the other has begun. */
void aion_process_close(struct aion_process *process)
{
	int64_t result;
	int fds[4];

	if (!process->is_open)
		return;
	result = aion_process_stop(process, process->grace_ns);
	if (!process->is_open)
		return;
	/* No memory to wait in, or no task to do it: then it is killed, and the thread waits. It is no forked child's.
	 */
	if (!process->has_ended && result != -ECHILD) {
		process_signal_all(process, SIGKILL);
		process_reap(process, 0);
	}
	if (result != -ECHILD)
		process_release(process);
	memcpy(fds, (const int[]){process->pidfd, process->in, process->out, process->err}, sizeof(fds));
	process->is_open = false;
	process->pidfd = process->in = process->out = process->err = -1;
	for (int i = 0; i < 4; i++)
		aion_fd_closep(&fds[i]);
}
