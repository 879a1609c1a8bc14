/* SPDX-License-Identifier: MIT */
/* The sends of an outlet: one in flight at a time, and what its completion means. */
#include <errno.h>
#include <poll.h>

#include "op_outlet_int.h"

#define ZC_REPORT_USAGE (1U << 3)     /* IORING_SEND_ZC_REPORT_USAGE, Linux 6.2 */
#define NOTIF_USAGE_COPIED (1U << 31) /* IORING_NOTIF_USAGE_ZC_COPIED: what the notification says then */
#define SEND_FLAGS (MSG_NOSIGNAL | MSG_WAITALL)

static aion__op_handler outlet_sent;

void aion_outlet_open(struct aion_outlet *outlet, int fd)
{
	AION_BUG_ON(outlet->flags & AION__OUTLET_OPEN, "outlet opened while open");
	*outlet = (struct aion_outlet){
		.tail = &outlet->first,
		.fd = fd,
		.high_size = AION_OUTLET_HIGH_SIZE,
		.low_size = AION_OUTLET_LOW_SIZE,
		.zero_copy_size = AION_OUTLET_ZERO_COPY_SIZE,
		.flags = AION__OUTLET_OPEN,
	};
}

void aion_outlet_set_zero_copy(struct aion_outlet *outlet, size_t size)
{
	outlet->zero_copy_size = size;
}

size_t aion_outlet_queued(const struct aion_outlet *outlet)
{
	return outlet->queued_size;
}

int aion_outlet_error(const struct aion_outlet *outlet)
{
	return outlet->flags & AION__OUTLET_OPEN ? outlet->error : -EBADF;
}

/* ---- an entry */

static bool wants_zero_copy(const struct aion_outlet *outlet, const struct aion_loan *loan)
{
	return loan->kind <= AION__LOAN_GIVEN && !(loan->flags & AION__LOAN_COPIED) && !loan->iov_nr &&
	       loan->part.iov_len >= outlet->zero_copy_size;
}

static bool may_join(const struct aion_outlet *outlet, const struct aion_loan *loan)
{
	return loan->kind != AION__LOAN_SHUT && !wants_zero_copy(outlet, loan);
}

/* The vectors of one loan. Returns how many are in the batch then. */
static unsigned batch_add(struct aion__outlet_batch *batch, unsigned nr, struct aion_loan *loan)
{
	loan->flags |= AION__LOAN_FLYING;
	batch->iov[nr++] = loan->part;
	for (unsigned i = 0; i < loan->iov_nr && nr < AION__BATCH_IOV_NR; i++)
		if (loan->iov[i].iov_len)
			batch->iov[nr++] = loan->iov[i];
	return nr;
}

/* As much as fits of what stands in the queue. NULL: there is only one piece, or no memory for more. */
static struct aion__outlet_batch *outlet_gather(struct aion_outlet *outlet)
{
	struct aion_loan *loan = outlet->first;
	unsigned nr = 0;

	if (!loan->iov_nr && (!loan->next || !may_join(outlet, loan->next)))
		return NULL;
	if (!outlet->batch)
		outlet->batch = aion__alloc(sizeof(*outlet->batch));
	if (!outlet->batch)
		return NULL;
	do {
		nr = batch_add(outlet->batch, nr, loan);
		loan = loan->next;
	} while (loan && nr < AION__BATCH_IOV_NR && may_join(outlet, loan));
	outlet->batch->message = (struct msghdr){.msg_iov = outlet->batch->iov, .msg_iovlen = nr};
	return outlet->batch;
}

static void outlet_prep_send(struct aion_outlet *outlet, struct io_uring_sqe *sqe)
{
	struct aion_loan *first = outlet->first;
	struct aion__outlet_batch *batch = outlet_gather(outlet);

	if (batch)
		io_uring_prep_sendmsg(sqe, outlet->fd, &batch->message, SEND_FLAGS);
	else
		io_uring_prep_send(sqe, outlet->fd, first->part.iov_base, aion__op_size(first->part.iov_len),
				   SEND_FLAGS);
	outlet->flags |= AION__OUTLET_GROWS;
}

