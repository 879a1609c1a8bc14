/* SPDX-License-Identifier: MIT */
/* Buffers that the machine picks, requests that use them again and again, registered ones; as the kernel does. */
#include "buffer_int.h"
#include "test_sim_ring.h"

#define GROUP 3
#define MORE IORING_CQE_F_MORE
#define SIZE 64 /* bytes of a buffer */

static struct aion__buffer_ring buffers;

static void buffers_open(unsigned nr)
{
	cr_assert_eq(aion__buffer_ring_open(&buffers, &net_ring, GROUP, nr, SIZE), 0);
}

static void prep_select(struct io_uring_sqe *sqe)
{
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
}

static void prep_recv_select(struct io_uring_sqe *sqe, int fd, size_t size)
{
	io_uring_prep_recv(sqe, fd, NULL, size, 0);
	prep_select(sqe);
}

static void prep_recv_multishot(struct io_uring_sqe *sqe, int fd, int flags)
{
	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, flags);
	prep_select(sqe);
}

static void prep_recvmsg_multishot(struct io_uring_sqe *sqe, int fd, struct msghdr *message)
{
	io_uring_prep_recvmsg_multishot(sqe, fd, message, 0);
	prep_select(sqe);
}

/* The next completion brings a buffer with the text, which is taken. Returns the other flags. */
static uint32_t take_text(const char *text)
{
	uint32_t flags;
	int32_t result = ring_take(&flags);
	const char *buffer = aion__buffer_ring_take(&buffers, result, flags);

	cr_assert_eq(result, (int32_t)strlen(text), "%d", result);
	cr_assert_not_null(buffer);
	cr_assert_eq(memcmp(buffer, text, strlen(text)), 0);
	return flags & 0xffff & ~(uint32_t)IORING_CQE_F_BUFFER;
}

/* ---- receiving */

RING_TEST(sim_buffer, each_receive_has_a_buffer_until_there_is_none)
{
	uint32_t flags;
	int fds[2];

	ring_pair(fds);
	buffers_open(2);
	RING_START(prep_recv_multishot, fds[1], 0);
	ring_send(fds[0], "first");
	cr_assert_eq(take_text("first"), MORE);
	ring_send(fds[0], "second");
	cr_assert_eq(take_text("second"), MORE);
	ring_has_none();
	ring_send(fds[0], "third");
	cr_assert_eq(ring_take(&flags), -ENOBUFS);
	cr_assert_eq(flags & (IORING_CQE_F_BUFFER | MORE), 0);
	/* Nothing is lost by that. */
	cr_assert_eq(RING_DO(prep_recv_select, fds[1], 0), -ENOBUFS);
	aion__buffer_ring_recycle(&buffers, buffers.memory + SIZE);
	RING_START(prep_recv_select, fds[1], 2);
	cr_assert_eq(take_text("th"), IORING_CQE_F_SOCK_NONEMPTY);
	aion__buffer_ring_recycle(&buffers, buffers.memory);
	RING_START(prep_recv_select, fds[1], 0);
	cr_assert_eq(take_text("ird"), 0);
	aion__buffer_ring_close(&buffers);
	ring_close_pair(fds);
}

RING_TEST(sim_buffer, long_message_takes_several)
{
	char text[SIZE + 10 + 1] = "";
	uint32_t flags;
	int fds[2];

	memset(text, 'x', SIZE + 10);
	ring_pair(fds);
	buffers_open(4);
	RING_START(prep_recv_multishot, fds[1], 0);
	ring_send(fds[0], text);
	cr_assert_eq(take_text(text + 10), MORE | IORING_CQE_F_SOCK_NONEMPTY);
	cr_assert_eq(take_text("xxxxxxxxxx"), MORE);
	ring_cancel();
	cr_assert_eq(ring_take(&flags), -ECANCELED);
	cr_assert_eq(flags & (IORING_CQE_F_BUFFER | MORE), 0, "the last buffer is not named again");
	aion__buffer_ring_close(&buffers);
	ring_close_pair(fds);
}

