/* SPDX-License-Identifier: MIT */
#ifndef PERF_H
#define PERF_H
/*
 * What the measurements share: a clock, medians, sides that take turns, one JSON object a line. A measurement reports;
 * it never fails because it was slow.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <aion.h>

struct perf_stats {
	double median;
	double min;
	double max;
	unsigned run_nr;
};

/* Whether a figure must stay below its bar or reach it. */
enum perf_bound {
	PERF_AT_MOST,
	PERF_AT_LEAST,
};

/* One side of a comparison: does its work once, returns nanoseconds a unit of it. */
typedef double perf_side(void *arg);

#define PERF_TRY_MAX 4

struct perf_pairs {
	struct perf_stats raw_ns;
	struct perf_stats aion_ns;
	struct perf_stats ratio; /* of each pair: what aion costs over what the raw way costs */
	unsigned disturbed_nr;   /* runs during which another program took the CPU, each time they were tried */
};

/*
 * Reads the options that every program has (-r RUNS, -c CPU, -s MIB), pins the process to one CPU. A program that has
 * no use for a size ignores it.
 */
void perf_start(int argc, char **argv);
/* How often to run: -r, else what the program finds right. */
unsigned perf_runs(unsigned usual_nr);
/* -s in bytes, else the default. */
size_t perf_size(size_t usual_size);

/* CLOCK_MONOTONIC, and the CPU time of this thread; nanoseconds. */
int64_t perf_now(void);
int64_t perf_cpu_now(void);
/* Resident memory of the process, bytes. */
size_t perf_resident_size(void);

/* Sorts samples. */
void perf_stats_of(double *samples, unsigned nr, struct perf_stats *ret_stats);
/* raw, aion, raw, aion …, after one pair to warm up. */
void perf_interleave(perf_side *raw, perf_side *aion, void *arg, unsigned run_nr, struct perf_pairs *ret_pairs);
/* The same for sides that use this thread alone: a run during which it was preempted, which is then another program's
 * doing, is tried again. 1 try for a side of threads or processes. */
void perf_interleave_tries(perf_side *raw, unsigned raw_try_max, perf_side *aion, unsigned aion_try_max, void *arg,
			   unsigned run_nr, struct perf_pairs *ret_pairs);
/* The same comparison of rates: each ratio turned over. */
struct perf_stats perf_stats_inverse(const struct perf_stats *stats);

/*
 * A line: begin, keys, end. The name of the bench, texts and parameters tell what was measured: the same in every run
 * of the program, and different in every line of a run, so that runs can be put together ("of" lists them). Numbers and
 * notes are what came out.
 */
void perf_line_begin(const char *bench);
void perf_line_text(const char *key, const char *value);
void perf_line_param(const char *key, double value);
void perf_line_number(const char *key, double value);
void perf_line_note(const char *key, const char *value);
/* The runs behind the figure that counts, its least and its greatest. */
void perf_line_spread(const struct perf_stats *stats);
/* The bar, and whether the value holds it. */
void perf_line_bar(double value, double bar, enum perf_bound bound);
void perf_line_end(void);
/* raw_ns, aion_ns, the best runs of both, ratio, and the spread of the ratio. */
void perf_line_pairs(const struct perf_pairs *pairs);

/* "perf_x: what: reason", exit status 1. result is -errno. */
_Noreturn void perf_die(const char *what, int64_t result);
void *perf_alloc(size_t size);

/* A loop with the default options, or the end of the program. */
struct aion_loop *perf_loop_create(void);
/* Runs fn as the loop's main task; a failure ends the program. */
void perf_loop_run(struct aion_loop *loop, aion_fn *fn, void *arg);

/* A small generator of random numbers, the same on every side. */
static inline uint64_t perf_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return x;
}

/* Evenly spread over [0, bound), bound below 2^32. */
static inline uint64_t perf_random_below(uint64_t *state, uint64_t bound)
{
	return (perf_random(state) >> 32) * bound >> 32;
}

#endif
