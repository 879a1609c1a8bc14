/* SPDX-License-Identifier: MIT */
#ifndef AION_TRANSFORM_H
#define AION_TRANSFORM_H
/*
 * Files through a callback into a file: the chunk processor with an output side. What the callback writes comes out in
 * the order of the input, also when it runs on several cores; writing goes on while the next chunks are read and worked
 * on. Without a callback the bytes are copied as they are, inside the kernel where it can (copy_file_range, splice).
 *
 *	static int64_t upper(const struct aion_chunk *chunk, struct aion_output *output, void *unused)
 *	{
 *		for (size_t i = 0; i < chunk->size; i++)
 *			chunk->data[i] = toupper(chunk->data[i]);
 *		aion_output_take_chunk(output);
 *		return 0;
 *	}
 *
 *	const struct aion_source source = {.path = "names"};
 *	const struct aion_target target = {.path = "names", .atomic = true};
 *
 *	result = aion_transform(&source, 1, upper, NULL, &target, NULL);
 */
#include <aion/chunk.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a callback writes for one chunk. */
struct aion_output {
	char *data;       /* room bytes; belongs to the processor */
	size_t size;      /* bytes written, at first 0: the callback adds to it */
	size_t room;      /* bytes; at least the chunk's size at first */
	bool takes_chunk; /* private */
};

/* Reads chunk, whose data it may change, and writes output. A negative result stops everything. */
typedef int64_t aion_transform_fn(const struct aion_chunk *chunk, struct aion_output *output, void *arg);

/* Where it goes. */
struct aion_target {
	const char *path; /* created, or truncated once it is seen to be no source; NULL: fd */
	/* The caller's: anything writable. A file is written from its position on, which goes behind the output if all
	 * went well, and stays otherwise. */
	int fd;
	mode_t mode; /* of a new file [0666, less the umask] */
	/* A path's file is replaced as a whole when all is written, or not at all. The new one has the old one's mode
	 * and, if that is allowed, owner; a link is followed. What is no regular file is written to. */
	bool atomic;
	bool allocate; /* reserve the input's size beforehand, as far as it is known, where the file system can */
	bool sync;     /* fsync at the end (atomic: before the file has its name), and of a path's directory after it */
	/* A path's first bytes that are kept, and behind which it is written: of an earlier run. Not with atomic. */
	int64_t resume_off;
	/* Written before each call of progress and at the end, also after an error; NULL: not wanted. How many bytes
	 * of the file the chunks before the resume place that is told there, or in ret_final, have become: a later run
	 * may go on from both, also after a kill, unless the target is atomic. */
	int64_t *ret_resume_off;
};

/**
 * aion_output_reserve - have room for so many more bytes. data may move.
 * @size: bytes beyond output->size.
 *
 * Errors: -ENOMEM. Suspends: no. Thread: the callback's. Source: none.
 */
AION_API int aion_output_reserve(struct aion_output *output, size_t size);

/**
 * aion_output_write - add bytes, with room made for them.
 *
 * Errors: -ENOMEM. Suspends: no. Thread: the callback's. Source: none.
 */
AION_API int aion_output_write(struct aion_output *output, const void *data, size_t size);

/**
 * aion_output_take_chunk - make the chunk's own bytes the output: for a callback that finds nothing to change, or
 *   changes bytes in place. On workers they are not copied for it.
 * @output: nothing else has been or is written to it; that aborts the process.
 *
 * Suspends: no. Thread: the callback's. Source: none.
 */
AION_API void aion_output_take_chunk(struct aion_output *output);

/**
 * aion_transform - read sources, write what the callback makes of them.
 * @sources: nr of them. A file that is also the target is -EINVAL, unless the target is atomic.
 * @fn: called with each chunk; NULL: copy. On the loop's thread in order, and it may suspend, while reading and writing
 *   go on; with options->worker_nr on that many workers at once, where it must not call aion.
 * @arg: handed to fn; on workers to all at once.
 * @target: see above.
 * @options: NULL = the defaults. unordered is -EINVAL. Progress counts what has been handed to fn; its resume place,
 *   and ret_final's, is what has been written: the end of a chunk, by which fn may know what state it had there. In
 *   ret_failure, "write" is an error of the target: source_idx and off are those of the chunk, or nr and 0 if it is
 *   none of a chunk's.
 *
 * After an error a path's file holds the output of the chunks before the resume place and nothing behind it; of the
 * chunks before the one that failed all has been written, if it was not writing that failed and nothing was cancelled.
 * An atomic target is what it was, with no temporary file left, unless the error is that of the directory's fsync. A
 * kill may leave one (".aion.*") where the file system has no O_TMPFILE.
 * Memory: that of aion_chunk_process() on the loop's thread, and window_nr + worker_nr outputs (on workers: and
 * chunks).
 * Result: the bytes written.
 * Errors: those of aion_chunk_process(), and of write(2), openat(2), rename(2), ftruncate(2), fallocate(2) but
 *   -EOPNOTSUPP, fsync(2) but -EINVAL for what has none, close(2); -EINVAL (target: see there; also one shorter than resume_off);
 *   -ENAMETOOLONG.
 * Suspends: yes. Returns only when nothing is in flight and no worker is in fn any more. Thread: loop. Source:
 *   pwrite(2), copy_file_range(2), splice(2), IORING_OP_WRITE, Linux 5.6.
 */
AION_API AION_SUSPENDS int64_t aion_transform(const struct aion_source *sources, size_t nr, aion_transform_fn *fn,
					      void *arg, const struct aion_target *target,
					      const struct aion_chunk_options *options);

#ifdef __cplusplus
}
#endif
#endif
