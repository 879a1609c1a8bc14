/* SPDX-License-Identifier: MIT */
#ifndef AION_RING_WORKER_INT_H
#define AION_RING_WORKER_INT_H
/*
 * Worker threads: they execute what io_uring lacks, and whatever blocks (aion_offload). Bounded; started when a job
 * finds none idle; joined with the ring. Finished jobs come back to the loop's thread in the order in which they ended,
 * announced by aion__ring_wake(). Slow jobs hold at most half the threads (at least one thread stays for the others,
 * where there are two or more; with one thread slow and fast share it).
 */
#include "ring_int.h"

enum aion__job_state {
	AION__JOB_QUEUED,
	AION__JOB_RUNNING,
	AION__JOB_DONE,
	AION__JOB_WITHDRAWN,
};

struct aion__job {
	struct aion__job *next;
	struct aion__job **pprev;              /* while queued */
	int64_t (*run)(struct aion__job *job); /* on a worker thread */
	void (*done)(struct aion__ring *ring,
		     struct aion__job *job); /* on the loop's thread; the job is the owner's again */
	int64_t result;
	uint8_t state;
	bool is_slow;
};

/* 0, or -EAGAIN (no thread could be started and none exists), -ENOMEM. Loop's thread. */
int aion__workers_submit(struct aion__ring *ring, struct aion__job *job);
/* Take a job back that no thread has begun: true, and `done` will not be called. Loop's thread. */
bool aion__workers_withdraw(struct aion__ring *ring, struct aion__job *job);
/* Call `done` of every finished job. Returns how many. Loop's thread. */
unsigned aion__workers_reap(struct aion__ring *ring);
/* Wait for running jobs, join the threads, free. Queued jobs must have been withdrawn or be done. */
void aion__workers_fini(struct aion__ring *ring);
/* In a forked child: the threads are not there; only the memory goes. */
void aion__workers_forget(struct aion__ring *ring);

#endif
