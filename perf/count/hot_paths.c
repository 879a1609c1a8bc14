/* SPDX-License-Identifier: MIT */
/*
 * hot_paths NAME NR: goes NR times through one path of the library, and does nothing else that depends on NR, so that
 * the instructions of two runs differ by those of the path alone. perf/count/count has callgrind count them.
 * hot_paths --list: the names, a line each. hot_paths --versions: what the counts depend on.
 */
#include <errno.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "perf.h"

/*
 * Instead of libc's, for the library, too: time stands still. Else it would pass some fifty times as fast as the
 * instructions do, and what is counted would be what the library does when its tasks compute for long.
 */
int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
	(void)clock;
	*ret_time = (struct timespec){.tv_sec = 1};
	return 0;
}

struct path {
	const char *name;
	aion_fn *main;    /* gets a struct run */
	unsigned task_nr; /* that go through it side by side */
	int64_t (*step)(void);
};

struct run {
	const struct path *path;
	uint64_t nr; /* times a task */
	struct aion_mutex mutex;
	struct aion_queue queue;
	char *file;
	int fd;
};

static struct run run;

static int64_t stepper(void *arg)
{
	int64_t result = 0;

	(void)arg;
	for (uint64_t i = 0; i < run.nr && result >= 0; i++)
		result = run.path->step();
	return result;
}

/* A group of tasks, each of which goes through the path. */
static int64_t side_by_side(void *arg)
{
	struct aion_group group;

	(void)arg;
	aion_group_enter(&group);
	for (unsigned i = 0; i < run.path->task_nr; i++)
		aion_spawn(&group, stepper, NULL);
	return aion_group_leave(&group, 0);
}

static int64_t step_yield(void)
{
	return aion_yield();
}

static int64_t step_scope(void)
{
	struct aion_scope scope;

	aion_scope_enter(&scope, aion_after(AION_SECOND));
	return aion_scope_leave(&scope);
}

static int64_t step_mutex(void)
{
	int64_t result = aion_mutex_lock(&run.mutex);

	return result < 0 ? result : aion_mutex_unlock(&run.mutex);
}

static int64_t step_read(void)
{
	struct aion_op op = {0};
	char bytes[16];

	aion_op_pread(&op, run.fd, bytes, sizeof(bytes), 0);
	return aion_await(&op.future);
}

static int64_t child_ends(void *arg)
{
	(void)arg;
	return 0;
}

static int64_t spawn_by_handle(void *arg)
{
	struct aion_handle handle = {0};
	struct aion_group group;
	int64_t result = 0;

	(void)arg;
	aion_group_enter(&group);
	for (uint64_t i = 0; i < run.nr && result >= 0; i++) {
		aion_spawn_into(&group, &handle, NULL, child_ends, NULL);
		result = aion_await(&handle.future);
	}
	return aion_group_leave(&group, result);
}

#define MANY_NR 100

static int64_t spawn_many(void *arg)
{
	struct aion_group group;
	int64_t result = 0;

	(void)arg;
	for (uint64_t i = 0; i < run.nr && result >= 0; i++) {
		if (i % MANY_NR == 0)
			aion_group_enter(&group);
		aion_spawn(&group, child_ends, NULL);
		if (i % MANY_NR == MANY_NR - 1)
			result = aion_group_leave(&group, 0);
	}
	return result;
}

static int64_t timer_arm_cancel(void *arg)
{
	struct aion_timer *timers = calloc(MANY_NR, sizeof(*timers));
	int64_t result = timers ? 0 : -ENOMEM, now_ns = aion_after(AION_SECOND);

	(void)arg;
	for (unsigned k = 0; k < MANY_NR && timers; k++)
		aion_timer_init(&timers[k]);
	for (uint64_t i = 0; i < run.nr && result >= 0; i += MANY_NR) {
		for (unsigned k = 0; k < MANY_NR && result >= 0; k++)
			result = aion_timer_arm(&timers[k], now_ns + k * AION_MILLISECOND);
		for (unsigned k = 0; k < MANY_NR; k++)
			aion_timer_cancel(&timers[k]);
	}
	free(timers);
	return result;
}

static int64_t queue_put_all(void *arg)
{
	int64_t result = 0;

	(void)arg;
	for (uint64_t i = 0; i < run.nr && result >= 0; i++)
		result = aion_queue_put(&run.queue, &run);
	return result;
}

static int64_t queue_one_to_one(void *arg)
{
	struct aion_group group;
	int64_t result = 0;
	void *item;

	(void)arg;
	aion_group_enter(&group);
	aion_spawn(&group, queue_put_all, NULL);
	for (uint64_t i = 0; i < run.nr && result >= 0; i++)
		result = aion_queue_get(&run.queue, &item);
	return aion_group_leave(&group, result);
}

