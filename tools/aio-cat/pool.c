/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/mman.h>

#include "aio_cat.h"

int pool_init(struct pool *pool)
{
	size_t i;

	/* Not malloc(): only what is used costs memory, and only once. */
	pool->memory = mmap(NULL, (size_t)POOL_BUF_NR * POOL_BUF_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pool->memory == MAP_FAILED)
		return -errno;
	for (i = 0; i < POOL_BUF_NR; i++)
		pool->free[i] = pool->memory + (POOL_BUF_NR - 1 - i) * POOL_BUF_SIZE;
	pool->free_nr = POOL_BUF_NR;
	return 0;
}

void pool_fini(struct pool *pool)
{
	munmap(pool->memory, (size_t)POOL_BUF_NR * POOL_BUF_SIZE);
}

/* There is always one: the window and the writer together hold no more than there are. */
char *pool_get(struct pool *pool)
{
	return pool->free[--pool->free_nr];
}

void pool_put(struct pool *pool, char *buf)
{
	pool->free[pool->free_nr++] = buf;
}
