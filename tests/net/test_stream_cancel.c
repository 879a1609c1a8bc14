/* SPDX-License-Identifier: MIT */
/* Streams whose callers are cancelled, come in each other's way, or find the stream closed. */
#include "test_stream.h"

/* ---- cancelled */

TASK_TEST(stream_cancel, calls_in_a_cancelled_scope_do_nothing)
{
	struct aion_stream stream = {0};
	struct aion_stream_view view = {0};
	struct aion_scope scope;
	char buf[10] = "";
	struct iovec iov = {buf, 1};
	size_t done = 4711;
	int fds[2];

	test_stream_pair(fds);
	assert_result(aion_stream_open(&stream, fds[0], NULL), 0);
	test_feed(fds[1], "abc\n");
	assert_result(aion_stream_peek(&stream, 1, &view), 4);
	assert_result(aion_stream_write(&stream, "x", 1, NULL), 0);
	test_enter_cancelled(&scope);
	assert_result(aion_stream_read(&stream, buf, 1), -ECANCELED);
	assert_result(aion_stream_read_exact(&stream, buf, 1, &done), -ECANCELED);
	cr_assert_eq(done, 0);
	assert_result(aion_stream_read_until(&stream, "\n", 1, &view), -ECANCELED);
	assert_result(aion_stream_read_line(&stream, &view), -ECANCELED);
	assert_result(aion_stream_peek(&stream, 1, &view), -ECANCELED);
	assert_result(aion_stream_skip(&stream, 1, &done), -ECANCELED);
	assert_result(aion_stream_write(&stream, "x", 1, &done), -ECANCELED);
	cr_assert_eq(done, 0);
	assert_result(aion_stream_writev(&stream, &iov, 1, &done), -ECANCELED);
	assert_result(aion_stream_printf(&stream, "x"), -ECANCELED);
	assert_result(aion_stream_flush(&stream), -ECANCELED);
	assert_result(aion_stream_write_eof(&stream), -ECANCELED);
	assert_result(aion_stream_buffered(&stream, &view), 4);
	cr_assert_eq(aion_stream_unwritten_size(&stream), 1);
	aion_scope_leave(&scope);
	assert_result(aion_stream_read_line(&stream, &view), 4);
	assert_result(aion_stream_close(&stream), 0);
	assert_received(fds[1], "x");
	close(fds[1]);
}

struct trickle {
	int fd;
	size_t size;
};

static int64_t trickle(void *arg)
{
	struct trickle *trickle = arg;
	uint64_t random = 7;
	char byte;

	for (size_t off = 0; off < trickle->size; off++) {
		byte = off % 50 == 49 ? '\n' : (char)('a' + off % 23);
		assert_result(aion_write_all(trickle->fd, &byte, 1, NULL), 0);
		if (test_random(&random) % 3 == 0)
			aion_sleep((int64_t)(test_random(&random) % 300) * AION_MICROSECOND);
	}
	return aion_close(trickle->fd);
}

/* Deadlines strike in the middle of everything; the lines are the same as without. */
SPARED_TEST(stream_cancel, reader_loses_no_byte)
{
	struct trickle source = {.size = 2000};
	struct aion_stream stream = {0};
	struct aion_stream_view view;
	struct aion_group group;
	struct aion_scope scope;
	uint64_t random = 3;
	char part[20];
	size_t off = 0, done;
	int64_t result;
	unsigned cut_nr = 0;
	int fds[2];

	test_stream_pair(fds);
	source.fd = fds[1];
	aion_group_enter(&group);
	aion_spawn(&group, trickle, &source);
	assert_result(aion_stream_open(&stream, fds[0], NULL), 0);
	while (!aion_stream_at_eof(&stream)) {
		aion_scope_enter(&scope, aion_after((int64_t)(test_random(&random) % 200) * AION_MICROSECOND));
		if (off % 50 == 0 && test_random(&random) % 2) {
			result = aion_stream_read_line(&stream, &view);
			cr_assert(result == 50 || result == -ECANCELED || (result == 0 && off == source.size));
			done = result > 0 ? 50 : 0;
			for (size_t i = 0; i < done; i++)
				cr_assert_eq(view.data[i], i == 49 ? 0 : (char)('a' + (off + i) % 23));
		} else {
			size_t size = 1 + test_random(&random) % 20;

			if (size > 50 - off % 50)
				size = 50 - off % 50;
			result = aion_stream_read_exact(&stream, part, size, &done);
			cr_assert(result == 0 || result == -ECANCELED || (result == -ENODATA && off == source.size));
			for (size_t i = 0; i < done; i++)
				cr_assert_eq(part[i], (off + i) % 50 == 49 ? '\n' : (char)('a' + (off + i) % 23));
		}
		cut_nr += result == -ECANCELED;
		off += done;
		cr_assert(aion_scope_leave(&scope) == 0 || result == -ECANCELED);
	}
	cr_assert_eq(off, source.size);
	cr_assert_gt(cut_nr, 0);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(aion_stream_close(&stream), 0);
}

