// SPDX-License-Identifier: MIT
/*
 * Linked into every Criterion program: a case that hangs is ended and named. Criterion 2.4.1's option --timeout only
 * shortens what a case states itself, so the cases that state nothing get one here.
 */
#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <criterion/internal/ordered-set.h>

#ifdef AION_VALGRIND
#define CASE_TIMEOUT_S 300
#else
#define CASE_TIMEOUT_S 60
#endif

ReportHook(PRE_ALL)(struct criterion_test_set *all)
{
	FOREACH_SET(struct criterion_suite_set * suite, all->suites)
	FOREACH_SET(struct criterion_test * test, suite->tests)
	if (test->data->timeout == 0)
		test->data->timeout = CASE_TIMEOUT_S;
}
