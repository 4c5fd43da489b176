"""Building the messages of many calls of one task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from alsek.core.message import Message
from alsek.core.short_repr import shown
from alsek.core.submission.calls import AnyCall, normalize_call
from alsek.core.submission.options import MessageOptions
from alsek.exceptions import ArgumentsError, SerializationError, ValidationError
from alsek.storage.backends.records import Submission

if TYPE_CHECKING:
    from alsek.core.submission.producer import Producer


def error_suffix(submit: bool, whole: bool) -> str:
    """Return what ends the text of a refused call: what was submitted.

    Args:
        submit: Messages are submitted now.
        whole: All are built before the first is submitted.
    """
    if not submit:
        return ""
    if whole:
        return " Nothing was submitted."
    return " Submitted were the calls before it ({}), and none after it."


class CallBuilder:
    """Builds the messages of one ``generate_many``. Its errors name the call by its number.

    Args:
        producer: The task.
        defaults: The options of a call that has none of its own.
        error_suffix: Ends the text of an error; it may have a place for the number.
    """

    def __init__(self, producer: Producer, defaults: MessageOptions, error_suffix: str) -> None:
        self._producer = producer
        self._defaults = defaults
        self._error_suffix = error_suffix
        self._serializer = producer.broker.backend.serializer
        self._callback_uuids: set[str] = set()

    def numbered(self, calls: Iterable[AnyCall]) -> Iterator[tuple[int, AnyCall]]:
        """Iterate over calls with their numbers, counted from 0.

        Raises:
            ArgumentsError: They can't be iterated over.
        """
        try:
            return enumerate(calls)
        except TypeError as error:
            remedy = (
                "; collect these first: [call async for call in …]" if hasattr(calls, "__aiter__") else ""
            )
            raise ArgumentsError(
                f"calls={shown(calls)} of {self._producer.name}.generate_many(): must be a list, a generator or "
                f"another iterable of calls{remedy}"
            ) from error

    def message(self, number: int, given: AnyCall) -> Message:
        """Return the message of a call.

        Raises:
            ValidationError: The call is out of range or of the wrong kind.
        """
        try:
            args, kwargs, options = normalize_call(given, self._defaults)
            message = self._producer.build(args, kwargs, **options)
            if message.chain is not None:
                uuids = message.descendant_uuids or ()
                if not self._callback_uuids.isdisjoint(uuids):
                    # A store skips a callback whose uuid it knows already: it would never run.
                    raise ValidationError(
                        "its callback is that of an earlier call, too: generate() another one"
                    )
                self._callback_uuids.update(uuids)
        except (ValidationError, SerializationError) as error:
            raise self._explained(number, error) from error
        return message

    def packed(self, number: int, message: Message) -> Submission:
        """Return the message of a call as a store takes it.

        Raises:
            SerializationError: A value can't be serialized.
            ValidationError: The message is none that can be submitted.
        """
        try:
            return message.submission(self._serializer)
        except (ValidationError, SerializationError) as error:
            raise self._explained(number, error) from error

    def _explained(
        self, number: int, error: ValidationError | SerializationError
    ) -> ValidationError | SerializationError:
        where = f"call {number} of {self._producer.name}.generate_many()"
        return type(error)(f"{where}: {error}{self._error_suffix.format(number)}")
