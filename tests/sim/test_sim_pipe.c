/* SPDX-License-Identifier: MIT */
/* Pipes and splice, on the kernel and on the machine alike; then what only the machine can be made to do. */
#include <limits.h>

#include "test_sim_net.h"

#define CAPACITY ((size_t)65536) /* bytes of a pipe */

/* ---- pipes */

NET_TEST(sim_pipe, gives_bytes_in_order_as_far_as_there_are)
{
	char buf[16] = "";
	int fds[2];

	net_pipe(fds);
	assert_result(NET_DO(io_uring_prep_write, fds[1], "abc", 3, 0), 3);
	assert_result(NET_DO(io_uring_prep_write, fds[1], "defg", 4, 0), 4);
	assert_result(NET_DO(io_uring_prep_read, fds[0], buf, 2, 0), 2);
	assert_result(NET_DO(io_uring_prep_read, fds[0], buf + 2, 14, 0), 5);
	cr_assert_str_eq(buf, "abcdefg");
	assert_result(net_read(fds[0], 0), 0);
	assert_result(net_write(fds[1], 0), 0);
	cr_assert(NET_WAITS(io_uring_prep_read, fds[0], buf, 1, 0));
	net_close(fds[0]);
	net_close(fds[1]);
}

NET_TEST(sim_pipe, small_write_goes_in_whole_or_waits)
{
	char data[PIPE_BUF] = "";
	int fds[2];

	net_pipe(fds);
	assert_result(net_write(fds[1], CAPACITY - PIPE_BUF), CAPACITY - PIPE_BUF);
	assert_result(net_write(fds[1], PIPE_BUF), PIPE_BUF);
	cr_assert(NET_WAITS(io_uring_prep_write, fds[1], data, sizeof(data), 0));
	assert_result(net_read(fds[0], PIPE_BUF), PIPE_BUF);
	assert_result(net_write(fds[1], PIPE_BUF), PIPE_BUF);
	net_close_pair(fds);
}

NET_TEST(sim_pipe, large_write_goes_in_as_far_as_there_is_room)
{
	int fds[2];

	net_pipe(fds);
	assert_result(net_write(fds[1], 3 * CAPACITY), CAPACITY);
	assert_result(net_read(fds[0], 4 * PIPE_BUF), 4 * PIPE_BUF);
	assert_result(net_write(fds[1], 3 * CAPACITY), 4 * PIPE_BUF);
	assert_result(net_read(fds[0], 3 * CAPACITY), CAPACITY);
	net_close_pair(fds);
}

static int64_t read_hello(void *fd)
{
	char buf[8] = "";
	int64_t result = NET_DO(io_uring_prep_read, (int)(intptr_t)fd, buf, sizeof(buf), 0);

	return result == 5 && strcmp(buf, "hello") == 0 ? 0 : -EBADMSG;
}

static int64_t write_page(void *fd)
{
	return net_write((int)(intptr_t)fd, PIPE_BUF) == PIPE_BUF ? 0 : -EIO;
}

NET_TEST(sim_pipe, who_waits_is_woken_by_the_other_end)
{
	struct aion_group group;
	int fds[2];

	net_pipe(fds);
	aion_group_enter(&group);
	aion_spawn(&group, read_hello, test_number(fds[0]));
	aion_sleep(2 * AION_MILLISECOND);
	assert_result(NET_DO(io_uring_prep_write, fds[1], "hello", 5, 0), 5);
	assert_result(aion_group_leave(&group, 0), 0);
	assert_result(net_write(fds[1], CAPACITY), CAPACITY);
	aion_group_enter(&group);
	aion_spawn(&group, write_page, test_number(fds[1]));
	aion_sleep(2 * AION_MILLISECOND);
	assert_result(net_read(fds[0], PIPE_BUF), PIPE_BUF);
	assert_result(aion_group_leave(&group, 0), 0);
	net_close_pair(fds);
}

