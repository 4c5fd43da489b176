"""The template's memory is put into huge pages where the kernel does that."""

from __future__ import annotations

import os
import sys

import pytest

from alsek.core.worker.process_executor import huge_pages
from alsek.core.worker.process_executor.huge_pages import HUGE_PAGE, MOST, use_huge_pages

MAPS = """\
00400000-00800000 r-xp 00000000 fe:00 123   /usr/bin/python3.11
00800000-00c00000 rw-p 00400000 fe:00 123   /usr/bin/python3.11
00d00000-01300000 rw-p 00000000 00:00 0     [heap]
7f0000200000-7f0000600000 rw-p 00000000 00:00 0
7f0000700000-7f0000900000 rw-p 00000000 00:00 0
7f0000a00000-7f0000e00000 rw-s 00000000 00:01 99  /dev/zero (deleted)
7f0001000000-7f0001400000 ---p 00000000 00:00 0
7ffc00000000-7ffc00400000 rw-p 00000000 00:00 0     [stack]
"""


def test_only_aligned_pieces_of_private_memory_without_a_file_are_put_into_huge_pages() -> None:
    """The heap and the arenas of objects, as far as they fill huge pages: no file, no shared memory, no stack."""
    addresses = huge_pages._addresses(MAPS)  # the kernel's own answer differs from machine to machine
    assert addresses == [0x00E00000, 0x01000000, 0x7F0000200000, 0x7F0000400000]


def test_no_more_memory_is_put_into_huge_pages_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large program is not copied as a whole."""
    asked: list[int] = []

    class Kernel:
        def madvise(self, address: object, length: object, advice: int) -> int:
            asked.append(advice)
            return -1 if len(asked) == 1 else 0

    monkeypatch.setattr(huge_pages, "_libc", Kernel())
    monkeypatch.setattr(huge_pages, "_addresses", lambda maps: list(range(0, 2 * MOST, HUGE_PAGE)))
    monkeypatch.setattr(sys, "platform", "linux")
    assert use_huge_pages() == MOST // HUGE_PAGE - 1
    assert asked == [25] * (MOST // HUGE_PAGE)


def test_memory_keeps_what_it_holds() -> None:
    """A process whose memory was put into huge pages has the same objects, and so has its child."""
    before = [bytes([each % 256]) * 600 for each in range(20_000)]
    child = os.fork()
    if not child:
        try:
            use_huge_pages()
            grandchild = os.fork()
            if not grandchild:
                os._exit(before != [bytes([each % 256]) * 600 for each in range(20_000)])
            status = os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1])
            os._exit(status or before != [bytes([each % 256]) * 600 for each in range(20_000)])
        finally:
            os._exit(70)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
