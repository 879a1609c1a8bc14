/* SPDX-License-Identifier: MIT */
#ifndef SEARCH_EFFORT_H
#define SEARCH_EFFORT_H
/* Operations with what is expected of them. */
#include <aion/liburing.h>

#include "actor.h"

struct effort {
	struct aion_op op;
	struct target target;
	struct run *run;
	const char *name;
	int64_t max;    /* the greatest result */
	unsigned flags; /* enum may */
	bool is_asked;  /* to end */
	bool is_started;
};

/* Note an operation that has been started. A bystander may cancel it if is_open. */
void effort_begin(struct actor *self, struct effort *effort, const char *name, int64_t max, unsigned flags,
		  bool is_open);
int64_t effort_await(struct actor *self, struct effort *effort);
/* The same for a future that is done already, by whichever call one waited for it. */
int64_t effort_result(struct actor *self, struct effort *effort);
void effort_cancel(struct effort *effort);
/* For AION_CLEANUP, too. */
void effort_reap(struct effort *effort);
void efforts_reap(struct effort *efforts, unsigned nr);
/* They may have been asked to end by a call that gave up. */
void efforts_asked(struct effort *efforts, unsigned nr);

/* A future that somebody will complete, some time. */
struct slot {
	struct aion_future future;
	struct target target;
	struct run *run;
	int64_t value;    /* what it will be, or is */
	unsigned post_nr; /* posts that it still takes to complete it, if posts do */
	bool owner_is_there;
	bool completer_is_there;
};

/* Somebody completes it: a task of the party, or a post. */
struct slot *slot_create(struct actor *self, struct party *party);
void slot_complete(struct slot *slot);
/* Its owner does not look at it any more, and nobody waits. */
void slot_leave(struct slot *slot);
void slot_check(const struct slot *slot);

#endif
