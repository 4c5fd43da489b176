"""Django's results of tasks, made of what a store knows of their messages."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypedDict

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import import_string
from django.utils.timezone import make_naive

import alsek.exceptions as alsek_exceptions
from alsek.core.inspection.dead import DeadInfo
from alsek.core.inspection.messages import MessageInfo
from alsek.core.message import Message
from alsek.django.attempts import FailedAttempt
from alsek.django.framework import tasks_framework

#: Stands for the worker of an attempt of which nothing is kept: it died, or what was kept has expired.
UNKNOWN_WORKER: Final = "unknown"


class Returned(TypedDict):
    """What the result store keeps of a task that has succeeded: its result, and all that Django shows beside it.

    Attributes:
        returned: What the function returned.
        task: The dotted path of the task.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        queue: Its queue.
        metadata: See :func:`metadata_of`.
        created: When it was enqueued: Unix milliseconds, as all times here.
        began: When its first attempt began.
        last_began: When its last attempt began.
        ended: When it ended.
        workers: The workers of its attempts.
        failed: Its failed attempts.
    """

    returned: Any
    task: str
    args: list[Any]
    kwargs: dict[str, Any]
    queue: str
    metadata: dict[str, Any]
    created: int
    began: int | None
    last_began: int | None
    ended: int
    workers: list[str]
    failed: list[FailedAttempt]


def metadata_of(task: Any, alias: str) -> dict[str, Any]:
    """Return what a message has beside its fields: the backend, and the options of the task that are not the usual."""
    metadata: dict[str, Any] = {"backend": alias}
    if task.priority:
        metadata["priority"] = task.priority
    if task.run_after is not None:
        metadata["run_after"] = task.run_after.isoformat()
    return metadata


def metadata_in(given: Any, task: Any) -> dict[str, Any]:
    """Return such metadata of a message, or of one that was submitted without it: by `alsek submit`, for example."""
    if isinstance(given, dict) and isinstance(given.get("backend"), str):
        return given
    return {"backend": task.backend}


def task_named(path: str) -> Any:
    """Return Django's task of this dotted path, which a store has told.

    Only what was imported before is taken, or what is in an installed application: a store can't have anything else
    imported.

    Raises:
        LookupError: There is none.
    """
    if path.rpartition(".")[0] not in sys.modules and apps.get_containing_app_config(path) is None:
        raise LookupError(f"task {path!r} is in no installed application")
    try:
        found = import_string(path)
    except ImportError as error:
        raise LookupError(f"task {path!r} can't be imported: {error}") from error
    if isinstance(found, tasks_framework().Task):
        return found
    raise LookupError(f"{path!r} is no task of Django's")


def ready_result(task: Any, message: Message, alias: str) -> Any:
    """Return the result of a task that was just enqueued, or is about to be."""
    return _result(
        task,
        message.uuid,
        "READY",
        alias=alias,
        args=list(message.args),
        kwargs=message.kwargs,
        created=message.created_at,
    )


def running_result(
    task: Any, message: Message, began: int, worker: str, failed: Sequence[FailedAttempt]
) -> Any:
    """Return the result of a task whose attempt begins now."""
    return _result_of(
        task,
        message,
        "RUNNING",
        began=first_began(failed, began),
        last_began=began,
        workers=[*workers_of(failed, message.retries), worker],
        failed=failed,
    )


def successful_result(task: Any, uuid: str, kept: Returned) -> Any:
    """Return the result of a task that has succeeded."""
    result = _result(
        using(task, kept["queue"], kept["metadata"]),
        uuid,
        "SUCCESSFUL",
        alias=kept["metadata"]["backend"],
        args=kept["args"],
        kwargs=kept["kwargs"],
        created=kept["created"],
        began=kept["began"],
        last_began=kept["last_began"],
        ended=kept["ended"],
        workers=kept["workers"],
        failed=kept["failed"],
    )
    object.__setattr__(result, "_return_value", kept["returned"])
    return result


def waiting_result(task: Any, info: MessageInfo, failed: Sequence[FailedAttempt]) -> Any:
    """Return the result of a task whose message has not ended."""
    running = info.state == "running"
    workers = workers_of(failed, info.retries or 0)
    began = info.worker.started_at if info.worker is not None else None
    if info.worker is not None:
        workers.append(info.worker.id)
    last_began = began if running else failed[-1]["began"] if failed else None
    return _result_of(
        task,
        info,
        "RUNNING" if running else "READY",
        began=first_began(failed, began),
        last_began=last_began,
        workers=workers,
        failed=failed,
    )


def failed_result(task: Any, info: DeadInfo | Message, failed: Sequence[FailedAttempt], ended: int) -> Any:
    """Return the result of a task whose message has failed for good.

    Args:
        task: The task.
        info: Its dead letter, or its message when it is about to be one.
        failed: Its failed attempts.
        ended: When it failed: Unix milliseconds.
    """
    own = list(failed)
    last = _error_of(info) if isinstance(info, DeadInfo) else None
    attempts = info.retries + 1
    if last is not None and (len(own) < attempts or own[-1]["exception"].rpartition(".")[2] != last[0]):
        own = own[: attempts - 1]
        own.append(
            FailedAttempt(
                worker=UNKNOWN_WORKER, began=None, ended=ended, exception=last[1], traceback=last[2]
            )
        )
    elif own:
        ended = own[-1]["ended"]  # on the same clock as the other times
    return _result_of(
        task,
        info,
        "FAILED",
        began=first_began(own, None),
        last_began=own[-1]["began"] if own else None,
        ended=ended,
        workers=workers_of(own, attempts),
        failed=own,
    )


def using(task: Any, queue: str, metadata: Any) -> Any:
    """Return the task with the options that a message has."""
    options: dict[str, Any] = {}
    if queue != task.queue_name:
        options["queue_name"] = queue
    if (priority := metadata.get("priority", 0)) != task.priority:
        options["priority"] = priority
    if metadata["backend"] != task.backend:
        options["backend"] = metadata["backend"]
    if "run_after" in metadata:
        options["run_after"] = datetime.fromisoformat(metadata["run_after"])
    return task.using(**options) if options else task


def first_began(failed: Sequence[FailedAttempt], began: int | None) -> int | None:
    """Return when the first attempt began, the present one (`began`) included; None if that is not known."""
    return failed[0]["began"] if failed else began


def workers_of(failed: Sequence[FailedAttempt], attempts: int) -> list[str]:
    """Return the workers of so many attempts; of those that are not known, a word that says so."""
    known = [each["worker"] for each in failed]
    return [UNKNOWN_WORKER] * (attempts - len(known)) + known


def _error_of(info: DeadInfo) -> tuple[str, str, str]:
    """Return the name of a dead letter's exception, the dotted path of its class, and its traceback."""
    trace = info.traceback or ""
    lines = re.findall(rf"^[ |+]*((?:[\w<>]+\.)*{re.escape(info.exception)})(?=:|$)", trace, re.MULTILINE)
    path = lines[-1] if lines else info.exception
    if "." not in path:
        module = alsek_exceptions.__name__ if hasattr(alsek_exceptions, path) else "builtins"
        path = f"{module}.{path}"
    return info.exception, path, trace or f"{info.exception}: {info.text}"


