/* SPDX-License-Identifier: MIT */
#ifndef AION_MESSAGE_H
#define AION_MESSAGE_H
/*
 * Sending and receiving. Each call comes twice, as aion_X() and aion_op_X(): see the top of file.h, also for "the
 * common" errors. Buffers, vectors, headers and addresses stay until the operation is done.
 *
 * One call moves at most 0x7ffff000 bytes; a larger size is clamped. A cancelled call that had moved bytes returns
 * them. O_NONBLOCK means nothing to these calls, MSG_DONTWAIT in their flags does: -EAGAIN instead of waiting.
 * No call raises SIGPIPE: a connection that takes no more is -EPIPE.
 *
 * For servers: inlet.h receives without a buffer of the task's, outlet.h sends in order without waiting for each.
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include <aion/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * aion_send, aion_sendto, aion_sendmsg - send what the socket takes.
 * @buf: size bytes.
 * @address: where a datagram goes, of address_size bytes; NULL: to the partner.
 * @message: as in sendmsg(2); its vectors hold at most 1024 entries. Descriptors in it (SCM_RIGHTS) go with its first
 *   byte.
 * @flags: MSG_*. With MSG_WAITALL a stream takes all, unless it fails: one operation, however often it has to wait.
 *
 * aion_X() first tries at once, without the ring. With MSG_WAITALL it is then the bytes that went that count, if an
 * error comes after them; the next call tells it.
 * Result: bytes, on a stream possibly fewer than size.
 * Errors: those of send(2), -EPIPE, -ECONNRESET, -EMSGSIZE, -ENOTCONN among them, and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: send(2), IORING_OP_SEND, Linux 5.6, IORING_OP_SENDMSG, Linux 5.3;
 *   aion_op_sendto(): Linux 6.1.
 */
AION_API AION_SUSPENDS int64_t aion_send(int fd, const void *buf, size_t size, int flags);
AION_API void aion_op_send(struct aion_op *op, int fd, const void *buf, size_t size, int flags);
AION_API AION_SUSPENDS int64_t aion_sendto(int fd, const void *buf, size_t size, int flags,
					   const struct sockaddr *address, socklen_t address_size);
AION_API void aion_op_sendto(struct aion_op *op, int fd, const void *buf, size_t size, int flags,
			     const struct sockaddr *address, socklen_t address_size);
AION_API AION_SUSPENDS int64_t aion_sendmsg(int fd, const struct msghdr *message, int flags);
AION_API void aion_op_sendmsg(struct aion_op *op, int fd, const struct msghdr *message, int flags);

/**
 * aion_recv, aion_recvfrom, aion_recvmsg - receive what has come, waiting for the first byte.
 * @buf: size bytes.
 * @address, @address_size: NULL, or where the sender's address goes, and before the call the room there, bytes,
 *   after it the address's size. (There is no operation for it: use aion_op_recvmsg().)
 * @message: as in recvmsg(2). Descriptors in it are the caller's; those of an operation that nobody received are
 *   closed by aion_op_reap(), until which the header and its control data then have to stay.
 * @flags: MSG_*. With MSG_WAITALL a stream fills the buffer, unless it ends or fails.
 *
 * Result: bytes; 0 where the other side has ended, with a size of 0, or for an empty datagram. With MSG_TRUNC a
 *   datagram's full size.
 * Errors: those of recv(2), -ECONNRESET, -ENOTCONN, -ETIMEDOUT among them, and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: recv(2), IORING_OP_RECV, Linux 5.6, IORING_OP_RECVMSG, Linux 5.3.
 */
AION_API AION_SUSPENDS int64_t aion_recv(int fd, void *buf, size_t size, int flags);
AION_API void aion_op_recv(struct aion_op *op, int fd, void *buf, size_t size, int flags);
AION_API AION_SUSPENDS int64_t aion_recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *address,
					     socklen_t *address_size);
AION_API AION_SUSPENDS int64_t aion_recvmsg(int fd, struct msghdr *message, int flags);
AION_API void aion_op_recvmsg(struct aion_op *op, int fd, struct msghdr *message, int flags);

/**
 * aion_try_send, aion_try_recv, aion_try_sendmsg, aion_try_recvmsg - what can be had without waiting, at once and
 *   without the ring.
 *
 * Parameters as above. Result: bytes, as above.
 * Errors: those of send(2) and recv(2), -EAGAIN (it would have to wait), -EOPNOTSUPP (the machine cannot tell),
 *   -EBUSY (no loop runs on this thread), -ECHILD.
 * Suspends: no, and is no checkpoint. Thread: loop. Source: send(2) and recv(2) with MSG_DONTWAIT.
 */
AION_API int64_t aion_try_send(int fd, const void *buf, size_t size, int flags);
AION_API int64_t aion_try_recv(int fd, void *buf, size_t size, int flags);
AION_API int64_t aion_try_sendmsg(int fd, const struct msghdr *message, int flags);
AION_API int64_t aion_try_recvmsg(int fd, struct msghdr *message, int flags);

