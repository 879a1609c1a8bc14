/* SPDX-License-Identifier: MIT */
#ifndef AION_OP_OP_FILE_INT_H
#define AION_OP_OP_FILE_INT_H
/* Where the arguments of the system calls do not fit an entry as they are. */
#include <sys/socket.h>

#include "op_int.h"

#define AION__SIZE_MAX ((size_t)0x7ffff000) /* bytes that one call moves at most, the kernel's MAX_RW_COUNT */

/* An entry's length has 32 bits. */
static inline unsigned aion__op_size(size_t size)
{
	return (unsigned)(size < AION__SIZE_MAX ? size : AION__SIZE_MAX);
}

/* io_uring takes the offset -1 for the current position, where pread(2) refuses it as it refuses all negative ones. */
static inline int64_t aion__op_off(int64_t off)
{
	return off < 0 ? INT64_MIN : off;
}

/*
 * A unix socket that has no room for us is said to be writable all the same. The ring then tries a hundred times, and
 * between two tries no cancel finds the request, which goes to a worker of the kernel's in the end and waits there for
 * good. So it goes there at once, where it is always found.
 */
static inline uint8_t aion__op_peer_flags(const struct sockaddr *address, size_t address_size)
{
	if (!address || address_size < sizeof(address->sa_family) || address->sa_family != AF_UNIX)
		return 0;
	return IOSQE_ASYNC;
}

/* The engine of this thread, or why there is none. */
static inline int aion__op_try_begin(struct aion__engine **ret_engine)
{
	*ret_engine = aion__engine;
	if (aion__unlikely(!*ret_engine))
		return -EBUSY;
	return aion__ring_is_alive(&(*ret_engine)->ring) ? 0 : -ECHILD;
}

/* An entry executed at once, or -EAGAIN. */
static inline int64_t aion__op_try(struct aion__engine *engine, const struct io_uring_sqe *sqe)
{
	int64_t result = engine->ring.backend->call(&engine->ring, sqe);

	if (result >= 0)
		engine->inline_nr++;
	return result;
}

/* An AION__CALL_* that takes arguments: op_socket.c. */
int aion__op_call_now(unsigned opcode, int fd, int level, int name, const void *address, uint64_t size);

/* A socket, if it is open. Not being told costs time at the close; so a lack of memory is no error. */
void aion__op_note_socket(struct aion__engine *engine, int fd);

/* Done before it began. */
void aion__op_done_at_once(struct aion_op *op, int64_t result);

/* The last operation that an aion_op_close() on this descriptor waited for may have ended, with a result: op_close.c. */
void aion__op_close_go_on(struct aion__engine *engine, int fd, int64_t result);

#endif
