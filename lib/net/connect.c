/* SPDX-License-Identifier: MIT */
/*
 * Connecting to one of several addresses, RFC 8305. All attempts belong to the one task that calls: each one under way
 * is an operation, and the task waits for the first of them to end, or until it is time for the next attempt.
 */
#include <errno.h>
#include <string.h>

#include <aion/connect.h>
#include <aion/file.h>
#include <aion/scope.h>
#include <aion/socket.h>

#include "alloc_int.h"
#include "assert_int.h"
#include "connect_int.h"

#define ATTEMPT_DELAY_NS (250 * AION_MILLISECOND) /* RFC 8305, section 8 */

struct attempt {
	struct aion_address address;
	int64_t result;
	int fd;
	bool is_live; /* its operation has begun, and its end has not been seen */
};

struct run {
	const struct aion_connect_options *options;
	struct aion_socket_options socket_options;
	struct aion_timer timer; /* the head start of the last attempt */
	size_t nr;
	size_t begun_nr;
	size_t live_nr;
	struct aion_op ops[AION_CONNECT_MAX];
	struct attempt attempts[AION_CONNECT_MAX];
};

/* ---- one attempt */

static const struct aion_address *source_for(const struct aion_connect_options *options, int family)
{
	for (size_t i = 0; i < options->source_nr; i++)
		if (options->sources[i].any.sa_family == family)
			return &options->sources[i];
	return NULL;
}

/* A port that is chosen when the other end is known is taken for that one only. */
static int64_t socket_prepare(struct run *run, int fd, const struct aion_address *source)
{
	struct aion_socket_options socket_options = run->socket_options;
	int64_t result;

	if (source && source->any.sa_family != AF_UNIX && !aion_address_port(source) &&
	    socket_options.late_port == AION_DEFAULT)
		socket_options.late_port = AION_ON;
	result = aion_socket_options_apply(fd, &socket_options);
	if (result == 0 && source)
		result = aion_bind(fd, &source->any, source->size);
	return result;
}

