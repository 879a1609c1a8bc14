/* SPDX-License-Identifier: MIT */
#ifndef SEARCH_PIPELINE_H
#define SEARCH_PIPELINE_H
/* A pipeline of iterators, and the account of what goes through it. */
#include "actor.h"

#define LEAF_NR_MAX 6
#define ITEM_NR_MAX 12 /* a leaf */
#define NODE_NR_MAX 12
#define SOURCE_NR_MAX 3 /* a node */

enum item_state {
	ITEM_NONE,    /* its producer has it */
	ITEM_MADE,    /* on its way */
	ITEM_SEEN,    /* the consumer has it */
	ITEM_DROPPED, /* destroyed */
};

struct item {
	struct leaf *leaf;
	unsigned seq;
	enum item_state state;
	bool is_rejected; /* by a filter */
};

enum leaf_kind {
	LEAF_GENERATOR,
	LEAF_ARRAY,
	LEAF_QUEUE,
};

struct leaf {
	struct pipeline *pipeline;
	unsigned nr;
	enum leaf_kind kind;
	struct draw draw;
	unsigned pause_percent;
	int64_t error; /* with which its producer ends, or 0 */
	unsigned item_nr;
	unsigned seen_nr; /* items up to the last that the consumer has seen */
	bool is_stubborn; /* it yields behind a shield */
	bool is_producing;
	bool is_actor; /* its producer is a task of the workload's */
	struct item items[ITEM_NR_MAX];
	void *values[ITEM_NR_MAX];
	struct aion_generator generator;
	struct aion_iter_array array;
	struct aion_iter_queue source;
	struct aion_queue queue;
};

struct node {
	struct pipeline *pipeline;
	struct draw draw; /* of pauses in its function */
	unsigned pause_percent;
	struct aion_iter *sources[SOURCE_NR_MAX];
	struct aion_iter_feeder feeders[SOURCE_NR_MAX];
	union {
		struct aion_iter_map map;
		struct aion_iter_filter filter;
		struct aion_iter_take take;
		struct aion_iter_chain chain;
		struct aion_iter_merge merge;
		struct aion_iter_zip zip;
		struct aion_iter_batch batch;
	};
};

enum top {
	TOP_PLAIN,
	TOP_ZIP,
	TOP_BATCH,
};

struct pipeline {
	struct run *run;
	struct party party;
	struct aion_iter *iter;
	enum top top;
	unsigned zip_nr;
	unsigned batch_max;
	void *values[ITEM_NR_MAX]; /* of a batch, a tuple */
	unsigned leaf_nr, node_nr;
	struct leaf leaves[LEAF_NR_MAX];
	struct node nodes[NODE_NR_MAX];
	bool is_partial; /* the end may come before all items have */
	bool has_ended;
	unsigned working_nr; /* functions of nodes that are under way */
};

/* Draws sources and operators; nothing runs yet but what feeds queues. */
void pipeline_grow(struct actor *self, struct pipeline *pipeline);
/* After the close: what feeds it shall end. */
void leaf_end(struct leaf *leaf);
/* After the group has been left. */
void leaves_fini(struct pipeline *pipeline);

#endif
