/* SPDX-License-Identifier: MIT */
/*
 * Area: file. Round: -r 1. Not quick.
 * Random reads of 4 KiB beside the peers': tasks of aion, libuv's pool of threads (uv_fs_read, 4 threads as it comes),
 * threads that pread(2), as many as there are reads in flight, and fio with its io_uring engine as the yardstick. Hot,
 * from the page cache, and direct, from the device; all on one CPU. The ratio is that of the rates, aion over the best
 * peer of the same turn: 1 means equally fast, less means slower. cpu_ns is what the process used a read, all of its
 * threads. fio measures itself, in a process of its own, and makes its random numbers by itself; it is a yardstick and
 * no peer, so the ratio to it has a measure of its own. -s MIB is the file's size; it stands in $TMPDIR or the current
 * directory, without a name.
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

#ifdef PERF_LIBUV
#include <uv.h>
#endif

#define READ_SIZE 4096
#define FILE_SIZE ((size_t)256 << 20)
#define CHUNK_SIZE ((size_t)1 << 20)
#define DEPTH_MAX 128u
#define RUN_NR_MAX 101
#define FIO_OUTPUT_MAX ((size_t)64 << 10)

struct bench {
	struct aion_loop *loop;
	char path[4096];
	bool is_direct;
	int fd;
	uint64_t block_nr;
	unsigned depth;
	unsigned read_nr; /* a run */
	atomic_uint next_idx;
	atomic_uint reader_idx;
	char *buffers;
	int64_t elapsed_ns;
};

/* What a run showed. */
struct figures {
	double ns; /* a read */
	double cpu_ns;
};

static off_t read_off(const struct bench *bench, unsigned idx)
{
	uint64_t seed = 0x9e3779b97f4a7c15 * (idx + 1);

	perf_random(&seed);
	return (off_t)(perf_random_below(&seed, bench->block_nr) * READ_SIZE);
}

static void check_read(int64_t result)
{
	if (result != READ_SIZE)
		perf_die("read", result < 0 ? result : -EIO);
}

/* Of all threads. */
static int64_t process_cpu_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * AION_SECOND + now.tv_nsec;
}

static int64_t read_task(void *arg)
{
	struct bench *bench = arg;
	char *buffer = bench->buffers + bench->reader_idx++ * READ_SIZE;
	unsigned idx;

	while ((idx = bench->next_idx++) < bench->read_nr)
		check_read(aion_pread(bench->fd, buffer, READ_SIZE, read_off(bench, idx)));
	return 0;
}

static int64_t main_task(void *arg)
{
	struct bench *bench = arg;
	struct aion_group group;
	unsigned i;

	aion_group_enter(&group);
	for (i = 0; i < bench->depth; i++)
		aion_spawn(&group, read_task, bench);
	return aion_group_leave(&group, 0);
}

static void aion_run_once(struct bench *bench)
{
	perf_loop_run(bench->loop, main_task, bench);
}

static void *read_thread(void *arg)
{
	struct bench *bench = arg;
	char *buffer = bench->buffers + bench->reader_idx++ * READ_SIZE;
	unsigned idx;

	while ((idx = bench->next_idx++) < bench->read_nr)
		check_read(pread(bench->fd, buffer, READ_SIZE, read_off(bench, idx)));
	return NULL;
}

static void threads_run(struct bench *bench)
{
	pthread_t threads[DEPTH_MAX];
	unsigned i;
	int error;

	for (i = 0; i < bench->depth; i++) {
		error = pthread_create(&threads[i], NULL, read_thread, bench);
		if (error)
			perf_die("pthread_create", -error);
	}
	for (i = 0; i < bench->depth; i++)
		pthread_join(threads[i], NULL);
}

#ifdef PERF_LIBUV
struct uv_reader {
	uv_fs_t request;
	struct bench *bench;
	char *buffer;
};

static void uv_reader_next(struct uv_reader *reader);

static void uv_reader_done(uv_fs_t *request)
{
	struct uv_reader *reader = (struct uv_reader *)request;

	check_read(request->result);
	uv_fs_req_cleanup(request);
	uv_reader_next(reader);
}

static void uv_reader_next(struct uv_reader *reader)
{
	unsigned idx = reader->bench->next_idx++;
	uv_buf_t buffer = uv_buf_init(reader->buffer, READ_SIZE);

	if (idx < reader->bench->read_nr)
		uv_fs_read(uv_default_loop(), &reader->request, reader->bench->fd, &buffer, 1,
			   read_off(reader->bench, idx), uv_reader_done);
}