def _result_of(task: Any, told: Message | MessageInfo | DeadInfo, status: str, **rest: Any) -> Any:
    """Return the result of a task, with what its message or the store tells of it. `rest` is as of :func:`_result`."""
    metadata = metadata_in(told.metadata, task)
    return _result(
        using(task, told.queue or "", metadata),
        told.uuid,
        status,
        alias=metadata["backend"],
        args=list(told.args or ()),
        kwargs=told.kwargs or {},
        created=told.created_at,
        **rest,
    )


def _result(
    task: Any,
    uuid: str,
    status: str,
    *,
    alias: str,
    args: list[Any],
    kwargs: dict[str, Any],
    created: int | None,
    began: int | None = None,
    last_began: int | None = None,
    ended: int | None = None,
    workers: Sequence[str] = (),
    failed: Sequence[FailedAttempt] = (),
) -> Any:
    framework = tasks_framework()
    return framework.TaskResult(
        task=task,
        id=uuid,
        status=framework.TaskResultStatus(status),
        enqueued_at=_time(created),
        started_at=_time(began),
        finished_at=_time(ended),
        last_attempted_at=_time(last_began),
        args=args,
        kwargs=kwargs,
        backend=alias,
        errors=[
            framework.TaskError(exception_class_path=each["exception"], traceback=each["traceback"])
            for each in failed
        ],
        worker_ids=list(workers),
    )


def _time(milliseconds: int | None) -> datetime | None:
    """Return a time as Django shows it: aware with USE_TZ, else naive in the project's time zone."""
    if milliseconds is None:
        return None
    time = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return time if settings.USE_TZ else make_naive(time)
