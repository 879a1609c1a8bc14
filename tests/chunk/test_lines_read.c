/* SPDX-License-Identifier: MIT */
/* The reader of lines: the lines of a reference, from files and pipes; limits; what happens between the calls. */
#include <aion/liburing.h>

#include "fault_int.h"
#include "test_chunk.h"
#include "test_sim.h"

/* Reads everything and compares it with the content. */
static void check_lines(struct aion_lines *lines, const char *content, size_t size, char delimiter)
{
	struct aion_line line;
	size_t off = 0, idx = 0, line_size;
	const char *end;
	int result;

	while ((result = aion_lines_next(lines, &line)) > 0) {
		cr_assert_lt(off, size);
		end = memchr(content + off, delimiter, size - off);
		line_size = end ? (size_t)(end - content) - off : size - off;
		cr_assert_eq(line.size, line_size);
		cr_assert_eq(memcmp(line.data, content + off, line_size), 0);
		cr_assert(line.off == (int64_t)off && line.idx == idx++ && line.is_delimited == (end != NULL));
		cr_assert_eq(line.data[line_size], end ? delimiter : '\0');
		off += line_size + (end != NULL);
	}
	assert_result(result, 0);
	cr_assert_eq(off, size);
	assert_result(aion_lines_next(lines, &line), 0);
}

SPARED_TEST(lines_read, every_line_of_a_file_comes)
{
	TEST_DIR();

	for (uint64_t seed = 1; seed <= 60; seed++) {
		AION_CLEANUP(aion_lines_close) struct aion_lines lines = {0};
		uint64_t random = seed * 0x9e3779b97f4a7c15 | 1;
		size_t size = test_random(&random) % 60000;
		char delimiter = seed % 3 ? '\n' : 0;
		char *content = test_content(size, delimiter, (size_t)1 << test_random(&random) % 13, &random);
		struct aion_lines_options options = {.buf_size = test_random(&random) % 5000 + 1,
						     .zero_delimiter = !delimiter};

		test_file_put("f", content, size);
		assert_result(aion_lines_open_path(&lines, "f", &options), 0);
		check_lines(&lines, content, size, delimiter);
		free(content);
	}
}

SPARED_TEST(lines_read, a_descriptor_is_read_from_its_position)
{
	TEST_DIR();
	AION_CLEANUP(aion_lines_close) struct aion_lines lines = {0};
	struct aion_line line;
	int fd;

	test_file_put("f", "one\ntwo\nthree", 13);
	fd = open("f", O_RDONLY | O_CLOEXEC);
	cr_assert_eq(lseek(fd, 4, SEEK_SET), 4);
	assert_result(aion_lines_open(&lines, fd, NULL), 0);
	check_lines(&lines, "two\nthree", 9, '\n');
	aion_lines_close(&lines);
	aion_lines_close(&lines);
	cr_assert_geq(fcntl(fd, F_GETFD), 0, "the caller's stays open");
	assert_result(aion_lines_next(&lines, &line), -EBADF);
	close(fd);
}

SPARED_TEST(lines_read, a_line_of_a_pipe_comes_as_soon_as_it_is_there)
{
	AION_CLEANUP(aion_lines_close) struct aion_lines lines = {0};
	struct aion_line line;
	int fds[2];

	test_pipe(fds);
	assert_result(aion_lines_open(&lines, fds[0], NULL), 0);
	cr_assert_eq(write(fds[1], "one\ntw", 6), 6);
	assert_result(aion_lines_next(&lines, &line), 1);
	cr_assert(line.size == 3 && memcmp(line.data, "one\n", 4) == 0);
	cr_assert_eq(write(fds[1], "o\n", 2), 2);
	assert_result(aion_lines_next(&lines, &line), 1);
	cr_assert(line.size == 3 && memcmp(line.data, "two\n", 4) == 0 && line.off == 4 && line.idx == 1);
	close(fds[1]);
	assert_result(aion_lines_next(&lines, &line), 0);
	close(fds[0]);
}

