"""Reads what a namespace holds, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from alsek.storage.backends.batches import in_pieces
from alsek.storage.backends.copies import (
    Copy,
    CopyKind,
    DeadLetterCopy,
    MessageCopy,
    Page,
    Unreadable,
    has_limits,
    page_of,
)
from alsek.storage.backends.header import REPORTED, merged, tail_values
from alsek.storage.backends.kinds import WISH_LETTERS
from alsek.storage.backends.records import Submission
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.scan import scan_keys
from alsek.storage.backends.redis.client.script import ScriptCall
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.ports.transfer import copy_codec
from alsek.storage.backends.redis.ports.transfer.sorted_sets import Entry, flat, walk

#: How a limit among the delayed messages begins, and what stands for schedules there.
_NO_MESSAGES: Final = (b"limit:", b"schedules")

#: Of so many messages of a line it is read together what is noted of them.
_LINE_PIECE: Final = 1_000

#: How many digits the arrival number has at the beginning of a member.
_DIGITS: Final = 13


class _Place(NamedTuple):
    """Where a message stands: when it is due (None: it is ready), and whether it is a suspect."""

    due: int | None
    suspect: bool


class _Standing(NamedTuple):
    """A message where it stands: by priority and arrival, or by the time when it is due."""

    score: float
    member: bytes
    uuid: bytes
    place: _Place


class Reader:
    """Copies all that a namespace holds.

    Args:
        link: To the server.
        keys: The names of the keys.
        values: Calls ``move_read.lua``.
        reports: Calls ``report_records.lua``.
    """

    def __init__(self, link: Link, keys: Keys, values: ScriptCall, reports: ScriptCall) -> None:
        self._link = link
        self._keys = keys
        self._values = values
        self._reports = reports

    def read(self, kind: CopyKind, most: int) -> Iterator[Page]:
        """All things of a kind, in their order."""
        match kind:
            case CopyKind.MESSAGE:
                return self._messages(most)
            case CopyKind.DEAD_LETTER:
                return self._letters(most)
            case CopyKind.RESULT:
                return self._results(most)
            case CopyKind.STATUS:
                return self._statuses(most)
            case CopyKind.VALUE:
                return self._by_name("values:", most, copy_codec.value_copy)
            case CopyKind.SCHEDULE:
                return self._schedules(most)

    def _found(self, names: Sequence[str]) -> list[tuple[bytes | None, bytes]]:
        """What these keys (without the prefix) hold, and until when."""
        if not names:
            return []
        reply = self._values.run([name.encode("utf-8", "surrogateescape") for name in names])
        return [(reply[i], reply[i + 1]) for i in range(0, len(reply), 2)]

    def _with_reports(self, page: Page) -> Page:
        """A page of messages or dead letters, with what is kept of reports on them."""
        reported = [
            copy
            for copy in page.copies
            if isinstance(copy, MessageCopy | DeadLetterCopy) and REPORTED in copy.tail
        ]
        if not reported:
            return page
        answers = self._reports(b"1", *(copy.uuid.encode() for copy in reported))
        found = dict(zip((copy.key for copy in reported), answers, strict=True))
        copies = [
            copy._replace(report=copy_codec.report_copy(found[copy.key]))
            if isinstance(copy, MessageCopy | DeadLetterCopy) and copy.key in found
            else copy
            for copy in page.copies
        ]
        return page._replace(copies=copies)

    def _messages(self, most: int) -> Iterator[Page]:
        """Those with limits are listed before the first of them leaves: whom their places go to changes nothing."""
        left: set[bytes] = set()
        limited: list[_Standing] = []
        for sets in self._ready_sets():
            for entries in walk(self._link, list(sets), most, left):
                standing = [
                    _Standing(entry.score, entry.member, entry.member[_DIGITS:], sets[entry.key])
                    for entry in entries
                ]
                page = self._page_of(standing)
                later = {copy.key[1].encode() for copy in page.copies if has_limits(copy)}
                limited += [each for each in standing if each.uuid in later]
                yield page._replace(copies=[copy for copy in page.copies if not has_limits(copy)])
        limited += self._waiting()
        left.update(each.member for each in limited)
        for piece in in_pieces(sorted(limited), most):
            yield self._page_of(piece)
        for entries in walk(self._link, [self._keys.delayed()], most, left):
            delayed = [entry for entry in entries if not entry.member.startswith(_NO_MESSAGES)]
            uuids = [entry.member[_DIGITS:].partition(b"\n")[0] for entry in delayed]
            yield self._message_page(uuids, [_Place(int(entry.score), False) for entry in delayed])
        yield from self._others({member[_DIGITS:].partition(b"\n")[0] for member in left})

    def _page_of(self, standing: Sequence[_Standing]) -> Page:
        return self._message_page([each.uuid for each in standing], [each.place for each in standing])

    def _waiting(self) -> Iterator[_Standing]:
        """The messages that wait for limits."""
        for limit in self._link.call("ZRANGE", f"{self._keys.prefix}limits", 0, -1):
            entries = self._link.call("ZRANGE", f"{self._keys.prefix}waiting:{limit.decode()}", 0, -1)
            for entry in entries:
                if entry[_DIGITS : _DIGITS + 1] == b"\n":
                    yield from self._line(f"{self._keys.prefix}line:{entry[_DIGITS + 1 :].decode()}")

    def _line(self, key: str) -> Iterator[_Standing]:
        """The messages of a line."""
        members = flat(self._link.call("ZRANGE", key, 0, -1, "WITHSCORES"))
        for piece in in_pieces(members, 2 * _LINE_PIECE):
            uuids = [member[_DIGITS:] for member in piece[::2]]
            places = self._waiting_places(uuids)
            for score, member, uuid, place in zip(piece[1::2], piece[::2], uuids, places, strict=True):
                yield _Standing(float(score), member, uuid, place)

    def _waiting_places(self, uuids: Sequence[bytes]) -> list[_Place]:
        """Of messages that may wait: a suspect, or delayed until a time that they have to wait for besides."""
        places = []
        for found in self._link.call("HMGET", f"{self._keys.prefix}waits", *uuids) if uuids else ():
            what = (found or b"||").split(b"|", 2)
            behind = what[0].startswith(b"u:")
            places.append(_Place(int(what[1]) if behind else None, not behind and what[1] == b"1"))
        return places

    def _without_lost_keys(self, copies: Sequence[Copy]) -> Iterator[Copy]:
        """Messages without a unique key that they have held until they were first claimed, or revoked."""
        for copy in copies:
            yield self._without_lost_key(copy) if isinstance(copy, MessageCopy) else copy

    def _without_lost_key(self, copy: MessageCopy) -> MessageCopy:
        key = tail_values(Submission, copy.tail).get("unique")
        if key is None or not (key.until == "started" or copy.revoked):
            return copy
        return (
            copy if self._has_to_do_with(key.key, copy.uuid) else copy._replace(tail=merged(copy.tail, ";k"))
        )

    def _has_to_do_with(self, key: str, uuid: str) -> bool:
        """Whether a message holds a key, or waits for it (``scripts/shared/unique_key_record.lua``)."""
        record: bytes = self._link.call("GET", f"{self._keys.prefix}unique:{key}") or b""
        kind, *rest = record.split(b"|")
        name = uuid.replace("%", "%25").replace("|", "%7C").encode()
        return kind == b"h" and name in rest[1:]

    def _ready_sets(self) -> Iterator[dict[str, _Place]]:
        """For each queue that has ready messages the keys of its ready sets, with what their messages are.

        Those that are set aside are among them. The indexes of the others don't list a queue that is paused, so its
        sets may not be there.
        """
        queues: dict[bytes, dict[str, _Place]] = {}
        classes = [("ready:", False), ("suspects:", True)]
        for queue in self._link.call("HKEYS", f"{self._keys.prefix}paused"):
            queues[queue] = {
                f"{self._keys.prefix}{index}{letter}:{queue.decode()}": _Place(None, suspect)
                for index, suspect in classes
                for letter in WISH_LETTERS.values()
            }
        for task in sorted(self._link.call("SMEMBERS", f"{self._keys.prefix}aside")):
            classes += [(f"aside:{task.decode()}\n", False), (f"suspects-aside:{task.decode()}\n", True)]
        for index, suspect in classes:
            for letter in WISH_LETTERS.values():
                name = f"{self._keys.prefix}{index}{letter}"
                for queue in self._link.call("ZRANGE", name, 0, -1):
                    key = f"{name}:{queue.decode()}"
                    queues.setdefault(queue, {})[key] = _Place(None, suspect)
        return (queues[queue] for queue in sorted(queues))

    def _others(self, known: set[bytes]) -> Iterator[Page]:
        """What no set holds: held, or in a set that another program has overwritten."""
        cursor: bytes | int = 0
        while True:
            cursor, reply = self._link.call("HSCAN", self._keys.messages(), cursor, "COUNT", 200)
            pairs = flat(reply)
            found = {
                uuid: record
                for uuid, record in zip(pairs[::2], pairs[1::2], strict=True)
                if uuid not in known
            }
            known.update(found)
            if found:
                yield self._message_page(list(found), self._waiting_places(list(found)), list(found.values()))
            if int(cursor) == 0:
                return

    def _message_page(
        self, uuids: Sequence[bytes], places: Sequence[_Place], records: Sequence[bytes] | None = None
    ) -> Page:
        stored: Sequence[bytes | None] = records or (
            self._link.call("HMGET", self._keys.messages(), *uuids) if uuids else ()
        )
        names = [uuid.decode("utf-8", "surrogateescape") for uuid in uuids]
        found: list[Copy | Unreadable] = []
        statuses = self._found([f"statuses:{name}" for name in names])
        for name, record, place, (data, expiry) in zip(names, stored, places, statuses, strict=True):
            status = None if data is None else copy_codec.status_copy(name, data, expiry)
            if isinstance(status, Unreadable):
                found.append(status)
            elif not name.isprintable():
                found.append(Unreadable(name, "its uuid is damaged"))
            elif record is not None:
                found.append(copy_codec.message_copy(name, record, place.due, place.suspect, status))
        page = page_of(found)
        return self._with_reports(Page(list(self._without_lost_keys(page.copies)), page.unreadable))

    def _letters(self, most: int) -> Iterator[Page]:
        for queue in sorted(self._link.call("SMEMBERS", f"{self._keys.prefix}dead")):
            name = queue.decode()
            for page in walk(self._link, [f"{self._keys.prefix}dead:{name}"], most):
                uuids = [entry.member.decode() for entry in page]
                found = self._found([f"letters:{uuid}\n{name}" for uuid in uuids])
                page_of_letters = page_of(
                    copy_codec.letter_copy(uuid, name, data, expiry)
                    for uuid, (data, expiry) in zip(uuids, found, strict=True)
                    if data is not None
                )
                yield self._with_reports(page_of_letters)

    def _results(self, most: int) -> Iterator[Page]:
        """Those that have a progenitor first: its index says so, and in which order they were written."""
        prefix = f"{self._keys.prefix}descendants:"
        indexed: set[str] = set()
        for names in scan_keys(self._link, f"{prefix}*"):
            for name in names:
                for page in walk(self._link, [name], most):
                    yield self._descendants(name.removeprefix(prefix), page, indexed)
        for copies, unreadable in self._by_name("results:", most, _without_progenitor):
            yield Page([copy for copy in copies if copy.key[1] not in indexed], unreadable)

    def _descendants(self, progenitor: str, page: Sequence[Entry], indexed: set[str]) -> Page:
        """The results of a page of an index, without those that were written again under another progenitor."""
        uuids = [entry.member.decode() for entry in page]
        found: list[Copy | Unreadable] = []
        for uuid, entry, (data, expiry) in zip(
            uuids, page, self._found([f"results:{uuid}" for uuid in uuids]), strict=True
        ):
            if data is not None and b"^%d|" % int(entry.score) in data[:64]:
                indexed.add(uuid)
                found.append(copy_codec.result_copy(uuid, progenitor, data, expiry))
        return page_of(found)

    def _statuses(self, most: int) -> Iterator[Page]:
        for page in self._by_name("statuses:", most, copy_codec.status_copy):
            uuids = [copy.key[1] for copy in page.copies]
            stored = self._link.call("HMGET", self._keys.messages(), *uuids) if uuids else ()
            alone = [copy for copy, record in zip(page.copies, stored, strict=True) if record is None]
            yield Page(alone, page.unreadable)

    def _schedules(self, most: int) -> Iterator[Page]:
        names = sorted(self._link.call("HKEYS", self._keys.schedules()))
        for batch in in_pieces(names, most):
            records = self._link.call("HMGET", self._keys.schedules(), *batch)
            yield page_of(
                copy_codec.schedule_copy(name.decode("utf-8", "surrogateescape"), record)
                for name, record in zip(batch, records, strict=True)
                if record is not None
            )

    def _by_name(
        self, family: str, most: int, copy: Callable[[str, bytes, bytes], Copy | Unreadable]
    ) -> Iterator[Page]:
        """The things of a family of keys."""
        prefix = f"{self._keys.prefix}{family}"
        for names in scan_keys(self._link, f"{prefix}*"):
            for start in range(0, len(names), most):
                keys = [name.removeprefix(prefix) for name in names[start : start + most]]
                found = self._found([family + key for key in keys])
                yield page_of(
                    copy(key, data, expiry)
                    for key, (data, expiry) in zip(keys, found, strict=True)
                    if data is not None
                )


def _without_progenitor(uuid: str, data: bytes, expiry: bytes) -> Copy | Unreadable:
    return copy_codec.result_copy(uuid, None, data, expiry)
