/* SPDX-License-Identifier: MIT */
#include "stack_int.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "alloc_int.h"
#include "fault_int.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif
#define PIDFD_SELF_ -10000 /* this process, instead of a descriptor of it: Linux 6.14 */

#define SLAB_STACK_MIN 4                /* stacks of a class's first slab; the next has twice as many */
#define SLAB_STACK_MAX 1024             /* … up to this */
#define SLAB_SIZE_MAX ((size_t)1 << 30) /* bytes, unless the least number of stacks needs more */
#define WARM_MAX 4096                   /* idle stacks of a class that keep their memory */
#define WARM_SIZE_MAX ((size_t)1 << 30) /* bytes that they may come to, should they be touched all over */
#define COOLING_MAX 64                  /* stacks whose memory is given back by one system call */

/*
 * Stacks begin at the same offset in a page, so without more their hot ends would all compete for the same few sets of
 * the cache. Seven colours do as well as sixteen.
 */
#define COLOUR_NR 7
#define COLOUR_SIZE 256 /* bytes */
#define TOP_GAP 64      /* bytes that no colour uses, so that a stack pointer never equals `high` */

/* One mapping: guard, stack, guard, stack, … from low to high addresses. */
struct aion__stack_slab {
	struct aion__stack_slab *next;
	char *base;
	size_t slot_size; /* a guard and a stack */
	size_t stack_nr;
	struct aion__stack stacks[];
};

_Static_assert(sizeof(struct aion__stack) <= 48, "a million stacks have a million records");

static inline size_t class_size(unsigned class)
{
	return AION__STACK_SIZE_MIN << class;
}

int aion__stack_class(size_t size)
{
	if (size > AION__STACK_SIZE_MAX)
		return -EINVAL;
	if (size <= AION__STACK_SIZE_MIN)
		return 0;
	return __builtin_clzl(AION__STACK_SIZE_MIN) + 1 - __builtin_clzl(size - 1);
}

void aion__stack_pool_init(struct aion__stack_pool *pool)
{
	*pool = (struct aion__stack_pool){0};
	for (unsigned i = 0; i < AION__STACK_CLASS_NR; i++) {
		size_t fit_nr = WARM_SIZE_MAX / class_size(i);

		pool->classes[i].room_nr = fit_nr < WARM_MAX ? fit_nr : WARM_MAX;
		pool->classes[i].slab_stack_nr = SLAB_STACK_MIN;
	}
}

/* Memory is mapped again at this address some day: nothing may stay closed. */
static void slab_unmap(struct aion__stack_slab *slab)
{
	size_t size = slab->stack_nr * slab->slot_size;

	if (AION__STACK_IS_WATCHED)
		aion__annotate_open(slab->base, size);
	munmap(slab->base, size);
	aion__free(slab);
}

void aion__stack_pool_fini(struct aion__stack_pool *pool)
{
	struct aion__stack_slab *slab;

	while ((slab = pool->slabs)) {
		pool->slabs = slab->next;
		slab_unmap(slab);
	}
	*pool = (struct aion__stack_pool){0};
}

/*
 * NORESERVE: the size is virtual, only what tasks touch counts. A stack must stay in small pages, or one touch would
 * make 2 MiB resident; MAP_STACK sees to that since Linux 6.7, the advice did before.
 */
static char *slab_map(size_t size)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
	char *base = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (base == MAP_FAILED)
		return NULL;
	madvise(base, size, MADV_NOHUGEPAGE);
	return base;
}

static void stack_init(struct aion__stack *stack, char *slot, size_t size, size_t colour)
{
	*stack = (struct aion__stack){
		.low = slot + AION__STACK_GUARD_SIZE,
		.high = slot + AION__STACK_GUARD_SIZE + size,
	};
	stack->top = stack->high - TOP_GAP - colour * COLOUR_SIZE;
}

/* Less is better than nothing where address space or locked memory is limited. */
static struct aion__stack_slab *slab_create(unsigned class, size_t stack_nr)
{
	size_t slot_size = class_size(class) + AION__STACK_GUARD_SIZE;
	struct aion__stack_slab *slab;
	char *base;

