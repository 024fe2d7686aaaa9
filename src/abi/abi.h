/* SPDX-License-Identifier: Apache-2.0 */
/*
 * abi.h - what compiled code and runtime share: structs, offsets, numbers. No functions.
 *
 * src/aot emits constants of these layouts into an object; src/rt reads them and builds instances. A change here
 * is a change of RT_ABI_VERSION (part of the cache key and checked by the loader).
 *
 *   object (ELF64 .so, mapped read-only, shared)         instance (private memory of one process, one per thread)
 *     symbol rc_object: RtObject                           RtInstance                     fixed header, 256 bytes
 *       -> imports   RtImportDesc[]                        void *import_funcs[]           at object->imports_offset
 *       -> funcs     RtFuncRef[]                           RtTable tables[] (or pointer)  at object->tables_offset
 *       -> exports   RtExport[]                            RtGlobal globals[]             at object->globals_offset
 *       -> entries   RtEntry[] -> RtImage[], tables        void *tags[]                   at object->tags_offset
 *       -> memory_descs RtMemoryDesc[]                     uint8_t dropped[] (bitmaps)    at object->dropped_offset
 *                                                          RtMemorySlot memories[]        at object->memories_offset
 *       .text, .rodata, .debug_line, .symtab
 *
 * Calling convention of guest code: the platform's C convention with RtInstance * as the first argument, then the
 * WASM parameters (i32 i64 f32 f64 v128 as LLVM passes them; references as pointers). One result is returned
 * directly; at most three integers or references and two floats or vectors as a struct, each in its own register;
 * more of them through a second argument RtValue results[], which a tail call hands on. Host functions (imports) are
 * called in the same way with C types, so an import of type (i32 i64) -> i32 is
 * `uint32_t f(RtInstance *, uint32_t, uint64_t)`.
 *
 * Linear memory 0: base constant object->memory_base (disp32 addressing; must equal instance->memory->base) or, when
 * that is 0, loaded from instance->memory_base. The others: loaded from memories[]. What compiled code checks:
 *   32-bit, pages of 64 KiB  nothing: 8 GiB + 64 KiB are reserved from the base, so i32 index + u32 offset + 16 always falls
 *                            into the reservation and the MMU finds what is out of bounds
 *   64-bit, pages of 64 KiB  index <= RT_MEMORY64_SIZE - 1 (or less by a large offset): RT_MEMORY64_RESERVATION bytes are
 *                            reserved, the MMU does the rest. A constant, whatever the memory's size is.
 *   pages of 1 byte          the exact end against RtMemory.size: the MMU knows pages of 4 KiB only
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RT_ABI_VERSION 6u
#define RT_OBJECT_MAGIC 0x314f4352u /* "RCO1" */
#define RT_OBJECT_SYMBOL "rc_object"

#define RT_PAGE_SIZE 65536u                             /* WASM page */
#define RT_MEMORY_RESERVATION ((8ull << 30) + 65536ull) /* bytes of address space per linear memory */
#define RT_MEMORY64_SIZE (1ull << 38)                   /* most bytes of a 64-bit memory; a power of two: see limits.h */
#define RT_MEMORY64_GUARD RT_MEMORY_RESERVATION         /* an access with an offset below it is checked by its index alone */
#define RT_MEMORY64_RESERVATION (RT_MEMORY64_SIZE + RT_MEMORY64_GUARD)
#define RT_MEMORY_BASE_DEFAULT 0x40000000ull            /* product: base + disp32 fits a sign-extended 32-bit displacement */

typedef uint32_t GuestAddr; /* an address in linear memory; never a pointer */

typedef struct RtInstance RtInstance;
typedef struct RtObject RtObject;

