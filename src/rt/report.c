/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.c - what a trap report says: function, source line and wasm offset of the place and of its callers.
 *
 *   recompiler: trap: out of bounds memory access in bin/x.parse at parse.c:112 at wasm offset 0x330 (guest address 0x7fff0000)
 *   recompiler:   #1 bin/x.main at parse.c:200 at wasm offset 0x412
 *
 * All of it runs in signal handlers: no allocation, only pread(2) and write(2). No host address leaves: places are said in guest terms.
 */
#include "rt/report-int.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "rt/symbols-int.h"

static int core_fd = -1;

void rt_set_core_fd(int fd) { core_fd = fd; }

typedef struct Line {
    int fd;
    size_t size;
    char text[1024];
} Line;

static void line_flush(Line *line)
{
    ssize_t ignored = write(line->fd, line->text, line->size);
    (void)ignored; /* nobody to tell */
    line->size = 0;
}

static void line_text(Line *line, const char *text)
{
    for (; *text != '\0'; text++) {
        if (line->size == sizeof(line->text)) {
            line_flush(line);
        }
        line->text[line->size++] = *text;
    }
}

static void line_hex(Line *line, uint64_t value)
{
    char digits[19] = "0x";
    size_t count = 2;
    int shift = 60;
    while (shift > 0 && (value >> shift) == 0) {
        shift -= 4;
    }
    for (; shift >= 0; shift -= 4) {
        digits[count++] = "0123456789abcdef"[(value >> shift) & 0xf];
    }
    digits[count] = '\0';
    line_text(line, digits);
}

static void line_decimal(Line *line, uint64_t value)
{
    char digits[21];
    size_t at = sizeof(digits) - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    line_text(line, digits + at);
}

/* --- places --- */

typedef struct Place {
    char func_name[256];
    char source_file[256];
    uint32_t source_line;
    uint64_t wasm_offset;
} Place;

static void place_find(uint64_t pc, Place *place)
{
    const RtLoaded *loaded = loaded_find(pc);
    *place = (Place){.wasm_offset = UINT64_MAX};
    if (loaded != NULL) {
        symbol_name(loaded, pc, place->func_name, sizeof(place->func_name));
        place->wasm_offset = symbol_line(loaded, pc);
        place->source_line = place->wasm_offset != UINT64_MAX ? symbol_source(loaded, place->wasm_offset, place->source_file, sizeof(place->source_file)) : 0;
    }
}

void report_describe(RtTrapInfo *info)
{
    Place place;
    place_find(info->pc, &place);
    memcpy(info->func_name, place.func_name, sizeof(info->func_name));
    memcpy(info->source_file, place.source_file, sizeof(info->source_file));
    info->source_line = place.source_line;
    info->wasm_offset = place.wasm_offset;
}

void report_callers(RtTrapInfo *info, JumpContext *start)
{
    const Activation *activation = rt_activation;
    if (activation == NULL) {
        return;
    }
    const RtPrivate *private = instance_private(activation->instance);
    while (info->frame_count < RT_TRAP_FRAMES && unwind_step(private, start) && loaded_find(start->rip - 1) != NULL) {
        info->frames[info->frame_count++] = start->rip - 1;
    }
}

/* --- stderr --- */

static void place_print(Line *line, const char *file, uint32_t source_line, uint64_t wasm_offset)
{
    if (source_line != 0) {
        line_text(line, " at ");
        line_text(line, file);
        line_text(line, ":");
        line_decimal(line, source_line);
    }
    if (wasm_offset != UINT64_MAX) {
        line_text(line, " at wasm offset ");
        line_hex(line, wasm_offset);
    }
}

