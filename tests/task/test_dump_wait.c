/* SPDX-License-Identifier: MIT */
/* What a task is seen to wait for. */
#include <poll.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include "test_task.h"

#include "waits_int.h"

static int find_waiting(const struct aion_task_info *info, void *arg)
{
	if (info->depth == 1)
		*(struct aion_task_wait *)arg = info->wait;
	return 0;
}

/* The wait of the only task of a group, which runs fn until it waits. */
static struct aion_task_wait wait_of(struct aion_group *group, aion_fn *fn, void *arg)
{
	struct aion_task_wait wait = {.kind = AION_WAITS_NOT};

	aion_group_enter(group);
	aion_spawn_now(group, fn, arg);
	cr_assert_eq(aion_loop_tasks(aion_loop_current(), find_waiting, &wait), 0);
	return wait;
}

static void end(struct aion_group *group)
{
	aion_group_cancel(group);
	aion_group_leave(group, 0);
}

static int64_t await(void *future)
{
	return aion_await(future);
}

static int64_t nop(void *unused)
{
	return aion_nop();
}

static int64_t start_nop_and_wait(void *unused)
{
	AION_CLEANUP(aion_op_reap) struct aion_op op = {0};

	aion_op_nop(&op);
	return aion_await(&op.future);
}

TEST_IN_TASK(dump_wait, operation_without_descriptor)
{
	struct aion_group group;
	struct aion_task_wait wait = wait_of(&group, nop, NULL);

	cr_assert_eq(wait.kind, AION_WAITS_OPERATION);
	cr_assert_str_eq(wait.noun, "operation");
	cr_assert_str_eq(wait.opcode, "NOP");
	cr_assert_eq(wait.fd, -1);
	end(&group);
	wait = wait_of(&group, start_nop_and_wait, NULL);
	cr_assert_eq(wait.kind, AION_WAITS_OPERATION);
	cr_assert_str_eq(wait.opcode, "NOP");
	end(&group);
	return 0;
}

static int64_t poll_in(void *fd)
{
	return aion_poll((int)(intptr_t)fd, POLLIN);
}

static int64_t poll_reaped(void *fd)
{
	struct aion_op op = {0};

	aion_op_poll(&op, (int)(intptr_t)fd, POLLIN);
	aion_op_reap(&op);
	return 0;
}

TEST_IN_TASK(dump_wait, operation_on_a_descriptor)
{
	struct aion_group group;
	struct aion_task_wait wait;
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	wait = wait_of(&group, poll_in, test_number(fds[0]));
	cr_assert_eq(wait.kind, AION_WAITS_OPERATION);
	cr_assert_str_eq(wait.opcode, "POLL_ADD");
	cr_assert_eq(wait.fd, fds[0]);
	end(&group);
	wait = wait_of(&group, poll_reaped, test_number(fds[0]));
	cr_assert_eq(wait.kind, AION_WAITS_OPERATION, "one that is reaped");
	cr_assert_eq(wait.fd, fds[0]);
	end(&group);
	close(fds[0]);
	close(fds[1]);
	return 0;
}

static int64_t sleep_until(void *deadline_ns)
{
	return aion_sleep_until(*(int64_t *)deadline_ns);
}

TEST_IN_TASK(dump_wait, timer)
{
	int64_t deadline_ns = aion_after(1000 * AION_SECOND);
	struct aion_group group;
	struct aion_task_wait wait = wait_of(&group, sleep_until, &deadline_ns);

	cr_assert_eq(wait.kind, AION_WAITS_TIMER);
	cr_assert_str_eq(wait.noun, "timer");
	cr_assert_eq(wait.deadline_ns, deadline_ns);
	end(&group);
	wait = wait_of(&group, test_sleep_for_ever, NULL);
	cr_assert_eq(wait.kind, AION_WAITS_TIMER);
	cr_assert_eq(wait.deadline_ns, AION_NEVER);
	end(&group);
	return 0;
}

