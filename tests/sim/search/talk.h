/* SPDX-License-Identifier: MIT */
#ifndef SEARCH_TALK_H
#define SEARCH_TALK_H
/*
 * Two ends of a connection that talk by all that connections offer: struct aion_conn, or a stream over it. A way is one
 * direction: bytes that are a function of its id and of their position, so that whoever receives sees at once if some
 * were lost, doubled or misplaced.
 */
#include "actor.h"

#define TALK_HOLD_MAX 4 /* lent buffers that an end keeps for a while */

struct way {
	uint64_t id;
	uint64_t sent;    /* bytes that have been handed over for good */
	uint64_t offered; /* and those that are being handed over */
	uint64_t got;
	bool is_finished;   /* all of it has left, and the end behind it */
	bool saw_end;       /* who receives */
	bool is_left_early; /* he has left before */
};

struct talk {
	struct run *run;
	struct way ways[2]; /* by who sends */
	bool is_alone;      /* one end is there, and nobody knows what becomes of the other */
	bool is_broken;     /* somebody has gone, or was told of an error: what has not come does not come */
};

/* What an end has borrowed, and where in the stream it stands. */
struct held {
	struct aion_buffer *buffer;
	uint64_t pos;
};

struct talk_end {
	struct talk *talk;
	struct way *in, *out;
	struct aion_conn conn;
	struct aion_stream stream; /* over it */
	struct held held[TALK_HOLD_MAX];
	bool is_stream;
	bool is_echo;    /* sends back what comes */
	bool is_closing; /* whoever waits is told */
};

void talk_init(struct actor *self, struct talk *talk);
/* The end of who sends ways[side], by a descriptor of which he becomes the owner; until it is closed. */
int64_t talk_run(struct actor *self, struct talk *talk, int side, int fd);
/* Its descriptor is closed, or never was there. */
void talk_give_up(struct talk *talk);
/* Both ends have ended. */
void talk_settle(const struct talk *talk);

/* What the ends do: talk_say.c, talk_hear.c; bodies of tasks, whose argument is the end. */
actor_body talk_say, talk_hear, talk_echo;
/* Give some of what is held back, or all; what it holds must be what it was. */
void talk_release(struct talk_end *end, bool all);
/* Look at what a call has said. */
int64_t talk_told(struct actor *self, struct talk_end *end, const char *call, int64_t result, int64_t max,
		  unsigned flags);
/* Whether one tries again. */
bool talk_goes_on(struct actor *self, const struct talk_end *end, int64_t result);

#endif
