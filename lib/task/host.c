/* SPDX-License-Identifier: MIT */
/* The loop as its thread sees it: made, run, turned inside another event loop, destroyed. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "alloc_int.h"
#include "debug_int.h"
#include "inspect_int.h"
#include "interrupt_int.h"
#include "syscall_int.h"

#define ENTRY_NR 1024                  /* submission queue entries */
#define ENTRY_NR_MAX 32768             /* the kernel's limit */
#define COMPLETIONS_AN_ENTRY 4         /* completion queue entries */
#define STACK_SIZE ((size_t)256 << 10) /* bytes of a task's stack */
#define WORKER_NR_MAX 32               /* threads */
#define WORKER_NR_SPARE 4              /* threads beyond the cores */
#define KERNEL_WORKER_NR_MIN 16        /* io-wq threads */
#define KERNEL_WORKERS_A_CORE 4
#define ERROR_TEXT_SIZE 256

static __thread char create_error[ERROR_TEXT_SIZE];

const char *aion_loop_create_error(void)
{
	return create_error;
}

const char *aion_version(void)
{
#define VERSION_TEXT_(x) #x
#define VERSION_TEXT(x) VERSION_TEXT_(x)
	return VERSION_TEXT(AION_VERSION_MAJOR) "." VERSION_TEXT(AION_VERSION_MINOR) "." VERSION_TEXT(
		AION_VERSION_PATCH);
}

static unsigned round_up_to_power_of_two(unsigned n)
{
	unsigned power = 1;

	while (power < n)
		power *= 2;
	return power;
}

/* The options with the defaults filled in. -EINVAL names the one that cannot be. */
static int ring_options_fill(const struct aion_loop_options *options, struct aion__ring_options *ret)
{
	unsigned core_nr = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	unsigned entry_nr = options->entry_nr ? options->entry_nr : ENTRY_NR;
	unsigned worker_nr = core_nr + WORKER_NR_SPARE;
	unsigned kernel_worker_nr = core_nr * KERNEL_WORKERS_A_CORE;

	if (entry_nr > ENTRY_NR_MAX) {
		snprintf(create_error, sizeof(create_error), "entry_nr is %u, the kernel's limit is %u", entry_nr,
			 ENTRY_NR_MAX);
		return -EINVAL;
	}
	ret->entry_nr = round_up_to_power_of_two(entry_nr);
	ret->completion_nr = options->completion_nr ? options->completion_nr : ret->entry_nr * COMPLETIONS_AN_ENTRY;
	if (ret->completion_nr < ret->entry_nr) {
		snprintf(create_error, sizeof(create_error), "completion_nr is %u, less than entry_nr, %u",
			 ret->completion_nr, ret->entry_nr);
		return -EINVAL;
	}
	ret->worker_max = options->worker_max         ? options->worker_max
			  : worker_nr < WORKER_NR_MAX ? worker_nr
						      : WORKER_NR_MAX;
	ret->kernel_worker_max = options->kernel_worker_max                ? options->kernel_worker_max
				 : kernel_worker_nr < KERNEL_WORKER_NR_MIN ? KERNEL_WORKER_NR_MIN
									   : kernel_worker_nr;
	ret->machine = (struct aion__machine *)options->sim; /* a simulated machine begins with one */
	ret->as_linux = options->as_linux ? options->as_linux : getenv("AION_AS_LINUX");
	return 0;
}

static int loop_init(struct aion_loop *loop, const struct aion_loop_options *options)
{
	struct aion__ring_options ring_options;
	int class = aion__stack_class(options->stack_size ? options->stack_size : STACK_SIZE);
	int result = ring_options_fill(options, &ring_options);

	if (result < 0)
		return result;
	if (class < 0) {
		snprintf(create_error, sizeof(create_error), "stack_size is %zu bytes, the limit is %zu",
			 options->stack_size, (size_t)AION__STACK_SIZE_MAX);
		return class;
	}
	result = aion__engine_init(&loop->engine, &ring_options, create_error, sizeof(create_error));
	if (result < 0)
		return result;
	result = aion__wheel_init(&loop->wheel, aion__loop_now(loop));
	if (result < 0) {
		aion__engine_fini(&loop->engine);
		return result;
	}
	aion__stack_pool_init(&loop->stacks);
	loop->stack_class = (uint8_t) class;
	loop->no_overflow_handler = options->no_overflow_handler;
	loop->no_interrupt_handler = options->no_interrupt_handler;
	loop->host_fd = -1;
	loop->root.scope = (struct aion_scope){.is_group = true};
	aion__group_init(&loop->root, loop);
	loop->root.keeps_going = true;
	loop->host.group = &loop->root;
	loop->engine.ready.filler = &loop->host.runnable;
	loop->engine.ready.batch_max = AION__RUN_MAX;
	loop->birth_ns = loop->now_ns;
	result = aion__debug_init(loop, options);
	if (result < 0) {
		aion__engine_fini(&loop->engine);
		aion__wheel_fini(&loop->wheel);
	}
	return result;
}