static void prep_recv_when_ready(struct io_uring_sqe *sqe, int fd)
{
	prep_recv_multishot(sqe, fd, 0);
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
}

RING_TEST(sim_buffer, who_polls_first_looks_for_a_buffer_when_there_is_something)
{
	int fds[2];

	ring_pair(fds);
	buffers_open(1);
	RING_START(prep_recv_select, fds[1], 0);
	ring_send(fds[0], "only");
	cr_assert_eq(take_text("only"), 0);
	RING_START(prep_recv_when_ready, fds[1]);
	ring_has_none();
	ring_send(fds[0], "more");
	cr_assert_eq(ring_take(NULL), -ENOBUFS);
	aion__buffer_ring_recycle(&buffers, buffers.memory);
	RING_START(prep_recv_when_ready, fds[1]);
	cr_assert_eq(take_text("more"), MORE);
	ring_cancel();
	cr_assert_eq(ring_take(NULL), -ECANCELED);
	aion__buffer_ring_close(&buffers);
	ring_close_pair(fds);
}

RING_TEST(sim_buffer, multishot_ends_with_the_stream)
{
	uint32_t flags;
	int fds[2];

	ring_pair(fds);
	buffers_open(4);
	RING_START(prep_recv_multishot, fds[1], 0);
	ring_send(fds[0], "last");
	cr_assert_eq(take_text("last"), MORE);
	ring_close(fds[0]);
	cr_assert_eq(ring_take(&flags), 0);
	cr_assert_eq(flags & (IORING_CQE_F_BUFFER | MORE), 0);
	ring_has_none();
	aion__buffer_ring_close(&buffers);
	ring_close(fds[1]);
}

RING_TEST(sim_buffer, multishot_needs_a_group_and_waits_for_no_whole)
{
	int fds[2];

	ring_pair(fds);
	cr_assert_eq(RING_DO(io_uring_prep_recv_multishot, fds[1], NULL, 0, 0), -EINVAL);
	cr_assert_eq(RING_DO(prep_recv_multishot, fds[1], MSG_WAITALL), -EINVAL);
	cr_assert_eq(RING_DO(prep_recv_multishot, fds[1], 0), -ENOBUFS);
	ring_close_pair(fds);
}

/* A header, room for the name, the bytes. */
RING_TEST(sim_buffer, recvmsg_multishot_lays_out_name_and_bytes)
{
	int to = ring_socket(AF_INET, SOCK_DGRAM), from = ring_socket(AF_INET, SOCK_DGRAM);
	struct msghdr message = {.msg_namelen = sizeof(struct sockaddr_in)};
	struct net_address address = net_ip4("127.0.0.1", 0);
	struct io_uring_recvmsg_out *out;
	struct sockaddr_in name;
	uint32_t flags;
	int32_t result;

	cr_assert_eq(RING_DO(prep_bind, to, &address.any, address.size), 0);
	address.in.sin_port = htons(net_port(to));
	cr_assert_eq(RING_DO(io_uring_prep_connect, from, &address.any, (socklen_t)address.size), 0);
	buffers_open(4);
	RING_START(prep_recvmsg_multishot, to, &message);
	ring_send(from, "hello");
	result = ring_take(&flags);
	cr_assert_eq(result, (int)(sizeof(*out) + sizeof(name) + 5));
	cr_assert(flags & MORE);
	out = aion__buffer_ring_take(&buffers, result, flags);
	cr_assert(out->namelen == sizeof(name) && out->controllen == 0 && out->payloadlen == 5 && out->flags == 0);
	memcpy(&name, out + 1, sizeof(name));
	cr_assert_eq(name.sin_port, htons(net_port(from)));
	cr_assert_eq(memcmp((char *)(out + 1) + sizeof(name), "hello", 5), 0);
	/* An empty one is the last. */
	cr_assert_eq(RING_DO(io_uring_prep_send, from, "", 0, 0), 0);
	cr_assert_eq(ring_take(&flags), (int)(sizeof(*out) + sizeof(name)));
	cr_assert_not(flags & MORE);
	message.msg_namelen = SIZE;
	cr_assert_eq(RING_DO(prep_recvmsg_multishot, to, &message), -EFAULT);
	aion__buffer_ring_close(&buffers);
	ring_close(to);
	ring_close(from);
}

