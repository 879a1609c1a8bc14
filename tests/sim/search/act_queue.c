/* SPDX-License-Identifier: MIT */
/*
 * Queues of all kinds and channels: tasks put and get while they are cancelled, wait until all is done, shut down. A
 * model of its own says before each call who will have which item: in the right order, each once, the first who waits
 * first.
 */
#include "actor.h"

#define TRADER_NR_MAX 5
#define STEP_NR_MAX 8 /* of a trader */
#define ROOM_NR 64    /* of the model, for queues without bounds */

enum market_kind {
	MARKET_FIFO,
	MARKET_LIFO,
	MARKET_PRIORITY,
	MARKET_CHANNEL,
	MARKET_THREADS, /* the queue between threads, among the tasks of one loop */
	MARKET_KIND_NR,
};

struct ware {
	intptr_t id;
	int64_t priority;
};

/* A task that waits, as the model sees it. */
struct stand {
	struct stand *next;
	const struct actor *actor;
	struct ware ware; /* to be put, or as soon as it is served the one that is got */
	bool is_served;
	bool may_be_withdrawn; /* by a cancellation whose time the model does not know, before it was told a word */
	int result;
};

struct market {
	struct run *run;
	enum market_kind kind;
	struct aion_queue queue;
	struct aion_sender sender;
	struct aion_receiver receiver;
	struct aion_thread_queue *threads;
	size_t capacity;
	bool is_unbounded; /* the capacity is the model's room */
	intptr_t last_id;

	struct ware in[ROOM_NR + 1];
	unsigned nr;
	struct stand *getters, *putters, *joiners;
	int put_refusal, get_refusal; /* what calls say that would have to wait, or 0 */
	unsigned unfinished_nr;
};

/* ---- the model */

static void stands_add(struct stand **list, struct stand *stand)
{
	while (*list)
		list = &(*list)->next;
	stand->next = NULL;
	*list = stand;
}

static void stands_remove(struct stand **list, const struct stand *stand)
{
	while (*list && *list != stand)
		list = &(*list)->next;
	if (*list)
		*list = stand->next;
}

/*
 * A cancelled task stays in line until it runs, and may still be served; but from the queue between threads it is
 * withdrawn at once.
 */
static struct stand *stands_serve(const struct market *market, struct stand **list, int result)
{
	struct stand *stand;

	while ((stand = *list)) {
		*list = stand->next;
		if (market->kind == MARKET_THREADS) {
			struct verdict verdict = shade_judge(market->run, stand->actor->shade);

			if (verdict.is_cancelled)
				continue;
			stand->may_be_withdrawn = verdict.is_perhaps && result < 0;
		}
		stand->is_served = true;
		stand->result = result;
		return stand;
	}
	return NULL;
}

static void stands_serve_all(const struct market *market, struct stand **list, int result)
{
	while (stands_serve(market, list, result))
		;
}

static int model_put(struct market *market, struct ware ware)
{
	struct stand *getter;

	if (market->put_refusal)
		return market->put_refusal;
	getter = stands_serve(market, &market->getters, 0);
	if (!getter && market->nr >= market->capacity)
		return -EAGAIN;
	if (getter)
		getter->ware = ware;
	else
		market->in[market->nr++] = ware;
	market->unfinished_nr++;
	return 0;
}

static struct ware model_take(struct market *market)
{
	unsigned which = market->kind == MARKET_LIFO ? market->nr - 1 : 0;
	struct ware ware;

	for (unsigned i = 1; market->kind == MARKET_PRIORITY && i < market->nr; i++)
		if (market->in[i].priority < market->in[which].priority)
			which = i;
	ware = market->in[which];
	market->nr--;
	memmove(&market->in[which], &market->in[which + 1], (market->nr - which) * sizeof(ware));
	return ware;
}

static int model_get(struct market *market, struct ware *ret_ware)
{
	struct stand *putter;

	if (market->get_refusal == -EBADF)
		return -EBADF;
	if (market->nr) {
		*ret_ware = model_take(market);
		putter = stands_serve(market, &market->putters, 0);
		if (putter)
			market->in[market->nr++] = putter->ware;
	} else {
		putter = stands_serve(market, &market->putters, 0); /* without any room they meet */
		if (!putter)
			return market->get_refusal ? market->get_refusal : -EAGAIN;
		*ret_ware = putter->ware;
	}
	market->unfinished_nr += putter != NULL;
	return 0;
}

static void model_finish(struct market *market, unsigned nr)
{
	market->unfinished_nr -= nr;
	if (!market->unfinished_nr)
		stands_serve_all(market, &market->joiners, 0);
}

