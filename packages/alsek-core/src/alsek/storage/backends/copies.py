"""What a move to another store takes along: a copy of each thing, as plain values.

Each has a `mark`, which only the store that made the copy reads: from it the store knows whether the thing is still
as it was copied. A `mark` is not moved. Times in the future (`due`, `expiry`) are Unix milliseconds on the clock of the
store that the copy is of, or is for; times in the past stay as they are, and so do the ticks of schedules.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

from alsek.exceptions import MessageAlreadyExistsError
from alsek.storage.backends.header import LIMITED
from alsek.types import Wish


class CopyKind(Enum):
    """What can be moved, in the order in which it is moved; the value names it in reports."""

    MESSAGE = "messages"
    DEAD_LETTER = "dead letters"
    RESULT = "results"
    STATUS = "statuses"
    VALUE = "values"
    SCHEDULE = "schedules"


class ReportCopy(NamedTuple):
    """What is kept of the reports on a message or dead letter; it goes with that.

    The fields are those of :class:`~alsek.storage.backends.records.ReportRecord`, and the number of the last report.

    Attributes:
        expiry: When it expires; None for never, and while the message is stored.
    """

    token: int
    number: int
    reported_at: int
    progress: bytes | None
    checkpoint: bytes | None
    lines: tuple[bytes, ...]
    expiry: int | None


class StatusCopy(NamedTuple):
    """A status; the fields are those of :class:`~alsek.storage.backends.records.StatusRecord`.

    Attributes:
        expiry: When it expires; None for never.
    """

    uuid: str
    status: int
    details: bytes | None
    timestamp: int
    expiry: int | None
    mark: bytes = b""

    @property
    def key(self) -> tuple[str, str]:
        return ("", self.uuid)


class MessageCopy(NamedTuple):
    """A message that waits. Its fields are those of the header (:mod:`~alsek.storage.backends.header`), and:

    Attributes:
        due: When it becomes ready; None if it is ready.
        expiry: Until when it may be ready; None for no end, and while it is delayed.
        suspect: It is a suspect.
        request: The call that submitted it; empty for a callback.
        tail: The tail of its header.
        version: The version of its record.
        status: Its status: it goes with the message. None if it has none.
        report: What is kept of reports on it: likewise.
    """

    uuid: str
    queue: str
    payload: bytes
    priority: int
    wish: Wish
    due: int | None
    expiry: int | None
    ttl: int
    status_ttl: int
    losses: int
    suspect: bool
    revoked: bool
    request: str
    tail: str
    version: int
    status: StatusCopy | None
    mark: bytes = b""
    report: ReportCopy | None = None

    @property
    def key(self) -> tuple[str, str]:
        return (self.queue, self.uuid)


class DeadLetterCopy(NamedTuple):
    """A dead letter; the fields are those of :class:`~alsek.storage.backends.records.DeadLetter`.

    Attributes:
        expiry: When it expires; None for never.
        tail: The tail of its header.
        report: What is kept of reports on it: it goes with the dead letter. None if nothing is.
    """

    uuid: str
    queue: str
    payload: bytes
    error: bytes
    died_at: int
    expiry: int | None
    tail: str
    mark: bytes = b""
    report: ReportCopy | None = None

    @property
    def key(self) -> tuple[str, str]:
        return (self.queue, self.uuid)


class ResultCopy(NamedTuple):
    """A result; the fields are those of :class:`~alsek.storage.backends.records.ResultRecord`.

    Attributes:
        progenitor: Whose descendant it is; None for nobody's.
        expiry: When it expires; None for never.
    """

    uuid: str
    payload: bytes
    timestamp: int
    token: int
    progenitor: str | None
    expiry: int | None
    mark: bytes = b""

    @property
    def key(self) -> tuple[str, str]:
        return ("", self.uuid)


class ValueCopy(NamedTuple):
    """A value by name, serialized; `expiry` is None for never."""

    name: str
    value: bytes
    expiry: int | None
    mark: bytes = b""

    @property
    def key(self) -> tuple[str, str]:
        return ("", self.name)


class ScheduleCopy(NamedTuple):
    """A schedule; the fields are those of :class:`~alsek.storage.backends.records.ScheduleRecord`."""

    name: str
    revision: str
    definition: bytes
    next_at: int | None
    last_at: int | None
    last_uuid: str
    paused_by: str
    paused_since: int
    mark: bytes = b""

    @property
    def key(self) -> tuple[str, str]:
        return ("", self.name)


Copy: TypeAlias = MessageCopy | DeadLetterCopy | ResultCopy | StatusCopy | ValueCopy | ScheduleCopy

#: The class of the copies of each kind.
COPY_CLASSES: dict[CopyKind, type[Copy]] = {
    CopyKind.MESSAGE: MessageCopy,
    CopyKind.DEAD_LETTER: DeadLetterCopy,
    CopyKind.RESULT: ResultCopy,
    CopyKind.STATUS: StatusCopy,
    CopyKind.VALUE: ValueCopy,
    CopyKind.SCHEDULE: ScheduleCopy,
}
_KIND_OF = {cls: kind for kind, cls in COPY_CLASSES.items()}


def kind_of(copy: Copy) -> CopyKind:
    """Return what a copy is of."""
    return _KIND_OF[type(copy)]


#: Why a message stays that is a member of a group, or the callback of one.
IN_A_GROUP: Final = (
    "it belongs to a group, and groups are not moved: let the group end, and move the rest then"
)


class Unreadable(NamedTuple):
    """A record that the store can't read, or does not move, and that stays where it is.

    Attributes:
        key: The uuid or name.
        reason: What the store found; or :data:`IN_A_GROUP`.
    """

    key: str
    reason: str

    @property
    def sentence(self) -> str:
        """Why it stays, for a report."""
        return self.reason if self.reason == IN_A_GROUP else f"its record can't be read: {self.reason}"


class Page(NamedTuple):
    """Some of the things of a store, in their order."""

    copies: Sequence[Copy]
    unreadable: Sequence[Unreadable] = ()


def page_of(found: Iterable[Copy | Unreadable | None]) -> Page:
    """A page of what was found; None is something that is gone, and left out."""
    copies: list[Copy] = []
    unreadable: list[Unreadable] = []
    for one in found:
        if isinstance(one, Unreadable):
            unreadable.append(one)
        elif one is not None:
            copies.append(one)
    return Page(copies, unreadable)


class Taken(NamedTuple):
    """The last batch that was taken out of a store.

    Attributes:
        batch: Its random name.
        taken: For each copy of it, whether it was taken out.
    """

    batch: str
    taken: tuple[bool, ...]


class Staged(NamedTuple):
    """A batch that waits in a store, seen by nobody: its random name, and the bytes that stand for its copies."""

    batch: str
    data: bytes


class SourceOpened(NamedTuple):
    """The answer of a store that things are moved out of.

    Attributes:
        busy: Another move was at work so recently that it may still be: how long (ms) until it counts as gone. 0 if
            the store is open for this move.
        other: Where a move went that has not ended, if it went elsewhere; empty if the store is open for this move.
        token: The last claim token that it gave out.
        fence: The last fence number.
        taken: The last batch that was taken out; None if there was none.
    """

    busy: int = 0
    other: str = ""
    token: int = 0
    fence: int = 0
    taken: Taken | None = None


class TargetOpened(NamedTuple):
    """The answer of a store that things are moved into: what an earlier move has staged."""

    staged: Staged | None = None


def is_in_a_group(tail: str) -> bool:
    """Return True if a message whose header has this tail is a member of a group, or the callback of one."""
    return any(part.startswith(("g=", "j=")) for part in tail.split(";"))


def has_limits(copy: Copy) -> bool:
    """Return True if this is a message that limits have to let in."""
    return isinstance(copy, MessageCopy) and LIMITED in copy.tail


#: Why a store can't take something in: the name of it is used there, or the uuid of a message is not new.
NAME_USED: Final = "there is one of this name already"
UUID_STORED: Final = "a message of this uuid is stored there"
UUID_ENDED: Final = "a message of this uuid ended there within the last minute"
KEY_HELD: Final = "its unique key is held there, and another message waits for it or its window is not over"


def elsewhere(what: str) -> str:
    """Why something stays that `what` would have to be in one partition of the target with."""
    return (
        f"{what} has its place in another partition there, and one step of that store can't change both: let workers "
        "of this store run it, or move it to a store without partitions"
    )


def too_late(uuid: str) -> bytes:
    """The error of the dead letter of a message whose uuid was used in the target while it was on its way, as JSON."""
    text = f"another message of the uuid {uuid} was submitted to this store while this one was moved to it"
    return json.dumps({"name": MessageAlreadyExistsError.__name__, "text": text, "traceback": None}).encode()
