/* SPDX-License-Identifier: Apache-2.0 */
/* In regcomp.c and regex-*.c. */
