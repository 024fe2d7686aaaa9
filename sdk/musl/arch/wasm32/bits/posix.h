/* SPDX-License-Identifier: Apache-2.0 */
/* 64-bit long and off_t, 32-bit int and pointers: none of the four names of POSIX; ILP32_OFFBIG describes pointers and off_t. */
#define _POSIX_V6_ILP32_OFFBIG 1
#define _POSIX_V7_ILP32_OFFBIG 1
