#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a script of the WebAssembly test suite (.wast) and writes what spec-runner runs: a .json of commands and a file for each module.

    tests/spec/wast.py FILE.wast -o OUT.json

Only the script's own level is read here: commands, actions, constants and expected results. The text of a module is cut out
of the source as it stands and turned into bytes by the PyPI package `wasmtime` (wasmtime.wat2wasm); `module binary` is written as it is.

The .json is that of wabt's wast2json, so that either can make it, and has besides
    module_definition, module_instance   commands of WebAssembly 3.0 (`instance`, `module`: names)
    unconverted                          in a command: why the text reader refused a module that it should take
    refused                              with module_type "text": did the text reader refuse what the script says is malformed?
    {"type": "either", "values": [..]}   a result that is one of several
    {"type": "ref", "value": "null"}     a null reference of whatever type; exnref, anyref beside funcref and externref
Commands that ask for what nothing here can do are written with the type "unknown" and fail in the runner.
"""

import argparse
import bisect
import fractions
import functools
import json
import os
import re
import subprocess
import sys

TOKEN = re.compile(r'(?P<space>[ \t\r\n]+|;;[^\n\r]*)|(?P<block>\(;)|(?P<open>\()|(?P<close>\))|(?P<string>"(?:[^"\\]|\\.)*")|'
                   r'(?P<atom>\$"(?:[^"\\]|\\.)*"|[^ \t\r\n()";]+|;)', re.DOTALL)
BLOCK = re.compile(r"\(;|;\)")
ESCAPE = re.compile(rb"\\(?:u\{([0-9a-fA-F_]+)\}|([0-9a-fA-F]{2})|(.))", re.DOTALL)
COMMANDS = ("module", "register", "invoke", "get")
ACTIONS = ("invoke", "get")
HEAP_TYPES = {"func": "funcref", "nofunc": "funcref", "extern": "externref", "noextern": "externref", "exn": "exnref", "noexn": "exnref",
              "any": "anyref", "eq": "anyref", "i31": "anyref", "struct": "anyref", "array": "anyref", "none": "anyref", "host": "anyref"}
LANES = {"i8x16": ("i8", 16), "i16x8": ("i16", 8), "i32x4": ("i32", 4), "i64x2": ("i64", 2), "f32x4": ("f32", 4), "f64x2": ("f64", 2)}
FLOATS = {"f32": (23, 8), "f64": (52, 11)}


class Form(list):
    """( ... ): atoms are str, strings are bytes."""
    __slots__ = ("start", "end")


def string_bytes(token):
    simple = {b"n": b"\n", b"t": b"\t", b"r": b"\r"}

    def one(match):
        if match[1] is not None:
            return chr(int(match[1].replace(b"_", b""), 16)).encode()
        return bytes([int(match[2], 16)]) if match[2] is not None else simple.get(match[3], match[3])
    return ESCAPE.sub(one, token[1:-1].encode("latin-1"))


def skip_block(text, at):
    depth = 1
    while depth > 0:
        match = BLOCK.search(text, at)
        if match is None:
            raise ValueError("unterminated block comment")
        depth += 1 if match[0] == "(;" else -1
        at = match.end()
    return at


def read_forms(text):
    """text: the bytes of the file, one character each."""
    top = Form()
    stack = [top]
    at = 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"what is this at offset {at}: {text[at:at + 20]!r}")
        kind, at = match.lastgroup, match.end()
        if kind == "block":
            at = skip_block(text, at)
        elif kind == "open":
            form = Form()
            form.start = match.start()
            stack[-1].append(form)
            stack.append(form)
        elif kind == "close":
            form = stack.pop()
            if not stack:
                raise ValueError(f"one ) too many at offset {at}")
            form.end = at
            if form and isinstance(form[0], str) and form[0].startswith("@"):
                stack[-1].pop()  # an annotation: only the text of modules keeps it
        elif kind == "string":
            stack[-1].append(string_bytes(match[0]))
        elif kind == "atom":
            stack[-1].append(match[0])
    if len(stack) != 1:
        raise ValueError("unexpected end")
    return top


def float_bits_of(value, fraction_bits, exponent_bits):
    """The bits of a non-negative Fraction, rounded to nearest, ties to even (wasm core 4.3.3)."""
    if value == 0:
        return 0
    bias = (1 << (exponent_bits - 1)) - 1
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if value < fractions.Fraction(2) ** exponent:
        exponent -= 1
    exponent = max(exponent, 1 - bias)
    digits = round(value / fractions.Fraction(2) ** (exponent - fraction_bits))
    if digits >> fraction_bits == 0:
        return digits  # subnormal
    return min(((exponent + bias) << fraction_bits) + digits - (1 << fraction_bits), ((1 << exponent_bits) - 1) << fraction_bits)


@functools.lru_cache(maxsize=None)
def float_text(kind, text):
    """A float's bits in decimal, or the name of a class of NaN."""
    fraction_bits, exponent_bits = FLOATS[kind]
    if text in ("nan:canonical", "nan:arithmetic"):
        return text
    sign, digits = (1 if text[0] == "-" else 0), text.lstrip("+-").replace("_", "").lower()
    infinity = ((1 << exponent_bits) - 1) << fraction_bits
    if digits == "inf":
        bits = infinity
    elif digits.startswith("nan"):
        bits = infinity | (int(digits[4:], 16) if digits.startswith("nan:") else 1 << (fraction_bits - 1))
    elif digits.startswith("0x"):
        digits, _, exponent = digits[2:].partition("p")
        whole, _, part = digits.partition(".")
        bits = float_bits_of(fractions.Fraction(int(whole + part, 16)) * fractions.Fraction(2) ** (int(exponent or "0") - 4 * len(part)),
                             fraction_bits, exponent_bits)
    else:
        bits = float_bits_of(fractions.Fraction(digits if digits[-1] != "." else digits[:-1]), fraction_bits, exponent_bits)
    return str(bits | sign << (fraction_bits + exponent_bits))


