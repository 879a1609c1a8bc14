/* SPDX-License-Identifier: MIT */
/*
 * What has happened: the last events, and a number made of all of them. No address is among them, so that two runs of
 * one seed give the same text.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "sim_int.h"
#include "syscall_int.h"

#define LINE_SIZE 160    /* bytes; none is longer */
#define BUFFER_SIZE 4096 /* bytes of one write */

struct aion__sim_trace_entry {
	int64_t time_ns;
	uint64_t request_nr;
	int64_t a, b;
	uint8_t event;
	uint8_t opcode;
};

static const char *const event_words[] = {
	[AION__SIM_EVENT_SUBMIT] = "submit",     [AION__SIM_EVENT_EFFECT] = "effect",
	[AION__SIM_EVENT_COMPLETE] = "complete", [AION__SIM_EVENT_CANCEL] = "cancel",
	[AION__SIM_EVENT_TRY] = "try",           [AION__SIM_EVENT_STRIKE] = "strike",
	[AION__SIM_EVENT_ENTER] = "enter",       [AION__SIM_EVENT_JOB] = "job",
	[AION__SIM_EVENT_OVERFLOW] = "overflow",
};

static const char *const knob_words[AION_SIM_KNOB_NR] = {
	[AION_SIM_INLINE] = "inline",
	[AION_SIM_TRY] = "try",
	[AION_SIM_SHORT_READ] = "short read",
	[AION_SIM_SHORT_WRITE] = "short write",
	[AION_SIM_STALL] = "stall",
	[AION_SIM_LATE_CQE] = "late completion",
	[AION_SIM_CANCEL_MISS] = "cancel misses",
	[AION_SIM_CANCEL_LAST] = "cancel last",
	[AION_SIM_MULTISHOT_END] = "multishot ends",
	[AION_SIM_NOTIF_LATE] = "late notification",
	[AION_SIM_WAIT_EINTR] = "wait EINTR",
	[AION_SIM_ENTER_EAGAIN] = "enter EAGAIN",
	[AION_SIM_SUBMIT_PART] = "part submitted",
	[AION_SIM_SETUP_HALF] = "half the entries",
	[AION_SIM_ERROR_EAGAIN] = "EAGAIN",
	[AION_SIM_ERROR_EINTR] = "EINTR",
	[AION_SIM_ERROR_EIO] = "EIO",
	[AION_SIM_ERROR_ENOSPC] = "ENOSPC",
	[AION_SIM_ERROR_ENOMEM] = "ENOMEM",
	[AION_SIM_ERROR_EMFILE] = "EMFILE",
	[AION_SIM_ERROR_ENFILE] = "ENFILE",
	[AION_SIM_ERROR_ENOBUFS] = "ENOBUFS",
	[AION_SIM_ERROR_ECONNRESET] = "ECONNRESET",
};

/* ---- recorded */

/* Two words at once: both halves of their product count, so that every bit reaches every other. */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_entry(uint64_t hash, const struct aion__sim_trace_entry *entry)
{
	uint64_t kind = ((uint64_t)entry->event << 8 | entry->opcode) * UINT64_C(0x1d8e4e27c47d124f);
	uint64_t who = hash_mix((uint64_t)entry->time_ns ^ UINT64_C(0xa0761d6478bd642f),
				entry->request_nr ^ UINT64_C(0xe7037ed1a0b428db));
	uint64_t what = hash_mix((uint64_t)entry->a ^ UINT64_C(0x8ebc6af09c88c6e3),
				 (uint64_t)entry->b ^ UINT64_C(0x589965cc75374cc3));

	return hash_mix(hash ^ who, what ^ kind);
}

void aion__sim_trace(struct aion_sim *sim, enum aion__sim_event event, uint64_t request_nr, unsigned opcode, int64_t a,
		     int64_t b)
{
	struct aion__sim_trace_entry *entry;

	if (!sim->trace)
		sim->trace = aion__sim_alloc(sim->options.trace_max * sizeof(*sim->trace));
	entry = &sim->trace[sim->trace_idx];
	if (++sim->trace_idx == sim->options.trace_max)
		sim->trace_idx = 0;
	sim->trace_nr++;
	*entry = (struct aion__sim_trace_entry){sim->now_ns, request_nr, a, b, (uint8_t)event, (uint8_t)opcode};
	sim->trace_hash = hash_entry(sim->trace_hash, entry);
}

