/* SPDX-License-Identifier: Apache-2.0 */
/* true.c - the program that bench/exec-gate starts: nothing but exit status 0, in files of different sizes. */
int main(void)
{
    return 0;
}
