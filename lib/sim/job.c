/* SPDX-License-Identifier: MIT */
/* Offloaded calls: they run on the loop's own thread, while it is inside the machine, at drawn times. */
#include <errno.h>

#include "sim_int.h"
#include "worker_int.h"

#define QUEUE_NS_MIN 1000 /* from the submission to the beginning */
#define QUEUE_NS_MAX 200000
#define RUN_NS_MIN 1000 /* from the beginning to the end */
#define RUN_NS_MAX 5000000

struct aion__sim_job_entry {
	struct aion__sim_job_entry *next;
	struct aion__job *job;
	uint64_t nr;
	int64_t begin_ns; /* from then on it cannot be withdrawn */
	int64_t end_ns;   /* when it has its effect */
};

int aion__sim_job_submit(struct aion__ring *ring, struct aion__job *job)
{
	struct aion_sim *sim = aion__sim_of(ring);
	struct aion__sim_job_entry **place = &sim->job_oldest;
	struct aion__sim_job_entry *entry;

	if (aion__sim_strikes(sim, AION_SIM_ERROR_ENOMEM))
		return -ENOMEM;
	entry = aion__sim_alloc(sizeof(*entry));
	entry->job = job;
	entry->nr = ++sim->job_nr;
	entry->begin_ns = sim->now_ns + aion__sim_draw_ns(sim, QUEUE_NS_MIN, QUEUE_NS_MAX);
	entry->end_ns = entry->begin_ns + aion__sim_draw_ns(sim, RUN_NS_MIN, RUN_NS_MAX);
	job->state = AION__JOB_QUEUED;
	while (*place && (*place)->end_ns <= entry->end_ns)
		place = &(*place)->next;
	entry->next = *place;
	*place = entry;
	__atomic_fetch_or(ring->uring.sq.kflags, IORING_SQ_TASKRUN, __ATOMIC_SEQ_CST);
	return 0;
}

bool aion__sim_job_withdraw(struct aion__ring *ring, struct aion__job *job)
{
	struct aion_sim *sim = aion__sim_of(ring);
	struct aion__sim_job_entry **place = &sim->job_oldest;
	struct aion__sim_job_entry *entry;

	while (*place && (*place)->job != job)
		place = &(*place)->next;
	entry = *place;
	if (!entry || entry->begin_ns <= sim->now_ns)
		return false;
	*place = entry->next;
	aion__sim_free(entry);
	job->state = AION__JOB_WITHDRAWN;
	return true;
}

int64_t aion__sim_jobs_due_ns(const struct aion_sim *sim)
{
	return sim->job_oldest ? sim->job_oldest->end_ns : AION_NEVER;
}

bool aion__sim_jobs_run(struct aion_sim *sim)
{
	struct aion__sim_job_entry *entry;
	bool are_done = false;

	while ((entry = sim->job_oldest) != NULL && entry->end_ns <= sim->now_ns) {
		struct aion__job *job = entry->job;
		struct aion__job **last = &sim->job_done;

		sim->job_oldest = entry->next;
		job->state = AION__JOB_RUNNING;
		aion__sim_trace(sim, AION__SIM_EVENT_JOB, 0, 0, (int64_t)entry->nr, 0);
		aion__sim_free(entry);
		job->result = job->run(job);
		job->state = AION__JOB_DONE;
		job->next = NULL;
		while (*last)
			last = &(*last)->next;
		*last = job;
		are_done = true;
	}
	return are_done;
}

unsigned aion__sim_job_reap(struct aion__ring *ring)
{
	struct aion_sim *sim = aion__sim_of(ring);
	struct aion__job *job = sim->job_done;
	unsigned nr = 0;

	sim->job_done = NULL;
	while (job) {
		struct aion__job *next = job->next;

		nr++;
		ring->stats.worker_nr++;
		job->done(ring, job);
		job = next;
	}
	return nr;
}
