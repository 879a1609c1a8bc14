/* SPDX-License-Identifier: MIT */
/* The tasks as text. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "alloc_int.h"
#include "inspect_int.h"
#include "syscall_int.h"

#define TEXT_SIZE ((size_t)64 << 10) /* bytes written at a time */
#define LINE_SIZE 512                /* bytes that a piece of text has room for */
#define INDENT_MAX 40                /* columns */
#define FRAME_MAX 32                 /* addresses of a backtrace */
#define SYMBOL_NR 1024               /* places that are remembered: tasks stand in few */

struct symbol {
	const void *address;
	char text[AION__SYMBOL_SIZE];
};

/* Too large for a task's stack. */
struct dump {
	struct aion_loop *loop;
	int64_t now_ns;
	int fd;
	int error;
	size_t used_size;
	char text[TEXT_SIZE];
	struct symbol symbols[SYMBOL_NR];
	struct aion__backtracer tracer;
	struct aion__unwind_cache unwind_cache;
};

static void dump_flush(struct dump *dump)
{
	size_t off = 0;

	while (off < dump->used_size && !dump->error) {
		long written = aion__syscall6(SYS_write, dump->fd, (long)(dump->text + off),
					      (long)(dump->used_size - off), 0, 0, 0);

		if (written > 0)
			off += (size_t)written;
		else if (written != -EINTR)
			dump->error = written ? (int)written : -EIO; /* that takes nothing */
	}
	dump->used_size = 0;
}

static __attribute__((format(printf, 2, 3))) void dump_put(struct dump *dump, const char *format, ...)
{
	va_list args;
	int size;

	if (dump->used_size > TEXT_SIZE - LINE_SIZE)
		dump_flush(dump);
	va_start(args, format);
	size = vsnprintf(dump->text + dump->used_size, LINE_SIZE, format, args);
	va_end(args);
	dump->used_size += size < LINE_SIZE ? (size_t)size : LINE_SIZE - 1;
}

/* Without printf(): for what is most of the text. */
static void dump_line(struct dump *dump, int indent, const char *head, const char *tail)
{
	size_t head_size = strlen(head);
	size_t tail_size = strlen(tail);
	char *at;

	if (dump->used_size > TEXT_SIZE - LINE_SIZE)
		dump_flush(dump);
	at = dump->text + dump->used_size;
	memset(at, ' ', (size_t)indent);
	memcpy(at + indent, head, head_size);
	memcpy(at + indent + head_size, tail, tail_size);
	at[(size_t)indent + head_size + tail_size] = '\n';
	dump->used_size += (size_t)indent + head_size + tail_size + 1;
}

static const char *dump_symbol(struct dump *dump, const void *address, bool is_return_address)
{
	struct symbol *symbol =
		&dump->symbols[((uintptr_t)address * UINT64_C(0x9e3779b97f4a7c15)) >> 54 & (SYMBOL_NR - 1)];

	if (symbol->address != address) {
		aion__symbol(address, is_return_address, symbol->text);
		symbol->address = address;
	}
	return symbol->text;
}

static void dump_duration(struct dump *dump, int64_t duration_ns)
{
	dump_put(dump, "%lld.%03d s", (long long)(duration_ns / AION_SECOND),
		 (int)(duration_ns % AION_SECOND / AION_MILLISECOND));
}

static void dump_timer(struct dump *dump, int64_t deadline_ns)
{
	if (deadline_ns == AION_NEVER) {
		dump_put(dump, ", which never fires");
	} else if (deadline_ns <= dump->now_ns) {
		dump_put(dump, ", which is due");
	} else {
		dump_put(dump, ", due in ");
		dump_duration(dump, deadline_ns - dump->now_ns);
	}
}

static void dump_wait(struct dump *dump, const struct aion_task_wait *wait)
{
	dump_put(dump, "waits for %s", wait->noun);
	if (wait->kind == AION_WAITS_OPERATION)
		dump_put(dump, " %s", wait->opcode);
	if (wait->object)
		dump_put(dump, " %p", wait->object);
	if (wait->fd >= 0)
		dump_put(dump, " on descriptor %d", wait->fd);
	if (wait->kind == AION_WAITS_TIMER)
		dump_timer(dump, wait->deadline_ns);
	else if (wait->kind == AION_WAITS_GROUP)
		dump_put(dump, " of %zu task%s", wait->nr, wait->nr == 1 ? "" : "s");
	else if (wait->kind == AION_WAITS_SEVERAL)
		dump_put(dump, ", %zu of them", wait->nr);
}

static void dump_frames(struct dump *dump, const struct aion_task *task, int indent)
{
	void *addresses[FRAME_MAX];
	size_t nr = aion__backtrace(&dump->tracer, task, addresses, FRAME_MAX);

	for (size_t i = 0; i < nr; i++)
		dump_line(dump, indent, "at ", dump_symbol(dump, addresses[i], true));
}

static int dump_task(const struct aion_task_info *info, void *arg)
{
	struct dump *dump = arg;
	int indent = info->depth < INDENT_MAX / 2 ? (int)info->depth * 2 : INDENT_MAX;

	dump_put(dump, "%*stask \"%s\" %p %s: ", indent, "", info->name, (const void *)info->task,
		 dump_symbol(dump, (const void *)(uintptr_t)info->fn, false));
	if (info->state == AION_TASK_WAITING)
		dump_wait(dump, &info->wait);
	else
		dump_put(dump, "%s",
			 info->state == AION_TASK_RUNNING ? "running"
			 : info->has_begun                ? "ready"
							  : "ready, new");
	if (info->is_cancelled)
		dump_put(dump, ", cancelled");
	if (info->since_ns && info->state != AION_TASK_RUNNING) {
		dump_put(dump, ", for ");
		dump_duration(dump, dump->now_ns - info->since_ns);
	}
	if (info->spawn_site)
		dump_put(dump, ", spawned at %s", dump_symbol(dump, info->spawn_site, true));
	dump_put(dump, "\n");
	dump_frames(dump, info->task, indent + 4);
	return dump->error;
}

static void dump_head(struct dump *dump)
{
	struct aion_loop_stats stats;

	aion_loop_stats(dump->loop, &stats);
	dump_put(dump, "loop %p: tasks %zu, timers %zu, operations in flight %zu, turns %llu\n", (void *)dump->loop,
		 stats.task_nr, stats.timer_nr, stats.in_flight_nr, (unsigned long long)stats.turn_nr);
}

int aion_loop_dump(struct aion_loop *loop, int fd)
{
	struct dump *dump;
	int result = aion__loop_is_foreign(loop);

	if (result < 0)
		return result;
	dump = aion__alloc(sizeof(*dump));
	if (!dump)
		return -ENOMEM;
	dump->loop = loop;
	dump->now_ns = loop->engine.ring.backend->now(&loop->engine.ring);
	dump->fd = fd;
	dump->error = 0;
	dump->used_size = 0;
	memset(dump->symbols, 0, sizeof(dump->symbols));
	memset(&dump->unwind_cache, 0, sizeof(dump->unwind_cache));
	aion__backtracer_init(&dump->tracer, loop, __builtin_frame_address(0));
	dump->tracer.cache = &dump->unwind_cache;
	dump_head(dump);
	result = aion_loop_tasks(loop, dump_task, dump);
	dump_flush(dump);
	result = dump->error;
	aion__free(dump);
	return result;
}
