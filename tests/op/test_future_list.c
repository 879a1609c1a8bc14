/* SPDX-License-Identifier: MIT */
/* The word in which a future keeps its waiters: one tagged, several in a list. */
#include <criterion/criterion.h>
#include <errno.h>

#include "alloc_int.h"
#include "future_int.h"

#define NR 4

struct world {
	struct aion__engine engine;
	struct aion__runnable runnables[NR];
	struct aion__waiter waiters[NR];
	struct aion_future future;
};

static void world_open(struct world *world)
{
	*world = (struct world){0};
	cr_assert_eq(aion__ready_reserve(&world->engine.ready, NR), 0);
}

static void world_close(struct world *world)
{
	aion__free(world->engine.ready.places);
}

/* The next one that was made ready, or -1. */
static int next_ready(struct world *world)
{
	struct aion__ready *ready = &world->engine.ready;
	struct aion__runnable *runnable;

	if (aion__ready_is_empty(ready))
		return -1;
	runnable = ready->places[ready->head++ & ready->mask];
	runnable->is_awake = false;
	return (int)(runnable - world->runnables);
}

Test(future_list, one_waiter_needs_no_record)
{
	struct world world;

	world_open(&world);
	aion__future_add_runnable(&world.future, &world.runnables[2]);
	cr_assert_eq(world.future.waiters, (uintptr_t)&world.runnables[2] | AION__WAITER_SINGLE);
	aion__future_finish(&world.engine, &world.future, 5);
	cr_assert(aion__future_is_done(&world.future));
	cr_assert_eq(world.future.result, 5);
	cr_assert_eq(next_ready(&world), 2);
	cr_assert_eq(next_ready(&world), -1);
	world_close(&world);
}

Test(future_list, a_single_one_can_be_taken_away)
{
	struct world world;

	world_open(&world);
	aion__future_add_runnable(&world.future, &world.runnables[0]);
	aion__future_remove_runnable(&world.future, &world.runnables[0]);
	cr_assert_eq(world.future.waiters, 0);
	aion__future_finish(&world.engine, &world.future, 0);
	cr_assert_eq(next_ready(&world), -1);
	world_close(&world);
}

static void add(struct world *world, int i, bool with_record)
{
	if (with_record)
		aion__future_add_waiter(&world->future, &world->waiters[i], &world->runnables[i]);
	else
		aion__future_add_runnable(&world->future, &world->runnables[i]);
}

static void take_away(struct world *world, int i, bool with_record)
{
	if (with_record)
		aion__future_remove_waiter(&world->waiters[i]);
	else
		aion__future_remove_runnable(&world->future, &world->runnables[i]);
}

/* All mixtures of waiters with and without records, all subsets of them taken away. */
Test(future_list, every_mixture_wakes_first_in_first_out)
{
	for (unsigned records = 0; records < 1U << NR; records++) {
		for (unsigned removed = 0; removed < 1U << NR; removed++) {
			struct world world;

			world_open(&world);
			for (int i = 0; i < NR; i++)
				add(&world, i, records & 1U << i);
			for (int i = 0; i < NR; i++)
				if (removed & 1U << i)
					take_away(&world, i, records & 1U << i);
			aion__future_finish(&world.engine, &world.future, 0);
			for (int i = 0; i < NR; i++)
				if (!(removed & 1U << i))
					cr_assert_eq(next_ready(&world), i);
			cr_assert_eq(next_ready(&world), -1);
			world_close(&world);
		}
	}
}

Test(future_list, taking_away_after_the_end_does_nothing)
{
	struct world world;

	world_open(&world);
	for (int i = 0; i < NR; i++)
		add(&world, i, i % 2);
	aion__future_finish(&world.engine, &world.future, 0);
	for (int i = 0; i < NR; i++)
		take_away(&world, i, i % 2);
	cr_assert(aion__future_is_done(&world.future));
	for (int i = 0; i < NR; i++)
		cr_assert_eq(next_ready(&world), i);
	world_close(&world);
}

/* One may wait with several records; it becomes ready once. */
Test(future_list, who_waits_twice_is_woken_once)
{
	struct world world;

	world_open(&world);
	aion__future_add_waiter(&world.future, &world.waiters[0], &world.runnables[0]);
	aion__future_add_waiter(&world.future, &world.waiters[1], &world.runnables[0]);
	aion__future_finish(&world.engine, &world.future, 0);
	cr_assert_eq(next_ready(&world), 0);
	cr_assert_eq(next_ready(&world), -1);
	world_close(&world);
}

Test(future_list, the_ready_queue_grows_and_keeps_its_order)
{
	static struct aion__runnable many[1000];
	struct aion__engine engine = {0};

	for (int i = 0; i < 1000; i++) {
		cr_assert_eq(aion__ready_reserve(&engine.ready, (size_t)i + 1), 0);
		aion__engine_make_ready(&engine, &many[i]);
		aion__engine_make_ready(&engine, &many[i]);
		if (i % 3 == 2)
			engine.ready.head++; /* so that the queue's start wanders */
	}
	for (unsigned i = 333; i < 1000; i++)
		cr_assert_eq(engine.ready.places[engine.ready.head++ & engine.ready.mask], &many[i]);
	cr_assert(aion__ready_is_empty(&engine.ready));
	aion__free(engine.ready.places);
}
