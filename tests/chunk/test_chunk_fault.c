/* SPDX-License-Identifier: MIT */
/* Short reads, interrupted ones and read errors, on simulated machines: the bytes are the same, or as many are missing
 * as are said to be. */
#include <aion/liburing.h>

#include "test_chunk.h"
#include "test_sim.h"

#define SIZE ((size_t)100000)

static char *content_make(struct aion_sim *sim, uint64_t seed, size_t record)
{
	uint64_t random = seed * 0x9e3779b97f4a7c15 | 1;
	char *content = test_content(SIZE, '\n', record, &random);

	for (size_t i = 0; i < SIZE; i++) /* no zeros: those are put in by the processor */
		content[i] |= content[i] == '\n' ? 0 : 1;
	for (size_t i = 0; i < SIZE; i++)
		if (content[i] == '\n' + 1)
			content[i] = 1;
	assert_result(aion_sim_file_write(sim, "/f", content, SIZE), 0);
	return content;
}

static int64_t on_machines(aion_fn *fn, uint64_t seed_nr, enum aion_sim_profile profile)
{
	for (uint64_t seed = 1; seed <= seed_nr; seed++) {
		struct aion_sim *sim = test_sim_make(&(struct aion_sim_options){.seed = seed, .profile = profile});

		if (seed % 2)
			aion_sim_knob_set(sim, AION_SIM_TRY, 0);
		/* Calm is also whatever the environment says. */
		for (int i = AION_SIM_ERROR_EINTR; profile == AION_SIM_CALM && i < AION_SIM_KNOB_NR; i++)
			aion_sim_knob_set(sim, (enum aion_sim_knob)i, 0);
		cr_assert_eq(test_sim_run(sim, fn, sim), 4711, "seed %llu", (unsigned long long)seed);
		test_sim_end(sim);
	}
	return 0;
}

static struct aion_chunk_options options_of(uint64_t seed)
{
	return (struct aion_chunk_options){
		.chunk_size = 4096 * (seed % 5 + 1),
		.window_nr = (unsigned)(seed % 6 + 1),
		.unordered = seed % 3 == 0,
	};
}

static int64_t short_reads(void *arg)
{
	struct aion_sim *sim = arg;
	char *content = content_make(sim, 5, 0);

	aion_sim_knob_set(sim, AION_SIM_SHORT_READ, 500000);
	aion_sim_knob_set(sim, AION_SIM_ERROR_EINTR, 200000);
	for (uint64_t i = 0; i < 6; i++) {
		struct aion_chunk_options options = options_of(i);
		struct seen seen;

		seen_init(&seen, SIZE);
		seen.must_yield = i % 2;
		assert_result(aion_chunk_path("/f", seen_note, &seen, &options), SIZE);
		seen_is(&seen, content, 0, SIZE);
		cr_assert(options.unordered || !seen.is_unordered);
		seen_fini(&seen);
	}
	free(content);
	return 4711;
}

Test(chunk_fault, short_reads_give_identical_bytes)
{
	on_machines(short_reads, 20, AION_SIM_ROUGH);
}

static int64_t short_records(void *arg)
{
	struct aion_sim *sim = arg;
	char *content = content_make(sim, 6, 900);

	aion_sim_knob_set(sim, AION_SIM_SHORT_READ, 500000);
	for (uint64_t i = 0; i < 6; i++) {
		struct aion_chunk_options options = options_of(i);
		struct seen seen;

		options.records = true;
		options.delimiter = '\n';
		seen_init(&seen, SIZE);
		seen.must_delimit = true;
		seen.delimiter = '\n';
		seen.whole = SIZE;
		assert_result(aion_chunk_path("/f", seen_note, &seen, &options), SIZE);
		seen_is(&seen, content, 0, SIZE);
		cr_assert_eq(seen.cut_nr, 0);
		seen_fini(&seen);
	}
	free(content);
	return 4711;
}

Test(chunk_fault, short_reads_give_whole_records)
{
	on_machines(short_records, 20, AION_SIM_ROUGH);
}

