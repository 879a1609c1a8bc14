/* SPDX-License-Identifier: MIT */
/* The mutex: in which order it is had, and by whom after a cancellation. */
#include "test_order.h"

struct visit {
	struct aion_mutex *mutex;
	struct test_order *order;
	char name;
	int result;
	struct aion_handle handle;
};

static int64_t visit_body(void *arg)
{
	struct visit *visit = arg;

	visit->result = aion_mutex_lock(visit->mutex);
	if (visit->result == 0) {
		test_order_note(visit->order, visit->name);
		aion_yield();
		cr_assert_eq(aion_mutex_unlock(visit->mutex), 0);
	}
	return visit->result;
}

static void visit_start(struct aion_group *group, struct visit *visit, struct aion_mutex *mutex,
			struct test_order *order, char name)
{
	*visit = (struct visit){.mutex = mutex, .order = order, .name = name, .result = 1};
	cr_assert_eq(aion_spawn_into(group, &visit->handle, NULL, visit_body, visit), 0);
}

TEST_IN_TASK(mutex_lock, is_had_once)
{
	struct aion_mutex mutex = {0};

	cr_assert_not(aion_mutex_is_locked(&mutex));
	cr_assert_eq(aion_mutex_lock(&mutex), 0);
	cr_assert(aion_mutex_is_locked(&mutex));
	cr_assert_eq(aion_mutex_lock(&mutex), -EDEADLK);
	cr_assert_eq(aion_mutex_try_lock(&mutex), -EDEADLK);
	cr_assert_eq(aion_mutex_unlock(&mutex), 0);
	cr_assert_not(aion_mutex_is_locked(&mutex));
	cr_assert_eq(aion_mutex_try_lock(&mutex), 0);
	cr_assert(aion_mutex_is_locked(&mutex));
	cr_assert_eq(aion_mutex_unlock(&mutex), 0);
	aion_mutex_fini(&mutex);
	return 0;
}

/* Case 41. */
TEST_IN_TASK(mutex_lock, first_in_first_out)
{
	struct test_order order = {.nr = 0};
	struct aion_mutex mutex;
	struct aion_group group;
	struct visit visits[4];

	aion_mutex_init(&mutex);
	aion_group_enter(&group);
	for (size_t i = 0; i < 4; i++)
		visit_start(&group, &visits[i], &mutex, &order, (char)('a' + i));
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_str_eq(order.text, "abcd");
	aion_mutex_fini(&mutex);
	return 0;
}

/* Case 43. */
static int64_t unlock_what_another_has(void *mutex)
{
	cr_assert_eq(aion_mutex_unlock(mutex), -EPERM);
	cr_assert_eq(aion_mutex_try_lock(mutex), -EAGAIN);
	return 0;
}

TEST_IN_TASK(mutex_lock, is_unlocked_by_who_has_it_only)
{
	struct aion_mutex mutex = {0};
	struct aion_group group;

	cr_assert_eq(aion_mutex_unlock(&mutex), -EPERM);
	cr_assert_eq(aion_mutex_lock(&mutex), 0);
	aion_group_enter(&group);
	aion_spawn(&group, unlock_what_another_has, &mutex);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert(aion_mutex_is_locked(&mutex));
	cr_assert_eq(aion_mutex_unlock(&mutex), 0);
	return 0;
}

/* Case 42: who leaves the queue does not break it, wherever in it he stood. */
static int64_t cancel_one_of_three(void *idx)
{
	const char *const expected[] = {"bc", "ac", "ab"};
	struct test_order order = {.nr = 0};
	struct aion_mutex mutex = {0};
	struct aion_group group;
	struct visit visits[3];

	cr_assert_eq(aion_mutex_lock(&mutex), 0);
	aion_group_enter(&group);
	for (size_t i = 0; i < 3; i++)
		visit_start(&group, &visits[i], &mutex, &order, (char)('a' + i));
	test_settle();
	aion_handle_cancel(&visits[(intptr_t)idx].handle);
	test_settle();
	cr_assert_eq(visits[(intptr_t)idx].result, -ECANCELED);
	cr_assert_eq(aion_mutex_unlock(&mutex), 0);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_str_eq(order.text, expected[(intptr_t)idx]);
	aion_mutex_fini(&mutex);
	return 0;
}

TEST_IN_TASK(mutex_lock, who_is_cancelled_leaves_the_queue)
{
	for (intptr_t i = 0; i < 3; i++)
		cr_assert_eq(cancel_one_of_three(test_number(i)), 0);
	return 0;
}

/* Case 44, in both orders: cancelled between the hand-over and its run, and handed over between cancellation and run.
 */
