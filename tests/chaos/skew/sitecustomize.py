"""Put on the path of one worker: its wall clock is ``ALSEK_CHAOS_SKEW`` seconds off; the machine's is left alone."""

from __future__ import annotations

import os
import time

_skew = float(os.environ.get("ALSEK_CHAOS_SKEW", "0"))

if _skew:
    _time, _time_ns = time.time, time.time_ns
    time.time = lambda: _time() + _skew
    time.time_ns = lambda: _time_ns() + int(_skew * 1e9)
