/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fault_int.h"
#include "stack_int.h"

#define PAGE_SIZE 4096
#define WARM_MAX 4096  /* idle stacks of 64 KiB that keep their memory, as in stack.c */
#define COOLING_MAX 64 /* … and those that are about to lose it */

static struct aion__stack_pool pool;

static void pool_up(void)
{
	aion__stack_pool_init(&pool);
}

static void pool_down(void)
{
	aion__stack_pool_fini(&pool);
}

TestSuite(stack_pool, .init = pool_up, .fini = pool_down);

static size_t resident_size(const char *low, size_t size)
{
	static unsigned char pages[AION__STACK_SIZE_MAX / PAGE_SIZE];
	size_t resident = 0;

	cr_assert_eq(mincore((void *)low, size, pages), 0);
	for (size_t i = 0; i < size / PAGE_SIZE; i++)
		resident += pages[i] & 1;
	return resident * PAGE_SIZE;
}

Test(stack_pool, size_rounds_up_to_a_class)
{
	cr_expect_eq(aion__stack_class(0), 0);
	cr_expect_eq(aion__stack_class(1), 0);
	cr_expect_eq(aion__stack_class(65536), 0);
	cr_expect_eq(aion__stack_class(65537), 1);
	cr_expect_eq(aion__stack_class(131072), 1);
	cr_expect_eq(aion__stack_class(262144), 2);
	cr_expect_eq(aion__stack_class(262145), 3);
	cr_expect_eq(aion__stack_class(AION__STACK_SIZE_MAX), AION__STACK_CLASS_NR - 1);
	cr_expect_eq(aion__stack_class(AION__STACK_SIZE_MAX + 1), -EINVAL);
	cr_expect_eq(aion__stack_class(SIZE_MAX), -EINVAL);
}

Test(stack_pool, record_of_a_stack_is_48_bytes)
{
	cr_assert_leq(sizeof(struct aion__stack), 48);
}

Test(stack_pool, every_class_gives_a_stack_of_its_size)
{
	for (unsigned i = 0; i < AION__STACK_CLASS_NR; i++) {
		struct aion__stack *stack = aion__stack_get(&pool, i);

		cr_assert_not_null(stack);
		cr_expect_eq(aion__stack_size(stack), (size_t)65536 << i);
		memset(stack->low, 1, PAGE_SIZE);
		memset((char *)stack->top - PAGE_SIZE, 1, PAGE_SIZE);
		aion__stack_put(&pool, i, stack);
	}
}

/* Each writes its number at both ends; a shared byte would show. More than the first slabs hold. */
Test(stack_pool, stacks_do_not_overlap)
{
	struct aion__stack *stacks[100];

	for (uintptr_t i = 0; i < 100; i++) {
		stacks[i] = aion__stack_get(&pool, 0);
		cr_assert_not_null(stacks[i]);
		*(uintptr_t *)stacks[i]->low = i;
		((uintptr_t *)stacks[i]->high)[-1] = i;
	}
	for (uintptr_t i = 0; i < 100; i++) {
		cr_assert_eq(*(uintptr_t *)stacks[i]->low, i);
		cr_assert_eq(((uintptr_t *)stacks[i]->high)[-1], i);
	}
}

/* The hot ends of neighbours fall into different cache sets, all in the topmost page. */
Test(stack_pool, tops_are_aligned_and_coloured)
{
	bool seen[PAGE_SIZE / 64] = {false};
	unsigned colour_nr = 0;

	for (int i = 0; i < 28; i++) {
		struct aion__stack *stack = aion__stack_get(&pool, 2);
		size_t off = (size_t)(stack->high - (char *)stack->top);

		cr_assert_eq((uintptr_t)stack->top % 16, 0);
		cr_assert(off > 0 && off < PAGE_SIZE / 2, "%zu", off);
		colour_nr += !seen[off / 64];
		seen[off / 64] = true;
	}
	cr_assert_geq(colour_nr, 4);
}

