"""Huge pages: they keep the template's memory in fewer pages, so that a fork has less to copy.

A fork copies one entry for each page of 4 KiB, and the end of the child drops it again: for a program that has imported
many modules, this is most of what a fork costs. A huge page has 2 MiB and one entry. When either process writes to it,
only the 4 KiB around that place are copied, and the kernel still handles the rest of it in one go.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Final

HUGE_PAGE: Final = 2 << 20
#: The most memory that is put into huge pages: the process gets a copy of what it has shared with its parent.
MOST: Final = 128 << 20

_MADV_COLLAPSE: Final = 25
_libc = ctypes.CDLL(None)


def use_huge_pages() -> int:
    """Put the memory of this process's objects into huge pages, and return how many were made.

    Nothing else changes. It takes some milliseconds for each. None is made if the kernel can't (Linux before 6.1, other
    systems), may not (``transparent_hugepage`` is ``never``), or has no memory for it; nor of a piece of memory that
    does not fill a huge page.
    """
    if sys.platform != "linux":
        return 0
    made = 0
    for address in _addresses(Path("/proc/self/maps").read_text())[: MOST // HUGE_PAGE]:
        advised = _libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(HUGE_PAGE), _MADV_COLLAPSE)
        made += advised == 0
    return made


def _addresses(maps: str) -> list[int]:
    """Return where huge pages could begin, by the text of ``/proc/PID/maps``: in private memory without a file."""
    addresses: list[int] = []
    for line in maps.splitlines():
        limits, rights, _, _, inode, *name = line.split(None, 5)
        if rights == "rw-p" and inode == "0" and name in ([], ["[heap]"]):
            start, end = (int(limit, 16) for limit in limits.split("-"))
            first = -(-start // HUGE_PAGE) * HUGE_PAGE
            addresses += range(first, end - HUGE_PAGE + 1, HUGE_PAGE)
    return addresses