/* ---- accepting */

RING_TEST(sim_buffer, accept_multishot_gives_one_after_the_other)
{
	struct net_address address;
	int listener = ring_listen(&address), clients[3];
	uint32_t flags;

	clients[0] = ring_connect(&address);
	RING_START(io_uring_prep_multishot_accept, listener, NULL, NULL, 0);
	clients[1] = ring_connect(&address);
	clients[2] = ring_connect(&address);
	for (int i = 0; i < 3; i++) {
		int32_t fd = ring_take(&flags);

		cr_assert_geq(fd, 0);
		cr_assert(flags & MORE);
		/* The completions of the closes come in between. */
		ring_close(fd);
		ring_close(clients[i]);
	}
	ring_cancel();
	cr_assert_eq(ring_take(&flags), -ECANCELED);
	cr_assert_eq(flags, 0);
	ring_close(listener);
}

/* ---- zero-copy sends: a result, then the notification, also of one that fails */

static void prep_send_zc(struct io_uring_sqe *sqe, int fd, const char *text)
{
	io_uring_prep_send_zc(sqe, fd, text, strlen(text), MSG_NOSIGNAL, 0);
}

static void check_zc(int fd, int32_t result)
{
	uint32_t flags;

	RING_START(prep_send_zc, fd, "hello");
	cr_assert_eq(ring_take(&flags), result);
	cr_assert_eq(flags, MORE);
	cr_assert_eq(ring_take(&flags), 0);
	cr_assert_eq(flags, IORING_CQE_F_NOTIF);
}

RING_TEST(sim_buffer, zero_copy_is_notified)
{
	int fds[2], un = ring_socket(AF_UNIX, SOCK_STREAM);
	char buf[10];

	ring_pair(fds);
	check_zc(fds[0], 5);
	cr_assert_eq(RING_DO(io_uring_prep_recv, fds[1], buf, 10, 0), 5);
	cr_assert_eq(RING_DO(io_uring_prep_shutdown, fds[0], SHUT_WR), 0);
	check_zc(fds[0], -EPIPE);
	check_zc(un, -EOPNOTSUPP);
	ring_close(un);
	ring_close_pair(fds);
}

/* ---- registering */

static int ring_register(unsigned opcode, const void *arg, unsigned nr)
{
	return net_ring.backend->register_(&net_ring, opcode, arg, nr);
}

RING_TEST(sim_buffer, groups_are_registered_once)
{
	char *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)memory, .ring_entries = 4, .bgid = GROUP}, other;

	cr_assert_neq(memory, MAP_FAILED);
	cr_assert_eq(ring_register(IORING_REGISTER_PBUF_RING, &reg, 2), -EINVAL);
	cr_assert_eq(ring_register(IORING_REGISTER_PBUF_RING, NULL, 1), -EINVAL);
	cr_assert_eq(ring_register(IORING_REGISTER_PBUF_RING, &reg, 1), 0);
	cr_assert_eq(ring_register(IORING_REGISTER_PBUF_RING, &reg, 1), -EEXIST);
	other = reg;
	other.bgid++;
	other.ring_entries = 5;
	cr_assert_eq(ring_register(IORING_REGISTER_PBUF_RING, &other, 1), -EINVAL);
	other.ring_entries = 65536;
	cr_assert_eq(ring_register(IORING_REGISTER_PBUF_RING, &other, 1), -EINVAL);
	other.ring_entries = 4;
	other.resv[0] = 1;
	cr_assert_eq(ring_register(IORING_REGISTER_PBUF_RING, &other, 1), -EINVAL);
	cr_assert_eq(ring_register(IORING_UNREGISTER_PBUF_RING, &reg, 1), 0);
	cr_assert_eq(ring_register(IORING_UNREGISTER_PBUF_RING, &reg, 1), -ENOENT);
	munmap(memory, 4096);
}

