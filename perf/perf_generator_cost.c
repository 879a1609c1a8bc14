/* SPDX-License-Identifier: MIT */
/*
 * What does it cost to get a value from a generator? Producer and consumer take turns, so two switches are the least:
 * the raw side is two tasks that yield to each other, a pair of switches a unit. Then what operators add.
 *
 * Area: task. Round: -r 11. Quick: -r 5.
 */
#include "perf.h"

#define VALUES_A_RUN 10000 /* short enough to be done before another program takes the CPU */

struct bench {
	struct aion_loop *loop;
	aion_fn *fn;
	int64_t elapsed_ns;
	int64_t sum;
};

static int64_t yield_on(void *unused)
{
	int result = 0;

	for (int i = 0; i < VALUES_A_RUN && result == 0; i++)
		result = aion_yield();
	return result;
}

/* Two tasks, each of which yields so often: a pair of switches a value. */
static int64_t switch_main(void *arg)
{
	struct bench *bench = arg;
	struct aion_group group;
	int64_t begin_ns = perf_now();
	int64_t result;

	aion_group_enter(&group);
	aion_spawn(&group, yield_on, NULL);
	aion_spawn(&group, yield_on, NULL);
	result = aion_group_leave(&group, 0);
	bench->elapsed_ns = perf_now() - begin_ns;
	return result;
}

static int64_t produce(struct aion_generator *generator, void *unused)
{
	int64_t result = 0;

	for (int64_t i = 0; i < VALUES_A_RUN && result == 0; i++)
		result = aion_yield_value(generator, aion_iter_value(i));
	return result;
}

static int64_t add(void *value, void *arg)
{
	struct bench *bench = arg;

	bench->sum += aion_iter_number(value);
	return 0;
}

static int64_t same(void *value, void *unused, void **ret_value)
{
	*ret_value = value;
	return 0;
}

static int64_t consume(struct bench *bench, struct aion_iter *iter)
{
	int64_t begin_ns = perf_now();
	int64_t result = aion_iter_for_each(iter, add, bench, NULL);

	bench->elapsed_ns = perf_now() - begin_ns;
	aion_iter_close(iter);
	return result;
}

static int64_t generator_main(void *arg)
{
	struct aion_generator generator;
	struct aion_group group;
	int64_t result;

	aion_group_enter(&group);
	result = consume(arg, aion_generator_init(&generator, &group, produce, NULL));
	return aion_group_leave(&group, result);
}

static int64_t map_main(void *arg)
{
	struct aion_generator generator;
	struct aion_iter_map map;
	struct aion_iter *iter;
	struct aion_group group;
	int64_t result;

	aion_group_enter(&group);
	iter = aion_generator_init(&generator, &group, produce, NULL);
	result = consume(arg, aion_iter_map_init(&map, iter, same, NULL));
	return aion_group_leave(&group, result);
}

/* No task but the consumer. */
static int64_t range_main(void *arg)
{
	struct aion_iter_range range;

	return consume(arg, aion_iter_range_init(&range, 0, VALUES_A_RUN, 1));
}

static int64_t merge_main(void *arg)
{
	struct aion_iter_feeder feeders[2];
	struct aion_iter_range ranges[2];
	struct aion_iter_merge merge;
	struct aion_iter *sources[2];
	struct aion_group group;
	int64_t result;

	aion_group_enter(&group);
	for (int i = 0; i < 2; i++)
		sources[i] = aion_iter_range_init(&ranges[i], 0, VALUES_A_RUN / 2, 1);
	result = consume(arg, aion_iter_merge_init(&merge, &group, feeders, sources, 2));
	return aion_group_leave(&group, result);
}

static double raw_side(void *arg)
{
	struct bench *bench = arg;

	perf_loop_run(bench->loop, switch_main, bench);
	return (double)bench->elapsed_ns / VALUES_A_RUN;
}

static double aion_side(void *arg)
{
	struct bench *bench = arg;

	perf_loop_run(bench->loop, bench->fn, bench);
	return (double)bench->elapsed_ns / VALUES_A_RUN;
}

static void measure(struct bench *bench, const char *iter, aion_fn *fn)
{
	struct perf_pairs pairs;

	bench->fn = fn;
	perf_interleave_tries(raw_side, PERF_TRY_MAX, aion_side, PERF_TRY_MAX, bench, perf_runs(21), &pairs);
	perf_line_begin("generator");
	perf_line_text("iter", iter);
	perf_line_number("two_switches_ns", pairs.raw_ns.median);
	perf_line_number("value_ns", pairs.aion_ns.median);
	perf_line_number("ratio", pairs.ratio.median);
	perf_line_spread(&pairs.aion_ns);
	perf_line_number("disturbed", pairs.disturbed_nr);
	perf_line_end();
}

int main(int argc, char **argv)
{
	static struct bench bench;

	perf_start(argc, argv);
	bench.loop = perf_loop_create();
	measure(&bench, "generator", generator_main);
	measure(&bench, "generator_map", map_main);
	measure(&bench, "range", range_main);
	measure(&bench, "merge_of_two_ranges", merge_main);
	aion_loop_destroy(bench.loop);
	return 0;
}
