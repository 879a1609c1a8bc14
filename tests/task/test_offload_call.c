/* SPDX-License-Identifier: MIT */
/* Blocking calls on worker threads. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test_task.h"

#include "fault_int.h"

#define MS AION_MILLISECOND

struct call {
	pthread_t thread;
	atomic_bool may_end;
	atomic_bool has_begun;
	atomic_int *running_nr;
	atomic_int *most_nr;
	int64_t result;
};

static int64_t tell_thread(void *arg)
{
	struct call *call = arg;

	call->thread = pthread_self();
	return 31;
}

TEST_IN_TASK(offload_call, runs_on_another_thread_and_gives_its_result)
{
	struct aion_loop_stats stats;
	struct call call = {0};

	TEST_NEEDS_KERNEL("a simulated machine has no other thread");
	cr_assert_eq(aion_offload(AION_OFFLOAD_FAST, tell_thread, &call), 31);
	cr_assert_not(pthread_equal(call.thread, pthread_self()));
	cr_assert_eq(aion_offload(AION_OFFLOAD_SLOW, tell_thread, &call), 31);
	cr_assert_eq(aion_offload(AION_OFFLOAD_FAST, test_return, test_number(-EIO)), -EIO);
	cr_assert_eq(aion_offload((enum aion_offload_kind)2, tell_thread, &call), -EINVAL);
	aion_loop_stats(aion_loop_current(), &stats);
	cr_assert_eq(stats.worker_nr, 3);
	return 0;
}

static int64_t block_until_told(void *arg)
{
	struct call *call = arg;

	call->has_begun = true;
	while (!call->may_end)
		usleep(500);
	return 31;
}

/* The scope is cancelled when a worker has begun the call, and the call ends after that. */
struct cancelling {
	struct call call;
	struct aion_scope scope;
};

static void cancel_when_begun(struct cancelling *cancelling)
{
	while (!cancelling->call.has_begun)
		aion_sleep(MS / 10);
	aion_scope_cancel(&cancelling->scope);
}

static int64_t cancel_then_allow(void *arg)
{
	struct cancelling *cancelling = arg;

	cancel_when_begun(cancelling);
	aion_sleep(2 * MS);
	cancelling->call.may_end = true;
	return 0;
}

static int64_t only_cancel(void *arg)
{
	cancel_when_begun(arg);
	return 0;
}

TEST_IN_TASK(offload_call, one_that_runs_is_waited_for_and_its_result_kept)
{
	struct cancelling cancelling = {.call = {.result = 0}};
	struct aion_group group;

	TEST_NEEDS_KERNEL("the call blocks until a task lets it go");
	aion_group_enter(&group);
	aion_scope_enter(&cancelling.scope, AION_NEVER);
	aion_spawn(&group, cancel_then_allow, &cancelling);
	cr_assert_eq(aion_offload(AION_OFFLOAD_FAST, block_until_told, &cancelling.call), 31);
	cr_assert(aion_cancelled());
	cr_assert_eq(aion_scope_leave(&cancelling.scope), 0);
	return aion_group_leave(&group, 0);
}

static int64_t offload_and_tell(void *arg)
{
	struct call *call = arg;

	call->result = aion_offload(AION_OFFLOAD_FAST, block_until_told, call);
	return call->result < 0 ? call->result : 0;
}

static int64_t one_worker(void *unused)
{
	struct call first = {0};
	struct call second = {0};
	struct aion_handle handle;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, offload_and_tell, &first);
	aion_spawn_into(&group, &handle, NULL, offload_and_tell, &second);
	while (!first.has_begun)
		aion_sleep(MS);
	aion_handle_cancel(&handle);
	cr_assert_eq(aion_await(&handle.future), -ECANCELED);
	cr_assert_not(second.has_begun, "it queued behind the first, and has not run");
	first.may_end = true;
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(first.result, 31);
	return 0;
}

Test(offload_call, one_that_queues_is_withdrawn)
{
	struct aion_loop_options options = {.worker_max = 1};

	TEST_NEEDS_KERNEL("the call blocks until a task lets it go");
	cr_assert_eq(aion_run(one_worker, NULL, &options), 0);
}

static int64_t busy_for_2ms(void *arg)
{
	struct call *call = arg;
	int running = atomic_fetch_add(call->running_nr, 1) + 1;
	int most = atomic_load(call->most_nr);

	while (running > most && !atomic_compare_exchange_weak(call->most_nr, &most, running))
		;
	usleep(2000);
	atomic_fetch_sub(call->running_nr, 1);
	return 0;
}

static int64_t offload_slow(void *call)
{
	return aion_offload(AION_OFFLOAD_SLOW, busy_for_2ms, call);
}

