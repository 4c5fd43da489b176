"""The message: one call of a task that a producer submits and a worker runs."""

from __future__ import annotations

from copy import deepcopy
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from alsek.core.backoff import DEFAULT_BACKOFF_SETTINGS
from alsek.core.callbacks import Chain, Data, links, nested, own, shown
from alsek.core.claim import Claim
from alsek.core.clock import now_ms, to_text
from alsek.core.identifiers import check_name, check_queue, check_task_name, new_uuid
from alsek.core.message_fields import FIELDS, OWN_FIELDS, are_limits, check_call, check_fields, timestamp
from alsek.core.message_views import MessageViews
from alsek.core.payload import (
    NAMED,
    fields_of,
    marked,
    without_defaults,
)
from alsek.core.unserializable import explain_unserializable
from alsek.defaults import (
    DEFAULT_MECHANISM,
    DEFAULT_QUEUE,
    DEFAULT_TASK_TIMEOUT,
    MAX_DURATION,
    MAX_PRIORITY,
)
from alsek.exceptions import (
    AlsekError,
    CorruptMessageError,
    MessageRevokedError,
    PayloadTooLargeError,
    SerializationError,
    TaskTimeoutError,
    ValidationError,
)
from alsek.storage.backends.kinds import ASYNC_WISHES, MECHANISM_WISHES, POOL_KINDS
from alsek.storage.backends.records import Submission, UniqueKey
from alsek.storage.backends.records.keys import limits_of_text
from alsek.storage.serialization import Serializer, dump
from alsek.types import (
    BackoffSettings,
    Duration,
    ExceptionDetails,
    FailureDetails,
    Mechanism,
    MechanismWish,
)

if TYPE_CHECKING:
    from alsek.core.submission.async_producer import AsyncProducer


