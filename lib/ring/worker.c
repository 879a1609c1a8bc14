/* SPDX-License-Identifier: MIT */
#include "worker_int.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "alloc_int.h"
#include "clock_int.h"
#include "fault_int.h"

#define IDLE_NS (3 * AION_SECOND) /* a thread without work ends after this */

/* First in, first out. */
struct job_queue {
	struct aion__job *head;
	struct aion__job **tail;
	unsigned nr;
};

struct worker_thread {
	pthread_t id;
	struct aion__workers *workers;
	bool is_joinable; /* the loop's thread alone knows */
	bool has_ended;   /* joining it takes no time */
};

/* Everything but `ring`, `slow_max` and `thread_max` is under the lock; done.nr may be peeked at without. */
struct aion__workers {
	struct aion__ring *ring;
	pthread_mutex_t lock;
	pthread_cond_t work; /* there is a job, or it is time to stop */
	struct job_queue fast;
	struct job_queue slow;
	struct job_queue done;
	unsigned alive_nr;
	unsigned idle_nr; /* waiting, or woken and not yet running */
	unsigned slow_running_nr;
	unsigned slow_max; /* threads that slow jobs may hold */
	bool slow_is_next; /* whose turn it is when both kinds queue */
	bool is_stopping;
	unsigned thread_max;
	struct worker_thread threads[];
};

static void queue_init(struct job_queue *queue)
{
	queue->head = NULL;
	queue->tail = &queue->head;
	queue->nr = 0;
}

static void queue_add(struct job_queue *queue, struct aion__job *job)
{
	job->next = NULL;
	job->pprev = queue->tail;
	*queue->tail = job;
	queue->tail = &job->next;
	__atomic_store_n(&queue->nr, queue->nr + 1, __ATOMIC_RELAXED);
}

static void queue_remove(struct job_queue *queue, struct aion__job *job)
{
	AION_ASSERT(queue->nr > 0 && *job->pprev == job);
	*job->pprev = job->next;
	if (job->next)
		job->next->pprev = job->pprev;
	else
		queue->tail = job->pprev;
	__atomic_store_n(&queue->nr, queue->nr - 1, __ATOMIC_RELAXED);
}

/* Jobs that a free thread could begin now. */
static unsigned runnable_nr(const struct aion__workers *workers)
{
	unsigned slow_free_nr = workers->slow_max - workers->slow_running_nr;

	return workers->fast.nr + (workers->slow.nr < slow_free_nr ? workers->slow.nr : slow_free_nr);
}

/* The next job for a thread, or NULL. The two kinds take turns, so that neither starves the other. */
static struct aion__job *take_job(struct aion__workers *workers)
{
	bool slow_can = workers->slow.nr && workers->slow_running_nr < workers->slow_max;
	struct job_queue *queue =
		slow_can && (workers->slow_is_next || !workers->fast.nr) ? &workers->slow : &workers->fast;
	struct aion__job *job = queue->head;

	if (!job)
		return NULL;
	queue_remove(queue, job);
	workers->slow_is_next = !job->is_slow;
	workers->slow_running_nr += job->is_slow;
	job->state = AION__JOB_RUNNING;
	return job;
}

/* Runs one job without the lock, hands it back with it held again. */
static void run_job(struct aion__workers *workers, struct aion__job *job)
{
	bool is_first;

	pthread_mutex_unlock(&workers->lock);
	job->result = job->run(job);
	pthread_mutex_lock(&workers->lock);
	workers->slow_running_nr -= job->is_slow;
	/* The place for slow jobs that has just come free may be what an idle thread waits for. */
	if (job->is_slow && workers->slow.nr && workers->idle_nr)
		pthread_cond_signal(&workers->work);
	job->state = AION__JOB_DONE;
	is_first = !workers->done.nr;
	queue_add(&workers->done, job);
	if (!is_first)
		return;
	/* Not under the lock: the loop's thread comes running for it. The ring outlives this thread, see fini. */
	pthread_mutex_unlock(&workers->lock);
	aion__ring_wake(workers->ring);
	pthread_mutex_lock(&workers->lock);
}

/* Waits for something to do. False: the thread shall end. */
static bool wait_for_work(struct aion__workers *workers)
{
	int64_t deadline_ns = aion__clock_ns() + IDLE_NS;
	struct timespec deadline = {.tv_sec = deadline_ns / AION_SECOND, .tv_nsec = deadline_ns % AION_SECOND};
	int result = 0;

	workers->idle_nr++;
	while (!runnable_nr(workers) && !workers->is_stopping && result != ETIMEDOUT)
		result = pthread_cond_timedwait(&workers->work, &workers->lock, &deadline);
	workers->idle_nr--;
	return runnable_nr(workers);
}

static void *thread_main(void *arg)
{
	struct worker_thread *thread = arg;
	struct aion__workers *workers = thread->workers;
	struct aion__job *job;

	pthread_setname_np(pthread_self(), "aion-worker");
	pthread_mutex_lock(&workers->lock);
	do {
		while ((job = take_job(workers)))
			run_job(workers, job);
	} while (wait_for_work(workers));
	thread->has_ended = true;
	workers->alive_nr--;
	pthread_mutex_unlock(&workers->lock);
	return NULL;
}

