# SPDX-License-Identifier: Apache-2.0
"""Bytes of a WASM module for generate.py, and the instructions there are (src/wasm/opcodes.tbl)."""

import os
import struct

I32, I64, F32, F64, V128, FUNCREF, EXTERNREF, EXNREF = 0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f, 0x69
NAMES = {"i32": I32, "i64": I64, "f32": F32, "f64": F64, "v128": V128}
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src", "wasm", "opcodes.tbl")


def u(value):
    """Unsigned LEB128."""
    out = bytearray()
    while True:
        byte, value = value & 127, value >> 7
        out.append(byte | (128 if value else 0))
        if not value:
            return bytes(out)


def s(value):
    """Signed LEB128."""
    out = bytearray()
    while True:
        byte, value = value & 127, value >> 7
        if (value == 0 and not byte & 64) or (value == -1 and byte & 64):
            out.append(byte)
            return bytes(out)
        out.append(byte | 128)


def name(text):
    return u(len(text)) + text.encode()


def vector(items):
    return u(len(items)) + b"".join(items)


def section(number, body):
    return bytes([number]) + u(len(body)) + body


def signed(value, bits):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def i32_const(value):
    return b"\x41" + s(signed(value, 32))


def i64_const(value):
    return b"\x42" + s(signed(value, 64))


def f32_const(bits):
    return b"\x43" + struct.pack("<I", bits)


def f64_const(bits):
    return b"\x44" + struct.pack("<Q", bits)


class Op:
    """One row of opcodes.tbl: code is the bytes, size of a memory access or count of lanes in `number`."""

    def __init__(self, code, text, imm, params, results, feature):
        value = int(code, 16)
        prefix = value >> 16
        self.code = bytes([value]) if prefix == 0 else bytes([prefix]) + u(value & 0xffff)
        self.name = text
        self.imm, _, number = imm.partition("/")
        self.number = int(number) if number else 0
        self.has_address = params.startswith("addr")
        words = [] if params in ("-", "*") else params.split(",")
        self.params = [I32 if word == "addr" else NAMES[word] for word in words]
        self.result = NAMES.get(results)
        self.is_special = params == "*"
        self.feature = feature


def op_table():
    ops = {}
    with open(TABLE) as file:
        for line in file:
            if line.startswith("0x"):
                op = Op(*line.split()[:6])
                ops[op.name] = op
    return ops


OPS = op_table()
