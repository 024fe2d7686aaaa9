/* SPDX-License-Identifier: Apache-2.0 */
/* getopt, getopt_long, getopt_long_only: order of answers, where the arguments end up, messages. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int flag;
static const struct option longs[] = {
    {"alpha", no_argument, NULL, 'a'}, {"alphabet", optional_argument, NULL, 1}, {"beta", required_argument, NULL, 'b'}, {"gamma", no_argument, &flag, 7},
    {"gas", no_argument, NULL, 'g'}, {"same", no_argument, NULL, 's'}, {"samf", no_argument, NULL, 's'}, {NULL, 0, NULL, 0}};

static void parse(const char *kind, const char *shorts, const char *line)
{
    char text[256], *arguments[32] = {"prog"};
    int count = 1;
    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        arguments[count++] = word;
    }
    printf("%s \"%s\" [%s]:", kind, shorts, line);
    optind = 0;
    flag = 0;
    for (int tries = 0; tries < 20; tries++) {
        int index = -1;
        const int r = *kind == 's' ? getopt(count, arguments, shorts)
                                   : (*kind == 'l' ? getopt_long : getopt_long_only)(count, arguments, shorts, longs, &index);
        if (r == -1) {
            break;
        }
        printf(" %d", r);
        if (r == '?' || r == ':') {
            printf("(%d)", optopt);
        }
        if (optarg != NULL) {
            printf("=%s", optarg);
        }
        printf("#%d@%d", index, optind);
    }
    printf(" flag %d end %d:", flag, optind);
    for (int i = 1; i < count; i++) {
        printf(" %s", arguments[i]);
    }
    printf("\n");
}

int main(void)
{
    static const char *const lines[] = {
        "", "x", "-a", "-a x", "x -a", "x -a y -b v z", "-ab v", "-abv", "-b", "x -b", "-a -- -b x", "x -- -a", "-", "- -a", "x - -a y", "-z -a", "-: -a",
        "-c -a", "-cval -a", "-c val", "x y -a -b 1 -- z -a", "-aaa x -a", "-ba -a", "-- -a", "--", "a b c", "x -a -- y -b z", "-b -- -a", "-W alpha",
        "--alpha", "--alphab", "--alp", "--alphabet=v", "--alphabet v", "--beta", "--beta v", "--beta=v", "--beta=", "--b v", "--g", "--ga", "--gam",
        "--gamma=v", "--sam", "--same", "--nosuch", "--nosuch=v", "--=v", "x --alpha y --beta v z", "-alpha", "-beta v", "-ga x", "-a -alpha", "-gx", "-x=1",
        "--alpha --beta", "x --nosuch y -a", "--alpha=v x"};
    static const char *const shorts[] = {"ab:c::g", "+ab:c::g", "-ab:c::g", ":ab:c::g", "-:ab:c::g", "+:ab:c::g"};
    dup2(1, 2);
    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        for (size_t k = 0; k < sizeof shorts / sizeof shorts[0]; k++) {
            parse("short", shorts[k], lines[i]);
            parse("long", shorts[k], lines[i]);
            parse("only", shorts[k], lines[i]);
        }
    }
    opterr = 0;
    parse("long", "ab:", "-z --nosuch x -a");
    opterr = 1;
    setenv("POSIXLY_CORRECT", "1", 1);
    parse("short", "ab:", "-a x -b 1");
    parse("long", "-ab:", "x -a");
    return 0;
}
