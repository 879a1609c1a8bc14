/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_RING_H
#define AION_TEST_RING_H
/* A ring for tests of the ring layer: make it, take one entry through it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock_int.h"
#include "ring_int.h"
#include "worker_int.h"

#ifdef AION_VALGRIND
#define TEST_WAITS_ARE_CUT true /* see lib/ring/kernel.c */
#else
#define TEST_WAITS_ARE_CUT false
#endif
#define TEST_RING_WAIT_NS (30 * AION_SECOND) /* a test that waits longer has failed */

/* The system call: valgrind 3.19 does not know it, the ring does. */
static inline bool test_has_openat2(void)
{
	return syscall(SYS_openat2, -1, "", NULL, 0) >= 0 || errno != ENOSYS;
}

#define TEST_SKIP_WITHOUT_OPENAT2()                                                                                    \
	do {                                                                                                           \
		if (!test_has_openat2())                                                                               \
			cr_skip_test("openat2(2) is not there (valgrind?)");                                           \
	} while (0)

static inline int test_ring_try_open(struct aion__ring *ring, unsigned worker_max, const char *as_linux, char *text,
				     size_t text_size)
{
	const struct aion__ring_options options = {
		.entry_nr = 64,
		.completion_nr = 256,
		.worker_max = worker_max,
		.kernel_worker_max = 4,
		.as_linux = as_linux,
	};

	text[0] = '\0';
	return aion__ring_init(ring, &options, text, text_size);
}

static inline void test_ring_open(struct aion__ring *ring, unsigned worker_max)
{
	char text[256];
	int result = test_ring_try_open(ring, worker_max, NULL, text, sizeof(text));

	cr_assert_eq(result, 0, "%d: %s", result, text);
	cr_assert_eq(aion__ring_bind(ring), 0);
}

/* What a completion says. */
struct test_cqe {
	uint64_t user_data;
	int32_t res;
	uint32_t flags;
};

/* Hand over what is queued, wait for one completion and take it. */
static inline struct test_cqe test_ring_wait(struct aion__ring *ring)
{
	int64_t deadline_ns = aion__clock_ns() + TEST_RING_WAIT_NS;
	const struct io_uring_cqe *cqe;
	struct test_cqe taken;

	while (!aion__ring_cq_ready(ring)) {
		cr_assert_lt(aion__clock_ns(), deadline_ns, "no completion came");
		aion__ring_enter(ring, 1, deadline_ns);
	}
	cqe = &ring->uring.cq.cqes[*ring->uring.cq.khead & ring->uring.cq.ring_mask];
	taken = (struct test_cqe){.user_data = cqe->user_data, .res = cqe->res, .flags = cqe->flags};
	io_uring_cq_advance(&ring->uring, 1);
	return taken;
}

/* One entry through the ring. */
static inline struct test_cqe test_ring_do(struct aion__ring *ring, const struct io_uring_sqe *sqe)
{
	cr_assert(!aion__ring_is_full(ring));
	*aion__ring_take(ring) = *sqe;
	return test_ring_wait(ring);
}

/* Reap worker threads until `nr` jobs are back. */
static inline void test_ring_reap_jobs(struct aion__ring *ring, unsigned nr)
{
	struct pollfd wake = {.fd = ring->wake_fd, .events = POLLIN};
	uint64_t count;

	while (nr) {
		unsigned reaped;

		cr_assert_eq(poll(&wake, 1, TEST_RING_WAIT_NS / AION_MILLISECOND), 1, "%u jobs did not come back", nr);
		cr_assert_eq(read(ring->wake_fd, &count, sizeof(count)), (ssize_t)sizeof(count));
		reaped = aion__workers_reap(ring);
		cr_assert_leq(reaped, nr);
		nr -= reaped;
	}
}

#endif
