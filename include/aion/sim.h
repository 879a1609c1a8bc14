/* SPDX-License-Identifier: MIT */
#ifndef AION_SIM_H
#define AION_SIM_H
/*
 * A simulated machine in place of the kernel, for tests: files, pipes and sockets in memory, a clock of its own, and
 * faults. One seed decides everything that a kernel leaves open: in which order and when operations complete, where
 * reads and writes fall short, whether a cancel comes in time, which errors strike. The same seed and the same program
 * give the same run.
 *
 *	struct aion_sim *sim;
 *
 *	aion_sim_create(&(struct aion_sim_options){.seed = 7, .profile = AION_SIM_ROUGH}, &sim);
 *	aion_sim_file_write(sim, "/data", "hello", 5);
 *	result = aion_run(program, NULL, &(struct aion_loop_options){.sim = sim});
 *	findings = aion_sim_check(sim);         (says what is left open, and how to replay)
 *	aion_sim_destroy(sim);
 *
 * The program runs unchanged as far as it calls aion_ functions. Descriptors of the machine are numbers from
 * AION_SIM_FD_BASE up, which plain system calls do not know; smaller ones are the process's own, and operations on them
 * are executed by plain system calls, beyond what the seed decides. Time passes only where the machine lets it: a sleep
 * of an hour takes microseconds. Offloaded calls run on the loop's thread, at drawn times.
 *
 * The machine holds what a kernel holds: until an operation is done it fills the operation's buffer with rubbish and
 * looks whether somebody else touched it, and it looks whether what is being written changes. A buffer freed too early
 * aborts the process with the operation's name. So does a program in which nothing can happen any more.
 *
 * Everything here is for one thread: the one that runs the loop.
 */
#include <aion/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_SIM_FD_BASE 4096 /* the first descriptor of a simulated machine */

struct aion_sim;

/* How a machine behaves if nothing else is said. */
enum aion_sim_profile {
	AION_SIM_CALM,    /* everything arrives, at slightly varying times */
	AION_SIM_ROUGH,   /* as a busy machine: short reads, late cancels, interrupted waits */
	AION_SIM_HOSTILE, /* and whatever can fail fails now and then */
};

/* What may go wrong, each with a probability in millionths, drawn each time it could happen. */
enum aion_sim_knob {
	AION_SIM_INLINE,           /* an operation is done while it is being submitted */
	AION_SIM_TRY,              /* a try without waiting finds what it needs */
	AION_SIM_SHORT_READ,       /* less is read than is there */
	AION_SIM_SHORT_WRITE,      /* less is written than fits */
	AION_SIM_STALL,            /* a disk takes a thousand times as long */
	AION_SIM_LATE_CQE,         /* time passes between an effect and its completion */
	AION_SIM_CANCEL_MISS,      /* a cancel finds an operation running that ends by itself: -EALREADY or -ENOENT */
	AION_SIM_CANCEL_LAST,      /* a cancel is answered after its target */
	AION_SIM_MULTISHOT_END,    /* a multishot request ends early */
	AION_SIM_NOTIF_LATE,       /* a zero-copy send keeps its buffer long after its result */
	AION_SIM_WAIT_EINTR,       /* a wait is interrupted by a signal */
	AION_SIM_ENTER_EAGAIN,     /* entering says that there is no memory */
	AION_SIM_SUBMIT_PART,      /* entering takes some of the entries only */
	AION_SIM_SETUP_HALF,       /* the queues are made with half the entries asked for, at least 8 */
	AION_SIM_ERROR_EAGAIN,     /* a read or write of a file ends with -EAGAIN */
	AION_SIM_ERROR_EINTR,      /* a read or write ends with -EINTR */
	AION_SIM_ERROR_EIO,        /* a read, write or flush fails */
	AION_SIM_ERROR_ENOSPC,     /* the disk is full */
	AION_SIM_ERROR_ENOMEM,     /* no memory for an operation */
	AION_SIM_ERROR_EMFILE,     /* no descriptor left */
	AION_SIM_ERROR_ENFILE,     /* no open file left */
	AION_SIM_ERROR_ENOBUFS,    /* a receive finds no buffer in its group */
	AION_SIM_ERROR_ECONNRESET, /* a connection breaks */
	AION_SIM_KNOB_NR,
};

