/* SPDX-License-Identifier: MIT */
/* Dumps as text, and the ways to ask for them. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test_task.h"

#include "fault_int.h"

static int memory_file(void)
{
	int fd = memfd_create("dump", MFD_CLOEXEC);

	cr_assert_geq(fd, 0);
	return fd;
}

/* What the file holds; it is closed. */
static const char *text_of(int fd)
{
	static char text[1 << 20];
	ssize_t size = pread(fd, text, sizeof(text) - 1, 0);

	cr_assert_geq(size, 0);
	text[size] = 0;
	close(fd);
	return text;
}

static void check_has(const char *text, const char *piece)
{
	cr_assert_not_null(strstr(text, piece), "\"%s\" is missing in:\n%s", piece, text);
}

static int64_t parent(void *fd)
{
	struct aion_spawn_options options = {.name = "reader"};
	struct aion_group group;
	char byte;

	aion_group_enter(&group);
	options.name = "sleeper";
	aion_spawn_with(&group, &options, test_sleep_for_ever, NULL);
	aion_group_leave(&group, aion_read((int)(intptr_t)fd, &byte, 1));
	return 0;
}

TEST_IN_TASK(dump_text, says_who_waits_for_what)
{
	struct aion_spawn_options options = {.name = "parent"};
	struct aion_group group;
	int file = memory_file();
	char line[128];
	const char *text;
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	aion_group_enter(&group);
	aion_spawn_with(&group, &options, parent, test_number(fds[0]));
	aion_yield();
	aion_yield();
	cr_assert_eq(aion_loop_dump(aion_loop_current(), file), 0);
	text = text_of(file);
	snprintf(line, sizeof(line), "loop %p: tasks 3, timers 0, operations in flight 1, turns ",
		 (void *)aion_loop_current());
	check_has(text, line);
	check_has(text, "\ntask \"main\" ");
	check_has(text, ": running\n");
	check_has(text, "\n  task \"parent\" ");
	snprintf(line, sizeof(line), " on descriptor %d\n", fds[0]);
	check_has(text, line);
	check_has(text, ": waits for operation READ 0x");
	check_has(text, "\n    task \"sleeper\" ");
	check_has(text, ", which never fires\n");
	cr_assert_lt(strstr(text, "\"parent\""), strstr(text, "\"sleeper\""));
	aion_group_cancel(&group);
	aion_group_leave(&group, 0);
	close(fds[0]);
	close(fds[1]);
	return 0;
}

#define TASK_NR 700 /* more text than is written at a time */

TEST_IN_TASK(dump_text, many_tasks_are_all_there)
{
	struct aion_spawn_options options = {.name = "one of many"};
	struct aion_group group;
	int file = memory_file();
	const char *at;
	int nr = 0;

	aion_group_enter(&group);
	for (int i = 0; i < TASK_NR; i++)
		aion_spawn_with(&group, &options, test_sleep_for_ever, NULL);
	aion_yield();
	cr_assert_eq(aion_loop_dump(aion_loop_current(), file), 0);
	for (at = text_of(file); (at = strstr(at, "\"one of many\"")) != NULL; at++)
		nr++;
	cr_assert_eq(nr, TASK_NR);
	aion_group_cancel(&group);
	return aion_group_leave(&group, 0);
}

TEST_IN_TASK(dump_text, errors_of_writing_are_told)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int fds[2];

	cr_assert_eq(aion_loop_dump(aion_loop_current(), -1), -EBADF);
	cr_assert_geq(full, 0);
	cr_assert_eq(aion_loop_dump(aion_loop_current(), full), -ENOSPC);
	close(full);
	cr_assert_eq(pipe(fds), 0);
	close(fds[0]);
	cr_assert_eq(aion_loop_dump(aion_loop_current(), fds[1]), -EPIPE);
	close(fds[1]);
	return 0;
}

