/* SPDX-License-Identifier: MIT */
/* How jobs are cancelled and pools end, misuse, and memory that fails. */
#include "fault_int.h"
#include "test_file.h"
#include "test_task.h"

#define MS AION_MILLISECOND

static int64_t sleep_and_count(void *ended_nr)
{
	int64_t result = aion_sleep_until(AION_NEVER);

	++*(int *)ended_nr;
	return result;
}

static struct aion_worker_pool_stats pool_stats(const struct aion_worker_pool *pool)
{
	struct aion_worker_pool_stats stats;

	aion_worker_pool_stats(pool, &stats);
	return stats;
}

TASK_TEST(worker_pool_cancel, a_queued_job_is_never_begun)
{
	struct aion_worker_pool pool;
	struct aion_job jobs[3];
	int count = 0;

	assert_result(aion_worker_pool_enter(&pool, &(struct aion_worker_pool_options){.worker_nr = 1}), 0);
	aion_worker_pool_submit(&pool, 0, test_sleep_1ms, NULL, &jobs[0]);
	aion_yield();
	aion_worker_pool_submit(&pool, 0, test_count, &count, &jobs[1]);
	aion_worker_pool_submit(&pool, 0, test_count, &count, &jobs[2]);
	aion_job_cancel(&jobs[1]);
	cr_assert(aion_future_is_done(&jobs[1].future));
	assert_result(aion_await(&jobs[1].future), -ECANCELED);
	aion_job_cancel(&jobs[1]); /* a second time: nothing */
	cr_assert_eq(pool_stats(&pool).queued_nr, 1);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
	assert_result(aion_await(&jobs[2].future), 0);
	cr_assert_eq(count, 1);
	cr_assert_eq(pool_stats(&pool).cancel_nr, 1);
	aion_job_cancel(&jobs[2]); /* has ended: nothing */
}

/* It is with a worker, who has not run since. */
TASK_TEST(worker_pool_cancel, a_job_just_handed_over_is_never_begun)
{
	struct aion_worker_pool pool;
	struct aion_job job;
	int count = 0;

	assert_result(aion_worker_pool_enter(&pool, NULL), 0);
	aion_yield(); /* the workers wait */
	aion_worker_pool_submit(&pool, 0, test_count, &count, &job);
	aion_job_cancel(&job);
	assert_result(aion_await(&job.future), -ECANCELED);
	assert_result(aion_worker_pool_join(&pool), 0);
	aion_worker_pool_submit(&pool, 0, test_count, &count, &job);
	assert_result(aion_await(&job.future), 0);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
	cr_assert_eq(count, 1);
}

TASK_TEST(worker_pool_cancel, a_running_job_s_scope_is_cancelled_and_no_other)
{
	struct aion_worker_pool pool;
	struct aion_job jobs[2];
	int ended_nr = 0;

	assert_result(aion_worker_pool_enter(&pool, NULL), 0);
	aion_worker_pool_submit(&pool, 0, sleep_and_count, &ended_nr, &jobs[0]);
	aion_worker_pool_submit(&pool, 0, sleep_and_count, &ended_nr, &jobs[1]);
	aion_yield();
	aion_job_cancel(&jobs[0]);
	assert_result(aion_await(&jobs[0].future), -ECANCELED);
	cr_assert_eq(ended_nr, 1);
	cr_assert_not(aion_future_is_done(&jobs[1].future));
	aion_job_cancel(&jobs[1]);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
	cr_assert_eq(pool_stats(&pool).cancel_nr, 2);
	cr_assert_eq(pool_stats(&pool).fail_nr, 0);
}

static int64_t fail_when_cancelled(void *unused)
{
	(void)unused;
	aion_sleep_until(AION_NEVER);
	return -EIO;
}

