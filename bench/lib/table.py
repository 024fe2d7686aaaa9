# SPDX-License-Identifier: Apache-2.0
"""Results: one row a case, printed as a table and written to build/bench/NAME.json (interfaces.md section 4).

`ratio` > 1 always means that ours is better, whatever the unit. p50 and p99 are ours, peer_p50 and peer_p99 the peer's;
`ours` and `peer` are the medians that the ratio is made of. `load` is the machine's load average when the row was made. `left_out`, in the first row of
a case: {peer: why it has no row of it}.
"""

import json
import os

from .place import RESULTS
from .timing import BenchError, geomean, percentile


class Table:
    def __init__(self, name, quick):
        self.name = name
        self.quick = quick
        self.rows = []
        self.left_out = {}  # {(case, peer): reason}

    def add(self, case, ours, peer, peer_name, unit, better="lower", target=None):
        """ours, peer: lists of samples, already in `unit`."""
        ours_mid, peer_mid = percentile(ours, 50), percentile(peer, 50)
        ratio = (peer_mid / ours_mid if better == "lower" else ours_mid / peer_mid) if ours_mid and peer_mid else 0.0
        row = {"case": case, "ours": ours_mid, "peer": peer_mid, "peer_name": peer_name, "ratio": ratio, "unit": unit, "better": better,
               "p50": ours_mid, "p99": percentile(ours, 99), "peer_p50": peer_mid, "peer_p99": percentile(peer, 99), "runs": len(ours),
               "load": os.getloadavg()[0], "quick": self.quick}
        if target is not None:
            row["target"] = target
        self.rows.append(row)
        self._print_row(row)
        return ratio

    def add_geomean(self, case, ratios, peer_name, of=None):
        """One row for many cases: ours is 1, the peer is the geometric mean of the ratios, which are of `of` cases when the peer has not all."""
        count = str(len(ratios)) if of in (None, len(ratios)) else f"{len(ratios)} of {of}"
        return self.add(f"geomean {case}", [1.0], [geomean(ratios)], peer_name, f"relative time, {count} cases")

    def leave_out(self, case, peer_name, reason):
        """A peer has no row of this case: printed, and written into the case's first row as left_out: {peer: reason}."""
        self.left_out[case, peer_name] = reason
        print(f"{self.name}: left out: {case}, {peer_name}: {reason}", flush=True)

    def _left_out_write(self):
        for (case, peer_name), reason in self.left_out.items():
            row = next((row for row in self.rows if row["case"] == case), None)
            if row is None:
                raise BenchError(f"{case}: no row that could say that {peer_name} is left out ({reason})")
            row.setdefault("left_out", {})[peer_name] = reason

    def _print_row(self, row):
        if len(self.rows) == 1:
            print(f"{'case':<42} {'ours p50':>10} {'p99':>10} {'peer p50':>10} {'p99':>10} {'ratio':>7}  unit, peer", flush=True)
        print(f"{row['case']:<42} {number(row['p50']):>10} {number(row['p99']):>10} {number(row['peer_p50']):>10} "
              f"{number(row['peer_p99']):>10} {row['ratio']:>7.2f}  {row['unit']}, {row['peer_name']}", flush=True)

    def write(self):
        os.makedirs(RESULTS, exist_ok=True)
        path = os.path.join(RESULTS, self.name + ".json")
        self._left_out_write()
        rows = [{key: round(value, 6) if isinstance(value, float) else value for key, value in row.items()} for row in self.rows]
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
            file.write("\n")
        os.replace(path + ".new", path)
        busy = max(row["load"] for row in rows)
        print(f"{self.name}: {len(rows)} cases -> {os.path.relpath(path)}; ratio > 1: ours is better"
              + (f"; load average up to {busy:.1f} on {os.cpu_count()} CPUs" if busy > os.cpu_count() else "")
              + ("; --quick: too few runs to publish" if self.quick else ""))


def number(value):
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"
