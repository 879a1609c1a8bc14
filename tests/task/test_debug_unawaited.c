/* SPDX-License-Identifier: MIT */
/* Debug mode: results that nobody received. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "test_task.h"

static char lines[8192];

static void collect(const char *line, void *unused)
{
	size_t size = strlen(lines);

	snprintf(lines + size, sizeof(lines) - size, "%s\n", line);
}

static void listen_in(void)
{
	lines[0] = 0;
	aion_diag_set(collect, NULL);
}

TestSuite(debug_unawaited, .init = listen_in);

static const struct aion_loop_options debug_options = {.debug = true, .debug_slow_ns = 1000 * AION_SECOND};

/* fn in a named task of a debugged loop; what is told. */
static const char *told_of(aion_fn *fn)
{
	cr_assert_eq(aion_run(fn, NULL, &debug_options), 0);
	return lines;
}

static void let_end(struct aion_op *op)
{
	while (aion_op_is_in_flight(op))
		aion_yield();
}

static int64_t forget_op(void *unused)
{
	struct aion_op op = {0};

	aion_op_nop(&op);
	let_end(&op);
	return 0;
}

Test(debug_unawaited, an_operation_that_nobody_awaits)
{
	cr_assert_str_eq(told_of(forget_op),
			 "task \"main\" ended without having awaited its operation NOP on descriptor "
			 "-1, whose result was 0\n");
}

static int64_t forget_in_child(void *unused)
{
	struct aion_spawn_options options = {.name = "forgetful"};
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn_with(&group, &options, forget_op, NULL);
	aion_group_leave(&group, 0);
	cr_assert_not_null(strstr(lines, "task \"forgetful\" ended without having awaited"), "at its end: %s", lines);
	return 0;
}

Test(debug_unawaited, it_is_told_at_the_task_s_end)
{
	told_of(forget_in_child);
}

/* Every way to receive, early and late. */
static int64_t receive_in_all_ways(void *unused)
{
	struct aion_op ops[6] = {0};
	struct aion_future *futures[] = {&ops[2].future, &ops[3].future};
	struct aion_op early = {0};
	int64_t results[2];

	for (int i = 0; i < 6; i++)
		aion_op_nop(&ops[i]);
	aion_op_nop(&early);
	cr_assert_eq(aion_await(&early.future), 0);
	for (int i = 0; i < 6; i++)
		let_end(&ops[i]);
	cr_assert_eq(aion_await(&ops[0].future), 0);
	cr_assert_eq(aion_op_wait(&ops[1]), 0);
	cr_assert_eq(aion_gather(futures, 2, results), 0);
	aion_op_reap(&ops[4]);
	futures[0] = &ops[5].future;
	cr_assert_eq(aion_wait(futures, 1, AION_WAIT_ALL), 1);
	return 0;
}

Test(debug_unawaited, every_way_to_receive_counts)
{
	cr_assert_str_empty(told_of(receive_in_all_ways), "%s", lines);
}

static int64_t reap_error(void *unused)
{
	AION_CLEANUP(aion_op_reap) struct aion_op op = {0};

	aion_op_poll(&op, 4711, POLLIN);
	let_end(&op);
	return 0;
}

Test(debug_unawaited, an_error_that_is_reaped)
{
	cr_assert_str_eq(
		told_of(reap_error),
		"nobody received the error -9 of operation POLL_ADD on descriptor 4711, reaped by task \"main\"\n");
}

static int64_t reap_all_that_is_well(void *unused)
{
	AION_CLEANUP(aion_op_reap) struct aion_op cancelled = {0};
	AION_CLEANUP(aion_op_reap) struct aion_op received = {0};
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	aion_op_poll(&cancelled, fds[0], POLLIN);
	aion_op_poll(&received, 4711, POLLIN);
	cr_assert_eq(aion_await(&received.future), -EBADF);
	aion_op_reap(&cancelled);
	close(fds[0]);
	close(fds[1]);
	return 0;
}

Test(debug_unawaited, a_cancelled_or_received_one_may_be_reaped)
{
	cr_assert_str_empty(told_of(reap_all_that_is_well), "%s", lines);
}

static int64_t lose_future(void *unused)
{
	struct aion_future future;

	aion_future_init(&future);
	aion_future_complete(&future, -EIO);
	aion_future_fini(&future);
	return 0;
}

static int64_t lose_promise(void *unused)
{
	struct aion_promise *promise;

	aion_promise_create(&promise);
	aion_promise_complete(promise, -EIO);
	while (!aion_future_is_done(aion_promise_future(promise)))
		aion_yield();
	aion_promise_release(promise);
	return 0;
}

Test(debug_unawaited, errors_of_futures_and_promises)
{
	cr_assert_str_eq(told_of(lose_future), "nobody received the error -5 of a future, dropped in task \"main\"\n");
	lines[0] = 0;
	cr_assert_str_eq(told_of(lose_promise),
			 "nobody received the error -5 of a promise, dropped in task \"main\"\n");
}

static int64_t lose_nothing(void *unused)
{
	struct aion_future awaited, gathered, good, pending;
	struct aion_future *futures[] = {&gathered};

	aion_future_init(&awaited);
	aion_future_init(&gathered);
	aion_future_init(&good);
	aion_future_init(&pending);
	aion_future_complete(&awaited, -EIO);
	aion_future_complete(&gathered, -EIO);
	aion_future_complete(&good, 0);
	cr_assert_eq(aion_await(&awaited), -EIO);
	cr_assert_eq(aion_gather(futures, 1, NULL), -EIO);
	aion_future_fini(&awaited);
	aion_future_fini(&gathered);
	aion_future_fini(&good);
	aion_future_fini(&pending);
	return 0;
}

Test(debug_unawaited, received_errors_and_good_results_are_not_told)
{
	cr_assert_str_empty(told_of(lose_nothing), "%s", lines);
}

Test(debug_unawaited, nothing_is_told_without_debug_mode)
{
	const struct aion_loop_options options = {0};

	unsetenv("AION_DEBUG");
	cr_assert_eq(aion_run(forget_op, NULL, &options), 0);
	cr_assert_eq(aion_run(reap_error, NULL, &options), 0);
	cr_assert_eq(aion_run(lose_future, NULL, &options), 0);
	cr_assert_str_empty(lines, "%s", lines);
}
