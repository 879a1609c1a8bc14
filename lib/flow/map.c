/* SPDX-License-Identifier: MIT */
/* A function over an array: tasks that take the next item until there is none. */
#include <errno.h>
#include <stdbool.h>

#include <aion/group.h>
#include <aion/map.h>

struct map {
	aion_fn *fn;
	char *items;
	size_t item_size;
	size_t nr;
	size_t next;
	enum aion_map_mode mode;
	int64_t *results;
	int64_t error; /* ALL: of the first item, in their order, that failed */
	size_t error_idx;
};

static void map_note(struct map *map, size_t idx, int64_t result)
{
	if (map->results)
		map->results[idx] = result;
	if (result < 0 && (!map->error || idx < map->error_idx) && (result != -ECANCELED || !aion_cancelled())) {
		map->error = result;
		map->error_idx = idx;
	}
}

static int64_t map_work(void *arg)
{
	struct map *map = arg;

	while (map->next < map->nr) {
		int64_t result = aion_checkpoint();
		size_t idx;

		if (result < 0)
			return result;
		/* A checkpoint lets others run. */
		if (map->next == map->nr)
			break;
		idx = map->next++;
		result = map->fn(map->items + idx * map->item_size);
		map_note(map, idx, result);
		if (result < 0 && map->mode == AION_MAP_FIRST_ERROR)
			return result;
		if (result == -ECANCELED && aion_cancelled())
			return result;
	}
	return 0;
}

int64_t aion_map(aion_fn *fn, void *items, size_t item_size, size_t nr, size_t limit, enum aion_map_mode mode,
		 int64_t *results)
{
	struct map map = {fn, items, item_size, nr, 0, mode, results, 0, 0};
	struct aion_group group;
	int64_t result;

	if ((unsigned)mode > AION_MAP_ALL || (nr && item_size && !items))
		return -EINVAL;
	for (size_t i = 0; results && i < nr; i++)
		results[i] = -ECANCELED;
	result = aion_checkpoint();
	if (result < 0 || !nr)
		return result;
	aion_group_enter(&group);
	for (size_t i = 0; i < nr && (i < limit || !limit) && result >= 0; i++)
		result = aion_spawn(&group, map_work, &map);
	result = aion_group_leave(&group, result);
	return map.error && mode == AION_MAP_ALL ? map.error : result;
}
