/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex-exec.c - where a match is.
 *
 * A state is the set of nodes behind the text so far, before the ways that take no text (they may depend on what comes next), and what stands
 * before the place. step() makes the state behind one more character and keeps it under that byte. A floating state begins anew at every place:
 * one pass over the text says whether there is a match at all and where the first one to end ends; only then starts are tried from the left.
 */
#include "regex-int.h"

static int context_of(const struct re_dfa_t *dfa, uint32_t c)
{
	if (!dfa->has_anchor) return 0;
	if (c == '\n' && dfa->is_newline_anchor) return PREV_NEWLINE;
	return dfa->has_word && __re_is_word(dfa, c) ? PREV_WORD : PREV_OTHER;
}

static int before(const struct match *m, size_t at)
{
	uint32_t c;
	if (!m->dfa->has_anchor) return 0;
	if (!at) return m->flags & REG_NOTBOL ? PREV_BEGIN : PREV_BEGIN | PREV_NEWLINE;
	size_t from = at - 1;
	if (m->dfa->is_utf8)
		while (from && at - from < 4 && (m->text[from] & 0xc0) == 0x80) from--;
	if (from + __re_take(m->dfa, m->text + from, at - from, &c) != at) c = RAW;
	return context_of(m->dfa, c);
}

static int after(const struct match *m, size_t at)
{
	uint32_t c;
	if (!m->dfa->has_anchor) return 0;
	if (at == m->size) return m->flags & REG_NOTEOL ? NEXT_END : NEXT_END | NEXT_NEWLINE;
	__re_take(m->dfa, m->text + at, m->size - at, &c);
	return context_of(m->dfa, c) << 4;
}

int __re_place(const struct match *m, size_t at)
{
	return before(m, at) | after(m, at);
}

/* --- sets of nodes --- */

static void generation_new(struct re_dfa_t *dfa)
{
	if (dfa->generation++ < INT32_MAX - 1) return;
	memset(dfa->mark, 0, dfa->node_count * sizeof *dfa->mark);
	dfa->generation = 1;
}

static void add(struct re_dfa_t *dfa, int *list, int *count, int node)
{
	if (node < 0 || dfa->mark[node] == dfa->generation) return;
	dfa->mark[node] = dfa->generation;
	list[(*count)++] = node;
}

/* What a set can take from here: into work[0]. Return: its size; *ret_accepts when the end is among it. A reference back may be anything. */
static int closure(struct re_dfa_t *dfa, const struct state *state, int place, int *ret_accepts)
{
	int *queue = dfa->work[1], *takers = dfa->work[0], count = 0, taker_count = 0;
	*ret_accepts = 0;
	generation_new(dfa);
	for (int i = 0; i < state->count; i++) add(dfa, queue, &count, state->nodes[i]);
	for (int i = 0; i < count; i++) {
		const struct node *node = dfa->nodes + queue[i];
		if (node->type <= NODE_BACKREF) takers[taker_count++] = queue[i];
		if (node->type < NODE_BACKREF) continue;
		if (node->type == NODE_END) *ret_accepts = 1;
		if (node->type == NODE_ANCHOR && !__re_anchor_holds(node->value, place)) continue;
		add(dfa, queue, &count, node->first);
		add(dfa, queue, &count, node->second);
	}
	dfa->effort += count + 16;
	return taker_count;
}

static void sort_many(struct re_dfa_t *dfa, int *list, int count)
{
	int low = INT32_MAX, high = 0;
	for (int i = 0; i < count; i++) {
		const int word = list[i] / 32;
		dfa->bits[word] |= 1u << list[i] % 32;
		if (word < low) low = word;
		if (word > high) high = word;
	}
	for (int word = low, i = 0; word <= high; word++) {
		for (uint32_t bits = dfa->bits[word]; bits; bits &= bits - 1) list[i++] = word * 32 + __builtin_ctz(bits);
		dfa->bits[word] = 0;
	}
}

