/* SPDX-License-Identifier: MIT */
/* Writing to streams: what stays in them, what goes out and when. */
#include "test_stream.h"

TASK_TEST(stream_write, stays_until_it_is_flushed)
{
	struct aion_stream stream = {0};
	size_t done;
	int fds[2];

	test_stream_pair(fds);
	assert_result(aion_stream_open(&stream, fds[0], NULL), 0);
	assert_result(aion_stream_flush(&stream), 0);
	assert_result(aion_stream_write(&stream, "abc", 3, &done), 0);
	cr_assert_eq(done, 3);
	assert_result(aion_stream_write(&stream, NULL, 0, &done), 0);
	cr_assert_eq(done, 0);
	assert_result(aion_stream_printf(&stream, "-%d-%s", 42, "x"), 5);
	cr_assert_eq(aion_stream_unwritten_size(&stream), 8);
	cr_assert_lt(recv(fds[1], &done, 1, MSG_DONTWAIT), 0);
	assert_result(aion_stream_flush(&stream), 0);
	cr_assert_eq(aion_stream_unwritten_size(&stream), 0);
	assert_received(fds[1], "abc-42-x");
	assert_result(aion_stream_close(&stream), 0);
	close(fds[1]);
}

/* 40 vectors, more than are written at once; empty ones among them. */
TASK_TEST(stream_write, goes_out_whole_and_in_order_above_the_mark)
{
	const struct aion_stream_options options = {.write_size = 100};
	char sent[4000], got[4100];
	struct test_wire wire = {.output = got, .output_room = sizeof(got)};
	struct aion_stream stream = {0};
	struct iovec iov[40];
	size_t done;

	test_fill(sent, sizeof(sent), 0);
	for (size_t i = 0; i < 40; i++)
		iov[i] = (struct iovec){sent + 100 * (i / 2), i % 2 ? 100 : 0};
	for (wire.write_max = 0; wire.write_max < 300; wire.write_max += 99) {
		wire.output_at = 0;
		assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, &options), 0);
		assert_result(aion_stream_write(&stream, "0123456789", 10, NULL), 0);
		assert_result(aion_stream_writev(&stream, iov, 40, &done), 0);
		cr_assert_eq(done, 2000);
		cr_assert_eq(wire.output_at, 2010);
		cr_assert_eq(memcmp(got, "0123456789", 10), 0);
		cr_assert(test_is_filled(got + 10, 2000, 0));
		assert_result(aion_stream_write(&stream, sent, 60, NULL), 0);
		assert_result(aion_stream_writev(&stream, iov, 3, &done), 0);
		cr_assert_eq(wire.output_at, 2170, "100 bytes above 60 of 100");
		assert_result(aion_stream_writev(&stream, iov, -1, &done), -EINVAL);
		cr_assert_eq(done, 0);
		assert_result(aion_stream_close(&stream), 0);
	}
}

TASK_TEST(stream_write, up_to_the_mark_nothing_goes_out)
{
	const struct aion_stream_options options = {.write_size = 1000};
	char sent[1001], got[3000];
	struct test_wire wire = {.output = got, .output_room = sizeof(got)};
	struct aion_stream stream = {0};

	test_fill(sent, sizeof(sent), 0);
	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, &options), 0);
	for (size_t i = 0; i < 1000; i++)
		assert_result(aion_stream_write(&stream, sent + i, 1, NULL), 0);
	cr_assert_eq(wire.output_at, 0);
	cr_assert_eq(aion_stream_unwritten_size(&stream), 1000);
	assert_result(aion_stream_write(&stream, sent + 1000, 1, NULL), 0);
	cr_assert_eq(wire.output_at, 1001);
	cr_assert(test_is_filled(got, 1001, 0));
	assert_result(aion_stream_close(&stream), 0);
}

TASK_TEST(stream_write, text_is_taken_whole_or_not_at_all)
{
	const struct aion_stream_options options = {.write_size = 1000};
	char text[1002], got[5000];
	struct test_wire wire = {.output = got, .output_room = sizeof(got)};
	struct aion_stream stream = {0};

	memset(text, 'x', sizeof(text));
	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, &options), 0);
	assert_result(aion_stream_printf(&stream, "%s", ""), 0);
	assert_result(aion_stream_printf(&stream, "%.*s", 511, text), 511);
	assert_result(aion_stream_printf(&stream, "%.*s", 1001, text), -EMSGSIZE);
	cr_assert_eq(wire.output_at, 0);
	cr_assert_eq(aion_stream_unwritten_size(&stream), 511);
	assert_result(aion_stream_printf(&stream, "%.*s", 512, text), 512);
	cr_assert_eq(wire.output_at, 511, "what was there goes out to make room");
	assert_result(aion_stream_printf(&stream, "%.*s", 1000, text), 1000);
	cr_assert_eq(aion_stream_unwritten_size(&stream), 1000);
	assert_result(aion_stream_close(&stream), 0);
	cr_assert_eq(wire.output_at, 511 + 512 + 1000);
	for (size_t i = 0; i < wire.output_at; i++)
		cr_assert_eq(got[i], 'x');
}