static int loop_create(const struct aion_loop_options *options, struct aion_loop **ret_loop)
{
	static const struct aion_loop_options defaults;
	struct aion_loop *loop = aion__alloc_zeroed(sizeof(*loop));
	int result;

	create_error[0] = 0;
	if (!loop) {
		snprintf(create_error, sizeof(create_error), "no memory for a loop");
		return -ENOMEM;
	}
	loop->mailbox = aion__mailbox_create(loop);
	if (!loop->mailbox) {
		snprintf(create_error, sizeof(create_error), "no memory for a loop");
		aion__free(loop);
		return -ENOMEM;
	}
	result = loop_init(loop, options ? options : &defaults);
	if (result < 0) {
		aion__diag("aion_loop_create: %s", create_error);
		aion__mailbox_unref(loop->mailbox);
		aion__free(loop);
		return result;
	}
	aion__loops_add(loop);
	*ret_loop = loop;
	return 0;
}

int aion_loop_create(const struct aion_loop_options *options, struct aion_loop **ret_loop)
{
	int saved = errno;
	int result = loop_create(options, ret_loop);

	errno = saved;
	return result;
}

/* For the report of an overflow: is the address below a stack of this loop's? Runs in a signal handler. */
static bool loop_find_overflow(void *arg, const void *address, struct aion__overflow *ret)
{
	const struct aion_loop *loop = arg;
	const struct aion__stack *stack = aion__stack_pool_owner(&loop->stacks, address);

	if (!stack || !aion__stack_is_overflow(stack, address))
		return false;
	ret->task_name = stack->owner ? ((const struct aion_task *)stack->owner)->name : "";
	ret->stack_size = aion__stack_size(stack);
	return true;
}

/* SIGPIPE is blocked from a thread's first loop to its last: a write to a broken pipe gives -EPIPE. */
static __thread unsigned sigpipe_user_nr;
static __thread bool sigpipe_was_blocked;

static void sigpipe_block(void)
{
	sigset_t pipe_only, before;

	if (sigpipe_user_nr++)
		return;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	sigpipe_was_blocked = sigismember(&before, SIGPIPE);
}

/* What is pending is of a write that has been answered. */
static void sigpipe_restore(void)
{
	const struct timespec no_time = {0};
	sigset_t pipe_only;

	if (--sigpipe_user_nr || sigpipe_was_blocked)
		return;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	while (sigtimedwait(&pipe_only, NULL, &no_time) > 0) {
	}
	pthread_sigmask(SIG_UNBLOCK, &pipe_only, NULL);
}

/* The first thread that runs the loop keeps it. */
static int loop_bind(struct aion_loop *loop)
{
	int result = aion__engine_bind(&loop->engine);

	if (result < 0)
		return result;
	loop->thread = pthread_self();
	loop->is_bound = true;
	aion__fiber_init_thread(&loop->host.fiber);
	sigpipe_block();
	if (!loop->no_overflow_handler)
		aion__overflow_enter(&loop->overflow, loop_find_overflow, loop);
	return 0;
}

/* Enter the loop from the thread's own stack. */
static int host_enter(struct aion_loop *loop, struct aion__engine **ret_outer)
{
	/* A post of this loop's is inside of it, too, on the stack of some task. */
	if (aion__task_current() || aion__engine == &loop->engine)
		return -EBUSY;
	if (!aion__ring_is_alive(&loop->engine.ring))
		return -ECHILD;
	if (loop->is_bound && !pthread_equal(loop->thread, pthread_self()))
		return -EXDEV;
	if (!loop->is_bound) {
		int saved = errno;
		int result = loop_bind(loop);

		errno = saved;
		if (result < 0)
			return result;
	}
	*ret_outer = aion__engine;
	aion__engine = &loop->engine;
	return 0;
}

static void host_leave(struct aion__engine *outer)
{
	aion__engine = outer;
}

/* The thread's own stack waits, like a task, until somebody makes it ready. */
static void host_suspend(struct aion_loop *loop)
{
	aion__loop_suspend(loop, &loop->host);
	loop->engine.task = NULL;
}

