# SPDX-License-Identifier: Apache-2.0
"""Timing: whole processes by posix_spawn and wait4 (no Python between the two clock readings but one call), sides in turn.

Alternation A B A B keeps what drifts (clock rate, page cache, other load) from favouring one side. Medians, because a
shared machine has outliers on one side only: upwards.
"""

import math
import os
import subprocess
import time

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/root", "LC_ALL": "C", "TZ": "UTC0"}


class BenchError(Exception):
    """A measured command did not do what it should: nothing it took time for may be reported."""


class ProcessError(BenchError):
    """A process ended in another way than it should have: a crash, a trap, an error of its own."""


def environment_make(extra=None):
    """What a measured process gets: nothing of the caller's but what names the recompiler's folders."""
    environment = dict(ENVIRONMENT)
    environment.update({name: value for name, value in os.environ.items() if name.startswith("RECOMPILER_")})
    environment.update(extra or {})
    return environment


def process_time(command, status=0, environment=None, null=None):
    """Nanoseconds from before the spawn to after the wait; standard streams are /dev/null. Raises on another exit status."""
    environment = environment or environment_make()
    null = null if null is not None else _null_descriptor()
    actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
    start = time.perf_counter_ns()
    pid = os.posix_spawn(command[0], command, environment, file_actions=actions)
    _, state, _ = os.wait4(pid, 0)
    took = time.perf_counter_ns() - start
    if os.waitstatus_to_exitcode(state) != status:
        raise BenchError(f"{' '.join(command)[:300]}: exit status {os.waitstatus_to_exitcode(state)}, expected {status}")
    return took


def process_usage(command):
    """(seconds, resource usage with that of its children) of one run; its output is shown when it fails."""
    start = time.perf_counter_ns()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment_make()) as child:
        text = child.stdout.read()
        _, state, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(state)
    if child.returncode != 0:
        raise BenchError(f"{' '.join(command)}: exit status {child.returncode}: {text.decode(errors='replace')[-500:]}")
    return (time.perf_counter_ns() - start) / 1e9, usage


def output_of(command, status=0):
    """Standard output of a command; for comparing sides before they are timed."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=environment_make(), check=False)
    if done.returncode != status:
        raise ProcessError(f"{' '.join(command)[:300]}: exit status {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    return done.stdout


def outputs_compare(commands):
    """Every side must print the same: a fast wrong answer is not a result."""
    outputs = [output_of(command) for command in commands]
    for command, output in zip(commands, outputs):
        if output != outputs[0]:
            raise BenchError(f"{' '.join(command)[:200]}: prints {output[:200]!r}, not {outputs[0][:200]!r}")


def alternate(sides, runs, warm_up=1):
    """[[value of each run] of each side]: the sides are called in turn, `runs` times, after `warm_up` turns not counted."""
    samples = [[] for _ in sides]
    for turn in range(warm_up + runs):
        for index, side in enumerate(sides):
            value = side()
            if turn >= warm_up:
                samples[index].append(value)
    return samples


def percentile(samples, percent):
    """Nearest rank: an observed value, never one between two."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def geomean(values):
    return math.exp(sum(math.log(value) for value in values) / len(values))


def _null_descriptor(cache=[]):
    if not cache:
        cache.append(os.open("/dev/null", os.O_RDWR))
    return cache[0]
