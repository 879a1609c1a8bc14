/* SPDX-License-Identifier: MIT */
/*
 * Entries executed by plain system calls. The fields are read as liburing's io_uring_prep_* lay them out; what only a
 * ring can do (fixed files, buffer selection, direct descriptors, multishot) is refused with -EINVAL.
 *
 * Where the system call and io_uring differ the system call wins: a read or write at an offset of a pipe, a socket or a
 * terminal gives -ESPIPE here, as pread(2) says, where io_uring ignores the offset.
 */
#include "exec_int.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "syscall_int.h"

typedef int64_t exec_fn(const struct io_uring_sqe *sqe);

/* What libc's functions say. errno is put back by the entry points. */
static int64_t from_libc(int64_t result)
{
	return result < 0 ? -errno : result;
}

static void *to_ptr(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

/* ---- reading and writing */

static inline int64_t exec_vector(long number, const struct io_uring_sqe *sqe, const struct iovec *iov, unsigned iov_nr)
{
	/* The kernel puts the offset together from two halves, the second of which does not count on 64 bits. */
	return aion__syscall6(number, sqe->fd, (long)iov, iov_nr, (long)sqe->off, (long)((int64_t)sqe->off >> 32),
			      sqe->rw_flags);
}

static int64_t exec_read(const struct io_uring_sqe *sqe)
{
	const struct iovec iov = {.iov_base = to_ptr(sqe->addr), .iov_len = sqe->len};

	return exec_vector(SYS_preadv2, sqe, &iov, 1);
}

static int64_t exec_write(const struct io_uring_sqe *sqe)
{
	const struct iovec iov = {.iov_base = to_ptr(sqe->addr), .iov_len = sqe->len};

	return exec_vector(SYS_pwritev2, sqe, &iov, 1);
}

static int64_t exec_readv(const struct io_uring_sqe *sqe)
{
	return exec_vector(SYS_preadv2, sqe, to_ptr(sqe->addr), sqe->len);
}

static int64_t exec_writev(const struct io_uring_sqe *sqe)
{
	return exec_vector(SYS_pwritev2, sqe, to_ptr(sqe->addr), sqe->len);
}

static int64_t exec_splice(const struct io_uring_sqe *sqe)
{
	loff_t in = (loff_t)sqe->splice_off_in;
	loff_t out = (loff_t)sqe->off;

	if (sqe->splice_flags & SPLICE_F_FD_IN_FIXED)
		return -EINVAL;
	return from_libc(splice(sqe->splice_fd_in, in == -1 ? NULL : &in, sqe->fd, out == -1 ? NULL : &out, sqe->len,
				sqe->splice_flags));
}

static int64_t exec_tee(const struct io_uring_sqe *sqe)
{
	if (sqe->splice_flags & SPLICE_F_FD_IN_FIXED)
		return -EINVAL;
	return from_libc(tee(sqe->splice_fd_in, sqe->fd, sqe->len, sqe->splice_flags));
}

/* ---- descriptors */

static int64_t exec_nop(const struct io_uring_sqe *sqe)
{
	(void)sqe;
	return 0;
}

static int64_t exec_openat(const struct io_uring_sqe *sqe)
{
	if (sqe->file_index)
		return -EINVAL;
	return from_libc(openat(sqe->fd, to_ptr(sqe->addr), (int)sqe->open_flags, (mode_t)sqe->len));
}

static int64_t exec_openat2(const struct io_uring_sqe *sqe)
{
	if (sqe->file_index)
		return -EINVAL;
	return aion__syscall6(SYS_openat2, sqe->fd, (long)sqe->addr, (long)sqe->off, sqe->len, 0, 0);
}

static int64_t exec_close(const struct io_uring_sqe *sqe)
{
	return sqe->file_index ? -EINVAL : from_libc(close(sqe->fd));
}

static int64_t exec_fsync(const struct io_uring_sqe *sqe)
{
	return from_libc(sqe->fsync_flags & IORING_FSYNC_DATASYNC ? fdatasync(sqe->fd) : fsync(sqe->fd));
}

/* The length is 64 bits wide in addr, or where that is zero in len: the ring has no way to say it. */
static int64_t exec_sync_file_range(const struct io_uring_sqe *sqe)
{
	return from_libc(sync_file_range(sqe->fd, (off64_t)sqe->off, (off64_t)(sqe->addr ? sqe->addr : sqe->len),
					 sqe->sync_range_flags));
}

static int64_t exec_fallocate(const struct io_uring_sqe *sqe)
{
	return from_libc(fallocate(sqe->fd, (int)sqe->len, (off_t)sqe->off, (off_t)sqe->addr));
}

static int64_t exec_ftruncate(const struct io_uring_sqe *sqe)
{
	return from_libc(ftruncate(sqe->fd, (off_t)sqe->off));
}

/* The length is 64 bits wide in addr, as Linux 6.11 has it, or where that is zero in len, as before. */
static int64_t exec_fadvise(const struct io_uring_sqe *sqe)
{
	return -posix_fadvise(sqe->fd, (off_t)sqe->off, (off_t)(sqe->addr ? sqe->addr : sqe->len),
			      (int)sqe->fadvise_advice);
}

/* The same with off, since addr is the address. */
static int64_t exec_madvise(const struct io_uring_sqe *sqe)
{
	return from_libc(madvise(to_ptr(sqe->addr), sqe->off ? (size_t)sqe->off : sqe->len, (int)sqe->fadvise_advice));
}

/* ---- poll */

int64_t aion__exec_poll(const struct io_uring_sqe *sqe, int timeout_ms)
{
	uint32_t events = sqe->poll32_events;
	struct pollfd poll_fd = {.fd = sqe->fd};
	int64_t result;

	if (sqe->len) /* multishot, or an update */
		return -EINVAL;
	if (sqe->fd < 0)
		return -EBADF;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	events = events << 16 | events >> 16;
#endif
	poll_fd.events = (short)events;
	result = from_libc(poll(&poll_fd, 1, timeout_ms));
	if (result <= 0)
		return result < 0 ? result : -EAGAIN;
	return poll_fd.revents & POLLNVAL ? -EBADF : poll_fd.revents;
}

static int64_t exec_poll(const struct io_uring_sqe *sqe)
{
	return aion__exec_poll(sqe, -1);
}

/* ---- names */

static int64_t exec_statx(const struct io_uring_sqe *sqe)
{
	return from_libc(statx(sqe->fd, to_ptr(sqe->addr), (int)sqe->statx_flags, sqe->len, to_ptr(sqe->off)));
}

static int64_t exec_renameat(const struct io_uring_sqe *sqe)
{
	return from_libc(renameat2(sqe->fd, to_ptr(sqe->addr), (int)sqe->len, to_ptr(sqe->addr2), sqe->rename_flags));
}

static int64_t exec_unlinkat(const struct io_uring_sqe *sqe)
{
	return from_libc(unlinkat(sqe->fd, to_ptr(sqe->addr), (int)sqe->unlink_flags));
}

static int64_t exec_mkdirat(const struct io_uring_sqe *sqe)
{
	return from_libc(mkdirat(sqe->fd, to_ptr(sqe->addr), (mode_t)sqe->len));
}

static int64_t exec_linkat(const struct io_uring_sqe *sqe)
{
	return from_libc(
		linkat(sqe->fd, to_ptr(sqe->addr), (int)sqe->len, to_ptr(sqe->addr2), (int)sqe->hardlink_flags));
}

static int64_t exec_symlinkat(const struct io_uring_sqe *sqe)
{
	return from_libc(symlinkat(to_ptr(sqe->addr), sqe->fd, to_ptr(sqe->addr2)));
}

static int64_t exec_fsetxattr(const struct io_uring_sqe *sqe)
{
	return from_libc(fsetxattr(sqe->fd, to_ptr(sqe->addr), to_ptr(sqe->addr2), sqe->len, (int)sqe->xattr_flags));
}

static int64_t exec_setxattr(const struct io_uring_sqe *sqe)
{
	return from_libc(
		setxattr(to_ptr(sqe->addr3), to_ptr(sqe->addr), to_ptr(sqe->addr2), sqe->len, (int)sqe->xattr_flags));
}

static int64_t exec_fgetxattr(const struct io_uring_sqe *sqe)
{
	return from_libc(fgetxattr(sqe->fd, to_ptr(sqe->addr), to_ptr(sqe->addr2), sqe->len));
}

static int64_t exec_getxattr(const struct io_uring_sqe *sqe)
{
	return from_libc(getxattr(to_ptr(sqe->addr3), to_ptr(sqe->addr), to_ptr(sqe->addr2), sqe->len));
}

/* ---- sockets; a send raises no SIGPIPE, as in io_uring */

/* ioprio holds the ring's own flags of a socket operation (multishot, bundle, fixed buffer). Only the one that asks the
 * ring to poll first means nothing here. */
static bool is_ring_only(const struct io_uring_sqe *sqe)
{
	return sqe->ioprio & ~IORING_RECVSEND_POLL_FIRST;
}

static int64_t exec_send(const struct io_uring_sqe *sqe)
{
	if (is_ring_only(sqe))
		return -EINVAL;
	return from_libc(sendto(sqe->fd, to_ptr(sqe->addr), sqe->len, (int)sqe->msg_flags | MSG_NOSIGNAL,
				to_ptr(sqe->addr2), sqe->addr_len));
}

static int64_t exec_recv(const struct io_uring_sqe *sqe)
{
	if (is_ring_only(sqe))
		return -EINVAL;
	/* Not libc's: where sanitizers look into it the memory is lent, and closed to the program. */
	return aion__syscall6(SYS_recvfrom, sqe->fd, (long)sqe->addr, sqe->len, (long)sqe->msg_flags, 0, 0);
}

static int64_t exec_sendmsg(const struct io_uring_sqe *sqe)
{
	if (is_ring_only(sqe))
		return -EINVAL;
	return from_libc(sendmsg(sqe->fd, to_ptr(sqe->addr), (int)sqe->msg_flags | MSG_NOSIGNAL));
}

static int64_t exec_recvmsg(const struct io_uring_sqe *sqe)
{
	if (is_ring_only(sqe))
		return -EINVAL;
	return from_libc(recvmsg(sqe->fd, to_ptr(sqe->addr), (int)sqe->msg_flags));
}

static int64_t exec_bind(const struct io_uring_sqe *sqe)
{
	return from_libc(bind(sqe->fd, to_ptr(sqe->addr), (socklen_t)sqe->off));
}

static int64_t exec_listen(const struct io_uring_sqe *sqe)
{
	return from_libc(listen(sqe->fd, (int)sqe->len));
}

static int64_t exec_accept(const struct io_uring_sqe *sqe)
{
	if (sqe->file_index || sqe->ioprio)
		return -EINVAL;
	return from_libc(accept4(sqe->fd, to_ptr(sqe->addr), to_ptr(sqe->addr2), (int)sqe->accept_flags));
}

static int64_t exec_connect(const struct io_uring_sqe *sqe)
{
	return from_libc(connect(sqe->fd, to_ptr(sqe->addr), (socklen_t)sqe->off));
}

static int64_t exec_socket(const struct io_uring_sqe *sqe)
{
	if (sqe->file_index || sqe->rw_flags)
		return -EINVAL;
	return from_libc(socket(sqe->fd, (int)sqe->off, (int)sqe->len));
}

static int64_t exec_shutdown(const struct io_uring_sqe *sqe)
{
	return from_libc(shutdown(sqe->fd, (int)sqe->len));
}

static exec_fn *const exec_table[256] = {
	[IORING_OP_NOP] = exec_nop,
	[IORING_OP_READ] = exec_read,
	[IORING_OP_READ_FIXED] = exec_read, /* a fixed buffer has an ordinary address */
	[IORING_OP_READV] = exec_readv,
	[IORING_OP_WRITE] = exec_write,
	[IORING_OP_WRITE_FIXED] = exec_write,
	[IORING_OP_WRITEV] = exec_writev,
	[IORING_OP_SPLICE] = exec_splice,
	[IORING_OP_TEE] = exec_tee,
	[IORING_OP_OPENAT] = exec_openat,
	[IORING_OP_OPENAT2] = exec_openat2,
	[IORING_OP_CLOSE] = exec_close,
	[IORING_OP_FSYNC] = exec_fsync,
	[IORING_OP_SYNC_FILE_RANGE] = exec_sync_file_range,
	[IORING_OP_FALLOCATE] = exec_fallocate,
	[AION__OP_FTRUNCATE] = exec_ftruncate,
	[IORING_OP_FADVISE] = exec_fadvise,
	[IORING_OP_MADVISE] = exec_madvise,
	[IORING_OP_POLL_ADD] = exec_poll,
	[IORING_OP_STATX] = exec_statx,
	[IORING_OP_RENAMEAT] = exec_renameat,
	[IORING_OP_UNLINKAT] = exec_unlinkat,
	[IORING_OP_MKDIRAT] = exec_mkdirat,
	[IORING_OP_LINKAT] = exec_linkat,
	[IORING_OP_SYMLINKAT] = exec_symlinkat,
	[IORING_OP_FSETXATTR] = exec_fsetxattr,
	[IORING_OP_SETXATTR] = exec_setxattr,
	[IORING_OP_FGETXATTR] = exec_fgetxattr,
	[IORING_OP_GETXATTR] = exec_getxattr,
	[IORING_OP_SEND] = exec_send,
	[IORING_OP_RECV] = exec_recv,
	[IORING_OP_SENDMSG] = exec_sendmsg,
	[IORING_OP_RECVMSG] = exec_recvmsg,
	[AION__OP_BIND] = exec_bind,
	[AION__OP_LISTEN] = exec_listen,
	[IORING_OP_ACCEPT] = exec_accept,
	[IORING_OP_CONNECT] = exec_connect,
	[IORING_OP_SOCKET] = exec_socket,
	[IORING_OP_SHUTDOWN] = exec_shutdown,
};

bool aion__exec_has(unsigned opcode)
{
	return opcode < 256 && exec_table[opcode];
}

int64_t aion__exec_blocking(const struct io_uring_sqe *sqe)
{
	exec_fn *fn = exec_table[sqe->opcode];
	int saved = errno;
	int64_t result;

	AION_ASSERT(sqe);
	if (!fn || sqe->flags & (IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT))
		return -EINVAL;
	result = fn(sqe);
	errno = saved;
	return result;
}
