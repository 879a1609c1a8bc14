/* SPDX-License-Identifier: MIT */
#ifndef AION_SYNC_MUTEX_INT_H
#define AION_SYNC_MUTEX_INT_H
/* What a condition needs of a mutex. A wait in its queue names the waiting task in `item`. */
#include <aion/mutex.h>

#include "waits_int.h"

/* Hand it to the task of a wait that is off every queue, now or when its turn has come. */
void aion__mutex_grant(struct aion_mutex *mutex, struct aion__wait *wait);
/* Lock it for the running task, which does not have it, whatever is cancelled. */
AION_SUSPENDS void aion__mutex_lock_again(struct aion_mutex *mutex, struct aion_task *task);

#endif