/* Of 100000 bytes the socket takes some: those were taken and are not to be written again. */
TASK_TEST(stream_cancel, writer_tells_how_much_was_taken)
{
	const size_t size = 4000000;
	char *sent = malloc(size), *got = malloc(size);
	struct aion_stream stream = {0};
	struct aion_scope scope;
	size_t done, more;
	int64_t result;
	int fds[2];

	cr_assert(sent && got);
	test_fill(sent, size, 0);
	test_stream_pair(fds);
	assert_result(aion_stream_open(&stream, fds[0], NULL), 0);
	assert_result(aion_stream_write(&stream, sent, 1000, NULL), 0);
	aion_scope_enter(&scope, aion_after(5 * AION_MILLISECOND));
	assert_result(aion_stream_write(&stream, sent + 1000, size - 1000, &done), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert(done < size - 1000);
	done += 1000;
	/* What is there, then the rest with its end. */
	for (size_t at = 0; at < size; at += (size_t)result) {
		aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
		aion_stream_write(&stream, sent + done, size - done, &more);
		aion_scope_leave(&scope);
		done += more;
		result = recv(fds[1], got + at, size - at, MSG_DONTWAIT);
		if (result < 0) {
			assert_result(aion_stream_flush(&stream), 0);
			result = 0;
		}
	}
	cr_assert(test_is_filled(got, size, 0));
	assert_result(aion_stream_close(&stream), 0);
	cr_assert_eq(recv(fds[1], got, 1, MSG_DONTWAIT), 0);
	close(fds[1]);
	free(sent);
	free(got);
}

/* ---- in each other's way */

static int64_t read_line_task(void *stream)
{
	struct aion_stream_view view;

	return aion_stream_read_line(stream, &view);
}

static int64_t read_exact_task(void *stream)
{
	char buf[1000];

	return aion_stream_read_exact(stream, buf, sizeof(buf), NULL);
}

static int64_t write_task(void *stream)
{
	char *buf = calloc(1, 1000000);
	int64_t result = aion_stream_write(stream, buf, 1000000, NULL);

	free(buf);
	return result;
}

TASK_TEST(stream_cancel, second_task_on_a_side_is_refused)
{
	struct test_wire wire = {.blocks = true};
	struct aion_stream stream = {0};
	struct aion_stream_view view;
	struct aion_handle reader, writer;
	struct aion_group group;
	char byte;

	aion_group_enter(&group);
	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, NULL), 0);
	aion_spawn_into(&group, &reader, NULL, read_line_task, &stream);
	test_settle();
	assert_result(aion_stream_read(&stream, &byte, 1), -EALREADY);
	assert_result(aion_stream_read_line(&stream, &view), -EALREADY);
	assert_result(aion_stream_buffered(&stream, &view), -EALREADY);
	assert_result(aion_stream_consume(&stream, 0), -EALREADY);
	assert_result(aion_stream_write(&stream, "x", 1, NULL), 0);
	aion_spawn_into(&group, &writer, NULL, write_task, &stream);
	test_settle();
	assert_result(aion_stream_write(&stream, "x", 1, NULL), -EALREADY);
	assert_result(aion_stream_printf(&stream, "x"), -EALREADY);
	assert_result(aion_stream_flush(&stream), -EALREADY);
	assert_result(aion_stream_write_eof(&stream), -EALREADY);
	aion_handle_cancel(&reader);
	assert_result(aion_await(&reader.future), -ECANCELED);
	wire.input = "x";
	wire.input_size = 1;
	assert_result(aion_stream_read(&stream, &byte, 1), 1);
	assert_result(aion_stream_abort(&stream), 0);
	assert_result(aion_await(&writer.future), -EBADF);
	cr_assert_eq(wire.close_nr, 1);
	assert_result(aion_group_leave(&group, 0), -EBADF);
}

