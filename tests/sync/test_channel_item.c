/* SPDX-License-Identifier: MIT */
/* What goes through a channel, who is served when, what a cancellation leaves behind. */
#include "test_file.h"
#include "test_task.h"

#define LOG_NR 16

/* Not a power of two, so that a wrong place shows. */
struct parcel {
	int64_t number;
	char tail[5];
} __attribute__((packed));

static struct {
	struct aion_sender sender;
	struct aion_receiver receiver;
	int64_t log[LOG_NR]; /* what was received or sent, or how a call ended, in this order */
	int log_nr;
} shared;

static void shared_open(size_t capacity)
{
	struct aion_channel_options options = {.item_size = sizeof(struct parcel), .capacity = capacity};

	assert_result(aion_channel_create(&options, &shared.sender, &shared.receiver), 0);
	shared.log_nr = 0;
}

static void shared_close(void)
{
	aion_sender_close(&shared.sender);
	aion_receiver_close(&shared.receiver);
}

static void shared_log(int64_t entry)
{
	cr_assert_lt(shared.log_nr, LOG_NR);
	shared.log[shared.log_nr++] = entry;
}

static void assert_log(int nr, const int64_t *entries)
{
	cr_assert_eq(shared.log_nr, nr, "%d entries, not %d", shared.log_nr, nr);
	for (int i = 0; i < nr; i++)
		cr_assert_eq(shared.log[i], entries[i], "entry %d is %ld, not %ld", i, (long)shared.log[i],
			     (long)entries[i]);
}

#define ASSERT_LOG(...) assert_log(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[]){__VA_ARGS__})

static struct parcel parcel_of(int64_t number)
{
	struct parcel parcel = {.number = number};

	memset(parcel.tail, (int)number, sizeof(parcel.tail));
	return parcel;
}

static int64_t parcel_number(const struct parcel *parcel)
{
	for (size_t i = 0; i < sizeof(parcel->tail); i++)
		cr_assert_eq(parcel->tail[i], (char)parcel->number, "the item is not whole");
	return parcel->number;
}

static int64_t send_one(void *number)
{
	struct parcel parcel = parcel_of((intptr_t)number);
	int result = aion_channel_send(&shared.sender, &parcel);

	memset(&parcel, 0xdd, sizeof(parcel));
	shared_log(result < 0 ? result : (intptr_t)number);
	return result;
}

static int64_t receive_one(void *mark)
{
	struct parcel parcel;
	int result = aion_channel_receive(&shared.receiver, &parcel);

	shared_log(result <= 0 ? result : (intptr_t)mark * 100 + parcel_number(&parcel));
	return result;
}

static int try_send(int64_t number)
{
	struct parcel parcel = parcel_of(number);

	return aion_channel_try_send(&shared.sender, &parcel);
}

static int64_t receive(void)
{
	struct parcel parcel;

	assert_result(aion_channel_try_receive(&shared.receiver, &parcel), 1);
	return parcel_number(&parcel);
}

static int64_t get_receive_result(void)
{
	struct parcel parcel;

	return aion_channel_try_receive(&shared.receiver, &parcel);
}

TASK_TEST(channel_item, items_come_by_value_and_in_order)
{
	int64_t next = 0, end = 0;

	shared_open(5);
	for (int round = 0; round < 20; round++) {
		while (end - next < 5)
			assert_result(try_send(end++), 0);
		assert_result(try_send(end), -EAGAIN);
		for (int i = 0; i < 3; i++)
			assert_result(receive(), next++);
	}
	while (next < end)
		assert_result(receive(), next++);
	assert_result(get_receive_result(), -EAGAIN);
	shared_close();
}

TASK_TEST(channel_item, an_unbounded_channel_grows_and_keeps_the_order)
{
	int64_t next = 0, end = 0;

	shared_open(AION_CHANNEL_UNBOUNDED);
	while (end < 5000) {
		for (int i = 0; i < 7; i++)
			assert_result(try_send(end++), 0);
		for (int i = 0; i < 3; i++)
			assert_result(receive(), next++);
	}
	while (next < end)
		assert_result(receive(), next++);
	shared_close();
}

