/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits.h - every bound of the system in one place: name, value, unit, where it comes from.
 */
#pragma once

/* --- WASM modules (the JavaScript API's implementation limits, w3.org/TR/wasm-js-api-2, raised for megabinaries) --- */
#define LIMIT_MODULE_SIZE (1024u << 20)      /* bytes of one module or megabinary */
#define LIMIT_TYPES 1000000u
#define LIMIT_FUNCTIONS 2000000u
#define LIMIT_IMPORTS 100000u
#define LIMIT_EXPORTS 100000u
#define LIMIT_GLOBALS 1000000u
#define LIMIT_SEGMENTS 1000000u             /* data segments; element segments likewise */
#define LIMIT_TABLES 100000u
#define LIMIT_TABLE_ELEMENTS 10000000u      /* initial and maximum growth of one table */
#define LIMIT_TAGS 1000000u
#define LIMIT_MEMORIES 100000u              /* read and validated; each needs 8 GiB of address space to be run, so some 16,000 are */
#define LIMIT_CUSTOMS 100000u               /* custom sections [guess] */
#define LIMIT_PARAMS 1000u
#define LIMIT_RESULTS 1000u
#define LIMIT_LOCALS 50000u                 /* per function, parameters included */
#define LIMIT_BODY_SIZE (8u << 20)          /* bytes of one function body */
#define LIMIT_BR_TABLE 65520u
#define LIMIT_NESTING 10000u                /* open blocks in one function [guess] */
#define LIMIT_OPERANDS 1000000u             /* operand stack slots of one function: a call can push LIMIT_RESULTS [guess] */
#define LIMIT_NAME_SIZE 100000u             /* bytes of one import, export or debug name */
#define LIMIT_ENTRIES 4096u                 /* entries of one megabinary */

/* --- manifest and signatures (interfaces.md section 2) --- */
#define LIMIT_MANIFEST_SIZE (64u << 20)
#define LIMIT_SIGNATURE_SIZE (1u << 20)
#define LIMIT_JSON_DEPTH 8
#define LIMIT_SIGNATURES 64u
#define LIMIT_TRUST_KEYS 1024u

/* --- images --- */
#define LIMIT_LAYERS 128u
#define LIMIT_IMAGE_FILES 1000000u
#define LIMIT_TREE_DEPTH 512                /* directories within directories: one descriptor each while a tree is walked [guess] */
#define LIMIT_IMAGE_SIZE (64ull << 30)      /* unpacked bytes */
#define LIMIT_UNPACK_FREE (4ull << 30)      /* bytes that any image may unpack to, however small it is */
#define LIMIT_UNPACK_RATIO 1100u            /* bytes out for each byte in beyond that: DEFLATE reaches 1032, zstd 32768 of zeros */
#define LIMIT_LAYER_PADDING (16u << 20)     /* bytes after the end of a layer's tar or of its compressed stream [guess] */
#define LIMIT_OCI_JSON_SIZE (4u << 20)

/* --- instances --- */
#define LIMIT_GUEST_FDS 1024                /* guest descriptors are 0 .. LIMIT_GUEST_FDS-1; the runtime's lie above */
#define LIMIT_PATH_SIZE 4096                /* PATH_MAX, terminating NUL included */
#define LIMIT_ARG_COUNT 65536u
#define LIMIT_ARG_SIZE (2u << 20)           /* argv + envp bytes of one execve; Linux: stack/4 */
#define LIMIT_ARG_STRING_SIZE (128u << 10)  /* one string of argv or envp, NUL included; Linux: MAX_ARG_STRLEN */
#define LIMIT_SCRIPT_CHAIN 4                /* #! depth; Linux BINPRM depth 5 files */
#define LIMIT_SCRIPT_LINE 256               /* BINPRM_BUF_SIZE */
#define LIMIT_GUEST_THREADS 4096            /* threads of one guest process; the container's pids limit is usually lower [guess] */
#define LIMIT_NATIVE_STACK (8u << 20)       /* native stack bytes of a guest main thread */