/* ---- closed meanwhile */

static void close_under_readers(aion_fn *reader, bool is_nonblocking)
{
	struct aion_stream stream = {0};
	struct aion_handle handle;
	struct aion_group group;
	int fds[2];

	test_stream_pair(fds);
	if (is_nonblocking)
		cr_assert_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	aion_group_enter(&group);
	assert_result(aion_stream_open(&stream, fds[0], NULL), 0);
	aion_spawn_into(&group, &handle, NULL, reader, &stream);
	aion_sleep(AION_MILLISECOND);
	assert_result(aion_stream_write(&stream, "bye", 3, NULL), 0);
	assert_result(aion_stream_close(&stream), 0);
	assert_result(aion_await(&handle.future), -EBADF);
	assert_received(fds[1], "bye");
	close(fds[1]);
	assert_result(aion_group_leave(&group, 0), -EBADF);
}

TASK_TEST(stream_cancel, reader_of_a_stream_that_is_closed_leaves)
{
	close_under_readers(read_line_task, false);
	close_under_readers(read_line_task, true);
	close_under_readers(read_exact_task, false);
}

static void close_under(aion_fn *fn, int64_t expected)
{
	const struct aion_stream_options options = {.close_ns = AION_MILLISECOND};
	struct test_wire wire = {.blocks = true};
	struct aion_stream stream = {0};
	struct aion_handle handle;
	struct aion_group group;

	aion_group_enter(&group);
	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, &options), 0);
	aion_spawn_into(&group, &handle, NULL, fn, &stream);
	test_settle();
	cr_assert_eq(wire.inside_nr, 1);
	assert_result(aion_stream_close(&stream), expected);
	cr_assert_eq(wire.close_nr, 1);
	assert_result(aion_await(&handle.future), -EBADF);
	assert_result(aion_group_leave(&group, 0), -EBADF);
}

TASK_TEST(stream_cancel, transport_is_closed_after_all_have_left_it)
{
	close_under(read_line_task, 0);
	close_under(write_task, -ETIME);
}

static int64_t close_task(void *stream)
{
	return aion_stream_close(stream);
}

/* It is its owner's, and somebody else closes it: the owner leaves when nothing of it is in use any more. */
static int64_t own_stream(void *ret_stream)
{
	struct aion_stream *stream = calloc(1, sizeof(*stream));
	int64_t result;
	int fds[2];

	test_stream_pair(fds);
	assert_result(aion_stream_open(stream, fds[0], NULL), 0);
	*(struct aion_stream **)ret_stream = stream;
	result = read_line_task(stream);
	aion_stream_closep(stream);
	cr_assert_eq(fcntl(fds[0], F_GETFD), -1);
	memset(stream, 0x5a, sizeof(*stream));
	free(stream);
	close(fds[1]);
	return result;
}

TASK_TEST(stream_cancel, clean_up_of_a_closing_stream_waits_until_it_is_closed)
{
	struct aion_stream *stream = NULL;
	struct aion_handle owner;
	struct aion_group group;

	aion_group_enter(&group);
	aion_spawn_into(&group, &owner, NULL, own_stream, &stream);
	test_settle();
	assert_result(aion_stream_close(stream), 0);
	assert_result(aion_await(&owner.future), -EBADF);
	assert_result(aion_group_leave(&group, 0), -EBADF);
}

/* What a writer has begun goes out before the close, and the rest of the reader's bytes do not matter. */
TASK_TEST(stream_cancel, writer_of_a_stream_that_is_closed_finishes_first)
{
	struct aion_stream stream = {0};
	struct aion_handle writer, closer;
	struct aion_group group;
	char *buf = malloc(100000);
	int64_t result, all = 0;
	int fds[2];

	test_stream_pair(fds);
	aion_group_enter(&group);
	assert_result(aion_stream_open(&stream, fds[0], &(struct aion_stream_options){.close_ns = AION_NEVER}), 0);
	aion_spawn_into(&group, &writer, NULL, write_task, &stream);
	aion_sleep(AION_MILLISECOND);
	aion_spawn_into(&group, &closer, NULL, close_task, &stream);
	aion_sleep(AION_MILLISECOND);
	assert_result(aion_stream_close(&stream), -EALREADY);
	assert_result(aion_stream_flush(&stream), -EBADF);
	assert_result(aion_stream_read(&stream, buf, 1), -EBADF);
	while ((result = aion_read(fds[1], buf, 100000)) > 0)
		all += result;
	assert_result(all, 1000000);
	assert_result(aion_await(&writer.future), 0);
	assert_result(aion_await(&closer.future), 0);
	assert_result(aion_group_leave(&group, 0), 0);
	close(fds[1]);
	free(buf);
}

