/* SPDX-License-Identifier: MIT */
/* The token bucket: never more than have fallen in, first in first out. */
#include <aion/sim.h>

#include "fault_int.h"
#include "test_order.h"

struct taker {
	struct aion_rate *rate;
	struct test_order *order;
	size_t nr;
	char name;
	int result;
	int64_t time_ns;
	struct aion_handle handle;
};

static int64_t taker_body(void *arg)
{
	struct taker *taker = arg;

	taker->result = aion_rate_acquire(taker->rate, taker->nr);
	taker->time_ns = aion_now();
	if (taker->result == 0)
		test_order_note(taker->order, taker->name);
	return 0;
}

static void taker_start(struct aion_group *group, struct taker *taker, struct aion_rate *rate, struct test_order *order,
			char name, size_t nr)
{
	*taker = (struct taker){.rate = rate, .order = order, .nr = nr, .name = name, .result = 1};
	cr_assert_eq(aion_spawn_into(group, &taker->handle, NULL, taker_body, taker), 0);
}

TEST_IN_TASK(rate_tokens, parameters_are_checked)
{
	struct aion_rate rate;

	cr_assert_eq(aion_rate_init(&rate, 0, AION_SECOND, 1), -EINVAL);
	cr_assert_eq(aion_rate_init(&rate, 1, 0, 1), -EINVAL);
	cr_assert_eq(aion_rate_init(&rate, 1, -1, 1), -EINVAL);
	cr_assert_eq(aion_rate_init(&rate, 1, AION_SECOND, 0), -EINVAL);
	cr_assert_eq(aion_rate_init(&rate, 1, AION_SECOND, INT64_MAX / AION_SECOND + 1), -EINVAL);
	cr_assert_eq(aion_rate_init(&rate, 1, AION_SECOND, INT64_MAX / AION_SECOND), 0);
	aion_rate_fini(&rate);
	cr_assert_eq(aion_rate_init(&rate, UINT64_MAX, 1, SIZE_MAX / 2), 0);
	aion_rate_fini(&rate);
	return 0;
}

/* One a century: nothing falls in while this runs. */
TEST_IN_TASK(rate_tokens, a_full_bucket_gives_what_it_holds)
{
	struct aion_rate rate;

	cr_assert_eq(aion_rate_init(&rate, 1, INT64_C(3155760000) * AION_SECOND / 2, 2), 0);
	cr_assert_eq(aion_rate_acquire(&rate, 3), -EINVAL);
	cr_assert_eq(aion_rate_try_acquire(&rate, 3), -EINVAL);
	cr_assert_eq(aion_rate_acquire(&rate, 1), 0);
	cr_assert_eq(aion_rate_acquire(&rate, 0), 0);
	cr_assert_eq(aion_rate_try_acquire(&rate, 2), -EAGAIN);
	cr_assert_eq(aion_rate_try_acquire(&rate, 1), 0);
	cr_assert_eq(aion_rate_try_acquire(&rate, 1), -EAGAIN);
	cr_assert_eq(aion_rate_try_acquire(&rate, 0), 0);
	aion_rate_fini(&rate);
	return 0;
}

/* By the clock that the bucket sees: so many cannot have been had before that time. */
TEST_IN_TASK(rate_tokens, no_more_than_have_fallen_in)
{
	const int64_t period_ns = 300000; /* three tokens: one each 100 us */
	const unsigned nr = 30;
	struct aion_rate rate;
	int64_t start_ns;

	cr_assert_eq(aion_rate_init(&rate, 3, period_ns, 5), 0);
	start_ns = rate.time_ns;
	for (unsigned i = 1; i <= nr; i++) {
		cr_assert_eq(aion_rate_acquire(&rate, 1 + i % 3), 0);
		if (i % 3 == 2) { /* i + 1 + 2 + 3 … tokens up to here: 2 * i + 1 */
			int64_t token_nr = 2 * (int64_t)i + 1;

			cr_assert_geq(aion_now() - start_ns, (token_nr - 5) * period_ns / 3);
		}
	}
	aion_rate_fini(&rate);
	return 0;
}

/* However long the pause, the bucket does not hold more. */
TEST_IN_TASK(rate_tokens, a_bucket_does_not_overflow)
{
	struct aion_rate rate;

	cr_assert_eq(aion_rate_init(&rate, UINT64_MAX, INT64_C(1) << 40, 3), 0);
	cr_assert_eq(aion_rate_acquire(&rate, 3), 0);
	cr_assert_eq(aion_sleep(AION_MILLISECOND), 0);
	cr_assert_eq(aion_rate_try_acquire(&rate, 3), 0);
	cr_assert_eq(aion_rate_try_acquire(&rate, 4), -EINVAL);
	cr_assert_leq(rate.level, rate.full);
	aion_rate_fini(&rate);
	return 0;
}

TEST_IN_TASK(rate_tokens, first_in_first_out)
{
	struct test_order order = {.nr = 0};
	struct aion_group group;
	struct taker takers[4];
	struct aion_rate rate;

	cr_assert_eq(aion_rate_init(&rate, 1, 200000, 4), 0);
	cr_assert_eq(aion_rate_acquire(&rate, 4), 0);
	aion_group_enter(&group);
	taker_start(&group, &takers[0], &rate, &order, 'a', 4);
	taker_start(&group, &takers[1], &rate, &order, 'b', 1);
	taker_start(&group, &takers[2], &rate, &order, 'c', 0);
	taker_start(&group, &takers[3], &rate, &order, 'd', 2);
	aion_yield();
	cr_assert_eq(aion_rate_try_acquire(&rate, 0), -EAGAIN, "others wait");
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_str_eq(order.text, "abcd", "who wants few does not overtake");
	cr_assert_geq(takers[3].time_ns - takers[0].time_ns, 200000);
	aion_rate_fini(&rate);
	return 0;
}

