/* SPDX-License-Identifier: MIT */
/* Trying again: how often, after which delays, and what ends it. */
#include <math.h>

#include "fault_int.h"
#include "test_file.h"
#include "test_task.h"

#define MS AION_MILLISECOND

/* Fails until it has been called often enough. */
struct flaky {
	unsigned succeeds_at; /* 0: never */
	int64_t error;
	unsigned call_nr;
};

static int64_t flaky_call(void *arg)
{
	struct flaky *flaky = arg;

	return ++flaky->call_nr == flaky->succeeds_at ? 42 : flaky->error;
}

TASK_TEST(retry_again, ends_with_the_first_success)
{
	struct aion_retry_stats stats;
	struct aion_retry_options options = {.first_delay_ns = MS, .stats = &stats};
	struct flaky flaky = {.succeeds_at = 3, .error = -EIO};

	assert_result(aion_retry(&options, flaky_call, &flaky), 42);
	cr_assert_eq(flaky.call_nr, 3);
	cr_assert_eq(stats.attempt_nr, 3);
	cr_assert_eq(stats.last_result, 42);
	cr_assert_gt(stats.waited_ns, 0);
}

TASK_TEST(retry_again, ends_after_the_last_attempt_with_its_error)
{
	struct aion_retry_options options = {.attempt_max = 4, .first_delay_ns = 1};
	struct flaky flaky = {.error = -EIO};

	assert_result(aion_retry(&options, flaky_call, &flaky), -EIO);
	cr_assert_eq(flaky.call_nr, 4);
	options.attempt_max = 1;
	assert_result(aion_retry(&options, flaky_call, &flaky), -EIO);
	cr_assert_eq(flaky.call_nr, 5);
}

TASK_TEST(retry_again, five_attempts_are_the_default)
{
	struct aion_retry_options options = {.first_delay_ns = 1};
	struct flaky flaky = {.error = -EIO};

	assert_result(aion_retry(&options, flaky_call, &flaky), -EIO);
	cr_assert_eq(flaky.call_nr, 5);
	flaky = (struct flaky){.succeeds_at = 1};
	assert_result(aion_retry(NULL, flaky_call, &flaky), 42);
}

TASK_TEST(retry_again, waits_as_long_as_it_says)
{
	struct aion_retry_stats stats;
	struct aion_retry_options options = {
		.attempt_max = 4, .first_delay_ns = MS, .jitter = AION_JITTER_NONE, .stats = &stats};
	struct flaky flaky = {.error = -EIO};
	int64_t begin_ns = aion_now();

	assert_result(aion_retry(&options, flaky_call, &flaky), -EIO);
	cr_assert_eq(stats.waited_ns, (1 + 2 + 4) * MS);
	cr_assert_geq(aion_now() - begin_ns, stats.waited_ns);
}

static bool retry_io_errors(int64_t error, unsigned attempt_nr, void *arg)
{
	*(unsigned *)arg = attempt_nr;
	return error == -EIO;
}

TASK_TEST(retry_again, the_predicate_chooses)
{
	unsigned asked_at = 0;
	struct aion_retry_options options = {
		.attempt_max = 3, .first_delay_ns = 1, .should_retry = retry_io_errors, .arg = &asked_at};
	struct flaky flaky = {.error = -ENOENT};

	assert_result(aion_retry(&options, flaky_call, &flaky), -ENOENT);
	cr_assert_eq(flaky.call_nr, 1);
	cr_assert_eq(asked_at, 1);
	flaky = (struct flaky){.error = -EIO};
	assert_result(aion_retry(&options, flaky_call, &flaky), -EIO);
	cr_assert_eq(flaky.call_nr, 3);
	cr_assert_eq(asked_at, 2, "not asked when there is no attempt left");
}

