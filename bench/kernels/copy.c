/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.c - copy FROM TO [flip]: an executable copy of a file, in the guest; `flip` changes its last byte, so that size and
 * all but the hash stay. For bench/exec-gate, whose image has no cp.
 */

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static char buffer[1 << 16];
    const int from = argc >= 3 ? open(argv[1], O_RDONLY) : -1;
    const int to = argc >= 3 ? open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0755) : -1;
    if (from < 0 || to < 0) {
        return 1;
    }
    off_t total = 0;
    char last = 0;
    for (ssize_t got; (got = read(from, buffer, sizeof(buffer))) != 0; total += got) {
        if (got < 0 || write(to, buffer, (size_t)got) != got) {
            return 1;
        }
        last = buffer[got - 1];
    }
    if (argc > 3 && strcmp(argv[3], "flip") == 0) {
        last = (char)(last ^ 1);
        return pwrite(to, &last, 1, total - 1) == 1 ? 0 : 1;
    }
    return 0;
}
