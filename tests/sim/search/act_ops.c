/* SPDX-License-Identifier: MIT */
/* Many operations at a time, and operations that nobody waits for. */
#include <fcntl.h>
#include <poll.h>

#include "effort.h"
#include "shared.h"
#include "store.h"
#include "wire.h"

#define NOP_NR_MAX 100
#define MANY_NR_MAX 40
#define LEAVE_NR_MAX 6
#define LEAVE_SIZE 700 /* bytes */

/* ---- nops */

static int64_t nops_await(struct actor *self, struct aion_op *ops, unsigned nr)
{
	int64_t result = 0;

	for (unsigned i = 0; i < nr && result == 0; i++)
		result = told(self, "op nop", aion_await(&ops[nr - 1 - i].future), 0, MAY_MEMORY);
	return result;
}

static int64_t nops_wait(struct actor *self, struct aion_op *ops, unsigned nr)
{
	struct aion_future *futures[NOP_NR_MAX];
	int64_t result;

	for (unsigned i = 0; i < nr; i++)
		futures[i] = &ops[i].future;
	if (draw_percent(&self->draw, 50))
		return told(self, "gather", aion_gather(futures, nr, NULL), 0, MAY_MEMORY | PERHAPS_REFUSED);
	result = told(self, "wait", aion_wait(futures, nr, AION_WAIT_ALL), nr, 0);
	if (result >= 0 && result != nr)
		run_fail(self->run, "a wait for all says that %lld of %u are done", (long long)result, nr);
	return result;
}

int64_t act_nops(struct actor *self)
{
	unsigned nr = (unsigned)draw_magnitude(&self->draw, 1, NOP_NR_MAX);
	struct aion_op *ops = calloc(nr, sizeof(*ops));
	int64_t result = 0;

	for (unsigned i = 0; i < nr; i++)
		aion_op_nop(&ops[i]);
	switch (draw_below(&self->draw, 3)) {
	case 0:
		result = nops_await(self, ops, nr);
		break;
	case 1:
		result = nops_wait(self, ops, nr);
		break;
	default:
		break;
	}
	aion_op_reap_all(ops, nr);
	for (unsigned i = 0; i < nr; i++)
		if (aion_op_is_in_flight(&ops[i]))
			run_fail(self->run, "a nop is in flight after it has been reaped");
	memset(ops, 0xdd, nr * sizeof(*ops));
	free(ops);
	return result;
}

/* ---- a storm of cancels */

/* More than the queue takes, all of which would wait for ever. */
static void many_start(struct actor *self, struct effort *efforts, char (*bufs)[16], unsigned nr, int fd)
{
	for (unsigned i = 0; i < nr; i++) {
		if (draw_percent(&self->draw, 50)) {
			aion_op_read(&efforts[i].op, fd, bufs[i], sizeof(bufs[i]));
			effort_begin(self, &efforts[i], "op read of nothing", -1, MAY_MEMORY | MAY_INTR, true);
		} else {
			aion_op_poll(&efforts[i].op, fd, POLLIN);
			effort_begin(self, &efforts[i], "op poll of nothing", -1, MAY_MEMORY, true);
		}
	}
}

/* The same by the library's own hand. */
static int64_t storm(struct actor *self, unsigned nr, int fd)
{
	struct aion_op *ops = calloc(nr, sizeof(*ops));
	int64_t result = 0;

	for (unsigned i = 0; i < nr; i++)
		aion_op_poll(&ops[i], fd, POLLIN);
	if (draw_percent(&self->draw, 50))
		result = actor_pause(self);
	aion_op_reap_all(ops, nr);
	for (unsigned i = 0; i < nr; i++) {
		if (aion_op_is_in_flight(&ops[i]))
			run_fail(self->run, "a poll is in flight after it has been reaped");
		told(self, "poll in a storm", ops[i].future.result, -1, MAY_MEMORY | MAY_CANCELED | NOT_REFUSED);
	}
	memset(ops, 0xdd, nr * sizeof(*ops));
	free(ops);
	return result;
}

static int64_t many(struct actor *self, unsigned nr, int fd)
{
	struct effort *efforts = calloc(nr, sizeof(*efforts));
	char(*bufs)[16] = calloc(nr, sizeof(*bufs));
	int64_t result = 0;

	many_start(self, efforts, bufs, nr, fd);
	if (draw_percent(&self->draw, 60))
		result = actor_pause(self);
	for (unsigned i = 0; i < nr && draw_percent(&self->draw, 80); i++)
		effort_cancel(&efforts[draw_below(&self->draw, nr)]);
	efforts_reap(efforts, nr);
	for (unsigned i = 0; i < nr; i++)
		effort_result(self, &efforts[i]);
	memset(bufs, 0xdd, nr * sizeof(*bufs));
	memset(efforts, 0xdd, nr * sizeof(*efforts));
	free(bufs);
	free(efforts);
	return result;
}

