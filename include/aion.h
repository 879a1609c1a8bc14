/* SPDX-License-Identifier: MIT */
#ifndef AION_H
#define AION_H
/* All of aion but aion/liburing.h, which needs liburing's headers. */
#include <aion/alloc.h>
#include <aion/barrier.h>
#include <aion/base.h>
#include <aion/buffer.h>
#include <aion/cache.h>
#include <aion/channel.h>
#include <aion/cleanups.h>
#include <aion/condition.h>
#include <aion/dir.h>
#include <aion/event.h>
#include <aion/file.h>
#include <aion/future.h>
#include <aion/group.h>
#include <aion/limiter.h>
#include <aion/loop.h>
#include <aion/map.h>
#include <aion/mutex.h>
#include <aion/offload.h>
#include <aion/op.h>
#include <aion/poll.h>
#include <aion/promise.h>
#include <aion/queue.h>
#include <aion/rate.h>
#include <aion/retry.h>
#include <aion/scope.h>
#include <aion/semaphore.h>
#include <aion/sim.h>
#include <aion/splice.h>
#include <aion/task.h>
#include <aion/thread_queue.h>
#include <aion/timer.h>
#include <aion/worker_pool.h>
#include <aion/xattr.h>
#endif
