"""Alsek for Django: a backend for Django's tasks, workers by ``manage.py alsek``, messages that wait for the commit.

``alsek.django`` is also the application for ``INSTALLED_APPS``. In this package, ``django`` is Django itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from alsek.django.backend import AlsekBackend, alsek_task, broker
    from alsek.django.connections import DatabaseConnections

__all__ = ["AlsekBackend", "DatabaseConnections", "alsek_task", "broker"]

_SOURCES: Final = {
    "AlsekBackend": "alsek.django.backend",
    "DatabaseConnections": "alsek.django.connections",
    "alsek_task": "alsek.django.backend",
    "broker": "alsek.django.backend",
}

# Late: Django imports this package while it sets itself up. Hidden from type checkers, which read the imports above.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        source = _SOURCES.get(name)
        if source is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(source), name)
        globals()[name] = value
        return value
