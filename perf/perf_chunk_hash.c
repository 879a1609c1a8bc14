/* SPDX-License-Identifier: MIT */
/*
 * Hashes of a hot file through the chunk processor. xxh3: one after the other on one core, against `xxhsum -H3` (the
 * ratio is that of the times; xxhsum starts a process), whose hash must come out. sha256: workers hash the chunks, each
 * by itself and in no order, and the hash of their hashes in the order of the file is the result: no hash of the
 * whole file, which could only be made one byte after the other, but a tree of two levels; two cores against one (the
 * ratio is that of the rates). What is not installed is left out (libxxhash-dev and xxhash, libssl-dev). With -c CPU
 * the first stays on that one. -s MIB is the file's size; the file stands in $TMPDIR or the current directory, without
 * a name.
 *
 * Area: chunk. Round: -r 3 -s 512. Quick: -r 1 -s 64.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "perf.h"

#ifdef PERF_XXHASH
#include <xxhash.h>
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h> /* the vectors that the processor has, as xxhsum does */
#endif
#endif
#ifdef PERF_CRYPTO
#include <openssl/evp.h>
#endif

#define FILE_SIZE ((size_t)1 << 30)
#define BLOCK_SIZE ((size_t)1 << 20)

struct bench {
	struct aion_loop *loop;
	int fd;
	size_t size;
	double elapsed_ns;
	aion_fn *main;
#ifdef PERF_XXHASH
	XXH3_state_t *state;
	XXH64_hash_t hash;
	XXH64_hash_t expected;
#endif
#ifdef PERF_CRYPTO
	EVP_MD *sha256;
	unsigned char (*digests)[32]; /* by chunk */
	unsigned char root[32];
	int worker_nr;
#endif
};

#if defined(PERF_XXHASH) || defined(PERF_CRYPTO)
static double ns_per_mib(const struct bench *bench, int64_t begin_ns)
{
	return (double)(perf_now() - begin_ns) / ((double)bench->size / (1 << 20));
}

static double chunk_run(void *arg)
{
	struct bench *bench = arg;

	perf_loop_run(bench->loop, bench->main, bench);
	return bench->elapsed_ns;
}

static void line(const char *hash, const char *raw, const struct perf_pairs *pairs, const struct perf_stats *ratio,
		 double bar, enum perf_bound bound)
{
	perf_line_begin("chunk_hash");
	perf_line_text("hash", hash);
	perf_line_text("raw", raw);
	perf_line_number("raw_ns", pairs->raw_ns.median);
	perf_line_number("aion_ns", pairs->aion_ns.median);
	perf_line_number("raw_best_ns", pairs->raw_ns.min);
	perf_line_number("aion_best_ns", pairs->aion_ns.min);
	perf_line_number("ratio", ratio->median);
	perf_line_spread(ratio);
	perf_line_number("disturbed", pairs->disturbed_nr);
	perf_line_bar(ratio->median, bar, bound);
	perf_line_end();
}
#endif

#if !defined(PERF_XXHASH) || !defined(PERF_CRYPTO)
static void skip(const char *what, const char *package)
{
	printf("perf_chunk_hash: %s is left out: %s was not there when this was built\n", what, package);
}
#endif

/* ---- xxh3 */

#ifdef PERF_XXHASH
extern char **environ;

/* Its output goes to a file without a name: "XXH3 (path) = 16 hexadecimal digits". -1: it cannot be started. */
static double xxhsum_run(void *arg)
{
	struct bench *bench = arg;
	char path[64], name[] = "xxhsum", option[] = "-H3", text[256] = {0};
	char *const argv[] = {name, option, path, NULL};
	int status, result, out = memfd_create("xxhsum", 0);
	int64_t begin_ns = perf_now();
	posix_spawn_file_actions_t actions;
	const char *digits;
	pid_t child;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), bench->fd);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	result = posix_spawnp(&child, name, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (result) {
		close(out);
		return -1;
	}
	if (waitpid(child, &status, 0) != child || status != 0)
		perf_die("xxhsum", -ECHILD);
	bench->elapsed_ns = ns_per_mib(bench, begin_ns);
	if (pread(out, text, sizeof(text) - 1, 0) <= 0)
		perf_die("xxhsum", -ENODATA);
	close(out);
	digits = strrchr(text, ' ');
	bench->expected = strtoull(digits ? digits : text, NULL, 16);
	return bench->elapsed_ns;
}

static int64_t see_xxh3(struct aion_chunk *chunk, void *arg)
{
	struct bench *bench = arg;

	XXH3_64bits_update(bench->state, chunk->data, chunk->size);
	return 0;
}

static int64_t xxh3_main(void *arg)
{
	struct bench *bench = arg;
	const struct aion_source source = {.fd = bench->fd};
	int64_t begin_ns = perf_now(), result;

	XXH3_64bits_reset(bench->state);
	result = aion_chunk_process(&source, 1, see_xxh3, bench, NULL);
	bench->hash = XXH3_64bits_digest(bench->state);
	bench->elapsed_ns = ns_per_mib(bench, begin_ns);
	if (result >= 0 && bench->hash != bench->expected)
		return -EBADMSG;
	return result < 0 ? result : 0;
}

