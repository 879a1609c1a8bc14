/* SPDX-License-Identifier: MIT */
/*
 * Streams against a model: random bytes come and go in random pieces, random calls read and write them, deadlines
 * strike at random, and now and then there is no memory. After every call what it gave must be what the model says.
 */
#include "test_stream.h"

#include "fault_int.h"

#define DATA_SIZE 40000

static size_t pick(uint64_t *random, size_t end)
{
	return test_random(random) % end;
}

/* Mostly short lines with "\r\n" or "\n", now and then a long one; separators that look like each other. */
static void data_make(char *data, size_t size, uint64_t *random)
{
	size_t run = 0;

	for (size_t i = 0; i < size; i++) {
		if (!run) {
			run = pick(random, 150) ? 1 + pick(random, 30) : 1 + pick(random, 3000);
			data[i] = "\n\n\r;--"[pick(random, 6)];
			if (data[i] == '\n' && i && pick(random, 2))
				data[i - 1] = '\r';
		} else {
			data[i] = (char)('a' + pick(random, 26));
		}
		run--;
	}
}

struct model {
	struct aion_stream *stream;
	size_t limit, write_size;
	uint64_t random, write_random;
	char in[DATA_SIZE], out[DATA_SIZE];
	size_t in_at;    /* taken by the reader */
	size_t out_at;   /* taken from the writer */
	const char *got; /* what has gone out, if that can be seen, and how much */
	const size_t *got_size;
};

/* What leaves all as it was. */
static bool is_passing(int64_t result)
{
	return result == -ECANCELED || result == -ENOMEM || result == -EAGAIN || result == -ENOBUFS;
}

/* ---- reading */

static void check_bytes(struct model *model, const char *data, size_t size)
{
	cr_assert_leq(size, DATA_SIZE - model->in_at);
	cr_assert(!size || memcmp(data, model->in + model->in_at, size) == 0, "wrong bytes at %zu", model->in_at);
}

static void take_some(struct model *model)
{
	size_t size = 1 + pick(&model->random, pick(&model->random, 8) ? 20 : 2000);
	char buf[2000];
	int64_t result = aion_stream_read(model->stream, buf, size);

	if (is_passing(result))
		return;
	cr_assert(result >= 0 && result <= (int64_t)size);
	cr_assert((result == 0) == (model->in_at == DATA_SIZE));
	check_bytes(model, buf, (size_t)result);
	model->in_at += (size_t)result;
}

static void take_exact(struct model *model, bool skips)
{
	size_t size = pick(&model->random, pick(&model->random, 8) ? 20 : 3000), done = 4711;
	size_t left = DATA_SIZE - model->in_at;
	char buf[3000];
	int64_t result = skips ? aion_stream_skip(model->stream, size, &done)
			       : aion_stream_read_exact(model->stream, buf, size, &done);

	cr_assert_leq(done, size);
	if (!skips)
		check_bytes(model, buf, done);
	if (!is_passing(result)) {
		assert_result(result, size <= left ? 0 : -ENODATA);
		cr_assert_eq(done, size <= left ? size : left);
	}
	model->in_at += done;
}

/* What until and line say: where the delimiter is, or what is said instead. */
static int64_t expected_until(struct model *model, const char *delimiter, size_t size)
{
	const char *from = model->in + model->in_at, *place;
	size_t left = DATA_SIZE - model->in_at;

	place = memmem(from, left, delimiter, size);
	if (place)
		return (size_t)(place - from) > model->limit ? -EMSGSIZE : place - from;
	if (left + 1 > model->limit + size)
		return -EMSGSIZE;
	return -ENODATA;
}

static void take_until(struct model *model)
{
	static const char *const delimiters[] = {"\n", "\r\n", ";", "--", "-;", "\r\n\r\n", "-a", "-abcdefgh"};
	const char *delimiter = delimiters[pick(&model->random, pick(&model->random, 4) ? 3 : 8)];
	size_t size = strlen(delimiter);
	int64_t expected = expected_until(model, delimiter, size), result;
	struct aion_stream_view view;

	if (expected == -ENODATA && model->in_at == DATA_SIZE)
		expected = 0;
	else if (expected >= 0)
		expected += (int64_t)size;
	result = aion_stream_read_until(model->stream, delimiter, size, &view);
	if (is_passing(result))
		return;
	assert_result(result, expected);
	if (result <= 0)
		return;
	cr_assert_eq(view.size, (size_t)result - size);
	check_bytes(model, view.data, (size_t)result);
	model->in_at += (size_t)result;
}