void report_print(const RtTrapInfo *info)
{
    Line line = {.fd = STDERR_FILENO};
    line_text(&line, "recompiler: trap: ");
    line_text(&line, rt_trap_name(info->trap));
    if (info->func_name[0] != '\0') {
        line_text(&line, " in ");
        line_text(&line, info->func_name);
    }
    place_print(&line, info->source_file, info->source_line, info->wasm_offset);
    if (info->guest_address != UINT64_MAX) {
        line_text(&line, " (guest address ");
        line_hex(&line, info->guest_address);
        line_text(&line, ")");
    }
    line_text(&line, "\n");
    line_flush(&line);
    for (uint32_t i = 0; i < info->frame_count; i++) {
        Place place;
        place_find(info->frames[i], &place);
        if (place.wasm_offset == UINT64_MAX) {
            continue; /* the compiler's own code */
        }
        line_text(&line, "recompiler:   #");
        line_decimal(&line, i + 1);
        line_text(&line, " ");
        line_text(&line, place.func_name[0] != '\0' ? place.func_name : "?");
        place_print(&line, place.source_file, place.source_line, place.wasm_offset);
        line_text(&line, i + 1 == RT_TRAP_FRAMES ? " ...\n" : "\n");
        line_flush(&line);
    }
}

/* --- the core summary --- */

static void json_text(Line *line, const char *text)
{
    line_text(line, "\"");
    for (; *text != '\0'; text++) { /* names are printable ASCII (symbols.c, source-line.c) or from a checked manifest */
        const char one[3] = {*text == '"' || *text == '\\' ? '\\' : *text, *text == '"' || *text == '\\' ? *text : '\0', '\0'};
        line_text(line, *text >= ' ' && *text <= '~' ? one : "?");
    }
    line_text(line, "\"");
}

static void json_place(Line *line, const char *func_name, const char *file, uint32_t source_line, uint64_t wasm_offset)
{
    line_text(line, "{\"function\": ");
    json_text(line, func_name);
    if (wasm_offset != UINT64_MAX) {
        line_text(line, ", \"wasm_offset\": ");
        line_decimal(line, wasm_offset);
    }
    if (source_line != 0) {
        line_text(line, ", \"file\": ");
        json_text(line, file);
        line_text(line, ", \"line\": ");
        line_decimal(line, source_line);
    }
    line_text(line, "}");
}

static void json_number(Line *line, const char *name, uint64_t value)
{
    line_text(line, ", \"");
    line_text(line, name);
    line_text(line, "\": ");
    line_decimal(line, value);
}

static void json_memory(Line *line, const RtInstance *instance)
{
    if (instance->memory != NULL) {
        json_number(line, "memory_pages", instance->memory->page_count);
        json_number(line, "memory_page_limit", instance->memory->page_limit);
    }
    json_number(line, "setjmp_records", instance->jump_depth);
}

void report_core(const RtInstance *instance, const RtTrapInfo *info)
{
    if (core_fd < 0) {
        return;
    }
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGXFSZ); /* the guest may have limited its files: the write fails instead */
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    Line line = {.fd = core_fd};
    line_text(&line, "{\"trap\": ");
    json_text(&line, rt_trap_name(info->trap));
    json_number(&line, "signal", (uint64_t)(uint32_t)info->signal);
    json_number(&line, "pid", (uint64_t)(uint32_t)getpid());
    line_text(&line, ", \"entry\": ");
    json_text(&line, instance != NULL && instance->entry != NULL ? instance->entry->name : "");
    if (info->guest_address != UINT64_MAX) {
        json_number(&line, "guest_address", info->guest_address);
    }
    if (instance != NULL) {
        json_memory(&line, instance);
    }
    line_text(&line, ", \"frames\": [");
    json_place(&line, info->func_name, info->source_file, info->source_line, info->wasm_offset);
    for (uint32_t i = 0; i < info->frame_count; i++) {
        Place place;
        place_find(info->frames[i], &place);
        if (place.wasm_offset != UINT64_MAX) {
            line_text(&line, ", ");
            json_place(&line, place.func_name, place.source_file, place.source_line, place.wasm_offset);
        }
    }
    line_text(&line, info->frame_count == RT_TRAP_FRAMES ? "], \"is_cut\": true}\n" : "], \"is_cut\": false}\n");
    line_flush(&line);
}
