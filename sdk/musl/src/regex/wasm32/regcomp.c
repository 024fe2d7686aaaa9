/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regcomp, regexec, regfree, regerror, and GNU's names for the same (re_compile_pattern, re_search). regex-int.h says how it works.
 * NEEDSWORK: the automaton grows in regexec; guests with threads need a lock around it.
 */
#include <stdio.h>
#include "regex-int.h"
#include "locale_impl.h"

reg_syntax_t re_syntax_options;

static void dfa_free(struct re_dfa_t *dfa)
{
	if (!dfa) return;
	for (int i = 0; i < dfa->set_count; i++) free(dfa->sets[i].ranges);
	for (int i = 0; i < dfa->table_size; i++) free(dfa->table[i]);
	for (int i = 0; i < 3; i++) free(dfa->work[i]);
	free(dfa->table);
	free(dfa->mark);
	free(dfa->bits);
	free(dfa->reverse_starts);
	free(dfa->reverse);
	free(dfa->group_map);
	free(dfa->sets);
	free(dfa->nodes);
	free(dfa);
}

/* The bytes that a match can begin with: what the nodes take that are reached without text, wherever it is. */
static int begins_make(struct re_dfa_t *dfa)
{
	int *queue = dfa->work[1], count = 0;
	dfa->mark[dfa->start] = ++dfa->generation;
	queue[count++] = dfa->start;
	for (int i = 0; i < count; i++) {
		const struct node *node = dfa->nodes + queue[i];
		if (node->type == NODE_END || node->type == NODE_BACKREF) dfa->can_be_empty = 1;
		if (node->type < NODE_BACKREF) {
			for (int c = 0; c < 256; c++) {
				unsigned char utf8[4] = {c};
				/* Above ASCII any character of that first byte: not worth telling apart. */
				if (dfa->is_utf8 && c >= 0x80 ? node->type != NODE_CHAR || node->value >= 0x80 : __re_node_takes(dfa, node, utf8[0])) dfa->can_begin[c] = 1;
			}
			continue;
		}
		const int next[2] = {node->first, node->second};
		for (int k = 0; k < 2; k++) {
			if (next[k] < 0 || dfa->mark[next[k]] == dfa->generation) continue;
			dfa->mark[next[k]] = dfa->generation;
			queue[count++] = next[k];
		}
	}
	return 0;
}

static int dfa_make(struct re_dfa_t *dfa, struct parse *p)
{
	struct tree *root = __re_parse(p);
	int r = p->error ? p->error : root ? __re_build(p, root) : REG_ESPACE;
	if (r) return r;
	const size_t size = (dfa->node_count + 1) * sizeof(int);
	for (int i = 0; i < 3; i++)
		if (!(dfa->work[i] = malloc(size))) return REG_ESPACE;
	if (!(dfa->mark = calloc(1, size)) || !(dfa->bits = calloc(dfa->node_count / 32 + 1, sizeof *dfa->bits))) return REG_ESPACE;
	__re_byte_classes(dfa);
	return begins_make(dfa);
}

int __re_compile(regex_t *re, const char *text, size_t size, reg_syntax_t syntax)
{
	struct re_dfa_t *dfa = calloc(1, sizeof *dfa);
	re->buffer = 0;
	re->re_nsub = 0;
	re->syntax = syntax;
	if (!dfa) return REG_ESPACE;
	dfa->is_utf8 = CURRENT_UTF8;
	dfa->is_icase = !!(syntax & RE_ICASE);
	dfa->is_dot_newline = !!(syntax & RE_DOT_NEWLINE);
	dfa->is_dot_null = !(syntax & RE_DOT_NOT_NULL);
	dfa->is_newline_anchor = re->newline_anchor;
	dfa->translate = re->translate;
	struct parse parse = {.dfa = dfa, .text = (const unsigned char *)text, .size = size, .syntax = syntax, .is_nosub = re->no_sub};
	const int r = dfa_make(dfa, &parse);
	for (struct tree *next; parse.all; parse.all = next) {
		next = parse.all->link;
		free(parse.all);
	}
	if (r) {
		dfa_free(dfa);
		return r;
	}
	re->buffer = dfa;
	re->allocated = re->used = sizeof *dfa;
	re->re_nsub = parse.group_count;
	re->can_be_null = dfa->can_be_empty;
	return 0;
}

