/* SPDX-License-Identifier: MIT */
#ifndef AION_PROCESS_H
#define AION_PROCESS_H
/*
 * Child processes: spawned with posix_spawn(3), watched through a pidfd, talked to through pipes. Nothing of a child
 * outlives aion_process_close(): it is ended, with its group if it leads one, reaped, and its pipes are closed.
 *
 *	const char *const argv[] = {"git", "rev-parse", "HEAD", NULL};
 *	struct aion_process_output out = {0};
 *	int64_t status = aion_process_run(argv, NULL, NULL, 0, &out, NULL);
 *
 *	if (status == 0)
 *		printf("%s", out.data);
 *	aion_process_output_free(&out);
 *
 * The application must not reap these children itself (wait(2), waitpid(-1, …)), nor ignore SIGCHLD: their status would
 * be lost.
 */
#include <stdbool.h>
#include <sys/types.h>

#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_PROCESS_KILLED 0x100 /* a result from here on: a signal's number + this */
#define AION_PROCESS_GRACE_NS                                                                                          \
	(5 * AION_SECOND) /* what a child has between SIGTERM and SIGKILL, if nothing else is said */
#define AION_PROCESS_OUTPUT_MAX ((size_t)64 << 20) /* bytes that are collected, if nothing else is said */

/* What a standard descriptor of the child is. */
enum aion_stdio_kind {
	AION_STDIO_INHERIT, /* this process's */
	AION_STDIO_PIPE,    /* a pipe, whose other end is in struct aion_process */
	AION_STDIO_NULL,    /* /dev/null */
	AION_STDIO_FD,      /* the given descriptor, which stays open here */
	AION_STDIO_STDOUT,  /* of the standard error: what the standard output is */
};

struct aion_stdio {
	enum aion_stdio_kind kind;
	int fd; /* of AION_STDIO_FD */
};

/* All zero = the defaults, which are given in brackets. */
struct aion_process_options {
	const char *const *env; /* "NAME=value", …, NULL [this process's] */
	const char *cwd; /* the child's directory [this process's]; a relative program name is searched from it */
	struct aion_stdio in, out, err; /* [inherited] */
	const int *pass_fds;            /* descriptors that the child gets, too, under the same numbers [none] */
	size_t pass_fd_nr;
	size_t pipe_size;    /* bytes of a pipe [the kernel's 64 KiB]; grown as far as the kernel allows. Large ones
				count against the user's limit for all pipes, and few programs are faster for them */
	int64_t grace_ns;    /* from SIGTERM to SIGKILL where the child is ended [5 s]; negative: SIGKILL at once */
	bool new_group;      /* a process group of its own; closing ends the group, too */
	bool new_session;    /* a session of its own, which is a group of its own, too */
	bool reset_signals;  /* also signals that are ignored here are not ignored there. SIGPIPE never is */
	bool no_path_search; /* argv[0] is a path, $PATH is not searched */
};

/* A child. The caller's memory; all zero = none. To be read only, but the descriptors: who takes one puts -1 there. */
struct aion_process {
	pid_t pid;
	int pidfd;
	int in;  /* what is written here the child reads from its standard input; -1 if that is no pipe */
	int out; /* its standard output; -1 if that is no pipe */
	int err; /* its standard error; -1 if that is no pipe */
	bool is_open;
	bool has_group; /* is the leader of a process group */
	bool has_ended; /* and somebody has seen it: result holds */
	bool is_reaped;
	int64_t grace_ns;
	int64_t result; /* once it has ended: see aion_process_wait() */
};

/**
 * aion_process_spawn - start a child.
 * @process: closed (all zero); an open one aborts the process. For aion_process_close(), which is fit for AION_CLEANUP.
 * @argv: the program, searched in $PATH if it has no slash, and its arguments, NULL at the end.
 * @options: NULL = the defaults.
 *
 * The child has no descriptors but 0, 1, 2 and pass_fds, blocks no signal, handles none. The loop's thread stands
 * still until the child runs its program, some hundred microseconds; that thread is the child's parent.
 * Result: 0.
 * Errors: those of execve(2), pipe2(2), clone(2), pidfd_open(2), of chdir(2) for cwd: -ENOENT, -EACCES, -ENOEXEC,
 *   -EAGAIN, -EMFILE …, and: -EINVAL (argv is empty; a kind that the descriptor cannot have); -EBADF (a descriptor to
 *   be passed); -ECANCELED; -EBUSY (not inside a task); -ECHILD (forked child). There is no child then, and nothing is
 *   open.
 * Suspends: only when the task's budget is used up, before any effect. Thread: loop. Source: posix_spawn(3),
 *   pidfd_open(2), Linux 5.3.
 */
AION_API AION_SUSPENDS int64_t aion_process_spawn(struct aion_process *process, const char *const *argv,
						  const struct aion_process_options *options);

/**
 * aion_process_wait - wait until the child has ended, and reap it. One that leads a group stays a zombie until
 *   aion_process_stop() or _close(), which find what is left of the group by its number.
 * @process: open. Several tasks may wait, also again; all get the same. A cancelled wait leaves the child as it is.
 *
 * A child that fills a pipe which nobody reads does not end: see aion_process_communicate().
 * Result: 0 to 255, the exit status; or AION_PROCESS_KILLED + the number of the signal that killed it.
 * Errors: -ECANCELED; -EBADF (none was spawned); -EBUSY (not inside a task); -ENOMEM; -ECHILD (forked
 *   child; or somebody else has reaped it, so that its status is lost).
 * Suspends: yes. Thread: loop. Source: poll(2) of a pidfd, IORING_OP_POLL_ADD; waitid(2).
 */
