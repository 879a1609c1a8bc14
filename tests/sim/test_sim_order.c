/* SPDX-License-Identifier: MIT */
/* Faults to order, and faults held back. */
#include "test_sim.h"

#include <aion/liburing.h>

#define ALWAYS 1000000

/* ---- to order */

SIM_TEST(sim_order, the_nth_operation_of_a_kind_fails)
{
	const void *data;
	size_t size;
	int64_t fd = aion_openat(AT_FDCWD, "/f", O_WRONLY | O_CREAT, 0644);

	cr_assert_geq(fd, AION_SIM_FD_BASE);
	assert_result(aion_sim_inject(sim, IORING_OP_WRITE, 2, -EDQUOT), 0);
	assert_result(aion_pwrite((int)fd, "a", 1, 0), 1);
	assert_result(aion_fsync((int)fd), 0); /* of another kind */
	assert_result(aion_pwrite((int)fd, "b", 1, 1), -EDQUOT);
	assert_result(aion_pwrite((int)fd, "c", 1, 2), 1);
	assert_result(aion_close((int)fd), 0);
	assert_result(aion_sim_file_read(sim, "/f", &data, &size), 0);
	cr_assert_eq(size, 3);
	cr_assert_eq(memcmp(data, "a\0c", 3), 0);
	cr_assert_eq(aion_sim_fault_nr(sim), 0);
}

SIM_TEST(sim_order, any_operation_fails)
{
	int fds[2];
	char byte;

	assert_result(aion_sim_pipe(sim, fds, 0), 0);
	assert_result(aion_sim_inject(sim, AION_SIM_ANY, 3, -EIO), 0);
	assert_result(aion_write(fds[1], "x", 1), 1);
	assert_result(aion_nop(), 0);
	assert_result(aion_read(fds[0], &byte, 1), -EIO);
	assert_result(aion_read(fds[0], &byte, 1), 1);
	assert_result(aion_close(fds[0]), 0);
	assert_result(aion_close(fds[1]), 0);
}

SIM_TEST(sim_order, a_try_is_one_of_its_kind)
{
	char buf[10];
	int64_t fd;

	assert_result(aion_sim_file_write(sim, "/f", "hello", 5), 0);
	fd = aion_openat(AT_FDCWD, "/f", O_RDONLY, 0);
	assert_result(aion_sim_inject(sim, IORING_OP_READ, 1, -EIO), 0);
	assert_result(aion_pread((int)fd, buf, 5, 0), -EIO);
	assert_result(aion_pread((int)fd, buf, 5, 0), 5);
	assert_result(aion_close((int)fd), 0);
}

SIM_TEST(sim_order, what_fails_has_no_effect)
{
	assert_result(aion_sim_inject(sim, IORING_OP_OPENAT, 1, -EMFILE), 0);
	assert_result(aion_sim_inject(sim, IORING_OP_MKDIRAT, 1, -EIO), 0);
	assert_result(aion_openat(AT_FDCWD, "/f", O_WRONLY | O_CREAT, 0644), -EMFILE);
	assert_result(aion_mkdirat(AT_FDCWD, "/d", 0755), -EIO);
	assert_result(aion_openat(AT_FDCWD, "/f", O_RDONLY, 0), -ENOENT);
	assert_result(aion_openat(AT_FDCWD, "/d", O_RDONLY, 0), -ENOENT);
}

SIM_TEST(sim_order, several_orders_each_count)
{
	assert_result(aion_sim_inject(sim, IORING_OP_NOP, 2, -EIO), 0);
	assert_result(aion_sim_inject(sim, AION_SIM_ANY, 1, -ENOMEM), 0);
	assert_result(aion_sim_inject(sim, IORING_OP_NOP, 2, -EBUSY), 0); /* for the same one: the first decides */
	assert_result(aion_sim_inject(sim, IORING_OP_NOP, 4, -EPERM), 0);
	assert_result(aion_nop(), -ENOMEM);
	assert_result(aion_nop(), -EIO);
	assert_result(aion_nop(), 0);
	assert_result(aion_nop(), -EPERM);
	assert_result(aion_nop(), 0);
	assert_result(aion_sim_inject(sim, IORING_OP_NOP, 1000, -EIO), 0); /* that it never comes to is no loss */
}

