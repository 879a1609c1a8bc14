/* SPDX-License-Identifier: MIT */
#ifndef PERF_RAW_RING_H
#define PERF_RAW_RING_H
/* The ring of the raw side: the setup that aion uses too, so that only the code around it differs. */
#include <liburing.h>

/* SINGLE_ISSUER, DEFER_TASKRUN, TASKRUN_FLAG, SUBMIT_ALL, CQSIZE, registered ring descriptor. Ends the program if it
 * cannot. completion_nr 0 = four times entry_nr. */
void perf_ring_open(struct io_uring *ring, unsigned entry_nr, unsigned completion_nr);
void perf_ring_close(struct io_uring *ring);
/* Hands over what is queued, waits for wait_nr completions. */
void perf_ring_enter(struct io_uring *ring, unsigned wait_nr);

#endif
