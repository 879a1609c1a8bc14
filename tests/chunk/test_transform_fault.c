/* SPDX-License-Identifier: MIT */
/* Transforms on simulated machines: short reads and writes, errors of the nth read and write, a full disk, and whatever
 * can fail at random. Who goes on from where an error came has the same output in the end. */
#include <aion/liburing.h>

#include "test_sim.h"
#include "test_transform.h"

#define SIZE ((size_t)100000)
#define CHUNK ((size_t)16384)
#define BLOCK ((size_t)4096)
#define CHUNK_NR ((SIZE + CHUNK - 1) / CHUNK)

static const struct aion_source source = {.path = "/in"};

static char *content_make(struct aion_sim *sim, uint64_t seed)
{
	uint64_t random = seed * 0x9e3779b97f4a7c15 | 1;
	char *content = test_content(SIZE, '\n', 700, &random);

	for (size_t i = 0; i < SIZE; i++) /* no zeros: those are put in by the processor */
		content[i] = content[i] ? content[i] : 1;
	assert_result(aion_sim_file_write(sim, "/in", content, SIZE), 0);
	return content;
}

/* What work_stretch() makes of it. */
static char *stretched(const char *content, size_t *ret_size)
{
	char *expected = malloc(3 * SIZE);
	char out[3];
	size_t nr;

	*ret_size = 0;
	for (size_t i = 0; i < SIZE; i++) {
		nr = transform_byte(content[i], out);
		memcpy(expected + *ret_size, out, nr);
		*ret_size += nr;
	}
	return expected;
}

static void assert_output(struct aion_sim *sim, const char *expected, size_t size)
{
	const void *data;
	size_t got;

	assert_result(aion_sim_file_read(sim, "/out", &data, &got), 0);
	cr_assert_eq(got, size, "the output has %zu bytes, not %zu", got, size);
	cr_assert_eq(memcmp(data, expected, size), 0);
}

/* A calm one is calm, and a rough one without errors, whatever the environment says. */
static void on_machines(aion_fn *fn, uint64_t seed_nr, const struct aion_sim_options *options)
{
	for (uint64_t seed = 1; seed <= seed_nr; seed++) {
		struct aion_sim_options own = *options;
		struct aion_sim *sim;

		own.seed = seed;
		sim = test_sim_make(&own);
		for (int i = own.profile == AION_SIM_CALM ? AION_SIM_SHORT_READ : AION_SIM_ERROR_EINTR;
		     own.profile != AION_SIM_HOSTILE && i < AION_SIM_KNOB_NR; i++)
			aion_sim_knob_set(sim, (enum aion_sim_knob)i, 0);
		cr_assert_eq(test_sim_run(sim, fn, sim), 4711, "seed %llu", (unsigned long long)seed);
		test_sim_end(sim);
	}
}

/* ---- short */

static int64_t short_all(void *arg)
{
	struct aion_sim *sim = arg;
	char *content = content_make(sim, 3), *expected;
	size_t size;

	expected = stretched(content, &size);
	aion_sim_knob_set(sim, AION_SIM_SHORT_READ, 900000);
	aion_sim_knob_set(sim, AION_SIM_SHORT_WRITE, 900000);
	aion_sim_knob_set(sim, AION_SIM_ERROR_EINTR, 100000);
	for (unsigned i = 0; i < 6; i++) {
		const struct aion_target target = {.path = "/out", .allocate = i % 2};
		struct aion_chunk_options options = {.chunk_size = CHUNK, .window_nr = i + 1, .records = i % 3 == 2};
		struct work work = WORK();

		options.delimiter = '\n';
		work.must_yield = i % 2;
		assert_result(aion_transform(&source, 1, work_stretch, &work, &target, &options), (int64_t)size);
		assert_output(sim, expected, size);
		assert_result(aion_transform(&source, 1, NULL, NULL, &target, &options), (int64_t)SIZE);
		assert_output(sim, content, SIZE);
	}
	free(expected);
	free(content);
	return 4711;
}

Test(transform_fault, short_reads_and_writes_give_the_same_output)
{
	on_machines(short_all, 10, &(struct aion_sim_options){.profile = AION_SIM_ROUGH});
}

/* ---- the nth read */

