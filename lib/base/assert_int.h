/* SPDX-License-Identifier: MIT */
#ifndef AION_BASE_ASSERT_INT_H
#define AION_BASE_ASSERT_INT_H
/*
 * Two kinds of checks. AION_BUG_ON: misuse that endangers memory; on in every build, one line, abort. AION_ASSERT: an
 * invariant of our own; debug builds only.
 */
#include <aion/base.h>

#define aion__likely(x) __builtin_expect(!!(x), 1)
#define aion__unlikely(x) __builtin_expect(!!(x), 0)
#define aion__container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Prints "aion: BUG: <text> (<function>, <file>:<line>)" to stderr and aborts. */
_Noreturn void aion__bug(const char *function, const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 4, 5), cold));

/* Something more to say on this thread before an abort, NULL if nothing: how to come here again. */
extern __thread void (*aion__bug_note)(void);

/* Sends one formatted line to the diagnostic hook. */
void aion__diag(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

#define AION_BUG_ON(condition, ...)                                                                                    \
	do {                                                                                                           \
		if (aion__unlikely(condition))                                                                         \
			aion__bug(__func__, __FILE__, __LINE__, __VA_ARGS__);                                          \
	} while (0)

#ifdef AION_DEBUG_ASSERTS
#define AION_ASSERT(condition) AION_BUG_ON(!(condition), "assertion failed: %s", #condition)
#else
#define AION_ASSERT(condition) ((void)sizeof(condition))
#endif

#endif
