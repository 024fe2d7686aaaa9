/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disassemble.c - instructions to text: the name is the row's of opcodes.tbl, the immediates are printed by their kind.
 *
 * Numbers are decimal as in the text format, floats as %a with their bits for NaNs, so that nothing is lost.
 */
#include "wasm/disassemble.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "wasm/instr.h"

#include "opcodes.h"

#define TEXT_SIZE_MAXIMUM (16u << 20) /* of one instruction: a br_table of LIMIT_BR_TABLE labels fits */
#define NAME_SIZE_MAXIMUM 200u

static const char *value_type_name(WasmValType type)
{
    switch (type) {
    case WASM_I32: return "i32";
    case WASM_I64: return "i64";
    case WASM_F32: return "f32";
    case WASM_F64: return "f64";
    case WASM_V128: return "v128";
    case WASM_FUNCREF: return "funcref";
    case WASM_EXTERNREF: return "externref";
    case WASM_EXNREF: return "exnref";
    default: return NULL;
    }
}

static void type_text(WasmValType type, Buf *buf)
{
    const char *name = value_type_name(type);
    if (name != NULL) {
        buf_append_string(buf, name);
    } else if (wasm_type_is_ref(type)) {
        name = value_type_name(wasm_type_nullable(type));
        buf_append_string(buf, wasm_type_is_nullable(type) ? "(ref null " : "(ref ");
        if (wasm_type_has_index(type)) {
            buf_append_format(buf, "%" PRIu32 ")", wasm_type_index(type));
        } else {
            buf_append_format(buf, "%.*s)", name != NULL ? (int)strlen(name) - 3 : 4, name != NULL ? name : "none"); /* funcref -> func */
        }
    } else {
        buf_append_format(buf, "type:0x%" PRIx32, type);
    }
}

void wasm_func_type_text(const WasmFuncType *type, Buf *buf)
{
    buf_append_byte(buf, '(');
    for (uint32_t i = 0; i < type->param_count + type->result_count; i++) {
        if (i == type->param_count) {
            buf_append_string(buf, ") -> (");
        } else if (i > 0) {
            buf_append_byte(buf, ' ');
        }
        type_text(type->types[i], buf);
    }
    buf_append_string(buf, type->result_count == 0 ? ") -> ()" : ")");
}

void wasm_func_name_text(const WasmNames *names, uint32_t func_index, char *text, size_t text_size)
{
    const WasmSlice name = func_index < names->func_count ? names->funcs[func_index] : (WasmSlice){NULL, 0};
    size_t size = name.size < NAME_SIZE_MAXIMUM ? name.size : NAME_SIZE_MAXIMUM;
    must(text_size > 0);
    size = size < text_size - 1 ? size : text_size - 1;
    for (size_t i = 0; i < size; i++) {
        text[i] = name.bytes[i] > 0x20 && name.bytes[i] < 0x7f ? (char)name.bytes[i] : '_';
    }
    text[size] = '\0';
}

static void float_text(double value, uint64_t bits, Buf *buf)
{
    if (isnan(value)) {
        buf_append_format(buf, " nan:0x%" PRIx64, bits);
    } else {
        buf_append_format(buf, " %a", value);
    }
}

static void block_text(const WasmModule *module, const WasmBlockType *block, Buf *buf)
{
    if (block->kind == WASM_BLOCK_VALUE) {
        buf_append_string(buf, " (result ");
        type_text(block->value, buf);
        buf_append_byte(buf, ')');
    } else if (block->kind == WASM_BLOCK_TYPE && block->type_index < module->type_count) {
        buf_append_format(buf, " (type %" PRIu32 ") ", block->type_index);
        wasm_func_type_text(&module->types[block->type_index], buf);
    } else if (block->kind == WASM_BLOCK_TYPE) {
        buf_append_format(buf, " (type %" PRIu32 ")", block->type_index);
    }
}

static void memarg_text(const WasmMemArg *memarg, Buf *buf)
{
    if (memarg->memory_index != 0) {
        buf_append_format(buf, " %" PRIu32, memarg->memory_index);
    }
    if (memarg->offset != 0) {
        buf_append_format(buf, " offset=%" PRIu64, memarg->offset);
    }
    buf_append_format(buf, " align=%" PRIu64, (uint64_t)1 << (memarg->align_log2 & 31u));
}

static void list_text(WasmSlice code, const WasmInstr *instr, Buf *buf)
{
    static const char *const clauses[] = {"catch", "catch_ref", "catch_all", "catch_all_ref"};
    size_t position = instr->list_start;
    for (uint32_t i = 0; instr->imm == WASM_IMM_BR_TABLE && i <= instr->list_count; i++) {
        buf_append_format(buf, " %" PRIu32, wasm_br_table_next(code, &position));
    }
    for (uint32_t i = 0; instr->imm == WASM_IMM_TRY_TABLE && i < instr->list_count; i++) {
        const WasmCatch clause = wasm_catch_next(code, &position);
        buf_append_format(buf, " (%s", clauses[clause.kind & 3u]);
        if (clause.kind < 2) {
            buf_append_format(buf, " %" PRIu32, clause.tag_index);
        }
        buf_append_format(buf, " %" PRIu32 ")", clause.label);
    }
}

