/* SPDX-License-Identifier: MIT */
#ifndef AION_CHUNK_CHUNK_POOL_INT_H
#define AION_CHUNK_CHUNK_POOL_INT_H
/* What workers share (worker.c), and what one of them does with a place (place.c). */
#include <pthread.h>
#include <stdatomic.h>

#include "chunk_int.h"

#define AION__CHUNK_REACH ((size_t)64 << 10) /* bytes that are read behind a place at once, to find a record's end */

struct aion__chunk_pool;

/* An open source. */
struct aion__chunk_entry {
	struct aion__chunk_file file;
	int64_t next_off;  /* of the next place to be handed out */
	int64_t ended_off; /* where a read gave nothing; INT64_MAX: none has */
	unsigned user_nr;  /* workers that have a place of it */
	bool is_opening;
	bool is_open; /* it has users or places; the file does not change */
};

struct aion__chunk_worker {
	struct aion__chunk_pool *pool;
	struct aion__chunk_entry *entry;
	char *buf;
	size_t buf_size;
	/* Where it is; what it has begun it has not finished as long as it is busy. */
	bool is_busy;
	bool is_last; /* its place is the last that is handed out */
	size_t source_idx;
	int64_t off;
	unsigned idx;
	int64_t result; /* of the offloaded call */
};

struct aion__chunk_pool {
	struct aion__chunk_run *run;
	atomic_bool must_stop;
	pthread_mutex_t lock; /* the run's failure and next_idx, the entries, where workers are, and what follows */
	struct aion_chunk_progress seen; /* the counts */
	size_t next_source_idx;
	unsigned entry_nr;
	unsigned running_nr; /* the loop's own */
	struct aion_future done;
	uint8_t *is_left; /* by source: not for workers */
	struct aion__chunk_entry *entries;
	struct aion__chunk_worker workers[];
};

/* The run fails at this place; the others stop at their next one. */
void aion__chunk_worker_fail(struct aion__chunk_worker *worker, int64_t off, int64_t error, const char *what);
/* A read at this offset gave nothing. */
void aion__chunk_worker_ended(struct aion__chunk_worker *worker, int64_t end_off);
/* Reads the worker's place, in one span or, if there are gaps, several, and lets it be seen. 1: the file has ended in
 * it; 0; or an error, which has been told. */
int64_t aion__chunk_place_see(struct aion__chunk_worker *worker);

#endif
