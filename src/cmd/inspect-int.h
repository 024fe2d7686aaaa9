/* SPDX-License-Identifier: Apache-2.0 */
/* inspect-int.h - what the files of recompiler inspect share. */
#pragma once

#include "cmd/cmd.h"

/*
 * inspect_disassemble() - print functions of the megabinary on stdout, as one JSON document with --json.
 * @what: an entry's name, a function's name, "func[N]" or "N".
 * Return: 0; -ENOENT nothing of that name; -EINVAL an imported function; -EBADMSG malformed.
 */
int inspect_disassemble(const ImageArtefacts *artefacts, const char *what, Error *err) WARN_UNUSED;
