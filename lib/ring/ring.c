/* SPDX-License-Identifier: MIT */
#include "ring_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fault_int.h"
#include "worker_int.h"

#define ENTRY_MIN 8             /* entries below which halving gives up */
#define FORK_PAGE_SIZE 4096     /* bytes */
#define FEATURE_NR_LINUX_6_1 13 /* feature bits that Linux 6.1 knows */

/* What we ask for, best first; each row is what is left when a kernel says EINVAL to the one above. */
static const unsigned setup_flags[] = {
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
	IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
	IORING_SETUP_SUBMIT_ALL,
	0,
};

#define SETUP_FLAGS_NR (sizeof(setup_flags) / sizeof(setup_flags[0]))

/* The wait timeout and the queue that loses nothing: without them there is no loop. */
#define FEATURES_NEEDED (IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE)

static int ring_setup_flags(struct aion__ring *ring, unsigned flags, unsigned entry_nr, unsigned completion_nr)
{
	struct io_uring_params params = {
		.flags = flags | IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
		.cq_entries = completion_nr,
	};
	int fault = aion__fault_hit(AION__FAULT_RING_SETUP);
	int result = fault ? fault : io_uring_queue_init_params(entry_nr, &ring->uring, &params);

	if (result < 0)
		return result;
	ring->setup_flags = params.flags;
	ring->features = params.features;
	return 0;
}

/* Peel flags off while the kernel does not know them, halve the queues while the locked-memory limit refuses them. */
static int ring_setup(struct aion__ring *ring, const struct aion__ring_options *options)
{
	unsigned entry_nr = options->entry_nr;
	unsigned completion_nr = options->completion_nr;
	unsigned row = 0;
	int result;

	for (;;) {
		result = ring_setup_flags(ring, setup_flags[row], entry_nr, completion_nr);
		if (result == -EINVAL && row + 1 < SETUP_FLAGS_NR) {
			row++;
		} else if (result == -ENOMEM && entry_nr / 2 >= ENTRY_MIN) {
			entry_nr /= 2;
			completion_nr = completion_nr / 2 < entry_nr ? entry_nr : completion_nr / 2;
		} else {
			return result;
		}
	}
}

static void setup_error_text(int result, char *text, size_t size)
{
	struct rlimit limit = {0};

	switch (-result) {
	case ENOSYS:
		snprintf(text, size, "io_uring_setup: %s: this kernel has no io_uring, or a container's seccomp filter hides it",
			 strerror(-result));
		break;
	case EPERM:
		snprintf(text, size,
			 "io_uring_setup: %s: io_uring is forbidden here; see sysctl kernel.io_uring_disabled and the seccomp filter",
			 strerror(-result));
		break;
	case ENOMEM:
		getrlimit(RLIMIT_MEMLOCK, &limit);
		snprintf(text, size,
			 "io_uring_setup: %s: even %d entries do not fit; the locked-memory limit (RLIMIT_MEMLOCK, ulimit -l) is %llu bytes",
			 strerror(-result), ENTRY_MIN, (unsigned long long)limit.rlim_cur);
		break;
	default:
		snprintf(text, size, "io_uring_setup: %s", strerror(-result));
	}
}

/* Ask the kernel which opcodes it has; forget those that the test option hides. */
static int ring_probe(struct aion__ring *ring, const char *as_linux)
{
	union {
		struct io_uring_probe probe;
		char space[sizeof(struct io_uring_probe) + 256 * sizeof(struct io_uring_probe_op)];
	} u;
	int result;

	memset(&u, 0, sizeof(u));
	result = ring->backend->register_(ring, IORING_REGISTER_PROBE, &u.probe, 256);
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
	result = ring_map_fork_page(ring);
	if (result < 0)
		return result;
	*ret_step = "eventfd";
	result = aion__fault_hit(AION__FAULT_EVENTFD);
	if (result < 0)
		return result;
	ring->wake_fd = eventfd(0, EFD_CLOEXEC);
	return ring->wake_fd < 0 ? -errno : 0;
}

int aion__ring_init(struct aion__ring *ring, const struct aion__ring_options *options, char *error_text,
		    size_t error_size)
{
	const char *step;
	int result;

	memset(ring, 0, sizeof(*ring));
	ring->backend = &aion__kernel_backend;
	ring->worker_max = options->worker_max;
	ring->kernel_worker_max = options->kernel_worker_max;
	ring->wake_fd = -1;
	result = ring_setup(ring, options);
	if (result < 0) {
		setup_error_text(result, error_text, error_size);
		return result;
	}
	ring->enter_fd = ring->uring.ring_fd;
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
	unsigned worker_max[2] = {ring->kernel_worker_max, ring->kernel_worker_max};
	int result;

	AION_BUG_ON(ring->is_bound, "ring bound twice");
	result = ring->backend->register_(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	if (result < 0)
		return result;
	/* Both are improvements that a kernel may refuse. */
	ring->backend->register_(ring, IORING_REGISTER_IOWQ_MAX_WORKERS, worker_max, 2);
	if (io_uring_register_ring_fd(&ring->uring) == 1) {
		ring->enter_fd = ring->uring.enter_ring_fd;
		ring->enter_flags = IORING_ENTER_REGISTERED_RING;
	}
	ring->is_bound = true;
	return 0;
}

void aion__ring_fini(struct aion__ring *ring)
{
	if (ring->workers) {
		if (aion__ring_is_alive(ring))
			aion__workers_fini(ring);
		else
			aion__workers_forget(ring);
	}
	io_uring_queue_exit(&ring->uring);
	if (ring->wake_fd >= 0)
		close(ring->wake_fd);
	if (ring->fork_page)
		munmap((void *)ring->fork_page, FORK_PAGE_SIZE);
	ring->fork_page = NULL;
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

void aion__ring_wake(struct aion__ring *ring)
{
	const uint64_t one = 1;
	ssize_t written;

	do {
		written = write(ring->wake_fd, &one, sizeof(one));
	} while (written < 0 && errno == EINTR);
}

void aion__ring_arm_wake(struct aion__ring *ring)
{
	struct io_uring_sqe *sqe = aion__ring_sqe(ring);

	while (!sqe) {
		aion__ring_enter(ring, 0, AION_NEVER);
		sqe = aion__ring_sqe(ring);
	}
	io_uring_prep_read(sqe, ring->wake_fd, &ring->wake_count, sizeof(ring->wake_count), 0);
	sqe->user_data = AION__UD_WAKE;
}