int regcomp(regex_t *restrict re, const char *restrict pattern, int flags)
{
	reg_syntax_t syntax = flags & REG_EXTENDED ? RE_SYNTAX_POSIX_EXTENDED : RE_SYNTAX_POSIX_BASIC;
	*re = (regex_t){.no_sub = !!(flags & REG_NOSUB), .newline_anchor = !!(flags & REG_NEWLINE)};
	if (flags & REG_ICASE) syntax |= RE_ICASE;
	if (flags & REG_NEWLINE) syntax = (syntax & ~RE_DOT_NEWLINE) | RE_HAT_LISTS_NOT_NEWLINE;
	const int r = __re_compile(re, pattern, strlen(pattern), syntax);
	return r == REG_ERPAREN ? REG_EPAREN : r;
}

int regexec(const regex_t *restrict re, const char *restrict string, size_t count, regmatch_t groups[restrict], int flags)
{
	const size_t start = flags & REG_STARTEND ? groups[0].rm_so : 0;
	if (flags & ~(REG_NOTBOL | REG_NOTEOL | REG_STARTEND)) return REG_BADPAT;
	if (!re->buffer) return REG_NOMATCH;
	const struct match match = {.dfa = re->buffer, .text = (const unsigned char *)string, .flags = flags,
		.size = flags & REG_STARTEND ? (size_t)groups[0].rm_eo : strlen(string)};
	const size_t wanted = re->no_sub ? 0 : count;
	const long r = __re_search(&match, start, match.size, wanted, groups);
	if (r < 0) return r == -2 ? REG_ESPACE : REG_NOMATCH;
	return REG_NOERROR;
}

void regfree(regex_t *re)
{
	dfa_free(re->buffer);
	free(re->fastmap);
	free(re->translate);
	re->buffer = 0;
	re->fastmap = 0;
	re->translate = 0;
	re->allocated = 0;
}

const char *__re_message(int code)
{
	static const char *const messages[] = {
		"Success", "No match", "Invalid regular expression", "Invalid collation character", "Invalid character class name", "Trailing backslash",
		"Invalid back reference", "Unmatched [, [^, [:, [., or [=", "Unmatched ( or \\(", "Unmatched \\{", "Invalid content of \\{\\}", "Invalid range end",
		"Memory exhausted", "Invalid preceding regular expression", "Premature end of regular expression", "Regular expression too big",
		"Unmatched ) or \\)"};
	if (code < 0 || code > REG_ERPAREN) abort(); /* glibc: only programming errors come here */
	return messages[code];
}

size_t regerror(int code, const regex_t *restrict re, char *restrict text, size_t size)
{
	return 1 + snprintf(text, size, "%s", __re_message(code));
}

reg_syntax_t re_set_syntax(reg_syntax_t syntax)
{
	const reg_syntax_t old = re_syntax_options;
	re_syntax_options = syntax;
	return old;
}

const char *re_compile_pattern(const char *pattern, size_t size, struct re_pattern_buffer *re)
{
	re->no_sub = !!(re_syntax_options & RE_NO_SUB);
	re->newline_anchor = 1;
	dfa_free(re->allocated ? re->buffer : 0);
	re->allocated = 0;
	const int r = __re_compile(re, pattern, size, re_syntax_options);
	return r ? __re_message(r) : 0;
}

int re_compile_fastmap(struct re_pattern_buffer *re)
{
	if (re->fastmap) memcpy(re->fastmap, re->buffer->can_begin, 256);
	re->fastmap_accurate = 1;
	return 0;
}

