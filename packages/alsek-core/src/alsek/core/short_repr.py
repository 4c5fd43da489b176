"""Values in the text of an error: short, and never an error themselves."""

from __future__ import annotations

import reprlib
from typing import Any

#: Python refuses to write out integers of more than 4,300 digits; one of this many bits has 309 already.
_MOST_BITS = 1024


class _Repr(reprlib.Repr):
    """As the standard library's, for integers of any size, too."""

    def repr_int(self, x: int, level: int) -> str:
        """Write out what can be read; of the rest, its size."""
        if x.bit_length() > _MOST_BITS:
            return f"an integer of {x.bit_length()} bits"
        return super().repr_int(x, level)


_repr = _Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = 100


def shown(value: Any) -> str:
    """`value` as its ``repr`` shows it, shortened. A value whose ``repr`` raises is shown by its type."""
    return _repr.repr(value)
