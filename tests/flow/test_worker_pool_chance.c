/* SPDX-License-Identifier: MIT */
/*
 * Pools in which everything happens at times that a seed decides: jobs that wait, fail, hang or resist, tasks that
 * submit and are cancelled, jobs cancelled wherever they are, ends of every kind. Each job taken ends once, with a
 * result that fits what happened to it; none runs that was not taken; no more run at once than there are workers.
 */
#include "test_file.h"
#include "test_task.h"

#define JOB_NR 40
#define SUBMITTER_NR 3

enum end_kind {
	END_DRAIN,
	END_SHUTDOWN,
	END_SHUTDOWN_NOW,
	END_FAIL,
	END_CANCEL,
	END_NR,
};

struct chance_job {
	struct chance *chance;
	struct aion_job job;
	struct aion_job_options options;
	unsigned yield_nr;
	int64_t result;
	bool hangs, resists;
	/* what has come of it */
	bool is_tried; /* to be submitted */
	bool is_asked; /* to end */
	bool is_running;
	int submit_result;
	unsigned attempt_nr;
	int64_t last_result;
};

struct chance {
	uint64_t state;
	struct aion_worker_pool pool;
	struct aion_retry_options retry;
	struct chance_job jobs[JOB_NR];
	unsigned next; /* to be submitted */
	unsigned running_nr, worker_nr;
	enum end_kind end;
	bool is_ending; /* by a kind that drops jobs */
	bool is_left;
};

static unsigned draw(struct chance *chance, unsigned bound)
{
	uint64_t x = chance->state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (unsigned)((x ^ x >> 31) >> 32) % bound;
}

static int64_t job_attempt(struct chance_job *job)
{
	int64_t result = 0;

	for (unsigned i = 0; i < job->yield_nr && result >= 0; i++)
		result = aion_yield();
	if (job->hangs && result >= 0)
		result = aion_sleep_until(AION_NEVER);
	return result < 0 && !job->resists ? result : job->result;
}

static int64_t job_body(void *arg)
{
	struct chance_job *job = arg;
	struct chance *chance = job->chance;

	cr_assert(job->is_tried && !job->is_asked && !chance->is_ending, "an attempt that is not wanted");
	cr_assert_not(job->is_running);
	cr_assert_leq(++chance->running_nr, chance->worker_nr);
	job->is_running = true;
	job->attempt_nr++;
	job->last_result = job_attempt(job);
	job->is_running = false;
	chance->running_nr--;
	return job->last_result;
}

static void job_draw(struct chance *chance, struct chance_job *job)
{
	*job = (struct chance_job){
		.chance = chance,
		.yield_nr = draw(chance, 5),
		.result = draw(chance, 3) ? 7 : -EIO,
		.hangs = draw(chance, 6) == 0,
		.resists = draw(chance, 4) == 0,
		.submit_result = -EINPROGRESS,
		.options = {.priority = draw(chance, 3), .limit_ns = draw(chance, 8) ? 0 : 1 + draw(chance, 100000)},
	};
	if (draw(chance, 3) == 0)
		job->options.retry = &chance->retry;
}

static int64_t submitter_body(void *arg)
{
	struct chance *chance = arg;

	while (chance->next < JOB_NR && !chance->is_left) {
		struct chance_job *job = &chance->jobs[chance->next++];

		job->is_tried = true;
		if (draw(chance, 4))
			job->submit_result =
				aion_worker_pool_submit_with(&chance->pool, &job->options, job_body, job, &job->job);
		else
			job->submit_result =
				aion_worker_pool_try_submit(&chance->pool, &job->options, job_body, job, &job->job);
		if (job->submit_result == -ECANCELED)
			return -ECANCELED;
		for (unsigned i = draw(chance, 3); i; i--)
			if (aion_yield() < 0)
				return -ECANCELED;
	}
	return 0;
}

static void cancel_some_job(struct chance *chance)
{
	struct chance_job *job = &chance->jobs[draw(chance, JOB_NR)];

	if (job->submit_result == 0) {
		job->is_asked |= !aion_future_is_done(&job->job.future);
		aion_job_cancel(&job->job);
	}
}

/* Goes on until the pool has been left, so that what hangs ends; a pool that is being stopped sees to that itself. */
static int64_t meddler_body(void *arg)
{
	struct chance *chance = arg;

	for (unsigned turn = 0; !chance->is_left; turn++) {
		if (turn > 20)
			aion_sleep(draw(chance, 20000));
		else
			aion_yield();
		if (!chance->is_left && !chance->is_ending && draw(chance, turn > 20 ? 2 : 10) == 0)
			cancel_some_job(chance);
	}
	return 0;
}

