/* SPDX-License-Identifier: MIT */
#ifndef SEARCH_GATE_H
#define SEARCH_GATE_H
/* The model of a lock, of whatever noun: something that there is so many of, and a queue of those who want it. */
#include "actor.h"

enum stand_state {
	STANDS,
	GRANTED,
	SENT_AWAY,
};

/* On the stack of whoever waits. */
struct stand {
	struct stand *next;
	size_t nr; /* wanted; of a barrier: the place among those who met */
	enum stand_state state;
};

/* What all nouns are made of, for the model. */
struct gate {
	const char *name;
	size_t free_nr;
	bool is_closed;
	struct stand *first;
};

/* Come and want so many: they are granted, or one stands in the queue, or is sent away. */
void gate_arrive(struct gate *gate, struct stand *stand, size_t nr);
/* Leave the queue; who is behind may be served. */
void gate_remove(struct gate *gate, const struct stand *stand);
/* So many are given back. */
void gate_give(struct gate *gate, size_t nr);
/* All who stand there. */
void gate_send_away(struct gate *gate);
size_t gate_count(const struct gate *gate);
/* The last has come to a barrier: each who stands there has a place. */
void gate_fill(struct gate *gate, struct stand *last);
/*
 * What the library says about a wait that began at start_ns, against what has become of the stand; away_error is for
 * who was sent away. Returns it, 0 if it was granted.
 */
int64_t gate_told(struct actor *self, struct gate *gate, struct stand *stand, int64_t result, int away_error,
		  int64_t start_ns);

#endif
