/* SPDX-License-Identifier: MIT */
/* Signals as something to wait for: who gets them, what is kept, what is as before afterwards. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "test_file.h"
#include "test_task.h"

#define KERNEL() TEST_NEEDS_KERNEL("signals reach the process itself")
#define NUMBERS(...) ((const int[]){__VA_ARGS__, 0})

static int64_t wait_usr1(void *unused)
{
	return aion_signal_wait(SIGUSR1, NULL);
}

static int64_t wait_info(void *ret_info)
{
	return aion_signal_wait_any(NUMBERS(SIGUSR2, SIGUSR1), ret_info);
}

static void assert_default(int number)
{
	struct sigaction action;

	cr_assert_eq(sigaction(number, NULL, &action), 0);
	cr_assert_not(action.sa_flags & SA_SIGINFO);
	cr_assert_eq(action.sa_handler, SIG_DFL);
}

TASK_TEST(signal_wait, every_waiter_gets_it)
{
	struct aion_handle waiters[5];
	struct aion_signal_info info = {0};
	struct aion_group group;

	KERNEL();
	aion_group_enter(&group);
	for (int i = 0; i < 4; i++)
		aion_spawn_into(&group, &waiters[i], NULL, wait_usr1, NULL);
	aion_spawn_into(&group, &waiters[4], NULL, wait_info, &info);
	aion_yield();
	aion_yield();
	aion_handle_cancel(&waiters[2]);
	kill(getpid(), SIGUSR1);
	assert_result(aion_group_leave(&group, 0), 0);
	for (int i = 0; i < 5; i++)
		assert_result(waiters[i].future.result, i == 2 ? -ECANCELED : SIGUSR1);
	cr_assert_eq(info.number, SIGUSR1);
	cr_assert_eq(info.pid, getpid());
	cr_assert_eq(info.uid, getuid());
	cr_assert_eq(info.code, SI_USER);
	assert_default(SIGUSR1);
	assert_default(SIGUSR2);
}

TASK_TEST(signal_wait, a_watch_loses_none_between_two_waits)
{
	AION_CLEANUP(aion_signal_close) struct aion_signal_watch watch = {0};
	struct aion_signal_info info;

	KERNEL();
	assert_result(aion_signal_open(&watch, NUMBERS(SIGTERM, SIGHUP, SIGRTMIN)), 0);
	assert_result(aion_signal_try_next(&watch, &info), -EAGAIN);
	raise(SIGTERM);
	raise(SIGHUP);
	for (int i = 0; i < 3; i++)
		sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 40 + i});
	assert_result(aion_signal_next(&watch, NULL), SIGTERM);
	assert_result(aion_signal_try_next(&watch, NULL), SIGHUP);
	for (int i = 0; i < 3; i++) {
		assert_result(aion_signal_next(&watch, &info), SIGRTMIN);
		cr_assert_eq(info.value, 40 + i);
		cr_assert_eq(info.code, SI_QUEUE);
	}
	assert_result(aion_signal_try_next(&watch, &info), -EAGAIN);
}

TASK_TEST(signal_wait, one_that_is_blocked_comes_at_once)
{
	sigset_t usr1, mask;

	KERNEL();
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	raise(SIGUSR1);
	assert_result(aion_signal_wait(SIGUSR1, NULL), SIGUSR1);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	cr_assert_eq(sigismember(&mask, SIGUSR1), 1);
	raise(SIGUSR1);
	assert_result(aion_signal_wait(SIGUSR1, NULL), SIGUSR1);
	sigpending(&mask);
	cr_assert_eq(sigismember(&mask, SIGUSR1), 0);
}

/* The mask is what it was when the last of them goes, whoever that is. */
TASK_TEST(signal_wait, watches_share_the_mask)
{
	struct aion_signal_watch first = {0}, second = {0};
	sigset_t usr1, mask;

	KERNEL();
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr1, NULL);
	aion_signal_open(&first, NUMBERS(SIGUSR1));
	aion_signal_open(&second, NUMBERS(SIGUSR1, SIGUSR2));
	aion_signal_close(&first);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	cr_assert_eq(sigismember(&mask, SIGUSR1), 0);
	raise(SIGUSR1);
	assert_result(aion_signal_try_next(&second, NULL), SIGUSR1);
	aion_signal_close(&second);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	cr_assert_eq(sigismember(&mask, SIGUSR1), 1);
	cr_assert_eq(sigismember(&mask, SIGUSR2), 0);
}

