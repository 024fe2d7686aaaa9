/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loader.c - maps an object: our own small ELF64 loader, because no process that runs guests has a dynamic linker
 * that we would trust with a cache file, and because nothing else in an object is ever needed.
 *
 *   file  --parse (private read-only map of the whole file)-->  headers checked against the file's size
 *         --map-->  text r-x, rodata r--, relro rw- --relocate--> r--     (never writable and executable)
 *         --check (check.c)-->  RtObject and everything it points to lies in the mapped segments
 *
 * Invariants: I1 no byte of the file is used before its range was compared with the file's size. I2 segments do not
 * share pages. I3 after rt_object_open nothing of the object is writable: compiled code keeps all its state in the
 * instance. I4 a relocation only stores addresses of the mapping, only into a writable segment.
 * Limits: RT_OBJECT_SEGMENTS, OBJECT_SPAN_MAX. Source: System V gABI chapter 5, AMD64 psABI 4.4.
 */
#include "rt/exception-int.h"
#include "rt/rt-int.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/must.h"

#define PAGE 4096ull
#define OBJECT_SPAN_MAX (16ull << 30) /* bytes of address space of one object [guess] */
#define STARTUP_SIZE_MAX (1ull << 20) /* bytes of code asked for ahead, whatever a profile says [guess] */
#define STARTUP_MAP_SIZE (256ull << 10) /* bytes of code mapped ahead: more is not faster, and a mebibyte costs 80 us [measured: dash, lua] */
#define OBJECT_RELOCATIONS_MAX (64ull << 20)

typedef struct ElfFile { /* the whole file, mapped read-only while it is parsed */
    const uint8_t *bytes;
    uint64_t size;
    Elf64_Ehdr header;
    uint64_t dynamic_address, dynamic_size;
    uint64_t span_start, span_end; /* page-rounded addresses of all segments */
} ElfFile;

/* All mapped objects, newest first. Changed only by open and close, in host code; the signal handler only reads. */
static RtLoaded *loaded_list;

static void elf_unmap(ElfFile *file)
{
    if (file->bytes != NULL) {
        (void)munmap((void *)(uintptr_t)file->bytes, file->size);
    }
}

static bool elf_has(const ElfFile *file, uint64_t offset, uint64_t size)
{
    return offset <= file->size && size <= file->size - offset;
}

static int elf_open(int fd, ElfFile *file, Error *err)
{
    struct stat status;
    if (fstat(fd, &status) < 0) {
        return error_set(err, errno, "object: fstat failed");
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(err, EBADMSG, "object: not a regular file");
    }
    if (status.st_size < (off_t)sizeof(Elf64_Ehdr) || (uint64_t)status.st_size > OBJECT_SPAN_MAX) {
        return error_set(err, EBADMSG, "object: %lld bytes cannot be an object", (long long)status.st_size);
    }
    void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        return error_set(err, errno, "object: cannot map the file");
    }
    file->bytes = bytes;
    file->size = (uint64_t)status.st_size;
    memcpy(&file->header, file->bytes, sizeof(file->header));
    const Elf64_Ehdr *h = &file->header;
    if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 || h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
        h->e_ident[EI_VERSION] != EV_CURRENT || h->e_version != EV_CURRENT || h->e_type != ET_DYN || h->e_machine != EM_X86_64) {
        return error_set(err, EBADMSG, "object: not an ELF64 x86-64 shared object");
    }
    if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0 || h->e_phnum > 64 ||
        !elf_has(file, h->e_phoff, (uint64_t)h->e_phnum * sizeof(Elf64_Phdr))) {
        return error_set(err, EBADMSG, "object: program headers outside of the file");
    }
    return 0;
}

static Elf64_Phdr elf_program_header(const ElfFile *file, uint32_t index)
{
    Elf64_Phdr header;
    memcpy(&header, file->bytes + file->header.e_phoff + index * sizeof(header), sizeof(header));
    return header;
}

