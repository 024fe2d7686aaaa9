/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex-groups.c - the way through the nodes from start to end, and with it the groups.
 *
 * First, from the end, the nodes at every place from which the end can be reached: a row of bits a place. When that would be too much, only the
 * rows at the beginning of every block of places are kept, and a block is made again when the way comes there. Then forward: at a fork the first of its followers from which it
 * can. In a loop that takes no text, a follower that was passed already gives way to the other one. Without references back this never comes to a dead
 * end; with them it may, then it goes back to the last fork (what was tried from a place with the same groups is not tried again). With them also the
 * end is not known: of the places where it may be, the last one that some way reaches is asked for first (__re_longest). Most starts need no rows to
 * see that: there are only a few ways from them (__re_explore).
 */
#include "regex-int.h"

#define CHAR_SIZE_MAX 4

struct saved {
	size_t at;
	int node;
	regmatch_t *groups; /* now and before the last optional one, then the nodes passed without taking text */
};

struct way {
	const struct match *m;
	const struct re_dfa_t *dfa;
	size_t start, end, words, count;
	int is_plain_end;       /* no anchors where the match ends */
	const size_t *ends;     /* where it may end, ascending; the last is end */
	size_t end_count;
	long best;              /* with several ends: the last one that was reached */
	uint32_t *rows;         /* [place - base][words], "alive": from here the end can be reached */
	size_t base, row_count; /* places that have rows now: all, or a block and CHAR_SIZE_MAX more */
	size_t block;           /* places in a block, 0 not in blocks */
	uint32_t *kept_rows;    /* [block][CHAR_SIZE_MAX][words]: those at the beginning of each */
	unsigned char *sizes;   /* of the characters, 0 inside one */
	int *queue;
	int *passed, pass;      /* generation of the nodes passed since text was taken */
	regmatch_t *groups, *kept;
	struct saved *stack;
	size_t depth, capacity;
	uint64_t *tried;
	size_t tried_count, tried_size;
	int is_exploring;
	int error;
};

static void block_make(struct way *w, size_t number);

static uint32_t *alive_at(struct way *w, size_t at)
{
	if (at - w->base >= w->row_count) block_make(w, (at - w->start) / w->block);
	return w->rows + (at - w->base) * w->words;
}

static int is_alive(struct way *w, size_t at, int node)
{
	if (node < 0) return 0;
	if (!w->is_exploring) return alive_at(w, at)[node / 32] >> node % 32 & 1;
	return w->dfa->nodes[node].type != NODE_ANCHOR || __re_anchor_holds(w->dfa->nodes[node].value, __re_place(w->m, at));
}

/* Adds the nodes that lead to those in the queue without taking text. */
static void revive(struct way *w, size_t at, int count)
{
	const struct re_dfa_t *dfa = w->dfa;
	int *queue = w->queue;
	uint32_t *alive = alive_at(w, at);
	const int place = dfa->has_anchor ? __re_place(w->m, at) : 0;
	for (int i = 0; i < count; i++) alive[queue[i] / 32] |= 1u << queue[i] % 32;
	for (int i = 0; i < count; i++) {
		for (int k = dfa->reverse_starts[queue[i]]; k < dfa->reverse_starts[queue[i] + 1]; k++) {
			const int node = dfa->reverse[k];
			const int type = dfa->nodes[node].type;
			if (type < NODE_BACKREF || (alive[node / 32] >> node % 32 & 1)) continue;
			if (type == NODE_ANCHOR && ((w->is_plain_end && at == w->end) || !__re_anchor_holds(dfa->nodes[node].value, place))) continue;
			alive[node / 32] |= 1u << node % 32;
			queue[count++] = node;
		}
	}
}

