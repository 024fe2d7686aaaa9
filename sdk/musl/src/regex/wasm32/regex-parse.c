/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex-parse.c - pattern to tree. The grammar is steered by the bits of reg_syntax_t, so that one parser serves POSIX's basic and extended
 * expressions and GNU's; where the standard leaves a case open, the answer is glibc's.
 */
#include "regex-int.h"

enum token_type {
	T_END, T_CHAR, T_OPEN, T_CLOSE, T_ALT, T_STAR, T_PLUS, T_QUESTION, T_OPEN_BRACE, T_CLOSE_BRACE, T_BRACKET, T_ANY, T_ANCHOR, T_BACKREF, T_BACKSLASH,
	T_WORD, T_NOTWORD, T_SPACE, T_NOTSPACE, T_WORD_DELIMITER, T_NOT_WORD_DELIMITER,
};

struct token {
	enum token_type type;
	uint32_t value;
	size_t size;
};

struct tree *__re_tree(struct parse *p, enum tree_type type, uint32_t value, struct tree *left, struct tree *right)
{
	struct tree *tree = ++p->tree_count > TREES_MAX ? 0 : calloc(1, sizeof *tree);
	if (!tree) {
		p->error = REG_ESPACE;
		return 0;
	}
	tree->type = type;
	tree->value = value;
	tree->left = left;
	tree->right = right;
	if (left) left->parent = tree;
	if (right) right->parent = tree;
	tree->link = p->all;
	p->all = tree;
	return tree;
}

static struct token peek(struct parse *p, reg_syntax_t syntax);

static enum token_type gnu_operator(unsigned char c, uint32_t *value)
{
	switch (c) {
	case '<': *value = ANCHOR_WORD_FIRST; return T_ANCHOR;
	case '>': *value = ANCHOR_WORD_LAST; return T_ANCHOR;
	case '`': *value = ANCHOR_BUF_FIRST; return T_ANCHOR;
	case '\'': *value = ANCHOR_BUF_LAST; return T_ANCHOR;
	case 'b': return T_WORD_DELIMITER;
	case 'B': return T_NOT_WORD_DELIMITER;
	case 'w': return T_WORD;
	case 'W': return T_NOTWORD;
	case 's': return T_SPACE;
	case 'S': return T_NOTSPACE;
	default: return T_CHAR;
	}
}

static struct token peek_quoted(struct parse *p, reg_syntax_t syntax)
{
	struct token t = {.type = T_CHAR, .size = 2};
	if (p->at + 1 >= p->size) return (struct token){.type = T_BACKSLASH, .size = 1};
	const unsigned char c = p->text[p->at + 1];
	if (c == '|' && !(syntax & (RE_LIMITED_OPS | RE_NO_BK_VBAR))) t.type = T_ALT;
	else if (c >= '1' && c <= '9' && !(syntax & RE_NO_BK_REFS)) t.type = T_BACKREF, t.value = c - '1';
	else if (c == '(' && !(syntax & RE_NO_BK_PARENS)) t.type = T_OPEN;
	else if (c == ')' && !(syntax & RE_NO_BK_PARENS)) t.type = T_CLOSE;
	else if (c == '+' && !(syntax & RE_LIMITED_OPS) && (syntax & RE_BK_PLUS_QM)) t.type = T_PLUS;
	else if (c == '?' && !(syntax & RE_LIMITED_OPS) && (syntax & RE_BK_PLUS_QM)) t.type = T_QUESTION;
	else if (c == '{' && (syntax & RE_INTERVALS) && !(syntax & RE_NO_BK_BRACES)) t.type = T_OPEN_BRACE;
	else if (c == '}' && (syntax & RE_INTERVALS) && !(syntax & RE_NO_BK_BRACES)) t.type = T_CLOSE_BRACE;
	else if (!(syntax & RE_NO_GNU_OPS)) t.type = gnu_operator(c, &t.value);
	if (t.type == T_CHAR) {
		t.size = 1 + __re_take(p->dfa, p->text + p->at + 1, p->size - p->at - 1, &t.value);
		t.value = __re_fold(p->dfa, t.value);
	}
	return t;
}

/* Is a $ here the end of something? Without RE_CONTEXT_INDEP_ANCHORS only then it is an anchor. */
static int is_dollar_anchor(struct parse *p, reg_syntax_t syntax)
{
	if ((syntax & RE_CONTEXT_INDEP_ANCHORS) || p->at + 1 == p->size) return 1;
	if (p->text[p->at + 1] == '$') return 0; /* whatever that one is; and peek would call itself for each of them */
	p->at++;
	const struct token next = peek(p, syntax);
	p->at--;
	return next.type == T_ALT || next.type == T_CLOSE;
}

