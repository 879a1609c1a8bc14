/* SPDX-License-Identifier: MIT */
#ifndef AION_RING_RING_INT_H
#define AION_RING_RING_INT_H
/*
 * The ring: liburing's own struct io_uring, whose queues we read and write in place, over a backend of four functions.
 * An entry is written straight into the submission queue; everything queued leaves with the next enter.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>

#include <liburing.h>

#include "assert_int.h"
#include "compat_int.h"
#include "fault_int.h"
#include "syscall_int.h"

struct aion__job;
struct aion__ring;
struct aion__ring_options;
struct aion__workers;

/*
 * What stands under the queues: the kernel, or something that behaves like it. Four functions are on the way of every
 * operation; the others are a ring's beginning and end, other threads, and work that runs elsewhere.
 */
struct aion__backend {
	/* Hand over to_submit entries, then wait for wait_nr completions (0: only let the kernel do its deferred work)
	 * until deadline_ns (AION_NEVER: for ever). >= 0, or -errno: -ETIME, -EINTR, -EAGAIN, -EBUSY, -EBADR. */
	int (*enter)(struct aion__ring *ring, unsigned to_submit, unsigned wait_nr, int64_t deadline_ns);
	/* io_uring_register(2). */
	int (*register_)(struct aion__ring *ring, unsigned opcode, const void *arg, unsigned nr);
	/* The clock that deadlines are of, ns. */
	int64_t (*now)(struct aion__ring *ring);
	/* Execute one entry at once, without blocking; -EAGAIN if that cannot be. Knows AION__CALL_*, too. */
	int64_t (*call)(struct aion__ring *ring, const struct io_uring_sqe *sqe);

	/* Make the queues, disabled: uring, setup_flags, features. 0 or -errno, and error_text says why. */
	int (*setup)(struct aion__ring *ring, const struct aion__ring_options *options, char *error_text,
		     size_t error_size);
	/* Enable them; the calling thread is the ring's from now on. 0 or -errno. */
	int (*bind)(struct aion__ring *ring);
	/* Unmake them, in a forked child, too. */
	void (*teardown)(struct aion__ring *ring);
	/* From any thread: the ring's wait ends, the read of aion__ring_arm_wake() is done. */
	void (*wake)(struct aion__ring *ring);
	/* Work for other threads, or as if it were. See worker_int.h. */
	int (*submit_job)(struct aion__ring *ring, struct aion__job *job);
	bool (*withdraw_job)(struct aion__ring *ring, struct aion__job *job);
	unsigned (*reap_jobs)(struct aion__ring *ring);
	/* Execute one entry, blocking if it must: from a job, for opcodes that the ring lacks. */
	int64_t (*exec)(struct aion__ring *ring, const struct io_uring_sqe *sqe);
};

/* What a backend works on; the kernel's needs nothing. A simulated one begins with this. */
struct aion__machine {
	const struct aion__backend *backend;
};

/* For tests: the machine of rings that are given none. NULL, or NULL from it: the kernel. Its ring's teardown is its
 * end. */
extern struct aion__machine *(*aion__machine_default)(void);

/* Entries for call() alone, which no ring has: calls that never block, on a descriptor that may not be the kernel's. */
#define AION__CALL_GETFL 240 /* fcntl(fd, F_GETFL) */
#define AION__CALL_CLOSE 241 /* close(fd) */
/* addr: the value, the name, the two descriptors; off: the size, or where it is. */
#define AION__CALL_GETSOCKOPT 242  /* getsockopt(fd, len, rw_flags, addr, off) */
#define AION__CALL_SETSOCKOPT 243  /* setsockopt(fd, len, rw_flags, addr, off) */
#define AION__CALL_GETSOCKNAME 244 /* getsockname(fd, addr, off) */
#define AION__CALL_GETPEERNAME 245 /* getpeername(fd, addr, off) */
#define AION__CALL_SOCKETPAIR 246  /* socketpair(fd, rw_flags, len, addr): of the machine */
#define AION__CALL_PIPE 247        /* pipe2(addr, rw_flags): of the machine */

/* user_data that is no operation's address: low bit set. */
#define AION__UD_CANCEL UINT64_C(1)    /* the answer to a cancel: names no frame, is dropped */
#define AION__UD_WAKE UINT64_C(3)      /* the read of the wake eventfd */
#define AION__UD_CANCEL_OF UINT64_C(5) /* of the mutant that names operations in cancels: added to their address */

struct aion__ring_stats {
	uint64_t enter_nr;
	uint64_t submit_nr;
	uint64_t complete_nr;
	uint64_t worker_nr;
};

/* A page that fork(2) wipes: a child sees alive == 0. */
struct aion__fork_page {
	unsigned alive;
};

struct aion__ring {
	struct io_uring uring; /* sq.sqe_tail is ours, sq.ktail what the kernel has been told */
	const struct aion__backend *backend;
	struct aion__machine *machine; /* NULL: the kernel */
	volatile struct aion__fork_page *fork_page;
	struct aion__ring_stats stats;
	struct aion__workers *workers; /* NULL until the first job */
	unsigned worker_max;
	unsigned kernel_worker_max;
	int enter_fd;           /* the ring's descriptor, or its registered index */
	unsigned enter_flags;   /* IORING_ENTER_REGISTERED_RING or 0 */
	unsigned features;      /* IORING_FEAT_* less what a test hides */
	unsigned setup_flags;   /* IORING_SETUP_* that the kernel accepted */
	bool is_bound;          /* a thread has taken the ring */
	int wake_fd;            /* eventfd that other threads write */
	uint64_t wake_count;    /* where its read goes */
	uint8_t op_ok[256 / 8]; /* opcodes that the kernel has, less what a test hides */
};

