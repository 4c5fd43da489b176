"""The inspection port on Redis: what reads and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, cast

from alsek.storage.backends.batches import in_pieces
from alsek.storage.backends.history import MINUTE_MS, first_kept
from alsek.storage.backends.ports import InspectionPort
from alsek.storage.backends.ports.inspection import FRONT_PRIORITIES
from alsek.storage.backends.records import (
    Aside,
    DeadLetter,
    HistoryRow,
    Located,
    Pause,
    QueueTally,
    Stored,
    WorkerRecord,
)
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.script import CallMaker
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.ports.codec import dead_letter_from, stored_from
from alsek.storage.backends.redis.ports.inspection_codec import (
    aside_from,
    history_from,
    located_from,
    pause_from,
    tally_from,
    worker_from,
)
from alsek.storage.backends.states import MessageState

#: So many queues or minutes are read by one call of a script.
_QUEUES_BATCH: Final = 1_000
_HISTORY_BATCH: Final = 360


class RedisInspection(InspectionPort):
    """Reads messages, queues, dead letters, workers and counts.

    Args:
        link: To the server.
        keys: The names of the keys.
        make_call: Makes the call of a script.
    """

    def __init__(self, link: Link, keys: Keys, make_call: CallMaker) -> None:
        self._link = link
        self._keys = keys
        self._now = make_call("now")
        self._get = make_call("get")
        self._find = make_call("find")
        self._find_dead = make_call("find_dead")
        self._place = make_call("place")
        self._tallies = make_call("tallies")
        self._fronts = make_call("fronts")
        self._pauses = make_call("pauses")
        self._aside = make_call("aside")
        self._worker_records = make_call("worker_records")
        self._history = make_call("history")
        self._browse = make_call("browse")
        self._dead_letter = make_call("dead_letter")
        self._dead_letters = make_call("dead_letters")
        self._dead_queues = make_call("dead_queues")

    def now(self) -> int:
        return int(self._now())

    def get(self, queue: str, uuid: str) -> Stored | None:
        reply = self._get(queue.encode(), uuid.encode())
        return None if reply is None else stored_from(uuid, _state(reply[0]), reply[1])

    def exists(self, queue: str, uuid: str) -> bool:
        return self._get(queue.encode(), uuid.encode()) is not None

    def find(self, uuid: str) -> Located | None:
        reply = self._find(uuid.encode())
        return None if reply is None else located_from(uuid, reply)

    def find_dead(self, uuid: str) -> list[DeadLetter]:
        reply = self._find_dead(uuid.encode())
        letters = (dead_letter_from(uuid, reply[i].decode(), reply[i + 1]) for i in range(0, len(reply), 2))
        return sorted(letters, key=lambda letter: letter.queue)

    def place(self, queue: str, uuid: str, most: int) -> int | None:
        before = self._place(queue.encode(), uuid.encode(), b"%d" % most)
        return None if before is None else int(before)

    def tallies(self, queues: Sequence[str] | None = None) -> list[QueueTally]:
        if queues is None:
            names = {*self.queues(), *self.dead_queues(), *(pause.queue for pause in self.pauses())}
            queues = sorted(names)
        found: list[QueueTally] = []
        for batch in in_pieces(queues, _QUEUES_BATCH):
            counts = self._tallies.run([queue.encode() for queue in batch])
            found += map(tally_from, batch, counts)
        return found

    def fronts(self, queues: Sequence[str]) -> list[Stored]:
        found: list[Stored] = []
        for batch in in_pieces(queues, _QUEUES_BATCH):
            reply = self._fronts(b"%d" % FRONT_PRIORITIES, *(queue.encode() for queue in batch))
            found += (stored_from(reply[i].decode(), "ready", reply[i + 1]) for i in range(0, len(reply), 2))
        return found

    def workers(self) -> list[WorkerRecord]:
        return sorted(map(worker_from, self._worker_records()))

    def pauses(self) -> list[Pause]:
        found = iter(self._pauses())
        return sorted(pause_from(queue.decode(), pause) for queue, pause in zip(found, found, strict=True))

    def aside(self) -> list[Aside]:
        return aside_from(self._aside())

    def history(self, first: int, last: int) -> list[HistoryRow]:
        now = self.now()
        first, last = max(first, first_kept(now)), min(last, now // MINUTE_MS)
        rows: list[HistoryRow] = []
        for begin in range(first, last + 1, _HISTORY_BATCH):
            rows += history_from(self._history(b"%d" % begin, b"%d" % min(begin + _HISTORY_BATCH - 1, last)))
        return rows

    def queues(self) -> list[str]:
        return sorted(name.decode() for name in self._link.call("HKEYS", self._keys.queues()))

    def count(self, queue: str) -> int:
        return int(self._link.call("HGET", self._keys.queues(), queue) or 0)

    def browse(self, queue: str) -> Iterator[Stored]:
        cursor, seen = b"0", set[bytes]()
        while True:
            cursor, *found = self._browse(queue.encode(), cursor)
            for i in range(0, len(found), 3):
                uuid, state, record = found[i : i + 3]
                if uuid not in seen:
                    seen.add(uuid)
                    yield stored_from(uuid.decode(), _state(state), record)
            if cursor == b"0":
                return

    def dead_letter(self, queue: str, uuid: str) -> DeadLetter | None:
        letter = self._dead_letter(queue.encode(), uuid.encode())
        return None if letter is None else dead_letter_from(uuid, queue, letter)

    def dead_letters(self, queue: str) -> Iterator[DeadLetter]:
        seen: bytes | None = b"-inf"
        last = b""
        while seen is not None:
            seen, *rest = self._dead_letters(queue.encode(), seen, last)
            last, found = (rest[0], rest[1:]) if rest else (b"", [])
            for i in range(0, len(found), 2):
                yield dead_letter_from(found[i].decode(), queue, found[i + 1])

    def dead_queues(self) -> list[str]:
        reply = self._dead_queues(b"")
        return sorted(reply[i].decode() for i in range(0, len(reply), 2) if reply[i + 1])

    def dead_count(self, queue: str) -> int:
        return int(self._dead_queues(queue.encode())[1])


def _state(state: bytes) -> MessageState:
    return cast(MessageState, state.decode())