/* The nodes before the character c from which those alive behind it can be reached. */
static int alive_before(struct way *w, size_t next, uint32_t c)
{
	const struct re_dfa_t *dfa = w->dfa;
	const uint32_t *follow = alive_at(w, next);
	int count = 0, *queue = w->queue;
	for (size_t word = 0; word < w->words; word++) {
		for (uint32_t bits = follow[word]; bits; bits &= bits - 1) {
			const int target = word * 32 + __builtin_ctz(bits);
			if (dfa->nodes[target].type == NODE_BACKREF) queue[count++] = target;
			for (int k = dfa->reverse_starts[target]; k < dfa->reverse_starts[target + 1]; k++)
				if (__re_node_takes(dfa, dfa->nodes + dfa->reverse[k], c)) queue[count++] = dfa->reverse[k];
		}
	}
	return count;
}

static int is_possible_end(const struct way *w, size_t at)
{
	size_t low = 0, high = w->end_count;
	while (low < high) {
		const size_t middle = (low + high) / 2;
		if (w->ends[middle] == at) return 1;
		if (w->ends[middle] < at) low = middle + 1;
		else high = middle;
	}
	return 0;
}

static void row_make(struct way *w, size_t at)
{
	int count = 0;
	uint32_t c;
	if (at < w->end && w->sizes[at - w->start]) { /* 0: inside a character */
		const size_t next = at + __re_take(w->dfa, w->m->text + at, w->m->size - at, &c);
		if (next <= w->end) count = alive_before(w, next, c);
	}
	if (is_possible_end(w, at)) w->queue[count++] = w->dfa->node_count - 1; /* NODE_END, numbered last */
	revive(w, at, count);
}

/* The rows of a block, from those at the beginning of the next one. */
static void block_make(struct way *w, size_t number)
{
	const size_t row = w->words * sizeof *w->rows, last = w->end - w->start;
	const uint32_t *next = w->kept_rows + (number + 1) * CHAR_SIZE_MAX * w->words;
	w->base = w->start + number * w->block;
	memset(w->rows, 0, w->block * row);
	memcpy(w->rows + w->block * w->words, next, CHAR_SIZE_MAX * row);
	for (size_t i = number * w->block + w->block; i-- > number * w->block; )
		if (i <= last) row_make(w, w->start + i);
}

static void rows_make(struct way *w)
{
	const size_t places = w->end - w->start + 1, row = w->words * sizeof *w->rows;
	w->base = w->start;
	if (!w->block) {
		memset(w->rows, 0, places * row);
		for (size_t i = places; i-- > 0; ) row_make(w, w->start + i);
		return;
	}
	size_t number = (places + w->block - 1) / w->block;
	memset(w->kept_rows + number * CHAR_SIZE_MAX * w->words, 0, CHAR_SIZE_MAX * row);
	while (number-- > 0) {
		block_make(w, number);
		memcpy(w->kept_rows + number * CHAR_SIZE_MAX * w->words, w->rows, CHAR_SIZE_MAX * row);
	}
}

/* Return: 0, REG_ESPACE. */
static int rows_new(struct way *w)
{
	const size_t places = w->end - w->start + 1;
	w->words = (w->dfa->node_count + 31) / 32;
	w->row_count = places;
	if (places > ROWS_WORDS_MAX / w->words && places > 64) {
		if (w->dfa->has_backref && places > 16 * ROWS_WORDS_MAX / w->words) return REG_ESPACE;
		if (!w->dfa->has_backref) {
			for (w->block = 8; w->block * w->block < places; w->block *= 2) {
			}
			w->row_count = w->block + CHAR_SIZE_MAX;
			w->kept_rows = malloc(((places + w->block - 1) / w->block + 1) * CHAR_SIZE_MAX * w->words * sizeof *w->kept_rows);
			if (!w->kept_rows) return REG_ESPACE;
		}
	}
	w->rows = malloc(w->row_count * w->words * sizeof *w->rows);
	w->sizes = calloc(places, 1);
	w->queue = malloc((3 * w->dfa->node_count + 2) * sizeof *w->queue);
	if (!w->rows || !w->sizes || !w->queue) return REG_ESPACE;
	uint32_t c;
	for (size_t at = w->start; at < w->end; at += w->sizes[at - w->start])
		w->sizes[at - w->start] = __re_take(w->dfa, w->m->text + at, w->m->size - at, &c);
	return 0;
}