static void *dump_elsewhere(void *loop)
{
	return test_number(aion_loop_dump(loop, STDERR_FILENO));
}

static int dump_in_child(void *loop)
{
	return aion_loop_dump(loop, STDERR_FILENO) == -ECHILD && aion_loop_dump_post(loop, STDERR_FILENO) == -ECHILD &&
			       aion_loop_dump_on_signal(loop, SIGUSR1, STDERR_FILENO) == -ECHILD
		       ? 0
		       : 1;
}

TEST_IN_TASK(dump_text, not_from_another_thread_nor_a_forked_child)
{
	pthread_t thread;
	void *result;

	cr_assert_eq(pthread_create(&thread, NULL, dump_elsewhere, aion_loop_current()), 0);
	pthread_join(thread, &result);
	cr_assert_eq((intptr_t)result, -EXDEV);
	cr_assert_eq(test_in_child(dump_in_child, aion_loop_current()), 0);
	return 0;
}

struct posting {
	struct aion_loop *loop;
	int fd;
};

static void *post_dump(void *arg)
{
	struct posting *posting = arg;

	return test_number(aion_loop_dump_post(posting->loop, posting->fd));
}

/* Wait until there is a text. */
static int64_t wait_for_text(int fd)
{
	while (lseek(fd, 0, SEEK_END) == 0)
		aion_sleep(AION_MILLISECOND);
	return 0;
}

TEST_IN_TASK(dump_text, another_thread_may_ask_for_one)
{
	struct posting posting = {aion_loop_current(), memory_file()};
	pthread_t thread;
	void *result;

	cr_assert_eq(pthread_create(&thread, NULL, post_dump, &posting), 0);
	wait_for_text(posting.fd);
	pthread_join(thread, &result);
	cr_assert_eq((intptr_t)result, 0);
	check_has(text_of(posting.fd), "task \"main\" ");
	return 0;
}

TEST_IN_TASK(dump_text, on_a_signal)
{
	int file = memory_file();

	cr_assert_eq(aion_loop_dump_on_signal(aion_loop_current(), SIGUSR1, file), 0);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(ftruncate(file, 0), 0);
		cr_assert_eq(kill(getpid(), SIGUSR1), 0);
		cr_assert_eq(raise(SIGUSR1), 0);
		wait_for_text(file);
	}
	check_has(text_of(dup(file)), "task \"main\" ");
	cr_assert_eq(aion_loop_dump_on_signal(aion_loop_current(), SIGUSR1, file), -EBUSY);
	return 0;
}

static void *send_signal(void *unused)
{
	usleep(20000);
	kill(getpid(), SIGUSR2);
	return NULL;
}

/* The loop sleeps in the kernel, and a thread that is no loop's may be the one that gets the signal. */
TEST_IN_TASK(dump_text, a_signal_wakes_a_loop_that_waits)
{
	int file = memory_file();
	pthread_t thread;

	cr_assert_eq(aion_loop_dump_on_signal(aion_loop_current(), SIGUSR2, file), 0);
	cr_assert_eq(pthread_create(&thread, NULL, send_signal, NULL), 0);
	aion_sleep(200 * AION_MILLISECOND);
	wait_for_text(file);
	pthread_join(thread, NULL);
	check_has(text_of(file), "waits for timer ");
	return 0;
}

static void *ask_for_dumps(void *loop)
{
	return (void *)(intptr_t)aion_loop_dump_on_signal(loop, SIGUSR1, STDERR_FILENO);
}

TEST_IN_TASK(dump_text, of_threads_that_ask_at_once_one_is_heard)
{
	pthread_t threads[8];
	void *result;
	int heard_nr = 0;

	for (int i = 0; i < 8; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, ask_for_dumps, aion_loop_current()), 0);
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], &result);
		cr_assert((intptr_t)result == 0 || (intptr_t)result == -EBUSY);
		heard_nr += !result;
	}
	cr_assert_eq(heard_nr, 1);
	return 0;
}

