/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex-nfa.c - tree to nodes, and what nodes ask of text. Numbers are given from the leaves up, left before right, as in glibc (calc_first); followers by
 * the tree's shape (calc_next, link_nfa_nodes).
 */
#include "regex-int.h"

uint32_t __re_fold(const struct re_dfa_t *dfa, uint32_t c)
{
	if (dfa->translate && c < (dfa->is_utf8 ? 0x80u : 0x100u)) c = dfa->translate[c];
	if (!dfa->is_icase) return c;
	if (c < 0x80) return c - 'a' < 26 ? c - 32 : c;
	return dfa->is_utf8 && c < RAW ? towupper(c) : c;
}

/* One character. Return: its bytes; size is not 0. */
int __re_take(const struct re_dfa_t *dfa, const unsigned char *s, size_t size, uint32_t *ret_c)
{
	const unsigned c = *s;
	if (!dfa->is_utf8 || c < 0x80) {
		*ret_c = c;
		return 1;
	}
	const int count = c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 1;
	uint32_t value = c & (0xffu >> (count + 1));
	*ret_c = RAW + c;
	if (count == 1 || size < (size_t)count) return 1;
	for (int i = 1; i < count; i++) {
		if ((s[i] & 0xc0) != 0x80) return 1;
		value = value << 6 | (s[i] & 0x3f);
	}
	if ((count == 3 && (value < 0x800 || (value >= 0xd800 && value < 0xe000))) || (count == 4 && (value < 0x10000 || value > 0x10ffff))) return 1;
	*ret_c = value;
	return count;
}

int __re_is_word(const struct re_dfa_t *dfa, uint32_t c)
{
	if (c < 0x80) return (c | 32) - 'a' < 26 || c - '0' < 10 || c == '_';
	return dfa->is_utf8 && c < RAW && iswalnum(c);
}

static int set_has(const struct re_dfa_t *dfa, const struct set *set, uint32_t c)
{
	if (c < (dfa->is_utf8 ? 0x80u : 0x100u)) return !(set->bits[c / 32] >> c % 32 & 1) == set->is_negated;
	if (c >= RAW) return 0;
	for (int i = 0; i < set->range_count; i++)
		if (c >= set->ranges[i].first && c <= set->ranges[i].last) return !set->is_negated;
	for (int i = 0; i < set->class_count; i++)
		if (iswctype(c, set->classes[i])) return !set->is_negated;
	return set->is_negated;
}

int __re_node_takes(const struct re_dfa_t *dfa, const struct node *node, uint32_t c)
{
	switch (node->type) {
	case NODE_CHAR: return node->value == __re_fold(dfa, c);
	case NODE_ANY: return c < RAW && (c != '\n' || dfa->is_dot_newline) && (c || dfa->is_dot_null);
	case NODE_SET: return set_has(dfa, dfa->sets + node->value, __re_fold(dfa, c));
	default: return 0;
	}
}

/* One class of bytes by property, then each set splits those of which it has a part. */
void __re_byte_classes(struct re_dfa_t *dfa)
{
	unsigned char is_used[256] = {0};
	int keys[256], count = 0;
	for (int i = 0; i < dfa->node_count; i++)
		if (dfa->nodes[i].type == NODE_CHAR && dfa->nodes[i].value < 256) is_used[dfa->nodes[i].value] = 1;
	for (int set = -1; set < dfa->set_count; set++) {
		short known[1024];
		memset(known, -1, sizeof known);
		count = 0;
		for (int c = 0; c < 256; c++) {
			const uint32_t folded = __re_fold(dfa, c);
			int key;
			if (set >= 0) key = 2 * dfa->byte_class[c] + set_has(dfa, dfa->sets + set, folded);
			else if (c == '\n' || !c) key = c ? 700 : 701;
			else if (folded < 256 && is_used[folded]) key = 2 + 2 * folded + __re_is_word(dfa, c);
			else key = 600 + (dfa->has_word && __re_is_word(dfa, c));
			if (known[key] < 0) known[key] = count++;
			keys[c] = known[key];
		}
		for (int c = 0; c < 256; c++) dfa->byte_class[c] = keys[c];
	}
	dfa->byte_class_count = count;
}

