/* SPDX-License-Identifier: MIT */
/* A ring of the kernel's: made, taken by a thread, woken by others, given back. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "syscall_int.h"
#include "worker_int.h"

#define ENTRY_MIN 8 /* entries below which halving gives up */

/* What we ask for, best first; each row is what is left when a kernel says EINVAL to the one above. */
static const unsigned setup_flags[] = {
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
	IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
	IORING_SETUP_SUBMIT_ALL,
	0,
};

#define SETUP_FLAGS_NR (sizeof(setup_flags) / sizeof(setup_flags[0]))

static int setup_with_flags(struct aion__ring *ring, unsigned flags, unsigned entry_nr, unsigned completion_nr)
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
static int setup_queues(struct aion__ring *ring, const struct aion__ring_options *options)
{
	unsigned entry_nr = options->entry_nr;
	unsigned completion_nr = options->completion_nr;
	unsigned row = 0;
	int result;

	for (;;) {
		result = setup_with_flags(ring, setup_flags[row], entry_nr, completion_nr);
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
		snprintf(text, size,
			 "io_uring_setup: %s: this kernel has no io_uring, or a container's seccomp filter hides it",
			 strerror(-result));
		break;
	case EPERM:
		snprintf(text, size,
			 "io_uring_setup: %s: io_uring is forbidden here; see sysctl kernel.io_uring_disabled and the "
			 "seccomp filter",
			 strerror(-result));
		break;
	case ENOMEM:
		getrlimit(RLIMIT_MEMLOCK, &limit);
		snprintf(text, size,
			 "io_uring_setup: %s: even %d entries do not fit; the locked-memory limit (RLIMIT_MEMLOCK, "
			 "ulimit -l) is %llu bytes",
			 strerror(-result), ENTRY_MIN, (unsigned long long)limit.rlim_cur);
		break;
	default:
		snprintf(text, size, "io_uring_setup: %s", strerror(-result));
	}
}

int aion__kernel_setup(struct aion__ring *ring, const struct aion__ring_options *options, char *error_text,
		       size_t error_size)
{
	int result;

	ring->wake_fd = -1;
	result = setup_queues(ring, options);
	if (result < 0) {
		setup_error_text(result, error_text, error_size);
		return result;
	}
	ring->enter_fd = ring->uring.ring_fd;
	result = aion__fault_hit(AION__FAULT_EVENTFD);
	if (result == 0) {
		ring->wake_fd = eventfd(0, EFD_CLOEXEC);
		result = ring->wake_fd < 0 ? -errno : 0;
	}
	if (result < 0) {
		snprintf(error_text, error_size, "eventfd: %s", strerror(-result));
		io_uring_queue_exit(&ring->uring);
	}
	return result;
}

int aion__kernel_bind(struct aion__ring *ring)
{
	unsigned worker_max[2] = {ring->kernel_worker_max, ring->kernel_worker_max};
	int result = aion__ring_register(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);

	if (result < 0)
		return result;
	/* Both are improvements that a kernel may refuse. */
	aion__ring_register(ring, IORING_REGISTER_IOWQ_MAX_WORKERS, worker_max, 2);
	if (io_uring_register_ring_fd(&ring->uring) == 1) {
		ring->enter_fd = ring->uring.enter_ring_fd;
		ring->enter_flags = IORING_ENTER_REGISTERED_RING;
	}
	return 0;
}

void aion__kernel_teardown(struct aion__ring *ring)
{
	/* Without the page the ring has not got as far as to have threads. */
	if (ring->workers && aion__ring_is_alive(ring))
		aion__workers_fini(ring);
	else if (ring->workers)
		aion__workers_forget(ring);
	io_uring_queue_exit(&ring->uring);
	if (ring->wake_fd >= 0)
		close(ring->wake_fd);
}

void aion__kernel_wake(struct aion__ring *ring)
{
	const uint64_t one = 1;
	long result;

	do {
		result = aion__syscall6(SYS_write, ring->wake_fd, (long)&one, sizeof(one), 0, 0, 0);
	} while (result == -EINTR);
}