/* Why a guest trapped. ORDER: compiled code passes the number; names in rt/trap.c. */
typedef enum RtTrap {
    RT_TRAP_NONE = 0,
    RT_TRAP_UNREACHABLE,            /* "unreachable"                       SIGILL  */
    RT_TRAP_INTEGER_DIVIDE_BY_ZERO, /* "integer divide by zero"            SIGFPE  */
    RT_TRAP_INTEGER_OVERFLOW,       /* "integer overflow"                  SIGFPE  */
    RT_TRAP_INVALID_CONVERSION,     /* "invalid conversion to integer"     SIGFPE  */
    RT_TRAP_MEMORY_OUT_OF_BOUNDS,   /* "out of bounds memory access"       SIGSEGV */
    RT_TRAP_TABLE_OUT_OF_BOUNDS,    /* "out of bounds table access"        SIGSEGV */
    RT_TRAP_UNDEFINED_ELEMENT,      /* "undefined element"                 SIGSEGV: call_indirect index past the table */
    RT_TRAP_UNINITIALIZED_ELEMENT,  /* "uninitialized element"             SIGSEGV: null in the table */
    RT_TRAP_INDIRECT_CALL_MISMATCH, /* "indirect call type mismatch"       SIGILL  */
    RT_TRAP_STACK_OVERFLOW,         /* "call stack exhausted"              SIGSEGV */
    RT_TRAP_UNALIGNED_ATOMIC,       /* "unaligned atomic"                  SIGBUS  */
    RT_TRAP_EXPECTED_SHARED,        /* "expected shared memory"            SIGILL  */
    RT_TRAP_NULL_REFERENCE,         /* "null reference"                    SIGSEGV */
    RT_TRAP_BAD_LONGJMP,            /* "longjmp into a dead frame"         SIGABRT */
    RT_TRAP_UNCAUGHT_EXCEPTION,     /* "uncaught exception"                SIGABRT */
    RT_TRAP_UNSUPPORTED,            /* code the compiler does not generate SIGILL  */
    RT_TRAP_HOST,                   /* raised by a host function           SIGABRT */
    RT_TRAP_EXCEPTION_MEMORY,       /* "too many live exceptions"          SIGABRT */
    _RT_TRAP_N
} RtTrap;

/* A function reference: funcref values point to one of these (NULL = ref.null). */
typedef struct RtFuncRef {
    const void *code;
    uint32_t signature;  /* structural signature id, never 0: hash of the type, unique within an object */
    uint32_t func_index; /* in the object; bit 31 set: a foreign function of the embedder's registry */
} RtFuncRef;

/* A table slot: a copy of the RtFuncRef, so that call_indirect needs no second load. signature 0 = null.
 * externref tables keep the opaque value in code; signature is 1 when not null. */
typedef RtFuncRef RtTableElem;

typedef struct RtTable {
    RtTableElem *elems; /* may point into the object's read-only table image when object->is_table_constant */
    uint32_t size;      /* slots */
    uint32_t maximum;   /* slots; growth beyond fails */
    uint32_t capacity;  /* slots allocated behind elems */
    uint32_t is_funcref;
    uint64_t reserved;
} RtTable;

typedef struct RtMemory {
    uint8_t *base;
    uint32_t page_count;    /* current size; atomic when shared */
    uint32_t page_maximum;  /* the module's maximum */
    uint32_t page_limit;    /* the container's limit, <= page_maximum */
    uint32_t is_shared;
    uint64_t size;          /* bytes now: page_count << page_size_log2; compiled code reads it for pages of 1 byte */
    uint32_t page_size_log2; /* 16, or 0: page counts above are bytes then */
    uint32_t is_64;
} RtMemory;

/* Where an instance keeps each of its memories, imported or its own; both never change. */
typedef struct RtMemorySlot {
    uint8_t *base;
    RtMemory *memory;
} RtMemorySlot;

/* A global's slot. Defined globals live here; for an imported one `pointer` is the address of the owner's slot. */
typedef union RtGlobal {
    uint32_t i32;
    uint64_t i64;
    float f32;
    double f64;
    void *pointer;
    uint8_t v128[16];
    uint64_t bits[2];
} RtGlobal;

typedef RtGlobal RtValue; /* arguments and results of RtExport thunks */

/*
 * An exception: what an exnref points to. It lies in the pool of the instance that threw it (rt/exception.c). The identity of a tag is an
 * address: of the slot of the instance that defines it.
 */
typedef struct RtException {
    const void *tag;
    RtInstance *owner;
    uint32_t value_count;
    uint32_t state;    /* RT_EXCEPTION_*; compiled code sets EXPOSED when it makes an exnref, FOREIGN too when owner is another instance */
    uint32_t link;     /* rt's */
    uint32_t reserved;
    RtValue values[];  /* the tag's parameters */
} RtException;
_Static_assert(sizeof(RtException) == 32, "compiled code uses these offsets");

