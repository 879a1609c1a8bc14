/* SPDX-License-Identifier: MIT */
/* Who waits in a queue, in which order he is served, and what a cancellation leaves behind. */
#include "test_file.h"
#include "test_task.h"

#define LOG_NR 16

static struct {
	struct aion_queue queue;
	intptr_t log[LOG_NR]; /* what was got, or how a call ended, in this order */
	int log_nr;
} shared;

static void shared_init(enum aion_queue_kind kind, size_t capacity)
{
	assert_result(aion_queue_init(&shared.queue, kind, capacity), 0);
	shared.log_nr = 0;
}

static void shared_log(intptr_t entry)
{
	cr_assert_lt(shared.log_nr, LOG_NR);
	shared.log[shared.log_nr++] = entry;
}

static void assert_log(int nr, const intptr_t *entries)
{
	cr_assert_eq(shared.log_nr, nr, "%d entries, not %d", shared.log_nr, nr);
	for (int i = 0; i < nr; i++)
		cr_assert_eq(shared.log[i], entries[i], "entry %d is %ld, not %ld", i, (long)shared.log[i],
			     (long)entries[i]);
}

#define ASSERT_LOG(...)                                                                                                \
	assert_log(sizeof((intptr_t[]){__VA_ARGS__}) / sizeof(intptr_t), (const intptr_t[]){__VA_ARGS__})

/* Gets one item and logs: its mark * 100 + the item, or the error. */
static int64_t getter(void *mark)
{
	void *item;
	int result = aion_queue_get(&shared.queue, &item);

	shared_log(result < 0 ? result : (intptr_t)mark * 100 + (intptr_t)item);
	return result;
}

/* Puts its argument and logs it, or the error. */
static int64_t putter(void *item)
{
	int result = aion_queue_put(&shared.queue, item);

	shared_log(result < 0 ? result : (intptr_t)item);
	return result;
}

static int64_t putter_by_priority(void *item)
{
	int result = aion_queue_put_priority(&shared.queue, item, (intptr_t)item);

	shared_log(result < 0 ? result : (intptr_t)item);
	return result;
}

static void spawn_many(struct aion_group *group, aion_fn *fn, int nr)
{
	for (int i = 1; i <= nr; i++)
		assert_result(aion_spawn(group, fn, test_number(i)), 0);
}

static void put(intptr_t item)
{
	assert_result(aion_queue_try_put(&shared.queue, test_number(item)), 0);
}

static intptr_t get(void)
{
	void *item = NULL;

	assert_result(aion_queue_try_get(&shared.queue, &item), 0);
	return (intptr_t)item;
}

TASK_TEST(queue_wait, getters_are_served_first_in_first_out)
{
	struct aion_group group;

	shared_init(AION_QUEUE_FIFO, 4);
	aion_group_enter(&group);
	spawn_many(&group, getter, 4);
	aion_yield();
	for (intptr_t i = 1; i <= 4; i++)
		put(i);
	cr_assert_eq(aion_queue_size(&shared.queue), 0, "items lie in the queue while tasks wait");
	assert_result(aion_group_leave(&group, 0), 0);
	ASSERT_LOG(101, 202, 303, 404);
	aion_queue_fini(&shared.queue);
}

TASK_TEST(queue_wait, putters_are_served_first_in_first_out)
{
	struct aion_group group;

	shared_init(AION_QUEUE_FIFO, 1);
	put(0);
	aion_group_enter(&group);
	spawn_many(&group, putter, 3);
	aion_yield();
	cr_assert_eq(shared.log_nr, 0);
	cr_assert_eq(aion_queue_size(&shared.queue), 1);
	for (intptr_t i = 0; i < 4; i++)
		cr_assert_eq(get(), i);
	assert_result(aion_group_leave(&group, 0), 0);
	ASSERT_LOG(1, 2, 3);
	aion_queue_fini(&shared.queue);
}

