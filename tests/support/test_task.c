/* SPDX-License-Identifier: MIT */
#include "test_task.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "annotate_int.h"

bool test_is_small(void)
{
#if defined(AION__ASAN) || defined(AION_VALGRIND)
	return true;
#else
	const char *small = getenv("AION_TEST_SMALL");

	return small && *small == '1';
#endif
}

int64_t test_sleep_for_ever(void *unused)
{
	return aion_sleep_until(AION_NEVER);
}

int64_t test_sleep_1ms(void *unused)
{
	return aion_sleep(AION_MILLISECOND);
}

int64_t test_return(void *result)
{
	return (intptr_t)result;
}

int64_t test_yield_return(void *result)
{
	aion_yield();
	return (intptr_t)result;
}

int64_t test_count(void *counter)
{
	++*(int *)counter;
	return 0;
}

/* The child's stderr comes through a pipe; a line of ours fits into it. */
static void child_aborts(void (*fn)(void), aion_fn *body, const char *line)
{
	char text[4096];
	size_t size = 0;
	ssize_t n;
	int pipe_fds[2];
	int status;
	pid_t child;

	cr_assert_eq(pipe(pipe_fds), 0);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		const struct rlimit no_core = {0, 0};

		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL);
		dup2(pipe_fds[1], STDERR_FILENO);
		close(pipe_fds[0]);
		close(pipe_fds[1]);
		if (fn)
			fn();
		else
			aion_run(body, NULL, NULL);
		_exit(0);
	}
	close(pipe_fds[1]);
	while (size < sizeof(text) - 1 && (n = read(pipe_fds[0], text + size, sizeof(text) - 1 - size)) > 0)
		size += (size_t)n;
	text[size] = 0;
	close(pipe_fds[0]);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x, stderr: %s", (unsigned)status, text);
	cr_assert_not_null(strstr(text, "aion: BUG: "), "stderr: %s", text);
	cr_assert_not_null(strstr(text, line), "wanted \"%s\", stderr: %s", line, text);
}

void test_aborts(void (*fn)(void), const char *line)
{
	child_aborts(fn, NULL, line);
}

void test_task_aborts(aion_fn *body, const char *line)
{
	child_aborts(NULL, body, line);
}

int test_in_child(int (*fn)(void *arg), void *arg)
{
	pid_t child = fork();
	int status;

	cr_assert_geq(child, 0);
	if (child == 0)
		_exit(fn(arg));
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status), "status %#x", (unsigned)status);
	return WEXITSTATUS(status);
}

void test_on_thread(void *(*fn)(void *arg), void *arg)
{
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, fn, arg), 0);
	cr_assert_eq(pthread_join(thread, NULL), 0);
}

size_t test_resident_size(void)
{
	unsigned long total_pages;
	unsigned long resident_pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	cr_assert_not_null(file);
	cr_assert_eq(fscanf(file, "%lu %lu", &total_pages, &resident_pages), 2);
	fclose(file);
	return resident_pages * (size_t)sysconf(_SC_PAGESIZE);
}

static atomic_size_t alloc_nr;
static atomic_size_t free_nr;

static void *count_alloc(size_t size, void *arg)
{
	void *memory = malloc(size);

	alloc_nr += memory != NULL;
	return memory;
}

static void *count_realloc(void *memory, size_t size, void *arg)
{
	return realloc(memory, size);
}

static void count_free(void *memory, void *arg)
{
	free_nr += memory != NULL;
	free(memory);
}

void test_allocator_count(void)
{
	static const struct aion_allocator counting = {count_alloc, count_realloc, count_free, NULL};

	cr_assert_eq(aion_allocator_set(&counting), 0);
}

size_t test_allocator_in_use_nr(void)
{
	return alloc_nr - free_nr;
}

size_t test_allocator_total_nr(void)
{
	return alloc_nr;
}
