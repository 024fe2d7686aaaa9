# SPDX-License-Identifier: Apache-2.0
"""Where things are, and images to measure with. Everything made here is below build/bench.

From the environment: BUILD (folder of the executables, default build/rel), IMAGE (default build/images/toolbox.tar, built
anew below build/bench when its signature does not verify), BENCH_QUICK=1 (the same as --quick).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(TOP, "build/rel")))
RECOMPILER = os.path.join(BUILD, "recompiler")
SDK = os.path.join(TOP, "build/sdk/bin")
IMAGES = os.path.join(TOP, "build/images")
ROOTFS = os.path.join(IMAGES, "toolbox/rootfs")
KEY = os.path.join(IMAGES, "trust-key/demo.key")
RESULTS = os.path.join(TOP, "build/bench")
WORK = os.path.join(RESULTS, "work")
SOURCES = os.path.join(TOP, "bench")


def bench_parser(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few runs: shows that it works, figures are not for publishing")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    return parser


def bench_options(parser):
    """(options, is it --quick?); makes folders, sets the environment."""
    options = parser.parse_args()
    os.makedirs(WORK, exist_ok=True)
    os.environ.setdefault("RECOMPILER_TRUST", os.path.join(IMAGES, "trust"))
    os.environ["RECOMPILER_STATE_DIR"] = os.path.join(WORK, "state")
    os.environ["RECOMPILER_CACHE_DIR"] = os.path.join(WORK, "cache")
    for program in ("recompiler", "recompiler-compile"):
        if not os.access(os.path.join(BUILD, program), os.X_OK):
            sys.exit(f"bench: {BUILD}/{program} is missing: make")
    return options, options.quick or os.environ.get("BENCH_QUICK", "") not in ("", "0")


def bench_begin(description):
    """Arguments, folders, environment: (is it --quick?, --only)."""
    options, quick = bench_options(bench_parser(description))
    return quick, options.only


def command_run(command, what):
    """A step of preparation: silent when it works."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench: {what}: {' '.join(command)}: {done.stderr[-2000:]}")
    return done.stdout


def is_newer(path, sources):
    """True when path is there and no source was changed after it was made."""
    return os.path.exists(path) and all(os.path.getmtime(path) > os.path.getmtime(source) for source in sources)


def image_prepare(image):
    command_run([RECOMPILER, "prepare", image], "compiling (once)")
    return image


def image_replace(image, command, what):
    """Builds an image in place of an older one: `recompiler build` never overwrites."""
    if os.path.exists(image):
        os.unlink(image)
    command_run([*command, image], what)


def serial_now():
    """An image that is built anew under its old name needs a higher serial: rollback is refused."""
    return ["--serial", str(int(time.time()))]


def toolbox_image():
    """The toolbox image, verified and compiled."""
    image = os.environ.get("IMAGE", os.path.join(IMAGES, "toolbox.tar"))
    if subprocess.run([RECOMPILER, "verify", image], capture_output=True, check=False).returncode != 0:
        image = os.path.join(WORK, "toolbox.tar")
        recipe = os.path.join(IMAGES, "toolbox/recipe.json")
        modules = os.path.join(IMAGES, "toolbox/modules")
        sources = [recipe, RECOMPILER] + [os.path.join(modules, name) for name in os.listdir(modules)]
        if not is_newer(image, sources):
            image_replace(image, [RECOMPILER, "build", "--recipe", recipe, "--name", "example.org/bench-toolbox", *serial_now(), "--sign-with", KEY],
                          "building the toolbox image")
    return image_prepare(image)


def padded_image(image, size_mib):
    """The toolbox with a file of random bytes, so that the archive has about size_mib MiB: the same programs and megabinary."""
    padded = os.path.join(WORK, f"toolbox-{size_mib}m.tar")
    if not is_newer(padded, [image, RECOMPILER]):
        root = os.path.join(WORK, "padded")
        shutil.rmtree(root, ignore_errors=True)
        os.makedirs(root)
        command_run(["cp", "-a", ROOTFS, os.path.join(root, "rootfs")], "copying the root file system")
        with open(os.path.join(root, "rootfs/padding"), "wb") as file:
            for _ in range(max(1, size_mib - (os.path.getsize(image) >> 20))):
                file.write(os.urandom(1 << 20))
        with open(os.path.join(IMAGES, "toolbox/recipe.json"), encoding="utf-8") as file:
            recipe = json.load(file)
        recipe.update(name="example.org/padded", serial=int(time.time()))
        with open(os.path.join(root, "recipe.json"), "w", encoding="utf-8") as file:
            json.dump(recipe, file)
        os.symlink(os.path.join(IMAGES, "toolbox/modules"), os.path.join(root, "modules"))
        image_replace(padded, [RECOMPILER, "build", "--recipe", os.path.join(root, "recipe.json"), "--sign-with", KEY], "building the padded image")
        shutil.rmtree(root)
    return image_prepare(padded)


def image_build(name, programs, extra_files=()):
    """A signed image of WORK/NAME.tar from {path: (module, bytes of the file or None for the module itself)}; compiled."""
    image = os.path.join(WORK, name + ".tar")
    modules = [module for module, _ in programs.values()]
    if not is_newer(image, [RECOMPILER, *modules, *extra_files]):
        root = os.path.join(WORK, name + "-root")
        shutil.rmtree(root, ignore_errors=True)
        os.makedirs(os.path.join(root, "tmp"))
        command = [RECOMPILER, "build", "--from", root, "--name", "example.org/" + name, *serial_now(), "--sign-with", KEY]
        for path, (module, content) in programs.items():
            os.makedirs(root + os.path.dirname(path), exist_ok=True)
            if content is not None:
                with open(root + path, "wb") as file:
                    file.write(content)
                os.chmod(root + path, 0o755)
            command += ["--program", f"{path}={module}"]
        image_replace(image, command, f"building the image {name}")
        shutil.rmtree(root)
    return image_prepare(image)
