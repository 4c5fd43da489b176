"""How long to wait before the next attempt."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsek.core.backoff import (
    NO_BACKOFF,
    Backoff,
    ConstantBackoff,
    ExponentialBackoff,
    LinearBackoff,
    backoff_from,
)
from alsek.defaults import MAX_DURATION
from alsek.exceptions import ValidationError

KINDS = (ConstantBackoff, LinearBackoff, ExponentialBackoff)

bounds = st.tuples(st.none() | st.integers(0, 10**7), st.none() | st.integers(0, 10**7)).filter(
    lambda pair: pair[0] is None or pair[1] is None or pair[0] <= pair[1]
)


def test_the_documented_defaults() -> None:
    """A minute at least, an hour at most, and 0 with no incident: for every class, as the tour prints them."""
    assert ExponentialBackoff().settings == {
        "algorithm": "ExponentialBackoff",
        "parameters": {
            "base": 4,
            "factor": 10_000,
            "floor": 60_000,
            "ceiling": 3_600_000,
            "zero_override": True,
        },
    }
    for kind in KINDS:
        backoff = kind()
        assert (backoff.floor, backoff.ceiling, backoff.zero_override) == (60_000, 3_600_000, True)


def test_a_constant_lies_under_the_floor_too() -> None:
    """30 s stay a minute unless the floor is lowered, as the docstring says."""
    assert ConstantBackoff(constant=30_000).get(1) == 60_000
    assert ConstantBackoff(constant=30_000, floor=0).get(1) == 30_000
    assert "floor" in (ConstantBackoff.__doc__ or "")


def test_linear_and_exponential_growth() -> None:
    """Linear adds, exponential multiplies, with each incident."""
    assert [LinearBackoff(1_000, floor=0).get(n) for n in (1, 2, 3)] == [1_000, 2_000, 3_000]
    assert [ExponentialBackoff(2, 1_000, floor=0).get(n) for n in (1, 2, 3)] == [2_000, 4_000, 8_000]
    assert ExponentialBackoff().get(1) == 60_000
    assert ExponentialBackoff().get(100) == 3_600_000


def test_linear_growth_never_stops_short_of_the_ceiling() -> None:
    """Many incidents of a small factor still add up."""
    assert LinearBackoff(1, floor=None, ceiling=None).get(1_000) == 1_000
    assert LinearBackoff(1, floor=0).get(4_000_000) == 3_600_000


@pytest.mark.parametrize("kind", KINDS)
def test_no_incident(kind: Any) -> None:
    """With no incident the floor holds only if `zero_override` is off."""
    assert kind().get(0) == 0
    assert kind(zero_override=False).get(0) == 60_000


@pytest.mark.parametrize("incidents", [1, 1_000, 10**9])
@pytest.mark.parametrize("base", [4, 1.5, 10**300, 1e300])
def test_without_a_ceiling_it_is_still_a_number(base: float, incidents: int) -> None:
    """However often a message failed, its duration is an integer that every store can take."""
    duration = ExponentialBackoff(base, 1e10, floor=None, ceiling=None).get(incidents)  # type: ignore[arg-type]
    assert isinstance(duration, int)
    assert 0 <= duration <= MAX_DURATION


@pytest.mark.parametrize("kind", KINDS)
def test_a_ceiling_beyond_what_stores_hold_is_no_ceiling(kind: Any) -> None:
    """Whatever floor and ceiling say, no duration is longer than three centuries."""
    assert kind(floor=10**20, ceiling=10**30).get(3) == MAX_DURATION


@given(st.sampled_from(KINDS), bounds, st.booleans(), st.booleans(), st.integers(0, 10**6))
def test_bounds_hold(
    kind: Any, pair: tuple[int | None, int | None], zero: bool, jitter: bool, n: int
) -> None:
    """The duration is never below the floor (unless jittered) nor above the ceiling, and always an integer >= 0."""
    floor, ceiling = pair
    duration = kind(floor=floor, ceiling=ceiling, zero_override=zero, jitter=jitter).get(n)
    assert isinstance(duration, int)
    assert duration >= 0
    if ceiling is not None:
        assert duration <= ceiling
    if n == 0 and zero:
        assert duration == 0
    elif floor is not None and not jitter:
        assert duration >= floor


@given(st.sampled_from(KINDS), bounds, st.integers(1, 10**5))
def test_more_incidents_never_wait_less(kind: Any, pair: tuple[int | None, int | None], n: int) -> None:
    """The duration grows with the number of incidents, or stays."""
    backoff = kind(floor=pair[0], ceiling=pair[1])
    assert backoff.get(n) <= backoff.get(n + 1)


@given(st.sampled_from(KINDS), bounds, st.booleans(), st.booleans(), st.integers(0, 10**6))
def test_settings_give_an_equal_backoff(
    kind: Any, pair: tuple[int | None, int | None], zero: bool, jitter: bool, number: int
) -> None:
    """What a message carries of a backoff is all of it."""
    backoff = kind(number, floor=pair[0], ceiling=pair[1], zero_override=zero, jitter=jitter)
    again = backoff_from(backoff.settings)
    assert again == backoff
    assert hash(again) == hash(backoff)
    assert eval(repr(backoff), {kind.__name__: kind}) == backoff


def test_jitter_spreads() -> None:
    """Messages that failed together are not retried together."""
    backoff = ConstantBackoff(1_000_000, jitter=True)
    assert len({backoff.get(1) for _ in range(50)}) > 25


def test_none_is_no_wait() -> None:
    """Settings without an algorithm, and `NO_BACKOFF`, are a constant 0."""
    assert ConstantBackoff(constant=0, floor=0, ceiling=0, zero_override=True) == NO_BACKOFF
    assert backoff_from({"algorithm": None, "parameters": {}}) == NO_BACKOFF
    assert [NO_BACKOFF.get(n) for n in (0, 1, 50)] == [0, 0, 0]


def test_a_backoff_of_ones_own_is_found_by_its_name() -> None:
    """A subclass that is defined can be made again from settings."""

    class Fibonacci(Backoff):
        """1, 1, 2, 3, 5, … seconds."""

        @property
        def parameters(self) -> dict[str, Any]:
            return self._bounds()

        def formula(self, incidents: int) -> float:
            a, b = 0, 1
            for _ in range(incidents):
                a, b = b, a + b
            return a * 1_000

    again = backoff_from(Fibonacci(floor=0).settings)
    assert type(again) is Fibonacci
    assert again.get(5) == 5_000


def test_an_unknown_algorithm_says_what_to_do() -> None:
    """Settings of a class that this process has not defined are refused with its name and the remedy."""
    with pytest.raises(ValidationError, match=r"'Nowhere'.*import the module"):
        backoff_from({"algorithm": "Nowhere", "parameters": {}})
    with pytest.raises(ValidationError, match="can't be made"):
        backoff_from({"algorithm": "LinearBackoff", "parameters": {"no": "such"}})


@pytest.mark.parametrize(
    "make",
    [
        lambda: ConstantBackoff(-1),
        lambda: LinearBackoff(-1),
        lambda: ExponentialBackoff(base=-2),
        lambda: ExponentialBackoff(factor=-2),
        lambda: ConstantBackoff(floor=-1),
        lambda: ConstantBackoff(ceiling=-1),
        lambda: ConstantBackoff(floor=2, ceiling=1),
        lambda: ConstantBackoff("1 s"),  # type: ignore[arg-type]
        lambda: LinearBackoff(float("nan")),  # type: ignore[arg-type]
    ],
)
def test_nonsense_is_refused(make: Any) -> None:
    """Negative or contradictory parameters are refused when the backoff is made, not when a message fails."""
    with pytest.raises(ValidationError):
        make()
