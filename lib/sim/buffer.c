/* SPDX-License-Identifier: MIT */
/*
 * Buffers that are known beforehand: groups out of which the machine picks one when data comes, whose rings lie in the
 * program's memory, and buffers registered for reading and writing. As long as a buffer lies in its ring it is the
 * machine's, which now and then shows that: who uses one that he has given back finds rubbish in it.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sim_buffer_int.h"

#define ENTRY_MAX 32768            /* buffers of one group */
#define FIXED_MAX 16384            /* registered buffers */
#define FIXED_SIZE_MAX (1UL << 30) /* bytes of one */
#define RUBBISH_SIZE 64            /* bytes of a buffer that are spoilt */
#define RUBBISH_EVERY 4            /* buffers taken, on average */
#define FIXED_GROUP (-1)           /* stands for the registered ones */

struct aion__sim_buffer_group {
	struct aion__sim_buffer_group *next;
	int id;
	const struct io_uring_buf_ring *ring; /* the program's memory */
	unsigned entry_nr;                    /* a power of two */
	uint16_t head;                        /* the next to be taken */
	struct iovec *fixed;                  /* FIXED_GROUP: entry_nr of them */
};

/* ---- groups */

static struct aion__sim_buffer_group *group_find(const struct aion_sim *sim, int id)
{
	struct aion__sim_buffer_group *group = sim->buffer_groups;

	while (group && group->id != id)
		group = group->next;
	return group;
}

static struct aion__sim_buffer_group *group_add(struct aion_sim *sim, int id)
{
	struct aion__sim_buffer_group *group = aion__sim_alloc(sizeof(*group));

	group->id = id;
	group->next = sim->buffer_groups;
	sim->buffer_groups = group;
	return group;
}

static void group_remove(struct aion_sim *sim, struct aion__sim_buffer_group *group)
{
	struct aion__sim_buffer_group **place = &sim->buffer_groups;

	while (*place != group)
		place = &(*place)->next;
	*place = group->next;
	aion__sim_free(group->fixed);
	aion__sim_free(group);
}

void aion__sim_buffers_drop(struct aion_sim *sim)
{
	while (sim->buffer_groups)
		group_remove(sim, sim->buffer_groups);
}

static unsigned group_ready(const struct aion__sim_buffer_group *group)
{
	return (uint16_t)(__atomic_load_n(&group->ring->tail, __ATOMIC_ACQUIRE) - group->head);
}

static struct io_uring_buf group_entry(const struct aion__sim_buffer_group *group, unsigned idx)
{
	struct io_uring_buf entry;

	aion__sim_copy_from_program(&entry, &group->ring->bufs[idx & (group->entry_nr - 1)], sizeof(entry));
	return entry;
}

/* ---- registering */

/* struct io_uring_buf_reg, whose flags are padding in liburing 2.3. */
struct registration {
	uint64_t ring_address;
	uint32_t entry_nr;
	uint16_t group_id;
	uint16_t flags; /* rings made by the kernel, buffers used piece by piece: not modelled */
	uint64_t reserved[3];
};

static int registration_read(struct registration *registration, const void *arg, unsigned nr)
{
	if (!arg || nr != 1)
		return -EINVAL;
	aion__sim_copy_from_program(registration, arg, sizeof(*registration));
	if (registration->flags || registration->reserved[0] || registration->reserved[1] || registration->reserved[2])
		return -EINVAL;
	return 0;
}

static int ring_register(struct aion_sim *sim, const void *arg, unsigned nr)
{
	struct aion__sim_buffer_group *group;
	struct registration reg;
	int result = registration_read(&reg, arg, nr);

	if (result < 0)
		return result;
	if (!reg.entry_nr || reg.entry_nr & (reg.entry_nr - 1) || reg.entry_nr > ENTRY_MAX)
		return -EINVAL;
	if (group_find(sim, reg.group_id))
		return -EEXIST;
	if (!reg.ring_address)
		return -EFAULT;
	if (reg.ring_address & ((uint64_t)sysconf(_SC_PAGESIZE) - 1))
		return -EINVAL;
	group = group_add(sim, reg.group_id);
	group->ring = (const struct io_uring_buf_ring *)(uintptr_t)reg.ring_address;
	group->entry_nr = reg.entry_nr;
	return 0;
}

static int ring_unregister(struct aion_sim *sim, const void *arg, unsigned nr)
{
	struct aion__sim_buffer_group *group;
	struct registration reg;
	int result = registration_read(&reg, arg, nr);

	if (result < 0)
		return result;
	group = group_find(sim, reg.group_id);
	if (!group)
		return -ENOENT;
	group_remove(sim, group);
	return 0;
}

