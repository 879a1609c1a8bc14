/* SPDX-License-Identifier: MIT */
#ifndef AION_METRICS_H
#define AION_METRICS_H
/*
 * What a loop has done and what it holds: a snapshot of counts and times, and the text that Prometheus reads. Snapshots
 * are taken on each loop's own thread; the text of any number of them may be made on any thread.
 */
#include <aion/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion_metrics {
	struct aion_loop_stats stats;
	size_t ready_nr;       /* tasks that stand in the queue now */
	size_t call_nr;        /* offloaded calls that worker threads have now */
	size_t stack_nr;       /* stacks mapped, those of tasks and those kept for the next */
	size_t stack_size;     /* bytes of address space of these */
	int64_t age_ns;        /* since the loop was made */
	int64_t cpu_ns;        /* processor time of the loop's thread, since the thread began */
	bool is_debug;         /* debug mode: what follows is counted; else 0 */
	int64_t wait_ns;       /* spent in the kernel, waiting */
	int64_t run_ns_max;    /* the longest that a task has run without suspending */
	uint64_t slow_nr;      /* how often a task ran for longer than the limit */
	uint64_t unawaited_nr; /* reports of results that nobody received */
};

/**
 * aion_metrics_read - take a snapshot.
 * @loop: alive.
 *
 * Errors: -EXDEV (the loop's thread is another); -ECHILD.
 * Suspends: no. Thread: the loop's (before its first run: any). Source: clock_gettime(2).
 */
AION_API int aion_metrics_read(struct aion_loop *loop, struct aion_metrics *ret_metrics);

/**
 * aion_metrics_text - snapshots in Prometheus' text format, version 0.0.4: aion_tasks_spawned_total{loop="web"} 17 ….
 * @metrics: nr snapshots.
 * @labels: nr texts that go between the braces as they are, loop="web" for one; they tell the loops apart. NULL, or one
 *   that is NULL or empty: no braces.
 * @nr: snapshots; 0 gives an empty text.
 * @ret_text: size bytes of room; gets the text and a final 0, cut if it is longer. May be NULL if size is 0.
 * @size: bytes.
 *
 * Result: the length of the whole text in bytes, without the final 0; at least size means that it was cut.
 * Suspends: no. Thread: any. Source: none.
 */
AION_API size_t aion_metrics_text(const struct aion_metrics *metrics, const char *const *labels, size_t nr,
				  char *ret_text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
