"""The inspection port over several partitions: what one of them knows alone, or the sum of all."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from alsek.storage.backends.history import added
from alsek.storage.backends.ports import InspectionPort
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
from alsek.storage.backends.redis.partitions.parts import Parts
from alsek.storage.backends.states import MessageState


class PartitionedInspection(InspectionPort):
    """Reads messages, queues, dead letters, workers and counts. Each partition is read in a step of its own.

    Args:
        parts: The partitions.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def now(self) -> int:
        return self._parts.all[0].messages.now()

    def get(self, queue: str, uuid: str) -> Stored | None:
        return self._parts.of(uuid).messages.get(queue, uuid)

    def exists(self, queue: str, uuid: str) -> bool:
        return self._parts.of(uuid).messages.exists(queue, uuid)

    def find(self, uuid: str) -> Located | None:
        return self._parts.of(uuid).messages.find(uuid)

    def find_dead(self, uuid: str) -> list[DeadLetter]:
        return self._parts.of(uuid).messages.find_dead(uuid)

    def place(self, queue: str, uuid: str, most: int) -> int | None:
        """As the port says, within the partition: the messages of others are claimed beside these."""
        return self._parts.of(uuid).messages.place(queue, uuid, most)

    def tallies(self, queues: Sequence[str] | None = None) -> list[QueueTally]:
        sums: dict[str, QueueTally] = {}
        for part in self._parts.all:
            for tally in part.messages.tallies(queues):
                known = sums.get(tally.queue)
                sums[tally.queue] = tally if known is None else _sum(known, tally)
        return [sums[queue] for queue in (sorted(sums) if queues is None else queues)]

    def fronts(self, queues: Sequence[str]) -> list[Stored]:
        return [stored for part in self._parts.all for stored in part.messages.fronts(queues)]

    def workers(self) -> list[WorkerRecord]:
        known: dict[str, WorkerRecord] = {}
        for number, part in enumerate(self._parts.all):
            for found in part.messages.workers():
                held = (each._replace(token=self._parts.outward(number, each.token)) for each in found.claims)
                record = found._replace(claims=tuple(held))
                other = known.get(record.id)
                known[record.id] = record if other is None else _merged(other, record)
        return [known[worker] for worker in sorted(known)]

    def pauses(self) -> list[Pause]:
        pauses: dict[str, Pause] = {}
        for part in self._parts.all:
            for pause in part.messages.pauses():
                pauses.setdefault(pause.queue, pause)
        return [pauses[queue] for queue in sorted(pauses)]

    def aside(self) -> list[Aside]:
        sums: dict[tuple[str, str], int] = {}
        for part in self._parts.all:
            for queue, task, messages in part.messages.aside():
                sums[queue, task] = sums.get((queue, task), 0) + messages
        return [Aside(queue, task, messages) for (queue, task), messages in sorted(sums.items())]

    def limits(self, ids: Sequence[str] | None = None) -> list[LimitRecord]:
        if ids is None:
            found = (record for part in self._parts.all for record in part.messages.limits())
            return sorted(found, key=lambda record: record.id)
        known: dict[str, LimitRecord] = {}
        for number, mine in self._parts.split(ids, lambda name: name[2:]).items():
            for record in self._parts.all[number].messages.limits([name for _, name in mine]):
                known[record.id] = record
        return [known[name] for name in ids if name in known]

    def unique_key(self, key: str) -> UniqueRecord | None:
        return self._parts.of(key).messages.unique_key(key)

    def reports(self, uuids: Sequence[str], lines: bool = False) -> list[ReportRecord | None]:
        parts = self._parts
        found = parts.gather(uuids, lambda uuid: uuid, lambda part, mine: part.messages.reports(mine, lines))
        return [
            None if each is None else each._replace(token=parts.outward(parts.number(each.uuid), each.token))
            for each in found
        ]

    def history(self, first: int, last: int) -> list[HistoryRow]:
        counts: dict[tuple[int, str, str], list[str]] = {}
        for part in self._parts.all:
            for row in part.messages.history(first, last):
                counts.setdefault((row.minute, row.queue, row.task), []).append(row.counts)
        return [HistoryRow(*of, added(texts)) for of, texts in sorted(counts.items())]

    def queues(self) -> list[str]:
        return _names(part.messages.queues() for part in self._parts.all)

    def count(self, queue: str) -> int:
        return sum(part.messages.count(queue) for part in self._parts.all)

    def browse(self, queue: str) -> Iterator[Stored]:
        return chain.from_iterable(part.messages.browse(queue) for part in self._parts.all)

    def peek(self, queue: str, state: MessageState, most: int) -> list[Stored]:
        found = [stored for part in self._parts.all for stored in part.messages.peek(queue, state, most)]
        if state == "ready":
            found.sort(key=lambda stored: stored.priority)
        return found[:most]

    def uuids(self) -> Iterator[str]:
        return chain.from_iterable(part.messages.uuids() for part in self._parts.all)

    def dead_letter(self, queue: str, uuid: str) -> DeadLetter | None:
        return self._parts.of(uuid).messages.dead_letter(queue, uuid)

    def may_be_dead(self, messages: Sequence[tuple[str, str]]) -> list[bool]:
        return self._parts.gather(
            messages, lambda pair: pair[1], lambda part, mine: part.messages.may_be_dead(mine)
        )

    def dead_letters(self, queue: str) -> Iterator[DeadLetter]:
        letters = [part.messages.dead_letters(queue) for part in self._parts.all]
        return heapq.merge(*letters, key=lambda letter: letter.died_at)

    def dead_count(self, queue: str) -> int:
        return sum(part.messages.dead_count(queue) for part in self._parts.all)

    def dead_queues(self) -> list[str]:
        return _names(part.messages.dead_queues() for part in self._parts.all)


def _names(lists: Iterable[list[str]]) -> list[str]:
    return sorted({name for names in lists for name in names})


def _sum(one: QueueTally, other: QueueTally) -> QueueTally:
    return QueueTally(
        one.queue,
        one.ready + other.ready,
        one.delayed + other.delayed,
        one.claimed + other.claimed,
        one.dead + other.dead,
        one.paused or other.paused,
        one.waiting + other.waiting,
    )


def _merged(one: WorkerRecord, other: WorkerRecord) -> WorkerRecord:
    """What two partitions know of a worker: its lease ends when it ends in the first of them."""
    since = [at for at in (one.registered_at, other.registered_at) if at]
    return one._replace(
        lease_end=min(one.lease_end, other.lease_end),
        registered_at=min(since, default=0),
        kind=one.kind or other.kind,
        facts=one.facts or other.facts,
        claims=tuple(sorted(one.claims + other.claims, key=lambda claim: claim.token)),
        running=one.running + other.running,
    )
