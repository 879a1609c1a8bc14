/* SPDX-License-Identifier: MIT */
#ifndef AION_SIM_SIM_INT_H
#define AION_SIM_SIM_INT_H
/*
 * The simulated machine, a backend of the ring (see ring_int.h).
 *
 *	machine.c           made, looked at, checked; its open files and descriptors
 *	queues.c            queues in plain memory; entering them; the order of events; the wake
 *	request.c           the life of a request: taken, attempted, completed, cancelled
 *	call.c              which model stands behind which opcode; calls at once
 *	job.c               offloaded calls
 *	memory.c program.c  the program's memory: watched; reached past the sanitizers and valgrind
 *	fault.c trace.c     numbers and faults that are drawn; what has happened
 *	rw.c poll.c         reading, writing, waiting, of whatever is open
 *	data.c disk.c       a file's bytes; nodes and names, for the models and for tests
 *	path.c open.c name.c   walking, opening; making, moving and removing names
 *	node.c stat.c xattr.c  a file as a whole, what is known about it, its attributes
 *	host.c host_open.c host_poll.c   the real machine's descriptors and names
 *	pipe.c splice.c     pipes; moving bytes inside the machine
 *	socket.c address.c connect.c     sockets: their life, their names, how they meet
 *	message.c transfer.c parcel.c    what travels: a step of it, the requests, open files in it
 *	buffer.c            registered buffers, and groups out of which the machine picks
 *
 * A request is attempted at a drawn time. An attempt has its whole effect on the machine at once, or says that it has
 * to wait; a request that waits stands in its file's list and is attempted again, a drawn time after the file has
 * changed. What an attempt reads is staged, and reaches the program's memory with the completion, which may come later
 * still.
 *
 * Nothing here may depend on an address, on the real clock, or on anything else that differs between two runs.
 */
#include <sys/types.h>
#include <sys/uio.h>

#include <aion/sim.h>

#include "heap_int.h"
#include "ring_int.h"

struct aion__sim_file;
struct aion__sim_node;
struct aion__sim_pipe;
struct aion__sim_request;
struct aion__sim_socket;

/* ---- drawing */

void aion__sim_seed(struct aion_sim *sim, uint64_t seed);
/* The next number of the run. */
uint64_t aion__sim_draw(struct aion_sim *sim);
/* 0 … n - 1; n > 0. */
uint64_t aion__sim_draw_below(struct aion_sim *sim, uint64_t n);
/* low … high, both included; small ones as likely as large ones of another magnitude. 0 < low <= high. */
int64_t aion__sim_draw_ns(struct aion_sim *sim, int64_t low, int64_t high);
/* Whether it strikes now; counts and records it if it does. Never after aion_sim_calm_down() or beyond fault_max, for
 * those knobs that are faults. Draws a number only if the knob is neither 0 nor 1000000. */
bool aion__sim_strikes(struct aion_sim *sim, enum aion_sim_knob knob);
void aion__sim_set_profile(struct aion_sim *sim, enum aion_sim_profile profile);
void aion__sim_faults_fini(struct aion_sim *sim);
/* An injected fault for this opcode's next operation: -errno, or 0. Counts the operation. */
int aion__sim_injected(struct aion_sim *sim, unsigned opcode);

/* ---- the trace */

enum aion__sim_event {
	AION__SIM_EVENT_SUBMIT,   /* request; a: descriptor, b: length */
	AION__SIM_EVENT_EFFECT,   /* request; a: result of the attempt */
	AION__SIM_EVENT_COMPLETE, /* request; a: result, b: IORING_CQE_F_ flags */
	AION__SIM_EVENT_CANCEL,   /* target; a: answer */
	AION__SIM_EVENT_TRY,      /* opcode; a: result, b: length */
	AION__SIM_EVENT_STRIKE,   /* a: knob */
	AION__SIM_EVENT_ENTER,    /* a: entries taken, b: completions wanted */
	AION__SIM_EVENT_JOB,      /* a: the job's number */
	AION__SIM_EVENT_OVERFLOW, /* a completion did not fit; a: result, b: flags */
};

