/* SPDX-License-Identifier: MIT */
/*
 * Entries for the real machine: the process's own descriptors, and names if the machine is to have those of the real
 * one. They are executed by system calls that do not wait; who would have to is asked again later. Files and
 * directories are taken not to block.
 *
 * Where io_uring and the system call differ io_uring wins: pipes have no offsets, and O_NONBLOCK keeps nobody from
 * waiting.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "annotate_int.h"
#include "exec_int.h"
#include "sim_buffer_int.h"
#include "sim_host_int.h"
#include "sim_model_int.h"

#define CURRENT_POSITION UINT64_MAX

/* ---- whose it is */

static bool is_two_files(unsigned opcode)
{
	return opcode == IORING_OP_SPLICE || opcode == IORING_OP_TEE;
}

/* Its descriptor, if it has one, is only where a path starts. */
static bool is_by_path(unsigned opcode)
{
	switch (opcode) {
	case IORING_OP_OPENAT:
	case IORING_OP_OPENAT2:
	case IORING_OP_STATX:
	case IORING_OP_RENAMEAT:
	case IORING_OP_UNLINKAT:
	case IORING_OP_MKDIRAT:
	case IORING_OP_LINKAT:
	case IORING_OP_SYMLINKAT:
	case IORING_OP_GETXATTR:
	case IORING_OP_SETXATTR:
		return true;
	default:
		return false;
	}
}

static const char *text_of(uint64_t address)
{
	return address < AION__HOST_ADDRESS_LOWEST ? "" : (const char *)(uintptr_t)address;
}

/* statx(2) of a descriptor of the machine's. */
static bool is_about_machine(const struct aion_sim *sim, const struct io_uring_sqe *sqe)
{
	return sqe->opcode == IORING_OP_STATX && sqe->statx_flags & AT_EMPTY_PATH && !*text_of(sqe->addr) &&
	       aion__sim_fd_file(sim, sqe->fd);
}

bool aion__sim_is_host(const struct aion_sim *sim, const struct io_uring_sqe *sqe)
{
	const struct aion__sim_call *call = &aion__sim_calls[sqe->opcode];

	if (call->has_fd || call->is_host_by_fd)
		return aion__sim_fd_is_host(sqe->fd) ||
		       (is_two_files(sqe->opcode) && aion__sim_fd_is_host(sqe->splice_fd_in));
	return sim->options.host_files && is_by_path(sqe->opcode) && !is_about_machine(sim, sqe);
}

/* ---- what a descriptor is, and whether it is ready */

/* The type of a file; 0: none of the usual ones, or no such descriptor. */
static mode_t type_of(int fd)
{
	struct stat status;
	int saved = errno;
	int result = fstat(fd, &status);

	errno = saved;
	return result < 0 ? 0 : status.st_mode & S_IFMT;
}

static int fd_option(int fd, int option)
{
	int value = 0, saved = errno;
	socklen_t size = sizeof(value);

	if (getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0)
		value = 0;
	errno = saved;
	return value;
}

/* Ready, or wrong in a way that the call itself will tell. */
static bool is_ready(int fd, short events)
{
	struct pollfd poll_fd = {.fd = fd, .events = events};
	int saved = errno;
	int result = poll(&poll_fd, 1, 0);

	errno = saved;
	return result > 0;
}

static int64_t later_if_again(int64_t result)
{
	return result == -EAGAIN ? AION__SIM_LATER : result;
}

static int64_t when_ready(const struct io_uring_sqe *sqe, short events)
{
	return is_ready(sqe->fd, events) ? aion__exec_blocking(sqe) : AION__SIM_LATER;
}

/* ---- reading and writing */

static bool is_read(const struct io_uring_sqe *sqe)
{
	return sqe->opcode == IORING_OP_READ || sqe->opcode == IORING_OP_READ_FIXED || sqe->opcode == IORING_OP_READV;
}

