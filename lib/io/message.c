/* SPDX-License-Identifier: MIT */
/*
 * Sending and receiving. A send is tried at once, for a socket usually has room: that saves the trip through the ring. A
 * receive is not, for usually nothing has come yet, and the ring waits better than a call that was in vain.
 */
#include <errno.h>
#include <string.h>

#include <aion/file.h>
#include <aion/message.h>
#include <aion/scope.h>

#define SIZE_MAX_ONCE ((size_t)0x7ffff000) /* bytes that one call moves at most */
#define IOV_MAX_NR 1024                    /* vectors that the kernel takes at once */
#define CONTROL_MORE 512                   /* bytes for what else may come beside descriptors: credentials, times */

static int is_for_the_ring(int64_t result, int flags)
{
	return result == -EOPNOTSUPP || (result == -EAGAIN && !(flags & MSG_DONTWAIT));
}

/* ---- sending */

/* Sent at once are `got` bytes, which are not all, or an error. Where all are wanted, the ring sends the rest, and what
 * has gone is the result whatever becomes of that; so it is no checkpoint. */
static __attribute__((noinline)) int64_t send_rest(int fd, const void *buf, size_t size, int flags, int64_t got)
{
	size_t done = got > 0 ? (size_t)got : 0;
	struct aion_op op;

	if (size > SIZE_MAX_ONCE)
		size = SIZE_MAX_ONCE;
	if (got > 0 ? !(flags & MSG_WAITALL) || flags & MSG_DONTWAIT || done >= size : !is_for_the_ring(got, flags))
		return got;
	aion_op_init(&op);
	aion_op_send(&op, fd, (const char *)buf + done, size - done, flags);
	if (!done)
		return aion_await(&op.future);
	got = aion_op_wait(&op);
	return (int64_t)done + (got > 0 ? got : 0);
}

int64_t aion_send(int fd, const void *buf, size_t size, int flags)
{
	int64_t result = aion_checkpoint();

	if (result < 0)
		return result;
	result = aion_try_send(fd, buf, size, flags);
	if (__builtin_expect(result == (int64_t)size, 1))
		return result;
	return send_rest(fd, buf, size, flags, result);
}

int64_t aion_sendto(int fd, const void *buf, size_t size, int flags, const struct sockaddr *address,
		    socklen_t address_size)
{
	const struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = size};
	const struct msghdr message = {
		.msg_name = (void *)(uintptr_t)address,
		.msg_namelen = address ? address_size : 0,
		.msg_iov = (struct iovec *)(uintptr_t)&iov,
		.msg_iovlen = 1,
	};

	return address ? aion_sendmsg(fd, &message, flags) : aion_send(fd, buf, size, flags);
}

int64_t aion_sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct aion_op op;
	int64_t result = aion_checkpoint();

	if (result < 0)
		return result;
	/* Of what a try has sent in part the rest would need vectors of its own. */
	if (!(flags & MSG_WAITALL)) {
		result = aion_try_sendmsg(fd, message, flags);
		if (!is_for_the_ring(result, flags))
			return result;
	}
	aion_op_init(&op);
	aion_op_sendmsg(&op, fd, message, flags);
	return aion_await(&op.future);
}

int64_t aion_send_zc(int fd, const void *buf, size_t size, int flags)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_send_zc(&op, fd, buf, size, flags);
	return aion_await(&op.future);
}

int64_t aion_sendmsg_zc(int fd, const struct msghdr *message, int flags)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_sendmsg_zc(&op, fd, message, flags);
	return aion_await(&op.future);
}

/* ---- receiving */

int64_t aion_recv(int fd, void *buf, size_t size, int flags)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_recv(&op, fd, buf, size, flags);
	return aion_await(&op.future);
}

int64_t aion_recvmsg(int fd, struct msghdr *message, int flags)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_recvmsg(&op, fd, message, flags);
	return aion_await(&op.future);
}

