/* SPDX-License-Identifier: MIT */
/* Blocking calls on worker threads: the public face of the ring's workers. */
#include <errno.h>
#include <string.h>

#include <aion/offload.h>

#include "alloc_int.h"
#include "call_int.h"
#include "loop_int.h"

/* Whoever stands in for the worker threads may run it on the loop's own thread: fn shall not see a loop there, either.
 */
static int64_t call_run(struct aion__job *job)
{
	struct aion__call *call = aion__container_of(job, struct aion__call, job);
	struct aion__engine *outer = aion__engine;
	int64_t result;

	aion__engine = NULL;
	result = call->fn(call->arg);
	aion__engine = outer;
	return result;
}

static void call_finish(struct aion_loop *loop, struct aion__call *call, int64_t result)
{
	loop->call_nr--;
	aion__future_finish(&loop->engine, &call->future, result);
}

static void call_done(struct aion__ring *ring, struct aion__job *job)
{
	struct aion__engine *engine = aion__container_of(ring, struct aion__engine, ring);

	call_finish((struct aion_loop *)engine, aion__container_of(job, struct aion__call, job), job->result);
}

void aion__call_withdraw(struct aion__call *call)
{
	struct aion_loop *loop = call->future.loop;

	if (!aion__future_is_done(&call->future) &&
	    loop->engine.ring.backend->withdraw_job(&loop->engine.ring, &call->job))
		call_finish(loop, call, -ECANCELED);
}

static int call_submit(struct aion_loop *loop, struct aion__call *call, enum aion_offload_kind kind,
		       uint8_t future_kind)
{
	int result;

	call->future = (struct aion_future){.loop = loop, .kind = future_kind, .fd = -1};
	call->job = (struct aion__job){.run = call_run, .done = call_done, .is_slow = kind == AION_OFFLOAD_SLOW};
	result = loop->engine.ring.backend->submit_job(&loop->engine.ring, &call->job);
	if (result == 0)
		loop->call_nr++;
	return result;
}

int64_t aion_offload(enum aion_offload_kind kind, aion_fn *fn, void *arg)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__loop_task(loop);
	struct aion__call call = {.fn = fn, .arg = arg};
	int result;

	if (!task)
		return aion__loop_refuses(loop);
	if (kind != AION_OFFLOAD_FAST && kind != AION_OFFLOAD_SLOW)
		return -EINVAL;
	if (task->cancelled)
		return aion_checkpoint();
	result = call_submit(loop, &call, kind, AION__FUTURE_CALL);
	return result < 0 ? result : aion_await(&call.future);
}

/* A call that its caller may leave behind. */
struct detached {
	struct aion__call call;
	void (*destroy)(void *args, int64_t result, bool received);
	bool caller_is_gone;
	char args[AION_OFFLOAD_COPY_MAX] __attribute__((aligned(16)));
};

static void detached_destroy(struct detached *detached, int64_t result, bool received)
{
	if (detached->destroy)
		detached->destroy(detached->args, result, received);
	aion__free(detached);
}

static void detached_done(struct aion__ring *ring, struct aion__job *job)
{
	struct aion__call *call = aion__container_of(job, struct aion__call, job);
	struct detached *detached = aion__container_of(call, struct detached, call);
	bool caller_is_gone = detached->caller_is_gone;
	int64_t result = job->result;

	call_done(ring, job);
	if (caller_is_gone)
		detached_destroy(detached, result, false);
}

/* In a cancelled scope: fn does not run, but -ECANCELED always means that destroy takes care of the arguments. */
static int64_t detached_refuse(const void *args, size_t args_size,
			       void (*destroy)(void *args, int64_t result, bool received))
{
	char copy[AION_OFFLOAD_COPY_MAX] __attribute__((aligned(16)));
	int64_t result = aion_checkpoint();

	if (!destroy)
		return result;
	if (args_size)
		memcpy(copy, args, args_size);
	destroy(copy, result, false);
	return result;
}

int64_t aion_offload_detached(enum aion_offload_kind kind, aion_fn *fn, const void *args, size_t args_size,
			      void (*destroy)(void *args, int64_t result, bool received))
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__loop_task(loop);
	struct detached *detached;
	int64_t result;

	if (!task)
		return aion__loop_refuses(loop);
	if (kind != AION_OFFLOAD_FAST && kind != AION_OFFLOAD_SLOW)
		return -EINVAL;
	if (args_size > AION_OFFLOAD_COPY_MAX)
		return -E2BIG;
	if (task->cancelled)
		return detached_refuse(args, args_size, destroy);
	detached = aion__alloc_zeroed(sizeof(*detached));
	if (!detached)
		return -ENOMEM;
	if (args_size)
		memcpy(detached->args, args, args_size);
	detached->call.fn = fn;
	detached->call.arg = detached->args;
	detached->destroy = destroy;
	result = call_submit(loop, &detached->call, kind, AION__FUTURE_PLAIN);
	if (result < 0) {
		aion__free(detached);
		return result;
	}
	detached->call.future.state = AION__FUTURE_IS_CALL;
	detached->call.job.done = detached_done;
	result = aion_await(&detached->call.future);
	if (!aion__future_is_done(&detached->call.future)) {
		aion__call_withdraw(&detached->call);
		if (!aion__future_is_done(&detached->call.future)) {
			detached->caller_is_gone = true;
			return result;
		}
		detached_destroy(detached, -ECANCELED, false);
		return result;
	}
	result = detached->call.future.result;
	detached_destroy(detached, result, true);
	return result;
}