	if (aion__fault_hit(AION__FAULT_STACK_MAP))
		return NULL;
	while (!(base = slab_map(stack_nr * slot_size))) {
		stack_nr /= 2;
		if (!stack_nr)
			return NULL;
	}
	slab = aion__alloc(sizeof(*slab) + stack_nr * sizeof(slab->stacks[0]));
	if (!slab) {
		munmap(base, stack_nr * slot_size);
		return NULL;
	}
	*slab = (struct aion__stack_slab){.base = base, .slot_size = slot_size, .stack_nr = stack_nr};
	for (size_t i = 0; i < stack_nr; i++)
		stack_init(&slab->stacks[i], base + i * slot_size, class_size(class), i % COLOUR_NR);
	return slab;
}

static bool class_grow(struct aion__stack_pool *pool, unsigned class)
{
	struct aion__stack_class *c = &pool->classes[class];
	struct aion__stack_slab *slab = slab_create(class, c->slab_stack_nr);

	if (!slab)
		return false;
	slab->next = pool->slabs;
	/* A fault's handler may walk the list at any instruction. */
	__atomic_store_n(&pool->slabs, slab, __ATOMIC_RELEASE);
	c->fresh = slab->stacks;
	c->fresh_nr = slab->stack_nr;
	if (c->slab_stack_nr < SLAB_STACK_MAX && 2 * c->slab_stack_nr * slab->slot_size <= SLAB_SIZE_MAX)
		c->slab_stack_nr *= 2;
	return true;
}

/*
 * Whether the kernel can read there. A futex that does not hold the expected value is a look at four bytes which
 * changes nothing and needs no descriptor.
 */
static bool is_readable(const char *address)
{
	return syscall(SYS_futex, address, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0) == 0 || errno != EFAULT;
}

/*
 * MADV_GUARD_INSTALL costs no mapping. It is refused before Linux 6.13 and on locked memory; emulators say yes and do
 * nothing, so the first one is tried.
 */
static int guard_advise(struct aion__stack_pool *pool, char *guard)
{
	int fault = aion__fault_hit(AION__FAULT_GUARD_INSTALL);

	if (fault)
		return fault;
	if (madvise(guard, AION__STACK_GUARD_SIZE, MADV_GUARD_INSTALL) < 0)
		return -errno;
	if (!pool->guard_is_probed && is_readable(guard))
		return -EOPNOTSUPP;
	pool->guard_is_probed = true;
	return 0;
}

/* mprotect() makes two mappings of one and fails at the system's limit of them. */
static int guard_install(struct aion__stack_pool *pool, char *guard)
{
	int result;

	if (!pool->guard_by_protect) {
		result = guard_advise(pool, guard);
		if (!result || result == -ENOMEM)
			return result;
		pool->guard_by_protect = true;
	}
	result = aion__fault_hit(AION__FAULT_GUARD_PROTECT);
	if (!result && mprotect(guard, AION__STACK_GUARD_SIZE, PROT_NONE) < 0)
		result = -errno;
	return result;
}

/*
 * Guards are made one by one as stacks are first handed out: a vector of them in one process_madvise() saves but a
 * tenth of their cost and would make a spawn wait for a thousand.
 */
static struct aion__stack *class_take_fresh(struct aion__stack_pool *pool, unsigned class)
{
	struct aion__stack_class *c = &pool->classes[class];

	if (!c->fresh_nr && !class_grow(pool, class))
		return NULL;
	if (guard_install(pool, c->fresh->low - AION__STACK_GUARD_SIZE) < 0)
		return NULL;
	c->fresh_nr--;
	return c->fresh++;
}

static struct aion__stack *list_pop(struct aion__stack **list)
{
	struct aion__stack *stack = *list;

	*list = stack->next;
	return stack;
}

/* A stack that has been used before, the warmest first, or NULL. */
static struct aion__stack *class_take_used(struct aion__stack_class *c)
{
	struct aion__stack *stack = c->parting;

	if (stack) {
		c->parting = NULL;
		aion__annotate_stack_deregister(stack->valgrind_id);
		return stack;
	}
	if (c->cooling) {
		c->cooling_nr--;
		return list_pop(&c->cooling);
	}
	return c->cold ? list_pop(&c->cold) : NULL;
}

struct aion__stack *aion__stack_get_slow(struct aion__stack_pool *pool, unsigned class)
{
	struct aion__stack *stack;
	int saved_errno = errno;

