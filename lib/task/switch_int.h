/* SPDX-License-Identifier: MIT */
#ifndef AION_TASK_SWITCH_INT_H
#define AION_TASK_SWITCH_INT_H
/*
 * The switch from one stack to another, and what AddressSanitizer must be told around it.
 *
 * Every suspended context stands inside aion__switch() or aion__switch_resume(), so a resumption ends in such a
 * function's `ret`, which pairs with the call that suspended it: the processor predicts it well as long as tasks switch
 * to tasks. Saved are the registers that a called function must preserve. Not saved are the floating-point control
 * words
 * (mxcsr, x87, FPCR): a task that changes the rounding mode puts it back before it suspends. The signal mask is the
 * thread's, too.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "annotate_int.h"

#ifdef AION__SWITCH_UCONTEXT
#include <ucontext.h>
#endif

#ifdef AION__ASAN
#include <pthread.h>
#endif

/*
 * Leave the running context and go on in another.
 * @save_sp: gets what resumes the caller, before the stack is left.
 * @sp: with entry NULL: what the other context saved when it suspended. Else the top of a stack that nobody uses,
 *   16-byte aligned, on which entry() is called.
 * @entry: what a fresh stack runs. What it returns is the saved sp of the context to resume; its own stack is dead
 *   from then on.
 *
 * Returns when somebody resumes *save_sp. Always 0: so a caller that has nothing left to do can end with it.
 */
typedef void *aion__switch_entry(void);
int aion__switch(void **save_sp, void *sp, aion__switch_entry *entry) __attribute__((visibility("hidden")));

/* The same with entry NULL. */
int aion__switch_resume(void **save_sp, void *sp) __attribute__((visibility("hidden")));

/*
 * Go on in another context for good: the stack of the caller is dead. Does not return. It has the type of a task's
 * function, so that aion__task_entry() can call it in a task's place.
 */
int64_t aion__switch_leave(void *sp) __attribute__((visibility("hidden")));

#ifdef AION__ASAN
#define AION__SWITCH_UNSEEN __attribute__((no_sanitize_address))
#else
#define AION__SWITCH_UNSEEN
#endif

/*
 * Of a suspended context: where it goes on, and its registers then, by the numbers of unwind_int.h. False: the stack,
 * which ends at high, does not hold them, or the switch is the portable one on another machine than an x86-64.
 */
static inline AION__SWITCH_UNSEEN bool aion__switch_saved(const void *sp, const char *high, uintptr_t *ret_regs,
							  uintptr_t *ret_pc)
{
#if defined(AION__SWITCH_UCONTEXT) && defined(__x86_64__)
	static const uint8_t saved[][2] = {{3, REG_RBX},  {6, REG_RBP},  {7, REG_RSP}, {12, REG_R12},
					   {13, REG_R13}, {14, REG_R14}, {15, REG_R15}};
	const ucontext_t *context = sp;

	if ((const char *)(context + 1) > high)
		return false;
	for (size_t i = 0; i < sizeof(saved) / sizeof(saved[0]); i++)
		ret_regs[saved[i][0]] = (uintptr_t)context->uc_mcontext.gregs[saved[i][1]];
	*ret_pc = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
	return true;
#elif defined(AION__SWITCH_UCONTEXT)
	(void)sp, (void)high, (void)ret_regs, (void)ret_pc;
	return false;
#elif defined(__x86_64__)
	static const uint8_t saved[] = {15, 14, 13, 12, 3, 6};
	const uintptr_t *words = sp;

	if ((const char *)(words + 7) > high)
		return false;
	for (size_t i = 0; i < sizeof(saved); i++)
		ret_regs[saved[i]] = words[i];
	ret_regs[7] = (uintptr_t)(words + 7);
	*ret_pc = words[6];
	return true;
#elif defined(__aarch64__)
	const uintptr_t *words = sp;

	if ((const char *)(words + 20) > high)
		return false;
	ret_regs[29] = words[0];
	ret_regs[30] = words[1];
	for (size_t i = 0; i < 10; i++)
		ret_regs[19 + i] = words[2 + i];
	ret_regs[31] = (uintptr_t)(words + 20);
	*ret_pc = words[1];
	return true;
#endif
}

/*
 * A context as AddressSanitizer knows it; empty in other builds. Kept by whoever keeps the saved sp: one in each task,
 * one for the thread's own stack.
 *
 *	aion__fiber_leave(&a->fiber, &b->fiber);         suspend a, resume b, or start b on its fresh stack
 *	aion__switch(&a->sp, b->sp, NULL);               (… b->stack->top, task_entry)
 *	aion__fiber_arrive(&a->fiber);                   somebody has resumed a
 *
 *	static AION__SWITCH_ENTRY void *task_entry(void)
 *	{
 *		aion__fiber_arrive(&current->fiber);     the fresh stack runs
 *		next = run_tasks();                      one or more, one after another, on this stack
 *		aion__fiber_leave_for_ever(&next->fiber);
 *		return next->sp;
 *	}
 *
 * A task that takes over the stack of one that has ended needs its aion__fiber_init() and nothing else.
 */
struct aion__fiber {
#ifdef AION__ASAN
	void *fake_stack; /* its frames under use-after-return detection, while it is suspended */
	const void *low;
	size_t size;
#endif
};

/*
 * For the function that aion__switch() calls on a fresh stack. leave_for_ever() frees the stack's fake frames, so this
 * function must not have one: its epilogue would write to it.
 */
#ifdef AION__ASAN
#define AION__SWITCH_ENTRY __attribute__((noinline, no_sanitize_address))
#else
#define AION__SWITCH_ENTRY
#endif

/* The context that runs, or will, on the stack of size bytes that begins at low. */
static inline void aion__fiber_init(struct aion__fiber *fiber, const void *low, size_t size)
{
#ifdef AION__ASAN
	fiber->fake_stack = NULL;
	fiber->low = low;
	fiber->size = size;
#endif
	(void)fiber, (void)low, (void)size;
}

/* The context of the calling thread's own stack. */
static inline void aion__fiber_init_thread(struct aion__fiber *fiber)
{
#ifdef AION__ASAN
	pthread_attr_t attr;
	void *low = NULL;
	size_t size = 0;

	if (!pthread_getattr_np(pthread_self(), &attr)) {
		pthread_attr_getstack(&attr, &low, &size);
		pthread_attr_destroy(&attr);
	}
	aion__fiber_init(fiber, low, size);
#endif
	(void)fiber;
}

/* Just before aion__switch(). */
static inline void aion__fiber_leave(struct aion__fiber *from, const struct aion__fiber *to)
{
#ifdef AION__ASAN
	__sanitizer_start_switch_fiber(&from->fake_stack, to->low, to->size);
#endif
	(void)from, (void)to;
}

/* Just after aion__switch() has returned, and first of all on a fresh stack. */
static inline void aion__fiber_arrive(struct aion__fiber *self)
{
#ifdef AION__ASAN
	__sanitizer_finish_switch_fiber(self->fake_stack, NULL, NULL);
#endif
	(void)self;
}

/* Just before the entry function returns. Call it from an AION__SWITCH_ENTRY function only. */
static inline void aion__fiber_leave_for_ever(const struct aion__fiber *to)
{
#ifdef AION__ASAN
	__sanitizer_start_switch_fiber(NULL, to->low, to->size);
#endif
	(void)to;
}

#endif