static void sort(struct re_dfa_t *dfa, int *list, int count)
{
	if (count > 32) {
		sort_many(dfa, list, count);
		return;
	}
	for (int i = 1; i < count; i++) {
		const int value = list[i];
		int k = i;
		for (; k && list[k - 1] > value; k--) list[k] = list[k - 1];
		list[k] = value;
	}
}

static void states_clear(struct re_dfa_t *dfa)
{
	for (int i = 0; i < dfa->table_size; i++) free(dfa->table[i]);
	free(dfa->table);
	dfa->table = 0;
	dfa->table_size = dfa->state_count = 0;
	dfa->states_size = 0;
	memset(dfa->starts, 0, sizeof dfa->starts);
}

static int table_grow(struct re_dfa_t *dfa)
{
	const int size = dfa->table_size ? 2 * dfa->table_size : 64;
	struct state **table = calloc(size, sizeof *table);
	if (!table) return -1;
	for (int i = 0; i < dfa->table_size; i++) {
		if (!dfa->table[i]) continue;
		unsigned k = dfa->table[i]->hash & (size - 1);
		while (table[k]) k = (k + 1) & (size - 1);
		table[k] = dfa->table[i];
	}
	free(dfa->table);
	dfa->table = table;
	dfa->table_size = size;
	return 0;
}

/* The state of these nodes. *ret_cleared: all states from before are gone. NULL: no memory. */
static struct state *state_get(struct re_dfa_t *dfa, int *list, int count, int context, int is_floating, int *ret_cleared)
{
	uint32_t hash = context * 31u + is_floating;
	*ret_cleared = 0;
	sort(dfa, list, count);
	for (int i = 0; i < count; i++) hash = (hash ^ list[i]) * 0x01000193u + (hash >> 15);
	for (unsigned k = hash; dfa->table_size; k++) {
		struct state *state = dfa->table[k & (dfa->table_size - 1)];
		if (!state) break;
		if (state->hash == hash && state->count == count && state->before == context && state->is_floating == is_floating &&
			!memcmp(state->nodes, list, count * sizeof *list)) return state;
	}
	const size_t size = sizeof(struct state) + dfa->byte_class_count * sizeof(struct state *) + count * sizeof *list;
	if (dfa->states_size + size > STATES_SIZE_MAX) {
		states_clear(dfa);
		*ret_cleared = 1;
	}
	if (dfa->state_count * 2 >= dfa->table_size && table_grow(dfa)) return 0;
	struct state *state = calloc(1, size);
	if (!state) return 0;
	state->nodes = (int *)(state->next + dfa->byte_class_count);
	dfa->states_size += size + 4 * sizeof *dfa->table;
	dfa->effort += 64;
	state->hash = hash;
	state->count = count;
	state->before = context;
	state->is_floating = is_floating;
	memcpy(state->nodes, list, count * sizeof *list);
	unsigned k = hash & (dfa->table_size - 1);
	while (dfa->table[k]) k = (k + 1) & (dfa->table_size - 1);
	dfa->table[k] = state;
	dfa->state_count++;
	return state;
}

static struct state *state_start(struct re_dfa_t *dfa, int context, int is_floating)
{
	int cleared, list[1] = {dfa->start};
	struct state **kept = &dfa->starts[is_floating][context];
	if (!*kept) {
		struct state *state = state_get(dfa, list, 1, context, is_floating, &cleared);
		*kept = state;
	}
	return *kept;
}

static struct state *step(struct re_dfa_t *dfa, struct state *state, uint32_t c)
{
	const uint32_t small = dfa->is_utf8 ? 0x80 : 0x100;
	const int context = context_of(dfa, c), is_floating = state->is_floating;
	int accepts, cleared, count = 0, *list = dfa->work[2];
	const int taker_count = closure(dfa, state, state->before | context << 4, &accepts);
	generation_new(dfa);
	for (int i = 0; i < taker_count; i++) {
		const int number = dfa->work[0][i];
		const struct node *node = dfa->nodes + number;
		if (node->type == NODE_BACKREF) add(dfa, list, &count, number);
		else if (__re_node_takes(dfa, node, c)) add(dfa, list, &count, node->first);
	}
	if (is_floating) add(dfa, list, &count, dfa->start);
	struct state *next = state_get(dfa, list, count, context, is_floating, &cleared);
	if (next && !cleared && c < small) state->next[dfa->byte_class[c]] = next;
	return next;
}

