/* SPDX-License-Identifier: MIT */
/* What runs elsewhere: offloaded calls, posts, promises. */
#include "effort.h"

static int64_t draw_answer(struct actor *self)
{
	return draw_percent(&self->draw, 85) ? (int64_t)draw_below(&self->draw, 10000) : -EDOM;
}

static enum aion_offload_kind draw_kind(struct actor *self)
{
	return draw_percent(&self->draw, 50) ? AION_OFFLOAD_FAST : AION_OFFLOAD_SLOW;
}

/* ---- offload */

struct job {
	int64_t answer;
	unsigned run_nr;
};

static int64_t job_run(void *arg)
{
	struct job *job = arg;

	__atomic_fetch_add(&job->run_nr, 1, __ATOMIC_RELAXED);
	return job->answer;
}

int64_t act_offload(struct actor *self)
{
	struct job job = {.answer = draw_answer(self)};
	int64_t result = aion_offload(draw_kind(self), job_run, &job);

	told(self, "offload", result, INT64_MAX, job.answer < 0 ? MAY_ANY : MAY_MEMORY);
	if (job.run_nr != (result != -ECANCELED && result != -ENOMEM))
		run_fail(self->run, "an offloaded call has run %u times and says %lld", job.run_nr, (long long)result);
	if (job.run_nr && result != job.answer)
		run_fail(self->run, "an offloaded call says %lld instead of %lld", (long long)result,
			 (long long)job.answer);
	return result;
}

/* ---- detached */

struct detached {
	struct run *run;
	struct aion_promise *promise; /* to be completed in any case, or NULL */
	bool *received;               /* lies with the caller: valid only if he is there */
	int64_t answer;
	bool has_run;
};

static int64_t detached_run(void *arg)
{
	struct detached *detached = arg;

	if (detached->has_run)
		run_fail(detached->run, "a detached call runs twice");
	detached->has_run = true;
	if (detached->promise)
		aion_promise_complete(detached->promise, detached->answer);
	return detached->answer;
}

static void detached_destroy(void *arg, int64_t result, bool received)
{
	struct detached *detached = arg;

	if (result != (detached->has_run ? detached->answer : -ECANCELED))
		run_fail(detached->run, "a detached call (has run: %d) is destroyed with %lld", detached->has_run,
			 (long long)result);
	if (!detached->has_run && detached->promise)
		aion_promise_complete(detached->promise, detached->answer);
	if (received)
		*detached->received = true;
	__atomic_fetch_add(&detached->run->job_end_nr, 1, __ATOMIC_RELEASE);
}

static int64_t detach(struct actor *self, struct aion_promise *promise, int64_t answer)
{
	bool received = false;
	struct detached detached = {.run = self->run, .promise = promise, .received = &received, .answer = answer};
	int64_t result;

	__atomic_fetch_add(&self->run->job_nr, 1, __ATOMIC_RELAXED);
	result = aion_offload_detached(draw_kind(self), detached_run, &detached, sizeof(detached), detached_destroy);
	told(self, "detached offload", result, INT64_MAX, answer < 0 ? MAY_ANY : MAY_MEMORY);
	if (result == -ENOMEM && !received) { /* not begun, and not destroyed either */
		__atomic_fetch_sub(&self->run->job_nr, 1, __ATOMIC_RELAXED);
		if (promise)
			aion_promise_complete(promise, answer);
		return result;
	}
	if (received != (result != -ECANCELED))
		run_fail(self->run, "a detached call says %lld, and that it was received: %d", (long long)result,
			 received);
	if (received && result != answer)
		run_fail(self->run, "a detached call says %lld instead of %lld", (long long)result, (long long)answer);
	return result;
}

int64_t act_detached(struct actor *self)
{
	return detach(self, NULL, draw_answer(self));
}

/* ---- promises */

struct promising {
	struct aion_promise *promise;
	int64_t answer;
};

static int64_t promising_task(struct actor *self, void *arg)
{
	const struct promising *promising = arg;
	int64_t result = detach(self, promising->promise, promising->answer);

	return result == -ECANCELED ? result : 0;
}

int64_t act_promise(struct actor *self)
{
	struct promising promising = {.answer = draw_answer(self)};
	struct party party;
	int64_t result;

	result = told(self, "promise_create", aion_promise_create(&promising.promise), 0, NOT_REFUSED);
	if (result < 0)
		return result;
	party_enter(self, &party);
	if (!actor_spawn(self, &party, promising_task, &promising))
		aion_promise_complete(promising.promise, promising.answer);
	if (draw_percent(&self->draw, 15))
		party_cancel(self->run, &party);
	result = aion_await(aion_promise_future(promising.promise));
	told(self, "promise", result, INT64_MAX, promising.answer < 0 ? MAY_ANY : 0);
	if (result != -ECANCELED && result != promising.answer)
		run_fail(self->run, "a promise says %lld instead of %lld", (long long)result,
			 (long long)promising.answer);
	aion_promise_release(promising.promise);
	return party_leave(self, &party, result == -ECANCELED ? result : 0);
}

/* ---- posts */

static void nothing(void *unused)
{
	(void)unused;
}

/* A post may start tasks of its own, too. */
struct posted_spawn {
	struct actor *self; /* waits until it has run */
	struct party *party;
	struct aion_future done;
};

static int64_t posted_task(struct actor *self, void *unused)
{
	(void)unused;
	return actor_pause(self);
}

static void spawn_posted(void *arg)
{
	struct posted_spawn *spawn = arg;

	actor_spawn_queued(spawn->self, spawn->party, posted_task, NULL);
	aion_future_complete(&spawn->done, 0);
}

static int64_t post_and_spawn(struct actor *self)
{
	struct posted_spawn spawn = {.self = self};
	struct aion_scope scope;
	struct shade shade;
	struct party party;

	party_enter(self, &party);
	spawn.party = &party;
	aion_future_init(&spawn.done);
	if (run_post(self->run, spawn_posted, &spawn)) {
		shade_enter_refuge(self, &shade, &scope);
		told(self, "post", aion_await(&spawn.done), 0, 0);
		shade_leave(self, &shade);
	}
	return party_leave(self, &party, 0);
}

int64_t act_post(struct actor *self)
{
	unsigned nr = (unsigned)draw_between(&self->draw, 1, 5);

	if (draw_percent(&self->draw, 30))
		return post_and_spawn(self);
	while (nr--)
		run_post(self->run, nothing, NULL);
	return draw_percent(&self->draw, 50) ? actor_pause(self) : 0;
}
