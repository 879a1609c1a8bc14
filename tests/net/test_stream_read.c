/* SPDX-License-Identifier: MIT */
/* Reading from streams: what each call gives, takes and leaves. */
#include "test_stream.h"

/* An open stream over one end of a pair. */
struct pair {
	struct aion_stream stream;
	int peer;
};

static void pair_open(struct pair *pair, const struct aion_stream_options *options)
{
	int fds[2];

	test_stream_pair(fds);
	pair->stream = (struct aion_stream){0};
	pair->peer = fds[1];
	assert_result(aion_stream_open(&pair->stream, fds[0], options), 0);
}

static void pair_close(struct pair *pair)
{
	assert_result(aion_stream_close(&pair->stream), 0);
	close(pair->peer);
}

TASK_TEST(stream_read, gives_what_is_there_and_0_at_the_end)
{
	struct pair pair;
	char buf[2000];

	pair_open(&pair, NULL);
	test_feed(pair.peer, "hello");
	assert_result(aion_stream_read(&pair.stream, buf, 2), 2);
	cr_assert(!aion_stream_at_eof(&pair.stream));
	assert_result(aion_stream_read(&pair.stream, buf + 2, sizeof(buf) - 2), 3);
	cr_assert_eq(memcmp(buf, "hello", 5), 0);
	assert_result(aion_stream_read(&pair.stream, buf, 0), 0);
	cr_assert(!aion_stream_at_eof(&pair.stream));
	cr_assert_eq(shutdown(pair.peer, SHUT_WR), 0);
	assert_result(aion_stream_read(&pair.stream, buf, 2), 0);
	assert_result(aion_stream_read(&pair.stream, buf, sizeof(buf)), 0);
	cr_assert(aion_stream_at_eof(&pair.stream));
	pair_close(&pair);
	cr_assert(!aion_stream_at_eof(&pair.stream));
}

/* Sizes below and above that of the small buffer, so that both ways are taken in one call. */
TASK_TEST(stream_read, exact_gives_all_and_tells_what_came_before_the_end)
{
	struct pair pair;
	char sent[3000], buf[3000] = "";
	size_t done = 4711;

	test_fill(sent, sizeof(sent), 0);
	pair_open(&pair, NULL);
	cr_assert_eq(write(pair.peer, sent, sizeof(sent)), sizeof(sent));
	assert_result(aion_stream_read_exact(&pair.stream, buf, 10, &done), 0);
	cr_assert_eq(done, 10);
	assert_result(aion_stream_read_exact(&pair.stream, buf + 10, 2500, NULL), 0);
	assert_result(aion_stream_read_exact(&pair.stream, buf, 0, &done), 0);
	cr_assert_eq(done, 0);
	cr_assert(test_is_filled(buf, 2510, 0));
	cr_assert_eq(shutdown(pair.peer, SHUT_WR), 0);
	assert_result(aion_stream_read_exact(&pair.stream, buf, 1000, &done), -ENODATA);
	cr_assert_eq(done, 490);
	cr_assert(test_is_filled(buf, 490, 2510));
	pair_close(&pair);
}

TASK_TEST(stream_read, until_gives_what_stands_before_the_delimiter)
{
	struct aion_stream_view view;
	struct pair pair;

	pair_open(&pair, NULL);
	test_feed(pair.peer, "GET /\r\nHost: x\r\n\r\nbody--");
	assert_result(aion_stream_read_until(&pair.stream, "\r\n\r\n", 4, &view), 18);
	assert_view(view, "GET /\r\nHost: x");
	cr_assert_eq(memcmp(view.data + view.size, "\r\n\r\n", 4), 0);
	assert_result(aion_stream_read_until(&pair.stream, "-", 1, &view), 5);
	assert_view(view, "body");
	assert_result(aion_stream_read_until(&pair.stream, "-", 1, &view), 1);
	assert_view(view, "");
	assert_result(aion_stream_read_until(&pair.stream, "-", 0, &view), -EINVAL);
	assert_result(aion_stream_read_until(&pair.stream, "-", AION_STREAM_DELIMITER_MAX + 1, &view), -EINVAL);
	test_feed(pair.peer, "rest");
	cr_assert_eq(shutdown(pair.peer, SHUT_WR), 0);
	assert_result(aion_stream_read_until(&pair.stream, "!", 1, &view), -ENODATA);
	assert_result(aion_stream_buffered(&pair.stream, &view), 4);
	assert_view(view, "rest");
	assert_result(aion_stream_skip(&pair.stream, 4, NULL), 0);
	assert_result(aion_stream_read_until(&pair.stream, "!", 1, &view), 0);
	pair_close(&pair);
}

