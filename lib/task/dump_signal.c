/* SPDX-License-Identifier: MIT */
/*
 * Dumps that are asked for from elsewhere: by a post, and by a signal, whose handler pushes a post that is there
 * already. Pushing takes no lock, so a handler may do it on any thread, the loop's own among them.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "alloc_int.h"
#include "inspect_int.h"

#define WATCH_MAX 64 /* loops that listen to signals */

struct dump_post {
	struct aion__post post;
	struct aion_loop *loop;
	int fd;
};

static void dump_post_run(struct aion__post *post)
{
	struct dump_post dump = *aion__container_of(post, struct dump_post, post);

	aion__free(aion__container_of(post, struct dump_post, post));
	aion_loop_dump(dump.loop, dump.fd);
}

int aion_loop_dump_post(struct aion_loop *loop, int fd)
{
	struct dump_post *dump = aion__alloc(sizeof(*dump));
	int result;

	if (!dump)
		return -ENOMEM;
	*dump = (struct dump_post){.post.run = dump_post_run, .loop = loop, .fd = fd};
	result = aion__loop_push(loop, &dump->post);
	if (result < 0)
		aion__free(dump);
	return result;
}

/* One loop's wish. */
struct aion__dump_watch {
	struct aion__post post;
	struct aion_loop *loop;
	int signal;
	int fd;
	atomic_bool is_posted; /* the post is on its way: what a second signal asks for will be done */
};

/* What the handler sees. Who takes a watch out of it waits until no handler is inside. */
static _Atomic(struct aion__dump_watch *) watches[WATCH_MAX];
static atomic_uint handler_nr;

/* A forked child's only thread is the one that forked: nobody is inside there, whoever was in the parent. */
static void forget_in_child(void)
{
	atomic_store(&handler_nr, 0);
}

static __attribute__((constructor)) void fork_prepare(void)
{
	pthread_atfork(NULL, NULL, forget_in_child);
}

static void watch_run(struct aion__post *post)
{
	struct aion__dump_watch *watch = aion__container_of(post, struct aion__dump_watch, post);

	atomic_store(&watch->is_posted, false);
	aion_loop_dump(watch->loop, watch->fd);
}

static void on_signal(int signal)
{
	int saved_errno = errno;

	atomic_fetch_add(&handler_nr, 1);
	for (size_t i = 0; i < WATCH_MAX; i++) {
		struct aion__dump_watch *watch = atomic_load(&watches[i]);

		if (!watch || watch->signal != signal || atomic_exchange(&watch->is_posted, true))
			continue;
		if (aion__loop_push(watch->loop, &watch->post) < 0)
			atomic_store(&watch->is_posted, false);
	}
	atomic_fetch_sub(&handler_nr, 1);
	errno = saved_errno;
}

static int watch_enter(struct aion__dump_watch *watch)
{
	for (size_t i = 0; i < WATCH_MAX; i++) {
		struct aion__dump_watch *none = NULL;

		if (atomic_compare_exchange_strong(&watches[i], &none, watch))
			return 0;
	}
	return -EBUSY;
}

static void watch_leave(struct aion__dump_watch *watch)
{
	for (size_t i = 0; i < WATCH_MAX; i++) {
		struct aion__dump_watch *expected = watch;

		atomic_compare_exchange_strong(&watches[i], &expected, NULL);
	}
	while (atomic_load(&handler_nr))
		sched_yield();
}

static int handler_install(int signal)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
	int saved_errno = errno;
	int result = sigaction(signal, &action, NULL) < 0 ? -errno : 0;

	errno = saved_errno;
	return result;
}

int aion_loop_dump_on_signal(struct aion_loop *loop, int signal, int fd)
{
	struct aion__dump_watch *watch, *none = NULL;
	int result;

	if (!aion__ring_is_alive(&loop->engine.ring))
		return -ECHILD;
	if (atomic_load(&loop->dump_watch))
		return -EBUSY;
	watch = aion__alloc_zeroed(sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	*watch = (struct aion__dump_watch){.post.run = watch_run, .loop = loop, .signal = signal, .fd = fd};
	/* Whichever thread comes first has the place, before anything can be seen of it. */
	if (!atomic_compare_exchange_strong(&loop->dump_watch, &none, watch)) {
		aion__free(watch);
		return -EBUSY;
	}
	result = watch_enter(watch);
	if (result == 0)
		result = handler_install(signal);
	if (result < 0) {
		watch_leave(watch);
		atomic_store(&loop->dump_watch, NULL);
		aion__free(watch);
	}
	return result;
}

void aion__dump_watch_stop(struct aion_loop *loop)
{
	struct aion__dump_watch *watch = atomic_load(&loop->dump_watch);

	if (watch)
		watch_leave(watch);
}

void aion__dump_watch_free(struct aion_loop *loop)
{
	aion__free(atomic_load(&loop->dump_watch));
}
