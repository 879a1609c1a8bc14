/* SPDX-License-Identifier: MIT */
/* Functions in worker processes. The test program itself is what the workers execute. */
#include <signal.h>
#include <sys/wait.h>

#include "process_pool_int.h"
#include "test_file.h"
#include "test_task.h"

#define KERNEL() TEST_NEEDS_KERNEL("workers are real processes")

/* ---- in the workers */

static int64_t echo(struct aion_process_call *call)
{
	call->reply_size = call->request_size < call->reply_room ? call->request_size : call->reply_room;
	memcpy(call->reply, call->request, call->reply_size);
	return (int64_t)call->request_size;
}

static int64_t own_pid(struct aion_process_call *call)
{
	return getpid();
}

static int64_t fail(struct aion_process_call *call)
{
	return -ERANGE;
}

static int64_t die(struct aion_process_call *call)
{
	raise(SIGKILL);
	return 0;
}

static int64_t leave(struct aion_process_call *call)
{
	exit(3);
}

static int64_t lie(struct aion_process_call *call)
{
	signal(SIGABRT, SIG_DFL);
	call->reply_size = call->reply_room + 1;
	return 0;
}

/* Says that it has begun, then never ends. */
static int64_t hang(struct aion_process_call *call)
{
	int fd = open(call->request, O_WRONLY);

	if (write(fd, "x", 1) != 1)
		return -EIO;
	for (;;)
		pause();
}

/* Ends when there is a reader. */
static int64_t open_fifo(struct aion_process_call *call)
{
	int fd = open(call->request, O_WRONLY);

	return write(fd, "x", 1);
}

static const struct aion_process_entry entries[] = {
	{"echo", echo}, {"own_pid", own_pid}, {"fail", fail},           {"die", die}, {"leave", leave},
	{"lie", lie},   {"hang", hang},       {"open_fifo", open_fifo}, {NULL, NULL},
};

static __attribute__((constructor)) void serve(int argc, char **argv)
{
	aion_process_pool_serve(argc, argv, entries);
}

/* ---- here */

/* valgrind does not follow to /proc/self/exe, which it is itself. */
static const char *test_program(void)
{
#ifdef AION_VALGRIND
	static char path[4096];

	cr_assert_gt(readlink("/proc/self/exe", path, sizeof(path) - 1), 0);
	return path;
#else
	return NULL;
#endif
}

#define POOL(nr)                                                                                                       \
	AION_CLEANUP(aion_process_pool_close) struct aion_process_pool pool = {0};                                     \
	KERNEL();                                                                                                      \
	assert_result(aion_process_pool_open(                                                                          \
			      &pool, &(struct aion_process_pool_options){.worker_nr = nr, .program = test_program()}), \
		      0)

static int64_t call(struct aion_process_pool *pool, const char *name)
{
	return aion_process_pool_call(pool, name, NULL, 0, NULL, 0, NULL);
}

TASK_TEST(process_pool, a_function_answers)
{
	char reply[8] = "........";
	size_t reply_size;
	POOL(1);

	assert_result(aion_process_pool_call(&pool, "echo", "hello", 5, reply, 8, &reply_size), 5);
	cr_assert_eq(reply_size, 5);
	cr_assert_eq(memcmp(reply, "hello...", 8), 0);
	assert_result(aion_process_pool_call(&pool, "echo", "hello", 5, reply, 2, &reply_size), 5);
	cr_assert_eq(reply_size, 2);
	assert_result(call(&pool, "echo"), 0);
	assert_result(call(&pool, "fail"), -ERANGE);
	assert_result(call(&pool, "no such function"), -ENOSYS);
	cr_assert_eq(pool.spawn_nr, 1);
	cr_assert_neq(call(&pool, "own_pid"), getpid());
}

