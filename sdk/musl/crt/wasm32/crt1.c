/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crt1.c - the start of a WALI program. There is no initial stack with arguments on it: they are asked for, copied
 * below the frame of _start (which never returns) and laid out as the kernel would have, argv, NULL, envp, NULL.
 */
#include <stddef.h>

/* Says who made the module: `recompiler build` adapts indirect calls of other toolchains' C. */
__asm__(".section .custom_section.recompiler.sdk,\"\",@\n\t.ascii \"1\"\n\t.text");

int __main_void(void);
void __wali_start(int (*main)(int, char **, char **));

/* What clang made of main: __main_void (no parameters), __main_argc_argv (two) or plain main (three). The chain
 * __main_void -> __main_argc_argv -> main is made of archive members that a program's own symbol replaces. */
static int call_main(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	return __main_void();
}

__attribute__((__export_name__("_start"), __used__)) void _start(void)
{
	__wali_start(call_main);
}
