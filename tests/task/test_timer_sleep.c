/* SPDX-License-Identifier: MIT */
/* aion_sleep(), aion_yield(), aion_checkpoint(), and the clock. */
#include <time.h>

#include "test_task.h"

#define MS AION_MILLISECOND

TEST_IN_TASK(timer_sleep, lets_the_time_pass)
{
	int64_t start_ns = aion_now();

	cr_assert_eq(aion_sleep(2 * MS), 0);
	cr_assert_geq(aion_now(), start_ns + 2 * MS);
	cr_assert_eq(aion_sleep_until(start_ns + 4 * MS), 0);
	cr_assert_geq(aion_now(), start_ns + 4 * MS);
	return 0;
}

TEST_IN_TASK(timer_sleep, nothing_or_less_lets_the_others_run_once)
{
	struct aion_group group;
	int ran_nr = 0;

	aion_group_enter(&group);
	aion_spawn(&group, test_count, &ran_nr);
	cr_assert_eq(aion_sleep(0), 0);
	cr_assert_eq(ran_nr, 1);
	aion_spawn(&group, test_count, &ran_nr);
	cr_assert_eq(aion_sleep(-5), 0);
	cr_assert_eq(ran_nr, 2);
	aion_spawn(&group, test_count, &ran_nr);
	cr_assert_eq(aion_sleep_until(0), 0);
	cr_assert_eq(ran_nr, 3);
	aion_spawn(&group, test_count, &ran_nr);
	cr_assert_eq(aion_yield(), 0);
	cr_assert_eq(ran_nr, 4);
	return aion_group_leave(&group, 0);
}

TEST_IN_TASK(timer_sleep, very_long_ones_do_not_overflow)
{
	struct aion_scope scope;

	aion_scope_enter(&scope, aion_after(MS));
	cr_assert_eq(aion_sleep(INT64_MAX), -ECANCELED);
	cr_assert_eq(aion_sleep(INT64_MAX - 1), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	aion_scope_enter(&scope, aion_after(MS));
	cr_assert_eq(aion_sleep(INT64_MAX - 1), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	aion_scope_enter(&scope, aion_after(MS));
	cr_assert_eq(aion_sleep_until(AION_NEVER - 1), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	cr_assert_eq(aion_after(INT64_MAX), AION_NEVER);
	cr_assert_leq(aion_after(-5), aion_now());
	return 0;
}

static int64_t hog(void *stop)
{
	while (!*(volatile bool *)stop)
		aion_yield();
	return 0;
}

/* Input is not starved by tasks that are always ready, nor are timers. */
TEST_IN_TASK(timer_sleep, yielding_tasks_starve_neither_timers_nor_the_ring)
{
	struct aion_group group;
	bool stop = false;

	aion_group_enter(&group);
	for (int i = 0; i < 100; i++)
		aion_spawn(&group, hog, &stop);
	for (int i = 0; i < 10; i++)
		cr_assert_eq(aion_nop(), 0);
	cr_assert_eq(aion_sleep(MS), 0);
	stop = true;
	return aion_group_leave(&group, 0);
}

Test(timer_sleep, the_clock_is_the_monotonic_one)
{
	struct timespec ts;
	int64_t before_ns = aion_now();
	int64_t between_ns;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	between_ns = ts.tv_sec * AION_SECOND + ts.tv_nsec;
	cr_assert_leq(before_ns, between_ns);
	cr_assert_geq(aion_now(), between_ns);
	cr_assert_geq(aion_after(5), between_ns + 5);
	cr_assert_eq(aion_after(AION_NEVER), AION_NEVER);
}
