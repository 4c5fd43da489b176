"""What the dead letter of a record says that a store can't read."""

from __future__ import annotations

import json

from alsek.exceptions import CorruptMessageError
from alsek.storage.backends.records import Corrupt


def error_details(corrupt: Corrupt) -> bytes:
    """Return the error of such a dead letter: :class:`alsek.types.ExceptionDetails` as UTF-8 JSON."""
    details = {"name": CorruptMessageError.__name__, "text": corrupt.reason, "traceback": None}
    return json.dumps(details).encode()
