/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "alloc_int.h"
#include "fault_int.h"
#include "op_int.h"
#include "worker_int.h"

__thread struct aion__engine *aion__engine;

int aion__engine_init(struct aion__engine *engine, const struct aion__ring_options *options, char *error_text,
		      size_t error_size)
{
	memset(engine, 0, sizeof(*engine));
	engine->ready_tail = &engine->ready_head;
	return aion__ring_init(&engine->ring, options, error_text, error_size);
}

/* The kernel still holds the read of the wake's eventfd: let it end before its memory goes. */
static void engine_end_wake(struct aion__engine *engine)
{
	engine->is_ending = true;
	aion__ring_wake(&engine->ring);
	while (engine->wake_is_armed)
		aion__engine_enter(engine, 1, AION_NEVER);
}

void aion__engine_fini(struct aion__engine *engine)
{
	if (aion__ring_is_alive(&engine->ring)) {
		AION_BUG_ON(engine->in_flight_nr, "loop ends with %zu operations in flight", engine->in_flight_nr);
		if (engine->wake_is_armed)
			engine_end_wake(engine);
	}
	aion__ring_fini(&engine->ring);
	aion__op_free_jobs(engine);
	aion__free(engine->fd_ops);
	memset(engine, 0, sizeof(*engine));
}

int aion__engine_bind(struct aion__engine *engine)
{
	int result = aion__ring_bind(&engine->ring);

	if (result < 0)
		return result;
	aion__ring_arm_wake(&engine->ring);
	engine->wake_is_armed = true;
	return 0;
}

static void engine_wake(struct aion__engine *engine)
{
	engine->wake_is_armed = false;
	if (!engine->is_ending) {
		aion__ring_arm_wake(&engine->ring);
		engine->wake_is_armed = true;
	}
	if (engine->ring.workers)
		aion__workers_reap(&engine->ring);
}

/* All but the plainest completion. */
static void engine_complete_slow(struct aion__engine *engine, uint64_t user_data, int32_t result, uint32_t cqe_flags)
{
	if (user_data == AION__UD_CANCEL)
		return;
	if (user_data == AION__UD_WAKE)
		engine_wake(engine);
	else
		aion__op_complete(engine, (struct aion_op *)(uintptr_t)user_data, result, cqe_flags);
}

unsigned aion__engine_reap(struct aion__engine *engine)
{
	struct io_uring_cq *cq = &engine->ring.uring.cq;
	unsigned head = *cq->khead;
	unsigned tail = __atomic_load_n(cq->ktail, __ATOMIC_ACQUIRE);
	unsigned reaped = 0;

	while (head != tail) {
		const struct io_uring_cqe *cqe = &cq->cqes[head & cq->ring_mask];
		struct aion_op *op = (struct aion_op *)(uintptr_t)cqe->user_data;

		head++;
		reaped++;
		if (aion__likely(!(cqe->user_data & 1) && !(op->future.flags | cqe->flags) && !AION__FAULTS_ON)) {
			aion__op_end(engine, op, cqe->res);
			continue;
		}
		/* What follows may start operations, find the queue full, and come back here: free the place first. */
		uint64_t user_data = cqe->user_data;
		int32_t result = cqe->res;
		uint32_t flags = cqe->flags;

		__atomic_store_n(cq->khead, head, __ATOMIC_RELEASE);
		engine_complete_slow(engine, user_data, result, flags);
		head = *cq->khead;
		tail = __atomic_load_n(cq->ktail, __ATOMIC_ACQUIRE);
	}
	__atomic_store_n(cq->khead, head, __ATOMIC_RELEASE);
	engine->ring.stats.complete_nr += reaped;
	return reaped;
}

void aion__engine_enter(struct aion__engine *engine, unsigned wait_nr, int64_t deadline_ns)
{
	/* Refused for a full completion queue or for want of memory: what has completed makes room. */
	while (aion__ring_enter(&engine->ring, wait_nr, deadline_ns) < 0)
		if (aion__engine_reap(engine))
			wait_nr = 0;
	aion__engine_reap(engine);
}

struct io_uring_sqe *aion__engine_sqe_slow(struct aion__engine *engine)
{
	struct io_uring_sqe *sqe;

	do {
		if (aion__ring_enter(&engine->ring, 0, AION_NEVER) < 0)
			aion__engine_reap(engine);
		sqe = aion__ring_sqe(&engine->ring);
	} while (!sqe);
	return sqe;
}
