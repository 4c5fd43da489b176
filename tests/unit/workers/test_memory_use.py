"""How much memory a process uses."""

from __future__ import annotations

from alsek.core.worker.group.memory_use import resident_mib


def test_memory_in_use_is_counted() -> None:
    """Sixty-four more MiB that were written to show as about that many."""
    before = resident_mib()
    block = bytearray(b"x") * (64 * 2**20)
    assert 40 <= resident_mib() - before <= 90
    assert len(block) == 64 * 2**20
