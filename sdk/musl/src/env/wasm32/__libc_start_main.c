/* SPDX-License-Identifier: Apache-2.0 */
/*
 * __libc_start_main.c - what happens between _start and main: arguments, environment, thread record, constructors.
 *
 * __get_init_envfile gives the name of a file that holds the environment in lines, which is the published way. Our runtime
 * puts the entries themselves behind the name when they fit, and serves /proc/self/environ, whose entries end with NUL and so
 * may hold any byte.
 */
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "syscall.h"
#include "atomic.h"
#include "libc.h"

#define WALI(name) __attribute__((__import_module__("wali"), __import_name__(name)))
int __wali_init(void) WALI("__init");
int __wali_argument_count(void) WALI("__cl_get_argc");
int __wali_argument_size(int) WALI("__cl_get_argv_len");
int __wali_argument_copy(char *, int) WALI("__cl_copy_argv");
int __wali_environment_file(char *, int) WALI("__get_init_envfile");

void __wasm_call_ctors(void);

static void dummy1(void *p) { (void)p; }
weak_alias(dummy1, __init_ssp);

hidden int __wali_argc;
hidden char **__wali_argv;

static size_t auxv[8];
static unsigned char random_bytes[16];
static char *no_environment[1];

/* Anonymous pages straight from the kernel: malloc needs what this file has not set up yet. */
static void *pages(size_t size)
{
	long p = __syscall(SYS_mmap, 0, size, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);
	if (p < 0 && p > -4096) a_crash();
	return (void *)p;
}

static char **read_arguments(int *ret_argc)
{
	int argc = __wali_argument_count();
	if (argc < 0) a_crash();
	size_t size = (argc + 1u) * sizeof(char *);
	for (int i = 0; i < argc; i++) size += __wali_argument_size(i) + 1u;
	static char small[2048] __attribute__((__aligned__(8)));
	char *block = size <= sizeof small ? small : pages(size);
	char **argv = (char **)block;
	char *text = block + (argc + 1u) * sizeof(char *);
	for (int i = 0; i < argc; i++) {
		argv[i] = text;
		__wali_argument_copy(text, i);
		text += __wali_argument_size(i) + 1u;
	}
	argv[argc] = 0;
	*ret_argc = argc;
	return argv;
}

/* The whole of a small or large file, with one NUL byte after it. */
static char *read_all(const char *path, size_t *ret_size)
{
	static char small[4096];
	long fd = __syscall(SYS_open, path, O_RDONLY|O_CLOEXEC|O_LARGEFILE, 0);
	if (fd < 0) return 0;
	char *buffer = small;
	size_t capacity = sizeof small, size = 0;
	for (;;) {
		if (size + 1 == capacity) {
			char *larger = pages(capacity * 4);
			memcpy(larger, buffer, size);
			if (buffer != small) __syscall(SYS_munmap, buffer, capacity);
			buffer = larger;
			capacity *= 4;
		}
		long n = __syscall(SYS_read, fd, buffer + size, capacity - size - 1);
		if (n == -EINTR) continue;
		if (n <= 0) {
			if (n < 0) size = 0;
			break;
		}
		size += n;
	}
	__syscall(SYS_close, fd);
	buffer[size] = 0;
	*ret_size = size;
	return buffer;
}

#define ENVIRON_INLINE 1 /* byte after the name: the entries follow */

/* The entries that stand behind the name, 0 when there are none there. */
static char *inline_environment(char *name, char *end, size_t *ret_size)
{
	char *at = memchr(name, 0, end - name);
	if (!at || end - at < 2 || at[1] != ENVIRON_INLINE) return 0;
	char *text = at + 2, *last = text;
	while (last < end && *last) {
		char *next = memchr(last, 0, end - last);
		if (!next) return 0;
		last = next + 1;
	}
	*ret_size = last - text;
	return text;
}

static char **read_environment(void)
{
	static char name[PATH_MAX];
	static char *few[64];
	size_t size = 0, count = 0;
	char separator = 0, *text = 0;
	const int is_named = __wali_environment_file(name, sizeof name - 1) > 0;
	if (is_named) text = inline_environment(name, name + sizeof name - 1, &size);
	if (!text) text = read_all("/proc/self/environ", &size);
	if (!text && is_named) {
		text = read_all(name, &size);
		separator = '\n';
	}
	if (!text || !size) return no_environment;
	for (size_t i = 0; i < size; i++) if (text[i] == separator) count++;
	char **envp = count + 2 <= 64 ? few : pages((count + 2) * sizeof(char *));
	count = 0;
	for (char *entry = text; entry < text + size; ) {
		char *end = memchr(entry, separator, text + size - entry);
		if (end) *end = 0;
		else end = text + size;
		if (*entry) envp[count++] = entry;
		entry = end + 1;
	}
	envp[count] = 0;
	return envp;
}

static void set_auxv(void)
{
	__syscall(SYS_getrandom, random_bytes, sizeof random_bytes, 0);
	auxv[0] = AT_PAGESZ, auxv[1] = PAGE_SIZE;
	auxv[2] = AT_RANDOM, auxv[3] = (size_t)random_bytes;
	auxv[4] = AT_NULL;
	libc.auxv = auxv;
	libc.page_size = PAGE_SIZE;
}

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv,
	void (*init_dummy)(), void (*fini_dummy)(), void (*ldso_dummy)())
{
	char *name = argc > 0 && argv[0] ? argv[0] : "";
	__environ = read_environment();
	set_auxv();
	__progname = __progname_full = name;
	for (size_t i = 0; name[i]; i++) if (name[i] == '/') __progname = name+i+1;
	__init_tls(auxv);
	__init_ssp(random_bytes);
	__wasm_call_ctors();
	exit(main(argc, argv, __environ));
	return 0;
}

void __wali_start(int (*main)(int, char **, char **))
{
	if (__wali_init()) a_crash();
	__wali_argv = read_arguments(&__wali_argc);
	__libc_start_main(main, __wali_argc, __wali_argv, 0, 0, 0);
}
