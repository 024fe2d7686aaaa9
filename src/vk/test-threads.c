/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-threads.c - the vkernel called by eight host threads at once, without guest code: for ThreadSanitizer (make MODE=tsan), which
 * cannot run beneath compiled code, and for results that threads must not spoil for each other.
 *
 * Each thread has a VkThread and an instance on the shared memory, as spawn makes them, and a page of guest memory of its own.
 */
#include "vk-int.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8u
#define ROUNDS 300u
#define MINIMUM_FD 200

static Vk *vk;
static int test_count;

static void ok(const char *name) { (void)printf("ok %d - %s\n", ++test_count, name); (void)fflush(stdout); }

/* --- the process: the fixture object of src/rt lies beside us --- */

static const void *resolve_nothing(void *context, const char *module, const char *name, const char *signature)
{
    (void)context;
    (void)module;
    (void)name;
    (void)signature;
    return (const void *)(uintptr_t)resolve_nothing; /* never called */
}

static void process_make(const char *root)
{
    Error err = ERROR_INIT;
    char path[4096];
    const ssize_t size = readlink("/proc/self/exe", path, sizeof path - 64);
    must(size > 0);
    path[size] = '\0';
    (void)snprintf(strrchr(path, '/') + 1, 64, "rt-fixture.so");
    const int fd = open(path, O_RDONLY | O_CLOEXEC), opened = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    RtLoaded *loaded = NULL;
    must(fd >= 0 && opened >= 0);
    if (rt_object_open(fd, MINIMUM_FD, NULL, &loaded, &err) != 0) {
        (void)printf("# %s: %s\n", path, err.message);
        must(false && "the fixture opens");
    }
    const int root_fd = fcntl(opened, F_DUPFD_CLOEXEC, MINIMUM_FD);
    must(close(fd) == 0 && close(opened) == 0 && root_fd >= 0);
    const char *const arguments[] = {"test"};
    const VkConfig config = {.root_fd = root_fd, .minimum_fd = MINIMUM_FD, .cwd = "/", .loaded = loaded, .argv = arguments, .argc = 1};
    must(vk_new(&config, &vk, &err) == 0);
    const RtInstanceConfig instance_config = {.resolve = resolve_nothing, .host = vk, .native_stack_size = 1u << 20};
    must(rt_instance_new(loaded, rt_object_entry(loaded, "main"), &instance_config, &vk->instance, &err) == 0);
    vk->instance->memory->is_shared = true;
    must(rt_memory_grow(vk->instance->memory, 1) == 2); /* the threads' pages: the third WASM page on */
    vk->instance->memory->page_limit = vk->instance->memory->page_maximum = 16384;
    vk_threads_setup(vk);
    vk->has_had_threads = true;
}

typedef struct Worker {
    VkThread thread;
    pthread_t host;
    void (*function)(struct Worker *worker);
    GuestAddr page; /* 4 KiB of its own */
    uint32_t number;
} Worker;

static Worker workers[THREADS];

static void *worker_main(void *argument)
{
    Worker *worker = argument;
    vk_self = &worker->thread;
    worker->thread.tid = (int32_t)vk_sys0(SYS_gettid);
    worker->function(worker);
    vk_self = NULL;
    return NULL;
}

