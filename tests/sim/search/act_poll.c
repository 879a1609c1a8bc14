/* SPDX-License-Identifier: MIT */
/* Waiting for readiness, once and again and again. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>

#include "effort.h"
#include "stream.h"

#define WRITE_NR_MAX 8
#define WRITE_SIZE_MAX 100 /* bytes */
#define EMPTY (-EAGAIN)

/* ---- once */

struct poked {
	int fd; /* the writing end; closed by who pokes */
	unsigned nr;
	struct wire *wire;
};

/* Writes now and then, and leaves. */
static int64_t poke_task(struct actor *self, void *arg)
{
	struct poked *poked = arg;
	struct wire *wire = poked->wire;
	char buf[WRITE_SIZE_MAX];
	int64_t result = 0;

	for (unsigned i = 0; i < poked->nr && result >= 0; i++) {
		size_t size = (size_t)draw_between(&self->draw, 1, WRITE_SIZE_MAX);

		result = actor_pause(self);
		if (result < 0)
			break;
		content_fill(buf, size, wire->id, wire->written);
		wire->offered = wire->written + size;
		result = told(self, "write", aion_write(poked->fd, buf, size), (int64_t)size, wire_write_flags(wire));
		wire_note_written(wire, result);
	}
	wire->writer_has_left = true;
	wire_close(self, poked->fd);
	return result == -ECANCELED ? result : 0;
}

static void poke(struct actor *self, struct party *party, struct poked *poked)
{
	if (actor_spawn(self, party, poke_task, poked))
		return;
	poked->wire->writer_has_left = true;
	wire_close(self, poked->fd);
}

/* What holds, and nothing else. */
static void check_events(struct actor *self, const struct wire *wire, int64_t events)
{
	if (events <= 0)
		return;
	if (events & ~(POLLIN | POLLRDNORM | POLLHUP))
		run_fail(self->run, "a poll says %llx", (unsigned long long)events);
	if (events & POLLHUP && !wire->writer_has_left)
		run_fail(self->run, "a poll says POLLHUP, and the writer is there");
	if (events & POLLIN && wire->offered == 0)
		run_fail(self->run, "a poll says POLLIN, and nothing has been written");
}

int64_t act_poll(struct actor *self)
{
	struct wire wire;
	struct poked poked = {.nr = (unsigned)draw_below(&self->draw, 2), .wire = &wire};
	struct party party;
	int64_t result;
	int fds[2];

	if (wire_open(self, &wire, fds, 0) < 0)
		return 0;
	poked.fd = fds[1];
	party_enter(self, &party);
	poke(self, &party, &poked);
	result = told(self, "poll", aion_poll(fds[0], POLLIN), 0xffff, MAY_MEMORY);
	check_events(self, &wire, result);
	if (result == 0)
		run_fail(self->run, "a poll says that nothing holds");
	result = party_leave(self, &party, result == -ECANCELED ? result : 0);
	wire_close(self, fds[0]);
	return result;
}

/* ---- again and again */

/* All that is there, without waiting: EMPTY, 0 at the end, or an error. */
static int64_t drain(struct actor *self, struct wire *wire, int fd)
{
	char buf[WRITE_SIZE_MAX];
	struct iovec iov = {buf, sizeof(buf)};
	int64_t result;

	do {
		iov.iov_len = (size_t)draw_between(&self->draw, 1, sizeof(buf));
		result = told(self, "read", aion_preadv2(fd, &iov, 1, -1, RWF_NOWAIT), (int64_t)iov.iov_len,
			      MAY_MEMORY | MAY_INTR | MAY_WAIT);
		if (result != EMPTY)
			wire_note_got(wire, buf, result);
	} while (result > 0 || result == -EINTR || result == -ENOMEM);
	return result;
}

static int64_t poll_until_end(struct actor *self, struct aion_poll *poll, struct wire *wire, int fd, unsigned nr)
{
	int64_t result = 0;

	while (!wire->saw_end && nr--) {
		if (draw_percent(&self->draw, 20))
			result = told(self, "poll_try_next", aion_poll_try_next(poll), 0xffff, MAY_WAIT | MAY_MEMORY);
		else
			result = EMPTY;
		if (result == EMPTY)
			result = told(self, "poll_next", aion_poll_next(poll), 0xffff, MAY_MEMORY);
		check_events(self, wire, result);
		if (result == -ECANCELED && actor_goes_on(self, result))
			continue;
		if (result < 0)
			return result;
		result = drain(self, wire, fd);
		/* What could not be read is still there, but no event will say so again. */
		wire->reader_left_early = result < 0 && result != EMPTY;
		if (wire->reader_left_early)
			return result;
	}
	return 0;
}

