"""Backoffs: how long to wait before a failed message is run again.

The duration depends on the number of *incidents*: failed attempts to process the message. A message contains its
backoff as data (its *settings*), so that the store and other processes don't need its code.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from typing import Any

from alsek.core.short_repr import shown
from alsek.defaults import DEFAULT_BACKOFF_CEILING, DEFAULT_BACKOFF_FLOOR, MAX_DURATION
from alsek.exceptions import ValidationError
from alsek.types import BackoffSettings

#: base ** incidents is cut at this many incidents, where every sensible ceiling is reached.
_MOST_INCIDENTS = 512

#: Every class of backoff that this process has defined, by the name in its settings.
_by_name: dict[str, type[Backoff]] = {}


class Backoff(ABC):
    """Base of all backoffs.

    Args:
        floor: The least duration (ms), by default a minute. None for no floor.
        ceiling: The greatest duration (ms), by default an hour. None for no ceiling.
        zero_override: With no incident the duration is 0, even if there is a floor.
        jitter: *Full jitter*: a random duration between 0 and the one computed, which may be below the
            floor. Messages that failed together are then not retried together (Marc Brooker,
            "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).

    Raises:
        ValidationError: A number is negative, or the floor is above the ceiling.
    """

    def __init__(
        self,
        *,
        floor: int | None = DEFAULT_BACKOFF_FLOOR,
        ceiling: int | None = DEFAULT_BACKOFF_CEILING,
        zero_override: bool = True,
        jitter: bool = False,
    ) -> None:
        for name, value in (("floor", floor), ("ceiling", ceiling)):
            if value is not None:
                _check_positive(name, value)
        if floor is not None and ceiling is not None and floor > ceiling:
            raise ValidationError(
                f"floor={floor} lies above ceiling={ceiling}: lower the one or raise the other"
            )
        self.floor = floor
        self.ceiling = ceiling
        self.zero_override = zero_override
        self.jitter = jitter

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _by_name[cls.__name__] = cls

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """The arguments that make an equal backoff."""

    @abstractmethod
    def formula(self, incidents: int) -> float:
        """Return the duration (ms) before floor and ceiling are applied."""

    def get(self, incidents: int) -> int:
        """Return how long (ms) to wait after this many failed attempts."""
        if incidents <= 0 and self.zero_override:
            return 0
        duration = self.formula(incidents)
        if self.floor is not None:
            duration = max(duration, self.floor)
        # Without a ceiling it is cut at MAX_DURATION: stores can't hold more.
        duration = min(duration, MAX_DURATION if self.ceiling is None else min(self.ceiling, MAX_DURATION))
        if self.jitter:
            duration = random.uniform(0, duration)
        return int(duration)

    @property
    def settings(self) -> BackoffSettings:
        """This backoff as data; :func:`backoff_from` reads it."""
        return {"algorithm": type(self).__name__, "parameters": self.parameters}

    def _bounds(self) -> dict[str, Any]:
        bounds: dict[str, Any] = {
            "floor": self.floor,
            "ceiling": self.ceiling,
            "zero_override": self.zero_override,
        }
        if self.jitter:
            bounds["jitter"] = True
        return bounds

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Backoff) and self.settings == other.settings

    def __hash__(self) -> int:
        return hash((type(self), tuple(sorted(self.parameters.items(), key=lambda pair: pair[0]))))

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        return f"{type(self).__name__}({inner})"


def _check_positive(name: str, value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < float("inf"):
        raise ValidationError(f"{name}={shown(value)}: must be a number >= 0")


class ConstantBackoff(Backoff):
    """The same duration each time.

    The default floor of a minute applies here too: ``ConstantBackoff(constant=30_000)`` waits 60 s unless
    ``floor`` is lowered.

    Args:
        constant: The duration (ms).
    """

    def __init__(self, constant: int = 60_000, **bounds: Any) -> None:
        super().__init__(**bounds)
        _check_positive("constant", constant)
        self.constant = constant

    @property
    def parameters(self) -> dict[str, Any]:
        return {"constant": self.constant, **self._bounds()}

    def formula(self, incidents: int) -> float:
        return self.constant


class LinearBackoff(Backoff):
    """A duration that grows by the same amount with each incident: ``factor * incidents``.

    Args:
        factor: The duration (ms) that each incident adds.
    """

    def __init__(self, factor: int = 60_000, **bounds: Any) -> None:
        super().__init__(**bounds)
        _check_positive("factor", factor)
        self.factor = factor

    @property
    def parameters(self) -> dict[str, Any]:
        return {"factor": self.factor, **self._bounds()}

    def formula(self, incidents: int) -> float:
        return self.factor * incidents


class ExponentialBackoff(Backoff):
    """A duration that is multiplied with each incident: ``factor * base ** incidents``.

    Args:
        base: The factor by which each incident multiplies the duration.
        factor: The duration (ms) before the first multiplication.
    """

    def __init__(self, base: int = 4, factor: int = 10_000, **bounds: Any) -> None:
        super().__init__(**bounds)
        _check_positive("base", base)
        self.base = base
        _check_positive("factor", factor)
        self.factor = factor

    @property
    def parameters(self) -> dict[str, Any]:
        return {"base": self.base, "factor": self.factor, **self._bounds()}

    def formula(self, incidents: int) -> float:
        try:
            return float(self.factor * self.base ** min(incidents, _MOST_INCIDENTS))
        except OverflowError:
            return float("inf")


DEFAULT_BACKOFF = ExponentialBackoff()
DEFAULT_BACKOFF_SETTINGS = DEFAULT_BACKOFF.settings

#: The backoff of ``backoff=None``: no wait.
NO_BACKOFF = ConstantBackoff(constant=0, floor=0, ceiling=0, zero_override=True)


def backoff_from(settings: BackoffSettings) -> Backoff:
    """Return the backoff that these settings describe.

    Raises:
        ValidationError: No backoff of that name has been defined in this process, or it does not take these parameters.
    """
    algorithm = settings["algorithm"]
    if algorithm is None:
        return NO_BACKOFF
    backoff = _by_name.get(algorithm)
    if backoff is None:
        raise ValidationError(
            f"no backoff is named {shown(algorithm)} here: import the module that defines it"
        )
    try:
        return backoff(**settings["parameters"])
    except TypeError as error:
        raise ValidationError(
            f"{algorithm} can't be made from {shown(settings['parameters'])}: {error}"
        ) from error
