/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "alloc_int.h"
#include "fault_int.h"
#include "mutant_int.h"
#include "op_group_int.h"
#include "op_int.h"

__thread struct aion__engine *aion__engine;

#define READY_NR_MIN 64     /* places of the ready queue at first */
#define REFUSED_NR_MAX 256  /* enters refused in a row before there are pauses between them */
#define PAUSE_MIN_NS 62500L /* ns: the first; each is twice the one before it ... */
#define PAUSE_DOUBLING_NR 6 /* ... so often: up to 4 ms */

int aion__ready_reserve(struct aion__ready *ready, size_t nr)
{
	size_t place_nr = ready->places ? (size_t)ready->mask + 1 : READY_NR_MIN;
	struct aion__runnable **places;

	if (ready->places && place_nr >= nr)
		return 0;
	while (place_nr < nr)
		place_nr *= 2;
	AION_ASSERT(place_nr <= UINT32_MAX / 2);
	places = aion__alloc(place_nr * sizeof(struct aion__runnable *));
	if (!places)
		return -ENOMEM;
	for (size_t i = 0; i < place_nr; i++)
		places[i] = ready->filler;
	for (uint64_t i = ready->head; i != ready->tail; i++)
		places[i & (place_nr - 1)] = ready->places[i & ready->mask];
	aion__free(ready->places);
	ready->places = places;
	ready->mask = place_nr - 1;
	return 0;
}

int aion__engine_init(struct aion__engine *engine, const struct aion__ring_options *options, char *error_text,
		      size_t error_size)
{
	int result;

	memset(engine, 0, sizeof(*engine));
	result = aion__ready_reserve(&engine->ready, READY_NR_MIN);
	if (result < 0) {
		snprintf(error_text, error_size, "no memory for the ready queue");
		return result;
	}
	result = aion__ring_init(&engine->ring, options, error_text, error_size);
	if (result < 0)
		aion__free(engine->ready.places);
	return result;
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
	aion__groups_close(engine);
	aion__ring_fini(&engine->ring);
	aion__op_free_jobs(engine);
	aion__free(engine->fd_ops);
	aion__free(engine->ready.places);
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
		if (aion__ring_is_full(&engine->ring))
			aion__engine_make_room(engine);
		aion__ring_arm_wake(&engine->ring);
		engine->wake_is_armed = true;
	}
	engine->ring.backend->reap_jobs(&engine->ring);
}

/* A mutant's: the answer to the cancel is taken for the end of what it cancels. */
static bool engine_end_at_cancel(struct aion__engine *engine, uint64_t user_data)
{
	struct aion_op *op = (struct aion_op *)(uintptr_t)(user_data - AION__UD_CANCEL_OF);

	if (!aion__is_mutant(AION__MUTANT_END_AT_CANCEL) || user_data % 8 != AION__UD_CANCEL_OF)
		return false;
	if (op->future.state == AION__OP_IN_FLIGHT)
		aion__op_finish(engine, op, -ECANCELED);
	return true;
}

/* All but the plainest completion. */
static void engine_complete_slow(struct aion__engine *engine, uint64_t user_data, int32_t result, uint32_t cqe_flags)
{
	if (user_data == AION__UD_CANCEL || engine_end_at_cancel(engine, user_data))
		return;
	if (user_data == AION__UD_WAKE)
		engine_wake(engine);
	else
		aion__op_complete(engine, (struct aion_op *)(uintptr_t)user_data, result, cqe_flags);
}

/* Of an operation whose handler sees all there is: a server's, nearly always. */
static inline bool engine_has_handler(uint64_t user_data)
{
	const struct aion_op *op = (const struct aion_op *)(uintptr_t)user_data;

	return !(user_data & 1) && (op->future.flags & (AION__OP_HANDLER | AION__OP_RETRY)) == AION__OP_HANDLER &&
	       !aion__fault_is_armed(AION__FAULT_CQE_RESULT);
}

/*
 * Take one, and those behind it that are a handler's, too. What follows may start operations, find the queue full, and
 * come back to reap: the entry's place is freed first.
 */
static void engine_take_slow(struct aion__engine *engine)
{
	struct io_uring_cq *cq = &engine->ring.uring.cq;
	bool has_handler;

	do {
		unsigned head = *cq->khead;
		const struct io_uring_cqe *cqe = &cq->cqes[head & cq->ring_mask];
		uint64_t user_data = cqe->user_data;
		uint32_t cqe_flags = cqe->flags;
		int32_t result = cqe->res;

		__atomic_store_n(cq->khead, head + 1, __ATOMIC_RELEASE);
		engine->ring.stats.complete_nr++;
		has_handler = engine_has_handler(user_data);
		if (aion__likely(has_handler)) {
			struct aion_op *op = (struct aion_op *)(uintptr_t)user_data;

			((aion__op_handler *)op->handler)(engine, op, result, cqe_flags);
		} else {
			engine_complete_slow(engine, user_data, result, cqe_flags);
		}
	} while (has_handler && aion__ring_cq_ready(&engine->ring));
}

