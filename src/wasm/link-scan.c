/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link-scan.c - what a program reaches, and its bodies rewritten.
 *
 * Roots are "_start", the start section's function, the thread function and the items of active element segments; from
 * there calls, ref.func and named segments lead on. Every reached body is decoded once and copied into Linker.code:
 *
 *   function operands       left out, noted as an edge (link-int.h)
 *   other merged operands   types, globals, tags, segments: written with their merged index
 *   immutable globals       become the constant they hold
 *   everything else         copied, but operands that tools pad for relocation are written in their shortest form, so
 *                           that equal code is equal bytes
 */
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "wasm/bytes-int.h"
#include "wasm/instr.h"
#include "wasm/link-int.h"

enum { /* the opcodes whose operands are in merged index spaces (wasm core 5.4) */
    OP_CATCH = 0x07,
    OP_THROW = 0x08,
    OP_CALL = 0x10,
    OP_CALL_INDIRECT = 0x11,
    OP_RETURN_CALL = 0x12,
    OP_RETURN_CALL_INDIRECT = 0x13,
    OP_CALL_REF = 0x14,
    OP_RETURN_CALL_REF = 0x15,
    OP_TRY_TABLE = 0x1f,
    OP_GLOBAL_GET = 0x23,
    OP_GLOBAL_SET = 0x24,
    OP_REF_FUNC = 0xd2,
    OP_MEMORY_INIT = 0xfc0008,
    OP_DATA_DROP = 0xfc0009,
    OP_TABLE_INIT = 0xfc000c,
    OP_ELEM_DROP = 0xfc000d,
};

typedef struct Scan { /* one body */
    Linker *linker;
    LinkProgram *program;
    WasmSlice body;
    size_t raw_start;  /* bytes of the body from here up to the current instruction are to be copied as they are */
    size_t code_start; /* in Linker.code */
} Scan;

static int func_reach(Linker *linker, LinkProgram *program, uint32_t func_index, bool is_taken)
{
    must(func_index < program->module->func_count);
    const uint32_t node = program->node_base + func_index;
    LinkFunc *func = &linker->funcs[node];
    func->is_taken |= is_taken;
    if (func->is_reached) {
        return 0;
    }
    func->is_reached = true;
    int r = link_type(linker, program, program->module->funcs[func_index].type_index, &func->type);
    if (r == 0 && program->module->funcs[func_index].is_imported) {
        r = link_import(linker, program, func_index, &func->import);
    } else if (r == 0) {
        buf_append(&linker->queue, &node, sizeof(node));
        r = buf_error(&linker->queue);
    }
    return r;
}

/* --- element segments --- */

static int elem_item(Linker *linker, LinkProgram *program, const WasmElemSegment *segment, uint32_t i, uint32_t *ret_item)
{
    uint64_t item;
    if (segment->func_indices) {
        item = (uint64_t)segment->func_indices[i] + 1;
    } else {
        LinkConst value;
        const int r = link_const_eval(linker, program, segment->exprs[i], program->module->global_count, &value);
        if (r < 0) {
            return r;
        }
        item = value.value[0];
    }
    *ret_item = 0;
    if (item == 0) {
        return 0;
    }
    must(item <= program->module->func_count);
    *ret_item = program->node_base + (uint32_t)item;
    return func_reach(linker, program, (uint32_t)item - 1, true);
}

static int elem_reach(Linker *linker, LinkProgram *program, uint32_t elem_index)
{
    const WasmElemSegment *segment = &program->module->elems[elem_index];
    uint32_t *items = arena_new_array(&linker->arena, segment->item_count, uint32_t);
    if (!items) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < segment->item_count; i++) {
        const int r = elem_item(linker, program, segment, i, &items[i]);
        if (r < 0) {
            return r;
        }
    }
    program->elem_items[elem_index] = items;
    return 0;
}

/* What table.init and elem.drop of that segment mean in the megabinary. */
static int elem_operand(Linker *linker, LinkProgram *program, uint32_t elem_index, uint32_t *ret_index)
{
    must(elem_index < program->module->elem_count);
    const WasmElemSegment *segment = &program->module->elems[elem_index];
    if (segment->mode != WASM_SEGMENT_PASSIVE) {
        /* Dropped by instantiation (wasm core 4.5.4), and a dropped segment is an empty one. */
        return link_elem_active(linker, segment->type, NULL, 0, ret_index);
    }
    int r = 0;
    if (program->elems[elem_index] == LINK_NONE) {
        r = elem_reach(linker, program, elem_index);
        r = r < 0 ? r : link_elem_add(linker, segment->type, program->elem_items[elem_index], segment->item_count,
                                      &program->elems[elem_index]);
    }
    *ret_index = program->elems[elem_index];
    return r;
}

