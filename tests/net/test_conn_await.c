/* SPDX-License-Identifier: MIT */
/*
 * An echo exchange in which one call is cancelled while it waits, each of them in turn: who was interrupted goes on,
 * and what is heard is what was said.
 */
#include "test_inlet.h"

#define SAID_SIZE ((size_t)300000) /* bytes: more than sockets hold, so that all wait */
#define PIECE_SIZE 25000

enum victim {
	VICTIM_SAY,
	VICTIM_HEAR,
	VICTIM_SERVE,
	VICTIM_NR,
};

struct exchange {
	struct aion_conn client, server;
	enum victim victim;
	struct aion_scope *scope; /* what the victim waits in; NULL: it does not wait */
	int call_nr;              /* of the victim's calls */
	int strike_at;            /* the one that is cancelled */
	struct aion_future due;   /* done: it has begun */
	bool is_struck;           /* a call of it was cut short */
	size_t heard_size;
};

static void victim_enter(struct exchange *exchange, enum victim who, struct aion_scope *scope)
{
	aion_scope_enter(scope, AION_NEVER);
	if (who != exchange->victim)
		return;
	exchange->scope = scope;
	if (exchange->call_nr++ == exchange->strike_at)
		aion_future_complete(&exchange->due, 0);
}

static void victim_leave(struct exchange *exchange, enum victim who, struct aion_scope *scope, int64_t result)
{
	aion_scope_leave(scope);
	if (who != exchange->victim)
		return;
	exchange->scope = NULL;
	exchange->is_struck |= result == -ECANCELED;
}

static void send_whole(struct exchange *exchange, enum victim who, struct aion_conn *conn, const char *data,
		       size_t size)
{
	size_t at = 0, done;
	int64_t result;

	do {
		struct aion_scope scope;

		victim_enter(exchange, who, &scope);
		result = aion_conn_send_all(conn, data + at, size - at, &done);
		victim_leave(exchange, who, &scope, result);
		at += done;
	} while (result == -ECANCELED);
	assert_result(result, 0);
	cr_assert_eq(at, size);
}

static int64_t recv_some(struct exchange *exchange, enum victim who, struct aion_conn *conn,
			 struct aion_buffer **ret_buffer)
{
	int64_t result;

	do {
		struct aion_scope scope;

		victim_enter(exchange, who, &scope);
		result = aion_conn_recv(conn, ret_buffer);
		victim_leave(exchange, who, &scope, result);
	} while (result == -ECANCELED);
	cr_assert_geq(result, 0);
	return result;
}

/* So that the others have to wait. */
static void dawdle(void)
{
	for (int i = 0; i < 4; i++)
		aion_nop();
}

static int64_t say(void *arg)
{
	struct exchange *exchange = arg;
	static char data[PIECE_SIZE];

	for (size_t said = 0; said < SAID_SIZE; said += sizeof(data)) {
		size_t size = SAID_SIZE - said < sizeof(data) ? SAID_SIZE - said : sizeof(data);

		test_fill(data, size, said);
		send_whole(exchange, VICTIM_SAY, &exchange->client, data, size);
	}
	assert_result(aion_conn_shutdown(&exchange->client), 0);
	return 0;
}

static int64_t hear(void *arg)
{
	struct exchange *exchange = arg;
	struct aion_buffer *buffer;
	int64_t result;

	while ((result = recv_some(exchange, VICTIM_HEAR, &exchange->client, &buffer)) > 0) {
		cr_assert(test_is_filled(buffer->data, (size_t)result, exchange->heard_size));
		exchange->heard_size += (size_t)result;
		aion_buffer_release(buffer);
		dawdle();
	}
	return 0;
}

static int64_t serve(void *arg)
{
	struct exchange *exchange = arg;
	struct aion_buffer *buffer;
	int64_t result;

	while ((result = recv_some(exchange, VICTIM_SERVE, &exchange->server, &buffer)) > 0) {
		send_whole(exchange, VICTIM_SERVE, &exchange->server, buffer->data, (size_t)result);
		aion_buffer_release(buffer);
		dawdle();
	}
	assert_result(aion_conn_shutdown(&exchange->server), 0);
	return 0;
}

/* So that it is a matter of many turns. (The machine's sockets are narrow by themselves.) */
static void narrow(const int fds[2])
{
	const int size = 4608;

	for (int i = 0; i < 2 && !test_is_simulated(); i++)
		cr_assert_eq(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
}

/* When its call has begun to wait, or some turns later. */
static int64_t strike(void *arg)
{
	struct exchange *exchange = arg;

	if (aion_await(&exchange->due) < 0)
		return 0;
	for (int i = 0; i < exchange->strike_at % 3; i++)
		aion_yield();
	if (exchange->scope)
		aion_scope_cancel(exchange->scope);
	return 0;
}

static void exchange_begin(struct exchange *exchange)
{
	int fds[2];

	assert_result(aion_socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	narrow(fds);
	aion_future_init(&exchange->due);
	cr_assert_eq(aion_conn_open(&exchange->client, fds[0]), 0);
	cr_assert_eq(aion_conn_open(&exchange->server, fds[1]), 0);
}

static void exchange_end(struct exchange *exchange)
{
	cr_assert_eq(exchange->heard_size, SAID_SIZE, "victim %d, call %d: %zu", exchange->victim, exchange->strike_at,
		     exchange->heard_size);
	aion_conn_close(&exchange->client);
	aion_conn_close(&exchange->server);
	cr_assert_eq(test_stats().in_flight_nr, 0);
	for (int i = 0; i < AION__GROUP_NR; i++)
		cr_assert_eq(test_group((enum aion__group_size)i)->taken_nr, 0);
}

/* Whether the victim has had so many calls. */
static bool exchange_strike(struct exchange *exchange)
{
	struct aion_group group, striker;

	exchange_begin(exchange);
	aion_group_enter(&striker);
	aion_spawn(&striker, strike, exchange);
	aion_group_enter(&group);
	aion_spawn(&group, serve, exchange);
	aion_spawn(&group, say, exchange);
	aion_spawn(&group, hear, exchange);
	assert_result(aion_group_leave(&group, 0), 0);
	aion_group_cancel(&striker);
	assert_result(aion_group_leave(&striker, 0), 0);
	exchange_end(exchange);
	return exchange->call_nr > exchange->strike_at;
}

/* What has come when one is told to stop is taken all the same: so some of them strike nothing. */
SPARED_TEST(conn_await, a_cancellation_at_every_await_of_an_echo_loses_and_doubles_no_byte)
{
	int struck_nr = 0;

	for (int victim = 0; victim < VICTIM_NR; victim++) {
		bool is_over = false;

		for (int nr = 0; !is_over; nr++) {
			struct exchange exchange = {.victim = (enum victim)victim, .strike_at = nr};

			is_over = !exchange_strike(&exchange);
			struck_nr += exchange.is_struck;
		}
	}
	cr_assert_gt(struck_nr, 2);
}
