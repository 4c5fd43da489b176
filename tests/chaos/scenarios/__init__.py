"""The scenarios; importing this registers all of them."""

from __future__ import annotations

from tests.chaos.scenarios import (
    disk,
    failovers,
    groups,
    keys,
    load,
    long_work,
    outages,
    partitions,
    processes,
    schedules,
)
from tests.chaos.scenarios import network as wire

__all__ = [
    "disk",
    "failovers",
    "groups",
    "keys",
    "load",
    "long_work",
    "outages",
    "partitions",
    "processes",
    "schedules",
    "wire",
]
