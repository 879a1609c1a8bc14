/* SPDX-License-Identifier: MIT */
/* The life of an operation: started, perhaps tried again, perhaps asked to end, finished by its own last completion. */
#include "op_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "alloc_int.h"
#include "exec_int.h"
#include "fault_int.h"
#include "mutant_int.h"
#include "op_file_int.h"
#include "worker_int.h"

#define RETRY_MAX 1000 /* tries of an operation that says -EAGAIN on a blocking descriptor, before it is believed */
/* The kernel's own numbers for "call again after the signal", which some requests (splice) let out when a cancel has
 * interrupted them. A system call would say -EINTR. */
#define RESTART_FIRST (-512)
#define RESTART_LAST (-516)
#define FD_NR_MIN 64 /* descriptors that the list has room for at first */

/* An operation that a worker thread executes: the entry, which has no place in the ring. */
struct aion__op_job {
	struct aion__job job;
	struct io_uring_sqe sqe;
	struct aion__ring *ring;
	struct aion_op *op;
	struct aion__op_job *free_next;
};

/* The bits of sockets lie behind the lists. */
static int fd_table_grow(struct aion__engine *engine, unsigned fd)
{
	unsigned fd_nr = engine->fd_nr ? engine->fd_nr : FD_NR_MIN;
	struct aion_op **fd_ops;

	while (fd_nr <= fd)
		fd_nr *= 2;
	fd_ops = aion__alloc_zeroed(fd_nr * sizeof(struct aion_op *) + fd_nr / 8);
	if (!fd_ops)
		return -ENOMEM;
	for (unsigned i = 0; i < engine->fd_nr; i++) {
		fd_ops[i] = engine->fd_ops[i];
		if (fd_ops[i])
			fd_ops[i]->fd_pprev = &fd_ops[i];
	}
	if (engine->fd_nr)
		memcpy(fd_ops + fd_nr, engine->fd_sockets, engine->fd_nr / 8);
	aion__free(engine->fd_ops);
	engine->fd_ops = fd_ops;
	engine->fd_sockets = (uint64_t *)(fd_ops + fd_nr);
	engine->fd_nr = fd_nr;
	return 0;
}

/* A number that is not open may be any. */
static bool fd_is_open(struct aion__engine *engine, int fd)
{
	return aion__ring_call_fd(&engine->ring, AION__CALL_GETFL, fd) >= 0;
}

int aion__op_link_slow(struct aion__engine *engine, struct aion_op *op)
{
	int fd = op->future.fd;

	if (!fd_is_open(engine, fd))
		return 0; /* the kernel will say so */
	if (fd_table_grow(engine, (unsigned)fd) < 0)
		return -ENOMEM;
	return aion__op_link(engine, op);
}

void aion__op_note_socket(struct aion__engine *engine, int fd)
{
	if ((unsigned)fd >= engine->fd_nr && (!fd_is_open(engine, fd) || fd_table_grow(engine, (unsigned)fd) < 0))
		return;
	engine->fd_sockets[fd / 64] |= UINT64_C(1) << fd % 64;
}

void aion__op_finish(struct aion__engine *engine, struct aion_op *op, int64_t result)
{
	unsigned flags = op->future.flags;
	int fd = op->future.fd;

	AION_ASSERT(op->future.state == AION__OP_IN_FLIGHT);
	if (result <= RESTART_FIRST && result >= RESTART_LAST)
		result = -EINTR;
	if (aion__is_mutant(AION__MUTANT_LOSE_BYTES) && flags & AION__OP_CANCEL_SENT && flags & AION__OP_FILLS &&
	    result > 0 && result < op->len)
		result = -ECANCELED;
	if (flags & AION__OP_CANCEL_SENT && (result == -EINTR || result == -ECANCELED))
		result = flags & AION__OP_CLOSED ? -EBADF : -ECANCELED;
	if (flags & AION__OP_LINKED)
		aion__op_unlink(op);
#if defined(AION__ASAN) || defined(AION_VALGRIND)
	aion__op_give_back(op, result);
#endif
	engine->in_flight_nr--;
	if (aion__unlikely(engine->watch) && !op->future.waiters && op->task)
		engine->watch->op_ended(engine, op, result);
	aion__op_end(engine, op, result);
	if (aion__unlikely(flags & AION__OP_CLOSED))
		aion__op_close_go_on(engine, fd, result);
}

static bool fd_is_plain_file(struct aion__engine *engine, int fd)
{
	struct statx status = {0};
	struct io_uring_sqe sqe;

	io_uring_prep_statx(&sqe, fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &status);
	return engine->ring.backend->call(&engine->ring, &sqe) == 0 && S_ISREG(status.stx_mode);
}

/* A blocking descriptor does not say -EAGAIN, nor does a plain file: XFS and block devices do, for want of a resource.
 */