TASK_TEST(retry_cancel, a_deadline_ends_the_delay)
{
	struct aion_retry_stats stats;
	struct aion_retry_options options = {.attempt_max = AION_RETRY_FOR_EVER,
					     .first_delay_ns = 1000 * AION_SECOND,
					     .max_delay_ns = 1000 * AION_SECOND,
					     .stats = &stats};
	struct flaky flaky = {.error = -EIO};
	struct aion_scope scope;

	aion_scope_enter(&scope, aion_after(MS));
	assert_result(aion_retry(&options, flaky_call, &flaky), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert_eq(flaky.call_nr, 1);
	cr_assert_eq(stats.last_result, -EIO, "what it was about");
	cr_assert_eq(stats.waited_ns, 0);
}

TASK_TEST(retry_cancel, a_cancelled_caller_calls_nothing)
{
	struct flaky flaky = {.succeeds_at = 1};
	struct aion_scope scope;

	test_enter_cancelled(&scope);
	assert_result(aion_retry(NULL, flaky_call, &flaky), -ECANCELED);
	aion_scope_leave(&scope);
	cr_assert_eq(flaky.call_nr, 0);
}

static int64_t cancel_and_look(void *scope)
{
	aion_scope_cancel(scope);
	return aion_checkpoint();
}

TASK_TEST(retry_cancel, a_cancelled_attempt_is_not_tried_again)
{
	struct aion_retry_stats stats;
	struct aion_retry_options options = {.stats = &stats};
	struct aion_scope scope;

	aion_scope_enter(&scope, AION_NEVER);
	assert_result(aion_retry(&options, cancel_and_look, &scope), -ECANCELED);
	aion_scope_leave(&scope);
	cr_assert_eq(stats.attempt_nr, 1);
}

/* Nobody is cancelled: an error like any other. */
TASK_TEST(retry_cancel, a_stale_ecanceled_is_tried_again)
{
	struct aion_retry_options options = {.first_delay_ns = 1};
	struct flaky flaky = {.succeeds_at = 2, .error = -ECANCELED};

	assert_result(aion_retry(&options, flaky_call, &flaky), 42);
}

static int64_t first_hangs(void *call_nr)
{
	return ++*(int *)call_nr == 1 ? aion_sleep_until(AION_NEVER) : 42;
}

TASK_TEST(retry_limit, an_attempt_cut_short_is_tried_again)
{
	struct aion_retry_options options = {.first_delay_ns = 1, .attempt_limit_ns = MS};
	int call_nr = 0;

	assert_result(aion_retry(&options, first_hangs, &call_nr), 42);
	cr_assert_eq(call_nr, 2);
}

TASK_TEST(retry_limit, etime_if_the_last_attempt_is_cut_short)
{
	struct aion_retry_options options = {.attempt_max = 2, .first_delay_ns = 1, .attempt_limit_ns = MS};

	assert_result(aion_retry(&options, test_sleep_for_ever, NULL), -ETIME);
	assert_result(aion_checkpoint(), 0);
}

TASK_TEST(retry_error, options_that_make_no_sense)
{
	struct flaky flaky = {.succeeds_at = 1};
	const struct aion_retry_options wrong[] = {
		{.first_delay_ns = -1}, {.max_delay_ns = -1}, {.attempt_limit_ns = -1}, {.factor = 0.5}, {.factor = -2},
		{.factor = NAN},        {.jitter = 3},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_result(aion_retry(&wrong[i], flaky_call, &flaky), -EINVAL);
		assert_result(aion_retry_delay(&wrong[i], 1), -EINVAL);
	}
	assert_result(aion_retry_delay(NULL, 0), -EINVAL);
	cr_assert_eq(flaky.call_nr, 0);
}

Test(retry_error, outside_of_tasks)
{
	struct flaky flaky = {.succeeds_at = 1};

	assert_result(aion_retry(NULL, flaky_call, &flaky), -EBUSY);
	cr_assert_eq(flaky.call_nr, 0);
}

#ifdef AION_FAULTS
TASK_TEST(retry_error, no_memory_for_the_timer_of_a_delay)
{
	struct aion_retry_options options = {.first_delay_ns = AION_SECOND};
	struct flaky flaky = {.error = -EIO};

	aion__fault_arm(AION__FAULT_ALLOC, 0, 1000, -ENOMEM);
	assert_result(aion_retry(&options, flaky_call, &flaky), -ENOMEM);
	aion__fault_reset();
	cr_assert_eq(flaky.call_nr, 1);
}
#endif

Test(retry_delay, grows_by_the_factor_up_to_the_longest)
{
	struct aion_retry_options options = {
		.first_delay_ns = 10 * MS, .max_delay_ns = 75 * MS, .factor = 1.5, .jitter = AION_JITTER_NONE};

	assert_result(aion_retry_delay(&options, 1), 10 * MS);
	assert_result(aion_retry_delay(&options, 2), 15 * MS);
	assert_result(aion_retry_delay(&options, 3), 22500 * AION_MICROSECOND);
	assert_result(aion_retry_delay(&options, 5), 50625 * AION_MICROSECOND);
	assert_result(aion_retry_delay(&options, 6), 75 * MS);
	assert_result(aion_retry_delay(&options, UINT_MAX), 75 * MS);
	options = (struct aion_retry_options){.jitter = AION_JITTER_NONE};
	assert_result(aion_retry_delay(&options, 1), 100 * MS);
	assert_result(aion_retry_delay(&options, 2), 200 * MS);
	assert_result(aion_retry_delay(&options, 9), 25600 * MS);
	assert_result(aion_retry_delay(&options, 10), 30 * AION_SECOND);
	options.factor = 1;
	assert_result(aion_retry_delay(&options, UINT_MAX), 100 * MS);
	options = (struct aion_retry_options){
		.first_delay_ns = INT64_MAX, .max_delay_ns = INT64_MAX, .jitter = AION_JITTER_NONE};
	assert_result(aion_retry_delay(&options, 3), INT64_MAX);
}

/* Bounds are held, both halves are used, and a seed says what is drawn. */
static void delays_lie_between(enum aion_jitter jitter, int64_t least_ns, int64_t most_ns)
{
	uint64_t state = 7, same = 7;
	struct aion_retry_options options = {.first_delay_ns = 1000, .jitter = jitter, .random = &state};
	struct aion_retry_options again = {.first_delay_ns = 1000, .jitter = jitter, .random = &same};
	int low_nr = 0;

	for (int i = 0; i < 1000; i++) {
		int64_t delay_ns = aion_retry_delay(&options, 1);

		cr_assert_geq(delay_ns, least_ns);
		cr_assert_leq(delay_ns, most_ns);
		assert_result(aion_retry_delay(&again, 1), delay_ns);
		low_nr += delay_ns < (least_ns + most_ns) / 2;
	}
	cr_assert_geq(low_nr, 400);
	cr_assert_leq(low_nr, 600);
}

Test(retry_delay, jitter_keeps_its_bounds_and_its_seed)
{
	delays_lie_between(AION_JITTER_HALF, 500, 1000);
	delays_lie_between(AION_JITTER_FULL, 0, 1000);
}

Test(retry_delay, the_thread_s_generator_does_not_repeat_itself)
{
	struct aion_retry_options options = {.first_delay_ns = AION_SECOND, .jitter = AION_JITTER_FULL};
	int64_t first_ns = aion_retry_delay(&options, 1);

	cr_assert(aion_retry_delay(&options, 1) != first_ns || aion_retry_delay(&options, 1) != first_ns);
}
