/* SPDX-License-Identifier: MIT */
/* The ends of a channel, and its end. */
#include "test_file.h"
#include "test_task.h"

struct ends {
	struct aion_sender sender;
	struct aion_receiver receiver;
};

struct call {
	void *end;
	int result; /* 77 until it has one */
};

static void ends_open(struct ends *ends, size_t capacity)
{
	struct aion_channel_options options = {.item_size = sizeof(int), .capacity = capacity};

	assert_result(aion_channel_create(&options, &ends->sender, &ends->receiver), 0);
}

static int64_t call_send(void *arg)
{
	struct call *call = arg;
	int item = 1;

	call->result = aion_channel_send(call->end, &item);
	return 0;
}

static int64_t call_receive(void *arg)
{
	struct call *call = arg;
	int item;

	call->result = aion_channel_receive(call->end, &item);
	return 0;
}

/* Case 56. */
TASK_TEST(channel_close, the_last_sender_ends_all_who_wait_to_receive)
{
	struct ends ends;
	struct aion_receiver other;
	struct call calls[3] = {{&ends.receiver, 77}, {&ends.receiver, 77}, {&other, 77}};
	struct aion_group group;

	ends_open(&ends, 1);
	assert_result(aion_receiver_clone(&ends.receiver, &other), 0);
	aion_group_enter(&group);
	for (int i = 0; i < 3; i++)
		assert_result(aion_spawn(&group, call_receive, &calls[i]), 0);
	aion_yield();
	aion_sender_close(&ends.sender);
	assert_result(aion_group_leave(&group, 0), 0);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(calls[i].result, 0);
	aion_receiver_close(&ends.receiver);
	aion_receiver_close(&other);
}

/* Case 56. */
TASK_TEST(channel_close, the_last_receiver_ends_all_who_wait_to_send)
{
	struct ends ends;
	struct aion_sender other;
	struct call calls[3] = {{&ends.sender, 77}, {&ends.sender, 77}, {&other, 77}};
	struct aion_group group;

	ends_open(&ends, 0);
	assert_result(aion_sender_clone(&ends.sender, &other), 0);
	aion_group_enter(&group);
	for (int i = 0; i < 3; i++)
		assert_result(aion_spawn(&group, call_send, &calls[i]), 0);
	aion_yield();
	aion_receiver_close(&ends.receiver);
	assert_result(aion_group_leave(&group, 0), 0);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(calls[i].result, -EPIPE);
	aion_sender_close(&ends.sender);
	aion_sender_close(&other);
}

TASK_TEST(channel_close, what_is_under_way_comes_before_the_end)
{
	struct ends ends;
	int item;

	ends_open(&ends, 3);
	for (item = 1; item <= 2; item++)
		assert_result(aion_channel_send(&ends.sender, &item), 0);
	aion_sender_close(&ends.sender);
	for (int i = 1; i <= 2; i++) {
		assert_result(aion_channel_receive(&ends.receiver, &item), 1);
		cr_assert_eq(item, i);
	}
	item = 5;
	assert_result(aion_channel_receive(&ends.receiver, &item), 0);
	assert_result(aion_channel_try_receive(&ends.receiver, &item), 0);
	cr_assert_eq(item, 5, "written at the end");
	aion_receiver_close(&ends.receiver);
}

TASK_TEST(channel_close, without_receivers_sending_fails)
{
	struct ends ends;
	int item = 1;

	ends_open(&ends, 3);
	aion_receiver_close(&ends.receiver);
	assert_result(aion_channel_send(&ends.sender, &item), -EPIPE);
	assert_result(aion_channel_try_send(&ends.sender, &item), -EPIPE);
	aion_sender_close(&ends.sender);
}

