/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <execinfo.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "stack_int.h"
#include "switch_int.h"

/* A context as the scheduler keeps one. `thread` is the test's own stack. */
struct context {
	void *sp;
	struct aion__stack *stack;
	struct aion__fiber fiber;
};

static struct aion__stack_pool pool;
static struct context thread;
static struct context a;
static struct context b;
static char trace[64];

static void context_init(struct context *context)
{
	context->stack = aion__stack_get(&pool, 0);
	aion__fiber_init(&context->fiber, context->stack->low, aion__stack_size(context->stack));
}

static void contexts_up(void)
{
	aion__stack_pool_init(&pool);
	aion__fiber_init_thread(&thread.fiber);
	context_init(&a);
	context_init(&b);
}

static void contexts_down(void)
{
	aion__stack_pool_fini(&pool);
}

TestSuite(switch_context, .init = contexts_up, .fini = contexts_down);

static void note(char what)
{
	trace[strlen(trace)] = what;
}

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

static AION__SWITCH_ENTRY void *end_in_thread(void)
{
	aion__fiber_arrive(&a.fiber);
	note('a');
	aion__fiber_leave_for_ever(&thread.fiber);
	return thread.sp;
}

Test(switch_context, entry_runs_and_its_end_resumes_the_starter)
{
	start(&thread, &a, end_in_thread);
	note('t');
	start(&thread, &a, end_in_thread);
	cr_assert_str_eq(trace, "ata");
}

static AION__SWITCH_ENTRY void *ping(void)
{
	aion__fiber_arrive(&a.fiber);
	note('1');
	resume(&a, &thread);
	note('2');
	resume(&a, &thread);
	note('3');
	aion__fiber_leave_for_ever(&thread.fiber);
	return thread.sp;
}

Test(switch_context, resumption_goes_on_where_it_suspended)
{
	start(&thread, &a, ping);
	note('x');
	resume(&thread, &a);
	note('y');
	resume(&thread, &a);
	cr_assert_str_eq(trace, "1x2y3");
}

static AION__SWITCH_ENTRY void *end_in_a(void)
{
	aion__fiber_arrive(&b.fiber);
	note('b');
	aion__fiber_leave_for_ever(&a.fiber);
	return a.sp;
}

/* The thread starts a, which suspends; then b, whose end resumes a, whose end resumes the thread. */
Test(switch_context, end_resumes_another_than_the_starter)
{
	start(&thread, &a, ping);
	start(&thread, &b, end_in_a);
	note('x');
	resume(&thread, &a);
	cr_assert_str_eq(trace, "1b2x3");
}

static uintptr_t entry_frame;

static AION__SWITCH_ENTRY void *look_at_frame(void)
{
	aion__fiber_arrive(&a.fiber);
	entry_frame = (uintptr_t)__builtin_frame_address(0);
	aion__fiber_leave_for_ever(&thread.fiber);
	return thread.sp;
}

/* The compiler relies on the alignment for its vector stores. The frame begins near the top: no room is lost. */
Test(switch_context, entry_starts_at_the_top_with_an_aligned_stack)
{
	start(&thread, &a, look_at_frame);
	cr_expect_eq(entry_frame % 16, 0);
	cr_expect_lt(entry_frame, (uintptr_t)a.stack->top);
	cr_expect_gt(entry_frame, (uintptr_t)a.stack->top - 1024);
}

static char formatted[64];

static __attribute__((noinline)) void format(void)
{
	snprintf(formatted, sizeof(formatted), "%.3f %Lg", sqrt(2.0), 0.5L);
}

static AION__SWITCH_ENTRY void *format_in_entry(void)
{
	aion__fiber_arrive(&a.fiber);
	format();
	aion__fiber_leave_for_ever(&thread.fiber);
	return thread.sp;
}

Test(switch_context, floating_point_and_variable_arguments_work_on_a_fresh_stack)
{
	start(&thread, &a, format_in_entry);
	cr_assert_str_eq(formatted, "1.414 0.5");
}

/*
 * Goal: what a called function must preserve is preserved.
 * Method: put numbers into those registers, switch to a context that overwrites them all, look again.
 */
#if defined(__x86_64__)
#define CLOBBER()                                                                                                      \
	__asm__ volatile("mov $-1, %%rbx; mov $-1, %%r12; mov $-1, %%r13; mov $-1, %%r14; mov $-1, %%r15" ::           \
				 : "rbx", "r12", "r13", "r14", "r15")
