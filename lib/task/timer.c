/* SPDX-License-Identifier: MIT */
/* Timers as futures, sleeping, the clock as the loop sees it. */
#include <errno.h>

#include <aion/timer.h>

#include "clock_int.h"
#include "loop_int.h"

int64_t aion_now(void)
{
	struct aion_loop *loop = aion__loop();

	return loop && aion__ring_is_alive(&loop->engine.ring) ? aion__loop_now(loop) : aion__clock_ns();
}

int64_t aion_after(int64_t delta_ns)
{
	return aion__deadline(aion_now(), delta_ns);
}

void aion_timer_init(struct aion_timer *timer)
{
	*timer = (struct aion_timer){
		.future = {.loop = aion__loop(), .kind = AION__FUTURE_TIMER, .fd = -1},
	};
}

int aion_timer_arm(struct aion_timer *timer, int64_t deadline_ns)
{
	struct aion_loop *loop = timer->future.loop;

	AION_BUG_ON(!loop || loop != aion__loop(), "timer armed on another thread than its loop's");
	if (timer->place)
		return -EALREADY;
	if (aion__future_is_done(&timer->future))
		timer->future.waiters = 0;
	if (deadline_ns == AION_NEVER)
		return 0;
	/* The clock is never negative: no difference of a deadline and the time overflows. */
	return aion__wheel_arm(&loop->wheel, timer, deadline_ns < 0 ? 0 : deadline_ns);
}

int aion_timer_cancel(struct aion_timer *timer)
{
	if (!timer->place)
		return 0;
	AION_BUG_ON(timer->future.loop != aion__loop(), "timer cancelled on another thread than its loop's");
	aion__wheel_cancel(&timer->future.loop->wheel, timer);
	return 1;
}

int64_t aion_sleep_until(int64_t deadline_ns)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__loop_task(loop);
	struct aion_timer timer;
	int64_t result;

	if (aion__unlikely(!task))
		return aion__loop_refuses(loop);
	if (task->cancelled || deadline_ns <= loop->now_ns)
		return aion_yield();
	timer.future = (struct aion_future){.loop = loop, .kind = AION__FUTURE_TIMER, .fd = -1};
	timer.place = 0;
	timer.expire = NULL;
	if (deadline_ns != AION_NEVER && aion__unlikely(aion__wheel_arm(&loop->wheel, &timer, deadline_ns) < 0))
		return -ENOMEM;
	result = aion_await(&timer.future);
	if (aion__unlikely(timer.place))
		aion__wheel_cancel(&loop->wheel, &timer);
	return result;
}

int64_t aion_sleep(int64_t duration_ns)
{
	return duration_ns <= 0 ? aion_yield() : aion_sleep_until(aion_after(duration_ns));
}

static __attribute__((noinline)) int yield_cancelled(struct aion_loop *loop, struct aion_task *task)
{
	aion__loop_spend(loop, task);
	return aion__task_refuse(task);
}

int aion_yield(void)
{
	struct aion_loop *loop = aion__loop();
	struct aion_task *task = aion__loop_task(loop);

	if (aion__unlikely(!task))
		return aion__loop_refuses(loop);
	if (aion__unlikely(task->cancelled))
		return yield_cancelled(loop, task);
	return aion__loop_yield(loop, task);
}
