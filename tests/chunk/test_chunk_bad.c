/* SPDX-License-Identifier: MIT */
/* Files of the kernel's with bytes that cannot be read, as workers see them: pread(2) says so in the kernel's place. */
#include <sys/syscall.h>

#include "fault_int.h"
#include "test_chunk.h"

/* Reads of these bytes fail; none: bad_end 0. */
static atomic_llong bad_begin, bad_end;

ssize_t pread(int fd, void *buf, size_t size, off_t off)
{
	if (off < bad_end && off + (off_t)size > bad_begin) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, buf, size, off);
}

static bool has_direct(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* [begin, end) cannot be read: whole blocks, and what the file has of its last one. */
static void check_bad(size_t size, size_t begin, size_t end, const struct aion_chunk_options *wish)
{
	struct aion_chunk_options options = *wish;
	bool must_skip = options.on_error == AION_CHUNK_SKIP;
	size_t bad_size = (end < size ? end : size) - begin;
	uint64_t random = 5;
	char *content = test_content(size, '\n', 0, &random);
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_progress final;
	struct seen seen;
	int64_t result;

	options.ret_final = &final;
	options.ret_failure = &failure;
	test_file_put("f", content, size);
	seen_init(&seen, size);
	bad_begin = (long long)begin;
	bad_end = (long long)end;
	result = aion_chunk_path("f", seen_note, &seen, &options);
	bad_end = 0;
	assert_result(result, (int64_t)(must_skip ? size - bad_size : size));
	cr_assert_eq(final.bad_size, bad_size);
	cr_assert(failure.error == -EIO && failure.off == (int64_t)begin && strcmp(failure.what, "read") == 0,
		  "the first bad byte is at %zu, not %lld", begin, (long long)failure.off);
	if (!must_skip)
		memset(content + begin, 0, bad_size);
	for (size_t i = 0; i < size; i++)
		cr_assert(must_skip && i >= begin && i < end ? !seen.times[i]
							     : seen.times[i] == 1 && seen.bytes[i] == content[i],
			  "the byte at %zu of %zu, of which [%zu, %zu) are bad", i, size, begin, end);
	seen_fini(&seen);
	free(content);
}

SPARED_TEST(chunk_bad, workers_see_the_rest_also_if_the_last_block_is_bad)
{
	TEST_DIR();

	test_file_put("f", "x", 1);
	if (!has_direct("f"))
		cr_skip_test("/tmp has no direct reads");
	for (int worker_nr = 1; worker_nr < 3; worker_nr++) {
		for (int i = 0; i < 4; i++) {
			struct aion_chunk_options options = {.worker_nr = worker_nr, .direct = true};

			options.on_error = i % 2 ? AION_CHUNK_SKIP : AION_CHUNK_SUBSTITUTE;
			options.chunk_size = i / 2 ? 8192 : 0;
			check_bad(10000, 8192, 12288, &options);
			check_bad(10000, 4096, 12288, &options);
			check_bad(10000, 0, 12288, &options);
			check_bad(10000, 4096, 8192, &options);
			check_bad(100, 0, 4096, &options);
			check_bad(40000, 36864, 40960, &options);
		}
	}
}

/* An error that ends the run is what is told, also if bytes before it were bad. */
SPARED_TEST(chunk_bad, the_runs_error_goes_before_bad_bytes)
{
	TEST_DIR();

	close(test_file_make("f", 100000));
	if (!has_direct("f"))
		cr_skip_test("/tmp has no direct reads");
	for (int i = 0; i < 2; i++) {
		struct aion_chunk_failure failure = {0};
		struct aion_chunk_options options = {.chunk_size = 8192, .worker_nr = 1, .direct = true};
		struct seen seen;

		options.on_error = i ? AION_CHUNK_SKIP : AION_CHUNK_SUBSTITUTE;
		options.ret_failure = &failure;
		seen_init(&seen, 100000);
		seen.fail_nth = 4;
		seen.fail_with = -EXFULL;
		bad_begin = 8192;
		bad_end = 16384;
		assert_result(aion_chunk_path("f", seen_note, &seen, &options), -EXFULL);
		bad_end = 0;
		assert_result(failure.error, -EXFULL);
		cr_assert(failure.off > 16384 && strcmp(failure.what, "callback") == 0);
		seen_fini(&seen);
	}
}

#ifdef AION_FAULTS
/* A file system that cuts direct reads anywhere, once or always: only what is behind the last byte is the end. */
static void check_cut(const char *content, size_t size, int cut, unsigned after, unsigned times)
{
	for (int i = 0; i < 6; i++) {
		struct aion_chunk_options options = {
			.chunk_size = 8192,
			.window_nr = 3,
			.worker_nr = i / 2,
			.direct = true,
			.records = i % 2,
			.delimiter = '\n',
			.record_size_max = size,
		};
		struct seen seen;

		seen_init(&seen, size);
		aion__fault_arm(AION__FAULT_DIRECT_CUT, after, times, -cut);
		assert_result(aion_chunk_path("f", seen_note, &seen, &options), (int64_t)size);
		cr_assert_gt(aion__fault_passed(AION__FAULT_DIRECT_CUT), after);
		aion__fault_reset();
		seen_is(&seen, content, 0, size);
		seen_fini(&seen);
	}
}

SPARED_TEST(chunk_bad, a_direct_read_that_is_cut_inside_a_block_is_no_end)
{
	static const int cuts[] = {1, 1000, 4095, 4097, 8191};
	TEST_DIR();
	uint64_t random = 31;
	const size_t size = 50000;
	char *content = test_content(size, '\n', 300, &random);

	test_file_put("f", content, size);
	if (!has_direct("f"))
		cr_skip_test("/tmp has no direct reads");
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		check_cut(content, size, cuts[i], 0, 1000000);
		check_cut(content, size, cuts[i], (unsigned)i, 1);
		check_cut(content, size, cuts[i], 2, 2);
	}
	free(content);
}
#endif
