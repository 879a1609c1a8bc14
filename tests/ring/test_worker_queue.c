/* SPDX-License-Identifier: MIT */
/* Who waits for whom: slow jobs, and jobs taken back. */
#include <criterion/criterion.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "test_ring.h"

struct held {
	struct aion__job job;
	int run_nr;
	int done_nr;
};

static sem_t gate;
static atomic_int running_nr;
static atomic_int running_peak;

static int64_t held_run(struct aion__job *job)
{
	struct held *held = aion__container_of(job, struct held, job);
	int now = atomic_fetch_add(&running_nr, 1) + 1;
	int peak = atomic_load(&running_peak);

	held->run_nr++;
	while (now > peak && !atomic_compare_exchange_weak(&running_peak, &peak, now))
		;
	sem_wait(&gate);
	atomic_fetch_sub(&running_nr, 1);
	return 0;
}

static int64_t free_run(struct aion__job *job)
{
	aion__container_of(job, struct held, job)->run_nr++;
	return 0;
}

static void held_done(struct aion__ring *ring, struct aion__job *job)
{
	(void)ring;
	aion__container_of(job, struct held, job)->done_nr++;
}

static void submit(struct aion__ring *ring, struct held *held, int64_t (*run)(struct aion__job *), bool is_slow)
{
	*held = (struct held){.job = {.run = run, .done = held_done, .is_slow = is_slow}};
	cr_assert_eq(aion__workers_submit(ring, &held->job), 0);
}

static void open_gate(int nr)
{
	for (int i = 0; i < nr; i++)
		sem_post(&gate);
}

/* Six slow jobs stand before the fast ones; they may hold two of four threads, the fast ones get through. */
Test(worker_queue, slow_jobs_hold_at_most_half_the_threads)
{
	struct aion__ring ring;
	struct held slow[6];
	struct held fast[20];

	sem_init(&gate, 0, 0);
	test_ring_open(&ring, 4);
	for (int i = 0; i < 6; i++)
		submit(&ring, &slow[i], held_run, true);
	for (int i = 0; i < 20; i++)
		submit(&ring, &fast[i], free_run, false);
	test_ring_reap_jobs(&ring, 20);
	for (int i = 0; i < 20; i++)
		cr_assert_eq(fast[i].done_nr, 1);
	open_gate(6);
	test_ring_reap_jobs(&ring, 6);
	cr_assert_eq(atomic_load(&running_peak), 2);
	for (int i = 0; i < 6; i++)
		cr_assert_eq(slow[i].run_nr, 1);
	aion__ring_fini(&ring);
}

Test(worker_queue, one_thread_serves_both_kinds)
{
	struct aion__ring ring;
	struct held jobs[4];

	sem_init(&gate, 0, 0);
	open_gate(4);
	test_ring_open(&ring, 1);
	for (int i = 0; i < 4; i++)
		submit(&ring, &jobs[i], held_run, i % 2);
	test_ring_reap_jobs(&ring, 4);
	cr_assert_eq(atomic_load(&running_peak), 1);
	aion__ring_fini(&ring);
}

Test(worker_queue, a_queued_job_can_be_taken_back_a_running_one_cannot)
{
	struct aion__ring ring;
	struct held running;
	struct held queued[3];

	sem_init(&gate, 0, 0);
	test_ring_open(&ring, 1);
	submit(&ring, &running, held_run, false);
	while (!atomic_load(&running_nr))
		;
	for (int i = 0; i < 3; i++)
		submit(&ring, &queued[i], free_run, i == 2);
	cr_assert(!aion__workers_withdraw(&ring, &running.job));
	cr_assert(aion__workers_withdraw(&ring, &queued[1].job));
	cr_assert_eq(queued[1].job.state, AION__JOB_WITHDRAWN);
	cr_assert(!aion__workers_withdraw(&ring, &queued[1].job), "only once");
	cr_assert(aion__workers_withdraw(&ring, &queued[2].job));
	open_gate(1);
	test_ring_reap_jobs(&ring, 2);
	cr_assert(!aion__workers_withdraw(&ring, &running.job), "it is done");
	cr_assert_eq(queued[0].done_nr, 1);
	cr_assert_eq(queued[1].run_nr + queued[1].done_nr, 0);
	cr_assert_eq(queued[2].run_nr + queued[2].done_nr, 0);
	aion__ring_fini(&ring);
}

/* Every job either runs and comes back, or is taken back and does neither, whichever thread is faster. */
Test(worker_queue, taking_back_races_with_running_and_one_of_them_wins)
{
	enum { NR = 20000, BATCH = 8 };
	struct aion__ring ring;
	struct held *jobs = calloc(NR, sizeof(*jobs));
	unsigned withdrawn_nr = 0;
	unsigned back_nr = 0;

	test_ring_open(&ring, 3);
	for (int i = 0; i < NR; i += BATCH) {
		for (int k = 0; k < BATCH; k++)
			submit(&ring, &jobs[i + k], free_run, k % 3 == 0);
		for (int k = 0; k < BATCH; k += 2)
			withdrawn_nr += aion__workers_withdraw(&ring, &jobs[i + k].job);
		back_nr += aion__workers_reap(&ring);
	}
	/* The eventfd may tell of what has been reaped since: take it as a hint, as the loop does. */
	while (back_nr + withdrawn_nr < NR) {
		struct pollfd wake = {.fd = ring.wake_fd, .events = POLLIN};
		uint64_t count;

		cr_assert_eq(poll(&wake, 1, 30000), 1, "%u back, %u withdrawn", back_nr, withdrawn_nr);
		cr_assert_eq(read(ring.wake_fd, &count, sizeof(count)), (ssize_t)sizeof(count));
		back_nr += aion__workers_reap(&ring);
	}
	for (int i = 0; i < NR; i++) {
		cr_assert_eq(jobs[i].run_nr, jobs[i].done_nr);
		cr_assert_eq(jobs[i].done_nr, jobs[i].job.state == AION__JOB_DONE);
		cr_assert(jobs[i].job.state == AION__JOB_DONE || jobs[i].job.state == AION__JOB_WITHDRAWN);
	}
	cr_assert_eq(ring.stats.worker_nr, back_nr);
	aion__ring_fini(&ring);
	free(jobs);
}
