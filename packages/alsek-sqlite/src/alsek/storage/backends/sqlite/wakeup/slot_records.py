"""What the registry says of each slot: for what a sleeping worker is woken, or to which channels a subscriber listens.

Layout of a record of :data:`RECORD` bytes: kind (1), lanes (1), number of queues (2), coroutines (1), 3 unused,
namespace (8), alarm (8), worker (8), then the queues as 8 bytes each, or a filter of channels. Names are written as
their hashes.

0.1.0 writes and reads these records too. It knows the kinds 0 to 2, and leaves `coroutines` at 0.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from alsek.storage.backends.kinds import SleeperKind

RECORD: Final = 1024

#: Where in a record the queues or the channels begin, and how many queues fit. More count as all queues.
_BODY: Final = 32
MOST_QUEUES: Final = (RECORD - _BODY) // 8
_FILTER_BITS: Final = (RECORD - _BODY) * 8

#: In place of the number of queues.
_ALL_QUEUES: Final = 0xFFFF
_TOO_MANY: Final = 0xFFFE

#: The kinds of sleepers as a record has them: its kind, and whether it sleeps for coroutines besides. None for a worker
#: that takes all messages.
_KINDS: Final[Mapping[tuple[SleeperKind, ...] | None, tuple[int, int]]] = {
    None: (0, 0),
    ("thread",): (1, 0),
    ("process",): (2, 0),
    ("thread-async",): (3, 0),
    ("thread", "thread-async"): (1, 1),
    ("process", "process-async"): (2, 1),
}
_READ_KINDS: Final[Mapping[tuple[int, int], tuple[SleeperKind, ...] | None]] = {
    number: kinds for kinds, number in _KINDS.items()
}

#: The alarm of a worker that expects no delayed message.
NO_ALARM: Final = 2**63 - 1


def name_hash(name: str) -> bytes:
    """Return eight bytes that stand for a name."""
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()


class SlotRecords:
    """The records of all slots.

    Args:
        memory: The mapped file.
        start: Where in it the records begin.
    """

    def __init__(self, memory: mmap.mmap, start: int) -> None:
        self._memory = memory
        self._start = start

    def describe_sleeper(
        self,
        slot: int,
        namespace: bytes,
        kinds: tuple[SleeperKind, ...] | None,
        queues: list[bytes] | None,
        lanes: int,
        alarm: int,
        worker: bytes,
    ) -> None:
        """Write for what a sleeping worker may be woken; each field has a method that reads it."""
        if queues is None:
            count, body = _ALL_QUEUES, b""
        elif len(queues) > MOST_QUEUES:
            count, body = _TOO_MANY, b""
        else:
            count, body = len(queues), b"".join(queues)
        kind, coroutines = _KINDS[kinds]
        head = bytes((kind, lanes)) + count.to_bytes(2, "little") + bytes((coroutines, 0, 0, 0))
        start = self._start + slot * RECORD
        self._memory[start : start + _BODY + len(body)] = (
            head + namespace + alarm.to_bytes(8, "little", signed=True) + worker + body
        )

    def namespace(self, slot: int) -> bytes:
        """The hash of the namespace."""
        start = self._start + slot * RECORD + 8
        return self._memory[start : start + 8]

    def kinds(self, slot: int) -> tuple[SleeperKind, ...] | None:
        """Of a sleeper: as which kinds it sleeps; None if it takes all messages."""
        start = self._start + slot * RECORD
        return _READ_KINDS.get((self._memory[start], self._memory[start + 4]), ())

    def lanes(self, slot: int) -> int:
        """Of a sleeper: 1 if it may take plain messages, 2 if suspects, 3 if both."""
        return self._memory[self._start + slot * RECORD + 1]

    def alarm(self, slot: int) -> int:
        """Of a sleeper: when it will wake by itself."""
        start = self._start + slot * RECORD + 16
        return int.from_bytes(self._memory[start : start + 8], "little", signed=True)

    def worker(self, slot: int) -> bytes:
        """Of a sleeper: the hash of the worker's id."""
        start = self._start + slot * RECORD + 24
        return self._memory[start : start + 8]

    def is_sure(self, slot: int) -> bool:
        """Of a sleeper: False if its queues did not fit, so that :meth:`takes_from` is only a guess."""
        return self._queue_count(slot) != _TOO_MANY

    def takes_from_all(self, slot: int) -> bool:
        """Of a sleeper: True if it takes from all queues and names none."""
        return self._queue_count(slot) == _ALL_QUEUES

    def _queue_count(self, slot: int) -> int:
        start = self._start + slot * RECORD + 2
        return int.from_bytes(self._memory[start : start + 2], "little")

    def takes_from(self, slot: int, queue: bytes) -> bool:
        """Of a sleeper: True if it takes from the queue with this hash."""
        start = self._start + slot * RECORD
        count = self._queue_count(slot)
        if count >= _TOO_MANY:
            return True
        body, end = start + _BODY, start + _BODY + 8 * count
        found = self._memory.find(queue, body, end)
        while found >= 0 and (found - body) % 8:
            found = self._memory.find(queue, found + 1, end)
        return found >= 0

    def describe_listener(self, slot: int, namespace: bytes, channels: list[bytes]) -> None:
        """Write which channels, by their hashes, a subscriber listens to: as a filter that also lets others through."""
        bits = bytearray(RECORD - _BODY)
        for channel in channels:
            place = int.from_bytes(channel, "little") % _FILTER_BITS
            bits[place >> 3] |= 1 << (place & 7)
        start = self._start + slot * RECORD
        self._memory[start : start + RECORD] = bytes(8) + namespace + bytes(16) + bytes(bits)

    def also_listen_to(self, slot: int, channel: bytes) -> None:
        """Add the channel with this hash to those of a subscriber."""
        place = int.from_bytes(channel, "little") % _FILTER_BITS
        self._memory[self._start + slot * RECORD + _BODY + (place >> 3)] |= 1 << (place & 7)

    def may_listen_to(self, slot: int, channel: bytes) -> bool:
        """Of a subscriber: False if it does not listen to the channel with this hash."""
        place = int.from_bytes(channel, "little") % _FILTER_BITS
        return bool(self._memory[self._start + slot * RECORD + _BODY + (place >> 3)] >> (place & 7) & 1)