TASK_TEST(worker_pool_cancel, a_cancelled_job_is_not_tried_again)
{
	const struct aion_retry_options retry = {.attempt_max = AION_RETRY_FOR_EVER,
						 .first_delay_ns = 1000 * AION_SECOND,
						 .max_delay_ns = 1000 * AION_SECOND};
	const struct aion_job_options options = {.retry = &retry};
	struct aion_worker_pool pool;
	struct aion_job job;

	assert_result(aion_worker_pool_enter(&pool, NULL), 0);
	aion_worker_pool_submit_with(&pool, &options, test_sleep_for_ever, NULL, &job);
	aion_yield();
	aion_job_cancel(&job);
	assert_result(aion_await(&job.future), -ECANCELED);
	aion_worker_pool_submit_with(&pool, &options, fail_when_cancelled, NULL, &job);
	aion_yield();
	aion_job_cancel(&job);
	assert_result(aion_await(&job.future), -EIO);
	/* Between attempts. */
	aion_worker_pool_submit_with(&pool, &options, test_return, test_number(-EPIPE), &job);
	aion_yield();
	aion_yield();
	cr_assert_eq(pool_stats(&pool).delayed_nr, 1);
	aion_job_cancel(&job);
	assert_result(aion_await(&job.future), -ECANCELED);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
}

/* A job's predicate that ends it, and says that it is to be tried again. */
struct ender {
	struct aion_worker_pool pool;
	struct aion_job job;
	bool stops; /* the pool, else it cancels the job */
	int attempt_nr;
};

static int64_t fail_once_more(void *arg)
{
	((struct ender *)arg)->attempt_nr++;
	return -EIO;
}

static bool end_it(int64_t error, unsigned attempt_nr, void *arg)
{
	struct ender *ender = arg;

	(void)error;
	(void)attempt_nr;
	if (ender->stops)
		aion_worker_pool_shutdown_now(&ender->pool);
	else
		aion_job_cancel(&ender->job);
	return true;
}

static void end_in_the_predicate(bool stops)
{
	struct ender ender = {.stops = stops};
	const struct aion_retry_options retry = {.first_delay_ns = 1000 * AION_SECOND,
						 .max_delay_ns = 1000 * AION_SECOND,
						 .should_retry = end_it,
						 .arg = &ender};
	const struct aion_job_options options = {.retry = &retry};

	assert_result(aion_worker_pool_enter(&ender.pool, NULL), 0);
	aion_worker_pool_submit_with(&ender.pool, &options, fail_once_more, &ender, &ender.job);
	for (int i = 0; i < 3; i++)
		aion_yield();
	cr_assert_eq(pool_stats(&ender.pool).delayed_nr, 0, "it waits for its next attempt");
	assert_result(aion_await(&ender.job.future), -EIO);
	assert_result(aion_worker_pool_leave(&ender.pool, 0), 0);
	cr_assert_eq(ender.attempt_nr, 1);
	cr_assert_eq(pool_stats(&ender.pool).fail_nr, 1);
}

TASK_TEST(worker_pool_cancel, a_job_that_its_predicate_cancels_is_not_tried_again)
{
	end_in_the_predicate(false);
}

TASK_TEST(worker_pool_cancel, a_pool_that_a_predicate_stops_does_not_wait_for_the_delay)
{
	end_in_the_predicate(true);
}

static struct {
	int numbers[3000];
	int nr;
} order;

static int64_t order_note(void *number)
{
	order.numbers[order.nr++] = (int)(intptr_t)number;
	return 0;
}

/* Those cancelled do not pile up, and the others keep their order. */
TASK_TEST(worker_pool_cancel, of_many_queued_jobs_the_rest_keep_their_order)
{
	static struct aion_job jobs[3000];
	struct aion_worker_pool pool;

	assert_result(aion_worker_pool_enter(&pool, &(struct aion_worker_pool_options){.worker_nr = 1}), 0);
	for (int i = 0; i < 3000; i++)
		aion_worker_pool_try_submit(&pool, NULL, order_note, test_number(i), &jobs[i]);
	for (int i = 0; i < 3000; i++)
		if (i % 10)
			aion_job_cancel(&jobs[i]);
	cr_assert_eq(pool_stats(&pool).queued_nr, 300);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
	cr_assert_eq(order.nr, 300);
	for (int i = 0; i < 300; i++)
		cr_assert_eq(order.numbers[i], 10 * i);
	cr_assert_eq(pool_stats(&pool).cancel_nr, 2700);
}

