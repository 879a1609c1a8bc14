/* SPDX-License-Identifier: MIT */
/*
 * The queue between loops and threads: a ring and two queues of waiters under one lock. As in aion_queue, items and
 * waiting getters are never there at the same time, nor room and waiting putters. Waiting tasks and blocked threads
 * stand in the same queues.
 */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include <aion/thread_queue.h>

#include "alloc_int.h"
#include "queue_store_int.h"
#include "waits_int.h"

struct aion_thread_queue {
	pthread_mutex_t lock; /* of everything below */
	struct aion__waits getters;
	struct aion__waits putters;
	struct aion_queue store; /* as memory for items only */
	bool is_closed;
};

/* On the stack of who waits, task or thread. */
struct queue_waiter {
	struct aion__remote remote; /* of a thread: the place in the queue and the item alone */
	struct aion_thread_queue *queue;
	bool is_thread;
	pthread_cond_t served; /* a thread's */
	int result;            /* a thread's, once it is off the queue */
};

static struct queue_waiter *waiter_of(struct aion__wait *wait)
{
	return wait ? aion__container_of(wait, struct queue_waiter, remote.wait) : NULL;
}

int aion_thread_queue_create(size_t capacity, struct aion_thread_queue **ret_queue)
{
	struct aion_thread_queue *queue = aion__alloc_zeroed(sizeof(*queue));
	int result;

	if (!queue)
		return -ENOMEM;
	result = aion_queue_init(&queue->store, AION_QUEUE_FIFO, capacity);
	if (result < 0) {
		aion__free(queue);
		return result;
	}
	pthread_mutex_init(&queue->lock, NULL);
	*ret_queue = queue;
	return 0;
}

void aion_thread_queue_destroy(struct aion_thread_queue *queue)
{
	if (!queue)
		return;
	AION_BUG_ON(!aion__waits_is_empty(&queue->getters) || !aion__waits_is_empty(&queue->putters),
		    "thread queue destroyed while somebody waits in it");
	pthread_mutex_destroy(&queue->lock);
	aion_queue_fini(&queue->store);
	aion__free(queue);
}

/*
 * Serve one that is off the queue. A thread is told under the lock, for it may be gone as soon as the lock is free. A
 * task waits for aion__remote_end(): whoever has freed the lock calls waiter_end() on what is returned here.
 */
static struct queue_waiter *waiter_serve(struct queue_waiter *waiter, int result)
{
	waiter->result = result;
	if (!waiter->is_thread)
		return waiter;
	pthread_cond_signal(&waiter->served);
	return NULL;
}

static void waiter_end(struct queue_waiter *waiter)
{
	if (waiter)
		aion__remote_end(&waiter->remote, waiter->result);
}

/* Under the lock. 0; -EAGAIN: it is full, the caller may wait; -ESHUTDOWN; -ENOMEM. */
static int queue_add(struct aion_thread_queue *queue, void *item, struct queue_waiter **ret_served)
{
	struct queue_waiter *getter;

	if (queue->is_closed)
		return -ESHUTDOWN;
	getter = waiter_of(aion__waits_take(&queue->getters));
	if (getter) {
		AION_ASSERT(!queue->store.nr);
		*(void **)getter->remote.wait.item = item;
		*ret_served = waiter_serve(getter, 0);
		return 0;
	}
	if (queue->store.nr >= queue->store.capacity)
		return -EAGAIN;
	if (aion__queue_grow(&queue->store) < 0)
		return -ENOMEM;
	aion__queue_store(&queue->store, item, 0);
	return 0;
}

/* Under the lock. 0; -EAGAIN: it is empty, the caller may wait; -ESHUTDOWN. */
static int queue_remove(struct aion_thread_queue *queue, void **ret_item, struct queue_waiter **ret_served)
{
	struct queue_waiter *putter;

	if (!queue->store.nr)
		return queue->is_closed ? -ESHUTDOWN : -EAGAIN;
	*ret_item = aion__queue_fetch(&queue->store);
	putter = waiter_of(aion__waits_take(&queue->putters));
	if (putter) {
		aion__queue_store(&queue->store, putter->remote.wait.item, 0);
		*ret_served = waiter_serve(putter, 0);
	}
	return 0;
}

/* What a call does under the lock: put an item if there is one, else get one. */
struct queue_call {
	struct aion_thread_queue *queue;
	bool is_put;
	void *item;      /* to put */
	void **ret_item; /* to get */
};

static int call_try(const struct queue_call *call, struct queue_waiter **ret_served)
{
	if (call->is_put)
		return queue_add(call->queue, call->item, ret_served);
	return queue_remove(call->queue, call->ret_item, ret_served);
}

/* Get in line, under the lock. */
static void call_line_up(const struct queue_call *call, struct queue_waiter *waiter)
{
	struct aion_thread_queue *queue = call->queue;

	waiter->queue = queue;
	waiter->remote.wait.noun = call->is_put ? "room in a thread queue" : "thread queue item";
	waiter->remote.wait.object = queue;
	waiter->remote.wait.item = call->is_put ? call->item : (void *)call->ret_item;
	aion__waits_append(call->is_put ? &queue->putters : &queue->getters, &waiter->remote.wait);
}

