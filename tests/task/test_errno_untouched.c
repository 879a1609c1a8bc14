/* SPDX-License-Identifier: MIT */
/* Errors are results: errno is the application's, also where the library has met one. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <aion/file.h>

#include "annotate_int.h"
#include "test_task.h"

#include "fault_int.h"

#define OURS EXDEV /* that none of these calls gives */

/* The result is the error, and the application's errno is what it was. */
#define assert_fails(call, error)                                                                                      \
	do {                                                                                                           \
		int64_t result_;                                                                                       \
		int errno_;                                                                                            \
		errno = OURS;                                                                                          \
		result_ = (call);                                                                                      \
		errno_ = errno;                                                                                        \
		cr_assert_eq(result_, (error), "%s is %lld", #call, (long long)result_);                               \
		cr_assert_eq(errno_, OURS, "%s leaves errno %d", #call, errno_);                                       \
	} while (0)

/* The numbers of descriptors that can still be had: `nr`. */
static void allow_descriptors(int nr)
{
	struct rlimit limit;
	int lowest = dup(STDERR_FILENO);

	cr_assert_geq(lowest, 0);
	close(lowest);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = (rlim_t)(lowest + nr);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void allow_all_descriptors(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void spoil_errno(const char *line, void *unused)
{
	errno = EILSEQ;
}

/* The ring gets no descriptor, then only the eventfd gets none; and the hook has an errno of its own. */
Test(errno_untouched, by_a_loop_that_cannot_be_made)
{
	const struct aion_loop_options wrong = {.entry_nr = 1 << 20};
	struct aion_loop *loop;

	TEST_NEEDS_KERNEL("a simulated ring takes no descriptor");
	aion_diag_set(spoil_errno, NULL);
	assert_fails(aion_loop_create(&wrong, &loop), -EINVAL);
	assert_fails(aion_run(test_return, NULL, &wrong), -EINVAL);
	for (int nr = 0; nr < 2; nr++) {
		allow_descriptors(nr);
		assert_fails(aion_loop_create(NULL, &loop), -EMFILE);
		allow_all_descriptors();
	}
}

static unsigned alloc_left_nr;

static void *alloc_few(size_t size, void *unused)
{
	errno = ENOMEM;
	return alloc_left_nr && alloc_left_nr-- ? malloc(size) : NULL;
}

static void *realloc_none(void *memory, size_t size, void *unused)
{
	errno = ENOMEM;
	return NULL;
}

static void free_it(void *memory, void *unused)
{
	free(memory);
}

Test(errno_untouched, by_an_allocator_that_says_why)
{
	static const struct aion_allocator few = {alloc_few, realloc_none, free_it, NULL};
	struct aion_loop *loop;

	aion_diag_set(NULL, NULL);
	cr_assert_eq(aion_allocator_set(&few), 0);
	for (alloc_left_nr = 0; alloc_left_nr < 3; alloc_left_nr++) {
		unsigned nr = alloc_left_nr;

		assert_fails(aion_loop_create(NULL, &loop), -ENOMEM);
		alloc_left_nr = nr;
	}
	alloc_left_nr = 100;
	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	alloc_left_nr = 0;
	assert_fails(aion_loop_post(loop, free, NULL), -ENOMEM);
	aion_loop_destroy(loop);
}

Test(errno_untouched, by_a_loop_without_a_descriptor)
{
	struct aion_loop *loop;

	cr_assert_eq(aion_loop_create(NULL, &loop), 0);
	allow_descriptors(0);
	assert_fails(aion_loop_fd(loop), -EMFILE);
	allow_all_descriptors();
#ifdef AION_FAULTS
	aion__fault_arm(AION__FAULT_RING_REGISTER, 0, 1, -EBUSY);
	assert_fails(aion_loop_fd(loop), -EBUSY);
#endif
	errno = OURS;
	cr_assert_geq(aion_loop_fd(loop), 0);
	cr_assert_eq(errno, OURS);
	aion_loop_destroy(loop);
	cr_assert_eq(errno, OURS);
}

Test(errno_untouched, by_the_life_of_a_loop)
{
	errno = OURS;
	cr_assert_eq(aion_run(test_yield_return, test_number(4), NULL), 4);
	cr_assert_eq(errno, OURS);
}

/* Somebody else has closed the descriptor that nobody received. */
TEST_IN_TASK(errno_untouched, by_a_descriptor_that_is_gone)
{
	struct aion_op op = {0};
	struct aion_future *future = &op.future;
	int fd;

	aion_op_openat(&op, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0);
	cr_assert_eq(aion_wait(&future, 1, AION_WAIT_ALL), 1);
	fd = (int)op.future.result;
	cr_assert_eq(close(fd), 0);
	errno = OURS;
	aion_op_reap(&op);
	cr_assert_eq(errno, OURS);
	return 0;
}

Test(errno_untouched, by_the_cleanup_of_a_descriptor_that_is_gone)
{
	int fd = dup(STDERR_FILENO);

	cr_assert_eq(close(fd), 0);
	errno = OURS;
	aion_fd_closep(&fd);
	cr_assert_eq(errno, OURS);
	cr_assert_eq(fd, -1);
}

#if !defined(AION__ASAN) && !defined(AION_VALGRIND) /* they need address space themselves */
/* No room for a thread's stack. */
TEST_IN_TASK(errno_untouched, by_a_worker_that_cannot_be_made)
{
	struct rlimit limit;
	rlim_t before;

	TEST_NEEDS_KERNEL("a simulated machine starts no threads");
	getrlimit(RLIMIT_AS, &limit);
	before = limit.rlim_cur;
	limit.rlim_cur = 0;
	cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
	assert_fails(aion_offload(AION_OFFLOAD_FAST, test_return, test_number(1)), -EAGAIN);
	limit.rlim_cur = before;
	cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
	cr_assert_eq(aion_offload(AION_OFFLOAD_FAST, test_return, test_number(1)), 1);
	return 0;
}
#endif
