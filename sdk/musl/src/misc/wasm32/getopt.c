/* SPDX-License-Identifier: Apache-2.0 */
/*
 * getopt, getopt_long, getopt_long_only as glibc has them (getopt(3)): arguments that are no options are moved behind the options unless
 * the option string begins with '+' or POSIXLY_CORRECT is set; bytes, not characters; glibc's messages.
 *
 *   argv: [program | options and arguments done | plain.start .. plain.end: arguments without '-' | optind: next ...]
 *
 * The plain arguments stay where they are until options follow them; then both ranges change places (plain_move). At the end optind is the first plain one.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "features.h"

char *optarg;
int optind = 1, opterr = 1, optopt, __optreset;
weak_alias(__optreset, optreset);

static struct { int start, end; } plain;
static char *cluster; /* rest of "-abc" */
static int left;      /* optind as it was returned: another value is a caller's restart */
static enum { PERMUTE, IN_ORDER, STOP } order;

struct call {
	int argc;
	char **argv;
	const char *shorts;
	const struct option *longs;
	int *index;
	int is_only; /* getopt_long_only: "-name" may be a long one */
	int is_quiet;
};

static void reverse(char **first, char **last)
{
	while (first < --last) {
		char *kept = *first;
		*first++ = *last;
		*last = kept;
	}
}

/* The options between plain.end and optind come before the plain arguments. */
static void plain_move(char **argv)
{
	if (plain.start != plain.end && plain.end != optind) {
		reverse(argv + plain.start, argv + plain.end);
		reverse(argv + plain.end, argv + optind);
		reverse(argv + plain.start, argv + optind);
		plain.start += optind - plain.end;
		plain.end = optind;
	} else if (plain.end != optind) {
		plain.start = plain.end = optind;
	}
}

static int is_plain(const char *argument)
{
	return argument[0] != '-' || !argument[1];
}

/* Return: 0 when argv[optind] is an option, else what getopt answers. */
static int argument_next(const struct call *call)
{
	if (plain.end > optind) plain.end = optind;
	if (plain.start > optind) plain.start = optind;
	if (order == PERMUTE) {
		plain_move(call->argv);
		while (optind < call->argc && is_plain(call->argv[optind])) optind++;
		plain.end = optind;
	}
	if (optind < call->argc && !strcmp(call->argv[optind], "--")) {
		optind++;
		if (plain.start == plain.end) plain.start = optind;
		else plain_move(call->argv);
		plain.end = call->argc;
		optind = call->argc;
	}
	if (optind >= call->argc) {
		if (plain.start != plain.end) optind = plain.start;
		return -1;
	}
	if (is_plain(call->argv[optind])) {
		if (order == STOP) return -1;
		optarg = call->argv[optind++];
		return 1;
	}
	return 0;
}

static void message_ambiguous(const struct call *call, const char *prefix, const char *name, size_t size)
{
	fprintf(stderr, "%s: option '%s%s' is ambiguous; possibilities:", call->argv[0], prefix, name);
	for (const struct option *o = call->longs; o->name; o++)
		if (!strncmp(o->name, name, size)) fprintf(stderr, " '%s%s'", prefix, o->name);
	fprintf(stderr, "\n");
}

/* The option that name, up to '=', says exactly or begins; -1: none, -2: several. */
static int option_find(const struct call *call, const char *name, size_t size)
{
	int found = -1;
	for (int i = 0; call->longs[i].name; i++) {
		const struct option *o = call->longs + i;
		if (strncmp(o->name, name, size)) continue;
		if (!o->name[size]) return i;
		if (found == -1) found = i;
		else if (found >= 0) {
			const struct option *other = call->longs + found;
			if (call->is_only || other->has_arg != o->has_arg || other->flag != o->flag || other->val != o->val) found = -2;
		}
	}
	return found;
}

