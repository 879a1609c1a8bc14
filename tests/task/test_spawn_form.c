/* SPDX-License-Identifier: MIT */
/* The five forms of spawn: order, arguments, names, stack sizes, other threads. */
#include <pthread.h>
#include <string.h>

#include "test_task.h"

struct order {
	int next;
	int places[8];
};

struct member {
	struct order *order;
	int who;
};

static int64_t take_place(void *arg)
{
	struct member *member = arg;

	member->order->places[member->order->next++] = member->who;
	aion_yield();
	return 0;
}

TEST_IN_TASK(spawn_form, spawned_tasks_run_first_in_first_out)
{
	struct order order = {0};
	struct member members[8];
	struct aion_group group;

	aion_group_enter(&group);
	for (int i = 0; i < 8; i++) {
		members[i] = (struct member){&order, i};
		aion_spawn(&group, take_place, &members[i]);
	}
	cr_assert_eq(order.next, 0, "nobody runs before the caller suspends");
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	for (int i = 0; i < 8; i++)
		cr_assert_eq(order.places[i], i);
	return 0;
}

TEST_IN_TASK(spawn_form, now_runs_to_the_first_suspension_and_the_caller_goes_on_next)
{
	struct order order = {0};
	struct member queued = {&order, 1};
	struct member now = {&order, 2};
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, take_place, &queued);
	cr_assert_eq(aion_spawn_now(&group, take_place, &now), 0);
	cr_assert_eq(order.next, 1);
	cr_assert_eq(order.places[0], 2, "before the one that queued");
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(order.places[1], 1);
	return 0;
}

static int64_t now_now(void *arg)
{
	struct aion_group group;
	int *depth = arg;

	if (++*depth == 50)
		return 0;
	aion_group_enter(&group);
	cr_assert_eq(aion_spawn_now(&group, now_now, depth), 0);
	return aion_group_leave(&group, 0);
}

TEST_IN_TASK(spawn_form, now_inside_now_comes_back_in_order)
{
	int depth = 0;

	cr_assert_eq(now_now(&depth), 0);
	cr_assert_eq(depth, 50);
	return 0;
}

/* To run a child is no turn of the loop: the caller's budget lasts no longer for it. */
TEST_IN_TASK(spawn_form, now_in_a_loop_does_not_starve_the_rest)
{
	struct aion_group group;
	int other_nr = 0;
	int child_nr = 0;

	aion_group_enter(&group);
	aion_spawn(&group, test_count, &other_nr);
	while (!other_nr && child_nr < 100000) {
		aion_checkpoint();
		aion_spawn_now(&group, test_count, &child_nr);
	}
	cr_assert_eq(other_nr, 1);
	return aion_group_leave(&group, 0);
}

static int64_t end_at_once(void *result)
{
	return (intptr_t)result;
}

TEST_IN_TASK(spawn_form, now_ends_at_once_and_its_error_is_the_group_s)
{
	struct aion_group group;

	aion_group_enter(&group);
	cr_assert_eq(aion_spawn_now(&group, end_at_once, test_number(-EIO)), 0);
	cr_assert(aion_cancelled());
	cr_assert_eq(aion_group_leave(&group, 0), -EIO);
	return 0;
}

struct args {
	char text[AION_SPAWN_COPY_MAX];
};

static int64_t check_args(void *arg)
{
	struct args *args = arg;

	aion_yield();
	cr_assert_eq((uintptr_t)args % 16, 0, "fit for any type");
	args->text[1]++;
	return strcmp(args->text, "boo") ? -EINVAL : 0;
}

TEST_IN_TASK(spawn_form, copy_outlives_the_caller_s_arguments)
{
	struct args args = {"bno"};
	struct aion_group group;

	aion_group_enter(&group);
	cr_assert_eq(aion_spawn_copy(&group, check_args, &args, sizeof(args)), 0);
	cr_assert_eq(aion_spawn_copy(&group, check_args, &args, sizeof(args)), 0);
	memset(&args, 'x', sizeof(args));
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	return 0;
}

TEST_IN_TASK(spawn_form, copy_of_nothing_is_allowed)
{
	struct aion_group group;

	aion_group_enter(&group);
	cr_assert_eq(aion_spawn_copy(&group, test_sleep_1ms, NULL, 0), 0);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	return 0;
}

static int64_t name_is_kept(void *name)
{
	cr_assert_str_eq(aion_task_name(NULL), name);
	cr_assert_str_eq(aion_task_name(aion_task_current()), name);
	return 0;
}

