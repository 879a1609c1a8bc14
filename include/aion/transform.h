/* SPDX-License-Identifier: MIT */
#ifndef AION_TRANSFORM_H
#define AION_TRANSFORM_H
/*
 * Files through a callback into a file: the chunk processor with an output side. What the callback writes comes out in
 * the order of the input, also when it runs on several cores; writing goes on while the next chunks are read and worked
 * on. Without a callback the bytes are copied as they are, inside the kernel where it can (copy_file_range, splice).
 */
#include <aion/chunk.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a callback writes for one chunk. */
struct aion_output {
	char *data;  /* room bytes; belongs to the processor */
	size_t size; /* bytes written: the callback adds to it */
	size_t room; /* bytes; at least the chunk's size at first */
};

/* Reads chunk, writes output. It may also keep the chunk's own bytes: see aion_output_take_chunk(). */
typedef int64_t aion_transform_fn(const struct aion_chunk *chunk, struct aion_output *output, void *arg);

/* Where it goes. */
struct aion_target {
	const char *path; /* created or truncated; NULL: fd */
	int fd;           /* the caller's: anything writable, written from its position on */
	mode_t mode;      /* of a new file [0666, less the umask] */
	bool atomic;      /* path: written under a temporary name beside it, renamed at the end if all went well */
	bool allocate;    /* reserve space beforehand where the input's size is known (fallocate) */
	bool sync;        /* fsync before the rename or the end, and of the directory after it */
	bool resume;      /* path: keep what is there and write behind target_off bytes of it; not with atomic */
	int64_t resume_off;
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
 * aion_output_take_chunk - make the chunk's own bytes the output, without copying them: for a callback that finds
 *   nothing to change, or changes bytes in place. Nothing else may have been or be written for this chunk.
 *
 * Suspends: no. Thread: the callback's. Source: none.
 */
AION_API void aion_output_take_chunk(struct aion_output *output, const struct aion_chunk *chunk);

/**
 * aion_transform - read sources, write what the callback makes of them.
 * @sources: nr of them. One that is the target itself is -EINVAL, unless the target is atomic.
 * @fn: NULL: copy.
 * @arg: handed to fn.
 * @target: see above.
 * @options: NULL = the defaults; unordered is -EINVAL. failure.what "write": the target's, source_idx and off are the chunk's.
 *
 * An atomic target is untouched unless the result is not negative: no temporary file is left.
 * Memory: that of aion_chunk_process(), twice.
 * Result: the bytes written.
 * Errors: those of aion_chunk_process(), write(2), openat(2), rename(2), fallocate(2) but -EOPNOTSUPP, fsync(2).
 * Suspends: yes. Thread: loop. Source: pwrite(2), copy_file_range(2), splice(2), IORING_OP_WRITE, Linux 5.6.
 */
AION_API AION_SUSPENDS int64_t aion_transform(const struct aion_source *sources, size_t nr, aion_transform_fn *fn,
					      void *arg, const struct aion_target *target,
					      const struct aion_chunk_options *options);

#ifdef __cplusplus
}
#endif
#endif
