/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-exception.c - tail calls to other types, exceptions: values, unwinding, memory, traps, setjmp records, a forked child.
 *
 * Modules are made by wat2wasm (wabt), which knows the legacy form only; the exnref form is tested by tests/spec and tests/exceptions.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aot/compile.h"
#include "aot/test-wat.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/must.h"
#include "rt/rt.h"

static char test_dir[] = "/tmp/test-exception-XXXXXX";
static int test_count;

static void passed(const char *name) { printf("ok %d - %s\n", ++test_count, name); }

typedef struct Guest {
    Arena arena;
    uint8_t *bytes;
    RtLoaded *loaded;
    RtInstance *instance;
} Guest;

static void path_in(char *path, size_t size, const char *name) { must(snprintf(path, size, "%s/%s", test_dir, name) < (int)size); }

static uint32_t host_fork(RtInstance *instance)
{
    (void)instance;
    (void)fflush(stdout);
    const pid_t pid = fork();
    must(pid >= 0);
    return (uint32_t)pid;
}

/* Calls table slot 0 again from the host: exceptions must not pass through this frame. */
static void host_call_back(RtInstance *instance, uint32_t value) { must(rt_call_i(instance, 0, value) == 0); }

static const void *resolve(void *context, const char *module, const char *name, const char *signature)
{
    (void)context;
    (void)signature;
    (void)module;
    return strcmp(name, "fork") == 0 ? (const void *)host_fork : strcmp(name, "call_back") == 0 ? (const void *)host_call_back : NULL;
}

static void guest_open(Guest *guest, const char *text, int opt_level, const char *cpu)
{
    char path[128];
    Error err = ERROR_INIT;
    const WasmModule *module = NULL;
    size_t size = 0;
    *guest = (Guest){.arena = ARENA_INIT(64u << 20)};
    path_in(path, sizeof(path), "m.wasm");
    wat_to_wasm(text, strlen(text), path);
    must(file_read(AT_FDCWD, path, 1u << 20, (char **)&guest->bytes, &size, &err) == 0);
    must(wasm_module_read(guest->bytes, size, &guest->arena, &module, &err) == 0);
    if (wasm_module_validate(module, &WASM_FEATURES_DEFAULT, &err) < 0) {
        printf("# %s\n", err.message);
        must(false && "valid");
    }
    path_in(path, sizeof(path), "m.so");
    const CompileOptions options = {.opt_level = opt_level, .job_count = 1, .cpu = cpu, .has_thunks = true, .work_dir = test_dir};
    if (compile_module(module, &options, path, &err) < 0) {
        printf("# %s\n", err.message);
        must(false && "compiles");
    }
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && rt_object_open(fd, 100, NULL, &guest->loaded, &err) == 0);
    (void)fd_close(fd);
    const RtInstanceConfig config = {.resolve = resolve};
    must(rt_instance_new(guest->loaded, NULL, &config, &guest->instance, &err) == 0);
    must(rt_instance_instantiate(guest->instance, NULL) == RT_TRAP_NONE);
}

static void guest_close(Guest *guest)
{
    (void)rt_instance_free(guest->instance);
    (void)rt_object_close(guest->loaded);
    arena_deinit(&guest->arena);
    free(guest->bytes);
}

typedef struct Call {
    const RtExport *export;
    RtValue args[4];
    RtValue results[8];
} Call;

static void do_call(RtInstance *instance, void *argument)
{
    Call *call = argument;
    call->export->thunk(instance, call->args, call->results);
}

static RtTrap call_export(const Guest *guest, const char *name, uint32_t argument, uint64_t *ret_result)
{
    const RtObject *object = guest->instance->object;
    for (uint32_t i = 0; i < object->export_count; i++) {
        if (strcmp(object->exports[i].name, name) == 0) {
            Call call = {.export = &object->exports[i], .args = {{.i32 = argument}}};
            const RtTrap trap = rt_instance_call(guest->instance, do_call, &call, NULL);
            *ret_result = call.results[0].i64;
            return trap;
        }
    }
    must(false && "exported");
    return RT_TRAP_NONE;
}

static void expect(const Guest *guest, const char *name, uint32_t argument, uint64_t result)
{
    uint64_t got = 0;
    const RtTrap trap = call_export(guest, name, argument, &got);
    if (trap != RT_TRAP_NONE || (uint32_t)got != (uint32_t)result) {
        printf("# %s(%u): %s, %llu instead of %llu\n", name, argument, rt_trap_name(trap), (unsigned long long)got, (unsigned long long)result);
        must(false && "the right result");
    }
}

