/* SPDX-License-Identifier: MIT */
#include "fault_int.h"
#include "mutant_int.h"

#ifdef AION_FAULTS
#include <stdatomic.h>

#include "assert_int.h"

enum aion__mutant aion__mutant;

struct fault_point {
	atomic_uint passed;
	unsigned after;
	unsigned times;
	int value;
};

static struct fault_point points[AION__FAULT_NR];

int aion__fault_hit(enum aion__fault point)
{
	struct fault_point *p = &points[point];
	unsigned pass;

	if (!p->times)
		return 0;
	pass = atomic_fetch_add(&p->passed, 1);
	return pass >= p->after && pass - p->after < p->times ? p->value : 0;
}

void aion__fault_arm(enum aion__fault point, unsigned after, unsigned times, int value)
{
	struct fault_point *p = &points[point];

	AION_BUG_ON(point <= AION__FAULT_NONE || point >= AION__FAULT_NR || value >= 0, "fault %d, value %d", point,
		    value);
	atomic_store(&p->passed, 0);
	p->after = after;
	p->value = value;
	p->times = times;
}

bool aion__fault_is_armed(enum aion__fault point)
{
	return points[point].times;
}

unsigned aion__fault_passed(enum aion__fault point)
{
	return atomic_load(&points[point].passed);
}

void aion__fault_reset(void)
{
	for (int i = 0; i < AION__FAULT_NR; i++)
		points[i].times = 0;
}
#else
typedef int aion__fault_is_compiled_out;
#endif
