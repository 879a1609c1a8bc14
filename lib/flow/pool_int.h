/* SPDX-License-Identifier: MIT */
#ifndef AION_FLOW_POOL_INT_H
#define AION_FLOW_POOL_INT_H
/*
 * The inside of a worker pool: the jobs, in one of three places. Queued, they lie in the queue, or are with a worker
 * that has not run since; delayed, in a heap by the time of their next attempt; running, in a list.
 */
#include <aion/event.h>
#include <aion/queue.h>
#include <aion/semaphore.h>
#include <aion/worker_pool.h>

#include "heap_int.h"

enum aion__pool_state {
	AION__POOL_QUEUED,
	AION__POOL_RUNNING,
	AION__POOL_DELAYED,
	AION__POOL_VOID, /* has ended while queued; its record goes when it comes out of the queue */
};

struct aion__pool_record {
	struct aion__pool *pool;
	aion_fn *fn;
	void *arg;
	struct aion_job *job; /* NULL: nobody asked for its result */
	struct aion_job_options options;
	struct aion_scope *scope;  /* of the attempt under way; NULL after it */
	struct aion__link running; /* of a free record, or of one that is put back: next is the next one's */
	uintptr_t place;           /* in the heap of those delayed */
	unsigned attempt_nr;
	uint8_t state;
	bool has_room; /* one of the queue's places is its */
	bool is_cancelled;
};

struct aion__pool_slab;

struct aion__pool {
	struct aion_worker_pool_stats *stats;
	struct aion_queue queue;     /* by priority, without bound */
	struct aion_semaphore rooms; /* of a bounded pool: places that are free */
	struct aion_event idle;      /* pending_nr is 0 */
	size_t pending_nr;           /* jobs that have not ended, and tasks that wait to submit one */
	size_t void_nr;              /* records in the queue whose job has ended */
	struct aion__link running;
	struct aion__heap delayed;
	struct aion_timer timer;    /* the earliest delayed one's */
	struct aion_handle delayer; /* the task that puts them back */
	struct aion__link *free;
	struct aion__pool_slab *slabs;
	int64_t first_error; /* of a job without a handle */
	bool is_bounded;
	bool is_closed;  /* takes no more jobs */
	bool is_stopped; /* begins no more of them */
};

/* Something that has to end before the pool is idle. */
void aion__pool_hold(struct aion__pool *pool);
void aion__pool_let_go(struct aion__pool *pool);

/* Records: -ENOMEM shows as NULL. */
struct aion__pool_record *aion__pool_record_take(struct aion__pool *pool);
void aion__pool_record_put(struct aion__pool_record *record);
void aion__pool_records_free(struct aion__pool *pool);

/* A record that has come out of the queue: an attempt, unless it is void or the pool has stopped. */
AION_SUSPENDS void aion__pool_run(struct aion__pool_record *record);
/* Cancel the job, wherever it is. */
void aion__pool_cancel(struct aion__pool_record *record);
/* End all that are not running with -ESHUTDOWN, and cancel those that are. */
void aion__pool_stop(struct aion__pool *pool);

/* Keep it until its next attempt. -ENOMEM. */
int aion__pool_delay(struct aion__pool_record *record, int64_t delay_ns);
/* Take it out again. */
void aion__pool_undelay(struct aion__pool_record *record);
/* Into the queue; if that has no memory it ends so. */
void aion__pool_requeue(struct aion__pool_record *record);
/* The delayer's body; arg is the pool. */
AION_SUSPENDS int64_t aion__pool_delayer(void *arg);

#endif