NET_TEST(sim_pipe, without_writer_it_ends_without_reader_it_breaks)
{
	int fds[2];

	net_pipe(fds);
	assert_result(net_write(fds[1], 3), 3);
	net_close(fds[1]);
	assert_result(net_poll(fds[0], POLLIN), POLLIN | POLLHUP);
	assert_result(net_read(fds[0], 10), 3);
	assert_result(net_read(fds[0], 10), 0);
	assert_result(net_poll(fds[0], POLLIN), POLLHUP);
	net_close(fds[0]);
	net_pipe(fds);
	net_close(fds[0]);
	assert_result(net_write(fds[1], 3), -EPIPE);
	assert_result(net_write(fds[1], 0), 0);
	assert_result(net_poll(fds[1], 0), POLLERR);
	net_close(fds[1]);
}

/* An operation holds the file: its end comes when that is over, too. */
static int64_t read_end(void *fd)
{
	return net_read((int)(intptr_t)fd, 10);
}

NET_TEST(sim_pipe, who_waits_hears_of_the_end)
{
	struct aion_group group;
	int fds[2];

	net_pipe(fds);
	aion_group_enter(&group);
	aion_spawn(&group, read_end, test_number(fds[0]));
	aion_sleep(2 * AION_MILLISECOND);
	net_close(fds[1]);
	assert_result(aion_group_leave(&group, 0), 0);
	net_close(fds[0]);
}

NET_TEST(sim_pipe, nonblock_does_not_keep_from_waiting)
{
	char byte;
	int fds[2];

	assert_result(NET_DO(prep_pipe, fds, O_NONBLOCK | O_CLOEXEC), 0);
	cr_assert(NET_WAITS(io_uring_prep_read, fds[0], &byte, 1, 0));
	net_close_pair(fds);
}

NET_TEST(sim_pipe, ends_are_for_one_direction_and_offsets_for_none)
{
	int fds[2];
	char buf[4];

	net_pipe(fds);
	assert_result(net_write(fds[0], 1), -EBADF);
	assert_result(net_read(fds[1], 1), -EBADF);
	assert_result(net_write(fds[1], 3), 3);
	assert_result(NET_DO(io_uring_prep_read, fds[0], buf, 1, 77), 1);
	assert_result(NET_DO(io_uring_prep_read, fds[0], buf, 1, -1), 1);
	net_close_pair(fds);
	assert_result(NET_DO(prep_pipe, fds, O_APPEND), -EINVAL);
	assert_result(NET_DO(prep_pipe, NULL, 0), -EFAULT);
}

/* ---- splice and tee */

NET_TEST(sim_pipe, splice_moves_and_tee_copies)
{
	int a[2], b[2];

	net_pipe(a);
	net_pipe(b);
	assert_result(NET_DO(io_uring_prep_splice, a[0], -1, b[1], -1, 0, 0), 0);
	assert_result(net_write(a[1], 100), 100);
	assert_result(NET_DO(io_uring_prep_splice, a[0], -1, b[1], -1, 10, 0), 10);
	assert_result(NET_DO(io_uring_prep_tee, a[0], b[1], 5, 0), 5);
	assert_result(NET_DO(io_uring_prep_splice, a[0], -1, b[1], -1, 1000, 0), 90);
	assert_result(net_read(b[0], 1000), 105);
	net_close(a[1]);
	assert_result(NET_DO(io_uring_prep_splice, a[0], -1, b[1], -1, 10, 0), 0);
	assert_result(NET_DO(io_uring_prep_tee, a[0], b[1], 10, 0), 0);
	net_close(b[0]);
	assert_result(NET_DO(io_uring_prep_tee, a[0], b[1], 10, 0), -EPIPE);
	net_close(a[0]);
	net_close(b[1]);
}

