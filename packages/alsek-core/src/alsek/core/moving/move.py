"""A move of all that one store holds to another one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final
from uuid import uuid4

from alsek.core.clock import real_time as time
from alsek.core.moving.batch_codec import pack, unpack
from alsek.core.moving.bonds import Bonds
from alsek.core.moving.idle_source import wait_until_idle
from alsek.core.moving.report import Left, MoveReport
from alsek.exceptions import MoveError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.copies import Copy, CopyKind, Page, SourceOpened, Taken, kind_of
from alsek.storage.backends.store_clocks import difference, shifted

#: How many things are moved at once, and how many bytes of them.
BATCH: Final = 200
BATCH_BYTES: Final = 4_000_000

#: A move that has moved nothing for so long counts as dead.
LEASE_MS: Final = 5_000

_PAUSE_S: Final = 0.2


class Move:
    """Moves messages that wait, dead letters, results, statuses, values and schedules from one store to another.

    If it is killed at any moment, another one goes on: nothing is lost, and nothing is there twice. What can't be
    moved stays in the source and is reported. Locks, the history, the uuids of messages that have ended, and what is
    kept of reports on those that have no dead letter stay behind.

    Args:
        source: The store that is emptied. No worker may be at work on it.
        target: The store that is filled. It may be in use.
        abandon: Forget a move of this source to another target that has not ended: what that one had on the way is
            in its target, staged.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        source: Backend,
        target: Backend,
        *,
        abandon: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.source = source
        self.target = target
        self.report = MoveReport()
        self._progress: Callable[[MoveReport], None] = lambda report: None
        self._abandon = abandon
        self._sleep = sleep
        self._name = uuid4().hex
        self._out, self._in = source.transfer, target.transfer
        self._bonds = Bonds(source, target)
        self._source_name = self._target_name = ""
        self._ahead = 0
        self._seen_left: set[tuple[CopyKind, tuple[str, str]]] = set()
        self._untaken: list[tuple[CopyKind, tuple[str, str]]] = []

    def on_progress(self, progress: Callable[[MoveReport], None]) -> None:
        """Call this after each batch, with the report so far. An exception that it raises ends the move."""
        self._progress = progress

    def run(self) -> MoveReport:
        """Move all there is.

        Raises:
            MoveError: The stores are the same one, a worker or another move is at work, or a move to another target
                has not ended.
        """
        self._check_stores()
        wait_until_idle(self.source, self._sleep)
        opened = self._open_source()
        self._ahead = difference(self.source.messages.now, self.target.messages.now)
        pauses = self.source.messages.pauses()
        for pause in pauses:
            self.target.messages.pause(pause.queue, pause.by)
        staged = self._in.open_target(self._name, self._source_name, opened.token, opened.fence).staged
        if staged is not None:
            self.report.resumed = True
            self._recover(staged.batch, staged.data, opened.taken)
        while self._pass():
            pass
        for kind, key in self._untaken:
            self._leave(kind, key, "it changed while it was moved, or a worker holds it")
        self.report.held = sum(len(worker.claims) for worker in self.source.messages.workers())
        self._in.close_target(self._name, self._source_name)
        self._out.close_source(self._name)
        if self.report.complete:
            for pause in pauses:
                self.source.messages.resume(pause.queue)
        return self.report

    def _check_stores(self) -> None:
        if not self.source.same_store(self.target):
            self._source_name, self._target_name = self._out.store_name(), self._in.store_name()
        if self._source_name == self._target_name:
            raise MoveError(
                f"{self.source.describe()} and {self.target.describe()} are the same store, or one is a copy of the "
                "other: nothing can be moved between them"
            )

    def _open_source(self) -> SourceOpened:
        deadline = time.monotonic() + 2 * LEASE_MS / 1000
        while True:
            opened = self._out.open_source(
                self._name, self._target_name, self.target.describe(), LEASE_MS, self._abandon
            )
            if opened.other:
                raise MoveError(
                    f"{self.source.describe()}: a move to {opened.other} has not ended: run it again, or pass "
                    "--abandon if that store is gone"
                )
            if not opened.busy:
                self.report.resumed = opened.taken is not None
                return opened
            if time.monotonic() > deadline:
                raise MoveError(f"{self.source.describe()}: another move is at work; wait until it has ended")
            self._sleep(min(_PAUSE_S, opened.busy / 1000))

    def _recover(self, batch: str, data: bytes, taken: Taken | None) -> None:
        """End what an earlier run has begun: its batch is committed if it was taken out of the source."""
        if taken is not None and taken.batch == batch:
            self._commit(batch, unpack(data), taken.taken)

    def _pass(self) -> int:
        """Move all that there is now; return how many things that were."""
        before = self.report.moved.total()
        self._untaken.clear()
        for kind in CopyKind:
            for page in self._out.read(kind, BATCH):
                for left in page.unreadable:
                    self._leave(kind, ("", left.key), left.sentence)
                for pairs in self._batches(kind, page):
                    self._move(kind, pairs)
        return self.report.moved.total() - before

    def _batches(self, kind: CopyKind, page: Page) -> Iterator[list[tuple[Copy, Copy]]]:
        """The copies of a page that can be moved, few enough at once; each as it is here, and as it is to arrive."""
        copies = [copy for copy in page.copies if (kind, copy.key) not in self._seen_left]
        moved = [shifted(copy, self._ahead) for copy in copies]
        refusals = self._in.refusals(moved) if copies else []
        if self.target.partitions > 1:
            refusals = [
                told or self._bonds.refusal(copy) for told, copy in zip(refusals, copies, strict=True)
            ]
        batch: list[tuple[Copy, Copy]] = []
        size = 0
        for copy, arriving, refusal in zip(copies, moved, refusals, strict=True):
            if refusal:
                self._leave(kind, copy.key, f"{self.target.describe()}: {refusal}")
                continue
            batch.append((copy, arriving))
            size += _size(copy)
            if size > BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _move(self, kind: CopyKind, pairs: Sequence[tuple[Copy, Copy]]) -> None:
        batch = uuid4().hex
        copies = [copy for copy, _ in pairs]
        arriving = [coming._replace(mark=b"") for _, coming in pairs]
        self._in.stage(self._name, self._source_name, batch, pack(kind, arriving))
        taken = self._out.take_out(self._name, batch, copies)
        self._untaken += [
            (kind, copy.key) for copy, was_taken in zip(copies, taken, strict=True) if not was_taken
        ]
        self._commit(batch, arriving, taken)

    def _commit(self, batch: str, copies: Sequence[Copy], taken: Sequence[bool]) -> None:
        coming = [copy for copy, was_taken in zip(copies, taken, strict=True) if was_taken]
        late = set(self._in.commit(self._name, self._source_name, batch, coming))
        for copy in coming:
            kind = kind_of(copy)
            self.report.moved[kind] += 1
            if copy.key[1] in late:
                became = "is a dead letter there" if kind is CopyKind.MESSAGE else "was left out"
                reason = f"its name was used in {self.target.describe()} while it was on its way: it {became}"
                self.report.note_left(Left(kind, copy.key[1], reason))
        self._progress(self.report)

    def _leave(self, kind: CopyKind, key: tuple[str, str], reason: str) -> None:
        if (kind, key) not in self._seen_left:
            self._seen_left.add((kind, key))
            self.report.note_left(Left(kind, key[1], reason))


def _size(copy: Iterable[object]) -> int:
    """How many bytes there are in a copy, and in what is in it."""
    return sum(
        len(part) if isinstance(part, bytes | str) else _size(part) if isinstance(part, tuple) else 0
        for part in copy
    )
