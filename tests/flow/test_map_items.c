/* SPDX-License-Identifier: MIT */
/* A function over an array: how many at once, in which order, and what errors and cancellation come to. */
#include "fault_int.h"
#include "test_file.h"
#include "test_task.h"

#define ITEM_NR 20

static struct {
	int running_nr;
	int most_nr; /* at once */
	int begun_nr;
	int last_begun;
} seen;

/* Item i returns i * i, later ones sooner. */
static int64_t square(void *arg)
{
	int item = *(int *)arg;

	cr_assert_eq(item, seen.begun_nr, "begun in their order");
	seen.begun_nr++;
	if (++seen.running_nr > seen.most_nr)
		seen.most_nr = seen.running_nr;
	for (int i = item; i < ITEM_NR; i++)
		aion_yield();
	seen.running_nr--;
	return item * item;
}

static void items_number(int *items)
{
	for (int i = 0; i < ITEM_NR; i++)
		items[i] = i;
	memset(&seen, 0, sizeof(seen));
}

TASK_TEST(map_items, results_are_in_the_order_of_the_items)
{
	static const struct {
		size_t limit;
		int most_nr;
	} cases[] = {{1, 1}, {3, 3}, {ITEM_NR, ITEM_NR}, {1000, ITEM_NR}, {0, ITEM_NR}};
	int items[ITEM_NR];
	int64_t results[ITEM_NR];

	for (int mode = AION_MAP_FIRST_ERROR; mode <= AION_MAP_ALL; mode++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
			items_number(items);
			assert_result(aion_map(square, items, sizeof(*items), ITEM_NR, cases[i].limit, mode, results),
				      0);
			for (int k = 0; k < ITEM_NR; k++)
				cr_assert_eq(results[k], k * k);
			cr_assert_eq(seen.most_nr, cases[i].most_nr, "limit %zu: %d", cases[i].limit, seen.most_nr);
			cr_assert_eq(seen.begun_nr, ITEM_NR);
		}
}

TASK_TEST(map_items, results_need_not_be_wanted)
{
	int items[ITEM_NR];

	items_number(items);
	assert_result(aion_map(square, items, sizeof(*items), ITEM_NR, 4, AION_MAP_ALL, NULL), 0);
	cr_assert_eq(seen.begun_nr, ITEM_NR);
}

TASK_TEST(map_items, no_items_are_done_at_once)
{
	assert_result(aion_map(square, NULL, 4, 0, 4, AION_MAP_ALL, NULL), 0);
}

static int64_t compute(void *arg)
{
	++*(int *)arg;
	return 0;
}

static int64_t count_to_ten(void *arg)
{
	int *counter = arg;

	for (; *counter < 10; ++*counter)
		aion_yield();
	return 0;
}

/* Items that never wait do not keep others from running. */
TASK_TEST(map_items, others_run_while_items_compute)
{
	static int items[100000];
	struct aion_group group;
	int counter = 0;

	aion_group_enter(&group);
	aion_spawn(&group, count_to_ten, &counter);
	assert_result(aion_map(compute, items, sizeof(*items), 100000, 1, AION_MAP_ALL, NULL), 0);
	cr_assert_eq(counter, 10);
	aion_group_leave(&group, 0);
	for (int i = 0; i < 100000; i++)
		cr_assert_eq(items[i], 1);
}

/* Tasks that give way between two items, also just before the last, do not do one that is not there. */
TASK_TEST(map_items, each_is_done_once)
{
	int items[400];

	for (size_t nr = 1; nr < 400; nr++) {
		memset(items, 0, sizeof(items));
		assert_result(aion_map(compute, items, sizeof(*items), nr, 3, AION_MAP_FIRST_ERROR, NULL), 0);
		for (size_t i = 0; i < 400; i++)
			cr_assert_eq(items[i], i < nr, "item %zu of %zu: %d times", i, nr, items[i]);
	}
}

/* An item's program. */
struct item {
	int yield_nr;
	int64_t result; /* 0: sleeps until cancelled */
	int64_t got;
	bool begun;
};

static int64_t item_run(void *arg)
{
	struct item *item = arg;

	item->begun = true;
	for (int i = 0; i < item->yield_nr; i++)
		aion_yield();
	item->got = item->result ? item->result : aion_sleep_until(AION_NEVER);
	return item->got;
}

TASK_TEST(map_error, the_first_in_time_cancels_the_rest)
{
	struct item items[] = {{.yield_nr = 5, .result = -EIO}, {.yield_nr = 2, .result = -EPIPE}, {0}, {.result = 1}};
	int64_t results[4];

	assert_result(aion_map(item_run, items, sizeof(*items), 4, 3, AION_MAP_FIRST_ERROR, results), -EPIPE);
	cr_assert_eq(results[1], -EPIPE);
	cr_assert_eq(results[2], -ECANCELED);
	cr_assert_not(items[3].begun);
	cr_assert_eq(results[3], -ECANCELED);
	assert_result(aion_checkpoint(), 0);
}

