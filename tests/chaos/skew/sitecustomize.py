"""Put on the path of one worker: its wall clock is ``ALSEK_CHAOS_SKEW`` seconds off; the machine's is left alone.

If ``ALSEK_CHAOS_SKEW_FROM`` names a file, the clock jumps when that appears.
"""

from __future__ import annotations

import os
import time

_skew = float(os.environ.get("ALSEK_CHAOS_SKEW", "0"))
_from = os.environ.get("ALSEK_CHAOS_SKEW_FROM")


def _off() -> float:
    return _skew if _from is None or os.path.exists(_from) else 0.0  # noqa: PTH110 (imported by all that starts)


if _skew:
    _time, _time_ns = time.time, time.time_ns
    time.time = lambda: _time() + _off()
    time.time_ns = lambda: _time_ns() + int(_off() * 1e9)
