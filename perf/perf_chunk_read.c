/* SPDX-License-Identifier: MIT */
/*
 * A hot file through the chunk processor: to a callback that does nothing, against a loop of read(2) of 256 KiB (the
 * ratio is that of the rates), and to one that counts newlines, on one core and on two, against `wc -l` (the ratio is
 * that of the times; wc starts a process). With -c CPU the first two stay on that one. -s MIB is the file's size; the
 * file stands in $TMPDIR or the current directory, without a name.
 *
 * Area: chunk. Round: -r 3 -s 512. Quick: -r 1 -s 64.
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

#define FILE_SIZE ((size_t)1 << 30)
#define BLOCK_SIZE ((size_t)1 << 20)
#define READ_SIZE ((size_t)256 << 10)
#define WORKER_MAX 2
#define LINE_SIZE 64 /* bytes, on average */

extern char **environ;

/* A sum of each worker's own, far from the others'. */
struct sum {
	uint64_t nr;
	char padding[120];
};

struct bench {
	struct aion_loop *loop;
	int fd;
	size_t size;
	uint64_t line_nr;
	char *buffer;
	aion_chunk_fn *fn;
	struct aion_chunk_options options;
	struct sum sums[WORKER_MAX];
	double elapsed_ns;
};

static double ns_per_mib(const struct bench *bench, int64_t begin_ns)
{
	return (double)(perf_now() - begin_ns) / ((double)bench->size / (1 << 20));
}

static double read_loop(void *arg)
{
	struct bench *bench = arg;
	int64_t begin_ns = perf_now();
	size_t size = 0;
	ssize_t n;

	lseek(bench->fd, 0, SEEK_SET);
	while ((n = read(bench->fd, bench->buffer, READ_SIZE)) > 0)
		size += (size_t)n;
	if (size != bench->size)
		perf_die("read", n < 0 ? -errno : -EIO);
	return ns_per_mib(bench, begin_ns);
}

static double wc_run(void *arg)
{
	struct bench *bench = arg;
	char path[64], name[] = "wc", option[] = "-l";
	char *const argv[] = {name, option, path, NULL};
	int64_t begin_ns = perf_now();
	posix_spawn_file_actions_t actions;
	int status, result;
	pid_t child;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), bench->fd);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	result = posix_spawnp(&child, name, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (result)
		perf_die("wc", -result);
	if (waitpid(child, &status, 0) != child || status != 0)
		perf_die("wc", -ECHILD);
	return ns_per_mib(bench, begin_ns);
}

static int64_t see_nothing(struct aion_chunk *chunk, void *unused)
{
	(void)chunk;
	(void)unused;
	return 0;
}

typedef uint8_t vector __attribute__((vector_size(32)));

#ifdef __x86_64__
#define WIDE __attribute__((target("avx2")))
#else
#define WIDE
#endif

WIDE static inline vector newlines_at(const char *data, size_t idx, vector newline)
{
	vector x;

	memcpy(&x, data + idx * sizeof(x), sizeof(x));
	return (vector)(x == newline);
}

/* Columns of bytes are counted in bytes, as long as these cannot overflow. Sums in an array would stay in memory. */
WIDE static uint64_t count_block(const char *data, size_t vector_nr)
{
	vector a = {0}, b = {0}, c = {0}, d = {0}, newline;
	uint64_t nr = 0;
	size_t i;

	memset(&newline, '\n', sizeof(newline));
	for (i = 0; i + 4 <= vector_nr; i += 4) {
		a -= newlines_at(data, i, newline);
		b -= newlines_at(data, i + 1, newline);
		c -= newlines_at(data, i + 2, newline);
		d -= newlines_at(data, i + 3, newline);
	}
	for (i = 0; i < sizeof(vector); i++)
		nr += (uint64_t)a[i] + b[i] + c[i] + d[i];
	return nr;
}

static uint64_t count_newlines(const char *data, size_t size)
{
	const size_t block_size = 4 * 255 * sizeof(vector);
	uint64_t nr = 0;

	for (; size >= 4 * sizeof(vector); data += block_size, size -= block_size) {
		if (size < block_size) {
			size_t whole_size = size / (4 * sizeof(vector)) * (4 * sizeof(vector));

			nr += count_block(data, whole_size / sizeof(vector));
			data += whole_size;
			size -= whole_size;
			break;
		}
		nr += count_block(data, block_size / sizeof(vector));
	}
	while (size--)
		nr += *data++ == '\n';
	return nr;
}

static int64_t see_newlines(struct aion_chunk *chunk, void *arg)
{
	struct bench *bench = arg;

	bench->sums[chunk->worker_idx].nr += count_newlines(chunk->data, chunk->size);
	return 0;
}