void aion__sim_trace_fini(struct aion_sim *sim)
{
	aion__sim_free(sim->trace);
}

uint64_t aion_sim_trace_hash(const struct aion_sim *sim)
{
	return sim->trace_hash;
}

/* ---- printed */

struct printer {
	int fd;
	int error; /* 0, or what write(2) said */
	size_t used;
	char buffer[BUFFER_SIZE];
};

static void printer_flush(struct printer *printer)
{
	size_t done = 0;

	while (done < printer->used && !printer->error) {
		long n = aion__syscall6(SYS_write, printer->fd, (long)(printer->buffer + done),
					(long)(printer->used - done), 0, 0, 0);

		if (n >= 0)
			done += (size_t)n;
		else if (n != -EINTR)
			printer->error = (int)n;
	}
	printer->used = 0;
}

static __attribute__((format(printf, 2, 3))) void printer_put(struct printer *printer, const char *format, ...)
{
	va_list args;
	int size;

	if (sizeof(printer->buffer) - printer->used < LINE_SIZE)
		printer_flush(printer);
	va_start(args, format);
	size = vsnprintf(printer->buffer + printer->used, LINE_SIZE, format, args);
	va_end(args);
	AION_ASSERT(size >= 0 && size < LINE_SIZE);
	printer->used += (size_t)size;
}

/* " 5", " EINTR", " later" */
static void put_result(struct printer *printer, int64_t result)
{
	const char *name = result < 0 && result > -4096 ? strerrorname_np((int)-result) : NULL;

	if (result == AION__SIM_LATER)
		name = "later";
	if (name)
		printer_put(printer, " %s", name);
	else
		printer_put(printer, " %lld", (long long)result);
}

static void put_opcode(struct printer *printer, unsigned opcode)
{
	const char *name = aion__sim_calls[opcode].name;

	if (name)
		printer_put(printer, " %s", name);
	else
		printer_put(printer, " opcode %u", opcode);
}

static void put_numbers(struct printer *printer, const struct aion__sim_trace_entry *entry)
{
	switch (entry->event) {
	case AION__SIM_EVENT_SUBMIT:
		if (entry->a >= 0)
			printer_put(printer, " descriptor %lld,", (long long)entry->a);
		printer_put(printer, " length %lld", (long long)entry->b);
		break;
	case AION__SIM_EVENT_COMPLETE:
	case AION__SIM_EVENT_OVERFLOW:
		put_result(printer, entry->a);
		if (entry->b)
			printer_put(printer, ", flags %#llx", (unsigned long long)entry->b);
		break;
	case AION__SIM_EVENT_STRIKE:
		printer_put(printer, " %s", knob_words[entry->a]);
		break;
	case AION__SIM_EVENT_ENTER:
		printer_put(printer, " %lld taken, %lld wanted", (long long)entry->a, (long long)entry->b);
		break;
	case AION__SIM_EVENT_JOB:
		printer_put(printer, " %lld", (long long)entry->a);
		break;
	default:
		put_result(printer, entry->a);
		break;
	}
}

static void put_entry(struct printer *printer, const struct aion__sim_trace_entry *entry)
{
	printer_put(printer, "%lld %s", (long long)entry->time_ns, event_words[entry->event]);
	if (entry->request_nr)
		printer_put(printer, " #%llu", (unsigned long long)entry->request_nr);
	if (entry->request_nr || entry->event == AION__SIM_EVENT_TRY)
		put_opcode(printer, entry->opcode);
	put_numbers(printer, entry);
	printer_put(printer, "\n");
}

int aion_sim_trace_print(const struct aion_sim *sim, int fd)
{
	size_t room = sim->options.trace_max;
	size_t kept_nr = sim->trace_nr < room ? sim->trace_nr : room;
	size_t idx = sim->trace_nr < room ? 0 : sim->trace_idx;
	struct printer printer = {.fd = fd};

	if (kept_nr < sim->trace_nr)
		printer_put(&printer, "%zu older events are gone\n", sim->trace_nr - kept_nr);
	for (size_t i = 0; i < kept_nr && !printer.error; i++, idx++)
		put_entry(&printer, &sim->trace[idx < room ? idx : idx - room]);
	printer_flush(&printer);
	return printer.error;
}