/* Record it at the machine's time. request_nr and opcode are 0 where no request is meant. */
void aion__sim_trace(struct aion_sim *sim, enum aion__sim_event event, uint64_t request_nr, unsigned opcode, int64_t a,
		     int64_t b);
void aion__sim_trace_fini(struct aion_sim *sim);

/* ---- requests */

/* The result of an attempt that has to wait for its file to change. */
#define AION__SIM_LATER INT64_MIN

enum aion__sim_state {
	AION__SIM_FREE,
	AION__SIM_TIMED,   /* will be attempted at its time */
	AION__SIM_WAITING, /* in its file's list */
	AION__SIM_ENDED,   /* has its result, which will be posted at its time */
	AION__SIM_NOTIF,   /* zero-copy: the result is out, the notification will be posted at its time */
};

/* How a request's memory is used by the kernel; decides what memory.c watches. */
enum aion__sim_memory {
	AION__SIM_MEMORY_NONE,
	AION__SIM_FILLS,         /* addr, len */
	AION__SIM_FILLS_VECTOR,  /* addr: struct iovec[len] */
	AION__SIM_FILLS_MESSAGE, /* addr: struct msghdr, its vector */
	AION__SIM_FILLS_STATX,   /* off: struct statx */
	AION__SIM_FILLS_VALUE,   /* addr2 of xattr calls: off, len */
	AION__SIM_LENDS,         /* addr, len */
	AION__SIM_LENDS_VECTOR,
	AION__SIM_LENDS_MESSAGE,
	AION__SIM_LENDS_VALUE,
};

/* Who decides how long it takes, and whether a cancel ends it. */
enum aion__sim_kind {
	AION__SIM_BY_FILE, /* as its file does: disks are slow and finish what they have begun, the rest is quick and
			      waits for others */
	AION__SIM_DISK,
	AION__SIM_QUICK, /* as soon as it gets its turn */
	AION__SIM_WAITS, /* for others */
};

/*
 * The model of an opcode.
 * attempt: >= 0 or -errno, or AION__SIM_LATER. What the program shall read is put into the stage, `result` bytes of it
 * unless request->stage_size says otherwise.
 * finish: just before the completion is posted, also when it was cancelled: what else is written to the program's
 * memory (addresses, lengths). May be NULL.
 * abandon: a request that is cancelled or whose ring dies gives back what its attempts have taken. May be NULL.
 */
struct aion__sim_call {
	const char *name;
	int64_t (*attempt)(struct aion_sim *sim, struct aion__sim_request *request);
	void (*finish)(struct aion_sim *sim, struct aion__sim_request *request, int64_t result);
	void (*abandon)(struct aion_sim *sim, struct aion__sim_request *request);
	uint8_t kind;
	uint8_t memory;
	bool is_host_by_fd;   /* no open file is needed, but the descriptor says whose call it is: close */
	bool has_fd;          /* entry->fd is a descriptor: request->file is set, or it ends with -EBADF */
	bool gives_fd;        /* the result is a descriptor: EMFILE and ENFILE may strike, at the submission */
	bool moves_data;      /* EINTR, EAGAIN (files), EIO (files) may strike */
	bool allocates_space; /* ENOSPC may strike */
	bool is_network;      /* ECONNRESET may strike, where the file is a stream socket */
	bool is_immediate;    /* done while it is submitted, always: cancels */
};

/* By opcode; an empty one is an opcode that this machine lacks. */
extern const struct aion__sim_call aion__sim_calls[256];

struct aion__sim_memory_guard; /* memory.c's own */

