/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit-object-int.h - reading the object file of a partition: what unit-object.c and unit-record.c share.
 */
#pragma once

#include <elf.h>
#include <stdbool.h>

#include "aot/aot-int.h"

#define UNIT_OBJECT_SIZE_LIMIT (1ull << 31) /* a partition is bounded, so is its object [guess] */

int unit_object_malformed(Error *err, const char *what);
/* unit_object_header() - the ELF header; the section headers lie in the object. Return: 0; -EBADMSG. */
int unit_object_header(const Buf *object, Elf64_Ehdr *ret_header, Error *err) WARN_UNUSED;
/* unit_object_section() - a section header. Return: false: there is none, or its section does not lie in the object. */
bool unit_object_section(const Buf *object, const Elf64_Ehdr *header, uint32_t index, Elf64_Shdr *ret_section);
/* unit_object_number() - is name "<prefix><number>" of a format "<prefix>%u"? */
bool unit_object_number(const char *name, const char *format, uint32_t *ret_number);