Test(stack_pool, last_returned_comes_first)
{
	struct aion__stack *a = aion__stack_get(&pool, 0);
	struct aion__stack *b = aion__stack_get(&pool, 0);

	aion__stack_put(&pool, 0, a);
	aion__stack_put(&pool, 0, b);
	cr_expect_eq(aion__stack_get(&pool, 0), b);
	cr_expect_eq(aion__stack_get(&pool, 0), a);
}

/* A task returns its own stack and still has to leave it. Whatever comes next must not have taken its memory away. */
Test(stack_pool, stack_returned_while_running_is_used_again)
{
	struct aion__stack *a = aion__stack_get(&pool, 0);
	struct aion__stack *b = aion__stack_get(&pool, 0);

	a->low[0] = 1;
	aion__stack_put_running(&pool, 0, a);
	a->low[0] = 2;
	aion__stack_put_running(&pool, 0, b);
	b->low[0] = 2;
	for (int i = 0; i < 2; i++) {
		struct aion__stack *again = aion__stack_get(&pool, 0);

		cr_assert(again == a || again == b);
		again->low[0] = 3;
	}
	cr_assert(aion__stack_get(&pool, 0) != a);
}

Test(stack_pool, idle_stack_keeps_its_memory)
{
	struct aion__stack *stack = aion__stack_get(&pool, 0);

	memset(stack->low, 1, 65536);
	aion__stack_put(&pool, 0, stack);
	cr_assert_eq(resident_size(stack->low, 65536), 65536);
}

/*
 * Goal: a crowd of tasks does not stay resident for ever.
 * Method: return more stacks than may stay warm, count pages, use all of them once more.
 */
Test(stack_pool, memory_of_too_many_idle_stacks_goes_back)
{
	enum { STACK_NR = WARM_MAX + 4 * COOLING_MAX };
	static struct aion__stack *stacks[STACK_NR];
	size_t resident = 0;

	for (int i = 0; i < STACK_NR; i++) {
		stacks[i] = aion__stack_get(&pool, 0);
		cr_assert_not_null(stacks[i]);
		((char *)stacks[i]->top)[-1] = 1;
	}
	errno = 0;
	for (int i = 0; i < STACK_NR; i++)
		aion__stack_put(&pool, 0, stacks[i]);
	cr_expect_eq(errno, 0);
	for (int i = 0; i < STACK_NR; i++)
		resident += resident_size(stacks[i]->low, 65536);
	cr_expect_leq(resident, (size_t)(WARM_MAX + COOLING_MAX) * PAGE_SIZE);
	cr_expect_geq(resident, (size_t)WARM_MAX * PAGE_SIZE);

	for (int i = 0; i < STACK_NR; i++) {
		struct aion__stack *stack = aion__stack_get(&pool, 0);

		cr_assert_not_null(stack);
		((char *)stack->top)[-1] = (char)i;
		cr_assert_eq(aion__stack_pool_owner(&pool, stack->low), stack);
	}
}

/* One touched page, not a huge one of 2 MiB. */
Test(stack_pool, touched_stack_is_one_page)
{
	struct aion__stack *stack = aion__stack_get(&pool, aion__stack_class(AION__STACK_SIZE_MAX));

	cr_assert_not_null(stack);
	((char *)stack->top)[-1] = 1;
	cr_assert_eq(resident_size(stack->low, AION__STACK_SIZE_MAX), PAGE_SIZE);
}