/* --- writing --- */

static void opcode_write(Buf *code, uint32_t opcode)
{
    if (opcode > 0xff) {
        buf_append_byte(code, (uint8_t)(opcode >> 16));
        buf_append_uleb(code, opcode & 0xffff);
    } else {
        buf_append_byte(code, (uint8_t)opcode);
    }
}

/* The instruction is rewritten: copy what came before it, write its opcode. */
static Buf *rewrite_begin(Scan *scan, const WasmInstr *instr, uint32_t opcode)
{
    Buf *code = &scan->linker->code;
    buf_append(code, scan->body.bytes + scan->raw_start, instr->start - scan->raw_start);
    scan->raw_start = instr->end;
    opcode_write(code, opcode);
    return code;
}

static size_t uleb_size(uint64_t value)
{
    size_t size = 1;
    while (value >>= 7) {
        size++;
    }
    return size;
}

static size_t sleb_size(int64_t value)
{
    size_t size = 1;
    while (value < -64 || value > 63) {
        value >>= 7;
        size++;
    }
    return size;
}

static size_t opcode_size(uint32_t opcode)
{
    return opcode > 0xff ? 1 + uleb_size(opcode & 0xffff) : 1;
}

/* The operand of a call or ref.func: left out of the code, noted as an edge. */
static int edge_add(Scan *scan, uint32_t func_index, bool is_reference)
{
    Linker *linker = scan->linker;
    const int r = func_reach(linker, scan->program, func_index, is_reference);
    if (r < 0) {
        return r;
    }
    const LinkEdge edge = {.position = (uint32_t)(linker->code.size - scan->code_start),
                           .target = scan->program->node_base + func_index};
    linker->funcs[edge.target].is_declared |= is_reference;
    buf_append(&linker->edges, &edge, sizeof(edge));
    return buf_error(&linker->edges);
}

/* A mutable global is used: the stub will set it, perhaps to a function reference. */
static int global_use(Scan *scan, uint32_t global_index, uint32_t *ret_index)
{
    const LinkConst *value = &scan->program->globals[global_index];
    if (scan->program->global_slots[global_index] == LINK_NONE && value->type == WASM_FUNCREF && value->value[0] != 0) {
        const uint32_t func_index = (uint32_t)value->value[0] - 1;
        const int r = func_reach(scan->linker, scan->program, func_index, true);
        if (r < 0) {
            return r;
        }
        scan->linker->funcs[scan->program->node_base + func_index].is_declared = true;
    }
    return link_global(scan->linker, scan->program, global_index, ret_index);
}

static int rewrite_global(Scan *scan, const WasmInstr *instr)
{
    must(instr->index < scan->program->module->global_count);
    if (scan->program->module->globals[instr->index].is_mutable) {
        uint32_t index;
        const int r = global_use(scan, instr->index, &index);
        if (r == 0) {
            buf_append_uleb(rewrite_begin(scan, instr, instr->opcode), index);
        }
        return r;
    }
    must(instr->opcode == OP_GLOBAL_GET);
    const LinkConst *value = &scan->program->globals[instr->index];
    if (value->type == WASM_FUNCREF && value->value[0] != 0) {
        (void)rewrite_begin(scan, instr, OP_REF_FUNC);
        return edge_add(scan, (uint32_t)value->value[0] - 1, true);
    }
    Buf *code = &scan->linker->code;
    buf_append(code, scan->body.bytes + scan->raw_start, instr->start - scan->raw_start);
    scan->raw_start = instr->end;
    entries_const_write(value->type, value->value, code);
    return 0;
}

/* A type that names a type would have to name the merged one (wasm_module_has_plain_types()). */
static int type_write(const Linker *linker, WasmValType type, Buf *code)
{
    if (wasm_type_has_index(type) || !wasm_type_is_nullable(type)) {
        return error_set(linker->err, EINVAL, "uses typed function references: they cannot be linked");
    }
    buf_append_byte(code, (uint8_t)type);
    return 0;
}

static int rewrite_block_type(Scan *scan, const WasmInstr *instr, Buf *code)
{
    uint32_t type;
    int r = 0;
    switch (instr->block.kind) {
    case WASM_BLOCK_EMPTY:
        buf_append_byte(code, 0x40);
        break;
    case WASM_BLOCK_VALUE:
        r = type_write(scan->linker, instr->block.value, code);
        break;
    case WASM_BLOCK_TYPE:
        r = link_type(scan->linker, scan->program, instr->block.type_index, &type);
        if (r == 0) {
            buf_append_sleb(code, type);
        }
        break;
    }
    return r;
}