static void libuv_run(struct bench *bench)
{
	static struct uv_reader readers[DEPTH_MAX];
	unsigned i;

	for (i = 0; i < bench->depth; i++) {
		readers[i] = (struct uv_reader){.bench = bench, .buffer = bench->buffers + i * READ_SIZE};
		uv_reader_next(&readers[i]);
	}
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
#else
#define libuv_run NULL
#endif

struct side {
	const char *name;
	void (*run)(struct bench *bench);
};

enum {
	AION,
	PEERS,
	SIDE_NR = 3,
	FIO = SIDE_NR, /* another process */
	COLUMN_NR,
};

static const struct side sides[SIDE_NR] = {
	{"aion", aion_run_once},
	{"threads", threads_run},
	{"libuv", libuv_run},
};

static double ns_samples[COLUMN_NR][RUN_NR_MAX], cpu_samples[COLUMN_NR][RUN_NR_MAX];

/* The number behind a key that comes after another, or 0. */
static double json_number(const char *text, const char *section, const char *key)
{
	text = strstr(text, section);
	text = text ? strstr(text, key) : NULL;
	text = text ? strchr(text, ':') : NULL;
	return text ? strtod(text + 1, NULL) : 0;
}

/* False where there is no fio, or one that cannot. */
static bool fio_run(const struct bench *bench, struct figures *ret_figures)
{
	static char output[FIO_OUTPUT_MAX];
	char command[8192];
	size_t size;
	FILE *pipe;
	double rate, cpu_percent;

	snprintf(command, sizeof(command),
		 "fio --name=r --filename=%s --readonly --rw=randread --bs=%d --ioengine=io_uring --iodepth=%u "
		 "--direct=%d --invalidate=0 --norandommap --randrepeat=0 --gtod_reduce=1 --thread --time_based "
		 "--runtime=300ms --output-format=json 2>/dev/null",
		 bench->path, READ_SIZE, bench->depth, bench->is_direct);
	pipe = popen(command, "re");
	if (!pipe)
		return false;
	size = fread(output, 1, sizeof(output) - 1, pipe);
	output[size] = 0;
	if (pclose(pipe) != 0)
		return false;
	rate = json_number(output, "\"read\" :", "\"iops\"");
	cpu_percent = json_number(output, "\"job_runtime\"", "\"usr_cpu\"") +
		      json_number(output, "\"job_runtime\"", "\"sys_cpu\"");
	if (rate <= 0)
		return false;
	ret_figures->ns = 1e9 / rate;
	ret_figures->cpu_ns = cpu_percent / 100 * ret_figures->ns;
	return true;
}

static void run(struct bench *bench, unsigned side, unsigned turn)
{
	int64_t begin_ns, cpu_ns;

	bench->next_idx = bench->reader_idx = 0;
	cpu_ns = process_cpu_now();
	begin_ns = perf_now();
	sides[side].run(bench);
	ns_samples[side][turn] = (double)(perf_now() - begin_ns) / bench->read_nr;
	cpu_samples[side][turn] = (double)(process_cpu_now() - cpu_ns) / bench->read_nr;
}

static struct perf_stats stats_of(const double *samples, unsigned nr)
{
	double sorted[RUN_NR_MAX];
	struct perf_stats stats;

	memcpy(sorted, samples, nr * sizeof(*samples));
	perf_stats_of(sorted, nr, &stats);
	return stats;
}

static void line_begin(const struct bench *bench, const char *measure)
{
	perf_line_begin("read_peers");
	perf_line_text("measure", measure);
	perf_line_text("mode", bench->is_direct ? "direct" : "hot");
	perf_line_param("in_flight", bench->depth);
}

static void show_side(const struct bench *bench, const char *name, unsigned side, unsigned run_nr)
{
	struct perf_stats stats = stats_of(ns_samples[side], run_nr);

	line_begin(bench, "side");
	perf_line_text("side", name);
	perf_line_number("ns", stats.median);
	perf_line_number("cpu_ns", stats_of(cpu_samples[side], run_nr).median);
	perf_line_spread(&stats);
	perf_line_end();
}

static void show_ratio(const struct bench *bench, const char *measure, const char *name, unsigned other,
		       unsigned run_nr)
{
	double ratios[RUN_NR_MAX];
	struct perf_stats ratio;
	unsigned i;

	for (i = 0; i < run_nr; i++)
		ratios[i] = ns_samples[other][i] / ns_samples[AION][i];
	perf_stats_of(ratios, run_nr, &ratio);
	line_begin(bench, measure);
	perf_line_note("peer", name);
	perf_line_number("peer_ns", stats_of(ns_samples[other], run_nr).median);
	perf_line_number("aion_ns", stats_of(ns_samples[AION], run_nr).median);
	perf_line_number("ratio", ratio.median);
	perf_line_spread(&ratio);
	perf_line_end();
}

static void measure(struct bench *bench, unsigned depth, unsigned read_nr, bool has_fio)
{
	unsigned side, turn, best = PEERS, run_nr = perf_runs(3);
	struct figures figures;

	run_nr = run_nr > RUN_NR_MAX ? RUN_NR_MAX : run_nr;
	bench->depth = depth;
	bench->read_nr = read_nr;
	for (turn = 0; turn < run_nr; turn++) {
		for (side = 0; side < SIDE_NR; side++) {
			if (sides[side].run)
				run(bench, side, turn);
		}
		if (has_fio && fio_run(bench, &figures)) {
			ns_samples[FIO][turn] = figures.ns;
			cpu_samples[FIO][turn] = figures.cpu_ns;
		} else {
			has_fio = false;
		}
	}
	for (side = 0; side < SIDE_NR; side++) {
		if (!sides[side].run)
			continue;
		show_side(bench, sides[side].name, side, run_nr);
		if (side >= PEERS &&
		    stats_of(ns_samples[side], run_nr).median < stats_of(ns_samples[best], run_nr).median)
			best = side;
	}
	show_ratio(bench, "peer", sides[best].name, best, run_nr);
	if (has_fio) {
		show_side(bench, "fio", FIO, run_nr);
		show_ratio(bench, "yardstick", "fio", FIO, run_nr);
	}
}

static void show_missing(const char *side, const char *package)
{
	perf_line_begin("read_peers");
	perf_line_text("measure", "missing");
	perf_line_text("side", side);
	perf_line_text("package", package);
	perf_line_end();
}

/* Without a name as soon as it is open; fio finds it among this process's descriptors. *ret_direct_fd is -1 where the
 * file system has no O_DIRECT. */
static int file_create(struct bench *bench, size_t size, int *ret_direct_fd)
{
	const char *dir = getenv("TMPDIR");
	char *chunk = perf_alloc(CHUNK_SIZE);
	size_t off;
	int fd;

	snprintf(bench->path, sizeof(bench->path), "%s/perf_read_peers.XXXXXX", dir && *dir ? dir : ".");
	fd = mkostemp(bench->path, O_CLOEXEC);
	if (fd < 0)
		perf_die(bench->path, -errno);
	*ret_direct_fd = open(bench->path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	unlink(bench->path);
	snprintf(bench->path, sizeof(bench->path), "/proc/%d/fd/%d", (int)getpid(), fd);
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
	int hot_fd, direct_fd;
	bool has_fio;
	size_t size;

	perf_start(argc, argv);
	size = perf_size(FILE_SIZE);
	bench.block_nr = size / READ_SIZE;
	bench.buffers = perf_alloc((size_t)DEPTH_MAX * READ_SIZE);
	bench.loop = perf_loop_create();
	has_fio = system("command -v fio >/dev/null") == 0;
	if (!sides[SIDE_NR - 1].run)
		show_missing("libuv", "libuv1-dev");
	if (!has_fio)
		show_missing("fio", "fio");
	hot_fd = file_create(&bench, size, &direct_fd);
	bench.fd = hot_fd;
	measure(&bench, 1, 20000, has_fio);
	measure(&bench, 32, 40000, has_fio);
	measure(&bench, 128, 40000, has_fio);
	if (direct_fd >= 0) {
		posix_fadvise(hot_fd, 0, 0, POSIX_FADV_DONTNEED);
		bench.fd = direct_fd;
		bench.is_direct = true;
		measure(&bench, 1, 1000, has_fio);
		measure(&bench, 32, 6000, has_fio);
		measure(&bench, 128, 6000, has_fio);
		close(direct_fd);
	}
	close(hot_fd);
	aion_loop_destroy(bench.loop);
	free(bench.buffers);
	return 0;
}
