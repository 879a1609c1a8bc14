/* SPDX-License-Identifier: MIT */
/* What belongs to a loop and is used on another thread ends the process, in every build, with a line that says what. */
#include <poll.h>
#include <unistd.h>

#include <aion/file.h>
#include <aion/poll.h>

#include "test_task.h"

static void *spawn_into_on_thread(void *group)
{
	struct aion_handle handle;

	aion_spawn_into(group, &handle, NULL, test_return, NULL);
	return NULL;
}

static void *spawn_now_on_thread(void *group)
{
	aion_spawn_now(group, test_return, NULL);
	return NULL;
}

static int64_t spawn_into_elsewhere(void *unused)
{
	struct aion_group group;

	aion_group_enter(&group);
	test_on_thread(spawn_into_on_thread, &group);
	return aion_group_leave(&group, 0);
}

static int64_t spawn_now_elsewhere(void *unused)
{
	struct aion_group group;

	aion_group_enter(&group);
	test_on_thread(spawn_now_on_thread, &group);
	return aion_group_leave(&group, 0);
}

Test(misuse_thread, spawns_that_cannot_come_from_another_thread)
{
	test_task_aborts(spawn_into_elsewhere, "aion_spawn_into() on another thread");
	test_task_aborts(spawn_now_elsewhere, "aion_spawn_now() outside of the tasks");
}

static void arm_outside(void)
{
	struct aion_timer timer;

	aion_timer_init(&timer);
	aion_timer_arm(&timer, 5);
}

static void *arm_on_thread(void *timer)
{
	aion_timer_arm(timer, 5);
	return NULL;
}

static int64_t arm_elsewhere(void *unused)
{
	struct aion_timer timer;

	aion_timer_init(&timer);
	test_on_thread(arm_on_thread, &timer);
	return 0;
}

static void *cancel_on_thread(void *timer)
{
	aion_timer_cancel(timer);
	return NULL;
}

static int64_t cancel_elsewhere(void *unused)
{
	struct aion_timer timer;

	aion_timer_init(&timer);
	aion_timer_arm(&timer, aion_after(AION_SECOND));
	test_on_thread(cancel_on_thread, &timer);
	return 0;
}

Test(misuse_thread, a_timer_on_another_thread)
{
	test_aborts(arm_outside, "timer armed on another thread");
	test_task_aborts(arm_elsewhere, "timer armed on another thread");
	test_task_aborts(cancel_elsewhere, "timer cancelled on another thread");
}

static void *cancel_op_on_thread(void *op)
{
	aion_op_cancel(op);
	return NULL;
}

static int64_t cancel_op_elsewhere(void *unused)
{
	struct aion_op op = {0};

	aion_op_nop(&op);
	test_on_thread(cancel_op_on_thread, &op);
	return 0;
}

static void *reap_on_thread(void *op)
{
	aion_op_reap(op);
	return NULL;
}

static int64_t reap_elsewhere(void *unused)
{
	struct aion_op op = {0};

	aion_op_nop(&op);
	test_on_thread(reap_on_thread, &op);
	return 0;
}

Test(misuse_thread, an_operation_cancelled_or_reaped_on_another_thread)
{
	test_task_aborts(cancel_op_elsewhere, "operation cancelled on another thread");
	test_task_aborts(reap_elsewhere, "operation in flight reaped outside of a task");
}

/* Another thread that takes a loop's scopes, groups and tasks for its own. */
struct foreign {
	struct aion_scope *scope;
	struct aion_group *group;
	struct aion_handle *handle;
	struct aion_future *future;
};

static void *cancel_scope_on_thread(void *arg)
{
	aion_scope_cancel(((struct foreign *)arg)->scope);
	return NULL;
}

static void *set_deadline_on_thread(void *arg)
{
	aion_scope_set_deadline(((struct foreign *)arg)->scope, 1);
	return NULL;
}

static void *cancel_group_on_thread(void *arg)
{
	aion_group_cancel(((struct foreign *)arg)->group);
	return NULL;
}

static void *cancel_task_on_thread(void *arg)
{
	aion_handle_cancel(((struct foreign *)arg)->handle);
	return NULL;
}

static int64_t wait_for_foreign(void *arg)
{
	return aion_wait(&((struct foreign *)arg)->future, 1, AION_WAIT_ALL);
}

static void *wait_on_thread(void *arg)
{
	aion_run(wait_for_foreign, arg, NULL);
	return NULL;
}

static void run_on_thread(void *(*fn)(void *arg))
{
	struct aion_handle handle;
	struct aion_scope scope;
	struct aion_group group;
	struct aion_future future;
	struct foreign foreign = {&scope, &group, &handle, &future};

	aion_future_init(&future);
	aion_scope_enter(&scope, AION_NEVER);
	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, test_sleep_for_ever, NULL);
	test_on_thread(fn, &foreign);
	aion_group_cancel(&group);
	aion_group_leave(&group, 0);
	aion_scope_leave(&scope);
}

static int64_t cancel_scope_elsewhere(void *unused)
{
	run_on_thread(cancel_scope_on_thread);
	return 0;
}

static int64_t set_deadline_elsewhere(void *unused)
{
	run_on_thread(set_deadline_on_thread);
	return 0;
}

static int64_t cancel_group_elsewhere(void *unused)
{
	run_on_thread(cancel_group_on_thread);
	return 0;
}

static int64_t cancel_task_elsewhere(void *unused)
{
	run_on_thread(cancel_task_on_thread);
	return 0;
}

static int64_t wait_elsewhere(void *unused)
{
	run_on_thread(wait_on_thread);
	return 0;
}

Test(misuse_thread, scopes_groups_and_tasks_cancelled_on_another_thread)
{
	test_task_aborts(cancel_scope_elsewhere, "scope cancelled on another thread");
	test_task_aborts(set_deadline_elsewhere, "on another thread than its loop's");
	test_task_aborts(cancel_group_elsewhere, "group cancelled on another thread");
	test_task_aborts(cancel_task_elsewhere, "task cancelled on another thread");
}

Test(misuse_thread, several_futures_awaited_on_another_thread)
{
	test_task_aborts(wait_elsewhere, "future awaited on another thread");
}
