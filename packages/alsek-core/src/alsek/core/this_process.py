"""The number of this process, without a system call.

Python's hooks of forks are not enough: uWSGI forks its workers without calling them. So a page of memory tells of a
fork, which the kernel gives to each child filled with zeros. (An emulation of Linux may promise that and not do it: so
the hooks are used too.)
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from typing import Final

#: ``MADV_WIPEONFORK``, of Linux 4.14. Python has no name for it.
_WIPE_ON_FORK: Final = 18


class _ThisProcess:
    """Where it is kept. Without such a page, the kernel is asked each time."""

    __slots__ = ("_page", "_pid")

    def __init__(self) -> None:
        self._page = _wiped_page()
        self._pid = self.look()

    @property
    def pid(self) -> int:
        """The number of this process, also right after a fork that Python does not know of."""
        return self._pid if self._page[0] else self.look()

    def look(self) -> int:
        """Ask the kernel, and return the number."""
        self._pid = os.getpid()
        if len(self._page) > 1:
            self._page[0] = 1  # last: until then other threads look too
        return self._pid


def _wiped_page() -> bytearray | mmap.mmap:
    """Return a page that is filled with zeros in a forked child; one zero that stays, if there are no such pages."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError):
            page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            page.madvise(_WIPE_ON_FORK)
            return page
    return bytearray(1)


this_process: Final = _ThisProcess()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=this_process.look)
