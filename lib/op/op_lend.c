/* SPDX-License-Identifier: MIT */
/*
 * What the sanitizers and valgrind are told about memory that the kernel fills through the ring, which neither sees.
 *
 * While a plain read is in flight nobody may touch its buffer. Valgrind forgets what it knew of memory that is closed,
 * so that is kept meanwhile: the bytes that the read did not reach are afterwards as defined as they were before it.
 * What is not wholly the program's own is not closed: a wrong address, or a buffer that is lent already.
 */
#include "op_int.h"

#include <linux/stat.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

static inline void *op_memory(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

#ifdef AION_VALGRIND

#define LENT_SLOT_NR 256 /* lists of what is lent; a power of 2 */

struct lent {
	struct lent *next;
	const struct aion_op *op;
	unsigned char known[]; /* a byte of valgrind's for each byte of the buffer */
};

static __thread struct lent *lent_slots[LENT_SLOT_NR];

static struct lent **lent_find(const struct aion_op *op)
{
	struct lent **place = &lent_slots[(uintptr_t)op / sizeof(*op) % LENT_SLOT_NR];

	while (*place && (*place)->op != op)
		place = &(*place)->next;
	return place;
}

/* A worker thread fills the buffer by a system call, which valgrind follows. */
void aion__op_lend(struct aion_op *op)
{
	unsigned flags = op->future.flags;
	struct lent **place, *lent;

	/* Its end shall go through aion__op_finish(), where the others go that have no flag. */
	op->future.flags |= AION__OP_WATCHED;
	if ((flags & (AION__OP_FILLS | AION__OP_JOB)) != AION__OP_FILLS)
		return;
	lent = malloc(sizeof(*lent) + op->len); /* not the library's: tests count what that allocates */
	if (!lent || VALGRIND_GET_VBITS(op_memory(op->addr), lent->known, op->len) != 1) {
		free(lent);
		return;
	}
	place = lent_find(op);
	AION_ASSERT(!*place);
	lent->op = op;
	lent->next = NULL;
	*place = lent;
	aion__annotate_closed(op_memory(op->addr), op->len);
}

static void op_open(const struct aion_op *op)
{
	struct lent **place = lent_find(op), *lent = *place;

	if (!lent)
		return;
	*place = lent->next;
	aion__annotate_open(op_memory(op->addr), op->len);
	(void)VALGRIND_SET_VBITS(op_memory(op->addr), lent->known, op->len);
	free(lent);
}

/* With MSG_TRUNC a result may be more than there is room for. */
static void vector_written(const struct iovec *iov, size_t iov_nr, size_t size)
{
	for (; size && iov_nr; iov++, iov_nr--) {
		size_t part = iov->iov_len < size ? iov->iov_len : size;

		aion__annotate_written(iov->iov_base, part);
		size -= part;
	}
}

static void message_written(struct msghdr *message, size_t result)
{
	aion__annotate_written(message, sizeof(*message));
	vector_written(message->msg_iov, message->msg_iovlen, result);
	aion__annotate_written(message->msg_control, message->msg_controllen);
	aion__annotate_written(message->msg_name, message->msg_name ? message->msg_namelen : 0);
}

/* How much room there was nobody knows any more, where the address was cut: of memory that is not the program's nothing
 * is said. */
static void address_written(void *address, socklen_t *size)
{
	if (!address || !size)
		return;
	aion__annotate_written(size, sizeof(*size));
	if (*size <= sizeof(struct sockaddr_storage))
		VALGRIND_MAKE_MEM_DEFINED_IF_ADDRESSABLE(address, *size);
}

static void op_written(const struct aion_op *op, size_t result)
{
	switch (op->opcode) {
	case IORING_OP_READ:
		aion__annotate_written(op_memory(op->addr), result);
		break;
	case IORING_OP_READV:
		vector_written(op_memory(op->addr), op->len, result);
		break;
	case IORING_OP_RECV:
		aion__annotate_written(op_memory(op->addr), result < op->len ? result : op->len);
		break;
	case IORING_OP_RECVMSG:
		message_written(op_memory(op->addr), result);
		break;
	case IORING_OP_ACCEPT:
		address_written(op_memory(op->addr), op_memory(op->off));
		break;
	case IORING_OP_STATX:
		aion__annotate_written(op_memory(op->off), sizeof(struct statx));
		break;
	case IORING_OP_GETXATTR:
	case IORING_OP_FGETXATTR: /* a size of 0 asks how long the value is */
		aion__annotate_written(op_memory(op->off), op->len ? result : 0);
		break;
	default:
		break;
	}
}

#else

void aion__op_lend(struct aion_op *op)
{
	if (op->future.flags & AION__OP_FILLS)
		aion__annotate_closed(op_memory(op->addr), op->len);
}

static void op_open(const struct aion_op *op)
{
	if (op->future.flags & AION__OP_FILLS)
		aion__annotate_open(op_memory(op->addr), op->len);
}

static void op_written(const struct aion_op *op, size_t result)
{
	(void)op, (void)result;
}

#endif

void aion__op_give_back(const struct aion_op *op, int64_t result)
{
	op_open(op);
	if (result >= 0 && !(op->future.flags & AION__OP_BARE))
		op_written(op, (size_t)result);
}
