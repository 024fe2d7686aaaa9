/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-loader.c - objects good and damaged. A damaged object is cut at every size and changed in every byte region: the
 * loader may refuse or accept it, but never crash; what it accepts must make an instance or refuse that.
 */
#include "rt/symbols-int.h"
#include "rt/test-int.h"

#include <elf.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "abi/signature.h"

static uint8_t *good;
static size_t good_size;

static void test_open(void)
{
    RtLoaded *loaded = fixture_open("rt-fixture.so");
    Error err = ERROR_INIT;
    const RtObject *object = rt_object(loaded);
    must(object->magic == RT_OBJECT_MAGIC && object->entry_count == 3);
    must(rt_object_entry(loaded, "main") == &object->entries[0] && rt_object_entry(loaded, "vast") == &object->entries[2]);
    must(rt_object_entry(loaded, "mai") == NULL && rt_object_entry(loaded, "") == NULL && rt_object_entry(loaded, "zzz") == NULL);
    must(rt_object_check(loaded, &err) == 0);
    must(loaded->fd >= 100 && (fcntl(loaded->fd, F_GETFD) & FD_CLOEXEC) != 0);
    must(object->funcs[0].signature == signature_id("i:") && object->funcs[1].signature == signature_id(":i"));
    must(object->funcs[2].signature == signature_id(":") && object->funcs[5].signature == signature_id("iii:"));
    must(loaded->symbols.size > 0 && loaded->lines.size > 0);
    for (uint32_t i = 0; i < loaded->segment_count; i++) {
        must((loaded->segments[i].flags & (PF_W | PF_X)) != (PF_W | PF_X));
    }
    must(rt_object_close(loaded) == NULL);
}

/* I3 of loader.c, as the kernel sees it. */
static void test_protection(void)
{
    RtLoaded *loaded = fixture_open("rt-fixture.so");
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    uint32_t count = 0;
    must(maps != NULL);
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long start, end;
        char protection[8];
        must(sscanf(line, "%lx-%lx %7s", &start, &end, protection) == 3);
        if (start >= (uintptr_t)loaded->map && end <= (uintptr_t)loaded->map + loaded->map_size) {
            must(protection[1] == '-');
            count++;
        }
    }
    must(count >= 3);
    (void)fclose(maps);
    (void)rt_object_close(loaded);
}

/* The bytes stay, as pages of a file that nobody can write, and what is called through them works. */
static void test_share(void)
{
    Error err = ERROR_INIT;
    RtLoaded *loaded = fixture_open("rt-fixture.so");
    uint8_t *copy = NULL;
    const RtSegment *segment = NULL;
    for (uint32_t i = 0; i < loaded->segment_count; i++) {
        segment = (loaded->segments[i].flags & PF_W) != 0 ? &loaded->segments[i] : segment;
    }
    must(segment != NULL && segment->size > 0 && (copy = malloc(segment->size)) != NULL);
    memcpy(copy, segment->start, segment->size);
    must(rt_object_share(loaded, &err) == 0);
    must(memcmp(copy, segment->start, segment->size) == 0);
    must(rt_object_check(loaded, &err) == 0 && rt_object_entry(loaded, "main") == &rt_object(loaded)->entries[0]);
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    uint32_t shared = 0;
    must(maps != NULL);
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (strstr(line, "/memfd:relocated") != NULL) {
            must(strstr(line, " r--p ") != NULL && strtoul(line, NULL, 16) == ((uintptr_t)segment->start & ~(uintptr_t)4095));
            shared++;
        }
    }
    (void)fclose(maps);
    must(shared == 1);
    free(copy);
    (void)rt_object_close(loaded);
}

static void test_refusals(void)
{
    Error err = ERROR_INIT;
    RtLoaded *loaded = NULL;
    Digest digest = {.bytes = {1, 2, 3}};
    int fd = fixture_fd("rt-fixture.so");
    must(rt_object_open(fd, 3, &digest, &loaded, &err) == 0);
    (void)rt_object_close(loaded);
    digest.bytes[31] = 1;
    must(rt_object_open(fd, 3, &digest, &loaded, &err) == -EBADMSG);
    (void)close(fd);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    must(rt_object_open(fd, 3, NULL, &loaded, &err) == -EBADMSG);
    (void)close(fd);
    must(rt_object_open(-1, 3, NULL, &loaded, &err) == -EBADF);
}

