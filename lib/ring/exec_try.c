/* SPDX-License-Identifier: MIT */
/*
 * Entries tried at once: a plain system call that is told not to block. A read may come back short because the rest is
 * not cached; only the caller knows whether that is good enough.
 */
#include "exec_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "syscall_int.h"

static void *to_ptr(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

/*
 * RWF_NOWAIT does not help with O_DIRECT, where the call waits for the device, nor with O_DSYNC, where a write waits
 * for the flush. Asking for a descriptor's flags costs a tenth of a hot read, so the answer is kept for some calls. A
 * descriptor number that was given anew within them makes a try block once in a while, or go by the ring needlessly;
 * nothing worse.
 */
#define FLAGS_SLOT_NR 16 /* descriptors whose flags a thread remembers */
#define FLAGS_USES 64    /* calls for which an answer is believed */
#define SECTOR_SIZE 512  /* bytes; O_DIRECT refuses less, or goes through the page cache */

struct flags_slot {
	int fd;
	uint16_t uses_left;
	bool is_direct;
	bool is_sync;
};

static __thread struct flags_slot flags_slots[FLAGS_SLOT_NR];

static void flags_ask(struct flags_slot *slot, int fd)
{
	long flags = aion__syscall6(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0);

	slot->fd = fd;
	slot->uses_left = FLAGS_USES;
	slot->is_direct = flags >= 0 && flags & O_DIRECT;
	slot->is_sync = flags >= 0 && flags & O_DSYNC;
}

static inline const struct flags_slot *flags_of(int fd)
{
	struct flags_slot *slot = &flags_slots[(unsigned)fd % FLAGS_SLOT_NR];

	if (aion__unlikely(slot->fd != fd || !slot->uses_left))
		flags_ask(slot, fd);
	slot->uses_left--;
	return slot;
}

static inline bool is_sector_aligned(const struct io_uring_sqe *sqe)
{
	return sqe->off == UINT64_C(-1) || !(sqe->off % SECTOR_SIZE);
}

static inline int64_t try_read(const struct io_uring_sqe *sqe, const struct iovec *iov, unsigned iov_nr)
{
	if (is_sector_aligned(sqe) && flags_of(sqe->fd)->is_direct)
		return -EAGAIN;
	return aion__syscall6(SYS_preadv2, sqe->fd, (long)iov, iov_nr, (long)sqe->off, (long)((int64_t)sqe->off >> 32),
			      sqe->rw_flags | RWF_NOWAIT);
}

static int64_t try_with_flag(const struct io_uring_sqe *sqe, int flag)
{
	struct io_uring_sqe copy = *sqe;

	copy.rw_flags |= flag; /* the word that all kinds of flags share */
	return aion__exec_blocking(&copy);
}

static int64_t try_write(const struct io_uring_sqe *sqe)
{
	const struct flags_slot *slot = flags_of(sqe->fd);

	if (slot->is_direct || slot->is_sync || sqe->rw_flags & (RWF_DSYNC | RWF_SYNC))
		return -EAGAIN;
	return try_with_flag(sqe, RWF_NOWAIT);
}

/*
 * Open if every name of the path is cached. A pipe or a terminal may block in the open itself, so it is done with
 * O_NONBLOCK, which is taken off again (io_uring heeds it on plain files, too). So a named pipe opens for reading
 * without a writer. It is not closed again for that: a writer who waits for a reader has been let through, and would
 * lose him.
 */
static int64_t try_open(int dir_fd, uint64_t path, const struct open_how *wanted)
{
	struct open_how how = *wanted;
	int64_t fd;

	if (how.flags & (O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY)))
		return -EAGAIN;
	how.resolve |= RESOLVE_CACHED;
	if (!(how.flags & (O_PATH | O_DIRECTORY)))
		how.flags |= O_NONBLOCK;
	fd = aion__syscall6(SYS_openat2, dir_fd, (long)path, (long)&how, sizeof(how), 0, 0);
	if (how.flags == wanted->flags)
		return fd;
	if (fd < 0)
		return fd == -ENXIO ? -EAGAIN : fd;
	aion__syscall6(SYS_fcntl, fd, F_SETFL, (long)wanted->flags, 0, 0, 0);
	return fd;
}

