# SPDX-License-Identifier: Apache-2.0
"""python wasmtime-wasi.py MODULE.cwasm ARGS... runs a compiled WASI program in wasmtime (the PyPI package), the peer wasmtime of
bench/engine; python wasmtime-wasi.py --compile MODULE.wasm MODULE.cwasm makes one with Cranelift's opt_level speed."""

import sys

import wasmtime


def engine_make():
    config = wasmtime.Config()
    config.cranelift_opt_level = "speed"
    config.wasm_simd = True
    config.wasm_bulk_memory = True
    if hasattr(type(config), "wasm_exceptions"):
        config.wasm_exceptions = True
    return wasmtime.Engine(config)


def module_run(path, args):
    engine = engine_make()
    store = wasmtime.Store(engine)
    wasi = wasmtime.WasiConfig()
    wasi.argv = [path, *args]
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    store.set_wasi(wasi)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    instance = linker.instantiate(store, wasmtime.Module.deserialize_file(engine, path))
    try:
        instance.exports(store)["_start"](store)
    except wasmtime.ExitTrap as exit_trap:
        return exit_trap.code
    return 0


if sys.argv[1] == "--compile":
    with open(sys.argv[2], "rb") as module:
        compiled = wasmtime.Module(engine_make(), module.read()).serialize()
    with open(sys.argv[3], "wb") as output: # not before: a file would stay that looks made
        output.write(compiled)
else:
    sys.exit(module_run(sys.argv[1], sys.argv[2:]))