/* ---- the calls, of all kinds the same */

static int market_put(struct market *market, const struct ware *ware, bool is_trying)
{
	void *item = (void *)ware->id;

	if (market->kind == MARKET_CHANNEL)
		return is_trying ? aion_channel_try_send(&market->sender, ware)
				 : aion_channel_send(&market->sender, ware);
	if (market->kind == MARKET_THREADS)
		return is_trying ? aion_thread_queue_try_put(market->threads, item)
				 : aion_thread_queue_put(market->threads, item);
	if (market->kind == MARKET_PRIORITY)
		return is_trying ? aion_queue_try_put_priority(&market->queue, item, ware->priority)
				 : aion_queue_put_priority(&market->queue, item, ware->priority);
	return is_trying ? aion_queue_try_put(&market->queue, item) : aion_queue_put(&market->queue, item);
}

static int market_get(struct market *market, struct ware *ret_ware, bool is_trying)
{
	void *item = NULL;
	int result;

	if (market->kind == MARKET_CHANNEL) {
		result = is_trying ? aion_channel_try_receive(&market->receiver, ret_ware)
				   : aion_channel_receive(&market->receiver, ret_ware);
		return result == 1 ? 0 : result == 0 ? -ESHUTDOWN : result;
	}
	if (market->kind == MARKET_THREADS)
		result = is_trying ? aion_thread_queue_try_get(market->threads, &item)
				   : aion_thread_queue_get(market->threads, &item);
	else
		result = is_trying ? aion_queue_try_get(&market->queue, &item) : aion_queue_get(&market->queue, &item);
	if (result == 0)
		ret_ware->id = (intptr_t)item;
	return result;
}

static void market_check_size(const struct market *market)
{
	struct aion_channel_stats stats = {0};
	size_t nr = aion_queue_size(&market->queue);

	if (market->kind == MARKET_THREADS)
		nr = aion_thread_queue_size(market->threads);
	if (market->kind == MARKET_CHANNEL) {
		if (aion_sender_stats(&market->sender, &stats) < 0 &&
		    aion_receiver_stats(&market->receiver, &stats) < 0)
			return;
		nr = stats.item_nr;
	}
	if (nr != market->nr)
		run_fail(market->run, "a queue of kind %d holds %zu items, not %u", (int)market->kind, nr, market->nr);
}

/* ---- what traders do */

/* A call has ended of which the model has said `expected` before; -EAGAIN: it has waited at the stand. */
static int trader_check(struct actor *self, struct market *market, const char *call, int result, int expected,
			struct stand *stand, struct stand **list, int64_t start_ns)
{
	bool is_word = result == -ESHUTDOWN || result == -EPIPE || result == -EBADF || result == -EAGAIN;

	told_promptly(self, call, result, is_word ? MAY_ANY : 0, start_ns);
	if (expected == -EAGAIN && stand) {
		if (!stand->is_served)
			stands_remove(list, stand);
		expected = stand->is_served ? stand->result : -ECANCELED;
		if (stand->is_served && stand->may_be_withdrawn && result == -ECANCELED)
			expected = result;
	}
	if (result != expected)
		run_fail(market->run, "%s of task %u in a queue of kind %d says %d, not %d", call, self->nr,
			 (int)market->kind, result, expected);
	return result;
}

static int64_t trader_put(struct actor *self, struct market *market, bool is_trying)
{
	struct ware ware = {.priority = (int64_t)draw_below(&self->draw, 4) - 2};
	bool is_cancelled = !is_trying && aion_cancelled();
	struct stand stand = {.actor = self};
	int64_t start_ns = run_now(self->run);
	int expected, result;

	if (market->nr == ROOM_NR)
		return 0;
	ware.id = ++market->last_id;
	stand.ware = ware;
	expected = is_cancelled ? -ECANCELED : model_put(market, ware);
	if (expected == -EAGAIN && !is_trying)
		stands_add(&market->putters, &stand);
	result = market_put(market, &ware, is_trying);
	if (result == -ENOMEM && expected == 0 && market->is_unbounded && self->run->memory_is_scarce) {
		market->nr--; /* a queue that could not grow: as if nothing had happened */
		market->unfinished_nr--;
		return 0;
	}
	return trader_check(self, market, "put", result, expected, is_trying ? NULL : &stand, &market->putters,
			    start_ns);
}

