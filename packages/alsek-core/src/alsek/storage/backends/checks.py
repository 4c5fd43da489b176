"""Checks of arguments that must be a backend."""

from __future__ import annotations

from alsek.core.short_repr import shown
from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Backend


def expect_backend(where: str, given: object) -> None:
    """Check that `given` is a backend.

    Args:
        where: The class or function that has the argument, such as ``ResultStore``.
        given: The argument.

    Raises:
        ValidationError: It is something else. If it has a backend, such as a broker has, the text says to pass that.
    """
    if isinstance(given, Backend):
        return
    remedy = "say, SQLiteBackend('alsek.db')"
    if isinstance(getattr(given, "backend", None), Backend):
        remedy = f"pass the backend of this {type(given).__name__}: its attribute `backend`"
    raise ValidationError(f"{where}(backend={shown(given)}): not a backend; {remedy}")
