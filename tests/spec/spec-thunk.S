/* SPDX-License-Identifier: Apache-2.0 */
/* spec-thunk.S - thunk i jumps to spec_thunk_targets[i].code with spec_thunk_targets[i].instance as instance argument. */
#define SPEC_THUNKS 16384

        .text
        .p2align 4
enter_first:
        shll    $4, %r11d
        leaq    spec_thunk_targets(%rip), %r10
        addq    %r11, %r10
        movq    0(%r10), %rdi
        jmpq    *8(%r10)
        .p2align 4
enter_second:
        shll    $4, %r11d
        leaq    spec_thunk_targets(%rip), %r10
        addq    %r11, %r10
        movq    0(%r10), %rsi
        jmpq    *8(%r10)

        .globl  spec_thunks_first
        .p2align 4
spec_thunks_first:
        .set    i, 0
        .rept   SPEC_THUNKS
        .p2align 4
        movl    $i, %r11d
        jmp     enter_first
        .set    i, i + 1
        .endr

        .globl  spec_thunks_second
        .p2align 4
spec_thunks_second:
        .set    i, 0
        .rept   SPEC_THUNKS
        .p2align 4
        movl    $i, %r11d
        jmp     enter_second
        .set    i, i + 1
        .endr

        .section .note.GNU-stack,"",@progbits