TASK_TEST(channel_close, each_clone_counts)
{
	struct ends ends;
	struct aion_sender senders[3];
	struct aion_receiver receiver;
	int item = 1;

	ends_open(&ends, 3);
	for (int i = 0; i < 3; i++)
		assert_result(aion_sender_clone(i ? &senders[i - 1] : &ends.sender, &senders[i]), 0);
	aion_sender_close(&ends.sender);
	for (int i = 0; i < 3; i++) {
		assert_result(aion_channel_try_receive(&ends.receiver, &item), -EAGAIN);
		aion_sender_close(&senders[i]);
	}
	assert_result(aion_channel_try_receive(&ends.receiver, &item), 0);
	assert_result(aion_receiver_clone(&ends.receiver, &receiver), 0);
	aion_receiver_close(&ends.receiver);
	assert_result(aion_channel_receive(&receiver, &item), 0);
	aion_receiver_close(&receiver);
}

TASK_TEST(channel_close, a_closed_end_is_refused)
{
	struct ends ends, clone;
	struct aion_channel_stats stats;
	int item = 1;

	ends_open(&ends, 3);
	for (int i = 0; i < 2; i++) {
		aion_sender_close(&ends.sender);
		aion_receiver_close(&ends.receiver);
	}
	assert_result(aion_channel_send(&ends.sender, &item), -EBADF);
	assert_result(aion_channel_receive(&ends.receiver, &item), -EBADF);
	assert_result(aion_channel_try_send(&ends.sender, &item), -EBADF);
	assert_result(aion_channel_try_receive(&ends.receiver, &item), -EBADF);
	assert_result(aion_sender_clone(&ends.sender, &clone.sender), -EBADF);
	assert_result(aion_receiver_clone(&ends.receiver, &clone.receiver), -EBADF);
	assert_result(aion_sender_stats(&ends.sender, &stats), -EBADF);
	assert_result(aion_receiver_stats(&ends.receiver, &stats), -EBADF);
}

/* trio: who waits through an end that another task closes is told so; who waits through another goes on. */
TASK_TEST(channel_close, wakes_who_waits_through_this_end_and_nobody_else)
{
	struct ends ends;
	struct aion_sender sender;
	struct aion_receiver receiver;
	struct call receives[3] = {{&ends.receiver, 77}, {&receiver, 77}, {&ends.receiver, 77}};
	struct call sends[3] = {{&sender, 77}, {&ends.sender, 77}, {&sender, 77}};
	struct aion_group group;
	int item = 1;

	ends_open(&ends, 0);
	assert_result(aion_sender_clone(&ends.sender, &sender), 0);
	assert_result(aion_receiver_clone(&ends.receiver, &receiver), 0);
	aion_group_enter(&group);
	for (int i = 0; i < 3; i++)
		assert_result(aion_spawn(&group, call_receive, &receives[i]), 0);
	aion_yield();
	aion_receiver_close(&ends.receiver);
	aion_yield();
	cr_assert_eq(receives[0].result, -EBADF);
	cr_assert_eq(receives[1].result, 77);
	cr_assert_eq(receives[2].result, -EBADF);
	assert_result(aion_channel_send(&sender, &item), 0);
	aion_yield();
	cr_assert_eq(receives[1].result, 1);

	for (int i = 0; i < 3; i++)
		assert_result(aion_spawn(&group, call_send, &sends[i]), 0);
	aion_yield();
	aion_sender_close(&sender);
	aion_yield();
	cr_assert_eq(sends[0].result, -EBADF);
	cr_assert_eq(sends[1].result, 77);
	cr_assert_eq(sends[2].result, -EBADF);
	assert_result(aion_channel_receive(&receiver, &item), 1);
	assert_result(aion_channel_try_receive(&receiver, &item), -EAGAIN);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(sends[1].result, 0);
	aion_sender_close(&ends.sender);
	aion_receiver_close(&receiver);
}

/* The channel is gone before who waited through its last end has run. */
TASK_TEST(channel_close, both_ends_may_go_while_tasks_wait)
{
	struct ends ends;
	struct call receive = {&ends.receiver, 77};
	struct aion_group group;

	ends_open(&ends, 1);
	aion_group_enter(&group);
	assert_result(aion_spawn(&group, call_receive, &receive), 0);
	aion_yield();
	aion_receiver_close(&ends.receiver);
	aion_sender_close(&ends.sender);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_eq(receive.result, -EBADF);
}