/* Offsets of what has none; a socket takes 0. */
static uint64_t off_of(const struct io_uring_sqe *sqe, mode_t type)
{
	bool is_ignored =
		(type == S_IFSOCK && sqe->off == 0) || ((type == S_IFIFO || type == 0) && (int64_t)sqe->off >= 0);

	return is_ignored ? CURRENT_POSITION : sqe->off;
}

static int64_t host_rw(const struct io_uring_sqe *sqe)
{
	mode_t type = type_of(sqe->fd);
	struct io_uring_sqe copy = *sqe;
	int64_t result;

	if (type == S_IFREG || type == S_IFDIR || type == S_IFBLK)
		return aion__exec_blocking(sqe);
	copy.off = off_of(sqe, type);
	copy.rw_flags |= RWF_NOWAIT;
	result = aion__exec_blocking(&copy);
	if (sqe->rw_flags & RWF_NOWAIT)
		return result;
	if (result != -EOPNOTSUPP)
		return later_if_again(result);
	/* It knows no way not to wait, as a terminal, or refuses the flags, which it then does again. */
	copy.rw_flags = sqe->rw_flags;
	return when_ready(&copy, is_read(sqe) ? POLLIN : POLLOUT);
}

/* ---- sockets */

/* Whether all is wanted, and that means something. */
static bool wants_all(const struct io_uring_sqe *sqe)
{
	return (sqe->opcode == IORING_OP_SEND || sqe->opcode == IORING_OP_RECV) && sqe->msg_flags & MSG_WAITALL &&
	       fd_option(sqe->fd, SO_TYPE) == SOCK_STREAM;
}

static int64_t host_message(struct aion__sim_request *request, uint8_t opcode)
{
	struct io_uring_sqe copy = request->sqe;
	bool is_whole;
	int64_t result;

	copy.opcode = opcode;
	is_whole = wants_all(&copy);
	copy.msg_flags |= MSG_DONTWAIT;
	copy.addr += (uint64_t)request->done;
	copy.len -= (uint32_t)request->done;
	result = aion__exec_blocking(&copy);
	if (result == -EAGAIN && !(request->sqe.msg_flags & MSG_DONTWAIT))
		return AION__SIM_LATER;
	if (result > 0)
		request->done += result;
	if (result > 0 && is_whole && (uint64_t)request->done < request->sqe.len)
		return AION__SIM_LATER;
	return request->done ? request->done : result;
}

static int64_t host_recv_selected(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct io_uring_sqe copy = request->sqe;
	int64_t room = aion__sim_buffer_room(sim, request), result;

	request->cqe_flags = 0;
	if (room < 0)
		return room;
	copy.flags = 0;
	copy.ioprio = 0;
	copy.addr = (uintptr_t)aion__sim_stage(request, (size_t)room);
	copy.len = (uint32_t)room;
	copy.msg_flags |= MSG_DONTWAIT;
	result = aion__exec_blocking(&copy);
	if (result > 0)
		aion__sim_buffer_fill(sim, request, request->stage, (size_t)result);
	return result;
}

/* Into buffers of a group, once or again and again. The kernel looks for a buffer at the beginning and whenever there is
 * something to receive; if it is to wait first, only then. */
static int64_t host_recv_shots(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;
	int64_t result;

	if (sqe->ioprio & IORING_RECVSEND_POLL_FIRST)
		request->a = 1;
	while (!request->a || is_ready(sqe->fd, POLLIN | POLLRDHUP)) {
		request->a = 1;
		request->is_multishot = sqe->ioprio & IORING_RECV_MULTISHOT;
		result = host_recv_selected(sim, request);
		if (result == -EAGAIN && !(sqe->msg_flags & MSG_DONTWAIT))
			break;
		if (result <= 0 || !request->is_multishot || aion__sim_shot_is_last(sim))
			return result;
		aion__sim_post_more(sim, request, result, request->cqe_flags);
	}
	return AION__SIM_LATER;
}

