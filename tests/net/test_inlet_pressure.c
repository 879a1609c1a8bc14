/* SPDX-License-Identifier: MIT */
/* Buffers: which are used, who may hold how many, what happens when there are none. */
#include "test_inlet.h"

/* ---- their size */

static int64_t pour_all(void *arg)
{
	struct test_pair *pair = arg;
	size_t off = 0;

	while (off < 4 << 20) {
		size_t done = test_pour(*pair, off, (4 << 20) - off);

		off += done;
		if (!done)
			aion_sleep(AION_MILLISECOND / 10);
	}
	return 0;
}

static void hear_filled(struct aion_inlet *inlet, size_t off, size_t size, unsigned *ret_large_nr)
{
	*ret_large_nr = 0;
	while (size) {
		struct aion_buffer *buffer = NULL;
		int64_t result = aion_inlet_next(inlet, &buffer);

		cr_assert_gt(result, 0, "%lld with %zu bytes missing", (long long)result, size);
		cr_assert(test_is_filled(buffer->data, (size_t)result, off));
		cr_assert_leq((size_t)result, size);
		*ret_large_nr += result > 4096;
		off += (size_t)result;
		size -= (size_t)result;
		aion_buffer_release(buffer);
	}
}

SPARED_TEST(inlet_pressure, buffers_grow_with_the_traffic_and_shrink_again)
{
	struct test_pair pair = test_pair_tcp();
	struct aion_inlet inlet = {0};
	struct aion_group group;
	unsigned large_nr;

	cr_assert_eq(aion_inlet_open(&inlet, pair.fds[0]), 0);
	cr_assert_eq(inlet.size_class, AION__GROUP_SMALL);
	aion_group_enter(&group);
	aion_spawn(&group, pour_all, &pair);
	hear_filled(&inlet, 0, 4 << 20, &large_nr);
	cr_assert_gt(large_nr, 10);
	cr_assert_eq(inlet.size_class, AION__GROUP_LARGE);
	assert_result(aion_group_leave(&group, 0), 0);
	for (int i = 0; i < 200; i++) {
		test_say(pair, "little");
		test_hear(&inlet, "little");
	}
	cr_assert_eq(inlet.size_class, AION__GROUP_SMALL);
	cr_assert_eq(test_group(AION__GROUP_LARGE)->taken_nr, 0);
	aion_inlet_close(&inlet);
	test_pair_close(pair);
}

/* ---- who holds too many */

TASK_TEST(inlet_pressure, who_takes_nothing_is_given_no_more_and_loses_nothing)
{
	struct test_pair pair = test_pair_tcp();
	struct aion_inlet inlet = {0};
	size_t poured = 0;
	unsigned large_nr;

	cr_assert_eq(aion_inlet_open(&inlet, pair.fds[0]), 0);
	for (int i = 0; i < 300; i++) {
		poured += test_pour(pair, poured, 100);
		aion_yield();
		if (i % 10 == 0)
			test_let_come();
	}
	cr_assert(inlet.flags & AION__INLET_PAUSED);
	/* What the kernel had in hand when it was told to stop came, too. */
	cr_assert_leq(inlet.held_nr, test_group(AION__GROUP_SMALL)->held_max + 32);
	hear_filled(&inlet, 0, poured, &large_nr);
	cr_assert(!(inlet.flags & AION__INLET_PAUSED));
	test_say(pair, "on");
	test_hear(&inlet, "on");
	aion_inlet_close(&inlet);
	test_pair_close(pair);
}

/* ---- when there are none */

#define BUFFER_NR 8
#define PAIR_NR 24
#define SLOW_NR 4 /* a cancel may come too late, and bring each another one */

struct crowd {
	struct test_pair pairs[PAIR_NR];
	struct aion_inlet inlets[PAIR_NR];
};

static void crowd_open(struct crowd *crowd)
{
	aion__group_buffer_max[AION__GROUP_SMALL] = BUFFER_NR;
	aion__group_buffer_max[AION__GROUP_LARGE] = 16;
	memset(crowd, 0, sizeof(*crowd));
	for (int i = 0; i < PAIR_NR; i++) {
		crowd->pairs[i] = test_pair_unix();
		cr_assert_eq(aion_inlet_open(&crowd->inlets[i], crowd->pairs[i].fds[0]), 0);
	}
}

