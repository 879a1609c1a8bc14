/* SPDX-License-Identifier: MIT */
/*
 * The channel. As in the queue, items and waiting receivers are never there at the same time, nor room and waiting
 * senders; without any room the two meet. An item is copied once on its way if a receiver waits, else twice.
 */
#include <errno.h>
#include <string.h>

#include <aion/channel.h>

#include "alloc_int.h"
#include "waits_int.h"

#define ROOM_MIN_NR 16 /* of a channel that grows */

struct aion_channel {
	struct aion__waits senders;   /* there are some: there is no room */
	struct aion__waits receivers; /* there are some: there is no item */
	struct aion_channel_options options;
	size_t sender_nr; /* open ends */
	size_t receiver_nr;
	char *items; /* a ring */
	size_t nr;
	size_t first;
	size_t room_nr; /* items that there is memory for */
};

/* A task that waits, with its item or the place for one. */
struct channel_wait {
	struct aion__wait wait;
	const void *end; /* through which it waits */
};

static char *channel_place(struct aion_channel *channel, size_t nr)
{
	size_t idx = channel->first + nr;

	return channel->items + (idx < channel->room_nr ? idx : idx - channel->room_nr) * channel->options.item_size;
}

static int channel_reserve(struct aion_channel *channel, size_t room_nr)
{
	size_t item_size = channel->options.item_size, to_end_nr = channel->room_nr - channel->first;
	char *items;
	size_t size;

	if (__builtin_mul_overflow(room_nr, item_size, &size) || size > PTRDIFF_MAX)
		return -ENOMEM;
	items = aion__alloc(size);
	if (!items)
		return -ENOMEM;
	if (to_end_nr > channel->nr)
		to_end_nr = channel->nr;
	if (channel->nr) {
		memcpy(items, channel_place(channel, 0), to_end_nr * item_size);
		memcpy(items + to_end_nr * item_size, channel->items, (channel->nr - to_end_nr) * item_size);
	}
	aion__free(channel->items);
	channel->items = items;
	channel->first = 0;
	channel->room_nr = room_nr;
	return 0;
}

int aion_channel_create(const struct aion_channel_options *options, struct aion_sender *ret_sender,
			struct aion_receiver *ret_receiver)
{
	struct aion_channel *channel;

	if (!options->item_size)
		return -EINVAL;
	channel = aion__alloc_zeroed(sizeof(*channel));
	if (!channel)
		return -ENOMEM;
	channel->options = *options;
	channel->sender_nr = channel->receiver_nr = 1;
	if (options->capacity && options->capacity != AION_CHANNEL_UNBOUNDED &&
	    channel_reserve(channel, options->capacity) < 0) {
		aion__free(channel);
		return -ENOMEM;
	}
	ret_sender->channel = ret_receiver->channel = channel;
	return 0;
}

int aion_sender_clone(const struct aion_sender *sender, struct aion_sender *ret_sender)
{
	if (!sender->channel)
		return -EBADF;
	sender->channel->sender_nr++;
	*ret_sender = *sender;
	return 0;
}

int aion_receiver_clone(const struct aion_receiver *receiver, struct aion_receiver *ret_receiver)
{
	if (!receiver->channel)
		return -EBADF;
	receiver->channel->receiver_nr++;
	*ret_receiver = *receiver;
	return 0;
}

static void channel_unref(struct aion_channel *channel)
{
	if (channel->sender_nr || channel->receiver_nr)
		return;
	AION_ASSERT(aion__waits_is_empty(&channel->senders) && aion__waits_is_empty(&channel->receivers));
	aion__free(channel->items);
	aion__free(channel);
}

/* Wake those who wait through an end that is being closed. */
static void waits_end_closed(struct aion__waits *waits, const void *end)
{
	struct aion__wait *wait = waits->first, *next;

	for (; wait; wait = next) {
		next = wait->next;
		if (aion__container_of(wait, struct channel_wait, wait)->end != end)
			continue;
		aion__waits_remove(wait);
		aion__wait_end(wait, -EBADF);
	}
}

void aion_sender_close(struct aion_sender *sender)
{
	struct aion_channel *channel = sender->channel;

	if (!channel)
		return;
	sender->channel = NULL;
	waits_end_closed(&channel->senders, sender);
	if (!--channel->sender_nr)
		aion__waits_wake_all(&channel->receivers, 0);
	channel_unref(channel);
}

/* Nobody will ever receive these. One at a time: destroy may look at the channel. */
static void channel_drop(struct aion_channel *channel)
{
	void *item;

	while (channel->nr) {
		item = channel_place(channel, 0);
		channel->nr--;
		channel->first = channel->first + 1 == channel->room_nr ? 0 : channel->first + 1;
		if (channel->options.destroy)
			channel->options.destroy(item, channel->options.arg);
	}
}