static void groups_update(struct way *w, int number, size_t at)
{
	const struct node *node = w->dfa->nodes + number;
	const size_t group = node->value + 1;
	if ((node->type != NODE_OPEN && node->type != NODE_CLOSE) || group >= w->count) return;
	if (node->type == NODE_OPEN) {
		w->groups[group].rm_so = at;
		w->groups[group].rm_eo = -1;
	} else if (w->groups[group].rm_so < (regoff_t)at) {
		w->groups[group].rm_eo = at;
		memcpy(w->kept, w->groups, w->count * sizeof *w->kept);
	} else if (node->is_optional && w->kept[group].rm_so != -1) {
		/* An empty turn of an optional group, not its first: as if it had not been taken, also for groups inside. */
		memcpy(w->groups, w->kept, w->count * sizeof *w->kept);
	} else {
		w->groups[group].rm_eo = at;
	}
}

static size_t saved_size(const struct way *w)
{
	return 2 * w->count * sizeof(regmatch_t) + w->dfa->node_count;
}

static int push(struct way *w, size_t at, int node)
{
	if (w->depth == w->capacity) {
		const size_t capacity = w->capacity ? 2 * w->capacity : 16;
		struct saved *stack = realloc(w->stack, capacity * sizeof *stack);
		if (!stack) return w->error = REG_ESPACE;
		w->stack = stack;
		w->capacity = capacity;
	}
	regmatch_t *groups = malloc(saved_size(w));
	if (!groups) return w->error = REG_ESPACE;
	memcpy(groups, w->groups, w->count * sizeof *groups);
	memcpy(groups + w->count, w->kept, w->count * sizeof *groups);
	unsigned char *passed = (unsigned char *)(groups + 2 * w->count);
	for (int i = 0; i < w->dfa->node_count; i++) passed[i] = w->passed[i] == w->pass;
	w->stack[w->depth++] = (struct saved){.at = at, .node = node, .groups = groups};
	return 0;
}

static int pop(struct way *w, size_t *at)
{
	if (!w->depth) return -1;
	struct saved *saved = &w->stack[--w->depth];
	const unsigned char *passed = (unsigned char *)(saved->groups + 2 * w->count);
	memcpy(w->groups, saved->groups, w->count * sizeof *w->groups);
	memcpy(w->kept, saved->groups + w->count, w->count * sizeof *w->groups);
	w->pass++;
	for (int i = 0; i < w->dfa->node_count; i++)
		if (passed[i]) w->passed[i] = w->pass;
	*at = saved->at;
	free(saved->groups);
	return saved->node;
}

/* Was this place reached with these groups before? A hash of 64 bits stands for them. */
static int is_tried(struct way *w, size_t at, int node)
{
	uint64_t hash = at * 0x9e3779b97f4a7c15u + node;
	for (size_t i = 1; i < w->count; i++) {
		hash = (hash ^ (uint32_t)w->groups[i].rm_so) * 0x100000001b3u;
		hash = (hash ^ (uint32_t)w->groups[i].rm_eo) * 0x100000001b3u;
		hash ^= hash >> 29;
	}
	hash |= 1;
	if (w->tried_count * 2 >= w->tried_size) {
		const size_t size = w->tried_size ? 2 * w->tried_size : 64;
		uint64_t *tried = size > TRIED_MAX ? 0 : calloc(size, sizeof *tried);
		if (!tried) {
			w->error = REG_ESPACE;
			return 1;
		}
		for (size_t i = 0; i < w->tried_size; i++) {
			if (!w->tried[i]) continue;
			size_t k = w->tried[i] >> 1 & (size - 1);
			while (tried[k]) k = (k + 1) & (size - 1);
			tried[k] = w->tried[i];
		}
		free(w->tried);
		w->tried = tried;
		w->tried_size = size;
	}
	size_t k = hash >> 1 & (w->tried_size - 1);
	for (; w->tried[k]; k = (k + 1) & (w->tried_size - 1))
		if (w->tried[k] == hash) return 1;
	w->tried[k] = hash;
	w->tried_count++;
	return 0;
}