/* The sockets then have numbers of standard descriptors here, which the worker has for something else. */
TASK_TEST(process_pool, works_where_standard_descriptors_are_closed)
{
	int64_t results[4];
	int saved[3];

	for (int closed_nr = 0; closed_nr < 4; closed_nr++) {
		POOL(1);

		for (int i = 0; i < closed_nr; i++) {
			saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
			close(i);
		}
		results[closed_nr] = aion_process_pool_call(&pool, "echo", "hello", 5, NULL, 0, NULL);
		aion_process_pool_close(&pool);
		for (int i = 0; i < closed_nr; i++)
			cr_assert_eq(dup2(saved[i], i), i);
		for (int i = 0; i < closed_nr; i++)
			close(saved[i]);
	}
	for (int i = 0; i < 4; i++)
		assert_result(results[i], 5);
}

TASK_TEST(process_pool, large_messages_go_both_ways)
{
	const size_t size = (size_t)8 << 20;
	char *request = malloc(size), *reply = malloc(size);
	size_t reply_size;
	POOL(1);

	test_fill(request, size, 0);
	assert_result(aion_process_pool_call(&pool, "echo", request, size, reply, size, &reply_size), (int64_t)size);
	cr_assert_eq(reply_size, size);
	cr_assert(test_is_filled(reply, size, 0));
	assert_result(aion_process_pool_call(&pool, "echo", request, AION_PROCESS_MESSAGE_MAX + 1, NULL, 0, NULL),
		      -EMSGSIZE);
	assert_result(aion_process_pool_call(&pool, "echo", NULL, 0, reply, AION_PROCESS_MESSAGE_MAX + 1, NULL),
		      -EMSGSIZE);
	free(request);
	free(reply);
}

TASK_TEST(process_pool, a_worker_that_dies_is_replaced)
{
	int64_t pid;
	POOL(1);

	pid = call(&pool, "own_pid");
	assert_result(call(&pool, "own_pid"), pid);
	assert_result(call(&pool, "die"), -EPIPE);
	cr_assert_neq(call(&pool, "own_pid"), pid);
	assert_result(call(&pool, "leave"), -EPIPE);
	assert_result(call(&pool, "lie"), -EPIPE);
	assert_result(call(&pool, "echo"), 0);
	cr_assert_eq(pool.spawn_nr, 4);
}

TASK_TEST(process_pool, one_that_dies_between_calls_is_nobody_s_loss)
{
	siginfo_t info;
	int64_t pid;
	POOL(1);

	pid = call(&pool, "own_pid");
	kill((pid_t)pid, SIGKILL);
	cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_result(call(&pool, "echo"), 0);
	cr_assert_eq(pool.spawn_nr, 2);
}

/* ---- several calls */

struct caller {
	struct aion_process_pool *pool;
	const char *name;
	const void *request;
	int number;
	int *next;
	int order;                  /* in which it was answered */
	struct aion_handle *victim; /* cancelled then */
};

static int64_t call_task(void *arg)
{
	struct caller *caller = arg;
	int64_t result;

	result = aion_process_pool_call(caller->pool, caller->name, caller->request,
					caller->request ? strlen(caller->request) + 1 : 0, NULL, 0, NULL);
	caller->order = (*caller->next)++;
	return result;
}

TASK_TEST(process_pool, waiting_calls_are_served_in_their_order)
{
	struct aion_handle handles[20];
	struct caller callers[20];
	struct aion_group group;
	int next = 0;
	POOL(1);

	aion_group_enter(&group);
	for (int i = 0; i < 20; i++) {
		callers[i] = (struct caller){&pool, "echo", NULL, i, &next, -1, NULL};
		aion_spawn_into(&group, &handles[i], NULL, call_task, &callers[i]);
	}
	aion_yield();
	aion_handle_cancel(&handles[7]);
	aion_handle_cancel(&handles[19]);
	assert_result(aion_group_leave(&group, 0), 0);
	for (int i = 0; i < 20; i++)
		assert_result(handles[i].future.result, i == 7 || i == 19 ? -ECANCELED : 0);
	for (int i = 1; i < 19; i++)
		if (i != 7 && i != 8)
			cr_assert_gt(callers[i].order, callers[i - 1].order);
	cr_assert_eq(pool.spawn_nr, 1);
}