/* One PT_LOAD: start holds the file's address for now; loader_map adds the bias. */
static int segment_read(const ElfFile *file, const Elf64_Phdr *ph, RtLoaded *loaded, Error *err)
{
    uint64_t end, page_end;
    if (loaded->segment_count == RT_OBJECT_SEGMENTS) {
        return error_set(err, EBADMSG, "object: more than %u segments", RT_OBJECT_SEGMENTS);
    }
    if (ph->p_filesz > ph->p_memsz || !elf_has(file, ph->p_offset, ph->p_filesz) ||
        __builtin_add_overflow(ph->p_vaddr, ph->p_memsz, &end) || __builtin_add_overflow(end, PAGE - 1, &page_end) ||
        page_end > OBJECT_SPAN_MAX || ph->p_offset % PAGE != ph->p_vaddr % PAGE) {
        return error_set(err, EBADMSG, "object: segment %u lies outside of the file", loaded->segment_count);
    }
    if ((ph->p_flags & (PF_W | PF_X)) == (PF_W | PF_X) || (ph->p_flags & ~(uint32_t)(PF_R | PF_W | PF_X)) != 0) {
        return error_set(err, EBADMSG, "object: segment %u has flags 0x%x", loaded->segment_count, ph->p_flags);
    }
    if (ph->p_memsz != ph->p_filesz && (ph->p_flags & PF_W) == 0) {
        return error_set(err, EBADMSG, "object: read-only segment %u is longer than its file part", loaded->segment_count);
    }
    if (loaded->segment_count > 0) {
        const RtSegment *last = &loaded->segments[loaded->segment_count - 1];
        const uint64_t last_end = ((uint64_t)(uintptr_t)last->start + last->size + PAGE - 1) & ~(PAGE - 1);
        if ((ph->p_vaddr & ~(PAGE - 1)) < last_end) {
            return error_set(err, EBADMSG, "object: segments %u and %u overlap", loaded->segment_count - 1, loaded->segment_count);
        }
    }
    loaded->segments[loaded->segment_count++] = (RtSegment){.start = (uint8_t *)(uintptr_t)ph->p_vaddr, .size = ph->p_memsz,
                                                            .file_offset = ph->p_offset, .file_size = ph->p_filesz,
                                                            .flags = ph->p_flags};
    return 0;
}

static int segments_read(ElfFile *file, RtLoaded *loaded, Error *err)
{
    for (uint32_t i = 0; i < file->header.e_phnum; i++) {
        const Elf64_Phdr ph = elf_program_header(file, i);
        if (ph.p_type == PT_LOAD && ph.p_memsz > 0) {
            int r = segment_read(file, &ph, loaded, err);
            if (r < 0) {
                return r;
            }
        } else if (ph.p_type == PT_DYNAMIC) {
            file->dynamic_address = ph.p_vaddr;
            file->dynamic_size = ph.p_memsz;
        } else if (ph.p_type == PT_GNU_EH_FRAME) {
            loaded->unwind_index = (const uint8_t *)(uintptr_t)ph.p_vaddr;
            loaded->unwind_index_size = ph.p_memsz;
        } else if (ph.p_type == PT_INTERP || ph.p_type == PT_TLS) {
            return error_set(err, EBADMSG, "object: has an interpreter or thread-local storage");
        }
    }
    if (loaded->segment_count == 0) {
        return error_set(err, EBADMSG, "object: nothing to load");
    }
    const RtSegment *first = &loaded->segments[0], *last = &loaded->segments[loaded->segment_count - 1];
    file->span_start = (uint64_t)(uintptr_t)first->start & ~(PAGE - 1);
    file->span_end = ((uint64_t)(uintptr_t)last->start + last->size + PAGE - 1) & ~(PAGE - 1);
    return 0;
}

static int segment_map(RtLoaded *loaded, RtSegment *segment, Error *err)
{
    segment->start = (uint8_t *)((uintptr_t)segment->start + loaded->bias); /* was the file's address, perhaps 0 */
    const int protection = (segment->flags & PF_R ? PROT_READ : 0) | (segment->flags & PF_W ? PROT_WRITE : 0) |
                           (segment->flags & PF_X ? PROT_EXEC : 0);
    uint8_t *page = (uint8_t *)((uintptr_t)segment->start & ~(uintptr_t)(PAGE - 1));
    uint8_t *file_end = segment->start + segment->file_size;
    uint8_t *zero_page = page;
    if (segment->file_size > 0) {
        const uint64_t head = (uint64_t)(segment->start - page);
        if (mmap(page, head + segment->file_size, protection, MAP_PRIVATE | MAP_FIXED, loaded->fd,
                 (off_t)(segment->file_offset - head)) == MAP_FAILED) {
            return error_set(err, errno, "object: cannot map a segment");
        }
        zero_page = (uint8_t *)(((uintptr_t)file_end + PAGE - 1) & ~(uintptr_t)(PAGE - 1));
    }
    uint8_t *end = segment->start + segment->size;
    if (end > file_end && zero_page > file_end) { /* writable: segment_read made sure */
        memset(file_end, 0, (size_t)((end < zero_page ? end : zero_page) - file_end));
    }
    if (end > zero_page && mmap(zero_page, (size_t)(end - zero_page), protection, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0) ==
                               MAP_FAILED) {
        return error_set(err, errno, "object: cannot map zero pages");
    }
    return 0;
}

