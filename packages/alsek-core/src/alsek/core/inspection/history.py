"""The history: what happened to messages, minute by minute, as workers have counted it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from alsek.storage.backends.history import MINUTE_MS, OUTCOMES, quantile, unpacked
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import HistoryRow

#: The counts of messages that have ended. No longer key ends in these letters.
_ENDINGS: Final = "".join(OUTCOMES[outcome] for outcome in ("succeeded", "failed", "revoked", "expired"))
_ENDED: Final = re.compile(rf"[{_ENDINGS}]:(\d+)")
_FAILED: Final = re.compile(rf"{OUTCOMES['failed']}:(\d+)")
#: Attempts that began, and all outcomes.
_PLAIN: Final = re.compile(rf"([s{''.join(OUTCOMES.values())}]):(\d+)")


@dataclass(frozen=True, slots=True)
class HistoryInfo:
    """What was counted of one queue and task within one minute.

    Attributes:
        minute: When the minute began: Unix milliseconds on the store's clock.
        queue: The queue.
        task: The name of the task.
        started: Attempts that began.
        succeeded: Messages that succeeded.
        failed: Messages that failed for good.
        retried: Attempts after which the message is run again.
        lost: Attempts that were lost with their process.
        revoked: Messages that were revoked.
        expired: Messages that expired.
        wait_p50: The median of the time (ms) from when a message was ready to its first attempt. Times are counted in
            buckets, and this is the upper bound of the bucket. None if no first attempt began in this minute.
        wait_p99: The 99th percentile of the same.
        run_p50: The median of the time (ms) that an attempt took; None if none ended in this minute.
        run_p99: The 99th percentile of the same.
    """

    minute: int
    queue: str
    task: str
    started: int
    succeeded: int
    failed: int
    retried: int
    lost: int
    revoked: int
    expired: int
    wait_p50: float | None
    wait_p99: float | None
    run_p50: float | None
    run_p99: float | None


@dataclass(frozen=True, slots=True)
class MinuteInfo:
    """What was counted of all queues and tasks together within one minute.

    Attributes:
        minute: When the minute began: Unix milliseconds on the store's clock.
        started: Attempts that began.
        succeeded: Messages that succeeded.
        failed: Messages that failed for good.
        retried: Attempts after which the message is run again.
        lost: Attempts that were lost with their process.
        revoked: Messages that were revoked.
        expired: Messages that expired.
        failed_tasks: How many messages failed for good, by task.
    """

    minute: int
    started: int = 0
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    lost: int = 0
    revoked: int = 0
    expired: int = 0
    failed_tasks: Mapping[str, int] = field(default_factory=dict[str, int])


def minutes_of(port: MessagePort, minutes: int, before: int | None) -> list[MinuteInfo]:
    """Return each of the last `minutes` minutes that began before this time, the present one included, oldest first."""
    last = port.now() // MINUTE_MS if before is None else -(-before // MINUTE_MS) - 1
    first = last - minutes + 1
    texts: dict[int, list[str]] = {}
    tasks: dict[int, dict[str, int]] = {}
    for row in port.history(first, last):
        texts.setdefault(row.minute, []).append(row.counts)
        found = _FAILED.search(row.counts)
        if found is not None:
            of_minute = tasks.setdefault(row.minute, {})
            of_minute[row.task] = of_minute.get(row.task, 0) + int(found[1])
    return [
        _total(minute, " ".join(texts.get(minute, ())), tasks.get(minute, {}))
        for minute in range(first, last + 1)
    ]


def _total(minute: int, counts: str, failed_tasks: dict[str, int]) -> MinuteInfo:
    totals: dict[str, int] = {}
    for key, number in _PLAIN.findall(counts):
        totals[key] = totals.get(key, 0) + int(number)
    by_name = {outcome: totals.get(key, 0) for outcome, key in OUTCOMES.items()}
    return MinuteInfo(minute * MINUTE_MS, totals.get("s", 0), **by_name, failed_tasks=failed_tasks)


def history_of(port: MessagePort, minutes: int) -> list[HistoryInfo]:
    """Return what was counted in the last `minutes` minutes, the present one included, oldest first."""
    last = port.now() // MINUTE_MS
    return [_info(row) for row in port.history(last - minutes + 1, last)]


def _info(row: HistoryRow) -> HistoryInfo:
    counts = unpacked(row.counts)
    return HistoryInfo(
        row.minute * MINUTE_MS,
        row.queue,
        row.task,
        counts.get("s", 0),
        **{outcome: counts.get(key, 0) for outcome, key in OUTCOMES.items()},
        wait_p50=quantile(counts, "w", 0.5),
        wait_p99=quantile(counts, "w", 0.99),
        run_p50=quantile(counts, "d", 0.5),
        run_p99=quantile(counts, "d", 0.99),
    )


def rates(rows: Iterable[HistoryRow], now: int) -> dict[str, float]:
    """Return how many messages of each queue ended per second over the last minute.

    Args:
        rows: What was counted in the present minute and the one before.
        now: Unix milliseconds on the store's clock. Of the minute before counts the share that is less than a minute
            ago.
    """
    present, elapsed = divmod(now, MINUTE_MS)
    share = {present: 1.0, present - 1: 1 - elapsed / MINUTE_MS}
    ended: dict[str, float] = {}
    for row in rows:
        number = sum(map(int, _ENDED.findall(row.counts)))
        ended[row.queue] = ended.get(row.queue, 0.0) + number * share.get(row.minute, 0.0)
    return {queue: round(number * 1_000 / MINUTE_MS, 3) for queue, number in ended.items()}
