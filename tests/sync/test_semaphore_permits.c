/* SPDX-License-Identifier: MIT */
/* The semaphore: permits are conserved, and go round in the order in which they were asked for. */
#include "test_order.h"

struct asker {
	struct aion_semaphore *semaphore;
	struct test_order *order;
	size_t nr;
	char name;
	int result;
	struct aion_handle handle;
};

static int64_t asker_body(void *arg)
{
	struct asker *asker = arg;

	asker->result = asker->nr == 1 ? aion_semaphore_acquire(asker->semaphore)
				       : aion_semaphore_acquire_nr(asker->semaphore, asker->nr);
	if (asker->result == 0)
		test_order_note(asker->order, asker->name);
	return 0;
}

static void asker_start(struct aion_group *group, struct asker *asker, struct aion_semaphore *semaphore,
			struct test_order *order, char name, size_t nr)
{
	*asker = (struct asker){.semaphore = semaphore, .order = order, .nr = nr, .name = name, .result = 1};
	cr_assert_eq(aion_spawn_into(group, &asker->handle, NULL, asker_body, asker), 0);
}

TEST_IN_TASK(semaphore_permits, are_counted)
{
	struct aion_semaphore semaphore;

	aion_semaphore_init(&semaphore, 2);
	cr_assert_eq(aion_semaphore_acquire(&semaphore), 0);
	cr_assert_eq(aion_semaphore_value(&semaphore), 1);
	cr_assert_eq(aion_semaphore_try_acquire(&semaphore), 0);
	cr_assert_eq(aion_semaphore_value(&semaphore), 0);
	cr_assert_eq(aion_semaphore_try_acquire(&semaphore), -EAGAIN);
	cr_assert_eq(aion_semaphore_release(&semaphore), 0);
	cr_assert_eq(aion_semaphore_release_nr(&semaphore, 4), 0);
	cr_assert_eq(aion_semaphore_release_nr(&semaphore, 0), 0);
	cr_assert_eq(aion_semaphore_value(&semaphore), 5);
	cr_assert_eq(aion_semaphore_acquire_nr(&semaphore, 5), 0);
	cr_assert_eq(aion_semaphore_acquire_nr(&semaphore, 0), 0);
	cr_assert_eq(aion_semaphore_value(&semaphore), 0);
	aion_semaphore_fini(&semaphore);
	return 0;
}

TEST_IN_TASK(semaphore_permits, do_not_exceed_the_greatest_number)
{
	struct aion_semaphore semaphore;

	aion_semaphore_init(&semaphore, SIZE_MAX);
	cr_assert_eq(aion_semaphore_release(&semaphore), -EOVERFLOW);
	cr_assert_eq(aion_semaphore_value(&semaphore), SIZE_MAX);
	return 0;
}

/* Case 46. */
TEST_IN_TASK(semaphore_permits, of_a_bounded_one_do_not_exceed_its_bound)
{
	struct aion_semaphore semaphore;

	cr_assert_eq(aion_semaphore_init_bounded(&semaphore, 3, 2), -EINVAL);
	cr_assert_eq(aion_semaphore_init_bounded(&semaphore, 0, 0), -EINVAL);
	cr_assert_eq(aion_semaphore_init_bounded(&semaphore, 1, 2), 0);
	cr_assert_eq(aion_semaphore_release(&semaphore), 0);
	cr_assert_eq(aion_semaphore_release(&semaphore), -EOVERFLOW);
	cr_assert_eq(aion_semaphore_value(&semaphore), 2);
	cr_assert_eq(aion_semaphore_acquire_nr(&semaphore, 3), -EINVAL);
	cr_assert_eq(aion_semaphore_acquire_nr(&semaphore, 2), 0);
	cr_assert_eq(aion_semaphore_release_nr(&semaphore, 3), -EOVERFLOW);
	cr_assert_eq(aion_semaphore_release_nr(&semaphore, SIZE_MAX), -EOVERFLOW);
	cr_assert_eq(aion_semaphore_value(&semaphore), 0);
	cr_assert_eq(aion_semaphore_release_nr(&semaphore, 2), 0);
	cr_assert_eq(aion_semaphore_release_nr(&semaphore, 1), -EOVERFLOW);
	return 0;
}