/* Into the caller's registers, which may have to grow. Return: -2 when they cannot. */
static int registers_set(struct re_pattern_buffer *re, struct re_registers *regs, const regmatch_t *groups, unsigned count)
{
	const unsigned needed = count + 1;
	if (re->regs_allocated == REGS_UNALLOCATED || (re->regs_allocated == REGS_REALLOCATE && regs->num_regs < needed)) {
		const int is_new = re->regs_allocated == REGS_UNALLOCATED;
		regoff_t *start = realloc(is_new ? 0 : regs->start, needed * sizeof *start);
		if (!start) return -2;
		regs->start = start;
		regoff_t *end = realloc(is_new ? 0 : regs->end, needed * sizeof *end);
		if (!end) return -2;
		regs->end = end;
		regs->num_regs = needed;
		re->regs_allocated = REGS_REALLOCATE;
	}
	for (unsigned i = 0; i < regs->num_regs; i++) {
		regs->start[i] = i < count ? groups[i].rm_so : -1;
		regs->end[i] = i < count ? groups[i].rm_eo : -1;
	}
	return 0;
}

/* is_match: the length of the match is wanted, not its place. */
static regoff_t search(struct re_pattern_buffer *re, const char *text, regoff_t size, regoff_t start, regoff_t range, regoff_t stop, struct re_registers *regs,
	int is_match)
{
	long last = (long)start + range;
	if (start < 0 || start > size || !re->buffer) return -1;
	if (last > size) last = size;
	if (last < 0) last = 0;
	const struct match match = {.dfa = re->buffer, .text = (const unsigned char *)text, .size = stop < size ? stop : size,
		.flags = (re->not_bol ? REG_NOTBOL : 0) | (re->not_eol ? REG_NOTEOL : 0)};
	size_t count = !regs || re->no_sub ? 1 : re->regs_allocated == REGS_FIXED && regs->num_regs <= re->re_nsub ? regs->num_regs : re->re_nsub + 1;
	if (!count) count = 1, regs = 0;
	regmatch_t *groups = malloc(count * sizeof *groups);
	if (!groups) return -2;
	if (last > (long)match.size) last = match.size;
	long r = start > (regoff_t)match.size ? -1 : __re_search(&match, start, last, count, groups);
	if (r >= 0 && regs && !re->no_sub && registers_set(re, regs, groups, count)) r = -2;
	if (r >= 0 && is_match) r = groups[0].rm_eo - start;
	free(groups);
	return r;
}

regoff_t re_search(struct re_pattern_buffer *re, const char *text, regoff_t size, regoff_t start, regoff_t range, struct re_registers *regs)
{
	return search(re, text, size, start, range, size, regs, 0);
}

regoff_t re_match(struct re_pattern_buffer *re, const char *text, regoff_t size, regoff_t start, struct re_registers *regs)
{
	return search(re, text, size, start, 0, size, regs, 1);
}

static regoff_t search_2(struct re_pattern_buffer *re, const char *a, regoff_t a_size, const char *b, regoff_t b_size, regoff_t start, regoff_t range,
	struct re_registers *regs, regoff_t stop, int is_match)
{
	char *text;
	if (a_size < 0 || b_size < 0 || stop < 0) return -2;
	if (!a_size || !b_size) return search(re, a_size ? a : b, a_size + b_size, start, range, stop, regs, is_match);
	if (!(text = malloc((size_t)a_size + b_size))) return -2;
	memcpy(text, a, a_size);
	memcpy(text + a_size, b, b_size);
	const regoff_t r = search(re, text, a_size + b_size, start, range, stop, regs, is_match);
	free(text);
	return r;
}

regoff_t re_search_2(struct re_pattern_buffer *re, const char *a, regoff_t a_size, const char *b, regoff_t b_size, regoff_t start, regoff_t range,
	struct re_registers *regs, regoff_t stop)
{
	return search_2(re, a, a_size, b, b_size, start, range, regs, stop, 0);
}

regoff_t re_match_2(struct re_pattern_buffer *re, const char *a, regoff_t a_size, const char *b, regoff_t b_size, regoff_t start, struct re_registers *regs,
	regoff_t stop)
{
	return search_2(re, a, a_size, b, b_size, start, 0, regs, stop, 1);
}

void re_set_registers(struct re_pattern_buffer *re, struct re_registers *regs, unsigned count, regoff_t *starts, regoff_t *ends)
{
	re->regs_allocated = count ? REGS_REALLOCATE : REGS_UNALLOCATED;
	*regs = (struct re_registers){.num_regs = count, .start = count ? starts : 0, .end = count ? ends : 0};
}
