"""Soundness: no message's outcome can stop a pool by what it is made of."""

from __future__ import annotations

import enum
import json
from typing import Any

import pytest

from alsek.core.worker.engine.outcome_checks import LONGEST, validate_outcome
from alsek.defaults import MAX_PRIORITY
from alsek.storage.backends.records import (
    FOR_EVER,
    Failed,
    Lost,
    Outcome,
    Released,
    Retried,
    Submission,
    Succeeded,
)

CALLBACK = Submission("c", "q", b"{}", MAX_PRIORITY, "any", 5, 6, FOR_EVER)


class Day(enum.IntEnum):
    """A duration, as users write it."""

    ONE = 86_400_000


@pytest.mark.parametrize(
    "outcome",
    [
        Succeeded("u", "q", 1),
        Succeeded("u", "q", 1, b"1", LONGEST, "p", CALLBACK),
        Succeeded("u", "q", 1, b"1", Day.ONE),
        Retried("u", "q", 1, 0, 1),
        Failed("u", "q", 1, b"{}", 0),
        Released("u", "q", 1),
        Lost("u", "q", 1),
    ],
)
def test_what_a_store_can_take_stays_as_it_is(outcome: Outcome) -> None:
    """All that is usual travels untouched."""
    assert validate_outcome(outcome, 1000) == outcome


@pytest.mark.parametrize(
    ("outcome", "mended"),
    [
        (Succeeded("u", "q", 1, b"1", 2**63 - 1), Succeeded("u", "q", 1, b"1", LONGEST)),
        (
            Succeeded("u", "q", 1, result_ttl=0.5 * 3_600_000),  # type: ignore[arg-type]
            Succeeded("u", "q", 1, result_ttl=1_800_000),
        ),
        (Retried("u", "q", 1, 10**30, 1), Retried("u", "q", 1, LONGEST, 1)),
        (Failed("u", "q", 1, b"{}", 2**70), Failed("u", "q", 1, b"{}", LONGEST)),
        (
            Succeeded("u", "q", 1, callback=CALLBACK._replace(delay=2**70, ttl=2**70, status_ttl=2**70)),
            Succeeded(
                "u", "q", 1, callback=CALLBACK._replace(delay=LONGEST, ttl=LONGEST, status_ttl=LONGEST)
            ),
        ),
    ],
)
def test_what_no_clock_counts_in_is_made_to_fit(outcome: Outcome, mended: Outcome) -> None:
    """A lifetime of `sys.maxsize` means for ever: centuries will do; and half an hour is a whole number."""
    made = validate_outcome(outcome, 1000)
    assert made == mended
    assert [type(field) for field in made] == [type(field) for field in mended]


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (Succeeded("u", "q", 1, result_ttl=float("nan")), "result_ttl=nan"),  # type: ignore[arg-type]
        (Succeeded("u", "q", 1, result="1"), "made str of the result"),  # type: ignore[arg-type]
        (Succeeded("u", "q", 1, progenitor=("p",)), "progenitor_uuid"),  # type: ignore[arg-type]
        (Succeeded("u", "q", 1, progenitor="\ud800"), "surrogates"),
        (Succeeded("u", "q", 1, callback=CALLBACK._replace(priority=MAX_PRIORITY + 1)), "priority"),
        (Succeeded("u", "q", 1, callback=CALLBACK._replace(payload=None)), "made NoneType"),  # type: ignore[arg-type]
        (Succeeded("u", "q", 1, callback=CALLBACK._replace(uuid=None)), "uuid=None of the callback"),  # type: ignore[arg-type]
        (Succeeded("u", "q", 1, callback=CALLBACK._replace(queue=3)), "queue=3 of the callback"),  # type: ignore[arg-type]
        (Succeeded("u", "q", 1, callback=CALLBACK._replace(queue="\ud800")), "surrogates"),
        (Retried("u", "q", 1, float("inf"), 1), "delay=inf"),  # type: ignore[arg-type]
        (Failed("u", "q", 1, b"{}", "x"), "dlq_ttl='x'"),  # type: ignore[arg-type]
    ],
)
@pytest.mark.parametrize("dlq_ttl", [None, 1000, 2**70, 1.5])
def test_what_no_store_can_take_is_a_death_that_says_why(outcome: Outcome, why: str, dlq_ttl: Any) -> None:
    """The message fails alone, and its dead letter names the value."""
    died = validate_outcome(outcome, dlq_ttl)
    assert isinstance(died, Failed)
    assert died[:3] == ("u", "q", 1)
    assert why in json.loads(died.error)["text"]
    assert validate_outcome(died, dlq_ttl) is died
