/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault_int.h"
#include "test_ring.h"

static void nop_works(struct aion__ring *ring)
{
	struct io_uring_sqe sqe = {0};
	struct test_cqe cqe;

	io_uring_prep_nop(&sqe);
	sqe.user_data = 42;
	cqe = test_ring_do(ring, &sqe);
	cr_assert_eq(cqe.res, 0);
	cr_assert_eq(cqe.user_data, 42);
}

Test(setup_ring, takes_the_flags_that_batching_needs)
{
	struct aion__ring ring;

	test_ring_open(&ring, 1);
	cr_assert(ring.setup_flags & IORING_SETUP_SUBMIT_ALL);
	cr_assert(ring.setup_flags & IORING_SETUP_CQSIZE);
	cr_assert(!(ring.setup_flags & IORING_SETUP_SQPOLL));
	cr_assert_eq(ring.uring.sq.ring_entries, 64);
	cr_assert_eq(ring.uring.cq.ring_entries, 256);
	nop_works(&ring);
	cr_assert_eq(ring.stats.submit_nr, 1);
	cr_assert_geq(ring.stats.enter_nr, 1);
	aion__ring_fini(&ring);
}

Test(setup_ring, knows_the_opcodes_of_the_baseline)
{
	const unsigned needed[] = {IORING_OP_NOP,          IORING_OP_READ,      IORING_OP_WRITEV, IORING_OP_OPENAT2,
				   IORING_OP_ASYNC_CANCEL, IORING_OP_LINKAT,    IORING_OP_SPLICE, IORING_OP_SEND_ZC,
				   IORING_OP_FGETXATTR,    IORING_OP_SENDMSG_ZC};
	struct aion__ring ring;

	test_ring_open(&ring, 1);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		cr_assert(aion__ring_has_op(&ring, needed[i]), "opcode %u", needed[i]);
	cr_assert(!aion__ring_has_op(&ring, 255));
	aion__ring_fini(&ring);
}

Test(setup_ring, as_linux_hides_what_came_later)
{
	struct aion__ring ring;
	char text[256];

	cr_assert_eq(test_ring_try_open(&ring, 1, "6.1", text, sizeof(text)), 0, "%s", text);
	cr_assert_eq(aion__ring_bind(&ring), 0);
	cr_assert(aion__ring_has_op(&ring, IORING_OP_SENDMSG_ZC));
	for (unsigned op = IORING_OP_SENDMSG_ZC + 1; op < 256; op++)
		cr_assert(!aion__ring_has_op(&ring, op), "opcode %u", op);
	cr_assert_lt(ring.features, 1U << 13);
	cr_assert(ring.features & IORING_FEAT_EXT_ARG);
	nop_works(&ring);
	aion__ring_fini(&ring);
}

Test(setup_ring, as_linux_of_an_unknown_name_is_refused)
{
	struct aion__ring ring;
	char text[256];

	cr_assert_eq(test_ring_try_open(&ring, 1, "7.99", text, sizeof(text)), -EINVAL);
	cr_assert_not_null(strstr(text, "as_linux"), "%s", text);
}

/* Made here, run there: the thread that binds it is the one that may submit. */
static void *bind_and_use(void *arg)
{
	struct aion__ring *ring = arg;

	cr_assert_eq(aion__ring_bind(ring), 0);
	nop_works(ring);
	aion__ring_fini(ring);
	return NULL;
}

Test(setup_ring, may_be_made_on_one_thread_and_run_on_another)
{
	struct aion__ring ring;
	char text[256];
	pthread_t thread;

	cr_assert_eq(test_ring_try_open(&ring, 1, NULL, text, sizeof(text)), 0, "%s", text);
	cr_assert_eq(pthread_create(&thread, NULL, bind_and_use, &ring), 0);
	pthread_join(thread, NULL);
}

Test(setup_ring, a_wait_ends_at_its_deadline)
{
	struct aion__ring ring;
	int64_t deadline_ns;

	test_ring_open(&ring, 1);
	deadline_ns = aion__clock_ns() + 5 * AION_MILLISECOND;
	do {
		cr_assert_eq(aion__ring_enter(&ring, 1, deadline_ns), 0);
	} while (TEST_WAITS_ARE_CUT && aion__clock_ns() < deadline_ns);
	cr_assert_geq(aion__clock_ns(), deadline_ns);
	cr_assert_eq(aion__ring_cq_ready(&ring), 0);
	cr_assert_eq(aion__ring_enter(&ring, 1, 1), 0, "a deadline long past does not wait");
	aion__ring_fini(&ring);
}

static void *wake_it(void *ring)
{
	aion__ring_wake(ring);
	return NULL;
}