int __re_anchor_holds(uint32_t anchor, int place)
{
	switch (anchor) {
	case ANCHOR_LINE_FIRST: return !!(place & PREV_NEWLINE);
	case ANCHOR_LINE_LAST: return !!(place & NEXT_NEWLINE);
	case ANCHOR_BUF_FIRST: return !!(place & PREV_BEGIN);
	case ANCHOR_BUF_LAST: return !!(place & NEXT_END);
	case ANCHOR_WORD_FIRST: return !(place & PREV_WORD) && (place & NEXT_WORD);
	case ANCHOR_WORD_LAST: return (place & PREV_WORD) && !(place & NEXT_WORD);
	case ANCHOR_INSIDE_WORD: return (place & PREV_WORD) && (place & NEXT_WORD);
	default: return !(place & PREV_WORD) && !(place & NEXT_WORD);
	}
}

/* --- walks over trees, without recursion --- */

static struct tree *leaf_of(struct tree *t)
{
	while (t->left || t->right) t = t->left ? t->left : t->right;
	return t;
}

static struct tree *post_next(struct tree *t)
{
	struct tree *parent = t->parent;
	if (!parent) return 0;
	return parent->right && parent->right != t ? leaf_of(parent->right) : parent;
}

static struct tree *pre_next(struct tree *t)
{
	if (t->left) return t->left;
	struct tree *from = 0;
	while (t && (t->right == from || !t->right)) from = t, t = t->parent;
	return t ? t->right : 0;
}

/* ((a)): the inner group is where the outer one is. */
static void groups_join(struct parse *p, struct tree *root)
{
	struct re_dfa_t *dfa = p->dfa;
	for (struct tree *t = root; t; t = pre_next(t)) {
		if (t->type == TREE_BACKREF) {
			t->value = dfa->group_map[t->value];
			dfa->used_backrefs |= 1u << t->value;
		} else if (t->type == TREE_GROUP && t->left && t->left->type == TREE_GROUP) {
			const uint32_t inner = t->left->value;
			t->left = t->left->left;
			if (t->left) t->left->parent = t;
			dfa->group_map[inner] = dfa->group_map[t->value];
			if (inner < 32) dfa->used_backrefs &= ~(1u << inner);
		}
	}
}

/* Groups become marks around their contents; nobody asks for them with REG_NOSUB. */
static struct tree *group_lower(struct parse *p, struct tree *group)
{
	struct tree *body = group->left;
	if (p->is_nosub && body && !(group->value < 32 && (p->dfa->used_backrefs >> group->value & 1))) return body;
	struct tree *open = __re_tree(p, TREE_OPEN, group->value, 0, 0), *close = __re_tree(p, TREE_CLOSE, group->value, 0, 0);
	if (!open || !close) return 0;
	close->is_optional = group->is_optional;
	struct tree *rest = body ? __re_tree(p, TREE_CONCAT, 0, body, close) : close;
	return rest ? __re_tree(p, TREE_CONCAT, 0, open, rest) : 0;
}

static int groups_lower(struct parse *p, struct tree *root)
{
	for (struct tree *t = leaf_of(root); t; t = post_next(t)) {
		if (t->left && t->left->type == TREE_GROUP) {
			if (!(t->left = group_lower(p, t->left))) return p->error;
			t->left->parent = t;
		}
		if (t->right && t->right->type == TREE_GROUP) {
			if (!(t->right = group_lower(p, t->right))) return p->error;
			t->right->parent = t;
		}
	}
	return 0;
}