static void bytes_text(const uint8_t *bytes, Buf *buf)
{
    for (unsigned i = 0; i < 16; i++) {
        buf_append_format(buf, " 0x%02x", bytes[i]);
    }
}

static void index_text(const WasmInstr *instr, const WasmNames *names, Buf *buf)
{
    char name[NAME_SIZE_MAXIMUM + 1] = "";
    if (instr->opcode == WASM_OP_CALL || instr->opcode == WASM_OP_RETURN_CALL || instr->opcode == WASM_OP_REF_FUNC) {
        wasm_func_name_text(names, instr->index, name, sizeof(name));
    }
    buf_append_format(buf, " %" PRIu32, instr->index);
    if (name[0] != '\0') {
        buf_append_format(buf, " (%s)", name);
    }
}

static void immediate_text(const WasmModule *module, const WasmNames *names, WasmSlice code, const WasmInstr *instr, Buf *buf)
{
    float single;
    double wide;
    switch (instr->imm) {
    case WASM_IMM_BLOCK: block_text(module, &instr->block, buf); break;
    case WASM_IMM_TRY_TABLE:
        block_text(module, &instr->block, buf);
        list_text(code, instr, buf);
        break;
    case WASM_IMM_BR_TABLE: list_text(code, instr, buf); break;
    case WASM_IMM_INDEX: index_text(instr, names, buf); break;
    case WASM_IMM_INDEX2: buf_append_format(buf, " %" PRIu32 " %" PRIu32, instr->index, instr->index2); break;
    case WASM_IMM_SELECT_T:
        buf_append_string(buf, " (result ");
        type_text(instr->type, buf);
        buf_append_byte(buf, ')');
        break;
    case WASM_IMM_REF_TYPE:
        buf_append_byte(buf, ' ');
        type_text(instr->type, buf);
        break;
    case WASM_IMM_I32: buf_append_format(buf, " %" PRId32, instr->i32); break;
    case WASM_IMM_I64: buf_append_format(buf, " %" PRId64, instr->i64); break;
    case WASM_IMM_F32:
        memcpy(&single, &instr->f32_bits, sizeof(single));
        float_text((double)single, instr->f32_bits, buf);
        break;
    case WASM_IMM_F64:
        memcpy(&wide, &instr->f64_bits, sizeof(wide));
        float_text(wide, instr->f64_bits, buf);
        break;
    case WASM_IMM_V128: bytes_text(instr->v128, buf); break;
    case WASM_IMM_MEMARG: memarg_text(&instr->memarg, buf); break;
    case WASM_IMM_MEMARG_LANE:
        memarg_text(&instr->memarg, buf);
        buf_append_format(buf, " %u", instr->lane);
        break;
    case WASM_IMM_LANE: buf_append_format(buf, " %u", instr->lane); break;
    default: break;
    }
}

static bool opens_block(uint32_t opcode)
{
    return opcode == WASM_OP_BLOCK || opcode == WASM_OP_LOOP || opcode == WASM_OP_IF || opcode == WASM_OP_TRY || opcode == WASM_OP_TRY_TABLE;
}

/* Instructions that stand one level further out than what follows them. */
static bool is_outdented(uint32_t opcode)
{
    return opcode == WASM_OP_END || opcode == WASM_OP_ELSE || opcode == WASM_OP_CATCH || opcode == WASM_OP_CATCH_ALL || opcode == WASM_OP_DELEGATE;
}

int wasm_disassemble_each(const WasmModule *module, const WasmNames *names, uint32_t func_index, WasmDisassembleEmit emit, void *context,
                          Error *err)
{
    if (func_index >= module->func_count || module->funcs[func_index].is_imported) {
        return error_set(err, EINVAL, "function %" PRIu32 " has no body", func_index);
    }
    const WasmFunc *func = &module->funcs[func_index];
    WasmLocals locals;
    int r = wasm_locals_read(func->body, func->body_offset, wasm_func_type(module, func_index)->param_count, NULL, &locals, err);
    Buf text = BUF_INIT(TEXT_SIZE_MAXIMUM);
    WasmInstr instr = {.end = r == 0 ? locals.code_start : 0};
    uint32_t depth = 0;
    while (r == 0 && instr.end < func->body.size) {
        r = wasm_instr_read(func->body, func->body_offset, instr.end, &instr, err);
        if (r < 0) {
            break;
        }
        const char *name = instr.opcode == WASM_OP_SELECT_T ? "select" : wasm_opcode_name(instr.opcode);
        buf_clear(&text);
        buf_append_string(&text, name != NULL ? name : "?");
        immediate_text(module, names, func->body, &instr, &text);
        if (buf_error(&text) < 0) {
            r = error_set(err, -buf_error(&text), "no memory for the text of an instruction");
            break;
        }
        const bool is_out = is_outdented(instr.opcode);
        r = emit(context, func->body_offset + instr.start, is_out && depth > 0 ? depth - 1 : depth, (const char *)text.bytes);
        const bool is_closed = instr.opcode == WASM_OP_END || instr.opcode == WASM_OP_DELEGATE;
        depth += opens_block(instr.opcode) ? 1 : 0;
        depth -= is_closed && depth > 0 ? 1 : 0;
    }
    buf_deinit(&text);
    return r;
}
