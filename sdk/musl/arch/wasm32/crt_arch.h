/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing to do in assembler: crt/wasm32/crt1.c is the start of a program. */
