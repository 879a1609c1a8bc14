/* SPDX-License-Identifier: MIT */
/*
 * For test_gdb.sh: tasks that wait, each in a function of its own, while a debugger looks. It stops in
 * everything_waits(), on a thread that is not the loop's, and in something_runs(), inside a task. Then all go on to
 * their ends; or, with an argument, the process aborts where everything waits.
 */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <aion.h>

#include "waits_int.h"

#define FAR_AWAY (3600 * AION_SECOND)
#define DEPTH 3      /* calls inside each other */
#define ASLEEP_NR 50 /* looks at the loop's thread, a millisecond apart, that must find it asleep */
#ifdef __clang__
#define OWN_FRAME __attribute__((noinline))
#else
#define OWN_FRAME __attribute__((noinline, noclone))
#endif

static struct aion__waits mutex;
static struct aion_future first, second;
static struct aion_handle sleeper;
static int pipe_fds[2];
static sem_t all_begun, call_may_end;
static pid_t loop_tid;
static int went_on_nr;

void everything_waits(void);
void something_runs(void);

/* Where the breakpoints are. */
OWN_FRAME void everything_waits(void)
{
	__asm__ volatile("");
}

OWN_FRAME void something_runs(void)
{
	__asm__ volatile("");
}

static void check(bool holds, const char *what)
{
	if (holds)
		return;
	printf("FAIL: %s\n", what);
	exit(1);
}

/* Called after a wait, so that no function ends by a jump into it: it would not be in the backtrace. */
static OWN_FRAME int64_t go_on(const char *who, int64_t result, int64_t expected)
{
	check(result == expected, who);
	went_on_nr++;
	return 0;
}

static OWN_FRAME int64_t opaque(int64_t value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

static OWN_FRAME int64_t waits_for_lock(void *unused)
{
	struct aion__wait wait = {.noun = "mutex", .object = &mutex};
	int64_t result = aion__waits_await(&mutex, &wait);

	return go_on(__func__, result, 7);
}

static OWN_FRAME int64_t sleeps_long(void *unused)
{
	int64_t result = aion_sleep(FAR_AWAY);

	return go_on(__func__, result, -ECANCELED);
}

static OWN_FRAME int64_t reads_deeply(int depth)
{
	char byte = 0;
	int64_t result = depth ? reads_deeply(depth - 1) : aion_read(pipe_fds[0], &byte, 1);

	if (depth)
		return go_on(__func__, result, 0);
	return go_on(__func__, result * byte, 'x');
}

static OWN_FRAME int64_t reads_pipe(void *unused)
{
	int64_t result = reads_deeply(DEPTH);

	/* Everything else goes on. */
	aion__waits_wake_first(&mutex, 7);
	aion_future_complete(&first, 1);
	aion_handle_cancel(&sleeper);
	return go_on(__func__, result, 0);
}

static OWN_FRAME int64_t waits_for_several(void *unused)
{
	struct aion_future *const both[] = {&first, &second};
	int64_t result = aion_wait(both, 2, AION_WAIT_FIRST_COMPLETED);

	return go_on(__func__, result, 1);
}

static OWN_FRAME int64_t waits_for_sleeper(void *unused)
{
	int64_t result = aion_await(&sleeper.future);

	return go_on(__func__, result, 0);
}

static OWN_FRAME int64_t joins_child(void *unused)
{
	struct aion_spawn_options options = {.name = "child"};
	struct aion_group group = {0};
	int64_t result;

	aion_group_enter(&group);
	aion_spawn_with(&group, &options, waits_for_sleeper, NULL);
	result = aion_group_leave(&group, 0);
	return go_on(__func__, result, 0);
}

static int64_t blocks(void *arg)
{
	while (sem_wait(&call_may_end) < 0) {
	}
	return 5;
}

static OWN_FRAME int64_t offloads(void *unused)
{
	int64_t result = aion_offload(AION_OFFLOAD_SLOW, blocks, NULL);

	return go_on(__func__, result, 5);
}

static bool is_asleep(pid_t tid)
{
	char path[64], line[512] = "";
	const char *end;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	check(fd >= 0 && read(fd, line, sizeof(line) - 1) > 0, path);
	close(fd);
	end = strrchr(line, ')');
	return end && end[1] == ' ' && end[2] == 'S';
}

static void *watch(void *arg)
{
	struct timespec pause = {.tv_nsec = 1000000};

	while (sem_wait(&all_begun) < 0) {
	}
	for (int asleep_nr = 0; asleep_nr < ASLEEP_NR; nanosleep(&pause, NULL))
		asleep_nr = is_asleep(loop_tid) ? asleep_nr + 1 : 0;
	everything_waits();
	if (arg)
		abort();
	sem_post(&call_may_end);
	check(write(pipe_fds[1], "x", 1) == 1, "write");
	return NULL;
}

static void spawn_named(struct aion_group *group, const char *name, aion_fn *fn)
{
	struct aion_spawn_options options = {.name = name};

	aion_spawn_with(group, &options, fn, NULL);
}

static int64_t everybody_waits(void)
{
	struct aion_spawn_options options = {.name = "sleeper"};
	struct aion_group group = {0};

	aion_future_init(&first);
	aion_future_init(&second);
	aion_group_enter(&group);
	aion_spawn_into(&group, &sleeper, &options, sleeps_long, NULL);
	spawn_named(&group, "locked", waits_for_lock);
	spawn_named(&group, "parent", joins_child);
	spawn_named(&group, "several", waits_for_several);
	spawn_named(&group, "caller", offloads);
	spawn_named(&group, "reader", reads_pipe);
	sem_post(&all_begun);
	return aion_group_leave(&group, 0);
}

static OWN_FRAME int64_t yields(void *unused)
{
	/* Known at run time only, and in registers that the wait preserves. */
	int64_t one = opaque(1001), two = opaque(1002), three = opaque(1003), four = opaque(1004), five = opaque(1005);
	int64_t result = aion_yield();

	check(one == opaque(1001) && two == opaque(1002) && three == opaque(1003) && four == opaque(1004) &&
		      five == opaque(1005),
	      "values across a wait");
	return go_on(__func__, result, 0);
}

static OWN_FRAME int64_t begins(void *unused)
{
	return go_on(__func__, 0, 0);
}

static OWN_FRAME int64_t somebody_runs(void)
{
	struct aion_group group = {0};

	aion_group_enter(&group);
	aion_spawn_now(&group, yields, NULL);
	spawn_named(&group, "beginner", begins);
	something_runs();
	return aion_group_leave(&group, 0);
}

static int64_t main_task(void *unused)
{
	loop_tid = (pid_t)syscall(SYS_gettid);
	check(everybody_waits() == 0, "the first group");
	check(somebody_runs() == 0, "the second group");
	return 0;
}

int main(int argc, char **argv)
{
	pthread_t watcher;

	check(pipe2(pipe_fds, O_CLOEXEC) == 0, "pipe2");
	sem_init(&all_begun, 0, 0);
	sem_init(&call_may_end, 0, 0);
	check(pthread_create(&watcher, NULL, watch, argv[1]) == 0, "pthread_create");
	check(aion_run(main_task, NULL, NULL) == 0, "aion_run");
	pthread_join(watcher, NULL);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	printf("%d functions went on\n", went_on_nr);
	return 0;
}
