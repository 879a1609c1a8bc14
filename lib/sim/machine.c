/* SPDX-License-Identifier: MIT */
/* The machine as a whole: made, looked at, checked; its open files and descriptors. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_int.h"

#define START_NS AION_SECOND
#define DISK_SIZE ((size_t)64 << 20)  /* bytes */
#define FD_MAX 1024                   /* descriptors, if nothing else is said */
#define FD_MAX_MAX (1U << 20)         /* as many as Linux allows a process (fs.nr_open) */
#define QUEUE_SIZE ((size_t)64 << 10) /* bytes of a pipe, of a socket's receive queue */
#define TRACE_MAX 65536               /* events */
#define WAKE_NS_MIN 200               /* from a change of a file to the next attempt of who waits for it */
#define WAKE_NS_MAX 20000
#define TEXT_SIZE 512 /* bytes */

static const char *const profile_names[] = {
	[AION_SIM_CALM] = "calm",
	[AION_SIM_ROUGH] = "rough",
	[AION_SIM_HOSTILE] = "hostile",
};

#define PROFILE_NR (sizeof(profile_names) / sizeof(profile_names[0]))

/* ---- memory of the machine's own */

static void *memory_or_abort(void *memory)
{
	AION_BUG_ON(!memory, "no memory for the simulated machine");
	return memory;
}

void *aion__sim_alloc(size_t size)
{
	return memory_or_abort(calloc(1, size));
}

void *aion__sim_realloc(void *memory, size_t size)
{
	return memory_or_abort(realloc(memory, size));
}

void aion__sim_free(void *memory)
{
	free(memory);
}

/* ---- the machine */

/* A number as in C, all of the text. strtoull(3) by itself takes nothing, spaces and a sign, too. */
static int seed_parse(const char *text, uint64_t *ret_seed)
{
	int saved = errno;
	bool is_too_large;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	*ret_seed = strtoull(text, &end, 0);
	is_too_large = errno == ERANGE;
	errno = saved;
	return *end || is_too_large ? -EINVAL : 0;
}

static int options_fill(struct aion_sim_options *options)
{
	const char *seed = getenv("AION_SIM_SEED");
	const char *profile = getenv("AION_SIM_PROFILE");

	if (!options->seed && seed && seed_parse(seed, &options->seed) < 0)
		return -EINVAL;
	if (!options->seed)
		options->seed = 1;
	if (options->profile == AION_SIM_CALM && profile) {
		while (options->profile < PROFILE_NR && strcmp(profile_names[options->profile], profile) != 0)
			options->profile++;
	}
	if ((unsigned)options->profile >= PROFILE_NR || options->fd_max > FD_MAX_MAX)
		return -EINVAL;
	options->start_ns = options->start_ns ? options->start_ns : START_NS;
	options->disk_size = options->disk_size ? options->disk_size : DISK_SIZE;
	options->fd_max = options->fd_max ? options->fd_max : FD_MAX;
	options->pipe_size = options->pipe_size ? options->pipe_size : QUEUE_SIZE;
	options->socket_size = options->socket_size ? options->socket_size : QUEUE_SIZE;
	options->trace_max = options->trace_max ? options->trace_max : TRACE_MAX;
	return 0;
}

int aion_sim_create(const struct aion_sim_options *options, struct aion_sim **ret_sim)
{
	struct aion_sim *sim = calloc(1, sizeof(*sim));
	int result;

	if (!sim)
		return -ENOMEM;
	if (options)
		sim->options = *options;
	result = options_fill(&sim->options);
	if (result < 0) {
		free(sim);
		return result;
	}
	sim->machine.backend = &aion__sim_backend;
	sim->now_ns = sim->options.start_ns;
	sim->fault_max = UINT64_MAX;
	aion__sim_seed(sim, sim->options.seed);
	aion__sim_set_profile(sim, sim->options.profile);
	sim->fds = aion__sim_alloc(sim->options.fd_max * sizeof(struct aion__sim_file *));
	sim->disk = aion__sim_disk_new(sim);
	*ret_sim = sim;
	return 0;
}

void aion_sim_destroy(struct aion_sim *sim)
{
	if (!sim)
		return;
	AION_BUG_ON(sim->ring, "simulated machine destroyed while a loop stands on it");
	for (unsigned i = 0; i < sim->options.fd_max; i++)
		if (sim->fds[i])
			aion__sim_fd_close(sim, AION_SIM_FD_BASE + (int)i);
	aion__sim_requests_fini(sim);
	aion__sim_addresses_free(sim);
	aion__sim_disk_free(sim, sim->disk);
	aion__sim_memory_fini(sim);
	aion__sim_trace_fini(sim);
	aion__sim_faults_fini(sim);
	free(sim->times.entries);
	free(sim->overflow);
	free(sim->fds);
	free(sim);
}

int64_t aion_sim_now(const struct aion_sim *sim)
{
	return sim->now_ns;
}

void aion_sim_advance(struct aion_sim *sim, int64_t delta_ns)
{
	AION_BUG_ON(delta_ns < 0, "the clock of a simulated machine does not go back");
	sim->now_ns += delta_ns;
}