Test(stack_pool, owner_of_an_address_is_found)
{
	struct aion__stack *stacks[50];
	int local;

	for (int i = 0; i < 50; i++)
		stacks[i] = aion__stack_get(&pool, (unsigned)i % 3);
	for (int i = 0; i < 50; i++) {
		struct aion__stack *s = stacks[i];

		cr_assert_eq(aion__stack_pool_owner(&pool, s->low), s);
		cr_assert_eq(aion__stack_pool_owner(&pool, s->high - 1), s);
		cr_assert_eq(aion__stack_pool_owner(&pool, s->low - 1), s);
		cr_assert_eq(aion__stack_pool_owner(&pool, s->low - AION__STACK_GUARD_SIZE), s);
		cr_assert(aion__stack_pool_owner(&pool, s->low - AION__STACK_GUARD_SIZE - 1) != s);
		cr_assert(aion__stack_is_overflow(s, s->low - 1));
		cr_assert(!aion__stack_is_overflow(s, s->low));
	}
	cr_expect_null(aion__stack_pool_owner(&pool, &local));
	cr_expect_null(aion__stack_pool_owner(&pool, NULL));
	cr_expect_null(aion__stack_pool_owner(&pool, (void *)UINTPTR_MAX));
}

Test(stack_pool, fini_unmaps_everything)
{
	struct aion__stack *stack = aion__stack_get(&pool, 0);
	char *low = stack->low;

	aion__stack_put(&pool, 0, aion__stack_get(&pool, 0));
	aion__stack_pool_fini(&pool);
	errno = 0;
	cr_expect(madvise(low, 65536, MADV_NORMAL) < 0 && errno == ENOMEM);
	cr_expect_null(aion__stack_pool_owner(&pool, low));
}

/* Address space for one stack, not for the four that a first slab has. */
#if !defined(AION__ASAN) && !defined(AION_VALGRIND) /* they need address space without limit */
Test(stack_pool, little_address_space_gives_few_stacks_then_none)
{
	struct rlimit limit = {0};
	size_t pages = 0;
	FILE *statm = fopen("/proc/self/statm", "r");

	cr_assert_eq(fscanf(statm, "%zu", &pages), 1);
	fclose(statm);
	limit.rlim_cur = limit.rlim_max = pages * PAGE_SIZE + ((size_t)8 << 20);
	cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);

	cr_expect_not_null(aion__stack_get(&pool, aion__stack_class((size_t)4 << 20)));
	errno = 0;
	cr_expect_null(aion__stack_get(&pool, aion__stack_class((size_t)8 << 20)));
	cr_expect_eq(errno, 0);
	cr_expect_not_null(aion__stack_get(&pool, 0));
}
#endif

#ifdef AION__ASAN
/* The one that its task still runs on is not, until the next task parts. */
Test(stack_pool, idle_stack_is_closed_to_everybody)
{
	struct aion__stack *a = aion__stack_get(&pool, 0);
	struct aion__stack *b = aion__stack_get(&pool, 0);
	struct aion__stack *c = aion__stack_get(&pool, 0);

	aion__stack_put(&pool, 0, a);
	cr_expect(__asan_address_is_poisoned(a->low) && __asan_address_is_poisoned(a->high - 1));
	aion__stack_put_running(&pool, 0, b);
	cr_expect(!__asan_address_is_poisoned(b->low));
	aion__stack_put_running(&pool, 0, c);
	cr_expect(__asan_address_is_poisoned(b->low));
	for (int i = 0; i < 3; i++)
		cr_expect_null(__asan_region_is_poisoned(aion__stack_get(&pool, 0)->low, 65536));
}
#endif

#ifdef AION_FAULTS
Test(stack_pool, no_mapping_gives_null_and_the_next_try_may_work)
{
	aion__fault_arm(AION__FAULT_STACK_MAP, 0, 1, -ENOMEM);
	errno = 0;
	cr_expect_null(aion__stack_get(&pool, 2));
	cr_expect_eq(errno, 0);
	cr_expect_not_null(aion__stack_get(&pool, 2));
	aion__fault_reset();
}

Test(stack_pool, no_memory_for_records_gives_null)
{
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	cr_expect_null(aion__stack_get(&pool, 2));
	cr_expect_not_null(aion__stack_get(&pool, 2));
	aion__fault_reset();
}
#endif
