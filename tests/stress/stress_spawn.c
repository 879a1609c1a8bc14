// SPDX-License-Identifier: MIT
/*
 * Threads spawn into a group of another thread's loop, by all forms that may; the children offload, sleep and spawn in
 * turn. Each task runs exactly once.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <aion.h>

#define SPAWNER_NR 3
#define SPAWN_NR 100000
#define SPAWN_SMALL_NR 1000
#define FAIL(...) (fprintf(stderr, __VA_ARGS__), abort())

static struct aion_group *group_of_loop;
static pthread_barrier_t ready;
static struct aion_future all_ran;
static unsigned char *ran[SPAWNER_NR];
static int ran_nr;
static int spawn_nr;

struct task {
	int spawner;
	int number;
};

static int64_t short_call(void *arg)
{
	return (intptr_t)arg;
}

static void count(const struct task *task)
{
	if (ran[task->spawner][task->number]++)
		FAIL("task %d of %d ran twice\n", task->number, task->spawner);
	if (++ran_nr == SPAWNER_NR * spawn_nr)
		aion_future_complete(&all_ran, 0);
}

static int64_t child(void *arg)
{
	struct task task = *(struct task *)arg;

	switch (task.number % 16) {
	case 0:
		if (aion_offload(AION_OFFLOAD_FAST, short_call, (void *)5) != 5)
			FAIL("offload failed\n");
		break;
	case 1:
		aion_sleep(AION_MICROSECOND * 100);
		break;
	case 2:
		aion_nop();
		break;
	default:
		break;
	}
	count(&task);
	return 0;
}

static int64_t child_of_number(void *arg)
{
	struct task task = {(int)((uintptr_t)arg >> 32), (int)((uintptr_t)arg & 0xffffffff)};

	return child(&task);
}

static void *spawner(void *arg)
{
	struct task task = {.spawner = (int)(intptr_t)arg};
	struct aion_spawn_options options = {.name = "remote", .stack_size = 64 << 10};

	for (task.number = 0; task.number < spawn_nr; task.number++) {
		void *number = (void *)((uintptr_t)task.spawner << 32 | (unsigned)task.number);
		int result = task.number % 3 == 0   ? aion_spawn(group_of_loop, child_of_number, number)
			     : task.number % 3 == 1 ? aion_spawn_with(group_of_loop, &options, child_of_number, number)
						    : aion_spawn_copy(group_of_loop, child, &task, sizeof(task));

		if (result < 0)
			FAIL("spawn: %d\n", result);
	}
	return NULL;
}

static int64_t app(void *unused)
{
	struct aion_group group;

	aion_future_init(&all_ran);
	aion_group_enter(&group);
	group_of_loop = &group;
	pthread_barrier_wait(&ready);
	return aion_group_leave(&group, aion_await(&all_ran));
}

static void *loop_thread(void *unused)
{
	if (aion_run(app, NULL, NULL) != 0)
		FAIL("loop failed\n");
	return NULL;
}

int main(void)
{
	const char *small = getenv("AION_TEST_SMALL");
	pthread_t threads[SPAWNER_NR];
	pthread_t loop;

	spawn_nr = small && *small == '1' ? SPAWN_SMALL_NR : SPAWN_NR;
	for (int i = 0; i < SPAWNER_NR; i++)
		ran[i] = calloc(1, (size_t)spawn_nr);
	pthread_barrier_init(&ready, NULL, 2);
	pthread_create(&loop, NULL, loop_thread, NULL);
	pthread_barrier_wait(&ready);
	for (int i = 0; i < SPAWNER_NR; i++)
		pthread_create(&threads[i], NULL, spawner, (void *)(intptr_t)i);
	for (int i = 0; i < SPAWNER_NR; i++)
		pthread_join(threads[i], NULL);
	pthread_join(loop, NULL);
	for (int i = 0; i < SPAWNER_NR; i++)
		free(ran[i]);
	pthread_barrier_destroy(&ready);
	printf("%d tasks\n", ran_nr);
	return 0;
}