#define RT_EXCEPTION_LIVE 1u
#define RT_EXCEPTION_EXPOSED 2u /* references may exist: exception_free does nothing, rt looks for them when the pool fills up */
#define RT_EXCEPTION_FOREIGN 4u /* another instance may hold references: never taken back */
#define RT_EXCEPTION_MARKED 8u  /* rt's */

/*
 * What compiled code calls; filled in by rt. ORDER: compiled code uses the offsets. Every function may trap and then
 * does not return. Sizes and addresses are the guest's, unchecked.
 */
typedef struct RtRuntime {
    void (*trap)(RtInstance *, uint32_t trap) __attribute__((noreturn));
    uint32_t (*memory_grow)(RtInstance *, uint32_t delta_pages); /* old size or UINT32_MAX */
    void (*memory_init)(RtInstance *, uint32_t data_index, uint32_t dst, uint32_t src, uint32_t size);
    void (*memory_copy)(RtInstance *, uint32_t dst, uint32_t src, uint32_t size);
    void (*memory_fill)(RtInstance *, uint32_t dst, uint32_t value, uint32_t size);
    void (*data_drop)(RtInstance *, uint32_t data_index);
    void *(*table_get)(RtInstance *, uint32_t table, uint32_t index);
    void (*table_set)(RtInstance *, uint32_t table, uint32_t index, void *ref);
    uint32_t (*table_grow)(RtInstance *, uint32_t table, void *ref, uint32_t delta);
    void (*table_fill)(RtInstance *, uint32_t table, uint32_t index, void *ref, uint32_t size);
    void (*table_copy)(RtInstance *, uint32_t dst_table, uint32_t src_table, uint32_t dst, uint32_t src, uint32_t size);
    void (*table_init)(RtInstance *, uint32_t table, uint32_t elem_index, uint32_t dst, uint32_t src, uint32_t size);
    void (*elem_drop)(RtInstance *, uint32_t elem_index);
    uint32_t (*atomic_wait32)(RtInstance *, uint64_t address, uint32_t expected, int64_t timeout_ns);
    uint32_t (*atomic_wait64)(RtInstance *, uint64_t address, uint64_t expected, int64_t timeout_ns);
    uint32_t (*atomic_notify)(RtInstance *, uint64_t address, uint32_t count);
    /* returns_twice; buffer is a guest address of >= 8 bytes; mask_kind 0: setjmp, 1: sigsetjmp with savemask in bit 8 */
    uint32_t (*setjmp)(RtInstance *, uint32_t buffer, uint32_t mask_kind);
    void (*longjmp)(RtInstance *, uint32_t buffer, uint32_t value) __attribute__((noreturn));
    /* instantiate only: store one evaluated item of an element segment whose refs are NULL (rt keeps count slots for it) */
    void (*elem_set)(RtInstance *, uint32_t elem_index, uint32_t item, void *ref);
    /* room for an exception of that tag; compiled code stores its values */
    RtException *(*exception_new)(RtInstance *, const void *tag, uint32_t value_count);
    /* unwinds to the next frame with a handler, whose landing pad gets the exception; NULL traps. No handler: a trap */
    void (*exception_throw)(RtInstance *, RtException *) __attribute__((noreturn));
    void (*exception_free)(RtInstance *, RtException *); /* after a catch that makes no exnref */
    void *reserved_exception;
    /* call_ref of a reference to another object's function: code that can be called with this instance first */
    const void *(*ref_code)(RtInstance *, const void *ref);
    /* The same for any memory: number 1 and up, 64-bit, or pages of 1 byte. Sizes that do not fit fail as out of bounds does. */
    uint64_t (*memory_grow_any)(RtInstance *, uint32_t memory, uint64_t delta_pages); /* old size or UINT64_MAX */
    void (*memory_init_any)(RtInstance *, uint32_t memory, uint32_t data_index, uint64_t dst, uint32_t src, uint32_t size);
    void (*memory_copy_any)(RtInstance *, uint32_t dst_memory, uint32_t src_memory, uint64_t dst, uint64_t src, uint64_t size);
    void (*memory_fill_any)(RtInstance *, uint32_t memory, uint64_t dst, uint32_t value, uint64_t size);
    uint32_t (*atomic_wait32_any)(RtInstance *, uint32_t memory, uint64_t address, uint32_t expected, int64_t timeout_ns);
    uint32_t (*atomic_wait64_any)(RtInstance *, uint32_t memory, uint64_t address, uint64_t expected, int64_t timeout_ns);
    uint32_t (*atomic_notify_any)(RtInstance *, uint32_t memory, uint64_t address, uint32_t count);
    void *reserved[1];
} RtRuntime;
_Static_assert(sizeof(RtRuntime) == 32 * 8, "compiled code uses these offsets");

