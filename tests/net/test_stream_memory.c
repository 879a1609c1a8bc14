/* SPDX-License-Identifier: MIT */
/* What memory a stream holds and when; and what happens where there is none. */
#include "test_stream.h"

#include "fault_int.h"

/* A case whose body is a task, and which can count the library's memory. */
#define COUNTED_TEST(suite, fact)                                                                                      \
	TASK_OF_BODY(suite, fact)                                                                                      \
	Test(suite, fact)                                                                                              \
	{                                                                                                              \
		test_allocator_count();                                                                                \
		cr_assert_eq(aion_run(suite##_##fact##_task, NULL, NULL), 4711);                                       \
		cr_assert_eq(test_allocator_in_use_nr(), 0);                                                           \
	}                                                                                                              \
	static void suite##_##fact##_body(void)

struct line_reader {
	struct aion_stream stream;
	size_t got;
};

static int64_t read_lines(void *arg)
{
	struct line_reader *reader = arg;
	struct aion_stream_view view;
	int64_t result;

	while ((result = aion_stream_read_line(&reader->stream, &view)) > 0)
		reader->got += (size_t)result;
	return result;
}

/* Whoever waits for small messages, and whoever waits after large ones, holds nothing but the struct. */
COUNTED_TEST(stream_memory, waiting_stream_holds_no_buffer)
{
	struct line_reader reader = {0};
	struct aion_group group;
	char *text = malloc(60000);
	size_t in_use, total, sent = 0;
	int fds[2];

	cr_assert(text);
	memset(text, 'x', 60000);
	test_stream_pair(fds);
	aion_group_enter(&group);
	assert_result(aion_stream_open(&reader.stream, fds[0], NULL), 0);
	aion_spawn(&group, read_lines, &reader);
	test_settle();
	in_use = test_allocator_in_use_nr();
	total = test_allocator_total_nr();
	for (size_t size = 1; size <= 500; size += 37) {
		text[size - 1] = '\n';
		cr_assert_eq(write(fds[1], text, size), (ssize_t)size);
		text[size - 1] = 'x';
		for (sent += size; reader.got < sent;)
			aion_yield();
		test_settle();
		cr_assert_eq(test_allocator_in_use_nr(), in_use);
	}
	cr_assert_eq(test_allocator_total_nr(), total, "small messages need no memory");
	for (size_t size = 513; size <= 60000; size *= 2) {
		text[size - 1] = '\n';
		cr_assert_eq(write(fds[1], text, size), (ssize_t)size);
		text[size - 1] = 'x';
		for (sent += size; reader.got < sent;)
			aion_yield();
		test_settle();
		cr_assert_eq(test_allocator_in_use_nr(), in_use, "after %zu bytes", size);
	}
	cr_assert_gt(test_allocator_total_nr(), total);
	close(fds[1]);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(aion_stream_close(&reader.stream), 0);
	free(text);
}

COUNTED_TEST(stream_memory, flushed_stream_holds_no_buffer)
{
	char text[5000] = "", got[10000];
	struct test_wire wire = {.output = got, .output_room = sizeof(got)};
	struct aion_stream stream = {0};
	size_t in_use = test_allocator_in_use_nr();

	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, NULL), 0);
	for (int i = 0; i < 50; i++)
		assert_result(aion_stream_write(&stream, text, 100, NULL), 0);
	cr_assert_eq(test_allocator_in_use_nr(), in_use + 1);
	assert_result(aion_stream_flush(&stream), 0);
	cr_assert_eq(test_allocator_in_use_nr(), in_use);
	assert_result(aion_stream_write(&stream, text, 5000, NULL), 0);
	assert_result(aion_stream_abort(&stream), 0);
	cr_assert_eq(test_allocator_in_use_nr(), in_use);
	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire,
						 &(struct aion_stream_options){.write_size = 1300}),
		      0);
	for (int i = 0; i < 13; i++)
		assert_result(aion_stream_write(&stream, text, 100, NULL), 0);
	cr_assert_eq(aion_stream_unwritten_size(&stream), 1300);
	cr_assert_eq(stream.out_room, 1300);
	assert_result(aion_stream_abort(&stream), 0);
}

static int64_t wait_and_see(void *arg)
{
	(void)arg;
	return 0;
}