static void expect_trap(const Guest *guest, const char *name, uint32_t argument, RtTrap expected)
{
    uint64_t got;
    const RtTrap trap = call_export(guest, name, argument, &got);
    if (trap != expected) {
        printf("# %s(%u): %s instead of %s\n", name, argument, rt_trap_name(trap), rt_trap_name(expected));
        must(false && "the right trap");
    }
}

/* --- tail calls --- */

#define TEN(x) x " " x " " x " " x " " x " " x " " x " " x " " x " " x

/* small, wide (ten i64), floats (twelve f64), vectors and many results call each other's types in turn until the count is down. */
static const char tail_text[] =
    "(module (type $small (func (param i32) (result i64)))"
    " (type $wide (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i32) (result i64)))"
    " (type $floats (func (param i32 f64 f64 f64 f64 f64 f64 f64 f64 f64 f64 f64 f64) (result i64)))"
    " (type $vectors (func (param v128 i32 v128 v128 v128 v128 v128 v128 v128 v128 v128 i64) (result i64)))"
    " (type $area (func (param i64 i64 i64 i64 i64 i64 i32) (result i64 i64 i64 i64 i64)))"
    " (type $area_small (func (param i32) (result i64 i64 i64 i64 i64)))"
    " (table funcref (elem $small $wide $floats $vectors $area $area_small)) (global $sum (mut i64) (i64.const 0))"
    " (func $small (type $small) (if (i32.eqz (local.get 0)) (then (return (global.get $sum))))"
    "   (return_call $wide (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8)"
    "     (i64.extend_i32_u (local.get 0)) (i32.sub (local.get 0) (i32.const 1))))"
    " (func $wide (type $wide) (global.set $sum (i64.add (global.get $sum) (i64.sub (local.get 8) (i64.extend_i32_u (local.get 9)))))"
    "   (global.set $sum (i64.add (global.get $sum) (i64.sub (local.get 7) (local.get 6))))"
    "   (return_call_indirect (type $floats) (local.get 9) " TEN("(f64.const 1.5)") " (f64.const 2) (f64.const 3) (i32.const 2)))"
    " (func $floats (type $floats) (global.set $sum (i64.add (global.get $sum) (i64.trunc_f64_s (f64.sub (local.get 12) (local.get 11)))))"
    "   (return_call_indirect (type $vectors) (v128.const i64x2 1 2) (local.get 0) (v128.const i64x2 1 2) (v128.const i64x2 1 2) (v128.const i64x2 1 2)"
    "     (v128.const i64x2 1 2) (v128.const i64x2 1 2) (v128.const i64x2 1 2) (v128.const i64x2 1 2) (v128.const i64x2 1 2) (v128.const i64x2 7 8)"
    " (i64.const 9)"
    "     (i32.const 3)))"
    " (func $vectors (type $vectors) (global.set $sum (i64.add (global.get $sum) (i64x2.extract_lane 1 (local.get 10))))"
    "   (return_call_indirect (type $small) (local.get 1) (i32.const 0)))"
    " (func $area (type $area) (if (i32.eqz (local.get 6)) (then (return (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 5))))"
    "   (return_call $area_small (i32.sub (local.get 6) (i32.const 1))))"
    " (func $area_small (type $area_small)"
    "   (return_call_indirect (type $area) (i64.const 10) (i64.const 20) (i64.const 30) (i64.const 40) (i64.const 50) (i64.const 60) (local.get 0)"
    " (i32.const 4)))"
    " (func (export \"turns\") (param i32) (result i64) (global.set $sum (i64.const 0)) (call $small (local.get 0)))"
    " (func (export \"ordinary\") (param i32) (result i64) (call $wide (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0)"
    "   (i64.const 0) (i64.const 5) (i64.const 3) (i32.const 0)))"
    " (func (export \"areas\") (param i32) (result i64) (local i64 i64 i64 i64) (call $area_small (local.get 0))"
    "   (local.set 4) (local.set 3) (local.set 2) (local.set 1) (drop)"
    "   (i64.add (i64.add (local.get 1) (local.get 2)) (i64.add (local.get 3) (local.get 4)))))";

static void test_tail_calls(int opt_level, const char *cpu)
{
    Guest guest;
    guest_open(&guest, tail_text, opt_level, cpu);
    expect(&guest, "turns", 3, 3 * 11);
    expect(&guest, "turns", 3000000, 3000000u * 11); /* 8 MiB of stack: 2.8 bytes for each round */
    expect(&guest, "ordinary", 0, 33000000 + 3 + 5 + 1 + 8);
    expect(&guest, "areas", 3000000, 20 + 30 + 40 + 60);
    guest_close(&guest);
}

/* --- exceptions --- */

