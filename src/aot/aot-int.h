/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aot-int.h - what the files of src/aot share.
 *
 *   Plan   what is decided about a module before any code is generated: names, layout, partitions. Read-only after
 *          plan_make(), so every thread may use it.
 *   Scan   what one pass over all bodies finds: sizes, hashes for the partitions' borders, what changes table 0.
 *   Unit   one LLVM module with its own context: a partition of the functions, or the meta unit (rc_object).
 *   Emit   the translation of one function body: operand stack, control frames, builder.
 *
 * LLVM aborts the process when it is out of memory; so do the few allocations of Unit and Emit (must()). This code
 * runs in recompiler-compile, which holds nothing that a crash could damage.
 */
#pragma once

#include <llvm-c/Core.h>
#include <llvm-c/DebugInfo.h>
#include <llvm-c/TargetMachine.h>

#include "abi/abi.h"
#include "aot/compile.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/must.h"
#include "wasm/entries.h"
#include "wasm/instr.h"

#include "opcodes.h"

/* Imports that the compiler lowers itself (design.md section 7). */
typedef enum JumpKind { JUMP_NONE, JUMP_SETJMP, JUMP_SIGSETJMP, JUMP_LONGJMP } JumpKind;

typedef struct Partition {
    uint32_t first_func; /* defined functions [first_func, end_func) */
    uint32_t end_func;
    uint64_t weight;     /* instructions */
} Partition;

typedef struct FuncScan {
    uint64_t hash;        /* of the sequence of opcodes, without immediates: the same wherever the linker puts the function */
    uint32_t instr_count;
    uint32_t self_calls;  /* direct calls of itself */
    bool has_tail_call;
    bool has_jump;        /* calls a function of the setjmp family, longjmp too */
    bool calls_setjmp;
    bool has_rethrow;
    bool changes_table;   /* may change table 0, or cannot be decoded (reported when it is compiled) */
    bool is_stub;         /* the start stub of an entry */
    bool is_referenced;   /* by ref.func in code */
} FuncScan;

#define GUESS_MAXIMUM 4u

typedef struct Guess { /* which functions a table's slots of one signature can hold, as far as element segments tell */
    uint32_t count;    /* more than GUESS_MAXIMUM: too many */
    uint32_t funcs[GUESS_MAXIMUM];
} Guess;

typedef struct Plan {
    const WasmModule *module;
    const CompileOptions *options;
    Arena *arena;
    /* offsets in an instance (abi.h) */
    uint32_t imports_offset, tables_offset, globals_offset, tags_offset, dropped_offset, memories_offset, instance_size;
    const char **symbols;         /* func_count: link names, unique, never the name of a C library function */
    const char **debug_names;     /* func_count: guest names for error messages */
    const char **inline_names;    /* func_count: without the entry's name in front, for debug information */
    FuncScan *scans;              /* func_count */
    const char **signatures;      /* type_count texts */
    uint32_t *signature_ids;      /* type_count */
    uint32_t *first_equal;        /* type_count: the first type with the same signature, often itself */
    uint8_t *jump_kinds;          /* imported_func_count: JumpKind */
    uint32_t stack_pointer_global; /* restored after a longjmp; UINT32_MAX: none */
    bool is_table_constant;
    bool has_entries;
    MegaEntries entries;
    WasmHints hints;
    uint32_t partition_count;
    Partition *partitions;
    bool has_exceptions;          /* false: no function may throw */
    uint8_t *may_throw;           /* func_count: an exception can leave a call of it */
    Guess *guesses;               /* type_count, used at first_equal */
    bool has_tail_types;
    bool *is_tail_type;           /* type_count: its functions have a body that takes its arguments from memory (emit-call.c) */
} Plan;

typedef enum ExternalKind {
    EXTERNAL_FUNC,
    EXTERNAL_BODY, /* of a function of a tail type */
    EXTERNAL_REF,  /* the RtFuncRef */
} ExternalKind;

typedef struct External { /* what a partition's code names outside of itself */
    uint32_t func_index;
    ExternalKind kind;
} External;

