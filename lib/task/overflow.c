/* SPDX-License-Identifier: MIT */
#include "overflow_int.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "assert_int.h"

#define ALT_STACK_SIZE ((size_t)64 << 10) /* bytes that handlers may use, ours and those behind it */
#define LINE_SIZE 256                     /* bytes of the report */

static const int signals[] = {SIGSEGV, SIGBUS};
#define SIGNAL_NR (sizeof(signals) / sizeof(signals[0]))

/* What the process has, under the lock; the handler reads `before` without it, which is written before it can run. */
static pthread_mutex_t handler_lock = PTHREAD_MUTEX_INITIALIZER;
static size_t watch_nr;
static bool is_installed[SIGNAL_NR];
static struct sigaction before[SIGNAL_NR];

/* What each thread has. */
static __thread struct aion__overflow_watch *watches __attribute__((tls_model("initial-exec")));
static __thread stack_t alt_stack __attribute__((tls_model("initial-exec"))); /* ours, ss_sp NULL if there is none */

/* Else a child that is forked while another thread is in here would find the lock taken for ever. */
static void handler_lock_take(void)
{
	pthread_mutex_lock(&handler_lock);
}

static void handler_lock_release(void)
{
	pthread_mutex_unlock(&handler_lock);
}

static __attribute__((constructor)) void fork_prepare(void)
{
	pthread_atfork(handler_lock_take, handler_lock_release, handler_lock_release);
}

static char *line_put(char *at, const char *end, const char *text)
{
	while (*text && at < end)
		*at++ = *text++;
	return at;
}

static char *line_put_number(char *at, const char *end, size_t number)
{
	char digits[24];
	char *first = &digits[sizeof(digits) - 1];

	*first = '\0';
	do {
		*--first = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	return line_put(at, end, first);
}

/* By hand: printf is not for signal handlers. */
static void overflow_print(const struct aion__overflow *overflow)
{
	char line[LINE_SIZE] = "";
	char *end = line + sizeof(line) - 1;
	char *at = line;
	ssize_t written;

	at = line_put(at, end, "aion: BUG: task \"");
	at = line_put(at, end, overflow->task_name);
	at = line_put(at, end, "\" overflowed its stack of ");
	at = line_put_number(at, end, overflow->stack_size);
	at = line_put(at, end, " bytes");
	*at++ = '\n';
	written = write(STDERR_FILENO, line, (size_t)(at - line));
	(void)written; /* the process dies of it in any case */
}

static bool overflow_find(const void *address, struct aion__overflow *ret)
{
	for (struct aion__overflow_watch *watch = watches; watch; watch = watch->next)
		if (watch->find(watch->arg, address, ret))
			return true;
	return false;
}

/*
 * The default: on return the instruction faults again, with nobody to catch it. A signal that somebody sent would not
 * come again by itself: it is sent once more, and stays blocked until the handler has returned.
 */
static void fault_by_default(int signal, bool by_kernel)
{
	struct sigaction action = {.sa_handler = SIG_DFL};

	sigaction(signal, &action, NULL);
	if (!by_kernel)
		raise(signal);
}

static void fault_hand_on(const struct sigaction *to, int signal, siginfo_t *info, void *context)
{
	bool by_kernel = info->si_code > 0;

	if (to->sa_flags & SA_SIGINFO)
		to->sa_sigaction(signal, info, context);
	else if (to->sa_handler == SIG_DFL || (to->sa_handler == SIG_IGN && by_kernel))
		fault_by_default(signal, by_kernel);
	else if (to->sa_handler != SIG_IGN)
		to->sa_handler(signal);
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
	struct aion__overflow overflow;
	int saved_errno = errno;

	if (info->si_code > 0 && overflow_find(info->si_addr, &overflow)) {
		overflow_print(&overflow);
		fault_by_default(signal, true);
	} else {
		fault_hand_on(&before[signal == signals[0] ? 0 : 1], signal, info, context);
	}
	errno = saved_errno;
}

static bool handler_is_ours(const struct sigaction *action)
{
	return action->sa_flags & SA_SIGINFO && action->sa_sigaction == on_fault;
}

/* Only the handler that was there before may decide what else is blocked while it runs. */
static void handler_install(size_t i)
{
	struct sigaction action = {.sa_sigaction = on_fault};

	if (is_installed[i])
		return;
	sigaction(signals[i], NULL, &before[i]);
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | (before[i].sa_flags & SA_NODEFER);
	action.sa_mask = before[i].sa_mask;
	is_installed[i] = !sigaction(signals[i], &action, NULL);
}

/* If somebody has put a handler in front of ours, it may call ours: then ours stays, and hands everything on. */
static void handler_remove(size_t i)
{
	struct sigaction now;

	sigaction(signals[i], NULL, &now);
	if (!is_installed[i] || !handler_is_ours(&now))
		return;
	sigaction(signals[i], &before[i], NULL);
	is_installed[i] = false;
}

/* The kernel's own part of the frame grows with the processor's registers. */
static void alt_stack_install(void)
{
	size_t size = ALT_STACK_SIZE + getauxval(AT_MINSIGSTKSZ);
	stack_t now;
	void *memory;

	if (sigaltstack(NULL, &now) < 0 || !(now.ss_flags & SS_DISABLE))
		return;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return;
	alt_stack = (stack_t){.ss_sp = memory, .ss_size = size};
	sigaltstack(&alt_stack, NULL);
}

/* If another one is in place by now, whoever did that had ours before and may bring it back: it stays mapped. */
static void alt_stack_remove(void)
{
	stack_t none = {.ss_flags = SS_DISABLE};
	stack_t now;

	if (!alt_stack.ss_sp)
		return;
	if (!sigaltstack(NULL, &now) && now.ss_sp == alt_stack.ss_sp && !sigaltstack(&none, NULL))
		munmap(alt_stack.ss_sp, alt_stack.ss_size);
	alt_stack.ss_sp = NULL;
}

void aion__overflow_enter(struct aion__overflow_watch *watch, aion__overflow_find_fn *find, void *arg)
{
	int saved_errno = errno;

	if (!watches)
		alt_stack_install();
	*watch = (struct aion__overflow_watch){.next = watches, .find = find, .arg = arg};
	__atomic_store_n(&watches, watch, __ATOMIC_RELEASE);

	pthread_mutex_lock(&handler_lock);
	if (!watch_nr++)
		for (size_t i = 0; i < SIGNAL_NR; i++)
			handler_install(i);
	pthread_mutex_unlock(&handler_lock);
	errno = saved_errno;
}

void aion__overflow_leave(struct aion__overflow_watch *watch)
{
	struct aion__overflow_watch **at = &watches;
	int saved_errno = errno;

	while (*at && *at != watch)
		at = &(*at)->next;
	AION_BUG_ON(!*at, "a loop ends on a thread that it did not take");
	__atomic_store_n(at, watch->next, __ATOMIC_RELEASE);

	pthread_mutex_lock(&handler_lock);
	if (!--watch_nr)
		for (size_t i = 0; i < SIGNAL_NR; i++)
			handler_remove(i);
	pthread_mutex_unlock(&handler_lock);
	if (!watches)
		alt_stack_remove();
	errno = saved_errno;
}
