/* SPDX-License-Identifier: Apache-2.0 */
/* strlen, strchr, strchrnul, memchr, memcmp, strcspn, strspn, strpbrk at every alignment and length and with sets of 0 to 40 bytes: our
 * SIMD versions against a plain loop here, and against the native libc by the checksum. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned state = 5;

static unsigned draw(unsigned below)
{
    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
}

static size_t plain_span(const char *text, const char *set, int wanted)
{
    size_t i = 0;
    for (;; i++) {
        int is_in = 0;
        for (const char *c = set; *c != '\0'; c++) {
            is_in |= *c == text[i];
        }
        if (text[i] == '\0' || is_in != wanted) {
            return i;
        }
    }
}

int main(void)
{
    static char room[256], other[256], set[48];
    unsigned long long check = 1;
    unsigned bad = 0;
    for (unsigned round = 0; round < 40000; round++) {
        const unsigned letters = round % 3 == 0 ? 3 : round % 3 == 1 ? 40 : 255, size = draw(100), offset = draw(40), set_size = draw(round % 4 == 0 ? 41 : 12);
        memset(room, 'a', sizeof room);
        char *text = room + offset;
        for (unsigned i = 0; i < size; i++) {
            text[i] = (char)(1 + draw(letters));
        }
        text[size] = '\0';
        for (unsigned i = 0; i < set_size; i++) {
            set[i] = (char)(1 + draw(letters));
        }
        set[set_size] = '\0';
        memcpy(other, text, size + 1);
        other[draw(size + 1)] ^= round & 1;
        const int byte = (int)draw(letters + 1);
        const size_t outside = strcspn(text, set), inside = strspn(text, set);
        const char *found = strpbrk(text, set), *at = strchr(text, byte), *in = memchr(room, byte, sizeof room);
        const int order = memcmp(text, other, size);
        bad += outside != plain_span(text, set, 0) || inside != plain_span(text, set, 1) || strlen(text) != size;
        bad += found != (text[outside] == '\0' ? NULL : text + outside);
        check = check * 31 + outside + 7 * inside + (size_t)(at == NULL ? 1000 : at - text) + (size_t)(strchrnul(text, byte) - text);
        check = check * 31 + (size_t)(in == NULL ? 999 : in - room) + (order > 0) + 2u * (order < 0);
    }
    printf("bad %u check %llu\n", bad, check);
    return bad != 0;
}
