/* SPDX-License-Identifier: MIT */
/*
 * Tasks that hand all kinds of things to one outlet, at random: what arrives is, byte for byte, what they were told
 * that had been sent, in the order of their calls. On the kernel, and on machines of all profiles.
 */
#include <linux/io_uring.h>

#include "test_outlet.h"
#include "test_sim.h"

#define CALL_MAX 400
#define TASK_NR 3
#define VECTOR_NR 5

/* One call, in the order of the calls. */
struct call {
	char *bytes;
	size_t size;
	size_t sent; /* that is known to be sent, unless there is an error */
	int64_t result;
	struct aion_loan loan;
	struct iovec iov[VECTOR_NR];
	bool is_lent;
	bool is_recalled;
};

struct mixture {
	struct aion_sim *sim; /* NULL: the kernel */
	struct aion_outlet outlet;
	uint64_t random;
	int fds[2];
	unsigned call_nr;
	unsigned call_max;
	unsigned given_nr;
	unsigned released_nr;
	uint64_t sum; /* of the bytes drawn: every byte is another one */
	bool is_reader_broken;
	bool drops; /* the end is a close of what is queued */
	char *got;
	size_t got_size;
	size_t got_room;
	struct call calls[CALL_MAX];
};

static unsigned draw(struct mixture *mixture, unsigned n)
{
	mixture->random ^= mixture->random << 13;
	mixture->random ^= mixture->random >> 7;
	mixture->random ^= mixture->random << 17;
	return (unsigned)((mixture->random >> 16) % n);
}

static size_t draw_size(struct mixture *mixture)
{
	switch (draw(mixture, 8)) {
	case 0:
		return draw(mixture, 3);
	case 1:
		return draw(mixture, 120000);
	case 2:
		return 5000 + draw(mixture, 20000);
	default:
		return draw(mixture, 300);
	}
}

static void call_divide(struct mixture *mixture, struct call *call)
{
	size_t off = 0;

	for (int i = 0; i < VECTOR_NR; i++) {
		size_t left = call->size - off;
		size_t size = i == VECTOR_NR - 1 ? left : draw(mixture, 3) ? left / 3 : 0;

		call->iov[i] = (struct iovec){call->bytes + off, size};
		off += size;
	}
}

static struct call *call_make(struct mixture *mixture)
{
	struct call *call = &mixture->calls[mixture->call_nr++];

	call->size = draw_size(mixture);
	call->bytes = outlet_bytes(mixture->sum, call->size);
	mixture->sum += call->size;
	call_divide(mixture, call);
	return call;
}

static void release(void *arg)
{
	struct mixture *mixture = arg;

	mixture->released_nr++;
}

static void call_wait(struct mixture *mixture, struct call *call)
{
	struct aion_outlet *outlet = &mixture->outlet;

	switch (draw(mixture, 4)) {
	case 0:
		call->result = aion_outlet_send_all(outlet, call->bytes, call->size, &call->sent);
		break;
	case 1:
		call->result = aion_outlet_sendv_all(outlet, call->iov, VECTOR_NR, &call->sent);
		break;
	case 2:
		call->result = aion_outlet_write(outlet, call->bytes, call->size);
		call->sent = call->result ? 0 : call->size;
		break;
	default:
		call->result = aion_outlet_writev(outlet, call->iov, VECTOR_NR);
		call->sent = call->result ? 0 : call->size;
		break;
	}
}

static void call_leave(struct mixture *mixture, struct call *call)
{
	struct aion_outlet *outlet = &mixture->outlet;

	switch (draw(mixture, 4)) {
	case 0:
		aion_outlet_lend(outlet, &call->loan, call->bytes, call->size);
		call->is_lent = true;
		break;
	case 1:
		aion_outlet_lendv(outlet, &call->loan, call->iov, VECTOR_NR);
		call->is_lent = true;
		break;
	case 2:
		mixture->given_nr++;
		call->result = aion_outlet_give(outlet, call->bytes, call->size, release, mixture);
		call->sent = call->result ? 0 : call->size;
		break;
	default:
		call->result = aion_outlet_try_write(outlet, call->bytes, call->size);
		call->sent = call->result ? 0 : call->size;
		break;
	}
}