static void outlet_prep(struct aion_outlet *outlet, struct io_uring_sqe *sqe, unsigned opcode)
{
	struct aion_loan *first = outlet->first;

	first->flags |= AION__LOAN_FLYING;
	switch (opcode) {
	case IORING_OP_POLL_ADD:
		io_uring_prep_poll_add(sqe, outlet->fd, POLLOUT);
		break;
	case IORING_OP_SHUTDOWN:
		io_uring_prep_shutdown(sqe, outlet->fd, SHUT_WR);
		break;
	case IORING_OP_SEND_ZC:
		io_uring_prep_send_zc(sqe, outlet->fd, first->part.iov_base, aion__op_size(first->part.iov_len),
				      SEND_FLAGS, ZC_REPORT_USAGE);
		break;
	default:
		outlet_prep_send(outlet, sqe);
		break;
	}
}

static unsigned outlet_opcode(const struct aion_outlet *outlet)
{
	/* The end of the stream needs no room; and where it is first, its operation's end is its own. */
	if (outlet->first->kind == AION__LOAN_SHUT)
		return IORING_OP_SHUTDOWN;
	if (outlet->flags & AION__OUTLET_FULL)
		return IORING_OP_POLL_ADD;
	if (wants_zero_copy(outlet, outlet->first) && aion__ring_has_op(&aion__engine->ring, IORING_OP_SEND_ZC))
		return IORING_OP_SEND_ZC;
	return IORING_OP_SEND;
}

/* Something is queued, nothing in flight. 0, or why it cannot be started. */
static int outlet_start(struct aion_outlet *outlet)
{
	unsigned opcode = outlet_opcode(outlet);
	struct aion_op *op = &outlet->first->op;
	struct io_uring_sqe *sqe = aion__op_prepare(op, opcode, outlet->fd, AION__OP_HANDLER);

	if (!sqe)
		return (int)op->future.result;
	/* Whoever queued it may end before it does. */
	aion__op_disown(op);
	op->handler = outlet_sent;
	outlet->flags &= (uint8_t) ~(AION__OUTLET_GROWS | AION__OUTLET_FULL);
	outlet->flags |= AION__OUTLET_FLYING;
	outlet->sqe_at = aion__engine->ring.uring.sq.sqe_tail - 1;
	outlet_prep(outlet, sqe, opcode);
	op->opcode = sqe->opcode;
	if (op->future.flags & AION__OP_JOB)
		outlet->flags &= (uint8_t)~AION__OUTLET_GROWS;
	aion__op_commit(op, sqe);
	return 0;
}

/* The entry of the send in flight, if the kernel has not taken it. Its place may be another one's by now. */
static struct io_uring_sqe *outlet_unsent(struct aion_outlet *outlet)
{
	const struct aion__ring *ring = &aion__engine->ring;
	const struct io_uring_sq *sq = &ring->uring.sq;
	struct io_uring_sqe *sqe = &sq->sqes[outlet->sqe_at & sq->ring_mask];

	if (sq->sqe_tail - outlet->sqe_at <= aion__ring_queued(ring) && sqe->user_data == (uintptr_t)&outlet->first->op)
		return sqe;
	outlet->flags &= (uint8_t)~AION__OUTLET_GROWS;
	return NULL;
}

void aion__outlet_pushed(struct aion_outlet *outlet)
{
	struct aion_loan *ended = NULL;
	struct aion_op *op = &outlet->first->op;
	struct io_uring_sqe *sqe;

	if (!(outlet->flags & AION__OUTLET_FLYING)) {
		aion__outlet_go_on(outlet, &ended);
		aion__loans_end(ended);
		return;
	}
	if (!(outlet->flags & AION__OUTLET_GROWS))
		return;
	sqe = outlet_unsent(outlet);
	if (!sqe)
		return;
	outlet_prep_send(outlet, sqe);
	op->opcode = sqe->opcode;
	op->addr = sqe->addr;
	op->len = sqe->len;
}

/* ---- an end */

/* The list is newest first; who waits is woken in the order of the stream. */
static struct aion_loan *loans_reverse(struct aion_loan *loans)
{
	struct aion_loan *reversed = NULL;

	while (loans) {
		struct aion_loan *loan = loans;

		loans = loan->next;
		loan->next = reversed;
		reversed = loan;
	}
	return reversed;
}

void aion__loans_end(struct aion_loan *ended)
{
	ended = loans_reverse(ended);
	while (ended) {
		struct aion_loan *loan = ended;

		ended = loan->next;
		if (loan->kind == AION__LOAN_LENT) {
			aion__future_finish(aion__engine, &loan->future, loan->result);
			continue;
		}
		if (loan->kind == AION__LOAN_GIVEN)
			loan->release(loan->arg);
		aion__free(loan);
	}
}

