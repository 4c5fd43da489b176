"""The task: a function that workers run, with its options and hooks."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, cast

from alsek.core.arguments.parameters import Parameters
from alsek.core.backoff import DEFAULT_BACKOFF, NO_BACKOFF, Backoff
from alsek.core.bounds import check_integer, check_number, milliseconds
from alsek.core.broker import Broker
from alsek.core.coroutine_functions import is_coroutine_function
from alsek.core.event_loops import run_or_return
from alsek.core.generics import P, Parameterized, R_co, Returned
from alsek.core.identifiers import check_name, check_task_name
from alsek.core.keys.limits import AnyLimit
from alsek.core.keys.unique import Unique
from alsek.core.message import Message
from alsek.core.seconds import LEAST_LIFETIME_MS, warn_of_seconds
from alsek.core.short_repr import shown
from alsek.core.status import StatusTracker
from alsek.core.submission.schedule_maker import ScheduleMaker
from alsek.core.submission.task_keys import TaskKeys
from alsek.core.submission.typed_calls import TypedCalls
from alsek.core.task.location import name_in_module
from alsek.core.task.options import BROKER_DEFAULTS, TaskOptions, chosen
from alsek.defaults import DEFAULT_MAX_RETRIES, DEFAULT_MECHANISM, DEFAULT_QUEUE, DEFAULT_TASK_TIMEOUT
from alsek.exceptions import (
    ArgumentsError,
    ArgumentsRejectedError,
    ValidationError,
)
from alsek.storage.backends.kinds import MECHANISM_WISHES
from alsek.storage.result import ResultStore
from alsek.types import Duration, Mechanism, MechanismWish

#: A task of any signature.
AnyTask: TypeAlias = "Task[Any, Any]"


class Task(TypedCalls[P, R_co], ScheduleMaker):
    """A function that workers can run. Made by :func:`task`; calling the task calls the function.

    To change what happens around the function, override hooks in a subclass and pass it as ``base_task``.
    `pre_op`, `post_op`, `do_callback` and the function itself run under the timeout; an exception in any of them fails
    the attempt. An exception in one of the ``on_…`` hooks is logged and changes nothing.

    Args:
        function: The function to run. An ``async def`` runs on the event loop of its process.
        broker: The broker to which messages are submitted.
        name: The name of the task in messages; by default the function's name.
        queue: The queue of messages that name no other.
        timeout: How long (ms) an attempt may take.
        max_retries: How often a failed message is run again; 0 for never, None without limit.
        backoff: How long to wait before each retry; None for no wait.
        result_store: Keeps what the function returns; None for the broker's own, False to drop it.
        status_tracker: Keeps the status of the messages; None for the broker's own, False to keep none.
        mechanism: The kind of pool that may run the task; None for any.
        unique: Lets at most one message with a key be in the store; None for any number.
        limits: What limits how many messages run at once, or start within a time.

    Raises:
        ValidationError: An argument is out of range or of the wrong kind.
    """

    def __init__(
        self,
        function: Callable[P, R_co],
        broker: Broker,
        name: str | None = None,
        queue: str | None = None,
        timeout: Duration = DEFAULT_TASK_TIMEOUT,
        max_retries: int | None = DEFAULT_MAX_RETRIES,
        backoff: Backoff | None = DEFAULT_BACKOFF,
        result_store: ResultStore | Literal[False] | None = None,
        status_tracker: StatusTracker | Literal[False] | None = None,
        mechanism: Mechanism | None = None,
        unique: Unique | None = None,
        limits: Sequence[AnyLimit] | AnyLimit = (),
    ) -> None:
        super().__init__()
        self.function = function
        self.broker = broker
        self.name: str = name if name is not None else getattr(function, "__name__", type(function).__name__)
        self.queue = queue if queue is not None else DEFAULT_QUEUE
        warn_of_seconds("timeout", timeout, LEAST_LIFETIME_MS, f"task {self.name!r}")
        self.timeout = milliseconds(timeout)
        self.max_retries = max_retries
        self.backoff: Backoff = backoff if backoff is not None else NO_BACKOFF
        self.result_store = chosen(result_store, broker, "result_store")
        self.status_tracker = chosen(status_tracker, broker, "status_tracker")
        self.mechanism_wish: MechanismWish = mechanism if mechanism is not None else "any"
        self.unique = unique
        self.limits = limits
        self._check()
        self._keys = TaskKeys(self.name, function, unique, limits)
        #: True if `op` is awaited: the function is an ``async def``, or what `op` is overridden by, if it is.
        self.is_async = is_coroutine_function(function if type(self).op is Task.op else type(self).op)
        if self.result_store is not None:
            self.result_store.serve(broker.backend)
        self._backoff_settings = self.backoff.settings
        self._parameters: Parameters | None = None
        functools.update_wrapper(self, function, updated=())

    def _check(self) -> None:
        check_task_name("name", self.name)
        if not callable(self.function):
            raise ValidationError(f"task {self.name!r}: {shown(self.function)} can't be called")
        if not isinstance(self.broker, Broker):
            raise ValidationError(
                f"task {self.name!r}: broker={shown(self.broker)} is not a Broker; "
                "say, Broker(SQLiteBackend('alsek.db'))"
            )
        check_name(f"task {self.name!r}: queue", self.queue)
        check_number("timeout", self.timeout, 1, f"task {self.name!r}")
        check_integer("max_retries", self.max_retries, 0, f"task {self.name!r}", optional=True)
        for what, kind in (
            ("backoff", Backoff),
            ("result_store", ResultStore),
            ("status_tracker", StatusTracker),
        ):
            value = getattr(self, what)
            if value is not None and not isinstance(value, kind):
                raise ValidationError(
                    f"task {self.name!r}: {what}={shown(value)}: must be None or a {kind.__name__}"
                )
        if self.mechanism_wish not in MECHANISM_WISHES:
            raise ValidationError(
                f"task {self.name!r}: mechanism={shown(self.mechanism_wish)}: must be 'thread', 'process' or None"
            )

    @property
    def mechanism(self) -> Mechanism:
        """How the task is executed: the mechanism it names, or the documented default."""
        return DEFAULT_MECHANISM if self.mechanism_wish == "any" else self.mechanism_wish

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Call the function, here and now."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.name!r}, queue={self.queue!r}, mechanism={self.mechanism_wish!r})"
        )

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Pickle the task as functions are pickled: by the name under which another process imports it.

        Raises:
            SerializationError: The function's module does not have the task under any name.
        """
        if self._original is not self:
            return (operator.methodcaller("defer" if self.deferred else "cancel_defer"), (self._original,))
        return name_in_module(self, self.function, self.name)

    def revoke(self, message: Message | str) -> bool:
        """Revoke the message: it is not run, or stopped if it runs. Returns False if it isn't in the store."""
        return self.broker.revoke(message)

    def is_revoked(self, message: Message | str) -> bool:
        """Return True if the message is in the store and revoked."""
        return self.broker.is_revoked(message)

    async def arevoke(self, message: Message | str) -> bool:
        """As :meth:`revoke`, without blocking the event loop."""
        return await self.broker.arevoke(message)

    async def ais_revoked(self, message: Message | str) -> bool:
        """As :meth:`is_revoked`, without blocking the event loop."""
        return await self.broker.ais_revoked(message)

    def op(self, message: Message) -> R_co:
        """Run the function on the arguments of `message`.

        A coroutine is run to its end; where an event loop runs, it is returned, to be awaited.
        """
        parameters = self._parameters or self._read_parameters()
        fault = parameters.fault(message.args, message.kwargs)
        if fault is not None:
            raise ArgumentsRejectedError(f"task {self.name!r}: {fault}")
        args, kwargs = parameters.complete(message)
        if parameters.build is not None:
            args, kwargs = parameters.built(args, kwargs, self.name)
        function: Callable[..., Any] = self.function
        result = function(*args, **kwargs)
        # By the result: a wrapper, or an object with an async `__call__`, can't be recognized by itself.
        return cast(R_co, run_or_return(result) if isinstance(result, CoroutineType) else result)

    def wants_message(self) -> bool:
        """Return True if the function has a parameter ``message`` that is not annotated as something else."""
        return self._read_parameters().wants_message

    def check_arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Refuse arguments that the function can't take. A subclass that overrides :meth:`op` takes any.

        Raises:
            ArgumentsError: The text names the parameter, the task, and what it takes.
        """
        if type(self).op is Task.op:
            fault = (self._parameters or self._read_parameters()).fault(args, kwargs)
            if fault is not None:
                raise ArgumentsError(f"task {self.name!r}: {fault}")

    def _read_parameters(self) -> Parameters:
        """Return the parameters. Read at the first use: a type hint may be defined below the task in its module."""
        if self._parameters is None:
            self._parameters = Parameters(self.function)
        return self._parameters

    def do_retry(self, message: Message, exception: BaseException) -> bool:
        """Return True if a message that failed with `exception` is to be run again."""
        return self.max_retries is None or message.retries < self.max_retries


if TYPE_CHECKING:

    class AsyncTask(Task[Parameterized, Coroutine[Any, Any, Returned]], Generic[Parameterized, Returned]):
        """A task of an ``async def`` function, for type checkers: what it results in is what that returns."""

        def result(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
            self, message: Message | str, timeout: Duration | None = ..., keep: bool = ...
        ) -> Returned: ...
        async def aresult(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
            self, message: Message | str, timeout: Duration | None = ..., keep: bool = ...
        ) -> Returned: ...


def without_hooks(task: AnyTask) -> AnyTask:
    """Return a copy of the task that runs no hooks and no middleware: `max_retries` alone decides about retries."""
    options: Any = {name: getattr(task, name) for name in TaskOptions.__annotations__}
    options["mechanism"] = None if task.mechanism_wish == "any" else task.mechanism_wish
    options |= {name: False for name in BROKER_DEFAULTS if options[name] is None}
    return Task(task.function, task.broker.without_middleware(), **options)