static void cancel_with_unlock(bool cancel_first)
{
	struct test_order order = {.nr = 0};
	struct aion_mutex mutex = {0};
	struct aion_group group;
	struct visit visits[2];

	cr_assert_eq(aion_mutex_lock(&mutex), 0);
	aion_group_enter(&group);
	visit_start(&group, &visits[0], &mutex, &order, 'a');
	visit_start(&group, &visits[1], &mutex, &order, 'b');
	test_settle();
	if (cancel_first)
		aion_handle_cancel(&visits[0].handle);
	cr_assert_eq(aion_mutex_unlock(&mutex), 0);
	if (!cancel_first)
		aion_handle_cancel(&visits[0].handle);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(visits[0].result, 0, "what was handed over is kept");
	cr_assert_str_eq(order.text, "ab");
	aion_mutex_fini(&mutex);
}

TEST_IN_TASK(mutex_lock, what_was_handed_over_is_kept_by_who_is_cancelled)
{
	cancel_with_unlock(false);
	cancel_with_unlock(true);
	return 0;
}

/* Case 45. */
TEST_IN_TASK(mutex_lock, a_newcomer_cannot_overtake)
{
	struct test_order order = {.nr = 0};
	struct aion_mutex mutex = {0};
	struct aion_group group;
	struct visit visit;

	cr_assert_eq(aion_mutex_lock(&mutex), 0);
	aion_group_enter(&group);
	visit_start(&group, &visit, &mutex, &order, 'a');
	test_settle();
	cr_assert_eq(aion_mutex_unlock(&mutex), 0);
	cr_assert(aion_mutex_is_locked(&mutex), "it is the waiter's, who has not run yet");
	cr_assert_eq(aion_mutex_try_lock(&mutex), -EAGAIN);
	cr_assert_eq(aion_mutex_unlock(&mutex), -EPERM);
	cr_assert_eq(aion_mutex_lock(&mutex), 0);
	test_order_note(&order, 'm');
	cr_assert_eq(aion_mutex_unlock(&mutex), 0);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_str_eq(order.text, "am");
	return 0;
}

TEST_IN_TASK(mutex_lock, all_who_wait_may_be_cancelled)
{
	struct test_order order = {.nr = 0};
	struct aion_mutex mutex = {0};
	struct aion_group group;
	struct visit visits[3];

	cr_assert_eq(aion_mutex_lock(&mutex), 0);
	aion_group_enter(&group);
	for (size_t i = 0; i < 3; i++)
		visit_start(&group, &visits[i], &mutex, &order, (char)('a' + i));
	test_settle();
	aion_group_cancel(&group);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_str_eq(order.text, "");
	cr_assert_eq(aion_mutex_unlock(&mutex), 0);
	cr_assert_not(aion_mutex_is_locked(&mutex));
	aion_mutex_fini(&mutex);
	return 0;
}

static int64_t hold_until_settled(void *mutex)
{
	cr_assert_eq(aion_mutex_lock(mutex), 0);
	cr_assert_eq(aion_sleep_until(AION_NEVER), -ECANCELED);
	cr_assert_eq(aion_mutex_unlock(mutex), 0, "also in a cancelled scope");
	return -ECANCELED;
}

TEST_IN_TASK(mutex_lock, a_deadline_ends_the_wait)
{
	struct aion_mutex mutex = {0};
	struct aion_scope scope;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, hold_until_settled, &mutex);
	aion_yield();
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	cr_assert_eq(aion_mutex_lock(&mutex), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	aion_group_cancel(&group);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_not(aion_mutex_is_locked(&mutex));
	return 0;
}

struct count {
	struct aion_mutex mutex;
	unsigned value;
	unsigned rounds;
};

/* Reads, lets the others run, writes: without the mutex most of it is lost. */
static int64_t count_up(void *arg)
{
	struct count *count = arg;

	for (unsigned i = 0; i < count->rounds; i++) {
		unsigned value;

		cr_assert_eq(aion_mutex_lock(&count->mutex), 0);
		value = count->value;
		aion_yield();
		count->value = value + 1;
		cr_assert_eq(aion_mutex_unlock(&count->mutex), 0);
	}
	return 0;
}

TEST_IN_TASK(mutex_lock, excludes_the_others)
{
	struct count count = {.rounds = 50};
	struct aion_group group;

	aion_group_enter(&group);
	for (unsigned i = 0; i < 10; i++)
		aion_spawn(&group, count_up, &count);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(count.value, 500);
	aion_mutex_fini(&count.mutex);
	return 0;
}

static int64_t set_flag(void *flag)
{
	*(bool *)flag = true;
	return 0;
}

/* A checkpoint on every call: who only ever finds it unlocked lets the others run all the same. */
TEST_IN_TASK(mutex_lock, draws_on_the_budget)
{
	struct aion_mutex mutex = {0};
	struct aion_group group;
	bool has_run = false;
	unsigned nr = 0;

	aion_group_enter(&group);
	aion_spawn(&group, set_flag, &has_run);
	while (!has_run && nr++ < 100000) {
		cr_assert_eq(aion_mutex_lock(&mutex), 0);
		cr_assert_eq(aion_mutex_unlock(&mutex), 0);
	}
	cr_assert(has_run);
	return aion_group_leave(&group, 0);
}
