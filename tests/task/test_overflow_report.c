/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "overflow_int.h"
#include "stack_int.h"
#include "switch_int.h"

/* Valgrind would report the faults, which are meant. */
#ifndef AION_VALGRIND

static struct aion__stack_pool pool;
static struct aion__overflow_watch watch;
static void *thread_sp;

static void pool_up(void)
{
	aion__stack_pool_init(&pool);
}

static void pool_down(void)
{
	aion__stack_pool_fini(&pool);
}

TestSuite(overflow_report, .init = pool_up, .fini = pool_down);

static bool find_in_pool(void *arg, const void *address, struct aion__overflow *ret)
{
	struct aion__stack *stack = aion__stack_pool_owner(arg, address);

	if (!stack || !aion__stack_is_overflow(stack, address))
		return false;
	*ret = (struct aion__overflow){.task_name = "glutton", .stack_size = aion__stack_size(stack)};
	return true;
}

#define DEEP_ENOUGH 1000000u /* for no stack */

/* Each call keeps a frame that the next one's argument points into, so that none is optimised away. */
static __attribute__((noinline, no_sanitize_address)) unsigned dig(volatile char *above, unsigned depth)
{
	volatile char frame[512];

	frame[0] = (char)(above[0] + 1);
	return (depth ? dig(frame, depth - 1) : 0) + (unsigned)frame[0];
}

static __attribute__((no_sanitize_address)) void *dig_entry(void)
{
	volatile char first[16] = {0};

	dig(first, DEEP_ENOUGH);
	return thread_sp;
}

static void overflow_a_stack(void)
{
	struct aion__stack *stack = aion__stack_get(&pool, 2);

	aion__switch(&thread_sp, stack->top, dig_entry);
}

struct death {
	int status; /* as waitpid() gives it */
	char text[4096];
};

/* Run the function in a child whose standard error is a pipe. */
static struct death die_in_child(void (*fn)(void))
{
	struct death death = {0};
	size_t size = 0;
	int pipe_fds[2];
	ssize_t n;
	pid_t pid;

	cr_assert_eq(pipe(pipe_fds), 0);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (!pid) {
		dup2(pipe_fds[1], STDERR_FILENO);
		fn();
		_exit(0);
	}
	close(pipe_fds[1]);
	while ((n = read(pipe_fds[0], death.text + size, sizeof(death.text) - 1 - size)) > 0)
		size += (size_t)n;
	close(pipe_fds[0]);
	cr_assert_eq(waitpid(pid, &death.status, 0), pid);
	return death;
}

static void overflow_watched(void)
{
	aion__overflow_enter(&watch, find_in_pool, &pool);
	overflow_a_stack();
}

#define REPORT "aion: BUG: task \"glutton\" overflowed its stack of 262144 bytes\n"

Test(overflow_report, names_the_task_and_dies_of_the_signal)
{
	struct death death = die_in_child(overflow_watched);

	cr_expect(WIFSIGNALED(death.status) && WTERMSIG(death.status) == SIGSEGV, "status %x", death.status);
	cr_expect_str_eq(death.text, REPORT);
}

Test(overflow_report, is_seen_by_the_parent_as_a_signal, .signal = SIGSEGV)
{
	overflow_watched();
}

static void *overflow_in_thread(void *unused)
{
	overflow_watched();
	return NULL;
}

static void overflow_on_another_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, overflow_in_thread, NULL);
	pthread_join(thread, NULL);
}

/* The alternate stack is the thread's own. */
Test(overflow_report, works_on_any_thread)
{
	struct death death = die_in_child(overflow_on_another_thread);

	cr_expect(WIFSIGNALED(death.status) && WTERMSIG(death.status) == SIGSEGV);
	cr_expect_str_eq(death.text, REPORT);
}

static bool find_nothing(void *arg, const void *address, struct aion__overflow *ret)
{
	return false;
}

static void overflow_the_second_loops(void)
{
	static struct aion__overflow_watch others[2];

	aion__overflow_enter(&others[0], find_nothing, NULL);
	aion__overflow_enter(&watch, find_in_pool, &pool);
	aion__overflow_enter(&others[1], find_nothing, NULL);
	aion__overflow_leave(&others[0]);
	overflow_a_stack();
}

Test(overflow_report, asks_every_loop_of_the_thread)
{
	cr_expect_str_eq(die_in_child(overflow_the_second_loops).text, REPORT);
}

static void overflow_behind_another(void)
{
	char *guard = aion__stack_get(&pool, 0)->low - 1;

	aion__overflow_enter(&watch, find_nothing, NULL);
	signal(SIGSEGV, SIG_DFL); /* in front of ours, for good */
	*(volatile char *)guard = 1;
}

Test(overflow_report, handler_in_front_decides)
{
	struct death death = die_in_child(overflow_behind_another);

	cr_expect(WIFSIGNALED(death.status) && WTERMSIG(death.status) == SIGSEGV);
	cr_expect_str_eq(death.text, "");
}