static struct token peek(struct parse *p, reg_syntax_t syntax)
{
	struct token t = {.type = T_CHAR};
	if (p->at >= p->size) return (struct token){.type = T_END};
	if (p->text[p->at] == '\\') return peek_quoted(p, syntax);
	t.size = __re_take(p->dfa, p->text + p->at, p->size - p->at, &t.value);
	switch (t.value) {
	case '\n': if (syntax & RE_NEWLINE_ALT) t.type = T_ALT; break;
	case '|': if (!(syntax & RE_LIMITED_OPS) && (syntax & RE_NO_BK_VBAR)) t.type = T_ALT; break;
	case '*': t.type = T_STAR; break;
	case '+': if (!(syntax & (RE_LIMITED_OPS | RE_BK_PLUS_QM))) t.type = T_PLUS; break;
	case '?': if (!(syntax & (RE_LIMITED_OPS | RE_BK_PLUS_QM))) t.type = T_QUESTION; break;
	case '{': if ((syntax & RE_INTERVALS) && (syntax & RE_NO_BK_BRACES)) t.type = T_OPEN_BRACE; break;
	case '}': if ((syntax & RE_INTERVALS) && (syntax & RE_NO_BK_BRACES)) t.type = T_CLOSE_BRACE; break;
	case '(': if (syntax & RE_NO_BK_PARENS) t.type = T_OPEN; break;
	case ')': if (syntax & RE_NO_BK_PARENS) t.type = T_CLOSE; break;
	case '[': t.type = T_BRACKET; break;
	case '.': t.type = T_ANY; break;
	case '^':
		if ((syntax & (RE_CONTEXT_INDEP_ANCHORS | RE_CARET_ANCHORS_HERE)) || p->at == 0 || ((syntax & RE_NEWLINE_ALT) && p->text[p->at - 1] == '\n')) {
			t.type = T_ANCHOR;
			t.value = ANCHOR_LINE_FIRST;
		}
		break;
	case '$':
		if (is_dollar_anchor(p, syntax)) {
			t.type = T_ANCHOR;
			t.value = ANCHOR_LINE_LAST;
		}
		break;
	}
	if (t.type == T_CHAR) t.value = __re_fold(p->dfa, t.value);
	return t;
}

static void advance(struct parse *p, struct token *t, reg_syntax_t syntax)
{
	p->at += t->size;
	*t = peek(p, syntax);
}

static struct tree *parse_alternatives(struct parse *p, struct token *t, int nest);

/* -1: no number, -2: something else, as in "{x}". */
static int parse_number(struct parse *p, struct token *t)
{
	int number = -1;
	for (;;) {
		advance(p, t, p->syntax);
		if (t->type == T_END) return -2;
		if (t->type == T_CLOSE_BRACE || (t->type == T_CHAR && t->value == ',')) return number;
		if (t->type != T_CHAR || t->value < '0' || t->value > '9' || number == -2) number = -2;
		else if (number == -1) number = t->value - '0';
		else number = number > RE_DUP_MAX ? RE_DUP_MAX + 1 : number * 10 + (int)t->value - '0';
	}
}

static struct tree *copy(struct parse *p, const struct tree *tree)
{
	/* Depth first without recursion: patterns may be long. */
	struct tree *root = 0, **place = &root, *parent = 0;
	for (;;) {
		struct tree *made = __re_tree(p, tree->type, tree->value, 0, 0);
		if (!made) return 0;
		made->parent = parent;
		*place = made;
		if (tree->left) {
			tree = tree->left;
			place = &made->left;
			parent = made;
			continue;
		}
		const struct tree *from = 0;
		while (tree->right == from || !tree->right) {
			from = tree;
			tree = tree->parent;
			made = made->parent;
			if (!made) return root;
		}
		tree = tree->right;
		place = &made->right;
		parent = made;
	}
}

/* In the part that may be left out, the ends of the group say so. */
static void mark_optional(struct tree *root)
{
	struct tree *t = root;
	for (;;) {
		if (t->type == TREE_GROUP && t->value == root->value) t->is_optional = 1;
		if (t->left) {
			t = t->left;
			continue;
		}
		struct tree *from = 0;
		while (t != root && (t->right == from || !t->right)) from = t, t = t->parent;
		if (t->right == from || !t->right) return;
		t = t->right;
	}
}

