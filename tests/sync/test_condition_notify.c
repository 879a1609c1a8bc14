/* SPDX-License-Identifier: MIT */
/* The condition: whoever is notified gets the mutex, and no notification is lost. */
#include "test_order.h"

struct waiter {
	struct aion_condition *condition;
	struct aion_mutex *mutex;
	struct test_order *order;
	char name;
	int result;
	struct aion_handle handle;
};

static int64_t waiter_body(void *arg)
{
	struct waiter *waiter = arg;

	cr_assert_eq(aion_mutex_lock(waiter->mutex), 0);
	waiter->result = aion_condition_wait(waiter->condition, waiter->mutex);
	if (waiter->result == 0)
		test_order_note(waiter->order, waiter->name);
	aion_yield();
	cr_assert_eq(aion_mutex_unlock(waiter->mutex), 0, "it is locked again, whatever the result");
	return 0;
}

struct scene {
	struct aion_condition condition;
	struct aion_mutex mutex;
	struct test_order order;
	struct aion_group group;
	struct waiter waiters[4];
};

/* So many wait when it returns. */
static void scene_begin(struct scene *scene, size_t nr)
{
	*scene = (struct scene){.order = {.nr = 0}};
	aion_condition_init(&scene->condition);
	aion_mutex_init(&scene->mutex);
	aion_group_enter(&scene->group);
	for (size_t i = 0; i < nr; i++) {
		scene->waiters[i] = (struct waiter){
			.condition = &scene->condition,
			.mutex = &scene->mutex,
			.order = &scene->order,
			.name = (char)('a' + i),
			.result = 1,
		};
		cr_assert_eq(aion_spawn_into(&scene->group, &scene->waiters[i].handle, NULL, waiter_body,
					     &scene->waiters[i]),
			     0);
	}
	test_settle();
}

static void scene_end(struct scene *scene)
{
	cr_assert_eq(aion_group_leave(&scene->group, 0), 0);
	aion_condition_fini(&scene->condition);
	aion_mutex_fini(&scene->mutex);
}

TEST_IN_TASK(condition_notify, wakes_so_many_first_in_first_out)
{
	struct scene scene;

	scene_begin(&scene, 4);
	cr_assert_not(aion_mutex_is_locked(&scene.mutex), "who waits does not have the mutex");
	cr_assert_eq(aion_condition_notify(&scene.condition, 0), 0);
	cr_assert_eq(aion_condition_notify(&scene.condition, 1), 1);
	test_settle();
	cr_assert_str_eq(scene.order.text, "a");
	cr_assert_eq(aion_condition_notify(&scene.condition, 2), 2);
	test_settle();
	cr_assert_str_eq(scene.order.text, "abc");
	cr_assert_eq(aion_condition_notify_all(&scene.condition), 1);
	cr_assert_eq(aion_condition_notify_all(&scene.condition), 0);
	scene_end(&scene);
	cr_assert_str_eq(scene.order.text, "abcd");
	return 0;
}

TEST_IN_TASK(condition_notify, lets_nobody_run_without_the_mutex)
{
	struct scene scene;

	scene_begin(&scene, 2);
	cr_assert_eq(aion_mutex_lock(&scene.mutex), 0);
	cr_assert_eq(aion_condition_notify_all(&scene.condition), 2);
	test_settle();
	cr_assert_str_eq(scene.order.text, "", "the notifier has it");
	cr_assert_eq(aion_mutex_unlock(&scene.mutex), 0);
	cr_assert_eq(aion_mutex_try_lock(&scene.mutex), -EAGAIN, "and a newcomer does not overtake who was notified");
	scene_end(&scene);
	cr_assert_str_eq(scene.order.text, "ab");
	return 0;
}

static int64_t lock_and_note(void *arg)
{
	struct scene *scene = arg;

	cr_assert_eq(aion_mutex_lock(&scene->mutex), 0);
	test_order_note(&scene->order, 'x');
	return aion_mutex_unlock(&scene->mutex);
}