RING_TEST(sim_buffer, fixed_buffers_have_their_limits)
{
	char memory[SIZE] = "";
	const struct iovec vector[] = {{memory, SIZE}, {NULL, 0}}, wrong = {NULL, 4};
	int fds[2];

	ring_pipe(fds);
	cr_assert_eq(RING_DO(io_uring_prep_write_fixed, fds[1], memory, 10, 0, 0), -EFAULT);
	cr_assert_eq(ring_register(IORING_REGISTER_BUFFERS, vector, 0), -EINVAL);
	cr_assert_eq(ring_register(IORING_REGISTER_BUFFERS, &wrong, 1), -EFAULT);
	cr_assert_eq(ring_register(IORING_REGISTER_BUFFERS, vector, 2), 0);
	cr_assert_eq(ring_register(IORING_REGISTER_BUFFERS, vector, 2), -EBUSY);
	cr_assert_eq(RING_DO(io_uring_prep_write_fixed, fds[1], memory, 10, 0, 0), 10);
	cr_assert_eq(RING_DO(io_uring_prep_read_fixed, fds[0], memory + SIZE - 4, 4, 0, 0), 4);
	cr_assert_eq(RING_DO(io_uring_prep_read_fixed, fds[0], memory + SIZE - 4, 5, 0, 0), -EFAULT);
	cr_assert_eq(RING_DO(io_uring_prep_read_fixed, fds[0], memory, 4, 0, 1), -EFAULT);
	cr_assert_eq(RING_DO(io_uring_prep_read_fixed, fds[0], memory, 4, 0, 2), -EFAULT);
	cr_assert_eq(ring_register(IORING_UNREGISTER_BUFFERS, NULL, 0), 0);
	cr_assert_eq(ring_register(IORING_UNREGISTER_BUFFERS, NULL, 0), -ENXIO);
	ring_close_pair(fds);
}

/* ---- the machine's own */

/* What has been given back is the machine's: it shows that now and then. */
Test(sim_buffer, returned_buffers_are_spoilt)
{
	struct aion_sim *sim = test_sim_make(&(struct aion_sim_options){.seed = 3});
	struct io_uring_buf_ring *ring;
	char memory[4][SIZE] = {{0}};
	struct aion__ring_options options = {.entry_nr = 8, .completion_nr = 16, .machine = &sim->machine};
	struct io_uring_buf_reg reg = {.ring_entries = 4, .bgid = GROUP};
	char text[256];
	bool is_spoilt = false;

	ring = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq((void *)ring, MAP_FAILED);
	cr_assert_eq(aion__ring_init(&net_ring, &options, text, sizeof(text)), 0);
	reg.ring_addr = (uintptr_t)ring;
	cr_assert_eq(ring_register(IORING_REGISTER_PBUF_RING, &reg, 1), 0);
	for (unsigned i = 0; i < 4; i++)
		io_uring_buf_ring_add(ring, memory[i], SIZE, (unsigned short)i, 3, (int)i);
	io_uring_buf_ring_advance(ring, 4);
	for (unsigned turn = 0; turn < 100 && !is_spoilt; turn++) {
		void *address;
		uint16_t id;
		size_t size;

		cr_assert_eq(aion__sim_buffer_take(sim, GROUP, &address, &size, &id), 0);
		cr_assert(address == memory[id] && size == SIZE && id == turn % 4);
		for (unsigned i = 0; i < 4; i++)
			is_spoilt |= memory[i][0] || memory[i][SIZE - 1];
		io_uring_buf_ring_add(ring, address, SIZE, id, 3, 0);
		io_uring_buf_ring_advance(ring, 1);
	}
	cr_assert(is_spoilt);
	cr_assert_eq(aion__sim_buffer_take(sim, GROUP + 1, NULL, NULL, NULL), -ENOBUFS);
	aion__ring_fini(&net_ring);
	munmap(ring, 4096);
	test_sim_end(sim);
}
