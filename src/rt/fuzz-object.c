/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-object.c - the loader on arbitrary bytes: an error or an object whose every table can be read and instantiated, never a crash. */
#include "rt/symbols-int.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void host_function(RtInstance *instance) { (void)instance; }

static const void *resolve(void *context, const char *module, const char *name, const char *signature)
{
    (void)context;
    (void)module;
    (void)name;
    (void)signature;
    return (const void *)(uintptr_t)host_function;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static int fd = -1;
    RtLoaded *loaded = NULL;
    Error err = ERROR_INIT;
    if (fd < 0) {
        fd = memfd_create("object", MFD_CLOEXEC);
        must(fd >= 0);
    }
    must(ftruncate(fd, 0) == 0 && pwrite(fd, bytes, size, 0) == (ssize_t)size);
    if (rt_object_open(fd, 3, NULL, &loaded, &err) < 0) {
        must(err.code != 0 && err.message[0] != '\0');
        return 0;
    }
    const RtObject *object = rt_object(loaded);
    for (uint32_t i = 0; i < object->entry_count && i < 8; i++) {
        const RtInstanceConfig config = {.resolve = resolve, .native_stack_size = 1u << 20, .page_limit = 64};
        RtInstance *instance = NULL;
        if (object->memory_base == 0 && rt_instance_new(loaded, &object->entries[i], &config, &instance, &err) == 0) {
            (void)rt_instance_free(instance);
        }
    }
    char name[256];
    symbol_name(loaded, (uint64_t)(uintptr_t)object->text_begin, name, sizeof(name));
    (void)symbol_line(loaded, (uint64_t)(uintptr_t)object->text_begin);
    (void)symbol_source(loaded, 0x100, name, sizeof(name));
    (void)rt_object_close(loaded);
    return 0;
}
