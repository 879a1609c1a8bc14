// SPDX-License-Identifier: MIT
/*
 * Threads complete promises while their waiters give up, at about the same time. Each waiter gets the result or its
 * timeout; every promise is freed; each result that was taken is the right one.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <aion.h>

#define COMPLETER_NR 3
#define WAITER_NR 50
#define ROUND_NR 4000
#define ROUND_SMALL_NR 20
#define QUEUE_NR 262144 /* more than all rounds put */
#define FAIL(...) (fprintf(stderr, __VA_ARGS__), abort())

struct entry {
	struct aion_promise *promise;
	int64_t result;
};

/* From the waiters to the completers. */
static struct entry queue[QUEUE_NR];
static unsigned queue_head;
static unsigned queue_tail;
static bool queue_closed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static atomic_int completed_nr;
static int result_nr;
static int timeout_nr;
static int round_nr;
static atomic_long block_nr;

static void queue_put(struct entry entry)
{
	pthread_mutex_lock(&lock);
	if (queue_tail - queue_head == QUEUE_NR)
		FAIL("the queue is too small\n");
	queue[queue_tail++ % QUEUE_NR] = entry;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

static bool queue_take(struct entry *ret_entry)
{
	bool there;

	pthread_mutex_lock(&lock);
	while (queue_head == queue_tail && !queue_closed)
		pthread_cond_wait(&changed, &lock);
	there = queue_head != queue_tail;
	if (there)
		*ret_entry = queue[queue_head++ % QUEUE_NR];
	pthread_mutex_unlock(&lock);
	return there;
}

static void *completer(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	struct entry entry;

	while (queue_take(&entry)) {
		if (rand_r(&seed) % 16 == 0)
			usleep((useconds_t)(rand_r(&seed) % 200));
		aion_promise_complete(entry.promise, entry.result);
		completed_nr++;
	}
	return NULL;
}

static int64_t waiter(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	for (int i = 0; i < round_nr; i++) {
		struct aion_promise *promise;
		struct aion_scope scope;
		int64_t wanted = rand_r(&seed);
		int64_t result = aion_promise_create(&promise);

		if (result < 0)
			return result;
		queue_put((struct entry){promise, wanted});
		aion_scope_enter(&scope, aion_after(rand_r(&seed) % 2500 * AION_MICROSECOND));
		result = aion_await(aion_promise_future(promise));
		if (result != wanted && result != -ECANCELED)
			FAIL("%lld instead of %lld\n", (long long)result, (long long)wanted);
		if (aion_scope_leave(&scope) != (result == wanted ? 0 : -ETIME))
			FAIL("result %lld, and the scope says otherwise\n", (long long)result);
		result_nr += result == wanted;
		timeout_nr += result != wanted;
		aion_promise_release(promise);
	}
	return 0;
}

static int64_t app(void *unused)
{
	struct aion_group group;

	aion_group_enter(&group);
	for (int i = 0; i < WAITER_NR; i++)
		aion_spawn(&group, waiter, (void *)(uintptr_t)(i + 100));
	if (aion_group_leave(&group, 0) != 0)
		FAIL("group failed\n");
	/* Promises that were given up are completed while the loop ends, and after. */
	return 0;
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
	const struct aion_allocator counting = {count_alloc, count_realloc, count_free, NULL};
	const char *small = getenv("AION_TEST_SMALL");
	pthread_t threads[COMPLETER_NR];

	round_nr = small && *small == '1' ? ROUND_SMALL_NR : ROUND_NR;
	if (aion_allocator_set(&counting) < 0)
		FAIL("allocator refused\n");
	for (int i = 0; i < COMPLETER_NR; i++)
		pthread_create(&threads[i], NULL, completer, (void *)(uintptr_t)(i + 1));
	if (aion_run(app, NULL, NULL) != 0)
		FAIL("loop failed\n");
	pthread_mutex_lock(&lock);
	queue_closed = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < COMPLETER_NR; i++)
		pthread_join(threads[i], NULL);
	if (completed_nr != WAITER_NR * round_nr)
		FAIL("%d completed\n", completed_nr);
	if (block_nr)
		FAIL("%ld blocks are left\n", (long)block_nr);
	if (result_nr + timeout_nr != WAITER_NR * round_nr)
		FAIL("%d results and %d timeouts\n", result_nr, timeout_nr);
	printf("%d results, %d timeouts\n", result_nr, timeout_nr);
	return 0;
}
