/* SPDX-License-Identifier: MIT */
/* Which model stands behind which opcode; and entries that are executed at once, without a queue. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "exec_int.h"
#include "sim_model_int.h"
#include "sim_socket_int.h"

#define DATA .has_fd = true, .moves_data = true
#define DATA_OUT DATA, .allocates_space = true
#define NETWORK .has_fd = true, .moves_data = true, .is_network = true

static int64_t nop_attempt(struct aion_sim *sim, struct aion__sim_request *request)
{
	(void)sim, (void)request;
	return 0;
}

static int64_t close_attempt(struct aion_sim *sim, struct aion__sim_request *request)
{
	return aion__sim_fd_close(sim, request->sqe.fd);
}

const struct aion__sim_call aion__sim_calls[256] = {
	[IORING_OP_NOP] = {"nop", nop_attempt, .kind = AION__SIM_QUICK},
	[IORING_OP_ASYNC_CANCEL] = {"cancel", aion__sim_cancel_attempt, .kind = AION__SIM_QUICK, .is_immediate = true},
	[IORING_OP_CLOSE] = {"close", close_attempt, .kind = AION__SIM_QUICK, .is_host_by_fd = true},

	[IORING_OP_READ] = {"read", aion__sim_read, .memory = AION__SIM_FILLS, DATA},
	[IORING_OP_READ_FIXED] = {"read_fixed", aion__sim_read, .memory = AION__SIM_FILLS, DATA},
	[IORING_OP_READV] = {"readv", aion__sim_read, .memory = AION__SIM_FILLS_VECTOR, DATA},
	[IORING_OP_WRITE] = {"write", aion__sim_write, .memory = AION__SIM_LENDS, DATA_OUT},
	[IORING_OP_WRITE_FIXED] = {"write_fixed", aion__sim_write, .memory = AION__SIM_LENDS, DATA_OUT},
	[IORING_OP_WRITEV] = {"writev", aion__sim_write, .memory = AION__SIM_LENDS_VECTOR, DATA_OUT},

	[IORING_OP_FSYNC] = {"fsync", aion__sim_fsync, .kind = AION__SIM_DISK, DATA},
	[IORING_OP_SYNC_FILE_RANGE] = {"sync_file_range", aion__sim_sync_file_range, .kind = AION__SIM_DISK, DATA},
	[IORING_OP_FALLOCATE] = {"fallocate", aion__sim_fallocate, .kind = AION__SIM_DISK, .has_fd = true,
				 .allocates_space = true},
	[AION__OP_FTRUNCATE] = {"ftruncate", aion__sim_ftruncate, .kind = AION__SIM_DISK, .has_fd = true},
	[IORING_OP_FADVISE] = {"fadvise", aion__sim_fadvise, .kind = AION__SIM_DISK, .has_fd = true},
	[IORING_OP_MADVISE] = {"madvise", aion__sim_madvise, .kind = AION__SIM_DISK},

	[IORING_OP_OPENAT] = {"openat", aion__sim_openat, .abandon = aion__sim_open_abandon, .kind = AION__SIM_DISK,
			      .gives_fd = true},
	[IORING_OP_OPENAT2] = {"openat2", aion__sim_openat2, .abandon = aion__sim_open_abandon, .kind = AION__SIM_DISK,
			       .gives_fd = true},
	[IORING_OP_STATX] = {"statx", aion__sim_statx, .kind = AION__SIM_DISK, .memory = AION__SIM_FILLS_STATX},
	[IORING_OP_RENAMEAT] = {"renameat", aion__sim_renameat, .kind = AION__SIM_DISK},
	[IORING_OP_UNLINKAT] = {"unlinkat", aion__sim_unlinkat, .kind = AION__SIM_DISK},
	[IORING_OP_MKDIRAT] = {"mkdirat", aion__sim_mkdirat, .kind = AION__SIM_DISK},
	[IORING_OP_LINKAT] = {"linkat", aion__sim_linkat, .kind = AION__SIM_DISK},
	[IORING_OP_SYMLINKAT] = {"symlinkat", aion__sim_symlinkat, .kind = AION__SIM_DISK},
	[IORING_OP_FGETXATTR] = {"fgetxattr", aion__sim_fgetxattr, .kind = AION__SIM_DISK,
				 .memory = AION__SIM_FILLS_VALUE, .has_fd = true},
	[IORING_OP_GETXATTR] = {"getxattr", aion__sim_getxattr, .kind = AION__SIM_DISK,
				.memory = AION__SIM_FILLS_VALUE},
	[IORING_OP_FSETXATTR] = {"fsetxattr", aion__sim_fsetxattr, .kind = AION__SIM_DISK,
				 .memory = AION__SIM_LENDS_VALUE, .has_fd = true},
	[IORING_OP_SETXATTR] = {"setxattr", aion__sim_setxattr, .kind = AION__SIM_DISK,
				.memory = AION__SIM_LENDS_VALUE},

	[AION__OP_PIPE] = {"pipe", aion__sim_pipe2, .finish = aion__sim_pipe2_finish, .kind = AION__SIM_QUICK},
	[IORING_OP_SPLICE] = {"splice", aion__sim_splice, .abandon = aion__sim_splice_abandon, .kind = AION__SIM_WAITS,
			      .has_fd = true},
	[IORING_OP_TEE] = {"tee", aion__sim_tee, .abandon = aion__sim_splice_abandon, .kind = AION__SIM_WAITS,
			   .has_fd = true},
	[IORING_OP_POLL_ADD] = {"poll", aion__sim_poll_add, .abandon = aion__sim_poll_abandon, .kind = AION__SIM_WAITS,
				.has_fd = true},
	[IORING_OP_POLL_REMOVE] = {"poll_remove", aion__sim_poll_remove, .kind = AION__SIM_QUICK, .is_immediate = true},

	[IORING_OP_SOCKET] = {"socket", aion__sim_socket, .kind = AION__SIM_QUICK, .gives_fd = true},
	[AION__OP_BIND] = {"bind", aion__sim_bind, .kind = AION__SIM_QUICK, .has_fd = true},
	[AION__OP_LISTEN] = {"listen", aion__sim_listen, .kind = AION__SIM_QUICK, .has_fd = true},
	[IORING_OP_ACCEPT] = {"accept", aion__sim_accept, .finish = aion__sim_accept_finish, .kind = AION__SIM_WAITS,
			      .has_fd = true, .gives_fd = true},
	[IORING_OP_CONNECT] = {"connect", aion__sim_connect, .abandon = aion__sim_connect_abandon,
			       .kind = AION__SIM_WAITS, .has_fd = true},
	[IORING_OP_SHUTDOWN] = {"shutdown", aion__sim_shutdown, .kind = AION__SIM_QUICK, .has_fd = true},
	[IORING_OP_SEND] = {"send", aion__sim_send, .memory = AION__SIM_LENDS, NETWORK},
	[IORING_OP_SEND_ZC] = {"send_zc", aion__sim_send, .memory = AION__SIM_LENDS, NETWORK},
	[IORING_OP_RECV] = {"recv", aion__sim_recv, .memory = AION__SIM_FILLS, NETWORK},
	[IORING_OP_SENDMSG] = {"sendmsg", aion__sim_sendmsg, .memory = AION__SIM_LENDS_MESSAGE, NETWORK},
	[IORING_OP_SENDMSG_ZC] = {"sendmsg_zc", aion__sim_sendmsg, .memory = AION__SIM_LENDS_MESSAGE, NETWORK},
	[IORING_OP_RECVMSG] = {"recvmsg", aion__sim_recvmsg, .finish = aion__sim_recvmsg_finish,
			       .memory = AION__SIM_FILLS_MESSAGE, NETWORK},
};

/* ---- at once */

