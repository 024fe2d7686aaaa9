/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind.c - from a throw to the landing pad of the next frame that has a handler.
 *
 *   compiled code -> rt_exception_throw (switch.S: registers of the caller) -> rt_unwind
 *     for each frame: UnwindRow of its return address:  landing pad? -> rt_jump_go, the exception in rax
 *                                                        none?        -> the caller's registers, next frame
 *     a return address that is not in an object (a host function, the entry of the activation) -> trap "uncaught exception"
 *
 * A row says what one call site of one frame means: where the caller's registers are and where the handler is. It is made from
 * the object's .eh_frame and its language specific data (LSDA) as LLVM writes them and kept in a direct-mapped cache, so a site
 * that was passed once costs some nanoseconds. There is one phase: frames are left as they are met, handlers decide for themselves and throw again.
 *
 * The tables are in read-only memory of the object. Nothing in them is believed: every read is bounded by its segment, a frame must
 * lie inside of the native stack and grow towards its top, saved registers must lie in the frame, and a landing pad in the function
 * whose call was interrupted. What does not fit counts as no handler. Return addresses lie on the native stack, out of the guest's reach.
 * Source: DWARF 4 6.4, LSB 5 10.6 (.eh_frame, .eh_frame_hdr), Itanium C++ ABI exception tables.
 */
#include "rt/exception-int.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/must.h"

#define POINTER_PCREL_SDATA4 0x1b
#define POINTER_DATAREL_SDATA4 0x3b
#define POINTER_UDATA4 0x03
#define POINTER_OMIT 0xff
#define REGISTER_RBP 6u
#define REGISTER_RSP 7u
#define REGISTER_RETURN 16u
#define REGISTERS 17u
#define STATES_MAX 8u /* nested remember_state */

static uint64_t unload_count; /* rows made before an object was unmapped are void */

void unwind_forget(void) { __atomic_add_fetch(&unload_count, 1, __ATOMIC_RELEASE); }

/* --- bounded reading --- */

typedef struct Cursor {
    const uint8_t *at, *end;
    bool is_bad;
} Cursor;

static uint64_t take(Cursor *c, size_t size)
{
    uint64_t value = 0;
    if (c->is_bad || (size_t)(c->end - c->at) < size) {
        c->is_bad = true;
        return 0;
    }
    memcpy(&value, c->at, size);
    c->at += size;
    return value;
}

static uint64_t take_uleb(Cursor *c)
{
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
        const uint64_t byte = take(c, 1);
        value |= (byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return value;
        }
    }
    c->is_bad = true;
    return 0;
}

static int64_t take_sleb(Cursor *c)
{
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 64; shift += 7) {
        const uint64_t byte = take(c, 1);
        value |= (byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return (byte & 0x40) != 0 && shift + 7 < 64 ? (int64_t)(value | UINT64_MAX << (shift + 7)) : (int64_t)value;
        }
    }
    c->is_bad = true;
    return 0;
}

/* A pcrel sdata4 pointer: the only kind the compiler's code model writes. */
static uint64_t take_relative(Cursor *c)
{
    const uint64_t place = (uint64_t)(uintptr_t)c->at;
    return place + (uint64_t)(int64_t)(int32_t)(uint32_t)take(c, 4);
}

static void cut(Cursor *c, uint64_t size)
{
    if (c->is_bad || size > (uint64_t)(c->end - c->at)) {
        c->is_bad = true;
        return;
    }
    c->end = c->at + size;
}

static Cursor cursor_at(const RtLoaded *loaded, uint64_t address)
{
    const uint8_t *at = (const uint8_t *)(uintptr_t)address;
    const RtSegment *segment = loaded_segment(loaded, at, 1);
    if (segment == NULL || (segment->flags & PF_R) == 0) {
        return (Cursor){.is_bad = true};
    }
    return (Cursor){.at = at, .end = segment->start + segment->size};
}

/* --- .eh_frame_hdr: which FDE --- */

