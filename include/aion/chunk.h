/* SPDX-License-Identifier: MIT */
#ifndef AION_CHUNK_H
#define AION_CHUNK_H
/*
 * The chunked file processor: a callback sees files piece by piece, in bounded memory, while the next pieces are being
 * read. On the loop's thread, in order, or on several cores at once:
 *
 *	static int64_t count(struct aion_chunk *chunk, void *lines)
 *	{
 *		for (size_t i = 0; i < chunk->size; i++)
 *			*(uint64_t *)lines += chunk->data[i] == '\n';
 *		return 0;
 *	}
 *
 *	result = aion_chunk_path("access.log", count, &lines, NULL);
 *
 * Regular files are read at positions, several chunks at once; what has no positions (a pipe, a terminal, a socket) one
 * after the other, as it comes. The end is where a read gives nothing, whatever size the file is said to have: a file
 * that grows is read to its new end, of one that shrinks the rest is missing, one that is removed is read on. What is
 * overwritten meanwhile is seen old or new, per chunk.
 */
#include <stdbool.h>
#include <sys/types.h>

#include <aion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_CHUNK_SIZE_DEFAULT ((size_t)256 << 10) /* bytes */
#define AION_CHUNK_SIZE_MAX ((size_t)1 << 30)       /* bytes */
#define AION_CHUNK_WINDOW_DEFAULT 8                 /* chunks in memory at once */
#define AION_CHUNK_WINDOW_MAX 1024
#define AION_CHUNK_RECORD_DEFAULT ((size_t)1 << 20) /* bytes of the longest record */
#define AION_CHUNK_RECORD_MAX ((size_t)1 << 40)     /* bytes */

/* What is read: a path, or a descriptor; all of it, or a range. */
struct aion_source {
	const char *path; /* opened for reading, and closed; NULL: fd */
	int fd;           /* the caller's */
	/*
	 * Bytes from the start of the file. -1: a descriptor's position, which goes behind what was read; after an
	 * error to a place before which everything has been seen, as with resume_off: what lies behind it may have been
	 * seen in part. A pipe and its like are read as they come: 0 or -1.
	 */
	int64_t off;
	int64_t size; /* bytes at most; 0: to the end */
};

/* A piece. All of it is valid until the callback returns. */
struct aion_chunk {
	char *data;   /* may be written to */
	size_t size;  /* bytes, not 0 */
	int64_t off;  /* of data in the source: bytes from its start, or from where reading a pipe began */
	uint64_t idx; /* from 0, over all sources, in the order of the calls */
	size_t source_idx;
	const struct aion_source *source;
	unsigned worker_idx; /* which worker calls, 0 to worker_nr - 1: for sums of one's own; 0 on the loop's thread */
	bool is_last;        /* of its source: a guess, from the size that it is said to have; for pipes false */
};

/* A negative result stops everything and is the processor's. */
typedef int64_t aion_chunk_fn(struct aion_chunk *chunk, void *arg);

enum aion_chunk_on_error {
	AION_CHUNK_STOP, /* the read's error is the result; in order, what comes before it is seen */
	AION_CHUNK_SKIP, /* the callback does not see these bytes; a chunk ends there, the next begins behind them */
	AION_CHUNK_SUBSTITUTE, /* it sees zeros in their place */
};

/* What has been done so far. Pipes have neither a size nor a place to resume at. */
struct aion_chunk_progress {
	uint64_t size;       /* bytes that the callback has seen */
	uint64_t total_size; /* bytes that it will have seen at the end, as far as sizes are known */
	uint64_t chunk_nr;
	size_t source_nr;  /* sources finished */
	uint64_t bad_size; /* bytes skipped or substituted */
	int64_t elapsed_ns;
	int64_t remaining_ns; /* estimated; -1: unknown */
	/* Everything before this place has been seen by the callback: where a later run may go on, with the same
	 * records option. With records it may lie within one that has been seen: the later run begins with the record
	 * after it. On the loop's thread, in order, nothing behind it has been seen: saved in the progress callback,
	 * together with the caller's state, it is a checkpoint that a run which was killed can go on from. */
	size_t resume_source_idx;
	int64_t resume_off;
};

/* Where an error happened. */
struct aion_chunk_failure {
	size_t source_idx;
	int64_t off;      /* bytes from the start of the source */
	int64_t error;    /* -errno */
	const char *what; /* "open", "read" (also: cancelled, no memory), "callback" (also progress), "write" */
};