/* Offset in the file of a field of rc_object. */
static size_t object_offset(void)
{
    for (size_t i = 0; i + 8 < good_size; i += 8) {
        uint32_t words[2];
        memcpy(words, good + i, sizeof(words));
        if (words[0] == RT_OBJECT_MAGIC && words[1] == RT_ABI_VERSION) {
            return i;
        }
    }
    must(false && "rc_object in the file");
    return 0;
}

static int file_fd; /* a memfd: the loader wants a regular file */

static void put(const void *bytes, size_t size, size_t offset)
{
    must(pwrite(file_fd, bytes, size, (off_t)offset) == (ssize_t)size);
}

/* Opens what is in the file; goes on to make an instance of each entry if it can. Return: what open answered. */
static int try_open(void)
{
    RtLoaded *loaded = NULL;
    Error err = ERROR_INIT;
    const int r = rt_object_open(file_fd, 3, NULL, &loaded, &err);
    must(r <= 0);
    if (r < 0) {
        must(err.code == -r && err.message[0] != '\0');
        return r;
    }
    const RtObject *object = rt_object(loaded);
    for (uint32_t i = 0; i < object->entry_count; i++) {
        const RtInstanceConfig config = {.resolve = host_resolve, .native_stack_size = 1u << 20, .page_limit = 64};
        RtInstance *instance = NULL;
        if (object->memory_base == 0 && rt_instance_new(loaded, &object->entries[i], &config, &instance, &err) == 0) {
            (void)rt_instance_free(instance);
        }
    }
    char name[256];
    symbol_name(loaded, (uint64_t)(uintptr_t)object->text_begin + 8, name, sizeof(name));
    (void)symbol_line(loaded, (uint64_t)(uintptr_t)object->text_begin + 8);
    (void)rt_object_close(loaded);
    return 0;
}

static void test_field(size_t offset, uint32_t value, int expected)
{
    put(&value, sizeof(value), object_offset() + offset);
    const int r = try_open();
    put(good + object_offset() + offset, sizeof(value), object_offset() + offset);
    if (r != expected) {
        (void)printf("# offset %zu value %u: got %d want %d\n", offset, value, r, expected);
        must(false && "field");
    }
}

static void test_fields(void)
{
    must(try_open() == 0);
    test_field(offsetof(RtObject, abi_version), RT_ABI_VERSION + 1, -ENOEXEC);
    test_field(offsetof(RtObject, cpu_features) + 4, 0x80000000u, -ENOEXEC);
    test_field(offsetof(RtObject, magic), 0, -EBADMSG);
    test_field(offsetof(RtObject, instance_size), 256, -EBADMSG);
    test_field(offsetof(RtObject, instance_size), UINT32_MAX, -EBADMSG);
    test_field(offsetof(RtObject, imports_offset), 8, -EBADMSG);
    test_field(offsetof(RtObject, globals_offset), 0xfffffff0u, -EBADMSG);
    test_field(offsetof(RtObject, func_count), 1000, -EBADMSG);
    test_field(offsetof(RtObject, func_count), UINT32_MAX, -EBADMSG);
    test_field(offsetof(RtObject, import_count), 100000, -EBADMSG);
    test_field(offsetof(RtObject, export_count), 99999, -EBADMSG);
    test_field(offsetof(RtObject, entry_count), 4000, -EBADMSG);
    test_field(offsetof(RtObject, data_count), 4000, -EBADMSG);
    test_field(offsetof(RtObject, memory_minimum), 65537, -EBADMSG);
    test_field(offsetof(RtObject, memory_base), 4096, -EBADMSG);
    test_field(offsetof(RtObject, startup_end), 1, -EBADMSG);
    test_field(offsetof(RtObject, is_recording), 1, 0); /* it is an instance that this object does not get */
}