/* Case 57: who comes after the hand-over and before the waiter has run finds nothing. */
TASK_TEST(queue_wait, a_newcomer_does_not_overtake_a_waiting_getter)
{
	struct aion_group group;
	void *item;

	shared_init(AION_QUEUE_FIFO, 4);
	aion_group_enter(&group);
	spawn_many(&group, getter, 1);
	aion_yield();
	put(7);
	assert_result(aion_queue_try_get(&shared.queue, &item), -EAGAIN);
	assert_result(aion_group_leave(&group, 0), 0);
	ASSERT_LOG(107);
	aion_queue_fini(&shared.queue);
}

TASK_TEST(queue_wait, a_newcomer_does_not_overtake_a_waiting_putter)
{
	struct aion_group group;

	shared_init(AION_QUEUE_FIFO, 1);
	put(1);
	aion_group_enter(&group);
	assert_result(aion_spawn(&group, putter, test_number(2)), 0);
	aion_yield();
	cr_assert_eq(get(), 1);
	assert_result(aion_queue_try_put(&shared.queue, test_number(3)), -EAGAIN);
	cr_assert_eq(get(), 2);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_queue_fini(&shared.queue);
}

/* Case 57: of two that get in a loop none is left without. */
static int64_t get_five(void *count)
{
	void *item;

	for (int i = 0; i < 5; i++) {
		assert_result(aion_queue_get(&shared.queue, &item), 0);
		++*(int *)count;
	}
	return 0;
}

TASK_TEST(queue_wait, getters_in_a_loop_take_turns)
{
	int counts[2] = {0};
	struct aion_group group;

	shared_init(AION_QUEUE_FIFO, 1);
	aion_group_enter(&group);
	assert_result(aion_spawn(&group, get_five, &counts[0]), 0);
	assert_result(aion_spawn(&group, get_five, &counts[1]), 0);
	for (intptr_t i = 0; i < 10; i++) {
		aion_yield();
		put(i);
		aion_yield();
		cr_assert_leq(abs(counts[0] - counts[1]), 1, "%d and %d", counts[0], counts[1]);
	}
	assert_result(aion_group_leave(&group, 0), 0);
	aion_queue_fini(&shared.queue);
}

TASK_TEST(queue_wait, the_least_priority_comes_out_of_what_is_in)
{
	struct aion_group group;

	shared_init(AION_QUEUE_PRIORITY, 2);
	assert_result(aion_queue_put_priority(&shared.queue, test_number(50), 50), 0);
	assert_result(aion_queue_put_priority(&shared.queue, test_number(40), 40), 0);
	aion_group_enter(&group);
	assert_result(aion_spawn(&group, putter_by_priority, test_number(60)), 0);
	assert_result(aion_spawn(&group, putter_by_priority, test_number(10)), 0);
	aion_yield();
	/* Each get lets in one that waits, in the order of their coming. */
	cr_assert_eq(get(), 40);
	cr_assert_eq(get(), 50);
	cr_assert_eq(get(), 10);
	cr_assert_eq(get(), 60);
	assert_result(aion_group_leave(&group, 0), 0);
	ASSERT_LOG(60, 10);
	aion_queue_fini(&shared.queue);
}

TASK_TEST(queue_wait, a_lifo_queue_takes_waiting_putters_in_the_order_of_their_coming)
{
	struct aion_group group;

	shared_init(AION_QUEUE_LIFO, 2);
	put(1);
	put(2);
	aion_group_enter(&group);
	assert_result(aion_spawn(&group, putter, test_number(3)), 0);
	assert_result(aion_spawn(&group, putter, test_number(4)), 0);
	aion_yield();
	cr_assert_eq(get(), 2);
	cr_assert_eq(get(), 3);
	cr_assert_eq(get(), 4);
	cr_assert_eq(get(), 1);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_queue_fini(&shared.queue);
}

