"""The callback of a group: its previous result is read from the store when it is first asked for."""

from __future__ import annotations

from typing import Any

from alsek.core.callbacks import Data
from alsek.core.groups.results import GroupResults, read_results
from alsek.core.message import Message
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.drivers.blocking import BlockingDriver, run_blocking
from alsek.storage.serialization import Serializer
from alsek.types import GroupFailure


class JoinedMessage(Message):
    """A message that is the callback of a group.

    In all that is stored, shown or copied of it, the results of the group are left out.
    """

    __slots__ = ("_backend", "_given", "_group", "_results")

    _backend: Backend
    _group: str
    _given: Any
    _results: GroupResults | None

    @classmethod
    def of(cls, message: Message, backend: Backend, group: str) -> JoinedMessage:
        """Return a message as the callback of a group of this store. `message` itself is not to be used any more."""
        joined = object.__new__(cls)
        joined._results = None
        for name in Message.__slots__:
            setattr(joined, name, getattr(message, name))
        joined._backend, joined._group = backend, group
        return joined

    @property
    def previous_result(self) -> Any:
        """The results of the members, in their order; None for one that did not succeed.

        They are read from the store once, in pieces, when they are first asked for. For an ``async def`` task that
        happens before it begins.

        Raises:
            MessageDoesNotExistsError: The group is gone.
            BackendError: The store can't answer now.
        """
        return self._loaded().results if self._given is None else self._given

    @previous_result.setter
    def previous_result(self, result: Any) -> None:
        self._given = result

    @property
    def group_failures(self) -> list[GroupFailure]:
        """The members that did not succeed, in their order. Read as `previous_result` is."""
        return self._loaded().failures

    def load(self) -> None:
        """Read the results now, if they were not read yet.

        Raises:
            MessageDoesNotExistsError, BackendError: As `previous_result`.
        """
        self._loaded()

    def _loaded(self) -> GroupResults:
        if self._results is None:
            driver = BlockingDriver(self._backend)
            self._results = run_blocking(read_results(driver, self._group, self._backend.serializer))
        return self._results

    def own_data(self) -> Data:
        """Return all fields but the callbacks and the results."""
        return self._plain().own_data()

    def pack(self, serializer: Serializer, *, callbacks: bool = True) -> bytes:
        """Return the payload, as it is stored: without the results."""
        return self._plain().pack(serializer, callbacks=callbacks)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle it as a plain message, with the results as far as they were read."""
        plain = self._plain()
        if plain.previous_result is None and self._results is not None:
            plain.previous_result = self._results.results
        return plain.__reduce__()

    def _plain(self) -> Message:
        plain = object.__new__(Message)
        for name in Message.__slots__:
            setattr(plain, name, self._given if name == "previous_result" else getattr(self, name))
        return plain
