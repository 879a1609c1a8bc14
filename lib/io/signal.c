/* SPDX-License-Identifier: MIT */
/*
 * Signals as something to wait for: a handler of our own, which writes what has come into a pipe of each watch.
 *
 * Not signalfd(2): that takes a signal only if every thread of the process blocks it, and no library can make other
 * threads do so; where one does not, the signal has its default action there. A handler is found from whichever thread
 * the kernel picks. And a signalfd hands a signal to one reader, not to all.
 *
 * The handler may run at any place of any thread. It takes no lock: the list of watches is only read, and whoever takes
 * a watch out of it waits until no handler is inside before its pipe is closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <aion/file.h>
#include <aion/scope.h>
#include <aion/signal.h>

#include "assert_int.h"
#include "inside_int.h"

#define NUMBER_MAX 64

/* What this thread has unblocked for its watches. */
struct thread_mask {
	unsigned watch_nr[NUMBER_MAX + 1];
	uint64_t was_blocked;
};

static __thread struct thread_mask thread_mask;

/* Changed under the lock, with all signals blocked, or a handler could want what its own thread is changing. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static struct sigaction before[NUMBER_MAX + 1]; /* what the signals did before their first watch */
static unsigned watch_nr[NUMBER_MAX + 1];
static struct aion_signal_watch *watches; /* atomic: handlers read it */
static pid_t owner_pid;                   /* whose watches these are */
static atomic_uint inside_nr;             /* handlers at work */

static uint64_t number_bit(int number)
{
	return UINT64_C(1) << (number - 1);
}

/* ---- the handler */

static bool watch_write(struct aion_signal_watch *watch, const struct aion_signal_info *info)
{
	return write(watch->write_fd, info, sizeof(*info)) == sizeof(*info);
}

/* A full pipe: the number alone is kept. The reader looks for it when the pipe is empty; in case that was between our
 * two steps, a second try to write wakes him. */
static void watch_put(struct aion_signal_watch *watch, const struct aion_signal_info *info)
{
	uint64_t bit = number_bit(info->number);

	if (watch_write(watch, info))
		return;
	__atomic_fetch_or(&watch->missed, bit, __ATOMIC_SEQ_CST);
	if (watch_write(watch, info))
		__atomic_fetch_and(&watch->missed, ~bit, __ATOMIC_SEQ_CST);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	int saved = errno;
	const struct aion_signal_info record = {
		.number = number,
		.code = info->si_code,
		.pid = info->si_pid,
		.uid = info->si_uid,
		.value = info->si_code == SI_QUEUE ? (intptr_t)info->si_ptr : 0,
	};
	struct aion_signal_watch *watch;

	atomic_fetch_add(&inside_nr, 1);
	if (getpid() == owner_pid) {
		for (watch = __atomic_load_n(&watches, __ATOMIC_ACQUIRE); watch;
		     watch = __atomic_load_n(&watch->next, __ATOMIC_ACQUIRE))
			if (watch->numbers & number_bit(number))
				watch_put(watch, &record);
	} else {
		/* A child that was forked a moment ago, or by vfork(2): the watches and pipes are its parent's. Here
		 * the signal does what it did before; it comes again when this handler returns. */
		sigaction(number, &before[number], NULL);
		raise(number);
	}
	atomic_fetch_sub(&inside_nr, 1);
	errno = saved;
}

/* ---- dispositions */

static bool is_ours(const struct sigaction *action)
{
	return action->sa_flags & SA_SIGINFO && action->sa_sigaction == on_signal;
}

static void disposition_take(int number)
{
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};

	sigfillset(&action.sa_mask);
	sigaction(number, &action, &before[number]);
}

/* Unless the application has put something else there. */
static void disposition_restore(int number)
{
	struct sigaction now;

	if (sigaction(number, NULL, &now) == 0 && is_ours(&now))
		sigaction(number, &before[number], NULL);
}

/* A forked child has no watches. Its only thread is the one that forked, so nobody is in the middle of anything. */
static void forget_in_child(void)
{
	for (int number = 1; number <= NUMBER_MAX; number++) {
		if (watch_nr[number])
			disposition_restore(number);
		watch_nr[number] = 0;
	}
	__atomic_store_n(&watches, NULL, __ATOMIC_RELEASE);
	atomic_store(&inside_nr, 0);
	pthread_mutex_init(&lock, NULL);
	owner_pid = getpid();
}

static void fork_prepare(void)
{
	pthread_atfork(NULL, NULL, forget_in_child);
	owner_pid = getpid();
}

static void lock_take(sigset_t *ret_mask)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, ret_mask);
	pthread_mutex_lock(&lock);
}

static void lock_release(const sigset_t *mask)
{
	pthread_mutex_unlock(&lock);
	pthread_sigmask(SIG_SETMASK, mask, NULL);
}

static void watch_link(struct aion_signal_watch *watch)
{
	sigset_t mask;

	lock_take(&mask);
	watch->next = watches;
	__atomic_store_n(&watches, watch, __ATOMIC_RELEASE);
	for (int number = 1; number <= NUMBER_MAX; number++)
		if (watch->numbers & number_bit(number) && !watch_nr[number]++)
			disposition_take(number);
	lock_release(&mask);
}

/* In a forked child it may not be there any more. */
static void watch_unlink(struct aion_signal_watch *watch)
{
	struct aion_signal_watch **at = &watches;
	sigset_t mask;

	lock_take(&mask);
	while (*at && *at != watch)
		at = &(*at)->next;
	if (*at) {
		for (int number = 1; number <= NUMBER_MAX; number++)
			if (watch->numbers & number_bit(number) && !--watch_nr[number])
				disposition_restore(number);
		__atomic_store_n(at, watch->next, __ATOMIC_SEQ_CST);
	}
	/* Who came in before may still be at it, or at one that was taken out a moment ago. None is on this thread. */
	while (atomic_load(&inside_nr))
		sched_yield();
	lock_release(&mask);
}

