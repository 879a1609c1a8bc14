/* SPDX-License-Identifier: MIT */
#include "raw_ring.h"

#include <errno.h>

#include "perf.h"

void perf_ring_open(struct io_uring *ring, unsigned entry_nr, unsigned completion_nr)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
			 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
		.cq_entries = completion_nr ? completion_nr : 4 * entry_nr,
	};
	int result = io_uring_queue_init_params(entry_nr, ring, &params);

	if (result < 0)
		perf_die("io_uring_queue_init_params", result);
	result = io_uring_register_ring_fd(ring);
	if (result < 0)
		perf_die("io_uring_register_ring_fd", result);
}

void perf_ring_close(struct io_uring *ring)
{
	io_uring_queue_exit(ring);
}

void perf_ring_enter(struct io_uring *ring, unsigned wait_nr)
{
	int result;

	do {
		result = io_uring_submit_and_wait(ring, wait_nr);
	} while (result == -EINTR);
	if (result < 0)
		perf_die("io_uring_submit_and_wait", result);
}