static bool waiter_withdraw(struct aion__remote *remote)
{
	struct queue_waiter *waiter = aion__container_of(remote, struct queue_waiter, remote);
	bool is_waiting;

	pthread_mutex_lock(&waiter->queue->lock);
	is_waiting = remote->wait.waits;
	if (is_waiting)
		aion__waits_remove(&remote->wait);
	pthread_mutex_unlock(&waiter->queue->lock);
	return is_waiting;
}

static int call_never_waiting(const struct queue_call *call)
{
	struct queue_waiter *served = NULL;
	int result;

	pthread_mutex_lock(&call->queue->lock);
	result = call_try(call, &served);
	pthread_mutex_unlock(&call->queue->lock);
	waiter_end(served);
	return result;
}

static int call_in_task(const struct queue_call *call)
{
	struct queue_waiter *served = NULL, self;
	int result = aion__checkpoint();

	if (result < 0)
		return result;
	pthread_mutex_lock(&call->queue->lock);
	result = call_try(call, &served);
	if (result == -EAGAIN) {
		self.is_thread = false;
		aion__remote_init(&self.remote, waiter_withdraw);
		call_line_up(call, &self);
	}
	pthread_mutex_unlock(&call->queue->lock);
	waiter_end(served);
	return result == -EAGAIN ? (int)aion__remote_await(&self.remote) : result;
}

/* Under the lock: until somebody has served it, or it is too late. */
static int waiter_block(struct queue_waiter *self, int64_t deadline_ns)
{
	const struct timespec deadline = {deadline_ns / AION_SECOND, deadline_ns % AION_SECOND};
	int error = 0;

	while (self->remote.wait.waits && !error) {
		if (deadline_ns == AION_NEVER)
			pthread_cond_wait(&self->served, &self->queue->lock);
		else
			error = pthread_cond_timedwait(&self->served, &self->queue->lock, &deadline);
	}
	if (!self->remote.wait.waits)
		return self->result;
	AION_ASSERT(error == ETIMEDOUT);
	aion__waits_remove(&self->remote.wait);
	return -ETIME;
}

static int call_blocking(const struct queue_call *call, int64_t deadline_ns)
{
	struct queue_waiter *served = NULL, self;
	pthread_condattr_t attr;
	int result;

	if (aion__loop())
		return -EDEADLK;
	pthread_mutex_lock(&call->queue->lock);
	result = call_try(call, &served);
	if (result == -EAGAIN) {
		self.is_thread = true;
		pthread_condattr_init(&attr);
		pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
		pthread_cond_init(&self.served, &attr);
		pthread_condattr_destroy(&attr);
		call_line_up(call, &self);
		result = waiter_block(&self, deadline_ns < 0 ? 0 : deadline_ns);
		pthread_cond_destroy(&self.served);
	}
	pthread_mutex_unlock(&call->queue->lock);
	waiter_end(served);
	return result;
}

int aion_thread_queue_put(struct aion_thread_queue *queue, void *item)
{
	return call_in_task(&(struct queue_call){.queue = queue, .is_put = true, .item = item});
}

int aion_thread_queue_get(struct aion_thread_queue *queue, void **ret_item)
{
	return call_in_task(&(struct queue_call){.queue = queue, .ret_item = ret_item});
}

int aion_thread_queue_put_blocking(struct aion_thread_queue *queue, void *item, int64_t deadline_ns)
{
	return call_blocking(&(struct queue_call){.queue = queue, .is_put = true, .item = item}, deadline_ns);
}

int aion_thread_queue_get_blocking(struct aion_thread_queue *queue, void **ret_item, int64_t deadline_ns)
{
	return call_blocking(&(struct queue_call){.queue = queue, .ret_item = ret_item}, deadline_ns);
}

int aion_thread_queue_try_put(struct aion_thread_queue *queue, void *item)
{
	return call_never_waiting(&(struct queue_call){.queue = queue, .is_put = true, .item = item});
}

int aion_thread_queue_try_get(struct aion_thread_queue *queue, void **ret_item)
{
	return call_never_waiting(&(struct queue_call){.queue = queue, .ret_item = ret_item});
}

/* Under the lock: everybody off the queue. Threads are told here; tasks are returned, one behind the other. */
static struct aion__wait *waits_close(struct aion__waits *waits)
{
	struct aion__wait *tasks = NULL, **end = &tasks, *wait;

	while ((wait = aion__waits_take(waits))) {
		if (!waiter_serve(waiter_of(wait), -ESHUTDOWN))
			continue;
		wait->next = NULL;
		*end = wait;
		end = &wait->next;
	}
	return tasks;
}

static void waits_end(struct aion__wait *wait)
{
	struct aion__wait *next;

	for (; wait; wait = next) {
		next = wait->next;
		waiter_end(waiter_of(wait));
	}
}

void aion_thread_queue_close(struct aion_thread_queue *queue)
{
	struct aion__wait *getters, *putters;

	pthread_mutex_lock(&queue->lock);
	queue->is_closed = true;
	getters = waits_close(&queue->getters);
	putters = waits_close(&queue->putters);
	pthread_mutex_unlock(&queue->lock);
	waits_end(putters);
	waits_end(getters);
}

size_t aion_thread_queue_size(struct aion_thread_queue *queue)
{
	size_t nr;

	pthread_mutex_lock(&queue->lock);
	nr = queue->store.nr;
	pthread_mutex_unlock(&queue->lock);
	return nr;
}

size_t aion_thread_queue_capacity(const struct aion_thread_queue *queue)
{
	return queue->store.capacity;
}
