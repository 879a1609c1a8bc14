/* SPDX-License-Identifier: MIT */
#ifndef AION_CHUNK_CHUNK_INT_H
#define AION_CHUNK_CHUNK_INT_H
/*
 * The parts of a run of the chunk processor. A source is opened (source.c) and read place by place, a place being
 * chunk_size bytes at a multiple of that from where the source begins: on the loop's thread through a window of slots
 * (window.c), on workers each taking the next place (worker.c, place.c). What has no positions is read on the loop's
 * thread as it comes (stream.c). Both fill a span (span.c), which knows short reads, alignment and read errors. Records
 * that cross places are put together in record.c, or by the workers themselves.
 */
#include <stdbool.h>
#include <stdint.h>

#include <aion/chunk.h>
#include <aion/file.h>
#include <aion/group.h>

#define AION__CHUNK_BLOCK ((size_t)4096) /* bytes: what direct reads are aligned to, and what a read error costs */
#define AION__CHUNK_WORKER_MAX 1024
#define AION__CHUNK_HEADROOM ((size_t)64 << 10) /* bytes before a buffer, for the beginning of its first record */

/* A source that is open. */
struct aion__chunk_file {
	const struct aion_source *source;
	size_t source_idx;
	int fd;
	bool is_own;        /* opened here */
	bool is_positioned; /* else as it comes */
	bool is_regular;
	bool is_resumed;     /* it begins where an earlier run was, with records within one */
	bool moves_position; /* that of the descriptor goes behind what was read */
	bool is_direct;
	int rw_flags;      /* RWF_* */
	int64_t begin_off; /* of the first place; with direct reads a block's beginning */
	int64_t data_off;  /* from where on it is wanted; not before begin_off */
	int64_t end_off;   /* nothing is read from here on: the range's end, or where a read gave nothing */
	int64_t hint_off;  /* where the file was said to end when it was opened */
};

/* A run. On workers it is shared: the lock is the pool's. */
struct aion__chunk_run {
	const struct aion_source *sources;
	size_t nr;
	aion_chunk_fn *fn;
	void *arg;
	struct aion_chunk_options options; /* with the defaults filled in */
	struct aion_chunk_progress progress;
	struct aion_chunk_failure failure; /* error 0: none */
	struct aion_chunk_failure bad; /* the first place skipped or substituted, which fails nothing; error 0: none */
	int64_t begin_ns;
	int64_t progress_due_ns;
	uint64_t next_idx;
};

/* A piece of a file to be read. */
struct aion__chunk_span {
	char *buf;         /* room for want, rounded up to a block */
	int64_t off;       /* in the file, of buf */
	size_t want;       /* bytes */
	size_t got;        /* of them, from the beginning */
	size_t gap;        /* bytes behind what was got that could not be read, and are to be skipped */
	size_t bad_size;   /* bytes substituted */
	int64_t bad_off;   /* in the file, of the first of them or of the gap */
	bool is_end;       /* nothing comes behind what was got and the gap */
	bool is_cached;    /* though the source is read directly: what is missing begins inside a block */
	unsigned again_nr; /* reads that gave nothing new, where that is not the end */
};

/* Reads once; a result as of pread(2). */
typedef int64_t aion__chunk_read_fn(struct aion__chunk_file *file, void *buf, size_t size, int64_t off);

/* Where bytes go that have been read: the callback on the loop's thread, or on a worker. */
struct aion__chunk_sink {
	struct aion__chunk_run *run;
	struct aion__chunk_file *file;
	/* The beginning of a record whose end has not been read: carry_size bytes, room for record_size_max. */
	char *carry;
	size_t carry_size;
	int64_t carry_off;
	bool is_syncing; /* what comes before the next delimiter has been seen by an earlier run */
	/* Takes a piece. The memory stays in use until it says so. */
	int64_t (*put)(struct aion__chunk_sink *sink, char *data, size_t size, int64_t off, bool may_stay);
};

/* ---- chunk.c */

/* A run: its options looked at and completed; its beginning; on the loop's thread, its middle; its end, which gives the
 * result and tells it to whom the options name. */
int64_t aion__chunk_run_init(struct aion__chunk_run *run, const struct aion_source *sources, size_t nr,
			     aion_chunk_fn *fn, void *arg, const struct aion_chunk_options *options);
AION_SUSPENDS void aion__chunk_run_begin(struct aion__chunk_run *run);
AION_SUSPENDS int64_t aion__chunk_read_in_order(struct aion__chunk_run *run);
AION_SUSPENDS int64_t aion__chunk_run_end(struct aion__chunk_run *run, int64_t result);
/* The first failure in the order of the bytes is kept. Gives the error. */
int64_t aion__chunk_fail(struct aion__chunk_run *run, size_t source_idx, int64_t off, int64_t error, const char *what);
/* Keeps the first place of which bytes were skipped or substituted. Gives how many the span has of them. */
uint64_t aion__chunk_note_bad(struct aion__chunk_run *run, size_t source_idx, const struct aion__chunk_span *span);
/* A piece as the callback gets it. */
struct aion_chunk aion__chunk_make(struct aion__chunk_run *run, const struct aion__chunk_file *file, char *data,
				   size_t size, int64_t off);
