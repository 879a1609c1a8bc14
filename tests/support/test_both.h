/* SPDX-License-Identifier: MIT */
#ifndef AION_TEST_BOTH_H
#define AION_TEST_BOTH_H
/*
 * A body that runs twice: on the kernel, in a directory of its own, and on a simulated machine. What it notes has to be
 * the same: the proof of "as the kernel does".
 */
#include <stdarg.h>

#include "test_sim.h"

#define BOTH_NOTES_MAX 100000

struct both_note {
	int64_t value;
	char text[120];
};

struct both {
	struct aion_sim *sim; /* NULL: the kernel */
	int dir;              /* the directory, open */
	char path[80];        /* and where it is */
	uint64_t random;      /* never 0; the same for both */
	size_t note_nr;
	size_t expected_nr; /* on the machine: how many the kernel's run has left */
	struct both_note *notes;
};

typedef void both_fn(struct both *both);

/* Descriptors are not compared, only that there is one. */
#define BOTH_FD(result) ((result) < 0 ? (result) : 0)

__attribute__((format(printf, 3, 4))) static inline int64_t both_note(struct both *both, int64_t value,
								      const char *format, ...)
{
	struct both_note *note = &both->notes[both->note_nr++];
	va_list args;

	cr_assert_leq(both->note_nr, (size_t)BOTH_NOTES_MAX);
	if (!both->sim) {
		note->value = value;
		va_start(args, format);
		vsnprintf(note->text, sizeof(note->text), format, args);
		va_end(args);
	} else {
		cr_assert(both->note_nr <= both->expected_nr && note->value == value,
			  "note %zu: %s: the machine says %lld (%s), the kernel %lld (%s)", both->note_nr, note->text,
			  (long long)value, value < 0 ? strerror((int)-value) : "", (long long)note->value,
			  note->value < 0 ? strerror((int)-note->value) : "");
	}
	return value;
}

/* A result with the text of its expression. */
#define both_check(both, expression) both_note(both, (expression), "line %d: %s", __LINE__, #expression)

/* 0 … n - 1 */
static inline unsigned both_random(struct both *both, unsigned n)
{
	both->random ^= both->random << 13;
	both->random ^= both->random >> 7;
	both->random ^= both->random << 17;
	return (unsigned)((both->random >> 16) % n);
}

/* The name in the directory as an absolute path. */
static inline const char *both_path(const struct both *both, const char *name, char *buf, size_t size)
{
	snprintf(buf, size, "%s/%s", both->path, name);
	return buf;
}

/* What was read, as a number. */
static inline int64_t both_sum(const char *buf, int64_t size)
{
	int64_t sum = size;

	for (int64_t i = 0; i < size; i++)
		sum = (int64_t)((uint64_t)sum * 31 + (unsigned char)buf[i]);
	return sum & INT64_MAX;
}

struct both_run {
	struct both *both;
	both_fn *fn;
};