TASK_TEST(stream_cancel, close_gives_up_when_its_time_is_up)
{
	struct aion_stream stream = {0};
	struct aion_handle writer;
	struct aion_group group;
	int fds[2];

	test_stream_pair(fds);
	aion_group_enter(&group);
	assert_result(aion_stream_open(&stream, fds[0], &(struct aion_stream_options){.close_ns = AION_MILLISECOND}),
		      0);
	aion_spawn_into(&group, &writer, NULL, write_task, &stream);
	aion_sleep(AION_MILLISECOND);
	assert_result(aion_stream_close(&stream), -ETIME);
	assert_result(aion_await(&writer.future), -EBADF);
	cr_assert(fcntl(fds[0], F_GETFD) < 0);
	close(fds[1]);
	assert_result(aion_group_leave(&group, 0), -EBADF);
}

TASK_TEST(stream_cancel, close_in_a_cancelled_scope_writes_what_was_taken)
{
	struct aion_stream stream = {0};
	struct aion_scope scope;
	int fds[2];

	test_stream_pair(fds);
	assert_result(aion_stream_open(&stream, fds[0], NULL), 0);
	assert_result(aion_stream_write(&stream, "bye", 3, NULL), 0);
	test_enter_cancelled(&scope);
	assert_result(aion_stream_close(&stream), 0);
	aion_scope_leave(&scope);
	assert_received(fds[1], "bye");
	cr_assert(fcntl(fds[0], F_GETFD) < 0);
	close(fds[1]);
}

TASK_TEST(stream_cancel, abort_drops_what_was_taken)
{
	const struct aion_stream_options options = {.close_ns = -1};
	struct test_wire wire = {.output_room = 0};
	struct aion_stream stream = {0};

	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, NULL), 0);
	assert_result(aion_stream_write(&stream, "bye", 3, NULL), 0);
	assert_result(aion_stream_abort(&stream), 0);
	assert_result(aion_stream_abort(&stream), 0);
	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, &options), 0);
	assert_result(aion_stream_write(&stream, "bye", 3, NULL), 0);
	assert_result(aion_stream_close(&stream), 0);
	cr_assert_eq(wire.write_nr, 0);
	cr_assert_eq(wire.close_nr, 2);
}

/* The number of the closed descriptor is used again at once: nobody who was inside reads from it. */
TASK_TEST(stream_cancel, reader_never_reads_from_who_got_the_number_next)
{
	struct aion_stream stream = {0};
	struct aion_handle reader;
	struct aion_group group;
	int fds[2], others[2];
	char byte;

	for (int i = 0; i < 20; i++) {
		test_stream_pair(fds);
		aion_group_enter(&group);
		assert_result(aion_stream_open(&stream, fds[0], NULL), 0);
		aion_spawn_into(&group, &reader, NULL, read_exact_task, &stream);
		test_settle();
		test_feed(fds[1], "x"); /* it may be about to go on */
		for (int k = 0; k < i % 4; k++)
			aion_yield();
		assert_result(aion_stream_close(&stream), 0);
		test_stream_pair(others);
		test_feed(others[1], "y");
		assert_result(aion_await(&reader.future), -EBADF);
		cr_assert_eq(recv(others[0], &byte, 1, MSG_DONTWAIT), 1);
		close(others[0]);
		close(others[1]);
		close(fds[1]);
		assert_result(aion_group_leave(&group, 0), -EBADF);
	}
}

static int use_stream(void *arg)
{
	struct aion_stream *stream = arg;
	char byte = 0;

	return !(aion_stream_read(stream, &byte, 1) == -ECHILD &&
		 aion_stream_write(stream, &byte, 1, NULL) == -ECHILD && aion_stream_printf(stream, "x") == -ECHILD &&
		 aion_stream_flush(stream) == -ECHILD);
}

