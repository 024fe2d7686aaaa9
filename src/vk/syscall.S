/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syscall.S - x86-64: system calls that a signal can stop before they block, and copies that survive a fault.
 *
 * vk_syscall_blocking: the host's signal handler (sig.c) looks at the interrupted instruction pointer. Between
 * vk_syscall_begin (the check of the flag) and vk_syscall_end (behind the syscall instruction) nothing has happened yet, so
 * it moves the pointer to vk_syscall_interrupted, which answers -EINTR: a signal can not slip in between check and call.
 */
    .text
    .globl vk_syscall_blocking, vk_syscall_begin, vk_syscall_end, vk_syscall_interrupted
    .hidden vk_syscall_blocking, vk_syscall_begin, vk_syscall_end, vk_syscall_interrupted
    .type vk_syscall_blocking, @function
    .p2align 4
vk_syscall_blocking:                    /* (interrupt, nr, a, b, c, d, e, f) */
    .cfi_startproc
    movq %rdi, %r11
    movq %rsi, %rax
    movq %rdx, %rdi
    movq %rcx, %rsi
    movq %r8, %rdx
    movq %r9, %r10
    movq 8(%rsp), %r8
    movq 16(%rsp), %r9
vk_syscall_begin:
    cmpl $0, (%r11)
    jne vk_syscall_interrupted
    syscall
vk_syscall_end:
    ret
vk_syscall_interrupted:
    movq $-4, %rax                      /* -EINTR */
    ret
    .cfi_endproc
    .size vk_syscall_blocking, . - vk_syscall_blocking

/*
 * Between vk_copy_begin and vk_copy_end a fault moves the instruction pointer to vk_copy_fault (guest.c); nothing is on
 * the stack and no register that the caller keeps is changed.
 */
    .globl vk_copy_raw, vk_string_raw, vk_copy_begin, vk_copy_end, vk_copy_fault
    .hidden vk_copy_raw, vk_string_raw, vk_copy_begin, vk_copy_end, vk_copy_fault
    .type vk_copy_raw, @function
    .type vk_string_raw, @function
    .p2align 4
vk_copy_begin:
vk_copy_raw:                            /* (to, from, size) -> 0 */
    .cfi_startproc
    movq %rdx, %rcx
    shrq $3, %rcx
    jz 2f
1:  movq (%rsi), %rax
    movq %rax, (%rdi)
    addq $8, %rsi
    addq $8, %rdi
    decq %rcx
    jnz 1b
2:  andl $7, %edx
    jz 4f
3:  movb (%rsi), %al
    movb %al, (%rdi)
    incq %rsi
    incq %rdi
    decl %edx
    jnz 3b
4:  xorl %eax, %eax
    ret
    .cfi_endproc
    .size vk_copy_raw, . - vk_copy_raw
    .p2align 4
vk_string_raw:                          /* (to, from, capacity) -> length without NUL, -2 no NUL in capacity bytes */
    .cfi_startproc
    xorl %eax, %eax
5:  cmpq %rdx, %rax
    jae 6f
    movb (%rsi,%rax), %cl
    movb %cl, (%rdi,%rax)
    incq %rax
    testb %cl, %cl
    jne 5b
    decq %rax
    ret
6:  movq $-2, %rax
    ret
    .cfi_endproc
    .size vk_string_raw, . - vk_string_raw
vk_copy_end:
vk_copy_fault:
    movq $-1, %rax
    ret

    .globl vk_sigreturn
    .hidden vk_sigreturn
    .type vk_sigreturn, @function
    .p2align 4
    nop                                 /* unwinders look at the byte before a restorer */
vk_sigreturn:
    movq $15, %rax                      /* rt_sigreturn */
    syscall
    .size vk_sigreturn, . - vk_sigreturn
    .section .note.GNU-stack, "", @progbits