static void run_all(void (*function)(Worker *worker))
{
    for (uint32_t i = 0; i < THREADS; i++) {
        Worker *worker = &workers[i];
        *worker = (Worker){.function = function, .number = i, .page = 2 * RT_PAGE_SIZE + i * 4096, .thread = {.vk = vk}};
        must(rt_instance_new_thread(vk->instance, vk, 1u << 20, &worker->thread.instance, NULL) == 0);
        __atomic_add_fetch(&vk->thread_count, 1, __ATOMIC_ACQ_REL);
        must(pthread_create(&worker->host, NULL, worker_main, worker) == 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        must(pthread_join(workers[i].host, NULL) == 0);
        __atomic_sub_fetch(&vk->thread_count, 1, __ATOMIC_ACQ_REL);
        (void)rt_instance_free(workers[i].thread.instance);
    }
}

static GuestAddr put(const Worker *worker, uint32_t offset, const void *bytes, size_t size)
{
    must(vk_copy_out(vk, worker->page + offset, bytes, size) == 0);
    return worker->page + offset;
}
static GuestAddr put_text(const Worker *worker, uint32_t offset, const char *text) { return put(worker, offset, text, strlen(text) + 1); }

/* --- what they do --- */

static void use_memory(Worker *worker)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const uint32_t size = 4096 * (1 + (i * 5 + worker->number) % 30);
        const int64_t block = vk_sys_mmap(vk, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        must(block > 0);
        if (i % 7 == 0) {
            must(rt_memory_grow(vk->instance->memory, 1) != UINT32_MAX);
        }
        const uint64_t mark = (uint64_t)worker->number << 32 | i;
        uint64_t back = 0;
        must(vk_copy_out(vk, (GuestAddr)block + size - 8, &mark, sizeof mark) == 0);
        must(vk_sys_mprotect(vk, (GuestAddr)block, size, PROT_READ) == 0 && vk_sys_mprotect(vk, (GuestAddr)block, size, PROT_READ | PROT_WRITE) == 0);
        const int64_t moved = vk_sys_mremap(vk, (GuestAddr)block, size, size + 4096 * (i % 3), MREMAP_MAYMOVE, 0);
        must(moved > 0 && vk_copy_in(vk, &back, (GuestAddr)moved + size - 8, sizeof back) == 0 && back == mark);
        must(vk_sys_munmap(vk, (GuestAddr)moved, size + 4096 * (i % 3)) == 0);
        (void)vk_sys_brk(vk, (GuestAddr)vk_sys_brk(vk, 0) + 16);
    }
}

static void use_files(Worker *worker)
{
    char name[32];
    (void)snprintf(name, sizeof name, "/file%u", worker->number);
    const GuestAddr own = put_text(worker, 0, name), status = put_text(worker, 64, "/proc/self/status"), up = put_text(worker, 128, "../sub");
    const GuestAddr sub = put_text(worker, 160, "sub");
    const WaliRlimit files = {.rlim_cur = 100 + worker->number, .rlim_max = MINIMUM_FD};
    const GuestAddr files_address = put(worker, 320, &files, sizeof files);
    const WaliRlimit limit = {.rlim_cur = 1u << 20, .rlim_max = UINT64_MAX};
    const GuestAddr limit_address = put(worker, 256, &limit, sizeof limit);
    for (uint32_t i = 0; i < ROUNDS / 3; i++) {
        const int64_t fd = vk_sys_open(vk, own, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        must(fd >= 0 && (__atomic_load_n(&vk->maybe_cloexec[fd / 64], __ATOMIC_RELAXED) >> (fd % 64) & 1) != 0);
        must(vk_sys_write(vk, (int32_t)fd, own, 8) == 8 && vk_sys_fchmod(vk, (int32_t)fd, 0640) == 0);
        const int64_t text = vk_sys_open(vk, status, O_RDONLY, 0);
        must(text >= 0 && vk_sys_read(vk, (int32_t)text, worker->page + 2048, 1024) > 100);
        must(vk_sys_close(vk, (int32_t)text) == 0 && vk_sys_close(vk, (int32_t)fd) == 0);
        /* ".." out of a directory: its path is asked from the kernel, and nobody's current directory moves meanwhile. */
        const int64_t directory = vk_sys_open(vk, sub, O_RDONLY | O_DIRECTORY, 0);
        must(directory >= 0);
#if !defined(__SANITIZE_THREAD__) /* it takes the helper's clone for a fork */
        const int64_t again = vk_sys_openat(vk, (int32_t)directory, up, O_RDONLY | O_DIRECTORY, 0);
        must(again >= 0 && vk_sys_close(vk, (int32_t)again) == 0);
#endif
        must(up != 0 && vk_sys_close(vk, (int32_t)directory) == 0);
        must(vk_sys_setrlimit(vk, RLIMIT_FSIZE, limit_address) == 0 && vk_sys_setrlimit(vk, RLIMIT_NOFILE, files_address) == 0);
    }
}

static void use_signals(Worker *worker)
{
    const WaliSigaction action = {.handler = 7, .flags = SA_RESTART};
    const GuestAddr new_address = put(worker, 0, &action, sizeof action), old_address = worker->page + 64;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const int number = SIGRTMIN + (int)(i % 4);
        WaliSigaction old;
        must(vk_sys_rt_sigaction(vk, number, i % 3 == 0 ? 0 : new_address, old_address, 8) == 0);
        must(vk_copy_in(vk, &old, old_address, sizeof old) == 0 && (old.handler == 0 || (old.handler == 7 && old.flags == SA_RESTART)));
    }
}

