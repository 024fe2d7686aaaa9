/* SPDX-License-Identifier: Apache-2.0 */
/* Standard input, heap, strings: word counts in order of first appearance. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Word {
    struct Word *next;
    int count;
    char text[];
} Word;

int main(void)
{
    static char line[4096];
    Word *first = NULL, **last = &first;
    int total = 0;
    while (fgets(line, sizeof(line), stdin)) {
        for (char *word = strtok(line, " \t\n"); word; word = strtok(NULL, " \t\n")) {
            for (char *c = word; *c; c++) {
                *c = (char)tolower((unsigned char)*c);
            }
            Word *found = first;
            while (found && strcmp(found->text, word) != 0) {
                found = found->next;
            }
            if (!found) {
                found = calloc(1, sizeof(Word) + strlen(word) + 1);
                strcpy(found->text, word);
                *last = found;
                last = &found->next;
            }
            found->count++;
            total++;
        }
    }
    for (const Word *word = first; word; word = word->next) {
        printf("%s %d\n", word->text, word->count);
    }
    printf("%d words\n", total);
    return total == 0;
}
