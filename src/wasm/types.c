/* SPDX-License-Identifier: Apache-2.0 */
/*
 * types.c - which function types are equal (wasm core 3.1.3, 4.2.1: types are compared rolled up, "iso-recursive").
 *
 * Each type gets a text, and equal types are those of equal text. A type that names no other type is its letters: "iI:i". In a
 * text that names types, a reference is in braces, with '!' when it is not nullable:
 *
 *     {r} {!0x}     an abstract heap type: r e x, with 0 before it the bottom of that hierarchy
 *     {#2}          the third type of the group it is in
 *     {0123...}     128 bits of the SHA-256 of an earlier type's text
 *
 * and a type of a group of several has "@2/3:" and 128 bits of the SHA-256 of all texts of its group at the end. So texts stay short whatever
 * they name, and two groups are equal exactly when all their members are.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/must.h"
#include "wasm/module.h"

#define HEX_SIZE 32u /* digits of a digest that are kept */

typedef struct Texts {
    const WasmModule *module;
    const char **texts; /* type_count; those before the current group are final */
    uint32_t first;     /* the current group */
    uint32_t count;
    Buf buf;
} Texts;

static int text_digest(const char *text, size_t size, char *hex)
{
    Digest digest;
    char all[DIGEST_HEX_SIZE + 1];
    const int r = sha256(text, size, &digest);

    if (r < 0)
        return r;
    digest_hex(&digest, all);
    memcpy(hex, all, HEX_SIZE);
    hex[HEX_SIZE] = '\0';
    return 0;
}

static const char *short_text(WasmValType type)
{
    switch (type) {
    case WASM_I32:
        return "i";
    case WASM_I64:
        return "I";
    case WASM_F32:
        return "f";
    case WASM_F64:
        return "F";
    case WASM_V128:
        return "v";
    case WASM_FUNCREF:
        return "r";
    case WASM_EXTERNREF:
        return "e";
    case WASM_EXNREF:
        return "x";
    case WASM_NULLFUNCREF:
        return "0r";
    case WASM_NULLEXTERNREF:
        return "0e";
    case WASM_NULLEXNREF:
        return "0x";
    default:
        return NULL;
    }
}

/* @first/@count: the group whose types are named by their place in it. */
static int type_text(WasmValType type, const char *const *signatures, uint32_t first, uint32_t count, char *text)
{
    const char *name = short_text(type);
    char hex[HEX_SIZE + 1];

    if (name != NULL && name[1] == '\0') {
        memcpy(text, name, 2);
        return 0;
    }
    must(wasm_type_is_ref(type));
    const char *sign = wasm_type_is_nullable(type) ? "" : "!";
    if (!wasm_type_has_index(type)) {
        (void)snprintf(text, WASM_TYPE_TEXT_SIZE, "{%s%s}", sign, short_text(wasm_type_nullable(type)));
        return 0;
    }
    const uint32_t index = wasm_type_index(type);
    if (index - first < count) {
        (void)snprintf(text, WASM_TYPE_TEXT_SIZE, "{%s#%u}", sign, index - first);
        return 0;
    }
    const int r = text_digest(signatures[index], strlen(signatures[index]), hex);
    if (r == 0)
        (void)snprintf(text, WASM_TYPE_TEXT_SIZE, "{%s%s}", sign, hex);
    return r;
}

int wasm_type_text(WasmValType type, const char *const *signatures, char *text)
{
    return type_text(type, signatures, 0, 0, text);
}

static int func_text(Texts *texts, const WasmFuncType *type)
{
    char text[WASM_TYPE_TEXT_SIZE];

    for (uint32_t i = 0; i < type->param_count + type->result_count; i++) {
        if (i == type->param_count)
            buf_append_string(&texts->buf, ":");
        const int r = type_text(type->types[i], texts->texts, texts->first, texts->count, text);
        if (r < 0)
            return r;
        buf_append_string(&texts->buf, text);
    }
    if (type->result_count == 0)
        buf_append_string(&texts->buf, ":");
    return buf_error(&texts->buf);
}