TEST_IN_TASK(spawn_form, names_are_copied)
{
	char name[] = "worker";
	struct aion_spawn_options options = {.name = name};
	struct aion_group group;
	struct aion_handle handle;

	cr_assert_str_eq(aion_task_name(NULL), "main");
	aion_group_enter(&group);
	aion_spawn_with(&group, &options, name_is_kept, (void *)(uintptr_t) "worker");
	aion_spawn_into(&group, &handle, &options, name_is_kept, (void *)(uintptr_t) "worker");
	aion_spawn(&group, name_is_kept, (void *)(uintptr_t) "");
	strcpy(name, "gone");
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	return 0;
}

static int64_t use_stack(void *size)
{
	size_t nr = (size_t)(uintptr_t)size;
	volatile char space[nr];

	for (size_t i = 0; i < nr; i += 1000)
		space[i] = 1;
	aion_yield();
	return space[0] - 1;
}

/* Sizes follow each other on the same loop, so that a task that ends is followed by one that needs another stack. */
TEST_IN_TASK(spawn_form, stack_sizes_mix)
{
	static const size_t sizes[] = {64 << 10, 1 << 20, 0, 100000, 8 << 20, 64 << 10};
	struct aion_group group;

	aion_group_enter(&group);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct aion_spawn_options options = {.stack_size = sizes[i]};
			size_t use = (sizes[i] ? sizes[i] : 256 << 10) / 2;

			aion_spawn_with(&group, &options, use_stack, test_number((int64_t)use));
			aion_spawn_with(&group, &options, test_return, NULL);
		}
		aion_yield();
	}
	return aion_group_leave(&group, 0);
}

TEST_IN_TASK(spawn_form, too_large_a_stack_is_refused)
{
	struct aion_spawn_options options = {.name = "giant", .stack_size = SIZE_MAX / 2};
	const struct aion_group_error *errors;
	struct aion_handle handle;
	struct aion_group group;

	aion_group_enter(&group);
	cr_assert_eq(aion_spawn_into(&group, &handle, &options, test_return, NULL), -EINVAL);
	cr_assert_eq(aion_await(&handle.future), -EINVAL);
	cr_assert_eq(aion_group_leave(&group, 0), -EINVAL);
	cr_assert_eq(aion_group_errors(&group, &errors), 1);
	cr_assert_str_eq(errors[0].name, "giant");
	return 0;
}

TEST_IN_TASK(spawn_form, too_many_bytes_to_copy_are_refused)
{
	char args[AION_SPAWN_COPY_MAX + 1] = "";
	struct aion_group group;

	aion_group_enter(&group);
	cr_assert_eq(aion_spawn_copy(&group, test_return, args, sizeof(args)), -E2BIG);
	cr_assert_eq(aion_group_leave(&group, 0), -E2BIG);
	return 0;
}

struct remote {
	struct aion_group *group;
	pthread_t loop_thread;
	int ran_nr;
	struct aion_future *ran_all;
};

static int64_t remote_child(void *arg)
{
	struct remote *remote = arg;

	cr_assert(pthread_equal(pthread_self(), remote->loop_thread));
	if (++remote->ran_nr == 3)
		aion_future_complete(remote->ran_all, 0);
	return 0;
}

static int64_t remote_child_of_copy(void *arg)
{
	return remote_child(*(struct remote **)arg);
}

static void *spawn_from_thread(void *arg)
{
	struct remote *remote = arg;
	char name[] = "named";
	char too_long[AION_SPAWN_COPY_MAX + 1] = "";
	int result = aion_spawn(remote->group, remote_child, remote);

	result |= aion_spawn_with(remote->group, &(struct aion_spawn_options){.name = name}, remote_child, remote);
	memset(name, 'x', sizeof(name) - 1);
	result |= aion_spawn_copy(remote->group, remote_child_of_copy, &remote, sizeof(remote));
	if (aion_spawn_copy(remote->group, test_return, too_long, sizeof(too_long)) != -E2BIG)
		result = -1;
	return test_number(result);
}

TEST_IN_TASK(spawn_form, another_thread_s_spawn_is_posted)
{
	struct aion_future ran_all;
	struct aion_group group;
	struct remote remote = {.group = &group, .loop_thread = pthread_self(), .ran_all = &ran_all};
	pthread_t thread;
	void *result;

	aion_future_init(&ran_all);
	aion_group_enter(&group);
	cr_assert_eq(pthread_create(&thread, NULL, spawn_from_thread, &remote), 0);
	cr_assert_eq(aion_await(&ran_all), 0);
	pthread_join(thread, &result);
	cr_assert_null(result);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(remote.ran_nr, 3);
	return 0;
}