/* A slow disk does not keep back what has been read, if the order does not matter; it does if it matters. */
static int64_t stalls(void *arg)
{
	struct aion_sim *sim = arg;
	char *content = content_make(sim, 13, 0);
	size_t overtaken_nr = 0;

	aion_sim_knob_set(sim, AION_SIM_TRY, 0);
	aion_sim_knob_set(sim, AION_SIM_INLINE, 0);
	aion_sim_knob_set(sim, AION_SIM_STALL, 300000);
	for (int i = 0; i < 6; i++) {
		struct aion_chunk_options options = {.chunk_size = 4096, .unordered = i % 2};
		struct seen seen;

		seen_init(&seen, SIZE);
		assert_result(aion_chunk_path("/f", seen_note, &seen, &options), SIZE);
		seen_is(&seen, content, 0, SIZE);
		cr_assert(options.unordered || !seen.is_unordered);
		overtaken_nr += seen.is_unordered;
		seen_fini(&seen);
	}
	cr_assert_gt(overtaken_nr, 0);
	free(content);
	return 4711;
}

Test(chunk_fault, unordered_chunks_overtake_one_that_stalls)
{
	on_machines(stalls, 10, AION_SIM_CALM);
}

/* Cuts the file in the middle of a place that is being read. */
struct cut {
	struct seen seen;
	int fd;
	int64_t size;
};

static int64_t cut_see(struct aion_chunk *chunk, void *arg)
{
	struct cut *cut = arg;

	if (chunk->idx == 1)
		assert_result(aion_ftruncate(cut->fd, cut->size), 0);
	return seen_note(chunk, &cut->seen);
}

static int64_t short_cut(void *arg)
{
	struct aion_sim *sim = arg;

	for (int64_t i = 0; i < 10; i++) {
		char *content = content_make(sim, 12, 0);
		struct aion_chunk_options options = {.chunk_size = 8192, .window_nr = 6};
		struct cut cut = {.size = 20000 + i * 2000};

		aion_sim_knob_set(sim, AION_SIM_SHORT_READ, 600000);
		cut.fd = (int)aion_openat(AT_FDCWD, "/f", O_RDWR, 0);
		cr_assert_geq(cut.fd, 0);
		seen_init(&cut.seen, SIZE);
		cr_assert_geq(aion_chunk_path("/f", cut_see, &cut, &options), cut.size);
		cr_assert(!cut.seen.is_unordered, "behind the end nothing is seen");
		cr_assert_eq(memcmp(cut.seen.bytes, content, cut.seen.end), 0);
		seen_fini(&cut.seen);
		aion_close(cut.fd);
		free(content);
	}
	return 4711;
}

Test(chunk_fault, behind_a_new_end_nothing_is_seen)
{
	on_machines(short_cut, 20, AION_SIM_CALM);
}

/* A pipe on the machine, read where one read is cut anywhere. */
static int64_t write_pipe(void *arg)
{
	struct iovec *content = arg;
	int fd = *(int *)content[1].iov_base;

	assert_result(aion_write_all(fd, content[0].iov_base, content[0].iov_len, NULL), 0);
	return aion_close(fd);
}

static int64_t short_pipe(void *arg)
{
	struct aion_sim *sim = arg;
	char *content = content_make(sim, 7, 3000);
	struct aion_chunk_options options = {.chunk_size = 8192, .records = true, .delimiter = '\n'};
	struct aion_group group;
	struct seen seen;
	int fds[2];
	struct iovec what[2] = {{content, SIZE}, {&fds[1], sizeof(int)}};

	cr_assert_eq(aion_sim_pipe(sim, fds, 0), 0);
	seen_init(&seen, SIZE);
	seen.must_delimit = true;
	seen.delimiter = '\n';
	seen.whole = SIZE;
	aion_group_enter(&group);
	aion_spawn(&group, write_pipe, what);
	options.worker_nr = (int)(aion_sim_now(sim) % 3);
	assert_result(aion_chunk_fd(fds[0], seen_note, &seen, &options), SIZE);
	assert_result(aion_group_leave(&group, 0), 0);
	seen_is(&seen, content, 0, SIZE);
	cr_assert_eq(seen.cut_nr, 0);
	aion_close(fds[0]);
	seen_fini(&seen);
	free(content);
	return 4711;
}

Test(chunk_fault, a_pipe_that_gives_little_gives_everything)
{
	on_machines(short_pipe, 20, AION_SIM_ROUGH);
}