#define INDEX_HEAD 12u

int unwind_check(const RtLoaded *loaded, Error *err)
{
    const uint8_t *head = loaded->unwind_index;
    if (head == NULL) {
        return 0; /* nothing can be unwound: every exception is uncaught */
    }
    uint32_t count;
    if (loaded->unwind_index_size < INDEX_HEAD || !loaded_has(loaded, head, loaded->unwind_index_size, PF_R)) {
        return error_set(err, EBADMSG, "object: index of call frames outside of the segments");
    }
    memcpy(&count, head + 8, sizeof(count));
    if (head[0] != 1 || head[1] != POINTER_PCREL_SDATA4 || head[2] != POINTER_UDATA4 || head[3] != POINTER_DATAREL_SDATA4 ||
        (uint64_t)count * 8 > loaded->unwind_index_size - INDEX_HEAD) {
        return error_set(err, EBADMSG, "object: bad index of call frames");
    }
    return 0;
}

static int32_t index_word(const uint8_t *head, uint32_t entry, uint32_t word)
{
    int32_t value;
    memcpy(&value, head + INDEX_HEAD + (size_t)entry * 8 + word * 4, sizeof(value));
    return value;
}

/* The address of the FDE that may have pc; 0: none. */
static uint64_t index_find(const RtLoaded *loaded, uint64_t pc)
{
    const uint8_t *head = loaded->unwind_index;
    if (head == NULL) {
        return 0;
    }
    uint32_t low = 0, high;
    memcpy(&high, head + 8, sizeof(high));
    const int64_t wanted = (int64_t)(pc - (uint64_t)(uintptr_t)head);
    while (low < high) { /* the last entry that is not above pc */
        const uint32_t middle = low + (high - low) / 2;
        if (index_word(head, middle, 0) <= wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? 0 : (uint64_t)(uintptr_t)head + (uint64_t)(int64_t)index_word(head, low - 1, 1);
}

/* --- CIE and FDE --- */

typedef struct FrameInfo {
    uint64_t begin, size;      /* the function */
    uint64_t lsda;             /* 0: none */
    uint64_t code_factor;
    int64_t data_factor;
    Cursor common, own;        /* instructions of CIE and FDE */
    bool has_lsda, has_augmentation;
} FrameInfo;

static Cursor record_at(const RtLoaded *loaded, uint64_t address)
{
    Cursor c = cursor_at(loaded, address);
    const uint64_t length = take(&c, 4);
    c.is_bad |= length == 0 || length >= 0xfffffff0u;
    cut(&c, length);
    return c;
}

static bool augmentation_read(Cursor *c, const uint8_t *text, FrameInfo *info)
{
    if (text[0] != 'z') {
        return text[0] == '\0';
    }
    info->has_augmentation = true;
    Cursor data = *c;
    const uint64_t size = take_uleb(&data);
    *c = data;
    cut(&data, size);
    for (uint32_t i = 1; text[i] != '\0' && !data.is_bad; i++) {
        const uint64_t encoding = text[i] == 'S' ? 0 : take(&data, 1);
        if (text[i] == 'P') { /* ours has no meaning: rt is the personality */
            (void)take(&data, (encoding & 0x0f) == 0x04 || (encoding & 0x0f) == 0 ? 8 : 4);
        } else if (text[i] == 'L') {
            info->has_lsda = true;
            data.is_bad |= encoding != POINTER_PCREL_SDATA4;
        } else if (text[i] == 'R') {
            data.is_bad |= encoding != POINTER_PCREL_SDATA4;
        } else {
            data.is_bad = true;
        }
    }
    if (!data.is_bad) {
        c->at = data.end;
    }
    return !data.is_bad;
}

static bool cie_read(const RtLoaded *loaded, uint64_t address, FrameInfo *info)
{
    Cursor c = record_at(loaded, address);
    uint8_t text[8] = {0};
    c.is_bad |= take(&c, 4) != 0;
    const uint64_t version = take(&c, 1);
    for (uint32_t i = 0; i < sizeof(text); i++) {
        text[i] = (uint8_t)take(&c, 1);
        if (text[i] == '\0') {
            break;
        }
    }
    if (c.is_bad || version != 1 || text[sizeof(text) - 1] != '\0') {
        return false;
    }
    info->code_factor = take_uleb(&c);
    info->data_factor = take_sleb(&c);
    const uint64_t return_register = take(&c, 1);
    if (c.is_bad || return_register != REGISTER_RETURN || !augmentation_read(&c, text, info)) {
        return false;
    }
    info->common = c;
    return !c.is_bad;
}

static bool fde_read(const RtLoaded *loaded, uint64_t address, uint64_t pc, FrameInfo *info)
{
    *info = (FrameInfo){0};
    Cursor c = record_at(loaded, address);
    const uint64_t place = (uint64_t)(uintptr_t)c.at;
    const uint64_t back = take(&c, 4);
    if (c.is_bad || back == 0 || !cie_read(loaded, place - back, info)) {
        return false;
    }
    info->begin = take_relative(&c);
    info->size = take(&c, 4);
    if (info->has_augmentation) {
        const uint64_t size = take_uleb(&c);
        Cursor data = c;
        cut(&data, size);
        if (data.is_bad) {
            return false;
        }
        c.at = data.end;
        if (info->has_lsda) {
            const uint64_t here = (uint64_t)(uintptr_t)data.at;
            info->lsda = take_relative(&data);
            info->lsda = info->lsda == here ? 0 : info->lsda;
        }
        c.is_bad |= data.is_bad;
    }
    info->own = c;
    return !c.is_bad && pc - info->begin < info->size && loaded_has(loaded, (const void *)(uintptr_t)info->begin, info->size, PF_X);
}

/* --- call frame instructions --- */

typedef struct Rules {
    uint64_t cfa_register;
    int64_t cfa_offset;
    int64_t offsets[REGISTERS]; /* from the CFA; 0: not saved */
    int64_t argument_size;
} Rules;

typedef struct Machine {
    Rules now, initial, saved[STATES_MAX];
    uint32_t saved_count;
    uint64_t location;
} Machine;

static void set_offset(Machine *m, Cursor *c, uint64_t register_number, int64_t offset)
{
    if (register_number >= REGISTERS || offset > 0 || offset < -(int64_t)RT_STACK_GUARD * 1024) {
        c->is_bad = true;
        return;
    }
    m->now.offsets[register_number] = offset;
}

static void restore(Machine *m, Cursor *c, uint64_t register_number)
{
    set_offset(m, c, register_number, register_number < REGISTERS ? m->initial.offsets[register_number] : 1);
}

/* Instructions without operands in the opcode byte. */
static void step_extended(Machine *m, Cursor *c, uint64_t opcode, const FrameInfo *info)
{
    uint64_t number;
    switch (opcode) {
    case 0x00: break;                                                                   /* nop */
    case 0x02: m->location += take(c, 1) * info->code_factor; break;                    /* advance_loc1 */
    case 0x03: m->location += take(c, 2) * info->code_factor; break;
    case 0x04: m->location += take(c, 4) * info->code_factor; break;
    case 0x05:                                                                          /* offset_extended */
        number = take_uleb(c);
        set_offset(m, c, number, (int64_t)take_uleb(c) * info->data_factor);
        break;
    case 0x06: restore(m, c, take_uleb(c)); break;                                      /* restore_extended */
    case 0x07: case 0x08: set_offset(m, c, take_uleb(c), 0); break;                     /* undefined, same_value */
    case 0x0a:                                                                          /* remember_state */
        if (m->saved_count == STATES_MAX) {
            c->is_bad = true;
            break;
        }
        m->saved[m->saved_count++] = m->now;
        break;
    case 0x0b:                                                                          /* restore_state */
        if (m->saved_count == 0) {
            c->is_bad = true;
            break;
        }
        m->now = m->saved[--m->saved_count];
        break;
    case 0x0c:                                                                          /* def_cfa */
        m->now.cfa_register = take_uleb(c);
        m->now.cfa_offset = (int64_t)take_uleb(c);
        break;
    case 0x0d: m->now.cfa_register = take_uleb(c); break;                               /* def_cfa_register */
    case 0x0e: m->now.cfa_offset = (int64_t)take_uleb(c); break;                        /* def_cfa_offset */
    case 0x2e: m->now.argument_size = (int64_t)take_uleb(c); break;                     /* GNU_args_size */
    default: c->is_bad = true;
    }
}

/* Runs instructions up to pc. */
static bool run(Machine *m, Cursor c, uint64_t pc, const FrameInfo *info)
{
    while (c.at < c.end && !c.is_bad) {
        const uint64_t opcode = take(&c, 1), low = opcode & 0x3f;
        const Rules before = m->now;
        switch (opcode >> 6) {
        case 1: m->location += low * info->code_factor; break;                          /* advance_loc */
        case 2: set_offset(m, &c, low, (int64_t)take_uleb(&c) * info->data_factor); break; /* offset */
        case 3: restore(m, &c, low); break;                                             /* restore */
        default: step_extended(m, &c, opcode, info);
        }
        if (m->location > pc) {
            m->now = before;
            break;
        }
    }
    return !c.is_bad;
}

/* --- LSDA: which landing pad --- */

/* false: damaged. *ret_pad 0: none. */
static bool lsda_find(const RtLoaded *loaded, const FrameInfo *info, uint64_t pc, uint64_t *ret_pad)
{
    Cursor c = cursor_at(loaded, info->lsda);
    *ret_pad = 0;
    c.is_bad |= take(&c, 1) != POINTER_OMIT; /* pads are relative to the function */
    if (take(&c, 1) != POINTER_OMIT) {
        (void)take_uleb(&c);
    }
    const uint64_t encoding = take(&c, 1);
    c.is_bad |= encoding != 0x01 && encoding != POINTER_UDATA4;
    const uint64_t size = take_uleb(&c);
    cut(&c, size);
    const uint64_t offset = pc - info->begin;
    while (!c.is_bad && c.at < c.end) {
        uint64_t fields[3];
        for (uint32_t i = 0; i < 3; i++) {
            fields[i] = encoding == 0x01 ? take_uleb(&c) : take(&c, 4);
        }
        (void)take_uleb(&c); /* action: every pad is for everything */
        if (!c.is_bad && fields[0] <= offset && offset - fields[0] < fields[1]) {
            if (fields[2] >= info->size) {
                return false;
            }
            *ret_pad = fields[2] == 0 ? 0 : info->begin + fields[2];
            return true;
        }
    }
    return !c.is_bad;
}

/* --- rows --- */

static bool row_fill(UnwindRow *row, const Machine *m, uint64_t pad)
{
    static const uint8_t numbers[] = {3, 6, 12, 13, 14, 15}; /* ORDER: UnwindRow.offsets */
    const Rules *rules = &m->now;
    const bool is_rbp = rules->cfa_register == REGISTER_RBP;
    if ((!is_rbp && rules->cfa_register != REGISTER_RSP) || rules->cfa_offset < 8 || rules->cfa_offset > INT32_MAX ||
        rules->offsets[REGISTER_RETURN] != -8 || rules->argument_size < 0 || rules->argument_size > INT32_MAX) {
        return false;
    }
    row->pad = pad;
    row->cfa_offset = (int32_t)rules->cfa_offset;
    row->argument_size = (int32_t)rules->argument_size;
    row->is_rbp = is_rbp;
    for (uint32_t i = 0; i < 6; i++) {
        row->offsets[i] = (int32_t)rules->offsets[numbers[i]];
    }
    return true;
}

static bool row_make(uint64_t return_address, UnwindRow *row)
{
    const uint64_t pc = return_address - 1; /* in the call */
    const RtLoaded *loaded = loaded_find(pc);
    FrameInfo info;
    uint64_t pad = 0;
    const uint64_t fde = loaded != NULL ? index_find(loaded, pc) : 0;
    if (fde == 0 || !fde_read(loaded, fde, pc, &info)) {
        return false;
    }
    Machine m = {.location = info.begin};
    bool is_good = run(&m, info.common, UINT64_MAX, &info);
    m.initial = m.now;
    m.location = info.begin;
    is_good = is_good && run(&m, info.own, pc, &info);
    is_good = is_good && (info.lsda == 0 || lsda_find(loaded, &info, pc, &pad));
    return is_good && row_fill(row, &m, pad);
}

static const UnwindRow *row_find(RtPrivate *private, uint64_t return_address)
{
    UnwindRow *row = &private->exceptions->rows[(return_address ^ return_address >> 10) % RT_UNWIND_ROWS];
    if (row->return_address != return_address) {
        row->return_address = 0;
        if (!row_make(return_address, row)) {
            return NULL;
        }
        row->return_address = return_address;
    }
    return row;
}

/* --- the walk --- */

/* The registers of the frame's caller. */
__attribute__((no_sanitize("address", "undefined"))) static bool frame_leave(const UnwindRow *row, const RtPrivate *private, JumpContext *context)
{
    const uint64_t top = (uint64_t)(uintptr_t)private->stack_top;
    const uint64_t cfa = (row->is_rbp ? context->rbp : context->rsp) + (uint64_t)(int64_t)row->cfa_offset;
    uint64_t *const registers[6] = {&context->rbx, &context->rbp, &context->r12, &context->r13, &context->r14, &context->r15};
    if (cfa <= context->rsp || cfa > top || cfa - 8 < (uint64_t)(uintptr_t)private->stack_bottom || cfa % 8 != 0) {
        return false;
    }
    for (uint32_t i = 0; i < 6; i++) {
        const uint64_t place = cfa + (uint64_t)(int64_t)row->offsets[i];
        if (row->offsets[i] != 0) {
            if (place < context->rsp || place < (uint64_t)(uintptr_t)private->stack_bottom || place % 8 != 0) {
                return false;
            }
            *registers[i] = *(const uint64_t *)(uintptr_t)place;
        }
    }
    context->rip = *(const uint64_t *)(uintptr_t)(cfa - 8);
    context->rsp = cfa;
    return true;
}

bool unwind_step(const RtPrivate *private, JumpContext *context)
{
    UnwindRow row = {0};
    return row_make(context->rip, &row) && frame_leave(&row, private, context);
}

void rt_unwind(RtInstance *instance, RtException *exception, JumpContext *context)
{
    const uint64_t origin = context->rip - 1;
    if (exception == NULL) {
        trap_at(instance, RT_TRAP_NULL_REFERENCE, origin);
    }
    must(rt_activation != NULL);
    RtPrivate *private = instance_private(rt_activation->instance);
    const uint64_t unloads = __atomic_load_n(&unload_count, __ATOMIC_ACQUIRE);
    if (private->unwind_unloads != unloads) {
        memset(private->exceptions->rows, 0, sizeof(private->exceptions->rows));
        private->unwind_unloads = unloads;
    }
    const UnwindRow *row;
    while (context->rsp >= (uint64_t)(uintptr_t)private->stack_bottom && (row = row_find(private, context->rip)) != NULL) {
        if (row->pad != 0) {
            context->rip = row->pad;
            context->rsp += (uint64_t)(int64_t)row->argument_size;
            rt_jump_go(context, (uint64_t)(uintptr_t)exception);
        }
        if (!frame_leave(row, private, context)) {
            break;
        }
    }
    trap_at(instance, RT_TRAP_UNCAUGHT_EXCEPTION, origin);
}
