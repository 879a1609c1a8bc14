/* SPDX-License-Identifier: MIT */
/* Reads into memory that belongs to the loop as long as the kernel may write into it. */
#include <errno.h>

#include <aion/buffer.h>

#include "alloc_int.h"
#include "mutant_int.h"
#include "op_file_int.h"
#include "op_group_int.h"

#define DATA_ALIGN ((uintptr_t)4096) /* bytes; what O_DIRECT asks for at most */

/* One piece of memory: this, then the data. */
struct buffer_read {
	struct aion_buffer buffer;
	struct aion_op op;
	bool is_released; /* the caller has left; the last completion frees it */
};

static void buffer_done(struct aion__engine *engine, struct aion_op *op, int32_t result, uint32_t cqe_flags)
{
	struct buffer_read *read = aion__container_of(op, struct buffer_read, op);

	(void)cqe_flags;
	aion__op_finish(engine, op, result);
	if (read->is_released) {
		aion__free(read);
		return;
	}
	read->buffer.size = op->future.result > 0 ? (size_t)op->future.result : 0;
	aion__future_finish(engine, &read->buffer.future, op->future.result);
}

static struct buffer_read *buffer_alloc(size_t size)
{
	struct buffer_read *read = aion__alloc(sizeof(*read) + DATA_ALIGN + size);
	uintptr_t data = (uintptr_t)(read + 1);

	if (!read)
		return NULL;
	*read = (struct buffer_read){0};
	read->buffer.data = (void *)((data + DATA_ALIGN - 1) & ~(DATA_ALIGN - 1));
	aion_future_init(&read->buffer.future);
	read->buffer.future.kind = AION__FUTURE_HELD;
	return read;
}

static void buffer_start(struct buffer_read *read, int fd, size_t size, int64_t off)
{
	struct io_uring_sqe *sqe =
		aion__op_prepare(&read->op, IORING_OP_READ, fd, AION__OP_HANDLER | AION__OP_RETRY | AION__OP_FILLS);

	if (!sqe) {
		aion__future_finish(aion__engine, &read->buffer.future, read->op.future.result);
		return;
	}
	read->op.handler = buffer_done;
	aion__op_disown(&read->op);
	io_uring_prep_read(sqe, fd, read->buffer.data, (unsigned)size, (uint64_t)aion__op_off(off));
	aion__op_commit(&read->op, sqe);
}

int aion_buffer_pread(int fd, size_t size, int64_t off, struct aion_buffer **ret_buffer)
{
	struct buffer_read *read;

	if (!aion__engine)
		return -EBUSY;
	if (!aion__ring_is_alive(&aion__engine->ring))
		return -ECHILD;
	size = aion__op_size(size);
	read = buffer_alloc(size);
	if (!read)
		return -ENOMEM;
	buffer_start(read, fd, size, off);
	*ret_buffer = &read->buffer;
	return 0;
}

void aion_buffer_release(struct aion_buffer *buffer)
{
	struct buffer_read *read = aion__container_of(buffer, struct buffer_read, buffer);

	if (!buffer)
		return;
	if (buffer->future.kind != AION__FUTURE_HELD) {
		aion__group_buffer_release(buffer);
		return;
	}
	aion_future_fini(&buffer->future);
	/* Cancelling may end it at once: only what is still in flight after that is left to its last completion. */
	aion_op_cancel(&read->op);
	if (aion_op_is_in_flight(&read->op) && !aion__is_mutant(AION__MUTANT_FREE_BUFFER))
		read->is_released = true;
	else
		aion__free(read);
}
