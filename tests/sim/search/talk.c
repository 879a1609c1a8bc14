/* SPDX-License-Identifier: MIT */
/* The account of a talk, and the life of its ends. */
#include "talk.h"

#define DROP_PERCENT 10  /* ends that close while their tasks are at work */
#define ABORT_PERCENT 20 /* ends that do not say goodbye */

void talk_init(struct actor *self, struct talk *talk)
{
	*talk = (struct talk){.run = self->run};
	talk->ways[0].id = ++self->run->name_nr;
	talk->ways[1].id = ++self->run->name_nr;
}

void talk_give_up(struct talk *talk)
{
	talk->is_broken = true;
}

static void way_settle(const struct talk *talk, const struct way *way)
{
	const struct way *back = &talk->ways[way == &talk->ways[0]];

	if (way->got > way->offered)
		run_fail(talk->run, "way %llu: %llu bytes sent, %llu received", (unsigned long long)way->id,
			 (unsigned long long)way->offered, (unsigned long long)way->got);
	if (!way->saw_end || talk->is_broken || back->is_left_early)
		return;
	if (!way->is_finished || way->got != way->sent)
		run_fail(talk->run, "way %llu: %llu bytes sent, %llu received until its end (finished: %d)",
			 (unsigned long long)way->id, (unsigned long long)way->sent, (unsigned long long)way->got,
			 way->is_finished);
}

void talk_settle(const struct talk *talk)
{
	way_settle(talk, &talk->ways[0]);
	way_settle(talk, &talk->ways[1]);
}

/* ---- results */

static bool is_loss(int64_t result)
{
	return result == -EPIPE || result == -ECONNRESET || result == -ENOTCONN;
}

int64_t talk_told(struct actor *self, struct talk_end *end, const char *call, int64_t result, int64_t max,
		  unsigned flags)
{
	struct talk *talk = end->talk;
	bool is_lost = talk->is_broken || talk->is_alone || talk->ways[0].is_left_early || talk->ways[1].is_left_early;

	/* Of a cancellation and a close that meet, both may have cut it short. */
	if (result == -EBADF)
		flags |= PERHAPS_REFUSED;
	told(self, call, result, max, flags | MAY_MEMORY | MAY_GONE | MAY_CLOSED);
	if (result == -EBADF && !end->is_closing)
		run_fail(self->run, "%s says -EBADF, and nobody has closed", call);
	if (is_loss(result) && !is_lost && !self->run->knobs[AION_SIM_ERROR_ECONNRESET])
		run_fail(self->run, "%s says %lld, and both ends are there", call, (long long)result);
	if (is_loss(result))
		talk->is_broken = true;
	return result;
}

bool talk_goes_on(struct actor *self, const struct talk_end *end, int64_t result)
{
	if (result >= 0 || result == -EAGAIN || (result == -ECANCELED && !aion_cancelled()))
		return true;
	return !end->is_closing && (result == -ECANCELED || result == -ENOMEM) && actor_goes_on(self, result);
}

/* ---- ends */

static void end_start(struct actor *self, struct party *party, struct talk_end *end, actor_body *body)
{
	if (actor_spawn(self, party, body, end))
		return;
	if (body != talk_say)
		end->in->is_left_early = true;
	if (body != talk_hear)
		talk_give_up(end->talk);
	party_cancel(self->run, party);
}

/* What nobody has read, or sent, is lost with it. */
static void end_close(struct actor *self, struct talk_end *end)
{
	bool is_abrupt = draw_percent(&self->draw, ABORT_PERCENT);

	end->is_closing = true;
	if (!end->in->saw_end)
		end->in->is_left_early = true;
	if (!end->out->is_finished || is_abrupt)
		talk_give_up(end->talk);
	if (end->is_stream && is_abrupt)
		told(self, "stream_abort", aion_stream_abort(&end->stream), 0, NOT_REFUSED);
	else if (end->is_stream)
		told(self, "stream_close", aion_stream_close(&end->stream), 0,
		     MAY_MEMORY | MAY_GONE | MAY_TIME | MAY_CANCELED | PERHAPS_REFUSED);
	else if (is_abrupt)
		aion_conn_abort(&end->conn);
	else
		aion_conn_close(&end->conn);
	told(self, "end of a connection", 0, 0, PERHAPS_REFUSED);
}

static int64_t end_talk(struct actor *self, struct talk_end *end)
{
	struct party party;
	int64_t result = 0;

	party_enter(self, &party);
	if (draw_percent(&self->draw, 15))
		shade_set_deadline(self->run, &party.shade, draw_deadline(self));
	if (end->is_echo) {
		end_start(self, &party, end, talk_echo);
	} else {
		end_start(self, &party, end, talk_hear);
		end_start(self, &party, end, talk_say);
	}
	if (draw_percent(&self->draw, DROP_PERCENT)) {
		result = actor_pause(self);
		end_close(self, end);
	}
	return party_leave(self, &party, result);
}

static int end_open(struct actor *self, struct talk_end *end, int fd)
{
	struct aion_stream_options options = {.close_ns = draw_short_delay(self)};
	int result = aion_conn_open(&end->conn, fd);

	if (result != 0 && (result != -ENOMEM || !self->run->memory_is_scarce))
		run_fail(self->run, "a connection cannot be opened: %d", result);
	if (result == 0 && draw_percent(&self->draw, 30))
		aion_outlet_set_zero_copy(&end->conn.outlet, draw_magnitude(&self->draw, 1, 9000));
	if (result == 0 && draw_percent(&self->draw, 30))
		aion_outlet_set_marks(&end->conn.outlet, draw_between(&self->draw, 1000, 4000),
				      draw_below(&self->draw, 1000));
	if (result == 0 && !end->is_echo && draw_percent(&self->draw, 30)) {
		options.read_size = draw_percent(&self->draw, 50) ? 0 : draw_magnitude(&self->draw, 1, 4096);
		options.write_size = draw_percent(&self->draw, 50) ? 0 : draw_magnitude(&self->draw, 1, 4096);
		result = aion_stream_open_conn(&end->stream, &end->conn, &options);
		end->is_stream = true;
	}
	return result;
}

int64_t talk_run(struct actor *self, struct talk *talk, int side, int fd)
{
	struct talk_end *end = calloc(1, sizeof(*end));
	int64_t result;

	end->talk = talk;
	end->out = &talk->ways[side];
	end->in = &talk->ways[!side];
	end->is_echo = end->in->id == end->out->id && side;
	result = end_open(self, end, fd);
	if (result == 0)
		result = end_talk(self, end);
	else
		result = 0;
	if (!end->is_closing)
		end_close(self, end);
	talk_release(end, true);
	memset(end, 0xdd, sizeof(*end));
	free(end);
	return result;
}
