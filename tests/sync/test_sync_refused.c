/* SPDX-License-Identifier: MIT */
/* What all locks refuse: to wait in a cancelled scope, outside of a task, in a forked child; to go while a task waits.
 */
#include "test_task.h"

struct locks {
	struct aion_mutex mutex;
	struct aion_mutex owned; /* by the main task */
	struct aion_semaphore semaphore;
	struct aion_event event;
	struct aion_condition condition;
	struct aion_barrier barrier;
	struct aion_limiter limiter;
	struct aion_rate rate;
};

/* Nobody would have to wait. */
static void locks_init(struct locks *locks)
{
	aion_mutex_init(&locks->mutex);
	aion_mutex_init(&locks->owned);
	aion_semaphore_init(&locks->semaphore, 1);
	aion_event_init(&locks->event);
	aion_event_set(&locks->event);
	aion_condition_init(&locks->condition);
	aion_barrier_init(&locks->barrier, 1);
	aion_limiter_init(&locks->limiter, 1);
	aion_rate_init(&locks->rate, 1, AION_SECOND, 1);
	cr_assert_eq(aion_mutex_lock(&locks->owned), 0);
}

static bool holds(void *unused)
{
	return true;
}

/* 0: all say so, and have no effect. Else which one does not. */
static int all_say(struct locks *locks, int error)
{
	struct aion_limiter_stats stats;

	if (aion_mutex_lock(&locks->mutex) != error || aion_mutex_is_locked(&locks->mutex))
		return 1;
	if (aion_semaphore_acquire(&locks->semaphore) != error ||
	    aion_semaphore_acquire_nr(&locks->semaphore, 1) != error || aion_semaphore_value(&locks->semaphore) != 1)
		return 2;
	if (aion_event_wait(&locks->event) != error)
		return 3;
	if (aion_condition_wait(&locks->condition, &locks->owned) != error || !aion_mutex_is_locked(&locks->owned))
		return 4;
	if (aion_condition_wait_for(&locks->condition, &locks->owned, holds, NULL) != error)
		return 5;
	if (aion_barrier_wait(&locks->barrier) != error || aion_barrier_waiting_nr(&locks->barrier))
		return 6;
	if (aion_limiter_acquire(&locks->limiter) != error ||
	    aion_limiter_acquire_on_behalf(&locks->limiter, locks) != error)
		return 7;
	aion_limiter_stats(&locks->limiter, &stats);
	if (stats.borrowed_nr || stats.waiting_nr)
		return 8;
	if (aion_rate_acquire(&locks->rate, 1) != error || locks->rate.level != locks->rate.full)
		return 9;
	return 0;
}

TEST_IN_TASK(sync_refused, in_a_cancelled_scope)
{
	struct aion_scope scope;
	struct locks locks;

	locks_init(&locks);
	aion_scope_enter(&scope, AION_NEVER);
	aion_scope_cancel(&scope);
	cr_assert_eq(all_say(&locks, -ECANCELED), 0);
	aion_scope_leave(&scope);
	return 0;
}

static int64_t init_only(void *locks)
{
	locks_init(locks);
	return 0;
}

Test(sync_refused, outside_of_a_task)
{
	static struct locks locks;

	cr_assert_eq(aion_run(init_only, &locks, NULL), 0);
	cr_assert_eq(all_say(&locks, -EBUSY), 0);
	cr_assert_eq(aion_mutex_try_lock(&locks.mutex), -EBUSY);
	cr_assert_eq(aion_mutex_unlock(&locks.owned), -EPERM);
	cr_assert_eq(aion_limiter_try_acquire(&locks.limiter), -EBUSY);
	cr_assert_eq(aion_limiter_release(&locks.limiter), -EPERM);
	cr_assert_eq(aion_semaphore_try_acquire(&locks.semaphore), 0, "what needs no task works");
	cr_assert_eq(aion_semaphore_release(&locks.semaphore), 0);
}