struct dropped {
	struct aion_sender *sender;
	int items[4];
	int nr;
};

static void drop(void *item, void *arg)
{
	struct dropped *dropped = arg;

	dropped->items[dropped->nr++] = *(int *)item;
	cr_assert_eq(aion_channel_try_send(dropped->sender, item), dropped->nr == 1 ? -EPIPE : -EBADF);
	aion_sender_close(dropped->sender);
}

TASK_TEST(channel_close, the_last_receiver_destroys_what_is_under_way)
{
	struct ends ends;
	struct dropped dropped = {.sender = &ends.sender};
	struct aion_channel_options options = {sizeof(int), 3, drop, &dropped};
	struct aion_receiver receiver;

	assert_result(aion_channel_create(&options, &ends.sender, &ends.receiver), 0);
	assert_result(aion_receiver_clone(&ends.receiver, &receiver), 0);
	for (int item = 1; item <= 3; item++)
		assert_result(aion_channel_send(&ends.sender, &item), 0);
	aion_receiver_close(&ends.receiver);
	cr_assert_eq(dropped.nr, 0);
	aion_receiver_close(&receiver);
	cr_assert_eq(dropped.nr, 3);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(dropped.items[i], i + 1);
}

static int64_t send_some_and_close(void *arg)
{
	AION_CLEANUP(aion_sender_close) struct aion_sender sender = *(struct aion_sender *)arg;

	for (int item = 1; item <= 100; item++)
		assert_result(aion_channel_send(&sender, &item), 0);
	return 0;
}

static int64_t receive_all(void *arg)
{
	AION_CLEANUP(aion_receiver_close) struct aion_receiver receiver = *(struct aion_receiver *)arg;
	int64_t sum = 0;
	int item, result;

	while ((result = aion_channel_receive(&receiver, &item)) > 0)
		sum += item;
	return result < 0 ? result : sum;
}

/* trio's test_channel_fan_in, _multiple_producers, _multiple_consumers. */
TASK_TEST(channel_close, several_senders_and_receivers_end_together)
{
	static const size_t capacities[] = {0, 1, 7};
	struct aion_sender senders[3];
	struct aion_receiver receivers[2];
	struct aion_handle handles[2];
	struct aion_group group;
	struct ends ends;

	for (int c = 0; c < 3; c++) {
		ends_open(&ends, capacities[c]);
		aion_group_enter(&group);
		for (int i = 0; i < 3; i++) {
			assert_result(aion_sender_clone(&ends.sender, &senders[i]), 0);
			assert_result(aion_spawn(&group, send_some_and_close, &senders[i]), 0);
		}
		for (int i = 0; i < 2; i++) {
			assert_result(aion_receiver_clone(&ends.receiver, &receivers[i]), 0);
			assert_result(aion_spawn_into(&group, &handles[i], NULL, receive_all, &receivers[i]), 0);
		}
		aion_sender_close(&ends.sender);
		aion_receiver_close(&ends.receiver);
		assert_result(aion_group_leave(&group, 0), 0);
		cr_assert_eq(handles[0].future.result + handles[1].future.result, 3 * 5050);
	}
}

static int64_t open_and_close(void *unused)
{
	struct ends ends;
	int item = 1;

	(void)unused;
	ends_open(&ends, AION_CHANNEL_UNBOUNDED);
	for (int i = 0; i < 100; i++)
		assert_result(aion_channel_send(&ends.sender, &item), 0);
	aion_sender_close(&ends.sender);
	aion_receiver_close(&ends.receiver);
	return 0;
}

Test(channel_close, leaves_no_memory)
{
	test_allocator_count();
	cr_assert_eq(aion_run(open_and_close, NULL, NULL), 0);
	cr_assert_eq(test_allocator_in_use_nr(), 0);
}