/* Case 51. */
TASK_TEST(queue_wait, a_get_cancelled_after_the_hand_over_has_its_item)
{
	struct aion_handle handle;
	struct aion_group group;

	shared_init(AION_QUEUE_FIFO, 1);
	aion_group_enter(&group);
	assert_result(aion_spawn_into(&group, &handle, NULL, getter, test_number(1)), 0);
	aion_yield();
	put(5);
	aion_handle_cancel(&handle);
	assert_result(aion_await(&handle.future), 0);
	ASSERT_LOG(105);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_queue_fini(&shared.queue);
}

/* Case 51: cancelled first, and an item comes before it has run. It must be somewhere: here it is its. */
TASK_TEST(queue_wait, a_get_cancelled_before_the_hand_over_loses_no_item)
{
	struct aion_handle handle;
	struct aion_group group;

	shared_init(AION_QUEUE_FIFO, 1);
	aion_group_enter(&group);
	assert_result(aion_spawn_into(&group, &handle, NULL, getter, test_number(1)), 0);
	aion_yield();
	aion_handle_cancel(&handle);
	put(5);
	assert_result(aion_await(&handle.future), 0);
	ASSERT_LOG(105);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_queue_fini(&shared.queue);
}

/* Cases 51, 53. */
TASK_TEST(queue_wait, a_cancelled_get_leaves_the_queue_to_the_next)
{
	struct aion_handle handles[3];
	struct aion_group group;

	shared_init(AION_QUEUE_FIFO, 1);
	aion_group_enter(&group);
	for (int i = 0; i < 3; i++)
		assert_result(aion_spawn_into(&group, &handles[i], NULL, getter, test_number(i + 1)), 0);
	aion_yield();
	aion_handle_cancel(&handles[1]);
	aion_handle_cancel(&handles[0]);
	assert_result(aion_await(&handles[0].future), -ECANCELED);
	assert_result(aion_await(&handles[1].future), -ECANCELED);
	put(5);
	assert_result(aion_group_leave(&group, 0), 0);
	ASSERT_LOG(-ECANCELED, -ECANCELED, 305);
	put(6);
	cr_assert_eq(aion_queue_size(&shared.queue), 1, "handed to a task that is no longer there");
	aion_queue_fini(&shared.queue);
}

/* Case 52. */
TASK_TEST(queue_wait, a_cancelled_put_adds_nothing)
{
	struct aion_handle handles[3];
	struct aion_group group;
	void *item;

	shared_init(AION_QUEUE_FIFO, 1);
	put(9);
	aion_group_enter(&group);
	for (int i = 0; i < 3; i++)
		assert_result(aion_spawn_into(&group, &handles[i], NULL, putter, test_number(i + 1)), 0);
	aion_yield();
	aion_handle_cancel(&handles[0]);
	aion_handle_cancel(&handles[2]);
	assert_result(aion_await(&handles[2].future), -ECANCELED);
	cr_assert_eq(get(), 9);
	cr_assert_eq(get(), 2);
	assert_result(aion_queue_try_get(&shared.queue, &item), -EAGAIN);
	assert_result(aion_group_leave(&group, 0), 0);
	ASSERT_LOG(-ECANCELED, -ECANCELED, 2);
	/* Nor do they count. */
	assert_result(aion_queue_task_done(&shared.queue), 0);
	assert_result(aion_queue_task_done(&shared.queue), 0);
	assert_result(aion_queue_task_done(&shared.queue), -EINVAL);
	aion_queue_fini(&shared.queue);
}

/* Case 52: taken, then cancelled: the item is in, and the put says so. */
TASK_TEST(queue_wait, a_put_cancelled_after_its_item_was_taken_succeeds)
{
	struct aion_handle handle;
	struct aion_group group;

	shared_init(AION_QUEUE_FIFO, 1);
	put(1);
	aion_group_enter(&group);
	assert_result(aion_spawn_into(&group, &handle, NULL, putter, test_number(2)), 0);
	aion_yield();
	cr_assert_eq(get(), 1);
	aion_handle_cancel(&handle);
	assert_result(aion_await(&handle.future), 0);
	cr_assert_eq(get(), 2);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_queue_fini(&shared.queue);
}

