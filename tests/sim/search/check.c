/* SPDX-License-Identifier: MIT */
/* What must hold when a run is over. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <aion/sim.h>

#include "op_group_int.h"
#include "run.h"

#define IDLE_TRY_MAX 2000 /* looks whether everything has ended */
#define IDLE_STEP_NS (10 * AION_MILLISECOND)

/* ---- memory of the library's, filled before it is given and after it is freed */

static size_t memory_nr;
static unsigned fail_one_of;
static struct draw fail_draw;

void check_memory_fail(unsigned one_of, uint64_t seed)
{
	fail_one_of = one_of;
	fail_draw.state = seed;
}

static void *memory_alloc(size_t size, void *unused)
{
	void *memory;

	(void)unused;
	if (fail_one_of && draw_below(&fail_draw, fail_one_of) == 0)
		return NULL;
	memory = malloc(size);
	if (memory) {
		memset(memory, 0xa5, size);
		__atomic_fetch_add(&memory_nr, 1, __ATOMIC_RELAXED);
	}
	return memory;
}

static void *memory_realloc(void *memory, size_t size, void *unused)
{
	(void)unused;
	return realloc(memory, size);
}

static void memory_free(void *memory, void *unused)
{
	(void)unused;
	if (!memory)
		return;
	memset(memory, 0xdd, malloc_usable_size(memory));
	__atomic_fetch_sub(&memory_nr, 1, __ATOMIC_RELAXED);
	free(memory);
}

void check_memory_init(void)
{
	static const struct aion_allocator allocator = {memory_alloc, memory_realloc, memory_free, NULL};

	if (aion_allocator_set(&allocator) != 0)
		abort();
}

void check_memory(const struct run *run)
{
	size_t nr = __atomic_load_n(&memory_nr, __ATOMIC_RELAXED);

	if (nr)
		run_fail(run, "%zu pieces of the library's memory are left", nr);
}

/* ---- after the loop has run */

/* All that was lent to receivers has come back. */
static void check_buffers(const struct run *run)
{
	for (int i = 0; i < AION__GROUP_NR && aion__engine->buffer_groups; i++) {
		const struct aion__buffer_group *group = &aion__engine->buffer_groups[i];

		if (group->taken_nr || group->singles)
			run_fail(run, "%u buffers are taken%s, and nobody receives", group->taken_nr,
				 group->singles ? " and single ones" : "");
	}
}

/* What tasks have left to the loop (owned reads, detached calls, posts) ends by itself. */
static int64_t wait_until_idle(void *arg)
{
	struct run *run = arg;
	struct aion_loop_stats stats;

	for (unsigned i = 0; i < IDLE_TRY_MAX; i++) {
		aion_loop_stats(run->loop, &stats);
		if (!stats.in_flight_nr && run->post_nr == run->post_run_nr && run->given_nr == run->taken_nr &&
		    __atomic_load_n(&run->job_nr, __ATOMIC_ACQUIRE) ==
			    __atomic_load_n(&run->job_end_nr, __ATOMIC_ACQUIRE)) {
			check_buffers(run);
			return 0;
		}
		if (aion_sleep(run->sim ? IDLE_STEP_NS * (1 + i) : AION_MILLISECOND) != 0)
			run_fail(run, "a sleep of a task that nobody has cancelled fails");
	}
	aion_loop_stats(run->loop, &stats);
	run_fail(run, "not idle: %zu operations in flight, %u of %u posts run, %u of %u jobs ended", stats.in_flight_nr,
		 run->post_run_nr, run->post_nr, run->job_end_nr, run->job_nr);
}

/* A loop with nothing to do says so; daemons wait for its end. */
void check_idle(struct run *run)
{
	struct aion_loop_stats stats;
	int64_t timeout_ns;
	int result = 1;

	if (aion_loop_run(run->loop, wait_until_idle, run) != 0)
		run_fail(run, "the loop does not run a second time");
	aion_loop_stats(run->loop, &stats);
	if (stats.task_nr != run->alive_nr)
		run_fail(run, "%zu tasks are left, there should be %u", stats.task_nr, run->alive_nr);
	/* Answers to cancels may still be on their way, which nobody waits for. */
	for (unsigned i = 0; i < IDLE_TRY_MAX && result == 1; i++)
		result = aion_loop_turn(run->loop);
	if (result != 0)
		run_fail(run, "a turn of an idle loop says %d", result);
	timeout_ns = aion_loop_timeout_ns(run->loop);
	if (stats.timer_nr || timeout_ns != -1)
		run_fail(run, "%zu timers are left; the next one in %lld ns", stats.timer_nr, (long long)timeout_ns);
}

void check_end(struct run *run)
{
	if (run->alive_nr)
		run_fail(run, "%u tasks are left", run->alive_nr);
	if (run->post_nr != run->post_run_nr)
		run_fail(run, "%u of %u posts have run", run->post_run_nr, run->post_nr);
	if (run->job_nr != run->job_end_nr)
		run_fail(run, "%u of %u detached jobs have ended", run->job_end_nr, run->job_nr);
	if (run->given_nr != run->taken_nr)
		run_fail(run, "%u of %u pieces of memory have been given back", run->taken_nr, run->given_nr);
	if (run->slot_nr)
		run_fail(run, "%u futures are left", run->slot_nr);
	if (run->local_nr)
		run_fail(run, "%u variables of tasks are left", run->local_nr);
	if (run->target_nr)
		run_fail(run, "the workload has left something in its list");
	if (run->sim && aion_sim_check(run->sim) != 0)
		run_fail(run, "the machine is not as it was");
}