TEST_IN_TASK(dump_wait, future_and_promise)
{
	struct aion_promise *promise;
	struct aion_future future;
	struct aion_group group;
	struct aion_task_wait wait;

	aion_future_init(&future);
	wait = wait_of(&group, await, &future);
	cr_assert_eq(wait.kind, AION_WAITS_FUTURE);
	cr_assert_eq(wait.object, &future);
	cr_assert_str_eq(wait.noun, "future");
	cr_assert_eq(wait.fd, -1);
	end(&group);
	aion_promise_create(&promise);
	wait = wait_of(&group, await, aion_promise_future(promise));
	cr_assert_eq(wait.kind, AION_WAITS_PROMISE);
	cr_assert_eq(wait.object, aion_promise_future(promise));
	end(&group);
	aion_promise_complete(promise, 0);
	aion_promise_release(promise);
	return 0;
}

TEST_IN_TASK(dump_wait, another_task_s_end)
{
	struct aion_handle handle;
	struct aion_group group, sleepers;
	struct aion_task_wait wait = {0};

	aion_group_enter(&sleepers);
	aion_spawn_into(&sleepers, &handle, NULL, test_sleep_for_ever, NULL);
	wait = wait_of(&group, await, &handle.future);
	cr_assert_eq(wait.kind, AION_WAITS_HANDLE);
	cr_assert_eq(wait.object, handle.task);
	end(&group);
	end(&sleepers);
	return 0;
}

static int64_t parent_of_three(void *unused)
{
	struct aion_group group;

	aion_group_enter(&group);
	for (int i = 0; i < 3; i++)
		aion_spawn(&group, test_sleep_for_ever, NULL);
	return aion_group_leave(&group, 0);
}

TEST_IN_TASK(dump_wait, group)
{
	struct aion_group group;
	struct aion_task_wait wait = wait_of(&group, parent_of_three, NULL);

	cr_assert_eq(wait.kind, AION_WAITS_GROUP);
	cr_assert_eq(wait.nr, 3);
	cr_assert_not_null(wait.object);
	end(&group);
	return 0;
}

static int64_t wait_for_several(void *arg)
{
	struct aion_future *const *futures = arg;

	return aion_wait(futures, 3, AION_WAIT_ALL);
}

TEST_IN_TASK(dump_wait, several_futures)
{
	struct aion_future a, b, c;
	struct aion_future *const all[] = {&a, &b, &c};
	struct aion_group group;
	struct aion_task_wait wait;

	aion_future_init(&a);
	aion_future_init(&b);
	aion_future_init(&c);
	aion_future_complete(&b, 0);
	wait = wait_of(&group, wait_for_several, (void *)all);
	cr_assert_eq(wait.kind, AION_WAITS_SEVERAL);
	cr_assert_eq(wait.nr, 2, "one is done");
	cr_assert_null(wait.object);
	end(&group);
	return 0;
}

static int64_t wait_for_lock(void *waits)
{
	struct aion__wait wait = {.noun = "lock", .object = waits};

	return aion__waits_await(waits, &wait);
}

TEST_IN_TASK(dump_wait, object_of_a_layer_above)
{
	struct aion__waits waits = {0};
	struct aion_group group;
	struct aion_task_wait wait = wait_of(&group, wait_for_lock, &waits);

	cr_assert_eq(wait.kind, AION_WAITS_OBJECT);
	cr_assert_str_eq(wait.noun, "lock");
	cr_assert_eq(wait.object, &waits);
	end(&group);
	return 0;
}

static int64_t wait_on_thread(void *semaphore)
{
	return sem_wait(*(sem_t **)semaphore);
}

static int64_t offload_attached(void *semaphore)
{
	return aion_offload(AION_OFFLOAD_SLOW, wait_on_thread, semaphore);
}

static int64_t offload_detached(void *semaphore)
{
	return aion_offload_detached(AION_OFFLOAD_SLOW, wait_on_thread, semaphore, sizeof(sem_t *), NULL);
}

TEST_IN_TASK(dump_wait, offloaded_call)
{
	sem_t semaphore;
	sem_t *address = &semaphore;
	struct aion_group group;
	struct aion_task_wait wait;

	TEST_NEEDS_KERNEL("the call blocks");
	sem_init(&semaphore, 0, 0);
	wait = wait_of(&group, offload_attached, &address);
	sem_post(&semaphore);
	cr_assert_eq(wait.kind, AION_WAITS_CALL);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	wait = wait_of(&group, offload_detached, &address);
	sem_post(&semaphore);
	cr_assert_eq(wait.kind, AION_WAITS_CALL);
	cr_assert_str_eq(wait.noun, "offloaded call");
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	return 0;
}
