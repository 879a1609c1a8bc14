/* SPDX-License-Identifier: MIT */
/* The exit stack: in which order, under which conditions, and under which cancellation clean-ups run. */
#include "fault_int.h"
#include "test_file.h"
#include "test_task.h"

#define MANY_NR 1000

/* What has run, in order. */
static struct {
	intptr_t marks[MANY_NR + 8];
	size_t nr;
} trace;

static int64_t mark(void *number)
{
	trace.marks[trace.nr++] = (intptr_t)number;
	return 0;
}

static int64_t mark_and_fail(void *number)
{
	mark(number);
	return -(intptr_t)number;
}

static int64_t mark_after_sleep(void *number)
{
	int64_t result = aion_sleep(AION_MILLISECOND);

	mark(result < 0 ? test_number(result) : number);
	return result;
}

#define assert_trace(...)                                                                                              \
	do {                                                                                                           \
		const intptr_t expected_[] = {__VA_ARGS__};                                                            \
		cr_assert_eq(trace.nr, sizeof(expected_) / sizeof(*expected_), "%zu ran", trace.nr);                   \
		for (size_t i_ = 0; i_ < trace.nr; i_++)                                                               \
			cr_assert_eq(trace.marks[i_], expected_[i_], "place %zu: %zd", i_, trace.marks[i_]);           \
		trace.nr = 0;                                                                                          \
	} while (0)

TASK_TEST(cleanups_order, run_in_reverse)
{
	struct aion_cleanups cleanups;

	aion_cleanups_init(&cleanups);
	for (int i = 1; i <= 3; i++)
		assert_result(aion_cleanups_push(&cleanups, mark, test_number(i)), 0);
	cr_assert_eq(aion_cleanups_nr(&cleanups), 3);
	assert_result(aion_cleanups_leave(&cleanups, 17), 17);
	assert_trace(3, 2, 1);
	assert_result(aion_cleanups_leave(&cleanups, 18), 18);
	cr_assert_eq(trace.nr, 0, "each once");
}

TASK_TEST(cleanups_order, of_many_run_in_reverse_and_leave_no_memory)
{
	struct aion_cleanups cleanups = {0};

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < MANY_NR; i++)
			assert_result(aion_cleanups_push(&cleanups, mark, test_number(i)), 0);
		assert_result(aion_cleanups_leave(&cleanups, 0), 0);
		cr_assert_eq(trace.nr, MANY_NR);
		for (int i = 0; i < MANY_NR; i++)
			cr_assert_eq(trace.marks[i], MANY_NR - 1 - i);
		cr_assert_null(cleanups.chunks);
		trace.nr = 0;
	}
}

/* Push and pop over the edge between what is in place and what is not. */
static int64_t push_another(void *cleanups)
{
	mark(test_number(100));
	return aion_cleanups_push(cleanups, mark, test_number(101));
}

TASK_TEST(cleanups_order, one_pushed_by_another_runs_next)
{
	struct aion_cleanups cleanups = {0};

	for (int i = 1; i <= AION_CLEANUPS_INLINE; i++)
		aion_cleanups_push(&cleanups, mark, test_number(i));
	aion_cleanups_push(&cleanups, push_another, &cleanups);
	assert_result(aion_cleanups_leave(&cleanups, 0), 0);
	assert_trace(100, 101, 6, 5, 4, 3, 2, 1);
}

/* A transaction: the commit is pushed last, so it runs first. */
static void transaction_begin(struct aion_cleanups *cleanups, aion_fn *commit)
{
	aion_cleanups_push(cleanups, mark, test_number(1));
	aion_cleanups_push_on_error(cleanups, mark, test_number(2));
	aion_cleanups_push_on_success(cleanups, commit, test_number(3));
}

TASK_TEST(cleanups_order, success_commits)
{
	struct aion_cleanups cleanups = {0};

	transaction_begin(&cleanups, mark);
	assert_result(aion_cleanups_leave(&cleanups, 5), 5);
	assert_trace(3, 1);
}

TASK_TEST(cleanups_order, failure_rolls_back)
{
	struct aion_cleanups cleanups = {0};

	transaction_begin(&cleanups, mark);
	assert_result(aion_cleanups_leave(&cleanups, -EIO), -EIO);
	assert_trace(2, 1);
}

