/* SPDX-License-Identifier: Apache-2.0 */
/* The published layout: packed, 24 bytes. `handler` is an index of the function table. */
struct __attribute__((__packed__)) k_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	unsigned mask[2];
};
_Static_assert(sizeof(struct k_sigaction) == 24, "published layout");

hidden void __restore(void), __restore_rt(void);
