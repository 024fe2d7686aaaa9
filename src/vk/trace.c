/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.c - strace-like lines on standard error, printed from the rows of syscalls.tbl: "[pid] open("/etc/passwd", 0x0, 00) = 3".
 */
#include "vk-int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct Line {
    char text[512];
    size_t size;
} Line;

static void add(Line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(Line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int n = vsnprintf(line->text + line->size, sizeof line->text - line->size, format, arguments);
    va_end(arguments);
    if (n > 0) {
        line->size += (size_t)n < sizeof line->text - line->size ? (size_t)n : sizeof line->text - line->size - 1;
    }
}

static void add_string(Line *line, Vk *vk, GuestAddr address)
{
    char text[80];
    const int64_t r = vk_copy_string(vk, text, sizeof text, address);
    if (address == 0 || r == -EFAULT) {
        add(line, address == 0 ? "NULL" : "0x%x", address);
        return;
    }
    text[sizeof text - 1] = '\0';
    for (char *c = text; *c != '\0'; c++) {
        *c = (unsigned char)*c < 32 || (unsigned char)*c > 126 ? '?' : *c;
    }
    add(line, "\"%s\"%s", text, r < 0 ? "..." : "");
}

void vk_trace_call(Vk *vk, const VkRow *row, const uint64_t *a, int64_t result)
{
    Line line = {.size = 0};
    add(&line, "[%d] %s(", (int)getpid(), row->name);
    for (size_t i = 0; row->kinds[i] != '\0'; i++) {
        add(&line, "%s", i == 0 ? "" : ", ");
        switch (row->kinds[i]) {
        case 'S': add_string(&line, vk, (GuestAddr)a[i]); break;
        case 'a': (int32_t)a[i] == AT_FDCWD ? add(&line, "AT_FDCWD") : add(&line, "%d", (int32_t)a[i]); break;
        case 'd': add(&line, "%d", (int32_t)a[i]); break;
        case 's': add(&line, "%s", sigabbrev_np((int)a[i]) != NULL ? sigabbrev_np((int)a[i]) : "0"); break;
        case 'u': add(&line, "%u", (uint32_t)a[i]); break;
        case 'o': add(&line, "0%o", (uint32_t)a[i]); break;
        case 'p': (uint32_t)a[i] == 0 ? add(&line, "NULL") : add(&line, "0x%x", (uint32_t)a[i]); break;
        case 'D': add(&line, "%lld", (long long)a[i]); break;
        case 'X': add(&line, "0x%llx", (unsigned long long)a[i]); break;
        default: add(&line, "0x%x", (uint32_t)a[i]); break;
        }
    }
    if (result < 0 && result > -4096) {
        add(&line, ") = -1 %s\n", strerrorname_np((int)-result) != NULL ? strerrorname_np((int)-result) : "?");
    } else {
        add(&line, ") = %lld\n", (long long)result);
    }
    (void)!write(STDERR_FILENO, line.text, line.size);
}
