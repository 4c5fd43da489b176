"""The template fills the holes in its memory before it forks."""

from __future__ import annotations

import os
import sys

import pytest

from alsek.core.worker.process_executor import memory_holes
from alsek.core.worker.process_executor.memory_holes import fill_holes

PAGE = 4096


@pytest.mark.skipif("PYTHONMALLOC" in os.environ, reason="another allocator has no pools")
def test_what_is_made_next_lies_on_the_first_page_of_a_pool() -> None:
    """A child that makes an object has the kernel copy one page: that with the pool's head and the object."""
    child = os.fork()
    if not child:
        try:
            holes = [bytes(each % 480) for each in range(4_000)]
            del holes[::3]
            kept = fill_holes()
            made = [bytes(size) for size in range(100, 480, 100)]
            os._exit(not kept or any(id(each) % memory_holes._POOL >= PAGE for each in made))
        finally:
            os._exit(70)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_memory_without_pools_is_filled_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the allocator is another one, no more than that is used for nothing."""
    monkeypatch.setattr(memory_holes, "_HEAD", -1)  # no object is ever found at the head of a pool
    kept = fill_holes()
    sizes = memory_holes._LARGEST // memory_holes._STEP
    assert memory_holes._MOST < sum(map(sys.getsizeof, kept)) <= sizes * memory_holes._MOST
