/* SPDX-License-Identifier: MIT */
/*
 * What an item costs from one task to another through a queue, beside what a switch between two tasks costs in the same
 * run. The bar holds against a switch between tasks that yield in two functions, as producer and consumer wait in two;
 * where both yield at one place the CPU guesses where to return to, which no two tasks with work of their own give it.
 *
 *	capacity 1, 64   a producer and a consumer, each as fast as it can: the queue is always full or empty
 *	ping-pong        an item there, an item back: each put wakes the other, each get waits; a switch an item
 *
 * Area: sync. Round: -r 7. Quick: -r 3.
 */
#include "perf.h"

#define ITEMS_A_RUN 400000

struct bench {
	struct aion_loop *loop;
	aion_fn *main;
	aion_fn *yield_second;
	size_t capacity;
	int64_t elapsed_ns;
	struct aion_queue there;
	struct aion_queue back;
};

static int64_t yield_here(void *unused)
{
	int result = 0;

	(void)unused;
	for (unsigned i = 0; i < ITEMS_A_RUN && result >= 0; i++)
		result = aion_yield();
	return result;
}

static int64_t yield_there(void *unused)
{
	int result = 0;

	(void)unused;
	for (unsigned i = 0; i < ITEMS_A_RUN && result >= 0; i++)
		result = aion_yield();
	__asm__ volatile("# another function");
	return result;
}

static int64_t produce(void *arg)
{
	struct bench *bench = arg;
	int result = 0;

	for (uintptr_t i = 0; i < ITEMS_A_RUN && result >= 0; i++)
		result = aion_queue_put(&bench->there, (void *)i);
	return result;
}

static int64_t consume(void *arg)
{
	struct bench *bench = arg;
	void *item;
	int result = 0;

	for (uintptr_t i = 0; i < ITEMS_A_RUN && result >= 0; i++) {
		result = aion_queue_get(&bench->there, &item);
		if (result >= 0 && item != (void *)i)
			perf_die("another item than was put", 0);
	}
	return result;
}

static int64_t ping(void *arg)
{
	struct bench *bench = arg;
	void *item = NULL;
	int result = 0;

	for (unsigned i = 0; i < ITEMS_A_RUN / 2 && result >= 0; i++) {
		result = aion_queue_put(&bench->there, item);
		if (result >= 0)
			result = aion_queue_get(&bench->back, &item);
	}
	return result;
}

static int64_t pong(void *arg)
{
	struct bench *bench = arg;
	void *item;
	int result = 0;

	for (unsigned i = 0; i < ITEMS_A_RUN / 2 && result >= 0; i++) {
		result = aion_queue_get(&bench->there, &item);
		if (result >= 0)
			result = aion_queue_put(&bench->back, item);
	}
	return result;
}

static int64_t run_two(struct bench *bench, aion_fn *first, aion_fn *second)
{
	int64_t begin_ns = perf_now(), result;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, first, bench);
	aion_spawn(&group, second, bench);
	result = aion_group_leave(&group, 0);
	bench->elapsed_ns = perf_now() - begin_ns;
	return result;
}

static int64_t yield_main(void *arg)
{
	struct bench *bench = arg;

	return run_two(bench, yield_here, bench->yield_second);
}

static int64_t stream_main(void *bench)
{
	return run_two(bench, produce, consume);
}

static int64_t ping_main(void *bench)
{
	return run_two(bench, ping, pong);
}

/* Both sides of a pair are the library's: here the way without a queue. */
static double switch_side(void *arg)
{
	struct bench *bench = arg;

	perf_loop_run(bench->loop, yield_main, bench);
	return (double)bench->elapsed_ns / ITEMS_A_RUN / 2;
}

static double queue_side(void *arg)
{
	struct bench *bench = arg;
	int result = aion_queue_init(&bench->there, AION_QUEUE_FIFO, bench->capacity);

	if (result == 0)
		result = aion_queue_init(&bench->back, AION_QUEUE_FIFO, bench->capacity);
	if (result < 0)
		perf_die("aion_queue_init", result);
	perf_loop_run(bench->loop, bench->main, bench);
	aion_queue_fini(&bench->there);
	aion_queue_fini(&bench->back);
	return (double)bench->elapsed_ns / ITEMS_A_RUN;
}

static void measure(struct bench *bench, const char *shape, aion_fn *fn, size_t capacity, bool at_one_place)
{
	struct perf_pairs pairs;

	bench->yield_second = at_one_place ? yield_here : yield_there;
	bench->main = fn;
	bench->capacity = capacity;
	perf_interleave_tries(switch_side, PERF_TRY_MAX, queue_side, PERF_TRY_MAX, bench, perf_runs(21), &pairs);
	perf_line_begin("queue");
	perf_line_text("shape", shape);
	perf_line_param("capacity", (double)capacity);
	perf_line_text("yields", at_one_place ? "one place" : "two places");
	perf_line_number("switch_ns", pairs.raw_ns.median);
	perf_line_number("item_ns", pairs.aion_ns.median);
	perf_line_number("switches", pairs.ratio.median);
	perf_line_spread(&pairs.ratio);
	perf_line_number("disturbed", pairs.disturbed_nr);
	if (!at_one_place)
		perf_line_bar(pairs.ratio.median, 3, PERF_AT_MOST);
	perf_line_end();
}

int main(int argc, char **argv)
{
	static struct bench bench;

	perf_start(argc, argv);
	bench.loop = perf_loop_create();
	for (int at_one_place = 0; at_one_place < 2; at_one_place++) {
		measure(&bench, "stream", stream_main, 1, at_one_place);
		measure(&bench, "stream", stream_main, 64, at_one_place);
		measure(&bench, "ping-pong", ping_main, 1, at_one_place);
	}
	aion_loop_destroy(bench.loop);
	return 0;
}