/* Permits that are kept for somebody count as well. */
TEST_IN_TASK(semaphore_permits, of_a_bounded_one_keep_to_its_bound_while_a_task_waits)
{
	struct test_order order = {.nr = 0};
	struct aion_semaphore semaphore;
	struct aion_group group;
	struct asker asker;

	cr_assert_eq(aion_semaphore_init_bounded(&semaphore, 1, 2), 0);
	aion_group_enter(&group);
	asker_start(&group, &asker, &semaphore, &order, 'a', 2);
	test_settle();
	cr_assert_eq(aion_semaphore_value(&semaphore), 1);
	cr_assert_eq(aion_semaphore_release_nr(&semaphore, 2), -EOVERFLOW);
	cr_assert_eq(asker.result, 1);
	cr_assert_eq(aion_semaphore_release(&semaphore), 0);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(asker.result, 0);
	cr_assert_eq(aion_semaphore_value(&semaphore), 0);
	cr_assert_eq(aion_semaphore_release_nr(&semaphore, 2), 0);
	cr_assert_eq(aion_semaphore_release(&semaphore), -EOVERFLOW);
	return 0;
}

TEST_IN_TASK(semaphore_permits, first_in_first_out)
{
	struct test_order order = {.nr = 0};
	struct aion_semaphore semaphore;
	struct aion_group group;
	struct asker askers[4];

	aion_semaphore_init(&semaphore, 0);
	aion_group_enter(&group);
	for (size_t i = 0; i < 4; i++)
		asker_start(&group, &askers[i], &semaphore, &order, (char)('a' + i), 1);
	test_settle();
	cr_assert_eq(aion_semaphore_release(&semaphore), 0);
	test_settle();
	cr_assert_str_eq(order.text, "a");
	cr_assert_eq(aion_semaphore_release_nr(&semaphore, 3), 0);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_str_eq(order.text, "abcd");
	aion_semaphore_fini(&semaphore);
	return 0;
}

/* Who asks for many is not starved by who asks for few, though there would be enough for these. */
TEST_IN_TASK(semaphore_permits, who_asks_for_few_does_not_overtake)
{
	struct test_order order = {.nr = 0};
	struct aion_semaphore semaphore;
	struct aion_group group;
	struct asker askers[4];

	aion_semaphore_init(&semaphore, 2);
	aion_group_enter(&group);
	asker_start(&group, &askers[0], &semaphore, &order, 'a', 3);
	asker_start(&group, &askers[1], &semaphore, &order, 'b', 1);
	asker_start(&group, &askers[2], &semaphore, &order, 'c', 0);
	test_settle();
	cr_assert_str_eq(order.text, "");
	cr_assert_eq(aion_semaphore_value(&semaphore), 2);
	cr_assert_eq(aion_semaphore_try_acquire(&semaphore), -EAGAIN);
	cr_assert_eq(aion_semaphore_release(&semaphore), 0);
	test_settle();
	cr_assert_str_eq(order.text, "a");
	cr_assert_eq(aion_semaphore_release(&semaphore), 0);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_str_eq(order.text, "abc");
	cr_assert_eq(aion_semaphore_value(&semaphore), 0);
	return 0;
}

/* Case 42: the first wanted more than there is; what was kept for it is enough for those behind it. */
TEST_IN_TASK(semaphore_permits, go_on_to_the_next_when_the_first_is_cancelled)
{
	struct test_order order = {.nr = 0};
	struct aion_semaphore semaphore;
	struct aion_group group;
	struct asker askers[3];

	aion_semaphore_init(&semaphore, 2);
	aion_group_enter(&group);
	asker_start(&group, &askers[0], &semaphore, &order, 'a', 3);
	asker_start(&group, &askers[1], &semaphore, &order, 'b', 1);
	asker_start(&group, &askers[2], &semaphore, &order, 'c', 1);
	test_settle();
	aion_handle_cancel(&askers[0].handle);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(askers[0].result, -ECANCELED);
	cr_assert_str_eq(order.text, "bc");
	cr_assert_eq(aion_semaphore_value(&semaphore), 0);
	return 0;
}

/* The last one leaves: what was kept for it is there for whoever comes. */
TEST_IN_TASK(semaphore_permits, are_free_again_when_all_who_waited_are_cancelled)
{
	struct test_order order = {.nr = 0};
	struct aion_semaphore semaphore;
	struct aion_group group;
	struct asker asker;

	aion_semaphore_init(&semaphore, 2);
	aion_group_enter(&group);
	asker_start(&group, &asker, &semaphore, &order, 'a', 3);
	test_settle();
	aion_group_cancel(&group);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(asker.result, -ECANCELED);
	cr_assert_eq(aion_semaphore_try_acquire(&semaphore), 0);
	cr_assert_eq(aion_semaphore_acquire(&semaphore), 0);
	cr_assert_eq(aion_semaphore_release(&semaphore), 0);
	cr_assert_eq(aion_semaphore_value(&semaphore), 1);
	return 0;
}