static void take_line(struct model *model)
{
	int64_t expected = expected_until(model, "\n", 1), result;
	const char *from = model->in + model->in_at;
	struct aion_stream_view view;
	size_t size;

	if (expected == -ENODATA)
		expected = DATA_SIZE - (int64_t)model->in_at;
	else if (expected >= 0)
		expected++;
	result = aion_stream_read_line(model->stream, &view);
	if (is_passing(result))
		return;
	assert_result(result, expected);
	if (result <= 0)
		return;
	size = (size_t)result;
	if (from[size - 1] == '\n')
		size -= 1 + (size > 1 && from[size - 2] == '\r');
	cr_assert_eq(view.size, size);
	check_bytes(model, view.data, size);
	cr_assert_eq(view.data[size], 0);
	model->in_at += (size_t)result;
}

static void look(struct model *model)
{
	size_t size = pick(&model->random, model->limit + 2), left = DATA_SIZE - model->in_at;
	struct aion_stream_view view;
	int64_t result = aion_stream_peek(model->stream, size, &view);

	if (size > model->limit && !is_passing(result)) {
		assert_result(result, -EMSGSIZE);
	} else if (!is_passing(result)) {
		cr_assert(result >= (int64_t)(size < left ? size : left));
		cr_assert_eq((size_t)result, view.size);
		check_bytes(model, view.data, view.size);
	}
	result = aion_stream_buffered(model->stream, &view);
	cr_assert_geq(result, 0);
	check_bytes(model, view.data, view.size);
	if (!pick(&model->random, 3)) {
		size = pick(&model->random, (size_t)result + 1);
		assert_result(aion_stream_consume(model->stream, size), 0);
		model->in_at += size;
	}
}

/* The next allocation (0), the one after it (1), or none (any other number). */
static void memory_fail(size_t what)
{
#ifdef AION_FAULTS
	if (what < 2)
		aion__fault_arm(AION__FAULT_ALLOC, (unsigned)what, 1, -ENOMEM);
	else
		aion__fault_reset();
#endif
}

static int64_t read_all(void *arg)
{
	struct model *model = arg;
	struct aion_scope scope;

	while (!aion_stream_at_eof(model->stream)) {
		aion_scope_enter(&scope, pick(&model->random, 3)
						 ? AION_NEVER
						 : aion_after((int64_t)pick(&model->random, 30) * AION_MICROSECOND));
		memory_fail(pick(&model->random, 16));
		switch (pick(&model->random, 8)) {
		case 0:
			take_some(model);
			break;
		case 1:
			take_exact(model, false);
			break;
		case 2:
			take_exact(model, true);
			break;
		case 3:
		case 4:
			take_until(model);
			break;
		case 5:
		case 6:
			take_line(model);
			break;
		default:
			look(model);
		}
		memory_fail(2);
		aion_scope_leave(&scope);
	}
	cr_assert_eq(model->in_at, DATA_SIZE);
	return 0;
}

/* ---- writing */

static void put_text(struct model *model, size_t size)
{
	int64_t result = aion_stream_printf(model->stream, "%.*s", (int)size, model->out + model->out_at);

	if (size > model->write_size && !is_passing(result))
		assert_result(result, -EMSGSIZE);
	else if (!is_passing(result))
		assert_result(result, (int64_t)size);
	if (result > 0)
		model->out_at += size;
}

static void put_vectors(struct model *model, size_t size)
{
	struct iovec iov[30];
	size_t off = model->out_at, done = 4711, part;
	int nr = 0;
	int64_t result;

	for (; nr < 30 && off < model->out_at + size; off += part) {
		part = pick(&model->write_random, size / 8 + 2);
		if (part > model->out_at + size - off)
			part = model->out_at + size - off;
		iov[nr++] = (struct iovec){model->out + off, part};
	}
	size = off - model->out_at;
	result = aion_stream_writev(model->stream, iov, nr, &done);
	cr_assert(result == 0 ? done == size : is_passing(result) && done <= size);
	model->out_at += done;
}

static void put_bytes(struct model *model, size_t size)
{
	size_t done = 4711;
	int64_t result = aion_stream_write(model->stream, model->out + model->out_at, size, &done);

	cr_assert(result == 0 ? done == size : is_passing(result) && done <= size);
	model->out_at += done;
}