/* The poll outlives those who wait for it, one after the other. */
struct poll_guest {
	struct aion_poll *poll;
	struct wire *wire;
	int fd;
};

static int64_t guest_task(struct actor *self, void *arg)
{
	const struct poll_guest *guest = arg;
	int64_t result = poll_until_end(self, guest->poll, guest->wire, guest->fd, 1);

	return result == -ECANCELED ? result : 0;
}

static int64_t poll_by_guests(struct actor *self, struct poll_guest *guest)
{
	unsigned nr = (unsigned)draw_between(&self->draw, 1, 3);
	int64_t result = 0;

	while (nr-- && result >= 0 && !guest->wire->reader_left_early) {
		struct party party;

		party_enter(self, &party);
		actor_spawn(self, &party, guest_task, guest);
		result = party_leave(self, &party, 0);
	}
	return result;
}

int64_t act_poll_again(struct actor *self)
{
	AION_CLEANUP(aion_poll_close) struct aion_poll poll = {0};
	struct poll_guest guest;
	struct wire wire;
	struct poked poked = {.nr = (unsigned)draw_below(&self->draw, WRITE_NR_MAX), .wire = &wire};
	struct party party;
	int64_t result;
	int fds[2];

	if (wire_open(self, &wire, fds, 0) < 0)
		return 0;
	poked.fd = fds[1];
	aion_poll_open(&poll, fds[0], POLLIN);
	party_enter(self, &party);
	poke(self, &party, &poked);
	guest.poll = &poll;
	guest.wire = &wire;
	guest.fd = fds[0];
	result = draw_percent(&self->draw, 30) ? poll_by_guests(self, &guest) : 0;
	if (result >= 0 && !wire.reader_left_early)
		result = poll_until_end(self, &poll, &wire, fds[0], UINT_MAX);
	if (!wire.saw_end && draw_percent(&self->draw, 50))
		party_cancel(self->run, &party);
	result = party_leave(self, &party, result == -ECANCELED ? result : 0);
	wire_settle(&wire);
	if (draw_percent(&self->draw, 50))
		aion_poll_close(&poll);
	wire_close(self, fds[0]);
	return result;
}

/* ---- closed under it */

struct closed {
	struct aion_poll poll;
	bool is_closing;
	bool was_in_flight; /* then: else the close cannot know of it, and nobody may ask it any more */
};

/* Waits until the descriptor is gone, and hears so again. */
static int64_t closed_task(struct actor *self, void *arg)
{
	struct closed *closed = arg;
	int64_t result;

	do {
		if (closed->is_closing && !closed->was_in_flight)
			return 0;
		result = told(self, "poll_next", aion_poll_next(&closed->poll), 0xffff, MAY_MEMORY | MAY_CLOSED);
	} while (result >= 0);
	if (result == -EBADF && !closed->is_closing)
		run_fail(self->run, "a poll says -EBADF, and its descriptor is open");
	if (result == -EBADF && aion_poll_try_next(&closed->poll) != -EBADF)
		run_fail(self->run, "a poll says -EBADF only once");
	return result == -ECANCELED ? result : 0;
}

int64_t act_poll_closed(struct actor *self)
{
	struct closed closed = {.is_closing = false};
	struct party party;
	int64_t result;
	int fds[2];

	if (wire_pipe(self, fds, 0) < 0)
		return 0;
	aion_poll_open(&closed.poll, fds[0], POLLIN);
	party_enter(self, &party);
	actor_spawn(self, &party, closed_task, &closed);
	result = actor_pause(self);
	if (result >= 0 && draw_percent(&self->draw, 40))
		result = told(self, "write", aion_write(fds[1], "x", 1), 1, MAY_MEMORY | MAY_INTR);
	closed.is_closing = true;
	closed.was_in_flight = aion_op_is_in_flight(&closed.poll.op);
	wire_close(self, fds[0]);
	result = party_leave(self, &party, result == -ECANCELED ? result : 0);
	aion_poll_close(&closed.poll);
	if (aion_poll_try_next(&closed.poll) != -EBADF)
		run_fail(self->run, "a closed poll does not say -EBADF");
	wire_close(self, fds[1]);
	return result;
}
