/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit-record.c - an object that records which functions are called has the same code as any other: only what calls name differs.
 *
 *   rc.own.3:           the function, as it was generated (or taken from the cache)
 *   call rc.own.3   ->  call rc.record.3, undefined here; the meta unit has it (meta-record.c): notes the call and jumps to rc.own.3
 *
 * Code refers to functions by relocations against their symbols, calls within the partition too, because they are global. So it is enough to
 * give the relocations of code another symbol: a copy of the symbol table at the end of the file, with one undefined symbol a function more.
 * Unwind and debug information go on naming the function. Tables of functions are the meta unit's.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aot/unit-object-int.h"
#include "base/cleanup.h"

typedef struct Recorder {
    Buf *object;
    Elf64_Ehdr header;
    uint32_t table_index;
    Elf64_Shdr table, strings;
    uint32_t symbol_count;
    uint32_t *callees; /* owned; symbol_count: the symbol that code gets instead; 0: none */
    Buf symbols, names; /* the new tables */
    Error *err;
} Recorder;

static int tables_find(Recorder *recorder)
{
    const Buf *object = recorder->object;
    int r = unit_object_header(object, &recorder->header, recorder->err);
    for (uint32_t i = 0; r == 0 && i < recorder->header.e_shnum; i++) {
        if (!unit_object_section(object, &recorder->header, i, &recorder->table)) {
            return unit_object_malformed(recorder->err, "section header");
        }
        if (recorder->table.sh_type == SHT_SYMTAB) {
            recorder->table_index = i;
            recorder->symbol_count = (uint32_t)(recorder->table.sh_size / sizeof(Elf64_Sym));
            const bool is_good = unit_object_section(object, &recorder->header, recorder->table.sh_link, &recorder->strings) &&
                                 recorder->strings.sh_type == SHT_STRTAB && recorder->strings.sh_size > 0 &&
                                 object->bytes[recorder->strings.sh_offset + recorder->strings.sh_size - 1] == '\0';
            return is_good ? 0 : unit_object_malformed(recorder->err, "string table");
        }
    }
    return r < 0 ? r : unit_object_malformed(recorder->err, "no symbol table");
}

static int symbols_add(Recorder *recorder)
{
    const uint8_t *bytes = recorder->object->bytes;
    buf_append(&recorder->symbols, bytes + recorder->table.sh_offset, recorder->symbol_count * sizeof(Elf64_Sym));
    buf_append(&recorder->names, bytes + recorder->strings.sh_offset, recorder->strings.sh_size);
    uint32_t count = recorder->symbol_count;
    for (uint32_t i = 0; i < recorder->symbol_count; i++) {
        Elf64_Sym symbol;
        uint32_t number;
        memcpy(&symbol, bytes + recorder->table.sh_offset + i * sizeof(symbol), sizeof(symbol));
        if (symbol.st_name >= recorder->strings.sh_size) {
            return unit_object_malformed(recorder->err, "symbol name");
        }
        const char *name = (const char *)bytes + recorder->strings.sh_offset + symbol.st_name;
        const bool is_body = unit_object_number(name, UNIT_BODY_FORMAT, &number);
        if (symbol.st_shndx == SHN_UNDEF || !(is_body || unit_object_number(name, UNIT_OWN_FORMAT, &number))) {
            continue;
        }
        const Elf64_Sym callee = {.st_name = (uint32_t)recorder->names.size, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE), .st_other = STV_HIDDEN};
        buf_append_format(&recorder->names, is_body ? UNIT_RECORD_BODY_FORMAT : UNIT_RECORD_FORMAT, number);
        buf_append_byte(&recorder->names, 0);
        buf_append(&recorder->symbols, &callee, sizeof(callee));
        recorder->callees[i] = count++;
    }
    return buf_error(&recorder->symbols) < 0 || buf_error(&recorder->names) < 0 ? error_set(recorder->err, ENOMEM, "out of memory") : 0;
}

static int relocations_change(const Recorder *recorder, const Elf64_Shdr *section)
{
    uint8_t *bytes = recorder->object->bytes + section->sh_offset;
    for (uint64_t at = 0; section->sh_size - at >= sizeof(Elf64_Rela); at += sizeof(Elf64_Rela)) {
        Elf64_Rela relocation;
        memcpy(&relocation, bytes + at, sizeof(relocation));
        const uint64_t symbol = ELF64_R_SYM(relocation.r_info);
        if (symbol >= recorder->symbol_count) {
            return unit_object_malformed(recorder->err, "relocation");
        }
        if (recorder->callees[symbol] != 0) {
            relocation.r_info = ELF64_R_INFO((uint64_t)recorder->callees[symbol], ELF64_R_TYPE(relocation.r_info));
            memcpy(bytes + at, &relocation, sizeof(relocation));
        }
    }
    return 0;
}

static int code_change(const Recorder *recorder)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < recorder->header.e_shnum; i++) {
        Elf64_Shdr section, target;
        if (!unit_object_section(recorder->object, &recorder->header, i, &section)) {
            return unit_object_malformed(recorder->err, "section header");
        }
        if (section.sh_type != SHT_RELA || section.sh_link != recorder->table_index) {
            continue;
        }
        if (!unit_object_section(recorder->object, &recorder->header, section.sh_info, &target)) {
            return unit_object_malformed(recorder->err, "relocated section");
        }
        r = (target.sh_flags & SHF_EXECINSTR) != 0 ? relocations_change(recorder, &section) : 0;
    }
    return r;
}

/* Both tables go to the end of the file. */
static int tables_write(Recorder *recorder)
{
    Buf *object = recorder->object;
    buf_align(object, sizeof(uint64_t));
    recorder->table.sh_offset = object->size;
    recorder->table.sh_size = recorder->symbols.size;
    buf_append(object, recorder->symbols.bytes, recorder->symbols.size);
    recorder->strings.sh_offset = object->size;
    recorder->strings.sh_size = recorder->names.size;
    buf_append(object, recorder->names.bytes, recorder->names.size);
    if (buf_error(object) < 0) {
        return error_set(recorder->err, ENOMEM, "out of memory");
    }
    uint8_t *sections = object->bytes + recorder->header.e_shoff;
    memcpy(sections + recorder->table_index * sizeof(Elf64_Shdr), &recorder->table, sizeof(recorder->table));
    memcpy(sections + recorder->table.sh_link * sizeof(Elf64_Shdr), &recorder->strings, sizeof(recorder->strings));
    return 0;
}

int unit_object_record(Buf *object, const Unit *unit, Error *err)
{
    Recorder recorder = {.object = object, .err = err, .symbols = BUF_INIT(UNIT_OBJECT_SIZE_LIMIT), .names = BUF_INIT(UNIT_OBJECT_SIZE_LIMIT)};
    must(unit->partition != NULL && unit->plan->options->is_recording);
    int r = tables_find(&recorder);
    if (r == 0) {
        recorder.callees = calloc((size_t)recorder.symbol_count + 1, sizeof(*recorder.callees));
        r = recorder.callees != NULL ? symbols_add(&recorder) : error_set(err, ENOMEM, "out of memory");
    }
    r = r < 0 ? r : code_change(&recorder);
    r = r < 0 ? r : tables_write(&recorder);
    free(recorder.callees);
    buf_deinit(&recorder.symbols);
    buf_deinit(&recorder.names);
    return r;
}
