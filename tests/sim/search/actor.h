/* SPDX-License-Identifier: MIT */
#ifndef SEARCH_ACTOR_H
#define SEARCH_ACTOR_H
/* Actors are the tasks of a run, parties their groups, wards those that have a handle. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shade.h"

#define SMALL_STACK_SIZE ((size_t)64 << 10) /* bytes, of tasks whose stack is not the default */
#define DEPTH_MAX 6                         /* tasks inside of tasks */

typedef int64_t actor_body(struct actor *self, void *arg);

struct actor {
	struct run *run;
	struct draw draw;
	uint64_t path;     /* its place in the tree */
	unsigned nr;       /* the how many-th of the run */
	unsigned child_nr; /* that it has spawned */
	unsigned depth;
	unsigned nesting;  /* steps inside of steps */
	unsigned patience; /* times that it ignores -ECANCELED */
	struct shade edge;
	struct shade *shade; /* innermost */
	struct party *party; /* to which it belongs; NULL: the main one, or one of the loop's own group */
	struct ward *ward;   /* its handle, or NULL */
	actor_body *body;
	void *arg;
};

struct party {
	struct aion_group group;
	struct shade shade;
	unsigned spawned_nr, ended_nr;
	unsigned error_nr;
	int first_error;
	bool cancel_seen; /* a child or the body ended with -ECANCELED, and that was right */
	bool is_left;
};

struct ward {
	struct aion_handle handle;
	struct target target;
	struct actor *actor; /* while it lives */
	bool is_started, is_ended;
	int64_t result;
};

void party_enter(struct actor *self, struct party *party);
/* Joins all children; checks and returns what the group says. */
int64_t party_leave(struct actor *self, struct party *party, int64_t body_result);
void party_cancel(struct run *run, struct party *party);
/* A real error in it, at this time. */
void party_fail(struct run *run, struct party *party, int error);

/* Start a task in a form that is drawn. False: the run has enough of them; nothing has happened. */
bool actor_spawn(struct actor *self, struct party *party, actor_body *body, void *arg);
bool actor_spawn_ward(struct actor *self, struct party *party, struct ward *ward, actor_body *body, void *arg);
/* The same from where no task runs. */
bool actor_spawn_queued(struct actor *parent, struct party *party, actor_body *body, void *arg);
/* In two steps: NULL if there are enough; started by whoever, or not at all. */
struct actor *actor_create(struct actor *parent, struct party *party, actor_body *body, void *arg);
int actor_start_outside(struct party *party, struct actor *child);
void actor_discard(struct actor *child);
/* Into the loop's own group, which ends only with the loop. */
bool actor_spawn_daemon(struct actor *self, actor_body *body, void *arg);
void ward_cancel(struct run *run, struct ward *ward);
/* The task has ended and been joined: no bystander shall find it any more. */
void ward_fini(struct run *run, struct ward *ward);
/* What the handle says, if it is done. */
void ward_check(const struct run *run, const struct ward *ward);

/* The actor that the main task, or one of the loop's own group, is. */
void actor_init(struct actor *self, struct run *run, uint64_t path);

/* The body of most: some steps, each of which is one of the act_ functions. */
int64_t actor_live(struct actor *self, void *unused);
/* A few of such steps, inside of one. */
int64_t actor_steps(struct actor *self, unsigned nr_max);
/* Whether to go on after a result. */
bool actor_goes_on(struct actor *self, int64_t result);

/* Nanoseconds: 0 or less, short, or long. */
int64_t draw_delay(struct actor *self);
int64_t draw_short_delay(struct actor *self);
int64_t draw_deadline(struct actor *self);

/* Arm a timer: false if there is no memory for it. */
bool actor_arm(struct actor *self, struct aion_timer *timer, int64_t deadline_ns);
/* Sleep a short time; the result is checked. */
int64_t actor_pause(struct actor *self);

/* ---- what actors do: 0 or more, or -errno, which was right to come */
typedef int64_t act(struct actor *self);

act act_sleep, act_yield, act_timer, act_scope, act_shield, act_spin, act_starve; /* act_time.c */
act act_family, act_siblings, act_handles, act_daemon, act_spawn_fails;           /* act_tree.c */
act act_future, act_wait, act_gather, act_wait_for, act_mixed;                    /* act_wait.c */
act act_offload, act_detached, act_post, act_promise;                             /* act_call.c */
act act_file, act_owned, act_shared;                                              /* act_file.c, act_shared.c */
act act_names, act_attributes;                                                    /* act_name.c */
act act_messages;                                                                 /* act_message.c */
act act_pipe, act_relay, act_socketpair, act_tcp, act_close_reader;               /* act_stream.c, act_net.c */
act act_poll, act_poll_again, act_poll_closed;                                    /* act_poll.c */
act act_crowd, act_timers, act_outside, act_local;                                /* act_crowd.c */
act act_nops, act_many, act_leave_early, act_open_and_leave, act_gather_opens;    /* act_ops.c */
act act_queue;                                                                    /* act_queue.c */
act act_lock;                                                                     /* act_lock.c */
act act_generator;                                                                /* act_generator.c */
act act_chunk, act_transform, act_lines;                                          /* act_chunk.c, act_transform.c */
act act_conn, act_serve;                                                          /* act_conn.c */
act act_datagrams;                                                                /* act_datagram.c */
act act_meddle;                                                                   /* act_meddle.c */

#endif
