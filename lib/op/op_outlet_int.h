/* SPDX-License-Identifier: MIT */
#ifndef AION_OP_OP_OUTLET_INT_H
#define AION_OP_OP_OUTLET_INT_H
/*
 * The outlet's parts: op_outlet.c has the sends in flight, op_outlet_queue.c what is handed over, op_outlet_wait.c who
 * waits for room or for an end.
 *
 * The queue is a list of loans, whether they name the caller's memory or, as chunks, a copy. At most one send is in
 * flight, by the operation of the first loan, and may carry the bytes of several. Until the kernel has taken its entry,
 * which is at the next enter, the entry is written anew with each loan that joins: so what is queued within a turn
 * leaves in one message, and no list of outlets has to be gone through before an enter.
 */
#include <sys/socket.h>

#include <aion/outlet.h>

#include "alloc_int.h"
#include "op_file_int.h"

#define AION__BATCH_IOV_NR 64 /* vectors that one message gathers */

enum aion__outlet_flag {
	AION__OUTLET_OPEN = 1 << 0,
	AION__OUTLET_SHUT = 1 << 1,   /* the end of the stream is queued or sent */
	AION__OUTLET_FLYING = 1 << 2, /* an operation of the first loan is in flight, and not only its notification */
	AION__OUTLET_GROWS = 1 << 3,  /* its entry may be written anew as long as the kernel has not taken it */
	AION__OUTLET_PAUSED = 1 << 4, /* more than high_size was queued, and not yet as few as low_size */
	AION__OUTLET_FULL = 1 << 5,   /* a socket that does not wait said so: poll before the next send */
};

enum aion__loan_kind {
	AION__LOAN_LENT,  /* the future tells when it is over */
	AION__LOAN_GIVEN, /* a function does; the record is the library's */
	AION__LOAN_CHUNK, /* a copy, with room for more behind it */
	AION__LOAN_SHUT,  /* no bytes: the end of the stream */
};

enum aion__loan_flag {
	AION__LOAN_QUEUED = 1 << 0,
	AION__LOAN_FLYING = 1 << 1,   /* some of it is part of the send in flight */
	AION__LOAN_RECALLED = 1 << 2, /* to be dropped when that has ended */
	AION__LOAN_HELD = 1 << 3,     /* a notification is to come */
	AION__LOAN_COPIED = 1 << 4,   /* never without copying: its owner waits for it */
};

enum aion__outlet_wait_kind {
	AION__OUTLET_WAIT_WRITE,
	AION__OUTLET_WAIT_FLUSH,
	AION__OUTLET_WAIT_CLOSE,
};

/* Several loans in one message. There is one as long as there is anything to gather. */
struct aion__outlet_batch {
	struct msghdr message;
	struct iovec iov[AION__BATCH_IOV_NR];
};

/* A copy, in one piece of memory. */
struct aion__chunk {
	struct aion_loan loan;
	size_t size; /* of data */
	char data[];
};

/* Why nothing can be queued: an error, or 0. */
static inline int aion__outlet_refuses(const struct aion_outlet *outlet)
{
	if (outlet->error)
		return outlet->error;
	if (!(outlet->flags & AION__OUTLET_OPEN))
		return -EBADF;
	return outlet->flags & AION__OUTLET_SHUT ? -EPIPE : 0;
}

/* Where the first byte of the stream stands that the kernel does not have. */
static inline uint64_t aion__outlet_off(const struct aion_outlet *outlet)
{
	return outlet->first ? outlet->first->off : outlet->end_off;
}

/* Who hands memory back runs code of the application's, so first everything is in order; then this is called. */
void aion__loans_end(struct aion_loan *ended);
/* The loan is over with a result: off the queue, and in front of the list of those that have ended, or with those whose
 * memory the kernel still holds. */
void aion__loan_take(struct aion_outlet *outlet, struct aion_loan *loan, int result, struct aion_loan **ended);
/* At the end of the queue. */
void aion__loan_push(struct aion_outlet *outlet, struct aion_loan *loan);
/* Something has been queued, or more of the last chunk: start a send, or let it join the one that has not left. */
void aion__outlet_pushed(struct aion_outlet *outlet);
/* After whatever may let a send start or a waiter go on. */
void aion__outlet_go_on(struct aion_outlet *outlet, struct aion_loan **ended);
/* The first error stays. All that is queued ends with it, once nothing is in flight. */
void aion__outlet_fail(struct aion_outlet *outlet, int error, struct aion_loan **ended);
/* Queue a copy. 0 or -ENOMEM: nothing is queued. */
int aion__outlet_copy(struct aion_outlet *outlet, const struct iovec *iov, int iov_nr);
/* Something is queued behind those who wait for room: room or not, their turn is before it. */
void aion__outlet_admit(struct aion_outlet *outlet);
/* Tell those whose time has come. */
void aion__outlet_serve(struct aion_outlet *outlet);
/* Bytes, or -EINVAL. */
ssize_t aion__iov_size(const struct iovec *iov, int iov_nr);

#endif
