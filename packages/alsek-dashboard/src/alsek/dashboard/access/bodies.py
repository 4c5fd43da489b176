"""Reads the forms that browsers send."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

#: More bytes than any form of a dashboard has.
_MOST: Final = 64 * 1024
_MOST_FIELDS: Final = 50


async def form_of(request: Request) -> dict[str, str] | None:
    """Return the fields of a form; None if it is too large, or is none."""
    if (
        request.headers.get("content-type", "").partition(";")[0].strip()
        != "application/x-www-form-urlencoded"
    ):
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST:
            return None
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return None