	AION_ASSERT(class < AION__STACK_CLASS_NR);
	stack = class_take_used(&pool->classes[class]);
	if (stack) {
		aion__annotate_open(stack->low, aion__stack_size(stack));
	} else {
		stack = class_take_fresh(pool, class);
		errno = saved_errno;
		if (!stack)
			return NULL;
	}
	stack->valgrind_id = aion__annotate_stack_register(stack->low, stack->high);
	return stack;
}

/*
 * Give the memory of a batch back. Guards of both kinds outlive MADV_DONTNEED, and they lie outside of what is named
 * here. One call for all of them flushes the TLB once: 0.6 us a stack, against 2.
 */
static void stacks_release(const struct iovec *ranges, size_t nr)
{
	ssize_t done = syscall(SYS_process_madvise, PIDFD_SELF_, ranges, nr, MADV_DONTNEED, 0);

	/* Before Linux 6.14, or stopped midway. */
	for (size_t i = 0; i < nr; i++) {
		if (done >= (ssize_t)ranges[i].iov_len)
			done -= (ssize_t)ranges[i].iov_len;
		else
			madvise(ranges[i].iov_base, ranges[i].iov_len, MADV_DONTNEED);
	}
}

static void class_cool(struct aion__stack_class *c)
{
	struct iovec ranges[COOLING_MAX];
	struct aion__stack *stack;
	size_t nr = 0;

	while ((stack = c->cooling)) {
		ranges[nr++] = (struct iovec){stack->low, aion__stack_size(stack)};
		c->cooling = stack->next;
		stack->next = c->cold;
		c->cold = stack;
	}
	stacks_release(ranges, nr);
	c->cooling_nr = 0;
}

/*
 * The batch goes before the stack joins it: the caller may run on this one. It is not closed to anybody: that would
 * cost an eighth of its size in shadow memory, for each of a million.
 */
void aion__stack_put_slow(struct aion__stack_pool *pool, unsigned class, struct aion__stack *stack)
{
	struct aion__stack_class *c = &pool->classes[class];
	int saved_errno = errno;

	aion__annotate_stack_deregister(stack->valgrind_id);
	if (c->cooling_nr == COOLING_MAX) {
		class_cool(c);
		errno = saved_errno;
	}
	stack->next = c->cooling;
	c->cooling = stack;
	c->cooling_nr++;
}

/* The stack is in use until its task has left it, which it has when the next one parts. */
void aion__stack_put_parting(struct aion__stack_pool *pool, unsigned class, struct aion__stack *stack)
{
	struct aion__stack_class *c = &pool->classes[class];
	struct aion__stack *parted = c->parting;

	AION_ASSERT(parted != stack);
	c->parting = stack;
	if (parted)
		aion__stack_put(pool, class, parted);
}

static bool slab_has(const struct aion__stack_slab *slab, const void *address)
{
	return (uintptr_t)address - (uintptr_t)slab->base < slab->stack_nr * slab->slot_size;
}

struct aion__stack *aion__stack_pool_owner_near(const struct aion__stack_pool *pool, struct aion__stack_slab **hint,
						const void *address)
{
	struct aion__stack_slab *slab = *hint;

	if (!slab || !slab_has(slab, address))
		slab = __atomic_load_n(&pool->slabs, __ATOMIC_ACQUIRE);
	while (slab && !slab_has(slab, address))
		slab = slab->next;
	if (!slab)
		return NULL;
	*hint = slab;
	return &slab->stacks[((uintptr_t)address - (uintptr_t)slab->base) / slab->slot_size];
}

struct aion__stack *aion__stack_pool_owner(const struct aion__stack_pool *pool, const void *address)
{
	struct aion__stack_slab *hint = NULL;

	return aion__stack_pool_owner_near(pool, &hint, address);
}

void aion__stack_pool_count(const struct aion__stack_pool *pool, size_t *ret_nr, size_t *ret_size)
{
	*ret_nr = 0;
	*ret_size = 0;
	for (const struct aion__stack_slab *slab = pool->slabs; slab; slab = slab->next) {
		*ret_nr += slab->stack_nr;
		*ret_size += slab->stack_nr * slab->slot_size;
	}
}