/* The nth read fails, once. */
static int64_t one_error(void *arg)
{
	struct aion_sim *sim = arg;
	char *content = content_make(sim, 8, 0);
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_progress final;
	struct aion_chunk_options options = {
		.chunk_size = 16384, .window_nr = 3, .ret_failure = &failure, .ret_final = &final};
	struct seen seen;

	aion_sim_knob_set(sim, AION_SIM_TRY, 0);
	seen_init(&seen, SIZE);
	assert_result(aion_sim_inject(sim, IORING_OP_OPENAT, 1, -EIO), 0);
	assert_result(aion_chunk_path("/f", seen_note, &seen, &options), -EIO);
	cr_assert(failure.error == -EIO && failure.source_idx == 0 && strcmp(failure.what, "open") == 0);

	failure.error = 0;
	assert_result(aion_sim_inject(sim, IORING_OP_READ, 2, -EIO), 0);
	assert_result(aion_chunk_path("/f", seen_note, &seen, &options), -EIO);
	cr_assert(failure.error == -EIO && failure.off == 16384 && strcmp(failure.what, "read") == 0);
	cr_assert(seen.size == 16384 && final.size == 16384 && final.resume_off == 16384);

	failure.error = 0;
	seen_fini(&seen);
	seen_init(&seen, SIZE);
	options.retry_nr = 1;
	assert_result(aion_sim_inject(sim, IORING_OP_READ, 2, -EIO), 0);
	assert_result(aion_chunk_path("/f", seen_note, &seen, &options), SIZE);
	seen_is(&seen, content, 0, SIZE);
	cr_assert_eq(failure.error, 0);
	seen_fini(&seen);
	free(content);
	return 4711;
}

Test(chunk_fault, a_read_error_is_named_and_tried_again_on_request)
{
	on_machines(one_error, 6, AION_SIM_CALM);
}

static int64_t error_inside(void *arg)
{
	struct aion_sim *sim = arg;
	char *content = content_make(sim, 9, 0);
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_progress final;
	struct aion_chunk_options options = {
		.chunk_size = 65536, .window_nr = 1, .ret_failure = &failure, .ret_final = &final};
	struct seen seen;

	aion_sim_knob_set(sim, AION_SIM_TRY, 0);
	aion_sim_knob_set(sim, AION_SIM_SHORT_READ, 1000000);
	seen_init(&seen, SIZE);
	assert_result(aion_sim_inject(sim, IORING_OP_READ, 3, -EIO), 0);
	assert_result(aion_chunk_path("/f", seen_note, &seen, &options), -EIO);
	cr_assert(seen.size > 0 && (int64_t)seen.size == failure.off && final.resume_off == failure.off,
		  "%zu bytes seen, the error is at %lld", seen.size, (long long)failure.off);
	cr_assert_eq(memcmp(seen.bytes, content, seen.size), 0);
	seen_fini(&seen);
	free(content);
	return 4711;
}

Test(chunk_fault, what_was_read_before_an_error_is_seen)
{
	on_machines(error_inside, 20, AION_SIM_CALM);
}

/* Half of all reads fail: whoever asks for it sees the rest. */
static int64_t many_errors(void *arg)
{
	struct aion_sim *sim = arg;
	char *content = content_make(sim, 9, 0);
	size_t all_missing = 0;

	for (uint64_t i = 0; i < 16; i++) {
		struct aion_chunk_failure failure = {0};
		struct aion_chunk_progress final;
		struct aion_chunk_options options = options_of(i);
		size_t missing = 0, first = SIZE;
		struct seen seen;
		int64_t result;

		options.on_error = i % 2 ? AION_CHUNK_SKIP : AION_CHUNK_SUBSTITUTE;
		options.direct = i >= 8;
		aion_sim_knob_set(sim, AION_SIM_SHORT_READ, i % 4 < 2 ? 0 : 300000);
		options.ret_final = &final;
		options.ret_failure = &failure;
		seen_init(&seen, SIZE);
		aion_sim_knob_set(sim, AION_SIM_ERROR_EIO, 500000);
		result = aion_chunk_path("/f", seen_note, &seen, &options);
		aion_sim_knob_set(sim, AION_SIM_ERROR_EIO, 0);
		for (size_t k = 0; k < SIZE; k++) {
			bool is_missing = options.on_error == AION_CHUNK_SKIP ? !seen.times[k] : !seen.bytes[k];

			missing += is_missing;
			if (is_missing && k < first)
				first = k;
			cr_assert(is_missing || (seen.times[k] == 1 && seen.bytes[k] == content[k]));
		}
		all_missing += missing;
		/* The first bad place is named, though the run goes well; without any, nothing is. */
		cr_assert_eq(failure.error, missing ? -EIO : 0);
		cr_assert(!missing || (failure.off == (int64_t)first && strcmp(failure.what, "read") == 0));
		cr_assert_eq(final.bad_size, missing, "%zu of %llu (%llu)", missing,
			     (unsigned long long) final.bad_size, (unsigned long long)i);
		assert_result(result, (int64_t)(options.on_error == AION_CHUNK_SKIP ? SIZE - missing : SIZE));
		seen_fini(&seen);
	}
	cr_assert(all_missing > 0 && all_missing < 16 * SIZE);
	free(content);
	return 4711;
}

