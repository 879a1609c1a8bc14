// SPDX-License-Identifier: MIT
/*
 * Threads and the tasks of two loops put into one queue and get from it, and give up now and then, by a deadline, just
 * when they are served. Each item that was put is got once; whoever gets, gets those of one producer in their order.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <aion.h>

#define LOOP_NR 2
#define TASK_NR 4   /* of a loop, on each side */
#define THREAD_NR 4 /* on each side */
#define SIDE_NR (LOOP_NR * TASK_NR + THREAD_NR)
#define ITEM_NR 30000 /* of a producer */
#define ITEM_SMALL_NR 100
#define GIVE_UP_US 60 /* at most, until a call gives up */
#define FAIL(...) (fprintf(stderr, __VA_ARGS__), abort())

struct side {
	unsigned nr;
	unsigned seed;
	uint32_t next;              /* a producer's */
	uint32_t expected[SIDE_NR]; /* a consumer's, from each producer: at least this one */
};

static struct aion_thread_queue *queue;
static struct side producers[SIDE_NR];
static struct side consumers[SIDE_NR];
static atomic_uchar got[SIDE_NR][ITEM_NR];
static uint32_t item_nr;
static atomic_int producing_nr;
static atomic_int given_up_nr;
static atomic_long block_nr;

static void *item_of(const struct side *producer)
{
	return (void *)((uintptr_t)producer->nr << 32 | producer->next);
}

/* Whoever is the last closes the queue. */
static void producer_put(struct side *self, int result)
{
	if (result == -ETIME || result == -ECANCELED)
		given_up_nr++;
	else if (result != 0)
		FAIL("producer %u: %d\n", self->nr, result);
	else
		self->next++;
	if (self->next == item_nr && --producing_nr == 0)
		aion_thread_queue_close(queue);
}

static void consumer_got(struct side *self, void *item)
{
	unsigned producer = (unsigned)((uintptr_t)item >> 32);
	uint32_t nr = (uint32_t)(uintptr_t)item;

	if (producer >= SIDE_NR || nr >= item_nr)
		FAIL("consumer %u got what nobody has put\n", self->nr);
	if (nr < self->expected[producer])
		FAIL("consumer %u got item %u of %u after item %u\n", self->nr, nr, producer,
		     self->expected[producer] - 1);
	self->expected[producer] = nr + 1;
	if (atomic_fetch_add(&got[producer][nr], 1))
		FAIL("item %u of %u was got twice\n", nr, producer);
}

static int64_t draw_deadline(struct side *self)
{
	return rand_r(&self->seed) % 2 ? AION_NEVER : aion_after(rand_r(&self->seed) % GIVE_UP_US * AION_MICROSECOND);
}

/* ---- threads */

static void *thread_produce(void *arg)
{
	struct side *self = arg;

	while (self->next < item_nr)
		producer_put(self, aion_thread_queue_put_blocking(queue, item_of(self), draw_deadline(self)));
	return NULL;
}

static void *thread_consume(void *arg)
{
	struct side *self = arg;
	void *item;
	int result;

	while ((result = aion_thread_queue_get_blocking(queue, &item, draw_deadline(self))) != -ESHUTDOWN) {
		if (result == 0)
			consumer_got(self, item);
		else if (result == -ETIME)
			given_up_nr++;
		else
			FAIL("consumer %u: %d\n", self->nr, result);
	}
	return NULL;
}

/* ---- tasks */

static int64_t task_produce(void *arg)
{
	struct side *self = arg;

	while (self->next < item_nr) {
		struct aion_scope scope;
		int result;

		aion_scope_enter(&scope, draw_deadline(self));
		result = aion_thread_queue_put(queue, item_of(self));
		if (aion_scope_leave(&scope) != (result == -ECANCELED ? -ETIME : 0))
			FAIL("a put says %d, and its scope says otherwise\n", result);
		producer_put(self, result);
	}
	return 0;
}