int64_t aion_recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *address, socklen_t *address_size)
{
	struct iovec iov = {.iov_base = buf, .iov_len = size};
	struct msghdr message = {
		.msg_name = address,
		.msg_namelen = address ? *address_size : 0,
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	int64_t result;

	if (!address)
		return aion_recv(fd, buf, size, flags);
	result = aion_recvmsg(fd, &message, flags);
	if (result >= 0)
		*address_size = message.msg_namelen;
	return result;
}

/* ---- until all has gone or come, whatever signals come; a cancellation is not one of them */

static int64_t set_done(size_t *ret_done, size_t done, int64_t result)
{
	if (ret_done)
		*ret_done = done;
	return result < 0 ? result : 0;
}

typedef int64_t send_fn(int fd, const void *buf, size_t size, int flags);

static int64_t send_by_ring(int fd, const void *buf, size_t size, int flags)
{
	struct aion_op op;
	int result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_op_init(&op);
	aion_op_send(&op, fd, buf, size, flags);
	return aion_await(&op.future);
}

/* `done` bytes have gone already. */
static int64_t send_rest_of_all(send_fn *send, int fd, const void *buf, size_t size, int flags, size_t done,
				size_t *ret_done)
{
	int64_t result = 0;

	while (done < size) {
		result = send(fd, (const char *)buf + done, size - done, flags | MSG_WAITALL);
		if (result == -EINTR)
			continue;
		if (result == 0)
			result = -EIO;
		if (result < 0)
			break;
		done += (size_t)result;
	}
	return set_done(ret_done, done, result);
}

/* Tried once. What follows is not aion_send(), which would keep the error of the ring to itself where a try had sent
 * something: who closes the descriptor meanwhile must be heard. */
int64_t aion_send_all(int fd, const void *buf, size_t size, int flags, size_t *ret_done)
{
	int64_t result = aion_checkpoint();
	size_t done = 0;

	if (result == 0 && size)
		result = aion_try_send(fd, buf, size, flags);
	if (result > 0)
		done = (size_t)result;
	else if (result < 0 && result != -EINTR && !is_for_the_ring(result, flags))
		return set_done(ret_done, 0, result);
	return send_rest_of_all(send_by_ring, fd, buf, size, flags, done, ret_done);
}

int64_t aion_send_zc_all(int fd, const void *buf, size_t size, int flags, size_t *ret_done)
{
	int64_t result = size ? 0 : aion_checkpoint();

	if (result < 0)
		return set_done(ret_done, 0, result);
	return send_rest_of_all(aion_send_zc, fd, buf, size, flags, 0, ret_done);
}

int64_t aion_recv_exact(int fd, void *buf, size_t size, int flags, size_t *ret_done)
{
	int64_t result = size ? 0 : aion_checkpoint();
	size_t done = 0;

	while (done < size) {
		result = aion_recv(fd, (char *)buf + done, size - done, flags | MSG_WAITALL);
		if (result == -EINTR)
			continue;
		if (result == 0)
			result = -ENODATA;
		if (result < 0)
			break;
		done += (size_t)result;
	}
	return set_done(ret_done, done, result);
}

/* Step over the vectors that `done` bytes fill. What is left of `done` lies in the first of those that remain. */
static size_t iov_skip(struct msghdr *message, size_t done)
{
	while (message->msg_iovlen && done >= message->msg_iov->iov_len) {
		done -= message->msg_iov->iov_len;
		message->msg_iov++;
		message->msg_iovlen--;
	}
	return done;
}

static int64_t sendmsg_some(int fd, const struct msghdr *message, int flags)
{
	struct msghdr some = *message;

	if (some.msg_iovlen > IOV_MAX_NR)
		some.msg_iovlen = IOV_MAX_NR;
	return aion_sendmsg(fd, &some, flags);
}

/* The array is the caller's and stays as it is, so a vector that was sent in part is completed by itself. */
int64_t aion_sendmsg_all(int fd, const struct msghdr *message, int flags, size_t *ret_done)
{
	struct msghdr rest = *message;
	int64_t result = aion_checkpoint();
	size_t done = 0, part;

	iov_skip(&rest, 0);
	while ((result >= 0 || result == -EINTR) && rest.msg_iovlen) {
		result = sendmsg_some(fd, &rest, flags | MSG_WAITALL);
		if (result == 0)
			result = -EIO;
		if (result < 0)
			continue;
		done += (size_t)result;
		rest.msg_control = NULL; /* has gone with the first byte */
		rest.msg_controllen = 0;
		part = iov_skip(&rest, (size_t)result);
		if (part) {
			const struct iovec *iov = rest.msg_iov;
			size_t more;

			result = aion_send_all(fd, (const char *)iov->iov_base + part, iov->iov_len - part, flags,
					       &more);
			done += more;
			iov_skip(&rest, iov->iov_len);
		}
	}
	return set_done(ret_done, done, result);
}

/* ---- descriptors */

int64_t aion_send_fds(int fd, const int *fds, unsigned fd_nr, const void *buf, size_t size)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(AION_FDS_MAX * sizeof(int))];
	} control;
	const struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = size};
	struct msghdr message = {
		.msg_iov = (struct iovec *)(uintptr_t)&iov,
		.msg_iovlen = 1,
	};

	if (fd_nr > AION_FDS_MAX || (fd_nr && !size)) {
		int64_t result = aion_checkpoint();

		return result < 0 ? result : -EINVAL;
	}
	if (fd_nr) {
		memset(&control, 0, CMSG_SPACE(fd_nr * sizeof(int)));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(fd_nr * sizeof(int));
		memcpy(CMSG_DATA(&control.head), fds, fd_nr * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(fd_nr * sizeof(int));
	}
	return aion_sendmsg(fd, &message, 0);
}

/* Of one part of the control data: those for which there is room are kept, the others closed. `fd_nr` have come before. */
static unsigned fds_take(const struct cmsghdr *part, int *fds, unsigned fd_max, unsigned fd_nr)
{
	size_t nr = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < nr; i++, fd_nr++) {
		AION_CLEANUP(aion_fd_closep) int fd = -1;

		memcpy(&fd, CMSG_DATA(part) + i * sizeof(fd), sizeof(fd));
		if (fd_nr < fd_max) {
			fds[fd_nr] = fd;
			fd = -1;
		}
	}
	return fd_nr;
}

/*
 * The kernel gives as many descriptors as there is room for, and rounding makes room for one more than was asked for; other
 * kinds of control data, which the socket may have been told to bring, take room, too. So there is room for all that can
 * come.
 */
int64_t aion_recv_fds(int fd, void *buf, size_t size, int *ret_fds, unsigned fd_max, unsigned *ret_fd_nr)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(AION_FDS_MAX * sizeof(int)) + CONTROL_MORE];
	} control;
	struct iovec iov = {.iov_base = buf, .iov_len = size};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int64_t result = aion_recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	unsigned fd_nr = 0;

	if (result < 0)
		message.msg_controllen = 0;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part))
		if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS)
			fd_nr = fds_take(part, ret_fds, fd_max, fd_nr);
	*ret_fd_nr = fd_nr;
	return result;
}
