/* SPDX-License-Identifier: MIT */
/*
 * How much memory does a suspended task hold? Tasks are started, each suspends, and the resident size of the process is
 * compared with that before. Each measure has a process of its own, so that no pool of the one before helps. The raw
 * way is a thread that waits; its stack in the kernel (16 KiB) is not resident memory of the process and not counted.
 *	sleep	each task sleeps until an hour from now: its timer counts too
 *	future	all tasks wait for one future
 *
 * Area: task. Once.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf.h"

#define THREAD_NR 2000
#define BAR_SIZE (4.5 * 1024)

struct bench {
	const char *wait;
	size_t task_nr;
	size_t waiting_nr;
	bool sleeps;
	struct aion_future gate;
	double task_size;
	double table_size;
	int64_t begin_ns;
	int64_t alive_ns;
};

/* The page tables of the process, bytes. */
static size_t page_table_size(void)
{
	char line[128];
	size_t kib = 0;
	FILE *file = fopen("/proc/self/status", "re");

	if (!file)
		perf_die("/proc/self/status", -errno);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "VmPTE: %zu", &kib) == 1)
			break;
	}
	fclose(file);
	return kib * 1024;
}

static int64_t wait_task(void *arg)
{
	struct bench *bench = arg;

	bench->waiting_nr++;
	if (bench->sleeps)
		return aion_sleep(3600 * AION_SECOND);
	return aion_await(&bench->gate);
}

static int64_t memory_main(void *arg)
{
	struct bench *bench = arg;
	struct aion_group group;
	size_t i, resident_size, table_size;

	resident_size = perf_resident_size();
	table_size = page_table_size();
	aion_future_init(&bench->gate);
	bench->begin_ns = perf_now();
	aion_group_enter(&group);
	for (i = 0; i < bench->task_nr; i++)
		aion_spawn(&group, wait_task, bench);
	while (bench->waiting_nr < bench->task_nr)
		aion_yield();
	bench->alive_ns = perf_now() - bench->begin_ns;
	bench->task_size = (double)(perf_resident_size() - resident_size) / (double)bench->task_nr;
	bench->table_size = (double)(page_table_size() - table_size) / (double)bench->task_nr;
	if (bench->sleeps)
		aion_group_cancel(&group);
	else
		aion_future_complete(&bench->gate, 0);
	return aion_group_leave(&group, 0);
}

static void *wait_thread(void *arg)
{
	pthread_barrier_wait(arg);
	return NULL;
}

static double thread_size(void)
{
	pthread_t *threads = perf_alloc(THREAD_NR * sizeof(*threads));
	size_t i, resident_size = perf_resident_size();
	pthread_barrier_t gate;
	double size;
	int error;

	pthread_barrier_init(&gate, NULL, THREAD_NR + 1);
	for (i = 0; i < THREAD_NR; i++) {
		error = pthread_create(&threads[i], NULL, wait_thread, &gate);
		if (error)
			perf_die("pthread_create", -error);
	}
	usleep(100000); /* long enough for all to have reached the gate; only a report rests on it */
	size = (double)(perf_resident_size() - resident_size) / THREAD_NR;
	pthread_barrier_wait(&gate);
	for (i = 0; i < THREAD_NR; i++)
		pthread_join(threads[i], NULL);
	return size;
}

static void measure_here(struct bench *bench)
{
	struct aion_loop *loop;
	double raw_size = thread_size();

	loop = perf_loop_create();
	perf_loop_run(loop, memory_main, bench);
	perf_line_begin("memory");
	perf_line_text("wait", bench->wait);
	perf_line_param("tasks", (double)bench->task_nr);
	perf_line_number("raw_bytes", raw_size);
	perf_line_number("aion_bytes", bench->task_size);
	perf_line_number("ratio", bench->task_size / raw_size);
	perf_line_number("page_table_bytes", bench->table_size);
	perf_line_number("start_ns", (double)bench->alive_ns / (double)bench->task_nr);
	perf_line_number("runs", 1);
	perf_line_bar(bench->task_size, BAR_SIZE, PERF_AT_MOST);
	perf_line_end();
	aion_loop_destroy(loop);
}

static void measure(const char *wait, size_t task_nr)
{
	struct bench bench = {.wait = wait, .task_nr = task_nr, .sleeps = strcmp(wait, "sleep") == 0};
	pid_t child = fork();
	int status;

	if (child < 0)
		perf_die("fork", -errno);
	if (child == 0) {
		measure_here(&bench);
		exit(0);
	}
	if (waitpid(child, &status, 0) < 0 || status != 0)
		perf_die("the measure's process", -ECHILD);
}

int main(int argc, char **argv)
{
	perf_start(argc, argv);
	measure("future", 100000);
	measure("sleep", 100000);
	measure("future", 1000000);
	measure("sleep", 1000000);
	return 0;
}
