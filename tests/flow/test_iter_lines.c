/* SPDX-License-Identifier: MIT */
/* The lines of a descriptor. */
#include "test_iter.h"

static int64_t assert_line(struct aion_iter_lines *lines, const char *text, size_t size, bool has_newline)
{
	void *value = NULL;
	int64_t result = aion_iter_next(&lines->iter, &value);
	const struct aion_iter_line *line = value;

	if (result != 1)
		return result;
	cr_assert_eq(line->size, size, "\"%s\" has %zu bytes", line->text, line->size);
	cr_assert_eq(memcmp(line->text, text, size + 1), 0, "\"%s\" instead of \"%s\"", line->text, text);
	cr_assert_eq(line->has_newline, has_newline);
	return 1;
}

static int pipe_with(const char *content, size_t size, int *ret_write_fd)
{
	int fds[2];

	test_pipe(fds);
	cr_assert_eq(write(fds[1], content, size), (ssize_t)size);
	if (ret_write_fd)
		*ret_write_fd = fds[1];
	else
		close(fds[1]);
	return fds[0];
}

TASK_TEST(iter_lines, lines_come_without_newline_and_with_a_zero_behind)
{
	struct aion_iter_lines lines;
	char buf[16];
	int fd = pipe_with("one\n\nthree\r\na\0b\nlast", 20, NULL);

	aion_iter_lines_init(&lines, fd, buf, sizeof(buf));
	assert_result(assert_line(&lines, "one", 3, true), 1);
	assert_result(assert_line(&lines, "", 0, true), 1);
	assert_result(assert_line(&lines, "three\r", 6, true), 1);
	assert_result(assert_line(&lines, "a\0b", 3, true), 1);
	assert_result(assert_line(&lines, "last", 4, false), 1);
	assert_result(assert_line(&lines, "", 0, false), 0);
	assert_result(aion_iter_close(&lines.iter), 0);
	close(fd);
}

TASK_TEST(iter_lines, content_that_ends_with_a_newline_has_no_empty_line_behind)
{
	struct aion_iter_lines lines;
	char buf[16];
	int fd = pipe_with("one\n", 4, NULL);

	aion_iter_lines_init(&lines, fd, buf, sizeof(buf));
	assert_result(assert_line(&lines, "one", 3, true), 1);
	assert_result(assert_line(&lines, "", 0, false), 0);
	close(fd);
	fd = pipe_with("", 0, NULL);
	aion_iter_lines_init(&lines, fd, buf, sizeof(buf));
	assert_result(assert_line(&lines, "", 0, false), 0);
	close(fd);
}

TASK_TEST(iter_lines, line_fills_the_buffer_but_for_one_byte)
{
	struct aion_iter_lines lines;
	char buf[5];
	int fd = pipe_with("abcd\nefgh\nijkl", 14, NULL);

	aion_iter_lines_init(&lines, fd, buf, sizeof(buf));
	assert_result(assert_line(&lines, "abcd", 4, true), 1);
	assert_result(assert_line(&lines, "efgh", 4, true), 1);
	assert_result(assert_line(&lines, "ijkl", 4, false), 1);
	assert_result(assert_line(&lines, "", 0, false), 0);
	close(fd);
}

TASK_TEST(iter_lines, longer_line_is_an_error_after_the_lines_before)
{
	struct aion_iter_lines lines;
	char buf[5];
	int fd = pipe_with("abc\nefghi\nxy\n", 13, NULL);

	aion_iter_lines_init(&lines, fd, buf, sizeof(buf));
	assert_result(assert_line(&lines, "abc", 3, true), 1);
	assert_result(assert_line(&lines, "", 0, false), -EMSGSIZE);
	assert_result(assert_line(&lines, "", 0, false), -EMSGSIZE);
	close(fd);
}

TASK_TEST(iter_lines, buffer_without_room_for_a_byte_is_refused)
{
	struct aion_iter_lines lines;
	char buf[1];
	int fd = pipe_with("\n", 1, NULL);

	aion_iter_lines_init(&lines, fd, buf, sizeof(buf));
	assert_result(assert_line(&lines, "", 0, false), -EINVAL);
	close(fd);
}

TASK_TEST(iter_lines, errors_of_the_read_come_through)
{
	struct aion_iter_lines lines;
	char buf[16];

	aion_iter_lines_init(&lines, -1, buf, sizeof(buf));
	assert_result(assert_line(&lines, "", 0, false), -EBADF);
}

TASK_TEST(iter_lines, cancelled_wait_for_the_rest_of_a_line_keeps_its_beginning)
{
	struct aion_iter_lines lines;
	char buf[16];
	int write_fd;
	int fd = pipe_with("one\ntw", 6, &write_fd);

	aion_iter_lines_init(&lines, fd, buf, sizeof(buf));
	assert_result(assert_line(&lines, "one", 3, true), 1);
	assert_result(test_next_cut_short(&lines.iter, AION_MILLISECOND), -ECANCELED);
	assert_result(test_next_cut_short(&lines.iter, AION_MILLISECOND), -ECANCELED);
	cr_assert_eq(write(write_fd, "o\nthree", 7), 7);
	close(write_fd);
	assert_result(assert_line(&lines, "two", 3, true), 1);
	assert_result(assert_line(&lines, "three", 5, false), 1);
	assert_result(assert_line(&lines, "", 0, false), 0);
	close(fd);
}

/* Lines of all lengths, through a buffer that they fit into in every position. */
TASK_TEST(iter_lines, many_lines_come_whole_wherever_the_reads_fall)
{
	struct aion_iter_lines lines;
	char content[4000];
	char text[80];
	char buf[67];
	size_t size = 0;
	int fd;

	for (size_t i = 0; i < 60; i++) {
		memset(content + size, 'a' + (int)(i % 26), i);
		size += i;
		content[size++] = '\n';
	}
	fd = pipe_with(content, size, NULL);
	aion_iter_lines_init(&lines, fd, buf, sizeof(buf));
	for (size_t i = 0; i < 60; i++) {
		memset(text, 'a' + (int)(i % 26), i);
		text[i] = 0;
		assert_result(assert_line(&lines, text, i, true), 1);
	}
	assert_result(assert_line(&lines, "", 0, false), 0);
	close(fd);
}
