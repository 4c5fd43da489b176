"""The inspection port on Redis: what reads and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, cast

from alsek.storage.backends.batches import in_pieces
from alsek.storage.backends.history import MINUTE_MS, first_kept
from alsek.storage.backends.ports import InspectionPort
from alsek.storage.backends.ports.inspection import FRONT_PRIORITIES, PEEKED
from alsek.storage.backends.records import (
    Aside,
    DeadLetter,
    HistoryRow,
    LimitRecord,
    Located,
    Pause,
    QueueTally,
    ReportRecord,
    Stored,
    UniqueRecord,
    WorkerRecord,
)
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.exchange import Exchange, command, exchange
from alsek.storage.backends.redis.client.script import CallMaker
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.ports.codec import dead_letter_from, report_from, stored_from
from alsek.storage.backends.redis.ports.inspection_codec import (
    aside_from,
    history_from,
    limit_from,
    located_from,
    pause_from,
    tally_from,
    worker_from,
)
from alsek.storage.backends.states import MessageState

#: So many queues, reports or minutes are read by one call of a script.
_QUEUES_BATCH: Final = 1_000
_HISTORY_BATCH: Final = 360
#: And so many logs, which may be long.
_LOGS_BATCH: Final = 20


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
        self._peek = make_call("peek")
        self._pauses = make_call("pauses")
        self._aside = make_call("aside")
        self._worker_records = make_call("worker_records")
        self._limit_records = make_call("limit_records")
        self._key_record = make_call("key_record")
        self._report_records = make_call("report_records")
        self._history = make_call("history")
        self._browse = make_call("browse")
        self._dead_letter = make_call("dead_letter")
        self._dead_letters = make_call("dead_letters")
        self._dead_queues = make_call("dead_queues")

    @exchange
    def now(self) -> Exchange[int]:
        return int((yield from self._now.ask()))

    @exchange
    def get(self, queue: str, uuid: str) -> Exchange[Stored | None]:
        reply = yield from self._get.ask(queue.encode(), uuid.encode())
        return None if reply is None else stored_from(uuid, _state(reply[0]), reply[1])

    @exchange
    def exists(self, queue: str, uuid: str) -> Exchange[bool]:
        return (yield from self._get.ask(queue.encode(), uuid.encode())) is not None

    @exchange
    def find(self, uuid: str) -> Exchange[Located | None]:
        reply = yield from self._find.ask(uuid.encode())
        return None if reply is None else located_from(uuid, reply)

    @exchange
    def find_dead(self, uuid: str) -> Exchange[list[DeadLetter]]:
        reply = yield from self._find_dead.ask(uuid.encode())
        letters = (dead_letter_from(uuid, reply[i].decode(), reply[i + 1]) for i in range(0, len(reply), 2))
        return sorted(letters, key=lambda letter: letter.queue)

    @exchange
    def place(self, queue: str, uuid: str, most: int) -> Exchange[int | None]:
        before = yield from self._place.ask(queue.encode(), uuid.encode(), b"%d" % most)
        return None if before is None else int(before)

    @exchange
    def tallies(self, queues: Sequence[str] | None = None) -> Exchange[list[QueueTally]]:
        if queues is None:
            holding = yield from self._holding()
            dead = yield from self._dead_holding()
            paused = yield from self._paused()
            queues = sorted({*holding, *dead, *(pause.queue for pause in paused)})
        found: list[QueueTally] = []
        for batch in in_pieces(queues, _QUEUES_BATCH):
            counts = yield from self._tallies.exchange([queue.encode() for queue in batch])
            found += map(tally_from, batch, counts)
        return found

    @exchange
    def fronts(self, queues: Sequence[str]) -> Exchange[list[Stored]]:
        found: list[Stored] = []
        for batch in in_pieces(queues, _QUEUES_BATCH):
            names = (queue.encode() for queue in batch)
            reply = yield from self._fronts.ask(b"%d" % FRONT_PRIORITIES, *names)
            found += (stored_from(reply[i].decode(), "ready", reply[i + 1]) for i in range(0, len(reply), 2))
        return found

    @exchange
    def peek(self, queue: str, state: MessageState, most: int) -> Exchange[list[Stored]]:
        reply = yield from self._peek.ask(queue.encode(), state.encode(), b"%d" % most, b"%d" % PEEKED)
        found = [
            (stored_from(reply[i].decode(), state, reply[i + 1]), int(reply[i + 2]))
            for i in range(0, len(reply), 3)
        ]
        if state == "ready":  # they come set by set
            found.sort(key=lambda each: (each[0].priority, each[1]))
        return [stored for stored, _ in found[:most]]

    @exchange
    def workers(self) -> Exchange[list[WorkerRecord]]:
        return sorted(map(worker_from, (yield from self._worker_records.ask())))

    @exchange
    def pauses(self) -> Exchange[list[Pause]]:
        return self._paused()

    def _paused(self) -> Exchange[list[Pause]]:
        found = iter((yield from self._pauses.ask()))
        return sorted(pause_from(queue.decode(), pause) for queue, pause in zip(found, found, strict=True))

    @exchange
    def aside(self) -> Exchange[list[Aside]]:
        return aside_from((yield from self._aside.ask()))

    @exchange
    def limits(self, ids: Sequence[str] | None = None) -> Exchange[list[LimitRecord]]:
        if ids is None:
            return sorted((yield from self._limits(())))
        found: dict[str, LimitRecord] = {}
        for batch in in_pieces(list(ids), _QUEUES_BATCH):
            records = yield from self._limits(batch)
            found.update((record.id, record) for record in records)
        return [found[name] for name in ids if name in found]

    def _limits(self, ids: Sequence[str]) -> Exchange[list[LimitRecord]]:
        """These limits, or all; of one with very many lines these are counted piece by piece."""
        found: list[LimitRecord] = []
        for answer in (yield from self._limit_records.ask(*(name.encode() for name in ids))):
            record, done = limit_from(answer), answer[8]
            while done >= 0:
                more, done = yield from self._limit_records.ask(b"", answer[0], b"%d" % done)
                record = record._replace(waiting=record.waiting + more)
            found.append(record)
        return found

    @exchange
    def unique_key(self, key: str) -> Exchange[UniqueRecord | None]:
        reply = yield from self._key_record.ask(key.encode())
        if reply is None:
            return None
        holder, waiting, held_until = (text.decode() for text in reply)
        return UniqueRecord(key, holder, waiting, int(held_until))

    @exchange
    def reports(self, uuids: Sequence[str], lines: bool = False) -> Exchange[list[ReportRecord | None]]:
        found: list[ReportRecord | None] = []
        with_lines = b"1" if lines else b""
        for batch in in_pieces(uuids, _LOGS_BATCH if lines else _QUEUES_BATCH):
            answers = yield from self._report_records.ask(with_lines, *(uuid.encode() for uuid in batch))
            found += map(report_from, batch, answers)
        return found

    @exchange
    def history(self, first: int, last: int) -> Exchange[list[HistoryRow]]:
        now = int((yield from self._now.ask()))
        first, last = max(first, first_kept(now)), min(last, now // MINUTE_MS)
        rows: list[HistoryRow] = []
        for begin in range(first, last + 1, _HISTORY_BATCH):
            end = min(begin + _HISTORY_BATCH - 1, last)
            rows += history_from((yield from self._history.ask(b"%d" % begin, b"%d" % end)))
        return rows

    @exchange
    def queues(self) -> Exchange[list[str]]:
        return self._holding()

    def _holding(self) -> Exchange[list[str]]:
        return sorted(name.decode() for name in (yield from command("HKEYS", self._keys.queues())))

    @exchange
    def count(self, queue: str) -> Exchange[int]:
        return int((yield from command("HGET", self._keys.queues(), queue)) or 0)

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

    @exchange
    def dead_letter(self, queue: str, uuid: str) -> Exchange[DeadLetter | None]:
        letter = yield from self._dead_letter.ask(queue.encode(), uuid.encode())
        return None if letter is None else dead_letter_from(uuid, queue, letter)

    @exchange
    def may_be_dead(self, messages: Sequence[tuple[str, str]]) -> Exchange[list[bool]]:
        names = [self._keys.letter(queue, uuid) for queue, uuid in messages]
        # Nearly always there is none of them, and letters may be large: they are read only then.
        if not names or not (yield from command("EXISTS", *names)):
            return [False] * len(names)
        return [letter is not None for letter in (yield from command("MGET", *names))]

    def dead_letters(self, queue: str) -> Iterator[DeadLetter]:
        seen: bytes | None = b"-inf"
        last = b""
        while seen is not None:
            seen, *rest = self._dead_letters(queue.encode(), seen, last)
            last, found = (rest[0], rest[1:]) if rest else (b"", [])
            for i in range(0, len(found), 2):
                yield dead_letter_from(found[i].decode(), queue, found[i + 1])

    @exchange
    def dead_queues(self) -> Exchange[list[str]]:
        return self._dead_holding()

    def _dead_holding(self) -> Exchange[list[str]]:
        reply = yield from self._dead_queues.ask(b"")
        return sorted(reply[i].decode() for i in range(0, len(reply), 2) if reply[i + 1])

    @exchange
    def dead_count(self, queue: str) -> Exchange[int]:
        return int((yield from self._dead_queues.ask(queue.encode()))[1])


def _state(state: bytes) -> MessageState:
    return cast(MessageState, state.decode())
