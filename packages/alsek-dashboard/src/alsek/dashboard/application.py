"""The dashboard as an ASGI application."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.applications import Starlette

from alsek.core.broker import Broker
from alsek.core.short_repr import shown
from alsek.core.task.definition import Task
from alsek.dashboard.masking import Masker
from alsek.dashboard.reading.store_view import StoreView
from alsek.dashboard.routes import Routes
from alsek.dashboard.settings import checked
from alsek.exceptions import ValidationError


def dashboard(
    broker: Broker,
    *,
    read_only: bool = False,
    token: str | None = None,
    mask: Iterable[str] = (),
    tasks: Iterable[Task[..., Any]] = (),
    secret: str | None = None,
    hosts: Iterable[str] | None = None,
) -> Starlette:
    """Return an ASGI application that shows the store of a broker, and steers it.

    It can be mounted in an application of Starlette or FastAPI: ``app.mount("/alsek", dashboard(broker))``. The store
    is asked in threads of its own, and by one reader for all open pages.

    Args:
        broker: Of the store.
        read_only: Show no forms, and refuse all changes.
        token: What a user must give before he sees anything. None: everybody may see and change what there is who
            reaches the application, so its own authentication must guard it.
        mask: Names of arguments that are not shown, whatever their case: ``("password", "token")``. They are hidden
            in arguments, results, metadata, checkpoints and details, and in texts of errors and logs that quote them.
        tasks: Tasks whose parameters are known by name, so that `mask` hides what was given by position. Of other
            tasks, all arguments by position are hidden if there is a `mask`.
        secret: From which sessions are made; give one if several processes serve the dashboard without a `token`.
        hosts: The names under which it may be reached, without ports; None for any.

    Raises:
        ValidationError: An argument is of the wrong kind.
    """
    given: Any = broker
    if not isinstance(given, Broker):
        raise ValidationError(f"dashboard(broker={shown(given)}): must be a Broker")
    settings = checked(read_only, token, secret, mask, tasks, hosts)
    store = StoreView(broker, Masker(settings.mask, settings.parameters))
    return Routes(store, settings).application()
