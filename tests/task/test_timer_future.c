/* SPDX-License-Identifier: MIT */
/* Timers as futures. */
#include "test_task.h"

#include "fault_int.h"

#define MS AION_MILLISECOND

TEST_IN_TASK(timer_future, fires_not_before_its_deadline)
{
	int64_t deadline_ns = aion_after(3 * MS);
	struct aion_timer timer;

	aion_timer_init(&timer);
	cr_assert_eq(aion_timer_arm(&timer, deadline_ns), 0);
	cr_assert_eq(aion_timer_arm(&timer, deadline_ns), -EALREADY);
	cr_assert_eq(aion_await(&timer.future), 0);
	cr_assert_geq(aion_now(), deadline_ns);
	cr_assert_eq(aion_timer_cancel(&timer), 0, "it has fired");
	return 0;
}

TEST_IN_TASK(timer_future, can_be_armed_again)
{
	struct aion_timer timer;

	aion_timer_init(&timer);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(aion_timer_arm(&timer, aion_after(MS)), 0);
		cr_assert_not(aion_future_is_done(&timer.future));
		cr_assert_eq(aion_await(&timer.future), 0);
	}
	return 0;
}

TEST_IN_TASK(timer_future, cancel_leaves_the_future_pending)
{
	struct aion_timer timer;
	struct aion_scope scope;

	aion_timer_init(&timer);
	cr_assert_eq(aion_timer_cancel(&timer), 0, "never armed");
	cr_assert_eq(aion_timer_arm(&timer, aion_after(MS)), 0);
	cr_assert_eq(aion_timer_cancel(&timer), 1);
	cr_assert_eq(aion_timer_cancel(&timer), 0);
	aion_scope_enter(&scope, aion_after(3 * MS));
	cr_assert_eq(aion_await(&timer.future), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	return 0;
}

TEST_IN_TASK(timer_future, the_past_fires_in_the_next_turn)
{
	static const int64_t pasts[] = {0, INT64_MIN, -1, 1};
	struct aion_timer timer;

	aion_timer_init(&timer);
	for (size_t i = 0; i < sizeof(pasts) / sizeof(pasts[0]); i++) {
		cr_assert_eq(aion_timer_arm(&timer, pasts[i]), 0);
		cr_assert_eq(aion_await(&timer.future), 0);
	}
	return 0;
}

TEST_IN_TASK(timer_future, never_does_not_fire)
{
	struct aion_loop_stats stats;
	struct aion_timer timer;

	aion_timer_init(&timer);
	cr_assert_eq(aion_timer_arm(&timer, AION_NEVER), 0);
	aion_loop_stats(aion_loop_current(), &stats);
	cr_assert_eq(stats.timer_nr, 0);
	cr_assert_eq(aion_wait_for(&timer.future, aion_after(2 * MS)), -ETIME);
	return 0;
}

#define TIMER_NR 200

struct order {
	struct aion_timer timers[TIMER_NR];
	int64_t deadlines_ns[TIMER_NR];
	int next;
	int64_t fired_ns[TIMER_NR];
	struct aion_group group;
};

struct awaiter {
	struct order *order;
	int which;
};

static int64_t await_timer(void *arg)
{
	struct awaiter *awaiter = arg;
	struct order *order = awaiter->order;

	aion_await(&order->timers[awaiter->which].future);
	order->fired_ns[order->next++] = order->deadlines_ns[awaiter->which];
	return 0;
}

TEST_IN_TASK(timer_future, many_fire_in_the_order_of_their_deadlines)
{
	static struct order order;
	int64_t start_ns;

	aion_group_enter(&order.group);
	for (int i = 0; i < TIMER_NR; i++) {
		struct awaiter awaiter = {&order, i};

		aion_timer_init(&order.timers[i]);
		aion_spawn_copy(&order.group, await_timer, &awaiter, sizeof(awaiter));
	}
	aion_yield(); /* all wait, before the first can fire */
	start_ns = aion_now();
	for (int i = 0; i < TIMER_NR; i++) {
		order.deadlines_ns[i] = start_ns + MS + (i * 7919 % TIMER_NR) * 50000;
		cr_assert_eq(aion_timer_arm(&order.timers[i], order.deadlines_ns[i]), 0);
	}
	cr_assert_eq(aion_group_leave(&order.group, 0), 0);
	cr_assert_eq(order.next, TIMER_NR);
	for (int i = 1; i < TIMER_NR; i++)
		cr_assert_geq(order.fired_ns[i], order.fired_ns[i - 1]);
	return 0;
}

TEST_IN_TASK(timer_future, several_tasks_wait_for_one_timer)
{
	static struct order order;

	aion_timer_init(&order.timers[0]);
	cr_assert_eq(aion_timer_arm(&order.timers[0], aion_after(MS)), 0);
	aion_group_enter(&order.group);
	for (int i = 0; i < 5; i++) {
		struct awaiter awaiter = {&order, 0};

		aion_spawn_copy(&order.group, await_timer, &awaiter, sizeof(awaiter));
	}
	cr_assert_eq(aion_group_leave(&order.group, 0), 0);
	cr_assert_eq(order.next, 5);
	return 0;
}

TEST_IN_TASK(timer_future, fires_while_tasks_only_yield)
{
	struct aion_timer timer;

	aion_timer_init(&timer);
	cr_assert_eq(aion_timer_arm(&timer, aion_after(2 * MS)), 0);
	while (!aion_future_is_done(&timer.future))
		cr_assert_eq(aion_yield(), 0);
	return 0;
}

#ifdef AION_FAULTS
TEST_IN_TASK(timer_future, no_memory_leaves_it_idle)
{
	struct aion_loop_stats stats;
	struct aion_timer timer;

	aion_timer_init(&timer);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	cr_assert_eq(aion_timer_arm(&timer, aion_after(1000 * AION_SECOND)), -ENOMEM);
	aion__fault_reset();
	aion_loop_stats(aion_loop_current(), &stats);
	cr_assert_eq(stats.timer_nr, 0);
	cr_assert_eq(aion_timer_cancel(&timer), 0);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	cr_assert_eq(aion_sleep(1000 * AION_SECOND), -ENOMEM);
	aion__fault_reset();
	cr_assert_eq(aion_timer_arm(&timer, aion_after(MS)), 0);
	cr_assert_eq(aion_await(&timer.future), 0);
	return 0;
}
#endif
