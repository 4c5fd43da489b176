"""The message: what a producer asks a worker to do, and all that is known of it."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

from alsek.core.backoff import DEFAULT_BACKOFF_SETTINGS, Backoff, backoff_from
from alsek.core.blame import blame
from alsek.core.clock import now_ms, to_text
from alsek.core.fields import MECHANISMS, WISHES, check_call, check_fields, timestamp
from alsek.core.identifiers import check_name, check_task_name, new_uuid
from alsek.defaults import (
    DEFAULT_MECHANISM,
    DEFAULT_QUEUE,
    DEFAULT_TASK_TIMEOUT,
    MAX_DURATION,
    MAX_PRIORITY,
)
from alsek.exceptions import AlsekError, CorruptMessageError, SerializationError
from alsek.storage.backends.records import Claimed, Submission
from alsek.storage.serialization import Serializer, dump
from alsek.types import BackoffSettings, ExceptionDetails, Mechanism, Wish

if TYPE_CHECKING:
    from alsek.core.session import Session


class Claim(NamedTuple):
    """Proof that a worker holds a message now.

    Attributes:
        session: The standing of the worker with the store.
        claimed: What the store handed out: the token was issued for this uuid, in this queue.
    """

    session: Session
    claimed: Claimed

    @property
    def token(self) -> int:
        """The store's number for this claim."""
        return self.claimed.token


#: The fields, in the order in which they are shown, with what a missing one stands for on the wire.
#: `uuid` and `queue` are names in the store, so the payload has no copy of them.
_WIRE_DEFAULTS: dict[str, Any] = {
    "args": (),
    "kwargs": {},
    "metadata": None,
    "exception_details": None,
    "result_ttl": None,
    "progenitor_uuid": None,
    "retries": 0,
    "timeout": DEFAULT_TASK_TIMEOUT,
    "delay": 0,
    "previous_result": None,
    "previous_message_uuid": None,
    "callback_message_data": None,
    "backoff_settings": DEFAULT_BACKOFF_SETTINGS,
    "mechanism": DEFAULT_MECHANISM,
    "priority": 0,
    "mechanism_wish": "any",
    "retry_delay": None,
    "ttl": None,
    "status_ttl": 0,
}

_ALWAYS = object()

FIELDS = (
    "task_name",
    "queue",
    "args",
    "kwargs",
    "metadata",
    "exception_details",
    "result_ttl",
    "uuid",
    "progenitor_uuid",
    "retries",
    "timeout",
    "created_at",
    "updated_at",
    "delay",
    "previous_result",
    "previous_message_uuid",
    "callback_message_data",
    "backoff_settings",
    "mechanism",
    "priority",
    "mechanism_wish",
    "retry_delay",
    "ttl",
    "status_ttl",
)

#: In the data of a callback: its uuid was chosen by the caller. A message of its own does not say so on the wire.
_NAMED = "named"

#: What the wire has of a message itself, with the defaults that it leaves out.
_OWN = tuple((name, _WIRE_DEFAULTS.get(name, _ALWAYS)) for name in FIELDS if name not in ("uuid", "queue"))


