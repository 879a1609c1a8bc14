/* SPDX-License-Identifier: MIT */
/*
 * A child prints a GiB (-s MIB: another size); how long until all of it has been read, and the child reaped? A loop of
 * read(2) on a pipe of posix_spawn(3)'s child against aion_process_spawn() and aion_read(), both with the same buffer,
 * by pipe size and process placement. And against aion_process_communicate(), which keeps none of it.
 *	one cpu		both processes share it: what both sides' reading costs shows in full
 *	all cpus	as for users
 *
 * Area: process. Round: -r 1 -s 512. Quick: -r 1 -s 128.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf.h"

#define OUTPUT_SIZE ((size_t)1 << 30)
#define CHUNK_SIZE ((size_t)64 << 10)
#define LARGE_PIPE_SIZE ((size_t)1 << 20)
#define BAR 1.1

extern char **environ;

struct bench {
	struct aion_loop *loop;
	char *buffer;
	size_t size;
	size_t pipe_size;  /* 0: the kernel's */
	size_t chunk_size; /* of a read */
	char size_text[24];
	const char *argv[4];
};

/* What the child does. */
static int print(size_t size)
{
	char *buffer = perf_alloc(LARGE_PIPE_SIZE);
	size_t done = 0;
	ssize_t result;

	memset(buffer, 'x', LARGE_PIPE_SIZE);
	while (done < size) {
		result = write(STDOUT_FILENO, buffer, size - done < CHUNK_SIZE ? size - done : CHUNK_SIZE);
		if (result < 0)
			return 1;
		done += (size_t)result;
	}
	return 0;
}

static pid_t raw_spawn(const struct bench *bench, int *ret_fd)
{
	posix_spawn_file_actions_t actions;
	int fds[2], error;
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) < 0)
		perf_die("pipe2", -errno);
	if (bench->pipe_size && fcntl(fds[0], F_SETPIPE_SZ, (int)bench->pipe_size) < 0)
		perf_die("F_SETPIPE_SZ", -errno);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	error = posix_spawn(&child, bench->argv[0], &actions, NULL, (char *const *)bench->argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error)
		perf_die(bench->argv[0], -error);
	close(fds[1]);
	*ret_fd = fds[0];
	return child;
}

static void check(const struct bench *bench, size_t done, int64_t status)
{
	if (done != bench->size || status != 0)
		perf_die("the child", -EIO);
}

static double raw_run(void *arg)
{
	struct bench *bench = arg;
	int64_t begin_ns = perf_now();
	size_t done = 0;
	int fd, status;
	pid_t child = raw_spawn(bench, &fd);
	ssize_t result;

	while ((result = read(fd, bench->buffer, bench->chunk_size)) > 0)
		done += (size_t)result;
	close(fd);
	if (waitpid(child, &status, 0) < 0)
		perf_die("waitpid", -errno);
	check(bench, done, status);
	return (double)(perf_now() - begin_ns) / (double)(bench->size >> 20);
}

static void spawn(const struct bench *bench, struct aion_process *process)
{
	const struct aion_process_options options = {
		.out = {AION_STDIO_PIPE, 0}, .pipe_size = bench->pipe_size, .no_path_search = true};
	int64_t result = aion_process_spawn(process, bench->argv, &options);

	if (result < 0)
		perf_die(bench->argv[0], result);
}

static int64_t read_task(void *arg)
{
	struct bench *bench = arg;
	struct aion_process process = {0};
	size_t done = 0;
	int64_t result;

	spawn(bench, &process);
	while ((result = aion_read(process.out, bench->buffer, bench->chunk_size)) > 0)
		done += (size_t)result;
	check(bench, done, aion_process_wait(&process));
	aion_process_close(&process);
	return 0;
}

static int64_t communicate_task(void *arg)
{
	struct bench *bench = arg;
	struct aion_process_output out = {.max = 1};
	struct aion_process process = {0};
	int64_t result;

	spawn(bench, &process);
	result = aion_process_communicate(&process, NULL, 0, &out, NULL);
	check(bench, out.size + out.dropped, result);
	aion_process_close(&process);
	aion_process_output_free(&out);
	return 0;
}

static double read_run(void *arg)
{
	struct bench *bench = arg;
	int64_t begin_ns = perf_now();

	perf_loop_run(bench->loop, read_task, bench);
	return (double)(perf_now() - begin_ns) / (double)(bench->size >> 20);
}

static double communicate_run(void *arg)
{
	struct bench *bench = arg;
	int64_t begin_ns = perf_now();

	perf_loop_run(bench->loop, communicate_task, bench);
	return (double)(perf_now() - begin_ns) / (double)(bench->size >> 20);
}

static void measure(struct bench *bench, const char *variant, const char *cpus, perf_side *aion, double bar)
{
	struct perf_pairs pairs;

	perf_interleave_tries(raw_run, 1, aion, 1, bench, perf_runs(7), &pairs);
	perf_line_begin("process_pipe");
	perf_line_text("variant", variant);
	perf_line_text("cpus", cpus);
	perf_line_param("pipe_kib", (double)(bench->pipe_size ? bench->pipe_size : CHUNK_SIZE) / 1024);
	perf_line_param("mib", (double)(bench->size >> 20));
	perf_line_number("raw_gib_a_second", 1e9 / 1024 / pairs.raw_ns.median);
	perf_line_number("gib_a_second", 1e9 / 1024 / pairs.aion_ns.median);
	perf_line_pairs(&pairs);
	if (bar > 0)
		perf_line_bar(pairs.ratio.median, bar, PERF_AT_MOST);
	perf_line_end();
}

static void measure_all(struct bench *bench, const char *cpus)
{
	bench->pipe_size = 0;
	bench->chunk_size = CHUNK_SIZE;
	measure(bench, "read", cpus, read_run, BAR);
	measure(bench, "communicate", cpus, communicate_run, BAR);
	bench->pipe_size = LARGE_PIPE_SIZE;
	bench->chunk_size = LARGE_PIPE_SIZE;
	measure(bench, "read", cpus, read_run, BAR);
}

int main(int argc, char **argv)
{
	static struct bench bench;
	cpu_set_t cpus;

	if (argc == 3 && strcmp(argv[1], "print") == 0)
		return print(strtoul(argv[2], NULL, 10));
	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		perf_die("sched_getaffinity", -errno);
	perf_start(argc, argv);
	bench.size = perf_size(OUTPUT_SIZE);
	bench.buffer = perf_alloc(LARGE_PIPE_SIZE);
	snprintf(bench.size_text, sizeof(bench.size_text), "%zu", bench.size);
	bench.argv[0] = "/proc/self/exe";
	bench.argv[1] = "print";
	bench.argv[2] = bench.size_text;
	bench.loop = perf_loop_create();
	measure_all(&bench, "one");
	sched_setaffinity(0, sizeof(cpus), &cpus);
	measure_all(&bench, "all");
	aion_loop_destroy(bench.loop);
	return 0;
}
