/* SPDX-License-Identifier: Apache-2.0 */
/* In getopt.c. */
