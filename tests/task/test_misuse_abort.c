/* SPDX-License-Identifier: MIT */
/* Misuse that endangers memory ends the process, in every build, with a line that says what. */
#include <poll.h>
#include <unistd.h>

#include <aion/file.h>
#include <aion/poll.h>

#include "test_task.h"

static int64_t complete_twice(void *unused)
{
	struct aion_future future;

	aion_future_init(&future);
	aion_future_complete(&future, 1);
	aion_future_complete(&future, 2);
	return 0;
}

Test(misuse_abort, a_future_completed_twice)
{
	test_task_aborts(complete_twice, "future completed twice");
}

static void complete_without_loop(void)
{
	struct aion_future future = {0};

	aion_future_complete(&future, 1);
}

static void *complete_on_thread(void *future)
{
	aion_future_complete(future, 1);
	return NULL;
}

static int64_t complete_elsewhere(void *unused)
{
	struct aion_future future;

	aion_future_init(&future);
	test_on_thread(complete_on_thread, &future);
	return 0;
}

static int64_t complete_a_loop_s(void *future)
{
	aion_future_complete(future, 1);
	return 0;
}

static void *complete_on_other_loop(void *future)
{
	aion_run(complete_a_loop_s, future, NULL);
	return NULL;
}

static int64_t complete_on_another_loop(void *unused)
{
	struct aion_future future;

	aion_future_init(&future);
	test_on_thread(complete_on_other_loop, &future);
	return 0;
}

Test(misuse_abort, a_future_completed_on_another_thread)
{
	test_aborts(complete_without_loop, "future completed on another thread");
	test_task_aborts(complete_elsewhere, "future completed on another thread");
	test_task_aborts(complete_on_another_loop, "future completed on another thread");
}

static int64_t complete_a_timer(void *unused)
{
	struct aion_timer timer;

	aion_timer_init(&timer);
	aion_future_complete(&timer.future, 1);
	return 0;
}

static int64_t complete_a_promise(void *unused)
{
	struct aion_promise *promise;

	cr_assert_eq(aion_promise_create(&promise), 0);
	aion_future_complete(aion_promise_future(promise), 1);
	return 0;
}

static int64_t complete_a_buffer(void *unused)
{
	struct aion_buffer *buffer;

	cr_assert_eq(aion_buffer_pread(STDIN_FILENO, 10, 0, &buffer), 0);
	aion_future_complete(&buffer->future, 1);
	return 0;
}

Test(misuse_abort, a_future_that_is_the_library_s_to_complete)
{
	test_task_aborts(complete_a_timer, "only the library completes");
	test_task_aborts(complete_a_promise, "only the library completes");
	test_task_aborts(complete_a_buffer, "only the library completes");
}

static int64_t await_it(void *future)
{
	return aion_await(future);
}

static int64_t fini_while_waited_for(void *unused)
{
	struct aion_future future;
	struct aion_group group;

	aion_future_init(&future);
	aion_group_enter(&group);
	aion_spawn(&group, await_it, &future);
	aion_yield();
	aion_future_fini(&future);
	return aion_group_leave(&group, 0);
}

Test(misuse_abort, a_future_finished_while_a_task_waits)
{
	test_task_aborts(fini_while_waited_for, "while a task waits for it");
}

static void *await_on_other_loop(void *future)
{
	aion_run(await_it, future, NULL);
	return NULL;
}

static int64_t await_elsewhere(void *unused)
{
	struct aion_future future;

	aion_future_init(&future);
	test_on_thread(await_on_other_loop, &future);
	return 0;
}

Test(misuse_abort, a_future_awaited_on_another_thread)
{
	test_task_aborts(await_elsewhere, "future awaited on another thread");
}

static int64_t open_scope_and_end(void *scope)
{
	aion_scope_enter(scope, AION_NEVER);
	return 0;
}

static int64_t ends_inside_a_scope(void *unused)
{
	struct aion_spawn_options options = {.name = "careless"};
	struct aion_scope scope;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn_with(&group, &options, open_scope_and_end, &scope);
	return aion_group_leave(&group, 0);
}

static int64_t ends_inside_a_group(void *group)
{
	static struct aion_group left_open;

	aion_group_enter(&left_open);
	return 0;
}

Test(misuse_abort, a_task_that_ends_inside_a_scope_or_group)
{
	test_task_aborts(ends_inside_a_scope, "task \"careless\" ends inside an open scope or group");
	test_task_aborts(ends_inside_a_group, "task \"main\" ends inside an open scope or group");
}