static bool op_lacked_resource(struct aion__engine *engine, const struct aion_op *op)
{
	int64_t flags;

	if (op->rw_flags & RWF_NOWAIT)
		return false;
	flags = aion__ring_call_fd(&engine->ring, AION__CALL_GETFL, op->future.fd);
	if (flags < 0 || !(flags & O_NONBLOCK))
		return flags >= 0;
	return fd_is_plain_file(engine, op->future.fd);
}

static void op_retry(struct aion__engine *engine, struct aion_op *op)
{
	struct io_uring_sqe *sqe = aion__engine_sqe(engine);

	io_uring_prep_rw(op->opcode, sqe, op->future.fd, (void *)(uintptr_t)op->addr, op->len, op->off);
	sqe->rw_flags = (int)op->rw_flags;
	sqe->buf_index = op->buf_index;
	sqe->flags = op->sqe_flags | IOSQE_ASYNC; /* from a worker of the kernel's, which can wait */
	sqe->user_data = (uintptr_t)op;
}

/* Zero-copy: the result now, the end when the kernel lets go of the buffer, which may take long. Meanwhile it holds the
 * buffer alone: a close of the descriptor does not wait for that. */
static void op_await_notif(struct aion__engine *engine, struct aion_op *op, int32_t result)
{
	op->future.result = result;
	if (!(op->future.flags & AION__OP_LINKED))
		return;
	aion__op_unlink(op);
	if (op->future.flags & AION__OP_CLOSED)
		aion__op_close_go_on(engine, op->future.fd, result);
}

void aion__op_complete(struct aion__engine *engine, struct aion_op *op, int32_t result, uint32_t cqe_flags)
{
	int fault = aion__fault_hit(AION__FAULT_CQE_RESULT);

	if (fault)
		result = fault;
	if (result == -EAGAIN && op->future.flags & AION__OP_RETRY && !aion__is_mutant(AION__MUTANT_BELIEVE_EAGAIN) &&
	    op_lacked_resource(engine, op)) {
		if (!(op->future.flags & AION__OP_CANCEL_SENT) && ++op->retry_nr <= RETRY_MAX) {
			op_retry(engine, op);
			return;
		}
		if (op->future.flags & AION__OP_CANCEL_SENT)
			result = -ECANCELED;
	}
	if (op->future.flags & AION__OP_HANDLER) {
		((aion__op_handler *)op->handler)(engine, op, result, cqe_flags);
	} else if (cqe_flags & IORING_CQE_F_MORE) {
		op_await_notif(engine, op, result);
	} else if (cqe_flags & IORING_CQE_F_NOTIF) {
		aion__op_finish(engine, op, op->future.result);
	} else {
		aion__op_finish(engine, op, result);
	}
}

static int64_t job_run(struct aion__job *job)
{
	const struct aion__op_job *op_job = aion__container_of(job, struct aion__op_job, job);

	return op_job->ring->backend->exec(op_job->ring, &op_job->sqe);
}

static void op_job_put(struct aion__engine *engine, struct aion__op_job *op_job)
{
	op_job->op->future.flags &= (uint16_t)~AION__OP_JOB;
	op_job->free_next = engine->job_free;
	engine->job_free = op_job;
}

static void job_done(struct aion__ring *ring, struct aion__job *job)
{
	struct aion__engine *engine = aion__container_of(ring, struct aion__engine, ring);
	struct aion__op_job *op_job = aion__container_of(job, struct aion__op_job, job);
	struct aion_op *op = op_job->op;

	op_job_put(engine, op_job);
	aion__op_complete(engine, op, (int32_t)job->result, 0);
}

void aion__op_free_jobs(struct aion__engine *engine)
{
	while (engine->job_free) {
		struct aion__op_job *op_job = engine->job_free;

		engine->job_free = op_job->free_next;
		aion__free(op_job);
	}
}

static struct aion__op_job *op_job_get(struct aion__engine *engine)
{
	struct aion__op_job *op_job = engine->job_free;

	if (op_job)
		engine->job_free = op_job->free_next;
	else
		op_job = aion__alloc(sizeof(*op_job));
	if (op_job)
		memset(op_job, 0, sizeof(*op_job));
	return op_job;
}

void aion__op_done_at_once(struct aion_op *op, int64_t result)
{
	op->future.result = result;
	op->future.waiters = AION__WAITERS_DONE;
	op->future.loop = (struct aion_loop *)aion__engine;
	op->future.kind = AION__FUTURE_OP;
	op->future.state = AION__OP_DONE;
	op->future.flags = 0;
	op->future.fd = -1;
}

static struct io_uring_sqe *op_refuse(struct aion_op *op, int error)
{
	aion__op_done_at_once(op, error);
	return NULL;
}

