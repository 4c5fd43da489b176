"""What a namespace remembers of its partitions.

It is a STRING in the place of the messages of a namespace without partitions. So a backend that knows of no partitions
can store no message there: the server refuses its scripts, at no cost for all other namespaces.

Whoever stores the number first writes it into each partition as well, and so do workers. That is read while the server
is away that has the first one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from alsek.exceptions import BackendError, BackendUnavailableError, ValidationError
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.keys import Keys, mark_of_partitions, marked_partitions

#: The counters of a store without partitions: one of them has grown if it was used.
_COUNTERS: Final = ("arrival", "token", "write", "death", "fence", "beat")

#: The field of a partition's counters that says how many there are.
_NOTE: Final = "partitions"


class Marker:
    """The number of partitions of a namespace, as its store has it.

    Args:
        link: To the server that has it.
        keys: The names of the namespace without partitions.
        where: The namespace, for errors.
        prompt: The same, but its calls never wait for long; None if there is nobody else to ask.
    """

    def __init__(self, link: Link, keys: Keys, where: str, prompt: Link | None = None) -> None:
        self._link = link
        self._keys = keys
        self._where = where
        self._prompt = prompt

    def check(self, partitions: int, elsewhere: Callable[[], int | None]) -> bool:
        """Compare the number with that of the store. If there is none, store it, and return True.

        Args:
            partitions: The number.
            elsewhere: Returns what other servers have of it; None if that is nothing, or they do not answer either.

        Raises:
            ValidationError: The store has another number, or is one without partitions.
        """
        if self._prompt is not None:
            try:
                stored_partitions(self._prompt, self._keys)
            except BackendUnavailableError:
                stored = elsewhere()
                if stored is not None:
                    self._compare(partitions, stored)
                    return False
        stored = stored_partitions(self._link, self._keys)
        is_new = stored is None and not self._is_in_use()
        if is_new:
            self._link.call("SET", self._keys.messages(), mark_of_partitions(partitions), "NX")
            stored = stored_partitions(self._link, self._keys)
        self._compare(partitions, stored)
        return is_new

    def _compare(self, partitions: int, stored: int | None) -> None:
        if stored == partitions:
            return
        if stored is None:
            raise ValidationError(
                f"{self._where} has no partitions, and the backend was given partitions={partitions}. The number can't "
                "be changed in place: leave it out, or use another namespace, and move there what is in this one"
            )
        raise ValidationError(
            f"{self._where} has {stored} partitions, and the backend was given partitions={partitions}. The number "
            f"can't be changed in place: give partitions={stored}, or use another namespace, and move there what is in "
            "this one"
        )

    def _is_in_use(self) -> bool:
        """Whether there is a store without partitions. A message that was refused leaves a counter at 0."""
        numbers = self._link.call("HMGET", self._keys.counters(), *_COUNTERS)
        return any(number not in (None, b"0") for number in numbers)

    def delete(self) -> None:
        """Forget the number."""
        if stored_partitions(self._link, self._keys) is not None:
            self._link.call("DEL", self._keys.messages())


def note_partitions(link: Link, keys: Keys, partitions: int) -> None:
    """Write into a partition how many there are, if it does not have that yet."""
    link.call("HSETNX", keys.counters(), _NOTE, partitions)


def forget_note(link: Link, keys: Keys) -> None:
    """Take that out of a partition. If nothing was ever stored there, no key is left."""
    link.call("HDEL", keys.counters(), _NOTE)


def noted_partitions(link: Link, keys: Keys) -> int | None:
    """How many partitions there are, as one of them has it; None if nobody has written it there."""
    noted: Any = link.call("HGET", keys.counters(), _NOTE)
    return None if noted is None else int(noted)


def stored_partitions(link: Link, keys: Keys) -> int | None:
    """The number of partitions of a namespace, as its store has it; None if it has none.

    Args:
        link: To the server.
        keys: The names of the namespace without partitions.
    """
    try:
        mark: Any = link.call("GET", keys.messages())
    except BackendError as error:
        if "WRONGTYPE" in str(error):
            return None  # messages of a namespace without partitions
        raise
    return marked_partitions(mark)


def refuse_partitions(link: Link, keys: Keys, where: str) -> None:
    """Check that a namespace has no partitions.

    Raises:
        ValidationError: It has some.
    """
    stored = stored_partitions(link, keys)
    if stored is not None:
        raise ValidationError(f"{where} has {stored} partitions: give the backend partitions={stored}")