TASK_TEST(cleanups_order, a_commit_that_fails_rolls_back)
{
	struct aion_cleanups cleanups = {0};

	transaction_begin(&cleanups, mark_and_fail);
	assert_result(aion_cleanups_leave(&cleanups, 5), -3);
	assert_trace(3, 2, 1);
}

TASK_TEST(cleanups_order, nested_stacks_unwind_inside_out)
{
	struct aion_cleanups outer = {0};
	struct aion_cleanups inner = {0};
	int64_t result;

	aion_cleanups_push(&outer, mark, test_number(1));
	aion_cleanups_push(&inner, mark, test_number(2));
	aion_cleanups_push(&inner, mark, test_number(3));
	result = aion_cleanups_leave(&inner, -EIO);
	assert_result(aion_cleanups_leave(&outer, result), -EIO);
	assert_trace(3, 2, 1);
}

static int64_t stack_leave(void *cleanups)
{
	return aion_cleanups_leave(cleanups, 0);
}

TASK_TEST(cleanups_order, a_group_of_them_is_one_clean_up_of_another)
{
	struct aion_cleanups outer = {0};
	struct aion_cleanups inner = {0};

	aion_cleanups_push(&outer, mark, test_number(1));
	aion_cleanups_push(&outer, stack_leave, &inner);
	aion_cleanups_push(&inner, mark_and_fail, test_number(2));
	assert_result(aion_cleanups_leave(&outer, 0), -2);
	assert_trace(2, 1);
}

TASK_TEST(cleanups_error, all_run_and_the_first_error_is_returned)
{
	struct aion_cleanups cleanups = {0};

	for (int i = 1; i <= 3; i++)
		aion_cleanups_push(&cleanups, mark_and_fail, test_number(i));
	assert_result(aion_cleanups_leave(&cleanups, 0), -3);
	assert_trace(3, 2, 1);
}

TASK_TEST(cleanups_error, the_body_s_wins)
{
	struct aion_cleanups cleanups = {0};

	aion_cleanups_push(&cleanups, mark_and_fail, test_number(1));
	assert_result(aion_cleanups_leave(&cleanups, -EBADMSG), -EBADMSG);
}

/* Case 12 for clean-ups: but a -ECANCELED of nobody's is an error like any other. */
TASK_TEST(cleanups_error, a_clean_up_s_wins_over_a_cancellation)
{
	struct aion_cleanups cleanups = {0};
	struct aion_scope scope;

	test_enter_cancelled(&scope);
	aion_cleanups_push(&cleanups, mark_and_fail, test_number(EIO));
	assert_result(aion_cleanups_leave(&cleanups, -ECANCELED), -EIO);
	aion_scope_leave(&scope);
	aion_cleanups_push(&cleanups, mark_and_fail, test_number(EIO));
	assert_result(aion_cleanups_leave(&cleanups, -ECANCELED), -ECANCELED);
}

TASK_TEST(cleanups_cancel, they_are_shielded)
{
	struct aion_cleanups cleanups = {0};
	struct aion_scope scope;

	aion_scope_enter(&scope, AION_NEVER);
	aion_cleanups_push(&cleanups, mark_after_sleep, test_number(1));
	aion_cleanups_push(&cleanups, mark_after_sleep, test_number(2));
	aion_scope_cancel(&scope);
	assert_result(aion_cleanups_leave(&cleanups, aion_checkpoint()), -ECANCELED);
	assert_trace(2, 1);
	cr_assert(aion_cancelled(), "outside of the shield all is as before");
	aion_scope_leave(&scope);
}

static int64_t leave_slowly(void *unused)
{
	struct aion_cleanups cleanups = {0};

	aion_cleanups_push(&cleanups, mark_after_sleep, test_number(1));
	aion_cleanups_push(&cleanups, mark_after_sleep, test_number(2));
	return aion_cleanups_leave(&cleanups, 7);
}

/* Cancelled in the middle of it: the work was done, so its result is kept. */
TASK_TEST(cleanups_cancel, a_cancellation_during_them_waits)
{
	struct aion_handle handle;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, leave_slowly, NULL);
	aion_yield();
	aion_group_cancel(&group);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(aion_await(&handle.future), 7);
	assert_trace(2, 1);
}

static int64_t sleep_long(void *number)
{
	int64_t result = aion_sleep_until(AION_NEVER);

	mark(number);
	return result;
}

