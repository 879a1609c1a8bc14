/* SPDX-License-Identifier: MIT */
#ifndef SEARCH_SHARED_H
#define SEARCH_SHARED_H
/* Files that exist from the beginning and are only read. */
#include "run.h"

#define SHARED_NR 3
#define SHARED_SIZE_ALL ((size_t)(0 + 5000 + 70000)) /* bytes of them all */
#define SHARED_PATH_SIZE 96

void shared_create(struct run *run);
void shared_remove(struct run *run);
void shared_path(const struct run *run, unsigned nr, char path[SHARED_PATH_SIZE]);
size_t shared_size(unsigned nr);
/* Whose content it is. */
uint64_t shared_id(unsigned nr);

#endif
