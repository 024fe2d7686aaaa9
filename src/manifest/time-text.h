/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time-text.h - RFC 3339 in UTC, in the one form that signed documents use: "2026-01-01T00:00:00Z".
 */
#pragma once

#include <stdint.h>

#include "base/error.h"

#define TIME_TEXT_SIZE 21 /* with NUL */

/* time_parse() - exactly 20 bytes, a real calendar date from 1970 to 9999, no leap second, no fraction, no offset.
 * Return: 0 or -EINVAL. */
int time_parse(const char *text, int64_t *ret_seconds) WARN_UNUSED;
/* time_print() - the reverse; values outside 1970..9999 are clamped. */
void time_print(int64_t seconds, char text[TIME_TEXT_SIZE]);
