"""Keeping what a task returned: serialized for the store's step, or written to a result store elsewhere."""

from __future__ import annotations

from typing import Any

from alsek.core.bounds import check_number
from alsek.core.execution import forks
from alsek.core.execution.delivery import Delivery
from alsek.core.failure import class_name, describe_failure
from alsek.core.message import Message
from alsek.core.task import AnyTask
from alsek.defaults import MAX_DURATION
from alsek.exceptions import AlsekError, PayloadTooLargeError, SerializationError
from alsek.storage.result import ResultStore
from alsek.storage.serialization import Serializer, dump


def keep_result(
    task: AnyTask, store: ResultStore, delivery: Delivery, result: Any
) -> tuple[bytes | None, int]:
    """Serialize the result for the step that completes the message, or write it to a result store elsewhere.

    Returns:
        The bytes that the step writes, None if it writes none; and how long (ms) they are kept.

    Raises:
        SerializationError: The result can't be serialized.
        Exception: Whatever a result store elsewhere raises.
    """
    message = delivery.message
    if message.result_ttl is not None:  # the task may have set it; it is cut if it is too long
        asked: Any = message.result_ttl
        check_number(
            "result_ttl",
            min(asked, MAX_DURATION) if isinstance(asked, int) else asked,
            1,
            delivery.summary,
        )
    ttl = store.wire_ttl(message)
    if store.is_atomic_with(task.broker.backend):
        # With the store's own serializer, which may be another than the broker's.
        return _serialized(task, store.backend.serializer, result), ttl
    _store_elsewhere(task, store, message, result)
    forks.check()
    delivery.restore()
    return None, ttl


def serialize_result(task: AnyTask, serializer: Serializer, result: Any, kept: bytes | None) -> bytes:
    """Serialize the result for the group of the message.

    Args:
        task: The task.
        serializer: The broker's.
        result: The result.
        kept: The same, as :func:`keep_result` has returned it.

    Raises:
        SerializationError: The result can't be serialized.
    """
    store = task.result_store
    if kept is not None and store is not None and store.backend.serializer is serializer:
        return kept
    return _serialized(task, serializer, result)


def _serialized(task: AnyTask, serializer: Serializer, result: Any) -> bytes:
    try:
        return dump(serializer, result)
    except PayloadTooLargeError as error:
        raise _too_large(task, result, error) from error
    except BaseException as error:  # whatever a serializer raises on values that it can't take
        raise _unserializable(task, serializer, result, error) from error


def _store_elsewhere(task: AnyTask, store: ResultStore, message: Message, result: Any) -> None:
    """Write the result before the message is completed, under the token of the claim.

    So the result of an older claim never replaces that of a newer one.
    """
    try:
        store.set(message, result)
    except PayloadTooLargeError as error:
        raise _too_large(task, result, error) from error
    except AlsekError:
        raise
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        if not _is_serializable(store, result):
            raise _unserializable(task, store.backend.serializer, result, error) from error
        raise


def _is_serializable(store: ResultStore, result: Any) -> bool:
    try:
        dump(store.backend.serializer, result)
    except Exception:  # noqa: BLE001  a serializer may raise anything
        return False
    return True


def _too_large(task: AnyTask, result: Any, error: PayloadTooLargeError) -> PayloadTooLargeError:
    why = error.__cause__ or error
    return PayloadTooLargeError(
        f"task {task.name!r} returned {class_name(result)}, which can't be kept: {why}"
    )


def _unserializable(
    task: AnyTask, serializer: Serializer, result: Any, error: BaseException
) -> SerializationError:
    why = describe_failure(error.__cause__ or error)["text"]
    return SerializationError(
        f"task {task.name!r} returned {class_name(result)}, which {serializer!r} can't "
        f"serialize: {why}. Return something simpler, or leave out the result store."
    )