NET_TEST(sim_pipe, splice_waits_for_bytes_and_for_room)
{
	int a[2], b[2];

	net_pipe(a);
	net_pipe(b);
	cr_assert(NET_WAITS(io_uring_prep_splice, a[0], -1, b[1], -1, 10, 0));
	cr_assert(NET_WAITS(io_uring_prep_tee, a[0], b[1], 10, 0));
	assert_result(NET_DO(io_uring_prep_splice, a[0], -1, b[1], -1, 10, SPLICE_F_NONBLOCK), -EAGAIN);
	assert_result(net_write(a[1], 100), 100);
	assert_result(net_write(b[1], CAPACITY), CAPACITY);
	cr_assert(NET_WAITS(io_uring_prep_splice, a[0], -1, b[1], -1, 10, 0));
	assert_result(NET_DO(io_uring_prep_splice, a[0], -1, b[1], -1, 10, SPLICE_F_NONBLOCK), -EAGAIN);
	net_close_pair(a);
	net_close_pair(b);
}

NET_TEST(sim_pipe, splice_refuses_what_the_kernel_refuses)
{
	int a[2], b[2], pair[2];

	net_pipe(a);
	net_pipe(b);
	net_pair(AF_INET, SOCK_STREAM, pair);
	assert_result(net_write(a[1], 10), 10);
	assert_result(NET_DO(io_uring_prep_splice, a[0], -1, a[1], -1, 10, 0), -EINVAL);
	assert_result(NET_DO(io_uring_prep_splice, a[1], -1, b[0], -1, 10, 0), -EBADF);
	assert_result(NET_DO(io_uring_prep_splice, a[0], 0, b[1], -1, 10, 0), -ESPIPE);
	assert_result(NET_DO(io_uring_prep_splice, a[0], -1, b[1], 0, 10, 0), -ESPIPE);
	assert_result(NET_DO(io_uring_prep_splice, a[0], -1, b[1], -1, 10, 0x40), -EINVAL);
	assert_result(NET_DO(io_uring_prep_splice, 1 << 20, -1, b[1], -1, 10, 0), -EBADF);
	assert_result(NET_DO(io_uring_prep_splice, a[0], -1, 1 << 20, -1, 10, 0), -EBADF);
	assert_result(NET_DO(io_uring_prep_splice, pair[0], -1, pair[1], -1, 10, 0), -EINVAL);
	assert_result(NET_DO(io_uring_prep_splice, a[0], -1, pair[1], 0, 10, 0), -EINVAL);
	assert_result(NET_DO(io_uring_prep_tee, a[0], a[1], 10, 0), -EINVAL);
	assert_result(NET_DO(io_uring_prep_tee, a[0], pair[1], 10, 0), -EINVAL);
	net_close_pair(a);
	net_close_pair(b);
	net_close_pair(pair);
}

NET_TEST(sim_pipe, splice_leads_through_sockets)
{
	int pipe[2], pair[2];
	struct aion_group group;

	net_pipe(pipe);
	net_pair(AF_UNIX, SOCK_STREAM, pair);
	assert_result(net_send(pair[0], "hello"), 5);
	assert_result(NET_DO(io_uring_prep_splice, pair[1], -1, pipe[1], -1, 100, 0), 5);
	assert_result(NET_DO(io_uring_prep_splice, pipe[0], -1, pair[0], -1, 100, 0), 5);
	assert_result(net_recv(pair[1], "hello", 0), 5);
	aion_group_enter(&group);
	aion_spawn(&group, read_hello, test_number(pipe[0]));
	assert_result(net_send(pair[0], "hello"), 5);
	assert_result(NET_DO(io_uring_prep_splice, pair[1], -1, pipe[1], -1, 100, 0), 5);
	assert_result(aion_group_leave(&group, 0), 0);
	net_close_pair(pipe);
	net_close_pair(pair);
}