static int is_same(const struct way *w, size_t a, size_t b, size_t size)
{
	const unsigned char *text = w->m->text;
	if (!w->dfa->is_icase && !w->dfa->translate) return !memcmp(text + a, text + b, size);
	for (size_t i = 0; i < size; ) {
		uint32_t c, d;
		const int step = __re_take(w->dfa, text + a + i, size - i, &c);
		if (__re_take(w->dfa, text + b + i, size - i, &d) != step || __re_fold(w->dfa, c) != __re_fold(w->dfa, d)) return 0;
		i += step;
	}
	return 1;
}

/* A node that takes no text: the first follower that lives, unless it was passed since text was taken. */
static int follow(struct way *w, size_t at, int number)
{
	const struct node *node = w->dfa->nodes + number;
	const int first = is_alive(w, at, node->first) ? node->first : -1, second = is_alive(w, at, node->second) ? node->second : -1;
	w->passed[number] = w->pass;
	if (first < 0 || second < 0) return first < 0 ? second : first;
	if (w->passed[first] == w->pass) return second;
	if (w->dfa->has_backref && push(w, at, second)) return -1;
	return first;
}

/* A node that takes text, at moves. Return: the node after it, -1 a dead end. */
static int take(struct way *w, size_t *at, int number)
{
	const struct node *node = w->dfa->nodes + number;
	uint32_t c;
	size_t size;
	if (node->type == NODE_BACKREF) {
		const regmatch_t group = node->value + 1 < w->count ? w->groups[node->value + 1] : (regmatch_t){-1, -1};
		if (group.rm_so < 0 || group.rm_eo < 0) return -1;
		size = group.rm_eo - group.rm_so;
		if (!size) return follow(w, *at, number);
		if (w->end - *at < size || !is_same(w, group.rm_so, *at, size)) return -1;
	} else {
		if (*at == w->end) return -1;
		size = __re_take(w->dfa, w->m->text + *at, w->m->size - *at, &c);
		if (!__re_node_takes(w->dfa, node, c) || w->end - *at < size) return -1;
	}
	*at += size;
	if (!is_alive(w, *at, node->first)) return -1;
	w->pass++;
	if (w->dfa->has_backref && is_tried(w, *at, node->first)) return -1;
	return node->first;
}

static int is_complete(const struct way *w)
{
	for (size_t i = 1; i < w->count; i++)
		if (w->groups[i].rm_so >= 0 && w->groups[i].rm_eo < 0) return 0;
	return 1;
}

/* Has the way come to its end? -2: yes; -1: no, or there may be a longer one. */
static int end_check(struct way *w, size_t at)
{
	if (w->dfa->has_backref && !is_complete(w)) return -1;
	if ((w->is_exploring || w->end_count > 1) && w->best < (long)at) w->best = at;
	return at == w->end ? -2 : -1;
}

static int walk(struct way *w)
{
	int node = w->dfa->start, steps = 0;
	for (size_t at = w->start; ; ) {
		if (w->is_exploring && ++steps > EXPLORE_STEPS) return -1;
		groups_update(w, node, at);
		const int type = w->dfa->nodes[node].type;
		if (type == NODE_END) node = end_check(w, at);
		else node = type <= NODE_BACKREF ? take(w, &at, node) : follow(w, at, node);
		if (w->error) return w->error;
		if (node == -2) return REG_NOERROR;
		if (node == -1 && (node = pop(w, &at)) == -1) return REG_NOMATCH;
	}
}

