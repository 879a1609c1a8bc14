/* SPDX-License-Identifier: MIT */
/*
 * Random reads of 4 KiB from one file: from N tasks, each with one read at a time, against N slots kept busy by hand.
 * Direct: O_DIRECT, the device sets the pace. Hot: from the page cache, the code does; one at a time against a loop of
 * pread(2), which is what such a program would be without aion. The ratio is that of the rates. -s MIB is the file's
 * size; the file stands in $TMPDIR or the current directory, without a name.
 *
 * Area: file. Round: -r 5. Quick: -r 1 -s 64.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "perf.h"
#include "raw_ring.h"

#define READ_SIZE 4096
#define DEPTH_MAX 128
#define FILE_SIZE ((size_t)1 << 30)
#define CHUNK_SIZE ((size_t)1 << 20)

/* Of all runs, those tried again too. */
struct cpu_time {
	int64_t spent_ns;
	uint64_t read_nr;
};

struct bench {
	struct aion_loop *loop;
	struct io_uring ring;
	int fd;
	uint64_t block_nr;
	uint64_t seed;
	unsigned depth;
	unsigned read_nr; /* a run */
	unsigned left_nr; /* not yet started */
	unsigned next_idx;
	int64_t elapsed_ns;
	struct aion_loop_stats begun; /* aion's last run */
	double ops_an_enter;          /* in it */
	struct cpu_time raw_cpu, aion_cpu;
	char *buffers;
};

static void cpu_time_add(struct cpu_time *cpu, int64_t spent_ns, unsigned read_nr)
{
	cpu->spent_ns += spent_ns;
	cpu->read_nr += read_nr;
}

static off_t next_off(struct bench *bench)
{
	return (off_t)(perf_random_below(&bench->seed, bench->block_nr) * READ_SIZE);
}

static void check_read(int64_t result)
{
	if (result != READ_SIZE)
		perf_die("read", result < 0 ? result : -EIO);
}

static void slot_submit(struct bench *bench, char *buffer)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&bench->ring);

	io_uring_prep_read(sqe, bench->fd, buffer, READ_SIZE, (uint64_t)next_off(bench));
	io_uring_sqe_set_data(sqe, buffer);
}

static unsigned slot_complete(struct bench *bench, const struct io_uring_cqe *cqe)
{
	check_read(cqe->res);
	if (!bench->left_nr)
		return 1;
	bench->left_nr--;
	slot_submit(bench, io_uring_cqe_get_data(cqe));
	return 0;
}

static double raw_ring_run(void *arg)
{
	struct bench *bench = arg;
	struct io_uring *ring = &bench->ring;
	struct io_uring_cqe *cqe;
	unsigned i, head, seen_nr, busy_nr = bench->depth;
	int64_t elapsed_ns, cpu_ns = perf_cpu_now(), begin_ns = perf_now();

	bench->left_nr = bench->read_nr - bench->depth;
	for (i = 0; i < bench->depth; i++)
		slot_submit(bench, bench->buffers + i * READ_SIZE);
	while (busy_nr) {
		perf_ring_enter(ring, 1);
		seen_nr = 0;
		io_uring_for_each_cqe(ring, head, cqe) {
			busy_nr -= slot_complete(bench, cqe);
			seen_nr++;
		}
		io_uring_cq_advance(ring, seen_nr);
	}
	elapsed_ns = perf_now() - begin_ns;
	cpu_time_add(&bench->raw_cpu, perf_cpu_now() - cpu_ns, bench->read_nr);
	return (double)elapsed_ns / bench->read_nr;
}

static double raw_pread_run(void *arg)
{
	struct bench *bench = arg;
	int64_t elapsed_ns, cpu_ns = perf_cpu_now(), begin_ns = perf_now();
	unsigned i;

	for (i = 0; i < bench->read_nr; i++)
		check_read(pread(bench->fd, bench->buffers, READ_SIZE, next_off(bench)));
	elapsed_ns = perf_now() - begin_ns;
	cpu_time_add(&bench->raw_cpu, perf_cpu_now() - cpu_ns, bench->read_nr);
	return (double)elapsed_ns / bench->read_nr;
}

static int64_t read_task(void *arg)
{
	struct bench *bench = arg;
	char *buffer = bench->buffers + bench->next_idx++ * READ_SIZE;

	while (bench->left_nr) {
		bench->left_nr--;
		check_read(aion_pread(bench->fd, buffer, READ_SIZE, next_off(bench)));
	}
	return 0;
}

static void enters_count(struct bench *bench)
{
	struct aion_loop_stats stats;

	aion_loop_stats(bench->loop, &stats);
	bench->ops_an_enter = (double)(stats.submit_nr - bench->begun.submit_nr) /
			      (double)(stats.enter_nr - bench->begun.enter_nr + 1e-9);
}

