/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key.h - Ed25519 keys as files: SPKI and PKCS#8 in PEM, exactly the bytes that `openssl genpkey -algorithm ed25519`
 * and `openssl pkey -pubout` write (RFC 8410). Used by trust.c and tests; users of the folder need trust.h only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"

#define KEY_FILE_MAX 16384u
#define KEY_PUBLIC_SIZE 32
#define KEY_SECRET_SIZE 64

/* key_is_acceptable() - canonical encoding of a point of the prime-order group: no small order, no mixed order. */
bool key_is_acceptable(const uint8_t public_key[KEY_PUBLIC_SIZE]);
/* key_parse_public() - PEM text of one SPKI Ed25519 key and nothing else but white space. Return: 0; -EBADMSG. */
int key_parse_public(const char *text, size_t size, uint8_t ret_public_key[KEY_PUBLIC_SIZE], Error *err) WARN_UNUSED;
/* key_parse_secret() - PEM text of one PKCS#8 Ed25519 key (RFC 5958 v1). */
int key_parse_secret(const char *text, size_t size, uint8_t ret_secret_key[KEY_SECRET_SIZE], Error *err) WARN_UNUSED;
/* key_id() - SHA-256 of the 32 raw bytes, hex. */
int key_id(const uint8_t public_key[KEY_PUBLIC_SIZE], char ret_id[DIGEST_HEX_SIZE + 1]) WARN_UNUSED;
/* base64_decode_strict() - RFC 4648 section 4 with padding, no white space, unused bits zero. Return: decoded size or
 * -EBADMSG. */
int base64_decode_strict(const char *text, size_t text_size, uint8_t *bytes, size_t capacity) WARN_UNUSED;
