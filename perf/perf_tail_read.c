/* SPDX-License-Identifier: MIT */
/*
 * Area: file. Round: -r 1.
 * How long do reads wait while others use the same CPU? Random reads of 4 KiB come by a schedule, 4000 a second, and
 * each is timed from when it was due, whoever was late (no coordinated omission). A run is ten windows of 50 ms, and
 * p50 and p99 are the medians of theirs, as a host that stops a virtual machine for some milliseconds now and then
 * would else be the slowest hundredth on every side; p99.9 and "max" are those of the whole run. Hot, from the page
 * cache, or direct, from the device. Alone; and beside a task that computes, passing a checkpoint every microsecond or
 * so, and 10,000 timers, each of which fires once a second. The raw way is threads on the same CPU: 32 that wait and
 * pread(2), as there are 32 tasks, one that computes, one that wakes for each of the timers. -s MIB is the file's size;
 * it stands in $TMPDIR or the current directory, without a name.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "perf.h"

#define READ_SIZE 4096
#define FILE_SIZE ((size_t)256 << 20)
#define CHUNK_SIZE ((size_t)1 << 20)
#define READER_NR 32u
#define TIMER_NR 10000u
#define TIMER_PERIOD_NS AION_SECOND
#define INTERVAL_NS (250 * AION_MICROSECOND)
#define READ_NR 2000u /* a run: half a second */
#define WINDOW_READ_NR 200u
#define WINDOW_NR (READ_NR / WINDOW_READ_NR)
#define SETTLE_NS (20 * AION_MILLISECOND)
#define RUN_NR_MAX 101
#define COMPUTE_ROUND_NR 500

struct bench {
	struct aion_loop *loop;
	int fd;
	uint64_t block_nr;
	char *buffers;
	bool is_beside;
	int64_t begin_ns;
	atomic_uint next_idx;   /* of the read */
	atomic_uint reader_idx; /* of the next reader to begin */
	atomic_bool is_over;
	double *samples_ns; /* by read */
};

static volatile uint64_t compute_sink;

static void compute(uint64_t *state)
{
	unsigned i;

	for (i = 0; i < COMPUTE_ROUND_NR; i++)
		perf_random(state);
	compute_sink = *state;
}

static int64_t due_at(const struct bench *bench, unsigned idx)
{
	return bench->begin_ns + idx * INTERVAL_NS;
}

/* The same places on both sides. */
static off_t read_off(const struct bench *bench, unsigned idx)
{
	uint64_t seed = 0x9e3779b97f4a7c15 * (idx + 1);

	perf_random(&seed);
	return (off_t)(perf_random_below(&seed, bench->block_nr) * READ_SIZE);
}

static void read_done(struct bench *bench, unsigned idx, int64_t result)
{
	if (result != READ_SIZE)
		perf_die("read", result < 0 ? result : -EIO);
	bench->samples_ns[idx] = (double)(perf_now() - due_at(bench, idx));
}

static int64_t read_task(void *arg)
{
	struct bench *bench = arg;
	char *buffer = bench->buffers + bench->reader_idx++ * READ_SIZE;
	unsigned idx;

	while ((idx = bench->next_idx++) < READ_NR) {
		if (due_at(bench, idx) > perf_now())
			aion_sleep_until(due_at(bench, idx));
		read_done(bench, idx, aion_pread(bench->fd, buffer, READ_SIZE, read_off(bench, idx)));
	}
	return 0;
}

static int64_t compute_task(void *arg)
{
	struct bench *bench = arg;
	uint64_t state = 88172645463325252;

	while (!bench->is_over) {
		compute(&state);
		aion_checkpoint();
	}
	return 0;
}

/* Spread over the period by its number. */
static int64_t timer_task(void *arg)
{
	int64_t due_ns = *(int64_t *)arg;

	while (aion_sleep_until(due_ns) >= 0)
		due_ns += TIMER_PERIOD_NS;
	return 0;
}

static int64_t main_task(void *arg)
{
	static int64_t dues_ns[TIMER_NR];
	struct bench *bench = arg;
	struct aion_group beside, readers;
	unsigned i;
	int64_t result, now_ns = perf_now();

	aion_group_enter(&beside);
	for (i = 0; bench->is_beside && i < TIMER_NR; i++) {
		dues_ns[i] = now_ns + i * (TIMER_PERIOD_NS / TIMER_NR);
		aion_spawn(&beside, timer_task, &dues_ns[i]);
	}
	if (bench->is_beside)
		aion_spawn(&beside, compute_task, bench);
	bench->begin_ns = now_ns + SETTLE_NS;
	aion_group_enter(&readers);
	for (i = 0; i < READER_NR; i++)
		aion_spawn(&readers, read_task, bench);
	result = aion_group_leave(&readers, 0);
	bench->is_over = true;
	aion_group_cancel(&beside);
	aion_group_leave(&beside, 0);
	return result;
}

