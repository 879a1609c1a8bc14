/* SPDX-License-Identifier: MIT */
/* Who sends, in every form, and says that it was all. */
#include <aion.h>

#include "effort.h"
#include "talk.h"

#define SIZE_MAX_ONCE 9000 /* bytes of a call */
#define TOTAL_MAX 12000    /* of a talk */
#define TOTAL_LARGE 200000 /* of a few */
#define CALL_NR_MAX 40

enum say_form {
	SAY_SEND_ALL,
	SAY_SENDV_ALL,
	SAY_WRITE,
	SAY_WRITEV,
	SAY_TRY_SEND,
	SAY_LEND,
	SAY_GIVE,
	SAY_FLUSH,
	SAY_FORM_NR,
};

/* Bytes have been handed over: so many of those that were offered. */
static void note_sent(struct actor *self, struct way *way, uint64_t size)
{
	way->sent += size;
	if (way->sent > way->offered)
		run_fail(self->run, "way %llu: more has left than there was", (unsigned long long)way->id);
	way->offered = way->sent;
}

static void cut(struct actor *self, struct iovec iov[3], char *buf, size_t size)
{
	size_t first = (size_t)draw_below(&self->draw, size + 1);
	size_t second = (size_t)draw_below(&self->draw, size - first + 1);

	iov[0] = (struct iovec){buf, first};
	iov[1] = (struct iovec){buf + first, second};
	iov[2] = (struct iovec){buf + first + second, size - first - second};
}

static int64_t say_all(struct actor *self, struct talk_end *end, bool is_vector, char *buf, size_t size)
{
	size_t done = SIZE_MAX;
	struct iovec iov[3];
	int64_t result;

	cut(self, iov, buf, size);
	if (is_vector)
		result = aion_conn_sendv_all(&end->conn, iov, 3, &done);
	else
		result = aion_conn_send_all(&end->conn, buf, size, &done);
	talk_told(self, end, "conn_send_all", result, 0, PERHAPS_REFUSED);
	if (done > size || (result == 0 && done != size))
		run_fail(self->run, "%zu bytes of %zu are sent, and the result is %lld", done, size, (long long)result);
	note_sent(self, end->out, done);
	return result;
}

static int64_t say_queued(struct actor *self, struct talk_end *end, bool is_vector, char *buf, size_t size)
{
	struct iovec iov[3];
	int64_t result;

	cut(self, iov, buf, size);
	result = is_vector ? aion_conn_writev(&end->conn, iov, 3) : aion_conn_write(&end->conn, buf, size);
	talk_told(self, end, "conn_write", result, 0, 0);
	if (result == 0)
		note_sent(self, end->out, size);
	return result;
}

static int64_t say_at_once(struct actor *self, struct talk_end *end, const char *buf, size_t size)
{
	int64_t result = aion_outlet_try_send(&end->conn.outlet, buf, size);

	talk_told(self, end, "try_send", result, (int64_t)size, MAY_WAIT | NOT_REFUSED);
	if (result > 0)
		note_sent(self, end->out, (uint64_t)result);
	return result;
}

/* The memory is not the writer's until it has come back; perhaps he wants it sooner. */
static int64_t say_lent(struct actor *self, struct talk_end *end, char *buf, size_t size)
{
	bool is_recalled = draw_percent(&self->draw, 20);
	struct aion_loan loan;
	int64_t result;

	aion_outlet_lend(&end->conn.outlet, &loan, buf, size);
	if (draw_percent(&self->draw, 30))
		actor_pause(self);
	if (is_recalled)
		aion_loan_recall(&loan);
	result = aion_await(&loan.future);
	if (!aion_future_is_done(&loan.future)) {
		struct aion_scope scope;
		struct shade shade;

		aion_loan_recall(&loan);
		shade_enter_refuge(self, &shade, &scope);
		aion_await(&loan.future);
		shade_leave(self, &shade);
		result = loan.future.result;
		is_recalled = true;
	}
	talk_told(self, end, "a loan", result, 0, PERHAPS_REFUSED | (is_recalled ? MAY_CANCELED : 0));
	if (loan.sent_size > size || (loan.future.result == 0 && loan.sent_size != size))
		run_fail(self->run, "%zu bytes of a loan of %zu are sent, and it says %lld", loan.sent_size, size,
			 (long long)result);
	note_sent(self, end->out, loan.sent_size);
	return result;
}

struct gift {
	struct run *run;
	uint64_t id, pos;
	size_t size;
	char data[];
};

static void gift_release(void *arg)
{
	struct gift *gift = arg;

	if (content_differs(gift->data, gift->size, gift->id, gift->pos) != gift->size)
		run_fail(gift->run, "memory that was given has changed");
	gift->run->taken_nr++;
	memset(gift, 0xdd, sizeof(*gift) + gift->size);
	free(gift);
}