/**
 * aion_send_zc, aion_sendmsg_zc - send without copying: for TCP and UDP, where it is worth it from some 16 KiB on.
 *
 * Parameters as aion_send() and aion_sendmsg(). Done when the kernel has let go of the memory, which on TCP is
 * when the other side has acknowledged it: a partner who is silent holds it until the connection breaks, cancelled
 * or not. The descriptor can be closed before that. To go on meanwhile see outlet.h.
 * Result: bytes, possibly fewer than size; with MSG_WAITALL as aion_send().
 * Errors: those of aion_send(), -EOPNOTSUPP (not this kind of socket), -ENOMEM (also: RLIMIT_MEMLOCK).
 * Suspends: yes (op: no). Thread: loop. Source: IORING_OP_SEND_ZC, Linux 6.0; IORING_OP_SENDMSG_ZC, Linux 6.1.
 */
AION_API AION_SUSPENDS int64_t aion_send_zc(int fd, const void *buf, size_t size, int flags);
AION_API void aion_op_send_zc(struct aion_op *op, int fd, const void *buf, size_t size, int flags);
AION_API AION_SUSPENDS int64_t aion_sendmsg_zc(int fd, const struct msghdr *message, int flags);
AION_API void aion_op_sendmsg_zc(struct aion_op *op, int fd, const struct msghdr *message, int flags);

/**
 * aion_send_all, aion_sendmsg_all, aion_send_zc_all - send on a stream until everything is sent; -EINTR is no end.
 * @message: neither it nor what it points to is changed; its vectors may exceed the kernel's limit of 1024.
 * @ret_done: the bytes that were sent, set in every case; may be NULL.
 *
 * Other parameters as above; MSG_WAITALL is implied. Result: 0.
 * Errors: those of aion_send() and aion_send_zc() but -EINTR, and -EIO (the kernel took nothing). aion_close() of the
 *   descriptor gives -EBADF, whatever has been sent before.
 * Suspends: yes. Thread: loop. Source: as aion_send(), aion_send_zc().
 */
AION_API AION_SUSPENDS int64_t aion_send_all(int fd, const void *buf, size_t size, int flags, size_t *ret_done);
AION_API AION_SUSPENDS int64_t aion_sendmsg_all(int fd, const struct msghdr *message, int flags, size_t *ret_done);
AION_API AION_SUSPENDS int64_t aion_send_zc_all(int fd, const void *buf, size_t size, int flags, size_t *ret_done);

/**
 * aion_recv_exact - receive from a stream until the buffer is full; -EINTR is no end.
 * @ret_done: the bytes that are in the buffer, set in every case; may be NULL.
 *
 * Other parameters as aion_recv(); MSG_WAITALL is implied. Result: 0.
 * Errors: those of aion_recv() but -EINTR, and -ENODATA (the other side ended first).
 * Suspends: yes. Thread: loop. Source: as aion_recv().
 */
AION_API AION_SUSPENDS int64_t aion_recv_exact(int fd, void *buf, size_t size, int flags, size_t *ret_done);

#define AION_FDS_MAX 253 /* descriptors that one message carries at most */

/**
 * aion_send_fds - pass descriptors through a unix socket, with the bytes that go along.
 * @fds: fd_nr of them, AION_FDS_MAX at most; they stay open here. The other side gets copies.
 * @buf: size bytes, at least one where there are descriptors: they go with the first.
 *
 * Result: bytes, on a stream possibly fewer than size; the descriptors are on their way in every case.
 * Errors: -EINVAL (too many; none with size 0), -ETOOMANYREFS, those of aion_send(), and the common ones.
 * Suspends: yes. Thread: loop. Source: unix(7), SCM_RIGHTS; as aion_sendmsg().
 */
AION_API AION_SUSPENDS int64_t aion_send_fds(int fd, const int *fds, unsigned fd_nr, const void *buf, size_t size);

/**
 * aion_recv_fds - receive bytes, and the descriptors that came with them.
 * @buf: size bytes.
 * @ret_fds, @fd_max: room for descriptors, which have O_CLOEXEC and are the caller's from then on. Those for which
 *   there is none are closed.
 * @ret_fd_nr: how many came, set in every case: more than fd_max tells that some were closed.
 *
 * Result: bytes; 0 where the other side has ended, or for an empty datagram.
 * Errors: those of aion_recv(), and the common ones. Where the process has no room for another descriptor
 *   (RLIMIT_NOFILE) fewer come, without an error.
 * Suspends: yes. Thread: loop. Source: unix(7), SCM_RIGHTS; as aion_recvmsg().
 */
AION_API AION_SUSPENDS int64_t aion_recv_fds(int fd, void *buf, size_t size, int *ret_fds, unsigned fd_max,
					     unsigned *ret_fd_nr);

#ifdef __cplusplus
}
#endif
#endif
