/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_ORDER_H
#define AION_TEST_ORDER_H
/* Who came when: a letter each. And letting all that is ready run, without a clock. */
#include "test_task.h"

struct test_order {
	char text[64];
	size_t nr;
};

static inline void test_order_note(struct test_order *order, char who)
{
	cr_assert_lt(order->nr, sizeof(order->text) - 1);
	order->text[order->nr++] = who;
	order->text[order->nr] = 0;
}

/* Until those who are ready, and those whom these make ready, wait for something. In a shield, for bodies that are
 * cancelled. */
static inline void test_settle(void)
{
	struct aion_scope shield;

	aion_scope_enter_shield(&shield, AION_NEVER);
	for (unsigned i = 0; i < 8; i++)
		cr_assert_eq(aion_yield(), 0);
	aion_scope_leave(&shield);
}

#endif