/* A message of 40000 bytes, half of which has come: memory for what there is, and no more than twice the limit. */
COUNTED_TEST(stream_memory, message_in_progress_is_all_that_is_held)
{
	const struct aion_stream_transport transport = {.read = wire_read, .wait = wait_and_see};
	char *text = malloc(40000);
	struct test_wire wire = {.input = text, .input_size = 40000, .read_max = 1500};
	struct aion_stream stream = {0};
	struct aion_stream_view view;
	size_t in_use = test_allocator_in_use_nr();

	cr_assert(text);
	test_fill(text, 40000, 0);
	assert_result(aion_stream_open_transport(&stream, &transport, &wire, NULL), 0);
	assert_result(aion_stream_peek(&stream, 20000, &view), 21000);
	cr_assert_leq(stream.room, 65536 + AION_STREAM_DELIMITER_MAX);
	cr_assert_eq(test_allocator_in_use_nr(), in_use + 1);
	assert_result(aion_stream_peek(&stream, 40000, &view), 40000);
	cr_assert_eq(test_allocator_in_use_nr(), in_use + 1);
	cr_assert(test_is_filled(view.data, 40000, 0));
	assert_result(aion_stream_skip(&stream, 39999, NULL), 0);
	assert_result(aion_stream_read(&stream, text, 1), 1);
	cr_assert_eq(test_allocator_in_use_nr(), in_use);
	assert_result(aion_stream_close(&stream), 0);
	free(text);
}

/* Far more messages than one connection may hold buffers: it is lent new ones only if it gives the old ones back. */
SPARED_TEST(stream_memory, connections_buffers_are_given_back)
{
	struct aion_stream stream = {0};
	struct aion_stream_view view;
	struct aion_conn conn = {0};
	char text[101];
	int fds[2];

	memset(text, 'x', 100);
	test_stream_pair(fds);
	assert_result(aion_conn_open(&conn, fds[0]), 0);
	assert_result(aion_stream_open_conn(&stream, &conn, NULL), 0);
	for (int i = 0; i < 500; i++) {
		text[i % 50] = i % 3 ? 'x' : '\n';
		text[99] = '\n';
		cr_assert_eq(write(fds[1], text, 100), 100);
		if (i % 3 == 0)
			assert_result(aion_stream_read_line(&stream, &view), i % 50 + 1);
		assert_result(aion_stream_read_line(&stream, &view), i % 3 ? 100 : 99 - i % 50);
		cr_assert_eq(view.data[view.size], 0);
		text[i % 50] = 'x';
	}
	close(fds[1]);
	assert_result(aion_stream_read_line(&stream, &view), 0);
	cr_assert(aion_stream_at_eof(&stream));
	assert_result(aion_stream_close(&stream), 0);
}

#ifdef AION_FAULTS
/* ---- none there */

TASK_TEST(stream_memory, without_memory_no_byte_is_lost)
{
	char *text = malloc(20000), *got = malloc(20000);
	struct test_wire wire = {.input = text, .input_size = 20000, .output = got, .output_room = 20000};
	struct aion_stream stream = {0};
	struct aion_stream_view view;

	cr_assert(text && got);
	test_fill(text, 20000, 0);
	for (size_t i = 0; i < 20000; i++)
		text[i] = text[i] == '\n' ? 'n' : text[i];
	memcpy(got, text, 20000);
	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, NULL), 0);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1000000, -ENOMEM);
	assert_result(aion_stream_read_line(&stream, &view), -ENOMEM);
	assert_result(aion_stream_peek(&stream, 513, &view), -ENOMEM);
	assert_result(aion_stream_peek(&stream, 512, &view), 512);
	cr_assert_eq(memcmp(view.data, text, 512), 0);
	assert_result(aion_stream_skip(&stream, 10000, NULL), 0);
	aion__fault_arm(AION__FAULT_ALLOC, 2, 1000000, -ENOMEM);
	assert_result(aion_stream_read_line(&stream, &view), -ENOMEM);
	aion__fault_reset();
	assert_result(aion_stream_peek(&stream, 10000, &view), 10000);
	cr_assert_eq(memcmp(view.data, text + 10000, 10000), 0);
	assert_result(aion_stream_close(&stream), 0);
	free(text);
	free(got);
}

TASK_TEST(stream_memory, without_memory_what_is_written_goes_out_at_once)
{
	char text[1000], got[3000];
	struct test_wire wire = {.output = got, .output_room = sizeof(got)};
	struct aion_stream stream = {0};

	memset(text, 'x', sizeof(text));
	assert_result(aion_stream_open_transport(&stream, &wire_transport, &wire, NULL), 0);
	aion__fault_arm(AION__FAULT_ALLOC, 0, 1000000, -ENOMEM);
	assert_result(aion_stream_write(&stream, "abc", 3, NULL), 0);
	cr_assert_eq(wire.output_at, 3);
	assert_result(aion_stream_printf(&stream, "text"), -ENOMEM);
	assert_result(aion_stream_printf(&stream, "%.*s", 600, text), -ENOMEM);
	aion__fault_arm(AION__FAULT_ALLOC, 1, 1000000, -ENOMEM);
	assert_result(aion_stream_printf(&stream, "def"), 3);
	assert_result(aion_stream_write(&stream, text, 1000, NULL), 0);
	cr_assert_eq(wire.output_at, 3);
	assert_result(aion_stream_write(&stream, text, 1000, NULL), 0);
	aion__fault_reset();
	cr_assert_eq(wire.output_at, 2006);
	cr_assert_eq(memcmp(got, "abcdefx", 7), 0);
	assert_result(aion_stream_close(&stream), 0);
}
#endif
