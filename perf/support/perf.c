/* SPDX-License-Identifier: MIT */
#include "perf.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static struct {
	const char *name;
	unsigned run_nr;
	size_t size;
	int cpu;
} options = {.name = "perf", .cpu = -1};

/* The last CPU we may use: interrupts tend to go to the first. */
static void pin_to_one_cpu(void)
{
	cpu_set_t allowed, one;
	int cpu = options.cpu;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		perf_die("sched_getaffinity", -errno);
	if (cpu < 0) {
		for (cpu = CPU_SETSIZE - 1; cpu > 0; cpu--) {
			if (CPU_ISSET(cpu, &allowed))
				break;
		}
	}
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		perf_die("sched_setaffinity", -errno);
}

void perf_start(int argc, char **argv)
{
	int option;

	options.name = program_invocation_short_name;
	while ((option = getopt(argc, argv, "r:c:s:")) != -1) {
		switch (option) {
		case 'r':
			options.run_nr = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'c':
			options.cpu = (int)strtol(optarg, NULL, 10);
			break;
		case 's':
			options.size = strtoul(optarg, NULL, 10) << 20;
			break;
		default:
			fprintf(stderr, "usage: %s [-r RUNS] [-c CPU] [-s MIB]\n", options.name);
			exit(2);
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	pin_to_one_cpu();
}

unsigned perf_runs(unsigned usual_nr)
{
	return options.run_nr ? options.run_nr : usual_nr;
}

size_t perf_size(size_t usual_size)
{
	return options.size ? options.size : usual_size;
}

static int64_t clock_read(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * AION_SECOND + now.tv_nsec;
}

int64_t perf_now(void)
{
	return clock_read(CLOCK_MONOTONIC);
}

int64_t perf_cpu_now(void)
{
	return clock_read(CLOCK_THREAD_CPUTIME_ID);
}

/* How often another program has taken the CPU from this thread. */
static long preempted_count(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_THREAD, &usage) < 0)
		perf_die("getrusage", -errno);
	return usage.ru_nivcsw;
}

size_t perf_resident_size(void)
{
	size_t total, resident;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file)
		perf_die("/proc/self/statm", -errno);
	if (fscanf(file, "%zu %zu", &total, &resident) != 2)
		perf_die("/proc/self/statm", -EINVAL);
	fclose(file);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

void perf_stats_of(double *samples, unsigned nr, struct perf_stats *ret_stats)
{
	qsort(samples, nr, sizeof(*samples), compare_doubles);
	ret_stats->median = (samples[(nr - 1) / 2] + samples[nr / 2]) / 2;
	ret_stats->min = samples[0];
	ret_stats->max = samples[nr - 1];
	ret_stats->run_nr = nr;
}

struct perf_stats perf_stats_inverse(const struct perf_stats *stats)
{
	return (struct perf_stats){
		.median = 1 / stats->median,
		.min = 1 / stats->max,
		.max = 1 / stats->min,
		.run_nr = stats->run_nr,
	};
}

/* One run that no other program disturbed, or the last of a few tries. */
static double side_run(perf_side *side, void *arg, unsigned try_max, unsigned *disturbed_nr)
{
	unsigned try;
	long count;
	double ns = 0;

	for (try = 0; try < try_max; try++) {
		count = preempted_count();
		ns = side(arg);
		if (preempted_count() == count)
			return ns;
	}
	*disturbed_nr += try_max > 1;
	return ns;
}

void perf_interleave_tries(perf_side *raw, unsigned raw_try_max, perf_side *aion, unsigned aion_try_max, void *arg,
			   unsigned run_nr, struct perf_pairs *ret_pairs)
{
	double *samples = perf_alloc(3 * run_nr * sizeof(*samples));
	double *raw_ns = samples, *aion_ns = samples + run_nr, *ratio = samples + 2 * run_nr;
	unsigned i;

	raw(arg);
	aion(arg);
	ret_pairs->disturbed_nr = 0;
	for (i = 0; i < run_nr; i++) {
		raw_ns[i] = side_run(raw, arg, raw_try_max, &ret_pairs->disturbed_nr);
		aion_ns[i] = side_run(aion, arg, aion_try_max, &ret_pairs->disturbed_nr);
		ratio[i] = aion_ns[i] / raw_ns[i];
	}
	perf_stats_of(raw_ns, run_nr, &ret_pairs->raw_ns);
	perf_stats_of(aion_ns, run_nr, &ret_pairs->aion_ns);
	perf_stats_of(ratio, run_nr, &ret_pairs->ratio);
	free(samples);
}

