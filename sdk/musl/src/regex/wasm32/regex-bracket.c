/* SPDX-License-Identifier: Apache-2.0 */
/* regex-bracket.c - sets: bracket expressions and the classes behind \w and \s. */
#include "regex-int.h"

#define NAME_MAX_SIZE 32

struct element {
	enum { E_CHAR, E_SYMBOL, E_EQUIVALENCE, E_CLASS } type;
	uint32_t c;
	char name[NAME_MAX_SIZE];
};

static struct set *set_new(struct parse *p, int *number)
{
	struct re_dfa_t *dfa = p->dfa;
	struct set *sets = dfa->set_count & (dfa->set_count + 1) ? dfa->sets : realloc(dfa->sets, (2 * dfa->set_count + 1) * sizeof *sets);
	if (!sets) {
		p->error = REG_ESPACE;
		return 0;
	}
	dfa->sets = sets;
	*number = dfa->set_count++;
	sets[*number] = (struct set){.is_negated = 0};
	return sets + *number;
}

static void set_add(const struct re_dfa_t *dfa, struct set *set, uint32_t c)
{
	if (c < (dfa->is_utf8 ? 0x80u : 0x100u)) set->bits[c / 32] |= 1u << c % 32;
}

static int set_add_range(struct parse *p, struct set *set, uint32_t first, uint32_t last)
{
	const uint32_t small = p->dfa->is_utf8 ? 0x80 : 0x100;
	for (uint32_t c = first; c <= last && c < small; c++) set_add(p->dfa, set, c);
	if (last < small || first >= RAW) return 0;
	void *ranges = realloc(set->ranges, (set->range_count + 1) * sizeof *set->ranges);
	if (!ranges) return p->error = REG_ESPACE;
	set->ranges = ranges;
	set->ranges[set->range_count].first = first < small ? small : first;
	set->ranges[set->range_count++].last = last;
	return 0;
}

static int set_add_class(struct parse *p, struct set *set, const char *name)
{
	static const char known[][8] = {"alnum", "cntrl", "lower", "space", "alpha", "digit", "print", "upper", "blank", "graph", "punct", "xdigit"};
	int i = 0;
	if (p->dfa->is_icase && (!strcmp(name, "upper") || !strcmp(name, "lower"))) name = "alpha";
	while (i < 12 && strcmp(known[i], name)) i++;
	const wctype_t class = i < 12 ? wctype(name) : 0;
	if (!class) return p->error = REG_ECTYPE;
	for (uint32_t c = 0; c < 0x80; c++)
		if (iswctype(c, class)) set_add(p->dfa, set, c);
	for (i = 0; i < set->class_count; i++)
		if (set->classes[i] == class) return 0;
	if (set->class_count < 16) set->classes[set->class_count++] = class;
	return 0;
}

struct tree *__re_class(struct parse *p, const char *name, const char *extra, int is_negated)
{
	int number;
	struct set *set = set_new(p, &number);
	if (!set || set_add_class(p, set, name)) return 0;
	for (; *extra; extra++) set_add(p->dfa, set, *extra);
	set->is_negated = is_negated;
	return __re_tree(p, TREE_SET, number, 0, 0);
}

static int is_end(struct parse *p)
{
	return p->at >= p->size;
}

/* After "[:", "[." or "[=" up to its end. */
static int parse_symbol(struct parse *p, struct element *e, unsigned char delimiter)
{
	for (int i = 0; i < NAME_MAX_SIZE; i++) {
		if (is_end(p)) return p->error = REG_EBRACK;
		const unsigned char c = p->text[p->at++];
		if (is_end(p)) return p->error = REG_EBRACK;
		if (c == delimiter && p->text[p->at] == ']') {
			p->at++;
			e->name[i] = 0;
			return 0;
		}
		if (i == NAME_MAX_SIZE - 1) break;
		e->name[i] = c;
	}
	return p->error = REG_EBRACK;
}

/* "---" is one ordinary hyphen. */
static int is_triple_hyphen(struct parse *p)
{
	return p->at + 2 < p->size && p->text[p->at] == '-' && p->text[p->at + 1] == '-' && p->text[p->at + 2] == '-';
}