static void sleep_until(int64_t due_ns)
{
	const struct timespec due = {.tv_sec = due_ns / AION_SECOND, .tv_nsec = due_ns % AION_SECOND};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		;
}

static void *read_thread(void *arg)
{
	struct bench *bench = arg;
	char *buffer = bench->buffers + bench->reader_idx++ * READ_SIZE;
	ssize_t result;
	unsigned idx;

	while ((idx = bench->next_idx++) < READ_NR) {
		if (due_at(bench, idx) > perf_now())
			sleep_until(due_at(bench, idx));
		result = pread(bench->fd, buffer, READ_SIZE, read_off(bench, idx));
		read_done(bench, idx, result < 0 ? -errno : result);
	}
	return NULL;
}

static void *compute_thread(void *arg)
{
	struct bench *bench = arg;
	uint64_t state = 88172645463325252;

	while (!bench->is_over)
		compute(&state);
	return NULL;
}

static void *timer_thread(void *arg)
{
	struct bench *bench = arg;
	int64_t due_ns = perf_now();

	while (!bench->is_over) {
		due_ns += TIMER_PERIOD_NS / TIMER_NR;
		if (due_ns > perf_now())
			sleep_until(due_ns);
	}
	return NULL;
}

static void thread_start(pthread_t *thread, void *(*fn)(void *), struct bench *bench)
{
	int error = pthread_create(thread, NULL, fn, bench);

	if (error)
		perf_die("pthread_create", -error);
}

static void raw_run(struct bench *bench)
{
	pthread_t readers[READER_NR], computer, timers;
	unsigned i;

	bench->begin_ns = perf_now() + SETTLE_NS;
	if (bench->is_beside) {
		thread_start(&timers, timer_thread, bench);
		thread_start(&computer, compute_thread, bench);
	}
	for (i = 0; i < READER_NR; i++)
		thread_start(&readers[i], read_thread, bench);
	for (i = 0; i < READER_NR; i++)
		pthread_join(readers[i], NULL);
	bench->is_over = true;
	if (bench->is_beside) {
		pthread_join(timers, NULL);
		pthread_join(computer, NULL);
	}
}

enum figure {
	P50_NS,
	P99_NS,
	P999_NS,
	MAX_NS,
	FIGURE_NR,
};

enum side {
	RAW,
	AION,
	SIDE_NR,
};

static const char *const side_names[SIDE_NR] = {"threads", "aion"};
static double figures[SIDE_NR][FIGURE_NR][RUN_NR_MAX];

static void run(struct bench *bench, enum side side, unsigned turn)
{
	double p50_ns[WINDOW_NR], p99_ns[WINDOW_NR], max_ns = 0;
	struct perf_stats stats;
	unsigned i;

	bench->is_over = false;
	bench->next_idx = bench->reader_idx = 0;
	if (side == RAW)
		raw_run(bench);
	else
		perf_loop_run(bench->loop, main_task, bench);
	for (i = 0; i < WINDOW_NR; i++) {
		double *samples_ns = bench->samples_ns + i * WINDOW_READ_NR;

		perf_stats_of(samples_ns, WINDOW_READ_NR, &stats);
		p50_ns[i] = stats.median;
		p99_ns[i] = samples_ns[WINDOW_READ_NR * 99 / 100];
		max_ns = stats.max > max_ns ? stats.max : max_ns;
	}
	perf_stats_of(p50_ns, WINDOW_NR, &stats);
	figures[side][P50_NS][turn] = stats.median;
	perf_stats_of(p99_ns, WINDOW_NR, &stats);
	figures[side][P99_NS][turn] = stats.median;
	perf_stats_of(bench->samples_ns, READ_NR, &stats);
	figures[side][P999_NS][turn] = bench->samples_ns[READ_NR * 999 / 1000];
	figures[side][MAX_NS][turn] = max_ns;
}

static void line_begin(const struct bench *bench, const char *mode, const char *measure)
{
	perf_line_begin("tail_read");
	perf_line_text("measure", measure);
	perf_line_text("mode", mode);
	perf_line_text("beside", bench->is_beside ? "compute, 10000 timers" : "nothing");
}

