/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions: errors, matches, groups of given and of made-up patterns (the same ones on every run); GNU's re_search. */
#define _GNU_SOURCE
#include <locale.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long seed = 88172645463325252ul;

static unsigned number(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 11) % below;
}

static void show(const char *pattern, int flags, const char *text, int is_short)
{
    regex_t re;
    regmatch_t groups[12];
    char message[100];
    int r = regcomp(&re, pattern, flags);
    if (!is_short) {
        printf("[%s] %d [%s]: ", pattern, flags, text);
    }
    if (r != 0) {
        regerror(r, &re, message, sizeof message);
        printf("%d %s\n", r, message);
        return;
    }
    r = regexec(&re, text, 12, groups, 0);
    printf("%d %zu", r, re.re_nsub);
    for (int i = 0; r == 0 && i < 12 && i <= (int)re.re_nsub; i++) {
        printf(" %d,%d", (int)groups[i].rm_so, (int)groups[i].rm_eo);
    }
    printf("\n");
    regfree(&re);
}

static void given(void)
{
    static const char *const rows[][2] = {
        {"a*", "baac"}, {"*a", "*a"}, {"^*", "*a"}, {"a\\{0,1\\}", "baa"}, {"a\\{,2\\}", "aaa"}, {"\\(ab\\)*\\1", "ababab"}, {"\\(a*\\)*", "aab"}, {"[]a]*", "a]b"}, {"a$b", "a$b"},
        {"\\(^a\\)", "aa"}, {"[[=a=]]", "a"}, {"[[.-.]]", "a-b"}, {"\\{", "a{"}, {"a**", "aa"}, {"\\(a", "a"}, {"a\\)", "a"}, {"[a", "a"}, {"[", "a"}, {"[[:foo:]]", "a"}, {"[b-a]", "a"},
        {"[a-c-e]", "d"}, {"\\", "a"}, {"\\1", "a"}, {"a\\{1", "a"}, {"a\\{2,1\\}", "a"}, {"a\\{40000\\}", "a"}, {"\\(a\\)\\2", "a"}, {"(^a|b$)", "ab"}, {"a|*b", "a"}, {"a{,2}", "aaa"}, {"a{", "a"},
        {"a{x", "a"}, {"()", "a"}, {"(a", "a"}, {"a)", "a)"}, {"(a|ab)(c|bcd)(d*)", "abcd"}, {"(a*)(a|aa)()", "aaaa"}, {"(a|(b))+()", "ba"}, {"(a(b)?)+()", "aba"}, {"((a)|b)*()", "ab"},
        {"(a*)*", "b"}, {"(a*)+(b)*()", "b"}, {"((..)|(.))*", "abc"}, {"(a)*(ab)*(b)*", "abb"}, {"(xy|x)(yz|z)?()", "xyz"}, {"(.*)(foo|bar)(.*)", "xfooybarz"}, {"((a?))*", "ab"}, {"(a?){3}b", "aab"},
        {"(.)\\1", "abb"}, {"(a*)\\1", "aaaa"}, {"(a)(b)?\\2", "ab"}, {"\\bfoo\\b", "a foo"}, {"\\<a\\w*\\>", "b abc"}, {"\\`a", "a"}, {"a\\'", "a\n"}, {"\\Bb", "ab"}, {"a.c", "a\nc"}, {"^b", "a\nb"}, {"a$", "a\nb"},
        {"[^a]", "a\n"}, {"\\W+", "a -b"}, {"[[:space:][:digit:]]+", "x 1y"}, {"(((((((((((a)))))))))))", "a"}, {"a{2,3}{2}", "aaaaaaa"}, {"(a{1,2}){2}", "aaa"}, {"|a", "a"}, {"(|a)b", "ab"}, {"[---]", "-"},
        {"[\\n]", "\\"}, {"[a\\]", "\\"}, {"(?:a)", "a"}, {"a+?", "aa"}, {"+", "a"}, {"x(y", "xy"}, {"^^a", "a"}, {"a$$", "a"}, {"()*", "x"}, {"(()|a)+b", "aab"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int flags = 0; flags < 8; flags++) {
            show(rows[i][0], flags & ~REG_NOSUB, rows[i][1], 0);
        }
    }
}