int64_t act_many(struct actor *self)
{
	unsigned nr = (unsigned)draw_magnitude(&self->draw, 1, MANY_NR_MAX);
	int64_t result;
	int fds[2];

	if (wire_pipe(self, fds, 0) < 0)
		return 0;
	result = draw_percent(&self->draw, 60) ? many(self, nr, fds[0]) : storm(self, nr, fds[0]);
	wire_close(self, fds[0]);
	wire_close(self, fds[1]);
	return result;
}

/* ---- left early */

/* The buffers lie on the stack, and so do the operations: whoever leaves reaps them first. */
static int64_t start_and_leave(struct actor *self, int fd, size_t file_size)
{
	char bufs[LEAVE_NR_MAX][LEAVE_SIZE];
	AION_CLEANUP(effort_reap) struct effort first = {0};
	AION_CLEANUP(effort_reap) struct effort second = {0};
	AION_CLEANUP(effort_reap) struct effort third = {0};
	struct effort *const efforts[] = {&first, &second, &third};
	int64_t result = 0;

	for (unsigned i = 0; i < 3; i++) {
		aion_op_pread(&efforts[i]->op, fd, bufs[i], LEAVE_SIZE,
			      (int64_t)draw_below(&self->draw, file_size + 1));
		effort_begin(self, efforts[i], "op pread", LEAVE_SIZE, MAY_FILE, true);
		if (draw_percent(&self->draw, 20))
			return actor_pause(self);
	}
	for (unsigned i = 0; i < 3; i++) {
		if (draw_percent(&self->draw, 30))
			return result;
		result = effort_await(self, efforts[i]);
	}
	return result;
}

int64_t act_leave_early(struct actor *self)
{
	unsigned nr = (unsigned)draw_below(&self->draw, SHARED_NR);
	char path[SHARED_PATH_SIZE];
	int64_t result;
	int64_t fd;

	shared_path(self->run, nr, path);
	fd = store_open(self, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd == -ECANCELED && !aion_cancelled() ? 0 : fd;
	result = start_and_leave(self, (int)fd, shared_size(nr));
	wire_close(self, (int)fd);
	return result == -ECANCELED && !aion_cancelled() ? 0 : result;
}

/* A descriptor that nobody takes is closed by the library. */
int64_t act_open_and_leave(struct actor *self)
{
	AION_CLEANUP(effort_reap) struct effort effort = {0};
	char path[SHARED_PATH_SIZE];
	int64_t result = 0;

	shared_path(self->run, (unsigned)draw_below(&self->draw, SHARED_NR), path);
	aion_op_openat(&effort.op, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	effort_begin(self, &effort, "op open", INT32_MAX, MAY_MEMORY | MAY_FD | MAY_INTR, true);
	if (draw_percent(&self->draw, 70))
		result = actor_pause(self);
	if (draw_percent(&self->draw, 40)) {
		result = effort_await(self, &effort);
		if (result >= 0)
			wire_close(self, (int)result);
	}
	return result == -ECANCELED && !aion_cancelled() ? 0 : result;
}

/* Descriptors are the caller's only once he has all results; else they stay with their operations. */
int64_t act_gather_opens(struct actor *self)
{
	unsigned nr = (unsigned)draw_between(&self->draw, 1, LEAVE_NR_MAX);
	bool wants_results = draw_percent(&self->draw, 60);
	struct aion_future *futures[LEAVE_NR_MAX];
	struct aion_op ops[LEAVE_NR_MAX] = {0};
	char paths[LEAVE_NR_MAX][SHARED_PATH_SIZE];
	int64_t results[LEAVE_NR_MAX];
	int64_t result;

	for (unsigned i = 0; i < nr; i++) {
		shared_path(self->run, (unsigned)draw_below(&self->draw, SHARED_NR), paths[i]);
		aion_op_openat(&ops[i], AT_FDCWD, paths[i], O_RDONLY | O_CLOEXEC, 0);
		futures[i] = &ops[i].future;
	}
	result = aion_gather(futures, nr, wants_results ? results : NULL);
	told(self, "gather of opens", result, 0, MAY_MEMORY | MAY_FD | MAY_INTR | PERHAPS_REFUSED);
	for (unsigned i = 0; i < nr && wants_results && result != -ECANCELED; i++)
		if (results[i] >= 0)
			wire_close(self, (int)results[i]);
	aion_op_reap_all(ops, nr);
	return result;
}
