"""Tasks: functions that workers run."""

from __future__ import annotations

import functools
import inspect
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

from alsek.core.backoff import DEFAULT_BACKOFF, NO_BACKOFF, Backoff
from alsek.core.broker import Broker
from alsek.core.chaining import chain
from alsek.core.identifiers import check_name
from alsek.core.message import Message
from alsek.core.signature import takes_message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.taskhooks import TaskHooks
from alsek.core.trigger import Schedule, ticks
from alsek.defaults import DEFAULT_MAX_RETRIES, DEFAULT_MECHANISM, DEFAULT_QUEUE, DEFAULT_TASK_TIMEOUT
from alsek.exceptions import SchedulingError, TaskDefinitionError, ValidationError
from alsek.storage.result import ResultStore
from alsek.types import Mechanism, Wish

if TYPE_CHECKING:
    from apscheduler.triggers.base import BaseTrigger

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

_UNRESOLVED: Any = object()


class _Deferrals(threading.local):
    """How many of the next calls of ``generate()`` in this thread do not submit."""

    pending = 0


class Task(TaskHooks, Generic[P, R]):
    """A function that workers can run. Made by :func:`task`; calling it calls the function.

    To steer what happens around the function, override the hooks in a subclass and pass that as ``base_task``.
    `pre_op`, `post_op`, `do_callback` and the function itself run under the timeout; an exception in any of them is a
    failure of the attempt. An exception in one of the ``on_…`` hooks is logged and changes nothing.

    Args:
        function: What to run; an ``async def`` is run in an event loop of its own.
        broker: Where messages are put.
        name: Names the task in messages; by default the function's name.
        queue: The default queue.
        timeout: How long (ms) an attempt may take.
        max_retries: How often a failed message is run again; 0 for never, None without limit.
        backoff: How long to wait before each retry; None for not at all.
        result_store: Where what it returns is kept; None to drop it.
        status_tracker: Where the status of its messages is kept; None for nowhere.
        mechanism: What kind of pool may run it; None for any.

    Raises:
        ValidationError: An argument is out of range or of the wrong kind.
    """

    def __init__(
        self,
        function: Callable[P, R],
        broker: Broker,
        name: str | None = None,
        queue: str | None = None,
        timeout: int = DEFAULT_TASK_TIMEOUT,
        max_retries: int | None = DEFAULT_MAX_RETRIES,
        backoff: Backoff | None = DEFAULT_BACKOFF,
        result_store: ResultStore | None = None,
        status_tracker: StatusTracker | None = None,
        mechanism: Mechanism | None = None,
    ) -> None:
        self.function = function
        self.broker = broker
        self.name: str = name or str(getattr(function, "__name__", type(function).__name__))
        self.queue = queue or DEFAULT_QUEUE
        self.timeout = timeout
        self.max_retries = max_retries
        self.backoff: Backoff = backoff if backoff is not None else NO_BACKOFF
        self.result_store = result_store
        self.status_tracker = status_tracker
        self.mechanism_wish: Wish = mechanism or "any"
        self._check()
        self._backoff_settings = self.backoff.settings
        self._message_wanted: Any = _UNRESOLVED
        self._status_ttl: int | None = None
        self._deferrals = _Deferrals()
        functools.update_wrapper(self, function, updated=())

    def _check(self) -> None:
        if not callable(self.function):
            raise ValidationError(f"task {self.name!r}: {self.function!r} can't be called")
        if not isinstance(self.broker, Broker):
            raise ValidationError(
                f"task {self.name!r}: broker={self.broker!r} is not a Broker; say, Broker(SQLiteBackend('alsek.db'))"
            )
        check_name(f"task {self.name!r}: queue", self.queue)
        timeout: Any = self.timeout
        if not isinstance(timeout, int) or timeout <= 0:
            raise ValidationError(f"task {self.name!r}: timeout={timeout!r}: must be milliseconds > 0")
        retries: Any = self.max_retries
        if retries is not None and (not isinstance(retries, int) or retries < 0):
            raise ValidationError(f"task {self.name!r}: max_retries={retries!r}: must be None or >= 0")
        for what, kind in (
            ("backoff", Backoff),
            ("result_store", ResultStore),
            ("status_tracker", StatusTracker),
        ):
            value = getattr(self, what)
            if value is not None and not isinstance(value, kind):
                raise ValidationError(
                    f"task {self.name!r}: {what}={value!r}: must be None or a {kind.__name__}"
                )
        if self.mechanism_wish not in ("any", "thread", "process"):
            raise ValidationError(
                f"task {self.name!r}: mechanism={self.mechanism_wish!r}: must be 'thread', 'process' or None"
            )

    @property
    def mechanism(self) -> Mechanism:
        """How it is executed: what it names, or the documented default."""
        return DEFAULT_MECHANISM if self.mechanism_wish == "any" else self.mechanism_wish

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function, here and now."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.name!r}, queue={self.queue!r}, mechanism={self.mechanism_wish!r})"
        )

    # ── making messages ────────────────────────────────────────────────────────────────────────

    def defer(self) -> Task[P, R]:
        """Let the next :meth:`generate` in this thread not submit; each call stands for one."""
        self._deferrals.pending += 1
        return self

    def cancel_defer(self) -> Task[P, R]:
        """Take back all calls of :meth:`defer` in this thread that no :meth:`generate` has used yet."""
        self._deferrals.pending = 0
        return self

    @property
    def deferred(self) -> bool:
        """Whether the next :meth:`generate` in this thread will not submit."""
        return self._deferrals.pending > 0

    def generate(
        self,
        args: list[Any] | tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        priority: int = 0,
        metadata: Any = None,
        result_ttl: int | None = None,
        uuid: str | None = None,
        timeout_override: int | None = None,
        delay: int | None = None,
        previous_result: Any = None,
        callback: Message | tuple[Message, ...] | None = None,
        queue: str | None = None,
        submit: bool = True,
        **options: Any,
    ) -> Message:
        """Make a message for this task and submit it. Durations are milliseconds.

        Args:
            args: Positional arguments for the function.
            kwargs: Keyword arguments for the function.
            priority: Lower goes first, within the queue; any integer >= 0.
            metadata: Anything serializable, to travel along.
            result_ttl: How long the result is kept; None for the result store's own.
            uuid: Names the message; a new one by default.
            timeout_override: In place of the task's timeout.
            delay: How long to wait before the first attempt; for a callback from its parent's completion.
            previous_result: For ``message.previous_result``.
            callback: What to submit once this message has succeeded: one message, or several that follow each
                other. The ``callback_message_data`` of the messages given is updated.
            queue: In place of the task's queue.
            submit: False to not submit now.
            **options: For :meth:`Broker.submit`: ``ttl``.

        Raises:
            MessageAlreadyExistsError: The store has a message of this uuid.
            SerializationError: A value can't be serialized; nothing was submitted.
            BackendError: The store did not take it.
        """
        if self._deferrals.pending > 0:
            self._deferrals.pending -= 1
            submit = False
        message = Message(
            task_name=self.name,
            queue=queue or self.queue,
            args=args,
            kwargs=kwargs,
            metadata=metadata,
            result_ttl=result_ttl,
            uuid=uuid,
            timeout=self.timeout if timeout_override is None else timeout_override,
            delay=delay,
            previous_result=previous_result,
            backoff_settings=self._backoff_settings,
            priority=priority,
            mechanism_wish=self.mechanism_wish,
            status_ttl=self._tracked_for(),
        )
        if callback is not None:
            chain(message, callback)
        if submit:
            self._submit(message, **options)
        else:
            ttl = options.pop("ttl", None)
            if options:
                raise ValidationError(f"generate() of task {self.name!r} does not take {sorted(options)}")
            if ttl is not None and (not isinstance(ttl, int) or ttl <= 0):
                raise ValidationError(f"ttl={ttl!r} for {message.summary}: must be None or milliseconds > 0")
            message.ttl = ttl
            message.pack(self.broker.backend.serializer)  # refused here, where the caller can mend it
        return message

    def _tracked_for(self) -> int:
        """The message's `status_ttl`: how long the store itself keeps its statuses, 0 if it does not."""
        if self._status_ttl is None:
            tracker = self.status_tracker
            rides = tracker is not None and tracker.rides_with(self.broker.backend)
            self._status_ttl = tracker.wire_ttl if tracker is not None and rides else 0
        return self._status_ttl

    def _submit(self, message: Message, **options: Any) -> None:
        self.broker.submit(message, **options)
        # The message is in the store now: whoever read of a failure here would submit it a second time.
        try:
            if self.status_tracker is not None and not message.status_ttl:
                self.status_tracker.set(message, TaskStatus.SUBMITTED)
            self.on_submit(message)
        except Exception:
            log.exception("%s was submitted, but what follows failed.", message.summary)

    def revoke(self, message: Message) -> bool:
        """Ask that the message be not run (any more); False if it isn't in the store."""
        return self.broker.revoke(message)

    def is_revoked(self, message: Message) -> bool:
        """Whether the message is in the store and revoked."""
        return self.broker.is_revoked(message)

    # ── running ────────────────────────────────────────────────────────────────────────────────

    def op(self, message: Message) -> R:
        """Run the function on the arguments of `message`."""
        kwargs: dict[str, Any] = message.kwargs
        if self.wants_message() and "message" not in kwargs:
            kwargs = {**kwargs, "message": message}
        function: Callable[..., Any] = self.function
        result = function(*message.args, **kwargs)
        # What it returned tells, not what it is: a wrapper or an object with an async `__call__` looks like neither.
        return cast(R, _run_async(result) if inspect.iscoroutine(result) else result)

    def wants_message(self) -> bool:
        """Whether the function has a parameter ``message`` that is not annotated as something else."""
        if self._message_wanted is _UNRESOLVED:
            self._message_wanted = takes_message(self.function)
        return bool(self._message_wanted)

    def do_retry(self, message: Message, exception: BaseException) -> bool:
        """Whether a message that failed with `exception` is to be run again."""
        return self.max_retries is None or message.retries < self.max_retries


