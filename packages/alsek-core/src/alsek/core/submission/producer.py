"""Making a task's messages, and submitting them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, Self

from alsek.core.answers import settle
from alsek.core.arguments.parameters import did_you_mean
from alsek.core.arguments.signature import signature_of
from alsek.core.bounds import check_number, milliseconds
from alsek.core.event_loops import finish
from alsek.core.groups.group import Group
from alsek.core.loggers import guarded_logger
from alsek.core.message import Message
from alsek.core.middleware import call_submitting
from alsek.core.status import TaskStatus
from alsek.core.submission.call_builder import CallBuilder, error_suffix
from alsek.core.submission.calls import AnyCall, Generated, batches
from alsek.core.submission.chaining import Callbacks, callbacks_of
from alsek.core.submission.message_maker import MessageMaker
from alsek.core.submission.options import MessageOptions
from alsek.core.submission.task_keys import LimitsOption, UniqueOption
from alsek.core.submission.transactions import OnCommit, checked, transactions
from alsek.defaults import SUBMISSION_BATCH
from alsek.exceptions import (
    ArgumentsError,
    MessageRevokedError,
    TaskTimeoutError,
)
from alsek.storage.backends.records import Submission
from alsek.types import Duration

log = guarded_logger(__name__)


class Producer(MessageMaker):
    """Builds messages from the task's settings, and submits them to the broker."""

    # A task and the copy that `defer()` returns share all attributes but these.
    __slots__ = ("_deferred", "_original")

    def __init__(self) -> None:
        self._deferred = False
        self._original: Producer = self

    def defer(self) -> Self:
        """Return this task with its next :meth:`generate` or :meth:`generate_many` not submitting.

        In all else the returned object is the task, and equal to it. The task itself does not change: an error between
        ``defer()`` and ``generate()`` leaves nothing behind.
        """
        deferred = object.__new__(type(self))
        deferred.__dict__ = self.__dict__
        deferred._original, deferred._deferred = self._original, True
        return deferred

    def cancel_defer(self) -> Self:
        """Undo :meth:`defer`: the next :meth:`generate` submits."""
        self._deferred = False
        return self

    @property
    def deferred(self) -> bool:
        """True if this is what :meth:`defer` returned and its :meth:`generate` was not called yet."""
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
        result_ttl: Duration | None = None,
        uuid: str | None = None,
        timeout_override: Duration | None = None,
        delay: Duration | None = None,
        previous_result: Any = None,
        callback: Callbacks | None = None,
        queue: str | None = None,
        unique: UniqueOption = None,
        limits: LimitsOption = None,
        submit: bool = True,
        failure_callback: Message | None = None,
        on_commit: OnCommit = False,
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
                other. The ``callback_message_data`` of the messages given is updated. The last may be a
                :class:`~alsek.core.groups.group.Group` of up to 10,000 members.
            queue: In place of the task's queue.
            unique: In place of the task's; False for none.
            limits: Likewise.
            submit: False to not submit now.
            failure_callback: A message to submit in the step in which this one fails for good.
            on_commit: True to submit when the present database transaction commits, and never if it rolls back; the
                name of a database for its transaction. Needs alsek-django. All is checked and packed now; whether the
                store takes the message, and whether it is a ``duplicate``, is known after the commit.
            **options: For :meth:`Broker.submit`: ``ttl``.

        Returns:
            The message. It is a ``duplicate`` if another message holds its unique key: then it has that one's uuid.

        Raises:
            ValidationError: A value is out of range or of the wrong kind; nothing was submitted.
            ArgumentsError: The function can't take these arguments, or there is no such option; likewise.
            MessageAlreadyExistsError: The store has a message of this uuid.
            MessageNotUniqueError: Another message holds its unique key, and that says ``conflict="raise"``.
            SerializationError: A value can't be serialized; nothing was submitted.
            BackendError: The store did not take it.
            Exception: What middleware has raised to refuse it; nothing was submitted.
        """
        submit = self._consume_defer(submit)
        if options and options.keys() != {"ttl"}:
            plain = submit and on_commit is False
            self._check_options("generate", type(self.broker).submit, options, plain)
        message = self.build(
            args,
            kwargs,
            priority=priority,
            metadata=metadata,
            result_ttl=result_ttl,
            uuid=uuid,
            timeout_override=timeout_override,
            delay=delay,
            previous_result=previous_result,
            callback=callback,
            queue=queue,
            unique=unique,
            limits=limits,
            failure_callback=failure_callback,
        )
        if on_commit is not False:
            using = checked(on_commit, submit, message)
            give_ttl(message, options.get("ttl"))
            call_submitting(self.broker.submission_middleware, message)
            transactions().on_commit(self._prepared(message), using)
        elif submit:
            self._submit(message, **options)
        else:
            self._check_deferred(message, options.get("ttl"), callbacks_of(callback, failure_callback))
        return message

    def generate_many(
        self,
        calls: Iterable[AnyCall],
        *,
        priority: int = 0,
        metadata: Any = None,
        result_ttl: Duration | None = None,
        timeout_override: Duration | None = None,
        delay: Duration | None = None,
        queue: str | None = None,
        ttl: Duration | None = None,
        unique: UniqueOption = None,
        limits: LimitsOption = None,
        submit: bool = True,
        on_commit: OnCommit = False,
    ) -> Generated:
        """Make many messages for this task and submit them, up to 200 in one step of the store.

        A list, or anything else that has a length, is built and checked as a whole: if one call is refused, nothing is
        submitted. An iterable without a length, such as a generator, is taken in batches of 200, and the first batch
        is submitted before the others are built. If a call in it is refused, or the generator raises, all calls before
        it are submitted, and it and those after it are not, as in a loop over :meth:`generate`. The error names the
        call by its number, counted from 0. What middleware raises to refuse a message is raised as it is.

        :meth:`on_submit` and the status tracker are called for each message. An overridden :meth:`generate` is not
        called.

        Args:
            calls: One for each message: a tuple or list of positional arguments, a dict of keyword arguments,
                or a :class:`~alsek.core.submission.calls.Call`, which has both and options of its own.
            priority: As for :meth:`generate`, like all options that follow. Each holds for the calls that have no such
                option of their own.
            metadata: Likewise.
            result_ttl: Likewise.
            timeout_override: Likewise.
            delay: Likewise.
            queue: Likewise.
            ttl: Likewise.
            unique: Likewise; False for none.
            limits: Likewise.
            submit: False to not submit now; :meth:`defer` holds for one call of this method, too.
            on_commit: As for :meth:`generate`, for all of them. They are built as a whole. Which of them are in
                ``existing`` is known after the commit.

        Returns:
            The messages, in the order of their calls. Messages whose uuid exists already, in the store or for an
            earlier one of these calls, are in its ``existing`` instead; that is no error. A message whose unique key
            another one holds, in the store or of an earlier call, is a ``duplicate``, and in its place; with
            ``conflict="raise"`` it is in ``existing``.

        Raises:
            ValidationError: A call is out of range or of the wrong kind.
            SerializationError: A value can't be serialized; the text names call, task and value.
            BackendError: The store failed half-way; the batches before are submitted. Calling again makes new messages,
                except for calls with a uuid: those that the store has already are in ``existing``.
        """
        submit = self._consume_defer(submit)
        defaults: MessageOptions = {
            "priority": priority,
            "metadata": metadata,
            "result_ttl": result_ttl,
            "timeout_override": timeout_override,
            "delay": delay,
            "queue": queue,
            "ttl": ttl,
            "unique": unique,
            "limits": limits,
        }
        whole = isinstance(calls, Sized) or on_commit is not False
        built = self._build_all(calls, defaults, submit, error_suffix(submit, whole))
        generated = Generated()
        if on_commit is not False:
            using = checked(on_commit, submit, self.name)
            transactions().on_commit(self._all_prepared(list(built), generated), using)
            return generated
        for batch in batches(iter(list(built)) if whole else built, SUBMISSION_BATCH):
            if submit:
                self._submit_batch(batch, generated)
            else:
                self._defer_batch(batch, generated)
        return generated

    def _prepared(self, message: Message) -> Callable[[], None]:
        """Pack a message, and return what submits it later, as it is now."""
        submission = message.submission(self.broker.backend.serializer)

        def submit() -> None:
            message.named = message.submitted = True  # from here on the store may know its uuid
            settle(message, *self.broker.submit_packed((submission,)))
            if not message.duplicate or message.replaced:
                self.after_submission(message)

        return submit

    def _all_prepared(
        self, built: list[tuple[Message, Submission]], generated: Generated
    ) -> Callable[[], None]:
        """Let `generated` have these messages, and return what submits them later, as they are now."""
        generated.extend(message for message, _ in built)

        def submit() -> None:
            settled = Generated()
            for batch in batches(iter(built), SUBMISSION_BATCH):
                self._submit_batch(batch, settled)
            generated[:], generated.existing = settled, settled.existing

        return submit

    def _as_origin(self) -> Any:
        return self._original

    def _defer_batch(self, batch: list[tuple[Message, Submission]], generated: Generated) -> None:
        for message, _ in batch:
            message.origin = self._as_origin()
            generated.append(message)

    def _check_deferred(
        self, message: Message, ttl: Duration | None, callbacks: tuple[Message | Group, ...]
    ) -> None:
        """Check a message that is submitted later: here the caller can correct it."""
        message.origin = self._as_origin()
        give_ttl(message, ttl)
        for each in (message, *callbacks):  # callbacks of callbacks were checked when made
            if isinstance(each, Message):  # those of a group are packed with the message before it
                each.pack(self.broker.backend.serializer, callbacks=False)

    def _check_options(
        self, method: str, submitter: Callable[..., Any], options: dict[str, Any], submit: bool
    ) -> None:
        """Refuse options that the broker's `submitter` does not take; without submission, all but `ttl`."""
        known = _options_of(submitter) if submit else {"ttl"}
        for name in options:
            if known is not None and name not in known:
                own = signature_of(getattr(self, method))
                near = did_you_mean(name, [*known, *(own.parameters if own is not None else ())])
                raise ArgumentsError(f"{method}() of task {self.name!r} does not take {name!r}{near}")

    def _consume_defer(self, submit: bool) -> bool:
        """Return whether a call with this `submit` submits. A :meth:`defer` holds for one call."""
        if self._deferred:
            self._deferred = False
            return False
        return submit

    def _build_all(
        self, calls: Iterable[AnyCall], defaults: MessageOptions, submit: bool, suffix: str
    ) -> Iterator[tuple[Message, Submission]]:
        """Yield each call's message, and the same as a store takes it. `suffix` ends the text of an error."""
        middleware = self.broker.submission_middleware if submit else ()
        built = CallBuilder(self, defaults, suffix)
        for number, given in built.numbered(calls):
            message = built.message(number, given)
            if middleware:
                call_submitting(middleware, message)
            yield message, built.packed(number, message)

    def _submit_batch(self, batch: list[tuple[Message, Submission]], generated: Generated) -> None:
        for message, _ in batch:
            message.named = message.submitted = True  # from here on the store may know its uuid
        answers = self.broker.submit_packed([submission for _, submission in batch])
        for (message, _), added in zip(batch, answers, strict=True):
            if generated.note(message, added):
                self.after_submission(message)

    def _submit(self, message: Message, **options: Any) -> None:
        self.broker.submit(message, **options)
        if not message.duplicate or message.replaced:
            self.after_submission(message)

    def after_submission(self, message: Message) -> None:
        """Tell the status tracker and the hook of a message that the store has taken. Their errors are logged."""
        # The message is in the store: an error raised here would make the caller submit it a second time.
        try:
            if self.status_tracker is not None and not message.status_ttl:
                set_status: Any = self.status_tracker.set
                finish(set_status(message, TaskStatus.SUBMITTED))
            on_submit: Any = self.on_submit  # it may be an `async def`
            returned = on_submit(message)
            if returned is not None:
                finish(returned)
        except (TaskTimeoutError, MessageRevokedError):
            raise  # of the task that submits, raised in its thread from outside
        except Exception:
            log.exception("%s was submitted, but on_submit or the status tracker failed.", message.summary)


def give_ttl(message: Message, ttl: Duration | None) -> None:
    """Set how long a message that is submitted later may be ready.

    Raises:
        ValidationError: It is no number of milliseconds.
    """
    ttl = milliseconds(ttl)
    check_number("ttl", ttl, 1, message.summary, optional=True)
    message.ttl = ttl


@functools.cache
def _options_of(submit: Callable[..., Any]) -> set[str] | None:
    """Return the names that a broker's `submit` takes beside the message; None if it takes any."""
    takes = signature_of(submit)
    if takes is None or any(each.kind is each.VAR_KEYWORD for each in takes.parameters.values()):
        return None
    return set(takes.parameters) - {"self", "message"}