struct aion__sim_request {
	struct io_uring_sqe sqe; /* a copy */
	uint64_t nr;             /* the how many-th of the run: its name */
	const struct aion__sim_call *call;
	struct aion__sim_file *file;      /* of sqe.fd; held. NULL: none, or the process's own descriptor */
	struct aion__sim_file *wait_file; /* where it waits, if not at file: the model holds it, sets it before LATER */
	uintptr_t place;                  /* in the heap of times */
	int64_t due_ns;
	uint8_t state;
	bool is_cancelled; /* asked to end */
	bool is_multishot;
	bool wants_notif;   /* set by an attempt: a notification shall follow */
	bool is_host;       /* its descriptor is the process's own */
	uint16_t buffer_id; /* a provided buffer that an attempt has taken */
	uint32_t cqe_flags; /* of its completion, beside F_MORE; set by attempts */
	int64_t result;     /* ENDED: what will be posted */
	int64_t done;       /* bytes that earlier attempts have moved */
	int64_t a, b;       /* the model's own */
	void *model;        /* the model's own; see abandon */
	char *stage;        /* what has been read for the program */
	size_t stage_size;  /* bytes of it that count; 0: as many as the result says */
	size_t stage_room;
	struct aion__sim_memory_guard *guard;
	struct aion__sim_request *hash_next;
	struct aion__sim_request *older, *newer;         /* all in flight */
	struct aion__sim_request *wait_next, *wait_prev; /* its file's list, oldest first */
};

/* Room for size bytes of what the program shall read; the content of earlier stages stays. */
char *aion__sim_stage(struct aion__sim_request *request, size_t size);
/* Take an entry from the queue. */
void aion__sim_submit(struct aion_sim *sim, const struct io_uring_sqe *sqe);
/* Its time has come: attempt it, or post what it has. */
void aion__sim_request_run(struct aion_sim *sim, struct aion__sim_request *request);
/* A multishot request, or the result of a zero-copy send: one completion of several. `data`: the stage has been
 * delivered already, or there is none. */
void aion__sim_post_more(struct aion_sim *sim, struct aion__sim_request *request, int64_t result, uint32_t cqe_flags);
/* All gone: the ring dies. */
void aion__sim_requests_drop(struct aion_sim *sim);
/* Spare ones, with the machine. */
void aion__sim_requests_fini(struct aion_sim *sim);
/* The model of IORING_OP_ASYNC_CANCEL. */
int64_t aion__sim_cancel_attempt(struct aion_sim *sim, struct aion__sim_request *request);
/* The same for other models: end what has this user_data, as POLL_REMOVE does. 0, -ENOENT, -EALREADY. */
int64_t aion__sim_cancel_one(struct aion_sim *sim, uint64_t user_data);

/* ---- watching over memory: memory.c */

/* The kernel has the request's memory from now on: fill it with rubbish, or remember what it holds. 0, or what the
 * kernel says to wrong memory: -EFAULT; -EINVAL, -EMSGSIZE for vectors. */
int aion__sim_memory_lend(struct aion_sim *sim, struct aion__sim_request *request);
/* Abort if somebody touched it; fill it with other rubbish. */
void aion__sim_memory_look(struct aion_sim *sim, struct aion__sim_request *request);
/* Look a last time; put the stage's first `size` bytes into it, and behind them what was there before. */
void aion__sim_memory_return(struct aion_sim *sim, struct aion__sim_request *request, size_t size);
/* The ring dies with the request in flight: as the kernel, which then never writes again. */
void aion__sim_memory_forget(struct aion_sim *sim, struct aion__sim_request *request);
/* What a request that LENDS writes: `size` bytes at most, from `off` of its memory, are copied to `to`. Returns how
 * many. */
size_t aion__sim_memory_read(const struct aion__sim_request *request, size_t off, void *to, size_t size);
/* Bytes of the request's memory in all. */
size_t aion__sim_memory_size(const struct aion__sim_request *request);
void aion__sim_memory_fini(struct aion_sim *sim);
/* Between program and machine whatever a sanitizer or valgrind knows of the program's memory. */
void aion__sim_copy_to_program(void *to, const void *from, size_t size);
void aion__sim_copy_from_program(void *to, const void *from, size_t size);

/* ---- open files and descriptors: machine.c */

/* What an open file does. `request` is NULL when it is only tried. Results as of attempts. */
struct aion__sim_file_ops {
	const char *name;
	bool is_disk; /* takes the time of a disk, finishes what it has begun */
	bool is_seekable;
	/* At off, or off < 0: at the file's position. */
	int64_t (*read)(struct aion_sim *sim, struct aion__sim_file *file, void *to, size_t size, int64_t off);
	int64_t (*write)(struct aion_sim *sim, struct aion__sim_file *file, const void *from, size_t size, int64_t off);
	unsigned (*poll)(struct aion_sim *sim, const struct aion__sim_file *file); /* POLLIN, … */
	void (*release)(struct aion_sim *sim, struct aion__sim_file *file);        /* nobody has it any more */
};