static void *map_closed_page(void)
{
	return mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void fault_elsewhere(void)
{
	signal(SIGSEGV, SIG_DFL); /* not the sanitizer's */
	aion__overflow_enter(&watch, find_in_pool, &pool);
	*(volatile char *)map_closed_page() = 1;
}

Test(overflow_report, other_fault_without_handler_dies_silently)
{
	struct death death = die_in_child(fault_elsewhere);

	cr_expect(WIFSIGNALED(death.status) && WTERMSIG(death.status) == SIGSEGV);
	cr_expect_str_eq(death.text, "");
}

static void fault_elsewhere_ignored(void)
{
	signal(SIGSEGV, SIG_IGN);
	aion__overflow_enter(&watch, find_in_pool, &pool);
	kill(getpid(), SIGSEGV);
	(void)!write(STDERR_FILENO, "alive", 5);
	*(volatile char *)map_closed_page() = 1;
}

/* As the kernel does: a sent signal can be ignored, a fault cannot. */
Test(overflow_report, ignored_signal_is_ignored_unless_it_is_a_fault)
{
	struct death death = die_in_child(fault_elsewhere_ignored);

	cr_expect(WIFSIGNALED(death.status) && WTERMSIG(death.status) == SIGSEGV);
	cr_expect_str_eq(death.text, "alive");
}

static void send_by_hand(void)
{
	signal(SIGBUS, SIG_DFL);
	aion__overflow_enter(&watch, find_in_pool, &pool);
	kill(getpid(), SIGBUS);
}

Test(overflow_report, sent_signal_kills_as_before)
{
	struct death death = die_in_child(send_by_hand);

	cr_expect(WIFSIGNALED(death.status) && WTERMSIG(death.status) == SIGBUS);
}

static sigjmp_buf escape;
static void *volatile fault_address;
static volatile int plain_nr;

static void remember_and_escape(int signal, siginfo_t *info, void *context)
{
	fault_address = info->si_addr;
	siglongjmp(escape, 1);
}

static void count_plain(int signal)
{
	plain_nr++;
}

Test(overflow_report, other_fault_goes_to_the_handler_before)
{
	struct sigaction action = {.sa_sigaction = remember_and_escape, .sa_flags = SA_SIGINFO};
	char *page = map_closed_page();

	sigaction(SIGSEGV, &action, NULL);
	action = (struct sigaction){.sa_handler = count_plain};
	sigaction(SIGBUS, &action, NULL);
	aion__overflow_enter(&watch, find_in_pool, &pool);
	if (!sigsetjmp(escape, 1))
		*(volatile char *)(page + 100) = 1;
	cr_expect_eq(fault_address, page + 100);
	raise(SIGBUS);
	cr_expect_eq(plain_nr, 1);
	aion__overflow_leave(&watch);
	munmap(page, 4096);
}

/* Two loops, and a handler of the application's before them. */
Test(overflow_report, last_loop_brings_the_handler_before_back)
{
	struct sigaction action = {.sa_handler = count_plain};
	struct aion__overflow_watch second;

	sigaction(SIGSEGV, &action, NULL);
	aion__overflow_enter(&watch, find_in_pool, &pool);
	aion__overflow_enter(&second, find_in_pool, &pool);
	aion__overflow_leave(&watch);
	sigaction(SIGSEGV, NULL, &action);
	cr_expect(action.sa_flags & SA_SIGINFO && action.sa_flags & SA_ONSTACK);
	aion__overflow_leave(&second);
	sigaction(SIGSEGV, NULL, &action);
	cr_expect_eq(action.sa_handler, count_plain);
}

static struct sigaction wrapped;

static void wrap(int signal, siginfo_t *info, void *context)
{
	plain_nr++;
	wrapped.sa_sigaction(signal, info, context);
}

/* Somebody puts a handler in front of ours which calls ours. A new loop must not close the circle. */
Test(overflow_report, handler_that_calls_ours_outlives_the_loop)
{
	struct sigaction action = {.sa_handler = count_plain};

	sigaction(SIGSEGV, &action, NULL);
	aion__overflow_enter(&watch, find_in_pool, &pool);
	action = (struct sigaction){.sa_sigaction = wrap, .sa_flags = SA_SIGINFO};
	sigaction(SIGSEGV, &action, &wrapped);
	aion__overflow_leave(&watch);
	sigaction(SIGSEGV, NULL, &action);
	cr_expect_eq(action.sa_sigaction, wrap);
	aion__overflow_enter(&watch, find_in_pool, &pool);
	raise(SIGSEGV);
	cr_expect_eq(plain_nr, 2);
	aion__overflow_leave(&watch);
}

static void disable_alt_stack(void)
{
	stack_t none = {.ss_flags = SS_DISABLE};

	sigaltstack(&none, NULL);
}

Test(overflow_report, alternate_stack_is_installed_and_removed)
{
	stack_t before;
	stack_t now;

	sigaltstack(NULL, &before);
	disable_alt_stack();
	aion__overflow_enter(&watch, find_in_pool, &pool);
	sigaltstack(NULL, &now);
	cr_expect(!(now.ss_flags & SS_DISABLE) && now.ss_size >= 65536);
	aion__overflow_leave(&watch);
	sigaltstack(NULL, &now);
	cr_expect(now.ss_flags & SS_DISABLE);
	if (!(before.ss_flags & SS_DISABLE))
		sigaltstack(&before, NULL); /* the sanitizer's */
}

Test(overflow_report, alternate_stack_of_the_application_is_kept)
{
	static char memory[65536] __attribute__((aligned(16)));
	stack_t own = {.ss_sp = memory, .ss_size = sizeof(memory)};
	stack_t before;
	stack_t now;

	sigaltstack(&own, &before);
	aion__overflow_enter(&watch, find_in_pool, &pool);
	sigaltstack(NULL, &now);
	cr_expect_eq(now.ss_sp, (void *)memory);
	aion__overflow_leave(&watch);
	sigaltstack(NULL, &now);
	cr_expect_eq(now.ss_sp, (void *)memory);
	sigaltstack(&before, NULL);
}

static void leave_what_was_not_entered(void)
{
	aion__overflow_leave(&watch);
}

Test(overflow_report, leaving_unentered_aborts)
{
	struct death death = die_in_child(leave_what_was_not_entered);

	cr_expect(WIFSIGNALED(death.status) && WTERMSIG(death.status) == SIGABRT);
	cr_expect_not_null(strstr(death.text, "aion: BUG: a loop ends on a thread"));
}

#endif
