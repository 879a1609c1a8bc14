/* SPDX-License-Identifier: MIT */
/*
 * The queues, in plain memory, and what entering the machine does: entries are taken, time passes, requests get their
 * turn in the order of their times, completions are put into the queue.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sim_int.h"
#include "syscall_int.h"

#define ENTER_NS_MIN 100 /* what an enter takes */
#define ENTER_NS_MAX 3000
#define CLOCK_NS 20  /* what a look at the clock takes */
#define LOOK_EVERY 8 /* enters between two looks at a request's memory, on average */
#define ENTRY_MIN 8
#define CACHE_LINE 64 /* bytes */
#define FEATURES                                                                                                       \
	(IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_RW_CUR_POS |           \
	 IORING_FEAT_FAST_POLL | IORING_FEAT_POLL_32BITS | IORING_FEAT_EXT_ARG | IORING_FEAT_NATIVE_WORKERS |          \
	 IORING_FEAT_CQE_SKIP | IORING_FEAT_LINKED_FILE)
#define SETUP_FLAGS                                                                                                    \
	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |                         \
	 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED)

/* ---- the ring's life */

/* The words and arrays that liburing's struct points to. */
struct queues {
	unsigned sq_head, sq_tail, sq_mask, sq_entry_nr, sq_flags, sq_dropped;
	unsigned cq_head, cq_tail, cq_mask, cq_entry_nr, cq_flags, cq_overflow;
	struct io_uring_cqe *cqes;
	unsigned *array;
	struct io_uring_sqe sqes[] __attribute__((aligned(CACHE_LINE)));
};

static unsigned power_of_two(unsigned n)
{
	unsigned power = 1;

	while (power < n)
		power *= 2;
	return power;
}

static void queues_connect(struct io_uring *uring, struct queues *queues)
{
	uring->sq.khead = &queues->sq_head;
	uring->sq.ktail = &queues->sq_tail;
	uring->sq.kring_mask = &queues->sq_mask;
	uring->sq.kring_entries = &queues->sq_entry_nr;
	uring->sq.kflags = &queues->sq_flags;
	uring->sq.kdropped = &queues->sq_dropped;
	uring->sq.array = queues->array;
	uring->sq.sqes = queues->sqes;
	uring->sq.ring_mask = queues->sq_mask;
	uring->sq.ring_entries = queues->sq_entry_nr;
	uring->cq.khead = &queues->cq_head;
	uring->cq.ktail = &queues->cq_tail;
	uring->cq.kring_mask = &queues->cq_mask;
	uring->cq.kring_entries = &queues->cq_entry_nr;
	uring->cq.kflags = &queues->cq_flags;
	uring->cq.koverflow = &queues->cq_overflow;
	uring->cq.cqes = queues->cqes;
	uring->cq.ring_mask = queues->cq_mask;
	uring->cq.ring_entries = queues->cq_entry_nr;
	uring->ring_fd = -1;
	uring->enter_ring_fd = -1;
	uring->flags = SETUP_FLAGS;
	uring->features = FEATURES;
}

static __thread struct aion_sim *machine_in_use; /* of which an abort on this thread says how to replay it */

static void bug_note(void)
{
	char replay[512];

	aion_sim_replay(machine_in_use, replay, sizeof(replay));
	fprintf(stderr, "aion: replay: %s\n", replay);
}

static int sim_setup(struct aion__ring *ring, const struct aion__ring_options *options, char *error_text,
		     size_t error_size)
{
	struct aion_sim *sim = aion__sim_of(ring);
	unsigned entry_nr = options->entry_nr;
	unsigned completion_nr = power_of_two(options->completion_nr);
	struct queues *queues;
	size_t size;

	if (sim->ring) {
		snprintf(error_text, error_size, "a loop stands on the simulated machine already");
		return -EBUSY;
	}
	if (entry_nr / 2 >= ENTRY_MIN && aion__sim_strikes(sim, AION_SIM_SETUP_HALF))
		entry_nr /= 2;
	size = sizeof(*queues) + entry_nr * (sizeof(struct io_uring_sqe) + sizeof(unsigned)) +
	       completion_nr * sizeof(struct io_uring_cqe);
	size = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	queues = aligned_alloc(CACHE_LINE, size);
	if (!queues) {
		snprintf(error_text, error_size, "no memory for the queues of a simulated machine");
		return -ENOMEM;
	}
	memset(queues, 0, size);
	queues->sq_entry_nr = entry_nr;
	queues->sq_mask = entry_nr - 1;
	queues->cq_entry_nr = completion_nr;
	queues->cq_mask = completion_nr - 1;
	queues->cqes = (struct io_uring_cqe *)&queues->sqes[entry_nr];
	queues->array = (unsigned *)&queues->cqes[completion_nr];
	queues_connect(&ring->uring, queues);
	ring->setup_flags = SETUP_FLAGS;
	ring->features = FEATURES;
	ring->enter_fd = -1;
	ring->wake_fd = -1;
	sim->queues = queues;
	sim->ring = ring;
	sim->wake_is_armed = false;
	sim->wake_nr = 0;
	machine_in_use = sim;
	aion__bug_note = bug_note;
	return 0;
}