struct io_uring_sqe *aion__op_prepare_slow(struct aion_op *op, unsigned opcode, int fd, unsigned flags)
{
	struct aion__engine *engine = aion__engine;
	struct aion__op_job *op_job;

	if (!engine)
		return op_refuse(op, -EBUSY);
	if (!aion__ring_is_alive(&engine->ring))
		return op_refuse(op, -ECHILD);
	if (!aion__exec_has(opcode))
		return op_refuse(op, -EOPNOTSUPP);
	op_job = op_job_get(engine);
	if (!op_job)
		return op_refuse(op, -ENOMEM);
	op_job->op = op;
	op_job->ring = &engine->ring;
	op_job->job.run = job_run;
	op_job->job.done = job_done;
	aion__op_reset(engine, op, fd, flags | AION__OP_JOB);
	op->opcode = (uint8_t)opcode;
	op->job = op_job;
	if (fd >= 0 && aion__op_link(engine, op) < 0) {
		op_job_put(engine, op_job);
		op->future.flags = 0; /* nothing has been lent */
		aion__op_finish(engine, op, -ENOMEM);
		return NULL;
	}
	return &op_job->sqe;
}

void aion__op_commit_job(struct aion_op *op)
{
	struct aion__engine *engine = (struct aion__engine *)op->future.loop;
	struct aion__op_job *op_job = op->job;
	int result = engine->ring.backend->submit_job(&engine->ring, &op_job->job);

	if (result < 0) {
		op_job->job.result = result;
		job_done(&engine->ring, &op_job->job);
	}
}

void aion_op_cancel(struct aion_op *op)
{
	struct aion__engine *engine = aion__engine;
	struct io_uring_sqe *sqe;

	if (op->future.state != AION__OP_IN_FLIGHT)
		return;
	AION_BUG_ON((struct aion__engine *)op->future.loop != engine,
		    "operation cancelled on another thread than its loop's");
	if (op->future.flags & AION__OP_CANCEL_SENT || !aion__ring_is_alive(&engine->ring))
		return;
	AION__PROBE3(cancel, op, op->opcode, op->future.fd);
	op->future.flags |= AION__OP_CANCEL_SENT;
	if (op->future.flags & AION__OP_PARKED) {
		op->future.flags &= (uint16_t)~AION__OP_PARKED;
		engine->in_flight_nr++;
		((aion__op_handler *)op->handler)(engine, op, -ECANCELED, 0);
		return;
	}
	if (op->future.flags & AION__OP_JOB) {
		struct aion__op_job *op_job = op->job;

		if (engine->ring.backend->withdraw_job(&engine->ring, &op_job->job)) {
			op_job->job.result = -ECANCELED;
			job_done(&engine->ring, &op_job->job);
		}
		return;
	}
	if (aion__is_mutant(AION__MUTANT_DROP_CANCEL) && aion__ring_is_full(&engine->ring))
		return;
	sqe = aion__engine_sqe(engine);
	/* The queue may have been full, and the operation may have ended while it was emptied: a cancel for what is not
	 * there would hit whatever is started at the same address next. */
	if (op->future.state != AION__OP_IN_FLIGHT)
		io_uring_prep_nop(sqe);
	else
		io_uring_prep_cancel64(sqe, (uintptr_t)op, 0);
	sqe->user_data = AION__UD_CANCEL;
	if (aion__is_mutant(AION__MUTANT_END_AT_CANCEL) && sqe->opcode == IORING_OP_ASYNC_CANCEL)
		sqe->user_data = (uintptr_t)op | AION__UD_CANCEL_OF;
}

void aion__op_park(struct aion_op *op, int fd, aion__op_handler *handler)
{
	struct aion__engine *engine = aion__engine;

	AION_ASSERT(op->future.state != AION__OP_IN_FLIGHT);
	aion__op_reset(engine, op, fd, AION__OP_HANDLER | AION__OP_PARKED);
	aion__op_disown(op);
	engine->in_flight_nr--; /* nothing comes that the loop could wait for */
	op->opcode = IORING_OP_NOP;
	op->handler = handler;
	/* Without memory for the list it does not hear of it. */
	if (fd >= 0)
		aion__op_link(engine, op);
}

void aion__op_unpark(struct aion_op *op)
{
	if (op->future.state != AION__OP_IN_FLIGHT || !(op->future.flags & AION__OP_PARKED))
		return;
	if (op->future.flags & AION__OP_LINKED)
		aion__op_unlink(op);
	op->future.state = AION__OP_IDLE;
	op->future.flags = 0;
}

bool aion_op_is_in_flight(const struct aion_op *op)
{
	return op->future.state == AION__OP_IN_FLIGHT;
}

void aion_op_nop(struct aion_op *op)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_NOP, -1, 0);

	if (!sqe)
		return;
	io_uring_prep_nop(sqe);
	aion__op_commit(op, sqe);
}