SPARED_TEST(lines_read, a_line_that_is_too_long_is_left_out)
{
	TEST_DIR();
	const struct aion_lines_options options = {.buf_size = 7, .line_size_max = 10};
	AION_CLEANUP(aion_lines_close) struct aion_lines lines = {0};
	struct aion_line line;
	static const char content[] = "0123456789\n0123456789a\nshort\n0123456789012345678901234567890\nlast";

	test_file_put("f", content, sizeof(content) - 1);
	assert_result(aion_lines_open_path(&lines, "f", &options), 0);
	assert_result(aion_lines_next(&lines, &line), 1);
	cr_assert_eq(line.size, 10);
	assert_result(aion_lines_next(&lines, &line), -EMSGSIZE);
	assert_result(aion_lines_next(&lines, &line), 1);
	cr_assert(line.size == 5 && memcmp(line.data, "short", 5) == 0 && line.idx == 2 && line.off == 23);
	assert_result(aion_lines_next(&lines, &line), -EMSGSIZE);
	assert_result(aion_lines_next(&lines, &line), 1);
	cr_assert(line.size == 4 && memcmp(line.data, "last", 5) == 0 && line.idx == 4 && !line.is_delimited);
	assert_result(aion_lines_next(&lines, &line), 0);
	aion_lines_close(&lines);

	test_file_put("f", "0123456789012345678901234567890", 31);
	assert_result(aion_lines_open_path(&lines, "f", &options), 0);
	assert_result(aion_lines_next(&lines, &line), -EMSGSIZE);
	assert_result(aion_lines_next(&lines, &line), 0);
}

SPARED_TEST(lines_read, nothing_is_lost_by_a_cancellation)
{
	AION_CLEANUP(aion_lines_close) struct aion_lines lines = {0};
	struct aion_scope scope;
	struct aion_line line;
	int fds[2];

	test_pipe(fds);
	assert_result(aion_lines_open(&lines, fds[0], NULL), 0);
	cr_assert_eq(write(fds[1], "a\nb", 3), 3);
	test_enter_cancelled(&scope);
	assert_result(aion_lines_next(&lines, &line), -ECANCELED);
	aion_scope_leave(&scope);
	assert_result(aion_lines_next(&lines, &line), 1);
	aion_scope_enter(&scope, aion_after(AION_MILLISECOND));
	assert_result(aion_lines_next(&lines, &line), -ECANCELED);
	assert_result(aion_scope_leave(&scope), -ETIME);
	cr_assert_eq(write(fds[1], "c\n", 2), 2);
	assert_result(aion_lines_next(&lines, &line), 1);
	cr_assert(line.size == 2 && memcmp(line.data, "bc\n", 3) == 0);
	close(fds[0]);
	close(fds[1]);
}

SPARED_TEST(lines_read, what_is_wrong_is_told)
{
	struct aion_lines_options bad = {.buf_size = AION_CHUNK_SIZE_MAX + 1};
	struct aion_lines lines = {0};
	struct aion_scope scope;
	struct aion_line line;

	assert_result(aion_lines_open(&lines, 0, &bad), -EINVAL);
	assert_result(aion_lines_open_path(&lines, "/dev/null", &bad), -EINVAL);
	bad = (struct aion_lines_options){.line_size_max = AION_CHUNK_RECORD_MAX + 1};
	assert_result(aion_lines_open(&lines, 0, &bad), -EINVAL);
	assert_result(aion_lines_open_path(&lines, "/proc/none", NULL), -ENOENT);
	test_enter_cancelled(&scope);
	assert_result(aion_lines_open_path(&lines, "/dev/null", NULL), -ECANCELED);
	aion_scope_leave(&scope);
	assert_result(aion_lines_open_path(&lines, "/", NULL), 0);
	assert_result(aion_lines_next(&lines, &line), -EISDIR);
	aion_lines_close(&lines);
#ifdef AION_FAULTS
	for (unsigned after = 0; after < 2; after++) {
		aion__fault_arm(AION__FAULT_ALLOC, after, 1, -ENOMEM);
		assert_result(aion_lines_open_path(&lines, "/dev/null", NULL), -ENOMEM);
		aion__fault_reset();
	}
#endif
}

