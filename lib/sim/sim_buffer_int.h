/* SPDX-License-Identifier: MIT */
#ifndef AION_SIM_SIM_BUFFER_INT_H
#define AION_SIM_SIM_BUFFER_INT_H
/* More of buffer.c than every part of the machine needs. */
#include "sim_int.h"

/* For READ_FIXED, WRITE_FIXED and others with a registered buffer: whether `size` bytes at `address` lie in the buffer
 * of that index. 0 or -EFAULT. */
int aion__sim_buffer_fixed(const struct aion_sim *sim, unsigned idx, const void *address, size_t size);

/*
 * For a request with IOSQE_BUFFER_SELECT, which takes no part in the staging: put `size` bytes into the group's next
 * buffer, and its number into the request's buffer_id and cqe_flags. The buffer is big enough: see
 * aion__sim_buffer_room().
 */
int aion__sim_buffer_fill(struct aion_sim *sim, struct aion__sim_request *request, const void *from, size_t size);
/* The size of the group's next buffer, or sqe.len if that is less and not 0; -ENOBUFS, which may strike, too. */
int64_t aion__sim_buffer_room(struct aion_sim *sim, const struct aion__sim_request *request);

#endif
