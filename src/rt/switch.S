/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch.S - the only assembly of the runtime: changing stacks, the returns-twice half of setjmp, the throw.
 * System V AMD64 convention: rbx rbp r12-r15 survive a call. Nothing else is saved: MXCSR and the x87 control
 * word are never changed by guest code.
 */
        .text

/* uint64_t rt_switch_enter(void **ret_host_stack, void *stack_top, void (*function)(void *), void *argument) */
        .globl  rt_switch_enter
        .hidden rt_switch_enter
        .type   rt_switch_enter, @function
        .p2align 4
rt_switch_enter:
        .cfi_startproc
        pushq   %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset %rbp, -16
        movq    %rsp, %rbp
        .cfi_def_cfa_register %rbp
        pushq   %rbx
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        subq    $8, %rsp
        movq    %rsp, (%rdi)
        movq    %rsp, %rbx              /* survives the call: the way back when function returns */
        testq   %rsi, %rsi
        cmovneq %rsi, %rsp
        andq    $-16, %rsp
        movq    %rcx, %rdi
        callq   *%rdx                   /* rbp still names the host's frame: profilers walk through */
        movq    %rbx, %rdi
        xorl    %esi, %esi
        jmp     rt_switch_leave
        .cfi_endproc
        .size   rt_switch_enter, .-rt_switch_enter

/* void rt_switch_leave(void *host_stack, uint64_t value): returns value from the rt_switch_enter that stored host_stack */
        .globl  rt_switch_leave
        .hidden rt_switch_leave
        .type   rt_switch_leave, @function
        .p2align 4
rt_switch_leave:
        .cfi_startproc
        .cfi_undefined %rip
        movq    %rsi, %rax
        movq    %rdi, %rsp
        addq    $8, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        retq
        .cfi_endproc
        .size   rt_switch_leave, .-rt_switch_leave

/* uint32_t rt_jump_setjmp(RtInstance *, uint32_t buffer, uint32_t mask_kind): collects JumpContext for rt_jump_save */
        .globl  rt_jump_setjmp
        .hidden rt_jump_setjmp
        .type   rt_jump_setjmp, @function
        .p2align 4
rt_jump_setjmp:
        .cfi_startproc
        subq    $72, %rsp               /* 64 bytes of JumpContext, and the call is aligned */
        .cfi_def_cfa_offset 80
        movq    %rbx, 0(%rsp)
        movq    %rbp, 8(%rsp)
        movq    %r12, 16(%rsp)
        movq    %r13, 24(%rsp)
        movq    %r14, 32(%rsp)
        movq    %r15, 40(%rsp)
        leaq    80(%rsp), %rax          /* rsp after our return */
        movq    %rax, 48(%rsp)
        movq    72(%rsp), %rax          /* return address */
        movq    %rax, 56(%rsp)
        movq    %rsp, %rcx
        callq   rt_jump_save
        addq    $72, %rsp
        .cfi_def_cfa_offset 8
        xorl    %eax, %eax
        retq
        .cfi_endproc
        .size   rt_jump_setjmp, .-rt_jump_setjmp

/* void rt_jump_go(const JumpContext *, uint64_t value): rt_jump_setjmp returns value a second time */
        .globl  rt_jump_go
        .hidden rt_jump_go
        .type   rt_jump_go, @function
        .p2align 4
rt_jump_go:
        .cfi_startproc
        movq    %rsi, %rax
        movq    0(%rdi), %rbx
        movq    8(%rdi), %rbp
        movq    16(%rdi), %r12
        movq    24(%rdi), %r13
        movq    32(%rdi), %r14
        movq    40(%rdi), %r15
        movq    56(%rdi), %rdx
        movq    48(%rdi), %rsp
        jmpq    *%rdx
        .cfi_endproc
        .size   rt_jump_go, .-rt_jump_go

/* void rt_exception_throw(RtInstance *, RtException *): collects JumpContext for rt_unwind, which does not return */
        .globl  rt_exception_throw
        .hidden rt_exception_throw
        .type   rt_exception_throw, @function
        .p2align 4
rt_exception_throw:
        .cfi_startproc
        subq    $72, %rsp
        .cfi_def_cfa_offset 80
        movq    %rbx, 0(%rsp)
        movq    %rbp, 8(%rsp)
        movq    %r12, 16(%rsp)
        movq    %r13, 24(%rsp)
        movq    %r14, 32(%rsp)
        movq    %r15, 40(%rsp)
        leaq    80(%rsp), %rax
        movq    %rax, 48(%rsp)
        movq    72(%rsp), %rax
        movq    %rax, 56(%rsp)
        movq    %rsp, %rdx
        callq   rt_unwind
        ud2
        .cfi_endproc
        .size   rt_exception_throw, .-rt_exception_throw

        .section .note.GNU-stack,"",@progbits
