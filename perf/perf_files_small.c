/* SPDX-License-Identifier: MIT */
/*
 * How long do many small files take? `xargs cat` against `xargs aio-cat`, whole processes, to /dev/null, taking turns.
 *	hot	everything is in the page cache, on one CPU
 *	hot, 2 CPUs	the same, with all CPUs: aio-cat takes two of them
 *	cold	the caches of the kernel are dropped before each run (root only)
 * The files are 4 KiB each, a thousand a directory, in $TMPDIR or /var/tmp, which should be a disk; -s gives their
 * total size. Each process gets as many of them as fit. The tool is $AIO_CAT, or the one built beside this program.
 *
 * Area: small-files. Round: -r 1 -s 64. Quick: -r 1 -s 8.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "perf.h"
#include "tool.h"

#define FILE_NR 50000
#define FILE_SIZE 4096
#define FILES_PER_DIR 1000
#define HOT_BAR 4.5
#define HOT_TWO_BAR 7
#define COLD_BAR 5
#define ARGUMENTS_SIZE "1900000" /* bytes of names that xargs hands to one process */

struct bench {
	size_t file_nr;
	bool is_cold;
	cpu_set_t cpus;
	char dir[PATH_MAX];
	char list[PATH_MAX + 8];
};

static void file_make(const char *path, uint64_t *seed)
{
	uint64_t data[FILE_SIZE / sizeof(uint64_t)];
	size_t i;
	int fd;

	for (i = 0; i < FILE_SIZE / sizeof(uint64_t); i++)
		data[i] = perf_random(seed);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, data, sizeof(data)) != FILE_SIZE || close(fd) < 0)
		perf_die(path, -errno);
}

/* The tree, and the list of its files that xargs reads. */
static void tree_make(struct bench *bench)
{
	const char *top = getenv("TMPDIR");
	char path[PATH_MAX + 64];
	uint64_t seed = 1;
	FILE *list;
	size_t i;

	snprintf(bench->dir, sizeof(bench->dir), "%s/perf_files_small.XXXXXX", top ? top : "/var/tmp");
	if (!mkdtemp(bench->dir))
		perf_die(bench->dir, -errno);
	snprintf(bench->list, sizeof(bench->list), "%s/list", bench->dir);
	list = fopen(bench->list, "we");
	if (!list)
		perf_die(bench->list, -errno);
	for (i = 0; i < bench->file_nr; i++) {
		snprintf(path, sizeof(path), "%s/%zu", bench->dir, i / FILES_PER_DIR);
		if (i % FILES_PER_DIR == 0 && mkdir(path, 0700) < 0)
			perf_die(path, -errno);
		snprintf(path, sizeof(path), "%s/%zu/%zu", bench->dir, i / FILES_PER_DIR, i);
		file_make(path, &seed);
		fprintf(list, "%zu/%zu\n", i / FILES_PER_DIR, i);
	}
	if (fclose(list) != 0)
		perf_die(bench->list, -errno);
	sync();
}

static void caches_drop(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	sync();
	if (fd < 0 || write(fd, "3", 1) != 1)
		perf_die("/proc/sys/vm/drop_caches", -errno);
	close(fd);
}

static double xargs_run(struct bench *bench, char *tool)
{
	char xargs[] = "xargs", from[] = "-a", most[] = "-s", size[] = ARGUMENTS_SIZE, version[] = "--version";
	char *const warm[] = {tool, version, NULL};
	char *const command[] = {xargs, from, bench->list, most, size, tool, NULL};

	if (bench->is_cold) {
		caches_drop();
		tool_run(warm, NULL, NULL); /* the programs themselves are not what is measured */
	}
	return tool_run(command, bench->dir, NULL);
}

static double run_cat(void *arg)
{
	char cat[] = "cat";

	return xargs_run(arg, cat);
}

static double run_aio_cat(void *arg)
{
	return xargs_run(arg, tool_path());
}

static void measure(struct bench *bench, const char *variant, unsigned run_nr, double bar)
{
	struct perf_pairs pairs;
	struct perf_stats speedup;

	perf_interleave(run_cat, run_aio_cat, bench, run_nr, &pairs);
	speedup = perf_stats_inverse(&pairs.ratio);
	perf_line_begin("files_small");
	perf_line_text("variant", variant);
	perf_line_param("files", (double)bench->file_nr);
	perf_line_number("cat_seconds", pairs.raw_ns.median / 1e9);
	perf_line_number("seconds", pairs.aion_ns.median / 1e9);
	perf_line_number("ratio", speedup.median);
	perf_line_spread(&speedup);
	perf_line_bar(speedup.median, bar, PERF_AT_LEAST);
	perf_line_end();
}

static void tree_remove(struct bench *bench)
{
	char rm[] = "rm", option[] = "-rf";
	char *const command[] = {rm, option, bench->dir, NULL};

	tool_run(command, NULL, NULL);
}

int main(int argc, char **argv)
{
	static struct bench bench;

	if (sched_getaffinity(0, sizeof(bench.cpus), &bench.cpus) < 0)
		perf_die("sched_getaffinity", -errno);
	perf_start(argc, argv);
	bench.file_nr = perf_size((size_t)FILE_NR * FILE_SIZE) / FILE_SIZE;
	tree_make(&bench);
	measure(&bench, "hot", perf_runs(11), HOT_BAR);
	sched_setaffinity(0, sizeof(bench.cpus), &bench.cpus);
	measure(&bench, "hot, 2 CPUs", perf_runs(11), HOT_TWO_BAR);
	if (geteuid() == 0) {
		bench.is_cold = true;
		measure(&bench, "cold", perf_runs(5), COLD_BAR);
	}
	tree_remove(&bench);
	return 0;
}