static void show_ratio(const struct bench *bench, const char *mode, const char *measure, enum figure figure,
		       const double *ratios, unsigned run_nr)
{
	double sorted[RUN_NR_MAX];
	struct perf_stats ratio, raw, aion;

	memcpy(sorted, ratios, run_nr * sizeof(*ratios));
	perf_stats_of(sorted, run_nr, &ratio);
	perf_stats_of(figures[RAW][figure], run_nr, &raw);
	perf_stats_of(figures[AION][figure], run_nr, &aion);
	line_begin(bench, mode, measure);
	perf_line_text("raw", side_names[RAW]);
	perf_line_number("raw_ns", raw.median);
	perf_line_number("aion_ns", aion.median);
	perf_line_number("ratio", ratio.median);
	perf_line_spread(&ratio);
	perf_line_end();
}

static void measure(struct bench *bench, const char *mode, bool is_beside)
{
	unsigned figure, side, turn, run_nr = perf_runs(5);
	double ratios[FIGURE_NR][RUN_NR_MAX];
	struct perf_stats stats[FIGURE_NR];

	run_nr = run_nr > RUN_NR_MAX ? RUN_NR_MAX : run_nr;
	bench->is_beside = is_beside;
	for (turn = 0; turn < run_nr; turn++) {
		run(bench, RAW, turn);
		run(bench, AION, turn);
		for (figure = 0; figure < FIGURE_NR; figure++)
			ratios[figure][turn] = figures[AION][figure][turn] / figures[RAW][figure][turn];
	}
	for (side = 0; side < SIDE_NR; side++) {
		for (figure = 0; figure < FIGURE_NR; figure++)
			perf_stats_of(figures[side][figure], run_nr, &stats[figure]);
		line_begin(bench, mode, "side");
		perf_line_text("side", side_names[side]);
		perf_line_number("p50_us", stats[P50_NS].median / 1000);
		perf_line_number("p99_us", stats[P99_NS].median / 1000);
		perf_line_number("p999_us", stats[P999_NS].median / 1000);
		perf_line_number("max_us", stats[MAX_NS].median / 1000);
		perf_line_number("runs", run_nr);
		perf_line_end();
	}
	show_ratio(bench, mode, "p50", P50_NS, ratios[P50_NS], run_nr);
	show_ratio(bench, mode, "p99", P99_NS, ratios[P99_NS], run_nr);
}

static int file_create(size_t size, int *ret_direct_fd)
{
	const char *dir = getenv("TMPDIR");
	char path[4096], *chunk = perf_alloc(CHUNK_SIZE);
	size_t off;
	int fd;

	snprintf(path, sizeof(path), "%s/perf_tail_read.XXXXXX", dir && *dir ? dir : ".");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		perf_die(path, -errno);
	*ret_direct_fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	unlink(path);
	memset(chunk, 0x5a, CHUNK_SIZE); /* written, so that there are blocks to read */
	for (off = 0; off < size; off += CHUNK_SIZE) {
		if (write(fd, chunk, CHUNK_SIZE) != (ssize_t)CHUNK_SIZE)
			perf_die("write", errno ? -errno : -ENOSPC);
	}
	if (fsync(fd) < 0)
		perf_die("fsync", -errno);
	free(chunk);
	return fd;
}

int main(int argc, char **argv)
{
	static struct bench bench;
	size_t size;
	int hot_fd, direct_fd;

	perf_start(argc, argv);
	size = perf_size(FILE_SIZE);
	bench.block_nr = size / READ_SIZE;
	bench.buffers = perf_alloc((size_t)READER_NR * READ_SIZE);
	bench.samples_ns = perf_alloc(READ_NR * sizeof(*bench.samples_ns));
	bench.loop = perf_loop_create();
	hot_fd = file_create(size, &direct_fd);
	bench.fd = hot_fd;
	measure(&bench, "hot", false);
	measure(&bench, "hot", true);
	if (direct_fd >= 0) {
		posix_fadvise(hot_fd, 0, 0, POSIX_FADV_DONTNEED);
		bench.fd = direct_fd;
		measure(&bench, "direct", false);
		measure(&bench, "direct", true);
		close(direct_fd);
	}
	close(hot_fd);
	aion_loop_destroy(bench.loop);
	free(bench.samples_ns);
	free(bench.buffers);
	return 0;
}
