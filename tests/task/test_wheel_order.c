/* SPDX-License-Identifier: MIT */
/* The timers' store fires in the order of deadlines, equal ones in the order of arming, and nothing before its time. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>

#include "wheel_int.h"

#define TICK (INT64_C(1) << AION__WHEEL_TICK_SHIFT)
#define YEAR (INT64_C(365) * 24 * 3600 * AION_SECOND)
#define MANY 5000

static struct aion__wheel wheel;
static struct aion_timer timers[MANY];

static void setup(void)
{
	cr_assert_eq(aion__wheel_init(&wheel, 12345), 0);
}

static void teardown(void)
{
	aion__wheel_fini(&wheel);
}

TestSuite(wheel_order, .init = setup, .fini = teardown);

static void arm(unsigned idx, int64_t deadline_ns)
{
	cr_assert_eq(aion__wheel_arm(&wheel, &timers[idx], deadline_ns), 0);
	cr_assert_neq(timers[idx].place, 0);
}

/* The next one to expire at now_ns is timers[idx]. */
static void expect(unsigned idx, int64_t now_ns)
{
	struct aion_timer *timer = aion__wheel_expire(&wheel, now_ns);

	cr_assert_not_null(timer, "%u did not expire", idx);
	cr_assert_eq(timer - timers, idx, "%td instead of %u", timer - timers, idx);
	cr_assert_eq(timer->place, 0);
}

static void expect_none(int64_t now_ns)
{
	cr_assert_null(aion__wheel_expire(&wheel, now_ns));
}

static void expect_empty(void)
{
	cr_assert_eq(aion__wheel_nr(&wheel), 0);
	cr_assert_eq(aion__wheel_next_ns(&wheel), AION_NEVER);
	expect_none(AION_NEVER);
}

Test(wheel_order, empty_has_no_next)
{
	expect_none(12345);
	expect_none(YEAR);
	expect_empty();
}

/* One distance after the other, from both sides of every border between two levels. */
Test(wheel_order, single_fires_at_its_nanosecond)
{
	int64_t now_ns = 12345;

	for (unsigned bit = 0; bit < 60; bit++) {
		for (int64_t off = -1; off <= 1; off++) {
			int64_t deadline_ns = now_ns + (INT64_C(1) << bit) + off;

			arm(0, deadline_ns);
			cr_assert_eq(aion__wheel_next_ns(&wheel), deadline_ns);
			expect_none(deadline_ns - 1);
			cr_assert_eq(aion__wheel_next_ns(&wheel), deadline_ns);
			expect(0, deadline_ns);
			cr_assert_eq(aion__wheel_next_ns(&wheel), AION_NEVER);
			now_ns = deadline_ns;
		}
	}
	expect_empty();
}

Test(wheel_order, past_deadlines_fire_at_once_in_order)
{
	expect_none(AION_SECOND);
	arm(0, AION_SECOND);
	arm(1, 0);
	arm(2, -5);
	arm(3, INT64_MIN);
	arm(4, AION_SECOND - 1);
	arm(5, 0);
	cr_assert_eq(aion__wheel_next_ns(&wheel), INT64_MIN);
	expect(3, AION_SECOND);
	expect(2, AION_SECOND);
	expect(1, AION_SECOND);
	expect(5, AION_SECOND);
	expect(4, AION_SECOND);
	expect(0, AION_SECOND);
	expect_empty();
}

/* Also when some were armed while the slot was far away, some when it was near, some when it was open. */
Test(wheel_order, equal_deadlines_fire_as_they_were_armed)
{
	const int64_t deadline_ns = 100 * AION_SECOND + 7;
	static const int64_t before_ns[] = {100 * AION_SECOND, 20 * AION_SECOND, AION_SECOND, 50 * AION_MILLISECOND,
					    AION_MILLISECOND,  TICK / 2,         1000,        2};
	unsigned nr = 0;

	for (unsigned step = 0; step < sizeof(before_ns) / sizeof(*before_ns); step++) {
		expect_none(deadline_ns - before_ns[step]);
		for (unsigned i = 0; i < 70; i++)
			arm(nr++, deadline_ns);
		arm(MANY - 1 - step, deadline_ns - 1); /* what opens the slot in the end */
	}
	for (unsigned step = 0; step < sizeof(before_ns) / sizeof(*before_ns); step++)
		expect(MANY - 1 - step, deadline_ns);
	for (unsigned i = 0; i < nr; i++)
		expect(i, deadline_ns);
	expect_empty();
}