class TriggerTask(Task[[], R]):
    """A task that is submitted again and again, when its trigger says so, while this process lives.

    The first tick submits the very message that :meth:`generate` returned; it is the progenitor of all that follow.

    Args:
        trigger: When to submit (APScheduler 3).

    Raises:
        SchedulingError: The function has parameters.
    """

    def __init__(self, function: Callable[[], R], *args: Any, trigger: BaseTrigger, **kwargs: Any) -> None:
        super().__init__(function, *args, **kwargs)
        takes = [name for name in inspect.signature(function).parameters if name != "message"]
        if takes:
            raise SchedulingError(
                f"task {self.name!r} has a trigger: it can't have parameters, but has {takes}"
            )
        self._schedule = Schedule(self.name, trigger)

    @property
    def trigger(self) -> BaseTrigger:
        """When the task is submitted."""
        return self._schedule.trigger

    @property
    def generated(self) -> bool:
        """Whether the task is scheduled."""
        return self._schedule.started

    def generate(self, *args: Any, **kwargs: Any) -> Message:
        """Schedule the task; the message that the first tick will submit.

        Raises:
            SchedulingError: It is scheduled already.
        """
        if self.generated:
            raise SchedulingError(f"task {self.name!r} is scheduled already: clear() it first")
        if args or kwargs.get("args") or kwargs.get("kwargs"):
            raise SchedulingError(f"task {self.name!r} has a trigger: it takes no arguments")
        schedule = kwargs.pop("submit", True) and not self.deferred
        kwargs["submit"] = False
        first = super().generate(**kwargs)
        if schedule:
            self._schedule.start(self._submit, ticks(first))
        return first

    def pause(self) -> None:
        """Submit nothing until :meth:`resume`."""
        self._schedule.pause()

    def resume(self) -> None:
        """Go on after :meth:`pause`."""
        self._schedule.resume()

    def clear(self) -> None:
        """Unschedule the task; it may be generated again."""
        self._schedule.clear()

    def shutdown(self) -> None:
        """Unschedule the task and end the scheduler's thread."""
        self._schedule.shutdown()


