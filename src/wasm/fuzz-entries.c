/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-entries.c - any bytes as the section recompiler.entries of a megabinary, or as a whole megabinary.
 *
 * What is accepted must be written again as the same bytes (there is one form only) and must be in range.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "wasm/entries.h"
#include "wasm/link.h"
#include "wasm/share.h"
#include "wasm/test-hex.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char *const programs[2] = {
    "01(01 60 00 00) 03(02 00 00) 04(01 70 00 03) 05(01 00 01) 06(03 7f 01 41 07 0b 7b 01 fd 0c 'sixteen bytes !!' 0b 70 01 d2 01 0b)"
    "07(01 ('_start') 00 00) 09(01 00 41 01 0b 02 01 00)"
    "0a(02 (00 23 00 1a 23 01 1a 23 02 1a 0b) (00 01 0b)) 0b(02 00 41 08 0b 02 'hi' 00 41 09 0b 03 'hey')",
    "01(02 60 00 00 60 02 7f 7f 00) 02(01 ('wali') ('SYS_sched_yield') 00 00) 03(03 00 00 01) 05(01 03 02 04)"
    "07(02 ('_start') 00 01 ('__wasm_thread_start_libc') 00 03) 08(02) 0a(03 (00 10 00 0b) (00 01 0b) (00 01 01 0b))",
};

/* The megabinary without its record, which stands behind the code: everything up to the section. Made once. */
static const Buf *mega_head(void)
{
    static Buf head = BUF_INIT(1u << 20);
    static const uint8_t mark[] = "\x12recompiler.entries";
    if (head.size > 0)
        return &head;
    Arena arena = ARENA_INIT(16u << 20);
    LinkInput inputs[2] = {{.name = "a"}, {.name = "b"}};
    uint8_t *modules[2];
    for (int i = 0; i < 2; i++) {
        size_t size;
        modules[i] = hex_module(programs[i], &size);
        must(wasm_module_read(modules[i], size, &arena, &inputs[i].module, NULL) == 0);
    }
    must(link_megabinary(inputs, 2, &head, NULL, NULL) == 0);
    const uint8_t *at = memmem(head.bytes, head.size, mark, sizeof(mark) - 1);
    must(at && at[-3] == 0); /* id and a size of two bytes before the name */
    head.size = (size_t)(at - head.bytes) - 3;
    for (int i = 0; i < 2; i++)
        free(modules[i]);
    arena_deinit(&arena);
    return &head;
}

static void accepted_check(const WasmModule *module, const MegaEntries *entries)
{
    const WasmCustom *section = NULL;
    for (uint32_t i = 0; i < module->custom_count; i++) {
        const WasmSlice name = module->customs[i].name;
        if (name.size == strlen(ENTRIES_SECTION_NAME) && memcmp(name.bytes, ENTRIES_SECTION_NAME, name.size) == 0)
            section = &module->customs[i];
    }
    must(section);
    Buf again = BUF_INIT(64u << 20);
    entries_write(entries, &again);
    must(buf_error(&again) == 0 && again.size == section->bytes.size);
    must(memcmp(again.bytes, section->bytes.bytes, again.size) == 0);
    buf_deinit(&again);
    for (uint32_t i = 0; i < entries->count; i++) {
        const MegaEntry *entry = &entries->entries[i];
        must(entries_find(entries, entry->name) == entry);
        must(entry->stub_func < module->func_count && entry->start_func < module->func_count);
        for (uint32_t k = 0; k < entry->global_count; k++)
            must(module->globals[entry->globals[k].global_index].is_mutable);
        for (uint32_t k = 0; k < entry->elem_count; k++)
            must((uint64_t)entry->elems[k].slot + module->elems[entry->elems[k].elem_index].item_count <= entry->table_size);
        for (uint32_t k = 0; k < entry->data_count; k++)
            must(entry->datas[k].address + module->datas[entry->datas[k].data_index].bytes.size <= entry->memory_minimum << 16);
    }
}

static void module_try(const uint8_t *bytes, size_t size)
{
    Arena arena = ARENA_INIT(256u << 20);
    const WasmModule *module;
    MegaEntries entries;
    Error err = ERROR_INIT;
    if (wasm_module_read(bytes, size, &arena, &module, NULL) == 0) {
        const int r = entries_read(module, &arena, &entries, &err);
        must(r == 0 || r == -ENODATA || r == -EBADMSG);
        must(r == 0 ? err.code == 0 : err.code == -r && err.message[0] != '\0');
        if (r == 0) {
            WasmShare share;
            accepted_check(module, &entries);
            const int s = wasm_share_measure(module, &entries, &arena, &share, &err); /* inspect does not validate */
            must(s == 0 ? share.shared_func_count == 0 || entries.count > 1 : s == -EBADMSG || s == -E2BIG);
        }
    }
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size >= 4 && memcmp(bytes, "\0asm", 4) == 0) {
        module_try(bytes, size); /* not validated first: whoever forgets it must not be harmed */
        return 0;
    }
    Buf mega = BUF_INIT(64u << 20);
    const Buf *head = mega_head();
    buf_append(&mega, head->bytes, head->size);
    buf_append_byte(&mega, 0);
    buf_append_uleb(&mega, 1 + strlen(ENTRIES_SECTION_NAME) + size);
    buf_append_byte(&mega, (uint8_t)strlen(ENTRIES_SECTION_NAME));
    buf_append_string(&mega, ENTRIES_SECTION_NAME);
    buf_append(&mega, bytes, size);
    must(buf_error(&mega) == 0);
    uint8_t *copy = malloc(mega.size); /* exactly its size */
    must(copy);
    memcpy(copy, mega.bytes, mega.size);
    module_try(copy, mega.size);
    free(copy);
    buf_deinit(&mega);
    return 0;
}