static void thread_join(struct worker_thread *thread)
{
	int result = pthread_join(thread->id, NULL);

	AION_BUG_ON(result, "pthread_join: %d", result);
	thread->is_joinable = false;
	thread->has_ended = false;
}

/* With all signals blocked: they are for the application's threads. */
static int thread_create(struct worker_thread *thread)
{
	sigset_t all;
	sigset_t before;
	int saved_errno = errno;
	int result = aion__fault_hit(AION__FAULT_THREAD_CREATE);

	if (result)
		return result;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(&thread->id, NULL, thread_main, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = saved_errno;
	return -result;
}

/* One more thread. With the lock held. */
static int thread_start(struct aion__workers *workers)
{
	struct worker_thread *thread = workers->threads;
	int result;

	AION_ASSERT(workers->alive_nr < workers->thread_max);
	while (thread->is_joinable && !thread->has_ended)
		thread++;
	if (thread->is_joinable)
		thread_join(thread);
	thread->workers = workers;
	result = thread_create(thread);
	if (result < 0)
		return result;
	thread->is_joinable = true;
	workers->alive_nr++;
	return 0;
}

static int workers_create(struct aion__ring *ring)
{
	unsigned thread_max = ring->worker_max ? ring->worker_max : 1;
	struct aion__workers *workers;
	pthread_condattr_t attr;

	workers = aion__alloc_zeroed(sizeof(*workers) + thread_max * sizeof(workers->threads[0]));
	if (!workers)
		return -ENOMEM;
	workers->ring = ring;
	workers->thread_max = thread_max;
	workers->slow_max = thread_max > 1 ? thread_max / 2 : 1;
	queue_init(&workers->fast);
	queue_init(&workers->slow);
	queue_init(&workers->done);
	pthread_mutex_init(&workers->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&workers->work, &attr);
	pthread_condattr_destroy(&attr);
	ring->workers = workers;
	return 0;
}

static struct job_queue *queue_of(struct aion__workers *workers, const struct aion__job *job)
{
	return job->is_slow ? &workers->slow : &workers->fast;
}

int aion__workers_submit(struct aion__ring *ring, struct aion__job *job)
{
	struct aion__workers *workers;
	int result = ring->workers ? 0 : workers_create(ring);

	if (result < 0)
		return result;
	workers = ring->workers;
	pthread_mutex_lock(&workers->lock);
	AION_ASSERT(!workers->is_stopping);
	job->state = AION__JOB_QUEUED;
	queue_add(queue_of(workers, job), job);
	if (runnable_nr(workers) > workers->idle_nr && workers->alive_nr < workers->thread_max)
		result = thread_start(workers);
	if (result < 0 && !workers->alive_nr) {
		queue_remove(queue_of(workers, job), job);
		result = -EAGAIN;
	} else {
		/* Without a new thread the job waits for one of those that are there. */
		result = 0;
		if (workers->idle_nr)
			pthread_cond_signal(&workers->work);
	}
	pthread_mutex_unlock(&workers->lock);
	return result;
}

bool aion__workers_withdraw(struct aion__ring *ring, struct aion__job *job)
{
	struct aion__workers *workers = ring->workers;
	bool is_queued;

	AION_ASSERT(workers);
	pthread_mutex_lock(&workers->lock);
	is_queued = job->state == AION__JOB_QUEUED;
	if (is_queued) {
		queue_remove(queue_of(workers, job), job);
		job->state = AION__JOB_WITHDRAWN;
	}
	pthread_mutex_unlock(&workers->lock);
	return is_queued;
}

unsigned aion__workers_reap(struct aion__ring *ring)
{
	struct aion__workers *workers = ring->workers;
	struct aion__job *job;
	struct aion__job *next;
	unsigned nr;

	if (!workers || !__atomic_load_n(&workers->done.nr, __ATOMIC_RELAXED))
		return 0;
	pthread_mutex_lock(&workers->lock);
	job = workers->done.head;
	nr = workers->done.nr;
	queue_init(&workers->done);
	pthread_mutex_unlock(&workers->lock);
	ring->stats.worker_nr += nr;
	for (; job; job = next) {
		next = job->next;
		job->done(ring, job);
	}
	return nr;
}

void aion__workers_fini(struct aion__ring *ring)
{
	struct aion__workers *workers = ring->workers;

	if (!workers)
		return;
	pthread_mutex_lock(&workers->lock);
	AION_BUG_ON(workers->fast.nr || workers->slow.nr, "workers end while jobs queue");
	workers->is_stopping = true;
	pthread_cond_broadcast(&workers->work);
	pthread_mutex_unlock(&workers->lock);
	for (unsigned i = 0; i < workers->thread_max; i++)
		if (workers->threads[i].is_joinable)
			thread_join(&workers->threads[i]);
	aion__workers_reap(ring);
	pthread_cond_destroy(&workers->work);
	pthread_mutex_destroy(&workers->lock);
	ring->workers = NULL;
	aion__free(workers);
}

void aion__workers_forget(struct aion__ring *ring)
{
	/* Another thread may have held the lock when the process was forked: nothing but the memory can be touched. */
	aion__free(ring->workers);
	ring->workers = NULL;
}
