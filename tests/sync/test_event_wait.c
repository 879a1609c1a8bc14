/* SPDX-License-Identifier: MIT */
/* The event: who waits when it is set goes on. */
#include "test_order.h"

struct watcher {
	struct aion_event *event;
	struct test_order *order;
	char name;
	int result;
	struct aion_handle handle;
};

static int64_t watcher_body(void *arg)
{
	struct watcher *watcher = arg;

	watcher->result = aion_event_wait(watcher->event);
	if (watcher->result == 0)
		test_order_note(watcher->order, watcher->name);
	return 0;
}

static void watcher_start(struct aion_group *group, struct watcher *watcher, struct aion_event *event,
			  struct test_order *order, char name)
{
	*watcher = (struct watcher){.event = event, .order = order, .name = name, .result = 1};
	cr_assert_eq(aion_spawn_into(group, &watcher->handle, NULL, watcher_body, watcher), 0);
}

TEST_IN_TASK(event_wait, returns_at_once_if_it_is_set)
{
	struct aion_event event = {0};

	cr_assert_not(aion_event_is_set(&event));
	aion_event_set(&event);
	aion_event_set(&event);
	cr_assert(aion_event_is_set(&event));
	cr_assert_eq(aion_event_wait(&event), 0);
	cr_assert_eq(aion_event_wait(&event), 0);
	aion_event_clear(&event);
	cr_assert_not(aion_event_is_set(&event));
	aion_event_fini(&event);
	return 0;
}

TEST_IN_TASK(event_wait, all_go_on_first_in_first_out)
{
	struct test_order order = {.nr = 0};
	struct aion_event event;
	struct aion_group group;
	struct watcher watchers[4];

	aion_event_init(&event);
	aion_group_enter(&group);
	for (size_t i = 0; i < 4; i++)
		watcher_start(&group, &watchers[i], &event, &order, (char)('a' + i));
	test_settle();
	cr_assert_str_eq(order.text, "");
	aion_event_set(&event);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_str_eq(order.text, "abcd");
	aion_event_fini(&event);
	return 0;
}

/* Case 48. */
TEST_IN_TASK(event_wait, set_then_clear_still_wakes_who_waited)
{
	struct test_order order = {.nr = 0};
	struct aion_event event;
	struct aion_group group;
	struct watcher watchers[3];

	aion_event_init(&event);
	aion_group_enter(&group);
	watcher_start(&group, &watchers[0], &event, &order, 'a');
	watcher_start(&group, &watchers[1], &event, &order, 'b');
	test_settle();
	watcher_start(&group, &watchers[2], &event, &order, 'c');
	aion_event_set(&event);
	aion_event_clear(&event);
	test_settle();
	cr_assert_str_eq(order.text, "ab", "the third came after it was cleared");
	aion_event_set(&event);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_str_eq(order.text, "abc");
	return 0;
}

/* In both orders: what has come before it runs is kept. */
static void cancel_with_set(bool cancel_first)
{
	struct test_order order = {.nr = 0};
	struct aion_event event = {0};
	struct aion_group group;
	struct watcher watchers[2];

	aion_group_enter(&group);
	watcher_start(&group, &watchers[0], &event, &order, 'a');
	watcher_start(&group, &watchers[1], &event, &order, 'b');
	test_settle();
	if (cancel_first)
		aion_handle_cancel(&watchers[0].handle);
	aion_event_set(&event);
	if (!cancel_first)
		aion_handle_cancel(&watchers[0].handle);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_str_eq(order.text, "ab");
}

TEST_IN_TASK(event_wait, that_was_woken_is_not_cancelled_any_more)
{
	cancel_with_set(false);
	cancel_with_set(true);
	return 0;
}

TEST_IN_TASK(event_wait, who_is_cancelled_leaves_the_queue)
{
	struct test_order order = {.nr = 0};
	struct aion_event event = {0};
	struct aion_group group;
	struct watcher watchers[3];

	aion_group_enter(&group);
	for (size_t i = 0; i < 3; i++)
		watcher_start(&group, &watchers[i], &event, &order, (char)('a' + i));
	test_settle();
	aion_handle_cancel(&watchers[1].handle);
	test_settle();
	cr_assert_eq(watchers[1].result, -ECANCELED);
	aion_event_set(&event);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_str_eq(order.text, "ac");
	aion_event_fini(&event);
	return 0;
}