/*
 * What handed over the re-armed wake outside of a pass (a turn's last enter, aion_loop_fd()) has left posts behind of
 * which nothing in the ring tells any more, so a quick turn would not see them.
 */
static void host_run_posts(struct aion_loop *loop)
{
	if (atomic_load(&loop->posts))
		aion__loop_run_posts(loop, NULL);
}

int64_t aion_loop_run(struct aion_loop *loop, aion_fn *fn, void *arg)
{
	struct aion_spawn_options options = {.name = "main"};
	struct aion__engine *outer;
	struct aion_handle main_task;
	int64_t result = host_enter(loop, &outer);

	if (result < 0)
		return result;
	host_run_posts(loop);
	aion_spawn_into(&loop->root, &main_task, &options, fn, arg);
	loop->main_task = &main_task;
	while (!aion__future_is_done(&main_task.future)) {
		aion__future_add_runnable(&main_task.future, &loop->host.runnable);
		host_suspend(loop);
	}
	loop->main_task = NULL;
	host_leave(outer);
	return main_task.future.result;
}

int64_t aion_run(aion_fn *fn, void *arg, const struct aion_loop_options *options)
{
	struct aion__interrupt interrupt;
	struct aion_loop *loop;
	int64_t result;

	if (aion__task_current())
		return -EBUSY;
	result = aion_loop_create(options, &loop);
	if (result < 0)
		return result;
	aion__interrupt_enter(&interrupt, loop);
	result = aion_loop_run(loop, fn, arg);
	aion__interrupt_leave(&interrupt);
	aion_loop_destroy(loop);
	return result;
}

/* Of a loop that could not be taken by any thread: nothing more comes in; what came in runs. */
static void loop_close_posts(struct aion_loop *loop)
{
	loop->root.is_open = false;
	aion__loop_run_posts(loop, AION__POSTS_CLOSED);
}

/*
 * Cancel and join every task, also those that accepted posts spawn; then end what was left to the loop: owned buffers,
 * what posts have started, detached calls.
 */
static void loop_drain(struct aion_loop *loop)
{
	host_run_posts(loop);
	aion__scope_cancel(&loop->root.scope, AION_REASON_SHUTDOWN);
	loop->root.joiner = &loop->host;
	for (;;) {
		while (aion__group_has_children(&loop->root))
			host_suspend(loop);
		/* What the last posts post is refused, or one that posts itself again would keep the loop for ever. */
		aion__loop_run_posts(loop, AION__POSTS_CLOSED);
		if (!aion__group_has_children(&loop->root))
			break;
		/* They have spawned tasks, and those may need posts to come to their end. */
		atomic_store(&loop->posts, NULL);
	}
	loop->root.joiner = NULL;
	loop->root.is_open = false;
	aion__engine_cancel_all(&loop->engine);
	while (loop->engine.in_flight_nr || loop->call_nr)
		aion__engine_enter(&loop->engine, 1, AION_NEVER);
}

void aion_loop_destroy(struct aion_loop *loop)
{
	struct aion__engine *outer = aion__engine;
	int saved = errno;
	bool is_alive;

	if (!loop)
		return;
	AION_BUG_ON(aion__task_current() || outer == &loop->engine, "loop destroyed inside a task or post");
	AION_BUG_ON(loop->is_bound && !pthread_equal(loop->thread, pthread_self()), "loop destroyed on another thread");
	is_alive = aion__ring_is_alive(&loop->engine.ring);
	aion__dump_watch_stop(loop);
	aion__engine = &loop->engine;
	if (is_alive && (loop->is_bound || loop_bind(loop) == 0))
		loop_drain(loop);
	else if (is_alive)
		loop_close_posts(loop);
	aion__mailbox_close(loop->mailbox, !is_alive);
	if (loop->is_bound && !loop->no_overflow_handler)
		aion__overflow_leave(&loop->overflow);
	if (loop->is_bound)
		sigpipe_restore();
	aion__loops_remove(loop);
	aion__engine_fini(&loop->engine);
	aion__engine = outer;
	if (loop->host_fd >= 0)
		close(loop->host_fd);
	aion__wheel_fini(&loop->wheel);
	aion__task_slabs_free(loop);
	aion__stack_pool_fini(&loop->stacks);
	aion__debug_fini(loop);
	aion__dump_watch_free(loop);
	aion__free(loop);
	errno = saved;
}

struct aion_loop *aion_loop_current(void)
{
	return aion__task_current() ? aion__loop() : NULL;
}