Test(setup_ring, another_thread_ends_the_wait)
{
	struct aion__ring ring;
	pthread_t thread;

	test_ring_open(&ring, 1);
	for (int i = 0; i < 3; i++) {
		aion__ring_arm_wake(&ring);
		cr_assert_eq(pthread_create(&thread, NULL, wake_it, &ring), 0);
		cr_assert_eq(test_ring_wait(&ring).user_data, AION__UD_WAKE);
		pthread_join(thread, NULL);
	}
	aion__ring_fini(&ring);
}

Test(setup_ring, a_queue_is_full_until_it_is_handed_over)
{
	struct aion__ring ring;
	unsigned nr = 0;

	test_ring_open(&ring, 1);
	for (; !aion__ring_is_full(&ring); nr++)
		io_uring_prep_nop(aion__ring_take(&ring));
	cr_assert_eq(nr, 64);
	cr_assert_eq(aion__ring_queued(&ring), 64);
	cr_assert_eq(aion__ring_enter(&ring, 64, AION_NEVER), 0);
	cr_assert_eq(aion__ring_queued(&ring), 0);
	cr_assert_eq(aion__ring_cq_ready(&ring), 64);
	cr_assert(!aion__ring_is_full(&ring));
	aion__ring_fini(&ring);
}

/* The child sees a dead ring and may give back what it inherited; the parent's goes on. */
Test(setup_ring, a_forked_child_sees_a_dead_ring)
{
	struct aion__ring ring;
	int status;
	pid_t child;

	test_ring_open(&ring, 1);
	cr_assert(aion__ring_is_alive(&ring));
	io_uring_prep_nop(aion__ring_take(&ring));
	child = fork();
	if (!child) {
		int result = aion__ring_is_alive(&ring);

		aion__ring_fini(&ring);
		_exit(result);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
	cr_assert(aion__ring_is_alive(&ring));
	cr_assert_eq(test_ring_wait(&ring).res, 0, "what was queued before the fork is not lost");
	nop_works(&ring);
	aion__ring_fini(&ring);
}

static unsigned open_fd_nr(void)
{
	unsigned nr = 0;

	for (int fd = 0; fd < 1024; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

Test(setup_ring, fini_leaves_no_descriptor)
{
	unsigned before = open_fd_nr();

	for (int i = 0; i < 10; i++) {
		struct aion__ring ring;

		test_ring_open(&ring, 1);
		nop_works(&ring);
		aion__ring_fini(&ring);
	}
	cr_assert_eq(open_fd_nr(), before);
}

Test(setup_ring, out_of_descriptors_is_said)
{
	struct rlimit limit;
	struct aion__ring ring;
	char text[256];

	while (dup(0) >= 0 && open_fd_nr() < 8)
		;
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 8; /* valgrind has the other one fixed */
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (dup(0) >= 0)
		;
	cr_assert_eq(test_ring_try_open(&ring, 1, NULL, text, sizeof(text)), -EMFILE);
	cr_assert_str_not_empty(text);
}

/* A limit of locked memory binds only those who may not pass it, so the test becomes such a one. */
Test(setup_ring, the_locked_memory_limit_halves_the_queues)
{
	const struct aion__ring_options options = {.entry_nr = 16384, .completion_nr = 65536, .worker_max = 1};
	struct rlimit limit = {.rlim_cur = 64 << 10, .rlim_max = 64 << 10};
	struct aion__ring ring;
	char text[256] = "";
	int result;

	cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	if (!geteuid() && setresuid(54321, 54321, 54321) < 0)
		cr_skip_test("cannot become an ordinary user");
	result = aion__ring_init(&ring, &options, text, sizeof(text));
	cr_assert_eq(result, 0, "%d: %s", result, text);
	cr_assert_lt(ring.uring.sq.ring_entries, 16384);
	cr_assert_geq(ring.uring.sq.ring_entries, 8);
	cr_assert_eq(aion__ring_bind(&ring), 0);
	nop_works(&ring);
	aion__ring_fini(&ring);
}

Test(setup_ring, too_little_locked_memory_names_the_limit)
{
	struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
	struct aion__ring ring;
	char text[256];

	cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	if (!geteuid() && setresuid(54322, 54322, 54322) < 0)
		cr_skip_test("cannot become an ordinary user");
	cr_assert_eq(test_ring_try_open(&ring, 1, NULL, text, sizeof(text)), -ENOMEM);
	cr_assert_not_null(strstr(text, "RLIMIT_MEMLOCK"), "%s", text);
	cr_assert_not_null(strstr(text, "4096"), "%s", text);
}
