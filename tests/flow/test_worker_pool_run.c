/* SPDX-License-Identifier: MIT */
/* A worker pool at work: order, how many at once, results, second tries, a bounded queue. */
#include "fault_int.h"
#include "test_file.h"
#include "test_task.h"

#define MS AION_MILLISECOND

/* Jobs as they began. */
static struct {
	intptr_t marks[4096];
	size_t nr;
	size_t running_nr, most_nr;
} seen;

static int64_t job_mark(void *number)
{
	seen.marks[seen.nr++] = (intptr_t)number;
	return (intptr_t)number;
}

static int64_t job_mark_slowly(void *number)
{
	job_mark(number);
	if (++seen.running_nr > seen.most_nr)
		seen.most_nr = seen.running_nr;
	for (int i = 0; i < 3; i++)
		aion_yield();
	seen.running_nr--;
	return (intptr_t)number;
}

static void assert_marks(const intptr_t *expected, size_t nr)
{
	cr_assert_eq(seen.nr, nr, "%zu have begun", seen.nr);
	for (size_t i = 0; i < nr; i++)
		cr_assert_eq(seen.marks[i], expected[i], "place %zu: %zd", i, seen.marks[i]);
	seen.nr = 0;
}

#define assert_begun(...)                                                                                              \
	assert_marks((const intptr_t[]){__VA_ARGS__}, sizeof((intptr_t[]){__VA_ARGS__}) / sizeof(intptr_t))

static struct aion_worker_pool_stats pool_stats(const struct aion_worker_pool *pool)
{
	struct aion_worker_pool_stats stats;

	aion_worker_pool_stats(pool, &stats);
	return stats;
}

TASK_TEST(worker_pool_run, leaving_does_every_job_first)
{
	struct aion_worker_pool pool;
	struct aion_worker_pool_stats stats;

	assert_result(aion_worker_pool_enter(&pool, NULL), 0);
	for (int i = 0; i < 1000; i++)
		assert_result(aion_worker_pool_submit(&pool, 0, job_mark_slowly, test_number(i), NULL), 0);
	stats = pool_stats(&pool);
	cr_assert_eq(stats.submit_nr, 1000);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
	cr_assert_eq(seen.nr, 1000);
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(seen.marks[i], i, "in the order in which they came");
	cr_assert_eq(seen.most_nr, 4, "the default");
	stats = pool_stats(&pool);
	cr_assert_eq(stats.succeed_nr, 1000);
	cr_assert_eq(stats.attempt_nr, 1000);
	cr_assert_eq(stats.queued_nr + stats.running_nr + stats.delayed_nr + stats.fail_nr + stats.cancel_nr, 0);
}

TASK_TEST(worker_pool_run, so_many_at_once_and_no_more)
{
	for (unsigned worker_nr = 1; worker_nr <= 10; worker_nr += 3) {
		struct aion_worker_pool pool;

		seen.most_nr = seen.nr = 0;
		assert_result(aion_worker_pool_enter(&pool, &(struct aion_worker_pool_options){.worker_nr = worker_nr}),
			      0);
		for (int i = 0; i < 50; i++)
			aion_worker_pool_submit(&pool, 0, job_mark_slowly, NULL, NULL);
		aion_yield();
		cr_assert_eq(pool_stats(&pool).running_nr, worker_nr);
		cr_assert_eq(pool_stats(&pool).queued_nr, 50 - worker_nr);
		assert_result(aion_worker_pool_leave(&pool, 0), 0);
		cr_assert_eq(seen.most_nr, worker_nr);
	}
}

TASK_TEST(worker_pool_run, the_most_urgent_first)
{
	static const int64_t priorities[] = {5, -3, 5, INT64_MAX, INT64_MIN, -3, 0};
	struct aion_worker_pool pool;

	assert_result(aion_worker_pool_enter(&pool, &(struct aion_worker_pool_options){.worker_nr = 1}), 0);
	aion_worker_pool_submit(&pool, 0, job_mark_slowly, test_number(100), NULL);
	aion_yield(); /* it has the worker */
	for (int i = 0; i < 7; i++)
		aion_worker_pool_submit(&pool, priorities[i], job_mark, test_number(i), NULL);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
	assert_begun(100, 4, 1, 5, 6, 0, 2, 3);
}

TASK_TEST(worker_pool_run, results_come_by_handle)
{
	struct aion_worker_pool pool;
	struct aion_job jobs[20];

	assert_result(aion_worker_pool_enter(&pool, NULL), 0);
	for (int i = 0; i < 20; i++)
		aion_worker_pool_submit(&pool, 0, job_mark_slowly, test_number(i % 2 ? i : -i - 1), &jobs[i]);
	for (int i = 0; i < 20; i++)
		assert_result(aion_await(&jobs[i].future), i % 2 ? i : -i - 1);
	cr_assert_eq(pool_stats(&pool).fail_nr, 10);
	cr_assert_eq(pool_stats(&pool).succeed_nr, 10);
	assert_result(aion_worker_pool_leave(&pool, 17), 0);
}