/* A request that is in no queue. */
static int64_t execute(struct aion_sim *sim, const struct io_uring_sqe *sqe)
{
	struct aion__sim_request request = {.sqe = *sqe, .call = &aion__sim_calls[sqe->opcode]};
	size_t size;
	int64_t result;

	if (!request.call->attempt)
		return -EINVAL;
	if (request.call->has_fd) {
		request.file = aion__sim_fd_file(sim, sqe->fd);
		if (!request.file)
			return -EBADF;
		request.file->ref_nr++;
	}
	result = aion__sim_memory_lend(sim, &request);
	if (result == 0) {
		result = request.call->attempt(sim, &request);
		if (result == AION__SIM_LATER) {
			if (request.call->abandon)
				request.call->abandon(sim, &request);
			result = -EAGAIN;
		}
		if (request.call->finish)
			request.call->finish(sim, &request, result);
		size = request.stage_size ? request.stage_size : result > 0 ? (size_t)result : 0;
		aion__sim_memory_return(sim, &request, size);
	}
	if (request.file)
		aion__sim_file_unref(sim, request.file);
	aion__sim_free(request.stage);
	return result;
}

/* Whether it can be tried at all; what blocks is told not to. */
static bool try_prepare(struct aion_sim *sim, struct io_uring_sqe *sqe)
{
	const struct aion__sim_file *file = aion__sim_fd_file(sim, sqe->fd);

	switch (sqe->opcode) {
	case IORING_OP_READ:
	case IORING_OP_READV:
	case IORING_OP_WRITE:
	case IORING_OP_WRITEV:
		sqe->rw_flags |= RWF_NOWAIT;
		return !(file && file->ops->is_disk && file->flags & O_DIRECT);
	case IORING_OP_SEND:
	case IORING_OP_RECV:
	case IORING_OP_SENDMSG:
	case IORING_OP_RECVMSG:
		sqe->msg_flags |= MSG_DONTWAIT;
		return true;
	case IORING_OP_OPENAT:
	case IORING_OP_OPENAT2:
		return true;
	case IORING_OP_NOP:
	case IORING_OP_SOCKET:
	case IORING_OP_SHUTDOWN:
	case IORING_OP_STATX:
		return true;
	default:
		return false;
	}
}

