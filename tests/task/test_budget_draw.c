/* SPDX-License-Identifier: MIT */
/* The budget: how long a task may go on that never has to wait. */
#include "loop_int.h"
#include "test_machine.h"
#include "test_task.h"

#define US AION_MICROSECOND

struct turns {
	bool stop;
	int nr;
};

static int64_t count_turns(void *arg)
{
	struct turns *turns = arg;

	while (!turns->stop) {
		turns->nr++;
		aion_yield();
	}
	return 0;
}

/* A checkpoint suspends only when the budget is used up, but then it does. */
TEST_IN_TASK(budget_draw, checkpoints_suspend_when_it_is_used_up)
{
	struct turns turns = {0};
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, count_turns, &turns);
	cr_assert_eq(aion_checkpoint(), 0);
	cr_assert_eq(turns.nr, 0);
	for (int i = 0; i < 1000; i++)
		cr_assert(aion_checkpoint() == 0);
	cr_assert_geq(turns.nr, 2);
	turns.stop = true;
	return aion_group_leave(&group, 0);
}

/* Whatever is done already is a checkpoint too: nobody is starved by a loop of calls that return at once. */
TEST_IN_TASK(budget_draw, waits_for_what_is_done_draw_on_it)
{
	struct aion_future future;
	struct aion_future *futures[] = {&future};
	struct turns turns = {0};
	struct aion_group group;

	aion_future_init(&future);
	aion_future_complete(&future, 0);
	aion_group_enter(&group);
	aion_spawn(&group, count_turns, &turns);
	for (int i = 0; i < 1000; i++)
		aion_await(&future);
	cr_assert_geq(turns.nr, 2);
	turns.nr = 0;
	for (int i = 0; i < 1000; i++)
		aion_wait(futures, 1, AION_WAIT_ALL);
	cr_assert_geq(turns.nr, 2);
	turns.nr = 0;
	for (int i = 0; i < 1000; i++)
		aion_gather(futures, 1, NULL);
	cr_assert_geq(turns.nr, 2);
	turns.stop = true;
	return aion_group_leave(&group, 0);
}

/* A budget may stand for much computing: the timers look at the clock after each, not only every so many turns. */
TEST_IN_TASK(budget_draw, who_uses_it_up_lets_due_timers_fire)
{
	struct aion_timer timer;

	aion_timer_init(&timer);
	for (int round = 0; round < 16; round++) {
		cr_assert_eq(aion_timer_arm(&timer, 1), 0);
		for (int i = 0; i < 3 * 128; i++)
			cr_assert(aion_checkpoint() == 0);
		cr_assert(aion_future_is_done(&timer.future), "round %d", round);
	}
	return 0;
}

static void compute(int64_t duration_ns)
{
	int64_t end_ns = aion_now() + duration_ns;

	while (aion_now() < end_ns)
		;
}

static int64_t pass_six(void *unused)
{
	(void)unused;
	for (int i = 0; i < 6; i++)
		cr_assert_eq(aion_checkpoint(), 0);
	return 0;
}

/* How many checkpoints the caller passes, with work before each, until another task has run. */
static int checkpoints_until_others(int64_t (*work_ns)(int idx), bool has_children)
{
	struct aion_group group;
	int other_nr = 0, nr = 0;

	aion_yield(); /* a fresh budget */
	aion_group_enter(&group);
	aion_spawn(&group, test_count, &other_nr);
	while (!other_nr) {
		compute(work_ns(nr++));
		if (has_children)
			aion_spawn_now(&group, pass_six, NULL);
		cr_assert_eq(aion_checkpoint(), 0);
	}
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	return nr;
}

static int64_t none(int idx)
{
	(void)idx;
	return 0;
}

static int64_t much(int idx)
{
	(void)idx;
	return 10 * US;
}

static int64_t much_later(int idx)
{
	return idx < 8 ? 0 : 10 * US;
}

/* Where no time passes it is the number alone that counts. */
TEST_IN_TASK(budget_draw, is_a_number_of_checkpoints)
{
	int nr = checkpoints_until_others(none, false);

	cr_assert_leq(nr, AION__TASK_BUDGET);
	if (test_is_simulated())
		cr_assert_eq(nr, AION__TASK_BUDGET);
	return 0;
}

TEST_IN_TASK(budget_draw, lasts_for_few_checkpoints_with_work_between_them)
{
	TEST_NEEDS_KERNEL("on a simulated machine computing takes no time");
	cr_assert_leq(checkpoints_until_others(much, false), 2 * AION__TASK_SLICE);
	return 0;
}

/* A child that runs within its parent's turn has its own budget, and leaves the parent's as it was. */
TEST_IN_TASK(budget_draw, lasts_no_longer_for_children_that_run_at_once)
{
	TEST_NEEDS_KERNEL("on a simulated machine computing takes no time");
	cr_assert_leq(checkpoints_until_others(much, true), 2 * AION__TASK_SLICE);
	return 0;
}

/* It had looked as if there were time for many more. */
TEST_IN_TASK(budget_draw, is_not_given_at_once_to_a_task_that_begins_fast)
{
	TEST_NEEDS_KERNEL("on a simulated machine computing takes no time");
	cr_assert_leq(checkpoints_until_others(much_later, false), 9 * AION__TASK_SLICE);
	return 0;
}