static int fixed_register(struct aion_sim *sim, const struct iovec *arg, unsigned nr)
{
	struct iovec *fixed;
	struct aion__sim_buffer_group *group;

	if (group_find(sim, FIXED_GROUP))
		return -EBUSY;
	if (!nr || nr > FIXED_MAX)
		return -EINVAL;
	if (!arg)
		return -EFAULT;
	fixed = aion__sim_alloc(nr * sizeof(*fixed));
	aion__sim_copy_from_program(fixed, arg, nr * sizeof(*fixed));
	for (unsigned i = 0; i < nr; i++)
		if (fixed[i].iov_base ? !fixed[i].iov_len || fixed[i].iov_len > FIXED_SIZE_MAX : fixed[i].iov_len > 0) {
			aion__sim_free(fixed);
			return -EFAULT;
		}
	group = group_add(sim, FIXED_GROUP);
	group->fixed = fixed;
	group->entry_nr = nr;
	return 0;
}

static int fixed_unregister(struct aion_sim *sim)
{
	struct aion__sim_buffer_group *group = group_find(sim, FIXED_GROUP);

	if (!group)
		return -ENXIO;
	group_remove(sim, group);
	return 0;
}

int aion__sim_buffer_register(struct aion_sim *sim, unsigned opcode, const void *arg, unsigned nr)
{
	switch (opcode) {
	case IORING_REGISTER_PBUF_RING:
		return ring_register(sim, arg, nr);
	case IORING_UNREGISTER_PBUF_RING:
		return ring_unregister(sim, arg, nr);
	case IORING_REGISTER_BUFFERS:
		return fixed_register(sim, arg, nr);
	case IORING_UNREGISTER_BUFFERS:
		return arg || nr ? -EINVAL : fixed_unregister(sim);
	default:
		return -EINVAL;
	}
}

/* ---- using */

int aion__sim_buffer_fixed(const struct aion_sim *sim, unsigned idx, const void *address, size_t size)
{
	const struct aion__sim_buffer_group *group = group_find(sim, FIXED_GROUP);
	size_t off;

	if (!group || idx >= group->entry_nr || !group->fixed[idx].iov_base)
		return -EFAULT;
	off = (size_t)((const char *)address - (const char *)group->fixed[idx].iov_base);
	return off <= group->fixed[idx].iov_len && size <= group->fixed[idx].iov_len - off ? 0 : -EFAULT;
}

/* One of those that still lie there is shown to be the machine's. */
static void group_spoil(struct aion_sim *sim, const struct aion__sim_buffer_group *group)
{
	unsigned ready_nr = group_ready(group);
	uint64_t rubbish[RUBBISH_SIZE / sizeof(uint64_t)];
	struct io_uring_buf entry;

	if (!ready_nr || aion__sim_draw_below(sim, RUBBISH_EVERY))
		return;
	entry = group_entry(group, group->head + (unsigned)aion__sim_draw_below(sim, ready_nr));
	for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++)
		rubbish[i] = aion__sim_draw(sim);
	aion__sim_copy_to_program((void *)(uintptr_t)entry.addr, rubbish,
				  entry.len < sizeof(rubbish) ? entry.len : sizeof(rubbish));
}

int aion__sim_buffer_take(struct aion_sim *sim, unsigned group, void **ret_address, size_t *ret_size, uint16_t *ret_id)
{
	struct aion__sim_buffer_group *found = group_find(sim, (int)group);
	struct io_uring_buf entry;

	if (!found || !group_ready(found))
		return -ENOBUFS;
	entry = group_entry(found, found->head++);
	*ret_address = (void *)(uintptr_t)entry.addr;
	*ret_size = entry.len;
	*ret_id = entry.bid;
	group_spoil(sim, found);
	return 0;
}

int64_t aion__sim_buffer_room(struct aion_sim *sim, const struct aion__sim_request *request)
{
	const struct aion__sim_buffer_group *group = group_find(sim, request->sqe.buf_group);
	struct io_uring_buf entry;
	size_t size = request->sqe.opcode == IORING_OP_RECVMSG ? 0 : request->sqe.len;

	if (!group || !group_ready(group) || aion__sim_strikes(sim, AION_SIM_ERROR_ENOBUFS))
		return -ENOBUFS;
	entry = group_entry(group, group->head);
	return size && size < entry.len ? (int64_t)size : (int64_t)entry.len;
}

int aion__sim_buffer_fill(struct aion_sim *sim, struct aion__sim_request *request, const void *from, size_t size)
{
	void *address;
	size_t room;
	int result = aion__sim_buffer_take(sim, request->sqe.buf_group, &address, &room, &request->buffer_id);

	if (result < 0)
		return result;
	AION_ASSERT(size <= room);
	aion__sim_copy_to_program(address, from, size);
	request->cqe_flags = IORING_CQE_F_BUFFER | (uint32_t)request->buffer_id << IORING_CQE_BUFFER_SHIFT;
	return 0;
}