static int64_t attempt_open(struct run *run, const struct aion_address *address)
{
	int family = address->any.sa_family, type = run->options->type ? run->options->type : SOCK_STREAM;
	const struct aion_address *source = source_for(run->options, family);
	int64_t fd, result;

	if (run->options->source_nr && !source)
		return -EADDRNOTAVAIL;
	fd = aion_socket(family, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	result = socket_prepare(run, (int)fd, source);
	if (result == 0)
		return fd;
	aion_close((int)fd);
	return result;
}

static void attempt_fail(struct attempt *attempt, int64_t error)
{
	attempt->result = error;
	if (attempt->fd >= 0)
		aion_close(attempt->fd);
	attempt->fd = -1;
}

/* Result: 0; -ECANCELED, -ECHILD: no attempt makes sense any more. One that cannot even begin has failed. */
static int64_t attempt_begin(struct run *run)
{
	size_t idx = run->begun_nr++;
	struct attempt *attempt = &run->attempts[idx];
	int64_t fd = attempt_open(run, &attempt->address);

	if (fd < 0) {
		attempt_fail(attempt, fd);
		return fd == -ECANCELED || fd == -ECHILD ? fd : 0;
	}
	attempt->fd = (int)fd;
	attempt->is_live = true;
	run->live_nr++;
	aion_op_connect(&run->ops[idx], attempt->fd, &attempt->address.any, attempt->address.size);
	return 0;
}

/* ---- all of them */

/* The first attempt in order that is connected, or -1. Those that have failed are closed. */
static int run_look(struct run *run)
{
	for (size_t i = 0; i < run->begun_nr; i++) {
		struct attempt *attempt = &run->attempts[i];

		if (!attempt->is_live || aion_op_is_in_flight(&run->ops[i]))
			continue;
		attempt->is_live = false;
		run->live_nr--;
		attempt->result = run->ops[i].future.result;
		if (attempt->result == 0)
			return (int)i;
		attempt_fail(attempt, attempt->result);
	}
	return -1;
}

/* Until an attempt has ended, or it is time for the next one. */
static int64_t run_wait(struct run *run)
{
	struct aion_future *futures[AION_CONNECT_MAX + 1];
	size_t nr = 0;
	int64_t result;

	for (size_t i = 0; i < run->begun_nr; i++)
		if (run->attempts[i].is_live)
			futures[nr++] = &run->ops[i].future;
	if (run->begun_nr < run->nr) {
		int64_t delay_ns = run->options->attempt_delay_ns;

		/* Without memory for the timer the next one begins at once. */
		if (aion_timer_arm(&run->timer, aion_after(delay_ns ? delay_ns : ATTEMPT_DELAY_NS)) < 0)
			return 0;
		futures[nr++] = &run->timer.future;
	}
	result = aion_wait(futures, nr, AION_WAIT_FIRST_COMPLETED);
	aion_timer_cancel(&run->timer);
	return result < 0 ? result : 0;
}

/* What says more than that there is no way to that address. */
static bool error_is_telling(int64_t error)
{
	return error != -ENETUNREACH && error != -EHOSTUNREACH && error != -EADDRNOTAVAIL && error != -EAFNOSUPPORT;
}

static int64_t run_error(const struct run *run)
{
	for (size_t i = 0; i < run->begun_nr; i++)
		if (error_is_telling(run->attempts[i].result))
			return run->attempts[i].result;
	return run->attempts[0].result;
}

/* Result: the index of the attempt that is connected, or -errno. */
static int64_t run_race(struct run *run)
{
	int64_t result;
	int winner;

	for (;;) {
		if (run->begun_nr < run->nr) {
			result = attempt_begin(run);
			if (result < 0)
				return result;
			if (!run->attempts[run->begun_nr - 1].is_live && run->begun_nr < run->nr)
				continue; /* that has failed already */
		}
		if (run->live_nr) {
			result = run_wait(run);
			if (result < 0)
				return result;
			winner = run_look(run);
			if (winner >= 0)
				return winner;
		} else if (run->begun_nr == run->nr) {
			return run_error(run);
		}
	}
}

/* All but the winner are ended and closed: first asked to end all together, then waited for. */
static void run_end(struct run *run, int64_t winner)
{
	bool is_closing[AION_CONNECT_MAX] = {false};

	aion_op_reap_all(run->ops, run->begun_nr);
	for (size_t i = 0; i < run->begun_nr; i++) {
		struct attempt *attempt = &run->attempts[i];

		if (attempt->fd < 0 || (int64_t)i == winner)
			continue;
		attempt->result = -ECANCELED;
		is_closing[i] = true;
		aion_op_close(&run->ops[i], attempt->fd);
	}
	for (size_t i = 0; i < run->begun_nr; i++)
		if (is_closing[i])
			aion_op_wait(&run->ops[i]);
}

static void run_report(const struct run *run)
{
	struct aion_connect_report *report = run->options->report;

	if (!report)
		return;
	report->attempt_nr = run->begun_nr;
	for (size_t i = 0; i < run->begun_nr; i++)
		report->attempts[i] = (struct aion_connect_attempt){run->attempts[i].address, run->attempts[i].result};
}

static void run_init(struct run *run, const struct aion_connect_options *options, const struct aion_address *addresses,
		     size_t nr)
{
	size_t order[AION_CONNECT_MAX];

	run->options = options;
	if (options->socket)
		run->socket_options = *options->socket;
	run->nr = aion__connect_interleave(addresses, nr, order);
	for (size_t i = 0; i < run->nr; i++)
		run->attempts[i] = (struct attempt){.address = addresses[order[i]], .fd = -1};
	aion_timer_init(&run->timer);
}

static int64_t connect_any(const struct aion_connect_options *options, const struct aion_address *addresses, size_t nr)
{
	struct run *run = aion__alloc_zeroed(sizeof(*run));
	int64_t result;

	if (!run)
		return -ENOMEM;
	run_init(run, options, addresses, nr);
	result = run_race(run);
	run_end(run, result);
	run_report(run);
	if (result >= 0)
		result = run->attempts[result].fd;
	aion__free(run);
	return result;
}

int64_t aion_connect_addresses(const struct aion_address *addresses, size_t nr,
			       const struct aion_connect_options *options)
{
	static const struct aion_connect_options defaults;
	int64_t result;

	if (!options)
		options = &defaults;
	if (options->report)
		options->report->attempt_nr = 0;
	result = aion_checkpoint();
	if (result < 0)
		return result;
	return nr && options->attempt_delay_ns >= 0 ? connect_any(options, addresses, nr) : -EINVAL;
}