static int64_t chance_end(struct chance *chance)
{
	switch (chance->end) {
	case END_SHUTDOWN:
		aion_worker_pool_shutdown(&chance->pool);
		break;
	case END_SHUTDOWN_NOW:
		chance->is_ending = true;
		aion_worker_pool_shutdown_now(&chance->pool);
		break;
	case END_FAIL:
		chance->is_ending = true;
		return aion_worker_pool_leave(&chance->pool, -EBADMSG);
	case END_CANCEL:
		chance->is_ending = true;
		aion_group_cancel(&chance->pool.group);
		break;
	default:
		break;
	}
	return aion_worker_pool_leave(&chance->pool, 0);
}

static void job_check(const struct chance *chance, const struct chance_job *job, unsigned nr)
{
	int64_t result = job->job.future.result;

	if (job->submit_result < 0) {
		cr_assert_eq(job->attempt_nr, 0, "job %u ran and was not taken", nr);
		return;
	}
	cr_assert(aion_future_is_done(&job->job.future), "job %u has not ended", nr);
	cr_assert_not(job->is_running);
	if (result == -ESHUTDOWN)
		cr_assert(chance->is_ending && (!job->attempt_nr || job->options.retry), "job %u was dropped", nr);
	else if (result == -ECANCELED)
		cr_assert(chance->is_ending || job->is_asked, "job %u was cancelled by nobody", nr);
	else if (result == -ETIME)
		cr_assert(job->options.limit_ns && job->last_result == -ECANCELED, "job %u had time", nr);
	else
		cr_assert(job->attempt_nr && result == job->last_result, "job %u came to %lld", nr, (long long)result);
	cr_assert_leq(job->attempt_nr, job->options.retry ? chance->retry.attempt_max : 1);
	if (result == -EIO && job->options.retry && !job->is_asked && !chance->is_ending)
		cr_assert_eq(job->attempt_nr, chance->retry.attempt_max, "job %u was given up", nr);
}

static void chance_check(const struct chance *chance)
{
	struct aion_worker_pool_stats stats;
	unsigned attempt_nr = 0, taken_nr = 0;

	for (unsigned i = 0; i < JOB_NR; i++) {
		job_check(chance, &chance->jobs[i], i);
		attempt_nr += chance->jobs[i].attempt_nr;
		taken_nr += chance->jobs[i].submit_result == 0;
	}
	aion_worker_pool_stats(&chance->pool, &stats);
	cr_assert_eq(stats.submit_nr, taken_nr);
	cr_assert_eq(stats.attempt_nr, attempt_nr);
	cr_assert_eq(stats.succeed_nr + stats.fail_nr + stats.cancel_nr, taken_nr);
	cr_assert_eq(stats.queued_nr + stats.running_nr + stats.delayed_nr, 0);
}

static void chance_run(uint64_t seed)
{
	static struct chance chance;
	struct aion_worker_pool_options options;
	struct aion_handle handles[SUBMITTER_NR];
	struct aion_group group;
	int64_t result;

	chance = (struct chance){.state = seed, .retry = {.attempt_max = 3, .first_delay_ns = 1000}};
	for (unsigned i = 0; i < JOB_NR; i++)
		job_draw(&chance, &chance.jobs[i]);
	chance.worker_nr = options.worker_nr = 1 + draw(&chance, 4);
	options.capacity = draw(&chance, 4);
	options.stack_size = 0;
	chance.end = (enum end_kind)draw(&chance, END_NR);
	aion_group_enter(&group);
	cr_assert_eq(aion_worker_pool_enter(&chance.pool, &options), 0);
	for (unsigned i = 0; i < SUBMITTER_NR; i++)
		aion_spawn_into(&group, &handles[i], NULL, submitter_body, &chance);
	aion_spawn(&group, meddler_body, &chance);
	for (unsigned i = draw(&chance, 30); i; i--)
		aion_yield();
	if (draw(&chance, 2))
		aion_handle_cancel(&handles[0]);
	result = chance_end(&chance);
	chance.is_left = true;
	cr_assert(result == 0 || (result == -EBADMSG && chance.end == END_FAIL), "%lld", (long long)result);
	assert_result(aion_group_leave(&group, 0), 0);
	chance_check(&chance);
}

TASK_TEST(worker_pool_chance, every_job_taken_ends_once)
{
	uint64_t seed_nr = test_is_small() ? 100 : 1000;

	for (uint64_t seed = 1; seed <= seed_nr; seed++)
		chance_run(seed);
}