static void crowd_close(struct crowd *crowd)
{
	for (int i = 0; i < PAIR_NR; i++) {
		aion_inlet_close(&crowd->inlets[i]);
		test_pair_close(crowd->pairs[i]);
	}
	cr_assert_eq(test_group(AION__GROUP_SMALL)->taken_nr, 0);
}

/* Who holds one gives it back first; who holds none is given one beyond the bound. */
TASK_TEST(inlet_pressure, without_buffers_who_holds_none_still_receives)
{
	static struct crowd crowd;
	struct aion_buffer *held[BUFFER_NR], *none;

	crowd_open(&crowd);
	for (int i = 0; i < BUFFER_NR; i++) {
		test_say(crowd.pairs[i], "first");
		assert_result(aion_inlet_next(&crowd.inlets[i], &held[i]), 5);
	}
	cr_assert_eq(test_group(AION__GROUP_SMALL)->lent_nr, 0);
	for (int i = 0; i < PAIR_NR; i++)
		test_say(crowd.pairs[i], "second");
	for (int i = BUFFER_NR; i < PAIR_NR; i++)
		test_hear(&crowd.inlets[i], "second");
	for (int i = 0; i < BUFFER_NR; i++) {
		assert_result(aion_inlet_try_next(&crowd.inlets[i], &none), -EAGAIN);
		cr_assert_arr_eq(held[i]->data, "first", 5);
		aion_buffer_release(held[i]);
		test_hear(&crowd.inlets[i], "second");
	}
	crowd_close(&crowd);
}

TASK_TEST(inlet_pressure, buffers_beyond_the_bound_outlive_the_inlet)
{
	static struct crowd crowd;
	struct aion_buffer *held[PAIR_NR];

	crowd_open(&crowd);
	for (int i = 0; i < PAIR_NR; i++) {
		test_say(crowd.pairs[i], "text");
		assert_result(aion_inlet_next(&crowd.inlets[i], &held[i]), 4);
	}
	cr_assert_eq(test_group(AION__GROUP_SMALL)->taken_nr, BUFFER_NR);
	cr_assert_not_null(test_group(AION__GROUP_SMALL)->singles);
	for (int i = 0; i < PAIR_NR; i++)
		aion_inlet_close(&crowd.inlets[i]);
	memset(crowd.inlets, 0xff, sizeof(crowd.inlets));
	for (int i = 0, kept = 0; i < PAIR_NR; i++) {
		cr_assert_arr_eq(held[i]->data, "text", 4);
		if (held[i]->future.flags & AION__GROUP_SINGLE && !kept)
			kept = 1;
		else
			aion_buffer_release(held[i]);
	}
	/* What is not given back goes with the loop. */
	memset(crowd.inlets, 0, sizeof(crowd.inlets));
	crowd_close(&crowd);
}

/* The first inlet has no request, for all buffers are held and it holds one; nothing is in its queue. */
static void pause_first(struct crowd *crowd, struct aion_buffer *held[BUFFER_NR])
{
	crowd_open(crowd);
	for (int i = 0; i < BUFFER_NR; i++) {
		test_say(crowd->pairs[i], "first");
		assert_result(aion_inlet_next(&crowd->inlets[i], &held[i]), 5);
	}
	test_say(crowd->pairs[0], "second");
	test_let_come();
	cr_assert(crowd->inlets[0].flags & AION__INLET_PAUSED);
}

static int64_t next_of(void *inlet)
{
	struct aion_buffer *buffer;

	return aion_inlet_next(inlet, &buffer);
}

/* The number is soon somebody else's, whose bytes are not for this one. */
TASK_TEST(inlet_pressure, a_close_of_the_descriptor_ends_one_that_pauses)
{
	static struct crowd crowd;
	struct aion_buffer *held[BUFFER_NR];
	struct test_pair other;
	char text[8];

	pause_first(&crowd, held);
	assert_result(aion_close(crowd.pairs[0].fds[0]), 0);
	other = test_pair_unix();
	cr_assert_eq(other.fds[0], crowd.pairs[0].fds[0]);
	test_say(other, "private");
	assert_result(next_of(&crowd.inlets[0]), -EBADF);
	for (int i = 0; i < BUFFER_NR; i++)
		aion_buffer_release(held[i]);
	test_let_come();
	assert_result(next_of(&crowd.inlets[0]), -EBADF);
	assert_result(recv(other.fds[0], text, sizeof(text), MSG_DONTWAIT), 7);
	crowd_close(&crowd);
	close(other.fds[1]);
}

