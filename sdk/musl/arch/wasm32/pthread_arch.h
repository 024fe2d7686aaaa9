/* SPDX-License-Identifier: Apache-2.0 */
/* The thread's own record is a thread-local variable: a plain one in programs without threads. */
extern _Thread_local struct __pthread __wali_thread;
static inline uintptr_t __get_tp(void) { return (uintptr_t)&__wali_thread; }
#define MC_PC __space[0]
