/* SPDX-License-Identifier: MIT */
#ifndef AION_OP_OP_INLET_INT_H
#define AION_OP_OP_INLET_INT_H
/* What the inlet's two halves and its buffers' group ask of each other. */
#include <aion/inlet.h>

/* inlet->flags */
enum aion__inlet_flag {
	AION__INLET_OPEN = 1 << 0,
	AION__INLET_ENDED = 1 << 1,    /* nothing more comes: the end of the stream, or the error */
	AION__INLET_STOPPING = 1 << 2, /* its request has been asked to end, to be made anew */
	AION__INLET_PAUSED = 1 << 3,   /* it holds too many buffers, and has no request */
	AION__INLET_POLLING = 1 << 4,  /* of a socket with O_NONBLOCK: the request waits, and receives nothing */
	AION__INLET_ALONE = 1 << 5,    /* the request receives once, into a single buffer */
};

/* A buffer on its account has come back, while it was given no more. */
void aion__inlet_resume(struct aion_inlet *inlet);

#endif
