/* SPDX-License-Identifier: MIT */
#ifndef AION_FILE_H
#define AION_FILE_H
/*
 * Files: opening, reading, writing and closing descriptors of any kind. For names and directories see dir.h.
 *
 * Each call X comes twice here and in dir.h, xattr.h, splice.h, poll.h:
 *   aion_X(…)           the system call X(2), but it suspends the task instead of the thread. A checkpoint on entry.
 *   aion_op_X(&op, …)   starts the same and returns at once; its result is what aion_await(&op.future) gives. Neither
 *                       suspends nor is a checkpoint. Buffers, vectors and paths stay until the operation is done.
 * Arguments and result are those of X(2), errors come as -errno. "The common ones" among errors are: -ECANCELED (a
 * scope around the caller is cancelled: before any effect, or the kernel could end the call without one); -EBUSY (not
 * inside a task); -ECHILD (forked child); -ENOMEM (no memory to keep track of the descriptor, or the kernel's);
 * -EBADF, also when aion_close() of the descriptor ended the call; -EAGAIN, also when a call that the running kernel's
 * io_uring lacks found no worker thread.
 *
 * One call moves at most 0x7ffff000 bytes, as in the kernel; a larger size is clamped. A cancelled call that had moved
 * bytes returns them.
 */
#include <sys/types.h>
#include <sys/uio.h>

#include <aion/op.h>

