/* SPDX-License-Identifier: MIT */
/* Snapshots of what a loop has done, and their text for Prometheus. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <aion/metrics.h>

#include "debug_int.h"

static int64_t thread_cpu_ns(const struct aion_loop *loop)
{
	struct timespec time;

	if (!loop->is_bound || clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) < 0)
		return 0;
	return (int64_t)time.tv_sec * AION_SECOND + time.tv_nsec;
}

int aion_metrics_read(struct aion_loop *loop, struct aion_metrics *ret_metrics)
{
	const struct aion__debug *debug = loop->debug;
	int result = aion__loop_is_foreign(loop);

	if (result < 0)
		return result;
	*ret_metrics = (struct aion_metrics){
		.ready_nr = loop->engine.ready.tail - loop->engine.ready.head,
		.call_nr = loop->call_nr,
		.age_ns = loop->engine.ring.backend->now(&loop->engine.ring) - loop->birth_ns,
		.cpu_ns = thread_cpu_ns(loop),
		.is_debug = debug != NULL,
	};
	aion_loop_stats(loop, &ret_metrics->stats);
	aion__stack_pool_count(&loop->stacks, &ret_metrics->stack_nr, &ret_metrics->stack_size);
	if (debug) {
		ret_metrics->wait_ns = debug->wait_ns;
		ret_metrics->run_ns_max = debug->run_ns_max;
		ret_metrics->slow_nr = debug->slow_nr;
		ret_metrics->unawaited_nr = debug->unawaited_nr;
	}
	return 0;
}

enum family_type {
	COUNT_U64,  /* ever more */
	COUNT_SIZE, /* now */
	TIME_TOTAL, /* nanoseconds, ever more */
	TIME_NOW,
};

/* A line a snapshot, under one heading. */
struct family {
	const char *name;
	const char *help;
	enum family_type type;
	bool in_debug; /* left out where no snapshot is of debug mode */
	size_t off;    /* in struct aion_metrics */
};

#define IN(field) offsetof(struct aion_metrics, field)

static const struct family families[] = {
	{"aion_enters_total", "System calls into the ring.", COUNT_U64, false, IN(stats.enter_nr)},
	{"aion_operations_submitted_total", "Operations handed to the ring.", COUNT_U64, false, IN(stats.submit_nr)},
	{"aion_operations_completed_total", "Completions taken from the ring.", COUNT_U64, false,
	 IN(stats.complete_nr)},
	{"aion_operations_inline_total", "Operations done at once, without the ring.", COUNT_U64, false,
	 IN(stats.inline_nr)},
	{"aion_operations_worker_total", "Operations and calls that worker threads ran.", COUNT_U64, false,
	 IN(stats.worker_nr)},
	{"aion_task_switches_total", "Tasks resumed.", COUNT_U64, false, IN(stats.switch_nr)},
	{"aion_tasks_spawned_total", "Tasks started.", COUNT_U64, false, IN(stats.spawn_nr)},
	{"aion_turns_total", "Turns of the loop.", COUNT_U64, false, IN(stats.turn_nr)},
	{"aion_tasks", "Tasks alive.", COUNT_SIZE, false, IN(stats.task_nr)},
	{"aion_tasks_ready", "Tasks that stand in the queue.", COUNT_SIZE, false, IN(ready_nr)},
	{"aion_timers", "Timers armed.", COUNT_SIZE, false, IN(stats.timer_nr)},
	{"aion_operations_in_flight", "Operations in flight.", COUNT_SIZE, false, IN(stats.in_flight_nr)},
	{"aion_calls", "Offloaded calls that worker threads have.", COUNT_SIZE, false, IN(call_nr)},
	{"aion_stacks", "Task stacks mapped.", COUNT_SIZE, false, IN(stack_nr)},
	{"aion_stack_bytes", "Address space of the task stacks.", COUNT_SIZE, false, IN(stack_size)},
	{"aion_age_seconds", "Time since the loop was made.", TIME_NOW, false, IN(age_ns)},
	{"aion_cpu_seconds_total", "Processor time of the loop's thread.", TIME_TOTAL, false, IN(cpu_ns)},
	{"aion_wait_seconds_total", "Time spent waiting in the kernel.", TIME_TOTAL, true, IN(wait_ns)},
	{"aion_run_max_seconds", "The longest run of a task without suspending.", TIME_NOW, true, IN(run_ns_max)},
	{"aion_slow_runs_total", "Runs that were longer than the limit.", COUNT_U64, true, IN(slow_nr)},
	{"aion_unawaited_total", "Results that nobody received.", COUNT_U64, true, IN(unawaited_nr)},
};

/* What has been written, or would have been; as snprintf() counts. */
struct text {
	char *at;
	size_t size;
	size_t used_size;
};

static __attribute__((format(printf, 2, 3))) void text_put(struct text *text, const char *format, ...)
{
	size_t left_size = text->used_size < text->size ? text->size - text->used_size : 0;
	va_list args;

	va_start(args, format);
	text->used_size += (size_t)vsnprintf(left_size ? text->at + text->used_size : NULL, left_size, format, args);
	va_end(args);
}

static void put_value(struct text *text, const struct family *family, const struct aion_metrics *metrics)
{
	const char *field = (const char *)metrics + family->off;
	uint64_t count = family->type == COUNT_SIZE ? *(const size_t *)field : *(const uint64_t *)field;

	if (family->type == COUNT_U64 || family->type == COUNT_SIZE)
		text_put(text, " %llu\n", (unsigned long long)count);
	else
		text_put(text, " %llu.%09llu\n", (unsigned long long)(count / AION_SECOND),
			 (unsigned long long)(count % AION_SECOND));
}

static void put_family(struct text *text, const struct family *family, const struct aion_metrics *metrics,
		       const char *const *labels, size_t nr)
{
	bool is_counter = family->type == COUNT_U64 || family->type == TIME_TOTAL;

	text_put(text, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
		 is_counter ? "counter" : "gauge");
	for (size_t i = 0; i < nr; i++) {
		if (family->in_debug && !metrics[i].is_debug)
			continue;
		text_put(text, "%s", family->name);
		if (labels && labels[i] && *labels[i])
			text_put(text, "{%s}", labels[i]);
		put_value(text, family, &metrics[i]);
	}
}

size_t aion_metrics_text(const struct aion_metrics *metrics, const char *const *labels, size_t nr, char *ret_text,
			 size_t size)
{
	struct text text = {.at = ret_text, .size = size};
	bool any_debug = false;

	if (size)
		ret_text[0] = 0;
	for (size_t i = 0; i < nr; i++)
		any_debug |= metrics[i].is_debug;
	for (size_t i = 0; nr && i < sizeof(families) / sizeof(families[0]); i++)
		if (any_debug || !families[i].in_debug)
			put_family(&text, &families[i], metrics, labels, nr);
	return text.used_size;
}
