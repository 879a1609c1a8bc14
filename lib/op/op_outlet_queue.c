/* SPDX-License-Identifier: MIT */
/* What is handed to an outlet: sent at once, copied into chunks, lent, given. */
#include "op_outlet_int.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* Bytes of memory for small writes, the record included: for one by itself, and for many. */
#define CHUNK_SIZE_FIRST ((size_t)1024)
#define CHUNK_SIZE ((size_t)4096)
/* So many bytes gain nothing from waiting for company: they are tried at once, which may save the copy or the trip. */
#define AT_ONCE_SIZE ((size_t)16 << 10)
#define AT_ONCE_IOV_NR 1024 /* vectors that the kernel takes at once */

/* Why nothing can be handed over: none of the outlet's business, or its error. */
static int outlet_enter(const struct aion_outlet *outlet)
{
	if (aion__unlikely(!aion__engine))
		return -EBUSY;
	if (aion__unlikely(!aion__ring_is_alive(&aion__engine->ring)))
		return -ECHILD;
	return aion__outlet_refuses(outlet);
}

ssize_t aion__iov_size(const struct iovec *iov, int iov_nr)
{
	size_t size = 0;

	if (iov_nr < 0)
		return -EINVAL;
	for (int i = 0; i < iov_nr; i++) {
		if (iov[i].iov_len > (size_t)SSIZE_MAX - size)
			return -EINVAL;
		size += iov[i].iov_len;
	}
	return (ssize_t)size;
}

/* ---- at once */

/* It has an error while nothing is queued. */
static void outlet_break(struct aion_outlet *outlet, int error)
{
	struct aion_loan *ended = NULL;

	aion__outlet_fail(outlet, error, &ended);
	AION_ASSERT(!ended);
}

/* What a try says. An error that is not about waiting is the outlet's. */
static int64_t outlet_tried(struct aion_outlet *outlet, int64_t result)
{
	if (aion__likely(result >= 0)) {
		aion__engine->inline_nr++;
		return result;
	}
	if (result == -EAGAIN || result == -EOPNOTSUPP || result == -EINTR)
		return -EAGAIN;
	outlet_break(outlet, (int)result);
	return result;
}

static int64_t outlet_try(struct aion_outlet *outlet, const void *buf, size_t size)
{
	struct aion__ring *ring = &aion__engine->ring;
	struct io_uring_sqe sqe;

	io_uring_prep_send(&sqe, outlet->fd, buf, aion__op_size(size), MSG_NOSIGNAL);
	return outlet_tried(outlet, ring->backend->call(ring, &sqe));
}

int64_t aion_outlet_try_send(struct aion_outlet *outlet, const void *buf, size_t size)
{
	int refused = outlet_enter(outlet);

	if (aion__unlikely(refused))
		return refused;
	if (aion__unlikely(outlet->first))
		return -EAGAIN;
	return aion__likely(size) ? outlet_try(outlet, buf, size) : 0;
}

int64_t aion_outlet_try_sendv(struct aion_outlet *outlet, const struct iovec *iov, int iov_nr)
{
	struct msghdr message = {0};
	ssize_t size = aion__iov_size(iov, iov_nr);
	int refused = outlet_enter(outlet);
	struct io_uring_sqe sqe;

	if (refused)
		return refused;
	if (size <= 0)
		return size;
	if (outlet->first)
		return -EAGAIN;
	/* As many as one call takes; the bytes begin with the first of them. */
	while (!iov->iov_len)
		iov++, iov_nr--;
	message.msg_iov = (struct iovec *)(uintptr_t)iov;
	message.msg_iovlen = (size_t)(iov_nr < AT_ONCE_IOV_NR ? iov_nr : AT_ONCE_IOV_NR);
	io_uring_prep_sendmsg(&sqe, outlet->fd, &message, MSG_NOSIGNAL);
	return outlet_tried(outlet, aion__engine->ring.backend->call(&aion__engine->ring, &sqe));
}

/* ---- the queue */

static void loan_init(struct aion_loan *loan, struct aion_outlet *outlet, enum aion__loan_kind kind)
{
	*loan = (struct aion_loan){.outlet = outlet, .kind = (uint8_t)kind};
	aion_future_init(&loan->future);
	loan->future.kind = AION__FUTURE_HELD;
	aion_op_init(&loan->op);
}

void aion__loan_push(struct aion_outlet *outlet, struct aion_loan *loan)
{
	loan->flags |= AION__LOAN_QUEUED;
	loan->off = outlet->end_off;
	loan->next = NULL;
	loan->pprev = outlet->tail;
	*outlet->tail = loan;
	outlet->tail = &loan->next;
	outlet->end_off += loan->left_size;
	outlet->queued_size += loan->left_size;
	if (outlet->queued_size > outlet->high_size)
		outlet->flags |= AION__OUTLET_PAUSED;
}

/* ---- copies */

static struct aion__chunk *outlet_last_chunk(const struct aion_outlet *outlet)
{
	struct aion_loan *last;

