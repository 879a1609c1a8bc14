/* SPDX-License-Identifier: MIT */
/* An intake of datagrams: each comes once and whole, and stays as it is while it is lent. */
#include <limits.h>
#include <sys/socket.h>

#include <aion.h>

#include "effort.h"
#include "wire.h"

#define DATAGRAM_NR_MAX 40
#define DATAGRAM_SIZE_MAX 400 /* bytes */
#define BATCH_MAX 6
#define HOLD_MAX 3 /* kept back for a while */

struct shower {
	struct run *run;
	uint64_t id;
	int fds[2]; /* receiver's, sender's */
	unsigned sent_nr, got_nr;
	unsigned offered_nr;                       /* with those that are being sent */
	size_t sizes[DATAGRAM_NR_MAX + BATCH_MAX]; /* of those that were sent, and of those that are being sent */
	size_t room;                               /* what fits in a buffer, at least */
	struct aion_datagram held[HOLD_MAX];
	bool has_left[DATAGRAM_NR_MAX + BATCH_MAX];
	bool has_come[DATAGRAM_NR_MAX + BATCH_MAX];
	bool sender_has_left, receiver_has_left;
	bool is_broken;
};

/* ---- the sender */

static int64_t shower_send(struct actor *self, struct shower *shower)
{
	static const unsigned flags = MAY_MEMORY | MAY_INTR | MAY_RESET | MAY_GONE | PERHAPS_REFUSED;
	unsigned nr = (unsigned)draw_between(&self->draw, 1, BATCH_MAX);
	struct aion_datagram datagrams[BATCH_MAX];
	char data[BATCH_MAX][DATAGRAM_SIZE_MAX];
	unsigned first = shower->offered_nr, sent_nr = 0;
	size_t done = SIZE_MAX;
	int64_t result;

	for (unsigned i = 0; i < nr; i++) {
		size_t size = (size_t)draw_magnitude(&self->draw, 1, DATAGRAM_SIZE_MAX);

		shower->sizes[first + i] = size;
		content_fill(data[i], size, shower->id + first + i, 0);
		data[i][0] = (char)(first + i);
		datagrams[i] = (struct aion_datagram){.data = data[i], .size = size};
	}
	shower->offered_nr += nr;
	result = aion_datagram_send(shower->fds[1], datagrams, nr, &done);
	told(self, "datagram_send", result, 0, flags);
	for (unsigned i = 0; i < nr; i++) {
		bool is_sent = datagrams[i].result == (int64_t)datagrams[i].size;

		if (!is_sent && datagrams[i].result >= 0)
			run_fail(self->run, "a datagram of %zu bytes is sent as one of %lld", datagrams[i].size,
				 (long long)datagrams[i].result);
		shower->has_left[first + i] = is_sent;
		sent_nr += is_sent;
	}
	if (done != sent_nr || (result == 0) != (done == nr))
		run_fail(self->run, "%zu of %u datagrams are sent, and the result is %lld", done, nr,
			 (long long)result);
	shower->sent_nr += sent_nr;
	return result;
}

static bool shower_goes_on(struct actor *self, struct shower *shower, int64_t result)
{
	if (result == -EPIPE || result == -ECONNRESET || result == -ENOTCONN || result == -ECONNREFUSED)
		shower->is_broken = true;
	return !shower->is_broken && ((result == -ECANCELED && !aion_cancelled()) || actor_goes_on(self, result));
}

static int64_t shower_sender(struct actor *self, void *arg)
{
	struct shower *shower = arg;
	unsigned nr = (unsigned)draw_between(&self->draw, 1, DATAGRAM_NR_MAX);
	int64_t result = 0;

	while (shower->offered_nr < nr) {
		result = shower_send(self, shower);
		if (!shower_goes_on(self, shower, result))
			break;
		if (draw_percent(&self->draw, 15))
			actor_pause(self);
	}
	shower->sender_has_left = true;
	wire_close(self, shower->fds[1]);
	return result == -ECANCELED && aion_cancelled() ? result : 0;
}

/* ---- the receiver */

/* Which of them it is: its first byte says so. */
static unsigned datagram_check(const struct shower *shower, const struct aion_datagram *datagram)
{
	unsigned nr = datagram->size ? *(const unsigned char *)datagram->data : UINT_MAX;
	size_t size = nr < shower->offered_nr ? shower->sizes[nr] : 0;
	size_t fits = size < shower->room ? size : shower->room;

	if (nr >= shower->offered_nr)
		run_fail(shower->run, "datagram %u is received, and %u were sent", nr, shower->sent_nr);
	if (datagram->size < fits || datagram->size > size ||
	    !(datagram->flags & MSG_TRUNC) != (datagram->size == size))
		run_fail(shower->run, "datagram %u of %zu bytes is received as %zu, flags %d", nr, size, datagram->size,
			 datagram->flags);
	if (content_differs((const char *)datagram->data + 1, datagram->size - 1, shower->id + nr, 1) !=
	    datagram->size - 1)
		run_fail(shower->run, "datagram %u is received as another", nr);
	return nr;
}

