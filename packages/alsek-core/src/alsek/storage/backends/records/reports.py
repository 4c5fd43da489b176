"""Reports: what a worker tells of a message while it holds it."""

from __future__ import annotations

from typing import NamedTuple


class Report(NamedTuple):
    """What the holder of a message tells of it, beside an outcome or before there is one. It does not end the claim.

    Accepted if its token is that of the worker's current claim on the message. One whose `number` is not above that of
    the last report under this token changes nothing, so that it may be sent again.

    Attributes:
        uuid: The name of the message.
        queue: Ignored, as in an outcome.
        token: The claim.
        number: Grows by one with each report under this token; the first is 1.
        progress: How far the task is, serialized. It replaces what was there; None leaves it.
        checkpoint: What the next attempt is to get, serialized. Likewise.
        lines: What the task has logged, oldest first. They go behind those that are kept.
        keep: How many lines are kept at most: the oldest go. 0 leaves what is there, and adds none.
    """

    uuid: str
    queue: str
    token: int
    number: int
    progress: bytes | None = None
    checkpoint: bytes | None = None
    lines: tuple[bytes, ...] = ()
    keep: int = 0


class ReportRecord(NamedTuple):
    """What is kept of the reports on a message, over all its attempts.

    Attributes:
        uuid: The name of the message.
        token: The claim under which the last report came.
        reported_at: When it came: Unix milliseconds on the store's clock.
        progress: As in :class:`Report`; None if there is none.
        checkpoint: Likewise.
        lines: Likewise, oldest first. Empty if they were not asked for.
    """

    uuid: str
    token: int
    reported_at: int
    progress: bytes | None = None
    checkpoint: bytes | None = None
    lines: tuple[bytes, ...] = ()