/*
 * Take plain completions until there is none or another kind: nearly always all of them. Nothing is called, so all that
 * is not an entry, its operation or its task stays in registers.
 */
static inline __attribute__((always_inline)) void engine_take_plain(struct aion__engine *engine)
{
	struct io_uring_cq *cq = &engine->ring.uring.cq;
	const struct io_uring_cqe *cqes = cq->cqes;
	unsigned mask = cq->ring_mask;
	unsigned first = *cq->khead;
	unsigned nr = __atomic_load_n(cq->ktail, __ATOMIC_ACQUIRE) - first;
	struct aion__ready ready = engine->ready;
	unsigned i;

	for (i = 0; i < nr; i++)
		if (aion__unlikely(!aion__op_end_plain(&cqes[(first + i) & mask], &ready)))
			break;
	__atomic_store_n(cq->khead, first + i, __ATOMIC_RELEASE);
	engine->ready.tail = ready.tail;
	engine->in_flight_nr -= i;
	engine->ring.stats.complete_nr += i;
}

static __attribute__((noinline)) void engine_reap_slow(struct aion__engine *engine)
{
	do {
		engine_take_slow(engine);
		engine_take_plain(engine);
	} while (aion__ring_cq_ready(&engine->ring));
}

/* Inline behind the enter, for the same reason as that: see aion__ring_enter_once(). */
static inline __attribute__((always_inline)) void engine_reap(struct aion__engine *engine)
{
	engine_take_plain(engine);
	if (aion__unlikely(aion__ring_cq_ready(&engine->ring)))
		engine_reap_slow(engine);
}

void aion__engine_reap(struct aion__engine *engine)
{
	engine_reap(engine);
}

/*
 * An enter was refused, for a full completion queue or for want of memory, and what had completed has been reaped. That
 * cures it, as a rule. Where nothing moves the kernel needs time, and asking without pause keeps it from getting any.
 */
static __attribute__((noinline)) void engine_refused(struct aion__engine *engine, int error)
{
	const struct aion__ring_stats *stats = &engine->ring.stats;
	uint64_t count = stats->enter_nr + stats->submit_nr + stats->complete_nr;
	struct timespec pause = {0};
	unsigned pause_nr;

	/* In a row: nothing but this enter since the last refusal. */
	if (count != engine->refused_count + 1)
		engine->refused_nr = 0;
	engine->refused_count = count;
	if (++engine->refused_nr < REFUSED_NR_MAX)
		return;
	pause_nr = engine->refused_nr - REFUSED_NR_MAX;
	if (pause_nr == 0)
		aion__diag("io_uring_enter: %s, %u times in a row; the loop goes on trying, with pauses",
			   error == -EBUSY ? "EBUSY (the completion queue is full)"
					   : "EAGAIN (the kernel lacks memory)",
			   REFUSED_NR_MAX);
	pause.tv_nsec = PAUSE_MIN_NS << (pause_nr < PAUSE_DOUBLING_NR ? pause_nr : PAUSE_DOUBLING_NR);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

void aion__engine_enter(struct aion__engine *engine, unsigned wait_nr, int64_t deadline_ns)
{
	int result = aion__ring_enter(&engine->ring, wait_nr, deadline_ns);

	if (aion__unlikely(result < 0)) {
		aion__engine_reap(engine);
		engine_refused(engine, result);
		return;
	}
	engine_reap(engine);
}

/*
 * Reaped operations may want an entry themselves and come back here. They reap again only if the completions are what
 * the kernel complains of, or thousands of them would nest on a task's stack.
 */
void aion__engine_make_room(struct aion__engine *engine)
{
	int result;

	engine->room_depth++;
	do {
		result = aion__ring_enter(&engine->ring, 0, AION_NEVER);
		if (result == -EBUSY || (result < 0 && engine->room_depth == 1))
			aion__engine_reap(engine);
		if (result < 0)
			engine_refused(engine, result);
	} while (aion__ring_is_full(&engine->ring));
	engine->room_depth--;
}

void aion__engine_cancel_all(struct aion__engine *engine)
{
	struct io_uring_sqe *sqe;

	if (!engine->in_flight_nr)
		return;
	sqe = aion__engine_sqe(engine);
	io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY);
	sqe->user_data = AION__UD_CANCEL;
}
