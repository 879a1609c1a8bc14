/* SPDX-License-Identifier: MIT */
/* Where tasks are seen to stand. */
#include "test_task.h"

#include "inspect_int.h"

#if defined(__x86_64__) || defined(__aarch64__)
#define NEEDS_TABLES() ((void)0)
#else
#define NEEDS_TABLES() cr_skip_test("stacks of this machine are not unwound")
#endif

#define ADDRESS_MAX 64

/* Functions in sections of their own: their ends are known. */
#define PLACED(name) __attribute__((noinline, section(name)))
#define RANGE_OF(section)                                                                                              \
	extern const char __start_##section[];                                                                         \
	extern const char __stop_##section[]

RANGE_OF(trace_outer);
RANGE_OF(trace_inner);
#define IS_IN(address, section)                                                                                        \
	((const char *)(address) > __start_##section && (const char *)(address) <= __stop_##section)

struct stack_user {
	struct aion_future gate;
	int depth;
	size_t own_nr;
	void *own[ADDRESS_MAX];
};

static volatile int side_effect;

/* Deep frames of odd sizes, so that there is something to walk through. */
PLACED("trace_inner") static int64_t inner(struct stack_user *user, int depth)
{
	volatile char room[24 + 8 * depth];
	int64_t result;

	room[0] = (char)depth;
	if (depth)
		result = inner(user, depth - 1);
	else
		result = user->own_nr ? (int64_t)aion_task_backtrace(aion_task_current(), user->own, ADDRESS_MAX)
				      : aion_await(&user->gate);
	side_effect += room[0];
	return result;
}

PLACED("trace_outer") static int64_t outer(void *arg)
{
	struct stack_user *user = arg;
	int64_t result = inner(user, user->depth);

	side_effect++;
	return result;
}

static const struct aion_task *found;

static int find_child(const struct aion_task_info *info, void *unused)
{
	if (info->depth == 1)
		found = info->task;
	return 0;
}

static void check_trace(void **addresses, size_t nr, size_t depth)
{
	size_t inner_nr = 0, outer_nr = 0;

	for (size_t i = 0; i < nr; i++) {
		inner_nr += IS_IN(addresses[i], trace_inner);
		outer_nr += IS_IN(addresses[i], trace_outer);
		if (IS_IN(addresses[i], trace_inner))
			cr_assert_eq(outer_nr, 0, "the innermost comes first");
	}
	cr_assert_eq(inner_nr, depth + 1, "of %zu frames", nr);
	cr_assert_eq(outer_nr, 1);
}

TEST_IN_TASK(dump_backtrace, of_a_suspended_task)
{
	struct stack_user user = {.depth = 9};
	struct aion_group group;
	void *addresses[ADDRESS_MAX];
	size_t nr;

	NEEDS_TABLES();
	aion_future_init(&user.gate);
	aion_group_enter(&group);
	aion_spawn(&group, outer, &user);
	aion_loop_tasks(aion_loop_current(), find_child, NULL);
	cr_assert_eq(aion_task_backtrace(found, addresses, ADDRESS_MAX), 0, "it has not begun");
	aion_yield();
	nr = aion_task_backtrace(found, addresses, ADDRESS_MAX);
	cr_assert_lt(nr, ADDRESS_MAX);
	check_trace(addresses, nr, user.depth);
	cr_assert_eq(aion_task_backtrace(found, addresses, 3), 3);
	cr_assert_eq(aion_task_backtrace(found, addresses, 0), 0);
	aion_future_complete(&user.gate, 0);
	return aion_group_leave(&group, 0);
}

TEST_IN_TASK(dump_backtrace, of_the_running_task)
{
	struct stack_user user = {.depth = 4, .own_nr = 1};
	int64_t nr = outer(&user);

	cr_assert_gt(nr, 0);
	check_trace(user.own, (size_t)nr, user.depth);
	cr_assert(IS_IN(user.own[0], trace_inner), "the caller is the first");
	return 0;
}

struct posted {
	const struct aion_task *task;
	void *addresses[ADDRESS_MAX];
	size_t nr;
	bool has_run;
};

static void trace_from_post(void *arg)
{
	struct posted *posted = arg;

	posted->nr = aion_task_backtrace(posted->task, posted->addresses, ADDRESS_MAX);
	posted->has_run = true;
}

static int64_t post_and_wait(void *arg)
{
	struct posted *posted = arg;
	struct stack_user user = {.depth = 2};

	/* Has been suspended before, further out: what is saved of it then is not where it stands. */
	aion_yield();
	aion_future_init(&user.gate);
	posted->task = aion_task_current();
	aion_loop_post(aion_loop_current(), trace_from_post, posted);
	return outer(&user);
}

/* The post runs on the stack of the very task that it looks at. */
TEST_IN_TASK(dump_backtrace, of_the_task_on_whose_stack_the_loop_turns)
{
	static struct posted posted;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, post_and_wait, &posted);
	while (!posted.has_run)
		aion_sleep(AION_MILLISECOND);
	check_trace(posted.addresses, posted.nr, 2);
	aion_group_cancel(&group);
	return aion_group_leave(&group, 0);
}

/* Rubbish in the place of a stack: nothing outside of it is touched. */
Test(dump_backtrace, what_leads_out_of_the_stack_ends_it)
{
	static uintptr_t stack[64];
	struct aion__unwind_row row;
	void *addresses[ADDRESS_MAX];

	NEEDS_TABLES();
	cr_assert(aion__unwind_find((uintptr_t)&outer, &row));
	cr_assert(!aion__unwind_find(16, &row));
	for (size_t fill = 0; fill < 3; fill++) {
		struct aion__unwind unwind = {.high = (const char *)(stack + 64), .pc = (uintptr_t)&outer + 1};

		for (size_t i = 0; i < 64; i++)
			stack[i] = fill == 0 ? 0 : fill == 1 ? (uintptr_t)&outer + 1 : 0x123456789;
		unwind.regs[AION__UNWIND_SP] = (uintptr_t)stack;
		cr_assert_leq(aion__unwind(&unwind, addresses, ADDRESS_MAX), ADDRESS_MAX);
	}
}
