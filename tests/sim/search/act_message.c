/* SPDX-License-Identifier: MIT */
/* Sockets that keep messages apart: each arrives once, whole, in its turn. */
#include <sys/socket.h>

#include "effort.h"
#include "wire.h"

#define MESSAGE_NR_MAX 20
#define MESSAGE_SIZE_MAX 400 /* bytes */

struct exchange {
	struct run *run;
	uint64_t id;
	int fds[2];   /* receiver's, sender's */
	bool has_end; /* a connection, whose end is seen; else one has to look whether somebody is there */
	unsigned sent_nr, got_nr;
	size_t sizes[MESSAGE_NR_MAX + 1]; /* of those that were sent, and of the one that is being sent */
	bool sender_has_left, receiver_has_left;
	bool is_broken;
};

static bool exchange_goes_on(struct actor *self, struct exchange *exchange, int64_t result)
{
	if (result == -EPIPE || result == -ECONNRESET || result == -ENOTCONN || result == -ECONNREFUSED) {
		exchange->is_broken = true;
		return false;
	}
	return (result == -ECANCELED && !aion_cancelled()) || actor_goes_on(self, result);
}

/* ---- the sender */

static int64_t message_send(struct actor *self, struct exchange *exchange)
{
	AION_CLEANUP(effort_reap) struct effort effort = {0};
	size_t size = (size_t)draw_magnitude(&self->draw, 1, MESSAGE_SIZE_MAX);
	char buf[size];
	int64_t result;

	content_fill(buf, size, exchange->id + exchange->sent_nr, 0);
	exchange->sizes[exchange->sent_nr] = size;
	if (draw_percent(&self->draw, 50))
		io_uring_prep_send(aion_op_sqe(&effort.op), exchange->fds[1], buf, size, MSG_NOSIGNAL);
	else
		aion_op_write(&effort.op, exchange->fds[1], buf, size);
	effort_begin(self, &effort, "send of a message", (int64_t)size, MAY_MEMORY | MAY_INTR | MAY_RESET | MAY_GONE,
		     true);
	if (draw_percent(&self->draw, 15)) {
		actor_pause(self);
		effort_cancel(&effort);
	}
	result = effort_await(self, &effort);
	if (result >= 0 && result != (int64_t)size)
		run_fail(self->run, "a message of %zu bytes is sent as one of %lld", size, (long long)result);
	if (result >= 0)
		exchange->sent_nr++;
	return result;
}

static int64_t sender_task(struct actor *self, void *arg)
{
	struct exchange *exchange = arg;
	unsigned nr = (unsigned)draw_between(&self->draw, 1, MESSAGE_NR_MAX);
	int64_t result = 0;

	while (exchange->sent_nr < nr) {
		result = message_send(self, exchange);
		if (!exchange_goes_on(self, exchange, result))
			break;
		if (draw_percent(&self->draw, 15))
			actor_pause(self);
	}
	exchange->sender_has_left = true;
	wire_close(self, exchange->fds[1]);
	return result == -ECANCELED && aion_cancelled() ? result : 0;
}

/* ---- the receiver */

/* What does not fit is lost, as with recv(2). */
static void message_check(struct exchange *exchange, const char *buf, size_t room, int64_t result)
{
	size_t size = exchange->sizes[exchange->got_nr];

	if (exchange->got_nr > exchange->sent_nr)
		run_fail(exchange->run, "message %u is received, and %u were sent", exchange->got_nr,
			 exchange->sent_nr);
	if ((size_t)result != (size < room ? size : room))
		run_fail(exchange->run, "message %u of %zu bytes is received as %lld", exchange->got_nr, size,
			 (long long)result);
	if (content_differs(buf, (size_t)result, exchange->id + exchange->got_nr, 0) != (size_t)result)
		run_fail(exchange->run, "message %u is received as another", exchange->got_nr);
	exchange->got_nr++;
}

static int64_t message_receive(struct actor *self, struct exchange *exchange)
{
	AION_CLEANUP(effort_reap) struct effort effort = {0};
	size_t room = draw_percent(&self->draw, 80) ? MESSAGE_SIZE_MAX : (size_t)draw_between(&self->draw, 1, 50);
	char buf[MESSAGE_SIZE_MAX];
	struct aion_scope scope;
	struct shade shade;
	int64_t result;

	shade_enter(self, &shade, &scope, exchange->has_end ? AION_NEVER : run_now(self->run) + draw_short_delay(self),
		    false);
	if (draw_percent(&self->draw, 50))
		io_uring_prep_recv(aion_op_sqe(&effort.op), exchange->fds[0], buf, room, 0);
	else
		aion_op_read(&effort.op, exchange->fds[0], buf, room);
	effort_begin(self, &effort, "recv of a message", (int64_t)room, MAY_MEMORY | MAY_INTR | MAY_RESET | MAY_GONE,
		     true);
	result = effort_await(self, &effort);
	shade_leave(self, &shade);
	if (result > 0)
		message_check(exchange, buf, room, result);
	return result;
}

static int64_t receiver_task(struct actor *self, void *arg)
{
	struct exchange *exchange = arg;
	int64_t result = 1;

	while (result != 0 &&
	       !(exchange->sender_has_left && !exchange->has_end && exchange->got_nr == exchange->sent_nr)) {
		result = message_receive(self, exchange);
		if (!exchange_goes_on(self, exchange, result))
			break;
		if (!exchange->has_end && exchange->is_broken)
			break;
	}
	if (result == 0 && exchange->has_end && !exchange->is_broken && exchange->sender_has_left &&
	    exchange->got_nr != exchange->sent_nr)
		run_fail(self->run, "%u messages were sent, and %u received until the end", exchange->sent_nr,
			 exchange->got_nr);
	exchange->receiver_has_left = true;
	wire_close(self, exchange->fds[0]);
	return result == -ECANCELED && aion_cancelled() ? result : 0;
}

int64_t act_messages(struct actor *self)
{
	struct exchange exchange = {.run = self->run, .has_end = draw_percent(&self->draw, 60)};
	struct party party;
	int64_t result;

	exchange.id = (uint64_t)++self->run->name_nr << 32;
	if (wire_socketpair(self, AF_UNIX, exchange.has_end ? SOCK_SEQPACKET : SOCK_DGRAM, exchange.fds) < 0)
		return 0;
	party_enter(self, &party);
	if (!actor_spawn(self, &party, sender_task, &exchange)) {
		exchange.sender_has_left = true;
		wire_close(self, exchange.fds[1]);
	}
	if (!actor_spawn(self, &party, receiver_task, &exchange)) {
		exchange.receiver_has_left = true;
		wire_close(self, exchange.fds[0]);
	}
	result = draw_percent(&self->draw, 20) ? actor_pause(self) : 0;
	if (draw_percent(&self->draw, 8))
		party_cancel(self->run, &party);
	return party_leave(self, &party, result);
}