void aion_receiver_close(struct aion_receiver *receiver)
{
	struct aion_channel *channel = receiver->channel;

	if (!channel)
		return;
	receiver->channel = NULL;
	waits_end_closed(&channel->receivers, receiver);
	if (!--channel->receiver_nr) {
		channel->sender_nr++; /* destroy may close the last sender, and the channel has to stay */
		aion__waits_wake_all(&channel->senders, -EPIPE);
		channel_drop(channel);
		channel->sender_nr--;
	}
	channel_unref(channel);
}

/* 0; -EAGAIN: there is no room, the caller may wait; another error. */
static int channel_add(const struct aion_sender *sender, const void *item)
{
	struct aion_channel *channel = sender->channel;
	struct aion__wait *receiver;

	if (aion__unlikely(!channel))
		return -EBADF;
	if (aion__unlikely(!channel->receiver_nr))
		return -EPIPE;
	receiver = aion__waits_take(&channel->receivers);
	if (receiver) {
		AION_ASSERT(!channel->nr);
		memcpy(receiver->item, item, channel->options.item_size);
		aion__wait_end(receiver, 1);
		return 0;
	}
	if (channel->nr >= channel->options.capacity)
		return -EAGAIN;
	if (channel->nr == channel->room_nr &&
	    channel_reserve(channel, channel->room_nr ? channel->room_nr * 2 : ROOM_MIN_NR) < 0)
		return -ENOMEM;
	memcpy(channel_place(channel, channel->nr), item, channel->options.item_size);
	channel->nr++;
	return 0;
}

/* 1; 0: the end; -EAGAIN: there is no item, the caller may wait; -EBADF. */
static int channel_remove(const struct aion_receiver *receiver, void *ret_item)
{
	struct aion_channel *channel = receiver->channel;
	struct aion__wait *sender;

	if (aion__unlikely(!channel))
		return -EBADF;
	sender = aion__waits_take(&channel->senders);
	if (!channel->nr && !sender)
		return channel->sender_nr ? -EAGAIN : 0;
	if (!channel->nr) {
		memcpy(ret_item, sender->item, channel->options.item_size);
	} else {
		memcpy(ret_item, channel_place(channel, 0), channel->options.item_size);
		channel->first = channel->first + 1 == channel->room_nr ? 0 : channel->first + 1;
		if (sender)
			memcpy(channel_place(channel, channel->nr - 1), sender->item, channel->options.item_size);
		else
			channel->nr--;
	}
	if (sender)
		aion__wait_end(sender, 0);
	return 1;
}

static __attribute__((noinline)) int channel_await(struct aion__waits *waits, const struct aion_channel *channel,
						   const char *noun, const void *end, void *item)
{
	struct channel_wait wait;

	wait.wait.noun = noun;
	wait.wait.object = channel;
	wait.wait.item = item;
	wait.end = end;
	return (int)aion__waits_await(waits, &wait.wait);
}

int aion_channel_send(struct aion_sender *sender, const void *item)
{
	int result = aion__checkpoint();

	if (aion__unlikely(result < 0))
		return result;
	result = channel_add(sender, item);
	if (result != -EAGAIN)
		return result;
	return channel_await(&sender->channel->senders, sender->channel, "room in a channel", sender, (void *)item);
}

int aion_channel_receive(struct aion_receiver *receiver, void *ret_item)
{
	int result = aion__checkpoint();

	if (aion__unlikely(result < 0))
		return result;
	result = channel_remove(receiver, ret_item);
	if (result != -EAGAIN)
		return result;
	return channel_await(&receiver->channel->receivers, receiver->channel, "channel item", receiver, ret_item);
}

int aion_channel_try_send(struct aion_sender *sender, const void *item)
{
	return channel_add(sender, item);
}

int aion_channel_try_receive(struct aion_receiver *receiver, void *ret_item)
{
	return channel_remove(receiver, ret_item);
}

static size_t waits_count(const struct aion__waits *waits)
{
	const struct aion__wait *wait;
	size_t nr = 0;

	for (wait = waits->first; wait; wait = wait->next)
		nr++;
	return nr;
}

static int channel_stats(const struct aion_channel *channel, struct aion_channel_stats *ret_stats)
{
	if (!channel)
		return -EBADF;
	*ret_stats = (struct aion_channel_stats){
		.item_nr = channel->nr,
		.capacity = channel->options.capacity,
		.sender_nr = channel->sender_nr,
		.receiver_nr = channel->receiver_nr,
		.waiting_sender_nr = waits_count(&channel->senders),
		.waiting_receiver_nr = waits_count(&channel->receivers),
	};
	return 0;
}

int aion_sender_stats(const struct aion_sender *sender, struct aion_channel_stats *ret_stats)
{
	return channel_stats(sender->channel, ret_stats);
}

int aion_receiver_stats(const struct aion_receiver *receiver, struct aion_channel_stats *ret_stats)
{
	return channel_stats(receiver->channel, ret_stats);
}