struct aion__ring_options {
	unsigned entry_nr;
	unsigned completion_nr;
	unsigned worker_max;
	unsigned kernel_worker_max;
	const char *as_linux;
	struct aion__machine *machine; /* NULL: the kernel */
};

/* 0 or -errno; error_text gets a line that says why. */
int aion__ring_init(struct aion__ring *ring, const struct aion__ring_options *options, char *error_text,
		    size_t error_size);
/* Enables a ring that was made on another thread, registers its descriptor for this one, arms the wake. */
int aion__ring_bind(struct aion__ring *ring);
void aion__ring_fini(struct aion__ring *ring);

static inline bool aion__ring_is_alive(const struct aion__ring *ring)
{
	return aion__likely(ring->fork_page->alive);
}

static inline bool aion__ring_has_op(const struct aion__ring *ring, unsigned opcode)
{
	return ring->op_ok[opcode / 8] & (1U << (opcode % 8));
}

/* Entries written and not yet taken by the kernel. */
static inline unsigned aion__ring_queued(const struct aion__ring *ring)
{
	return ring->uring.sq.sqe_tail - __atomic_load_n(ring->uring.sq.khead, __ATOMIC_ACQUIRE);
}

static inline bool aion__ring_is_full(const struct aion__ring *ring)
{
	return aion__ring_queued(ring) >= ring->uring.sq.ring_entries;
}

/* The next free entry of a queue that is not full. */
static inline struct io_uring_sqe *aion__ring_take(struct aion__ring *ring)
{
	struct io_uring_sq *sq = &ring->uring.sq;

	return &sq->sqes[sq->sqe_tail++ & sq->ring_mask];
}

/* Whether the kernel has something for us that an enter or a reap would bring. */
static inline unsigned aion__ring_flags(const struct aion__ring *ring)
{
	return __atomic_load_n(ring->uring.sq.kflags, __ATOMIC_RELAXED) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

static inline unsigned aion__ring_cq_ready(const struct aion__ring *ring)
{
	return __atomic_load_n(ring->uring.cq.ktail, __ATOMIC_ACQUIRE) - *ring->uring.cq.khead;
}

/* The kernel's backend, and the kernel's clock. */
extern const struct aion__backend aion__kernel_backend;

/* Its enter() without a deadline, which nearly every enter is. */
static inline int aion__kernel_enter(struct aion__ring *ring, unsigned to_submit, unsigned wait_nr)
{
	return (int)aion__syscall6(__NR_io_uring_enter, ring->enter_fd, to_submit, wait_nr,
				   ring->enter_flags | IORING_ENTER_GETEVENTS, 0, _NSIG / 8);
}

/* The kernel took less than all, or failed: the rest of aion__ring_enter(). */
int aion__ring_enter_again(struct aion__ring *ring, int result, unsigned wait_nr, int64_t deadline_ns);

static inline int aion__ring_enter_once(struct aion__ring *ring, unsigned to_submit, unsigned wait_nr,
					int64_t deadline_ns)
{
	int fault = aion__fault_hit(AION__FAULT_RING_ENTER);

	ring->stats.enter_nr++;
	if (fault)
		return fault;
#ifndef AION_VALGRIND /* under which the backend's own does more */
	/* Inline: each call level between the system call and the task costs about 1 ns with one operation in flight.
	 */
	if (aion__likely(ring->backend == &aion__kernel_backend && (!wait_nr || deadline_ns == AION_NEVER)))
		return aion__kernel_enter(ring, to_submit, wait_nr);
#endif
	return ring->backend->enter(ring, to_submit, wait_nr, deadline_ns);
}

/*
 * Hand over everything queued and wait for wait_nr completions until deadline_ns.
 * 0: go on and reap. -EBUSY, -EAGAIN: reap, then call again. Any other failure aborts: the ring is broken.
 */
static inline int aion__ring_enter(struct aion__ring *ring, unsigned wait_nr, int64_t deadline_ns)
{
	unsigned to_submit;
	int result;

	AION_ASSERT(ring->is_bound);
	__atomic_store_n(ring->uring.sq.ktail, ring->uring.sq.sqe_tail, __ATOMIC_RELEASE);
	to_submit = aion__ring_queued(ring);
	result = aion__ring_enter_once(ring, to_submit, wait_nr, deadline_ns);
	if (aion__unlikely(result != (int)to_submit))
		return aion__ring_enter_again(ring, result, wait_nr, deadline_ns);
	ring->stats.submit_nr += to_submit;
	return 0;
}

/* io_uring_register(2): >= 0 or -errno. */
static inline int aion__ring_register(struct aion__ring *ring, unsigned opcode, const void *arg, unsigned nr)
{
	int fault = aion__fault_hit(AION__FAULT_RING_REGISTER);

	return fault ? fault : ring->backend->register_(ring, opcode, arg, nr);
}

/* From any thread: the loop's wait returns, the loop sees AION__UD_WAKE. */
static inline void aion__ring_wake(struct aion__ring *ring)
{
	ring->backend->wake(ring);
}

/* Queue the read of the wake eventfd (again). The queue is not full. */
void aion__ring_arm_wake(struct aion__ring *ring);

/* What the ring's machine says to one call at once, which is an AION__CALL_ or one that never blocks. */
int64_t aion__ring_call_fd(struct aion__ring *ring, unsigned opcode, int fd);

/* The life of a ring of the kernel's: setup.c. */
int aion__kernel_setup(struct aion__ring *ring, const struct aion__ring_options *options, char *error_text,
		       size_t error_size);
int aion__kernel_bind(struct aion__ring *ring);
void aion__kernel_teardown(struct aion__ring *ring);
void aion__kernel_wake(struct aion__ring *ring);

#endif
