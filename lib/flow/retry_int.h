/* SPDX-License-Identifier: MIT */
#ifndef AION_FLOW_RETRY_INT_H
#define AION_FLOW_RETRY_INT_H
/* The decisions of a retry, for who makes the attempts himself. */
#include <aion/retry.h>

bool aion__retry_is_valid(const struct aion_retry_options *options);
/* Whether to try again after this result of the latest attempt. */
bool aion__retry_goes_on(const struct aion_retry_options *options, int64_t result, unsigned attempt_nr);

#endif
