/* SPDX-License-Identifier: MIT */
/* The list of all loops. Nobody in the process reads it: it is where a debugger begins, in a core, too. */
#include "loop_int.h"

struct aion_loop *aion__loops __attribute__((used));

static pthread_mutex_t loops_lock = PTHREAD_MUTEX_INITIALIZER;

/* Else a child that is forked while another thread is in here would find the lock taken for ever. */
static void loops_lock_take(void)
{
	pthread_mutex_lock(&loops_lock);
}

static void loops_lock_release(void)
{
	pthread_mutex_unlock(&loops_lock);
}

static __attribute__((constructor)) void fork_prepare(void)
{
	pthread_atfork(loops_lock_take, loops_lock_release, loops_lock_release);
}

void aion__loops_add(struct aion_loop *loop)
{
	pthread_mutex_lock(&loops_lock);
	loop->older = aion__loops;
	aion__loops = loop;
	pthread_mutex_unlock(&loops_lock);
}

void aion__loops_remove(struct aion_loop *loop)
{
	struct aion_loop **at = &aion__loops;

	pthread_mutex_lock(&loops_lock);
	while (*at != loop)
		at = &(*at)->older;
	*at = loop->older;
	pthread_mutex_unlock(&loops_lock);
}
