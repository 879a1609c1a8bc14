/* SPDX-License-Identifier: MIT */
#ifndef AION_BASE_H
#define AION_BASE_H
/*
 * What every other header stands on: the export mark, the marker of suspending functions, units of time, the
 * diagnostic hook.
 *
 * Conventions of the whole library
 *   - A result is >= 0, or -errno. errno itself is never set.
 *   - Times are int64_t nanoseconds (_ns) of CLOCK_MONOTONIC; sizes are bytes.
 *   - ret_* parameters are written only on success (ret_done excepted: always).
 *   - "Suspends:" in a comment says whether the call may give the thread to other tasks. A function that does carries
 *     AION_SUSPENDS; each is a checkpoint on every call: it returns -ECANCELED, before any effect, when a scope around
 *     the caller is cancelled (unless its comment says that it always finishes), and it draws on the task's budget:
 *     after 128 of them in a row, or some 25 us with work between them, the task suspends, and the others run.
 *   - "Thread:" says who may call: "loop" = the thread that runs the loop, inside a task; "any" = any thread.
 *   - In a forked child every call that needs the ring returns -ECHILD.
 */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_VERSION_MAJOR 0
#define AION_VERSION_MINOR 1
#define AION_VERSION_PATCH 0

#define AION_API __attribute__((visibility("default")))

/* Marks a function that may suspend the calling task. Empty to the compiler, looked for by readers and by grep. */
#define AION_SUSPENDS

/* AION_CLEANUP(aion_op_reap) struct aion_op op = {0};  runs aion_op_reap(&op) when op goes out of scope. */
#define AION_CLEANUP(function) __attribute__((cleanup(function)))

#define AION_MICROSECOND INT64_C(1000)
#define AION_MILLISECOND INT64_C(1000000)
#define AION_SECOND INT64_C(1000000000)
#define AION_NEVER INT64_MAX /* the deadline that does not come */

/* What a task or an offloaded call runs. The result is >= 0, or -errno. */
typedef int64_t aion_fn(void *arg);

/* Private: tasks that wait, in the order in which they came. All zero = none. */
struct aion__waits {
	struct aion__wait *first;
	struct aion__wait *last;
};

/**
 * aion_now - the monotonic clock.
 *
 * Result: nanoseconds of CLOCK_MONOTONIC (inside a task: of the loop's backend, which may keep virtual time).
 * Suspends: no. Thread: any. Source: clock_gettime(2).
 */
AION_API int64_t aion_now(void);

/**
 * aion_after - the deadline that lies delta_ns from now.
 * @delta_ns: nanoseconds; negative counts as 0; saturates at AION_NEVER.
 *
 * Result: an absolute deadline for aion_scope_enter(), aion_sleep_until(), aion_timer_arm(), aion_wait_for().
 * Suspends: no. Thread: any. Source: clock_gettime(2).
 */
AION_API int64_t aion_after(int64_t delta_ns);

/**
 * aion_version - the version of the library that runs, "major.minor.patch".
 *
 * Suspends: no. Thread: any. Source: none.
 */
AION_API const char *aion_version(void);

/* Receives one diagnostic line without a newline. It must not call the library. */
typedef void aion_diag_fn(const char *line, void *arg);

/**
 * aion_diag_set - choose where diagnostics go (a task that ignores cancellation, a loop that could not be made, a
 *   kernel that takes no operations for want of memory).
 * @fn: called with each line, from whichever thread has something to say; NULL silences.
 * @arg: handed to fn.
 *
 * The default prints to stderr in debug builds and is silent in release builds. Lines about misuse that aborts the
 * process go to stderr whatever is set here.
 * Suspends: no. Thread: any, before loops run. Source: none.
 */
AION_API void aion_diag_set(aion_diag_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif
#endif
