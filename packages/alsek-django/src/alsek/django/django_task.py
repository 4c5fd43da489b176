"""Alsek's task for a task of Django's: runs its function, and tells Django of the attempt."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from alsek.core.broker import Broker
from alsek.core.clock import now_ms
from alsek.core.execution.retries import is_uncounted
from alsek.core.message import Message
from alsek.core.task import Task
from alsek.django.attempts import FailedAttempt, failed_attempt, keep_attempt, read_attempts
from alsek.django.connections import closing_old_connections
from alsek.django.framework import tasks_framework
from alsek.django.results import (
    UNKNOWN_WORKER,
    Returned,
    failed_result,
    first_began,
    metadata_in,
    running_result,
    successful_result,
    workers_of,
)
from alsek.exceptions import ArgumentsError
from alsek.storage.result import ResultStore
from alsek.types import Duration


class _Begun:
    """An attempt that has begun.

    Args:
        message: The message.
        failed: The attempts before it.
    """

    def __init__(self, message: Message, failed: list[FailedAttempt]) -> None:
        self.at = now_ms()
        self.failed = failed
        self.worker = worker_of(message)


def worker_of(message: Message) -> str:
    """Return the id of the worker that holds a message."""
    return message.claim.session.worker.id if message.claim is not None else UNKNOWN_WORKER


class DjangoTask(Task[Any, Any]):
    """Runs a task of Django's.

    Args:
        task: The task.
        broker: Where its messages are submitted.
        result_store: Keeps what it returns, in a :class:`~alsek.django.results.Returned`.
        timeout: How long (ms) an attempt may take.
        max_retries: How often a message is run again that was enqueued on a backend which says nothing else.

    Attributes:
        django_task: The task.
    """

    def __init__(
        self,
        task: Any,
        broker: Broker,
        result_store: ResultStore,
        *,
        timeout: Duration,
        max_retries: int | None,
    ) -> None:
        self.django_task = task
        self._begun: dict[tuple[str, int | None], _Begun] = {}
        self._signature = inspect.signature(task.func)
        super().__init__(
            task.func,
            broker,
            name=task.module_path,
            queue=task.queue_name,
            timeout=timeout,
            max_retries=max_retries,
            result_store=result_store,
            status_tracker=False,
        )

    def check_arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Refuse arguments that the function can't take. The context is not among them.

        Of Django's tasks, a parameter ``message`` is one like any other.

        Raises:
            ArgumentsError: The text names the parameter and the task.
        """
        try:
            self._signature.bind(*((None, *args) if self.django_task.takes_context else args), **kwargs)
        except TypeError as error:
            raise ArgumentsError(f"task {self.name!r}: {error}") from None

    def op(self, message: Message) -> Any:
        """Run the function, and return what the result store is to keep."""
        result, args = self._begin(message)
        self._signals.task_started.send(sender=self._sender(message), task_result=result)
        return self._returned(message, self.function(*args, **result.kwargs))

    def do_retry(self, message: Message, exception: BaseException) -> bool:
        """Return True if the OPTIONS of its backend say so: by default, a task of Django's is run once."""
        most = self._backend(message).alsek_options.max_retries
        return most is None or message.retries < most

    def on_retry(self, message: Message, exception: BaseException) -> None:
        """Keep what is known of the failed attempt, unless it is one that does not count."""
        if is_uncounted(exception):
            self._begun.pop(_key(message), None)
            return
        self._failed(message, exception, message.retries)

    def on_failure(self, message: Message, exception: BaseException) -> None:
        """Keep what is known of the failed attempt, and tell Django that the task has failed."""
        failed = self._failed(message, exception, message.retries + 1)
        self._tell_of_failure(message, exception, failed)

    def on_revocation(self, message: Message, exception: BaseException) -> None:
        """As :meth:`on_failure`: Django has no other word for it."""
        self.on_failure(message, exception)

    def on_success(self, message: Message, result: Returned) -> None:
        """Tell Django that the task has succeeded."""
        self._begun.pop(_key(message), None)
        with closing_old_connections():
            told = successful_result(self.django_task, message.uuid, result)
            self._signals.task_finished.send(sender=self._sender(message), task_result=told)

    def _begin(self, message: Message) -> tuple[Any, list[Any]]:
        """Note that an attempt begins, and return its result as Django has it, and the arguments of the function."""
        before = message.retries
        begun = _Begun(message, read_attempts(self.broker.backend, message.uuid) if before else [])
        self._begun[_key(message)] = begun
        result = running_result(self.django_task, message, begun.at, begun.worker, begun.failed)
        if self.django_task.takes_context:
            context = tasks_framework().TaskContext(task_result=result)
            return result, [context, *result.args]
        return result, result.args

    def _returned(self, message: Message, value: Any) -> Returned:
        begun = self._begun[_key(message)]
        return Returned(
            returned=tasks_framework().normalize_json(value),
            task=self.name,
            args=list(message.args),
            kwargs=message.kwargs,
            queue=message.queue,
            metadata=metadata_in(message.metadata, self.django_task),
            created=message.created_at,
            began=first_began(begun.failed, begun.at),
            last_began=begun.at,
            ended=now_ms(),
            workers=[*workers_of(begun.failed, message.retries), begun.worker],
            failed=begun.failed,
        )

    def _failed(self, message: Message, error: BaseException, attempts: int) -> list[FailedAttempt]:
        """Keep a failed attempt, and return all of them."""
        begun = self._begun.pop(_key(message), None)
        attempt = failed_attempt(worker_of(message), None if begun is None else begun.at, now_ms(), error)
        ttl = self._backend(message).alsek_options.failure_ttl
        return keep_attempt(self.broker.backend, message.uuid, attempt, ttl)

    def _tell_of_failure(self, message: Message, error: BaseException, failed: list[FailedAttempt]) -> None:
        with closing_old_connections():
            told = failed_result(self.django_task, message, failed, failed[-1]["ended"])
            trace = error.__traceback__
            try:
                raise error  # receivers ask sys.exc_info() for it, as Django's own does for its log
            except BaseException:  # noqa: BLE001  it is the one that was raised just here
                BaseException.with_traceback(error, trace)
                self._signals.task_finished.send(sender=self._sender(message), task_result=told)

    def _backend(self, message: Message) -> Any:
        alias = metadata_in(message.metadata, self.django_task)["backend"]
        return tasks_framework().task_backends[alias]

    def _sender(self, message: Message) -> type[Any]:
        return type(self._backend(message))

    @property
    def _signals(self) -> Any:
        return tasks_framework().signals


class AsyncDjangoTask(DjangoTask):
    """Runs a task of Django's whose function is an ``async def``."""

    async def op(self, message: Message) -> Any:
        """Run the function, and return what the result store is to keep."""
        result, args = self._begin(message)
        await self._signals.task_started.asend(sender=self._sender(message), task_result=result)
        return self._returned(message, await self.function(*args, **result.kwargs))


def _key(message: Message) -> tuple[str, int | None]:
    return message.uuid, message.token