/* The first block of the nth chunk is bad: the read of the chunk fails, and so does that of the block. */
static int64_t bad_block(struct aion_sim *sim, unsigned nth, enum aion_chunk_on_error on_error, bool is_transform)
{
	struct aion_chunk_progress final;
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_options options = {.chunk_size = CHUNK,
					     .window_nr = 1,
					     .on_error = on_error,
					     .ret_final = &final,
					     .ret_failure = &failure};
	size_t begin = (nth - 1) * CHUNK, bad = SIZE - begin < BLOCK ? SIZE - begin : BLOCK, size;
	char *content = content_make(sim, nth), *expected = malloc(SIZE);
	struct work work = WORK();
	int64_t off = -1, result;
	const struct aion_target target = {.path = "/out", .ret_resume_off = &off};
	struct seen seen;

	assert_result(aion_sim_inject(sim, IORING_OP_READ, nth, -EIO), 0);
	if (on_error != AION_CHUNK_STOP)
		assert_result(aion_sim_inject(sim, IORING_OP_READ, nth + 1, -EIO), 0);
	seen_init(&seen, SIZE);
	result = is_transform ? aion_transform(&source, 1, work_flip, &work, &target, &options)
			      : aion_chunk_process(&source, 1, seen_note, &seen, &options);
	assert_failure(failure, 0, (int64_t)begin, -EIO, "read");
	size = on_error == AION_CHUNK_STOP ? begin : on_error == AION_CHUNK_SKIP ? SIZE - bad : SIZE;
	assert_result(result, on_error == AION_CHUNK_STOP ? -EIO : (int64_t)size);
	cr_assert_eq(final.bad_size, on_error == AION_CHUNK_STOP ? 0 : bad);
	for (size_t i = 0, to = 0; to < size; i++)
		if (i < begin || i >= begin + bad)
			expected[to++] = (char)~content[i];
		else if (on_error == AION_CHUNK_SUBSTITUTE)
			expected[to++] = (char)~0;
	if (is_transform) {
		assert_output(sim, expected, size);
		cr_assert_eq(off, (int64_t)size);
	}
	for (size_t i = 0; !is_transform && i < SIZE; i++) {
		bool is_bad = i >= begin && (i < begin + bad || on_error == AION_CHUNK_STOP);

		cr_assert_eq(seen.times[i], !is_bad || on_error == AION_CHUNK_SUBSTITUTE);
		cr_assert(seen.bytes[i] == (is_bad ? 0 : content[i]));
	}
	seen_fini(&seen);
	free(expected);
	free(content);
	return 0;
}

static int64_t bad_blocks(void *arg)
{
	aion_sim_knob_set(arg, AION_SIM_TRY, 0);
	for (unsigned nth = 1; nth <= CHUNK_NR; nth++)
		for (int on_error = AION_CHUNK_STOP; on_error <= AION_CHUNK_SUBSTITUTE; on_error++)
			for (int is_transform = 0; is_transform < 2; is_transform++)
				bad_block(arg, nth, (enum aion_chunk_on_error)on_error, is_transform);
	return 4711;
}

Test(transform_fault, an_error_of_the_nth_chunk_stops_is_skipped_or_zeros)
{
	on_machines(bad_blocks, 4, &(struct aion_sim_options){.profile = AION_SIM_CALM});
}

/* ---- the nth write */

/* What is left after an error of writing is what the chunks before the resume place became; going on from there gives
 * the rest. */
static void check_write_error(struct aion_sim *sim, unsigned nth, unsigned window_nr)
{
	char *content = content_make(sim, nth + 20), *expected;
	int64_t off = -1;
	struct aion_target target = {.path = "/out", .ret_resume_off = &off};
	struct aion_chunk_progress final;
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_options options = {
		.chunk_size = CHUNK, .window_nr = window_nr, .ret_final = &final, .ret_failure = &failure};
	struct work work = WORK();
	size_t size;

	expected = stretched(content, &size);
	assert_result(aion_sim_inject(sim, IORING_OP_WRITE, nth, -ENOSPC), 0);
	assert_result(aion_transform(&source, 1, work_stretch, &work, &target, &options), -ENOSPC);
	cr_assert(failure.error == -ENOSPC && failure.off % (int64_t)CHUNK == 0 && strcmp(failure.what, "write") == 0);
	cr_assert_leq(final.resume_off, failure.off);
	cr_assert(window_nr > 1 || failure.off == (int64_t)((nth - 1) * CHUNK));
	assert_output(sim, expected, (size_t)off);
	target.resume_off = off;
	options.resume_off = final.resume_off;
	assert_result(aion_transform(&source, 1, work_stretch, &work, &target, &options),
		      (int64_t)size - target.resume_off);
	assert_output(sim, expected, size);
	free(expected);
	free(content);
}

static int64_t write_errors(void *arg)
{
	aion_sim_knob_set(arg, AION_SIM_TRY, 0);
	for (unsigned nth = 1; nth <= CHUNK_NR; nth++)
		for (unsigned window_nr = 1; window_nr < 5; window_nr++)
			check_write_error(arg, nth, window_nr);
	return 4711;
}

Test(transform_fault, after_an_error_of_the_nth_write_a_later_run_goes_on)
{
	on_machines(write_errors, 4, &(struct aion_sim_options){.profile = AION_SIM_CALM});
}