TASK_TEST(stream_cancel, in_a_forked_child_calls_are_refused)
{
	struct test_wire wire = {.blocks = true};
	struct aion_stream stream = {0};

	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, NULL), 0);
	cr_assert_eq(test_in_child(use_stream, &stream), 0);
	assert_result(aion_stream_close(&stream), 0);
}

/* Whoever flushes before reading and is cancelled meanwhile has neither lost what was to go out nor what is to come. */
TASK_TEST(stream_cancel, flush_before_reading_is_cancelled)
{
	const struct aion_stream_options options = {.flushes_first = true};
	char got[10];
	struct test_wire wire = {.input = "in\n", .input_size = 3, .output = got, .blocks = true};
	struct aion_stream stream = {0};
	struct aion_stream_view view;
	struct aion_scope scope;

	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, &options), 0);
	assert_result(aion_stream_printf(&stream, "out"), 3);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	assert_result(aion_stream_read_line(&stream, &view), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert_eq(wire.read_nr, 0);
	wire.output_room = sizeof(got);
	assert_result(aion_stream_read_line(&stream, &view), 3);
	cr_assert_eq(wire.output_at, 3);
	assert_result(aion_stream_close(&stream), 0);
}

TASK_TEST(stream_cancel, stream_over_a_connection_closes_it_or_keeps_it)
{
	struct aion_stream_options options = {.keeps_open = true};
	struct aion_stream stream = {0};
	struct aion_stream_view view;
	struct aion_conn conn = {0};
	struct aion_handle handle;
	struct aion_group group;
	int fds[2];

	test_stream_pair(fds);
	assert_result(aion_conn_open(&conn, fds[0]), 0);
	assert_result(aion_stream_open_conn(&stream, &conn, &options), 0);
	test_feed(fds[1], "one\ntwo\n");
	assert_result(aion_stream_read_line(&stream, &view), 4);
	assert_result(aion_stream_printf(&stream, "kept"), 4);
	assert_result(aion_stream_close(&stream), 0);
	assert_received(fds[1], "kept");
	assert_result(aion_stream_open_conn(&stream, &conn, NULL), 0);
	aion_group_enter(&group);
	aion_spawn_into(&group, &handle, NULL, read_line_task, &stream);
	aion_sleep(AION_MILLISECOND);
	assert_result(aion_stream_printf(&stream, "bye"), 3);
	assert_result(aion_stream_write_eof(&stream), 0);
	assert_result(aion_stream_close(&stream), 0);
	assert_result(aion_await(&handle.future), -EBADF);
	assert_received(fds[1], "bye");
	cr_assert(fcntl(fds[0], F_GETFD) < 0);
	close(fds[1]);
	assert_result(aion_group_leave(&group, 0), -EBADF);
}

static int64_t close_badly(void *arg)
{
	(void)arg;
	return -EREMOTEIO;
}

TASK_TEST(stream_cancel, error_of_the_transports_close_is_told)
{
	const struct aion_stream_transport transport = {.close = close_badly};
	struct aion_stream stream = {0};

	assert_result(aion_stream_open_transport(&stream, &transport, NULL, NULL), 0);
	assert_result(aion_stream_flush(&stream), -EBADF);
	assert_result(aion_stream_close(&stream), -EREMOTEIO);
	assert_result(aion_stream_close(&stream), 0);
}

Test(stream_cancel, outside_of_tasks_calls_are_refused)
{
	struct aion_stream stream = {0};
	char byte;

	assert_result(aion_stream_open_transport(&stream, &wire_transport, NULL, NULL), 0);
	assert_result(aion_stream_read(&stream, &byte, 1), -EBUSY);
	assert_result(aion_stream_write(&stream, &byte, 1, NULL), -EBUSY);
	assert_result(aion_stream_printf(&stream, "x"), -EBUSY);
	assert_result(aion_stream_flush(&stream), -EBUSY);
}

static void open_twice(void)
{
	struct aion_stream stream = {0};

	aion_stream_open(&stream, 0, NULL);
	aion_stream_open(&stream, 0, NULL);
}

Test(stream_cancel, opening_an_open_stream_aborts)
{
	test_aborts(open_twice, "a stream is opened that is open");
}
