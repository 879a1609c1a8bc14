/* SPDX-License-Identifier: MIT */
/* Together with liburing: entries for the application to fill, and the ring itself. */
#include <aion/liburing.h>

#include "op_file_int.h"

/* Where an application writes when there is no ring to write to: it goes nowhere. */
static __thread struct io_uring_sqe scratch;

struct io_uring_sqe *aion_op_sqe(struct aion_op *op)
{
	struct io_uring_sqe *sqe = aion__op_prepare(op, IORING_OP_NOP, -1, 0);

	if (!sqe)
		return &scratch;
	io_uring_prep_nop(sqe);
	aion__op_commit(op, sqe);
	return sqe;
}

struct io_uring *aion_loop_ring(struct aion_loop *loop)
{
	struct aion__engine *engine = (struct aion__engine *)loop; /* a loop begins with its engine */

	return aion__ring_is_alive(&engine->ring) ? &engine->ring.uring : NULL;
}
