/* SPDX-License-Identifier: MIT */
/* Receiving from a stream: what is lent, what ends it, who waits. */
#include "test_inlet.h"

#include "fault_int.h"

#define OPEN_INLET(name, pair)                                                                                         \
	AION_CLEANUP(aion_inlet_close) struct aion_inlet name = {0};                                                   \
	cr_assert_eq(aion_inlet_open(&(name), (pair).fds[0]), 0)

TASK_TEST(inlet_receive, lends_what_has_come)
{
	struct test_pair pair = test_pair_unix();
	struct aion_buffer *buffer = NULL, *next = NULL;

	OPEN_INLET(inlet, pair);
	assert_result(aion_inlet_try_next(&inlet, &buffer), -EAGAIN);
	test_say(pair, "hello");
	assert_result(aion_inlet_next(&inlet, &buffer), 5);
	cr_assert_eq(buffer->size, 5);
	test_say(pair, "world!");
	assert_result(aion_inlet_next(&inlet, &next), 6);
	cr_assert_arr_eq(buffer->data, "hello", 5);
	cr_assert_arr_eq(next->data, "world!", 6);
	cr_assert(aion_future_is_done(&next->future));
	aion_buffer_release(next);
	aion_buffer_release(buffer);
	cr_assert_eq(test_group(AION__GROUP_SMALL)->taken_nr, 0);
	aion_inlet_close(&inlet);
	test_pair_close(pair);
}

TASK_TEST(inlet_receive, an_idle_one_holds_no_buffer_and_little_memory)
{
	struct test_pair pair = test_pair_tcp();

	OPEN_INLET(inlet, pair);
	test_say(pair, "x");
	test_hear(&inlet, "x");
	test_let_come();
	cr_assert_eq(inlet.held_nr, 0);
	cr_assert_eq(test_group(AION__GROUP_SMALL)->taken_nr, 0);
	cr_assert_leq(sizeof(inlet), 256);
	aion_inlet_close(&inlet);
	test_pair_close(pair);
}

TASK_TEST(inlet_receive, the_end_comes_behind_the_last_bytes_and_stays)
{
	struct test_pair pair = test_pair_tcp();
	struct aion_buffer *buffer;

	OPEN_INLET(inlet, pair);
	test_say(pair, "last");
	cr_assert_eq(shutdown(pair.fds[1], SHUT_WR), 0);
	test_let_come();
	test_hear(&inlet, "last");
	for (int i = 0; i < 3; i++)
		assert_result(aion_inlet_next(&inlet, &buffer), 0);
	assert_result(aion_inlet_try_next(&inlet, &buffer), 0);
	/* The other direction is still open. */
	assert_result(send(pair.fds[0], "back", 4, MSG_NOSIGNAL), 4);
	aion_inlet_close(&inlet);
	test_pair_close(pair);
}

