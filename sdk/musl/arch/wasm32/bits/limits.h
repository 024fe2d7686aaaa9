/* SPDX-License-Identifier: Apache-2.0 */
/* The unit of mmap, not of memory.grow (65536). */
#define PAGESIZE 4096