static int parse_element(struct parse *p, struct element *e, int accepts_hyphen)
{
	if (is_end(p)) return p->error = REG_EBRACK;
	unsigned char c = p->text[p->at];
	e->type = E_CHAR;
	if (c == '[' && p->at + 1 < p->size) {
		const unsigned char kind = p->text[p->at + 1];
		if (kind == '.' || kind == '=' || (kind == ':' && (p->syntax & RE_CHAR_CLASSES))) {
			p->at += 2;
			if (is_end(p)) return p->error = REG_EBRACK;
			e->type = kind == '.' ? E_SYMBOL : kind == '=' ? E_EQUIVALENCE : E_CLASS;
			return parse_symbol(p, e, kind);
		}
	}
	if (is_triple_hyphen(p)) {
		p->at += 2;
	} else if (c == '-' && !accepts_hyphen) {
		/* Not first, not last, no range: POSIX leaves it open. */
		if (p->at + 1 >= p->size || p->text[p->at + 1] != ']') return p->error = REG_ERANGE;
	}
	if (c == '\\' && (p->syntax & RE_BACKSLASH_ESCAPE_IN_LISTS) && p->at + 1 < p->size) p->at++;
	p->at += __re_take(p->dfa, p->text + p->at, p->size - p->at, &e->c);
	e->c = __re_fold(p->dfa, e->c);
	return 0;
}

/* A symbol or an equivalence class is one character; there are no others in these locales. */
static int symbol_char(struct parse *p, const struct element *e, uint32_t *c)
{
	const size_t size = strlen(e->name);
	if (!size || (size_t)__re_take(p->dfa, (const unsigned char *)e->name, size, c) != size || (size > 1 && *c >= RAW)) return p->error = REG_ECOLLATE;
	*c = __re_fold(p->dfa, *c);
	return 0;
}

static int add_range(struct parse *p, struct set *set, const struct element *first, const struct element *last)
{
	uint32_t from = first->c, to = last->c;
	if (first->type > E_SYMBOL || last->type > E_SYMBOL) return p->error = REG_ERANGE;
	if (first->type == E_SYMBOL && symbol_char(p, first, &from)) return p->error;
	if (last->type == E_SYMBOL && symbol_char(p, last, &to)) return p->error;
	if (from > to) return (p->syntax & RE_NO_EMPTY_RANGES) ? p->error = REG_ERANGE : 0;
	return set_add_range(p, set, from, to);
}

static int add_one(struct parse *p, struct set *set, const struct element *e)
{
	uint32_t c = e->c;
	if (e->type == E_CLASS) return set_add_class(p, set, e->name);
	if (e->type != E_CHAR && symbol_char(p, e, &c)) return p->error;
	return set_add_range(p, set, c, c);
}

/* Is this the - of a range? It is none before ]. */
static int is_range(struct parse *p)
{
	if (p->text[p->at] != '-' || is_triple_hyphen(p)) return 0;
	if (p->at + 1 >= p->size) {
		p->error = REG_EBRACK;
		return 0;
	}
	return p->text[p->at + 1] != ']';
}

/* p->at is at '['; afterwards it is behind ']'. */
struct tree *__re_parse_bracket(struct parse *p)
{
	int number, is_first = 1;
	struct set *set = set_new(p, &number);
	if (!set) return 0;
	p->at++;
	if (!is_end(p) && p->text[p->at] == '^') {
		set->is_negated = 1;
		if (p->syntax & RE_HAT_LISTS_NOT_NEWLINE) set_add(p->dfa, set, '\n');
		p->at++;
	}
	if (is_end(p)) {
		p->error = REG_BADPAT;
		return 0;
	}
	for (;;) {
		struct element first, last;
		if (parse_element(p, &first, is_first)) return 0;
		is_first = 0;
		if (first.type < E_EQUIVALENCE && is_end(p)) p->error = REG_EBRACK;
		const int has_range = !p->error && first.type < E_EQUIVALENCE && is_range(p);
		if (p->error) return 0;
		if (has_range) {
			p->at++;
			if (parse_element(p, &last, 1) || add_range(p, set, &first, &last)) return 0;
		} else if (add_one(p, set, &first)) {
			return 0;
		}
		if (is_end(p)) {
			p->error = REG_EBRACK;
			return 0;
		}
		if (p->text[p->at] == ']') break;
	}
	p->at++;
	return __re_tree(p, TREE_SET, number, 0, 0);
}