/* A bad relocation: wrong type, symbol, place, addend. */
static void test_relocations(void)
{
    Elf64_Ehdr header;
    memcpy(&header, good, sizeof(header));
    for (uint32_t i = 0; i < header.e_shnum; i++) {
        Elf64_Shdr section;
        memcpy(&section, good + header.e_shoff + i * sizeof(section), sizeof(section));
        if (section.sh_type != SHT_RELA) {
            continue;
        }
        Elf64_Rela first, bad;
        memcpy(&first, good + section.sh_offset, sizeof(first));
        const Elf64_Rela bads[] = {
            {first.r_offset, ELF64_R_INFO(0, R_X86_64_64), first.r_addend},
            {first.r_offset, ELF64_R_INFO(1, R_X86_64_RELATIVE), first.r_addend},
            {0x7000, first.r_info, first.r_addend},             /* text */
            {UINT64_MAX - 3, first.r_info, first.r_addend},
            {first.r_offset, first.r_info, INT64_MIN},
            {first.r_offset, first.r_info, 1ll << 40},
        };
        for (size_t j = 0; j < sizeof(bads) / sizeof(bads[0]); j++) {
            bad = bads[j];
            put(&bad, sizeof(bad), section.sh_offset);
            must(try_open() == -EBADMSG);
        }
        put(&first, sizeof(first), section.sh_offset);
        return;
    }
    must(false && "a relocation section");
}

static void test_truncation(void)
{
    uint32_t refused = 0;
    for (size_t size = 0; size < good_size; size += size < 4096 || good_size - size < 4096 ? 8 : 61) {
        must(ftruncate(file_fd, (off_t)size) == 0);
        refused += try_open() < 0;
        must(ftruncate(file_fd, (off_t)good_size) == 0);
        put(good, good_size, 0);
    }
    must(refused > 100);
    (void)printf("# %u cut files refused\n", refused);
}

/* Every byte of headers and tables, every 37th of the rest; bits flipped, all ones, zero. */
static void test_corruption(void)
{
    uint32_t refused = 0, accepted = 0;
    const size_t relro = 0x8000;
    for (size_t i = 0; i < good_size;) {
        const uint8_t values[] = {(uint8_t)(good[i] ^ 0x80), (uint8_t)(good[i] ^ 1), 0xff, 0};
        for (size_t j = 0; j < sizeof(values); j++) {
            put(&values[j], 1, i);
            if (try_open() < 0) {
                refused++;
            } else {
                accepted++;
            }
        }
        put(&good[i], 1, i);
        const bool is_dense = i < 0x900 || (i >= relro && i < relro + 0x4e8) || i + 0x600 > good_size;
        i += is_dense ? 1 : 37;
    }
    must(refused > 1000 && try_open() == 0);
    (void)printf("# %u changed files refused, %u accepted\n", refused, accepted);
}

int main(void)
{
#if defined(__SANITIZE_THREAD__)
    (void)printf("1..0 # SKIP the sanitizer refuses mappings that a damaged object asks for\n");
    return 0;
#endif
    const int fd = fixture_fd("rt-fixture.so");
    good_size = (size_t)lseek(fd, 0, SEEK_END);
    good = malloc(good_size);
    must(good != NULL && pread(fd, good, good_size, 0) == (ssize_t)good_size);
    (void)close(fd);
    file_fd = memfd_create("object", MFD_CLOEXEC);
    must(file_fd >= 0);
    put(good, good_size, 0);

    (void)printf("1..8\n");
    test_open();
    ok("a good object opens");
    test_protection();
    ok("nothing of an object is writable");
    test_share();
    ok("relocated pages in a sealed file");
    test_refusals();
    ok("other megabinary, not a file");
    test_fields();
    ok("fields of rc_object out of range");
    test_relocations();
    ok("relocations out of range");
    test_truncation();
    ok("cut at every size");
    test_corruption();
    ok("changed in every region");
    free(good);
    return 0;
}
