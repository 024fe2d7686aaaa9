// SPDX-License-Identifier: Apache-2.0
// node node-wasi.mjs MODULE.wasm ARGS...: runs a WASI program on V8, the peer node-v8 of bench/engine.
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const [module, ...args] = process.argv.slice(2);
const wasi = new WASI({ version: "preview1", args: [module, ...args], returnOnExit: true });
const { instance } = await WebAssembly.instantiate(readFileSync(module), wasi.getImportObject());
process.exitCode = wasi.start(instance);
