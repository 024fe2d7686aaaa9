/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader.c - runs the exports of an object on aarch64, under qemu-aarch64: freestanding, because a test needs no libc for another machine.
 *
 *   loader OBJECT MEMORY     calls each export of type () -> i64 on a memory of 64 KiB with these contents; one line each, NAME HEX; a trap: NAME trap
 */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/abi.h"

#define OBJECT_MAXIMUM (64u << 20)
#define MEMORY_SIZE 65536u

static uint8_t file[OBJECT_MAXIMUM], image[OBJECT_MAXIMUM] __attribute__((aligned(65536)));
static uint8_t memory[MEMORY_SIZE] __attribute__((aligned(65536)));
static uint8_t instance_bytes[1u << 20] __attribute__((aligned(64)));
static uint64_t trapped[22];

/* AAPCS64: what a callee keeps. */
__attribute__((naked, returns_twice)) static int state_save(uint64_t *state)
{
    __asm__("stp x19, x20, [x0]\nstp x21, x22, [x0, #16]\nstp x23, x24, [x0, #32]\nstp x25, x26, [x0, #48]\nstp x27, x28, [x0, #64]\nstp x29, x30, [x0, #80]\n"
            "mov x1, sp\nstr x1, [x0, #96]\nstp d8, d9, [x0, #104]\nstp d10, d11, [x0, #120]\nstp d12, d13, [x0, #136]\nstp d14, d15, [x0, #152]\nmov w0, #0\nret");
}

__attribute__((naked, noreturn)) static void state_restore(uint64_t *state)
{
    __asm__("ldp x19, x20, [x0]\nldp x21, x22, [x0, #16]\nldp x23, x24, [x0, #32]\nldp x25, x26, [x0, #48]\nldp x27, x28, [x0, #64]\nldp x29, x30, [x0, #80]\n"
            "ldr x1, [x0, #96]\nmov sp, x1\nldp d8, d9, [x0, #104]\nldp d10, d11, [x0, #120]\nldp d12, d13, [x0, #136]\nldp d14, d15, [x0, #152]\nmov w0, #1\nret");
}

static long call(long number, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}

void *memcpy(void *to, const void *from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
    return to;
}

void *memset(void *to, int value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((volatile uint8_t *)to)[i] = (uint8_t)value;
    }
    return to;
}

static void leave(int status) { call(93, status, 0, 0, 0); __builtin_unreachable(); }

static void print(const char *text)
{
    size_t size = 0;
    while (text[size] != '\0') {
        size++;
    }
    call(64, 1, (long)text, (long)size, 0);
}

static void print_hex(uint64_t value)
{
    char text[18] = {[16] = '\n'};
    for (int i = 15; i >= 0; i--, value >>= 4) {
        text[i] = "0123456789abcdef"[value & 15];
    }
    print(text);
}

static void die(const char *text) { print(text); leave(1); }

static size_t load(const char *path, uint8_t *bytes, size_t capacity)
{
    const long fd = call(56, -100, (long)path, 0, 0);
    size_t size = 0;
    for (long got; fd >= 0 && size < capacity && (got = call(63, fd, (long)(bytes + size), (long)(capacity - size), 0)) > 0;) {
        size += (size_t)got;
    }
    return size;
}

static const RtObject *object_map(void)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)(void *)file;
    const Elf64_Phdr *segments = (const Elf64_Phdr *)(void *)(file + header->e_phoff);
    const Elf64_Shdr *sections = (const Elf64_Shdr *)(void *)(file + header->e_shoff);
    const RtObject *object = NULL;
    if (header->e_machine != EM_AARCH64 || header->e_type != ET_DYN) {
        die("not an aarch64 object\n");
    }
    for (int i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type == PT_LOAD) {
            if (segments[i].p_vaddr + segments[i].p_memsz > sizeof(image)) {
                die("too large\n");
            }
            memcpy(image + segments[i].p_vaddr, file + segments[i].p_offset, segments[i].p_filesz);
        }
    }
    for (int i = 0; i < header->e_shnum; i++) {
        if (sections[i].sh_type == SHT_RELA) {
            const Elf64_Rela *rows = (const Elf64_Rela *)(void *)(image + sections[i].sh_addr);
            for (size_t k = 0; k < sections[i].sh_size / sizeof(*rows); k++) {
                if (ELF64_R_TYPE(rows[k].r_info) != R_AARCH64_RELATIVE) {
                    die("a relocation that is not RELATIVE\n");
                }
                *(uint64_t *)(void *)(image + rows[k].r_offset) = (uint64_t)(uintptr_t)image + (uint64_t)rows[k].r_addend;
            }
        } else if (sections[i].sh_type == SHT_SYMTAB) {
            const Elf64_Sym *symbols = (const Elf64_Sym *)(void *)(file + sections[i].sh_offset);
            const char *names = (const char *)file + sections[sections[i].sh_link].sh_offset;
            for (size_t k = 0; k < sections[i].sh_size / sizeof(*symbols); k++) {
                const char *name = names + symbols[k].st_name, *wanted = RT_OBJECT_SYMBOL;
                while (*name != '\0' && *name == *wanted) {
                    name++, wanted++;
                }
                if (*name == *wanted) {
                    object = (const RtObject *)(void *)(image + symbols[k].st_value);
                }
            }
        }
    }
    call(226, (long)image, sizeof(image), 7, 0); /* mprotect; the emulator sees new code by itself */
    return object;
}

static void trap(RtInstance *instance, uint32_t number)
{
    (void)instance;
    (void)number;
    state_restore(trapped);
}

static void unexpected(void) { die("a call of the runtime that no test has\n"); }

static void run(const RtObject *object, RtInstance *instance)
{
    for (uint32_t i = 0; i < object->export_count; i++) {
        const RtExport *export = &object->exports[i];
        if (export->thunk == NULL || export->signature[0] != ':' || export->signature[1] != 'I' || export->signature[2] != '\0') {
            continue;
        }
        RtValue value = {.bits = {0, 0}};
        print(export->name);
        if (state_save(trapped) == 0) {
            export->thunk(instance, NULL, &value);
            print(" ");
            print_hex(value.i64);
        } else {
            print(" trap\n");
        }
    }
}

__attribute__((used)) static void begin(long *stack)
{
    if (stack[0] != 3 || load((const char *)stack[2], file, sizeof(file)) < sizeof(Elf64_Ehdr) || load((const char *)stack[3], memory, sizeof(memory)) == 0) {
        die("usage: loader OBJECT MEMORY\n");
    }
    const RtObject *object = object_map();
    if (object == NULL || object->magic != RT_OBJECT_MAGIC || object->abi_version != RT_ABI_VERSION || object->instance_size > sizeof(instance_bytes)) {
        die("no object of this version\n");
    }
    static RtRuntime runtime;
    static RtMemory first = {.base = memory, .page_count = 1, .page_maximum = 1, .page_limit = 1, .size = MEMORY_SIZE, .page_size_log2 = 16};
    for (size_t i = 0; i < sizeof(runtime) / sizeof(void *); i++) {
        ((void **)&runtime)[i] = (void *)unexpected;
    }
    runtime.trap = (void *)trap;
    RtInstance *instance = (RtInstance *)(void *)instance_bytes;
    *instance = (RtInstance){.memory_base = memory, .memory = &first, .runtime = &runtime, .object = object};
    run(object, instance);
    leave(0);
}

__attribute__((naked, used)) void _start(void) { __asm__ volatile("mov x0, sp\nb begin"); }