/* Without anchors and references back: there glibc has faults of its own. */
static void made_up(int count)
{
    static const char *const extended[] = {"a", "b", "c", ".", "x", "(", ")", "*", "+", "?", "|", "[ab]", "[^a]", "[a-c]", "{2}", "{1,2}", "{0,1}", "{,2}", "{1,}", "\\w", "\\S", "(a)", "(b|", "()", "(a|b)*",
                                           "[[:alpha:]]", "[]a]", "[^]]", "{", "\\.", "_", "ab", "(a*)", "(ab|a)", "(a|ab)", "(b*)", "[[.a.]]", "[z-a]", "{3,1}", "{0}", "1"};
    static const char *const basic[] = {"a", "b", "c", ".", "x", "\\(", "\\)", "*", "\\+", "\\?", "\\|", "[ab]", "[^a]", "[a-c]", "\\{2\\}", "\\{1,2\\}", "\\{0,1\\}", "\\{,2\\}", "\\{1,\\}", "\\w", "\\S", "\\(a\\)",
                                        "\\(b\\|", "\\(\\)", "\\(a\\|b\\)*", "[[:alpha:]]", "[]a]", "[^]]", "{", "\\.", "_", "ab", "\\(a*\\)", "\\(ab\\|a\\)", "\\(b*\\)", "+", "|", "1"};
    static const char letters[] = "abababcx_1 ";
    for (int i = 0; i < count; i++) {
        char pattern[200] = "";
        char text[12] = "";
        const int is_extended = (int)number(2);
        for (unsigned k = 1 + number(6); k > 0; k--) {
            strcat(pattern, is_extended ? extended[number(sizeof extended / sizeof extended[0])] : basic[number(sizeof basic / sizeof basic[0])]);
        }
        for (unsigned k = number(10); k > 0; k--) {
            text[strlen(text)] = letters[number(sizeof letters - 1)];
        }
        show(pattern, is_extended, text, 1);
    }
}

static void gnu(void)
{
    struct re_pattern_buffer re = {0};
    struct re_registers registers = {0};
    static const char text[] = "one two\0three two";
    re_set_syntax(RE_SYNTAX_POSIX_EXTENDED);
    printf("%s\n", re_compile_pattern("t(w|h)", 6, &re) != NULL ? "error" : "fine");
    printf("%d ", (int)re_search(&re, text, sizeof text - 1, 0, sizeof text - 1, &registers));
    printf("%d,%d %d,%d %u\n", (int)registers.start[0], (int)registers.end[0], (int)registers.start[1], (int)registers.end[1], registers.num_regs);
    printf("%d ", (int)re_search(&re, text, sizeof text - 1, sizeof text - 1, -(int)sizeof text + 1, &registers));
    printf("%d\n", (int)registers.start[0]);
    printf("%d %d %d\n", (int)re_search(&re, text, sizeof text - 1, 5, 2, NULL), (int)re_match(&re, text, sizeof text - 1, 4, NULL), (int)re_match(&re, text, sizeof text - 1, 5, NULL));
    printf("%d\n", (int)re_search_2(&re, text, 5, text + 5, 12, 0, 17, NULL, 17));
    regfree(&re);
    free(registers.start);
    free(registers.end);
    memset(&re, 0, sizeof re);
    re_set_syntax(RE_SYNTAX_GREP);
    const char *message = re_compile_pattern("a\nb*", 4, &re);
    printf("%s %d\n", message != NULL ? message : "fine", (int)re_search(&re, "xxb", 3, 0, 3, NULL));
    regfree(&re);
    memset(&re, 0, sizeof re);
    re_set_syntax(RE_SYNTAX_EMACS);
    message = re_compile_pattern("\\(a", 3, &re);
    printf("%s\n", message != NULL ? message : "fine");
    regfree(&re);
    regex_t posix;
    regmatch_t part = {2, 6};
    printf("%d ", regcomp(&posix, "^b|b$", REG_EXTENDED));
    printf("%d ", regexec(&posix, "ababab", 1, &part, REG_STARTEND));
    printf("%d,%d\n", (int)part.rm_so, (int)part.rm_eo);
    printf("%d %d\n", regexec(&posix, "b", 0, NULL, REG_NOTBOL), regexec(&posix, "b", 0, NULL, REG_NOTBOL | REG_NOTEOL));
    regfree(&posix);
}

