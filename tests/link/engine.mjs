// SPDX-License-Identifier: Apache-2.0
//
// engine.mjs - runs one export of a module in node's own engine, with as much of WASI and WALI as the test programs use.
//
//     node --experimental-wasm-type-reflection engine.mjs [--node-wasi] MODULE EXPORT [ARGS...]
//
// A fresh instance each time. Exit status: the program's; 134 after a trap or an exception nobody caught, with
// "trap: ..." on standard error.
import fs from "node:fs";
import { WASI } from "node:wasi";

const ENOSYS = 38, WASI_ENOSYS = 52, WASI_EBADF = 8;

class Exit extends Error {
  constructor(code) {
    super(`exit ${code}`);
    this.code = code;
  }
}

let memory; // of the instance, once there is one
const bytes = () => new Uint8Array(memory.buffer);
const view = () => new DataView(memory.buffer);
const text = new TextEncoder();

function write(fd, at, size) {
  return fs.writeSync(fd, Buffer.from(bytes().slice(at, at + size)));
}

function read(fd, at, size) {
  const chunk = Buffer.alloc(size);
  let count = 0;
  try {
    count = fs.readSync(fd, chunk);
  } catch (error) {
    if (error.code !== "EOF") throw error;
  }
  bytes().set(chunk.subarray(0, count), at);
  return count;
}

function vectors(at, count, step) { // iovec and ciovec: 32-bit pointer and size
  let total = 0;
  for (let i = 0; i < count; i++, at += 8) {
    total += step(view().getUint32(at, true), view().getUint32(at + 4, true));
  }
  return total;
}

function strings(list, pointers, at) {
  for (const one of list) {
    view().setUint32(pointers, at, true);
    pointers += 4;
    bytes().set(text.encode(one + "\0"), at);
    at += text.encode(one).length + 1;
  }
  return 0;
}

function sizes(list, count, size) {
  view().setUint32(count, list.length, true);
  view().setUint32(size, list.reduce((sum, one) => sum + text.encode(one).length + 1, 0), true);
  return 0;
}

const store = (at, value) => { view().setUint32(at, value, true); return 0; };

function wasiFunctions(args, env) {
  return {
    args_sizes_get: (count, size) => sizes(args, count, size),
    args_get: (pointers, at) => strings(args, pointers, at),
    environ_sizes_get: (count, size) => sizes(env, count, size),
    environ_get: (pointers, at) => strings(env, pointers, at),
    fd_write: (fd, at, count, result) => store(result, vectors(at, count, (where, size) => write(fd, where, size))),
    fd_read: (fd, at, count, result) => store(result, vectors(at, count, (where, size) => read(fd, where, size))),
    fd_close: () => 0,
    fd_seek: () => 70, // ESPIPE
    fd_fdstat_get: (fd, at) => {
      if (fd > 2) return WASI_EBADF;
      bytes().fill(0, at, at + 24);
      bytes()[at] = 2; // character device
      view().setBigUint64(at + 8, 0xffffffffffffffffn, true);
      return 0;
    },
    fd_prestat_get: () => WASI_EBADF,
    proc_exit: (code) => { throw new Exit(code); },
  };
}

// What the published programs (lua, sqlite3) need to print something: memory, output, arguments.
function waliFunctions(args) {
  let end = 0; // of what brk and mmap gave out
  const grow = (size) => {
    const at = end || memory.buffer.byteLength;
    end = Math.ceil((at + size) / 65536) * 65536;
    memory.grow((end - memory.buffer.byteLength) / 65536);
    return at;
  };
  return {
    SYS_write: (fd, at, size) => write(fd, at, size),
    SYS_writev: (fd, at, count) => vectors(at, count, (where, size) => write(fd, where, size)),
    SYS_read: (fd, at, size) => read(fd, at, size),
    SYS_readv: (fd, at, count) => vectors(at, count, (where, size) => read(fd, where, size)),
    SYS_brk: () => -12, // malloc then maps memory
    SYS_mmap: (at, size) => grow(size),
    SYS_munmap: () => 0,
    SYS_mprotect: () => 0,
    SYS_rt_sigaction: () => 0,
    SYS_rt_sigprocmask: () => 0,
    SYS_set_tid_address: () => 1,
    SYS_getpid: () => 1,
    SYS_gettid: () => 1,
    SYS_getuid: () => 0,
    SYS_geteuid: () => 0,
    SYS_ioctl: () => -25, // ENOTTY
    SYS_exit: (code) => { throw new Exit(code); },
    SYS_exit_group: (code) => { throw new Exit(code); },
    __proc_exit: (code) => { throw new Exit(code); },
    __init: () => 0,
    __deinit: () => 0,
    __cl_get_argc: () => args.length,
    __cl_get_argv_len: (i) => text.encode(args[i]).length,
    __cl_copy_argv: (at, i) => { bytes().set(text.encode(args[i] + "\0"), at); return 0; },
    __get_init_envfile: () => 0,
    setjmp: () => 0, // no program of the tests jumps
    sigsetjmp: () => 0,
  };
}

const asNumber = (value) => typeof value === "bigint" ? Number(value) : value;

function importsOf(module, args, env) {
  const known = { wasi_snapshot_preview1: wasiFunctions(args, env), wali: waliFunctions(args) };
  const imports = {};
  for (const { module: from, name, type } of WebAssembly.Module.imports(module)) {
    const missing = from === "wali" ? -ENOSYS : WASI_ENOSYS;
    const call = known[from]?.[name] ?? (() => missing);
    if (process.env.ENGINE_TRACE && !known[from]?.[name]) console.error(`engine: no ${from}.${name}`);
    const result = type.results[0];
    (imports[from] ??= {})[name] = (...values) => {
      const value = call(...values.map(asNumber));
      return result === "i64" ? BigInt(value) : value;
    };
  }
  return imports;
}

function fail(error) {
  if (error instanceof Exit) return error.code;
  process.stderr.write(`trap: ${error.message ?? error}\n`);
  return 134;
}

const options = process.argv.slice(2);
const isNodeWasi = options[0] === "--node-wasi" && options.shift() !== undefined;
const [path, name, ...rest] = options;
const args = [process.env.ENGINE_ARGV0 ?? "program", ...rest];
const env = Object.entries(process.env).filter(([key]) => key === "LINK_TEST").map(([key, value]) => `${key}=${value}`);
const module = new WebAssembly.Module(fs.readFileSync(path));
try {
  if (isNodeWasi) {
    const wasi = new WASI({ version: "preview1", args, env: { LINK_TEST: process.env.LINK_TEST ?? "" }, returnOnExit: true });
    const { exports } = new WebAssembly.Instance(module, (wasi.getImportObject?.() ?? { wasi_snapshot_preview1: wasi.wasiImport }));
    process.exitCode = wasi.start({ exports: { memory: exports.memory, _start: exports[name] } }) ?? 0;
  } else {
    const imports = importsOf(module, args, env);
    // A start section runs before the instance is ours; the test programs' do no calls.
    const { exports } = new WebAssembly.Instance(module, imports);
    memory = exports.memory;
    exports[name]();
    process.exitCode = 0;
  }
} catch (error) {
  process.exitCode = fail(error);
}
