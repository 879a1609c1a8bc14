/* SPDX-License-Identifier: MIT */
#ifndef SEARCH_BUNCH_H
#define SEARCH_BUNCH_H
/* A bunch of futures of all kinds, to be waited for together. */
#include "effort.h"

#define BUNCH_NR_MAX 7

enum bunch_kind {
	BUNCH_EFFORT,
	BUNCH_SLOT,
	BUNCH_WARD,
	BUNCH_TIMER,
	BUNCH_KIND_NR,
};

struct bunch_item {
	enum bunch_kind kind;
	struct aion_future *future;
	struct effort effort;
	struct slot *slot;
	struct ward ward;
	struct aion_timer timer;
	int64_t deadline_ns; /* of the timer */
	char buf[64];
};

struct bunch {
	struct party party;
	unsigned nr;
	struct bunch_item items[BUNCH_NR_MAX];
	struct aion_future *futures[BUNCH_NR_MAX];
	int fds[2]; /* a pipe that nobody writes into */
};

/* False: there is no descriptor for it, or no task. */
bool bunch_begin(struct actor *self, struct bunch *bunch, unsigned nr);
/* All that has begun ends. */
int64_t bunch_end(struct actor *self, struct bunch *bunch, int64_t result);
/* An item's result, which is there: is it right? */
void bunch_check(struct actor *self, struct bunch_item *item);

#endif