/* The work on what was got. */
static int64_t trader_finish(struct actor *self, struct market *market)
{
	int64_t result = draw_percent(&self->draw, 50) ? actor_pause(self) : 0;

	model_finish(market, 1);
	if (market->kind <= MARKET_PRIORITY && aion_queue_task_done(&market->queue) != 0)
		run_fail(self->run, "task_done() is refused");
	return result;
}

static int64_t trader_get(struct actor *self, struct market *market, bool is_trying)
{
	bool is_cancelled = !is_trying && aion_cancelled();
	int64_t start_ns = run_now(self->run);
	struct stand stand = {.actor = self};
	struct ware got = {0};
	int expected, result;

	expected = is_cancelled ? -ECANCELED : model_get(market, &stand.ware);
	if (expected == -EAGAIN && !is_trying)
		stands_add(&market->getters, &stand);
	result = market_get(market, &got, is_trying);
	trader_check(self, market, "get", result, expected, is_trying ? NULL : &stand, &market->getters, start_ns);
	if (result == 0 && got.id != stand.ware.id)
		run_fail(self->run, "task %u got item %ld of a queue of kind %d, not %ld", self->nr, (long)got.id,
			 (int)market->kind, (long)stand.ware.id);
	return result == 0 ? trader_finish(self, market) : result;
}

static int64_t trader_join(struct actor *self, struct market *market)
{
	int64_t start_ns = run_now(self->run);
	struct stand stand = {.actor = self};
	int expected = aion_cancelled() ? -ECANCELED : market->unfinished_nr ? -EAGAIN : 0;

	if (market->kind > MARKET_PRIORITY)
		return 0;
	if (expected == -EAGAIN)
		stands_add(&market->joiners, &stand);
	return trader_check(self, market, "join", aion_queue_join(&market->queue), expected, &stand, &market->joiners,
			    start_ns);
}

/* ---- the end */

static void market_drop(void *item, void *arg)
{
	struct market *market = arg;
	intptr_t id = market->kind == MARKET_CHANNEL ? ((struct ware *)item)->id : (intptr_t)item;
	struct ware ware;

	if (!market->nr)
		run_fail(market->run, "a queue drops more than it has");
	ware = model_take(market);
	if (ware.id != id)
		run_fail(market->run, "a queue of kind %d drops item %ld, not %ld", (int)market->kind, (long)id,
			 (long)ware.id);
}

static void market_shutdown(struct market *market)
{
	if (market->kind == MARKET_CHANNEL) {
		stands_serve_all(market, &market->putters, -EBADF);
		stands_serve_all(market, &market->getters, -ESHUTDOWN);
		market->put_refusal = -EBADF;
		aion_sender_close(&market->sender);
	} else {
		stands_serve_all(market, &market->putters, -ESHUTDOWN);
		stands_serve_all(market, &market->getters, -ESHUTDOWN);
		market->put_refusal = -ESHUTDOWN;
		if (market->kind == MARKET_THREADS)
			aion_thread_queue_close(market->threads);
		else
			aion_queue_shutdown(&market->queue);
	}
	if (!market->get_refusal)
		market->get_refusal = -ESHUTDOWN;
}

static void market_shutdown_now(struct market *market)
{
	unsigned nr = market->nr;
	void *item;

	if (market->kind == MARKET_CHANNEL) {
		stands_serve_all(market, &market->putters, -EPIPE);
		stands_serve_all(market, &market->getters, -EBADF);
		market->get_refusal = -EBADF;
		if (!market->put_refusal)
			market->put_refusal = -EPIPE;
		aion_receiver_close(&market->receiver);
		model_finish(market, nr);
		return;
	}
	market_shutdown(market);
	if (market->kind == MARKET_THREADS) {
		while (aion_thread_queue_try_get(market->threads, &item) == 0)
			market_drop(item, market);
	} else if (aion_queue_shutdown_now(&market->queue, market_drop, market) != nr)
		run_fail(market->run, "a queue of kind %d does not drop the %u items that it has", (int)market->kind,
			 nr);
	model_finish(market, nr);
}

/* ---- */

/*
 * The model speaks at the moment of the call: after a yield the budget is fresh, and nobody runs in between. Whether
 * the call will be made by one who is cancelled is known then, too.
 */
static int64_t trader_step(struct actor *self, struct market *market)
{
	unsigned choice = (unsigned)draw_below(&self->draw, 100);
	int64_t result = told(self, "yield of a trader", aion_yield(), 0, 0);

	if (result < 0)
		return result;
	if (choice < 30)
		return trader_put(self, market, false);
	if (choice < 62)
		return trader_get(self, market, false);
	if (choice < 70)
		result = trader_put(self, market, true);
	else if (choice < 78)
		result = trader_get(self, market, true);
	else if (choice < 83)
		return trader_join(self, market);
	else if (choice < 84)
		market_shutdown(market);
	else if (choice < 85)
		market_shutdown_now(market);
	else
		return actor_pause(self);
	return result == -ECANCELED ? result : 0;
}