static int64_t call_and_cancel(void *arg)
{
	struct caller *caller = arg;
	int64_t result = call_task(arg);

	aion_handle_cancel(caller->victim);
	return result;
}

/* The first hands over to the second, which is cancelled before it runs. */
TASK_TEST(process_pool, a_worker_handed_to_who_was_cancelled_goes_on_to_the_next)
{
	struct aion_handle handles[3];
	struct caller callers[3];
	struct aion_group group;
	int next = 0;
	POOL(1);

	aion_group_enter(&group);
	for (int i = 0; i < 3; i++)
		callers[i] = (struct caller){&pool, "echo", NULL, i, &next, -1, &handles[1]};
	aion_spawn_into(&group, &handles[0], NULL, call_and_cancel, &callers[0]);
	for (int i = 1; i < 3; i++)
		aion_spawn_into(&group, &handles[i], NULL, call_task, &callers[i]);
	aion_yield();
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(handles[1].future.result, -ECANCELED);
	assert_result(handles[2].future.result, 0);
	cr_assert_eq(pool.spawn_nr, 1);
}

TASK_TEST(process_pool, has_no_more_workers_than_allowed)
{
	struct caller callers[30];
	struct aion_group group;
	int next = 0;
	POOL(3);

	aion_group_enter(&group);
	for (int i = 0; i < 30; i++) {
		callers[i] = (struct caller){&pool, "echo", NULL, i, &next, -1, NULL};
		aion_spawn(&group, call_task, &callers[i]);
	}
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(next, 30);
	cr_assert_eq(pool.spawn_nr, 3);
}

/* The fifo tells that the worker is at it. */
TASK_TEST(process_pool, a_cancelled_call_ends_its_worker)
{
	struct aion_handle handle;
	struct aion_group group;
	struct caller caller;
	int next = 0;
	char byte;
	int fd;
	TEST_DIR();
	POOL(1);

	cr_assert_eq(mkfifo("fifo", 0600), 0);
	caller = (struct caller){&pool, "hang", "fifo", 0, &next, -1, NULL};
	fd = open("fifo", O_RDWR | O_CLOEXEC);
	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, call_task, &caller);
	assert_result(aion_read(fd, &byte, 1), 1);
	aion_handle_cancel(&handle);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(handle.future.result, -ECANCELED);
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
	assert_result(call(&pool, "echo"), 0);
	close(fd);
}

static int64_t close_pool(void *pool)
{
	aion_process_pool_close(pool);
	return 0;
}