TEST_IN_TASK(dump_text, signals_that_cannot_be_caught_are_refused)
{
	cr_assert_eq(aion_loop_dump_on_signal(aion_loop_current(), SIGKILL, STDERR_FILENO), -EINVAL);
	cr_assert_eq(aion_loop_dump_on_signal(aion_loop_current(), 4711, STDERR_FILENO), -EINVAL);
	cr_assert_eq(aion_loop_dump_on_signal(aion_loop_current(), SIGUSR1, STDERR_FILENO), 0, "none of it is left");
	return 0;
}

#ifndef AION_VALGRIND /* which delivers signals on an alternate stack that has been disabled */
Test(dump_text, a_signal_after_the_loop_s_end_does_nothing)
{
	struct aion_loop *loop;
	int file = memory_file();

	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	cr_assert_eq(aion_loop_dump_on_signal(loop, SIGUSR1, file), 0);
	aion_loop_destroy(loop);
	cr_assert_eq(raise(SIGUSR1), 0);
	cr_assert_str_eq(text_of(file), "");
}
#endif

static atomic_bool has_forked;

static void *signal_oneself(void *unused)
{
	while (!has_forked)
		pthread_kill(pthread_self(), SIGUSR1);
	return NULL;
}

static int destroy_in_child(void *loop)
{
	alarm(5); /* kills one that hangs */
	aion_loop_destroy(loop);
	return 0;
}

/* One that was inside at the fork is not in the child, and never comes out there. */
Test(dump_text, a_forked_child_waits_for_no_handler_of_its_parent)
{
	struct aion_loop *loop;
	int fork_nr = test_is_small() ? 20 : 200;
	int file = memory_file();
	pthread_t thread;

	cr_assert_eq(aion_loop_create(&(struct aion_loop_options){.entry_nr = 8}, &loop), 0);
	cr_assert_eq(aion_loop_dump_on_signal(loop, SIGUSR1, file), 0);
	cr_assert_eq(pthread_create(&thread, NULL, signal_oneself, NULL), 0);
	for (int i = 0; i < fork_nr; i++)
		cr_assert_eq(test_in_child(destroy_in_child, loop), 0);
	has_forked = true;
	pthread_join(thread, NULL);
	aion_loop_destroy(loop);
}

#define LOOP_NR 65 /* one more than may listen */

Test(dump_text, so_many_loops_may_listen)
{
	struct aion_loop_options options = {.entry_nr = 8};
	struct aion_loop *loops[LOOP_NR];

	for (int i = 0; i < LOOP_NR; i++)
		cr_assert_eq(aion_loop_create(&options, &loops[i]), 0);
	for (int i = 0; i < LOOP_NR - 1; i++)
		cr_assert_eq(aion_loop_dump_on_signal(loops[i], SIGUSR1, STDERR_FILENO), 0);
	cr_assert_eq(aion_loop_dump_on_signal(loops[LOOP_NR - 1], SIGUSR1, STDERR_FILENO), -EBUSY);
	aion_loop_destroy(loops[3]);
	cr_assert_eq(aion_loop_dump_on_signal(loops[LOOP_NR - 1], SIGUSR1, STDERR_FILENO), 0);
	for (int i = 0; i < LOOP_NR; i++)
		if (i != 3)
			aion_loop_destroy(loops[i]);
}

#ifdef AION_FAULTS
TEST_IN_TASK(dump_text, no_memory_is_told)
{
	struct aion_loop *loop = aion_loop_current();

	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	cr_assert_eq(aion_loop_dump(loop, STDERR_FILENO), -ENOMEM);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	cr_assert_eq(aion_loop_dump_post(loop, STDERR_FILENO), -ENOMEM);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	cr_assert_eq(aion_loop_dump_on_signal(loop, SIGUSR1, STDERR_FILENO), -ENOMEM);
	return 0;
}
#endif