TASK_TEST(stream_read, lines_come_without_their_ends)
{
	struct aion_stream_view view;
	struct pair pair;

	pair_open(&pair, NULL);
	test_feed(pair.peer, "one\r\n\ntwo\n\r\nthree\rfour\nlast\r");
	cr_assert_eq(shutdown(pair.peer, SHUT_WR), 0);
	assert_result(aion_stream_read_line(&pair.stream, &view), 5);
	cr_assert_str_eq(view.data, "one");
	cr_assert_eq(view.size, 3);
	assert_result(aion_stream_read_line(&pair.stream, &view), 1);
	cr_assert_str_eq(view.data, "");
	assert_result(aion_stream_read_line(&pair.stream, &view), 4);
	cr_assert_str_eq(view.data, "two");
	assert_result(aion_stream_read_line(&pair.stream, &view), 2);
	cr_assert_str_eq(view.data, "");
	assert_result(aion_stream_read_line(&pair.stream, &view), 11);
	cr_assert_str_eq(view.data, "three\rfour");
	assert_result(aion_stream_read_line(&pair.stream, &view), 5);
	cr_assert_str_eq(view.data, "last\r");
	cr_assert_eq(view.size, 5);
	assert_result(aion_stream_read_line(&pair.stream, &view), 0);
	cr_assert(aion_stream_at_eof(&pair.stream));
	pair_close(&pair);
}

/* The small buffer is full to its last byte when the end comes; the 0 needs one more. */
TASK_TEST(stream_read, last_line_has_room_for_its_0_wherever_it_ends)
{
	char text[2 * AION_STREAM_SMALL_SIZE + 1];
	struct aion_stream_view view;

	for (size_t size = AION_STREAM_SMALL_SIZE - 2; size < sizeof(text); size++) {
		struct test_wire wire = {.input = text, .input_size = size};
		struct aion_stream stream = {0};

		memset(text, 'x', sizeof(text));
		assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, NULL), 0);
		assert_result(aion_stream_read_line(&stream, &view), (int64_t)size);
		cr_assert_eq(view.size, size);
		cr_assert_eq(view.data[size], 0);
		assert_result(aion_stream_close(&stream), 0);
	}
}

/* asyncio's LimitOverrunError: nothing is lost, whoever asks otherwise gets the bytes. */
TASK_TEST(stream_read, what_is_above_the_limit_stays)
{
	const struct aion_stream_options options = {.limit = 5};
	struct aion_stream_view view;
	struct pair pair;
	char buf[10];

	pair_open(&pair, &options);
	test_feed(pair.peer, "12345\n123456\nx\n");
	assert_result(aion_stream_read_line(&pair.stream, &view), 6);
	cr_assert_str_eq(view.data, "12345");
	for (int i = 0; i < 3; i++) {
		assert_result(aion_stream_read_line(&pair.stream, &view), -EMSGSIZE);
		assert_result(aion_stream_read_until(&pair.stream, "\nx", 2, &view), -EMSGSIZE);
	}
	assert_result(aion_stream_peek(&pair.stream, 6, &view), -EMSGSIZE);
	assert_result(aion_stream_read_exact(&pair.stream, buf, 2, NULL), 0);
	assert_result(aion_stream_read_line(&pair.stream, &view), 5);
	cr_assert_str_eq(view.data, "3456");
	assert_result(aion_stream_read_line(&pair.stream, &view), 2);
	test_feed(pair.peer, "123456");
	assert_result(aion_stream_read_line(&pair.stream, &view), -EMSGSIZE);
	cr_assert_eq(shutdown(pair.peer, SHUT_WR), 0);
	assert_result(aion_stream_read_line(&pair.stream, &view), -EMSGSIZE);
	assert_result(aion_stream_skip(&pair.stream, 6, NULL), 0);
	assert_result(aion_stream_read_line(&pair.stream, &view), 0);
	pair_close(&pair);
}