static int64_t task_consume(void *arg)
{
	struct side *self = arg;
	int result;

	do {
		struct aion_scope scope;
		void *item;

		aion_scope_enter(&scope, draw_deadline(self));
		result = aion_thread_queue_get(queue, &item);
		if (aion_scope_leave(&scope) != (result == -ECANCELED ? -ETIME : 0))
			FAIL("a get says %d, and its scope says otherwise\n", result);
		if (result == 0)
			consumer_got(self, item);
		else if (result == -ECANCELED)
			given_up_nr++;
		else if (result != -ESHUTDOWN)
			FAIL("consumer %u: %d\n", self->nr, result);
	} while (result != -ESHUTDOWN);
	return 0;
}

static int64_t loop_main(void *first)
{
	struct aion_group group;

	aion_group_enter(&group);
	for (unsigned i = 0; i < TASK_NR; i++) {
		aion_spawn(&group, task_consume, &consumers[(uintptr_t)first + i]);
		aion_spawn(&group, task_produce, &producers[(uintptr_t)first + i]);
	}
	return aion_group_leave(&group, 0);
}

static void *loop_thread(void *first)
{
	if (aion_run(loop_main, first, NULL) != 0)
		FAIL("loop failed\n");
	return NULL;
}

/* ---- */

static void thread_start(pthread_t *thread, void *(*fn)(void *arg), void *arg)
{
	if (pthread_create(thread, NULL, fn, arg) != 0)
		FAIL("no thread\n");
}

static void round_run(size_t capacity)
{
	pthread_t threads[LOOP_NR + 2 * THREAD_NR];
	unsigned nr = 0;

	if (aion_thread_queue_create(capacity, &queue) != 0)
		FAIL("no queue\n");
	producing_nr = SIDE_NR;
	for (unsigned i = 0; i < SIDE_NR; i++) {
		producers[i] = (struct side){.nr = i, .seed = i + 1};
		consumers[i] = (struct side){.nr = i, .seed = i + 1001};
		for (uint32_t k = 0; k < item_nr; k++)
			got[i][k] = 0;
	}
	for (unsigned i = 0; i < LOOP_NR; i++)
		thread_start(&threads[nr++], loop_thread, (void *)(uintptr_t)(i * TASK_NR));
	for (unsigned i = LOOP_NR * TASK_NR; i < SIDE_NR; i++) {
		thread_start(&threads[nr++], thread_consume, &consumers[i]);
		thread_start(&threads[nr++], thread_produce, &producers[i]);
	}
	while (nr--)
		pthread_join(threads[nr], NULL);
	for (unsigned i = 0; i < SIDE_NR; i++)
		for (uint32_t k = 0; k < item_nr; k++)
			if (!got[i][k])
				FAIL("item %u of %u is lost\n", k, i);
	aion_thread_queue_destroy(queue);
}

static void *count_alloc(size_t size, void *unused)
{
	block_nr++;
	return malloc(size);
}

static void *count_realloc(void *memory, size_t size, void *unused)
{
	return realloc(memory, size);
}

static void count_free(void *memory, void *unused)
{
	block_nr -= memory != NULL;
	free(memory);
}

int main(void)
{
	static const size_t capacities[] = {1, 7, 256, AION_THREAD_QUEUE_UNBOUNDED};
	const struct aion_allocator counting = {count_alloc, count_realloc, count_free, NULL};
	const char *small = getenv("AION_TEST_SMALL");

	item_nr = small && *small == '1' ? ITEM_SMALL_NR : ITEM_NR;
	if (aion_allocator_set(&counting) < 0)
		FAIL("allocator refused\n");
	for (unsigned i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++)
		round_run(capacities[i]);
	if (block_nr)
		FAIL("%ld blocks are left\n", (long)block_nr);
	printf("%u items in each of four rounds, %d times given up\n", SIDE_NR * item_nr, given_up_nr);
	return 0;
}