/* Case 44, in both orders. */
static void cancel_with_release(bool cancel_first)
{
	struct test_order order = {.nr = 0};
	struct aion_semaphore semaphore;
	struct aion_group group;
	struct asker askers[2];

	aion_semaphore_init(&semaphore, 0);
	aion_group_enter(&group);
	asker_start(&group, &askers[0], &semaphore, &order, 'a', 1);
	asker_start(&group, &askers[1], &semaphore, &order, 'b', 1);
	test_settle();
	if (cancel_first)
		aion_handle_cancel(&askers[0].handle);
	cr_assert_eq(aion_semaphore_release(&semaphore), 0);
	if (!cancel_first)
		aion_handle_cancel(&askers[0].handle);
	test_settle();
	cr_assert_eq(askers[0].result, 0, "what was handed over is kept");
	cr_assert_eq(aion_semaphore_release(&semaphore), 0);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_str_eq(order.text, "ab");
	cr_assert_eq(aion_semaphore_value(&semaphore), 0);
}

TEST_IN_TASK(semaphore_permits, what_was_handed_over_is_kept_by_who_is_cancelled)
{
	cancel_with_release(false);
	cancel_with_release(true);
	return 0;
}

/* Case 45. */
TEST_IN_TASK(semaphore_permits, a_newcomer_cannot_overtake)
{
	struct test_order order = {.nr = 0};
	struct aion_semaphore semaphore;
	struct aion_group group;
	struct asker asker;

	aion_semaphore_init(&semaphore, 0);
	aion_group_enter(&group);
	asker_start(&group, &asker, &semaphore, &order, 'a', 1);
	test_settle();
	cr_assert_eq(aion_semaphore_release(&semaphore), 0);
	cr_assert_eq(aion_semaphore_try_acquire(&semaphore), -EAGAIN, "it is the waiter's, who has not run yet");
	cr_assert_eq(aion_semaphore_value(&semaphore), 0);
	return aion_group_leave(&group, 0);
}

/* Case 50. */
TEST_IN_TASK(semaphore_permits, a_close_wakes_all)
{
	struct test_order order = {.nr = 0};
	struct aion_semaphore semaphore;
	struct aion_group group;
	struct asker askers[3];

	aion_semaphore_init(&semaphore, 1);
	aion_group_enter(&group);
	for (size_t i = 0; i < 3; i++)
		asker_start(&group, &askers[i], &semaphore, &order, (char)('a' + i), 2);
	test_settle();
	aion_semaphore_close(&semaphore);
	aion_semaphore_close(&semaphore);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(askers[i].result, -ESHUTDOWN);
	cr_assert_eq(aion_semaphore_acquire(&semaphore), -ESHUTDOWN);
	cr_assert_eq(aion_semaphore_acquire_nr(&semaphore, 0), -ESHUTDOWN);
	cr_assert_eq(aion_semaphore_try_acquire(&semaphore), -ESHUTDOWN);
	cr_assert_eq(aion_semaphore_release(&semaphore), 0);
	cr_assert_eq(aion_semaphore_value(&semaphore), 2);
	cr_assert_eq(aion_semaphore_acquire(&semaphore), -ESHUTDOWN);
	aion_semaphore_fini(&semaphore);
	return 0;
}

/* Handed over before the close: kept. */
TEST_IN_TASK(semaphore_permits, what_was_handed_over_survives_a_close)
{
	struct test_order order = {.nr = 0};
	struct aion_semaphore semaphore;
	struct aion_group group;
	struct asker askers[2];

	aion_semaphore_init(&semaphore, 0);
	aion_group_enter(&group);
	asker_start(&group, &askers[0], &semaphore, &order, 'a', 1);
	asker_start(&group, &askers[1], &semaphore, &order, 'b', 1);
	test_settle();
	cr_assert_eq(aion_semaphore_release(&semaphore), 0);
	aion_semaphore_close(&semaphore);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(askers[0].result, 0);
	cr_assert_eq(askers[1].result, -ESHUTDOWN);
	return 0;
}

static int64_t set_flag(void *flag)
{
	*(bool *)flag = true;
	return 0;
}

TEST_IN_TASK(semaphore_permits, taking_them_draws_on_the_budget)
{
	struct aion_semaphore semaphore;
	struct aion_group group;
	bool has_run = false;
	unsigned nr = 0;

	aion_semaphore_init(&semaphore, 1);
	aion_group_enter(&group);
	aion_spawn(&group, set_flag, &has_run);
	while (!has_run && nr++ < 100000) {
		cr_assert_eq(aion_semaphore_acquire(&semaphore), 0);
		cr_assert_eq(aion_semaphore_release(&semaphore), 0);
	}
	cr_assert(has_run);
	return aion_group_leave(&group, 0);
}