static int64_t call_fd(struct aion_sim *sim, const struct io_uring_sqe *sqe)
{
	const struct aion__sim_file *file = aion__sim_fd_file(sim, sqe->fd);

	if (sqe->opcode == AION__CALL_CLOSE)
		return aion__sim_fd_close(sim, sqe->fd);
	return file ? file->flags : -EBADF;
}

static bool is_attributes_of_fd(const struct io_uring_sqe *sqe)
{
	const char *path = (const char *)(uintptr_t)sqe->addr;

	return sqe->opcode == IORING_OP_STATX && sqe->statx_flags & AT_EMPTY_PATH && (!path || !*path);
}

int64_t aion__sim_call_now(struct aion__ring *ring, const struct io_uring_sqe *sqe)
{
	struct aion_sim *sim = aion__sim_of(ring);
	struct io_uring_sqe copy = *sqe;
	int64_t result;

	if (sqe->opcode == AION__CALL_GETFL || sqe->opcode == AION__CALL_CLOSE)
		return aion__sim_fd_is_host(sqe->fd) ? aion__exec_try(sqe) : call_fd(sim, sqe);
	if (sqe->opcode >= AION__CALL_GETSOCKOPT && sqe->opcode <= AION__CALL_PIPE)
		return aion__sim_call_socket(sim, sqe);
	if (aion__sim_is_host(sim, sqe))
		return aion__exec_try(sqe);
	result = aion__sim_injected(sim, sqe->opcode);
	if (!result) {
		if (!try_prepare(sim, &copy))
			return -EOPNOTSUPP;
		result = -EAGAIN;
		if (is_attributes_of_fd(sqe) || aion__sim_strikes(sim, AION_SIM_TRY))
			result = execute(sim, &copy);
	}
	aion__sim_trace(sim, AION__SIM_EVENT_TRY, 0, sqe->opcode, result, sqe->len);
	return result;
}

int64_t aion__sim_call_exec(struct aion__ring *ring, const struct io_uring_sqe *sqe)
{
	struct aion_sim *sim = aion__sim_of(ring);

	return aion__sim_is_host(sim, sqe) ? aion__exec_blocking(sqe) : execute(sim, sqe);
}
