"""The settings of a dashboard, checked."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import Any

from alsek.core.short_repr import shown
from alsek.core.task.definition import Task
from alsek.exceptions import ValidationError


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a dashboard.

    Attributes:
        read_only: Nothing can be changed.
        token: What a user must give to see anything; None if everybody may who reaches the dashboard.
        secret: From which sessions are made; None for `token`, or for a random one of this process.
        mask: The names of arguments that are not shown, in lower case.
        parameters: The names of the positional parameters of tasks, by task.
        hosts: The names under which it may be reached; None for any.
    """

    read_only: bool = False
    token: str | None = None
    secret: str | None = None
    mask: frozenset[str] = frozenset()
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    hosts: frozenset[str] | None = None

    @property
    def key(self) -> bytes:
        """The secret as bytes: the same in all processes if `secret` or `token` is given."""
        return (self.secret or self.token or secrets.token_urlsafe()).encode()


def checked(
    read_only: bool,
    token: str | None,
    secret: str | None,
    mask: Iterable[str],
    tasks: Iterable[Task[..., Any]],
    hosts: Iterable[str] | None,
) -> Settings:
    """Return the settings.

    Raises:
        ValidationError: One of them is of the wrong kind.
    """
    for name, value in (("token", token), ("secret", secret)):
        given: Any = value
        if given is not None and (not isinstance(given, str) or not given):
            raise ValidationError(f"{name} of dashboard(): must be None or text that is not empty")
    if not isinstance(read_only, bool):
        raise ValidationError(f"read_only={shown(read_only)} of dashboard(): must be True or False")
    return Settings(
        read_only,
        token,
        secret,
        frozenset(name.lower() for name in _names("mask", mask)),
        {task.name: _parameters(task) for task in _tasks(tasks)},
        None if hosts is None else frozenset(name.lower() for name in _names("hosts", hosts)),
    )


def _names(what: str, given: Any) -> list[str]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ValidationError(
            f"{what}={shown(given)} of dashboard(): must be names, such as ('password', 'token')"
        )
    names = list(given)
    for name in names:
        if not isinstance(name, str) or not name:
            raise ValidationError(f"{what} of dashboard(): {shown(name)} is no name")
    return names


def _tasks(given: Any) -> list[Task[..., Any]]:
    if not isinstance(given, Iterable):
        raise ValidationError(f"tasks={shown(given)} of dashboard(): must be tasks")
    tasks = list(given)
    for task in tasks:
        if not isinstance(task, Task):
            raise ValidationError(f"tasks of dashboard(): {shown(task)} is no task")
    return tasks


def _parameters(task: Task[..., Any]) -> tuple[str, ...]:
    """Return the names of the parameters of a task that can be given by position; none if they can't be known.

    Of ``*args`` the name is repeated for all that follow: it stands last.
    """
    try:
        parameters = signature(task.function).parameters.values()
    except (TypeError, ValueError):
        return ()
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.VAR_POSITIONAL)
    return tuple(each.name for each in parameters if each.kind in kinds)