static const char throw_text[] =
    "(module (import \"env\" \"fork\" (func $fork (result i32))) (import \"env\" \"call_back\" (func $call_back (param i32)))"
    " (import \"wali\" \"setjmp\" (func $setjmp (param i32) (result i32))) (import \"wali\" \"longjmp\" (func $longjmp (param i32 i32)))"
    " (memory 1) (table funcref (elem $thrower_i))"
    " (tag $n) (tag $i (param i32)) (tag $many (param i32 i64 f32 f64 v128 funcref externref i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i32))"
    " (func $thrower_i (param i32) (throw $i (local.get 0)))"
    " (func $down (param i32) (if (i32.eqz (local.get 0)) (then (throw $i (i32.const 77)))) (call $down (i32.sub (local.get 0) (i32.const 1))))"
    " (func $down_saving (param i32 i64) (result i64) (local i64 i64 i64) (if (i32.eqz (local.get 0)) (then (throw $i (i32.const 5))))"
    "   (local.set 2 (i64.mul (local.get 1) (i64.const 3))) (local.set 3 (i64.mul (local.get 1) (i64.const 5))) (local.set 4 (i64.xor (local.get 2)"
    " (local.get 3)))"
    "   (try (result i64) (do (call $down_saving (i32.sub (local.get 0) (i32.const 1)) (i64.add (local.get 4) (i64.const 1))))"
    "     (catch $n (i64.const 0))"
    "     (catch_all (if (i32.ne (i32.const 0) (i64.ne (i64.xor (local.get 2) (local.get 3)) (local.get 4))) (then (unreachable))) (rethrow 0))))"
    " (func (export \"deep\") (param i32) (result i32) (try (result i32) (do (call $down (local.get 0)) (i32.const 0)) (catch $i)))"
    " (func (export \"deep_saving\") (param i32) (result i32)"
    "   (try (result i32) (do (drop (call $down_saving (local.get 0) (i64.const 12345))) (i32.const 0)) (catch $i)))"
    " (func $throw_many (param i32) (throw $many (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4) (v128.const i32x4 5 6 7 8) (ref.null func)"
    "   (ref.null extern) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9)"
    "   (i64.const 10) (i64.const 11) (i64.const 12) (local.get 0)))"
    " (func $count (param i32 i64 f32 f64 v128 funcref externref i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i32) (result i32)"
    "   (i32.add (i32.add (local.get 0) (local.get 19)) (i32.add (i32x4.extract_lane 3 (local.get 4)) (i32.wrap_i64 (local.get 18)))))"
    " (func (export \"many\") (param i32) (result i32)"
    "   (try (result i32) (do (call $throw_many (local.get 0)) (i32.const 0)) (catch $n (i32.const 0)) (catch $many (call $count))))"
    " (func (export \"loop\") (param i32) (result i32) (local i32)"
    "   (loop (try (do (call $thrower_i (i32.const 1))) (catch $i (local.set 1 (i32.add (local.get 1)))))"
    "     (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 1))"
    " (func $cleanup (param i32) (try (do (call $throw_many (local.get 0))) (catch_all (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0))"
    " (i32.const 1))) (rethrow 0))))"
    " (func (export \"loop_cleanup\") (param i32) (result i32) (i32.store (i32.const 0) (i32.const 0))"
    "   (loop (try (do (call $cleanup (i32.const 1))) (catch_all))"
    "     (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i32.load (i32.const 0)))"
    " (func $hold (param i32) (result i32) (if (i32.eqz (local.get 0)) (then (return (i32.const 9))))"
    "   (try (result i32) (do (call $thrower_i (local.get 0)) (i32.const 0))"
    "     (catch_all (try (do (drop (call $hold (i32.sub (local.get 0) (i32.const 1))))) (catch $i (drop))) (rethrow 0))))"
    " (func (export \"hold\") (param i32) (result i32) (try (result i32) (do (call $hold (local.get 0))) (catch $i)))"
    " (func $endless (param i32) (result i32) (try (result i32) (do (i32.add (call $endless (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))"
    "   (catch_all (throw $i (local.get 0)))))"
    " (func (export \"endless\") (param i32) (result i32) (call $endless (i32.const 0)))"
    " (func (export \"uncaught\") (param i32) (result i32) (call $down (local.get 0)) (i32.const 0))"
    " (func (export \"through_host\") (param i32) (result i32) (try (result i32) (do (call $call_back (local.get 0)) (i32.const 0)) (catch $i)))"
    " (func (export \"fork\") (param i32) (result i32) (local i32)"
    "   (try (result i32) (do (call $down (i32.const 3)) (i32.const 0)) (catch $i (local.set 1 (call $fork))"
    "     (if (i32.eqz (local.get 1)) (then (try (do (call $down (i32.const 9))) (catch $i (drop))))) (drop) (local.get 1))))"
    " (func $jumper (param i32) (if (call $setjmp (i32.const 16)) (then (return))) (call $down (local.get 0)))"
    " (func (export \"records\") (param i32) (result i32) (try (result i32) (do (call $jumper (local.get 0)) (i32.const 0)) (catch $i)))"
    " (func (export \"dead_jump\") (param i32) (result i32) (try (do (call $jumper (local.get 0))) (catch $i (drop))) (call $longjmp (i32.const 16)"
    " (i32.const 1)) (i32.const 0))"
    " (func (export \"delegate\") (param i32) (result i32)"
    "   (try $out (result i32) (do (try (result i32) (do (try (result i32) (do (call $down (local.get 0)) (i32.const 0)) (delegate 1))) (catch_all"
    " (i32.const 1))))"
    "     (catch $i (i32.add (i32.const 1000))))))";

