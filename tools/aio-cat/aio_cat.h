/* SPDX-License-Identifier: MIT */
#ifndef AIO_CAT_H
#define AIO_CAT_H
/*
 * aio-cat: cat on aion.
 *
 *	main.c     begins and ends the program: descriptors, signals, exit status
 *	options.c  the command line
 *	names.c    --files0-from
 *	output.c   -o: a file that is replaced as a whole
 *	cat.c      the main task: every source in its turn
 *	reader.c   opens and reads the sources ahead, many at once, a task each
 *	helper.c   reads, too, on another core: small files that are in the caches
 *	stream.c   copies what was not read ahead: large files, and what is no regular file
 *	writer.c   gathers output into large writes
 *	show.c     makes numbers, ends, tabs and unprintable bytes visible, on their way to the writer
 *	pool.c     the buffers that travel from reader to writer
 *	message.c  diagnostics in the words of cat
 *	stats.c    what --stats prints
 *	progress.c what --progress shows
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <aion.h>

#include "show.h"

#define READER_WINDOW 128 /* sources that are read ahead, at most */
#define READER_KEPT_NR 4  /* it takes a restart for each to become more than one */
#define WRITER_BUF_NR 128 /* buffers that one write takes, at most */
#define WRITER_BATCH_SIZE (128 * 1024)
#define WRITER_SHOWN_SIZE (256 * 1024)
#define HELPER_LOAN_NR 3 /* at once */
#define HELPER_BUF_SIZE (512 * 1024)
#define POOL_BUF_SIZE (64 * 1024)
#define POOL_BUF_NR (READER_WINDOW + WRITER_BUF_NR)

/* Buffers of POOL_BUF_SIZE; the last one given back is the first to be used again, while it is warm. */
struct pool {
	char *memory;
	char *free[POOL_BUF_NR];
	size_t free_nr;
};

struct writer {
	struct pool *pool;
	struct stat info; /* of standard output */
	bool is_prompt;   /* somebody may be waiting for it: nothing is held back while the program waits */
	bool is_null;     /* the null device, which takes everything at once */
	bool pipe_grown;
	int error;    /* -errno of the write that failed: the end */
	bool is_sync; /* plain system calls */
	uint64_t done_size;
	uint64_t taken_size; /* what has come in: not the same where something is shown */
	struct show show;
	char *shown;       /* WRITER_SHOWN_SIZE bytes; NULL unless something is to be shown */
	size_t shown_size; /* what is held of it, after the buffers */
	size_t size;       /* what is held in buffers */
	int buf_nr;
	struct iovec bufs[WRITER_BUF_NR];
};

struct reader;

/* Some operands that follow upon each other, while the helper has them. */
struct loan {
	size_t number; /* from 0 */
	char *const *names;
	size_t name_nr;
	char *buf; /* of HELPER_BUF_SIZE */
	/* the helper's, until it is done */
	size_t size;    /* what is in buf */
	size_t done_nr; /* files; fewer than names: the next one is none for the helper */
};

struct helper {
	bool is_there;
	pthread_t thread;
	pthread_mutex_t lock; /* for who sleeps */
	pthread_cond_t changed;
	atomic_bool is_over;
	atomic_bool is_going;   /* nothing has been in its way */
	atomic_size_t given_nr; /* loans */
	atomic_size_t done_nr;
	size_t returned_nr; /* the main thread's: what was in their buffers has been written */
	char *bufs;
	struct loan loans[HELPER_LOAN_NR];
};

/* One operand, or a loan. */
struct source {
	struct reader *reader;
	const char *name;
	size_t name_idx;           /* the operand, or the first one of the loan */
	struct loan *loan;         /* NULL: one operand */
	int fd;                    /* -1 = not open */
	bool has_ended;            /* all of it is in buf */
	bool is_stream;            /* neither regular file nor directory: read when its turn has come */
	char *buf;                 /* of the pool */
	size_t size;               /* what is in buf */
	struct aion_future loaded; /* done when no more of it is read ahead */
};

/* What was opened ahead of its turn, and then everything ahead had to be read again: closed, a FIFO would forget. */
struct kept {
	size_t name_idx;
	int fd;
};

struct reader {
	struct aion_group *group;
	struct pool *pool;
	const struct stat *output; /* a regular file, else NULL */
	const struct options *options;
	int64_t range_off;  /* of each file from here, */
	int64_t range_size; /* so many bytes */
	size_t head_idx;    /* the source whose turn it is */
	size_t next_idx;    /* behind the last one that was begun */
	size_t next_name;   /* the first operand that was not begun */
	size_t loading_nr;  /* begun, not loaded */
	size_t unknown_nr;  /* begun, and it may be anything */
	size_t ready_size;  /* loaded, before its turn */
	bool is_held;       /* a stream is among those begun: no further ones are begun before it has ended */
	struct kept kept[READER_KEPT_NR];
	size_t kept_nr;
	size_t lend_name;   /* the first operand that may be lent */
	size_t lend_pause;  /* operands */
	size_t cached_nr;   /* files that were read at once, */
	size_t cached_size; /* and their bytes */
	struct helper helper;
	struct source window[READER_WINDOW];
};

enum stats_form {
	STATS_NONE,
	STATS_TEXT,
	STATS_JSON,
};