static volatile sig_atomic_t handled_nr;

static void count_signal(int number)
{
	handled_nr++;
}

TASK_TEST(signal_wait, the_application_s_handler_comes_back)
{
	struct aion_signal_watch watch = {0};

	KERNEL();
	signal(SIGUSR1, count_signal);
	assert_result(aion_signal_open(&watch, NUMBERS(SIGUSR1)), 0);
	raise(SIGUSR1);
	cr_assert_eq(handled_nr, 0);
	aion_signal_close(&watch);
	raise(SIGUSR1);
	cr_assert_eq(handled_nr, 1);
}

TASK_TEST(signal_wait, what_the_application_changes_meanwhile_stays)
{
	struct aion_signal_watch watch = {0};

	KERNEL();
	assert_result(aion_signal_open(&watch, NUMBERS(SIGUSR1)), 0);
	signal(SIGUSR1, count_signal);
	aion_signal_close(&watch);
	raise(SIGUSR1);
	cr_assert_eq(handled_nr, 1);
}

TASK_TEST(signal_wait, refuses_what_cannot_be_watched)
{
	const int refused[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP,
			       SIGSYS,  SIGABRT, SIGPIPE, -1,     32,     33,     65};
	struct aion_signal_watch watch = {0};

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		assert_result(aion_signal_open(&watch, NUMBERS(SIGUSR1, refused[i])), -EINVAL);
		assert_result(aion_signal_wait(refused[i], NULL), -EINVAL);
	}
	assert_result(aion_signal_open(&watch, (const int[]){0}), -EINVAL);
	cr_assert_not(watch.is_open);
	assert_default(SIGUSR1);
}

TASK_TEST(signal_wait, in_a_cancelled_scope_has_no_effect)
{
	struct aion_signal_watch watch = {0};
	struct aion_scope scope;

	KERNEL();
	assert_result(aion_signal_open(&watch, NUMBERS(SIGUSR1)), 0);
	raise(SIGUSR1);
	test_enter_cancelled(&scope);
	assert_result(aion_signal_next(&watch, NULL), -ECANCELED);
	assert_result(aion_signal_wait(SIGUSR1, NULL), -ECANCELED);
	aion_scope_leave(&scope);
	assert_result(aion_signal_next(&watch, NULL), SIGUSR1);
	aion_signal_close(&watch);
}