struct aion__sim_file {
	const struct aion__sim_file_ops *ops;
	unsigned ref_nr; /* descriptors, requests, messages in which it travels */
	int flags;       /* O_ACCMODE, O_APPEND, O_NONBLOCK, O_DIRECT, O_PATH */
	int64_t pos;
	struct aion__sim_node *node; /* files and directories; named pipes */
	struct aion__sim_pipe *pipe;
	struct aion__sim_socket *socket;
	struct aion__sim_request *wait_oldest, *wait_newest;
};

struct aion__sim_file *aion__sim_file_new(struct aion_sim *sim, const struct aion__sim_file_ops *ops, int flags);
void aion__sim_file_unref(struct aion_sim *sim, struct aion__sim_file *file);
/* Those who wait for it are attempted again, a drawn time from now. */
void aion__sim_file_wake(struct aion_sim *sim, struct aion__sim_file *file);
void aion__sim_file_wait(struct aion__sim_file *file, struct aion__sim_request *request);
void aion__sim_file_unwait(struct aion__sim_file *file, struct aion__sim_request *request);
/* socket.c: the connection, if the file is one, breaks for both sides. What lies in their queues is lost; the other
 * side says -ECONNRESET once, both then that it is over. */
bool aion__sim_socket_can_reset(const struct aion__sim_file *file);
void aion__sim_socket_reset(struct aion_sim *sim, struct aion__sim_file *file);
/* The lowest free number, which takes over the caller's reference. -EMFILE: the reference stays with the caller. */
int aion__sim_fd_give(struct aion_sim *sim, struct aion__sim_file *file);
/* NULL: not a descriptor of the machine's that is open. */
struct aion__sim_file *aion__sim_fd_file(const struct aion_sim *sim, int fd);
int aion__sim_fd_close(struct aion_sim *sim, int fd);
static inline bool aion__sim_fd_is_host(int fd)
{
	return fd >= 0 && fd < AION_SIM_FD_BASE;
}

/* ---- names and files: name.c, node.c. An entry's path arguments are read with the request. */

struct aion__sim_disk; /* the root and what hangs on it */
struct aion__sim_disk *aion__sim_disk_new(struct aion_sim *sim);
void aion__sim_disk_free(struct aion_sim *sim, struct aion__sim_disk *disk);

/* ---- bound names: address.c; NULL until the first */

void aion__sim_addresses_free(struct aion_sim *sim);

/* ---- the real machine: host.c */

/* Whether the entry is for it: its descriptor is the process's own, or its paths are (host_files). */
bool aion__sim_is_host(const struct aion_sim *sim, const struct io_uring_sqe *sqe);
/* By plain system calls; AION__SIM_LATER: it would block. */
int64_t aion__sim_host_attempt(struct aion_sim *sim, struct aion__sim_request *request);

/* ---- buffers that the kernel picks: buffer.c */

/* register() opcodes of theirs; -EINVAL: not one of them. */
int aion__sim_buffer_register(struct aion_sim *sim, unsigned opcode, const void *arg, unsigned nr);
/* Take the group's next buffer: its address and size. 0, or -ENOBUFS. */
int aion__sim_buffer_take(struct aion_sim *sim, unsigned group, void **ret_address, size_t *ret_size, uint16_t *ret_id);
void aion__sim_buffers_drop(struct aion_sim *sim);

/* ---- jobs: job.c */

int aion__sim_job_submit(struct aion__ring *ring, struct aion__job *job);
bool aion__sim_job_withdraw(struct aion__ring *ring, struct aion__job *job);
unsigned aion__sim_job_reap(struct aion__ring *ring);
/* Run those whose time has come. True: some are done now. */
bool aion__sim_jobs_run(struct aion_sim *sim);
/* AION_NEVER: none queues. */
int64_t aion__sim_jobs_due_ns(const struct aion_sim *sim);