#ifdef __cplusplus
extern "C" {
#endif

struct open_how; /* <linux/openat2.h> */

/**
 * aion_openat - open a file.
 * @dirfd: where a relative path starts, or AT_FDCWD.
 * @path: ends with 0.
 * @flags, @mode: as in openat(2); O_CLOEXEC is not implied.
 *
 * What is cached is opened at once, without the ring. A named pipe waits for its other end, as with openat(2).
 * Result: a descriptor. One that an operation opened and nobody received is closed by aion_op_reap().
 * Errors: those of openat(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: openat(2), IORING_OP_OPENAT, Linux 5.6.
 */
AION_API AION_SUSPENDS int64_t aion_openat(int dirfd, const char *path, int flags, mode_t mode);
AION_API void aion_op_openat(struct aion_op *op, int dirfd, const char *path, int flags, mode_t mode);

/**
 * aion_openat2 - open a file, with more say in how its path is resolved.
 * @how: of how_size bytes; stays until the operation is done.
 *
 * Result: a descriptor. The try form does no more than can be done without blocking (RESOLVE_CACHED is added), at once;
 *   a named pipe opens for reading without a writer, and aion_poll() may wait for him.
 * Errors: those of openat2(2), and the common ones; try: those of openat2(2), -EAGAIN (it would have to block, or the
 *   flags create or truncate), -EBUSY (no loop runs on this thread), -ECHILD.
 * Suspends: yes (op, try: no). Thread: loop. Source: openat2(2), IORING_OP_OPENAT2, Linux 5.6.
 */
AION_API AION_SUSPENDS int64_t aion_openat2(int dirfd, const char *path, const struct open_how *how, size_t how_size);
AION_API void aion_op_openat2(struct aion_op *op, int dirfd, const char *path, const struct open_how *how,
			      size_t how_size);
AION_API int64_t aion_try_openat2(int dirfd, const char *path, const struct open_how *how, size_t how_size);

/**
 * aion_close - end what this loop has in flight on the descriptor, then close it. Always finishes.
 * @fd: the operations that are in flight on this number, also those that start while it waits for them, end with -EBADF
 *   (or with their result, if they have one); the descriptor is closed after the last of them. Reads of plain files
 *   are waited out. A socket of a listener or a connection that nothing uses any more is closed at once, without the
 *   ring.
 *
 * Closes also in a cancelled scope and is no checkpoint. As with close(2), the descriptor is gone whatever the result.
 * Result: 0.
 * Errors: those of close(2), also -EBADF if another aion_close() of this number still waits; -EBUSY (not inside a task;
 *   nothing is closed), -ECHILD (the same).
 * Suspends: yes (op: no), but never returns early. Thread: loop. Source: close(2), IORING_OP_CLOSE, Linux 5.6.
 */
AION_API AION_SUSPENDS int64_t aion_close(int fd);
AION_API void aion_op_close(struct aion_op *op, int fd);

/**
 * aion_fd_closep - aion_close() for AION_CLEANUP: AION_CLEANUP(aion_fd_closep) int fd = -1;
 * @fd: closed if it is not negative; becomes -1. Where aion_close() cannot close it (outside of tasks, say), close(2)
 *   does.
 *
 * Suspends: yes, but never returns early. Thread: loop. Source: close(2).
 */
AION_API AION_SUSPENDS void aion_fd_closep(int *fd);

/**
 * aion_read, aion_pread - read into one buffer.
 * @fd: anything readable; one with O_NONBLOCK may be waited for all the same. On a descriptor with a position only one
 *   aion_read() at a time may be in flight. A device error that cuts it short leaves the position before the bytes that
 *   it gives: read plain files with aion_pread().
 * @buf: size bytes, the kernel's until the call is done.
 * @off: bytes from the start; aion_read() reads at the current position and advances it. aion_op_pread() on a pipe
 *   or socket reads it as aion_op_read() does.
 *
 * aion_pread() takes what the page cache has at once, without the ring.
 * Result: bytes; 0 at the end of the file.
 * Errors: those of read(2) and pread(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: read(2), IORING_OP_READ, Linux 5.6.
 */
AION_API AION_SUSPENDS int64_t aion_read(int fd, void *buf, size_t size);
AION_API void aion_op_read(struct aion_op *op, int fd, void *buf, size_t size);
AION_API AION_SUSPENDS int64_t aion_pread(int fd, void *buf, size_t size, int64_t off);
AION_API void aion_op_pread(struct aion_op *op, int fd, void *buf, size_t size, int64_t off);

/**
 * aion_readv, aion_preadv, aion_preadv2 - read into several buffers.
 * @iov: iov_nr of them; the array too stays until the call is done.
 * @off: bytes from the start; aion_preadv2(): -1 is the current position.
 * @flags: RWF_*; with RWF_NOWAIT the call ends with -EAGAIN instead of waiting.
 *
 * Result: bytes; 0 at the end of the file.
 * Errors: those of readv(2), preadv(2), preadv2(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: preadv2(2), IORING_OP_READV, Linux 5.1.
 */
AION_API AION_SUSPENDS int64_t aion_readv(int fd, const struct iovec *iov, int iov_nr);
AION_API void aion_op_readv(struct aion_op *op, int fd, const struct iovec *iov, int iov_nr);
AION_API AION_SUSPENDS int64_t aion_preadv(int fd, const struct iovec *iov, int iov_nr, int64_t off);
AION_API void aion_op_preadv(struct aion_op *op, int fd, const struct iovec *iov, int iov_nr, int64_t off);
AION_API AION_SUSPENDS int64_t aion_preadv2(int fd, const struct iovec *iov, int iov_nr, int64_t off, int flags);
AION_API void aion_op_preadv2(struct aion_op *op, int fd, const struct iovec *iov, int iov_nr, int64_t off, int flags);

/**
 * aion_try_pread, aion_try_preadv2 - read what can be had without blocking, at once and without the ring.
 *
 * Parameters as above. Result: bytes, fewer than asked for also where only a part is cached; 0 at the end of the file.
 * Errors: those of preadv2(2), -EAGAIN (nothing is cached: it would have to block), -EOPNOTSUPP (the file system cannot
 *   tell: tmpfs, /proc), -EBUSY (no loop runs on this thread), -ECHILD.
 * Suspends: no. Thread: loop. Source: preadv2(2) with RWF_NOWAIT, Linux 4.14.
 */
AION_API int64_t aion_try_pread(int fd, void *buf, size_t size, int64_t off);
AION_API int64_t aion_try_preadv2(int fd, const struct iovec *iov, int iov_nr, int64_t off, int flags);

/**
 * aion_write, aion_pwrite - write one buffer. Parameters as aion_read() and aion_pread(), but nothing is tried inline.
 *
 * Result: bytes, possibly fewer than size; aion_op_write() then leaves a file's position where it was.
 * Errors: those of write(2) and pwrite(2) (a broken pipe is -EPIPE, without a signal), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: write(2), IORING_OP_WRITE, Linux 5.6.
 */
AION_API AION_SUSPENDS int64_t aion_write(int fd, const void *buf, size_t size);
AION_API void aion_op_write(struct aion_op *op, int fd, const void *buf, size_t size);
AION_API AION_SUSPENDS int64_t aion_pwrite(int fd, const void *buf, size_t size, int64_t off);
AION_API void aion_op_pwrite(struct aion_op *op, int fd, const void *buf, size_t size, int64_t off);

/**
 * aion_writev, aion_pwritev, aion_pwritev2 - write several buffers. Parameters as aion_preadv2().
 *
 * Result: bytes, possibly fewer than all.
 * Errors: those of writev(2), pwritev(2), pwritev2(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: pwritev2(2), IORING_OP_WRITEV, Linux 5.1.
 */
AION_API AION_SUSPENDS int64_t aion_writev(int fd, const struct iovec *iov, int iov_nr);
AION_API void aion_op_writev(struct aion_op *op, int fd, const struct iovec *iov, int iov_nr);
AION_API AION_SUSPENDS int64_t aion_pwritev(int fd, const struct iovec *iov, int iov_nr, int64_t off);
AION_API void aion_op_pwritev(struct aion_op *op, int fd, const struct iovec *iov, int iov_nr, int64_t off);
AION_API AION_SUSPENDS int64_t aion_pwritev2(int fd, const struct iovec *iov, int iov_nr, int64_t off, int flags);
AION_API void aion_op_pwritev2(struct aion_op *op, int fd, const struct iovec *iov, int iov_nr, int64_t off, int flags);

/**
 * aion_read_exact, aion_pread_exact - read until the buffer is full; a read that a signal ended (-EINTR) is repeated.
 * @ret_done: the bytes that are in the buffer, set in every case; may be NULL.
 *
 * Other parameters as aion_read() and aion_pread(). Result: 0.
 * Errors: those of aion_read() and aion_pread() but -EINTR, and -ENODATA (the file ended first).
 * Suspends: yes. Thread: loop. Source: as aion_read().
 */
AION_API AION_SUSPENDS int64_t aion_read_exact(int fd, void *buf, size_t size, size_t *ret_done);
AION_API AION_SUSPENDS int64_t aion_pread_exact(int fd, void *buf, size_t size, int64_t off, size_t *ret_done);

/**
 * aion_write_all, aion_pwrite_all, aion_writev_all - write until everything is written; -EINTR is no end.
 * @iov: neither it nor what it points to is changed; iov_nr may exceed the kernel's limit of 1024.
 * @ret_done: the bytes that were written, set in every case; may be NULL.
 *
 * Other parameters as aion_write(), aion_pwrite(), aion_writev(). Result: 0.
 * Errors: those of aion_write(), aion_pwrite(), aion_writev() but -EINTR, and -EIO (also: the kernel took nothing).
 * Suspends: yes. Thread: loop. Source: as aion_write().
 */
AION_API AION_SUSPENDS int64_t aion_write_all(int fd, const void *buf, size_t size, size_t *ret_done);
AION_API AION_SUSPENDS int64_t aion_pwrite_all(int fd, const void *buf, size_t size, int64_t off, size_t *ret_done);
AION_API AION_SUSPENDS int64_t aion_writev_all(int fd, const struct iovec *iov, int iov_nr, size_t *ret_done);

/**
 * aion_fsync, aion_fdatasync - bring what was written to the device. Not interrupted once it runs.
 *
 * Result: 0. Errors: those of fsync(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: fsync(2), IORING_OP_FSYNC, Linux 5.1.
 */
AION_API AION_SUSPENDS int64_t aion_fsync(int fd);
AION_API void aion_op_fsync(struct aion_op *op, int fd);
AION_API AION_SUSPENDS int64_t aion_fdatasync(int fd);
AION_API void aion_op_fdatasync(struct aion_op *op, int fd);

/**
 * aion_sync_file_range - start or await the writing back of a part of a file.
 * @off, @size: bytes; size 0 reaches to the end of the file.
 * @flags: SYNC_FILE_RANGE_*.
 *
 * Result: 0. Errors: those of sync_file_range(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: sync_file_range(2), IORING_OP_SYNC_FILE_RANGE, Linux 5.2.
 */
AION_API AION_SUSPENDS int64_t aion_sync_file_range(int fd, int64_t off, int64_t size, unsigned flags);
AION_API void aion_op_sync_file_range(struct aion_op *op, int fd, int64_t off, int64_t size, unsigned flags);

/**
 * aion_fallocate - manipulate the space of a file: reserve, punch, zero.
 * @mode: FALLOC_FL_*, 0 reserves.
 * @off, @size: bytes.
 *
 * Result: 0. Errors: those of fallocate(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: fallocate(2), IORING_OP_FALLOCATE, Linux 5.6.
 */
AION_API AION_SUSPENDS int64_t aion_fallocate(int fd, int mode, int64_t off, int64_t size);
AION_API void aion_op_fallocate(struct aion_op *op, int fd, int mode, int64_t off, int64_t size);

/**
 * aion_ftruncate - set the size of a file.
 * @size: bytes.
 *
 * Result: 0. Errors: those of ftruncate(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: ftruncate(2), IORING_OP_FTRUNCATE, Linux 6.9; before, a worker thread.
 */
AION_API AION_SUSPENDS int64_t aion_ftruncate(int fd, int64_t size);
AION_API void aion_op_ftruncate(struct aion_op *op, int fd, int64_t size);

/**
 * aion_fadvise - say how a part of a file will be used.
 * @off, @size: bytes; size 0 reaches to the end of the file.
 * @advice: POSIX_FADV_*.
 *
 * Result: 0. Errors: those of posix_fadvise(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: posix_fadvise(2), IORING_OP_FADVISE, Linux 5.6.
 */
AION_API AION_SUSPENDS int64_t aion_fadvise(int fd, int64_t off, int64_t size, int advice);
AION_API void aion_op_fadvise(struct aion_op *op, int fd, int64_t off, int64_t size, int advice);

/**
 * aion_madvise - say how a part of memory will be used.
 * @address, @size: whole pages, bytes.
 * @advice: MADV_*.
 *
 * Result: 0. Errors: those of madvise(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: madvise(2), IORING_OP_MADVISE, Linux 5.6.
 */
AION_API AION_SUSPENDS int64_t aion_madvise(void *address, size_t size, int advice);
AION_API void aion_op_madvise(struct aion_op *op, void *address, size_t size, int advice);

#ifdef __cplusplus
}
#endif
#endif
