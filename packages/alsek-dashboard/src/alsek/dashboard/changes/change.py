"""A change: what a form asks for, and what is said before and after it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from alsek.dashboard.reading.store_view import StoreView
from alsek.exceptions import AlsekError

#: The fields of a form.
Form: TypeAlias = Mapping[str, str]


class RefusedError(AlsekError):
    """A change that can't be made. The text says why."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a user must agree to.

    Attributes:
        text: The question.
        button: What the button says.
        more: More fields of the form that agrees.
    """

    text: str
    button: str
    more: dict[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """A change that a form asks for.

    Attributes:
        act: Makes it, and returns a sentence that says what was done.
        ask: Returns what the user must agree to before; None if nothing.
    """

    act: Callable[[StoreView, Form], str]
    ask: Callable[[StoreView, Form], Question] | None = None


def field_of(form: Form, name: str) -> str:
    """Return a field that a form must have.

    Raises:
        RefusedError: It has not.
    """
    value = form.get(name, "")
    if not value:
        raise RefusedError(f"The form has no {name}.")
    return value


def whoever() -> str:
    """Return who makes changes here, to be shown to others."""
    return f"dashboard@{socket.gethostname()}"
