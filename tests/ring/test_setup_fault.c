/* SPDX-License-Identifier: MIT */
/* Setups that this kernel would not refuse. */
#include "fault_int.h"

#ifdef AION_FAULTS
#include <criterion/criterion.h>
#include <errno.h>

#include "test_ring.h"
#include "test_task.h"

static char text[256];

static int open_with(struct aion__ring *ring, enum aion__fault point, unsigned after, unsigned times, int value)
{
	aion__fault_arm(point, after, times, value);
	return test_ring_try_open(ring, 1, NULL, text, sizeof(text));
}

static void works(struct aion__ring *ring)
{
	struct io_uring_sqe sqe = {0};

	cr_assert_eq(aion__ring_bind(ring), 0);
	io_uring_prep_nop(&sqe);
	cr_assert_eq(test_ring_do(ring, &sqe).res, 0);
	aion__ring_fini(ring);
}

/* Each refusal takes a row of flags off, until none is left that could be refused. */
Test(setup_fault, flags_come_off_one_by_one)
{
	unsigned left = ~0U;
	unsigned times = 0;
	struct aion__ring ring;

	while (open_with(&ring, AION__FAULT_RING_SETUP, 0, times, -EINVAL) == 0) {
		unsigned flags = (unsigned)__builtin_popcount(ring.setup_flags);

		cr_assert_eq(aion__fault_passed(AION__FAULT_RING_SETUP), times ? times + 1 : 0);
		cr_assert_leq(flags, left, "after %u refusals", times);
		left = flags;
		works(&ring);
		cr_assert_lt(++times, 20);
	}
	cr_assert_geq(times, 3, "several rows were tried");
	cr_assert_eq(aion__fault_passed(AION__FAULT_RING_SETUP), times);
	cr_assert_str_not_empty(text);
}

Test(setup_fault, a_kernel_without_deferred_work_gets_a_ring_too)
{
	struct aion__ring ring;

	cr_assert_eq(open_with(&ring, AION__FAULT_RING_SETUP, 0, 1, -EINVAL), 0);
	cr_assert(!(ring.setup_flags & IORING_SETUP_DEFER_TASKRUN));
	cr_assert(ring.setup_flags & IORING_SETUP_TASKRUN_FLAG, "without it the loop could not tell that work waits");
	works(&ring);
}

Test(setup_fault, no_memory_halves_both_queues)
{
	struct aion__ring ring;

	cr_assert_eq(open_with(&ring, AION__FAULT_RING_SETUP, 0, 2, -ENOMEM), 0);
	cr_assert_eq(ring.uring.sq.ring_entries, 16);
	cr_assert_eq(ring.uring.cq.ring_entries, 64);
	cr_assert(ring.setup_flags & IORING_SETUP_SUBMIT_ALL, "the flags stay");
	works(&ring);
}

Test(setup_fault, no_memory_at_all_names_the_limit)
{
	struct aion__ring ring;

	cr_assert_eq(open_with(&ring, AION__FAULT_RING_SETUP, 0, 1000, -ENOMEM), -ENOMEM);
	cr_assert_eq(aion__fault_passed(AION__FAULT_RING_SETUP), 4, "64, 32, 16, 8 entries");
	cr_assert_not_null(strstr(text, "RLIMIT_MEMLOCK"), "%s", text);
}

Test(setup_fault, forbidden_and_missing_are_told_apart)
{
	struct aion__ring ring;

	cr_assert_eq(open_with(&ring, AION__FAULT_RING_SETUP, 0, 1000, -EPERM), -EPERM);
	cr_assert_eq(aion__fault_passed(AION__FAULT_RING_SETUP), 1, "asking again would not help");
	cr_assert_not_null(strstr(text, "kernel.io_uring_disabled"), "%s", text);
	cr_assert_eq(open_with(&ring, AION__FAULT_RING_SETUP, 0, 1000, -ENOSYS), -ENOSYS);
	cr_assert_null(strstr(text, "kernel.io_uring_disabled"), "%s", text);
	cr_assert_not_null(strstr(text, "no io_uring"), "%s", text);
}