/* The head of an instance. Compiled code uses the fields down to jump_depth. */
struct RtInstance {
    uint8_t *memory_base;       /*   0: == memory->base */
    RtMemory *memory;           /*   8: memory 0, NULL when the module has none */
    const RtRuntime *runtime;   /*  16 */
    uint8_t *stack_limit;       /*  24: lowest usable native stack address, for host calls that need head-room */
    uint32_t jump_depth;        /*  32: live setjmp records; a function that calls setjmp restores it when it returns */
    uint32_t interrupt;         /*  36: not 0: a guest signal is pending (safepoints) */
    const RtObject *object;     /*  40 */
    const struct RtEntry *entry; /* 48: NULL for a plain module */
    void *host;                 /*  56: the vkernel's state */
    void *runtime_private;      /*  64: rt's own state of this instance */
    RtValue *tail_arguments;    /*  72: of a tail call whose arguments do not fit in registers; dead once the callee has loaded them */
    uint32_t *recording;        /*  80: 1 + func_count words of an object that records: how many first calls there were; of each function, which it was */
    uint8_t reserved[256 - 88];
};
_Static_assert(sizeof(RtInstance) == 256, "compiled code uses these offsets");
_Static_assert(offsetof(RtInstance, jump_depth) == 32 && offsetof(RtInstance, runtime) == 16, "ditto");

/* One imported function: what the loader must bind. Signature text: params, ':', results; i=i32 I=i64 f=f32 F=f64 v=v128 r=funcref e=externref x=exnref, other
 * references in braces (wasm/types.c); "iI:i". */
typedef struct RtImportDesc {
    const char *module;
    const char *name;
    const char *signature;
    uint32_t kind;  /* WasmExternKind */
    uint32_t index; /* in its index space */
} RtImportDesc;

typedef struct RtExport {
    const char *name;
    const char *signature; /* functions; else NULL */
    void (*thunk)(RtInstance *, const RtValue *args, RtValue *results); /* functions when compiled with thunks; else NULL */
    uint32_t kind;
    uint32_t index;
} RtExport;

typedef struct RtDataSegment {
    const uint8_t *bytes;
    uint64_t size;
} RtDataSegment;

typedef struct RtElemSegment {
    const RtFuncRef *const *refs; /* NULL entries are null references; NULL array when items need evaluation: instantiate gives each by elem_set before any segment is applied */
    uint64_t count;
} RtElemSegment;

/* Part of an entry's initial memory: bytes are 4096-aligned in memory and in the file, size is a multiple of 4096. */
typedef struct RtImage {
    const uint8_t *bytes;
    uint64_t address; /* guest address, multiple of 4096 */
    uint64_t size;
} RtImage;

typedef struct RtGlobalInit {
    uint32_t global_index;
    uint32_t reserved;
    RtGlobal value; /* references: pointer to RtFuncRef or NULL */
} RtGlobalInit;

typedef struct RtEntry {
    const char *name;
    const void *start_code;        /* void (RtInstance *) */
    const void *init_code;         /* the module's start section, or NULL: called first */
    const RtImage *images;
    const RtTableElem *table;      /* table_size slots */
    const RtGlobalInit *globals;
    uint32_t image_count;
    uint32_t table_size;
    uint32_t global_count;
    uint32_t abi;                  /* EntryAbi */
    uint32_t memory_minimum;       /* pages */
    uint32_t memory_maximum;
    uint32_t is_memory_shared;
    uint32_t reserved;
    const uint8_t *data_applied;   /* bitmap over data segments that the images contain: they count as dropped */
    const void *thread_code;       /* void (RtInstance *, i32 tid, i32 argument): what a spawned thread of the wasi ABI runs, or NULL */
} RtEntry;

