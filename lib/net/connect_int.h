/* SPDX-License-Identifier: MIT */
#ifndef AION_NET_CONNECT_INT_H
#define AION_NET_CONNECT_INT_H
#include <aion/connect.h>

/*
 * The order in which addresses are tried: families alternate, beginning with that of the first address; within one
 * their order stays. Result: how many indices are in ret_order, at most AION_CONNECT_MAX. RFC 8305, section 4, with a
 * First Address Family Count of 1.
 */
size_t aion__connect_interleave(const struct aion_address *addresses, size_t nr, size_t *ret_order);

#endif