TASK_TEST(worker_pool_run, an_error_without_a_handle_is_leave_s)
{
	struct aion_worker_pool pool;

	assert_result(aion_worker_pool_enter(&pool, NULL), 0);
	aion_worker_pool_submit(&pool, 0, job_mark, test_number(1), NULL);
	aion_worker_pool_submit(&pool, 0, job_mark, test_number(-EIO), NULL);
	aion_worker_pool_submit(&pool, 0, job_mark, test_number(-EPIPE), NULL);
	aion_worker_pool_submit(&pool, 0, job_mark, test_number(2), NULL);
	assert_result(aion_worker_pool_leave(&pool, 0), -EIO);
	cr_assert_eq(seen.nr, 4, "the others go on");
	assert_result(aion_worker_pool_enter(&pool, NULL), 0);
	aion_worker_pool_submit(&pool, 0, job_mark, test_number(-EIO), NULL);
	assert_result(aion_worker_pool_join(&pool), 0);
	assert_result(aion_worker_pool_leave(&pool, -EBADMSG), -EBADMSG);
}

TASK_TEST(worker_pool_run, join_waits_until_there_is_nothing_to_do)
{
	struct aion_worker_pool pool;

	assert_result(aion_worker_pool_enter(&pool, NULL), 0);
	assert_result(aion_worker_pool_join(&pool), 0);
	for (int round = 1; round <= 3; round++) {
		for (int i = 0; i < 10; i++)
			aion_worker_pool_submit(&pool, 0, job_mark_slowly, NULL, NULL);
		assert_result(aion_worker_pool_join(&pool), 0);
		cr_assert_eq(pool_stats(&pool).succeed_nr, 10 * (unsigned)round);
	}
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
}

/* A job that submits its like, as often as it is told. */
struct tree {
	struct aion_worker_pool pool;
	int begun_nr;
};

static int64_t tree_grow(void *arg)
{
	struct tree *tree = arg;

	if (++tree->begun_nr < 1000)
		for (int i = 0; i < 2; i++)
			assert_result(aion_worker_pool_submit(&tree->pool, 0, tree_grow, tree, NULL), 0);
	return 0;
}

TASK_TEST(worker_pool_run, jobs_that_jobs_submit_are_done_too)
{
	struct tree tree = {.begun_nr = 0};

	assert_result(aion_worker_pool_enter(&tree.pool, NULL), 0);
	assert_result(aion_worker_pool_submit(&tree.pool, 0, tree_grow, &tree, NULL), 0);
	assert_result(aion_worker_pool_leave(&tree.pool, 0), 0);
	cr_assert_eq(tree.begun_nr, 1999);
}

/* Fails until it has been called so often. */
struct flaky {
	int succeeds_at;
	int call_nr;
};

static int64_t flaky_call(void *arg)
{
	struct flaky *flaky = arg;

	return ++flaky->call_nr == flaky->succeeds_at ? 42 : -EIO;
}

TASK_TEST(worker_pool_retry, a_failed_job_is_tried_again)
{
	const struct aion_retry_options retry = {.attempt_max = 3, .first_delay_ns = MS};
	const struct aion_job_options options = {.retry = &retry};
	struct flaky flaky[] = {{3, 0}, {4, 0}, {1, 0}};
	struct aion_worker_pool pool;
	struct aion_job jobs[3];

	assert_result(aion_worker_pool_enter(&pool, NULL), 0);
	for (int i = 0; i < 3; i++)
		aion_worker_pool_submit_with(&pool, &options, flaky_call, &flaky[i], &jobs[i]);
	assert_result(aion_await(&jobs[0].future), 42);
	assert_result(aion_await(&jobs[1].future), -EIO);
	assert_result(aion_await(&jobs[2].future), 42);
	cr_assert_eq(flaky[1].call_nr, 3);
	cr_assert_eq(pool_stats(&pool).attempt_nr, 7);
	cr_assert_eq(pool_stats(&pool).succeed_nr, 2);
	cr_assert_eq(pool_stats(&pool).fail_nr, 1);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
}

/* One worker, and a job that waits for its next attempt: others run meanwhile; leaving waits for it. */
TASK_TEST(worker_pool_retry, the_delay_keeps_no_worker_busy)
{
	const struct aion_retry_options retry = {.first_delay_ns = 20 * MS, .jitter = AION_JITTER_NONE};
	const struct aion_job_options options = {.retry = &retry};
	struct flaky flaky = {2, 0};
	struct aion_worker_pool pool;
	struct aion_job job, other;

	assert_result(aion_worker_pool_enter(&pool, &(struct aion_worker_pool_options){.worker_nr = 1}), 0);
	aion_worker_pool_submit_with(&pool, &options, flaky_call, &flaky, &job);
	aion_worker_pool_submit(&pool, 0, job_mark, test_number(7), &other);
	assert_result(aion_await(&other.future), 7);
	cr_assert_not(aion_future_is_done(&job.future));
	cr_assert_eq(pool_stats(&pool).delayed_nr, 1);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
	assert_result(aion_await(&job.future), 42);
}

