/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_TASK_H
#define AION_TEST_TASK_H
/* For tests that run inside a loop: cases whose body is a task, small tasks, forked children that must abort. */
#include <criterion/criterion.h>
#include <errno.h>

#include <aion.h>

#include "test_machine.h"

/* A case whose body is the main task of a loop of its own; it returns 0. */
#define TEST_IN_TASK(suite, name)                                                                                      \
	static int64_t suite##_##name(void *unused);                                                                   \
	Test(suite, name)                                                                                              \
	{                                                                                                              \
		cr_assert_eq(aion_run(suite##_##name, NULL, NULL), 0);                                                 \
	}                                                                                                              \
	static int64_t suite##_##name(void *unused)

/* Mass tests are sized down where memory is watched or AION_TEST_SMALL=1. */
bool test_is_small(void);

/* Tasks. */
int64_t test_sleep_for_ever(void *unused); /* what the sleep returns: -ECANCELED */
int64_t test_sleep_1ms(void *unused);
int64_t test_return(void *result);       /* its argument, as a number */
int64_t test_yield_return(void *result); /* the same, after having suspended */
int64_t test_count(void *counter);       /* adds 1 to an int */

/* A number as a task's argument. */
static inline void *test_number(int64_t number)
{
	return (void *)(intptr_t)number;
}

/* Runs fn in a forked child; it must abort with a line that contains `line`. */
void test_aborts(void (*fn)(void), const char *line);
/* Runs body as the main task of a loop in a forked child; it must abort with a line that contains `line`. */
void test_task_aborts(aion_fn *body, const char *line);
/* Runs fn in a forked child; what it returns (0..100) is the result. */
int test_in_child(int (*fn)(void *arg), void *arg);
/* Runs fn on another thread; returns when it has. */
void test_on_thread(void *(*fn)(void *arg), void *arg);

/* Memory of the process that is resident now, bytes. */
size_t test_resident_size(void);

/* Counts library memory in use. Set before any loop. */
void test_allocator_count(void);
size_t test_allocator_in_use_nr(void);
size_t test_allocator_total_nr(void);

#endif
