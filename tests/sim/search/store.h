/* SPDX-License-Identifier: MIT */
#ifndef SEARCH_STORE_H
#define SEARCH_STORE_H
/* Files: opened and removed; and one whose content is known. */
#include "actor.h"

#define STORE_SIZE_MAX 12288 /* bytes */
#define STORE_PATH_SIZE 96

#define STORE_FLAGS (MAY_FILE | MAY_SPACE)

struct store {
	int fd;
	char path[STORE_PATH_SIZE];
	size_t size;
	char content[STORE_SIZE_MAX];
};

/* A path that nobody else uses. */
void store_path(struct actor *self, char path[STORE_PATH_SIZE]);
/* In a form that is drawn: a descriptor, or -errno. */
int64_t store_open(struct actor *self, const char *path, int flags, unsigned may);
/* Remove the name in any case, if it is there. */
void store_remove(struct actor *self, const char *path);

/* What calls have done to the content. */
void store_note_write(struct actor *self, struct store *store, const char *buf, size_t off, int64_t result);
void store_note_size(struct store *store, size_t size);
void store_check_read(struct actor *self, const struct store *store, const char *buf, size_t size, size_t off,
		      int64_t result);

#endif