TASK_TEST(map_error, all_are_tried_and_the_first_in_order_is_returned)
{
	struct item items[] = {{.result = 1}, {.yield_nr = 5, .result = -EIO}, {.result = -EPIPE}, {.result = 4}};
	int64_t results[4];

	for (size_t limit = 0; limit < 4; limit++) {
		assert_result(aion_map(item_run, items, sizeof(*items), 4, limit, AION_MAP_ALL, results), -EIO);
		cr_assert_eq(results[0], 1);
		cr_assert_eq(results[1], -EIO);
		cr_assert_eq(results[2], -EPIPE);
		cr_assert_eq(results[3], 4);
	}
	assert_result(aion_map(item_run, items, sizeof(*items), 4, 2, AION_MAP_ALL, NULL), -EIO);
}

/* Case 77. */
TASK_TEST(map_error, a_stale_ecanceled_is_an_error)
{
	struct item items[] = {{.result = -ECANCELED}, {.result = 2}};
	int64_t results[2];

	assert_result(aion_map(item_run, items, sizeof(*items), 2, 1, AION_MAP_ALL, results), -ECANCELED);
	cr_assert_eq(results[1], 2, "nobody is cancelled");
	assert_result(aion_map(item_run, items, sizeof(*items), 2, 1, AION_MAP_FIRST_ERROR, results), -ECANCELED);
	cr_assert_eq(results[1], -ECANCELED);
}

TASK_TEST(map_error, arguments)
{
	struct item item = {.result = 1};
	int64_t result = 4711;

	assert_result(aion_map(item_run, &item, sizeof(item), 1, 1, 2, &result), -EINVAL);
	assert_result(aion_map(item_run, NULL, sizeof(item), 1, 1, AION_MAP_ALL, &result), -EINVAL);
	cr_assert_eq(result, 4711);
	cr_assert_not(item.begun);
}

Test(map_error, outside_of_tasks)
{
	struct item item = {.result = 1};

	assert_result(aion_map(item_run, &item, sizeof(item), 1, 1, AION_MAP_ALL, NULL), -EBUSY);
	cr_assert_not(item.begun);
}

TASK_TEST(map_cancel, a_cancelled_caller_begins_nothing)
{
	struct item item = {.result = 1};
	struct aion_scope scope;
	int64_t result = 0;

	test_enter_cancelled(&scope);
	assert_result(aion_map(item_run, &item, sizeof(item), 1, 1, AION_MAP_ALL, &result), -ECANCELED);
	aion_scope_leave(&scope);
	cr_assert_not(item.begun);
	cr_assert_eq(result, -ECANCELED);
}

static void cancelled_in_the_middle(enum aion_map_mode mode, struct item *items, int64_t expected, int64_t *results)
{
	struct aion_scope scope;

	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	assert_result(aion_map(item_run, items, sizeof(*items), 4, 2, mode, results), expected);
	assert_result(aion_scope_leave(&scope), -ETIME);
}

TASK_TEST(map_cancel, those_under_way_are_waited_for_and_no_others_begun)
{
	for (int mode = AION_MAP_FIRST_ERROR; mode <= AION_MAP_ALL; mode++) {
		struct item items[4] = {{.result = 7}};
		int64_t results[4];

		cancelled_in_the_middle(mode, items, -ECANCELED, results);
		cr_assert_eq(results[0], 7);
		cr_assert_eq(items[1].got, -ECANCELED);
		cr_assert_eq(items[2].got, -ECANCELED);
		cr_assert_not(items[3].begun);
		cr_assert_eq(results[3], -ECANCELED);
	}
}

TASK_TEST(map_cancel, an_error_wins_over_it)
{
	struct item items[4] = {{.result = -EIO}};
	int64_t results[4];

	cancelled_in_the_middle(AION_MAP_ALL, items, -EIO, results);
	cr_assert_eq(results[1], -ECANCELED);
}

static int64_t finish_all_the_same(void *arg)
{
	aion_sleep_until(AION_NEVER);
	return *(int *)arg;
}

TASK_TEST(map_cancel, what_finishes_all_the_same_is_kept)
{
	int items[] = {5, 6};
	int64_t results[2];
	struct aion_scope scope;

	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	assert_result(aion_map(finish_all_the_same, items, sizeof(*items), 2, 0, AION_MAP_ALL, results), 0);
	cr_assert_eq(results[0], 5);
	cr_assert_eq(results[1], 6);
	aion_scope_leave(&scope);
}

#ifdef AION_FAULTS
TASK_TEST(map_error, no_memory_for_a_task)
{
	int64_t results[100];
	struct item items[100];

	memset(items, 0, sizeof(items));
	for (int mode = AION_MAP_FIRST_ERROR; mode <= AION_MAP_ALL; mode++) {
		aion__fault_arm(AION__FAULT_ALLOC, 0, 1000, -ENOMEM);
		assert_result(aion_map(item_run, items, sizeof(*items), 100, 0, mode, results), -ENOMEM);
		aion__fault_reset();
		cr_assert_eq(results[99], -ECANCELED);
	}
}
#endif
