/* SPDX-License-Identifier: MIT */
/*
 * How long does one large file of text take? cat against aio-cat, whole processes, taking turns; the ratio is that of
 * the rates.
 *	null	to /dev/null, which neither can help reading for
 *	pipe	into `wc -l`, and into another cat: through a pipe
 *	file	to a file on the same file system, which is removed after each run
 *	cold	to /dev/null, the file is not in the page cache
 *	-n, -v	numbered, and with what cannot be printed made visible, to /dev/null
 * Besides, the most memory that aio-cat had. The file is in $TMPDIR or /var/tmp, which should be a disk; -s MIB is its
 * size. With -c CPU what is no pipe stays on that one.
 *
 * Area: file. Round: -r 1 -s 512. Quick: -r 1 -s 64.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "perf.h"
#include "tool.h"

#define FILE_SIZE ((size_t)4 << 30)
#define BLOCK_SIZE ((size_t)1 << 20)
#define RESIDENT_BAR ((double)(32 << 20))

struct variant {
	const char *name;
	const char *command; /* of sh, with the tool as $1, the file as $2, a new file as $3 */
	double bar;
	bool is_cold;
	bool is_pipe;
};

static const struct variant variants[] = {
	{"null", "exec \"$1\" \"$2\"", 1, false, false},
	{"pipe into wc -l", "\"$1\" \"$2\" | wc -l", 8, false, true},
	{"pipe into cat", "\"$1\" \"$2\" | cat", 15, false, true},
	{"file", "exec \"$1\" \"$2\" >\"$3\"", 1, false, false},
	{"cold", "exec \"$1\" \"$2\"", 1, true, false},
	{"-n", "exec \"$1\" -n \"$2\"", 4, false, false},
	{"-v", "exec \"$1\" -v \"$2\"", 3, false, false},
};

struct bench {
	const struct variant *variant;
	double resident_size; /* of aio-cat, the most of all runs; bytes */
	int fd;
	char path[PATH_MAX];
	char copy[PATH_MAX + 8];
};

/* Lines of seven words or so, all different. */
static void block_fill(char *block, unsigned *line)
{
	size_t used = 0;

	while (used < BLOCK_SIZE) {
		char text[128];
		size_t size =
			(size_t)snprintf(text, sizeof(text), "%u the quick brown fox jumps over the lazy dog\n", *line);

		if (size > BLOCK_SIZE - used)
			size = BLOCK_SIZE - used;
		memcpy(block + used, text, size);
		used += size;
		*line += 1;
	}
}

static void file_make(struct bench *bench, size_t size)
{
	const char *top = getenv("TMPDIR");
	char *block = perf_alloc(BLOCK_SIZE);
	unsigned line = 0;

	snprintf(bench->path, sizeof(bench->path), "%s/perf_cat_file.XXXXXX", top ? top : "/var/tmp");
	bench->fd = mkostemp(bench->path, O_CLOEXEC);
	if (bench->fd < 0)
		perf_die(bench->path, -errno);
	snprintf(bench->copy, sizeof(bench->copy), "%s.copy", bench->path);
	for (size_t done = 0; done < size; done += BLOCK_SIZE) {
		block_fill(block, &line);
		if (write(bench->fd, block, BLOCK_SIZE) != (ssize_t)BLOCK_SIZE)
			perf_die(bench->path, errno ? -errno : -ENOSPC);
	}
	if (fsync(bench->fd) < 0)
		perf_die(bench->path, -errno);
	free(block);
}

static double shell_run(struct bench *bench, char *tool, double *ret_resident_size)
{
	char shell[] = "sh", option[] = "-c", text[64];
	char *const command[] = {shell, option, text, shell, tool, bench->path, bench->copy, NULL};
	double elapsed_ns;
	int error;

	snprintf(text, sizeof(text), "%s", bench->variant->command);
	if (bench->variant->is_cold) {
		error = posix_fadvise(bench->fd, 0, 0, POSIX_FADV_DONTNEED);
		if (error)
			perf_die("posix_fadvise", -error);
	}
	elapsed_ns = tool_run(command, NULL, ret_resident_size);
	unlink(bench->copy);
	return elapsed_ns;
}

static double run_cat(void *arg)
{
	char cat[] = "cat";

	return shell_run(arg, cat, NULL);
}

static double run_aio_cat(void *arg)
{
	struct bench *bench = arg;
	double resident_size, elapsed_ns = shell_run(bench, tool_path(), &resident_size);

	if (!bench->variant->is_pipe && resident_size > bench->resident_size) /* of a pipeline it is the greatest's */
		bench->resident_size = resident_size;
	return elapsed_ns;
}

static void measure(struct bench *bench, unsigned run_nr)
{
	struct perf_pairs pairs;
	struct perf_stats speedup;

	perf_interleave(run_cat, run_aio_cat, bench, run_nr, &pairs);
	speedup = perf_stats_inverse(&pairs.ratio);
	perf_line_begin("cat");
	perf_line_text("variant", bench->variant->name);
	perf_line_number("cat_seconds", pairs.raw_ns.median / 1e9);
	perf_line_number("seconds", pairs.aion_ns.median / 1e9);
	perf_line_number("ratio", speedup.median);
	perf_line_spread(&speedup);
	perf_line_bar(speedup.median, bench->variant->bar, PERF_AT_LEAST);
	perf_line_end();
}

int main(int argc, char **argv)
{
	static struct bench bench;
	cpu_set_t all, one;

	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		perf_die("sched_getaffinity", -errno);
	perf_start(argc, argv);
	if (sched_getaffinity(0, sizeof(one), &one) < 0)
		perf_die("sched_getaffinity", -errno);
	file_make(&bench, perf_size(FILE_SIZE));
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
		bench.variant = &variants[i];
		sched_setaffinity(0, sizeof(all), bench.variant->is_pipe ? &all : &one);
		measure(&bench, perf_runs(7));
	}
	unlink(bench.path);
	perf_line_begin("cat_memory");
	perf_line_number("resident_bytes", bench.resident_size);
	perf_line_bar(bench.resident_size, RESIDENT_BAR, PERF_AT_MOST);
	perf_line_end();
	return 0;
}