static int64_t flaky_mark(void *arg)
{
	job_mark(test_number(((struct flaky *)arg)->succeeds_at));
	((struct flaky *)arg)->call_nr++;
	return ((struct flaky *)arg)->call_nr == 2 ? 0 : -EIO;
}

/* The longer delay is begun first: the timer has to be set to the shorter one's. */
TASK_TEST(worker_pool_retry, attempts_come_in_the_order_of_their_times)
{
	static struct aion_retry_options retries[20];
	static struct flaky flaky[20];
	struct aion_worker_pool pool;

	assert_result(aion_worker_pool_enter(&pool, &(struct aion_worker_pool_options){.worker_nr = 1}), 0);
	for (int i = 0; i < 20; i++) {
		retries[i] =
			(struct aion_retry_options){.first_delay_ns = (100 - 3 * i) * MS, .jitter = AION_JITTER_NONE};
		flaky[i] = (struct flaky){i, 0};
		aion_worker_pool_submit_with(&pool, &(struct aion_job_options){.retry = &retries[i]}, flaky_mark,
					     &flaky[i], NULL);
	}
	aion_yield();
	aion_yield();
	cr_assert_eq(pool_stats(&pool).delayed_nr, 20);
	seen.nr = 0;
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
	cr_assert_eq(seen.nr, 20);
	for (int i = 0; i < 20; i++)
		cr_assert_eq(seen.marks[i], 19 - i, "place %d: %zd", i, seen.marks[i]);
}

TASK_TEST(worker_pool_retry, a_long_delay_does_not_hold_up_a_short_one)
{
	const struct aion_retry_options slow = {.first_delay_ns = 1000 * AION_SECOND,
						.max_delay_ns = 1000 * AION_SECOND};
	const struct aion_retry_options fast = {.first_delay_ns = MS};
	struct flaky flaky[] = {{2, 0}, {2, 0}};
	struct aion_worker_pool pool;
	struct aion_job jobs[2];

	assert_result(aion_worker_pool_enter(&pool, NULL), 0);
	aion_worker_pool_submit_with(&pool, &(struct aion_job_options){.retry = &slow}, flaky_call, &flaky[0],
				     &jobs[0]);
	aion_worker_pool_submit_with(&pool, &(struct aion_job_options){.retry = &fast}, flaky_call, &flaky[1],
				     &jobs[1]);
	assert_result(aion_await(&jobs[1].future), 42);
	cr_assert_not(aion_future_is_done(&jobs[0].future));
	aion_job_cancel(&jobs[0]);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
}

TASK_TEST(worker_pool_limit, cuts_an_attempt_short)
{
	const struct aion_job_options options = {.limit_ns = MS};
	const struct aion_retry_options retry = {.attempt_max = 2, .first_delay_ns = 1};
	const struct aion_job_options twice = {.limit_ns = MS, .retry = &retry};
	struct aion_worker_pool pool;
	struct aion_job job;

	assert_result(aion_worker_pool_enter(&pool, NULL), 0);
	aion_worker_pool_submit_with(&pool, &options, test_sleep_for_ever, NULL, &job);
	assert_result(aion_await(&job.future), -ETIME);
	aion_worker_pool_submit_with(&pool, &twice, test_sleep_for_ever, NULL, NULL);
	assert_result(aion_worker_pool_join(&pool), 0);
	cr_assert_eq(pool_stats(&pool).attempt_nr, 3);
	cr_assert_eq(pool_stats(&pool).fail_nr, 2);
	assert_result(aion_worker_pool_leave(&pool, 0), -ETIME);
}

TASK_TEST(worker_pool_bounded, who_submits_to_a_full_queue_waits)
{
	const struct aion_worker_pool_options options = {.worker_nr = 1, .capacity = 2};
	struct aion_worker_pool pool;

	assert_result(aion_worker_pool_enter(&pool, &options), 0);
	for (int i = 0; i < 20; i++) {
		assert_result(aion_worker_pool_submit(&pool, 0, job_mark_slowly, test_number(i), NULL), 0);
		cr_assert_leq(pool_stats(&pool).queued_nr, 2);
	}
	cr_assert_geq(seen.nr, 18 - 1);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
	cr_assert_eq(seen.nr, 20);
}

