/* SPDX-License-Identifier: MIT */
#ifndef AION_SIM_SIM_PIPE_INT_H
#define AION_SIM_SIM_PIPE_INT_H
/*
 * Pipes, with a name and without, and the ring of bytes that sockets use, too.
 *
 * A read or write of a pipe or socket draws by itself whether it falls short, since not everything may be cut: neither
 * a small write to a pipe nor a datagram. rw.c cuts plain files only.
 */
#include "sim_int.h"

/* ---- bytes, first in, first out; grows to what it has to hold. All zero = empty. */

struct aion__sim_bytes {
	char *memory;
	size_t room;  /* a power of two, or 0 */
	size_t first; /* where the oldest lies */
	size_t size;
};

void aion__sim_bytes_put(struct aion__sim_bytes *bytes, const void *from, size_t size);
/* Copy `size` bytes from the `off`-th on, which are there; they stay. */
void aion__sim_bytes_peek(const struct aion__sim_bytes *bytes, size_t off, void *to, size_t size);
void aion__sim_bytes_drop(struct aion__sim_bytes *bytes, size_t size);
void aion__sim_bytes_free(struct aion__sim_bytes *bytes);

/* Of `size` bytes that could be moved: all, or fewer if the knob strikes; never 0. */
size_t aion__sim_shorten(struct aion_sim *sim, enum aion_sim_knob knob, size_t size);

/* ---- pipes */

struct aion__sim_pipe {
	struct aion__sim_bytes bytes;
	size_t size_max;
	unsigned ref_nr;    /* open files, and whoever made it */
	unsigned reader_nr; /* open files */
	unsigned writer_nr;
	/* How often an end was ever opened: an open that waits for the other end sees one that has gone again. */
	uint64_t reader_ever_nr;
	uint64_t writer_ever_nr;
	/* Events, counted for those who watch for good: see poll.c. */
	uint64_t in_event_nr;
	uint64_t out_event_nr;
	struct aion__sim_file **files; /* all open ones of both ends, in the order of opening */
	unsigned file_nr;
	unsigned file_room;
};

/* Empty, no end open. The reference is the caller's: a named pipe's node keeps it as long as the name is there. */
struct aion__sim_pipe *aion__sim_pipe_new(struct aion_sim *sim);
void aion__sim_pipe_unref(struct aion__sim_pipe *pipe);

/*
 * An open file of a pipe: made by aion__sim_file_new() with these operations, of which those for both ends are for a
 * named pipe opened with O_RDWR. Its flags say which ends it has. The file takes a reference of its own, which its
 * release gives back. All other files of the pipe are woken, so an open that waits for its partner may wait for its own
 * file: reader_ever_nr and writer_ever_nr tell it that somebody came.
 */
extern const struct aion__sim_file_ops aion__sim_pipe_read_ops, aion__sim_pipe_write_ops, aion__sim_pipe_both_ops;
void aion__sim_pipe_attach(struct aion_sim *sim, struct aion__sim_pipe *pipe, struct aion__sim_file *file);

/* Bytes that a write may put into it now. */
static inline size_t aion__sim_pipe_free(const struct aion__sim_pipe *pipe)
{
	return pipe->size_max - pipe->bytes.size;
}

/* What a splice does, which knows that they fit, or that they are there. The other end's files are woken. */
void aion__sim_pipe_put(struct aion_sim *sim, struct aion__sim_pipe *pipe, const void *from, size_t size);
void aion__sim_pipe_drop(struct aion_sim *sim, struct aion__sim_pipe *pipe, size_t size);

#endif
