/* SPDX-License-Identifier: MIT */
#ifndef AION_SYNC_QUEUE_STORE_INT_H
#define AION_SYNC_QUEUE_STORE_INT_H
/* Where a queue's items lie: a ring, a stack or a heap. Knows nothing of waiting. */
#include <aion/queue.h>

/* Memory for so many, at least, where there is none yet. -ENOMEM: all is as before. */
int aion__queue_reserve(struct aion_queue *queue, size_t room_nr);
/* Memory for one more than there are. -ENOMEM: all is as before. */
int aion__queue_grow(struct aion_queue *queue);
/* There is room. */
void aion__queue_store(struct aion_queue *queue, void *item, int64_t priority);
/* The item that is next; there is one. */
void *aion__queue_fetch(struct aion_queue *queue);

#endif