static int64_t leave_outer_scope_first(void *unused)
{
	struct aion_scope outer;
	struct aion_scope inner;

	aion_scope_enter(&outer, AION_NEVER);
	aion_scope_enter(&inner, AION_NEVER);
	return aion_scope_leave(&outer);
}

static int64_t leave_scope_around_group(void *unused)
{
	struct aion_scope scope;
	struct aion_group group;

	aion_scope_enter(&scope, AION_NEVER);
	aion_group_enter(&group);
	return aion_scope_leave(&scope);
}

static int64_t leave_group_around_scope(void *unused)
{
	struct aion_scope scope;
	struct aion_group group;

	aion_group_enter(&group);
	aion_scope_enter(&scope, AION_NEVER);
	return aion_group_leave(&group, 0);
}

static int64_t leave_scope_twice(void *unused)
{
	struct aion_scope scope;

	aion_scope_enter(&scope, AION_NEVER);
	aion_scope_leave(&scope);
	return aion_scope_leave(&scope);
}

static int64_t leave_group_as_scope(void *unused)
{
	struct aion_group group;

	aion_group_enter(&group);
	return aion_scope_leave(&group.scope);
}

static int64_t leave_it(void *scope)
{
	return aion_scope_leave(scope);
}

static int64_t another_task_leaves(void *unused)
{
	struct aion_scope scope;
	struct aion_group group;

	aion_group_enter(&group);
	aion_scope_enter(&scope, AION_NEVER);
	aion_spawn(&group, leave_it, &scope);
	return aion_yield();
}

/* Case 20. */
Test(misuse_abort, misnested_scopes_and_groups)
{
	test_task_aborts(leave_outer_scope_first, "not the innermost of task \"main\"");
	test_task_aborts(leave_scope_around_group, "not the innermost of task \"main\"");
	test_task_aborts(leave_group_around_scope, "not the innermost scope of task \"main\"");
	test_task_aborts(leave_scope_twice, "not the innermost of task \"main\"");
	test_task_aborts(leave_group_as_scope, "use aion_group_leave()");
	test_task_aborts(another_task_leaves, "not the innermost");
}

static void scope_outside(void)
{
	struct aion_scope scope;

	aion_scope_enter(&scope, AION_NEVER);
}

static void shield_outside(void)
{
	struct aion_scope scope;

	aion_scope_enter_shield(&scope, AION_NEVER);
}

static void leave_outside(void)
{
	struct aion_scope scope = {0};

	aion_scope_leave(&scope);
}

static void group_outside(void)
{
	struct aion_group group;

	aion_group_enter(&group);
}

Test(misuse_abort, scopes_and_groups_outside_of_tasks)
{
	test_aborts(scope_outside, "scope entered outside of a task");
	test_aborts(shield_outside, "scope entered outside of a task");
	test_aborts(group_outside, "group entered outside of a task");
	test_aborts(leave_outside, "not the innermost of task \"(none)\"");
}

static int64_t deadline_of_a_closed_scope(void *unused)
{
	struct aion_scope scope;

	aion_scope_enter(&scope, AION_NEVER);
	aion_scope_leave(&scope);
	return aion_scope_set_deadline(&scope, 5);
}

Test(misuse_abort, a_deadline_for_a_scope_that_is_not_open)
{
	test_task_aborts(deadline_of_a_closed_scope, "scope that is not open");
}

static struct aion_op static_op;

static int64_t end_with_op(void *fd)
{
	aion_op_poll(&static_op, (int)(intptr_t)fd, POLLIN);
	return 0;
}

static int64_t ends_with_an_operation(void *unused)
{
	struct aion_spawn_options options = {.name = "leaker"};
	struct aion_group group;
	int pipe_fds[2];

	if (pipe(pipe_fds) < 0)
		return -errno;
	aion_group_enter(&group);
	aion_spawn_with(&group, &options, end_with_op, test_number(pipe_fds[0]));
	return aion_group_leave(&group, 0);
}

static int64_t ends_with_a_nop(void *unused)
{
	aion_op_nop(&static_op);
	return 0;
}

Test(misuse_abort, a_task_that_ends_with_an_operation_in_flight)
{
	test_task_aborts(ends_with_an_operation,
			 "task \"leaker\" ends with an operation in flight: opcode 6 on descriptor");
	test_task_aborts(ends_with_a_nop, "task \"main\" ends with 1 operations in flight");
}

static int64_t start_twice(void *unused)
{
	struct aion_op op = {0};

	aion_op_nop(&op);
	aion_op_nop(&op);
	return 0;
}

