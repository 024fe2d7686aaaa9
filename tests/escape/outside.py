# SPDX-License-Identifier: Apache-2.0
"""outside.py - what the driver of tests/escape does on the host's side: isolation modes, the guest's address space, sockets, trees, the audit log."""

import ctypes
import json
import os
import re
import shutil
import socket
import subprocess
import threading

CLONE_NEWUSER = 0x10000000
MEMORY_BASE = 0x40000000
MEMORY_RESERVATION = (8 << 30) + 65536  # RT_MEMORY_RESERVATION: what an address and an offset of 32 bits reach
libc = ctypes.CDLL(None, use_errno=True)


# --- isolation modes ---

def namespaces_forbid():
    """In the child: a user namespace with all ids in which no further one may be made. Needs root. Nothing to do where tests/run found that none can be made."""
    if "WITHOUT_NAMESPACES" in os.environ:
        return
    reader, writer = os.pipe()
    own = os.getpid()
    helper = os.fork()
    if helper == 0:
        os.close(writer)
        if os.read(reader, 1) == b"":
            os._exit(1)
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{own}/{name}", "w", encoding="ascii") as file:
                file.write("0 0 65536\n")
        os._exit(0)
    if libc.unshare(CLONE_NEWUSER) != 0:
        os.kill(helper, 9)
        raise OSError(ctypes.get_errno(), "unshare")
    os.write(writer, b"x")
    os.waitpid(helper, 0)
    os.close(reader)
    os.close(writer)
    with open("/proc/sys/user/max_user_namespaces", "w", encoding="ascii") as file:
        file.write("0")


def become(number):
    os.setgroups([])
    os.setresgid(number, number, number)
    os.setresuid(number, number, number)


def namespaces_can_be_forbidden():
    pid = os.fork()
    if pid == 0:
        try:
            namespaces_forbid()
            become(65534)
            os._exit(0 if libc.unshare(CLONE_NEWUSER) != 0 else 1)
        except OSError:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


# --- the guest's address space ---

def children_of(pid):
    found = []
    for item in os.listdir("/proc"):
        if item.isdigit():
            try:
                with open(f"/proc/{item}/stat", encoding="utf-8", errors="replace") as file:
                    if int(file.read().rsplit(")", 1)[1].split()[1]) == pid:
                        found += [int(item)] + children_of(int(item))
            except OSError:
                pass
    return found


def check_address_space(report, mode, pid, stage):
    """Of every process of the container: nothing both writable and executable, linear memory reserved without a hole and never executable, and no
    other executable files than the command's own, its libraries and one object. Before and after the attacks they must be the same."""
    problems = []
    checked = 0
    for guest in children_of(pid):
        spans, executable = [], set()
        with open(f"/proc/{guest}/maps", encoding="utf-8", errors="replace") as file:
            for line in file:
                match = re.match(r"([0-9a-f]+)-([0-9a-f]+) (....) \S+ \S+ \d+\s*(.*)", line)
                start, end, rights, name = int(match.group(1), 16), int(match.group(2), 16), match.group(3), match.group(4)
                if "w" in rights and "x" in rights:
                    problems.append(f"writable and executable: {line}")
                if "x" in rights:
                    executable.add(re.sub(r".*/", "", name))
                if start < MEMORY_BASE + MEMORY_RESERVATION and end > MEMORY_BASE:
                    spans.append((start, end))
                    problems += [f"executable linear memory: {line}"] if "x" in rights else []
        if not spans:
            continue  # the command, or init
        checked += 1
        at = MEMORY_BASE
        spans.sort()
        for start, end in spans:
            problems += [f"a hole in linear memory at {at:#x}-{start:#x}"] if start != at else []
            at = end
        problems += [] if at == MEMORY_BASE + MEMORY_RESERVATION and spans[0][0] == MEMORY_BASE else [f"linear memory is {spans[0][0]:#x}-{at:#x}"]
        known = ("recompiler", "[vdso]", "[vsyscall]")
        problems += [f"executable: {name!r}" for name in executable if name not in known and not re.match(r"ld-linux|lib[a-z0-9_+.-]*\.so|[0-9a-f]{16,}", name)]
    problems += [] if checked else ["no guest process with linear memory was found"]
    report(f"{mode} memory: {stage}: the address space as the host sees it: want no executable or missing piece of linear memory", problems)


# --- the host's sockets ---

class HostSockets:
    """An abstract socket and one by path, which count who connects or sends."""

    def __init__(self, folder):
        self.count = 0
        self.path = folder + "/socket"
        self.sockets = []
        for kind, suffix in ((socket.SOCK_STREAM, ""), (socket.SOCK_DGRAM, ".d")):
            for address in ("\0recompiler-escape" + suffix, self.path + suffix):
                item = socket.socket(socket.AF_UNIX, kind)
                item.bind(address)
                if kind == socket.SOCK_STREAM:
                    item.listen(50)
                self.sockets.append((item, kind))
        for suffix in ("", ".d"):
            os.chmod(self.path + suffix, 0o777)

    def __enter__(self):
        self.threads = [threading.Thread(target=self.serve, args=pair, daemon=True) for pair in self.sockets]
        for thread in self.threads:
            thread.start()
        return self

    def serve(self, item, kind):
        try:
            while True:
                if kind == socket.SOCK_STREAM:
                    item.accept()[0].close()
                else:
                    item.recv(10)
                self.count += 1
        except OSError:
            pass

    def __exit__(self, *unused):
        for item, kind in self.sockets:
            try:
                item.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(1)
        for item, _ in self.sockets:
            item.close()
        for suffix in ("", ".d"):
            os.unlink(self.path + suffix)


# --- files ---

def tree_state(folder):
    state = {}
    for place, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(place, name)
            if name == "lent":
                continue
            info = os.lstat(path)
            state[path] = (info.st_mode, info.st_uid, info.st_gid, info.st_size, info.st_mtime_ns, info.st_ino, info.st_nlink)
    return state


def tree_difference(before, after):
    return [f"{path}: {before.get(path)} -> {after.get(path)}" for path in sorted(set(before) | set(after)) if before.get(path) != after.get(path)]


def audit_records(state, path):
    found = []
    try:
        with open(state + "/audit.log", encoding="utf-8") as file:
            for line in file:
                record = json.loads(line)
                if record.get("path") == path and record.get("verdict") == "deny":
                    found.append(record)
    except OSError:
        pass
    return found


def processes_with(text):
    found = []
    for item in os.listdir("/proc"):
        if item.isdigit() and int(item) != os.getpid():
            try:
                with open(f"/proc/{item}/cmdline", "rb") as file:
                    if text.encode() in file.read():
                        found.append(item)
            except OSError:
                pass
    return found


def build_wat(build, work, place, name, text):
    """An image place/name.tar with one program made from WebAssembly text. Return: problems."""
    root = f"{work}/{name}"
    os.makedirs(root + "/bin")
    with open(f"{root}.wat", "w", encoding="utf-8") as file:
        file.write(text)
    done = subprocess.run(["wat2wasm", "--enable-all", f"{root}.wat", "-o", f"{root}/bin/{name}"], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        os.chmod(f"{root}/bin/{name}", 0o755)
        done = subprocess.run([build + "/recompiler", "build", "--from", root, "--name", "test.example/" + name, "--sign-with", work + "/keys/test.key", f"{place}/{name}.tar"],
                              capture_output=True, text=True, check=False, env=dict(os.environ, RECOMPILER_LOG_LEVEL="error"))
    shutil.rmtree(root)
    return [] if done.returncode == 0 else [done.stderr]