/* Copied all the same, as the kernel does over the loopback; its notification says that the buffer is free. */
static int64_t host_message_zc(struct aion__sim_request *request)
{
	int domain = fd_option(request->sqe.fd, SO_DOMAIN);

	if (domain == AF_UNIX)
		return -EOPNOTSUPP;
	request->wants_notif = true;
	return host_message(request, request->sqe.opcode == IORING_OP_SEND_ZC ? IORING_OP_SEND : IORING_OP_SENDMSG);
}

/* Begun without waiting; then asked for again, until it says how it has ended. */
static int64_t host_connect(struct aion__sim_request *request)
{
	int fd = request->sqe.fd, saved = errno, flags = fcntl(fd, F_GETFL);
	int64_t result;

	if (flags >= 0)
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	result = aion__exec_blocking(&request->sqe);
	if (flags >= 0)
		fcntl(fd, F_SETFL, flags);
	errno = saved;
	if (request->a && result == -EISCONN)
		return 0;
	if (result == -EINPROGRESS || (request->a && result == -EALREADY)) {
		request->a = 1;
		return AION__SIM_LATER;
	}
	return later_if_again(result);
}

/* A multishot request takes all that wait, and stays for those who come. */
static int64_t host_accept(struct aion_sim *sim, struct aion__sim_request *request)
{
	struct io_uring_sqe copy = request->sqe;

	request->is_multishot = copy.ioprio & IORING_ACCEPT_MULTISHOT;
	copy.ioprio &= (uint16_t)~IORING_ACCEPT_MULTISHOT;
	for (;;) {
		int64_t result = when_ready(&copy, POLLIN);

		if (result < 0 || !request->is_multishot || aion__sim_shot_is_last(sim))
			return result;
		aion__sim_post_more(sim, request, result, 0);
	}
}

/* ---- two files */

/* That a socket is not to be waited for only its own flag can say: what it was, to be put back; -1: it is no socket. */
static int socket_hurry(int fd)
{
	int flags = type_of(fd) == S_IFSOCK ? fcntl(fd, F_GETFL) : -1;

	if (flags >= 0)
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	return flags;
}

static void socket_calm(int fd, int flags)
{
	if (flags >= 0)
		fcntl(fd, F_SETFL, flags);
}

/* Neither a pipe nor a socket, which are told not to: a terminal, say. */
static bool may_have_to_wait(int fd, short events)
{
	mode_t type = type_of(fd);

	return type != S_IFIFO && type != S_IFSOCK && type != S_IFREG && !is_ready(fd, events);
}

static int64_t host_splice(const struct aion_sim *sim, const struct io_uring_sqe *sqe)
{
	struct io_uring_sqe copy = *sqe;
	int in_flags, out_flags;
	int64_t result;

	/* Nothing leads from one machine to the other. */
	if (!aion__sim_fd_is_host(sqe->fd))
		return aion__sim_fd_file(sim, sqe->fd) ? -EXDEV : -EBADF;
	if (!aion__sim_fd_is_host(sqe->splice_fd_in))
		return aion__sim_fd_file(sim, sqe->splice_fd_in) ? -EXDEV : -EBADF;
	if (sqe->splice_flags & SPLICE_F_NONBLOCK)
		return aion__exec_blocking(sqe);
	/* What is no pipe may wait all the same; tee(2) refuses it. */
	if (sqe->opcode == IORING_OP_SPLICE &&
	    (may_have_to_wait(sqe->splice_fd_in, POLLIN) || may_have_to_wait(sqe->fd, POLLOUT)))
		return AION__SIM_LATER;
	copy.splice_flags |= SPLICE_F_NONBLOCK;
	in_flags = socket_hurry(sqe->splice_fd_in);
	out_flags = socket_hurry(sqe->fd);
	result = aion__exec_blocking(&copy);
	socket_calm(sqe->fd, out_flags);
	socket_calm(sqe->splice_fd_in, in_flags);
	return later_if_again(result);
}

