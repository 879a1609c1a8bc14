/* SPDX-License-Identifier: MIT */
/* The outlet for tasks: what lib/op queues, awaited. */
#include <errno.h>

#include <aion/scope.h>
#include <aion/outlet.h>

static void set_done(size_t *ret_done, size_t done)
{
	if (ret_done)
		*ret_done = done;
}

static void await_shielded(struct aion_future *future)
{
	struct aion_scope scope;

	aion_scope_enter_shield(&scope, AION_NEVER);
	aion_await(future);
	aion_scope_leave(&scope);
}

/* ---- in place */

/* The kernel did not take all at once: the rest is queued. The memory is the caller's again when this returns, so what
 * is cut short is recalled and waited for. */
static __attribute__((noinline)) int64_t send_rest(struct aion_outlet *outlet, const struct iovec *iov, int iov_nr,
						   int64_t sent, size_t *ret_done)
{
	size_t done = sent > 0 ? (size_t)sent : 0;
	struct aion_loan loan;

	set_done(ret_done, done);
	if (sent < 0 && sent != -EAGAIN)
		return sent;
	aion_outlet_start_sendv(outlet, &loan, iov, iov_nr, done);
	aion_await(&loan.future);
	if (!aion_future_is_done(&loan.future)) {
		aion_loan_recall(&loan);
		await_shielded(&loan.future);
	}
	set_done(ret_done, done + loan.sent_size);
	return loan.future.result;
}

static __attribute__((noinline)) int64_t send_rest_of(struct aion_outlet *outlet, const void *buf, size_t size,
						      int64_t sent, size_t *ret_done)
{
	const struct iovec iov = {(void *)(uintptr_t)buf, size};

	return send_rest(outlet, &iov, 1, sent, ret_done);
}

int64_t aion_outlet_send_all(struct aion_outlet *outlet, const void *buf, size_t size, size_t *ret_done)
{
	int64_t sent = aion_checkpoint();

	if (__builtin_expect(sent == 0, 1))
		sent = aion_outlet_try_send(outlet, buf, size);
	if (__builtin_expect(sent != (int64_t)size, 0))
		return send_rest_of(outlet, buf, size, sent, ret_done);
	set_done(ret_done, size);
	return 0;
}

int64_t aion_outlet_sendv_all(struct aion_outlet *outlet, const struct iovec *iov, int iov_nr, size_t *ret_done)
{
	int64_t sent = aion_checkpoint();

	if (sent == 0)
		sent = aion_outlet_try_sendv(outlet, iov, iov_nr);
	return send_rest(outlet, iov, iov_nr, sent, ret_done);
}

/* ---- copies */

static int64_t await_wait(struct aion_outlet_wait *wait)
{
	int64_t result = aion_await(&wait->future);

	aion_outlet_stop(wait);
	return aion_future_is_done(&wait->future) ? wait->future.result : result;
}

int64_t aion_outlet_writev(struct aion_outlet *outlet, const struct iovec *iov, int iov_nr)
{
	struct aion_outlet_wait wait;
	int64_t result = aion_checkpoint();

	if (result == 0)
		result = aion_outlet_try_writev(outlet, iov, iov_nr);
	if (__builtin_expect(result != -EAGAIN, 1))
		return result;
	aion_outlet_start_writev(outlet, &wait, iov, iov_nr);
	return await_wait(&wait);
}

int64_t aion_outlet_write(struct aion_outlet *outlet, const void *buf, size_t size)
{
	const struct iovec iov = {(void *)(uintptr_t)buf, size};

	return aion_outlet_writev(outlet, &iov, 1);
}

/* ---- ends */

int64_t aion_outlet_flush(struct aion_outlet *outlet)
{
	struct aion_outlet_wait wait;
	int64_t result = aion_checkpoint();

	if (result < 0)
		return result;
	aion_outlet_start_flush(outlet, &wait);
	return await_wait(&wait);
}

void aion_outlet_close(struct aion_outlet *outlet)
{
	struct aion_outlet_wait wait;

	aion_outlet_start_close(outlet, &wait);
	if (!aion_future_is_done(&wait.future))
		await_shielded(&wait.future);
}
