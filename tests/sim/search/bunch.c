/* SPDX-License-Identifier: MIT */
/* Futures of all kinds. */
#include "bunch.h"

#include <poll.h>

#include "wire.h"

static void effort_start(struct actor *self, struct bunch *bunch, struct bunch_item *item)
{
	item->future = &item->effort.op.future;
	switch (draw_below(&self->draw, 3)) {
	case 0:
		aion_op_nop(&item->effort.op);
		effort_begin(self, &item->effort, "op nop", 0, MAY_MEMORY, true);
		break;
	case 1:
		aion_op_read(&item->effort.op, bunch->fds[0], item->buf, sizeof(item->buf));
		effort_begin(self, &item->effort, "op read of nothing", -1, MAY_MEMORY | MAY_INTR, true);
		break;
	default:
		aion_op_poll(&item->effort.op, bunch->fds[1], POLLOUT);
		effort_begin(self, &item->effort, "op poll", 0xffff, MAY_MEMORY, true);
	}
}

static int64_t short_task(struct actor *self, void *unused)
{
	int64_t result = actor_pause(self);

	(void)unused;
	if (result >= 0 && draw_percent(&self->draw, 10))
		return -EDOM;
	return result < 0 ? result : (int64_t)draw_below(&self->draw, 1000);
}

static void item_start(struct actor *self, struct bunch *bunch, struct bunch_item *item)
{
	memset(item, 0, sizeof(*item));
	item->kind = (enum bunch_kind)draw_below(&self->draw, BUNCH_KIND_NR);
	if (item->kind == BUNCH_WARD) {
		actor_body *body = draw_percent(&self->draw, 30) && self->depth < DEPTH_MAX ? actor_live : short_task;

		item->future = &item->ward.handle.future;
		if (!actor_spawn_ward(self, &bunch->party, &item->ward, body, NULL))
			item->kind = BUNCH_TIMER;
	}
	switch (item->kind) {
	case BUNCH_EFFORT:
		effort_start(self, bunch, item);
		break;
	case BUNCH_SLOT:
		item->slot = slot_create(self, &bunch->party);
		item->future = &item->slot->future;
		break;
	case BUNCH_TIMER:
		item->deadline_ns = run_now(self->run) + draw_short_delay(self);
		aion_timer_init(&item->timer);
		item->future = &item->timer.future;
		if (actor_arm(self, &item->timer, item->deadline_ns))
			break;
		item->kind = BUNCH_EFFORT;
		effort_start(self, bunch, item);
		break;
	default:
		break;
	}
}

bool bunch_begin(struct actor *self, struct bunch *bunch, unsigned nr)
{
	if (wire_pipe(self, bunch->fds, 0) < 0)
		return false;
	party_enter(self, &bunch->party);
	bunch->nr = nr;
	for (unsigned i = 0; i < nr; i++) {
		item_start(self, bunch, &bunch->items[i]);
		bunch->futures[i] = bunch->items[i].future;
	}
	return true;
}

void bunch_check(struct actor *self, struct bunch_item *item)
{
	switch (item->kind) {
	case BUNCH_EFFORT:
		effort_result(self, &item->effort);
		break;
	case BUNCH_SLOT:
		slot_check(item->slot);
		break;
	case BUNCH_WARD:
		ward_check(self->run, &item->ward);
		break;
	default:
		if (item->future->result != 0 || run_now(self->run) < item->deadline_ns)
			run_fail(self->run, "a timer says %lld, %lld ns before its time",
				 (long long)item->future->result, (long long)(item->deadline_ns - run_now(self->run)));
	}
}

int64_t bunch_end(struct actor *self, struct bunch *bunch, int64_t result)
{
	for (unsigned i = 0; i < bunch->nr; i++) {
		struct bunch_item *item = &bunch->items[i];

		if (item->kind == BUNCH_EFFORT)
			effort_reap(&item->effort);
		if (item->kind == BUNCH_TIMER && aion_timer_cancel(&item->timer) == aion_future_is_done(item->future))
			run_fail(self->run, "a timer is armed after it has fired, or the reverse");
		if (aion_future_is_done(item->future))
			bunch_check(self, item);
		if (item->kind == BUNCH_SLOT)
			slot_leave(item->slot);
	}
	result = party_leave(self, &bunch->party, result == -ECANCELED && aion_cancelled() ? result : 0);
	for (unsigned i = 0; i < bunch->nr; i++)
		if (bunch->items[i].kind == BUNCH_WARD)
			ward_fini(self->run, &bunch->items[i].ward);
	wire_close(self, bunch->fds[0]);
	wire_close(self, bunch->fds[1]);
	return result;
}