	if (!outlet->first)
		return NULL;
	last = aion__container_of(outlet->tail, struct aion_loan, next);
	return last->kind == AION__LOAN_CHUNK ? aion__container_of(last, struct aion__chunk, loan) : NULL;
}

static size_t chunk_used(const struct aion__chunk *chunk)
{
	return (size_t)((const char *)chunk->loan.part.iov_base + chunk->loan.part.iov_len - chunk->data);
}

/* Behind the bytes that may be in flight, which stay as they are. */
static void chunk_append(struct aion__chunk *chunk, const void *buf, size_t size)
{
	struct aion_loan *loan = &chunk->loan;

	memcpy((char *)loan->part.iov_base + loan->part.iov_len, buf, size);
	loan->part.iov_len += size;
	loan->left_size += size;
}

static struct aion__chunk *chunk_make(struct aion_outlet *outlet, size_t size)
{
	size_t least = outlet->first ? CHUNK_SIZE : CHUNK_SIZE_FIRST;
	struct aion__chunk *chunk;

	if (size < least - sizeof(*chunk))
		size = least - sizeof(*chunk);
	chunk = aion__alloc(sizeof(*chunk) + size);
	if (!chunk)
		return NULL;
	loan_init(&chunk->loan, outlet, AION__LOAN_CHUNK);
	chunk->loan.part.iov_base = chunk->data;
	chunk->size = size;
	return chunk;
}

/* From the vectors, so many bytes, `skip` of them left out. */
static void chunk_take(struct aion__chunk *chunk, const struct iovec *iov, size_t skip, size_t size)
{
	for (; size; iov++) {
		size_t part;

		if (skip >= iov->iov_len) {
			skip -= iov->iov_len;
			continue;
		}
		part = iov->iov_len - skip < size ? iov->iov_len - skip : size;
		chunk_append(chunk, (const char *)iov->iov_base + skip, part);
		size -= part;
		skip = 0;
	}
}

/* `size` bytes behind the first `skip` ones. First what fits into the last chunk, the rest into a new one. */
static int outlet_copy(struct aion_outlet *outlet, const struct iovec *iov, size_t skip, size_t size)
{
	struct aion__chunk *last = outlet_last_chunk(outlet), *chunk = NULL;
	size_t room = last ? last->size - chunk_used(last) : 0;
	size_t part = size < room ? size : room;

	if (part < size) {
		chunk = chunk_make(outlet, size - part);
		if (!chunk)
			return -ENOMEM;
	}
	if (part) {
		chunk_take(last, iov, skip, part);
		outlet->end_off += part;
		outlet->queued_size += part;
	}
	if (chunk) {
		chunk_take(chunk, iov, skip + part, size - part);
		aion__loan_push(outlet, &chunk->loan);
	}
	if (outlet->queued_size > outlet->high_size)
		outlet->flags |= AION__OUTLET_PAUSED;
	return 0;
}

int aion__outlet_copy(struct aion_outlet *outlet, const struct iovec *iov, int iov_nr)
{
	return outlet_copy(outlet, iov, 0, (size_t)aion__iov_size(iov, iov_nr));
}

int aion_outlet_try_writev(struct aion_outlet *outlet, const struct iovec *iov, int iov_nr)
{
	ssize_t size = aion__iov_size(iov, iov_nr);
	int64_t sent = 0;
	int result = outlet_enter(outlet);

	if (result)
		return result;
	if (size < 0)
		return (int)size;
	if (outlet->flags & AION__OUTLET_PAUSED)
		return -EAGAIN;
	if (!size)
		return 0;
	if ((size_t)size >= AT_ONCE_SIZE && !outlet->first) {
		sent = aion_outlet_try_sendv(outlet, iov, iov_nr);
		if (sent == -EAGAIN)
			sent = 0;
		if (sent < 0 || sent == size)
			return sent < 0 ? (int)sent : 0;
	}
	result = outlet_copy(outlet, iov, (size_t)sent, (size_t)(size - sent));
	if (result == 0)
		aion__outlet_pushed(outlet);
	else if (sent)
		outlet_break(outlet, result);
	return result;
}

int aion_outlet_try_write(struct aion_outlet *outlet, const void *buf, size_t size)
{
	const struct iovec iov = {(void *)(uintptr_t)buf, size};

	return aion_outlet_try_writev(outlet, &iov, 1);
}

/* ---- loans */

/* All but the first `skip` bytes. */
static int loan_set(struct aion_loan *loan, const struct iovec *iov, int iov_nr, size_t skip)
{
	ssize_t size = aion__iov_size(iov, iov_nr);

	if (size < 0 || skip > (size_t)size)
		return -EINVAL;
	loan->left_size = (size_t)size - skip;
	if (!loan->left_size)
		return 0;
	while (skip >= iov->iov_len) {
		skip -= iov->iov_len;
		iov++, iov_nr--;
	}
	loan->part = (struct iovec){(char *)iov->iov_base + skip, iov->iov_len - skip};
	loan->iov = iov + 1;
	loan->iov_nr = (uint32_t)iov_nr - 1;
	return 0;
}

