"""Time zones as text: the name of a zone, or a fixed offset from UTC."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Any, Final

from alsek.core.short_repr import shown
from alsek.exceptions import ValidationError

_OFFSET: Final = re.compile(r"([+-])(\d\d):(\d\d)(?::(\d\d))?")


def zone_to_text(zone: tzinfo, where: str) -> str:
    """Return the name of a time zone (``Europe/Berlin``, ``UTC``), or its offset (``+05:30``).

    Args:
        zone: The zone: of ``zoneinfo``, ``datetime`` or ``pytz``, for example.
        where: What has it, for the error.

    Raises:
        ValidationError: It has neither a name that can be found again, nor a fixed offset.
    """
    given: Any = zone
    for name in (getattr(given, "key", None), getattr(given, "zone", None)):
        if isinstance(name, str) and _is_known(name):
            return name
    offset: Any = None
    with suppress(Exception):  # a class of the user's may raise anything
        offset = given.utcoffset(None)
    if not isinstance(offset, timedelta) or offset % timedelta(seconds=1):
        raise ValidationError(
            f"{where}: its time zone {shown(zone)} has no name under which other machines find it: give one that has, "
            "such as timezone='Europe/Berlin', or one of a fixed offset, such as datetime.timezone.utc"
        )
    return _offset_to_text(offset)


def zone_from_text(text: str) -> tzinfo:
    """Return the time zone of which :func:`zone_to_text` made this.

    Raises:
        ValueError: This machine knows no zone of this name.
    """
    # Imported here: few programs need time zones.
    from zoneinfo import ZoneInfo

    if text == "UTC":
        return UTC
    parts = _OFFSET.fullmatch(text)
    if parts is not None:
        sign, hours, minutes, seconds = parts.groups(default="0")
        offset = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds))
        return timezone(-offset if sign == "-" else offset)
    try:
        return ZoneInfo(text)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(
            f"this machine knows no time zone {text!r}: install its data, say by 'pip install tzdata'"
        ) from error


def _is_known(name: str) -> bool:
    try:
        zone_from_text(name)
    except ValueError:
        return False
    return True


def _offset_to_text(offset: timedelta) -> str:
    if not offset:
        return "UTC"
    total = int(offset.total_seconds())
    minutes, seconds = divmod(abs(total), 60)
    text = f"{'-' if total < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{seconds:02}" if seconds else text
