# SPDX-License-Identifier: Apache-2.0
"""What every benchmark shares: timing.py (processes, alternation, percentiles), place.py (where things are, images to
measure with), table.py (the table on the terminal and build/bench/NAME.json). Not a benchmark itself."""
