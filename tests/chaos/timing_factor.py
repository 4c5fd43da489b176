"""How much more time to give on a busy machine: promises of seconds assume that processes run when they want to.

Not by the load average: that is the last minute's, and tells nothing of the next second.
"""

from __future__ import annotations


def stretched(seconds: float) -> float:
    """So many seconds on an idle machine; as long as it may take where ten processes want each processor."""
    return min(10 * seconds, seconds + 200)
