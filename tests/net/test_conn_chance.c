/* SPDX-License-Identifier: MIT */
/*
 * Echo on simulated machines, with cancels wherever it waits: whatever strikes, what is heard is what was said, not one
 * byte lost or doubled; and all of it, unless the connection broke.
 */
#include <aion/sim.h>

#include "test_inlet.h"

#define SEED_NR 40
#define SAID_MAX ((size_t)150000) /* bytes */
#define PIECE_MAX 20000u

struct exchange {
	struct aion_conn client;
	struct aion_conn server;
	uint64_t random;
	size_t said_size; /* by the client, in all */
	size_t echoed_size;
	size_t heard_size;
	bool is_broken;
};

/* 0 … n - 1 */
static unsigned draw(struct exchange *exchange, unsigned n)
{
	exchange->random ^= exchange->random << 13;
	exchange->random ^= exchange->random >> 7;
	exchange->random ^= exchange->random << 17;
	return (unsigned)((exchange->random >> 16) % n);
}

/* Everything waits in a scope that is soon over, now and then at once. */
static void impatient_enter(struct exchange *exchange, struct aion_scope *scope)
{
	aion_scope_enter(scope, draw(exchange, 3) ? aion_after(draw(exchange, 30000)) : AION_NEVER);
	if (draw(exchange, 20) == 0)
		aion_scope_cancel(scope);
}

/* Send all, however often it is cut short. */
static int64_t send_stubbornly(struct exchange *exchange, struct aion_conn *conn, const char *data, size_t size)
{
	int64_t result = -ECANCELED;

	for (size_t done = 0, sent; done < size && result == -ECANCELED; done += sent) {
		struct aion_scope scope;

		impatient_enter(exchange, &scope);
		result = aion_conn_send_all(conn, data + done, size - done, &sent);
		aion_scope_leave(&scope);
		cr_assert_leq(sent, size - done);
		cr_assert(result < 0 || sent == size - done);
	}
	return result;
}

/* The other side shall hear of the end, whatever it is. */
static void finish(struct exchange *exchange, struct aion_conn *conn, int64_t result)
{
	if (result >= 0)
		result = aion_conn_shutdown(conn);
	if (result >= 0)
		result = aion_conn_flush(conn);
	if (result >= 0)
		return;
	exchange->is_broken = true;
	aion_conn_close(conn);
}

/* ---- the server */

static int64_t echo_lent(struct exchange *exchange)
{
	struct aion_buffer *buffer = NULL;
	struct aion_scope scope;
	int64_t result;

	impatient_enter(exchange, &scope);
	result = draw(exchange, 4) ? aion_conn_recv(&exchange->server, &buffer)
				   : aion_conn_try_recv(&exchange->server, &buffer);
	aion_scope_leave(&scope);
	cr_assert_eq(result > 0, buffer != NULL);
	if (result <= 0)
		return result;
	cr_assert_eq((size_t)result, buffer->size);
	cr_assert(test_is_filled(buffer->data, buffer->size, exchange->echoed_size));
	exchange->echoed_size += buffer->size;
	result = send_stubbornly(exchange, &exchange->server, buffer->data, buffer->size);
	aion_buffer_release(buffer);
	return result < 0 ? result : 1;
}

static int64_t echo_copied(struct exchange *exchange)
{
	char data[5000];
	struct aion_scope scope;
	int64_t result;

	impatient_enter(exchange, &scope);
	result = aion_conn_read(&exchange->server, data, 1 + draw(exchange, sizeof(data)));
	aion_scope_leave(&scope);
	if (result <= 0)
		return result;
	cr_assert(test_is_filled(data, (size_t)result, exchange->echoed_size));
	exchange->echoed_size += (size_t)result;
	result = send_stubbornly(exchange, &exchange->server, data, (size_t)result);
	return result < 0 ? result : 1;
}

static bool is_impatience(int64_t result)
{
	return result == -ECANCELED || result == -EAGAIN || result == -ENOMEM;
}

static int64_t serve(void *arg)
{
	struct exchange *exchange = arg;
	int64_t result;

	do {
		result = draw(exchange, 3) ? echo_lent(exchange) : echo_copied(exchange);
		if (result == -EAGAIN)
			aion_yield();
	} while (result > 0 || is_impatience(result));
	finish(exchange, &exchange->server, result);
	return 0;
}

/* ---- the client */

static int64_t say(void *arg)
{
	struct exchange *exchange = arg;
	static char data[PIECE_MAX];
	int64_t result = 0;

	for (size_t said = 0; said < exchange->said_size && result >= 0;) {
		size_t size = 1 + draw(exchange, draw(exchange, 2) ? 100 : PIECE_MAX);

		if (size > exchange->said_size - said)
			size = exchange->said_size - said;
		test_fill(data, size, said);
		result = send_stubbornly(exchange, &exchange->client, data, size);
		said += size;
		if (draw(exchange, 4) == 0)
			aion_sleep(draw(exchange, 50000));
	}
	finish(exchange, &exchange->client, result);
	return 0;
}

