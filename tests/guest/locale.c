/* SPDX-License-Identifier: Apache-2.0 */
/* Which locales there are and what they change. */
#define _GNU_SOURCE
#include <ctype.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

static const char *said(const char *text) { return text != NULL ? text : "(null)"; }

static void look(const char *what)
{
    wchar_t wide[8];
    printf("%s: %s; bytes %d, codeset %s", what, said(setlocale(LC_CTYPE, NULL)), MB_CUR_MAX == 1, nl_langinfo(CODESET));
    if (MB_CUR_MAX > 1) {
        printf(", 2 bytes have %d character, a letter %d", (int)mbstowcs(wide, "\303\251", 8), iswalpha(0xe9) != 0);
    }
    printf(", byte 233 %d%d\n", isalpha(0xe9) != 0, isprint(0xe9) != 0);
}

int main(void)
{
    static const char *const names[] = {"C", "POSIX", "C.UTF-8", "de_DE.UTF-8", "nosuch", "C", "./x", "/x"};
    static const int categories[] = {LC_ALL, LC_CTYPE, LC_NUMERIC, LC_TIME, LC_COLLATE, LC_MONETARY, LC_MESSAGES, 99, -1};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (size_t k = 0; k < sizeof categories / sizeof categories[0]; k++) {
            printf("%s %d: %s\n", names[i], categories[k], said(setlocale(categories[k], names[i])));
        }
        printf("all: %s\n", said(setlocale(LC_ALL, NULL)));
    }
    setlocale(LC_CTYPE, "C.UTF-8");
    char kept[1000];
    snprintf(kept, sizeof kept, "%s", setlocale(LC_ALL, NULL));
    printf("%s\n%s\n", kept, said(setlocale(LC_ALL, "C")));
    printf("%s\n", said(setlocale(LC_ALL, kept)));
    setlocale(LC_ALL, "C");
    static const char *const settings[][3] = {{"", "", ""}, {"C.UTF-8", "", ""}, {"", "C.UTF-8", ""}, {"", "", "C.UTF-8"}, {"POSIX", "C.UTF-8", "C.UTF-8"},
                                              {"nosuch", "", ""}, {"", "", "nosuch"}, {"", "de_DE.UTF-8", "C.UTF-8"}, {"C", "nosuch", "nosuch"}};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        setlocale(LC_ALL, "C");
        setenv("LC_ALL", settings[i][0], 1);
        setenv("LC_CTYPE", settings[i][1], 1);
        setenv("LANG", settings[i][2], 1);
        printf("%zu: %s", i, said(setlocale(LC_CTYPE, "")));
        printf(" %s\n", said(setlocale(LC_ALL, "")));
        locale_t locale = newlocale(LC_ALL_MASK, "", (locale_t)0);
        printf("newlocale %d %d\n", locale != (locale_t)0, newlocale(LC_CTYPE_MASK, "nosuch", (locale_t)0) != (locale_t)0);
        setlocale(LC_ALL, "");
        look("now");
    }
    struct lconv *conventions = localeconv();
    printf("%s|%s|%s|%d\n", conventions->decimal_point, conventions->thousands_sep, conventions->grouping, conventions->frac_digits);
    printf("%s %s %s\n", nl_langinfo(RADIXCHAR), nl_langinfo(YESEXPR), nl_langinfo(DAY_1));
    return 0;
}