static void loan_unlink(struct aion_outlet *outlet, struct aion_loan *loan)
{
	*loan->pprev = loan->next;
	if (loan->next)
		loan->next->pprev = loan->pprev;
	else if (outlet && outlet->tail == &loan->next)
		outlet->tail = loan->pprev;
	loan->pprev = NULL;
}

static void loan_end(struct aion_loan *loan, struct aion_loan **ended)
{
	loan->next = *ended;
	*ended = loan;
}

void aion__loan_take(struct aion_outlet *outlet, struct aion_loan *loan, int result, struct aion_loan **ended)
{
	loan_unlink(outlet, loan);
	loan->result = result;
	outlet->queued_size -= loan->left_size;
	loan->flags &= (uint8_t) ~(AION__LOAN_QUEUED | AION__LOAN_FLYING);
	if (!(loan->flags & AION__LOAN_HELD)) {
		loan_end(loan, ended);
		return;
	}
	loan->next = outlet->held;
	loan->pprev = &outlet->held;
	if (loan->next)
		loan->next->pprev = &loan->next;
	outlet->held = loan;
}

void aion__outlet_fail(struct aion_outlet *outlet, int error, struct aion_loan **ended)
{
	if (!outlet->error)
		outlet->error = error;
	if (!(outlet->flags & AION__OUTLET_FLYING))
		while (outlet->first)
			aion__loan_take(outlet, outlet->first, outlet->error, ended);
}

/* The kernel holds what was sent without copying as long as it likes; the outlet's memory goes. */
static void outlet_leave_held(struct aion_outlet *outlet)
{
	while (outlet->held) {
		struct aion_loan *loan = outlet->held;

		loan_unlink(NULL, loan);
		loan->outlet = NULL;
	}
}

static void outlet_closed(struct aion_outlet *outlet)
{
	struct aion_outlet_wait *closing = outlet->closing;

	outlet_leave_held(outlet);
	outlet->closing = NULL;
	for (; closing; closing = closing->next)
		aion__future_finish(aion__engine, &closing->future, 0);
}

void aion__outlet_go_on(struct aion_outlet *outlet, struct aion_loan **ended)
{
	if (outlet->error)
		aion__outlet_fail(outlet, outlet->error, ended);
	aion__outlet_serve(outlet);
	if (outlet->flags & AION__OUTLET_FLYING)
		return;
	/* One that was cut off while it was being sent without copying goes on when its operation is over. */
	if (outlet->first && !(outlet->first->flags & AION__LOAN_HELD)) {
		int error = outlet_start(outlet);

		if (error) {
			aion__outlet_fail(outlet, error, ended);
			aion__outlet_serve(outlet);
		}
	}
	if (!outlet->first && outlet->batch) {
		aion__free(outlet->batch);
		outlet->batch = NULL;
	}
	if (outlet->closing)
		outlet_closed(outlet);
}

/* So many bytes of it, at most what is left, are sent. */
static size_t loan_advance(struct aion_loan *loan, size_t size)
{
	size_t left = size;

	while (left && loan->left_size) {
		size_t part = loan->part.iov_len < left ? loan->part.iov_len : left;

		loan->part = (struct iovec){(char *)loan->part.iov_base + part, loan->part.iov_len - part};
		loan->left_size -= part;
		left -= part;
		while (!loan->part.iov_len && loan->left_size) {
			loan->part = *loan->iov++;
			loan->iov_nr--;
		}
	}
	loan->sent_size += size - left;
	loan->off += size - left;
	return size - left;
}

/* What the kernel has taken leaves the queue, and so does what has been recalled. */
static void outlet_advance(struct aion_outlet *outlet, size_t size, struct aion_loan **ended)
{
	struct aion_loan *loan = outlet->first, *next;

	for (; loan && loan->flags & AION__LOAN_FLYING; loan = next) {
		size_t part = loan_advance(loan, size);

		next = loan->next;
		size -= part;
		outlet->queued_size -= part;
		loan->flags &= (uint8_t)~AION__LOAN_FLYING;
		if (!loan->left_size)
			aion__loan_take(outlet, loan, 0, ended);
		else if (loan->flags & AION__LOAN_RECALLED)
			aion__loan_take(outlet, loan, -ECANCELED, ended);
	}
	AION_ASSERT(!size);
}

