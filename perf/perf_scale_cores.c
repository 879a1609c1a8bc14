/* SPDX-License-Identifier: MIT */
/*
 * Area: ring. Round: -r 3. Once.
 * Do two loops do twice as much as one? A loop a thread, a CPU each, 1, 2, 4 … of them up to the number of CPUs:
 *	yield	64 tasks that yield
 *	nop	64 tasks that await a NOP each, and the next; the raw way is as many slots of a ring kept busy by hand
 *	read	32 tasks that read 4 KiB from a file in the page cache; the raw way is a loop of pread(2)
 * The ratio is the rate of all threads over that of one, divided by their number: 1 is perfect scaling. raw_ratio is
 * that of the raw way, whose limits (the CPUs may share a core, and the page cache its locks) are the machine's.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "perf.h"
#include "raw_ring.h"

#define THREAD_MAX 64
#define RUN_NR_MAX 101
#define RUN_NS (150 * AION_MILLISECOND)
#define NOP_NR 64u
#define READER_NR 32u
#define READ_SIZE 4096
#define FILE_SIZE ((size_t)16 << 20)

struct worker {
	pthread_t thread;
	int cpu;
	int fd;
	pthread_barrier_t *barrier;
	double (*work)(struct worker *worker);
	aion_fn *task;
	unsigned task_nr;
	uint64_t done_nr;
	int64_t end_ns;
	double rate;
};

struct kind {
	const char *name;
	aion_fn *task;
	unsigned task_nr;
	double (*raw)(struct worker *worker);
};

static cpu_set_t allowed_cpus;

static bool is_over(const struct worker *worker)
{
	return perf_now() >= worker->end_ns;
}

static int64_t yield_task(void *arg)
{
	struct worker *worker = arg;

	while (worker->done_nr++ % 64 || !is_over(worker))
		aion_yield();
	return 0;
}

static int64_t nop_task(void *arg)
{
	struct worker *worker = arg;

	while (worker->done_nr++ % 64 || !is_over(worker))
		aion_nop();
	return 0;
}

static off_t read_off(uint64_t *seed)
{
	return (off_t)(perf_random_below(seed, FILE_SIZE / READ_SIZE) * READ_SIZE);
}

static int64_t read_task(void *arg)
{
	struct worker *worker = arg;
	uint64_t seed = 88172645463325252 + worker->done_nr;
	static __thread char buffer[READ_SIZE]; /* nobody looks at it */
	int64_t result;

	while (worker->done_nr++ % 64 || !is_over(worker)) {
		result = aion_pread(worker->fd, buffer, READ_SIZE, read_off(&seed));
		if (result != READ_SIZE)
			perf_die("read", result < 0 ? result : -EIO);
	}
	return 0;
}

static int64_t main_task(void *arg)
{
	struct worker *worker = arg;
	struct aion_group group;
	unsigned i;

	aion_group_enter(&group);
	for (i = 0; i < worker->task_nr; i++)
		aion_spawn(&group, worker->task, worker);
	return aion_group_leave(&group, 0);
}

static double aion_work(struct worker *worker)
{
	struct aion_loop *loop = perf_loop_create();
	int64_t begin_ns;
	double rate;

	pthread_barrier_wait(worker->barrier);
	begin_ns = perf_now();
	worker->end_ns = begin_ns + RUN_NS;
	perf_loop_run(loop, main_task, worker);
	rate = (double)worker->done_nr * 1e9 / (double)(perf_now() - begin_ns);
	aion_loop_destroy(loop);
	return rate;
}

static double raw_nop_work(struct worker *worker)
{
	struct io_uring ring;
	int64_t begin_ns;
	double rate;
	unsigned i;

	perf_ring_open(&ring, NOP_NR, 0);
	pthread_barrier_wait(worker->barrier);
	begin_ns = perf_now();
	worker->end_ns = begin_ns + RUN_NS;
	while (!is_over(worker)) {
		for (i = 0; i < NOP_NR; i++)
			io_uring_prep_nop(io_uring_get_sqe(&ring));
		perf_ring_enter(&ring, NOP_NR);
		io_uring_cq_advance(&ring, NOP_NR);
		worker->done_nr += NOP_NR;
	}
	rate = (double)worker->done_nr * 1e9 / (double)(perf_now() - begin_ns);
	perf_ring_close(&ring);
	return rate;
}