def number_text(kind, text):
    if kind in FLOATS:
        return float_text(kind, text)
    return str(int(text.replace("_", ""), 16 if "0x" in text else 10) & ((1 << int(kind[1:])) - 1))


def read_value(form):
    """A constant or an expected result."""
    name, rest = form[0], form[1:]
    if name == "either":
        return {"type": "either", "values": [read_value(each) for each in rest]}
    if name == "v128.const":
        kind, count = LANES[rest[0]]
        if len(rest) != 1 + count:
            raise ValueError("wrong number of lanes")
        return {"type": "v128", "lane_type": kind, "value": [number_text(kind, text) for text in rest[1:]]}
    if name == "ref.null":
        return {"type": HEAP_TYPES.get(rest[0], "funcref") if rest else "ref", "value": "null"}
    if name.startswith("ref."):
        value = {"type": HEAP_TYPES[name[4:]]}
        if rest:
            value["value"] = str(int(rest[0], 0))
        return value
    kind, _, what = name.partition(".")
    if what != "const" or kind not in ("i32", "i64", "f32", "f64") or len(rest) != 1:
        raise ValueError(f"unknown value {name}")
    return {"type": kind, "value": number_text(kind, rest[0])}


def read_action(form):
    rest = form[1:]
    action = {"type": form[0]}
    if rest and isinstance(rest[0], str):
        action["module"] = rest.pop(0)
    action["field"] = rest.pop(0).decode()
    if form[0] == "invoke":
        action["args"] = [read_value(each) for each in rest]
    elif rest:
        raise ValueError("get takes no arguments")
    return action


