/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-read.c - any bytes through reader, validator, names and adapter; what they accept must decode again.
 */
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "wasm/adapt.h"
#include "wasm/instr.h"
#include "wasm/module.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* What linker and compiler do with a valid body: read locals, every instruction and every list, to the end. */
static void body_walk(const WasmModule *module, const WasmFunc *func)
{
    static WasmValType types[LIMIT_LOCALS];
    const WasmFuncType *type = &module->types[func->type_index];
    WasmLocals locals;
    WasmInstr instr;

    must(wasm_locals_read(func->body, func->body_offset, type->param_count, types, &locals, NULL) == 0);
    for (size_t position = locals.code_start; position < func->body.size; position = instr.end) {
        must(wasm_instr_read(func->body, func->body_offset, position, &instr, NULL) == 0);
        must(instr.start == position && instr.end > position && instr.end <= func->body.size);
        must(wasm_opcode_name(instr.opcode));
        size_t at = instr.list_start;
        if (instr.imm == WASM_IMM_BR_TABLE) {
            for (uint32_t i = 0; i <= instr.list_count; i++)
                (void)wasm_br_table_next(func->body, &at);
            must(at == instr.end);
        } else if (instr.imm == WASM_IMM_TRY_TABLE) {
            for (uint32_t i = 0; i < instr.list_count; i++)
                must(wasm_catch_next(func->body, &at).kind <= 3);
            must(at == instr.end);
        }
    }
}

static void names_walk(const WasmModule *module, Arena *arena)
{
    WasmNames names;

    must(wasm_names_read(module, arena, &names) == 0);
    must(names.func_count == module->func_count);
    for (uint32_t i = 0; i < names.func_count; i++) {
        must(names.funcs[i].size == 0 || (names.funcs[i].bytes >= module->bytes.bytes &&
                                          names.funcs[i].bytes + names.funcs[i].size <= module->bytes.bytes + module->bytes.size));
    }
}

/* What is valid is valid with its indirect calls adapted. */
static void adapted_check(const WasmModule *module, Arena *arena)
{
    Buf out = BUF_INIT(64u << 20);
    AdaptStats stats;
    const WasmModule *adapted;
    must(wasm_adapt_calls(module, arena, &out, &stats, NULL) == 0);
    must((out.size > 0) == (stats.call_count > 0));
    if (out.size > 0) {
        must(wasm_module_read(out.bytes, out.size, arena, &adapted, NULL) == 0);
        must(wasm_module_validate(adapted, &WASM_FEATURES_DEFAULT, NULL) == 0);
        must(adapted->func_count == module->func_count + stats.adapter_count);
    }
    buf_deinit(&out);
}

/* An error has a printable message that is one line. */
static void error_check(int r, const Error *err)
{
    must(r == -EBADMSG || r == -EINVAL || r == -ENOTSUP || r == -E2BIG || r == -ENOMEM);
    must(err->code == -r && err->message[0] != '\0' && !strpbrk(err->message, "\n\r\t"));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    Arena arena = ARENA_INIT(256u << 20);
    const WasmModule *module = NULL;
    Error err = ERROR_INIT;
    int r = wasm_module_read(bytes, size, &arena, &module, &err);

    if (r < 0) {
        must(r != -EINVAL);
        error_check(r, &err);
        arena_deinit(&arena);
        return 0;
    }
    must(arena.used_size < (256u << 10) + 200 * size); /* memory is bounded by the input */
    names_walk(module, &arena);
    r = wasm_module_validate(module, &WASM_FEATURES_DEFAULT, &err);
    if (r < 0)
        error_check(r, &err);
    const bool is_valid = r == 0;
    if (is_valid)
        adapted_check(module, &arena);
    err = ERROR_INIT;
    r = wasm_module_validate(module, &WASM_FEATURES_ALL, &err);
    if (r < 0)
        error_check(r, &err);
    must(!is_valid || r == 0); /* more features never refuse what fewer accept */
    if (r == 0) {
        for (uint32_t i = module->imported_func_count; i < module->func_count; i++)
            body_walk(module, &module->funcs[i]);
        for (uint32_t i = 0; i < module->export_count; i++)
            must(module->exports[i].index != UINT32_MAX);
    }
    arena_deinit(&arena);
    return 0;
}