/* All zero = the defaults, which are given in brackets. */
struct aion_chunk_options {
	size_t chunk_size;  /* bytes [256 KiB]; rounded up to 4 KiB */
	unsigned window_nr; /* chunks in memory, so reads in flight [8] */
	/* Worker threads on which the callback runs, several at once and in no order, pipes after all else; 0: the
	 * loop's thread, in order. -1: as many as this process has processors. They are the loop's workers, of which
	 * there are worker_max at most, and busy with this until the end. */
	int worker_nr;
	bool unordered; /* on the loop's thread, without records: whichever chunk has been read first */
	/* Records: every chunk ends with a delimiter, with its source or before skipped bytes, so none is cut. */
	bool records;
	char delimiter;         /* [0; set '\n' for lines] */
	size_t record_size_max; /* bytes with the delimiter [1 MiB, at least chunk_size]: a longer one is -EMSGSIZE */
	/* O_DIRECT: past the page cache. Alignment is taken care of; a descriptor is opened anew. A file system that
	 * cuts such a read inside a block has the rest read through the cache. */
	bool direct;
	bool dontcache; /* leave nothing in the page cache, where the kernel can (RWF_DONTCACHE, Linux 6.14) */
	enum aion_chunk_on_error
		on_error;         /* a read of a file that fails with -EIO; 4 KiB are given up at once [stop] */
	unsigned retry_nr;        /* before that, times to try such a read again [0] */
	size_t resume_source_idx; /* begin here, */
	int64_t resume_off;       /* at this offset of that source [its beginning] */
	/* Called on the loop's thread, between chunks, at most every progress_ns, and once at the end. A negative
	 * result stops everything. */
	int64_t (*progress)(const struct aion_chunk_progress *progress, void *arg);
	void *progress_arg;
	int64_t progress_ns;                   /* [100 ms] */
	struct aion_chunk_progress *ret_final; /* written at the end, also after an error; NULL: not wanted */
	/* Written if the result is negative, with what it is; else if bytes were skipped or substituted, with the first
	 * of these places: -EIO, "read". Else left as it is. NULL: not wanted. */
	struct aion_chunk_failure *ret_failure;
};

/**
 * aion_chunk_process - let a callback see sources piece by piece.
 * @sources: nr of them, in the order in which they are seen.
 * @nr: 0 gives 0.
 * @fn: called with each chunk. On the loop's thread it may suspend, while reading goes on; on workers it must not call
 *   aion. An empty source is not seen.
 * @arg: handed to fn; on workers to all at once.
 * @options: NULL = the defaults.
 *
 * Memory: window_nr chunks (with workers: one each; for a pipe one more) of chunk_size, with records 64 KiB more each,
 *   and once (with workers: each) as much of record_size_max as there is a record that needs it.
 * Result: the bytes that fn has seen.
 * Errors: fn's; progress's; those of open(2) and pread(2), for a pipe of read(2), and: -EISDIR; -EINVAL (options or
 *   sources out of range; an offset in what has no positions; direct on a file system without O_DIRECT); -EMSGSIZE (a
 *   record is too long); -ENOMEM; -EAGAIN (no worker thread could be started); -ECANCELED; -EBUSY (not inside a task);
 *   -ECHILD. If several callbacks on workers fail, the first in the order of the bytes wins.
 * Suspends: yes. Returns only when nothing is in flight and no worker is in fn any more. Thread: loop. Source:
 *   openat(2), preadv2(2), IORING_OP_READ, Linux 5.6.
 */
AION_API AION_SUSPENDS int64_t aion_chunk_process(const struct aion_source *sources, size_t nr, aion_chunk_fn *fn,
						  void *arg, const struct aion_chunk_options *options);

/** aion_chunk_path, aion_chunk_fd - one source: all of a path; a descriptor from its position on. Parameters, result
 * and errors as above. Suspends: yes. Thread: loop. Source: as above. */
AION_API AION_SUSPENDS int64_t aion_chunk_path(const char *path, aion_chunk_fn *fn, void *arg,
					       const struct aion_chunk_options *options);
AION_API AION_SUSPENDS int64_t aion_chunk_fd(int fd, aion_chunk_fn *fn, void *arg,
					     const struct aion_chunk_options *options);

#ifdef __cplusplus
}
#endif
#endif
