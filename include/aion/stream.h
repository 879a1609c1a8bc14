/* SPDX-License-Identifier: MIT */
#ifndef AION_STREAM_H
#define AION_STREAM_H
/*
 * The buffered stream (asyncio's StreamReader and StreamWriter in one) over a socket, a pipe, a terminal, a file at its
 * position, a connection (conn.h), or a transport of the application's own. This header opens and closes it; reading is
 * in stream_read.h, writing in stream_write.h:
 *
 *	AION_CLEANUP(aion_stream_closep) struct aion_stream stream = {0};
 *	struct aion_stream_view line;
 *
 *	aion_stream_open(&stream, fd, NULL);
 *	while ((result = aion_stream_read_line(&stream, &line)) > 0) {
 *		aion_stream_printf(&stream, "you said %s\n", line.data);
 *		aion_stream_flush(&stream);
 *	}
 *
 * One task at a time may wait in reading calls and one, the same or another, in writing calls: a second one gets
 * -EALREADY.
 *
 * Memory: a stream that waits for the first byte of a message holds no buffer but the AION_STREAM_SMALL_SIZE bytes in
 * its struct, into which it reads as long as messages are small. (Where larger ones are to be expected it waits until
 * there is something to read, then allocates.) With bytes in it that were not taken yet it holds a buffer for them, of
 * at most limit + AION_STREAM_DELIMITER_MAX or read_size bytes, whichever is larger, until the reading call after the
 * one that took the last of them. With bytes to be written it holds at most write_size. Over a
 * connection what has come stays where the kernel has put it, unless a message goes on behind it.
 */
#include <stdbool.h>
#include <sys/uio.h>

#include <aion/scope.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AION_STREAM_SMALL_SIZE 512    /* bytes */
#define AION_STREAM_DELIMITER_MAX 128 /* bytes */

struct aion_buffer;
struct aion_conn;

/*
 * What a stream reads from and writes to. Each function may suspend, must return -ECANCELED in a cancelled scope like
 * everything that suspends (bytes that have moved are its result all the same), and is called by one task at a time;
 * but read and wait on one side, writev and write_eof on the other may be in use at once. -EINTR is tried again.
 */
struct aion_stream_transport {
	int64_t (*read)(void *arg, void *buf, size_t size); /* bytes; 0 at the end */
	int64_t (*wait)(void *arg); /* until a read would not wait; NULL: the first read of a message is a small one */
	/* The next bytes in memory of its own, for aion_buffer_release(): instead of a wait and a read. May be NULL. */
	int64_t (*recv)(void *arg, struct aion_buffer **ret_buffer);
	int64_t (*try_recv)(void *arg, struct aion_buffer **ret_buffer);   /* the same at once, or -EAGAIN; with recv */
	int64_t (*writev)(void *arg, const struct iovec *iov, int iov_nr); /* bytes, at least 1 */
	int64_t (*write_eof)(void *arg); /* nothing more is written; NULL: -EOPNOTSUPP */
	int64_t (*close)(void *arg);     /* after all others; in a shield; NULL: nothing to be done */
};

/* All zero = the defaults, which are given in brackets. */
struct aion_stream_options {
	size_t limit;      /* bytes that read_until, read_line and peek look at, at most [64 KiB] */
	size_t read_size;  /* bytes read at once into the stream's buffer, at most [64 KiB] */
	size_t write_size; /* bytes that may be taken and not written yet: the high-water mark [64 KiB] */
	int64_t close_ns;  /* how long a close tries to write what is left; negative: not at all [2 s] */
	bool keeps_open;   /* a close leaves what it is over open; what was read ahead is lost */
	/*
	 * Whenever reading has to ask the transport for more, what was written is flushed first: for a task that talks,
	 * so that answers to pipelined requests leave together and none is forgotten. Not where another task writes.
	 */
	bool flushes_first;
};

/* Bytes in the stream's buffer; valid until the next reading call on the stream or its close, and may be changed. */
struct aion_stream_view {
	char *data;
	size_t size; /* bytes */
};

/* The caller's memory, from open to close, where it stays in place; all zero = closed. The fields are private. */
struct aion__closer;