TASK_TEST(process_pool, close_drains_and_refuses)
{
	struct aion_handle handles[3];
	struct caller callers[3];
	struct aion_group group;
	int next = 0;
	char bytes[3];
	int fd, free_fd = dup(0);
	TEST_DIR();
	struct aion_process_pool pool = {0};

	KERNEL();
	close(free_fd);
	assert_result(aion_process_pool_open(
			      &pool, &(struct aion_process_pool_options){.worker_nr = 1, .program = test_program()}),
		      0);
	cr_assert_eq(mkfifo("fifo", 0600), 0);
	aion_group_enter(&group);
	for (int i = 0; i < 3; i++) {
		callers[i] = (struct caller){&pool, "open_fifo", "fifo", i, &next, -1, NULL};
		aion_spawn_into(&group, &handles[i], NULL, call_task, &callers[i]);
	}
	aion_yield();
	aion_spawn(&group, close_pool, &pool);
	aion_yield();
	assert_result(call(&pool, "echo"), -ESHUTDOWN);
	fd = open("fifo", O_RDWR | O_CLOEXEC);
	assert_result(aion_read_exact(fd, bytes, 3, NULL), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	for (int i = 0; i < 3; i++)
		assert_result(handles[i].future.result, 1);
	assert_result(call(&pool, "echo"), -ESHUTDOWN);
	close(fd);
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
	cr_assert_eq(dup(0), free_fd);
}

static int64_t close_pool_and_look(void *arg)
{
	struct aion_process_pool *pool = arg;

	aion_process_pool_close(pool);
	return pool->is_open;
}

/* The third is cancelled, and waits nevertheless. */
TASK_TEST(process_pool, every_close_waits_for_the_end)
{
	struct aion_handle handles[4];
	struct aion_group group;
	struct caller caller;
	char byte;
	int next = 0, fd;
	TEST_DIR();
	POOL(1);

	cr_assert_eq(mkfifo("fifo", 0600), 0);
	caller = (struct caller){&pool, "open_fifo", "fifo", 0, &next, -1, NULL};
	aion_group_enter(&group);
	aion_spawn_into(&group, &handles[0], NULL, call_task, &caller);
	aion_yield();
	for (int i = 1; i < 4; i++)
		aion_spawn_into(&group, &handles[i], NULL, close_pool_and_look, &pool);
	aion_yield();
	aion_handle_cancel(&handles[3]);
	fd = open("fifo", O_RDWR | O_CLOEXEC);
	assert_result(aion_read_exact(fd, &byte, 1, NULL), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(handles[0].future.result, 1);
	for (int i = 1; i < 4; i++)
		assert_result(handles[i].future.result, 0);
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
	close(fd);
}

TASK_TEST(process_pool, tells_why_there_is_no_worker)
{
	AION_CLEANUP(aion_process_pool_close) struct aion_process_pool pool = {0};
	const struct aion_process_pool_options nowhere = {.program = "/nowhere", .worker_nr = 1};
	const struct aion_process_pool_options another = {.program = "/bin/true", .worker_nr = 1};

	KERNEL();
	assert_result(aion_process_pool_open(&pool, &nowhere), 0);
	assert_result(call(&pool, "echo"), -ENOENT);
	assert_result(call(&pool, "echo"), -ENOENT);
	aion_process_pool_close(&pool);
	assert_result(aion_process_pool_open(&pool, &another), 0);
	assert_result(call(&pool, "echo"), -EPIPE);
}

/* Its workers would run its main, make a pool, and so on. */
TASK_TEST(process_pool, refuses_a_program_that_does_not_serve)
{
	struct aion_process_pool pool = {0};

	aion__process_pool_is_served = false;
	assert_result(aion_process_pool_open(&pool, NULL), -EOPNOTSUPP);
	cr_assert_not(pool.is_open);
}

static int in_forked_child(void *unused)
{
	struct aion_process_pool pool = {0};

	if (aion_process_pool_open(&pool, NULL) != -ECHILD || pool.is_open)
		return 1;
	return call(&pool, "echo") == -ECHILD ? 0 : 2;
}

TASK_TEST(process_pool, a_forked_child_has_none)
{
	KERNEL();
	cr_assert_eq(test_in_child(in_forked_child, NULL), 0);
}

TASK_TEST(process_pool, in_a_cancelled_scope_has_no_effect)
{
	struct aion_scope scope;
	POOL(1);

	test_enter_cancelled(&scope);
	assert_result(call(&pool, "echo"), -ECANCELED);
	aion_scope_leave(&scope);
	cr_assert_eq(pool.spawn_nr, 0);
}

Test(process_pool, outside_of_tasks_is_refused)
{
	struct aion_process_pool pool = {0};

	assert_result(aion_process_pool_open(&pool, NULL), -EBUSY);
	assert_result(call(&pool, "echo"), -EBUSY);
}

static int64_t open_twice(void *unused)
{
	struct aion_process_pool pool = {0};

	aion_process_pool_open(&pool, NULL);
	return aion_process_pool_open(&pool, NULL);
}

Test(process_pool, opening_twice_aborts)
{
	test_task_aborts(open_twice, "process pool opened while open");
}