static int64_t many_slow(void *unused)
{
	atomic_int running_nr = 0;
	atomic_int most_nr = 0;
	struct call call = {.running_nr = &running_nr, .most_nr = &most_nr};
	struct aion_group group;

	aion_group_enter(&group);
	for (int i = 0; i < 30; i++)
		aion_spawn(&group, offload_slow, &call);
	aion_yield();
	cr_assert_eq(aion_offload(AION_OFFLOAD_FAST, test_return, test_number(1)), 1);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_leq(most_nr, 2, "slow ones hold at most half of the workers: %d", most_nr);
	return 0;
}

Test(offload_call, slow_kinds_hold_at_most_half_of_the_workers)
{
	struct aion_loop_options options = {.worker_max = 4};

	cr_assert_eq(aion_run(many_slow, NULL, &options), 0);
}

struct detached {
	int *destroyed_nr;
	int64_t *destroyed_result;
	bool *received;
	struct call *call;
	char *owned;
};

static int64_t detached_call(void *args)
{
	struct detached *detached = args;

	return detached->call ? block_until_told(detached->call) : 44;
}

static void detached_destroy(void *args, int64_t result, bool received)
{
	struct detached *detached = args;

	++*detached->destroyed_nr;
	*detached->destroyed_result = result;
	*detached->received = received;
	free(detached->owned);
}

TEST_IN_TASK(offload_call, detached_gives_its_result_and_destroys_once)
{
	int destroyed_nr = 0;
	int64_t result = 0;
	bool received = false;
	struct detached args = {&destroyed_nr, &result, &received, NULL, malloc(10)};

	cr_assert_eq(aion_offload_detached(AION_OFFLOAD_FAST, detached_call, &args, sizeof(args), detached_destroy),
		     44);
	cr_assert_eq(destroyed_nr, 1);
	cr_assert_eq(result, 44);
	cr_assert(received);
	args.owned = NULL;
	cr_assert_eq(aion_offload_detached(AION_OFFLOAD_SLOW, detached_call, &args, sizeof(args), NULL), 44);
	cr_assert_eq(destroyed_nr, 1);
	return 0;
}

TEST_IN_TASK(offload_call, detached_leaves_a_running_call_to_the_loop)
{
	int destroyed_nr = 0;
	int64_t result = 0;
	bool received = true;
	struct cancelling cancelling = {.call = {.result = 0}};
	struct detached args = {&destroyed_nr, &result, &received, &cancelling.call, malloc(10)};
	struct aion_group group;

	TEST_NEEDS_KERNEL("the call blocks until a task lets it go");
	aion_group_enter(&group);
	aion_scope_enter(&cancelling.scope, AION_NEVER);
	aion_spawn(&group, only_cancel, &cancelling);
	cr_assert_eq(aion_offload_detached(AION_OFFLOAD_FAST, detached_call, &args, sizeof(args), detached_destroy),
		     -ECANCELED);
	cr_assert_eq(aion_scope_leave(&cancelling.scope), 0);
	cr_assert_eq(aion_group_leave(&group, 0), 0);
	cr_assert_eq(destroyed_nr, 0);
	cancelling.call.may_end = true;
	while (!destroyed_nr)
		aion_sleep(MS);
	cr_assert_eq(destroyed_nr, 1);
	cr_assert_eq(result, 31);
	cr_assert_not(received);
	return 0;
}

static int64_t call_detached(void *args)
{
	return aion_offload_detached(AION_OFFLOAD_FAST, detached_call, args, sizeof(struct detached), detached_destroy);
}

static int64_t detach_and_end(void *arg)
{
	struct detached *args = arg;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, call_detached, args);
	while (!args->call->has_begun)
		aion_sleep(MS / 10);
	aion_group_cancel(&group);
	return aion_group_leave(&group, 0);
}

static void *allow_from_thread(void *arg)
{
	usleep(20000);
	((struct call *)arg)->may_end = true;
	return NULL;
}

Test(offload_call, destroying_the_loop_waits_for_detached_calls)
{
	int destroyed_nr = 0;
	int64_t result = 0;
	bool received = true;
	struct call call = {0};
	struct detached args = {&destroyed_nr, &result, &received, &call, malloc(10)};
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, allow_from_thread, &call), 0);
	cr_assert_eq(aion_run(detach_and_end, &args, NULL), 0);
	cr_assert_eq(destroyed_nr, 1);
	cr_assert_eq(result, 31);
	pthread_join(thread, NULL);
}

