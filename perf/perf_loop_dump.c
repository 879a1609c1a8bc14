/* SPDX-License-Identifier: MIT */
/*
 * How long does a loop stand still while it dumps itself? 100000 tasks that sleep, some frames deep, each with its wait
 * and its backtrace, to /dev/null and to a file in memory; and the walk alone, as a program would do it.
 *
 * Area: task. Round: -r 1.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "perf.h"

#define TASK_NR 100000
#define DEPTH 4

struct bench {
	int fd; /* -1: the walk alone */
	double dump_ns;
};

static __attribute__((noinline)) int64_t sleep_deep(int depth)
{
	volatile int frame = depth;
	int64_t result = depth ? sleep_deep(depth - 1) : aion_sleep(3600 * AION_SECOND);

	return frame == depth ? result : -1;
}

static int64_t sleeper(void *unused)
{
	return sleep_deep(DEPTH);
}

static int count(const struct aion_task_info *info, void *arg)
{
	*(size_t *)arg += info->wait.kind == AION_WAITS_TIMER;
	return 0;
}

static int64_t dump_main(void *arg)
{
	struct bench *bench = arg;
	unsigned run_nr = perf_runs(5);
	double *samples = perf_alloc(run_nr * sizeof(*samples));
	struct perf_stats stats;
	struct aion_group group;
	size_t nr;

	aion_group_enter(&group);
	for (unsigned i = 0; i < TASK_NR; i++)
		aion_spawn(&group, sleeper, NULL);
	while (aion_yield() == 0) {
		nr = 0;
		aion_loop_tasks(aion_loop_current(), count, &nr);
		if (nr == TASK_NR)
			break;
	}
	for (unsigned i = 0; i < run_nr; i++) {
		int64_t begin_ns = perf_now();
		int result = bench->fd >= 0 ? aion_loop_dump(aion_loop_current(), bench->fd)
					    : aion_loop_tasks(aion_loop_current(), count, &nr);

		if (result < 0)
			perf_die("dump", result);
		samples[i] = (double)(perf_now() - begin_ns);
	}
	perf_stats_of(samples, run_nr, &stats);
	bench->dump_ns = stats.median;
	aion_group_cancel(&group);
	return aion_group_leave(&group, 0);
}

static void measure(const char *to, int fd)
{
	struct aion_loop *loop = perf_loop_create();
	struct bench bench = {.fd = fd};

	perf_loop_run(loop, dump_main, &bench);
	aion_loop_destroy(loop);
	perf_line_begin("dump");
	perf_line_text("to", to);
	perf_line_param("tasks", TASK_NR);
	perf_line_number("ns_a_task", bench.dump_ns / TASK_NR);
	perf_line_number("seconds", bench.dump_ns / (double)AION_SECOND);
	perf_line_bar(bench.dump_ns / (double)AION_SECOND, 1, PERF_AT_MOST);
	perf_line_end();
}

int main(int argc, char **argv)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int file = memfd_create("dump", MFD_CLOEXEC);

	perf_start(argc, argv);
	if (null < 0 || file < 0)
		perf_die("open", -1);
	measure("a visitor", -1);
	measure("/dev/null", null);
	measure("a file in memory", file);
	close(null);
	close(file);
	return 0;
}
