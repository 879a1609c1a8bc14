// SPDX-License-Identifier: MIT
/*
 * Deliberate faults. Criterion by itself reports each of them as a success or loses the reason;
 * the gate (tests/support/run_gated.sh) must stop each.
 */
#include <limits.h>
#include <stdlib.h>

#include <criterion/criterion.h>

static void *volatile sink;
static volatile int number = INT_MAX;

Test(gate, leak)
{
	sink = malloc(100);
	sink = NULL;
}

Test(gate, write)
{
	char *volatile bytes = malloc(100);

	bytes[100] = 1;
	free(bytes);
}

Test(gate, overflow)
{
	number = number + 1;
}
