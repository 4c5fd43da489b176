"""How a task's messages are made and submitted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, Self

from alsek.core.arguments.parameters import did_you_mean
from alsek.core.arguments.signature import signature_of
from alsek.core.bounds import check_number
from alsek.core.broker import Broker
from alsek.core.loggers import guarded_logger
from alsek.core.message import Message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.submission.calls import AnyCall, Call, Generated, options_of, pieces, spelled_out
from alsek.core.submission.chaining import callbacks_of, chain
from alsek.core.task_hooks import TaskHooks
from alsek.defaults import SUBMISSION_BATCH
from alsek.exceptions import (
    ArgumentsError,
    MessageRevokedError,
    SerializationError,
    TaskTimeoutError,
    ValidationError,
)
from alsek.storage.backends.records import Submission
from alsek.types import BackoffSettings, Wish

log = guarded_logger(__name__)

#: Ends the text of a refusal.
_NOTHING = " Nothing was submitted."
_SO_FAR = " Submitted were the calls before it ({}), and none after it."


class Producer(TaskHooks):
    """The half of a task that makes messages: what it is told of itself stands in them, and the broker takes them.

    Attributes:
        broker: Where messages are put.
        name: Names the task in messages.
        queue: Where they wait, unless they say otherwise.
        timeout: How long (ms) an attempt may take, unless they say otherwise.
        status_tracker: Hears of each that was submitted; None for nobody.
        mechanism_wish: What kind of pool may take them.
    """

    broker: Broker
    name: str
    queue: str
    timeout: int
    status_tracker: StatusTracker | None
    mechanism_wish: Wish
    _backoff_settings: BackoffSettings

    # Of each object: a task and what `defer()` returns of it share all other attributes.
    __slots__ = ("_deferred", "_original")

    def __init__(self) -> None:
        self._status_ttl: int | None = None
        self._deferred = False
        self._original: Producer = self

    def defer(self) -> Self:
        """This task, with its next :meth:`generate` or :meth:`generate_many` not submitting.

        What is returned is the task in all else, and equal to it. The task itself stays as it is: an error between
        ``defer()`` and ``generate()`` leaves nothing behind.
        """
        deferred = object.__new__(type(self))
        deferred.__dict__ = self.__dict__
        deferred._original, deferred._deferred = self._original, True
        return deferred

    def cancel_defer(self) -> Self:
        """Let the next :meth:`generate` of what :meth:`defer` returned submit after all."""
        self._deferred = False
        return self

    @property
    def deferred(self) -> bool:
        """Whether this is what :meth:`defer` returned, and its :meth:`generate` was not called yet."""
        return self._deferred

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Producer) and self._original is other._original

    def __hash__(self) -> int:
        return object.__hash__(self._original)

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
        """Make a message for this task and submit it. Durations are milliseconds, up to 10**13 (more than 300 years).

        Args:
            args: Positional arguments for the function.
            kwargs: Keyword arguments for the function.
            priority: Lower goes first, within the queue; any integer from 0 to 2**53 - 1.
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
            ValidationError: A value is out of range or of the wrong kind; nothing was submitted.
            ArgumentsError: The function can't take these arguments, or there is no such option; likewise.
            MessageAlreadyExistsError: The store has a message of this uuid.
            SerializationError: A value can't be serialized; nothing was submitted.
            BackendError: The store did not take it.
        """
        submit = self._submits(submit)
        if options and options.keys() != {"ttl"}:
            self._check_options(options, submit)
        message = self._message(
            args,
            kwargs,
            priority,
            metadata,
            result_ttl,
            uuid,
            timeout_override,
            delay,
            previous_result,
            callback,
            queue,
        )
        if submit:
            self._submit(message, **options)
        else:
            ttl = options.get("ttl")
            check_number("ttl", ttl, 1, message.summary, optional=True)
            message.ttl = ttl
            for each in (message, *callbacks_of(callback)):
                # Refused here, where the caller can mend it; callbacks of callbacks were checked when those were made.
                each.pack(self.broker.backend.serializer, callbacks=False)
        return message

    def generate_many(
        self,
        calls: Iterable[AnyCall],
        *,
        priority: int = 0,
        metadata: Any = None,
        result_ttl: int | None = None,
        timeout_override: int | None = None,
        delay: int | None = None,
        queue: str | None = None,
        ttl: int | None = None,
        submit: bool = True,
    ) -> Generated:
        """Make many messages for this task and submit them, up to 200 in one step of the store.

        A list, or whatever else has a length, is made and checked as a whole: if one of it is refused, nothing is
        submitted. What has none, a generator say, is taken in pieces of 200, and never held as a whole before the
        first is submitted. Then a refusal half-way, like an error of the generator's own, leaves things as a loop of
        :meth:`generate` would: all calls before it are submitted, it and those after it are not. The error names
        the call by its number, counted from 0.

        :meth:`on_submit` and the status tracker are told of each message; an override of :meth:`generate` is not asked.

        Args:
            calls: One for each message: a tuple or list of positional arguments, a dict of keyword arguments,
                or a :class:`~alsek.core.submission.calls.Call`, which has both and options of its own.
            priority: As for :meth:`generate`, like all that follow; for each call that says nothing else.
            metadata: Likewise.
            result_ttl: Likewise.
            timeout_override: Likewise.
            delay: Likewise.
            queue: Likewise.
            ttl: Likewise.
            submit: False to not submit now; :meth:`defer` stands for one call of this method, too.

        Returns:
            The messages, in the order of their calls. Those whose uuid exists already, in the store or for an earlier
            one of these calls, are in its ``existing`` instead; that is no error.

        Raises:
            ValidationError: A call is out of range or of the wrong kind.
            SerializationError: A value can't be serialized; the text names call, task and value.
            BackendError: The store failed half-way: what it had taken stays. A call repeated as it was makes new
                messages; where each has a uuid of your own, those that are there already are in ``existing``.
        """
        submit = self._submits(submit)
        common = Call(
            (), None, priority, metadata, result_ttl, None, timeout_override, delay, queue=queue, ttl=ttl
        )
        whole = isinstance(calls, Sized)
        made = self._made(calls, common, "" if not submit else _NOTHING if whole else _SO_FAR)
        generated = Generated()
        for piece in pieces(iter(list(made)) if whole else made, SUBMISSION_BATCH):
            if submit:
                self._submit_piece(piece, generated)
            else:
                generated += [message for message, _ in piece]
        return generated

    def _check_options(self, options: dict[str, Any], submit: bool) -> None:
        """Refuse what `Broker.submit` does not take; of what is not to be submitted, all but `ttl`."""
        known = _options_of(type(self.broker).submit) if submit else {"ttl"}
        for name in options:
            if known is not None and name not in known:
                own = signature_of(self.generate)
                near = did_you_mean(name, [*known, *(own.parameters if own is not None else ())])
                raise ArgumentsError(f"generate() of task {self.name!r} does not take {name!r}{near}")

    def _submits(self, submit: bool) -> bool:
        """Whether a call that was told `submit` is to submit; it uses up one :meth:`defer`."""
        if self._deferred:
            self._deferred = False
            return False
        return submit

    def _message(
        self,
        args: list[Any] | tuple[Any, ...] | None,
        kwargs: dict[str, Any] | None,
        priority: int,
        metadata: Any,
        result_ttl: int | None,
        uuid: str | None,
        timeout_override: int | None,
        delay: int | None,
        previous_result: Any,
        callback: Message | tuple[Message, ...] | None,
        queue: str | None,
        ttl: int | None = None,
    ) -> Message:
        message = Message(
            task_name=self.name,
            queue=self.queue if queue is None else queue,
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
            ttl=ttl,
            status_ttl=self._tracked_for(),
        )
        self.check_arguments(message.args, message.kwargs)
        if callback is not None:
            chain(message, callbacks_of(callback), fresh=uuid is None)
        return message

    def _made(
        self, calls: Iterable[AnyCall], common: Call, aftermath: str
    ) -> Iterator[tuple[Message, Submission]]:
        """Each call's message, and what the store is to be given of it. `aftermath` ends the text of a refusal."""
        serializer = self.broker.backend.serializer
        usual = options_of(common)
        followers: set[str] = set()
        for number, given in enumerate(calls):
            try:
                args, kwargs, options = spelled_out(given, usual)
                message = self._message(args, kwargs, *options)
                if message.chain is not None:
                    follows = message.descendant_uuids or ()
                    if not followers.isdisjoint(follows):
                        # A store skips a callback whose uuid it knows already: it would never run.
                        raise ValidationError(
                            "its callback is that of an earlier call, too: generate() another one"
                        )
                    followers.update(follows)
                made = (message, message.submission(serializer))
            except (ValidationError, SerializationError) as error:
                where = f"call {number} of {self.name}.generate_many()"
                raise type(error)(f"{where}: {error}{aftermath.format(number)}") from error
            yield made

    def _submit_piece(self, piece: list[tuple[Message, Submission]], generated: Generated) -> None:
        for message, _ in piece:
            message.named = True  # from here on the store may know its uuid
        answers = self.broker.submit_packed([submission for _, submission in piece])
        for (message, _), added in zip(piece, answers, strict=True):
            if added.accepted:
                generated.append(message)
                self._submitted(message)
            else:
                generated.existing.append(message)

    def _tracked_for(self) -> int:
        """The message's `status_ttl`: how long the store itself keeps its statuses, 0 if it does not."""
        if self._status_ttl is None:
            tracker = self.status_tracker
            rides = tracker is not None and tracker.is_atomic_with(self.broker.backend)
            self._status_ttl = tracker.wire_ttl if tracker is not None and rides else 0
        return self._status_ttl

    def _submit(self, message: Message, **options: Any) -> None:
        self.broker.submit(message, **options)
        self._submitted(message)

    def _submitted(self, message: Message) -> None:
        # The message is in the store now: whoever read of a failure here would submit it a second time.
        try:
            if self.status_tracker is not None and not message.status_ttl:
                self.status_tracker.set(message, TaskStatus.SUBMITTED)
            self.on_submit(message)
        except (TaskTimeoutError, MessageRevokedError):
            raise  # of the task that submits, in whose thread it is set from outside
        except Exception:
            log.exception("%s was submitted, but what follows failed.", message.summary)


@functools.cache
def _options_of(submit: Callable[..., None]) -> set[str] | None:
    """What a broker's `submit` takes beside the message; None if anything."""
    takes = signature_of(submit)
    if takes is None or any(each.kind is each.VAR_KEYWORD for each in takes.parameters.values()):
        return None
    return set(takes.parameters) - {"self", "message"}