static int rewrite_try_table(Scan *scan, const WasmInstr *instr)
{
    Buf *code = rewrite_begin(scan, instr, instr->opcode);
    int r = rewrite_block_type(scan, instr, code);
    buf_append_uleb(code, instr->list_count);
    size_t position = instr->list_start;
    for (uint32_t i = 0; r == 0 && i < instr->list_count; i++) {
        const WasmCatch clause = wasm_catch_next(scan->body, &position);
        buf_append_byte(code, clause.kind);
        if (clause.kind <= 1) {
            uint32_t tag = 0;
            r = link_tag(scan->linker, scan->program, clause.tag_index, &tag);
            buf_append_uleb(code, tag);
        }
        buf_append_uleb(code, clause.label);
    }
    return r;
}

/* One operand in a merged index space, perhaps followed by a memory or table index (always 0: there is one). */
static int rewrite_index(Scan *scan, const WasmInstr *instr,
                         int (*merge)(Linker *linker, LinkProgram *program, uint32_t index, uint32_t *ret_index))
{
    uint32_t index;
    const int r = merge(scan->linker, scan->program, instr->index, &index);
    if (r < 0) {
        return r;
    }
    Buf *code = rewrite_begin(scan, instr, instr->opcode);
    buf_append_uleb(code, index);
    if (instr->imm == WASM_IMM_INDEX2) {
        buf_append_uleb(code, instr->index2);
    }
    return 0;
}

/* Operands that are in no merged index space: only padding has to go. */
static int rewrite_padded(Scan *scan, const WasmInstr *instr)
{
    const size_t size = instr->end - instr->start - opcode_size(instr->opcode);
    Buf *code;
    switch (instr->imm) {
    case WASM_IMM_I32:
        if (size != sleb_size(instr->i32)) {
            buf_append_sleb(rewrite_begin(scan, instr, instr->opcode), instr->i32);
        }
        return 0;
    case WASM_IMM_I64:
        if (size != sleb_size(instr->i64)) {
            buf_append_sleb(rewrite_begin(scan, instr, instr->opcode), instr->i64);
        }
        return 0;
    case WASM_IMM_INDEX:
        if (size != uleb_size(instr->index)) {
            buf_append_uleb(rewrite_begin(scan, instr, instr->opcode), instr->index);
        }
        return 0;
    case WASM_IMM_INDEX2:
        if (size != uleb_size(instr->index) + uleb_size(instr->index2)) {
            code = rewrite_begin(scan, instr, instr->opcode);
            buf_append_uleb(code, instr->index);
            buf_append_uleb(code, instr->index2);
        }
        return 0;
    case WASM_IMM_MEMARG:
    case WASM_IMM_MEMARG_LANE:
        if (size != 1 + uleb_size(instr->memarg.offset) + (instr->imm == WASM_IMM_MEMARG_LANE ? 1 : 0)) {
            code = rewrite_begin(scan, instr, instr->opcode);
            buf_append_uleb(code, instr->memarg.align_log2);
            buf_append_uleb(code, instr->memarg.offset);
            if (instr->imm == WASM_IMM_MEMARG_LANE) {
                buf_append_byte(code, instr->lane);
            }
        }
        return 0;
    case WASM_IMM_SELECT_T:
        if (size != 2) {
            code = rewrite_begin(scan, instr, instr->opcode);
            buf_append_byte(code, 1);
            return type_write(scan->linker, instr->type, code);
        }
        return 0;
    case WASM_IMM_REF_TYPE:
        if (size != 1 || wasm_type_has_index(instr->type)) {
            return type_write(scan->linker, instr->type, rewrite_begin(scan, instr, instr->opcode));
        }
        return 0;
    case WASM_IMM_BLOCK:
        if (instr->block.kind == WASM_BLOCK_TYPE || size != 1) {
            return rewrite_block_type(scan, instr, rewrite_begin(scan, instr, instr->opcode));
        }
        return 0;
    default:
        return 0;
    }
}