static int64_t write_all(void *arg)
{
	struct model *model = arg;
	uint64_t *random = &model->write_random;
	struct aion_scope scope;
	int64_t result;
	size_t size;

	while (model->out_at < DATA_SIZE) {
		size = pick(random, pick(random, 3) ? 30 : 3000);
		if (size > DATA_SIZE - model->out_at)
			size = DATA_SIZE - model->out_at;
		aion_scope_enter(&scope, pick(random, 3) ? AION_NEVER
							 : aion_after((int64_t)pick(random, 30) * AION_MICROSECOND));
		switch (pick(random, 8)) {
		case 0:
			result = aion_stream_flush(model->stream);
			cr_assert(result == 0 || is_passing(result));
			cr_assert(result < 0 || aion_stream_unwritten_size(model->stream) == 0);
			break;
		case 1:
		case 2:
			put_vectors(model, size);
			break;
		case 3:
		case 4:
			put_text(model, size);
			break;
		default:
			put_bytes(model, size);
		}
		aion_scope_leave(&scope);
		cr_assert_leq(aion_stream_unwritten_size(model->stream), model->write_size);
		if (model->got) {
			cr_assert_eq(*model->got_size + aion_stream_unwritten_size(model->stream), model->out_at);
			cr_assert_eq(memcmp(model->got, model->out, *model->got_size), 0);
		}
	}
	do
		result = aion_stream_write_eof(model->stream);
	while (is_passing(result));
	return result;
}

/* ---- both, at the same time */

static struct model *model_make(uint64_t seed, struct aion_stream_options *ret_options)
{
	struct model *model = calloc(1, sizeof(*model));

	cr_assert(model);
	model->random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	for (int i = 0; i < 5; i++)
		test_random(&model->random);
	data_make(model->in, DATA_SIZE, &model->random);
	data_make(model->out, DATA_SIZE, &model->random);
	model->write_random = test_random(&model->random);
	model->limit = 1 + pick(&model->random, pick(&model->random, 2) ? 200 : 3000);
	model->write_size = 1 + pick(&model->random, pick(&model->random, 2) ? 50 : 3000);
	*ret_options = (struct aion_stream_options){
		.limit = model->limit,
		.write_size = model->write_size,
		.read_size = 1 + pick(&model->random, 5000),
	};
	return model;
}

static void model_run(struct model *model)
{
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn(&group, read_all, model);
	aion_spawn(&group, write_all, model);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(aion_stream_close(model->stream), 0);
}

static unsigned seed_nr(void)
{
	return test_is_small() ? 5 : 60;
}

TASK_TEST(stream_model, transport_in_memory)
{
	struct aion_stream_transport transport = wire_transport;

	for (uint64_t seed = 1; seed <= seed_nr(); seed++) {
		struct aion_stream stream = {0};
		struct aion_stream_options options;
		struct model *model = model_make(seed, &options);
		char *got = malloc(DATA_SIZE);
		struct test_wire wire = {
			.input = model->in,
			.input_size = DATA_SIZE,
			.output = got,
			.output_room = DATA_SIZE,
			.random = seed,
		};

		cr_assert(got);
		transport.wait = seed % 3 ? wire_wait : NULL;
		model->stream = &stream;
		model->got = got;
		model->got_size = &wire.output_at;
		assert_result(aion_stream_open_transport(&stream, &transport, &wire, &options), 0);
		model_run(model);
		cr_assert_eq(wire.output_at, DATA_SIZE);
		cr_assert_eq(wire.eof_nr, 1);
		free(got);
		free(model);
	}
}

struct peer {
	struct model *model;
	int in, out;
	uint64_t random;
};

static int64_t peer_send(void *arg)
{
	struct peer *peer = arg;
	size_t at = 0, size;
	ssize_t sent;

	while (at < DATA_SIZE) {
		size = 1 + pick(&peer->random, pick(&peer->random, 2) ? 20 : 5000);
		if (size > DATA_SIZE - at)
			size = DATA_SIZE - at;
		sent = write(peer->out, peer->model->in + at, size);
		cr_assert(sent > 0 || errno == EAGAIN);
		at += sent > 0 ? (size_t)sent : 0;
		aion_yield();
	}
	shutdown(peer->out, SHUT_WR); /* of a socket; the other descriptor is open for longer */
	close(peer->out);
	return 0;
}

static int64_t peer_recv(void *arg)
{
	struct peer *peer = arg;
	char buf[5000];
	size_t at = 0;
	ssize_t got;

	while ((got = read(peer->in, buf, 1 + pick(&peer->random, sizeof(buf)))) != 0) {
		cr_assert(got > 0 || errno == EAGAIN);
		if (got > 0) {
			cr_assert_leq(at + (size_t)got, (size_t)DATA_SIZE);
			cr_assert_eq(memcmp(buf, peer->model->out + at, (size_t)got), 0);
			at += (size_t)got;
		}
		aion_yield();
	}
	cr_assert_eq(at, DATA_SIZE);
	close(peer->in);
	return 0;
}