AION_API AION_SUSPENDS int64_t aion_process_wait(struct aion_process *process);

/**
 * aion_process_killed_by - the signal that a result of aion_process_wait() tells of, or 0.
 * Suspends: no. Thread: any. Source: none.
 */
static inline int aion_process_killed_by(int64_t result)
{
	return result > AION_PROCESS_KILLED ? (int)(result - AION_PROCESS_KILLED) : 0;
}

/**
 * aion_process_send_signal, aion_process_terminate (SIGTERM), aion_process_kill (SIGKILL) - send a signal to the child
 *   alone.
 * @process: open.
 * @number: 0 only asks whether it could be sent.
 *
 * Never hits another process: the pidfd names this child for good.
 * Errors: -ESRCH (it has ended, as a wait has seen); -EINVAL (number); -EPERM; -EBADF (closed).
 * Suspends: no. Thread: loop. Source: pidfd_send_signal(2), Linux 5.1.
 */
AION_API int aion_process_send_signal(struct aion_process *process, int number);
AION_API int aion_process_terminate(struct aion_process *process);
AION_API int aion_process_kill(struct aion_process *process);

/**
 * aion_process_stop - end the child: SIGTERM, after the grace SIGKILL, then reap it. Always finishes.
 * @process: open. One that leads a group gets the signals together with the group; what is left of that when it has
 *   ended is killed, too, also if it had ended before.
 * @grace_ns: nanoseconds; 0 or less sends SIGKILL at once.
 *
 * Cancellation cuts neither the grace nor the reaping short. Pipes stay open.
 * Result: as aion_process_wait(). Errors: -EBADF (closed); -EBUSY; -ECHILD; -ENOMEM.
 * Suspends: yes, but never returns early. Thread: loop. Source: pidfd_send_signal(2), Linux 5.1.
 */
AION_API AION_SUSPENDS int64_t aion_process_stop(struct aion_process *process, int64_t grace_ns);

/**
 * aion_process_close - end the child if it still runs, and what is left of its group, as aion_process_stop() with the
 *   grace of the options, and close what is open of its pipes. Always finishes.
 * @process: open or closed (all zero); closed afterwards, with its result still in it. If several tasks close it, it
 *   can be used anew when all of them have returned.
 *
 * Suspends: yes, but never returns early. Thread: loop. Source: as aion_process_stop().
 */
AION_API AION_SUSPENDS void aion_process_close(struct aion_process *process);

/* What a child has said. All zero = nothing yet. */
struct aion_process_output {
	char *data;     /* for aion_process_output_free(); a 0 byte follows, so text is a string */
	size_t size;    /* bytes */
	size_t max;     /* bytes that are kept at most [AION_PROCESS_OUTPUT_MAX] */
	size_t dropped; /* bytes that came beyond these: read, so that the child goes on, and forgotten */
	size_t room;    /* private */
};

/**
 * aion_process_output_free - give the bytes back.
 * @output: all zero afterwards, but for max. Fit for AION_CLEANUP.
 *
 * Suspends: no. Thread: any. Source: none.
 */
AION_API void aion_process_output_free(struct aion_process_output *output);

/**
 * aion_process_communicate - feed the child, collect what it says, and wait for its end, all at once.
 * @process: open; its pipes are closed afterwards.
 * @input: input_size bytes for its standard input, which is closed after them. A child that does not read them all is
 *   no error.
 * @out, @err: what came is added; NULL: is read and dropped. What is no pipe is left alone.
 *
 * Reads until the pipes' ends, so it also waits for whoever else has inherited them.
 * Result: as aion_process_wait().
 * Errors: those of aion_process_wait(), read(2), write(2) but -EPIPE; -ENOMEM. After any, what was collected is in out
 *   and err, and the child goes on, for aion_process_close().
 * Suspends: yes. Thread: loop. Source: read(2), write(2), as aion_process_wait().
 */
AION_API AION_SUSPENDS int64_t aion_process_communicate(struct aion_process *process, const void *input,
							size_t input_size, struct aion_process_output *out,
							struct aion_process_output *err);

/**
 * aion_process_run - spawn, communicate, close.
 * @argv, @options: as aion_process_spawn(). What follows makes pipes of in, out and err.
 * @input: NULL: options->in holds.
 * @out, @err: NULL: options->out, options->err hold.
 *
 * However it ends, there is no child afterwards, nor any of its group: one that still runs when the caller is cancelled
 * is ended with options->grace_ns.
 * Result and errors as aion_process_spawn() and aion_process_communicate().
 * Suspends: yes. Thread: loop. Source: as theirs.
 */
AION_API AION_SUSPENDS int64_t aion_process_run(const char *const *argv, const struct aion_process_options *options,
						const void *input, size_t input_size, struct aion_process_output *out,
						struct aion_process_output *err);

#ifdef __cplusplus
}
#endif
#endif