TASK_TEST(worker_pool_stop, shutdown_takes_no_more_and_does_the_rest)
{
	struct aion_worker_pool pool;
	struct aion_job job;
	int count = 0;

	assert_result(aion_worker_pool_enter(&pool, NULL), 0);
	for (int i = 0; i < 10; i++)
		aion_worker_pool_submit(&pool, 0, test_count, &count, NULL);
	aion_worker_pool_shutdown(&pool);
	assert_result(aion_worker_pool_submit(&pool, 0, test_count, &count, &job), -ESHUTDOWN);
	assert_result(aion_worker_pool_try_submit(&pool, NULL, test_count, &count, &job), -ESHUTDOWN);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
	cr_assert_eq(count, 10);
}

/* Everywhere a job can be: under way, just handed over, queued, between attempts. */
static void stop_everywhere(struct aion_job *jobs, struct aion_worker_pool *pool, int *ended_nr, int *count)
{
	static const struct aion_retry_options retry = {.first_delay_ns = 1000 * AION_SECOND,
							.max_delay_ns = 1000 * AION_SECOND};
	const struct aion_job_options options = {.retry = &retry};

	assert_result(aion_worker_pool_enter(pool, &(struct aion_worker_pool_options){.worker_nr = 2}), 0);
	aion_worker_pool_submit_with(pool, &options, test_return, test_number(-EIO), &jobs[0]);
	aion_worker_pool_submit(pool, 0, sleep_and_count, ended_nr, &jobs[1]);
	aion_yield();
	aion_yield();
	aion_worker_pool_submit(pool, 0, test_count, count, &jobs[2]);
	aion_worker_pool_submit(pool, 0, test_count, count, &jobs[3]);
	aion_worker_pool_submit(pool, 0, test_count, count, NULL);
	cr_assert_eq(pool_stats(pool).delayed_nr, 1);
	cr_assert_eq(pool_stats(pool).running_nr, 1);
}

static void stopped_everywhere(struct aion_job *jobs, const struct aion_worker_pool *pool, int ended_nr, int count)
{
	assert_result(aion_await(&jobs[0].future), -ESHUTDOWN);
	assert_result(aion_await(&jobs[1].future), -ECANCELED);
	assert_result(aion_await(&jobs[2].future), -ESHUTDOWN);
	assert_result(aion_await(&jobs[3].future), -ESHUTDOWN);
	cr_assert_eq(ended_nr, 1);
	cr_assert_eq(count, 0);
	cr_assert_eq(pool_stats(pool).cancel_nr, 5);
	cr_assert_eq(pool_stats(pool).queued_nr + pool_stats(pool).delayed_nr + pool_stats(pool).running_nr, 0);
}

TASK_TEST(worker_pool_stop, shutdown_now_drops_what_is_not_under_way_and_cancels_what_is)
{
	struct aion_worker_pool pool;
	struct aion_job jobs[4];
	int ended_nr = 0, count = 0;

	stop_everywhere(jobs, &pool, &ended_nr, &count);
	assert_result((int64_t)aion_worker_pool_shutdown_now(&pool), 4);
	assert_result(aion_worker_pool_join(&pool), 0);
	cr_assert_not(aion_cancelled());
	stopped_everywhere(jobs, &pool, ended_nr, count);
	assert_result((int64_t)aion_worker_pool_shutdown_now(&pool), 0);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
}

TASK_TEST(worker_pool_stop, a_failed_body_stops_it)
{
	struct aion_worker_pool pool;
	struct aion_job jobs[4];
	int ended_nr = 0, count = 0;

	stop_everywhere(jobs, &pool, &ended_nr, &count);
	assert_result(aion_worker_pool_leave(&pool, -EBADMSG), -EBADMSG);
	stopped_everywhere(jobs, &pool, ended_nr, count);
}