static int walk_begin(struct way *w)
{
	w->pass = 1;
	for (size_t i = 0; i < w->count; i++) w->groups[i] = w->kept[i] = (regmatch_t){-1, -1};
	return walk(w);
}

static int way_run(struct way *w)
{
	/* A way to the end without anchors is preferred there: in glibc what follows an anchor are copies of the nodes, with higher numbers. */
	w->is_plain_end = w->dfa->has_anchor && w->end_count == 1;
	rows_make(w);
	if (w->is_plain_end && !is_alive(w, w->start, w->dfa->start)) {
		w->is_plain_end = 0;
		rows_make(w);
	}
	return is_alive(w, w->start, w->dfa->start) ? walk_begin(w) : REG_NOMATCH;
}

/* From start to one of the ends. count: groups that are wanted; with references back all are needed on the way. */
static int way_find(struct way *w, size_t count, regmatch_t *groups)
{
	const struct re_dfa_t *dfa = w->dfa;
	const size_t all = dfa->group_count + 1;
	w->count = dfa->has_backref || count > all ? all : count;
	w->passed = calloc(dfa->node_count, sizeof *w->passed);
	w->groups = malloc(2 * w->count * sizeof *w->groups);
	w->kept = w->groups + w->count;
	int r = !w->passed || !w->groups ? REG_ESPACE : w->is_exploring ? 0 : rows_new(w);
	if (!r) r = !w->is_exploring ? way_run(w) : is_alive(w, w->start, dfa->start) ? walk_begin(w) : REG_NOMATCH;
	for (size_t i = 1; r == REG_NOERROR && i < count; i++) {
		if (i >= all) groups[i] = (regmatch_t){-1, -1};
		else groups[i] = w->groups[dfa->group_map[i - 1] + 1];
	}
	while (w->depth) free(w->stack[--w->depth].groups);
	free(w->stack);
	free(w->tried);
	free(w->groups);
	free(w->passed);
	free(w->kept_rows);
	free(w->rows);
	free(w->sizes);
	free(w->queue);
	return r;
}

int __re_groups(const struct match *m, size_t start, size_t end, size_t count, regmatch_t *groups)
{
	if (!m->dfa->group_count) {
		for (size_t i = 1; i < count; i++) groups[i] = (regmatch_t){-1, -1};
		return REG_NOERROR;
	}
	struct way w = {.m = m, .dfa = m->dfa, .start = start, .end = end, .ends = &end, .end_count = 1};
	return way_find(&w, count, groups);
}

/* The longest match that begins at start, when there are only a few ways. Return: 1, 0 none, -2 no memory, -3 too many ways. */
int __re_explore(const struct match *m, size_t start, size_t *ret_end)
{
	struct way w = {.m = m, .dfa = m->dfa, .start = start, .end = m->size, .is_exploring = 1, .best = -1};
	const int r = way_find(&w, 0, 0);
	if (r == REG_ESPACE) return -2;
	if (r == -1) return -3;
	*ret_end = w.best;
	return w.best >= 0;
}

/* The last of the ends that a way reaches: its number + 1, 0 none. */
int __re_longest(const struct match *m, size_t start, const size_t *ends, size_t end_count, size_t *ret_number)
{
	struct way w = {.m = m, .dfa = m->dfa, .start = start, .end = ends[end_count - 1], .ends = ends, .end_count = end_count, .best = -1};
	const int r = way_find(&w, 0, 0);
	*ret_number = r == REG_NOERROR ? end_count : 0;
	if (r == REG_NOMATCH && w.best >= 0)
		for (size_t i = end_count; i && !*ret_number; i--)
			if (ends[i - 1] == (size_t)w.best) *ret_number = i;
	return r == REG_ESPACE ? r : 0;
}