static int try_in_child(void *arg)
{
	struct locks *locks = arg;
	int which = all_say(locks, -ECHILD);

	if (which)
		return which;
	if (aion_mutex_try_lock(&locks->mutex) != -ECHILD || aion_limiter_try_acquire(&locks->limiter) != -ECHILD)
		return 10;
	return 0;
}

TEST_IN_TASK(sync_refused, in_a_forked_child)
{
	struct locks locks;

	locks_init(&locks);
	cr_assert_eq(test_in_child(try_in_child, &locks), 0);
	return 0;
}

/* ---- gone while a task waits */

static struct locks gone;

static int64_t wait_for_event(void *unused)
{
	return aion_event_wait(&gone.event);
}

static int64_t wait_for_semaphore(void *unused)
{
	return aion_semaphore_acquire_nr(&gone.semaphore, 2);
}

static int64_t wait_for_condition(void *unused)
{
	aion_mutex_lock(&gone.mutex);
	return aion_condition_wait(&gone.condition, &gone.mutex);
}

static int64_t wait_at_barrier(void *unused)
{
	return aion_barrier_wait(&gone.barrier);
}

static int64_t wait_for_limiter(void *unused)
{
	return aion_limiter_acquire(&gone.limiter);
}

static int64_t wait_for_rate(void *unused)
{
	aion_rate_acquire(&gone.rate, 1);
	return aion_rate_acquire(&gone.rate, 1);
}

static void let_wait(struct aion_group *group, aion_fn *fn)
{
	locks_init(&gone);
	aion_event_clear(&gone.event);
	aion_barrier_init(&gone.barrier, 2);
	aion_limiter_init(&gone.limiter, 0);
	aion_group_enter(group);
	aion_spawn(group, fn, NULL);
	aion_yield();
	aion_yield();
}

#define GONE_CASE(type, noun, wait_fn, line)                                                                           \
	static int64_t gone_##noun(void *unused)                                                                       \
	{                                                                                                              \
		struct aion_group group;                                                                               \
                                                                                                                       \
		let_wait(&group, wait_fn);                                                                             \
		aion_##type##_fini(&gone.noun);                                                                        \
		return 0;                                                                                              \
	}                                                                                                              \
	Test(sync_refused, to_go_while_a_task_waits_##noun)                                                            \
	{                                                                                                              \
		test_task_aborts(gone_##noun, line);                                                                   \
	}

GONE_CASE(event, event, wait_for_event, "event finished while a task waits")
GONE_CASE(semaphore, semaphore, wait_for_semaphore, "semaphore finished while a task waits")
GONE_CASE(condition, condition, wait_for_condition, "condition finished while a task waits")
GONE_CASE(barrier, barrier, wait_at_barrier, "barrier finished while a task waits")
GONE_CASE(limiter, limiter, wait_for_limiter, "limiter finished while a task waits")
GONE_CASE(rate, rate, wait_for_rate, "rate limiter finished while a task waits")
GONE_CASE(mutex, owned, wait_for_event, "mutex finished while a task has it")

/* ---- woken from another thread */

static void *wake_on_thread(void *arg)
{
	if (arg == &gone.event)
		aion_event_set(&gone.event);
	else
		aion_condition_notify(&gone.condition, 1);
	return NULL;
}

static void wake_elsewhere(aion_fn *wait_fn, void *lock)
{
	struct aion_group group;

	let_wait(&group, wait_fn);
	test_on_thread(wake_on_thread, lock);
}

static int64_t set_elsewhere(void *unused)
{
	wake_elsewhere(wait_for_event, &gone.event);
	return 0;
}

static int64_t notify_elsewhere(void *unused)
{
	wake_elsewhere(wait_for_condition, &gone.condition);
	return 0;
}

Test(sync_refused, to_be_used_on_another_thread)
{
	test_task_aborts(set_elsewhere, "woken on another thread than its loop's");
	test_task_aborts(notify_elsewhere, "notified on another thread than its loop's");
}
