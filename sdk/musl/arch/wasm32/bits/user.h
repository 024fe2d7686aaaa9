/* SPDX-License-Identifier: Apache-2.0 */
/* There is no ptrace in a guest: a placeholder so that <sys/user.h> and <sys/procfs.h> compile. */
struct user_regs_struct { unsigned long __regs[27]; };
struct user_fpregs_struct { unsigned long __regs[64]; };
#define ELF_NGREG 27
typedef unsigned long elf_greg_t, elf_gregset_t[ELF_NGREG];
typedef struct user_fpregs_struct elf_fpregset_t;