static int64_t detach_queued(void *unused)
{
	int destroyed_nr = 0;
	int64_t result = 0;
	bool received = true;
	struct call first = {0};
	struct call second = {0};
	struct detached args = {&destroyed_nr, &result, &received, &second, malloc(10)};
	struct aion_scope scope;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, offload_and_tell, &first);
	while (!first.has_begun)
		aion_sleep(MS / 10);
	aion_scope_enter(&scope, aion_after(2 * MS));
	cr_assert_eq(aion_offload_detached(AION_OFFLOAD_FAST, detached_call, &args, sizeof(args), detached_destroy),
		     -ECANCELED);
	cr_assert_eq(destroyed_nr, 1, "withdrawn: there is nothing to wait for");
	cr_assert_eq(result, -ECANCELED);
	cr_assert_not(received);
	cr_assert_not(second.has_begun);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	first.may_end = true;
	return aion_group_leave(&group, 0);
}

Test(offload_call, detached_calls_that_queue_are_withdrawn)
{
	struct aion_loop_options options = {.worker_max = 1};

	TEST_NEEDS_KERNEL("the call blocks until a task lets it go");
	cr_assert_eq(aion_run(detach_queued, NULL, &options), 0);
}

/* The caller cannot tell at which moment the cancellation came: whenever that was, the arguments are not his to free.
 */
TEST_IN_TASK(offload_call, detached_in_a_cancelled_scope_destroys_the_arguments)
{
	int destroyed_nr = 0;
	int64_t result = 0;
	bool received = true;
	struct detached args = {&destroyed_nr, &result, &received, NULL, malloc(10)};
	struct aion_scope scope;

	aion_scope_enter(&scope, 0);
	cr_assert_eq(aion_offload_detached(AION_OFFLOAD_FAST, detached_call, &args, sizeof(args), detached_destroy),
		     -ECANCELED);
	cr_assert_eq(aion_offload_detached(AION_OFFLOAD_FAST, test_return, NULL, 0, NULL), -ECANCELED);
	cr_assert_eq(aion_scope_leave(&scope), -ETIME);
	cr_assert_eq(destroyed_nr, 1);
	cr_assert_eq(result, -ECANCELED);
	cr_assert_not(received);
	return 0;
}

static void must_not_be_called(void *args, int64_t result, bool received)
{
	cr_assert_fail("destroy was called");
}

TEST_IN_TASK(offload_call, detached_refuses_without_destroying)
{
	char large[AION_OFFLOAD_COPY_MAX + 1] = "";

	cr_assert_eq(aion_offload_detached(AION_OFFLOAD_FAST, test_return, large, sizeof(large), must_not_be_called),
		     -E2BIG);
	cr_assert_eq(aion_offload_detached((enum aion_offload_kind)7, test_return, large, 1, must_not_be_called),
		     -EINVAL);
	cr_assert_eq(aion_offload_detached(AION_OFFLOAD_FAST, test_sleep_1ms, large, AION_OFFLOAD_COPY_MAX, NULL),
		     -EBUSY, "the worker is not inside a task");
	return 0;
}

Test(offload_call, outside_of_tasks_is_busy)
{
	cr_assert_eq(aion_offload(AION_OFFLOAD_FAST, test_return, NULL), -EBUSY);
	cr_assert_eq(aion_offload_detached(AION_OFFLOAD_FAST, test_return, NULL, 0, must_not_be_called), -EBUSY);
}

#ifdef AION_FAULTS
TEST_IN_TASK(offload_call, no_memory_or_no_thread_is_an_error)
{
	TEST_NEEDS_KERNEL("a simulated machine starts no threads");
	aion__fault_arm(AION__FAULT_THREAD_CREATE, 0, 2, -EAGAIN);
	cr_assert_eq(aion_offload(AION_OFFLOAD_FAST, test_return, NULL), -EAGAIN);
	cr_assert_eq(aion_offload_detached(AION_OFFLOAD_FAST, test_return, NULL, 0, must_not_be_called), -EAGAIN);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	cr_assert_eq(aion_offload_detached(AION_OFFLOAD_FAST, test_return, NULL, 0, must_not_be_called), -ENOMEM);
	aion__fault_reset();
	cr_assert_eq(aion_offload(AION_OFFLOAD_FAST, test_return, test_number(3)), 3);
	return 0;
}

TEST_IN_TASK(offload_call, no_memory_for_the_first_worker_is_enomem)
{
	TEST_NEEDS_KERNEL("a simulated machine starts no threads");
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	cr_assert_eq(aion_offload(AION_OFFLOAD_FAST, test_return, NULL), -ENOMEM);
	aion__fault_reset();
	cr_assert_eq(aion_offload(AION_OFFLOAD_FAST, test_return, test_number(3)), 3);
	return 0;
}
#endif