static int instr_rewrite(Scan *scan, const WasmInstr *instr)
{
    switch (instr->opcode) {
    case OP_CALL:
    case OP_RETURN_CALL:
    case OP_REF_FUNC:
        (void)rewrite_begin(scan, instr, instr->opcode);
        return edge_add(scan, instr->index, instr->opcode == OP_REF_FUNC);
    case OP_CALL_INDIRECT:
    case OP_RETURN_CALL_INDIRECT:
        return rewrite_index(scan, instr, link_type);
    case OP_GLOBAL_GET:
    case OP_GLOBAL_SET:
        return rewrite_global(scan, instr);
    case OP_CATCH:
    case OP_THROW:
        return rewrite_index(scan, instr, link_tag);
    case OP_TRY_TABLE:
        return rewrite_try_table(scan, instr);
    case OP_CALL_REF:
    case OP_RETURN_CALL_REF:
        return error_set(scan->linker->err, EINVAL, "uses typed function references: they cannot be linked");
    case OP_MEMORY_INIT:
    case OP_DATA_DROP:
        return rewrite_index(scan, instr, link_data_operand);
    case OP_TABLE_INIT:
    case OP_ELEM_DROP:
        return rewrite_index(scan, instr, elem_operand);
    default:
        return rewrite_padded(scan, instr);
    }
}

/* Locals: groups of (count, type), written again in their shortest form. */
static int locals_rewrite(Scan *scan, uint64_t body_offset, size_t *ret_code_start)
{
    const WasmBytes bytes = {.bytes = scan->body.bytes, .end = scan->body.size, .offset = body_offset, .err = scan->linker->err};
    Buf *code = &scan->linker->code;
    size_t position = 0;
    uint32_t group_count = 0;
    int r = wasm_u32_read(&bytes, &position, &group_count);
    buf_append_uleb(code, group_count);
    for (uint32_t i = 0; r == 0 && i < group_count; i++) {
        uint32_t count = 0;
        WasmValType type = 0;
        r = wasm_u32_read(&bytes, &position, &count);
        r = r < 0 ? r : wasm_value_type_read(&bytes, &position, &type);
        buf_append_uleb(code, count);
        r = r < 0 ? r : type_write(scan->linker, type, code);
    }
    *ret_code_start = position;
    return r;
}

static int body_scan(Linker *linker, LinkProgram *program, uint32_t node)
{
    const WasmFunc *func = &program->module->funcs[node - program->node_base];
    Scan scan = {.linker = linker, .program = program, .body = func->body, .code_start = linker->code.size};
    linker->funcs[node].code_offset = linker->code.size;
    linker->funcs[node].first_edge = (uint32_t)(linker->edges.size / sizeof(LinkEdge));
    size_t position = 0;
    int r = locals_rewrite(&scan, func->body_offset, &position);
    scan.raw_start = position;
    while (r == 0 && position < func->body.size) {
        WasmInstr instr;
        r = wasm_instr_read(func->body, func->body_offset, position, &instr, linker->err);
        if (r < 0) {
            break;
        }
        r = instr_rewrite(&scan, &instr);
        position = instr.end;
    }
    if (r < 0) {
        return r;
    }
    buf_append(&linker->code, func->body.bytes + scan.raw_start, func->body.size - scan.raw_start);
    r = buf_error(&linker->code);
    if (r < 0) {
        return r;
    }
    const size_t size = linker->code.size - scan.code_start;
    const size_t edge_end = linker->edges.size / sizeof(LinkEdge);
    if (size > LIMIT_BODY_SIZE || edge_end >= LINK_NONE) {
        return error_set(linker->err, E2BIG, "function %u grows over the limit", node - program->node_base);
    }
    linker->funcs[node].code_size = (uint32_t)size;
    linker->funcs[node].edge_count = (uint32_t)edge_end - linker->funcs[node].first_edge;
    return 0;
}

static int roots_reach(Linker *linker, LinkProgram *program)
{
    const WasmModule *module = program->module;
    const uint32_t roots[] = {program->init_func, program->start_func, program->thread_func};
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof(roots) / sizeof(roots[0]); i++) {
        if (roots[i] != LINK_NONE) {
            r = func_reach(linker, program, roots[i], false);
        }
    }
    for (uint32_t i = 0; r == 0 && i < module->elem_count; i++) {
        if (module->elems[i].mode == WASM_SEGMENT_ACTIVE) {
            r = elem_reach(linker, program, i);
        }
    }
    return r;
}

int link_scan(Linker *linker, LinkProgram *program)
{
    buf_clear(&linker->queue);
    int r = roots_reach(linker, program);
    for (size_t at = 0; r == 0 && at < linker->queue.size; at += sizeof(uint32_t)) {
        uint32_t node;
        memcpy(&node, linker->queue.bytes + at, sizeof(node));
        r = body_scan(linker, program, node);
    }
    return r;
}