static int64_t full_disk(void *arg)
{
	struct aion_sim *sim = arg;
	char *content = content_make(sim, 5);
	int64_t off = -1;
	struct aion_target target = {.path = "/out", .ret_resume_off = &off};
	struct aion_chunk_progress final;
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_options options = {
		.chunk_size = CHUNK, .window_nr = 1, .ret_final = &final, .ret_failure = &failure};
	struct work work = WORK();

	for (int is_copy = 0; is_copy < 2; is_copy++) {
		assert_result(aion_transform(&source, 1, is_copy ? NULL : work_flip, &work, &target, &options),
			      -ENOSPC);
		cr_assert_eq(failure.error, -ENOSPC);
		cr_assert_str_eq(failure.what, "write");
		cr_assert(off > 0 && off < (int64_t)SIZE && off == final.resume_off);
		for (int64_t i = 0; !is_copy && i < off; i++)
			content[i] = (char)~content[i];
		assert_output(sim, content, (size_t)off);
		for (int64_t i = 0; !is_copy && i < off; i++)
			content[i] = (char)~content[i];
	}
	/* Reserved beforehand, it is told before anything is read. */
	target.allocate = true;
	assert_result(aion_transform(&source, 1, work_flip, &work, &target, &options), -ENOSPC);
	assert_failure(failure, 1, 0, -ENOSPC, "write");
	cr_assert_eq(off, 0);
	free(content);
	return 4711;
}

Test(transform_fault, a_full_disk_is_told_and_what_fitted_stays)
{
	on_machines(full_disk, 6, &(struct aion_sim_options){.profile = AION_SIM_CALM, .disk_size = SIZE + 70000});
}

/* The source's close is the first, the target's the second; it has the lowest descriptor. */
static int64_t close_error(void *arg)
{
	struct aion_sim *sim = arg;
	char *content = content_make(sim, 6);
	const struct aion_target target = {.path = "/out"};
	struct aion_chunk_failure failure = {0};
	struct aion_chunk_options options = {.records = true, .delimiter = '\n', .ret_failure = &failure};

	assert_result(aion_sim_inject(sim, IORING_OP_CLOSE, 2, -EIO), 0);
	assert_result(aion_transform(&source, 1, NULL, NULL, &target, &options), -EIO);
	assert_failure(failure, 1, 0, -EIO, "write");
	assert_output(sim, content, SIZE);
	assert_result(aion_close(AION_SIM_FD_BASE), 0);
	free(content);
	return 4711;
}

Test(transform_fault, an_error_of_the_targets_close_is_the_transforms)
{
	on_machines(close_error, 4, &(struct aion_sim_options){.profile = AION_SIM_CALM});
}

/* ---- whatever can fail */

static bool is_fault(int64_t error)
{
	return error == -ENOMEM || error == -EIO || error == -EINTR || error == -ENOSPC || error == -EMFILE ||
	       error == -ENFILE || error == -ECANCELED;
}

/* Runs that fail or are cancelled are gone on with, until one comes to its end. */
static int64_t hostile(void *arg)
{
	struct aion_sim *sim = arg;
	char *content = content_make(sim, 11), *expected;
	size_t size;

	expected = stretched(content, &size);
	for (unsigned i = 0; i < 6; i++) {
		int64_t off = 0, result = -1;
		struct aion_target target = {.path = "/out", .allocate = i % 2, .ret_resume_off = &off};
		struct aion_chunk_progress final = {0};
		struct aion_chunk_options options = {.chunk_size = BLOCK,
						     .window_nr = i + 1,
						     .worker_nr = i == 5 ? 2 : 0,
						     .records = i % 3 == 2,
						     .delimiter = '\n',
						     .ret_final = &final};

		for (unsigned run_nr = 0; result < 0; run_nr++) {
			struct aion_scope scope;
			struct work work = WORK();

			cr_assert_lt(run_nr, 1000);
			target.resume_off = off;
			options.resume_source_idx = final.resume_source_idx;
			options.resume_off = final.resume_off;
			aion_scope_enter(&scope, run_nr % 4 ? AION_NEVER : aion_after(200 * AION_MICROSECOND));
			result = aion_transform(&source, 1, i == 4 ? NULL : work_stretch, &work, &target, &options);
			aion_scope_leave(&scope);
			cr_assert(result >= 0 || is_fault(result), "it says %lld", (long long)result);
		}
		assert_output(sim, i == 4 ? content : expected, i == 4 ? SIZE : size);
		assert_result(aion_sim_file_write(sim, "/out", "", 0), 0);
	}
	free(expected);
	free(content);
	return 4711;
}

Test(transform_fault, runs_that_fail_on_a_hostile_machine_can_be_gone_on_with)
{
	on_machines(hostile, 30, &(struct aion_sim_options){.profile = AION_SIM_HOSTILE});
}
