/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile.c - module -> object: plan, compile the units on a pool of threads, link, check.
 *
 *   unit 0 is the meta unit (meta.c), unit n + 1 is partition n (plan-scan.c). A thread takes the next unit, builds it in an LLVM
 *   context of its own and writes WORK_DIR/unit-N.o. Which thread takes which unit does not change the output. The object
 *   files are linked in order of their numbers.
 *
 *   body --emit--> LLVM code --unit_key--> in the cache? --no: optimise, generate--> object --unit_object_place--> unit-N.o
 *                                              `-- yes: the same object, byte for byte --^
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <llvm-c/Support.h>
#include <llvm-c/Target.h>

#include "aot/aot-int.h"
#include "aot/unit-cache.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"

/* Bodies above this size are optimised at O1, in a unit of their own partition: some passes are super-linear. */
#define BIG_BODY_SIZE (256u << 10)
#define ARENA_SIZE_MAXIMUM (4ull << 30)
#define UNIT_OBJECT_SIZE_MAXIMUM (8ull << 30)
#define PATH_SIZE 4096
#define ORDER_SIZE_MAXIMUM (2ull << 30) /* LIMIT_FUNCTIONS names with their bodies */

typedef struct Pool {
    const Plan *plan;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint32_t *order;      /* units, the largest first, so that no thread is left alone with one at the end */
    uint32_t next_unit;   /* position in order: first not taken */
    CompileProgress progress;
    uint32_t running_count;
    int result;           /* of the first failure; 0 */
    Error error;
    uint32_t unit_count;
} Pool;

static int unit_path(const Plan *plan, uint32_t unit_index, char *path, Error *err)
{
    if (snprintf(path, PATH_SIZE, "%s/unit-%u.o", plan->options->work_dir, unit_index) >= PATH_SIZE) {
        return error_set(err, ENAMETOOLONG, "%s: path too long", plan->options->work_dir);
    }
    return 0;
}

static int emit_partition(Unit *unit, int *opt_level)
{
    const WasmModule *module = unit->plan->module;
    for (uint32_t i = unit->partition->first_func; i < unit->partition->end_func; i++) {
        const int r = emit_function(unit, i);
        if (r < 0) {
            return r;
        }
        if (module->funcs[i].body.size > BIG_BODY_SIZE && *opt_level > 1) {
            *opt_level = 1;
        }
    }
    return 0;
}

static int work_file_write(const char *path, const Buf *content, Error *err)
{
    _cleanup_(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return error_set(err, errno, "%s", path);
    }
    const int r = fd_write_full(fd, content->bytes, content->size);
    return r < 0 ? error_set(err, -r, "%s: cannot write", path) : 0;
}

/* A partition's object: from the cache, or compiled; then put into its place in this module. */
static int partition_object(Unit *unit, const char *name, int opt_level, Buf *object, bool *ret_is_cached)
{
    UnitCache *cache = unit->plan->options->unit_cache;
    Digest key;
    int r = emit_partition(unit, &opt_level);
    r = r < 0 || cache == NULL ? r : unit_key(unit, opt_level, &key);
    *ret_is_cached = r == 0 && cache != NULL && unit_cache_get(cache, &key, object);
    if (r == 0 && !*ret_is_cached) {
        r = unit_compile(unit, name, opt_level, object);
        if (r == 0 && cache != NULL) {
            unit_cache_put(cache, &key, object);
        }
    }
    r = r == 0 && unit->plan->options->is_recording ? unit_object_record(object, unit, unit->err) : r;
    return r < 0 ? r : unit_object_place(object, unit, unit->err);
}

static int compile_unit(Pool *pool, uint32_t unit_index, bool *ret_is_cached, Error *err)
{
    const Plan *plan = pool->plan;
    const Partition *partition = unit_index == 0 ? NULL : &plan->partitions[unit_index - 1];
    const int opt_level = plan->options->opt_level;
    char path[PATH_SIZE];
    char name[32];
    int r = unit_path(plan, unit_index, path, err);
    if (r < 0) {
        return r;
    }
    snprintf(name, sizeof(name), "unit-%u", unit_index);
    LLVMTargetMachineRef machine = machine_new(plan->options, err);
    if (machine == NULL) {
        return -EIO;
    }
    Unit unit;
    Buf object = BUF_INIT(UNIT_OBJECT_SIZE_MAXIMUM);
    unit_init(&unit, plan, partition, machine, err);
    if (partition != NULL) {
        r = partition_object(&unit, name, opt_level, &object, ret_is_cached);
    } else {
        r = meta_build(&unit);
        r = r < 0 ? r : unit_compile(&unit, name, opt_level > 1 ? 1 : opt_level, &object);
    }
    r = r < 0 ? r : work_file_write(path, &object, err);
    buf_deinit(&object);
    unit_deinit(&unit);
    LLVMDisposeTargetMachine(machine);
    return r;
}

static void *pool_work(void *argument)
{
    Pool *pool = argument;
    pthread_mutex_lock(&pool->lock);
    while (pool->result == 0 && pool->next_unit < pool->unit_count) {
        const uint32_t unit_index = pool->order[pool->next_unit++];
        pthread_mutex_unlock(&pool->lock);
        Error error = ERROR_INIT;
        bool is_cached = false;
        const int r = compile_unit(pool, unit_index, &is_cached, &error);
        pthread_mutex_lock(&pool->lock);
        if (r < 0 && pool->result == 0) {
            pool->result = r;
            pool->error = error;
        }
        if (unit_index > 0) {
            const Partition *partition = &pool->plan->partitions[unit_index - 1];
            pool->progress.done_count += partition->end_func - partition->first_func;
            pool->progress.cached_count += is_cached ? partition->end_func - partition->first_func : 0;
            pool->progress.cached_unit_count += is_cached;
        }
        pthread_cond_signal(&pool->changed);
    }
    pool->running_count--;
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static uint32_t job_count(const Plan *plan, uint32_t unit_count)
{
    uint32_t count = plan->options->job_count;
    cpu_set_t cpus;
    if (count == 0 && sched_getaffinity(0, sizeof(cpus), &cpus) == 0) {
        count = (uint32_t)CPU_COUNT(&cpus);
    }
    count = count == 0 ? 1 : count;
    return count > unit_count ? unit_count : count;
}

/* The caller's thread reports progress while the others work. */
static void pool_wait(Pool *pool)
{
    const CompileOptions *options = pool->plan->options;
    uint32_t reported = UINT32_MAX;
    pthread_mutex_lock(&pool->lock);
    while (true) {
        if (options->progress != NULL && pool->progress.done_count != reported) {
            const CompileProgress now = pool->progress;
            reported = now.done_count;
            pthread_mutex_unlock(&pool->lock);
            options->progress(options->progress_context, &now);
            pthread_mutex_lock(&pool->lock);
            continue;
        }
        if (pool->running_count == 0) {
            break;
        }
        pthread_cond_wait(&pool->changed, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

typedef struct Weighted {
    uint64_t weight;
    uint32_t unit_index;
} Weighted;

static int compare_weights(const void *a, const void *b)
{
    const Weighted *left = a;
    const Weighted *right = b;
    return left->weight != right->weight ? (left->weight > right->weight ? -1 : 1) : (left->unit_index < right->unit_index ? -1 : 1);
}

/* The meta unit first: how long it takes depends on the data, which nothing here weighs. */
static int order_units(const Plan *plan, uint32_t unit_count, uint32_t **ret_order, Error *err)
{
    Weighted *weighted = arena_new_array(plan->arena, unit_count, Weighted);
    uint32_t *order = arena_new_array(plan->arena, unit_count, uint32_t);
    if (weighted == NULL || order == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    for (uint32_t i = 0; i < unit_count; i++) {
        weighted[i] = (Weighted){.weight = i == 0 ? UINT64_MAX : plan->partitions[i - 1].weight, .unit_index = i};
    }
    qsort(weighted, unit_count, sizeof(*weighted), compare_weights);
    for (uint32_t i = 0; i < unit_count; i++) {
        order[i] = weighted[i].unit_index;
    }
    *ret_order = order;
    return 0;
}

static int compile_units(const Plan *plan, uint32_t unit_count, Error *err)
{
    Pool pool = {.plan = plan, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .unit_count = unit_count, .error = ERROR_INIT};
    pool.progress.total_count = plan->module->func_count - plan->module->imported_func_count;
    pool.progress.unit_count = unit_count - 1;
    const int r = order_units(plan, unit_count, &pool.order, err);
    if (r < 0) {
        return r;
    }
    const uint32_t count = job_count(plan, unit_count);
    pthread_t *threads = calloc(count, sizeof(*threads));
    if (threads == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64u << 20); /* LLVM recurses over deep expressions; untouched pages cost nothing */
    uint32_t started = 0;
    pthread_mutex_lock(&pool.lock);
    while (started < count && pthread_create(&threads[started], &attributes, pool_work, &pool) == 0) {
        started++;
        pool.running_count++;
    }
    pthread_mutex_unlock(&pool.lock);
    pthread_attr_destroy(&attributes);
    if (started > 0) {
        pool_wait(&pool);
    }
    for (uint32_t i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
    free(threads);
    if (started == 0) {
        return error_set(err, EAGAIN, "cannot start a thread");
    }
    if (pool.result < 0 && err != NULL) {
        *err = pool.error;
    }
    return pool.result;
}

/* The linker's list of symbols, when there is a profile. Return: its path in path, or "". */
static int order_write(const Plan *plan, char path[PATH_SIZE], Error *err)
{
    path[0] = '\0';
    if (plan->options->profile == NULL) {
        return 0;
    }
    if (snprintf(path, PATH_SIZE, "%s/order", plan->options->work_dir) >= PATH_SIZE) {
        return error_set(err, ENAMETOOLONG, "%s: path too long", plan->options->work_dir);
    }
    Buf order = BUF_INIT(ORDER_SIZE_MAXIMUM);
    int r = layout_order(plan, &order, err);
    r = r < 0 ? r : work_file_write(path, &order, err);
    buf_deinit(&order);
    return r;
}

static int link_units(const Plan *plan, uint32_t unit_count, const char *output_path, Error *err)
{
    char **paths = arena_new_array(plan->arena, unit_count, char *);
    if (paths == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    for (uint32_t i = 0; i < unit_count; i++) {
        char path[PATH_SIZE];
        const int r = unit_path(plan, i, path, err);
        if (r < 0) {
            return r;
        }
        paths[i] = arena_strndup(plan->arena, path, strlen(path));
        if (paths[i] == NULL) {
            return error_set(err, ENOMEM, "out of memory");
        }
    }
    char order[PATH_SIZE];
    int r = order_write(plan, order, err);
    r = r < 0 ? r : object_link((const char *const *)paths, unit_count, order[0] != '\0' ? order : NULL, output_path, err);
    r = r < 0 ? r : object_check(output_path, err);
    if (order[0] != '\0') {
        (void)unlink(order); /* may not have been written */
    }
    return r;
}

static void remove_units(const Plan *plan, uint32_t unit_count)
{
    for (uint32_t i = 0; i < unit_count; i++) {
        char path[PATH_SIZE];
        if (unit_path(plan, i, path, NULL) == 0) {
            (void)unlink(path); /* may not have been written */
        }
    }
}

static void initialise_llvm(void)
{
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    /* A cmov with a memory operand would become a branch around the load, volatile or not, and an access out of bounds would not trap. */
    static const char *const arguments[] = {"recompiler-compile", "-x86-cmov-converter-force-mem-operand=false"};
    LLVMParseCommandLineOptions(2, arguments, NULL);
}

static int check_options(const CompileOptions *options, Error *err)
{
    static const char *const cpus[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4", "native", COMPILE_CPU_AARCH64};
    bool is_known = false;
    for (size_t i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
        is_known |= strcmp(options->cpu, cpus[i]) == 0;
    }
    if (!is_known) {
        return error_set(err, EINVAL, "unknown CPU %s (x86-64-v2, x86-64-v3, x86-64-v4, native or aarch64)", options->cpu);
    }
    if (options->memory_base % 65536 != 0 || options->memory_base >= 1ull << 46) {
        return error_set(err, EINVAL, "memory base 0x%llx is not usable", (unsigned long long)options->memory_base);
    }
    return 0;
}

int compile_module(const WasmModule *module, const CompileOptions *options, const char *output_path, Error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    CompileOptions known = *options;
    known.cpu = options->cpu != NULL ? options->cpu : "x86-64-v2";
    must(module != NULL && output_path != NULL && options->work_dir != NULL);
    int r = check_options(&known, err);
    if (r < 0) {
        return r;
    }
    r = known.profile != NULL ? layout_check(module, known.profile, err) : 0;
    if (r < 0) {
        return r;
    }
    pthread_once(&once, initialise_llvm);
    Arena arena = ARENA_INIT(ARENA_SIZE_MAXIMUM);
    Plan plan;
    r = plan_make(module, &known, &arena, &plan, err);
    if (r == 0) {
        const uint32_t unit_count = plan.partition_count + 1;
        r = compile_units(&plan, unit_count, err);
        if (r == 0) {
            r = link_units(&plan, unit_count, output_path, err);
        }
        remove_units(&plan, unit_count);
    }
    arena_deinit(&arena);
    if (r < 0) {
        (void)unlink(output_path); /* perhaps never made */
    }
    return r;
}
