"""Calls of a task with the parameters of its function, checked by type checkers as a direct call is."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from alsek.core.arguments.argument_builder import return_hint
from alsek.core.arguments.parameters import did_you_mean
from alsek.core.generics import P, R_co
from alsek.core.message import Message
from alsek.core.submission.async_producer import AsyncProducer
from alsek.core.submission.options import SEND_NAMES, SendOptions
from alsek.exceptions import ArgumentsError, ValidationError
from alsek.storage.result import ResultStore
from alsek.types import Duration

if TYPE_CHECKING:
    from typing import Unpack

Awaited = TypeVar("Awaited")


class Sender(Generic[P]):
    """A task with options for its messages. It has no state: it may be kept and shared.

    Args:
        producer: The task.
        options: The options of :meth:`Producer.generate`.
    """

    __slots__ = ("_options", "_producer")

    def __init__(self, producer: AsyncProducer, options: SendOptions) -> None:
        self._producer = producer
        self._options = options

    def send(self, *args: P.args, **kwargs: P.kwargs) -> Message:
        """Submit a call of the task's function with these arguments, and return its message.

        Raises:
            ArgumentsError: The function can't take these arguments; nothing was submitted.
        """
        return self._producer.generate(args=args, kwargs=kwargs, **self._options)

    async def asend(self, *args: P.args, **kwargs: P.kwargs) -> Message:
        """As :meth:`send`, without blocking the event loop."""
        return await self._producer.agenerate(args=args, kwargs=kwargs, **self._options)

    def __repr__(self) -> str:
        return f"{self._producer!r}.using({', '.join(f'{name}={value!r}' for name, value in self._options.items())})"


class TypedCalls(AsyncProducer, Generic[P, R_co]):
    """Submits calls and reads results, with the types of the function.

    Attributes:
        function: The function.
        result_store: Keeps what the function returns.
    """

    function: Callable[P, R_co]
    result_store: ResultStore | None

    def send(self, *args: P.args, **kwargs: P.kwargs) -> Message:
        """Submit a call of the function with these arguments, and return its message. As :meth:`generate`.

        Raises:
            ArgumentsError: The function can't take these arguments; nothing was submitted.
        """
        return self.generate(args=args, kwargs=kwargs)

    async def asend(self, *args: P.args, **kwargs: P.kwargs) -> Message:
        """As :meth:`send`, without blocking the event loop."""
        return await self.agenerate(args=args, kwargs=kwargs)

    def using(self, **options: Unpack[SendOptions]) -> Sender[P]:
        """Return this task with options for its messages: ``invoice.using(delay=5_000, priority=1).send(order)``.

        Args:
            **options: Those of :meth:`generate`.

        Raises:
            ArgumentsError: There is no such option.
        """
        if type(self).generate is AsyncProducer.generate:
            for name in options:
                if name not in SEND_NAMES:
                    raise ArgumentsError(
                        f"using() of task {self.name!r} does not take {name!r}{did_you_mean(name, SEND_NAMES)}"
                    )
        return Sender(self, options)

    # The first is for tasks that are annotated as `Task[…]`: one that `@task` makes of an `async def` is an AsyncTask.
    @overload
    def result(
        self: TypedCalls[..., Coroutine[Any, Any, Awaited]],
        message: Message | str,
        timeout: Duration | None = ...,
        keep: bool = ...,
    ) -> Awaited: ...
    @overload
    def result(self, message: Message | str, timeout: Duration | None = ..., keep: bool = ...) -> R_co: ...
    def result(self, message: Message | str, timeout: Duration | None = None, keep: bool = False) -> Any:
        """Return what the function returned for this message, built by its type hint, and delete it unless `keep`.

        Args:
            message: The message.
            timeout: How long (ms) to wait for it at most; None to not wait.
            keep: Leave it in the store.

        Raises:
            ValidationError: The task has no result store; or the result does not fit the function's type hint: then it
                stays in the store.
            KeyError, TimeoutError, TaskFailedError: As :meth:`ResultStore.get`.
        """
        return self._results().get(message, timeout=timeout, keep=keep, type=return_hint(self.function))

    @overload
    async def aresult(
        self: TypedCalls[..., Coroutine[Any, Any, Awaited]],
        message: Message | str,
        timeout: Duration | None = ...,
        keep: bool = ...,
    ) -> Awaited: ...
    @overload
    async def aresult(
        self, message: Message | str, timeout: Duration | None = ..., keep: bool = ...
    ) -> R_co: ...
    async def aresult(
        self, message: Message | str, timeout: Duration | None = None, keep: bool = False
    ) -> Any:
        """As :meth:`result`, without blocking the event loop."""
        store = self._results()
        return await store.aget(message, timeout=timeout, keep=keep, type=return_hint(self.function))

    def _results(self) -> ResultStore:
        if self.result_store is None:
            raise ValidationError(
                f"task {self.name!r} keeps no results: give result_store= to @task, or to its broker"
            )
        return self.result_store
