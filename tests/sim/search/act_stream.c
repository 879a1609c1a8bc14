/* SPDX-License-Identifier: MIT */
/* Pipes and connections in use. */
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "effort.h"
#include "stream.h"

#define RELAY_SIZE 4000 /* bytes that a relay moves at once, at most */

/* The owner's part: he waits, or does not. */
static int64_t oversee(struct actor *self, struct party *party)
{
	int64_t result = 0;

	if (draw_percent(&self->draw, 15))
		shade_set_deadline(self->run, &party->shade, draw_deadline(self));
	if (draw_percent(&self->draw, 30))
		result = actor_pause(self);
	if (draw_percent(&self->draw, 8))
		party_cancel(self->run, party);
	return result;
}

int64_t act_pipe(struct actor *self)
{
	struct stream_end in = {.owns_fd = true}, out = {.owns_fd = true};
	struct wire wire;
	struct party party;
	int64_t result;
	int fds[2];

	if (wire_open(self, &wire, fds, draw_percent(&self->draw, 20) ? O_NONBLOCK : 0) < 0)
		return 0;
	in.wire = out.wire = &wire;
	in.fd = fds[0];
	out.fd = fds[1];
	party_enter(self, &party);
	stream_spawn(self, &party, stream_writer, &out);
	stream_spawn(self, &party, stream_reader, &in);
	result = oversee(self, &party);
	result = party_leave(self, &party, result);
	wire_settle(&wire);
	return result;
}

int64_t act_socketpair(struct actor *self)
{
	bool is_tcp = self->run->sim && draw_percent(&self->draw, 50);
	int fds[2];

	if (wire_socketpair(self, is_tcp ? AF_INET : AF_UNIX, SOCK_STREAM, fds) < 0)
		return 0;
	return stream_connection(self, fds, is_tcp);
}

/* ---- from pipe to pipe */

struct relay {
	struct stream_end in, out;
	bool by_tee;
};

static int64_t relay_splice(struct actor *self, struct relay *relay, size_t size)
{
	AION_CLEANUP(effort_reap) struct effort effort = {0};
	unsigned flags = MAY_MEMORY | MAY_INTR | MAY_GONE;
	int64_t result;

	if (draw_percent(&self->draw, 50)) {
		result = aion_splice(relay->in.fd, NULL, relay->out.fd, NULL, size, 0);
		told(self, "splice", result, (int64_t)size, flags);
	} else {
		aion_op_splice(&effort.op, relay->in.fd, NULL, relay->out.fd, NULL, size, 0);
		effort_begin(self, &effort, "op splice", (int64_t)size, flags, true);
		if (draw_percent(&self->draw, 20)) {
			actor_pause(self);
			effort_cancel(&effort);
		}
		result = effort_await(self, &effort);
	}
	wire_note_written(relay->out.wire, result);
	if (result >= 0)
		wire_note_got(relay->in.wire, NULL, result);
	return result;
}

/* What a tee has copied is read after it, so that the next one goes on behind it. */
static int64_t relay_tee(struct actor *self, struct relay *relay, size_t size)
{
	char buf[RELAY_SIZE];
	int64_t result = aion_tee(relay->in.fd, relay->out.fd, size, 0);
	size_t done;

	told(self, "tee", result, (int64_t)size, MAY_MEMORY | MAY_INTR | MAY_GONE);
	wire_note_written(relay->out.wire, result);
	if (result < 0)
		return result;
	if (result == 0) {
		wire_note_got(relay->in.wire, NULL, 0);
		return 0;
	}
	size = (size_t)result;
	result = aion_read_exact(relay->in.fd, buf, size, &done);
	told(self, "read_exact", result, 0, MAY_MEMORY | MAY_INTR | PERHAPS_REFUSED);
	if (done)
		wire_note_got(relay->in.wire, buf, (int64_t)done);
	return result == 0 ? (int64_t)size : -EPIPE;
}

static int64_t relay_task(struct actor *self, void *arg)
{
	struct relay *relay = arg;
	int64_t result = 0;

	while (!relay->in.wire->saw_end) {
		size_t size = (size_t)draw_between(&self->draw, 1, RELAY_SIZE);

		relay->out.wire->offered = relay->out.wire->written + size;
		result = relay->by_tee ? relay_tee(self, relay, size) : relay_splice(self, relay, size);
		if (result == -EPIPE || (result == -ECANCELED && aion_cancelled() && !actor_goes_on(self, result)))
			break;
	}
	relay->in.wire->reader_left_early = !relay->in.wire->saw_end;
	relay->in.wire->reader_has_left = true;
	relay->out.wire->writer_has_left = true;
	wire_close(self, relay->in.fd);
	wire_close(self, relay->out.fd);
	return result == -ECANCELED && aion_cancelled() ? result : 0;
}