/* Their order is kept only where there is room for them. */
static void datagram_note(struct shower *shower, const struct aion_datagram *datagram)
{
	unsigned nr = datagram_check(shower, datagram);

	if (shower->has_come[nr])
		run_fail(shower->run, "datagram %u comes twice", nr);
	shower->has_come[nr] = true;
	shower->got_nr++;
}

static void held_release(struct shower *shower, unsigned i)
{
	if (!shower->held[i].data)
		return;
	datagram_check(shower, &shower->held[i]);
	aion_datagram_release(&shower->held[i], 1);
	shower->held[i].data = NULL;
}

/* One of those that came is kept back, perhaps; the others go at once, in any order. */
static void batch_take(struct actor *self, struct shower *shower, struct aion_datagram *batch, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		unsigned place = (unsigned)draw_below(&self->draw, HOLD_MAX);

		datagram_note(shower, &batch[i]);
		if (draw_percent(&self->draw, 20)) {
			held_release(shower, place);
			shower->held[place] = batch[i];
			batch[i].lent = NULL;
		}
	}
	aion_datagram_release(batch, nr);
}

static int64_t shower_receive(struct actor *self, struct shower *shower, struct aion_datagram_intake *intake)
{
	unsigned max = (unsigned)draw_between(&self->draw, 1, BATCH_MAX);
	bool is_try = draw_percent(&self->draw, 20);
	struct aion_datagram batch[BATCH_MAX];
	struct aion_scope scope;
	struct shade shade;
	int64_t result;

	shade_enter(self, &shade, &scope, run_now(self->run) + draw_short_delay(self), false);
	result = is_try ? aion_datagram_try_next(intake, batch, max) : aion_datagram_next(intake, batch, max);
	told(self, "datagram_next", result, max,
	     MAY_MEMORY | MAY_RESET | MAY_GONE | (is_try ? MAY_WAIT | NOT_REFUSED : 0));
	shade_leave(self, &shade);
	if (result > 0)
		batch_take(self, shower, batch, (unsigned)result);
	return result;
}

/* Until the sender has left, and all of his has come. */
static int64_t shower_loop(struct actor *self, struct shower *shower, struct aion_datagram_intake *intake)
{
	int64_t result = 0;

	while (!shower->sender_has_left || shower->got_nr != shower->sent_nr) {
		result = shower_receive(self, shower, intake);
		if (result == -EAGAIN)
			actor_pause(self);
		else if (!shower_goes_on(self, shower, result))
			return result;
		if (draw_percent(&self->draw, 20))
			held_release(shower, (unsigned)draw_below(&self->draw, HOLD_MAX));
	}
	return result;
}

static int64_t shower_receiver(struct actor *self, void *arg)
{
	struct shower *shower = arg;
	struct aion_datagram_options options = {
		.buffer_nr = (unsigned)draw_magnitude(&self->draw, 4, 64),
		.datagram_size = shower->room,
	};
	struct aion_datagram_intake intake = {0};
	int64_t result = aion_datagram_open(&intake, shower->fds[0], &options);

	if (result != 0 && (result != -ENOMEM || !self->run->memory_is_scarce))
		run_fail(self->run, "an intake cannot be opened: %lld", (long long)result);
	if (result == 0)
		result = shower_loop(self, shower, &intake);
	aion_datagram_close(&intake);
	told(self, "datagram_close", 0, 0, PERHAPS_REFUSED);
	for (unsigned i = 0; i < HOLD_MAX; i++)
		held_release(shower, i);
	shower->receiver_has_left = true;
	wire_close(self, shower->fds[0]);
	return result == -ECANCELED && aion_cancelled() ? result : 0;
}

int64_t act_datagrams(struct actor *self)
{
	struct shower *shower = calloc(1, sizeof(*shower));
	struct party party;
	int64_t result;

	*shower = (struct shower){.run = self->run, .id = (uint64_t)++self->run->name_nr << 32};
	shower->room = draw_percent(&self->draw, 70) ? DATAGRAM_SIZE_MAX : (size_t)draw_between(&self->draw, 1, 50);
	if (wire_socketpair(self, AF_UNIX, SOCK_DGRAM, shower->fds) < 0) {
		free(shower);
		return 0;
	}
	party_enter(self, &party);
	if (!actor_spawn(self, &party, shower_sender, shower)) {
		shower->sender_has_left = true;
		wire_close(self, shower->fds[1]);
	}
	if (!actor_spawn(self, &party, shower_receiver, shower)) {
		shower->receiver_has_left = true;
		wire_close(self, shower->fds[0]);
	}
	result = draw_percent(&self->draw, 20) ? actor_pause(self) : 0;
	if (draw_percent(&self->draw, 8))
		party_cancel(self->run, &party);
	result = party_leave(self, &party, result);
	for (unsigned i = 0; i < shower->offered_nr; i++)
		if (shower->has_come[i] && !shower->has_left[i])
			run_fail(self->run, "datagram %u has come, and its sender was told of an error", i);
	free(shower);
	return result;
}
