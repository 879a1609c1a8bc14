/* SPDX-License-Identifier: MIT */
#ifndef AION_SPLICE_H
#define AION_SPLICE_H
/*
 * Moving data between descriptors inside the kernel; one of the two is a pipe. Each call comes twice, with the
 * arguments and the result of the system call, and with "the common" errors: see the top of file.h.
 */
#include <sys/types.h>

#include <aion/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * aion_splice - move bytes from one descriptor to another without copying them.
 * @fd_in, @fd_out: at least one is a pipe.
 * @off_in, @off_out: where in the file, bytes; NULL for a pipe, and for a file's current position, which then
 *   advances.
 *   aion_splice() advances the numbers by the result. An operation reads them when it is started and leaves them.
 * @size: bytes at most; above 0x7ffff000 it is clamped.
 * @flags: SPLICE_F_*.
 *
 * aion_close() of fd_in ends it, or of fd_out where off_in is given.
 * Result: bytes; 0 at the end of the input.
 * Errors: those of splice(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: splice(2), IORING_OP_SPLICE, Linux 5.7.
 */
AION_API AION_SUSPENDS int64_t aion_splice(int fd_in, int64_t *off_in, int fd_out, int64_t *off_out, size_t size,
					   unsigned flags);
AION_API void aion_op_splice(struct aion_op *op, int fd_in, const int64_t *off_in, int fd_out, const int64_t *off_out,
			     size_t size, unsigned flags);

/**
 * aion_tee - copy bytes from pipe to pipe and leave them in the first.
 * @fd_in, @fd_out: pipes. aion_close() of fd_in ends it.
 * @size: bytes at most; above 0x7ffff000 it is clamped.
 * @flags: SPLICE_F_*.
 *
 * Result: bytes; 0 if the input holds nothing and has no writer.
 * Errors: those of tee(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: tee(2), IORING_OP_TEE, Linux 5.8.
 */
AION_API AION_SUSPENDS int64_t aion_tee(int fd_in, int fd_out, size_t size, unsigned flags);
AION_API void aion_op_tee(struct aion_op *op, int fd_in, int fd_out, size_t size, unsigned flags);

/**
 * aion_pipe - make a pipe.
 * @ret_fds: the end to read from, the end to write to.
 * @flags: O_CLOEXEC, which is not implied, O_NONBLOCK, O_DIRECT.
 *
 * A plain system call that never waits; no checkpoint. On a loop over a simulated machine the pipe is the machine's.
 * Result: 0. Errors: those of pipe2(2), -EMFILE and -ENFILE among them.
 * Suspends: no. Thread: any. Source: pipe2(2).
 */
AION_API int aion_pipe(int ret_fds[2], int flags);

/**
 * aion_sendfile - send a part of a file through a socket (or into anything else) without copying it: two splices
 *   and a pipe.
 * @fd_out: where it goes.
 * @fd_in: a file with offsets.
 * @off: where the part begins, bytes; advances by the result. Not NULL: the file's position is not used.
 * @size: bytes at most.
 *
 * Goes on until all is sent, the file ends, or an error.
 * Result: bytes; 0 at the end of the file. Where some were sent before an error, or before the cancellation, these.
 * Errors: -EINVAL (off is NULL or negative), -EMFILE, -ENFILE (no pipe), those of splice(2), -EPIPE and
 *   -ECONNRESET among them, and the common ones.
 * Suspends: yes. Thread: loop. Source: sendfile(2), pipe2(2), IORING_OP_SPLICE, Linux 5.7.
 */
AION_API AION_SUSPENDS int64_t aion_sendfile(int fd_out, int fd_in, int64_t *off, size_t size);

#ifdef __cplusplus
}
#endif
#endif
