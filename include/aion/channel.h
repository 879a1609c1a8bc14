/* SPDX-License-Identifier: MIT */
#ifndef AION_CHANNEL_H
#define AION_CHANNEL_H
/*
 * The channel (trio's memory channel): items of one size go by value from any number of senders to any number of
 * receivers, tasks of one loop. Each holds an end of its own, which it closes. When the last sender is closed the
 * receivers get what is still in the channel, then the end; when the last receiver is closed sending fails. Who waits
 * is served first in, first out. An item that has been handed over is the receiver's, also if it is cancelled before it
 * runs; a send that says -ECANCELED has sent nothing.
 *
 *	while ((result = aion_channel_receive(&receiver, &job)) > 0)
 *		work(&job);
 */
#include <stdbool.h>

#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_CHANNEL_UNBOUNDED SIZE_MAX

struct aion_channel;

/* An end: the caller's memory. All zero = closed. Stays in place while a task waits through it. */
struct aion_sender {
	struct aion_channel *channel;
};

struct aion_receiver {
	struct aion_channel *channel;
};

struct aion_channel_options {
	size_t item_size; /* bytes, > 0 */
	/* Items that may be under way. 0: a send waits until a receiver has the item. */
	size_t capacity;
	/* Called with each item that is left when the last receiver is closed; must not suspend. NULL: nothing to do.
	 */
	void (*destroy)(void *item, void *arg);
	void *arg; /* handed to destroy */
};

struct aion_channel_stats {
	size_t item_nr;   /* under way */
	size_t capacity;  /* as it was made */
	size_t sender_nr; /* open ends */
	size_t receiver_nr;
	size_t waiting_sender_nr; /* tasks */
	size_t waiting_receiver_nr;
};

/**
 * aion_channel_create - make a channel, with an end to send and one to receive.
 * @options: see above; memory for all items is allocated now, and sending fails for want of memory in no case. With
 *   AION_CHANNEL_UNBOUNDED it grows, and sending never waits.
 * @ret_sender: open.
 * @ret_receiver: open. The channel goes with its last end.
 *
 * Errors: -EINVAL (item_size); -ENOMEM.
 * Suspends: no. Thread: loop, or before it runs. Source: none.
 */
AION_API int aion_channel_create(const struct aion_channel_options *options, struct aion_sender *ret_sender,
				 struct aion_receiver *ret_receiver);

/**
 * aion_sender_clone, aion_receiver_clone - one more end of the same channel.
 * @sender, @receiver: open.
 * @ret_sender, @ret_receiver: open; closed by itself.
 *
 * Errors: -EBADF (closed).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_sender_clone(const struct aion_sender *sender, struct aion_sender *ret_sender);
AION_API int aion_receiver_clone(const struct aion_receiver *receiver, struct aion_receiver *ret_receiver);

/**
 * aion_sender_close, aion_receiver_close - give an end back. For AION_CLEANUP, too.
 * @sender, @receiver: closed or all zero: nothing happens.
 *
 * Tasks that wait through this end are woken with -EBADF. With the last sender, tasks that wait to receive are told the
 * end; with the last receiver, tasks that wait to send are told -EPIPE, and items under way are destroyed.
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_sender_close(struct aion_sender *sender);
AION_API void aion_receiver_close(struct aion_receiver *receiver);

/**
 * aion_channel_send - send an item; while there is no room, wait.
 * @sender: an end of the caller's, which others may use at the same time.
 * @item: item_size bytes, copied before the call returns.
 *
 * Result: 0: the item is under way, or with a receiver.
 * Errors: in all of which nothing was sent: -EPIPE (all receivers are closed, before or meanwhile); -EBADF (this end is
 *   closed, before or meanwhile); -ENOMEM (unbounded channels only); -ECANCELED (a scope around the caller is
 *   cancelled); -EBUSY (not inside a task); -ECHILD (forked child).
 * Suspends: while there is no room, or the task's budget is used up. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_channel_send(struct aion_sender *sender, const void *item);

/**
 * aion_channel_receive - receive the next item; while there is none, wait.
 * @receiver: an end of the caller's, which others may use at the same time.
 * @ret_item: item_size bytes; written only if the result is 1.
 *
 * Result: 1: an item; 0: the end: all senders are closed, and nothing is under way.
 * Errors: -EBADF (this end is closed, before or meanwhile); -ECANCELED (nothing was received); -EBUSY; -ECHILD.
 * Suspends: while there is no item, or the task's budget is used up. Thread: loop. Source: none.
 */
AION_API AION_SUSPENDS int aion_channel_receive(struct aion_receiver *receiver, void *ret_item);

/**
 * aion_channel_try_send, aion_channel_try_receive - the same, never waiting. They are no checkpoints, and may be called
 * where no task runs (in a post).
 *
 * Result: of aion_channel_try_send() 0; of aion_channel_try_receive() 1, or 0 at the end.
 * Errors: -EAGAIN (no room; no item); -EPIPE (sending); -EBADF; -ENOMEM (sending, unbounded channels only).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_channel_try_send(struct aion_sender *sender, const void *item);
AION_API int aion_channel_try_receive(struct aion_receiver *receiver, void *ret_item);

/**
 * aion_sender_stats, aion_receiver_stats - how it stands with the channel.
 * @sender, @receiver: open.
 * @ret_stats: see above.
 *
 * Errors: -EBADF (closed).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_sender_stats(const struct aion_sender *sender, struct aion_channel_stats *ret_stats);
AION_API int aion_receiver_stats(const struct aion_receiver *receiver, struct aion_channel_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
