/* SPDX-License-Identifier: MIT */
/* Who receives, and who sends back what he receives. */
#include <aion.h>

#include "effort.h"
#include "talk.h"

#define READ_MAX 5000 /* bytes */

static void way_check(const struct talk *talk, const struct way *way, const void *data, size_t size, uint64_t pos)
{
	size_t same = content_differs(data, size, way->id, pos);

	if (same != size)
		run_fail(talk->run, "way %llu: the byte at %llu is not the one that was sent there (%zu at %llu)",
			 (unsigned long long)way->id, (unsigned long long)(pos + same), size, (unsigned long long)pos);
}

static void way_note_got(const struct talk *talk, struct way *way, const void *data, size_t size)
{
	way_check(talk, way, data, size, way->got);
	way->got += size;
	if (way->got > way->offered)
		run_fail(talk->run, "way %llu: %llu bytes received, %llu sent", (unsigned long long)way->id,
			 (unsigned long long)way->got, (unsigned long long)way->offered);
}

/* ---- what is lent */

void talk_release(struct talk_end *end, bool all)
{
	for (int i = 0; i < TALK_HOLD_MAX; i++) {
		struct held *held = &end->held[i];

		if (!held->buffer)
			continue;
		way_check(end->talk, end->in, held->buffer->data, held->buffer->size, held->pos);
		aion_buffer_release(held->buffer);
		held->buffer = NULL;
		if (!all)
			return;
	}
}

static void hold(struct actor *self, struct talk_end *end, struct aion_buffer *buffer, uint64_t pos)
{
	int place = (int)draw_below(&self->draw, TALK_HOLD_MAX);

	if (end->held[place].buffer)
		talk_release(end, false);
	if (end->held[place].buffer)
		talk_release(end, true);
	end->held[place] = (struct held){buffer, pos};
}

static int64_t hear_lent(struct actor *self, struct talk_end *end)
{
	bool is_try = draw_percent(&self->draw, 20);
	struct aion_buffer *buffer = NULL;
	uint64_t pos = end->in->got;
	int64_t result = is_try ? aion_conn_try_recv(&end->conn, &buffer) : aion_conn_recv(&end->conn, &buffer);

	talk_told(self, end, "conn_recv", result, INT64_MAX, is_try ? MAY_WAIT | NOT_REFUSED : 0);
	if ((result > 0) != (buffer != NULL) || (buffer && buffer->size != (size_t)result))
		run_fail(self->run, "conn_recv says %lld, and lends another buffer", (long long)result);
	if (result <= 0)
		return result;
	way_note_got(end->talk, end->in, buffer->data, buffer->size);
	if (draw_percent(&self->draw, 50))
		hold(self, end, buffer, pos);
	else
		aion_buffer_release(buffer);
	return result;
}

/* ---- what is copied */

static int64_t hear_copied(struct actor *self, struct talk_end *end)
{
	size_t size = (size_t)draw_magnitude(&self->draw, 1, READ_MAX);
	char buf[READ_MAX];
	int64_t result =
		end->is_stream ? aion_stream_read(&end->stream, buf, size) : aion_conn_read(&end->conn, buf, size);

	talk_told(self, end, end->is_stream ? "stream_read" : "conn_read", result, (int64_t)size, 0);
	if (result > 0)
		way_note_got(end->talk, end->in, buf, (size_t)result);
	return result;
}

static int64_t hear_exactly(struct actor *self, struct talk_end *end)
{
	size_t size = (size_t)draw_magnitude(&self->draw, 1, READ_MAX);
	size_t done = SIZE_MAX;
	char buf[READ_MAX];
	int64_t result = end->is_stream ? aion_stream_read_exact(&end->stream, buf, size, &done)
					: aion_conn_read_exact(&end->conn, buf, size, &done);

	talk_told(self, end, end->is_stream ? "stream_read_exact" : "conn_read_exact", result, 0,
		  MAY_END | PERHAPS_REFUSED);
	if (done > size || (result == 0) != (done == size))
		run_fail(self->run, "%zu bytes of %zu are read, and the result is %lld", done, size, (long long)result);
	way_note_got(end->talk, end->in, buf, done);
	return result == -ENODATA ? 0 : result < 0 ? result : (int64_t)size;
}

