/* SPDX-License-Identifier: MIT */
#ifndef AION_BUFFER_H
#define AION_BUFFER_H
/*
 * The buffer: memory of the loop's with bytes in it, lent to the caller until aion_buffer_release(). There are two
 * kinds: what an inlet or a connection lends (inlet.h, conn.h), and the owned read below, for a caller who cannot wait
 * out a stuck disk. A read of a plain file cannot be interrupted, so its memory must outlive the caller's patience: it
 * belongs to the loop as long as the kernel may write into it. For "the common" errors see the top of file.h.
 */
#include <aion/future.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aion_buffer {
	struct aion_future future; /* of the owned read that fills it; its result is that read's */
	void *data;                /* of an owned read aligned to 4096, fit for O_DIRECT */
	size_t size;               /* bytes in data; 0 until the future is done */
	/* private: */
	struct aion_buffer *next; /* behind it in its inlet's queue */
	void *owner;              /* the inlet on whose account it is held */
};

/**
 * aion_pread_owned - read into new memory, and return at once when cancelled.
 * @fd: anything readable. Closing it with aion_close() waits for the read, also after the caller has given up.
 * @size: bytes to allocate and read; above 0x7ffff000 it is clamped.
 * @off: bytes from the start.
 * @ret_buffer: for aion_buffer_release(); written when the result is not negative.
 *
 * Result: bytes in the buffer's data, as buffer->size; 0 at the end of the file.
 * Errors: those of pread(2), and the common ones: -ECANCELED at once, without waiting for the read, whose memory the
 *   loop frees when the kernel has let go of it; -ENOMEM, also for the buffer.
 * Suspends: yes. Thread: loop. Source: pread(2), IORING_OP_READ, Linux 5.6.
 */
AION_API AION_SUSPENDS int64_t aion_pread_owned(int fd, size_t size, int64_t off, struct aion_buffer **ret_buffer);

/**
 * aion_buffer_pread - start such a read and return; wait for &buffer->future.
 *
 * Parameters as above; @ret_buffer is written at once, its data may be read when the future is done.
 * Result: 0. A read that cannot be started is the future's result.
 * Errors: -ENOMEM; -EBUSY (no loop runs on this thread); -ECHILD.
 * Suspends: no. Thread: loop. Source: pread(2), IORING_OP_READ, Linux 5.6.
 */
AION_API int aion_buffer_pread(int fd, size_t size, int64_t off, struct aion_buffer **ret_buffer);

/**
 * aion_buffer_release - give the buffer back.
 * @buffer: NULL does nothing. One that was received may be given back by any task of its loop, also after the
 *   connection has been closed, but before the loop is destroyed; giving it back twice aborts the process. While an
 *   owned read is in flight that is cancelled, and the loop frees the memory after it; no task may wait for its future
 *   then.
 *
 * Suspends: no. Thread: loop. Source: none.
 */
AION_API void aion_buffer_release(struct aion_buffer *buffer);

#ifdef __cplusplus
}
#endif
#endif
