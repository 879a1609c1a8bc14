/* SPDX-License-Identifier: MIT */
#ifndef AION_SIM_SIM_HOST_INT_H
#define AION_SIM_SIM_HOST_INT_H
/* Between host.c, host_open.c and host_poll.c. */
#include "sim_int.h"

#define AION__HOST_ADDRESS_LOWEST 65536 /* no process has anything below */

/* As an attempt: openat and openat2 on the real machine. */
int64_t aion__sim_host_open(struct aion__sim_request *request);
/* The request ends without having opened: what is half open is closed. */
void aion__sim_host_open_abandon(struct aion__sim_request *request);
/* As an attempt: POLL_ADD. */
int64_t aion__sim_host_poll(struct aion_sim *sim, struct aion__sim_request *request);
/* The request ends: what a multishot one has open is closed. */
void aion__sim_host_poll_close(struct aion__sim_request *request);

#endif
