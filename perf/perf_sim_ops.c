/* SPDX-License-Identifier: MIT */
/*
 * How many operations a second does a simulated machine do, with all that stands on it? A search for bugs is as good as
 * the number of runs it gets through. 64 tasks await NOPs, or read 64 bytes of a file of the machine's.
 *
 * Area: sim. Round: -r 21. Quick: -r 11.
 */
#include <fcntl.h>
#include <stdlib.h>

#include <aion/sim.h>

#include "perf.h"

#define TASK_NR 64
#define OP_NR 512 /* a task, a run */
#define READ_SIZE 64
#define FILE_SIZE 4096
#define OPS_A_SECOND 1e6 /* the bar */

struct bench {
	struct aion_sim *sim;
	struct aion_loop *loop;
	aion_fn *task;
	int fd;
	int64_t elapsed_ns;
};

static int64_t nop_task(void *unused)
{
	int64_t result = 0;

	for (int i = 0; i < OP_NR && result == 0; i++)
		result = aion_nop();
	return result;
}

/* Through the ring each time, without a try before it. */
static int64_t read_task(void *arg)
{
	const struct bench *bench = arg;
	struct aion_op op = {0};
	char buf[READ_SIZE];
	int64_t result = 0;

	for (int i = 0; i < OP_NR && result >= 0; i++) {
		aion_op_pread(&op, bench->fd, buf, sizeof(buf), i * READ_SIZE % FILE_SIZE);
		result = aion_await(&op.future);
	}
	return result < 0 ? result : 0;
}

static int64_t try_task(void *arg)
{
	const struct bench *bench = arg;
	char buf[READ_SIZE];
	int64_t result = 0;

	for (int i = 0; i < OP_NR && result >= 0; i++)
		result = aion_pread(bench->fd, buf, sizeof(buf), i * READ_SIZE % FILE_SIZE);
	return result < 0 ? result : 0;
}

static int64_t bench_main(void *arg)
{
	struct bench *bench = arg;
	struct aion_group group;
	int64_t result, begin_ns;

	aion_group_enter(&group);
	for (int i = 0; i < TASK_NR; i++)
		aion_spawn(&group, bench->task, bench);
	begin_ns = perf_now();
	result = aion_group_leave(&group, 0);
	bench->elapsed_ns = perf_now() - begin_ns;
	return result;
}

static int64_t open_main(void *bench)
{
	return ((struct bench *)bench)->fd = (int)aion_openat(AT_FDCWD, "/data", O_RDONLY, 0);
}

static void bench_open(struct bench *bench, enum aion_sim_profile profile)
{
	static char content[FILE_SIZE];
	int result = aion_sim_create(&(struct aion_sim_options){.seed = 1, .profile = profile}, &bench->sim);

	if (result == 0)
		result = aion_sim_file_write(bench->sim, "/data", content, sizeof(content));
	if (result == 0)
		result = aion_loop_create(&(struct aion_loop_options){.sim = bench->sim}, &bench->loop);
	if (result < 0)
		perf_die("simulated machine", result);
	perf_loop_run(bench->loop, open_main, bench);
}

static void bench_close(struct bench *bench)
{
	aion_loop_destroy(bench->loop);
	aion_sim_destroy(bench->sim);
}

static void measure(struct bench *bench, const char *name, aion_fn *task, unsigned run_nr)
{
	double *samples = perf_alloc(run_nr * sizeof(*samples));
	struct perf_stats stats;

	bench->task = task;
	for (unsigned i = 0; i < run_nr; i++) {
		perf_loop_run(bench->loop, bench_main, bench);
		samples[i] = (double)bench->elapsed_ns / (TASK_NR * OP_NR);
	}
	perf_stats_of(samples, run_nr, &stats);
	perf_line_begin("sim_ops");
	perf_line_text("operation", name);
	perf_line_number("ns", stats.median);
	perf_line_number("ops_a_second", 1e9 / stats.median);
	perf_line_spread(&stats);
	perf_line_bar(1e9 / stats.median, OPS_A_SECOND, PERF_AT_LEAST);
	perf_line_end();
	free(samples);
}

int main(int argc, char **argv)
{
	struct bench bench = {0};

	perf_start(argc, argv);
	bench_open(&bench, AION_SIM_CALM);
	measure(&bench, "nop", nop_task, perf_runs(51));
	measure(&bench, "read", read_task, perf_runs(51));
	measure(&bench, "pread", try_task, perf_runs(51));
	bench_close(&bench);
	return 0;
}