static int sim_bind(struct aion__ring *ring)
{
	return aion__ring_register(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* In a forked child, too: all of it is memory. */
static void sim_teardown(struct aion__ring *ring)
{
	struct aion_sim *sim = aion__sim_of(ring);

	AION_BUG_ON(aion__sim_jobs_due_ns(sim) != AION_NEVER && aion__ring_is_alive(ring),
		    "ring ends while jobs queue");
	aion__sim_requests_drop(sim);
	aion__sim_buffers_drop(sim);
	sim->overflow_nr = 0;
	free(sim->queues);
	sim->queues = NULL;
	sim->ring = NULL;
	aion__bug_note = NULL;
	if (sim->owned_by_ring)
		aion_sim_destroy(sim);
}

static int register_probe(const void *arg, unsigned nr)
{
	struct io_uring_probe *probe = (struct io_uring_probe *)(uintptr_t)arg;

	probe->last_op = 0;
	probe->ops_len = (uint8_t)(nr < 255 ? nr : 255);
	for (unsigned op = 0; op < probe->ops_len; op++) {
		probe->ops[op].op = (uint8_t)op;
		probe->ops[op].flags = aion__sim_calls[op].attempt ? IO_URING_OP_SUPPORTED : 0;
		if (probe->ops[op].flags)
			probe->last_op = (uint8_t)op;
	}
	return 0;
}

static int sim_register(struct aion__ring *ring, unsigned opcode, const void *arg, unsigned nr)
{
	switch (opcode) {
	case IORING_REGISTER_PROBE:
		return register_probe(arg, nr);
	case IORING_REGISTER_ENABLE_RINGS:
	case IORING_REGISTER_IOWQ_MAX_WORKERS:
	case IORING_REGISTER_EVENTFD: /* never written: what is under way shows in the ring's flags, see sim_enter() */
	case IORING_UNREGISTER_EVENTFD:
		return 0;
	default:
		return aion__sim_buffer_register(aion__sim_of(ring), opcode, arg, nr);
	}
}

static int64_t sim_now(struct aion__ring *ring)
{
	struct aion_sim *sim = aion__sim_of(ring);

	sim->now_ns += CLOCK_NS;
	return sim->now_ns;
}

/* ---- times */

void aion__sim_time(struct aion_sim *sim, struct aion__sim_request *request, int64_t delta_ns)
{
	struct aion__heap *times = &sim->times;

	if (times->nr == times->capacity) {
		times->capacity = times->capacity ? 2 * times->capacity : 64;
		times->entries = aion__sim_realloc(times->entries, times->capacity * sizeof(times->entries[0]));
	}
	request->due_ns = sim->now_ns + delta_ns;
	aion__heap_push(times, request->due_ns, &request->place);
}

void aion__sim_untime(struct aion_sim *sim, struct aion__sim_request *request)
{
	aion__heap_remove(&sim->times, request->place);
}

static int64_t next_due_ns(const struct aion_sim *sim)
{
	int64_t due_ns = aion__sim_jobs_due_ns(sim);

	return sim->times.nr && sim->times.entries[0].key < due_ns ? sim->times.entries[0].key : due_ns;
}

/* ---- completions */

static void cqe_put(struct io_uring_cq *cq, const struct io_uring_cqe *cqe)
{
	unsigned tail = *cq->ktail;

	cq->cqes[tail & cq->ring_mask] = *cqe;
	__atomic_store_n(cq->ktail, tail + 1, __ATOMIC_RELEASE);
}

static bool cq_is_full(const struct io_uring_cq *cq)
{
	return *cq->ktail - *cq->khead == cq->ring_entries;
}

void aion__sim_post(struct aion_sim *sim, uint64_t user_data, int64_t result, uint32_t cqe_flags)
{
	const struct io_uring_cqe cqe = {.user_data = user_data, .res = (int32_t)result, .flags = cqe_flags};
	struct io_uring *uring = &sim->ring->uring;

	if (!sim->overflow_nr && !cq_is_full(&uring->cq)) {
		cqe_put(&uring->cq, &cqe);
		return;
	}
	if (sim->overflow_nr == sim->overflow_room) {
		sim->overflow_room = sim->overflow_room ? 2 * sim->overflow_room : 64;
		sim->overflow = aion__sim_realloc(sim->overflow, sim->overflow_room * sizeof(cqe));
	}
	memcpy(&sim->overflow[sim->overflow_nr++], &cqe, sizeof(cqe));
	__atomic_fetch_or(uring->sq.kflags, IORING_SQ_CQ_OVERFLOW, __ATOMIC_SEQ_CST);
	aion__sim_trace(sim, AION__SIM_EVENT_OVERFLOW, 0, 0, result, cqe_flags);
}

bool aion__sim_shot_is_last(struct aion_sim *sim)
{
	if (sim->overflow_nr || cq_is_full(&sim->ring->uring.cq))
		return true;
	return aion__sim_strikes(sim, AION_SIM_MULTISHOT_END);
}

/* What found no place before finds it now. */
static void overflow_flush(struct aion_sim *sim)
{
	struct io_uring *uring = &sim->ring->uring;
	size_t moved = 0;

	if (!sim->overflow_nr)
		return;
	while (moved < sim->overflow_nr && !cq_is_full(&uring->cq))
		cqe_put(&uring->cq, &sim->overflow[moved++]);
	sim->overflow_nr -= moved;
	memmove(sim->overflow, sim->overflow + moved, sim->overflow_nr * sizeof(sim->overflow[0]));
	if (!sim->overflow_nr)
		__atomic_fetch_and(uring->sq.kflags, ~IORING_SQ_CQ_OVERFLOW, __ATOMIC_SEQ_CST);
}

/* ---- the wake */

static void sim_wake(struct aion__ring *ring)
{
	struct aion_sim *sim = aion__sim_of(ring);

	__atomic_fetch_add(&sim->wake_nr, 1, __ATOMIC_SEQ_CST);
	/* As the kernel, whose read of the eventfd is work to do now: a loop whose tasks are always ready sees it so.
	 */
	__atomic_fetch_or(ring->uring.sq.kflags, IORING_SQ_TASKRUN, __ATOMIC_SEQ_CST);
	if (sim->options.host_threads)
		aion__syscall6(SYS_futex, (long)&sim->wake_nr, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

static void wake_see(struct aion_sim *sim)
{
	if (!sim->wake_is_armed || !__atomic_load_n(&sim->wake_nr, __ATOMIC_SEQ_CST))
		return;
	*sim->wake_count = __atomic_exchange_n(&sim->wake_nr, 0, __ATOMIC_SEQ_CST);
	sim->wake_is_armed = false;
	aion__sim_post(sim, AION__UD_WAKE, sizeof(uint64_t), 0);
}

/* Nothing can happen any more but what other threads do. */
static void wait_for_threads(struct aion_sim *sim)
{
	if (!sim->options.host_threads || !sim->wake_is_armed)
		aion__sim_bug(sim, sim->oldest,
			      "deadlock: no task can run, nothing is timed, %u operations wait for ever",
			      sim->request_nr);
	aion__syscall6(SYS_futex, (long)&sim->wake_nr, FUTEX_WAIT_PRIVATE, 0, 0, 0, 0);
}

/* ---- entering */

static unsigned entries_take(struct aion_sim *sim, unsigned nr)
{
	struct io_uring_sq *sq = &sim->ring->uring.sq;
	unsigned head = *sq->khead;

	for (unsigned i = 0; i < nr; i++) {
		/* Copied: a model may come back and find its place taken. */
		struct io_uring_sqe sqe = sq->sqes[sq->array[head & sq->ring_mask]];

		__atomic_store_n(sq->khead, ++head, __ATOMIC_RELEASE);
		aion__sim_submit(sim, &sqe);
	}
	return nr;
}

/* Everything whose time has come. */
static void run_due(struct aion_sim *sim)
{
	while (sim->times.nr && sim->times.entries[0].key <= sim->now_ns) {
		struct aion__sim_request *request =
			aion__container_of(sim->times.entries[0].place, struct aion__sim_request, place);

		aion__heap_remove(&sim->times, request->place);
		aion__sim_request_run(sim, request);
	}
	if (aion__sim_jobs_due_ns(sim) <= sim->now_ns && aion__sim_jobs_run(sim))
		__atomic_fetch_add(&sim->wake_nr, 1, __ATOMIC_SEQ_CST);
	wake_see(sim);
}

/* Let time pass until there are wait_nr completions. 0, -ETIME, -EINTR. */
static int wait_until(struct aion_sim *sim, unsigned wait_nr, int64_t deadline_ns)
{
	while (aion__ring_cq_ready(sim->ring) < wait_nr) {
		int64_t due_ns = next_due_ns(sim);

		if (due_ns == AION_NEVER && deadline_ns == AION_NEVER) {
			wait_for_threads(sim);
		} else if (due_ns > deadline_ns) {
			if (sim->now_ns < deadline_ns)
				sim->now_ns = deadline_ns;
			return -ETIME;
		} else if (sim->now_ns < due_ns) {
			sim->now_ns = due_ns;
		}
		run_due(sim);
	}
	return 0;
}

/* A request's buffer, one after the other: somebody may be using it who should not. */
static void look_at_one(struct aion_sim *sim)
{
	if (!sim->look_next)
		sim->look_next = sim->oldest;
	if (!sim->look_next || aion__sim_draw_below(sim, LOOK_EVERY))
		return;
	if (!sim->look_next->is_host)
		aion__sim_memory_look(sim, sim->look_next);
	sim->look_next = sim->look_next->newer;
}

/* The kernel's word for "enter me when you can": whatever is timed gets on only while somebody enters. */
static void flag_work(struct aion_sim *sim)
{
	unsigned *flags = sim->ring->uring.sq.kflags;

	/* Cleared first: other threads set it when they wake. */
	__atomic_fetch_and(flags, ~IORING_SQ_TASKRUN, __ATOMIC_SEQ_CST);
	if (next_due_ns(sim) != AION_NEVER || (sim->wake_is_armed && __atomic_load_n(&sim->wake_nr, __ATOMIC_SEQ_CST)))
		__atomic_fetch_or(flags, IORING_SQ_TASKRUN, __ATOMIC_SEQ_CST);
}

/* What is done at once may concern who waits on the ring: the last end of a connection that is closed, say. */
static int64_t sim_call(struct aion__ring *ring, const struct io_uring_sqe *sqe)
{
	int64_t result = aion__sim_call_now(ring, sqe);

	flag_work(aion__sim_of(ring));
	return result;
}

static int sim_enter(struct aion__ring *ring, unsigned to_submit, unsigned wait_nr, int64_t deadline_ns)
{
	struct aion_sim *sim = aion__sim_of(ring);
	unsigned take_nr = to_submit;
	int result = 0;

	aion__sim_trace(sim, AION__SIM_EVENT_ENTER, 0, 0, to_submit, wait_nr);
	sim->now_ns += aion__sim_draw_ns(sim, ENTER_NS_MIN, ENTER_NS_MAX);
	overflow_flush(sim);
	if (to_submit && sim->overflow_nr)
		return -EBUSY;
	if (to_submit && aion__sim_strikes(sim, AION_SIM_ENTER_EAGAIN))
		return -EAGAIN;
	if (to_submit > 1 && aion__sim_strikes(sim, AION_SIM_SUBMIT_PART))
		take_nr = 1 + (unsigned)aion__sim_draw_below(sim, to_submit - 1);
	entries_take(sim, take_nr);
	look_at_one(sim);
	run_due(sim);
	/* As the kernel: whoever has submitted hears how many, not how the wait went. */
	if (take_nr == to_submit) {
		if (wait_nr && aion__sim_strikes(sim, AION_SIM_WAIT_EINTR))
			result = -EINTR;
		else
			result = wait_until(sim, wait_nr, deadline_ns);
	}
	flag_work(sim);
	return take_nr ? (int)take_nr : result;
}

const struct aion__backend aion__sim_backend = {
	.enter = sim_enter,
	.register_ = sim_register,
	.now = sim_now,
	.call = sim_call,
	.setup = sim_setup,
	.bind = sim_bind,
	.teardown = sim_teardown,
	.wake = sim_wake,
	.submit_job = aion__sim_job_submit,
	.withdraw_job = aion__sim_job_withdraw,
	.reap_jobs = aion__sim_job_reap,
	.exec = aion__sim_call_exec,
};
