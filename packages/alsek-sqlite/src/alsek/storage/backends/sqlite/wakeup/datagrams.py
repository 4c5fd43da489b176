"""The datagrams that processes of one store send each other."""

from __future__ import annotations

import sys
from typing import Final

#: A datagram's first byte. A note carries published data, or the id of the row of the table `spool` that has it. LOOK
#: tells a subscriber that a note was lost, and WAKE wakes a sleeping worker; these two are whole datagrams.
NOTE, SPOOLED, LOOK, WAKE = b"N", b"S", b"?", b"!"

#: The most data of a note; macOS takes datagrams of 2,048 bytes, Linux of over 200,000.
MOST_DATA: Final = 60_000 if sys.platform == "linux" else 1_500

#: No datagram is larger.
LARGEST: Final = 262_144


def pack(kind: bytes, namespace: bytes, channel: str, data: bytes) -> bytes:
    """Return a datagram with a note."""
    name = channel.encode("utf-8", "surrogatepass")
    return b"".join((kind, namespace, len(name).to_bytes(4, "little"), name, data))


def unpack(datagram: bytes) -> tuple[bytes, bytes, str, bytes]:
    """Return what :func:`pack` was given: kind, namespace, channel, data."""
    length = int.from_bytes(datagram[9:13], "little")
    name = datagram[13 : 13 + length].decode("utf-8", "surrogatepass")
    return datagram[:1], datagram[1:9], name, datagram[13 + length :]
