"""How much more time to give on a busy machine: promises of seconds assume that processes run when they want to."""

from __future__ import annotations

import os


def burden() -> float:
    """How many processes want each processor; at least 1, at most 10."""
    return min(max(os.getloadavg()[0] / (os.cpu_count() or 1), 1.0), 10.0)


def stretched(seconds: float) -> float:
    """So many seconds on an idle machine, and more on this one if it is busy."""
    return seconds * burden()