TASK_TEST(worker_pool_bounded, try_submit_does_not)
{
	const struct aion_worker_pool_options options = {.worker_nr = 1, .capacity = 2};
	struct aion_worker_pool pool;
	struct aion_job jobs[3];

	assert_result(aion_worker_pool_enter(&pool, &options), 0);
	for (int i = 0; i < 2; i++)
		assert_result(aion_worker_pool_try_submit(&pool, NULL, job_mark, test_number(i), &jobs[i]), 0);
	assert_result(aion_worker_pool_try_submit(&pool, NULL, job_mark, test_number(2), &jobs[2]), -EAGAIN);
	aion_job_cancel(&jobs[1]);
	assert_result(aion_worker_pool_try_submit(&pool, NULL, job_mark, test_number(3), &jobs[2]), 0);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
	assert_begun(0, 3);
}

struct submitter {
	struct aion_worker_pool *pool;
	struct aion_job job;
	int64_t result;
};

static int64_t submit_one(void *arg)
{
	struct submitter *submitter = arg;

	submitter->result = aion_worker_pool_submit(submitter->pool, 0, job_mark, test_number(9), &submitter->job);
	return 0;
}

/* Leave as a drain lets in who waits; as a stop it refuses him. He is no child of the pool's. */
static void leave_with_a_submitter(int64_t body_result, int64_t submit_result, size_t begun_nr)
{
	const struct aion_worker_pool_options options = {.worker_nr = 1, .capacity = 1};
	struct aion_worker_pool pool;
	struct submitter submitter = {.pool = &pool};
	struct aion_group group;

	seen.nr = 0;
	aion_group_enter(&group);
	assert_result(aion_worker_pool_enter(&pool, &options), 0);
	assert_result(aion_worker_pool_submit(&pool, 0, job_mark_slowly, test_number(1), NULL), 0);
	aion_yield();
	assert_result(aion_worker_pool_submit(&pool, 0, job_mark, test_number(2), NULL), 0);
	aion_spawn_now(&group, submit_one, &submitter);
	assert_result(aion_worker_pool_leave(&pool, body_result), body_result);
	memset(&pool, 0xff, sizeof(pool));
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(submitter.result, submit_result);
	cr_assert_eq(seen.nr, begun_nr);
}

TASK_TEST(worker_pool_bounded, who_waits_to_submit_is_let_in_or_refused_before_the_pool_goes)
{
	leave_with_a_submitter(0, 0, 3);
	leave_with_a_submitter(-EIO, -ESHUTDOWN, 1);
}

/* The workers have gone by then, so leave has nobody else to wait for. */
TASK_TEST(worker_pool_bounded, who_waits_to_submit_to_a_cancelled_pool_is_refused_before_it_goes)
{
	const struct aion_worker_pool_options options = {.worker_nr = 1, .capacity = 1};
	struct aion_worker_pool pool;
	struct submitter submitter = {.pool = &pool};
	struct aion_scope shield;
	struct aion_group group;

	aion_group_enter(&group);
	assert_result(aion_worker_pool_enter(&pool, &options), 0);
	assert_result(aion_worker_pool_submit(&pool, 0, test_sleep_for_ever, NULL, NULL), 0);
	aion_yield();
	assert_result(aion_worker_pool_submit(&pool, 0, job_mark, test_number(2), NULL), 0);
	aion_spawn_now(&group, submit_one, &submitter);
	aion_group_cancel(&pool.group);
	aion_scope_enter_shield(&shield, AION_NEVER);
	for (int i = 0; i < 5; i++)
		aion_yield();
	aion_scope_leave(&shield);
	assert_result(submitter.result, 0);
	assert_result(aion_worker_pool_leave(&pool, aion_checkpoint()), 0);
	assert_result(submitter.result, -ESHUTDOWN);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(seen.nr, 0);
}

TASK_TEST(worker_pool_bounded, a_submitter_who_is_cancelled_has_submitted_nothing)
{
	const struct aion_worker_pool_options options = {.worker_nr = 1, .capacity = 1};
	struct aion_worker_pool pool;
	struct aion_scope scope;

	assert_result(aion_worker_pool_enter(&pool, &options), 0);
	assert_result(aion_worker_pool_submit(&pool, 0, test_sleep_1ms, NULL, NULL), 0);
	aion_yield();
	assert_result(aion_worker_pool_submit(&pool, 0, job_mark, NULL, NULL), 0);
	aion_scope_enter(&scope, AION_NEVER);
	aion_scope_cancel(&scope);
	assert_result(aion_worker_pool_submit(&pool, 0, job_mark, NULL, NULL), -ECANCELED);
	assert_result(aion_worker_pool_join(&pool), -ECANCELED);
	aion_scope_leave(&scope);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
	cr_assert_eq(seen.nr, 1);
	cr_assert_eq(pool_stats(&pool).submit_nr, 2);
}