/* With a deadline around it: always for who must not wait for ever. */
static int64_t trader_step_in_time(struct actor *self, struct market *market)
{
	struct aion_scope scope;
	struct shade shade;
	int64_t result;

	shade_enter(self, &shade, &scope, run_now(self->run) + draw_short_delay(self), false);
	result = trader_step(self, market);
	shade_leave(self, &shade);
	return result;
}

/* In haste: with a deadline at every step, as somebody has to go on and close the market. */
static int64_t trade(struct actor *self, struct market *market, bool in_haste)
{
	unsigned step_nr = (unsigned)draw_between(&self->draw, 1, STEP_NR_MAX);
	int64_t result = 0;

	while (step_nr--) {
		if (in_haste || draw_percent(&self->draw, 30))
			result = trader_step_in_time(self, market);
		else
			result = trader_step(self, market);
		market_check_size(market);
		if (aion_cancelled() && draw_percent(&self->draw, 50))
			return -ECANCELED;
	}
	return result == -ECANCELED && aion_cancelled() ? result : 0;
}

static int64_t trader(struct actor *self, void *market)
{
	return trade(self, market, false);
}

static bool market_open(struct actor *self, struct market *market)
{
	struct aion_channel_options options = {sizeof(struct ware), 0, market_drop, market};
	int result;

	memset(market, 0, sizeof(*market));
	market->run = self->run;
	market->kind = (enum market_kind)draw_below(&self->draw, MARKET_KIND_NR);
	if (market->kind == MARKET_THREADS && shade_judge(self->run, self->shade).is_perhaps)
		market->kind = MARKET_FIFO; /* who is withdrawn would not be known */
	market->capacity = (size_t)draw_between(&self->draw, market->kind == MARKET_CHANNEL ? 0 : 1, 3);
	market->is_unbounded = draw_percent(&self->draw, 15);
	options.capacity = market->is_unbounded ? AION_QUEUE_UNBOUNDED : market->capacity;
	if (market->is_unbounded)
		market->capacity = ROOM_NR;
	if (market->kind == MARKET_CHANNEL)
		result = aion_channel_create(&options, &market->sender, &market->receiver);
	else if (market->kind == MARKET_THREADS)
		result = aion_thread_queue_create(options.capacity, &market->threads);
	else
		result = aion_queue_init(&market->queue, (enum aion_queue_kind)market->kind, options.capacity);
	if (result != 0 && (result != -ENOMEM || !self->run->memory_is_scarce))
		run_fail(self->run, "a queue cannot be made: %d", result);
	return result == 0;
}

static void market_close(struct market *market)
{
	if (market->getters || market->putters || market->joiners || market->nr || market->unfinished_nr)
		run_fail(market->run, "something is left of a queue that was shut down");
	if (market->kind <= MARKET_PRIORITY && aion_queue_task_done(&market->queue) != -EINVAL)
		run_fail(market->run, "a queue of which all is done has something to do");
	aion_sender_close(&market->sender);
	aion_thread_queue_destroy(market->threads);
	aion_queue_fini(&market->queue);
}

int64_t act_queue(struct actor *self)
{
	unsigned nr = (unsigned)draw_between(&self->draw, 1, TRADER_NR_MAX);
	struct market *market = malloc(sizeof(*market));
	struct ward wards[TRADER_NR_MAX];
	struct party party;
	int64_t result;

	if (!market_open(self, market)) {
		free(market);
		return 0;
	}
	party_enter(self, &party);
	memset(wards, 0, sizeof(wards));
	for (unsigned i = 0; i < nr; i++) {
		if (draw_percent(&self->draw, 50))
			actor_spawn_ward(self, &party, &wards[i], trader, market);
		else
			actor_spawn(self, &party, trader, market);
	}
	result = trade(self, market, true);
	if (draw_percent(&self->draw, 50)) {
		market_shutdown(market);
		if (result == 0)
			result = actor_pause(self);
	}
	market_shutdown_now(market);
	result = party_leave(self, &party, result);
	for (unsigned i = 0; i < nr; i++)
		if (wards[i].is_started)
			ward_fini(self->run, &wards[i]);
	market_close(market);
	free(market);
	return result;
}
