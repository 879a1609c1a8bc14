/* SPDX-License-Identifier: MIT */
/*
 * How often does an awaited operation allocate? The library's allocator is replaced by one that counts, TASK_NR tasks
 * do the operation side by side, first a while to warm the pools, then for the record. Spawning has no bar: its task
 * comes from a pool, which may grow.
 *
 * Area: ring.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "perf.h"

#define TASK_NR 32
#define WARM_NR 200 /* operations a task */
#define COUNTED_NR 1000

struct bench {
	int64_t (*operation)(struct bench *bench);
	unsigned operation_nr;
	int fd;
	uint64_t warm_call_nr;
	uint64_t call_nr;
};

/* Calls of the allocator, by whatever thread. */
static uint64_t alloc_call_nr;

static uint64_t calls_so_far(void)
{
	return __atomic_load_n(&alloc_call_nr, __ATOMIC_RELAXED);
}

static void *counting_alloc(size_t size, void *arg)
{
	__atomic_fetch_add(&alloc_call_nr, 1, __ATOMIC_RELAXED);
	return malloc(size);
}

static void *counting_realloc(void *memory, size_t size, void *arg)
{
	__atomic_fetch_add(&alloc_call_nr, 1, __ATOMIC_RELAXED);
	return realloc(memory, size);
}

static void counting_free(void *memory, void *arg)
{
	free(memory);
}

static int64_t do_nop(struct bench *bench)
{
	return aion_nop();
}

static int64_t do_yield(struct bench *bench)
{
	return aion_yield();
}

/* By the ring: a started operation is never tried inline. */
static int64_t do_pread_ring(struct bench *bench)
{
	struct aion_op op = {0};
	char byte[16];

	aion_op_pread(&op, bench->fd, byte, sizeof(byte), 0);
	return aion_await(&op.future);
}

static int64_t do_pread(struct bench *bench)
{
	char byte[16];

	return aion_pread(bench->fd, byte, sizeof(byte), 0);
}

static int64_t do_sleep(struct bench *bench)
{
	return aion_sleep(10 * AION_MICROSECOND);
}

static int64_t do_nop_with_deadline(struct bench *bench)
{
	struct aion_scope scope;
	int64_t result;

	aion_scope_enter(&scope, aion_after(AION_SECOND));
	result = aion_nop();
	aion_scope_leave(&scope);
	return result;
}

static int64_t child_ends(void *arg)
{
	return 0;
}

static int64_t do_spawn_join(struct bench *bench)
{
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, child_ends, NULL);
	return aion_group_leave(&group, 0);
}

static int64_t operation_task(void *arg)
{
	struct bench *bench = arg;
	unsigned i;
	int64_t result = 0;

	for (i = 0; i < bench->operation_nr && result >= 0; i++)
		result = bench->operation(bench);
	return result;
}

static int64_t round_of_tasks(struct bench *bench, unsigned operation_nr)
{
	struct aion_group group;
	unsigned i;

	bench->operation_nr = operation_nr;
	aion_group_enter(&group);
	for (i = 0; i < TASK_NR; i++)
		aion_spawn(&group, operation_task, bench);
	return aion_group_leave(&group, 0);
}

static int64_t count_main(void *arg)
{
	struct bench *bench = arg;
	uint64_t call_nr = calls_so_far();
	int64_t result = round_of_tasks(bench, WARM_NR);

	if (result < 0)
		return result;
	bench->warm_call_nr = calls_so_far() - call_nr;
	result = round_of_tasks(bench, COUNTED_NR);
	bench->call_nr = calls_so_far() - call_nr - bench->warm_call_nr;
	return result;
}

static void measure(const char *name, int64_t (*operation)(struct bench *bench), int fd, bool has_bar)
{
	struct bench bench = {.operation = operation, .fd = fd};
	struct aion_loop *loop = perf_loop_create();
	double each;

	perf_loop_run(loop, count_main, &bench);
	each = (double)bench.call_nr / TASK_NR / COUNTED_NR;
	perf_line_begin("alloc_count");
	perf_line_text("operation", name);
	perf_line_number("operations", TASK_NR * COUNTED_NR);
	perf_line_number("warm_up_allocations", (double)bench.warm_call_nr);
	perf_line_number("allocations", (double)bench.call_nr);
	perf_line_number("allocations_each", each);
	if (has_bar)
		perf_line_bar((double)bench.call_nr, 0, PERF_AT_MOST);
	perf_line_end();
	aion_loop_destroy(loop);
}

int main(int argc, char **argv)
{
	static const struct aion_allocator counting = {
		.alloc = counting_alloc,
		.realloc = counting_realloc,
		.free = counting_free,
	};
	int fd, result;

	perf_start(argc, argv);
	result = aion_allocator_set(&counting);
	if (result < 0)
		perf_die("aion_allocator_set", result);
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		perf_die("/proc/self/exe", -errno);
	measure("nop", do_nop, fd, true);
	measure("pread_ring", do_pread_ring, fd, true);
	measure("pread", do_pread, fd, true);
	measure("sleep", do_sleep, fd, true);
	measure("yield", do_yield, fd, true);
	measure("nop_with_deadline", do_nop_with_deadline, fd, true);
	measure("spawn_join", do_spawn_join, fd, false);
	close(fd);
	return 0;
}