TASK_TEST(signal_wait, a_deadline_ends_it_and_loses_none)
{
	struct aion_signal_watch watch = {0};
	struct aion_scope scope;

	KERNEL();
	assert_result(aion_signal_open(&watch, NUMBERS(SIGUSR1)), 0);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	assert_result(aion_signal_next(&watch, NULL), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	raise(SIGUSR1);
	assert_result(aion_signal_next(&watch, NULL), SIGUSR1);
	aion_signal_close(&watch);
}

static int64_t next_of(void *watch)
{
	return aion_signal_next(watch, NULL);
}

TASK_TEST(signal_wait, closing_ends_the_waits)
{
	struct aion_signal_watch watch = {0};
	struct aion_handle waiter;
	struct aion_group group;
	int next = dup(0);

	KERNEL();
	close(next);
	assert_result(aion_signal_next(&watch, NULL), -EBADF);
	assert_result(aion_signal_try_next(&watch, NULL), -EBADF);
	assert_result(aion_signal_open(&watch, NUMBERS(SIGUSR1)), 0);
	aion_group_enter(&group);
	aion_spawn_into(&group, &waiter, NULL, next_of, &watch);
	aion_yield();
	aion_signal_close(&watch);
	assert_result(aion_group_leave(&group, 0), -EBADF);
	assert_result(waiter.future.result, -EBADF);
	aion_signal_close(&watch);
	cr_assert_eq(dup(0), next);
}

/* What does not fit into the pipe is kept by its number. */
TASK_TEST(signal_wait, a_flood_loses_no_number)
{
	struct aion_signal_watch watch = {0};
	unsigned nr[65] = {0};
	int64_t number;

	KERNEL();
	assert_result(aion_signal_open(&watch, NUMBERS(SIGUSR1, SIGUSR2, SIGTERM)), 0);
	for (int i = 0; i < 10000; i++)
		raise(SIGUSR1);
	raise(SIGTERM);
	raise(SIGUSR2);
	raise(SIGTERM);
	while ((number = aion_signal_try_next(&watch, NULL)) > 0)
		nr[number]++;
	assert_result(number, -EAGAIN);
	cr_assert_gt(nr[SIGUSR1], 512);
	cr_assert_lt(nr[SIGUSR1], 10000);
	cr_assert_eq(nr[SIGTERM], 1);
	cr_assert_eq(nr[SIGUSR2], 1);
	raise(SIGTERM);
	assert_result(aion_signal_next(&watch, NULL), SIGTERM);
	aion_signal_close(&watch);
}

Test(signal_wait, outside_of_tasks_is_refused)
{
	struct aion_signal_watch watch = {0};

	assert_result(aion_signal_open(&watch, NUMBERS(SIGUSR1)), -EBUSY);
	assert_result(aion_signal_next(&watch, NULL), -EBUSY);
	assert_result(aion_signal_wait(SIGUSR1, NULL), -EBUSY);
}

TASK_TEST(signal_wait, needs_descriptors)
{
	struct aion_signal_watch watch = {0};
	int fd, last = -1;

	KERNEL();
	errno = 0;
	while ((fd = dup(0)) >= 0)
		last = fd;
	errno = 4711;
	assert_result(aion_signal_open(&watch, NUMBERS(SIGUSR1)), -EMFILE);
	close(last);
	assert_result(aion_signal_open(&watch, NUMBERS(SIGUSR1)), -EMFILE);
	cr_assert_eq(errno, 4711);
	assert_default(SIGUSR1);
}

/* ---- forked children */

static int in_forked_child(void *arg)
{
	struct aion_signal_watch *watch = arg;

	struct aion_signal_watch another = {0};

	if (aion_signal_next(watch, NULL) != -ECHILD || aion_signal_try_next(watch, NULL) != -ECHILD)
		return 1;
	if (aion_signal_open(&another, NUMBERS(SIGUSR1)) != -ECHILD || another.is_open)
		return 4;
	raise(SIGUSR1); /* handled as before the watch */
	if (handled_nr != 1)
		return 2;
	aion_signal_close(watch);
	return watch->is_open ? 3 : 0;
}

TASK_TEST(signal_wait, a_forked_child_s_signals_are_its_own)
{
	struct aion_signal_watch watch = {0};

	KERNEL();
	signal(SIGUSR1, count_signal);
	assert_result(aion_signal_open(&watch, NUMBERS(SIGUSR1)), 0);
	cr_assert_eq(test_in_child(in_forked_child, &watch), 0);
	assert_result(aion_signal_try_next(&watch, NULL), -EAGAIN);
	raise(SIGUSR1);
	assert_result(aion_signal_next(&watch, NULL), SIGUSR1);
	aion_signal_close(&watch);
}

/* ---- several loops, several threads */

#define LOOP_NR 3
#define ROUND_NR 200

static atomic_int ready_nr, round_nr;

static int64_t watch_rounds(void *unused)
{
	struct aion_signal_watch watch = {0};
	int64_t result = aion_signal_open(&watch, NUMBERS(SIGUSR1));

	for (int i = 0; result >= 0 && i < ROUND_NR; i++) {
		ready_nr++;
		result = aion_signal_next(&watch, NULL);
	}
	aion_signal_close(&watch);
	return result;
}

static void *run_loop(void *ret_result)
{
	*(int64_t *)ret_result = aion_run(watch_rounds, NULL, NULL);
	return NULL;
}

/* The next is sent when every loop has had the last one; whichever thread the kernel picks. */
Test(signal_threads, every_loop_gets_every_signal)
{
	pthread_t threads[LOOP_NR];
	int64_t results[LOOP_NR];

	KERNEL();
	for (int i = 0; i < LOOP_NR; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, run_loop, &results[i]), 0);
	for (int i = 1; i <= ROUND_NR; i++) {
		while (ready_nr < i * LOOP_NR)
			sched_yield();
		kill(getpid(), SIGUSR1);
	}
	for (int i = 0; i < LOOP_NR; i++) {
		pthread_join(threads[i], NULL);
		assert_result(results[i], SIGUSR1);
	}
	assert_default(SIGUSR1);
}