/* element{least,most}; most -1: without end. The shape is glibc's, for the order of the nodes: (((e)?e)?e)? */
static struct tree *repeat(struct parse *p, struct tree *element, int least, int most)
{
	struct tree *before = 0;
	if (!least && !most) return 0;
	if (least > 0) {
		before = element;
		for (int i = 2; i <= least; i++) {
			element = copy(p, element);
			before = element ? __re_tree(p, TREE_CONCAT, 0, before, element) : 0;
			if (!before) return 0;
		}
		if (least == most) return before;
		element = copy(p, element);
		if (!element) return 0;
	}
	if (element->type == TREE_GROUP) mark_optional(element);
	struct tree *tree = __re_tree(p, most == -1 ? TREE_STAR : TREE_ALT, 0, element, 0);
	p->dfa->has_fork = 1;
	for (int i = least + 2; tree && most != -1 && i <= most; i++) {
		element = copy(p, element);
		if (!element) return 0;
		tree = __re_tree(p, TREE_CONCAT, 0, tree, element);
		if (tree) tree = __re_tree(p, TREE_ALT, 0, tree, 0);
	}
	return tree && before ? __re_tree(p, TREE_CONCAT, 0, before, tree) : tree;
}

static struct tree *parse_repetition(struct parse *p, struct tree *element, struct token *t)
{
	const struct token start_token = *t;
	const size_t start_at = p->at;
	int least = t->type == T_PLUS, most = t->type == T_QUESTION ? 1 : -1;
	if (t->type == T_OPEN_BRACE) {
		most = 0;
		least = parse_number(p, t);
		if (least == -1) {
			if (t->type != T_CHAR || t->value != ',') {
				p->error = REG_BADBR;
				return 0;
			}
			least = 0;
		}
		if (least != -2) most = t->type == T_CLOSE_BRACE ? least : t->type == T_CHAR && t->value == ',' ? parse_number(p, t) : -2;
		if (least == -2 || most == -2) {
			if (!(p->syntax & RE_INVALID_INTERVAL_ORD)) {
				p->error = t->type == T_END ? REG_EBRACE : REG_BADBR;
				return 0;
			}
			*t = start_token; /* an ordinary { */
			p->at = start_at;
			t->type = T_CHAR;
			t->value = p->text[p->at + t->size - 1];
			return element;
		}
		if ((most != -1 && least > most) || t->type != T_CLOSE_BRACE) p->error = REG_BADBR;
		else if ((most == -1 ? least : most) > RE_DUP_MAX) p->error = REG_ESIZE;
		if (p->error) return 0;
	}
	advance(p, t, p->syntax);
	return element ? repeat(p, element, least, most) : 0;
}

static struct tree *parse_group(struct parse *p, struct token *t, int nest)
{
	const size_t group = p->group_count++;
	struct tree *tree = 0;
	if (nest == NEST_MAX) p->error = REG_ESPACE;
	if (p->error) return 0;
	advance(p, t, p->syntax | RE_CARET_ANCHORS_HERE);
	if (t->type != T_CLOSE) {
		tree = parse_alternatives(p, t, nest + 1);
		if (p->error) return 0;
		if (t->type != T_CLOSE) {
			p->error = REG_EPAREN;
			return 0;
		}
	}
	if (group < 9) p->complete_groups |= 1u << group;
	return __re_tree(p, TREE_GROUP, group, tree, 0);
}

static struct tree *parse_anchor(struct parse *p, struct token *t)
{
	p->dfa->has_anchor = 1;
	p->dfa->has_word |= t->type != T_ANCHOR || t->value >= ANCHOR_WORD_FIRST;
	struct tree *tree;
	if (t->type == T_ANCHOR) {
		tree = __re_tree(p, TREE_ANCHOR, t->value, 0, 0);
	} else {
		const int is_delimiter = t->type == T_WORD_DELIMITER;
		struct tree *left = __re_tree(p, TREE_ANCHOR, is_delimiter ? ANCHOR_WORD_FIRST : ANCHOR_INSIDE_NOTWORD, 0, 0);
		struct tree *right = __re_tree(p, TREE_ANCHOR, is_delimiter ? ANCHOR_WORD_LAST : ANCHOR_INSIDE_WORD, 0, 0);
		tree = left && right ? __re_tree(p, TREE_ALT, 0, left, right) : 0;
	}
	advance(p, t, p->syntax); /* and no repetition: "^*" is ^ and a *, or an error */
	return tree;
}

static int is_repetition(const struct token *t)
{
	return t->type == T_STAR || t->type == T_PLUS || t->type == T_QUESTION || t->type == T_OPEN_BRACE;
}

