"""Serves the dashboard, which is in a package of its own."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from alsek.cli.failures import PackageMissingError
from alsek.cli.stores import Opened


def serve_dashboard(
    store: Opened,
    host: str,
    port: int,
    ready: Callable[[str], None],
    *,
    read_only: bool,
    token: str | None,
    mask: tuple[str, ...],
) -> None:
    """Serve the dashboard of a store until SIGINT or SIGTERM.

    Args:
        store: The store.
        host: The address to listen on.
        port: The port.
        ready: Called with its URL once it is served.
        read_only: Change nothing.
        token: What a user must give; None: it is served only under the names of this machine for itself.
        mask: The names of arguments that are hidden.

    Raises:
        PackageMissingError: The package is not installed.
        AlsekError: It can't listen there.
    """
    try:
        home: Any = import_module("alsek.dashboard")
        serving: Any = import_module("alsek.dashboard.serving")
        hosts: Any = import_module("alsek.dashboard.access.hosts")
    except ModuleNotFoundError as error:
        if error.name != "alsek-dashboard":
            raise
        raise PackageMissingError(
            "the dashboard is in a package that is not installed: pip install alsek-dashboard"
        ) from error
    app = home.dashboard(
        store.broker,
        read_only=read_only,
        token=token,
        mask=mask,
        tasks=store.tasks or (),
        hosts=None if token is not None else hosts.LOOPBACK,
    )
    serving.serve(app, host, port, ready)
