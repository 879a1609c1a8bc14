/* SPDX-License-Identifier: MIT */
/* Waiting allocates nothing: records stand on the stacks of those who wait. (A rate limiter's timer may need a place.)
 */
#include "test_task.h"

#define TASK_NR 5

struct ring_of_locks {
	struct aion_mutex mutex;
	struct aion_semaphore semaphore;
	struct aion_limiter limiter;
	struct aion_event event;
	struct aion_barrier barrier;
	struct aion_condition condition;
	unsigned round_nr;
	unsigned arrived_nr;
	unsigned wait_nr; /* locks that were found taken */
};

static void go_round(struct ring_of_locks *locks)
{
	locks->wait_nr += aion_mutex_is_locked(&locks->mutex);
	cr_assert_eq(aion_mutex_lock(&locks->mutex), 0);
	aion_yield();
	cr_assert_eq(aion_mutex_unlock(&locks->mutex), 0);
	locks->wait_nr += aion_semaphore_value(&locks->semaphore) == 0;
	cr_assert_eq(aion_semaphore_acquire_nr(&locks->semaphore, 2), 0);
	aion_yield();
	cr_assert_eq(aion_semaphore_release_nr(&locks->semaphore, 2), 0);
	cr_assert_eq(aion_limiter_acquire(&locks->limiter), 0);
	aion_yield();
	cr_assert_eq(aion_limiter_release(&locks->limiter), 0);
	if (aion_barrier_wait(&locks->barrier) == TASK_NR - 1) {
		aion_yield(); /* until the others wait for it */
		aion_event_set(&locks->event);
		aion_event_clear(&locks->event);
	} else {
		cr_assert_eq(aion_event_wait(&locks->event), 0);
	}
	/* The last of the round notifies the others. */
	cr_assert_eq(aion_mutex_lock(&locks->mutex), 0);
	if (++locks->arrived_nr % TASK_NR == 0)
		cr_assert_eq(aion_condition_notify_all(&locks->condition), TASK_NR - 1);
	else
		cr_assert_eq(aion_condition_wait(&locks->condition, &locks->mutex), 0);
	cr_assert_eq(aion_mutex_unlock(&locks->mutex), 0);
}

static int64_t go_rounds(void *arg)
{
	struct ring_of_locks *locks = arg;

	for (unsigned i = 0; i < locks->round_nr; i++)
		go_round(locks);
	return 0;
}

static void run_rounds(struct ring_of_locks *locks, unsigned round_nr)
{
	struct aion_group group;

	locks->round_nr = round_nr;
	aion_group_enter(&group);
	for (unsigned i = 0; i < TASK_NR; i++)
		aion_spawn(&group, go_rounds, locks);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
}

static int64_t compare_rounds(void *unused)
{
	struct ring_of_locks locks = {.wait_nr = 0};
	size_t before_nr;

	aion_semaphore_init(&locks.semaphore, 2);
	aion_limiter_init(&locks.limiter, 1);
	cr_assert_eq(aion_barrier_init(&locks.barrier, TASK_NR), 0);
	run_rounds(&locks, 5); /* tasks, stacks, the limiter's table */
	before_nr = test_allocator_total_nr();
	run_rounds(&locks, 50);
	cr_assert_eq(test_allocator_total_nr(), before_nr);
	cr_assert_gt(locks.wait_nr, 100, "else nobody had to wait");
	aion_limiter_fini(&locks.limiter);
	return 0;
}

Test(sync_memory, waiting_allocates_nothing)
{
	test_allocator_count();
	cr_assert_eq(aion_run(compare_rounds, NULL, NULL), 0);
}
