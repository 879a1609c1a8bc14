/* SPDX-License-Identifier: MIT */
#ifndef SEARCH_SHADE_H
#define SEARCH_SHADE_H
/*
 * The shade of a scope, of a group's scope, or of a task's edge: what the workload knows about it. From the shades
 * follows whether a checkpoint has to say -ECANCELED, and on which scope's account.
 */
#include "run.h"

struct actor;

struct shade {
	struct shade *outer;      /* also beyond a task's edge: its group's */
	struct aion_scope *scope; /* NULL: the edge of a task */
	struct target target;     /* bystanders may cancel it */
	int64_t deadline_ns;      /* AION_NEVER: none */
	int64_t deadline_min_ns;  /* the earliest that it has had: it may have passed before it was moved */
	int64_t cancelled_ns;     /* when it was cancelled, or a member failed */
	bool is_shield;
	bool is_cancelled;         /* by the workload; an edge: by its handle */
	bool is_perhaps_cancelled; /* an edge: whether aion_wait_for() has done it is not known here */
	bool has_failed;           /* a group: a child or the body ended with a real error */
	bool is_refused;           /* a checkpoint has said -ECANCELED on this scope's account */
	bool is_perhaps_refused;   /* one inside of a call whose result does not tell */
};

/* What holds for a checkpoint inside of a shade. */
struct verdict {
	bool is_cancelled;
	bool is_perhaps;       /* and else it may be cancelled, or not */
	struct shade *account; /* NULL: none, or a task cancelled alone */
	int64_t since_ns;
};

struct verdict shade_judge(const struct run *run, const struct shade *innermost);

/* Open and close a scope inside the actor's current one. */
void shade_enter(struct actor *self, struct shade *shade, struct aion_scope *scope, int64_t deadline_ns,
		 bool is_shield);
/* A shield that no bystander knows of: for what has to be done. */
void shade_enter_refuge(struct actor *self, struct shade *shade, struct aion_scope *scope);
int shade_leave(struct actor *self, struct shade *shade);
/* What both scopes and groups have. */
void shade_push(struct actor *self, struct shade *shade, struct aion_scope *scope);
void shade_pop(struct actor *self, struct shade *shade);
/* The result of leaving it: -ETIME in its place? */
void shade_check_time(const struct run *run, const struct shade *shade, bool says_time);

void shade_cancel(struct run *run, struct shade *shade);
void shade_set_deadline(struct run *run, struct shade *shade, int64_t deadline_ns);

/* Which errors a call may end with, beside -ECANCELED. Those that are faults count only if the machine has them. */
enum may {
	MAY_MEMORY = 1 << 0,    /* ENOMEM: whatever goes through the ring */
	MAY_INTR = 1 << 1,      /* EINTR */
	MAY_IO = 1 << 2,        /* EIO */
	MAY_SPACE = 1 << 3,     /* ENOSPC */
	MAY_FD = 1 << 4,        /* EMFILE, ENFILE */
	MAY_RESET = 1 << 5,     /* ECONNRESET */
	MAY_GONE = 1 << 6,      /* EPIPE, ECONNRESET, ENOTCONN, ECONNREFUSED: the caller knows whether that can be */
	MAY_CLOSED = 1 << 7,    /* EBADF */
	MAY_END = 1 << 8,       /* ENODATA */
	MAY_TIME = 1 << 9,      /* ETIME */
	MAY_WAIT = 1 << 10,     /* EAGAIN */
	MAY_ANY = 1 << 11,      /* others than these, which the caller looks at */
	MAY_CANCELED = 1 << 12, /* somebody has cancelled this one */
	MAY_FILE = MAY_MEMORY | MAY_INTR | MAY_IO,

	PERHAPS_REFUSED = 1 << 16, /* a checkpoint inside may have said -ECANCELED, whatever the result */
	NOT_REFUSED = 1 << 17,     /* the result is what a future holds; it may say -ECANCELED without a checkpoint */
};

/* Look at what a call has said, whose result is `max` at most; returns it. */
int64_t told(struct actor *self, const char *call, int64_t result, int64_t max, unsigned flags);
/* The same for one that a cancellation interrupts at once, and which began at start_ns. */
int64_t told_promptly(struct actor *self, const char *call, int64_t result, unsigned flags, int64_t start_ns);

#endif