TASK_TEST(channel_item, arguments_are_checked)
{
	struct aion_channel_options options = {.item_size = 0, .capacity = 1};

	assert_result(aion_channel_create(&options, &shared.sender, &shared.receiver), -EINVAL);
	options = (struct aion_channel_options){.item_size = 8, .capacity = SIZE_MAX / 8};
	assert_result(aion_channel_create(&options, &shared.sender, &shared.receiver), -ENOMEM);
	options.capacity = SIZE_MAX - 1;
	assert_result(aion_channel_create(&options, &shared.sender, &shared.receiver), -ENOMEM);
}

#ifdef AION_FAULTS
#include "fault_int.h"

TASK_TEST(channel_item, without_memory_nothing_is_lost)
{
	struct aion_channel_options options = {.item_size = 8, .capacity = 1};

	for (unsigned after = 0; after < 2; after++) {
		aion__fault_arm(AION__FAULT_ALLOC, after, 1, -ENOMEM);
		assert_result(aion_channel_create(&options, &shared.sender, &shared.receiver), -ENOMEM);
	}
	shared_open(AION_CHANNEL_UNBOUNDED);
	for (int64_t i = 0; i < 16; i++)
		assert_result(try_send(i), 0);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 2, -ENOMEM);
	assert_result(try_send(16), -ENOMEM);
	assert_result(send_one(test_number(16)), -ENOMEM);
	assert_result(try_send(16), 0);
	for (int64_t i = 0; i < 17; i++)
		assert_result(receive(), i);
	shared_close();
}
#endif

TASK_TEST(channel_item, receivers_are_served_first_in_first_out)
{
	struct aion_group group;

	shared_open(4);
	aion_group_enter(&group);
	for (int i = 1; i <= 3; i++)
		assert_result(aion_spawn(&group, receive_one, test_number(i)), 0);
	aion_yield();
	for (int i = 1; i <= 3; i++)
		assert_result(try_send(i), 0);
	/* Case 57: who comes now finds nothing, though none of them has run. */
	assert_result(get_receive_result(), -EAGAIN);
	assert_result(aion_group_leave(&group, 0), 0);
	ASSERT_LOG(101, 202, 303);
	shared_close();
}

TASK_TEST(channel_item, senders_are_served_first_in_first_out)
{
	struct aion_group group;

	shared_open(1);
	assert_result(try_send(0), 0);
	aion_group_enter(&group);
	for (int i = 1; i <= 3; i++)
		assert_result(aion_spawn(&group, send_one, test_number(i)), 0);
	aion_yield();
	cr_assert_eq(shared.log_nr, 0);
	for (int i = 0; i < 4; i++) {
		assert_result(receive(), i);
		if (i < 3)
			assert_result(try_send(99), -EAGAIN);
	}
	assert_result(aion_group_leave(&group, 0), 0);
	ASSERT_LOG(1, 2, 3);
	shared_close();
}

TASK_TEST(channel_item, without_capacity_a_send_waits_for_its_receiver)
{
	struct aion_group group;

	shared_open(0);
	assert_result(try_send(1), -EAGAIN);
	assert_result(get_receive_result(), -EAGAIN);
	aion_group_enter(&group);
	assert_result(aion_spawn(&group, send_one, test_number(1)), 0);
	assert_result(aion_spawn(&group, send_one, test_number(2)), 0);
	aion_yield();
	aion_yield();
	cr_assert_eq(shared.log_nr, 0);
	assert_result(receive(), 1);
	aion_yield();
	ASSERT_LOG(1);
	assert_result(receive(), 2);
	assert_result(aion_spawn(&group, receive_one, test_number(1)), 0);
	aion_yield();
	assert_result(try_send(3), 0);
	assert_result(try_send(4), -EAGAIN);
	assert_result(aion_group_leave(&group, 0), 0);
	ASSERT_LOG(1, 2, 103);
	shared_close();
}