#define REGISTERS(X) X(1, "rbx") X(2, "r12") X(3, "r13") X(4, "r14") X(5, "r15")
#define FLOAT_REGISTERS(X)
#elif defined(__aarch64__)
#define CLOBBER()                                                                                                      \
	__asm__ volatile("mov x19, #-1; mov x20, #-1; mov x21, #-1; mov x22, #-1; mov x23, #-1; mov x24, #-1;"         \
			 "mov x25, #-1; mov x26, #-1; mov x27, #-1; mov x28, #-1;"                                     \
			 "fmov d8, #-1.0; fmov d9, #-1.0; fmov d10, #-1.0; fmov d11, #-1.0;"                           \
			 "fmov d12, #-1.0; fmov d13, #-1.0; fmov d14, #-1.0; fmov d15, #-1.0" ::                       \
				 : "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "d8", "d9",   \
				   "d10", "d11", "d12", "d13", "d14", "d15")
#define REGISTERS(X)                                                                                                   \
	X(1, "x19")                                                                                                    \
	X(2, "x20") X(3, "x21") X(4, "x22") X(5, "x23") X(6, "x24") X(7, "x25") X(8, "x26") X(9, "x27") X(10, "x28")
#define FLOAT_REGISTERS(X) X(1, "d8") X(2, "d9") X(3, "d10") X(4, "d11") X(5, "d12") X(6, "d13") X(7, "d14") X(8, "d15")
#endif

#if defined(CLOBBER) && !defined(AION__ASAN) /* which is not told of these switches */
static void **clobber_save;
static void *clobber_to;

static AION__SWITCH_ENTRY void *clobber(void)
{
	CLOBBER();
	aion__switch(clobber_save, clobber_to, NULL);
	CLOBBER();
	return clobber_to;
}

static __attribute__((noinline, no_sanitize_address)) unsigned registers_lost(void *sp, void *(*entry)(void))
{
	unsigned wrong_nr = 0;
#define DECLARE(n, name) register uint64_t r##n __asm__(name) = 1000 + n;
#define DECLARE_FLOAT(n, name) register double f##n __asm__(name) = 0.5 + n;
	REGISTERS(DECLARE)
	FLOAT_REGISTERS(DECLARE_FLOAT)

#define PIN(n, name) __asm__ volatile("" : "+r"(r##n));
#define PIN_FLOAT(n, name) __asm__ volatile("" : "+w"(f##n));
	REGISTERS(PIN)
	FLOAT_REGISTERS(PIN_FLOAT)
	aion__switch(&clobber_to, sp, entry);
	REGISTERS(PIN)
	FLOAT_REGISTERS(PIN_FLOAT)
#define COUNT(n, name) wrong_nr += r##n != 1000 + n;
#define COUNT_FLOAT(n, name) wrong_nr += f##n != 0.5 + n;
	REGISTERS(COUNT)
	FLOAT_REGISTERS(COUNT_FLOAT)
	return wrong_nr;
}

/* Once by a switch, once by the end of the other context. */
Test(switch_context, preserved_registers_survive)
{
	clobber_save = &a.sp;
	cr_expect_eq(registers_lost(a.stack->top, clobber), 0);
	cr_expect_eq(registers_lost(a.sp, NULL), 0);
}
#endif

#define RING_NR 500
#define ROUND_NR 20
static struct context ring[RING_NR];
static unsigned started_idx;
static unsigned visit_nr;
static unsigned lost_nr;

/* Suspends at once, until all exist. Returns whom to resume at the end. */
static __attribute__((noinline)) struct context *ring_run(void)
{
	unsigned self = started_idx;
	volatile unsigned locals[32];

	for (unsigned i = 0; i < 32; i++)
		locals[i] = self + i;
	resume(&ring[self], &thread);
	for (unsigned round = 0; round < ROUND_NR; round++) {
		for (unsigned i = 0; i < 32; i++)
			lost_nr += locals[i] != self + i;
		visit_nr++;
		resume(&ring[self], &ring[(self + 1) % RING_NR]);
	}
	return self + 1 < RING_NR ? &ring[self + 1] : &thread;
}

static AION__SWITCH_ENTRY void *ring_entry(void)
{
	struct context *next;

	aion__fiber_arrive(&ring[started_idx].fiber);
	next = ring_run();
	aion__fiber_leave_for_ever(&next->fiber);
	return next->sp;
}

/* Each keeps its own locals, whoever ran between; the end of each resumes the next. */
Test(switch_context, hundreds_take_turns)
{
	for (started_idx = 0; started_idx < RING_NR; started_idx++) {
		context_init(&ring[started_idx]);
		start(&thread, &ring[started_idx], ring_entry);
	}
	resume(&thread, &ring[0]);
	cr_expect_eq(visit_nr, RING_NR * ROUND_NR);
	cr_expect_eq(lost_nr, 0);
}

/* Unwinders, a debugger's and an exception's, must come to an end there and not walk off the stack. */
#ifndef AION__ASAN
static int frame_nr;
static void *frames[64];

static __attribute__((noinline)) void look_back(void)
{
	frame_nr = backtrace(frames, 64);
	__asm__ volatile("");
}

static void *look_back_in_entry(void)
{
	look_back();
	__asm__ volatile("");
	return thread.sp;
}

Test(switch_context, backtrace_ends_at_the_fresh_stack)
{
	start(&thread, &a, look_back_in_entry);
	cr_expect_geq(frame_nr, 2);
	cr_expect_leq(frame_nr, 5);
	cr_expect((char *)frames[1] > (char *)look_back_in_entry);
	cr_expect((char *)frames[1] < (char *)look_back_in_entry + 64);
}
#endif