/* More than the run holds: the slot is opened in parts, and what is armed meanwhile comes last. */
Test(wheel_order, thousands_of_equal_deadlines_keep_their_order)
{
	const int64_t deadline_ns = 3 * AION_SECOND + 77;
	unsigned armed = MANY / 2;

	for (unsigned i = 0; i < armed; i++)
		arm(i, deadline_ns);
	for (unsigned i = 0; i < MANY; i++) {
		expect(i, deadline_ns);
		if (armed < MANY)
			arm(armed++, deadline_ns);
	}
	expect_empty();
}

static int by_deadline(const void *a, const void *b)
{
	const struct aion_timer *x = *(struct aion_timer *const *)a, *y = *(struct aion_timer *const *)b;

	if (x->deadline_ns != y->deadline_ns)
		return x->deadline_ns < y->deadline_ns ? -1 : 1;
	return x < y ? -1 : 1;
}

/* So many at random within span_ns: each fires at its turn. */
static void check_crowd(unsigned nr, int64_t start_ns, int64_t span_ns)
{
	static struct aion_timer *sorted[MANY];

	for (unsigned i = 0; i < nr; i++) {
		arm(i, start_ns + (int64_t)((uint64_t)rand() * RAND_MAX + (uint64_t)rand()) % span_ns);
		sorted[i] = &timers[i];
	}
	qsort(sorted, nr, sizeof(*sorted), by_deadline);
	for (unsigned i = 0; i < nr; i++) {
		expect_none(sorted[i]->deadline_ns - 1);
		expect((unsigned)(sorted[i] - timers), sorted[i]->deadline_ns);
	}
	expect_empty();
}

Test(wheel_order, crowds_are_sorted)
{
	check_crowd(MANY, AION_SECOND, 50);
	check_crowd(MANY, 2 * AION_SECOND, 3000);
	check_crowd(MANY, 4 * TICK * 10000, TICK);
	check_crowd(MANY, AION_SECOND * 20, 10 * TICK);
	check_crowd(MANY, AION_SECOND * 30, 256 * TICK);
	check_crowd(MANY, AION_SECOND * 60, AION_SECOND);
	check_crowd(MANY, AION_SECOND * 100, AION_SECOND * 1000);
	check_crowd(MANY, YEAR, 100 * YEAR);
}

/* A tick goes into the run as a whole, or not. */
Test(wheel_order, crowds_as_large_as_the_run_are_sorted)
{
	for (unsigned nr = AION__WHEEL_RUN_NR - 200; nr < AION__WHEEL_RUN_NR + 20; nr++)
		check_crowd(nr, nr * AION_SECOND / TICK * TICK, TICK);
}

Test(wheel_order, far_deadlines_wait_for_their_time)
{
	arm(0, 200 * YEAR);
	arm(1, 3 * YEAR);
	arm(2, AION_NEVER - 1);
	arm(3, 24 * 3600 * AION_SECOND);
	arm(4, 200 * YEAR + 1);
	expect_none(24 * 3600 * AION_SECOND - 1);
	expect(3, 24 * 3600 * AION_SECOND);
	expect_none(3 * YEAR - 1);
	expect(1, 3 * YEAR);
	expect_none(200 * YEAR - 1);
	expect(0, 200 * YEAR + 1);
	expect(4, 200 * YEAR + 1);
	expect_none(AION_NEVER - 2);
	cr_assert_eq(aion__wheel_next_ns(&wheel), AION_NEVER - 1);
	expect(2, AION_NEVER - 1);
	expect_empty();
}

Test(wheel_order, one_jump_of_the_clock_fires_all_levels_in_order)
{
	int64_t deadline_ns = 20000;
	unsigned nr = 0;

	for (; deadline_ns < 100 * YEAR; deadline_ns += deadline_ns / 3)
		nr++;
	for (unsigned i = nr; i-- > 0;) {
		deadline_ns = 20000;
		for (unsigned k = 0; k < i; k++)
			deadline_ns += deadline_ns / 3;
		arm(i, deadline_ns);
	}
	for (unsigned i = 0; i < nr; i++)
		expect(i, 100 * YEAR);
	expect_empty();
}