struct aion_stream {
	const struct aion_stream_transport *transport;
	void *arg;
	struct aion_stream_options options;
	int32_t read_fd, write_fd; /* -1: none */
	uint8_t state;
	bool has_ended;    /* the transport has said so */
	bool has_shutdown; /* write_eof */
	int32_t write_error;
	/* Reading: bytes begin..end of data, which has room; no delimiter of looked_key begins before looked. */
	char *data;
	struct aion_buffer *lent; /* whose memory it is */
	size_t room, begin, looked, end;
	size_t quantum; /* what a read is expected to bring */
	uint64_t looked_key;
	struct aion_scope *read_scope; /* of who is reading */
	struct aion_future *read_left; /* who waits for him to leave */
	/* Writing: bytes out_begin..out_end of out. */
	char *out;
	size_t out_room, out_begin, out_end;
	size_t text_size; /* what a text is expected to need */
	struct aion_scope *write_scope;
	struct aion_future *write_left;
	struct aion__closer *closers; /* who waits for another one's close */
	char small[AION_STREAM_SMALL_SIZE];
};

/**
 * aion_stream_open, aion_stream_open_pair, aion_stream_open_conn, aion_stream_open_transport - make a stream.
 * @stream: closed (all zero); an open one aborts the process.
 * @fd: read and written, the stream's from now on. One with O_NONBLOCK is waited for all the same.
 * @read_fd, @write_fd: two descriptors, as of pipes; -1: that side is missing, its calls give -EBADF.
 * @conn: open, the stream's from now on: for sockets, faster than a descriptor. Stays until the close.
 * @transport: stays until the close; read or writev may be NULL if that side is missing.
 * @arg: handed to its functions.
 * @options: copied; NULL = the defaults.
 *
 * Nothing is allocated and nothing read. Result: 0.
 * Errors: -EINVAL (sizes above 1 GiB; then what it is to be over stays the caller's).
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API int aion_stream_open(struct aion_stream *stream, int fd, const struct aion_stream_options *options);
AION_API int aion_stream_open_pair(struct aion_stream *stream, int read_fd, int write_fd,
				   const struct aion_stream_options *options);
AION_API int aion_stream_open_conn(struct aion_stream *stream, struct aion_conn *conn,
				   const struct aion_stream_options *options);
AION_API int aion_stream_open_transport(struct aion_stream *stream, const struct aion_stream_transport *transport,
					void *arg, const struct aion_stream_options *options);

/**
 * aion_stream_close - write what is left, then close. Always finishes.
 * @stream: open; a closed one does nothing.
 *
 * As after asyncio's close() what was taken still goes out, also if the caller is cancelled; but for no longer than
 * options.close_ns: flush under a deadline of your own where it matters more, or abort where it does not matter at all.
 * Who is writing meanwhile finishes first, within the same time. Whoever then still waits in a call gets -EBADF (what
 * plain files have begun is waited out).
 * A TCP socket closed with input unread resets the connection, so the peer may lose the end of what it was sent: to be
 * sure, aion_stream_write_eof(), and read until the end.
 *
 * Result: 0.
 * Errors: -ETIME (time was up; what was left is dropped); the error that ended writing; those of close(2) or of the
 *   transport's close; -EALREADY (another task is closing it). It is closed in each of these cases but the last.
 * Suspends: yes, but never returns early. Thread: loop, inside a task (else aborts). Source: writev(2), close(2).
 */
AION_API AION_SUSPENDS int64_t aion_stream_close(struct aion_stream *stream);

/**
 * aion_stream_abort - close at once; what is left to be written is dropped. Always finishes.
 * @stream: open; a closed one does nothing.
 *
 * Result: 0. Errors: those of close(2) or of the transport's close; -EALREADY (another task is closing it).
 * Suspends: yes, but never returns early. Thread: loop, inside a task (else aborts). Source: close(2).
 */
AION_API AION_SUSPENDS int64_t aion_stream_abort(struct aion_stream *stream);

/**
 * aion_stream_closep - aion_stream_close() for AION_CLEANUP; where another task is closing it, wait for that.
 *
 * Suspends: yes, but never returns early. Thread: loop, inside a task (else aborts). Source: as aion_stream_close().
 */
AION_API AION_SUSPENDS void aion_stream_closep(struct aion_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
