/* SPDX-License-Identifier: MIT */
/* Talking to children: everything at once, nothing lost, nothing held up. */
#include <signal.h>

#include "test_file.h"

#define KERNEL() TEST_NEEDS_KERNEL("children are real processes")
#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SHELL(script) ARGV("/bin/sh", "-c", script)
#define LARGE_SIZE ((size_t)3 << 20) /* bytes, many times what a pipe holds */

static const struct aion_process_options pipes = {
	.in = {AION_STDIO_PIPE, 0}, .out = {AION_STDIO_PIPE, 0}, .err = {AION_STDIO_PIPE, 0}, .grace_ns = -1};

TASK_TEST(process_talk, feeds_and_collects)
{
	struct aion_process_output out = {0}, err = {0};

	KERNEL();
	assert_result(aion_process_run(SHELL("tr a-z A-Z; echo oh >&2; exit 3"), NULL, "hello", 5, &out, &err), 3);
	cr_assert_str_eq(out.data, "HELLO");
	cr_assert_eq(out.size, 5);
	cr_assert_str_eq(err.data, "oh\n");
	cr_assert_eq(out.dropped + err.dropped, 0);
	aion_process_output_free(&out);
	aion_process_output_free(&err);
	cr_assert_null(out.data);
}

/* Whoever writes everything before he reads anything stands still here. */
TASK_TEST(process_talk, large_input_and_output_hold_up_neither)
{
	struct aion_process_output out = {0}, err = {0};
	char *input = malloc(LARGE_SIZE);

	KERNEL();
	test_fill(input, LARGE_SIZE, 0);
	assert_result(aion_process_run(SHELL("tee /dev/stderr"), NULL, input, LARGE_SIZE, &out, &err), 0);
	cr_assert_eq(out.size, LARGE_SIZE);
	cr_assert_eq(err.size, LARGE_SIZE);
	cr_assert(test_is_filled(out.data, LARGE_SIZE, 0));
	cr_assert(test_is_filled(err.data, LARGE_SIZE, 0));
	aion_process_output_free(&out);
	aion_process_output_free(&err);
	free(input);
}

TASK_TEST(process_talk, keeps_no_more_than_asked_and_counts_the_rest)
{
	struct aion_process_output out = {.max = 1000};

	KERNEL();
	assert_result(aion_process_run(SHELL("head -c 300000 /dev/zero | tr '\\0' x"), NULL, NULL, 0, &out, NULL), 0);
	cr_assert_eq(out.size, 1000);
	cr_assert_eq(out.dropped, 299000);
	cr_assert_eq(strspn(out.data, "x"), 1000);
	aion_process_output_free(&out);
	cr_assert_eq(out.max, 1000);
}

TASK_TEST(process_talk, adds_to_what_is_there)
{
	struct aion_process_output out = {0};

	KERNEL();
	assert_result(aion_process_run(SHELL("echo one"), NULL, NULL, 0, &out, NULL), 0);
	assert_result(aion_process_run(SHELL("echo two"), NULL, NULL, 0, &out, NULL), 0);
	cr_assert_str_eq(out.data, "one\ntwo\n");
	aion_process_output_free(&out);
}

TASK_TEST(process_talk, reads_what_nobody_wants)
{
	struct aion_process process = {0};

	KERNEL();
	assert_result(
		aion_process_spawn(&process, SHELL("head -c 200000 /dev/zero; head -c 200000 /dev/zero >&2"), &pipes),
		0);
	assert_result(aion_process_communicate(&process, NULL, 0, NULL, NULL), 0);
	cr_assert_eq(process.in, -1);
	cr_assert_eq(process.out, -1);
	cr_assert_eq(process.err, -1);
	aion_process_close(&process);
}

TASK_TEST(process_talk, a_child_may_leave_its_input_unread)
{
	char *input = calloc(1, LARGE_SIZE);

	KERNEL();
	assert_result(aion_process_run(SHELL("exit 4"), NULL, input, LARGE_SIZE, NULL, NULL), 4);
	free(input);
}

/* Case 72. */
TASK_TEST(process_talk, a_killed_child_has_its_pipes_drained)
{
	struct aion_process_output out = {0};
	int64_t result;
	int next = dup(0);

	KERNEL();
	close(next);
	result = aion_process_run(SHELL("head -c 100000 /dev/zero | tr '\\0' y; kill -KILL $$"), NULL, NULL, 0, &out,
				  NULL);
	assert_result(result, AION_PROCESS_KILLED + SIGKILL);
	cr_assert_eq(out.size, 100000);
	cr_assert_eq(dup(0), next);
	aion_process_output_free(&out);
}

/* What was collected until then stays, and the child, too. */
TASK_TEST(process_talk, a_deadline_keeps_what_has_come)
{
	struct aion_process_output out = {0};
	struct aion_process process = {0};
	struct aion_scope scope;
	char line[8];

	KERNEL();
	assert_result(aion_process_spawn(&process, SHELL("echo begun; echo begun >&2; exec cat"), &pipes), 0);
	assert_result(aion_read_exact(process.err, line, 6, NULL), 0);
	aion_scope_enter(&scope, aion_after(10 * AION_SECOND));
	assert_result(aion_process_communicate(&process, "x", 1, &out, NULL), 0);
	assert_result(aion_scope_leave(&scope), 0);
	cr_assert_str_eq(out.data, "begun\nx");
	aion_process_close(&process);
	aion_process_output_free(&out);

	assert_result(aion_process_spawn(&process, SHELL("echo begun; exec sleep 1000"), &pipes), 0);
	aion_scope_enter(&scope, aion_after(AION_SECOND));
	assert_result(aion_process_communicate(&process, NULL, 0, &out, NULL), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert_str_eq(out.data, "begun\n");
	assert_result(aion_process_send_signal(&process, 0), 0);
	aion_process_close(&process);
	assert_result(process.result, AION_PROCESS_KILLED + SIGKILL);
	aion_process_output_free(&out);
}

static int64_t answer(void *arg)
{
	const struct aion_process *process = arg;
	char text[6];

	for (int i = 0; i < 100; i++) {
		assert_result(aion_write_all(process->in, "ping\n", 5, NULL), 0);
		assert_result(aion_read_exact(process->out, text, 5, NULL), 0);
		cr_assert_eq(memcmp(text, "ping\n", 5), 0);
	}
	return 0;
}

TASK_TEST(process_talk, tasks_talk_over_the_pipes_themselves)
{
	struct aion_process process = {0};

	KERNEL();
	assert_result(aion_process_spawn(&process, ARGV("cat"), &pipes), 0);
	answer(&process);
	aion_fd_closep(&process.in);
	assert_result(aion_process_wait(&process), 0);
	aion_process_close(&process);
}
