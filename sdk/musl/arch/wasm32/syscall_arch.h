/* SPDX-License-Identifier: Apache-2.0 */
/* System calls are imports, one for each call (WALI). `n` is a constant nearly everywhere, so the switch folds away. */
#define __SYSCALL_LL_E(x) (x)
#define __SYSCALL_LL_O(x) (x)

#include <bits/wali-syscalls.h>

#define __WALI_INLINE static inline __attribute__((__always_inline__)) long
__WALI_INLINE __syscall0(long n) { return __wali_syscall(n, 0, 0, 0, 0, 0, 0); }
__WALI_INLINE __syscall1(long n, long a) { return __wali_syscall(n, a, 0, 0, 0, 0, 0); }
__WALI_INLINE __syscall2(long n, long a, long b) { return __wali_syscall(n, a, b, 0, 0, 0, 0); }
__WALI_INLINE __syscall3(long n, long a, long b, long c) { return __wali_syscall(n, a, b, c, 0, 0, 0); }
__WALI_INLINE __syscall4(long n, long a, long b, long c, long d) { return __wali_syscall(n, a, b, c, d, 0, 0); }
__WALI_INLINE __syscall5(long n, long a, long b, long c, long d, long e) { return __wali_syscall(n, a, b, c, d, e, 0); }
__WALI_INLINE __syscall6(long n, long a, long b, long c, long d, long e, long f) { return __wali_syscall(n, a, b, c, d, e, f); }