static void recall_some(struct mixture *mixture)
{
	struct call *call = &mixture->calls[draw(mixture, mixture->call_nr)];

	if (!call->is_lent || call->is_recalled)
		return;
	call->is_recalled = true;
	aion_loan_recall(&call->loan);
}

static int64_t act(void *arg)
{
	struct mixture *mixture = arg;
	struct aion_scope scope;

	while (mixture->call_nr < mixture->call_max) {
		/* With a fresh budget, so that a call's effect does not come after that of a later one. */
		aion_yield();
		if (mixture->call_nr == mixture->call_max)
			break;
		switch (draw(mixture, 8)) {
		case 0:
			aion_scope_enter(&scope, aion_after(draw(mixture, 30) * AION_MICROSECOND));
			call_wait(mixture, call_make(mixture));
			aion_scope_leave(&scope);
			break;
		case 1:
			aion_outlet_flush(&mixture->outlet);
			break;
		case 2:
			aion_sleep(draw(mixture, 100) * AION_MICROSECOND);
			break;
		case 3:
			if (mixture->call_nr && draw(mixture, 2))
				recall_some(mixture);
			else
				aion_outlet_set_zero_copy(&mixture->outlet, draw(mixture, 10000));
			break;
		case 4:
		case 5:
			call_wait(mixture, call_make(mixture));
			break;
		default:
			call_leave(mixture, call_make(mixture));
			break;
		}
	}
	return 0;
}

/* Until the end of the stream; slowly now and then. Where a read fails for good the peer is gone. */
static int64_t read_all(void *arg)
{
	struct mixture *mixture = arg;
	int64_t got;

	for (;;) {
		size_t size = 1 + draw(mixture, draw(mixture, 3) ? 100000 : 200);

		if (!draw(mixture, 4))
			aion_sleep(draw(mixture, 200) * AION_MICROSECOND);
		if (mixture->got_room < mixture->got_size + size) {
			mixture->got_room = (mixture->got_size + size) * 2;
			mixture->got = realloc(mixture->got, mixture->got_room);
		}
		got = aion_read(mixture->fds[1], mixture->got + mixture->got_size, size);
		if (got == -EINTR || got == -ENOMEM || got == -EAGAIN || got == -EIO)
			continue;
		if (got <= 0)
			break;
		mixture->got_size += (size_t)got;
	}
	mixture->is_reader_broken = got < 0;
	while (aion_close(mixture->fds[1]) == -EINTR)
		;
	return 0;
}

/* Whether call i may have sent something: of those that ended well it is known how much. */
static size_t call_size(const struct call *call, bool is_open_end)
{
	if (call->result == 0 || call->result == -ECANCELED || call->result == -EAGAIN || !is_open_end)
		return call->sent;
	return call->size;
}

/* What has come is what has been sent; if there is an error, its beginning. */
static void check(struct mixture *mixture, int64_t error)
{
	bool is_open_end = error || mixture->drops || mixture->is_reader_broken;
	size_t off = 0;

	for (unsigned i = 0; i < mixture->call_nr; i++) {
		const struct call *call = &mixture->calls[i];
		size_t size = call_size(call, is_open_end);

		if (is_open_end && size > mixture->got_size - off)
			size = mixture->got_size - off;
		cr_assert_leq(off + size, mixture->got_size, "call %u: %zu of %zu bytes came", i,
			      mixture->got_size - off, size);
		cr_assert_eq(memcmp(mixture->got + off, call->bytes, size), 0, "call %u has other bytes", i);
		off += size;
	}
	cr_assert_eq(off, mixture->got_size, "%zu bytes too many", mixture->got_size - off);
}

