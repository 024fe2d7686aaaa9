# SPDX-License-Identifier: Apache-2.0
"""Random valid modules aimed at edge values, whose every observable bit the specification fixes.

    module(random, kind) -> bytes of a module; kind is one of KINDS
    generate.py KIND SEED [OUT.wasm] [--drop N,N..]      --drop leaves test functions' bodies empty (tests/fuzz-diff/reduce)

The specification leaves the payload of a NaN open where arithmetic makes one. So an expression of float type is made `clean` (its bits are
fixed) or not, and what shows bits (memory, globals, reinterpretation, integer vectors) only takes clean ones; else a sequence is appended
that replaces NaNs by the canonical one. Termination: loops count down a local that nothing else writes, functions call only functions
after them, functions in tables call no table; `mult` times the cost of a callee bounds the time. Exports without parameters, called in
their order: test0 hash0 test1 hash1 .. (hash: of memory and globals, for engines whose state cannot be looked at), deepN recurses
without end and without side effects, tailN makes 100,000 tail calls.
"""

import random
import struct
import sys

import edges
from encode import (EXNREF, F32, F64, FUNCREF, I32, I64, OPS, V128, f32_const, f64_const, i32_const, i64_const, name, s, section, signed, u, vector)

KINDS = ["own", "simd", "new"]
NUMBERS = (I32, I64, F32, F64)
FLOATS = (F32, F64)
ARITHMETIC = {"ceil", "floor", "trunc", "nearest", "sqrt", "add", "sub", "mul", "div", "min", "max", "demote_f64", "promote_f32",
              "demote_f64x2_zero", "promote_low_f32x4"}
COMPARISONS = {"eq", "ne", "lt", "gt", "le", "ge"}
LANE_KINDS = {"f32x4", "f64x2"}
ARGUMENTS = 1024 # address of the values that tests load as arguments
COST_MAX = 4000


def op_prefix(op):
    return op.name.partition(".")[0]


def is_arithmetic(op):
    return op_prefix(op) in ("f32", "f64", "f32x4", "f64x2") and op.name.partition(".")[2] in ARITHMETIC


def result_kind(op):
    """Which bits of the result are open: True for a scalar, a lane kind for a vector."""
    return True if op.result in FLOATS else op_prefix(op)


def operand_dirt(op, index, dirt):
    """How dirty operand `index` of op may be when the result may be dirt: False, True or a lane kind."""
    prefix, _, word = op.name.partition(".")
    kind = op.params[index]
    if kind in FLOATS:
        if word in ("abs", "neg") or (word == "copysign" and index == 0):
            return bool(dirt)
        return prefix in ("f32", "f64") and word in ARITHMETIC | COMPARISONS or ".trunc" in op.name and prefix in ("i32", "i64")
    if kind == V128 and prefix in LANE_KINDS:
        if word in ("demote_f64x2_zero", "promote_low_f32x4"):
            return "f64x2" if prefix == "f32x4" else "f32x4"
        if word in ARITHMETIC | COMPARISONS:
            return prefix
    return False


class Features:
    def __init__(self, chance, kind):
        odds = chance.random
        self.simd = kind == "simd" or odds() < 0.4
        self.tail_call = odds() < 0.4
        self.extended_const = odds() < 0.1
        self.threads = odds() < 0.08
        self.legacy = kind == "new" and odds() < 0.4
        self.exnref = kind == "new" and not self.legacy and odds() < 0.8
        self.simd_weight = 0.7 if kind == "simd" else 0.15


class Ops:
    """The instructions by what they give, for these features."""

    def __init__(self, features):
        self.pure, self.loads, self.stores, self.atomics = {}, {}, [], {}
        for op in OPS.values():
            is_vector = V128 in op.params or op.result == V128
            if op.is_special or op.feature not in ("-", "threads") or (is_vector and not features.simd) or op.name.endswith("const"):
                continue
            if op.feature == "threads":
                if features.threads and op.has_address and op.result and "wait" not in op.name:
                    self.atomics.setdefault(op.result, []).append(op)
            elif op.has_address:
                if op.result:
                    self.loads.setdefault(op.result, []).append(op)
                else:
                    self.stores.append(op)
            elif op.result and op.params:
                self.pure.setdefault(op.result, []).append(op)


