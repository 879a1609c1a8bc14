/* SPDX-License-Identifier: MIT */
#ifndef SEARCH_WIRE_H
#define SEARCH_WIRE_H
/*
 * A wire is one direction of a pipe or a connection: what has gone in and what has come out. Its bytes are a function
 * of its id and of their position, so that whoever reads sees at once if some were lost, doubled or misplaced.
 */
#include "actor.h"

struct wire {
	struct run *run;
	struct wire *back; /* the other direction of a connection, or NULL */
	uint64_t id;
	uint64_t written; /* bytes that the writer was told have gone in */
	uint64_t offered; /* and those that he is writing now */
	uint64_t got;     /* that the reader has */
	bool is_socket;
	bool is_tcp; /* knows zero-copy */
	bool writer_has_left, reader_has_left;
	bool reader_left_early; /* before the end: what he has not read is lost */
	bool is_broken;         /* somebody was told so */
	bool saw_end;
	bool ended_early; /* while both sides were there, as far as was known */
};

/* A pipe of the machine's: 0, or -errno if there is no descriptor for it. */
int wire_pipe(struct actor *self, int fds[2], int flags);
int wire_socketpair(struct actor *self, int domain, int type, int fds[2]);
void wire_close(struct actor *self, int fd);

void wire_init(struct actor *self, struct wire *wire, struct wire *back, bool is_socket);
/* A pipe and its wire: 0, or -errno if there is no descriptor for it. */
int wire_open(struct actor *self, struct wire *wire, int fds[2], int flags);
/* Write some bytes in a form that is drawn: how many, or -errno. */
int64_t wire_write(struct actor *self, struct wire *wire, int fd);
/* Read some; 0: the end. */
int64_t wire_read(struct actor *self, struct wire *wire, int fd);
/* The accounts, each with what a call has said. */
void wire_note_written(struct wire *wire, int64_t result);
void wire_note_got(struct wire *wire, const void *buf, int64_t result);
/* What a call may say on this wire. */
unsigned wire_write_flags(const struct wire *wire);
unsigned wire_read_flags(const struct wire *wire);
/* Nothing is in flight on it any more. */
void wire_settle(const struct wire *wire);

#endif
