/* SPDX-License-Identifier: MIT */
/* SIGINT while aion_run() runs. The cases run in forked children: only their death shows what SIGINT does. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_task.h"

#define KERNEL() TEST_NEEDS_KERNEL("a simulated machine leaves SIGINT alone")

/* The wait status of a child that runs fn and ends with its result. */
static int status_of(int (*fn)(void))
{
	pid_t child = fork();
	int status;

	cr_assert_geq(child, 0);
	if (child == 0) {
		signal(SIGINT, SIG_DFL);
		_exit(fn());
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	return status;
}

static void assert_exits(int (*fn)(void), int expected)
{
	int status = status_of(fn);

	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == expected, "status %#x", (unsigned)status);
}

static void assert_killed(int (*fn)(void))
{
	int status = status_of(fn);

	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT, "status %#x", (unsigned)status);
}

static bool is_default(void)
{
	struct sigaction action;

	sigaction(SIGINT, NULL, &action);
	return action.sa_handler == SIG_DFL;
}

static int64_t interrupt_and_sleep(void *unused)
{
	kill(getpid(), SIGINT);
	return test_sleep_for_ever(NULL);
}

static int first_cancels(void)
{
	int64_t result = aion_run(interrupt_and_sleep, NULL, NULL);

	return result == -ECANCELED && is_default() ? 130 : 1;
}

Test(interrupt_run, the_first_cancels_the_main_task)
{
	KERNEL();
	assert_exits(first_cancels, 130);
}

static int64_t interrupt_later(void *unused)
{
	pid_t child = fork();

	if (child == 0) {
		usleep(20000);
		kill(getppid(), SIGINT);
		_exit(0);
	}
	return test_sleep_for_ever(NULL);
}

static int wakes_from_sleep(void)
{
	return aion_run(interrupt_later, NULL, NULL) == -ECANCELED ? 130 : 1;
}

Test(interrupt_run, it_wakes_a_loop_that_waits)
{
	KERNEL();
	assert_exits(wakes_from_sleep, 130);
}

static int64_t make_something_of_it(void *unused)
{
	return interrupt_and_sleep(NULL) == -ECANCELED && aion_yield() == -ECANCELED ? 42 : 1;
}

static int result_is_the_task_s(void)
{
	return (int)aion_run(make_something_of_it, NULL, NULL);
}

Test(interrupt_run, the_result_is_what_the_task_makes_of_it)
{
	KERNEL();
	assert_exits(result_is_the_task_s, 42);
}

static int64_t interrupt_twice(void *unused)
{
	kill(getpid(), SIGINT);
	aion_sleep(AION_SECOND);
	kill(getpid(), SIGINT);
	return 0;
}

static int second_kills(void)
{
	return (int)aion_run(interrupt_twice, NULL, NULL);
}

Test(interrupt_run, the_second_kills)
{
	KERNEL();
	assert_killed(second_kills);
}

static int a_run_after_an_interrupted_one(void)
{
	for (int i = 0; i < 3; i++)
		if (aion_run(interrupt_and_sleep, NULL, NULL) != -ECANCELED)
			return 1;
	return 0;
}

Test(interrupt_run, every_run_has_a_first_one)
{
	KERNEL();
	assert_exits(a_run_after_an_interrupted_one, 0);
}

static void run_inside(void *ret_result)
{
	*(int64_t *)ret_result = aion_run(test_sleep_1ms, NULL, NULL);
}

static int64_t interrupt_after_a_nested_run(void *unused)
{
	int64_t result = -1;

	aion_loop_post(aion_loop_current(), run_inside, &result);
	while (result == -1)
		aion_yield();
	return result == 0 ? interrupt_and_sleep(NULL) : 1;
}

static int nested(void)
{
	return aion_run(interrupt_after_a_nested_run, NULL, NULL) == -ECANCELED && is_default() ? 130 : 1;
}

Test(interrupt_run, a_run_inside_a_post_leaves_it_to_the_outer_one)
{
	KERNEL();
	assert_exits(nested, 130);
}

static int after_the_run(void)
{
	aion_run(test_return, test_number(0), NULL);
	raise(SIGINT);
	return 0;
}

Test(interrupt_run, afterwards_it_kills_as_before)
{
	KERNEL();
	assert_killed(after_the_run);
}

static int with_the_option(void)
{
	return (int)aion_run(interrupt_and_sleep, NULL, &(struct aion_loop_options){.no_interrupt_handler = true});
}

Test(interrupt_run, the_option_leaves_it_alone)
{
	KERNEL();
	assert_killed(with_the_option);
}

static volatile sig_atomic_t handled_nr;

static void count_signal(int number)
{
	handled_nr++;
}

static int64_t raise_once(void *unused)
{
	raise(SIGINT);
	return aion_yield();
}

static int with_a_handler(void)
{
	struct sigaction action;

	signal(SIGINT, count_signal);
	if (aion_run(raise_once, NULL, NULL) != 0 || handled_nr != 1)
		return 1;
	sigaction(SIGINT, NULL, &action);
	return action.sa_handler == count_signal ? 0 : 2;
}

Test(interrupt_run, a_program_s_own_handler_stays)
{
	assert_exits(with_a_handler, 0);
}

static int ignored(void)
{
	signal(SIGINT, SIG_IGN);
	return aion_run(raise_once, NULL, NULL) == 0 ? 0 : 1;
}

Test(interrupt_run, ignored_it_stays_ignored)
{
	assert_exits(ignored, 0);
}

static int64_t raise_blocked(void *unused)
{
	return is_default() ? raise_once(NULL) : -EPERM;
}

static int blocked(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (aion_run(raise_blocked, NULL, NULL) != 0)
		return 1;
	return sigtimedwait(&set, NULL, &(struct timespec){0}) == SIGINT ? 0 : 2;
}

Test(interrupt_run, blocked_it_waits_for_whom_it_is_meant)
{
	assert_exits(blocked, 0);
}

static int64_t install_and_raise(void *unused)
{
	signal(SIGINT, count_signal);
	return raise_once(NULL);
}

static int installed_in_the_run(void)
{
	if (aion_run(install_and_raise, NULL, NULL) != 0)
		return 1;
	raise(SIGINT);
	return handled_nr == 2 ? 0 : 2;
}

Test(interrupt_run, one_that_a_task_installs_stays)
{
	KERNEL();
	assert_exits(installed_in_the_run, 0);
}

static void *run_on_thread(void *unused)
{
	aion_run(interrupt_and_sleep, NULL, NULL);
	return NULL;
}

static int on_another_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, run_on_thread, NULL);
	pthread_join(thread, NULL);
	return 0;
}

Test(interrupt_run, on_another_thread_it_kills)
{
	KERNEL();
	assert_killed(on_another_thread);
}

/* A child of a program that is in its run is not in one. */
static int64_t fork_and_interrupt(void *unused)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		raise(SIGINT);
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) && aion_yield() == 0 ? WTERMSIG(status) : -1;
}

static int in_a_child(void)
{
	return (int)aion_run(fork_and_interrupt, NULL, NULL);
}

Test(interrupt_run, a_forked_child_dies_of_it)
{
	KERNEL();
	assert_exits(in_a_child, SIGINT);
}