static int64_t chunk_main(void *arg)
{
	struct bench *bench = arg;
	const struct aion_source source = {.fd = bench->fd};
	int64_t begin_ns = perf_now(), result;

	memset(bench->sums, 0, sizeof(bench->sums));
	result = aion_chunk_process(&source, 1, bench->fn, bench, &bench->options);
	bench->elapsed_ns = ns_per_mib(bench, begin_ns);
	if (result >= 0 && (size_t)result != bench->size)
		return -EIO;
	if (bench->fn == see_newlines && bench->sums[0].nr + bench->sums[1].nr != bench->line_nr)
		return -EBADMSG;
	return result < 0 ? result : 0;
}

static double chunk_run(void *arg)
{
	struct bench *bench = arg;

	perf_loop_run(bench->loop, chunk_main, bench);
	return bench->elapsed_ns;
}

static void measure(struct bench *bench, const char *mode, aion_chunk_fn *fn, int worker_nr, double bar)
{
	perf_side *raw = fn == see_nothing ? read_loop : wc_run;
	unsigned raw_try_max = fn == see_nothing ? PERF_TRY_MAX : 1, try_max = worker_nr ? 1 : PERF_TRY_MAX;
	struct perf_stats ratio;
	struct perf_pairs pairs;

	bench->fn = fn;
	bench->options.worker_nr = worker_nr;
	perf_interleave_tries(raw, raw_try_max, chunk_run, try_max, bench, perf_runs(7), &pairs);
	ratio = raw == read_loop ? perf_stats_inverse(&pairs.ratio) : pairs.ratio;
	perf_line_begin("chunk_read");
	perf_line_text("mode", mode);
	perf_line_text("raw", raw == read_loop ? "read" : "wc -l");
	perf_line_param("workers", worker_nr);
	perf_line_param("mib", (double)(bench->size >> 20));
	perf_line_number("raw_ns", pairs.raw_ns.median);
	perf_line_number("aion_ns", pairs.aion_ns.median);
	perf_line_number("raw_best_ns", pairs.raw_ns.min);
	perf_line_number("aion_best_ns", pairs.aion_ns.min);
	perf_line_number("ratio", ratio.median);
	perf_line_spread(&ratio);
	perf_line_number("disturbed", pairs.disturbed_nr);
	if (bar != 0)
		perf_line_bar(ratio.median, bar, raw == read_loop ? PERF_AT_LEAST : PERF_AT_MOST);
	perf_line_end();
}

/* Lines of text, the same million of bytes again and again. */
static void file_fill(struct bench *bench)
{
	char *block = perf_alloc(BLOCK_SIZE);
	uint64_t seed = 88172645463325252, nr;
	size_t i, off;

	for (i = 0; i < BLOCK_SIZE; i++)
		block[i] = perf_random_below(&seed, LINE_SIZE) == 0 ? '\n' : (char)('a' + i % 26);
	nr = count_newlines(block, BLOCK_SIZE);
	for (off = 0; off < bench->size; off += BLOCK_SIZE) {
		if (write(bench->fd, block, BLOCK_SIZE) != (ssize_t)BLOCK_SIZE)
			perf_die("write", errno ? -errno : -ENOSPC);
		bench->line_nr += nr;
	}
	free(block);
}

static int file_create(void)
{
	const char *dir = getenv("TMPDIR");
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/perf_chunk_read.XXXXXX", dir && *dir ? dir : ".");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		perf_die(path, -errno);
	unlink(path);
	return fd;
}

/* Workers and wc may run wherever they like. */
static void unpin(const cpu_set_t *allowed)
{
	if (sched_setaffinity(0, sizeof(*allowed), allowed) < 0)
		perf_die("sched_setaffinity", -errno);
}

int main(int argc, char **argv)
{
	static struct bench bench;
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		perf_die("sched_getaffinity", -errno);
	perf_start(argc, argv);
#ifdef __x86_64__
	if (!__builtin_cpu_supports("avx2"))
		perf_die("AVX2", -ENOTSUP);
#endif
	bench.size = perf_size(FILE_SIZE);
	bench.buffer = perf_alloc(READ_SIZE);
	bench.fd = file_create();
	file_fill(&bench);
	bench.loop = perf_loop_create();

	measure(&bench, "nothing", see_nothing, 0, 0.95);
	measure(&bench, "newlines", see_newlines, 0, 0.60);
	unpin(&allowed);
	measure(&bench, "newlines", see_newlines, 1, 0);
	measure(&bench, "newlines", see_newlines, 2, 0.42);
	aion_loop_destroy(bench.loop);
	close(bench.fd);
	free(bench.buffer);
	return 0;
}