static inline int64_t both_task(void *arg)
{
	struct both_run *run = arg;
	int64_t dir;

	if (run->both->sim) {
		assert_result(aion_mkdirat(AT_FDCWD, "/t", 0755), 0);
		assert_result(aion_mkdirat(AT_FDCWD, "/t/w", 0755), 0);
		strcpy(run->both->path, "/t/w");
	}
	dir = aion_openat(AT_FDCWD, run->both->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	cr_assert_geq(dir, 0);
	run->both->dir = (int)dir;
	run->fn(run->both);
	assert_result(aion_close((int)dir), 0);
	return 4711;
}

static inline void both_on_kernel(struct both *both, both_fn *fn)
{
	TEST_DIR();
	struct both_run run = {both, fn};

	umask(022);
	cr_assert_eq(mkdir("t", 0755), 0);
	cr_assert_eq(mkdir("t/w", 0755), 0);
	snprintf(both->path, sizeof(both->path), "%s/t/w", dir_.path);
	cr_assert_eq(aion_run(both_task, &run, NULL), 4711);
}

static inline void both_run(const struct aion_sim_options *options, uint64_t random, both_fn *fn)
{
	struct both both = {.random = random};
	struct both_run run = {&both, fn};

	both.notes = calloc(BOTH_NOTES_MAX, sizeof(*both.notes));
	both_on_kernel(&both, fn);
	both.expected_nr = both.note_nr;
	both.note_nr = 0;
	both.random = random;
	both.sim = test_sim_make(options);
	/* The kernel has all of it cached. */
	aion_sim_knob_set(both.sim, AION_SIM_TRY, 1000000);
	cr_assert_eq(test_sim_run(both.sim, both_task, &run), 4711);
	cr_assert_eq(both.note_nr, both.expected_nr);
	test_sim_end(both.sim);
	free(both.notes);
}

/* BOTH_TEST(sim_noun, states_a_fact, random, .seed = 7) { … } */
#define BOTH_TEST(suite, fact, first_random, ...)                                                                      \
	static void suite##_##fact##_both(struct both *both);                                                          \
	Test(suite, fact)                                                                                              \
	{                                                                                                              \
		both_run(&(struct aion_sim_options){__VA_ARGS__}, first_random, suite##_##fact##_both);                \
	}                                                                                                              \
	static void suite##_##fact##_both(struct both *both)

static inline int both_open(struct both *both, const char *name, int flags)
{
	int64_t fd = aion_openat(both->dir, name, flags | O_CLOEXEC, 0644);

	cr_assert_geq(fd, 0);
	return (int)fd;
}

static inline void both_pipe(struct both *both, int fds[2], int flags)
{
	cr_assert_eq(both->sim ? aion_sim_pipe(both->sim, fds, flags) : pipe2(fds, flags), 0);
}

/* One descriptor of each kind. */
enum both_kind {
	BOTH_PIPE_IN,
	BOTH_PIPE_OUT,
	BOTH_SOCKET,
	BOTH_SOCKET_OTHER,
	BOTH_FILE,
	BOTH_FILE_R,
	BOTH_FILE_W,
	BOTH_FILE_NEITHER,
	BOTH_PATH,
	BOTH_DIRECTORY,
	BOTH_NULL,
	BOTH_ZERO,
	BOTH_NONE,
	BOTH_KIND_NR,
};

static const char *const both_kind_names[BOTH_KIND_NR] = {
	"pipe in",          "pipe out", "socket",    "socket", "file", "file to read", "file to write",
	"file for neither", "path",     "directory", "null",   "zero", "none",
};

/* With the kind whose number is in `i`. */
#define both_check_kind(both, expression) both_note(both, (expression), "%s: %s", both_kind_names[i], #expression)

static inline void both_open_kinds(struct both *both, int fds[BOTH_KIND_NR])
{
	both_pipe(both, &fds[BOTH_PIPE_IN], 0);
	cr_assert_eq(both->sim ? aion_sim_socketpair(both->sim, AF_UNIX, SOCK_STREAM, &fds[BOTH_SOCKET])
			       : socketpair(AF_UNIX, SOCK_STREAM, 0, &fds[BOTH_SOCKET]),
		     0);
	fds[BOTH_FILE] = both_open(both, "f", O_RDWR | O_CREAT);
	fds[BOTH_FILE_R] = both_open(both, "f", O_RDONLY);
	fds[BOTH_FILE_W] = both_open(both, "f", O_WRONLY);
	fds[BOTH_FILE_NEITHER] = both_open(both, "f", O_ACCMODE);
	fds[BOTH_PATH] = both_open(both, "f", O_PATH);
	fds[BOTH_DIRECTORY] = both_open(both, ".", O_RDONLY);
	fds[BOTH_NULL] = both_open(both, "/dev/null", O_RDWR);
	fds[BOTH_ZERO] = both_open(both, "/dev/zero", O_RDWR);
	fds[BOTH_NONE] = 9999;
}

static inline void both_close_kinds(struct both *both, const int fds[BOTH_KIND_NR])
{
	for (int i = 0; i < BOTH_NONE; i++)
		both_check(both, aion_close(fds[i]));
}

#endif