typedef struct Unit {
    const Plan *plan;
    const Partition *partition; /* NULL: the meta unit, whose symbols are the final ones */
    External *externals;        /* in order of first use */
    uint32_t external_count, external_capacity;
    LLVMTargetMachineRef machine;
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    LLVMDIBuilderRef debug_builder;
    LLVMMetadataRef debug_file, debug_type;
    LLVMTypeRef void_type, i1, i8, i16, i32, i64, f32, f64, ptr;
    bool is_aarch64;
    LLVMTypeRef i8x16, i16x8, i32x4, i64x2, f32x4, f64x2; /* v128 on the operand stack is i64x2 */
    LLVMTypeRef *func_types;  /* type_count, made on first use */
    LLVMValueRef *funcs;      /* func_count, declared on first use */
    LLVMValueRef *bodies;     /* func_count, declared on first use: of functions of tail types */
    LLVMValueRef *ref_symbols; /* func_count, declared on first use: the RtFuncRef of a function, in a partition */
    LLVMValueRef func_refs;   /* RtFuncRef[func_count] of the meta unit */
    LLVMValueRef personality, tail_bodies;
    bool has_tail_call;       /* some function has */
    LLVMValueRef indirect_trap; /* cold: tells why a call_indirect failed */
    LLVMValueRef tbaa_memory, tbaa_instance, unlikely, empty_node;
    LLVMValueRef hints[2];    /* branch weights: unlikely, likely */
    unsigned kind_tbaa, kind_invariant, kind_prof;
    Error *err;
} Unit;

typedef struct Frame Frame; /* a block that is open: throw-int.h */

typedef struct Emit {
    Unit *unit;
    LLVMBuilderRef builder;
    const WasmFunc *func;
    const WasmFuncType *type;
    LLVMValueRef function, instance;
    LLVMValueRef self;            /* what calls of the function by itself call: the function or, in a copy of its body, the next copy */
    LLVMValueRef memory_base;     /* NULL: the constant of the options */
    LLVMValueRef jump_depth;      /* saved on entry; NULL in functions that do not call setjmp */
    LLVMMetadataRef scope;
    LLVMValueRef *locals;         /* allocas */
    WasmValType *local_types;
    LLVMValueRef *stack;
    uint32_t stack_count, stack_capacity;
    LLVMValueRef *phis;
    uint32_t phi_count, phi_capacity;
    Frame *frames;
    uint32_t frame_count, frame_capacity;
    bool is_reachable;
    uint8_t *rethrown;            /* bit for the position of each catch that is rethrown; NULL: none is */
    uint32_t skip_depth;          /* blocks opened in unreachable code */
    const WasmHint *hint, *hints_end; /* the next branch hint of the function */
} Emit;

/* plan.c, plan-scan.c */
int plan_make(const WasmModule *module, const CompileOptions *options, Arena *arena, Plan *ret_plan, Error *err) WARN_UNUSED;
int plan_scan(Plan *plan, Error *err) WARN_UNUSED;
bool plan_is_table_constant(const Plan *plan);
int plan_partitions(Plan *plan, Error *err) WARN_UNUSED;
const WasmHint *plan_hints(const WasmHints *hints, uint32_t func_index); /* the first hint of that function or of a later one */

/* unit.c */
const char *machine_triple(const CompileOptions *options);
LLVMTargetMachineRef machine_new(const CompileOptions *options, Error *err);
void unit_init(Unit *unit, const Plan *plan, const Partition *partition, LLVMTargetMachineRef machine, Error *err);
void unit_deinit(Unit *unit);
/* What the unit's object depends on, whole: the code before optimisation, level, CPU, code generator. After the last function. */
int unit_key(Unit *unit, int opt_level, Digest *ret_key) WARN_UNUSED;
int unit_compile(Unit *unit, const char *name, int opt_level, Buf *ret_object) WARN_UNUSED;
void unit_final_name(const Plan *plan, const External *symbol, char *name, size_t size);
void unit_callee_name(const Plan *plan, const External *symbol, char *name, size_t size); /* what its callers call: the function, or what records that */
unsigned unit_line(const Unit *unit, uint64_t module_offset);
LLVMTypeRef unit_value_type(const Unit *unit, WasmValType type);
bool unit_has_result_area(const WasmFuncType *type); /* its results go through a second argument, RtValue[] (abi.h) */
LLVMTypeRef unit_func_type(Unit *unit, uint32_t type_index);
LLVMValueRef unit_func(Unit *unit, uint32_t func_index);
LLVMValueRef unit_func_refs(Unit *unit);
LLVMValueRef unit_func_ref(Unit *unit, uint32_t func_index);
LLVMValueRef unit_add_copy(Unit *unit, uint32_t func_index); /* a function of the unit's own, to be inlined wherever it is called */
LLVMValueRef unit_add_func(Unit *unit, const char *name, LLVMTypeRef type);
void unit_set_section(LLVMValueRef function); /* one of its own, of its name: the linker can put it anywhere. Of a partition's own functions */
void unit_set_func_attributes(Unit *unit, LLVMValueRef function, bool has_tail_call);
void unit_set_attribute(Unit *unit, LLVMValueRef function, const char *name);
void unit_set_call_attribute(Unit *unit, LLVMValueRef call, const char *name);
LLVMValueRef unit_intrinsic(Unit *unit, const char *name, LLVMTypeRef *types, size_t type_count, LLVMTypeRef *ret_type);
LLVMValueRef unit_const_splat(LLVMTypeRef vector, LLVMValueRef element);