class Message:
    """What a producer asks a worker to do. All times and durations are milliseconds; no duration may be longer than
    :data:`~alsek.defaults.MAX_DURATION` (more than 300 years).

    Args:
        task_name: The task that is to run.
        queue: Where the message waits.
        args: Positional arguments for the task.
        kwargs: Keyword arguments for the task.
        metadata: Anything serializable that the producer wants to travel along.
        exception_details: ``name``, ``text`` and ``traceback`` of the last failure.
        result_ttl: How long the result is kept; None for the result store's own.
        uuid: Names the message; a new one by default.
        progenitor_uuid: The message from which this one descends.
        retries: How often it has been retried.
        timeout: How long the task may run.
        created_at: UTC, as Unix milliseconds or as text (``2021-04-08 05:59:16.424000``). It informs: the store
            counts a delay from submission, on its own clock.
        updated_at: Likewise; `created_at` by default.
        delay: How long to wait before the first attempt.
        previous_result: For a callback, what the message before it returned.
        previous_message_uuid: For a callback, the message before it.
        callback_message_data: The ``data`` of the message to submit once this one has succeeded.
        backoff_settings: How long to wait before each retry, as data.
        mechanism: How the task is to be executed. By hand, it is also the wish.
        priority: Lower goes first; any integer from 0 to :data:`~alsek.defaults.MAX_PRIORITY` (2**53 - 1).
        mechanism_wish: Which kind of pool may take it: ``"any"`` for a task that names no mechanism.
        retry_delay: What the last retry asked for in place of the backoff.
        ttl: How long it may be ready before it expires; None for no end.
        status_ttl: How long the store keeps its statuses; 0 if it is not tracked by the store itself,
            -1 for ever.
        named: Whether a message of this uuid may have been submitted before: what is left of that one is then
            removed with the submission of this one. By default, if `uuid` is given.

    Raises:
        ValidationError: An argument is out of range or of the wrong kind.
    """

    __slots__ = (*FIELDS, "claim", "named")

    def __init__(
        self,
        task_name: str,
        queue: str = DEFAULT_QUEUE,
        args: list[Any] | tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        metadata: Any = None,
        exception_details: ExceptionDetails | None = None,
        result_ttl: int | None = None,
        uuid: str | None = None,
        progenitor_uuid: str | None = None,
        retries: int = 0,
        timeout: int = DEFAULT_TASK_TIMEOUT,
        created_at: int | str | None = None,
        updated_at: int | str | None = None,
        delay: int | None = 0,
        previous_result: Any = None,
        previous_message_uuid: str | None = None,
        callback_message_data: dict[str, Any] | None = None,
        backoff_settings: BackoffSettings | None = None,
        mechanism: Mechanism | None = None,
        priority: int = 0,
        mechanism_wish: Wish | None = None,
        retry_delay: int | None = None,
        ttl: int | None = None,
        status_ttl: int = 0,
        named: bool | None = None,
    ) -> None:
        if type(task_name) is not str or not task_name or not task_name.isprintable():
            check_task_name("task_name", task_name)
        self.task_name = task_name
        self.queue = check_name("queue", queue)
        self.args: tuple[Any, ...] = tuple(args) if isinstance(args, tuple | list) else ()
        self.kwargs: dict[str, Any] = kwargs if kwargs is not None else {}
        self.metadata = metadata
        self.exception_details = exception_details
        self.result_ttl = result_ttl
        self.uuid = new_uuid() if uuid is None else check_name("uuid", uuid)
        self.progenitor_uuid = progenitor_uuid
        self.retries = retries
        self.timeout = timeout
        self.created_at = timestamp(created_at) if created_at is not None else now_ms()
        self.updated_at = timestamp(updated_at) if updated_at is not None else self.created_at
        self.delay = 0 if delay is None else delay
        self.previous_result = previous_result
        self.previous_message_uuid = previous_message_uuid
        self.callback_message_data = callback_message_data
        self.backoff_settings: BackoffSettings = backoff_settings or DEFAULT_BACKOFF_SETTINGS
        self.mechanism_wish: Wish = mechanism_wish or mechanism or "any"
        self.mechanism: Mechanism = mechanism or (
            DEFAULT_MECHANISM if self.mechanism_wish == "any" else self.mechanism_wish
        )
        self.priority = priority
        self.retry_delay = retry_delay
        self.ttl = ttl
        self.status_ttl = status_ttl
        self.named = uuid is not None if named is None else named
        self.claim: Claim | None = None
        if (args is not None and type(args) is not tuple) or type(self.kwargs) is not dict:
            check_call(self, args)
        for name in self.kwargs:
            if type(name) is not str:
                check_call(self, args)
        # Written out, since it is done for each message twice: nearly all pass here.
        if not (
            type(timeout) is type(priority) is type(self.delay) is type(retries) is int
            and 0 < timeout <= MAX_DURATION
            and 0 <= priority <= MAX_PRIORITY
            and 0 <= self.delay <= MAX_DURATION
            and retries >= 0
            and result_ttl is None
            and ttl is None
            and retry_delay is None
            and self.mechanism_wish in WISHES
            and self.mechanism in MECHANISMS
        ):
            check_fields(self)

    @property
    def data(self) -> dict[str, Any]:
        """All that is, or can be, kept of the message; ``Message(**data)`` is an equal one."""
        return {name: getattr(self, name) for name in FIELDS}

    @property
    def summary(self) -> str:
        """The message in one line."""
        return f"Message(uuid={self.uuid!r}, queue={self.queue!r}, task={self.task_name!r})"

    @property
    def backoff(self) -> Backoff:
        """The backoff that the settings describe.

        Raises:
            ValidationError: It is not defined in this process.
        """
        return backoff_from(self.backoff_settings)

    @property
    def ready_at(self) -> int:
        """When the message is next ready for processing: Unix milliseconds, UTC, as far as its own data can tell."""
        if not self.retries:
            return self.created_at + self.delay
        if self.retry_delay is not None:
            return self.updated_at + self.retry_delay
        return self.updated_at + self.backoff.get(self.retries)

    @property
    def ttr(self) -> int:
        """How long until the message is ready (time to ready); 0 if it is."""
        return max(0, self.ready_at - now_ms())

    @property
    def ready(self) -> bool:
        """Whether the message is ready for processing."""
        return self.ttr == 0

    @property
    def descendant_uuids(self) -> list[str] | None:
        """The uuids of the callbacks that follow this message, nearest first; None if there are none."""
        uuids: list[str] = []
        data = self.callback_message_data
        while data is not None:
            uuids.append(data["uuid"])
            data = data.get("callback_message_data")
        return uuids or None

    @property
    def token(self) -> int | None:
        """The token of the claim under which a consumer or a pool handed it out."""
        return self.claim.token if self.claim is not None else None

    def clone(self) -> Message:
        """An equal message that shares nothing with this one, without the claim."""
        return Message(**deepcopy(self.data))

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied and pickled as its data, without the claim: whoever gets it does not hold the message."""
        return (_of_data, (type(self), self.data))

    def append_callback(self, callback: Message) -> None:
        """Make `callback` follow this message, after the callbacks that it has already."""
        self.callback_message_data = _followed(
            self.callback_message_data, _marked(callback.data, callback.named)
        )

    def pack(self, serializer: Serializer) -> bytes:
        """The message as bytes, without `uuid` and `queue`, defaults left out.

        Raises:
            SerializationError: The serializer can't take a value; the text names the task and the value.
        """
        wire: dict[str, Any] = {}
        try:
            # As _sparse() does it, without the dict of all fields: this is done for each message.
            wire = {
                name: value
                for name, default in _OWN
                if (value := getattr(self, name)) is not default and (default is None or value != default)
            }
            return dump(serializer, _finished(wire))
        except Exception as error:  # also of too long a chain
            if isinstance(error, AlsekError) and not isinstance(error, SerializationError):
                raise  # a task's timeout, say, that strikes just here
            reason = error.__cause__ or error if isinstance(error, SerializationError) else error
            raise SerializationError(blame(self, wire, serializer, reason)) from reason

    @classmethod
    def unpack(cls, uuid: str, queue: str, payload: bytes, serializer: Serializer) -> Message:
        """The message that :meth:`pack` made into `payload`.

        Raises:
            CorruptMessageError: These bytes are no such message.
        """
        try:
            wire = serializer.reverse(payload)
            callback = wire.get("callback_message_data")
            if callback is not None:
                wire["callback_message_data"] = _restored(callback)
            return cls(**wire, uuid=uuid, queue=queue)
        except Exception as error:  # whatever a serializer raises on bytes that are not its own
            raise CorruptMessageError(
                f"message {uuid!r} in queue {queue!r} can't be read by {serializer!r}: "
                f"{type(error).__name__}: {error} (first bytes: {payload[:60]!r})"
            ) from error

    def submission(self, serializer: Serializer) -> Submission:
        """The message as a store takes it.

        Raises:
            SerializationError: As :meth:`pack`.
        """
        return Submission(
            self.uuid,
            self.queue,
            self.pack(serializer),
            self.priority,
            self.mechanism_wish,
            self.delay,
            self.ttl or 0,
            self.status_ttl,
            self.named,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and self.data == other.data

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = self.data
        shown["created_at"] = to_text(self.created_at)
        shown["updated_at"] = to_text(self.updated_at)
        inner = "".join(f"    {name}={value!r},\n" for name, value in shown.items())
        return f"Message(\n{inner})"


def _of_data(kind: type[Message], data: dict[str, Any]) -> Message:
    return kind(**data)


def _sparse(data: dict[str, Any]) -> dict[str, Any]:
    """Message data without what :data:`_WIRE_DEFAULTS` restores; callbacks likewise."""
    sparse = {}
    for name, value in data.items():
        default = _WIRE_DEFAULTS.get(name, _ALWAYS)
        # Compared by identity where the default is None: a result may be of a type with an `==` of its own.
        if value is not default and (default is None or value != default):
            sparse[name] = value
    return _finished(sparse)


def _finished(sparse: dict[str, Any]) -> dict[str, Any]:
    """Without a time that is the other one, and with a callback that is sparse as well."""
    if "updated_at" in sparse and sparse["updated_at"] == sparse.get("created_at"):
        del sparse["updated_at"]
    callback = sparse.get("callback_message_data")
    if callback is not None:
        sparse["callback_message_data"] = _sparse(callback)
    return sparse


def _followed(data: dict[str, Any] | None, last: dict[str, Any]) -> dict[str, Any]:
    """A chain of callbacks with one more at its end. The dicts given may be shared: they stay as they are."""
    if data is None:
        return last
    return {**data, "callback_message_data": _followed(data.get("callback_message_data"), last)}


def _restored(sparse: dict[str, Any]) -> dict[str, Any]:
    callback = sparse.get("callback_message_data")
    if callback is not None:
        sparse = {**sparse, "callback_message_data": _restored(callback)}
    return _marked(Message(**sparse).data, sparse.get(_NAMED, False))


def _marked(data: dict[str, Any], named: bool) -> dict[str, Any]:
    """The data of a callback, which say if its uuid was chosen by the caller."""
    return {**data, _NAMED: True} if named else data
