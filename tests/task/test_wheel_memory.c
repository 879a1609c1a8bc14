/* SPDX-License-Identifier: MIT */
/* The memory of the timers' store follows the number of armed timers; without memory it refuses and loses nothing. */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdlib.h>

#include <aion/alloc.h>

#include "fault_int.h"
#include "wheel_int.h"

#define MANY 100000
#define CONSTANT (320 * 1024) /* the run, a slab, a piece in each of some hundred slots */

static size_t used, used_most;

static void used_add(void *memory)
{
	used += malloc_usable_size(memory);
	if (used > used_most)
		used_most = used;
}

static void *count_alloc(size_t size, void *arg)
{
	void *memory = malloc(size);

	used_add(memory);
	return memory;
}

static void *count_realloc(void *memory, size_t size, void *arg)
{
	used -= malloc_usable_size(memory);
	memory = realloc(memory, size);
	used_add(memory);
	return memory;
}

static void count_free(void *memory, void *arg)
{
	used -= malloc_usable_size(memory);
	free(memory);
}

static const struct aion_allocator counting = {count_alloc, count_realloc, count_free, NULL};
static struct aion__wheel wheel;
static struct aion_timer timers[MANY];
static uint64_t seed = 1;

static void setup(void)
{
	cr_assert_eq(aion_allocator_set(&counting), 0);
	cr_assert_eq(aion__wheel_init(&wheel, 0), 0);
}

static void teardown(void)
{
	aion__wheel_fini(&wheel);
}

TestSuite(wheel_memory, .init = setup, .fini = teardown);

static uint64_t draw(uint64_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (seed >> 20) % below;
}

static unsigned scaled(unsigned nr)
{
	return getenv("AION_TEST_SMALL") ? nr / 20 : nr;
}

static void arm(unsigned idx, int64_t deadline_ns)
{
	cr_assert_eq(aion__wheel_arm(&wheel, &timers[idx], deadline_ns), 0);
}

Test(wheel_memory, init_takes_none)
{
	cr_assert_eq(aion__wheel_nr(&wheel), 0);
	cr_assert_eq(used_most, 0);
}

Test(wheel_memory, fini_gives_all_back)
{
	for (unsigned i = 0; i < MANY; i++)
		arm(i, (int64_t)draw(UINT64_C(1) << (i % 60)));
	cr_assert_gt(used, MANY * sizeof(struct aion__wheel_entry));
	for (unsigned i = 0; i < MANY; i += 2)
		aion__wheel_cancel(&wheel, &timers[i]);
	aion__wheel_fini(&wheel);
	cr_assert_eq(used, 0);
}

enum cancel_order { OLDEST, NEWEST, ANY, ALL_BUT_FEW };

/*
 * Goal: timeouts of operations that end in time cost nothing in the long run.
 * Method: live_nr timers stay armed with 30 s; a clock that goes on; each step cancels one and arms it again.
 */
static void churn(enum cancel_order order, unsigned live_nr)
{
	int64_t now_ns = 0;
	unsigned step_nr = scaled(1000000);

	for (unsigned i = 0; i < live_nr; i++)
		arm(i, now_ns + 30 * AION_SECOND);
	for (unsigned i = 0; i < step_nr; i++) {
		unsigned idx = order == OLDEST ? i % live_nr : order == NEWEST ? live_nr - 1 : (unsigned)draw(live_nr);

		if (order == ALL_BUT_FEW && idx % 50 == 0)
			continue;
		now_ns += 1000;
		if (i % 1000 == 0)
			while (aion__wheel_expire(&wheel, now_ns))
				;
		if (timers[idx].place)
			aion__wheel_cancel(&wheel, &timers[idx]);
		arm(idx, now_ns + 30 * AION_SECOND);
	}
	cr_assert_leq(used_most, CONSTANT + 3 * live_nr * sizeof(struct aion__wheel_entry), "%zu", used_most);
	for (unsigned i = 0; i < live_nr; i++)
		if (timers[i].place)
			aion__wheel_cancel(&wheel, &timers[i]);
	cr_assert_eq(aion__wheel_nr(&wheel), 0);
}

Test(wheel_memory, one_timeout_again_and_again_is_constant)
{
	churn(NEWEST, 1);
}

Test(wheel_memory, cancelling_the_oldest_is_constant)
{
	churn(OLDEST, 5000);
}

Test(wheel_memory, cancelling_the_newest_is_constant)
{
	churn(NEWEST, 5000);
}

Test(wheel_memory, cancelling_any_is_constant)
{
	churn(ANY, 20000);
}

