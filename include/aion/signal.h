/* SPDX-License-Identifier: MIT */
#ifndef AION_SIGNAL_H
#define AION_SIGNAL_H
/*
 * Signals as something to wait for. No handler in the application's code: a task asks for the next signal of a set,
 * with a watch that stays open between two of them:
 *
 *	AION_CLEANUP(aion_signal_close) struct aion_signal_watch watch = {0};
 *
 *	aion_signal_open(&watch, (const int[]){SIGHUP, 0});
 *	while (aion_signal_next(&watch, NULL) > 0)
 *		read_configuration();
 *
 * While a watch is open its signals have no other effect on the process. Every watch gets every signal, on whichever
 * loop and thread it is. With the last watch of a signal its disposition is what it was before, and so is the mask of
 * the watch's thread. SIGINT has a meaning of its own while aion_run() runs, see loop.h; a watch takes precedence.
 */
#include <stdbool.h>

#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A signal that has come: of siginfo_t what does not depend on the number. */
struct aion_signal_info {
	int32_t number;
	int32_t code;  /* si_code: SI_USER for kill(2), SI_QUEUE for sigqueue(3), SI_KERNEL … */
	int32_t pid;   /* the sender, or of SIGCHLD the child; 0 if the kernel knows none */
	uint32_t uid;  /* its user */
	int64_t value; /* what sigqueue(3) gave along */
	int64_t reserved;
};

/* The caller's memory, from open to close; all zero = closed. The fields are private. */
struct aion_signal_watch {
	struct aion_signal_watch *next; /* of all watches of the process */
	const void *thread;             /* which opened it */
	uint64_t numbers;               /* bit n - 1: signal n is watched */
	uint64_t missed;                /* bit n - 1: signal n came when the pipe was full */
	int32_t pid;                    /* the process that opened it */
	int32_t read_fd;
	int32_t write_fd;
	bool is_open;
};

/**
 * aion_signal_open - begin to receive signals.
 * @watch: closed (all zero); an open one aborts the process. It stays in place until aion_signal_close(), which is
 *   called on the same thread.
 * @numbers: which, 0 at the end. Where this thread blocks one of them it is unblocked while the watch is open, so that
 *   one which is pending comes at once. The synchronous ones are refused (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
 *   SIGSYS), and so are SIGKILL, SIGSTOP, SIGABRT, and SIGPIPE, which a loop turns into -EPIPE.
 *
 * From then on no signal is lost. Threads that block a signal leave it to the others, as always.
 * Result: 0.
 * Errors: -EINVAL (no number, or one that cannot be watched); -EMFILE, -ENFILE, -ENOMEM (no pipe); -EBUSY (not inside a
 *   task); -ECHILD.
 * Suspends: no. Thread: loop. Source: sigaction(2), pthread_sigmask(3), pipe2(2).
 */
AION_API int aion_signal_open(struct aion_signal_watch *watch, const int *numbers);

/**
 * aion_signal_next - wait for the watch's next signal; try: take one that has come.
 * @watch: open. Signals that come between two calls are kept, in their order.
 * @ret_info: who sent it and why; NULL if not wanted. If more signals are kept than a pipe takes (a few hundred at
 *   least), those beyond are kept by their numbers only, once each, after the others.
 *
 * Several tasks may wait on one watch; each signal then goes to one of them.
 * Result: the signal's number.
 * Errors: -ECANCELED (no signal is lost by that); -EBADF (the watch is closed, or was while the task waited); -EBUSY
 *   (not inside a task); -ECHILD; -ENOMEM. Try: -EAGAIN (none has come), -EBADF, -ECHILD.
 * Suspends: yes (try: no, and is no checkpoint). Thread: loop. Source: read(2), IORING_OP_READ, Linux 5.6.
 */
AION_API AION_SUSPENDS int64_t aion_signal_next(struct aion_signal_watch *watch, struct aion_signal_info *ret_info);
AION_API int64_t aion_signal_try_next(struct aion_signal_watch *watch, struct aion_signal_info *ret_info);

/**
 * aion_signal_close - stop receiving. Always finishes.
 * @watch: open or closed; not one that was opened on another thread (aborts). Signals that it keeps are dropped. Tasks
 *   that wait on it get -EBADF.
 *
 * Where the application has changed the disposition of a signal in the meantime, that change stays.
 * Suspends: yes, but never returns early. Thread: loop. Source: sigaction(2), close(2).
 */
AION_API AION_SUSPENDS void aion_signal_close(struct aion_signal_watch *watch);

/**
 * aion_signal_wait, aion_signal_wait_any - wait for one signal: open, next, close.
 * @number, @numbers, @ret_info: as above.
 *
 * Before and after the call the signals do what they did before, and one that comes while another ends the call is
 * dropped: for one after the other use a watch.
 * Result and errors as aion_signal_open() and aion_signal_next().
 * Suspends: yes. Thread: loop. Source: as above.
 */
AION_API AION_SUSPENDS int64_t aion_signal_wait(int number, struct aion_signal_info *ret_info);
AION_API AION_SUSPENDS int64_t aion_signal_wait_any(const int *numbers, struct aion_signal_info *ret_info);

#ifdef __cplusplus
}
#endif
#endif
