/* SPDX-License-Identifier: Apache-2.0 */
/* jumps-runtime.c - what clang's lowering of setjmp calls (-mllvm -wasm-enable-sjlj); later versions of wasi-libc have it. */
#include <stdint.h>

typedef struct Jump {
    void *invocation;
    uint32_t label;
    struct {
        void *buffer;
        int value;
    } argument;
} Jump;

__asm__(".globl __c_longjmp\n.tagtype __c_longjmp i32\n__c_longjmp:\n");

void __wasm_setjmp(Jump *buffer, uint32_t label, void *invocation)
{
    buffer->invocation = invocation;
    buffer->label = label;
}

uint32_t __wasm_setjmp_test(const Jump *buffer, const void *invocation) { return buffer->invocation == invocation ? buffer->label : 0; }

void __wasm_longjmp(Jump *buffer, int value)
{
    buffer->argument.buffer = buffer;
    buffer->argument.value = value == 0 ? 1 : value;
    __builtin_wasm_throw(1, &buffer->argument);
}