/* ---- names */

/* A relative path cannot start at what the machine has open, since no directory is among that. */
static bool starts_at_machine(const struct aion_sim *sim, int fd, uint64_t address)
{
	const char *path = text_of(address);

	return aion__sim_fd_file(sim, fd) && *path && *path != '/';
}

static bool is_astray(const struct aion_sim *sim, const struct io_uring_sqe *sqe)
{
	switch (sqe->opcode) {
	case IORING_OP_GETXATTR:
	case IORING_OP_SETXATTR:
		return false;
	case IORING_OP_SYMLINKAT:
		return starts_at_machine(sim, sqe->fd, sqe->addr2);
	case IORING_OP_RENAMEAT:
	case IORING_OP_LINKAT:
		return starts_at_machine(sim, sqe->fd, sqe->addr) || starts_at_machine(sim, (int)sqe->len, sqe->addr2);
	default:
		return starts_at_machine(sim, sqe->fd, sqe->addr);
	}
}

static int64_t host_names(const struct aion_sim *sim, struct aion__sim_request *request)
{
	if (is_astray(sim, &request->sqe))
		return -ENOTDIR;
	if (request->sqe.opcode == IORING_OP_OPENAT || request->sqe.opcode == IORING_OP_OPENAT2)
		return aion__sim_host_open(request);
	return aion__exec_blocking(&request->sqe);
}

/* ---- attempts */

static int64_t host_attempt(struct aion_sim *sim, struct aion__sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;

	if (is_by_path(sqe->opcode))
		return host_names(sim, request);
	switch (sqe->opcode) {
	case IORING_OP_READ:
	case IORING_OP_READ_FIXED:
	case IORING_OP_READV:
	case IORING_OP_WRITE:
	case IORING_OP_WRITE_FIXED:
	case IORING_OP_WRITEV:
		return host_rw(sqe);
	case IORING_OP_RECV:
		if (sqe->flags & IOSQE_BUFFER_SELECT)
			return host_recv_shots(sim, request);
		return host_message(request, sqe->opcode);
	case IORING_OP_SEND:
	case IORING_OP_SENDMSG:
	case IORING_OP_RECVMSG:
		return host_message(request, sqe->opcode);
	case IORING_OP_SEND_ZC:
	case IORING_OP_SENDMSG_ZC:
		return host_message_zc(request);
	case IORING_OP_ACCEPT: /* of what does not listen the call itself tells what is wrong */
		return fd_option(sqe->fd, SO_ACCEPTCONN) ? host_accept(sim, request) : aion__exec_blocking(sqe);
	case IORING_OP_CONNECT:
		return host_connect(request);
	case IORING_OP_SPLICE:
	case IORING_OP_TEE:
		return host_splice(sim, sqe);
	case IORING_OP_POLL_ADD:
		return aion__sim_host_poll(sim, request);
	default:
		return aion__exec_blocking(sqe);
	}
}

/* What the program has lent is closed to the process as valgrind sees it, but not to its kernel. */
int64_t aion__sim_host_attempt(struct aion_sim *sim, struct aion__sim_request *request)
{
	int64_t result;

#ifdef AION_VALGRIND
	VALGRIND_DISABLE_ERROR_REPORTING;
#endif
	result = host_attempt(sim, request);
#ifdef AION_VALGRIND
	VALGRIND_ENABLE_ERROR_REPORTING;
#endif
	return result;
}

void aion__sim_poll_abandon(struct aion_sim *sim, struct aion__sim_request *request)
{
	(void)sim;
	if (request->is_host)
		aion__sim_host_poll_close(request);
}

void aion__sim_open_abandon(struct aion_sim *sim, struct aion__sim_request *request)
{
	(void)sim;
	/* An open on the machine has only its file, which the request gives back in any case. */
	if (request->is_host)
		aion__sim_host_open_abandon(request);
}