class Message(MessageViews):
    """One call of a task, for a worker to run.

    All times and durations are milliseconds; a duration may be given as a timedelta. None may be longer than
    :data:`~alsek.defaults.MAX_DURATION` (more than 300 years).

    Args:
        task_name: The task to run.
        queue: Where the message waits.
        args: Positional arguments for the task.
        kwargs: Keyword arguments for the task.
        metadata: Anything serializable that the producer adds.
        exception_details: ``name``, ``text`` and ``traceback`` of the last failure.
        result_ttl: How long the result is kept; None for the result store's own.
        uuid: The name of the message; a new one by default.
        progenitor_uuid: The first message of the chain to which this one belongs.
        retries: How often it has been retried.
        timeout: How long the task may run.
        created_at: UTC, as Unix milliseconds or as text (``2021-04-08 05:59:16.424000``). For display only.
        updated_at: Likewise; `created_at` by default.
        delay: How long to wait before the first attempt.
        previous_result: For a callback, what the message before it returned.
        previous_message_uuid: For a callback, the message before it.
        callback_message_data: The ``data`` of the message to submit once this one has succeeded.
        backoff_settings: How long to wait before each retry, as data.
        mechanism: How the task is to be executed; also the default of `mechanism_wish`.
        priority: Lower goes first; any integer from 0 to :data:`~alsek.defaults.MAX_PRIORITY` (2**53 - 1).
        mechanism_wish: Which kind of pool may take it: ``"any"`` for a task that names no mechanism.
        retry_delay: The delay that the last retry asked for in place of the backoff.
        ttl: How long it may be ready before it expires; None for no end.
        status_ttl: How long the store keeps its statuses; 0 if the store does not write them itself, -1 for ever.
        named: True if a message of this uuid may have been submitted before: what the store still has of it is then
            removed when this one is submitted. By default, True if `uuid` is given.
        is_async: True if the task is an ``async def``: a thread pool runs it in an event loop, not in a thread.
        unique: The key that it holds alone, as text: see :class:`~alsek.storage.backends.records.UniqueKey`.
        limits: What must admit it before it runs, as text: see :class:`~alsek.storage.backends.records.Limit`.
        branches: What follows beside the callbacks, as plain data: ``group``, a group to submit once the last of them
            has succeeded; ``failure``, a message to submit if this one fails for good.
        previous_failure: For a failure callback, how and why the message before it failed.

    Attributes:
        duplicate: True if it was submitted while another message held its unique key: then `uuid` is that one's. What
            asks for results, statuses, or to revoke it, is about that one.
        replaced: True if it is such a duplicate, and that one has got its arguments and options
            (``conflict="replace"``). Of any other duplicate nothing was submitted.
        origin: The task that made it without submitting it; None for any other message. It never travels.
        submitted: This object was submitted, as far as that is known.

    Raises:
        ValidationError: An argument is out of range or of the wrong kind.
    """

    __slots__ = (
        *OWN_FIELDS,
        "chain",
        "claim",
        "duplicate",
        "named",
        "origin",
        "read",
        "replaced",
        "submitted",
    )

    def __init__(
        self,
        task_name: str,
        queue: str = DEFAULT_QUEUE,
        args: list[Any] | tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        metadata: Any = None,
        exception_details: ExceptionDetails | None = None,
        result_ttl: Duration | None = None,
        uuid: str | None = None,
        progenitor_uuid: str | None = None,
        retries: int = 0,
        timeout: Duration = DEFAULT_TASK_TIMEOUT,
        created_at: int | str | None = None,
        updated_at: int | str | None = None,
        delay: Duration | None = 0,
        previous_result: Any = None,
        previous_message_uuid: str | None = None,
        callback_message_data: dict[str, Any] | None = None,
        backoff_settings: BackoffSettings | None = None,
        mechanism: Mechanism | None = None,
        priority: int = 0,
        mechanism_wish: MechanismWish | None = None,
        retry_delay: Duration | None = None,
        ttl: Duration | None = None,
        status_ttl: int = 0,
        named: bool | None = None,
        is_async: bool = False,
        unique: str | None = None,
        limits: str | None = None,
        branches: dict[str, Any] | None = None,
        previous_failure: FailureDetails | None = None,
    ) -> None:
        if type(task_name) is not str or not task_name or not task_name.isprintable():
            check_task_name("task_name", task_name)
        # A timedelta becomes milliseconds in check_fields().
        self.task_name = task_name
        self.queue = check_queue(queue)
        self.args: tuple[Any, ...] = tuple(args) if isinstance(args, tuple | list) else ()
        self.kwargs: dict[str, Any] = kwargs if kwargs is not None else {}
        self.metadata = metadata
        self.exception_details = exception_details
        self.result_ttl: int | None = result_ttl  # type: ignore[assignment]
        self.uuid = new_uuid() if uuid is None else check_name("uuid", uuid)
        self.progenitor_uuid = progenitor_uuid
        self.retries = retries
        self.timeout: int = timeout  # type: ignore[assignment]
        self.created_at = timestamp(created_at) if created_at is not None else now_ms()
        self.updated_at = timestamp(updated_at) if updated_at is not None else self.created_at
        self.delay: int = 0 if delay is None else delay  # type: ignore[assignment]
        self.previous_result = previous_result
        self.previous_message_uuid = previous_message_uuid
        #: The callbacks that follow; None if there are none.
        self.chain = None if callback_message_data is None else Chain(callback_message_data)
        self.backoff_settings: BackoffSettings = backoff_settings or DEFAULT_BACKOFF_SETTINGS
        self.mechanism_wish: MechanismWish = mechanism_wish or mechanism or "any"
        self.mechanism: Mechanism = mechanism or (
            DEFAULT_MECHANISM if self.mechanism_wish == "any" else self.mechanism_wish
        )
        self.priority = priority
        self.retry_delay: int | None = retry_delay  # type: ignore[assignment]
        self.ttl: int | None = ttl  # type: ignore[assignment]
        self.status_ttl = status_ttl
        self.is_async = is_async
        self.unique = unique
        self.limits = limits
        self.branches = branches
        self.previous_failure = previous_failure
        self.named = uuid is not None if named is None else named
        self.claim: Claim | None = None
        self.origin: AsyncProducer | None = None
        self.submitted = False
        #: True if it was read from a store, so that it has all that is stored of it.
        self.read = False
        self.duplicate = self.replaced = False
        if (args is not None and type(args) is not tuple) or type(self.kwargs) is not dict:
            check_call(self, args)
        for name in self.kwargs:
            if type(name) is not str:
                check_call(self, args)
        # The checks of check_fields(), written out for speed: nearly all messages pass here.
        if not (
            type(timeout) is type(priority) is type(self.delay) is type(retries) is int
            and 0 < timeout <= MAX_DURATION  # pyright: ignore[reportOperatorIssue]  it is an int, said above
            and 0 <= priority <= MAX_PRIORITY
            and 0 <= self.delay <= MAX_DURATION
            and retries >= 0
            and result_ttl is None
            and ttl is None
            and retry_delay is None
            and unique is None
            and (limits is None or are_limits(limits))
            and self.mechanism_wish in MECHANISM_WISHES
            and self.mechanism in POOL_KINDS
            and type(is_async) is bool
        ):
            check_fields(self)

    @property
    def callback_message_data(self) -> dict[str, Any] | None:
        """The ``data`` of the message to submit once this one has succeeded. Changes made in it take effect."""
        return None if self.chain is None else self.chain.data

    @callback_message_data.setter
    def callback_message_data(self, data: dict[str, Any] | None) -> None:
        self.chain = None if data is None else Chain(data)

    @property
    def data(self) -> dict[str, Any]:
        """All fields by name; ``Message(**data)`` is an equal message."""
        own_data, callbacks = self.own_data(), self.callback_message_data
        return {name: own_data.get(name, callbacks) for name in FIELDS}

    def own_data(self) -> Data:
        """Return all fields but the callbacks."""
        return {name: getattr(self, name) for name in OWN_FIELDS}

    @property
    def descendant_uuids(self) -> list[str] | None:
        """The uuids of the callbacks that follow this message, nearest first; None if there are none."""
        return [link["uuid"] for link in links(self.callback_message_data)] or None

    def callback(self) -> Message | None:
        """Return the message to submit once this one has succeeded; None if there is none."""
        if self.chain is None:
            return None
        data, rest = self.chain.split()
        fields: Data = {NAMED: False, **data}
        callback = Message(**fields)
        callback.chain = rest
        return callback

    @property
    def token(self) -> int | None:
        """The token of the claim under which a consumer or a pool handed out the message; None without a claim."""
        return self.claim.token if self.claim is not None else None

    def clone(self) -> Message:
        """Return an equal message that shares nothing with this one and has no claim."""
        cloned = Message(**deepcopy(self.own_data()))
        cloned.chain = None if self.chain is None else self.chain.copy()
        return cloned

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the fields without the claim: the receiver does not hold the message."""
        return (_of_data, (type(self), self.own_data(), self.chain))

    def append_callback(self, callback: Message) -> None:
        """Add `callback` after the callbacks that follow this message already."""
        branches = self.branches
        for link in links(self.callback_message_data):
            branches = link.get("branches")
        if branches is not None and "group" in branches:
            raise ValidationError(
                f"callbacks of {self.summary}: nothing can follow a group there; give that to the group, as its "
                "callback"
            )
        data = marked(callback.data, callback.named)
        self.callback_message_data = nested(links(self.callback_message_data), data)

    def pack(self, serializer: Serializer, *, callbacks: bool = True) -> bytes:
        """Return the payload: the message as bytes, without `uuid`, `queue` and fields at their default.

        Args:
            serializer: The store's.
            callbacks: False to leave out the callbacks, to check the message alone.

        Raises:
            SerializationError: The serializer can't take a value: the text names the task and the value. Or the chain
                of callbacks is too long.
            PayloadTooLargeError: It has more bytes than the backend takes.
        """
        wire: dict[str, Any] = {}
        try:
            wire = fields_of(self)
            if self.chain is not None and callbacks:
                wire.update(self.chain.wire(serializer, without_defaults))
            return dump(serializer, wire)
        except Exception as error:
            if isinstance(error, SerializationError) and error.__cause__ is None:
                raise  # the chain is too long
            if isinstance(error, AlsekError) and not isinstance(error, SerializationError | ValidationError):
                raise  # a task's timeout that is raised just here, for example
            reason = error.__cause__ or error if isinstance(error, SerializationError) else error
            if isinstance(error, PayloadTooLargeError):
                with_callbacks = ", with its callbacks" if self.chain is not None and callbacks else ""
                raise PayloadTooLargeError(
                    f"task {self.task_name!r}: {self.summary}{with_callbacks}: {reason}"
                ) from reason
            raise SerializationError(explain_unserializable(self, wire, serializer, reason)) from reason

    @classmethod
    def unpack(cls, uuid: str, queue: str, payload: bytes, serializer: Serializer) -> Message:
        """Return the message of which :meth:`pack` made `payload`.

        Raises:
            CorruptMessageError: The bytes can't be read as a message.
        """
        try:
            wire = serializer.reverse(payload)
            if "callback_message_data" not in wire:
                message = cls(**wire, uuid=uuid, queue=queue)
            else:
                callback, blocks = wire.pop("callback_message_data"), wire.pop("callback_blocks", ())
                message = cls(**wire, uuid=uuid, queue=queue)
                if callback is not None:
                    message.chain = Chain.read(callback, blocks, serializer, with_defaults)
            message.read = True
            return message
        except (TaskTimeoutError, MessageRevokedError):
            raise  # raised in this thread from outside; the bytes may be fine
        except Exception as error:  # a serializer may raise anything on bytes that it did not write
            raise CorruptMessageError(
                f"message {uuid!r} in queue {queue!r} can't be read by {serializer!r}: "
                f"{type(error).__name__}: {error} (first bytes: {payload[:60]!r})"
            ) from error

    def submission(self, serializer: Serializer) -> Submission:
        """Return the message as a store takes it.

        Raises:
            SerializationError: As :meth:`pack`.
        """
        return Submission(
            self.uuid,
            self.queue,
            self.pack(serializer),
            self.priority,
            ASYNC_WISHES[self.mechanism_wish] if self.is_async else self.mechanism_wish,
            self.delay,
            self.ttl or 0,
            self.status_ttl,
            self.named,
            None if self.unique is None else UniqueKey.of_text(self.unique),
            () if self.limits is None else limits_of_text(self.limits),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return False
        if self.own_data() != other.own_data():
            return False
        mine, others = links(self.callback_message_data), links(other.callback_message_data)
        return all(a is not None and b is not None and own(a) == own(b) for a, b in zip_longest(mine, others))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        texts = {name: repr(value) for name, value in self.data.items() if name != "callback_message_data"}
        texts["created_at"] = repr(to_text(self.created_at))
        texts["updated_at"] = repr(to_text(self.updated_at))
        texts["callback_message_data"] = shown(self.callback_message_data)
        inner = "".join(f"    {name}={texts[name]},\n" for name in FIELDS)
        return f"Message(\n{inner})"


def _of_data(kind: type[Message], data: Data, chain: Chain | None) -> Message:
    message = kind(**data)
    message.chain = chain
    return message


def with_defaults(sparse: Data) -> Data:
    """Return the data of one callback with all its fields, checked."""
    return marked(Message(**sparse).data, sparse.get(NAMED, False))
