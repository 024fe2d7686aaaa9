/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex-int.h - regular expressions with glibc's answers: which patterns are errors, which text matches, which parts the groups get.
 *
 *   pattern --regex-parse.c--> tree --regex-nfa.c--> nodes --regex-exec.c--> leftmost, longest match --> way through the nodes (groups)
 *
 * A match is found with sets of nodes; sets that were seen are kept with what follows each byte (a deterministic automaton that grows when it is
 * used). The way through the nodes is the first one that ends where the match ends: at a fork the node with the lower number goes first, and
 * nodes are numbered from the leaves up, left before right (repetition before what follows it). That is glibc's rule (set_regs); the groups of
 * (a|ab)(c|bcd)(d*) or ((..)|(.))* depend on it.
 *
 * Text is read as bytes in the C locale and as UTF-8 otherwise; a byte that is no UTF-8 is a character of its own, RAW + byte, in no class.
 */
#ifndef REGEX_INT_H
#define REGEX_INT_H

#define _GNU_SOURCE
#include <regex.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#define RAW 0x200000u       /* above every character */
#define TREES_MAX 1000000   /* 48 MB while a pattern is read; a{999}{999} is too big, a literal of 400 kB is not */
#define NEST_MAX 4000       /* groups in groups: the parser calls itself, and a guest's stack is small */
#define STATES_SIZE_MAX (32u << 20) /* then the automaton is begun anew */
#define ROWS_WORDS_MAX (4u << 20)  /* of regex-groups.c; beyond, rows are made twice */
#define EXPLORE_STEPS 4096         /* without rows, before they are made */
#define TRIED_MAX (8u << 20)       /* places that were tried for references back */

enum { /* what is before and after a place */
	PREV_BEGIN = 1, PREV_NEWLINE = 2, PREV_WORD = 4, PREV_OTHER = 8,
	NEXT_END = 16, NEXT_NEWLINE = 32, NEXT_WORD = 64, NEXT_OTHER = 128,
};

enum node_type {
	NODE_CHAR, NODE_ANY, NODE_SET, NODE_BACKREF, /* take text */
	NODE_END, NODE_FORK, NODE_OPEN, NODE_CLOSE, NODE_ANCHOR, /* do not */
};

enum anchor {
	ANCHOR_LINE_FIRST, ANCHOR_LINE_LAST, ANCHOR_BUF_FIRST, ANCHOR_BUF_LAST, ANCHOR_WORD_FIRST, ANCHOR_WORD_LAST, ANCHOR_INSIDE_WORD, ANCHOR_INSIDE_NOTWORD,
};

struct node {
	unsigned char type, is_optional; /* NODE_CLOSE of a group that may be left out */
	uint32_t value;                  /* character, number of the set, of the group, of the anchor */
	int first, second;               /* followers; of a fork two, else one; -1 none */
};

struct set {
	uint32_t bits[8]; /* bytes of the C locale, ASCII of UTF-8 */
	int is_negated, range_count, class_count;
	struct { uint32_t first, last; } *ranges; /* above ASCII */
	wctype_t classes[16];
};

struct state {
	uint32_t hash;
	int count;
	unsigned char before, is_floating;
	unsigned char accepts[16]; /* by what comes next: 0 not known, 1 no, 2 yes */
	int *nodes;                /* behind next */
	struct state *next[];      /* by class of the byte; above ASCII of UTF-8 never filled */
};

struct re_dfa_t {
	struct node *nodes;
	struct set *sets;
	int node_count, node_capacity, set_count, start;
	int *group_map;            /* groups that always are where another one is: ((a)) */
	size_t group_count;
	uint32_t used_backrefs;
	unsigned char *translate;  /* the caller's, of 256 bytes, for pattern and text; or NULL */
	unsigned char is_utf8, is_icase, is_newline_anchor, has_anchor, has_word, has_fork, has_backref, is_dot_newline, is_dot_null;
	unsigned char can_begin[256], can_be_empty; /* bytes that a match can begin with; or it is empty */
	int *reverse_starts, *reverse;              /* for every node those that lead to it */
	struct state **table;                       /* hash table of states */
	int state_count, table_size;
	size_t states_size;
	unsigned char byte_class[256]; /* bytes that no node, no set and no anchor tells apart have the same */
	int byte_class_count;
	struct state *starts[2][16];                /* [floating][before] */
	int *work[3], *mark, generation;            /* sets that are being made */
	uint32_t *bits;                             /* one a node, all 0 but in sort() */
	uint64_t effort;                            /* nodes looked at, ever */
};

enum tree_type {
	TREE_CHAR, TREE_ANY, TREE_SET, TREE_BACKREF, TREE_ANCHOR, TREE_END, TREE_CONCAT, TREE_ALT, TREE_STAR, TREE_GROUP, TREE_OPEN, TREE_CLOSE,
};

struct tree {
	enum tree_type type;
	int is_optional, number;
	uint32_t value;
	struct tree *parent, *left, *right, *first, *next, *link; /* link: all trees, to free them */
};

struct parse {
	struct re_dfa_t *dfa;
	const unsigned char *text;
	size_t size, at;
	reg_syntax_t syntax;
	struct tree *all;
	int tree_count, error;
	uint32_t complete_groups;
	size_t group_count;
	int is_nosub;
};

#define re_hidden __attribute__((__visibility__("hidden")))

re_hidden struct tree *__re_tree(struct parse *, enum tree_type, uint32_t value, struct tree *left, struct tree *right);
re_hidden struct tree *__re_parse(struct parse *);
re_hidden struct tree *__re_parse_bracket(struct parse *);
re_hidden struct tree *__re_class(struct parse *, const char *name, const char *extra, int is_negated);
re_hidden int __re_build(struct parse *, struct tree *);
re_hidden int __re_compile(regex_t *, const char *, size_t, reg_syntax_t);
re_hidden int __re_take(const struct re_dfa_t *, const unsigned char *text, size_t size, uint32_t *ret_c);
re_hidden uint32_t __re_fold(const struct re_dfa_t *, uint32_t c);
re_hidden int __re_is_word(const struct re_dfa_t *, uint32_t c);
re_hidden void __re_byte_classes(struct re_dfa_t *);
re_hidden int __re_node_takes(const struct re_dfa_t *, const struct node *, uint32_t c);
re_hidden int __re_anchor_holds(uint32_t anchor, int place);

struct match {
	struct re_dfa_t *dfa;
	const unsigned char *text;
	size_t size;
	int flags; /* REG_NOTBOL, REG_NOTEOL */
};
re_hidden int __re_place(const struct match *, size_t at);
re_hidden int __re_groups(const struct match *, size_t start, size_t end, size_t count, regmatch_t *groups);
re_hidden int __re_explore(const struct match *, size_t start, size_t *ret_end);
re_hidden int __re_longest(const struct match *, size_t start, const size_t *ends, size_t end_count, size_t *ret_number);
/* Return: start of the match, -1 none, -2 no memory. Starts from first to last, backwards when last is less. */
re_hidden long __re_search(const struct match *, long first, long last, size_t count, regmatch_t *groups);
re_hidden const char *__re_message(int);

#endif
