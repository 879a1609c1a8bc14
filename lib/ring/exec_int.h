/* SPDX-License-Identifier: MIT */
#ifndef AION_RING_EXEC_INT_H
#define AION_RING_EXEC_INT_H
/* Entries executed by plain system calls. */
#include "ring_int.h"

/* Execute it, blocking if it must; the result is what a completion would carry. -EINVAL: an opcode we have no call for.
 */
int64_t aion__exec_blocking(const struct io_uring_sqe *sqe);
/* Execute it at once or say -EAGAIN. Fit for a backend's call(). -EOPNOTSUPP: no way to try it. */
int64_t aion__exec_try(const struct io_uring_sqe *sqe);
/* One of the AION__CALL_* about sockets and pipes. -EOPNOTSUPP: it is none. */
int64_t aion__exec_call(const struct io_uring_sqe *sqe);
/* POLL_ADD, one shot; timeout_ms as poll(2) has it; -EAGAIN when the time is up. */
int64_t aion__exec_poll(const struct io_uring_sqe *sqe, int timeout_ms);
/* Whether aion__exec_blocking() knows the opcode. */
bool aion__exec_has(unsigned opcode);

#endif