TASK_TEST(queue_wait, in_a_cancelled_scope_nothing_happens)
{
	struct aion_scope scope;
	void *item = &scope;

	shared_init(AION_QUEUE_PRIORITY, 2);
	put(1);
	test_enter_cancelled(&scope);
	assert_result(aion_queue_get(&shared.queue, &item), -ECANCELED);
	assert_result(aion_queue_put(&shared.queue, NULL), -ECANCELED);
	assert_result(aion_queue_put_priority(&shared.queue, NULL, 1), -ECANCELED);
	assert_result(aion_queue_join(&shared.queue), -ECANCELED);
	assert_result(aion_scope_leave(&scope), 0);
	cr_assert_eq(item, &scope, "written without success");
	cr_assert_eq(aion_queue_size(&shared.queue), 1);
	aion_queue_fini(&shared.queue);
}

TASK_TEST(queue_wait, a_deadline_ends_a_wait_and_says_so)
{
	struct aion_scope scope;
	void *item;

	shared_init(AION_QUEUE_FIFO, 1);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	assert_result(aion_queue_get(&shared.queue, &item), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	put(1);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	assert_result(aion_queue_put(&shared.queue, item), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert_eq(get(), 1);
	aion_queue_fini(&shared.queue);
}

/* A producer and a consumer that never wait must not keep the others from running. */
static int64_t put_and_get_until(void *stop)
{
	void *item;

	while (!*(bool *)stop) {
		assert_result(aion_queue_put(&shared.queue, NULL), 0);
		assert_result(aion_queue_get(&shared.queue, &item), 0);
	}
	return 0;
}

TASK_TEST(queue_wait, calls_that_need_not_wait_draw_on_the_budget)
{
	struct aion_group group;
	bool stop = false;

	shared_init(AION_QUEUE_FIFO, 1);
	aion_group_enter(&group);
	assert_result(aion_spawn(&group, put_and_get_until, &stop), 0);
	assert_result(aion_yield(), 0);
	stop = true;
	assert_result(aion_group_leave(&group, 0), 0);
	aion_queue_fini(&shared.queue);
}

Test(queue_wait, outside_of_tasks_only_the_try_forms_work)
{
	struct aion_queue queue;
	void *item;

	assert_result(aion_queue_init(&queue, AION_QUEUE_FIFO, 1), 0);
	assert_result(aion_queue_put(&queue, NULL), -EBUSY);
	assert_result(aion_queue_get(&queue, &item), -EBUSY);
	assert_result(aion_queue_join(&queue), -EBUSY);
	assert_result(aion_queue_try_put(&queue, &queue), 0);
	assert_result(aion_queue_try_get(&queue, &item), 0);
	cr_assert_eq(item, &queue);
	aion_queue_fini(&queue);
}

static int64_t fini_while_waiting(void *unused)
{
	struct aion_group group;

	(void)unused;
	aion_queue_init(&shared.queue, AION_QUEUE_FIFO, 1);
	aion_group_enter(&group);
	aion_spawn(&group, getter, NULL);
	aion_yield();
	aion_queue_fini(&shared.queue);
	return aion_group_leave(&group, 0);
}

Test(queue_wait, fini_aborts_while_a_task_waits)
{
	test_task_aborts(fini_while_waiting, "queue finished while a task waits in it");
}

static int64_t get_from_nothing(void *unused)
{
	void *item;

	(void)unused;
	memset(&shared.queue, 0, sizeof(shared.queue));
	return aion_queue_get(&shared.queue, &item);
}

static int64_t put_into_nothing(void *unused)
{
	memset(&shared.queue, 0, sizeof(shared.queue));
	return aion_queue_put(&shared.queue, unused);
}

Test(queue_wait, a_queue_without_init_aborts)
{
	struct aion_queue queue = {0};

	test_task_aborts(get_from_nothing, "queue used before aion_queue_init()");
	test_task_aborts(put_into_nothing, "queue used before aion_queue_init()");
	aion_queue_fini(&queue);
}
