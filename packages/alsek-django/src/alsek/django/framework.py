"""Django's tasks: ``django.tasks`` of Django 6.0 or newer, or the backport ``django-tasks`` for Django 5.2."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from alsek.django.errors import SettingsError


class TasksFramework(NamedTuple):
    """What Alsek uses of one of the two. They have the same classes; some have other names."""

    BaseTaskBackend: Any
    InvalidTask: type[Exception]
    Task: Any
    TaskContext: Any
    TaskError: Any
    TaskResult: Any
    TaskResultDoesNotExist: type[Exception]
    TaskResultStatus: Any
    normalize_json: Any
    signals: Any
    task_backends: Any


@functools.cache
def tasks_framework() -> TasksFramework:
    """Return that of Django, or the backport if Django has none.

    Raises:
        SettingsError: There is neither.
    """
    return _of_django() or _of_the_backport()


def has_tasks_framework() -> bool:
    """Return True if there is one of the two."""
    try:
        tasks_framework()
    except SettingsError:
        return False
    return True


def _of_django() -> TasksFramework | None:
    try:
        from django.tasks import base, exceptions, signals, task_backends
    except ImportError:
        return None
    from django.tasks.backends.base import BaseTaskBackend
    from django.utils.json import normalize_json

    return _framework(
        base, exceptions, exceptions.InvalidTask, signals, task_backends, BaseTaskBackend, normalize_json
    )


def _of_the_backport() -> TasksFramework:
    try:
        from django_tasks import base, exceptions, signals, task_backends
    except ModuleNotFoundError as error:
        if error.name != "django_tasks":
            raise
        raise SettingsError(
            "this version of Django has no tasks: take Django 6.0 or newer, or install the backport: pip install "
            "'alsek-django[backport]'"
        ) from None
    from django_tasks.backends.base import BaseTaskBackend
    from django_tasks.utils import normalize_json

    return _framework(
        base, exceptions, exceptions.InvalidTaskError, signals, task_backends, BaseTaskBackend, normalize_json
    )


def _framework(
    base: Any,
    exceptions: Any,
    invalid: type[Exception],
    signals: Any,
    task_backends: Any,
    backend: Any,
    normalize_json: Any,
) -> TasksFramework:
    return TasksFramework(
        BaseTaskBackend=backend,
        InvalidTask=invalid,
        Task=base.Task,
        TaskContext=base.TaskContext,
        TaskError=base.TaskError,
        TaskResult=base.TaskResult,
        TaskResultDoesNotExist=exceptions.TaskResultDoesNotExist,
        TaskResultStatus=base.TaskResultStatus,
        normalize_json=normalize_json,
        signals=signals,
        task_backends=task_backends,
    )
