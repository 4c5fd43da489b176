"""How much memory this process uses."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def resident_mib() -> int:
    """Return the resident memory of this process (MiB); where the system does not tell, the most that it had."""
    try:
        statm = Path("/proc/self/statm").read_bytes()
        return int(statm.split()[1]) * resource.getpagesize() // 2**20
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak // (2**20 if sys.platform == "darwin" else 2**10)