/* emit.c: what every family uses */
void emit_push(Emit *e, LLVMValueRef value);
LLVMValueRef emit_pop(Emit *e);
LLVMValueRef emit_i32(Emit *e, uint32_t value);
LLVMValueRef emit_i64(Emit *e, uint64_t value);
LLVMValueRef emit_intrinsic(Emit *e, const char *name, LLVMTypeRef type, LLVMValueRef *args, unsigned arg_count);
LLVMValueRef emit_aarch64(Emit *e, const char *name, LLVMValueRef a, LLVMValueRef b); /* what that x86 instruction does */
LLVMValueRef emit_field(Emit *e, uint32_t offset);
LLVMValueRef emit_value_load(Emit *e, WasmValType type, LLVMValueRef values, uint32_t index); /* values: RtValue[] */
void emit_value_store(Emit *e, LLVMValueRef value, LLVMValueRef values, uint32_t index);
LLVMValueRef emit_load_instance(Emit *e, LLVMTypeRef type, LLVMValueRef pointer, bool is_invariant);
LLVMValueRef emit_store_instance(Emit *e, LLVMValueRef value, LLVMValueRef pointer);
LLVMValueRef emit_runtime_call(Emit *e, size_t offset, LLVMTypeRef result, LLVMValueRef *args, unsigned arg_count);
LLVMBasicBlockRef emit_new_block(Emit *e);
void emit_at(Emit *e, LLVMBasicBlockRef block);
void emit_trap(Emit *e, LLVMValueRef trap);
void emit_hint(Emit *e, LLVMValueRef branch, size_t start); /* branch weights, if the module has a hint for the instruction at start */
void emit_trap_if(Emit *e, LLVMValueRef condition, RtTrap trap);
LLVMValueRef emit_global_address(Emit *e, uint32_t global_index);
LLVMValueRef emit_global_get(Emit *e, uint32_t global_index);
void emit_global_set(Emit *e, uint32_t global_index, LLVMValueRef value);
LLVMValueRef emit_table_address(Emit *e, uint32_t table_index);
LLVMValueRef emit_func_ref(Emit *e, uint32_t func_index);

/* emit-func.c */
int emit_function(Unit *unit, uint32_t func_index) WARN_UNUSED;
void emit_branch_values(Emit *e, Frame *frame);
LLVMValueRef emit_br_when(Emit *e, LLVMValueRef is_true, uint32_t label); /* br_if with an i1. Return: the branch */
void emit_open_block(Emit *e, const WasmInstr *instr);
void emit_close_block(Emit *e);
void emit_leave_to_target(Emit *e, Frame *frame);

/* families: true when the instruction was theirs */
bool emit_control(Emit *e, const WasmInstr *instr, WasmSlice code);
bool emit_variable(Emit *e, const WasmInstr *instr);
bool emit_numeric(Emit *e, const WasmInstr *instr);
bool emit_memory(Emit *e, const WasmInstr *instr);
bool emit_bulk(Emit *e, const WasmInstr *instr);
bool emit_atomic(Emit *e, const WasmInstr *instr);
bool emit_simd(Emit *e, const WasmInstr *instr);
bool emit_reference(Emit *e, const WasmInstr *instr);
void emit_call(Emit *e, uint32_t func_index, bool is_tail);
void emit_call_indirect(Emit *e, uint32_t type_index, uint32_t table_index, bool is_tail);

/* emit-numeric.c, used by SIMD too */
LLVMValueRef emit_float_binary(Emit *e, LLVMOpcode opcode, LLVMValueRef a, LLVMValueRef b);
LLVMValueRef emit_float_extreme(Emit *e, bool is_minimum, LLVMValueRef a, LLVMValueRef b);

