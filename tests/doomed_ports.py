"""Ports whose caller is killed right after a call."""

from __future__ import annotations

from typing import Any


class KilledError(Exception):
    """The process is gone."""


class DoomedPort:
    """A port whose caller is killed right after the n-th call.

    Args:
        port: The port.
        calls: How many calls are left, counted over all ports that share this list.
    """

    def __init__(self, port: Any, calls: list[int]) -> None:
        self._port = port
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if not callable(method):
            return method

        def call(*arguments: Any, **options: Any) -> Any:
            answer = method(*arguments, **options)
            self._calls[0] -= 1
            if self._calls[0] == 0:
                raise KilledError
            return answer

        return call