static int segments_map(const ElfFile *file, RtLoaded *loaded, Error *err)
{
    loaded->map_size = file->span_end - file->span_start;
    void *map = mmap(NULL, loaded->map_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
        return error_set(err, errno, "object: no address space for %llu bytes", (unsigned long long)loaded->map_size);
    }
    loaded->map = map;
    loaded->bias = (uint64_t)(uintptr_t)map - file->span_start;
    if (loaded->unwind_index != NULL) {
        loaded->unwind_index = (const uint8_t *)((uintptr_t)loaded->unwind_index + loaded->bias);
    }
    uint32_t done = 0;
    int r = 0;
    for (; done < loaded->segment_count && r == 0; done++) {
        r = segment_map(loaded, &loaded->segments[done], err);
    }
    return r;
}

typedef struct Relocations {
    uint64_t address, size, entry_size;
} Relocations;

static int dynamic_read(const ElfFile *file, const RtLoaded *loaded, Relocations *ret, Error *err)
{
    *ret = (Relocations){.entry_size = sizeof(Elf64_Rela)};
    if (file->dynamic_size == 0) {
        return 0;
    }
    const uint8_t *entries = (const uint8_t *)(uintptr_t)(file->dynamic_address + loaded->bias);
    if (!loaded_has(loaded, entries, file->dynamic_size, PF_R)) {
        return error_set(err, EBADMSG, "object: dynamic section outside of the segments");
    }
    for (uint64_t at = 0; file->dynamic_size - at >= sizeof(Elf64_Dyn); at += sizeof(Elf64_Dyn)) {
        Elf64_Dyn entry;
        memcpy(&entry, entries + at, sizeof(entry));
        switch (entry.d_tag) {
        case DT_NULL:
            return 0;
        case DT_RELA:
            ret->address = entry.d_un.d_ptr;
            break;
        case DT_RELASZ:
            ret->size = entry.d_un.d_val;
            break;
        case DT_RELAENT:
            ret->entry_size = entry.d_un.d_val;
            break;
        case DT_NEEDED: case DT_REL: case DT_RELSZ: case DT_JMPREL: case DT_PLTRELSZ: case DT_TEXTREL: case DT_INIT: case DT_FINI:
        case DT_INIT_ARRAY: case DT_FINI_ARRAY: case DT_PREINIT_ARRAY: case 35: case 36: case 37: /* DT_RELRSZ DT_RELR DT_RELRENT */
            return error_set(err, EBADMSG, "object: dynamic tag %lld is not taken", (long long)entry.d_tag);
        default:
            break; /* symbol and hash tables: not used */
        }
    }
    return 0;
}