static int64_t relay_run(struct actor *self, int from[2], int to[2])
{
	struct wire wires[2];
	struct stream_end out = {&wires[0], from[1], true}, in = {&wires[1], to[0], true};
	struct relay relay = {{&wires[0], from[0], true}, {&wires[1], to[1], true}, draw_percent(&self->draw, 30)};
	struct party party;
	int64_t result;

	wire_init(self, &wires[0], NULL, false);
	wire_init(self, &wires[1], NULL, false);
	wires[1].id = wires[0].id;
	party_enter(self, &party);
	stream_spawn(self, &party, stream_writer, &out);
	if (!actor_spawn(self, &party, relay_task, &relay)) {
		wires[0].reader_has_left = wires[1].writer_has_left = true;
		wire_close(self, from[0]);
		wire_close(self, to[1]);
	}
	stream_spawn(self, &party, stream_reader, &in);
	result = oversee(self, &party);
	result = party_leave(self, &party, result);
	wire_settle(&wires[0]);
	wire_settle(&wires[1]);
	return result;
}

int64_t act_relay(struct actor *self)
{
	int from[2];
	int to[2];

	if (wire_pipe(self, from, 0) < 0)
		return 0;
	if (wire_pipe(self, to, 0) == 0)
		return relay_run(self, from, to);
	wire_close(self, from[0]);
	wire_close(self, from[1]);
	return 0;
}

/* ---- closed while others read */

#define READER_NR_MAX 3

struct closing {
	int fds[2];
	bool is_closing;
	int64_t written;
	int64_t got;
	unsigned effort_nr;
	struct effort *efforts[READER_NR_MAX];
};

static int64_t closing_step(struct actor *self, struct closing *closing, struct effort *effort)
{
	unsigned flags = MAY_MEMORY | MAY_INTR | MAY_CLOSED;
	char buf[64];
	int64_t result;

	if (draw_percent(&self->draw, 30)) {
		aion_op_poll(&effort->op, closing->fds[0], POLLPRI);
		effort_begin(self, effort, "poll", -1, flags, false);
		return effort_await(self, effort);
	}
	aion_op_read(&effort->op, closing->fds[0], buf, sizeof(buf));
	effort_begin(self, effort, "read", sizeof(buf), flags, false);
	result = effort_await(self, effort);
	if (result == 0)
		run_fail(self->run, "the end of a pipe that has a writer");
	if (result > 0)
		closing->got += result;
	return result;
}

/* The number may belong to somebody else as soon as it has been closed: nothing is started then. */
static int64_t closing_reader(struct actor *self, void *arg)
{
	struct closing *closing = arg;
	struct effort effort = {0};
	int64_t result = 0;

	closing->efforts[closing->effort_nr++] = &effort;
	if (draw_percent(&self->draw, 30))
		result = actor_pause(self);
	while (result >= 0 && !closing->is_closing)
		result = closing_step(self, closing, &effort);
	if (result == -EBADF && !closing->is_closing)
		run_fail(self->run, "-EBADF from a descriptor that nobody has closed");
	for (unsigned i = 0; i < closing->effort_nr; i++)
		if (closing->efforts[i] == &effort)
			closing->efforts[i] = closing->efforts[--closing->effort_nr];
	return result == -ECANCELED ? result : 0;
}

/* Closes what is being closed. While there is something to wait for, the number is nobody else's. */
static int64_t closing_twice(struct actor *self, void *arg)
{
	struct closing *closing = arg;
	int64_t result;

	while (!closing->is_closing) {
		result = actor_pause(self);
		if (result < 0)
			return result;
	}
	for (unsigned i = 0; i < closing->effort_nr; i++)
		if (aion_op_is_in_flight(&closing->efforts[i]->op)) {
			result = told(self, "second close", aion_close(closing->fds[0]), 0, MAY_CLOSED);
			if (result != -EBADF)
				run_fail(self->run, "a descriptor is closed twice");
			break;
		}
	return 0;
}

int64_t act_close_reader(struct actor *self)
{
	unsigned nr = (unsigned)draw_between(&self->draw, 1, READER_NR_MAX);
	struct closing closing = {.is_closing = false};
	struct party party;
	int64_t result;

	if (wire_pipe(self, closing.fds, 0) < 0)
		return 0;
	party_enter(self, &party);
	while (nr--)
		actor_spawn(self, &party, closing_reader, &closing);
	if (draw_percent(&self->draw, 30))
		actor_spawn(self, &party, closing_twice, &closing);
	result = actor_pause(self);
	if (result >= 0 && draw_percent(&self->draw, 50)) {
		result = told(self, "write", aion_write(closing.fds[1], "0123456789", 10), 10, MAY_MEMORY | MAY_INTR);
		closing.written = result > 0 ? result : 0;
		if (draw_percent(&self->draw, 50))
			actor_pause(self);
	}
	closing.is_closing = true;
	wire_close(self, closing.fds[0]);
	for (unsigned i = 0; i < closing.effort_nr; i++)
		if (aion_op_is_in_flight(&closing.efforts[i]->op))
			run_fail(self->run, "a %s is in flight after its descriptor has been closed",
				 closing.efforts[i]->name);
	result = party_leave(self, &party, result == -ECANCELED ? result : 0);
	wire_close(self, closing.fds[1]);
	if (closing.got > closing.written)
		run_fail(self->run, "%lld bytes read, %lld written", (long long)closing.got,
			 (long long)closing.written);
	return result;
}
