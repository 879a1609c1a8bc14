/* SPDX-License-Identifier: MIT */
/* The kernel as the backend: what is on the way of every operation is a system call. Its rings are made in setup.c. */
#include <signal.h>
#include <sys/syscall.h>

#include "clock_int.h"
#include "exec_int.h"
#include "syscall_int.h"
#include "worker_int.h"

static __attribute__((noinline)) int kernel_enter_until(struct aion__ring *ring, unsigned to_submit, unsigned wait_nr,
							int64_t deadline_ns)
{
	struct io_uring_getevents_arg arg = {0};
	struct __kernel_timespec wait_time;
	int64_t wait_ns = deadline_ns - aion__clock_ns();

	if (wait_ns < 0)
		wait_ns = 0;
	wait_time.tv_sec = wait_ns / AION_SECOND;
	wait_time.tv_nsec = wait_ns % AION_SECOND;
	arg.ts = (uintptr_t)&wait_time;
	return (int)aion__syscall6(__NR_io_uring_enter, ring->enter_fd, to_submit, wait_nr,
				   ring->enter_flags | IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, (long)&arg,
				   sizeof(arg));
}

static int kernel_enter(struct aion__ring *ring, unsigned to_submit, unsigned wait_nr, int64_t deadline_ns)
{
#ifdef AION_VALGRIND
	/* It runs one thread at a time and does not know that this call blocks: whoever is waited for would never run.
	 * So the others get their turn first, and the wait is short. */
	if (wait_nr)
		aion__syscall6(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
	if (wait_nr && deadline_ns > aion__clock_ns() + AION_MILLISECOND)
		deadline_ns = aion__clock_ns() + AION_MILLISECOND;
#endif
	if (wait_nr && deadline_ns != AION_NEVER)
		return kernel_enter_until(ring, to_submit, wait_nr, deadline_ns);
	return aion__kernel_enter(ring, to_submit, wait_nr);
}

static int kernel_register(struct aion__ring *ring, unsigned opcode, const void *arg, unsigned nr)
{
	return (int)aion__syscall6(__NR_io_uring_register, ring->uring.ring_fd, opcode, (long)arg, nr, 0, 0);
}

static int64_t kernel_now(struct aion__ring *ring)
{
	(void)ring;
	return aion__clock_ns();
}

static int64_t kernel_call(struct aion__ring *ring, const struct io_uring_sqe *sqe)
{
	(void)ring;
	return aion__exec_try(sqe);
}

static int64_t kernel_exec(struct aion__ring *ring, const struct io_uring_sqe *sqe)
{
	(void)ring;
	return aion__exec_blocking(sqe);
}

const struct aion__backend aion__kernel_backend = {
	.enter = kernel_enter,
	.register_ = kernel_register,
	.now = kernel_now,
	.call = kernel_call,
	.setup = aion__kernel_setup,
	.bind = aion__kernel_bind,
	.teardown = aion__kernel_teardown,
	.wake = aion__kernel_wake,
	.submit_job = aion__workers_submit,
	.withdraw_job = aion__workers_withdraw,
	.reap_jobs = aion__workers_reap,
	.exec = kernel_exec,
};