static int accepts(const struct match *m, struct state *state, size_t at)
{
	const int next = after(m, at);
	unsigned char *kept = &state->accepts[next >> 4];
	if (!*kept) {
		int does;
		closure(m->dfa, state, state->before | next, &does);
		*kept = 1 + does;
	}
	return *kept == 2;
}

/* One more character; at moves behind it. */
static inline struct state *advance(const struct match *m, struct state *state, size_t *at)
{
	uint32_t c = m->text[*at];
	if (m->dfa->is_utf8 && c >= 0x80) {
		*at += __re_take(m->dfa, m->text + *at, m->size - *at, &c);
		return step(m->dfa, state, c);
	}
	++*at;
	struct state *next = state->next[m->dfa->byte_class[c]];
	return next ? next : step(m->dfa, state, c);
}

/* The pass over the text for a floating state, which can be interrupted; states do not last that long. */
struct scan {
	size_t at;
	uint64_t budget;
	int *nodes, count, before; /* of the state at this place; NULL at the beginning */
};

static long scan_pause(struct re_dfa_t *dfa, struct scan *scan, const struct state *state, size_t at)
{
	if (!scan->nodes && !(scan->nodes = malloc((dfa->node_count + 1) * sizeof *scan->nodes))) return -2;
	memcpy(scan->nodes, state->nodes, state->count * sizeof *scan->nodes);
	scan->count = state->count;
	scan->before = state->before;
	scan->at = at;
	return -3;
}

/* Where the match that ends first ends, begun anywhere from the scan's first place on; -1 none, -2 no memory, -3 the budget is used up. */
static long scan_on(const struct match *m, struct scan *scan)
{
	struct re_dfa_t *dfa = m->dfa;
	const uint64_t until = dfa->effort + scan->budget;
	int cleared;
	struct state *state = scan->nodes ? state_get(dfa, scan->nodes, scan->count, scan->before, 1, &cleared) : state_start(dfa, before(m, scan->at), 1);
	for (size_t at = scan->at; state; state = advance(m, state, &at)) {
		if (!dfa->has_anchor && !dfa->can_be_empty && state == dfa->starts[1][0])
			while (at < m->size && !dfa->can_begin[m->text[at]]) at++;
		if (accepts(m, state, at)) return at;
		if (at == m->size) return -1;
		if (dfa->effort > until) return scan_pause(dfa, scan, state, at);
	}
	return -2;
}

/* The longest match that begins at start, its end in *ret_end. Return: 1, 0 none, -2 no memory. */
static int longest(const struct match *m, size_t start, int is_first_enough, size_t *ret_end)
{
	int found = 0;
	struct state *state = state_start(m->dfa, before(m, start), 0);
	for (size_t at = start; state; state = advance(m, state, &at)) {
		if (accepts(m, state, at)) {
			*ret_end = at;
			found = 1;
			if (is_first_enough) return 1;
		}
		if (at == m->size || !state->count) {
			m->dfa->effort += (at - start) / 4;
			return found;
		}
	}
	return -2;
}

/* Every place where the automaton would let a match end; NULL and 0 none. Return: 0, -2 no memory. */
static int ends_of(const struct match *m, size_t start, size_t **ret_ends, size_t *ret_count)
{
	size_t *ends = 0, count = 0, capacity = 0;
	struct state *state = state_start(m->dfa, before(m, start), 0);
	for (size_t at = start; state; state = advance(m, state, &at)) {
		if (accepts(m, state, at)) {
			if (count == capacity) {
				capacity = capacity ? 2 * capacity : 16;
				size_t *grown = realloc(ends, capacity * sizeof *ends);
				if (!grown) break;
				ends = grown;
			}
			ends[count++] = at;
		}
		if (at == m->size || !state->count) {
			*ret_ends = ends;
			*ret_count = count;
			return 0;
		}
	}
	free(ends);
	return -2;
}

