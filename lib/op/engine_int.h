/* SPDX-License-Identifier: MIT */
#ifndef AION_OP_ENGINE_INT_H
#define AION_OP_ENGINE_INT_H
/*
 * The engine: what operations need of a loop, and all that they know of it. A ring, the queue of those whom a
 * completion made ready, the operations in flight by descriptor. struct aion_loop begins with one.
 */
#include <aion/op.h>

#include "ring_int.h"

struct aion__runnable;
struct aion__engine;

/* Who wants to know of results that nobody receives: debug mode. */
struct aion__engine_watch {
	/* Ends while nobody waits for it, with this result; some task started it. */
	void (*op_ended)(struct aion__engine *engine, const struct aion_op *op, int64_t result);
	/* Its memory goes; it has an error that nobody received. */
	void (*future_lost)(struct aion__engine *engine, const struct aion_future *future);
};

/* A record of who waits for a future, on the waiter's stack. See future_int.h. */
struct aion__waiter {
	struct aion__waiter *next;  /* older */
	struct aion__waiter *prev;  /* newer, NULL at the head */
	struct aion_future *future; /* NULL once it is out of the list */
	struct aion__runnable *runnable;
};

/* Whoever can be made ready: a task begins with one. Reaping only queues; it runs no user code. */
struct aion__runnable {
	bool is_awake;             /* runs or stands in the queue: to make it ready does nothing */
	unsigned op_nr;            /* operations that it started and that are in flight */
	struct aion__waiter spare; /* its record, should it not stay the only waiter of what it waits for */
};

/*
 * Who is ready, first in first out. An array, not a list through the tasks: taking one does not wait for the memory of
 * the one before it. Its room is made when tasks are made, so that making ready cannot fail.
 */
struct aion__ready {
	struct aion__runnable **places;
	uint64_t mask; /* places less one */
	uint64_t head; /* how many have been taken; the place is head & mask */
	uint64_t tail;
	uint64_t batch_end; /* up to here runs before the ring is looked at */
	uint64_t batch_max;
	struct aion__runnable *filler; /* stands in every place that nobody took yet: what is there can be prefetched */
};

struct aion__engine {
	struct aion__ring ring;
	struct aion__ready ready;
	struct aion__runnable *task; /* the running one, NULL outside of tasks */
	size_t in_flight_nr;
	uint64_t inline_nr;
	const struct aion__engine_watch *watch; /* NULL: nobody */
	struct aion_op **fd_ops;                /* by descriptor number: the operations in flight on it */
	uint64_t *fd_sockets;                   /* by number, a bit each: a socket, as far as the library knows */
	unsigned fd_nr;
	bool wake_is_armed;                       /* the ring's wake is being read */
	bool is_ending;                           /* it is not read again */
	unsigned room_depth;                      /* calls of aion__engine_make_room() inside each other */
	unsigned refused_nr;                      /* enters in a row that the kernel refused while nothing moved */
	uint64_t refused_count;                   /* the ring's counts, summed, at the last of them */
	struct aion__op_job *job_free;            /* spare jobs for operations that worker threads execute */
	struct aion__buffer_group *buffer_groups; /* AION__GROUP_NR of them, NULL until an inlet is opened */
};

/* The engine of the loop that runs on this thread, NULL if none does. */
extern __thread struct aion__engine *aion__engine __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* The room at which looking ahead in the queue pays: fewer tasks stay in the cache by themselves. */
#define AION__READY_PREFETCH_NR 256

/* Make room for nr runnables. 0, or -ENOMEM. */
int aion__ready_reserve(struct aion__ready *ready, size_t nr);

static inline bool aion__ready_is_empty(const struct aion__ready *ready)
{
	return ready->head == ready->tail;
}

int aion__engine_init(struct aion__engine *engine, const struct aion__ring_options *options, char *error_text,
		      size_t error_size);
void aion__engine_fini(struct aion__engine *engine);
/* The calling thread takes the engine's ring. */
int aion__engine_bind(struct aion__engine *engine);

/* Take every completion that is there: finish operations, queue their waiters. */
void aion__engine_reap(struct aion__engine *engine);
/* Hand over what is queued and wait for wait_nr completions until deadline_ns, then reap. The kernel may refuse: who
 * wants an effect looks for it, and calls again, with the deadline of then. */
void aion__engine_enter(struct aion__engine *engine, unsigned wait_nr, int64_t deadline_ns);
/* Ask the kernel to end all that is in flight, whoever started it. */
void aion__engine_cancel_all(struct aion__engine *engine);
/* The queue is full: hand over what is in it, reap, try again until there is room. */
void aion__engine_make_room(struct aion__engine *engine);

/* A free entry, whatever it takes. */
static inline struct io_uring_sqe *aion__engine_sqe(struct aion__engine *engine)
{
	if (aion__unlikely(aion__ring_is_full(&engine->ring)))
		aion__engine_make_room(engine);
	return aion__ring_take(&engine->ring);
}

/* Queue whoever is awake and known not to be queued: the running task itself, a new one. */
static inline void aion__engine_queue(struct aion__engine *engine, struct aion__runnable *runnable)
{
	AION_ASSERT(runnable->is_awake);
	engine->ready.places[engine->ready.tail++ & engine->ready.mask] = runnable;
}

static inline void aion__engine_make_ready(struct aion__engine *engine, struct aion__runnable *runnable)
{
	if (!runnable->is_awake) {
		runnable->is_awake = true;
		aion__engine_queue(engine, runnable);
	}
}

#endif
