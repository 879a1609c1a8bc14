/* SPDX-License-Identifier: MIT */
#ifndef AION_SOCKET_H
#define AION_SOCKET_H
/*
 * Sockets: made, bound, connected, accepted, shut down; their names and options. What travels through them is in
 * message.h, addresses are in address.h, sane options in socket_options.h. Close one with aion_close(): all that
 * is in flight on it ends with -EBADF before.
 *
 * Most calls come twice, as aion_X() and aion_op_X(): see the top of file.h, also for "the common" errors. O_NONBLOCK
 * means nothing to them: they wait all the same. For a time limit use a scope.
 */
#include <sys/socket.h>

#include <aion/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * aion_socket - make a socket.
 * @domain: AF_INET, AF_INET6, AF_UNIX …
 * @type: SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET …, and SOCK_CLOEXEC, which is not implied, and SOCK_NONBLOCK.
 * @protocol: 0: the usual one.
 *
 * Result: a descriptor. One that an operation made and nobody received is closed by aion_op_reap().
 * Errors: those of socket(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: socket(2), IORING_OP_SOCKET, Linux 5.19.
 */
AION_API AION_SUSPENDS int64_t aion_socket(int domain, int type, int protocol);
AION_API void aion_op_socket(struct aion_op *op, int domain, int type, int protocol);

/**
 * aion_bind - give a socket its own address.
 * @address: of address_size bytes; stays until the operation is done.
 *
 * Result: 0.
 * Errors: those of bind(2), -EADDRINUSE, -EADDRNOTAVAIL, -EACCES among them, and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: bind(2), IORING_OP_BIND, Linux 6.11; before, a worker thread.
 */
AION_API AION_SUSPENDS int64_t aion_bind(int fd, const struct sockaddr *address, socklen_t address_size);
AION_API void aion_op_bind(struct aion_op *op, int fd, const struct sockaddr *address, socklen_t address_size);

/**
 * aion_listen - let others connect.
 * @backlog: connections that wait to be accepted, at most; the kernel caps it at net.core.somaxconn.
 *
 * Result: 0.
 * Errors: those of listen(2), and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: listen(2), IORING_OP_LISTEN, Linux 6.11; before, a worker thread.
 */
AION_API AION_SUSPENDS int64_t aion_listen(int fd, int backlog);
AION_API void aion_op_listen(struct aion_op *op, int fd, int backlog);

/**
 * aion_accept, aion_accept4 - wait for a connection, and take it. For a server see accept.h and listener.h.
 * @address, @address_size: NULL, or where the other's address goes, and before the call the room there, bytes,
 *   after it the address's size, which may be larger. Both stay until the operation is done.
 * @flags: SOCK_CLOEXEC, which is not implied, SOCK_NONBLOCK.
 *
 * Result: a descriptor. One that an operation accepted and nobody received is closed by aion_op_reap().
 * Errors: those of accept4(2), -EMFILE, -ENFILE, -ECONNABORTED among them, and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: accept4(2), IORING_OP_ACCEPT, Linux 5.5.
 */
AION_API AION_SUSPENDS int64_t aion_accept(int fd, struct sockaddr *address, socklen_t *address_size);
AION_API void aion_op_accept(struct aion_op *op, int fd, struct sockaddr *address, socklen_t *address_size);
AION_API AION_SUSPENDS int64_t aion_accept4(int fd, struct sockaddr *address, socklen_t *address_size, int flags);
AION_API void aion_op_accept4(struct aion_op *op, int fd, struct sockaddr *address, socklen_t *address_size, int flags);

/**
 * aion_connect - connect a socket, or give one for datagrams its partner. To connect to a host by name see connect.h.
 * @address: of address_size bytes; stays until the operation is done.
 *
 * After an error, -ECANCELED among them, nothing is known of the socket's state: close it.
 * Result: 0.
 * Errors: those of connect(2), -ECONNREFUSED, -ENETUNREACH, -ETIMEDOUT among them, and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: connect(2), IORING_OP_CONNECT, Linux 5.5.
 */
AION_API AION_SUSPENDS int64_t aion_connect(int fd, const struct sockaddr *address, socklen_t address_size);
AION_API void aion_op_connect(struct aion_op *op, int fd, const struct sockaddr *address, socklen_t address_size);

/**
 * aion_shutdown - end one direction of a connection, or both; the descriptor stays.
 * @how: SHUT_RD, SHUT_WR, SHUT_RDWR. Who receives on it then gets 0; on a listening socket SHUT_RDWR ends accepts.
 *
 * Result: 0.
 * Errors: those of shutdown(2), -ENOTCONN among them, and the common ones.
 * Suspends: yes (op: no). Thread: loop. Source: shutdown(2), IORING_OP_SHUTDOWN, Linux 5.11.
 */
AION_API AION_SUSPENDS int64_t aion_shutdown(int fd, int how);
AION_API void aion_op_shutdown(struct aion_op *op, int fd, int how);

/* What follows never waits: plain system calls, on whatever machine the descriptor is of. Outside of a loop it is the
 * process's own. No checkpoints. */

/**
 * aion_socketpair - make two sockets that are connected with each other.
 * @domain: AF_UNIX. @type, @protocol: as aion_socket(). @ret_fds: the two.
 *
 * Result: 0. Errors: those of socketpair(2).
 * Suspends: no. Thread: any. Source: socketpair(2). On a loop over a simulated machine they are the machine's.
 */
AION_API int aion_socketpair(int domain, int type, int protocol, int ret_fds[2]);

/**
 * aion_getsockopt, aion_setsockopt - ask for an option of a socket, and set it.
 * @level, @name: SOL_SOCKET and SO_KEEPALIVE, IPPROTO_TCP and TCP_NODELAY …
 * @value: of size bytes; get: *size is the room, and then the value's size.
 *
 * Result: 0. Errors: those of getsockopt(2) and setsockopt(2), -ENOPROTOOPT and -EINVAL among them.
 * Suspends: no. Thread: any. Source: getsockopt(2), setsockopt(2). A simulated machine knows the common ones, and
 *   heeds few of them.
 */
AION_API int aion_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
AION_API int aion_setsockopt(int fd, int level, int name, const void *value, socklen_t size);

/**
 * aion_getsockname, aion_getpeername - the socket's own address, and its partner's.
 * @address: room for *address_size bytes; *address_size becomes the address's size, which may be larger.
 *
 * Result: 0. Errors: those of getsockname(2) and getpeername(2), -ENOTCONN and -ENOTSOCK among them.
 * Suspends: no. Thread: any. Source: getsockname(2), getpeername(2).
 */
AION_API int aion_getsockname(int fd, struct sockaddr *address, socklen_t *address_size);
AION_API int aion_getpeername(int fd, struct sockaddr *address, socklen_t *address_size);

#ifdef __cplusplus
}
#endif
#endif
