"""The template fills the holes in its memory before it forks."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from alsek.core.worker.process_executor import memory_holes
from alsek.core.worker.process_executor.memory_holes import fill_holes

SCATTERED = """
from alsek.core.worker.process_executor import memory_holes

holes = [bytes(each % 480) for each in range(4_000)]
del holes[::3]
kept = memory_holes.fill_holes()
made = [bytes(size) for size in range(100, 480, 100)]
assert kept
assert all(id(each) % memory_holes._POOL < 4096 for each in made)
"""


@pytest.mark.skipif("PYTHONMALLOC" in os.environ, reason="another allocator has no pools")
def test_what_is_made_next_lies_on_the_first_page_of_a_pool() -> None:
    """A child that makes an object has the kernel copy one page: that with the pool's head and the object."""
    # In a process of its own: one that has run thousands of tests has more holes than are filled.
    subprocess.run([sys.executable, "-c", SCATTERED], check=True, timeout=240)


def test_memory_without_pools_is_filled_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the allocator is another one, no more than that is used for nothing."""
    monkeypatch.setattr(memory_holes, "_HEAD", -1)  # no object is ever found at the head of a pool
    kept = fill_holes()
    sizes = memory_holes._LARGEST // memory_holes._STEP
    assert memory_holes._MOST < sum(map(sys.getsizeof, kept)) <= sizes * memory_holes._MOST