/* All zero = the defaults, which are given in brackets. */
struct aion_sim_options {
	uint64_t seed;                 /* [$AION_SIM_SEED, or 1] */
	enum aion_sim_profile profile; /* [$AION_SIM_PROFILE, or calm] */
	int64_t start_ns;              /* the clock at the beginning [1 s] */
	size_t disk_size;              /* bytes that files may hold in all [64 MiB], then -ENOSPC */
	unsigned fd_max;               /* descriptors [1024; at most 1048576], then -EMFILE */
	size_t pipe_size;              /* bytes that a pipe holds [64 KiB] */
	size_t socket_size;            /* bytes that a socket's receive queue holds [64 KiB] */
	size_t trace_max;              /* events of which the trace is kept [65536]; the oldest go first */
	bool host_files;               /* paths are those of the real machine: names and files by plain system calls */
	bool host_threads;             /* other threads may wake the loop: with nothing to do it waits for them, in real
					  time, where else it would report a deadlock */
};

/**
 * aion_sim_create - make a machine: a root directory with /dev/null and /dev/zero, a clock, no descriptor open.
 * @options: NULL = the defaults.
 * @ret_sim: for aion_sim_destroy().
 *
 * Errors: -EINVAL (a profile that is none, also in $AION_SIM_PROFILE: calm, rough, hostile; $AION_SIM_SEED is no number
 *   of 64 bits; fd_max is too large); -ENOMEM.
 * Suspends: no. Thread: any. Source: none.
 */
AION_API int aion_sim_create(const struct aion_sim_options *options, struct aion_sim **ret_sim);

/** aion_sim_destroy - with its files. @sim: on which no loop stands any more; NULL: nothing happens.
 * Suspends: no. Thread: any. Source: none. */
AION_API void aion_sim_destroy(struct aion_sim *sim);

/**
 * aion_sim_check - say what a program has left behind: descriptors open, operations in flight, jobs.
 * @sim: after the run.
 *
 * Each finding, and the line that replays the run, goes to the diagnostic hook.
 * Result: how many findings.
 * Suspends: no. Thread: any. Source: none.
 */
AION_API int aion_sim_check(const struct aion_sim *sim);

/**
 * aion_sim_replay - the command line that repeats this run.
 * @buf, @size: for the text, which is cut to fit.
 *
 * Suspends: no. Thread: any. Source: none.
 */
AION_API void aion_sim_replay(const struct aion_sim *sim, char *buf, size_t size);

/** aion_sim_knob_set - how often something goes wrong. @millionths: 0 = never, 1000000 = always.
 * Suspends: no. Thread: any. Source: none. */
AION_API void aion_sim_knob_set(struct aion_sim *sim, enum aion_sim_knob knob, unsigned millionths);

/** aion_sim_knob_get - in millionths. Suspends: no. Thread: any. Source: none. */
AION_API unsigned aion_sim_knob_get(const struct aion_sim *sim, enum aion_sim_knob knob);

/** aion_sim_calm_down - no fault strikes from now on, and no disk stalls: what is under way comes to its end.
 * Suspends: no. Thread: any. Source: none. */
AION_API void aion_sim_calm_down(struct aion_sim *sim);

/** aion_sim_fault_nr - how many faults have struck so far. Suspends: no. Thread: any. Source: none. */
AION_API uint64_t aion_sim_fault_nr(const struct aion_sim *sim);

/** aion_sim_fault_max - let at most so many strike in all: to find the one that matters. Default UINT64_MAX.
 * Suspends: no. Thread: any. Source: none. */
