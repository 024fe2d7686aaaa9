/* SPDX-License-Identifier: Apache-2.0 */
/* qsort, bsearch, string functions, ctype, regex, glob, fnmatch, strtok, getopt, multibyte text in C.UTF-8. */
#define _GNU_SOURCE
#include <ctype.h>
#include <fnmatch.h>
#include <getopt.h>
#include <glob.h>
#include <locale.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

static int compare_ints(const void *left, const void *right)
{
    const int a = *(const int *)left;
    const int b = *(const int *)right;
    return (a > b) - (a < b);
}

int main(void)
{
    int numbers[1000];
    unsigned state = 7;
    for (int i = 0; i < 1000; i++) {
        state = state * 1664525 + 1013904223;
        numbers[i] = (int)(state >> 12) - 500000;
    }
    qsort(numbers, 1000, sizeof numbers[0], compare_ints);
    int sorted = 1;
    for (int i = 1; i < 1000; i++) {
        sorted &= numbers[i - 1] <= numbers[i];
    }
    printf("sorted %d %d %d\n", sorted, numbers[0], numbers[999]);
    const int *found = bsearch(&numbers[333], numbers, 1000, sizeof numbers[0], compare_ints);
    printf("bsearch %d\n", found != NULL && *found == numbers[333]);
    char text[] = "one,two;;three four";
    for (char *save, *word = strtok_r(text, ",; ", &save); word != NULL; word = strtok_r(NULL, ",; ", &save)) {
        printf("<%s>", word);
    }
    printf("\n%s %s %d %zu %zu\n", strstr("haystack needle", "needle"), strrchr("/a/b/c", '/'), strcmp("abc", "abd") < 0, strspn("aab", "a"), strcspn("xyz", "z"));
    printf("%s %d %s\n", strcasestr("Hello World", "WORLD"), strncasecmp("ABC", "abd", 2), (char *)memmem("abcdef", 6, "cd", 2));
    regex_t regex;
    regmatch_t match[3];
    regcomp(&regex, "([a-z]+)[0-9]*-([[:digit:]]{2,})", REG_EXTENDED);
    const char *subject = "xx abc12-3456 yy";
    printf("regexec %d", regexec(&regex, subject, 3, match, 0));
    for (int i = 0; i < 3; i++) {
        printf(" [%.*s]", (int)(match[i].rm_eo - match[i].rm_so), subject + match[i].rm_so);
    }
    printf("\n");
    regfree(&regex);
    printf("fnmatch %d %d %d\n", fnmatch("*.[ch]", "a.c", 0), fnmatch("a?c", "abbc", 0) != 0, fnmatch("[!a-c]*", "dog", 0));
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "g%d.tmp", i);
        fclose(fopen(name, "w"));
    }
    glob_t names;
    printf("glob %d", glob("g[0-2].t*", 0, NULL, &names));
    for (size_t i = 0; i < names.gl_pathc; i++) {
        printf(" %s", names.gl_pathv[i]);
        unlink(names.gl_pathv[i]);
    }
    printf("\n");
    globfree(&names);
    char *arguments[] = {"prog", "-a", "-bvalue", "--long=7", "rest", NULL};
    static const struct option options[] = {{"long", required_argument, NULL, 'l'}, {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(5, arguments, "ab:", options, NULL)) != -1;) {
        printf("option %c %s\n", c, optarg != NULL ? optarg : "-");
    }
    printf("rest %s\n", arguments[optind]);
    setlocale(LC_ALL, "C.UTF-8");
    wchar_t wide[32];
    const size_t count = mbstowcs(wide, "h\xc3\xa9llo \xe2\x82\xac \xf0\x9f\x98\x80", 32);
    printf("mbstowcs %zu %x %x %x\n", count, (unsigned)wide[1], (unsigned)wide[6], (unsigned)wide[8]);
    char back[32];
    wcstombs(back, wide, sizeof back);
    printf("%s %d %d\n", back, (int)towupper(0xe9), iswalpha(0xe9) != 0);
    printf("%d%d%d%d\n", isalpha('a') != 0, isdigit('x') != 0, ispunct('!') != 0, toupper('q'));
    return 0;
}