static uint32_t turns;

/* A token goes round by futexes on guest memory, and memory.atomic.wait beside it. */
static void use_futexes(Worker *worker)
{
    const GuestAddr word = 2 * RT_PAGE_SIZE + 65536 - 64;
    uint32_t *host = vk_guest(vk, word, 4);
    for (uint32_t i = 0; i < ROUNDS / 3; i++) {
        for (;;) {
            const uint32_t now = __atomic_load_n(host, __ATOMIC_SEQ_CST);
            if (now % THREADS == worker->number) {
                break;
            }
            if (i % 2 == 0) {
                const int64_t r = vk_sys_futex(vk, word, 128, (int32_t)now, 0, 0, 0);
                must(r == 0 || r == -EAGAIN || r == -EINTR);
            } else {
                must(worker->thread.instance->runtime->atomic_wait32(worker->thread.instance, word, now, 1000000000) <= 2);
            }
        }
        turns++; /* only one has the token */
        __atomic_add_fetch(host, 1, __ATOMIC_SEQ_CST);
        must(vk_sys_futex(vk, word, 129, INT32_MAX, 0, 0, 0) >= 0);
        (void)worker->thread.instance->runtime->atomic_notify(worker->thread.instance, word, UINT32_MAX);
    }
}

/* Children of several threads at once: each has one thread, locks that are free, and memory of its own. */
static void use_fork(Worker *worker)
{
    for (uint32_t i = 0; i < 10; i++) {
        const int64_t pid = vk_sys_fork(vk);
        if (pid == 0) {
            must(vk_self == &worker->thread && !vk_has_threads(vk) && vk->leader == vk_self && vk->instance == worker->thread.instance);
            must(vk_sys_mmap(vk, 0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) > 0);
            must(rt_memory_grow(vk->instance->memory, 1) != UINT32_MAX);
            free(malloc(100000));
            _exit(42);
        }
        int status = 0;
        must(pid > 0 && waitpid((pid_t)pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 42);
        must(vk_sys_brk(vk, 0) > 0);
    }
}

int main(void)
{
    char root[] = "/tmp/test-threads-XXXXXX";
    char name[64];
    must(mkdtemp(root) != NULL);
    (void)snprintf(name, sizeof name, "%s/sub", root);
    must(mkdir(name, 0755) == 0);
    process_make(root);
    run_all(use_memory);
    ok("mmap, mremap, munmap, brk and memory.grow");
    run_all(use_files);
    must(vk->file_size_lifts == 0);
    ok("files, served files, limits");
    run_all(use_signals);
    ok("dispositions");
    run_all(use_futexes);
    must(turns == THREADS * (ROUNDS / 3));
    ok("futexes and memory.atomic.wait");
#if !defined(__SANITIZE_THREAD__) /* it does not follow a fork of several threads */
    run_all(use_fork);
    ok("fork");
#endif
    for (uint32_t i = 0; i < THREADS; i++) {
        (void)snprintf(name, sizeof name, "%s/file%u", root, i);
        (void)unlink(name);
    }
    (void)snprintf(name, sizeof name, "%s/sub", root);
    must(rmdir(name) == 0 && rmdir(root) == 0);
    (void)printf("1..%d\n", test_count);
    return 0;
}
