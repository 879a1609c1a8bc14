/* SPDX-License-Identifier: MIT */
/* What queues and channels refuse: in a forked child nothing happens; a thread's put may find no memory. */
#include <pthread.h>

#include "fault_int.h"
#include "test_file.h"
#include "test_task.h"

struct nouns {
	struct aion_queue queue;
	struct aion_queue sorted;
	struct aion_thread_queue *between;
	struct aion_sender sender;
	struct aion_receiver receiver;
};

static void nouns_init(struct nouns *nouns)
{
	const struct aion_channel_options options = {.item_size = sizeof(int), .capacity = 2};
	int item = 4;

	assert_result(aion_queue_init(&nouns->queue, AION_QUEUE_FIFO, 2), 0);
	assert_result(aion_queue_init(&nouns->sorted, AION_QUEUE_PRIORITY, 2), 0);
	assert_result(aion_thread_queue_create(2, &nouns->between), 0);
	assert_result(aion_channel_create(&options, &nouns->sender, &nouns->receiver), 0);
	assert_result(aion_queue_put(&nouns->queue, NULL), 0);
	assert_result(aion_queue_put_priority(&nouns->sorted, NULL, 1), 0);
	assert_result(aion_thread_queue_put(nouns->between, NULL), 0);
	assert_result(aion_channel_send(&nouns->sender, &item), 0);
}

static void nouns_fini(struct nouns *nouns)
{
	aion_queue_fini(&nouns->queue);
	aion_queue_fini(&nouns->sorted);
	aion_thread_queue_destroy(nouns->between);
	aion_sender_close(&nouns->sender);
	aion_receiver_close(&nouns->receiver);
}

/* Each has one item, and room for one. */
static bool nouns_are_as_they_were(struct nouns *nouns)
{
	struct aion_channel_stats stats;

	return aion_sender_stats(&nouns->sender, &stats) == 0 && stats.item_nr == 1 &&
	       aion_queue_size(&nouns->queue) == 1 && aion_queue_size(&nouns->sorted) == 1 &&
	       aion_thread_queue_size(nouns->between) == 1;
}

/* The number of the first that does not refuse. */
static int call_all(void *arg)
{
	struct nouns *nouns = arg;
	int item = 5;
	void *got;
	const int results[] = {
		aion_queue_put(&nouns->queue, NULL),         aion_queue_put_priority(&nouns->sorted, NULL, 0),
		aion_queue_get(&nouns->queue, &got),         aion_queue_join(&nouns->queue),
		aion_thread_queue_put(nouns->between, NULL), aion_thread_queue_get(nouns->between, &got),
		aion_channel_send(&nouns->sender, &item),    aion_channel_receive(&nouns->receiver, &item),
	};
	const int nr = sizeof(results) / sizeof(results[0]);

	for (int i = 0; i < nr; i++)
		if (results[i] != -ECHILD)
			return i + 1;
	return nouns_are_as_they_were(nouns) ? 0 : nr + 1;
}

TASK_TEST(queue_refused, in_a_forked_child_nothing_happens)
{
	struct nouns nouns;

	nouns_init(&nouns);
	cr_assert_eq(test_in_child(call_all, &nouns), 0);
	cr_assert(nouns_are_as_they_were(&nouns));
	nouns_fini(&nouns);
}

TASK_TEST(queue_refused, what_does_not_wait_finds_no_room)
{
	struct nouns nouns;

	nouns_init(&nouns);
	assert_result(aion_queue_try_put_priority(&nouns.sorted, NULL, 7), 0);
	assert_result(aion_queue_try_put_priority(&nouns.sorted, NULL, 0), -EAGAIN);
	assert_result(aion_queue_size(&nouns.sorted), 2);
	nouns_fini(&nouns);
}

#ifdef AION_FAULTS
static void *put_without_memory(void *queue)
{
	int result;

	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	result = aion_thread_queue_put_blocking(queue, test_number(99), AION_NEVER);
	aion__fault_reset();
	return (void *)(intptr_t)result;
}

Test(queue_refused, a_thread_finds_no_memory)
{
	struct aion_thread_queue *queue;
	intptr_t i, put_nr;
	pthread_t thread;
	void *result, *item;

	cr_assert_eq(aion_thread_queue_create(AION_THREAD_QUEUE_UNBOUNDED, &queue), 0);
	/* Until the next one needs more room. */
	for (put_nr = 0;; put_nr++) {
		cr_assert_eq(pthread_create(&thread, NULL, put_without_memory, queue), 0);
		pthread_join(thread, &result);
		if ((intptr_t)result == -ENOMEM)
			break;
		cr_assert_eq((intptr_t)result, 0);
		cr_assert_lt(put_nr, 1000);
	}
	cr_assert_eq(aion_thread_queue_size(queue), (size_t)put_nr);
	for (i = 0; i < put_nr; i++)
		cr_assert_eq(aion_thread_queue_get_blocking(queue, &item, AION_NEVER), 0);
	aion_thread_queue_destroy(queue);
}
#endif
