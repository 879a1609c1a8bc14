/* SPDX-License-Identifier: MIT */
#ifndef AION_BASE_PROBE_INT_H
#define AION_BASE_PROBE_INT_H
/*
 * Probes for tracers (USDT: bpftrace, perf, SystemTap), of the provider "aion". Each is one nop, and a note of the
 * binary that says where its arguments are to be found at that moment; a tracer puts a breakpoint in the nop's place.
 * Built in where <sys/sdt.h> is there (CMake option AION_PROBES).
 *
 *	spawn(task, group, fn)            a task is made; it runs later, or at once (aion_spawn_now())
 *	switch(from, to)                  another task goes on. from is 0 if it has ended. The loop's own thread, where
 *	                                  it waits in aion_run() and the like, is one of the two, too
 *	submit(op, opcode, fd)            an operation is written to the ring's queue, or given to a worker thread. fd
 *	                                  is -1 for one without descriptor; opcode is an IORING_OP_*, on plain NOPs that
 *	                                  the caller fills (aion_op_sqe()) what he has not yet filled
 *	complete(op, result)              it is done: >= 0 or -errno
 *	cancel(op, opcode, fd)            it is asked to end; its completion tells what came of it. The opcode of an
 *	                                  aion_nop() is not known here
 *	cancel_scope(scope, reason)       a scope or group is cancelled; reason is an enum aion_reason
 *	cancel_task(task)                 a task is cancelled alone, by its handle
 *
 * Task, group, op and scope are addresses: struct aion_task of the library, the others are public. A second try of an
 * operation is not submitted anew. What cannot even begin is not submitted, and may be complete all the same.
 *
 *	# operations by opcode, and how long they take
 *	bpftrace -e 'usdt:/usr/lib/libaion.so:aion:submit { @begin[arg0] = nsecs; @opcode[arg0] = arg1; }
 *		usdt:/usr/lib/libaion.so:aion:complete /@begin[arg0]/ {
 *			@ns[@opcode[arg0]] = hist(nsecs - @begin[arg0]);
 *			delete(@begin[arg0]); delete(@opcode[arg0]); }' -p PID
 *	# what is spawned
 *	bpftrace -e 'usdt:/usr/lib/libaion.so:aion:spawn { @[usym(arg2)] = count(); }' -p PID
 *	# the same by perf
 *	perf buildid-cache --add /usr/lib/libaion.so
 *	perf probe %sdt_aion:switch && perf record -e sdt_aion:switch -p PID
 *
 * Programs that link libaion.a have the probes themselves: name the program instead of the library.
 *
 * An argument must be at hand: in a register, a constant, or (gcc) in memory at a register. Then the probe costs the
 * nop and nothing else. Do not compute any. And a compiler takes a probe for many instructions when it decides what to
 * put in line: a function on a hot path that has one says always_inline.
 */
#if defined(AION_PROBES) && defined(__has_include)
#if __has_include(<sys/sdt.h>)
#define AION__HAS_PROBES 1
#endif
#endif

#ifdef AION__HAS_PROBES
/* Where an operand may be in memory clang puts it there. */
#if defined(__clang__) && !defined(STAP_SDT_ARG_CONSTRAINT)
#define STAP_SDT_ARG_CONSTRAINT nr
#endif
#include <sys/sdt.h>

#define AION__PROBE1(name, a) STAP_PROBE1(aion, name, a)
#define AION__PROBE2(name, a, b) STAP_PROBE2(aion, name, a, b)
#define AION__PROBE3(name, a, b, c) STAP_PROBE3(aion, name, a, b, c)
#else
#define AION__PROBE1(name, a) ((void)0)
#define AION__PROBE2(name, a, b) ((void)0)
#define AION__PROBE3(name, a, b, c) ((void)0)
#endif

#endif
