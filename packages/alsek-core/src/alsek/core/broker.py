"""The broker: submits messages, and changes stored messages by hand."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from copy import copy

from alsek.core.answers import note, settle
from alsek.core.bounds import check_integer, check_number, milliseconds
from alsek.core.broker_defaults import check_defaults
from alsek.core.broker_schedules import BrokerSchedules
from alsek.core.identifiers import new_request_id
from alsek.core.loggers import guarded_logger
from alsek.core.message import Message
from alsek.core.middleware import Middleware, acall_submitting, call_submitting, middleware_of, overriding
from alsek.core.placing import place
from alsek.core.seconds import LEAST_LIFETIME_MS, warn_of_seconds
from alsek.core.short_repr import shown
from alsek.core.status import StatusTracker
from alsek.core.stored_messages import StoredMessages
from alsek.defaults import DEFAULT_DLQ_TTL, MAX_DURATION
from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.checks import expect_backend
from alsek.storage.backends.records import ACCEPTED, Added, Submission
from alsek.storage.result import ResultStore
from alsek.types import Duration

log = guarded_logger(__name__)


class Broker(StoredMessages, BrokerSchedules):
    """Adds and manages messages on a backend.

    A message from a consumer or a pool has a claim. Then a method does its work only if the claim is still the current
    one; otherwise it raises :class:`~alsek.exceptions.ClaimLostError` and changes nothing. A claim is for one uuid in
    one queue: if the message's uuid or queue was changed, :class:`~alsek.exceptions.ValidationError` is raised. For a
    message without a claim nothing is checked.

    All methods but :meth:`submit` take the uuid of a message in its place, whatever its queue. (A store knows a message
    by its queue and its uuid, so a message with these and a task name alone will do as well.)

    Args:
        backend: The store.
        dlq_ttl: How long (ms) failed messages are kept in the dead letter queue; None turns it off.
        middleware: Runs around every submission and every attempt of the messages of this broker's tasks.
        result_store: That of its tasks that name none.
        status_tracker: Likewise.
        keep_logs: How many lines at most are kept of what the attempts of a message log, in worker pools; 0 for none.
            They stay with the message through its retries, and with its dead letter or its status after its end.

    Attributes:
        middleware: All of it.
        submission_middleware: What overrides :meth:`Middleware.submitting`.
        attempt_middleware: What overrides :meth:`Middleware.attempt`.
        end_middleware: What overrides :meth:`Middleware.ended`.
    """

    # On the class: a subclass may have an `__init__` of its own.
    middleware: tuple[Middleware, ...] = ()
    submission_middleware: tuple[Middleware, ...] = ()
    attempt_middleware: tuple[Middleware, ...] = ()
    end_middleware: tuple[Middleware, ...] = ()
    result_store: ResultStore | None = None
    status_tracker: StatusTracker | None = None
    keep_logs: int = 0

    def __init__(
        self,
        backend: Backend,
        dlq_ttl: Duration | None = DEFAULT_DLQ_TTL,
        middleware: Iterable[Middleware] = (),
        *,
        result_store: ResultStore | None = None,
        status_tracker: StatusTracker | None = None,
        keep_logs: int = 0,
    ) -> None:
        expect_backend("Broker", backend)
        warn_of_seconds("dlq_ttl", dlq_ttl, LEAST_LIFETIME_MS, "Broker")
        dlq_ttl = milliseconds(dlq_ttl)
        check_integer("dlq_ttl", dlq_ttl, 1, "Broker", optional=True)
        check_defaults(result_store, status_tracker, keep_logs)
        self.keep_logs = keep_logs
        self.result_store = result_store
        self.status_tracker = status_tracker
        self.backend = backend
        self.dlq_ttl = None if dlq_ttl is None else min(dlq_ttl, MAX_DURATION)
        # Also if there is none: an attribute of the instance is found faster than one of the class.
        self.middleware = middleware_of(middleware) if middleware else ()
        self.submission_middleware = overriding(self.middleware, "submitting")
        self.attempt_middleware = overriding(self.middleware, "attempt")
        self.end_middleware = overriding(self.middleware, "ended")

    def __repr__(self) -> str:
        return f"Broker(backend={self.backend!r}, dlq_ttl={self.dlq_ttl!r})"

    def submit(self, message: Message, ttl: Duration | None = None) -> None:
        """Submit a message. When this returns, the message is in the store.

        If it raises, it may be called again with the same message without harm.

        If another message holds its unique key, nothing is submitted: the message gets the uuid of that one, and is its
        ``duplicate``. With ``conflict="replace"`` that one gets what this one has; then it is ``replaced`` as well.

        Args:
            message: The message.
            ttl: How long (ms) it may be ready before it expires and fails; by default without end.

        Raises:
            ValidationError: It is no message; a group submits itself.
            MessageAlreadyExistsError: A message of this uuid is in the store, or was finished within the last
                minute.
            MessageNotUniqueError: Another message holds its unique key, and that says ``conflict="raise"``.
            SerializationError: The message can't be serialized.
            BackendError: The store did not take it.
            Exception: What middleware has raised to refuse it.
        """
        _expect_message(message, self.backend)
        if ttl is not None:
            _set_ttl(message, ttl)
        if self.submission_middleware:
            call_submitting(self.submission_middleware, message)
        submission = message.submission(self.backend.serializer)
        message.named = message.submitted = True  # from here on the store may know its uuid
        (added,) = self.backend.messages.add((submission,), new_request_id())
        if added is not ACCEPTED or message.duplicate:
            settle(message, added)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %s.", _done(message), message.summary)

    async def asubmit(self, message: Message, ttl: Duration | None = None) -> None:
        """As :meth:`submit`, without blocking the event loop. If it is cancelled, the message is submitted or not."""
        _expect_message(message, self.backend)
        if ttl is not None:
            _set_ttl(message, ttl)
        if self.submission_middleware:
            await acall_submitting(self.submission_middleware, message)
        submission = message.submission(self.backend.serializer)
        message.named = message.submitted = True  # from here on the store may know its uuid
        (added,) = await self.backend.loop_driver().ask(
            self.backend.messages.add, (submission,), new_request_id()
        )
        if added is not ACCEPTED or message.duplicate:
            settle(message, added)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %s.", _done(message), message.summary)

    def submit_many(self, messages: Iterable[Message]) -> list[Message]:
        """Submit many messages, up to 200 in one step of the store.

        Returns:
            The messages that were **not** submitted because their uuid exists already, in the store or for an earlier
            one of these, or because another message holds their unique key, whatever `conflict` says (then they are
            ``duplicate``, and have its uuid); in the order given. A message given twice is submitted once, and is not
            among them.

        Raises:
            ValidationError: One is no message; then none is submitted.
            SerializationError: A message can't be serialized; then none is submitted.
            Exception: What middleware has raised to refuse one; likewise.
            BackendError: The store failed half-way; the messages before are submitted. The call may be repeated with
                the same messages; those that are in the store already are then returned.
        """
        distinct = _distinct(messages, self.backend)
        if self.submission_middleware:
            for message in distinct:
                call_submitting(self.submission_middleware, message)
        submissions = self._packed(distinct)
        return _refused(distinct, self.submit_packed(submissions))

    async def asubmit_many(self, messages: Iterable[Message]) -> list[Message]:
        """As :meth:`submit_many`, without blocking the event loop. If it is cancelled, some may be submitted."""
        distinct = _distinct(messages, self.backend)
        if self.submission_middleware:
            for message in distinct:
                await acall_submitting(self.submission_middleware, message)
        submissions = self._packed(distinct)
        return _refused(distinct, await self.asubmit_packed(submissions))

    def _packed(self, messages: Sequence[Message]) -> list[Submission]:
        """Return the messages as the store takes them. All of them are packed before the first is submitted."""
        submissions = [message.submission(self.backend.serializer) for message in messages]
        for message in messages:
            message.named = message.submitted = True  # from here on the store may know its uuid
        return submissions

    def submit_packed(self, submissions: Sequence[Submission]) -> list[Added]:
        """Submit what :meth:`Message.submission` returned for each message, up to 200 in one step of the store.

        Calls no middleware: that comes before a message is packed.

        Returns:
            The answer to each: refused if its uuid exists, in the store or earlier among these, or if another message
            holds its unique key.

        Raises:
            BackendError: The store failed half-way; the messages before are submitted.
        """
        return _logged(self.backend.messages.add(submissions, new_request_id()))

    async def asubmit_packed(self, submissions: Sequence[Submission]) -> list[Added]:
        """As :meth:`submit_packed`, without blocking the event loop."""
        add = self.backend.messages.add
        return _logged(await self.backend.loop_driver().ask(add, submissions, new_request_id()))

    def without_middleware(self) -> Broker:
        """Return this broker without its middleware; itself if it has none."""
        if not self.middleware:
            return self
        copied = copy(self)
        copied.middleware = ()
        copied.submission_middleware = copied.attempt_middleware = copied.end_middleware = ()
        return copied


def _expect_message(given: object, backend: Backend) -> None:
    if not isinstance(given, Message):
        raise ValidationError(
            f"{shown(given)} can't be submitted by a broker: it is no message. A group submits itself, by "
            "Group.submit()"
        )
    if backend.partitions > 1:
        place((given,), backend)


def _set_ttl(message: Message, ttl: Duration) -> None:
    warn_of_seconds("ttl", ttl, LEAST_LIFETIME_MS, f"a message of task {message.task_name!r}")
    given = milliseconds(ttl)
    check_number("ttl", given, 1, message.summary)
    message.ttl = given


def _distinct(messages: Iterable[Message], backend: Backend) -> list[Message]:
    distinct = list({id(message): message for message in messages}.values())
    for message in distinct:
        _expect_message(message, backend)
    return distinct


def _refused(messages: Sequence[Message], answers: Sequence[Added]) -> list[Message]:
    return [message for message, added in zip(messages, answers, strict=True) if not note(message, added)]


def _done(message: Message) -> str:
    """Return how the log tells that a message was submitted."""
    if not message.duplicate:
        return "Submitted"
    return "Replaced" if message.replaced else "Did not submit the duplicate"


def _logged(answers: list[Added]) -> list[Added]:
    if log.isEnabledFor(logging.DEBUG):
        log.debug("Submitted %d of %d messages.", sum(added.accepted for added in answers), len(answers))
    return answers
