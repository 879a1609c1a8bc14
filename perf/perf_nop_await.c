/* SPDX-License-Identifier: MIT */
/*
 * What does an awaited operation cost over the same operation written by hand? NOP travels through the ring and does
 * nothing else, so every nanosecond between the two sides is the library's. N tasks, each awaiting NOPs one after the
 * other, against N slots kept busy from one completion loop.
 *
 * Area: ring. Round: -r 31. Quick: -r 11.
 */
#include <errno.h>

#include "perf.h"
#include "raw_ring.h"

#define NOPS_A_RUN 32768
#define NOPS_A_RUN_ALONE 8192 /* one in flight: an entry a NOP */

struct slot {
	unsigned left_nr;
	int64_t result;
};

struct bench {
	struct aion_loop *loop;
	struct io_uring ring;
	unsigned in_flight;
	unsigned nop_nr; /* a slot or a task */
	int64_t elapsed_ns;
	uint64_t enter_nr; /* of aion's last run */
	struct slot slots[128];
};

static void slot_submit(struct io_uring *ring, struct slot *slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_nop(sqe);
	io_uring_sqe_set_data(sqe, slot);
}

static unsigned slot_complete(struct io_uring *ring, const struct io_uring_cqe *cqe)
{
	struct slot *slot = io_uring_cqe_get_data(cqe);

	slot->result = cqe->res;
	if (slot->result < 0)
		perf_die("NOP", slot->result);
	if (--slot->left_nr == 0)
		return 1;
	slot_submit(ring, slot);
	return 0;
}

static double raw_run(void *arg)
{
	struct bench *bench = arg;
	struct io_uring *ring = &bench->ring;
	struct io_uring_cqe *cqe;
	unsigned i, head, seen_nr, busy_nr = bench->in_flight;
	int64_t begin_ns = perf_now();

	for (i = 0; i < bench->in_flight; i++) {
		bench->slots[i].left_nr = bench->nop_nr;
		slot_submit(ring, &bench->slots[i]);
	}
	while (busy_nr) {
		perf_ring_enter(ring, 1);
		seen_nr = 0;
		io_uring_for_each_cqe(ring, head, cqe) {
			busy_nr -= slot_complete(ring, cqe);
			seen_nr++;
		}
		io_uring_cq_advance(ring, seen_nr);
	}
	return (double)(perf_now() - begin_ns) / bench->in_flight / bench->nop_nr;
}

static int64_t nop_task(void *arg)
{
	const struct bench *bench = arg;
	unsigned i;
	int64_t result;

	for (i = 0; i < bench->nop_nr; i++) {
		result = aion_nop();
		if (result < 0)
			return result;
	}
	return 0;
}

static uint64_t enters_now(const struct bench *bench)
{
	struct aion_loop_stats stats;

	aion_loop_stats(bench->loop, &stats);
	return stats.enter_nr;
}

static int64_t nop_main(void *arg)
{
	struct bench *bench = arg;
	struct aion_group group;
	uint64_t enter_nr;
	unsigned i;
	int64_t result, begin_ns;

	aion_group_enter(&group);
	for (i = 0; i < bench->in_flight; i++)
		aion_spawn(&group, nop_task, bench);
	enter_nr = enters_now(bench);
	begin_ns = perf_now(); /* spawning is another question */
	result = aion_group_leave(&group, 0);
	bench->elapsed_ns = perf_now() - begin_ns;
	bench->enter_nr = enters_now(bench) - enter_nr;
	return result;
}

static double aion_side(void *arg)
{
	struct bench *bench = arg;

	perf_loop_run(bench->loop, nop_main, bench);
	return (double)bench->elapsed_ns / bench->in_flight / bench->nop_nr;
}

static void measure(struct bench *bench, unsigned in_flight, double bar)
{
	struct perf_pairs pairs;

	bench->in_flight = in_flight;
	bench->nop_nr = (in_flight == 1 ? NOPS_A_RUN_ALONE : NOPS_A_RUN) / in_flight;
	perf_interleave_tries(raw_run, PERF_TRY_MAX, aion_side, PERF_TRY_MAX, bench, perf_runs(101), &pairs);
	perf_line_begin("nop");
	perf_line_param("in_flight", in_flight);
	perf_line_pairs(&pairs);
	perf_line_number("ops_an_enter", (double)in_flight * bench->nop_nr / (double)bench->enter_nr);
	perf_line_bar(pairs.ratio.median, bar, PERF_AT_MOST);
	perf_line_end();
}

int main(int argc, char **argv)
{
	static struct bench bench;

	perf_start(argc, argv);
	perf_ring_open(&bench.ring, 1024, 0);
	bench.loop = perf_loop_create();
	measure(&bench, 1, 1.05);
	measure(&bench, 8, 1.06);
	measure(&bench, 32, 1.08);
	measure(&bench, 128, 1.10);
	aion_loop_destroy(bench.loop);
	perf_ring_close(&bench.ring);
	return 0;
}
