/* SPDX-License-Identifier: MIT */
/* The client's run: when it begins and ends, who sends what and when, what has come back. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "aio_echo.h"

#define PATTERN_SHIFT_NR 251       /* places in the pattern where a message may begin; a prime */
#define GRACE_NS (5 * AION_SECOND) /* for what is under way at the end */
#define DELAY_NS_MAX 1e18          /* 30 years */
#define CONNECTING_NR 64           /* at a time */
#define SEED UINT64_C(0x9e3779b97f4a7c15)

bool load_take(struct load *load)
{
	if (!load->left_nr || aion_now() >= load->end_ns)
		return false;
	if (load->left_nr != UINT64_MAX)
		load->left_nr--;
	return true;
}

void load_count(struct load *load, int64_t due_ns)
{
	int64_t now_ns = aion_now();

	if (due_ns < load->count_ns)
		return;
	load->done_nr++;
	load->last_ns = now_ns;
	histogram_add(&load->latency_ns, (uint64_t)(now_ns > due_ns ? now_ns - due_ns : 0));
}

const char *load_message(const struct load *load, unsigned client_idx, uint64_t message_idx)
{
	return load->pattern + (message_idx * 7 + client_idx) % PATTERN_SHIFT_NR;
}

/* Each client has its own pace; they begin one after the other, so that all together keep the rate evenly. */
int64_t load_due(const struct load *load, unsigned client_idx, uint64_t message_idx)
{
	const struct options *options = load->options;
	double place = (double)message_idx * options->connection_nr + client_idx, delay_ns;

	if (options->rate <= 0)
		return aion_now();
	delay_ns = place * 1e9 / options->rate;
	return load->begin_ns + (int64_t)(delay_ns < DELAY_NS_MAX ? delay_ns : DELAY_NS_MAX);
}

static bool pattern_make(struct load *load)
{
	size_t i, size = load->options->size + PATTERN_SHIFT_NR;
	uint64_t state = SEED;

	load->pattern = malloc(size);
	if (!load->pattern)
		return false;
	for (i = 0; i < size; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		load->pattern[i] = (char)(state >> 32);
	}
	return true;
}

void load_connected(struct load *load)
{
	const struct options *options = load->options;

	if (++load->connected_nr < options->connection_nr)
		return;
	load->begin_ns = aion_now();
	load->count_ns = load->begin_ns + options->warm_up_ns;
	load->last_ns = load->count_ns;
	if (options->duration_ns != AION_NEVER) {
		load->end_ns = load->count_ns + options->duration_ns;
		aion_scope_set_deadline(&load->scope, load->end_ns + GRACE_NS);
	}
	aion_event_set(&load->begun);
}

static void load_stop(struct load *load)
{
	unsigned i;

	if (!aion_event_is_set(&load->begun)) {
		aion_scope_cancel(&load->scope);
		return;
	}
	load->end_ns = aion_now();
	aion_scope_set_deadline(&load->scope, load->end_ns + GRACE_NS);
	for (i = 0; i < load->options->connection_nr; i++)
		client_stop(&load->clients[i]);
}

/* The first signal ends the sending, the second one everything. */
static int64_t signal_task(void *arg)
{
	AION_CLEANUP(aion_signal_close) struct aion_signal_watch watch = {0};
	struct load *load = arg;
	int64_t result = aion_signal_open(&watch, (const int[]){SIGINT, SIGTERM, 0});

	if (result < 0)
		return result;
	result = aion_signal_next(&watch, NULL);
	if (result < 0)
		return result;
	load->stop_signal = (int)result;
	load_stop(load);
	result = aion_signal_next(&watch, NULL);
	if (result > 0)
		aion_scope_cancel(&load->scope);
	return result;
}

static int64_t clients_run(struct load *load)
{
	struct aion_group group;
	unsigned i;

	aion_group_enter(&group);
	for (i = 0; i < load->options->connection_nr; i++) {
		load->clients[i].load = load;
		load->clients[i].idx = i;
		load->clients[i].fd = -1;
		aion_spawn(&group, load->options->datagrams ? datagram_client_run : client_run, &load->clients[i]);
	}
	return aion_group_leave(&group, 0);
}

static int64_t all_run(struct load *load)
{
	struct aion_group group;
	int64_t result, scope_result;

	aion_group_enter(&group);
	aion_spawn(&group, signal_task, load);
	aion_scope_enter(&load->scope, AION_NEVER);
	result = clients_run(load);
	scope_result = aion_scope_leave(&load->scope);
	aion_group_cancel(&group);
	result = aion_group_leave(&group, scope_result == -ETIME ? -ETIME : result);
	return result == -ECANCELED && load->stop_signal ? 0 : result;
}

int64_t load_run(void *arg)
{
	struct load *load = arg;
	int64_t result = -ENOMEM;

	load->left_nr = load->options->message_nr;
	load->end_ns = AION_NEVER;
	aion_event_init(&load->begun);
	aion_semaphore_init(&load->connecting, CONNECTING_NR);
	load->clients = calloc(load->options->connection_nr, sizeof(*load->clients));
	if (load->clients && pattern_make(load))
		result = all_run(load);
	if (result == -ETIME)
		fprintf(stderr, "aio-echo: %s: not everything came back within 5 seconds\n", load->options->address);
	else if (result < 0 && !load->has_failed)
		message_error("cannot go on", (int)result);
	if (load->begin_ns && (result >= 0 || load->done_nr))
		report_print(load);
	free(load->clients);
	free(load->pattern);
	return result;
}
