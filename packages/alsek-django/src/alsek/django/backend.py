"""The backend for Django's tasks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property, partial
from typing import Any, Final

from django.apps import apps
from django.core import checks
from django.utils import timezone

from alsek.core.broker import Broker
from alsek.core.identifiers import check_queue
from alsek.core.inspection.dead import DeadInfo
from alsek.core.inspection.inspector import Inspector
from alsek.core.inspection.messages import MessageInfo
from alsek.defaults import MAX_DURATION
from alsek.django import transactions
from alsek.django.attempts import read_attempts
from alsek.django.django_task import DjangoTask
from alsek.django.errors import SettingsError
from alsek.django.framework import tasks_framework
from alsek.django.options import BackendOptions, options_of
from alsek.django.results import (
    failed_result,
    metadata_of,
    ready_result,
    successful_result,
    task_named,
    waiting_result,
)
from alsek.django.stores import DjangoStore, store_of
from alsek.exceptions import ValidationError

#: The highest priority of Django's, from -100 to 100: it goes first. Of Alsek's the lowest goes first.
TASK_MAX_PRIORITY: Final = 100

_framework: Final = tasks_framework()
_Base: Final[Any] = _framework.BaseTaskBackend


class AlsekBackend(_Base):
    """Runs Django's tasks on Alsek::

        TASKS = {"default": {"BACKEND": "alsek.django.AlsekBackend", "OPTIONS": {"store": "redis://localhost"}}}

    Each task of Django's is a task of Alsek's, named by its dotted path. See
    :class:`~alsek.django.options.BackendOptions` for the OPTIONS.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    @cached_property
    def alsek_options(self) -> BackendOptions:
        """The OPTIONS, checked.

        Raises:
            SettingsError: One is missing, unknown or wrong.
        """
        return options_of(self.alias, self.options)

    @cached_property
    def store(self) -> DjangoStore:
        """The store.

        Raises:
            SettingsError: The OPTIONS name none that can be opened.
        """
        return store_of(self.alias, self.alsek_options)

    @property
    def broker(self) -> Broker:
        """The broker of its store: for tasks of Alsek's, and to look into the store.

        Raises:
            SettingsError: The OPTIONS name no store that can be opened.
        """
        return self.store.broker

    def validate_task(self, task: Any) -> None:
        """Refuse a task that can't be run: Django's own rules, and a queue whose name Alsek can't take.

        Raises:
            InvalidTask: The text says why.
        """
        super().validate_task(task)
        try:
            check_queue(task.queue_name)
        except ValidationError as error:
            raise _framework.InvalidTask(str(error)) from None
        if task.run_after is not None and _delay_until(task.run_after) > MAX_DURATION:
            raise _framework.InvalidTask(
                f"run_after={task.run_after}: must be within {MAX_DURATION} ms (more than 300 years)"
            )

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """Submit a call of the task; with ``on_commit`` in the OPTIONS, when the present transaction commits.

        Raises:
            TypeError, ValueError: An argument is none that JSON can say, or the function does not take it.
            BackendError: The store did not take it.
        """
        made, call = self._call(task, args, kwargs)
        on_commit = self.alsek_options.on_commit
        message = made.generate(**call, on_commit=on_commit)
        result = ready_result(task, message, self.alias)
        tell = partial(_framework.signals.task_enqueued.send, type(self), task_result=result)
        if on_commit is False:
            tell()
        else:
            transactions.on_commit(tell, None if on_commit is True else on_commit)
        return result

    async def aenqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """As :meth:`enqueue`, without blocking the event loop."""
        made, call = self._call(task, args, kwargs)
        on_commit = self.alsek_options.on_commit
        message = await made.agenerate(**call, on_commit=on_commit)
        result = ready_result(task, message, self.alias)
        if on_commit is False:
            await _framework.signals.task_enqueued.asend(type(self), task_result=result)
        else:
            tell = partial(_framework.signals.task_enqueued.send, type(self), task_result=result)
            await transactions.aon_commit(tell, None if on_commit is True else on_commit)
        return result

    def get_result(self, result_id: str) -> Any:
        """Return the result of this id, as the store knows it now.

        Raises:
            TaskResultDoesNotExist: The store has nothing of it, or it is of no task of Django's that is here.
        """
        missing = _framework.TaskResultDoesNotExist
        broker = self.store.broker
        try:
            info = Inspector(broker).find(result_id)
        except ValidationError as error:
            raise missing(str(error)) from None
        if info is None:
            raise missing(result_id)
        try:
            return self._result_of(info)
        except LookupError as error:
            raise missing(f"{result_id}: {error}") from error

    def check(self, **kwargs: Any) -> Iterable[checks.CheckMessage]:
        """Yield what is wrong with the settings. The store's server is not asked: `alsek check` does that."""
        try:
            _ = self.store
        except SettingsError as error:
            yield checks.Error(str(error), obj=type(self), id="alsek.E001")
        if not apps.is_installed("alsek.django"):
            yield checks.Warning(
                "'alsek.django' is not in INSTALLED_APPS, so that manage.py has no command alsek to run workers",
                obj=type(self),
                id="alsek.W001",
            )

    def _call(self, task: Any, args: Any, kwargs: Any) -> tuple[DjangoTask, dict[str, Any]]:
        """Return Alsek's task, and the arguments of its ``generate()``."""
        self.validate_task(task)
        made = self.store.task(task)
        call: dict[str, Any] = {
            "args": _framework.normalize_json(args),
            "kwargs": _framework.normalize_json(kwargs),
            "priority": TASK_MAX_PRIORITY - int(task.priority),
            "queue": task.queue_name,
            "metadata": metadata_of(task, self.alias),
        }
        if task.run_after is not None:
            call["delay"] = max(0, _delay_until(task.run_after))
        return made, call

    def _result_of(self, info: MessageInfo | DeadInfo) -> Any:
        """Return the result of a message.

        Raises:
            LookupError: It has ended and left none, or it is of no task of Django's.
        """
        backend = self.store.broker.backend
        kept = info.result if isinstance(info, MessageInfo) and info.has_result else None
        if kept is not None:
            if not isinstance(kept, dict) or "task" not in kept or "returned" not in kept:
                raise LookupError("it is a message of Alsek's, and of no task of Django's")
            return successful_result(task_named(kept["task"]), info.uuid, kept)  # type: ignore[arg-type]
        if info.task is None:
            raise LookupError("it has ended, and nothing is kept of it")
        task = task_named(info.task)
        failed = read_attempts(backend, info.uuid)
        if isinstance(info, DeadInfo):
            return failed_result(task, info, failed, info.died_at)
        return waiting_result(task, info, failed)


