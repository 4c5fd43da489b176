"""Failures that a test asks for: the next attempts of a task raise an exception in place of calling its function."""

from __future__ import annotations

from collections import deque
from typing import Any, NoReturn

from alsek.core.bounds import check_integer
from alsek.core.short_repr import shown
from alsek.core.task import AnyTask
from alsek.exceptions import ValidationError


class Failures:
    """The failures that are still to come, by the name of the task."""

    def __init__(self) -> None:
        self._coming: dict[str, deque[BaseException]] = {}

    def add(self, name: str, exception: BaseException | type[BaseException], times: int) -> None:
        """Let the next `times` attempts of a task raise this.

        Raises:
            ValidationError: It is no exception, or `times` is no whole number above 0.
        """
        check_integer("times", times, 1, "fail_next")
        made = exception() if isinstance(exception, type) else exception
        if not isinstance(made, BaseException):
            raise ValidationError(
                f"fail_next({shown(exception)}): give an exception, such as ConnectionError('down')"
            )
        self._coming.setdefault(name, deque()).extend([made] * times)

    def applied(self, task: AnyTask) -> AnyTask:
        """Return the task, or one that fails in its place, with the same hooks, if a failure is to come."""
        coming = self._coming.get(task.name)
        if not coming:
            return task
        error = coming.popleft()

        def fail(_: object) -> NoReturn:
            raise error

        kind: Any = type(task)
        failing: Any = object.__new__(type(kind)(kind.__name__, (kind,), {"op": property(lambda _: fail)}))
        failing.__dict__ = task.__dict__
        made: AnyTask = failing
        return made
