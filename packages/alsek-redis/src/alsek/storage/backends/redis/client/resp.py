"""Encodes commands in the protocol of Redis (RESP)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

Argument: TypeAlias = bytes | str | int


def to_bytes(argument: Argument) -> bytes:
    """An argument as bytes."""
    if isinstance(argument, bytes):
        return argument
    return argument.encode() if isinstance(argument, str) else b"%d" % argument


def encode_all(arguments: Iterable[bytes]) -> bytes:
    """Encoded arguments without the count that a command begins with, so that a part of a command can be kept."""
    return b"".join([b"$%d\r\n%b\r\n" % (len(argument), argument) for argument in arguments])


def encode(arguments: Sequence[Argument]) -> bytes:
    """A whole command, encoded."""
    return b"*%d\r\n" % len(arguments) + encode_all(to_bytes(argument) for argument in arguments)
