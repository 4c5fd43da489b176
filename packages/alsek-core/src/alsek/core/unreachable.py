"""Which callbacks will not be submitted, since a message before them has failed for good.

The store notes it for each, so that whoever waits for one of them learns of it at once. Only the next ones are noted:
a chain may be very long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, Final

from alsek.core.callbacks import Data
from alsek.core.message import Message
from alsek.core.plain_messages import with_callbacks
from alsek.exceptions import CorruptMessageError

#: For how many callbacks of one message it is noted.
MOST_UNREACHABLE: Final = 1_000


def after_message(message: Message) -> tuple[str, ...]:
    """Return the uuids of all that would follow a success of a message, the next callback first.

    These are its callbacks, and the ids of groups with all that is in these. Left out are those after a block of
    callbacks that can't be read; and failure callbacks, since several messages may have the same one.
    """
    found: list[str] = []
    if message.chain is not None or message.branches is not None:
        with suppress(CorruptMessageError):
            found.extend(islice(_after(message), MOST_UNREACHABLE))
    return tuple(found)


def from_message(message: Message) -> tuple[str, ...]:
    """Return the uuid of a message, and those of all that would follow it: as :func:`after_message`."""
    return (message.uuid, *after_message(message)[: MOST_UNREACHABLE - 1])


def _after(message: Message) -> Iterator[str]:
    for link in () if message.chain is None else message.chain.links():
        yield link["uuid"]
        yield from _in_branches(link.get("branches"))
    if message.chain is None:  # else the last of the chain has the group
        yield from _in_branches(message.branches)


def _in_message(data: Data) -> Iterator[str]:
    for link in with_callbacks(data):
        yield link["uuid"]
        yield from _in_branches(link.get("branches"))


def _in_branches(branches: Data | None) -> Iterator[str]:
    if branches is not None and "group" in branches:
        yield from _in_group(branches["group"])


def _in_group(data: Data) -> Iterator[str]:
    yield data["id"]
    if data["callback"] is not None:
        yield from _in_message(data["callback"])
    for member in data["members"]:
        inner: Any = member.get("group")
        yield from _in_message(member) if inner is None else _in_group(inner)
