# SPDX-License-Identifier: Apache-2.0
cmd_EXCLUDE := src/cmd/recompiler.c
