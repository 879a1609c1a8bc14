/* SPDX-License-Identifier: MIT */
/* Cancellation of either side, and closing: no value is lost, no producer outlives its consumer. */
#include "test_iter.h"

int64_t test_destroyed_nr, test_destroyed_sum;

TASK_TEST(generator_cancel, consumer_cancelled_while_it_waits_loses_nothing)
{
	struct test_producer producer = {.nr = 3, .pause_ns = AION_MILLISECOND};
	struct aion_generator generator;
	struct aion_group group;

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	assert_result(test_next_cut_short(&generator.iter, AION_MICROSECOND), -ECANCELED);
	assert_result(producer.begun_nr, 1);
	assert_result(test_next(&generator.iter), 100);
	assert_result(test_next_cut_short(&generator.iter, AION_MICROSECOND), -ECANCELED);
	aion_sleep(3 * AION_MILLISECOND);
	assert_result(producer.begun_nr, 2);
	assert_result(test_next(&generator.iter), 101);
	assert_result(test_next(&generator.iter), 102);
	assert_result(test_next(&generator.iter), 0);
	aion_generator_close(&generator);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(generator_cancel, in_a_cancelled_scope_nothing_begins_and_nothing_is_taken)
{
	struct test_producer producer = {.nr = 3};
	struct aion_generator generator;
	struct aion_scope scope;
	struct aion_group group;

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	test_enter_cancelled(&scope);
	assert_result(test_next(&generator.iter), -ECANCELED);
	cr_assert_not(producer.has_begun);
	aion_scope_leave(&scope);
	assert_result(test_next(&generator.iter), 100);
	test_enter_cancelled(&scope);
	assert_result(test_next(&generator.iter), -ECANCELED);
	assert_result(producer.begun_nr, 1);
	assert_result(aion_generator_close(&generator), 0);
	cr_assert(producer.has_ended, "closing does not mind the cancellation");
	aion_scope_leave(&scope);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(generator_cancel, value_that_comes_together_with_the_cancellation_is_given)
{
	struct test_producer producer = {.nr = 2, .pause_ns = AION_MILLISECOND};
	struct aion_generator generator;
	struct aion_scope scope;
	struct aion_group group;
	int64_t first, second;

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	/* The producer's timer and the scope's are due together; whichever runs first, both values come. */
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	first = test_next(&generator.iter);
	aion_scope_leave(&scope);
	second = first == 100 ? 101 : 100;
	cr_assert(first == 100 || first == -ECANCELED);
	assert_result(test_next(&generator.iter), second);
	aion_generator_close(&generator);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(generator_cancel, closing_cancels_a_producer_that_waits_and_joins_it)
{
	struct test_producer producer = {.nr = 3, .pause_ns = 1000 * AION_SECOND};
	struct aion_generator generator;
	struct aion_group group;

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	assert_result(test_next_cut_short(&generator.iter, AION_MICROSECOND), -ECANCELED);
	cr_assert_not(producer.has_ended);
	assert_result(aion_generator_close(&generator), 0);
	cr_assert(producer.has_ended);
	assert_result(producer.last, -ECANCELED);
	assert_result(test_next(&generator.iter), 0);
	assert_result(aion_generator_close(&generator), 0);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(generator_cancel, producer_that_is_closed_in_its_yield_knows_that_the_value_was_taken)
{
	struct test_producer producer = {.nr = 3};
	struct aion_generator generator;
	struct aion_group group;

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	assert_result(test_next(&generator.iter), 100);
	assert_result(aion_generator_close(&generator), 0);
	cr_assert(producer.has_ended);
	assert_result(producer.given_nr, 1);
	assert_result(producer.last, -ECANCELED);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(generator_cancel, closing_before_the_first_demand_runs_nothing)
{
	struct test_producer producer = {.nr = 3};
	struct aion_generator generator;
	struct aion_generator never = {0};
	struct aion_group group;

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, test_produce, &producer);
	assert_result(aion_generator_close(&generator), 0);
	assert_result(aion_generator_close(&never), 0);
	assert_result(test_next(&generator.iter), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_not(producer.has_begun);
}

TASK_TEST(generator_cancel, value_that_waits_is_destroyed_by_the_close)
{
	struct test_producer producer = {.nr = 100, .pause_ns = AION_MILLISECOND, .given_nr = 7};
	struct aion_generator generator;
	struct aion_group group;

	test_destroyed_nr = test_destroyed_sum = 0;
	aion_group_enter(&group);
	aion_iter_set_destroy(aion_generator_init(&generator, &group, test_produce, &producer), test_destroy);
	assert_result(test_next_cut_short(&generator.iter, AION_MICROSECOND), -ECANCELED);
	aion_sleep(3 * AION_MILLISECOND);
	assert_result(aion_generator_close(&generator), 0);
	assert_result(test_destroyed_nr, 1);
	assert_result(test_destroyed_sum, 7);
	assert_result(aion_group_leave(&group, 0), 0);
}

TASK_TEST(generator_cancel, group_s_cancellation_ends_the_producer_after_the_value_that_waits)
{
	struct test_producer producer = {.nr = 100, .pause_ns = AION_MILLISECOND};
	struct aion_generator generator;
	struct aion_scope shield;
	struct aion_group group;

	aion_group_enter(&group);
	aion_scope_enter_shield(&shield, AION_NEVER);
	aion_generator_init(&generator, &group, test_produce, &producer);
	assert_result(test_next_cut_short(&generator.iter, AION_MICROSECOND), -ECANCELED);
	aion_sleep(3 * AION_MILLISECOND);
	aion_group_cancel(&group);
	aion_yield();
	aion_yield();
	cr_assert(producer.has_ended);
	assert_result(test_next(&generator.iter), 100);
	assert_result(test_next(&generator.iter), -ECANCELED);
	assert_result(test_next(&generator.iter), -ECANCELED);
	aion_generator_close(&generator);
	aion_scope_leave(&shield);
	assert_result(aion_group_leave(&group, 0), 0);
}

/* Yields from behind a shield, whatever is cancelled. */
static int64_t produce_stubbornly(struct aion_generator *generator, void *ret_given)
{
	struct aion_scope shield;
	int64_t result;

	aion_scope_enter_shield(&shield, AION_NEVER);
	do {
		result = aion_yield_value(generator, aion_iter_value(++*(int64_t *)ret_given));
	} while (result == 0);
	aion_scope_leave(&shield);
	return result;
}

TASK_TEST(generator_cancel, producer_behind_a_shield_is_told_of_the_close)
{
	struct aion_generator generator;
	struct aion_group group;
	int64_t given = 0;

	aion_group_enter(&group);
	aion_generator_init(&generator, &group, produce_stubbornly, &given);
	assert_result(test_next(&generator.iter), 101);
	assert_result(test_next(&generator.iter), 102);
	assert_result(aion_generator_close(&generator), 0);
	assert_result(generator.result, -EPIPE);
	assert_result(given, 3);
	assert_result(aion_group_leave(&group, 0), 0);
}

/* Cancelled while it waits in its yield, it goes on behind a shield: it still yields by demand only. */
static int64_t produce_on_after_the_cancellation(struct aion_generator *generator, void *ret_given)
{
	int64_t *given = ret_given;
	int64_t result = aion_yield_value(generator, aion_iter_value(++*given));

	if (result < 0 || !aion_cancelled())
		return -EDOM;
	return produce_stubbornly(generator, ret_given);
}

TASK_TEST(generator_cancel, producer_that_goes_on_behind_a_shield_waits_for_demand)
{
	struct aion_generator generator;
	struct aion_scope shield;
	struct aion_group group;
	int64_t given = 0;

	aion_group_enter(&group);
	aion_scope_enter_shield(&shield, AION_NEVER);
	aion_generator_init(&generator, &group, produce_on_after_the_cancellation, &given);
	assert_result(test_next(&generator.iter), 101);
	aion_group_cancel(&group);
	for (int i = 0; i < 5; i++)
		aion_yield();
	assert_result(given, 2);
	cr_assert_not(generator.has_value, "it has the value still");
	assert_result(test_next(&generator.iter), 102);
	assert_result(test_next(&generator.iter), 103);
	assert_result(aion_generator_close(&generator), 0);
	assert_result(generator.result, -EPIPE);
	aion_scope_leave(&shield);
	assert_result(aion_group_leave(&group, 0), 0);
}

/* What its yield came to, and the scope around that. */
struct timed {
	int yield_result;
	int leave_result;
	int next_result; /* of a checkpoint in the scope, if asked for */
	bool asks;
};

static int64_t yield_with_a_deadline(struct aion_generator *generator, void *arg)
{
	struct timed *timed = arg;
	struct aion_scope scope;

	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	timed->yield_result = aion_yield_value(generator, NULL);
	if (timed->asks)
		timed->next_result = aion_checkpoint();
	timed->leave_result = aion_scope_leave(&scope);
	return 0;
}

TASK_TEST(generator_cancel, deadline_that_passes_while_the_producer_waits_is_told_by_its_scope)
{
	for (int i = 0; i < 2; i++) {
		struct timed timed = {.asks = i};
		struct aion_generator generator;
		struct aion_group group;

		aion_group_enter(&group);
		aion_generator_init(&generator, &group, yield_with_a_deadline, &timed);
		assert_result(test_next(&generator.iter), 100);
		aion_sleep(5 * AION_MILLISECOND);
		assert_result(test_next(&generator.iter), 0);
		assert_result(aion_generator_close(&generator), 0);
		assert_result(aion_group_leave(&group, 0), 0);
		assert_result(timed.yield_result, 0);
		assert_result(timed.next_result, i ? -ECANCELED : 0);
		assert_result(timed.leave_result, -ETIME);
	}
}

static int64_t clean_up_slowly(struct aion_generator *generator, void *ret_cleaned)
{
	struct aion_scope shield;
	int64_t result;

	while ((result = aion_yield_value(generator, NULL)) == 0)
		continue;
	aion_scope_enter_shield(&shield, AION_NEVER);
	*(bool *)ret_cleaned = aion_sleep(AION_MILLISECOND) == 0;
	aion_scope_leave(&shield);
	return result;
}

TASK_TEST(generator_cancel, closing_waits_for_the_producer_s_clean_up)
{
	struct aion_group group;
	bool is_clean = false;

	aion_group_enter(&group);
	{
		AION_CLEANUP(aion_generator_close) struct aion_generator inner;

		aion_generator_init(&inner, &group, clean_up_slowly, &is_clean);
		assert_result(test_next(&inner.iter), 100);
	}
	cr_assert(is_clean);
	assert_result(aion_group_leave(&group, 0), 0);
}
