"""Filling the holes in the template's memory, so that what its children make lies close together.

Python keeps small objects in *pools* of 16 KiB, each for objects of one size. Imports leave holes in many of them. A
child that makes an object of some size writes to the head of a pool and to a hole in it, mostly on two pages, and the
kernel copies both. In a fresh pool the head and the first places are on one page. So the template fills the holes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

#: Of CPython since 3.10. If it is another number one day, some memory is used for nothing, and that is all.
_POOL: Final = 16 << 10
#: A pool's first object is not further from its start than this.
_HEAD: Final = 64
#: Sizes are multiples of this, up to the largest.
_STEP, _LARGEST = 16, 512
#: The most bytes that objects of one size are given. Holes hold less, and another allocator may have no pools.
_MOST: Final = 256 << 10
#: How large ``bytes`` are beside what they hold.
_EMPTY: Final = sys.getsizeof(b"")


def fill_holes() -> list[object]:
    """Make objects of each size until the next ones come from a fresh pool. Returns them: they are to be kept."""
    made: list[object] = []
    for size in range(_STEP, _LARGEST + 1, _STEP):
        make = _maker(size)
        before = 0
        for _ in range(_MOST // size):
            each = make()
            made.append(each)
            place = id(each)
            # The second place of a pool, right after the first: nothing of it was in use.
            if place - before == size and before % _POOL <= _HEAD:
                break
            before = place
    return made


def _maker(size: int) -> Callable[[], object]:
    """Return what makes an object of this size."""
    if size == _STEP:
        return object
    if size < _EMPTY + 2:  # shorter bytes are made once only
        return lambda: float(size)
    return lambda: bytes(size - _EMPTY)