static int64_t open_and_close(void *unused)
{
	for (int i = 0; i < ROUND_NR; i++) {
		AION_CLEANUP(aion_signal_close) struct aion_signal_watch watch = {0};

		if (aion_signal_open(&watch, NUMBERS(SIGUSR1)) < 0)
			return -EIO;
		aion_yield();
	}
	return SIGUSR1;
}

static void *run_meddler(void *ret_result)
{
	*(int64_t *)ret_result = aion_run(open_and_close, NULL, NULL);
	round_nr++;
	return NULL;
}

/* Handlers find watches that are being taken out of the list. */
Test(signal_threads, watches_come_and_go_under_fire)
{
	pthread_t threads[LOOP_NR];
	int64_t results[LOOP_NR];

	KERNEL();
	signal(SIGUSR1, count_signal);
	for (int i = 0; i < LOOP_NR; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, run_meddler, &results[i]), 0);
	while (round_nr < LOOP_NR)
		kill(getpid(), SIGUSR1);
	for (int i = 0; i < LOOP_NR; i++) {
		pthread_join(threads[i], NULL);
		assert_result(results[i], SIGUSR1);
	}
}

/* ---- misuse */

static int64_t open_twice(void *unused)
{
	struct aion_signal_watch watch = {0};

	aion_signal_open(&watch, NUMBERS(SIGUSR1));
	return aion_signal_open(&watch, NUMBERS(SIGUSR1));
}

Test(signal_wait, opening_twice_aborts)
{
	test_task_aborts(open_twice, "signal watch opened while open");
}

static struct aion_signal_watch foreign;

static int64_t close_foreign(void *unused)
{
	aion_signal_close(&foreign);
	return 0;
}

static void *run_close_foreign(void *unused)
{
	aion_run(close_foreign, NULL, NULL);
	return NULL;
}

static int64_t close_elsewhere(void *unused)
{
	pthread_t thread;

	aion_signal_open(&foreign, NUMBERS(SIGUSR1));
	pthread_create(&thread, NULL, run_close_foreign, NULL);
	pthread_join(thread, NULL);
	return 0;
}

Test(signal_wait, closing_on_another_thread_aborts)
{
	test_task_aborts(close_elsewhere, "signal watch closed on another thread");
}

/* ---- SIGINT, which has a meaning of its own in aion_run() */

static int64_t watch_interrupts(void *unused)
{
	struct aion_signal_watch watch = {0};

	if (aion_signal_open(&watch, NUMBERS(SIGINT)) < 0)
		return 1;
	for (int i = 0; i < 3; i++)
		raise(SIGINT);
	for (int i = 0; i < 3; i++)
		if (aion_signal_next(&watch, NULL) != SIGINT)
			return 2;
	aion_signal_close(&watch);
	raise(SIGINT); /* the first that is not watched */
	return aion_sleep_until(AION_NEVER);
}

static int run_watch_interrupts(void *unused)
{
	signal(SIGINT, SIG_DFL);
	return aion_run(watch_interrupts, NULL, NULL) == -ECANCELED ? 0 : 1;
}

Test(signal_wait, a_watch_of_sigint_takes_precedence)
{
	KERNEL();
	cr_assert_eq(test_in_child(run_watch_interrupts, NULL), 0);
}