static int number_nodes(struct parse *p, struct tree *root)
{
	static const unsigned char types[] = {
		[TREE_CHAR] = NODE_CHAR, [TREE_ANY] = NODE_ANY, [TREE_SET] = NODE_SET, [TREE_BACKREF] = NODE_BACKREF, [TREE_ANCHOR] = NODE_ANCHOR,
		[TREE_END] = NODE_END, [TREE_ALT] = NODE_FORK, [TREE_STAR] = NODE_FORK, [TREE_OPEN] = NODE_OPEN, [TREE_CLOSE] = NODE_CLOSE,
	};
	struct re_dfa_t *dfa = p->dfa;
	int count = 0;
	for (struct tree *t = leaf_of(root); t; t = post_next(t)) count++;
	dfa->nodes = calloc(count, sizeof *dfa->nodes);
	if (!dfa->nodes) return REG_ESPACE;
	for (struct tree *t = leaf_of(root); t; t = post_next(t)) {
		if (t->type == TREE_CONCAT) {
			t->first = t->left->first;
			t->number = t->left->number;
			continue;
		}
		t->first = t;
		t->number = dfa->node_count++;
		dfa->nodes[t->number] = (struct node){.type = types[t->type], .is_optional = t->is_optional, .value = t->value, .first = -1, .second = -1};
	}
	return 0;
}

static void set_next(struct tree *t)
{
	if (t->type == TREE_STAR) {
		t->left->next = t;
	} else if (t->type == TREE_CONCAT) {
		t->left->next = t->right->first;
		t->right->next = t->next;
	} else {
		if (t->left) t->left->next = t->next;
		if (t->right) t->right->next = t->next;
	}
}

static void link_node(struct re_dfa_t *dfa, const struct tree *t)
{
	struct node *node = dfa->nodes + t->number;
	if (t->type == TREE_CONCAT || t->type == TREE_END) return;
	if (t->type == TREE_ALT || t->type == TREE_STAR) {
		const int left = t->left ? t->left->first->number : t->next->number;
		const int right = t->right ? t->right->first->number : t->next->number;
		node->first = left < right ? left : right;
		node->second = left == right ? -1 : left < right ? right : left;
	} else {
		node->first = t->next->number;
	}
}

/* For every node those that lead to it. */
static int reverse_make(struct re_dfa_t *dfa)
{
	const int count = dfa->node_count;
	int *starts = dfa->reverse_starts = calloc(count + 2, sizeof *starts);
	int *list = dfa->reverse = calloc(2 * count + 1, sizeof *list);
	if (!starts || !list) return REG_ESPACE;
	for (int i = 0; i < count; i++) {
		if (dfa->nodes[i].first >= 0) starts[dfa->nodes[i].first + 2]++;
		if (dfa->nodes[i].second >= 0) starts[dfa->nodes[i].second + 2]++;
	}
	for (int i = 2; i < count + 2; i++) starts[i] += starts[i - 1];
	for (int i = 0; i < count; i++) {
		if (dfa->nodes[i].first >= 0) list[starts[dfa->nodes[i].first + 1]++] = i;
		if (dfa->nodes[i].second >= 0) list[starts[dfa->nodes[i].second + 1]++] = i;
	}
	return 0;
}

int __re_build(struct parse *p, struct tree *root)
{
	struct re_dfa_t *dfa = p->dfa;
	if (root->type == TREE_GROUP) return REG_ESPACE; /* the parser ends every tree with TREE_END */
	dfa->group_count = p->group_count;
	if (p->group_count) {
		dfa->group_map = malloc(p->group_count * sizeof *dfa->group_map);
		if (!dfa->group_map) return REG_ESPACE;
		for (size_t i = 0; i < p->group_count; i++) dfa->group_map[i] = i;
		groups_join(p, root);
	}
	int r = groups_lower(p, root);
	if (!r) r = number_nodes(p, root);
	if (r) return r;
	for (struct tree *t = root; t; t = pre_next(t)) set_next(t);
	for (struct tree *t = root; t; t = pre_next(t)) link_node(dfa, t);
	dfa->start = root->first->number;
	return reverse_make(dfa);
}