SIM_TEST(sim_order, wrong_orders_are_refused)
{
	assert_result(aion_sim_inject(sim, IORING_OP_NOP, 0, -EIO), -EINVAL);
	assert_result(aion_sim_inject(sim, IORING_OP_NOP, 1, 0), -EINVAL);
	assert_result(aion_sim_inject(sim, IORING_OP_NOP, 1, 5), -EINVAL);
	assert_result(aion_sim_inject(sim, -2, 1, -EIO), -EINVAL);
	assert_result(aion_sim_inject(sim, 255, 1, -EIO), -EINVAL);
	assert_result(aion_sim_inject(sim, 256, 1, -EIO), -EINVAL);
	assert_result(aion_nop(), 0);
}

/* ---- held back */

static int64_t write_by_ring(int fd)
{
	struct aion_op op = {0};

	aion_op_pwrite(&op, fd, "x", 1, 0);
	return aion_await(&op.future);
}

SIM_TEST(sim_order, a_machine_calms_down)
{
	int64_t fd = aion_openat(AT_FDCWD, "/f", O_WRONLY | O_CREAT, 0644), begin_ns;
	uint64_t fault_nr;

	aion_sim_knob_set(sim, AION_SIM_ERROR_EIO, ALWAYS);
	aion_sim_knob_set(sim, AION_SIM_STALL, ALWAYS);
	assert_result(write_by_ring((int)fd), -EIO);
	fault_nr = aion_sim_fault_nr(sim);
	aion_sim_calm_down(sim);
	begin_ns = aion_sim_now(sim);
	for (int i = 0; i < 20; i++)
		assert_result(write_by_ring((int)fd), 1);
	cr_assert_lt(aion_sim_now(sim), begin_ns + 20 * AION_MILLISECOND);
	cr_assert_eq(aion_sim_fault_nr(sim), fault_nr);
	cr_assert_eq(aion_sim_knob_get(sim, AION_SIM_ERROR_EIO), ALWAYS);
	assert_result(aion_sim_inject(sim, IORING_OP_WRITE, 1, -EIO), 0); /* an order is an order */
	assert_result(write_by_ring((int)fd), -EIO);
	assert_result(aion_close((int)fd), 0);
}

static int64_t write_a_lot(void *unused)
{
	int64_t fd;
	int failed_nr = 0;

	do {
		fd = aion_openat(AT_FDCWD, "/f", O_RDWR | O_CREAT, 0644);
	} while (fd < 0 && ++failed_nr < 100);
	for (int i = 0; i < 200; i++)
		failed_nr += write_by_ring((int)fd) < 0;
	return aion_close((int)fd) < 0 ? -1 : failed_nr;
}

static struct aion_sim *write_on(uint64_t fault_max)
{
	struct aion_sim *sim = test_sim_make(&(struct aion_sim_options){.seed = 8, .profile = AION_SIM_HOSTILE});

	aion_sim_fault_max(sim, fault_max);
	cr_assert_geq(test_sim_run(sim, write_a_lot, NULL), 0);
	return sim;
}

/* Up to the first fault that is left out nothing changes. */
Test(sim_order, fewer_faults_are_the_same_run_so_far)
{
	struct aion_sim *full = write_on(UINT64_MAX), *part;
	uint64_t fault_nr = aion_sim_fault_nr(full), max = fault_nr / 2;
	char *full_text = test_sim_trace(full), *part_text, *end = full_text;

	cr_assert_gt(max, 5);
	part = write_on(max);
	cr_assert_eq(aion_sim_fault_nr(part), max);
	part_text = test_sim_trace(part);
	for (uint64_t i = 0; i <= max; i++)
		end = strstr(end, " strike") + 1;
	cr_assert_eq(strncmp(full_text, part_text, (size_t)(end - full_text - 20)), 0);
	cr_assert_neq(aion_sim_trace_hash(full), aion_sim_trace_hash(part));
	free(full_text);
	free(part_text);
	test_sim_end(part);
	part = write_on(0);
	cr_assert_eq(aion_sim_fault_nr(part), 0);
	test_sim_end(part);
	part = write_on(fault_nr);
	cr_assert_eq(aion_sim_trace_hash(full), aion_sim_trace_hash(part));
	test_sim_end(part);
	test_sim_end(full);
}