static int relocations_apply(const ElfFile *file, const RtLoaded *loaded, Error *err)
{
    Relocations relocations;
    int r = dynamic_read(file, loaded, &relocations, err);
    if (r < 0 || relocations.size == 0) {
        return r;
    }
    const uint8_t *table = (const uint8_t *)(uintptr_t)(relocations.address + loaded->bias);
    if (relocations.entry_size != sizeof(Elf64_Rela) || relocations.size % sizeof(Elf64_Rela) != 0 ||
        relocations.size / sizeof(Elf64_Rela) > OBJECT_RELOCATIONS_MAX || !loaded_has(loaded, table, relocations.size, PF_R)) {
        return error_set(err, EBADMSG, "object: relocation table outside of the segments");
    }
    const RtSegment *segment = NULL;
    for (uint64_t at = 0; at < relocations.size; at += sizeof(Elf64_Rela)) {
        Elf64_Rela entry;
        memcpy(&entry, table + at, sizeof(entry));
        uint8_t *place = (uint8_t *)(uintptr_t)(entry.r_offset + loaded->bias);
        const uint64_t value = (uint64_t)entry.r_addend + loaded->bias;
        if (segment == NULL || place < segment->start || segment->size < 8 ||
            (uint64_t)(place - segment->start) > segment->size - 8) {
            segment = loaded_segment(loaded, place, 8);
        }
        if (entry.r_info != ELF64_R_INFO(0, R_X86_64_RELATIVE) || segment == NULL || (segment->flags & PF_W) == 0 ||
            value - (uint64_t)(uintptr_t)loaded->map > loaded->map_size) {
            return error_set(err, EBADMSG, "object: bad relocation at 0x%llx", (unsigned long long)entry.r_offset);
        }
        memcpy(place, &value, sizeof(value));
    }
    return 0;
}

/* The whole pages that a segment lies in. Return: their bytes from *ret_first. */
static size_t segment_pages(const RtSegment *segment, uint8_t **ret_first)
{
    const uintptr_t first = (uintptr_t)segment->start & ~(uintptr_t)(PAGE - 1);
    *ret_first = (uint8_t *)first;
    return (((uintptr_t)segment->start + segment->size + PAGE - 1) & ~(uintptr_t)(PAGE - 1)) - first;
}

/* I3. The pages that relocations did not touch stay shared with the page cache. */
static int segments_seal(const RtLoaded *loaded, Error *err)
{
    for (uint32_t i = 0; i < loaded->segment_count; i++) {
        const RtSegment *segment = &loaded->segments[i];
        uint8_t *first;
        const size_t size = segment_pages(segment, &first);
        if ((segment->flags & PF_W) != 0 && mprotect(first, size, PROT_READ) < 0) {
            return error_set(err, errno, "object: cannot make a segment read-only");
        }
    }
    return 0;
}

