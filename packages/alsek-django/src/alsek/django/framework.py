"""Django's tasks: ``django.tasks`` of Django 6.0 or newer, or the backport ``django-tasks`` for Django 5.2."""

from __future__ import annotations

import functools
from importlib import import_module
from importlib.util import find_spec
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
    if find_spec("django.tasks") is None:
        return None
    return _framework("django.tasks", "django.utils.json", "InvalidTask")


def _of_the_backport() -> TasksFramework:
    try:
        return _framework("django_tasks", "django_tasks.utils", "InvalidTaskError")
    except ModuleNotFoundError as error:
        if error.name != "django_tasks":
            raise
        raise SettingsError(
            "this version of Django has no tasks: take Django 6.0 or newer, or install the backport: pip install "
            "'alsek-django[backport]'"
        ) from None


def _framework(package: str, json: str, invalid_task: str) -> TasksFramework:
    """Return what is in a package.

    Args:
        package: Its name.
        json: The module with ``normalize_json``.
        invalid_task: The name of the exception for a task that can't be run.
    """
    # By name: only one of the two is there.
    handler: Any = import_module(package)
    base: Any = import_module(f"{package}.base")
    exceptions: Any = import_module(f"{package}.exceptions")
    return TasksFramework(
        BaseTaskBackend=import_module(f"{package}.backends.base").BaseTaskBackend,
        InvalidTask=getattr(exceptions, invalid_task),
        Task=base.Task,
        TaskContext=base.TaskContext,
        TaskError=base.TaskError,
        TaskResult=base.TaskResult,
        TaskResultDoesNotExist=exceptions.TaskResultDoesNotExist,
        TaskResultStatus=base.TaskResultStatus,
        normalize_json=import_module(json).normalize_json,
        signals=import_module(f"{package}.signals"),
        task_backends=handler.task_backends,
    )