static void measure_xxh3(struct bench *bench)
{
	struct perf_pairs pairs;

	if (xxhsum_run(bench) < 0) {
		printf("perf_chunk_hash: xxh3 is left out: there is no xxhsum\n");
		return;
	}
	bench->main = xxh3_main;
	bench->state = XXH3_createState();
	perf_interleave_tries(xxhsum_run, 1, chunk_run, PERF_TRY_MAX, bench, perf_runs(9), &pairs);
	line("xxh3", "xxhsum -H3", &pairs, &pairs.ratio, 1.03, PERF_AT_MOST);
	XXH3_freeState(bench->state);
}
#else
static void measure_xxh3(struct bench *bench)
{
	(void)bench;
	skip("xxh3", "libxxhash");
}
#endif

/* ---- sha256 */

#ifdef PERF_CRYPTO
static int64_t see_sha256(struct aion_chunk *chunk, void *arg)
{
	struct bench *bench = arg;
	size_t place = (size_t)chunk->off / AION_CHUNK_SIZE_DEFAULT;

	return EVP_Digest(chunk->data, chunk->size, bench->digests[place], NULL, bench->sha256, NULL) ? 0 : -EIO;
}

static int64_t sha256_main(void *arg)
{
	struct bench *bench = arg;
	const struct aion_source source = {.fd = bench->fd};
	const struct aion_chunk_options options = {.worker_nr = bench->worker_nr};
	size_t place_nr = (bench->size + AION_CHUNK_SIZE_DEFAULT - 1) / AION_CHUNK_SIZE_DEFAULT;
	unsigned char root[32];
	int64_t begin_ns = perf_now(), result;

	result = aion_chunk_process(&source, 1, see_sha256, bench, &options);
	if (result < 0 || !EVP_Digest(bench->digests, 32 * place_nr, root, NULL, bench->sha256, NULL))
		return result < 0 ? result : -EIO;
	bench->elapsed_ns = ns_per_mib(bench, begin_ns);
	/* Whoever hashes, and however many: the same. */
	if (memcmp(bench->root, (unsigned char[32]){0}, 32) != 0 && memcmp(bench->root, root, 32) != 0)
		return -EBADMSG;
	memcpy(bench->root, root, 32);
	memset(bench->digests, 0, 32 * place_nr);
	return 0;
}

static double one_core_run(void *arg)
{
	((struct bench *)arg)->worker_nr = 1;
	return chunk_run(arg);
}

static double two_cores_run(void *arg)
{
	((struct bench *)arg)->worker_nr = 2;
	return chunk_run(arg);
}

static void measure_sha256(struct bench *bench)
{
	struct perf_pairs pairs;
	struct perf_stats ratio;

	bench->main = sha256_main;
	bench->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	bench->digests = perf_alloc(32 * (bench->size / AION_CHUNK_SIZE_DEFAULT + 1));
	if (!bench->sha256)
		perf_die("SHA256", -ENOTSUP);
	perf_interleave_tries(one_core_run, 1, two_cores_run, 1, bench, perf_runs(7), &pairs);
	ratio = perf_stats_inverse(&pairs.ratio);
	line("sha256 of sha256", "one worker", &pairs, &ratio, 1.9, PERF_AT_LEAST);
	free(bench->digests);
	EVP_MD_free(bench->sha256);
}
#else
static void measure_sha256(struct bench *bench)
{
	(void)bench;
	skip("sha256", "libcrypto");
}
#endif

/* ---- the file */

static void file_fill(struct bench *bench)
{
	uint64_t *block = perf_alloc(BLOCK_SIZE), seed = 88172645463325252;
	size_t i, off;

	for (i = 0; i < BLOCK_SIZE / sizeof(*block); i++)
		block[i] = perf_random(&seed);
	for (off = 0; off < bench->size; off += BLOCK_SIZE) {
		block[0] = off;
		if (write(bench->fd, block, BLOCK_SIZE) != (ssize_t)BLOCK_SIZE)
			perf_die("write", errno ? -errno : -ENOSPC);
	}
	free(block);
}

static int file_create(void)
{
	const char *dir = getenv("TMPDIR");
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/perf_chunk_hash.XXXXXX", dir && *dir ? dir : ".");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		perf_die(path, -errno);
	unlink(path);
	return fd;
}

int main(int argc, char **argv)
{
	static struct bench bench;
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		perf_die("sched_getaffinity", -errno);
	perf_start(argc, argv);
	bench.size = perf_size(FILE_SIZE);
	bench.fd = file_create();
	file_fill(&bench);
	bench.loop = perf_loop_create();

	measure_xxh3(&bench);
	if (sched_setaffinity(0, sizeof(allowed), &allowed) < 0) /* workers run wherever they like */
		perf_die("sched_setaffinity", -errno);
	measure_sha256(&bench);
	aion_loop_destroy(bench.loop);
	close(bench.fd);
	return 0;
}