/* With references back the automaton only says where a match may end: the longest of those that holds. */
static int longest_checked(const struct match *m, size_t start, size_t count, regmatch_t *groups, size_t *ret_end)
{
	size_t *ends, end_count;
	int r = __re_explore(m, start, ret_end);
	if (r == 1 && count > 1) {
		const int found = __re_groups(m, start, *ret_end, count, groups);
		r = found == REG_NOERROR ? 1 : found == REG_NOMATCH ? -3 : -2;
	}
	if (r != -3) return r;
	if (ends_of(m, start, &ends, &end_count)) return -2;
	r = 0;
	while (!r && end_count) {
		size_t number;
		if (__re_longest(m, start, ends, end_count, &number)) r = -2;
		if (r || !number) break;
		*ret_end = ends[number - 1];
		r = count > 1 ? __re_groups(m, start, *ret_end, count, groups) : REG_NOERROR;
		r = r == REG_NOERROR ? 1 : r == REG_NOMATCH ? 0 : -2;
		end_count = number - 1;
	}
	free(ends);
	return r;
}

static int is_boundary(const struct match *m, size_t at)
{
	if (!m->dfa->is_utf8 || at == m->size || (m->text[at] & 0xc0) != 0x80) return 1;
	for (size_t back = 1; back < 4 && back <= at; back++) {
		uint32_t c;
		if ((m->text[at - back] & 0xc0) == 0x80) continue;
		return __re_take(m->dfa, m->text + at - back, m->size - at + back, &c) <= (int)back;
	}
	return 1;
}

static int try_start(const struct match *m, size_t start, size_t count, regmatch_t *groups)
{
	struct re_dfa_t *dfa = m->dfa;
	size_t end;
	if (start == m->size ? !dfa->can_be_empty : !dfa->can_be_empty && !dfa->can_begin[m->text[start]]) return 0;
	if (!is_boundary(m, start)) return 0;
	const int r = dfa->has_backref ? longest_checked(m, start, count, groups, &end) : longest(m, start, !count, &end);
	if (r <= 0) return r;
	if (count && !dfa->has_backref && count > 1 && __re_groups(m, start, end, count, groups) == REG_ESPACE) return -2;
	if (count) {
		groups[0].rm_so = start;
		groups[0].rm_eo = end;
	}
	return 1;
}

/*
 * Forward without references back: by turns the pass over the text, to know whether and until where a match can be, and starts from the left, each for
 * twice as long as before. One of them may be slow: a{30000} has that many nodes in a floating state, (a|b)*c reads to the end from every start.
 */
static long search_forward(const struct match *m, long start, long last, size_t count, regmatch_t *groups)
{
	struct re_dfa_t *dfa = m->dfa;
	struct scan scan = {.at = start, .budget = 1 << 20};
	long r = 0;
	while (!r) {
		const long end = scan_on(m, &scan);
		if (end == -1 || end == -2) {
			r = end;
			break;
		}
		if (end >= 0 && !count && last == (long)m->size) break; /* where is not asked */
		if (end >= 0 && end < last) last = end;
		const uint64_t until = end >= 0 ? UINT64_MAX : dfa->effort + scan.budget;
		for (; !r && start <= last && dfa->effort < until; start += !r) r = try_start(m, start, count, groups);
		if (!r && start > last) r = -1;
		scan.budget *= 2;
	}
	free(scan.nodes);
	return r < 0 ? r : start;
}

long __re_search(const struct match *m, long first, long last, size_t count, regmatch_t *groups)
{
	const int direction = first <= last ? 1 : -1;
	if (last > first && !m->dfa->has_backref) return search_forward(m, first, last, count, groups);
	for (long start = first; direction == 1 ? start <= last : start >= last; start += direction) {
		const int r = try_start(m, start, count, groups);
		if (r) return r < 0 ? -2 : start;
	}
	return -1;
}