static void open_twice(void)
{
	struct aion_lines lines = {0};

	aion_lines_open(&lines, 0, NULL);
	aion_lines_open(&lines, 0, NULL);
}

Test(lines_read, not_opened_twice)
{
	test_aborts(open_twice, "lines are opened that are open");
}

static int in_child(void *unused)
{
	struct aion_lines lines = {0};
	struct aion_line line;

	(void)unused;
	if (aion_lines_open_path(&lines, "/dev/null", NULL) != -ECHILD)
		return 1;
	return aion_lines_next(&lines, &line) == -ECHILD ? 0 : 2;
}

SPARED_TEST(lines_read, forked_child_is_refused)
{
	cr_assert_eq(test_in_child(in_child, NULL), 0);
}

Test(lines_read, not_inside_a_task)
{
	struct aion_lines lines = {0};
	struct aion_line line;

	assert_result(aion_lines_open_path(&lines, "/dev/null", NULL), -EBUSY);
	assert_result(aion_lines_open(&lines, 0, NULL), 0);
	assert_result(aion_lines_next(&lines, &line), -EBUSY);
	aion_lines_close(&lines);
}

static int64_t short_reads(void *sim)
{
	AION_CLEANUP(aion_lines_close) struct aion_lines lines = {0};
	uint64_t random = 77;
	const size_t size = 30000;
	char *content = test_content(size, '\n', 100, &random);
	struct aion_line line;

	assert_result(aion_sim_file_write(sim, "/f", content, size), 0);
	assert_result(aion_lines_open_path(&lines, "/f", NULL), 0);
	check_lines(&lines, content, size, '\n');
	aion_lines_close(&lines);

	/* An error is told, and is no end. */
	assert_result(aion_lines_open_path(&lines, "/f", NULL), 0);
	aion_sim_knob_set(sim, AION_SIM_TRY, 0);
	assert_result(aion_sim_inject(sim, IORING_OP_READ, 1, -EIO), 0);
	assert_result(aion_lines_next(&lines, &line), -EIO);
	check_lines(&lines, content, size, '\n');
	free(content);
	return 4711;
}

/* Whatever fails is told, and the next call goes on where it was. */
static int64_t hostile(void *sim)
{
	AION_CLEANUP(aion_lines_close) struct aion_lines lines = {0};
	uint64_t random = 78;
	const size_t size = 30000;
	char *content = test_content(size, '\n', 100, &random);
	struct aion_lines_options options = {.buf_size = 500};
	size_t off = 0, line_size;
	struct aion_line line;
	const char *end;
	int result = -1;

	assert_result(aion_sim_file_write(sim, "/f", content, size), 0);
	while (aion_lines_open_path(&lines, "/f", &options) < 0)
		;
	while (result != 0) {
		struct aion_scope scope;

		aion_scope_enter(&scope, aion_after((int64_t)(test_random(&random) % 20) * AION_MICROSECOND));
		result = aion_lines_next(&lines, &line);
		aion_scope_leave(&scope);
		cr_assert(result >= 0 || result == -EIO || result == -ENOMEM || result == -ECANCELED, "%d", result);
		if (result <= 0)
			continue;
		end = memchr(content + off, '\n', size - off);
		line_size = end ? (size_t)(end - content) - off : size - off;
		cr_assert(line.size == line_size && memcmp(line.data, content + off, line_size) == 0);
		off += line_size + (end != NULL);
	}
	cr_assert_eq(off, size);
	free(content);
	return 4711;
}

Test(lines_read, an_error_at_any_place_loses_nothing)
{
	for (uint64_t seed = 1; seed <= 30; seed++) {
		struct aion_sim *sim =
			test_sim_make(&(struct aion_sim_options){.seed = seed, .profile = AION_SIM_HOSTILE});

		cr_assert_eq(test_sim_run(sim, hostile, sim), 4711);
		test_sim_end(sim);
	}
}

Test(lines_read, short_reads_and_errors_lose_nothing)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct aion_sim *sim =
			test_sim_make(&(struct aion_sim_options){.seed = seed, .profile = AION_SIM_ROUGH});

		cr_assert_eq(test_sim_run(sim, short_reads, sim), 4711);
		test_sim_end(sim);
	}
}