/* The clock of a virtual machine may be seen to stand still; it must not do harm if it is even seen to go back. */
Test(wheel_order, clock_that_goes_back_fires_nothing_early)
{
	arm(0, AION_SECOND);
	arm(1, 2 * AION_SECOND);
	expect(0, AION_SECOND + 5);
	expect_none(AION_SECOND - 5);
	arm(2, AION_SECOND - 1);
	expect_none(AION_SECOND - 5);
	expect(2, AION_SECOND);
	expect(1, 2 * AION_SECOND);
	expect_empty();
}

/* Wherever a timer is kept when it is cancelled by the one before it: in the run, the heap, the wheel. */
Test(wheel_order, what_is_cancelled_between_two_does_not_fire)
{
	const int64_t now_ns = AION_SECOND;

	for (unsigned i = 0; i < 300; i++)
		arm(i, now_ns + (i / 100) * 20 * TICK + i);
	expect(0, now_ns + AION_SECOND);
	arm(300, now_ns - 1);
	arm(301, now_ns - 1);
	aion__wheel_cancel(&wheel, &timers[300]);
	for (unsigned i = 1; i < 300; i += 2)
		aion__wheel_cancel(&wheel, &timers[i]);
	cr_assert_eq(aion__wheel_nr(&wheel), 150);
	expect(301, now_ns + AION_SECOND);
	for (unsigned i = 2; i < 300; i += 2)
		expect(i, now_ns + AION_SECOND);
	expect_empty();
}

/* Goal: the loop sleeps neither too long nor for nothing, whatever part the earliest timer is in when it goes. */
Test(wheel_order, next_follows_arming_and_cancelling)
{
	static const int64_t distance_ns[] = {1, 1000, TICK, 10 * TICK, AION_SECOND, 100 * AION_SECOND, YEAR};
	const unsigned nr = sizeof(distance_ns) / sizeof(*distance_ns);

	for (unsigned i = nr; i-- > 0;) {
		arm(i, 12345 + distance_ns[i]);
		cr_assert_eq(aion__wheel_next_ns(&wheel), 12345 + distance_ns[i]);
	}
	for (unsigned i = 0; i < nr; i++) {
		cr_assert_eq(aion__wheel_next_ns(&wheel), 12345 + distance_ns[i]);
		aion__wheel_cancel(&wheel, &timers[i]);
	}
	expect_empty();
}

/* Too many to search: the answer may be early, but going to sleep until then must lead somewhere. */
Test(wheel_order, next_in_a_crowd_comes_nearer_each_time)
{
	int64_t now_ns = 0, next_ns;
	unsigned turns = 0;

	for (unsigned i = 0; i < MANY; i++)
		arm(i, 90000 * AION_SECOND + i);
	cr_assert_eq(aion__wheel_next_ns(&wheel), 90000 * AION_SECOND);
	aion__wheel_cancel(&wheel, &timers[0]);
	while ((next_ns = aion__wheel_next_ns(&wheel)) < 90000 * AION_SECOND + 1) {
		cr_assert_gt(next_ns, now_ns);
		cr_assert_lt(++turns, 10);
		now_ns = next_ns;
		expect_none(now_ns);
	}
	cr_assert_eq(next_ns, 90000 * AION_SECOND + 1);
	cr_assert_gt(turns, 0);
	for (unsigned i = 1; i < MANY; i++)
		expect(i, 90000 * AION_SECOND + MANY);
	expect_empty();
}

/* The bound that was told for a crowd goes with it. */
Test(wheel_order, next_of_a_crowd_that_is_cancelled_is_never)
{
	for (unsigned i = 0; i < MANY; i++)
		arm(i, 90000 * AION_SECOND + i);
	aion__wheel_cancel(&wheel, &timers[0]);
	cr_assert_leq(aion__wheel_next_ns(&wheel), 90000 * AION_SECOND + 1);
	for (unsigned i = 1; i < MANY; i++)
		aion__wheel_cancel(&wheel, &timers[i]);
	expect_empty();
}

#ifdef AION_DEBUG_ASSERTS
Test(wheel_order, never_is_not_armed, .signal = SIGABRT)
{
	aion__wheel_arm(&wheel, &timers[0], AION_NEVER);
}

Test(wheel_order, armed_timer_is_not_armed_again, .signal = SIGABRT)
{
	arm(0, AION_SECOND);
	aion__wheel_arm(&wheel, &timers[0], AION_SECOND);
}

Test(wheel_order, idle_timer_is_not_cancelled, .signal = SIGABRT)
{
	aion__wheel_cancel(&wheel, &timers[0]);
}
#endif
