"""What a store notes of moves: which one is at work, what it took out last, what is staged. For stores in Python.

A store keeps these as fields by name, in whatever it has, and calls these functions within its steps. Redis does the
same in its scripts (``move_from.lua``, ``move_out.lua``, ``move_to.lua``, ``move_stage.lua``, ``move_in.lua`` and
``move_end.lua``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

from alsek.exceptions import MoveError
from alsek.storage.backends.copies import SourceOpened, Staged, Taken, TargetOpened

#: The fields of the move out of this store.
_OUT: Final = ("move", "target", "place", "beat", "batch", "taken")

#: The fields of a move into this store; the name of its source stands between.
_IN: Final = ("move", "batch", "data", "done", "late")


def replaced(move: str) -> MoveError:
    """The error for a call of a move that no longer has the right to change anything."""
    return MoveError(
        f"move {move[:8]} was replaced by another one that began meanwhile; nothing is lost: let that go on"
    )


class MoveBook(ABC):
    """The fields that a store keeps of moves."""

    @abstractmethod
    def get(self, field: str) -> bytes | None:
        """The value of a field."""

    @abstractmethod
    def set(self, field: str, value: bytes) -> None:
        """Write a field."""

    @abstractmethod
    def delete(self, field: str) -> None:
        """Delete a field, if it is there."""

    def _text(self, field: str) -> str:
        return (self.get(field) or b"").decode()

    def name(self, new: str) -> str:
        """The name of the store; `new` if it has none yet."""
        if not self._text("name"):
            self.set("name", new.encode())
        return self._text("name")

    def open_source(
        self, move: str, target: str, place: str, lease: int, abandon: bool, now: int
    ) -> SourceOpened:
        """Begin or go on, unless another move may be at work, or one to another store has not ended."""
        before = self._text("out:move")
        elsewhere = before and self._text("out:target") != target
        if before and before != move:
            left = int(self._text("out:beat")) + lease - now
            if left > 0:
                return SourceOpened(busy=left)
            if elsewhere and not abandon:
                return SourceOpened(other=self._text("out:place"))
        if elsewhere:
            self.delete("out:batch")
            self.delete("out:taken")
        for field, value in (("move", move), ("target", target), ("place", place), ("beat", str(now))):
            self.set(f"out:{field}", value.encode())
        batch = self._text("out:batch")
        return SourceOpened(taken=Taken(batch, self._taken()) if batch else None)

    def _taken(self) -> tuple[bool, ...]:
        return tuple(letter == "1" for letter in self._text("out:taken"))

    def taken_before(self, move: str, batch: str) -> list[bool] | None:
        """What this batch took out, if it was taken out before; None if it is to be.

        Raises:
            MoveError: Another move has opened the store.
        """
        if self._text("out:move") != move:
            raise replaced(move)
        return list(self._taken()) if self._text("out:batch") == batch else None

    def note_taken(self, batch: str, taken: list[bool], now: int) -> None:
        """Note what a batch has taken out."""
        self.set("out:batch", batch.encode())
        self.set("out:taken", "".join("1" if one else "0" for one in taken).encode())
        self.set("out:beat", str(now).encode())

    def close_source(self, move: str) -> None:
        """Forget the move."""
        if self._text("out:move") == move:
            for field in _OUT:
                self.delete(f"out:{field}")

    def open_target(self, move: str, source: str) -> TargetOpened:
        """Begin or go on."""
        self.set(f"in:{source}:move", move.encode())
        batch, data = self._text(f"in:{source}:batch"), self.get(f"in:{source}:data")
        return TargetOpened(Staged(batch, data) if batch and data is not None else None)

    def _check_target(self, move: str, source: str) -> None:
        if self._text(f"in:{source}:move") != move:
            raise replaced(move)

    def stage(self, move: str, source: str, batch: str, data: bytes) -> None:
        """Keep a batch.

        Raises:
            MoveError: Another move has opened the store for this source.
        """
        self._check_target(move, source)
        self.set(f"in:{source}:batch", batch.encode())
        self.set(f"in:{source}:data", bytes(data))

    def committed_before(self, move: str, source: str, batch: str) -> list[str] | None:
        """What was answered if this batch was committed before; None if it is to be.

        Raises:
            MoveError: Another move has opened the store for this source, or has staged something else.
        """
        self._check_target(move, source)
        if self._text(f"in:{source}:done") == batch:
            late = self._text(f"in:{source}:late")
            return late.split("\n") if late else []
        if self._text(f"in:{source}:batch") != batch:
            raise replaced(move)
        return None

    def note_committed(self, source: str, batch: str, late: list[str]) -> None:
        """Note that a batch is committed, and forget its bytes."""
        self.set(f"in:{source}:done", batch.encode())
        self.set(f"in:{source}:late", "\n".join(late).encode())
        self.delete(f"in:{source}:batch")
        self.delete(f"in:{source}:data")

    def close_target(self, move: str, source: str) -> None:
        """Forget the move."""
        if self._text(f"in:{source}:move") == move:
            for field in _IN:
                self.delete(f"in:{source}:{field}")
