/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX's and GNU's regular expressions (regex(3), the GNU manual on regex); values and fields as Debian's programs know them. */
#ifndef _REGEX_H
#define _REGEX_H

#ifdef __cplusplus
extern "C" {
#endif

#include <features.h>

#define __NEED_regoff_t
#define __NEED_size_t
#define __NEED_ssize_t

#include <bits/alltypes.h>

typedef unsigned long reg_syntax_t;

#define REG_EXTENDED 1
#define REG_ICASE    2
#define REG_NEWLINE  4
#define REG_NOSUB    8

#define REG_NOTBOL   1
#define REG_NOTEOL   2
#define REG_STARTEND 4

typedef enum {
	REG_ENOSYS = -1, REG_NOERROR, REG_NOMATCH, REG_BADPAT, REG_ECOLLATE, REG_ECTYPE, REG_EESCAPE, REG_ESUBREG, REG_EBRACK, REG_EPAREN, REG_EBRACE,
	REG_BADBR, REG_ERANGE, REG_ESPACE, REG_BADRPT, REG_EEND, REG_ESIZE, REG_ERPAREN
} reg_errcode_t;
#define REG_OK REG_NOERROR

struct re_pattern_buffer {
#ifdef _GNU_SOURCE
	struct re_dfa_t *buffer;
	unsigned long allocated, used;
	reg_syntax_t syntax;
	char *fastmap;
	unsigned char *translate;
#else
	struct re_dfa_t *__buffer;
	unsigned long __allocated, __used;
	reg_syntax_t __syntax;
	char *__fastmap;
	unsigned char *__translate;
#endif
	size_t re_nsub;
#ifdef _GNU_SOURCE
	unsigned can_be_null : 2, regs_allocated : 2, fastmap_accurate : 1, no_sub : 1, not_bol : 1, not_eol : 1, newline_anchor : 1;
#else
	unsigned __can_be_null : 2, __regs_allocated : 2, __fastmap_accurate : 1, __no_sub : 1, __not_bol : 1, __not_eol : 1, __newline_anchor : 1;
#endif
};
typedef struct re_pattern_buffer regex_t;

typedef struct {
	regoff_t rm_so;
	regoff_t rm_eo;
} regmatch_t;

int regcomp(regex_t *__restrict, const char *__restrict, int);
int regexec(const regex_t *__restrict, const char *__restrict, size_t, regmatch_t *__restrict, int);
void regfree(regex_t *);

size_t regerror(int, const regex_t *__restrict, char *__restrict, size_t);

#ifdef _GNU_SOURCE
#define RE_BACKSLASH_ESCAPE_IN_LISTS 0x0000001ul /* \ in a list quotes */
#define RE_BK_PLUS_QM                0x0000002ul /* \+ and \? are operators, + and ? are not */
#define RE_CHAR_CLASSES              0x0000004ul /* [:alpha:] */
#define RE_CONTEXT_INDEP_ANCHORS     0x0000008ul /* ^ and $ are anchors everywhere */
#define RE_CONTEXT_INDEP_OPS         0x0000010ul /* * + ? { are operators everywhere */
#define RE_CONTEXT_INVALID_OPS       0x0000020ul /* they are errors at the beginning */
#define RE_DOT_NEWLINE               0x0000040ul
#define RE_DOT_NOT_NULL              0x0000080ul
#define RE_HAT_LISTS_NOT_NEWLINE     0x0000100ul
#define RE_INTERVALS                 0x0000200ul
#define RE_LIMITED_OPS               0x0000400ul /* no + ? | */
#define RE_NEWLINE_ALT               0x0000800ul /* a newline is | */
#define RE_NO_BK_BRACES              0x0001000ul /* { } are operators, \{ \} are not */
#define RE_NO_BK_PARENS              0x0002000ul
#define RE_NO_BK_REFS                0x0004000ul
#define RE_NO_BK_VBAR                0x0008000ul
#define RE_NO_EMPTY_RANGES           0x0010000ul /* [z-a] is an error */
#define RE_UNMATCHED_RIGHT_PAREN_ORD 0x0020000ul
#define RE_NO_POSIX_BACKTRACKING     0x0040000ul
#define RE_NO_GNU_OPS                0x0080000ul
#define RE_DEBUG                     0x0100000ul
#define RE_INVALID_INTERVAL_ORD      0x0200000ul
#define RE_ICASE                     0x0400000ul
#define RE_CARET_ANCHORS_HERE        0x0800000ul
#define RE_CONTEXT_INVALID_DUP       0x1000000ul /* \{ at the beginning is an error */
#define RE_NO_SUB                    0x2000000ul

#define _RE_SYNTAX_POSIX_COMMON (RE_CHAR_CLASSES | RE_DOT_NEWLINE | RE_DOT_NOT_NULL | RE_INTERVALS | RE_NO_EMPTY_RANGES)
#define RE_SYNTAX_POSIX_BASIC (_RE_SYNTAX_POSIX_COMMON | RE_BK_PLUS_QM | RE_CONTEXT_INVALID_DUP)
#define RE_SYNTAX_POSIX_MINIMAL_BASIC (_RE_SYNTAX_POSIX_COMMON | RE_LIMITED_OPS)
#define RE_SYNTAX_POSIX_EXTENDED \
	(_RE_SYNTAX_POSIX_COMMON | RE_CONTEXT_INDEP_ANCHORS | RE_CONTEXT_INDEP_OPS | RE_NO_BK_BRACES | RE_NO_BK_PARENS | RE_NO_BK_VBAR | \
	 RE_CONTEXT_INVALID_OPS | RE_UNMATCHED_RIGHT_PAREN_ORD)
#define RE_SYNTAX_POSIX_MINIMAL_EXTENDED \
	(_RE_SYNTAX_POSIX_COMMON | RE_CONTEXT_INDEP_ANCHORS | RE_CONTEXT_INVALID_OPS | RE_NO_BK_BRACES | RE_NO_BK_PARENS | RE_NO_BK_REFS | \
	 RE_NO_BK_VBAR | RE_UNMATCHED_RIGHT_PAREN_ORD)
#define RE_SYNTAX_EMACS 0
#define RE_SYNTAX_AWK \
	(RE_BACKSLASH_ESCAPE_IN_LISTS | RE_DOT_NOT_NULL | RE_NO_BK_PARENS | RE_NO_BK_REFS | RE_NO_BK_VBAR | RE_NO_EMPTY_RANGES | RE_DOT_NEWLINE | \
	 RE_CONTEXT_INDEP_ANCHORS | RE_CHAR_CLASSES | RE_UNMATCHED_RIGHT_PAREN_ORD | RE_NO_GNU_OPS)
#define RE_SYNTAX_GNU_AWK \
	((RE_SYNTAX_POSIX_EXTENDED | RE_BACKSLASH_ESCAPE_IN_LISTS | RE_INVALID_INTERVAL_ORD) & ~(RE_DOT_NOT_NULL | RE_CONTEXT_INDEP_OPS | RE_CONTEXT_INVALID_OPS))
#define RE_SYNTAX_POSIX_AWK (RE_SYNTAX_POSIX_EXTENDED | RE_BACKSLASH_ESCAPE_IN_LISTS | RE_INTERVALS | RE_NO_GNU_OPS | RE_INVALID_INTERVAL_ORD)
#define RE_SYNTAX_GREP ((RE_SYNTAX_POSIX_BASIC | RE_NEWLINE_ALT) & ~(RE_CONTEXT_INVALID_DUP | RE_DOT_NOT_NULL))
#define RE_SYNTAX_EGREP ((RE_SYNTAX_POSIX_EXTENDED | RE_INVALID_INTERVAL_ORD | RE_NEWLINE_ALT) & ~(RE_CONTEXT_INVALID_OPS | RE_DOT_NOT_NULL))
#define RE_SYNTAX_POSIX_EGREP RE_SYNTAX_EGREP
#define RE_SYNTAX_ED RE_SYNTAX_POSIX_BASIC
#define RE_SYNTAX_SED RE_SYNTAX_POSIX_BASIC

#define RE_TRANSLATE_TYPE unsigned char *
#undef RE_DUP_MAX
#define RE_DUP_MAX 0x7fff

#define REGS_UNALLOCATED 0
#define REGS_REALLOCATE  1
#define REGS_FIXED       2

struct re_registers {
	unsigned num_regs;
	regoff_t *start, *end;
};

extern reg_syntax_t re_syntax_options;
reg_syntax_t re_set_syntax(reg_syntax_t);
const char *re_compile_pattern(const char *, size_t, struct re_pattern_buffer *);
int re_compile_fastmap(struct re_pattern_buffer *);
regoff_t re_search(struct re_pattern_buffer *, const char *, regoff_t, regoff_t, regoff_t, struct re_registers *);
regoff_t re_search_2(struct re_pattern_buffer *, const char *, regoff_t, const char *, regoff_t, regoff_t, regoff_t, struct re_registers *, regoff_t);
regoff_t re_match(struct re_pattern_buffer *, const char *, regoff_t, regoff_t, struct re_registers *);
regoff_t re_match_2(struct re_pattern_buffer *, const char *, regoff_t, const char *, regoff_t, regoff_t, struct re_registers *, regoff_t);
void re_set_registers(struct re_pattern_buffer *, struct re_registers *, unsigned, regoff_t *, regoff_t *);
#endif

#ifdef __cplusplus
}
#endif

#endif
