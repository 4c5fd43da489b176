"""The id of a submitting call, as it is kept in the header of each message that it submitted."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

_LONGEST: Final = 16


def request_id(request: str) -> bytes:
    """The id itself if it is short and has only letters and digits, else 72 bits of its digest."""
    name = request.encode()
    if len(name) <= _LONGEST and request.isalnum():
        return name
    return base64.urlsafe_b64encode(hashlib.blake2b(name, digest_size=9).digest())