/* A limit of n with delimiters of every length, just within and just beyond, byte by byte. */
TASK_TEST(stream_read, limit_counts_the_bytes_before_the_delimiter)
{
	const size_t limit = 700;
	char text[1000], delimiter[AION_STREAM_DELIMITER_MAX];
	struct aion_stream_view view;

	memset(delimiter, '-', sizeof(delimiter));
	for (size_t delimiter_size = 1; delimiter_size <= sizeof(delimiter); delimiter_size += 3)
		for (size_t size = limit - 1; size <= limit + 1; size++) {
			const struct aion_stream_options options = {.limit = limit};
			struct test_wire wire = {.input = text, .input_size = size + delimiter_size, .read_max = 1};
			struct aion_stream stream = {0};

			memset(text, 'x', size);
			memset(text + size, '-', delimiter_size);
			assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, &options), 0);
			assert_result(aion_stream_read_until(&stream, delimiter, delimiter_size, &view),
				      size <= limit ? (int64_t)(size + delimiter_size) : -EMSGSIZE);
			assert_result(aion_stream_close(&stream), 0);
		}
}

TASK_TEST(stream_read, peek_waits_for_so_many_and_takes_none)
{
	struct aion_stream_view view;
	struct pair pair;

	pair_open(&pair, NULL);
	assert_result(aion_stream_peek(&pair.stream, 0, &view), 0);
	test_feed(pair.peer, "abc");
	assert_result(aion_stream_peek(&pair.stream, 2, &view), 3);
	assert_view(view, "abc");
	assert_result(aion_stream_consume(&pair.stream, 4), -EINVAL);
	assert_result(aion_stream_consume(&pair.stream, 1), 0);
	assert_view(view, "abc");
	assert_result(aion_stream_peek(&pair.stream, 1, &view), 2);
	assert_view(view, "bc");
	test_feed(pair.peer, "defg");
	assert_result(aion_stream_peek(&pair.stream, 6, &view), 6);
	assert_view(view, "bcdefg");
	cr_assert_eq(shutdown(pair.peer, SHUT_WR), 0);
	assert_result(aion_stream_peek(&pair.stream, 7, &view), 6);
	assert_view(view, "bcdefg");
	assert_result(aion_stream_buffered(&pair.stream, NULL), 6);
	pair_close(&pair);
	assert_result(aion_stream_buffered(&pair.stream, NULL), -EBADF);
	assert_result(aion_stream_consume(&pair.stream, 0), -EBADF);
}

TASK_TEST(stream_read, skip_takes_more_than_any_buffer_holds)
{
	const size_t size = 300000;
	char *text = malloc(size), byte;
	struct test_wire wire = {.input = text, .input_size = size};
	struct aion_stream stream = {0};
	size_t done;

	cr_assert(text);
	test_fill(text, size, 0);
	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, NULL), 0);
	assert_result(aion_stream_skip(&stream, 200001, &done), 0);
	cr_assert_eq(done, 200001);
	assert_result(aion_stream_read(&stream, &byte, 1), 1);
	cr_assert_eq(byte, test_byte(200001));
	assert_result(aion_stream_skip(&stream, size, &done), -ENODATA);
	cr_assert_eq(done, size - 200002);
	assert_result(aion_stream_close(&stream), 0);
	free(text);
}

/* Of a megabyte in one line, in pieces that a search from the beginning would look at 2^38 times in all. */
TASK_TEST(stream_read, delimiter_is_found_however_it_trickles)
{
	const size_t size = 1 << 20;
	const struct aion_stream_options options = {.limit = size};
	char *text = malloc(size);
	struct aion_stream_view view;

	cr_assert(text);
	for (size_t piece = 1; piece < 4; piece += 2) {
		struct test_wire wire = {.input = text, .input_size = size, .read_max = piece};
		struct aion_stream stream = {0};

		memset(text, '\r', size);
		memcpy(text + size - 3, "\n\r\n", 3);
		assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, &options), 0);
		assert_result(aion_stream_read_until(&stream, "\r\n\r\n", 4, &view), (int64_t)size);
		cr_assert_eq(view.data[view.size - 1], '\r');
		assert_result(aion_stream_close(&stream), 0);
	}
	free(text);
}

/* Another delimiter than the one that was looked for before: what had been looked at is looked at again. */
TASK_TEST(stream_read, each_delimiter_is_searched_from_the_beginning)
{
	struct aion_stream_view view;
	struct pair pair;

	pair_open(&pair, NULL);
	test_feed(pair.peer, "a,bb;ccc");
	cr_assert_eq(shutdown(pair.peer, SHUT_WR), 0);
	assert_result(aion_stream_read_until(&pair.stream, "?", 1, &view), -ENODATA);
	assert_result(aion_stream_read_until(&pair.stream, "??", 2, &view), -ENODATA);
	assert_result(aion_stream_read_until(&pair.stream, "verylong", 8, &view), -ENODATA);
	assert_result(aion_stream_read_until(&pair.stream, "otherone", 8, &view), -ENODATA);
	assert_result(aion_stream_read_until(&pair.stream, ";", 1, &view), 5);
	assert_view(view, "a,bb");
	assert_result(aion_stream_read_until(&pair.stream, ",", 1, &view), -ENODATA);
	assert_result(aion_stream_read_until(&pair.stream, "c", 1, &view), 1);
	pair_close(&pair);
}

