/* SPDX-License-Identifier: Apache-2.0 */
/* The published size. The runtime keeps an index and a generation in it; the native context never reaches the guest. */
typedef unsigned long __jmp_buf[26];