def _delay_until(time: datetime) -> int:
    """Return how long (ms) it is until a time; negative if it has passed."""
    now = timezone.now() if timezone.is_aware(time) else datetime.now()
    return int((time - now).total_seconds() * 1000)


def named_backend(alias: str) -> AlsekBackend:
    """Return the backend of this alias in TASKS.

    Raises:
        SettingsError: There is none, or it is no AlsekBackend.
    """
    if alias not in list(_framework.task_backends):
        raise SettingsError(f"TASKS has no {alias!r}")
    backend = _framework.task_backends[alias]
    if isinstance(backend, AlsekBackend):
        return backend
    raise SettingsError(
        f"TASKS[{alias!r}] is {type(backend).__module__}.{type(backend).__qualname__}: must be "
        "alsek.django.AlsekBackend"
    )


def broker(alias: str = "default") -> Broker:
    """Return the broker of the backend of this alias in TASKS, for tasks of Alsek's: ``@task(broker())``.

    Raises:
        SettingsError: There is none, it is no AlsekBackend, or its OPTIONS name no store that can be opened.
    """
    return named_backend(alias).broker


def alsek_task(task: Any) -> DjangoTask:
    """Return the task of Alsek's for one of Django's: for groups, callbacks, schedules, unique keys and limits.

    What it submits is a call of the task: ``get_result`` of Django's finds it by its uuid.

    Raises:
        SettingsError: The backend of the task is no AlsekBackend.
    """
    return named_backend(task.backend).store.task(task)
