/* SPDX-License-Identifier: MIT */
/* The timers' store does what a sorted array does, whatever is armed, cancelled and expired, also without memory. */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fault_int.h"
#include "wheel_int.h"

#define TIMER_NR 6000
#define LIMIT_NS (INT64_MAX / 2)

struct model {
	struct aion__wheel wheel;
	struct aion_timer timers[TIMER_NR];
	uint64_t order[TIMER_NR];            /* when it was armed */
	struct aion_timer *sorted[TIMER_NR]; /* the model: by deadline and order */
	unsigned nr;
	uint64_t arm_nr;
	int64_t now_ns;
	uint64_t seed;
	bool is_short_of_memory; /* then equal deadlines may swap */
	unsigned refused_nr;
};

static struct model model;

static uint64_t draw(uint64_t below)
{
	model.seed = model.seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (model.seed >> 20) % below;
}

static uint64_t order_of(const struct aion_timer *timer)
{
	return model.order[timer - model.timers];
}

/* How many of the model come before (deadline_ns, order). */
static unsigned model_rank(int64_t deadline_ns, uint64_t order)
{
	unsigned low = 0, high = model.nr;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		const struct aion_timer *timer = model.sorted[middle];

		if (timer->deadline_ns < deadline_ns || (timer->deadline_ns == deadline_ns && order_of(timer) < order))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void model_remove(const struct aion_timer *timer)
{
	unsigned rank = model_rank(timer->deadline_ns, order_of(timer));

	cr_assert_eq(model.sorted[rank], timer);
	model.nr--;
	memmove(&model.sorted[rank], &model.sorted[rank + 1], (model.nr - rank) * sizeof(*model.sorted));
}

/* All kinds of distances, and often a deadline that another timer has. */
static int64_t draw_deadline(void)
{
	static const int64_t range_ns[] = {100,      5000,        300000,           3000000,
					   60000000, AION_SECOND, 20 * AION_SECOND, 5000 * AION_SECOND};
	unsigned kind = (unsigned)draw(13);

	if (kind < 8)
		return model.now_ns + (int64_t)draw((uint64_t)range_ns[kind]);
	if (kind < 11 && model.nr)
		return model.sorted[draw(model.nr)]->deadline_ns;
	if (kind == 11)
		return model.now_ns - (int64_t)draw(1000000);
	return model.now_ns + (int64_t)(draw(UINT64_C(1) << 40) << draw(22));
}

static void model_arm(void)
{
	struct aion_timer *timer = &model.timers[draw(TIMER_NR)];
	int64_t deadline_ns = draw_deadline();
	unsigned rank;
	int result;

	if (timer->place)
		return;
	result = aion__wheel_arm(&model.wheel, timer, deadline_ns);
	if (result < 0) {
		cr_assert(model.is_short_of_memory && result == -ENOMEM && !timer->place);
		model.refused_nr++;
		return;
	}
	model.order[timer - model.timers] = model.arm_nr++;
	rank = model_rank(deadline_ns, UINT64_MAX);
	memmove(&model.sorted[rank + 1], &model.sorted[rank], (model.nr - rank) * sizeof(*model.sorted));
	model.sorted[rank] = timer;
	model.nr++;
}

static void model_cancel(void)
{
	struct aion_timer *timer;

	if (!model.nr)
		return;
	timer = model.sorted[draw(4) ? draw(model.nr) : 0];
	model_remove(timer);
	aion__wheel_cancel(&model.wheel, timer);
	cr_assert_eq(timer->place, 0);
}

static void check_next(void)
{
	int64_t next_ns = aion__wheel_next_ns(&model.wheel);

	cr_assert_eq(aion__wheel_nr(&model.wheel), model.nr);
	if (!model.nr)
		cr_assert_eq(next_ns, AION_NEVER);
	else
		cr_assert_leq(next_ns, model.sorted[0]->deadline_ns);
}

/* Whether one fired: the one that the model says. */
static bool model_expire(void)
{
	struct aion_timer *timer = aion__wheel_expire(&model.wheel, model.now_ns);

	if (!timer) {
		cr_assert(!model.nr || model.sorted[0]->deadline_ns > model.now_ns, "late by %lld ns",
			  (long long)(model.now_ns - model.sorted[0]->deadline_ns));
		return false;
	}
	cr_assert(model.nr);
	cr_assert_leq(timer->deadline_ns, model.now_ns);
	cr_assert_eq(timer->deadline_ns, model.sorted[0]->deadline_ns);
	if (!model.is_short_of_memory)
		cr_assert_eq(timer, model.sorted[0]);
	model_remove(timer);
	return true;
}

/* Sleep until the next one, as the loop does; or less, or far longer; then expire, with others coming and going. */
static void model_pass(void)
{
	static const int64_t step_ns[] = {1, 300, 100000, 300000, 5000000, 80000000, AION_SECOND, 30 * AION_SECOND};
	int64_t next_ns = aion__wheel_next_ns(&model.wheel);
	bool has_fired = false;

	if (draw(2) && next_ns < LIMIT_NS) {
		if (next_ns > model.now_ns)
			model.now_ns = next_ns;
	} else {
		model.now_ns += (int64_t)draw((uint64_t)step_ns[draw(8)]);
		next_ns = AION_NEVER;
	}
	while (model_expire()) {
		has_fired = true;
		if (!draw(4))
			model_arm();
		if (!draw(4))
			model_cancel();
		if (!draw(16))
			check_next();
	}
	check_next();
	if (!has_fired && next_ns <= model.now_ns)
		cr_assert_gt(aion__wheel_next_ns(&model.wheel), next_ns, "slept for nothing, and will again");
}

static void model_run(uint64_t seed, unsigned operation_nr)
{
	memset(&model, 0, sizeof(model));
	model.seed = seed;
	model.now_ns = (int64_t)draw(1000 * (uint64_t)AION_SECOND);
	aion__wheel_init(&model.wheel, model.now_ns);
	for (unsigned i = 0; i < operation_nr; i++) {
		/* a phase of growth, one of balance, one of decline */
		unsigned phase = i * 12 / operation_nr % 3;
		unsigned kind = (unsigned)draw(100);

		if (kind < 70 - 15 * phase)
			model_arm();
		else if (kind < 95)
			model_cancel();
		else
			model_pass();
		check_next();
	}
	while (model.nr) {
		model.now_ns = model.sorted[0]->deadline_ns;
		cr_assert(model_expire());
	}
	cr_assert_eq(aion__wheel_nr(&model.wheel), 0);
	aion__wheel_fini(&model.wheel);
}

static unsigned operation_nr(void)
{
	return getenv("AION_TEST_SMALL") ? 10000 : 100000;
}

Test(wheel_model, behaves_as_a_sorted_array)
{
	for (uint64_t seed = 1; seed <= 6; seed++)
		model_run(seed, operation_nr());
}

/* Goal: no deadline is late after a long absence. Method: few timers, jumps of up to years. */
Test(wheel_model, behaves_as_a_sorted_array_over_years)
{
	memset(&model, 0, sizeof(model));
	model.seed = 7;
	aion__wheel_init(&model.wheel, 0);
	while (model.now_ns < LIMIT_NS) {
		for (unsigned i = 0; i < 30; i++)
			model_arm();
		for (unsigned i = 0; i < 10; i++)
			model_cancel();
		model.now_ns += (int64_t)(draw(UINT64_C(1) << 34) << draw(22));
		while (model_expire())
			;
		check_next();
	}
	aion__wheel_fini(&model.wheel);
}

#ifdef AION_FAULTS
/*
 * Goal: without memory arming says so, and what is armed fires in time all the same.
 * Method: the allocator fails in phases; between two of them it gives one slab, so that slots can be spread in part.
 */
static void model_run_short(uint64_t seed)
{
	memset(&model, 0, sizeof(model));
	model.seed = seed;
	model.is_short_of_memory = true;
	aion__wheel_init(&model.wheel, 0);
	for (unsigned i = 0; i < operation_nr(); i++) {
		unsigned kind = (unsigned)draw(100);

		if (i % 3000 == 0)
			aion__fault_arm(AION__FAULT_ALLOC, i / 3000 % 4 ? 0 : 2, UINT_MAX, -ENOMEM);
		if (kind < 62)
			model_arm();
		else if (kind < 96)
			model_cancel();
		else
			model_pass();
		check_next();
	}
	while (model.nr) {
		model.now_ns = model.sorted[0]->deadline_ns;
		cr_assert(model_expire());
	}
	cr_assert_gt(model.refused_nr, 0);
	aion__fault_reset();
	aion__wheel_fini(&model.wheel);
}

Test(wheel_model, is_in_time_without_memory)
{
	for (uint64_t seed = 1; seed <= 6; seed++)
		model_run_short(seed);
}
#endif
