"""The transfer port: each method that changes something is one script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import uuid4

from alsek.storage.backends.copies import (
    KEY_HELD,
    NAME_USED,
    UUID_ENDED,
    UUID_STORED,
    Copy,
    CopyKind,
    Page,
    SourceOpened,
    Staged,
    Taken,
    TargetOpened,
)
from alsek.storage.backends.move_book import replaced
from alsek.storage.backends.ports import TransferPort
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.script import CallMaker
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.ports.transfer.copy_codec import (
    arriving,
    asked,
    departing,
    fits,
    kind_letter,
)
from alsek.storage.backends.redis.ports.transfer.reading import Reader

_REFUSALS: Final = {
    b"": "",
    b"stored": UUID_STORED,
    b"ended": UUID_ENDED,
    b"held": KEY_HELD,
    b"there": NAME_USED,
}


class RedisTransfer(TransferPort):
    """Moves what is in the keys of a namespace.

    Args:
        link: To the server.
        keys: The names of the keys.
        make_call: Makes the call of a script.
    """

    def __init__(self, link: Link, keys: Keys, make_call: CallMaker) -> None:
        self._link = link
        self._keys = keys
        self._reader = Reader(link, keys, make_call("move_read"), make_call("report_records"))
        self._from = make_call("move_from")
        self._out = make_call("move_out")
        self._to = make_call("move_to")
        self._check = make_call("move_check")
        self._stage = make_call("move_stage")
        self._in = make_call("move_in")
        self._end = make_call("move_end")

    def store_name(self) -> str:
        self._link.call("HSETNX", self._keys.moves(), "name", uuid4().hex)
        name: bytes = self._link.call("HGET", self._keys.moves(), "name")
        return name.decode()

    def open_source(
        self, move: str, target: str, place: str, lease: int, abandon: bool = False
    ) -> SourceOpened:
        arguments = (move.encode(), target.encode(), place.encode(), b"%d" % lease, b"1" if abandon else b"0")
        is_open, *rest = self._from(*arguments)
        if not is_open:
            return SourceOpened(busy=int(rest[0]), other=rest[1].decode())
        token, fence, batch, taken = rest
        last = Taken(batch.decode(), _flags(taken)) if batch else None
        return SourceOpened(token=int(token), fence=int(fence), taken=last)

    def read(self, kind: CopyKind, most: int) -> Iterator[Page]:
        return self._reader.read(kind, most)

    def take_out(self, move: str, batch: str, copies: Sequence[Copy]) -> list[bool]:
        arguments = [move.encode(), batch.encode()]
        for copy in copies:
            arguments += departing(copy)
        taken = self._out.run(arguments)
        if taken is None:
            raise replaced(move)
        return list(_flags(taken))

    def close_source(self, move: str) -> None:
        self._end(move.encode(), b"out:")

    def open_target(self, move: str, source: str, token: int, fence: int) -> TargetOpened:
        batch, data = self._to(move.encode(), source.encode(), b"%d" % token, b"%d" % fence)
        return TargetOpened(Staged(batch.decode(), data) if batch else None)

    def refusals(self, copies: Sequence[Copy]) -> list[str]:
        arguments: list[bytes] = []
        for copy in copies:
            arguments += asked(copy)
        answers = self._check.run(arguments)
        return [
            _REFUSALS[answer] if fits(copy) else "its header is damaged"
            for copy, answer in zip(copies, answers, strict=True)
        ]

    def stage(self, move: str, source: str, batch: str, data: bytes) -> None:
        if self._stage(move.encode(), source.encode(), batch.encode(), data) is None:
            raise replaced(move)

    def commit(self, move: str, source: str, batch: str, copies: Sequence[Copy]) -> list[str]:
        kind = kind_letter(copies[0]) if copies else b"m"
        arguments = [move.encode(), source.encode(), batch.encode(), kind]
        for copy in copies:
            arguments += arriving(copy)
        late = self._in.run(arguments)
        if late is None:
            raise replaced(move)
        return [name.decode() for name in late]

    def close_target(self, move: str, source: str) -> None:
        self._end(move.encode(), b"in:%b:" % source.encode())


def _flags(taken: bytes) -> tuple[bool, ...]:
    return tuple(letter == ord("1") for letter in taken)
