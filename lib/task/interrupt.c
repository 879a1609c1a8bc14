/* SPDX-License-Identifier: MIT */
/*
 * SIGINT while aion_run() runs: the first cancels the main task, the second has its default action. As in asyncio.run()
 * this is for the main thread, and only where SIGINT would otherwise kill: a program that handles, ignores or blocks it
 * has its own way with it.
 *
 * The handler hands the loop a post, which is lock-free all the way. SA_RESETHAND makes the second one deadly from the
 * moment at which the first is taken.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "interrupt_int.h"
#include "loop_int.h"

static _Atomic(struct aion__interrupt *) current; /* the main thread's */
static atomic_uint inside_nr;                     /* handlers at work */
static pid_t owner_pid;

static void interrupt_run(struct aion__post *post)
{
	struct aion_loop *loop = aion__container_of(post, struct aion__interrupt, post)->loop;

	if (loop->main_task)
		aion_handle_cancel(loop->main_task);
}

static void on_interrupt(int number)
{
	int saved = errno;
	struct aion__interrupt *interrupt = NULL;

	atomic_fetch_add(&inside_nr, 1);
	if (getpid() == owner_pid)
		interrupt = atomic_load(&current);
	/* The post can be handed over once. The disposition may have been set again by then, by who had taken it away.
	 */
	if (!interrupt || atomic_exchange(&interrupt->is_sent, true))
		raise(number); /* comes when this handler returns, by default deadly */
	else if (aion__loop_push(interrupt->loop, &interrupt->post) < 0)
		raise(number);
	atomic_fetch_sub(&inside_nr, 1);
	errno = saved;
}

static bool is_ours(const struct sigaction *action)
{
	return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == on_interrupt;
}

static bool is_wanted(const struct aion_loop *loop)
{
	struct sigaction now;
	sigset_t mask;

	if (loop->no_interrupt_handler || loop->engine.ring.backend != &aion__kernel_backend || getpid() != gettid())
		return false;
	if (sigaction(SIGINT, NULL, &now) < 0 || pthread_sigmask(SIG_SETMASK, NULL, &mask) ||
	    sigismember(&mask, SIGINT))
		return false;
	return is_ours(&now) || (!(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL);
}

/* By a run that is under way. What a forked child finds is its parent's. */
static bool is_taken(void)
{
	return atomic_load(&current) && owner_pid == getpid();
}

void aion__interrupt_enter(struct aion__interrupt *interrupt, struct aion_loop *loop)
{
	struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESETHAND | SA_RESTART | SA_ONSTACK};
	int saved = errno;

	*interrupt = (struct aion__interrupt){.post.run = interrupt_run};
	/* A run inside a post of another one leaves SIGINT to that. */
	if (is_wanted(loop) && !is_taken()) {
		if (owner_pid != getpid()) {
			owner_pid = getpid();
			atomic_store(&inside_nr, 0); /* a parent's thread may have been inside when we were forked */
		}
		interrupt->loop = loop;
		atomic_store(&current, interrupt);
		sigemptyset(&action.sa_mask);
		sigaction(SIGINT, &action, NULL);
	}
	errno = saved;
}

void aion__interrupt_leave(struct aion__interrupt *interrupt)
{
	const struct sigaction by_default = {.sa_handler = SIG_DFL};
	struct sigaction now;
	int saved = errno;

	if (!interrupt->loop)
		return;
	if (sigaction(SIGINT, NULL, &now) == 0 && is_ours(&now))
		sigaction(SIGINT, &by_default, NULL);
	atomic_store(&current, NULL);
	while (atomic_load(&inside_nr))
		sched_yield();
	errno = saved;
}