static void nonblocking(int fd)
{
	cr_assert_eq(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

/* A pair of pipes, small ones: writers wait. Every other one is non-blocking. */
TASK_TEST(stream_model, pipes)
{
	for (uint64_t seed = 1; seed <= seed_nr() / 4 + 1; seed++) {
		struct aion_stream stream = {0};
		struct aion_stream_options options;
		struct model *model = model_make(seed + 1000, &options);
		struct peer peer = {.model = model, .random = seed};
		struct aion_group group;
		int in[2], out[2];

		test_pipe(in);
		test_pipe(out);
		cr_assert_geq(fcntl(out[0], F_SETPIPE_SZ, 4096), 0);
		peer.in = out[0];
		peer.out = in[1];
		nonblocking(peer.in);
		nonblocking(peer.out);
		if (seed % 2) {
			nonblocking(in[0]);
			nonblocking(out[1]);
		}
		model->stream = &stream;
		aion_group_enter(&group);
		aion_spawn(&group, peer_send, &peer);
		aion_spawn(&group, peer_recv, &peer);
		assert_result(aion_stream_open_pair(&stream, in[0], out[1], &options), 0);
		model_run(model);
		assert_result(aion_group_leave(&group, 0), 0);
		free(model);
	}
}

TASK_TEST(stream_model, sockets)
{
	for (uint64_t seed = 1; seed <= seed_nr() / 4 + 1; seed++) {
		struct aion_stream stream = {0};
		struct aion_stream_options options;
		struct model *model = model_make(seed + 2000, &options);
		struct peer peer = {.model = model, .random = seed};
		struct aion_group group;
		int fds[2], small = 4096;

		test_stream_pair(fds);
		cr_assert_eq(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
		peer.in = fds[1];
		peer.out = dup(fds[1]);
		nonblocking(peer.in);
		model->stream = &stream;
		aion_group_enter(&group);
		aion_spawn(&group, peer_recv, &peer);
		aion_spawn(&group, peer_send, &peer);
		if (seed % 2)
			nonblocking(fds[0]);
		assert_result(aion_stream_open(&stream, fds[0], &options), 0);
		model_run(model);
		assert_result(aion_group_leave(&group, 0), 0);
		free(model);
	}
}

/* ---- peers that suspend, too: on a simulated machine the sockets are its own, with all that it does to them */

static int64_t peer_send_all(void *arg)
{
	struct peer *peer = arg;
	size_t at = 0, size;
	int64_t sent;

	while (at < DATA_SIZE) {
		size = 1 + pick(&peer->random, pick(&peer->random, 2) ? 20 : 5000);
		if (size > DATA_SIZE - at)
			size = DATA_SIZE - at;
		sent = test_again(aion_send(peer->out, peer->model->in + at, size, 0));
		cr_assert(sent > 0 || is_passing(sent));
		at += sent > 0 ? (size_t)sent : 0;
	}
	while (aion_shutdown(peer->out, SHUT_WR) < 0)
		aion_yield();
	return 0;
}

static int64_t peer_recv_all(void *arg)
{
	struct peer *peer = arg;
	char buf[5000] = ""; /* valgrind does not see what the kernel receives */
	size_t at = 0;
	int64_t got;

	while ((got = test_again(aion_recv(peer->in, buf, 1 + pick(&peer->random, sizeof(buf)), 0))) != 0) {
		cr_assert(got > 0 || is_passing(got));
		if (got > 0) {
			cr_assert_leq(at + (size_t)got, (size_t)DATA_SIZE);
			cr_assert_eq(memcmp(buf, peer->model->out + at, (size_t)got), 0);
			at += (size_t)got;
		}
	}
	cr_assert_eq(at, DATA_SIZE);
	return 0;
}

static void run_over_machine(bool is_conn, unsigned seed_first)
{
	for (uint64_t seed = 1; seed <= seed_nr() / 4 + 1; seed++) {
		struct aion_stream stream = {0};
		struct aion_stream_options options;
		struct model *model = model_make(seed + seed_first, &options);
		struct peer peer = {.model = model, .random = seed};
		struct aion_conn conn = {0};
		struct aion_group group;
		int fds[2];

		assert_result(aion_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		peer.in = peer.out = fds[1];
		model->stream = &stream;
		aion_group_enter(&group);
		aion_spawn(&group, peer_recv_all, &peer);
		aion_spawn(&group, peer_send_all, &peer);
		if (is_conn) {
			assert_result(aion_conn_open(&conn, fds[0]), 0);
			assert_result(aion_stream_open_conn(&stream, &conn, &options), 0);
		} else {
			assert_result(aion_stream_open(&stream, fds[0], &options), 0);
		}
		model_run(model);
		assert_result(aion_group_leave(&group, 0), 0);
		assert_result(aion_close(fds[1]), 0);
		free(model);
	}
}

SPARED_TEST(stream_model, sockets_of_the_machine)
{
	run_over_machine(false, 3000);
}

SPARED_TEST(stream_model, connections)
{
	run_over_machine(true, 4000);
}