TASK_TEST(cleanups_cancel, a_deadline_cuts_them_short_and_calls_each)
{
	struct aion_cleanups cleanups = {0};

	aion_cleanups_push(&cleanups, mark, test_number(1));
	aion_cleanups_push(&cleanups, sleep_long, test_number(2));
	aion_cleanups_push(&cleanups, sleep_long, test_number(3));
	assert_result(aion_cleanups_leave_until(&cleanups, 0, aion_after(AION_MILLISECOND)), -ETIME);
	assert_trace(3, 2, 1);
	aion_cleanups_push(&cleanups, sleep_long, test_number(1));
	assert_result(aion_cleanups_leave_until(&cleanups, -EIO, aion_after(0)), -EIO);
	aion_cleanups_push(&cleanups, mark, test_number(1));
	assert_result(aion_cleanups_leave_until(&cleanups, 3, aion_after(0)), 3);
}

static int64_t return_early(void)
{
	AION_CLEANUP(aion_cleanups_fini) struct aion_cleanups cleanups = {0};

	transaction_begin(&cleanups, mark);
	return -EPERM;
}

TASK_TEST(cleanups_fini, an_early_return_rolls_back)
{
	assert_result(return_early(), -EPERM);
	assert_trace(2, 1);
}

static int64_t return_left(void)
{
	AION_CLEANUP(aion_cleanups_fini) struct aion_cleanups cleanups = {0};

	transaction_begin(&cleanups, mark);
	return aion_cleanups_leave(&cleanups, 0);
}

TASK_TEST(cleanups_fini, does_nothing_after_leave)
{
	assert_result(return_left(), 0);
	assert_trace(3, 1);
}

/* The maker's stack hands its clean-ups to the user's: nothing is undone when the maker returns. */
static int64_t make(struct aion_cleanups *kept, bool succeeds)
{
	AION_CLEANUP(aion_cleanups_fini) struct aion_cleanups cleanups = {0};

	for (int i = 1; i <= 40; i++)
		aion_cleanups_push(&cleanups, mark, test_number(i));
	if (!succeeds)
		return -EIO;
	aion_cleanups_pop_all(&cleanups, kept);
	return 0;
}

TASK_TEST(cleanups_pop_all, hands_them_over)
{
	struct aion_cleanups kept = {0};

	assert_result(make(&kept, false), -EIO);
	cr_assert_eq(trace.nr, 40);
	trace.nr = 0;
	assert_result(make(&kept, true), 0);
	cr_assert_eq(trace.nr, 0);
	cr_assert_eq(aion_cleanups_nr(&kept), 40);
	assert_result(aion_cleanups_leave(&kept, 0), 0);
	cr_assert_eq(trace.nr, 40);
	cr_assert_eq(trace.marks[0], 40);
	cr_assert_eq(trace.marks[39], 1);
}

static int64_t pop_all_onto_some(void *unused)
{
	struct aion_cleanups from = {0};
	struct aion_cleanups to = {0};

	aion_cleanups_push(&to, mark, NULL);
	aion_cleanups_pop_all(&from, &to);
	return 0;
}

Test(cleanups_pop_all, onto_a_stack_that_has_some_aborts)
{
	test_task_aborts(pop_all_onto_some, "clean-ups handed over to a stack that has some");
}

#ifdef AION_FAULTS
static int64_t mark_after_yield(void *number)
{
	int64_t result = aion_yield();

	mark(result < 0 ? test_number(result) : number);
	return result;
}

/* A push that cannot be noted is undone at once, shielded; a commit that cannot be noted is not made. */
TASK_TEST(cleanups_error, without_memory_the_clean_up_runs_at_once)
{
	struct aion_cleanups cleanups = {0};
	struct aion_scope scope;

	for (int i = 1; i <= AION_CLEANUPS_INLINE; i++)
		aion_cleanups_push(&cleanups, mark, test_number(i));
	test_enter_cancelled(&scope);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1000, -ENOMEM);
	assert_result(aion_cleanups_push(&cleanups, mark_after_yield, test_number(7)), -ENOMEM);
	assert_result(aion_cleanups_push_on_error(&cleanups, mark, test_number(8)), -ENOMEM);
	assert_result(aion_cleanups_push_on_success(&cleanups, mark, test_number(9)), -ENOMEM);
	aion__fault_reset();
	aion_scope_leave(&scope);
	assert_result(aion_cleanups_leave(&cleanups, -ENOMEM), -ENOMEM);
	assert_trace(7, 8, 6, 5, 4, 3, 2, 1);
}
#endif
