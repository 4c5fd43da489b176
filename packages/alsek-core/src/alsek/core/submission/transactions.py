"""Submitting when a database transaction commits: what a package for a web framework brings along for it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias, cast

from alsek.core.message import Message
from alsek.core.short_repr import shown
from alsek.exceptions import ValidationError

#: The group of entry points in which a package names its :class:`Transactions`.
ENTRY_POINTS: Final = "alsek.transactions"

#: When a message is submitted: False for now, True when the transaction commits, or the name of a database for its.
OnCommit: TypeAlias = bool | str


class Transactions(Protocol):
    """The database transactions of a web framework."""

    def on_commit(self, submit: Callable[[], None], using: str | None) -> None:
        """Call `submit` when the present transaction commits, never if it rolls back; at once if there is none.

        Args:
            submit: Submits a message. What it raises is raised where the transaction ends.
            using: The name of the database; None for the default.

        Raises:
            ValidationError: The framework is not set up, or has no such database.
        """

    async def aon_commit(self, submit: Callable[[], None], using: str | None) -> None:
        """As :meth:`on_commit`, for a coroutine: the transaction is that of the synchronous code that it serves."""


@functools.cache
def _installed() -> Transactions | None:
    # Imported here: it takes some milliseconds, and few programs need it.
    from importlib.metadata import entry_points

    for found in entry_points(group=ENTRY_POINTS):
        return cast(Transactions, found.load())
    return None


def transactions() -> Transactions:
    """Return the transactions of the framework whose package is installed.

    Raises:
        ValidationError: None is.
    """
    installed = _installed()
    if installed is None:
        raise ValidationError(
            "on_commit= needs a package that knows the transactions of your framework: pip install alsek-django"
        )
    return installed


def checked(on_commit: Any, submit: bool, message: Message | str) -> str | None:
    """Return the database whose transaction is meant; None for the default one.

    Args:
        on_commit: As it was given; not False.
        submit: Whether the call submits.
        message: The message, or the task of many.

    Raises:
        ValidationError: It is neither True nor a name, or the call does not submit.
    """
    whose = message.summary if isinstance(message, Message) else f"task {message!r}"
    if on_commit is not True and not (isinstance(on_commit, str) and on_commit):
        raise ValidationError(
            f"on_commit={shown(on_commit)} of {whose}: must be True, False or the name of a database"
        )
    if not submit:
        raise ValidationError(
            f"on_commit={shown(on_commit)} of {whose}: defer() and submit=False say not to submit at all; give one "
            "of them"
        )
    return None if on_commit is True else on_commit