class Module:
    def __init__(self, chance, kind):
        self.chance = chance
        self.features = Features(chance, kind)
        self.ops = Ops(self.features)
        self.types, self.flags = [], {}
        self.kinds = [I32, I32, I64, I64, F32, F64] + ([V128] * (6 if kind == "simd" else 2) if self.features.simd else [])
        self.function_types = []
        self.bodies = {}
        self.costs = {}
        self.exports = []
        self.page_count = chance.choice((1, 1, 1, 2))
        self.page_maximum = self.page_count + chance.choice((0, 1, 3))
        self.globals = [(chance.choice(self.kinds), True) for _ in range(chance.randint(2, 6))]
        self.datas = [bytes(chance.getrandbits(8) for _ in range(chance.choice((0, 1, 16, 70)))) for _ in range(2)]
        self.data_count = 2 + 2 # and two active ones
        self.table_sizes = [(chance.randint(4, 12), 16), (chance.randint(0, 5), 8)]
        self.elem_count = 4
        self.tags = [self.type_index((), ()), self.type_index((I32,), ()), self.type_index((I64, F64), ())] if self.features.legacy or self.features.exnref else []

    # --- types ---

    def type_index(self, params, results):
        key = (tuple(params), tuple(results))
        if key not in self.types:
            self.types.append(key)
        return self.types.index(key)

    def dirt(self, params, results):
        """May the values of this type be dirty? By structure, so that every function of a type agrees."""
        key = (tuple(params), tuple(results))
        if key not in self.flags:
            self.flags[key] = tuple(kind in FLOATS and self.chance.random() < 0.5 for kind in (*params, *results))
        return self.flags[key][:len(params)], self.flags[key][len(params):]

    def random_type(self):
        chance = self.chance
        many = chance.random() < 0.12
        params = [chance.choice(self.kinds) for _ in range(chance.randint(0, 14) if many else chance.choice((0, 1, 1, 2, 2, 3)))]
        results = [chance.choice(self.kinds) for _ in range(chance.randint(0, 8) if many else chance.choice((0, 1, 1, 1, 1, 2)))]
        return self.type_index(params, results)

    # --- the whole ---

    def build(self, dropped=()):
        chance = self.chance
        count = chance.randint(5, 9)
        self.leaf = count // 2 # functions from here on may be in tables
        self.function_types = [self.random_type() for _ in range(count)]
        if chance.random() < 0.4: # so that call_indirect finds the type it wants
            self.function_types[count - 1] = self.function_types[self.leaf]
        for index in reversed(range(count)):
            function = Function(self, index, self.types[self.function_types[index]])
            self.bodies[index] = function.body()
            self.costs[index] = function.cost + 1
        self.function_count = count
        self.tests(dropped)
        return self.bytes()

    def add(self, params, results, body, export=None):
        index = len(self.function_types)
        self.function_types.append(self.type_index(params, results))
        self.bodies[index] = body
        if export:
            self.exports.append(name(export) + b"\x00" + u(index))
        return index

    def tests(self, dropped):
        chance = self.chance
        self.hash_index = self.add((), (I64,), self.hash_body())
        order = list(range(self.function_count)) + [chance.randrange(self.function_count) for _ in range(chance.randint(0, 4))]
        for number, callee in enumerate(order):
            body, results = self.test_body(callee, chance.random() < 0.7)
            if number not in dropped:
                self.add((), results, body, f"test{number}")
                self.exports.append(name(f"hash{number}") + b"\x00" + u(self.hash_index))
        if chance.random() < 0.25:
            self.deep()
        if self.features.tail_call:
            self.tail()

    def test_body(self, callee, has_bits):
        params, results = self.types[self.function_types[callee]]
        dirt_in, dirt_out = self.dirt(params, results)
        function = Function(self, self.function_count, ((), ()))
        for kind, dirty in zip(params, dirt_in):
            del dirty
            self_loads = {I32: b"\x28\x02", I64: b"\x29\x03", F32: b"\x2a\x02", F64: b"\x2b\x03", V128: b"\xfd\x00\x04"}
            if self.chance.random() < 0.8:
                function.code += i32_const(ARGUMENTS + 16 * self.chance.randrange(40)) + self_loads[kind] + u(0)
            else:
                function.const(kind)
        function.code += b"\x10" + u(callee)
        slots = [(function.local(kind), kind, dirty) for kind, dirty in zip(results, dirt_out)]
        for slot, _, _ in reversed(slots):
            function.code += b"\x21" + u(slot)
        types = []
        for slot, kind, dirty in slots:
            function.code += b"\x20" + u(slot)
            if kind == V128:
                function.code += OPS["i64x2.extract_lane"].code + b"\x00" + b"\x20" + u(slot) + OPS["i64x2.extract_lane"].code + b"\x01"
                types += [I64, I64]
            elif kind in FLOATS and (has_bits or not dirty):
                if dirty:
                    function.canonical(kind, True)
                function.code += OPS["i32.reinterpret_f32" if kind == F32 else "i64.reinterpret_f64"].code
                types.append(I32 if kind == F32 else I64)
            else:
                types.append(kind)
        return function.finish(), tuple(types)

    def hash_body(self):
        """All pages there are at most (page_maximum), eight bytes at a time, and the globals."""
        function = Function(self, self.function_count, ((), ()))
        value, at = function.local(I64), function.local(I32)
        mix = b"\x20" + u(value) + b"\x85" + i64_const(0x100000001b3) + b"\x7e" + i64_const(29) + b"\x89" + b"\x21" + u(value)
        function.code += b"\x3f\x00" + i32_const(16) + b"\x74" + b"\x21" + u(at) + b"\x03\x40"
        function.code += b"\x20" + u(at) + i32_const(8) + b"\x6b" + b"\x22" + u(at) + b"\x29\x03\x00" + mix
        function.code += b"\x20" + u(at) + b"\x0d\x00\x0b"
        for index, (kind, _) in enumerate(self.globals):
            function.code += b"\x23" + u(index)
            function.code += {I32: b"\xac", I64: b"", F32: b"\xbc\xac", F64: b"\xbd", V128: OPS["i64x2.extract_lane"].code + b"\x01"}[kind] + mix
        for table in range(2):
            function.code += OPS["table.size"].code + u(table) + b"\xad" + mix
        function.code += b"\x20" + u(value)
        return function.finish()

    def deep(self):
        """Endless recursion in several forms; nothing of it may be seen but the trap."""
        chance = self.chance
        one = len(self.function_types)
        kind, const, add = chance.choice(((I32, i32_const, b"\x6a"), (I64, i64_const, b"\x7c"), (I32, i32_const, b"\x73"), (I64, i64_const, b"\x7e")))
        step = b"\x20\x00" + const(chance.choice((1, -1, 3))) + add
        if chance.random() < 0.5:
            self.add((kind,), (kind,), u(0) + step + b"\x10" + u(one) + const(chance.choice((1, 5))) + add + b"\x0b")
        else:
            self.add((kind,), (kind,), u(0) + step + b"\x10" + u(one + 1) + const(7) + add + b"\x0b")
            self.add((kind,), (kind,), u(0) + b"\x20\x00\x10" + u(one) + b"\x20\x00" + add + b"\x0b")
        self.add((), (kind,), u(0) + const(1) + b"\x10" + u(one) + b"\x0b", "deep0")

    def tail(self):
        """100,000 tail calls between two functions of different types: (i32 i64) and (i32 f64 i64 ..)."""
        one = len(self.function_types)
        more = [self.chance.choice(NUMBERS) for _ in range(self.chance.randint(0, 9))]
        zero = {I32: i32_const(5), I64: i64_const(6), F32: f32_const(0), F64: f64_const(0)}
        end = b"\x20\x00\x45\x04\x40\x20" + u(1) + b"\x0f\x0b"
        step = b"\x20\x00" + i32_const(1) + b"\x6b\x20\x01\x20\x00\xad\x7c" + i64_const(3) + b"\x89"
        self.add((I32, I64), (I64,), u(0) + end + step + b"".join(zero[kind] for kind in more) + b"\x12" + u(one + 1) + b"\x0b")
        self.add((I32, I64, *more), (I64,), u(0) + end + step + b"\x12" + u(one) + b"\x0b")
        self.add((), (I64,), u(0) + i32_const(100000) + i64_const(1) + b"\x12" + u(one) + b"\x0b", "tail0")

    def global_init(self, kind):
        chance = self.chance
        if self.features.extended_const and kind in (I32, I64):
            const, ops = (i32_const, b"\x6a\x6b\x6c") if kind == I32 else (i64_const, b"\x7c\x7d\x7e")
            edge = edges.i32 if kind == I32 else edges.i64
            return const(edge(chance)) + const(edge(chance)) + bytes([chance.choice(ops)]) + const(edge(chance)) + bytes([chance.choice(ops)]) + b"\x0b"
        return const_code(chance, kind) + b"\x0b"

    def bytes(self):
        chance = self.chance
        count = len(self.function_types)
        arguments = bytearray()
        for _ in range(40):
            kind = chance.randrange(5)
            arguments += (struct.pack("<I", edges.i32(chance) & 0xffffffff) * 4 if kind == 0 else struct.pack("<Q", edges.i64(chance) & (1 << 64) - 1) * 2 if kind == 1 else
                          struct.pack("<I", edges.f32(chance)) * 4 if kind == 2 else struct.pack("<Q", edges.f64(chance)) * 2 if kind == 3 else edges.v128(chance))
        limits = lambda minimum, maximum: b"\x01" + u(minimum) + u(maximum)
        leaves = list(range(self.leaf, self.function_count))
        funcs = lambda amount: vector([u(chance.choice(leaves)) for _ in range(amount)])
        size = self.table_sizes[0][0]
        nulls = vector([b"\xd0\x70\x0b" if chance.random() < 0.3 else b"\xd2" + u(chance.choice(leaves)) + b"\x0b" for _ in range(chance.randint(0, 5))])
        elems = [b"\x00" + i32_const(0) + b"\x0b" + funcs(chance.randint(1, size)), b"\x01\x00" + funcs(chance.randint(0, 4)), b"\x05\x70" + nulls,
                 b"\x03\x00" + vector([u(index) for index in range(self.function_count)])]
        exports = [*self.exports, name("m") + b"\x02\x00", name("t0") + b"\x01\x00", name("t1") + b"\x01\x01",
                   *(name(f"g{index}") + b"\x03" + u(index) for index in range(len(self.globals)))]
        datas = [b"\x01" + u(len(data)) + data for data in self.datas]
        datas += [b"\x00" + i32_const(ARGUMENTS) + b"\x0b" + u(len(arguments)) + bytes(arguments), b"\x00" + i32_const(65536 - 8) + b"\x0b" + u(8) + b"\xfe" * 8]
        is_started = chance.random() < 0.1 and self.types[self.function_types[self.function_count - 1]] == ((), ())
        return b"\0asm\1\0\0\0" + b"".join([
            section(1, vector([b"\x60" + vector([bytes([kind]) for kind in params]) + vector([bytes([kind]) for kind in results])
                               for params, results in self.types])),
            section(3, vector([u(index) for index in self.function_types])),
            section(4, vector([b"\x70" + limits(*sizes) for sizes in self.table_sizes])),
            section(5, vector([limits(self.page_count, self.page_maximum)])),
            section(13, vector([b"\x00" + u(index) for index in self.tags])) if self.tags else b"",
            section(6, vector([bytes([kind, 1]) + self.global_init(kind) for kind, _ in self.globals])),
            section(7, vector(exports)),
            section(8, u(self.function_count - 1)) if is_started else b"",
            section(9, vector(elems)), section(12, u(len(datas))),
            section(10, vector([u(len(self.bodies[index])) + self.bodies[index] for index in range(count)])),
            section(11, vector(datas))])


def const_code(chance, kind):
    if kind == I32:
        return i32_const(edges.i32(chance))
    if kind == I64:
        return i64_const(edges.i64(chance))
    if kind == F32:
        return f32_const(edges.f32(chance))
    if kind == F64:
        return f64_const(edges.f64(chance))
    return OPS["v128.const"].code + edges.v128(chance)


from function import Function # noqa: E402: it needs the names above


def module(chance, kind, dropped=()):
    return Module(chance, kind).build(dropped)


def main():
    kind, seed, *rest = sys.argv[1:]
    dropped = {int(word) for word in rest.pop().split(",")} if "--drop" in rest and rest.remove("--drop") is None else ()
    data = module(random.Random(f"{kind} {seed}"), kind, dropped)
    with open(rest[0] if rest else "/dev/stdout", "wb") as file:
        file.write(data)


if __name__ == "__main__":
    main()
