/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fault_int.h"
#include "stack_int.h"

/* Valgrind would report every look at a guard. */
#ifndef AION_VALGRIND

#define PAGE_SIZE 4096

static struct aion__stack_pool pool;

static void pool_up(void)
{
	aion__stack_pool_init(&pool);
}

static void pool_down(void)
{
#ifdef AION_FAULTS
	aion__fault_reset();
#endif
	aion__stack_pool_fini(&pool);
}

TestSuite(stack_guard, .init = pool_up, .fini = pool_down);

/* Whether the kernel, asked to read a byte there, says that nobody can. */
static bool is_closed(const char *address)
{
	int pipe_fds[2];
	ssize_t written;
	int error;

	cr_assert_eq(pipe(pipe_fds), 0);
	written = write(pipe_fds[1], address, 1);
	error = errno;
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return written < 0 && error == EFAULT;
}

/* The whole of the guard, and nothing of the stack. */
static void expect_guard(const struct aion__stack *stack)
{
	for (size_t off = PAGE_SIZE; off <= AION__STACK_GUARD_SIZE; off += PAGE_SIZE)
		cr_expect(is_closed(stack->low - off), "%zu below the stack", off);
	cr_expect(is_closed(stack->low - 1));
	cr_expect(!is_closed(stack->low));
	cr_expect(!is_closed(stack->high - 1));
}

Test(stack_guard, lies_below_every_stack)
{
	for (unsigned i = 0; i < AION__STACK_CLASS_NR; i++)
		for (int j = 0; j < 3; j++)
			expect_guard(aion__stack_get(&pool, i));
}

static void touch_guard(void)
{
	struct aion__stack *stack = aion__stack_get(&pool, 0);

	signal(SIGSEGV, SIG_DFL); /* not the sanitizer's */
	stack->low[0] = 1;
	*(volatile char *)(stack->low - 1) = 1;
}

Test(stack_guard, touching_it_is_a_segmentation_fault, .signal = SIGSEGV)
{
	touch_guard();
}

/* More stacks than may stay warm, so that the memory of the last ones has been given back. */
Test(stack_guard, survives_when_memory_is_given_back)
{
	enum { STACK_NR = 4096 + 256 };
	static struct aion__stack *stacks[STACK_NR];

	for (int i = 0; i < STACK_NR; i++)
		stacks[i] = aion__stack_get(&pool, 0);
	for (int i = 0; i < STACK_NR; i++)
		aion__stack_put(&pool, 0, stacks[i]);
	for (int i = 0; i < STACK_NR; i++)
		stacks[i] = aion__stack_get(&pool, 0);
	for (int i = 0; i < STACK_NR; i += 31)
		cr_assert(is_closed(stacks[i]->low - 1) && !is_closed(stacks[i]->low));
}

#ifdef AION_FAULTS
Test(stack_guard, refused_advice_falls_back_to_mprotect)
{
	aion__fault_arm(AION__FAULT_GUARD_INSTALL, 0, 1, -EINVAL);
	for (int i = 0; i < 5; i++)
		expect_guard(aion__stack_get(&pool, 1));
	cr_expect(pool.guard_by_protect);
	cr_expect_eq(aion__fault_passed(AION__FAULT_GUARD_INSTALL), 1, "it is asked once a pool");
}

Test(stack_guard, touching_an_mprotected_one_is_a_segmentation_fault, .signal = SIGSEGV)
{
	aion__fault_arm(AION__FAULT_GUARD_INSTALL, 0, 1, -EINVAL);
	touch_guard();
}

/* The limit of mappings: without a guard there is no stack; the same one is tried again later. */
Test(stack_guard, stack_without_guard_is_not_handed_out)
{
	struct aion__stack *stack;

	aion__fault_arm(AION__FAULT_GUARD_INSTALL, 0, 1, -EINVAL);
	aion__fault_arm(AION__FAULT_GUARD_PROTECT, 0, 2, -ENOMEM);
	errno = 0;
	cr_expect_null(aion__stack_get(&pool, 0));
	cr_expect_null(aion__stack_get(&pool, 0));
	cr_expect_eq(errno, 0);
	stack = aion__stack_get(&pool, 0);
	cr_assert_not_null(stack);
	expect_guard(stack);
}
#endif

/* Locked memory takes no guard advice; the stacks come all the same. Needs the right to lock so much. */
Test(stack_guard, locked_memory_has_guards)
{
	struct aion__stack *stack;

	if (mlockall(MCL_FUTURE | MCL_ONFAULT) < 0)
		cr_skip_test("mlockall is not allowed here");
	stack = aion__stack_get(&pool, 0);
	munlockall();
	cr_assert_not_null(stack);
	expect_guard(stack);
}

#endif