Test(wheel_memory, some_that_stay_do_not_hold_the_others_memory)
{
	churn(ALL_BUT_FEW, 20000);
}

/*
 * Goal: memory of many cancelled timers serves others, though some of their neighbours live on.
 * Method: cancel all but every stride-th of one slot's, then arm the cancelled ones elsewhere.
 */
static void thin_out(unsigned stride)
{
	unsigned nr = scaled(MANY);
	size_t before;

	for (unsigned i = 0; i < nr; i++)
		arm(i, 30 * AION_SECOND + i);
	before = used;
	for (unsigned i = 0; i < nr; i++)
		if (i % stride)
			aion__wheel_cancel(&wheel, &timers[i]);
	for (unsigned i = 0; i < nr; i++)
		if (i % stride)
			arm(i, 60 * AION_SECOND + i);
	cr_assert_leq(used_most, before + 3 * (nr / stride) * sizeof(struct aion__wheel_entry) + 64 * 1024);
	for (unsigned i = 0; i < nr; i += stride)
		cr_assert_eq(aion__wheel_expire(&wheel, 31 * AION_SECOND), &timers[i]);
	for (unsigned i = 0; i < nr; i++)
		if (i % stride)
			cr_assert_eq(aion__wheel_expire(&wheel, 61 * AION_SECOND), &timers[i]);
	cr_assert_eq(aion__wheel_nr(&wheel), 0);
}

Test(wheel_memory, one_in_five_left_are_drawn_together)
{
	thin_out(5);
}

Test(wheel_memory, one_in_sixty_two_left_are_drawn_together)
{
	thin_out(62);
}

#ifdef AION_FAULTS
static void no_memory(unsigned after)
{
	aion__fault_arm(AION__FAULT_ALLOC, after, UINT_MAX, -ENOMEM);
}

/* The first timer needs the run, then a slab; one that is due needs the heap. */
Test(wheel_memory, arming_without_memory_leaves_the_timer_idle)
{
	for (unsigned after = 0; after < 2; after++) {
		no_memory(after);
		cr_assert_eq(aion__wheel_arm(&wheel, &timers[0], AION_SECOND), -ENOMEM);
		cr_assert_eq(timers[0].place, 0);
	}
	no_memory(0);
	cr_assert_eq(aion__wheel_arm(&wheel, &timers[0], 0), -ENOMEM);
	cr_assert_eq(timers[0].place, 0);
	cr_assert_eq(aion__wheel_nr(&wheel), 0);
	cr_assert_eq(aion__wheel_next_ns(&wheel), AION_NEVER);
	aion__fault_reset();
	arm(0, AION_SECOND);
	arm(1, 0);
	cr_assert_eq(aion__wheel_expire(&wheel, AION_SECOND), &timers[1]);
	cr_assert_eq(aion__wheel_expire(&wheel, AION_SECOND), &timers[0]);
}

Test(wheel_memory, full_heap_refuses_and_keeps_what_it_has)
{
	unsigned nr = 0;

	arm(nr++, 0);
	no_memory(0);
	while (aion__wheel_arm(&wheel, &timers[nr], 0) == 0)
		nr++;
	cr_assert_eq(timers[nr].place, 0);
	for (unsigned i = 0; i < nr; i++)
		cr_assert_eq(aion__wheel_expire(&wheel, 0), &timers[i]);
	cr_assert_null(aion__wheel_expire(&wheel, 0));
}

/*
 * Goal: a slot that is due but cannot be spread over the levels below, because each of its timers would need a piece of
 * its own, still fires each timer in its turn.
 */
Test(wheel_memory, slot_is_opened_without_memory)
{
	const unsigned nr = 3000;

	for (unsigned i = 0; i < nr; i++) /* 30 s apart: no two of them in one slot of the level below (17 s) */
		arm(i * 7 % nr, 3000 * AION_SECOND + (int64_t)(i * 7 % nr) * 30 * AION_SECOND);
	no_memory(0);
	for (unsigned i = 0; i < nr; i++) {
		int64_t deadline_ns = timers[i].deadline_ns, next_ns;

		while ((next_ns = aion__wheel_next_ns(&wheel)) < deadline_ns) {
			cr_assert_null(aion__wheel_expire(&wheel, next_ns));
			cr_assert_gt(aion__wheel_next_ns(&wheel), next_ns);
		}
		cr_assert_eq(next_ns, deadline_ns);
		cr_assert_eq(aion__wheel_expire(&wheel, deadline_ns), &timers[i]);
	}
	cr_assert_eq(aion__wheel_nr(&wheel), 0);
}
#endif