TASK_TEST(worker_pool_stop, a_cancellation_stops_it)
{
	struct aion_worker_pool pool;
	struct aion_job jobs[4];
	struct aion_scope scope;
	int ended_nr = 0, count = 0;

	aion_scope_enter(&scope, AION_NEVER);
	stop_everywhere(jobs, &pool, &ended_nr, &count);
	aion_scope_cancel(&scope);
	assert_result(aion_worker_pool_leave(&pool, aion_checkpoint()), -ECANCELED);
	aion_scope_leave(&scope);
	stopped_everywhere(jobs, &pool, ended_nr, count);
}

TASK_TEST(worker_pool_stop, a_deadline_during_the_drain_stops_it)
{
	struct aion_worker_pool pool;
	struct aion_job jobs[4];
	int ended_nr = 0, count = 0;

	stop_everywhere(jobs, &pool, &ended_nr, &count);
	/* jobs[2], [3] and the last would run: the second worker sleeps, too. */
	aion_scope_set_deadline(&pool.group.scope, aion_after(MS));
	assert_result(aion_worker_pool_leave(&pool, 0), -ETIME);
	assert_result(aion_await(&jobs[0].future), -ESHUTDOWN);
	assert_result(aion_await(&jobs[1].future), -ECANCELED);
	assert_result(aion_await(&jobs[3].future), 0);
	cr_assert_eq(count, 3);
	cr_assert_not(aion_cancelled());
}

static int64_t shutdown_soon(void *pool)
{
	aion_yield();
	aion_worker_pool_shutdown(pool);
	return 0;
}

TASK_TEST(worker_pool_stop, who_waits_to_submit_is_refused)
{
	const struct aion_worker_pool_options options = {.worker_nr = 1, .capacity = 1};
	struct aion_worker_pool pool;
	struct aion_group group;
	int count = 0;

	assert_result(aion_worker_pool_enter(&pool, &options), 0);
	aion_worker_pool_submit(&pool, 0, test_sleep_1ms, NULL, NULL);
	aion_yield();
	aion_worker_pool_submit(&pool, 0, test_count, &count, NULL);
	aion_group_enter(&group);
	aion_spawn(&group, shutdown_soon, &pool);
	assert_result(aion_worker_pool_submit(&pool, 0, test_count, &count, NULL), -ESHUTDOWN);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
	cr_assert_eq(count, 1);
}

TASK_TEST(worker_pool_error, arguments)
{
	const struct aion_retry_options wrong = {.factor = 0.1};
	struct aion_worker_pool pool;
	int count = 0;

	assert_result(
		aion_worker_pool_enter(&pool, &(struct aion_worker_pool_options){.worker_nr = AION_WORKER_MAX + 1}),
		-EINVAL);
	assert_result(aion_worker_pool_enter(&pool, &(struct aion_worker_pool_options){.stack_size = (64 << 20) + 1}),
		      -EINVAL);
	assert_result(aion_worker_pool_enter(&pool, NULL), 0);
	for (int i = 0; i < 2; i++) {
		const struct aion_job_options options = {.limit_ns = i ? -1 : 0, .retry = i ? NULL : &wrong};

		assert_result(aion_worker_pool_submit_with(&pool, &options, test_count, &count, NULL), -EINVAL);
		assert_result(aion_worker_pool_try_submit(&pool, &options, test_count, &count, NULL), -EINVAL);
	}
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
	cr_assert_eq(count, 0);
}

static int64_t use_after_leave(void *unused)
{
	struct aion_worker_pool pool;

	(void)unused;
	aion_worker_pool_enter(&pool, NULL);
	aion_worker_pool_leave(&pool, 0);
	return aion_worker_pool_submit(&pool, 0, test_return, NULL, NULL);
}

Test(worker_pool_misuse, a_pool_that_was_left_aborts)
{
	test_task_aborts(use_after_leave, "worker pool used that is not entered, or has been left");
}

static struct aion_worker_pool *outside;

