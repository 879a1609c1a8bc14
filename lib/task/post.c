/* SPDX-License-Identifier: MIT */
/*
 * What other threads may do to a loop: post a function, complete a promise. Posts are a stack that anyone pushes to and
 * the loop takes whole. Who pushes to an empty one wakes the loop, so a wake is never lost: the loop takes posts only
 * after it has been woken, or on its way, and then the wake finds nothing.
 */
#include <errno.h>
#include <sched.h>

#include <aion/promise.h>

#include "alloc_int.h"
#include "loop_int.h"
#include "mutant_int.h"

struct aion__mailbox *aion__mailbox_create(struct aion_loop *loop)
{
	struct aion__mailbox *mailbox = aion__alloc_zeroed(sizeof(*mailbox));

	if (!mailbox)
		return NULL;
	mailbox->loop = loop;
	atomic_init(&mailbox->references, 1);
	return mailbox;
}

void aion__mailbox_unref(struct aion__mailbox *mailbox)
{
	if (atomic_fetch_sub(&mailbox->references, 1) == 1)
		aion__free(mailbox);
}

void aion__mailbox_close(struct aion__mailbox *mailbox, bool is_forked_child)
{
	atomic_store(&mailbox->is_closed, true);
	while (!is_forked_child && atomic_load(&mailbox->inside_nr))
		sched_yield();
	aion__mailbox_unref(mailbox);
}

static int loop_push(struct aion_loop *loop, struct aion__post *post)
{
	struct aion__post *head = atomic_load(&loop->posts);

	if (!aion__ring_is_alive(&loop->engine.ring))
		return -ECHILD;
	do {
		if (head == AION__POSTS_CLOSED)
			return -ESHUTDOWN;
		post->next = head;
	} while (!atomic_compare_exchange_weak(&loop->posts, &head, post));
	if (aion__is_mutant(AION__MUTANT_LOSE_POST) && loop == aion__loop())
		return 0; /* as if it always looked at its posts before it sleeps */
	if (!head)
		aion__ring_wake(&loop->engine.ring);
	return 0;
}

/* A post that is accepted may be what ends the loop, before its poster has woken it: hence the count. */
static int mailbox_push(struct aion__mailbox *mailbox, struct aion__post *post)
{
	int result = -ESHUTDOWN;

	atomic_fetch_add(&mailbox->inside_nr, 1);
	if (!atomic_load(&mailbox->is_closed))
		result = loop_push(mailbox->loop, post);
	atomic_fetch_sub(&mailbox->inside_nr, 1);
	return result;
}

int aion__loop_push(struct aion_loop *loop, struct aion__post *post)
{
	return mailbox_push(loop->mailbox, post);
}

struct user_post {
	struct aion__post post;
	void (*fn)(void *arg);
	void *arg;
};

static void user_post_run(struct aion__post *post)
{
	struct user_post user = *aion__container_of(post, struct user_post, post);

	aion__free(aion__container_of(post, struct user_post, post));
	user.fn(user.arg);
}

int aion_loop_post(struct aion_loop *loop, void (*fn)(void *arg), void *arg)
{
	struct user_post *user = aion__alloc(sizeof(*user));
	int result;

	if (!user)
		return -ENOMEM;
	*user = (struct user_post){.post.run = user_post_run, .fn = fn, .arg = arg};
	result = aion__loop_push(loop, &user->post);
	if (result < 0)
		aion__free(user);
	return result;
}

struct aion_promise {
	struct aion_future future;
	struct aion__post post;
	struct aion__mailbox *mailbox; /* of its loop, which may end before it is completed */
	int64_t result;
	atomic_uint references;
	atomic_bool is_completed;
};

static void promise_unref(struct aion_promise *promise)
{
	if (atomic_fetch_sub(&promise->references, 1) != 1)
		return;
	aion__mailbox_unref(promise->mailbox);
	aion__free(promise);
}

int aion_promise_create(struct aion_promise **ret_promise)
{
	struct aion_loop *loop = aion__loop();
	struct aion_promise *promise;

	if (!aion__loop_task(loop))
		return aion__loop_refuses(loop);
	promise = aion__alloc_zeroed(sizeof(*promise));
	if (!promise)
		return -ENOMEM;
	aion_future_init(&promise->future);
	promise->future.kind = AION__FUTURE_HELD;
	promise->mailbox = loop->mailbox;
	atomic_fetch_add(&loop->mailbox->references, 1);
	atomic_init(&promise->references, 2);
	*ret_promise = promise;
	return 0;
}

struct aion_future *aion_promise_future(struct aion_promise *promise)
{
	return &promise->future;
}

static void promise_deliver(struct aion__post *post)
{
	struct aion_promise *promise = aion__container_of(post, struct aion_promise, post);

	aion__future_finish(&promise->mailbox->loop->engine, &promise->future, promise->result);
	promise_unref(promise);
}

void aion_promise_complete(struct aion_promise *promise, int64_t result)
{
	struct aion__mailbox *mailbox = promise->mailbox;

	AION_BUG_ON(atomic_exchange(&promise->is_completed, true), "promise completed twice");
	promise->result = result;
	promise->post.run = promise_deliver;
	/* The result may be delivered, and the promise gone, before the push has come back. A loop that is going away
	 * has nobody left who waits. */
	atomic_fetch_add(&mailbox->references, 1);
	if (mailbox_push(mailbox, &promise->post) < 0)
		promise_unref(promise);
	aion__mailbox_unref(mailbox);
}

void aion_promise_release(struct aion_promise *promise)
{
	if (!promise)
		return;
	AION_BUG_ON(promise->future.waiters && !aion__future_is_done(&promise->future),
		    "promise released while a task waits for it");
	aion__future_check_received(aion__engine, &promise->future);
	promise_unref(promise);
}
