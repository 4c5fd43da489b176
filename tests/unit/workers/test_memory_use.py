"""How much memory a process uses."""

from __future__ import annotations

import mmap

from alsek.core.worker.group.memory_use import resident_mib


def test_memory_in_use_is_counted() -> None:
    """Sixty-four more MiB that were written to show as about that many."""
    before = resident_mib()
    # A mapping of its own: the allocator could give memory that this process has touched before.
    with mmap.mmap(-1, 64 * 2**20) as block:
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1
        assert 40 <= resident_mib() - before <= 90
