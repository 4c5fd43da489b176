"""The scenarios; importing this registers all of them."""

from __future__ import annotations

from tests.chaos.scenarios import disk, load, outages, processes
from tests.chaos.scenarios import network as wire

__all__ = ["disk", "load", "outages", "processes", "wire"]
