/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_SIM_NET_H
#define AION_TEST_SIM_NET_H
/*
 * For tests of pipes and sockets: the same body runs on the kernel and on calm simulated machines, which so are held to
 * what the kernel does. Everything goes through the ring, also what makes and closes descriptors.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <aion/liburing.h>

#include "compat_int.h"
#include "sim_socket_int.h"
#include "test_sim.h"
#include "test_worker.h"

#define TEST_NET_SEED_NR 6

/* Which machine a body runs on; NULL: the kernel. */
static struct aion_sim *net_sim;

/* Whether the running kernel has all that the bodies use. */
static inline bool net_kernel_has_all(void)
{
	struct io_uring_probe *probe = io_uring_get_probe();
	bool has_all = probe && io_uring_opcode_supported(probe, AION__OP_PIPE);

	io_uring_free_probe(probe);
	return has_all;
}

/* NET_TEST(sim_noun, states_a_fact) { … }  on the kernel, and on machines with several seeds. */
#define NET_TEST(suite, fact)                                                                                          \
	TASK_OF_BODY(suite, fact)                                                                                      \
	Test(suite, fact)                                                                                              \
	{                                                                                                              \
		net_run(suite##_##fact##_task);                                                                        \
	}                                                                                                              \
	static void suite##_##fact##_body(void)

static inline void net_run(aion_fn *task)
{
	net_sim = NULL;
	if (net_kernel_has_all())
		cr_assert_eq(aion_run(task, NULL, NULL), 4711);
	for (uint64_t seed = 1; seed <= TEST_NET_SEED_NR; seed++) {
		net_sim = test_sim_make(&(struct aion_sim_options){.seed = seed});
		cr_assert_eq(test_sim_run(net_sim, task, NULL), 4711);
		test_sim_end(net_sim);
	}
}

/* One request: NET_DO(io_uring_prep_send, fd, …). */
#define NET_DO(prepare, ...)                                                                                           \
	__extension__({                                                                                                \
		struct aion_op op_ = {0};                                                                              \
		prepare(aion_op_sqe(&op_), __VA_ARGS__);                                                               \
		aion_await(&op_.future);                                                                               \
	})

/* It would wait for ever: nothing comes of it in a while, then it is cancelled. */
#define NET_WAITS(prepare, ...)                                                                                        \
	__extension__({                                                                                                \
		struct aion_scope scope_;                                                                              \
		int64_t result_;                                                                                       \
		aion_scope_enter(&scope_, aion_after(5 * AION_MILLISECOND));                                           \
		result_ = NET_DO(prepare, __VA_ARGS__);                                                                \
		result_ == -ECANCELED &&aion_scope_leave(&scope_) == -ETIME;                                           \
	})

static inline void prep_bind(struct io_uring_sqe *sqe, int fd, const void *address, size_t size)
{
	io_uring_prep_rw(AION__OP_BIND, sqe, fd, address, 0, size);
}

static inline void prep_listen(struct io_uring_sqe *sqe, int fd, unsigned backlog)
{
	io_uring_prep_rw(AION__OP_LISTEN, sqe, fd, NULL, backlog, 0);
}

static inline void prep_pipe(struct io_uring_sqe *sqe, int fds[2], int flags)
{
	io_uring_prep_rw(AION__OP_PIPE, sqe, 0, fds, 0, 0);
	sqe->rw_flags = flags;
}

static inline void prep_send_to(struct io_uring_sqe *sqe, int fd, const void *data, size_t size, const void *address,
				size_t address_size)
{
	io_uring_prep_send(sqe, fd, data, size, MSG_NOSIGNAL);
	sqe->addr2 = (uintptr_t)address;
	sqe->addr_len = (uint16_t)address_size;
}

/* ---- shorter */

static inline int net_socket(int domain, int type)
{
	int64_t fd = NET_DO(io_uring_prep_socket, domain, type, 0, 0);

	cr_assert_geq(fd, 0);
	return (int)fd;
}

static inline void net_close(int fd)
{
	assert_result(NET_DO(io_uring_prep_close, fd), 0);
	if (!net_sim)
		test_await_kernel_workers();
}

static inline void net_pipe(int fds[2])
{
	fds[0] = fds[1] = -1; /* valgrind does not see what the kernel writes */
	assert_result(NET_DO(prep_pipe, fds, 0), 0);
}

static inline int64_t net_send(int fd, const char *text)
{
	return NET_DO(io_uring_prep_send, fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Receives; -EBADMSG if it is something else than the text. */
static inline int64_t net_recv(int fd, const char *text, int flags)
{
	char buf[256] = "";
	int64_t result = NET_DO(io_uring_prep_recv, fd, buf, sizeof(buf), flags);

	if (result <= 0)
		return result;
	return (size_t)result == strlen(text) && memcmp(buf, text, (size_t)result) == 0 ? result : -EBADMSG;
}

static inline int64_t net_write(int fd, size_t size)
{
	char *data = malloc(size + 1);
	int64_t result;

	cr_assert(data);
	test_fill(data, size, 0);
	result = NET_DO(io_uring_prep_write, fd, data, (unsigned)size, 0);
	free(data);
	return result;
}

static inline int64_t net_read(int fd, size_t size)
{
	char *data = malloc(size + 1);
	int64_t result;

	cr_assert(data);
	result = NET_DO(io_uring_prep_read, fd, data, (unsigned)size, 0);
	free(data);
	return result;
}

static inline int64_t net_poll(int fd, unsigned events)
{
	return NET_DO(io_uring_prep_poll_add, fd, events);
}

/* What is sent over the kernel's loopback may be on its way for a while, resets too. */
static inline void net_let_arrive(void)
{
	aion_sleep(5 * AION_MILLISECOND);
}

/* ---- addresses */

struct net_address {
	size_t size;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
};

static inline struct net_address net_ip4(const char *text, uint16_t port)
{
	struct net_address address = {.size = sizeof(struct sockaddr_in)};

	address.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	cr_assert_eq(inet_pton(AF_INET, text, &address.in.sin_addr), 1);
	return address;
}

static inline struct net_address net_ip6(const char *text, uint16_t port)
{
	struct net_address address = {.size = sizeof(struct sockaddr_in6)};

	address.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
	cr_assert_eq(inet_pton(AF_INET6, text, &address.in6.sin6_addr), 1);
	return address;
}

/* An abstract name, of this process's own. */
static inline struct net_address net_unix(const char *text)
{
	struct net_address address = {.un.sun_family = AF_UNIX};
	int size =
		snprintf(address.un.sun_path + 1, sizeof(address.un.sun_path) - 1, "aion-%d-%s", (int)getpid(), text);

	address.size = offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)size;
	return address;
}

/* The port that a socket was given. */
static inline uint16_t net_port(int fd)
{
	struct sockaddr_in6 address; /* the port is at the same place in both versions */
	socklen_t size = sizeof(address);

	if (net_sim)
		return aion__sim_fd_file(net_sim, fd)->socket->name.port;
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	return ntohs(address.sin6_port);
}

static inline int64_t net_bind(int fd, struct net_address address)
{
	return NET_DO(prep_bind, fd, &address.any, address.size);
}

static inline int64_t net_connect(int fd, struct net_address address)
{
	return NET_DO(io_uring_prep_connect, fd, &address.any, (socklen_t)address.size);
}

static inline int net_accept(int fd)
{
	int64_t accepted = NET_DO(io_uring_prep_accept, fd, NULL, NULL, 0);

	cr_assert_geq(accepted, 0);
	return (int)accepted;
}

/* ---- connections */

/* A listening socket, and where it listens. */
struct net_listener {
	int fd;
	int type;
	struct net_address address;
};

static inline struct net_listener net_listen(int domain, int type, unsigned backlog)
{
	struct net_listener listener = {net_socket(domain, type), type, {0}};

	listener.address = domain == AF_UNIX ? net_unix("listener") : net_ip4("127.0.0.1", 0);
	assert_result(net_bind(listener.fd, listener.address), 0);
	assert_result(NET_DO(prep_listen, listener.fd, backlog), 0);
	if (domain != AF_UNIX)
		listener.address.in.sin_port = htons(net_port(listener.fd));
	return listener;
}

static inline int net_connect_new(const struct net_listener *listener)
{
	int fd = net_socket(listener->address.any.sa_family, listener->type);

	assert_result(net_connect(fd, listener->address), 0);
	return fd;
}

/* Connected, the second one accepted. */
static inline void net_pair(int domain, int type, int fds[2])
{
	struct net_listener listener = net_listen(domain, type, 1);

	fds[0] = net_connect_new(&listener);
	fds[1] = net_accept(listener.fd);
	net_close(listener.fd);
}

static inline void net_close_pair(int fds[2])
{
	net_close(fds[0]);
	net_close(fds[1]);
}

#endif