/* Who was notified queues for the mutex at the time of the notification, not when he runs. */
TEST_IN_TASK(condition_notify, gives_a_place_in_the_queue_for_the_mutex)
{
	struct scene scene;

	scene_begin(&scene, 2);
	cr_assert_eq(aion_mutex_lock(&scene.mutex), 0);
	aion_condition_notify(&scene.condition, 1);
	aion_spawn(&scene.group, lock_and_note, &scene);
	test_settle();
	aion_condition_notify(&scene.condition, 1);
	cr_assert_eq(aion_mutex_unlock(&scene.mutex), 0);
	scene_end(&scene);
	cr_assert_str_eq(scene.order.text, "axb");
	return 0;
}

TEST_IN_TASK(condition_notify, needs_the_mutex_of_who_waits)
{
	struct aion_condition condition = {{NULL, NULL}};
	struct aion_mutex mutex = {0};

	cr_assert_eq(aion_condition_wait(&condition, &mutex), -EPERM);
	cr_assert_eq(aion_condition_wait_for(&condition, &mutex, NULL, NULL), -EPERM);
	cr_assert_not(aion_mutex_is_locked(&mutex));
	return 0;
}

/* Case 47: the mutex is held by another when the waiter is cancelled, and the wait goes on until it can be had. */
TEST_IN_TASK(condition_notify, a_cancelled_waiter_locks_the_mutex_again)
{
	struct scene scene;

	scene_begin(&scene, 2);
	cr_assert_eq(aion_mutex_lock(&scene.mutex), 0);
	aion_handle_cancel(&scene.waiters[0].handle);
	test_settle();
	cr_assert_eq(scene.waiters[0].result, 1, "it cannot have the mutex yet");
	cr_assert_eq(aion_mutex_unlock(&scene.mutex), 0);
	test_settle();
	cr_assert_eq(scene.waiters[0].result, -ECANCELED);
	cr_assert_eq(aion_condition_notify(&scene.condition, 1), 1);
	scene_end(&scene);
	cr_assert_str_eq(scene.order.text, "b", "the notification went to the next");
	return 0;
}

/* Cancelled first, and not run since: it cannot take the notification, which goes to the next. */
TEST_IN_TASK(condition_notify, passes_over_who_is_cancelled)
{
	struct scene scene;

	scene_begin(&scene, 2);
	aion_handle_cancel(&scene.waiters[0].handle);
	cr_assert_eq(aion_condition_notify(&scene.condition, 1), 1);
	scene_end(&scene);
	cr_assert_eq(scene.waiters[0].result, -ECANCELED);
	cr_assert_str_eq(scene.order.text, "b");
	return 0;
}

TEST_IN_TASK(condition_notify, has_nobody_left_if_all_are_cancelled)
{
	struct scene scene;

	scene_begin(&scene, 3);
	aion_group_cancel(&scene.group);
	cr_assert_eq(aion_condition_notify_all(&scene.condition), 0);
	scene_end(&scene);
	cr_assert_str_eq(scene.order.text, "");
	return 0;
}

/* Notified first: kept, and not interrupted, also while the mutex cannot be had. */
TEST_IN_TASK(condition_notify, is_kept_by_who_is_cancelled_afterwards)
{
	struct scene scene;

	scene_begin(&scene, 2);
	cr_assert_eq(aion_mutex_lock(&scene.mutex), 0);
	cr_assert_eq(aion_condition_notify(&scene.condition, 1), 1);
	aion_handle_cancel(&scene.waiters[0].handle);
	test_settle();
	cr_assert_eq(scene.waiters[0].result, 1);
	cr_assert_eq(aion_mutex_unlock(&scene.mutex), 0);
	test_settle();
	cr_assert_eq(scene.waiters[0].result, 0);
	cr_assert_eq(aion_condition_notify(&scene.condition, 1), 1);
	scene_end(&scene);
	cr_assert_str_eq(scene.order.text, "ab");
	return 0;
}