/* ---- the mask of the loop's thread */

static void mask_open(uint64_t numbers)
{
	sigset_t set, mask;

	sigemptyset(&set);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	for (int number = 1; number <= NUMBER_MAX; number++) {
		if (!(numbers & number_bit(number)) || thread_mask.watch_nr[number]++)
			continue;
		thread_mask.was_blocked &= ~number_bit(number);
		if (sigismember(&mask, number) == 1)
			thread_mask.was_blocked |= number_bit(number);
		sigaddset(&set, number);
	}
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void mask_close(uint64_t numbers)
{
	sigset_t set;

	sigemptyset(&set);
	for (int number = 1; number <= NUMBER_MAX; number++)
		if (numbers & number_bit(number) && !--thread_mask.watch_nr[number] &&
		    thread_mask.was_blocked & number_bit(number))
			sigaddset(&set, number);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* ---- watches */

static bool can_be_watched(int number)
{
	static const int refused[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGTRAP,
				      SIGSYS,  SIGKILL, SIGSTOP, SIGABRT, SIGPIPE};

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (number == refused[i])
			return false;
	return number > 0 && number <= SIGRTMAX && (number < __SIGRTMIN || number >= SIGRTMIN);
}

static int numbers_collect(const int *numbers, uint64_t *ret_numbers)
{
	uint64_t collected = 0;

	for (; *numbers; numbers++) {
		if (!can_be_watched(*numbers))
			return -EINVAL;
		collected |= number_bit(*numbers);
	}
	*ret_numbers = collected;
	return collected ? 0 : -EINVAL;
}

static int watch_pipe(struct aion_signal_watch *watch)
{
	int saved = errno;
	int fds[2];
	int result = pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;

	errno = saved;
	if (result < 0)
		return result;
	watch->read_fd = fds[0];
	watch->write_fd = fds[1];
	return 0;
}

int aion_signal_open(struct aion_signal_watch *watch, const int *numbers)
{
	struct aion_signal_watch new = {.thread = &thread_mask, .pid = getpid(), .is_open = true};
	int result = aion__inside_refuses();

	AION_BUG_ON(watch->is_open, "signal watch opened while open");
	if (result == 0)
		result = numbers_collect(numbers, &new.numbers);
	if (result == 0)
		result = watch_pipe(&new);
	if (result < 0)
		return result;
	pthread_once(&fork_once, fork_prepare);
	*watch = new;
	watch_link(watch);
	mask_open(watch->numbers);
	return 0;
}

/* The blocking again comes first: what was blocked stays pending then, instead of having its old effect here. */
void aion_signal_close(struct aion_signal_watch *watch)
{
	int saved = errno;

	if (!watch->is_open)
		return;
	AION_BUG_ON(watch->thread != &thread_mask, "signal watch closed on another thread than its loop's");
	watch->is_open = false;
	mask_close(watch->numbers);
	watch_unlink(watch);
	close(watch->write_fd);
	aion_fd_closep(&watch->read_fd);
	errno = saved;
}

/* The first of those that came when the pipe was full. */
static int64_t watch_take_missed(struct aion_signal_watch *watch, struct aion_signal_info *ret_info)
{
	uint64_t missed = __atomic_load_n(&watch->missed, __ATOMIC_SEQ_CST);
	int number;

	if (!missed)
		return -EAGAIN;
	number = __builtin_ctzll(missed) + 1;
	__atomic_fetch_and(&watch->missed, ~number_bit(number), __ATOMIC_SEQ_CST);
	*ret_info = (struct aion_signal_info){.number = number};
	return number;
}

static int64_t watch_take(struct aion_signal_watch *watch, struct aion_signal_info *ret_info)
{
	int saved = errno;
	ssize_t size = read(watch->read_fd, ret_info, sizeof(*ret_info));

	errno = saved;
	return size == sizeof(*ret_info) ? ret_info->number : watch_take_missed(watch, ret_info);
}

int64_t aion_signal_try_next(struct aion_signal_watch *watch, struct aion_signal_info *ret_info)
{
	struct aion_signal_info info;
	int64_t result;

	if (!watch->is_open)
		return -EBADF;
	if (watch->pid != getpid())
		return -ECHILD;
	result = watch_take(watch, &info);
	if (result > 0 && ret_info)
		*ret_info = info;
	return result;
}

int64_t aion_signal_next(struct aion_signal_watch *watch, struct aion_signal_info *ret_info)
{
	struct aion_signal_info info;
	int64_t result = aion_checkpoint();

	while (result >= 0 || result == -EINTR) {
		result = aion_signal_try_next(watch, ret_info);
		if (result != -EAGAIN)
			return result;
		result = aion_read(watch->read_fd, &info, sizeof(info));
		if (result == sizeof(info)) {
			if (ret_info)
				*ret_info = info;
			return info.number;
		}
	}
	return result;
}

int64_t aion_signal_wait_any(const int *numbers, struct aion_signal_info *ret_info)
{
	struct aion_signal_watch watch = {0};
	int64_t result = aion_checkpoint();

	if (result == 0)
		result = aion_signal_open(&watch, numbers);
	if (result == 0)
		result = aion_signal_next(&watch, ret_info);
	aion_signal_close(&watch);
	return result;
}

int64_t aion_signal_wait(int number, struct aion_signal_info *ret_info)
{
	return aion_signal_wait_any((const int[]){number, 0}, ret_info);
}