struct aion_group *aion_loop_group(struct aion_loop *loop)
{
	return &loop->root;
}

/* The eventfd speaks only while the host waits: it costs an eventfd write a batch of completions. */
static void host_fd_listen(struct aion_loop *loop, bool listen)
{
	int saved = errno;
	uint64_t count;

	if (loop->host_fd < 0)
		return;
	io_uring_cq_eventfd_toggle(&loop->engine.ring.uring, listen);
	if (!listen && read(loop->host_fd, &count, sizeof(count)) < 0)
		AION_ASSERT(errno == EAGAIN);
	errno = saved;
	/* The kernel tells of work, then looks whether we listen; we listen, then look for work. Without a fence both
	 * could see what was before, and the descriptor would stay silent. */
	atomic_thread_fence(memory_order_seq_cst);
}

static bool loop_has_work(struct aion_loop *loop)
{
	struct aion__ring *ring = &loop->engine.ring;

	return !aion__ready_is_empty(&loop->engine.ready) || aion__ring_flags(ring) || aion__ring_cq_ready(ring) ||
	       aion__ring_queued(ring) || atomic_load(&loop->posts);
}

/* Unless the kernel refuses: then the rest stays for the next turn, which is asked for at once. */
static void host_submit(struct aion_loop *loop)
{
	const struct aion__ring_stats *stats = &loop->engine.ring.stats;
	uint64_t before;

	while (aion__ring_queued(&loop->engine.ring)) {
		before = stats->submit_nr;
		aion__engine_enter(&loop->engine, 0, AION_NEVER);
		if (stats->submit_nr == before)
			break;
	}
}

int aion_loop_turn(struct aion_loop *loop)
{
	struct aion__engine *outer;
	int result = host_enter(loop, &outer);

	if (result < 0)
		return result;
	host_fd_listen(loop, false);
	loop->clock_is_stale = true;
	aion__loop_pass(loop);
	/* The host stands behind those who are ready now; the queue, not empty, keeps the turn from waiting. */
	loop->host.runnable.is_awake = true;
	aion__loop_yield(loop, &loop->host);
	loop->engine.task = NULL;
	host_submit(loop);
	host_fd_listen(loop, true);
	result = loop_has_work(loop);
	host_leave(outer);
	return result;
}

/* What the loop has queued so far leaves now: the host's next turn comes after the descriptor has spoken. */
static int host_fd_open(struct aion_loop *loop)
{
	struct aion__ring *ring = &loop->engine.ring;
	int fd = (int)aion__syscall6(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK, 0, 0, 0, 0);
	int result;

	if (fd < 0)
		return fd;
	result = aion__ring_register(ring, IORING_REGISTER_EVENTFD, &fd, 1);
	if (result < 0) {
		aion__syscall6(SYS_close, fd, 0, 0, 0, 0, 0);
		return result;
	}
	loop->host_fd = fd;
	host_submit(loop);
	return 0;
}

int aion_loop_fd(struct aion_loop *loop)
{
	struct aion__engine *outer;
	int result = host_enter(loop, &outer);

	if (result < 0)
		return result;
	if (loop->host_fd < 0)
		result = host_fd_open(loop);
	host_leave(outer);
	return result < 0 ? result : loop->host_fd;
}

int64_t aion_loop_timeout_ns(struct aion_loop *loop)
{
	int64_t next_ns;

	if (loop_has_work(loop))
		return 0;
	if (!loop->wheel.nr || aion__wheel_next_ns(&loop->wheel) >= AION__DEBUG_NEVER)
		return -1;
	next_ns = aion__wheel_next_ns(&loop->wheel) - loop->engine.ring.backend->now(&loop->engine.ring);
	return next_ns > 0 ? next_ns : 0;
}

void aion_loop_stats(const struct aion_loop *loop, struct aion_loop_stats *ret_stats)
{
	const struct aion__ring_stats *ring = &loop->engine.ring.stats;

	*ret_stats = (struct aion_loop_stats){
		.enter_nr = ring->enter_nr,
		.submit_nr = ring->submit_nr,
		.complete_nr = ring->complete_nr,
		.inline_nr = loop->engine.inline_nr,
		.worker_nr = ring->worker_nr,
		.switch_nr = loop->engine.ready.head,
		.spawn_nr = loop->spawn_nr,
		.turn_nr = loop->turn_nr,
		.task_nr = aion__loop_task_nr(loop),
		.timer_nr = loop->wheel.nr - (loop->debug != NULL),
		.in_flight_nr = loop->engine.in_flight_nr,
	};
}
