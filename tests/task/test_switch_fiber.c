/* SPDX-License-Identifier: MIT */
/*
 * What AddressSanitizer is told around a switch. In its builds each case runs frames with redzones and with frames on
 * the fake stack (detect_stack_use_after_return=1) on both sides of the switch: told wrongly, it reports. In other
 * builds the cases check the order alone.
 */
#include <criterion/criterion.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include "stack_int.h"
#include "switch_int.h"

struct context {
	void *sp;
	struct aion__stack *stack;
	struct aion__fiber fiber;
};

static struct aion__stack_pool pool;
static struct context thread;
static struct context a;
static struct context b;
static unsigned sum;

static void context_take(struct context *context, struct aion__stack *stack)
{
	context->stack = stack;
	aion__fiber_init(&context->fiber, stack->low, aion__stack_size(stack));
}

static void fibers_up(void)
{
	aion__stack_pool_init(&pool);
	aion__fiber_init_thread(&thread.fiber);
	context_take(&a, aion__stack_get(&pool, 1));
	context_take(&b, aion__stack_get(&pool, 1));
}

static void fibers_down(void)
{
	aion__stack_pool_fini(&pool);
}

TestSuite(switch_fiber, .init = fibers_up, .fini = fibers_down);

static void start(struct context *from, struct context *to, void *(*entry)(void))
{
	aion__fiber_leave(&from->fiber, &to->fiber);
	aion__switch(&from->sp, to->stack->top, entry);
	aion__fiber_arrive(&from->fiber);
}

static void resume(struct context *from, struct context *to)
{
	aion__fiber_leave(&from->fiber, &to->fiber);
	aion__switch(&from->sp, to->sp, NULL);
	aion__fiber_arrive(&from->fiber);
}

/*
 * A jump makes the sanitizer clean the stack that it believes to run on, and free the fake frames of what it believes
 * to lie below: those of suspended fibers, if it believes wrongly.
 */
static __attribute__((noinline)) void jump(void)
{
	static jmp_buf here;

	if (!setjmp(here))
		longjmp(here, 1);
}

#define FRAME_SIZE 200 /* bytes: the same everywhere, so that frames freed by mistake are used again */

/* Frames with arrays, whose addresses leave the compiler's sight; each holds its bytes until the deeper ones are done.
 */
static __attribute__((noinline)) unsigned work(unsigned depth)
{
	char bytes[FRAME_SIZE];
	char *seen = bytes;
	unsigned below;

	__asm__ volatile("" : "+r"(seen));
	memset(seen, (int)depth, sizeof(bytes));
	if (depth == 10)
		jump();
	below = depth ? work(depth - 1) : 0;
	return below + (unsigned)seen[depth] + (unsigned)seen[FRAME_SIZE - 1 - depth];
}

/* work(20) */
#define WORK 420u

/* The frame is alive while others run; what it held must be there, and accessible, when it goes on. */
static __attribute__((noinline)) void work_around(struct context *self, struct context *other)
{
	char bytes[FRAME_SIZE];
	char *seen = bytes;

	__asm__ volatile("" : "+r"(seen));
	memset(seen, 7, sizeof(bytes));
	sum += work(20);
	resume(self, other);
	sum += work(20);
	for (unsigned i = 0; i < sizeof(bytes); i++)
		cr_assert_eq(seen[i], 7);
}

static AION__SWITCH_ENTRY void *a_entry(void)
{
	aion__fiber_arrive(&a.fiber);
	work_around(&a, &thread);
	aion__fiber_leave_for_ever(&thread.fiber);
	return thread.sp;
}

static AION__SWITCH_ENTRY void *b_ends_in_a(void)
{
	aion__fiber_arrive(&b.fiber);
	sum += work(20);
	aion__fiber_leave_for_ever(&a.fiber);
	return a.sp;
}

static AION__SWITCH_ENTRY void *b_entry(void)
{
	aion__fiber_arrive(&b.fiber);
	work_around(&b, &a);
	aion__fiber_leave_for_ever(&thread.fiber);
	return thread.sp;
}

Test(switch_fiber, fresh_stack_starts_and_its_end_resumes)
{
	start(&thread, &a, a_entry);
	sum += work(20);
	resume(&thread, &a);
	cr_assert_eq(sum, 3 * WORK);
}

/* thread -> a (suspends) -> thread -> b (suspends) -> a (ends) -> thread -> b (ends) -> thread */
Test(switch_fiber, suspended_fiber_resumes_another)
{
	start(&thread, &a, a_entry);
	start(&thread, &b, b_entry);
	sum += work(20);
	resume(&thread, &b);
	cr_assert_eq(sum, 5 * WORK);
}

Test(switch_fiber, ended_fiber_resumes_another_than_its_starter)
{
	start(&thread, &a, a_entry);
	sum += work(20);
	start(&thread, &b, b_ends_in_a);
	cr_assert_eq(sum, 4 * WORK);
}

/* Three tasks, one after another, on one stack: the second suspends, the third ends into the thread. */
static struct context second;
static struct context third;

static AION__SWITCH_ENTRY void *three_tasks(void)
{
	aion__fiber_arrive(&a.fiber);
	sum += work(20);
	context_take(&second, a.stack);
	work_around(&second, &thread);
	context_take(&third, second.stack);
	work_around(&third, &thread);
	aion__fiber_leave_for_ever(&thread.fiber);
	return thread.sp;
}

Test(switch_fiber, fresh_task_takes_over_the_stack_of_one_that_ended)
{
	start(&thread, &a, three_tasks);
	sum += work(20);
	cr_expect_eq(sum, 3 * WORK);
	resume(&thread, &second);
	sum += work(20);
	cr_expect_eq(sum, 6 * WORK);
	resume(&thread, &third);
	cr_assert_eq(sum, 7 * WORK);
}

static AION__SWITCH_ENTRY void *return_own_stack(void)
{
	aion__fiber_arrive(&a.fiber);
	work_around(&a, &thread);
	aion__stack_put_running(&pool, 1, a.stack);
	aion__fiber_leave_for_ever(&thread.fiber);
	return thread.sp;
}

/* Fake frames and redzones of the task before must not show on a stack that comes back from the pool. */
Test(switch_fiber, stack_that_ended_tasks_returned_is_used_again)
{
	for (int i = 0; i < 100; i++) {
		start(&thread, &a, return_own_stack);
		sum += work(20);
		resume(&thread, &a);
		context_take(&a, aion__stack_get(&pool, 1));
	}
	cr_assert_eq(sum, 300 * WORK);
}
