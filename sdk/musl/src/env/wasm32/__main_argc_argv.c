/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>
#include "libc.h"

int main(int, char **, char **) __asm__("main");

__attribute__((__weak__)) int __main_argc_argv(int argc, char **argv)
{
	return main(argc, argv, __environ);
}