/* Without memory files, or memory for one, the pages stay what they are. I3 holds: the mapping is private and read-only as before. */
int rt_object_share(const RtLoaded *loaded, Error *err)
{
    for (uint32_t i = 0; i < loaded->segment_count; i++) {
        const RtSegment *segment = &loaded->segments[i];
        uint8_t *first;
        const size_t size = segment_pages(segment, &first);
        _cleanup_(fd_closep) int fd = -1;
        if ((segment->flags & PF_W) != 0 && fd_seal_bytes(first, size, "relocated", &fd) == 0 &&
            mmap(first, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED) {
            return error_set(err, errno, "object: cannot map its relocated pages");
        }
    }
    return 0;
}

static bool section_header(const ElfFile *file, uint32_t index, Elf64_Shdr *ret_header)
{
    const Elf64_Ehdr *h = &file->header;
    if (index >= h->e_shnum || h->e_shentsize != sizeof(Elf64_Shdr) ||
        !elf_has(file, h->e_shoff, (uint64_t)h->e_shnum * sizeof(Elf64_Shdr))) {
        return false;
    }
    memcpy(ret_header, file->bytes + h->e_shoff + (uint64_t)index * sizeof(*ret_header), sizeof(*ret_header));
    return ret_header->sh_type == SHT_NOBITS || elf_has(file, ret_header->sh_offset, ret_header->sh_size);
}

/* Looks rc_object up in one symbol table. */
static const RtObject *symbols_find(const ElfFile *file, const RtLoaded *loaded, const Elf64_Shdr *symbols, const Elf64_Shdr *strings)
{
    for (uint64_t at = 0; symbols->sh_size - at >= sizeof(Elf64_Sym); at += sizeof(Elf64_Sym)) {
        Elf64_Sym symbol;
        memcpy(&symbol, file->bytes + symbols->sh_offset + at, sizeof(symbol));
        if (symbol.st_shndx == SHN_UNDEF || symbol.st_name >= strings->sh_size ||
            strings->sh_size - symbol.st_name < sizeof(RT_OBJECT_SYMBOL)) {
            continue;
        }
        const uint8_t *name = file->bytes + strings->sh_offset + symbol.st_name;
        if (memcmp(name, RT_OBJECT_SYMBOL, sizeof(RT_OBJECT_SYMBOL)) == 0) {
            const void *object = (const void *)(uintptr_t)(symbol.st_value + loaded->bias);
            return (uintptr_t)object % _Alignof(RtObject) == 0 && loaded_has(loaded, object, sizeof(RtObject), PF_R) ? object : NULL;
        }
    }
    return NULL;
}

static bool section_has_name(const ElfFile *file, const Elf64_Shdr *names, const Elf64_Shdr *section, const char *name)
{
    const size_t size = strlen(name) + 1;
    return section->sh_name < names->sh_size && names->sh_size - section->sh_name >= size &&
           memcmp(file->bytes + names->sh_offset + section->sh_name, name, size) == 0;
}

/* Sections: where rc_object is, and what the trap reporter reads later. Damaged ones only cost the names. */
static int sections_read(const ElfFile *file, RtLoaded *loaded, Error *err)
{
    Elf64_Shdr names = {0}, header, strings;
    const bool has_names = section_header(file, file->header.e_shstrndx, &names) && names.sh_type == SHT_STRTAB;
    for (uint32_t i = 0; i < file->header.e_shnum; i++) {
        if (!section_header(file, i, &header)) {
            continue;
        }
        if ((header.sh_type == SHT_DYNSYM || header.sh_type == SHT_SYMTAB) && section_header(file, header.sh_link, &strings) &&
            strings.sh_type == SHT_STRTAB) {
            if (loaded->object == NULL) {
                loaded->object = symbols_find(file, loaded, &header, &strings);
            }
            if (header.sh_type == SHT_SYMTAB) {
                loaded->symbols = (FileRange){header.sh_offset, header.sh_size};
                loaded->strings = (FileRange){strings.sh_offset, strings.sh_size};
            }
        } else if (header.sh_type == SHT_PROGBITS && has_names && section_has_name(file, &names, &header, ".debug_line")) {
            loaded->lines = (FileRange){header.sh_offset, header.sh_size};
        } else if (header.sh_type == SHT_PROGBITS && has_names && section_has_name(file, &names, &header, RT_LINES_SECTION)) {
            loaded->sources = (FileRange){header.sh_offset, header.sh_size};
        }
    }
    return loaded->object != NULL ? 0 : error_set(err, EBADMSG, "object: no symbol %s", RT_OBJECT_SYMBOL);
}

/* The code that a start runs, by the object's profile: none without one. Return: its bytes from *ret_begin. */
static uint64_t startup_range(const RtObject *object, uint8_t **ret_begin)
{
    const uint64_t begin = (uint64_t)(uintptr_t)object->text_begin & ~(PAGE - 1);
    const uint64_t size = object->startup_end == NULL ? 0 : (uint64_t)(uintptr_t)object->startup_end - begin;
    *ret_begin = (uint8_t *)(uintptr_t)begin;
    return size < STARTUP_SIZE_MAX ? size : STARTUP_SIZE_MAX;
}

/* Reads it from the disk in one go. Where its last page is in memory nothing is asked for: the advice costs 14 us for a mebibyte that is [measured]. */
static void startup_read(const RtObject *object)
{
    uint8_t *begin, is_resident = 0;
    const uint64_t size = startup_range(object, &begin);
    if (size > 0 && mincore(begin + ((size - 1) & ~(PAGE - 1)), 1, &is_resident) == 0 && (is_resident & 1) == 0) {
        (void)madvise(begin, size, MADV_WILLNEED); /* only advice */
    }
}

void loaded_startup_map(const RtObject *object, const void *start_code)
{
    uint8_t *begin, *from = (uint8_t *)((uintptr_t)start_code & ~(uintptr_t)(PAGE - 1));
    const uint64_t size = startup_range(object, &begin), before = (uint64_t)(uintptr_t)from - (uint64_t)(uintptr_t)begin;
    if (from >= begin && before < size) { /* Linux before 5.14 cannot: pages are mapped when they are needed */
        (void)madvise(from, size - before < STARTUP_MAP_SIZE ? size - before : STARTUP_MAP_SIZE, MADV_POPULATE_READ);
    }
}

static int loaded_fill(RtLoaded *loaded, const Digest *expected, Error *err)
{
    _cleanup_(elf_unmap) ElfFile file = {0};
    int r = elf_open(loaded->fd, &file, err);
    if (r < 0) {
        return r;
    }
    loaded->file_size = file.size;
    r = segments_read(&file, loaded, err);
    if (r == 0) {
        r = segments_map(&file, loaded, err);
    }
    if (r == 0) {
        r = relocations_apply(&file, loaded, err);
    }
    if (r == 0) {
        r = segments_seal(loaded, err);
    }
    if (r == 0) {
        r = sections_read(&file, loaded, err);
    }
    if (r == 0) {
        r = loaded_check(loaded, expected, err);
    }
    if (r == 0) {
        r = unwind_check(loaded, err);
    }
    if (r == 0) {
        startup_read(loaded->object);
    }
    return r;
}

int rt_object_open(int fd, int minimum_fd, const Digest *expected, RtLoaded **ret_loaded, Error *err)
{
    RtLoaded *loaded = calloc(1, sizeof(*loaded));
    if (loaded == NULL) {
        return error_set(err, ENOMEM, "object: out of memory");
    }
    int r = 0;
    loaded->fd = fcntl(fd, F_DUPFD_CLOEXEC, minimum_fd);
    if (loaded->fd < 0) {
        r = error_set(err, errno, "object: cannot duplicate the descriptor");
    } else {
        r = loaded_fill(loaded, expected, err);
    }
    if (r == 0) {
        loaded->is_entry_checked = calloc((size_t)loaded->object->entry_count + 1, sizeof(bool));
        r = loaded->is_entry_checked != NULL ? 0 : error_set(err, ENOMEM, "object: out of memory");
    }
    if (r < 0) {
        (void)rt_object_close(loaded);
        return r;
    }
    loaded->next = loaded_list;
    __atomic_store_n(&loaded_list, loaded, __ATOMIC_RELEASE);
    *ret_loaded = loaded;
    return 0;
}

RtLoaded *rt_object_close(RtLoaded *loaded)
{
    if (loaded == NULL) {
        return NULL;
    }
    for (RtLoaded **link = &loaded_list; *link != NULL; link = &(*link)->next) {
        if (*link == loaded) {
            __atomic_store_n(link, loaded->next, __ATOMIC_RELEASE);
            break;
        }
    }
    unwind_forget();
    if (loaded->map != NULL) {
        (void)munmap(loaded->map, loaded->map_size);
    }
    loaded->fd = fd_close(loaded->fd);
    free(loaded->is_entry_checked);
    free(loaded);
    return NULL;
}

int rt_object_fd(const RtLoaded *loaded) { return loaded->fd; }

const RtObject *rt_object(const RtLoaded *loaded) { return loaded->object; }

const RtEntry *rt_object_entry(const RtLoaded *loaded, const char *name)
{
    uint32_t low = 0, high = loaded->object->entry_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = strcmp(name, loaded->object->entries[middle].name);
        if (order == 0) {
            return &loaded->object->entries[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const RtSegment *loaded_segment(const RtLoaded *loaded, const void *pointer, uint64_t size)
{
    for (uint32_t i = 0; i < loaded->segment_count; i++) {
        const RtSegment *segment = &loaded->segments[i];
        const uint64_t offset = (uint64_t)(uintptr_t)pointer - (uint64_t)(uintptr_t)segment->start;
        if (offset <= segment->size && size <= segment->size - offset) {
            return segment;
        }
    }
    return NULL;
}

bool loaded_has(const RtLoaded *loaded, const void *pointer, uint64_t size, uint32_t flags)
{
    const RtSegment *segment = loaded_segment(loaded, pointer, size);
    return segment != NULL && (segment->flags & flags) == flags;
}

bool rt_is_guest_code(uint64_t pc) { return loaded_find(pc) != NULL; }

const RtLoaded *loaded_find(uint64_t pc)
{
    for (const RtLoaded *loaded = __atomic_load_n(&loaded_list, __ATOMIC_ACQUIRE); loaded != NULL; loaded = loaded->next) {
        const uint64_t begin = (uint64_t)(uintptr_t)loaded->object->text_begin;
        if (pc >= begin && pc < (uint64_t)(uintptr_t)loaded->object->text_end) {
            return loaded;
        }
    }
    return NULL;
}
