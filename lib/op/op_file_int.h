/* SPDX-License-Identifier: MIT */
#ifndef AION_OP_OP_FILE_INT_H
#define AION_OP_OP_FILE_INT_H
/* Where the arguments of the system calls do not fit an entry as they are. */
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

/* The last operation that an aion_op_close() on this descriptor waited for may have ended: see op_close.c. */
void aion__op_close_go_on(struct aion__engine *engine, int fd);

#endif