/* ---- calls at once: call.c */

/* Without waiting, as a backend's call(). */
int64_t aion__sim_call_now(struct aion__ring *ring, const struct io_uring_sqe *sqe);
/* As a backend's exec(). */
int64_t aion__sim_call_exec(struct aion__ring *ring, const struct io_uring_sqe *sqe);

/* ---- queues.c */

/* Put a completion into the queue, or behind it. */
void aion__sim_post(struct aion_sim *sim, uint64_t user_data, int64_t result, uint32_t cqe_flags);
/* Whether a multishot request ends with what it has to say now: that strikes, or its completion would not fit. */
bool aion__sim_shot_is_last(struct aion_sim *sim);
/* The request's time is delta_ns from now. */
void aion__sim_time(struct aion_sim *sim, struct aion__sim_request *request, int64_t delta_ns);
/* It has none. */
void aion__sim_untime(struct aion_sim *sim, struct aion__sim_request *request);
extern const struct aion__backend aion__sim_backend;

/* ---- the machine */

#define AION__SIM_HASH_NR 256 /* lists of requests by user_data */

struct aion__sim_trace_entry;
struct aion__sim_injection;
struct aion__sim_buffer_group;
struct aion__sim_watch;
struct aion__sim_address; /* address.c: who is bound to which name */

struct aion_sim {
	struct aion__machine machine; /* first */
	struct aion_sim_options options;
	uint64_t random[4];
	bool owned_by_ring; /* goes with the ring that stands on it */
	int64_t now_ns;
	struct aion__ring *ring; /* the one that stands on it, or NULL */

	/* queues.c */
	struct aion__heap times;       /* of requests, by due_ns */
	struct io_uring_cqe *overflow; /* completions that found no place, oldest first */
	size_t overflow_nr;
	size_t overflow_room;
	bool wake_is_armed;
	uint64_t *wake_count; /* where the ring's read of its wake goes */
	unsigned wake_nr;     /* wakes not yet seen; written by any thread */
	void *queues;         /* one piece of memory */

	/* request.c */
	struct aion__sim_request *oldest, *newest; /* in flight */
	struct aion__sim_request *hash[AION__SIM_HASH_NR];
	struct aion__sim_request *free_request;
	unsigned request_nr; /* in flight */
	uint64_t submit_nr;
	uint64_t complete_nr;
	struct aion__sim_request *look_next; /* whose memory is looked at next */

	/* machine.c */
	struct aion__sim_file **fds; /* fd_max of them */
	unsigned fd_nr;              /* open */
	unsigned fd_lowest;          /* no free one below */

	/* job.c */
	struct aion__sim_job_entry *job_oldest;
	struct aion__job *job_done;
	uint64_t job_nr;

	/* fault.c */
	unsigned knobs[AION_SIM_KNOB_NR];
	bool is_calm;
	uint64_t fault_nr;
	uint64_t fault_max;
	struct aion__sim_injection *injections;

	/* trace.c */
	struct aion__sim_trace_entry *trace;
	size_t trace_nr;  /* ever */
	size_t trace_idx; /* where the next one goes */
	uint64_t trace_hash;

	struct aion__sim_watch *watch; /* memory.c: spare guards, what is known of the program's pages */

	struct aion__sim_disk *disk;
	uint64_t disk_used; /* bytes */
	struct aion__sim_address *addresses;
	struct aion__sim_buffer_group *buffer_groups;
};

/* The machine that a ring stands on. */
static inline struct aion_sim *aion__sim_of(const struct aion__ring *ring)
{
	return (struct aion_sim *)ring->machine;
}

/* Zeroed memory of the machine's own, which no test counts as the library's; aborts where there is none. */
void *aion__sim_alloc(size_t size);
void *aion__sim_realloc(void *memory, size_t size);
void aion__sim_free(void *memory);

/* Something that cannot be is: abort with the text, the request if there is one, and the line that replays the run. */
_Noreturn void aion__sim_bug(const struct aion_sim *sim, const struct aion__sim_request *request, const char *format,
			     ...) __attribute__((format(printf, 3, 4), cold));

#endif