/* What the callback said of a chunk, on the loop's thread: counted, and the progress told if it is due. */
int64_t aion__chunk_seen(struct aion__chunk_run *run, const struct aion_chunk *chunk, int64_t result);
/* Tells the progress now. */
int64_t aion__chunk_tell(struct aion__chunk_run *run);

/* ---- memory.c: mapped, so that only what is touched costs anything. NULL: there is none. */

char *aion__chunk_map(size_t size);
void aion__chunk_unmap(char *memory, size_t size);

/* ---- source.c */

/* On the loop's thread. */
AION_SUSPENDS int64_t aion__chunk_open(struct aion__chunk_run *run, size_t source_idx,
				       struct aion__chunk_file *ret_file);
AION_SUSPENDS void aion__chunk_close(struct aion__chunk_file *file, int64_t seen_off);
/* On a worker: -EAGAIN for what is better opened on the loop's thread. */
int64_t aion__chunk_open_blocking(struct aion__chunk_run *run, size_t source_idx, struct aion__chunk_file *ret_file);
void aion__chunk_close_blocking(struct aion__chunk_file *file, int64_t seen_off);
/* How large the file is now; INT64_MAX if that says nothing; or -errno. */
AION_SUSPENDS int64_t aion__chunk_size_now(const struct aion__chunk_file *file);
/* From now on it is read through the page cache; false: that cannot be. */
bool aion__chunk_end_direct(const struct aion__chunk_file *file);
/* Bytes that a source has, without opening it; 0 if that is not known. */
AION_SUSPENDS uint64_t aion__chunk_size_of(const struct aion_source *source);

/* ---- span.c */

/*
 * Fills a span, by as many reads as it takes; `first` is the result of a read that has been made for what is missing,
 * or AION__CHUNK_NO_READ. 0: it is full, or cut by an end or a gap. What cannot be read is -errno.
 */
#define AION__CHUNK_NO_READ INT64_MAX
AION_SUSPENDS int64_t aion__chunk_fill(const struct aion__chunk_run *run, struct aion__chunk_file *file,
				       struct aion__chunk_span *span, aion__chunk_read_fn *read, int64_t first);
/* A read by the loop, and by a thread that may block. */
AION_SUSPENDS int64_t aion__chunk_read(struct aion__chunk_file *file, void *buf, size_t size, int64_t off);
int64_t aion__chunk_read_blocking(struct aion__chunk_file *file, void *buf, size_t size, int64_t off);

/* ---- record.c */

int64_t aion__chunk_sink_init(struct aion__chunk_sink *sink, struct aion__chunk_run *run);
void aion__chunk_sink_fini(struct aion__chunk_sink *sink);
/* What comes next in the source. With records, there is room for AION__CHUNK_HEADROOM bytes before data. */
AION_SUSPENDS int64_t aion__chunk_sink_add(struct aion__chunk_sink *sink, char *data, size_t size, int64_t off,
					   bool is_end);
/* Nothing more comes, or nothing that belongs to what has come. */
AION_SUSPENDS int64_t aion__chunk_sink_flush(struct aion__chunk_sink *sink);

/* ---- window.c, stream.c, worker.c: all of what is in an open source; all sources */

struct aion__chunk_window;
int64_t aion__chunk_window_create(struct aion__chunk_run *run, struct aion__chunk_window **ret_window);
void aion__chunk_window_destroy(struct aion__chunk_window *window);
/* ret_seen_off: how far the callback has come, also after an error. */
AION_SUSPENDS int64_t aion__chunk_window_read(struct aion__chunk_window *window, struct aion__chunk_file *file,
					      int64_t *ret_seen_off);
AION_SUSPENDS int64_t aion__chunk_stream_read(struct aion__chunk_run *run, struct aion__chunk_file *file);
AION_SUSPENDS int64_t aion__chunk_workers_run(struct aion__chunk_run *run);

/* Whether the callback runs on workers. */
static inline bool aion__chunk_is_offloaded(const struct aion__chunk_run *run)
{
	return run->options.worker_nr != 0;
}

static inline size_t aion__chunk_round_up(size_t size)
{
	return (size + AION__CHUNK_BLOCK - 1) & ~(AION__CHUNK_BLOCK - 1);
}

/* From one buffer to the next, bytes. */
static inline size_t aion__chunk_stride(const struct aion__chunk_run *run)
{
	return run->options.chunk_size + (run->options.records ? AION__CHUNK_HEADROOM : 0);
}

#endif