static int64_t see_nothing(struct aion_chunk *chunk, void *arg)
{
	(void)chunk;
	(void)arg;
	return 0;
}

/* A cached file of NR blocks, a chunk each. */
static int64_t chunk_turns(void *arg)
{
	const struct aion_source source = {.fd = run.fd, .size = (int64_t)run.nr * 4096};
	const struct aion_chunk_options options = {.chunk_size = 4096};
	int64_t result = aion_chunk_process(&source, 1, see_nothing, NULL, &options);

	(void)arg;
	return result < 0 || result == source.size ? result : -EIO;
}

/* A message comes to a connection, which sends it back. The peer is this task, too, by plain system calls. */
static int64_t echo_once(struct aion_conn *conn, int peer_fd)
{
	struct aion_buffer *buffer;
	char bytes[64] = {0};
	int64_t result;

	if (send(peer_fd, bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -EIO;
	result = aion_conn_recv(conn, &buffer);
	if (result > 0)
		result = aion_conn_send_buffer(conn, buffer);
	if (result == 0 && recv(peer_fd, bytes, sizeof(bytes), MSG_DONTWAIT) != sizeof(bytes))
		result = -EIO;
	return result;
}

static int64_t echo_message(void *arg)
{
	struct aion_conn conn = {0};
	int64_t result;
	int fds[2];

	(void)arg;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	result = aion_conn_open(&conn, fds[0]);
	for (uint64_t i = 0; i < run.nr && result >= 0; i++)
		result = echo_once(&conn, fds[1]);
	aion_conn_close(&conn);
	close(fds[1]);
	return result;
}

static int64_t step_nop(void)
{
	return aion_nop();
}

static const struct path paths[] = {
	{"nop_1", side_by_side, 1, step_nop},
	{"nop_8", side_by_side, 8, step_nop},
	{"nop_32", side_by_side, 32, step_nop},
	{"nop_128", side_by_side, 128, step_nop},
	{"read_8", side_by_side, 8, step_read},
	{"yield_2", side_by_side, 2, step_yield},
	{"yield_1000", side_by_side, 1000, step_yield},
	{"scope_with_deadline", side_by_side, 1, step_scope},
	{"mutex", side_by_side, 1, step_mutex},
	{"spawn_by_handle", spawn_by_handle, 1, NULL},
	{"spawn_many", spawn_many, 1, NULL},
	{"timer_arm_cancel", timer_arm_cancel, 1, NULL},
	{"queue", queue_one_to_one, 1, NULL},
	{"chunk_turn", chunk_turns, 1, NULL},
	{"echo_message", echo_message, 1, NULL},
};

#define PATH_NR (sizeof(paths) / sizeof(paths[0]))
#define NR_MAX 32000

static void prepare(void)
{
	aion_mutex_init(&run.mutex);
	if (aion_queue_init(&run.queue, AION_QUEUE_FIFO, 64) < 0)
		perf_die("aion_queue_init", -ENOMEM);
	run.fd = memfd_create("hot_paths", MFD_CLOEXEC);
	if (run.fd < 0 || ftruncate(run.fd, (off_t)NR_MAX * 4096) < 0)
		perf_die("memfd_create", -errno);
}

static void go_through(const char *name, const char *times)
{
	struct aion_loop *loop;

	for (size_t i = 0; i < PATH_NR; i++) {
		if (strcmp(paths[i].name, name) == 0)
			run.path = &paths[i];
	}
	run.nr = strtoull(times, NULL, 10);
	if (!run.path || !run.nr || run.nr % run.path->task_nr || run.nr % MANY_NR || run.nr > NR_MAX)
		perf_die("hot_paths NAME NR", -EINVAL);
	run.nr /= run.path->task_nr;
	prepare();
	loop = perf_loop_create();
	perf_loop_run(loop, run.path->main, NULL);
	aion_loop_destroy(loop);
}

int main(int argc, char **argv)
{
	if (argc == 3) {
		go_through(argv[1], argv[2]);
	} else if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (size_t i = 0; i < PATH_NR; i++)
			puts(paths[i].name);
	} else if (argc == 2 && strcmp(argv[1], "--versions") == 0) {
#if defined(__clang__)
		puts("compiler " __VERSION__);
#else
		puts("compiler gcc " __VERSION__);
#endif
		printf("libc glibc %s\n", gnu_get_libc_version());
	} else {
		fputs("usage: hot_paths NAME NR | --list | --versions\n", stderr);
		return 2;
	}
	return 0;
}
