/* SPDX-License-Identifier: MIT */
/* Where a task stands, and what such places are called. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unwind.h>

#include "inspect_int.h"

struct trace {
	void **ret_addresses;
	size_t nr;
	size_t max;
	uintptr_t above; /* frames below are left out */
	uintptr_t high;
};

static AION__SWITCH_UNSEEN size_t backtrace_suspended(const struct aion_task *task, const struct aion__stack *stack,
						      struct aion__unwind_cache *cache, void **ret_addresses,
						      size_t max)
{
	struct aion__unwind unwind = {.cache = cache, .high = stack->high};

	if (!aion__switch_saved(task->sp, stack->high, unwind.regs, &unwind.pc))
		return 0;
	return aion__unwind(&unwind, ret_addresses, max);
}

static _Unwind_Reason_Code trace_frame(struct _Unwind_Context *context, void *arg)
{
	struct trace *trace = arg;
	uintptr_t sp = _Unwind_GetCFA(context);

	if (sp <= trace->above)
		return _URC_NO_REASON;
	if (trace->nr == trace->max || sp >= trace->high || !_Unwind_GetIP(context))
		return _URC_END_OF_STACK;
	trace->ret_addresses[trace->nr++] = (void *)_Unwind_GetIP(context);
	return _URC_NO_REASON;
}

/* What runs on a task's stack now: the task itself, or the turn of the loop into which it has suspended. */
static size_t backtrace_running(const struct aion__stack *stack, const void *frame, void **ret_addresses, size_t max)
{
	struct trace trace = {
		.ret_addresses = ret_addresses,
		.max = max,
		.above = (uintptr_t)frame,
		.high = (uintptr_t)stack->high,
	};

	_Unwind_Backtrace(trace_frame, &trace);
	return trace.nr;
}

void aion__backtracer_init(struct aion__backtracer *tracer, const struct aion_loop *loop, const void *frame)
{
	*tracer = (struct aion__backtracer){
		.loop = loop,
		.frame = frame,
		.here = aion__stack_pool_owner(&loop->stacks, frame),
	};
}

size_t aion__backtrace(struct aion__backtracer *tracer, const struct aion_task *task, void **ret_addresses, size_t max)
{
	const struct aion_loop *loop = tracer->loop;
	const struct aion__stack *here = tracer->here;
	const struct aion__stack *stack;

	if (loop->engine.task == &task->runnable)
		return here ? backtrace_running(here, tracer->frame, ret_addresses, max) : 0;
	/* Not begun. (Or begun and suspending for the first time, and this is called from that turn of the loop. The
	 * stack does not tell: a new task may have the struct of the one that has just ended on it.) */
	if (!task->sp && task->runnable.is_awake)
		return 0;
	if (here && here->owner == task)
		return backtrace_running(here, tracer->frame, ret_addresses, max);
	if (!task->sp)
		return 0;
	stack = aion__stack_pool_owner_near(&loop->stacks, &tracer->slab, task->sp);
	return stack ? backtrace_suspended(task, stack, tracer->cache, ret_addresses, max) : 0;
}

size_t aion_task_backtrace(const struct aion_task *task, void **ret_addresses, size_t max)
{
	struct aion__backtracer tracer;

	aion__backtracer_init(&tracer, task->group->loop, __builtin_frame_address(0));
	return aion__backtrace(&tracer, task, ret_addresses, max);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void aion__symbol(const void *address, bool is_return_address, char ret_text[AION__SYMBOL_SIZE])
{
	uintptr_t at = (uintptr_t)address;
	Dl_info info;

	if (!dladdr((const char *)address - is_return_address, &info))
		snprintf(ret_text, AION__SYMBOL_SIZE, "%p", address);
	else if (info.dli_sname && at == (uintptr_t)info.dli_saddr)
		snprintf(ret_text, AION__SYMBOL_SIZE, "%s", info.dli_sname);
	else if (info.dli_sname)
		snprintf(ret_text, AION__SYMBOL_SIZE, "%s+%#zx", info.dli_sname,
			 (size_t)(at - (uintptr_t)info.dli_saddr));
	else
		snprintf(ret_text, AION__SYMBOL_SIZE, "%s+%#zx", base_name(info.dli_fname),
			 (size_t)(at - (uintptr_t)info.dli_fbase));
}