class Script:
    def __init__(self, path, out):
        with open(path, "rb") as file:
            self.text = file.read().decode("latin-1")
        self.stem = out[:-5] if out.endswith(".json") else out
        self.lines = [match.end() for match in re.finditer("\n", self.text)]
        self.commands = []
        self.module_count = 0
        import wasmtime
        self.wasmtime = wasmtime

    def line(self, form):
        return bisect.bisect_right(self.lines, form.start) + 1

    def write_module(self, command, data):
        name = f"{self.stem}.{self.module_count}.wasm"
        self.module_count += 1
        with open(name, "wb") as file:
            file.write(data)
        command["filename"] = os.path.basename(name)
        command["module_type"] = "binary"

    def convert(self, command, text, has_second=True):
        """Text to bytes, by wabt where wasmtime does not read it (the folded try of the legacy exceptions). Return: None or why not."""
        try:
            data = bytes(self.wasmtime.wat2wasm(text))
        except self.wasmtime.WasmtimeError as error:
            problem = " ".join(line.strip() for line in str(error).splitlines() if line.strip())[:300]
            data = self.convert_by_wabt(text) if has_second else None
            if data is None:
                return problem
        self.write_module(command, data)
        return None

    def convert_by_wabt(self, text, options=("--no-check",)):
        source, out = self.stem + ".wat", self.stem + ".wabt.wasm"
        with open(source, "wb") as file:
            file.write(text)
        done = subprocess.run(["wat2wasm", "--enable-all", "--debug-names", *options, source, "-o", out], capture_output=True)
        if done.returncode != 0:
            return None
        with open(out, "rb") as file:
            return file.read()

    def read_module(self, command, form, is_malformed=False):
        rest = form[1:]
        source = self.text[form.start:form.end]
        if rest and rest[0] == "definition":
            rest.pop(0)
            source = re.sub(r"^\(\s*module\s+definition\b", "(module", source)
        if rest and isinstance(rest[0], str) and rest[0].startswith("$"):
            command["name"] = rest.pop(0)
        kind = rest[0] if rest and rest[0] in ("binary", "quote") else None
        if kind == "binary":
            self.write_module(command, b"".join(rest[1:]))
            return
        is_text = kind == "quote" and is_malformed
        problem = self.convert(command, b"".join(rest[1:]) if kind == "quote" else source.encode("latin-1"), not is_text)
        if is_text:
            command.pop("filename", None)
            command.update(module_type="text", refused=problem is not None or self.convert_by_wabt(b"".join(rest[1:]), []) is None)
        elif problem is not None:
            command["unconverted"] = problem

    def read_assert(self, command, form):
        name, subject, rest = form[0], form[1], form[2:]
        if subject[0] in ACTIONS:
            command["action"] = read_action(subject)
            if name in ("assert_trap", "assert_exhaustion"):
                command["text"] = rest[0].decode()
            elif name == "assert_return":
                command["expected"] = [read_value(each) for each in rest]
            elif name != "assert_exception":
                raise ValueError(f"{name} of an action")
            return
        if name == "assert_trap":
            command["type"] = "assert_uninstantiable"
        self.read_module(command, subject, name in ("assert_malformed", "assert_malformed_custom"))
        command.pop("name", None)
        command["text"] = rest[0].decode()

    def read_command(self, form):
        name = form[0]
        command = {"type": name, "line": self.line(form)}
        self.commands.append(command)
        if name == "module" and form[1:2] == ["instance"]:
            command.update(type="module_instance", instance=form[2], module=form[3] if len(form) > 3 else None)
        elif name == "module":
            if form[1:2] == ["definition"]:
                command["type"] = "module_definition"
            self.read_module(command, form)
        elif name == "register":
            command["as"] = form[1].decode()
            if len(form) > 2:
                command["name"] = form[2]
        elif name in ACTIONS:
            command.update(type="action", action=read_action(form), expected=[])
        elif name.startswith("assert_"):
            self.read_assert(command, form)
        else:
            raise ValueError(f"unknown command {name}")

    def read(self):
        fields = []  # of a module that is written without (module ...)
        for form in [*read_forms(self.text), None]:
            if form is not None and form[0] not in COMMANDS and not form[0].startswith("assert_"):
                fields.append(form)
                continue
            if fields:
                command = {"type": "module", "line": self.line(fields[0])}
                problem = self.convert(command, self.text[fields[0].start:fields[-1].end].encode("latin-1"))
                if problem is not None:
                    command["unconverted"] = problem
                self.commands.append(command)
                fields = []
            if form is not None:
                try:
                    self.read_command(form)
                except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
                    self.commands[-1] = {"type": "unknown", "line": self.line(form), "text": f"{form[0]}: {error}"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("-o", dest="out", required=True)
    arguments = parser.parse_args()
    script = Script(arguments.file, arguments.out)
    script.read()
    with open(arguments.out, "w") as file:
        json.dump({"source_filename": arguments.file, "commands": script.commands}, file, indent=0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
