"""The stores of the backends. Django makes a backend for each thread; these are shared by all of a process."""

from __future__ import annotations

import threading
from typing import Any, Final

from alsek.cli.stores import open_backend
from alsek.core.broker import Broker
from alsek.core.coroutine_functions import is_coroutine_function
from alsek.django.django_task import AsyncDjangoTask, DjangoTask
from alsek.django.errors import SettingsError
from alsek.django.options import BackendOptions, named_broker
from alsek.exceptions import AlsekError
from alsek.storage.result import ResultStore


class DjangoStore:
    """The store of a backend, with the tasks that were made for it.

    Args:
        broker: The broker.
        options: The OPTIONS of the backend.

    Attributes:
        broker: The broker.
        result_store: Keeps the results of Django's tasks.
    """

    def __init__(self, broker: Broker, options: BackendOptions) -> None:
        self.broker = broker
        self.result_store = ResultStore(broker.backend, ttl=options.result_ttl)
        self._options = options
        self._tasks: dict[str, DjangoTask] = {}

    def task(self, task: Any) -> DjangoTask:
        """Return Alsek's task for one of Django's, or for a copy of it with other options."""
        made = self._tasks.get(task.module_path)
        if made is None or made.function is not task.func:
            kind = AsyncDjangoTask if is_coroutine_function(task.func) else DjangoTask
            options = self._options
            made = kind(
                task,
                self.broker,
                self.result_store,
                timeout=options.timeout,
                max_retries=options.max_retries,
            )
            self._tasks[task.module_path] = made
        return made


_opened: Final[dict[tuple[str, BackendOptions], DjangoStore]] = {}
_lock: Final = threading.Lock()


def store_of(alias: str, options: BackendOptions) -> DjangoStore:
    """Return the store of a backend. It is opened at the first call; a server is not asked yet.

    Raises:
        SettingsError: The OPTIONS name no store that can be opened.
    """
    with _lock:
        store = _opened.get((alias, options))
        if store is None:
            store = _opened[alias, options] = DjangoStore(_broker_of(alias, options), options)
        return store


def _broker_of(alias: str, options: BackendOptions) -> Broker:
    if options.broker is not None:
        return named_broker(alias, options.broker)
    try:
        backend = open_backend(options.store, options.namespace, create=True)
    except AlsekError as error:
        raise SettingsError(f"TASKS[{alias!r}]['OPTIONS']: {error}") from error
    return Broker(backend, dlq_ttl=options.failure_ttl)