/* The text after the prefix is in cluster. Return: what getopt answers, -1 when it is no long option. */
static int option_long(const struct call *call, const char *prefix)
{
	char *name = cluster;
	const size_t size = strcspn(name, "=");
	const int found = option_find(call, name, size);
	if (found == -1 && call->is_only && call->argv[optind][1] != '-' && strchr(call->shorts, *name)) return -1;
	cluster = 0;
	optind++;
	optopt = 0;
	if (found < 0) {
		if (found == -2 && !call->is_quiet) message_ambiguous(call, prefix, name, size);
		if (found == -1 && !call->is_quiet) fprintf(stderr, "%s: unrecognized option '%s%s'\n", call->argv[0], prefix, name);
		return '?';
	}
	const struct option *o = call->longs + found;
	if (name[size]) {
		if (!o->has_arg) {
			if (!call->is_quiet) fprintf(stderr, "%s: option '%s%s' doesn't allow an argument\n", call->argv[0], prefix, o->name);
			optopt = o->val;
			return '?';
		}
		optarg = name + size + 1;
	} else if (o->has_arg == required_argument) {
		if (optind >= call->argc) {
			if (!call->is_quiet) fprintf(stderr, "%s: option '%s%s' requires an argument\n", call->argv[0], prefix, o->name);
			optopt = o->val;
			return *call->shorts == ':' ? ':' : '?';
		}
		optarg = call->argv[optind++];
	}
	if (call->index) *call->index = found;
	if (!o->flag) return o->val;
	*o->flag = o->val;
	return 0;
}

static int option_short(const struct call *call)
{
	const char c = *cluster++;
	const char *known = strchr(call->shorts, c);
	if (!*cluster) optind++;
	if (!known || c == ':' || c == ';') {
		if (!call->is_quiet) fprintf(stderr, "%s: invalid option -- '%c'\n", call->argv[0], c);
		optopt = c;
		return '?';
	}
	if (known[1] != ':') return c;
	if (*cluster) {
		optarg = cluster;
		optind++;
	} else if (known[2] != ':') {
		if (optind >= call->argc) {
			if (!call->is_quiet) fprintf(stderr, "%s: option requires an argument -- '%c'\n", call->argv[0], c);
			optopt = c;
			cluster = 0;
			return *call->shorts == ':' ? ':' : '?';
		}
		optarg = call->argv[optind++];
	}
	cluster = 0;
	return c;
}

static int option_next(struct call *call)
{
	if (call->argc < 1) return -1;
	optarg = 0;
	if (!optind || __optreset || optind != left) {
		if (!optind) optind = 1;
		plain.start = plain.end = optind;
		cluster = 0;
		order = *call->shorts == '-' ? IN_ORDER : *call->shorts == '+' || getenv("POSIXLY_CORRECT") ? STOP : PERMUTE;
		__optreset = 0;
	}
	if (*call->shorts == '-' || *call->shorts == '+') call->shorts++;
	call->is_quiet = !opterr || *call->shorts == ':';
	if (!cluster || !*cluster) {
		int r = argument_next(call);
		if (r) return r;
		const char *text = call->argv[optind];
		if (call->longs && text[1] == '-') {
			cluster = call->argv[optind] + 2;
			return option_long(call, "--");
		}
		cluster = call->argv[optind] + 1;
		if (call->longs && call->is_only && (text[2] || !strchr(call->shorts, text[1]))) {
			r = option_long(call, "-");
			if (r != -1) return r;
		}
	}
	return option_short(call);
}

static int option_next_kept(struct call call)
{
	const int r = option_next(&call);
	left = optind;
	return r;
}

int getopt(int argc, char *const *argv, const char *shorts)
{
	return option_next_kept((struct call){argc, (char **)argv, shorts});
}

int getopt_long(int argc, char *const *argv, const char *shorts, const struct option *longs, int *index)
{
	return option_next_kept((struct call){argc, (char **)argv, shorts, longs, index});
}

int getopt_long_only(int argc, char *const *argv, const char *shorts, const struct option *longs, int *index)
{
	return option_next_kept((struct call){argc, (char **)argv, shorts, longs, index, 1});
}

int __posix_getopt(int argc, char *const *argv, const char *shorts)
{
	return getopt(argc, argv, shorts);
}
