/* SPDX-License-Identifier: MIT */
#ifndef AION_IO_POSITION_INT_H
#define AION_IO_POSITION_INT_H
#include <aion/base.h>

/* A write at the current position took `moved` bytes, fewer than it was given: put the position behind them if the
 * kernel has not. */
AION_SUSPENDS void aion__position_settle(int fd, int64_t moved);

#endif