/* emit-memory.c, used by SIMD and atomics */
bool emit_memory_is_plain(const Emit *e, uint32_t memory); /* number 0, 32-bit, pages of 64 KiB: what programs have */
LLVMValueRef emit_address(Emit *e, const WasmMemArg *memarg, LLVMTypeRef type); /* pops the index; bounds that the MMU does not find are checked */
LLVMValueRef emit_pointer(Emit *e, uint32_t memory, LLVMValueRef address);      /* address: bytes from the memory's base */
LLVMValueRef emit_access(Emit *e, const WasmMemArg *memarg, LLVMTypeRef type);  /* both */
LLVMValueRef emit_table_index(Emit *e, LLVMValueRef index);                     /* i32; a 64-bit one too large for any table saturates */
LLVMValueRef emit_widen(Emit *e, LLVMValueRef value);                           /* an address or size of a 32- or 64-bit memory as i64 */
LLVMValueRef emit_load_memory(Emit *e, LLVMTypeRef type, LLVMValueRef pointer);
void emit_store_memory(Emit *e, LLVMValueRef value, LLVMValueRef pointer);
void emit_mark_memory(Emit *e, LLVMValueRef access);

/* meta.c, meta-start.c, meta-entries.c, meta-lines.c, meta-record.c */
int meta_build(Unit *unit) WARN_UNUSED;
LLVMValueRef meta_instantiate(Unit *unit);
LLVMValueRef meta_const_ref(Unit *unit, uint32_t func_index);
bool meta_elem_item(const Plan *plan, const WasmElemSegment *segment, uint32_t item, bool *ret_is_null, uint32_t *ret_func);
LLVMValueRef meta_data_bytes(Unit *unit, const char *name, const uint8_t *bytes, size_t size);
LLVMValueRef meta_array(Unit *unit, const char *name, LLVMTypeRef element, LLVMValueRef *values, size_t count);
LLVMValueRef meta_struct(Unit *unit, LLVMValueRef *fields, unsigned count);
LLVMValueRef meta_string(Unit *unit, const char *text, size_t size);
int meta_entries(Unit *unit, LLVMValueRef *ret_entries) WARN_UNUSED;
int meta_lines(Unit *unit) WARN_UNUSED;
void meta_record(Unit *unit);

/* unit-object.c */
#define UNIT_OWN_FORMAT "rc.own.%u"           /* the n-th function of the partition */
#define UNIT_BODY_FORMAT "rc.body.%u"         /* ... its body that takes arguments from memory */
#define UNIT_RECORD_FORMAT "rc.record.%u"     /* what calls of the n-th function go to in an object that records calls (unit-record.c) */
#define UNIT_RECORD_BODY_FORMAT "rc.record-body.%u"
#define UNIT_EXTERNAL_FORMAT "rc.external.%u" /* Unit.externals[n] */
#define TEXT_BEGIN_SYMBOL "rc_text_begin"
#define STARTUP_END_SYMBOL "rc_startup_end"
#define UNIT_LINE_BIAS (1u << 29) /* a partition's line numbers count from here: five bytes in the line table, whatever they become */
/* Places a partition's object, which says nothing about where in the module it belongs, into this module: symbols, line numbers. */
int unit_object_place(Buf *object, const Unit *unit, Error *err) WARN_UNUSED;

/* unit-record.c */
/* In a partition's object that is not placed yet: calls of its own functions go to symbols of UNIT_RECORD_FORMAT, which are undefined here. */
int unit_object_record(Buf *object, const Unit *unit, Error *err) WARN_UNUSED;

/* layout.c */
int layout_check(const WasmModule *module, const Profile *profile, Error *err) WARN_UNUSED; /* are all its functions of this module? */
int layout_order(const Plan *plan, Buf *order, Error *err) WARN_UNUSED; /* appends the order of symbols that the profile asks for */

/* shared-object.c */
int object_link(const char *const *inputs, uint32_t input_count, const char *order_path, const char *output_path, Error *err) WARN_UNUSED;
int object_check(const char *path, Error *err) WARN_UNUSED;

static inline LLVMValueRef meta_u32(Unit *unit, uint32_t value) { return LLVMConstInt(unit->i32, value, 0); }
static inline LLVMValueRef meta_u64(Unit *unit, uint64_t value) { return LLVMConstInt(unit->i64, value, 0); }
