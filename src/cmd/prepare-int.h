/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prepare-int.h - the two halves of `prepare`: verb-prepare.c (verify, compile), prepare-warm.c (snapshots).
 */
#pragma once

#include "cmd/cmd.h"

/* prepare_warm() - proves every program that the manifest calls warm; {path, snapshot} of each is appended to list. Return: as zygote_pool_warm(). */
int prepare_warm(const char *image, Loaded *loaded, json_t *list, Error *err) WARN_UNUSED;