TASK_TEST(inlet_receive, a_reset_comes_behind_what_was_received_and_stays)
{
	struct test_pair pair = test_pair_tcp();
	struct linger linger = {.l_onoff = 1};
	struct aion_buffer *buffer;

	OPEN_INLET(inlet, pair);
	test_say(pair, "before");
	test_let_come();
	cr_assert_eq(setsockopt(pair.fds[1], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	close(pair.fds[1]);
	test_let_come();
	test_hear(&inlet, "before");
	assert_result(aion_inlet_next(&inlet, &buffer), -ECONNRESET);
	assert_result(aion_inlet_next(&inlet, &buffer), -ECONNRESET);
	aion_inlet_close(&inlet);
	close(pair.fds[0]);
}

TASK_TEST(inlet_receive, a_wait_that_is_cancelled_loses_nothing)
{
	struct test_pair pair = test_pair_tcp();
	struct aion_buffer *buffer;
	struct aion_scope scope;

	OPEN_INLET(inlet, pair);
	for (int i = 0; i < 5; i++) {
		aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
		assert_result(aion_inlet_next(&inlet, &buffer), -ECANCELED);
		assert_result(aion_scope_leave(&scope), -ETIME);
		test_say(pair, "kept");
		test_let_come();
		aion_scope_enter(&scope, AION_NEVER);
		aion_scope_cancel(&scope);
		assert_result(aion_inlet_next(&inlet, &buffer), -ECANCELED);
		aion_scope_leave(&scope);
		test_hear(&inlet, "kept");
	}
	aion_inlet_close(&inlet);
	test_pair_close(pair);
}

TASK_TEST(inlet_receive, copies_what_fits_and_keeps_the_rest)
{
	struct test_pair pair = test_pair_unix();
	struct aion_buffer *buffer;
	char text[8] = "";

	OPEN_INLET(inlet, pair);
	assert_result(aion_inlet_try_read(&inlet, text, 4), -EAGAIN);
	assert_result(aion_inlet_read(&inlet, text, 0), 0);
	test_say(pair, "abcdefgh");
	test_let_come();
	test_say(pair, "ij");
	test_let_come();
	assert_result(aion_inlet_read(&inlet, text, 3), 3);
	cr_assert_arr_eq(text, "abc", 3);
	/* What is left of a buffer may be borrowed; the next one is whole again. */
	assert_result(aion_inlet_next(&inlet, &buffer), 5);
	cr_assert_arr_eq(buffer->data, "defgh", 5);
	aion_buffer_release(buffer);
	test_say(pair, "kl");
	test_let_come();
	assert_result(aion_inlet_try_read(&inlet, text, 8), 4);
	cr_assert_arr_eq(text, "ijkl", 4);
	close(pair.fds[1]);
	assert_result(aion_inlet_read(&inlet, text, 8), 0);
	assert_result(aion_inlet_try_read(&inlet, text, 8), 0);
	aion_inlet_close(&inlet);
	close(pair.fds[0]);
}

TASK_TEST(inlet_receive, o_nonblock_changes_nothing)
{
	struct test_pair pair = test_pair_tcp();

	cr_assert_eq(fcntl(pair.fds[0], F_SETFL, O_NONBLOCK), 0);
	OPEN_INLET(inlet, pair);
	for (int i = 0; i < 10; i++) {
		char text[24];

		snprintf(text, sizeof(text), "number %d", i);
		test_say(pair, text);
		test_hear(&inlet, text);
	}
	close(pair.fds[1]);
	assert_result(aion_inlet_read(&inlet, (char[1]){0}, 1), 0);
	aion_inlet_close(&inlet);
	close(pair.fds[0]);
}

/* ---- ends from here */

static int64_t next_of(void *inlet)
{
	struct aion_buffer *buffer;

	return aion_inlet_next(inlet, &buffer);
}

TASK_TEST(inlet_receive, a_close_wakes_who_waits)
{
	struct test_pair pair = test_pair_tcp();
	struct aion_inlet inlet = {0};
	struct aion_handle waiter;
	struct aion_group group;
	struct aion_buffer *buffer;

	cr_assert_eq(aion_inlet_open(&inlet, pair.fds[0]), 0);
	aion_group_enter(&group);
	group.keeps_going = true;
	aion_spawn_into(&group, &waiter, NULL, next_of, &inlet);
	test_let_come();
	aion_inlet_close(&inlet);
	assert_result(aion_await(&waiter.future), -EBADF);
	assert_result(aion_inlet_next(&inlet, &buffer), -EBADF);
	assert_result(aion_inlet_try_next(&inlet, &buffer), -EBADF);
	assert_result(aion_inlet_read(&inlet, &buffer, 1), -EBADF);
	aion_inlet_close(&inlet);
	aion_group_leave(&group, 0);
	test_pair_close(pair);
}

TASK_TEST(inlet_receive, closing_the_descriptor_ends_it)
{
	struct test_pair pair = test_pair_tcp();
	struct aion_handle waiter;
	struct aion_group group;

	OPEN_INLET(inlet, pair);
	test_let_come();
	aion_group_enter(&group);
	group.keeps_going = true;
	aion_spawn_into(&group, &waiter, NULL, next_of, &inlet);
	test_let_come();
	assert_result(aion_close(pair.fds[0]), 0);
	assert_result(aion_await(&waiter.future), -EBADF);
	assert_result(next_of(&inlet), -EBADF);
	aion_group_leave(&group, 0);
	aion_inlet_close(&inlet);
	close(pair.fds[1]);
}

TASK_TEST(inlet_receive, what_is_no_socket_says_so)
{
	TEST_DIR();
	struct test_pair pair = {{test_file_make("f", 10), -1}};

	OPEN_INLET(inlet, pair);
	assert_result(next_of(&inlet), -ENOTSOCK);
	aion_inlet_close(&inlet);
	pair.fds[0] = 9999;
	cr_assert_eq(aion_inlet_open(&inlet, pair.fds[0]), 0);
	assert_result(next_of(&inlet), -EBADF);
	aion_inlet_close(&inlet);
}

/* A negative one, and one that no table should grow to. */
TASK_TEST(inlet_receive, a_number_that_is_not_open_says_so)
{
	const int fds[] = {-1, 1 << 30};

	for (int i = 0; i < 2; i++) {
		struct aion_inlet inlet = {0};
		struct aion_buffer *buffer;

		assert_result(aion_inlet_open(&inlet, fds[i]), 0);
		assert_result(aion_inlet_next(&inlet, &buffer), -EBADF);
		aion_inlet_close(&inlet);
	}
}

/* It is on nobody's account then, and goes back all the same. */
TASK_TEST(inlet_receive, buffers_may_be_given_back_after_the_close)
{
	struct test_pair pair = test_pair_unix();
	struct aion_buffer *buffer = NULL;
	struct aion_inlet inlet = {0};

	cr_assert_eq(aion_inlet_open(&inlet, pair.fds[0]), 0);
	test_say(pair, "lent");
	assert_result(aion_inlet_next(&inlet, &buffer), 4);
	test_say(pair, "never taken");
	test_let_come();
	aion_inlet_close(&inlet);
	memset(&inlet, 0xff, sizeof(inlet));
	cr_assert_arr_eq(buffer->data, "lent", 4);
	cr_assert_eq(test_group(AION__GROUP_SMALL)->taken_nr, 1);
	aion_buffer_release(buffer);
	cr_assert_eq(test_group(AION__GROUP_SMALL)->taken_nr, 0);
	test_pair_close(pair);
}

#ifdef AION_FAULTS
TASK_TEST(inlet_receive, want_of_memory_is_told_and_tried_again)
{
	TEST_NEEDS_KERNEL("faults are counted");
	struct test_pair pair = test_pair_tcp();
	struct aion_inlet inlet = {0};

	aion__fault_arm(AION__FAULT_ALLOC, 0, 1, -ENOMEM);
	cr_assert_eq(aion_inlet_open(&inlet, pair.fds[0]), -ENOMEM);
	aion__fault_arm(AION__FAULT_RING_REGISTER, 1, 1, -EINVAL);
	cr_assert_eq(aion_inlet_open(&inlet, pair.fds[0]), -EINVAL);
	cr_assert_eq(aion_inlet_open(&inlet, pair.fds[0]), 0);
	test_let_come();
	aion__fault_arm(AION__FAULT_CQE_RESULT, 0, 1, -ENOMEM);
	aion_op_cancel(&inlet.op);
	assert_result(next_of(&inlet), -ENOMEM);
	test_say(pair, "again");
	test_hear(&inlet, "again");
	aion_inlet_close(&inlet);
	test_pair_close(pair);
}
#endif

static int in_child(void *arg)
{
	struct aion_inlet *inlet = arg, second = {0};
	struct aion_buffer *buffer;

	if (aion_inlet_next(inlet, &buffer) != -ECHILD || aion_inlet_open(&second, inlet->fd) != -ECHILD)
		return 1;
	aion_inlet_close(inlet);
	return 0;
}

TASK_TEST(inlet_receive, a_forked_child_is_refused_and_does_no_harm)
{
	struct test_pair pair = test_pair_unix();

	OPEN_INLET(inlet, pair);
	test_let_come();
	cr_assert_eq(test_in_child(in_child, &inlet), 0);
	test_say(pair, "unharmed");
	test_hear(&inlet, "unharmed");
	aion_inlet_close(&inlet);
	test_pair_close(pair);
}

/* ---- misuse */

static int64_t release_twice(void *unused)
{
	struct test_pair pair = test_pair_unix();
	struct aion_buffer *buffer = NULL;
	struct aion_inlet inlet = {0};

	(void)unused;
	aion_inlet_open(&inlet, pair.fds[0]);
	test_say(pair, "x");
	aion_inlet_next(&inlet, &buffer);
	aion_buffer_release(buffer);
	aion_buffer_release(buffer);
	return 0;
}

static int64_t open_twice(void *unused)
{
	struct test_pair pair = test_pair_unix();
	struct aion_inlet inlet = {0};

	(void)unused;
	aion_inlet_open(&inlet, pair.fds[0]);
	aion_inlet_open(&inlet, pair.fds[0]);
	return 0;
}

Test(inlet_receive, misuse_aborts)
{
	test_task_aborts(release_twice, "given back twice");
	test_task_aborts(open_twice, "inlet opened while open");
}

Test(inlet_receive, needs_a_loop)
{
	struct aion_inlet inlet = {0};
	struct aion_buffer *buffer;

	cr_assert_eq(aion_inlet_open(&inlet, 0), -EBUSY);
	cr_assert_eq(aion_inlet_next(&inlet, &buffer), -EBUSY);
}
