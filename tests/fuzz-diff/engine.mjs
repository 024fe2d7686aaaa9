/* SPDX-License-Identifier: Apache-2.0 */
/* Runs modules in node's engine for tests/fuzz-diff/run: a path a line on stdin, the answers of ours.c on stdout. */
import fs from 'node:fs';
import readline from 'node:readline';

const PAGE = 65536;
const HASHED_PAGES = 4;
const words = new DataView(new ArrayBuffer(8));
let lines = [];

function number(value) {
    if (Number.isNaN(value)) {
        return ' nan';
    }
    words.setFloat64(0, value);
    return ' ' + words.getBigUint64(0).toString(16);
}

function show(value) {
    switch (typeof value) {
    case 'number': return number(value);
    case 'bigint': return ` ${BigInt.asUintN(64, value)}n`;
    default: return value === null ? ' null' : ' ref';
    }
}

function hash(memory) {
    const page_count = memory.buffer.byteLength / PAGE;
    let value = (0x811c9dc5 ^ page_count) | 0;
    for (let page = 0; page < page_count; page++) {
        if (page >= HASHED_PAGES && page !== page_count - 1) {
            continue;
        }
        const view = new Int32Array(memory.buffer, page * PAGE, PAGE / 4);
        for (let i = 0; i < PAGE / 4; i++) {
            value = Math.imul(value ^ view[i], 16777619);
        }
    }
    return ` ${(value >>> 0).toString(16)}`;
}

function state(exports) {
    let line = 'state';
    let memory_count = 0;
    for (const item of Object.values(exports)) {
        if (item instanceof WebAssembly.Memory) {
            line += memory_count++ === 0 ? hash(item) : '';
        } else if (item instanceof WebAssembly.Table) {
            line += ` ${item.length}`;
        } else if (item instanceof WebAssembly.Global) {
            let value;
            try {
                value = item.value;
            } catch { /* v128 */
                continue;
            }
            line += value === null || typeof value === 'function' || typeof value === 'object' || value === undefined ? '' : show(value);
        }
    }
    lines.push(line);
}

function trap(error) {
    if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError) {
        return `trap ${error.message}`;
    }
    return error instanceof WebAssembly.Exception ? 'trap uncaught exception' : `trap ?${error}`;
}

function run(path) {
    let module;
    try {
        module = new WebAssembly.Module(fs.readFileSync(path));
    } catch (error) {
        lines.push(`refused: ${error.message}`);
        return;
    }
    const imports = {};
    for (const item of WebAssembly.Module.imports(module)) {
        imports[item.module] ??= {};
        imports[item.module][item.name] = (value) => { lines.push('log' + show(value)); };
    }
    let exports;
    try {
        exports = new WebAssembly.Instance(module, imports).exports;
    } catch (error) {
        lines.push(error instanceof WebAssembly.LinkError ? `refused: ${error.message}` : `start: ${trap(error)}`);
        return;
    }
    state(exports);
    for (const [name, item] of Object.entries(exports)) {
        if (typeof item !== 'function') {
            continue;
        }
        if (item.length === 0) {
            try {
                const answer = item();
                const values = answer === undefined ? [] : Array.isArray(answer) ? answer : [answer];
                lines.push(`${name}:` + values.map(show).join(''));
            } catch (error) {
                lines.push(`${name}: ${error instanceof TypeError ? 'skip' : trap(error)}`);
            }
        }
        state(exports);
    }
}

for await (const path of readline.createInterface({input: process.stdin})) {
    lines = [];
    run(path);
    lines.push('end 0\n');
    process.stdout.write(lines.join('\n'));
}