static void loan_queue(struct aion_outlet *outlet, struct aion_loan *loan)
{
	aion__outlet_admit(outlet);
	aion__loan_push(outlet, loan);
	aion__outlet_pushed(outlet);
}

static void outlet_lend(struct aion_outlet *outlet, struct aion_loan *loan, const struct iovec *iov, int iov_nr,
			size_t skip, unsigned flags)
{
	int result = outlet_enter(outlet);

	loan_init(loan, outlet, AION__LOAN_LENT);
	loan->flags = (uint8_t)flags;
	if (result == 0)
		result = loan_set(loan, iov, iov_nr, skip);
	if (result < 0 || !loan->left_size)
		aion__future_finish(aion__engine, &loan->future, result);
	else
		loan_queue(outlet, loan);
}

void aion_outlet_lendv(struct aion_outlet *outlet, struct aion_loan *loan, const struct iovec *iov, int iov_nr)
{
	outlet_lend(outlet, loan, iov, iov_nr, 0, 0);
}

void aion_outlet_lend(struct aion_outlet *outlet, struct aion_loan *loan, const void *buf, size_t size)
{
	const struct iovec iov = {(void *)(uintptr_t)buf, size};

	outlet_lend(outlet, loan, &iov, 1, 0, 0);
}

void aion_outlet_start_sendv(struct aion_outlet *outlet, struct aion_loan *loan, const struct iovec *iov, int iov_nr,
			     size_t skip_size)
{
	outlet_lend(outlet, loan, iov, iov_nr, skip_size, AION__LOAN_COPIED);
}

void aion_loan_recall(struct aion_loan *loan)
{
	struct aion_outlet *outlet = loan->outlet;
	struct aion_loan *ended = NULL;

	if (!(loan->flags & AION__LOAN_QUEUED))
		return;
	if (loan->flags & AION__LOAN_FLYING) {
		loan->flags |= AION__LOAN_RECALLED;
		aion_op_cancel(&outlet->first->op);
		return;
	}
	aion__loan_take(outlet, loan, -ECANCELED, &ended);
	aion__outlet_go_on(outlet, &ended);
	aion__loans_end(ended);
}

/* ---- gifts */

static int64_t give_at_once(struct aion_outlet *outlet, const void *buf, size_t size)
{
	int64_t sent;

	if (outlet->first || size < AT_ONCE_SIZE || size >= outlet->zero_copy_size)
		return 0;
	sent = outlet_try(outlet, buf, size);
	return sent == -EAGAIN ? 0 : sent;
}

/* 1: queued, and released later. 0 or an error: it can be released now. */
static int outlet_give(struct aion_outlet *outlet, const char *buf, size_t size, void (*release)(void *arg), void *arg)
{
	int64_t sent = outlet_enter(outlet);
	struct aion_loan *loan;

	if (sent == 0)
		sent = give_at_once(outlet, buf, size);
	if (sent < 0 || (size_t)sent == size)
		return sent < 0 ? (int)sent : 0;
	loan = aion__alloc(sizeof(*loan));
	if (!loan) {
		if (sent)
			outlet_break(outlet, -ENOMEM);
		return -ENOMEM;
	}
	loan_init(loan, outlet, AION__LOAN_GIVEN);
	loan->part = (struct iovec){(char *)(uintptr_t)buf + sent, size - (size_t)sent};
	loan->left_size = loan->part.iov_len;
	loan->release = release;
	loan->arg = arg;
	loan_queue(outlet, loan);
	return 1;
}

int aion_outlet_give(struct aion_outlet *outlet, const void *buf, size_t size, void (*release)(void *arg), void *arg)
{
	int result = outlet_give(outlet, buf, size, release, arg);

	if (result <= 0)
		release(arg);
	return result < 0 ? result : 0;
}

static void release_buffer(void *buffer)
{
	aion_buffer_release(buffer);
}

int aion_outlet_give_buffer(struct aion_outlet *outlet, struct aion_buffer *buffer, size_t size)
{
	return aion_outlet_give(outlet, buffer->data, size, release_buffer, buffer);
}

/* ---- the end of the stream */

int aion_outlet_shutdown(struct aion_outlet *outlet)
{
	int result = outlet_enter(outlet);
	struct aion_loan *loan;

	if (outlet->flags & AION__OUTLET_SHUT && result == -EPIPE && !outlet->error)
		return 0;
	if (result)
		return result;
	loan = aion__alloc(sizeof(*loan));
	if (!loan)
		return -ENOMEM;
	loan_init(loan, outlet, AION__LOAN_SHUT);
	outlet->flags |= AION__OUTLET_SHUT;
	aion__outlet_admit(outlet);
	aion__loan_push(outlet, loan);
	/* It takes a place in the stream, as in TCP: who flushes waits for it. */
	outlet->end_off++;
	aion__outlet_pushed(outlet);
	return 0;
}