struct RtObject {
    uint32_t magic;
    uint32_t abi_version;
    uint8_t megabinary_sha256[32];
    char target[64];              /* NUL-terminated: "x86_64 x86-64-v2" + options, informative and part of the cache key */
    uint64_t memory_base;         /* 0: loaded from the instance */
    uint64_t cpu_features;        /* RT_CPU_* bits the code needs; the loader refuses on a lesser CPU */
    uint32_t instance_size;       /* bytes, header included */
    uint32_t imports_offset;      /* void *[import_func_count] */
    uint32_t tables_offset;       /* RtTable[table_count]; an imported table's slot holds RtTable * in its first 8 bytes */
    uint32_t globals_offset;      /* RtGlobal[global_count] */
    uint32_t dropped_offset;      /* bitmap of data segments, then (8-aligned) bitmap of element segments */
    uint32_t import_count;        /* all kinds */
    uint32_t import_func_count;
    uint32_t func_count;          /* imports included */
    uint32_t export_count;
    uint32_t entry_count;
    uint32_t table_count;
    uint32_t global_count;
    uint32_t data_count;
    uint32_t elem_count;
    uint32_t is_table_constant;   /* nothing changes table 0 after start: entries use the baked image without a copy */
    uint32_t has_memory;
    uint32_t memory_minimum;      /* pages, plain modules */
    uint32_t memory_maximum;
    uint32_t is_memory_shared;
    uint32_t is_recording;        /* calls go through code that notes the first one in RtInstance.recording */
    const RtImportDesc *imports;
    const RtFuncRef *funcs;       /* func_count; imports have thunks */
    const RtExport *exports;
    const RtEntry *entries;       /* sorted by name */
    const RtDataSegment *datas;
    const RtElemSegment *elems;
    /* Plain modules: globals, then active segments in order by runtime->table_init/memory_init followed by elem_drop/data_drop
     * (never stored directly: an imported table may belong to another instance), then the start function. Traps as the spec says. */
    void (*instantiate)(RtInstance *);
    /* Calls from the host into guest code of these types, whatever the guest convention. */
    void (*invoke_v)(RtInstance *, const void *code);
    void (*invoke_i)(RtInstance *, const void *code, uint32_t);
    void (*invoke_iii)(RtInstance *, const void *code, uint32_t, uint32_t, uint32_t);
    const uint8_t *text_begin;    /* guest code: a fault elsewhere is not the guest's */
    const uint8_t *text_end;
    const struct RtTableDesc *table_descs; /* table_count */
    uint32_t tag_count;           /* imports included */
    uint32_t tags_offset;         /* void *[tag_count]: an imported tag's identity; a defined tag's identity is the address of its slot */
    void (*invoke_ii)(RtInstance *, const void *code, uint32_t, uint32_t);
    const struct RtMemoryDesc *memory_descs; /* memory_count */
    uint32_t memory_count;
    uint32_t memories_offset;     /* RtMemorySlot[memory_count] */
    const uint8_t *startup_end;   /* of an object laid out by a profile: the code from text_begin to here is what is called; else NULL */
    uint64_t reserved1[3];
};

/* Section .rc_lines of an object that was made from a megabinary with source lines: header, rows, file_count u32 offsets of names from
 * the end of these offsets, the names with a NUL each. Rows ascend by offset; line 0: no source. */
#define RT_LINES_SECTION ".rc_lines"
#define RT_LINES_MAGIC 0x314c4352u /* "RCL1" */
typedef struct RtLinesHeader {
    uint32_t magic;
    uint32_t file_count;
    uint32_t row_count;
    uint32_t reserved;
} RtLinesHeader;

typedef struct RtLinesRow {
    uint32_t offset; /* byte offset in the megabinary */
    uint32_t file;
    uint32_t line;
} RtLinesRow;

/* A memory as the module declares it. has_memory and the fields after it repeat number 0's for entries. */
typedef struct RtMemoryDesc {
    uint64_t minimum; /* pages */
    uint64_t maximum; /* pages; the most its address type can count when none was declared */
    uint32_t page_size_log2;
    uint32_t is_64;
    uint32_t is_shared;
    uint32_t is_imported;
} RtMemoryDesc;

typedef struct RtTableDesc {
    uint32_t minimum;
    uint32_t maximum;
    uint32_t is_funcref;
    uint32_t is_imported;
} RtTableDesc;

#define RT_CPU_SSE42 (1ull << 0)  /* x86-64-v2: SSE3, SSSE3, SSE4.1, SSE4.2, POPCNT, CMPXCHG16B */
#define RT_CPU_AVX2 (1ull << 1)   /* x86-64-v3: AVX, AVX2, BMI1, BMI2, F16C, FMA, LZCNT, MOVBE */
#define RT_CPU_AVX512 (1ull << 2) /* x86-64-v4 */
