/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_SIM_RING_H
#define AION_TEST_SIM_RING_H
/* For tests of requests with several completions: a ring without a loop, on the kernel and on calm simulated machines.
 */
#include "ring_int.h"
#include "test_sim_net.h"

#define RING_QUIET_NS (20 * AION_MILLISECOND) /* after that nothing more is expected */
#define RING_WAIT_NS (30 * AION_SECOND)       /* what is expected comes earlier, or has failed to */
#define RING_UD UINT64_C(100)                 /* the user_data of the request that a test is about */

static struct aion__ring net_ring;

/* RING_TEST(sim_noun, states_a_fact) { … }  on the kernel, and on machines with several seeds. */
#define RING_TEST(suite, fact)                                                                                         \
	static void suite##_##fact##_body(void);                                                                       \
	Test(suite, fact)                                                                                              \
	{                                                                                                              \
		ring_test_run(suite##_##fact##_body);                                                                  \
	}                                                                                                              \
	static void suite##_##fact##_body(void)

static inline void ring_test_run_on(struct aion__machine *machine, void (*body)(void))
{
	const struct aion__ring_options options = {
		.entry_nr = 64, .completion_nr = 256, .kernel_worker_max = 4, .machine = machine};
	char text[256] = "";

	cr_assert_eq(aion__ring_init(&net_ring, &options, text, sizeof(text)), 0, "%s", text);
	cr_assert_eq(aion__ring_bind(&net_ring), 0);
	body();
	aion__ring_fini(&net_ring);
}

static inline void ring_test_run(void (*body)(void))
{
	net_sim = NULL;
	if (net_kernel_has_all())
		ring_test_run_on(NULL, body);
	for (uint64_t seed = 1; seed <= TEST_NET_SEED_NR; seed++) {
		net_sim = test_sim_make(&(struct aion_sim_options){.seed = seed});
		ring_test_run_on(&net_sim->machine, body);
		test_sim_end(net_sim);
	}
}

struct ring_cqe {
	uint64_t user_data;
	int32_t res;
	uint32_t flags;
};

/* The next completion; false: none comes in that time. */
static inline bool ring_next(int64_t wait_ns, struct ring_cqe *ret_cqe)
{
	int64_t deadline_ns = net_ring.backend->now(&net_ring) + wait_ns;
	const struct io_uring_cqe *cqe;

	while (!aion__ring_cq_ready(&net_ring)) {
		if (net_ring.backend->now(&net_ring) >= deadline_ns)
			return false;
		aion__ring_enter(&net_ring, 1, deadline_ns);
	}
	cqe = &net_ring.uring.cq.cqes[*net_ring.uring.cq.khead & net_ring.uring.cq.ring_mask];
	*ret_cqe = (struct ring_cqe){cqe->user_data, cqe->res, cqe->flags};
	io_uring_cq_advance(&net_ring.uring, 1);
	return true;
}

static inline struct io_uring_sqe *ring_sqe(void)
{
	struct io_uring_sqe *sqe;

	cr_assert(!aion__ring_is_full(&net_ring));
	sqe = aion__ring_take(&net_ring);
	memset(sqe, 0, sizeof(*sqe));
	return sqe;
}

/* Completions of the watched request that came while others were awaited. */
static struct ring_cqe ring_kept[16];
static unsigned ring_kept_nr;

static inline int32_t ring_wait_for(uint64_t user_data)
{
	struct ring_cqe cqe;

	for (;;) {
		cr_assert(ring_next(RING_WAIT_NS, &cqe), "no completion came");
		if (cqe.user_data == user_data)
			return cqe.res;
		cr_assert_lt(ring_kept_nr, 16);
		ring_kept[ring_kept_nr++] = cqe;
	}
}

/* One request on the side: RING_DO(io_uring_prep_send, fd, …). */
#define RING_DO(prepare, ...)                                                                                          \
	__extension__({                                                                                                \
		struct io_uring_sqe *sqe_ = ring_sqe();                                                                \
		prepare(sqe_, __VA_ARGS__);                                                                            \
		sqe_->user_data = 2;                                                                                   \
		ring_wait_for(2);                                                                                      \
	})

/* The watched request, begun; it gets its turn before this returns. */
#define RING_START(prepare, ...)                                                                                       \
	do {                                                                                                           \
		struct io_uring_sqe *sqe_ = ring_sqe();                                                                \
		prepare(sqe_, __VA_ARGS__);                                                                            \
		ring_start(sqe_);                                                                                      \
	} while (0)

static inline void ring_settle(void)
{
	struct ring_cqe cqe;

	while (ring_next(RING_QUIET_NS, &cqe)) {
		cr_assert_lt(ring_kept_nr, 16);
		ring_kept[ring_kept_nr++] = cqe;
	}
}

static inline void ring_start(struct io_uring_sqe *sqe)
{
	sqe->user_data = RING_UD;
	ring_settle();
}

/* The watched request's next completion: its result. ret_flags: NULL, or where its flags go. */
static inline int32_t ring_take(uint32_t *ret_flags)
{
	struct ring_cqe cqe;

	if (ring_kept_nr) {
		cqe = ring_kept[0];
		memmove(ring_kept, ring_kept + 1, --ring_kept_nr * sizeof(cqe));
	} else {
		cr_assert(ring_next(RING_WAIT_NS, &cqe), "no completion came");
	}
	cr_assert_eq(cqe.user_data, RING_UD);
	if (ret_flags)
		*ret_flags = cqe.flags;
	return cqe.res;
}

/* There is no completion of the watched request, and none comes. */
static inline void ring_has_none(void)
{
	ring_settle();
	cr_assert_eq(ring_kept_nr, 0);
}

/* Nothing more comes. The kernel may say an event of a poll twice, if it comes while one is being said. */
static inline void ring_is_quiet(void)
{
	ring_settle();
	cr_assert(!net_sim || !ring_kept_nr);
	ring_kept_nr = 0;
}

static inline void ring_cancel(void)
{
	cr_assert_eq(RING_DO(io_uring_prep_cancel64, RING_UD, 0), 0);
}

static inline void ring_close(int fd)
{
	cr_assert_eq(RING_DO(io_uring_prep_close, fd), 0);
}

static inline void ring_close_pair(int fds[2])
{
	ring_close(fds[0]);
	ring_close(fds[1]);
}

static inline void ring_pipe(int fds[2])
{
	fds[0] = fds[1] = -1;
	cr_assert_eq(RING_DO(prep_pipe, fds, 0), 0);
}

static inline int ring_socket(int domain, int type)
{
	int fd = RING_DO(io_uring_prep_socket, domain, type, 0, 0);

	cr_assert_geq(fd, 0);
	return fd;
}

/* A TCP socket that listens. */
static inline int ring_listen(struct net_address *ret_address)
{
	int fd = ring_socket(AF_INET, SOCK_STREAM);

	*ret_address = net_ip4("127.0.0.1", 0);
	cr_assert_eq(RING_DO(prep_bind, fd, &ret_address->any, ret_address->size), 0);
	cr_assert_eq(RING_DO(prep_listen, fd, 16), 0);
	ret_address->in.sin_port = htons(net_port(fd));
	return fd;
}

static inline int ring_connect(const struct net_address *address)
{
	int fd = ring_socket(address->any.sa_family, SOCK_STREAM);

	cr_assert_eq(RING_DO(io_uring_prep_connect, fd, &address->any, (socklen_t)address->size), 0);
	return fd;
}

static inline void ring_pair(int fds[2])
{
	struct net_address address;
	int listener = ring_listen(&address);

	fds[0] = ring_connect(&address);
	fds[1] = RING_DO(io_uring_prep_accept, listener, NULL, NULL, 0);
	cr_assert_geq(fds[1], 0);
	ring_close(listener);
}

static inline void ring_send(int fd, const char *text)
{
	cr_assert_eq(RING_DO(io_uring_prep_send, fd, text, strlen(text), MSG_NOSIGNAL), (int)strlen(text));
}

#endif