/* What the command line asks for. */
struct options {
	char *const *names;
	size_t name_nr;
	struct show_options show;
	const char *files0_name; /* NULL: the names are operands */
	const char *output_name; /* NULL: standard output */
	bool output_sync;
	bool has_range;
	int64_t range_off; /* bytes; the range ends below INT64_MAX */
	int64_t range_size;
	unsigned job_nr;
	unsigned retry_nr;
	bool direct;
	bool nocache;
	bool is_sync; /* plain system calls */
	bool progress;
	enum stats_form stats;
};

/* -o: where standard output leads while the program runs. */
struct output {
	char *path;      /* NULL: no -o */
	char *temporary; /* the new file's name beside it; NULL: it has none */
	bool is_new;     /* a new file is being written, which replaces path's */
	bool sync;
};

struct cat {
	struct options options;
	struct output output;
	bool has_failed; /* a source could not be read; the others are printed all the same */
	bool read_stdin;
	/* With -o, SIGINT and SIGTERM end the program in an orderly way. */
	struct aion_signal_watch stop_watch;
	int stop_signal;       /* the one that has come, or 0 */
	const char *stop_name; /* the source whose turn it was */
	int64_t begin_ns;
	uint64_t file_nr;
	struct aion_loop_stats loop_stats;
	struct pool pool;
	struct reader reader;
	struct writer writer;
	struct aion_group group; /* of all tasks but the main one */
};

/* Does not return if the command line says that there is nothing to do, or what cannot be done. */
void options_read(struct options *options, int argc, char **argv);
/* Put the names of --files0-from into names. false: there has been a message. */
bool names_read(struct options *options);

/* Make standard output lead to what -o names, if there is -o. 0, or -errno. */
int output_open(struct output *output, const struct options *options);
/* All has been written, and the file takes its place; or it is given up. 0, or -errno: then it has been given up. */
int output_close(struct output *output, bool is_complete);

/* The main task. arg is a struct cat. 0, or -errno: that of writer.error, or another that ends the program. */
int64_t cat_run(void *arg);

int pool_init(struct pool *pool);
void pool_fini(struct pool *pool);
char *pool_get(struct pool *pool);
void pool_put(struct pool *pool, char *buf);

/* output: of standard output if it is a regular file. */
void reader_init(struct reader *reader, struct pool *pool, struct aion_group *group, const struct stat *output,
		 const struct options *options);
/* Nothing more is read by the helper, and what was kept open is closed. */
void reader_fini(struct reader *reader);
/* Begin what may be read ahead. The source whose turn it is, NULL after the last one: await source->loaded. */
struct source *reader_next(struct reader *reader);
/* The source whose turn it was has been dealt with: give back what it holds. */
void reader_done(struct reader *reader);
/* Forget what was read ahead, or not by the helper, whose turn it was; it will be read again. */
AION_SUSPENDS void reader_restart(struct reader *reader);

/* The helper is zeroed. false: there is none, and never mind. */
bool helper_start(struct helper *helper);
/* It ends after the loan that it is at. */
void helper_stop(struct helper *helper);
bool helper_has_room(const struct helper *helper);
/* There is room. Loans are given, done and returned in one order; the loan is valid until it is returned. */
struct loan *helper_lend(struct helper *helper, char *const *names, size_t name_nr);
bool helper_is_done(const struct helper *helper, const struct loan *loan);
/* Blocks the thread, about as long as it would take to read the files. */
void helper_await(struct helper *helper, const struct loan *loan);
void helper_return(struct helper *helper);

/* What is copied, and how far. */
struct stream {
	struct writer *writer;
	const struct options *options;
	int fd;
	bool is_seekable;
	int64_t off;       /* of the next byte; at first that of the first one wanted */
	int64_t end;       /* of what is wanted */
	int64_t begin_off; /* where reading begins: before off, where what has no positions must be read up to it */
	int64_t first_off; /* of the first piece, as the processor counts; -1: none has come yet */
};

/*
 * Copy from off to the end: a file, or anything as it comes. 0, or -errno of the read; or of the write: then
 * writer->error is set.
 */
AION_SUSPENDS int64_t stream_file(struct stream *stream);
AION_SUSPENDS int64_t stream_pipe(struct stream *stream);

/* Take over a buffer of the pool; write when enough is held. 0, or -errno of the write. */
AION_SUSPENDS int writer_put(struct writer *writer, char *buf, size_t size);
/* Write what is held. */
AION_SUSPENDS int writer_flush(struct writer *writer);
/* Write from the caller's buffer, after what is held. */
AION_SUSPENDS int writer_copy(struct writer *writer, const char *buf, size_t size);
/* Take note of size bytes that went out past the writer, or of its failure. */
int writer_account(struct writer *writer, int64_t result);
/* 0, or -errno (standard output is not open; no memory). */
int writer_init(struct writer *writer, struct pool *pool, const struct options *options);
/* After the last source: write what is held, and what was held back until it is known what follows. */
AION_SUSPENDS int writer_end(struct writer *writer);
bool writer_is_pipe(const struct writer *writer);
/* Make the pipe larger, if it is one, for much output. */
void writer_grow_pipe(struct writer *writer);

/* "aio-cat: text", "aio-cat: name: text": names are quoted as cat quotes them. */
void message(const char *text);
void message_error(const char *what, int error);
void message_name(const char *name, const char *text);
/* The last word on standard output: what only shows when it is closed. The exit status. */
int message_close_output(int status);

/* A task that shows how far the program is, until it is cancelled. arg is a struct cat. */
int64_t progress_run(void *arg);

void stats_print(const struct cat *cat);

#endif
