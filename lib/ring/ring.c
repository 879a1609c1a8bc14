/* SPDX-License-Identifier: MIT */
#include "ring_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define FORK_PAGE_SIZE 4096     /* bytes */
#define FEATURE_NR_LINUX_6_1 13 /* feature bits that Linux 6.1 knows */

/* The wait timeout and the queue that loses nothing: without them there is no loop. */
#define FEATURES_NEEDED (IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE)

struct aion__machine *(*aion__machine_default)(void);

/* Ask the kernel which opcodes it has; forget those that the test option hides. */
static int ring_probe(struct aion__ring *ring, const char *as_linux)
{
	union {
		struct io_uring_probe probe;
		char space[sizeof(struct io_uring_probe) + 256 * sizeof(struct io_uring_probe_op)];
	} u;
	int result;

	memset(&u, 0, sizeof(u));
	result = aion__ring_register(ring, IORING_REGISTER_PROBE, &u.probe, 256);
	if (result < 0)
		return result;
	for (unsigned i = 0; i < u.probe.ops_len; i++)
		if (u.probe.ops[i].flags & IO_URING_OP_SUPPORTED)
			ring->op_ok[u.probe.ops[i].op / 8] |= (uint8_t)(1U << (u.probe.ops[i].op % 8));
	if (!as_linux)
		return 0;
	if (strcmp(as_linux, "6.1") != 0)
		return -EINVAL;
	for (unsigned op = AION__OP_LAST_LINUX_6_1 + 1; op < 256; op++)
		ring->op_ok[op / 8] &= (uint8_t) ~(1U << (op % 8));
	ring->features &= (1U << FEATURE_NR_LINUX_6_1) - 1;
	return 0;
}

static int ring_map_fork_page(struct aion__ring *ring)
{
	void *page = mmap(NULL, FORK_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -errno;
	if (madvise(page, FORK_PAGE_SIZE, MADV_WIPEONFORK) < 0) {
		int result = -errno;

		munmap(page, FORK_PAGE_SIZE);
		return result;
	}
	ring->fork_page = page;
	ring->fork_page->alive = 1;
	return 0;
}

static int ring_init_rest(struct aion__ring *ring, const struct aion__ring_options *options, const char **ret_step)
{
	int result;

	*ret_step = "io_uring lacks a feature of Linux 5.11 that aion needs";
	if ((ring->features & FEATURES_NEEDED) != FEATURES_NEEDED)
		return -ENOSYS;
	*ret_step = "io_uring_register(IORING_REGISTER_PROBE), or an unknown value of as_linux";
	result = ring_probe(ring, options->as_linux);
	if (result < 0)
		return result;
	*ret_step = "page for the fork guard";
	return ring_map_fork_page(ring);
}

static void ring_take_machine(struct aion__ring *ring, struct aion__machine *machine)
{
	if (!machine && aion__machine_default)
		machine = aion__machine_default();
	ring->machine = machine;
	ring->backend = machine ? machine->backend : &aion__kernel_backend;
}

int aion__ring_init(struct aion__ring *ring, const struct aion__ring_options *options, char *error_text,
		    size_t error_size)
{
	const char *step;
	int result;

	memset(ring, 0, sizeof(*ring));
	ring->worker_max = options->worker_max;
	ring->kernel_worker_max = options->kernel_worker_max;
	ring_take_machine(ring, options->machine);
	result = ring->backend->setup(ring, options, error_text, error_size);
	if (result < 0)
		return result;
	/* Entry i stands at place i for ever, so the index array is written once instead of at each submit. */
	for (unsigned i = 0; i < ring->uring.sq.ring_entries; i++)
		ring->uring.sq.array[i] = i;
	result = ring_init_rest(ring, options, &step);
	if (result < 0) {
		snprintf(error_text, error_size, "%s: %s", step, strerror(-result));
		aion__ring_fini(ring);
	}
	return result;
}

int aion__ring_bind(struct aion__ring *ring)
{
	int result;

	AION_BUG_ON(ring->is_bound, "ring bound twice");
	result = ring->backend->bind(ring);
	ring->is_bound = result == 0;
	return result;
}

void aion__ring_fini(struct aion__ring *ring)
{
	ring->backend->teardown(ring);
	if (ring->fork_page)
		munmap((void *)ring->fork_page, FORK_PAGE_SIZE);
	ring->fork_page = NULL;
}

int64_t aion__ring_call_fd(struct aion__ring *ring, unsigned opcode, int fd)
{
	struct io_uring_sqe sqe;

	io_uring_prep_rw((int)opcode, &sqe, fd, NULL, 0, 0);
	return ring->backend->call(ring, &sqe);
}

int aion__ring_enter_again(struct aion__ring *ring, int result, unsigned wait_nr, int64_t deadline_ns)
{
	/* The kernel stopped short, for want of memory, and has not waited: the rest goes now. */
	while (result > 0) {
		unsigned to_submit = aion__ring_queued(ring);

		ring->stats.submit_nr += (unsigned)result;
		result = aion__ring_enter_once(ring, to_submit, wait_nr, deadline_ns);
		if (result >= 0 && (unsigned)result >= to_submit) {
			ring->stats.submit_nr += (unsigned)result;
			return 0;
		}
	}
	switch (-result) {
	case EINTR:
	case ETIME:
		/* The wait ended; an error is reported only where nothing was left to submit. */
		return 0;
	case 0:
	case EAGAIN:
		return -EAGAIN;
	case EBUSY:
		return -EBUSY;
	case EBADR:
		aion__bug(__func__, __FILE__, __LINE__, "the kernel lost a completion (io_uring_enter: EBADR)");
	default:
		aion__bug(__func__, __FILE__, __LINE__, "io_uring_enter: %s", strerror(-result));
	}
}

void aion__ring_arm_wake(struct aion__ring *ring)
{
	struct io_uring_sqe *sqe;

	AION_ASSERT(!aion__ring_is_full(ring));
	sqe = aion__ring_take(ring);
	io_uring_prep_read(sqe, ring->wake_fd, &ring->wake_count, sizeof(ring->wake_count), 0);
	sqe->user_data = AION__UD_WAKE;
}