static int64_t read_main(void *arg)
{
	struct bench *bench = arg;
	struct aion_group group;
	unsigned i;
	int64_t result, cpu_ns = perf_cpu_now(), begin_ns = perf_now();

	bench->left_nr = bench->read_nr;
	bench->next_idx = 0;
	aion_loop_stats(bench->loop, &bench->begun);
	aion_group_enter(&group);
	for (i = 0; i < bench->depth; i++)
		aion_spawn(&group, read_task, bench);
	result = aion_group_leave(&group, 0);
	bench->elapsed_ns = perf_now() - begin_ns;
	cpu_time_add(&bench->aion_cpu, perf_cpu_now() - cpu_ns, bench->read_nr);
	enters_count(bench);
	return result;
}

static double aion_side(void *arg)
{
	struct bench *bench = arg;

	perf_loop_run(bench->loop, read_main, bench);
	return (double)bench->elapsed_ns / bench->read_nr;
}

static void measure(struct bench *bench, const char *mode, const char *raw_name, unsigned depth, unsigned read_nr,
		    double bar)
{
	perf_side *raw = raw_name[0] == 'p' ? raw_pread_run : raw_ring_run;
	unsigned run_nr = perf_runs(15);
	struct perf_pairs pairs;
	struct perf_stats ratio;

	bench->depth = depth;
	bench->read_nr = read_nr;
	bench->raw_cpu = bench->aion_cpu = (struct cpu_time){0};
	perf_interleave_tries(raw, PERF_TRY_MAX, aion_side, PERF_TRY_MAX, bench, run_nr, &pairs);
	ratio = perf_stats_inverse(&pairs.ratio);
	perf_line_begin("read_random");
	perf_line_text("mode", mode);
	perf_line_text("raw", raw_name);
	perf_line_param("in_flight", depth);
	perf_line_number("raw_ns", pairs.raw_ns.median);
	perf_line_number("aion_ns", pairs.aion_ns.median);
	perf_line_number("raw_cpu_ns", (double)bench->raw_cpu.spent_ns / (double)bench->raw_cpu.read_nr);
	perf_line_number("aion_cpu_ns", (double)bench->aion_cpu.spent_ns / (double)bench->aion_cpu.read_nr);
	if (strcmp(mode, "direct") == 0) /* else reads are done without the ring */
		perf_line_number("ops_an_enter", bench->ops_an_enter);
	perf_line_number("ratio", ratio.median);
	perf_line_spread(&ratio);
	perf_line_number("disturbed", pairs.disturbed_nr);
	if (bar)
		perf_line_bar(ratio.median, bar, PERF_AT_LEAST);
	perf_line_end();
}

/* Written, not only allocated: holes and unwritten blocks are not read from the device. */
static void file_fill(int fd, size_t size)
{
	char *chunk = perf_alloc(CHUNK_SIZE);
	uint64_t seed = 88172645463325252;
	size_t i, off;

	for (off = 0; off < size; off += CHUNK_SIZE) {
		for (i = 0; i < CHUNK_SIZE; i += sizeof(seed))
			*(uint64_t *)(chunk + i) = perf_random(&seed);
		if (write(fd, chunk, CHUNK_SIZE) != (ssize_t)CHUNK_SIZE)
			perf_die("write", errno ? -errno : -ENOSPC);
	}
	if (fsync(fd) < 0)
		perf_die("fsync", -errno);
	free(chunk);
}

/* Two descriptors of one file that has no name any more. *ret_direct_fd is -1 where the file system has no O_DIRECT. */
static int file_create(size_t size, int *ret_direct_fd)
{
	const char *dir = getenv("TMPDIR");
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/perf_read_random.XXXXXX", dir && *dir ? dir : ".");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		perf_die(path, -errno);
	*ret_direct_fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	unlink(path);
	file_fill(fd, size);
	return fd;
}

int main(int argc, char **argv)
{
	static struct bench bench = {.seed = 0x9e3779b97f4a7c15};
	size_t size;
	int hot_fd, direct_fd;

	perf_start(argc, argv);
	size = perf_size(FILE_SIZE);
	bench.buffers = perf_alloc(DEPTH_MAX * READ_SIZE);
	bench.block_nr = size / READ_SIZE;
	hot_fd = file_create(size, &direct_fd);
	perf_ring_open(&bench.ring, 1024, 0);
	bench.loop = perf_loop_create();

	bench.fd = hot_fd; /* just written, so in the page cache */
	measure(&bench, "hot", "pread", 1, 30000, 0.90);
	measure(&bench, "hot", "io_uring", 1, 30000, 0);
	measure(&bench, "hot", "io_uring", 32, 30000, 0.97);
	measure(&bench, "hot", "io_uring", 128, 30000, 0);
	if (direct_fd >= 0) {
		posix_fadvise(hot_fd, 0, 0, POSIX_FADV_DONTNEED);
		bench.fd = direct_fd;
		measure(&bench, "direct", "io_uring", 1, 500, 0.97);
		measure(&bench, "direct", "io_uring", 32, 4000, 0.97);
		measure(&bench, "direct", "io_uring", 128, 6000, 0.97);
		close(direct_fd);
	}
	aion_loop_destroy(bench.loop);
	perf_ring_close(&bench.ring);
	close(hot_fd);
	free(bench.buffers);
	return 0;
}