TASK_TEST(stream_write, half_close_ends_writing_and_not_reading)
{
	struct aion_stream stream = {0}, other = {0};
	char buf[10];
	int fds[2];

	test_stream_pair(fds);
	assert_result(aion_stream_open(&stream, fds[0], NULL), 0);
	assert_result(aion_stream_open(&other, fds[1], NULL), 0);
	assert_result(aion_stream_write(&stream, "ask", 3, NULL), 0);
	assert_result(aion_stream_write_eof(&stream), 0);
	assert_result(aion_stream_write_eof(&stream), 0);
	assert_result(aion_stream_write(&stream, "x", 1, NULL), -ESHUTDOWN);
	assert_result(aion_stream_printf(&stream, "x"), -ESHUTDOWN);
	assert_result(aion_stream_flush(&stream), 0);
	assert_result(aion_stream_read_exact(&other, buf, 4, NULL), -ENODATA);
	assert_result(aion_stream_write(&other, "answer", 6, NULL), 0);
	assert_result(aion_stream_close(&other), 0);
	assert_result(aion_stream_read_exact(&stream, buf, 6, NULL), 0);
	cr_assert_eq(memcmp(buf, "answer", 6), 0);
	assert_result(aion_stream_read(&stream, buf, 1), 0);
	assert_result(aion_stream_close(&stream), 0);
}

TASK_TEST(stream_write, half_close_of_a_pair_closes_the_writing_descriptor)
{
	struct aion_stream stream = {0};
	int in[2], out[2];
	char buf[10];

	test_pipe(in);
	test_pipe(out);
	assert_result(aion_stream_open_pair(&stream, in[0], out[1], NULL), 0);
	assert_result(aion_stream_printf(&stream, "bye"), 3);
	assert_result(aion_stream_write_eof(&stream), 0);
	assert_result(aion_read(out[0], buf, sizeof(buf)), 3);
	assert_result(aion_read(out[0], buf, sizeof(buf)), 0);
	test_feed(in[1], "x");
	assert_result(aion_stream_read(&stream, buf, 1), 1);
	assert_result(aion_stream_close(&stream), 0);
	cr_assert(fcntl(in[0], F_GETFD) < 0 && fcntl(out[1], F_GETFD) < 0);
	close(in[1]);
	close(out[0]);
}

TASK_TEST(stream_write, calls_on_a_side_that_is_missing_are_refused)
{
	struct aion_stream stream = {0};
	struct aion_stream_view view;
	size_t done = 1;
	char byte;
	int fds[2];

	test_pipe(fds);
	assert_result(aion_stream_open_pair(&stream, fds[0], -1, NULL), 0);
	assert_result(aion_stream_write(&stream, "x", 1, &done), -EBADF);
	cr_assert_eq(done, 0);
	assert_result(aion_stream_printf(&stream, "x"), -EBADF);
	assert_result(aion_stream_flush(&stream), -EBADF);
	assert_result(aion_stream_write_eof(&stream), -EBADF);
	cr_assert_eq(aion_stream_unwritten_size(&stream), 0);
	assert_result(aion_stream_close(&stream), 0);
	assert_result(aion_stream_open_pair(&stream, -1, fds[1], NULL), 0);
	assert_result(aion_stream_read(&stream, &byte, 0), -EBADF);
	assert_result(aion_stream_read_line(&stream, &view), -EBADF);
	assert_result(aion_stream_peek(&stream, 0, &view), -EBADF);
	/* One that was closed by a half-close was there. */
	assert_result(aion_stream_write_eof(&stream), 0);
	assert_result(aion_stream_write_eof(&stream), 0);
	assert_result(aion_stream_flush(&stream), 0);
	assert_result(aion_stream_write(&stream, "x", 1, NULL), -ESHUTDOWN);
	assert_result(aion_stream_close(&stream), 0);
}

TASK_TEST(stream_write, close_without_time_tells_what_ended_writing)
{
	const struct aion_stream_options options = {.close_ns = -1};
	struct test_wire wire = {.write_error = -EREMOTEIO};
	struct aion_stream stream = {0};

	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, &options), 0);
	assert_result(aion_stream_write(&stream, "x", 1, NULL), 0);
	assert_result(aion_stream_flush(&stream), -EREMOTEIO);
	assert_result(aion_stream_close(&stream), -EREMOTEIO);
	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, &options), 0);
	assert_result(aion_stream_write(&stream, "x", 1, NULL), 0);
	assert_result(aion_stream_close(&stream), 0);
}