Test(setup_fault, a_failing_eventfd_undoes_the_setup)
{
	struct aion__ring ring;

	cr_assert_eq(open_with(&ring, AION__FAULT_EVENTFD, 0, 1, -EMFILE), -EMFILE);
	cr_assert_not_null(strstr(text, "eventfd"), "%s", text);
	cr_assert_null((void *)ring.fork_page);
	cr_assert_eq(test_ring_try_open(&ring, 1, NULL, text, sizeof(text)), 0);
	works(&ring);
}

Test(setup_fault, a_refused_probe_undoes_the_setup)
{
	struct aion__ring ring;

	cr_assert_eq(open_with(&ring, AION__FAULT_RING_REGISTER, 0, 1, -EINVAL), -EINVAL);
	cr_assert_not_null(strstr(text, "IORING_REGISTER_PROBE"), "%s", text);
	cr_assert_null((void *)ring.fork_page);
	cr_assert_eq(test_ring_try_open(&ring, 1, NULL, text, sizeof(text)), 0);
	works(&ring);
}

/* Limits of the kernel's workers are an improvement, no need. */
Test(setup_fault, only_a_refusal_to_enable_the_ring_keeps_it_from_its_thread)
{
	struct aion__ring ring;

	cr_assert_eq(open_with(&ring, AION__FAULT_RING_REGISTER, 1, 1, -ENOMEM), 0);
	cr_assert_eq(aion__ring_bind(&ring), -ENOMEM);
	works(&ring);
	cr_assert_eq(open_with(&ring, AION__FAULT_RING_REGISTER, 2, 1, -EPERM), 0);
	works(&ring);
	cr_assert_eq(aion__fault_passed(AION__FAULT_RING_REGISTER), 3);
}

Test(setup_fault, enter_passes_on_what_reaping_can_cure)
{
	struct aion__ring ring;

	test_ring_open(&ring, 1);
	io_uring_prep_nop(aion__ring_take(&ring));
	aion__fault_arm(AION__FAULT_RING_ENTER, 0, 1, -EBUSY);
	cr_assert_eq(aion__ring_enter(&ring, 0, AION_NEVER), -EBUSY);
	aion__fault_arm(AION__FAULT_RING_ENTER, 0, 1, -EAGAIN);
	cr_assert_eq(aion__ring_enter(&ring, 0, AION_NEVER), -EAGAIN);
	cr_assert_eq(aion__ring_queued(&ring), 1, "the entry waits");
	aion__fault_arm(AION__FAULT_RING_ENTER, 0, 1, -EINTR);
	cr_assert_eq(aion__ring_enter(&ring, 0, AION_NEVER), 0);
	cr_assert_eq(test_ring_wait(&ring).res, 0);
	aion__ring_fini(&ring);
}

static void enter_with(int error)
{
	struct aion__ring ring;

	test_ring_open(&ring, 1);
	aion__fault_arm(AION__FAULT_RING_ENTER, 0, 1, error);
	aion__ring_enter(&ring, 0, AION_NEVER);
}

static void lose_a_completion(void)
{
	enter_with(-EBADR);
}

static void close_the_ring_s_descriptor(void)
{
	enter_with(-EBADF);
}

static void use_another_thread_s_ring(void)
{
	enter_with(-EEXIST);
}

/* Whoever waited would wait for ever, and his buffer would never be his again. */
Test(setup_fault, an_enter_that_cannot_be_cured_ends_the_process)
{
	test_aborts(lose_a_completion,
		    "the kernel lost a completion (io_uring_enter: EBADR) (aion__ring_enter_again, ");
	test_aborts(close_the_ring_s_descriptor, "io_uring_enter: Bad file descriptor (");
	test_aborts(use_another_thread_s_ring, "io_uring_enter: File exists (");
}
#else
typedef int setup_fault_is_compiled_out;
#endif
