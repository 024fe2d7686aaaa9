/* SPDX-License-Identifier: Apache-2.0 */
/* memory.c - mappings outside of linear memory, over it, executable ones, overflowing ones; and what an exec leaves of the program before. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096u
#define FIXED_PRIVATE (MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static void *fresh(uint32_t size) { return mmap(NULL, size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }

/* --- nothing executable --- */

static void executable(void)
{
    const int file = file_open();
    const int64_t page = P(fresh(4 * PAGE));
    expect("mmap with PROT_EXEC", "EACCES", CALL(mmap, 0, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    expect("mmap with PROT_EXEC alone", "EACCES", CALL(mmap, 0, PAGE, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    expect("mmap with all rights", "EACCES", CALL(mmap, 0, PAGE, 7, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    expect("mmap of a file with PROT_EXEC", "EACCES", CALL(mmap, 0, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0));
    expect("mmap of a file, shared, with all rights", "EACCES", CALL(mmap, 0, PAGE, 7, MAP_SHARED, file, 0));
    expect("mmap with PROT_EXEC over itself", "EACCES", CALL(mmap, page, PAGE, 7, FIXED_PRIVATE, -1, 0));
    expect("mmap with unknown protection bits", "EINVAL", CALL(mmap, 0, PAGE, 0x10 | RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    expect("mmap with PROT_GROWSDOWN", "EINVAL", CALL(mmap, 0, PAGE, 0x01000000 | RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    expect("mprotect with PROT_EXEC", "EACCES", CALL(mprotect, page, PAGE, PROT_READ | PROT_EXEC));
    expect("mprotect with all rights", "EACCES", CALL(mprotect, page, PAGE, 7));
    expect("mprotect of nothing with PROT_EXEC", "EACCES", CALL(mprotect, page, 0, 7));
    expect("mprotect of the whole memory with PROT_EXEC", "EACCES", CALL(mprotect, 0, 0xfffff000, 7));
    expect("mprotect with PROT_GROWSUP", "EINVAL", CALL(mprotect, page, PAGE, 0x02000000 | RW));
    const int memory_file = (int)CALL(memfd_create, P("code"), 0);
    row(memory_file >= 0, "memfd_create", "a descriptor", result_name(memory_file));
    expect("memfd_create with MFD_EXEC", "EINVAL|EACCES|EPERM", CALL(memfd_create, P("code"), 0x10));
    expect("memfd_create of huge pages", "EINVAL", CALL(memfd_create, P("code"), 4));
    (void)!write(memory_file, "\x7f" "ELF", 4);
    expect("mmap of a memory file with PROT_EXEC", "EACCES", CALL(mmap, 0, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, memory_file, 0));
    expect("execveat of a memory file", "EACCES", CALL(execveat, memory_file, P(""), 0, 0, 0x1000));
}

/* --- where and how much --- */

static void places(void)
{
    const int64_t page = P(fresh(4 * PAGE));
    const uint32_t end = memory_size();
    static const uint32_t odd[] = {1, 0x7ff, 0xfff, 0x10001, 0xfffffff0u, 0xffffffffu};
    for (size_t i = 0; i < COUNT(odd); i++) {
        expect(say("mmap MAP_FIXED at 0x%x", odd[i]), "EINVAL", CALL(mmap, odd[i], PAGE, RW, FIXED_PRIVATE, -1, 0));
        expect(say("mprotect at 0x%x", odd[i]), "EINVAL", CALL(mprotect, odd[i], PAGE, RW));
        expect(say("munmap at 0x%x", odd[i]), "EINVAL", CALL(munmap, odd[i], PAGE));
        expect(say("mremap of 0x%x", odd[i]), "EINVAL|EFAULT", CALL(mremap, odd[i], PAGE, 2 * PAGE, 1, 0));
    }
    expect("mmap MAP_FIXED at 0", "EPERM", CALL(mmap, 0, PAGE, RW, FIXED_PRIVATE, -1, 0));
    static const uint32_t far[] = {0xfffff000u, 0xffff0000u, 0xfffef000u};
    for (size_t i = 0; i < COUNT(far); i++) {
        expect(say("mmap MAP_FIXED of 128 KiB at 0x%x", far[i]), "ENOMEM", CALL(mmap, far[i], 0x20000, RW, FIXED_PRIVATE, -1, 0));
        expect(say("munmap of 128 KiB at 0x%x", far[i]), "EINVAL", CALL(munmap, far[i], 0x20000));
        expect(say("mprotect of 128 KiB at 0x%x", far[i]), "ENOMEM", CALL(mprotect, far[i], 0x20000, RW));
        expect(say("madvise of 128 KiB at 0x%x", far[i]), "ENOMEM", CALL(madvise, far[i], 0x20000, MADV_DONTNEED));
        expect(say("mlock of 128 KiB at 0x%x", far[i]), "ENOMEM", CALL(mlock, far[i], 0x20000));
        expect(say("mremap to 0x%x", far[i]), "ENOMEM|EINVAL", CALL(mremap, page, PAGE, 0x20000, MREMAP_MAYMOVE | MREMAP_FIXED, far[i]));
    }
    static const uint32_t sizes[] = {0xffffffffu, 0xfffff001u, 0xfffff000u, 0xffff0000u};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        expect(say("mmap of 0x%x bytes", sizes[i]), "ENOMEM", CALL(mmap, 0, sizes[i], RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        expect(say("mmap MAP_FIXED of 0x%x bytes", sizes[i]), "ENOMEM", CALL(mmap, page, sizes[i], RW, FIXED_PRIVATE, -1, 0));
        expect(say("munmap of 0x%x bytes", sizes[i]), "EINVAL", CALL(munmap, page, sizes[i]));
        expect(say("mprotect of 0x%x bytes", sizes[i]), "ENOMEM", CALL(mprotect, page, sizes[i], PROT_READ));
        expect(say("mremap grows to 0x%x bytes", sizes[i]), "ENOMEM", CALL(mremap, page, PAGE, sizes[i], MREMAP_MAYMOVE, 0));
        expect(say("mremap of 0x%x bytes", sizes[i]), "EFAULT", CALL(mremap, page, sizes[i], PAGE, MREMAP_MAYMOVE, 0));
        expect(say("mincore of 0x%x bytes", sizes[i]), "EFAULT|ENOMEM", CALL(mincore, page, sizes[i], page));
        expect(say("msync of 0x%x bytes", sizes[i]), "ENOMEM", CALL(msync, page, sizes[i], MS_SYNC));
    }
    expect("mmap of 0 bytes", "EINVAL", CALL(mmap, 0, 0, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    expect("munmap of 0 bytes", "EINVAL", CALL(munmap, page, 0));
    expect("mremap to 0 bytes", "EINVAL", CALL(mremap, page, PAGE, 0, 0, 0));
    expect("mremap of 0 bytes", "EINVAL", CALL(mremap, page, 0, PAGE, MREMAP_MAYMOVE, 0));
    expect("mremap onto itself", "EINVAL", CALL(mremap, page, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, page + PAGE));
    expect("mremap to 0", "ENOMEM|EINVAL", CALL(mremap, page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, 0));
    expect("mremap with MREMAP_DONTUNMAP", "EINVAL", CALL(mremap, page, PAGE, PAGE, 4 | MREMAP_MAYMOVE, 0));
    expect("mprotect behind memory", "ENOMEM", CALL(mprotect, end, PAGE, RW));
    expect("munmap behind memory", "0|EINVAL", CALL(munmap, end, PAGE));
    expect("mremap of what lies behind memory", "EFAULT", CALL(mremap, end, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0));
}

static void kinds(void)
{
    const int file = file_open();
    int ends[2];
    (void)!pipe(ends);
    expect("mmap with MAP_GROWSDOWN", "EINVAL", CALL(mmap, 0, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | 0x100, -1, 0));
    expect("mmap with MAP_HUGETLB", "EINVAL", CALL(mmap, 0, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | 0x40000, -1, 0));
    expect("mmap without shared or private", "EINVAL", CALL(mmap, 0, PAGE, RW, MAP_ANONYMOUS, -1, 0));
    expect("mmap of type 7", "EINVAL", CALL(mmap, 0, PAGE, RW, 7 | MAP_ANONYMOUS, -1, 0));
    expect("mmap with MAP_32BIT stays in memory", ">=0", CALL(mmap, 0, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | 0x40, -1, 0));
    expect("mmap of a file at -4096", "EINVAL", CALL(mmap, 0, PAGE, RW, MAP_PRIVATE, file, -4096));
    expect("mmap of a file at 1", "EINVAL", CALL(mmap, 0, PAGE, RW, MAP_PRIVATE, file, 1));
    expect("mmap of a file at 2^63 - 4096", "EINVAL|EOVERFLOW", CALL(mmap, 0, PAGE, RW, MAP_PRIVATE, file, INT64_MAX - 4095));
    expect("mmap of a pipe", "ENODEV|EACCES", CALL(mmap, 0, PAGE, PROT_READ, MAP_SHARED, ends[0], 0));
    expect("mmap of a directory", "ENODEV|EACCES", CALL(mmap, 0, PAGE, PROT_READ, MAP_SHARED, open("/", O_RDONLY | O_DIRECTORY), 0));
    expect("mmap of an O_PATH descriptor", "EBADF", CALL(mmap, 0, PAGE, PROT_READ, MAP_SHARED, open("/etc/passwd", O_PATH), 0));
    expect("mmap of a read-only file, shared and writable", "EACCES", CALL(mmap, 0, PAGE, RW, MAP_SHARED, open("/etc/passwd", O_RDONLY), 0));
    static const int advices[] = {8, 9, 10, 11, 12, 13, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 100, 101, -1, 102, 103};
    const char *failed = NULL;
    const int64_t page = P(fresh(PAGE));
    for (size_t i = 0; i < COUNT(advices); i++) { /* from FREE on: DONTFORK, HWPOISON, WIPEONFORK, COLLAPSE, GUARD ... */
        const int64_t r = CALL(madvise, page, PAGE, advices[i]);
        failed = r != -EINVAL && advices[i] != 8 ? say("%s for %d", result_name(r), advices[i]) : failed;
    }
    row(failed == NULL, "madvise with any other advice", "EINVAL", failed == NULL ? "EINVAL" : failed);
    expect("mlockall: would lock the runtime's reservation", "EPERM", CALL(mlockall, 3));
    expect("msync with flags -1", "EINVAL", CALL(msync, page, PAGE, -1));
}

/* --- the guest's own pages: it harms nobody but itself --- */

/* Data, stack and heap as they were at the start: what is mapped later lies above. */
static uint32_t first_size;
static volatile int touched = 1;

static int unmap_data(void *argument)
{
    (void)argument;
    return CALL(munmap, PAGE, first_size - PAGE) == 0 && touched != 0 ? 3 : 4;
}

static int unmap_stack(void *argument)
{
    volatile char here = 0;
    (void)argument;
    (void)CALL(munmap, P(&here) & ~(PAGE - 1), 2 * PAGE);
    return here;
}

static int protect_everything(void *argument)
{
    (void)argument;
    return CALL(mprotect, 0, first_size, PROT_NONE) == 0 && touched != 0 ? 3 : 4;
}

static int map_over_everything(void *argument)
{
    (void)argument;
    return CALL(mmap, PAGE, first_size - PAGE, RW, FIXED_PRIVATE, -1, 0) == PAGE && touched == 0 ? 3 : 4;
}

static int truncate_under(void *argument)
{
    const int fd = file_open();
    (void)argument;
    (void)ftruncate(fd, 2 * PAGE);
    char *view = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
    (void)ftruncate(fd, 0);
    /* The kernel and the vkernel meet the missing page: an error, no death. */
    if (CALL(write, 1, P(view), 4) != -EFAULT || CALL(stat, P(view), P(view)) != -EFAULT || CALL(uname, P(view)) != -EFAULT || CALL(writev, 1, P(view),
        1) != -EFAULT) {
        return 3;
    }
    ((volatile char *)view)[0] = 1;
    return 4;
}

static int copy_from_nothing(void *argument)
{
    char *pages = fresh(4 * PAGE);
    (void)argument;
    mprotect(pages + PAGE, PAGE, PROT_NONE);
    memmove(pages + 2 * PAGE, pages, 2 * PAGE - 16); /* memory.copy in the runtime's code */
    return 4;
}

static int fill_nothing(void *argument)
{
    char *pages = fresh(4 * PAGE);
    (void)argument;
    mprotect(pages + PAGE, PAGE, PROT_NONE);
    memset(pages, (int)(uintptr_t)pages & 0xff, 3 * PAGE);
    return 4;
}

static int jump_buffer_gone(void *argument)
{
    char *pages = fresh(2 * PAGE);
    (void)argument;
    mprotect(pages, 2 * PAGE, PROT_NONE);
    return setjmp(*(jmp_buf *)(void *)pages);
}

static int forged_jump(void *argument)
{
    jmp_buf buffer;
    memset(&buffer, 0, sizeof buffer);
    ((uint32_t *)(void *)&buffer)[0] = ((const uint32_t *)argument)[0];
    ((uint32_t *)(void *)&buffer)[1] = ((const uint32_t *)argument)[1];
    longjmp(buffer, 1);
}

/* Live and dead records: a buffer that was good once, and one that is good but for its generation. */
static jmp_buf kept;
static volatile int jumps;

__attribute__((noinline)) static void keep(void)
{
    if (setjmp(kept) != 0) {
        jumps++;
    }
}

static int dead_jump(void *argument)
{
    (void)argument;
    keep();
    longjmp(kept, 1);
}

static int dead_jump_below_live_one(void *argument)
{
    jmp_buf live;
    (void)argument;
    keep();
    if (setjmp(live) != 0) { /* takes the record that keep() had */
        return 5;
    }
    longjmp(kept, 1);
}

static int wrong_generation(void *argument)
{
    jmp_buf live;
    (void)argument;
    if (setjmp(live) != 0) {
        return 5;
    }
    ((volatile uint32_t *)(void *)&live)[1]++;
    longjmp(live, 1);
}

static int deep(int depth)
{
    volatile char block[512];
    block[0] = (char)depth;
    if (depth % 64 == 0) { /* host functions on the little stack that is left: the largest frames */
        const uint32_t message[9] = {0};
        (void)CALL(sendmsg, 1, P(message), 0);
        (void)CALL(execve, P("/data/denied"), 0, 0);
    }
    return depth < 0x40000000 ? deep(depth + 1) + block[0] : 0;
}

static int recurse(void *argument)
{
    (void)argument;
    return deep(1);
}

static void own_pages(void)
{
    static const uint32_t forged[][2] = {{0, 0}, {0, 1}, {1, 1}, {0xffffffff, 0xffffffff}, {0x10000, 1}, {0x7fffffff, 0}, {0xfffffff0, 2}};
    static const struct { const char *name, *want; int (*function)(void *); } cases[] = {
        {"munmap of all the program's memory", "signal 11", unmap_data}, {"munmap of the stack", "signal 11", unmap_stack},
        {"mprotect(PROT_NONE) of all memory", "signal 11", protect_everything}, {"mmap over all memory: zeros", "exit 3", map_over_everything},
        {"a file that is truncated under its mapping", "signal 7", truncate_under}, {"memory.copy across an inaccessible page", "signal 11", copy_from_nothing},
        {"memory.fill across an inaccessible page", "signal 11", fill_nothing}, {"setjmp into an inaccessible page", "signal 11", jump_buffer_gone},
        {"recursion with calls to the stack's end", "signal 11", recurse}, {"longjmp into a function that returned", "signal 6", dead_jump},
        {"longjmp by the record of another function", "signal 6", dead_jump_below_live_one}, {"longjmp with another generation", "signal 6", wrong_generation},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *got = child_name(child_run(cases[i].function, NULL, 30));
        row(strcmp(got, cases[i].want) == 0, cases[i].name, cases[i].want, got);
    }
    for (size_t i = 0; i < COUNT(forged); i++) {
        const char *got = child_name(child_run(forged_jump, (void *)forged[i], 30));
        row(strcmp(got, "signal 6") == 0, say("longjmp to a forged buffer {0x%x, 0x%x}", forged[i][0], forged[i][1]), "signal 6 (a trap)", got);
    }
    expect_alive("children that took away their own memory");
}

/* --- growth --- */

static void growth(void)
{
    uint8_t *page = fresh(PAGE);
    memset(page, 0x5a, PAGE);
    const uint32_t before = memory_size();
    int64_t r = CALL(mremap, P(page), PAGE, 64 << 20, MREMAP_MAYMOVE, 0);
    row(r > 0 && (uint64_t)r + (64u << 20) <= memory_size() && ((uint8_t *)(uintptr_t)r)[0] == 0x5a, "mremap grows to 64 MiB inside of memory",
        "an address below memory.size", result_name(r));
    uint64_t total = 0;
    int count = 0;
    while (count < 300 && (r = CALL(mmap, 0, 64 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) > 0) {
        total += 64 << 20;
        count++;
        if ((uint64_t)r + (64u << 20) > 0x100000000ull) {
            break;
        }
    }
    row(r == -ENOMEM && total < 1ull << 32, "mmap until memory is full", "ENOMEM before 4 GiB", say("%s after %d MiB", result_name(r), (int)(total >> 20)));
    row(__builtin_wasm_memory_size(0) <= 65536 && memory_size() >= before, "memory.size", "at most 65536 pages", say("%d", (int)__builtin_wasm_memory_size(0)));
    expect("mremap in full memory", "ENOMEM", CALL(mremap, P(page), 64 << 20, 0xc0000000, MREMAP_MAYMOVE, 0));
    expect("brk to the end", ">=0", CALL(brk, 0xffffffff));
}

static int growth_child(void *argument)
{
    (void)argument;
    growth();
    return 0;
}

/* Many small mappings of alternating kinds: the kernel's limit of mappings must end in ENOMEM. */
static int many_mappings(void *argument)
{
    const int64_t start = P(mmap(NULL, 300 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    int64_t r = 0;
    int count = 0;
    (void)argument;
    for (; count < 38000 && r >= 0; count++) {
        r = CALL(mprotect, start + (int64_t)count * 2 * PAGE, PAGE, PROT_READ);
    }
    expect("mprotect of every second page, until the kernel has no mappings left", "ENOMEM", r);
    expect("mmap then", "ENOMEM", CALL(mmap, start + (int64_t)count * 2 * PAGE + PAGE, PAGE, PROT_READ, FIXED_PRIVATE, -1, 0));
    expect("munmap then", "ENOMEM|0", CALL(munmap, start + 2 * PAGE * 1001, PAGE));
    expect("open of a served file then", ">=0|ENOMEM|EMFILE", CALL(open, P("/proc/self/status"), 0, 0));
    expect("execve of an unlisted program then", "EACCES|ENOMEM", CALL(execve, P("/data/denied"), 0, 0));
    return 0;
}

/* --- exec: nothing of the old program is left --- */

#define PATTERN_SIZE 64
static void pattern(uint8_t out[PATTERN_SIZE])
{
    static volatile uint32_t factor = 37; /* so that no compiler puts the pattern into the program's data */
    for (uint32_t i = 0; i < PATTERN_SIZE; i++) {
        out[i] = (uint8_t)(i * i * factor + i * 11 + 101);
    }
}

/* The new program: 0 when no page of its memory has the old one's pattern, nor pages that it gets by growing. Pages that cannot be read are left out. */
int scan_for_pattern(void)
{
    static _Alignas(16) uint8_t wanted[PATTERN_SIZE];
    const uint8_t *volatile own = wanted; /* or the compiler takes for granted that nothing met by its address is this */
    const int file = (int)CALL(memfd_create, P("probe"), 0);
    (void)__builtin_wasm_memory_grow(0, 320); /* before the vkernel makes its mappings: pages that the old program had */
    pattern(wanted);
    for (uint32_t page = 0; page < memory_size(); page += PAGE) {
        const uint8_t *bytes = (const uint8_t *)(uintptr_t)page;
        if (CALL(pwrite64, file, page, 1, 0) != 1) {
            continue;
        }
        for (uint32_t at = page == 0 ? 16 : 0; at + PATTERN_SIZE <= PAGE; at += 16) {
            if (bytes + at != own && memcmp(bytes + at, wanted, PATTERN_SIZE) == 0) {
                return 5;
            }
        }
    }
    return 0;
}

static int leave_pattern(void *argument)
{
    volatile uint8_t stack[128 << 10];
    (void)argument;
    for (uint32_t k = 0; k < sizeof stack; k += PATTERN_SIZE) {
        pattern((uint8_t *)(uintptr_t)stack + k);
    }
    for (int i = 0; i < 16; i++) {
        uint8_t *block = i % 2 == 0 ? malloc(1 << 20) : mmap(NULL, 1 << 20, RW, (i % 4 == 1 ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);
        block = (uint8_t *)(((uintptr_t)block + 63) & ~(uintptr_t)63);
        for (uint32_t k = 0; k < (1 << 20) - 128; k += PATTERN_SIZE) {
            pattern(block + k);
        }
    }
    char *const words[] = {"guest", "scan", NULL};
    execv("/bin/guest", words);
    return 6;
}

static int scan_here(void *argument)
{
    uint8_t *block = fresh(PAGE);
    (void)argument;
    pattern(block);
    return scan_for_pattern();
}

static void after_exec(void)
{
    const char *got = child_name(child_run(scan_here, NULL, 30));
    row(strcmp(got, "exit 5") == 0, "the search finds a pattern that is there", "exit 5", got);
    got = child_name(child_run(leave_pattern, NULL, 30));
    row(strcmp(got, "exit 0") == 0, "16 MiB of a pattern are not found after an exec", "exit 0", got);
}

static void look(const char *stage)
{
    char byte;
    dprintf(1, "look %s\n", stage);
    (void)!read(0, &byte, 1);
}

static void leave_mess(void)
{
    const int fd = file_open();
    (void)ftruncate(fd, 16 * PAGE);
    uint8_t *pages = fresh(64 * PAGE);
    for (int i = 0; i < 64; i += 2) {
        const int64_t page = P(pages) + i * (int64_t)PAGE;
        switch (i % 8) {
        case 0: (void)CALL(mmap, page, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 0); break;
        case 2: (void)CALL(munmap, page, PAGE); break;
        case 4: (void)CALL(mprotect, page, PAGE, PROT_READ); break;
        default: (void)CALL(mremap, page, PAGE, 3 * PAGE, MREMAP_MAYMOVE, 0); break;
        }
    }
    /* Calls that the kernel refuses after it took the old mapping away: sealed memory, a mapping that cannot be made. */
    const int sealed = (int)CALL(memfd_create, P("sealed"), 2);
    (void)ftruncate(sealed, 4 * PAGE);
    expect("F_ADD_SEALS", "0", CALL(fcntl, sealed, 1033, 8 /* F_SEAL_WRITE */));
    expect("mmap of a sealed file, shared and writable, over a page", "EPERM", CALL(mmap, P(pages) + 8 * PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, sealed, 0));
    /* Several kinds at once: whatever the kernel says, what it took away must be there again when the driver looks. */
    (void)CALL(mremap, P(pages), 16 * PAGE, 32 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, P(pages) + 32 * PAGE);
}

void theme_memory(void)
{
    first_size = memory_size();
    look("before");
    executable();
    places();
    kinds();
    own_pages();
    int status = child_run(growth_child, NULL, 60);
    row(status == 0, "growth to the end of memory", "exit 0", child_name(status));
    status = child_run(many_mappings, NULL, 60);
    row(status == 0, "too many mappings", "exit 0", child_name(status));
    after_exec();
    leave_mess();
    look("after");
    expect_alive("all of it");
}
