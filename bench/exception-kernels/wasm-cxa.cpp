/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wasm-cxa.cpp - as much of the C++ exception runtime as the programs here and tests/exceptions need, for clang's -fwasm-exceptions
 * without libc++abi: throw, catch by type with single inheritance, rethrow, cleanups. One thread. The names and layouts that compiled code
 * knows: Itanium C++ ABI (exceptions), LLVM docs ExceptionHandling ("WebAssembly"): compiled code stores the number of the landing
 * pad and the address of the LSDA in __wasm_lpad_context, calls _Unwind_CallPersonality and reads the selector.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

namespace std {
class type_info; /* [vtable, name, ...]: only looked at as words */
}

extern "C" {

struct LandingPadContext {
    uintptr_t lpad_index, lsda, selector;
};
LandingPadContext __wasm_lpad_context;

struct UnwindException { /* what is thrown; the object follows it */
    const std::type_info *type;
    void *(*destructor)(void *);
    UnwindException *next_caught;
    void *adjusted;
    int handlers;
    bool is_rethrown;
    uint64_t align __attribute__((aligned(16)));
};

/* The vtables that type_info objects point into: only their addresses matter here. */
void *_ZTVN10__cxxabiv117__class_type_infoE[8];
void *_ZTVN10__cxxabiv120__si_class_type_infoE[8];
void *_ZTVN10__cxxabiv123__fundamental_type_infoE[8];
void *_ZTVN10__cxxabiv119__pointer_type_infoE[8];
#define POINTER_VTABLE (&_ZTVN10__cxxabiv119__pointer_type_infoE[2])
#define FUNDAMENTAL(symbol, name) void *symbol[2] = {&_ZTVN10__cxxabiv123__fundamental_type_infoE[2], (void *)name}
FUNDAMENTAL(_ZTIi, "i");
FUNDAMENTAL(_ZTIy, "y");
FUNDAMENTAL(_ZTIm, "m");
FUNDAMENTAL(_ZTId, "d");
void *_ZTIPKc[2] = {POINTER_VTABLE, (void *)"PKc"};

asm(".globl __cpp_exception\n.tagtype __cpp_exception i32\n__cpp_exception:\n"); /* the tag of all C++ exceptions */

static UnwindException *caught; /* innermost first */

static void *object_of(UnwindException *exception) { return exception + 1; }

void *__cxa_allocate_exception(size_t size) noexcept
{
    UnwindException *exception = (UnwindException *)malloc(sizeof(UnwindException) + size);
    if (exception == nullptr) {
        abort();
    }
    return exception + 1;
}

void __cxa_free_exception(void *object) noexcept { free((UnwindException *)object - 1); }

__attribute__((noreturn)) void __cxa_throw(void *object, std::type_info *type, void *(*destructor)(void *))
{
    UnwindException *exception = (UnwindException *)object - 1;
    *exception = UnwindException{type, destructor, nullptr, object, 0, false, 0};
    __builtin_wasm_throw(0, exception);
}

void *__cxa_begin_catch(void *pointer) noexcept
{
    UnwindException *exception = (UnwindException *)pointer;
    exception->handlers++;
    exception->is_rethrown = false;
    if (caught != exception) {
        exception->next_caught = caught;
        caught = exception;
    }
    return *(void *const *)exception->type == POINTER_VTABLE ? *(void **)exception->adjusted : exception->adjusted; /* pointers are caught by value */
}

void __cxa_end_catch()
{
    UnwindException *exception = caught;
    if (exception == nullptr || --exception->handlers > 0) {
        return;
    }
    caught = exception->next_caught;
    if (exception->is_rethrown) {
        return; /* whoever catches it next ends it */
    }
    if (exception->destructor != nullptr) { /* of this target: destructors return their object */
        exception->destructor(object_of(exception));
    }
    free(exception);
}

__attribute__((noreturn)) void __cxa_rethrow()
{
    UnwindException *exception = caught;
    if (exception == nullptr) {
        abort();
    }
    exception->is_rethrown = true;
    __builtin_wasm_throw(0, exception);
}

__attribute__((noreturn)) void _ZSt9terminatev() noexcept { abort(); }
__attribute__((noreturn)) void __clang_call_terminate(void *) noexcept { abort(); }
__attribute__((noreturn)) void __cxa_pure_virtual() { abort(); }
int __cxa_atexit(void (*)(void *), void *, void *) { return 0; }

int __gxx_personality_wasm0(void) { return 0; } /* named by compiled code, never called: _Unwind_CallPersonality does its work */

static uintptr_t read_uleb(const uint8_t **at)
{
    uintptr_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *(*at)++;
        value |= (uintptr_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return value;
}

static intptr_t read_sleb(const uint8_t **at)
{
    intptr_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *(*at)++;
        value |= (intptr_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return (byte & 0x40) != 0 && shift < 32 ? value | -(1 << shift) : value;
}

/* Single inheritance: a class with one base has the base's type_info as third word. */
static bool is_caught_as(const std::type_info *thrown, const std::type_info *wanted)
{
    while (thrown != wanted) {
        void *const *words = (void *const *)thrown;
        if (words[0] != &_ZTVN10__cxxabiv120__si_class_type_infoE[2]) {
            return false;
        }
        thrown = (const std::type_info *)words[2];
    }
    return true;
}

int _Unwind_CallPersonality(void *pointer)
{
    const UnwindException *exception = (UnwindException *)pointer;
    const uint8_t *at = (const uint8_t *)__wasm_lpad_context.lsda;
    const uint8_t *types = nullptr;
    __wasm_lpad_context.selector = 0;
    if (*at++ != 0xff) {
        (void)read_uleb(&at);
    }
    if (*at++ != 0xff) {
        const uintptr_t offset = read_uleb(&at);
        types = at + offset;
    }
    at++; /* encoding of the call sites: ULEB128 */
    const uintptr_t size = read_uleb(&at);
    const uint8_t *actions = at + size;
    uintptr_t action = 0;
    for (uintptr_t i = 0; i <= __wasm_lpad_context.lpad_index; i++) {
        (void)read_uleb(&at);
        action = read_uleb(&at);
    }
    while (action != 0) {
        const uint8_t *record = actions + action - 1;
        const intptr_t filter = read_sleb(&record);
        const uint8_t *next = record;
        const intptr_t offset = read_sleb(&record);
        const std::type_info *wanted = filter > 0 ? *(const std::type_info *const *)(types - filter * 4) : nullptr;
        if (filter > 0 && (wanted == nullptr || is_caught_as(exception->type, wanted))) {
            __wasm_lpad_context.selector = (uintptr_t)filter;
            return 0;
        }
        if (offset == 0) {
            break;
        }
        action = (uintptr_t)(next + offset - actions) + 1;
    }
    return 0;
}
}

void operator delete(void *pointer) noexcept { free(pointer); }
void operator delete(void *pointer, size_t) noexcept { free(pointer); }
void *operator new(size_t size) { void *pointer = malloc(size); if (pointer == nullptr) { abort(); } return pointer; }