static int64_t try_openat(const struct io_uring_sqe *sqe)
{
	const struct open_how how = {.flags = sqe->open_flags};
	int64_t fd;

	if (sqe->file_index)
		return -EINVAL;
	fd = try_open(sqe->fd, sqe->addr, &how);
	/* openat(2) overlooks flags that openat2(2) refuses. */
	return fd == -EINVAL ? -EAGAIN : fd;
}

static int64_t try_openat2(const struct io_uring_sqe *sqe)
{
	if (sqe->file_index)
		return -EINVAL;
	if (sqe->len != sizeof(struct open_how) || !sqe->off)
		return -EAGAIN;
	return try_open(sqe->fd, sqe->addr, to_ptr(sqe->off));
}

/* Nothing to look up and nobody to ask: an open descriptor whose attributes need not be fresh. */
static int64_t try_statx(const struct io_uring_sqe *sqe)
{
	const char *path = to_ptr(sqe->addr);

	if (!(sqe->statx_flags & AT_EMPTY_PATH) || (path && *path) ||
	    (sqe->statx_flags & AT_STATX_SYNC_TYPE) != AT_STATX_DONT_SYNC)
		return -EOPNOTSUPP;
	return aion__exec_blocking(sqe);
}

/* Advice that only sets a field; the others read or drop pages. */
static int64_t try_fadvise(const struct io_uring_sqe *sqe)
{
	switch (sqe->fadvise_advice) {
	case POSIX_FADV_NORMAL:
	case POSIX_FADV_RANDOM:
	case POSIX_FADV_SEQUENTIAL:
	case POSIX_FADV_NOREUSE:
		return aion__exec_blocking(sqe);
	default:
		return -EOPNOTSUPP;
	}
}

/* Every message that a server sends comes by here: the call itself, for the ring's own flags are none. */
static inline int64_t try_send(const struct io_uring_sqe *sqe)
{
	return aion__syscall6(SYS_sendto, sqe->fd, (long)sqe->addr, sqe->len,
			      (long)(sqe->msg_flags | MSG_DONTWAIT | MSG_NOSIGNAL), (long)sqe->addr2, sqe->addr_len);
}

static __attribute__((noinline)) int64_t try_read_plain(const struct io_uring_sqe *sqe)
{
	const struct iovec iov = {.iov_base = to_ptr(sqe->addr), .iov_len = sqe->len};

	return try_read(sqe, &iov, 1);
}

static __attribute__((noinline)) int64_t try_other(const struct io_uring_sqe *sqe)
{
	switch (sqe->opcode) {
	case IORING_OP_NOP:
	case IORING_OP_SOCKET:
	case IORING_OP_SHUTDOWN:
		return aion__exec_blocking(sqe);
	case IORING_OP_READV:
		return try_read(sqe, to_ptr(sqe->addr), sqe->len);
	case IORING_OP_WRITE:
	case IORING_OP_WRITE_FIXED:
	case IORING_OP_WRITEV:
		return try_write(sqe);
	case IORING_OP_SEND:
	case IORING_OP_RECV:
	case IORING_OP_SENDMSG:
	case IORING_OP_RECVMSG:
		return try_with_flag(sqe, MSG_DONTWAIT);
	case IORING_OP_TEE:
		return try_with_flag(sqe, SPLICE_F_NONBLOCK);
	case IORING_OP_POLL_ADD:
		return aion__exec_poll(sqe, 0);
	case IORING_OP_OPENAT:
		return try_openat(sqe);
	case IORING_OP_OPENAT2:
		return try_openat2(sqe);
	case IORING_OP_STATX:
		return try_statx(sqe);
	case IORING_OP_FADVISE:
		return try_fadvise(sqe);
	case AION__CALL_GETFL:
		return aion__syscall6(SYS_fcntl, sqe->fd, F_GETFL, 0, 0, 0, 0);
	case AION__CALL_CLOSE:
		return aion__syscall6(SYS_close, sqe->fd, 0, 0, 0, 0, 0);
	default:
		return aion__exec_call(sqe);
	}
}

/* What is tried most has a way of its own, on which no more registers are saved than it needs. */
int64_t aion__exec_try(const struct io_uring_sqe *sqe)
{
	if (aion__unlikely(sqe->flags & (IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT)))
		return -EOPNOTSUPP;
	if (aion__likely(sqe->opcode == IORING_OP_READ || sqe->opcode == IORING_OP_READ_FIXED))
		return try_read_plain(sqe);
	if (aion__likely(sqe->opcode == IORING_OP_SEND && !sqe->ioprio))
		return try_send(sqe);
	return try_other(sqe);
}