static int64_t say_given(struct actor *self, struct talk_end *end, const char *buf, size_t size)
{
	struct gift *gift = malloc(sizeof(*gift) + size);
	int64_t result;

	*gift = (struct gift){.run = self->run, .id = end->out->id, .pos = end->out->sent, .size = size};
	memcpy(gift->data, buf, size);
	self->run->given_nr++;
	result = aion_outlet_give(&end->conn.outlet, gift->data, size, gift_release, gift);
	talk_told(self, end, "outlet_give", result, 0, NOT_REFUSED);
	if (result == 0)
		note_sent(self, end->out, size);
	return result;
}

static int64_t say_by_stream(struct actor *self, struct talk_end *end, bool is_vector, char *buf, size_t size)
{
	size_t done = SIZE_MAX;
	struct iovec iov[3];
	int64_t result;

	cut(self, iov, buf, size);
	if (is_vector)
		result = aion_stream_writev(&end->stream, iov, 3, &done);
	else
		result = aion_stream_write(&end->stream, buf, size, &done);
	talk_told(self, end, "stream_write", result, 0, PERHAPS_REFUSED);
	if (done > size || (result == 0 && done != size))
		run_fail(self->run, "%zu bytes of %zu are taken, and the result is %lld", done, size,
			 (long long)result);
	note_sent(self, end->out, done);
	return result;
}

static int64_t say_flush(struct actor *self, struct talk_end *end)
{
	int64_t result = end->is_stream ? aion_stream_flush(&end->stream) : aion_conn_flush(&end->conn);

	return talk_told(self, end, "flush", result, 0, PERHAPS_REFUSED);
}

static int64_t say_form(struct actor *self, struct talk_end *end, enum say_form form, char *buf, size_t size)
{
	if (form == SAY_FLUSH)
		return say_flush(self, end);
	if (end->is_stream)
		return say_by_stream(self, end, form & 1, buf, size);
	switch (form) {
	case SAY_SEND_ALL:
	case SAY_SENDV_ALL:
		return say_all(self, end, form == SAY_SENDV_ALL, buf, size);
	case SAY_TRY_SEND:
		return say_at_once(self, end, buf, size);
	case SAY_LEND:
		return say_lent(self, end, buf, size);
	case SAY_GIVE:
		return say_given(self, end, buf, size);
	default:
		return say_queued(self, end, form == SAY_WRITEV, buf, size);
	}
}

static int64_t say_some(struct actor *self, struct talk_end *end)
{
	enum say_form form = (enum say_form)draw_below(&self->draw, SAY_FORM_NR);
	size_t size = (size_t)draw_magnitude(&self->draw, 1, SIZE_MAX_ONCE);
	bool is_hurried = draw_percent(&self->draw, 20);
	char *buf = malloc(size);
	struct aion_scope scope;
	struct shade shade;
	int64_t result;

	content_fill(buf, size, end->out->id, end->out->sent);
	end->out->offered = end->out->sent + size;
	if (is_hurried)
		shade_enter(self, &shade, &scope, run_now(self->run) + draw_short_delay(self), false);
	result = say_form(self, end, form, buf, size);
	if (is_hurried)
		shade_leave(self, &shade);
	memset(buf, 0xdd, size);
	free(buf);
	return result;
}

/* The other side shall hear of the end, whatever happens here. */
static void say_goodbye(struct actor *self, struct talk_end *end)
{
	struct aion_scope scope;
	struct shade shade;
	int64_t result = 0;

	if (end->is_closing)
		return;
	shade_enter_refuge(self, &shade, &scope);
	if (end->is_stream) {
		result = aion_stream_write_eof(&end->stream);
	} else {
		result = aion_conn_shutdown(&end->conn);
		if (result == 0)
			result = aion_conn_flush(&end->conn);
	}
	talk_told(self, end, "goodbye", result, 0, 0);
	shade_leave(self, &shade);
	end->out->is_finished = result == 0;
}

int64_t talk_say(struct actor *self, void *arg)
{
	struct talk_end *end = arg;
	uint64_t total = draw_magnitude(&self->draw, 1, draw_percent(&self->draw, 4) ? TOTAL_LARGE : TOTAL_MAX);
	int64_t result = 0;

	for (unsigned i = 0; i < CALL_NR_MAX && end->out->sent < total; i++) {
		result = say_some(self, end);
		if (!talk_goes_on(self, end, result))
			break;
		if (draw_percent(&self->draw, 10))
			actor_pause(self);
	}
	say_goodbye(self, end);
	if (!end->out->is_finished) {
		talk_give_up(end->talk);
		party_cancel(self->run, self->party);
	}
	return result == -ECANCELED && aion_cancelled() ? result : 0;
}