static void settle_loans(struct mixture *mixture)
{
	for (unsigned i = 0; i < mixture->call_nr; i++) {
		struct call *call = &mixture->calls[i];

		if (!call->is_lent)
			continue;
		call->result = aion_await(&call->loan.future);
		call->sent = call->loan.sent_size;
		cr_assert(call->result || call->sent == call->size);
		cr_assert(call->result != -ECANCELED || call->is_recalled);
	}
	while (mixture->released_nr < mixture->given_nr)
		aion_sleep(AION_MILLISECOND);
	cr_assert_eq(mixture->released_nr, mixture->given_nr);
}

static int64_t mix(void *arg)
{
	struct mixture *mixture = arg;
	struct aion_outlet *outlet = &mixture->outlet;
	struct aion_group senders, reader;
	int64_t error;

	if (!mixture->sim)
		test_machine_spare();
	aion_outlet_open(outlet, mixture->fds[0]);
	aion_outlet_set_zero_copy(outlet, 1 + draw(mixture, 20000));
	if (draw(mixture, 2))
		aion_outlet_set_marks(outlet, draw(mixture, 20000), 0);
	aion_group_enter(&reader);
	aion_spawn(&reader, read_all, mixture);
	aion_group_enter(&senders);
	for (int i = 0; i < TASK_NR; i++)
		aion_spawn(&senders, act, mixture);
	assert_result(aion_group_leave(&senders, 0), 0);
	mixture->drops = draw(mixture, 4) == 0;
	if (!mixture->drops) {
		aion_outlet_shutdown(outlet);
		aion_outlet_flush(outlet);
	}
	error = aion_outlet_error(outlet);
	cr_assert(error || mixture->drops || !aion_outlet_queued(outlet));
	aion_outlet_close(outlet);
	settle_loans(mixture);
	while (aion_close(mixture->fds[0]) == -EINTR)
		;
	assert_result(aion_group_leave(&reader, 0), 0);
	check(mixture, error);
	cr_assert_eq(test_stats().in_flight_nr, 0);
	return error ? 1 : 0;
}

static void mixture_free(struct mixture *mixture)
{
	for (unsigned i = 0; i < mixture->call_nr; i++)
		free(mixture->calls[i].bytes);
	free(mixture->got);
	free(mixture);
}

static struct mixture *mixture_make(uint64_t seed)
{
	struct mixture *mixture = calloc(1, sizeof(*mixture));

	cr_assert(mixture);
	mixture->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	mixture->call_max = 20 + draw(mixture, test_is_small() ? 30 : CALL_MAX - 20);
	return mixture;
}

/* Each machine's sockets are its own. Errors strike on hostile ones only. */
static void mix_on_machines(enum aion_sim_profile profile, uint64_t seed_nr)
{
	uint64_t error_nr = 0;

	for (uint64_t seed = 1; seed <= seed_nr; seed++) {
		struct mixture *mixture = mixture_make(seed);
		struct aion_sim *sim = test_sim_make(&(struct aion_sim_options){
			.seed = seed, .profile = profile, .socket_size = 1000U << draw(mixture, 8)});
		int64_t result;

		mixture->sim = sim;
		cr_assert_eq(aion_sim_socketpair(sim, draw(mixture, 2) ? AF_INET : AF_UNIX,
						 SOCK_STREAM | (draw(mixture, 3) ? 0 : SOCK_NONBLOCK), mixture->fds),
			     0);
		result = aion_run(mix, mixture, &(struct aion_loop_options){.sim = sim, .entry_nr = seed % 2 ? 0 : 8});
		cr_assert(result == 0 || (result == 1 && profile == AION_SIM_HOSTILE), "seed %lu: %ld",
			  (unsigned long)seed, (long)result);
		error_nr += result == 1;
		test_sim_end(sim);
		mixture_free(mixture);
	}
	cr_assert(profile != AION_SIM_HOSTILE || test_is_small() || (error_nr && error_nr < seed_nr));
}

static uint64_t seed_nr(void)
{
	return test_is_small() ? 4 : 60;
}