def _run_async(coroutine: Coroutine[Any, Any, Any]) -> Any:
    import asyncio  # most of what importing alsek would cost, and few tasks need it

    return asyncio.run(coroutine)


@overload
def task(
    broker: Broker,
    name: str | None = ...,
    queue: str | None = ...,
    timeout: int = ...,
    max_retries: int | None = ...,
    backoff: Backoff | None = ...,
    *,
    result_store: ResultStore | None = ...,
    status_tracker: StatusTracker | None = ...,
    mechanism: Mechanism | None = ...,
    base_task: type[Task[Any, Any]] | None = ...,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


@overload
def task(
    broker: Broker,
    name: str | None = ...,
    queue: str | None = ...,
    timeout: int = ...,
    max_retries: int | None = ...,
    backoff: Backoff | None = ...,
    *,
    trigger: BaseTrigger,
    result_store: ResultStore | None = ...,
    status_tracker: StatusTracker | None = ...,
    mechanism: Mechanism | None = ...,
    base_task: type[Task[Any, Any]] | None = ...,
) -> Callable[[Callable[[], R]], TriggerTask[R]]: ...


def task(
    broker: Broker,
    name: str | None = None,
    queue: str | None = None,
    timeout: int = DEFAULT_TASK_TIMEOUT,
    max_retries: int | None = DEFAULT_MAX_RETRIES,
    backoff: Backoff | None = DEFAULT_BACKOFF,
    trigger: BaseTrigger | None = None,
    result_store: ResultStore | None = None,
    status_tracker: StatusTracker | None = None,
    mechanism: Mechanism | None = None,
    base_task: type[Task[Any, Any]] | None = None,
) -> Callable[[Callable[..., Any]], Any]:
    """Make a function a task.

    Args:
        broker: Where messages are put.
        name: Names the task in messages; by default the function's name.
        queue: The default queue.
        timeout: How long (ms) an attempt may take.
        max_retries: How often a failed message is run again; 0 for never, None without limit.
        backoff: How long to wait before each retry; None for not at all.
        trigger: When to submit the task again and again (APScheduler 3); makes it a :class:`TriggerTask`.
        result_store: Where what it returns is kept; None to drop it.
        status_tracker: Where the status of its messages is kept; None for nowhere.
        mechanism: ``"thread"`` or ``"process"`` to let only that kind of pool run it.
        base_task: A subclass of :class:`Task` with hooks of its own.
    """
    if not isinstance(broker, Broker) and callable(broker):
        raise ValidationError(f"task({broker!r}): a task needs a broker: write @task(broker)")
    base: Any = base_task if base_task is not None else Task
    if not isinstance(base, type) or not issubclass(base, Task):
        raise ValidationError(f"base_task={base!r}: must be a subclass of Task")
    extra: dict[str, Any] = {}
    if trigger is not None:
        extra["trigger"] = trigger
        if not issubclass(base, TriggerTask):
            bases: tuple[Any, ...] = (base, TriggerTask)
            base = TriggerTask if base is Task else type(base.__name__, bases, {})

    def decorate(function: Callable[..., Any]) -> Any:
        if isinstance(function, Task):
            raise TaskDefinitionError(f"{function!r} is a task already")
        return base(
            function,
            broker,
            name=name,
            queue=queue,
            timeout=timeout,
            max_retries=max_retries,
            backoff=backoff,
            result_store=result_store,
            status_tracker=status_tracker,
            mechanism=mechanism,
            **extra,
        )

    return decorate