static int64_t start_other_while_in_flight(void *unused)
{
	struct aion_op op = {0};
	int pipe_fds[2];
	char byte;

	if (pipe(pipe_fds) < 0)
		return -errno;
	aion_op_read(&op, pipe_fds[0], &byte, 1);
	aion_op_close(&op, pipe_fds[0]);
	return 0;
}

Test(misuse_abort, an_operation_started_while_in_flight)
{
	test_task_aborts(start_twice, "operation started while in flight");
	test_task_aborts(start_other_while_in_flight, "operation started while in flight");
}

static int64_t await_idle(void *unused)
{
	struct aion_op op = {0};

	aion_op_nop(&op);
	aion_await(&op.future);
	aion_op_init(&op);
	return aion_await(&op.future);
}

static int64_t await_never_started(void *unused)
{
	struct aion_op op;

	aion_op_init(&op);
	return aion_await(&op.future);
}

static int64_t wait_for_zero(void *unused)
{
	struct aion_op op = {0};

	return aion_op_wait(&op);
}

static int64_t wait_for_idle_one_of(enum aion_wait_mode mode)
{
	struct aion_op ops[2];
	struct aion_future *const futures[] = {&ops[0].future, &ops[1].future};

	aion_op_init(&ops[0]);
	aion_op_init(&ops[1]);
	aion_op_nop(&ops[0]);
	return aion_wait(futures, 2, mode);
}

static int64_t wait_for_all(void *unused)
{
	return wait_for_idle_one_of(AION_WAIT_ALL);
}

static int64_t wait_for_first(void *unused)
{
	return wait_for_idle_one_of(AION_WAIT_FIRST_COMPLETED);
}

static int64_t wait_for_with_deadline(void *unused)
{
	struct aion_op op;

	aion_op_init(&op);
	return aion_wait_for(&op.future, aion_after(AION_SECOND));
}

static int64_t gather_idle(void *unused)
{
	struct aion_op op;
	struct aion_future *const future = &op.future;

	aion_op_init(&op);
	return aion_gather(&future, 1, NULL);
}

Test(misuse_abort, an_idle_operation_awaited)
{
	test_task_aborts(await_idle, "idle operation awaited");
	test_task_aborts(await_never_started, "idle operation awaited");
	test_task_aborts(wait_for_zero, "idle operation awaited");
	test_task_aborts(wait_for_all, "idle operation awaited");
	test_task_aborts(wait_for_first, "idle operation awaited");
	test_task_aborts(wait_for_with_deadline, "idle operation awaited");
	test_task_aborts(gather_idle, "idle operation awaited");
}

static int64_t promise_twice(void *unused)
{
	struct aion_promise *promise;

	aion_promise_create(&promise);
	aion_promise_complete(promise, 1);
	aion_promise_complete(promise, 1);
	return 0;
}

static int64_t await_promise(void *promise)
{
	return aion_await(aion_promise_future(promise));
}

static int64_t release_while_waited_for(void *unused)
{
	struct aion_promise *promise;
	struct aion_group group;

	aion_promise_create(&promise);
	aion_group_enter(&group);
	aion_spawn(&group, await_promise, promise);
	aion_yield();
	aion_promise_release(promise);
	return aion_group_leave(&group, 0);
}

Test(misuse_abort, a_promise_completed_twice_or_released_while_waited_for)
{
	test_task_aborts(promise_twice, "promise completed twice");
	test_task_aborts(release_while_waited_for, "promise released while a task waits for it");
}

static int64_t destroy_inside(void *unused)
{
	aion_loop_destroy(aion_loop_current());
	return 0;
}

static void destroy_in_post(void *loop)
{
	aion_loop_destroy(loop);
}

static int64_t post_destroy(void *unused)
{
	aion_loop_post(aion_loop_current(), destroy_in_post, aion_loop_current());
	return aion_sleep(AION_SECOND);
}

static void *destroy_on_thread(void *loop)
{
	aion_loop_destroy(loop);
	return NULL;
}

static void destroy_elsewhere(void)
{
	struct aion_loop *loop;

	aion_loop_create(NULL, &loop);
	aion_loop_run(loop, test_return, NULL);
	test_on_thread(destroy_on_thread, loop);
}

Test(misuse_abort, a_loop_destroyed_where_it_must_not)
{
	test_task_aborts(destroy_inside, "loop destroyed inside a task");
	test_task_aborts(post_destroy, "loop destroyed inside a task or post");
	test_aborts(destroy_elsewhere, "loop destroyed on another thread");
}