static int64_t wait_with_deadline(void *arg)
{
	struct scene *scene = arg;
	struct aion_scope scope;

	cr_assert_eq(aion_mutex_lock(&scene->mutex), 0);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	cr_assert_eq(aion_condition_wait(&scene->condition, &scene->mutex), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	return aion_mutex_unlock(&scene->mutex);
}

TEST_IN_TASK(condition_notify, a_deadline_ends_the_wait)
{
	struct scene scene;

	scene_begin(&scene, 0);
	aion_spawn(&scene.group, wait_with_deadline, &scene);
	scene_end(&scene);
	return 0;
}

/* The deadline comes after the notification: it cuts nothing short, and does not say so. */
static int64_t wait_with_late_deadline(void *arg)
{
	struct scene *scene = arg;
	struct aion_scope scope;

	cr_assert_eq(aion_mutex_lock(&scene->mutex), 0);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	cr_assert_eq(aion_condition_wait(&scene->condition, &scene->mutex), 0);
	cr_assert_eq(aion_scope_reason(&scope), AION_REASON_DEADLINE);
	cr_assert_eq(aion_scope_leave(&scope), 0);
	return aion_mutex_unlock(&scene->mutex);
}

TEST_IN_TASK(condition_notify, before_the_deadline_wins)
{
	struct scene scene;

	scene_begin(&scene, 0);
	aion_spawn(&scene.group, wait_with_late_deadline, &scene);
	aion_yield();
	cr_assert_eq(aion_mutex_lock(&scene.mutex), 0);
	cr_assert_eq(aion_condition_notify(&scene.condition, 1), 1);
	aion_sleep(3 * AION_MILLISECOND);
	cr_assert_eq(aion_mutex_unlock(&scene.mutex), 0);
	scene_end(&scene);
	return 0;
}

TEST_IN_TASK(condition_notify, in_a_cancelled_scope_the_mutex_is_not_unlocked)
{
	struct aion_condition condition = {{NULL, NULL}};
	struct aion_mutex mutex = {0};
	struct aion_scope scope;

	cr_assert_eq(aion_mutex_lock(&mutex), 0);
	aion_scope_enter(&scope, AION_NEVER);
	aion_scope_cancel(&scope);
	cr_assert_eq(aion_condition_wait(&condition, &mutex), -ECANCELED);
	aion_scope_leave(&scope);
	cr_assert_eq(aion_mutex_unlock(&mutex), 0);
	return 0;
}

/* ---- a predicate */

struct level {
	struct scene scene;
	int value;
	int asked_nr;
};

static bool level_is_three(void *arg)
{
	struct level *level = arg;

	level->asked_nr++;
	cr_assert(aion_mutex_is_locked(&level->scene.mutex));
	return level->value == 3;
}

static int64_t wait_for_three(void *arg)
{
	struct level *level = arg;
	struct scene *scene = &level->scene;

	cr_assert_eq(aion_mutex_lock(&scene->mutex), 0);
	cr_assert_eq(aion_condition_wait_for(&scene->condition, &scene->mutex, level_is_three, level), 0);
	cr_assert_eq(level->value, 3);
	cr_assert_eq(aion_condition_wait_for(&scene->condition, &scene->mutex, level_is_three, level), 0, "at once");
	return aion_mutex_unlock(&scene->mutex);
}

TEST_IN_TASK(condition_notify, asks_a_predicate_each_time)
{
	struct level level = {.value = 0};

	scene_begin(&level.scene, 0);
	aion_spawn(&level.scene.group, wait_for_three, &level);
	test_settle();
	while (level.value < 3) {
		cr_assert_eq(aion_mutex_lock(&level.scene.mutex), 0);
		level.value++;
		aion_condition_notify(&level.scene.condition, 1);
		cr_assert_eq(aion_mutex_unlock(&level.scene.mutex), 0);
		test_settle();
	}
	scene_end(&level.scene);
	cr_assert_eq(level.asked_nr, 5, "at first, for each notification, and when it held at once");
	return 0;
}
