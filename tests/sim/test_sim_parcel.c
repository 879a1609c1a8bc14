/* SPDX-License-Identifier: MIT */
/* Messages with more than bytes: names, several pieces, descriptors; on the kernel and on the machine alike. */
#include "test_sim_net.h"

#define CONTROL_SIZE 256 /* bytes */

struct letter {
	struct sockaddr_storage from;
	char control[CONTROL_SIZE] __attribute__((aligned(16)));
	char text[16];
	struct iovec piece;
	struct msghdr message;
};

static int64_t letter_receive(struct letter *letter, int fd, size_t control_size, int flags)
{
	memset(letter, 0, sizeof(*letter));
	letter->piece = (struct iovec){letter->text, sizeof(letter->text)};
	letter->message = (struct msghdr){
		.msg_name = &letter->from,
		.msg_namelen = sizeof(letter->from),
		.msg_iov = &letter->piece,
		.msg_iovlen = 1,
		.msg_control = control_size ? letter->control : NULL,
		.msg_controllen = control_size,
	};
	return NET_DO(io_uring_prep_recvmsg, fd, &letter->message, flags);
}

/* How many descriptors have come with it. */
static size_t letter_fds(const struct letter *letter, int *ret_fds)
{
	const struct cmsghdr *head = CMSG_FIRSTHDR(&letter->message);

	if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
		return 0;
	memcpy(ret_fds, CMSG_DATA(head), head->cmsg_len - CMSG_LEN(0));
	return (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
}

static int64_t letter_send(int fd, const char *text, const int *fds, size_t nr)
{
	char control[CONTROL_SIZE] __attribute__((aligned(16))) = {0};
	struct iovec piece = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr message = {.msg_iov = &piece,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = CMSG_SPACE(nr * sizeof(int))};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	*head = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(nr * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(head), fds, nr * sizeof(int));
	return NET_DO(io_uring_prep_sendmsg, fd, &message, MSG_NOSIGNAL);
}

NET_TEST(sim_parcel, recvmsg_says_who_sent_it_and_how_much_is_missing)
{
	int to = net_socket(AF_INET, SOCK_DGRAM), from = net_socket(AF_INET, SOCK_DGRAM), pair[2];
	const struct sockaddr_in *address;
	struct letter letter;

	assert_result(net_bind(to, net_ip4("127.0.0.1", 0)), 0);
	assert_result(net_connect(from, net_ip4("127.0.0.1", net_port(to))), 0);
	assert_result(net_send(from, "more than sixteen bytes"), 23);
	assert_result(letter_receive(&letter, to, CONTROL_SIZE, MSG_TRUNC), 23);
	address = (const struct sockaddr_in *)&letter.from;
	cr_assert_eq(letter.message.msg_namelen, sizeof(*address));
	cr_assert_eq(address->sin_port, htons(net_port(from)));
	cr_assert_eq(letter.message.msg_flags, MSG_TRUNC);
	cr_assert_eq(letter.message.msg_controllen, 0);
	cr_assert_eq(memcmp(letter.text, "more than sixtee", 16), 0);
	net_close(to);
	net_close(from);
	net_pair(AF_INET, SOCK_STREAM, pair);
	assert_result(net_send(pair[0], "tcp"), 3);
	assert_result(letter_receive(&letter, pair[1], 0, 0), 3);
	cr_assert_eq(letter.message.msg_namelen, 0);
	cr_assert_eq(letter.message.msg_flags, 0);
	net_close_pair(pair);
}

NET_TEST(sim_parcel, vectors_are_gathered_and_scattered)
{
	char a[2] = "", b[3] = "", c[8] = "";
	struct iovec out[] = {{(char *)"ab", 2}, {(char *)"", 0}, {(char *)"cdefg", 5}};
	struct iovec in[] = {{a, 2}, {b, 3}, {c, 8}};
	struct msghdr send = {.msg_iov = out, .msg_iovlen = 3}, receive = {.msg_iov = in, .msg_iovlen = 3};
	int fds[2];

	net_pair(AF_UNIX, SOCK_STREAM, fds);
	assert_result(NET_DO(io_uring_prep_sendmsg, fds[0], &send, 0), 7);
	assert_result(NET_DO(io_uring_prep_recvmsg, fds[1], &receive, 0), 7);
	cr_assert_eq(memcmp(a, "ab", 2), 0);
	cr_assert_eq(memcmp(b, "cde", 3), 0);
	cr_assert_str_eq(c, "fg");
	net_close_pair(fds);
}

static void check_descriptors(int type)
{
	int pair[2], pipe[2], got[2];
	struct letter letter;

	net_pair(AF_UNIX, type, pair);
	net_pipe(pipe);
	assert_result(letter_send(pair[0], "both", pipe, 2), 4);
	net_close_pair(pipe);
	assert_result(letter_receive(&letter, pair[1], CONTROL_SIZE, 0), 4);
	cr_assert_eq(letter_fds(&letter, got), 2);
	assert_result(net_write(got[1], 3), 3);
	assert_result(net_read(got[0], 10), 3);
	net_close(got[1]);
	assert_result(net_read(got[0], 10), 0);
	net_close(got[0]);
	net_close_pair(pair);
}

NET_TEST(sim_parcel, descriptors_travel_with_their_files)
{
	check_descriptors(SOCK_STREAM);
	check_descriptors(SOCK_SEQPACKET);
}

/* The bytes before may come with them, those after may not. */
NET_TEST(sim_parcel, reading_stops_behind_descriptors)
{
	int pair[2], pipe[2], got[2];
	struct letter letter;

	net_pair(AF_UNIX, SOCK_STREAM, pair);
	net_pipe(pipe);
	assert_result(net_send(pair[0], "one"), 3);
	assert_result(letter_send(pair[0], "two", pipe, 1), 3);
	assert_result(net_send(pair[0], "three"), 5);
	assert_result(letter_receive(&letter, pair[1], CONTROL_SIZE, 0), 6);
	cr_assert_eq(letter_fds(&letter, got), 1);
	net_close(got[0]);
	assert_result(letter_receive(&letter, pair[1], CONTROL_SIZE, 0), 5);
	cr_assert_eq(letter_fds(&letter, got), 0);
	net_close_pair(pair);
	net_close_pair(pipe);
}

NET_TEST(sim_parcel, descriptors_without_room_are_closed)
{
	int pair[2], pipe[2], got[2];
	struct letter letter;

	net_pair(AF_UNIX, SOCK_STREAM, pair);
	net_pipe(pipe);
	assert_result(letter_send(pair[0], "two", pipe, 2), 3);
	assert_result(letter_send(pair[0], "none", pipe, 2), 4);
	assert_result(letter_send(pair[0], "recv", pipe, 2), 4);
	assert_result(letter_send(pair[0], "never read", pipe, 2), 10);
	assert_result(letter_send(pair[0], "bad", (int[]){pipe[0], 1 << 20}, 2), -EBADF);
	assert_result(letter_receive(&letter, pair[1], CMSG_LEN(sizeof(int)), 0), 3);
	cr_assert_eq(letter_fds(&letter, got), 1);
	cr_assert_eq(letter.message.msg_flags, MSG_CTRUNC);
	net_close(got[0]);
	assert_result(letter_receive(&letter, pair[1], 0, 0), 4);
	cr_assert_eq(letter.message.msg_flags, MSG_CTRUNC);
	assert_result(net_recv(pair[1], "recv", 0), 4);
	net_close(pipe[0]);
	assert_result(net_write(pipe[1], 1), 1);
	net_close_pair(pair);
	assert_result(net_write(pipe[1], 1), -EPIPE);
	net_close(pipe[1]);
}
