/* SPDX-License-Identifier: MIT */
#ifndef SEARCH_STREAM_H
#define SEARCH_STREAM_H
/* Tasks at the ends of wires. */
#include "wire.h"

struct stream_end {
	struct wire *wire;
	int fd;
	bool owns_fd; /* and closes it in the end; else it is a socket's, whose other direction has a task of its own */
};

/* Bodies of tasks; arg: struct stream_end. */
actor_body stream_writer, stream_reader;
/* Start one; without a task for it, do what it would do in the end. */
void stream_spawn(struct actor *self, struct party *party, actor_body *body, struct stream_end *end);
/* Two tasks at each end of a connection, which is closed then. */
int64_t stream_connection(struct actor *self, int fds[2], bool is_tcp);

#endif