static double raw_read_work(struct worker *worker)
{
	uint64_t seed = 88172645463325252;
	char buffer[READ_SIZE];
	int64_t begin_ns;

	pthread_barrier_wait(worker->barrier);
	begin_ns = perf_now();
	worker->end_ns = begin_ns + RUN_NS;
	while (worker->done_nr++ % 64 || !is_over(worker)) {
		if (pread(worker->fd, buffer, READ_SIZE, read_off(&seed)) != READ_SIZE)
			perf_die("pread", errno ? -errno : -EIO);
	}
	return (double)worker->done_nr * 1e9 / (double)(perf_now() - begin_ns);
}

static void *worker_thread(void *arg)
{
	struct worker *worker = arg;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(worker->cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		perf_die("sched_setaffinity", -errno);
	worker->rate = worker->work(worker);
	return NULL;
}

/* The n-th CPU that the process was given. */
static int cpu_at(unsigned n)
{
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &allowed_cpus) && n-- == 0)
			return cpu;
	}
	perf_die("CPU", -EINVAL);
}

/* Units a second, of all threads. */
static double run(const struct kind *kind, bool is_raw, unsigned thread_nr, int fd)
{
	struct worker workers[THREAD_MAX];
	pthread_barrier_t barrier;
	double rate = 0;
	unsigned i;

	pthread_barrier_init(&barrier, NULL, thread_nr);
	for (i = 0; i < thread_nr; i++) {
		workers[i] = (struct worker){
			.cpu = cpu_at(i),
			.fd = fd,
			.barrier = &barrier,
			.work = is_raw ? kind->raw : aion_work,
			.task = kind->task,
			.task_nr = kind->task_nr,
		};
		if (pthread_create(&workers[i].thread, NULL, worker_thread, &workers[i]) != 0)
			perf_die("pthread_create", -EAGAIN);
	}
	for (i = 0; i < thread_nr; i++) {
		pthread_join(workers[i].thread, NULL);
		rate += workers[i].rate;
	}
	pthread_barrier_destroy(&barrier);
	return rate;
}

static void measure(const struct kind *kind, unsigned thread_nr, int fd)
{
	double ratios[2][RUN_NR_MAX], rates[2][RUN_NR_MAX];
	unsigned i, side, run_nr = perf_runs(5);
	struct perf_stats ratio, rate;

	run_nr = run_nr > RUN_NR_MAX ? RUN_NR_MAX : run_nr;
	for (i = 0; i < run_nr; i++) {
		for (side = 0; side < (kind->raw ? 2 : 1); side++) {
			double one_rate = run(kind, side == 1, 1, fd);

			rates[side][i] = run(kind, side == 1, thread_nr, fd);
			ratios[side][i] = rates[side][i] / one_rate / thread_nr;
		}
	}
	perf_line_begin("scale_cores");
	perf_line_text("work", kind->name);
	perf_line_param("threads", thread_nr);
	if (kind->raw) {
		perf_stats_of(rates[1], run_nr, &rate);
		perf_stats_of(ratios[1], run_nr, &ratio);
		perf_line_number("raw_rate", rate.median);
		perf_line_number("raw_ratio", ratio.median);
	}
	perf_stats_of(rates[0], run_nr, &rate);
	perf_stats_of(ratios[0], run_nr, &ratio);
	perf_line_number("aion_rate", rate.median);
	perf_line_number("ratio", ratio.median);
	perf_line_spread(&ratio);
	perf_line_end();
}

static int file_create(void)
{
	const char *dir = getenv("TMPDIR");
	char path[4096], *data = perf_alloc(FILE_SIZE);
	int fd;

	snprintf(path, sizeof(path), "%s/perf_scale_cores.XXXXXX", dir && *dir ? dir : ".");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		perf_die(path, -errno);
	unlink(path);
	if (write(fd, data, FILE_SIZE) != (ssize_t)FILE_SIZE)
		perf_die("write", errno ? -errno : -ENOSPC);
	free(data);
	return fd;
}

static const struct kind kinds[] = {
	{"yield", yield_task, 64, NULL},
	{"nop", nop_task, NOP_NR, raw_nop_work},
	{"read", read_task, READER_NR, raw_read_work},
};

int main(int argc, char **argv)
{
	unsigned i, thread_nr, cpu_nr;
	int fd;

	if (sched_getaffinity(0, sizeof(allowed_cpus), &allowed_cpus) < 0)
		perf_die("sched_getaffinity", -errno);
	perf_start(argc, argv);
	fd = file_create();
	cpu_nr = (unsigned)CPU_COUNT(&allowed_cpus);
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		for (thread_nr = 1; thread_nr <= cpu_nr && thread_nr <= THREAD_MAX; thread_nr *= 2)
			measure(&kinds[i], thread_nr, fd);
	}
	close(fd);
	return 0;
}
