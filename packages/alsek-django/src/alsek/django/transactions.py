"""The transactions of Django, for ``generate(on_commit=True)``: the entry point ``alsek.transactions`` names this."""

from __future__ import annotations

from collections.abc import Callable

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections, transaction
from django.utils.connection import ConnectionDoesNotExist

from alsek.django.errors import SettingsError
from alsek.exceptions import ValidationError


def on_commit(submit: Callable[[], None], using: str | None = None) -> None:
    """Call `submit` when the present transaction commits, never if it rolls back; at once if there is none.

    As ``django.db.transaction.on_commit``: with nested ``atomic`` blocks it is the outermost that commits, and what was
    registered within a block that rolls back to its savepoint is forgotten.

    Raises:
        SettingsError: Django is not set up.
        ValidationError: There is no such database.
    """
    if not settings.configured:
        raise SettingsError(
            "on_commit=: Django is not set up here: set DJANGO_SETTINGS_MODULE and call django.setup() first"
        )
    try:
        transaction.on_commit(submit, using=using)
    except ConnectionDoesNotExist:
        raise ValidationError(
            f"on_commit={using!r}: Django has no database of this name; it has {', '.join(connections)}"
        ) from None


async def aon_commit(submit: Callable[[], None], using: str | None = None) -> None:
    """As :func:`on_commit`, in the thread of the synchronous code that the coroutine serves: it has the transaction."""
    await sync_to_async(on_commit, thread_sensitive=True)(submit, using)