SPARED_TEST(stream_read, files_are_read_from_their_position)
{
	TEST_DIR();
	const size_t size = 500000;
	int fd = test_file_make("f", size);
	struct aion_stream stream = {0};
	char *buf = malloc(size);

	cr_assert(buf);
	cr_assert_eq(lseek(fd, 7, SEEK_SET), 7);
	assert_result(aion_stream_open(&stream, fd, NULL), 0);
	for (size_t off = 7, n; off < size; off += n) {
		n = off % 3000 < size - off ? off % 3000 : size - off;
		n += !n;
		assert_result(aion_stream_read_exact(&stream, buf, n, NULL), 0);
		cr_assert(test_is_filled(buf, n, off));
	}
	assert_result(aion_stream_read(&stream, buf, 1), 0);
	assert_result(aion_stream_close(&stream), 0);
	cr_assert(fcntl(fd, F_GETFD) < 0, "the descriptor was the stream's");
	free(buf);
}

static int64_t feed_slowly(void *arg)
{
	for (int i = 0; i < 100; i++) {
		char text[100];
		int size = snprintf(text, sizeof(text), "line %d of the lot\n", i);

		for (int at = 0; at < size; at += 7) {
			aion_yield();
			assert_result(
				aion_write_all(*(int *)arg, text + at, at + 7 < size ? 7 : (size_t)(size - at), NULL),
				0);
		}
	}
	return aion_close(*(int *)arg);
}

static void read_lot(int fds[2])
{
	struct aion_stream stream = {0};
	struct aion_stream_view view;
	struct aion_group group;
	char text[100];

	aion_group_enter(&group);
	aion_spawn(&group, feed_slowly, &fds[1]);
	assert_result(aion_stream_open_pair(&stream, fds[0], -1, NULL), 0);
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "line %d of the lot", i);
		cr_assert_gt(aion_stream_read_line(&stream, &view), 0);
		cr_assert_str_eq(view.data, text);
	}
	assert_result(aion_stream_read_line(&stream, &view), 0);
	assert_result(aion_stream_close(&stream), 0);
	assert_result(aion_group_leave(&group, 0), 0);
}

SPARED_TEST(stream_read, pipes_are_read)
{
	int fds[2];

	test_pipe(fds);
	read_lot(fds);
}

SPARED_TEST(stream_read, nonblocking_descriptors_are_waited_for)
{
	int fds[2];

	test_pipe(fds);
	cr_assert_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	read_lot(fds);
	test_stream_pair(fds);
	cr_assert_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	read_lot(fds);
}

TASK_TEST(stream_read, error_comes_after_the_bytes_before_it_and_loses_none)
{
	struct test_wire wire = {.input = "abc", .input_size = 3, .read_error = -ECONNRESET};
	struct aion_stream stream = {0};
	struct aion_stream_view view;
	char buf[10];
	size_t done;

	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, NULL), 0);
	assert_result(aion_stream_read_line(&stream, &view), -ECONNRESET);
	assert_result(aion_stream_buffered(&stream, &view), 3);
	wire.read_error = -ECONNRESET;
	assert_result(aion_stream_read_exact(&stream, buf, 5, &done), -ECONNRESET);
	cr_assert_eq(done, 3);
	assert_result(aion_stream_close(&stream), 0);
	cr_assert_eq(wire.close_nr, 1);
}

TASK_TEST(stream_read, options_out_of_bounds_are_refused)
{
	struct aion_stream stream = {0};

	for (int i = 0; i < 3; i++) {
		struct aion_stream_options options = {0};

		*(i == 0 ? &options.limit : i == 1 ? &options.read_size : &options.write_size) = SIZE_MAX;
		assert_result(aion_stream_open(&stream, 0, &options), -EINVAL);
		assert_result(aion_stream_open_transport(&stream, &wire_transport, NULL, &options), -EINVAL);
	}
	assert_result(aion_stream_read(&stream, &stream, 1), -EBADF);
	assert_result(aion_stream_close(&stream), 0);
}
