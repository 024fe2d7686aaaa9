/* SPDX-License-Identifier: Apache-2.0 */
#include "libc.h"

int __main_argc_argv(int, char **);
extern hidden int __wali_argc;
extern hidden char **__wali_argv;

__attribute__((__weak__)) int __main_void(void)
{
	return __main_argc_argv(__wali_argc, __wali_argv);
}