AION_API void aion_sim_fault_max(struct aion_sim *sim, uint64_t fault_max);

#define AION_SIM_ANY (-1) /* an operation of any kind */

/**
 * aion_sim_inject - let one operation fail.
 * @opcode: IORING_OP_…, or AION_SIM_ANY.
 * @nth: 1 = the next one of this kind that is submitted or tried, 2 = the one after it, …
 * @error: what it ends with, -errno; it has no other effect.
 *
 * Errors: -EINVAL (nth is 0, error is not negative, no such opcode).
 * Suspends: no. Thread: any. Source: none.
 */
AION_API int aion_sim_inject(struct aion_sim *sim, int opcode, unsigned nth, int error);

/** aion_sim_now - the machine's clock, ns. Suspends: no. Thread: any. Source: none. */
AION_API int64_t aion_sim_now(const struct aion_sim *sim);

/** aion_sim_advance - let time pass: delta_ns (not negative) nanoseconds. What has become due happens when the loop
 * next enters the machine. Suspends: no. Thread: any. Source: none. */
AION_API void aion_sim_advance(struct aion_sim *sim, int64_t delta_ns);

/**
 * aion_sim_file_write - make a file, with the directories on its path; what it held is replaced.
 * @path: absolute.
 *
 * Errors: -EINVAL (a path that is not absolute; what is there is a device or a named pipe); -EISDIR, -ENOTDIR, -ELOOP,
 *   -ENOSPC, -ENAMETOOLONG.
 * Suspends: no. Thread: any. Source: none.
 */
AION_API int aion_sim_file_write(struct aion_sim *sim, const char *path, const void *data, size_t size);

/**
 * aion_sim_file_read - look at a file's content.
 * @ret_data: valid until the file is next changed. @ret_size: bytes.
 *
 * Errors: -EINVAL (a path that is not absolute; a device or a named pipe); -ENOENT, -ENOTDIR, -EISDIR, -ELOOP,
 *   -ENAMETOOLONG.
 * Suspends: no. Thread: any. Source: none.
 */
AION_API int aion_sim_file_read(struct aion_sim *sim, const char *path, const void **ret_data, size_t *ret_size);

/**
 * aion_sim_pipe - as pipe2(2), on the machine.
 * @fds: reading end, writing end. @flags: O_NONBLOCK, O_CLOEXEC.
 *
 * Errors: -EMFILE, -EINVAL.
 * Suspends: no. Thread: any. Source: pipe2(2).
 */
AION_API int aion_sim_pipe(struct aion_sim *sim, int fds[2], int flags);

/**
 * aion_sim_socketpair - as socketpair(2), on the machine; AF_INET gives a connected pair of TCP sockets.
 * @domain: AF_UNIX, AF_INET. @type: SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET (the last two: AF_UNIX only), and
 *   SOCK_NONBLOCK, SOCK_CLOEXEC.
 *
 * Errors: -EMFILE, -EAFNOSUPPORT, -ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -EINVAL.
 * Suspends: no. Thread: any. Source: socketpair(2).
 */
AION_API int aion_sim_socketpair(struct aion_sim *sim, int domain, int type, int fds[2]);

/** aion_sim_trace_print - write what has happened as text, an event a line, to a descriptor of the process.
 * Result: 0. Errors: those of write(2). Suspends: no. Thread: any. Source: none. */
AION_API int aion_sim_trace_print(const struct aion_sim *sim, int fd);

/** aion_sim_trace_hash - a number that two runs share if their whole traces are equal. Suspends: no. Thread: any.
 * Source: none. */
AION_API uint64_t aion_sim_trace_hash(const struct aion_sim *sim);

/** aion_sim_op_nr - operations that the machine has completed. Suspends: no. Thread: any. Source: none. */
AION_API uint64_t aion_sim_op_nr(const struct aion_sim *sim);

#ifdef __cplusplus
}
#endif
#endif