/* Case 42: the first one wanted so many that it would have to wait for ever; what is there is enough for the next. */
TEST_IN_TASK(rate_tokens, go_on_to_the_next_when_the_first_is_cancelled)
{
	struct test_order order = {.nr = 0};
	struct aion_group group;
	struct taker takers[3];
	struct aion_rate rate;

	cr_assert_eq(aion_rate_init(&rate, 1, INT64_C(1000) * AION_SECOND, 10), 0);
	cr_assert_eq(aion_rate_acquire(&rate, 5), 0);
	aion_group_enter(&group);
	taker_start(&group, &takers[0], &rate, &order, 'a', 10);
	taker_start(&group, &takers[1], &rate, &order, 'b', 4);
	taker_start(&group, &takers[2], &rate, &order, 'c', 2);
	test_settle();
	cr_assert_str_eq(order.text, "");
	aion_handle_cancel(&takers[0].handle);
	test_settle();
	cr_assert_eq(takers[0].result, -ECANCELED);
	cr_assert_str_eq(order.text, "b");
	aion_group_cancel(&group);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(takers[2].result, -ECANCELED);
	cr_assert_eq(aion_rate_try_acquire(&rate, 1), 0, "what nobody took is there");
	aion_rate_fini(&rate);
	return 0;
}

/* The timer was armed for the first; the next needs less, and is not to wait as long. */
TEST_IN_TASK(rate_tokens, the_timer_is_for_who_is_first_now)
{
	struct test_order order = {.nr = 0};
	struct aion_group group;
	struct taker takers[2];
	struct aion_rate rate;

	cr_assert_eq(aion_rate_init(&rate, 1, AION_MILLISECOND, 1000000), 0);
	cr_assert_eq(aion_rate_acquire(&rate, 1000000), 0);
	aion_group_enter(&group);
	taker_start(&group, &takers[0], &rate, &order, 'a', 1000000);
	taker_start(&group, &takers[1], &rate, &order, 'b', 2);
	aion_yield();
	aion_handle_cancel(&takers[0].handle);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_str_eq(order.text, "b");
	aion_rate_fini(&rate);
	return 0;
}

TEST_IN_TASK(rate_tokens, a_deadline_ends_the_wait)
{
	struct aion_scope scope;
	struct aion_rate rate;

	cr_assert_eq(aion_rate_init(&rate, 1, INT64_C(1000) * AION_SECOND, 1), 0);
	cr_assert_eq(aion_rate_acquire(&rate, 1), 0);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	cr_assert_eq(aion_rate_acquire(&rate, 1), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	aion_rate_fini(&rate);
	return 0;
}

#ifdef AION_FAULTS
TEST_IN_TASK(rate_tokens, without_memory_for_the_timer_nobody_waits)
{
	struct aion_rate rate;

	cr_assert_eq(aion_rate_init(&rate, 1, INT64_C(1000) * AION_SECOND, 1), 0);
	cr_assert_eq(aion_rate_acquire(&rate, 1), 0);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1000, -ENOMEM);
	cr_assert_eq(aion_rate_acquire(&rate, 1), -ENOMEM);
	aion__fault_reset();
	aion_rate_fini(&rate);
	return 0;
}

#define TIMER_NR 200

/* Timers at as many different times as use up what memory there is for them. The first keeps the bucket's timer
 * company: its place will not be given back. */
static void timers_fill(struct aion_timer *timers, const struct aion_rate *rate)
{
	int64_t now_ns = aion_now();
	int result = 0;

	aion_timer_init(&timers[0]);
	cr_assert_eq(aion_timer_arm(&timers[0], rate->timer.deadline_ns), 0);
	for (size_t i = 1; i < TIMER_NR; i++) {
		aion_timer_init(&timers[i]);
		if (result == 0)
			result = aion_timer_arm(&timers[i], now_ns + ((int64_t)(i + 2) << 26));
	}
	cr_assert_eq(result, -ENOMEM);
}

static int64_t next_without_memory(void *unused)
{
	struct test_order order = {.nr = 0};
	struct aion_timer timers[TIMER_NR];
	struct aion_group group;
	struct taker takers[2];
	struct aion_rate rate;

	cr_assert_eq(aion_rate_init(&rate, 1, INT64_C(1000) * AION_SECOND, 100000), 0);
	cr_assert_eq(aion_rate_acquire(&rate, 100000), 0);
	aion_group_enter(&group);
	taker_start(&group, &takers[0], &rate, &order, 'a', 1);
	taker_start(&group, &takers[1], &rate, &order, 'b', 100000);
	test_settle();
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1000, -ENOMEM);
	timers_fill(timers, &rate);
	aion_handle_cancel(&takers[0].handle);
	test_settle();
	aion__fault_reset();
	for (size_t i = 0; i < TIMER_NR; i++)
		aion_timer_cancel(&timers[i]);
	cr_assert_eq(takers[0].result, -ECANCELED);
	cr_assert_eq(takers[1].result, -ENOMEM);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	aion_rate_fini(&rate);
	return 0;
}

/*
 * Two wait, the first is cancelled, and there is no memory for the second's timer: it is told so. On a simulated clock,
 * which stands still meanwhile: time that passes moves timers and gives memory back.
 */
Test(rate_tokens, without_memory_for_the_next_timer_the_next_is_told)
{
	struct aion_sim *sim;

	cr_assert_eq(aion_sim_create(&(struct aion_sim_options){.seed = 1}, &sim), 0);
	cr_assert_eq(aion_run(next_without_memory, NULL, &(struct aion_loop_options){.sim = sim}), 0);
	aion_sim_destroy(sim);
}
#endif
