"""Where the names of a store with several partitions are.

Each name has a *location*, a number of 16 bits. That of a UUID is its last four hexadecimal digits, which are random in
what Alsek makes; that of any other name is a checksum of it, or of its *tag*: the text between its first ``{`` and the
``}`` after it, if there is any. A store divides the locations into as many equal parts as it has partitions. So what
has one location is together, however many partitions there are.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from typing import Final

#: How many locations there are.
LOCATIONS: Final = 1 << 16

#: The most partitions of a store.
MOST_PARTITIONS: Final = 1024

_UUID: Final = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def location_of(name: str) -> int:
    """Return the location of a message, a group, a key, a lock, a schedule or a value by its name."""
    if len(name) == 36 and _UUID.fullmatch(name):
        return int(name[-4:], 16)
    return crc_hqx(_tag_of(name).encode("utf-8", "surrogatepass"), 0)


def at_location(uuid: str, location: int) -> str:
    """Return a UUID like this one at a location. It stays a UUID, of the same version, variant and time."""
    return f"{uuid[:-4]}{location:04x}"


def partition_of(location: int, partitions: int) -> int:
    """Return the number of the partition that has a location."""
    return location * partitions // LOCATIONS


def _tag_of(name: str) -> str:
    _, opened, rest = name.partition("{")
    tag, closed, _ = rest.partition("}")
    return tag if opened and closed and tag else name