static char *repeated(const char *before, const char *what, int count, const char *after)
{
    const size_t size = strlen(what);
    char *text = malloc(strlen(before) + size * (size_t)count + strlen(after) + 1);
    char *end = stpcpy(text, before);
    for (int i = 0; i < count; i++) {
        end = stpcpy(end, what);
    }
    strcpy(end, after);
    return text;
}

static void long_one(char *pattern, int flags, char *text)
{
    regex_t re;
    regmatch_t parts[3];
    const int compiled = regcomp(&re, pattern, flags);
    printf("long %.12s: %d", pattern, compiled);
    if (compiled == 0) {
        const int found = regexec(&re, text, 3, parts, 0);
        printf(" %d", found);
        for (int i = 0; found == 0 && i < 3; i++) {
            printf(" %d,%d", (int)parts[i].rm_so, (int)parts[i].rm_eo);
        }
        regfree(&re);
    }
    printf("\n");
    free(pattern);
    free(text);
}

/* Patterns and text on which engines take very long, run out of memory or of stack; here each of them takes less than 0.2 s. */
static void hostile(void)
{
    long_one(strdup("(x+x+)+y"), REG_EXTENDED, repeated("", "x", 10000, ""));
    long_one(repeated("", "a?", 300, "(a{300})"), REG_EXTENDED, repeated("", "a", 300, ""));
    long_one(strdup("a{32767}"), REG_EXTENDED, repeated("b", "a", 40000, ""));
    long_one(strdup("((a{30}){30}){30}"), REG_EXTENDED, repeated("bb", "a", 40000, "c"));
    long_one(strdup("((((a{9}){9}){9}){9})"), REG_EXTENDED, repeated("", "a", 20000, ""));
    long_one(strdup("(.{1,3000})b"), REG_EXTENDED, repeated("", "a", 6000, "b"));
    long_one(strdup("(.{1,1000}) x"), REG_EXTENDED, repeated("", "a", 6000, ""));
    long_one(repeated("", "[a-c]", 10000, "(d)"), REG_EXTENDED, repeated("", "abc", 7000, "d"));
    long_one(repeated("", "abcdefghij", 10000, ""), 0, repeated("ab", "abcdefghij", 10000, ""));
    long_one(repeated("", "(", 1000, repeated("a", ")", 1000, "")), REG_EXTENDED, repeated("", "a", 30, ""));
    long_one(repeated("", "(", 100, repeated("a", ")*", 100, "")), REG_EXTENDED, repeated("", "a", 1000, ""));
    long_one(repeated("", "$", 2000, ""), 0, strdup("x"));
    long_one(repeated("", "*", 100000, ""), REG_EXTENDED, strdup("x"));
    long_one(repeated("", "ab|", 2000, "c"), REG_EXTENDED, repeated("", "a", 10000, "c"));
    long_one(strdup("(.*)(b|c)"), REG_EXTENDED, repeated("", "abcdefghij", 200000, ""));
    long_one(strdup("\\b([a-z]+) \\1\\b"), REG_EXTENDED, repeated("", "lorem ipsum dolor ", 1000, "it it"));
    long_one(strdup("\\(a*\\)\\1c"), 0, repeated("", "a", 500, "bac"));
    setlocale(LC_ALL, "C.UTF-8");
    long_one(strdup("(.*)(\303\251)x"), REG_EXTENDED, repeated("\303\251x", "\303\251a", 100000, ""));
    setlocale(LC_ALL, "C");
}

int main(void)
{
    given();
    hostile();
    made_up(6000);
    gnu();
    setlocale(LC_ALL, "C.UTF-8");
    show("^.$", 1, "\303\251", 0);
    show("[\303\251\303\274]+", 1, "x\303\274\303\251y", 0);
    show("\303\211", REG_ICASE, "\303\251", 0);
    show("[[:alpha:]]+", 1, "1\303\251a2", 0);
    show("\\w+", 1, "-\303\251a-", 0);
    show("[^a]", 1, "a\377b", 0);
    made_up(2000);
    return 0;
}
