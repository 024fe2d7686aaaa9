/* SPDX-License-Identifier: Apache-2.0 */
/* Runs every export of a module in node's engine and prints what happens, in the format of host.c. */
import fs from 'node:fs';

const NUMBERS = ['i32', 'i64', 'f32', 'f64'];
const words = new DataView(new ArrayBuffer(8));

function show(type, value) {
    if (type === 'i32') {
        return ` ${value | 0}`;
    }
    if (type === 'i64') {
        return ` ${BigInt.asIntN(64, value)}`;
    }
    if (Number.isNaN(value)) {
        return ' nan';
    }
    if (type === 'f32') {
        words.setFloat32(0, value);
        return ` ${words.getUint32(0).toString(16)}`;
    }
    words.setFloat64(0, value);
    return ` ${words.getBigUint64(0).toString(16)}`;
}

const module = new WebAssembly.Module(fs.readFileSync(process.argv[2]));
const imports = {};
for (const item of WebAssembly.Module.imports(module)) {
    imports[item.module] ??= {};
    imports[item.module][item.name] = (value) => console.log('log' + show(item.type.parameters[0], value));
}
let instance = null;
try {
    instance = new WebAssembly.Instance(module, imports);
} catch {
    console.log('start: trap');
    process.exit(0);
}
for (const item of WebAssembly.Module.exports(module)) {
    if (item.kind !== 'function' || ![...item.type.parameters, ...item.type.results].every((type) => NUMBERS.includes(type))) {
        continue;
    }
    const types = item.type.results;
    try {
        const answer = instance.exports[item.name](...item.type.parameters.map((type) => (type === 'i64' ? 0n : 0)));
        const values = types.length === 0 ? [] : types.length === 1 ? [answer] : [...answer];
        console.log(item.name + ':' + values.map((value, index) => show(types[index], value)).join(''));
    } catch (error) {
        if (error instanceof TypeError) { /* a v128 crossed the border: JavaScript cannot */
            console.log('incomparable');
            process.exit(0);
        }
        console.log(item.name + ': trap');
    }
}
