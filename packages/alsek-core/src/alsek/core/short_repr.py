"""Short texts of values for error messages; making one never raises."""

from __future__ import annotations

import reprlib
from typing import Any

#: Python refuses to write out integers of more than 4,300 digits; one of this many bits has 309 already.
_MOST_BITS = 1024


class _Repr(reprlib.Repr):
    """Like the standard library's, and for integers of any size."""

    def repr_int(self, x: int, level: int) -> str:
        """Return the digits of an integer, or its size if it has too many."""
        if x.bit_length() > _MOST_BITS:
            return f"an integer of {x.bit_length()} bits"
        return super().repr_int(x, level)


_repr = _Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = 100


def shown(value: Any) -> str:
    """Return the shortened ``repr`` of `value`, or its type if the ``repr`` raises."""
    return _repr.repr(value)
