/* SPDX-License-Identifier: MIT */
/* Open files on their way through a unix socket. */
#include <errno.h>
#include <string.h>

#include "sim_socket_int.h"

#define FILE_MAX 253 /* descriptors of one message, as the kernel has it */

static struct aion__sim_parcel *parcel_new(unsigned room)
{
	return aion__sim_alloc(sizeof(struct aion__sim_parcel) + room * sizeof(struct aion__sim_file *));
}

static void parcel_add(struct aion__sim_parcel *parcel, struct aion__sim_file *file)
{
	file->ref_nr++;
	parcel->files[parcel->nr++] = file;
}

void aion__sim_parcel_free(struct aion_sim *sim, struct aion__sim_parcel *parcel)
{
	if (!parcel)
		return;
	for (unsigned i = 0; i < parcel->nr; i++)
		aion__sim_file_unref(sim, parcel->files[i]);
	aion__sim_free(parcel);
}

void aion__sim_parcels_free(struct aion_sim *sim, struct aion__sim_parcel *parcel)
{
	while (parcel) {
		struct aion__sim_parcel *next = parcel->next;

		aion__sim_parcel_free(sim, parcel);
		parcel = next;
	}
}

struct aion__sim_parcel *aion__sim_parcel_copy(const struct aion__sim_parcel *parcel)
{
	struct aion__sim_parcel *copy;

	if (!parcel)
		return NULL;
	copy = parcel_new(parcel->nr);
	for (unsigned i = 0; i < parcel->nr; i++)
		parcel_add(copy, parcel->files[i]);
	return copy;
}

/* All the files are open, or none gets into the parcel. */
static int parcel_add_fds(const struct aion_sim *sim, struct aion__sim_parcel *parcel, const int *fds, size_t nr)
{
	if (parcel->nr + nr > FILE_MAX)
		return -EINVAL;
	for (size_t i = 0; i < nr; i++) {
		int fd;

		memcpy(&fd, &fds[i], sizeof(fd));
		/* The process's own cannot travel inside of the machine. */
		if (aion__sim_fd_is_host(fd))
			return -EINVAL;
		if (!aion__sim_fd_file(sim, fd))
			return -EBADF;
	}
	for (size_t i = 0; i < nr; i++) {
		int fd;

		memcpy(&fd, &fds[i], sizeof(fd));
		parcel_add(parcel, aion__sim_fd_file(sim, fd));
	}
	return 0;
}

static int parcel_read(struct aion_sim *sim, struct aion__sim_parcel *parcel, const char *control, size_t size)
{
	while (size >= sizeof(struct cmsghdr)) {
		struct cmsghdr head;
		size_t step;
		int result;

		memcpy(&head, control, sizeof(head));
		if (head.cmsg_len < CMSG_LEN(0) || head.cmsg_len > size)
			return -EINVAL;
		if (head.cmsg_level == SOL_SOCKET) {
			if (head.cmsg_type == SCM_RIGHTS)
				result = parcel_add_fds(sim, parcel, (const int *)(control + CMSG_LEN(0)),
							(head.cmsg_len - CMSG_LEN(0)) / sizeof(int));
			else /* credentials reach nobody: who wants them cannot say so here */
				result = head.cmsg_type == SCM_CREDENTIALS ? 0 : -EINVAL;
			if (result < 0)
				return result;
		}
		step = CMSG_ALIGN(head.cmsg_len);
		control += step;
		size = step < size ? size - step : 0;
	}
	return 0;
}

int aion__sim_parcel_pack(struct aion_sim *sim, const struct msghdr *message, struct aion__sim_parcel **ret_parcel)
{
	size_t size = message->msg_controllen;
	struct aion__sim_parcel *parcel;
	char *control;
	int result;

	*ret_parcel = NULL;
	if (!message->msg_control || !size)
		return 0;
	if (size > CMSG_SPACE(FILE_MAX * sizeof(int)) * 2)
		return -ENOBUFS;
	control = aion__sim_alloc(size);
	aion__sim_copy_from_program(control, message->msg_control, size);
	parcel = parcel_new(FILE_MAX);
	result = parcel_read(sim, parcel, control, size);
	aion__sim_free(control);
	if (result < 0 || !parcel->nr) {
		aion__sim_parcel_free(sim, parcel);
		return result;
	}
	*ret_parcel = parcel;
	return 0;
}

size_t aion__sim_parcel_unpack(struct aion_sim *sim, struct aion__sim_parcel *parcel, void *control, size_t size,
			       unsigned *msg_flags)
{
	size_t room = size < CMSG_LEN(0) ? 0 : (size - CMSG_LEN(0)) / sizeof(int), used;
	struct cmsghdr head = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	unsigned nr = 0;

	if (!parcel)
		return 0;
	for (; nr < parcel->nr && nr < room; nr++) {
		int fd = aion__sim_fd_give(sim, parcel->files[nr]);

		if (fd < 0)
			break;
		parcel->files[nr]->ref_nr++; /* the parcel gives back its own below */
		memcpy((char *)control + CMSG_LEN(nr * sizeof(int)), &fd, sizeof(fd));
	}
	if (nr < parcel->nr)
		*msg_flags |= MSG_CTRUNC;
	aion__sim_parcel_free(sim, parcel);
	if (!nr)
		return 0;
	head.cmsg_len = CMSG_LEN(nr * sizeof(int));
	memcpy(control, &head, sizeof(head));
	used = CMSG_SPACE(nr * sizeof(int));
	return used < size ? used : size;
}
