"""The metrics of a pool in the formats of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from alsek.core.worker.monitor.pool_view import PoolView
from alsek.exceptions import ValidationError
from alsek.storage.backends.history import BUCKETS_MS, OUTCOMES
from alsek.storage.backends.records import QueueTally

#: The bounds of the histograms: the powers of two.
_BOUNDS_MS: Final = frozenset(BUCKETS_MS[::2])


def check_installed() -> None:
    """Check that prometheus-client is there.

    Raises:
        ValidationError: It is not.
    """
    if find_spec("prometheus_client") is None:
        raise ValidationError("metrics_port needs prometheus-client: pip install 'alsek-workers[metrics]'")


def exposition(view: PoolView, accept: str) -> tuple[bytes, str]:
    """Return the metrics of a pool, and their content type.

    Args:
        view: What is known of the pool.
        accept: The formats that the client takes, as its ``Accept`` header says.
    """
    registry = import_module("prometheus_client").CollectorRegistry(auto_describe=False)
    registry.register(_OfPool(view))
    encode, content_type = import_module("prometheus_client.exposition").choose_encoder(accept)
    return encode(registry), content_type


class _OfPool:
    """What a registry asks for the metrics."""

    def __init__(self, view: PoolView) -> None:
        self._view = view
        self._kinds = import_module("prometheus_client.metrics_core")

    def collect(self) -> Iterator[Any]:
        """All metrics; what is not known is left out."""
        yield from self._counts()
        if tallies := self._view.tallies:
            yield self._queues(tallies)
        if slots := self._view.slots:
            family = self._kinds.GaugeMetricFamily(
                "alsek_worker_slots",
                "Slots of this pool for tasks. Abandoned ones are threads that do not end.",
                labels=["state"],
            )
            for state, number in slots.items():
                family.add_metric([state], number)
            yield family

    def _counts(self) -> Iterator[Any]:
        labels = ["queue", "task"]
        messages = self._kinds.CounterMetricFamily(
            "alsek_messages",
            "How attempts and messages have ended, as the store has accepted it.",
            labels=[*labels, "outcome"],
        )
        waits = self._kinds.HistogramMetricFamily(
            "alsek_message_wait_seconds",
            "The time from when a message was ready to the start of its first attempt.",
            labels=labels,
        )
        runs = self._kinds.HistogramMetricFamily(
            "alsek_message_run_seconds", "The time that an attempt took.", labels=labels
        )
        for names, counts in sorted(self._view.totals().items()):
            for outcome, key in OUTCOMES.items():
                messages.add_metric([*names, outcome], counts.get(key, 0))
            for family, letter in ((waits, "w"), (runs, "d")):
                seconds = counts.get(f"{letter}t", 0) / 1_000_000
                family.add_metric(list(names), cumulative(counts, letter), seconds)
        yield from (messages, waits, runs)

    def _queues(self, tallies: Sequence[QueueTally]) -> Any:
        family = self._kinds.GaugeMetricFamily(
            "alsek_queue_messages",
            "The messages and dead letters that a queue holds.",
            labels=["queue", "state"],
        )
        for tally in tallies:
            states = {
                "ready": tally.ready,
                "delayed": tally.delayed,
                "waiting": tally.waiting,
                "running": tally.claimed,
                "dead": tally.dead,
            }
            for state, number in states.items():
                family.add_metric([tally.queue, state], number)
        return family


def cumulative(counts: Mapping[str, int], letter: str) -> list[tuple[str, float]]:
    """Return how many times are up to each bound of the histograms.

    Args:
        counts: The counts.
        letter: ``w`` for waits, ``d`` for run times.
    """
    buckets: list[tuple[str, float]] = []
    passed = 0
    for index, bound in enumerate(BUCKETS_MS):
        passed += counts.get(f"{letter}{index}", 0)
        if bound in _BOUNDS_MS:
            buckets.append((str(bound / 1000), passed))
    return [*buckets, ("+Inf", passed)]