/* Behind the last delimiter the rest stays in the stream. */
static int64_t hear_until(struct actor *self, struct talk_end *end)
{
	struct aion_stream_view view = {.size = SIZE_MAX};
	int64_t result = aion_stream_read_until(&end->stream, "x", 1, &view);

	talk_told(self, end, "stream_read_until", result, INT64_MAX, MAY_END | PERHAPS_REFUSED);
	if (result == -ENODATA)
		return hear_copied(self, end);
	if (result > 0 &&
	    (view.size != (size_t)result - 1 || memchr(view.data, 'x', view.size) || view.data[view.size] != 'x'))
		run_fail(self->run, "a part of %zu bytes ends elsewhere, and the result is %lld", view.size,
			 (long long)result);
	if (result > 0)
		way_note_got(end->talk, end->in, view.data, (size_t)result);
	return result;
}

static int64_t hear_some(struct actor *self, struct talk_end *end)
{
	struct aion_scope scope;
	struct shade shade;
	bool is_hurried = draw_percent(&self->draw, 20);
	unsigned form = (unsigned)draw_below(&self->draw, 10);
	int64_t result;

	if (is_hurried)
		shade_enter(self, &shade, &scope, run_now(self->run) + draw_short_delay(self), false);
	if (form < 6 && !end->is_stream)
		result = hear_lent(self, end);
	else if (form < 4)
		result = hear_until(self, end);
	else if (form < 8)
		result = hear_copied(self, end);
	else
		result = hear_exactly(self, end);
	if (is_hurried)
		shade_leave(self, &shade);
	if (result == 0)
		end->in->saw_end = true;
	return result;
}

/* Without him nobody would take what comes: the whole end goes. */
static int64_t hear_end(struct actor *self, struct talk_end *end, int64_t result)
{
	end->in->is_left_early = !end->in->saw_end;
	if (end->in->is_left_early)
		party_cancel(self->run, self->party);
	return result == -ECANCELED && aion_cancelled() ? result : 0;
}

int64_t talk_hear(struct actor *self, void *arg)
{
	struct talk_end *end = arg;
	uint64_t enough = draw_percent(&self->draw, 10) ? draw_magnitude(&self->draw, 1, READ_MAX) : UINT64_MAX;
	int64_t result = 0;

	while (!end->in->saw_end && end->in->got < enough) {
		result = hear_some(self, end);
		if (!talk_goes_on(self, end, result))
			break;
		if (result == -EAGAIN || draw_percent(&self->draw, 10))
			actor_pause(self);
		if (draw_percent(&self->draw, 20))
			talk_release(end, false);
	}
	return hear_end(self, end, result);
}

/* ---- echo */

/* How much of it has left is not known after an error. */
static int64_t echo_buffer(struct actor *self, struct talk_end *end, struct aion_buffer *buffer)
{
	size_t size = buffer->size;
	int64_t result;

	end->out->offered = end->out->sent + size;
	result = aion_conn_send_buffer(&end->conn, buffer);
	talk_told(self, end, "conn_send_buffer", result, 0, PERHAPS_REFUSED);
	if (result == 0)
		end->out->sent += size;
	return result;
}

static int64_t echo_end(struct actor *self, struct talk_end *end)
{
	int64_t result = aion_conn_shutdown(&end->conn);

	if (result == 0)
		result = aion_conn_flush(&end->conn);
	talk_told(self, end, "shutdown behind an echo", result, 0, PERHAPS_REFUSED);
	end->out->is_finished = result == 0;
	return result;
}

int64_t talk_echo(struct actor *self, void *arg)
{
	struct talk_end *end = arg;
	struct aion_buffer *buffer = NULL;
	int64_t result;

	do {
		result = aion_conn_recv(&end->conn, &buffer);
		talk_told(self, end, "conn_recv", result, INT64_MAX, 0);
		if (result > 0) {
			way_note_got(end->talk, end->in, buffer->data, buffer->size);
			result = echo_buffer(self, end, buffer);
			if (result < 0)
				break;
			result = 1;
		}
	} while (result && talk_goes_on(self, end, result));
	end->in->saw_end = result == 0;
	if (result == 0)
		result = echo_end(self, end);
	if (!end->out->is_finished)
		talk_give_up(end->talk);
	return hear_end(self, end, result);
}