void perf_interleave(perf_side *raw, perf_side *aion, void *arg, unsigned run_nr, struct perf_pairs *ret_pairs)
{
	perf_interleave_tries(raw, 1, aion, 1, arg, run_nr, ret_pairs);
}

/* The names of the parameters of the line that is being written, as JSON. */
static struct {
	char text[256];
	size_t size;
} line_params;

static void param_add(const char *key)
{
	size_t room = sizeof(line_params.text) - line_params.size;
	int size = snprintf(line_params.text + line_params.size, room, "%s\"%s\"", line_params.size ? "," : "", key);

	if (size < 0 || (size_t)size >= room)
		perf_die("parameters of a line", -ENOBUFS);
	line_params.size += (size_t)size;
}

void perf_line_begin(const char *bench)
{
	line_params.size = 0;
	line_params.text[0] = '\0';
	printf("{\"bench\":\"%s\"", bench);
}

void perf_line_note(const char *key, const char *value)
{
	printf(",\"%s\":\"%s\"", key, value);
}

void perf_line_text(const char *key, const char *value)
{
	param_add(key);
	perf_line_note(key, value);
}

void perf_line_param(const char *key, double value)
{
	param_add(key);
	perf_line_number(key, value);
}

/* Counts without a fraction, figures with three significant digits at least. */
void perf_line_number(const char *key, double value)
{
	double size = fabs(value);

	if (value == floor(value))
		printf(",\"%s\":%.0f", key, value);
	else if (size < 0.1)
		printf(",\"%s\":%.4g", key, value);
	else
		printf(",\"%s\":%.*f", key, size < 10 ? 3 : size < 1000 ? 1 : 0, value);
}

void perf_line_spread(const struct perf_stats *stats)
{
	perf_line_number("runs", stats->run_nr);
	perf_line_number("min", stats->min);
	perf_line_number("max", stats->max);
}

void perf_line_bar(double value, double bar, enum perf_bound bound)
{
	bool holds = bound == PERF_AT_MOST ? value <= bar : value >= bar;

	perf_line_number("value", value);
	perf_line_number("bar", bar);
	perf_line_note("bound", bound == PERF_AT_MOST ? "at most" : "at least");
	perf_line_note("verdict", holds ? "pass" : "short");
}

void perf_line_end(void)
{
	printf(",\"of\":[%s]}\n", line_params.text);
}

void perf_line_pairs(const struct perf_pairs *pairs)
{
	perf_line_number("raw_ns", pairs->raw_ns.median);
	perf_line_number("aion_ns", pairs->aion_ns.median);
	perf_line_number("raw_best_ns", pairs->raw_ns.min);
	perf_line_number("aion_best_ns", pairs->aion_ns.min);
	perf_line_number("ratio", pairs->ratio.median);
	perf_line_spread(&pairs->ratio);
	perf_line_number("disturbed", pairs->disturbed_nr);
}

_Noreturn void perf_die(const char *what, int64_t result)
{
	fprintf(stderr, "%s: %s: %s\n", options.name, what, strerror((int)-result));
	exit(1);
}

void *perf_alloc(size_t size)
{
	void *memory = aligned_alloc(4096, (size + 4095) & ~(size_t)4095);

	if (!memory)
		perf_die("memory", -ENOMEM);
	memset(memory, 0, size);
	return memory;
}

struct aion_loop *perf_loop_create(void)
{
	struct aion_loop *loop;
	int result = aion_loop_create(NULL, &loop);

	if (result < 0) {
		fprintf(stderr, "%s: %s\n", options.name, aion_loop_create_error());
		perf_die("aion_loop_create", result);
	}
	return loop;
}

void perf_loop_run(struct aion_loop *loop, aion_fn *fn, void *arg)
{
	int64_t result = aion_loop_run(loop, fn, arg);

	if (result < 0)
		perf_die("aion_loop_run", result);
}