static int64_t hear(void *arg)
{
	struct exchange *exchange = arg;
	struct aion_buffer *buffer;
	int64_t result;

	do {
		struct aion_scope scope;

		impatient_enter(exchange, &scope);
		result = aion_conn_recv(&exchange->client, &buffer);
		aion_scope_leave(&scope);
		if (result > 0) {
			cr_assert(test_is_filled(buffer->data, (size_t)result, exchange->heard_size));
			exchange->heard_size += (size_t)result;
			if (draw(exchange, 8) == 0)
				aion_sleep(draw(exchange, 200000));
			aion_buffer_release(buffer);
		}
	} while (result > 0 || is_impatience(result));
	if (result < 0)
		exchange->is_broken = true;
	return 0;
}

struct run {
	struct aion_sim *sim;
	uint64_t seed;
	int domain;
};

static int64_t exchange_task(void *arg)
{
	const struct run *run = arg;
	struct exchange exchange = {.random = run->seed * 0x9e3779b97f4a7c15 + 1};
	struct aion_group group;
	int fds[2];

	exchange.said_size = 1 + draw(&exchange, SAID_MAX);
	cr_assert_eq(aion_sim_socketpair(run->sim, run->domain, SOCK_STREAM, fds), 0);
	cr_assert_eq(aion_conn_open(&exchange.client, fds[0]), 0);
	cr_assert_eq(aion_conn_open(&exchange.server, fds[1]), 0);
	aion_group_enter(&group);
	aion_spawn(&group, serve, &exchange);
	aion_spawn(&group, say, &exchange);
	aion_spawn(&group, hear, &exchange);
	assert_result(aion_group_leave(&group, 0), 0);
	cr_assert_leq(exchange.echoed_size, exchange.said_size);
	cr_assert_leq(exchange.heard_size, exchange.echoed_size);
	if (!exchange.is_broken)
		cr_assert_eq(exchange.heard_size, exchange.said_size, "seed %llu: %zu of %zu",
			     (unsigned long long)run->seed, exchange.heard_size, exchange.said_size);
	aion_conn_close(&exchange.client);
	aion_conn_close(&exchange.server);
	for (int i = 0; i < AION__GROUP_NR; i++)
		cr_assert_eq(test_group((enum aion__group_size)i)->taken_nr, 0);
	return exchange.is_broken;
}

/* Returns how many connections broke. */
static unsigned exchange_on_machines(enum aion_sim_profile profile, int domain, unsigned small_max, unsigned large_max)
{
	unsigned broken_nr = 0;

	aion__group_buffer_max[AION__GROUP_SMALL] = small_max;
	aion__group_buffer_max[AION__GROUP_LARGE] = large_max;
	for (uint64_t seed = 1; seed <= SEED_NR; seed++) {
		struct aion_sim *sim = NULL;
		struct run run = {.seed = seed, .domain = domain};
		int64_t result;

		cr_assert_eq(aion_sim_create(
				     &(struct aion_sim_options){.seed = seed, .profile = profile, .socket_size = 16384},
				     &sim),
			     0);
		run.sim = sim;
		result = aion_run(exchange_task, &run, &(struct aion_loop_options){.sim = sim});
		cr_assert(result == 0 || result == 1, "%lld", (long long)result);
		broken_nr += (unsigned)result;
		cr_assert_eq(aion_sim_check(sim), 0);
		aion_sim_destroy(sim);
	}
	return broken_nr;
}

Test(conn_chance, echo_is_whole_on_calm_machines)
{
	test_machine_own_profile();
	cr_assert_eq(exchange_on_machines(AION_SIM_CALM, AF_INET, 0, 0), 0);
	cr_assert_eq(exchange_on_machines(AION_SIM_CALM, AF_UNIX, 0, 0), 0);
}

Test(conn_chance, echo_is_whole_on_rough_machines)
{
	cr_assert_eq(exchange_on_machines(AION_SIM_ROUGH, AF_INET, 0, 0), 0);
	cr_assert_eq(exchange_on_machines(AION_SIM_ROUGH, AF_UNIX, 0, 0), 0);
}

Test(conn_chance, echo_is_whole_as_far_as_it_goes_on_hostile_machines)
{
	cr_assert_gt(exchange_on_machines(AION_SIM_HOSTILE, AF_INET, 0, 0), 0);
	cr_assert_gt(exchange_on_machines(AION_SIM_HOSTILE, AF_UNIX, 0, 0), 0);
}

/* Two connections and four buffers: they end, and are waited for, all the time. */
Test(conn_chance, echo_is_whole_where_buffers_are_few)
{
	test_machine_own_profile();
	cr_assert_eq(exchange_on_machines(AION_SIM_CALM, AF_INET, 4, 1), 0);
	cr_assert_eq(exchange_on_machines(AION_SIM_ROUGH, AF_INET, 4, 1), 0);
	exchange_on_machines(AION_SIM_HOSTILE, AF_INET, 4, 1);
}