uint64_t aion_sim_op_nr(const struct aion_sim *sim)
{
	return sim->complete_nr;
}

void aion_sim_replay(const struct aion_sim *sim, char *buf, size_t size)
{
	snprintf(buf, size, "AION_SIM_SEED=%llu AION_SIM_PROFILE=%s %s", (unsigned long long)sim->options.seed,
		 profile_names[sim->options.profile], program_invocation_name);
}

int aion_sim_check(const struct aion_sim *sim)
{
	char replay[TEXT_SIZE];
	int found = 0;

	for (unsigned i = 0; i < sim->options.fd_max; i++)
		if (sim->fds[i]) {
			aion__diag("simulated machine: descriptor %u (%s) is left open", AION_SIM_FD_BASE + i,
				   sim->fds[i]->ops->name);
			found++;
		}
	for (const struct aion__sim_request *request = sim->oldest; request; request = request->newer) {
		aion__diag("simulated machine: operation %llu (%s) is left in flight", (unsigned long long)request->nr,
			   request->call->name);
		found++;
	}
	if (aion__sim_jobs_due_ns(sim) != AION_NEVER) {
		aion__diag("simulated machine: a job is left");
		found++;
	}
	if (found) {
		aion_sim_replay(sim, replay, sizeof(replay));
		aion__diag("replay: %s", replay);
	}
	return found;
}

void aion__sim_bug(const struct aion_sim *sim, const struct aion__sim_request *request, const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list args;

	(void)sim; /* its line is the note of every abort, see queues.c */
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (request)
		aion__bug(__func__, __FILE__, __LINE__, "simulated machine: operation %llu (%s on descriptor %d): %s",
			  (unsigned long long)request->nr, request->call->name, request->sqe.fd, text);
	aion__bug(__func__, __FILE__, __LINE__, "simulated machine: %s", text);
}

/* ---- open files */

struct aion__sim_file *aion__sim_file_new(struct aion_sim *sim, const struct aion__sim_file_ops *ops, int flags)
{
	struct aion__sim_file *file = aion__sim_alloc(sizeof(*file));

	(void)sim;
	file->ops = ops;
	file->flags = flags;
	file->ref_nr = 1;
	return file;
}

void aion__sim_file_unref(struct aion_sim *sim, struct aion__sim_file *file)
{
	AION_ASSERT(file->ref_nr > 0);
	if (--file->ref_nr)
		return;
	AION_ASSERT(!file->wait_oldest);
	if (file->ops->release)
		file->ops->release(sim, file);
	aion__sim_free(file);
}

void aion__sim_file_wait(struct aion__sim_file *file, struct aion__sim_request *request)
{
	request->state = AION__SIM_WAITING;
	request->wait_next = NULL;
	request->wait_prev = file->wait_newest;
	if (file->wait_newest)
		file->wait_newest->wait_next = request;
	else
		file->wait_oldest = request;
	file->wait_newest = request;
}

void aion__sim_file_unwait(struct aion__sim_file *file, struct aion__sim_request *request)
{
	if (request->wait_prev)
		request->wait_prev->wait_next = request->wait_next;
	else
		file->wait_oldest = request->wait_next;
	if (request->wait_next)
		request->wait_next->wait_prev = request->wait_prev;
	else
		file->wait_newest = request->wait_prev;
}

void aion__sim_file_wake(struct aion_sim *sim, struct aion__sim_file *file)
{
	struct aion__sim_request *request;

	while ((request = file->wait_oldest) != NULL) {
		aion__sim_file_unwait(file, request);
		request->state = AION__SIM_TIMED;
		aion__sim_time(sim, request, aion__sim_draw_ns(sim, WAKE_NS_MIN, WAKE_NS_MAX));
	}
}

/* ---- descriptors */

int aion__sim_fd_give(struct aion_sim *sim, struct aion__sim_file *file)
{
	unsigned i = sim->fd_lowest;

	while (i < sim->options.fd_max && sim->fds[i])
		i++;
	if (i == sim->options.fd_max)
		return -EMFILE;
	sim->fds[i] = file;
	sim->fd_lowest = i + 1;
	sim->fd_nr++;
	return AION_SIM_FD_BASE + (int)i;
}

struct aion__sim_file *aion__sim_fd_file(const struct aion_sim *sim, int fd)
{
	unsigned i = (unsigned)fd - AION_SIM_FD_BASE;

	return i < sim->options.fd_max ? sim->fds[i] : NULL;
}

int aion__sim_fd_close(struct aion_sim *sim, int fd)
{
	struct aion__sim_file *file = aion__sim_fd_file(sim, fd);
	unsigned i = (unsigned)fd - AION_SIM_FD_BASE;

	if (!file)
		return -EBADF;
	sim->fds[i] = NULL;
	sim->fd_nr--;
	if (i < sim->fd_lowest)
		sim->fd_lowest = i;
	aion__sim_file_unref(sim, file);
	return 0;
}