SIM_TEST(sim_pipe, splice_leads_from_file_to_file, .seed = 5)
{
	const void *data;
	char content[3000];
	int fds[2], in, out;
	size_t size;

	test_fill(content, sizeof(content), 0);
	cr_assert_eq(aion_sim_file_write(sim, "/in", content, sizeof(content)), 0);
	in = (int)aion_openat(AT_FDCWD, "/in", O_RDONLY, 0);
	out = (int)aion_openat(AT_FDCWD, "/out", O_WRONLY | O_CREAT, 0600);
	cr_assert(in >= AION_SIM_FD_BASE && out >= AION_SIM_FD_BASE);
	cr_assert_eq(aion_sim_pipe(sim, fds, 0), 0);
	assert_result(NET_DO(io_uring_prep_splice, in, 1000, fds[1], -1, 500, 0), 500);
	assert_result(NET_DO(io_uring_prep_splice, in, -1, fds[1], -1, 1000, 0), 1000);
	assert_result(NET_DO(io_uring_prep_splice, in, -1, fds[1], -1, 10000, 0), 2000);
	assert_result(NET_DO(io_uring_prep_splice, in, -1, fds[1], -1, 1000, 0), 0);
	assert_result(NET_DO(io_uring_prep_splice, fds[0], -1, out, 3000, 500, 0), 500);
	assert_result(NET_DO(io_uring_prep_splice, fds[0], -1, out, -1, 10000, 0), 3000);
	assert_result(NET_DO(io_uring_prep_splice, in, -2, fds[1], -1, 1, 0), -EINVAL);
	assert_result(NET_DO(io_uring_prep_splice, in, -1, out, -1, 1, 0), -EINVAL);
	cr_assert_eq(aion_sim_file_read(sim, "/out", &data, &size), 0);
	cr_assert_eq(size, 3500);
	cr_assert(test_is_filled(data, 3000, 0));
	cr_assert(test_is_filled((const char *)data + 3000, 500, 1000));
	for (int i = 0; i < 2; i++)
		aion_close(fds[i]);
	aion_close(in);
	aion_close(out);
}

/* ---- the machine's own */

SIM_TEST(sim_pipe, holds_as_much_as_it_is_told_to, .pipe_size = 10000)
{
	int fds[2];

	cr_assert_eq(aion_sim_pipe(sim, fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_result(net_write(fds[1], 20000), 10000);
	assert_result(net_read(fds[0], 20000), 10000);
	aion_close(fds[0]);
	aion_close(fds[1]);
}

Test(sim_pipe, cannot_be_made_without_descriptors_or_with_other_flags)
{
	struct aion_sim *sim = test_sim_make(&(struct aion_sim_options){.fd_max = 1});
	int fds[2] = {-7, -7};

	cr_assert_eq(aion_sim_pipe(sim, fds, 0), -EMFILE);
	cr_assert_eq(aion_sim_pipe(sim, fds, O_APPEND), -EINVAL);
	cr_assert_eq(fds[0], -7);
	test_sim_end(sim);
}

SIM_TEST(sim_pipe, falls_short_where_it_may, .seed = 3)
{
	int fds[2];
	int64_t result;

	aion_sim_knob_set(sim, AION_SIM_SHORT_READ, 1000000);
	aion_sim_knob_set(sim, AION_SIM_SHORT_WRITE, 1000000);
	cr_assert_eq(aion_sim_pipe(sim, fds, 0), 0);
	assert_result(net_write(fds[1], PIPE_BUF), PIPE_BUF);
	result = net_read(fds[0], PIPE_BUF);
	cr_assert(result > 0 && result < PIPE_BUF, "%lld", (long long)result);
	result = net_write(fds[1], PIPE_BUF + 1);
	cr_assert(result > 0 && result <= PIPE_BUF, "%lld", (long long)result);
	aion_close(fds[0]);
	aion_close(fds[1]);
}

SIM_TEST(sim_pipe, nothing_leads_to_the_process_s_own, .seed = 1)
{
	int fds[2], own[2];

	cr_assert_eq(pipe(own), 0);
	cr_assert_eq(aion_sim_pipe(sim, fds, 0), 0);
	assert_result(NET_DO(io_uring_prep_splice, fds[0], -1, own[1], -1, 1, 0), -EXDEV);
	assert_result(NET_DO(io_uring_prep_splice, own[0], -1, fds[1], -1, 1, 0), -EXDEV);
	for (int i = 0; i < 2; i++) {
		aion_close(fds[i]);
		close(own[i]);
	}
}
