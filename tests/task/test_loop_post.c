/* SPDX-License-Identifier: MIT */
/* Posts: exactly once, in order, until the loop is gone. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "test_task.h"

#include "fault_int.h"

#define POST_NR 5000
#define POSTER_NR 3

struct sequence {
	struct aion_loop *loop;
	int next; /* what must come next */
	int wrong_nr;
	int posted_nr;
};

struct numbered {
	struct sequence *sequence;
	int number;
};

static void check_number(void *arg)
{
	struct numbered *numbered = arg;

	numbered->sequence->wrong_nr += numbered->number != numbered->sequence->next;
	numbered->sequence->next = numbered->number + 1;
}

static struct numbered all[POSTER_NR][POST_NR];
static struct sequence sequences[POSTER_NR];

static void *post_numbers(void *arg)
{
	struct sequence *sequence = arg;
	struct numbered *mine = all[sequence - sequences];

	for (int i = 0; i < POST_NR; i++) {
		mine[i] = (struct numbered){sequence, i};
		sequence->posted_nr += aion_loop_post(sequence->loop, check_number, &mine[i]) == 0;
	}
	return NULL;
}

/* Case 70. */
TEST_IN_TASK(loop_post, posts_of_each_thread_come_in_order_and_none_is_lost)
{
	pthread_t threads[POSTER_NR];
	bool all_there;

	for (int i = 0; i < POSTER_NR; i++) {
		sequences[i] = (struct sequence){.loop = aion_loop_current()};
		cr_assert_eq(pthread_create(&threads[i], NULL, post_numbers, &sequences[i]), 0);
	}
	do {
		all_there = true;
		aion_sleep(AION_MILLISECOND);
		for (int i = 0; i < POSTER_NR; i++)
			all_there &= sequences[i].next == POST_NR;
	} while (!all_there);
	for (int i = 0; i < POSTER_NR; i++) {
		pthread_join(threads[i], NULL);
		cr_assert_eq(sequences[i].posted_nr, POST_NR);
		cr_assert_eq(sequences[i].wrong_nr, 0);
	}
	return 0;
}

static void complete_post(void *future)
{
	cr_assert_null(aion_task_current(), "between tasks");
	aion_future_complete(future, 0);
}

static void *post_later(void *arg)
{
	void **args = arg;

	usleep(5000);
	aion_loop_post(args[0], complete_post, args[1]);
	return NULL;
}

TEST_IN_TASK(loop_post, a_post_wakes_the_loop_that_waits)
{
	struct aion_future future;
	void *args[] = {aion_loop_current(), &future};
	pthread_t thread;

	aion_future_init(&future);
	cr_assert_eq(pthread_create(&thread, NULL, post_later, args), 0);
	cr_assert_eq(aion_await(&future), 0);
	pthread_join(thread, NULL);
	return 0;
}

static void count_up(void *counter)
{
	++*(int *)counter;
}

static int64_t wait_for_chain(void *chain)
{
	while (*(int *)chain < 10)
		cr_assert_eq(aion_sleep(AION_MILLISECOND), 0);
	return 0;
}

static void post_again(void *arg)
{
	void **args = arg;

	if (++*(int *)args[1] < 10)
		cr_assert_eq(aion_loop_post(args[0], post_again, args), 0);
}

Test(loop_post, posts_before_the_first_run_and_from_posts_run)
{
	struct aion_loop *loop;
	int counter = 0;
	int chain = 0;
	void *args[2];

	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	args[0] = loop;
	args[1] = &chain;
	cr_assert_eq(aion_loop_post(loop, count_up, &counter), 0);
	cr_assert_eq(aion_loop_post(loop, post_again, args), 0);
	cr_assert_eq(aion_loop_run(loop, wait_for_chain, &chain), 0);
	cr_assert_eq(counter, 1);
	cr_assert_eq(chain, 10);
	aion_loop_destroy(loop);
}

Test(loop_post, accepted_posts_run_in_destroy_at_the_latest)
{
	struct aion_loop *loop;
	int counter = 0;

	for (int was_run = 0; was_run < 2; was_run++) {
		cr_assert_eq(aion_loop_create(NULL, &loop), 0);
		if (was_run)
			aion_loop_run(loop, test_return, NULL);
		for (int i = 0; i < 5; i++)
			cr_assert_eq(aion_loop_post(loop, count_up, &counter), 0);
		aion_loop_destroy(loop);
		cr_assert_eq(counter, 5 * (was_run + 1));
	}
}

