/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <aion/alloc.h>

#include "alloc_int.h"
#include "fault_int.h"

struct counts {
	unsigned alloc_nr;
	unsigned realloc_nr;
	unsigned free_nr;
};

static void *count_alloc(size_t size, void *arg)
{
	void *memory = malloc(size);

	((struct counts *)arg)->alloc_nr++;
	return memory ? memset(memory, 0xa5, size) : NULL;
}

static void *count_realloc(void *memory, size_t size, void *arg)
{
	((struct counts *)arg)->realloc_nr++;
	return realloc(memory, size);
}

static void count_free(void *memory, void *arg)
{
	((struct counts *)arg)->free_nr++;
	free(memory);
}

static struct counts counts;
static const struct aion_allocator counting = {count_alloc, count_realloc, count_free, &counts};

Test(alloc_hook, serves_every_call)
{
	char *memory;
	char *zeroed;

	cr_assert_eq(aion_allocator_set(&counting), 0);
	memory = aion__alloc(100);
	strcpy(memory, "kept");
	memory = aion__realloc(memory, 100000);
	cr_assert_str_eq(memory, "kept");
	zeroed = aion__alloc_zeroed(1000);
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(zeroed[i], 0);
	aion__free(memory);
	aion__free(zeroed);
	aion__free(aion__realloc(NULL, 10));
	aion__free(NULL);
	cr_assert_eq(counts.alloc_nr, 3);
	cr_assert_eq(counts.realloc_nr, 1);
	cr_assert_eq(counts.free_nr, 3);
}

Test(alloc_hook, builtin_allocator_zeroes_and_keeps)
{
	char *memory = aion__alloc_zeroed(5000);

	for (int i = 0; i < 5000; i++)
		cr_assert_eq(memory[i], 0);
	strcpy(memory, "kept");
	memory = aion__realloc(memory, 1 << 20);
	cr_assert_str_eq(memory, "kept");
	aion__free(memory);
}

Test(alloc_hook, is_busy_while_memory_is_in_use)
{
	void *memory = aion__alloc(1);

	cr_assert_eq(aion_allocator_set(&counting), -EBUSY);
	memory = aion__realloc(memory, 2);
	cr_assert_eq(aion_allocator_set(&counting), -EBUSY);
	aion__free(memory);
	cr_assert_eq(aion_allocator_set(&counting), 0);
	memory = aion__alloc(1);
	cr_assert_eq(aion_allocator_set(NULL), -EBUSY);
	aion__free(memory);
	cr_assert_eq(counts.free_nr, 1);
}

Test(alloc_hook, null_brings_the_builtin_back)
{
	cr_assert_eq(aion_allocator_set(&counting), 0);
	cr_assert_eq(aion_allocator_set(NULL), 0);
	aion__free(aion__alloc(10));
	cr_assert_eq(counts.alloc_nr, 0);
	cr_assert_eq(counts.free_nr, 0);
}

Test(alloc_hook, wants_all_three_functions)
{
	struct aion_allocator partial = counting;

	partial.alloc = NULL;
	cr_assert_eq(aion_allocator_set(&partial), -EINVAL);
	partial = counting;
	partial.realloc = NULL;
	cr_assert_eq(aion_allocator_set(&partial), -EINVAL);
	partial = counting;
	partial.free = NULL;
	cr_assert_eq(aion_allocator_set(&partial), -EINVAL);
	aion__free(aion__alloc(1));
	cr_assert_eq(counts.alloc_nr, 0);
}

static void *refuse_alloc(size_t size, void *arg)
{
	(void)size, (void)arg;
	return NULL;
}

static void *refuse_realloc(void *memory, size_t size, void *arg)
{
	(void)memory, (void)size, (void)arg;
	return NULL;
}

Test(alloc_hook, a_refusal_is_null_and_counts_as_nothing)
{
	struct aion_allocator refusing = {refuse_alloc, refuse_realloc, count_free, &counts};

	cr_assert_eq(aion_allocator_set(&refusing), 0);
	cr_assert_null(aion__alloc(10));
	cr_assert_null(aion__alloc_zeroed(10));
	cr_assert_null(aion__realloc(NULL, 10));
	cr_assert_eq(aion_allocator_set(NULL), 0, "nothing is in use");
}

#define THREAD_NR 4
#define BLOCK_NR 1000

static void *free_all(void *blocks)
{
	for (int i = 0; i < BLOCK_NR; i++)
		aion__free(((void **)blocks)[i]);
	return NULL;
}

/* Blocks made on one thread and freed on others at once leave a count of exactly nothing. */
Test(alloc_hook, any_thread_may_free)
{
	static void *blocks[THREAD_NR][BLOCK_NR];
	pthread_t threads[THREAD_NR];

	for (int t = 0; t < THREAD_NR; t++)
		for (int i = 0; i < BLOCK_NR; i++)
			blocks[t][i] = aion__alloc(32);
	for (int t = 0; t < THREAD_NR; t++)
		pthread_create(&threads[t], NULL, free_all, blocks[t]);
	for (int t = 0; t < THREAD_NR; t++)
		pthread_join(threads[t], NULL);
	cr_assert_eq(aion_allocator_set(&counting), 0);
}

#ifdef AION_FAULTS
Test(alloc_hook, fault_point_makes_each_call_fail)
{
	void *memory = aion__alloc(10);

	aion__fault_arm(AION__FAULT_ALLOC, 0, 3, -ENOMEM);
	cr_assert_null(aion__alloc(10));
	cr_assert_null(aion__alloc_zeroed(10));
	cr_assert_null(aion__realloc(memory, 20));
	memory = aion__realloc(memory, 20);
	cr_assert_not_null(memory);
	aion__free(memory);
	cr_assert_eq(aion_allocator_set(NULL), 0, "nothing is in use");
}
#endif
