/* SPDX-License-Identifier: MIT */
/* Who writes until he has had enough, and who reads until the end. */
#include "stream.h"

#include <sys/socket.h>

#include "effort.h"

#define TOTAL_MIN 1
#define TOTAL_MAX 6000     /* bytes of a wire */
#define TOTAL_LARGE 150000 /* of a few */
#define CALL_NR_MAX 60     /* writes of one task */
#define SHUTDOWN_TRY_MAX 1000

/* ---- ends */

/* The reader on the other side is to see the end, whatever happens here. */
static void shut_down(struct actor *self, int fd)
{
	struct aion_scope scope;
	struct shade shade;
	int64_t result = -ENOMEM;

	shade_enter_refuge(self, &shade, &scope);
	for (unsigned i = 0; i < SHUTDOWN_TRY_MAX && result == -ENOMEM; i++) {
		struct effort effort = {0};

		io_uring_prep_shutdown(aion_op_sqe(&effort.op), fd, SHUT_WR);
		effort_begin(self, &effort, "shutdown", 0, MAY_MEMORY | MAY_RESET | MAY_GONE, false);
		result = effort_await(self, &effort);
	}
	shade_leave(self, &shade);
}

static void writer_end(struct actor *self, struct stream_end *end)
{
	end->wire->writer_has_left = true;
	if (end->owns_fd)
		wire_close(self, end->fd);
	else
		shut_down(self, end->fd);
}

/* A socket's reader cannot leave alone: who writes to him would wait for ever. So both directions go. */
static void reader_end(struct actor *self, struct stream_end *end, struct party *party)
{
	end->wire->reader_has_left = true;
	if (end->owns_fd)
		wire_close(self, end->fd);
	else if (!end->wire->saw_end && party)
		party_cancel(self->run, party);
}

void stream_spawn(struct actor *self, struct party *party, actor_body *body, struct stream_end *end)
{
	if (actor_spawn(self, party, body, end))
		return;
	if (body == stream_writer) {
		writer_end(self, end);
	} else {
		end->wire->reader_left_early = true;
		reader_end(self, end, party);
	}
}

/* ---- tasks */

/* Whether one tries again after an error: also where an operation was cancelled, and nothing else. */
static bool stream_goes_on(struct actor *self, const struct wire *wire, int64_t result)
{
	if (result >= 0 || (result == -ECANCELED && !aion_cancelled()))
		return true;
	return !wire->is_broken && result != -EPIPE && actor_goes_on(self, result);
}

static int64_t stream_result(int64_t result)
{
	return result == -ECANCELED && aion_cancelled() ? result : 0;
}

int64_t stream_writer(struct actor *self, void *arg)
{
	struct stream_end *end = arg;
	struct wire *wire = end->wire;
	uint64_t total = draw_magnitude(&self->draw, TOTAL_MIN, draw_percent(&self->draw, 4) ? TOTAL_LARGE : TOTAL_MAX);
	int64_t result = 0;

	for (unsigned i = 0; i < CALL_NR_MAX && wire->written < total; i++) {
		result = wire_write(self, wire, end->fd);
		if (!stream_goes_on(self, wire, result))
			break;
		if (draw_percent(&self->draw, 10))
			actor_pause(self);
	}
	writer_end(self, end);
	return stream_result(result);
}

int64_t stream_reader(struct actor *self, void *arg)
{
	struct stream_end *end = arg;
	struct wire *wire = end->wire;
	uint64_t enough = draw_percent(&self->draw, 15) ? draw_magnitude(&self->draw, 1, TOTAL_MAX) : UINT64_MAX;
	int64_t result = 0;

	while (!wire->saw_end && wire->got < enough) {
		result = wire_read(self, wire, end->fd);
		if (!stream_goes_on(self, wire, result))
			break;
		if (draw_percent(&self->draw, 10))
			actor_pause(self);
	}
	wire->reader_left_early = !wire->saw_end;
	reader_end(self, end, self->party);
	return stream_result(result);
}

/* ---- connections */

struct peer {
	struct stream_end in, out;
};

static int64_t peer_task(struct actor *self, void *arg)
{
	struct peer *peer = arg;
	struct party party;
	int64_t result;

	party_enter(self, &party);
	stream_spawn(self, &party, stream_reader, &peer->in);
	stream_spawn(self, &party, stream_writer, &peer->out);
	result = party_leave(self, &party, 0);
	peer->in.wire->reader_has_left = true;
	peer->out.wire->writer_has_left = true;
	wire_close(self, peer->in.fd);
	return result;
}

static void peer_start(struct actor *self, struct party *party, struct peer *peer)
{
	if (actor_spawn(self, party, peer_task, peer))
		return;
	peer->in.wire->reader_has_left = true;
	peer->in.wire->reader_left_early = true;
	peer->out.wire->writer_has_left = true;
	wire_close(self, peer->in.fd);
}

int64_t stream_connection(struct actor *self, int fds[2], bool is_tcp)
{
	struct wire wires[2];
	struct peer peers[2] = {
		{{&wires[0], fds[0], false}, {&wires[1], fds[0], false}},
		{{&wires[1], fds[1], false}, {&wires[0], fds[1], false}},
	};
	struct party party;
	int64_t result = 0;

	wire_init(self, &wires[0], &wires[1], true);
	wire_init(self, &wires[1], &wires[0], true);
	wires[0].is_tcp = wires[1].is_tcp = is_tcp;
	party_enter(self, &party);
	if (draw_percent(&self->draw, 15))
		shade_set_deadline(self->run, &party.shade, draw_deadline(self));
	peer_start(self, &party, &peers[0]);
	peer_start(self, &party, &peers[1]);
	if (draw_percent(&self->draw, 20))
		result = actor_pause(self);
	if (draw_percent(&self->draw, 8))
		party_cancel(self->run, &party);
	result = party_leave(self, &party, result);
	wire_settle(&wires[0]);
	wire_settle(&wires[1]);
	return result;
}