TASK_TEST(inlet_pressure, who_waits_for_one_that_pauses_has_left_when_it_is_closed)
{
	static struct crowd crowd;
	struct aion_buffer *held[BUFFER_NR];
	struct aion_handle waiter;
	struct aion_group group;

	pause_first(&crowd, held);
	aion_group_enter(&group);
	aion_spawn_into(&group, &waiter, NULL, next_of, &crowd.inlets[0]);
	test_let_come();
	aion_inlet_close(&crowd.inlets[0]);
	memset(&crowd.inlets[0], 0xff, sizeof(crowd.inlets[0]));
	assert_result(aion_await(&waiter.future), -EBADF);
	assert_result(aion_group_leave(&group, 0), -EBADF);
	memset(&crowd.inlets[0], 0, sizeof(crowd.inlets[0]));
	for (int i = 0; i < BUFFER_NR; i++)
		aion_buffer_release(held[i]);
	crowd_close(&crowd);
}

/* A task whose message is not whole waits for the rest without holding a buffer, which all the others may need. */
static int64_t read_two_lines(void *arg)
{
	struct test_pair *pair = arg;
	struct aion_conn conn = {0};
	struct aion_stream stream = {0};
	struct aion_stream_view view;

	cr_assert_eq(aion_conn_open(&conn, pair->fds[0]), 0);
	assert_result(aion_stream_open_conn(&stream, &conn, NULL), 0);
	assert_result(aion_stream_read_line(&stream, &view), 2000);
	assert_result(aion_stream_read_line(&stream, &view), 1000);
	assert_result(aion_stream_close(&stream), 0);
	return 0;
}

TASK_TEST(inlet_pressure, streams_wait_for_the_rest_of_a_message_without_a_buffer)
{
	struct test_pair pairs[BUFFER_NR];
	struct aion_group group;
	char text[2600];

	aion__group_buffer_max[AION__GROUP_SMALL] = BUFFER_NR;
	aion__group_buffer_max[AION__GROUP_LARGE] = 16;
	memset(text, 'x', sizeof(text));
	text[1999] = '\n';
	aion_group_enter(&group);
	for (int i = 0; i < BUFFER_NR; i++) {
		pairs[i] = test_pair_unix();
		aion_spawn(&group, read_two_lines, &pairs[i]);
	}
	test_let_come();
	for (int i = 0; i < BUFFER_NR; i++)
		cr_assert_eq(send(pairs[i].fds[1], text, sizeof(text), 0), (ssize_t)sizeof(text));
	test_let_come();
	text[2599] = '\n';
	for (int i = 0; i < BUFFER_NR; i++)
		cr_assert_eq(send(pairs[i].fds[1], text + 2200, 400, 0), 400);
	assert_result(aion_group_leave(&group, 0), 0);
	for (int i = 0; i < BUFFER_NR; i++)
		close(pairs[i].fds[1]);
}

static int64_t hear_hundred(void *arg)
{
	struct aion_inlet *inlet = arg;
	struct aion_buffer *buffer;

	for (size_t heard = 0; heard < 100 * 6;) {
		int64_t result = aion_inlet_next(inlet, &buffer);

		cr_assert_gt(result, 0);
		heard += (size_t)result;
		aion_yield();
		aion_buffer_release(buffer);
	}
	return 0;
}

/* Three times as many as there are buffers, all busy; each of them is done in the end. */
SPARED_TEST(inlet_pressure, many_share_few_buffers_and_nobody_starves)
{
	static struct crowd crowd;
	struct aion_group group;

	crowd_open(&crowd);
	aion_group_enter(&group);
	for (int i = 0; i < PAIR_NR; i++)
		aion_spawn(&group, hear_hundred, &crowd.inlets[i]);
	for (int said = 0; said < 100; said++) {
		for (int i = 0; i < PAIR_NR; i++)
			test_say(crowd.pairs[i], "number");
		aion_yield();
	}
	assert_result(aion_group_leave(&group, 0), 0);
	crowd_close(&crowd);
}

/* Those who hold what they got leave enough for the one who gives back. */
TASK_TEST(inlet_pressure, slow_readers_do_not_stop_the_others)
{
	static struct crowd crowd;

	crowd_open(&crowd);
	for (int round = 0; round < 50; round++) {
		for (int i = 1; i < SLOW_NR; i++)
			test_say(crowd.pairs[i], "nobody takes this");
		test_say(crowd.pairs[0], "ping");
		test_hear(&crowd.inlets[0], "ping");
	}
	crowd_close(&crowd);
}
