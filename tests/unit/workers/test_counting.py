"""What an engine counts: each accepted outcome once, by queue and task, in the format of the history."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from alsek.core.clock import monotonic_ms, wall_clock_ms
from alsek.core.worker.engine.counting import HAND_OVER_AFTER_MS, Counting
from alsek.storage.backends.history import bucket, unpacked
from alsek.storage.backends.records import Claimed, Failed, Lost, Released, Retried, SetAside, Succeeded
from tests.unit.workers.engine_fakes import answer

NOW = monotonic_ms()


@dataclass
class Ended:
    """A job that has ended."""

    outcome: Any
    claimed: Any
    entry: int = 0
    worker_id: str = "w"
    verdict_wanted: bool = False
    task_name: str = "t"
    ready_at: int | None = None
    started_at: int = 0
    elapsed_ns: int = 0


def error(name: str) -> bytes:
    return json.dumps({"name": name, "text": "so it is", "traceback": None}).encode()


def job(outcome: Any = None, uuid: str = "m", queue: str = "q", **fields: Any) -> Ended:
    claimed = Claimed(uuid, queue, b"", 1)
    if "started_at" in fields:
        fields.setdefault("ready_at", 0)
    return Ended(Succeeded(uuid, queue, 1) if outcome is None else outcome, claimed, **fields)


def counted(*jobs: Ended, **fields: Any) -> dict[str, int]:
    """The counts of jobs of one queue and task."""
    counting = Counting()
    counting.count(jobs, answer(**fields), NOW)
    (counts,) = counting.take() or [("", "", "")]
    return unpacked(counts[2])


def test_a_success_counts_with_its_time_and_its_wait() -> None:
    """The wait is from when the message was ready, on the producer's clock."""
    ready_at = wall_clock_ms() - 60_000
    counts = counted(job(ready_at=ready_at, started_at=monotonic_ms(), elapsed_ns=5_000_000))
    waited = counts.pop("wt") // 1_000
    assert 59_990 <= waited < 180_000  # two clocks are read, each to the millisecond
    assert counts == {"s": 1, "o": 1, f"w{bucket(waited)}": 1, f"d{bucket(5)}": 1, "dt": 5_000}


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Failed("m", "q", 1, error("ValueError"), 0), {"f": 1}),
        (Failed("m", "q", 1, error("MessageRevokedError"), 0), {"v": 1}),
        (Failed("m", "q", 1, error("MessageExpiredError"), 0), {"x": 1}),
        (Failed("m", "q", 1, error("WorkerLostError"), 0), {"f": 1}),
        (Retried("m", "q", 1, 0, 1, 0, None, error("ValueError")), {"r": 1}),
        (Lost("m", "q", 1), {"l": 1}),
        (SetAside("m", "q", 1, "t", b"", 0), {}),
        (Released("m", "q", 1), {}),
    ],
)
def test_each_outcome_has_its_count(outcome: Any, expected: dict[str, int]) -> None:
    """Nothing of an attempt counts where none was started."""
    assert counted(job(outcome)) == expected


@pytest.mark.parametrize(
    ("outcome", "end"),
    [
        (Failed("m", "q", 1, error("WorkerLostError"), 0), "f"),
        (Retried("m", "q", 1, 0, 1, 0, None, error("WorkerLostError")), "r"),
    ],
)
def test_a_lost_attempt_counts_beside_what_becomes_of_its_message(outcome: Any, end: str) -> None:
    """It was started, and its time counts."""
    counts = counted(job(outcome, started_at=NOW - 40, elapsed_ns=40_000_000))
    assert counts == {"s": 1, "l": 1, end: 1, f"d{bucket(40)}": 1, "dt": 40_000}


def test_a_set_aside_message_that_the_store_has_failed_counts_as_failed() -> None:
    """The store decides, and its answer says so."""
    assert counted(job(SetAside("m", "q", 1, "t", b"", 0)), failed=("m",)) == {"f": 1}


def test_refused_outcomes_do_not_count() -> None:
    """Another worker has the message, and will report it."""
    jobs = [job(uuid=uuid, started_at=NOW, elapsed_ns=1) for uuid in ("a", "b", "c")]
    assert counted(*jobs, refused=["b"])["o"] == 2


def test_a_released_message_counts_nothing_although_it_was_started() -> None:
    """A stop has ended it: it will be run again, uncharged."""
    assert counted(job(Released("m", "q", 1), started_at=NOW, elapsed_ns=5)) == {}


def test_a_message_from_a_clock_that_is_ahead_has_waited_for_nothing() -> None:
    """A wait is never less than zero, and adds nothing to the sum."""
    counts = counted(job(ready_at=wall_clock_ms() + 60_000, started_at=NOW, elapsed_ns=1))
    assert (counts["w0"], counts.get("wt", 0)) == (1, 0)


def test_every_time_has_a_bucket() -> None:
    """Mixed waits and run times each go to their own, whatever came before."""
    wall = wall_clock_ms()
    waits = [0, 70_000, 0, 70_000, 5_000_000, 10**12, 70_000]
    now = monotonic_ms()
    jobs = [job(ready_at=wall - wait, started_at=now, elapsed_ns=10**6 * (wait + 1)) for wait in waits]
    counts = counted(*jobs)
    assert sum(number for key, number in counts.items() if key[0] == "w" and key != "wt") == len(waits)
    assert [counts[f"d{bucket(wait + 1)}"] for wait in (0, 70_000, 5_000_000, 10**12)] == [2, 3, 1, 1]
    assert counts["s"] == len(waits)


def test_counts_are_kept_by_queue_and_task() -> None:
    """Also where they come mixed."""
    counting = Counting()
    names = [("q", "a"), ("q", "b"), ("r", "a"), ("q", "a")]
    jobs = [job(queue=queue, task_name=task, started_at=NOW, elapsed_ns=1) for queue, task in names]
    counting.count(jobs, answer(), NOW)
    counting.count_unreadable("q")
    assert {(each.queue, each.task): unpacked(each.counts).get("o", 0) for each in counting.take()} == {
        ("q", "a"): 2,
        ("q", "b"): 1,
        ("r", "a"): 1,
        ("q", ""): 0,
    }


def test_counts_are_due_a_second_after_the_first_of_them() -> None:
    """Later ones do not put it off; once they are taken, nothing is due."""
    counting = Counting()
    assert counting.hand_over_at is None
    counting.count([job()], answer(), NOW)
    counting.count([job()], answer(), NOW + 900)
    assert counting.hand_over_at == NOW + HAND_OVER_AFTER_MS
    assert len(counting.take()) == 1
    assert counting.hand_over_at is None
    assert counting.take() == []