Test(outlet_mixture, on_calm_machines)
{
	test_machine_own_profile();
	mix_on_machines(AION_SIM_CALM, seed_nr());
}

Test(outlet_mixture, on_rough_machines)
{
	mix_on_machines(AION_SIM_ROUGH, seed_nr());
}

Test(outlet_mixture, on_hostile_machines)
{
	mix_on_machines(AION_SIM_HOSTILE, seed_nr());
}

Test(outlet_mixture, on_the_kernel)
{
	for (uint64_t seed = 1; seed <= (test_is_small() ? 2 : 20); seed++) {
		struct mixture *mixture = mixture_make(seed);

		if (seed % 3 == 0)
			outlet_tcp_pair(mixture->fds);
		else
			outlet_narrow_pair(mixture->fds);
		if (seed % 4 == 0)
			cr_assert_eq(fcntl(mixture->fds[0], F_SETFL, O_NONBLOCK), 0);
		cr_assert_eq(aion_run(mix, mixture, NULL), 0);
		mixture_free(mixture);
	}
}

/* What no send says by itself, since those of the ring wait on any socket. */
SIM_TEST(outlet_mixture, a_send_that_would_have_to_wait_is_made_again_when_there_is_room)
{
	AION_CLEANUP(aion_outlet_close) struct aion_outlet outlet = {0};
	char *bytes = outlet_bytes(0, 1000), *trace;
	int fds[2];

	cr_assert_eq(aion_sim_socketpair(sim, AF_UNIX, SOCK_STREAM, fds), 0);
	aion_outlet_open(&outlet, fds[0]);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(aion_sim_inject(sim, IORING_OP_SEND, 1, i ? -EINTR : -EAGAIN), 0);
		assert_result(aion_outlet_write(&outlet, bytes, 1000), 0);
		assert_result(aion_outlet_flush(&outlet), 0);
		outlet_expect(fds[1], 0, 1000);
	}
	trace = test_sim_trace(sim);
	cr_assert_not_null(strstr(trace, "poll"));
	free(trace);
	free(bytes);
	aion_outlet_close(&outlet);
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_close(fds[1]), 0);
}

/* The descriptor can be closed, and the outlet, while a notification is to come. */
SIM_TEST(outlet_mixture, nobody_waits_for_the_peer_of_what_was_not_copied, .seed = 5)
{
	struct aion_outlet outlet = {0};
	char *bytes = outlet_bytes(0, 1000);
	struct aion_loan loan;
	int64_t sent_ns, closed_ns;
	int fds[2];

	for (int knob = 0; knob < AION_SIM_KNOB_NR; knob++)
		aion_sim_knob_set(sim, (enum aion_sim_knob)knob, 0);
	aion_sim_knob_set(sim, AION_SIM_NOTIF_LATE, 1000000);
	cr_assert_eq(aion_sim_socketpair(sim, AF_INET, SOCK_STREAM, fds), 0);
	aion_outlet_open(&outlet, fds[0]);
	aion_outlet_set_zero_copy(&outlet, 100);
	aion_outlet_lend(&outlet, &loan, bytes, 1000);
	assert_result(aion_outlet_flush(&outlet), 0);
	cr_assert_not(aion_future_is_done(&loan.future));
	cr_assert_eq(loan.sent_size, (size_t)1000);
	/* What is sent after it does not wait either. */
	assert_result(aion_outlet_send_all(&outlet, bytes, 10, NULL), 0);
	sent_ns = aion_now();
	aion_outlet_close(&outlet);
	assert_result(aion_close(fds[0]), 0);
	closed_ns = aion_now();
	cr_assert_not(aion_future_is_done(&loan.future));
	assert_result(aion_await(&loan.future), 0);
	cr_assert_gt(aion_now() - sent_ns, 5 * (closed_ns - sent_ns));
	outlet_expect(fds[1], 0, 1000);
	outlet_expect(fds[1], 0, 10);
	assert_result(aion_close(fds[1]), 0);
	free(bytes);
}