Test(chunk_fault, bad_blocks_are_skipped_or_zeros_as_wished)
{
	on_machines(many_errors, 10, AION_SIM_CALM);
}

/* Nothing can be read, not even of the last block, which is not whole; behind it there is nothing. */
static int64_t only_errors(void *arg)
{
	struct aion_sim *sim = arg;
	char *content = content_make(sim, 14, 500);

	aion_sim_knob_set(sim, AION_SIM_TRY, 0);
	for (uint64_t i = 0; i < 16; i++) {
		struct aion_chunk_progress final;
		struct aion_chunk_options options = options_of(i);
		bool must_skip = i % 2;
		struct seen seen;

		options.on_error = must_skip ? AION_CHUNK_SKIP : AION_CHUNK_SUBSTITUTE;
		options.direct = i / 2 % 2;
		options.records = i / 4 % 2;
		options.delimiter = '\n';
		options.record_size_max = SIZE;
		options.ret_final = &final;
		seen_init(&seen, SIZE);
		aion_sim_knob_set(sim, AION_SIM_ERROR_EIO, 1000000);
		assert_result(aion_chunk_path("/f", seen_note, &seen, &options), (int64_t)(must_skip ? 0 : SIZE));
		aion_sim_knob_set(sim, AION_SIM_ERROR_EIO, 0);
		cr_assert_eq(final.bad_size, SIZE, "of %zu, %llu were bad (%llu)", SIZE,
			     (unsigned long long) final.bad_size, (unsigned long long)i);
		seen_fini(&seen);
	}
	free(content);
	return 4711;
}

Test(chunk_fault, a_file_may_be_bad_to_its_end)
{
	on_machines(only_errors, 6, AION_SIM_CALM);
}

/* With records, what comes before a gap and what comes after it is seen; nothing is put together over it. */
static int64_t gap_see(struct aion_chunk *chunk, void *arg)
{
	const char *content = ((void **)arg)[0];
	size_t *seen_size = ((void **)arg)[1];

	cr_assert_eq(memcmp(chunk->data, content + chunk->off, chunk->size), 0);
	*seen_size += chunk->size;
	return 0;
}

static int64_t record_errors(void *arg)
{
	struct aion_sim *sim = arg;
	char *content = content_make(sim, 10, 5000);
	size_t all_missing = 0;

	for (uint64_t i = 0; i < 8; i++) {
		struct aion_chunk_progress final;
		struct aion_chunk_options options = options_of(i);
		size_t seen_size = 0;
		void *args[] = {content, &seen_size};

		options.on_error = AION_CHUNK_SKIP;
		options.records = true;
		options.delimiter = '\n';
		options.ret_final = &final;
		aion_sim_knob_set(sim, AION_SIM_ERROR_EIO, 500000);
		assert_result(aion_chunk_path("/f", gap_see, args, &options), (int64_t)(SIZE - final.bad_size));
		aion_sim_knob_set(sim, AION_SIM_ERROR_EIO, 0);
		cr_assert_eq(seen_size + final.bad_size, SIZE);
		all_missing += final.bad_size;
	}
	cr_assert_gt(all_missing, 0);
	free(content);
	return 4711;
}

Test(chunk_fault, records_are_not_put_together_over_a_gap)
{
	on_machines(record_errors, 10, AION_SIM_CALM);
}

/* Whatever fails: an error or everything, and nothing left behind (test_sim_end looks). */
static int64_t hostile(void *arg)
{
	struct aion_sim *sim = arg;
	char *content = content_make(sim, 11, 2000);

	for (uint64_t i = 0; i < 12; i++) {
		struct aion_chunk_options options = options_of(i);
		struct aion_scope scope;
		struct seen seen;
		int64_t result;

		options.records = i % 2;
		options.delimiter = '\n';
		seen_init(&seen, SIZE);
		aion_scope_enter(&scope, i % 4 == 3 ? aion_after(100 * AION_MICROSECOND) : AION_NEVER);
		result = aion_chunk_path("/f", seen_note, &seen, &options);
		aion_scope_leave(&scope);
		if (result >= 0)
			seen_is(&seen, content, 0, SIZE);
		seen_fini(&seen);
	}
	free(content);
	return 4711;
}

Test(chunk_fault, on_a_hostile_machine_nothing_is_left)
{
	on_machines(hostile, 30, AION_SIM_HOSTILE);
}