TASK_TEST(stream_write, half_close_is_refused_where_there_is_none)
{
	const struct aion_stream_transport simple = {.writev = wire_writev};
	struct test_wire wire = {.output_room = 0};
	struct aion_stream stream = {0};
	char byte;
	int fds[2];

	assert_result(aion_stream_open_transport(&stream, &simple, &wire, NULL), 0);
	assert_result(aion_stream_write_eof(&stream), -EOPNOTSUPP);
	assert_result(aion_stream_read(&stream, &byte, 1), -EBADF);
	assert_result(aion_stream_close(&stream), 0);
	test_pipe(fds);
	assert_result(aion_stream_open(&stream, fds[1], NULL), 0);
	assert_result(aion_stream_write_eof(&stream), -ENOTSOCK);
	assert_result(aion_stream_write(&stream, "x", 1, NULL), 0);
	assert_result(aion_stream_close(&stream), 0);
	assert_result(aion_read(fds[0], &byte, 1), 1);
	close(fds[0]);
	test_pipe(fds);
	assert_result(aion_stream_open_pair(&stream, fds[0], fds[1], &(struct aion_stream_options){.keeps_open = true}),
		      0);
	assert_result(aion_stream_write_eof(&stream), -EOPNOTSUPP);
	assert_result(aion_stream_close(&stream), 0);
	cr_assert(fcntl(fds[0], F_GETFD) >= 0 && fcntl(fds[1], F_GETFD) >= 0);
}

TASK_TEST(stream_write, broken_pipe_is_told_by_every_call_after)
{
	struct aion_stream stream = {0};
	int fds[2];

	test_pipe(fds);
	close(fds[0]);
	assert_result(aion_stream_open_pair(&stream, -1, fds[1], NULL), 0);
	assert_result(aion_stream_write(&stream, "x", 1, NULL), 0);
	assert_result(aion_stream_flush(&stream), -EPIPE);
	cr_assert_eq(aion_stream_unwritten_size(&stream), 0);
	assert_result(aion_stream_write(&stream, "x", 1, NULL), -EPIPE);
	assert_result(aion_stream_printf(&stream, "x"), -EPIPE);
	assert_result(aion_stream_flush(&stream), -EPIPE);
	assert_result(aion_stream_write_eof(&stream), -EPIPE);
	assert_result(aion_stream_close(&stream), -EPIPE);
	cr_assert(fcntl(fds[1], F_GETFD) < 0);
}

TASK_TEST(stream_write, transport_that_takes_nothing_is_an_error)
{
	struct test_wire wire = {.output_room = 0};
	struct aion_stream stream = {0};

	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, NULL), 0);
	assert_result(aion_stream_write(&stream, "x", 1, NULL), 0);
	assert_result(aion_stream_flush(&stream), -EIO);
	assert_result(aion_stream_close(&stream), -EIO);
}

static int64_t drain(void *arg)
{
	char *buf = malloc(100000);
	size_t off = 0;
	int64_t n;

	while ((n = aion_read(*(int *)arg, buf, 1 + off % 100000)) > 0) {
		cr_assert(test_is_filled(buf, (size_t)n, off));
		off += (size_t)n;
	}
	free(buf);
	assert_result(n, 0);
	return (int64_t)off;
}

/* Far more than a socket takes: whoever writes waits for who reads. */
static void write_lot(int fds[2])
{
	const size_t size = 3000000;
	char *sent = malloc(size);
	struct aion_stream stream = {0};
	struct aion_handle handle;
	struct aion_group group;

	cr_assert(sent);
	test_fill(sent, size, 0);
	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, drain, &fds[1]);
	assert_result(aion_stream_open(&stream, fds[0], NULL), 0);
	for (size_t off = 0, n; off < size; off += n) {
		n = 1 + off % 150000 < size - off ? 1 + off % 150000 : size - off;
		assert_result(aion_stream_write(&stream, sent + off, n, NULL), 0);
	}
	assert_result(aion_stream_close(&stream), 0);
	assert_result(aion_await(&handle.future), (int64_t)size);
	assert_result(aion_group_leave(&group, 0), 0);
	close(fds[1]);
	free(sent);
}

SPARED_TEST(stream_write, waits_for_who_reads)
{
	int fds[2];

	test_stream_pair(fds);
	write_lot(fds);
	test_stream_pair(fds);
	cr_assert_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	write_lot(fds);
}

/* As for who talks: an answer goes out before the next question is waited for, those to questions that are there
 * already go out with it. */
TASK_TEST(stream_write, is_flushed_before_reading_where_that_is_wanted)
{
	const struct aion_stream_options options = {.flushes_first = true};
	struct aion_stream stream = {0};
	struct aion_stream_view view;
	char got[100];
	struct test_wire wire = {.input = "a\nb\nc\n", .input_size = 6, .output = got, .output_room = 100};

	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, &options), 0);
	for (int i = 0; i < 3; i++) {
		assert_result(aion_stream_read_line(&stream, &view), 2);
		assert_result(aion_stream_printf(&stream, "%s!", view.data), 2);
		cr_assert_eq(wire.write_nr, 0);
	}
	assert_result(aion_stream_read_line(&stream, &view), 0);
	cr_assert_eq(wire.write_nr, 1);
	cr_assert_eq(wire.output_at, 6);
	cr_assert_eq(memcmp(got, "a!b!c!", 6), 0);
	wire.output_room = 6;
	wire.write_error = -EPIPE;
	assert_result(aion_stream_printf(&stream, "x"), 1);
	stream.has_ended = false; /* as if more came */
	wire.input_at = 0;
	assert_result(aion_stream_read_line(&stream, &view), 2);
	assert_result(aion_stream_printf(&stream, "x"), -EPIPE);
	assert_result(aion_stream_abort(&stream), 0);
}