static void test_throws(int opt_level, const char *cpu)
{
    Guest guest;
    guest_open(&guest, throw_text, opt_level, cpu);
    for (uint32_t depth = 0; depth < 3; depth++) {
        expect(&guest, "deep", depth, 77);
        expect(&guest, "deep_saving", depth, 5);
        expect(&guest, "delegate", depth, 1077);
    }
    expect(&guest, "deep", 50000, 77);
    expect(&guest, "deep_saving", 20000, 5);
    expect(&guest, "many", 30, 1 + 30 + 8 + 12);
    must(rt_exception_count(guest.instance) < 512);
    expect(&guest, "loop", 3000000, 3000000);
    must(rt_exception_count(guest.instance) < 512);
    expect(&guest, "loop_cleanup", 300000, 300000);
    must(rt_exception_count(guest.instance) <= 512);
    expect(&guest, "hold", 1000, 1000);
    expect_trap(&guest, "uncaught", 100, RT_TRAP_UNCAUGHT_EXCEPTION);
    expect_trap(&guest, "through_host", 1, RT_TRAP_UNCAUGHT_EXCEPTION);
    expect_trap(&guest, "endless", 0, RT_TRAP_STACK_OVERFLOW);
    expect(&guest, "deep", 3, 77);
    expect(&guest, "records", 3, 77);
    must(guest.instance->jump_depth == 0);
    expect_trap(&guest, "dead_jump", 3, RT_TRAP_BAD_LONGJMP);
    guest_close(&guest);
}

/* 70,000 exceptions at once, each wanted for a rethrow: more than the pool holds. The instance goes on afterwards. */
static void test_exhaustion(void)
{
    Guest guest;
    guest_open(&guest, throw_text, 2, "x86-64-v2");
    Error err = ERROR_INIT;
    (void)rt_instance_free(guest.instance);
    const RtInstanceConfig config = {.resolve = resolve, .native_stack_size = 256u << 20};
    must(rt_instance_new(guest.loaded, NULL, &config, &guest.instance, &err) == 0);
    expect(&guest, "hold", 60000, 60000);
    expect_trap(&guest, "hold", 70000, RT_TRAP_EXCEPTION_MEMORY);
    expect(&guest, "loop", 1000, 1000);
    expect(&guest, "hold", 60000, 60000);
    guest_close(&guest);
}

static void test_fork(void)
{
    Guest guest;
    uint64_t result = 0;
    int status;
    guest_open(&guest, throw_text, 2, "x86-64-v2");
    const pid_t self = getpid();
    must(call_export(&guest, "fork", 0, &result) == RT_TRAP_NONE);
    if (getpid() != self) {
        expect(&guest, "deep", 100, 77);
        _exit((uint32_t)result == 0 ? 42 : 1);
    }
    must(waitpid((pid_t)(uint32_t)result, &status, 0) == (pid_t)(uint32_t)result && WIFEXITED(status) && WEXITSTATUS(status) == 42);
    guest_close(&guest);
}

int main(void)
{
    if (!has_wat2wasm()) {
        return 0;
    }
    must(mkdtemp(test_dir) != NULL);
    printf("1..7\n");
    test_tail_calls(2, "x86-64-v2");
    passed("tail calls to other types use no stack");
    test_tail_calls(0, "x86-64-v2");
    passed("the same at -O0");
    test_tail_calls(1, "native");
    test_tail_calls(3, "native");
    passed("the same at -O1 and -O3 for this CPU");
    test_throws(2, "x86-64-v2");
    passed("exceptions");
    test_throws(0, "native");
    passed("exceptions at -O0 for this CPU");
    test_exhaustion();
    passed("too many live exceptions");
    test_fork();
    passed("a forked child");
    char path[128];
    static const char *const names[] = {"m.wasm.wat", "m.wasm", "m.so"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        path_in(path, sizeof(path), names[i]);
        (void)unlink(path);
    }
    (void)rmdir(test_dir);
    return 0;
}