struct stopping {
	struct aion_loop *loop;
	int post_result;
	int spawn_result;
	int ran_nr;
	atomic_bool has_begun;
};

static void count_stopping(void *arg)
{
	((struct stopping *)arg)->ran_nr++;
}

/* On the loop's thread, after every task has ended. */
static void destroyed(void *args, int64_t result, bool received)
{
	struct stopping *stopping = *(struct stopping **)args;

	stopping->spawn_result = aion_spawn(aion_loop_group(stopping->loop), test_return, NULL);
	stopping->post_result = aion_loop_post(stopping->loop, count_stopping, stopping);
}

static int64_t sleep_20ms(void *args)
{
	(*(struct stopping **)args)->has_begun = true;
	usleep(20000);
	return 0;
}

static int64_t call_detached(void *arg)
{
	struct stopping *stopping = arg;

	return aion_offload_detached(AION_OFFLOAD_FAST, sleep_20ms, &stopping, sizeof(stopping), destroyed);
}

static int64_t leave_call_behind(void *arg)
{
	struct stopping *stopping = arg;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, call_detached, stopping);
	while (!stopping->has_begun)
		aion_sleep(100 * AION_MICROSECOND);
	aion_group_cancel(&group);
	return aion_group_leave(&group, 0);
}

Test(loop_post, a_stopping_loop_refuses_posts_and_tasks)
{
	struct stopping stopping = {0};

	TEST_NEEDS_KERNEL("the call runs while its caller is cancelled");
	cr_assert_eq(aion_loop_create(NULL, &stopping.loop), 0);
	cr_assert_eq(aion_loop_run(stopping.loop, leave_call_behind, &stopping), 0);
	aion_loop_destroy(stopping.loop);
	cr_assert_eq(stopping.post_result, -ESHUTDOWN);
	cr_assert_eq(stopping.spawn_result, -ESHUTDOWN);
	cr_assert_eq(stopping.ran_nr, 0);
}

static void spawn_in_post(void *arg)
{
	struct stopping *stopping = arg;

	stopping->spawn_result = aion_spawn(aion_loop_group(stopping->loop), test_count, &stopping->ran_nr);
}

/* An accepted post that comes last still spawns, and its task still runs. */
Test(loop_post, tasks_of_the_last_posts_are_joined)
{
	struct stopping stopping = {.spawn_result = 1};

	cr_assert_eq(aion_loop_create(NULL, &stopping.loop), 0);
	cr_assert_eq(aion_loop_run(stopping.loop, test_return, NULL), 0);
	cr_assert_eq(aion_loop_post(stopping.loop, spawn_in_post, &stopping), 0);
	aion_loop_destroy(stopping.loop);
	cr_assert_eq(stopping.spawn_result, 0);
	cr_assert_eq(stopping.ran_nr, 1);
}

static void post_itself(void *arg)
{
	struct stopping *stopping = arg;

	stopping->post_result = aion_loop_post(stopping->loop, post_itself, stopping);
	stopping->ran_nr++;
}

Test(loop_post, a_post_that_posts_itself_does_not_keep_the_loop)
{
	struct stopping stopping = {0};

	cr_assert_eq(aion_loop_create(NULL, &stopping.loop), 0);
	cr_assert_eq(aion_loop_post(stopping.loop, post_itself, &stopping), 0);
	cr_assert_eq(aion_loop_run(stopping.loop, test_yield_return, NULL), 0);
	cr_assert_eq(stopping.post_result, 0);
	aion_loop_destroy(stopping.loop);
	cr_assert_eq(stopping.post_result, -ESHUTDOWN);
	cr_assert_gt(stopping.ran_nr, 1);
}

#ifdef AION_FAULTS
TEST_IN_TASK(loop_post, no_memory_is_enomem)
{
	int counter = 0;

	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	cr_assert_eq(aion_loop_post(aion_loop_current(), count_up, &counter), -ENOMEM);
	aion__fault_reset();
	aion_sleep(AION_MILLISECOND);
	cr_assert_eq(counter, 0);
	return 0;
}
#endif
