"""The commands after which a worker is told of the messages of one partition (``scripts/hear.lua``)."""

from __future__ import annotations

from typing import NamedTuple

from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.records import Worker
from alsek.storage.backends.redis.client.resp import encode
from alsek.storage.backends.redis.client.script import ScriptCall
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.wakeup.waiter import token_lists


class SubscribeCommands(NamedTuple):
    """The channel of a sleeper in a partition, and packed commands.

    Attributes:
        channel: On which it is told.
        subscribe: Subscribes to it.
        hear: Says that it is to be told, if there is no token for it.
        hear_by_text: The same for a server that does not know the script yet.
    """

    channel: bytes
    subscribe: bytes
    hear: bytes
    hear_by_text: bytes


def subscribe_commands(
    keys: Keys, worker: Worker, slot: SlotKind | None, script: ScriptCall
) -> SubscribeCommands:
    """Those of a worker, or of its slots of one kind, in the partition that has these keys."""
    sleeper = worker.id if slot is None else f"{worker.id}:{slot}"
    channel = keys.told(sleeper).encode()
    lists = (name.encode() for name in token_lists(keys, worker, slot))
    hear, by_text = script.packed(sleeper.encode(), *lists)
    return SubscribeCommands(channel, encode(("SSUBSCRIBE", channel)), hear, by_text)
