"""Charges: the exceptions that messages end with after their process died, as they cross processes."""

from __future__ import annotations

from typing import Final, NamedTuple

from alsek.exceptions import MessageRevokedError, TaskError, TaskTimeoutError, WorkerLostError

_KINDS: Final[dict[str, type[TaskError]]] = {
    kind.__name__: kind for kind in (TaskTimeoutError, WorkerLostError, MessageRevokedError)
}


class Charge(NamedTuple):
    """An exception by name and text: only plain values cross processes.

    Attributes:
        name: The name of its class.
        text: Its text.
    """

    name: str
    text: str

    @classmethod
    def of(cls, error: TaskError) -> Charge:
        """Return the charge for an exception: a timeout, a lost worker or a revocation."""
        return cls(type(error).__name__, str(error))

    def to_exception(self) -> TaskError:
        """Return the exception."""
        return _KINDS[self.name](self.text)