/* Case 51. */
TASK_TEST(channel_item, a_receive_cancelled_after_the_hand_over_has_its_item)
{
	struct aion_handle handle;
	struct aion_group group;

	shared_open(0);
	aion_group_enter(&group);
	for (int cancel_first = 0; cancel_first < 2; cancel_first++) {
		assert_result(aion_spawn_into(&group, &handle, NULL, receive_one, test_number(1)), 0);
		aion_yield();
		if (cancel_first)
			aion_handle_cancel(&handle);
		assert_result(try_send(5 + cancel_first), 0);
		if (!cancel_first)
			aion_handle_cancel(&handle);
		assert_result(aion_await(&handle.future), 1);
	}
	ASSERT_LOG(105, 106);
	assert_result(aion_group_leave(&group, 0), 0);
	shared_close();
}

/* Cases 51 to 53. */
TASK_TEST(channel_item, who_is_cancelled_leaves_nothing_behind)
{
	struct aion_handle senders[3], receivers[3];
	struct aion_group group;

	shared_open(0);
	aion_group_enter(&group);
	for (int i = 0; i < 3; i++)
		assert_result(aion_spawn_into(&group, &receivers[i], NULL, receive_one, test_number(i + 1)), 0);
	aion_yield();
	aion_handle_cancel(&receivers[0]);
	assert_result(aion_await(&receivers[0].future), -ECANCELED);
	assert_result(try_send(1), 0);
	assert_result(try_send(2), 0);
	assert_result(try_send(3), -EAGAIN);
	assert_result(aion_await(&receivers[2].future), 1);
	for (int i = 0; i < 3; i++)
		assert_result(aion_spawn_into(&group, &senders[i], NULL, send_one, test_number(i + 1)), 0);
	aion_yield();
	aion_handle_cancel(&senders[0]);
	assert_result(aion_await(&senders[0].future), -ECANCELED);
	assert_result(receive(), 2);
	aion_handle_cancel(&senders[2]);
	assert_result(aion_await(&senders[2].future), -ECANCELED);
	assert_result(get_receive_result(), -EAGAIN);
	assert_result(aion_group_leave(&group, 0), 0);
	ASSERT_LOG(-ECANCELED, 201, 302, -ECANCELED, 2, -ECANCELED);
	shared_close();
}

TASK_TEST(channel_item, in_a_cancelled_scope_nothing_happens)
{
	struct aion_channel_stats stats;
	struct aion_scope scope;

	shared_open(2);
	assert_result(try_send(1), 0);
	test_enter_cancelled(&scope);
	assert_result(send_one(test_number(2)), -ECANCELED);
	assert_result(receive_one(NULL), -ECANCELED);
	assert_result(aion_scope_leave(&scope), 0);
	assert_result(aion_sender_stats(&shared.sender, &stats), 0);
	cr_assert_eq(stats.item_nr, 1);
	shared_close();
}

Test(channel_item, outside_of_tasks_only_the_try_forms_work)
{
	shared_open(1);
	assert_result(send_one(test_number(1)), -EBUSY);
	assert_result(receive_one(NULL), -EBUSY);
	assert_result(try_send(1), 0);
	assert_result(receive(), 1);
	shared_close();
}

TASK_TEST(channel_item, stats_tell_how_it_stands)
{
	struct aion_channel_stats stats;
	struct aion_group group;

	shared_open(1);
	aion_group_enter(&group);
	assert_result(aion_spawn(&group, receive_one, test_number(1)), 0);
	aion_yield();
	assert_result(aion_receiver_stats(&shared.receiver, &stats), 0);
	cr_assert_eq(stats.waiting_receiver_nr, 1);
	cr_assert_eq(stats.item_nr, 0);
	cr_assert_eq(stats.capacity, 1);
	assert_result(try_send(1), 0);
	for (int i = 2; i < 5; i++)
		assert_result(aion_spawn(&group, send_one, test_number(i)), 0);
	aion_yield();
	assert_result(aion_sender_stats(&shared.sender, &stats), 0);
	cr_assert_eq(stats.waiting_receiver_nr, 0);
	cr_assert_eq(stats.waiting_sender_nr, 2);
	cr_assert_eq(stats.item_nr, 1);
	cr_assert_eq(stats.sender_nr, 1);
	cr_assert_eq(stats.receiver_nr, 1);
	for (int i = 2; i < 5; i++)
		assert_result(receive(), i);
	assert_result(aion_group_leave(&group, 0), 0);
	shared_close();
}
