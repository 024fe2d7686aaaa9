/* SPDX-License-Identifier: Apache-2.0 */
/* Users, groups, environment, limits, uname, working directory, sysconf, threads' mutexes without threads. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_count;

static void run_once(void)
{
    once_count++;
}

static void at_exit(void)
{
    printf("atexit\n");
}

static __attribute__((constructor)) void before(void)
{
    setenv("FROM_CONSTRUCTOR", "1", 1);
}

/* What a program does that drops its privileges: in a container there is nothing left to drop. */
static void capabilities(void)
{
    struct { uint32_t version; int pid; } header = {0, 0};
    struct { uint32_t effective, permitted, inheritable; } data[2] = {{0, 0, 0}, {0, 0, 0}};
    printf("capset %ld %d\n", syscall(SYS_capset, &header, data), errno == EINVAL);
    printf("version %x %ld\n", header.version, syscall(SYS_capget, &header, NULL));
    printf("capset %ld\n", syscall(SYS_capset, &header, data));
    memset(data, 0xff, sizeof data);
    printf("capget %ld %x %x %x\n", syscall(SYS_capget, &header, data), data[0].effective, data[1].permitted, data[0].inheritable);
    data[0].permitted = 1;
    printf("raise %ld %d\n", syscall(SYS_capset, &header, data), errno == EPERM);
    header.pid = 1 << 21;
    printf("other %ld %d\n", syscall(SYS_capget, &header, data), errno == ESRCH);
    header.version = 5;
    printf("bad %ld %d %x\n", syscall(SYS_capget, &header, data), errno == EINVAL, header.version);
    header.version = 5;
    printf("ask %ld %x\n", syscall(SYS_capget, &header, NULL), header.version);
    printf("log %d %d\n", klogctl(2, (char[8]){0}, 8), errno == EPERM);
}

int main(void)
{
    const struct passwd *user = getpwuid(0);
    printf("%s %s\n", user->pw_name, user->pw_dir);
    printf("%d\n", getpwnam("nobody") != NULL);
    printf("%s %d\n", getgrgid(0)->gr_name, getpwnam("no-such-user") == NULL);
    printf("%s\n", getenv("FROM_CONSTRUCTOR"));
    setenv("X", "1", 0);
    setenv("X", "2", 0);
    printf("%s ", getenv("X"));
    putenv("X=3");
    printf("%s ", getenv("X"));
    unsetenv("X");
    printf("%d\n", getenv("X") == NULL);
    printf("uid %d %d\n", getuid() == geteuid(), getgid() == getegid());
    struct rlimit limit;
    printf("rlimit %d %d\n", getrlimit(RLIMIT_NOFILE, &limit), limit.rlim_cur > 0);
    struct rusage usage;
    printf("rusage %d\n", getrusage(RUSAGE_SELF, &usage));
    struct utsname name;
    printf("uname %d %s\n", uname(&name), name.sysname);
    char path[PATH_MAX];
    chdir("/usr");
    printf("cwd %s\n", getcwd(path, sizeof path));
    printf("small %d\n", getcwd(path, 2) == NULL && errno == ERANGE);
    printf("page %ld clock %ld\n", sysconf(_SC_PAGESIZE), sysconf(_SC_CLK_TCK));
    printf("tty %d\n", isatty(0));
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    printf("mutex %d %d %d\n", pthread_mutex_lock(&mutex), pthread_mutex_trylock(&mutex) == EBUSY, pthread_mutex_unlock(&mutex));
    pthread_once(&once, run_once);
    pthread_once(&once, run_once);
    pthread_key_t key;
    pthread_key_create(&key, NULL);
    pthread_setspecific(key, &once_count);
    printf("once %d specific %d\n", once_count, pthread_getspecific(key) == &once_count);
    atexit(at_exit);
    capabilities();
    return 0;
}
