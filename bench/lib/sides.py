# SPDX-License-Identifier: Apache-2.0
"""Runs the sides of a module (bench/lib/peers.py) in turn; a peer whose process ends badly is tried again and then left out, never silently."""

from . import timing

PEER_TRIES = 3


class PeerDied(Exception):
    """A peer's process ended badly PEER_TRIES times; the text tells of the last."""


def kernel_run(command, which, rounds, checks):
    """{kernel: milliseconds} of one process; each checksum must be the one seen first."""
    times = {}
    for line in timing.output_of([*command, which, str(rounds)]).decode().splitlines():
        name, check, microseconds = line.split()
        if check == "0" or checks.setdefault(name, check) != check:
            raise timing.BenchError(f"kernel {name}: checksum {check} of {command[0]}, not {checks.get(name)}")
        times[name] = int(microseconds) / 1e3
    return times


def peer_run(side, command, which, rounds, checks):
    """kernel_run. Ours and native must work; a peer has PEER_TRIES (node 20 dies at times). A wrong checksum is always an error."""
    if side == "ours" or side.startswith("native"):
        return kernel_run(command, which, rounds, checks)
    for left in range(PEER_TRIES - 1, -1, -1):
        try:
            return kernel_run(command, which, rounds, checks)
        except timing.ProcessError as error:
            told = " ".join(str(error)[len(" ".join(command)):].split())
            print(f"engine: {side}, {which}: {told[-160:]}: {'again' if left else f'{PEER_TRIES} times'}", flush=True)
            if left == 0:
                raise PeerDied(f"died {PEER_TRIES} times in one run, last with {told[told.find('exit status'):][:100]}") from error
    raise AssertionError


def measure(sides, parts, runs, rounds, checks):
    """({(kernel, side): [milliseconds]}, {(kernel, side): reason}) of all sides, in turn. parts: {argument: kernels that it runs}; what a peer
    dies in is left out with what it had measured of it before."""
    samples, dead = {}, {}

    def side_run(side):
        for part, kernels in parts.items():
            if (side, part) in dead:
                continue
            try:
                times = peer_run(side, sides[side], part, rounds, checks)
            except PeerDied as died:
                dead[side, part] = str(died)
                continue
            for kernel in kernels:
                samples.setdefault((kernel, side), []).append(times[kernel])

    timing.alternate([lambda side=side: side_run(side) for side in sides], runs, warm_up=0)
    left_out = {(kernel, side): reason for (side, part), reason in dead.items() for kernel in parts[part]}
    return {key: times for key, times in samples.items() if key not in left_out}, left_out
