/* SPDX-License-Identifier: MIT */
#ifndef AION_MEM_STACK_INT_H
#define AION_MEM_STACK_INT_H
/*
 * Task stacks: a pool a loop, one class a power of two. A stack has a guard below it and comes back warm, last in
 * first out. Its record lies apart from it, so that nothing touches the pages of an idle stack. A pool belongs to one
 * thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "annotate_int.h"
#include "assert_int.h"

#define AION__STACK_SIZE_MIN ((size_t)64 << 10) /* bytes: class 0 */
#define AION__STACK_CLASS_NR 11                 /* 64 KiB, 128 KiB, … 64 MiB */
#define AION__STACK_SIZE_MAX (AION__STACK_SIZE_MIN << (AION__STACK_CLASS_NR - 1))

/*
 * Bytes below each stack that nobody can touch: 64 KiB, and a page more, so that stack and guard are an odd number of
 * pages. At an even stride the tops of all stacks would share a few sets of the TLB.
 */
#define AION__STACK_GUARD_SIZE ((size_t)68 << 10)

#if defined(AION__ASAN) || defined(AION_VALGRIND)
#define AION__STACK_IS_WATCHED 1 /* nobody may touch an idle stack */
#else
#define AION__STACK_IS_WATCHED 0
#endif

/* The record of a stack, in an array of its slab. 48 bytes. */
struct aion__stack {
	struct aion__stack *next; /* in a list of idle ones */
	char *low;                /* its lowest byte; the guard ends here */
	char *high;               /* behind its last byte */
	void *top;                /* where a task starts: below high by the stack's colour, 16-byte aligned */
	void *owner;              /* the task layer's: whose it is now, for the report of an overflow */
	unsigned valgrind_id;
};

struct aion__stack_slab;

/* The stacks of one size. */
struct aion__stack_class {
	struct aion__stack *idle;    /* with their memory, the last returned first */
	size_t room_nr;              /* how many more may be idle with their memory */
	struct aion__stack *cooling; /* too many: their memory is about to go, a batch at a time */
	size_t cooling_nr;
	struct aion__stack *cold;    /* idle, their memory is gone */
	struct aion__stack *parting; /* the last that aion__stack_put_running() got, where idle ones are watched */
	struct aion__stack *fresh;   /* of the newest slab: not handed out so far */
	size_t fresh_nr;
	size_t slab_stack_nr; /* stacks of the next slab */
};

struct aion__stack_pool {
	struct aion__stack_class classes[AION__STACK_CLASS_NR];
	struct aion__stack_slab *slabs; /* newest first; a signal handler of the pool's thread may walk it */
	bool guard_is_probed;           /* MADV_GUARD_INSTALL was seen to work, or not */
	bool guard_by_protect;          /* not: mprotect() */
};

void aion__stack_pool_init(struct aion__stack_pool *pool);
/* Unmap all stacks, also those not returned. None may run. */
void aion__stack_pool_fini(struct aion__stack_pool *pool);

/* The class of stacks of at least size bytes. Errors: -EINVAL (more than AION__STACK_SIZE_MAX). */
int aion__stack_class(size_t size);

/* For the inline functions below. */
struct aion__stack *aion__stack_get_slow(struct aion__stack_pool *pool, unsigned class);
void aion__stack_put_slow(struct aion__stack_pool *pool, unsigned class, struct aion__stack *stack);
void aion__stack_put_parting(struct aion__stack_pool *pool, unsigned class, struct aion__stack *stack);

/*
 * The stack or guard that an address lies in, NULL if none of the pool's. Async-signal-safe on the pool's thread.
 */
struct aion__stack *aion__stack_pool_owner(const struct aion__stack_pool *pool, const void *address);
/* The same for one after the other: *hint, NULL at first, remembers where the last one was. */
struct aion__stack *aion__stack_pool_owner_near(const struct aion__stack_pool *pool, struct aion__stack_slab **hint,
						const void *address);

/* Stacks mapped, and bytes of address space of them and their guards. */
void aion__stack_pool_count(const struct aion__stack_pool *pool, size_t *ret_nr, size_t *ret_size);

/* Of a stack that aion__stack_pool_owner() found: whether the address is below it, in the guard. */
static inline bool aion__stack_is_overflow(const struct aion__stack *stack, const void *address)
{
	return (const char *)address < stack->low;
}

/* Bytes, without the guard. */
static inline size_t aion__stack_size(const struct aion__stack *stack)
{
	return (size_t)(stack->high - stack->low);
}

/* Whether one is there that has its memory. */
static inline bool aion__stack_is_warm(const struct aion__stack_pool *pool, unsigned class)
{
	return aion__likely(pool->classes[class].idle != NULL);
}

/*
 * A stack, or NULL: no memory (-ENOMEM). Its content is whatever the task before left, or zeros.
 */
static inline struct aion__stack *aion__stack_get(struct aion__stack_pool *pool, unsigned class)
{
	struct aion__stack_class *c = &pool->classes[class];
	struct aion__stack *stack = c->idle;

	if (aion__unlikely(!stack))
		return aion__stack_get_slow(pool, class);
	c->idle = stack->next;
	/* Where many tasks start one after another, the next stack's first frames are on their way meanwhile: a
	 * twentieth of what a thousand tasks cost that each suspend once. */
	if (c->idle) {
		__builtin_prefetch((char *)c->idle->top - 64, 1);
		__builtin_prefetch((char *)c->idle->top - 128, 1);
		__builtin_prefetch((char *)c->idle->top - 192, 1);
	}
	c->room_nr++;
	aion__annotate_open(stack->low, aion__stack_size(stack));
	stack->valgrind_id = aion__annotate_stack_register(stack->low, stack->high);
	return stack;
}

/* Return a stack on which nobody runs. */
static inline void aion__stack_put(struct aion__stack_pool *pool, unsigned class, struct aion__stack *stack)
{
	struct aion__stack_class *c = &pool->classes[class];

	if (aion__unlikely(!c->room_nr)) {
		aion__stack_put_slow(pool, class, stack);
		return;
	}
	aion__annotate_stack_deregister(stack->valgrind_id);
	aion__annotate_closed(stack->low, aion__stack_size(stack));
	c->room_nr--;
	stack->next = c->idle;
	c->idle = stack;
}

/*
 * Return the stack that the caller runs on: the last thing that it does with the pool before it leaves the stack for
 * good. The stack stays usable to the caller until then.
 */
static inline void aion__stack_put_running(struct aion__stack_pool *pool, unsigned class, struct aion__stack *stack)
{
	if (AION__STACK_IS_WATCHED)
		aion__stack_put_parting(pool, class, stack);
	else
		aion__stack_put(pool, class, stack);
}

#endif