/* What does not work without copying may work with it. */
static bool is_refusal(int64_t result)
{
	return result == -EOPNOTSUPP || result == -EINVAL || result == -ENOMEM || result == -ENOBUFS;
}

/* What an operation's result, if no number of bytes, means for the outlet: 0: try again. */
static int outlet_judge(struct aion_outlet *outlet, const struct aion_op *op, int64_t result)
{
	if (op->opcode == IORING_OP_SHUTDOWN)
		return (int)result;
	if (op->opcode == IORING_OP_SEND_ZC && is_refusal(result)) {
		outlet->zero_copy_size = SIZE_MAX;
		return 0;
	}
	if (result == -EAGAIN && op->opcode != IORING_OP_POLL_ADD) {
		outlet->flags |= AION__OUTLET_FULL;
		return 0;
	}
	/* A cancel of ours: a loan has been recalled. */
	if (result == -EINTR || (result == -ECANCELED && op->future.flags & AION__OP_CANCEL_SENT))
		return 0;
	return (int)result;
}

static void outlet_result(struct aion_outlet *outlet, struct aion_op *op, int64_t result, bool is_closed)
{
	unsigned opcode = op->opcode;
	struct aion_loan *ended = NULL;
	int error = 0;

	outlet->flags &= (uint8_t) ~(AION__OUTLET_FLYING | AION__OUTLET_GROWS);
	if (result < 0)
		error = outlet_judge(outlet, op, result);
	else if (result == 0 && opcode != IORING_OP_SHUTDOWN)
		error = -EIO;
	if (is_closed)
		error = -EBADF;
	outlet_advance(outlet, result > 0 && opcode != IORING_OP_POLL_ADD ? (size_t)result : 0, &ended);
	if (error)
		aion__outlet_fail(outlet, error, &ended);
	aion__outlet_go_on(outlet, &ended);
	aion__loans_end(ended);
}

/* Its bytes are on their way, and the operation only waits for the kernel to let go of the memory: that is no business
 * of the descriptor's any more, whose close need not wait for the peer. */
static int64_t op_leave_fd(struct aion__engine *engine, struct aion_op *op, int64_t result)
{
	bool is_closed = op->future.flags & AION__OP_CLOSED;

	if (op->future.flags & AION__OP_CANCEL_SENT && (result == -EINTR || result == -ECANCELED))
		result = is_closed ? -EBADF : -ECANCELED;
	if (op->future.flags & AION__OP_LINKED)
		aion__op_unlink(op);
	op->future.flags &= (uint16_t)~AION__OP_CLOSED;
	if (is_closed)
		aion__op_close_go_on(engine, op->future.fd, 0);
	return result;
}

static void outlet_notified(struct aion__engine *engine, struct aion_loan *loan, uint32_t usage)
{
	struct aion_outlet *outlet = loan->outlet;
	struct aion_loan *ended = NULL;

	aion__op_finish(engine, &loan->op, 0);
	loan->flags &= (uint8_t)~AION__LOAN_HELD;
	if (outlet && usage & NOTIF_USAGE_COPIED)
		outlet->zero_copy_size = SIZE_MAX;
	if (loan->flags & AION__LOAN_QUEUED) {
		aion__outlet_go_on(outlet, &ended);
	} else {
		if (loan->pprev)
			loan_unlink(NULL, loan);
		loan_end(loan, &ended);
	}
	aion__loans_end(ended);
}

static void outlet_sent(struct aion__engine *engine, struct aion_op *op, int32_t result, uint32_t cqe_flags)
{
	struct aion_loan *loan = aion__container_of(op, struct aion_loan, op);
	bool is_closed = op->future.flags & AION__OP_CLOSED;
	int64_t outcome = result;

	if (cqe_flags & IORING_CQE_F_NOTIF) {
		outlet_notified(engine, loan, (uint32_t)result);
		return;
	}
	AION_ASSERT(loan->outlet && loan->outlet->first == loan);
	if (cqe_flags & IORING_CQE_F_MORE) {
		loan->flags |= AION__LOAN_HELD;
		outcome = op_leave_fd(engine, op, result);
	} else {
		aion__op_finish(engine, op, result);
		outcome = op->future.result;
	}
	outlet_result(loan->outlet, op, outcome, is_closed);
}
