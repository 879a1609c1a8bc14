// SPDX-License-Identifier: MIT
/*
 * Several threads post into several loops, which post to each other: each loop checks that the posts of each poster
 * come in their order, none twice, none lost. The loops also do other things meanwhile. A plain program: Criterion does
 * not start under ThreadSanitizer.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <aion.h>

#define LOOP_NR 2
#define POSTER_NR 3
#define POST_NR 400000
#define POST_SMALL_NR 2000
#define FAIL(...) (fprintf(stderr, __VA_ARGS__), abort())

struct loop_thread {
	struct aion_loop *loop;
	struct aion_future all_there;
	int next[POSTER_NR];
	int finished_nr;
	pthread_t thread;
	pthread_barrier_t *ready;
};

struct message {
	struct loop_thread *to;
	int poster;
	int number;
};

static struct loop_thread loops[LOOP_NR];
static struct message *messages[POSTER_NR];
static int post_nr;

static void receive(void *arg)
{
	struct message *message = arg;
	struct loop_thread *self = message->to;

	if (aion_task_current())
		FAIL("a post runs inside a task\n");
	if (message->number != self->next[message->poster])
		FAIL("poster %d: %d came instead of %d\n", message->poster, message->number,
		     self->next[message->poster]);
	if (++self->next[message->poster] == post_nr && ++self->finished_nr == POSTER_NR)
		aion_future_complete(&self->all_there, 0);
}

static int64_t keep_busy(void *unused)
{
	int64_t result;

	do {
		result = aion_nop();
		if (result == 0)
			result = aion_sleep(AION_MICROSECOND * 50);
	} while (result == 0);
	return result;
}

static int64_t loop_main(void *arg)
{
	struct loop_thread *self = arg;
	struct aion_group group;
	int64_t result;

	self->loop = aion_loop_current();
	aion_future_init(&self->all_there);
	pthread_barrier_wait(self->ready);
	aion_group_enter(&group);
	aion_spawn(&group, keep_busy, NULL);
	result = aion_await(&self->all_there);
	aion_group_cancel(&group);
	if (aion_group_leave(&group, result) != 0)
		FAIL("group failed\n");
	/* The poster of the last one may still be inside of aion_loop_post(): destroying the loop waits for it. */
	return 0;
}

static void *loop_thread(void *self)
{
	if (aion_run(loop_main, self, NULL) != 0)
		FAIL("loop failed\n");
	return NULL;
}

static void *poster_thread(void *arg)
{
	int poster = (int)(intptr_t)arg;

	for (int i = 0; i < post_nr; i++) {
		for (int to = 0; to < LOOP_NR; to++) {
			struct message *message = &messages[poster][i * LOOP_NR + to];

			*message = (struct message){&loops[to], poster, i};
			if (aion_loop_post(loops[to].loop, receive, message) < 0)
				FAIL("post refused\n");
		}
	}
	return NULL;
}

int main(void)
{
	const char *small = getenv("AION_TEST_SMALL");
	pthread_t posters[POSTER_NR];
	pthread_barrier_t ready;

	post_nr = small && *small == '1' ? POST_SMALL_NR : POST_NR;
	pthread_barrier_init(&ready, NULL, LOOP_NR + 1);
	for (int i = 0; i < LOOP_NR; i++) {
		loops[i].ready = &ready;
		pthread_create(&loops[i].thread, NULL, loop_thread, &loops[i]);
	}
	pthread_barrier_wait(&ready);
	for (int i = 0; i < POSTER_NR; i++) {
		messages[i] = calloc((size_t)post_nr * LOOP_NR, sizeof(struct message));
		pthread_create(&posters[i], NULL, poster_thread, (void *)(intptr_t)i);
	}
	for (int i = 0; i < POSTER_NR; i++)
		pthread_join(posters[i], NULL);
	for (int i = 0; i < LOOP_NR; i++)
		pthread_join(loops[i].thread, NULL);
	for (int i = 0; i < POSTER_NR; i++)
		free(messages[i]);
	pthread_barrier_destroy(&ready);
	printf("%d posts, in order\n", POSTER_NR * LOOP_NR * post_nr);
	return 0;
}