/* Operators where there is nothing to repeat. Return: 1 when the token is to be read as a character. */
static int check_leading_operator(struct parse *p, const struct token *t)
{
	if (t->type == T_OPEN_BRACE && (p->syntax & RE_CONTEXT_INVALID_DUP)) p->error = REG_BADRPT;
	else if ((p->syntax & RE_CONTEXT_INVALID_OPS) && !(p->syntax & RE_CONTEXT_INVALID_DUP)) p->error = REG_BADRPT;
	return !p->error && !(p->syntax & RE_CONTEXT_INDEP_OPS);
}

static struct tree *parse_char(struct parse *p, const struct token *t)
{
	return __re_tree(p, TREE_CHAR, t->type == T_CHAR ? t->value : p->text[p->at + t->size - 1], 0, 0);
}

static struct tree *parse_expression(struct parse *p, struct token *t, int nest)
{
	struct tree *tree = 0;
	int is_char = 0;
	while (is_repetition(t) && !(is_char = check_leading_operator(p, t))) {
		if (p->error) return 0;
		advance(p, t, p->syntax);
	}
	switch (is_char ? T_CHAR : t->type) {
	case T_CLOSE:
		if (!(p->syntax & RE_UNMATCHED_RIGHT_PAREN_ORD)) {
			p->error = REG_ERPAREN;
			return 0;
		}
		tree = parse_char(p, t);
		break;
	case T_CLOSE_BRACE: case T_CHAR: tree = parse_char(p, t); break;
	case T_OPEN: tree = parse_group(p, t, nest); break;
	case T_BRACKET: tree = __re_parse_bracket(p); break;
	case T_ANY: tree = __re_tree(p, TREE_ANY, 0, 0, 0); break;
	case T_WORD: case T_NOTWORD: tree = __re_class(p, "alnum", "_", t->type == T_NOTWORD); break;
	case T_SPACE: case T_NOTSPACE: tree = __re_class(p, "space", "", t->type == T_NOTSPACE); break;
	case T_ANCHOR: case T_WORD_DELIMITER: case T_NOT_WORD_DELIMITER: return parse_anchor(p, t);
	case T_BACKREF:
		if (!(p->complete_groups & 1u << t->value)) p->error = REG_ESUBREG;
		p->dfa->used_backrefs |= 1u << t->value;
		p->dfa->has_backref = 1;
		tree = __re_tree(p, TREE_BACKREF, t->value, 0, 0);
		break;
	case T_BACKSLASH: p->error = REG_EESCAPE; break;
	default: return 0; /* T_ALT, T_END */
	}
	if (p->error) return 0;
	if (t->type == T_BRACKET) t->size = 0; /* the bracket's parser stands behind it */
	advance(p, t, p->syntax);
	while (is_repetition(t)) {
		tree = parse_repetition(p, tree, t);
		if (p->error) return 0;
		if ((p->syntax & RE_CONTEXT_INVALID_DUP) && (t->type == T_STAR || t->type == T_OPEN_BRACE)) {
			p->error = REG_BADRPT;
			return 0;
		}
	}
	return tree;
}

static int is_branch_end(const struct token *t, int nest)
{
	return t->type == T_ALT || t->type == T_END || (nest && t->type == T_CLOSE);
}

static struct tree *parse_branch(struct parse *p, struct token *t, int nest)
{
	struct tree *tree = parse_expression(p, t, nest);
	while (!p->error && !is_branch_end(t, nest)) {
		struct tree *next = parse_expression(p, t, nest);
		if (tree && next) tree = __re_tree(p, TREE_CONCAT, 0, tree, next);
		else if (!tree) tree = next;
	}
	return p->error ? 0 : tree;
}

static struct tree *parse_alternatives(struct parse *p, struct token *t, int nest)
{
	const uint32_t complete_before = p->complete_groups;
	struct tree *tree = parse_branch(p, t, nest);
	while (!p->error && t->type == T_ALT) {
		struct tree *branch = 0;
		advance(p, t, p->syntax | RE_CARET_ANCHORS_HERE);
		if (!is_branch_end(t, nest)) {
			const uint32_t complete = p->complete_groups;
			p->complete_groups = complete_before;
			branch = parse_branch(p, t, nest);
			p->complete_groups |= complete;
		}
		if (p->error) return 0;
		tree = __re_tree(p, TREE_ALT, 0, tree, branch);
		p->dfa->has_fork = 1;
	}
	return p->error ? 0 : tree;
}

struct tree *__re_parse(struct parse *p)
{
	struct token t = peek(p, p->syntax | RE_CARET_ANCHORS_HERE);
	struct tree *tree = parse_alternatives(p, &t, 0);
	if (p->error) return 0;
	struct tree *end = __re_tree(p, TREE_END, 0, 0, 0);
	return tree && end ? __re_tree(p, TREE_CONCAT, 0, tree, end) : end;
}
