"""The broker: submits messages, and changes stored messages by hand."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence

from alsek.core.attempt_state import edited_payload, read_message, retried_outcome
from alsek.core.bounds import check_integer, check_number, milliseconds
from alsek.core.clock import now_ms
from alsek.core.failure import describe_failure
from alsek.core.identifiers import new_request_id
from alsek.core.loggers import guarded_logger
from alsek.core.lookup import message_of
from alsek.core.message import Message
from alsek.core.middleware import Middleware, call_submitting, middleware_of, overriding
from alsek.core.seconds import LEAST_LIFETIME_MS, warn_of_seconds
from alsek.core.short_repr import shown
from alsek.core.status import StatusTracker
from alsek.defaults import DEDUP_WINDOW, DEFAULT_DLQ_TTL, MAX_DURATION
from alsek.exceptions import (
    ClaimLostError,
    CorruptMessageError,
    MessageAlreadyExistsError,
    MessageDoesNotExistsError,
    TaskFailedError,
    ValidationError,
    WorkerUnknownError,
)
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.checks import expect_backend
from alsek.storage.backends.records import (
    Added,
    Claimed,
    DeadLetter,
    Failed,
    Outcome,
    Stored,
    Submission,
    Succeeded,
)
from alsek.storage.result import ResultStore
from alsek.types import Duration, ExceptionDetails

log = guarded_logger(__name__)


class Broker:
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

    def __init__(
        self,
        backend: Backend,
        dlq_ttl: Duration | None = DEFAULT_DLQ_TTL,
        middleware: Iterable[Middleware] = (),
        *,
        result_store: ResultStore | None = None,
        status_tracker: StatusTracker | None = None,
    ) -> None:
        expect_backend("Broker", backend)
        warn_of_seconds("dlq_ttl", dlq_ttl, LEAST_LIFETIME_MS, "Broker")
        dlq_ttl = milliseconds(dlq_ttl)
        check_integer("dlq_ttl", dlq_ttl, 1, "Broker", optional=True)
        for name, value, kind in (
            ("result_store", result_store, ResultStore),
            ("status_tracker", status_tracker, StatusTracker),
        ):
            if value is not None and not isinstance(value, kind):
                raise ValidationError(f"{name}={shown(value)} of Broker: must be None or a {kind.__name__}")
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

    def exists(self, message: Message | str) -> bool:
        """Return True if the message is in the store: delayed, ready or claimed."""
        message = message_of(self.backend, message)
        return self.backend.messages.exists(message.queue, message.uuid)

    def submit(self, message: Message, ttl: Duration | None = None) -> None:
        """Submit a message. When this returns, the message is in the store.

        If it raises, it may be called again with the same message without harm.

        Args:
            message: The message.
            ttl: How long (ms) it may be ready before it expires and fails; by default without end.

        Raises:
            MessageAlreadyExistsError: A message of this uuid is in the store, or was finished within the last
                minute.
            SerializationError: The message can't be serialized.
            BackendError: The store did not take it.
            Exception: What middleware has raised to refuse it.
        """
        if ttl is not None:
            warn_of_seconds("ttl", ttl, LEAST_LIFETIME_MS, f"a message of task {message.task_name!r}")
            ttl = milliseconds(ttl)
            check_number("ttl", ttl, 1, message.summary)
            message.ttl = ttl
        if self.submission_middleware:
            call_submitting(self.submission_middleware, message)
        submission = message.submission(self.backend.serializer)
        message.named = True  # from here on the store may know its uuid
        (added,) = self.backend.messages.add((submission,), new_request_id())
        if not added.accepted:
            raise MessageAlreadyExistsError(_already_exists(message, added))
        if log.isEnabledFor(logging.DEBUG):
            log.debug("Submitted %s.", message.summary)

    def submit_many(self, messages: Iterable[Message]) -> list[Message]:
        """Submit many messages, up to 200 in one step of the store.

        Returns:
            The messages that were **not** submitted because their uuid exists already, in the store or for an earlier
            one of these; in the order given. A message given twice is submitted once, and is not among them.

        Raises:
            SerializationError: A message can't be serialized; then none is submitted.
            Exception: What middleware has raised to refuse one; likewise.
            BackendError: The store failed half-way; the messages before are submitted. The call may be repeated with
                the same messages; those that are in the store already are then returned.
        """
        distinct = list({id(message): message for message in messages}.values())
        if self.submission_middleware:
            for message in distinct:
                call_submitting(self.submission_middleware, message)
        submissions = [message.submission(self.backend.serializer) for message in distinct]
        for message in distinct:
            message.named = True  # from here on the store may know its uuid
        answers = self.submit_packed(submissions)
        return [message for message, added in zip(distinct, answers, strict=True) if not added.accepted]

    def submit_packed(self, submissions: Sequence[Submission]) -> list[Added]:
        """Submit what :meth:`Message.submission` returned for each message, up to 200 in one step of the store.

        Calls no middleware: that comes before a message is packed.

        Returns:
            The answer to each: refused if its uuid exists, in the store or earlier among these.

        Raises:
            BackendError: The store failed half-way; the messages before are submitted.
        """
        answers = self.backend.messages.add(submissions, new_request_id())
        log.debug("Submitted %d of %d messages.", sum(added.accepted for added in answers), len(answers))
        return answers

    def retry(self, message: Message | str) -> None:
        """Count a retry, and delay the message by its backoff.

        A message that was read from the store is stored with the changes that were made to it since. For any other
        message, the stored one of this queue and uuid is retried unchanged.

        Raises:
            MessageDoesNotExistsError: The message is not in the store.
            ClaimLostError: Its claim is not the current one.
        """
        message = message_of(self.backend, message)
        record, retried = self._retried(message)
        retried.retries += 1
        retried.updated_at = now_ms()
        retried.retry_delay = None
        # A user's backoff may return any number.
        delay = max(0, min(retried.ready_at - retried.updated_at, MAX_DURATION))
        token = 0 if message.claim is None else message.claim.token
        changed = message.claim is not None or message.read
        payload = edited_payload(record, retried, self.backend.serializer) if changed else None
        outcome = retried_outcome(retried, token, delay, payload)
        if message.claim is not None:
            self._finish(message, outcome)
        elif not self.backend.messages.reschedule(outcome):
            raise MessageDoesNotExistsError(f"{message.summary} is not in the store: it can't be retried")
        message.retries, message.updated_at, message.retry_delay = retried.retries, retried.updated_at, None

    def _retried(self, message: Message) -> tuple[Claimed | Stored, Message]:
        """Return what the store has, and the message to retry. Others may have retried one without a claim since."""
        if message.claim is not None:
            return message.claim.claimed, message.clone()
        stored = self.backend.messages.get(message.queue, message.uuid)
        if stored is None:
            raise MessageDoesNotExistsError(f"{message.summary} is not in the store: it can't be retried")
        present = read_message(stored, self.backend.serializer)
        if not message.read:
            return stored, present
        changed = message.clone()
        changed.retries = max(changed.retries, present.retries)
        return stored, changed

    def remove(self, message: Message | str) -> None:
        """Remove the message from the store. It is no error if it isn't there.

        Raises:
            ClaimLostError: Its claim is not the current one.
        """
        message = message_of(self.backend, message)
        if message.claim is not None:
            self._finish(message, Succeeded(message.uuid, message.queue, message.claim.token))
        else:
            self.backend.messages.remove(message.queue, message.uuid)

    def ack(self, message: Message | str) -> None:
        """Acknowledge the message: the same as :meth:`remove`."""
        self.remove(message)

    def fail(self, message: Message | str, error: BaseException | None = None) -> None:
        """Make a dead letter of the message; only remove it if `dlq_ttl` is None.

        Args:
            message: The message.
            error: Why it has failed; by default its ``exception_details``.

        Raises:
            MessageDoesNotExistsError: The message is neither in the store nor among the dead letters.
            ClaimLostError: Its claim is not the current one.
        """
        message = message_of(self.backend, message)
        if error is not None:
            message.exception_details = describe_failure(error)
        details = message.exception_details or describe_failure(TaskFailedError("failed by Broker.fail()"))
        wire = json.dumps(details).encode()
        dlq_ttl = self.dlq_ttl or 0
        if message.claim is not None:
            self._finish(message, Failed(message.uuid, message.queue, message.claim.token, wire, dlq_ttl))
        elif not self.backend.messages.fail(message.queue, message.uuid, wire, dlq_ttl):
            raise MessageDoesNotExistsError(f"{message.summary} is not in the store: it can't be failed")

    def revoke(self, message: Message | str) -> bool:
        """Revoke the message: it is not run, or stopped if it runs. Returns False if it isn't in the store."""
        message = message_of(self.backend, message)
        return self.backend.messages.revoke(message.queue, message.uuid)

    def is_revoked(self, message: Message | str) -> bool:
        """Return True if the message is in the store and revoked."""
        message = message_of(self.backend, message)
        stored = self.backend.messages.get(message.queue, message.uuid)
        return stored is not None and stored.revoked

    def in_dlq(self, message: Message | str) -> bool:
        """Return True if the message is among the dead letters."""
        message = message_of(self.backend, message, dead=True)
        return self.backend.messages.dead_letter(message.queue, message.uuid) is not None

    def dead_letters(self, queue: str) -> Iterator[Message]:
        """Yield the dead letters of a queue, oldest first, with their ``exception_details``.

        Messages that fail during the loop are not yielded, so each may be replayed in it. A dead letter that can't be
        read is logged and left where it is.
        """
        for letter in self.backend.messages.dead_letters(queue):
            try:
                message = self._revived(letter)
            except CorruptMessageError as error:
                log.error("A dead letter is left where it is: %s", error)
                continue
            yield message

    def replay(self, message: Message | str) -> None:
        """Move a dead letter back into its queue, as if it had just been submitted.

        A message that was read from the store is replayed with the changes that were made to it since. For any other
        message, the dead letter of this queue and uuid is replayed unchanged. If this raises a
        :class:`~alsek.exceptions.BackendError`, it may be called again without harm, unless the message has failed
        again in the meantime: then that dead letter is replayed. No middleware is called.

        Raises:
            MessageDoesNotExistsError: The message is not among the dead letters.
        """
        message = message_of(self.backend, message, dead=True)
        letter = self.backend.messages.dead_letter(message.queue, message.uuid)
        fresh = self._revived(letter) if letter is not None and not message.read else message.clone()
        fresh.retries, fresh.delay, fresh.retry_delay, fresh.exception_details = 0, 0, None, None
        fresh.created_at = fresh.updated_at = now_ms()
        died_at = 0 if letter is None else letter.died_at  # 0: the store knows whether it was replayed
        if not self.backend.messages.replay(fresh.submission(self.backend.serializer), died_at):
            raise MessageDoesNotExistsError(f"{message.summary} is not among the dead letters")

    def sync_from_backend(self, message: Message | str) -> Message:
        """Return the message as it is in the store now: delayed, ready, claimed or a dead letter.

        Raises:
            MessageDoesNotExistsError: The message is not in the store.
        """
        message = message_of(self.backend, message)
        stored = self.backend.messages.get(message.queue, message.uuid)
        if stored is not None:
            return read_message(stored, self.backend.serializer)
        letter = self.backend.messages.dead_letter(message.queue, message.uuid)
        if letter is not None:
            return self._revived(letter)
        raise MessageDoesNotExistsError(f"{message.summary} is not in the store")

    def _revived(self, letter: DeadLetter) -> Message:
        message = read_message(letter, self.backend.serializer)
        details: ExceptionDetails = json.loads(letter.error)
        message.exception_details = details
        return message

    @staticmethod
    def _finish(message: Message, outcome: Outcome) -> None:
        assert message.claim is not None
        claimed = message.claim.claimed
        if (message.uuid, message.queue) != (claimed.uuid, claimed.queue):
            raise ValidationError(
                f"{message.summary} was handed out as uuid {claimed.uuid!r} in queue {claimed.queue!r}, and its claim "
                "is for that one: nothing was done. Put these back to settle it, or use message.clone(), which has no "
                "claim, for another message"
            )
        lost = ClaimLostError(
            f"{message.summary} is no longer held under token {message.claim.token}: "
            "the lease ran out, it was given back, or it was finished already"
        )
        try:
            accepted = message.claim.session.finish(outcome)
        except WorkerUnknownError as error:
            raise lost from error
        if not accepted:
            raise lost


def _already_exists(message: Message, added: Added) -> str:
    """Return the text of a :class:`MessageAlreadyExistsError`."""
    if added.state == "finished":
        return f"{message.summary} was finished less than {DEDUP_WINDOW // 1000} s ago: submit it under another uuid"
    return f"{message.summary} exists ({added.state or 'unreadable'}): submit it under another uuid"