static void try_outside(void *arg)
{
	int *results = arg;

	results[0] = aion_worker_pool_submit(outside, 0, test_return, NULL, NULL);
	results[1] = aion_worker_pool_try_submit(outside, NULL, test_return, NULL, NULL);
	results[2] = (int)aion_worker_pool_join(outside);
}

/* In a post, which is no task: only what never waits works. */
TASK_TEST(worker_pool_error, outside_of_tasks)
{
	struct aion_worker_pool pool;
	int results[3] = {0};

	assert_result(aion_worker_pool_enter(&pool, NULL), 0);
	outside = &pool;
	assert_result(aion_loop_post(aion_loop_current(), try_outside, results), 0);
	while (!pool_stats(&pool).submit_nr)
		aion_sleep(1);
	assert_result(results[0], -EBUSY);
	assert_result(results[1], 0);
	assert_result(results[2], -EBUSY);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
}

#ifdef AION_FAULTS
TASK_TEST(worker_pool_error, no_memory_to_enter)
{
	struct aion_worker_pool pool;

	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	assert_result(aion_worker_pool_enter(&pool, NULL), -ENOMEM);
	aion__fault_reset();
	assert_result(aion_checkpoint(), 0);
}

TASK_TEST(worker_pool_error, no_memory_for_workers_is_leave_s)
{
	struct aion_worker_pool pool;

	aion__fault_arm(AION__FAULT_ALLOC, 1, 1000, -ENOMEM);
	assert_result(aion_worker_pool_enter(&pool, &(struct aion_worker_pool_options){.worker_nr = 100}), 0);
	aion__fault_reset();
	assert_result(aion_worker_pool_leave(&pool, 0), -ENOMEM);
}

TASK_TEST(worker_pool_error, no_memory_for_a_job)
{
	struct aion_worker_pool pool;
	struct aion_job job;
	int count = 0;

	assert_result(aion_worker_pool_enter(&pool, &(struct aion_worker_pool_options){.capacity = 1}), 0);
	for (unsigned after = 0; after < 2; after++) { /* the record, the queue */
		aion__fault_arm(AION__FAULT_ALLOC, after, 1, -ENOMEM);
		assert_result(aion_worker_pool_submit(&pool, 0, test_count, &count, &job), -ENOMEM);
		aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM); /* of the second time the record is there */
		assert_result(aion_worker_pool_try_submit(&pool, NULL, test_count, &count, &job), -ENOMEM);
		aion__fault_reset();
	}
	assert_result(aion_worker_pool_submit(&pool, 0, test_count, &count, &job), 0);
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
	cr_assert_eq(count, 1);
}

static int64_t fail_without_memory(void *call_nr)
{
	++*(int *)call_nr;
	aion__fault_arm(AION__FAULT_ALLOC, *(int *)call_nr == 2, 1000, -ENOMEM); /* the heap, then the timer */
	return -EIO;
}

/* Not even a heap: the attempt's own error. With a heap and no timer: again at once. */
TASK_TEST(worker_pool_error, no_memory_for_a_delay)
{
	const struct aion_retry_options retry = {
		.attempt_max = 3, .first_delay_ns = 1000 * AION_SECOND, .max_delay_ns = 1000 * AION_SECOND};
	const struct aion_job_options options = {.retry = &retry};
	struct aion_worker_pool pool;
	struct aion_job job;
	int call_nr = 0;

	assert_result(aion_worker_pool_enter(&pool, NULL), 0);
	aion_yield(); /* the workers have their stacks */
	assert_result(aion_worker_pool_submit_with(&pool, &options, fail_without_memory, &call_nr, &job), 0);
	assert_result(aion_await(&job.future), -EIO);
	cr_assert_eq(call_nr, 1);
	assert_result(aion_worker_pool_submit_with(&pool, &options, fail_without_memory, &call_nr, &job), 0);
	assert_result(aion_await(&job.future), -EIO);
	cr_assert_eq(call_nr, 4, "%d", call_nr);
	aion__fault_reset();
	assert_result(aion_worker_pool_leave(&pool, 0), 0);
}
#endif
