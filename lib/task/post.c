/* SPDX-License-Identifier: MIT */
/*
 * What other threads may do to a loop: post a function, complete a promise. Posts are a stack that anyone pushes to and
 * the loop takes whole. Who pushes to an empty one wakes the loop, so a wake is never lost: the loop takes posts only
 * after it has been woken, or on its way, and then the wake finds nothing.
 */
#include <errno.h>

#include <aion/promise.h>

#include "alloc_int.h"
#include "loop_int.h"

int aion__loop_push(struct aion_loop *loop, struct aion__post *post)
{
	struct aion__post *head = atomic_load(&loop->posts);

	if (!aion__ring_is_alive(&loop->engine.ring))
		return -ECHILD;
	do {
		if (head == AION__POSTS_CLOSED)
			return -ESHUTDOWN;
		post->next = head;
	} while (!atomic_compare_exchange_weak(&loop->posts, &head, post));
	if (!head)
		aion__ring_wake(&loop->engine.ring);
	return 0;
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
	struct aion_loop *loop;
	int64_t result;
	atomic_uint references;
	atomic_bool is_completed;
};

static void promise_unref(struct aion_promise *promise)
{
	if (atomic_fetch_sub(&promise->references, 1) == 1)
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
	promise->loop = loop;
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

	aion__future_finish(&promise->loop->engine, &promise->future, promise->result);
	promise_unref(promise);
}

void aion_promise_complete(struct aion_promise *promise, int64_t result)
{
	AION_BUG_ON(atomic_exchange(&promise->is_completed, true), "promise completed twice");
	promise->result = result;
	promise->post.run = promise_deliver;
	/* A loop that is going away has nobody left who waits. */
	if (aion__loop_push(promise->loop, &promise->post) < 0)
		promise_unref(promise);
}

void aion_promise_release(struct aion_promise *promise)
{
	if (!promise)
		return;
	AION_BUG_ON(promise->future.waiters && !aion__future_is_done(&promise->future),
		    "promise released while a task waits for it");
	promise_unref(promise);
}
