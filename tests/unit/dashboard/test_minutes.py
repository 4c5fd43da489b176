"""The last hour is read once, and piece by piece."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alsek import Inspector
from alsek.core.inspection.history import MinuteInfo
from alsek.dashboard.reading import minutes as reading
from alsek.dashboard.reading.minutes import SHOWN, Minutes
from alsek.storage.backends.history import MINUTE_MS
from alsek.storage.backends.memory import MemoryBackend

START = 1_000 * MINUTE_MS


class Counted(Inspector):
    """An inspector that notes which minutes are read."""

    def __init__(self) -> None:
        super().__init__(MemoryBackend())
        self.read: list[int] = []

    def minutes(self, minutes: int = 60, *, before: int | None = None) -> list[MinuteInfo]:
        """Return minutes in which nothing was counted."""
        assert before is not None
        last = before // MINUTE_MS - 1
        numbers = range(last - minutes + 1, last + 1)
        self.read += numbers
        return [MinuteInfo(number * MINUTE_MS) for number in numbers]


@pytest.fixture
def inspector() -> Counted:
    """One that has read nothing."""
    return Counted()


def test_an_hour_is_read_at_once_if_there_is_time(
    inspector: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each minute once; later only those that may have changed."""
    monkeypatch.setattr(reading, "_PATIENCE_S", 3_600.0)
    minutes = Minutes()
    assert len(minutes.read(inspector, START)) == SHOWN
    assert sorted(inspector.read) == list(range(1_000 - SHOWN + 1, 1_001))
    inspector.read.clear()
    found = minutes.read(inspector, START + 3 * MINUTE_MS)
    assert inspector.read == [999, 1_000, 1_001, 1_002, 1_003]
    assert [minute.minute // MINUTE_MS for minute in found] == list(range(1_003 - SHOWN + 1, 1_004))


def test_without_time_it_is_read_in_pieces(inspector: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reading goes further back, and no more than a piece; after some the hour is whole."""
    monkeypatch.setattr(reading, "_PATIENCE_S", -1.0)
    minutes = Minutes()

    def lengths() -> Iterator[int]:
        for _ in range(25):
            before = len(inspector.read)
            yield len(minutes.read(inspector, START))
            assert len(inspector.read) - before <= 5

    found = list(lengths())
    assert found[:3] == [5, 8, 11]
    assert found[-1] == SHOWN


def test_after_an_hour_without_a_look_it_begins_anew(inspector: Counted) -> None:
    """What is older than an hour is not shown, and not read."""
    minutes = Minutes()
    minutes.read(inspector, START)
    found = minutes.read(inspector, START + 500 * MINUTE_MS)
    numbers = [minute.minute // MINUTE_MS for minute in found]
    assert numbers == list(range(numbers[0], 1_501))
    assert numbers[0] > 1_501 - SHOWN - 1