/* The texts of a group, each with its place and the digest of all of them after it when there are several. */
static int group_texts(Texts *texts, Arena *arena)
{
    char tail[WASM_TYPE_TEXT_SIZE * 2] = "", hex[HEX_SIZE + 1];
    size_t *starts = arena_new_array(arena, (size_t)texts->count + 1, size_t);
    int r = starts ? 0 : -ENOMEM;

    buf_clear(&texts->buf);
    for (uint32_t i = 0; r >= 0 && i < texts->count; i++) {
        starts[i] = texts->buf.size;
        r = func_text(texts, &texts->module->types[texts->first + i]);
        buf_append_string(&texts->buf, ";");
    }
    r = r < 0 ? r : buf_error(&texts->buf);
    if (r >= 0 && texts->count > 1)
        r = text_digest((const char *)texts->buf.bytes, texts->buf.size, hex);
    if (r < 0)
        return r;
    starts[texts->count] = texts->buf.size;
    for (uint32_t i = 0; i < texts->count; i++) {
        const size_t size = starts[i + 1] - starts[i] - 1;
        if (texts->count > 1)
            (void)snprintf(tail, sizeof(tail), "@%u/%u:%s", i, texts->count, hex);
        char *text = arena_alloc(arena, size + strlen(tail) + 1);
        if (!text)
            return -ENOMEM;
        memcpy(text, texts->buf.bytes + starts[i], size);
        memcpy(text + size, tail, strlen(tail) + 1);
        texts->texts[texts->first + i] = text;
    }
    return 0;
}

int wasm_signatures_make(const WasmModule *module, Arena *arena, const char ***ret_texts, Error *err)
{
    Texts texts = {.module = module, .buf = BUF_INIT(LIMIT_MODULE_SIZE)};
    int r = 0;

    texts.texts = arena_new_array(arena, module->type_count, const char *);
    if (!texts.texts)
        r = -ENOMEM;
    for (uint32_t i = 0; r >= 0 && i < module->type_count; i += texts.count) {
        const WasmFuncType *type = &module->types[i];
        texts.first = i;
        texts.count = type->group_count > 1 ? type->group_count : 1;
        must(texts.count <= module->type_count - i);
        r = group_texts(&texts, arena);
    }
    buf_deinit(&texts.buf);
    if (r < 0)
        return error_set(err, -r, "no memory for the texts of %u types", module->type_count);
    *ret_texts = texts.texts;
    return 0;
}

typedef struct Numbered {
    const char *text;
    uint32_t index;
} Numbered;

static int numbered_compare(const void *a, const void *b)
{
    const Numbered *first = a, *second = b;
    const int order = strcmp(first->text, second->text);

    return order != 0 ? order : first->index < second->index ? -1 : first->index > second->index;
}

int wasm_types_canonical(const WasmModule *module, Arena *arena, uint32_t **ret_canonical, Error *err)
{
    const char **texts = NULL;
    const int r = wasm_signatures_make(module, arena, &texts, err);

    if (r < 0)
        return r;
    Numbered *sorted = arena_new_array(arena, module->type_count, Numbered);
    uint32_t *canonical = arena_new_array(arena, module->type_count, uint32_t);
    if (!sorted || !canonical)
        return error_set(err, ENOMEM, "no memory for %u types", module->type_count);
    for (uint32_t i = 0; i < module->type_count; i++)
        sorted[i] = (Numbered){texts[i], i};
    if (module->type_count > 1)
        qsort(sorted, module->type_count, sizeof(*sorted), numbered_compare);
    for (uint32_t i = 0; i < module->type_count; i++) {
        const bool is_same = i > 0 && strcmp(sorted[i].text, sorted[i - 1].text) == 0;
        canonical[sorted[i].index] = is_same ? canonical[sorted[i - 1].index] : sorted[i].index;
    }
    *ret_canonical = canonical;
    return 0;
}
