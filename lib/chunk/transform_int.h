/* SPDX-License-Identifier: MIT */
#ifndef AION_CHUNK_TRANSFORM_INT_H
#define AION_CHUNK_TRANSFORM_INT_H
/*
 * The parts of a transform: a run of the chunk processor on the loop's thread whose callback makes a job of each chunk
 * (transform.c); a target that is opened, committed and closed (target.c); the copy inside the kernel, which goes
 * before the run and leaves it what it cannot do (transform_copy.c).
 */
#include <limits.h>

#include <aion/transform.h>

#include "chunk_int.h"

/* Where the output goes. */
struct aion__target {
	const struct aion_target *spec;
	int fd;
	bool is_own;              /* opened here */
	bool is_regular;          /* several writes at once, at offsets */
	bool is_pipe;             /* splice goes there */
	bool is_new;              /* an atomic one's: it has not got its name */
	bool is_done;             /* committed */
	int64_t begin_off;        /* of the output's first byte in a regular file */
	char path[PATH_MAX];      /* of an atomic one, without links */
	char directory[PATH_MAX]; /* it is in */
	char temporary[PATH_MAX]; /* the name beside it; "": none */
};

/* Opens it; -EINVAL if one of the run's sources is the same file. */
AION_SUSPENDS int64_t aion__target_open(struct aion__target *target, const struct aion_target *spec,
					const struct aion__chunk_run *run);
/* Reserves as many bytes. */
AION_SUSPENDS int64_t aion__target_allocate(struct aion__target *target, uint64_t size);
/* All is written, up to end_off: synced, named. */
AION_SUSPENDS int64_t aion__target_commit(struct aion__target *target, int64_t end_off);
/* Always finishes. What was not committed ends at keep_off, or vanishes. 0, or what the file's close says. */
AION_SUSPENDS int64_t aion__target_close(struct aion__target *target, int64_t keep_off);

/* Copies whole sources from the run's resume place on, and moves that. *off: where in the target; -1: it has no
 * offsets. 0: what is left is the run's to do. */
AION_SUSPENDS int64_t aion__transform_copy(struct aion__chunk_run *run, const struct aion__target *target,
					   int64_t *off);

#endif
